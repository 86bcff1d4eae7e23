/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Relay credentials: the password is the one that the openssl command line
 * computes for the same secret and name; what is out of bounds gives nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "mras/credential.h"

#define SECRET TG_SPAN("north-relay-secret-1")
#define EXPIRY 1700000000

static struct tg_mras_credential c;

static void refused(struct tg_span secret, uint64_t expiry, struct tg_span id)
{
	static const struct tg_mras_credential nothing;

	memset(&c, 'x', sizeof(c));
	assert_false(tg_mras_credential_make(secret, expiry, id, &c));
	assert_memory_equal(&c, &nothing, sizeof(c));
}

static void known_answer(void **state)
{
	(void)state;
	assert_true(tg_mras_credential_make(
			SECRET, EXPIRY, TG_SPAN("alice@contoso.example"), &c));
	assert_string_equal(c.username, "1700000000:alice@contoso.example");
	assert_string_equal(c.password, "HJOKev9qSbOMWkGUsj7e6Nefaoc=");
}

static void every_part_counts(void **state)
{
	struct tg_mras_credential other;

	(void)state;
	assert_true(tg_mras_credential_make(SECRET, EXPIRY, TG_SPAN("a"), &c));
	assert_true(tg_mras_credential_make(
			TG_SPAN("north-relay-secret-2"), EXPIRY, TG_SPAN("a"), &other));
	assert_string_equal(c.username, other.username);
	assert_string_not_equal(c.password, other.password);
	assert_true(
			tg_mras_credential_make(SECRET, EXPIRY + 1, TG_SPAN("a"), &other));
	assert_string_not_equal(c.password, other.password);
	assert_true(tg_mras_credential_make(SECRET, EXPIRY, TG_SPAN("b"), &other));
	assert_string_not_equal(c.password, other.password);
}

static void longest(void **state)
{
	char id[TG_MRAS_ID_MAX + 1];

	(void)state;
	memset(id, 'a', sizeof(id));
	assert_true(tg_mras_credential_make(
			SECRET, UINT64_MAX, tg_span_of(id, TG_MRAS_ID_MAX), &c));
	assert_int_equal(strlen(c.username), sizeof(c.username) - 1);
	assert_int_equal(strlen(c.password), sizeof(c.password) - 1);
	refused(SECRET, EXPIRY, tg_span_of(id, sizeof(id)));
}

static void out_of_bounds(void **state)
{
	char big[TG_MRAS_SECRET_MAX + 1];

	(void)state;
	memset(big, 's', sizeof(big));
	refused(tg_span_of(big, sizeof(big)), EXPIRY, TG_SPAN("a"));
	refused(TG_SPAN("fifteen octets!"), EXPIRY, TG_SPAN("a"));
	refused(TG_SPAN(""), EXPIRY, TG_SPAN("a"));
	refused(SECRET, 0, TG_SPAN("a"));
	refused(SECRET, EXPIRY, TG_SPAN(""));
}

static void ids_that_could_mean_more(void **state)
{
	static const char *const bad[] = {"a:b", "a b", "a\"b", "a<b", "a&b",
			"a\\b", "a\nb", "a/b", "\xc3\xa4"};

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(SECRET, EXPIRY, tg_span_cstr(bad[i]));
	refused(SECRET, EXPIRY, tg_span_of("a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(known_answer),
			cmocka_unit_test(every_part_counts),
			cmocka_unit_test(longest),
			cmocka_unit_test(out_of_bounds),
			cmocka_unit_test(ids_that_could_mean_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
