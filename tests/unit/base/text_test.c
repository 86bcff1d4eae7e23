/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text that is written piece by piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"

static void pieces_follow_each_other(void **state)
{
	struct tg_text t;
	char buffer[8];

	(void)state;
	tg_text_init(&t, buffer, sizeof(buffer));
	assert_string_equal(buffer, "");
	tg_text_say(&t, "%s-%d", "ab", 12);
	tg_text_say(&t, "%c%c", 'x', 'y');
	assert_false(t.full);
	assert_string_equal(buffer, "ab-12xy");
	assert_true(tg_span_eq(tg_text_span(&t), TG_SPAN("ab-12xy")));
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct tg_text t;
	char buffer[8];

	(void)state;
	tg_text_init(&t, buffer, sizeof(buffer));
	tg_text_say(&t, "abcd");
	tg_text_say(&t, "efgh");
	assert_true(t.full);
	assert_string_equal(buffer, "abcd");
	tg_text_say(&t, "xyz");
	assert_true(t.full);
	assert_int_equal(t.len, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(pieces_follow_each_other),
			cmocka_unit_test(what_does_not_fit_is_left_out)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
