/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The alert that a refusal sends, seen by the other side of a handshake:
 * RFC 8446 section 6.2.
 */
#include "x509/testpki.h"

#include <openssl/ssl.h>

static enum tg_reason refusal;
static int heard; /* the alert at the client */

static int setup(void **state)
{
	(void)state;
	return 0;
}

static int refuse(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, tg_x509_alert_error(refusal));
	return refusal == TG_REASON_NONE;
}

static void listen(const SSL *ssl, int where, int what)
{
	(void)ssl;
	if((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		heard = what & 0xff;
}

static SSL_CTX *context(const SSL_METHOD *method, int version, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	assert_non_null(ctx);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pki_key(PKI_P256)), 1);
	return ctx;
}

/* The alert that the server sends; 0 when it is content, -1 without a word */
static int alert_of(enum tg_reason reason, int version)
{
	struct pki_ca root = pki_root("Root");
	X509 *cert = pki_named(&root, "gw1.lab.test");
	SSL_CTX *sctx = context(TLS_server_method(), version, cert);
	SSL_CTX *cctx = context(TLS_client_method(), version, cert);
	SSL *server, *client;
	BIO *a, *b;
	bool done = false;

	refusal = reason;
	heard = -1;
	SSL_CTX_set_verify(
			sctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(sctx, refuse, NULL);
	SSL_CTX_set_info_callback(cctx, listen);
	server = SSL_new(sctx);
	client = SSL_new(cctx);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for(int i = 0; i < 10; i++) {
		char octet;

		SSL_do_handshake(client);
		done = SSL_do_handshake(server) == 1;
		SSL_read(client, &octet, 1);
	}
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(sctx);
	SSL_CTX_free(cctx);
	ERR_clear_error();
	return done ? 0 : heard;
}

static void each_reason_sends_its_alert(void **state)
{
	static const struct {
		enum tg_reason reason;
		int alert;
	} rows[] = {
			{TG_REASON_NONE, 0},
			{TG_REASON_CERT_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED},
			{TG_REASON_CERT_REVOKED, SSL_AD_CERTIFICATE_REVOKED},
			{TG_REASON_CERT_UNTRUSTED, SSL_AD_UNKNOWN_CA},
			{TG_REASON_CERT_SELF_SIGNED, SSL_AD_UNKNOWN_CA},
			{TG_REASON_CERT_SIGNATURE, SSL_AD_DECRYPT_ERROR},
			{TG_REASON_CERT_EKU, SSL_AD_UNSUPPORTED_CERTIFICATE},
			{TG_REASON_CERT_NOT_YET, SSL_AD_BAD_CERTIFICATE},
			{TG_REASON_CERT_MALFORMED, SSL_AD_BAD_CERTIFICATE},
			{TG_REASON_CERT_NAME, SSL_AD_BAD_CERTIFICATE},
			{TG_REASON_CERT_WEAK, SSL_AD_BAD_CERTIFICATE},
			{TG_REASON_CRL_MISSING, SSL_AD_CERTIFICATE_UNKNOWN},
			{TG_REASON_CRL_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN},
			{TG_REASON_OCSP_UNKNOWN, SSL_AD_CERTIFICATE_UNKNOWN},
			{TG_REASON_CERT_CONSTRAINT, SSL_AD_UNKNOWN_CA},
			{TG_REASON_CERT_CHAIN_LIMIT, SSL_AD_UNKNOWN_CA},
			{TG_REASON_AMBIGUOUS, SSL_AD_HANDSHAKE_FAILURE},
			{TG_REASON_UNDECLARED, SSL_AD_HANDSHAKE_FAILURE},
			{TG_REASON_INTERNAL, SSL_AD_INTERNAL_ERROR},
	};

	(void)state;
	for(size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int got = alert_of(rows[i].reason, TLS1_3_VERSION);

		if(got != rows[i].alert)
			print_error("%s: %d\n", tg_reason_get(rows[i].reason)->id, got);
		assert_int_equal(got, rows[i].alert);
		assert_int_equal(
				alert_of(rows[i].reason, TLS1_2_VERSION), rows[i].alert);
	}
}

static void no_refusal_is_x509_v_ok(void **state)
{
	(void)state;
	assert_int_equal(tg_x509_alert_error(TG_REASON_NONE), X509_V_OK);
	for(int r = TG_REASON_NONE + 1; r <= TG_REASON_COUNT; r++)
		assert_int_not_equal(tg_x509_alert_error((enum tg_reason)r), X509_V_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pki_cleanup)
	const struct CMUnitTest tests[] = {
			T(each_reason_sends_its_alert),
			T(no_refusal_is_x509_v_ok),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
