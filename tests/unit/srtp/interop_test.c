/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packets against another implementation: ffmpeg's SRTP on loopback, both
 * ways, over a roll-over of the sequence number; the payload is compared bit
 * by bit. Skipped where ffmpeg is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "srtp/srtp.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define SECONDS 3
#define SOUND_MAX (8000 * SECONDS)
#define FIRST_SEQUENCE "65500"

static char folder[] = "/tmp/tg-srtp-XXXXXX";

static const struct {
	enum tg_suite suite;
	char *name;
} row[] = {{TG_SUITE_AES_CM_128_HMAC_SHA1_80, "AES_CM_128_HMAC_SHA1_80"},
		{TG_SUITE_AES_CM_128_HMAC_SHA1_32, "AES_CM_128_HMAC_SHA1_32"}};

static struct tg_srtp *context(enum tg_srtp_dir dir, enum tg_suite suite)
{
	struct tg_srtp_config c = {.dir = dir};
	struct tg_srtp_keys k = {.suite = suite, .n = 1};
	struct tg_srtp *ctx;

	k.master[0].octets = 30;
	for(uint8_t i = 0; i < 30; i++)
		k.master[0].octet[i] = i;
	assert_int_equal(tg_srtp_new(&c, &k, &ctx), TG_SRTP_OK);
	return ctx;
}

static int udp(uint16_t *port)
{
	struct sockaddr_in sa = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static pid_t start(char *const argv[])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if(pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static size_t read_file(const char *name, uint8_t *out, size_t room)
{
	FILE *f = fopen(name, "rb");
	size_t n = f ? fread(out, 1, room, f) : 0;

	if(f)
		fclose(f);
	return n;
}

static char *sound_file(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s/sound.ul", folder);
	return name;
}

/* ---- ffmpeg sends ------------------------------------------------------- */

/*
 * Takes what comes until nothing came for a while. With the _32 suite ffmpeg
 * gives SRTCP a tag of 32 bits; RFC 4568 section 6.2.2 asks for 80: refused.
 */
static void collect(struct tg_srtp *rx, enum tg_srtp_rc report_rc,
		const int fd[2], uint8_t *sound, size_t *n, size_t *reports)
{
	struct pollfd f[2] = {
			{.fd = fd[0], .events = POLLIN}, {.fd = fd[1], .events = POLLIN}};
	int patience = 5000;

	while(poll(f, 2, patience) > 0) {
		patience = 1000;
		for(int i = 0; i < 2; i++) {
			uint8_t d[2048];
			size_t len;
			ssize_t got;

			if(!(f[i].revents & POLLIN))
				continue;
			got = recv(fd[i], d, sizeof(d), 0);
			assert_true(got > 0);
			len = (size_t)got;
			assert_int_equal(d[1] == 200, i == 1); /* sender report */
			assert_int_equal(
					tg_srtp_unprotect(rx, tg_srtp_kind(d, len), d, &len),
					i == 1 ? report_rc : TG_SRTP_OK);
			if(i == 1) {
				++*reports;
				continue;
			}
			assert_true(*n + len - 12 <= SOUND_MAX);
			memcpy(sound + *n, d + 12, len - 12);
			*n += len - 12;
		}
	}
}

static void takes_what_ffmpeg_sends(void **state)
{
	static uint8_t want[SOUND_MAX], got[SOUND_MAX];
	size_t want_n = read_file(sound_file(), want, sizeof(want));

	(void)state;
	assert_int_equal(want_n, SOUND_MAX);
	for(size_t i = 0; i < 2; i++) {
		char url[128];
		char *argv[] = {"ffmpeg", "-f", "mulaw", "-ar", "8000", "-i",
				sound_file(), "-c:a", "copy", "-seq", FIRST_SEQUENCE,
				"-srtp_out_suite", row[i].name, "-srtp_out_params", KEY, "-f",
				"rtp", url, NULL};
		struct tg_srtp *rx = context(TG_SRTP_RX, row[i].suite);
		size_t n = 0, reports = 0;
		uint16_t port[2];
		int fd[2];
		pid_t pid;

		fd[0] = udp(&port[0]);
		fd[1] = udp(&port[1]);
		snprintf(url, sizeof(url),
				"srtp://127.0.0.1:%u?rtcpport=%u&pkt_size=200", port[0],
				port[1]);
		pid = start(argv);
		collect(rx, i == 0 ? TG_SRTP_OK : TG_SRTP_AUTH, fd, got, &n, &reports);
		waitpid(pid, NULL, 0);
		assert_int_equal(n, want_n);
		assert_memory_equal(got, want, n);
		assert_true(reports >= 1);
		assert_true(tg_srtp_counters(rx)->rtp_packets > 100);
		tg_srtp_free(rx);
		close(fd[0]);
		close(fd[1]);
	}
}

/* ---- ffmpeg receives ---------------------------------------------------- */

static void write_sdp(const char *name, const char *suite, uint16_t port)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fprintf(f,
			"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
			"t=0 0\r\nm=audio %u RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
			"a=crypto:1 %s inline:%s\r\n",
			port, suite, KEY);
	fclose(f);
}

static void send_sound(struct tg_srtp *tx, int fd, uint16_t port,
		const uint8_t *sound, size_t octets)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint16_t seq = 65500;
	struct timespec pause = {.tv_nsec = 5000000};

	for(size_t at = 0; at + 160 <= octets; at += 160, seq++) {
		uint8_t d[2048] = {0x80, 0, (uint8_t)(seq >> 8), (uint8_t)seq,
				(uint8_t)(at >> 24), (uint8_t)(at >> 16), (uint8_t)(at >> 8),
				(uint8_t)at, 1, 2, 3, 4};
		size_t n = 172;

		memcpy(d + 12, sound + at, 160);
		assert_int_equal(
				tg_srtp_protect(tx, TG_SRTP_KIND_RTP, d, &n, sizeof(d)),
				TG_SRTP_OK);
		sendto(fd, d, n, 0, (struct sockaddr *)&sa, sizeof(sa));
		nanosleep(&pause, NULL);
	}
}

static uint16_t even_port(void)
{
	for(;;) {
		uint16_t port;

		close(udp(&port));
		if(port % 2 == 0)
			return port;
	}
}

static void wait_for_port(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(INADDR_ANY)};

	for(int i = 0; i < 200; i++) {
		struct timespec pause = {.tv_nsec = 25000000};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		int rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));

		close(fd);
		if(rc != 0)
			return;
		nanosleep(&pause, NULL);
	}
	fail();
}

static void ffmpeg_takes_what_is_sent(void **state)
{
	static uint8_t want[SOUND_MAX], got[SOUND_MAX];
	size_t want_n = read_file(sound_file(), want, sizeof(want));

	(void)state;
	for(size_t i = 0; i < 2; i++) {
		char sdp[64], out[64];
		char *argv[] = {"ffmpeg", "-y", "-analyzeduration", "0", "-probesize",
				"32", "-protocol_whitelist", "file,udp,rtp,srtp", "-i", sdp,
				"-c:a", "copy", "-flush_packets", "1", "-f", "mulaw", out,
				NULL};
		struct tg_srtp *tx = context(TG_SRTP_TX, row[i].suite);
		struct timespec pause = {.tv_nsec = 300000000};
		uint16_t own, port = even_port();
		int fd = udp(&own);
		size_t n;
		pid_t pid;

		snprintf(sdp, sizeof(sdp), "%s/in.sdp", folder);
		snprintf(out, sizeof(out), "%s/out.ul", folder);
		write_sdp(sdp, row[i].name, port);
		unlink(out);
		pid = start(argv);
		wait_for_port(port);
		send_sound(tx, fd, port, want, want_n);
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL); /* it would wait ten seconds for more */
		waitpid(pid, NULL, 0);
		n = read_file(out, got, sizeof(got));
		/* it plays from the first packet it looked at */
		assert_true(n > want_n * 3 / 4);
		assert_non_null(memmem(want, want_n, got, n));
		tg_srtp_free(tx);
		close(fd);
	}
}

/* ---- set-up ------------------------------------------------------------- */

static int set_up(void **state)
{
	uint32_t x = 1;
	FILE *f;

	(void)state;
	if(tg_srtp_global_init(TG_SRTP_ENGINE_COMPACT) != TG_SRTP_OK
			|| !mkdtemp(folder))
		return -1;
	f = fopen(sound_file(), "wb");
	if(!f)
		return -1;
	for(size_t i = 0; i < SOUND_MAX; i++) {
		x = x * 1664525u + 1013904223u;
		fputc((int)(x >> 24), f);
	}
	return fclose(f);
}

static int tear_down(void **state)
{
	static const char *const names[] = {"sound.ul", "in.sdp", "out.ul"};
	char name[64];

	(void)state;
	for(size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
		unlink(name);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(takes_what_ffmpeg_sends),
			cmocka_unit_test(ffmpeg_takes_what_is_sent),
	};

	if(system("ffmpeg -version >/dev/null 2>&1") != 0) {
		puts("skipped: no ffmpeg command");
		return 0;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
