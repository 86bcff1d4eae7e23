/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mras_credentials(IDENTITY, LOCATION) for scripts, mostly for answers over
 * HTTPS: $mras(username), $mras(password), $mras(ttl), $mras(json).
 */
#include "core/dprint.h"
#include "core/pvar.h"

#include "mras/mras.h"

#define JSON_OCTETS 8192

static char json[JSON_OCTETS];
static struct tg_mras_grant last; /* username empty: none */

static enum tg_mras_status ask(struct sip_msg *msg, struct mras_requester *r,
		const struct tg_mras_ask *what, const char **why)
{
	struct tg_mras_relay relay[MRAS_RELAYS_MAX];
	enum tg_mras_status status = mras_requester_of(msg, r, why);
	struct tg_text text;

	if(status != TG_MRAS_OK) {
		mras_count(status);
		return status;
	}
	status = mras_issue(r, what, &last, why);
	if(status != TG_MRAS_OK)
		return status;
	tg_text_init(&text, json, sizeof(json));
	tg_mras_json_write(&text, &last.credential, 60 * last.duration_min, relay,
			mras_relays(r->policy, what->location, relay));
	return text.full ? TG_MRAS_INTERNAL : TG_MRAS_OK;
}

int mras_credentials(
		struct sip_msg *msg, struct tg_span identity, struct tg_span location)
{
	struct tg_mras_ask what = {.identity = identity};
	struct mras_requester r;
	enum tg_mras_status status;
	const char *why;

	tg_mras_credential_wipe(&last.credential);
	json[0] = 0;
	if(tg_span_eq(location, TG_SPAN("intranet")))
		what.location = TG_MRAS_INTRANET;
	else if(tg_span_eq(location, TG_SPAN("internet")))
		what.location = TG_MRAS_INTERNET;
	status = ask(msg, &r, &what, &why);
	mras_requester_done(&r);
	last.ask = NULL;
	if(status == TG_MRAS_OK)
		return 1;
	LM_WARN("mras: \"%s\": %s\n", tg_mras_phrase(status), why);
	tg_mras_credential_wipe(&last.credential);
	json[0] = 0;
	return -1;
}

/* ---- $mras(...) ------------------------------------------------------------------ */

enum value { USERNAME = 1, PASSWORD, TTL, JSON };

static int parse_name(pv_spec_p sp, str *in)
{
	static const struct {
		const char *name;
		enum value value;
	} names[] = {{"username", USERNAME}, {"password", PASSWORD}, {"ttl", TTL},
			{"json", JSON}};
	struct tg_span name;

	if(!sp || !in || !in->s || in->len <= 0)
		return -1;
	name = tg_span_of(in->s, (size_t)in->len);
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = 0;
	for(size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if(tg_span_eq(name, tg_span_cstr(names[i].name))) {
			sp->pvp.pvn.u.isname.name.n = names[i].value;
			return 0;
		}
	LM_ERR("$mras(%.*s) does not exist\n", in->len, in->s);
	return -1;
}

static int get_value(struct sip_msg *msg, pv_param_t *param, pv_value_t *res)
{
	char *text;
	str s;

	if(!last.credential.username[0])
		return pv_get_null(msg, param, res);
	switch(param->pvn.u.isname.name.n) {
		case TTL:
			return pv_get_uintval(msg, param, res, 60 * last.duration_min);
		case USERNAME:
			text = last.credential.username;
			break;
		case PASSWORD:
			text = last.credential.password;
			break;
		default:
			text = json;
			break;
	}
	s = (str){text, (int)strlen(text)};
	return pv_get_strval(msg, param, res, &s);
}

pv_export_t mras_pvs[] = {
		{{"mras", sizeof("mras") - 1}, PVT_OTHER, get_value, 0, parse_name, 0,
				0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
