/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of this folder share. libsrtp2's types stay in here.
 *
 *	 one block of the slab:
 *	 | context, master key | room: what libsrtp2 keeps of it (room.c) |
 */
#ifndef TG_SRTP_INTERNAL_H
#define TG_SRTP_INTERNAL_H

#include <srtp2/srtp.h>

#include "srtp/compact.h"
#include "srtp/slab.h"
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

/* What we know of one SSRC beside libsrtp2's own stream */
struct stream {
	uint32_t ssrc;  /* host order */
	bool has_rtp;   /* an RTP packet passed: high is valid */
	bool fresh;     /* rx: none passed yet under the present keys */
	uint8_t own;    /* OWN_*: libsrtp2's stream is no clone */
	uint8_t run;    /* tx: refused packets in sequence */
	uint16_t next;  /* tx: the number that would go on with that run */
	uint16_t shift; /* tx: added to the sender's sequence numbers */
	uint64_t high;  /* highest index that passed, RFC 3711 3.3.1 */
	uint64_t floor; /* lower ones are refused: their replay bits are gone */
};

struct master {
	struct tg_srtp_master key;
	uint64_t rtp; /* packets it protected */
	uint32_t rtcp;
	bool warned;
	bool kept; /* was in force before the last change of keys */
};

/* Digests of the masters that were in force before */
#define RETIRED_OCTETS 16
#define RETIRED_MAX 256

struct retired {
	size_t n;
	uint8_t digest[RETIRED_MAX][RETIRED_OCTETS];
};

#define NAT_OCTETS_MAX (RTP_HEADER_OCTETS + TG_SRTP_TRAILER_OCTETS_MAX)

/* The NAT packet as it left; see packet.c */
struct nat_copy {
	uint8_t plain[RTP_HEADER_OCTETS];
	uint16_t octets; /* of the protected one; 0: none yet */
	uint8_t sealed[NAT_OCTETS_MAX];
};

/* A session with AES-128 and one SSRC; nearly so with 256 */
#define ROOM_OCTETS 848

/* One of libsrtp2; see sessions.c */
struct session {
	srtp_t lib;    /* NULL: closed */
	uint32_t ssrc; /* has_one: of the stream that was made first */
	bool has_one;
	bool has_template;
	bool doubted; /* rx: a first stream was made for a packet that lied */
};

struct tg_srtp {
	enum tg_srtp_dir dir;
	uint16_t ssrc_max;
	uint16_t window;
	uint8_t mki_octets;
	uint8_t rtp_tag_octets;
	uint8_t rtcp_tag_octets;
	bool aead;
	bool split;        /* SRTCP has a session of its own: sessions.c */
	uint8_t suite;     /* enum tg_suite */
	uint8_t n_masters; /* 0: closed */
	uint8_t strange;   /* rx: packets of unknown SSRCs that did not verify */
	uint16_t n_streams;
	uint16_t max_streams; /* room in stream[] */
	uint16_t last;        /* index of the stream met last */
	struct session rtp;
	struct session rtcp; /* of use when split */
	struct stream *stream;
	struct nat_copy *nat; /* tx, once needed */
	uint64_t room_taken;  /* a bit for each piece of room[], from its start */
	uint64_t room_ends;   /* those at which what was taken ends */
	struct retired *retired; /* tx: masters that may not come back */
	struct tg_srtp_counters counters;
	union {
		struct master one;
		struct master *several; /* on the heap, when n_masters is above one */
	} master;
	struct stream first; /* stream[] until there are more */
	_Alignas(16) uint8_t room[ROOM_OCTETS];
};

static inline struct master *tg_srtp_master(struct tg_srtp *ctx, size_t i)
{
	return ctx->n_masters > 1 ? &ctx->master.several[i] : &ctx->master.one;
}

static inline const struct master *tg_srtp_master_const(
		const struct tg_srtp *ctx, size_t i)
{
	return ctx->n_masters > 1 ? &ctx->master.several[i] : &ctx->master.one;
}

/* ---- room.c ------------------------------------------------------------- */

/*
 * Around every call of libsrtp2 that may take or give back memory: it is that
 * of this context. Thread-local; hand what enter returned to leave.
 */
struct tg_srtp *tg_srtp_room_enter(struct tg_srtp *ctx);
void tg_srtp_room_leave(struct tg_srtp *before);
/* The cipher that is made next is used by each packet; see tg_compact_is_rare */
void tg_srtp_room_first_cipher(void);

/* ---- sessions.c --------------------------------------------------------- */

enum tg_srtp_rc tg_srtp_from_lib(srtp_err_status_t status);

/* May a context have this suite? Tried by making a stream; after srtp_init */
bool tg_srtp_sessions_can(enum tg_suite suite);

/*
 * Makes libsrtp2's sessions, or gives new keys to those there are. renew:
 * throws away what there is; else streams keep their indices and lose their
 * replay bits. On failure there are none any more.
 */
enum tg_srtp_rc tg_srtp_sessions_open(
		struct tg_srtp *ctx, const struct tg_srtp_keys *keys, bool renew);
void tg_srtp_sessions_close(struct tg_srtp *ctx);

/* The session that packets of this kind belong to */
static inline struct session *tg_srtp_session(
		struct tg_srtp *ctx, enum tg_srtp_kind kind)
{
	return kind == TG_SRTP_KIND_RTCP && ctx->split ? &ctx->rtcp : &ctx->rtp;
}

/* In stream.own: which session has a stream for that SSRC alone */
#define OWN_RTP 1
#define OWN_RTCP 2 /* the one that is split off */

static inline uint8_t tg_srtp_own(
		const struct tg_srtp *ctx, enum tg_srtp_kind kind)
{
	return kind == TG_SRTP_KIND_RTCP && ctx->split ? OWN_RTCP : OWN_RTP;
}

/*
 * Before libsrtp2 gets a packet: sees to it that it has a stream for the SSRC
 * or a template to clone one from. *own: OWN_* when one was made for this
 * SSRC, else 0; unless its packet passes, drop it.
 */
enum tg_srtp_rc tg_srtp_sessions_ready(struct tg_srtp *ctx,
		enum tg_srtp_kind kind, uint32_t ssrc, uint8_t *own);
/* One for this SSRC alone, whatever else there is */
enum tg_srtp_rc tg_srtp_sessions_add(
		struct tg_srtp *ctx, enum tg_srtp_kind kind, uint32_t ssrc);
/* False: there is no stream for it */
bool tg_srtp_sessions_drop(
		struct tg_srtp *ctx, enum tg_srtp_kind kind, uint32_t ssrc);

/* ---- engine.c ----------------------------------------------------------- */

/* Does the engine in use have what the suite needs? */
bool tg_srtp_can(enum tg_suite suite);

/* ---- srtp.c ------------------------------------------------------------- */

/* The keys in force; wipe them */
void tg_srtp_keys_of(const struct tg_srtp *ctx, struct tg_srtp_keys *out);

/* ---- keys.c ------------------------------------------------------------- */

/* The master's MKI in network order; out holds mki_octets */
void tg_srtp_put_mki(const struct tg_srtp_master *m, uint8_t *out);

/* Same key and salt, in constant time; the rest may differ */
bool tg_srtp_master_same_key(
		const struct tg_srtp_master *a, const struct tg_srtp_master *b);

/* ---- resync.c ----------------------------------------------------------- */

/*
 * Takes the protection off an RTP packet as if its SSRC, of which libsrtp2 has
 * seen no RTP yet, had that roll-over counter. The packet is as it was on
 * every result but OK; then libsrtp2 goes on from that index. *own: as in
 * tg_srtp_sessions_ready.
 */
enum tg_srtp_rc tg_srtp_resync(struct tg_srtp *ctx, uint32_t ssrc, uint32_t roc,
		uint8_t *packet, size_t *octets, uint8_t *own);

#endif
