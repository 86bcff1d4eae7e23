/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Can a connection tell the rules apart? Prefixes are either disjoint or one
 * lies in the other, so a sweep over sorted prefixes that keeps the enclosing
 * ones on a stack meets every overlapping pair, and no other.
 */
#include "policy/rules.h"

#include <stdlib.h>

#include "policy/schema.h"

/* One prefix of one rule */
struct item {
	struct tg_cidr net;
	uint32_t peer; /* UINT32_MAX: it is a client rule */
	uint32_t clients;
};

struct name {
	struct tg_span key;
	uint32_t peer;
	bool wildcard;
};

typedef bool pair_fn(
		struct tg_build *b, const struct item *outer, const struct item *inner);

static int compare_items(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int order =
			memcmp(&a->net.addr.family, &b->net.addr.family, sizeof(uint8_t));

	if(!order)
		order = memcmp(a->net.addr.octet, b->net.addr.octet,
				sizeof(a->net.addr.octet));
	if(!order)
		order = (int)a->net.bits - (int)b->net.bits;
	if(!order) /* by place in the file, so that reports are stable */
		order = a->peer != b->peer        ? (a->peer < b->peer ? -1 : 1)
				: a->clients < b->clients ? -1
										  : a->clients > b->clients;
	return order;
}

/* Calls pair for overlapping items until it returns false for the inner one */
static bool sweep(
		struct tg_build *b, struct item *item, size_t n, pair_fn *pair)
{
	size_t *stack, depth = 0;

	if(n < 2)
		return true;
	stack = malloc(n * sizeof(*stack));
	if(!stack)
		return false;
	qsort(item, n, sizeof(*item), compare_items);
	for(size_t i = 0; i < n; i++) {
		while(depth
				&& !tg_cidr_overlaps(&item[stack[depth - 1]].net, &item[i].net))
			depth--;
		for(size_t k = depth; k-- > 0;) {
			if(!pair(b, &item[stack[k]], &item[i]))
				break;
		}
		stack[depth++] = i;
	}
	free(stack);
	return true;
}

static size_t count_prefixes(const struct tg_pol_cidrs *c)
{
	return c->any ? 2 : c->n;
}

static size_t add_prefixes(struct item *out, const struct tg_pol_cidrs *c,
		uint32_t peer, uint32_t clients)
{
	size_t n = count_prefixes(c);

	for(size_t i = 0; i < n; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		if(c->any)
			out[i].net.addr.family = i ? 6 : 4;
		else
			out[i].net = c->item[i];
		out[i].peer = peer;
		out[i].clients = clients;
	}
	return n;
}

static bool listeners_meet(
		const struct tg_pol_cidrs *a, const struct tg_pol_cidrs *b)
{
	if(!a->n || !b->n)
		return true;
	for(size_t i = 0; i < a->n; i++) {
		for(size_t k = 0; k < b->n; k++) {
			if(tg_cidr_overlaps(&a->item[i], &b->item[k]))
				return true;
		}
	}
	return false;
}

static bool snis_meet(
		const struct tg_pol_spans *a, const struct tg_pol_spans *b)
{
	for(size_t i = 0; i < a->n; i++) {
		if(tg_pol_sni_holds(b, a->item[i]))
			return true;
	}
	return !a->n || !b->n;
}

/* One report a rule, however many prefixes and names it shares */
static bool reported(struct tg_build *b, enum tg_kind kind, uint32_t rule)
{
	struct tg_made *made = &b->made[kind][rule];
	bool was = made->overlaps;

	made->overlaps = true;
	return was;
}

/* Rules of one name are reported as duplicates, not here */

/* ---- rules without certificates ---------------------------------------- */

static bool is_bare(const struct tg_pol_peer *p)
{
	return (p->transports & TG_POL_TR_CLEAR) != 0;
}

static void report_bare_peers(
		struct tg_build *b, uint32_t first, uint32_t second)
{
	const struct tg_pol_peer *peer = b->pol->peer;
	uint32_t low = first < second ? first : second;
	uint32_t high = first < second ? second : first;

	if(reported(b, TG_KIND_PEER, high))
		return;
	tg_build_error(b, tg_made_value_at(&b->made[TG_KIND_PEER][high], "address"),
			"peers '%.*s' and '%.*s' (line %u) are both reached without "
			"certificates and share addresses: nothing tells them apart",
			TG_SPAN_FMT(peer[high].name), TG_SPAN_FMT(peer[low].name),
			peer[low].where.line);
}

static bool bare_peer_and_clients(
		struct tg_build *b, uint32_t peer_id, uint32_t clients_id)
{
	const struct tg_pol_peer *peer = &b->pol->peer[peer_id];
	const struct tg_pol_clients *c = &b->pol->clients[clients_id];

	if(!(peer->transports & c->transports & TG_POL_TR_CLEAR)
			|| !listeners_meet(&peer->listener, &c->listener)
			|| reported(b, TG_KIND_PEER, peer_id))
		return true;
	tg_build_error(b,
			tg_made_value_at(&b->made[TG_KIND_PEER][peer_id], "address"),
			"peer '%.*s' is reached without certificates and shares addresses "
			"and transport with clients '%.*s' (line %u): nothing tells them "
			"apart",
			TG_SPAN_FMT(peer->name), TG_SPAN_FMT(c->name), c->where.line);
	return false;
}

/* Among client rules the longest prefix wins; equal ones have no winner */
static bool two_clients(
		struct tg_build *b, const struct item *outer, const struct item *inner)
{
	const struct tg_pol_clients *x = &b->pol->clients[outer->clients];
	const struct tg_pol_clients *y = &b->pol->clients[inner->clients];

	if(tg_span_eq(x->name, y->name) || outer->net.bits != inner->net.bits
			|| x->address.any != y->address.any
			|| !(x->transports & y->transports)
			|| !listeners_meet(&x->listener, &y->listener)
			|| !snis_meet(&x->sni, &y->sni)
			|| reported(b, TG_KIND_CLIENTS, inner->clients))
		return true;
	tg_build_error(b,
			tg_made_value_at(
					&b->made[TG_KIND_CLIENTS][inner->clients], "address"),
			"clients '%.*s' and '%.*s' (line %u) name the same addresses and "
			"transport: nothing tells them apart",
			TG_SPAN_FMT(y->name), TG_SPAN_FMT(x->name), x->where.line);
	return false;
}

static bool bare_pair(
		struct tg_build *b, const struct item *outer, const struct item *inner)
{
	const struct tg_pol_peer *peer = b->pol->peer;

	if(outer->peer == UINT32_MAX && inner->peer == UINT32_MAX)
		return two_clients(b, outer, inner);
	if(inner->peer == UINT32_MAX)
		return bare_peer_and_clients(b, outer->peer, inner->clients);
	if(outer->peer == UINT32_MAX)
		return bare_peer_and_clients(b, inner->peer, outer->clients);
	if(tg_span_eq(peer[outer->peer].name, peer[inner->peer].name)
			|| !listeners_meet(
					&peer[outer->peer].listener, &peer[inner->peer].listener))
		return true;
	report_bare_peers(b, outer->peer, inner->peer);
	return false;
}

static bool check_bare_rules(struct tg_build *b)
{
	const struct tg_pol *p = b->pol;
	struct item *item;
	size_t n = 0;

	for(size_t i = 0; i < p->n_peer; i++)
		n += is_bare(&p->peer[i]) ? count_prefixes(&p->peer[i].address) : 0;
	for(size_t i = 0; i < p->n_clients; i++)
		n += count_prefixes(&p->clients[i].address);
	if(!n)
		return true;
	item = tg_arena_array(&b->scratch, n, sizeof(*item));
	if(!item)
		return false;
	n = 0;
	for(size_t i = 0; i < p->n_peer; i++) {
		if(is_bare(&p->peer[i]))
			n += add_prefixes(&item[n], &p->peer[i].address, (uint32_t)i, 0);
	}
	for(size_t i = 0; i < p->n_clients; i++)
		n += add_prefixes(
				&item[n], &p->clients[i].address, UINT32_MAX, (uint32_t)i);
	return sweep(b, item, n, bare_pair);
}

/* ---- rules with certificates ------------------------------------------- */

static bool share_ca(const struct tg_pol_trust *a, const struct tg_pol_trust *b)
{
	if(a == b)
		return true;
	for(size_t i = 0; i < a->n_ca; i++) {
		for(size_t k = 0; k < b->n_ca; k++) {
			if(tg_span_eq(a->ca[i].data, b->ca[k].data))
				return true;
		}
	}
	return false;
}

static bool certified_pair(
		struct tg_build *b, const struct item *outer, const struct item *inner)
{
	const struct tg_pol_peer *peer = b->pol->peer;
	uint32_t low = outer->peer < inner->peer ? outer->peer : inner->peer;
	uint32_t high = outer->peer < inner->peer ? inner->peer : outer->peer;
	const struct tg_pol_peer *x = &peer[low], *y = &peer[high];

	if(tg_span_eq(x->name, y->name)
			|| !listeners_meet(&x->listener, &y->listener)
			|| !snis_meet(&x->sni, &y->sni) || !share_ca(x->trust, y->trust)
			|| reported(b, TG_KIND_PEER, high))
		return true;
	tg_build_error(b,
			tg_made_value_at(&b->made[TG_KIND_PEER][high], "identity"),
			"peers '%.*s' and '%.*s' (line %u) take the same certificate in "
			"the same place: identity, trust, address, listener and SNI "
			"overlap",
			TG_SPAN_FMT(y->name), TG_SPAN_FMT(x->name), x->where.line);
	return false;
}

static int compare_names(const void *x, const void *y)
{
	const struct name *a = x, *b = y;
	size_t n = a->key.len < b->key.len ? a->key.len : b->key.len;
	int order = (int)a->wildcard - (int)b->wildcard;

	if(!order && n)
		order = memcmp(a->key.ptr, b->key.ptr, n);
	if(!order && a->key.len != b->key.len)
		order = a->key.len < b->key.len ? -1 : 1;
	if(!order && a->peer != b->peer)
		order = a->peer < b->peer ? -1 : 1;
	return order;
}

static size_t list_names(const struct tg_pol *p, struct name *out)
{
	size_t n = 0;

	for(size_t i = 0; i < p->n_peer; i++) {
		const struct tg_pol_peer *peer = &p->peer[i];

		for(size_t k = 0; peer->trust && k < peer->identity.n; k++) {
			struct tg_span name = peer->identity.item[k];
			struct tg_span parent = tg_pol_parent_name(name);

			if(out)
				out[n] = (struct name){name, (uint32_t)i, false};
			n++;
			if(peer->wildcard && parent.len) {
				if(out)
					out[n] = (struct name){parent, (uint32_t)i, true};
				n++;
			}
		}
	}
	return n;
}

/* Peers that one certificate name could prove */
static bool check_group(struct tg_build *b, const struct name *name, size_t n)
{
	const struct tg_pol_peer *peer = b->pol->peer;
	struct item *item;
	size_t total = 0;
	bool ok;

	for(size_t i = 0; i < n; i++)
		total += count_prefixes(&peer[name[i].peer].address);
	if(n < 2 || total < 2)
		return true;
	item = malloc(total * sizeof(*item));
	if(!item)
		return false;
	total = 0;
	for(size_t i = 0; i < n; i++) {
		if(i && name[i].peer == name[i - 1].peer)
			continue;
		total += add_prefixes(
				&item[total], &peer[name[i].peer].address, name[i].peer, 0);
	}
	ok = sweep(b, item, total, certified_pair);
	free(item);
	return ok;
}

static bool check_certified_rules(struct tg_build *b)
{
	size_t n = list_names(b->pol, NULL), first = 0;
	struct name *name;

	if(!n)
		return true;
	name = tg_arena_array(&b->scratch, n, sizeof(*name));
	if(!name)
		return false;
	list_names(b->pol, name);
	qsort(name, n, sizeof(*name), compare_names);
	for(size_t i = 1; i <= n; i++) {
		if(i < n && name[i].wildcard == name[first].wildcard
				&& tg_span_eq(name[i].key, name[first].key))
			continue;
		if(!check_group(b, &name[first], i - first))
			return false;
		first = i;
	}
	return true;
}

bool tg_overlap_check(struct tg_build *b)
{
	return check_bare_rules(b) && check_certified_rules(b);
}
