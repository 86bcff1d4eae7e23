/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which pairs of addresses STUN has validated (RFC 8445), as far as keys
 * depend on it: where both descriptions have ICE, DTLS is taken from such a
 * pair and sent to such a pair, and nowhere else (RFC 8842 section 7.4). The
 * daemon is the ICE agent; here its checks are looked over as they pass:
 *
 *	daemon --- Binding request, id ---> X     the id is kept, with X
 *	daemon <-- success, id, integrity - X     same socket, same X, a MAC under
 *	                                          the far end's ice-pwd: validated
 *
 * So an address is taken for what it has shown to receive, by who knows the
 * password that the signalling gave. An agent of ours that is lite sends no
 * checks; then a request with USE-CANDIDATE and a MAC under our own ice-pwd
 * validates (RFC 8445 section 7.3.2).
 *
 * All validated pairs are one far end's: the key exchange knows them by one
 * path, so that a handshake goes on when the far end changes pairs. What it
 * sends leaves by the pair of the latest nomination or DTLS datagram.
 *
 * Not done: consent (RFC 7675), priorities. Media follows the daemon.
 *
 * All functions: stream locked.
 */
#ifndef TG_SESSION_ICE_H
#define TG_SESSION_ICE_H

#include "session/session.h"

#define TG_SES_ICE_CHECKS 32 /* that wait for their answer; the oldest goes */
#define TG_SES_ICE_PAIRS 8
#define TG_SES_ICE_PASSWORD_MAX 256 /* RFC 8839 section 5.4 */

/* Does DTLS of the present far end need a validated pair? Also true while an
 * offer of ours with ICE waits for its answer */
bool tg_ses_ice_on(const struct tg_ses_stream *st);

/*
 * What descriptions said. password: empty for none, which validates nothing.
 * Another password (an ICE restart) forgets all pairs. The key exchange of
 * the far end is known by then. False: no memory, or too long.
 */
bool tg_ses_ice_ours(struct tg_ses_stream *st, bool ice, bool lite,
		struct tg_span password) __attribute__((warn_unused_result));
bool tg_ses_ice_theirs(struct tg_ses_stream *st, bool ice,
		struct tg_span password) __attribute__((warn_unused_result));
void tg_ses_ice_free(struct tg_ses_far *far);

/* One STUN message, whole and well formed in its header. Received: handshakes
 * that waited for a pair are started */
void tg_ses_ice_received(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets);
void tg_ses_ice_sent(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets);

/*
 * Is it a Binding message of one of the two agents: whole, and with a MAC under
 * the password of whom it is for (requests) or from (responses)? A daemon
 * relays whatever its agent has no use for as if it were media, so nothing
 * else may pass a secured leg. Error responses, which may come without a MAC,
 * pass as answers to a request that is known. path: from where, or to where.
 */
bool tg_ses_ice_may_pass(struct tg_ses_stream *st, bool in,
		const struct tg_ses_socket *s, const struct tg_key_path *path,
		const uint8_t *octet, size_t octets);

/* The path that stands for every validated pair */
extern const struct tg_key_path tg_ses_ice_path;

/*
 * A DTLS datagram came in: whose pair is it? True: that far end is the present
 * one now, and answers leave by the pair; *f is NULL, or to be swapped back.
 * False: of nobody that has an ICE agent; nothing changed.
 */
bool tg_ses_ice_enter(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, struct tg_ses_fork **f);

/* Starts what may start, once the roles are known */
void tg_ses_ice_connect(struct tg_ses_stream *st);

/* Which socket a datagram of the key exchange leaves by, for the present far
 * end. *to, the path that the exchange knows, becomes the real one. NULL: it
 * may not leave */
struct tg_ses_socket *tg_ses_ice_way(const struct tg_ses_stream *st,
		enum tg_key_component component, const struct tg_key_path **to);

/* The socket closes */
void tg_ses_ice_forget(struct tg_ses_stream *st, const struct tg_ses_socket *s);

#endif
