/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The compact cipher types against OpenSSL's EVP: random keys, lengths and
 * data, additional data in pieces, and the verdict on tampered input. Contexts
 * that mix both engines' packets are in context_test.c, which holds them
 * against the reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "reference.h"
#include "srtp/internal.h"

#define ROUNDS 3000
#define DATA_MAX 1600

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

/* Whose room the blocks go to */
static struct tg_srtp context;

/* As libsrtp2 makes it for SRTP, or, rare, for SRTCP */
static srtp_cipher_t *made(
		const srtp_cipher_type_t *type, size_t octets, int tag, bool rare)
{
	srtp_cipher_t *c;

	tg_srtp_room_first_cipher();
	if(rare)
		assert_false(tg_compact_is_rare());
	assert_int_equal(type->alloc(&c, (int)octets, tag), 0);
	return c;
}

static void icm_gives_the_keystream_of_evp(void **state)
{
	static const srtp_cipher_type_t *const types[] = {
			&tg_compact_icm_128, &tg_compact_icm_256};

	(void)state;
	for(int i = 0; i < ROUNDS; i++) {
		const srtp_cipher_type_t *type = types[i % 2];
		size_t key_octets = i % 2 ? 32 : 16, n = below(DATA_MAX);
		uint8_t key[46], iv[16], counter[16] = {0};
		uint8_t data[DATA_MAX + 8], want[DATA_MAX], *at = data + below(8);
		unsigned octets = (unsigned)n;
		srtp_cipher_t *c;

		RAND_bytes(key, sizeof(key));
		RAND_bytes(iv, sizeof(iv));
		RAND_bytes(data, sizeof(data));
		iv[14] = iv[15] = 0;
		memcpy(counter, key + key_octets, 14);
		for(int j = 0; j < 16; j++)
			counter[j] ^= iv[j];
		memcpy(want, at, n);
		ref_counter_mode(key, key_octets, counter, want, n);
		c = made(type, key_octets + 14, 0, below(2));
		assert_int_equal(type->init(c->state, key), 0);
		assert_int_equal(type->set_iv(c->state, iv, srtp_direction_encrypt), 0);
		assert_int_equal(type->encrypt(c->state, at, &octets), 0);
		assert_int_equal(octets, n);
		assert_memory_equal(at, want, n);
		if(n > 0) /* no keystream without a new IV */
			assert_int_not_equal(type->encrypt(c->state, at, &octets), 0);
		type->dealloc(c);
	}
}

static void icm_refuses_to_wrap_its_block_counter(void **state)
{
	const srtp_cipher_type_t *type = &tg_compact_icm_128;
	uint8_t key[30] = {0}, iv[16], data[64] = {0};
	unsigned octets = 64;
	srtp_cipher_t *c;

	(void)state;
	memset(iv, 0xff, sizeof(iv));
	assert_int_equal(type->alloc(&c, 30, 0), 0);
	assert_int_equal(type->init(c->state, key), 0);
	assert_int_equal(type->set_iv(c->state, iv, srtp_direction_encrypt), 0);
	assert_int_not_equal(type->encrypt(c->state, data, &octets), 0);
	type->dealloc(c);
}

static void hmac_gives_the_tag_of_openssl(void **state)
{
	const srtp_auth_type_t *type = &tg_compact_hmac;

	(void)state;
	for(int i = 0; i < ROUNDS; i++) {
		uint8_t key[20], data[DATA_MAX], tag[20], want[EVP_MAX_MD_SIZE];
		size_t n = below(DATA_MAX), cut = below(n + 1);
		int tag_octets = i % 3 == 0 ? 4 : i % 3 == 1 ? 10 : 20;
		unsigned len = 0;
		srtp_auth_t *a;

		RAND_bytes(key, sizeof(key));
		RAND_bytes(data, sizeof(data));
		assert_non_null(HMAC(EVP_sha1(), key, 20, data, n, want, &len));
		tg_srtp_room_first_cipher(); /* that of SRTP, then of SRTCP */
		assert_false(tg_compact_is_rare());
		assert_int_equal(tg_compact_is_rare_auth(), 0);
		if(below(2)) {
			assert_true(tg_compact_is_rare());
			assert_true(tg_compact_is_rare_auth());
		}
		assert_int_equal(type->alloc(&a, 20, tag_octets), 0);
		assert_int_equal(type->init(a->state, key, 20), 0);
		for(int twice = 0; twice < 2; twice++) {
			assert_int_equal(type->start(a->state), 0);
			assert_int_equal(type->update(a->state, data, (int)cut), 0);
			assert_int_equal(type->compute(a->state, data + cut, (int)(n - cut),
									 tag_octets, tag),
					0);
			assert_memory_equal(tag, want, (size_t)tag_octets);
		}
		type->dealloc(a);
	}
}

/* EVP's word on ciphertext || tag; the plaintext stays in data */
static bool evp_opens(const uint8_t *key, size_t key_octets, const uint8_t *iv,
		const uint8_t *aad, size_t aad_octets, uint8_t *data, size_t n)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len;
	bool ok;

	assert_int_equal(
			EVP_DecryptInit_ex(c,
					key_octets == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(),
					NULL, key, iv),
			1);
	assert_int_equal(EVP_DecryptUpdate(c, NULL, &len, aad, (int)aad_octets), 1);
	assert_int_equal(
			EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, data + n), 1);
	assert_int_equal(EVP_DecryptUpdate(c, data, &len, data, (int)n), 1);
	ok = EVP_DecryptFinal_ex(c, data + n, &len) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static void give_aad(const srtp_cipher_type_t *type, srtp_cipher_t *c,
		const uint8_t *aad, size_t octets)
{
	while(octets > 0) {
		size_t n = 1 + below(octets);

		assert_int_equal(type->set_aad(c->state, aad, (uint32_t)n), 0);
		aad += n;
		octets -= n;
	}
}

static void gcm_agrees_with_the_verdict_of_evp(void **state)
{
	static const srtp_cipher_type_t *const types[] = {
			&tg_compact_gcm_128, &tg_compact_gcm_256};
	size_t accepted = 0, refused = 0;

	(void)state;
	for(int i = 0; i < 2 * ROUNDS; i++) {
		const srtp_cipher_type_t *type = types[i % 2];
		size_t key_octets = i % 2 ? 32 : 16;
		size_t n = below(4) == 0 ? below(40) : below(DATA_MAX - 16);
		size_t aad_octets = 1 + below(80);
		uint8_t key[44], iv[12], aad[80];
		uint8_t data[DATA_MAX], sealed[DATA_MAX], check[DATA_MAX];
		unsigned octets = (unsigned)n;
		uint32_t tag_octets = 16;
		srtp_cipher_t *c;
		bool verdict;

		RAND_bytes(key, sizeof(key));
		RAND_bytes(iv, sizeof(iv));
		RAND_bytes(aad, sizeof(aad));
		RAND_bytes(data, sizeof(data));
		c = made(type, key_octets + 12, 16, below(2));
		assert_int_equal(type->init(c->state, key), 0);
		/* seal */
		memcpy(sealed, data, n);
		assert_int_equal(type->set_iv(c->state, iv, srtp_direction_encrypt), 0);
		give_aad(type, c, aad, aad_octets);
		assert_int_equal(type->encrypt(c->state, sealed, &octets), 0);
		assert_int_equal(type->get_tag(c->state, sealed + n, &tag_octets), 0);
		assert_int_equal(tag_octets, 16);
		/* no second tag or text under one IV */
		assert_int_not_equal(type->get_tag(c->state, check, &tag_octets), 0);
		assert_int_not_equal(type->encrypt(c->state, check, &octets), 0);
		/* tamper with half of them */
		if(i % 4 >= 2) {
			size_t bit = below(8 * (n + 16 + aad_octets));

			if(bit < 8 * (n + 16))
				sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
			else
				aad[bit / 8 - n - 16] ^= (uint8_t)(1u << bit % 8);
		}
		memcpy(check, sealed, n + 16);
		verdict = evp_opens(key, key_octets, iv, aad, aad_octets, check, n);
		assert_int_equal(verdict, i % 4 < 2);
		/* open */
		memcpy(check, sealed, n + 16);
		octets = (unsigned)n + 16;
		assert_int_equal(type->set_iv(c->state, iv, srtp_direction_decrypt), 0);
		give_aad(type, c, aad, aad_octets);
		assert_int_equal(type->decrypt(c->state, check, &octets),
				verdict ? srtp_err_status_ok : srtp_err_status_auth_fail);
		if(verdict) {
			assert_int_equal(octets, n);
			assert_memory_equal(check, data, n);
			accepted++;
		} else { /* nothing of a forged packet is decrypted */
			assert_memory_equal(check, sealed, n + 16);
			refused++;
		}
		type->dealloc(c);
	}
	assert_int_equal(accepted, ROUNDS);
	assert_int_equal(refused, ROUNDS);
}

static bool in_room(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)context.room
		   && (uintptr_t)p < (uintptr_t)context.room + sizeof(context.room);
}

static void blocks_live_in_the_room_as_far_as_it_goes(void **state)
{
	srtp_cipher_t *c[8];
	unsigned n_in = 0;

	(void)state;
	assert_int_equal(context.room_taken, 0);
	for(int i = 0; i < 8; i++) {
		c[i] = made(&tg_compact_icm_128, 30, 0, false);
		if(in_room(c[i]))
			n_in++;
		else /* those behind it come from the heap as well */
			assert_int_equal(n_in, __builtin_popcountll(context.room_ends));
	}
	assert_ptr_equal(c[0], context.room);
	assert_in_range(n_in, 2, 7);
	for(int i = 0; i < 8; i++)
		tg_compact_icm_128.dealloc(c[i]);
	for(size_t i = 0; i < sizeof(context.room); i++) /* wiped */
		assert_int_equal(context.room[i], 0);
	assert_int_equal(context.room_taken, 0);
	assert_int_equal(context.room_ends, 0);
}

static void a_gap_is_taken_by_what_fits_into_it(void **state)
{
	srtp_cipher_t *a = made(&tg_compact_icm_128, 30, 0, false);
	srtp_cipher_t *b = made(&tg_compact_icm_128, 30, 0, false), *c, *wide;

	(void)state;
	tg_compact_icm_128.dealloc(a);
	wide = made(&tg_compact_icm_256, 46, 0, false);
	assert_true((uint8_t *)wide > (uint8_t *)b);
	c = made(&tg_compact_icm_128, 30, 0, false);
	assert_ptr_equal(c, a);
	tg_compact_icm_128.dealloc(b);
	tg_compact_icm_128.dealloc(c);
	tg_compact_icm_256.dealloc(wide);
	assert_int_equal(context.room_taken, 0);
	assert_int_equal(context.room_ends, 0);
}

/* Any order of taking and giving back; no two share an octet */
static void pieces_of_the_room_never_overlap(void **state)
{
	struct {
		uint8_t *at;
		size_t octets;
	} held[24] = {{NULL, 0}};

	(void)state;
	srand(7);
	for(int round = 0; round < 20000; round++) {
		size_t i = (size_t)rand() % (sizeof(held) / sizeof(*held));

		if(held[i].at) {
			for(size_t j = 0; j < held[i].octets; j++)
				assert_int_equal(held[i].at[j], i + 1);
			tg_compact_free(held[i].at);
			held[i].at = NULL;
			continue;
		}
		held[i].octets = 1 + (size_t)rand() % 300;
		held[i].at = tg_compact_alloc(held[i].octets);
		assert_non_null(held[i].at);
		for(size_t j = 0; j < held[i].octets; j++)
			assert_int_equal(held[i].at[j], 0);
		memset(held[i].at, (int)i + 1, held[i].octets);
	}
	for(size_t i = 0; i < sizeof(held) / sizeof(*held); i++)
		if(held[i].at)
			tg_compact_free(held[i].at);
	assert_int_equal(context.room_taken, 0);
	assert_int_equal(context.room_ends, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(icm_gives_the_keystream_of_evp),
			cmocka_unit_test(icm_refuses_to_wrap_its_block_counter),
			cmocka_unit_test(hmac_gives_the_tag_of_openssl),
			cmocka_unit_test(gcm_agrees_with_the_verdict_of_evp),
			cmocka_unit_test(blocks_live_in_the_room_as_far_as_it_goes),
			cmocka_unit_test(a_gap_is_taken_by_what_fits_into_it),
			cmocka_unit_test(pieces_of_the_room_never_overlap),
	};
	const char *why;

	if(!tg_compact_available(&why)) {
		print_message("skipped: %s\n", why);
		return 0;
	}
	srand(3);
	(void)tg_srtp_room_enter(&context);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
