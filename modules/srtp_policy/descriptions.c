/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All session descriptions of one message before the profiles of the parties.
 */
#include <stdio.h>
#include <time.h>

#include "core/dprint.h"

#include "base/text.h"

#include "srtp_policy/srtpp.h"

static void refuse(
		struct srtpp_look *out, enum tg_reason reason, const char *detail)
{
	out->reason = reason;
	snprintf(out->detail, sizeof(out->detail), "%s", detail);
}

/* The type of a line as the far end wrote it: into a log and a quoted string */
static void describe(
		const struct tg_media_finding *found, char *out, size_t octets)
{
	char type[32];
	size_t n = 0;

	for(; n < found->type.len && n < sizeof(type) - 1; n++) {
		char c = found->type.ptr[n];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
					 || (c >= '0' && c <= '9') || c == '-';

		type[n] = plain ? c : '?';
	}
	type[n] = 0;
	if(n)
		snprintf(out, octets, "m=%s in line %u", type, found->line);
	else
		snprintf(out, octets, "line %u", found->line);
}

/* A profile that secures nothing takes what cannot be read, but for keys */
static void unreadable(struct srtpp_look *out, const struct tg_sdp *sdp,
		const struct srtpp_party *who)
{
	static const char *const secrets[] = {
			"crypto", "key-mgmt", TG_NG_PROOF_ATTRIBUTE};
	char detail[96];

	if(who->media->level == TG_LEVEL_NONE) {
		bool found = false;

		for(size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
			found |= memmem(sdp->text.ptr, sdp->text.len, secrets[i],
							 strlen(secrets[i]))
					 != NULL;
		if(!found)
			return;
	}
	snprintf(detail, sizeof(detail), "line %u: %s", sdp->bad_line,
			sdp->bad ? sdp->bad : "too large");
	refuse(out, TG_REASON_SDP_MALFORMED, detail);
}

static bool parse(const struct tg_media_message *m, size_t i,
		struct tg_arena *arena, const struct srtpp_party *who,
		struct srtpp_look *out, struct tg_sdp *sdp)
{
	switch(srtpp_parse(m, i, arena, sdp)) {
		case TG_SDP_OK:
			return true;
		case TG_SDP_NO_MEMORY:
			refuse(out, TG_REASON_INTERNAL, "out of memory");
			return false;
		default:
			unreadable(out, sdp, who);
			return false;
	}
}

static void judge(const struct tg_sdp *sdp, const struct tg_media_ask *ask,
		struct srtpp_look *out)
{
	struct tg_media_finding found;

	tg_media_judge(sdp, ask, &found);
	out->secured += found.secured;
	out->clear += found.clear;
	out->secured_lines |= found.secured_lines;
	if(found.reason == TG_REASON_NONE)
		return;
	out->reason = found.reason;
	describe(&found, out->detail, sizeof(out->detail));
}

static bool may_fall_back(const struct srtpp_party *who)
{
	return who->media->level == TG_LEVEL_SUPPORTED;
}

static bool is_capability(const struct tg_media_message *m)
{
	return tg_span_eq(m->method, TG_SPAN("OPTIONS"));
}

void srtpp_look_in(const struct tg_media_message *m,
		const struct srtpp_party *from, struct srtpp_parsed *parsed,
		struct srtpp_look *out)
{
	struct tg_media_ask ask = {
			.media = from->media,
			.direction = TG_POL_IN,
			.offer = srtpp_is_offer(m),
			.keys_allowed = from->keys_allowed,
			.capabilities = is_capability(m),
	};

	memset(out, 0, sizeof(*out));
	if(may_fall_back(from))
		ask.agreed = srtpp_calls_agreed(m, true);
	for(size_t i = 0; i < m->n_sdp && out->reason == TG_REASON_NONE; i++) {
		parsed->done[i] =
				parse(m, i, &parsed->arena, from, out, &parsed->sdp[i]);
		if(parsed->done[i])
			judge(&parsed->sdp[i], &ask, out);
	}
	if(out->reason == TG_REASON_NONE && !ask.offer && may_fall_back(from))
		srtpp_calls_agree(m, true, out->secured_lines);
}

static bool clean(const struct tg_sdp *sdp, const struct srtpp_party *from,
		struct tg_arena *arena, struct tg_span *text)
{
	struct tg_sdp_edit *edit = tg_sdp_edit_new(sdp, arena);
	size_t n;

	if(!edit)
		return false;
	if(!(from->keys_allowed ? tg_media_strip_offer(sdp, from->media, edit, &n)
							: tg_media_strip_keys(sdp, edit, &n)))
		return false;
	if(n)
		*text = tg_sdp_edit_apply(edit);
	return text->ptr != NULL;
}

bool srtpp_clean(const struct tg_media_message *m,
		const struct srtpp_party *from, struct srtpp_parsed *parsed,
		struct tg_span *rewritten)
{
	struct tg_span with[TG_MEDIA_SDP_MAX];
	bool changed = false;

	*rewritten = tg_span_of(NULL, 0);
	if(from->keys_allowed && !srtpp_is_offer(m))
		return true;
	for(size_t i = 0; i < m->n_sdp; i++) {
		with[i] = m->sdp[i];
		if(parsed->done[i]
				&& !clean(&parsed->sdp[i], from, &parsed->arena, &with[i]))
			return false;
		changed |= with[i].ptr != m->sdp[i].ptr;
	}
	if(changed)
		*rewritten = tg_media_message_write(m, with, &parsed->arena);
	return !changed || rewritten->ptr;
}

/* ---- what leaves ------------------------------------------------------------- */

/* Sides whose proof must be in a description toward to */
static enum tg_ng_leg needed(const struct srtpp_party *to,
		const struct srtpp_party *other, bool offer)
{
	const struct tg_pol_media *far = other ? other->media : NULL;

	return offer ? tg_media_required_legs(far, to->media)
				 : tg_media_required_legs(to->media, far);
}

static void check_proof(const struct tg_sdp *sdp,
		const struct tg_media_message *m, const struct srtpp_party *to,
		const struct srtpp_party *other, bool offer, struct srtpp_look *out)
{
	struct tg_media_proof_ask ask = {
			.needed = needed(to, other, offer),
			.call_id = m->call_id,
			.key = srtpp_key(),
			.now = (uint64_t)time(NULL),
	};
	bool live = false;

	for(size_t i = 0; i < sdp->n_media; i++)
		live |= tg_media_is_live(&sdp->media[i])
				&& sdp->media[i].kind != TG_SDP_PROTO_OTHER;
	if(!live || !ask.needed)
		return;
	if(tg_media_check_proof(sdp, &ask, NULL) != TG_REASON_NONE)
		refuse(out, TG_REASON_MEDIA_UNPROVEN,
				"no valid proof of the media node's plugin");
}

static bool strip(
		const struct tg_sdp *sdp, struct tg_arena *arena, struct tg_span *text)
{
	struct tg_sdp_edit *edit = tg_sdp_edit_new(sdp, arena);
	size_t n;

	if(!edit || !tg_media_strip_proof(sdp, edit, &n))
		return false;
	if(n)
		*text = tg_sdp_edit_apply(edit);
	return text->ptr != NULL;
}

void srtpp_look_out(const struct tg_media_message *m,
		const struct srtpp_party *to, const struct srtpp_party *other,
		struct tg_arena *arena, struct srtpp_look *out,
		struct tg_span *rewritten)
{
	struct tg_media_ask ask = {
			.media = to->media,
			.direction = TG_POL_OUT,
			.offer = srtpp_is_offer(m),
			.keys_allowed = to->keys_allowed,
			.capabilities = is_capability(m),
	};
	struct tg_span with[TG_MEDIA_SDP_MAX];
	struct srtpp_look one;
	bool changed = false;
	struct tg_sdp sdp;

	memset(out, 0, sizeof(*out));
	if(rewritten)
		*rewritten = tg_span_of(NULL, 0);
	if(may_fall_back(to))
		ask.agreed = srtpp_calls_agreed(m, false);
	for(size_t i = 0; i < m->n_sdp; i++) {
		with[i] = m->sdp[i];
		memset(&one, 0, sizeof(one));
		if(parse(m, i, arena, to, &one, &sdp)) {
			/* the proof first: where it is missing, so is the rest */
			if(!ask.capabilities)
				check_proof(&sdp, m, to, other, ask.offer, &one);
			if(one.reason == TG_REASON_NONE)
				judge(&sdp, &ask, &one);
			if(rewritten && !strip(&sdp, arena, &with[i]))
				refuse(&one, TG_REASON_INTERNAL, "out of memory");
		}
		changed |= with[i].ptr != m->sdp[i].ptr;
		out->secured += one.secured;
		out->clear += one.clear;
		out->secured_lines |= one.secured_lines;
		if(out->reason == TG_REASON_NONE && one.reason != TG_REASON_NONE)
			refuse(out, one.reason, one.detail);
	}
	if(out->reason == TG_REASON_NONE && !ask.offer && may_fall_back(to))
		srtpp_calls_agree(m, false, out->secured_lines);
	if(!changed)
		return;
	*rewritten = tg_media_message_write(m, with, arena);
	if(!rewritten->ptr)
		refuse(out, TG_REASON_INTERNAL, "out of memory");
}

/* 302: incompatible transport protocol; the agent is a pseudonym */
struct tg_span srtpp_warning(
		const struct srtpp_look *look, char out[SRTPP_WARNING_OCTETS])
{
	struct tg_text text;

	tg_text_init(&text, out, SRTPP_WARNING_OCTETS);
	tg_text_say(&text, "Warning: %s srtp_policy \"%s: %s\"",
			look->reason == TG_REASON_MEDIA_CLEAR ? "302" : "399",
			tg_reason_get(look->reason)->id, look->detail);
	return tg_text_span(&text);
}

/* The documented exception: it may run in clear, and somebody should know */
void srtpp_note(const char *gate, const struct srtpp_party *who,
		const struct srtpp_look *look)
{
	struct tg_span name = who->peer      ? who->peer->name
						  : who->clients ? who->clients->name
										 : tg_span_of(NULL, 0);

	if(!look->clear || !who->media || who->media->level != TG_LEVEL_SUPPORTED)
		return;
	srtpp_stats_add(SRTPP_SUPPORTED, (int)look->clear);
	LM_WARN("gate=%s party=%.*s media in clear: %u lines under level = "
			"supported\n",
			gate, TG_SPAN_FMT(name), (unsigned)look->clear);
}

bool srtpp_decide(const struct tg_pol *p, const char *gate,
		const struct srtpp_party *who, const struct srtpp_look *look)
{
	struct tg_pol_verdict v = {
			.decision = TG_POL_DENY,
			.reason = look->reason,
			.peer = who->peer,
			.clients = who->clients,
	};

	if(look->reason == TG_REASON_NONE) {
		srtpp_note(gate, who, look);
		return true;
	}
	if(who->media)
		v.rule = who->media->where;
	tg_pol_apply_audit(p, &v);
	srtpp_tlsp.report(p, gate, &v, look->detail);
	if(v.decision == TG_POL_ALLOW)
		srtpp_stats_add(SRTPP_AUDITED, 1);
	else
		srtpp_stats_refused(look->reason);
	return v.decision == TG_POL_ALLOW;
}
