/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fuzz target: any octets as a policy file. What loads is asked at every gate
 * about a few connections; the answers must be whole, and the same with a
 * trace. A file that names "x" finds one octet there, others do not exist.
 */
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool read_file(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error)
{
	(void)ctx;
	(void)max;
	if(strcmp(path, "x") != 0) {
		*error = "no such file";
		return false;
	}
	*out = tg_arena_dup(scratch, TG_SPAN("x"));
	return out->ptr != NULL;
}

static void require(bool holds)
{
	if(!holds)
		abort();
}

static void step(void *ctx, const struct tg_where *where, const char *text)
{
	*(size_t *)ctx += where->line + strlen(text);
}

static void check(const struct tg_pol *p, const struct tg_pol_verdict *v)
{
	require((v->decision == TG_POL_DENY || v->audited)
			== (v->reason != TG_REASON_NONE));
	require(v->rule.file.len > 0);
	require(!(v->peer && v->clients));
	require(!v->peer || tg_pol_peer_by_name(p, v->peer->name) == v->peer);
}

static void same(const struct tg_pol_verdict *a, const struct tg_pol_verdict *b)
{
	require(a->decision == b->decision && a->reason == b->reason
			&& a->peer == b->peer && a->clients == b->clients
			&& a->rule.line == b->rule.line);
}

/* Whom a certificate with each of the policy's own identities may prove */
static void ask_candidates(
		const struct tg_pol *p, const struct tg_pol_conn *conn)
{
	const struct tg_pol_peer *found[4];

	for(size_t i = 0; i < tg_pol_peer_count(p) && i < 16; i++) {
		const struct tg_pol_peer *peer = tg_pol_peer_at(p, i);
		size_t n = tg_pol_candidates(p, conn, peer->identity.item,
				peer->identity.n < 8 ? peer->identity.n : 8, found, 4);

		for(size_t k = 0; k < n && k < 4; k++)
			require(found[k]->trust != NULL);
	}
}

static void ask(const struct tg_pol *p, const struct tg_pol_conn *conn,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients)
{
	const struct tg_pol_msg msg = {.conn = *conn,
			.judged = true,
			.peer = peer,
			.clients = clients,
			.method = TG_SPAN_INIT("INVITE"),
			.from_domain = TG_SPAN_INIT("example.com")};
	const struct tg_pol_egress egress = {.conn = *conn,
			.existing = clients != NULL,
			.judged = true,
			.clients = clients};
	size_t sum = 0;
	const struct tg_pol_trace trace = {step, &sum};
	struct tg_pol_verdict v, traced;
	struct tg_pol_admission adm;

	tg_pol_admit(p, conn, NULL, &adm);
	check(p, &adm.verdict);
	require(adm.tls != NULL || !TG_POL_TR_IS_TLS(conn->transport));
	ask_candidates(p, conn);
	tg_pol_judge_message(p, &msg, NULL, &v);
	tg_pol_judge_message(p, &msg, &trace, &traced);
	check(p, &v);
	same(&v, &traced);
	for(size_t i = 0; i < tg_pol_route_count(p) && i < 8; i++) {
		const struct tg_pol_route *r = tg_pol_route_at(p, i);
		struct tg_pol_verdict routed;

		tg_pol_judge_route(p, r, &msg, NULL, &routed);
		check(p, &routed);
		/* a route only tightens */
		require(v.decision == TG_POL_ALLOW || routed.decision == TG_POL_DENY);
		tg_pol_media_for(p, peer, clients, r);
	}
	tg_pol_judge_egress(p, &egress, NULL, &v);
	tg_pol_judge_egress(p, &egress, &trace, &traced);
	check(p, &v);
	same(&v, &traced);
}

static void ask_about_place(const struct tg_pol *p, const struct tg_addr *addr)
{
	for(unsigned t = TG_POL_TR_UNKNOWN; t <= TG_POL_TR_WSS; t++) {
		struct tg_pol_conn conn = {.transport = (enum tg_pol_transport)t,
				.remote = *addr,
				.local = *addr,
				.sni = TG_SPAN_INIT("example.com")};

		ask(p, &conn, tg_pol_peer_at(p, t), NULL);
		conn.direction = TG_POL_OUT;
		ask(p, &conn, NULL, tg_pol_clients_at(p, 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct tg_pol_host host = {tg_alloc_libc, read_file, NULL};
	static const uint8_t elsewhere[4] = {192, 0, 2, 1};
	struct tg_addr addr = tg_addr_of(elsewhere, 4);
	struct tg_diags diags;
	struct tg_pol *p;
	char line[700];

	tg_diags_init(&diags, &tg_alloc_libc);
	p = tg_pol_load_text(
			&host, tg_span_of((const char *)data, len), "p", &diags);
	require((p != NULL) == (diags.errors == 0));
	for(const struct tg_diag *d = diags.first; d; d = d->next)
		tg_diag_format(d, line, sizeof(line));
	if(p) {
		ask_about_place(p, &addr);
		for(size_t i = 0; i < tg_pol_peer_count(p) && i < 4; i++) {
			const struct tg_pol_cidrs *c = &tg_pol_peer_at(p, i)->address;

			if(c->n)
				ask_about_place(p, &c->item[0].addr);
		}
	}
	tg_pol_free(p);
	tg_diags_deinit(&diags);
	return 0;
}
