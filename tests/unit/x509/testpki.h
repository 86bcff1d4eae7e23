/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Certificates, CRLs and stores for tests, made on the spot by OpenSSL.
 * Everything is owned here and goes with pki_cleanup. Anything that fails
 * fails the test.
 */
#ifndef TG_TESTS_TESTPKI_H
#define TG_TESTS_TESTPKI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "x509/openssl_compat.h"
#include "x509/x509.h"

#define PKI_NOW ((time_t)1893456000) /* 2030-01-01T00:00:00Z */
#define PKI_DAY ((time_t)86400)

enum pki_key {
	PKI_P256 = 0,
	PKI_P384,
	PKI_P224,
	PKI_RSA1024,
	PKI_RSA2048,
	PKI_RSA3072,
	PKI_ED25519,
	PKI_EXPLICIT, /* P-256 with its curve written out */
	PKI_KEYS
};

struct pki_ca {
	X509 *cert;
	EVP_PKEY *key;
};

/* Zero gives a sound leaf of client and server, 90 days from yesterday on */
struct pki_spec {
	const char *cn;
	const char *san;     /* as in openssl.cnf: "DNS:a, URI:sip:b" */
	const void *raw_dns; /* one more DNS name, any octets */
	size_t raw_dns_octets;
	const char *eku;   /* NULL: "clientAuth,serverAuth"; "": no extension */
	const char *usage; /* NULL: what fits; "": no extension */
	const char *basic; /* NULL: what fits; "": no extension */
	const char *constraints; /* nameConstraints */
	const char *points;      /* crlDistributionPoints */
	const char *other;       /* one more extension, "OID=critical,DER:.." */
	bool ca;
	bool without_ids; /* no subject and authority key identifier */
	bool self_signed;
	bool spoilt; /* signed by another key than the issuer's */
	time_t not_before, not_after;
	enum pki_key key;
	const char *digest; /* NULL: SHA256; "": none (EdDSA) */
	int dns_names;      /* that many more SANs */
};

EVP_PKEY *pki_key(enum pki_key kind);
/* issuer NULL: a root */
struct pki_ca pki_ca_make(
		const struct pki_ca *issuer, const char *cn, struct pki_spec spec);
struct pki_ca pki_root(const char *cn);
X509 *pki_leaf(const struct pki_ca *issuer, struct pki_spec spec);
X509 *pki_named(const struct pki_ca *issuer, const char *dns);

/* times 0: an hour ago, in 7 days */
struct pki_crl {
	X509 *const *revoked; /* NULL ends; NULL: nothing */
	time_t revoked_at;
	int reason; /* CRL_REASON_*; 0 none */
	time_t this_update, next_update;
	const char *scope; /* issuingDistributionPoint */
	const char *digest;
	bool delta;
	bool endless;                /* no next update */
	const struct pki_ca *signer; /* another key than the issuer's */
};
X509_CRL *pki_crl(const struct pki_ca *issuer, struct pki_crl spec);

/* PEM, one after the other; NULL ends */
struct tg_span pki_pem(X509 *const *certs);
struct tg_span pki_crl_pem(X509_CRL *const *crls);
STACK_OF(X509) *pki_stack(X509 *const *certs);

/* Both NULL-ended; crls may be NULL */
struct tg_x509_store *pki_store(X509 *const *cas, X509_CRL *const *crls);

#define PKI_CERTS(...) ((X509 *const[]){__VA_ARGS__, NULL})
#define PKI_CRLS(...) ((X509_CRL *const[]){__VA_ARGS__, NULL})

/* Frees everything made since the last call; a cmocka teardown */
int pki_cleanup(void **state);
/* Keys, too; at the end of a program */
int pki_end(void **state);

#endif
