/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptions on their way in. A pre-script callback: the script cannot
 * forget it. A request is answered with its final code and a Warning that
 * names the line; a provisional reply is dropped; a final one becomes a
 * refusal, see refuse.c. An ACK has no answer: it goes on without its body,
 * and the call is ended, see ack.c.
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

static int answer(
		struct sip_msg *msg, const struct srtpp_look *look, bool stateful)
{
	const struct tg_reason_info *info = tg_reason_get(look->reason);
	str phrase = {(char *)info->sip_text, (int)strlen(info->sip_text)};

	if(msg->REQ_METHOD == METHOD_ACK || !info->sip_code)
		return -1;
	if(warn(msg, look) < 0)
		LM_DBG("no memory for a Warning\n");
	if(stateful && slb.freply)
		return slb.freply(msg, (int)info->sip_code, &phrase);
	return slb.sreply ? slb.sreply(msg, (int)info->sip_code, &phrase) : -1;
}

/* Nobody we know: gate 2 of tls_policy has its own word on that */
static bool look_at(const struct tg_pol *p, struct sip_msg *msg,
		struct tg_media_message *m, struct srtpp_party *from,
		struct srtpp_look *look)
{
	enum tg_media_rc rc = tg_media_message_read(srtpp_bytes(msg), m);

	memset(look, 0, sizeof(*look));
	if(rc == TG_MEDIA_OK && m->request && tg_span_eq(m->method, TG_SPAN("BYE")))
		srtpp_calls_end(m);
	if(rc == TG_MEDIA_NOT_SIP || (rc == TG_MEDIA_OK && m->n_sdp == 0)
			|| !srtpp_party_of_source(p, msg, m, from))
		return false;
	if(!m->request) /* offer or answer? The request knows */
		srtpp_transaction_find(msg);
	if(rc == TG_MEDIA_OK) {
		srtpp_look_in(m, from, look);
	} else if(from->media->level != TG_LEVEL_NONE) {
		look->reason = TG_REASON_SDP_MALFORMED;
		snprintf(look->detail, sizeof(look->detail),
				"the body cannot be taken apart");
	}
	return true;
}

/* False: it cannot be rewritten, and must not be used as it is */
static bool clean_descriptions(struct sip_msg *msg,
		const struct tg_media_message *m, const struct srtpp_party *from,
		const struct srtpp_look *look)
{
	struct tg_arena arena;
	struct tg_span with;
	bool done;

	/* what only audit mode lets pass stays as it is */
	if(look->reason != TG_REASON_NONE || m->n_sdp == 0)
		return true;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	done = srtpp_clean(m, from, &arena, &with);
	if(done && with.ptr) {
		str buffer = {(char *)with.ptr, (int)with.len};

		done = sip_msg_update_buffer(msg, &buffer) == 1;
	}
	tg_arena_deinit(&arena);
	if(!done)
		LM_ERR("a description cannot be cleaned and is dropped\n");
	return done;
}

static int on_request(struct sip_msg *msg, unsigned int flags, void *param)
{
	const struct tg_pol *p = srtpp_tlsp.ref();
	struct tg_media_message m;
	struct srtpp_party from;
	struct srtpp_look look;
	int pass = 1;

	(void)flags;
	(void)param;
	if(look_at(p, msg, &m, &from, &look)) {
		if(!srtpp_decide(p, "media-in", &from, &look)) {
			answer(msg, &look, false);
			pass = msg->REQ_METHOD == METHOD_ACK && srtpp_ack_strip(msg, &m);
		} else {
			pass = clean_descriptions(msg, &m, &from, &look);
		}
	}
	srtpp_tlsp.unref(p);
	return pass;
}

static int on_reply(struct sip_msg *msg, unsigned int flags, void *param)
{
	const struct tg_pol *p;
	struct tg_media_message m;
	struct srtpp_party from;
	struct srtpp_look look;
	int pass = 1;

	(void)flags;
	(void)param;
	if(msg->REPLY_STATUS >= 300)
		return 1;
	p = srtpp_tlsp.ref();
	if(look_at(p, msg, &m, &from, &look)) {
		if(srtpp_decide(p, "media-in", &from, &look)) {
			srtpp_ack_expect(&m);
			pass = clean_descriptions(msg, &m, &from, &look);
		} else
			pass = msg->REPLY_STATUS >= 200
				   && srtpp_refuse_reply(msg, &m, &look);
		if(!pass)
			srtpp_transaction_forget(msg);
	}
	srtpp_tlsp.unref(p);
	return pass;
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
	return tg_media_message_read(srtpp_bytes(msg), &m) != TG_MEDIA_NOT_SIP
		   && srtpp_calls_put_on(&m, route);
}

int srtpp_check(struct sip_msg *msg)
{
	const struct tg_pol *p = srtpp_tlsp.ref();
	struct tg_media_message m;
	struct srtpp_party from;
	struct srtpp_look look;
	int result = 1;

	if(look_at(p, msg, &m, &from, &look)
			&& !srtpp_decide(p, "media-route", &from, &look)) {
		if(msg->first_line.type == SIP_REQUEST)
			answer(msg, &look, true);
		result = -1;
	}
	srtpp_tlsp.unref(p);
	return result;
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
			|| register_script_cb(on_reply, PRE_SCRIPT_CB | ONREPLY_CB, NULL)
					   < 0) {
		LM_ERR("Kamailio takes no pre-script callbacks\n");
		return -1;
	}
	return 0;
}
