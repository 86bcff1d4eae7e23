/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The status of one certificate, RFC 6960: the request that asks a responder
 * for it, and what a response says. Who carries them over the network is the
 * host's affair; nothing here blocks.
 */
#ifndef TG_X509_STATUS_H
#define TG_X509_STATUS_H

#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <time.h>

#include "base/span.h"

enum tg_x509_state {
	TG_X509_STATE_UNKNOWN = 0,
	TG_X509_STATE_GOOD,
	TG_X509_STATE_REVOKED
};

struct tg_x509_status {
	enum tg_x509_state state;
	/* the responder itself says so: it does not know the certificate. Else
	 * UNKNOWN means that there is no answer that would do */
	bool answered;
	time_t from;      /* this update */
	time_t until;     /* GOOD: the last second at which it holds */
	char detail[128]; /* why UNKNOWN; when REVOKED; never secret */
};

#define TG_X509_OCSP_OCTETS_MAX 65536

/* Values as enum tg_pol_nonce */
enum tg_x509_nonce {
	TG_X509_NONCE_REQUIRED = 0,
	TG_X509_NONCE_OPTIONAL,
	TG_X509_NONCE_OFF
};

struct tg_x509_inquiry;

/* Copies of both certificates are kept. NULL: they cannot be read, or memory
 * is out */
struct tg_x509_inquiry *tg_x509_inquiry_new(
		struct tg_span leaf_der, struct tg_span issuer_der, bool nonce);
void tg_x509_inquiry_free(struct tg_x509_inquiry *q);
const OCSP_REQUEST *tg_x509_inquiry_request(const struct tg_x509_inquiry *q);

/*
 * What the response der says to it at that time: about this certificate and
 * issuer, signed by one that may, in its time, with the request's nonce.
 * OpenSSL's error queue is left as it was.
 */
void tg_x509_inquiry_read(const struct tg_x509_inquiry *q, struct tg_span der,
		enum tg_x509_nonce nonce, time_t at, bool allow_sha1,
		struct tg_x509_status *out);

/* "serial HEX "DN"", for logs: escaped, cut where out ends */
void tg_x509_describe(const X509 *cert, char *out, size_t octets);

/* The first http URL of a responder that the certificate names; false: none */
bool tg_x509_responder_of(
		const struct tg_x509_inquiry *q, char *out, size_t octets);

#endif
