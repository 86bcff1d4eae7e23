/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Contexts: one libsrtp2 session with a template stream, so that each new
 * SSRC is a clone which shares ciphers and keys (RFC 3711 section 3.2.3). The
 * packets are in packet.c, the choice of engine in engine.c.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "srtp/internal.h"

enum tg_srtp_rc tg_srtp_from_lib(srtp_err_status_t status)
{
	switch(status) {
		case srtp_err_status_ok:
			return TG_SRTP_OK;
		case srtp_err_status_replay_fail:
		case srtp_err_status_replay_old:
		case srtp_err_status_pkt_idx_old:
			return TG_SRTP_REPLAY;
		case srtp_err_status_auth_fail:
		case srtp_err_status_cant_check: /* SRTCP without the E bit */
			return TG_SRTP_AUTH;
		case srtp_err_status_bad_param:
		case srtp_err_status_parse_err:
			return TG_SRTP_MALFORMED;
		case srtp_err_status_bad_mki:
			return TG_SRTP_MKI;
		case srtp_err_status_key_expired:
			return TG_SRTP_LIFETIME;
		case srtp_err_status_alloc_fail:
			return TG_SRTP_NO_MEMORY;
		default:
			return TG_SRTP_INTERNAL;
	}
}

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

static void crypto_of(enum tg_suite suite, srtp_crypto_policy_t *rtp,
		srtp_crypto_policy_t *rtcp)
{
	switch(suite) {
		case TG_SUITE_AES_CM_128_HMAC_SHA1_80:
			srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(rtp);
			*rtcp = *rtp;
			break;
		case TG_SUITE_AES_CM_128_HMAC_SHA1_32:
			srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(rtp);
			srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(rtcp);
			break;
		case TG_SUITE_AES_256_CM_HMAC_SHA1_80:
			srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtp);
			*rtcp = *rtp;
			break;
		case TG_SUITE_AES_256_CM_HMAC_SHA1_32:
			srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(rtp);
			srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtcp);
			break;
		case TG_SUITE_AEAD_AES_128_GCM:
			srtp_crypto_policy_set_aes_gcm_128_16_auth(rtp);
			*rtcp = *rtp;
			break;
		default:
			srtp_crypto_policy_set_aes_gcm_256_16_auth(rtp);
			*rtcp = *rtp;
			break;
	}
}

/* A libsrtp2 policy with the storage that it points into */
struct policy {
	srtp_policy_t lib;
	srtp_master_key_t master[TG_SRTP_MASTERS_MAX];
	srtp_master_key_t *list[TG_SRTP_MASTERS_MAX];
	uint8_t octet[TG_SRTP_MASTERS_MAX][TG_SRTP_MASTER_OCTETS_MAX];
	uint8_t mki[TG_SRTP_MASTERS_MAX][TG_SRTP_MKI_OCTETS_MAX];
};

static void policy_fill(struct policy *p, const struct tg_srtp *ctx,
		const struct tg_srtp_keys *keys)
{
	memset(p, 0, sizeof(*p));
	crypto_of(keys->suite, &p->lib.rtp, &p->lib.rtcp);
	p->lib.ssrc.type =
			ctx->dir == TG_SRTP_RX ? ssrc_any_inbound : ssrc_any_outbound;
	p->lib.window_size = ctx->window;
	p->lib.keys = p->list;
	p->lib.num_master_keys = keys->n;
	for(size_t i = 0; i < keys->n; i++) {
		memcpy(p->octet[i], keys->master[i].octet, sizeof(p->octet[i]));
		tg_srtp_put_mki(&keys->master[i], p->mki[i]);
		p->master[i].key = p->octet[i];
		p->master[i].mki_id = p->mki[i];
		p->master[i].mki_size = keys->master[i].mki_octets;
		p->list[i] = &p->master[i];
	}
}

/*
 * libsrtp2 2.5 looks for the MKI of an SRTCP packet in front of a tag of the
 * length that SRTP has. Where the two lengths differ (the _32 suites) SRTCP
 * gets a session of its own whose SRTP tag is as long as that of SRTCP; with
 * or without an MKI, as one may come with the next offer.
 */
static bool needs_rtcp_session(const struct policy *p)
{
	return p->lib.rtp.auth_tag_len != p->lib.rtcp.auth_tag_len;
}

static enum tg_srtp_rc open_or_update(srtp_t *session, const srtp_policy_t *lib)
{
	if(*session)
		return tg_srtp_from_lib(srtp_update(*session, lib));
	return tg_srtp_from_lib(srtp_create(session, lib));
}

static void close_sessions(struct tg_srtp *ctx)
{
	if(ctx->rtcp && ctx->rtcp != ctx->rtp)
		srtp_dealloc(ctx->rtcp);
	if(ctx->rtp)
		srtp_dealloc(ctx->rtp);
	ctx->rtp = ctx->rtcp = NULL;
}

static enum tg_srtp_rc open_sessions(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	struct policy p;
	bool was_split = ctx->rtcp != ctx->rtp;
	enum tg_srtp_rc rc;

	policy_fill(&p, ctx, keys);
	rc = open_or_update(&ctx->rtp, &p.lib);
	if(rc == TG_SRTP_OK && (was_split || needs_rtcp_session(&p))) {
		if(!was_split)
			ctx->rtcp = NULL;
		p.lib.rtp = p.lib.rtcp;
		rc = open_or_update(&ctx->rtcp, &p.lib);
	} else if(rc == TG_SRTP_OK) {
		ctx->rtcp = ctx->rtp;
	}
	tg_wipe(&p, sizeof(p));
	if(rc == TG_SRTP_OK)
		return rc;
	if(ctx->rtcp == NULL)
		ctx->rtcp = ctx->rtp;
	close_sessions(ctx);
	return rc;
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
	ctx = calloc(1, sizeof(*ctx));
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
	rc = ctx->stream ? open_sessions(ctx, keys) : TG_SRTP_NO_MEMORY;
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
	close_sessions(ctx);
	free(ctx->stream);
	free(ctx->nat);
	tg_wipe(ctx, sizeof(*ctx));
	free(ctx);
}

enum tg_srtp_rc tg_srtp_set_keys(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	enum tg_srtp_rc rc;

	if(!ctx->rtp)
		return TG_SRTP_NO_KEY;
	if(tg_srtp_keys_eq(&ctx->keys, keys))
		return TG_SRTP_OK;
	rc = keys_fit(keys) && !reuses_rtcp_index(ctx, keys)
				 ? open_sessions(ctx, keys)
				 : TG_SRTP_BAD_KEY;
	if(rc != TG_SRTP_OK) {
		close_sessions(ctx);
		tg_srtp_keys_wipe(&ctx->keys);
		return rc;
	}
	/* libsrtp2 keeps the indices but clears the replay bits */
	for(size_t i = 0; i < ctx->n_streams; i++)
		if(ctx->stream[i].has_rtp)
			ctx->stream[i].floor = ctx->stream[i].high + 1;
	if(ctx->nat
			&& (ctx->keys.suite != keys->suite
					|| !tg_srtp_master_same_key(
							&ctx->keys.master[0], &keys->master[0])))
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
