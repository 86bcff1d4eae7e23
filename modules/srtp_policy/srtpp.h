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
struct tg_span srtpp_secret(void);

/* ---- facts.c: who is at both ends of a message ----------------------------- */

struct srtpp_party {
	const struct tg_pol_peer *peer;
	const struct tg_pol_clients *clients;
	const struct tg_pol_media *media; /* NULL: nobody the policy knows */
	bool keys_allowed; /* on the signalling between them and us */
};

/* Spans and parties point into p and msg. False: not known */
bool srtpp_party_of_source(
		const struct tg_pol *p, struct sip_msg *msg, struct srtpp_party *out);
bool srtpp_party_of_connection(const struct tg_pol *p,
		const struct receive_info *rcv, struct srtpp_party *out);
bool srtpp_party_of_egress(const struct tg_pol *p,
		const struct tg_pol_egress *egress, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, struct srtpp_party *out);
/* Where a request goes, or where a reply's request came from */
bool srtpp_party_of_target(
		const struct tg_pol *p, struct sip_msg *msg, struct srtpp_party *out);

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

/* ---- flags.c: what the media node must do ----------------------------------- */

/* NUL behind it; valid until the next call. Empty: refused, and logged */
struct tg_span srtpp_flags(struct sip_msg *msg);
/* The same into a variable of the script: 1, or -1 when refused */
int srtpp_flags_into(struct sip_msg *msg, pv_spec_t *pv);
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

/* What came from them. TG_REASON_NONE also when there is no description */
void srtpp_look_in(const struct tg_media_message *m,
		const struct srtpp_party *from, struct srtpp_look *out);
/*
 * What is to leave to them; other: the far side of the call, NULL unknown.
 * *rewritten: the message without the proof, in arena; ptr NULL: as it is.
 */
void srtpp_look_out(const struct tg_media_message *m,
		const struct srtpp_party *to, const struct srtpp_party *other,
		struct tg_arena *arena, struct srtpp_look *out,
		struct tg_span *rewritten);

/*
 * The message without what must not be chosen from its offers, in arena; ptr
 * NULL: it is fine as it is. False: out of memory
 */
bool srtpp_strip_offers(const struct tg_media_message *m,
		const struct srtpp_party *from, struct tg_arena *arena,
		struct tg_span *rewritten);

/* Counts what may pass, and says what runs in clear under "supported" */
void srtpp_note(const char *gate, const struct srtpp_party *who,
		const struct srtpp_look *look);
/* Verdict on a party with audit mode applied; reports. True: may pass */
bool srtpp_decide(const struct tg_pol *p, const char *gate,
		const struct srtpp_party *who, const struct srtpp_look *look);

/* ---- calls.c: what was agreed in a dialog (B10) -------------------------------- */

int srtpp_calls_init(void);
void srtpp_calls_destroy(void);
/*
 * Lines that the party agreed to secure in the dialog of this message; 0 for
 * none. sender: it sent the message; false: it is to get it.
 */
uint32_t srtpp_calls_agreed(const struct tg_media_message *m, bool sender);
void srtpp_calls_agree(
		const struct tg_media_message *m, bool sender, uint32_t lines);
/* A BYE: both sides of the dialog are forgotten */
void srtpp_calls_end(const struct tg_media_message *m);
unsigned srtpp_calls_count(void);

/* ---- gates ---------------------------------------------------------------------- */

int srtpp_gate_in_init(void);
/* For the script: 1 may pass, -1 refused and not yet answered */
int srtpp_check(struct sip_msg *msg);
int srtpp_gate_out_init(void);

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
