/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $srtpp(flags): what rtpengine_manage(), rtpengine_offer() and
 * rtpengine_answer() must be told about the message at hand. The plan itself
 * is made in lib/media. $srtpp(legs): none, from, to, both: the sides that
 * the plugin is asked to secure.
 *
 * $srtpp(delete): what rtpengine_delete() must be told. It names the call by
 * the From tag, but until an offer is answered the media node knows it by the
 * tag of who made the offer alone, and lets a call be that is deleted by
 * another one. A delayed offer is made by the callee.
 */
#include <time.h>

#include "core/dprint.h"
#include "core/lvalue.h"
#include "core/parser/parse_to.h"

#include "srtp_policy/srtpp.h"

#define FLAGS_OCTETS 4096

static char flags[FLAGS_OCTETS];
static enum tg_ng_leg last_legs;
static bool refused;

static struct tg_media_party side_of(const struct srtpp_party *who)
{
	struct tg_media_party side = {.media = who->media};

	if(who->peer) {
		side.peer = who->peer->name;
		if(who->peer->identity.n)
			side.identity = who->peer->identity.item[0];
	}
	return side;
}

static bool wants_feedback(
		const struct tg_media_message *m, struct tg_arena *arena)
{
	struct tg_sdp sdp;

	for(size_t i = 0; i < m->n_sdp; i++) {
		if(srtpp_parse(m, i, arena, &sdp) != TG_SDP_OK)
			continue;
		for(size_t k = 0; k < sdp.n_media; k++) {
			if(tg_media_is_live(&sdp.media[k]) && sdp.media[k].feedback)
				return true;
		}
	}
	return false;
}

static enum tg_reason make(const struct tg_media_message *m,
		const struct srtpp_party *source, const struct srtpp_party *target,
		struct tg_arena *arena, struct tg_span *out)
{
	struct tg_media_plan plan = {
			.offer = srtpp_is_offer(m),
			.feedback = wants_feedback(m, arena),
			.call_id = m->call_id,
			.key = srtpp_key(),
			.expires = (uint64_t)time(NULL)
					   + (uint64_t)srtpp_params.token_lifetime_sec,
	};

	/* from and to are seen from the offer, whatever way this one goes */
	plan.from = side_of(plan.offer ? source : target);
	plan.to = side_of(plan.offer ? target : source);
	return tg_media_plan(&plan, arena, out, &last_legs);
}

static void tell(const struct tg_pol *p, const struct srtpp_party *who,
		enum tg_reason reason)
{
	struct tg_pol_verdict v = {
			.reason = reason, .peer = who->peer, .clients = who->clients};

	srtpp_tlsp.report(p, "flags", &v,
			who->media ? "the legs cannot be joined"
					   : "one side of the call is unknown to the policy");
}

static struct tg_span keep(struct tg_span text)
{
	size_t n = text.len < sizeof(flags) ? text.len : 0;

	if(n)
		memcpy(flags, text.ptr, n);
	flags[n] = 0;
	return tg_span_of(flags, n);
}

struct tg_span srtpp_flags(struct sip_msg *msg)
{
	const struct tg_pol *p = srtpp_tlsp.ref();
	struct tg_span out = {NULL, 0};
	struct tg_media_message m;
	struct srtpp_party source = {0}, target = {0};
	struct tg_arena arena;
	enum tg_reason reason;
	bool known;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	last_legs = TG_NG_LEG_NONE;
	refused = false;
	if(srtpp_read(msg, &m) == TG_MEDIA_OK) {
		known = srtpp_party_of_source(p, msg, &m, &source)
				&& srtpp_party_of_target(p, msg, &m, &target);
		reason = known ? make(&m, &source, &target, &arena, &out)
					   : TG_REASON_UNDECLARED;
		refused = reason != TG_REASON_NONE;
		if(refused)
			tell(p, source.media ? &target : &source, reason);
		else if(last_legs)
			srtpp_stats_add(SRTPP_TOKENS, 1);
	}
	out = keep(out);
	tg_arena_deinit(&arena);
	srtpp_tlsp.unref(p);
	return out;
}

struct tg_span srtpp_flags_of_delete(const struct tg_media_message *m)
{
	char text[FLAGS_OCTETS];
	struct tg_text w;

	tg_text_init(&w, text, sizeof(text));
	if(!m->in_dialog) {
		/* no callee's tag here, and there may be several: the whole call */
		if(m->n_sdp == 0)
			tg_text_say(&w, "from-tag=");
	} else if(tg_span_eq(m->method, TG_SPAN("ACK"))
			  || srtpp_calls_offer_waits(m)) {
		tg_text_say(&w, "from-tag=%.*s", TG_SPAN_FMT(m->to_tag));
	}
	return keep(w.full ? tg_span_of(NULL, 0) : tg_text_span(&w));
}

/* A BYE, and no offer waits for anything: nothing is to be said about it */
static bool ends_plainly(struct sip_msg *msg)
{
	return msg->REQ_METHOD == METHOD_BYE && srtpp_calls_count() == 0
		   && parse_headers(msg, HDR_TO_F, 0) == 0 && msg->to && get_to(msg)
		   && get_to(msg)->tag_value.len > 0;
}

static struct tg_span flags_of_delete(struct sip_msg *msg)
{
	struct tg_media_message m;

	if(msg->first_line.type != SIP_REQUEST || ends_plainly(msg)
			|| srtpp_read(msg, &m) != TG_MEDIA_OK)
		return keep(tg_span_of(NULL, 0));
	return srtpp_flags_of_delete(&m);
}

int srtpp_flags_into(struct sip_msg *msg, pv_spec_t *pv)
{
	struct tg_span text = srtpp_flags(msg);
	pv_value_t value = {.flags = PV_VAL_STR};

	value.rs = (str){(char *)text.ptr, (int)text.len};
	if(!pv->setf || pv->setf(msg, &pv->pvp, (int)EQ_T, &value) < 0) {
		LM_ERR("the flags cannot be stored in this variable\n");
		return -1;
	}
	return refused ? -1 : 1;
}

/* ---- $srtpp(...) ---------------------------------------------------------------- */

enum value { VALUE_FLAGS = 1, VALUE_LEGS, VALUE_DELETE };

static int parse_name(pv_spec_p sp, str *in)
{
	struct tg_span name;

	if(!sp || !in || !in->s || in->len <= 0)
		return -1;
	name = tg_span_of(in->s, (size_t)in->len);
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = 0;
	if(tg_span_eq(name, TG_SPAN("flags")))
		sp->pvp.pvn.u.isname.name.n = VALUE_FLAGS;
	else if(tg_span_eq(name, TG_SPAN("legs")))
		sp->pvp.pvn.u.isname.name.n = VALUE_LEGS;
	else if(tg_span_eq(name, TG_SPAN("delete")))
		sp->pvp.pvn.u.isname.name.n = VALUE_DELETE;
	else {
		LM_ERR("$srtpp(%.*s) does not exist\n", in->len, in->s);
		return -1;
	}
	return 0;
}

static str legs_name(void)
{
	static const char *const names[] = {"none", "from", "to", "both"};
	static const unsigned order[] = {0, 2, 1, 3}; /* NONE TO FROM BOTH */
	const char *name = names[order[last_legs & 3]];

	return (str){(char *)name, (int)strlen(name)};
}

static int get_value(struct sip_msg *msg, pv_param_t *param, pv_value_t *res)
{
	int which = param->pvn.u.isname.name.n;
	struct tg_span text;
	str s;

	if(!msg || msg == FAKED_REPLY)
		return pv_get_null(msg, param, res);
	if(which == VALUE_LEGS) {
		s = legs_name();
	} else {
		text = which == VALUE_DELETE ? flags_of_delete(msg) : srtpp_flags(msg);
		s = (str){(char *)text.ptr, (int)text.len};
	}
	return pv_get_strval(msg, param, res, &s);
}

pv_export_t srtpp_pvs[] = {
		{{"srtpp", sizeof("srtpp") - 1}, PVT_OTHER, get_value, 0, parse_name, 0,
				0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
