/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a line must hold, by the level of the profile:
 *
 *	            RTP/AVP            RTP/SAVP, UDP/TLS   other
 *	required    refused            keys as profiled    refused, but fax
 *	                                                   with t38 = clear
 *	supported   clear, or keys     keys as profiled    passes
 *	none        clear              no keys may leave   passes
 *
 * A line that comes in may say more in Microsoft's words: a=encryption, and
 * RTP/AVP with a=crypto, which MS-SDPEXT lets a side accept that requires
 * encryption, by an answer with RTP/SAVP.
 */
#include "media/judge.h"

struct look {
	const struct tg_sdp *sdp;
	const struct tg_media_ask *ask;
	struct tg_media_finding *out;
};

static bool refuse(struct look *l, enum tg_reason reason, uint32_t line,
		const struct tg_sdp_media *m)
{
	l->out->reason = reason;
	l->out->line = line + 1;
	l->out->type = m ? m->type : tg_span_of(NULL, 0);
	return false;
}

bool tg_media_has_kx(const struct tg_pol_media *media, enum tg_kx kx)
{
	for(size_t i = 0; i < TG_KX_MAX; i++) {
		if(media->key_exchange[i] == kx)
			return true;
	}
	return false;
}

bool tg_media_has_suite(const struct tg_pol_media *media, enum tg_suite suite)
{
	for(size_t i = 0; suite != TG_SUITE_NONE && i < TG_SUITES_MAX; i++) {
		if(media->suite[i] == suite)
			return true;
	}
	return false;
}

/* UNENCRYPTED_SRTP and the like (RFC 4568 section 6.3) undo the suite */
static bool weakens(struct tg_span session_params)
{
	while(session_params.len) {
		struct tg_span word = tg_span_cut(&session_params, ' ');

		if(tg_span_istarts(word, TG_SPAN("UNENCRYPTED"))
				|| tg_span_istarts(word, TG_SPAN("UNAUTHENTICATED")))
			return true;
	}
	return false;
}

static bool acceptable(
		const struct tg_pol_media *media, const struct tg_sdp_crypto *c)
{
	return c->valid && tg_media_has_suite(media, tg_suite_by_name(c->suite))
		   && !weakens(c->session_params);
}

/*
 * What comes in as an offer may list more than we take; what leaves lists
 * nothing that the profile does not admit; an answer has exactly one line.
 */
static bool judge_crypto(struct look *l, const struct tg_sdp_media *m)
{
	size_t good = 0;
	uint32_t bad = m->first_line;

	for(size_t i = 0; i < m->n_crypto; i++) {
		if(acceptable(l->ask->media, &m->crypto[i]))
			good++;
		else
			bad = m->crypto[i].line;
	}
	if(good == 0 || (l->ask->direction == TG_POL_OUT && good != m->n_crypto))
		return refuse(l, TG_REASON_MEDIA_SUITE, bad, m);
	if(!l->ask->offer && m->n_crypto != 1)
		return refuse(l, TG_REASON_MEDIA_KEYING, m->first_line, m);
	return true;
}

static bool weak_hash(struct tg_span name)
{
	return tg_span_ieq(name, TG_SPAN("md2"))
		   || tg_span_ieq(name, TG_SPAN("md5"));
}

/* A line that says it has keys: they are of an admitted kind */
static bool judge_keys(struct look *l, const struct tg_sdp_media *m)
{
	const struct tg_pol_media *media = l->ask->media;
	bool sdes = m->n_crypto && m->kind != TG_SDP_PROTO_DTLS;
	bool dtls = m->security.n_fingerprints > 0;
	bool sdes_wanted = tg_media_has_kx(media, TG_KX_SDES);
	bool dtls_wanted = tg_media_has_kx(media, TG_KX_DTLS);

	if(!l->ask->keys_allowed)
		return refuse(l, TG_REASON_MEDIA_KEYS_EXPOSED, m->first_line, m);
	if(l->ask->direction == TG_POL_OUT
			&& ((m->n_crypto && !sdes_wanted) || (dtls && !dtls_wanted)))
		return refuse(l, TG_REASON_MEDIA_KEYING, m->first_line, m);
	if(dtls && weak_hash(m->security.fingerprint_hash))
		return refuse(l, TG_REASON_MEDIA_KEYING, m->first_line, m);
	if(sdes && sdes_wanted)
		/* where both are offered DTLS may win: its offer suffices inbound */
		return (dtls && dtls_wanted && l->ask->direction == TG_POL_IN)
			   || judge_crypto(l, m);
	return (dtls && dtls_wanted)
		   || refuse(l, TG_REASON_MEDIA_KEYING, m->first_line, m);
}

/* rtpengine itself would answer with RTP/AVP: the plugin speaks the dialect */
static bool is_optional_offer(
		const struct look *l, const struct tg_sdp_media *m)
{
	return l->ask->offer && l->ask->direction == TG_POL_IN && m->n_crypto
		   && l->ask->media->dialect == TG_DIALECT_MS_SDPEXT
		   && l->ask->media->engine == TG_POL_ENGINE_PLUGIN;
}

static bool judge_plain(struct look *l, const struct tg_sdp_media *m)
{
	bool keyed = m->n_crypto || m->security.n_fingerprints;

	switch(l->ask->media->level) {
		case TG_LEVEL_NONE:
			l->out->clear++;
			return true;
		case TG_LEVEL_SUPPORTED:
			if(!keyed) {
				l->out->clear++;
				return true;
			}
			l->out->secured++;
			return judge_keys(l, m);
		default:
			if(!is_optional_offer(l, m))
				return refuse(l, TG_REASON_MEDIA_CLEAR, m->first_line, m);
			l->out->secured++;
			/* a fingerprint does not make up for lines that are taken out */
			return judge_keys(l, m) && judge_crypto(l, m);
	}
}

static bool judge_secured(struct look *l, const struct tg_sdp_media *m)
{
	l->out->secured++;
	if(l->ask->media->level == TG_LEVEL_NONE)
		return l->ask->keys_allowed
			   || refuse(l, TG_REASON_MEDIA_KEYS_EXPOSED, m->first_line, m);
	return judge_keys(l, m);
}

/* T.38 over its own transports (RFC 3362, ITU-T T.38 annex D) */
static bool is_fax(const struct tg_sdp_media *m)
{
	return tg_span_ieq(m->type, TG_SPAN("image"))
		   && (tg_span_ieq(m->proto, TG_SPAN("udptl"))
				   || tg_span_ieq(m->proto, TG_SPAN("tcp")));
}

/* T.38, MSRP, BFCP; and RTP over transports that are not done here */
static bool judge_other(struct look *l, const struct tg_sdp_media *m)
{
	if(l->ask->media->level != TG_LEVEL_REQUIRED
			|| (l->ask->media->t38 == TG_POL_T38_CLEAR && is_fax(m)))
		return true;
	return refuse(l, TG_REASON_MEDIA_TYPE, m->first_line, m);
}

bool tg_media_is_live(const struct tg_sdp_media *m)
{
	return m->port || m->bundle_only;
}

static uint32_t bit_of(const struct look *l, const struct tg_sdp_media *m)
{
	return (uint32_t)1 << (m - l->sdp->media); /* TG_SDP_MEDIA_MAX is 32 */
}

/* What the sender says it does with the line; incompatible levels are 488 */
static bool judge_encryption(struct look *l, const struct tg_sdp_media *m)
{
	enum tg_sdp_encryption said = m->security.encryption;
	enum tg_level level = l->ask->media->level;

	if(l->ask->direction != TG_POL_IN || m->kind == TG_SDP_PROTO_OTHER)
		return true;
	if(said == TG_SDP_ENC_REJECTED && level == TG_LEVEL_REQUIRED)
		return refuse(l, TG_REASON_MEDIA_CLEAR, m->first_line, m);
	if(said == TG_SDP_ENC_REQUIRED && level == TG_LEVEL_NONE
			&& m->kind == TG_SDP_PROTO_AVP)
		return refuse(l, TG_REASON_MEDIA_KEYING, m->first_line, m);
	return true;
}

static bool judge_kind(struct look *l, const struct tg_sdp_media *m)
{
	switch(m->kind) {
		case TG_SDP_PROTO_AVP:
			return judge_plain(l, m);
		case TG_SDP_PROTO_SAVP:
		case TG_SDP_PROTO_DTLS:
			return judge_secured(l, m);
		default:
			return judge_other(l, m);
	}
}

static bool judge_line(struct look *l, const struct tg_sdp_media *m)
{
	size_t secured = l->out->secured, clear = l->out->clear;

	if(!tg_media_is_live(m))
		return true;
	if(!judge_encryption(l, m) || !judge_kind(l, m))
		return false;
	if(l->out->secured > secured)
		l->out->secured_lines |= bit_of(l, m);
	if(l->out->clear > clear && (l->ask->agreed & bit_of(l, m)))
		return refuse(l, TG_REASON_MEDIA_DOWNGRADE, m->first_line, m);
	return true;
}

/* Wherever they stand, in a rejected line too, and however they are spelt */
static bool judge_exposure(struct look *l)
{
	if(l->ask->keys_allowed || l->ask->direction == TG_POL_IN)
		return true;
	for(uint32_t i = 0; i < l->sdp->n_lines; i++) {
		if(tg_sdp_carries_key(&l->sdp->line[i]))
			return refuse(l, TG_REASON_MEDIA_KEYS_EXPOSED, i, NULL);
	}
	return true;
}

void tg_media_judge(const struct tg_sdp *sdp, const struct tg_media_ask *ask,
		struct tg_media_finding *out)
{
	struct look l = {sdp, ask, out};

	memset(out, 0, sizeof(*out));
	if(!judge_exposure(&l) || ask->capabilities)
		return;
	for(size_t i = 0; i < sdp->n_media; i++) {
		if(!judge_line(&l, &sdp->media[i]))
			return;
	}
}

/* ---- offers ---------------------------------------------------------------- */

static const struct tg_sdp_crypto *crypto_at(
		const struct tg_sdp *sdp, uint32_t line)
{
	for(size_t i = 0; i < sdp->n_media; i++) {
		for(size_t k = 0; k < sdp->media[i].n_crypto; k++) {
			if(sdp->media[i].crypto[k].line == line)
				return &sdp->media[i].crypto[k];
		}
	}
	return NULL;
}

static const struct tg_sdp_media *media_of(
		const struct tg_sdp *sdp, uint32_t line)
{
	const struct tg_sdp_media *m = NULL;

	for(size_t i = 0; i < sdp->n_media; i++) {
		if(sdp->media[i].first_line <= line)
			m = &sdp->media[i];
	}
	return m;
}

/*
 * No key exchange is taken up: keys in an RTP/AVP line leave it open to run in
 * clear, but rtpengine would encrypt and answer with keys (RFC 8643), which a
 * server that speaks MS-SDPEXT reads as clear.
 */
static bool strip_open_offer(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit, size_t *n)
{
	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		const struct tg_sdp_media *m = media_of(sdp, i);

		if(!m || m->kind != TG_SDP_PROTO_AVP
				|| !tg_sdp_is_security_line(&sdp->line[i]))
			continue;
		if(!tg_sdp_edit_drop(edit, i))
			return false;
		++*n;
	}
	return true;
}

bool tg_media_strip_offer(const struct tg_sdp *sdp,
		const struct tg_pol_media *media, struct tg_sdp_edit *edit, size_t *n)
{
	*n = 0;
	if(media->level == TG_LEVEL_NONE)
		return strip_open_offer(sdp, edit, n);
	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		const struct tg_sdp_crypto *c;

		if(!tg_sdp_carries_key(&sdp->line[i]))
			continue;
		c = crypto_at(sdp, i);
		if(c && acceptable(media, c))
			continue;
		if(!tg_sdp_edit_drop(edit, i))
			return false;
		++*n;
	}
	return true;
}

bool tg_media_strip_keys(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit, size_t *n)
{
	*n = 0;
	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		if(!tg_sdp_carries_key(&sdp->line[i]))
			continue;
		if(!tg_sdp_edit_drop(edit, i))
			return false;
		++*n;
	}
	return true;
}

/* ---- the plugin's proof -------------------------------------------------- */

static bool proof_value(const struct tg_sdp_line *line, struct tg_span *value)
{
	struct tg_span text = line->text;
	struct tg_span name;

	if(line->type != 'a')
		return false;
	text = tg_span_of(text.ptr + 2, text.len - 2);
	name = tg_span_cut(&text, ':');
	*value = text;
	return tg_span_ieq(tg_span_trim(name), TG_SPAN(TG_NG_PROOF_ATTRIBUTE));
}

enum tg_reason tg_media_check_proof(const struct tg_sdp *sdp,
		const struct tg_media_proof_ask *ask, enum tg_ng_leg *proven)
{
	uint32_t session_lines =
			sdp->n_media ? sdp->media[0].first_line : (uint32_t)sdp->n_lines;
	struct tg_span value, only = {NULL, 0};
	enum tg_ng_leg leg = TG_NG_LEG_NONE;
	size_t n = 0;

	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		if(!proof_value(&sdp->line[i], &value))
			continue;
		n++;
		if(i < session_lines)
			only = value;
	}
	if(n == 1 && only.ptr
			&& tg_ng_proof_check(only, ask->call_id, ask->key, ask->now, &leg)
					   != TG_NG_OK)
		leg = TG_NG_LEG_NONE;
	if(proven)
		*proven = leg;
	return (leg & ask->needed) == ask->needed ? TG_REASON_NONE
											  : TG_REASON_MEDIA_UNPROVEN;
}

bool tg_media_strip_proof(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit, size_t *n)
{
	struct tg_span value;

	*n = 0;
	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		if(!proof_value(&sdp->line[i], &value))
			continue;
		if(!tg_sdp_edit_drop(edit, i))
			return false;
		++*n;
	}
	return true;
}
