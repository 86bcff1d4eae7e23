/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory runs out at each place in turn: a certificate that must be refused
 * is never accepted, and nothing is lost or touched twice (with sanitizers).
 */
#include "x509/testpki.h"

#include <stdio.h>
#include <stdlib.h>

static long countdown = -1; /* allocations until one fails; -1: never */

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

static void *get(size_t octets, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : malloc(octets ? octets : 1);
}

static void *grow(void *p, size_t octets, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : realloc(p, octets ? octets : 1);
}

static void drop(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static const struct tg_span gw1[] = {TG_SPAN_INIT("gw1.lab.test")};
static const struct tg_x509_ask ask = {.identity = gw1,
		.n_identity = 1,
		.peer_is_client = true,
		.at = PKI_NOW};

/* Fails the nth allocation for each n until one run needs fewer than n */
static void sweep(const struct tg_x509_store *store, X509 *leaf,
		STACK_OF(X509) *untrusted, bool good)
{
	struct tg_x509_answer answer;
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);
	bool more = true;

	for(long n = 0; more; n++) {
		const unsigned char *at = der;
		/* a fresh one each time: OpenSSL keeps what it has decoded */
		X509 *cert = d2i_X509(NULL, &at, len);

		countdown = n;
		tg_x509_verify(store, cert, untrusted, &ask, &answer);
		more = countdown < 0;
		countdown = -1;
		if(!good)
			assert_int_not_equal(answer.reason, TG_REASON_NONE);
		if(!more)
			assert_int_equal(answer.reason == TG_REASON_NONE, good);
		X509_free(cert);
		ERR_clear_error();
	}
	OPENSSL_free(der);
}

static void a_bad_certificate_is_refused_whatever_fails(void **state)
{
	struct pki_ca root = pki_root("Root"), rogue = pki_root("Rogue");
	struct pki_ca mid = pki_ca_make(&root, "Mid",
			(struct pki_spec){.eku = "clientAuth",
					.constraints = "critical,permitted;DNS:lab.test"});
	struct pki_ca narrow = pki_ca_make(&root, "Narrow",
			(struct pki_spec){.constraints = "permitted;DNS:else.test"});
	X509 *revoked = pki_named(&mid, "gw1.lab.test");
	STACK_OF(X509) *chain = pki_stack(PKI_CERTS(mid.cert, narrow.cert));
	struct tg_x509_store *store = pki_store(PKI_CERTS(root.cert),
			PKI_CRLS(pki_crl(&root, (struct pki_crl){0}),
					pki_crl(&mid,
							(struct pki_crl){.revoked = PKI_CERTS(revoked)}),
					pki_crl(&narrow, (struct pki_crl){0})));

	(void)state;
	sweep(store, pki_named(&mid, "gw1.lab.test"), chain, true);
	sweep(store, revoked, chain, false);
	sweep(store, pki_named(&rogue, "gw1.lab.test"), chain, false);
	sweep(store, pki_named(&mid, "gw2.lab.test"), chain, false);
	sweep(store,
			pki_leaf(&mid, (struct pki_spec){.san = "DNS:gw1.lab.test",
								   .eku = "serverAuth"}),
			chain, false);
	sweep(store,
			pki_leaf(&narrow, (struct pki_spec){.san = "URI:sip:gw1.lab."
													   "test"}),
			chain, false);
	sweep(store,
			pki_leaf(&root, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.key = PKI_P224}),
			chain, false);
	sweep(store,
			pki_leaf(&root, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.not_after = PKI_NOW - 1}),
			chain, false);
}

static void a_store_made_in_need_accepts_nothing_more(void **state)
{
	struct pki_ca root = pki_root("Root");
	struct tg_x509_blob ca = {TG_SPAN("ca"), pki_pem(PKI_CERTS(root.cert))};
	struct tg_x509_blob crl = {TG_SPAN("crl"), {NULL, 0}};
	X509 *revoked = pki_named(&root, "gw1.lab.test");
	X509_CRL *const crls[] = {
			pki_crl(&root, (struct pki_crl){.revoked = PKI_CERTS(revoked)}),
			NULL};
	bool more = true;

	(void)state;
	crl.data = pki_crl_pem(crls);
	for(long n = 0; more; n++) {
		struct tg_x509_store *store;
		struct tg_x509_answer answer;
		struct tg_diags diags;

		tg_diags_init(&diags, &tg_alloc_libc);
		countdown = n;
		store = tg_x509_store_new(&ca, 1, &crl, 1, &diags);
		more = countdown < 0;
		countdown = -1;
		assert_int_equal(store == NULL, diags.errors > 0);
		ERR_clear_error();
		if(store) {
			tg_x509_verify(store, revoked, NULL, &ask, &answer);
			assert_int_not_equal(answer.reason, TG_REASON_NONE);
		}
		tg_x509_store_free(store);
		tg_diags_deinit(&diags);
		ERR_clear_error();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_teardown(
					a_bad_certificate_is_refused_whatever_fails, pki_cleanup),
			cmocka_unit_test_teardown(
					a_store_made_in_need_accepts_nothing_more, pki_cleanup),
	};

	/* before OpenSSL allocates anything */
	if(!CRYPTO_set_mem_functions(get, grow, drop))
		return 1;
	return cmocka_run_group_tests(tests, NULL, pki_end);
}
