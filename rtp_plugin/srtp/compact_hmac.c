/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * HMAC-SHA1 (RFC 2104, RFC 3711 section 4.2.1) as a libsrtp2 authentication
 * type. A key is kept as what it does to SHA-1: the states after the inner
 * and the outer padded block, 20 octets each. The running hash belongs to the
 * thread: libsrtp2 goes from start to compute without a pause. What is seldom
 * used keeps the key alone.
 *
 * OpenSSL's plain SHA1_* functions are deprecated since 3.0 but not going
 * away; EVP's cost is what this file is there to avoid.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "srtp/compact.h"

#if defined(__x86_64__)

#include <openssl/sha.h>

#include "base/alloc.h"

#define TAG_OCTETS_MAX SHA_DIGEST_LENGTH
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c
#define RARE_KEY_OCTETS SHA_DIGEST_LENGTH /* that of SRTP (RFC 3711 5.2) */

struct half {
	SHA_LONG h[5];
};

struct both {
	struct half inner;
	struct half outer;
};

struct hmac {
	srtp_auth_t auth;
	bool rare;
	uint8_t octets; /* rare: of the key */
	union {
		struct both states;
		uint8_t key[RARE_KEY_OCTETS];
	};
};

/* A rare one ends with its key */
#define RARE_OCTETS (offsetof(struct hmac, key) + RARE_KEY_OCTETS)

TG_COMPACT_THREAD SHA_CTX running;
TG_COMPACT_THREAD struct half outer; /* of a rare one, while it works */

static srtp_err_status_t make(srtp_auth_t **out, int key_octets, int tag_octets)
{
	struct hmac *m;
	bool rare;

	if(tag_octets > TAG_OCTETS_MAX || key_octets < 0 || key_octets > SHA_CBLOCK)
		return srtp_err_status_bad_param;
	rare = key_octets <= RARE_KEY_OCTETS && tg_compact_is_rare_auth();
	m = tg_compact_alloc(rare ? RARE_OCTETS : sizeof(*m));
	if(!m)
		return srtp_err_status_alloc_fail;
	m->rare = rare;
	m->auth.type = &tg_compact_hmac;
	m->auth.state = m;
	m->auth.out_len = tag_octets;
	m->auth.key_len = key_octets;
	*out = &m->auth;
	return srtp_err_status_ok;
}

static srtp_err_status_t dealloc(srtp_auth_t *auth)
{
	struct hmac *m = (struct hmac *)auth;

	tg_wipe(m, m->rare ? RARE_OCTETS : sizeof(*m));
	tg_compact_free(m);
	return srtp_err_status_ok;
}

static void keep(struct half *out, const SHA_CTX *c)
{
	out->h[0] = c->h0;
	out->h[1] = c->h1;
	out->h[2] = c->h2;
	out->h[3] = c->h3;
	out->h[4] = c->h4;
}

/* As if one block had been hashed */
static void resume(SHA_CTX *c, const struct half *from)
{
	c->h0 = from->h[0];
	c->h1 = from->h[1];
	c->h2 = from->h[2];
	c->h3 = from->h[3];
	c->h4 = from->h[4];
	c->Nl = 8 * SHA_CBLOCK;
	c->Nh = 0;
	c->num = 0;
}

static void precompute(
		struct half *out, const uint8_t *key, size_t octets, uint8_t pad)
{
	uint8_t block[SHA_CBLOCK];
	SHA_CTX c;

	memset(block, pad, sizeof(block));
	for(size_t i = 0; i < octets; i++)
		block[i] ^= key[i];
	SHA1_Init(&c);
	SHA1_Update(&c, block, sizeof(block));
	keep(out, &c);
	tg_wipe(block, sizeof(block));
	tg_wipe(&c, sizeof(c));
}

static srtp_err_status_t init(void *state, const uint8_t *key, int octets)
{
	struct hmac *m = state;

	if(octets < 0 || octets > SHA_CBLOCK
			|| (m->rare && octets > RARE_KEY_OCTETS))
		return srtp_err_status_bad_param;
	if(m->rare) {
		memcpy(m->key, key, (size_t)octets);
		m->octets = (uint8_t)octets;
		return srtp_err_status_ok;
	}
	precompute(&m->states.inner, key, (size_t)octets, INNER_PAD);
	precompute(&m->states.outer, key, (size_t)octets, OUTER_PAD);
	return srtp_err_status_ok;
}

static srtp_err_status_t start(void *state)
{
	const struct hmac *m = state;
	struct half inner;

	if(!m->rare) {
		resume(&running, &m->states.inner);
		return srtp_err_status_ok;
	}
	precompute(&inner, m->key, m->octets, INNER_PAD);
	precompute(&outer, m->key, m->octets, OUTER_PAD);
	resume(&running, &inner);
	tg_wipe(&inner, sizeof(inner));
	return srtp_err_status_ok;
}

static srtp_err_status_t update(void *state, const uint8_t *data, int octets)
{
	(void)state;
	if(octets < 0)
		return srtp_err_status_bad_param;
	SHA1_Update(&running, data, (size_t)octets);
	return srtp_err_status_ok;
}

static srtp_err_status_t compute(void *state, const uint8_t *data, int octets,
		int tag_octets, uint8_t *tag)
{
	const struct hmac *m = state;
	uint8_t digest[SHA_DIGEST_LENGTH];

	if(octets < 0 || tag_octets < 0 || tag_octets > TAG_OCTETS_MAX)
		return srtp_err_status_bad_param;
	SHA1_Update(&running, data, (size_t)octets);
	SHA1_Final(digest, &running);
	resume(&running, m->rare ? &outer : &m->states.outer);
	SHA1_Update(&running, digest, sizeof(digest));
	SHA1_Final(digest, &running);
	memcpy(tag, digest, (size_t)tag_octets);
	if(m->rare)
		tg_wipe(&outer, sizeof(outer));
	return srtp_err_status_ok;
}

/* RFC 2202 section 3, test case 1 */
static const uint8_t test_key[20] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
		0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
		0x0b};
static const uint8_t test_data[8] = {'H', 'i', ' ', 'T', 'h', 'e', 'r', 'e'};
static const uint8_t test_tag[20] = {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72,
		0x64, 0xe2, 0x8b, 0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe,
		0x00};
static const srtp_auth_test_case_t test = {sizeof(test_key), test_key,
		sizeof(test_data), test_data, sizeof(test_tag), test_tag, NULL};

const srtp_auth_type_t tg_compact_hmac = {
		.alloc = make,
		.dealloc = dealloc,
		.init = init,
		.compute = compute,
		.update = update,
		.start = start,
		.description = "HMAC-SHA1, compact",
		.test_data = &test,
		.id = SRTP_HMAC_SHA1,
};

#endif
