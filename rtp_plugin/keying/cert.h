/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our own certificate and the SSL_CTX made from it: shared by every DTLS
 * object of the process, read only after it was made.
 */
#ifndef TG_KEYING_CERT_H
#define TG_KEYING_CERT_H

#include <openssl/ssl.h>

#include "keying/keying.h"

/* Borrowed */
SSL_CTX *tg_key_cert_ctx(const struct tg_key_cert *cert);

/* RFC 8122 section 5: a hash we accept, NULL for weak and unknown names */
const EVP_MD *tg_key_hash(struct tg_span name);

/*
 * "AB:CD:..." of exactly the digest's octets, either case. False on anything
 * else. out holds EVP_MAX_MD_SIZE.
 */
bool tg_key_fingerprint_read(
		struct tg_span text, const EVP_MD *md, uint8_t *out);

#endif
