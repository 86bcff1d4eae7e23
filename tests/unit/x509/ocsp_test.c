/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An OCSP response at hand: RFC 6960 sections 3.2 and 4.2.2, RFC 7633 (A26).
 */
#include "x509/testpki.h"

#include <openssl/ocsp.h>

static const struct tg_span gw1[] = {TG_SPAN_INIT("gw1.lab.test")};
static struct pki_ca root;
static X509 *leaf;
static struct tg_x509_store *store;
static struct tg_x509_ask ask;
static struct tg_x509_answer answer;
static unsigned char *der;

struct spec {
	const struct pki_ca *signer; /* NULL: the issuer */
	X509 *about;                 /* NULL: leaf */
	const EVP_MD *id, *digest;   /* NULL: SHA-1, SHA-256 */
	int status;                  /* V_OCSP_CERTSTATUS_* */
	long from, until;            /* seconds around PKI_NOW; until 0: none */
	bool critical;
	bool bare; /* without the signer's certificate */
};

static int setup(void **state)
{
	(void)state;
	root = pki_root("Root");
	leaf = pki_named(&root, "gw1.lab.test");
	store = pki_store(PKI_CERTS(root.cert), NULL);
	ask = (struct tg_x509_ask){.identity = gw1,
			.n_identity = 1,
			.ocsp_asked = true,
			.at = PKI_NOW};
	return 0;
}

static int teardown(void **state)
{
	OPENSSL_free(der);
	der = NULL;
	return pki_cleanup(state);
}

static void respond(struct spec s)
{
	const struct pki_ca *signer = s.signer ? s.signer : &root;
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *from = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW + s.from);
	ASN1_TIME *until =
			s.until ? ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW + s.until) : NULL;
	ASN1_TIME *revoked = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW - PKI_DAY);
	OCSP_CERTID *id =
			OCSP_cert_to_id(s.id, s.about ? s.about : leaf, root.cert);
	OCSP_SINGLERESP *one = OCSP_basic_add1_status(basic, id, s.status, 0,
			s.status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL, from,
			until);
	OCSP_RESPONSE *response;
	int n;

	assert_non_null(one);
	if(s.critical)
		assert_true(OCSP_SINGLERESP_add1_ext_i2d(
				one, NID_id_pkix_OCSP_archiveCutoff, from, 1, 0));
	assert_true(OCSP_basic_sign(basic, signer->cert, signer->key,
			s.digest ? s.digest : EVP_sha256(), NULL,
			s.bare ? OCSP_NOCERTS : 0));
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	OPENSSL_free(der);
	der = NULL;
	n = i2d_OCSP_RESPONSE(response, &der);
	assert_true(n > 0);
	ask.ocsp = tg_span_of((const char *)der, (size_t)n);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	ASN1_TIME_free(revoked);
}

static void expect(enum tg_reason reason, const char *text)
{
	tg_x509_verify(store, leaf, NULL, &ask, &answer);
	if(answer.reason != reason || !strstr(answer.detail, text))
		print_error(
				"%s: %s\n", tg_reason_get(answer.reason)->id, answer.detail);
	assert_int_equal(answer.reason, reason);
	assert_non_null(strstr(answer.detail, text));
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_good_response_of_the_issuer_holds_until_its_end(void **state)
{
	(void)state;
	respond((struct spec){.until = 7200});
	expect(TG_REASON_NONE, "");
	assert_int_equal(answer.ocsp_until, PKI_NOW + 7200);
	respond((struct spec){.until = 7200, .bare = true, .id = EVP_sha256()});
	expect(TG_REASON_NONE, "");
	ask.at = PKI_NOW + 7200;
	expect(TG_REASON_NONE, "");
	ask.at++;
	expect(TG_REASON_OCSP_UNKNOWN, "past its next update");
	ask.at = PKI_NOW - 301;
	expect(TG_REASON_OCSP_UNKNOWN, "not valid yet");
	respond((struct spec){0});
	ask.at = PKI_NOW + 3600;
	expect(TG_REASON_NONE, "");
	ask.at++;
	expect(TG_REASON_OCSP_UNKNOWN, "past its next update");
}

static void revoked_and_unknown_are_told_apart(void **state)
{
	(void)state;
	respond((struct spec){.until = 9, .status = V_OCSP_CERTSTATUS_REVOKED});
	expect(TG_REASON_CERT_REVOKED, "OCSP: revoked 2029-12-31T00:00:00Z");
	assert_int_equal(answer.openssl_error, X509_V_ERR_CERT_REVOKED);
	ask.revocation = TG_X509_REVOCATION_SOFT;
	expect(TG_REASON_CERT_REVOKED, "");
	respond((struct spec){.until = 9, .status = V_OCSP_CERTSTATUS_UNKNOWN});
	expect(TG_REASON_NONE, "");
	ask.revocation = TG_X509_REVOCATION_HARD;
	expect(TG_REASON_OCSP_UNKNOWN, "does not know");
	ask.revocation = TG_X509_REVOCATION_OFF;
	expect(TG_REASON_NONE, "");
}

static void a_responder_must_be_the_issuers_own(void **state)
{
	struct pki_spec spec = {.cn = "Responder", .eku = "OCSPSigning"};
	struct pki_ca namesake = pki_root("Root"), other = pki_root("Other");
	EVP_PKEY *key = pki_key(PKI_P256);
	struct pki_ca responder = {pki_leaf(&root, spec), key};
	struct pki_ca foreign = {pki_leaf(&other, spec), key};
	struct pki_ca plain = {
			pki_leaf(&root, (struct pki_spec){.cn = "Plain"}), key};
	struct pki_ca old = {
			pki_leaf(&root, (struct pki_spec){.cn = "Old",
									.eku = "OCSPSigning",
									.not_before = PKI_NOW - 9 * PKI_DAY,
									.not_after = PKI_NOW - PKI_DAY}),
			key};

	(void)state;
	respond((struct spec){.until = 9, .signer = &responder});
	expect(TG_REASON_NONE, "");
	respond((struct spec){.until = 9, .signer = &foreign});
	expect(TG_REASON_OCSP_UNKNOWN, "by one that may not");
	respond((struct spec){.until = 9, .signer = &plain});
	expect(TG_REASON_OCSP_UNKNOWN, "by one that may not");
	respond((struct spec){.until = 9, .signer = &old});
	expect(TG_REASON_OCSP_UNKNOWN, "by one that may not");
	respond((struct spec){.until = 9, .signer = &namesake});
	expect(TG_REASON_OCSP_UNKNOWN, "signature of the response is wrong");
	/* nor can a stranger revoke */
	respond((struct spec){.until = 9,
			.signer = &foreign,
			.status = V_OCSP_CERTSTATUS_REVOKED});
	expect(TG_REASON_OCSP_UNKNOWN, "by one that may not");
}

static void what_is_no_answer_is_none(void **state)
{
	char large[65537] = {0x30};

	(void)state;
	ask.ocsp = tg_span_of(NULL, 0);
	expect(TG_REASON_OCSP_UNKNOWN, "there is no response");
	ask.ocsp = TG_SPAN("nonsense");
	expect(TG_REASON_OCSP_UNKNOWN, "cannot be read");
	ask.ocsp = tg_span_of(large, sizeof(large));
	expect(TG_REASON_OCSP_UNKNOWN, "too large");
	ask.ocsp = TG_SPAN("\x30\x03\x0a\x01\x03"); /* tryLater */
	expect(TG_REASON_OCSP_UNKNOWN, "has no answer");
	respond((struct spec){
			.until = 9, .about = pki_named(&root, "gw1.lab.test")});
	expect(TG_REASON_OCSP_UNKNOWN, "about another certificate");
	respond((struct spec){.until = 9, .critical = true});
	expect(TG_REASON_OCSP_UNKNOWN, "critical extension");
	respond((struct spec){.until = 9, .digest = EVP_sha1()});
	expect(TG_REASON_OCSP_UNKNOWN, "not fit");
	ask.allow_sha1 = true;
	expect(TG_REASON_NONE, "");
	respond((struct spec){.until = 9, .bare = true}); /* its end is signed */
	der[ask.ocsp.len - 1] ^= 1;
	expect(TG_REASON_OCSP_UNKNOWN, "OCSP: ");
	ask.ocsp_asked = false;
	expect(TG_REASON_NONE, "");
}

static void a_certificate_that_promises_a_staple_must_have_one(void **state)
{
	(void)state;
	ask.revocation = TG_X509_REVOCATION_SOFT;
	ask.ocsp = tg_span_of(NULL, 0);
	expect(TG_REASON_NONE, "");
	leaf = pki_leaf(&root, (struct pki_spec){.san = "DNS:gw1.lab.test",
								   .other = "1.3.6.1.5.5.7.1.24=DER:"
											"30:03:02:01:05"});
	expect(TG_REASON_OCSP_UNKNOWN, "there is no response");
	respond((struct spec){.until = 9});
	expect(TG_REASON_NONE, "");
}

/* ---- inquiries --------------------------------------------------------------- */

static struct tg_x509_inquiry *inquire(bool nonce)
{
	unsigned char *a = NULL, *b = NULL;
	int n = i2d_X509(leaf, &a), m = i2d_X509(root.cert, &b);
	struct tg_x509_inquiry *q =
			tg_x509_inquiry_new(tg_span_of((const char *)a, (size_t)n),
					tg_span_of((const char *)b, (size_t)m), nonce);

	assert_non_null(q);
	OPENSSL_free(a);
	OPENSSL_free(b);
	return q;
}

/* Signs a response with the nonce of that inquiry, or none */
static void respond_to(const struct tg_x509_inquiry *q)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *from = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW);
	ASN1_TIME *until = ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW + 60);
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, root.cert);
	OCSP_RESPONSE *response;
	int n;

	assert_non_null(OCSP_basic_add1_status(
			basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, until));
	if(q)
		OCSP_copy_nonce(basic, (OCSP_REQUEST *)tg_x509_inquiry_request(q));
	assert_true(
			OCSP_basic_sign(basic, root.cert, root.key, EVP_sha256(), NULL, 0));
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	OPENSSL_free(der);
	der = NULL;
	n = i2d_OCSP_RESPONSE(response, &der);
	assert_true(n > 0);
	ask.ocsp = tg_span_of((const char *)der, (size_t)n);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}

static void says(const struct tg_x509_inquiry *q, enum tg_x509_nonce nonce,
		enum tg_x509_state wanted, const char *text)
{
	struct tg_x509_status s;

	tg_x509_inquiry_read(q, ask.ocsp, nonce, PKI_NOW, false, &s);
	if(s.state != wanted || !strstr(s.detail, text))
		print_error("%d: %s\n", s.state, s.detail);
	assert_int_equal(s.state, wanted);
	assert_non_null(strstr(s.detail, text));
	assert_int_equal(ERR_peek_error(), 0);
}

static void an_answer_belongs_to_its_question(void **state)
{
	struct tg_x509_inquiry *q = inquire(true), *other = inquire(true),
						   *plain = inquire(false);

	(void)state;
	respond_to(q);
	says(q, TG_X509_NONCE_REQUIRED, TG_X509_STATE_GOOD, "");
	says(other, TG_X509_NONCE_REQUIRED, TG_X509_STATE_UNKNOWN, "nonce differs");
	says(other, TG_X509_NONCE_OPTIONAL, TG_X509_STATE_UNKNOWN, "nonce differs");
	says(plain, TG_X509_NONCE_OFF, TG_X509_STATE_GOOD, "");
	respond_to(NULL);
	says(q, TG_X509_NONCE_REQUIRED, TG_X509_STATE_UNKNOWN, "has no nonce");
	says(q, TG_X509_NONCE_OPTIONAL, TG_X509_STATE_GOOD, "");
	tg_x509_inquiry_free(q);
	tg_x509_inquiry_free(other);
	tg_x509_inquiry_free(plain);
	assert_null(tg_x509_inquiry_new(TG_SPAN("x"), TG_SPAN("y"), true));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
			T(a_good_response_of_the_issuer_holds_until_its_end),
			T(revoked_and_unknown_are_told_apart),
			T(a_responder_must_be_the_issuers_own),
			T(what_is_no_answer_is_none),
			T(a_certificate_that_promises_a_staple_must_have_one),
			T(an_answer_belongs_to_its_question),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
