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
#include "core/msg_translator.h"
#include "core/parser/contact/parse_contact.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_rr.h"

#include "srtp_policy/srtpp.h"

/* ---- what the requests are made of -------------------------------------------- */

/*
 * Record-Route as the callee saw it: its neighbour on top. What stands above
 * ours is the way from us to the callee, seen from there.
 */
static bool read_routes(struct sip_msg *msg, struct srtpp_dialog *d)
{
	struct hdr_field *hf = msg->record_route;
	size_t n = 0;

	d->n_routes = 0;
	for(; hf; hf = next_sibling_hdr(hf)) {
		rr_t *rr;

		if(parse_rr(hf) < 0)
			return false;
		for(rr = hf->parsed; rr; rr = rr->next) {
			if(srtpp_dialog_is_ours(rr->nameaddr.uri)) {
				d->n_routes = n;
				return true;
			}
			if(n == SRTPP_ROUTES_MAX)
				return false;
			/* with its angle brackets */
			d->route[n++] =
					(str){rr->nameaddr.uri.s - 1, rr->nameaddr.uri.len + 2};
		}
	}
	return true; /* we did not record a route: nobody is between us */
}

static bool read_contact(struct sip_msg *msg, struct srtpp_dialog *d)
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

static bool read_dialog(
		struct sip_msg *msg, struct srtpp_dialog *d, unsigned *number)
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
	*number = (unsigned)strtoul(cseq->number.s, NULL, 10);
	return read_contact(msg, d) && read_routes(msg, d);
}

/* ---- ACK and BYE ------------------------------------------------------------------ */

static void end_call(struct sip_msg *msg, bool invite)
{
	struct srtpp_dialog d;
	struct dest_info dst;
	unsigned cseq;

	init_dest_info(&dst);
	init_dst_from_rcv(&dst, &msg->rcv);
	if(read_dialog(msg, &d, &cseq)
			&& (!invite || srtpp_dialog_send(&dst, &d, "ACK", cseq))
			&& srtpp_dialog_send(&dst, &d, "BYE", cseq + 1))
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

	bool invite = tg_span_eq(m->method, TG_SPAN("INVITE"));

	if(invite || dialog)
		end_call(msg, invite);
	return rewrite(msg, m, look, dialog);
}
