/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "x509/testpki.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdio.h>

/* ---- what is to be freed ------------------------------------------------- */

struct made {
	struct made *next;
	void (*drop)(void *);
	void *what;
};
static struct made *all_made;
static EVP_PKEY *keys[PKI_KEYS];
static long serial;

static void *own(void *what, void (*drop)(void *))
{
	struct made *m = malloc(sizeof(*m));

	assert_non_null(what);
	assert_non_null(m);
	*m = (struct made){all_made, drop, what};
	all_made = m;
	return what;
}

static void drop_cert(void *p)
{
	X509_free(p);
}

static void drop_crl(void *p)
{
	X509_CRL_free(p);
}

static void drop_key(void *p)
{
	EVP_PKEY_free(p);
}

static void drop_stack(void *p)
{
	sk_X509_free(p);
}

static void drop_store(void *p)
{
	tg_x509_store_free(p);
}

int pki_cleanup(void **state)
{
	(void)state;
	while(all_made) {
		struct made *m = all_made;

		all_made = m->next;
		m->drop(m->what);
		free(m);
	}
	ERR_clear_error();
	return 0;
}

int pki_end(void **state)
{
	for(int i = 0; i < PKI_KEYS; i++) {
		EVP_PKEY_free(keys[i]);
		keys[i] = NULL;
	}
	return pki_cleanup(state);
}

/* ---- keys ---------------------------------------------------------------- */

static EVP_PKEY *explicit_curve(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
								   (char *)"P-256", 0),
			OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING,
					(char *)OSSL_PKEY_EC_ENCODING_EXPLICIT, 0),
			OSSL_PARAM_END};

	params[0].data_size = 5;
	params[1].data_size = strlen(OSSL_PKEY_EC_ENCODING_EXPLICIT);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *make_key(enum pki_key kind)
{
	switch(kind) {
		case PKI_P384:
			return EVP_EC_gen("P-384");
		case PKI_P224:
			return EVP_EC_gen("P-224");
		case PKI_RSA1024:
			return EVP_RSA_gen(1024);
		case PKI_RSA2048:
			return EVP_RSA_gen(2048);
		case PKI_RSA3072:
			return EVP_RSA_gen(3072);
		case PKI_ED25519:
			return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		case PKI_EXPLICIT:
			return explicit_curve();
		default:
			return EVP_EC_gen("P-256");
	}
}

EVP_PKEY *pki_key(enum pki_key kind)
{
	if(!keys[kind])
		keys[kind] = make_key(kind);
	assert_non_null(keys[kind]);
	return keys[kind];
}

/* ---- certificates -------------------------------------------------------- */

static void extend(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *e;

	if(!value || !*value)
		return;
	e = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void extend_by_name(X509 *cert, X509V3_CTX *ctx, const char *text)
{
	char name[64];
	const char *equals = text ? strchr(text, '=') : NULL;
	X509_EXTENSION *e;

	if(!equals)
		return;
	assert_true((size_t)(equals - text) < sizeof(name));
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = '\0';
	e = X509V3_EXT_conf(NULL, ctx, name, equals + 1);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void add_dns(GENERAL_NAMES *names, const void *dns, size_t octets)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	assert_true(g && s);
	assert_int_equal(ASN1_STRING_set(s, dns, (int)octets), 1);
	GENERAL_NAME_set0_value(g, GEN_DNS, s);
	assert_true(sk_GENERAL_NAME_push(names, g) > 0);
}

static void extend_names(X509 *cert, X509V3_CTX *ctx, const struct pki_spec *s)
{
	GENERAL_NAMES *names = NULL;

	if(s->san) {
		X509_EXTENSION *e =
				X509V3_EXT_conf_nid(NULL, ctx, NID_subject_alt_name, s->san);

		assert_non_null(e);
		names = X509V3_EXT_d2i(e);
		X509_EXTENSION_free(e);
	}
	if(!names && (s->raw_dns || s->dns_names))
		names = GENERAL_NAMES_new();
	if(s->raw_dns)
		add_dns(names, s->raw_dns, s->raw_dns_octets);
	for(int i = 0; i < s->dns_names; i++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "host%d.lab.test", i);

		add_dns(names, text, (size_t)n);
	}
	if(!names)
		return;
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
							 X509V3_ADD_APPEND),
			1);
	GENERAL_NAMES_free(names);
}

static const char *or_else(const char *value, const char *instead)
{
	return value ? value : instead;
}

static void sign(X509 *cert, EVP_PKEY *key, const char *digest)
{
	const EVP_MD *md = NULL;

	if(!EVP_PKEY_is_a(key, "ED25519")) {
		md = EVP_get_digestbyname(or_else(digest, "SHA256"));
		assert_non_null(md);
	}
	assert_true(X509_sign(cert, key, md) > 0);
}

static void set_dates(X509 *cert, const struct pki_spec *s)
{
	time_t from = s->not_before ? s->not_before : PKI_NOW - PKI_DAY;
	time_t to = s->not_after ? s->not_after : PKI_NOW + 90 * PKI_DAY;

	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), from));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), to));
}

static X509 *reread(X509 *cert)
{
	unsigned char *der = NULL;
	const unsigned char *at;
	int len = i2d_X509(cert, &der);
	X509 *out;

	/* as if it came over the wire */
	assert_true(len > 0);
	at = der;
	out = d2i_X509(NULL, &at, len);
	assert_non_null(out);
	OPENSSL_free(der);
	X509_free(cert);
	return out;
}

static X509 *make(
		const struct pki_ca *issuer, EVP_PKEY *key, const struct pki_spec *s)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	bool alone = !issuer || s->self_signed;
	X509V3_CTX ctx;

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	set_dates(cert, s);
	if(s->cn)
		assert_int_equal(
				X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
						(const unsigned char *)s->cn, -1, -1, 0),
				1);
	X509_set_issuer_name(
			cert, alone ? subject : X509_get_subject_name(issuer->cert));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	X509V3_set_ctx(&ctx, alone ? cert : issuer->cert, cert, NULL, NULL, 0);
	extend(cert, &ctx, NID_basic_constraints,
			or_else(s->basic, s->ca ? "critical,CA:TRUE" : "CA:FALSE"));
	extend(cert, &ctx, NID_key_usage,
			or_else(s->usage, s->ca ? "critical,keyCertSign,cRLSign"
									: "critical,digitalSignature"));
	if(!s->without_ids) {
		extend(cert, &ctx, NID_subject_key_identifier, "hash");
		if(!alone && X509_get0_subject_key_id(issuer->cert))
			extend(cert, &ctx, NID_authority_key_identifier, "keyid:always");
	}
	extend(cert, &ctx, NID_ext_key_usage,
			or_else(s->eku, s->ca ? "" : "clientAuth,serverAuth"));
	extend(cert, &ctx, NID_name_constraints, s->constraints);
	extend(cert, &ctx, NID_crl_distribution_points, s->points);
	extend_by_name(cert, &ctx, s->other);
	extend_names(cert, &ctx, s);
	if(s->spoilt)
		sign(cert, pki_key(PKI_P384), "SHA256");
	else
		sign(cert, alone ? key : issuer->key, s->digest);
	return own(reread(cert), drop_cert);
}

struct pki_ca pki_ca_make(
		const struct pki_ca *issuer, const char *cn, struct pki_spec spec)
{
	struct pki_ca ca;

	spec.ca = true;
	spec.cn = cn;
	if(!spec.not_before)
		spec.not_before = PKI_NOW - 300 * PKI_DAY;
	if(!spec.not_after)
		spec.not_after = PKI_NOW + 3000 * PKI_DAY;
	/* each CA has a key of its own, RSA excepted: it takes too long */
	if(spec.key == PKI_RSA1024 || spec.key == PKI_RSA2048) {
		ca.key = pki_key(spec.key);
	} else {
		ca.key = own(make_key(spec.key), drop_key);
	}
	ca.cert = make(issuer, ca.key, &spec);
	return ca;
}

struct pki_ca pki_root(const char *cn)
{
	return pki_ca_make(NULL, cn, (struct pki_spec){0});
}

X509 *pki_leaf(const struct pki_ca *issuer, struct pki_spec spec)
{
	return make(issuer, pki_key(spec.key), &spec);
}

X509 *pki_named(const struct pki_ca *issuer, const char *dns)
{
	char san[256];

	snprintf(san, sizeof(san), "DNS:%s", dns);
	return pki_leaf(issuer, (struct pki_spec){.cn = dns, .san = san});
}

/* ---- CRLs ---------------------------------------------------------------- */

static void set_crl_time(X509_CRL *crl, time_t when, bool next)
{
	ASN1_TIME *t = ASN1_TIME_set(NULL, when);

	assert_non_null(t);
	if(next)
		X509_CRL_set1_nextUpdate(crl, t);
	else
		X509_CRL_set1_lastUpdate(crl, t);
	ASN1_TIME_free(t);
}

static void add_revoked(X509_CRL *crl, X509 *cert, const struct pki_crl *s)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *t = ASN1_TIME_set(
			NULL, s->revoked_at ? s->revoked_at : PKI_NOW - 2 * PKI_DAY);

	assert_true(entry && t);
	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert));
	X509_REVOKED_set_revocationDate(entry, t);
	if(s->reason) {
		ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();

		ASN1_ENUMERATED_set(reason, s->reason);
		X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0);
		ASN1_ENUMERATED_free(reason);
	}
	assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
	ASN1_TIME_free(t);
}

static void extend_crl(X509_CRL *crl, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	if(!value)
		return;
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, crl, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_CRL_add_ext(crl, e, -1);
	X509_EXTENSION_free(e);
}

X509_CRL *pki_crl(const struct pki_ca *issuer, struct pki_crl s)
{
	X509_CRL *crl = X509_CRL_new();
	EVP_PKEY *key = s.signer ? s.signer->key : issuer->key;
	unsigned char *der = NULL;
	const unsigned char *at;
	int len;

	assert_non_null(crl);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	set_crl_time(crl, s.this_update ? s.this_update : PKI_NOW - 3600, false);
	if(!s.endless)
		set_crl_time(crl, s.next_update ? s.next_update : PKI_NOW + 7 * PKI_DAY,
				true);
	for(X509 *const *c = s.revoked; c && *c; c++)
		add_revoked(crl, *c, &s);
	extend_crl(crl, NID_issuing_distribution_point, s.scope);
	if(s.delta) {
		ASN1_INTEGER *base = ASN1_INTEGER_new();

		ASN1_INTEGER_set(base, 1);
		X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, 0);
		ASN1_INTEGER_free(base);
	}
	X509_CRL_sort(crl);
	assert_true(X509_CRL_sign(crl, key,
						EVP_get_digestbyname(or_else(s.digest, "SHA256")))
				> 0);
	len = i2d_X509_CRL(crl, &der);
	X509_CRL_free(crl);
	assert_true(len > 0);
	at = der;
	crl = d2i_X509_CRL(NULL, &at, len);
	OPENSSL_free(der);
	return own(crl, drop_crl);
}

/* ---- text and stores ----------------------------------------------------- */

static struct tg_span text_of(BIO *bio)
{
	char *at, *copy;
	long len = BIO_get_mem_data(bio, &at);

	copy = own(malloc((size_t)len + 1), free);
	if(len)
		memcpy(copy, at, (size_t)len);
	copy[len] = '\0';
	BIO_free(bio);
	return tg_span_of(copy, (size_t)len);
}

struct tg_span pki_pem(X509 *const *certs)
{
	BIO *bio = BIO_new(BIO_s_mem());

	for(; certs && *certs; certs++)
		assert_int_equal(PEM_write_bio_X509(bio, *certs), 1);
	return text_of(bio);
}

struct tg_span pki_crl_pem(X509_CRL *const *crls)
{
	BIO *bio = BIO_new(BIO_s_mem());

	for(; crls && *crls; crls++)
		assert_int_equal(PEM_write_bio_X509_CRL(bio, *crls), 1);
	return text_of(bio);
}

STACK_OF(X509) *pki_stack(X509 *const *certs)
{
	STACK_OF(X509) *stack = own(sk_X509_new_null(), drop_stack);

	for(; certs && *certs; certs++)
		assert_true(sk_X509_push(stack, *certs) > 0);
	return stack;
}

struct tg_x509_store *pki_store(X509 *const *cas, X509_CRL *const *crls)
{
	struct tg_x509_blob ca = {TG_SPAN("ca.pem"), pki_pem(cas)};
	struct tg_x509_blob crl = {TG_SPAN("crl.pem"), pki_crl_pem(crls)};
	struct tg_x509_store *store;
	struct tg_diags diags;

	tg_diags_init(&diags, &tg_alloc_libc);
	store = tg_x509_store_new(&ca, 1, &crl, crls ? 1 : 0, &diags);
	for(struct tg_diag *d = diags.first; !store && d; d = d->next)
		print_error("%.*s\n", TG_SPAN_FMT(d->text));
	tg_diags_deinit(&diags);
	return own(store, drop_store);
}
