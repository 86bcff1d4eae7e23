/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "network.h"
#include "material.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#define QUEUE 256

static void enqueue(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	struct wire *w = user;
	struct datagram *d = &w->d[w->n];

	assert_true(w->n < QUEUE);
	assert_true(octets <= DATAGRAM);
	d->component = component;
	d->from = w->self;
	d->to = *to;
	d->n = octets;
	memcpy(d->octet, octet, octets);
	w->n++;
	w->octets += octets;
	if(octets > w->largest)
		w->largest = octets;
}

struct tg_key_path net_path(uint8_t host, uint16_t port)
{
	uint8_t octet[4] = {192, 0, 2, host};

	return (struct tg_key_path){.addr = tg_addr_of(octet, 4), .port = port};
}

void net_open_end(struct end *e, uint8_t host, const enum tg_suite *suites)
{
	struct tg_key_profile p = {0};
	const char *why;

	for(size_t i = 0; suites[i]; i++)
		p.suite[i] = suites[i];
	net_open_end_with(e, host, &p, tg_key_cert_new_self_signed(&why));
}

void net_open_end_with(struct end *e, uint8_t host,
		const struct tg_key_profile *profile, struct tg_key_cert *cert)
{
	memset(e, 0, sizeof(*e));
	e->cert = cert;
	assert_non_null(e->cert);
	e->host.cert = e->cert;
	e->host.send = enqueue;
	memset(e->host.cookie_secret, host, sizeof(e->host.cookie_secret));
	e->wire.self = net_path(host, 4000);
	e->wire.d = calloc(QUEUE, sizeof(*e->wire.d));
	e->key = tg_key_new(TG_KX_DTLS, profile, &e->host, &e->wire);
	assert_non_null(e->key);
}

void net_close_end(struct end *e)
{
	tg_key_free(e->key);
	tg_key_cert_free(e->cert);
	free(e->wire.d);
}

uint64_t net_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- descriptions ------------------------------------------------------- */

struct tg_span net_value_of(const struct tg_key_lines *l, const char *name)
{
	for(size_t i = 0; i < l->n; i++) {
		struct tg_span s = tg_span_of(l->line[i].text, l->line[i].len);

		if(tg_span_starts(s, tg_span_cstr(name)))
			return tg_span_of(s.ptr + strlen(name), s.len - strlen(name));
	}
	return tg_span_of(NULL, 0);
}

static enum tg_sdp_setup setup_of(struct tg_span s)
{
	if(tg_span_eq(s, TG_SPAN("active")))
		return TG_SDP_SETUP_ACTIVE;
	if(tg_span_eq(s, TG_SPAN("passive")))
		return TG_SDP_SETUP_PASSIVE;
	if(tg_span_eq(s, TG_SPAN("actpass")))
		return TG_SDP_SETUP_ACTPASS;
	return TG_SDP_SETUP_NONE;
}

struct tg_sdp_media net_media(const struct tg_key_lines *l)
{
	struct tg_sdp_media m = {0};
	struct tg_span f = net_value_of(l, "a=fingerprint:");

	m.security.fingerprint_hash = tg_span_cut(&f, ' ');
	m.security.fingerprint = f;
	m.security.n_fingerprints = 1;
	m.security.setup = setup_of(net_value_of(l, "a=setup:"));
	m.security.tls_id = net_value_of(l, "a=tls-id:");
	return m;
}

/* ---- the network -------------------------------------------------------- */

/* Moves everything that waits on one wire to the other end; percent lost */
bool net_move(struct end *from, struct end *to, unsigned percent)
{
	struct datagram *d = from->wire.d;
	size_t n = from->wire.n;
	struct datagram *copy = calloc(n + 1, sizeof(*copy));

	memcpy(copy, d, n * sizeof(*d));
	from->wire.n = 0;
	for(size_t i = 0; i < n; i++) {
		size_t at = percent && i + 1 < n && rand() % 3 == 0 ? i + 1 : i;
		struct datagram t = copy[i];

		copy[i] = copy[at];
		copy[at] = t;
		if((unsigned)(rand() % 100) < percent)
			continue;
		tg_key_datagram(to->key, copy[i].component, &copy[i].from,
				copy[i].octet, copy[i].n, net_now_ms());
	}
	free(copy);
	return n > 0;
}

static void sleep_until_due(struct end *a, struct end *b)
{
	int64_t x = tg_key_timeout_ms(a->key, net_now_ms());
	int64_t y = tg_key_timeout_ms(b->key, net_now_ms());
	int64_t ms = x < 0 || (y >= 0 && y < x) ? y : x;
	struct timespec t = {.tv_nsec = 1000000
									* (ms > 300      ? 300
											: ms < 1 ? 1
													 : ms)};

	nanosleep(&t, NULL);
}

bool net_ready(const struct end *e)
{
	return tg_key_state(e->key, TG_KEY_RTP) == TG_KEY_READY
		   && tg_key_state(e->key, TG_KEY_RTCP) == TG_KEY_READY;
}

/* Until both have keys, or nothing moves any more (percent 0) */
void net_run(struct end *a, struct end *b, unsigned percent)
{
	for(int round = 0; round < 400; round++) {
		bool moved = net_move(a, b, percent);

		moved |= net_move(b, a, percent);
		if(moved)
			continue;
		if((net_ready(a) && net_ready(b)) || percent == 0)
			return;
		sleep_until_due(a, b);
		tg_key_tick(a->key, net_now_ms());
		tg_key_tick(b->key, net_now_ms());
	}
}

void net_offer_and_answer(struct end *a, struct end *b, bool fresh)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;

	assert_int_equal(tg_key_offer(a->key, fresh, &l), TG_KEY_OK);
	m = net_media(&l);
	assert_int_equal(tg_key_take_offer(b->key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b->key, fresh, &l), TG_KEY_OK);
	m = net_media(&l);
	assert_int_equal(tg_key_take_answer(a->key, &m), TG_KEY_OK);
}

void net_connect_all(struct end *a, const struct end *to)
{
	for(int c = 0; c < TG_KEY_COMPONENTS; c++)
		tg_key_connect(
				a->key, (enum tg_key_component)c, &to->wire.self, net_now_ms());
}

void net_assert_crossed(const struct end *a, const struct end *b)
{
	for(int c = 0; c < TG_KEY_COMPONENTS; c++) {
		enum tg_key_component comp = (enum tg_key_component)c;

		assert_int_equal(tg_key_state(a->key, comp), TG_KEY_READY);
		assert_int_equal(tg_key_state(b->key, comp), TG_KEY_READY);
		assert_true(tg_srtp_keys_eq(material_of(a->key, comp, TG_SRTP_TX),
				material_of(b->key, comp, TG_SRTP_RX)));
		assert_true(tg_srtp_keys_eq(material_of(a->key, comp, TG_SRTP_RX),
				material_of(b->key, comp, TG_SRTP_TX)));
		assert_false(tg_srtp_keys_eq(material_of(a->key, comp, TG_SRTP_RX),
				material_of(a->key, comp, TG_SRTP_TX)));
	}
}

const enum tg_suite net_usual[] = {TG_SUITE_AEAD_AES_256_GCM,
		TG_SUITE_AEAD_AES_128_GCM, TG_SUITE_AES_256_CM_HMAC_SHA1_80,
		TG_SUITE_AES_CM_128_HMAC_SHA1_80, TG_SUITE_NONE};
