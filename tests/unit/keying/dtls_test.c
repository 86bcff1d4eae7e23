/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DTLS-SRTP between two of our objects over a network in memory that can
 * lose, delay and forge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "keying/keying.h"

#define QUEUE 256
#define DATAGRAM 2048

struct datagram {
	enum tg_key_component component;
	struct tg_key_path from, to;
	size_t n;
	uint8_t octet[DATAGRAM];
};

/* What one object sends */
struct wire {
	size_t n;
	size_t octets; /* sent in all */
	size_t largest;
	struct tg_key_path self;
	struct datagram *d;
};

struct end {
	struct tg_key_host host;
	struct tg_key_cert *cert;
	struct wire wire;
	struct tg_key *key;
};

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

static struct tg_key_path path(uint8_t host, uint16_t port)
{
	uint8_t octet[4] = {192, 0, 2, host};

	return (struct tg_key_path){.addr = tg_addr_of(octet, 4), .port = port};
}

static void open_end(struct end *e, uint8_t host, const enum tg_suite *suites)
{
	struct tg_key_profile p = {0};
	const char *why;

	memset(e, 0, sizeof(*e));
	for(size_t i = 0; suites[i]; i++)
		p.suite[i] = suites[i];
	e->cert = tg_key_cert_new_self_signed(&why);
	assert_non_null(e->cert);
	e->host.cert = e->cert;
	e->host.send = enqueue;
	memset(e->host.cookie_secret, host, sizeof(e->host.cookie_secret));
	e->wire.self = path(host, 4000);
	e->wire.d = calloc(QUEUE, sizeof(*e->wire.d));
	e->key = tg_key_new(TG_KX_DTLS, &p, &e->host, &e->wire);
	assert_non_null(e->key);
}

static void close_end(struct end *e)
{
	tg_key_free(e->key);
	tg_key_cert_free(e->cert);
	free(e->wire.d);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- descriptions ------------------------------------------------------- */

static struct tg_span value_of(const struct tg_key_lines *l, const char *name)
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

static struct tg_sdp_media media(const struct tg_key_lines *l)
{
	struct tg_sdp_media m = {0};
	struct tg_span f = value_of(l, "a=fingerprint:");

	m.security.fingerprint_hash = tg_span_cut(&f, ' ');
	m.security.fingerprint = f;
	m.security.n_fingerprints = 1;
	m.security.setup = setup_of(value_of(l, "a=setup:"));
	m.security.tls_id = value_of(l, "a=tls-id:");
	return m;
}

/* ---- the network -------------------------------------------------------- */

/* Moves everything that waits on one wire to the other end; percent lost */
static bool move(struct end *from, struct end *to, unsigned percent)
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
				copy[i].octet, copy[i].n, now_ms());
	}
	free(copy);
	return n > 0;
}

static void sleep_until_due(struct end *a, struct end *b)
{
	int64_t x = tg_key_timeout_ms(a->key, now_ms());
	int64_t y = tg_key_timeout_ms(b->key, now_ms());
	int64_t ms = x < 0 || (y >= 0 && y < x) ? y : x;
	struct timespec t = {.tv_nsec = 1000000
									* (ms > 300      ? 300
											: ms < 1 ? 1
													 : ms)};

	nanosleep(&t, NULL);
}

static bool ready(const struct end *e)
{
	return tg_key_state(e->key, TG_KEY_RTP) == TG_KEY_READY
		   && tg_key_state(e->key, TG_KEY_RTCP) == TG_KEY_READY;
}

/* Until both have keys, or nothing moves any more (percent 0) */
static void run(struct end *a, struct end *b, unsigned percent)
{
	for(int round = 0; round < 400; round++) {
		bool moved = move(a, b, percent);

		moved |= move(b, a, percent);
		if(moved)
			continue;
		if((ready(a) && ready(b)) || percent == 0)
			return;
		sleep_until_due(a, b);
		tg_key_tick(a->key, now_ms());
		tg_key_tick(b->key, now_ms());
	}
}

static void offer_and_answer(struct end *a, struct end *b, bool fresh)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;

	assert_int_equal(tg_key_offer(a->key, fresh, &l), TG_KEY_OK);
	m = media(&l);
	assert_int_equal(tg_key_take_offer(b->key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b->key, fresh, &l), TG_KEY_OK);
	m = media(&l);
	assert_int_equal(tg_key_take_answer(a->key, &m), TG_KEY_OK);
}

static void connect_all(struct end *a, const struct end *to)
{
	for(int c = 0; c < TG_KEY_COMPONENTS; c++)
		tg_key_connect(
				a->key, (enum tg_key_component)c, &to->wire.self, now_ms());
}

static void assert_crossed(const struct end *a, const struct end *b)
{
	for(int c = 0; c < TG_KEY_COMPONENTS; c++) {
		enum tg_key_component comp = (enum tg_key_component)c;

		assert_int_equal(tg_key_state(a->key, comp), TG_KEY_READY);
		assert_int_equal(tg_key_state(b->key, comp), TG_KEY_READY);
		assert_true(tg_srtp_keys_eq(tg_key_material(a->key, comp, TG_SRTP_TX),
				tg_key_material(b->key, comp, TG_SRTP_RX)));
		assert_true(tg_srtp_keys_eq(tg_key_material(a->key, comp, TG_SRTP_RX),
				tg_key_material(b->key, comp, TG_SRTP_TX)));
		assert_false(tg_srtp_keys_eq(tg_key_material(a->key, comp, TG_SRTP_RX),
				tg_key_material(a->key, comp, TG_SRTP_TX)));
	}
}

static const enum tg_suite usual[] = {TG_SUITE_AEAD_AES_256_GCM,
		TG_SUITE_AEAD_AES_128_GCM, TG_SUITE_AES_256_CM_HMAC_SHA1_80,
		TG_SUITE_AES_CM_128_HMAC_SHA1_80, TG_SUITE_NONE};

/* ---- tests -------------------------------------------------------------- */

static void agrees_on_keys_for_each_profile(void **state)
{
	static const enum tg_suite with[] = {TG_SUITE_AES_CM_128_HMAC_SHA1_80,
			TG_SUITE_AES_CM_128_HMAC_SHA1_32, TG_SUITE_AEAD_AES_128_GCM,
			TG_SUITE_AEAD_AES_256_GCM};

	(void)state;
	for(size_t i = 0; i < 4; i++) {
		enum tg_suite suites[] = {with[i], TG_SUITE_NONE};
		struct end a, b;

		open_end(&a, 1, suites);
		open_end(&b, 2, usual);
		if(i == 1) { /* not in the usual list */
			close_end(&b);
			open_end(&b, 2, suites);
		}
		offer_and_answer(&a, &b, false);
		assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_AGREED);
		assert_null(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX));
		connect_all(&b, &a);
		run(&a, &b, 0);
		assert_crossed(&a, &b);
		assert_int_equal(
				tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_TX)->suite, with[i]);
		assert_int_equal(tg_key_reason(a.key), TG_REASON_NONE);
		close_end(&a);
		close_end(&b);
	}
}

static void writes_the_lines_of_each_role(void **state)
{
	static const struct {
		enum tg_sdp_setup theirs;
		const char *ours;
	} row[] = {{TG_SDP_SETUP_ACTPASS, "active"},
			{TG_SDP_SETUP_ACTIVE, "passive"}, {TG_SDP_SETUP_PASSIVE, "active"}};
	struct tg_key_lines l, again;
	struct tg_sdp_media m;
	struct end a, b;

	(void)state;
	for(size_t i = 0; i < 3; i++) {
		open_end(&a, 1, usual);
		open_end(&b, 2, usual);
		assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
		assert_true(tg_span_eq(value_of(&l, "a=setup:"), TG_SPAN("actpass")));
		assert_int_equal(value_of(&l, "a=fingerprint:sha-256 ").len, 95);
		assert_int_equal(value_of(&l, "a=tls-id:").len, 32);
		assert_int_equal(tg_key_offer(a.key, false, &again), TG_KEY_OK);
		for(size_t j = 0; j < l.n; j++)
			assert_string_equal(l.line[j].text, again.line[j].text);
		m = media(&l);
		m.security.setup = row[i].theirs;
		if(i == 2)
			m.security.tls_id = tg_span_of(NULL, 0);
		assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
		assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
		assert_true(tg_span_eq(
				value_of(&l, "a=setup:"), tg_span_cstr(row[i].ours)));
		assert_int_equal(value_of(&l, "a=tls-id:").len, i == 2 ? 0 : 32);
		assert_int_equal(tg_key_answer(b.key, false, &again), TG_KEY_OK);
		for(size_t j = 0; j < l.n; j++)
			assert_string_equal(l.line[j].text, again.line[j].text);
		close_end(&a);
		close_end(&b);
	}
}

static void the_passive_answerer_agrees_too(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = media(&l);
	m.security.setup = TG_SDP_SETUP_ACTIVE;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	m = media(&l);
	connect_all(&a, &b); /* before the answer: begins with it */
	assert_int_equal(a.wire.n, 0);
	assert_int_equal(tg_key_take_answer(a.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_timeout_ms(a.key, now_ms()), 0);
	tg_key_tick(a.key, now_ms());
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void refuses_descriptions_it_must_not_take(void **state)
{
	static const enum tg_suite without[] = {
			TG_SUITE_AES_256_CM_HMAC_SHA1_80, TG_SUITE_NONE};
	struct tg_key_lines l, other;
	struct tg_sdp_media good, m;
	struct end a, b, c;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	open_end(&c, 3, without);
	assert_int_equal(tg_key_offer(c.key, false, &l), TG_KEY_NO_SUITE);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	good = media(&l);
	assert_int_equal(tg_key_take_offer(c.key, &good), TG_KEY_NO_SUITE);
	assert_int_equal(tg_key_take_answer(b.key, &good), TG_KEY_ORDER);
	m = good;
	m.security.n_fingerprints = 0;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_NONE);
	m = good;
	m.security.fingerprint_hash = TG_SPAN("sha-1");
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_WEAK);
	m.security.fingerprint_hash = TG_SPAN("md5");
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_WEAK);
	m.security.fingerprint_hash = TG_SPAN("sha-512");
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_MALFORMED);
	m = good;
	m.security.fingerprint.len -= 3;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_MALFORMED);
	m = good;
	m.security.setup = TG_SDP_SETUP_NONE;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_MALFORMED);
	m.security.setup = TG_SDP_SETUP_HOLDCONN;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_MALFORMED);
	assert_int_equal(tg_key_answer(b.key, false, &other), TG_KEY_ORDER);
	m = good;
	m.security.setup = TG_SDP_SETUP_ACTPASS; /* no role in an answer */
	assert_int_equal(tg_key_take_answer(a.key, &m), TG_KEY_MISMATCH);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_OFFERED);
	close_end(&a);
	close_end(&b);
	close_end(&c);
}

static void a_hello_before_the_answer_gives_no_keys_before_it(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m, answer;
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = media(&l);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	connect_all(&b, &a);
	run(&a, &b, 0);
	assert_true(ready(&b));
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_OFFERED);
	assert_null(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX));
	answer = media(&l);
	assert_int_equal(tg_key_take_answer(a.key, &answer), TG_KEY_OK);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void a_certificate_with_another_fingerprint_gets_no_media(void **state)
{
	(void)state;
	/* 0: known before the handshake, 1: after it, 2: the passive side lies */
	for(int when = 0; when < 3; when++) {
		struct tg_key_lines l, wrong;
		struct tg_sdp_media m;
		struct end a, b, c;

		open_end(&a, 1, usual);
		open_end(&b, 2, usual);
		open_end(&c, 3, usual);
		assert_int_equal(tg_key_offer(c.key, false, &wrong), TG_KEY_OK);
		assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
		m = media(when == 2 ? &wrong : &l);
		assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
		assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
		m = media(when == 2 ? &l : &wrong);
		m.security.setup = TG_SDP_SETUP_ACTIVE;
		if(when == 1) {
			connect_all(&b, &a);
			run(&a, &b, 0);
		}
		assert_int_equal(tg_key_take_answer(a.key, &m), TG_KEY_OK);
		if(when != 1)
			connect_all(&b, &a);
		run(&a, &b, 0);
		if(when == 2) {
			assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_FAILED);
			assert_int_equal(tg_key_reason(b.key), TG_REASON_MEDIA_KEYING);
			assert_non_null(strstr(tg_key_detail(b.key), "fingerprint"));
		} else {
			assert_int_equal(tg_key_reason(a.key), TG_REASON_MEDIA_KEYING);
			assert_non_null(strstr(tg_key_detail(a.key), "fingerprint"));
		}
		assert_null(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX));
		assert_null(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_TX));
		close_end(&a);
		close_end(&b);
		close_end(&c);
	}
}

/* The first flight of an active end, for a passive one to judge */
static struct datagram first_hello(struct end *active, const struct end *to)
{
	connect_all(active, to);
	assert_true(active->wire.n >= 1);
	return active->wire.d[0];
}

static void an_unverified_source_gets_little_and_costs_nothing(void **state)
{
	struct tg_key_lines l;
	struct datagram hello, retry;
	struct end a, b;
	size_t before;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	hello = first_hello(&b, &a);
	(void)l;
	for(uint16_t port = 1; port <= 200; port++) {
		struct tg_key_path from = path((uint8_t)(10 + port % 200), port);

		before = a.wire.octets;
		a.wire.n = 0;
		tg_key_datagram(
				a.key, TG_KEY_RTP, &from, hello.octet, hello.n, now_ms());
		assert_true(a.wire.octets - before <= 3 * hello.n);
		assert_int_equal(a.wire.n, 1);
		assert_int_equal(a.wire.d[0].to.port, port);
		assert_true(a.wire.octets - before < 100); /* HelloVerifyRequest */
		assert_int_equal(tg_key_timeout_ms(a.key, now_ms()), -1);
	}
	/* the cookie of one source is worth nothing at another */
	a.wire.n = b.wire.n = 0;
	tg_key_datagram(
			a.key, TG_KEY_RTP, &b.wire.self, hello.octet, hello.n, now_ms());
	move(&a, &b, 0);
	assert_int_equal(b.wire.n, 1);
	retry = b.wire.d[0];
	for(uint16_t port = 1; port <= 50; port++) {
		struct tg_key_path from = path(99, port);

		a.wire.n = 0;
		tg_key_datagram(
				a.key, TG_KEY_RTP, &from, retry.octet, retry.n, now_ms());
		assert_true(a.wire.n <= 1);
		assert_int_equal(tg_key_timeout_ms(a.key, now_ms()), -1);
	}
	a.wire.n = 0;
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void rubbish_is_survived(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	connect_all(&b, &a);
	for(int i = 0; i < 2000; i++) {
		uint8_t octet[300];
		struct tg_key_path from =
				i % 2 ? b.wire.self : path((uint8_t)(rand() % 250), 9);
		size_t n = (size_t)rand() % sizeof(octet);

		for(size_t j = 0; j < n; j++)
			octet[j] = (uint8_t)rand();
		octet[0] = (uint8_t)(20 + rand() % 4);
		octet[1] = 0xfe;
		octet[2] = 0xfd;
		tg_key_datagram(a.key, TG_KEY_RTP, &from, octet, n, now_ms());
		if(octet[0] != 21) /* an alert in clear may end an active try */
			tg_key_datagram(
					b.key, TG_KEY_RTP, &a.wire.self, octet, n, now_ms());
		a.wire.n = 0;
	}
	run(&a, &b, 1);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void the_right_one_wins_among_strangers(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m, answer;
	struct end a, b, stranger[6];

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = media(&l);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	answer = media(&l);
	for(uint8_t i = 0; i < 6; i++) {
		struct tg_key_lines unused;

		open_end(&stranger[i], 20 + i, usual);
		assert_int_equal(tg_key_take_offer(stranger[i].key, &m), TG_KEY_OK);
		assert_int_equal(
				tg_key_answer(stranger[i].key, false, &unused), TG_KEY_OK);
	}
	/* three strangers finish first, the right one comes fourth */
	for(int i = 0; i < 3; i++) {
		connect_all(&stranger[i], &a);
		run(&a, &stranger[i], 0);
	}
	connect_all(&b, &a);
	run(&a, &b, 0);
	/* no room for more before the answer */
	for(int i = 3; i < 6; i++) {
		connect_all(&stranger[i], &a);
		run(&a, &stranger[i], 0);
		assert_false(ready(&stranger[i]));
	}
	assert_null(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX));
	assert_int_equal(tg_key_take_answer(a.key, &answer), TG_KEY_OK);
	assert_crossed(&a, &b);
	for(int i = 0; i < 6; i++)
		close_end(&stranger[i]);
	close_end(&a);
	close_end(&b);
}

static void survives_loss_and_reorder(void **state)
{
	(void)state;
	srand(5);
	for(int i = 0; i < 4; i++) {
		struct end a, b;

		open_end(&a, 1, usual);
		open_end(&b, 2, usual);
		a.host.mtu = b.host.mtu = 400; /* more datagrams to lose */
		offer_and_answer(&a, &b, false);
		connect_all(&b, &a);
		run(&a, &b, 20);
		assert_crossed(&a, &b);
		assert_true(a.wire.largest <= 400);
		assert_true(b.wire.largest <= 400);
		close_end(&a);
		close_end(&b);
	}
}

static void each_component_has_keys_of_its_own(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	tg_key_set_components(a.key, true);
	tg_key_set_components(b.key, true);
	offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, now_ms());
	run(&a, &b, 0);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_READY);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTCP), TG_KEY_AGREED);
	assert_null(tg_key_material(a.key, TG_KEY_RTCP, TG_SRTP_RX));
	tg_key_connect(b.key, TG_KEY_RTCP, &a.wire.self, now_ms());
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	assert_false(tg_srtp_keys_eq(tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX),
			tg_key_material(a.key, TG_KEY_RTCP, TG_SRTP_RX)));
	close_end(&a);
	close_end(&b);
}

static void an_unchanged_negotiation_keeps_the_association(void **state)
{
	struct tg_srtp_keys was;
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	connect_all(&b, &a);
	run(&a, &b, 0);
	was = *tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX);
	offer_and_answer(&a, &b, false);
	connect_all(&b, &a);
	run(&a, &b, 0);
	offer_and_answer(&b, &a, false); /* and the other way round */
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	assert_true(tg_srtp_keys_eq(
			&was, tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	assert_int_equal(tg_key_generation(a.key), 1);
	close_end(&a);
	close_end(&b);
}

static void a_fresh_negotiation_brings_new_keys(void **state)
{
	struct tg_srtp_keys was;
	struct end a, b;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	connect_all(&b, &a);
	run(&a, &b, 0);
	was = *tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX);
	offer_and_answer(&b, &a, true);
	/* the old ones hold until there are new ones */
	assert_true(tg_srtp_keys_eq(
			&was, tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	connect_all(&a, &b);
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	assert_false(tg_srtp_keys_eq(
			&was, tg_key_material(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	assert_int_equal(tg_key_generation(a.key), 2);
	close_end(&a);
	close_end(&b);
}

static void gives_up_on_a_far_end_that_is_silent(void **state)
{
	struct end a, b;
	uint64_t t = now_ms();

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, t);
	tg_key_tick(b.key, t + 29000);
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_AGREED);
	tg_key_tick(b.key, t + 30000);
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_FAILED);
	assert_int_equal(tg_key_reason(b.key), TG_REASON_MEDIA_KEYING);
	assert_int_equal(tg_key_timeout_ms(b.key, t + 30000), -1);
	/* a new negotiation brings it back */
	offer_and_answer(&a, &b, true);
	connect_all(&b, &a);
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void tries_again_when_a_forged_alert_ends_a_try(void **state)
{
	static const uint8_t alert[] = {
			21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40};
	struct end a, b;
	uint64_t t = now_ms();

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, t);
	tg_key_datagram(b.key, TG_KEY_RTP, &a.wire.self, alert, sizeof(alert), t);
	b.wire.n = 0;
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_AGREED);
	assert_in_range(tg_key_timeout_ms(b.key, t), 1, 1000);
	tg_key_tick(b.key, t + 1000);
	run(&a, &b, 0);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void lingers_for_a_lost_flight_then_lets_go(void **state)
{
	struct end a, b;
	uint64_t t;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	offer_and_answer(&a, &b, false);
	connect_all(&b, &a);
	run(&a, &b, 0);
	t = now_ms() + 60001;
	assert_in_range(tg_key_timeout_ms(a.key, now_ms()), 50000, 60000);
	tg_key_tick(a.key, t);
	assert_int_equal(tg_key_timeout_ms(a.key, t), -1);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_READY);
	assert_crossed(&a, &b);
	close_end(&a);
	close_end(&b);
}

static void forks_shake_hands_on_their_own(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;
	struct end a, b, f;

	(void)state;
	open_end(&a, 1, usual);
	open_end(&b, 2, usual);
	open_end(&f, 1, usual);
	assert_null(tg_key_fork(a.key, &f.wire));
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = media(&l);
	tg_key_free(f.key);
	f.key = tg_key_fork(a.key, &f.wire);
	assert_non_null(f.key);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	m = media(&l);
	assert_int_equal(tg_key_take_answer(f.key, &m), TG_KEY_OK);
	connect_all(&b, &f);
	run(&f, &b, 0);
	assert_crossed(&f, &b);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_OFFERED);
	close_end(&a);
	close_end(&b);
	close_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(agrees_on_keys_for_each_profile),
			cmocka_unit_test(writes_the_lines_of_each_role),
			cmocka_unit_test(the_passive_answerer_agrees_too),
			cmocka_unit_test(refuses_descriptions_it_must_not_take),
			cmocka_unit_test(a_hello_before_the_answer_gives_no_keys_before_it),
			cmocka_unit_test(
					a_certificate_with_another_fingerprint_gets_no_media),
			cmocka_unit_test(
					an_unverified_source_gets_little_and_costs_nothing),
			cmocka_unit_test(rubbish_is_survived),
			cmocka_unit_test(the_right_one_wins_among_strangers),
			cmocka_unit_test(survives_loss_and_reorder),
			cmocka_unit_test(each_component_has_keys_of_its_own),
			cmocka_unit_test(an_unchanged_negotiation_keeps_the_association),
			cmocka_unit_test(a_fresh_negotiation_brings_new_keys),
			cmocka_unit_test(gives_up_on_a_far_end_that_is_silent),
			cmocka_unit_test(tries_again_when_a_forged_alert_ends_a_try),
			cmocka_unit_test(lingers_for_a_lost_flight_then_lets_go),
			cmocka_unit_test(forks_shake_hands_on_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
