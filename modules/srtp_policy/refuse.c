/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A call that was answered and may not be. The 2xx must not reach the caller,
 * and its sender believes in a dialog:
 *
 *	callee --- 200 ---> us       judged: refused
 *	callee <-- ACK ---- us       ends the retransmissions (RFC 3261 13.2.2.4)
 *	callee <-- BYE ---- us       ends the dialog there
 *	           us --- 488 ---> tm: failure route, rtpengine_delete, the caller
 *
 * ACK and BYE are made from the reply and go back on the connection it came
 * from. They belong to no transaction of tm: over UDP a lost BYE is not
 * repeated. A refused answer inside of a dialog becomes a 481, which ends the
 * caller's half of it (RFC 5057 section 5.1).
 */
#include "core/dprint.h"
#include "core/forward.h"
#include "core/msg_translator.h"
#include "core/parser/contact/parse_contact.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_rr.h"
#include "core/parser/parse_uri.h"
#include "core/rand/kam_rand.h"

#include "base/text.h"

#include "srtp_policy/srtpp.h"

#define REQUEST_OCTETS_MAX 4096
#define ROUTES_MAX 16

/* ---- what the requests are made of -------------------------------------------- */

struct dialog {
	str target; /* URI of the Contact */
	str from;
	str to;
	str call_id;
	unsigned cseq;
	str route[ROUTES_MAX]; /* beyond us, the callee's side first */
	size_t n_routes;
};

static bool is_ours(str uri)
{
	struct sip_uri u;

	return parse_uri(uri.s, uri.len, &u) == 0
		   && check_self(&u.host, u.port_no, u.proto) == 1;
}

/*
 * Record-Route as the callee saw it: its neighbour on top. What stands above
 * ours is the way from us to the callee, seen from there.
 */
static bool read_routes(struct sip_msg *msg, struct dialog *d)
{
	struct hdr_field *hf = msg->record_route;
	size_t n = 0;

	d->n_routes = 0;
	for(; hf; hf = next_sibling_hdr(hf)) {
		rr_t *rr;

		if(parse_rr(hf) < 0)
			return false;
		for(rr = hf->parsed; rr; rr = rr->next) {
			if(is_ours(rr->nameaddr.uri)) {
				d->n_routes = n;
				return true;
			}
			if(n == ROUTES_MAX)
				return false;
			/* with its angle brackets */
			d->route[n++] =
					(str){rr->nameaddr.uri.s - 1, rr->nameaddr.uri.len + 2};
		}
	}
	return true; /* we did not record a route: nobody is between us */
}

static bool read_contact(struct sip_msg *msg, struct dialog *d)
{
	contact_body_t *body;

	if(!msg->contact || parse_contact(msg->contact) < 0)
		return false;
	body = msg->contact->parsed;
	if(!body || body->star || !body->contacts)
		return false;
	d->target = body->contacts->uri;
	return d->target.len > 0;
}

static bool read_dialog(struct sip_msg *msg, struct dialog *d)
{
	struct cseq_body *cseq;

	memset(d, 0, sizeof(*d));
	if(parse_headers(msg, HDR_EOH_F, 0) < 0 || !msg->from || !msg->to
			|| !msg->callid || !msg->cseq)
		return false;
	cseq = get_cseq(msg);
	d->from = msg->from->body;
	d->to = msg->to->body;
	d->call_id = msg->callid->body;
	d->cseq = (unsigned)strtoul(cseq->number.s, NULL, 10);
	return read_contact(msg, d) && read_routes(msg, d);
}

/* ---- ACK and BYE ------------------------------------------------------------------ */

static void say_via(struct tg_text *w, const struct socket_info *sock)
{
	const char *proto = "UDP", *place = sock->sock_str.s;
	size_t n = (size_t)sock->sock_str.len;
	const char *colon = memchr(place, ':', n);

	switch(sock->proto) {
		case PROTO_TCP:
			proto = "TCP";
			break;
		case PROTO_TLS:
			proto = "TLS";
			break;
		case PROTO_WS:
			proto = "WS";
			break;
		case PROTO_WSS:
			proto = "WSS";
			break;
		default:
			break;
	}
	if(colon) {
		n -= (size_t)(colon + 1 - place);
		place = colon + 1;
	}
	tg_text_say(w, "Via: SIP/2.0/%s %.*s;branch=z9hG4bKtg%08x%08x;rport\r\n",
			proto, (int)n, place, (unsigned)kam_rand(), (unsigned)kam_rand());
}

static void say_request(struct tg_text *w, const struct dialog *d,
		const char *method, unsigned cseq, const struct socket_info *sock)
{
	tg_text_say(w, "%s %.*s SIP/2.0\r\n", method, d->target.len, d->target.s);
	say_via(w, sock);
	for(size_t i = d->n_routes; i-- > 0;)
		tg_text_say(w, "Route: %.*s\r\n", d->route[i].len, d->route[i].s);
	tg_text_say(w,
			"Max-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\n",
			d->from.len, d->from.s, d->to.len, d->to.s, d->call_id.len,
			d->call_id.s);
	tg_text_say(w, "CSeq: %u %s\r\nContent-Length: 0\r\n\r\n", cseq, method);
}

static bool send_one(struct sip_msg *msg, const struct dialog *d,
		const char *method, unsigned cseq)
{
	char buffer[REQUEST_OCTETS_MAX];
	struct tg_text w;
	struct dest_info dst;

	init_dest_info(&dst);
	init_dst_from_rcv(&dst, &msg->rcv);
	if(!dst.send_sock)
		return false;
	tg_text_init(&w, buffer, sizeof(buffer));
	say_request(&w, d, method, cseq, dst.send_sock);
	return !w.full && msg_send(&dst, buffer, (int)w.len) >= 0;
}

static void end_call(struct sip_msg *msg)
{
	struct dialog d;

	if(read_dialog(msg, &d) && send_one(msg, &d, "ACK", d.cseq)
			&& send_one(msg, &d, "BYE", d.cseq + 1))
		srtpp_stats_add(SRTPP_ENDED, 1);
	else
		LM_WARN("an answered call was refused; its callee could not be told\n");
}

/* ---- the reply ----------------------------------------------------------------------- */

static bool in_dialog(void)
{
	struct cell *t = srtpp_transaction();
	struct tg_media_message m;

	return t && t->uas.request && t->uas.request->buf
		   && tg_media_message_read(srtpp_bytes(t->uas.request), &m)
					  == TG_MEDIA_OK
		   && m.in_dialog;
}

static bool rewrite(struct sip_msg *msg, const struct tg_media_message *m,
		const struct srtpp_look *look, bool dialog)
{
	const struct tg_reason_info *info =
			tg_reason_get(dialog ? TG_REASON_NOT_A_PARTY : look->reason);
	struct tg_arena arena;
	struct tg_span bytes;
	char warning[SRTPP_WARNING_OCTETS];
	bool done = false;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	bytes = tg_media_message_refusal(m, info->sip_code, info->sip_text,
			srtpp_warning(look, warning), &arena);
	if(bytes.ptr) {
		str buffer = {(char *)bytes.ptr, (int)bytes.len};

		done = sip_msg_update_buffer(msg, &buffer) == 1
			   && parse_headers(msg, HDR_EOH_F, 0) == 0;
	}
	tg_arena_deinit(&arena);
	return done;
}

bool srtpp_refuse_reply(struct sip_msg *msg, const struct tg_media_message *m,
		const struct srtpp_look *look)
{
	bool dialog = in_dialog();

	if(tg_span_eq(m->method, TG_SPAN("INVITE")))
		end_call(msg);
	return rewrite(msg, m, look, dialog);
}
