/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptions on their way in. A pre-script callback: the script cannot
 * forget it. A request is answered with its final code and a Warning that
 * names the line; a provisional reply loses its body, for tm must know that
 * somebody is there to cancel (a reliable one is dropped: its PRACK would be
 * an answer to nothing, RFC 3262); a final one becomes a refusal, see
 * refuse.c. An ACK has no answer: it goes on without its body,
 * and the call is ended, see ack.c.
 *
 * Answers are stateless, so that refusing costs little (RFC 3261 8.2.7), but
 * for INVITE inside of a dialog: its ACK has the dialog's tag, by which sl
 * cannot know it for the ACK of an answer of ours. It would go on to the far
 * end. A transaction takes it (17.2.1).
 */
#include "core/data_lump_rpl.h"
#include "core/dprint.h"
#include "core/msg_translator.h"
#include "core/script_cb.h"
#include "core/sr_module.h"
#include "core/tcp_init.h"
#include "modules/sl/sl.h"

#include "srtp_policy/srtpp.h"

static sl_api_t slb; /* all NULL without sl */

static int warn(struct sip_msg *msg, const struct srtpp_look *look)
{
	char text[SRTPP_WARNING_OCTETS + 2];
	struct tg_span header = srtpp_warning(look, text);

	memcpy(text + header.len, "\r\n", 3);
	return add_lump_rpl(msg, text, (int)header.len + 2, LUMP_RPL_HDR) ? 0 : -1;
}

/* What one message holds, and what is thought of it */
struct seen {
	struct tg_media_message m;
	struct srtpp_party from;
	struct srtpp_look look;
	struct srtpp_parsed parsed;
};

/*
 * A transaction of tm answers and takes the ACK. False: none can be made, or
 * the script has made it already
 */
static bool answer_in_transaction(
		struct sip_msg *msg, int code, char *phrase, bool in_script)
{
	struct cell *t;
	int rc;

	if(!srtpp_tm.t_newtran || srtpp_transaction())
		return false;
	rc = srtpp_tm.t_newtran(msg); /* 0: repeated, and so was its answer */
	t = srtpp_transaction();
	if(!t)
		return false;
	if(rc > 0 && srtpp_tm.t_reply(msg, (unsigned)code, phrase) < 0)
		LM_ERR("the transaction of a refused INVITE gave no answer\n");
	if(!in_script) { /* nobody else lets go of it */
		srtpp_tm.unref_cell(t);
		srtpp_tm.t_sett(T_UNDEFINED, T_BR_UNDEFINED);
	}
	return true;
}

static void answer(struct sip_msg *msg, const struct seen *s, bool in_script)
{
	const struct tg_reason_info *info = tg_reason_get(s->look.reason);
	str phrase = {(char *)info->sip_text, (int)strlen(info->sip_text)};
	int code = (int)info->sip_code;

	if(msg->REQ_METHOD == METHOD_ACK || !code)
		return;
	if(warn(msg, &s->look) < 0)
		LM_DBG("no memory for a Warning\n");
	if(s->m.in_dialog && msg->REQ_METHOD == METHOD_INVITE
			&& answer_in_transaction(msg, code, phrase.s, in_script))
		return;
	if(in_script && slb.freply)
		slb.freply(msg, code, &phrase);
	else if(slb.sreply)
		slb.sreply(msg, code, &phrase);
}

/* Nobody we know: gate 2 of tls_policy has its own word on that */
static bool look_at(const struct tg_pol *p, struct sip_msg *msg, struct seen *s)
{
	enum tg_media_rc rc = srtpp_read(msg, &s->m);

	memset(&s->look, 0, sizeof(s->look));
	memset(s->parsed.done, 0, sizeof(s->parsed.done));
	if(rc == TG_MEDIA_NOT_SIP || (rc == TG_MEDIA_OK && s->m.n_sdp == 0)
			|| !srtpp_party_of_source(p, msg, &s->m, &s->from))
		return false;
	if(!s->m.request) /* offer or answer? The request knows */
		srtpp_transaction_find(msg);
	if(rc == TG_MEDIA_OK) {
		srtpp_look_in(&s->m, &s->from, &s->parsed, &s->look);
	} else if(s->from.media->level != TG_LEVEL_NONE) {
		s->look.reason = TG_REASON_SDP_MALFORMED;
		snprintf(s->look.detail, sizeof(s->look.detail),
				"the body cannot be taken apart");
	}
	return true;
}

/* False: it cannot be rewritten, and must not be used as it is */
static bool clean_descriptions(struct sip_msg *msg, struct seen *s)
{
	struct tg_span with;
	bool done;

	/* what only audit mode lets pass stays as it is */
	if(s->look.reason != TG_REASON_NONE || s->m.n_sdp == 0)
		return true;
	done = srtpp_clean(&s->m, &s->from, &s->parsed, &with);
	if(done && with.ptr) {
		str buffer = {(char *)with.ptr, (int)with.len};

		done = sip_msg_update_buffer(msg, &buffer) == 1;
	}
	if(!done)
		LM_ERR("a description cannot be cleaned and is dropped\n");
	return done;
}

static bool take_body_out(struct sip_msg *msg, const struct tg_media_message *m)
{
	struct tg_arena arena;
	struct tg_span bytes;
	bool done = false;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	bytes = tg_media_message_bodyless(m, &arena);
	if(bytes.ptr) {
		str buffer = {(char *)bytes.ptr, (int)bytes.len};

		done = sip_msg_update_buffer(msg, &buffer) == 1;
	}
	tg_arena_deinit(&arena);
	return done;
}

static bool is_reliable(struct sip_msg *reply)
{
	struct hdr_field *h;

	if(parse_headers(reply, HDR_EOH_F, 0) < 0)
		return true;
	for(h = reply->headers; h; h = h->next) {
		if(tg_span_ieq(
				   tg_span_of(h->name.s, (size_t)h->name.len), TG_SPAN("RSeq")))
			return true;
	}
	return false;
}

static int judge_request(
		const struct tg_pol *p, struct sip_msg *msg, struct seen *s)
{
	if(!look_at(p, msg, s))
		return 1;
	if(srtpp_decide(p, "media-in", &s->from, &s->look))
		return clean_descriptions(msg, s);
	answer(msg, s, false);
	if(msg->REQ_METHOD != METHOD_ACK)
		return 0;
	srtpp_ack_refused(&s->m);
	return take_body_out(msg, &s->m);
}

static int judge_reply(
		const struct tg_pol *p, struct sip_msg *msg, struct seen *s)
{
	bool pass;

	if(!look_at(p, msg, s))
		return 1;
	if(srtpp_decide(p, "media-in", &s->from, &s->look)) {
		srtpp_ack_expect(&s->m);
		pass = clean_descriptions(msg, s);
	} else if(msg->REPLY_STATUS >= 200) {
		pass = srtpp_refuse_reply(msg, &s->m, &s->look);
	} else {
		pass = !is_reliable(msg) && take_body_out(msg, &s->m);
	}
	if(!pass)
		srtpp_transaction_forget(msg);
	return pass;
}

typedef int (*judge_fn)(
		const struct tg_pol *p, struct sip_msg *msg, struct seen *s);

static int with_policy(struct sip_msg *msg, judge_fn judge)
{
	const struct tg_pol *p;
	struct seen s;
	int result;

	if(!tg_media_message_has_body(srtpp_bytes(msg)))
		return 1;
	p = srtpp_tlsp.ref();
	tg_arena_init(&s.parsed.arena, &tg_alloc_libc, 0);
	result = judge(p, msg, &s);
	tg_arena_deinit(&s.parsed.arena);
	srtpp_tlsp.unref(p);
	return result;
}

static int on_request(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)flags;
	(void)param;
	return with_policy(msg, judge_request);
}

static int on_reply(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)flags;
	(void)param;
	return msg->REPLY_STATUS >= 300 ? 1 : with_policy(msg, judge_reply);
}

/*
 * A BYE ends what is known of its call, when the script is through with it:
 * no gate has refused it, and the script had the use of what was known
 */
static int on_request_done(struct sip_msg *msg, unsigned int flags, void *param)
{
	struct tg_media_message m;

	(void)flags;
	(void)param;
	if(msg->first_line.type == SIP_REQUEST && msg->REQ_METHOD == METHOD_BYE
			&& srtpp_calls_count() > 0 && srtpp_read(msg, &m) == TG_MEDIA_OK)
		srtpp_calls_end(&m);
	return 1;
}

/* The script put a request on a route: its stricter media holds for the call */
static bool on_route(struct sip_msg *msg, const struct tg_pol_route *route)
{
	struct tg_media_message m;

	if(!route->media || tg_span_eq(route->name, TG_SPAN("default"))
			|| msg->first_line.type != SIP_REQUEST
			|| !(msg->REQ_METHOD
					& (METHOD_INVITE | METHOD_UPDATE | METHOD_PRACK
							| METHOD_ACK)))
		return true;
	return srtpp_read(msg, &m) != TG_MEDIA_NOT_SIP
		   && srtpp_calls_put_on(&m, route);
}

static int judge_again(
		const struct tg_pol *p, struct sip_msg *msg, struct seen *s)
{
	if(!look_at(p, msg, s)
			|| srtpp_decide(p, "media-route", &s->from, &s->look))
		return 1;
	if(msg->first_line.type == SIP_REQUEST)
		answer(msg, s, true);
	return -1;
}

int srtpp_check(struct sip_msg *msg)
{
	return with_policy(msg, judge_again);
}

int srtpp_gate_in_init(void)
{
	if(find_export("bind_sl", 0, 0) && sl_load_api(&slb) < 0)
		return -1;
	if(!slb.sreply)
		LM_WARN("sl.so is not loaded: refused requests get no answer\n");
	/* a reply that is refused is written anew in its own buffer */
	tcp_set_clone_rcvbuf(1);
	if(srtpp_tlsp.on_route(on_route) < 0) {
		LM_ERR("tls_policy tells no routes\n");
		return -1;
	}
	if(register_script_cb(on_request, PRE_SCRIPT_CB | REQUEST_CB, NULL) < 0
			|| register_script_cb(
					   on_request_done, POST_SCRIPT_CB | REQUEST_CB, NULL)
					   < 0
			|| register_script_cb(on_reply, PRE_SCRIPT_CB | ONREPLY_CB, NULL)
					   < 0) {
		LM_ERR("Kamailio takes no script callbacks\n");
		return -1;
	}
	return 0;
}
