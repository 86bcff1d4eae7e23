/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facts of a connection put before the policy: at the handshake, and again
 * when another policy is in force or a certificate's time is over. What is
 * judged again are the certificates that were seen then: neither the network
 * nor the TLS state is touched, so any process can do it.
 */
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

#include "tls_policy/tlsp.h"

void tlsp_facts_conn(const struct tlsp_facts *f, struct tg_pol_conn *out)
{
	*out = (struct tg_pol_conn){
			.direction = f->direction,
			.transport = f->transport,
			.local = f->local,
			.local_port = f->local_port,
			.remote = f->remote,
			.remote_port = f->remote_port,
			.sni = tg_span_cstr(f->sni),
	};
}

const struct tg_pol_peer *tlsp_facts_wanted(
		const struct tlsp_snap *snap, const struct tlsp_facts *f)
{
	if(f->generation != snap->generation || f->wanted == TLSP_NOBODY)
		return NULL;
	return tg_pol_peer_at(snap->policy, f->wanted);
}

const struct tg_pol_peer *tlsp_facts_peer(
		const struct tlsp_snap *snap, const struct tlsp_facts *f)
{
	if(f->generation != snap->generation || f->peer == TLSP_NOBODY)
		return NULL;
	return tg_pol_peer_at(snap->policy, f->peer);
}

const struct tg_pol_clients *tlsp_facts_clients(
		const struct tlsp_snap *snap, const struct tlsp_facts *f)
{
	if(f->generation != snap->generation || f->clients == TLSP_NOBODY)
		return NULL;
	return tg_pol_clients_at(snap->policy, f->clients);
}

/* The peer that an outbound connection is for, in this snapshot */
static const struct tg_pol_peer *wanted_of(
		const struct tlsp_snap *snap, const struct tlsp_facts *f)
{
	struct tg_pol_egress egress = {0};
	struct tg_pol_verdict v = {0};

	if(f->direction != TG_POL_OUT)
		return NULL;
	if(f->generation == snap->generation)
		return tlsp_facts_wanted(snap, f);
	/* the name that was sent is that of whom it was for */
	tlsp_facts_conn(f, &egress.conn);
	tg_pol_judge_egress(snap->policy, &egress, NULL, &v);
	return v.peer;
}

/* The chosen peer's own profile; the handshake offered the candidates' union */
static void check_version(const struct tlsp_snap *snap,
		const struct tlsp_facts *f, struct tg_pol_verdict *v)
{
	const struct tg_pol_tls *tls = NULL;

	if(v->peer)
		tls = v->peer->tls;
	else if(v->clients)
		tls = v->clients->tls;
	if(v->decision != TG_POL_ALLOW || v->audited || !tls || !f->tls_version)
		return;
	if(f->tls_version >= tls->min_version && f->tls_version <= tls->max_version)
		return;
	v->decision = TG_POL_DENY;
	v->reason = TG_REASON_TLS_VERSION;
	if(tls->where.line)
		v->rule = tls->where;
	tg_pol_apply_audit(snap->policy, v);
}

/* ---- status ----------------------------------------------------------------- */

#define TRUSTS_MAX 16 /* as many as candidates */

/* A candidate that was not it may have been asked about, too */
struct asking {
	unsigned n;
	struct {
		const struct tg_pol_trust *trust;
		struct tlsp_status_ref ref;
	} asked[TRUSTS_MAX];
};

static void ask_status(void *ctx, const struct tg_pol_trust *trust, X509 *leaf,
		X509 *issuer, bool allow_sha1, struct tg_x509_status *out)
{
	struct asking *a = ctx;

	if(a->n == TRUSTS_MAX)
		return;
	a->asked[a->n].trust = trust;
	tlsp_status_ask(
			trust, leaf, issuer, allow_sha1, out, &a->asked[a->n++].ref);
}

static void keep_status(const struct asking *a, const struct tg_judge_out *out,
		struct tlsp_facts *f)
{
	const struct tg_pol_peer *peer = out->verdict.peer;

	memset(&f->status, 0, sizeof(f->status));
	for(unsigned i = 0; peer && i < a->n; i++) {
		if(a->asked[i].trust == peer->trust)
			f->status = a->asked[i].ref;
	}
	if(out->pending && !f->held)
		tlsp_stats_count_ocsp(TLSP_OCSP_HELD);
	if(f->allowed && !out->pending && out->x509.status_open && !f->established)
		tlsp_stats_count_ocsp(TLSP_OCSP_UNPROVEN);
	f->held = out->pending;
	f->held_until = out->pending ? out->pending_until : 0;
	f->status_until = out->x509.ocsp_until;
}

/* Toward a next hop: what comes with its certificate is looked at */
static bool looks_at_staple(const struct tg_pol_trust *trust)
{
	return trust && (trust->ocsp_staple || trust->ocsp_fetch)
		   && trust->revocation != TG_POL_REV_OFF;
}

void tlsp_judge_cert(const struct tlsp_snap *snap, struct tlsp_facts *f,
		X509 *leaf, STACK_OF(X509) *chain, const struct tg_span *staple,
		struct tg_judge_out *out)
{
	struct asking asking = {0};
	struct tg_judge_in in = {
			.policy = snap->policy,
			.generation = snap->generation,
			.wanted = wanted_of(snap, f),
			.leaf = leaf,
			.untrusted = chain,
			.at = time(NULL),
			.established = f->established,
			.staple_follows =
					!staple && !f->established && f->direction == TG_POL_OUT,
			.staple = staple ? *staple : tg_span_of(NULL, 0),
			.status = ask_status,
			.status_ctx = &asking,
			.status_until = f->status_until,
			.pending_until = f->held ? f->held_until : 0,
			.spread = (uint32_t)f->id * 2654435761u >> 8,
	};
	const struct tg_pol_verdict *v = &out->verdict;

	memset(out, 0, sizeof(*out));
	tlsp_facts_conn(f, &in.conn);
	if(tlsp_judge())
		tg_judge_certificate(tlsp_judge(), &in, NULL, out);
	else
		out->verdict.reason = TG_REASON_INTERNAL;
	check_version(snap, f, &out->verdict);
	f->judged = true;
	f->allowed = v->decision == TG_POL_ALLOW;
	f->audited = v->audited;
	f->reason = v->reason;
	f->wanted = in.wanted ? in.wanted->id : TLSP_NOBODY;
	f->peer = v->peer ? v->peer->id : TLSP_NOBODY;
	f->clients = v->clients ? v->clients->id : TLSP_NOBODY;
	f->generation = snap->generation;
	f->staple_due = !staple && !f->established && f->allowed && v->peer
					&& f->direction == TG_POL_OUT
					&& looks_at_staple(v->peer->trust);
	keep_status(&asking, out, f);
	f->not_after = leaf ? out->x509.not_after : 0;
	memcpy(f->identity, out->x509.name, sizeof(f->identity));
	f->identity[sizeof(f->identity) - 1] = 0;
}

/* ---- again ----------------------------------------------------------------- */

/* NULL where the octets end or cannot be read */
static X509 *next_cert(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *p = *at;
	size_t left = (size_t)(end - p);
	size_t n;

	if(left < 4)
		return NULL;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if(n > left - 4)
		return NULL;
	p += 4;
	*at = p + n;
	return d2i_X509(NULL, &p, (long)n);
}

bool tlsp_certs_read(
		const unsigned char *der, size_t octets, STACK_OF(X509) **out)
{
	const unsigned char *end = der + octets;
	X509 *cert;

	*out = sk_X509_new_null();
	while(*out && (cert = next_cert(&der, end))) {
		if(!sk_X509_push(*out, cert)) {
			X509_free(cert);
			return false;
		}
	}
	return *out && der == end;
}

static bool chain_read(
		const struct tlsp_chain *kept, X509 **leaf, STACK_OF(X509) **chain)
{
	if(tlsp_certs_read(kept->der, kept->octets, chain))
		*leaf = sk_X509_shift(*chain);
	return *leaf != NULL;
}

static void judge_again(const struct tlsp_snap *snap, struct tlsp_facts *f)
{
	struct tlsp_chain *kept = tlsp_conn_get_chain(f->id);
	struct tlsp_report report = {.gate = "again"};
	STACK_OF(X509) *chain = NULL;
	struct tg_judge_out out;
	struct tg_pol_conn conn;
	X509 *leaf = NULL;

	if(kept && !chain_read(kept, &leaf, &chain)) {
		memset(&out, 0, sizeof(out));
		out.verdict.reason = TG_REASON_INTERNAL;
		f->allowed = false;
		f->reason = TG_REASON_INTERNAL;
		f->generation = snap->generation;
		f->peer = f->clients = f->wanted = TLSP_NOBODY;
	} else {
		tlsp_judge_cert(snap, f, leaf, chain, NULL, &out);
	}
	sk_X509_pop_free(chain, X509_free);
	X509_free(leaf);
	free(kept);
	/* audit mode lets an expired one live: do not ask at each message */
	if(f->audited && f->not_after && time(NULL) > f->not_after)
		f->not_after = 0;
	tlsp_facts_conn(f, &conn);
	report.conn = &conn;
	report.detail = out.x509.detail;
	if(!f->allowed || f->audited)
		tlsp_report(snap->policy, &out.verdict, &report);
}

bool tlsp_facts_current(
		const struct tlsp_snap *snap, const struct tlsp_facts *f)
{
	if(!f->judged || !f->allowed || !f->established)
		return true;
	return f->generation == snap->generation
		   && (!f->not_after || time(NULL) <= f->not_after)
		   && (!f->held || time(NULL) <= f->held_until)
		   && !tlsp_status_moved(&f->status);
}

bool tlsp_conn_current(
		const struct tlsp_snap *snap, int id, struct tlsp_facts *out)
{
	bool newer;

	if(!tlsp_conn_get(id, out))
		return false;
	if(tlsp_facts_current(snap, out))
		return true;
	/* who holds an older snapshot must not undo what a newer one said */
	newer = snap->generation >= out->generation;
	judge_again(snap, out);
	if(newer)
		tlsp_conn_set(out);
	return true;
}

bool tlsp_conn_current_head(
		const struct tlsp_snap *snap, int id, struct tlsp_facts *out)
{
	if(!tlsp_conn_get_head(id, out))
		return false;
	return tlsp_facts_current(snap, out) || tlsp_conn_current(snap, id, out);
}
