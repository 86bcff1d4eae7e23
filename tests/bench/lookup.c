/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long it takes to find a peer among few and among many: what gate 1 asks
 * of the policy for one handshake (whom does the address admit, which peer is
 * called that), without TLS and certificates. Two ways to ask:
 *
 *   hot      the same ten peers again and again, as busy trunks do
 *   random   any of them; memory that was not touched for long is part of it
 *
 *   lookup FEW MANY ROUNDS
 *
 * Prints a line per round: "hot|random NS-FEW NS-MANY", then "octets N", what
 * one of MANY peers costs. Both policies are asked in turn, in each round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/diag.h"
#include "policy/decide.h"
#include "policy/load.h"

#define LOOKUPS 20000
#define HOT 10

struct known {
	struct tg_pol *policy;
	unsigned n;
	struct tg_pol_conn *conn;
	struct tg_span *name;
};

static void die(const char *what)
{
	fprintf(stderr, "lookup: %s\n", what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static char *text_of(unsigned n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		die("out of memory");
	fputs("[policy]\nprofile = sfb2019\n"
		  "[trust ours]\nca_file = ca.pem\n",
			f);
	for(unsigned i = 0; i < n; i++)
		fprintf(f,
				"[peer branch-office-%u]\nrole = gateway\n"
				"address = 10.%u.%u.%u\nidentity = sbc%u.example.com\n"
				"trust = ours\ntransport = tls\n"
				"next_hop = sbc%u.example.com:5061\n",
				i, i >> 16, i >> 8 & 255, i & 255, i, i);
	fclose(f);
	return text;
}

/* The trust's file; nothing of it is looked at here */
static bool read_file(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error)
{
	(void)ctx;
	(void)path;
	(void)max;
	*error = "out of memory";
	*out = tg_arena_dup(scratch, TG_SPAN("-----BEGIN CERTIFICATE-----\nMAA=\n"
										 "-----END CERTIFICATE-----\n"));
	return out->ptr != NULL;
}

static struct tg_pol *load(unsigned n)
{
	struct tg_pol_host host = {.alloc = tg_alloc_libc, .read_file = read_file};
	char *text = text_of(n), line[512];
	struct tg_diags diags;
	struct tg_pol *p;

	tg_diags_init(&diags, &tg_alloc_libc);
	p = tg_pol_load_text(&host, tg_span_cstr(text), "bench.cfg", &diags);
	if(!p && diags.first) {
		tg_diag_format(diags.first, line, sizeof(line));
		die(line);
	}
	if(!p)
		die("the policy does not load");
	tg_diags_deinit(&diags);
	free(text);
	return p;
}

static struct known make(unsigned n)
{
	struct known k = {.policy = load(n), .n = n};

	k.conn = calloc(n, sizeof(*k.conn));
	k.name = calloc(n, sizeof(*k.name));
	if(!k.conn || !k.name)
		die("out of memory");
	for(unsigned i = 0; i < n; i++) {
		const struct tg_pol_peer *peer = tg_pol_peer_at(k.policy, i);

		k.conn[i].transport = TG_POL_TR_TLS;
		k.conn[i].remote = peer->address.item[0].addr;
		/* not the peer's own octets: a certificate brings its name along */
		k.name[i].ptr =
				strndup(peer->identity.item[0].ptr, peer->identity.item[0].len);
		k.name[i].len = peer->identity.item[0].len;
		if(!k.name[i].ptr)
			die("out of memory");
	}
	return k;
}

/*
 * Nanoseconds of a look-up among the first `of` peers, in an order that no
 * prefetcher guesses. What is asked for is laid out in order beforehand: it
 * is the policy's memory that is measured, not the bench's.
 */
static double measure(const struct known *k, unsigned of, uint32_t *seed)
{
	static struct tg_pol_conn conn[LOOKUPS];
	static char name[LOOKUPS][64];
	static struct tg_span span[LOOKUPS];
	const struct tg_pol_peer *found[2];
	struct tg_pol_admission a;
	static uint32_t want[LOOKUPS];
	double start;

	for(unsigned i = 0; i < LOOKUPS; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		want[i] = (uint32_t)((uint64_t)*seed * of >> 32);
		conn[i] = k->conn[want[i]];
		snprintf(name[i], sizeof(name[i]), "%.*s",
				TG_SPAN_FMT(k->name[want[i]]));
		span[i] = tg_span_cstr(name[i]);
	}
	start = now_ns();
	for(unsigned i = 0; i < LOOKUPS; i++) {
		tg_pol_admit(k->policy, &conn[i], NULL, &a);
		if(a.verdict.decision != TG_POL_ALLOW
				|| tg_pol_candidates(k->policy, &conn[i], &span[i], 1, found, 2)
						   != 1
				|| found[0]->id != want[i])
			die("a peer was not found");
	}
	return (now_ns() - start) / LOOKUPS;
}

int main(int argc, char **argv)
{
	struct known few, many, none;
	uint32_t seed = 1;
	int rounds;

	if(argc != 4)
		die("usage: lookup FEW MANY ROUNDS");
	few = make((unsigned)atoi(argv[1]));
	many = make((unsigned)atoi(argv[2]));
	none = make(0);
	rounds = atoi(argv[3]);
	if(few.n < HOT || many.n < HOT)
		die("at least ten of both");
	for(int i = 0; i < rounds; i++) {
		double ns = measure(&few, HOT, &seed);

		printf("hot %.1f %.1f\n", ns, measure(&many, HOT, &seed));
		ns = measure(&few, few.n, &seed);
		printf("random %.1f %.1f\n", ns, measure(&many, many.n, &seed));
	}
	printf("octets %zu\n",
			(tg_pol_octets(many.policy) - tg_pol_octets(none.policy)) / many.n);
	return 0;
}
