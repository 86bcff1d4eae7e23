/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packet indices: late packets, roll-over, and what goes on over new keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "context_pair.h"
#include "context_suite.h"
#include "reference.h"

/* ---- indices ------------------------------------------------------------ */

static void takes_late_packets_inside_the_window_only(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_32, 1);
	static const uint16_t windows[] = {64, 1024, 16384};

	(void)state;
	for(size_t i = 0; i < 3; i++) {
		struct tg_srtp *tx = context_of(TG_SRTP_TX, &k, windows[i], 0);
		struct tg_srtp *rx = context_of(TG_SRTP_RX, &k, windows[i], 0);
		/* the newest is at the window's upper edge */
		uint16_t edge = (uint16_t)((windows[i] + 31) / 32 * 32);
		struct datagram first = sealed_rtp(tx, 7, 0);
		struct datagram second = sealed_rtp(tx, 7, 1);

		for(uint16_t seq = 2; seq <= edge; seq += 1)
			(void)sealed_rtp(tx, 7, seq);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 1)), TG_SRTP_OK);
		assert_int_equal(deliver(rx, first), TG_SRTP_REPLAY);
		tg_srtp_free(rx);
		rx = context_of(TG_SRTP_RX, &k, windows[i], 0);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 2)), TG_SRTP_OK);
		assert_int_equal(deliver(rx, second), TG_SRTP_REPLAY);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 3)), TG_SRTP_OK);
		tg_srtp_free(tx);
		tg_srtp_free(rx);
	}
}

static void keeps_the_roll_over_counter_over_new_keys(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1), fresh = keys_of(suite, 9);
		struct pair p = pair_of(&k);
		uint16_t seq = 65000;
		struct ref_session s;
		struct datagram d, plain;
		uint8_t want[ROOM];
		size_t n;

		run_stream(&p, 7, &seq, 1000);
		assert_int_equal(tg_srtp_set_keys(p.tx, &fresh), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.rx, &fresh), TG_SRTP_OK);
		ref_derive(suite, fresh.master[0].octet, false, &s);
		d = plain = rtp_packet(7, seq, 3);
		n = ref_protect_rtp(
				&s, 65536u + seq, NULL, 0, plain.octet, plain.n, want);
		assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
		assert_int_equal(d.n, n);
		assert_memory_equal(d.octet, want, n);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		seq++;
		run_stream(&p, 7, &seq, 100);
		assert_int_equal(tg_srtp_counters(p.rx)->rekeys, 1);
		close_pair(&p);
	}
}

/* rx had ROC 1; the far end takes a new key and a new context with it */
static void follows_a_far_end_that_counts_from_zero_after_new_keys(void **state)
{
	static const uint16_t begin[] = {500, 100, 40000, 65000, 0};

	(void)state;
	EACH_SUITE(suite)
	for(size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++) {
		struct tg_srtp_keys k = keys_of(suite, 1), fresh = keys_of(suite, 9);
		struct pair p = pair_of(&k);
		uint16_t seq = 65400;
		struct datagram c[3];

		run_stream(&p, 7, &seq, 700);
		for(int j = 0; j < 3; j++) {
			c[j] = rtcp_packet(7);
			assert_int_equal(seal(p.tx, &c[j]), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c[j]), TG_SRTP_OK);
		}
		tg_srtp_free(p.tx);
		p.tx = context_of(TG_SRTP_TX, &fresh, 0, 0);
		assert_int_equal(tg_srtp_set_keys(p.rx, &fresh), TG_SRTP_OK);
		for(int j = 0; j < 3; j++) {
			struct datagram again = rtcp_packet(7);

			assert_int_equal(deliver(p.rx, c[j]), TG_SRTP_AUTH);
			if(i % 2 == 0) {
				assert_int_equal(seal(p.tx, &again), TG_SRTP_OK);
				assert_int_equal(deliver(p.rx, again), TG_SRTP_OK);
				assert_int_equal(deliver(p.rx, again), TG_SRTP_REPLAY);
			}
		}
		seq = begin[i];
		run_stream(&p, 7, &seq, 1000);
		close_pair(&p);
	}
}

static void follows_a_stream_whose_wrap_it_did_not_see(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		size_t refused = 0;

		for(uint16_t seq = 65530; seq != 4; seq++)
			(void)sealed_rtp(p.tx, 7, seq); /* before there were keys */
		for(uint16_t seq = 4; seq < 200; seq++) {
			struct datagram d = sealed_rtp(p.tx, 7, seq);
			enum tg_srtp_rc rc = deliver(p.rx, d);

			assert_true(rc == TG_SRTP_OK || seq < 8);
			if(rc == TG_SRTP_OK)
				assert_int_equal(deliver(p.rx, d), TG_SRTP_REPLAY);
			refused += rc != TG_SRTP_OK;
		}
		assert_int_equal(refused, 3);
		close_pair(&p);
	}
}

/* A stream that is no clone in libsrtp2 gets the new keys and no replays */
static void a_resynchronised_stream_survives_more_changes(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1), next = keys_of(suite, 2);
		struct datagram d[10], c[2];
		uint16_t seq = 65000;
		struct pair p;

		set_mki(&k, 1, 1);
		set_mki(&next, 1, 2);
		p = pair_of(&k);
		run_stream(&p, 7, &seq, 1000);
		assert_int_equal(tg_srtp_set_keys(p.tx, &next), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.rx, &next), TG_SRTP_OK);
		run_stream(&p, 7, &seq, 10); /* ROC 1 under new keys */
		for(size_t i = 0; i < 10; i++) {
			d[i] = sealed_rtp(p.tx, 7, seq++);
			assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_OK);
		}
		for(size_t i = 0; i < 2; i++) {
			c[i] = rtcp_packet(7);
			assert_int_equal(seal(p.tx, &c[i]), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_OK);
		}
		/* the present master stays, one more comes */
		k = next;
		k.n = 2;
		k.master[1] = keys_of(suite, 3).master[0];
		k.master[1].mki_octets = 1;
		k.master[1].mki = 3;
		assert_int_equal(tg_srtp_set_keys(p.rx, &k), TG_SRTP_OK);
		for(size_t i = 0; i < 10; i++)
			assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_REPLAY);
		for(size_t i = 0; i < 2; i++)
			assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_REPLAY);
		run_stream(&p, 7, &seq, 10);
		k.n = 1;
		k.master[0] = k.master[1];
		assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_OK);
		run_stream(&p, 7, &seq, 10);
		assert_int_equal(tg_srtp_set_keys(p.rx, &k), TG_SRTP_OK);
		run_stream(&p, 7, &seq, 10);
		close_pair(&p);
	}
}

/* libsrtp2 has a stream for the first SSRC, and clones for those that follow,
 * or for all when a forged packet came first: no difference is to be seen */
static void all_ssrcs_survive_a_change_of_keys(enum tg_suite suite, bool forged)
{
	struct tg_srtp_keys k = keys_of(suite, 1), next = keys_of(suite, 2);
	struct datagram d[3], c[3], bad;
	uint16_t seq[3] = {10, 65500, 300};
	struct pair p;

	set_mki(&k, 1, 1);
	set_mki(&next, 1, 2);
	next.n = 2;
	next.master[1] = k.master[0];
	p = pair_of(&k);
	if(forged) {
		for(uint32_t i = 0; i < 3; i++) {
			bad = sealed_rtp(p.tx, 9, (uint16_t)i);
			bad.octet[20] ^= 1;
			assert_int_equal(deliver(p.rx, bad), TG_SRTP_AUTH);
		}
	}
	for(uint32_t i = 0; i < 3; i++) {
		run_stream(&p, 70 + i, &seq[i], 50);
		d[i] = sealed_rtp(p.tx, 70 + i, seq[i]++);
		assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_OK);
		c[i] = rtcp_packet(70 + i);
		assert_int_equal(seal(p.tx, &c[i]), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_OK);
	}
	assert_int_equal(tg_srtp_set_keys(p.rx, &next), TG_SRTP_OK);
	for(uint32_t i = 0; i < 3; i++) {
		assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_REPLAY);
		assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_REPLAY);
		run_stream(&p, 70 + i, &seq[i], 10);
	}
	assert_int_equal(tg_srtp_set_keys(p.tx, &next), TG_SRTP_OK);
	for(uint32_t i = 0; i < 3; i++) {
		run_stream(&p, 70 + i, &seq[i], 10);
		c[i] = rtcp_packet(70 + i);
		assert_int_equal(seal(p.tx, &c[i]), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_REPLAY);
	}
	assert_int_equal(tg_srtp_counters(p.rx)->ssrcs, 3);
	close_pair(&p);
}

static void the_first_ssrc_and_clones_survive_a_change_of_keys(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		all_ssrcs_survive_a_change_of_keys(suite, false);
		all_ssrcs_survive_a_change_of_keys(suite, true);
	}
}

/* What it costs to judge a packet that lies does not grow with their number */
static void forged_packets_do_not_keep_a_context_from_its_first_stream(
		void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1), other = keys_of(suite, 2);
		struct tg_srtp *forger = context_of(TG_SRTP_TX, &other, 0, 256);
		struct pair p = pair_of(&k);
		struct datagram c;
		uint16_t seq = 1;

		for(uint32_t ssrc = 1; ssrc <= 20; ssrc++) {
			assert_int_equal(
					deliver(p.rx, sealed_rtp(forger, ssrc, 1)), TG_SRTP_AUTH);
			c = rtcp_packet(ssrc);
			assert_int_equal(seal(forger, &c), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c), TG_SRTP_AUTH);
		}
		run_stream(&p, 7, &seq, 20);
		c = rtcp_packet(7);
		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_REPLAY);
		close_pair(&p);
		tg_srtp_free(forger);
	}
}

static void same_keys_again_change_nothing(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AEAD_AES_128_GCM, 1);
	struct pair p = pair_of(&k);
	struct datagram d[64];
	uint16_t seq = 65500;

	(void)state;
	for(size_t i = 0; i < 64; i++) {
		d[i] = sealed_rtp(p.tx, 7, seq++);
		assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_OK);
	}
	assert_int_equal(tg_srtp_set_keys(p.rx, &k), TG_SRTP_OK);
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_OK);
	for(size_t i = 0; i < 64; i++)
		assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_REPLAY);
	run_stream(&p, 7, &seq, 20);
	assert_int_equal(tg_srtp_counters(p.rx)->rekeys, 0);
	close_pair(&p);
}

static void refuses_replays_of_a_master_that_stays_over_a_change(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1), both;
		struct tg_srtp_keys fresh = keys_of(suite, 2);
		struct datagram d[40], c[4];
		uint16_t seq = 65520;
		struct pair p;

		set_mki(&k, 1, 1);
		set_mki(&fresh, 1, 2);
		both = k;
		both.n = 2;
		both.master[1] = fresh.master[0];
		p = pair_of(&k);
		for(size_t i = 0; i < 40; i++) {
			d[i] = sealed_rtp(p.tx, 7, seq++);
			assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_OK);
		}
		for(size_t i = 0; i < 4; i++) {
			c[i] = rtcp_packet(7);
			assert_int_equal(seal(p.tx, &c[i]), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_OK);
		}
		assert_int_equal(tg_srtp_set_keys(p.rx, &both), TG_SRTP_OK);
		for(size_t i = 0; i < 40; i++)
			assert_int_equal(deliver(p.rx, d[i]), TG_SRTP_REPLAY);
		for(size_t i = 0; i < 4; i++)
			assert_int_equal(deliver(p.rx, c[i]), TG_SRTP_REPLAY);
		run_stream(&p, 7, &seq, 10);
		assert_int_equal(tg_srtp_set_keys(p.tx, &fresh), TG_SRTP_OK);
		run_stream(&p, 7, &seq, 10);
		close_pair(&p);
	}
}

static void a_bad_key_closes_the_context(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AEAD_AES_128_GCM, 1), bad = k;
	struct pair p = pair_of(&k);
	struct datagram d = rtp_packet(7, 1, 1);

	(void)state;
	bad.master[0].octets = 5;
	assert_int_equal(tg_srtp_set_keys(p.tx, &bad), TG_SRTP_BAD_KEY);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_NO_KEY);
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_NO_KEY);
	close_pair(&p);
}

static void refuses_the_same_key_for_srtcp_that_would_count_anew(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct pair p = pair_of(&k);

	(void)state;
	k.suite = TG_SUITE_AES_CM_128_HMAC_SHA1_32;
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_BAD_KEY);
	close_pair(&p);
}

static void refuses_a_master_that_was_replaced(void **state)
{
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys a = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
		struct tg_srtp_keys b = keys_of(suite, 2);
		struct pair p = pair_of(&a);
		struct datagram c = rtcp_packet(7);

		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &b), TG_SRTP_OK);
		c = rtcp_packet(7);
		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &b), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &a), TG_SRTP_BAD_KEY);
		c = rtcp_packet(7);
		assert_int_equal(seal(p.tx, &c), TG_SRTP_NO_KEY);
		close_pair(&p);
	}
	(void)state;
}

static void moves_to_another_suite_and_back(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct pair p = pair_of(&k);
	uint16_t seq = 60000;

	(void)state;
	for(int round = 0; round < 3; round++)
		EACH_SUITE(suite)
		{
			struct tg_srtp_keys next =
					keys_of(suite, (uint8_t)(50 * round + 5 * suite));

			if(round == 1)
				set_mki(&next, 4, 77);
			assert_int_equal(tg_srtp_set_keys(p.tx, &next), TG_SRTP_OK);
			assert_int_equal(tg_srtp_set_keys(p.rx, &next), TG_SRTP_OK);
			run_stream(&p, 7, &seq, 500);
			for(uint32_t ssrc = 7; ssrc < 9; ssrc++) {
				struct datagram c = rtcp_packet(ssrc);

				assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
				assert_int_equal(deliver(p.rx, c), TG_SRTP_OK);
			}
		}
	close_pair(&p);
}

int context_renewal(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(takes_late_packets_inside_the_window_only),
			cmocka_unit_test(keeps_the_roll_over_counter_over_new_keys),
			cmocka_unit_test(
					follows_a_far_end_that_counts_from_zero_after_new_keys),
			cmocka_unit_test(follows_a_stream_whose_wrap_it_did_not_see),
			cmocka_unit_test(a_resynchronised_stream_survives_more_changes),
			cmocka_unit_test(
					the_first_ssrc_and_clones_survive_a_change_of_keys),
			cmocka_unit_test(
					forged_packets_do_not_keep_a_context_from_its_first_stream),
			cmocka_unit_test(same_keys_again_change_nothing),
			cmocka_unit_test(
					refuses_replays_of_a_master_that_stays_over_a_change),
			cmocka_unit_test(a_bad_key_closes_the_context),
			cmocka_unit_test(
					refuses_the_same_key_for_srtcp_that_would_count_anew),
			cmocka_unit_test(refuses_a_master_that_was_replaced),
			cmocka_unit_test(moves_to_another_suite_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
