/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of srtp_policy share. Decisions are in lib/media; here are
 * Kamailio's structures turned into facts and verdicts turned into answers.
 */
#ifndef SRTPP_SRTPP_H
#define SRTPP_SRTPP_H

#include "core/counters.h"
#include "core/ip_addr.h"
#include "core/parser/msg_parser.h"
#include "core/pvar.h"
#include "core/rpc.h"
#include "modules/tm/tm_load.h"

#include "base/text.h"
#include "media/judge.h"
#include "media/message.h"
#include "media/plan.h"
#include "policy/decide.h"

#include "tls_policy/api.h"

/* ---- parameters of the module ------------------------------------------- */

struct srtpp_params {
	char *secret_file;      /* shared with the plugin in the media node */
	int token_lifetime_sec; /* how long a token for the plugin holds */
	int calls_max;          /* whose agreed encryption is remembered */
};
extern struct srtpp_params srtpp_params;

extern struct tlsp_api srtpp_tlsp; /* bound at start */
extern struct tm_binds srtpp_tm;   /* all NULL without tm */

/* ---- secret.c ------------------------------------------------------------- */

/* Reads secret_file; errors are logged. 0 or -1 */
int srtpp_secret_init(void);
struct tg_ng_key *srtpp_key(void);

/* ---- facts.c: who is at both ends of a message ----------------------------- */

struct srtpp_party {
	const struct tg_pol_peer *peer;
	const struct tg_pol_clients *clients;
	const struct tg_pol_media *media; /* NULL: nobody the policy knows */
	bool keys_allowed;             /* on the signalling between them and us */
	struct tg_pol_media tightened; /* media may point here: do not copy */
};

/*
 * Spans and parties point into p and msg. m is the message, or the one that
 * is judged: the routes of its call count. False: not known
 */
bool srtpp_party_of_source(const struct tg_pol *p, struct sip_msg *msg,
		const struct tg_media_message *m, struct srtpp_party *out);
bool srtpp_party_of_connection(const struct tg_pol *p,
		const struct receive_info *rcv, const struct tg_media_message *m,
		struct srtpp_party *out);
bool srtpp_party_of_egress(const struct tg_pol *p,
		const struct tlsp_leaving *what, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, const struct tg_media_message *m,
		struct srtpp_party *out);
/* Where a request goes, or where a reply's request came from */
bool srtpp_party_of_target(const struct tg_pol *p, struct sip_msg *msg,
		const struct tg_media_message *m, struct srtpp_party *out);

/* The transaction of this process; NULL: none */
struct cell *srtpp_transaction(void);
/* Looks a reply's up before tm does. One that is dropped then must forget it */
void srtpp_transaction_find(struct sip_msg *reply);
void srtpp_transaction_forget(struct sip_msg *reply);
/*
 * Is a description in this message an offer? For a reply to INVITE it is an
 * answer if the request had one (RFC 3261 section 13.2.1).
 */
bool srtpp_is_offer(const struct tg_media_message *m);
struct tg_span srtpp_bytes(const struct sip_msg *msg);

/* ---- reading.c: messages and descriptions, read once ------------------------ */

/* tg_media_message_read() of a message that was received */
enum tg_media_rc srtpp_read(const struct sip_msg *msg,
		struct tg_media_message *out) __attribute__((warn_unused_result));
/*
 * tg_sdp_parse() of m->sdp[i]. *out is in arena, or valid until the next call
 * for a message with one description; its spans may point into a copy.
 */
enum tg_sdp_rc srtpp_parse(const struct tg_media_message *m, size_t i,
		struct tg_arena *arena, struct tg_sdp *out)
		__attribute__((warn_unused_result));

/* ---- flags.c: what the media node must do ----------------------------------- */

/* NUL behind it; valid until the next call. Empty: refused, and logged */
struct tg_span srtpp_flags(struct sip_msg *msg);
/* The same into a variable of the script: 1, or -1 when refused */
int srtpp_flags_into(struct sip_msg *msg, pv_spec_t *pv);
/*
 * For rtpengine_delete(), when the call of this request ends: by whose tag
 * the media node knows it. As above; often empty
 */
struct tg_span srtpp_flags_of_delete(const struct tg_media_message *m);
extern pv_export_t srtpp_pvs[];

/* ---- descriptions.c: all descriptions of one message ------------------------ */

struct srtpp_look {
	enum tg_reason reason; /* TG_REASON_NONE: may pass */
	char detail[128];      /* for log and Warning: no keys, no control octets */
	size_t secured;
	size_t clear;
	uint32_t secured_lines; /* bit i: m= line i, of any description */
};

#define SRTPP_WARNING_OCTETS 256
/* A Warning header (RFC 3261 20.43) that names it, without a line end */
struct tg_span srtpp_warning(
		const struct srtpp_look *look, char out[SRTPP_WARNING_OCTETS]);

/* The descriptions of one message, parsed once */
struct srtpp_parsed {
	struct tg_arena arena; /* the caller's to init and deinit */
	bool done[TG_MEDIA_SDP_MAX];
	struct tg_sdp sdp[TG_MEDIA_SDP_MAX];
};

/* What came from them. TG_REASON_NONE also when there is no description */
void srtpp_look_in(const struct tg_media_message *m,
		const struct srtpp_party *from, struct srtpp_parsed *parsed,
		struct srtpp_look *out);
/*
 * What is to leave to them; other: the far side of the call, NULL unknown.
 * *rewritten: the message without the proof, in arena; ptr NULL: as it is.
 * rewritten NULL: it does not leave yet.
 */
void srtpp_look_out(const struct tg_media_message *m,
		const struct srtpp_party *to, const struct srtpp_party *other,
		struct tg_arena *arena, struct srtpp_look *out,
		struct tg_span *rewritten);

/*
 * The message without what must not be used of it, in parsed's arena: in offers what
 * must not be chosen, keys wherever they came over signalling that may not
 * carry them. ptr NULL: it is fine as it is. False: out of memory
 */
bool srtpp_clean(const struct tg_media_message *m,
		const struct srtpp_party *from, struct srtpp_parsed *parsed,
		struct tg_span *rewritten);

/* Counts what may pass, and says what runs in clear under "supported" */
void srtpp_note(const char *gate, const struct srtpp_party *who,
		const struct srtpp_look *look);
/* Verdict on a party with audit mode applied; reports. True: may pass */
bool srtpp_decide(const struct tg_pol *p, const char *gate,
		const struct srtpp_party *who, const struct srtpp_look *look);

/* ---- calls.c: what is known of a call beyond one message (B10) ----------------- */

int srtpp_calls_init(void);
void srtpp_calls_destroy(void);
/*
 * Lines that the party agreed to secure in the dialog of this message; 0 for
 * none. sender: it sent the message; false: it is to get it.
 */
uint32_t srtpp_calls_agreed(const struct tg_media_message *m, bool sender);
void srtpp_calls_agree(
		const struct tg_media_message *m, bool sender, uint32_t lines);
#define SRTPP_ROUTES_OCTETS 260 /* of the names of a call's routes */
/* The call of this message is on the route from now on. False: no room */
bool srtpp_calls_put_on(
		const struct tg_media_message *m, const struct tg_pol_route *route);
/* Names with a line end behind each; "" for none */
void srtpp_calls_routes(
		const struct tg_media_message *m, char out[SRTPP_ROUTES_OCTETS]);
/*
 * m: a reply with an offer; way: its caller's target URI, then the Route headers
 * toward it, a line each. False: no room
 */
bool srtpp_calls_keep_way(const struct tg_media_message *m, struct tg_span way);
/* m: the ACK. ptr NULL: not known. It is forgotten */
struct tg_span srtpp_calls_take_way(
		const struct tg_media_message *m, struct tg_arena *arena);
/* Has the side that is to get the request made an offer that waits for ACK? */
bool srtpp_calls_offer_waits(const struct tg_media_message *m);
/* A BYE: both sides of the dialog are forgotten */
void srtpp_calls_end(const struct tg_media_message *m);
unsigned srtpp_calls_count(void);

/* One side of a dialog as it is remembered; spans live during the call of fn */
struct srtpp_side {
	struct tg_span call_id;
	struct tg_span own_tag;
	struct tg_span other_tag; /* empty: the request that opens dialogs */
	uint32_t lines;
	struct tg_span routes; /* a line end behind each */
	bool waits_for_ack;
	unsigned idle_sec;
};
/* Runs with a lock held: must not come back here. False: enough */
typedef bool (*srtpp_calls_fn)(const struct srtpp_side *side, void *arg);
void srtpp_calls_walk(srtpp_calls_fn fn, void *arg);

/* ---- gates ---------------------------------------------------------------------- */

int srtpp_gate_in_init(void);
/* For the script: 1 may pass, -1 refused and not yet answered */
int srtpp_check(struct sip_msg *msg);
int srtpp_gate_out_init(void);

/* ---- dialog.c: requests of our own in a dialog of others ---------------------- */

#define SRTPP_ROUTES_MAX 16

struct srtpp_dialog {
	str target; /* URI of the Contact */
	str from;
	str to;
	str call_id;
	str route[SRTPP_ROUTES_MAX]; /* with angle brackets, the last one first */
	size_t n_routes;
	struct tg_span route_lines; /* or as they stand, with their line ends */
};

void srtpp_dialog_via(struct tg_text *w, const struct socket_info *sock);
bool srtpp_dialog_send(struct dest_info *dst, const struct srtpp_dialog *d,
		const char *method, unsigned cseq);
/* Is it the URI of a listener of ours? */
bool srtpp_dialog_is_ours(str uri);

/* ---- ack.c: an answer in an ACK that may not be ------------------------------- */

int srtpp_ack_init(void);
/* A reply that came in: when it holds an offer, its caller is kept in mind */
void srtpp_ack_expect(const struct tg_media_message *m);
/* Both sides get BYE when the script is through with this ACK */
void srtpp_ack_refused(const struct tg_media_message *m);
/* Was the ACK at hand refused? Then the one that leaves is of interest */
bool srtpp_ack_is_awaited(void);
/* An ACK that leaves: if it was refused, this is where its BYE goes */
void srtpp_ack_leaves(
		const struct tlsp_leaving *what, const struct tg_media_message *m);

/* ---- refuse.c: an answered call that may not be ----------------------------- */

/*
 * Turns a reply into a final refusal in place. A 2xx to INVITE is
 * acknowledged and ended with BYE toward its sender first. False: cannot.
 */
bool srtpp_refuse_reply(struct sip_msg *msg, const struct tg_media_message *m,
		const struct srtpp_look *look);

/* ---- stats.c, rpc.c, kemi.c ------------------------------------------------------ */

enum srtpp_count {
	SRTPP_SECURED = 0, /* lines */
	SRTPP_CLEAR,
	SRTPP_SUPPORTED, /* in clear by parties with level = supported (A17) */
	SRTPP_AUDITED,
	SRTPP_TOKENS,
	SRTPP_ENDED, /* calls ended after their answer */
	SRTPP_COUNTS
};
int srtpp_stats_init(void);
void srtpp_stats_add(enum srtpp_count what, int n);
void srtpp_stats_refused(enum tg_reason reason);
unsigned long srtpp_stats_get(enum srtpp_count what);
unsigned long srtpp_stats_get_refused(enum tg_reason reason);

extern rpc_export_t srtpp_rpcs[];
int srtpp_kemi_init(void);

#endif
