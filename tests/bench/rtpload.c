/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load for a media relay: calls with one stream each way, paced at 20 ms,
 * 160 octets of payload. Side A is plain RTP, side B plain or SRTP. Every
 * packet is made, and encrypted, before the clock starts; what comes back is
 * drained and counted, never decrypted.
 *
 *   rtpload FRAMES FIRST < calls      one call a line:
 *   A_PORT RELAY_A_PORT B_PORT RELAY_B_PORT SUITE KEYHEX
 *
 * All on 127.0.0.1. FIRST is the sequence number to begin with, so that a
 * second run goes on where the first ended and is no replay. SUITE is "-" (plain), "cm" or "gcm"; KEYHEX is master key
 * and salt of what B sends. Prints "sent N received N seconds S".
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MAX 1000
#define HEADER_OCTETS 12
#define PAYLOAD_OCTETS 160
#define SLOT_OCTETS 208 /* header, payload, room for the longest tag */
#define FRAME_NS 20000000L

struct side {
	int fd;
	struct sockaddr_in relay;
	unsigned char *packets; /* FRAMES slots */
	int octets;             /* of each packet */
};

static struct side sides[2 * CALLS_MAX];
static size_t n_sides;

static void die(const char *what)
{
	fprintf(stderr, "rtpload: %s\n", what);
	exit(1);
}

static struct sockaddr_in local(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sa;
}

static void put_header(unsigned char *p, unsigned seq, uint32_t ssrc)
{
	uint32_t stamp = htonl(seq * PAYLOAD_OCTETS);
	uint16_t n = htons((uint16_t)seq);

	p[0] = 0x80;
	p[1] = 0;
	memcpy(p + 2, &n, sizeof(n));
	memcpy(p + 4, &stamp, sizeof(stamp));
	ssrc = htonl(ssrc);
	memcpy(p + 8, &ssrc, sizeof(ssrc));
	memset(p + HEADER_OCTETS, 0x5a, PAYLOAD_OCTETS);
}

static srtp_t session(const char *suite, const char *hex)
{
	static unsigned char key[64];
	srtp_policy_t policy = {0};
	srtp_t s;

	for(size_t i = 0; hex[2 * i] && hex[2 * i + 1] && i < sizeof(key); i++) {
		if(sscanf(hex + 2 * i, "%2hhx", &key[i]) != 1)
			die("bad key");
	}
	if(strcmp(suite, "gcm") == 0) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	} else {
		srtp_crypto_policy_set_rtp_default(&policy.rtp);
		srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
	}
	policy.ssrc.type = ssrc_any_outbound;
	policy.key = key;
	if(srtp_create(&s, &policy) != srtp_err_status_ok)
		die("cannot create an SRTP session");
	return s;
}

static void add_side(int port, int relay_port, long frames, long first,
		uint32_t ssrc, const char *suite, const char *hex)
{
	struct side *side = &sides[n_sides++];
	struct sockaddr_in sa = local(port);
	int octets_max = 1 << 20;
	srtp_t s = NULL;

	side->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(
			side->fd, SOL_SOCKET, SO_RCVBUF, &octets_max, sizeof(octets_max));
	if(side->fd < 0 || bind(side->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die("cannot bind");
	side->relay = local(relay_port);
	side->packets = malloc((size_t)frames * SLOT_OCTETS);
	if(!side->packets)
		die("out of memory");
	if(strcmp(suite, "-") != 0)
		s = session(suite, hex);
	for(long f = 0; f < frames; f++) {
		unsigned char *p = side->packets + f * SLOT_OCTETS;

		side->octets = HEADER_OCTETS + PAYLOAD_OCTETS;
		put_header(p, (unsigned)(first + f), ssrc);
		if(s && srtp_protect(s, p, &side->octets) != srtp_err_status_ok)
			die("cannot encrypt");
	}
	if(s)
		srtp_dealloc(s);
}

static long drain(void)
{
	char buf[2048];
	long n = 0;

	for(size_t i = 0; i < n_sides; i++) {
		while(recv(sides[i].fd, buf, sizeof(buf), 0) > 0)
			n++;
	}
	return n;
}

static void wait_until(struct timespec *at)
{
	at->tv_nsec += FRAME_NS;
	if(at->tv_nsec >= 1000000000L) {
		at->tv_nsec -= 1000000000L;
		at->tv_sec++;
	}
	while(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL) != 0)
		;
}

static void run(long frames)
{
	struct timespec start, at, end;
	long sent = 0, received = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	at = start;
	for(long f = 0; f < frames; f++) {
		for(size_t i = 0; i < n_sides; i++) {
			struct side *s = &sides[i];

			sent += sendto(s->fd, s->packets + f * SLOT_OCTETS,
							(size_t)s->octets, 0, (struct sockaddr *)&s->relay,
							sizeof(s->relay))
					> 0;
		}
		received += drain();
		wait_until(&at);
	}
	wait_until(&at);
	received += drain();
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("sent %ld received %ld seconds %.3f\n", sent, received,
			(double)(end.tv_sec - start.tv_sec)
					+ (double)(end.tv_nsec - start.tv_nsec) / 1e9);
}

int main(int argc, char **argv)
{
	char suite[8], hex[129];
	int a, relay_a, b, relay_b;
	long frames = argc == 3 ? atol(argv[1]) : 0;
	long first = argc == 3 ? atol(argv[2]) : 0;

	/* beyond 65535 the far end's rollover counter would have to be known */
	if(frames < 1 || first < 1 || first + frames > 65536)
		die("usage: rtpload FRAMES FIRST < calls");
	if(srtp_init() != srtp_err_status_ok)
		die("no libsrtp");
	while(scanf("%d %d %d %d %7s %128s", &a, &relay_a, &b, &relay_b, suite, hex)
			== 6) {
		if(n_sides >= 2 * CALLS_MAX)
			die("too many calls");
		add_side(a, relay_a, frames, first, 0x10000u + (uint32_t)n_sides, "-",
				"");
		add_side(b, relay_b, frames, first, 0x20000u + (uint32_t)n_sides, suite,
				hex);
	}
	if(n_sides == 0)
		die("no calls");
	run(frames);
	return 0;
}
