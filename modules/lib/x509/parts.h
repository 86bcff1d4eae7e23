/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of x509/ share. Only x509/ and its tests include this. Each check below
 * looks at a path that OpenSSL built, writes its refusal into the answer and
 * returns false, or returns true and leaves the answer alone.
 */
#ifndef TG_X509_PARTS_H
#define TG_X509_PARTS_H

#include "x509/openssl_compat.h"
#include "x509/status.h"
#include "x509/x509.h"

#include <stdio.h>
#include <string.h>

/* ---- text for people (text.c) ------------------------------------------- */

/* Fills out as far as it goes; always ends with NUL */
struct tg_x509_text {
	char *out;
	size_t octets; /* of out, with the NUL */
	size_t len;
};

void tg_x509_text_init(struct tg_x509_text *t, char *out, size_t octets);
void tg_x509_put(struct tg_x509_text *t, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/* Control octets, '"', '\' and octets beyond ASCII as \xNN */
void tg_x509_put_escaped(struct tg_x509_text *t, struct tg_span s);
/* RFC 3339, UTC */
void tg_x509_put_time(struct tg_x509_text *t, const ASN1_TIME *when);
/* Quoted, RFC 2253 order */
void tg_x509_put_dn(struct tg_x509_text *t, const X509_NAME *name);

/* False when the time cannot be read */
bool tg_x509_time(const ASN1_TIME *when, time_t *out);

/* ---- store (store.c, crl.c) ---------------------------------------------- */

enum tg_x509_crl_scope {
	TG_X509_CRL_ALL = 0,
	TG_X509_CRL_USERS, /* onlyContainsUserCerts */
	TG_X509_CRL_CAS    /* onlyContainsCACerts */
};

/* The entries of a CRL, in its own octets (crl_list.c) */
struct tg_x509_crl_list {
	unsigned char *der;
	size_t octets;
	struct tg_span tbs; /* what is signed; in der */
	uint32_t *entry;    /* where in der each begins, by serial number */
	size_t n;
};

/*
 * Copies der. -> NULL and *head, the CRL without its entries; or why it cannot
 * be, static text. Either way the list is the caller's to drop.
 */
const char *tg_x509_crl_list_read(struct tg_x509_crl_list *list,
		const unsigned char *der, size_t octets, X509_CRL **head);
void tg_x509_crl_list_drop(struct tg_x509_crl_list *list);
bool tg_x509_crl_list_verify(const struct tg_x509_crl_list *list,
		const X509_CRL *head, EVP_PKEY *key);
/* True: it is listed; *out is its entry, the caller's, or NULL for no memory */
bool tg_x509_crl_list_find(const struct tg_x509_crl_list *list,
		const ASN1_INTEGER *number, X509_REVOKED **out);

struct tg_x509_crl {
	X509_CRL *head; /* the CRL without its entries */
	struct tg_x509_crl_list list;
	time_t this_update;
	time_t next_update;
	enum tg_x509_crl_scope scope;
	GENERAL_NAMES *points; /* distribution points it is for; NULL: all */
	int digest;            /* NID of its signature's digest */
	const X509 *signer;    /* the anchor whose key was seen to fit, or NULL */
};

struct tg_x509_store {
	X509_STORE *store;
	STACK_OF(X509) *anchors; /* borrowed by crl[].signer */
	struct tg_x509_crl *crl;
	size_t n_crl;
};

/* NULL, or why it is of no use, static text: the slot is zeroed then */
const char *tg_x509_crl_init(
		struct tg_x509_crl *slot, const unsigned char *der, size_t octets);
/* Does key's signature stand under it? */
bool tg_x509_crl_verify(const struct tg_x509_crl *c, EVP_PKEY *key);
/* An entry that takes back an earlier one */
bool tg_x509_is_removed(const X509_REVOKED *entry);
void tg_x509_crl_deinit(struct tg_x509_crl *slot);

/* ---- checks of a path ----------------------------------------------------- */

struct tg_x509_path {
	const struct tg_x509_store *store;
	const struct tg_x509_ask *ask;
	X509 *leaf;
	STACK_OF(X509) *chain; /* leaf first, anchor last, at least two */
	struct tg_x509_answer *answer;
};

/* False always: a check ends with return tg_x509_refuse(...) */
bool tg_x509_refuse(struct tg_x509_answer *answer, enum tg_reason reason,
		int depth, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same, and which certificate it is when it is not the leaf */
void tg_x509_say_which(struct tg_x509_answer *answer, const X509 *cert);

/* Before anything is computed with them: keys that are too long to bear */
bool tg_x509_check_burden(const struct tg_x509_ask *ask, X509 *cert, int depth,
		struct tg_x509_answer *answer);
bool tg_x509_check_strength(const struct tg_x509_path *path);
bool tg_x509_check_usage(const struct tg_x509_path *path);
bool tg_x509_check_revocation(const struct tg_x509_path *path);
bool tg_x509_check_ocsp(const struct tg_x509_path *path);
/* The last one: nobody is asked about what is refused anyway */
bool tg_x509_check_status(const struct tg_x509_path *path);
/* DNS name constraints: do all CAs of the path admit the host? */
bool tg_x509_admits_host(const struct tg_x509_path *path, struct tg_span host);
/* The same for the hosts of sip: URIs */
bool tg_x509_check_uri_hosts(
		const struct tg_x509_path *path, const struct tg_x509_names *names);

/* ---- OCSP responses (ocsp.c) ----------------------------------------------- */

struct tg_x509_about {
	X509 *leaf;
	X509 *issuer;
	time_t at;
	bool allow_sha1;
};

/* One more thing to look at in a response that is well signed: NULL, or why
 * it will not do */
typedef const char *(*tg_x509_basic_fn)(const void *ctx, OCSP_BASICRESP *basic);
void tg_x509_read_status(const struct tg_x509_about *about, struct tg_span der,
		tg_x509_basic_fn also, const void *ctx, struct tg_x509_status *out);

/* MD5 and older never; SHA-1 only when allowed. NID_undef: none is used */
bool tg_x509_digest_is_fit(int digest, bool allow_sha1);

#endif
