/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of tls_policy share. One process of Kamailio runs one thing
 * at a time: nothing here is thread safe but what lies in shared memory,
 * which has its own locks.
 */
#ifndef TLSP_TLSP_H
#define TLSP_TLSP_H

#include <openssl/ssl.h>
#include <time.h>

#include "core/ip_addr.h"
#include "core/parser/msg_parser.h"
#include "core/tcp_conn.h"

#include "judge/judge.h"
#include "policy/decide.h"

#include "tls_policy/api.h"
#include "tls_policy/head.h"

/* ---- parameters of the module ------------------------------------------- */

struct tlsp_params {
	char *policy;       /* path of the policy file */
	int retry_ms;       /* how long a destination that failed is left alone */
	int any_host;       /* run on versions of Kamailio that were not tried */
	int haproxy;        /* allow tcp_accept_haproxy */
	int dialogs;        /* how many are remembered; 0: none */
	int crl_check_ms;   /* how often CRLs are looked at; 0: never */
	int ticket_life;    /* seconds that a TLS session may be taken up for */
	int log_repeat_sec; /* equal refusals of one source are summed up */
};
extern struct tlsp_params tlsp_params;

/* Milliseconds of a clock that nobody sets */
static inline uint64_t tlsp_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- snapshot.c: the policy in force ------------------------------------ */

struct tlsp_snap {
	const struct tg_pol *policy;
	struct tg_span text;    /* of the policy file, as it was read */
	uint64_t generation;    /* counts up, never 0 */
	struct tlsp_snap *next; /* private to snapshot.c */
};

/* Reads the policy and puts it into force; errors are logged. 0 or -1 */
int tlsp_snap_init(void);
void tlsp_snap_destroy(void);

/*
 * Never NULL after init. Each ref needs its unref in the same process; until
 * the last of them a process that asks again gets the same one, so all that
 * is done about one message is done by one policy.
 */
const struct tlsp_snap *tlsp_snap_ref(void);
void tlsp_snap_unref(const struct tlsp_snap *snap);
/* The one that this process holds, if it is that policy's; or NULL */
const struct tlsp_snap *tlsp_snap_of(const struct tg_pol *policy);
/* Frees what is not in force and not used any more */
void tlsp_snap_reclaim(void);
/* Of the one in force; no lock */
extern const uint64_t *tlsp_snap_generation_at;
static inline uint64_t tlsp_snap_generation(void)
{
	return __atomic_load_n(tlsp_snap_generation_at, __ATOMIC_ACQUIRE);
}

/*
 * Reads the file again. On success the new one is in force; else the old one
 * stays and diags say why. The caller owns diags.
 */
bool tlsp_snap_reload(struct tg_diags *diags);

/* New octets of the CRLs of that path; empty: the old ones */
typedef struct tg_span (*tlsp_crl_fn)(void *ctx, struct tg_span path);
/*
 * Puts base's policy into force with other CRLs. False, with diags: the old
 * one stays, also when base is not the one in force any more.
 */
bool tlsp_snap_refresh(const struct tlsp_snap *base, tlsp_crl_fn crl, void *ctx,
		struct tg_diags *diags);

/* Stores of this process; NULL when memory is out */
struct tg_judge *tlsp_judge(void);

/* ---- conn.c: what is known about each TLS connection --------------------- */

#define TLSP_NOBODY UINT32_MAX
#define TLSP_NAME_OCTETS 256

/* What a verdict was made of: a place of status.c as it was then */
struct tlsp_status_ref {
	uint32_t place; /* number + 1; 0: none */
	uint32_t version;
};

/* Copied as a whole, under the lock: never seen half-written */
struct tlsp_facts {
	int id; /* of Kamailio's connection */
	enum tg_pol_direction direction;
	enum tg_pol_transport transport;
	struct tg_addr local;
	struct tg_addr remote;
	uint16_t local_port;
	uint16_t remote_port;
	bool established; /* the handshake is over */
	bool judged;      /* ... and allowed or denied */
	bool allowed;
	bool audited;
	bool ask;      /* for a certificate; inbound */
	bool require;  /* ... and end the handshake without one */
	bool prepared; /* outbound: the wanted peer's profile and name are set */
	bool joined;   /* what was offered is the union of several profiles */
	bool tickets;  /* inbound: this connection may be taken up later */
	bool ticket;   /* one was shown and holds: peer is whose it is */
	bool resumed;  /* ... and was taken up */
	enum tg_reason reason;
	uint64_t generation; /* snapshot that the three numbers below are of */
	uint32_t peer;
	uint32_t clients;
	uint32_t wanted; /* outbound; NOBODY: the certificate picks */
	uint16_t tls_version;
	time_t not_after; /* of the chain; 0: there is none */
	time_t since;
	time_t deadline; /* inbound: when its handshake has to be over */
	bool staple_due; /* outbound: allowed, if the status that follows is good */
	time_t status_until; /* how long an OCSP response holds; 0: none */
	bool held;           /* up, but nothing passes: its status is asked for */
	time_t held_until;
	struct tlsp_status_ref status; /* fetched; what the verdict rests on */
	bool pending;                  /* counted as such by limits.c */
	bool declared;                 /* a peer names its address */
	/* from here on, what a gate does not need: see tlsp_conn_get_head */
	char cipher[48];
	char sni[TLSP_NAME_OCTETS];
	char identity[TLSP_NAME_OCTETS]; /* the name that proved it */
};

/* Certificates as they were seen: [4 octets length][DER]..., leaf first */
struct tlsp_chain {
	size_t octets;
	unsigned char der[];
};
#define TLSP_CHAIN_OCTETS_MAX (64 * 1024)

enum tlsp_conn_state {
	TLSP_CONN_UNKNOWN = 0, /* no record */
	TLSP_CONN_OPEN,        /* in its handshake */
	TLSP_CONN_DENIED,
	TLSP_CONN_STALE, /* judged by another snapshot, on another status, or past
		its validity */
	TLSP_CONN_GOOD
};

int tlsp_conns_init(void);

/* False when memory is out or the connection has a record already */
bool tlsp_conn_add(const struct tlsp_facts *facts);
bool tlsp_conn_get(int id, struct tlsp_facts *out);
/* The same, but cipher, sni and identity are empty: a third of the octets */
bool tlsp_conn_get_head(int id, struct tlsp_facts *out);
/*
 * Changes with every change of that record (others share its place). Without
 * a lock: a copy taken after the stamp was read is the record as it is, as
 * long as the stamp stays. Never 0.
 */
#define TLSP_CONN_SLOTS 4096
extern const uint64_t *tlsp_conn_stamps;
static inline uint64_t tlsp_conn_stamp(int id)
{
	return __atomic_load_n(&tlsp_conn_stamps[(unsigned)id % TLSP_CONN_SLOTS],
				   __ATOMIC_ACQUIRE)
		   + 1;
}
/* Replaces the facts; false when the connection is gone */
bool tlsp_conn_set(const struct tlsp_facts *facts);
enum tlsp_conn_state tlsp_conn_state(int id, uint64_t generation, time_t now);
/*
 * Forgets it; gives what was known and what still waited for it, as
 * tlsp_conn_take_waiting does. id 0 in *was: there was no record.
 */
struct tlsp_waiting *tlsp_conn_drop(int id, struct tlsp_facts *was);

/*
 * Takes a copy of the leaf and what may lie between it and a root into shared
 * memory. NULL forgets it
 */
bool tlsp_conn_set_chain(int id, X509 *leaf, STACK_OF(X509) *chain);
/* The same with the rest as it was kept: a list as in struct tlsp_chain */
bool tlsp_conn_set_certs(
		int id, X509 *leaf, const unsigned char *certs, size_t octets);
/* A copy in malloc's memory, or NULL when there is none */
struct tlsp_chain *tlsp_conn_get_chain(int id);

/*
 * A list of certificates as in struct tlsp_chain; the caller frees what *out
 * has, also after false: the octets are not such a list, or memory is out.
 */
bool tlsp_certs_read(
		const unsigned char *der, size_t octets, STACK_OF(X509) **out);

/* Requests that wait for a handshake: owned by the record, or by who takes */
bool tlsp_conn_add_waiting(int id, struct tlsp_waiting *one);
struct tlsp_waiting *tlsp_conn_take_waiting(int id);

/* Calls back with a copy, without a lock held; until false is returned */
typedef bool (*tlsp_conn_fn)(void *ctx, const struct tlsp_facts *f);
void tlsp_conn_each(tlsp_conn_fn fn, void *ctx);
/* The same for the next part of them; *cursor starts at 0, wraps by itself */
void tlsp_conn_some(
		unsigned *cursor, unsigned parts, tlsp_conn_fn fn, void *ctx);

/* ---- verdict.c: facts of a connection put before the policy -------------- */

void tlsp_facts_conn(const struct tlsp_facts *f, struct tg_pol_conn *out);

/*
 * Judges a certificate (NULL: none) and writes the outcome into f; the
 * verdict is for the log. Nothing is stored. staple: NULL while it may follow.
 */
void tlsp_judge_cert(const struct tlsp_snap *snap, struct tlsp_facts *f,
		X509 *leaf, STACK_OF(X509) *chain, const struct tg_span *staple,
		struct tg_judge_out *out);

/*
 * The facts of connection id as snap has them: a stale verdict is made again
 * from the certificates that were kept, logged and stored. False: no record.
 */
bool tlsp_conn_current(
		const struct tlsp_snap *snap, int id, struct tlsp_facts *out);
/* The same without cipher, sni and identity, for what runs per message */
bool tlsp_conn_current_head(
		const struct tlsp_snap *snap, int id, struct tlsp_facts *out);

/* Outbound: NULL when any that may be there will do, or by another policy */
const struct tg_pol_peer *tlsp_facts_wanted(
		const struct tlsp_snap *snap, const struct tlsp_facts *f);
/* Is its verdict one that would be made now? */
bool tlsp_facts_current(
		const struct tlsp_snap *snap, const struct tlsp_facts *f);

const struct tg_pol_peer *tlsp_facts_peer(
		const struct tlsp_snap *snap, const struct tlsp_facts *f);
const struct tg_pol_clients *tlsp_facts_clients(
		const struct tlsp_snap *snap, const struct tlsp_facts *f);

/* ---- warm.c: verdicts of connections that are up -------------------------- */

/* What two messages on one connection may differ in; all that most gates ask */
struct tlsp_asked {
	struct tg_span method; /* empty for a reply */
	bool in_dialog;        /* a To tag is present */
};

/*
 * Facts and verdicts that hold for message after message on one connection,
 * kept by each process. False or NULL: not known here, go the long way; the
 * _judged ones then take the outcome (what was denied or audited they forget).
 */
bool tlsp_warm_source(const struct tlsp_snap *snap, const struct sip_msg *msg,
		struct tg_pol_msg *out);
/* route NULL: gate 2, or gate 3 without a route of its own */
const struct tg_pol_verdict *tlsp_warm_in(uint64_t generation,
		const struct sip_msg *msg, const struct tlsp_asked *asked,
		const struct tg_pol_route *route);
/* After tlsp_source() of the same message */
void tlsp_warm_in_judged(const struct tlsp_snap *snap,
		const struct sip_msg *msg, const struct tg_pol_msg *facts,
		const struct tg_pol_route *route, const struct tg_pol_verdict *v);

/*
 * Only where dst names its connection, and for what is not sent by name; the
 * facts are valid until the connection is judged again. *stamp: of its record,
 * as it was for this; see tlsp_conn_stamp.
 */
struct tlsp_warm_out {
	struct tg_pol_egress egress;
	struct tg_pol_verdict verdict;
};
const struct tlsp_warm_out *tlsp_warm_out(uint64_t generation,
		const struct dest_info *dst, bool is_reply, bool sips, uint64_t *stamp);
void tlsp_warm_out_judged(const struct tlsp_snap *snap,
		const struct dest_info *dst, const struct tg_pol_egress *facts,
		const struct tg_pol_verdict *v);

/* Is TLSP_CONN_GOOD known without a lock? By the policy in force */
bool tlsp_warm_holds(int id);
/* Soon: what takes a while comes first */
void tlsp_warm_expect(int id);

/* ---- handshake.c: what OpenSSL asks in a handshake ----------------------- */

int tlsp_on_client_hello(SSL *ssl, int *alert, void *arg);
int tlsp_on_certificate_needed(SSL *ssl, void *arg);
int tlsp_on_verify(X509_STORE_CTX *store, void *arg);
int tlsp_on_status(SSL *ssl, void *arg);
void tlsp_on_handshake_start(SSL *ssl);
void tlsp_on_handshake_done(SSL *ssl);
void tlsp_on_alert_written(SSL *ssl, int alert);

/* ---- hook.c: where we hang on tls.so ------------------------------------- */

int tlsp_hook_init(void);
/* Makes sure that this SSL of tls.so tells us how its handshake goes */
void tlsp_hook_watch(SSL *ssl);
/* The connection whose TLS runs in this process right now, or NULL */
struct tcp_connection *tlsp_current(void);

/*
 * Each SSL_CTX of Kamailio, also those that only old connections still use,
 * while the list is locked: no context ends, none can be made. The ones of one
 * load share their batch, a later load has a greater one.
 */
typedef void (*tlsp_context_fn)(void *arg, SSL_CTX *ctx, unsigned batch);
void tlsp_contexts_each(tlsp_context_fn fn, void *arg);
unsigned tlsp_contexts_made(void); /* how many so far; no lock */

/* ---- own_cert.c: the certificates that we show ---------------------------- */

enum tlsp_own_level { TLSP_OWN_FINE = 0, TLSP_OWN_WARN, TLSP_OWN_ALARM };

struct tlsp_own {
	enum tlsp_own_level level;
	int days; /* that it and its chain are valid for; 0: not even one */
	const char *key;
	char names[1024];   /* with spaces between them */
	char issuer[256];   /* RFC 2253 */
	char serial[64];    /* hex */
	char not_after[32]; /* RFC 3339; the first in its chain */
	char warnings[1024];
};

typedef void (*tlsp_own_fn)(
		void *arg, const struct tlsp_own *own, time_t not_after);
int tlsp_own_init(void);
void tlsp_own_each(tlsp_own_fn fn, void *arg);
/* Writes what is wrong with them; from the process "TLS POLICY" */
void tlsp_own_tick(void);
/* Of the one that ends first; 0 when it has, or none is known */
unsigned long tlsp_own_days(void);

/* ---- facts.c: Kamailio's structures as plain facts ------------------------ */

enum tg_pol_transport tlsp_transport(int proto);
struct tg_addr tlsp_addr(const struct ip_addr *ip);
void tlsp_facts_of_tcp(struct tcp_connection *c, struct tlsp_facts *out);
void tlsp_conn_of_rcv(const struct receive_info *rcv, struct tg_pol_conn *out);
/*
 * facts: as tlsp_conn_current_head, for TLS; NULL when they are not needed,
 * which is faster. 0, or -1 when the message cannot be read.
 */
int tlsp_source(const struct tlsp_snap *snap, struct sip_msg *msg,
		struct tlsp_facts *facts, struct tg_pol_msg *out);
/* 0, or -1 when the message cannot be read */
int tlsp_read_asked(struct sip_msg *msg, struct tlsp_asked *out);
/* Are headers beyond those needed, given what its connection says? */
bool tlsp_reads_more(const struct tg_pol_msg *m);
/* facts: of the connection that it would take; id 0: there is none yet */
int tlsp_destination(const struct tlsp_snap *snap, const struct dest_info *dst,
		struct tlsp_facts *facts, struct tg_pol_egress *out);
/* Did its other side open that connection, and no id of it lead there? */
bool tlsp_is_found(const struct dest_info *dst, const struct tlsp_facts *facts);

/* ---- taken.c: the connection that Kamailio sends on ------------------------ */

/* Its id; 0: a new one is opened. *proto becomes what it speaks */
int tlsp_taken(const struct dest_info *dst, int *proto);

/* ---- gates ---------------------------------------------------------------- */

int tlsp_gate_in_init(void);
/* What this process works on */
struct tlsp_at_hand {
	struct sip_msg *request; /* NULL: none, or a reply */
	unsigned reply;          /* the code of a reply; 0: none */
	bool outsider;           /* its sender is no party of its known dialog */
	bool failure;            /* the script of an earlier request goes on */
};
extern struct tlsp_at_hand tlsp_at_hand;
int tlsp_check_route(struct sip_msg *msg, struct tg_span route);
int tlsp_reply(struct sip_msg *msg);
/* What the last look at this message said; NULL: none yet */
struct tlsp_seen {
	unsigned msg_id;
	int pid;
	bool looked; /* false: only its script runs */
	enum tg_pol_decision decision;
	bool audited;
	enum tg_reason reason;
	char route[64];
};
const struct tlsp_seen *tlsp_seen(struct sip_msg *msg);
/* Gate 4 refused what the message at hand sends: tls_policy_reply() says why */
void tlsp_seen_refused(enum tg_reason reason);

/*
 * next_hop.c: the name that the destination of a request was looked up for;
 * empty when it was given by address. Valid until the next call.
 */
int tlsp_next_hop_start(void); /* when all modules are there, before fork */
struct tg_span tlsp_next_hop(const struct tlsp_snap *snap,
		const struct dest_info *dst, struct tg_span bytes,
		const struct tlsp_head *head);

int tlsp_gate_out_init(void);
int tlsp_on_leaving(tlsp_leaving_fn fn);
int tlsp_on_route(tlsp_route_fn fn); /* gate_in.c */
/*
 * Did NET_OUT just allow octets on this very connection, and is it as it was,
 * TLSP_CONN_GOOD? Once for each time it did.
 */
bool tlsp_gate_out_cleared(const struct tcp_connection *c);
/* What NET_OUT looked at last was not sent, or is not what comes next */
void tlsp_gate_out_at_rest(void);
/* May anything go into this connection's TLS? Called with its lock */
bool tlsp_gate_out_encode(struct tcp_connection *c);
/* Set while an answer of ours to a refused request is sent */
extern bool tlsp_refusing;

/* ---- dialogs.c: who belongs to a call ------------------------------------- */

int tlsp_dialogs_init(void);
/* Does a request of this method begin a dialog when it has no To tag? */
bool tlsp_dialog_begins(struct tg_span method);
/* Is a message of this kind held to its dialog? */
bool tlsp_dialog_matters(const struct tlsp_asked *asked);
/* A request that was allowed so far: denies when it is not of that dialog */
void tlsp_dialog_in(const struct tlsp_snap *snap, struct sip_msg *msg,
		const struct tlsp_asked *asked, struct tg_pol_verdict *v);
/* A request that leaves for the party of v */
void tlsp_dialog_out(
		const struct tlsp_head *head, const struct tg_pol_verdict *v);

/* ---- waiting.c: requests that wait for a handshake ------------------------ */

struct tlsp_waiting {
	struct tlsp_waiting *next;
	struct receive_info rcv;
	uint64_t failed_ms;
	unsigned process; /* that sent it */
	bool by_script;   /* of a message that it works on */
	size_t octets;
	char headers[]; /* of the answer, without its first line */
};

int tlsp_waiting_init(void);
int tlsp_waiting_fork(void);
/* Remembers a request that went into a handshake; others are ignored */
void tlsp_waiting_add(struct tcp_connection *c, struct tg_span octets);
/* This process has a script running that sent some of them */
extern bool tlsp_waiting_at_it;
void tlsp_waiting_script_ended(void);
/* The handshake failed: each of them gets its answer. Takes the list */
void tlsp_waiting_fail(struct tlsp_waiting *list);
void tlsp_waiting_free(struct tlsp_waiting *list);
/* True while an answer of ours is put before tm as if it were received */
bool tlsp_waiting_answering(void);

/* Destinations whose handshake failed a moment ago */
void tlsp_failed_note(const struct tg_addr *addr, uint16_t port);
void tlsp_failed_clear(const struct tg_addr *addr, uint16_t port);
bool tlsp_failed_recently(const struct tg_addr *addr, uint16_t port);

/* ---- limits.c: what one source may take before it has proven anything ---- */

int tlsp_limits_init(void);
/* A connection was accepted: fills deadline and pending. False: refuse it */
bool tlsp_limits_accept(const struct tlsp_snap *snap, struct tlsp_facts *f);
/* Its handshake is over, or it is gone. proven: by a certificate */
void tlsp_limits_settle(const struct tlsp_facts *f, bool proven);

/* ---- sweep.c: connections whose time is over ------------------------------ */

/* A small part of the work, from the process "TLS POLICY". -> milliseconds until
 * the next one */
int tlsp_sweep_tick(void);

/* No octet goes into it any more; tcp_main ends it */
void tlsp_close_connection(int id);

struct tlsp_swept {
	unsigned seen;    /* connections that were up */
	unsigned judged;  /* ... of them again, for their verdict was not current */
	unsigned closed;  /* ... for it is not an allowing one any more */
	unsigned pending; /* in their handshake: judged at its end */
};
/* All of them, now */
void tlsp_sweep_all(struct tlsp_swept *out);
/* Those whose verdict rests on that place of status.c (number + 1) */
void tlsp_sweep_status(uint32_t place);

/* ---- crls.c: the CRLs of the policy, watched ------------------------------- */

#define TLSP_CRLS_MAX 256
struct tlsp_crl {
	char path[256];
	char error[192]; /* why the file at hand was not taken; empty: it was */
	time_t next_update;
	time_t taken; /* when its octets came into force */
	size_t n_revoked;
};

int tlsp_crls_init(void);
int tlsp_crls_fork(void);
/*
 * Has the process "TLS POLICY CRL" look at the files and sweep, and waits for
 * it. *taken: whether CRLs changed. False: no answer in that time.
 */
bool tlsp_crls_look_now(
		unsigned wait_ms, struct tlsp_swept *swept, bool *taken);
/* Calls back with a copy of each; until false is returned */
typedef bool (*tlsp_crl_seen_fn)(void *ctx, const struct tlsp_crl *crl);
void tlsp_crls_each(tlsp_crl_seen_fn fn, void *ctx);

/* ---- status.c: what is known of the status of certificates ----------------- */

#define TLSP_STATUS_MAX 4096

int tlsp_status_init(void);
/*
 * What is known now; what is not known or old is asked for by the process of
 * fetch.c. *ref is for tlsp_status_moved; place 0: there is no room.
 */
void tlsp_status_ask(const struct tg_pol_trust *trust, X509 *leaf, X509 *issuer,
		bool allow_sha1, struct tg_x509_status *out,
		struct tlsp_status_ref *ref);
/*
 * The same for a certificate of our own: the response itself, in OpenSSL's
 * memory, the caller's. False: no good one is at hand.
 */
bool tlsp_status_response(const struct tg_pol_trust *trust, X509 *leaf,
		X509 *issuer, unsigned char **der, size_t *octets);
/* Does that place say something else by now? No lock */
bool tlsp_status_moved(const struct tlsp_status_ref *ref);
/* A connection that is up still rests on it */
void tlsp_status_touch(const struct tlsp_status_ref *ref);

/* One certificate to ask about, at most once at a time */
struct tlsp_errand {
	uint32_t place;
	char *block;                 /* malloc's; the spans below borrow from it */
	struct tg_span leaf, issuer; /* DER */
	struct tg_span trust;        /* name */
	bool allow_sha1;
};
/* look: at all of them, not only when a handshake asked. False: none is due */
bool tlsp_status_next(bool look, struct tlsp_errand *out);
/* Ends it. True: connections that rest on it have to be judged again */
bool tlsp_status_done(const struct tlsp_errand *errand,
		const struct tg_x509_status *said, struct tg_span response,
		uint32_t refresh_sec);
void tlsp_status_later(const struct tlsp_errand *errand);

struct tlsp_status_view {
	char certificate[256], trust[256];
	struct tg_x509_status said;
	char error[128]; /* why the last try brought nothing; empty: it did */
	bool flying;
	unsigned failures; /* since the last answer */
	time_t taken, due; /* taken 0: never */
};
/* Calls back with a copy of each; until false is returned */
typedef bool (*tlsp_status_fn)(void *ctx, const struct tlsp_status_view *v);
void tlsp_status_each(tlsp_status_fn fn, void *ctx);

/* ---- staple.c: the status of our own certificates --------------------------- */

/* A client asked for it: as SSL_CTX_set_tlsext_status_cb(3) wants it said */
int tlsp_staple(SSL *ssl);
/* Has it fetched before anybody asks; from the process "TLS POLICY" */
void tlsp_staple_prepare(X509 *cert, STACK_OF(X509) *chain);

/* ---- fetch.c: the process that asks responders ------------------------------ */

int tlsp_fetch_init(void);
int tlsp_fetch_fork(void);
void tlsp_fetch_wake(void); /* there is something to fetch */

/* ---- log.c, stats.c -------------------------------------------------------- */

struct tlsp_report {
	const char *gate;
	const struct tg_pol_conn *conn; /* may be NULL */
	struct tg_span route;
	unsigned class;     /* TG_POL_CLASS_*, 0: none */
	const char *detail; /* may be NULL */
};
/* One line and one counter; refusals of one source that repeat are summed up */
void tlsp_report(const struct tg_pol *p, const struct tg_pol_verdict *v,
		const struct tlsp_report *r);
void tlsp_log_diags(const struct tg_diags *diags);

int tlsp_stats_init(void);
void tlsp_stats_count(const struct tg_pol_verdict *v);
void tlsp_stats_count_closed(void);
void tlsp_stats_count_resumed(void);
enum tlsp_crl_event { TLSP_CRL_TAKEN = 0, TLSP_CRL_REFUSED, TLSP_CRL_STALE };
void tlsp_stats_count_crl(enum tlsp_crl_event event);
enum tlsp_ocsp_event {
	TLSP_OCSP_TAKEN = 0, /* a responder answered */
	TLSP_OCSP_FAILED,
	TLSP_OCSP_HELD,    /* a connection waits for its status */
	TLSP_OCSP_UNPROVEN /* served without one: revocation = soft */
};
void tlsp_stats_count_ocsp(enum tlsp_ocsp_event event);

/* ---- startup.c --------------------------------------------------------------- */

/* A FIPS provider is in force; set by tlsp_startup_check */
extern bool tlsp_fips;
int tlsp_startup_check(void);
/* tls_cfg.c: warns of what tls.cfg says and the policy overrules */
void tlsp_tls_cfg_warn(void);
/* False, with diags: tls.cfg lacks a section that the policy asks for */
bool tlsp_tls_cfg_fits(const struct tg_pol *p, struct tg_diags *diags);
/* Before tls.so makes a connection: its certificate toward that peer, or NULL */
void tlsp_tls_cfg_choose(const struct tg_pol_peer *peer);
int tlsp_startup_atfork(void);

/* ---- exports of pv.c, rpc.c, kemi.c ------------------------------------------- */

#include "core/pvar.h"
#include "core/rpc.h"
extern pv_export_t tlsp_pvs[];
extern rpc_export_t tlsp_rpcs[];
int tlsp_kemi_init(void);
/* PV names for pv.c and kemi.c; empty span: no value */
struct tg_span tlsp_value(struct sip_msg *msg, struct tg_span name);
bool tlsp_value_known(struct tg_span name);

#endif
