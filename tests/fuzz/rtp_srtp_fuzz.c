/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packets from the network into a receiving context, and packets from the
 * daemon into a sending one. Input: one octet suite and MKI, then rows of two
 * octets length and a packet. Nothing that was not protected with the key
 * comes through; what is protected comes back unchanged.
 */
#include <stdint.h>

#include "srtp/srtp.h"
#include "must.h"

#define ROOM 4096

static struct tg_srtp *context(enum tg_srtp_dir dir, uint8_t choice)
{
	struct tg_srtp_config c = {.dir = dir, .ssrc_max = 8};
	struct tg_srtp_keys k = {
			.suite = (enum tg_suite)(1 + choice % TG_SUITES_MAX), .n = 1};
	struct tg_srtp_shape shape;
	struct tg_srtp *ctx;

	must(tg_srtp_shape(k.suite, &shape));
	k.master[0].octets = shape.key_octets + shape.salt_octets;
	for(uint8_t i = 0; i < k.master[0].octets; i++)
		k.master[0].octet[i] = i;
	k.master[0].mki_octets = choice / 8 % 4;
	k.master[0].mki = k.master[0].mki_octets ? 5 : 0;
	must(tg_srtp_new(&c, &k, &ctx) == TG_SRTP_OK);
	return ctx;
}

static void one_packet(struct tg_srtp *tx, struct tg_srtp *rx,
		struct tg_srtp *strict, const uint8_t *data, size_t n)
{
	uint8_t room[ROOM + 1], *packet = room + n % 2;
	enum tg_srtp_kind kind = tg_srtp_kind(data, n);
	size_t octets = n;

	memcpy(packet, data, n);
	/* the tag of 32 bits is not out of a fuzzer's reach: no claim there */
	(void)!tg_srtp_unprotect(strict, kind, packet, &octets);
	must(octets <= n);
	memcpy(packet, data, n);
	octets = n;
	if(tg_srtp_protect(tx, kind, packet, &octets, ROOM - 1) != TG_SRTP_OK)
		return;
	must(octets > n && octets <= n + TG_SRTP_TRAILER_OCTETS_MAX);
	if(tg_srtp_unprotect(rx, kind, packet, &octets) != TG_SRTP_OK)
		return; /* the NAT packet a second time, a shifted start */
	must(octets == n);
	must(memcmp(packet, data, 2) == 0);
	must(n < 12 || memcmp(packet + 4, data + 4, n - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_srtp *tx, *rx, *strict;

	if(size < 1 || tg_srtp_global_init(TG_SRTP_ENGINE_COMPACT) != TG_SRTP_OK)
		return 0;
	tx = context(TG_SRTP_TX, data[0]);
	rx = context(TG_SRTP_RX, data[0]);
	strict = context(TG_SRTP_RX, data[0]);
	for(data++, size--; size >= 2;) {
		size_t n = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if(n > size)
			n = size;
		if(n > ROOM - TG_SRTP_TRAILER_OCTETS_MAX - 1)
			n = ROOM - TG_SRTP_TRAILER_OCTETS_MAX - 1;
		one_packet(tx, rx, strict, data, n);
		data += n;
		size -= n;
	}
	tg_srtp_free(tx);
	tg_srtp_free(rx);
	tg_srtp_free(strict);
	return 0;
}
