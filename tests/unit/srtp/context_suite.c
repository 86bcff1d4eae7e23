/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a context refuses and what it survives, and two properties over random
 * networks: every authentic packet in reach of the window arrives unchanged
 * exactly once, in spite of loss, reorder, duplication and roll-over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "context_suite.h"
#include "reference.h"

#define ROOM 2048

struct pair {
	struct tg_srtp *tx;
	struct tg_srtp *rx;
};

struct datagram {
	uint8_t octet[ROOM];
	size_t n;
};

static struct tg_srtp_keys keys_of(enum tg_suite suite, uint8_t fill)
{
	struct tg_srtp_keys k = {.suite = suite, .n = 1};
	struct tg_srtp_shape shape;

	assert_true(tg_srtp_shape(suite, &shape));
	k.master[0].octets = shape.key_octets + shape.salt_octets;
	for(size_t i = 0; i < k.master[0].octets; i++)
		k.master[0].octet[i] = (uint8_t)(fill + 7 * i);
	return k;
}

static struct tg_srtp *context(enum tg_srtp_dir dir,
		const struct tg_srtp_keys *k, uint16_t window, uint16_t ssrc_max)
{
	struct tg_srtp_config c = {
			.dir = dir, .replay_window = window, .ssrc_max = ssrc_max};
	struct tg_srtp *ctx;

	assert_int_equal(tg_srtp_new(&c, k, &ctx), TG_SRTP_OK);
	return ctx;
}

static struct pair pair_of(const struct tg_srtp_keys *k)
{
	return (struct pair){
			context(TG_SRTP_TX, k, 0, 0), context(TG_SRTP_RX, k, 0, 0)};
}

static void close_pair(struct pair *p)
{
	tg_srtp_free(p->tx);
	tg_srtp_free(p->rx);
}

static struct datagram rtp(uint32_t ssrc, uint16_t seq, uint8_t fill)
{
	struct datagram d = {.n = 172};

	memset(d.octet, fill, d.n);
	d.octet[0] = 0x80;
	d.octet[1] = 8;
	d.octet[2] = (uint8_t)(seq >> 8);
	d.octet[3] = (uint8_t)seq;
	for(int i = 0; i < 4; i++)
		d.octet[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	return d;
}

static struct datagram rtcp(uint32_t ssrc)
{
	struct datagram d = {.n = 28};

	memset(d.octet, 0x5a, d.n);
	d.octet[0] = 0x80;
	d.octet[1] = 200;
	for(int i = 0; i < 4; i++)
		d.octet[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	return d;
}

static uint16_t seq_of(const struct datagram *d)
{
	return (uint16_t)(d->octet[2] << 8 | d->octet[3]);
}

static enum tg_srtp_rc seal(struct tg_srtp *tx, struct datagram *d)
{
	return tg_srtp_protect(tx, tg_srtp_kind(d->octet, d->n), d->octet, &d->n,
			sizeof(d->octet));
}

/* A copy goes in, so that the protected one can be sent again */
static enum tg_srtp_rc deliver(struct tg_srtp *rx, struct datagram d)
{
	return tg_srtp_unprotect(rx, tg_srtp_kind(d.octet, d.n), d.octet, &d.n);
}

static struct datagram sealed_rtp(
		struct tg_srtp *tx, uint32_t ssrc, uint16_t seq)
{
	struct datagram d = rtp(ssrc, seq, (uint8_t)seq);

	assert_int_equal(seal(tx, &d), TG_SRTP_OK);
	return d;
}

#define EACH_SUITE(suite)                                       \
	for(enum tg_suite suite = TG_SUITE_AES_CM_128_HMAC_SHA1_80; \
			suite < TG_SUITE_COUNT; suite = (enum tg_suite)(suite + 1))

/* ---- refusals ----------------------------------------------------------- */

static void refuses_a_replayed_packet(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 1);
		struct pair p = pair_of(&k);
		struct datagram d = sealed_rtp(p.tx, 7, 100), c = rtcp(7);

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
		struct datagram d[2] = {sealed_rtp(p.tx, 7, 100), rtcp(7)};

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
		struct datagram d[2] = {sealed_rtp(p.tx, 7, 100), rtcp(7)};

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

		assert_int_not_equal(deliver(p.rx, rtp(7, 1, 0)), TG_SRTP_OK);
		assert_int_not_equal(deliver(p.rx, rtcp(7)), TG_SRTP_OK);
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
		struct datagram d = rtcp(7), plain = d;
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
	struct datagram d = rtp(7, 1, 0);

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
	struct datagram d = rtp(7, 1, 0);

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
	struct datagram d = rtp(7, 1, 0);

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

static void set_mki(struct tg_srtp_keys *k, uint8_t octets, uint64_t mki)
{
	k->master[0].mki_octets = octets;
	k->master[0].mki = mki;
}

static void carries_the_mki_where_the_rfcs_put_it(void **state)
{
	static const uint8_t lengths[] = {1, 4, 8, 128};
	uint8_t mki[128], want[ROOM];

	(void)state;
	EACH_SUITE(suite)
	for(size_t i = 0; i < sizeof(lengths); i++) {
		struct tg_srtp_keys k = keys_of(suite, 3);
		struct datagram d = rtp(7, 300, 1), c = rtcp(7), plain;
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
		struct datagram d, c = rtcp(7);
		struct pair p;

		set_mki(&k, 2, 1);
		other = none = k;
		set_mki(&other, 2, 2);
		set_mki(&none, 0, 0);
		p = pair_of(&k);
		stranger = context(TG_SRTP_TX, &other, 0, 0);
		bare = context(TG_SRTP_TX, &none, 0, 0);
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
			tx[i] = context(TG_SRTP_TX, &one[i], 0, 0);
		}
		rx = context(TG_SRTP_RX, &all, 0, 0);
		/* one SSRC: the index is common to all masters */
		for(uint16_t seq = 0; seq < 30; seq++) {
			struct datagram d = sealed_rtp(tx[seq % 3], 7, seq), c = rtcp(7);

			assert_int_equal(deliver(rx, d), TG_SRTP_OK);
			assert_int_equal(deliver(rx, d), TG_SRTP_REPLAY);
			if(seq < 3) {
				c = rtcp(100u + seq);
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
	struct datagram d, c = rtcp(7);

	(void)state;
	k.master[0].lifetime = 16;
	p = pair_of(&k);
	for(uint16_t seq = 0; seq < 16; seq++) {
		d = sealed_rtp(p.tx, 7, seq);
		assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		assert_int_equal(tg_srtp_wants_rekey(p.tx), seq >= 13);
		assert_int_equal(tg_srtp_wants_rekey(p.rx), seq >= 13);
	}
	d = rtp(7, 16, 0);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_LIFETIME);
	assert_int_equal(seal(p.tx, &c), TG_SRTP_OK); /* counted on its own */
	assert_int_equal(tg_srtp_counters(p.tx)->lifetime_warnings, 1);
	/* the same key again does not bring it back to life */
	k.master[0].lifetime = 17;
	assert_int_equal(tg_srtp_set_keys(p.tx, &k), TG_SRTP_OK);
	d = rtp(7, 16, 0);
	assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
	d = rtp(7, 17, 0);
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
	struct tg_srtp *tx = context(TG_SRTP_TX, &endless, 0, 0), *rx;

	(void)state;
	k.master[0].lifetime = 3;
	rx = context(TG_SRTP_RX, &k, 0, 0);
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
	struct tg_srtp *tx = context(TG_SRTP_TX, &k, 0, 9);
	struct tg_srtp *forger = context(TG_SRTP_TX, &other, 0, 256);
	struct tg_srtp *rx = context(TG_SRTP_RX, &k, 0, 8);
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
	d = rtp(10, 1, 0);
	assert_int_equal(seal(tx, &d), TG_SRTP_LIMIT);
	tg_srtp_free(tx);
	tg_srtp_free(rx);
	tg_srtp_free(forger);
}

/* ---- indices ------------------------------------------------------------ */

static void takes_late_packets_inside_the_window_only(void **state)
{
	struct tg_srtp_keys k = keys_of(TG_SUITE_AES_CM_128_HMAC_SHA1_32, 1);
	static const uint16_t windows[] = {64, 1024, 16384};

	(void)state;
	for(size_t i = 0; i < 3; i++) {
		struct tg_srtp *tx = context(TG_SRTP_TX, &k, windows[i], 0);
		struct tg_srtp *rx = context(TG_SRTP_RX, &k, windows[i], 0);
		/* the newest is at the window's upper edge */
		uint16_t edge = (uint16_t)((windows[i] + 31) / 32 * 32);
		struct datagram first = sealed_rtp(tx, 7, 0);
		struct datagram second = sealed_rtp(tx, 7, 1);

		for(uint16_t seq = 2; seq <= edge; seq += 1)
			(void)sealed_rtp(tx, 7, seq);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 1)), TG_SRTP_OK);
		assert_int_equal(deliver(rx, first), TG_SRTP_REPLAY);
		tg_srtp_free(rx);
		rx = context(TG_SRTP_RX, &k, windows[i], 0);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 2)), TG_SRTP_OK);
		assert_int_equal(deliver(rx, second), TG_SRTP_REPLAY);
		assert_int_equal(deliver(rx, sealed_rtp(tx, 7, edge + 3)), TG_SRTP_OK);
		tg_srtp_free(tx);
		tg_srtp_free(rx);
	}
}

/* Sends n packets on from *seq; every one must arrive as the number */
static void run_stream(struct pair *p, uint32_t ssrc, uint16_t *seq, size_t n)
{
	for(; n > 0; n--, ++*seq)
		assert_int_equal(
				deliver(p->rx, sealed_rtp(p->tx, ssrc, *seq)), TG_SRTP_OK);
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
		d = plain = rtp(7, seq, 3);
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
			c[j] = rtcp(7);
			assert_int_equal(seal(p.tx, &c[j]), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c[j]), TG_SRTP_OK);
		}
		tg_srtp_free(p.tx);
		p.tx = context(TG_SRTP_TX, &fresh, 0, 0);
		assert_int_equal(tg_srtp_set_keys(p.rx, &fresh), TG_SRTP_OK);
		for(int j = 0; j < 3; j++) {
			struct datagram again = rtcp(7);

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
			c[i] = rtcp(7);
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
		c[i] = rtcp(70 + i);
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
		c[i] = rtcp(70 + i);
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
		struct tg_srtp *forger = context(TG_SRTP_TX, &other, 0, 256);
		struct pair p = pair_of(&k);
		struct datagram c;
		uint16_t seq = 1;

		for(uint32_t ssrc = 1; ssrc <= 20; ssrc++) {
			assert_int_equal(
					deliver(p.rx, sealed_rtp(forger, ssrc, 1)), TG_SRTP_AUTH);
			c = rtcp(ssrc);
			assert_int_equal(seal(forger, &c), TG_SRTP_OK);
			assert_int_equal(deliver(p.rx, c), TG_SRTP_AUTH);
		}
		run_stream(&p, 7, &seq, 20);
		c = rtcp(7);
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
			c[i] = rtcp(7);
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
	struct datagram d = rtp(7, 1, 1);

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
		struct datagram c = rtcp(7);

		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &b), TG_SRTP_OK);
		c = rtcp(7);
		assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &b), TG_SRTP_OK);
		assert_int_equal(tg_srtp_set_keys(p.tx, &a), TG_SRTP_BAD_KEY);
		c = rtcp(7);
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
				struct datagram c = rtcp(ssrc);

				assert_int_equal(seal(p.tx, &c), TG_SRTP_OK);
				assert_int_equal(deliver(p.rx, c), TG_SRTP_OK);
			}
		}
	close_pair(&p);
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
		d = rtp(7, seq, 0xee);
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
			struct datagram d = rtp(7, (uint16_t)(row[i].again + n), 0x77);

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
		struct datagram first = rtp(0, 65535, 0), other, d;
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
			d = rtp(0, seq, 5);
			assert_int_equal(
					seal(p.tx, &d), seq == 65535 ? TG_SRTP_REPLAY : TG_SRTP_OK);
			if(seq != 65535)
				assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		}
		close_pair(&p);
	}
}

/* ---- properties --------------------------------------------------------- */

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand() % n;
}

#define PACKETS 3000
#define SWAPS 40

/* A network that loses, swaps within 40 packets and duplicates */
static void survive(enum tg_suite suite, unsigned seed)
{
	struct tg_srtp_keys k = keys_of(suite, (uint8_t)seed);
	struct pair p = pair_of(&k);
	struct datagram *wire = calloc(PACKETS, sizeof(*wire));
	uint8_t *seen = calloc(PACKETS, 1);
	size_t *order = calloc(PACKETS, sizeof(*order));
	uint16_t start;
	size_t passed = 0;

	srand(seed);
	/* RFC 3711 3.3.1: the first number below 2^15 or the start not lost */
	start = (uint16_t)(65536 - below(PACKETS - 200) - 100);
	for(size_t i = 0; i < PACKETS; i++) {
		wire[i] = sealed_rtp(p.tx, 7, (uint16_t)(start + i));
		order[i] = i;
	}
	for(size_t i = 1; i + SWAPS < PACKETS; i++) {
		size_t j = i + below(SWAPS), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for(size_t i = 0; i < PACKETS; i++) {
		struct datagram d = wire[order[i]];
		bool lost = i > 0 && below(10) == 0;

		if(lost)
			continue;
		if(tg_srtp_unprotect(p.rx, TG_SRTP_KIND_RTP, d.octet, &d.n)
				!= TG_SRTP_OK)
			continue;
		assert_int_equal(d.n, 172);
		assert_int_equal(d.octet[100], (uint8_t)(start + order[i]));
		assert_int_equal(seen[order[i]]++, 0);
		passed++;
		if(below(5) == 0)
			assert_int_equal(deliver(p.rx, wire[order[i]]), TG_SRTP_REPLAY);
	}
	assert_true(passed > PACKETS * 85 / 100);
	assert_int_equal(tg_srtp_counters(p.rx)->rtp_packets, passed);
	free(wire);
	free(seen);
	free(order);
	close_pair(&p);
}

static void survives_loss_reorder_duplication_and_roll_over(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	for(unsigned seed = 1; seed <= 5; seed++)
		survive(suite, seed);
}

static void agrees_with_the_reference_on_random_packets(void **state)
{
	(void)state;
	srand(11);
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 77);
		struct pair p = pair_of(&k);
		struct ref_session s[2];
		uint8_t want[ROOM];
		uint32_t rtcp_index = 0;

		ref_derive(suite, k.master[0].octet, false, &s[0]);
		ref_derive(suite, k.master[0].octet, true, &s[1]);
		for(uint32_t index = 65000; index < 66000; index++) {
			struct datagram d = rtp(7, (uint16_t)index, 0), plain;
			size_t n;

			RAND_bytes(d.octet + 12, 700);
			d.octet[0] = (uint8_t)(0x80 | below(16) | below(2) << 4);
			d.n = 12 + 4u * (d.octet[0] & 15) + below(600);
			if(d.octet[0] & 0x10) {
				size_t at = 12 + 4u * (d.octet[0] & 15);

				d.octet[at + 2] = 0;
				d.octet[at + 3] = (uint8_t)below(4);
				d.n = at + 4 + 4u * d.octet[at + 3] + below(500);
			}
			plain = d;
			n = ref_protect_rtp(
					&s[0], index, NULL, 0, plain.octet, plain.n, want);
			assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
			assert_int_equal(d.n, n);
			assert_memory_equal(d.octet, want, n);
			assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);

			d = rtcp(7);
			RAND_bytes(d.octet + 8, 400);
			d.n = 8 + below(400);
			plain = d;
			n = ref_protect_rtcp(
					&s[1], ++rtcp_index, NULL, 0, plain.octet, plain.n, want);
			assert_int_equal(seal(p.tx, &d), TG_SRTP_OK);
			assert_int_equal(d.n, n);
			assert_memory_equal(d.octet, want, n);
			assert_int_equal(deliver(p.rx, d), TG_SRTP_OK);
		}
		close_pair(&p);
	}
}

static void takes_packets_at_any_alignment(void **state)
{
	(void)state;
	EACH_SUITE(suite)
	{
		struct tg_srtp_keys k = keys_of(suite, 77);
		struct pair p = pair_of(&k);
		uint8_t room[ROOM];

		for(uint16_t seq = 0; seq < 64; seq++) {
			struct datagram d = rtp(7, seq, 9);
			uint8_t *at = room + seq;
			size_t n = d.n;

			memcpy(at, d.octet, n);
			assert_int_equal(
					tg_srtp_protect(p.tx, TG_SRTP_KIND_RTP, at, &n, 1000),
					TG_SRTP_OK);
			memmove(at + 1, at, n);
			assert_int_equal(
					tg_srtp_unprotect(p.rx, TG_SRTP_KIND_RTP, at + 1, &n),
					TG_SRTP_OK);
			assert_int_equal(n, d.n);
			assert_memory_equal(at + 1, d.octet, n);
		}
		close_pair(&p);
	}
}

static void tells_packets_apart_by_their_first_octets(void **state)
{
	static const struct {
		uint8_t octet[2];
		enum tg_srtp_kind kind;
	} row[] = {{{0, 1}, TG_SRTP_KIND_STUN}, {{3, 0}, TG_SRTP_KIND_STUN},
			{{4, 0}, TG_SRTP_KIND_OTHER}, {{19, 0}, TG_SRTP_KIND_OTHER},
			{{20, 0}, TG_SRTP_KIND_DTLS}, {{63, 0}, TG_SRTP_KIND_DTLS},
			{{64, 0}, TG_SRTP_KIND_TURN}, {{79, 0}, TG_SRTP_KIND_TURN},
			{{80, 0}, TG_SRTP_KIND_OTHER}, {{127, 0}, TG_SRTP_KIND_OTHER},
			{{128, 0}, TG_SRTP_KIND_RTP}, {{191, 191}, TG_SRTP_KIND_RTP},
			{{128, 192}, TG_SRTP_KIND_RTCP}, {{128, 223}, TG_SRTP_KIND_RTCP},
			{{128, 224}, TG_SRTP_KIND_RTP}, {{192, 200}, TG_SRTP_KIND_OTHER}};

	(void)state;
	assert_int_equal(tg_srtp_kind(NULL, 0), TG_SRTP_KIND_OTHER);
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		assert_int_equal(tg_srtp_kind(row[i].octet, 2), row[i].kind);
}

int context_suite(void)
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
			cmocka_unit_test(a_repeated_packet_does_not_leave),
			cmocka_unit_test(a_restarted_sequence_goes_on_behind_the_highest),
			cmocka_unit_test(the_nat_packet_leaves_with_the_same_octets),
			cmocka_unit_test(survives_loss_reorder_duplication_and_roll_over),
			cmocka_unit_test(agrees_with_the_reference_on_random_packets),
			cmocka_unit_test(takes_packets_at_any_alignment),
			cmocka_unit_test(tells_packets_apart_by_their_first_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
