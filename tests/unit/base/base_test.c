/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ground everything stands on: spans, the arena, diagnostics, the words
 * of media security, wiping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/media.h"
#include "base/reason.h"

/* ---- spans ------------------------------------------------------------- */

static void spans_compare_by_octets(void **state)
{
	(void)state;
	assert_true(tg_span_eq(TG_SPAN("a\0b"), TG_SPAN("a\0b")));
	assert_false(tg_span_eq(TG_SPAN("a\0b"), TG_SPAN("a\0c")));
	assert_false(tg_span_eq(TG_SPAN("a"), TG_SPAN("ab")));
	assert_true(tg_span_eq(tg_span_of(NULL, 0), TG_SPAN("")));
	assert_true(tg_span_eq(tg_span_cstr(NULL), TG_SPAN("")));
}

static void case_folds_for_ascii_only(void **state)
{
	(void)state;
	assert_true(tg_span_ieq(TG_SPAN("Ab.C"), TG_SPAN("aB.c")));
	assert_false(tg_span_ieq(TG_SPAN("\xc4"), TG_SPAN("\xe4")));
	assert_false(tg_span_ieq(TG_SPAN("["), TG_SPAN("{")));
	assert_true(tg_span_istarts(TG_SPAN("SIP:x"), TG_SPAN("sip:")));
	assert_false(tg_span_starts(TG_SPAN("SIP:x"), TG_SPAN("sip:")));
	assert_false(tg_span_starts(TG_SPAN("si"), TG_SPAN("sip")));
	assert_true(tg_span_starts(TG_SPAN("si"), TG_SPAN("")));
}

static void trimming_takes_blanks_off_both_ends(void **state)
{
	(void)state;
	assert_true(
			tg_span_eq(tg_span_trim(TG_SPAN(" \t\r\na b\n ")), TG_SPAN("a b")));
	assert_int_equal(tg_span_trim(TG_SPAN(" \t ")).len, 0);
	assert_int_equal(tg_span_trim(tg_span_of(NULL, 0)).len, 0);
}

static void cutting_walks_over_a_list(void **state)
{
	struct tg_span rest = TG_SPAN("a,,b");

	(void)state;
	assert_true(tg_span_eq(tg_span_cut(&rest, ','), TG_SPAN("a")));
	assert_true(tg_span_eq(tg_span_cut(&rest, ','), TG_SPAN("")));
	assert_true(tg_span_eq(tg_span_cut(&rest, ','), TG_SPAN("b")));
	assert_int_equal(rest.len, 0);
	assert_int_equal(tg_span_cut(&rest, ',').len, 0);
	assert_int_equal(tg_span_find(TG_SPAN("abc"), 'c'), 2);
	assert_int_equal(tg_span_find(TG_SPAN("abc"), 'x'), 3);
}

static void a_lone_cr_is_found_wherever_it_is(void **state)
{
	(void)state;
	for(size_t n = 0; n < 70; n++) {
		char *exact = test_malloc(n + !n);

		memset(exact, 'x', n);
		assert_false(tg_span_has_lone_cr(tg_span_of(exact, n)));
		for(size_t i = 0; i < n; i++) {
			exact[i] = '\r';
			assert_true(tg_span_has_lone_cr(tg_span_of(exact, n)));
			if(i + 1 < n) {
				exact[i + 1] = '\n';
				assert_false(tg_span_has_lone_cr(tg_span_of(exact, n)));
				exact[i + 1] = 'x';
			}
			exact[i] = 'x';
		}
		test_free(exact);
	}
}

static void numbers_are_digits_within_bounds(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(tg_span_u64(TG_SPAN("0"), 0, &v));
	assert_int_equal(v, 0);
	assert_true(tg_span_u64(TG_SPAN("007"), 7, &v));
	assert_int_equal(v, 7);
	assert_true(tg_span_u64(TG_SPAN("18446744073709551615"), UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	v = 7;
	assert_false(tg_span_u64(TG_SPAN("18446744073709551616"), UINT64_MAX, &v));
	assert_false(tg_span_u64(TG_SPAN(""), 10, &v));
	assert_false(tg_span_u64(TG_SPAN("11"), 10, &v));
	assert_false(tg_span_u64(TG_SPAN("9"), 5, &v));
	assert_false(tg_span_u64(TG_SPAN("-1"), 10, &v));
	assert_false(tg_span_u64(TG_SPAN("+1"), 10, &v));
	assert_false(tg_span_u64(TG_SPAN(" 1"), 10, &v));
	assert_false(tg_span_u64(TG_SPAN("0x1"), 10, &v));
	assert_int_equal(v, 7);
}

/* ---- arena ------------------------------------------------------------- */

struct counted {
	size_t live;
	size_t left; /* blocks it still gives */
};

static void *counted_alloc(void *ctx, size_t octets)
{
	struct counted *c = ctx;

	if(!c->left)
		return NULL;
	c->left--;
	c->live++;
	return malloc(octets);
}

static void counted_free(void *ctx, void *block)
{
	((struct counted *)ctx)->live--;
	free(block);
}

static void an_arena_gives_zeroed_aligned_blocks_and_frees_all(void **state)
{
	struct counted c = {0, 1000};
	struct tg_alloc alloc = {counted_alloc, counted_free, &c};
	struct tg_arena a;

	(void)state;
	tg_arena_init(&a, &alloc, 128);
	for(size_t i = 1; i < 300; i += 7) {
		unsigned char *p = tg_arena_get(&a, i);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for(size_t k = 0; k < i; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, i);
	}
	assert_true(a.used_octets > 0);
	assert_true(c.live > 1);
	tg_arena_deinit(&a);
	assert_int_equal(c.live, 0);
	/* it may be used again */
	assert_non_null(tg_arena_get(&a, 1));
	tg_arena_deinit(&a);
	assert_int_equal(c.live, 0);
}

/* As Kamailio's memory managers do: blocks aligned to 8 octets, no more */
static void *eight_alloc(void *ctx, size_t octets)
{
	char *block = malloc(octets + 8);

	(void)ctx;
	assert_non_null(block);
	return block + 8;
}

static void eight_free(void *ctx, void *block)
{
	(void)ctx;
	free((char *)block - 8);
}

static void lines_of_an_arena_stay_inside_of_it(void **state)
{
	const struct tg_alloc alloc = {eight_alloc, eight_free, NULL};
	struct tg_arena a;

	(void)state;
	tg_arena_init(&a, &alloc, 4096);
	assert_null(tg_arena_lines(&a, 0, 64));
	assert_null(tg_arena_lines(&a, SIZE_MAX / 64, 64));
	for(size_t n = 1; n < 20; n++) {
		unsigned char *p = tg_arena_lines(&a, n, 64);
		unsigned char *next = tg_arena_get(&a, 16);

		assert_int_equal((uintptr_t)p % TG_ARENA_LINE_OCTETS, 0);
		memset(p, 0xff, n * 64);
		for(size_t k = 0; k < 16; k++)
			assert_int_equal(next[k], 0);
	}
	tg_arena_deinit(&a);
}

static void an_arena_refuses_what_it_cannot_give(void **state)
{
	struct counted c = {0, 1};
	struct tg_alloc alloc = {counted_alloc, counted_free, &c};
	struct tg_arena a;

	(void)state;
	tg_arena_init(&a, &alloc, 64);
	assert_null(tg_arena_get(&a, 0));
	assert_null(tg_arena_get(&a, SIZE_MAX));
	assert_null(tg_arena_get(&a, SIZE_MAX - 15));
	assert_null(tg_arena_array(&a, SIZE_MAX / 2, 3));
	assert_non_null(tg_arena_get(&a, 64));
	assert_null(tg_arena_get(&a, 64));
	assert_null(tg_arena_dup(&a, TG_SPAN("x")).ptr);
	tg_arena_deinit(&a);
}

static void a_copy_has_a_nul_behind_it(void **state)
{
	struct tg_arena a;
	struct tg_span s;

	(void)state;
	tg_arena_init(&a, &tg_alloc_libc, 0);
	s = tg_arena_dup(&a, tg_span_of("abcdef", 3));
	assert_string_equal(s.ptr, "abc");
	assert_int_equal(s.len, 3);
	s = tg_arena_dup(&a, tg_span_of(NULL, 0));
	assert_non_null(s.ptr);
	assert_int_equal(s.len, 0);
	tg_arena_deinit(&a);
}

static void wiping_leaves_zeros(void **state)
{
	char secret[8] = "secret!";

	(void)state;
	tg_wipe(secret, sizeof(secret));
	for(size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
	tg_wipe(NULL, 0);
}

/* ---- diagnostics ------------------------------------------------------- */

static void diagnostics_keep_order_place_and_counts(void **state)
{
	struct tg_where where = {TG_SPAN_INIT("f.cfg"), 3, 7};
	struct tg_diags d;
	char line[64];

	(void)state;
	tg_diags_init(&d, &tg_alloc_libc);
	tg_diags_add(&d, TG_SEV_ERROR, &where, "bad %s", "x\ny");
	where.column = 0;
	tg_diags_add(&d, TG_SEV_WARNING, &where, "odd");
	where.line = 0;
	tg_diags_add(&d, TG_SEV_NOTE, &where, "fyi");
	tg_diags_add(&d, TG_SEV_ERROR, NULL, "alone");
	assert_int_equal(d.errors, 2);
	assert_int_equal(d.warnings, 1);
	tg_diag_format(d.first, line, sizeof(line));
	assert_string_equal(line, "f.cfg:3:7: error: bad x?y");
	tg_diag_format(d.first->next, line, sizeof(line));
	assert_string_equal(line, "f.cfg:3: warning: odd");
	tg_diag_format(d.first->next->next, line, sizeof(line));
	assert_string_equal(line, "f.cfg: note: fyi");
	assert_int_equal(tg_diag_format(d.first->next->next->next, line, 8), 12);
	assert_string_equal(line, "error: ");
	tg_diags_deinit(&d);
	assert_int_equal(d.errors, 0);
	assert_null(d.first);
}

static void too_many_diagnostics_are_counted_only(void **state)
{
	struct tg_diags d;
	size_t kept = 0;

	(void)state;
	tg_diags_init(&d, &tg_alloc_libc);
	for(unsigned i = 0; i < TG_DIAGS_MAX + 10; i++)
		tg_diags_add(&d, TG_SEV_ERROR, NULL, "%u", i);
	for(const struct tg_diag *i = d.first; i; i = i->next)
		kept++;
	assert_int_equal(kept, TG_DIAGS_MAX);
	assert_int_equal(d.dropped, 10);
	assert_int_equal(d.errors, TG_DIAGS_MAX + 10);
	tg_diags_deinit(&d);
}

/* ---- media words ------------------------------------------------------- */

static void suites_have_their_registered_names(void **state)
{
	(void)state;
	for(unsigned i = 1; i < TG_SUITE_COUNT; i++) {
		const char *name = tg_suite_name((enum tg_suite)i);

		assert_non_null(name);
		assert_int_equal(tg_suite_by_name(tg_span_cstr(name)), i);
	}
	assert_null(tg_suite_name(TG_SUITE_NONE));
	assert_null(tg_suite_name(TG_SUITE_COUNT));
	/* RFC 4568 section 9.2: names are case sensitive */
	assert_int_equal(tg_suite_by_name(TG_SPAN("aead_aes_128_gcm")), 0);
	assert_int_equal(tg_suite_by_name(TG_SPAN("NULL_HMAC_SHA1_80")), 0);
	assert_int_equal(tg_suite_by_name(TG_SPAN("")), 0);
}

static void the_zero_of_each_word_is_the_strict_one(void **state)
{
	(void)state;
	assert_string_equal(tg_level_name((enum tg_level)0), "required");
	assert_string_equal(tg_kx_name((enum tg_kx)0), "none");
	assert_string_equal(tg_dialect_name((enum tg_dialect)0), "rfc8643");
	assert_string_equal(tg_level_name((enum tg_level)99), "?");
	assert_string_equal(tg_kx_name((enum tg_kx)99), "?");
	assert_string_equal(tg_dialect_name((enum tg_dialect)99), "?");
}

/* ---- reasons ----------------------------------------------------------- */

static void every_reason_is_complete_and_its_id_is_its_own(void **state)
{
	(void)state;
	for(unsigned i = 1; i < TG_REASON_COUNT; i++) {
		const struct tg_reason_info *r = tg_reason_get((enum tg_reason)i);

		assert_true(r->id[0] && r->text[0] && r->sip_text[0]);
		assert_in_range(r->sip_code, 400, 699);
		for(const char *c = r->id; *c; c++)
			assert_non_null(
					strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *c));
		for(unsigned k = 0; k < i; k++)
			assert_string_not_equal(
					r->id, tg_reason_get((enum tg_reason)k)->id);
	}
	assert_string_equal(tg_reason_get(TG_REASON_NONE)->id, "none");
	assert_string_equal(tg_reason_get(TG_REASON_COUNT)->id, "internal");
}

static unsigned asked;

static void *counted(void *ctx, size_t octets)
{
	(void)ctx;
	asked++;
	return malloc(octets);
}

static void given_back(void *ctx, void *block)
{
	(void)ctx;
	asked--;
	free(block);
}

static void lent_memory_is_used_first_and_again(void **state)
{
	static const struct tg_alloc alloc = {counted, given_back, NULL};
	static _Alignas(max_align_t) char memory[1024];
	struct tg_arena a;
	char *first;

	(void)state;
	asked = 0;
	tg_arena_init(&a, &alloc, 0);
	tg_arena_lend(&a, memory, sizeof(memory));
	first = tg_arena_get(&a, 500);
	assert_true(first > memory && first + 500 <= memory + sizeof(memory));
	assert_int_equal(asked, 0);
	assert_non_null(tg_arena_get(&a, 600));
	assert_int_equal(asked, 1);
	tg_arena_deinit(&a);
	assert_int_equal(asked, 0);
	assert_ptr_equal(tg_arena_get(&a, 500), first);
	tg_arena_deinit(&a);
}

static void what_is_wiped_cannot_be_read(void **state)
{
	static const char secret[] = "a secret of the arena";
	static _Alignas(max_align_t) char memory[512];
	struct tg_arena a;

	(void)state;
	tg_arena_init(&a, &tg_alloc_libc, 0);
	tg_arena_lend(&a, memory, sizeof(memory));
	assert_non_null(tg_arena_dup(&a, TG_SPAN(secret)).ptr);
	assert_non_null(memmem(memory, sizeof(memory), secret, strlen(secret)));
	tg_arena_wipe(&a);
	assert_null(memmem(memory, sizeof(memory), secret, strlen(secret)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(lent_memory_is_used_first_and_again),
			cmocka_unit_test(what_is_wiped_cannot_be_read),
			cmocka_unit_test(spans_compare_by_octets),
			cmocka_unit_test(case_folds_for_ascii_only),
			cmocka_unit_test(trimming_takes_blanks_off_both_ends),
			cmocka_unit_test(cutting_walks_over_a_list),
			cmocka_unit_test(a_lone_cr_is_found_wherever_it_is),
			cmocka_unit_test(numbers_are_digits_within_bounds),
			cmocka_unit_test(
					an_arena_gives_zeroed_aligned_blocks_and_frees_all),
			cmocka_unit_test(lines_of_an_arena_stay_inside_of_it),
			cmocka_unit_test(an_arena_refuses_what_it_cannot_give),
			cmocka_unit_test(a_copy_has_a_nul_behind_it),
			cmocka_unit_test(wiping_leaves_zeros),
			cmocka_unit_test(diagnostics_keep_order_place_and_counts),
			cmocka_unit_test(too_many_diagnostics_are_counted_only),
			cmocka_unit_test(suites_have_their_registered_names),
			cmocka_unit_test(the_zero_of_each_word_is_the_strict_one),
			cmocka_unit_test(every_reason_is_complete_and_its_id_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
