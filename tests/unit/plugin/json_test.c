/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cm.h"

#include "ng/json.h"

static struct tg_arena arena;
static struct tg_ngx_json json;

static bool reads(const char *text)
{
	tg_arena_deinit(&arena);
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	return tg_ngx_json_read(tg_span_cstr(text), &arena, &json);
}

static void finds_command_and_call(void **state)
{
	(void)state;
	assert_true(reads(" {\"flags\":[\"a\",{\"call-id\":\"no\"}], "
					  "\"command\" : \"offer\",\"call-id\":\"c@x\"} "));
	assert_true(tg_span_eq(json.command, TG_SPAN("offer")));
	assert_true(tg_span_eq(json.call_id, TG_SPAN("c@x")));
	assert_false(json.has_token);
}

static void resolves_escapes(void **state)
{
	(void)state;
	assert_true(reads("{\"call-\\u0069d\":\"\\u0063\\u00e9\\ud83d\\ude00\\n\","
					  "\"trunkg\\u0075ard\":1}"));
	assert_true(
			tg_span_eq(json.call_id, TG_SPAN("c\xc3\xa9\xf0\x9f\x98\x80\n")));
	assert_true(json.has_token);
}

static void refuses_what_is_not_strict(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}x", "{\"a\"}",
			"{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":\"\n\"}",
			"{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u00\"}",
			"{\"a\":\"\\u0000\"}", "{\"a\":[1}", "{\"a\":\"",
			"{\"call-id\":\"a\",\"call-id\":\"b\"}",
			"{\"command\":\"a\",\"command\":\"b\"}", "{'a':1}"};
	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(reads(bad[i]));
}

static void bounds_the_depth(void **state)
{
	char text[2 * TG_NGX_JSON_DEPTH_MAX + 32] = "{\"a\":";
	size_t n = strlen(text);

	(void)state;
	memset(text + n, '[', TG_NGX_JSON_DEPTH_MAX);
	memset(text + n + TG_NGX_JSON_DEPTH_MAX, ']', TG_NGX_JSON_DEPTH_MAX);
	text[n + 2 * TG_NGX_JSON_DEPTH_MAX] = '}';
	assert_true(reads(text));
	memmove(text + n + 1, text + n, strlen(text + n) + 1);
	text[n + 2 * TG_NGX_JSON_DEPTH_MAX + 1] = ']';
	text[n + 2 * TG_NGX_JSON_DEPTH_MAX + 2] = '}';
	assert_false(reads(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(finds_command_and_call),
			cmocka_unit_test(resolves_escapes),
			cmocka_unit_test(refuses_what_is_not_strict),
			cmocka_unit_test(bounds_the_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
