/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "context_pair.h"

struct tg_srtp_keys keys_of(enum tg_suite suite, uint8_t fill)
{
	struct tg_srtp_keys k = {.suite = suite, .n = 1};
	struct tg_srtp_shape shape;

	assert_true(tg_srtp_shape(suite, &shape));
	k.master[0].octets = shape.key_octets + shape.salt_octets;
	for(size_t i = 0; i < k.master[0].octets; i++)
		k.master[0].octet[i] = (uint8_t)(fill + 7 * i);
	return k;
}

struct tg_srtp *context_of(enum tg_srtp_dir dir, const struct tg_srtp_keys *k,
		uint16_t window, uint16_t ssrc_max)
{
	struct tg_srtp_config c = {
			.dir = dir, .replay_window = window, .ssrc_max = ssrc_max};
	struct tg_srtp *ctx;

	assert_int_equal(tg_srtp_new(&c, k, &ctx), TG_SRTP_OK);
	return ctx;
}

struct pair pair_of(const struct tg_srtp_keys *k)
{
	return (struct pair){
			context_of(TG_SRTP_TX, k, 0, 0), context_of(TG_SRTP_RX, k, 0, 0)};
}

void close_pair(struct pair *p)
{
	tg_srtp_free(p->tx);
	tg_srtp_free(p->rx);
}

struct datagram rtp_packet(uint32_t ssrc, uint16_t seq, uint8_t fill)
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

struct datagram rtcp_packet(uint32_t ssrc)
{
	struct datagram d = {.n = 28};

	memset(d.octet, 0x5a, d.n);
	d.octet[0] = 0x80;
	d.octet[1] = 200;
	for(int i = 0; i < 4; i++)
		d.octet[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	return d;
}

uint16_t seq_of(const struct datagram *d)
{
	return (uint16_t)(d->octet[2] << 8 | d->octet[3]);
}

enum tg_srtp_rc seal(struct tg_srtp *tx, struct datagram *d)
{
	return tg_srtp_protect(tx, tg_srtp_kind(d->octet, d->n), d->octet, &d->n,
			sizeof(d->octet));
}

enum tg_srtp_rc deliver(struct tg_srtp *rx, struct datagram d)
{
	return tg_srtp_unprotect(rx, tg_srtp_kind(d.octet, d.n), d.octet, &d.n);
}

struct datagram sealed_rtp(struct tg_srtp *tx, uint32_t ssrc, uint16_t seq)
{
	struct datagram d = rtp_packet(ssrc, seq, (uint8_t)seq);

	assert_int_equal(seal(tx, &d), TG_SRTP_OK);
	return d;
}

void set_mki(struct tg_srtp_keys *k, uint8_t octets, uint64_t mki)
{
	k->master[0].mki_octets = octets;
	k->master[0].mki = mki;
}

void run_stream(struct pair *p, uint32_t ssrc, uint16_t *seq, size_t n)
{
	for(; n > 0; n--, ++*seq)
		assert_int_equal(
				deliver(p->rx, sealed_rtp(p->tx, ssrc, *seq)), TG_SRTP_OK);
}
