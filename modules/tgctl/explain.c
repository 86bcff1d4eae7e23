/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl explain FILE ...: a hypothetical connection and call, taken through
 * the gates in the order of a real one, with every rule that was looked at.
 */
#include "tgctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge.h"
#include "policy/load.h"
#include "x509/openssl_compat.h"

#define USAGE                                                                 \
	"explain FILE --from ADDR --transport udp|tcp|tls|ws|wss\n"               \
	"          [--listener ADDR] [--sni NAME] [--cert PEM] [--version 1.2]\n" \
	"          [--method METHOD] [--domain FROM-DOMAIN] [--to PEER]\n"        \
	"          [--route ROUTE] [--at RFC3339]"

struct question {
	const char *file;
	const char *from;
	const char *transport;
	const char *listener;
	const char *sni;
	const char *cert;
	const char *version;
	const char *method;
	const char *domain;
	const char *to;
	const char *route;
	const char *at;
};

/* The question with its words looked up */
struct facts {
	const struct tg_pol *policy;
	const struct question *q;
	struct tg_pol_conn conn;
	const struct tg_pol_peer *to;
	const struct tg_pol_route *route;
	uint16_t version;
	time_t at;
	X509 *leaf;
	STACK_OF(X509) *untrusted;
	bool gate1_passed;
	struct tg_pol_msg msg; /* what gate 1 leaves behind */
};

/* ---- the command line -------------------------------------------------- */

static bool read_options(int argc, char **argv, struct question *q)
{
	static const struct option options[] = {
			{"from", required_argument, NULL, 'f'},
			{"transport", required_argument, NULL, 't'},
			{"listener", required_argument, NULL, 'l'},
			{"sni", required_argument, NULL, 's'},
			{"cert", required_argument, NULL, 'c'},
			{"version", required_argument, NULL, 'v'},
			{"method", required_argument, NULL, 'm'},
			{"domain", required_argument, NULL, 'd'},
			{"to", required_argument, NULL, 'o'},
			{"route", required_argument, NULL, 'r'},
			{"at", required_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
	const char **place[128] = {['f'] = &q->from,
			['t'] = &q->transport,
			['l'] = &q->listener,
			['s'] = &q->sni,
			['c'] = &q->cert,
			['v'] = &q->version,
			['m'] = &q->method,
			['d'] = &q->domain,
			['o'] = &q->to,
			['r'] = &q->route,
			['a'] = &q->at};
	int c;

	while((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if(c <= 0 || c >= 128 || !place[c])
			return false;
		*place[c] = optarg;
	}
	if(optind != argc - 1 || !q->from || !q->transport)
		return false;
	q->file = argv[optind];
	return true;
}

static bool complain(const char *what, const char *value)
{
	fprintf(stderr, "tgctl explain: %s: %s\n", what, value);
	return false;
}

static bool look_up_transport(struct facts *f)
{
	for(unsigned t = TG_POL_TR_UDP; t <= TG_POL_TR_WSS; t++) {
		const char *name = tg_pol_transport_name((enum tg_pol_transport)t);

		if(strcmp(f->q->transport, name) != 0)
			continue;
		f->conn.transport = (enum tg_pol_transport)t;
		return true;
	}
	return complain("no such transport", f->q->transport);
}

static bool look_up_time(struct facts *f)
{
	f->at = time(NULL);
	return !f->q->at || tg_ctl_parse_time(f->q->at, &f->at)
		   || complain("not a time like 2024-05-01T00:00:00Z", f->q->at);
}

static bool look_up_version(struct facts *f)
{
	static const char *const names[] = {"1.0", "1.1", "1.2", "1.3"};

	for(unsigned i = 0; f->q->version && i < 4; i++) {
		if(strcmp(f->q->version, names[i]) == 0)
			f->version = (uint16_t)(0x0301 + i);
	}
	if(f->q->version && !f->version)
		return complain("no such TLS version", f->q->version);
	return true;
}

/* The first certificate is the leaf, the others are what comes with it */
static bool read_certificates(struct facts *f)
{
	FILE *in;
	X509 *x;

	if(!f->q->cert)
		return true;
	in = fopen(f->q->cert, "re");
	f->untrusted = sk_X509_new_null();
	if(!in || !f->untrusted) {
		if(in)
			fclose(in);
		return complain("cannot be read", f->q->cert);
	}
	while((x = PEM_read_X509(in, NULL, NULL, NULL))) {
		if(!f->leaf)
			f->leaf = x;
		else if(!sk_X509_push(f->untrusted, x))
			X509_free(x);
	}
	fclose(in);
	return f->leaf || complain("holds no certificate", f->q->cert);
}

/* Which rules hold where there is more than one address of ours */
static bool asks_for_listener(const struct tg_pol *p)
{
	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		if(tg_pol_peer_at(p, i)->listener.n)
			return true;
	}
	for(size_t i = 0; i < tg_pol_clients_count(p); i++) {
		if(tg_pol_clients_at(p, i)->listener.n)
			return true;
	}
	return false;
}

static bool look_up(struct facts *f)
{
	const struct question *q = f->q;

	if(!tg_addr_parse(tg_span_cstr(q->from), &f->conn.remote))
		return complain("not an address", q->from);
	if(!tg_addr_parse(tg_span_cstr(q->listener ? q->listener : "127.0.0.1"),
			   &f->conn.local))
		return complain("not an address", q->listener);
	if(!q->listener && asks_for_listener(f->policy))
		complain("rules of this policy name listeners; without --listener "
				 "it is",
				"127.0.0.1");
	f->conn.sni = tg_span_cstr(q->sni);
	if(q->to) {
		f->to = tg_pol_peer_by_name(f->policy, tg_span_cstr(q->to));
		if(!f->to)
			return complain("no such peer", q->to);
	}
	if(q->route) {
		f->route = tg_pol_route_by_name(f->policy, tg_span_cstr(q->route));
		if(!f->route)
			return complain("no such route", q->route);
	}
	return look_up_transport(f) && look_up_version(f) && look_up_time(f)
		   && read_certificates(f);
}

/* ---- printing ---------------------------------------------------------- */

static void print_step(
		void *ctx, const struct tg_where *where, const char *text)
{
	(void)ctx;
	if(where->line)
		printf("  %.*s:%u: %s\n", TG_SPAN_FMT(where->file), where->line, text);
	else if(where->file.len)
		printf("  %.*s: %s\n", TG_SPAN_FMT(where->file), text);
	else
		printf("  built in: %s\n", text);
}

static const struct tg_pol_trace trace = {print_step, NULL};

/* What the other side gets to see */
static void print_answer(const struct facts *f, const struct tg_pol_verdict *v)
{
	const struct tg_reason_info *why = tg_reason_get(v->reason);

	if(!f->gate1_passed && TG_POL_TR_IS_TLS(f->conn.transport))
		printf("answer: a TLS alert; nothing is read as SIP\n");
	else if(v->reason == TG_REASON_UNDECLARED
			&& f->conn.transport == TG_POL_TR_UDP)
		printf("answer: none; undeclared UDP gets silence\n");
	else
		printf("answer: %u %s\n", why->sip_code, why->sip_text);
}

static int print_verdict(const struct facts *f, const struct tg_pol_verdict *v)
{
	const struct tg_reason_info *why = tg_reason_get(v->reason);

	printf("\nverdict: %s", v->decision == TG_POL_ALLOW ? "allow" : "deny");
	if(v->audited)
		printf(" (audit)");
	if(v->peer)
		printf(", peer %.*s", TG_SPAN_FMT(v->peer->name));
	if(v->clients)
		printf(", clients %.*s", TG_SPAN_FMT(v->clients->name));
	printf("\n");
	if(v->reason == TG_REASON_NONE)
		return TG_CTL_OK;
	printf("reason: %s (%s): %s\n", why->id, why->source, why->text);
	if(v->rule.line)
		printf("rule: %.*s:%u\n", TG_SPAN_FMT(v->rule.file), v->rule.line);
	if(v->decision == TG_POL_DENY)
		print_answer(f, v);
	return v->decision == TG_POL_ALLOW ? TG_CTL_OK : TG_CTL_REFUSED;
}

static void print_media(const char *who, const struct tg_pol_media *media)
{
	printf("  toward %s: media %.*s: ", who, TG_SPAN_FMT(media->name));
	tg_ctl_print_media(stdout, media);
	printf("\n");
}

/* ---- the gates --------------------------------------------------------- */

static bool handshake(struct facts *f, struct tg_pol_verdict *v)
{
	struct tg_pol_admission adm;

	printf("\nhandshake: %s from %s\n",
			tg_pol_transport_name(f->conn.transport), f->q->from);
	tg_pol_admit(f->policy, &f->conn, &trace, &adm);
	*v = adm.verdict;
	if(v->decision == TG_POL_DENY)
		return false;
	printf("  a certificate is %s; offered: ",
			adm.require_certificate   ? "required"
			: adm.request_certificate ? "asked for"
									  : "not asked for");
	tg_ctl_print_tls(stdout, adm.tls);
	printf("\n");
	if(!f->version)
		f->version = adm.tls->max_version;
	if(!adm.request_certificate && f->leaf)
		printf("  the certificate given here would not be sent\n");
	f->msg.judged = true;
	f->msg.audited = v->audited;
	f->msg.clients = v->clients;
	return true;
}

/* A session of this connection, taken up by a later one: judged each time */
static void print_resumption(const struct facts *f)
{
	const struct tg_pol_peer *peer = f->msg.peer;
	const struct tg_pol_clients *clients = f->msg.clients;
	struct tg_where where;

	if(f->msg.audited)
		return;
	if(peer && peer->resumption)
		where = tg_pol_peer_where(peer, TG_POL_PEER_KEY_RESUMPTION);
	else if(clients && clients->resumption)
		where = tg_pol_clients_where(clients, TG_POL_CLIENTS_KEY_RESUMPTION);
	else
		return;
	print_step(NULL, &where, "may resume its TLS session");
}

static bool certificate(struct facts *f, struct tg_pol_verdict *v)
{
	const struct tg_judge_in in = {.policy = f->policy,
			.conn = f->conn,
			.leaf = f->leaf,
			.untrusted = f->untrusted,
			.at = f->at};
	struct tg_judge *judge = tg_judge_new();
	struct tg_judge_out out;

	if(!judge) {
		*v = (struct tg_pol_verdict){.reason = TG_REASON_INTERNAL};
		return false;
	}
	printf("\ncertificate: %s\n", f->q->cert ? f->q->cert : "none");
	tg_judge_certificate(judge, &in, &trace, &out);
	tg_judge_free(judge);
	*v = out.verdict;
	f->msg.audited = v->audited;
	f->msg.peer = v->peer;
	f->msg.clients = v->clients;
	f->gate1_passed = v->decision == TG_POL_ALLOW;
	if(f->gate1_passed)
		print_resumption(f);
	return f->gate1_passed;
}

/* A domain that fits, unless the question names one */
static struct tg_span domain_of(const struct facts *f)
{
	const struct tg_pol_peer *peer = f->msg.peer;

	if(f->q->domain || !peer || !peer->domain.n)
		return tg_span_cstr(f->q->domain);
	return peer->domain.item[0];
}

static bool message(struct facts *f, struct tg_pol_verdict *v)
{
	f->msg.conn = f->conn;
	f->msg.tls_version = TG_POL_TR_IS_TLS(f->conn.transport) ? f->version : 0;
	f->msg.method = tg_span_cstr(f->q->method ? f->q->method : "INVITE");
	f->msg.from_domain = domain_of(f);
	printf("\nmessage in: %.*s over %s\n", TG_SPAN_FMT(f->msg.method),
			tg_pol_transport_name(f->conn.transport));
	tg_pol_judge_message(f->policy, &f->msg, &trace, v);
	if(v->decision == TG_POL_DENY || !f->route)
		return v->decision == TG_POL_ALLOW;
	printf("\nroute: %.*s\n", TG_SPAN_FMT(f->route->name));
	tg_pol_judge_route(f->policy, f->route, &f->msg, &trace, v);
	return v->decision == TG_POL_ALLOW;
}

/* Where a peer is called: its first address, over the first of its transports */
static bool way_to(const struct tg_pol_peer *peer, struct tg_pol_conn *conn)
{
	static const enum tg_pol_transport order[] = {
			TG_POL_TR_TLS, TG_POL_TR_WSS, TG_POL_TR_TCP, TG_POL_TR_UDP};
	static const uint8_t reserved[4] = {240, 0, 0, 1};

	conn->direction = TG_POL_OUT;
	conn->remote = peer->address.n ? peer->address.item[0].addr
								   : tg_addr_of(reserved, sizeof(reserved));
	if(peer->identity.n)
		conn->sni = peer->identity.item[0];
	for(size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if(!(peer->transports & TG_POL_TR_BIT(order[i])))
			continue;
		conn->transport = order[i];
		return true;
	}
	return false;
}

static bool message_out(const struct facts *f, struct tg_pol_verdict *v)
{
	struct tg_pol_egress egress = {.conn = {.local = f->conn.local}};
	char address[TG_ADDR_TEXT_OCTETS];

	if(!way_to(f->to, &egress.conn))
		return false;
	printf("\nmessage out: to peer %.*s, %s over %s\n",
			TG_SPAN_FMT(f->to->name),
			f->to->address.any ? "any address"
							   : tg_addr_format(&egress.conn.remote, address),
			tg_pol_transport_name(egress.conn.transport));
	tg_pol_judge_egress(f->policy, &egress, &trace, v);
	return v->decision == TG_POL_ALLOW;
}

static void media(const struct facts *f, const struct tg_pol_verdict *caller)
{
	const struct tg_pol_media *m = tg_pol_media_for(
			f->policy, caller->peer, caller->clients, f->route);

	printf("\nmedia:\n");
	if(m)
		print_media("caller", m);
	printf("  keys may come from the caller: %s\n",
			tg_pol_keys_allowed(&f->msg) ? "yes" : "no");
	if(f->to)
		print_media(
				f->q->to, tg_pol_media_for(f->policy, f->to, NULL, f->route));
}

/* What audit mode let pass on the way is what the whole is told by */
static const struct tg_pol_verdict *sum_up(const struct tg_pol_verdict *gate1,
		const struct tg_pol_verdict *in, const struct tg_pol_verdict *out)
{
	if(gate1->audited)
		return gate1;
	return !in->audited && out->audited ? out : in;
}

static int explain(struct facts *f)
{
	bool tls = TG_POL_TR_IS_TLS(f->conn.transport);
	struct tg_pol_verdict gate1 = {0}, v = {0}, out = {0};

	printf("policy: %s, digest %s, profile %s, mode %s\n", f->q->file,
			tg_pol_digest(f->policy),
			tg_pol_profile_name(tg_pol_global_profile(f->policy)),
			tg_pol_mode_name(tg_pol_global_mode(f->policy)));
	if(tls && (!handshake(f, &gate1) || !certificate(f, &gate1)))
		return print_verdict(f, &gate1);
	if(!message(f, &v))
		return print_verdict(f, &v);
	if(f->to && !message_out(f, &out))
		return print_verdict(f, &out);
	if(tg_pol_class_of_method(f->msg.method) == TG_POL_CLASS_CALL)
		media(f, &v);
	return print_verdict(f, sum_up(&gate1, &v, &out));
}

int tg_ctl_explain(int argc, char **argv)
{
	struct question q = {0};
	struct facts f = {.q = &q};
	struct tg_pol *policy;
	int status = TG_CTL_USAGE;

	if(!read_options(argc, argv, &q))
		return tg_ctl_usage(USAGE);
	policy = tg_ctl_load(q.file, stderr);
	if(!policy)
		return TG_CTL_REFUSED;
	f.policy = policy;
	if(look_up(&f))
		status = explain(&f);
	X509_free(f.leaf);
	sk_X509_pop_free(f.untrusted, X509_free);
	tg_pol_free(policy);
	return status;
}
