/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a trust may be made of, and how a file that is none is reported.
 */
#include "x509/testpki.h"

static struct pki_ca root;
static struct tg_diags diags;
static struct tg_x509_store *store;

static int setup(void **state)
{
	(void)state;
	root = pki_root("Root");
	tg_diags_init(&diags, &tg_alloc_libc);
	return 0;
}

static int teardown(void **state)
{
	tg_x509_store_free(store);
	store = NULL;
	tg_diags_deinit(&diags);
	return pki_cleanup(state);
}

static bool load(struct tg_span ca, struct tg_span crl)
{
	struct tg_x509_blob a = {TG_SPAN("ca.pem"), ca};
	struct tg_x509_blob c = {TG_SPAN("crl.pem"), crl};

	tg_x509_store_free(store);
	tg_diags_deinit(&diags);
	store = tg_x509_store_new(&a, 1, &c, crl.ptr ? 1 : 0, &diags);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(store == NULL, diags.errors > 0);
	return store;
}

static const struct tg_span none = {0};

static void assert_says(const char *file, const char *text)
{
	for(const struct tg_diag *d = diags.first; d; d = d->next) {
		if(tg_span_eq(d->where.file, tg_span_cstr(file))
				&& strstr(d->text.ptr, text))
			return;
	}
	print_error("no: %s\n", text);
	if(diags.first)
		print_error("but: %s\n", diags.first->text.ptr);
	fail();
}

static struct tg_span joined(struct tg_span a, struct tg_span b)
{
	static char buf[16384];

	assert_true(a.len + b.len <= sizeof(buf));
	memcpy(buf, a.ptr, a.len);
	memcpy(buf + a.len, b.ptr, b.len);
	return tg_span_of(buf, a.len + b.len);
}

static void takes_pem_with_text_between_and_der(void **state)
{
	struct tg_span pem = pki_pem(PKI_CERTS(root.cert, root.cert));
	unsigned char *der = NULL;
	int len = i2d_X509(root.cert, &der);

	(void)state;
	assert_true(load(joined(TG_SPAN("Root CA\n=======\n"), pem), none));
	assert_true(load(tg_span_of((char *)der, (size_t)len), none));
	assert_false(load(tg_span_of((char *)der, (size_t)len - 1), none));
	assert_says("ca.pem", "object 1: the certificate cannot be read");
	OPENSSL_free(der);
}

static void an_empty_trust_is_an_error(void **state)
{
	(void)state;
	assert_false(load(TG_SPAN(""), none));
	assert_says("ca.pem", "no certificate");
	assert_false(load(TG_SPAN("just text\n"), none));
	assert_says("ca.pem", "no certificate");
	assert_null(tg_x509_store_new(NULL, 0, NULL, 0, &diags));
}

static void a_crl_file_without_a_crl_is_an_error(void **state)
{
	(void)state;
	assert_false(load(pki_pem(PKI_CERTS(root.cert)), TG_SPAN("")));
	assert_says("crl.pem", "no CRL");
	assert_false(load(pki_pem(PKI_CERTS(root.cert)), TG_SPAN("oops")));
	assert_says("crl.pem", "no CRL");
}

static void other_objects_are_named(void **state)
{
	struct tg_span ca = pki_pem(PKI_CERTS(root.cert));
	struct tg_span crl =
			pki_crl_pem(PKI_CRLS(pki_crl(&root, (struct pki_crl){0})));

	(void)state;
	assert_false(load(joined(ca, crl), none));
	assert_says("ca.pem", "object 2: unexpected PEM object: X509 CRL");
	assert_false(load(ca, joined(crl, ca)));
	assert_says("crl.pem", "object 2: unexpected PEM object: CERTIFICATE");
	assert_false(load(TG_SPAN("-----BEGIN PRIVATE KEY-----\nAAAA\n"
							  "-----END PRIVATE KEY-----\n"),
			none));
	assert_says("ca.pem", "unexpected PEM object: PRIVATE KEY");
}

static void broken_objects_are_named(void **state)
{
	struct tg_span ca = pki_pem(PKI_CERTS(root.cert));

	(void)state;
	assert_false(load(
			joined(ca, TG_SPAN("-----BEGIN CERTIFICATE-----\n!!\n")), none));
	assert_says("ca.pem", "object 2: the PEM text is broken");
	assert_false(load(joined(ca, TG_SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n"
										 "-----END CERTIFICATE-----\n")),
			none));
	assert_says("ca.pem", "object 2: the certificate cannot be read");
}

static void only_cas_are_trusted_and_one_of_them_a_root(void **state)
{
	struct pki_ca mid = pki_ca_make(&root, "Mid", (struct pki_spec){0});
	X509 *leaf = pki_named(&root, "gw1.lab.test");

	(void)state;
	assert_false(load(pki_pem(PKI_CERTS(root.cert, leaf)), none));
	assert_says("ca.pem", "object 2: the certificate is not a CA's");
	assert_false(load(pki_pem(PKI_CERTS(mid.cert)), none));
	assert_says("ca.pem", "no root CA");
	assert_true(load(pki_pem(PKI_CERTS(mid.cert, root.cert)), none));
}

static void a_crl_with_a_strange_signature_is_a_warning(void **state)
{
	struct pki_ca twin = pki_root("Root");

	(void)state;
	assert_true(load(pki_pem(PKI_CERTS(root.cert)),
			pki_crl_pem(PKI_CRLS(pki_crl(&twin, (struct pki_crl){0})))));
	assert_int_equal(diags.warnings, 1);
	assert_says("crl.pem", "not signed by the CA of that name");
}

static void the_ca_above_a_certificate_is_found_if_its_path_ends_here(
		void **state)
{
	struct pki_ca mid = pki_ca_make(&root, "Mid", (struct pki_spec){0});
	struct pki_ca stranger = pki_root("Stranger");
	X509 *direct = pki_named(&root, "a.lab.test");
	X509 *below = pki_named(&mid, "b.lab.test");
	X509 *foreign = pki_named(&stranger, "c.lab.test");
	STACK_OF(X509) *chain = pki_stack(PKI_CERTS(below, mid.cert));
	STACK_OF(X509) *strange = pki_stack(PKI_CERTS(foreign, stranger.cert));
	X509 *above;

	(void)state;
	assert_true(load(pki_pem(PKI_CERTS(root.cert)), none));
	above = tg_x509_store_issuer(store, direct, NULL);
	assert_non_null(above);
	assert_int_equal(X509_cmp(above, root.cert), 0);
	assert_ptr_equal(tg_x509_store_issuer(store, below, chain), mid.cert);
	assert_null(tg_x509_store_issuer(store, below, NULL));
	/* a path of its own that ends elsewhere, in a circle of itself */
	assert_null(tg_x509_store_issuer(store, foreign, strange));
}

static void free_takes_nothing(void **state)
{
	(void)state;
	tg_x509_store_free(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
			T(takes_pem_with_text_between_and_der),
			T(an_empty_trust_is_an_error),
			T(a_crl_file_without_a_crl_is_an_error),
			T(other_objects_are_named),
			T(broken_objects_are_named),
			T(only_cas_are_trusted_and_one_of_them_a_root),
			T(a_crl_with_a_strange_signature_is_a_warning),
			T(the_ca_above_a_certificate_is_found_if_its_path_ends_here),
			T(free_takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
