/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 1, the policy's half: what a handshake must ask for, and which peers a
 * certificate may prove. The certificate itself is judged in judge/.
 */
#include <stddef.h>

#include "policy/builtin.h"
#include "policy/verdict.h"

#define OUT_PEERS_MAX 64

/* ---- what to offer ----------------------------------------------------- */

static bool has_item(struct tg_span list, struct tg_span item)
{
	while(list.len) {
		if(tg_span_ieq(tg_span_cut(&list, ':'), item))
			return true;
	}
	return false;
}

/*
 * Adds the items of more that list lacks: OpenSSL refuses a group that stands
 * twice. What does not fit is not offered: refused rather than too much.
 */
static void join_items(
		char *at, size_t room, struct tg_span more, struct tg_span *list)
{
	while(more.len) {
		struct tg_span item = tg_span_cut(&more, ':');

		if(!item.len || item.len + 2 > room - list->len
				|| has_item(*list, item))
			continue;
		if(list->len)
			at[list->len++] = ':';
		memcpy(at + list->len, item.ptr, item.len);
		list->len += item.len;
	}
}

/* One list of the union: those of all profiles in the mask, ':' between */
static struct tg_span join_lists(const struct tg_pol *p, uint64_t mask,
		size_t offset, struct tg_pol_admission *out, size_t *used)
{
	struct tg_span list = {out->joined_text + *used, 0};
	char *at = out->joined_text + *used;
	size_t room = sizeof(out->joined_text) - *used;

	for(size_t i = 0; i < p->n_tls; i++) {
		struct tg_span more;

		if(!(mask >> i & 1))
			continue;
		memcpy(&more, (const char *)&p->tls[i] + offset, sizeof(more));
		join_items(at, room, more, &list);
	}
	if(room == 0)
		return tg_span_of("", 0);
	at[list.len] = 0;
	*used += list.len + 1;
	return list;
}

static const struct tg_pol_tls *offer(
		const struct tg_pol *p, uint64_t mask, struct tg_pol_admission *out)
{
	struct tg_pol_tls *j = &out->joined;
	size_t used = 0;

	for(size_t i = 0; i < p->n_tls; i++) {
		const struct tg_pol_tls *tls = &p->tls[i];

		if(!(mask >> i & 1))
			continue;
		if(mask == (uint64_t)1 << i)
			return tls;
		if(!j->max_version) {
			*j = *tls;
			continue;
		}
		if(tls->min_version < j->min_version)
			j->min_version = tls->min_version;
		if(tls->max_version > j->max_version)
			j->max_version = tls->max_version;
		if(tls->min_rsa_bits < j->min_rsa_bits)
			j->min_rsa_bits = tls->min_rsa_bits;
		if(tls->min_ec_bits < j->min_ec_bits)
			j->min_ec_bits = tls->min_ec_bits;
		j->legacy = j->legacy || tls->legacy;
		j->fips = j->fips && tls->fips;
	}
	j->name = TG_SPAN("union");
	j->ciphers = join_lists(
			p, mask, offsetof(struct tg_pol_tls, ciphers), out, &used);
	j->ciphersuites = join_lists(
			p, mask, offsetof(struct tg_pol_tls, ciphersuites), out, &used);
	j->groups = join_lists(
			p, mask, offsetof(struct tg_pol_tls, groups), out, &used);
	return j;
}

/* ---- inbound ----------------------------------------------------------- */

struct candidates {
	const struct tg_pol_peer *first; /* longest prefix, enforced ones before */
	uint64_t tls_mask;
	bool audit;      /* one of them is in audit mode */
	bool resumption; /* one of them may resume */
};

static struct candidates find_candidates(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_trace *trace)
{
	struct candidates found = {NULL, 0, false, false};
	const struct tg_pol_group *g;
	struct tg_pol_walk w;

	tg_pol_walk_init(&w, &p->peers_in, conn);
	while((g = tg_pol_walk_next(&w))) {
		if(!(g->transports & TG_POL_TR_BIT(conn->transport)))
			continue;
		if(!found.first)
			found.first = &p->peer[g->rule];
		found.tls_mask |= g->tls_mask;
		found.audit |= g->audit;
		found.resumption |= g->resumption;
		for(uint32_t i = 0; trace && i < g->n; i++) {
			const uint32_t *member = p->peers_in.member + g->first;
			struct tg_where where = tg_pol_peer_where(
					&p->peer[member[i]], TG_POL_PEER_KEY_ADDRESS);

			tg_pol_step(trace, &where, "candidate: peer %.*s",
					TG_SPAN_FMT(p->peer[member[i]].name));
		}
	}
	return found;
}

/* Nobody fits: is it a stranger, or one of ours on the wrong transport? */
static void refuse_inbound(const struct tg_pol *p,
		const struct tg_pol_conn *conn, struct tg_pol_verdict *out)
{
	struct tg_pol_found_peer peer = tg_pol_find_bare_peer(p, conn);
	struct tg_pol_found_clients clients = tg_pol_find_clients(p, conn);
	unsigned bit = TG_POL_TR_BIT(conn->transport);

	if(peer.near && !(peer.near->transports & bit))
		tg_pol_deny(out, TG_REASON_WRONG_TRANSPORT, peer.near, NULL,
				tg_pol_peer_where(peer.near, TG_POL_PEER_KEY_TRANSPORT));
	else if(peer.near)
		tg_pol_deny(out, TG_REASON_UNDECLARED, peer.near, NULL,
				tg_pol_peer_where(peer.near, TG_POL_PEER_KEY_SNI));
	else if(clients.near)
		tg_pol_deny(out, TG_REASON_WRONG_TRANSPORT, NULL, clients.near,
				tg_pol_clients_where(
						clients.near, TG_POL_CLIENTS_KEY_TRANSPORT));
	else
		tg_pol_deny(out, TG_REASON_UNDECLARED, NULL, NULL, p->where);
}

static void admit_inbound(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_trace *trace,
		struct tg_pol_admission *out)
{
	struct candidates peers = find_candidates(p, conn, trace);
	const struct tg_pol_clients *clients = tg_pol_find_clients(p, conn).fit;
	uint64_t mask = peers.tls_mask;

	if(clients) {
		struct tg_where where =
				tg_pol_clients_where(clients, TG_POL_CLIENTS_KEY_ADDRESS);

		tg_pol_step(trace, &where, "without a certificate: clients %.*s",
				TG_SPAN_FMT(clients->name));
		mask |= tg_pol_tls_bit(p, clients->tls);
		out->clients = clients;
		out->limits = clients->limits;
		tg_pol_allow(&out->verdict, NULL, clients, where);
	} else if(peers.first) {
		tg_pol_allow(&out->verdict, NULL, NULL, peers.first->where);
	} else {
		refuse_inbound(p, conn, &out->verdict);
	}
	out->resumption = peers.resumption || (clients && clients->resumption);
	out->request_certificate = peers.first != NULL;
	out->require_certificate =
			peers.first && !clients && !peers.audit && p->mode != TG_POL_AUDIT;
	/* an undeclared source that audit mode lets in */
	if(!mask)
		mask = (uint64_t)1 << tg_builtin_tls_default(p->profile);
	out->tls = offer(p, mask, out);
}

/* ---- outbound ---------------------------------------------------------- */

static void admit_outbound(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_trace *trace,
		struct tg_pol_admission *out)
{
	const struct tg_pol_peer *wanted[OUT_PEERS_MAX];
	size_t n = tg_pol_wanted_peers(p, conn, wanted, OUT_PEERS_MAX);
	uint64_t mask = 0;

	if(n > OUT_PEERS_MAX) {
		/* too many to name: the union over all of them would offer more
		 * than any of them asks for */
		tg_pol_deny(&out->verdict, TG_REASON_AMBIGUOUS, NULL, NULL, p->where);
		n = 0;
	} else if(n == 0) {
		tg_pol_deny(&out->verdict, TG_REASON_EGRESS_UNDECLARED, NULL, NULL,
				p->where);
	} else {
		tg_pol_allow(&out->verdict, n == 1 ? wanted[0] : NULL, NULL,
				wanted[0]->where);
	}
	for(size_t i = 0; i < n; i++) {
		struct tg_where where =
				tg_pol_peer_where(wanted[i], TG_POL_PEER_KEY_ADDRESS);

		tg_pol_step(trace, &where, "wanted: peer %.*s",
				TG_SPAN_FMT(wanted[i]->name));
		mask |= tg_pol_tls_bit(p, wanted[i]->tls);
	}
	out->request_certificate = true;
	out->require_certificate = true;
	if(!mask)
		mask = (uint64_t)1 << tg_builtin_tls_default(p->profile);
	out->tls = offer(p, mask, out);
}

void tg_pol_admit(const struct tg_pol *p, const struct tg_pol_conn *conn,
		const struct tg_pol_trace *trace, struct tg_pol_admission *out)
{
	/* joined_text is written before it is read */
	memset(out, 0, offsetof(struct tg_pol_admission, joined_text));
	out->limits = p->limits;
	if(!TG_POL_TR_IS_TLS(conn->transport))
		tg_pol_deny(
				&out->verdict, TG_REASON_TLS_REQUIRED, NULL, NULL, p->where);
	else if(conn->direction == TG_POL_IN)
		admit_inbound(p, conn, trace, out);
	else
		admit_outbound(p, conn, trace, out);
	tg_pol_finish(p, trace, &out->verdict);
}

/* ---- who a certificate may prove --------------------------------------- */

/* "*.x" against identities below x: exactly one label more */
static bool name_proves(const struct tg_pol_peer *peer, struct tg_span identity,
		struct tg_span name)
{
	if(tg_span_ieq(identity, name))
		return true;
	return peer->wildcard && tg_span_starts(name, TG_SPAN("*."))
		   && tg_span_ieq(tg_pol_parent_name(identity),
				   tg_span_of(name.ptr + 2, name.len - 2));
}

static struct tg_span without_dot(struct tg_span name)
{
	if(name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool tg_pol_peer_has_name(const struct tg_pol_peer *peer, struct tg_span name)
{
	name = without_dot(name);
	for(size_t i = 0; name.len && i < peer->identity.n; i++) {
		if(name_proves(peer, peer->identity.item[i], name))
			return true;
	}
	return false;
}

static bool place_fits(
		const struct tg_pol_peer *peer, const struct tg_pol_conn *conn)
{
	return (peer->transports & TG_POL_TR_BIT(conn->transport))
		   && conn->remote.family
		   && tg_pol_cidrs_hold(&peer->address, &conn->remote)
		   && (conn->direction == TG_POL_OUT
				   || (tg_pol_listener_holds(&peer->listener, &conn->local)
						   && tg_pol_sni_holds(&peer->sni, conn->sni)));
}

/* Adds the peers that one name proves; stops at max + 1 */
static size_t add_by_name(const struct tg_pol *p,
		const struct tg_pol_conn *conn, struct tg_span name,
		const struct tg_pol_peer **out, size_t n, size_t max)
{
	const struct tg_pol_names *names = &p->names;
	const struct tg_pol_name_entry *e = NULL;
	struct tg_span key;
	uint32_t hash;
	bool wildcard;

	name = without_dot(name);
	wildcard = tg_span_starts(name, TG_SPAN("*."));
	key = wildcard ? tg_span_of(name.ptr + 2, name.len - 2) : name;
	hash = tg_pol_hash(key);
	while(n <= max && (e = tg_pol_names_next(names, hash, e))) {
		const struct tg_pol_peer *peer = &p->peer[e->peer - 1];
		bool known = false;

		if(e->kind != (wildcard ? TG_POL_NAME_PARENT : TG_POL_NAME_IDENTITY)
				|| !name_proves(peer, peer->identity.item[e->identity], name)
				|| !peer->trust || !place_fits(peer, conn))
			continue;
		for(size_t k = 0; k < n && k < max; k++)
			known = known || out[k] == peer;
		if(known)
			continue;
		if(n < max)
			out[n] = peer;
		n++;
	}
	return n;
}

bool tg_pol_is_identity(const struct tg_pol *p, struct tg_span name)
{
	const struct tg_pol_name_entry *e = NULL;
	uint32_t hash;

	name = without_dot(name);
	hash = tg_pol_hash(name);
	while((e = tg_pol_names_next(&p->names, hash, e))) {
		if(e->kind == TG_POL_NAME_IDENTITY
				&& tg_span_ieq(
						p->peer[e->peer - 1].identity.item[e->identity], name))
			return true;
	}
	return false;
}

static bool has_name(const struct tg_pol *p, struct tg_span key,
		struct tg_span name, bool parent)
{
	const struct tg_pol_name_entry *e = NULL;
	uint32_t hash = tg_pol_hash(key);

	while((e = tg_pol_names_next(&p->names, hash, e))) {
		if((e->kind == TG_POL_NAME_PARENT) == parent
				&& tg_pol_peer_is_meant(&p->peer[e->peer - 1], name))
			return true;
	}
	return false;
}

bool tg_pol_is_somebody(const struct tg_pol *p, struct tg_span name)
{
	struct tg_span parent;

	name = without_dot(name);
	parent = tg_pol_parent_name(name);
	return has_name(p, name, name, false)
		   || (parent.len && has_name(p, parent, name, true));
}

size_t tg_pol_candidates(const struct tg_pol *p, const struct tg_pol_conn *conn,
		const struct tg_span *names, size_t n_names,
		const struct tg_pol_peer **out, size_t max)
{
	size_t n = 0;

	for(size_t i = 0; i < n_names; i++) {
		if(names[i].len)
			n = add_by_name(p, conn, names[i], out, n, max);
	}
	return n;
}

const struct tg_pol_peer *tg_pol_peer_by_conn(
		const struct tg_pol *p, const struct tg_pol_conn *conn)
{
	bool inbound = conn->direction == TG_POL_IN;
	const struct tg_pol_places *places = inbound ? &p->peers_in : &p->peers_at;
	const struct tg_pol_group *g;
	struct tg_pol_walk w;

	tg_pol_walk_init(&w, places, conn);
	while((g = tg_pol_walk_next(&w))) {
		if(!(g->transports & TG_POL_TR_BIT(conn->transport)))
			continue;
		for(uint32_t i = 0; i < g->n; i++) {
			const struct tg_pol_peer *peer =
					&p->peer[places->member[g->first + i]];

			if(peer->transports & TG_POL_TR_BIT(conn->transport))
				return peer;
		}
	}
	return NULL;
}

/* Of several at one address, those whose next_hop it is; else all of them */
static size_t by_next_hop(const struct tg_pol_conn *conn,
		const struct tg_pol_peer **peer, size_t n)
{
	size_t kept = 0;

	for(size_t i = 0; i < n; i++) {
		if(peer[i]->next_hop.n
				&& tg_pol_peer_listens(
						peer[i], &conn->remote, conn->remote_port))
			peer[kept++] = peer[i];
	}
	return kept ? kept : n;
}

size_t tg_pol_wanted_peers(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_peer **out,
		size_t max)
{
	struct tg_pol_conn there = *conn;
	const struct tg_pol_group *g;
	struct tg_pol_walk w;
	size_t n = 0;

	there.direction = TG_POL_OUT;
	if(there.sni.len && !tg_span_starts(there.sni, TG_SPAN("*.")))
		n = add_by_name(p, &there, there.sni, out, 0, max);
	if(n)
		return n;
	tg_pol_walk_init(&w, &p->peers_at, &there);
	while((g = tg_pol_walk_next(&w)) && n <= max) {
		if(g->net.addr.family == 0 && n)
			break;
		for(uint32_t i = 0; i < g->n && n <= max; i++) {
			const struct tg_pol_peer *peer =
					&p->peer[p->peers_at.member[g->first + i]];

			if(!(peer->transports & TG_POL_TR_BIT(conn->transport)))
				continue;
			if(n < max)
				out[n] = peer;
			n++;
		}
	}
	/* a name says more than a port */
	return n > 1 && n <= max && !there.sni.len ? by_next_hop(&there, out, n)
											   : n;
}
