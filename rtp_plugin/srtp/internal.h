/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of this folder share. libsrtp2's types stay in here.
 */
#ifndef TG_SRTP_INTERNAL_H
#define TG_SRTP_INTERNAL_H

#include <srtp2/srtp.h>

#include "srtp/srtp.h"

#define RTP_HEADER_OCTETS 12
#define RTCP_HEADER_OCTETS 8
#define SRTCP_INDEX_OCTETS 4
#define PACKET_OCTETS_MAX 65535

/* RFC 3711 section 9.2, for each master key */
#define RTP_LIFETIME_MAX ((uint64_t)1 << 48)
#define RTCP_LIFETIME_MAX ((uint64_t)1 << 31)

#define WINDOW_DEFAULT 128
#define SSRC_DEFAULT 32
#define STREAMS_AT_FIRST 4

/* What we know of one SSRC beside libsrtp2's own stream */
struct stream {
	uint32_t ssrc;  /* host order */
	bool has_rtp;   /* an RTP packet passed: high is valid */
	uint8_t run;    /* tx: refused packets whose numbers follow each other */
	uint16_t next;  /* tx: the number that would go on with that run */
	uint16_t shift; /* tx: added to the sender's sequence numbers */
	uint64_t high;  /* highest index that passed, RFC 3711 section 3.3.1 */
	uint64_t floor; /* lower ones are refused: their replay bits are gone */
};

struct usage {
	uint64_t rtp;
	uint64_t rtcp;
	bool warned;
	bool kept; /* was in force before the last change of keys */
};

#define NAT_OCTETS_MAX (RTP_HEADER_OCTETS + TG_SRTP_TRAILER_OCTETS_MAX)

/* The NAT packet as it left; see packet.c */
struct nat_copy {
	uint8_t plain[RTP_HEADER_OCTETS];
	uint16_t octets; /* of the protected one; 0: none yet */
	uint8_t sealed[NAT_OCTETS_MAX];
};

struct tg_srtp {
	enum tg_srtp_dir dir;
	uint16_t window;
	uint16_t ssrc_max;
	uint8_t mki_octets;
	uint8_t rtp_tag_octets;
	uint8_t rtcp_tag_octets;
	bool aead;
	srtp_t rtp;  /* NULL: closed */
	srtp_t rtcp; /* the same session, or one of its own: see open_sessions */
	struct stream *stream;
	size_t n_streams;
	size_t max_streams; /* room in stream[] */
	size_t last;        /* index of the stream met last */
	struct usage usage[TG_SRTP_MASTERS_MAX];
	struct tg_srtp_counters counters;
	struct nat_copy *nat; /* tx, once needed */
	struct tg_srtp_keys keys;
};

enum tg_srtp_rc tg_srtp_from_lib(srtp_err_status_t status);

/* The master's MKI in network order; out holds mki_octets */
void tg_srtp_put_mki(const struct tg_srtp_master *m, uint8_t *out);

/* Same key and salt, in constant time; the rest may differ */
bool tg_srtp_master_same_key(
		const struct tg_srtp_master *a, const struct tg_srtp_master *b);

#endif
