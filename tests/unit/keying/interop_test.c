/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DTLS-SRTP against OpenSSL's own programs on loopback, both roles, each
 * profile: the keying material that s_client and s_server print must be ours.
 * Skipped where the openssl command is missing.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keying/keying.h"
#include "material.h"

#define PATIENCE_MS 8000

static char folder[] = "/tmp/tg-dtls-XXXXXX";
static char fingerprint[128];

/* ---- the other program -------------------------------------------------- */

struct program {
	pid_t pid;
	int in, out;
	size_t n;
	char text[1 << 17];
};

static void start(struct program *p, char *const argv[])
{
	int in[2], out[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if(p->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(in[1]);
		close(out[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
}

static void end_program(struct program *p)
{
	close(p->in);
	kill(p->pid, SIGTERM);
	waitpid(p->pid, NULL, 0);
	close(p->out);
}

static void listen_to(struct program *p)
{
	ssize_t n = read(p->out, p->text + p->n, sizeof(p->text) - p->n - 1);

	if(n > 0)
		p->n += (size_t)n;
	p->text[p->n] = '\0';
}

static const char *wait_for(struct program *p, const char *word)
{
	for(int i = 0; i < PATIENCE_MS / 20; i++) {
		struct pollfd f = {.fd = p->out, .events = POLLIN};
		const char *at;

		poll(&f, 1, 20);
		listen_to(p);
		at = strstr(p->text, word);
		if(at && strchr(at, '\n'))
			return at + strlen(word);
	}
	print_error("no \"%s\" in:\n%s\n", word, p->text);
	return NULL;
}

/* ---- our side ----------------------------------------------------------- */

struct side {
	int fd;
	uint16_t port;
	struct tg_key_host host;
	struct tg_key_cert *cert;
	struct tg_key *key;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void send_udp(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	struct side *s = user;
	struct sockaddr_in sa = {
			.sin_family = AF_INET, .sin_port = htons(to->port)};

	(void)component;
	memcpy(&sa.sin_addr, to->addr.octet, 4);
	sendto(s->fd, octet, octets, 0, (struct sockaddr *)&sa, sizeof(sa));
}

static void open_side(struct side *s, enum tg_suite suite)
{
	struct tg_key_profile p = {.suite = {suite}};
	struct sockaddr_in sa = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	const char *why;

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &len), 0);
	s->port = ntohs(sa.sin_port);
	s->cert = tg_key_cert_new_self_signed(&why);
	assert_non_null(s->cert);
	s->host.cert = s->cert;
	s->host.send = send_udp;
	s->key = tg_key_new(TG_KX_DTLS, &p, &s->host, s);
	assert_non_null(s->key);
}

static void close_side(struct side *s)
{
	tg_key_free(s->key);
	tg_key_cert_free(s->cert);
	close(s->fd);
}

static void take(struct side *s)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	uint8_t octet[2048];
	ssize_t n;

	while((n = recvfrom(s->fd, octet, sizeof(octet), 0, (struct sockaddr *)&sa,
				   &len))
			> 0) {
		struct tg_key_path from;

		assert_true(tg_addr_from_sockaddr(
				(struct sockaddr *)&sa, &from.addr, &from.port));
		tg_key_datagram(s->key, TG_KEY_RTP, &from, octet, (size_t)n, now_ms());
		len = sizeof(sa);
	}
}

static void pump(struct side *s, struct program *p, const char *until)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while(now_ms() < end
			&& (tg_key_state(s->key, TG_KEY_RTP) != TG_KEY_READY
					|| !strstr(p->text, until))
			&& tg_key_state(s->key, TG_KEY_RTP) != TG_KEY_FAILED) {
		struct pollfd f[2] = {{.fd = s->fd, .events = POLLIN},
				{.fd = p->out, .events = POLLIN}};

		poll(f, 2, 20);
		take(s);
		listen_to(p);
		tg_key_tick(s->key, now_ms());
	}
}

static struct tg_key_path loopback(uint16_t port)
{
	static const uint8_t octet[4] = {127, 0, 0, 1};

	return (struct tg_key_path){.addr = tg_addr_of(octet, 4), .port = port};
}

static void agree(struct side *s, enum tg_sdp_setup theirs)
{
	struct tg_sdp_media m = {0};
	struct tg_key_lines l;

	m.security.fingerprint_hash = TG_SPAN("sha-256");
	m.security.fingerprint = tg_span_cstr(fingerprint);
	m.security.n_fingerprints = 1;
	m.security.setup = theirs;
	assert_int_equal(tg_key_take_offer(s->key, &m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(s->key, false, &l), TG_KEY_OK);
}

/* "Keying material: HEX" against what we derived */
static void compare(struct side *s, struct program *p, bool we_are_client,
		size_t key_octets, size_t salt_octets)
{
	const char *hex = wait_for(p, "Keying material: ");
	const struct tg_srtp_keys *tx = material_of(s->key, TG_KEY_RTP, TG_SRTP_TX);
	const struct tg_srtp_keys *rx = material_of(s->key, TG_KEY_RTP, TG_SRTP_RX);
	const uint8_t *part[4];
	size_t octets[4] = {key_octets, key_octets, salt_octets, salt_octets};

	assert_non_null(hex);
	assert_non_null(tx);
	assert_non_null(rx);
	if(!hex || !tx || !rx)
		return; /* never: an analyser does not know cmocka */
	part[0] = (we_are_client ? tx : rx)->master[0].octet;
	part[1] = (we_are_client ? rx : tx)->master[0].octet;
	part[2] = part[0] + key_octets;
	part[3] = part[1] + key_octets;
	for(size_t i = 0; i < 4; i++)
		for(size_t j = 0; j < octets[i]; j++, hex += 2) {
			char pair[3] = {hex[0], hex[1], 0};

			assert_int_equal(strtoul(pair, NULL, 16), part[i][j]);
		}
}

/* ---- tests -------------------------------------------------------------- */

static const struct {
	enum tg_suite suite;
	char *name;
	size_t key, salt;
	char *length;
} row[] = {{TG_SUITE_AES_CM_128_HMAC_SHA1_80, "SRTP_AES128_CM_SHA1_80", 16, 14,
				   "60"},
		{TG_SUITE_AES_CM_128_HMAC_SHA1_32, "SRTP_AES128_CM_SHA1_32", 16, 14,
				"60"},
		{TG_SUITE_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM", 16, 12, "56"},
		{TG_SUITE_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM", 32, 12, "88"}};

static void shakes_hands_with_s_server(void **state)
{
	(void)state;
	for(size_t i = 0; i < 4; i++) {
		char cert[64], key[64];
		char *argv[] = {"openssl", "s_server", "-dtls1_2", "-accept",
				"127.0.0.1:0", "-cert", cert, "-key", key, "-Verify", "1",
				"-use_srtp", row[i].name, "-keymatexport",
				"EXTRACTOR-dtls_srtp", "-keymatexportlen", row[i].length,
				i % 2 ? "-listen" : NULL, NULL};
		struct program p;
		struct tg_key_path to;
		struct side s;
		const char *at;

		snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
		snprintf(key, sizeof(key), "%s/key.pem", folder);
		start(&p, argv);
		at = wait_for(&p, "ACCEPT 127.0.0.1:");
		assert_non_null(at);
		to = loopback((uint16_t)atoi(at));
		open_side(&s, row[i].suite);
		agree(&s, TG_SDP_SETUP_PASSIVE);
		tg_key_connect(s.key, TG_KEY_RTP, &to, now_ms());
		pump(&s, &p, "Keying material: ");
		assert_int_equal(tg_key_state(s.key, TG_KEY_RTP), TG_KEY_READY);
		compare(&s, &p, true, row[i].key, row[i].salt);
		close_side(&s);
		end_program(&p);
	}
}

static char *client_argv[24];

static void start_client(struct program *p, struct side *s, char *version,
		char *name, char *length, char *more)
{
	static char to[32], cert[64], key[64];
	char *argv[] = {"openssl", "s_client", version, "-connect", to, "-cert",
			cert, "-key", key, "-use_srtp", name, "-keymatexport",
			"EXTRACTOR-dtls_srtp", "-keymatexportlen", length,
			more ? "-cipher" : NULL, more, NULL};

	snprintf(to, sizeof(to), "127.0.0.1:%u", s->port);
	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	memcpy(client_argv, argv, sizeof(argv));
	start(p, client_argv);
}

static void shakes_hands_with_s_client(void **state)
{
	(void)state;
	for(size_t i = 0; i < 4; i++) {
		struct program p;
		struct side s;

		open_side(&s, row[i].suite);
		agree(&s, TG_SDP_SETUP_ACTIVE);
		start_client(&p, &s, "-dtls1_2", row[i].name, row[i].length, NULL);
		pump(&s, &p, "Keying material: ");
		assert_int_equal(tg_key_state(s.key, TG_KEY_RTP), TG_KEY_READY);
		compare(&s, &p, false, row[i].key, row[i].salt);
		close_side(&s);
		end_program(&p);
	}
}

static void refuses_dtls_1_0(void **state)
{
	struct program p;
	struct side s;

	(void)state;
	open_side(&s, row[0].suite);
	agree(&s, TG_SDP_SETUP_ACTIVE);
	start_client(
			&p, &s, "-dtls1", row[0].name, row[0].length, "ALL@SECLEVEL=0");
	for(int i = 0; i < 50 && !strstr(p.text, "alert"); i++) {
		struct pollfd f = {.fd = s.fd, .events = POLLIN};

		poll(&f, 1, 40);
		take(&s);
		listen_to(&p);
	}
	assert_non_null(strstr(p.text, "alert"));
	assert_null(material_of(s.key, TG_KEY_RTP, TG_SRTP_RX));
	close_side(&s);
	end_program(&p);
}

static void refuses_a_client_without_srtp(void **state)
{
	struct program p;
	struct side s;

	(void)state;
	open_side(&s, TG_SUITE_AEAD_AES_128_GCM);
	agree(&s, TG_SDP_SETUP_ACTIVE);
	start_client(&p, &s, "-dtls1_2", "SRTP_AES128_CM_SHA1_80", "60", NULL);
	for(int i = 0; i < 50 && tg_key_reason(s.key) == TG_REASON_NONE; i++) {
		struct pollfd f = {.fd = s.fd, .events = POLLIN};

		poll(&f, 1, 40);
		take(&s);
		listen_to(&p);
	}
	assert_int_equal(tg_key_reason(s.key), TG_REASON_MEDIA_SUITE);
	assert_null(material_of(s.key, TG_KEY_RTP, TG_SRTP_RX));
	close_side(&s);
	end_program(&p);
}

/* ---- set-up ------------------------------------------------------------- */

static int make_certificate(void **state)
{
	char command[512], line[256] = "";
	FILE *f;

	(void)state;
	if(!mkdtemp(folder))
		return -1;
	snprintf(command, sizeof(command),
			"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
			"-nodes -keyout %s/key.pem -out %s/cert.pem -days 2 -subj /CN=far "
			"2>/dev/null && openssl x509 -in %s/cert.pem -noout -sha256 "
			"-fingerprint",
			folder, folder, folder);
	f = popen(command, "r");
	if(!f)
		return -1;
	if(!fgets(line, sizeof(line), f))
		line[0] = '\0';
	pclose(f);
	if(strchr(line, '='))
		snprintf(fingerprint, sizeof(fingerprint), "%.95s",
				strchr(line, '=') + 1);
	return strlen(fingerprint) == 95 ? 0 : -1;
}

static int remove_certificate(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "%s/key.pem", folder);
	unlink(name);
	snprintf(name, sizeof(name), "%s/cert.pem", folder);
	unlink(name);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(shakes_hands_with_s_server),
			cmocka_unit_test(shakes_hands_with_s_client),
			cmocka_unit_test(refuses_dtls_1_0),
			cmocka_unit_test(refuses_a_client_without_srtp),
	};

	if(system("openssl version >/dev/null 2>&1") != 0) {
		puts("skipped: no openssl command");
		return 0;
	}
	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
