/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DTLS-SRTP with certificates of a CA: beside the fingerprint the chain and
 * the name must hold, in both roles; each defect has its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/diag.h"
#include "network.h"
#include "keying/trust.h"
#include "material.h"

#define DAY (24 * 60 * 60)

static const enum tg_suite suites[] = {TG_SUITE_AEAD_AES_128_GCM, 0};

struct issued {
	EVP_PKEY *key;
	X509 *cert;
};

/* ---- certificates ------------------------------------------------------- */

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* issuer NULL: a CA of its own */
static struct issued issue(const struct issued *issuer, const char *name,
		const char *eku, long from, long to)
{
	static long serial = 100;
	struct issued i = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	const struct issued *by = issuer ? issuer : &i;
	char san[128];

	X509_set_version(i.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(i.cert), serial++);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(i.cert), "CN",
			MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(i.cert, X509_get_subject_name(by->cert));
	X509_gmtime_adj(X509_getm_notBefore(i.cert), from);
	X509_gmtime_adj(X509_getm_notAfter(i.cert), to);
	X509_set_pubkey(i.cert, i.key);
	if(issuer) {
		snprintf(san, sizeof(san), "DNS:%s", name);
		extend(i.cert, by->cert, NID_basic_constraints, "critical,CA:FALSE");
		extend(i.cert, by->cert, NID_key_usage, "critical,digitalSignature");
		extend(i.cert, by->cert, NID_subject_alt_name, san);
		extend(i.cert, by->cert, NID_ext_key_usage, eku);
	} else {
		extend(i.cert, by->cert, NID_basic_constraints, "critical,CA:TRUE");
		extend(i.cert, by->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	assert_true(X509_sign(i.cert, by->key, EVP_sha256()) > 0);
	return i;
}

static void release(struct issued *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static struct tg_span text_of(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	return tg_span_of(p, (size_t)n);
}

static struct tg_x509_store *store_of(const struct issued *ca)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct tg_diags diags;
	struct tg_x509_store *store;
	struct tg_x509_blob blob = {.path = TG_SPAN_INIT("ca.pem")};

	PEM_write_bio_X509(bio, ca->cert);
	blob.data = text_of(bio);
	tg_diags_init(&diags, &tg_alloc_libc);
	store = tg_x509_store_new(&blob, 1, NULL, 0, &diags);
	tg_diags_deinit(&diags);
	BIO_free(bio);
	assert_non_null(store);
	return store;
}

static struct tg_key_cert *own_cert(const struct issued *i)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	struct tg_key_cert *own;
	const char *why;

	PEM_write_bio_X509(cert, i->cert);
	PEM_write_bio_PrivateKey(key, i->key, NULL, NULL, 0, NULL, NULL);
	own = tg_key_cert_new(text_of(cert), text_of(key), &why);
	BIO_free(cert);
	BIO_free(key);
	assert_non_null(own);
	return own;
}

/* ---- both roles --------------------------------------------------------- */

/*
 * a trusts the CA and asks for far.example; b trusts the fingerprint alone.
 * b_acts: b is the client. Returns a's reason; *detail is of a.
 */
static enum tg_reason shake(const struct issued *ca, const struct issued *mine,
		const struct issued *theirs, bool b_acts, bool *media)
{
	struct tg_key_trust *trust = tg_key_trust_new(store_of(ca));
	struct tg_key_profile judge = {.suite = {suites[0]},
			.trust = trust,
			.identity = {TG_SPAN_INIT("far.example")}};
	struct tg_key_profile easy = {.suite = {suites[0]}};
	struct end a, b;
	enum tg_reason reason;

	net_open_end_with(&a, 1, &judge, own_cert(mine));
	net_open_end_with(&b, 2, &easy, own_cert(theirs));
	if(b_acts) {
		net_offer_and_answer(&a, &b, false);
		net_connect_all(&b, &a);
	} else {
		net_offer_and_answer(&b, &a, false);
		net_connect_all(&a, &b);
	}
	net_run(&a, &b, 0);
	*media = material_of(a.key, TG_KEY_RTP, TG_SRTP_RX) != NULL;
	if(*media)
		net_assert_crossed(&a, &b);
	else if(!b_acts)
		assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_FAILED);
	reason = tg_key_reason(a.key);
	net_close_end(&a);
	net_close_end(&b);
	tg_key_trust_free(trust);
	return reason;
}

static void the_chain_and_the_name_count_beside_the_fingerprint(void **state)
{
	struct issued ca = issue(NULL, "Test CA", NULL, -DAY, 10L * DAY);
	struct issued other = issue(NULL, "Other CA", NULL, -DAY, 10L * DAY);
	const char *both = "serverAuth,clientAuth";
	struct issued mine = issue(&ca, "near.example", both, -DAY, DAY);
	struct issued cert[] = {issue(&ca, "far.example", both, -DAY, DAY),
			issue(&ca, "evil.example", both, -DAY, DAY),
			issue(&other, "far.example", both, -DAY, DAY),
			issue(&ca, "far.example", both, -2 * DAY, -DAY),
			issue(&ca, "far.example", "clientAuth", -DAY, DAY)};
	static const enum tg_reason want[] = {TG_REASON_NONE, TG_REASON_CERT_NAME,
			TG_REASON_CERT_UNTRUSTED, TG_REASON_CERT_EXPIRED};
	bool media;

	(void)state;
	for(int b_acts = 0; b_acts < 2; b_acts++) {
		for(size_t i = 0; i < 4; i++) {
			assert_int_equal(
					shake(&ca, &mine, &cert[i], b_acts, &media), want[i]);
			assert_int_equal(media, i == 0);
		}
		/* clientAuth alone is good for the client only */
		assert_int_equal(shake(&ca, &mine, &cert[4], b_acts, &media),
				b_acts ? TG_REASON_NONE : TG_REASON_CERT_EKU);
		assert_int_equal(media, b_acts);
	}
	for(size_t i = 0; i < 5; i++)
		release(&cert[i]);
	release(&mine);
	release(&ca);
	release(&other);
}

static void a_key_that_does_not_fit_its_certificate_is_refused(void **state)
{
	struct issued ca = issue(NULL, "Test CA", NULL, -DAY, 10L * DAY);
	struct issued one = issue(&ca, "a.example", "serverAuth", -DAY, DAY);
	struct issued two = issue(&ca, "b.example", "serverAuth", -DAY, DAY);
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	const char *why = NULL;

	(void)state;
	PEM_write_bio_X509(cert, one.cert);
	PEM_write_bio_PrivateKey(key, two.key, NULL, NULL, 0, NULL, NULL);
	assert_null(tg_key_cert_new(text_of(cert), text_of(key), &why));
	assert_non_null(why);
	why = NULL;
	assert_null(tg_key_cert_new(text_of(key), text_of(key), &why));
	assert_non_null(why);
	why = NULL;
	assert_null(tg_key_cert_new(text_of(cert), TG_SPAN(""), &why));
	assert_non_null(why);
	BIO_free(cert);
	BIO_free(key);
	release(&one);
	release(&two);
	release(&ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(
					the_chain_and_the_name_count_beside_the_fingerprint),
			cmocka_unit_test(
					a_key_that_does_not_fit_its_certificate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
