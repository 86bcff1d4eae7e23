/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tokens and proofs of the ng protocol. The input is the part that the MAC
 * covers; a right MAC is put behind it, so that the fields are reached. What
 * is taken must be written again and read the same. The input is tried as it
 * stands, too: without the secret nothing may be taken.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "ng/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SECRET TG_SPAN_INIT("0123456789abcdef0123456789abcdef")
static struct tg_ng_key key = TG_NG_KEY_INIT(SECRET);
static const struct tg_span call_id = TG_SPAN_INIT("c");

static struct tg_span sign(const char *purpose, struct tg_span body, char *out)
{
	unsigned char mac[32];
	unsigned n = sizeof(mac);
	char text[TG_NG_TOKEN_OCTETS_MAX + 64];
	int used = snprintf(text, sizeof(text), "%s\nc\n", purpose);

	memcpy(text + used, body.ptr, body.len);
	if(!HMAC(EVP_sha256(), key.secret.ptr, (int)key.secret.len,
			   (unsigned char *)text, (size_t)used + body.len, mac, &n))
		abort();
	memcpy(out, body.ptr, body.len);
	used = (int)body.len + sprintf(out + body.len, "/mac:");
	for(unsigned i = 0; i < n; i++)
		used += sprintf(out + used, "%02x", mac[i]);
	return tg_span_of(out, (size_t)used);
}

static bool same(const struct tg_ng_profile *a, const struct tg_ng_profile *b)
{
	return tg_ng_profile_same_keying(a, b) && a->level == b->level
		   && tg_span_eq(a->peer, b->peer);
}

/* A leg that is not named has nothing; one that is has what it needs */
static bool whole(const struct tg_ng_profile *p, bool named)
{
	static const struct tg_ng_profile none;

	return named ? p->suite[0] && p->key_exchange[0] && p->replay_window >= 64
				 : same(p, &none);
}

static void try_token(struct tg_span token)
{
	struct tg_ng_token t, again;
	struct tg_arena arena;
	struct tg_span out;
	const char *why;

	if(tg_ng_token_decode(token, call_id, &key, 0, &t, &why) != TG_NG_OK)
		return;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_ng_token_encode(&t, call_id, &key, &arena, &out) != TG_NG_OK
			|| tg_ng_token_decode(out, call_id, &key, 0, &again, &why)
					   != TG_NG_OK
			|| t.legs == TG_NG_LEG_NONE || t.legs != again.legs
			|| t.expires != again.expires || !same(&t.to, &again.to)
			|| !same(&t.from, &again.from)
			|| !whole(&t.to, t.legs & TG_NG_LEG_TO)
			|| !whole(&t.from, t.legs & TG_NG_LEG_FROM))
		abort();
	tg_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_span body = tg_span_of((const char *)data, len);
	char out[TG_NG_TOKEN_OCTETS_MAX + 128];
	struct tg_ng_token t;
	enum tg_ng_leg leg;
	const char *why;

	if(tg_ng_token_decode(body, call_id, &key, 0, &t, &why) == TG_NG_OK
			|| tg_ng_proof_check(body, call_id, &key, 0, &leg) == TG_NG_OK)
		abort();
	if(len == 0 || len > TG_NG_TOKEN_OCTETS_MAX - 70)
		return 0;
	try_token(sign("tg-ng-v1", body, out));
	if(tg_ng_proof_check(sign("tg-proof-v1", body, out), call_id, &key, 0, &leg)
					== TG_NG_OK
			&& (leg < TG_NG_LEG_TO || leg > TG_NG_LEG_BOTH))
		abort();
	return 0;
}
