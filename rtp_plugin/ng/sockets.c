/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/sockets.h"

#include "ng/negotiate.h"

uint16_t tg_ngx_rtcp_port(const struct tg_sdp_media *m)
{
	if(m->rtcp_port != 0)
		return m->rtcp_port;
	if(m->rtcp_mux) /* one port; the next one may be another line's */
		return m->port;
	return m->port < UINT16_MAX ? (uint16_t)(m->port + 1) : 0;
}

/*
 * Bound address first; then what an advertised address stands for. The port
 * alone, when it names one socket only, where the daemon wrote an address
 * that is none of its own: `media-address` of this request, or the zero
 * address of a call on hold (RFC 3264 section 8.4).
 */
static struct tg_ses_socket *find_socket(
		struct tg_ngx *x, const struct tg_addr *addr, uint16_t port)
{
	static const struct tg_addr none4 = {.family = 4}, none6 = {.family = 6};
	struct tg_ses_socket *s;
	struct tg_addr other;

	if(port == 0)
		return NULL;
	s = tg_ses_call_socket(x->call, addr, port);
	if(s == NULL && x->host->advertised != NULL
			&& x->host->advertised(x->host->ctx, addr, &other))
		s = tg_ses_call_socket(x->call, &other, port);
	if(s == NULL
			&& (tg_addr_eq(addr, &none4) || tg_addr_eq(addr, &none6)
					|| (tg_addr_parse(x->media_address, &other)
							&& tg_addr_eq(addr, &other))))
		s = tg_ses_call_socket_by_port(x->call, port);
	return s;
}

/* "a=candidate:F C UDP P ADDRESS PORT typ ...", RFC 8839 section 5.1 */
static bool candidate(const struct tg_sdp_line *line, struct tg_addr *addr,
		uint16_t *port, enum tg_key_component *component)
{
	struct tg_span rest = line->text, field[6];
	uint64_t v;

	if(!tg_span_starts(rest, TG_SPAN("a=candidate:")))
		return false;
	for(int i = 0; i < 6; i++)
		field[i] = tg_span_cut(&rest, ' ');
	if(!tg_addr_parse(field[4], addr) || !tg_span_u64(field[5], UINT16_MAX, &v))
		return false;
	*port = (uint16_t)v;
	*component = tg_span_eq(field[1], TG_SPAN("2")) ? TG_KEY_RTCP : TG_KEY_RTP;
	return true;
}

static bool attach(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_addr *addr, uint16_t port,
		enum tg_key_component component, bool must)
{
	struct tg_ses_socket *s = find_socket(x, addr, port);

	if(s == NULL)
		return must ? tg_ngx_refuse(x, TG_REASON_INTERNAL,
					   "a secured port that belongs to no one socket")
					: true;
	if(!tg_ses_stream_attach(st, s, component))
		return tg_ngx_refuse(x, TG_REASON_INTERNAL,
				"one socket for two media lines (BUNDLE) cannot be secured");
	return true;
}

bool tg_ngx_attach_all(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	enum tg_key_component component;
	struct tg_addr addr;
	uint16_t port;

	for(uint32_t i = m->first_line; i < m->first_line + m->n_lines; i++) {
		if(candidate(&sdp->line[i], &addr, &port, &component)
				&& !attach(x, st, &addr, port, component, false))
			return false;
	}
	if(!tg_addr_parse(m->address, &addr))
		return tg_ngx_refuse(x, TG_REASON_INTERNAL,
				"the daemon's description names no address");
	if(!attach(x, st, &addr, m->port, TG_KEY_RTP, true))
		return false;
	if(tg_ngx_rtcp_port(m) != m->port
			&& !attach(x, st, &addr, tg_ngx_rtcp_port(m), TG_KEY_RTCP, false))
		return false;
	pthread_mutex_lock(&st->lock);
	if(st->local.port != 0
			&& (st->local.port != m->port
					|| !tg_addr_eq(&st->local.addr, &addr)))
		st->moved = true;
	st->local.addr = addr;
	st->local.port = m->port;
	pthread_mutex_unlock(&st->lock);
	return true;
}

static void pass_plain(
		struct tg_ngx *x, const struct tg_addr *addr, uint16_t port)
{
	struct tg_ses_socket *s = find_socket(x, addr, port);

	if(s != NULL && atomic_load(&s->stream) == NULL)
		atomic_store(&s->mode, TG_SES_PLAIN);
}

void tg_ngx_pass_plain(struct tg_ngx *x, const struct tg_sdp *sdp)
{
	enum tg_key_component component;
	struct tg_addr addr;
	uint16_t port;

	for(size_t i = 0; i < sdp->n_lines; i++) {
		if(candidate(&sdp->line[i], &addr, &port, &component))
			pass_plain(x, &addr, port);
	}
	for(size_t i = 0; i < sdp->n_media; i++) {
		const struct tg_sdp_media *m = &sdp->media[i];

		if(m->port == 0 || !tg_addr_parse(m->address, &addr))
			continue;
		pass_plain(x, &addr, m->port);
		pass_plain(x, &addr, tg_ngx_rtcp_port(m));
	}
}

/* RTP, and RTCP on the next port when the daemon has made one for it */
static bool attach_pair(struct tg_ngx *x, struct tg_ses_stream *st,
		struct tg_ses_socket *rtp, uint64_t *order)
{
	struct tg_ses_socket *rtcp = tg_ses_call_next_held(x->call, rtp->order);

	*order = rtp->order;
	if(!tg_ses_stream_attach(st, rtp, TG_KEY_RTP))
		return false;
	if(rtcp == NULL || rtcp->port != rtp->port + 1
			|| !tg_addr_eq(&rtcp->addr, &rtp->addr))
		return true;
	*order = rtcp->order;
	return tg_ses_stream_attach(st, rtcp, TG_KEY_RTCP);
}

bool tg_ngx_attach_fork(struct tg_ngx *x, struct tg_ses_leg *leg)
{
	uint64_t order = x->bound_before;

	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
		struct tg_ses_socket *s = tg_ses_call_next_held(x->call, order);

		if(s == NULL)
			return true;
		if(!attach_pair(x, st, s, &order))
			return tg_ngx_refuse(x, TG_REASON_INTERNAL,
					"the sockets of a forked answer are not clear");
	}
	return true;
}
