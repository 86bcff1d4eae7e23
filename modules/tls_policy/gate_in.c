/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 2 (message in) and gate 3 (route). Gate 2 is a pre-script callback:
 * the script cannot forget it and does not see what it refuses. A refused
 * request gets a stateless answer that says why, where one can be given; a
 * refused reply goes no further.
 */
#include "core/data_lump_rpl.h"
#include "core/dprint.h"
#include "core/fmsg.h"
#include "core/pt.h"
#include "core/script_cb.h"
#include "core/sr_module.h"
#include "modules/sl/sl.h"

#include "tls_policy/tlsp.h"

/* RFC 3261 20.33: a status takes a moment to come */
#define RETRY_AFTER "Retry-After: 5\r\n"

bool tlsp_refusing;
struct tlsp_at_hand tlsp_at_hand;

static sl_api_t slb; /* all NULL without sl */
static struct tlsp_seen seen;
static struct tlsp_seen around; /* a failure_route: of the reply, say */
static bool is_within;
static tlsp_route_fn on_route;

int tlsp_on_route(tlsp_route_fn fn)
{
	if(on_route || !fn)
		return -1;
	on_route = fn;
	return 0;
}

static bool is_seen(const struct sip_msg *msg)
{
	return seen.pid == msg->pid && seen.msg_id == msg->id;
}

const struct tlsp_seen *tlsp_seen(struct sip_msg *msg)
{
	return is_seen(msg) && seen.looked ? &seen : NULL;
}

static void see(struct sip_msg *msg, const struct tg_pol_verdict *v,
		struct tg_span route)
{
	if(!tlsp_seen(msg))
		seen.route[0] = 0;
	seen.msg_id = msg->id;
	seen.pid = msg->pid;
	seen.looked = true;
	seen.decision = v->decision;
	seen.audited = v->audited;
	seen.reason = v->reason;
	if(route.len)
		snprintf(seen.route, sizeof(seen.route), "%.*s", TG_SPAN_FMT(route));
}

void tlsp_seen_refused(enum tg_reason reason)
{
	/* the request of a failure_route may have come to another process */
	if(seen.pid != my_pid() && !tlsp_at_hand.failure)
		return;
	seen.looked = true;
	seen.decision = TG_POL_DENY;
	seen.audited = false;
	seen.reason = reason;
}

/* ---- answers ------------------------------------------------------------------ */

static int answer(struct sip_msg *msg, enum tg_reason reason, bool stateful)
{
	const struct tg_reason_info *info = tg_reason_get(reason);
	str phrase = {(char *)info->sip_text, (int)strlen(info->sip_text)};
	int result = -1;

	if(!info->sip_code || msg->first_line.type != SIP_REQUEST
			|| msg->REQ_METHOD == METHOD_ACK)
		return -1;
	if(reason == TG_REASON_OCSP_UNKNOWN)
		add_lump_rpl(msg, RETRY_AFTER, sizeof(RETRY_AFTER) - 1, LUMP_RPL_HDR);
	tlsp_refusing = true;
	if(stateful && slb.freply)
		result = slb.freply(msg, (int)info->sip_code, &phrase);
	else if(slb.sreply)
		result = slb.sreply(msg, (int)info->sip_code, &phrase);
	tlsp_refusing = false;
	return result;
}

/* Nobody may make us answer to an address that we do not know */
static bool may_answer(
		const struct tg_pol_msg *facts, const struct tg_pol_verdict *v)
{
	return facts->conn.transport != TG_POL_TR_UDP || v->peer || v->clients;
}

/* ---- gate 2 ---------------------------------------------------------------------- */

/*
 * A line that ends in the middle of one of ours: far ends take a lone CR for a
 * line end, and would read headers, or a body, that nobody here has seen. And
 * what Kamailio passes over in front of the first line, and passes on: gate 4
 * and far ends would take it for that line
 */
static bool is_torn(const struct sip_msg *msg)
{
	struct tg_span all = tg_span_of(msg->buf, msg->len);
	const char *end;

	if(all.len && (unsigned char)all.ptr[0] <= ' ')
		return true;
	if(!tg_span_has_lone_cr(all))
		return false;
	/* in a body it is no line end */
	end = memmem(all.ptr, all.len, "\n\r\n", 3);
	return !end
		   || tg_span_has_lone_cr(
				   tg_span_of(all.ptr, (size_t)(end - all.ptr) + 3));
}

/* In its dialog, or one that begins; nothing is said when it is not */
static bool is_party(const struct tlsp_snap *snap, struct sip_msg *msg,
		const struct tlsp_asked *asked, struct tg_pol_verdict v)
{
	tlsp_dialog_in(snap, msg, asked, &v);
	return v.decision == TG_POL_ALLOW && !v.audited;
}

/* True: allowed, and nothing to be said about it */
static bool judge_warm(struct sip_msg *msg)
{
	const struct tlsp_snap *snap = NULL; /* most need nothing that is in it */
	const struct tg_pol_verdict *known;
	struct tlsp_asked asked;

	if(tlsp_read_asked(msg, &asked) < 0)
		return false;
	if(tlsp_dialog_matters(&asked))
		snap = tlsp_snap_ref();
	known = tlsp_warm_in(snap ? snap->generation : tlsp_snap_generation(), msg,
			&asked, NULL);
	if(known && snap && !is_party(snap, msg, &asked, *known))
		known = NULL;
	if(known)
		see(msg, known, tg_span_of(NULL, 0));
	tlsp_snap_unref(snap);
	return known != NULL;
}

/* facts are filled when it is not allowed */
static void judge_message(const struct tlsp_snap *snap, struct sip_msg *msg,
		struct tg_pol_msg *facts, struct tg_pol_verdict *v)
{
	struct tlsp_report report = {.gate = "in"};

	memset(v, 0, sizeof(*v));
	if(tlsp_source(snap, msg, NULL, facts) < 0) {
		v->reason = TG_REASON_INTERNAL;
	} else {
		tg_pol_judge_message(snap->policy, facts, NULL, v);
		tlsp_warm_in_judged(snap, msg, facts, NULL, v);
	}
	if(v->decision == TG_POL_ALLOW && is_torn(msg)) {
		v->decision = TG_POL_DENY;
		v->audited = false;
		v->reason = TG_REASON_MESSAGE_MALFORMED;
		tg_pol_apply_audit(snap->policy, v);
	}
	tlsp_dialog_in(snap, msg,
			&(struct tlsp_asked){facts->method, facts->in_dialog}, v);
	see(msg, v, tg_span_of(NULL, 0));
	if(v->decision == TG_POL_ALLOW && !v->audited)
		return;
	report.conn = &facts->conn;
	if(facts->method.len)
		report.class = tg_pol_class_of_method(facts->method);
	tlsp_report(snap->policy, v, &report);
}

static bool judge_request(struct sip_msg *msg)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tg_pol_verdict v;
	struct tg_pol_msg facts;

	judge_message(snap, msg, &facts, &v);
	if(v.decision != TG_POL_ALLOW && may_answer(&facts, &v))
		answer(msg, v.reason, false);
	tlsp_snap_unref(snap);
	return v.decision == TG_POL_ALLOW;
}

static bool judge_reply(struct sip_msg *msg)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tg_pol_verdict v;
	struct tg_pol_msg facts;

	judge_message(snap, msg, &facts, &v);
	tlsp_snap_unref(snap);
	return v.decision == TG_POL_ALLOW;
}

/* ---- around the script --------------------------------------------------------- */

static int on_end(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)msg;
	(void)flags;
	(void)param;
	tlsp_at_hand = (struct tlsp_at_hand){0};
	if(tlsp_waiting_at_it)
		tlsp_waiting_script_ended();
	return 1;
}

/*
 * What is refused has no script, and nobody tells us of its end. The routes of
 * timers (rtimer, timer, async, dialog) get a message that Kamailio made up:
 * nobody sent it, so there is nobody to refuse. It proves nothing either.
 */
static int on_request(struct sip_msg *msg, unsigned int flags, void *param)
{
	tlsp_at_hand = (struct tlsp_at_hand){.request = msg};
	if(faked_msg_match(msg) || (!is_torn(msg) && judge_warm(msg))
			|| judge_request(msg))
		return 1;
	on_end(msg, flags, param);
	return 0;
}

static int on_reply(struct sip_msg *msg, unsigned int flags, void *param)
{
	tlsp_at_hand =
			(struct tlsp_at_hand){.reply = msg->first_line.u.reply.statuscode};
	if(tlsp_waiting_answering() || (!is_torn(msg) && judge_warm(msg))
			|| judge_reply(msg))
		return 1;
	on_end(msg, flags, param);
	return 0;
}

/*
 * tm's failure_route and branch_failure_route, and a request that goes on after
 * t_suspend(): a script, too, and of a request that this process may not have
 * seen. It is not judged again.
 */
static int on_failure(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)flags;
	(void)param;
	tlsp_at_hand.failure = true;
	is_within = !is_seen(msg) || !tlsp_at_hand.request;
	if(!is_within) /* that request's own script is at it */
		return 1;
	around = seen;
	seen = (struct tlsp_seen){.msg_id = msg->id, .pid = msg->pid};
	return 1;
}

static int on_failure_end(struct sip_msg *msg, unsigned int flags, void *param)
{
	(void)msg;
	(void)flags;
	(void)param;
	tlsp_at_hand.failure = false;
	if(is_within)
		seen = around;
	is_within = false;
	return 1;
}

/* ---- gate 3 ------------------------------------------------------------------------- */

static void judge_route(const struct tlsp_snap *snap, struct sip_msg *msg,
		struct tg_span name, struct tg_pol_verdict *v)
{
	const struct tg_pol_route *route = tg_pol_route_by_name(snap->policy, name);
	struct tlsp_report report = {.gate = "route", .route = name};
	const struct tg_pol_verdict *known;
	struct tg_pol_msg facts;

	memset(v, 0, sizeof(*v));
	v->reason = TG_REASON_INTERNAL;
	if(tlsp_source(snap, msg, NULL, &facts) == 0) {
		if(!route && !tg_span_eq(name, TG_SPAN("default"))) {
			v->reason = TG_REASON_ROUTE_DENIED;
			report.detail = "the policy has no route of this name";
		} else if((known = tlsp_warm_in(snap->generation, msg,
						   &(struct tlsp_asked){facts.method, facts.in_dialog},
						   route))) {
			*v = *known;
		} else {
			tg_pol_judge_route(snap->policy, route, &facts, NULL, v);
			tlsp_warm_in_judged(snap, msg, &facts, route, v);
		}
	}
	if(v->decision == TG_POL_ALLOW && on_route && route
			&& !on_route(msg, route)) {
		v->decision = TG_POL_DENY;
		v->reason = TG_REASON_INTERNAL;
	}
	if(v->decision == TG_POL_ALLOW && !v->audited)
		return;
	report.conn = &facts.conn;
	if(facts.method.len)
		report.class = tg_pol_class_of_method(facts.method);
	tlsp_report(snap->policy, v, &report);
}

int tlsp_check_route(struct sip_msg *msg, struct tg_span name)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tg_pol_verdict v;

	judge_route(snap, msg, name, &v);
	see(msg, &v, name);
	tlsp_snap_unref(snap);
	return v.decision == TG_POL_ALLOW ? 1 : -1;
}

int tlsp_reply(struct sip_msg *msg)
{
	const struct tlsp_seen *last = tlsp_seen(msg);

	if(!last || last->decision == TG_POL_ALLOW) /* or only audited */
		return -1;
	return answer(msg, last->reason, true) < 0 ? -1 : 1;
}

int tlsp_gate_in_init(void)
{
	if(find_export("bind_sl", 0, 0) && sl_load_api(&slb) < 0)
		return -1;
	if(!slb.sreply)
		LM_WARN("sl.so is not loaded: refused requests get no answer\n");
	if(register_script_cb(on_request, PRE_SCRIPT_CB | REQUEST_CB, NULL) < 0
			|| register_script_cb(on_reply, PRE_SCRIPT_CB | ONREPLY_CB, NULL)
					   < 0
			|| register_script_cb(
					   on_end, POST_SCRIPT_CB | REQUEST_CB | ONREPLY_CB, NULL)
					   < 0
			|| register_script_cb(on_failure,
					   PRE_SCRIPT_CB | FAILURE_CB | BRANCH_FAILURE_CB, NULL)
					   < 0
			|| register_script_cb(on_failure_end,
					   POST_SCRIPT_CB | FAILURE_CB | BRANCH_FAILURE_CB, NULL)
					   < 0) {
		LM_ERR("Kamailio takes no callbacks around the script\n");
		return -1;
	}
	return 0;
}
