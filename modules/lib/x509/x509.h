/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Certificates: a chain, a store of trust and what is asked of the peer give
 * one verdict. RFC 5280 (path), RFC 5922 (SIP identities), RFC 5924 (EKU).
 * The only part of the core that uses OpenSSL. Nothing here blocks.
 *
 * A store is built in the process that uses it and never crosses a fork.
 */
#ifndef TG_X509_X509_H
#define TG_X509_X509_H

#include <openssl/x509.h>
#include <time.h>

#include "base/diag.h"
#include "base/reason.h"
#include "x509/status.h"

/* ---- identities (RFC 5922 section 7.1) --------------------------------- */

enum tg_x509_name_kind {
	TG_X509_NAME_NONE = 0,
	TG_X509_NAME_URI, /* sip:domain without a user part */
	TG_X509_NAME_DNS,
	TG_X509_NAME_CN /* only when there is no subjectAltName at all */
};

#define TG_X509_NAMES_MAX 64
#define TG_X509_NAME_OCTETS 255

struct tg_x509_names {
	size_t n;
	bool truncated; /* more names than the limit: refuse */
	struct {
		enum tg_x509_name_kind kind;
		uint8_t len;
		char text[TG_X509_NAME_OCTETS + 1]; /* lower case, no trailing dot */
	} item[TG_X509_NAMES_MAX];
};

/*
 * sip: URIs; where there is none, DNS names (RFC 5922 section 7.1 counts them
 * "if and only if" no such URI is found); the CN if no SAN exists at all.
 * Names with NUL, control octets or characters a host name cannot hold are
 * left out and never match. max: SANs of any kind to look at, at most
 * TG_X509_NAMES_MAX. False when the certificate's extensions cannot be read.
 */
bool tg_x509_names(X509 *cert, size_t max, struct tg_x509_names *out);

/*
 * Does name prove identity? One left-most "*" label only with wildcard, and
 * only above two labels or more ("*.lab.test", never "*.test").
 */
bool tg_x509_name_matches(
		struct tg_span name, struct tg_span identity, bool wildcard);

/* ---- trust store ------------------------------------------------------- */

struct tg_x509_store;

struct tg_x509_blob {
	struct tg_span path; /* for diagnostics */
	struct tg_span data; /* PEM (several objects) or DER */
};

/*
 * CAs and CRLs as they stand in memory. Errors name file and the object's
 * number. NULL when diags->errors grew. Owns copies; tg_x509_store_free.
 * A store with CRLs checks every certificate of a chain but the anchor, so
 * the CRLs of intermediate CAs belong in it, too. Errors: a certificate that
 * is no CA's, no self-signed CA, other PEM objects, a CRL that is delta,
 * indirect, partial by reason or without next update.
 * Read only once made: threads may share it.
 */
struct tg_x509_store *tg_x509_store_new(const struct tg_x509_blob *ca,
		size_t n_ca, const struct tg_x509_blob *crl, size_t n_crl,
		struct tg_diags *diags);
void tg_x509_store_free(struct tg_x509_store *store);
/*
 * The CA right above leaf, if its path through others (borrowed, may be NULL)
 * ends in one of the store's; by names and key identifiers, signatures are not
 * looked at. Borrowed from either; NULL: the store does not know it.
 */
X509 *tg_x509_store_issuer(
		const struct tg_x509_store *store, X509 *leaf, STACK_OF(X509) *others);

/*
 * What a file of CRLs says of itself: when the first of them wants to be
 * replaced, how many certificates they name together, and how many they are.
 * False when none can be read.
 */
struct tg_x509_crl_facts {
	time_t next_update;
	size_t n_crl;
	size_t n_revoked;
};
bool tg_x509_crl_facts(
		const struct tg_x509_blob *blob, struct tg_x509_crl_facts *out);

/* ---- verification ------------------------------------------------------ */

enum tg_x509_eku { /* values as enum tg_pol_eku */
	TG_X509_EKU_ROLE = 0,
	TG_X509_EKU_BOTH,
	TG_X509_EKU_CLIENT,
	TG_X509_EKU_SERVER,
	TG_X509_EKU_SIP,
	TG_X509_EKU_ANY
};

enum tg_x509_revocation { /* values as enum tg_pol_revocation */
	TG_X509_REVOCATION_HARD = 0,
	TG_X509_REVOCATION_SOFT, /* no fresh CRL is fine; revoked never is */
	TG_X509_REVOCATION_OFF
};

/*
 * What is known of the status of a certificate whose path is good; the host
 * may begin to find out. Fills *out, without waiting for anything.
 */
typedef void (*tg_x509_status_fn)(void *ctx, X509 *leaf, X509 *issuer,
		bool allow_sha1, struct tg_x509_status *out);

/* What each eku accepts stands at the head of usage.c */
struct tg_x509_ask {
	const struct tg_span *identity; /* any one suffices; n 0: names unchecked */
	size_t n_identity;
	bool wildcard;
	bool common_name; /* the CN counts where there is no SAN; RFC 5922: MAY */
	enum tg_x509_eku eku;
	bool peer_is_client; /* the peer connected to us: clientAuth for EKU_ROLE */
	uint16_t min_rsa_bits;     /* 0: 2048 */
	uint16_t min_ec_bits;      /* 0: 256 */
	uint32_t max_rsa_bits;     /* 0: 8192 */
	uint8_t max_depth;         /* intermediates; 0: 6 */
	uint32_t max_chain_octets; /* 0: 64 KiB */
	uint8_t max_names;         /* SANs; 0: TG_X509_NAMES_MAX */
	bool allow_sha1;           /* legacy profiles only */
	enum tg_x509_revocation revocation;
	bool ocsp_asked;     /* the leaf needs a response: HARD; SOFT: wants one */
	struct tg_span ocsp; /* the response, DER; empty: there is none */
	/* asked last, where no response was good; NULL: nobody is */
	tg_x509_status_fn status;
	void *status_ctx;
	time_t at;
	/* how long past their next update a CRL and a status still answer */
	time_t stale_grace_sec;
};

struct tg_x509_answer {
	enum tg_reason reason;              /* TG_REASON_NONE: accepted */
	int openssl_error;                  /* X509_V_*; picks the TLS alert */
	int depth;                          /* certificate at fault, 0 the leaf */
	char detail[192];                   /* for the log; escaped, never secret */
	char name[TG_X509_NAME_OCTETS + 1]; /* the name that matched */
	time_t not_after; /* earliest end of validity in the chain */
	/* earliest next update among the CRLs that the verdict rests on, without
	 * stale_grace_sec; 0: it rests on none */
	time_t crl_until;
	time_t ocsp_until; /* how long the response holds; 0: none was used */
	/* accepted, but ask.status does not know: detail says why. What that
	 * means is the caller's to say */
	bool status_open;
};

/*
 * leaf and untrusted are borrowed; untrusted may be NULL, may hold the leaf.
 * Fails closed: a zeroed answer is never returned as accepted on error.
 * A leaf that is itself a certificate of the store is refused as self-signed:
 * trust is in CAs, not in single certificates.
 * OpenSSL's error queue is left as it was.
 */
void tg_x509_verify(const struct tg_x509_store *store, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *out);

/* The X509_V_* code that makes OpenSSL send the fitting alert */
int tg_x509_alert_error(enum tg_reason reason);

#endif
