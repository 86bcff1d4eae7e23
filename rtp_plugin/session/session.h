/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the plugin remembers about secured calls. ng/ builds it up while an
 * offer or an answer passes; the packet path (packet.h) looks it up by socket.
 *
 *	call (call-id) --- leg (one side, by tag) --- stream (one m= line)
 *	   |                                             |  keys, SRTP contexts
 *	   +--- socket (fd, one of RTP and RTCP) --------+
 *
 * A socket that the daemon binds while it works on a call with our token is
 * HELD: nothing passes in either direction. It becomes SECURED when a
 * description that leaves toward the secured side names its address and port,
 * PLAIN when one toward the other side does. Sockets that no description
 * names stay held until they are closed. So the mapping never rests on the
 * order in which the daemon binds, nor on a port alone.
 *
 * Lifetime: a call is counted. The table, each socket and each exchange in
 * flight hold a reference; legs and streams live as long as their call. A
 * socket is counted too: the slot of its fd holds one reference and each
 * thread inside a system call on it another, so close() by one thread never
 * pulls it from under the others. Memory of sockets is never given back to
 * the system, which makes the lookup safe without a lock.
 *
 * Locks, always in this order: table, call, stream, sums. The packet path takes the
 * stream's alone.
 */
#ifndef TG_SESSION_SESSION_H
#define TG_SESSION_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/addr.h"
#include "keying/keying.h"
#include "ng/profile.h"
#include "srtp/srtp.h"

/* ---- sockets ------------------------------------------------------------ */

enum tg_ses_mode {
	TG_SES_HELD = 0, /* everything is dropped, both ways */
	TG_SES_PLAIN,    /* not secured by us */
	TG_SES_SECURED   /* STUN and what the stream's keys let through */
};

struct tg_ses_call;
struct tg_ses_leg;
struct tg_ses_stream;

struct tg_ses_socket {
	atomic_uint refs; /* 0: on the free list */
	atomic_int fd;
	_Atomic(struct tg_ses_stream *) stream; /* while SECURED */
	atomic_uchar mode;                      /* enum tg_ses_mode */
	atomic_uchar component;                 /* enum tg_key_component */
	uint16_t port;
	struct tg_addr addr;        /* bound to; the wildcard is all zero octets */
	uint64_t order;             /* sockets bound later have more */
	uint64_t call_hash;         /* of the call-id it was bound for; 0 none */
	struct tg_ses_call *call;   /* counted; NULL for sockets of plain calls */
	struct tg_ses_socket *next; /* in its call, or on the free list */
	/* Of the stream that its packets left by last, and of that one's sending
	 * context. Addresses to prefetch, never to read: they may be stale */
	_Atomic(const void *) ahead[2];
	/* Of the contexts that its own latest packets went through, [rx, tx] */
	_Atomic(const void *) latest[2];
};

/* Room for fds 0..n-1; false when memory is out. Once, before any other */
bool tg_ses_sockets_init(size_t n);

/* A counted reference or NULL: not a media socket. Lock-free */
struct tg_ses_socket *tg_ses_socket_get(int fd);
void tg_ses_socket_put(struct tg_ses_socket *s);

/*
 * The daemon has bound fd. With a call it is HELD. call NULL: PLAIN is a
 * socket of a plain call, which passes everything but is remembered, so that
 * a later offer may secure it; HELD is one of no known call. False: out of
 * memory or fd beyond the table; the bind must then fail.
 */
bool tg_ses_socket_bound(int fd, const struct tg_addr *addr, uint16_t port,
		struct tg_ses_call *call, uint64_t call_hash, enum tg_ses_mode mode);
/* Before the real close: the next socket with this number is another one */
void tg_ses_socket_closed(int fd);

/* ---- streams ------------------------------------------------------------ */

enum tg_ses_drop { /* why a packet of a held or secured socket went nowhere */
	TG_SES_DROP_HELD = 0, /* before a description named the socket */
	TG_SES_DROP_NO_KEY,   /* no keys yet, or no longer */
	TG_SES_DROP_KIND,     /* neither RTP, RTCP, STUN nor DTLS */
	TG_SES_DROP_SRTP,     /* refused by the SRTP layer: see its counters */
	TG_SES_DROP_SIZE,     /* truncated or too long */
	TG_SES_DROP_PAIR,     /* DTLS by a pair that STUN has not validated */
	TG_SES_DROP_COUNT
};
extern const char *const tg_ses_drop_name[TG_SES_DROP_COUNT];

/* The keys toward one far end, and what its last description said */
struct tg_ses_far {
	char *tag; /* own copy; NULL: not answered yet, or it made the offer */
	struct tg_key *key;
	struct tg_srtp *rx[TG_KEY_COMPONENTS]; /* [RTCP] only when it has keys */
	struct tg_srtp *tx[TG_KEY_COMPONENTS]; /* of its own (DTLS) */
	uint32_t generation;      /* of the key material in rx and tx */
	bool separate;            /* RTCP has contexts of its own */
	bool mux;                 /* RTP and RTCP on one port, as far as is known */
	bool ice;                 /* it has an ICE agent */
	struct tg_ses_ice *agent; /* what is known of it; see ice.h */
	struct tg_key_path remote;
	uint16_t remote_rtcp;
};

/* Another far end that answered the same offer: see fork.h */
struct tg_ses_fork {
	struct tg_ses_fork *next;
	struct tg_ses_far far;
	bool fresh; /* its first answer is still being read */
};

struct tg_ses_stream {
	pthread_mutex_t lock;
	struct tg_ses_leg *leg;
	struct tg_ses_stream *next; /* of its leg, with a higher index */
	uint16_t replay_window;
	uint8_t index;      /* of the m= line */
	bool clear;         /* a supported leg that fell to clear: mode PLAIN */
	bool was_secured;   /* it had keys, and never may fall to clear again */
	bool ice;           /* our last description had ICE */
	bool ice_lite;      /* and said that our agent is lite */
	bool ice_asked;     /* it was an offer, and is not answered yet */
	bool moved;         /* local or remote changed since local keys were made */
	char *ice_password; /* of our last description; NULL: none */
	char *proto;        /* of the far end's last offer: the answer repeats it */
	struct tg_ses_far far; /* the one that answered last */
	struct tg_ses_fork *fork;
	struct tg_ses_fork *undo; /* present until its successor's answer is read */
	/* the latest ones, to send from; others may be attached as well (ICE).
	 * Borrowed from the call */
	struct tg_ses_socket *socket[TG_KEY_COMPONENTS];
	struct tg_key_path local;            /* as our last description said */
	uint32_t drop[2][TG_SES_DROP_COUNT]; /* [rx, tx] */
	uint32_t stun[2];
	uint32_t dtls;
};

/* What streams have counted that are gone, and contexts whose keys are */
struct tg_ses_sums {
	uint64_t packets[2], rtcp[2], octets[2]; /* [rx, tx] */
	uint64_t refused[2][TG_SRTP_RC_COUNT];
	uint64_t drop[2][TG_SES_DROP_COUNT];
	uint64_t restarts, lifetime_warnings, rekeys;
};
void tg_ses_sums_add(
		struct tg_ses_sums *s, enum tg_srtp_dir dir, const struct tg_srtp *ctx);
void tg_ses_sums_past(struct tg_ses_sums *out);
/* Frees *ctx, of which nothing but its counters stays; NULL after it */
void tg_ses_context_free(struct tg_srtp **ctx, enum tg_srtp_dir dir);

/* ---- legs and calls ----------------------------------------------------- */

#define TG_SES_STREAMS_MAX 8
#define TG_SES_LEGS_MAX 8       /* with keys at one time */
#define TG_SES_LEGS_EVER_MAX 64 /* branches tried one after the other, too */
#define TG_SES_TAG_OCTETS_MAX 255
#define TG_SES_PEER_OCTETS_MAX 63
#define TG_SES_IDENTITY_OCTETS_MAX 255

struct tg_ses_leg {
	struct tg_ses_call *call;
	struct tg_ses_leg *next;
	char *tag;    /* "": not answered yet */
	char *branch; /* via-branch; "" none */
	char *names;  /* own copy: the peer's, NUL, its identity's, NUL */
	struct tg_ng_profile profile; /* spans point into names */
	bool closed;                  /* since its profile was set last */
	struct tg_ses_stream *stream; /* the first one */
};

struct tg_ses_call {
	atomic_uint refs;
	pthread_mutex_t lock;
	bool dead;           /* deleted: keys are gone, sockets stay held */
	bool restored;       /* from Redis, without keys: waits for its end */
	unsigned busy;       /* exchanges in flight */
	const char *call_id; /* behind it */
	size_t call_id_len;
	uint64_t hash;
	uint64_t made_sec; /* UNIX */
	struct tg_ses_leg *leg;
	unsigned n_legs;
	struct tg_ses_socket *socket; /* all that are open */
	unsigned n_sockets;
	struct tg_ses_call *next; /* in its bucket */
};

/*
 * On once a stream needs its key exchange's timers (DTLS): whoever drives them
 * waits on the descriptor, which becomes readable then. -1: there is none.
 * off: true when they were on; those that go on must be switched on again.
 */
int tg_ses_timers_open(void);
void tg_ses_timers_on(void);
bool tg_ses_timers_are_on(void);
bool tg_ses_timers_off(void);

/* The process-wide table; also makes the random key of the hash */
bool tg_ses_calls_init(void);
uint64_t tg_ses_hash(struct tg_span call_id); /* never 0 */
void tg_ses_hash_wide(struct tg_span text, uint64_t out[2]);
/* Counted, or NULL. make: a new one when there is none */
struct tg_ses_call *tg_ses_call_get(struct tg_span call_id, bool make);
void tg_ses_call_ref(struct tg_ses_call *c);
void tg_ses_call_put(struct tg_ses_call *c); /* NULL is fine */
/*
 * Ends a call: its keys are wiped at once, its sockets drop everything until
 * the daemon closes them, and its call-id is free again.
 */
void tg_ses_call_end(struct tg_ses_call *c);
/* Ends it when it has no socket left and no exchange is in flight */
void tg_ses_call_end_if_idle(struct tg_ses_call *c);
/* Around an exchange; ended: see above. False: the call is dead */
bool tg_ses_call_begin(struct tg_ses_call *c);
void tg_ses_call_done(struct tg_ses_call *c);

/* For the status: fn is called with the call locked; false stops */
void tg_ses_calls_each(bool (*fn)(void *ctx, struct tg_ses_call *c), void *ctx);
size_t tg_ses_calls_count(void);

/* With the call locked. By tag; else, when `unanswered`, the leg of this
 * branch that has no tag yet */
struct tg_ses_leg *tg_ses_leg_find(struct tg_ses_call *c, struct tg_span tag,
		struct tg_span branch, bool unanswered);
/* The leg of a branch that is not "", answered or not */
struct tg_ses_leg *tg_ses_leg_of_branch(
		struct tg_ses_call *c, struct tg_span branch);
/* NULL: limit or out of memory */
struct tg_ses_leg *tg_ses_leg_new(struct tg_ses_call *c, struct tg_span tag,
		struct tg_span branch, const struct tg_ng_profile *profile);
/* A later offer or answer brings the profile again */
bool tg_ses_leg_set_profile(
		struct tg_ses_leg *leg, const struct tg_ng_profile *profile);
bool tg_ses_leg_set_tag(struct tg_ses_leg *leg, struct tg_span tag);
/* Wipes the keys of a leg and holds its sockets; it may be keyed again */
void tg_ses_leg_close(struct tg_ses_leg *leg);
/* make: when it is not there; NULL also for an index beyond the limit */
struct tg_ses_stream *tg_ses_stream_get(
		struct tg_ses_leg *leg, unsigned index, bool make);

/*
 * The socket of the call that is bound to this address and port; with_addr
 * false: by port alone, and only if there is exactly one. Adopts sockets that
 * were bound while the call was plain. Call locked; borrowed from the call.
 */
struct tg_ses_socket *tg_ses_call_socket(
		struct tg_ses_call *c, const struct tg_addr *addr, uint16_t port);
struct tg_ses_socket *tg_ses_call_socket_by_port(
		struct tg_ses_call *c, uint16_t port);

/* How many were ever bound: an upper bound of all orders up to now */
uint64_t tg_ses_sockets_bound(void);
/* The held socket without a stream that was bound next after `order` */
struct tg_ses_socket *tg_ses_call_next_held(
		struct tg_ses_call *c, uint64_t order);

#define TG_SES_PROTO_OCTETS_MAX 31
bool tg_ses_stream_set_proto(struct tg_ses_stream *st, struct tg_span proto);

/* Puts every socket of the stream into the mode that st->clear says. Call and
 * stream locked */
void tg_ses_stream_mode(struct tg_ses_stream *st);

/* Ties a socket to a stream; call locked. False: it serves another stream */
bool tg_ses_stream_attach(struct tg_ses_stream *st, struct tg_ses_socket *s,
		enum tg_key_component component);

/*
 * Brings the SRTP contexts up to the key material, if that moved. Stream
 * locked. On any failure both directions are closed.
 */
enum tg_srtp_rc tg_ses_stream_rekey(struct tg_ses_stream *st);
/* Drops keys and contexts. Stream locked */
void tg_ses_stream_close(struct tg_ses_stream *st);

#endif
