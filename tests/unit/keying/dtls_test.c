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
#include <stdlib.h>

#include "network.h"
#include "material.h"

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

		net_open_end(&a, 1, suites);
		net_open_end(&b, 2, net_usual);
		if(i == 1) { /* not in the usual list */
			net_close_end(&b);
			net_open_end(&b, 2, suites);
		}
		net_offer_and_answer(&a, &b, false);
		assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_AGREED);
		assert_null(material_of(a.key, TG_KEY_RTP, TG_SRTP_RX));
		net_connect_all(&b, &a);
		net_run(&a, &b, 0);
		net_assert_crossed(&a, &b);
		assert_int_equal(
				material_of(a.key, TG_KEY_RTP, TG_SRTP_TX)->suite, with[i]);
		assert_int_equal(tg_key_reason(a.key), TG_REASON_NONE);
		net_close_end(&a);
		net_close_end(&b);
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
		net_open_end(&a, 1, net_usual);
		net_open_end(&b, 2, net_usual);
		assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
		assert_true(
				tg_span_eq(net_value_of(&l, "a=setup:"), TG_SPAN("actpass")));
		assert_int_equal(net_value_of(&l, "a=fingerprint:sha-256 ").len, 95);
		assert_int_equal(net_value_of(&l, "a=tls-id:").len, 32);
		assert_int_equal(tg_key_offer(a.key, false, &again), TG_KEY_OK);
		for(size_t j = 0; j < l.n; j++)
			assert_string_equal(l.line[j].text, again.line[j].text);
		m = net_media(&l);
		m.security.setup = row[i].theirs;
		if(i == 2)
			m.security.tls_id = tg_span_of(NULL, 0);
		assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
		assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
		assert_true(tg_span_eq(
				net_value_of(&l, "a=setup:"), tg_span_cstr(row[i].ours)));
		assert_int_equal(net_value_of(&l, "a=tls-id:").len, i == 2 ? 0 : 32);
		assert_int_equal(tg_key_answer(b.key, false, &again), TG_KEY_OK);
		for(size_t j = 0; j < l.n; j++)
			assert_string_equal(l.line[j].text, again.line[j].text);
		net_close_end(&a);
		net_close_end(&b);
	}
}

static void the_passive_answerer_agrees_too(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	m.security.setup = TG_SDP_SETUP_ACTIVE;
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	net_connect_all(&a, &b); /* before the answer: begins with it */
	assert_int_equal(a.wire.n, 0);
	assert_int_equal(tg_key_take_answer(a.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_timeout_ms(a.key, net_now_ms()), 0);
	tg_key_tick(a.key, net_now_ms());
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void refuses_descriptions_it_must_not_take(void **state)
{
	static const enum tg_suite without[] = {
			TG_SUITE_AES_256_CM_HMAC_SHA1_80, TG_SUITE_NONE};
	struct tg_key_lines l, other;
	struct tg_sdp_media good, m;
	struct end a, b, c;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_open_end(&c, 3, without);
	assert_int_equal(tg_key_offer(c.key, false, &l), TG_KEY_NO_SUITE);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	good = net_media(&l);
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
	net_close_end(&a);
	net_close_end(&b);
	net_close_end(&c);
}

static void a_hello_before_the_answer_gives_no_keys_before_it(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m, answer;
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	assert_true(net_ready(&b));
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_OFFERED);
	assert_null(material_of(a.key, TG_KEY_RTP, TG_SRTP_RX));
	answer = net_media(&l);
	assert_int_equal(tg_key_take_answer(a.key, &answer), TG_KEY_OK);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void a_certificate_with_another_fingerprint_gets_no_media(void **state)
{
	(void)state;
	/* 0: known before the handshake, 1: after it, 2: the passive side lies */
	for(int when = 0; when < 3; when++) {
		struct tg_key_lines l, wrong;
		struct tg_sdp_media m;
		struct end a, b, c;

		net_open_end(&a, 1, net_usual);
		net_open_end(&b, 2, net_usual);
		net_open_end(&c, 3, net_usual);
		assert_int_equal(tg_key_offer(c.key, false, &wrong), TG_KEY_OK);
		assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
		m = net_media(when == 2 ? &wrong : &l);
		assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
		assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
		m = net_media(when == 2 ? &l : &wrong);
		m.security.setup = TG_SDP_SETUP_ACTIVE;
		if(when == 1) {
			net_connect_all(&b, &a);
			net_run(&a, &b, 0);
		}
		assert_int_equal(tg_key_take_answer(a.key, &m), TG_KEY_OK);
		if(when != 1)
			net_connect_all(&b, &a);
		net_run(&a, &b, 0);
		if(when == 2) {
			assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_FAILED);
			assert_int_equal(tg_key_reason(b.key), TG_REASON_MEDIA_KEYING);
			assert_non_null(strstr(tg_key_detail(b.key), "fingerprint"));
		} else {
			assert_int_equal(tg_key_reason(a.key), TG_REASON_MEDIA_KEYING);
			assert_non_null(strstr(tg_key_detail(a.key), "fingerprint"));
		}
		assert_null(material_of(a.key, TG_KEY_RTP, TG_SRTP_RX));
		assert_null(material_of(a.key, TG_KEY_RTP, TG_SRTP_TX));
		net_close_end(&a);
		net_close_end(&b);
		net_close_end(&c);
	}
}

/* The first flight of an active end, for a passive one to judge */
static struct datagram first_hello(struct end *active, const struct end *to)
{
	net_connect_all(active, to);
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
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	hello = first_hello(&b, &a);
	(void)l;
	for(uint16_t port = 1; port <= 200; port++) {
		struct tg_key_path from = net_path((uint8_t)(10 + port % 200), port);

		before = a.wire.octets;
		a.wire.n = 0;
		tg_key_datagram(
				a.key, TG_KEY_RTP, &from, hello.octet, hello.n, net_now_ms());
		assert_true(a.wire.octets - before <= 3 * hello.n);
		assert_int_equal(a.wire.n, 1);
		assert_int_equal(a.wire.d[0].to.port, port);
		assert_true(a.wire.octets - before < 100); /* HelloVerifyRequest */
		assert_int_equal(tg_key_timeout_ms(a.key, net_now_ms()), -1);
	}
	/* the cookie of one source is worth nothing at another */
	a.wire.n = b.wire.n = 0;
	tg_key_datagram(a.key, TG_KEY_RTP, &b.wire.self, hello.octet, hello.n,
			net_now_ms());
	net_move(&a, &b, 0);
	assert_int_equal(b.wire.n, 1);
	retry = b.wire.d[0];
	for(uint16_t port = 1; port <= 50; port++) {
		struct tg_key_path from = net_path(99, port);

		a.wire.n = 0;
		tg_key_datagram(
				a.key, TG_KEY_RTP, &from, retry.octet, retry.n, net_now_ms());
		assert_true(a.wire.n <= 1);
		assert_int_equal(tg_key_timeout_ms(a.key, net_now_ms()), -1);
	}
	a.wire.n = 0;
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void rubbish_is_survived(void **state)
{
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&b, &a);
	for(int i = 0; i < 2000; i++) {
		uint8_t octet[300];
		struct tg_key_path from =
				i % 2 ? b.wire.self : net_path((uint8_t)(rand() % 250), 9);
		size_t n = (size_t)rand() % sizeof(octet);

		for(size_t j = 0; j < n; j++)
			octet[j] = (uint8_t)rand();
		octet[0] = (uint8_t)(20 + rand() % 4);
		octet[1] = 0xfe;
		octet[2] = 0xfd;
		tg_key_datagram(a.key, TG_KEY_RTP, &from, octet, n, net_now_ms());
		if(octet[0] != 21) /* an alert in clear may end an active try */
			tg_key_datagram(
					b.key, TG_KEY_RTP, &a.wire.self, octet, n, net_now_ms());
		a.wire.n = 0;
	}
	net_run(&a, &b, 1);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void the_right_one_wins_among_strangers(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m, answer;
	struct end a, b, stranger[6];

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	answer = net_media(&l);
	for(uint8_t i = 0; i < 6; i++) {
		struct tg_key_lines unused;

		net_open_end(&stranger[i], 20 + i, net_usual);
		assert_int_equal(tg_key_take_offer(stranger[i].key, &m), TG_KEY_OK);
		assert_int_equal(
				tg_key_answer(stranger[i].key, false, &unused), TG_KEY_OK);
	}
	/* three strangers finish first, the right one comes fourth */
	for(int i = 0; i < 3; i++) {
		net_connect_all(&stranger[i], &a);
		net_run(&a, &stranger[i], 0);
	}
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	/* no room for more before the answer */
	for(int i = 3; i < 6; i++) {
		net_connect_all(&stranger[i], &a);
		net_run(&a, &stranger[i], 0);
		assert_false(net_ready(&stranger[i]));
	}
	assert_null(material_of(a.key, TG_KEY_RTP, TG_SRTP_RX));
	assert_int_equal(tg_key_take_answer(a.key, &answer), TG_KEY_OK);
	net_assert_crossed(&a, &b);
	for(int i = 0; i < 6; i++)
		net_close_end(&stranger[i]);
	net_close_end(&a);
	net_close_end(&b);
}

/* They return a cookie, and that is all they ever do */
static void strangers_that_say_nothing_more_keep_nobody_out(void **state)
{
	struct end a, b, stranger[TG_KEY_CANDIDATES + 1];
	struct tg_key_lines unused;
	struct tg_sdp_media m;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&a, &b);
	assert_int_equal(tg_key_offer(a.key, false, &unused), TG_KEY_OK);
	m = net_media(&unused);
	for(uint8_t i = 0; i <= TG_KEY_CANDIDATES; i++) {
		struct end *e = &stranger[i];

		net_open_end(e, 20 + i, net_usual);
		assert_int_equal(tg_key_take_offer(e->key, &m), TG_KEY_OK);
		assert_int_equal(tg_key_answer(e->key, false, &unused), TG_KEY_OK);
		net_connect_all(e, &a);
		for(int hello = 0; hello < 2; hello++) {
			a.wire.n = 0;
			net_move(e, &a, 0);
			net_move(&a, e, 0);
		}
	}
	a.wire.n = 0;
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	for(size_t i = 0; i <= TG_KEY_CANDIDATES; i++)
		net_close_end(&stranger[i]);
	net_close_end(&a);
	net_close_end(&b);
}

static void survives_loss_and_reorder(void **state)
{
	(void)state;
	srand(5);
	for(int i = 0; i < 4; i++) {
		struct end a, b;

		net_open_end(&a, 1, net_usual);
		net_open_end(&b, 2, net_usual);
		a.host.mtu = b.host.mtu = 400; /* more datagrams to lose */
		net_offer_and_answer(&a, &b, false);
		net_connect_all(&b, &a);
		net_run(&a, &b, 20);
		net_assert_crossed(&a, &b);
		assert_true(a.wire.largest <= 400);
		assert_true(b.wire.largest <= 400);
		net_close_end(&a);
		net_close_end(&b);
	}
}

static void each_component_has_keys_of_its_own(void **state)
{
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	tg_key_set_components(a.key, true);
	tg_key_set_components(b.key, true);
	net_offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, net_now_ms());
	net_run(&a, &b, 0);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_READY);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTCP), TG_KEY_AGREED);
	assert_null(material_of(a.key, TG_KEY_RTCP, TG_SRTP_RX));
	tg_key_connect(b.key, TG_KEY_RTCP, &a.wire.self, net_now_ms());
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	assert_false(tg_srtp_keys_eq(material_of(a.key, TG_KEY_RTP, TG_SRTP_RX),
			material_of(a.key, TG_KEY_RTCP, TG_SRTP_RX)));
	net_close_end(&a);
	net_close_end(&b);
}

static void an_unchanged_negotiation_keeps_the_association(void **state)
{
	struct tg_srtp_keys was;
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	was = *material_of(a.key, TG_KEY_RTP, TG_SRTP_RX);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	net_offer_and_answer(&b, &a, false); /* and the other way round */
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	assert_true(
			tg_srtp_keys_eq(&was, material_of(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	assert_int_equal(tg_key_generation(a.key), 1);
	net_close_end(&a);
	net_close_end(&b);
}

static void a_fresh_negotiation_brings_new_keys(void **state)
{
	struct tg_srtp_keys was;
	struct end a, b;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	was = *material_of(a.key, TG_KEY_RTP, TG_SRTP_RX);
	net_offer_and_answer(&b, &a, true);
	/* the old ones hold until there are new ones */
	assert_true(
			tg_srtp_keys_eq(&was, material_of(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	net_connect_all(&a, &b);
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	assert_false(
			tg_srtp_keys_eq(&was, material_of(a.key, TG_KEY_RTP, TG_SRTP_RX)));
	assert_int_equal(tg_key_generation(a.key), 2);
	net_close_end(&a);
	net_close_end(&b);
}

static void gives_up_on_a_far_end_that_is_silent(void **state)
{
	struct end a, b;
	uint64_t t = net_now_ms();

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, t);
	tg_key_tick(b.key, t + 29000);
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_AGREED);
	tg_key_tick(b.key, t + 30000);
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_FAILED);
	assert_int_equal(tg_key_reason(b.key), TG_REASON_MEDIA_KEYING);
	assert_int_equal(tg_key_timeout_ms(b.key, t + 30000), -1);
	/* a new negotiation brings it back */
	net_offer_and_answer(&a, &b, true);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void tries_again_when_a_forged_alert_ends_a_try(void **state)
{
	static const uint8_t alert[] = {
			21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40};
	struct end a, b;
	uint64_t t = net_now_ms();

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	tg_key_connect(b.key, TG_KEY_RTP, &a.wire.self, t);
	tg_key_datagram(b.key, TG_KEY_RTP, &a.wire.self, alert, sizeof(alert), t);
	b.wire.n = 0;
	assert_int_equal(tg_key_state(b.key, TG_KEY_RTP), TG_KEY_AGREED);
	assert_in_range(tg_key_timeout_ms(b.key, t), 1, 1000);
	tg_key_tick(b.key, t + 1000);
	net_run(&a, &b, 0);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void lingers_for_a_lost_flight_then_lets_go(void **state)
{
	struct end a, b;
	uint64_t t;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_offer_and_answer(&a, &b, false);
	net_connect_all(&b, &a);
	net_run(&a, &b, 0);
	t = net_now_ms() + 60001;
	assert_in_range(tg_key_timeout_ms(a.key, net_now_ms()), 50000, 60000);
	tg_key_tick(a.key, t);
	assert_int_equal(tg_key_timeout_ms(a.key, t), -1);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_READY);
	net_assert_crossed(&a, &b);
	net_close_end(&a);
	net_close_end(&b);
}

static void forks_shake_hands_on_their_own(void **state)
{
	struct tg_key_lines l;
	struct tg_sdp_media m;
	struct end a, b, f;

	(void)state;
	net_open_end(&a, 1, net_usual);
	net_open_end(&b, 2, net_usual);
	net_open_end(&f, 1, net_usual);
	assert_null(tg_key_fork(a.key, &f.wire));
	assert_int_equal(tg_key_offer(a.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	tg_key_free(f.key);
	f.key = tg_key_fork(a.key, &f.wire);
	assert_non_null(f.key);
	assert_int_equal(tg_key_take_offer(b.key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b.key, false, &l), TG_KEY_OK);
	m = net_media(&l);
	assert_int_equal(tg_key_take_answer(f.key, &m), TG_KEY_OK);
	net_connect_all(&b, &f);
	net_run(&f, &b, 0);
	net_assert_crossed(&f, &b);
	assert_int_equal(tg_key_state(a.key, TG_KEY_RTP), TG_KEY_OFFERED);
	net_close_end(&a);
	net_close_end(&b);
	net_close_end(&f);
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
			cmocka_unit_test(strangers_that_say_nothing_more_keep_nobody_out),
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
