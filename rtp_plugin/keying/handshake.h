/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One DTLS handshake with one source address: OpenSSL on datagrams, without a
 * socket. What it is for, and whose fingerprint counts, is said by the owner.
 */
#ifndef TG_KEYING_HANDSHAKE_H
#define TG_KEYING_HANDSHAKE_H

#include <openssl/ssl.h>

#include "keying/internal.h"

/* The certificate that the signalling announced (RFC 8122) */
struct tg_fingerprint {
	const EVP_MD *md; /* NULL: not known yet */
	uint8_t digest[EVP_MAX_MD_SIZE];
};

/* What all handshakes of one object have in common; borrowed */
struct tg_handshake_owner {
	struct tg_key *key;
	struct tg_key_profile profile;
	const struct tg_key_host *host;
	void *user; /* for host->send */
	struct tg_fingerprint remote;
	char detail[TG_KEY_DETAIL_OCTETS];
};

enum tg_handshake_state {
	TG_HS_IDLE = 0,
	TG_HS_RUNNING,
	TG_HS_DONE,  /* finished; whether its certificate fits is asked apart */
	TG_HS_FAILED /* see reason and detail of the key object */
};

struct tg_handshake {
	SSL *ssl; /* NULL: idle or failed */
	struct tg_handshake_owner *owner;
	enum tg_key_component component;
	bool client;
	bool fatal; /* failed by a verdict on the certificate: no second try */
	enum tg_handshake_state state;
	struct tg_key_path path;
	uint64_t born_ms;
	const uint8_t *in; /* one datagram, while it is being read */
	size_t in_octets;
};

/* Callbacks and the method of the BIO, once an SSL_CTX */
void tg_handshake_prepare(SSL_CTX *ctx);

/* False: out of memory, or no DTLS profile among the suites */
bool tg_handshake_open(struct tg_handshake *h, struct tg_handshake_owner *owner,
		enum tg_key_component component, bool client,
		const struct tg_key_path *path, uint64_t now_ms);
/* notify: tell the peer that the association ends */
void tg_handshake_close(struct tg_handshake *h, bool notify);

/*
 * A ClientHello from a source that is not known yet. True when it carried a
 * valid cookie: h goes on with it. Else at most one HelloVerifyRequest left.
 */
bool tg_handshake_listen(
		struct tg_handshake *h, const uint8_t *octet, size_t octets);

/* A datagram, or none to begin; changes state */
void tg_handshake_feed(
		struct tg_handshake *h, const uint8_t *octet, size_t octets);

/* Milliseconds to the next retransmission; -1: none */
int64_t tg_handshake_timeout_ms(const struct tg_handshake *h);
void tg_handshake_retransmit(struct tg_handshake *h);

/* DONE: does the peer's certificate have the announced fingerprint? */
bool tg_handshake_fits(const struct tg_handshake *h);

/*
 * DONE and fits: master keys by role (RFC 5764 section 4.2). False when no
 * profile was agreed or the exporter refused. Wipe after use.
 */
bool tg_handshake_export(const struct tg_handshake *h, struct tg_srtp_keys *rx,
		struct tg_srtp_keys *tx);

/* A DTLS profile exists for the suite (RFC 5764 4.1.2, RFC 7714 14.2) */
bool tg_handshake_has_profile(enum tg_suite suite);

#endif
