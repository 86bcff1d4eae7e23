/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Master keys as values: shapes of the suites (RFC 4568 section 6.2, RFC 6188
 * section 3, RFC 7714 section 12), comparison, wiping. No cryptography.
 */
#include <openssl/crypto.h>

#include "base/alloc.h"
#include "srtp/internal.h"

/* clang-format off */
static const struct tg_srtp_shape shapes[TG_SUITE_COUNT] = {
	[TG_SUITE_AES_CM_128_HMAC_SHA1_80] = {16, 14, 10, 10},
	[TG_SUITE_AES_CM_128_HMAC_SHA1_32] = {16, 14, 4, 10},
	[TG_SUITE_AES_256_CM_HMAC_SHA1_80] = {32, 14, 10, 10},
	[TG_SUITE_AES_256_CM_HMAC_SHA1_32] = {32, 14, 4, 10},
	[TG_SUITE_AEAD_AES_128_GCM]        = {16, 12, 16, 16},
	[TG_SUITE_AEAD_AES_256_GCM]        = {32, 12, 16, 16},
};
static const char *const rc_names[TG_SRTP_RC_COUNT] = {
	[TG_SRTP_OK] = "ok",
	[TG_SRTP_NO_KEY] = "no-key",
	[TG_SRTP_MALFORMED] = "malformed",
	[TG_SRTP_AUTH] = "auth",
	[TG_SRTP_REPLAY] = "replay",
	[TG_SRTP_MKI] = "mki",
	[TG_SRTP_LIFETIME] = "lifetime",
	[TG_SRTP_LIMIT] = "limit",
	[TG_SRTP_ROOM] = "room",
	[TG_SRTP_BAD_KEY] = "bad-key",
	[TG_SRTP_UNAPPROVED] = "unapproved",
	[TG_SRTP_NO_MEMORY] = "no-memory",
	[TG_SRTP_INTERNAL] = "internal",
};
/* clang-format on */

const char *tg_srtp_rc_name(enum tg_srtp_rc rc)
{
	return (unsigned)rc < TG_SRTP_RC_COUNT ? rc_names[rc] : "internal";
}

bool tg_srtp_shape(enum tg_suite suite, struct tg_srtp_shape *out)
{
	if(suite == TG_SUITE_NONE || (unsigned)suite >= TG_SUITE_COUNT)
		return false;
	*out = shapes[suite];
	return true;
}

void tg_srtp_keys_wipe(struct tg_srtp_keys *keys)
{
	if(keys)
		tg_wipe(keys, sizeof(*keys));
}

bool tg_srtp_master_same_key(
		const struct tg_srtp_master *a, const struct tg_srtp_master *b)
{
	return a->octets == b->octets && a->octets <= sizeof(a->octet)
		   && CRYPTO_memcmp(a->octet, b->octet, a->octets) == 0;
}

bool tg_srtp_keys_eq(const struct tg_srtp_keys *a, const struct tg_srtp_keys *b)
{
	bool same = a->suite == b->suite && a->n == b->n;

	for(size_t i = 0; same && i < a->n && i < TG_SRTP_MASTERS_MAX; i++) {
		const struct tg_srtp_master *x = &a->master[i];
		const struct tg_srtp_master *y = &b->master[i];

		same = tg_srtp_master_same_key(x, y) && x->mki_octets == y->mki_octets
			   && x->mki == y->mki && x->lifetime == y->lifetime;
	}
	return same;
}

void tg_srtp_put_mki(const struct tg_srtp_master *m, uint8_t *out)
{
	uint64_t v = m->mki;

	for(size_t i = m->mki_octets; i-- > 0; v >>= 8)
		out[i] = (uint8_t)v;
}
