/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void tg_pol_step(const struct tg_pol_trace *trace, const struct tg_where *where,
		const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if(!trace)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	trace->step(trace->ctx, where, text);
}

void tg_pol_allow(struct tg_pol_verdict *out, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, struct tg_where rule)
{
	*out = (struct tg_pol_verdict){.decision = TG_POL_ALLOW,
			.peer = peer,
			.clients = clients,
			.rule = rule};
}

void tg_pol_deny(struct tg_pol_verdict *out, enum tg_reason reason,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients,
		struct tg_where rule)
{
	*out = (struct tg_pol_verdict){.decision = TG_POL_DENY,
			.reason = reason,
			.peer = peer,
			.clients = peer ? NULL : clients,
			.rule = rule};
}

/* ---- audit ------------------------------------------------------------- */

/*
 * Audit mode is for roll-out: what worked goes on working. Keys that would
 * travel in clear are not worth that, and a failure of ours says nothing
 * about the peer.
 */
bool tg_pol_audit_may_waive(enum tg_reason reason)
{
	return reason != TG_REASON_NONE && reason != TG_REASON_MEDIA_KEYS_EXPOSED
		   && reason != TG_REASON_INTERNAL && reason < TG_REASON_COUNT;
}

bool tg_pol_in_audit(const struct tg_pol *p, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients)
{
	return p->mode == TG_POL_AUDIT || (peer && peer->mode == TG_POL_AUDIT)
		   || (clients && clients->mode == TG_POL_AUDIT);
}

void tg_pol_apply_audit(const struct tg_pol *p, struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_DENY || !tg_pol_in_audit(p, v->peer, v->clients)
			|| !tg_pol_audit_may_waive(v->reason))
		return;
	v->decision = TG_POL_ALLOW;
	v->audited = true;
}

void tg_pol_finish(const struct tg_pol *p, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out)
{
	tg_pol_apply_audit(p, out);
	if(!trace)
		return;
	if(out->audited)
		tg_pol_step(trace, &out->rule, "audit: would be refused: %s",
				tg_reason_get(out->reason)->text);
	else if(out->decision == TG_POL_DENY)
		tg_pol_step(trace, &out->rule, "refused: %s",
				tg_reason_get(out->reason)->text);
	else
		tg_pol_step(trace, &out->rule, "allowed");
}

/* ---- finding ----------------------------------------------------------- */

static bool listener_fits(
		const struct tg_pol_cidrs *listener, const struct tg_pol_conn *conn)
{
	return conn->direction == TG_POL_OUT
		   || tg_pol_listener_holds(listener, &conn->local);
}

struct tg_pol_found_peer tg_pol_find_bare_peer(
		const struct tg_pol *p, const struct tg_pol_conn *conn)
{
	struct tg_pol_found_peer found = {NULL, NULL};
	unsigned bit = TG_POL_TR_BIT(conn->transport);
	const struct tg_pol_group *g;
	struct tg_pol_walk w;

	tg_pol_walk_init(&w, &p->peers_at, conn);
	while((g = tg_pol_walk_next(&w))) {
		bool search = g->transports & bit & TG_POL_TR_CLEAR;

		if(g->net.addr.family == 0)
			break;
		/* the first that listens there is near enough; the search goes on
		 * only where one of the group takes this transport */
		for(uint32_t i = 0; i < g->n && (search || !found.near); i++) {
			const struct tg_pol_peer *peer =
					&p->peer[p->peers_at.member[g->first + i]];

			if(!listener_fits(&peer->listener, conn))
				continue;
			if(peer->transports & bit & TG_POL_TR_CLEAR) {
				found.fit = peer;
				return found;
			}
			if(!found.near)
				found.near = peer;
		}
	}
	return found;
}

struct tg_pol_found_clients tg_pol_find_clients(
		const struct tg_pol *p, const struct tg_pol_conn *conn)
{
	struct tg_pol_found_clients found = {NULL, NULL};
	bool by_sni =
			conn->direction == TG_POL_IN && TG_POL_TR_IS_TLS(conn->transport);
	const struct tg_pol_places *places =
			by_sni ? &p->clients_in : &p->clients_at;
	const struct tg_pol_group *g;
	struct tg_pol_walk w;

	tg_pol_walk_init(&w, places, conn);
	while((g = tg_pol_walk_next(&w))) {
		for(uint32_t i = 0; i < g->n; i++) {
			const struct tg_pol_clients *c =
					&p->clients[places->member[g->first + i]];

			if(!listener_fits(&c->listener, conn))
				continue;
			if(c->transports & TG_POL_TR_BIT(conn->transport)) {
				found.fit = c;
				return found;
			}
			if(!found.near)
				found.near = c;
		}
	}
	return found;
}
