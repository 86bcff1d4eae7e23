/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Flags by engine and level of the leg that gets the description:
 *
 *	leg                       offer toward it             answer toward it
 *	plugin                    RTP/AVP, token              token
 *	native required, sdes     RTP/SAVP, suites            suites
 *	native required, dtls     UDP/TLS/RTP/SAVP            SDES-off
 *	native supported          RTP/AVP OSRTP-offer, suites suites
 *	none                      RTP/AVP                     -
 *
 * "suites" takes away every suite of rtpengine that the profile does not
 * name. The token stands in offer and answer whenever one of both legs is the
 * plugin's, with the profile of each leg that is. An offer from a native leg
 * with level supported adds OSRTP-accept.
 */
#include "media/judge.h"
#include "media/plan.h"

#include "base/text.h"

#define FLAGS_OCTETS_MAX 4000

/* ---- native legs --------------------------------------------------------- */

/* All that rtpengine knows (10.5 to 26.0) */
static const char *const daemon_suites[] = {
		"AEAD_AES_256_GCM",
		"AEAD_AES_128_GCM",
		"AES_256_CM_HMAC_SHA1_80",
		"AES_256_CM_HMAC_SHA1_32",
		"AES_192_CM_HMAC_SHA1_80",
		"AES_192_CM_HMAC_SHA1_32",
		"AES_CM_128_HMAC_SHA1_80",
		"AES_CM_128_HMAC_SHA1_32",
		"F8_128_HMAC_SHA1_80",
		"F8_128_HMAC_SHA1_32",
		"NULL_HMAC_SHA1_80",
		"NULL_HMAC_SHA1_32",
};

static void say_keying(struct tg_text *w, const struct tg_pol_media *m)
{
	if(!tg_media_has_kx(m, TG_KX_DTLS))
		tg_text_add(w, TG_SPAN(" DTLS=off"));
	if(!tg_media_has_kx(m, TG_KX_SDES)) {
		tg_text_add(w, TG_SPAN(" SDES-off"));
		return;
	}
	for(size_t i = 0; i < sizeof(daemon_suites) / sizeof(*daemon_suites); i++) {
		if(!tg_media_has_suite(
				   m, tg_suite_by_name(tg_span_cstr(daemon_suites[i])))) {
			tg_text_add(w, TG_SPAN(" SDES-no-"));
			tg_text_add(w, tg_span_cstr(daemon_suites[i]));
		}
	}
}

static void say_offer_transport(
		struct tg_text *w, const struct tg_pol_media *m, const char *f)
{
	if(m->level == TG_LEVEL_SUPPORTED)
		tg_text_say(w, " RTP/AVP%s OSRTP-offer", f);
	else if(m->key_exchange[0] == TG_KX_DTLS)
		tg_text_say(w, " UDP/TLS/RTP/SAVP%s", f);
	else
		tg_text_say(w, " RTP/SAVP%s", f);
}

/* ---- legs of the plugin --------------------------------------------------- */

static bool is_plugin(const struct tg_pol_media *m)
{
	return m && m->level != TG_LEVEL_NONE && m->engine == TG_POL_ENGINE_PLUGIN;
}

enum tg_ng_leg tg_media_plugin_legs(
		const struct tg_pol_media *from, const struct tg_pol_media *to)
{
	return (enum tg_ng_leg)((is_plugin(from) ? TG_NG_LEG_FROM : 0)
							| (is_plugin(to) ? TG_NG_LEG_TO : 0));
}

enum tg_ng_leg tg_media_required_legs(
		const struct tg_pol_media *from, const struct tg_pol_media *to)
{
	if(from && from->level != TG_LEVEL_REQUIRED)
		from = NULL;
	if(to && to->level != TG_LEVEL_REQUIRED)
		to = NULL;
	return tg_media_plugin_legs(from, to);
}

static void profile_of(
		const struct tg_media_party *party, struct tg_ng_profile *p)
{
	const struct tg_pol_media *m = party->media;

	p->level = m->level;
	memcpy(p->key_exchange, m->key_exchange, sizeof(p->key_exchange));
	memcpy(p->suite, m->suite, sizeof(p->suite));
	p->dialect = m->dialect;
	p->mki_octets = m->mki_octets;
	p->lifetime_log2 = m->lifetime_log2;
	p->replay_window = m->replay_window;
	p->dtls_verify_ca = m->dtls_verify_ca;
	p->peer = party->peer;
	p->identity = m->dtls_verify_ca ? party->identity : tg_span_of(NULL, 0);
}

static enum tg_reason say_token(struct tg_text *w,
		const struct tg_media_plan *in, enum tg_ng_leg legs,
		struct tg_arena *arena)
{
	struct tg_ng_token t = {.legs = legs, .expires = in->expires};
	struct tg_span token;

	if(legs & TG_NG_LEG_TO)
		profile_of(&in->to, &t.to);
	if(legs & TG_NG_LEG_FROM)
		profile_of(&in->from, &t.from);
	switch(tg_ng_token_encode(&t, in->call_id, in->key, arena, &token)) {
		case TG_NG_OK:
			tg_text_add(w, TG_SPAN(" " TG_NG_KEY "="));
			tg_text_add(w, token);
			return TG_REASON_NONE;
		case TG_NG_NO_MEMORY:
			return TG_REASON_INTERNAL;
		default:
			return TG_REASON_ENGINE_ABSENT;
	}
}

/* ---- both ------------------------------------------------------------------ */

static void say_offer(struct tg_text *w, const struct tg_media_plan *in)
{
	const struct tg_pol_media *m = in->to.media;
	const struct tg_pol_media *from = in->from.media;
	const char *f = in->feedback ? "F" : "";

	if(m->level == TG_LEVEL_NONE || is_plugin(m)) {
		tg_text_say(w, " RTP/AVP%s", f);
	} else {
		say_offer_transport(w, m, f);
		say_keying(w, m);
	}
	if(from->level == TG_LEVEL_SUPPORTED && !is_plugin(from))
		tg_text_say(w, " OSRTP-accept");
}

static void say_answer(struct tg_text *w, const struct tg_media_plan *in)
{
	const struct tg_pol_media *m = in->from.media;

	if(m->level != TG_LEVEL_NONE && !is_plugin(m))
		say_keying(w, m);
}

enum tg_reason tg_media_plan(const struct tg_media_plan *in,
		struct tg_arena *arena, struct tg_span *flags, enum tg_ng_leg *legs)
{
	enum tg_reason reason = TG_REASON_NONE;
	char buffer[FLAGS_OCTETS_MAX];
	struct tg_text w;
	struct tg_span text;

	tg_text_init(&w, buffer, sizeof(buffer));
	*flags = tg_span_of(NULL, 0);
	*legs = TG_NG_LEG_NONE;
	if(!in->from.media || !in->to.media)
		return TG_REASON_UNDECLARED;
	*legs = tg_media_plugin_legs(in->from.media, in->to.media);
	if(*legs)
		reason = say_token(&w, in, *legs, arena);
	if(reason != TG_REASON_NONE)
		return reason;
	if(in->offer)
		say_offer(&w, in);
	else
		say_answer(&w, in);
	if(w.full)
		return TG_REASON_INTERNAL;
	text = tg_span_trim(tg_text_span(&w));
	*flags = tg_arena_dup(arena, text);
	return flags->ptr ? TG_REASON_NONE : TG_REASON_INTERNAL;
}
