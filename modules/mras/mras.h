/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of mras share: the media relay authentication service
 * ([MS-AVEDGEA]) on an edge that tls_policy guards. Who may ask, for whom and
 * for which relays is in the policy: [mras] and [relay NAME].
 */
#ifndef MRAS_MRAS_H
#define MRAS_MRAS_H

#include "core/parser/msg_parser.h"
#include "core/pvar.h"
#include "core/rpc.h"

#include "mras/message.h"
#include "tls_policy/api.h"

#define MRAS_RELAYS_MAX 32

extern struct tlsp_api mras_tlsp;

/* ---- secret.c: shared with the relays ------------------------------------- */

/* In shared memory, read from the file that the policy names */
int mras_secret_init(void);
void mras_secret_destroy(void);
/* Reads the file again; false: the old one stays, the log says why */
bool mras_secret_reload(void);
/* A copy; false: there is none. Wipe it */
bool mras_secret_get(char out[TG_MRAS_SECRET_MAX], size_t *octets);

/* ---- rate.c: requests of one requester ------------------------------------ */

int mras_rate_init(void);
void mras_rate_destroy(void);
/* One more within this minute? */
bool mras_rate_take(struct tg_span requester, uint32_t per_min);

/* ---- issue.c: who gets what ----------------------------------------------- */

/* Facts of one request, whatever it came in */
struct mras_requester {
	const struct tg_pol *policy;
	const struct tg_pol_mras *rule;
	const struct tg_pol_peer *peer;       /* a server, proven by certificate */
	const struct tg_pol_clients *clients; /* or the rule of a client */
	struct tg_span user; /* of a client: From's user@domain; the script has
						  * authenticated it */
};

/*
 * Fills it from the connection of a message; NULL policy afterwards: nothing
 * may be issued. mras_requester_done() in the same process, always.
 */
enum tg_mras_status mras_requester_of(
		struct sip_msg *msg, struct mras_requester *out, const char **why);
void mras_requester_done(struct mras_requester *r);

/* Judges, makes, logs and counts one grant */
enum tg_mras_status mras_issue(const struct mras_requester *r,
		const struct tg_mras_ask *ask, struct tg_mras_grant *grant,
		const char **why);
/* The policy's relays; how many */
size_t mras_relays(const struct tg_pol *p, enum tg_mras_location location,
		struct tg_mras_relay out[MRAS_RELAYS_MAX]);

/* ---- service.c, values.c --------------------------------------------------- */

int mras_service_init(void);
/* Answers a SERVICE request; 1 issued, -1 refused and answered, -2 no answer */
int mras_handle(struct sip_msg *msg);
/* Makes credentials for $mras(...); 1 or -1 */
int mras_credentials(
		struct sip_msg *msg, struct tg_span identity, struct tg_span location);

extern pv_export_t mras_pvs[];
extern rpc_export_t mras_rpcs[];
int mras_kemi_init(void);

/* ---- stats.c ---------------------------------------------------------------- */

int mras_stats_init(void);
void mras_count(enum tg_mras_status s);
unsigned long mras_counted(enum tg_mras_status s);

#endif
