/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libsrtp2's sessions for a context, and the streams in them. Most legs have
 * one SSRC a direction, so the first one gets a stream of its own, when its
 * first packet is there. With the second one comes a template: it and later
 * ones are clones, which share ciphers and keys (RFC 3711 section 3.2.3).
 *
 *	nothing --first packet--> one stream --another SSRC--> and a template
 *	   `---- rx: the first packet did not verify ---------> a template
 *
 * So packets that lie cost keys once, and one comparison each from then on.
 */
#include <arpa/inet.h>

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

/* RFC 4568 section 6.2: SRTCP has 80 bits with the _32 suites too */
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

static void policy_for_one(struct policy *p, uint32_t ssrc)
{
	p->lib.ssrc.type = ssrc_specific;
	p->lib.ssrc.value = ssrc;
}

static void policy_for_any(struct policy *p, enum tg_srtp_dir dir)
{
	p->lib.ssrc.type = dir == TG_SRTP_RX ? ssrc_any_inbound : ssrc_any_outbound;
}

/* In the session that is split off: its SRTP is for nothing but its tag */
static void policy_for_split(struct policy *p)
{
	p->lib.rtp = p->lib.rtcp;
}

bool tg_srtp_sessions_can(enum tg_suite suite)
{
	struct tg_srtp_keys keys = {.suite = suite, .n = 1};
	struct tg_srtp none = {.window = TG_SRTP_WINDOW_MIN};
	struct policy p;
	srtp_t session;

	policy_fill(&p, &none, &keys);
	policy_for_any(&p, TG_SRTP_TX);
	if(srtp_create(&session, &p.lib) != srtp_err_status_ok)
		return false;
	srtp_dealloc(session);
	return true;
}

/* ---- sessions ----------------------------------------------------------- */

/*
 * libsrtp2 2.5 looks for the MKI of an SRTCP packet in front of a tag of the
 * length that SRTP has. Where the two lengths differ (the _32 suites) SRTCP
 * gets a session of its own whose SRTP tag is as long as that of SRTCP; with
 * or without an MKI, as one may come with the next offer.
 */
static bool needs_split(const struct tg_srtp_keys *keys)
{
	struct tg_srtp_shape shape;

	return tg_srtp_shape(keys->suite, &shape)
		   && shape.tag_octets != shape.rtcp_tag_octets;
}

static void close_session(struct session *s)
{
	if(s->lib)
		srtp_dealloc(s->lib);
	*s = (struct session){.lib = NULL};
}

void tg_srtp_sessions_close(struct tg_srtp *ctx)
{
	struct tg_srtp *before = tg_srtp_room_enter(ctx);

	close_session(&ctx->rtcp);
	close_session(&ctx->rtp);
	ctx->split = false;
	tg_srtp_room_leave(before);
}

static srtp_err_status_t update_session(
		struct tg_srtp *ctx, struct session *s, struct policy *p, uint8_t own)
{
	srtp_err_status_t status = srtp_err_status_ok;

	if(s->has_template) {
		policy_for_any(p, ctx->dir);
		status = srtp_update(s->lib, &p->lib);
	}
	/* it leaves streams that are no clones with the keys they have */
	for(size_t i = 0; i < ctx->n_streams && status == srtp_err_status_ok; i++) {
		if(!(ctx->stream[i].own & own))
			continue;
		policy_for_one(p, ctx->stream[i].ssrc);
		status = srtp_update(s->lib, &p->lib);
	}
	return status;
}

static srtp_err_status_t update_both(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys)
{
	srtp_err_status_t status;
	struct policy p;

	policy_fill(&p, ctx, keys);
	tg_srtp_room_first_cipher();
	status = update_session(ctx, &ctx->rtp, &p, OWN_RTP);
	if(status == srtp_err_status_ok && ctx->rtcp.lib) {
		policy_for_split(&p);
		status = update_session(ctx, &ctx->rtcp, &p, OWN_RTCP);
	}
	tg_wipe(&p, sizeof(p));
	return status;
}

enum tg_srtp_rc tg_srtp_sessions_open(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys, bool renew)
{
	srtp_err_status_t status = srtp_err_status_ok;
	struct tg_srtp *before;

	if(renew)
		tg_srtp_sessions_close(ctx);
	before = tg_srtp_room_enter(ctx);
	if(!renew)
		status = update_both(ctx, keys);
	else
		status = srtp_create(&ctx->rtp.lib, NULL);
	tg_srtp_room_leave(before);
	if(status != srtp_err_status_ok)
		tg_srtp_sessions_close(ctx);
	else if(needs_split(keys))
		ctx->split = true;
	return tg_srtp_from_lib(status);
}

/* ---- streams ------------------------------------------------------------ */

/* ssrc NULL: the template. Keys in force */
static enum tg_srtp_rc add_stream(
		struct tg_srtp *ctx, struct session *s, const uint32_t *ssrc)
{
	struct tg_srtp_keys keys;
	srtp_err_status_t status;
	struct policy p;

	tg_srtp_keys_of(ctx, &keys);
	policy_fill(&p, ctx, &keys);
	tg_srtp_keys_wipe(&keys);
	if(ssrc)
		policy_for_one(&p, *ssrc);
	else
		policy_for_any(&p, ctx->dir);
	if(s == &ctx->rtcp)
		policy_for_split(&p);
	tg_srtp_room_first_cipher();
	/* the one that is split off begins with the first SRTCP packet */
	status = s->lib ? srtp_err_status_ok : srtp_create(&s->lib, NULL);
	if(status == srtp_err_status_ok)
		status = srtp_add_stream(s->lib, &p.lib);
	tg_wipe(&p, sizeof(p));
	return tg_srtp_from_lib(status);
}

enum tg_srtp_rc tg_srtp_sessions_add(
		struct tg_srtp *ctx, enum tg_srtp_kind kind, uint32_t ssrc)
{
	struct session *s = tg_srtp_session(ctx, kind);
	enum tg_srtp_rc rc = add_stream(ctx, s, &ssrc);

	if(rc == TG_SRTP_OK && !s->has_one) {
		s->has_one = true;
		s->ssrc = ssrc;
	}
	return rc;
}

bool tg_srtp_sessions_drop(
		struct tg_srtp *ctx, enum tg_srtp_kind kind, uint32_t ssrc)
{
	struct session *s = tg_srtp_session(ctx, kind);

	if(s->has_one && s->ssrc == ssrc)
		s->has_one = false;
	return srtp_remove_stream(s->lib, htonl(ssrc)) == srtp_err_status_ok;
}

enum tg_srtp_rc tg_srtp_sessions_ready(struct tg_srtp *ctx,
		enum tg_srtp_kind kind, uint32_t ssrc, uint8_t *own)
{
	struct session *s = tg_srtp_session(ctx, kind);
	enum tg_srtp_rc rc;

	*own = 0;
	if(s->has_template || (s->has_one && s->ssrc == ssrc))
		return TG_SRTP_OK;
	if(!s->has_one && !s->doubted) {
		rc = tg_srtp_sessions_add(ctx, kind, ssrc);
		if(rc == TG_SRTP_OK)
			*own = tg_srtp_own(ctx, kind);
		return rc;
	}
	rc = add_stream(ctx, s, NULL);
	s->has_template = rc == TG_SRTP_OK;
	return rc;
}
