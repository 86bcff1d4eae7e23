/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/negotiate.h"

#include "ng/sockets.h"
#include "session/fork.h"
#include "session/ice.h"
#include "session/packet.h"

#include "base/text.h"

bool tg_ngx_refuse(struct tg_ngx *x, enum tg_reason reason, const char *text)
{
	if(x->error == NULL) {
		x->error = text;
		x->reason = reason;
	}
	return false;
}

bool tg_ngx_set(struct tg_ngx *x, struct tg_ben *dict, const char *key,
		struct tg_span value)
{
	return tg_ben_set_string(dict, &x->arena, key, value)
		   || tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
}

static bool parse(struct tg_ngx *x, struct tg_span text, struct tg_sdp *sdp)
{
	switch(tg_sdp_parse(text, &x->arena, sdp)) {
		case TG_SDP_OK:
			return true;
		case TG_SDP_NO_MEMORY:
			return tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
		default:
			return tg_ngx_refuse(x, TG_REASON_SDP_MALFORMED,
					"the session description cannot be read");
	}
}

static bool no_memory(struct tg_ngx *x)
{
	return tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
}

static bool is_proof_line(const struct tg_sdp_line *line)
{
	return tg_span_starts(line->text, TG_SPAN("a=" TG_NG_PROOF_ATTRIBUTE ":"));
}

/* Keys, and proofs that are not ours, never pass through the daemon */
static bool drop_security_lines(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit)
{
	for(size_t i = 0; i < sdp->n_lines; i++) {
		if((tg_sdp_is_security_line(&sdp->line[i])
				   || is_proof_line(&sdp->line[i]))
				&& !tg_sdp_edit_drop(edit, (uint32_t)i))
			return false;
	}
	return true;
}

static bool applies(const struct tg_sdp_media *m)
{
	return m->port != 0 || m->bundle_only;
}

bool tg_ngx_wants_feedback(struct tg_ngx *x, struct tg_span text)
{
	struct tg_sdp sdp;

	if(tg_sdp_parse(text, &x->arena, &sdp) != TG_SDP_OK)
		return false;
	for(size_t i = 0; i < sdp.n_media; i++) {
		if(sdp.media[i].port != 0 && sdp.media[i].kind != TG_SDP_PROTO_OTHER)
			return sdp.media[i].feedback;
	}
	return false;
}

/* ---- key exchange of a stream ------------------------------------------- */

static void key_profile(struct tg_ngx *x, const struct tg_ses_leg *leg,
		struct tg_key_profile *out)
{
	const struct tg_ng_profile *p = &leg->profile;

	memset(out, 0, sizeof(*out));
	memcpy(out->suite, p->suite, sizeof(out->suite));
	out->dialect = p->dialect;
	out->mki_octets = p->mki_octets;
	out->lifetime_log2 = p->lifetime_log2;
	if(p->dtls_verify_ca && x->host->trust != NULL) {
		out->trust = x->host->trust(x->host->ctx, p->peer);
		out->identity[0] = p->identity;
	}
}

static bool key_new(struct tg_ngx *x, struct tg_ses_stream *st, enum tg_kx kx)
{
	struct tg_key_profile profile;

	key_profile(x, st->leg, &profile);
	if(kx == TG_KX_DTLS && st->leg->profile.dtls_verify_ca
			&& profile.trust == NULL)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"no trust store for the peer's DTLS certificate");
	if(st->far.key != NULL)
		tg_ses_stream_close(st);
	st->far.key = tg_key_new(kx, &profile, x->host->keying, st);
	if(st->far.key == NULL)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"the key exchange is not available on this node");
	if(kx == TG_KX_DTLS)
		tg_ses_timers_on();
	return true;
}

static bool key_error(struct tg_ngx *x, enum tg_key_rc rc)
{
	static const char *const text[TG_KEY_RC_COUNT] = {
			[TG_KEY_NONE] = "a media line carries no keys",
			[TG_KEY_NO_SUITE] = "no suite that the profile admits",
			[TG_KEY_MALFORMED] = "malformed key attributes",
			[TG_KEY_MISMATCH] = "the answer's keys are not to our offer",
			[TG_KEY_WEAK] = "key attributes that weaken the media",
			[TG_KEY_ORDER] = "keys out of order of offer and answer",
			[TG_KEY_ROOM] = "too many keys",
			[TG_KEY_NO_MEMORY] = "out of memory",
			[TG_KEY_INTERNAL] = "the key exchange failed",
	};

	return tg_ngx_refuse(x, tg_key_rc_reason(rc),
			(unsigned)rc < TG_KEY_RC_COUNT && text[rc] ? text[rc]
													   : "internal error");
}

/* The far end's transport address; true when it differs from before */
static bool remote_path(const struct tg_sdp_media *m, struct tg_ses_stream *st)
{
	struct tg_key_path path = {.port = m->port};
	bool moved;

	if(!tg_addr_parse(m->address, &path.addr))
		memset(&path.addr, 0, sizeof(path.addr));
	moved = st->far.remote.port != 0
			&& (path.port != st->far.remote.port
					|| !tg_addr_eq(&path.addr, &st->far.remote.addr));
	st->far.remote = path;
	st->far.remote_rtcp = tg_ngx_rtcp_port(m);
	return moved;
}

static bool may_fall_to_clear(
		const struct tg_ses_stream *st, const struct tg_sdp_media *m)
{
	return st->leg->profile.level == TG_LEVEL_SUPPORTED
		   && m->kind == TG_SDP_PROTO_AVP && m->n_crypto == 0
		   && m->security.n_fingerprints == 0;
}

static bool fall_to_clear(struct tg_ngx *x, struct tg_ses_stream *st)
{
	if(st->was_secured)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				"a secured media line would fall to clear");
	tg_ses_stream_close(st);
	st->clear = true;
	tg_ses_stream_mode(st);
	atomic_fetch_add(&tg_ngx_counters.clear, 1);
	return true;
}

/* RFC 8839 section 5.4: of the media line, or of the session. Empty: none */
static struct tg_span ice_value(const struct tg_sdp *sdp,
		const struct tg_sdp_media *m, const char *start)
{
	struct tg_span found = {NULL, 0}, name = tg_span_cstr(start);
	size_t end = m->first_line + m->n_lines;

	for(size_t i = 0; i < end; i++) {
		if(i == sdp->media[0].first_line)
			i = m->first_line;
		if(tg_span_starts(sdp->line[i].text, name))
			found = tg_span_of(sdp->line[i].text.ptr + name.len,
					sdp->line[i].text.len - name.len);
	}
	return found;
}

static bool has_ice(const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	return ice_value(sdp, m, "a=ice-ufrag:").ptr != NULL;
}

static bool ice_theirs(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	return tg_ses_ice_theirs(
				   st, has_ice(sdp, m), ice_value(sdp, m, "a=ice-pwd:"))
		   || tg_ngx_refuse(x, TG_REASON_SDP_MALFORMED,
				   "an ICE password that is too long, or no memory");
}

static bool ice_ours(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m, bool offer)
{
	bool ice = has_ice(sdp, m);

	if(!tg_ses_ice_ours(st, ice, ice_value(sdp, m, "a=ice-lite").ptr != NULL,
			   ice_value(sdp, m, "a=ice-pwd:")))
		return no_memory(x);
	st->ice_asked = ice && offer;
	return true;
}

static bool take_offer(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	const struct tg_ng_profile *p = &st->leg->profile;
	enum tg_key_rc rc, first = TG_KEY_NONE;
	struct tg_key_profile profile;
	enum tg_kx kx = TG_KX_NONE;

	if(m->proto.len > TG_SES_PROTO_OCTETS_MAX)
		return tg_ngx_refuse(
				x, TG_REASON_SDP_MALFORMED, "transport protocol too long");
	if(!tg_ses_stream_set_proto(st, m->proto))
		return no_memory(x);
	st->far.mux = m->rtcp_mux;
	key_profile(x, st->leg, &profile);
	for(int i = 0; i < TG_KX_MAX && kx == TG_KX_NONE; i++) {
		if(p->key_exchange[i] == TG_KX_NONE)
			break;
		rc = tg_key_can_take(p->key_exchange[i], &profile, m);
		if(rc == TG_KEY_OK)
			kx = p->key_exchange[i];
		else if(first == TG_KEY_NONE)
			first = rc;
	}
	if(kx == TG_KX_NONE) {
		if(may_fall_to_clear(st, m))
			return fall_to_clear(x, st);
		return first == TG_KEY_NONE ? tg_ngx_refuse(
					   x, TG_REASON_MEDIA_CLEAR, "a media line offers no keys")
									: key_error(x, first);
	}
	st->clear = false;
	tg_ses_stream_mode(st);
	if((st->far.key == NULL || tg_key_kx(st->far.key) != kx)
			&& !key_new(x, st, kx))
		return false;
	if(!ice_theirs(x, st, sdp, m))
		return false;
	if(remote_path(m, st)) {
		st->moved = true;
		tg_key_peer_moved(st->far.key);
	}
	rc = tg_key_take_offer(st->far.key, m);
	return rc == TG_KEY_OK ? true : key_error(x, rc);
}

/* DTLS: where our ClientHello goes, or where to expect one from */
static void connect_dtls(struct tg_ses_stream *st)
{
	struct tg_key_path rtcp = st->far.remote;

	if(tg_key_kx(st->far.key) != TG_KX_DTLS)
		return;
	tg_ses_timers_on();
	tg_key_set_components(st->far.key, !st->far.mux);
	if(tg_ses_ice_on(st)) {
		tg_ses_ice_connect(st);
		return;
	}
	tg_key_connect(st->far.key, TG_KEY_RTP, &st->far.remote, tg_ses_now_ms());
	if(!st->far.mux) {
		rtcp.port = st->far.remote_rtcp;
		tg_key_connect(st->far.key, TG_KEY_RTCP, &rtcp, tg_ses_now_ms());
	}
}

static bool start_media(struct tg_ngx *x, struct tg_ses_stream *st)
{
	connect_dtls(st);
	switch(tg_ses_stream_rekey(st)) {
		case TG_SRTP_OK:
			return true;
		case TG_SRTP_UNAPPROVED:
			return tg_ngx_refuse(x, TG_REASON_MEDIA_SUITE,
					"the suite is not available on this node");
		default:
			return tg_ngx_refuse(
					x, TG_REASON_INTERNAL, "the SRTP context cannot be made");
	}
}

static bool take_answer(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	enum tg_key_rc rc;

	if(st->far.key == NULL)
		return st->clear && may_fall_to_clear(st, m)
					   ? true
					   : tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
							   "an answer to a media line without our offer");
	if(may_fall_to_clear(st, m))
		return fall_to_clear(x, st);
	if(x->forked && !tg_ses_fork_enter(st, x->to_tag))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"too many far ends answer one offer");
	if(!ice_theirs(x, st, sdp, m))
		return false;
	st->far.mux = m->rtcp_mux;
	if(remote_path(m, st)) {
		st->moved = true;
		tg_key_peer_moved(st->far.key);
	}
	rc = tg_key_take_answer(st->far.key, m);
	if(rc == TG_KEY_NONE)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_CLEAR,
				"a media line of the answer carries no keys");
	if(rc != TG_KEY_OK)
		return key_error(x, rc);
	/* every far end of the fork knows the key of the one offer */
	if(x->forked && tg_key_kx(st->far.key) == TG_KX_SDES)
		st->moved = true;
	st->clear = false;
	tg_ses_stream_mode(st);
	return start_media(x, st);
}

/* ---- a description that comes in ---------------------------------------- */

static bool media_in(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		unsigned index, const struct tg_sdp *sdp)
{
	const struct tg_sdp_media *m = &sdp->media[index];
	struct tg_ses_stream *st;
	bool ok;

	if(!applies(m)) {
		st = tg_ses_stream_get(leg, index, false);
		if(st != NULL) {
			pthread_mutex_lock(&st->lock);
			tg_ses_stream_close(st);
			pthread_mutex_unlock(&st->lock);
		}
		return true;
	}
	if(m->kind == TG_SDP_PROTO_OTHER)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_TYPE,
				"a media line that SRTP cannot protect");
	st = tg_ses_stream_get(leg, index, offer);
	if(st == NULL)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"more media lines than the leg has or may have");
	pthread_mutex_lock(&st->lock);
	ok = offer ? take_offer(x, st, sdp, m) : take_answer(x, st, sdp, m);
	pthread_mutex_unlock(&st->lock);
	return ok;
}

/* A refused answer of one far end leaves those of the others in force */
static bool settle_forks(struct tg_ngx *x, struct tg_ses_leg *leg, bool taken)
{
	bool ok = true;

	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
		pthread_mutex_lock(&st->lock);
		if(!taken)
			tg_ses_fork_back(st);
		else if(!tg_ses_fork_keep(st, x->to_tag))
			ok = no_memory(x);
		pthread_mutex_unlock(&st->lock);
	}
	return ok;
}

static bool lines_in(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		struct tg_span text, struct tg_span *out)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;

	if(!parse(x, text, &sdp))
		return false;
	edit = tg_sdp_edit_new(&sdp, &x->arena);
	if(edit == NULL || !drop_security_lines(&sdp, edit))
		return no_memory(x);
	for(size_t i = 0; i < sdp.n_media; i++) {
		const struct tg_sdp_media *m = &sdp.media[i];

		if(!media_in(x, leg, offer, (unsigned)i, &sdp))
			return false;
		if(m->kind != TG_SDP_PROTO_OTHER
				&& !tg_sdp_edit_replace(edit, m->proto,
						m->feedback ? TG_SPAN("RTP/AVPF") : TG_SPAN("RTP/AVP")))
			return no_memory(x);
	}
	*out = tg_sdp_edit_apply(edit);
	return out->ptr != NULL ? true : no_memory(x);
}

bool tg_ngx_secured_in(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		struct tg_span text, struct tg_span *out)
{
	bool ok = lines_in(x, leg, offer, text, out);

	return offer ? ok : settle_forks(x, leg, ok) && ok;
}

bool tg_ngx_can_secure(struct tg_ngx *x, struct tg_span text)
{
	struct tg_sdp sdp;

	if(!parse(x, text, &sdp))
		return false;
	for(size_t i = 0; i < sdp.n_media; i++) {
		if(applies(&sdp.media[i]) && sdp.media[i].kind == TG_SDP_PROTO_OTHER)
			return tg_ngx_refuse(x, TG_REASON_MEDIA_TYPE,
					"a media line that SRTP cannot protect");
	}
	return true;
}

/* ---- proof -------------------------------------------------------------- */

static bool fell_to_clear(const struct tg_ses_leg *leg)
{
	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
		if(st->clear)
			return true;
	}
	return false;
}

/* The legs of this exchange of which every line is secured */
static enum tg_ng_leg secured_legs(const struct tg_ngx *x)
{
	bool offer = x->command == TG_NGX_OFFER;
	const struct tg_ses_leg *to = offer ? x->out : x->in;
	const struct tg_ses_leg *from = offer ? x->in : x->out;
	unsigned legs = TG_NG_LEG_NONE;

	if(to != NULL && !fell_to_clear(to))
		legs |= TG_NG_LEG_TO;
	if(from != NULL && !fell_to_clear(from))
		legs |= TG_NG_LEG_FROM;
	return (enum tg_ng_leg)legs;
}

/* The line stands before the first m= line; no leg is secured: none is made */
static bool prove(
		struct tg_ngx *x, const struct tg_sdp *sdp, struct tg_sdp_edit *edit)
{
	enum tg_ng_leg legs = secured_legs(x);
	char line[TG_NG_TOKEN_OCTETS_MAX + 64];
	struct tg_span value;
	struct tg_text w;
	uint32_t last;

	if(legs == TG_NG_LEG_NONE)
		return true;
	if(tg_ng_proof_encode(legs, x->call_id, x->token.expires, x->host->key,
			   &x->arena, &value)
			!= TG_NG_OK)
		return no_memory(x);
	tg_text_init(&w, line, sizeof(line));
	tg_text_add(&w, TG_SPAN("a=" TG_NG_PROOF_ATTRIBUTE ":"));
	tg_text_add(&w, value);
	last = sdp->n_media != 0 ? sdp->media[0].first_line
							 : (uint32_t)sdp->n_lines;
	while(last != 0 && sdp->line[last - 1].text.len == 0)
		last--; /* blank lines, which may end a description */
	return (!w.full && last != 0
				   && tg_sdp_edit_add_after(edit, last - 1, tg_text_span(&w)))
		   || no_memory(x);
}

bool tg_ngx_plain_out(
		struct tg_ngx *x, struct tg_span text, struct tg_span *out)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;

	if(!parse(x, text, &sdp))
		return false;
	edit = tg_sdp_edit_new(&sdp, &x->arena);
	if(edit == NULL)
		return no_memory(x);
	for(size_t i = 0; i < sdp.n_lines; i++) {
		if(is_proof_line(&sdp.line[i]) && !tg_sdp_edit_drop(edit, (uint32_t)i))
			return no_memory(x);
	}
	tg_ngx_pass_plain(x, &sdp);
	if(!prove(x, &sdp, edit))
		return false;
	*out = tg_sdp_edit_apply(edit);
	return out->ptr != NULL ? true : no_memory(x);
}

/* ---- a description that goes out ---------------------------------------- */

static struct tg_span protocol(const struct tg_ses_stream *st,
		const struct tg_sdp_media *m, bool offer)
{
	const struct tg_ng_profile *p = &st->leg->profile;
	bool dtls = st->far.key != NULL && tg_key_kx(st->far.key) == TG_KX_DTLS;

	/* an answer repeats the offer's protocol (RFC 3264 section 6), but the
	 * Microsoft dialect accepts an optional offer as RTP/SAVP */
	if(!offer
			&& (st->clear || p->dialect != TG_DIALECT_MS_SDPEXT
					|| tg_span_starts(tg_span_cstr(st->proto), TG_SPAN("UDP/"))
					|| tg_span_starts(
							tg_span_cstr(st->proto), TG_SPAN("RTP/SAVP"))))
		return tg_span_cstr(st->proto);
	if(offer && p->level == TG_LEVEL_SUPPORTED)
		return m->feedback ? TG_SPAN("RTP/AVPF") : TG_SPAN("RTP/AVP");
	if(dtls)
		return m->feedback ? TG_SPAN("UDP/TLS/RTP/SAVPF")
						   : TG_SPAN("UDP/TLS/RTP/SAVP");
	return m->feedback ? TG_SPAN("RTP/SAVPF") : TG_SPAN("RTP/SAVP");
}

static bool make_lines(struct tg_ngx *x, struct tg_ses_stream *st, bool offer,
		struct tg_key_lines *lines)
{
	enum tg_key_rc rc;

	lines->n = 0;
	if(offer) {
		if(st->far.key == NULL
				&& !key_new(x, st, st->leg->profile.key_exchange[0]))
			return false;
		st->clear = false;
		/* a supported leg that is clear goes on so until the answer */
		if(st->leg->profile.level == TG_LEVEL_REQUIRED)
			tg_ses_stream_mode(st);
		rc = tg_key_offer(st->far.key, st->moved, lines);
	} else {
		if(st->clear)
			return true;
		if(st->far.key == NULL)
			return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
					"an answer to a media line that was not offered");
		rc = tg_key_answer(st->far.key, st->moved, lines);
	}
	if(rc != TG_KEY_OK)
		return key_error(x, rc);
	st->moved = false;
	return offer ? true : start_media(x, st);
}

static bool add_lines(struct tg_ngx *x, struct tg_sdp_edit *edit,
		const struct tg_sdp_media *m, const struct tg_key_lines *lines)
{
	uint32_t last = m->first_line + m->n_lines - 1;

	for(size_t i = 0; i < lines->n; i++) {
		struct tg_span line = tg_arena_dup(
				&x->arena, tg_span_of(lines->line[i].text, lines->line[i].len));

		if(line.ptr == NULL || !tg_sdp_edit_add_after(edit, last, line))
			return no_memory(x);
	}
	return true;
}

static bool media_out(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		const struct tg_sdp *sdp, unsigned index, struct tg_sdp_edit *edit)
{
	const struct tg_sdp_media *m = &sdp->media[index];
	struct tg_key_lines lines;
	struct tg_ses_stream *st;
	struct tg_span proto;
	bool ok;

	if(m->kind == TG_SDP_PROTO_OTHER)
		return m->port == 0 ? true
							: tg_ngx_refuse(x, TG_REASON_MEDIA_TYPE,
									"a media line that SRTP cannot protect");
	st = tg_ses_stream_get(leg, index, offer);
	if(!applies(m)) {
		/* a rejected line keeps the protocol of the offer */
		return st == NULL || st->proto[0] == '\0' || offer
			   || tg_sdp_edit_replace(edit, m->proto, tg_span_cstr(st->proto));
	}
	if(st == NULL)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"more media lines than the leg has or may have");
	if(m->kind != TG_SDP_PROTO_AVP)
		return tg_ngx_refuse(x, TG_REASON_INTERNAL,
				"the daemon would secure the leg as well");
	if(!tg_ngx_attach_all(x, st, sdp, m))
		return false;
	pthread_mutex_lock(&st->lock);
	if(!offer && !m->rtcp_mux)
		st->far.mux = false;
	lines.n = 0;
	ok = ice_ours(x, st, sdp, m, offer) && make_lines(x, st, offer, &lines);
	proto = protocol(st, m, offer);
	pthread_mutex_unlock(&st->lock);
	ok = ok && add_lines(x, edit, m, &lines)
		 && (tg_sdp_edit_replace(edit, m->proto, proto) || no_memory(x));
	tg_key_lines_wipe(&lines);
	return ok;
}

bool tg_ngx_secured_out(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		struct tg_span text, struct tg_span *out)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;

	if(!parse(x, text, &sdp))
		return false;
	edit = tg_sdp_edit_new(&sdp, &x->arena);
	if(edit == NULL || !drop_security_lines(&sdp, edit))
		return no_memory(x);
	for(size_t i = 0; i < sdp.n_media; i++) {
		if(!media_out(x, leg, offer, &sdp, (unsigned)i, edit))
			return false;
	}
	if(!prove(x, &sdp, edit))
		return false;
	*out = tg_sdp_edit_apply(edit);
	return out->ptr != NULL ? true : no_memory(x);
}
