/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the packet layer costs by itself: CPU time a packet with warm and with
 * cold caches, memory a leg (both directions, one SSRC each), time to set a
 * leg up. One engine a run, for an engine is chosen once in a process.
 *
 *	packets evp|compact [legs] [rounds]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "srtp/slab.h"
#include "srtp/srtp.h"

#define PAYLOAD 160
#define SCRUB_OCTETS (4u << 20) /* as a daemon's other work would touch */

struct leg {
	struct tg_srtp *tx, *rx;
	uint16_t seq;
	size_t n;
	uint8_t packet[256];
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "packets: %s\n", what);
	exit(1);
}

static void open_leg(struct leg *l, enum tg_suite suite, unsigned number)
{
	struct tg_srtp_config tx = {.dir = TG_SRTP_TX}, rx = {.dir = TG_SRTP_RX};
	struct tg_srtp_keys k = {.suite = suite, .n = 1};
	struct tg_srtp_shape shape;

	if(!tg_srtp_shape(suite, &shape))
		die("no such suite");
	k.master[0].octets = shape.key_octets + shape.salt_octets;
	for(size_t i = 0; i < k.master[0].octets; i++)
		k.master[0].octet[i] = (uint8_t)(i * 7 + number);
	if(tg_srtp_new(&tx, &k, &l->tx) != TG_SRTP_OK
			|| tg_srtp_new(&rx, &k, &l->rx) != TG_SRTP_OK)
		die("no context");
	l->seq = 1;
}

static void prepare(struct leg *l)
{
	uint8_t header[12] = {0x80, 8, (uint8_t)(l->seq >> 8), (uint8_t)l->seq, 0,
			0, 0, 1, 1, 2, 3, 4};

	l->seq++;
	memcpy(l->packet, header, sizeof(header));
	l->n = sizeof(header) + PAYLOAD;
}

static void seal(struct leg *l)
{
	if(tg_srtp_protect(
			   l->tx, TG_SRTP_KIND_RTP, l->packet, &l->n, sizeof(l->packet))
			!= TG_SRTP_OK)
		die("protect");
}

static void take(struct leg *l)
{
	if(tg_srtp_unprotect(l->rx, TG_SRTP_KIND_RTP, l->packet, &l->n)
			!= TG_SRTP_OK)
		die("unprotect");
}

static void scrub(uint8_t *memory)
{
	for(size_t i = 0; i < SCRUB_OCTETS; i += 64)
		memory[i]++;
}

struct cost {
	double seal, take;
};

/* Each leg in turn, as packets of many calls come in */
static struct cost measure(
		struct leg *leg, size_t legs, size_t rounds, uint8_t *memory)
{
	struct cost c = {0};

	for(size_t r = 0; r < rounds; r++) {
		double t;

		for(size_t i = 0; i < legs; i++)
			prepare(&leg[i]);
		if(memory)
			scrub(memory);
		t = now_ns();
		for(size_t i = 0; i < legs; i++)
			seal(&leg[i]);
		c.seal += now_ns() - t;
		if(memory)
			scrub(memory);
		t = now_ns();
		for(size_t i = 0; i < legs; i++)
			take(&leg[i]);
		c.take += now_ns() - t;
	}
	c.seal /= (double)(legs * rounds);
	c.take /= (double)(legs * rounds);
	return c;
}

static void run(enum tg_suite suite, size_t legs, size_t rounds)
{
	struct leg *leg = calloc(legs, sizeof(*leg));
	uint8_t *memory = calloc(1, SCRUB_OCTETS);
	struct cost warm, cold;
	size_t before, after;
	double t;

	if(!leg || !memory)
		die("no memory");
	before = mallinfo2().uordblks;
	t = now_ns();
	for(size_t i = 0; i < legs; i++)
		open_leg(&leg[i], suite, (unsigned)i);
	t = (now_ns() - t) / (double)legs;
	cold = measure(leg, legs, rounds, memory);
	after = mallinfo2().uordblks;
	warm = measure(leg, 16, legs * rounds / 16, NULL);
	printf("%-26s cold %5.0f + %5.0f ns  warm %4.0f + %4.0f ns  "
		   "%5zu octets  %6.1f us set-up\n",
			tg_suite_name(suite), cold.seal, cold.take, warm.seal, warm.take,
			(after - before) / legs + 2 * TG_SRTP_BLOCK_OCTETS, t / 1000);
	for(size_t i = 0; i < legs; i++) {
		tg_srtp_free(leg[i].tx);
		tg_srtp_free(leg[i].rx);
	}
	free(leg);
	free(memory);
}

int main(int argc, char **argv)
{
	bool compact = argc < 2 || strcmp(argv[1], "evp") != 0;
	size_t legs = argc > 2 ? strtoul(argv[2], NULL, 10) : 400;
	size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 50;

	if(tg_srtp_global_init(
			   compact ? TG_SRTP_ENGINE_COMPACT : TG_SRTP_ENGINE_EVP)
			!= TG_SRTP_OK)
		die("libsrtp2 failed its self-test");
	printf("%s (%s), %zu legs: protect + unprotect a packet of %d octets\n",
			tg_srtp_engine() == TG_SRTP_ENGINE_COMPACT ? "compact" : "evp",
			tg_srtp_engine_note(), legs, PAYLOAD + 12);
	for(int s = 1; s < TG_SUITE_COUNT; s++)
		run((enum tg_suite)s, legs, rounds);
	return 0;
}
