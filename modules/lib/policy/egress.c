/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 4: where a message may go. A destination is a declared peer over a
 * transport of its own, or the connection on which a client was judged; all
 * else is denied (B12). RFC 5630 (sips), RFC 3261 section 18.2.2 (replies).
 *
 * A next hop given by name is the peer that the policy calls so, whatever
 * address the name resolved to (A31, RFC 5922 section 4).
 */
#include "policy/value.h"
#include "policy/verdict.h"

#define WANTED_MAX 64

static void deny_peer(struct tg_pol_verdict *out, enum tg_reason reason,
		const struct tg_pol_peer *peer, enum tg_pol_peer_key key)
{
	tg_pol_deny(out, reason, peer, NULL, tg_pol_peer_where(peer, key));
}

static void deny_clients(struct tg_pol_verdict *out, enum tg_reason reason,
		const struct tg_pol_clients *c, enum tg_pol_clients_key key)
{
	tg_pol_deny(out, reason, NULL, c, tg_pol_clients_where(c, key));
}

/* ---- names ------------------------------------------------------------- */

static struct tg_span without_dot(struct tg_span name)
{
	if(name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool is_next_hop(const struct tg_pol_peer *peer, struct tg_span name)
{
	for(size_t i = 0; i < peer->next_hop.n; i++) {
		struct tg_span host;
		uint16_t port;

		if(tg_next_hop_split(peer->next_hop.item[i], &host, &port)
				&& tg_span_ieq(without_dot(host), name))
			return true;
	}
	return false;
}

bool tg_pol_peer_is_called(const struct tg_pol_peer *peer, struct tg_span name)
{
	name = without_dot(name);
	if(!name.len)
		return false;
	for(size_t i = 0; i < peer->identity.n; i++) {
		if(tg_span_ieq(peer->identity.item[i], name))
			return true;
	}
	for(size_t i = 0; i < peer->domain.n; i++) {
		if(tg_span_ieq(peer->domain.item[i], name))
			return true;
	}
	return is_next_hop(peer, name);
}

static bool is_default(uint16_t port)
{
	return port == 5060 || port == 5061;
}

bool tg_pol_peer_listens(const struct tg_pol_peer *peer,
		const struct tg_addr *addr, uint16_t port)
{
	for(size_t i = 0; i < peer->next_hop.n; i++) {
		struct tg_addr at;
		struct tg_span host;
		uint16_t its;

		if(tg_next_hop_split(peer->next_hop.item[i], &host, &its)
				&& (its ? its == port : is_default(port))
				&& (!tg_addr_parse(host, &at) || tg_addr_eq(&at, addr)))
			return true;
	}
	return peer->next_hop.n == 0 && is_default(port);
}

/* "*.x" proves the peer: so may any other first label mean it */
static bool is_sibling(const struct tg_pol_peer *peer, struct tg_span name)
{
	struct tg_span parent = tg_pol_parent_name(without_dot(name));

	for(size_t i = 0; parent.len && i < peer->identity.n; i++) {
		if(tg_span_ieq(tg_pol_parent_name(peer->identity.item[i]), parent))
			return true;
	}
	return false;
}

bool tg_pol_peer_is_meant(const struct tg_pol_peer *peer, struct tg_span name)
{
	return tg_pol_peer_is_called(peer, name)
		   || (peer->wildcard && is_sibling(peer, name));
}

/* A name that is somebody's identity means nobody else */
static bool is_meant(const struct tg_pol *p, const struct tg_pol_peer *peer,
		struct tg_span name)
{
	return tg_pol_peer_is_called(peer, name)
		   || (peer->wildcard && is_sibling(peer, name)
				   && !tg_pol_is_identity(p, name));
}

/*
 * Where no certificate can tell: a name that means a peer goes to that peer or
 * nowhere; one that means nobody is the address it stands for.
 */
static bool name_fits(const struct tg_pol *p, const struct tg_pol_egress *e,
		const struct tg_pol_peer *peer)
{
	return !e->next_hop.len || (peer && is_meant(p, peer, e->next_hop))
		   || !tg_pol_is_somebody(p, e->next_hop);
}

/* ---- TLS --------------------------------------------------------------- */

/* A connection that gate 1 judged must still be where its party may be */
static void judge_existing(const struct tg_pol *p,
		const struct tg_pol_egress *e, struct tg_pol_verdict *out)
{
	unsigned bit = TG_POL_TR_BIT(e->conn.transport);

	if(!e->judged) {
		tg_pol_deny(out, TG_REASON_NO_VERDICT, NULL, NULL, p->where);
	} else if(e->audited && !tg_pol_in_audit(p, e->peer, e->clients)) {
		tg_pol_deny(
				out, TG_REASON_STALE_VERDICT, e->peer, e->clients, p->where);
	} else if(e->held && e->peer) {
		deny_peer(out, TG_REASON_OCSP_UNKNOWN, e->peer, TG_POL_PEER_KEY_TRUST);
	} else if(e->peer) {
		if(!tg_pol_cidrs_hold(&e->peer->address, &e->conn.remote))
			deny_peer(out, TG_REASON_WRONG_PEER, e->peer,
					TG_POL_PEER_KEY_ADDRESS);
		else if(!(e->peer->transports & bit))
			deny_peer(out, TG_REASON_WRONG_TRANSPORT, e->peer,
					TG_POL_PEER_KEY_TRANSPORT);
		else if(e->next_hop.len && !is_meant(p, e->peer, e->next_hop))
			deny_peer(out, TG_REASON_EGRESS_NAME, e->peer,
					TG_POL_PEER_KEY_IDENTITY);
		else
			tg_pol_allow(out, e->peer, NULL, e->peer->where);
	} else if(e->clients) {
		if(!tg_pol_cidrs_hold(&e->clients->address, &e->conn.remote))
			deny_clients(out, TG_REASON_STALE_VERDICT, e->clients,
					TG_POL_CLIENTS_KEY_ADDRESS);
		else if(!(e->clients->transports & bit))
			deny_clients(out, TG_REASON_WRONG_TRANSPORT, e->clients,
					TG_POL_CLIENTS_KEY_TRANSPORT);
		else if(!name_fits(p, e, NULL))
			deny_clients(out, TG_REASON_EGRESS_NAME, e->clients,
					TG_POL_CLIENTS_KEY_ADDRESS);
		else
			tg_pol_allow(out, NULL, e->clients, e->clients->where);
	} else {
		tg_pol_deny(out, TG_REASON_EGRESS_UNDECLARED, NULL, NULL, p->where);
	}
}

/* Peers at the destination, without those that its name does not mean */
static size_t wanted_by_name(const struct tg_pol *p,
		const struct tg_pol_egress *e, const struct tg_pol_peer **out)
{
	struct tg_pol_conn there = e->conn;
	size_t n, kept = 0;

	if(e->next_hop.len)
		there.sni = e->next_hop;
	n = tg_pol_wanted_peers(p, &there, out, WANTED_MAX);
	if(!e->next_hop.len)
		return n;
	for(size_t i = 0; i < n && i < WANTED_MAX; i++) {
		if(is_meant(p, out[i], e->next_hop))
			out[kept++] = out[i];
	}
	return kept;
}

/* A new TLS connection: only to a peer, whose certificate is then asked for */
static void judge_new(const struct tg_pol *p, const struct tg_pol_egress *e,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	const struct tg_pol_peer *wanted[WANTED_MAX];
	size_t n = wanted_by_name(p, e, wanted);
	struct tg_pol_found_peer peer;
	struct tg_pol_found_clients clients;

	for(size_t i = 0; i < n && i < 2; i++) {
		struct tg_where where =
				tg_pol_peer_where(wanted[i], TG_POL_PEER_KEY_ADDRESS);

		tg_pol_step(trace, &where, "may be reached there: peer %.*s",
				TG_SPAN_FMT(wanted[i]->name));
	}
	if(n) {
		tg_pol_allow(out, n == 1 ? wanted[0] : NULL, NULL, wanted[0]->where);
		return;
	}
	if(e->next_hop.len && tg_pol_wanted_peers(p, &e->conn, wanted, 1)) {
		deny_peer(out, TG_REASON_EGRESS_NAME, wanted[0],
				TG_POL_PEER_KEY_IDENTITY);
		return;
	}
	peer = tg_pol_find_bare_peer(p, &e->conn);
	clients = tg_pol_find_clients(p, &e->conn);
	if(peer.near)
		deny_peer(out, TG_REASON_WRONG_TRANSPORT, peer.near,
				TG_POL_PEER_KEY_TRANSPORT);
	else if(clients.fit || clients.near)
		deny_clients(out, TG_REASON_EGRESS_NEW_CLIENT,
				clients.fit ? clients.fit : clients.near,
				TG_POL_CLIENTS_KEY_ADDRESS);
	else
		tg_pol_deny(out, TG_REASON_EGRESS_UNDECLARED, NULL, NULL, p->where);
}

/* ---- in clear ---------------------------------------------------------- */

static void judge_clear_to_clients(const struct tg_pol_egress *e,
		const struct tg_pol_found_clients *c, struct tg_pol_verdict *out)
{
	if(!c->fit)
		deny_clients(out, TG_REASON_TLS_REQUIRED, c->near,
				TG_POL_CLIENTS_KEY_TRANSPORT);
	else if(e->conn.transport != TG_POL_TR_UDP && !e->existing)
		deny_clients(out, TG_REASON_EGRESS_NEW_CLIENT, c->fit,
				TG_POL_CLIENTS_KEY_ADDRESS);
	else
		tg_pol_allow(out, NULL, c->fit,
				tg_pol_clients_where(c->fit, TG_POL_CLIENTS_KEY_TRANSPORT));
}

static void judge_clear(const struct tg_pol *p, const struct tg_pol_egress *e,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	struct tg_pol_found_peer peer = tg_pol_find_bare_peer(p, &e->conn);
	struct tg_pol_found_clients clients = {NULL, NULL};

	if(!peer.fit)
		clients = tg_pol_find_clients(p, &e->conn);
	if(!name_fits(p, e, peer.fit)) {
		tg_pol_deny(out, TG_REASON_EGRESS_NAME, peer.fit,
				peer.fit ? NULL : clients.fit, p->where);
	} else if(peer.fit) {
		tg_pol_allow(out, peer.fit, NULL,
				tg_pol_peer_where(peer.fit, TG_POL_PEER_KEY_TRANSPORT));
		tg_pol_step(trace, &out->rule,
				"reached without certificates: peer %.*s",
				TG_SPAN_FMT(peer.fit->name));
	} else if(clients.fit || (clients.near && !peer.near)) {
		judge_clear_to_clients(e, &clients, out);
	} else if(peer.near) {
		deny_peer(out,
				peer.near->trust ? TG_REASON_MTLS_REQUIRED
								 : TG_REASON_WRONG_TRANSPORT,
				peer.near, TG_POL_PEER_KEY_TRANSPORT);
	} else {
		tg_pol_deny(out, TG_REASON_EGRESS_UNDECLARED, NULL, NULL, p->where);
	}
}

/*
 * A refusal of ours says why and carries nothing else. Over a connection it
 * goes back to who sent the request; over UDP only a declared source gets
 * one, so that nobody can make us answer a forged address.
 */
static void judge_refusal(const struct tg_pol *p, const struct tg_pol_egress *e,
		struct tg_pol_verdict *out)
{
	struct tg_pol_found_peer peer = tg_pol_find_bare_peer(p, &e->conn);
	struct tg_pol_found_clients c = tg_pol_find_clients(p, &e->conn);
	const struct tg_pol_peer *who = peer.fit ? peer.fit : peer.near;

	if(e->conn.transport != TG_POL_TR_UDP && e->existing)
		tg_pol_allow(out, e->peer, e->peer ? NULL : e->clients, p->where);
	else if(who)
		tg_pol_allow(out, who, NULL, who->where);
	else if(c.fit || c.near)
		tg_pol_allow(out, NULL, c.fit ? c.fit : c.near,
				c.fit ? c.fit->where : c.near->where);
	else
		tg_pol_deny(out, TG_REASON_EGRESS_UNDECLARED, NULL, NULL, p->where);
}

void tg_pol_judge_egress(const struct tg_pol *p, const struct tg_pol_egress *e,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out)
{
	bool secure = TG_POL_TR_IS_TLS(e->conn.transport);
	struct tg_pol_egress there = *e;

	there.conn.direction = TG_POL_OUT;
	if(e->refusal && (e->existing || !secure))
		judge_refusal(p, &there, out);
	else if(e->sips && !secure)
		tg_pol_deny(out, TG_REASON_SIPS_DOWNGRADE, NULL, NULL, p->where);
	else if(!secure)
		judge_clear(p, &there, trace, out);
	else if(e->existing)
		judge_existing(p, &there, out);
	else
		judge_new(p, &there, trace, out);
	tg_pol_finish(p, trace, out);
}
