/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libsrtp2's sessions for a context: one with a template stream, so that each
 * new SSRC is a clone which shares ciphers and keys (RFC 3711 section 3.2.3).
 */
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

void tg_srtp_sessions_close(struct tg_srtp *ctx)
{
	struct tg_srtp *before = tg_srtp_room_enter(ctx);

	if(ctx->rtcp && ctx->rtcp != ctx->rtp)
		srtp_dealloc(ctx->rtcp);
	if(ctx->rtp)
		srtp_dealloc(ctx->rtp);
	ctx->rtp = ctx->rtcp = NULL;
	tg_srtp_room_leave(before);
}

static enum tg_srtp_rc open_both(struct tg_srtp *ctx, struct policy *p)
{
	bool was_split = ctx->rtcp != ctx->rtp;
	enum tg_srtp_rc rc = open_or_update(&ctx->rtp, &p->lib);

	if(rc == TG_SRTP_OK && (was_split || needs_rtcp_session(p))) {
		if(!was_split)
			ctx->rtcp = NULL;
		p->lib.rtp = p->lib.rtcp;
		rc = open_or_update(&ctx->rtcp, &p->lib);
	} else if(rc == TG_SRTP_OK) {
		ctx->rtcp = ctx->rtp;
	}
	if(rc != TG_SRTP_OK) {
		if(!was_split && !ctx->rtcp)
			ctx->rtcp = ctx->rtp;
		tg_srtp_sessions_close(ctx);
	}
	return rc;
}

enum tg_srtp_rc tg_srtp_sessions_open(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys, bool renew)
{
	struct tg_srtp *before;
	struct policy p;
	enum tg_srtp_rc rc;

	if(renew)
		tg_srtp_sessions_close(ctx);
	policy_fill(&p, ctx, keys);
	before = tg_srtp_room_enter(ctx);
	tg_srtp_room_first_cipher();
	rc = open_both(ctx, &p);
	tg_srtp_room_leave(before);
	tg_wipe(&p, sizeof(p));
	return rc;
}

enum tg_srtp_rc tg_srtp_sessions_add(struct tg_srtp *ctx, uint32_t ssrc)
{
	struct tg_srtp_keys keys;
	struct policy p;
	enum tg_srtp_rc rc;

	tg_srtp_keys_of(ctx, &keys);
	policy_fill(&p, ctx, &keys);
	tg_srtp_keys_wipe(&keys);
	p.lib.ssrc.type = ssrc_specific;
	p.lib.ssrc.value = ssrc;
	tg_srtp_room_first_cipher();
	rc = tg_srtp_from_lib(srtp_add_stream(ctx->rtp, &p.lib));
	tg_wipe(&p, sizeof(p));
	return rc;
}
