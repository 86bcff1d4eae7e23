/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AES counter mode as a libsrtp2 cipher type (RFC 3711 section 4.1.1, RFC
 * 6188): the cipher, its round keys and the salt in one block. One encrypt or
 * decrypt for each set_iv: a second one would use keystream twice and fails.
 */
#include "srtp/compact.h"

#if defined(__x86_64__)

#include "base/alloc.h"
#include "srtp/compact_aes.h"

#define SALT_OCTETS 14
#define DATA_OCTETS_MAX (1u << 20) /* 2^16 blocks, RFC 3711 section 4.1.1 */

struct icm {
	srtp_cipher_t cipher;
	bool rare; /* key[] is the key alone */
	uint8_t rounds;
	__m128i offset; /* salt * 2^16 */
	__m128i key[];  /* tg_aes_kept */
};

/* The packet on its way: see compact_gcm.c */
TG_COMPACT_THREAD struct {
	const struct icm *owner; /* its IV was set and not used yet */
	__m128i counter;
} now;

static size_t octets_of(int rounds, bool rare)
{
	return sizeof(struct icm) + tg_aes_kept(rounds, rare) * sizeof(__m128i);
}

static srtp_err_status_t make(srtp_cipher_t **out, int key_octets,
		int with_salt, int rounds, const srtp_cipher_type_t *type)
{
	bool rare = tg_compact_is_rare();
	struct icm *c;

	if(key_octets != with_salt)
		return srtp_err_status_bad_param;
	c = tg_compact_alloc(octets_of(rounds, rare));
	if(!c)
		return srtp_err_status_alloc_fail;
	c->rare = rare;
	c->rounds = (uint8_t)rounds;
	c->cipher.type = type;
	c->cipher.state = c;
	c->cipher.key_len = key_octets;
	c->cipher.algorithm = (int)type->id;
	*out = &c->cipher;
	return srtp_err_status_ok;
}

static srtp_err_status_t alloc_128(srtp_cipher_t **out, int octets, int tag)
{
	(void)tag;
	return make(out, octets, SRTP_AES_ICM_128_KEY_LEN_WSALT, 10,
			&tg_compact_icm_128);
}

static srtp_err_status_t alloc_256(srtp_cipher_t **out, int octets, int tag)
{
	(void)tag;
	return make(out, octets, SRTP_AES_ICM_256_KEY_LEN_WSALT, 14,
			&tg_compact_icm_256);
}

static srtp_err_status_t dealloc(srtp_cipher_t *cipher)
{
	struct icm *c = (struct icm *)cipher;
	size_t octets = octets_of(c->rounds, c->rare);

	if(now.owner == c)
		now.owner = NULL;
	tg_wipe(c, octets);
	tg_compact_free(c);
	return srtp_err_status_ok;
}

TG_AES_TARGET static srtp_err_status_t init(void *state, const uint8_t *key)
{
	struct icm *c = state;
	size_t key_octets = c->rounds == 10 ? 16 : 32;
	uint8_t offset[16] = {0};

	if(c->rare)
		memcpy(c->key, key, key_octets);
	else
		tg_aes_expand(key, c->rounds, c->key);
	memcpy(offset, key + key_octets, SALT_OCTETS);
	c->offset = _mm_loadu_si128((const __m128i *)offset);
	if(now.owner == c)
		now.owner = NULL;
	tg_wipe(offset, sizeof(offset));
	return srtp_err_status_ok;
}

TG_AES_TARGET static srtp_err_status_t set_iv(
		void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
	const struct icm *c = state;

	(void)direction;
	now.counter = _mm_xor_si128(c->offset, _mm_loadu_si128((__m128i *)iv));
	now.owner = c;
	return srtp_err_status_ok;
}

TG_AES_TARGET static void crypt_rare(
		const struct icm *c, uint8_t *data, size_t octets)
{
	__m128i rk[TG_AES_KEYS_MAX];

	tg_aes_expand((const uint8_t *)c->key, c->rounds, rk);
	tg_aes_counter_mode(rk, c->rounds, now.counter, 0, data, octets);
	tg_wipe(rk, sizeof(rk));
}

TG_AES_TARGET static srtp_err_status_t crypt(
		void *state, uint8_t *data, unsigned *octets)
{
	const struct icm *c = state;
	uint32_t low =
			__builtin_bswap32((uint32_t)_mm_extract_epi32(now.counter, 3));

	if(*octets == 0) /* libsrtp2 asks for a prefix of no octets first */
		return srtp_err_status_ok;
	if(now.owner != c || *octets > DATA_OCTETS_MAX
			|| UINT32_MAX - low < (*octets - 1) / 16)
		return srtp_err_status_bad_param;
	now.owner = NULL;
	if(c->rare)
		crypt_rare(c, data, *octets);
	else
		tg_aes_counter_mode(c->key, c->rounds, now.counter, 0, data, *octets);
	return srtp_err_status_ok;
}

/* ---- test cases: RFC 3711 B.2, RFC 6188 section 7.1 --------------------- */

static uint8_t zero_index[16];
static const uint8_t plain[48];

static const uint8_t key_128[30] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2,
		0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c, 0xf0, 0xf1, 0xf2,
		0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd};
static const uint8_t stream_128[48] = {0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e,
		0x80, 0xe1, 0x66, 0xb1, 0x6d, 0xd9, 0x2b, 0x4e, 0xb4, 0xd2, 0x35, 0x13,
		0x16, 0x2b, 0x02, 0xd0, 0xf7, 0x2a, 0x43, 0xa2, 0xfe, 0x4a, 0x5f, 0x97,
		0xab, 0x41, 0xe9, 0x5b, 0x3b, 0xb0, 0xa2, 0xe8, 0xdd, 0x47, 0x79, 0x01,
		0xe4, 0xfc, 0xa8, 0x94, 0xc0};
static const srtp_cipher_test_case_t test_128 = {sizeof(key_128), key_128,
		zero_index, sizeof(plain), plain, sizeof(stream_128), stream_128, 0,
		NULL, 0, NULL};

static const uint8_t key_256[46] = {0x57, 0xf8, 0x2f, 0xe3, 0x61, 0x3f, 0xd1,
		0x70, 0xa8, 0x5e, 0xc9, 0x3c, 0x40, 0xb1, 0xf0, 0x92, 0x2e, 0xc4, 0xcb,
		0x0d, 0xc0, 0x25, 0xb5, 0x82, 0x72, 0x14, 0x7c, 0xc4, 0x38, 0x94, 0x4a,
		0x98, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
		0xfb, 0xfc, 0xfd};
static const uint8_t stream_256[48] = {0x92, 0xbd, 0xd2, 0x8a, 0x93, 0xc3, 0xf5,
		0x25, 0x11, 0xc6, 0x77, 0xd0, 0x8b, 0x55, 0x15, 0xa4, 0x9d, 0xa7, 0x1b,
		0x23, 0x78, 0xa8, 0x54, 0xf6, 0x70, 0x50, 0x75, 0x6d, 0xed, 0x16, 0x5b,
		0xac, 0x63, 0xc4, 0x86, 0x8b, 0x70, 0x96, 0xd8, 0x84, 0x21, 0xb5, 0x63,
		0xb8, 0xc9, 0x4c, 0x9a, 0x31};
static const srtp_cipher_test_case_t test_256 = {sizeof(key_256), key_256,
		zero_index, sizeof(plain), plain, sizeof(stream_256), stream_256, 0,
		NULL, 0, NULL};

const srtp_cipher_type_t tg_compact_icm_128 = {
		.alloc = alloc_128,
		.dealloc = dealloc,
		.init = init,
		.encrypt = crypt,
		.decrypt = crypt,
		.set_iv = set_iv,
		.description = "AES-128 counter mode, compact",
		.test_data = &test_128,
		.id = SRTP_AES_ICM_128,
};

const srtp_cipher_type_t tg_compact_icm_256 = {
		.alloc = alloc_256,
		.dealloc = dealloc,
		.init = init,
		.encrypt = crypt,
		.decrypt = crypt,
		.set_iv = set_iv,
		.description = "AES-256 counter mode, compact",
		.test_data = &test_256,
		.id = SRTP_AES_ICM_256,
};

#endif
