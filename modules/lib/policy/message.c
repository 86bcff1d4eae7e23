/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gates 2 and 3: a message that came in, and a route that the script wants
 * to take with it. RFC 3261 (methods), RFC 3325 (P-Asserted-Identity).
 */
#include "policy/verdict.h"

unsigned tg_pol_class_of_method(struct tg_span method)
{
	static const struct {
		struct tg_span method;
		unsigned class;
	} known[] = {
			{TG_SPAN_INIT("INVITE"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("ACK"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("BYE"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("CANCEL"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("UPDATE"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("PRACK"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("INFO"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("REFER"), TG_POL_CLASS_CALL},
			{TG_SPAN_INIT("REGISTER"), TG_POL_CLASS_REGISTER},
			{TG_SPAN_INIT("MESSAGE"), TG_POL_CLASS_IM},
			{TG_SPAN_INIT("PUBLISH"), TG_POL_CLASS_PRESENCE},
			{TG_SPAN_INIT("SUBSCRIBE"), TG_POL_CLASS_PRESENCE},
			{TG_SPAN_INIT("NOTIFY"), TG_POL_CLASS_PRESENCE},
			{TG_SPAN_INIT("SERVICE"), TG_POL_CLASS_SERVICE},
			{TG_SPAN_INIT("OPTIONS"), TG_POL_CLASS_OPTIONS},
			{TG_SPAN_INIT("GET"), TG_POL_CLASS_HTTP},
			{TG_SPAN_INIT("HEAD"), TG_POL_CLASS_HTTP},
			{TG_SPAN_INIT("POST"), TG_POL_CLASS_HTTP},
			{TG_SPAN_INIT("PUT"), TG_POL_CLASS_HTTP},
			{TG_SPAN_INIT("DELETE"), TG_POL_CLASS_HTTP},
	};

	for(size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if(tg_span_eq(method, known[i].method))
			return known[i].class;
	}
	return TG_POL_CLASS_OTHER;
}

/* ---- who sent it ------------------------------------------------------- */

/* The verdict of gate 1 must still fit what it is used for */
static void judge_peer_over_tls(const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	const struct tg_pol_peer *peer = msg->peer;
	struct tg_where where = tg_pol_peer_where(peer, TG_POL_PEER_KEY_ADDRESS);

	tg_pol_step(trace, &where,
			msg->audited ? "audit: taken for peer %.*s"
						 : "certificate verified: peer %.*s",
			TG_SPAN_FMT(peer->name));
	if(!tg_pol_cidrs_hold(&peer->address, &msg->conn.remote)) {
		tg_pol_deny(out, TG_REASON_STALE_VERDICT, peer, NULL, where);
		return;
	}
	where = tg_pol_peer_where(peer, TG_POL_PEER_KEY_TRANSPORT);
	if(peer->transports & TG_POL_TR_BIT(msg->conn.transport))
		tg_pol_allow(out, peer, NULL, where);
	else
		tg_pol_deny(out, TG_REASON_WRONG_TRANSPORT, peer, NULL, where);
}

static void judge_clients_over_tls(const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	const struct tg_pol_clients *c = msg->clients;
	struct tg_where where = tg_pol_clients_where(c, TG_POL_CLIENTS_KEY_ADDRESS);

	tg_pol_step(trace, &where, "no certificate: clients %.*s",
			TG_SPAN_FMT(c->name));
	if(!tg_pol_cidrs_hold(&c->address, &msg->conn.remote)) {
		tg_pol_deny(out, TG_REASON_STALE_VERDICT, NULL, c, where);
		return;
	}
	where = tg_pol_clients_where(c, TG_POL_CLIENTS_KEY_TRANSPORT);
	if(c->transports & TG_POL_TR_BIT(msg->conn.transport))
		tg_pol_allow(out, NULL, c, where);
	else
		tg_pol_deny(out, TG_REASON_WRONG_TRANSPORT, NULL, c, where);
}

/*
 * The handshake offered the union of what its candidates allow; the party
 * that it turned out to be has a profile of its own (A20).
 */
static void judge_tls_version(
		const struct tg_pol_msg *msg, struct tg_pol_verdict *out)
{
	const struct tg_pol_tls *tls =
			out->peer ? out->peer->tls : out->clients->tls;

	if(!msg->tls_version || !tls
			|| (msg->tls_version >= tls->min_version
					&& msg->tls_version <= tls->max_version))
		return;
	tg_pol_deny(out, TG_REASON_TLS_VERSION, out->peer, out->clients,
			out->peer ? tg_pol_peer_where(out->peer, TG_POL_PEER_KEY_TLS)
					  : tg_pol_clients_where(
							  out->clients, TG_POL_CLIENTS_KEY_TLS));
}

static void judge_source_over_tls(const struct tg_pol *p,
		const struct tg_pol_msg *msg, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out)
{
	if(!msg->judged)
		tg_pol_deny(out, TG_REASON_NO_VERDICT, NULL, NULL, p->where);
	else if(msg->audited && !tg_pol_in_audit(p, msg->peer, msg->clients))
		tg_pol_deny(out, TG_REASON_STALE_VERDICT, msg->peer, msg->clients,
				p->where);
	else if(msg->held && msg->peer)
		tg_pol_deny(out, TG_REASON_OCSP_UNKNOWN, msg->peer, NULL,
				tg_pol_peer_where(msg->peer, TG_POL_PEER_KEY_TRUST));
	else if(msg->peer)
		judge_peer_over_tls(msg, trace, out);
	else if(msg->clients)
		judge_clients_over_tls(msg, trace, out);
	else
		tg_pol_deny(out, TG_REASON_UNDECLARED, NULL, NULL, p->where);
	if(out->decision == TG_POL_ALLOW)
		judge_tls_version(msg, out);
}

static void judge_source_in_clear(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out)
{
	struct tg_pol_found_peer peer = tg_pol_find_bare_peer(p, conn);
	struct tg_pol_found_clients clients = {NULL, NULL};

	if(!peer.fit)
		clients = tg_pol_find_clients(p, conn);
	if(peer.fit) {
		tg_pol_allow(out, peer.fit, NULL,
				tg_pol_peer_where(peer.fit, TG_POL_PEER_KEY_TRANSPORT));
		tg_pol_step(trace, &out->rule, "known by its address: peer %.*s",
				TG_SPAN_FMT(peer.fit->name));
	} else if(clients.fit) {
		tg_pol_allow(out, NULL, clients.fit,
				tg_pol_clients_where(
						clients.fit, TG_POL_CLIENTS_KEY_TRANSPORT));
		tg_pol_step(trace, &out->rule, "a net allowed in clear: clients %.*s",
				TG_SPAN_FMT(clients.fit->name));
	} else if(peer.near) {
		tg_pol_deny(out,
				peer.near->trust ? TG_REASON_MTLS_REQUIRED
								 : TG_REASON_WRONG_TRANSPORT,
				peer.near, NULL,
				tg_pol_peer_where(peer.near, TG_POL_PEER_KEY_TRANSPORT));
	} else if(clients.near) {
		tg_pol_deny(out, TG_REASON_TLS_REQUIRED, NULL, clients.near,
				tg_pol_clients_where(
						clients.near, TG_POL_CLIENTS_KEY_TRANSPORT));
	} else {
		tg_pol_deny(out, TG_REASON_UNDECLARED, NULL, NULL, p->where);
	}
}

/* ---- what it says ------------------------------------------------------ */

static bool in_domains(const struct tg_pol_peer *peer, struct tg_span domain)
{
	if(domain.len && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	for(size_t i = 0; i < peer->domain.n; i++) {
		if(tg_span_ieq(peer->domain.item[i], domain))
			return true;
	}
	return false;
}

/*
 * Requests that say who is calling. OPTIONS are probes; ACK, CANCEL and what
 * has a To tag belong to something that was judged before.
 */
static bool claims_identity(const struct tg_pol_msg *msg)
{
	return !msg->in_dialog && !tg_span_eq(msg->method, TG_SPAN("OPTIONS"))
		   && !tg_span_eq(msg->method, TG_SPAN("ACK"))
		   && !tg_span_eq(msg->method, TG_SPAN("CANCEL"));
}

/* A27: a partner speaks for its own domains only */
static bool domains_fit(
		const struct tg_pol_peer *peer, const struct tg_pol_msg *msg)
{
	const size_t max = sizeof(msg->pai_domain) / sizeof(msg->pai_domain[0]);
	size_t n = 0;

	while(n < max && msg->pai_domain[n].len) {
		if(!in_domains(peer, msg->pai_domain[n++]))
			return false;
	}
	/* RFC 3323 section 4.1: the identity then is the asserted one */
	if(n && tg_span_ieq(msg->from_domain, TG_SPAN("anonymous.invalid")))
		return true;
	return in_domains(peer, msg->from_domain);
}

static void judge_domains(const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	struct tg_where where;

	if(!out->peer || !out->peer->domain.n || !claims_identity(msg))
		return;
	where = tg_pol_peer_where(out->peer, TG_POL_PEER_KEY_DOMAINS);
	tg_pol_step(trace, &where, "From '%.*s' against the domains of peer %.*s",
			TG_SPAN_FMT(msg->from_domain), TG_SPAN_FMT(out->peer->name));
	if(!domains_fit(out->peer, msg))
		tg_pol_deny(out, TG_REASON_DOMAIN_DENIED, out->peer, NULL, where);
}

/* A3: messages and presence need TLS, except under the 2013 profile */
static bool class_needs_tls(const struct tg_pol *p, unsigned class)
{
	return p->profile != TG_POL_PROFILE_LYNC2013
		   && (class & (TG_POL_CLASS_IM | TG_POL_CLASS_PRESENCE));
}

static void judge_class(const struct tg_pol *p, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	unsigned class = tg_pol_class_of_method(msg->method);
	struct tg_where where;

	if(out->clients) {
		where = tg_pol_clients_where(out->clients, TG_POL_CLIENTS_KEY_CLASSES);
		tg_pol_step(trace, &where, "class %s of clients %.*s",
				tg_pol_class_name((enum tg_pol_class) class),
				TG_SPAN_FMT(out->clients->name));
		if(!(out->clients->classes & class)) {
			tg_pol_deny(out, TG_REASON_CLASS_DENIED, NULL, out->clients, where);
			return;
		}
	}
	if(!TG_POL_TR_IS_TLS(msg->conn.transport) && class_needs_tls(p, class))
		tg_pol_deny(out, TG_REASON_TLS_REQUIRED, out->peer, out->clients,
				out->rule);
}

/* ---- routes ------------------------------------------------------------ */

static bool names_hold(const struct tg_pol_spans *names, struct tg_span name)
{
	for(size_t i = 0; i < names->n; i++) {
		if(tg_span_eq(names->item[i], name))
			return true;
	}
	return false;
}

bool tg_pol_route_admits(const struct tg_pol_route *r,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients)
{
	if(!r->peers.n && !r->roles && !r->clients.n)
		return true;
	if(peer)
		return (r->roles >> peer->role & 1)
			   || names_hold(&r->peers, peer->name);
	return clients && names_hold(&r->clients, clients->name);
}

static enum tg_reason route_refusal(const struct tg_pol_route *r,
		const struct tg_pol_msg *msg, const struct tg_pol_verdict *party)
{
	if(!tg_pol_route_admits(r, party->peer, party->clients))
		return TG_REASON_ROUTE_DENIED;
	if(msg->method.len && !(r->classes & tg_pol_class_of_method(msg->method)))
		return TG_REASON_CLASS_DENIED;
	if(!r->tls)
		return TG_REASON_NONE;
	if(!TG_POL_TR_IS_TLS(msg->conn.transport))
		return TG_REASON_TLS_REQUIRED;
	if(msg->tls_version < r->tls->min_version
			|| msg->tls_version > r->tls->max_version)
		return TG_REASON_TLS_VERSION;
	return TG_REASON_NONE;
}

/* out holds the party, allowed so far */
static void apply_route(const struct tg_pol_route *r,
		const struct tg_pol_msg *msg, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out)
{
	enum tg_reason reason = route_refusal(r, msg, out);

	tg_pol_step(trace, &r->where, "route %.*s", TG_SPAN_FMT(r->name));
	if(reason != TG_REASON_NONE)
		tg_pol_deny(out, reason, out->peer, out->clients, r->where);
}

/* ---- the gates --------------------------------------------------------- */

static void judge(const struct tg_pol *p, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	if(TG_POL_TR_IS_TLS(msg->conn.transport))
		judge_source_over_tls(p, msg, trace, out);
	else
		judge_source_in_clear(p, &msg->conn, trace, out);
	if(out->decision == TG_POL_ALLOW && msg->method.len)
		judge_class(p, msg, trace, out);
	if(out->decision == TG_POL_ALLOW && msg->method.len)
		judge_domains(msg, trace, out);
	/* holds for every message; a named route adds to it */
	if(out->decision == TG_POL_ALLOW && p->default_route)
		apply_route(p->default_route, msg, trace, out);
}

void tg_pol_judge_message(const struct tg_pol *p, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	judge(p, msg, trace, out);
	tg_pol_finish(p, trace, out);
}

/*
 * Judged from the facts again, so that a route never says yes to what gate 2
 * refused, whatever the host did in between.
 */
void tg_pol_judge_route(const struct tg_pol *p,
		const struct tg_pol_route *route, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	judge(p, msg, NULL, out);
	if(out->decision == TG_POL_ALLOW && route)
		apply_route(route, msg, trace, out);
	tg_pol_finish(p, trace, out);
}
