/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Contexts: their life and their keys. The packets are in packet.c, libsrtp2's
 * sessions in sessions.c, the choice of engine in engine.c.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "srtp/internal.h"

_Static_assert(sizeof(struct tg_srtp) <= TG_SRTP_BLOCK_OCTETS,
		"a context with its ciphers fits into a block");
_Static_assert(TG_SRTP_BLOCK_LINES % 2 == 1, "see slab.h");

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

static bool keeps_a_key(
		const struct tg_srtp_keys *was, const struct tg_srtp_keys *is)
{
	for(size_t i = 0; i < is->n; i++)
		for(size_t j = 0; j < was->n; j++)
			if(tg_srtp_master_same_key(&is->master[i], &was->master[j]))
				return true;
	return false;
}

/* A session for SRTCP that begins now would count its index from zero again */
static bool reuses_rtcp_index(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct tg_srtp_shape shape;

	return ctx->rtcp == ctx->rtp && keeps_a_key(&ctx->keys, keys)
		   && tg_srtp_shape(keys->suite, &shape)
		   && shape.tag_octets != shape.rtcp_tag_octets;
}

static void note_keys(struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct tg_srtp_shape shape;
	struct usage usage[TG_SRTP_MASTERS_MAX] = {0};

	for(size_t i = 0; i < keys->n; i++)
		for(size_t j = 0; j < ctx->keys.n; j++)
			if(tg_srtp_master_same_key(
					   &keys->master[i], &ctx->keys.master[j])) {
				usage[i] = ctx->usage[j];
				usage[i].kept = true;
			}
	memcpy(ctx->usage, usage, sizeof(usage));
	ctx->keys = *keys;
	ctx->mki_octets = keys->master[0].mki_octets;
	if(tg_srtp_shape(keys->suite, &shape)) {
		ctx->rtp_tag_octets = shape.tag_octets;
		ctx->rtcp_tag_octets = shape.rtcp_tag_octets;
		ctx->aead = shape.salt_octets == 12;
	}
}

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
	ctx = tg_srtp_slab_get();
	if(!ctx)
		return TG_SRTP_NO_MEMORY;
	ctx->dir = config->dir;
	ctx->ssrc_max = config->ssrc_max ? config->ssrc_max : SSRC_DEFAULT;
	ctx->window =
			config->replay_window ? config->replay_window : WINDOW_DEFAULT;
	if(ctx->window < TG_SRTP_WINDOW_MIN)
		ctx->window = TG_SRTP_WINDOW_MIN;
	ctx->max_streams = STREAMS_AT_FIRST;
	ctx->stream = calloc(ctx->max_streams, sizeof(*ctx->stream));
	rc = ctx->stream ? tg_srtp_sessions_open(ctx, keys, true)
					 : TG_SRTP_NO_MEMORY;
	if(rc != TG_SRTP_OK) {
		tg_srtp_free(ctx);
		return rc;
	}
	note_keys(ctx, keys);
	*out = ctx;
	return TG_SRTP_OK;
}

void tg_srtp_free(struct tg_srtp *ctx)
{
	if(!ctx)
		return;
	tg_srtp_sessions_close(ctx);
	free(ctx->stream);
	free(ctx->nat);
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
		s->own = false;
		s->floor = 0;
		s->rtcp_high = s->rtcp_floor = 0;
	}
	ctx->strange = 0;
}

/*
 * libsrtp2 keeps the indices but clears the replay bits; and it leaves streams
 * that are no clones with the keys they have, so those begin anew.
 */
static void raise_floors(struct tg_srtp *ctx)
{
	for(size_t i = 0; i < ctx->n_streams; i++) {
		struct stream *s = &ctx->stream[i];

		if(s->has_rtp)
			s->floor = s->high + 1;
		if(!s->own)
			continue;
		s->rtcp_floor = s->rtcp_high;
		s->own = false;
		s->fresh = true;
	}
}

static void drop_own_streams(struct tg_srtp *ctx)
{
	for(size_t i = 0; i < ctx->n_streams; i++)
		if(ctx->stream[i].own)
			srtp_remove_stream(ctx->rtp, htonl(ctx->stream[i].ssrc));
}

enum tg_srtp_rc tg_srtp_set_keys(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	enum tg_srtp_rc rc = TG_SRTP_BAD_KEY;
	bool anew;

	if(!ctx->rtp)
		return TG_SRTP_NO_KEY;
	if(tg_srtp_keys_eq(&ctx->keys, keys))
		return TG_SRTP_OK;
	if(keys_fit(keys)) {
		anew = ctx->dir == TG_SRTP_RX && !keeps_a_key(&ctx->keys, keys);
		if(anew || !reuses_rtcp_index(ctx, keys)) {
			drop_own_streams(ctx);
			rc = tg_srtp_sessions_open(ctx, keys, anew);
		}
	}
	if(rc != TG_SRTP_OK) {
		tg_srtp_sessions_close(ctx);
		tg_srtp_keys_wipe(&ctx->keys);
		return rc;
	}
	if(anew)
		begin_streams_anew(ctx);
	else
		raise_floors(ctx);
	if(ctx->nat
			&& !tg_srtp_master_same_key(&ctx->keys.master[0], &keys->master[0]))
		ctx->nat->octets = 0;
	note_keys(ctx, keys);
	ctx->counters.rekeys++;
	return TG_SRTP_OK;
}

const struct tg_srtp_counters *tg_srtp_counters(const struct tg_srtp *ctx)
{
	return ctx ? &ctx->counters : NULL;
}

bool tg_srtp_wants_rekey(const struct tg_srtp *ctx)
{
	for(size_t i = 0; ctx && i < ctx->keys.n; i++)
		if(ctx->usage[i].warned)
			return true;
	return false;
}
