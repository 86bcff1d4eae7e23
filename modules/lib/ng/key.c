/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <unistd.h>

void tg_ng_key_init(struct tg_ng_key *key, struct tg_span secret)
{
	*key = (struct tg_ng_key){.secret = secret};
	atomic_flag_clear(&key->busy);
}

void tg_ng_key_deinit(struct tg_ng_key *key)
{
	if(key->owner == getpid())
		EVP_MAC_CTX_free(key->keyed);
	tg_ng_key_init(key, tg_span_of(NULL, 0));
}

static bool one_shot(struct tg_span secret, const void *text, size_t octets,
		unsigned char mac[TG_NG_MAC_OCTETS])
{
	unsigned written = TG_NG_MAC_OCTETS;

	return HMAC(EVP_sha256(), secret.ptr, (int)secret.len, text, octets, mac,
				   &written)
		   && written == TG_NG_MAC_OCTETS;
}

/* No key, no parameters: starts over with those it has (EVP_MAC(3)) */
static bool again(EVP_MAC_CTX *keyed, const void *text, size_t octets,
		unsigned char mac[TG_NG_MAC_OCTETS])
{
	size_t written = 0;

	return EVP_MAC_init(keyed, NULL, 0, NULL)
		   && EVP_MAC_update(keyed, text, octets)
		   && EVP_MAC_final(keyed, mac, &written, TG_NG_MAC_OCTETS)
		   && written == TG_NG_MAC_OCTETS;
}

/* A provider that starts over in another way is not used so: twice the same,
 * and what HMAC() makes of it */
static bool starts_over(EVP_MAC_CTX *keyed, struct tg_span secret)
{
	static const char text[] = "starts over";
	unsigned char want[TG_NG_MAC_OCTETS], have[TG_NG_MAC_OCTETS];
	bool same = one_shot(secret, text, sizeof(text), want);

	for(int i = 0; i < 2; i++)
		same = same && again(keyed, text, sizeof(text), have)
			   && CRYPTO_memcmp(want, have, sizeof(want)) == 0;
	return same;
}

static EVP_MAC_CTX *make(struct tg_span secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
			OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *keyed = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac); /* the context has its own reference */
	if(keyed
			&& EVP_MAC_init(keyed, (const unsigned char *)secret.ptr,
					secret.len, params)
			&& starts_over(keyed, secret))
		return keyed;
	EVP_MAC_CTX_free(keyed);
	return NULL;
}

static bool is_last(
		const struct tg_ng_key *key, const void *text, size_t octets)
{
	return octets && octets == key->last_octets
		   && memcmp(key->last_text, text, octets) == 0;
}

static void remember(struct tg_ng_key *key, const void *text, size_t octets,
		const unsigned char mac[TG_NG_MAC_OCTETS])
{
	key->last_octets = octets <= sizeof(key->last_text) ? octets : 0;
	memcpy(key->last_text, text, key->last_octets);
	memcpy(key->last_mac, mac, sizeof(key->last_mac));
}

static bool with_context(struct tg_ng_key *key, const void *text, size_t octets,
		unsigned char mac[TG_NG_MAC_OCTETS])
{
	pid_t here = getpid();

	if(key->owner
			!= here) { /* the one of another process is not ours to free */
		key->keyed = make(key->secret);
		key->owner = here;
	}
	if(is_last(key, text, octets)) {
		memcpy(mac, key->last_mac, sizeof(key->last_mac));
		return true;
	}
	if(!key->keyed || !again(key->keyed, text, octets, mac))
		return false;
	remember(key, text, octets, mac);
	return true;
}

bool tg_ng_key_mac(struct tg_ng_key *key, const void *text, size_t octets,
		unsigned char mac[TG_NG_MAC_OCTETS])
{
	bool done = false;

	if(key->secret.len < TG_NG_SECRET_OCTETS_MIN
			|| key->secret.len > TG_NG_SECRET_OCTETS_MAX)
		return false;
	if(!atomic_flag_test_and_set_explicit(&key->busy, memory_order_acquire)) {
		done = with_context(key, text, octets, mac);
		atomic_flag_clear_explicit(&key->busy, memory_order_release);
	}
	return done || one_shot(key->secret, text, octets, mac);
}
