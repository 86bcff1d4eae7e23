/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS sessions that are taken up again: RFC 5077 up to TLS 1.2, RFC 8446
 * section 2.2. All of a session is in its ticket, so any process of this
 * Kamailio can take it up, and there is no cache. Resumption skips OpenSSL's
 * verification of certificates, hence three bars:
 *
 *   bound    the session id context is a digest of policy, listener, server
 *            name and client rule; OpenSSL takes up no session of another one
 *   judged   when a ticket is opened: its certificates are in it, and are put
 *            before the policy, the CRLs and the clock of today. What does not
 *            hold is no error: the handshake goes on in full, and there the
 *            certificate meets its refusal, with an alert
 *   counted  at the end: a verdict counts only when OpenSSL says that it did
 *            take a session up; without a verdict there is a refusal
 *
 * Certificates in a ticket are as old as the handshake that proved possession
 * of their key: tickets of tickets inherit its time (RFC 8446 section 4.6.1).
 * Sessions by id alone are not kept, nor is a session of ours toward a peer.
 *
 *   ticket data:  1 | 'c' or 'p' | born, 8 octets | length, name of the rule |
 *                 the chain without its leaf, as in struct tlsp_chain
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "core/dprint.h"

#include "tls_policy/resume.h"
#include "x509/openssl_compat.h"

#define DATA_VERSION 1
#define DATA_FIXED 11
/* Leaf and chain; more has no place in a ticket that rides in a ClientHello */
#define CERTS_OCTETS_MAX (16 * 1024)

/* What a ticket says beside the session */
struct data {
	bool peer; /* or clients */
	time_t born;
	struct tg_span rule;
	const unsigned char *certs;
	size_t certs_octets;
};

/* ---- what a session is bound to -------------------------------------------- */

struct text {
	unsigned char at[640];
	size_t n;
};

static void put(struct text *t, const void *octets, size_t n)
{
	if(n > sizeof(t->at) - t->n)
		n = sizeof(t->at) - t->n;
	memcpy(t->at + t->n, octets, n);
	t->n += n;
}

static void put_span(struct text *t, struct tg_span s)
{
	uint32_t n = (uint32_t)s.len;

	put(t, &n, sizeof(n));
	if(s.len)
		put(t, s.ptr, s.len);
}

static bool bind_session(SSL *ssl, const struct tlsp_snap *snap,
		const struct tlsp_facts *f, const struct tg_pol_admission *a)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	uint64_t policy = tg_pol_session_digest(snap->policy);
	char local[TG_ADDR_TEXT_OCTETS];
	struct text t = {.n = 0};
	unsigned n;

	tg_addr_format(&f->local, local);
	put(&t, &policy, sizeof(policy));
	put(&t, &f->local_port, sizeof(f->local_port));
	put(&t, &f->transport, sizeof(f->transport));
	put(&t, &a->request_certificate, sizeof(a->request_certificate));
	put(&t, &a->require_certificate, sizeof(a->require_certificate));
	put_span(&t, tg_span_cstr(local));
	put_span(&t, a->clients ? a->clients->name : TG_SPAN(""));
	put_span(&t, tg_span_cstr(f->sni));
	return EVP_Digest(t.at, t.n, out, &n, EVP_sha256(), NULL) == 1
		   && SSL_set_session_id_context(ssl, out, n) == 1;
}

/* No session of another connection can be taken up on this one */
static bool bind_to_nothing(SSL *ssl)
{
	unsigned char context[SSL_MAX_SID_CTX_LENGTH];

	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	SSL_set_num_tickets(ssl, 0);
	return RAND_bytes(context, sizeof(context)) == 1
		   && SSL_set_session_id_context(ssl, context, sizeof(context)) == 1;
}

static int on_issue(SSL *ssl, void *arg);
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session,
		const unsigned char *name, size_t octets, SSL_TICKET_STATUS status,
		void *arg);

/*
 * The context of a connection of tls.so, and of no other user of OpenSSL. Each
 * process writes the same into it. An SSL asks the one that it was made of.
 */
static void hang_on(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tlsp_tickets_on_key);
	SSL_CTX_set_session_ticket_cb(ctx, on_issue, on_ticket, NULL);
	/* modparam("tls", "session_cache"): such sessions nobody would judge */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

bool tlsp_resume_admit(SSL *ssl, const struct tlsp_snap *snap,
		struct tlsp_facts *f, const struct tg_pol_admission *a)
{
	f->ticket = f->tickets = false;
	if(!a->resumption || a->verdict.audited)
		return bind_to_nothing(ssl);
	hang_on(SSL_get_SSL_CTX(ssl));
	f->tickets = a->clients && a->clients->resumption;
	SSL_clear_options(ssl, SSL_OP_NO_TICKET);
	SSL_set_num_tickets(ssl, f->tickets);
	return bind_session(ssl, snap, f, a);
}

/* ---- the data of a ticket ---------------------------------------------------- */

static bool data_read(SSL_SESSION *session, struct data *out)
{
	const unsigned char *at;
	void *octets = NULL;
	size_t n = 0, name;

	if(SSL_SESSION_get0_ticket_appdata(session, &octets, &n) != 1 || !octets
			|| n < DATA_FIXED)
		return false;
	at = octets;
	name = at[10];
	if(at[0] != DATA_VERSION || (at[1] != 'c' && at[1] != 'p')
			|| n - DATA_FIXED < name)
		return false;
	out->peer = at[1] == 'p';
	out->born = 0;
	for(size_t i = 2; i < 10; i++)
		out->born = (time_t)((uint64_t)out->born << 8 | at[i]);
	out->rule = tg_span_of((const char *)at + DATA_FIXED, name);
	out->certs = at + DATA_FIXED + name;
	out->certs_octets = n - DATA_FIXED - name;
	return true;
}

/* The chain that was kept for this connection, behind its leaf */
static void find_certs(const struct tlsp_chain *kept, struct data *d)
{
	size_t leaf;

	if(kept->octets < 4)
		return;
	leaf = 4
		   + ((size_t)kept->der[0] << 24 | (size_t)kept->der[1] << 16
				   | (size_t)kept->der[2] << 8 | kept->der[3]);
	if(leaf > kept->octets)
		return;
	d->certs = kept->der + leaf;
	d->certs_octets = kept->octets - leaf;
}

static bool data_write(SSL_SESSION *session, const struct data *d)
{
	size_t n = DATA_FIXED + d->rule.len + d->certs_octets;
	unsigned char *at;
	bool ok;

	if(d->rule.len > 255)
		return false;
	at = malloc(n);
	if(!at)
		return false;
	at[0] = DATA_VERSION;
	at[1] = d->peer ? 'p' : 'c';
	for(size_t i = 0; i < 8; i++)
		at[2 + i] = (unsigned char)((uint64_t)d->born >> (56 - 8 * i));
	at[10] = (unsigned char)d->rule.len;
	memcpy(at + DATA_FIXED, d->rule.ptr, d->rule.len);
	if(d->certs_octets)
		memcpy(at + DATA_FIXED + d->rule.len, d->certs, d->certs_octets);
	ok = SSL_SESSION_set1_ticket_appdata(session, at, n) == 1;
	free(at);
	return ok;
}

/* ---- giving ------------------------------------------------------------------ */

void tlsp_resume_proven(SSL *ssl, const struct tlsp_snap *snap,
		struct tlsp_facts *f, X509 *leaf, STACK_OF(X509) *chain)
{
	const struct tg_pol_peer *peer = tlsp_facts_peer(snap, f);
	size_t octets = 0;
	int n;

	f->tickets = false;
	if(f->direction == TG_POL_IN && peer && peer->resumption && !f->audited) {
		n = i2d_X509(leaf, NULL);
		octets = n > 0 ? (size_t)n : CERTS_OCTETS_MAX;
		for(int i = 0; i < sk_X509_num(chain); i++) {
			n = i2d_X509(sk_X509_value(chain, i), NULL);
			octets += n > 0 ? (size_t)n : CERTS_OCTETS_MAX;
		}
		f->tickets = octets < CERTS_OCTETS_MAX;
	}
	SSL_set_num_tickets(ssl, f->tickets);
}

static bool my_facts(struct tlsp_facts *f)
{
	struct tcp_connection *c = tlsp_current();

	return c && tlsp_conn_get(c->id, f) && f->direction == TG_POL_IN;
}

static bool is_due(SSL *ssl, const struct tlsp_facts *f)
{
	return SSL_session_reused(ssl) ? f->ticket : f->tickets;
}

bool tlsp_resume_gives(SSL *ssl)
{
	struct tlsp_facts f;
	struct data d;

	/* where on_issue failed there is nothing that could be judged later */
	return my_facts(&f) && is_due(ssl, &f)
		   && data_read(SSL_get_session(ssl), &d);
}

/* Of a full handshake. False: it gets none */
static bool describe(const struct tlsp_snap *snap, const struct tlsp_facts *f,
		SSL_SESSION *session)
{
	const struct tg_pol_peer *peer = tlsp_facts_peer(snap, f);
	struct tlsp_chain *kept = peer ? tlsp_conn_get_chain(f->id) : NULL;
	struct data d = {.peer = peer != NULL, .born = time(NULL)};
	struct tg_pol_admission a;
	struct tg_pol_conn conn;
	bool ok = false;

	if(kept)
		find_certs(kept, &d);
	if(peer) {
		d.rule = peer->name;
		ok = kept && d.certs;
	} else if(!SSL_SESSION_get0_peer(session)) {
		/* no certificate: the rule is known, its verdict comes at the end */
		tlsp_facts_conn(f, &conn);
		tg_pol_admit(snap->policy, &conn, NULL, &a);
		d.rule = a.clients ? a.clients->name : TG_SPAN("");
		ok = a.clients && a.clients->resumption;
	}
	ok = ok && data_write(session, &d);
	free(kept);
	return ok;
}

/* SSL_CTX_set_session_ticket_cb(3). 0 would end the connection */
static int on_issue(SSL *ssl, void *arg)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	const struct tlsp_snap *snap;
	time_t now = time(NULL), end;
	struct tlsp_facts f;
	struct data d;
	bool ok;

	(void)arg;
	if(!my_facts(&f) || !is_due(ssl, &f))
		return 1;
	snap = tlsp_snap_ref();
	ok = f.generation == snap->generation
		 && (SSL_session_reused(ssl) || describe(snap, &f, session))
		 && data_read(session, &d);
	tlsp_snap_unref(snap);
	if(!ok) {
		SSL_SESSION_set1_ticket_appdata(session, NULL, 0);
		return 1;
	}
	end = d.born + tlsp_params.ticket_life;
	if(f.not_after && f.not_after < end)
		end = f.not_after;
	if(end <= now)
		end = now + 1;
	SSL_SESSION_set_timeout(
			session, (long)(end - tg_openssl_session_time(session)));
	return 1;
}

/* ---- taking up ----------------------------------------------------------------- */

static bool is_of_age(const struct data *d)
{
	time_t now = time(NULL);

	return now >= d->born && now - d->born < tlsp_params.ticket_life;
}

static void forget_ticket(struct tlsp_facts *f)
{
	f->ticket = false;
	f->peer = f->clients = TLSP_NOBODY;
	f->not_after = 0;
	f->held = false;
	f->status_until = 0;
	memset(&f->status, 0, sizeof(f->status));
	f->identity[0] = 0;
}

/* f gets the verdict, to count if OpenSSL does take this session up */
static bool judge_peer(SSL *ssl, const struct tlsp_snap *snap,
		struct tlsp_facts *f, SSL_SESSION *session, const struct data *d)
{
	X509 *leaf = SSL_SESSION_get0_peer(session);
	const struct tg_pol_peer *peer = NULL;
	STACK_OF(X509) *chain = NULL;
	struct tg_judge_out out;

	if(leaf && tlsp_certs_read(d->certs, d->certs_octets, &chain)) {
		f->tls_version = (uint16_t)SSL_version(ssl);
		tlsp_judge_cert(snap, f, leaf, chain, NULL, &out);
		peer = f->allowed && !f->audited ? tlsp_facts_peer(snap, f) : NULL;
	}
	sk_X509_pop_free(chain, X509_free);
	f->judged = f->allowed = false;
	return peer && peer->resumption && tg_span_eq(peer->name, d->rule);
}

static bool holds(SSL *ssl, const struct tlsp_snap *snap, struct tlsp_facts *f,
		SSL_SESSION *session)
{
	struct data d;

	if(f->generation != snap->generation || !data_read(session, &d)
			|| !is_of_age(&d))
		return false;
	if(d.peer)
		return judge_peer(ssl, snap, f, session, &d);
	/* the rule is in what the session is bound to; judged at the end */
	return f->tickets && !SSL_SESSION_get0_peer(session);
}

static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session,
		const unsigned char *name, size_t octets, SSL_TICKET_STATUS status,
		void *arg)
{
	const struct tlsp_snap *snap;
	struct tlsp_facts f, of_ticket;

	(void)name;
	(void)octets;
	(void)arg;
	if((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
			|| !my_facts(&f) || f.judged)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	forget_ticket(&f); /* TLS 1.3 may show several, and take none */
	of_ticket = f;
	snap = tlsp_snap_ref();
	of_ticket.ticket = holds(ssl, snap, &of_ticket, session);
	tlsp_snap_unref(snap);
	if(!of_ticket.ticket)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	SSL_set_num_tickets(ssl, 1);
	return tlsp_conn_set(&of_ticket) ? SSL_TICKET_RETURN_USE_RENEW
									 : SSL_TICKET_RETURN_ABORT;
}

bool tlsp_resume_settle(SSL *ssl, struct tlsp_facts *f)
{
	if(!f->ticket || SSL_session_reused(ssl))
		return false;
	forget_ticket(f);
	SSL_set_num_tickets(ssl, f->tickets);
	return true;
}

bool tlsp_resume_taken(SSL *ssl, const struct tlsp_snap *snap,
		const struct tlsp_facts *f, X509 **leaf, const unsigned char **certs,
		size_t *octets)
{
	const struct tg_pol_peer *peer = tlsp_facts_peer(snap, f);
	SSL_SESSION *session = SSL_get_session(ssl);
	struct data d;

	*leaf = NULL;
	if(!f->ticket || f->generation != snap->generation
			|| !data_read(session, &d))
		return false;
	if(!d.peer)
		return !peer && !SSL_SESSION_get0_peer(session);
	*leaf = SSL_SESSION_get0_peer(session);
	*certs = d.certs;
	*octets = d.certs_octets;
	return *leaf && peer && tg_span_eq(peer->name, d.rule);
}
