/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bencode: strict in what it takes, the same octets in what it gives back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ng/bencode.h"

static struct tg_arena arena;

static int setup(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	return 0;
}

static enum tg_ben_rc decode(const char *text, struct tg_ben **out)
{
	return tg_ben_decode(tg_span_cstr(text), &arena, out);
}

static struct tg_ben *good(const char *text)
{
	struct tg_ben *b;

	assert_int_equal(decode(text, &b), TG_BEN_OK);
	assert_non_null(b);
	return b;
}

static void gives(const struct tg_ben *b, const char *text)
{
	struct tg_span out = tg_ben_encode(b, &arena);

	if(!tg_span_eq(out, tg_span_cstr(text)))
		fail_msg("%.*s", TG_SPAN_FMT(out));
}

static void what_it_takes_it_gives_back(void **state)
{
	static const char *const row[] = {"0:", "3:abc", "i0e", "i-1e", "i42e",
			"i9223372036854775807e", "le", "de", "li1e1:ae", "d1:zi1e1:a2:bbe",
			"d5:flagsl10:trust-addre3:sdp0:e", "d1:ad1:bl1:cd1:di1eeeee"};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		gives(good(row[i]), row[i]);
}

static void refuses_other_spellings(void **state)
{
	static const char *const row[] = {"", "i", "ie", "i-e", "i-0e", "i01e",
			"i1", "i1x", "i+1e", "i 1e", "i9223372036854775808e", "1",
			"1:", "2:a", "01:a", "-1:a", ":a", "1:ab", "l", "li1e", "d", "d1:a",
			"d1:ae", "di1ei2ee", "d1:ai1e1:ai2ee", "e", "x", "i1ei2e", "de ",
			"99999999999999999999:a"};
	struct tg_ben *b;

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if(decode(row[i], &b) != TG_BEN_MALFORMED || b)
			fail_msg("%s", row[i]);
	}
}

static void keeps_its_limits(void **state)
{
	static char text[TG_BEN_OCTETS_MAX + 2];
	struct tg_ben *b;

	(void)state;
	memset(text, 'l', TG_BEN_DEPTH_MAX);
	memset(text + TG_BEN_DEPTH_MAX, 'e', TG_BEN_DEPTH_MAX);
	good(text);
	memset(text, 'l', TG_BEN_DEPTH_MAX + 1);
	memset(text + TG_BEN_DEPTH_MAX + 1, 'e', TG_BEN_DEPTH_MAX + 1);
	assert_int_equal(decode(text, &b), TG_BEN_TOO_LARGE);

	memset(text, 0, sizeof(text));
	text[0] = 'l';
	for(size_t i = 0; i < TG_BEN_ITEMS_MAX; i++) {
		text[1 + 2 * i] = '0';
		text[2 + 2 * i] = ':';
	}
	text[1 + 2 * TG_BEN_ITEMS_MAX] = 'e';
	assert_int_equal(decode(text, &b), TG_BEN_TOO_LARGE);

	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(decode(text, &b), TG_BEN_TOO_LARGE);
}

static void finds_sets_and_removes_entries(void **state)
{
	struct tg_ben *b = good("d7:command5:offer5:flagsl1:ae1:ni7ee");
	struct tg_ben *list = tg_ben_get(b, "flags");
	struct tg_ben *item = tg_ben_new(&arena, TG_BEN_STRING);

	(void)state;
	assert_true(tg_span_eq(tg_ben_get_string(b, "command"), TG_SPAN("offer")));
	assert_int_equal(tg_ben_get_string(b, "n").len, 0);
	assert_int_equal(tg_ben_get(b, "n")->integer, 7);
	assert_null(tg_ben_get(b, "absent"));
	assert_null(tg_ben_get(list, "a"));
	assert_null(tg_ben_get(NULL, "a"));
	item->string = TG_SPAN("b");
	assert_true(tg_ben_append(list, item));
	assert_false(tg_ben_append(list, NULL));
	assert_true(tg_ben_set_string(b, &arena, "command", TG_SPAN("answer")));
	assert_true(tg_ben_set_string(b, &arena, "new", TG_SPAN("1")));
	assert_true(tg_ben_remove(b, "n"));
	assert_false(tg_ben_remove(b, "n"));
	gives(b, "d7:command6:answer5:flagsl1:a1:be3:new1:1e");
	assert_true(tg_ben_remove(b, "command"));
	assert_true(tg_ben_remove(b, "new"));
	gives(b, "d5:flagsl1:a1:bee");
}

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static struct tg_ben *random_value(uint32_t *seed, unsigned depth)
{
	static const char *const words[] = {"", "a", "sdp", "i1e", "1:x", "d\0e"};
	static const char *const keys[] = {"a", "b", "call-id", "e", "le", ""};
	unsigned type = 1 + dice(seed) % (depth > 4 ? 2 : 4);
	struct tg_ben *b = tg_ben_new(&arena, (enum tg_ben_type)type);

	if(type == TG_BEN_STRING)
		b->string = tg_span_cstr(words[dice(seed) % 6]);
	if(type == TG_BEN_INTEGER)
		b->integer = (int64_t)dice(seed) - 30000;
	for(unsigned i = 0; type > TG_BEN_INTEGER && i < dice(seed) % 6; i++) {
		struct tg_ben *c = random_value(seed, depth + 1);

		if(type == TG_BEN_DICT)
			c->key = tg_span_cstr(keys[i]);
		assert_true(tg_ben_append(b, c));
	}
	return b;
}

static bool same(const struct tg_ben *a, const struct tg_ben *b)
{
	for(; a && b; a = a->next, b = b->next) {
		if(a->type != b->type || !tg_span_eq(a->key, b->key)
				|| !tg_span_eq(a->string, b->string) || a->integer != b->integer
				|| !same(a->child, b->child))
			return false;
	}
	return !a && !b;
}

static void decode_of_encode_is_the_value(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for(unsigned round = 0; round < 3000; round++) {
		struct tg_ben *b = random_value(&seed, 0), *back;
		struct tg_span text = tg_ben_encode(b, &arena), message;

		assert_int_equal(tg_ben_decode(text, &arena, &back), TG_BEN_OK);
		assert_true(same(b, back));
		message = tg_ben_encode_message(TG_SPAN("c 1"), b, &arena);
		assert_int_equal(message.len, 4 + text.len);
		assert_memory_equal(message.ptr, "c 1 ", 4);
		assert_memory_equal(message.ptr + 4, text.ptr, text.len);
		tg_arena_deinit(&arena);
	}
}

static void lists_of_the_outermost_dictionary_may_stay_as_they_are(void **state)
{
	static const char text[] = "d5:flagsl10:trust-addri7ee4:deepl1:ali1eee4:"
							   "tagsd1:xl1:yee3:sdp3:v=0e";
	struct tg_ben *b, *list;

	(void)state;
	assert_int_equal(tg_ben_decode_top(TG_SPAN(text), &arena, &b), TG_BEN_OK);
	gives(b, text);
	list = tg_ben_get(b, "flags");
	assert_int_equal(list->type, TG_BEN_WHOLE);
	assert_true(tg_span_eq(list->string, TG_SPAN("l10:trust-addri7ee")));
	assert_int_equal(tg_ben_get_string(b, "flags").len, 0);
	assert_int_equal(tg_ben_get(b, "deep")->type, TG_BEN_WHOLE);
	assert_int_equal(tg_ben_get(b, "tags")->type, TG_BEN_DICT);
	assert_true(tg_ben_remove(b, "flags"));
	assert_true(tg_ben_set_string(b, &arena, "sdp", TG_SPAN("s")));
	gives(b, "d4:deepl1:ali1eee4:tagsd1:xl1:yee3:sdp1:se");
	assert_int_equal(tg_ben_decode_top(TG_SPAN("d1:al1:be"), &arena, &b),
			TG_BEN_MALFORMED);
	assert_int_equal(
			tg_ben_decode_top(TG_SPAN("d1:ald1:xi1e1:xi2eeee"), &arena, &b),
			TG_BEN_MALFORMED);
	assert_int_equal(
			tg_ben_decode_glance(TG_SPAN(text), &arena, &b), TG_BEN_OK);
	gives(b, "d5:flagsl10:trust-addri7ee4:deepl1:ali1eee4:tagsd1:xl1:yee"
			 "3:sdp3:v=0e");
	assert_int_equal(tg_ben_get(b, "tags")->type, TG_BEN_WHOLE);
	assert_int_equal(tg_ben_decode_top(TG_SPAN("d1:al01:bee"), &arena, &b),
			TG_BEN_MALFORMED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(what_it_takes_it_gives_back),
			T(refuses_other_spellings), T(keeps_its_limits),
			T(finds_sets_and_removes_entries), T(decode_of_encode_is_the_value),
			T(lists_of_the_outermost_dictionary_may_stay_as_they_are)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
