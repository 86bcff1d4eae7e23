/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two properties over random networks: every authentic packet in reach of the
 * window arrives unchanged exactly once, in spite of loss, reorder,
 * duplication and roll-over; and an independent implementation agrees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "context_pair.h"
#include "context_suite.h"
#include "reference.h"

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
			struct datagram d = rtp_packet(7, (uint16_t)index, 0), plain;
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

			d = rtcp_packet(7);
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
			struct datagram d = rtp_packet(7, seq, 9);
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

int context_random(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(survives_loss_reorder_duplication_and_roll_over),
			cmocka_unit_test(agrees_with_the_reference_on_random_packets),
			cmocka_unit_test(takes_packets_at_any_alignment),
			cmocka_unit_test(tells_packets_apart_by_their_first_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
