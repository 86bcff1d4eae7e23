/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edits of a session description: what is asked for happens, and every other
 * octet stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdp/sdp.h"

#define TEXT "v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\na=x\r\n"

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

static struct tg_sdp sdp;

static struct tg_sdp_edit *edit(const char *text)
{
	struct tg_sdp_edit *e;

	assert_int_equal(tg_sdp_parse(tg_span_cstr(text), &arena, &sdp), TG_SDP_OK);
	e = tg_sdp_edit_new(&sdp, &arena);
	assert_non_null(e);
	return e;
}

static void gives(struct tg_sdp_edit *e, const char *text)
{
	struct tg_span out = tg_sdp_edit_apply(e);

	assert_non_null(out.ptr);
	if(!tg_span_eq(out, tg_span_cstr(text)))
		fail_msg("%.*s", TG_SPAN_FMT(out));
}

static void no_edit_gives_the_same_octets(void **state)
{
	static const char *const row[] = {
			TEXT, "v=0", "v=0\n", "v=0\r\ns=-\nt=0 0", "v=0\r\ns= x \r\n\r\n"};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		gives(edit(row[i]), row[i]);
}

static void drops_replaces_and_adds(void **state)
{
	struct tg_sdp_edit *e = edit(TEXT);

	(void)state;
	assert_true(tg_sdp_edit_drop(e, 3));
	assert_true(tg_sdp_edit_replace(
			e, sdp.media[0].proto, TG_SPAN("UDP/TLS/RTP/SAVP")));
	assert_true(tg_sdp_edit_add_after(e, 2, TG_SPAN("a=one")));
	assert_true(tg_sdp_edit_add_after(e, 2, TG_SPAN("a=two")));
	gives(e, "v=0\r\ns=-\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0\r\n"
			 "a=one\r\na=two\r\n");
}

static void several_edits_of_one_line_find_their_places(void **state)
{
	struct tg_sdp_edit *e = edit(TEXT);
	struct tg_span line = sdp.line[2].text;

	(void)state;
	assert_true(
			tg_sdp_edit_replace(e, sdp.media[0].proto, TG_SPAN("RTP/SAVP")));
	assert_true(tg_sdp_edit_replace(e, sdp.media[0].type, TG_SPAN("video")));
	assert_true(tg_sdp_edit_replace(
			e, tg_span_of(line.ptr + line.len, 0), TG_SPAN(" 8")));
	assert_true(tg_sdp_edit_replace(
			e, tg_span_of(sdp.media[0].type.ptr, 0), TG_SPAN("x-")));
	assert_false(tg_sdp_edit_replace(
			e, tg_span_of(sdp.media[0].proto.ptr + 1, 3), TG_SPAN("y")));
	gives(e, "v=0\r\ns=-\r\nm=x-video 4000 RTP/SAVP 0 8\r\na=x\r\n");
}

static void keeps_an_open_end(void **state)
{
	struct tg_sdp_edit *e = edit("v=0\r\ns=-");

	(void)state;
	assert_true(tg_sdp_edit_add_after(e, 1, TG_SPAN("t=0 0")));
	gives(e, "v=0\r\ns=-\r\nt=0 0");
	e = edit("v=0\ns=-");
	assert_true(tg_sdp_edit_drop(e, 1));
	assert_true(tg_sdp_edit_add_after(e, 1, TG_SPAN("t=0 0")));
	assert_true(tg_sdp_edit_add_after(e, 1, TG_SPAN("a=x")));
	gives(e, "v=0\nt=0 0\na=x");
}

static void refuses_edits_that_would_make_lines(void **state)
{
	struct tg_sdp_edit *e = edit(TEXT);

	(void)state;
	assert_false(tg_sdp_edit_add_after(e, 1, TG_SPAN("a=x\r\nm=y")));
	assert_false(tg_sdp_edit_add_after(e, 1, TG_SPAN("")));
	assert_false(
			tg_sdp_edit_replace(e, sdp.media[0].proto, TG_SPAN("RTP/AVP\n")));
	assert_false(tg_sdp_edit_replace(
			e, tg_span_of(sdp.line[0].text.ptr, 5), TG_SPAN("v=1")));
	assert_false(tg_sdp_edit_replace(e, TG_SPAN("elsewhere"), TG_SPAN("x")));
	assert_false(tg_sdp_edit_add_after(e, 4, TG_SPAN("a=x")));
	assert_false(tg_sdp_edit_drop(e, 4));
	gives(e, TEXT);
}

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* A model of the same edits, line by line */
struct model {
	bool drop[16];
	bool add[16];
	char replaced[16];
};

static void expect(const struct model *m, char *out)
{
	for(size_t i = 0; i < sdp.n_lines; i++) {
		const struct tg_sdp_line *l = &sdp.line[i];

		if(!m->drop[i]) {
			memcpy(out, l->text.ptr, l->text.len);
			if(m->replaced[i])
				out[2] = m->replaced[i];
			out += l->text.len;
			out += sprintf(
					out, "%.*s", (int)l->end_octets, l->text.ptr + l->text.len);
		}
		if(m->add[i])
			out += sprintf(out, "a=added\r\n");
	}
	*out = 0;
}

static void random_edits_leave_all_other_octets(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for(unsigned round = 0; round < 2000; round++) {
		struct tg_sdp_edit *e;
		struct model m = {{0}, {0}, {0}};
		char text[512] = "v=0\r\n", want[1024];
		size_t n = 1 + dice(&seed) % 12, at = strlen(text);

		tg_arena_deinit(&arena);
		for(size_t i = 0; i < n; i++)
			at += (size_t)sprintf(text + at, "a=%c%0*u\r\n",
					(char)('a' + dice(&seed) % 26), (int)(dice(&seed) % 9),
					dice(&seed));
		e = edit(text);
		for(uint32_t i = 1; i <= n; i++) {
			m.drop[i] = dice(&seed) % 4 == 0;
			m.add[i] = dice(&seed) % 4 == 0;
			m.replaced[i] = dice(&seed) % 4 ? 0 : 'Z';
			if(m.drop[i])
				assert_true(tg_sdp_edit_drop(e, i));
			if(m.add[i])
				assert_true(tg_sdp_edit_add_after(e, i, TG_SPAN("a=added")));
			if(m.replaced[i])
				assert_true(tg_sdp_edit_replace(e,
						tg_span_of(sdp.line[i].text.ptr + 2, 1), TG_SPAN("Z")));
		}
		expect(&m, want);
		gives(e, want);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(no_edit_gives_the_same_octets),
			T(drops_replaces_and_adds),
			T(several_edits_of_one_line_find_their_places),
			T(keeps_an_open_end), T(refuses_edits_that_would_make_lines),
			T(random_edits_leave_all_other_octets)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
