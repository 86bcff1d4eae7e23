/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See association.h. RFC 5763 section 6.7: a ClientHello may come before the
 * answer, and from anyone. Sources are kept apart: each has a handshake of its
 * own, behind a cookie (RFC 6347 section 4.2.1), and none can end another's.
 */
#include "keying/association.h"

#include <stdio.h>

#include "base/alloc.h"

#define GIVE_UP_MS 30000 /* without a finished handshake */
#define RETRY_MS 1000    /* active: after one that was broken off */
#define LINGER_MS 60000  /* a lost last flight is answered that long */
#define CONTENT_HANDSHAKE 22
#define CLIENT_HELLO 1
#define RECORD_HEADER_OCTETS 13

void tg_association_init(struct tg_association *a,
		struct tg_handshake_owner *owner, enum tg_key_component component)
{
	memset(a, 0, sizeof(*a));
	a->owner = owner;
	a->component = component;
}

static void close_all(struct tg_association *a, bool notify)
{
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++)
		tg_handshake_close(&a->candidate[i], notify);
	tg_handshake_close(&a->listener, false);
}

void tg_association_deinit(struct tg_association *a, bool notify)
{
	close_all(a, notify && a->won);
	tg_wipe(a, sizeof(*a));
}

void tg_association_begin(struct tg_association *a, enum tg_dtls_role role)
{
	bool keep = role != TG_DTLS_ACTIVE && a->open && !a->won
				&& a->role != TG_DTLS_ACTIVE;

	if(!keep)
		close_all(a, false);
	a->role = role;
	a->open = true;
	a->failed = a->started = a->won = false;
	a->retry_ms = 0;
}

static bool same_path(const struct tg_key_path *a, const struct tg_key_path *b)
{
	return a->port == b->port && tg_addr_eq(&a->addr, &b->addr);
}

static void say(
		struct tg_association *a, enum tg_reason reason, const char *text)
{
	a->owner->key->reason = reason;
	snprintf(a->owner->detail, sizeof(a->owner->detail), "%s", text);
}

static void give_up(struct tg_association *a)
{
	close_all(a, false);
	a->failed = true;
	if(a->has_keys) {
		tg_srtp_keys_wipe(&a->rx);
		tg_srtp_keys_wipe(&a->tx);
		a->has_keys = false;
		a->owner->key->generation++;
	}
}

/* ---- the end of a handshake --------------------------------------------- */

static void win(struct tg_association *a, struct tg_handshake *h)
{
	struct tg_srtp_keys rx, tx;

	if(!tg_handshake_export(h, &rx, &tx)) {
		say(a, TG_REASON_MEDIA_SUITE,
				"the DTLS handshake agreed on no SRTP profile");
		tg_handshake_close(h, true);
		if(a->role == TG_DTLS_ACTIVE)
			give_up(a);
		return;
	}
	a->rx = rx;
	a->tx = tx;
	tg_srtp_keys_wipe(&rx);
	tg_srtp_keys_wipe(&tx);
	a->peer = h->path;
	a->has_keys = a->won = true;
	a->won_ms = a->now_ms;
	a->owner->key->generation++;
	say(a, TG_REASON_NONE, "");
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++)
		if(&a->candidate[i] != h)
			tg_handshake_close(&a->candidate[i], false);
	tg_handshake_close(&a->listener, false);
}

/* What one handshake has come to */
static void settle(struct tg_association *a, struct tg_handshake *h)
{
	bool fatal = h->fatal;

	if(h->state == TG_HS_FAILED) {
		tg_handshake_close(h, false);
		if(a->role != TG_DTLS_ACTIVE)
			return; /* others may still come */
		if(fatal)
			give_up(a);
		else
			a->retry_ms = a->now_ms + RETRY_MS;
		return;
	}
	if(h->state != TG_HS_DONE || a->won || !a->owner->remote.md)
		return;
	if(a->role == TG_DTLS_UNDECIDED)
		return; /* the answer may still give us the other role */
	if(tg_handshake_fits(h)) {
		win(a, h);
		return;
	}
	say(a, TG_REASON_MEDIA_KEYING,
			"the certificate's fingerprint is not the signalled one");
	tg_handshake_close(h, true);
}

void tg_association_judge(struct tg_association *a)
{
	for(size_t i = 0; i < TG_KEY_CANDIDATES && !a->won; i++)
		if(a->candidate[i].ssl)
			settle(a, &a->candidate[i]);
}

/* ---- active ------------------------------------------------------------- */

static void start(struct tg_association *a)
{
	struct tg_handshake *h = &a->candidate[0];

	if(!a->started)
		a->started_ms = a->now_ms;
	a->started = true;
	a->retry_ms = 0;
	tg_handshake_close(h, false);
	if(!tg_handshake_open(h, a->owner, a->component, true, &a->to, a->now_ms)) {
		say(a, TG_REASON_INTERNAL, "no memory for a DTLS handshake");
		give_up(a);
		return;
	}
	tg_handshake_feed(h, NULL, 0);
	settle(a, h);
}

static bool may_start(const struct tg_association *a)
{
	return a->open && a->role == TG_DTLS_ACTIVE && a->has_to && !a->started
		   && !a->failed;
}

void tg_association_connect(
		struct tg_association *a, const struct tg_key_path *to, uint64_t now_ms)
{
	a->now_ms = now_ms;
	a->to = *to;
	a->has_to = true;
	if(may_start(a))
		start(a);
	else if(a->role == TG_DTLS_ACTIVE && a->candidate[0].ssl)
		a->candidate[0].path = *to;
}

/* ---- passive ------------------------------------------------------------ */

static struct tg_handshake *find(
		struct tg_association *a, const struct tg_key_path *from)
{
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++)
		if(a->candidate[i].ssl && same_path(&a->candidate[i].path, from))
			return &a->candidate[i];
	return NULL;
}

static struct tg_handshake *vacant(struct tg_association *a)
{
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++)
		if(!a->candidate[i].ssl)
			return &a->candidate[i];
	return NULL;
}

/*
 * Sources that return a cookie and then say nothing hold all the places there
 * are, for GIVE_UP_MS. The one that the signalling names takes the oldest.
 */
static struct tg_handshake *displaced(struct tg_association *a)
{
	struct tg_handshake *oldest = &a->candidate[0];

	for(size_t i = 1; i < TG_KEY_CANDIDATES; i++)
		if(a->candidate[i].born_ms < oldest->born_ms)
			oldest = &a->candidate[i];
	tg_handshake_close(oldest, false);
	return oldest;
}

static bool is_client_hello(const uint8_t *octet, size_t octets)
{
	return octets > RECORD_HEADER_OCTETS && octet[0] == CONTENT_HANDSHAKE
		   && octet[RECORD_HEADER_OCTETS] == CLIENT_HELLO;
}

/*
 * A source we know nothing of. One listener for all of them: it answers a
 * hello without cookie with a HelloVerifyRequest, which is shorter than the
 * hello, and keeps nothing.
 */
static void welcome(struct tg_association *a, const struct tg_key_path *from,
		const uint8_t *octet, size_t octets)
{
	struct tg_handshake *l = &a->listener, *h = vacant(a);

	if(!is_client_hello(octet, octets)
			|| (!h && !(a->has_to && same_path(&a->to, from))))
		return;
	if(!l->ssl
			&& !tg_handshake_open(
					l, a->owner, a->component, false, from, a->now_ms))
		return;
	l->path = *from;
	if(!tg_handshake_listen(l, octet, octets))
		return;
	if(!h)
		h = displaced(a);
	*h = *l;
	memset(l, 0, sizeof(*l));
	h->born_ms = a->now_ms;
	tg_handshake_feed(h, NULL, 0);
	settle(a, h);
}

void tg_association_datagram(struct tg_association *a,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms)
{
	struct tg_handshake *h = find(a, from);

	a->now_ms = now_ms;
	if(!a->open || a->failed)
		return;
	if(h) {
		tg_handshake_feed(h, octet, octets);
		settle(a, h);
	} else if(a->role != TG_DTLS_ACTIVE && !a->won) {
		welcome(a, from, octet, octets);
	}
}

/* ---- time --------------------------------------------------------------- */

static void sooner(int64_t *best, int64_t ms)
{
	if(ms < 0)
		ms = 0;
	if(*best < 0 || ms < *best)
		*best = ms;
}

static void sooner_at(int64_t *best, uint64_t at, uint64_t now)
{
	sooner(best, at > now ? (int64_t)(at - now) : 0);
}

int64_t tg_association_timeout_ms(
		const struct tg_association *a, uint64_t now_ms)
{
	int64_t best = -1;

	if(!a->open || a->failed)
		return -1;
	if(may_start(a))
		return 0;
	if(a->role == TG_DTLS_ACTIVE && a->started && !a->won)
		sooner_at(&best, a->started_ms + GIVE_UP_MS, now_ms);
	if(a->retry_ms)
		sooner_at(&best, a->retry_ms, now_ms);
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++) {
		const struct tg_handshake *h = &a->candidate[i];
		int64_t ms = h->ssl ? tg_handshake_timeout_ms(h) : -1;

		if(ms >= 0)
			sooner(&best, ms);
		if(h->ssl && a->won)
			sooner_at(&best, a->won_ms + LINGER_MS, now_ms);
		else if(h->ssl)
			sooner_at(&best, h->born_ms + GIVE_UP_MS, now_ms);
	}
	return best;
}

static void tick_candidate(struct tg_association *a, struct tg_handshake *h)
{
	uint64_t end = a->won ? a->won_ms + LINGER_MS : h->born_ms + GIVE_UP_MS;

	if(a->now_ms >= end) {
		tg_handshake_close(h, false);
		return;
	}
	if(tg_handshake_timeout_ms(h) == 0) {
		tg_handshake_retransmit(h);
		settle(a, h);
	}
}

void tg_association_tick(struct tg_association *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
	if(!a->open || a->failed)
		return;
	if(a->role == TG_DTLS_ACTIVE && a->started && !a->won
			&& now_ms >= a->started_ms + GIVE_UP_MS) {
		if(a->owner->key->reason == TG_REASON_NONE)
			say(a, TG_REASON_MEDIA_KEYING,
					"the far end does not answer the DTLS handshake");
		give_up(a);
		return;
	}
	for(size_t i = 0; i < TG_KEY_CANDIDATES; i++)
		if(a->candidate[i].ssl)
			tick_candidate(a, &a->candidate[i]);
	if(may_start(a) || (a->retry_ms && now_ms >= a->retry_ms))
		start(a);
}
