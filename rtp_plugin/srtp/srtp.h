/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714) for the legs of the media
 * plugin: the only part that uses libsrtp2. A context is one direction of
 * one leg: "rx" takes the protection off what comes in, "tx" puts it on what
 * goes out. RTP and RTCP of a leg share the context when they share the
 * master key: always with SDES, and with DTLS-SRTP when multiplexed. Without
 * multiplexing DTLS-SRTP has two associations, hence two contexts a
 * direction (RFC 5764 section 4.2).
 *
 * It fails closed: any result but TG_SRTP_OK means that the packet must not
 * go on, neither to the daemon nor to the network; its octets are then
 * undefined.
 *
 * Thread rule: a context is not locked. The caller holds the leg's lock
 * around every call with it. Different contexts may be used at the same time.
 * No call blocks or logs. Memory is taken when a context is made or gets new
 * keys, and once for each new SSRC up to the cap; never for a packet.
 */
#ifndef TG_SRTP_SRTP_H
#define TG_SRTP_SRTP_H

#include "base/media.h"

/* ---- results ------------------------------------------------------------ */

enum tg_srtp_rc {
	TG_SRTP_OK = 0,
	TG_SRTP_NO_KEY,     /* the context is NULL or was closed */
	TG_SRTP_MALFORMED,  /* not RTP or RTCP version 2, lengths do not add up */
	TG_SRTP_AUTH,       /* rx: the tag does not verify */
	TG_SRTP_REPLAY,     /* rx: seen already, or older than the window;
						* tx: the sender repeated a packet */
	TG_SRTP_MKI,        /* rx: MKI missing or not one of ours, by value */
	TG_SRTP_LIFETIME,   /* the master key is used up; a new one is needed */
	TG_SRTP_LIMIT,      /* one more SSRC than the cap */
	TG_SRTP_ROOM,       /* tx: the buffer cannot hold the trailer */
	TG_SRTP_BAD_KEY,    /* new, set_keys: suite unknown, lengths, MKIs */
	TG_SRTP_UNAPPROVED, /* new: the suite is not available (FIPS provider) */
	TG_SRTP_NO_MEMORY,
	TG_SRTP_INTERNAL, /* libsrtp2 or OpenSSL refused for another cause */
	TG_SRTP_RC_COUNT
};

/* One word for status and metrics: "ok", "replay" ...; never NULL */
const char *tg_srtp_rc_name(enum tg_srtp_rc rc);

/* ---- the process -------------------------------------------------------- */

enum tg_srtp_engine {
	TG_SRTP_ENGINE_NONE = 0,
	TG_SRTP_ENGINE_EVP,    /* OpenSSL's EVP, whatever provider it has */
	TG_SRTP_ENGINE_COMPACT /* own types on AES-NI, see compact.h */
};

/*
 * Once in the process, after it has forked, before any context is made; not
 * thread safe, later calls give the result of the first one. wanted: COMPACT
 * where the processor and the providers allow it, else EVP in its place.
 */
enum tg_srtp_rc tg_srtp_global_init(enum tg_srtp_engine wanted)
		__attribute__((warn_unused_result));
/* What is in use; NONE before init and after it failed */
enum tg_srtp_engine tg_srtp_engine(void);
/* For the status: why EVP is in use though COMPACT was wanted; never NULL */
const char *tg_srtp_engine_note(void);

/* ---- keys --------------------------------------------------------------- */

#define TG_SRTP_MASTER_OCTETS_MAX 46 /* 32 key and 14 salt */
#define TG_SRTP_MASTERS_MAX 4        /* master keys of one context */
#define TG_SRTP_MKI_OCTETS_MAX 128   /* RFC 4568 section 6.1 */

/* Shape of a suite's master key || master salt */
struct tg_srtp_shape {
	uint8_t key_octets;      /* 16 or 32 */
	uint8_t salt_octets;     /* 14, or 12 for GCM */
	uint8_t tag_octets;      /* of SRTP: 4, 10 or 16 */
	uint8_t rtcp_tag_octets; /* of SRTCP: 10 or 16 (RFC 4568 section 6.2) */
};
/* False for NONE and unknown values */
bool tg_srtp_shape(enum tg_suite suite, struct tg_srtp_shape *out);

struct tg_srtp_master {
	uint8_t octet[TG_SRTP_MASTER_OCTETS_MAX]; /* key || salt, from the left */
	uint8_t octets;     /* must be key_octets + salt_octets of the suite */
	uint8_t mki_octets; /* 0: packets carry no MKI */
	uint64_t mki;       /* in network order in mki_octets octets on the wire */
	uint64_t lifetime;  /* packets, SRTP and SRTCP each (RFC 4568 6.1);
						 * 0: 2^48 and 2^31 (RFC 3711 section 9.2) */
};

/*
 * Several masters need an MKI each, of one length and different values. tx
 * sends with master[0]; rx accepts any of them. Secret: tg_srtp_keys_wipe.
 */
struct tg_srtp_keys {
	enum tg_suite suite;
	uint8_t n; /* 1..TG_SRTP_MASTERS_MAX */
	struct tg_srtp_master master[TG_SRTP_MASTERS_MAX];
};
void tg_srtp_keys_wipe(struct tg_srtp_keys *keys);
/* Same suite, masters, MKIs and lifetimes, in constant time */
bool tg_srtp_keys_eq(
		const struct tg_srtp_keys *a, const struct tg_srtp_keys *b);

/* ---- contexts ----------------------------------------------------------- */

enum tg_srtp_dir { TG_SRTP_RX = 0, TG_SRTP_TX };

#define TG_SRTP_WINDOW_MIN 64 /* RFC 3711 section 3.3.2 */
#define TG_SRTP_WINDOW_MAX 32767
#define TG_SRTP_SSRC_MAX 256

struct tg_srtp_config {
	enum tg_srtp_dir dir;
	uint16_t replay_window; /* packets; 0: 128; below 64 means 64 */
	uint16_t ssrc_max;      /* SSRCs a context may meet; 0: 32 */
};

struct tg_srtp; /* one direction of one leg */

/* keys are copied. *out is NULL unless TG_SRTP_OK. The caller frees it */
enum tg_srtp_rc tg_srtp_new(const struct tg_srtp_config *config,
		const struct tg_srtp_keys *keys, struct tg_srtp **out)
		__attribute__((warn_unused_result));
/* Wipes and frees; NULL is fine */
void tg_srtp_free(struct tg_srtp *ctx);

/*
 * New keys for a running context. Every SSRC keeps its roll-over counter
 * (RFC 3711 section 3.3.1). A master that stays keeps its used lifetime, and
 * no packet that it protected before this call is accepted a second time.
 * rx with nothing but new masters also follows a far end that counts from
 * zero again. The same keys change nothing. Another suite is fine, with
 * another key. On failure the context is closed: every packet gives
 * TG_SRTP_NO_KEY from then on.
 *
 * A new DTLS association begins with counters of zero at both ends: free the
 * tx context and make a new one instead.
 */
enum tg_srtp_rc tg_srtp_set_keys(struct tg_srtp *ctx,
		const struct tg_srtp_keys *keys) __attribute__((warn_unused_result));

/* Is it open, under these keys? */
bool tg_srtp_has_keys(
		const struct tg_srtp *ctx, const struct tg_srtp_keys *keys);

/* ---- packets ------------------------------------------------------------ */

enum tg_srtp_kind { /* RFC 7983 section 7, RFC 5761 section 4 */
	TG_SRTP_KIND_OTHER = 0,
	TG_SRTP_KIND_RTP,
	TG_SRTP_KIND_RTCP,
	TG_SRTP_KIND_DTLS, /* first octet 20..63 */
	TG_SRTP_KIND_STUN, /* first octet 0..3 */
	TG_SRTP_KIND_TURN  /* first octet 64..79 */
};
/* By the first two octets only; nothing else is checked */
enum tg_srtp_kind tg_srtp_kind(const uint8_t *packet, size_t octets);

/* The most that protecting adds: tag, SRTCP index, MKI */
#define TG_SRTP_TRAILER_OCTETS_MAX (16 + 4 + TG_SRTP_MKI_OCTETS_MAX)

/*
 * tx, in place. kind: RTP or RTCP, anything else is TG_SRTP_MALFORMED.
 * *octets: length of the packet, then of the protected one; capacity: of the
 * buffer, octets + TG_SRTP_TRAILER_OCTETS_MAX is always enough. Any alignment.
 *
 * No keystream is used twice. A packet that a sender repeats, or that is older
 * than the window, gives TG_SRTP_REPLAY. When a sender starts its sequence
 * again on the same SSRC (two packets in a row behind the window, RFC 3550
 * A.1; eight inside it), the stream goes on behind the highest number sent:
 * from then on the sequence number in the header is shifted by a constant,
 * as a translator may (RFC 3550 section 7.2). Counted as restarts.
 *
 * rtpengine's NAT packet (SSRC 0, sequence 65535, no payload) leaves with the
 * same octets each time: no keystream is spent and the far end drops it.
 */
enum tg_srtp_rc tg_srtp_protect(struct tg_srtp *ctx, enum tg_srtp_kind kind,
		uint8_t *packet, size_t *octets, size_t capacity)
		__attribute__((warn_unused_result));

/* rx, in place; *octets shrinks to the plain packet. Any alignment */
enum tg_srtp_rc tg_srtp_unprotect(struct tg_srtp *ctx, enum tg_srtp_kind kind,
		uint8_t *packet, size_t *octets) __attribute__((warn_unused_result));

/* Touches the lines the next packet needs, before a recvmsg; NULL is fine */
void tg_srtp_prefetch(const struct tg_srtp *ctx);

/* ---- what happened ------------------------------------------------------ */

struct tg_srtp_counters {
	uint64_t rtp_packets;               /* passed */
	uint64_t rtcp_packets;              /* passed */
	uint64_t octets;                    /* passed, protected length */
	uint32_t refused[TG_SRTP_RC_COUNT]; /* by result; [TG_SRTP_OK] stays 0 */
	uint32_t restarts;                  /* tx: sequences that began again */
	uint32_t nat_packets;       /* tx: NAT packets answered from the copy */
	uint32_t lifetime_warnings; /* keys that passed 7/8 of their lifetime */
	uint32_t rekeys;            /* tg_srtp_set_keys that changed something */
	uint32_t ssrcs;             /* met by now */
};
/* Borrowed, valid while the context is; never NULL when ctx is not */
const struct tg_srtp_counters *tg_srtp_counters(const struct tg_srtp *ctx);

/* True once a key in use passed 7/8 of its lifetime: ask for a new one */
bool tg_srtp_wants_rekey(const struct tg_srtp *ctx);

#endif
