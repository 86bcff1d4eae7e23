/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Makes credentials for a TURN server that shares a secret with us. HMAC and
 * base64 are OpenSSL's (RFC 2104, RFC 4648). Nothing is kept.
 */
#include "mras/credential.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define SHA1_OCTETS 20

static bool id_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		   || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._@+", c));
}

static bool id_ok(struct tg_span id)
{
	if(id.len == 0 || id.len > TG_MRAS_ID_MAX)
		return false;
	for(size_t i = 0; i < id.len; i++)
		if(!id_octet(id.ptr[i]))
			return false;
	return true;
}

static bool secret_ok(struct tg_span secret)
{
	return secret.len >= TG_MRAS_SECRET_MIN && secret.len <= TG_MRAS_SECRET_MAX;
}

bool tg_mras_credential_make(struct tg_span secret, uint64_t expiry,
		struct tg_span id, struct tg_mras_credential *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int octets = 0;
	int n;

	memset(out, 0, sizeof(*out));
	if(!secret_ok(secret) || !id_ok(id) || expiry == 0)
		return false;
	n = snprintf(out->username, sizeof(out->username), "%" PRIu64 ":%.*s",
			expiry, TG_SPAN_FMT(id));
	if(n < 0 || (size_t)n >= sizeof(out->username)
			|| !HMAC(EVP_sha1(), secret.ptr, (int)secret.len,
					(const unsigned char *)out->username, (size_t)n, mac,
					&octets)
			|| octets != SHA1_OCTETS) {
		tg_mras_credential_wipe(out);
		return false;
	}
	EVP_EncodeBlock((unsigned char *)out->password, mac, SHA1_OCTETS);
	OPENSSL_cleanse(mac, sizeof(mac));
	return true;
}

void tg_mras_credential_wipe(struct tg_mras_credential *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}
