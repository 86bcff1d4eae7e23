/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which peer is it? The names of a certificate give candidates, each
 * candidate's own trust has the last word on the chain, and exactly one may
 * be left. The union of the trusts is never asked.
 */
#include "judge/stores.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A certificate that fits more peers than this tells nobody apart */
#define CANDIDATES_MAX 16

struct tg_judge {
	struct tg_judge_stores stores;
};

/* One judgement under way */
struct hearing {
	struct tg_judge *judge;
	const struct tg_judge_in *in;
	const struct tg_pol_trace *trace;
	struct tg_pol_limits limits;
	struct tg_judge_out *out;
};

struct tg_judge *tg_judge_new(void)
{
	return calloc(1, sizeof(struct tg_judge));
}

void tg_judge_free(struct tg_judge *j)
{
	if(!j)
		return;
	tg_judge_stores_drop(&j->stores);
	free(j);
}

static void say(const struct hearing *h, const struct tg_where *where,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void say(const struct hearing *h, const struct tg_where *where,
		const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if(!h->trace)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h->trace->step(h->trace->ctx, where, text);
}

/* ---- verdicts ---------------------------------------------------------------- */

/* The line of the peer that a reason is about */
static enum tg_pol_peer_key key_of(enum tg_reason reason)
{
	switch(reason) {
		case TG_REASON_CERT_NAME:
		case TG_REASON_AMBIGUOUS:
		case TG_REASON_NONE:
			return TG_POL_PEER_KEY_IDENTITY;
		case TG_REASON_CERT_EKU:
			return TG_POL_PEER_KEY_EKU;
		case TG_REASON_CERT_WEAK:
			return TG_POL_PEER_KEY_TLS;
		default:
			return TG_POL_PEER_KEY_TRUST;
	}
}

static void allow(const struct hearing *h, const struct tg_pol_peer *peer,
		const struct tg_x509_answer *answer)
{
	struct tg_where rule = tg_pol_peer_where(peer, TG_POL_PEER_KEY_IDENTITY);

	h->out->verdict = (struct tg_pol_verdict){
			.decision = TG_POL_ALLOW, .peer = peer, .rule = rule};
	h->out->x509 = *answer;
	say(h, &rule, "it is peer %.*s", TG_SPAN_FMT(peer->name));
}

static void refuse(const struct hearing *h, enum tg_reason reason,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients,
		const char *detail)
{
	struct tg_pol_verdict *v = &h->out->verdict;

	*v = (struct tg_pol_verdict){
			.reason = reason, .peer = peer, .clients = peer ? NULL : clients};
	if(peer)
		v->rule = tg_pol_peer_where(peer, key_of(reason));
	else if(clients)
		v->rule = clients->where;
	h->out->x509.reason = reason;
	h->out->x509.openssl_error = tg_x509_alert_error(reason);
	if(detail)
		snprintf(
				h->out->x509.detail, sizeof(h->out->x509.detail), "%s", detail);
	tg_pol_apply_audit(h->in->policy, v);
	say(h, &v->rule, "%s: %s%s%s",
			v->audited ? "audit: would be refused" : "refused",
			tg_reason_get(reason)->text, detail ? ": " : "",
			detail ? detail : "");
}

/* What x509/ said about one peer becomes the verdict */
static void refuse_as_answered(const struct hearing *h,
		const struct tg_pol_peer *peer, const struct tg_x509_answer *answer)
{
	refuse(h, answer->reason, peer, NULL, answer->detail);
	h->out->x509 = *answer;
}

/* ---- stale CRLs --------------------------------------------------------------- */

#define SPREAD_MAX_SEC 600

/*
 * How long a stale CRL answers for this connection: nothing for a new one.
 * Those that are up end one after the other over the last tenth of it.
 */
static time_t grace_of(
		const struct hearing *h, const struct tg_pol_trust *trust)
{
	uint32_t over = trust->stale_grace_sec / 10;

	if(over > SPREAD_MAX_SEC)
		over = SPREAD_MAX_SEC;
	return (time_t)(trust->stale_grace_sec - h->in->spread % (over + 1));
}

static bool fetches(const struct tg_pol_trust *trust)
{
	return trust->ocsp_fetch && trust->revocation != TG_POL_REV_OFF;
}

/* Only a server can staple with what OpenSSL has */
static bool wants_staple(
		const struct hearing *h, const struct tg_pol_trust *trust)
{
	return trust->ocsp_staple && !fetches(trust)
		   && h->in->conn.direction == TG_POL_OUT
		   && trust->revocation != TG_POL_REV_OFF;
}

/* One that comes unasked for is as good as a fetched one */
static void ask_for_staple(const struct hearing *h,
		const struct tg_pol_trust *trust, struct tg_x509_ask *ask)
{
	if((!wants_staple(h, trust) && !fetches(trust)) || h->in->staple_follows
			|| h->in->established || h->in->conn.direction != TG_POL_OUT)
		return;
	ask->ocsp_asked = true;
	ask->ocsp = h->in->staple;
}

/* A connection that is up lives on the staple that it began with */
static void end_with_staple(const struct hearing *h,
		const struct tg_pol_trust *trust, struct tg_x509_answer *answer)
{
	time_t grace = grace_of(h, trust);

	if(answer->reason != TG_REASON_NONE || !wants_staple(h, trust)
			|| trust->revocation == TG_POL_REV_SOFT)
		return;
	if(h->in->established)
		answer->ocsp_until = h->in->status_until;
	if(h->in->established && h->in->at > answer->ocsp_until + grace) {
		answer->reason = TG_REASON_OCSP_UNKNOWN;
		answer->openssl_error = tg_x509_alert_error(answer->reason);
		snprintf(answer->detail, sizeof(answer->detail),
				"OCSP: the stapled response is past its next update");
	} else if(answer->ocsp_until
			  && answer->ocsp_until + grace < answer->not_after) {
		answer->not_after = answer->ocsp_until + grace;
	}
}

/* ---- a status that is fetched --------------------------------------------------- */

/* Of whom the status is, for the host */
struct errand {
	const struct hearing *h;
	const struct tg_pol_trust *trust;
};

static void ask_host(void *ctx, X509 *leaf, X509 *issuer, bool allow_sha1,
		struct tg_x509_status *out)
{
	const struct errand *errand = ctx;
	const struct tg_judge_in *in = errand->h->in;

	if(in->status)
		in->status(
				in->status_ctx, errand->trust, leaf, issuer, allow_sha1, out);
	else
		snprintf(out->detail, sizeof(out->detail), "a responder has to say");
}

/*
 * Who connects can be kept waiting; toward a next hop the request that opened
 * the connection would leave with the end of the handshake.
 */
static bool may_wait(const struct tg_judge_in *in)
{
	return (in->established || in->conn.direction == TG_POL_IN)
		   && (!in->pending_until || in->at <= in->pending_until);
}

/* What an open status means under revocation = hard */
static void settle_status(const struct hearing *h,
		const struct tg_pol_trust *trust, struct tg_x509_answer *answer)
{
	const struct tg_judge_in *in = h->in;
	time_t grace = grace_of(h, trust);

	if(answer->reason != TG_REASON_NONE || !fetches(trust)
			|| trust->revocation != TG_POL_REV_HARD)
		return;
	if(answer->status_open && in->established && in->status_until
			&& in->at <= in->status_until + grace) {
		answer->status_open = false;
		answer->ocsp_until = in->status_until;
	}
	if(answer->status_open && !may_wait(in)) {
		answer->reason = TG_REASON_OCSP_UNKNOWN;
		answer->openssl_error = tg_x509_alert_error(answer->reason);
	}
	if(answer->ocsp_until && answer->ocsp_until + grace < answer->not_after)
		answer->not_after = answer->ocsp_until + grace;
}

/* The verdict rests on a status that is still asked for */
static void hold(const struct tg_judge_in *in, struct tg_judge_out *out)
{
	const struct tg_pol_peer *peer = out->verdict.peer;

	if(out->verdict.decision != TG_POL_ALLOW || out->verdict.audited || !peer
			|| !out->x509.status_open
			|| peer->trust->revocation != TG_POL_REV_HARD)
		return;
	out->pending = true;
	out->pending_until = in->pending_until
								 ? in->pending_until
								 : in->at + peer->trust->ocsp.max_pending_sec;
}

static void end_with_crl(struct tg_x509_answer *answer, time_t grace)
{
	if(answer->crl_until && answer->crl_until + grace < answer->not_after)
		answer->not_after = answer->crl_until + grace;
}

/* ---- one peer ------------------------------------------------------------------ */

static void ask_about(const struct hearing *h, const struct tg_pol_peer *peer,
		struct tg_x509_answer *answer)
{
	const struct tg_pol_trust *trust = peer->trust;
	const struct tg_x509_store *store =
			tg_judge_stores_get(&h->judge->stores, trust);
	struct tg_x509_ask ask = {
			.identity = peer->identity.item,
			.n_identity = peer->identity.n,
			.wildcard = peer->wildcard,
			.eku = (enum tg_x509_eku)peer->eku,
			.peer_is_client = h->in->conn.direction == TG_POL_IN,
			.max_rsa_bits = h->limits.rsa_bits_max,
			.max_chain_octets = h->limits.chain_octets,
			.max_names = h->limits.names_max < TG_X509_NAMES_MAX
								 ? (uint8_t)h->limits.names_max
								 : 0,
			.at = h->in->at,
	};
	struct errand errand = {h, trust};
	struct tg_where where;

	memset(answer, 0, sizeof(*answer));
	answer->reason = TG_REASON_INTERNAL;
	answer->openssl_error = tg_x509_alert_error(TG_REASON_INTERNAL);
	/* no identity would mean that any name will do */
	if(!trust || !peer->tls || peer->identity.n == 0) {
		answer->reason = TG_REASON_CERT_UNTRUSTED;
		answer->openssl_error = tg_x509_alert_error(answer->reason);
		snprintf(answer->detail, sizeof(answer->detail),
				"no certificate proves peer %.*s: it has no trust",
				TG_SPAN_FMT(peer->name));
		return;
	}
	if(store) {
		ask.min_rsa_bits = peer->tls->min_rsa_bits;
		ask.min_ec_bits = peer->tls->min_ec_bits;
		ask.allow_sha1 = peer->tls->legacy;
		ask.revocation = (enum tg_x509_revocation)trust->revocation;
		ask.stale_grace_sec = h->in->established ? grace_of(h, trust) : 0;
		ask_for_staple(h, trust, &ask);
		if(fetches(trust) && !h->in->staple_follows) {
			ask.status = ask_host;
			ask.status_ctx = &errand;
		}
		tg_x509_verify(store, h->in->leaf, h->in->untrusted, &ask, answer);
		end_with_crl(answer, grace_of(h, trust));
		end_with_staple(h, trust, answer);
		settle_status(h, trust, answer);
	} else {
		snprintf(answer->detail, sizeof(answer->detail),
				"the files of trust %.*s cannot be used",
				TG_SPAN_FMT(trust->name));
	}
	where = tg_pol_peer_where(peer, key_of(answer->reason));
	if(answer->reason == TG_REASON_NONE)
		say(h, &where, "peer %.*s: proven as %s%s%s", TG_SPAN_FMT(peer->name),
				answer->name, answer->status_open ? "; " : "",
				answer->status_open ? answer->detail : "");
	else
		say(h, &where, "peer %.*s: %s: %s", TG_SPAN_FMT(peer->name),
				tg_reason_get(answer->reason)->id, answer->detail);
}

/* How much a refusal tells: a chain to the peer's CA tells more than none */
static int rank(enum tg_reason reason)
{
	switch(reason) {
		case TG_REASON_INTERNAL:
			return 0;
		case TG_REASON_CERT_UNTRUSTED:
		case TG_REASON_CERT_SELF_SIGNED:
			return 1;
		case TG_REASON_CERT_SIGNATURE:
			return 2;
		default:
			return 3;
	}
}

/* Exactly one of them must hold */
static void pick(const struct hearing *h, const struct tg_pol_peer *const *peer,
		size_t n)
{
	const struct tg_pol_peer *held = NULL, *closest = NULL;
	struct tg_x509_answer answer, best = {0};

	for(size_t i = 0; i < n; i++) {
		ask_about(h, peer[i], &answer);
		if(answer.reason == TG_REASON_NONE && held) {
			refuse(h, TG_REASON_AMBIGUOUS, held, NULL,
					"the certificate proves more than one peer");
			return;
		}
		if(answer.reason == TG_REASON_NONE) {
			held = peer[i];
			best = answer;
		} else if(!held
				  && (!closest || rank(answer.reason) > rank(best.reason))) {
			closest = peer[i];
			best = answer;
		}
	}
	if(held)
		allow(h, held, &best);
	else
		refuse_as_answered(h, closest, &best);
}

/* ---- inbound ------------------------------------------------------------------- */

static void judge_no_certificate(
		const struct hearing *h, const struct tg_pol_admission *adm)
{
	const struct tg_judge_in *in = h->in;

	if(adm->clients || !adm->request_certificate) {
		/* a client, or a stranger that audit mode lets in */
		h->out->verdict = adm->verdict;
		say(h, &adm->verdict.rule, "no certificate: %s%.*s",
				adm->clients ? "clients " : "nobody we know",
				TG_SPAN_FMT(adm->clients ? adm->clients->name : TG_SPAN("")));
		return;
	}
	refuse(h, TG_REASON_CERT_MISSING,
			tg_pol_peer_by_conn(in->policy, &in->conn), NULL, "no certificate");
}

/* No peer of that name may connect here: wrong name, or no CA of ours? */
static void judge_stranger(
		const struct hearing *h, const struct tg_pol_admission *adm)
{
	const struct tg_pol_peer *near =
			tg_pol_peer_by_conn(h->in->policy, &h->in->conn);
	struct tg_x509_answer answer;

	if(!near) {
		refuse(h, TG_REASON_CERT_UNTRUSTED, NULL, adm->clients,
				"no peer connects from there, so no certificate is known");
		return;
	}
	ask_about(h, near, &answer);
	if(answer.reason == TG_REASON_NONE) {
		/* the policy's own look-up found no such name */
		refuse(h, TG_REASON_CERT_NAME, near, NULL, answer.name);
		return;
	}
	refuse_as_answered(h, near, &answer);
}

static void judge_inbound(const struct hearing *h,
		const struct tg_pol_admission *adm, const struct tg_x509_names *names)
{
	const struct tg_pol_peer *peer[CANDIDATES_MAX];
	struct tg_span name[TG_X509_NAMES_MAX];
	size_t n_names = 0, n;

	for(size_t i = 0; i < names->n; i++) {
		/* the language has no way to ask for the common name */
		if(names->item[i].kind != TG_X509_NAME_CN)
			name[n_names++] =
					tg_span_of(names->item[i].text, names->item[i].len);
	}
	n = tg_pol_candidates(
			h->in->policy, &h->in->conn, name, n_names, peer, CANDIDATES_MAX);
	if(n > CANDIDATES_MAX)
		refuse(h, TG_REASON_AMBIGUOUS, peer[0], NULL,
				"the certificate has the names of too many peers");
	else if(n)
		pick(h, peer, n);
	else
		judge_stranger(h, adm);
}

static void judge_incoming(struct hearing *h)
{
	const struct tg_judge_in *in = h->in;
	struct tg_x509_names names;
	struct tg_pol_admission adm;
	size_t max;

	/* what the handshake began with; no trace: the host has shown it */
	tg_pol_admit(in->policy, &in->conn, NULL, &adm);
	h->limits = adm.limits;
	max = adm.limits.names_max ? adm.limits.names_max : TG_X509_NAMES_MAX;
	if(adm.verdict.decision == TG_POL_DENY || adm.verdict.audited) {
		refuse(h, adm.verdict.reason, adm.verdict.peer, adm.verdict.clients,
				NULL);
		h->out->verdict = adm.verdict;
	} else if(!in->leaf) {
		judge_no_certificate(h, &adm);
	} else if(!tg_x509_names(in->leaf, max, &names)) {
		refuse(h, TG_REASON_CERT_MALFORMED,
				tg_pol_peer_by_conn(in->policy, &in->conn), adm.clients,
				"subjectAltName cannot be read");
	} else if(names.truncated) {
		refuse(h, TG_REASON_CERT_CHAIN_LIMIT,
				tg_pol_peer_by_conn(in->policy, &in->conn), adm.clients,
				"too many names");
	} else {
		judge_inbound(h, &adm, &names);
	}
}

/* ---- outbound ------------------------------------------------------------------ */

static void judge_outgoing(struct hearing *h)
{
	const struct tg_judge_in *in = h->in;
	const struct tg_pol_peer *peer[CANDIDATES_MAX] = {in->wanted};
	size_t n = in->wanted != NULL;

	h->limits = *tg_pol_default_limits(in->policy);
	if(n == 0)
		n = tg_pol_wanted_peers(in->policy, &in->conn, peer, CANDIDATES_MAX);
	if(n == 0)
		refuse(h, TG_REASON_EGRESS_UNDECLARED, NULL, NULL, NULL);
	else if(n > CANDIDATES_MAX)
		refuse(h, TG_REASON_AMBIGUOUS, peer[0], NULL,
				"too many peers are reached there");
	else if(!in->leaf)
		refuse(h, TG_REASON_CERT_MISSING, peer[0], NULL, "no certificate");
	else
		pick(h, peer, n);
}

void tg_judge_certificate(struct tg_judge *j, const struct tg_judge_in *in,
		const struct tg_pol_trace *trace, struct tg_judge_out *out)
{
	struct hearing h = {.judge = j, .in = in, .trace = trace, .out = out};

	memset(out, 0, sizeof(*out));
	out->verdict.reason = TG_REASON_INTERNAL;
	out->x509.reason = TG_REASON_INTERNAL;
	out->x509.openssl_error = tg_x509_alert_error(TG_REASON_INTERNAL);
	tg_judge_stores_turn(&j->stores, in->policy, in->generation);
	if(in->conn.direction == TG_POL_IN)
		judge_incoming(&h);
	else
		judge_outgoing(&h);
	hold(in, out);
	if(out->verdict.decision == TG_POL_ALLOW && !out->verdict.audited) {
		out->x509.reason = TG_REASON_NONE;
		out->x509.openssl_error = X509_V_OK;
	}
}

const struct tg_pol_trust *tg_judge_responder_of(struct tg_judge *j,
		const struct tg_pol *p, uint64_t generation, X509 *leaf,
		STACK_OF(X509) *others, X509 **issuer)
{
	tg_judge_stores_turn(&j->stores, p, generation);
	for(size_t i = 0; i < tg_pol_trust_count(p); i++) {
		const struct tg_pol_trust *trust = tg_pol_trust_at(p, i);
		const struct tg_x509_store *store =
				trust->ocsp_fetch ? tg_judge_stores_get(&j->stores, trust)
								  : NULL;

		*issuer = store ? tg_x509_store_issuer(store, leaf, others) : NULL;
		if(*issuer)
			return trust;
	}
	*issuer = NULL;
	return NULL;
}
