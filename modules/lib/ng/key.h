/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The secret shared by srtp_policy and rtp_plugin, and HMAC-SHA-256 (RFC 2104,
 * FIPS 198-1) under it. OpenSSL's one-shot HMAC() fetches the algorithm, makes
 * a context and hashes the key anew each time, which costs several times the
 * hashing of a token: here a context keyed once is used again.
 *
 * The context belongs to one process: behind a fork a new one is made, since
 * the memory of OpenSSL may be shared there (Kamailio's is). Threads may use a
 * key at the same time; who finds the context busy does without it.
 */
#ifndef TG_NG_KEY_H
#define TG_NG_KEY_H

#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/span.h"

/* the shared secret: at least as long as its hash (RFC 2104 section 3) */
#define TG_NG_SECRET_OCTETS_MIN 32
#define TG_NG_SECRET_OCTETS_MAX 4096
#define TG_NG_MAC_OCTETS 32
#define TG_NG_LAST_OCTETS_MAX 512

/* The caller's storage; all zero is a key under which nothing is authentic */
struct tg_ng_key {
	struct tg_span secret; /* borrowed */
	EVP_MAC_CTX *keyed;    /* of the process below; NULL: none yet */
	pid_t owner;
	atomic_flag busy;
	/* what was asked last: a proof is looked at twice in a row */
	size_t last_octets; /* 0: nothing */
	unsigned char last_text[TG_NG_LAST_OCTETS_MAX];
	unsigned char last_mac[TG_NG_MAC_OCTETS];
};

/* span: an initialiser, which takes no parentheses */
/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define TG_NG_KEY_INIT(span)                                    \
	{                                                           \
		.secret = span, .keyed = NULL, .busy = ATOMIC_FLAG_INIT \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/* secret lives as long as key; one of a length not allowed gives no mac */
void tg_ng_key_init(struct tg_ng_key *key, struct tg_span secret);
/* Of a key of this process, that nobody uses */
void tg_ng_key_deinit(struct tg_ng_key *key);

/* False: the secret is too short or too long, or OpenSSL cannot */
bool tg_ng_key_mac(struct tg_ng_key *key, const void *text, size_t octets,
		unsigned char mac[TG_NG_MAC_OCTETS])
		__attribute__((warn_unused_result));

#endif
