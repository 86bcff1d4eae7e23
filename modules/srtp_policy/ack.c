/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A delayed offer stands in the 2xx, its answer in the ACK (RFC 3264 5,
 * RFC 6337 2). An ACK cannot be refused with an answer, and both sides believe
 * in the call; so when what it holds may not pass:
 *
 *	caller --- ACK, answer ---> us --- ACK, no body ---> callee
 *	                            us --- BYE -----------> callee
 *	caller <-- BYE ------------ us
 *	                            us --- delete --------> rtpengine
 *
 * The bare ACK ends the repetitions of the 2xx. It takes the script's way, so
 * that the BYE can follow it; that happens when the script is through. The way
 * back to the caller is kept since the 2xx passed: an ACK has no Contact.
 */
#include "core/dprint.h"
#include "core/msg_translator.h"
#include "core/parser/contact/parse_contact.h"
#include "core/parser/parse_rr.h"
#include "core/script_cb.h"
#include "core/sr_module.h"
#include "core/forward.h"

#include "srtp_policy/srtpp.h"

#define OCTETS_MAX 4096
#define CALL_ID_MAX 512
/*
 * Of the BYE in the callee's name, above any number it may have used itself
 * and far enough from 2^31 (RFC 3261 8.1.1.5)
 */
#define CSEQ_OF_CALLEE 1900000000u

static cmd_function media_delete; /* rtpengine_delete(flags), or NULL */

/* The refused ACK of the message at hand */
static struct {
	bool refused;
	size_t call_id_octets;
	char call_id[CALL_ID_MAX];
	struct dest_info dst; /* where it went */
	size_t bye_octets;
	char bye[OCTETS_MAX];
} now;

/* ---- the way to the caller ------------------------------------------------ */

static bool say_routes(struct tg_text *w, struct sip_msg *request)
{
	struct hdr_field *hf = request->record_route;

	for(; hf; hf = next_sibling_hdr(hf))
		tg_text_say(w, "Route: %.*s\r\n", hf->body.len, hf->body.s);
	return !w->full;
}

static bool say_way(struct tg_text *w, struct sip_msg *request)
{
	contact_body_t *body;

	if(!request->contact || parse_contact(request->contact) < 0)
		return false;
	body = request->contact->parsed;
	if(!body || body->star || !body->contacts)
		return false;
	tg_text_say(w, "%.*s\n", body->contacts->uri.len, body->contacts->uri.s);
	return say_routes(w, request);
}

/* tm keeps its request parsed, in memory that others read: parse a copy */
void srtpp_ack_expect(const struct tg_media_message *m)
{
	struct cell *t = srtpp_transaction();
	char way[OCTETS_MAX];
	struct sip_msg copy;
	struct tg_text w;
	bool done;

	if(m->request || m->n_sdp == 0 || !srtpp_is_offer(m) || !t
			|| !t->uas.request || !t->uas.request->buf)
		return;
	memset(&copy, 0, sizeof(copy));
	copy.buf = t->uas.request->buf;
	copy.len = t->uas.request->len;
	tg_text_init(&w, way, sizeof(way));
	done = parse_msg(copy.buf, copy.len, &copy) == 0
		   && parse_headers(&copy, HDR_EOH_F, 0) == 0 && say_way(&w, &copy)
		   && srtpp_calls_keep_way(m, tg_text_span(&w));
	free_sip_msg(&copy);
	if(!done)
		LM_WARN("the way to a caller cannot be kept: it cannot be told if its "
				"answer is refused\n");
}

/* ---- the ACK ------------------------------------------------------------------ */

void srtpp_ack_refused(const struct tg_media_message *m)
{
	memset(&now, 0, offsetof(__typeof__(now), bye));
	if(m->call_id.len > sizeof(now.call_id))
		return;
	now.refused = true;
	now.call_id_octets = m->call_id.len;
	memcpy(now.call_id, m->call_id.ptr, m->call_id.len);
}

bool srtpp_ack_is_awaited(void)
{
	return now.refused;
}

static bool is_refused(const struct tg_media_message *m)
{
	return now.refused
		   && tg_span_eq(
				   m->call_id, tg_span_of(now.call_id, now.call_id_octets));
}

void srtpp_ack_leaves(
		const struct tlsp_leaving *what, const struct tg_media_message *m)
{
	struct tg_arena arena;
	struct tg_text via;
	struct tg_span bye;
	char text[256];

	if(!is_refused(m) || !what->dst || !what->dst->send_sock)
		return;
	tg_text_init(&via, text, sizeof(text));
	srtpp_dialog_via(&via, what->dst->send_sock);
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	bye = tg_media_message_successor(m, "BYE", tg_text_span(&via), &arena);
	if(bye.ptr && bye.len <= sizeof(now.bye)) {
		memcpy(now.bye, bye.ptr, bye.len);
		now.bye_octets = bye.len;
		now.dst = *what->dst;
	}
	tg_arena_deinit(&arena);
}

/* ---- the end -------------------------------------------------------------------- */

static bool end_callee(void)
{
	return now.bye_octets
		   && msg_send(&now.dst, now.bye, (int)now.bye_octets) >= 0;
}

static bool end_caller(struct sip_msg *msg, struct tg_span way)
{
	struct srtpp_dialog d = {0};
	struct dest_info dst;
	struct tg_span target;

	if(!way.ptr || parse_headers(msg, HDR_EOH_F, 0) < 0 || !msg->from
			|| !msg->to || !msg->callid)
		return false;
	target = tg_span_cut(&way, '\n');
	d.target = (str){(char *)target.ptr, (int)target.len};
	d.route_lines = way;
	d.from = msg->to->body;
	d.to = msg->from->body;
	d.call_id = msg->callid->body;
	init_dest_info(&dst);
	init_dst_from_rcv(&dst, &msg->rcv);
	return srtpp_dialog_send(&dst, &d, "BYE", CSEQ_OF_CALLEE);
}

static void delete_media(struct sip_msg *msg, const struct tg_media_message *m)
{
	struct tg_span with = srtpp_flags_of_delete(m);
	fparam_t flags = {
			.type = FPARAM_STR, .v.str = {(char *)with.ptr, (int)with.len}};

	if(media_delete)
		media_delete(msg, (char *)&flags, NULL);
}

static void end_both(struct sip_msg *msg)
{
	struct tg_media_message m;
	struct tg_arena arena;
	bool callee, caller = false;

	callee = end_callee();
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_media_message_read(srtpp_bytes(msg), &m) == TG_MEDIA_OK) {
		caller = end_caller(msg, srtpp_calls_take_way(&m, &arena));
		srtpp_calls_end(&m);
		delete_media(msg, &m);
	}
	tg_arena_deinit(&arena);
	srtpp_stats_add(SRTPP_ENDED, 1);
	if(!callee || !caller)
		LM_WARN("a call with a refused ACK was ended; its %s could not be "
				"told\n",
				caller   ? "callee"
				: callee ? "caller"
						 : "sides");
}

static int on_script_end(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)flags;
	(void)param;
	if(now.refused && msg->first_line.type == SIP_REQUEST
			&& msg->REQ_METHOD == METHOD_ACK)
		end_both(msg);
	now.refused = false;
	return 1;
}

int srtpp_ack_init(void)
{
	media_delete = find_export("rtpengine_delete", 1, 0);
	if(!media_delete)
		LM_INFO("rtpengine.so is not loaded before this module: calls that end "
				"by a refused ACK stay in the media node until its timeout\n");
	if(register_script_cb(on_script_end, POST_SCRIPT_CB | REQUEST_CB, NULL)
			< 0) {
		LM_ERR("Kamailio takes no post-script callbacks\n");
		return -1;
	}
	return 0;
}
