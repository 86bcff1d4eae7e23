/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Contexts: their life and their keys. The packets are in packet.c, libsrtp2's
 * sessions in sessions.c, the choice of engine in engine.c.
 */
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "srtp/internal.h"

_Static_assert(sizeof(struct tg_srtp) <= TG_SRTP_BLOCK_OCTETS,
		"a context with its ciphers fits into a block");
_Static_assert(TG_SRTP_BLOCK_LINES % 4 != 0, "see slab.h");

/* MKIs: none for a single master or one a master, of one length, distinct */
static bool mkis_fit(const struct tg_srtp_keys *k)
{
	uint8_t octets = k->master[0].mki_octets;

	if(octets > TG_SRTP_MKI_OCTETS_MAX || (k->n > 1 && octets == 0))
		return false;
	for(size_t i = 0; i < k->n; i++) {
		const struct tg_srtp_master *m = &k->master[i];

		if(m->mki_octets != octets
				|| (octets < 8 && m->mki >> (8 * octets) != 0))
			return false;
		for(size_t j = 0; j < i; j++)
			if(k->master[j].mki == m->mki)
				return false;
	}
	return true;
}

static bool keys_fit(const struct tg_srtp_keys *k)
{
	struct tg_srtp_shape shape;

	if(!tg_srtp_shape(k->suite, &shape) || k->n == 0
			|| k->n > TG_SRTP_MASTERS_MAX)
		return false;
	for(size_t i = 0; i < k->n; i++)
		if(k->master[i].octets != shape.key_octets + shape.salt_octets)
			return false;
	return mkis_fit(k);
}

/* ---- masters in force --------------------------------------------------- */

void tg_srtp_keys_of(const struct tg_srtp *ctx, struct tg_srtp_keys *out)
{
	memset(out, 0, sizeof(*out));
	out->suite = (enum tg_suite)ctx->suite;
	out->n = ctx->n_masters;
	for(size_t i = 0; i < ctx->n_masters; i++)
		out->master[i] = tg_srtp_master_const(ctx, i)->key;
}

static const struct master *find_master(
		const struct tg_srtp *ctx, const struct tg_srtp_master *key)
{
	for(size_t i = 0; i < ctx->n_masters; i++) {
		const struct master *m = tg_srtp_master_const(ctx, i);

		if(tg_srtp_master_same_key(&m->key, key))
			return m;
	}
	return NULL;
}

static bool keeps_a_key(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	for(size_t i = 0; i < keys->n; i++)
		if(find_master(ctx, &keys->master[i]))
			return true;
	return false;
}

static void forget_masters(struct tg_srtp *ctx)
{
	for(size_t i = 0; i < ctx->n_masters; i++)
		tg_wipe(tg_srtp_master(ctx, i), sizeof(struct master));
	if(ctx->n_masters > 1)
		free(ctx->master.several);
	ctx->n_masters = 0;
}

/* What a master that stays has used is kept. False: out of memory */
static bool note_keys(struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct master next[TG_SRTP_MASTERS_MAX] = {0};
	struct master *to = &ctx->master.one;
	struct tg_srtp_shape shape;
	bool ok;

	for(size_t i = 0; i < keys->n; i++) {
		const struct master *was = find_master(ctx, &keys->master[i]);

		if(was) {
			next[i] = *was;
			next[i].kept = true;
		}
		next[i].key = keys->master[i];
	}
	forget_masters(ctx);
	if(keys->n > 1)
		to = ctx->master.several = calloc(keys->n, sizeof(*to));
	ok = to && tg_srtp_shape(keys->suite, &shape);
	if(ok) {
		memcpy(to, next, keys->n * sizeof(*next));
		ctx->n_masters = keys->n;
		ctx->suite = (uint8_t)keys->suite;
		ctx->mki_octets = keys->master[0].mki_octets;
		ctx->rtp_tag_octets = shape.tag_octets;
		ctx->rtcp_tag_octets = shape.rtcp_tag_octets;
		ctx->aead = shape.salt_octets == 12;
	}
	tg_wipe(next, sizeof(next));
	return ok;
}

/* ---- contexts ----------------------------------------------------------- */

enum tg_srtp_rc tg_srtp_new(const struct tg_srtp_config *config,
		const struct tg_srtp_keys *keys, struct tg_srtp **out)
{
	struct tg_srtp *ctx;
	enum tg_srtp_rc rc;

	*out = NULL;
	if(tg_srtp_engine() == TG_SRTP_ENGINE_NONE)
		return TG_SRTP_INTERNAL;
	if(!keys_fit(keys) || config->replay_window > TG_SRTP_WINDOW_MAX
			|| config->ssrc_max > TG_SRTP_SSRC_MAX)
		return TG_SRTP_BAD_KEY;
	if(!tg_srtp_can(keys->suite))
		return TG_SRTP_UNAPPROVED;
	ctx = tg_srtp_slab_get();
	if(!ctx)
		return TG_SRTP_NO_MEMORY;
	ctx->dir = config->dir;
	ctx->ssrc_max = config->ssrc_max ? config->ssrc_max : SSRC_DEFAULT;
	ctx->window =
			config->replay_window ? config->replay_window : WINDOW_DEFAULT;
	if(ctx->window < TG_SRTP_WINDOW_MIN)
		ctx->window = TG_SRTP_WINDOW_MIN;
	ctx->stream = &ctx->first;
	ctx->max_streams = 1;
	rc = tg_srtp_sessions_open(ctx, keys, true);
	if(rc == TG_SRTP_OK && !note_keys(ctx, keys))
		rc = TG_SRTP_NO_MEMORY;
	if(rc != TG_SRTP_OK) {
		tg_srtp_free(ctx);
		return rc;
	}
	*out = ctx;
	return TG_SRTP_OK;
}

void tg_srtp_free(struct tg_srtp *ctx)
{
	if(!ctx)
		return;
	tg_srtp_sessions_close(ctx);
	forget_masters(ctx);
	if(ctx->stream != &ctx->first)
		free(ctx->stream);
	free(ctx->nat);
	free(ctx->retired);
	tg_srtp_slab_put(ctx);
}

/* ---- new keys ----------------------------------------------------------- */

/*
 * The far end has nothing but new keys: nothing old can be replayed, and it
 * may count from zero again or go on (resync.c finds out).
 */
static void begin_streams_anew(struct tg_srtp *ctx)
{
	for(size_t i = 0; i < ctx->n_streams; i++) {
		struct stream *s = &ctx->stream[i];

		s->fresh = s->has_rtp;
		s->own = 0;
		s->floor = 0;
	}
	ctx->strange = 0;
}

/* libsrtp2 keeps the indices but clears the replay bits */
static void raise_floors(struct tg_srtp *ctx)
{
	for(size_t i = 0; i < ctx->n_streams; i++) {
		struct stream *s = &ctx->stream[i];

		if(s->has_rtp)
			s->floor = s->high + 1;
	}
}

/* A session for SRTCP that begins now would count its index from zero again */
static bool reuses_rtcp_index(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct tg_srtp_shape shape;

	return !ctx->split && keeps_a_key(ctx, keys)
		   && tg_srtp_shape(keys->suite, &shape)
		   && shape.tag_octets != shape.rtcp_tag_octets;
}

/* ---- tx: a master that was replaced stays away --------------------------- */

/*
 * Where sessions begin anew, so do their indices (SRTCP's on its own), and a
 * master that came back would encrypt with the same keystream again.
 */
static void digest_of(const struct tg_srtp_master *m, uint8_t *out)
{
	uint8_t full[SHA256_DIGEST_LENGTH];

	SHA256(m->octet, m->octets, full);
	memcpy(out, full, RETIRED_OCTETS);
	tg_wipe(full, sizeof(full));
}

static bool is_retired(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	uint8_t digest[RETIRED_OCTETS];

	for(size_t i = 0; ctx->retired && i < keys->n; i++) {
		digest_of(&keys->master[i], digest);
		for(size_t j = 0; j < ctx->retired->n; j++)
			if(memcmp(ctx->retired->digest[j], digest, sizeof(digest)) == 0)
				return true;
	}
	return false;
}

static bool stays(
		const struct tg_srtp_keys *keys, const struct tg_srtp_master *m)
{
	for(size_t i = 0; i < keys->n; i++)
		if(tg_srtp_master_same_key(&keys->master[i], m))
			return true;
	return false;
}

/* False: no memory, or more changes of keys than a call has */
static bool retire_masters(struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	if(ctx->dir != TG_SRTP_TX)
		return true;
	if(!ctx->retired)
		ctx->retired = calloc(1, sizeof(*ctx->retired));
	if(!ctx->retired)
		return false;
	for(size_t i = 0; i < ctx->n_masters; i++) {
		const struct tg_srtp_master *m = &tg_srtp_master(ctx, i)->key;

		if(stays(keys, m))
			continue;
		if(ctx->retired->n == RETIRED_MAX)
			return false;
		digest_of(m, ctx->retired->digest[ctx->retired->n++]);
	}
	return true;
}

static enum tg_srtp_rc change_keys(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	bool anew = ctx->dir == TG_SRTP_RX && !keeps_a_key(ctx, keys);
	enum tg_srtp_rc rc;

	if(!keys_fit(keys) || reuses_rtcp_index(ctx, keys) || is_retired(ctx, keys))
		return TG_SRTP_BAD_KEY;
	if(!retire_masters(ctx, keys))
		return TG_SRTP_NO_MEMORY;
	rc = tg_srtp_sessions_open(ctx, keys, anew);
	if(rc != TG_SRTP_OK)
		return rc;
	if(anew)
		begin_streams_anew(ctx);
	else
		raise_floors(ctx);
	if(ctx->nat
			&& !tg_srtp_master_same_key(
					&tg_srtp_master(ctx, 0)->key, &keys->master[0]))
		ctx->nat->octets = 0;
	return note_keys(ctx, keys) ? TG_SRTP_OK : TG_SRTP_NO_MEMORY;
}

bool tg_srtp_has_keys(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct tg_srtp_keys in_force;
	bool same;

	if(!ctx->rtp.lib)
		return false;
	tg_srtp_keys_of(ctx, &in_force);
	same = tg_srtp_keys_eq(&in_force, keys);
	tg_srtp_keys_wipe(&in_force);
	return same;
}

enum tg_srtp_rc tg_srtp_set_keys(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	enum tg_srtp_rc rc;

	if(!ctx->rtp.lib)
		return TG_SRTP_NO_KEY;
	if(tg_srtp_has_keys(ctx, keys))
		return TG_SRTP_OK;
	rc = change_keys(ctx, keys);
	if(rc != TG_SRTP_OK) {
		tg_srtp_sessions_close(ctx);
		forget_masters(ctx);
		return rc;
	}
	ctx->counters.rekeys++;
	return TG_SRTP_OK;
}

const struct tg_srtp_counters *tg_srtp_counters(const struct tg_srtp *ctx)
{
	return ctx ? &ctx->counters : NULL;
}

bool tg_srtp_wants_rekey(const struct tg_srtp *ctx)
{
	for(size_t i = 0; ctx && i < ctx->n_masters; i++)
		if(tg_srtp_master_const(ctx, i)->warned)
			return true;
	return false;
}
