/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 1: what OpenSSL asks us during a handshake of tls.so.
 *
 *   inbound   ClientHello -> candidates, versions, ciphers, whether to resume
 *             cert_cb     -> ask for a certificate? (after the SNI switch)
 *             Certificate -> whose is it, does it prove it
 *             done        -> no certificate: does a client rule fit
 *   outbound  start       -> the wanted peer's profile and name
 *             Certificate -> is it the wanted peer's
 *
 * A handshake that is not of a connection of tls.so is left to itself: the
 * process may hold other users of OpenSSL.
 *
 * RFC 8446 4.4.2.4 (no certificate), RFC 6066 3 (server name), RFC 5922.
 * What a session may carry into a handshake is in resume.c (B2).
 */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "core/dprint.h"

#include "fips/fips.h"
#include "tls_policy/resume.h"

#define TLS12 0x0303
#define GROUPS_OCTETS 1024

/* Facts of the connection whose handshake this is; false: not one of ours */
static bool my_facts(struct tlsp_facts *f)
{
	struct tcp_connection *c = tlsp_current();

	return c && tlsp_conn_get(c->id, f);
}

static void report(const struct tlsp_snap *snap, const struct tlsp_facts *f,
		const struct tg_pol_verdict *v, const char *detail)
{
	struct tg_pol_conn conn;
	struct tlsp_report r = {
			.gate = f->direction == TG_POL_IN ? "handshake-in"
											  : "handshake-out",
			.detail = detail,
	};

	tlsp_facts_conn(f, &conn);
	r.conn = &conn;
	tlsp_report(snap->policy, v, &r);
}

/* Denies for a reason of our own. True: audit mode lets it pass */
static bool deny(const struct tlsp_snap *snap, struct tlsp_facts *f,
		enum tg_reason reason, const char *detail)
{
	struct tg_pol_verdict v = {
			.reason = reason,
			.peer = tlsp_facts_peer(snap, f),
			.clients = tlsp_facts_clients(snap, f),
	};

	if(v.peer)
		v.rule = v.peer->where;
	tg_pol_apply_audit(snap->policy, &v);
	f->judged = true;
	f->allowed = v.decision == TG_POL_ALLOW;
	f->audited = v.audited;
	f->reason = reason;
	report(snap, f, &v, detail);
	return f->allowed;
}

/* ---- the profile ------------------------------------------------------------ */

/* OpenSSL's FIPS provider has groups that are not approved */
static bool set_groups(SSL *ssl, struct tg_span groups)
{
	struct tg_span all = groups;
	char list[GROUPS_OCTETS];
	size_t n = 0;

	while(groups.len) {
		struct tg_span one = tg_span_cut(&groups, ':');

		if(!one.len || (tlsp_fips && !tg_fips_approves_group(one)))
			continue;
		if(one.len + 2 > sizeof(list) - n)
			return false;
		if(n)
			list[n++] = ':';
		memcpy(list + n, one.ptr, one.len);
		n += one.len;
	}
	list[n] = 0;
	return n == 0 ? all.len == 0 : SSL_set1_groups_list(ssl, list) == 1;
}

static bool set_ciphers(SSL *ssl, const struct tg_pol_tls *tls)
{
	if(tls->ciphers.len && SSL_set_cipher_list(ssl, tls->ciphers.ptr) != 1)
		return false;
	return !tls->ciphersuites.len
		   || SSL_set_ciphersuites(ssl, tls->ciphersuites.ptr) == 1;
}

/*
 * A level of 0, which tls.cfg can ask for with its ciphers, would let the far
 * end sign with SHA-1 and MD5. TLS 1.0 and 1.1 know nothing better.
 */
static void set_security_level(SSL *ssl, const struct tg_pol_tls *tls)
{
	if(tls->legacy)
		SSL_set_security_level(ssl, 0);
	else if(SSL_get_security_level(ssl) < 1)
		SSL_set_security_level(ssl, 1);
}

/* What tls.cfg says about versions and ciphers gives way to the policy */
static bool apply_profile(SSL *ssl, const struct tg_pol_tls *tls)
{
	bool ok;

	ERR_set_mark();
	SSL_clear_options(ssl, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1
								   | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
	SSL_set_options(ssl, SSL_OP_NO_SSLv3 | SSL_OP_NO_TICKET
								 | SSL_OP_NO_RENEGOTIATION
								 | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
	/* RFC 8879: what inflates is not bounded by what came; OpenSSL 3.2 */
	SSL_set_options(ssl, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
								 | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
#endif
	set_security_level(ssl, tls);
	ok = SSL_set_min_proto_version(ssl, tls->min_version) == 1
		 && SSL_set_max_proto_version(ssl, tls->max_version) == 1
		 && set_ciphers(ssl, tls) && set_groups(ssl, tls->groups);
	ERR_pop_to_mark();
	return ok;
}

/* ---- inbound ------------------------------------------------------------------ */

/* RFC 6066 section 3: list length, type 0, length, name */
static void read_sni(SSL *ssl, char out[TLSP_NAME_OCTETS])
{
	const unsigned char *p;
	size_t octets, n;

	out[0] = 0;
	if(!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &octets)
			|| octets < 5 || p[2] != TLSEXT_NAMETYPE_host_name)
		return;
	n = (size_t)p[3] << 8 | p[4];
	if(n > octets - 5 || n >= TLSP_NAME_OCTETS || memchr(p + 5, 0, n))
		return;
	memcpy(out, p + 5, n);
	out[n] = 0;
}

static bool admit(const struct tlsp_snap *snap, SSL *ssl, struct tlsp_facts *f)
{
	struct tg_pol_admission a;
	struct tg_pol_conn conn;

	tlsp_facts_conn(f, &conn);
	tg_pol_admit(snap->policy, &conn, NULL, &a);
	f->generation = snap->generation;
	if(a.verdict.decision != TG_POL_ALLOW) {
		f->judged = true;
		f->allowed = false;
		f->reason = a.verdict.reason;
		report(snap, f, &a.verdict, NULL);
		return false;
	}
	f->ask = a.request_certificate;
	f->require = a.require_certificate;
	f->joined = a.tls == &a.joined;
	if(a.limits.chain_octets)
		SSL_set_max_cert_list(ssl, (long)a.limits.chain_octets);
	if((a.tls && !apply_profile(ssl, a.tls))
			|| !tlsp_resume_admit(ssl, snap, f, &a))
		return deny(snap, f, TG_REASON_INTERNAL, "the profile cannot be set");
	return true;
}

int tlsp_on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tlsp_snap *snap;
	struct tlsp_facts f;
	bool admitted;

	(void)arg;
	if(!tlsp_current())
		return SSL_CLIENT_HELLO_SUCCESS;
	tlsp_hook_watch(ssl);
	*alert = SSL_AD_ACCESS_DENIED;
	if(!my_facts(&f) || f.direction != TG_POL_IN || f.judged)
		return SSL_CLIENT_HELLO_ERROR;
	read_sni(ssl, f.sni);
	snap = tlsp_snap_ref();
	admitted = admit(snap, ssl, &f);
	tlsp_snap_unref(snap);
	return tlsp_conn_set(&f) && admitted ? SSL_CLIENT_HELLO_SUCCESS
										 : SSL_CLIENT_HELLO_ERROR;
}

/* The SNI switch took the security level of another context */
static void security_level_again(SSL *ssl, const struct tlsp_facts *f)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tg_pol_admission a;
	struct tg_pol_conn conn;

	tlsp_facts_conn(f, &conn);
	tg_pol_admit(snap->policy, &conn, NULL, &a);
	if(a.tls)
		set_security_level(ssl, a.tls);
	tlsp_snap_unref(snap);
}

int tlsp_on_certificate_needed(SSL *ssl, void *arg)
{
	int mode = SSL_VERIFY_NONE;
	struct tlsp_facts f;

	(void)arg;
	if(!tlsp_current() || !SSL_is_server(ssl))
		return 1;
	if(!my_facts(&f))
		return 0;
	if(tlsp_resume_settle(ssl, &f) && !tlsp_conn_set(&f))
		return 0;
	if(f.ask)
		mode = SSL_VERIFY_PEER;
	if(f.ask && f.require)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_set_verify(ssl, mode, NULL);
	/* which CAs a peer may use is between us and that peer */
	SSL_set0_CA_list(ssl, sk_X509_NAME_new_null());
	security_level_again(ssl, &f);
	return 1;
}

/* ---- outbound ------------------------------------------------------------------ */

static void set_name(
		SSL *ssl, const struct tg_pol_peer *wanted, struct tlsp_facts *f)
{
	const char *set = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tg_span name =
			wanted->identity.n ? wanted->identity.item[0] : tg_span_of(NULL, 0);

	if(set && tg_pol_peer_has_name(wanted, tg_span_cstr(set)))
		name = tg_span_cstr(set);
	if(!name.len || name.len >= sizeof(f->sni))
		return;
	memmove(f->sni, name.ptr, name.len);
	f->sni[name.len] = 0;
	SSL_set_tlsext_host_name(ssl, f->sni);
}

static void prepare_client(
		const struct tlsp_snap *snap, SSL *ssl, struct tlsp_facts *f)
{
	const struct tg_pol_peer *wanted = tlsp_facts_wanted(snap, f);
	const struct tg_pol_tls *tls = NULL;
	struct tg_pol_admission a;
	struct tg_pol_conn conn;

	f->prepared = true;
	if(wanted) {
		tls = wanted->tls;
		set_name(ssl, wanted, f);
	} else {
		tlsp_facts_conn(f, &conn);
		tg_pol_admit(snap->policy, &conn, NULL, &a);
		tls = a.tls;
		f->joined = tls == &a.joined;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if(!wanted
			|| (wanted->trust
					&& (wanted->trust->ocsp_staple
							|| wanted->trust->ocsp_fetch)))
		SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
	/* nothing can be stopped here: the certificate's turn will do it */
	if(!tls || !apply_profile(ssl, tls))
		deny(snap, f, TG_REASON_INTERNAL, "the profile cannot be set");
}

void tlsp_on_handshake_start(SSL *ssl)
{
	const struct tlsp_snap *snap;
	struct tlsp_facts f;

	if(SSL_is_server(ssl) || !my_facts(&f) || f.direction != TG_POL_OUT
			|| f.judged)
		return;
	snap = tlsp_snap_ref();
	prepare_client(snap, ssl, &f);
	tlsp_snap_unref(snap);
	tlsp_conn_set(&f);
}

/* ---- certificates ----------------------------------------------------------------- */

/*
 * What was offered is the union of the candidates' profiles: is what both
 * sides took in the profile of the one it turned out to be?
 */
static enum tg_reason outside_profile(
		const struct tlsp_snap *snap, SSL *ssl, const struct tlsp_facts *f)
{
	const struct tg_pol_peer *peer = tlsp_facts_peer(snap, f);
	const struct tg_pol_clients *clients = tlsp_facts_clients(snap, f);
	const struct tg_pol_tls *tls = peer      ? peer->tls
								   : clients ? clients->tls
											 : NULL;
	const SSL_CIPHER *taken = SSL_get_pending_cipher(ssl);
	STACK_OF(SSL_CIPHER) *offered;

	if(!f->joined)
		return TG_REASON_NONE;
	if(!taken)
		taken = SSL_get_current_cipher(ssl);
	if(!tls || !taken || !set_ciphers(ssl, tls))
		return TG_REASON_INTERNAL;
	if(f->tls_version < tls->min_version || f->tls_version > tls->max_version)
		return TG_REASON_TLS_VERSION;
	offered = SSL_get_ciphers(ssl);
	for(int i = 0; i < sk_SSL_CIPHER_num(offered); i++) {
		if(SSL_CIPHER_get_id(sk_SSL_CIPHER_value(offered, i))
				== SSL_CIPHER_get_id(taken)) {
			set_security_level(ssl, tls); /* for the proof of the key */
			return TG_REASON_NONE;
		}
	}
	return TG_REASON_TLS_CIPHER;
}

static bool judge(const struct tlsp_snap *snap, SSL *ssl, struct tlsp_facts *f,
		X509 *leaf, STACK_OF(X509) *chain, const struct tg_span *staple)
{
	enum tg_reason outside;
	struct tg_judge_out out;

	f->tls_version = (uint16_t)SSL_version(ssl);
	tlsp_judge_cert(snap, f, leaf, chain, staple, &out);
	outside = f->allowed ? outside_profile(snap, ssl, f) : TG_REASON_NONE;
	if(outside != TG_REASON_NONE
			&& !deny(snap, f, outside, SSL_get_version(ssl)))
		return false;
	if(f->allowed && leaf)
		tlsp_resume_proven(ssl, snap, f, leaf, chain);
	if(f->allowed && !tlsp_conn_set_chain(f->id, leaf, chain))
		return deny(snap, f, TG_REASON_INTERNAL, "the chain cannot be kept");
	if(!f->allowed)
		report(snap, f, &out.verdict, out.x509.detail);
	return f->allowed;
}

int tlsp_on_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
			store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tlsp_snap *snap;
	struct tlsp_facts f;
	bool allowed = false;

	(void)arg;
	if(!tlsp_current())
		return X509_verify_cert(store);
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	if(!ssl)
		return 0;
	/* with verify_certificate=no the answer would not count */
	if(!SSL_is_server(ssl))
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if(!my_facts(&f))
		return 0;
	snap = tlsp_snap_ref();
	if(!f.judged || f.allowed)
		allowed = judge(snap, ssl, &f, X509_STORE_CTX_get0_cert(store),
				X509_STORE_CTX_get0_untrusted(store), NULL);
	tlsp_snap_unref(snap);
	allowed = tlsp_conn_set(&f) && allowed;
	X509_STORE_CTX_set_error(
			store, allowed ? X509_V_OK : tg_x509_alert_error(f.reason));
	return allowed;
}

/*
 * The server's certificate was allowed, up to its status: RFC 6066 section 8.
 * In TLS 1.2 this comes with a message of its own after the certificate.
 */
int tlsp_on_status(SSL *ssl, void *arg)
{
	const unsigned char *der = NULL;
	const struct tlsp_snap *snap;
	struct tg_span staple;
	struct tlsp_facts f;
	bool allowed;
	long n;

	(void)arg;
	if(!tlsp_current())
		return SSL_is_server(ssl) ? SSL_TLSEXT_ERR_NOACK : 1;
	if(SSL_is_server(ssl))
		return tlsp_staple(ssl);
	if(!my_facts(&f))
		return 0;
	if(!f.staple_due)
		return 1;
	n = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
	staple = tg_span_of((const char *)der, der && n > 0 ? (size_t)n : 0);
	snap = tlsp_snap_ref();
	allowed = judge(snap, ssl, &f, SSL_get0_peer_certificate(ssl),
			SSL_get_peer_cert_chain(ssl), &staple);
	tlsp_snap_unref(snap);
	return tlsp_conn_set(&f) && allowed;
}

/* ---- the end ------------------------------------------------------------------------ */

/* The session was judged when its ticket was opened; nothing of it came since */
static void take_up(
		const struct tlsp_snap *snap, SSL *ssl, struct tlsp_facts *f)
{
	const unsigned char *certs = NULL;
	enum tg_reason outside;
	X509 *leaf = NULL;
	size_t octets = 0;

	f->tls_version = (uint16_t)SSL_version(ssl);
	f->resumed = tlsp_resume_taken(ssl, snap, f, &leaf, &certs, &octets);
	if(!f->resumed) {
		deny(snap, f, TG_REASON_RESUMPTION, NULL);
	} else if(!leaf) {
		judge(snap, ssl, f, NULL, NULL, NULL);
	} else {
		f->judged = f->allowed = true;
		outside = outside_profile(snap, ssl, f);
		if(outside != TG_REASON_NONE)
			deny(snap, f, outside, SSL_get_version(ssl));
		if(f->allowed && !tlsp_conn_set_certs(f->id, leaf, certs, octets))
			deny(snap, f, TG_REASON_INTERNAL, "the chain cannot be kept");
	}
	if(f->resumed && f->allowed)
		tlsp_stats_count_resumed();
}

static void finish(const struct tlsp_snap *snap, SSL *ssl, struct tlsp_facts *f)
{
	const char *cipher = SSL_get_cipher_name(ssl);
	struct tg_pol_verdict v = {0};
	char detail[80];

	if(!f->judged && SSL_session_reused(ssl))
		take_up(snap, ssl, f);
	else if(!f->judged)
		judge(snap, ssl, f, NULL, NULL, NULL);
	else if(f->staple_due) /* somebody took our callback away */
		deny(snap, f, TG_REASON_OCSP_UNKNOWN, "the status was not looked at");
	f->tls_version = (uint16_t)SSL_version(ssl);
	snprintf(f->cipher, sizeof(f->cipher), "%s", cipher ? cipher : "");
	f->established = f->allowed;
	if(f->allowed && f->pending) {
		f->pending = false;
		tlsp_limits_settle(f, f->peer != TLSP_NOBODY);
	}
	if(!f->allowed) {
		/* no octet of the application may pass any more, either way */
		SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		return;
	}
	v.decision = TG_POL_ALLOW;
	v.audited = f->audited;
	v.reason = f->reason;
	v.peer = tlsp_facts_peer(snap, f);
	v.clients = tlsp_facts_clients(snap, f);
	if(v.peer)
		v.rule = v.peer->where;
	else if(v.clients)
		v.rule = v.clients->where;
	snprintf(detail, sizeof(detail), "%s%s%s", SSL_get_version(ssl),
			f->resumed ? " resumed" : "",
			f->held ? "; waits for the status of its certificate" : "");
	report(snap, f, &v, detail);
}

void tlsp_on_handshake_done(SSL *ssl)
{
	const struct tlsp_snap *snap;
	struct tlsp_facts f;

	if(!my_facts(&f) || f.established)
		return;
	snap = tlsp_snap_ref();
	finish(snap, ssl, &f);
	tlsp_snap_unref(snap);
	tlsp_conn_set(&f);
	if(f.established && f.direction == TG_POL_OUT) {
		tlsp_failed_clear(&f.remote, f.remote_port);
		tlsp_waiting_free(tlsp_conn_take_waiting(f.id));
	}
}

/* The alert that OpenSSL writes says why it refused by itself */
static enum tg_reason reason_of_alert(
		SSL *ssl, int alert, const struct tlsp_facts *f)
{
	switch(alert) {
		case SSL_AD_CERTIFICATE_REQUIRED:
			return TG_REASON_CERT_MISSING;
		case SSL_AD_PROTOCOL_VERSION:
		case SSL_AD_INAPPROPRIATE_FALLBACK:
			return TG_REASON_TLS_VERSION;
		case SSL_AD_DECRYPT_ERROR:
			return TG_REASON_CERT_SIGNATURE;
		case SSL_AD_ILLEGAL_PARAMETER:
			/* the certificates were larger than SSL_set_max_cert_list said */
			return ERR_GET_REASON(ERR_peek_last_error())
								   == SSL_R_EXCESSIVE_MESSAGE_SIZE
						   ? TG_REASON_CERT_CHAIN_LIMIT
						   : TG_REASON_CERT_MALFORMED;
		case SSL_AD_HANDSHAKE_FAILURE:
			/* TLS 1.2 has no better word for a missing certificate */
			return f->require && SSL_version(ssl) <= TLS12
								   && SSL_get_state(ssl) == TLS_ST_SR_CERT
						   ? TG_REASON_CERT_MISSING
						   : TG_REASON_TLS_CIPHER;
		default:
			return TG_REASON_CERT_MALFORMED;
	}
}

void tlsp_on_alert_written(SSL *ssl, int alert)
{
	const struct tlsp_snap *snap;
	struct tg_pol_verdict v = {0};
	struct tg_pol_conn conn;
	struct tlsp_facts f;

	alert &= 0xff;
	if(alert == SSL_AD_CLOSE_NOTIFY || alert == SSL_AD_USER_CANCELLED
			|| !my_facts(&f) || f.judged || f.established)
		return;
	v.reason = reason_of_alert(ssl, alert, &f);
	f.judged = true;
	f.allowed = false;
	f.reason = v.reason;
	snap = tlsp_snap_ref();
	tlsp_facts_conn(&f, &conn);
	v.peer = tg_pol_peer_by_conn(snap->policy, &conn);
	if(v.peer)
		v.rule = v.peer->where;
	report(snap, &f, &v,
			v.reason == TG_REASON_CERT_MISSING
					? NULL
					: SSL_alert_desc_string_long(alert));
	tlsp_snap_unref(snap);
	tlsp_conn_set(&f);
}
