/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One exchange of the ng protocol as it passes between Kamailio and the
 * daemon: the request on its way in, the reply on its way out.
 *
 *	Kamailio ---- request ----> tg_ngx_request ----> daemon
 *	                              token: judged, taken out
 *	                              secured side's SDP: keys out, RTP/AVP
 *	Kamailio <--- reply ------- tg_ngx_reply <------ daemon
 *	                              secured side's SDP: RTP/SAVP, our keys
 *	                              proof line
 *
 * The daemon believes that a secured leg is plain RTP/AVP and never sees its
 * keys. Requests without our token pass unchanged, unless they would touch a
 * call that has a secured leg: those are refused. What cannot be read is
 * refused too, since the daemon's reader may be more lenient than ours.
 *
 * Not done: ng over TCP, HTTP and WebSocket; the mount refuses to start with
 * such listeners. JSON passes for calls without a secured leg.
 *
 * Thread rule: one exchange object a thread; calls behind it are shared.
 */
#ifndef TG_NG_EXCHANGE_H
#define TG_NG_EXCHANGE_H

#include "base/arena.h"
#include "base/reason.h"
#include "ng/bencode.h"
#include "session/session.h"

#define TG_NGX_VERSION "1.0"
/* The label of both sides of a secured call, where calls may be restored */
#define TG_NGX_MARK "trunkguardSecured"
#define TG_NGX_TEXT_OCTETS_MAX 65507 /* one UDP datagram */
#define TG_NGX_MEMORY_OCTETS ((size_t)24 * 1024)

/* Given by the mount; read only afterwards */
struct tg_ngx_host {
	struct tg_ng_key *key; /* shared with srtp_policy */
	bool mark;             /* calls may be restored: see TG_NGX_MARK */
	bool floor_required;   /* tokens of level "supported" are refused */
	uint16_t floor_window; /* smallest replay window; a smaller one is raised */
	enum tg_suite floor_suite[TG_SUITES_MAX]; /* admitted; NONE first: all */
	const struct tg_key_host *keying;         /* NULL: no DTLS */
	/* What a peer's certificate must chain to, if the call asks for that; kept
	 * for good. NULL: nothing is trusted */
	struct tg_key_trust *(*trust)(void *ctx, struct tg_span peer);
	void *ctx;
	/* A socket that an advertised address stands for; NULL: none */
	bool (*advertised)(
			void *ctx, const struct tg_addr *shown, struct tg_addr *bound);
	/* One line for the operator, without secrets. May be NULL */
	void (*log)(int priority, const char *text);
	uint64_t (*now_sec)(void); /* UNIX; NULL: time() */
};

enum tg_ngx_action {
	TG_NGX_PASS = 0, /* hand on the octets that came */
	TG_NGX_REPLACE,  /* hand on *out instead */
	TG_NGX_ANSWER    /* send *out back to the sender; the daemon sees nothing */
};

enum tg_ngx_command {
	TG_NGX_OTHER = 0,
	TG_NGX_OFFER,
	TG_NGX_ANSWERED,
	TG_NGX_DELETE,
	TG_NGX_PING
};

struct tg_ngx {
	const struct tg_ngx_host *host;
	bool active;  /* between request and reply */
	bool secured; /* the request carried a valid token */
	bool query;   /* presence is asked for */
	bool json;    /* the request's notation, hence the error's */
	enum tg_ngx_command command;
	struct tg_arena arena; /* wiped when it is freed */
	struct tg_span cookie;
	struct tg_span call_id;
	struct tg_span from_tag;
	struct tg_span to_tag;
	struct tg_span branch;
	struct tg_span media_address; /* that the daemon writes at our wish */
	struct tg_ng_token token;
	struct tg_ses_call *call; /* counted; NULL: no secured call */
	struct tg_ses_leg *in;    /* side that the request's SDP comes from */
	struct tg_ses_leg *out;   /* side that the reply's SDP goes to */
	uint64_t hash;            /* of the call-id */
	uint64_t digest[2];       /* of the request: for the cache */
	uint64_t bound_before;    /* order of the last socket before the exchange */
	bool cached;              /* the cache waits for our reply */
	bool forked;              /* a second far end answers the same offer */
	const char *error;        /* static; of the refusal in the making */
	enum tg_reason reason;
	/* of the arena: most exchanges ask the allocator for nothing */
	_Alignas(max_align_t) char memory[TG_NGX_MEMORY_OCTETS];
};

/* x zeroed, host stays borrowed */
void tg_ngx_init(struct tg_ngx *x, const struct tg_ngx_host *host);

/* One datagram of the ng socket. *out lives until the next call with x */
enum tg_ngx_action tg_ngx_request(
		struct tg_ngx *x, struct tg_span datagram, struct tg_span *out);

/* What the daemon wants to send on the ng socket: cookie, space, dictionary */
enum tg_ngx_action tg_ngx_reply(
		struct tg_ngx *x, struct tg_span datagram, struct tg_span *out);

/* The daemon will not reply to this one, or the reply has left */
void tg_ngx_finish(struct tg_ngx *x);

/* A socket was bound during the exchange. False: the bind must fail */
bool tg_ngx_bound(
		struct tg_ngx *x, int fd, const struct tg_addr *addr, uint16_t port);

/* For status and metrics */
struct tg_ngx_counters {
	atomic_uint_fast64_t requests;    /* seen */
	atomic_uint_fast64_t secured;     /* with a valid token */
	atomic_uint_fast64_t refused;     /* answered by us with an error */
	atomic_uint_fast64_t unauthentic; /* of these: bad MAC or expired */
	atomic_uint_fast64_t repeated;    /* answered from the cache */
	atomic_uint_fast64_t clear;       /* m= lines of supported legs in clear */
};
extern struct tg_ngx_counters tg_ngx_counters;

#endif
