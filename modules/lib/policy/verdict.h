/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the gates share: saying yes and no, leaving a trace, finding the rules
 * that cover an address. Only policy/ includes this.
 */
#ifndef TG_POLICY_VERDICT_H
#define TG_POLICY_VERDICT_H

#include "policy/snapshot.h"

/* Does nothing without a trace */
void tg_pol_step(const struct tg_pol_trace *trace, const struct tg_where *where,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void tg_pol_allow(struct tg_pol_verdict *out, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, struct tg_where rule);
/* Audit is not applied yet: tg_pol_finish does */
void tg_pol_deny(struct tg_pol_verdict *out, enum tg_reason reason,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients,
		struct tg_where rule);
bool tg_pol_in_audit(const struct tg_pol *p, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients);
/* The last step of each gate: audit mode, and the verdict in the trace */
void tg_pol_finish(const struct tg_pol *p, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out);

/*
 * Rules over a connection's address. fit: the transport is theirs, too;
 * near: the closest that covers the address with another transport. A peer
 * with address = any is recognised by its certificate alone: it never is near.
 */
struct tg_pol_found_peer {
	const struct tg_pol_peer *fit;
	const struct tg_pol_peer *near;
};
struct tg_pol_found_clients {
	const struct tg_pol_clients *fit;
	const struct tg_pol_clients *near;
};

/* For plaintext: fit is a peer that is reached without certificates */
struct tg_pol_found_peer tg_pol_find_bare_peer(
		const struct tg_pol *p, const struct tg_pol_conn *conn);
struct tg_pol_found_clients tg_pol_find_clients(
		const struct tg_pol *p, const struct tg_pol_conn *conn);

#endif
