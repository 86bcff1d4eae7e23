/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Revocation: RFC 5280 sections 5 and 6.3, and the three ways to ask for it
 * (A26).
 */
#include "x509/parts.h"
#include "x509/testpki.h"

static const struct tg_span gw1[] = {TG_SPAN_INIT("gw1.lab.test")};
static struct pki_ca root, mid;
static X509 *direct, *below; /* issued by root, by mid */
static STACK_OF(X509) *chain;
static struct tg_x509_store *store;
static struct tg_x509_ask ask;
static struct tg_x509_answer answer;

static int setup(void **state)
{
	(void)state;
	root = pki_root("Root");
	mid = pki_ca_make(&root, "Mid", (struct pki_spec){0});
	direct = pki_named(&root, "gw1.lab.test");
	below = pki_named(&mid, "gw1.lab.test");
	chain = pki_stack(PKI_CERTS(mid.cert));
	ask = (struct tg_x509_ask){.identity = gw1,
			.n_identity = 1,
			.peer_is_client = true,
			.at = PKI_NOW};
	return 0;
}

static enum tg_reason verify(X509 *leaf)
{
	tg_x509_verify(store, leaf, chain, &ask, &answer);
	assert_int_equal(ERR_peek_error(), 0);
	return answer.reason;
}

static void use(X509_CRL *const *crls)
{
	store = pki_store(PKI_CERTS(root.cert), crls);
}

#define assert_accepted(leaf)                                                \
	do {                                                                     \
		enum tg_reason got_ = verify(leaf);                                  \
		if(got_)                                                             \
			print_error("%s: %s\n", tg_reason_get(got_)->id, answer.detail); \
		assert_int_equal(got_, TG_REASON_NONE);                              \
	} while(0)

#define assert_refused(leaf, why, text)                                      \
	do {                                                                     \
		enum tg_reason got_ = verify(leaf);                                  \
		if(got_ != TG_REASON_##why || !strstr(answer.detail, text))          \
			print_error("%s: %s\n", tg_reason_get(got_)->id, answer.detail); \
		assert_int_equal(got_, TG_REASON_##why);                             \
		assert_non_null(strstr(answer.detail, text));                        \
	} while(0)

static void without_crls_nothing_is_asked(void **state)
{
	(void)state;
	use(NULL);
	assert_accepted(direct);
	assert_accepted(below);
}

static void a_revoked_certificate_is_refused_with_its_date(void **state)
{
	X509 *other = pki_named(&root, "gw1.lab.test");

	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(direct),
										.reason = CRL_REASON_KEY_COMPROMISE})));
	assert_refused(direct, CERT_REVOKED,
			"revoked 2029-12-30T00:00:00Z, keyCompromise");
	assert_int_equal(answer.openssl_error, X509_V_ERR_CERT_REVOKED);
	assert_accepted(other);
}

static void a_revoked_intermediate_takes_its_leaves_along(void **state)
{
	(void)state;
	use(PKI_CRLS(
			pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(mid.cert)}),
			pki_crl(&mid, (struct pki_crl){0})));
	assert_refused(below, CERT_REVOKED, "CN=Mid");
	assert_int_equal(answer.depth, 1);
	assert_accepted(direct);
}

static void every_certificate_but_the_anchor_needs_a_crl(void **state)
{
	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){0})));
	assert_accepted(direct);
	assert_refused(below, CRL_MISSING, "no CRL of \"CN=Mid\"");
	use(PKI_CRLS(pki_crl(&mid, (struct pki_crl){0})));
	assert_refused(below, CRL_MISSING, "no CRL of \"CN=Root\"");
	assert_refused(direct, CRL_MISSING, "CN=Root");
	use(PKI_CRLS(pki_crl(&mid, (struct pki_crl){0}),
			pki_crl(&root, (struct pki_crl){0})));
	assert_accepted(below);
}

static void a_stale_crl_answers_only_within_its_grace(void **state)
{
	time_t end = PKI_NOW - 3600;

	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.this_update = end - PKI_DAY,
										.next_update = end})));
	assert_refused(
			direct, CRL_EXPIRED, "CRL of \"CN=Root\" expired 2029-12-31T23:00");
	ask.stale_grace_sec = 3599;
	assert_refused(direct, CRL_EXPIRED, "");
	ask.stale_grace_sec = 3600;
	assert_accepted(direct);
	ask.stale_grace_sec = 0;
	ask.at = end;
	assert_accepted(direct);
	ask.at = end + 1;
	assert_refused(direct, CRL_EXPIRED, "");
}

static void the_answer_says_until_when_its_crls_are_fresh(void **state)
{
	time_t soon = PKI_NOW + 60, later = PKI_NOW + PKI_DAY;

	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.next_update = later}),
			pki_crl(&root, (struct pki_crl){.next_update = soon}),
			pki_crl(&mid, (struct pki_crl){.next_update = soon})));
	/* of two lists the one that holds the longer, of a chain the shortest */
	assert_accepted(direct);
	assert_int_equal(answer.crl_until, later);
	assert_accepted(below);
	assert_int_equal(answer.crl_until, soon);
	/* the grace is the caller's to add */
	ask.at = soon + 5;
	ask.stale_grace_sec = 10;
	assert_accepted(below);
	assert_int_equal(answer.crl_until, soon);
	/* nothing ends where ignorance passes, or without lists */
	ask.revocation = TG_X509_REVOCATION_SOFT;
	assert_accepted(below);
	assert_int_equal(answer.crl_until, 0);
	ask.revocation = TG_X509_REVOCATION_HARD;
	use(NULL);
	assert_accepted(below);
	assert_int_equal(answer.crl_until, 0);
}

static void a_file_of_crls_is_summed_up(void **state)
{
	struct tg_x509_crl_facts facts;
	struct tg_x509_blob blob = {TG_SPAN("crl.pem"),
			pki_crl_pem(PKI_CRLS(
					pki_crl(&root,
							(struct pki_crl){.revoked = PKI_CERTS(direct),
									.next_update = PKI_NOW + 9}),
					pki_crl(&mid,
							(struct pki_crl){.next_update = PKI_NOW + 5})))};

	(void)state;
	assert_true(tg_x509_crl_facts(&blob, &facts));
	assert_int_equal(facts.next_update, PKI_NOW + 5);
	assert_int_equal(facts.n_crl, 2);
	assert_int_equal(facts.n_revoked, 1);
	blob.data = TG_SPAN("nothing of the kind\n");
	assert_false(tg_x509_crl_facts(&blob, &facts));
	assert_int_equal(ERR_peek_error(), 0);
}

/* A CRL of entries with these serial numbers, in the order given; DER */
static int crl_of(const int64_t *serial, size_t n, unsigned char **der)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, PKI_NOW);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	int octets;

	assert_true(crl && when && number);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(root.cert));
	X509_CRL_set1_lastUpdate(crl, when);
	X509_CRL_set1_nextUpdate(crl, when);
	for(size_t i = 0; i < n; i++) {
		X509_REVOKED *entry = X509_REVOKED_new();

		assert_true(entry && ASN1_INTEGER_set_int64(number, serial[i]));
		X509_REVOKED_set_serialNumber(entry, number);
		X509_REVOKED_set_revocationDate(entry, when);
		assert_true(X509_CRL_add0_revoked(crl, entry));
	}
	assert_true(X509_CRL_sign(crl, root.key, EVP_sha256()) > 0);
	octets = i2d_X509_CRL(crl, der);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(when);
	X509_CRL_free(crl);
	return octets;
}

static bool lists(const struct tg_x509_crl *c, int64_t serial)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	X509_REVOKED *entry;
	bool found;

	assert_true(number && ASN1_INTEGER_set_int64(number, serial));
	found = tg_x509_crl_list_find(&c->list, number, &entry);
	assert_true(found == (entry != NULL));
	if(entry)
		assert_int_equal(
				ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(entry), number),
				0);
	X509_REVOKED_free(entry);
	ASN1_INTEGER_free(number);
	return found;
}

static void each_entry_is_found_and_its_neighbours_are_not(void **state)
{
	static int64_t serial[500];
	const size_t n = sizeof(serial) / sizeof(*serial);
	unsigned char *der = NULL;
	struct tg_x509_crl c;
	int octets;

	(void)state;
	/* of all lengths up to seven octets, in no order */
	for(size_t i = 0; i < n; i++)
		serial[i] = (int64_t)(i * 7919 % n * 3 + 1) << i % 6 * 8;
	octets = crl_of(serial, n, &der);
	assert_null(tg_x509_crl_init(&c, der, (size_t)octets));
	assert_int_equal(c.list.n, n);
	for(size_t i = 0; i < n; i++) {
		assert_true(lists(&c, serial[i]));
		assert_false(lists(&c, -serial[i]));
		if(i % 6)
			assert_false(lists(&c, serial[i] + 1));
	}
	assert_false(lists(&c, 0));
	assert_true(tg_x509_crl_verify(&c, root.key));
	assert_false(tg_x509_crl_verify(&c, mid.key));
	tg_x509_crl_deinit(&c);
	OPENSSL_free(der);
}

static void every_octet_of_a_crl_is_signed(void **state)
{
	static const int64_t serial[] = {5, 300, 70000};
	unsigned char *der = NULL;
	struct tg_x509_crl c;
	int octets = crl_of(serial, 3, &der), signed_octets;

	(void)state;
	assert_null(tg_x509_crl_init(&c, der, (size_t)octets));
	signed_octets = (int)((unsigned char *)c.list.tbs.ptr - c.list.der)
					+ (int)c.list.tbs.len;
	tg_x509_crl_deinit(&c);
	for(int i = 0; i < signed_octets; i++) {
		der[i] ^= 1;
		if(!tg_x509_crl_init(&c, der, (size_t)octets)) {
			assert_false(tg_x509_crl_verify(&c, root.key));
			tg_x509_crl_deinit(&c);
		}
		der[i] ^= 1;
	}
	OPENSSL_free(der);
	ERR_clear_error();
}

static void a_stale_crl_still_knows_what_it_revoked(void **state)
{
	(void)state;
	use(PKI_CRLS(
			pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(direct),
								   .this_update = PKI_NOW - 9 * PKI_DAY,
								   .next_update = PKI_NOW - 8 * PKI_DAY})));
	assert_refused(direct, CERT_REVOKED, "");
	ask.revocation = TG_X509_REVOCATION_SOFT;
	assert_refused(direct, CERT_REVOKED, "");
}

static void a_crl_of_tomorrow_does_not_answer_today(void **state)
{
	(void)state;
	use(PKI_CRLS(
			pki_crl(&root, (struct pki_crl){.this_update = PKI_NOW + 60})));
	assert_refused(direct, CRL_MISSING, "not valid yet");
	ask.at = PKI_NOW + 61;
	assert_accepted(direct);
}

static void soft_lets_ignorance_pass_and_off_asks_nothing(void **state)
{
	X509 *bad = pki_named(&root, "gw1.lab.test");

	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(bad),
										.next_update = PKI_NOW - 1})));
	ask.revocation = TG_X509_REVOCATION_SOFT;
	assert_accepted(direct);
	assert_accepted(below);
	assert_refused(bad, CERT_REVOKED, "");
	ask.revocation = TG_X509_REVOCATION_OFF;
	assert_accepted(bad);
	ask.revocation = TG_X509_REVOCATION_HARD;
	assert_refused(direct, CRL_EXPIRED, "");
}

static void a_crl_counts_only_with_its_issuers_signature(void **state)
{
	struct pki_ca rogue = pki_root("Root");

	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.signer = &rogue})));
	assert_refused(direct, CRL_MISSING, "not signed by the issuer");
	/* nor can a stranger revoke */
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(direct),
										.signer = &rogue}),
			pki_crl(&root, (struct pki_crl){0})));
	assert_accepted(direct);
	/* the same of an intermediate, whose key is not known at load */
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){0}),
			pki_crl(&mid, (struct pki_crl){.signer = &rogue})));
	assert_refused(below, CRL_MISSING, "CN=Mid");
}

static void the_issuer_must_be_allowed_to_sign_crls(void **state)
{
	struct pki_ca mute = pki_ca_make(
			&root, "Mute", (struct pki_spec){.usage = "keyCertSign"});
	X509 *leaf = pki_named(&mute, "gw1.lab.test");

	(void)state;
	chain = pki_stack(PKI_CERTS(mute.cert));
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){0}),
			pki_crl(&mute, (struct pki_crl){0})));
	assert_refused(leaf, CRL_MISSING, "CN=Mute");
}

static void a_crl_with_a_weak_digest_does_not_count(void **state)
{
	(void)state;
	use(PKI_CRLS(pki_crl(&root, (struct pki_crl){.digest = "SHA1"})));
	assert_refused(direct, CRL_MISSING, "weak digest");
	ask.allow_sha1 = true;
	assert_accepted(direct);
}

static void scopes_hold(void **state)
{
	(void)state;
	use(PKI_CRLS(
			pki_crl(&root, (struct pki_crl){.scope = "critical,onlyuser:TRUE"}),
			pki_crl(&mid, (struct pki_crl){0})));
	assert_accepted(direct);
	assert_refused(below, CRL_MISSING, "CN=Root");
	use(PKI_CRLS(
			pki_crl(&root, (struct pki_crl){.scope = "critical,onlyCA:TRUE"}),
			pki_crl(&mid, (struct pki_crl){0})));
	assert_accepted(below);
	assert_refused(direct, CRL_MISSING, "");
}

static void a_crl_of_one_distribution_point_is_for_its_certificates(
		void **state)
{
	X509 *here = pki_leaf(&root, (struct pki_spec){.san = "DNS:gw1.lab.test",
										 .points = "URI:http://ca.test/a.crl"});
	X509 *there =
			pki_leaf(&root, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.points = "URI:http://ca.test/b.crl"});

	(void)state;
	use(PKI_CRLS(pki_crl(&root,
			(struct pki_crl){
					.scope = "critical,fullname:URI:http://ca.test/a.crl"})));
	assert_accepted(here);
	assert_refused(there, CRL_MISSING, "");
	assert_refused(direct, CRL_MISSING, "");
}

static void assert_not_loaded(struct pki_crl spec, const char *why)
{
	X509 *const cas[] = {root.cert, NULL};
	X509_CRL *const crls[] = {pki_crl(&root, spec), NULL};
	struct tg_x509_blob ca = {TG_SPAN("ca.pem"), pki_pem(cas)};
	struct tg_x509_blob crl = {TG_SPAN("crl.pem"), pki_crl_pem(crls)};
	struct tg_diags diags;

	tg_diags_init(&diags, &tg_alloc_libc);
	assert_null(tg_x509_store_new(&ca, 1, &crl, 1, &diags));
	assert_int_equal(diags.errors, 1);
	assert_non_null(strstr(diags.first->text.ptr, why));
	assert_non_null(strstr(diags.first->text.ptr, "object 1"));
	tg_diags_deinit(&diags);
}

static void crls_that_say_less_than_everything_are_refused_at_load(void **state)
{
	(void)state;
	assert_not_loaded((struct pki_crl){.delta = true}, "delta");
	assert_not_loaded(
			(struct pki_crl){.scope = "critical,indirectCRL:TRUE"}, "indirect");
	assert_not_loaded(
			(struct pki_crl){.scope = "critical,onlysomereasons:keyCompromise"},
			"reasons");
	assert_not_loaded(
			(struct pki_crl){.scope = "critical,onlyAA:TRUE"}, "attribute");
	assert_not_loaded((struct pki_crl){.endless = true}, "next update");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pki_cleanup)
	const struct CMUnitTest tests[] = {
			T(without_crls_nothing_is_asked),
			T(a_revoked_certificate_is_refused_with_its_date),
			T(a_revoked_intermediate_takes_its_leaves_along),
			T(every_certificate_but_the_anchor_needs_a_crl),
			T(a_stale_crl_answers_only_within_its_grace),
			T(the_answer_says_until_when_its_crls_are_fresh),
			T(a_file_of_crls_is_summed_up),
			T(each_entry_is_found_and_its_neighbours_are_not),
			T(every_octet_of_a_crl_is_signed),
			T(a_stale_crl_still_knows_what_it_revoked),
			T(a_crl_of_tomorrow_does_not_answer_today),
			T(soft_lets_ignorance_pass_and_off_asks_nothing),
			T(a_crl_counts_only_with_its_issuers_signature),
			T(the_issuer_must_be_allowed_to_sign_crls),
			T(a_crl_with_a_weak_digest_does_not_count),
			T(scopes_hold),
			T(a_crl_of_one_distribution_point_is_for_its_certificates),
			T(crls_that_say_less_than_everything_are_refused_at_load),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
