/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two ends of one SRTP context, and packets for them.
 */
#ifndef TESTS_SRTP_CONTEXT_PAIR_H
#define TESTS_SRTP_CONTEXT_PAIR_H

#include "srtp/srtp.h"

#define ROOM 2048

struct pair {
	struct tg_srtp *tx;
	struct tg_srtp *rx;
};

struct datagram {
	uint8_t octet[ROOM];
	size_t n;
};

#define EACH_SUITE(suite)                                       \
	for(enum tg_suite suite = TG_SUITE_AES_CM_128_HMAC_SHA1_80; \
			suite < TG_SUITE_COUNT; suite = (enum tg_suite)(suite + 1))

/* One master, made of fill */
struct tg_srtp_keys keys_of(enum tg_suite suite, uint8_t fill);
struct tg_srtp *context_of(enum tg_srtp_dir dir, const struct tg_srtp_keys *k,
		uint16_t window, uint16_t ssrc_max);
struct pair pair_of(const struct tg_srtp_keys *k);
void close_pair(struct pair *p);
struct datagram rtp_packet(uint32_t ssrc, uint16_t seq, uint8_t fill);
struct datagram rtcp_packet(uint32_t ssrc);
uint16_t seq_of(const struct datagram *d);
enum tg_srtp_rc seal(struct tg_srtp *tx, struct datagram *d);
/* A copy goes in, so that the protected one can be sent again */
enum tg_srtp_rc deliver(struct tg_srtp *rx, struct datagram d);
struct datagram sealed_rtp(struct tg_srtp *tx, uint32_t ssrc, uint16_t seq);
void set_mki(struct tg_srtp_keys *k, uint8_t octets, uint64_t mki);
/* Sends n packets on from *seq; every one must arrive as the number */
void run_stream(struct pair *p, uint32_t ssrc, uint16_t *seq, size_t n);

#endif
