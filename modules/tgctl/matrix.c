/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl matrix FILE: who may do what. Every cell is a question to the same
 * gates that the daemons ask, not a reading of the file.
 */
#include "tgctl.h"

#include "policy/load.h"

#include <string.h>

#define N_TRANSPORTS 4
static const enum tg_pol_transport transports[N_TRANSPORTS] = {
		TG_POL_TR_UDP, TG_POL_TR_TCP, TG_POL_TR_TLS, TG_POL_TR_WSS};

/* Some address of a rule; for any, one that nobody has (RFC 1112 section 4) */
static struct tg_addr sample(const struct tg_pol_cidrs *c)
{
	static const uint8_t reserved[4] = {240, 0, 0, 1};

	return c->n ? c->item[0].addr : tg_addr_of(reserved, sizeof(reserved));
}

static struct tg_addr listener_sample(const struct tg_pol_cidrs *c)
{
	static const uint8_t here[4] = {127, 0, 0, 1};

	return c->n ? c->item[0].addr : tg_addr_of(here, sizeof(here));
}

/* A row: a peer or clients, never both */
struct party {
	struct tg_span name;
	const char *role;
	enum tg_pol_mode mode;
	const struct tg_pol_cidrs *address;
	const struct tg_pol_cidrs *listener;
	const struct tg_pol_peer *peer;
	const struct tg_pol_clients *clients;
};

static struct tg_pol_conn conn_of(enum tg_pol_direction direction,
		enum tg_pol_transport transport, const struct party *who)
{
	return (struct tg_pol_conn){.direction = direction,
			.transport = transport,
			.local = listener_sample(who->listener),
			.remote = sample(who->address)};
}

static const char *cell(const struct party *who, bool tls, bool audited)
{
	if(audited)
		return "audit";
	if(!tls)
		return "clear";
	return who->peer ? "mtls" : "tls";
}

/* A reply: what is left is who it is and over what */
static const char *inbound(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct party *who)
{
	bool tls = TG_POL_TR_IS_TLS(conn->transport);
	struct tg_pol_msg msg = {.conn = *conn,
			.judged = tls,
			.peer = tls ? who->peer : NULL,
			.clients = tls ? who->clients : NULL};
	struct tg_pol_verdict v;

	tg_pol_judge_message(p, &msg, NULL, &v);
	if(v.decision == TG_POL_DENY || v.peer != who->peer
			|| v.clients != who->clients)
		return "-";
	return cell(who, tls, v.audited);
}

/* Clients are reached where they connected, peers by a connection of ours */
static const char *outbound(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct party *who)
{
	bool connected = who->clients != NULL;
	struct tg_pol_egress egress = {.conn = *conn,
			.existing = connected,
			.judged = connected,
			.clients = who->clients};
	struct tg_pol_verdict v;

	tg_pol_judge_egress(p, &egress, NULL, &v);
	if(v.decision == TG_POL_DENY || (v.peer && v.peer != who->peer))
		return "-";
	return cell(who, TG_POL_TR_IS_TLS(conn->transport), v.audited);
}

static bool may_resume(const struct party *who)
{
	return who->peer ? who->peer->resumption : who->clients->resumption;
}

static void print_party(const struct tg_pol *p, const struct party *who)
{
	printf("%-20.*s %-10s", TG_SPAN_FMT(who->name), who->role);
	for(size_t i = 0; i < N_TRANSPORTS; i++) {
		struct tg_pol_conn conn = conn_of(TG_POL_IN, transports[i], who);

		printf(" %-5s", inbound(p, &conn, who));
	}
	for(size_t i = 0; i < N_TRANSPORTS; i++) {
		struct tg_pol_conn conn = conn_of(TG_POL_OUT, transports[i], who);

		printf(" %-5s", outbound(p, &conn, who));
	}
	printf(" ");
	tg_ctl_print_media(
			stdout, tg_pol_media_for(p, who->peer, who->clients, NULL));
	printf("%s%s\n", may_resume(who) ? " (may resume)" : "",
			who->mode == TG_POL_AUDIT ? " (audit)" : "");
}

static void print_parties(const struct tg_pol *p)
{
	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		const struct tg_pol_peer *peer = tg_pol_peer_at(p, i);

		print_party(p, &(struct party){peer->name, tg_pol_role_name(peer->role),
							   peer->mode, &peer->address, &peer->listener,
							   peer, NULL});
	}
	for(size_t i = 0; i < tg_pol_clients_count(p); i++) {
		const struct tg_pol_clients *c = tg_pol_clients_at(p, i);

		print_party(p, &(struct party){c->name, "clients", c->mode, &c->address,
							   &c->listener, NULL, c});
	}
}

static void print_names(const char *what, const struct tg_pol_spans *names)
{
	for(size_t i = 0; i < names->n; i++)
		printf(" %s:%.*s", what, TG_SPAN_FMT(names->item[i]));
}

static void print_route(const struct tg_pol_route *r)
{
	printf("%-20.*s", TG_SPAN_FMT(r->name));
	if(!r->peers.n && !r->roles && !r->clients.n)
		printf(" everyone");
	print_names("peer", &r->peers);
	for(unsigned role = 0; role <= TG_POL_ROLE_FEDERATION; role++) {
		if(r->roles >> role & 1)
			printf(" role:%s", tg_pol_role_name((enum tg_pol_role)role));
	}
	print_names("clients", &r->clients);
	printf(";");
	for(unsigned bit = 1; bit < TG_POL_CLASS_ALL; bit <<= 1) {
		if(r->classes != TG_POL_CLASS_ALL && (r->classes & bit))
			printf(" %s", tg_pol_class_name((enum tg_pol_class)bit));
	}
	printf("%s;", r->classes == TG_POL_CLASS_ALL ? " all classes" : "");
	if(r->tls) {
		printf(" ");
		tg_ctl_print_tls(stdout, r->tls);
	}
	printf(";");
	if(r->media)
		printf(" media %.*s", TG_SPAN_FMT(r->media->name));
	printf("\n");
}

int tg_ctl_matrix(int argc, char **argv)
{
	struct tg_pol *p;

	if(argc != 2 || *argv[1] == '-')
		return tg_ctl_usage("matrix FILE");
	p = tg_ctl_load(argv[1], stderr);
	if(!p)
		return TG_CTL_REFUSED;
	printf("%-31s from them                to them\n", "");
	printf("%-20s %-10s", "party", "role");
	for(size_t i = 0; i < 2 * N_TRANSPORTS; i++)
		printf(" %-5s", tg_pol_transport_name(transports[i % N_TRANSPORTS]));
	printf(" media\n");
	print_parties(p);
	printf("everyone else: %s\n",
			tg_pol_global_mode(p) == TG_POL_AUDIT ? "audit" : "refused");
	if(tg_pol_route_count(p))
		printf("\nroute                who; classes; TLS; media\n");
	for(size_t i = 0; i < tg_pol_route_count(p); i++)
		print_route(tg_pol_route_at(p, i));
	tg_pol_free(p);
	return TG_CTL_OK;
}
