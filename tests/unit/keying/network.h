/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two ends of DTLS-SRTP and a network in memory between them.
 */
#ifndef TESTS_KEYING_NETWORK_H
#define TESTS_KEYING_NETWORK_H

#include "keying/keying.h"

#define DATAGRAM 2048

struct datagram {
	enum tg_key_component component;
	struct tg_key_path from, to;
	size_t n;
	uint8_t octet[DATAGRAM];
};

/* What one object sends */
struct wire {
	size_t n;
	size_t octets; /* sent in all */
	size_t largest;
	struct tg_key_path self;
	struct datagram *d;
};

struct end {
	struct tg_key_host host;
	struct tg_key_cert *cert;
	struct wire wire;
	struct tg_key *key;
};

/* AEAD and counter mode, AES-256 in counter mode among them */
extern const enum tg_suite net_usual[];

/* host: the last octet of its address. Self-signed certificate */
void net_open_end(struct end *e, uint8_t host, const enum tg_suite *suites);
/* cert is taken */
void net_open_end_with(struct end *e, uint8_t host,
		const struct tg_key_profile *profile, struct tg_key_cert *cert);
void net_close_end(struct end *e);

struct tg_key_path net_path(uint8_t host, uint16_t port);
uint64_t net_now_ms(void);

/* What follows a name in our lines; and the lines as a parsed media line */
struct tg_span net_value_of(const struct tg_key_lines *l, const char *name);
struct tg_sdp_media net_media(const struct tg_key_lines *l);

void net_offer_and_answer(struct end *a, struct end *b, bool fresh);
/* Tells an end where the other one is */
void net_connect_all(struct end *a, const struct end *to);

/* Moves what waits on one wire to the other end; percent are lost */
bool net_move(struct end *from, struct end *to, unsigned percent);
/* Until both have keys, or nothing moves any more (percent 0) */
void net_run(struct end *a, struct end *b, unsigned percent);

bool net_ready(const struct end *e);
/* Both have keys, the one's for sending are the other's for receiving */
void net_assert_crossed(const struct end *a, const struct end *b);

#endif
