/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Properties over random policies and random facts: a stricter policy never
 * turns a denial into permission; a trace changes nothing; the tables find
 * what a walk over all rules finds. The seed of a failure is printed;
 * TG_SEED=N plays it again (A29).
 */
#include "help.h"

#include <stdlib.h>

#define PEERS 6
#define CLIENTS 3
#define ROUNDS 3000
#define FACTS 40

static uint64_t seed_of_run;
static uint64_t state_of_random;

/* xorshift64*: the same on every machine */
static uint32_t any_number(void)
{
	state_of_random ^= state_of_random >> 12;
	state_of_random ^= state_of_random << 25;
	state_of_random ^= state_of_random >> 27;
	return (uint32_t)((state_of_random * 0x2545f4914f6cdd1du) >> 32);
}

static unsigned below(unsigned n)
{
	return any_number() % n;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

/* ---- a policy before it is text ---------------------------------------- */

static const char *const nets[] = {"192.0.2.1", "192.0.2.2", "192.0.2.0/28",
		"198.51.100.0/24", "198.51.100.7", "2001:db8::/32", "2001:db8::1",
		"10.0.0.0/8", "0.0.0.0/0"};
static const char *const client_nets[] = {
		"198.51.100.0/24", "10.0.0.0/8", "2001:db8::/32"};
static const char *const places[] = {"192.0.2.1", "192.0.2.2", "192.0.2.9",
		"198.51.100.7", "198.51.100.8", "2001:db8::1", "2001:db8::2",
		"10.1.1.1", "::ffff:192.0.2.1", "203.0.113.77", "2001:db9::1"};
static const char *const ids[] = {"a.x.example", "b.x.example", "c.y.example",
		"d.y.example", "e.example.net"};
static const char *const names[] = {"a.x.example", "b.x.example", "c.y.example",
		"*.x.example", "*.y.example", "*.example.net", "e.example.net",
		"x.example", "A.X.example", "d.y.example."};
static const char *const listeners[] = {"203.0.113.1", "203.0.113.2"};
static const char *const snis[] = {"", "one.example", "two.example"};
static const char *const methods[] = {
		"INVITE", "MESSAGE", "REGISTER", "OPTIONS", "NOTIFY", ""};
static const char *const domains[] = {"a.example", "b.example", ""};
static const char *const levels[] = {"required", "supported", "none"};

#define N(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

struct spec_peer {
	unsigned role; /* 0 gateway, 1 server, 2 federation */
	bool audit, bare, wildcard, any;
	unsigned nets;      /* bit mask, never 0 unless any */
	unsigned ids;       /* bit mask */
	unsigned domains;   /* bit mask of the first two; 0 any */
	unsigned listeners; /* bit mask; 0 every one */
	unsigned snis;      /* bit mask of 1 and 2; 0 any */
	bool tcp;           /* beside TLS */
	unsigned level;
};

struct spec_clients {
	bool audit, tcp;
	unsigned classes; /* TG_POL_CLASS bits */
	unsigned listeners;
};

struct spec {
	bool audit;
	unsigned n_peers, n_clients;
	struct spec_peer peer[PEERS];
	struct spec_clients clients[CLIENTS];
	unsigned route_classes; /* of [route default] */
	unsigned route_peers;   /* bit mask of peers that [route r] names; 0 all */
};

static unsigned some_bits(unsigned n)
{
	unsigned mask = below(1u << n);

	mask &= below(1u << n);
	return mask ? mask : 1u << below(n);
}

/* Prefixes of one rule must not overlap: the first of two stays */
static unsigned without_overlap(unsigned mask)
{
	struct tg_cidr c[N(nets)];

	for(unsigned i = 0; i < N(nets); i++) {
		assert_true(tg_cidr_parse(tg_span_cstr(nets[i]), &c[i]));
		for(unsigned k = 0; k < i; k++) {
			if((mask >> i & 1) && (mask >> k & 1)
					&& tg_cidr_overlaps(&c[i], &c[k]))
				mask &= ~(1u << i);
		}
	}
	return mask;
}

static void random_spec(struct spec *s)
{
	memset(s, 0, sizeof(*s));
	s->audit = one_in(8);
	s->n_peers = 1 + below(PEERS);
	s->n_clients = below(CLIENTS + 1);
	for(unsigned i = 0; i < s->n_peers; i++) {
		struct spec_peer *p = &s->peer[i];

		p->role = below(3);
		p->audit = one_in(6);
		p->bare = p->role == 0 && one_in(3);
		p->tcp = p->role == 0 && (p->bare || one_in(4));
		p->any = !p->tcp && one_in(4);
		p->nets = without_overlap(some_bits(p->tcp ? N(nets) - 1 : N(nets)));
		p->ids = some_bits(N(ids));
		p->wildcard = !p->bare && one_in(3);
		p->domains = one_in(2) ? below(4) : 0;
		p->listeners = one_in(3) ? some_bits(2) : 0;
		p->snis = !p->bare && one_in(3) ? some_bits(2) : 0;
		p->level = p->tcp ? 2 : below(3);
	}
	for(unsigned i = 0; i < s->n_clients; i++) {
		s->clients[i].audit = one_in(6);
		s->clients[i].tcp = one_in(3);
		s->clients[i].classes = below(TG_POL_CLASS_ALL + 1) | 1;
		s->clients[i].listeners = one_in(3) ? some_bits(2) : 0;
	}
	s->route_classes =
			one_in(3) ? below(TG_POL_CLASS_ALL + 1) | 2 : TG_POL_CLASS_ALL;
	s->route_peers = one_in(2) ? below(1u << s->n_peers) : 0;
}

/* Takes one bit away, but not the last */
static void drop_bit(unsigned *mask)
{
	if(*mask & (*mask - 1))
		*mask &= *mask - 1;
}

static void tighten_peer(struct spec_peer *p)
{
	switch(below(9)) {
		case 0:
			p->audit = false;
			break;
		case 1:
			drop_bit(&p->nets);
			break;
		case 2:
			drop_bit(&p->ids);
			break;
		case 3:
			p->wildcard = false;
			break;
		case 4:
			if(!p->domains)
				p->domains = some_bits(2);
			break;
		case 5:
			if(!p->listeners)
				p->listeners = some_bits(2);
			break;
		case 6:
			if(!p->snis && !p->bare)
				p->snis = some_bits(2);
			break;
		case 7:
			if(p->any)
				p->any = false;
			break;
		default:
			if(!p->bare)
				p->tcp = false;
			if(!p->tcp && p->level)
				p->level--;
	}
}

static void tighten(struct spec *s)
{
	unsigned steps = 1 + below(4);

	while(steps--) {
		struct spec_clients *c = &s->clients[below(CLIENTS)];

		switch(below(6)) {
			case 0:
				s->audit = false;
				break;
			case 1:
				drop_bit(&c->classes);
				c->audit = false;
				break;
			case 2:
				c->tcp = false;
				break;
			case 3:
				drop_bit(&s->route_classes);
				if(!s->route_peers)
					s->route_peers = some_bits(s->n_peers);
				break;
			default:
				tighten_peer(&s->peer[below(s->n_peers)]);
		}
	}
}

static void write_list(FILE *f, const char *key, const char *const *items,
		unsigned n, unsigned mask)
{
	const char *between = "";

	mask &= (1u << n) - 1;
	if(!mask)
		return;
	fprintf(f, "%s = ", key);
	for(unsigned i = 0; i < n; i++) {
		if(!(mask >> i & 1))
			continue;
		fprintf(f, "%s%s", between, items[i]);
		between = ", ";
	}
	fputc('\n', f);
}

static void write_classes(FILE *f, unsigned mask)
{
	const char *between = "classes = ";

	for(unsigned bit = 1; bit < TG_POL_CLASS_ALL; bit <<= 1) {
		if(!(mask & bit))
			continue;
		fprintf(f, "%s%s", between, tg_pol_class_name((enum tg_pol_class)bit));
		between = ", ";
	}
	fputc('\n', f);
}

static void write_peer(FILE *f, const struct spec_peer *p, unsigned i)
{
	static const char *const roles[] = {"gateway", "server", "federation"};

	fprintf(f, "[peer p%u]\nrole = %s\nmode = %s\n", i, roles[p->role],
			p->audit ? "audit" : "enforce");
	if(p->any)
		fputs("address = any\n", f);
	else
		write_list(f, "address", nets, N(nets), p->nets);
	write_list(f, "listener", listeners, 2, p->listeners);
	if(p->domains)
		write_list(f, "domains", domains, 2, p->domains);
	else
		fputs("domains = any\n", f);
	fprintf(f, "transport = %s\nmedia = m%u\n",
			p->bare  ? "tcp"
			: p->tcp ? "tls, tcp"
					 : "tls",
			p->level);
	if(p->bare)
		return;
	fputs("trust = ours\n", f);
	write_list(f, "identity", ids, N(ids), p->ids);
	write_list(f, "sni", snis + 1, 2, p->snis);
	/* one label above two would be too wide */
	if(p->wildcard)
		fputs("wildcard = yes\n", f);
}

static char *write_spec(const struct spec *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fprintf(f, "[policy]\nmode = %s\n" TRUST, s->audit ? "audit" : "enforce");
	for(unsigned i = 0; i < 3; i++)
		fprintf(f, "[media m%u]\nlevel = %s\n", i, levels[i]);
	for(unsigned i = 0; i < s->n_peers; i++)
		write_peer(f, &s->peer[i], i);
	for(unsigned i = 0; i < s->n_clients; i++) {
		const struct spec_clients *c = &s->clients[i];

		fprintf(f,
				"[clients c%u]\naddress = %s\nmode = %s\ntransport = %s\n"
				"media = none\n",
				i, client_nets[i], c->audit ? "audit" : "enforce",
				c->tcp ? "tls, tcp" : "tls");
		write_list(f, "listener", listeners, 2, c->listeners);
		write_classes(f, c->classes);
	}
	fputs("[route default]\n", f);
	write_classes(f, s->route_classes);
	fputs("[route r]\n", f);
	for(unsigned i = 0, n = 0; i < s->n_peers; i++) {
		if(s->route_peers >> i & 1)
			fprintf(f, "%sp%u", n++ ? ", " : "peers = ", i);
	}
	fputc('\n', f);
	fclose(f);
	return text;
}

/* NULL: this one breaks a load rule */
static struct tg_pol *load_spec(const struct spec *s)
{
	struct tg_pol_host h = help_host();
	char *text = write_spec(s);
	struct tg_diags d;
	struct tg_pol *p;

	tg_diags_init(&d, &tg_alloc_libc);
	p = tg_pol_load_text(&h, tg_span_cstr(text), "t", &d);
	tg_diags_deinit(&d);
	free(text);
	return p;
}

/* ---- facts ------------------------------------------------------------- */

struct fact {
	struct tg_pol_conn conn;
	const char *name; /* in the certificate */
	unsigned peer;    /* whom gate 1 proved; PEERS: nobody */
	unsigned clients; /* or clients; CLIENTS: nobody */
	const char *method;
	const char *domain;
	bool in_dialog, existing, sips, refusal;
};

static void random_fact(struct fact *f)
{
	memset(f, 0, sizeof(*f));
	f->conn = conn_in(
			(enum tg_pol_transport)(1 + below(5)), places[below(N(places))]);
	assert_true(
			tg_addr_parse(tg_span_cstr(listeners[below(2)]), &f->conn.local));
	f->conn.sni = tg_span_cstr(snis[below(3)]);
	f->name = names[below(N(names))];
	f->peer = below(PEERS + 1);
	f->clients = f->peer == PEERS ? below(CLIENTS + 1) : CLIENTS;
	f->method = methods[below(N(methods))];
	f->domain = domains[below(3)];
	f->in_dialog = one_in(3);
	f->existing = one_in(2);
	f->sips = one_in(4);
	f->refusal = one_in(8);
}

static struct tg_pol_msg message_of(
		const struct tg_pol *p, const struct fact *f)
{
	return (struct tg_pol_msg){.conn = f->conn,
			.judged = true,
			.peer = tg_pol_peer_at(p, f->peer),
			.clients = tg_pol_clients_at(p, f->clients),
			.method = tg_span_cstr(f->method),
			.in_dialog = f->in_dialog,
			.from_domain = tg_span_cstr(f->domain)};
}

static struct tg_pol_egress egress_of(
		const struct tg_pol *p, const struct fact *f)
{
	return (struct tg_pol_egress){.conn = f->conn,
			.existing = f->existing,
			.judged = f->existing,
			.peer = tg_pol_peer_at(p, f->peer),
			.clients = tg_pol_clients_at(p, f->clients),
			.sips = f->sips,
			.refusal = f->refusal};
}

#define GATES 4

static void nothing(void *ctx, const struct tg_where *where, const char *text)
{
	*(unsigned *)ctx += where->line + (text[0] != 0);
}

/* The verdicts of all gates; with a trace or without */
static void ask(const struct tg_pol *p, const struct fact *f,
		const struct tg_pol_trace *trace, struct tg_pol_verdict v[GATES])
{
	const struct tg_pol_msg msg = message_of(p, f);
	const struct tg_pol_egress egress = egress_of(p, f);
	const struct tg_pol_route *r = tg_pol_route_by_name(p, TG_SPAN("r"));
	struct tg_pol_admission adm;

	tg_pol_admit(p, &f->conn, trace, &adm);
	v[0] = adm.verdict;
	tg_pol_judge_message(p, &msg, trace, &v[1]);
	tg_pol_judge_route(p, r, &msg, trace, &v[2]);
	tg_pol_judge_egress(p, &egress, trace, &v[3]);
}

static bool permits(const struct tg_pol_verdict *v)
{
	return v->decision == TG_POL_ALLOW && !v->audited;
}

/* ---- properties -------------------------------------------------------- */

static void stricter_candidates_are_fewer(const struct tg_pol *strict,
		const struct tg_pol *loose, const struct fact *f)
{
	const struct tg_pol_peer *a[PEERS], *b[PEERS];
	struct tg_span name = tg_span_cstr(f->name);
	size_t n = tg_pol_candidates(strict, &f->conn, &name, 1, a, PEERS);
	size_t m = tg_pol_candidates(loose, &f->conn, &name, 1, b, PEERS);

	for(size_t i = 0; i < n; i++) {
		bool found = false;

		for(size_t k = 0; k < m; k++)
			found = found || a[i]->id == b[k]->id;
		assert_true(found);
	}
}

static void stricter_media_is_no_weaker(
		const struct tg_pol *strict, const struct tg_pol *loose)
{
	for(size_t i = 0; i < tg_pol_peer_count(strict); i++) {
		const struct tg_pol_media *s =
				tg_pol_media_for(strict, tg_pol_peer_at(strict, i), NULL, NULL);
		const struct tg_pol_media *l =
				tg_pol_media_for(loose, tg_pol_peer_at(loose, i), NULL, NULL);

		assert_true(s->level <= l->level);
	}
}

static void show(
		const struct fact *f, unsigned gate, const struct tg_pol_verdict *v)
{
	char address[TG_ADDR_TEXT_OCTETS];

	print_error(
			"gate %u: %s %s sni '%.*s' peer %u clients %u %s: %s, line %u\n",
			gate + 1, tg_pol_transport_name(f->conn.transport),
			tg_addr_format(&f->conn.remote, address), TG_SPAN_FMT(f->conn.sni),
			f->peer, f->clients, f->method, tg_reason_get(v->reason)->id,
			v->rule.line);
}

static void compare(const struct tg_pol *strict, const struct tg_pol *loose)
{
	stricter_media_is_no_weaker(strict, loose);
	for(unsigned i = 0; i < FACTS; i++) {
		struct tg_pol_verdict a[GATES], b[GATES];
		struct fact f;

		random_fact(&f);
		/* naming an address makes it a place that refusals may go to */
		f.refusal = false;
		ask(strict, &f, NULL, a);
		ask(loose, &f, NULL, b);
		for(unsigned g = 0; g < GATES; g++) {
			bool turned = permits(&a[g]) && b[g].decision == TG_POL_DENY;

			if(turned)
				show(&f, g, &b[g]);
			assert_false(turned);
		}
		stricter_candidates_are_fewer(strict, loose, &f);
	}
}

/* A round with what it drew; the seed of a failed one is on the screen */
static void begin(unsigned round)
{
	state_of_random = seed_of_run + round * 0x9e3779b97f4a7c15u;
	if(!state_of_random)
		state_of_random = 1;
}

static void a_stricter_policy_never_turns_deny_into_allow(void **state)
{
	unsigned compared = 0;

	(void)state;
	for(unsigned round = 0; round < ROUNDS; round++) {
		struct spec s;
		struct tg_pol *loose, *strict;

		begin(round);
		random_spec(&s);
		loose = load_spec(&s);
		if(!loose)
			continue;
		tighten(&s);
		strict = load_spec(&s);
		if(strict) {
			compare(strict, loose);
			compared++;
		}
		tg_pol_free(strict);
		tg_pol_free(loose);
	}
	/* a generator that hits load rules all the time proves nothing */
	assert_true(compared > ROUNDS / 20);
}

static void a_trace_changes_no_verdict(void **state)
{
	unsigned steps = 0;
	const struct tg_pol_trace trace = {nothing, &steps};

	(void)state;
	for(unsigned round = 0; round < ROUNDS; round++) {
		struct spec s;
		struct tg_pol *p;

		begin(round);
		random_spec(&s);
		p = load_spec(&s);
		for(unsigned i = 0; p && i < FACTS; i++) {
			struct tg_pol_verdict a[GATES] = {0}, b[GATES] = {0};
			struct fact f;

			random_fact(&f);
			ask(p, &f, NULL, a);
			ask(p, &f, &trace, b);
			for(unsigned g = 0; g < GATES; g++) {
				assert_int_equal(a[g].decision, b[g].decision);
				assert_int_equal(a[g].reason, b[g].reason);
				assert_ptr_equal(a[g].peer, b[g].peer);
				assert_ptr_equal(a[g].clients, b[g].clients);
				assert_int_equal(a[g].rule.line, b[g].rule.line);
			}
		}
		tg_pol_free(p);
	}
	assert_true(steps > 0);
}

/* Every denial has its reason, every permission a party */
static void verdicts_are_whole(void **state)
{
	(void)state;
	for(unsigned round = 0; round < ROUNDS; round++) {
		struct spec s;
		struct tg_pol *p;

		begin(round);
		random_spec(&s);
		p = load_spec(&s);
		for(unsigned i = 0; p && i < FACTS; i++) {
			struct tg_pol_verdict v[GATES];
			struct fact f;

			random_fact(&f);
			ask(p, &f, NULL, v);
			for(unsigned g = 0; g < GATES; g++) {
				assert_true((v[g].decision == TG_POL_DENY || v[g].audited)
							== (v[g].reason != TG_REASON_NONE));
				assert_false(v[g].peer && v[g].clients);
				assert_true(v[g].rule.file.len > 0);
			}
			if(permits(&v[1]))
				assert_true(v[1].peer || v[1].clients);
		}
		tg_pol_free(p);
	}
}

/* ---- the tables against a walk over all rules -------------------------- */

static bool holds(const struct tg_pol_cidrs *c, const struct tg_addr *a)
{
	bool found = c->any;

	for(size_t i = 0; i < c->n; i++)
		found = found || tg_cidr_contains(&c->item[i], a);
	return found;
}

static bool could_be(const struct tg_pol_peer *peer,
		const struct tg_pol_conn *c, struct tg_span name)
{
	bool sni = peer->sni.n == 0;

	for(size_t i = 0; i < peer->sni.n; i++)
		sni = sni || tg_span_ieq(peer->sni.item[i], c->sni);
	return sni && peer->trust && (peer->transports >> c->transport & 1)
		   && holds(&peer->address, &c->remote)
		   && (peer->listener.n == 0 || holds(&peer->listener, &c->local))
		   && tg_pol_peer_has_name(peer, name);
}

static const struct tg_pol_clients *longest(
		const struct tg_pol *p, const struct tg_pol_conn *c)
{
	const struct tg_pol_clients *best = NULL;
	int bits = -2;

	for(size_t i = 0; i < tg_pol_clients_count(p); i++) {
		const struct tg_pol_clients *r = tg_pol_clients_at(p, i);

		if(!(r->transports >> c->transport & 1)
				|| (r->listener.n && !holds(&r->listener, &c->local)))
			continue;
		for(size_t k = 0; k < r->address.n; k++) {
			if(tg_cidr_contains(&r->address.item[k], &c->remote)
					&& r->address.item[k].bits > bits) {
				best = r;
				bits = r->address.item[k].bits;
			}
		}
		if(r->address.any && bits < -1) {
			best = r;
			bits = -1;
		}
	}
	return best;
}

static void the_tables_find_what_a_walk_over_all_rules_finds(void **state)
{
	(void)state;
	for(unsigned round = 0; round < ROUNDS; round++) {
		struct spec s;
		struct tg_pol *p;

		begin(round);
		random_spec(&s);
		p = load_spec(&s);
		for(unsigned i = 0; p && i < FACTS; i++) {
			const struct tg_pol_peer *found[PEERS];
			struct tg_pol_admission adm;
			struct tg_span name;
			size_t n, expected = 0;
			struct fact f;

			random_fact(&f);
			name = tg_span_cstr(f.name);
			n = tg_pol_candidates(p, &f.conn, &name, 1, found, PEERS);
			for(size_t k = 0; k < tg_pol_peer_count(p); k++)
				expected += could_be(tg_pol_peer_at(p, k), &f.conn, name);
			assert_int_equal(n, expected);
			for(size_t k = 0; k < n; k++)
				assert_true(could_be(found[k], &f.conn, name));
			if(!TG_POL_TR_IS_TLS(f.conn.transport))
				continue;
			tg_pol_admit(p, &f.conn, NULL, &adm);
			assert_ptr_equal(adm.clients, longest(p, &f.conn));
		}
		tg_pol_free(p);
	}
}

static int print_seed(void **state)
{
	const char *given = getenv("TG_SEED");

	(void)state;
	seed_of_run = given ? strtoull(given, NULL, 0) : 20190612;
	print_message("TG_SEED=%llu\n", (unsigned long long)seed_of_run);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_stricter_policy_never_turns_deny_into_allow),
			cmocka_unit_test(a_trace_changes_no_verdict),
			cmocka_unit_test(verdicts_are_whole),
			cmocka_unit_test(the_tables_find_what_a_walk_over_all_rules_finds),
	};

	return cmocka_run_group_tests(tests, print_seed, NULL);
}
