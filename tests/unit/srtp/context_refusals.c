/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a context refuses, MKI, lifetimes and caps, and that no keystream is
 * used twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "context_pair.h"
#include "context_suite.h"
#include "reference.h"

/* ---- refusals ----------------------------------------------------------- */

static void refuses_a_replayed_packet(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		struct datagram d = sealed_rtp(p.tx, 7, 100), c = rtcp_packet(7);

		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_REPLAY);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_REPLAY);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_REPLAY);
		assert_int_equal(tg_srtp_counters(p.rx)->refused[TG_SRTP_REPLAY], 3);
		close_pair(&p);
	}
}

static void refuses_every_flipped_bit(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		struct datagram d[2] = {sealed_rtp(p.tx, 7, 100), rtcp_packet(7)};

		assert_int_equal(seal(p.tx, &d[1]), TG_SRTP_OK);
		for(int which = 0; which < 2; which++)
			for(size_t bit = 0; bit < 8 * d[which].n; bit++) {
				enum tg_srtp_kind kind =
						which ? TG_SRTP_KIND_RTCP : TG_SRTP_KIND_RTP;
				struct datagram bad = d[which];

				bad.octet[bit / 8] ^= (uint8_t)(1u << bit % 8);
				assert_int_not_equal(
						tg_srtp_unprotect(p.rx, kind, bad.octet, &bad.n),
						TG_SRTP_OK);
			}
		assert_int_equal(deliver(p.rx, d[0]), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, d[1]), TG_SRTP_OK);
		close_pair(&p);
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		struct datagram d[2] = {sealed_rtp(p.tx, 7, 100), rtcp_packet(7)};

		assert_int_equal(seal(p.tx, &d[1]), TG_SRTP_OK);
		for(int which = 0; which < 2; which++)
			for(size_t n = 0; n < d[which].n; n++) {
				enum tg_srtp_kind kind =
						which ? TG_SRTP_KIND_RTCP : TG_SRTP_KIND_RTP;
				struct datagram bad = d[which];

				bad.n = n;
				assert_int_not_equal(
						tg_srtp_unprotect(p.rx, kind, bad.octet, &bad.n),
						TG_SRTP_OK);
			}
		close_pair(&p);
	}
}

static void refuses_clear_packets(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);

		assert_int_not_equal(deliver(p.rx, rtp_packet(7, 1, 0)), TG_SRTP_OK);
		assert_int_not_equal(deliver(p.rx, rtcp_packet(7)), TG_SRTP_OK);
		assert_int_equal(tg_srtp_counters(p.rx)->ssrcs, 0);
		close_pair(&p);
	}
}

/* Its tag is right, but nobody agreed to SRTCP in clear */
static void refuses_srtcp_that_is_authentic_but_not_encrypted(void **state)
{
	(void)state;
	for(int i = 0; i < 2; i++) {
		struct tg_srtp_keys k = keys_of(
				i ? TG_SUITE_AEAD_AES_256_GCM : TG_SUITE_AEAD_AES_128_GCM, 1);
		struct pair p = pair_of(&k);
		struct datagram d = rtcp_packet(7), plain = d;
		struct ref_session s;

		ref_derive(k.suite, k.master[0].octet, true, &s);
		d.n = ref_clear_rtcp(&s, 1, plain.octet, plain.n, d.octet);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_MALFORMED);
		d.n = ref_protect_rtcp(&s, 1, NULL, 0, plain.octet, plain.n, d.octet);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		close_pair(&p);
	}
}

static void refuses_packets_of_another_key(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1), other = keys_of(suite, 2);
		struct pair p = pair_of(&k), q = pair_of(&other);

		assert_int_equal(deliver(q.rx, sealed_rtp(p.tx, 7, 1)), TG_SRTP_AUTH);
		close_pair(&p);
		close_pair(&q);
	}
}

static void refuses_headers_that_lie_about_their_length(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AEAD_AES_128_GCM, 1);
	struct pair p = pair_of(&k);
	struct datagram d = rtp_packet(7, 1, 0);

	(void)state;
	d.n = 20;
	d.octet[0] = 0x8f; /* 15 CSRCs in 8 octets */
	assert_int_equal(seal(p.tx, &d), TG_SRTP_MALFORMED);
	d.octet[0] = 0x90; /* an extension of 65535 words */
	d.octet[14] = d.octet[15] = 0xff;
	assert_int_equal(seal(p.tx, &d), TG_SRTP_MALFORMED);
	d.octet[0] = 0x00;
	assert_int_equal(
			tg_srtp_protect(p.tx, TG_SRTP_KIND_RTP, d.octet, &d.n, ROOM),
			TG_SRTP_MALFORMED);
	d.n = 7;
	d.octet[0] = 0x80;
	assert_int_equal(
			tg_srtp_protect(p.tx, TG_SRTP_KIND_RTCP, d.octet, &d.n, ROOM),
			TG_SRTP_MALFORMED);
	close_pair(&p);
}

static void refuses_a_buffer_without_room_for_the_trailer(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct pair p = pair_of(&k);
	struct datagram d = rtp_packet(7, 1, 0);

	(void)state;
	assert_int_equal(
			tg_srtp_protect(p.tx, TG_SRTP_KIND_RTP, d.octet, &d.n, d.n + 9),
			TG_SRTP_ROOM);
	assert_int_equal(
			tg_srtp_protect(p.tx, TG_SRTP_KIND_RTP, d.octet, &d.n, d.n + 10),
			TG_SRTP_OK);
	close_pair(&p);
}

static void refuses_the_wrong_direction_and_no_context(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct pair p = pair_of(&k);
	struct datagram d = rtp_packet(7, 1, 0);

	(void)state;
	assert_int_equal(seal(p.rx, &d), TG_SRTP_NO_KEY);
	assert_int_equal(seal(NULL, &d), TG_SRTP_NO_KEY);
	assert_int_equal(deliver(p.tx, d), TG_SRTP_NO_KEY);
	assert_int_equal(deliver(NULL, d), TG_SRTP_NO_KEY);
	close_pair(&p);
}

static void refuses_keys_that_do_not_fit(void **state)
{
	struct tg_srtp_keys good = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1), k;
	struct tg_srtp_config c = {.dir = TG_SRTP_TX};
	struct tg_srtp *ctx;

	(void)state;
	k = good;
	k.suite = TG_SUITE_NONE;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k = good;
	k.n = 0;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k.n = TG_SRTP_MASTERS_MAX + 1;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k = good;
	k.master[0].octets = 29;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k = good;
	k.n = 2; /* two masters without MKI */
	k.master[1] = k.master[0];
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k.master[0].mki_octets = k.master[1].mki_octets = 1;
	k.master[0].mki = k.master[1].mki = 9; /* the same MKI twice */
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	k = good;
	k.master[0].mki_octets = 1;
	k.master[0].mki = 256;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_BAD_KEY);
	assert_null(ctx);
}

/* ---- MKI ---------------------------------------------------------------- */

static void carries_the_mki_where_the_rfcs_put_it(void **state)
{
	static const uint8_t lengths[] = {1, 4, 8, 128};
	uint8_t mki[128], want[ROOM];

	(void)state;
	EACH_SUITE(suite)
	for(size_t i = 0; i < sizeof(lengths); i++) {
		struct tg_srtp_keys k = keys_of(suite, 3);
		struct datagram d = rtp_packet(7, 300, 1), c = rtcp_packet(7), plain;
		struct ref_session s;
		struct pair p;
		size_t n;

		set_mki(&k, lengths[i], 0xa5);
		memset(mki, 0, sizeof(mki));
		mki[lengths[i] - 1] = 0xa5;
		p = pair_of(&k);
		plain = d;
		assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
		ref_derive(suite, k.master[0].octet, false, &s);
		n = ref_protect_rtp(
				&s, 300, mki, lengths[i], plain.octet, plain.n, want);
		assert_int_equal(d.n, n);
		assert_memory_equal(d.octet, want, n);
		plain = c;
		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		ref_derive(suite, k.master[0].octet, true, &s);
		n = ref_protect_rtcp(
				&s, 1, mki, lengths[i], plain.octet, plain.n, want);
		assert_int_equal(c.n, n);
		assert_memory_equal(c.octet, want, n);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_OK);
		close_pair(&p);
	}
}

static void refuses_an_mki_of_another_value(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 3), other, none;
		struct tg_srtp *stranger, *bare;
		struct datagram d, c = rtcp_packet(7);
		struct pair p;

		set_mki(&k, 2, 1);
		other = none = k;
		set_mki(&other, 2, 2);
		set_mki(&none, 0, 0);
		p = pair_of(&k);
		stranger = context_of(TG_SRTP_TX, &other, 0, 0);
		bare = context_of(TG_SRTP_TX, &none, 0, 0);
		d = sealed_rtp(stranger, 7, 1);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_MKI);
		assert_int_equal(seal(stranger, &c), TG_SRTP_OK);
		assert_int_equal(deliver(p.rx, c), TG_SRTP_MKI);
		assert_int_not_equal(deliver(p.rx, sealed_rtp(bare, 7, 1)), TG_SRTP_OK);
		assert_int_equal(tg_srtp_counters(p.rx)->refused[TG_SRTP_OK], 0);
		tg_srtp_free(stranger);
		tg_srtp_free(bare);
		close_pair(&p);
	}
}

static void takes_each_of_several_masters_by_its_mki(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys all = keys_of(suite, 1), one[3];
		struct tg_srtp *rx, *tx[3];

		all.n = 3;
		for(uint8_t i = 0; i < 3; i++) {
			one[i] = keys_of(suite, (uint8_t)(40 + i));
			set_mki(&one[i], 1, i + 1u);
			all.master[i] = one[i].master[0];
			tx[i] = context_of(TG_SRTP_TX, &one[i], 0, 0);
		}
		rx = context_of(TG_SRTP_RX, &all, 0, 0);
		/* one SSRC: the index is common to all masters */
		for(uint16_t seq = 0; seq < 30; seq++) {
			struct datagram d = sealed_rtp(tx[seq % 3], 7, seq),
							c = rtcp_packet(7);

			assert_int_equal(deliver(rx, d), TG_SRTP_OK);
			assert_int_equal(deliver(rx, d), TG_SRTP_REPLAY);
			if(seq < 3) {
				c = rtcp_packet(100u + seq);
				assert_int_equal(seal(tx[seq], &c), TG_SRTP_OK);
				assert_int_equal(deliver(rx, c), TG_SRTP_OK);
			}
		}
		for(size_t i = 0; i < 3; i++)
			tg_srtp_free(tx[i]);
		tg_srtp_free(rx);
	}
}

/* ---- lifetime and caps -------------------------------------------------- */

static void warns_then_refuses_when_a_key_is_used_up(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct pair p;
	struct datagram d, c = rtcp_packet(7);

	(void)state;
	k.master[0].lifetime = 16;
	p = pair_of(&k);
	for(uint16_t seq = 0; seq < 16; seq++) {
		d = sealed_rtp(p.tx, 7, seq);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		assert_int_equal(tg_srtp_wants_rekey(p.tx), seq >= 13);
		assert_int_equal(tg_srtp_wants_rekey(p.rx), seq >= 13);
	}
	d = rtp_packet(7, 16, 0);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_LIFETIME);
	assert_int_equal(seal(p.tx, &c), TG_SRTP_OK); /* counted on its own */
	assert_int_equal(tg_srtp_counters(p.tx)->lifetime_warnings, 1);
	/* the same key again does not bring it back to life */
	k.master[0].lifetime = 17;
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_OK);
	d = rtp_packet(7, 16, 0);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
	d = rtp_packet(7, 17, 0);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_LIFETIME);
	k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 2);
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_OK);
	assert_false(tg_srtp_wants_rekey(p.tx));
	assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
	close_pair(&p);
}

static void receiver_refuses_beyond_the_lifetime_too(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AEAD_AES_256_GCM, 1), endless = k;
	struct tg_srtp *tx = context_of(TG_SRTP_TX, &endless, 0, 0), *rx;

	(void)state;
	k.master[0].lifetime = 3;
	rx = context_of(TG_SRTP_RX, &k, 0, 0);
	for(uint16_t seq = 0; seq < 5; seq++)
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, seq)),
				seq < 3 ? TG_SRTP_OK : TG_SRTP_LIFETIME);
	tg_srtp_free(tx);
	tg_srtp_free(rx);
}

static void only_authentic_packets_count_toward_the_cap(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct tg_srtp_keys other = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 2);
	struct tg_srtp *tx = context_of(TG_SRTP_TX, &k, 0, 9);
	struct tg_srtp *forger = context_of(TG_SRTP_TX, &other, 0, 256);
	struct tg_srtp *rx = context_of(TG_SRTP_RX, &k, 0, 8);
	struct datagram d;

	(void)state;
	for(uint32_t ssrc = 1; ssrc <= 200; ssrc++)
		assert_int_equal(
				deliver(rx, sealed_rtp(forger, ssrc, 1)), TG_SRTP_AUTH);
	for(uint32_t ssrc = 1; ssrc <= 8; ssrc++)
		assert_int_equal(deliver(rx, sealed_rtp(tx, ssrc, 1)), TG_SRTP_OK);
	assert_int_equal(deliver(rx, sealed_rtp(tx, 9, 1)), TG_SRTP_LIMIT);
	assert_int_equal(tg_srtp_counters(rx)->ssrcs, 8);
	for(uint32_t ssrc = 1; ssrc <= 8; ssrc++)
		assert_int_equal(deliver(rx, sealed_rtp(tx, ssrc, 2)), TG_SRTP_OK);
	d = rtp_packet(10, 1, 0);
	assert_int_equal(seal(tx, &d), TG_SRTP_LIMIT);
	tg_srtp_free(tx);
	tg_srtp_free(rx);
	tg_srtp_free(forger);
}

/* ---- tx: no keystream twice --------------------------------------------- */

static void a_repeated_packet_does_not_leave(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AEAD_AES_128_GCM, 1);
	struct pair p = pair_of(&k);
	struct datagram d;

	(void)state;
	for(uint16_t seq = 0; seq < 50; seq++) {
		(void)sealed_rtp(p.tx, 7, seq);
		d = rtp_packet(7, seq, 0xee);
		assert_int_equal(seal(p.tx, &d), TG_SRTP_REPLAY);
	}
	assert_int_equal(tg_srtp_counters(p.tx)->restarts, 0);
	close_pair(&p);
}

static void a_restarted_sequence_goes_on_behind_the_highest(void **state)
{
	/* where it was, where it starts again, packets lost to finding out */
	static const struct {
		uint16_t was, again;
		size_t lost, restarts;
	} row[] = {{30000, 100, 1, 1}, {100, 65000, 1, 1}, {1000, 990, 7, 1},
			{40000, 39000, 1, 1}, {65535, 33000, 1, 1}, {70, 69, 2, 0}};

	(void)state;
	EACH_SUITE(suite)
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		uint16_t seq = (uint16_t)(row[i].was - 60), expect;
		size_t lost = 0;

		run_stream(&p, 7, &seq, 61);
		expect = seq;
		for(uint16_t n = 0; n < 200; n++) {
			struct datagram d =
					rtp_packet(7, (uint16_t)(row[i].again + n), 0x77);

			if(seal(p.tx, &d) != TG_SRTP_OK) {
				lost++;
				continue;
			}
			assert_int_equal(seq_of(&d), expect++);
			assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		}
		assert_int_equal(lost, row[i].lost);
		assert_int_equal(tg_srtp_counters(p.tx)->restarts, row[i].restarts);
		close_pair(&p);
	}
}

static void the_nat_packet_leaves_with_the_same_octets(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		struct datagram first = rtp_packet(0, 65535, 0), other, d;
		uint16_t seq = 65530;

		memset(first.octet + 1, 0, 11);
		first.octet[2] = first.octet[3] = 0xff;
		first.n = 12;
		other = d = first;
		assert_int_equal(seal(p.tx, &first), TG_SRTP_OK);
		for(int i = 0; i < 9; i++) {
			d = other;
			assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
			assert_int_equal(d.n, first.n);
			assert_memory_equal(d.octet, first.octet, d.n);
		}
		other.octet[1] = 8; /* the index is spent: not with other octets */
		assert_int_equal(seal(p.tx, &other), TG_SRTP_REPLAY);
		/* a sender whose SSRC is 0 by chance loses that one packet */
		for(int i = 0; i < 20; i++, seq++) {
			d = rtp_packet(0, seq, 5);
			assert_int_equal(
					seal(p.tx, &d), seq == 65535 ? TG_SRTP_REPLAY : TG_SRTP_OK);
			if(seq != 65535)
				assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		}
		close_pair(&p);
	}
}

int context_refusals(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(refuses_a_replayed_packet),
			cmocka_unit_test(refuses_every_flipped_bit),
			cmocka_unit_test(refuses_every_truncation),
			cmocka_unit_test(refuses_clear_packets),
			cmocka_unit_test(refuses_srtcp_that_is_authentic_but_not_encrypted),
			cmocka_unit_test(refuses_packets_of_another_key),
			cmocka_unit_test(refuses_headers_that_lie_about_their_length),
			cmocka_unit_test(refuses_a_buffer_without_room_for_the_trailer),
			cmocka_unit_test(refuses_the_wrong_direction_and_no_context),
			cmocka_unit_test(refuses_keys_that_do_not_fit),
			cmocka_unit_test(carries_the_mki_where_the_rfcs_put_it),
			cmocka_unit_test(refuses_an_mki_of_another_value),
			cmocka_unit_test(takes_each_of_several_masters_by_its_mki),
			cmocka_unit_test(warns_then_refuses_when_a_key_is_used_up),
			cmocka_unit_test(receiver_refuses_beyond_the_lifetime_too),
			cmocka_unit_test(only_authentic_packets_count_toward_the_cap),
			cmocka_unit_test(a_repeated_packet_does_not_leave),
			cmocka_unit_test(a_restarted_sequence_goes_on_behind_the_highest),
			cmocka_unit_test(the_nat_packet_leaves_with_the_same_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
