/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests of our own in a dialog of others: the ACK and the BYE that end a
 * call which may not be (RFC 3261 12.2.1.1, 13.2.2.4, 15.1.1). They belong to
 * no transaction of tm: over UDP a lost BYE is not repeated.
 */
#include "core/forward.h"
#include "core/parser/parse_uri.h"
#include "core/rand/kam_rand.h"

#include "srtp_policy/srtpp.h"

#define REQUEST_OCTETS_MAX 4096

bool srtpp_dialog_is_ours(str uri)
{
	struct sip_uri u;

	return parse_uri(uri.s, uri.len, &u) == 0
		   && check_self(&u.host, u.port_no, u.proto) == 1;
}

static const char *proto_name(const struct socket_info *sock)
{
	switch(sock->proto) {
		case PROTO_TCP:
			return "TCP";
		case PROTO_TLS:
			return "TLS";
		case PROTO_WS:
			return "WS";
		case PROTO_WSS:
			return "WSS";
		default:
			return "UDP";
	}
}

void srtpp_dialog_via(struct tg_text *w, const struct socket_info *sock)
{
	struct tg_span place =
			tg_span_of(sock->sock_str.s, (size_t)sock->sock_str.len);

	tg_span_cut(&place, ':'); /* the transport */
	tg_text_say(w, "Via: SIP/2.0/%s %.*s;branch=z9hG4bKtg%08x%08x;rport",
			proto_name(sock), TG_SPAN_FMT(place), (unsigned)kam_rand(),
			(unsigned)kam_rand());
}

static void say_request(struct tg_text *w, const struct srtpp_dialog *d,
		const char *method, unsigned cseq, const struct socket_info *sock)
{
	tg_text_say(w, "%s %.*s SIP/2.0\r\n", method, d->target.len, d->target.s);
	srtpp_dialog_via(w, sock);
	tg_text_say(w, "\r\n");
	for(size_t i = d->n_routes; i-- > 0;)
		tg_text_say(w, "Route: %.*s\r\n", d->route[i].len, d->route[i].s);
	tg_text_say(w,
			"%.*sMax-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\n"
			"Call-ID: %.*s\r\n",
			TG_SPAN_FMT(d->route_lines), d->from.len, d->from.s, d->to.len,
			d->to.s, d->call_id.len, d->call_id.s);
	tg_text_say(w, "CSeq: %u %s\r\nContent-Length: 0\r\n\r\n", cseq, method);
}

bool srtpp_dialog_send(struct dest_info *dst, const struct srtpp_dialog *d,
		const char *method, unsigned cseq)
{
	char buffer[REQUEST_OCTETS_MAX];
	struct tg_text w;

	if(!dst->send_sock)
		return false;
	tg_text_init(&w, buffer, sizeof(buffer));
	say_request(&w, d, method, cseq, dst->send_sock);
	return !w.full && msg_send(dst, buffer, (int)w.len) >= 0;
}
