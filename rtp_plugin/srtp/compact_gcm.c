/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AES-GCM (NIST SP 800-38D, RFC 7714) as a libsrtp2 cipher type: round keys
 * and four powers of the hash key in one block. The tag is compared before a
 * single octet is decrypted, so a forged packet stays as it came.
 *
 * GHASH works on octets in reversed order, with carry-less multiplication;
 * four blocks share one reduction. libsrtp2 hands the additional data of
 * SRTCP over in two pieces of 8 and 4 octets, which are one string.
 */
#include "srtp/compact.h"

#if defined(__x86_64__)

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "srtp/compact_aes.h"

#define TAG_OCTETS 16
#define POWERS 4
#define DATA_OCTETS_MAX (1u << 20)

enum step { IDLE = 0, TAKES_AAD, SEALED };

struct gcm {
	srtp_cipher_t cipher;
	bool rare; /* keeps the key alone */
	uint8_t rounds;
	uint8_t tag_octets; /* 8 or 16 */
	/* a schedule: H, H^2, H^3, H^4, then the round keys */
	__m128i kept[];
};

static size_t octets_of(int rounds, bool rare)
{
	return sizeof(struct gcm)
		   + (tg_aes_kept(rounds, rare) + (rare ? 0 : POWERS))
					 * sizeof(__m128i);
}

/*
 * One packet on its way: libsrtp2 goes from set_iv to the tag without a pause,
 * so it belongs to the thread and stays in its cache.
 */
TG_COMPACT_THREAD struct {
	const struct gcm *owner;
	const __m128i *power; /* of the owner's schedule, or of the spare one */
	const __m128i *key;
	enum step step;
	srtp_cipher_direction_t direction;
	uint32_t aad_octets;
	uint32_t data_octets;
	uint32_t n_held;
	uint8_t held[16]; /* additional data that does not fill a block yet */
	__m128i first;    /* counter block 1: IV || 1 */
	__m128i hash;     /* so far */
} now;

/* The schedule of a rare cipher while it works on a packet */
TG_COMPACT_THREAD __m128i spare[POWERS + TG_AES_KEYS_MAX];

/* ---- GHASH -------------------------------------------------------------- */

TG_AES_INLINE __m128i reversed(__m128i x)
{
	return _mm_shuffle_epi8(x,
			_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

TG_AES_INLINE __m128i load_reversed(const uint8_t *p)
{
	return reversed(_mm_loadu_si128((const __m128i *)p));
}

/* A product of 256 bits, before reduction; sums of them may be reduced */
struct product {
	__m128i low, middle, high;
};

TG_AES_INLINE void multiply_add(struct product *p, __m128i a, __m128i b)
{
	p->low = _mm_xor_si128(p->low, _mm_clmulepi64_si128(a, b, 0x00));
	p->high = _mm_xor_si128(p->high, _mm_clmulepi64_si128(a, b, 0x11));
	p->middle = _mm_xor_si128(
			p->middle, _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x10),
							   _mm_clmulepi64_si128(a, b, 0x01)));
}

/*
 * Bits are reflected, so the product is shifted left by one; then reduced by
 * x^128 + x^7 + x^2 + x + 1 in two phases.
 */
TG_AES_INLINE __m128i reduce(const struct product *p)
{
	__m128i low = _mm_xor_si128(p->low, _mm_slli_si128(p->middle, 8));
	__m128i high = _mm_xor_si128(p->high, _mm_srli_si128(p->middle, 8));
	__m128i carry_low = _mm_srli_epi32(low, 31);
	__m128i carry_high = _mm_srli_epi32(high, 31);
	__m128i fold, rest;

	low = _mm_or_si128(_mm_slli_epi32(low, 1), _mm_slli_si128(carry_low, 4));
	high = _mm_or_si128(_mm_slli_epi32(high, 1), _mm_slli_si128(carry_high, 4));
	high = _mm_or_si128(high, _mm_srli_si128(carry_low, 12));

	fold = _mm_xor_si128(_mm_slli_epi32(low, 31),
			_mm_xor_si128(_mm_slli_epi32(low, 30), _mm_slli_epi32(low, 25)));
	rest = _mm_srli_si128(fold, 4);
	low = _mm_xor_si128(low, _mm_slli_si128(fold, 12));
	rest = _mm_xor_si128(rest, _mm_xor_si128(_mm_srli_epi32(low, 1),
									   _mm_xor_si128(_mm_srli_epi32(low, 2),
											   _mm_srli_epi32(low, 7))));
	return _mm_xor_si128(high, _mm_xor_si128(low, rest));
}

TG_AES_INLINE __m128i multiply(__m128i a, __m128i b)
{
	struct product p = {
			_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

	multiply_add(&p, a, b);
	return reduce(&p);
}

TG_AES_INLINE void absorb_one(__m128i block)
{
	now.hash = multiply(_mm_xor_si128(now.hash, block), now.power[0]);
}

/* Whole blocks and a last one padded with zeros */
TG_AES_INLINE void absorb(const uint8_t *data, size_t octets)
{
	const __m128i *power = now.power;
	__m128i hash = now.hash;

	for(; octets >= 64; data += 64, octets -= 64) {
		struct product p = {
				_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

		multiply_add(&p, _mm_xor_si128(hash, load_reversed(data)), power[3]);
		multiply_add(&p, load_reversed(data + 16), power[2]);
		multiply_add(&p, load_reversed(data + 32), power[1]);
		multiply_add(&p, load_reversed(data + 48), power[0]);
		hash = reduce(&p);
	}
	now.hash = hash;
	for(; octets >= 16; data += 16, octets -= 16)
		absorb_one(load_reversed(data));
	if(octets > 0) {
		uint8_t last[16] = {0};

		memcpy(last, data, octets);
		absorb_one(load_reversed(last));
	}
}

/* ---- the block ---------------------------------------------------------- */

static srtp_err_status_t make(srtp_cipher_t **out, int key_octets,
		int with_salt, int tag_octets, int rounds,
		const srtp_cipher_type_t *type)
{
	bool rare = tg_compact_is_rare();
	struct gcm *c;

	if(key_octets != with_salt || (tag_octets != 8 && tag_octets != TAG_OCTETS))
		return srtp_err_status_bad_param;
	c = tg_compact_alloc(octets_of(rounds, rare));
	if(!c)
		return srtp_err_status_alloc_fail;
	c->rare = rare;
	c->rounds = (uint8_t)rounds;
	c->tag_octets = (uint8_t)tag_octets;
	c->cipher.type = type;
	c->cipher.state = c;
	c->cipher.key_len = key_octets;
	c->cipher.algorithm = (int)type->id;
	*out = &c->cipher;
	return srtp_err_status_ok;
}

static srtp_err_status_t alloc_128(srtp_cipher_t **out, int octets, int tag)
{
	return make(out, octets, SRTP_AES_GCM_128_KEY_LEN_WSALT, tag, 10,
			&tg_compact_gcm_128);
}

static srtp_err_status_t alloc_256(srtp_cipher_t **out, int octets, int tag)
{
	return make(out, octets, SRTP_AES_GCM_256_KEY_LEN_WSALT, tag, 14,
			&tg_compact_gcm_256);
}

static srtp_err_status_t dealloc(srtp_cipher_t *cipher)
{
	struct gcm *c = (struct gcm *)cipher;
	size_t octets = octets_of(c->rounds, c->rare);

	if(now.owner == c)
		now.owner = NULL;
	tg_wipe(c, octets);
	tg_compact_free(c);
	return srtp_err_status_ok;
}

TG_AES_INLINE void make_schedule(
		const uint8_t *key, int rounds, __m128i schedule[])
{
	tg_aes_expand(key, rounds, schedule + POWERS);
	schedule[0] = reversed(
			tg_aes_block(schedule + POWERS, rounds, _mm_setzero_si128()));
	for(int i = 1; i < POWERS; i++)
		schedule[i] = multiply(schedule[i - 1], schedule[0]);
}

TG_AES_TARGET static srtp_err_status_t init(void *state, const uint8_t *key)
{
	struct gcm *c = state;

	if(now.owner == c)
		now.owner = NULL;
	if(c->rare)
		memcpy(c->kept, key, tg_aes_kept(c->rounds, true) * sizeof(__m128i));
	else
		make_schedule(key, c->rounds, c->kept);
	return srtp_err_status_ok;
}

/* ---- a packet ----------------------------------------------------------- */

static void end_packet(const struct gcm *c)
{
	now.step = IDLE;
	if(c->rare)
		tg_wipe(spare, sizeof(spare));
}

TG_AES_TARGET static srtp_err_status_t set_iv(
		void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
	const struct gcm *c = state;
	uint8_t block[16] = {0};

	if(direction != srtp_direction_encrypt
			&& direction != srtp_direction_decrypt)
		return srtp_err_status_bad_param;
	memcpy(block, iv, 12);
	block[15] = 1;
	now.first = _mm_loadu_si128((const __m128i *)block);
	now.hash = _mm_setzero_si128();
	now.aad_octets = now.data_octets = 0;
	now.n_held = 0;
	now.direction = direction;
	now.owner = c;
	now.power = c->kept;
	if(c->rare) {
		make_schedule((const uint8_t *)c->kept, c->rounds, spare);
		now.power = spare;
	}
	now.key = now.power + POWERS;
	now.step = TAKES_AAD;
	return srtp_err_status_ok;
}

TG_AES_TARGET static srtp_err_status_t set_aad(
		void *state, const uint8_t *aad, uint32_t octets)
{
	const struct gcm *c = state;

	if(now.owner != c || now.step != TAKES_AAD || octets > DATA_OCTETS_MAX
			|| now.aad_octets > DATA_OCTETS_MAX)
		return srtp_err_status_bad_param;
	now.aad_octets += octets;
	while(octets > 0) {
		uint32_t n = 16u - now.n_held;

		if(n > octets)
			n = octets;
		memcpy(now.held + now.n_held, aad, n);
		now.n_held += n;
		aad += n;
		octets -= n;
		if(now.n_held == 16) {
			absorb_one(load_reversed(now.held));
			now.n_held = 0;
		}
	}
	return srtp_err_status_ok;
}

TG_AES_INLINE void end_aad(void)
{
	if(now.n_held > 0) {
		memset(now.held + now.n_held, 0, 16u - now.n_held);
		absorb_one(load_reversed(now.held));
		now.n_held = 0;
	}
}

TG_AES_INLINE void tag_of(const struct gcm *c, uint8_t out[TAG_OCTETS])
{
	__m128i lengths = _mm_set_epi64x(
			(long long)now.aad_octets * 8, (long long)now.data_octets * 8);

	absorb_one(lengths);
	_mm_storeu_si128((__m128i *)out,
			_mm_xor_si128(reversed(now.hash),
					tg_aes_block(now.key, c->rounds, now.first)));
}

TG_AES_TARGET static srtp_err_status_t encrypt(
		void *state, uint8_t *data, unsigned *octets)
{
	const struct gcm *c = state;

	if(now.owner != c || now.step != TAKES_AAD
			|| now.direction != srtp_direction_encrypt
			|| *octets > DATA_OCTETS_MAX)
		return srtp_err_status_bad_param;
	end_aad();
	now.data_octets = *octets;
	tg_aes_counter_mode(now.key, c->rounds, now.first, 1, data, *octets);
	absorb(data, *octets);
	now.step = SEALED;
	return srtp_err_status_ok;
}

TG_AES_TARGET static srtp_err_status_t get_tag(
		void *state, uint8_t *tag, uint32_t *octets)
{
	const struct gcm *c = state;
	uint8_t full[TAG_OCTETS];

	if(now.owner != c || now.step != SEALED)
		return srtp_err_status_bad_param;
	tag_of(c, full);
	memcpy(tag, full, c->tag_octets);
	*octets = c->tag_octets;
	end_packet(c);
	return srtp_err_status_ok;
}

TG_AES_TARGET static srtp_err_status_t decrypt(
		void *state, uint8_t *data, unsigned *octets)
{
	const struct gcm *c = state;
	srtp_err_status_t result = srtp_err_status_auth_fail;
	uint8_t want[TAG_OCTETS];
	unsigned n;

	if(now.owner != c || now.step != TAKES_AAD
			|| now.direction != srtp_direction_decrypt
			|| *octets > DATA_OCTETS_MAX || *octets < c->tag_octets)
		return srtp_err_status_bad_param;
	n = *octets - c->tag_octets;
	end_aad();
	now.data_octets = n;
	absorb(data, n);
	tag_of(c, want);
	if(CRYPTO_memcmp(want, data + n, c->tag_octets) == 0) {
		tg_aes_counter_mode(now.key, c->rounds, now.first, 1, data, n);
		*octets = n;
		result = srtp_err_status_ok;
	}
	end_packet(c);
	return result;
}

/* ---- test cases: RFC 7714 section 16 ------------------------------------ */

static const uint8_t test_key[44] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
		0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12,
		0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
		0x1f};
static uint8_t test_iv[12] = {
		0x51, 0x75, 0x3c, 0x65, 0x80, 0xc2, 0x72, 0x6f, 0x20, 0x71, 0x84, 0x14};
static const uint8_t test_aad[12] = {
		0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0, 0xb2};
static const uint8_t test_plain[38] = {0x47, 0x61, 0x6c, 0x6c, 0x69, 0x61, 0x20,
		0x65, 0x73, 0x74, 0x20, 0x6f, 0x6d, 0x6e, 0x69, 0x73, 0x20, 0x64, 0x69,
		0x76, 0x69, 0x73, 0x61, 0x20, 0x69, 0x6e, 0x20, 0x70, 0x61, 0x72, 0x74,
		0x65, 0x73, 0x20, 0x74, 0x72, 0x65, 0x73};
static const uint8_t sealed_128[54] = {0xf2, 0x4d, 0xe3, 0xa3, 0xfb, 0x34, 0xde,
		0x6c, 0xac, 0xba, 0x86, 0x1c, 0x9d, 0x7e, 0x4b, 0xca, 0xbe, 0x63, 0x3b,
		0xd5, 0x0d, 0x29, 0x4e, 0x6f, 0x42, 0xa5, 0xf4, 0x7a, 0x51, 0xc7, 0xd1,
		0x9b, 0x36, 0xde, 0x3a, 0xdf, 0x88, 0x33, 0x89, 0x9d, 0x7f, 0x27, 0xbe,
		0xb1, 0x6a, 0x91, 0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce};
static const srtp_cipher_test_case_t test_128 = {SRTP_AES_GCM_128_KEY_LEN_WSALT,
		test_key, test_iv, sizeof(test_plain), test_plain, sizeof(sealed_128),
		sealed_128, sizeof(test_aad), test_aad, TAG_OCTETS, NULL};
static const uint8_t sealed_256[54] = {0x32, 0xb1, 0xde, 0x78, 0xa8, 0x22, 0xfe,
		0x12, 0xef, 0x9f, 0x78, 0xfa, 0x33, 0x2e, 0x33, 0xaa, 0xb1, 0x80, 0x12,
		0x38, 0x9a, 0x58, 0xe2, 0xf3, 0xb5, 0x0b, 0x2a, 0x02, 0x76, 0xff, 0xae,
		0x0f, 0x1b, 0xa6, 0x37, 0x99, 0xb8, 0x7b, 0x7a, 0xa3, 0xdb, 0x36, 0xdf,
		0xff, 0xd6, 0xb0, 0xf9, 0xbb, 0x78, 0x78, 0xd7, 0xa7, 0x6c, 0x13};
static const srtp_cipher_test_case_t test_256 = {SRTP_AES_GCM_256_KEY_LEN_WSALT,
		test_key, test_iv, sizeof(test_plain), test_plain, sizeof(sealed_256),
		sealed_256, sizeof(test_aad), test_aad, TAG_OCTETS, NULL};

const srtp_cipher_type_t tg_compact_gcm_128 = {
		.alloc = alloc_128,
		.dealloc = dealloc,
		.init = init,
		.set_aad = set_aad,
		.encrypt = encrypt,
		.decrypt = decrypt,
		.set_iv = set_iv,
		.get_tag = get_tag,
		.description = "AES-128-GCM, compact",
		.test_data = &test_128,
		.id = SRTP_AES_GCM_128,
};

const srtp_cipher_type_t tg_compact_gcm_256 = {
		.alloc = alloc_256,
		.dealloc = dealloc,
		.init = init,
		.set_aad = set_aad,
		.encrypt = encrypt,
		.decrypt = decrypt,
		.set_iv = set_iv,
		.get_tag = get_tag,
		.description = "AES-256-GCM, compact",
		.test_data = &test_256,
		.id = SRTP_AES_GCM_256,
};

#endif
