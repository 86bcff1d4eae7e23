/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Several far ends that answer one offer (a forked INVITE, RFC 3261 section
 * 13.2.2.4). Our description showed one port, so all of them send to it, each
 * with keys of its own. The one that answered last is the stream's present
 * far end, as it is the daemon's; the others are parked:
 *
 *	stream: tag, key, rx, tx, ...  <-- swap -->  fork: tag, key, rx, tx, ...
 *
 * A parked one still receives (early media of both), but never sends. A
 * sending context goes with its key: SDES gives every far end the same one
 * (RFC 4568 section 7.3), so it moves to whoever sends, and no keystream is
 * used twice.
 *
 * All functions: stream locked.
 */
#ifndef TG_SESSION_FORK_H
#define TG_SESSION_FORK_H

#include "session/session.h"

#define TG_SES_FORKS_MAX 7

/*
 * Before an answer of `tag` is read, when another one answered before: brings
 * its far end in, parked or new. False: too many, or no memory; nothing
 * changed. Ends with keep or back.
 */
bool tg_ses_fork_enter(struct tg_ses_stream *st, struct tg_span tag);
/* The answer was taken. False: no memory */
bool tg_ses_fork_keep(struct tg_ses_stream *st, struct tg_span tag);
/* It was not: as before enter. Without enter nothing happens */
void tg_ses_fork_back(struct tg_ses_stream *st);

/* The far end whose description names this source; NULL: none but, perhaps,
 * the present one */
struct tg_ses_fork *tg_ses_fork_from(
		struct tg_ses_stream *st, const struct tg_key_path *from);
/* Makes a parked one the present one and back: call it twice */
void tg_ses_fork_swap(struct tg_ses_stream *st, struct tg_ses_fork *f);

/* A sending context with these keys that was parked, taken out; or NULL */
struct tg_srtp *tg_ses_fork_take_tx(
		struct tg_ses_stream *st, const struct tg_srtp_keys *keys);

/* Takes the protection off a packet with what any of the far ends sends with,
 * the likeliest first. component: of the socket */
enum tg_srtp_rc tg_ses_fork_unprotect(struct tg_ses_stream *st, int component,
		const struct tg_key_path *from, enum tg_srtp_kind kind, uint8_t *packet,
		size_t *octets);

void tg_ses_forks_free(struct tg_ses_stream *st);

#endif
