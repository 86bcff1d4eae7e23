/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands for the operator:
 *
 *   tls_policy.reload                    read the policy file again
 *   tls_policy.sweep                     look at the CRLs and judge all
 *                                        connections now
 *   tls_policy.crls                      the CRLs that are watched
 *   tls_policy.certificates              our own, and what is wrong with them
 *   tls_policy.peers                     the peers and what holds for each
 *   tls_policy.connections               TLS connections and their verdicts
 *   tls_policy.explain ADDR TRANSPORT [METHOD [LISTENER]]
 *                                        what a connection or request from
 *                                        there would meet, rule by rule
 */
#include <time.h>

#include "core/dprint.h"
#include "core/rpc.h"

#include "fips/fips.h"
#include "tls_policy/tlsp.h"

static str str_of(struct tg_span s)
{
	return (str){(char *)s.ptr, (int)s.len};
}

static struct tg_span span_of(str s)
{
	return tg_span_of(s.s, (size_t)s.len);
}

/* ---- reload ------------------------------------------------------------------- */

static void rpc_reload(rpc_t *rpc, void *ctx)
{
	const struct tlsp_snap *snap;
	struct tg_diags diags;
	char line[512] = "";

	tg_diags_init(&diags, &tg_alloc_libc);
	if(tlsp_snap_reload(&diags)) {
		snap = tlsp_snap_ref();
		rpc->rpl_printf(ctx, "policy %s in force", tg_pol_digest(snap->policy));
		LM_NOTICE("policy %s in force: digest=%s\n", tlsp_params.policy,
				tg_pol_digest(snap->policy));
		tlsp_snap_unref(snap);
	} else {
		for(const struct tg_diag *d = diags.first; d; d = d->next) {
			if(d->severity != TG_SEV_ERROR)
				continue;
			tg_diag_format(d, line, sizeof(line));
			break;
		}
		rpc->fault(ctx, 500, "refused, the old policy stays: %s (%d errors)",
				line, (int)diags.errors);
	}
	tlsp_log_diags(&diags);
	tg_diags_deinit(&diags);
}

/* ---- status --------------------------------------------------------------------- */

static void rpc_status(rpc_t *rpc, void *ctx)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	char provider[96];
	void *at;

	tg_fips_describe(provider, sizeof(provider));
	if(rpc->add(ctx, "{", &at) >= 0)
		rpc->struct_add(at, "sssdsss", "file", tlsp_params.policy, "policy",
				tg_pol_digest(snap->policy), "mode",
				tg_pol_mode_name(tg_pol_global_mode(snap->policy)),
				"generation", (int)snap->generation, "openssl",
				OpenSSL_version(OPENSSL_VERSION), "fips",
				tg_fips_active() ? "active" : "inactive", "provider", provider);
	tlsp_snap_unref(snap);
}

/* ---- revocation ------------------------------------------------------------------ */

#define SWEEP_WAIT_MS 10000

static void rpc_sweep(rpc_t *rpc, void *ctx)
{
	struct tlsp_swept swept;
	bool taken;
	void *at;

	if(!tlsp_crls_look_now(SWEEP_WAIT_MS, &swept, &taken)) {
		rpc->fault(ctx, 500, "it takes longer than %d s, and goes on",
				SWEEP_WAIT_MS / 1000);
		return;
	}
	if(rpc->add(ctx, "{", &at) >= 0)
		rpc->struct_add(at, "sdddd", "crls", taken ? "changed" : "unchanged",
				"established", (int)swept.seen, "judged", (int)swept.judged,
				"closed", (int)swept.closed, "pending", (int)swept.pending);
}

struct output {
	rpc_t *rpc;
	void *ctx;
};

static void put_utc(char out[32], time_t when)
{
	struct tm utc;

	gmtime_r(&when, &utc);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static bool add_crl(void *ctx, const struct tlsp_crl *crl)
{
	struct output *l = ctx;
	char until[32], taken[32];
	void *at;

	if(l->rpc->add(l->ctx, "{", &at) < 0)
		return false;
	put_utc(until, crl->next_update);
	put_utc(taken, crl->taken);
	l->rpc->struct_add(at, "sssdss", "file", crl->path, "state",
			time(NULL) > crl->next_update ? "stale" : "fresh", "next_update",
			until, "revoked", (int)crl->n_revoked, "in_force_since", taken,
			"not_taken", crl->error);
	return true;
}

static void rpc_crls(rpc_t *rpc, void *ctx)
{
	struct output l = {rpc, ctx};

	tlsp_crls_each(add_crl, &l);
}

/* ---- status of certificates ---------------------------------------------------- */

static bool add_status(void *ctx, const struct tlsp_status_view *v)
{
	static const char *const states[] = {"unknown", "good", "revoked"};
	struct output *l = ctx;
	char until[32] = "", taken[32] = "", due[32];
	void *at;

	if(l->rpc->add(l->ctx, "{", &at) < 0)
		return false;
	if(v->said.state == TG_X509_STATE_GOOD)
		put_utc(until, v->said.until);
	if(v->taken)
		put_utc(taken, v->taken);
	put_utc(due, v->due);
	l->rpc->struct_add(at, "sssssssds", "certificate", v->certificate, "trust",
			v->trust, "state", states[v->said.state], "until", until,
			"answered", taken, "asked_again", due, "flight",
			v->flying ? "under way" : "none", "failures", (int)v->failures,
			"error", v->error[0] ? v->error : v->said.detail);
	return true;
}

static void rpc_ocsp(rpc_t *rpc, void *ctx)
{
	struct output l = {rpc, ctx};

	tlsp_status_each(add_status, &l);
}

/* ---- our certificates --------------------------------------------------------- */

static void add_own(void *ctx, const struct tlsp_own *o, time_t not_after)
{
	struct output *l = ctx;
	void *at;

	(void)not_after;
	if(l->rpc->add(l->ctx, "{", &at) < 0)
		return;
	l->rpc->struct_add(at, "sssssds", "names", o->names, "key", o->key,
			"serial", o->serial, "issuer", o->issuer, "not_after", o->not_after,
			"days", o->days, "warnings", o->warnings);
}

static void rpc_certificates(rpc_t *rpc, void *ctx)
{
	struct output l = {rpc, ctx};

	tlsp_own_each(add_own, &l);
}

/* ---- peers --------------------------------------------------------------------- */

static void add_text(rpc_t *rpc, void *at, char *name, struct tg_span text)
{
	str s = str_of(text);

	if(text.len)
		rpc->struct_add(at, "S", name, &s);
}

static void add_peer(rpc_t *rpc, void *ctx, const struct tg_pol *policy,
		const struct tg_pol_peer *p)
{
	enum tg_pol_mode mode = tg_pol_global_mode(policy);
	void *at;

	if(mode != TG_POL_AUDIT)
		mode = p->mode;
	if(rpc->add(ctx, "{", &at) < 0)
		return;
	add_text(rpc, at, "peer", p->name);
	add_text(rpc, at, "role", tg_span_cstr(tg_pol_role_name(p->role)));
	add_text(rpc, at, "mode", tg_span_cstr(tg_pol_mode_name(mode)));
	for(size_t i = 0; i < p->identity.n; i++)
		add_text(rpc, at, "identity", p->identity.item[i]);
	if(p->trust)
		add_text(rpc, at, "trust", p->trust->name);
	if(p->tls)
		add_text(rpc, at, "tls", p->tls->name);
	add_text(rpc, at, "eku", tg_span_cstr(tg_pol_eku_name(p->eku)));
	if(p->media)
		add_text(rpc, at, "media", p->media->name);
	rpc->struct_add(at, "sd", "resumption", p->resumption ? "yes" : "no",
			"line", (int)p->where.line);
}

static void rpc_peers(rpc_t *rpc, void *ctx)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();

	for(size_t i = 0; i < tg_pol_peer_count(snap->policy); i++)
		add_peer(rpc, ctx, snap->policy, tg_pol_peer_at(snap->policy, i));
	tlsp_snap_unref(snap);
}

/* ---- connections ------------------------------------------------------------------ */

struct listing {
	rpc_t *rpc;
	void *ctx;
	const struct tlsp_snap *snap;
};

static const char *state_name(const struct tlsp_facts *f)
{
	if(f->judged && !f->allowed)
		return "denied";
	if(!f->established)
		return "handshake";
	if(f->held)
		return "pending";
	return f->audited ? "audit" : "allowed";
}

static bool add_conn(void *ctx, const struct tlsp_facts *f)
{
	struct listing *l = ctx;
	const struct tg_pol_peer *peer = tlsp_facts_peer(l->snap, f);
	const struct tg_pol_clients *clients = tlsp_facts_clients(l->snap, f);
	char addr[TG_ADDR_TEXT_OCTETS];
	void *at;

	if(l->rpc->add(l->ctx, "{", &at) < 0)
		return false;
	tg_addr_format(&f->remote, addr);
	l->rpc->struct_add(at, "dssdsssssdd", "id", f->id, "direction",
			f->direction == TG_POL_IN ? "in" : "out", "remote", addr, "port",
			(int)f->remote_port, "state", state_name(f), "reason",
			tg_reason_get(f->reason)->id, "cipher", f->cipher, "sni", f->sni,
			"resumed", f->resumed ? "yes" : "no", "generation",
			(int)f->generation, "age_sec", (int)(time(NULL) - f->since));
	if(peer)
		add_text(l->rpc, at, "peer", peer->name);
	if(clients)
		add_text(l->rpc, at, "clients", clients->name);
	add_text(l->rpc, at, "identity", tg_span_cstr(f->identity));
	return true;
}

static void rpc_connections(rpc_t *rpc, void *ctx)
{
	struct listing l = {rpc, ctx, tlsp_snap_ref()};

	tlsp_conn_each(add_conn, &l);
	tlsp_snap_unref(l.snap);
}

/* ---- explain -------------------------------------------------------------------------- */

#define EXPLAIN_WORDS "ADDR TRANSPORT [METHOD [LISTENER]]"

struct explaining {
	rpc_t *rpc;
	void *ctx;
};

static void explain_step(
		void *ctx, const struct tg_where *where, const char *text)
{
	static const struct tg_where nowhere;
	struct explaining *e = ctx;

	if(!where)
		where = &nowhere;
	if(where->line)
		e->rpc->rpl_printf(e->ctx, "%.*s:%u: %s", TG_SPAN_FMT(where->file),
				where->line, text);
	else
		e->rpc->rpl_printf(e->ctx, "%.*s: %s", TG_SPAN_FMT(where->file), text);
}

static void explain_verdict(
		rpc_t *rpc, void *ctx, const struct tg_pol_verdict *v)
{
	rpc->rpl_printf(ctx, "verdict=%s reason=%s",
			v->decision == TG_POL_ALLOW ? v->audited ? "audit" : "allow"
										: "deny",
			tg_reason_get(v->reason)->id);
}

static enum tg_pol_transport transport_by_name(struct tg_span name)
{
	for(int t = TG_POL_TR_UDP; t <= TG_POL_TR_WSS; t++) {
		if(tg_span_ieq(name, tg_span_cstr(tg_pol_transport_name(
									 (enum tg_pol_transport)t))))
			return (enum tg_pol_transport)t;
	}
	return TG_POL_TR_UNKNOWN;
}

static void explain(rpc_t *rpc, void *ctx, const struct tlsp_snap *snap,
		struct tg_pol_msg *facts)
{
	struct explaining e = {rpc, ctx};
	struct tg_pol_trace trace = {explain_step, &e};
	struct tg_pol_admission admission;
	struct tg_pol_verdict v;

	if(TG_POL_TR_IS_TLS(facts->conn.transport)) {
		tg_pol_admit(snap->policy, &facts->conn, &trace, &admission);
		facts->judged = admission.verdict.decision == TG_POL_ALLOW;
		facts->clients = admission.clients;
		facts->tls_version = admission.tls ? admission.tls->max_version : 0;
		if(facts->judged && admission.request_certificate && !facts->clients) {
			rpc->rpl_printf(ctx, "its certificate decides (tgctl explain)");
			return;
		}
		if(!facts->judged || !facts->clients) {
			explain_verdict(rpc, ctx, &admission.verdict);
			return;
		}
	}
	tg_pol_judge_message(snap->policy, facts, &trace, &v);
	explain_verdict(rpc, ctx, &v);
}

static void rpc_explain(rpc_t *rpc, void *ctx)
{
	struct tg_pol_msg facts = {0};
	str addr, transport, method, listener;
	const struct tlsp_snap *snap;
	int more;

	if(rpc->scan(ctx, "SS", &addr, &transport) < 2) {
		rpc->fault(ctx, 400, EXPLAIN_WORDS);
		return;
	}
	/* ctl fills what is missing with words of its own */
	more = rpc->scan(ctx, "*SS", &method, &listener);
	facts.method = more >= 1 ? span_of(method) : TG_SPAN("INVITE");
	facts.conn.transport = transport_by_name(span_of(transport));
	if(!tg_addr_parse(span_of(addr), &facts.conn.remote)
			|| (more >= 2
					&& !tg_addr_parse(span_of(listener), &facts.conn.local))
			|| facts.conn.transport == TG_POL_TR_UNKNOWN) {
		rpc->fault(ctx, 400, EXPLAIN_WORDS);
		return;
	}
	snap = tlsp_snap_ref();
	explain(rpc, ctx, snap, &facts);
	tlsp_snap_unref(snap);
}

/* ---- table ------------------------------------------------------------------------------ */

static const char *doc_reload[] = {"Reads the policy file again", 0};
static const char *doc_status[] = {
		"The policy in force, and what OpenSSL it works with", 0};
static const char *doc_sweep[] = {
		"Looks at the CRLs and judges all connections now", 0};
static const char *doc_crls[] = {"Lists the CRLs that are watched", 0};
static const char *doc_ocsp[] = {
		"Lists what is known of the status of certificates", 0};
static const char *doc_certificates[] = {
		"Lists our own certificates and what is wrong with them", 0};
static const char *doc_peers[] = {"Lists the peers of the policy", 0};
static const char *doc_connections[] = {
		"Lists TLS connections and their verdicts", 0};
static const char *doc_explain[] = {
		"Says which rules a connection or request would meet", 0};

rpc_export_t tlsp_rpcs[] = {{"tls_policy.reload", rpc_reload, doc_reload, 0},
		{"tls_policy.status", rpc_status, doc_status, 0},
		{"tls_policy.sweep", rpc_sweep, doc_sweep, 0},
		{"tls_policy.crls", rpc_crls, doc_crls, RET_ARRAY},
		{"tls_policy.ocsp", rpc_ocsp, doc_ocsp, RET_ARRAY},
		{"tls_policy.certificates", rpc_certificates, doc_certificates,
				RET_ARRAY},
		{"tls_policy.peers", rpc_peers, doc_peers, RET_ARRAY},
		{"tls_policy.connections", rpc_connections, doc_connections, RET_ARRAY},
		{"tls_policy.explain", rpc_explain, doc_explain, RET_ARRAY},
		{0, 0, 0, 0}};
