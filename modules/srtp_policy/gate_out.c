/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptions on their way out, judged on the octets that leave: after
 * rtpengine, after every route of the script. Two places:
 *
 *   reply out  tm has run the script on a reply and is about to pass it on;
 *              a 2xx that may not pass still can become a failure here
 *   leaving    the last look, gate 4 of tls_policy: nothing gets by it. The
 *              plugin's proof is taken out here
 */
#include "core/dprint.h"
#include "core/events.h"
#include "core/data_lump.h"
#include "core/fix_lumps.h"
#include "core/mem/mem.h"
#include "core/msg_translator.h"
#include "core/parser/parse_cseq.h"

#include "srtp_policy/srtpp.h"

#define WANTED_MAX 16

/* ---- leaving ------------------------------------------------------------------ */

static void deny(const struct tlsp_leaving *what, const struct srtpp_party *to,
		const struct srtpp_look *look, struct tg_pol_verdict *verdict)
{
	verdict->decision = TG_POL_DENY;
	verdict->audited = false;
	verdict->reason = look->reason;
	verdict->peer = to->peer;
	verdict->clients = to->clients;
	if(to->media)
		verdict->rule = to->media->where;
	tg_pol_apply_audit(what->policy, verdict);
	if(verdict->decision == TG_POL_ALLOW) {
		srtpp_stats_add(SRTPP_AUDITED, 1);
		return;
	}
	srtpp_stats_refused(look->reason);
	LM_WARN("a description does not leave: reason=%s %s\n",
			tg_reason_get(look->reason)->id, look->detail);
}

/* Where the request that is being relayed came from */
static bool far_side(const struct tg_pol *p, const struct tg_media_message *m,
		struct srtpp_party *out)
{
	struct cell *t = m->request ? srtpp_transaction() : NULL;

	return t && t->uas.request
		   && srtpp_party_of_connection(p, &t->uas.request->rcv, m, out);
}

static void pass_on(struct tg_span with, struct tg_span *rewritten)
{
	char *copy;

	if(!with.ptr)
		return;
	copy = pkg_malloc(with.len + 1);
	if(!copy)
		return;
	memcpy(copy, with.ptr, with.len);
	copy[with.len] = 0;
	*rewritten = tg_span_of(copy, with.len);
}

static void judge_for(const struct tlsp_leaving *what,
		const struct tg_media_message *m, const struct srtpp_party *to,
		struct tg_pol_verdict *verdict, struct tg_span *rewritten)
{
	struct srtpp_party other;
	struct tg_span with;
	struct tg_arena arena;
	struct srtpp_look look;
	bool known = far_side(what->policy, m, &other);

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	srtpp_look_out(m, to, known ? &other : NULL, &arena, &look, &with);
	if(look.reason == TG_REASON_NONE) {
		srtpp_stats_add(SRTPP_SECURED, (int)look.secured);
		srtpp_stats_add(SRTPP_CLEAR, (int)look.clear);
		srtpp_note("out", to, &look);
	} else {
		deny(what, to, &look, verdict);
	}
	if(verdict->decision == TG_POL_ALLOW && !rewritten->ptr) {
		pass_on(with, rewritten);
		if(with.ptr && !rewritten->ptr) {
			look.reason = TG_REASON_INTERNAL;
			deny(what, to, &look, verdict);
		}
	}
	tg_arena_deinit(&arena);
}

/* Several peers share the address: it must be fit for each of them */
static void judge_for_wanted(const struct tlsp_leaving *what,
		const struct tg_media_message *m, struct tg_pol_verdict *verdict,
		struct tg_span *rewritten)
{
	const struct tg_pol_peer *peer[WANTED_MAX];
	struct srtpp_look look = {.reason = TG_REASON_AMBIGUOUS};
	struct srtpp_party to = {0};
	size_t n = tg_pol_wanted_peers(
			what->policy, &what->egress->conn, peer, WANTED_MAX);

	if(n == 0 || n > WANTED_MAX)
		deny(what, &to, &look, verdict);
	for(size_t i = 0; i < n && verdict->decision == TG_POL_ALLOW; i++) {
		if(srtpp_party_of_egress(what->policy, what, peer[i], NULL, m, &to))
			judge_for(what, m, &to, verdict, rewritten);
		else
			deny(what, &to, &look, verdict);
	}
}

static bool is_ack(const struct tg_media_message *m)
{
	return m->request && tg_span_eq(m->method, TG_SPAN("ACK"));
}

/* It leaves without the body that may not. False: it does not leave */
static bool leave_bodyless(const struct tlsp_leaving *what,
		const struct tg_media_message *m, struct tg_pol_verdict *verdict,
		struct tg_span *rewritten)
{
	struct tg_arena arena;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(rewritten->ptr)
		pkg_free((char *)rewritten->ptr);
	*rewritten = tg_span_of(NULL, 0);
	pass_on(tg_media_message_bodyless(m, &arena), rewritten);
	if(rewritten->ptr)
		*verdict = *what->verdict;
	tg_arena_deinit(&arena);
	return rewritten->ptr;
}

/*
 * What must arrive all the same: an ACK has no answer, so it ends the call; in
 * a final refusal a description only says what could have been (RFC 3261
 * 21.4.26)
 */
static void send_what_must_arrive(const struct tlsp_leaving *what,
		const struct tg_media_message *m, struct tg_pol_verdict *verdict,
		struct tg_span *rewritten)
{
	if(verdict->decision == TG_POL_ALLOW || (!is_ack(m) && m->status < 300)
			|| !leave_bodyless(what, m, verdict, rewritten) || m->status)
		return;
	srtpp_ack_refused(m);
	srtpp_ack_leaves(what, m);
}

static void on_leaving(const struct tlsp_leaving *what,
		struct tg_pol_verdict *verdict, struct tg_span *rewritten)
{
	struct srtpp_look look = {.reason = TG_REASON_SDP_MALFORMED,
			.detail = "the body cannot be taken apart"};
	struct tg_media_message m;
	struct srtpp_party to;

	if(!srtpp_ack_is_awaited() && !tg_media_message_has_body(what->bytes))
		return;
	switch(tg_media_message_read(what->bytes, &m)) {
		case TG_MEDIA_NOT_SIP:
			return;
		case TG_MEDIA_OK:
			/* octets behind the body would be another message */
			if(m.body.ptr + m.body.len == m.bytes.ptr + m.bytes.len) {
				if(m.n_sdp == 0) {
					if(is_ack(&m))
						srtpp_ack_leaves(what, &m);
					return;
				}
				break;
			}
			/* fall through */
		default:
			memset(&to, 0, sizeof(to));
			to.peer = what->verdict->peer;
			to.clients = what->verdict->clients;
			deny(what, &to, &look, verdict);
			if(m.status)
				send_what_must_arrive(what, &m, verdict, rewritten);
			return;
	}
	if(srtpp_party_of_egress(what->policy, what, what->verdict->peer,
			   what->verdict->clients, &m, &to))
		judge_for(what, &m, &to, verdict, rewritten);
	else
		judge_for_wanted(what, &m, verdict, rewritten);
	send_what_must_arrive(what, &m, verdict, rewritten);
}

/* ---- reply out ------------------------------------------------------------------ */

static void judge_reply(const struct tg_pol *p, struct sip_msg *msg,
		const struct tg_media_message *m)
{
	struct srtpp_party source, to;
	struct srtpp_look look;
	struct tg_arena arena;
	bool known = srtpp_party_of_source(p, msg, m, &source);

	if(!srtpp_party_of_target(p, msg, m, &to))
		return; /* gate 4 stops it */
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	srtpp_look_out(m, &to, known ? &source : NULL, &arena, &look, NULL);
	if(!srtpp_decide(p, "media-answer", &to, &look)) {
		struct tg_media_message received;

		if(srtpp_read(msg, &received) == TG_MEDIA_OK)
			srtpp_refuse_reply(msg, &received, &look);
	}
	tg_arena_deinit(&arena);
}

/* Others are judged as they leave */
static bool is_answer(struct sip_msg *reply)
{
	return parse_headers(reply, HDR_CSEQ_F, 0) == 0 && reply->cseq
		   && get_cseq(reply)->method_id
					  & (METHOD_INVITE | METHOD_UPDATE | METHOD_PRACK);
}

static void judge_if_described(
		struct sip_msg *msg, const struct tg_media_message *m)
{
	const struct tg_pol *p;

	if(m->n_sdp == 0)
		return;
	p = srtpp_tlsp.ref();
	judge_reply(p, msg, m);
	srtpp_tlsp.unref(p);
}

/*
 * A description that is the whole body, and is left alone or taken out in one
 * piece for another one, which is what rtpengine does: that is what leaves.
 * False: it is not so, or not so simple
 */
static bool read_what_leaves(struct sip_msg *msg, struct tg_media_message *m)
{
	const struct lump *gone = msg->body_lumps;
	const struct lump *in_place = gone ? gone->after : NULL;

	if(srtpp_read(msg, m) != TG_MEDIA_OK || m->n_sdp != 1
			|| m->sdp[0].ptr != m->body.ptr || m->sdp[0].len != m->body.len)
		return false;
	if(!gone)
		return true;
	if(gone->op != LUMP_DEL || gone->next || gone->before || !in_place
			|| gone->u.offset != m->body.ptr - msg->buf
			|| (size_t)gone->len != m->body.len || in_place->op != LUMP_ADD
			|| in_place->before || in_place->after
			|| (gone->flags | in_place->flags) != LUMPFLAG_NONE)
		return false;
	m->sdp[0] = tg_span_of(in_place->u.value, (size_t)in_place->len);
	return true;
}

/* As it would leave, but for the Via that is ours; gate 4 has the last word */
static int on_reply_out(sr_event_param_t *evp)
{
	struct sip_msg *msg = evp->rpl;
	struct tg_media_message m;
	unsigned int n = 0;
	char *octets;

	if(!msg || msg == FAKED_REPLY || msg->first_line.type != SIP_REPLY
			|| msg->REPLY_STATUS < 200 || msg->REPLY_STATUS >= 300
			|| !is_answer(msg))
		return 0;
	if(read_what_leaves(msg, &m)) {
		judge_if_described(msg, &m);
		return 0;
	}
	octets = generate_res_buf_from_sip_res(msg, &n, BUILD_NO_VIA1_UPDATE);
	free_via_clen_lump(&msg->add_rm);
	if(!octets)
		return 0; /* tm fails at the same place */
	if(tg_media_message_read(tg_span_of(octets, n), &m) == TG_MEDIA_OK)
		judge_if_described(msg, &m);
	pkg_free(octets);
	return 0;
}

int srtpp_gate_out_init(void)
{
	if(srtpp_tlsp.on_leaving(on_leaving) < 0) {
		LM_ERR("tls_policy takes no judge of what leaves\n");
		return -1;
	}
	if(sr_event_register_cb(SREV_SIP_REPLY_OUT, on_reply_out) != 0) {
		LM_ERR("no free place for a callback on replies\n");
		return -1;
	}
	return 0;
}
