/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/packet.h"

#include "session/fork.h"
#include "session/ice.h"

#include <time.h>

#define STUN_HEADER_OCTETS 20

static atomic_uint_fast64_t held[2];

uint64_t tg_ses_held_drops(int dir)
{
	return atomic_load_explicit(&held[dir], memory_order_relaxed);
}

uint64_t tg_ses_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* RFC 8489 section 5: magic cookie, and a length that fits */
static bool is_stun(const uint8_t *p, size_t octets)
{
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

	return octets >= STUN_HEADER_OCTETS && memcmp(p + 4, cookie, 4) == 0
		   && (size_t)(p[2] << 8 | p[3]) == octets - STUN_HEADER_OCTETS;
}

static enum tg_ses_verdict dropped(
		struct tg_ses_stream *st, int dir, enum tg_ses_drop why)
{
	st->drop[dir][why]++;
	return TG_SES_DROP;
}

void tg_ses_packet_lost(struct tg_ses_socket *s, int dir, enum tg_ses_drop why)
{
	struct tg_ses_stream *st = atomic_load(&s->stream);

	if(st == NULL || why == TG_SES_DROP_HELD) {
		atomic_fetch_add_explicit(&held[dir], 1, memory_order_relaxed);
		return;
	}
	pthread_mutex_lock(&st->lock);
	st->drop[dir][why]++;
	pthread_mutex_unlock(&st->lock);
}

/* RTP and RTCP share contexts unless RTCP has an association of its own */
static struct tg_srtp *context(struct tg_srtp *const ctx[2],
		const struct tg_ses_stream *st, int component)
{
	return ctx[st->far.separate && component == TG_KEY_RTCP ? 1 : 0];
}

/*
 * With ICE: to the far end whose validated pair it came by, or to nobody. Else
 * to the far end that the source is said to be, or to the present one.
 */
static enum tg_ses_verdict take_dtls(struct tg_ses_stream *st,
		struct tg_ses_socket *s, const struct tg_key_path *from,
		const uint8_t *packet, size_t octets)
{
	struct tg_ses_fork *f;
	bool pair = tg_ses_ice_enter(st, s, from, &f), known;

	if(!pair) {
		f = tg_ses_fork_from(st, from);
		if(f != NULL)
			tg_ses_fork_swap(st, f);
	}
	known = pair || !tg_ses_ice_on(st);
	if(known) {
		tg_key_datagram(st->far.key,
				(enum tg_key_component)atomic_load(&s->component),
				pair ? &tg_ses_ice_path : from, packet, octets,
				tg_ses_now_ms());
		(void)!tg_ses_stream_rekey(st);
		tg_ses_timers_on();
	}
	if(f != NULL && st->fork != NULL)
		tg_ses_fork_swap(st, f);
	/* consumed, if it was not refused */
	return known ? TG_SES_DROP : dropped(st, 0, TG_SES_DROP_PAIR);
}

static enum tg_ses_verdict in_locked(struct tg_ses_stream *st,
		struct tg_ses_socket *s, const struct tg_key_path *from,
		uint8_t *packet, size_t *octets)
{
	int component = atomic_load(&s->component);
	enum tg_srtp_kind kind = tg_srtp_kind(packet, *octets);
	struct tg_srtp *rx;
	enum tg_srtp_rc rc;

	switch(kind) {
		case TG_SRTP_KIND_STUN:
			/* what its agent does not use the daemon takes for media */
			if(!is_stun(packet, *octets) || !st->far.ice || !st->ice
					|| !tg_ses_ice_may_pass(st, true, s, from, packet, *octets))
				return dropped(st, 0, TG_SES_DROP_KIND);
			st->stun[0]++;
			tg_ses_ice_received(st, s, from, packet, *octets);
			return TG_SES_PASS;
		case TG_SRTP_KIND_DTLS:
			st->dtls++;
			if(st->far.key == NULL || tg_key_kx(st->far.key) != TG_KX_DTLS)
				return dropped(st, 0, TG_SES_DROP_KIND);
			return take_dtls(st, s, from, packet, *octets);
		case TG_SRTP_KIND_RTP:
		case TG_SRTP_KIND_RTCP:
			break;
		default:
			return dropped(st, 0, TG_SES_DROP_KIND);
	}
	rx = context(st->far.rx, st, component);
	if(rx == NULL && st->fork == NULL)
		return dropped(st, 0, TG_SES_DROP_NO_KEY);
	if(st->fork == NULL)
		rc = tg_srtp_unprotect(rx, kind, packet, octets);
	else
		rc = tg_ses_fork_unprotect(st, component, from, kind, packet, octets);
	return rc == TG_SRTP_OK ? TG_SES_PASS : dropped(st, 0, TG_SES_DROP_SRTP);
}

static enum tg_ses_verdict out_locked(struct tg_ses_stream *st,
		struct tg_ses_socket *s, const struct tg_key_path *to, uint8_t *packet,
		size_t *octets, size_t capacity)
{
	enum tg_srtp_kind kind = tg_srtp_kind(packet, *octets);
	struct tg_srtp *tx;

	if(kind == TG_SRTP_KIND_STUN && is_stun(packet, *octets) && st->far.ice
			&& st->ice && to != NULL
			&& tg_ses_ice_may_pass(st, false, s, to, packet, *octets)) {
		st->stun[1]++;
		tg_ses_ice_sent(st, s, to, packet, *octets);
		return TG_SES_PASS;
	}
	if(kind != TG_SRTP_KIND_RTP && kind != TG_SRTP_KIND_RTCP)
		return dropped(st, 1, TG_SES_DROP_KIND);
	tx = context(st->far.tx, st, atomic_load(&s->component));
	if(tx == NULL)
		return dropped(st, 1, TG_SES_DROP_NO_KEY);
	if(tg_srtp_protect(tx, kind, packet, octets, capacity) != TG_SRTP_OK)
		return dropped(st, 1, TG_SES_DROP_SRTP);
	return TG_SES_PASS;
}

/* The stream to work on, locked; NULL: *verdict says what to do */
static struct tg_ses_stream *enter(
		struct tg_ses_socket *s, int dir, enum tg_ses_verdict *verdict)
{
	struct tg_ses_stream *st;

	switch(atomic_load_explicit(&s->mode, memory_order_acquire)) {
		case TG_SES_PLAIN:
			*verdict = TG_SES_AS_IS;
			return NULL;
		case TG_SES_SECURED:
			st = atomic_load_explicit(&s->stream, memory_order_acquire);
			if(st == NULL)
				break;
			pthread_mutex_lock(&st->lock);
			return st;
		default:
			break;
	}
	tg_ses_packet_lost(s, dir, TG_SES_DROP_HELD);
	*verdict = TG_SES_DROP;
	return NULL;
}

/* For the prefetch of the next packet, which has no lock yet */
static void remember(struct tg_ses_socket *s, int dir, const void *context)
{
	if(atomic_load_explicit(&s->latest[dir], memory_order_relaxed) != context)
		atomic_store_explicit(&s->latest[dir], context, memory_order_relaxed);
}

enum tg_ses_verdict tg_ses_packet_in(struct tg_ses_socket *s,
		const struct tg_key_path *from, uint8_t *packet, size_t *octets)
{
	enum tg_ses_verdict v;
	struct tg_ses_stream *st = enter(s, 0, &v);

	if(st == NULL)
		return v;
	remember(s, 0, st->far.rx[0]);
	v = in_locked(st, s, from, packet, octets);
	pthread_mutex_unlock(&st->lock);
	return v;
}

enum tg_ses_verdict tg_ses_packet_out(struct tg_ses_socket *s,
		const struct tg_key_path *to, uint8_t *packet, size_t *octets,
		size_t capacity)
{
	enum tg_ses_verdict v;
	struct tg_ses_stream *st = enter(s, 1, &v);

	if(st == NULL)
		return v;
	remember(s, 1, st->far.tx[0]);
	v = out_locked(st, s, to, packet, octets, capacity);
	pthread_mutex_unlock(&st->lock);
	return v;
}

void tg_ses_packet_prefetch(struct tg_ses_socket *s)
{
	struct tg_ses_stream *st =
			atomic_load_explicit(&s->stream, memory_order_relaxed);
	const void *ahead =
			atomic_load_explicit(&s->ahead[0], memory_order_relaxed);

	if(st != NULL) {
		__builtin_prefetch(st, 1, 3);
		tg_srtp_prefetch(
				atomic_load_explicit(&s->latest[0], memory_order_relaxed));
	}
	if(ahead != NULL) {
		__builtin_prefetch(ahead, 1, 3);
		tg_srtp_prefetch(
				atomic_load_explicit(&s->ahead[1], memory_order_relaxed));
	}
}

void tg_ses_packet_pair(struct tg_ses_socket *in, struct tg_ses_socket *out)
{
	struct tg_ses_stream *st =
			atomic_load_explicit(&out->stream, memory_order_relaxed);
	const void *tx;

	if(st == NULL)
		return;
	tx = atomic_load_explicit(&out->latest[1], memory_order_relaxed);
	if(atomic_load_explicit(&in->ahead[1], memory_order_relaxed) == tx)
		return;
	atomic_store_explicit(&in->ahead[0], st, memory_order_relaxed);
	atomic_store_explicit(&in->ahead[1], tx, memory_order_relaxed);
}
