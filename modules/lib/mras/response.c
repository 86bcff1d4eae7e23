/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes answers: XML and JSON. Values that came from a request are escaped.
 */
#include "mras/message.h"

/* clang-format off */
static const struct {
	const char *phrase;
	unsigned code;
} statuses[] = {
	[TG_MRAS_OK] = {"OK", 200},
	[TG_MRAS_MALFORMED] = {"Request Malformed", 400},
	[TG_MRAS_TOO_LARGE] = {"Request Too Large", 413},
	[TG_MRAS_UNSUPPORTED] = {"Not Supported", 400},
	[TG_MRAS_FORBIDDEN] = {"Forbidden", 403},
	[TG_MRAS_BUSY] = {"Server Busy", 503},
	[TG_MRAS_INTERNAL] = {"Internal Server Error", 500},
};
/* clang-format on */

const char *tg_mras_phrase(enum tg_mras_status s)
{
	return statuses[s].phrase;
}

unsigned tg_mras_sip_code(enum tg_mras_status s)
{
	return statuses[s].code;
}

/* ---- XML ------------------------------------------------------------------ */

static void say_escaped(struct tg_text *out, struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		switch(s.ptr[i]) {
			case '&':
				tg_text_say(out, "&amp;");
				break;
			case '<':
				tg_text_say(out, "&lt;");
				break;
			case '>':
				tg_text_say(out, "&gt;");
				break;
			case '"':
				tg_text_say(out, "&quot;");
				break;
			default:
				tg_text_say(out, "%c", s.ptr[i]);
		}
	}
}

static void say_attribute(
		struct tg_text *out, const char *name, struct tg_span value)
{
	tg_text_say(out, " %s=\"", name);
	say_escaped(out, value);
	tg_text_say(out, "\"");
}

static void say_element(
		struct tg_text *out, const char *name, struct tg_span value)
{
	tg_text_say(out, "<%s>", name);
	say_escaped(out, value);
	tg_text_say(out, "</%s>", name);
}

static const char *location_name(enum tg_mras_location l)
{
	return l == TG_MRAS_INTRANET ? "intranet" : "internet";
}

/* Those of the place that was asked for; all of them when none was */
static bool fits(
		const struct tg_mras_relay *relay, enum tg_mras_location location)
{
	return location == TG_MRAS_ANYWHERE || relay->location == location;
}

static void say_relay(struct tg_text *out, const struct tg_mras_relay *relay)
{
	tg_text_say(out, "<mediaRelay>");
	say_element(out, "location", tg_span_cstr(location_name(relay->location)));
	say_element(out, relay->is_address ? "directIPAddress" : "hostName",
			relay->host);
	if(relay->udp_port)
		tg_text_say(out, "<udpPort>%u</udpPort>", relay->udp_port);
	if(relay->tcp_port)
		tg_text_say(out, "<tcpPort>%u</tcpPort>", relay->tcp_port);
	tg_text_say(out, "</mediaRelay>");
}

static void say_grant(struct tg_text *out, const struct tg_mras_grant *grant,
		struct tg_span realm, const struct tg_mras_relay *relay,
		size_t n_relays)
{
	tg_text_say(out, "<credentialsResponse");
	say_attribute(out, "credentialsRequestID", grant->ask->id);
	tg_text_say(out, "><credentials>");
	say_element(out, "username", tg_span_cstr(grant->credential.username));
	say_element(out, "password", tg_span_cstr(grant->credential.password));
	tg_text_say(out, "<duration>%u</duration>", grant->duration_min);
	if(realm.len)
		say_element(out, "realm", realm);
	tg_text_say(out, "</credentials><mediaRelayList>");
	for(size_t i = 0; i < n_relays; i++)
		if(fits(&relay[i], grant->ask->location))
			say_relay(out, &relay[i]);
	tg_text_say(out, "</mediaRelayList></credentialsResponse>");
}

void tg_mras_response_write(struct tg_text *out,
		const struct tg_mras_request *request, enum tg_mras_status status,
		const struct tg_mras_grant *grant, size_t n_grants,
		struct tg_span realm, const struct tg_mras_relay *relay,
		size_t n_relays)
{
	tg_text_say(out,
			"<?xml version=\"1.0\"?>\r\n<response "
			"xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\"");
	say_attribute(out, "requestID", request->id);
	tg_text_say(out, " version=\"1.0\" serverVersion=\"1.0\"");
	say_attribute(out, "to", request->to);
	say_attribute(out, "from", request->from);
	say_attribute(out, "reasonPhrase", tg_span_cstr(tg_mras_phrase(status)));
	if(status != TG_MRAS_OK) {
		tg_text_say(out, "/>\r\n");
		return;
	}
	tg_text_say(out, ">");
	for(size_t i = 0; i < n_grants; i++)
		say_grant(out, &grant[i], realm, relay, n_relays);
	tg_text_say(out, "</response>\r\n");
}

/* ---- JSON ----------------------------------------------------------------- */

static void say_uri(struct tg_text *out, bool *first, const char *scheme,
		const struct tg_mras_relay *relay, uint16_t port, const char *transport)
{
	bool six =
			relay->is_address && memchr(relay->host.ptr, ':', relay->host.len);

	if(!port)
		return;
	tg_text_say(out, "%s\"%s:%s%.*s%s:%u?transport=%s\"", *first ? "" : ",",
			scheme, six ? "[" : "", TG_SPAN_FMT(relay->host), six ? "]" : "",
			port, transport);
	*first = false;
}

void tg_mras_json_write(struct tg_text *out,
		const struct tg_mras_credential *credential, uint32_t ttl_sec,
		const struct tg_mras_relay *relay, size_t n_relays)
{
	bool first = true;

	/* neither name nor password nor host has a character to escape */
	tg_text_say(out,
			"{\"username\":\"%s\",\"password\":\"%s\",\"ttl\":%u,"
			"\"uris\":[",
			credential->username, credential->password, ttl_sec);
	for(size_t i = 0; i < n_relays; i++) {
		say_uri(out, &first, "turn", &relay[i], relay[i].udp_port, "udp");
		say_uri(out, &first, "turn", &relay[i], relay[i].tcp_port, "tcp");
		say_uri(out, &first, "turns", &relay[i], relay[i].tls_port, "tcp");
	}
	tg_text_say(out, "]}");
}
