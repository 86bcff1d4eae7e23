/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/index.h"

#include "policy/decide.h"
#include "policy/value.h"

#define EMPTY ((struct tg_span){NULL, 0})

/* ---- hashing ----------------------------------------------------------- */

/* Both halves of the 128-bit product, folded: two inputs in a few cycles */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u)
						  * (b ^ 0xe7037ed1a0b428dbu);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint32_t tg_pol_hash(struct tg_span s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for(size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if(c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		h = (h ^ c) * 0x100000001b3u;
	}
	return (uint32_t)fold(h, s.len);
}

static uint32_t hash_net(const struct tg_cidr *net, struct tg_span sni)
{
	uint64_t half[2], h;

	memcpy(half, net->addr.octet, sizeof(half));
	h = fold(half[0] ^ net->bits, half[1] ^ net->addr.family);
	if(sni.len)
		h = fold(h, tg_pol_hash(sni));
	return (uint32_t)h;
}

static uint32_t table_mask(size_t n)
{
	uint32_t size = 4;

	while(size < n && size < 1u << 30)
		size *= 2;
	return size - 1;
}

static struct tg_cidr masked(const struct tg_addr *a, unsigned bits)
{
	struct tg_cidr c = {*a, (uint8_t)bits};
	unsigned whole = bits / 8;

	if(bits % 8)
		c.addr.octet[whole++] &= (uint8_t)(0xff00u >> (bits % 8));
	memset(c.addr.octet + whole, 0, sizeof(c.addr.octet) - whole);
	return c;
}

/* ---- matching ---------------------------------------------------------- */

bool tg_pol_cidrs_hold(const struct tg_pol_cidrs *c, const struct tg_addr *a)
{
	if(c->any)
		return true;
	for(size_t i = 0; i < c->n; i++) {
		if(tg_cidr_contains(&c->item[i], a))
			return true;
	}
	return false;
}

bool tg_pol_listener_holds(
		const struct tg_pol_cidrs *c, const struct tg_addr *a)
{
	return c->n == 0 || tg_pol_cidrs_hold(c, a);
}

static struct tg_span without_dot(struct tg_span name)
{
	if(name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool tg_pol_sni_holds(const struct tg_pol_spans *s, struct tg_span sni)
{
	sni = without_dot(sni);
	for(size_t i = 0; i < s->n; i++) {
		if(tg_span_ieq(s->item[i], sni))
			return true;
	}
	return s->n == 0;
}

struct tg_span tg_pol_parent_name(struct tg_span name)
{
	size_t dot = tg_span_find(name, '.');

	if(dot >= name.len)
		return EMPTY;
	return tg_span_of(name.ptr + dot + 1, name.len - dot - 1);
}

/* ---- places: building -------------------------------------------------- */

struct place_build {
	struct tg_pol_places *out;
	struct tg_pol_group *group; /* scratch, room for every entry */
	uint32_t *group_of;         /* entry -> group */
	uint32_t *rule_of;          /* entry -> rule */
	size_t n_entries;
};

static bool cidr_eq(const struct tg_cidr *a, const struct tg_cidr *b)
{
	return a->bits == b->bits && a->addr.family == b->addr.family
		   && memcmp(a->addr.octet, b->addr.octet, sizeof(a->addr.octet)) == 0;
}

static bool cidrs_eq(const struct tg_pol_cidrs *a, const struct tg_pol_cidrs *b)
{
	if(a->n != b->n)
		return false;
	for(size_t i = 0; i < a->n; i++) {
		if(!cidr_eq(&a->item[i], &b->item[i]))
			return false;
	}
	return true;
}

static const struct tg_pol_cidrs every_listener;

static bool is_every(const struct tg_pol_cidrs *listener)
{
	return listener->n == 0 && !listener->any;
}

static bool group_is(const struct tg_pol_group *g, const struct tg_cidr *net,
		struct tg_span sni)
{
	return cidr_eq(&g->net, net) && tg_span_ieq(g->sni ? *g->sni : EMPTY, sni);
}

static void add_entry(struct place_build *b, const struct tg_pol_place *place,
		uint32_t rule, const struct tg_cidr *net, const struct tg_span *sni)
{
	uint32_t *head =
			&b->out->head[hash_net(net, sni ? *sni : EMPTY) & b->out->mask];
	struct tg_pol_group *g = NULL;

	for(uint32_t i = *head; i; i = b->group[i - 1].next) {
		g = &b->group[i - 1];
		if(group_is(g, net, sni ? *sni : EMPTY)
				&& cidrs_eq(g->listener ? g->listener : &every_listener,
						place->listener))
			break;
		g = NULL;
	}
	if(!g) {
		g = &b->group[b->out->n_groups++];
		g->net = *net;
		g->sni = sni;
		g->listener = is_every(place->listener) ? NULL : place->listener;
		g->next = *head;
		*head = (uint32_t)b->out->n_groups;
	}
	g->n++;
	g->transports |= (uint16_t)place->transports;
	g->audit |= !place->enforced;
	g->resumption |= place->resumption;
	if(place->tls_id != TG_POL_TLS_NONE)
		g->tls_mask |= (uint64_t)1 << place->tls_id;
	b->group_of[b->n_entries] = (uint32_t)(g - b->group);
	b->rule_of[b->n_entries++] = rule;
}

static void add_place(struct place_build *b, const struct tg_pol_place *place,
		uint32_t rule, bool seen4[33], bool seen6[129])
{
	static const struct tg_cidr any;
	size_t n_sni = place->sni->n ? place->sni->n : 1;

	b->out->any |= place->address->any;
	b->out->sni |= place->sni->n > 0;
	for(size_t s = 0; s < n_sni; s++) {
		const struct tg_span *sni = place->sni->n ? &place->sni->item[s] : NULL;

		if(place->address->any)
			add_entry(b, place, rule, &any, sni);
		for(size_t i = 0; i < place->address->n; i++) {
			const struct tg_cidr *net = &place->address->item[i];

			(net->addr.family == 4 ? seen4 : seen6)[net->bits] = true;
			add_entry(b, place, rule, net, sni);
		}
	}
}

static size_t count_entries(const struct tg_pol_place *place, size_t n)
{
	size_t sum = 0;

	for(size_t i = 0; i < n; i++)
		sum += (place[i].address->n + place[i].address->any)
			   * (place[i].sni->n ? place[i].sni->n : 1);
	return sum;
}

static uint8_t list_lengths(const bool *seen, unsigned max, uint8_t *out)
{
	uint8_t n = 0;

	for(unsigned bits = max + 1; bits-- > 0;) {
		if(seen[bits])
			out[n++] = (uint8_t)bits;
	}
	return n;
}

/* Rules that enforce come first: a refusal is then named after one of them */
static void fill_members(
		const struct place_build *b, const struct tg_pol_place *place)
{
	struct tg_pol_places *out = b->out;
	uint32_t at = 0;

	for(size_t i = 0; i < out->n_groups; i++) {
		out->group[i].first = at;
		at += out->group[i].n;
		out->group[i].n = 0;
	}
	for(int enforced = 1; enforced >= 0; enforced--) {
		for(size_t i = 0; i < b->n_entries; i++) {
			struct tg_pol_group *g = &out->group[b->group_of[i]];

			if(place[b->rule_of[i]].enforced != (bool)enforced)
				continue;
			if(g->n == 0)
				g->rule = b->rule_of[i];
			out->member[g->first + g->n++] = b->rule_of[i];
		}
	}
}

bool tg_pol_places_build(struct tg_pol_places *out, struct tg_arena *arena,
		struct tg_arena *scratch, const struct tg_pol_place *place, size_t n)
{
	bool seen4[33] = {0}, seen6[129] = {0};
	struct place_build b = {.out = out};
	size_t total = count_entries(place, n);

	memset(out, 0, sizeof(*out));
	out->mask = table_mask(total);
	out->head = tg_arena_array(arena, out->mask + 1, sizeof(*out->head));
	if(!out->head)
		return false;
	if(total == 0)
		return true;
	if(total >= UINT32_MAX)
		return false;
	b.group = tg_arena_lines(scratch, total, sizeof(*b.group));
	b.group_of = tg_arena_array(scratch, total, sizeof(*b.group_of));
	b.rule_of = tg_arena_array(scratch, total, sizeof(*b.rule_of));
	out->member = tg_arena_array(arena, total, sizeof(*out->member));
	if(!b.group || !b.group_of || !b.rule_of || !out->member)
		return false;
	for(size_t i = 0; i < n; i++)
		add_place(&b, &place[i], (uint32_t)i, seen4, seen6);
	out->group = tg_arena_lines(arena, out->n_groups, sizeof(*out->group));
	if(!out->group)
		return false;
	memcpy(out->group, b.group, out->n_groups * sizeof(*out->group));
	fill_members(&b, place);
	out->n_bits[0] = list_lengths(seen4, 32, out->bits4);
	out->n_bits[1] = list_lengths(seen6, 128, out->bits6);
	return true;
}

bool tg_pol_places_pair(struct tg_pol_places *in, struct tg_pol_places *at,
		struct tg_arena *arena, struct tg_arena *scratch,
		struct tg_pol_place *place, size_t n)
{
	static const struct tg_pol_spans every_sni;
	bool same = true;

	if(!tg_pol_places_build(in, arena, scratch, place, n))
		return false;
	for(size_t i = 0; i < n; i++) {
		same = same && !place[i].listener->n && !place[i].sni->n;
		place[i].listener = &every_listener;
		place[i].sni = &every_sni;
	}
	if(same) {
		*at = *in;
		return true;
	}
	return tg_pol_places_build(at, arena, scratch, place, n);
}

/* ---- places: walking --------------------------------------------------- */

void tg_pol_walk_init(struct tg_pol_walk *w, const struct tg_pol_places *places,
		const struct tg_pol_conn *conn)
{
	memset(w, 0, sizeof(*w));
	w->places = places;
	w->conn = conn;
	w->sni = without_dot(conn->sni);
	if(conn->remote.family == 4) {
		w->bits = places->bits4;
		w->n_bits = places->n_bits[0];
	} else if(conn->remote.family == 6) {
		w->bits = places->bits6;
		w->n_bits = places->n_bits[1];
	} else {
		w->at = UINT8_MAX; /* no address fits no rule, not even any */
	}
}

/*
 * The order of look-ups: each prefix length, then address = any; each of them
 * with the SNI of the connection and with none.
 */
static bool next_chain(struct tg_pol_walk *w)
{
	const struct tg_pol_places *p = w->places;
	bool with_sni;

	for(;;) {
		if(w->at > w->n_bits || (w->at == w->n_bits && !p->any))
			return false;
		with_sni = w->stage == 0;
		if(with_sni) {
			static const struct tg_cidr any;

			w->net = w->at < w->n_bits
							 ? masked(&w->conn->remote, w->bits[w->at])
							 : any;
			w->stage = 1;
			if(!p->sni || !w->sni.len)
				continue;
		} else {
			w->stage = 0;
			w->at++;
		}
		w->next =
				p->head[hash_net(&w->net, with_sni ? w->sni : EMPTY) & p->mask];
		return true;
	}
}

const struct tg_pol_group *tg_pol_walk_next(struct tg_pol_walk *w)
{
	for(;;) {
		while(w->next) {
			const struct tg_pol_group *g = &w->places->group[w->next - 1];

			w->next = g->next;
			/* stage 1 means that the chain with the SNI is being read */
			if(group_is(g, &w->net, w->stage == 1 ? w->sni : EMPTY)
					&& (!g->listener
							|| tg_pol_listener_holds(
									g->listener, &w->conn->local)))
				return g;
		}
		if(!next_chain(w))
			return NULL;
	}
}

/* ---- names ------------------------------------------------------------- */

struct name_build {
	struct tg_pol_names *out;
	uint32_t *tail; /* of each chain: index + 1; 0: it is the head */
};

static uint8_t tag_of(uint32_t hash)
{
	return (uint8_t)(hash >> 24);
}

/* To the end of its chain: the order is that of the peers */
static void add_name(struct name_build *b, uint32_t peer, size_t identity,
		struct tg_span key, enum tg_pol_name_kind kind)
{
	struct tg_pol_names *out = b->out;
	uint32_t hash = tg_pol_hash(key);
	uint32_t chain = hash & out->mask;
	struct tg_pol_name_entry *e = &out->head[chain];

	if(e->peer) {
		uint32_t tail = b->tail[chain];

		e = tail ? &out->entry[tail - 1] : e;
		e->next = b->tail[chain] = (uint32_t)++out->n;
		e = &out->entry[out->n - 1];
	}
	e->peer = peer + 1;
	e->identity = (uint16_t)identity;
	e->kind = (uint8_t)kind;
	e->tag = tag_of(hash);
}

const struct tg_pol_name_entry *tg_pol_names_next(
		const struct tg_pol_names *names, uint32_t hash,
		const struct tg_pol_name_entry *at)
{
	if(!at) {
		at = &names->head[hash & names->mask];
		if(at->peer && at->tag == tag_of(hash))
			return at;
	}
	while(at->next) {
		at = &names->entry[at->next - 1];
		if(at->tag == tag_of(hash))
			return at;
	}
	return NULL;
}

/* A name of another kind than its identities; empty: an address, or one of them */
static struct tg_span called_name(
		const struct tg_pol_peer *peer, struct tg_span name)
{
	const struct tg_span none = {NULL, 0};
	struct tg_addr addr;

	if(name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	if(!name.len || tg_addr_parse(name, &addr))
		return none;
	for(size_t i = 0; i < peer->identity.n; i++) {
		if(tg_span_ieq(peer->identity.item[i], name))
			return none;
	}
	return name;
}

static struct tg_span called(const struct tg_pol_peer *peer, size_t i)
{
	struct tg_span host = {NULL, 0};
	uint16_t port;

	if(i >= peer->next_hop.n)
		host = peer->domain.item[i - peer->next_hop.n];
	else if(!tg_next_hop_split(peer->next_hop.item[i], &host, &port))
		host.len = 0;
	return called_name(peer, host);
}

static size_t count_names_of(const struct tg_pol_peer *peer)
{
	size_t n = peer->identity.n * (peer->wildcard ? 2 : 1);

	for(size_t i = 0; i < peer->next_hop.n + peer->domain.n; i++)
		n += called(peer, i).len > 0;
	return n;
}

static void add_names_of(
		struct name_build *b, const struct tg_pol_peer *peer, uint32_t i)
{
	for(size_t k = 0; k < peer->identity.n; k++) {
		struct tg_span name = peer->identity.item[k];

		add_name(b, i, k, name, TG_POL_NAME_IDENTITY);
		if(peer->wildcard)
			add_name(b, i, k, tg_pol_parent_name(name), TG_POL_NAME_PARENT);
	}
	for(size_t k = 0; k < peer->next_hop.n + peer->domain.n; k++) {
		struct tg_span name = called(peer, k);

		if(name.len)
			add_name(b, i, 0, name, TG_POL_NAME_CALLED);
	}
}

bool tg_pol_names_build(struct tg_pol_names *out, struct tg_arena *arena,
		struct tg_arena *scratch, const struct tg_pol_peer *peer, size_t n)
{
	struct name_build b = {.out = out};
	struct tg_pol_name_entry *others;
	size_t total = 0;

	memset(out, 0, sizeof(*out));
	for(size_t i = 0; i < n; i++)
		total += count_names_of(&peer[i]);
	if(total >= UINT32_MAX)
		return false;
	out->mask = table_mask(total);
	out->head = tg_arena_lines(arena, out->mask + 1, sizeof(*out->head));
	if(!out->head)
		return false;
	if(total == 0)
		return true;
	b.tail = tg_arena_array(scratch, out->mask + 1, sizeof(*b.tail));
	out->entry = tg_arena_array(scratch, total, sizeof(*out->entry));
	if(!b.tail || !out->entry)
		return false;
	for(size_t i = 0; i < n; i++)
		add_names_of(&b, &peer[i], (uint32_t)i);
	others = out->n ? tg_arena_array(arena, out->n, sizeof(*others)) : NULL;
	if(out->n && !others)
		return false;
	if(others)
		memcpy(others, out->entry, out->n * sizeof(*others));
	out->entry = others;
	return true;
}

/* ---- labels ------------------------------------------------------------ */

static struct tg_span label_of(const void *objects, size_t size, size_t i)
{
	struct tg_span name;

	memcpy(&name, (const char *)objects + i * size, sizeof(name));
	return name;
}

bool tg_pol_labels_init(
		struct tg_pol_labels *l, struct tg_arena *arena, size_t n)
{
	l->mask = table_mask(n + n / 3 + 1);
	l->slot = tg_arena_array(arena, (size_t)l->mask + 1, sizeof(*l->slot));
	return l->slot != NULL;
}

size_t tg_pol_labels_put(
		struct tg_pol_labels *l, const void *objects, size_t size, size_t i)
{
	struct tg_span name = label_of(objects, size, i);
	uint32_t at = tg_pol_hash(name) & l->mask;

	for(; l->slot[at]; at = (at + 1) & l->mask) {
		if(tg_span_eq(label_of(objects, size, l->slot[at] - 1), name))
			return l->slot[at] - 1;
	}
	l->slot[at] = (uint32_t)i + 1;
	return i;
}

size_t tg_pol_labels_find(const struct tg_pol_labels *l, const void *objects,
		size_t size, struct tg_span name)
{
	uint32_t at = tg_pol_hash(name) & l->mask;

	for(; l->slot && l->slot[at]; at = (at + 1) & l->mask) {
		if(tg_span_eq(label_of(objects, size, l->slot[at] - 1), name))
			return l->slot[at] - 1;
	}
	return SIZE_MAX;
}
