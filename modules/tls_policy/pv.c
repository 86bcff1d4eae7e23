/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $tlsp(name): what the policy knows about the sender of a message.
 *
 *   peer      name of the peer; null: none
 *   clients   name of the clients rule; null: none
 *   role      server, mediation, gateway, federation, clients
 *   identity  the name of the certificate that proved the peer
 *   verdict   allow, audit, deny: of the last look at this message
 *   reason    id of its reason
 *   version   of TLS, as TLSv1.3
 *   cipher    as OpenSSL names it
 *   class     of the request: call, im, presence ...
 *   media     name of the media profile that holds for the sender
 */
#include "core/dprint.h"
#include "core/pvapi.h"
#include "core/pvar.h"

#include "tls_policy/tlsp.h"

enum value {
	VALUE_PEER = 1,
	VALUE_ROLE,
	VALUE_IDENTITY,
	VALUE_VERDICT,
	VALUE_REASON,
	VALUE_VERSION,
	VALUE_CIPHER,
	VALUE_CLASS,
	VALUE_MEDIA,
	VALUE_CLIENTS
};

static const struct {
	struct tg_span name;
	enum value value;
} values[] = {
		{TG_SPAN_INIT("peer"), VALUE_PEER},
		{TG_SPAN_INIT("clients"), VALUE_CLIENTS},
		{TG_SPAN_INIT("role"), VALUE_ROLE},
		{TG_SPAN_INIT("identity"), VALUE_IDENTITY},
		{TG_SPAN_INIT("verdict"), VALUE_VERDICT},
		{TG_SPAN_INIT("reason"), VALUE_REASON},
		{TG_SPAN_INIT("version"), VALUE_VERSION},
		{TG_SPAN_INIT("cipher"), VALUE_CIPHER},
		{TG_SPAN_INIT("class"), VALUE_CLASS},
		{TG_SPAN_INIT("media"), VALUE_MEDIA},
};

static enum value value_by_name(struct tg_span name)
{
	for(size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if(tg_span_eq(values[i].name, name))
			return values[i].value;
	}
	return 0;
}

bool tlsp_value_known(struct tg_span name)
{
	return value_by_name(name) != 0;
}

static const char *version_name(uint16_t version)
{
	switch(version) {
		case TLS1_VERSION:
			return "TLSv1";
		case TLS1_1_VERSION:
			return "TLSv1.1";
		case TLS1_2_VERSION:
			return "TLSv1.2";
		case TLS1_3_VERSION:
			return "TLSv1.3";
		default:
			return NULL;
	}
}

static struct tg_span verdict_value(struct sip_msg *msg, enum value value)
{
	const struct tlsp_seen *last = tlsp_seen(msg);

	if(!last)
		return tg_span_of(NULL, 0);
	if(value == VALUE_REASON)
		return tg_span_cstr(tg_reason_get(last->reason)->id);
	if(last->decision != TG_POL_ALLOW)
		return TG_SPAN("deny");
	return last->audited ? TG_SPAN("audit") : TG_SPAN("allow");
}

static struct tg_span media_value(const struct tlsp_snap *snap,
		struct sip_msg *msg, const struct tg_pol_verdict *party)
{
	const struct tlsp_seen *last = tlsp_seen(msg);
	const struct tg_pol_route *route = NULL;
	const struct tg_pol_media *media;

	if(last && last->route[0])
		route = tg_pol_route_by_name(snap->policy, tg_span_cstr(last->route));
	media = tg_pol_media_for(snap->policy, party->peer, party->clients, route);
	return media ? media->name : tg_span_of(NULL, 0);
}

/* The result may point into the snapshot or facts: copied before both go */
static struct tg_span read_value(const struct tlsp_snap *snap,
		struct sip_msg *msg, enum value value, struct tlsp_facts *facts)
{
	struct tg_pol_verdict party = {0};
	struct tg_pol_msg from;
	unsigned class;

	if(value == VALUE_VERDICT || value == VALUE_REASON)
		return verdict_value(msg, value);
	if(tlsp_source(snap, msg, facts, &from) < 0)
		return tg_span_of(NULL, 0);
	if(from.judged && (value == VALUE_IDENTITY || value == VALUE_CIPHER))
		tlsp_conn_get(facts->id, facts);
	switch(value) {
		case VALUE_IDENTITY:
			return from.judged ? tg_span_cstr(facts->identity)
							   : tg_span_of(NULL, 0);
		case VALUE_VERSION:
			return tg_span_cstr(version_name(facts->tls_version));
		case VALUE_CIPHER:
			return tg_span_cstr(facts->cipher);
		case VALUE_CLASS:
			class = from.method.len ? tg_pol_class_of_method(from.method) : 0;
			return class ? tg_span_cstr(
						   tg_pol_class_name((enum tg_pol_class) class))
						 : tg_span_of(NULL, 0);
		default:
			break;
	}
	/* names the party of plaintext traffic, too */
	tg_pol_judge_message(snap->policy, &from, NULL, &party);
	if(value == VALUE_MEDIA)
		return media_value(snap, msg, &party);
	if(party.peer && value != VALUE_CLIENTS)
		return value == VALUE_ROLE
					   ? tg_span_cstr(tg_pol_role_name(party.peer->role))
					   : party.peer->name;
	if(party.clients && value == VALUE_CLIENTS)
		return party.clients->name;
	if(party.clients && value == VALUE_ROLE)
		return TG_SPAN("clients");
	return tg_span_of(NULL, 0);
}

/* Kamailio's buffers take turns: one expression may ask for several values */
struct tg_span tlsp_value(struct sip_msg *msg, struct tg_span name)
{
	char *text = pv_get_buffer();
	size_t room = (size_t)pv_get_buffer_size();
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tlsp_facts facts;
	struct tg_span v = read_value(snap, msg, value_by_name(name), &facts);

	if(v.len > room)
		v.len = room;
	if(v.len)
		memcpy(text, v.ptr, v.len);
	tlsp_snap_unref(snap);
	return tg_span_of(v.len ? text : NULL, v.len);
}

static int get_pv(struct sip_msg *msg, pv_param_t *param, pv_value_t *res)
{
	struct tg_span v =
			tlsp_value(msg, values[(long)param->pvn.u.isname.name.n].name);
	str s = {(char *)v.ptr, (int)v.len};

	if(!v.len)
		return pv_get_null(msg, param, res);
	return pv_get_strval(msg, param, res, &s);
}

static int parse_pv(pv_spec_t *sp, str *in)
{
	struct tg_span name = tg_span_of(in->s, (size_t)in->len);

	for(size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if(!tg_span_eq(values[i].name, name))
			continue;
		sp->pvp.pvn.type = PV_NAME_INTSTR;
		sp->pvp.pvn.u.isname.type = 0;
		sp->pvp.pvn.u.isname.name.n = (int)i;
		return 0;
	}
	LM_ERR("$tlsp(%.*s) does not exist\n", in->len, in->s);
	return -1;
}

pv_export_t tlsp_pvs[] = {
		{{"tlsp", sizeof("tlsp") - 1}, PVT_OTHER, get_pv, 0, parse_pv, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0}};
