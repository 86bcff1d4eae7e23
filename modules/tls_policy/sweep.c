/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Connections whose time is over: a handshake that takes too long, and, after
 * a reload or when a certificate expires, parties that the policy no longer
 * admits. Traffic is held to the policy by the gates at once; the sweep
 * closes what is silent. All of them are looked at once a second, so many of
 * them judged again per tick at most.
 */
#include <time.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/pass_fd.h"
#include "core/timer.h"

#include "tls_policy/tlsp.h"

#define PARTS 10     /* ticks per round */
#define TICK_MS 100  /* a round takes a second */
#define AGAIN_MAX 20 /* per tick, which is followed by a sooner one */
#define SOON_MS 20

struct sweep {
	const struct tlsp_snap *snap;
	time_t now;
	unsigned again;
	struct tlsp_swept *swept; /* NULL: nobody asks */
	uint32_t place;           /* of tlsp_sweep_status */
};

/* As a sender does that wants a connection closed: tcp_main takes our count */
void tlsp_close_connection(int id)
{
	struct tcp_connection *c = tcpconn_get(id, NULL, 0, NULL, 0);
	long command[2];

	if(!c)
		return;
	if(c->state != S_CONN_BAD)
		tlsp_stats_count_closed();
	c->state = S_CONN_BAD;
	c->timeout = get_ticks_raw();
	command[0] = (long)c;
	command[1] = CONN_EOF;
	if(send_all(unix_tcp_sock, command, sizeof(command)) <= 0) {
		LM_ERR("cannot ask for connection %d to be closed\n", id);
		tcpconn_put(c);
	}
}

static bool is_over(struct sweep *s, const struct tlsp_facts *f)
{
	struct tlsp_facts now;

	if(f->judged && !f->allowed)
		/* its own process closes it; give it that time */
		return s->now - f->since > 10;
	if(!f->established)
		return f->deadline && s->now > f->deadline;
	if(tlsp_facts_current(s->snap, f))
		return false;
	s->again++;
	if(s->swept)
		s->swept->judged++;
	return tlsp_conn_current(s->snap, f->id, &now) && !now.allowed;
}

static bool look_at(void *ctx, const struct tlsp_facts *f)
{
	struct sweep *s = ctx;

	if(is_over(s, f))
		tlsp_close_connection(f->id);
	return s->again < AGAIN_MAX;
}

int tlsp_sweep_tick(void)
{
	static unsigned cursor;
	struct sweep s = {.now = time(NULL), .snap = tlsp_snap_ref()};

	tlsp_conn_some(&cursor, PARTS, look_at, &s);
	tlsp_snap_unref(s.snap);
	tlsp_snap_reclaim();
	return s.again < AGAIN_MAX ? TICK_MS : SOON_MS;
}

/* ---- all of them, for who asks -------------------------------------------- */

static bool look_at_each(void *ctx, const struct tlsp_facts *f)
{
	struct sweep *s = ctx;

	if(f->established)
		s->swept->seen++;
	else if(!f->judged)
		s->swept->pending++;
	if(is_over(s, f)) {
		s->swept->closed++;
		tlsp_close_connection(f->id);
	}
	return true;
}

void tlsp_sweep_all(struct tlsp_swept *out)
{
	struct sweep s = {.now = time(NULL), .snap = tlsp_snap_ref(), .swept = out};

	memset(out, 0, sizeof(*out));
	tlsp_conn_each(look_at_each, &s);
	tlsp_snap_unref(s.snap);
	tlsp_snap_reclaim();
}

/* ---- those of one certificate ---------------------------------------------- */

static bool look_at_status(void *ctx, const struct tlsp_facts *f)
{
	struct sweep *s = ctx;

	if(f->status.place == s->place && f->established && is_over(s, f))
		tlsp_close_connection(f->id);
	return true;
}

void tlsp_sweep_status(uint32_t place)
{
	struct sweep s = {
			.now = time(NULL), .snap = tlsp_snap_ref(), .place = place};

	tlsp_conn_each(look_at_status, &s);
	tlsp_snap_unref(s.snap);
	tlsp_snap_reclaim();
}
