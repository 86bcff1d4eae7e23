/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls set up, answered twice (forked), and closed by several threads while
 * others send and receive on their sockets and one reads status and metrics.
 * Made for `make tsan`; without it, it still looks for leaks and hangs.
 */
#include "cm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "ng/exchange.h"
#include "session/packet.h"
#include "stats/status.h"

#define SECRET "a secret for the tests of the threads"
#define CALLERS 2
#define ROUNDS 150
#define SDP                                      \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n" \
	"c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9000 "
#define CRYPTO(letter)                                                       \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" letter letter letter letter \
			letter "\r\n"
#define KEY_A CRYPTO("AAAAAAAA")
#define KEY_B CRYPTO("BBBBBBBB")

static struct tg_ngx_host host;
static struct tg_ng_key shared;
static atomic_bool stop;
static atomic_uint_fast64_t sent;

struct caller {
	struct tg_ngx x;
	struct tg_ng_key signing;
	struct tg_arena arena;
	struct tg_span seen;
	unsigned cookie;
	int fd; /* the first of four */
	char name[16];
};

static void must(bool ok)
{
	if(!ok)
		abort();
}

static uint64_t now(void)
{
	return 1000000;
}

static void ask(
		struct caller *c, const char *command, const char *to, const char *sdp)
{
	struct tg_ng_token t = {.legs = TG_NG_LEG_TO,
			.expires = 1000060,
			.to = {.level = TG_LEVEL_REQUIRED,
					.key_exchange = {TG_KX_SDES},
					.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80},
					.replay_window = 128}};
	struct tg_ben *dict = tg_ben_new(&c->arena, TG_BEN_DICT);
	struct tg_span body, token;
	char text[4096];
	int n;

	must(tg_ben_set_string(dict, &c->arena, "command", tg_span_cstr(command)));
	must(tg_ben_set_string(dict, &c->arena, "call-id", tg_span_cstr(c->name)));
	must(tg_ben_set_string(dict, &c->arena, "from-tag", TG_SPAN("a")));
	if(to != NULL)
		must(tg_ben_set_string(dict, &c->arena, "to-tag", tg_span_cstr(to)));
	must(tg_ben_set_string(dict, &c->arena, "sdp", tg_span_cstr(sdp)));
	must(tg_ng_token_encode(
				 &t, tg_span_cstr(c->name), &c->signing, &c->arena, &token)
			== TG_NG_OK);
	must(tg_ben_set_string(dict, &c->arena, TG_NG_KEY, token));
	body = tg_ben_encode(dict, &c->arena);
	n = snprintf(text, sizeof(text), "%s-%u %.*s", c->name, ++c->cookie,
			TG_SPAN_FMT(body));
	must(tg_ngx_request(&c->x, tg_span_of(text, (size_t)n), &c->seen)
			== TG_NGX_REPLACE);
}

static void reply(struct caller *c, const char *address)
{
	char sdp[512], text[1024];
	int n = snprintf(sdp, sizeof(sdp),
			"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 %s\r\n"
			"t=0 0\r\nm=audio %d RTP/AVP 0\r\na=rtcp:%d\r\n",
			address, 30000 + c->fd, 30001 + c->fd);

	n = snprintf(text, sizeof(text), "%s-%u d3:sdp%d:%s6:result2:oke", c->name,
			c->cookie, n, sdp);
	must(tg_ngx_reply(&c->x, tg_span_of(text, (size_t)n), &c->seen)
			== TG_NGX_REPLACE);
	must(memmem(c->seen.ptr, c->seen.len, "6:result2:ok", 12) != NULL);
	tg_ngx_finish(&c->x);
	tg_arena_deinit(&c->arena);
	tg_arena_init(&c->arena, &tg_alloc_libc, 0);
}

static void *call(void *arg)
{
	struct caller *c = arg;
	struct tg_addr inside, outside;

	tg_addr_parse(TG_SPAN("10.0.0.1"), &inside);
	tg_addr_parse(TG_SPAN("198.51.100.1"), &outside);
	for(int i = 0; i < ROUNDS; i++) {
		ask(c, "offer", NULL, SDP "RTP/AVP 0\r\n");
		for(int k = 0; k < 4; k++)
			must(tg_ngx_bound(&c->x, c->fd + k, k < 2 ? &inside : &outside,
					(uint16_t)(30000 + c->fd + k % 2)));
		reply(c, "198.51.100.1");
		ask(c, "answer", "b", SDP "RTP/SAVP 0\r\n" KEY_A);
		reply(c, "10.0.0.1");
		ask(c, "answer", "c", SDP "RTP/SAVP 0\r\n" KEY_B);
		reply(c, "10.0.0.1");
		ask(c, "offer", "c", SDP "RTP/AVP 0\r\n");
		reply(c, "198.51.100.1");
		for(int k = 0; k < 4; k++)
			tg_ses_socket_closed(c->fd + k);
	}
	return NULL;
}

static void *media(void *arg)
{
	struct tg_key_path from = {.port = 9000};
	uint16_t sequence = 0;

	(void)arg;
	while(!atomic_load(&stop)) {
		sequence++;
		for(int fd = 10; fd < 10 + 4 * CALLERS; fd++) {
			uint8_t rtp[400] = {0x80, 0, (uint8_t)(sequence >> 8),
					(uint8_t)sequence, 0, 0, 0, 0, 0, 0, 0, (uint8_t)fd};
			struct tg_ses_socket *s = tg_ses_socket_get(fd);
			size_t n = 172;

			if(s == NULL)
				continue;
			tg_ses_packet_prefetch(s);
			if(tg_ses_packet_out(s, NULL, rtp, &n, sizeof(rtp)) == TG_SES_PASS)
				atomic_fetch_add(&sent, 1);
			(void)tg_ses_packet_in(s, &from, rtp, &n);
			tg_ses_socket_put(s);
		}
	}
	return NULL;
}

static void *watch(void *arg)
{
	struct tg_sta_host status = {.fd = -1, .daemon_version = "none"};

	(void)arg;
	while(!atomic_load(&stop)) {
		char *text = NULL;
		size_t octets;
		FILE *f = open_memstream(&text, &octets);

		must(f != NULL);
		tg_sta_write_status(f, &status);
		tg_sta_write_metrics(f, &status);
		fclose(f);
		free(text);
	}
	return NULL;
}

static void calls_media_and_status_do_not_race(void **state)
{
	static struct caller caller[CALLERS];
	pthread_t callers[CALLERS], others[3];

	(void)state;
	for(int i = 0; i < CALLERS; i++) {
		struct caller *c = &caller[i];

		tg_ng_key_init(&c->signing, TG_SPAN(SECRET));
		tg_arena_init(&c->arena, &tg_alloc_libc, 0);
		tg_ngx_init(&c->x, &host);
		c->fd = 10 + 4 * i;
		snprintf(c->name, sizeof(c->name), "race%d", i);
	}
	for(int i = 0; i < 3; i++)
		assert_int_equal(0,
				pthread_create(&others[i], NULL, i < 2 ? media : watch, NULL));
	for(int i = 0; i < CALLERS; i++)
		assert_int_equal(
				0, pthread_create(&callers[i], NULL, call, &caller[i]));
	for(int i = 0; i < CALLERS; i++)
		pthread_join(callers[i], NULL);
	atomic_store(&stop, true);
	for(int i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	for(int i = 0; i < CALLERS; i++)
		tg_arena_deinit(&caller[i].arena);
	assert_true(atomic_load(&sent) > 0);
	assert_int_equal(0, tg_ses_calls_count());
}

static int start(void **state)
{
	(void)state;
	tg_ng_key_init(&shared, TG_SPAN(SECRET));
	host.key = &shared;
	host.now_sec = now;
	return tg_srtp_global_init(TG_SRTP_ENGINE_COMPACT) == TG_SRTP_OK
						   && tg_ses_sockets_init(64) && tg_ses_calls_init()
				   ? 0
				   : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(calls_media_and_status_do_not_race),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
