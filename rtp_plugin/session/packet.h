/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One packet of a media socket: what the mount asks before it hands a packet
 * to the daemon or to the network. No call allocates, logs or blocks for
 * longer than another packet of the same stream takes.
 *
 * Demultiplexing by first octet (RFC 7983 section 7): STUN passes when it
 * carries the magic cookie, DTLS goes to the key exchange and no further, RTP
 * and RTCP go through SRTP, everything else is dropped.
 */
#ifndef TG_SESSION_PACKET_H
#define TG_SESSION_PACKET_H

#include "session/session.h"

enum tg_ses_verdict {
	TG_SES_DROP = 0, /* nothing may go on */
	TG_SES_PASS,     /* the octets in the buffer, of the new length */
	TG_SES_AS_IS     /* the packet as it came: not ours */
};

/* Received from `from`, in place; *octets shrinks */
enum tg_ses_verdict tg_ses_packet_in(struct tg_ses_socket *s,
		const struct tg_key_path *from, uint8_t *packet, size_t *octets);

/*
 * To be sent to `to`, NULL unless it is STUN. packet is a copy that may be changed; capacity: of its buffer,
 * *octets + TG_SRTP_TRAILER_OCTETS_MAX at least.
 */
enum tg_ses_verdict tg_ses_packet_out(struct tg_ses_socket *s,
		const struct tg_key_path *to, uint8_t *packet, size_t *octets,
		size_t capacity);

/* A packet that could not even be looked at; dir 0 received, 1 sent */
void tg_ses_packet_lost(struct tg_ses_socket *s, int dir, enum tg_ses_drop why);

/* Lines the next packet of this socket will need */
void tg_ses_packet_prefetch(struct tg_ses_socket *s);
/* What comes in by one leaves by the other: that is prefetched as well */
void tg_ses_packet_pair(struct tg_ses_socket *in, struct tg_ses_socket *out);

/*
 * Process-wide counters of packets on held sockets, which have no stream, and
 * of replies to the DTLS layer. dir as above.
 */
uint64_t tg_ses_held_drops(int dir);

/* Milliseconds of the monotonic clock that key exchanges are given */
uint64_t tg_ses_now_ms(void);

#endif
