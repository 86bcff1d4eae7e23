/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SipHash-2-4 beside OpenSSL's, and its authors' example.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/hash.h"

#define OCTETS_MAX 100

static void theirs(
		const uint8_t *key, struct tg_span s, size_t size, uint64_t out[2])
{
	OSSL_PARAM params[] = {
			OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
			OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	uint8_t octets[16] = {0};
	size_t written;

	assert_int_equal(EVP_MAC_init(ctx, key, TG_HASH_KEY_OCTETS, params), 1);
	assert_int_equal(
			EVP_MAC_update(ctx, (const unsigned char *)s.ptr, s.len), 1);
	assert_int_equal(EVP_MAC_final(ctx, octets, &written, sizeof(octets)), 1);
	assert_int_equal(written, size);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	out[0] = out[1] = 0;
	for(unsigned i = 0; i < size; i++)
		out[i / 8] |= (uint64_t)octets[i] << 8 * (i % 8);
}

static void every_length_is_hashed_as_openssl_does(void **state)
{
	uint8_t key[TG_HASH_KEY_OCTETS];
	char text[OCTETS_MAX];
	uint64_t want[2], wide[2];

	(void)state;
	for(size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37 + 200);
	for(size_t n = 0; n < sizeof(text); n++) {
		struct tg_span s = tg_span_of(text, n);

		theirs(key, s, 8, want);
		assert_int_equal(tg_hash(key, s), want[0]);
		theirs(key, s, 16, want);
		tg_hash_wide(key, s, wide);
		assert_memory_equal(wide, want, sizeof(want));
		text[n] = (char)(n * 91 + 130);
	}
}

/* Appendix A of the paper */
static void the_example_of_its_authors_holds(void **state)
{
	uint8_t key[TG_HASH_KEY_OCTETS];
	char text[15];

	(void)state;
	for(size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for(size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	assert_int_equal(
			tg_hash(key, tg_span_of(text, sizeof(text))), 0xa129ca6149be45e5u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(every_length_is_hashed_as_openssl_does),
			cmocka_unit_test(the_example_of_its_authors_holds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
