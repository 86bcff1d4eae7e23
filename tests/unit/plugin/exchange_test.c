/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Offers, answers and deletes as they pass, with a daemon that is played by
 * the test: what it is shown, which sockets it binds, what it replies.
 */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "ng/exchange.h"
#include "session/packet.h"

#define SECRET "a secret for the tests of the exchange"
#define PHONE                                    \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n" \
	"c=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define KEY_A "inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define CRYPTO "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " KEY_A "\r\n"

static struct tg_ngx_host host;
static struct tg_ng_key shared, foreign;
static struct tg_ng_key *signing; /* of the test's Kamailio */
static struct tg_ngx x;
static struct tg_arena arena;
static struct tg_addr inside, outside;
static unsigned cookies;
static struct tg_span seen; /* what came out last; lives as x's exchange */
static char reply_text[65536];

static uint64_t now(void)
{
	return 1000000;
}

static int start(void **state)
{
	(void)state;
	tg_ng_key_init(&shared, TG_SPAN(SECRET));
	tg_ng_key_init(&foreign, TG_SPAN("another secret of the right length"));
	host.key = signing = &shared;
	host.now_sec = now;
	tg_addr_parse(TG_SPAN("10.0.0.1"), &inside);
	tg_addr_parse(TG_SPAN("198.51.100.1"), &outside);
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	tg_ngx_init(&x, &host);
	return tg_srtp_global_init(TG_SRTP_ENGINE_EVP) == TG_SRTP_OK
						   && tg_ses_sockets_init(64) && tg_ses_calls_init()
				   ? 0
				   : -1;
}

static int end(void **state)
{
	(void)state;
	tg_ngx_finish(&x);
	tg_arena_deinit(&arena);
	return 0;
}

static struct tg_ng_token token_for(enum tg_ng_leg legs)
{
	struct tg_ng_profile p = {.level = TG_LEVEL_REQUIRED,
			.key_exchange = {TG_KX_SDES},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80},
			.replay_window = 128};
	struct tg_ng_token t = {.legs = legs, .expires = 1000060};

	if(legs & TG_NG_LEG_TO)
		t.to = p;
	if(legs & TG_NG_LEG_FROM)
		t.from = p;
	return t;
}

static bool contains(struct tg_span s, const char *text)
{
	return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

static void put(struct tg_ben *dict, const char *key, const char *value)
{
	assert_true(tg_ben_set_string(dict, &arena, key, tg_span_cstr(value)));
}

/* A request; t NULL: without our token */
static enum tg_ngx_action ask(const char *command, const char *call_id,
		const char *from, const char *to, const char *sdp,
		const struct tg_ng_token *t)
{
	struct tg_ben *dict = tg_ben_new(&arena, TG_BEN_DICT);
	struct tg_span body, token;
	static char text[65536];
	int n;

	put(dict, "command", command);
	put(dict, "call-id", call_id);
	put(dict, "from-tag", from);
	if(to != NULL)
		put(dict, "to-tag", to);
	if(sdp != NULL)
		put(dict, "sdp", sdp);
	if(t != NULL) {
		assert_int_equal(TG_NG_OK, tg_ng_token_encode(t, tg_span_cstr(call_id),
										   signing, &arena, &token));
		assert_true(tg_ben_set_string(dict, &arena, TG_NG_KEY, token));
	}
	body = tg_ben_encode(dict, &arena);
	n = snprintf(text, sizeof(text), "c%u %.*s", ++cookies, TG_SPAN_FMT(body));
	return tg_ngx_request(&x, tg_span_of(text, (size_t)n), &seen);
}

/* The daemon's reply: a description of one audio line */
static enum tg_ngx_action reply(
		const char *address, unsigned port, const char *proto)
{
	char sdp[1024];
	int n = snprintf(sdp, sizeof(sdp),
			"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 %s\r\n"
			"t=0 0\r\nm=audio %u %s 0\r\na=rtcp:%u\r\n",
			address, port, proto, port + 1);

	n = snprintf(reply_text, sizeof(reply_text), "c%u d3:sdp%d:%s6:result2:oke",
			cookies, n, sdp);
	return tg_ngx_reply(&x, tg_span_of(reply_text, (size_t)n), &seen);
}

/* fds 10 and 11 inside, 12 and 13 outside, all on ports 30000 and 30001 */
static void daemon_binds(void)
{
	for(int i = 0; i < 4; i++)
		assert_true(tg_ngx_bound(&x, 10 + i, i < 2 ? &inside : &outside,
				(uint16_t)(30000 + i % 2)));
}

static void daemon_closes(void)
{
	for(int i = 0; i < 4; i++)
		tg_ses_socket_closed(10 + i);
}

static int mode(int fd)
{
	struct tg_ses_socket *s = tg_ses_socket_get(fd);
	int m;

	assert_non_null(s);
	m = atomic_load(&s->mode);
	tg_ses_socket_put(s);
	return m;
}

static void open_call(const char *call_id)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	assert_int_equal(
			TG_NGX_REPLACE, ask("offer", call_id, "a", NULL,
									PHONE "m=audio 9000 RTP/AVP 0\r\n", &t));
	daemon_binds();
	assert_int_equal(TG_NGX_REPLACE, reply("198.51.100.1", 30000, "RTP/AVP"));
	tg_ngx_finish(&x);
	assert_int_equal(TG_NGX_REPLACE,
			ask("answer", call_id, "a", "b",
					PHONE "m=audio 9002 RTP/SAVP 0\r\n" CRYPTO, &t));
	assert_int_equal(TG_NGX_REPLACE, reply("10.0.0.1", 30000, "RTP/AVP"));
	tg_ngx_finish(&x);
}

static void daemon_is_shown_a_plain_call(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_FROM);

	(void)state;
	assert_int_equal(TG_NGX_REPLACE,
			ask("offer", "plain-view", "a", NULL,
					PHONE "a=fingerprint:sha-256 AA\r\n"
						  "m=audio 9000 RTP/SAVPF 0\r\na=setup:actpass\r\n"
						  "a=x-trunkguard:forged\r\n" CRYPTO,
					&t));
	assert_true(contains(seen, "m=audio 9000 RTP/AVPF 0\r\n"));
	assert_false(contains(seen, "crypto"));
	assert_false(contains(seen, "fingerprint"));
	assert_false(contains(seen, "setup"));
	assert_false(contains(seen, "trunkguard"));
	tg_ngx_finish(&x);
	assert_int_equal(0, tg_ses_calls_count());
}

static void transport_toward_the_secured_side_is_forced(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	assert_int_equal(TG_NGX_REPLACE,
			ask("offer", "forced", "a", NULL,
					PHONE "m=audio 9000 RTP/SAVPF 0\r\n" CRYPTO, &t));
	assert_true(contains(seen, "18:transport-protocol8:RTP/AVPF"));
	/* the other side is the daemon's own business */
	assert_true(contains(seen, "RTP/SAVPF 0\r\na=crypto"));
	/* a daemon that secures the leg as well is not what was asked for */
	daemon_binds();
	assert_int_equal(TG_NGX_REPLACE, reply("198.51.100.1", 30000, "RTP/SAVP"));
	assert_true(contains(seen, "5:error"));
	tg_ngx_finish(&x);
	daemon_closes();
	assert_int_equal(0, tg_ses_calls_count());
}

static void sockets_open_only_as_descriptions_name_them(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	ask("offer", "modes", "a", NULL, PHONE "m=audio 9000 RTP/AVP 0\r\n", &t);
	daemon_binds();
	for(int fd = 10; fd < 14; fd++)
		assert_int_equal(TG_SES_HELD, mode(fd));
	reply("198.51.100.1", 30000, "RTP/AVP");
	assert_true(contains(seen, "m=audio 30000 RTP/SAVP 0"));
	assert_true(contains(seen, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_true(
			contains(seen, "\r\na=x-trunkguard:v1/leg:to/exp:1000060/mac:"));
	assert_int_equal(TG_SES_HELD, mode(10));
	assert_int_equal(TG_SES_HELD, mode(11));
	assert_int_equal(TG_SES_SECURED, mode(12));
	assert_int_equal(TG_SES_SECURED, mode(13));
	tg_ngx_finish(&x);
	ask("answer", "modes", "a", "b", PHONE "m=audio 9002 RTP/SAVP 0\r\n" CRYPTO,
			&t);
	reply("10.0.0.1", 30000, "RTP/AVP");
	assert_int_equal(TG_SES_PLAIN, mode(10));
	assert_int_equal(TG_SES_PLAIN, mode(11));
	assert_int_equal(TG_SES_SECURED, mode(12));
	assert_int_equal(TG_SES_SECURED, mode(13));
	tg_ngx_finish(&x);
	daemon_closes();
	assert_int_equal(0, tg_ses_calls_count());
}

static void a_packet_goes_out_protected_and_not_in_unprotected(void **state)
{
	struct tg_key_path from = {.port = 9002};
	uint8_t packet[400] = {0x80, 0, 0, 1}, copy[400];
	struct tg_ses_socket *s;
	size_t n = 172;

	(void)state;
	open_call("packets");
	memcpy(copy, packet, sizeof(copy));
	s = tg_ses_socket_get(12);
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, copy, &n));
	n = 172;
	assert_int_equal(TG_SES_PASS,
			tg_ses_packet_out(s, NULL, packet, &n, sizeof(packet)));
	assert_int_equal(182, n);
	assert_memory_not_equal(packet + 12, copy + 12, 160);
	tg_ses_socket_put(s);
	daemon_closes();
}

static void delete_closes_everything_until_the_sockets_go(void **state)
{
	(void)state;
	open_call("gone");
	assert_int_equal(
			TG_NGX_REPLACE, ask("delete", "gone", "a", NULL, NULL, NULL));
	reply("10.0.0.1", 30000, "RTP/AVP");
	tg_ngx_finish(&x);
	for(int fd = 10; fd < 14; fd++)
		assert_int_equal(TG_SES_HELD, mode(fd));
	assert_int_equal(0, tg_ses_calls_count());
	daemon_closes();
}

static void plain_requests_pass_untouched(void **state)
{
	(void)state;
	assert_int_equal(TG_NGX_PASS,
			ask("offer", "stock", "a", NULL,
					PHONE "m=audio 9000 RTP/SAVP 0\r\n" CRYPTO, NULL));
	daemon_binds();
	for(int fd = 10; fd < 14; fd++)
		assert_int_equal(TG_SES_PLAIN, mode(fd));
	assert_int_equal(TG_NGX_PASS, reply("10.0.0.1", 30000, "RTP/AVP"));
	tg_ngx_finish(&x);
	daemon_closes();
}

static void secured_calls_refuse_requests_without_a_token(void **state)
{
	(void)state;
	open_call("guarded");
	assert_int_equal(
			TG_NGX_ANSWER, ask("offer", "guarded", "b", "a",
								   PHONE "m=audio 9000 RTP/AVP 0\r\n", NULL));
	assert_true(contains(seen, "trunkguard: media-downgrade: "));
	assert_int_equal(TG_NGX_ANSWER,
			ask("subscribe request", "guarded", "a", NULL, NULL, NULL));
	assert_int_equal(
			TG_NGX_REPLACE, ask("query", "guarded", "a", NULL, NULL, NULL));
	tg_ngx_finish(&x);
	daemon_closes();
}

static void forged_and_stale_tokens_are_refused(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	t.expires = 999999;
	assert_int_equal(
			TG_NGX_ANSWER, ask("offer", "forged", "a", NULL,
								   PHONE "m=audio 9000 RTP/AVP 0\r\n", &t));
	assert_true(contains(seen, "expired"));
	t.expires = 1000060;
	signing = &foreign;
	assert_int_equal(
			TG_NGX_ANSWER, ask("offer", "forged", "a", NULL,
								   PHONE "m=audio 9000 RTP/AVP 0\r\n", &t));
	assert_true(contains(seen, "not authentic"));
	signing = host.key;
	tg_ngx_finish(&x);
	assert_int_equal(0, tg_ses_calls_count());
}

static void an_answer_out_of_nowhere_is_refused(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	assert_int_equal(TG_NGX_ANSWER,
			ask("answer", "nowhere", "a", "b",
					PHONE "m=audio 9000 RTP/SAVP 0\r\n" CRYPTO, &t));
	assert_true(contains(seen, "trunkguard: media-keying: "));
	tg_ngx_finish(&x);
	assert_int_equal(0, tg_ses_calls_count());
}

static void a_secured_port_without_a_socket_is_refused(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	ask("offer", "no-socket", "a", NULL, PHONE "m=audio 9000 RTP/AVP 0\r\n",
			&t);
	daemon_binds();
	reply("198.51.100.1", 30010, "RTP/AVP");
	assert_true(contains(seen, "5:error"));
	tg_ngx_finish(&x);
	for(int fd = 10; fd < 14; fd++)
		assert_int_equal(TG_SES_HELD, mode(fd));
	daemon_closes();
}

static void an_ambiguous_port_is_refused(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);

	(void)state;
	/* an address that no socket is bound to, and two sockets on the port */
	ask("offer", "ambiguous", "a", NULL, PHONE "m=audio 9000 RTP/AVP 0\r\n",
			&t);
	daemon_binds();
	reply("203.0.113.9", 30000, "RTP/AVP");
	assert_true(contains(seen, "5:error"));
	tg_ngx_finish(&x);
	daemon_closes();
}

static void two_lines_on_one_socket_are_refused(void **state)
{
	static const char sdp[] =
			"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
			"c=IN IP4 198.51.100.1\r\nt=0 0\r\n"
			"m=audio 30000 RTP/AVP 0\r\nm=video 30000 RTP/AVP 96\r\n";
	struct tg_ng_token t = token_for(TG_NG_LEG_TO);
	int n;

	(void)state;
	ask("offer", "bundle", "a", NULL,
			PHONE "m=audio 9000 RTP/AVP 0\r\nm=video 9002 RTP/AVP 96\r\n", &t);
	daemon_binds();
	n = snprintf(reply_text, sizeof(reply_text),
			"c%u d3:sdp%zu:%s6:result2:oke", cookies, sizeof(sdp) - 1, sdp);
	tg_ngx_reply(&x, tg_span_of(reply_text, (size_t)n), &seen);
	assert_true(contains(seen, "BUNDLE"));
	tg_ngx_finish(&x);
	daemon_closes();
}

/* ---- two legs, a profile each --------------------------------------------- */

#define OFFER PHONE "m=audio 9000 RTP/SAVP 0\r\n" CRYPTO
#define KEY_G "inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define ANSWER                          \
	PHONE "m=audio 9002 RTP/SAVP 0\r\n" \
		  "a=crypto:1 AEAD_AES_128_GCM " KEY_G "\r\n"

/* The caller has SDES with AES_CM, the callee GCM and an MKI */
static struct tg_ng_token token_of_two(void)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_BOTH);

	t.to.suite[0] = TG_SUITE_AEAD_AES_128_GCM;
	t.to.mki_octets = 4;
	t.to.peer = TG_SPAN("callee");
	t.from.peer = TG_SPAN("caller");
	return t;
}

static void offer_two(const char *call_id, const struct tg_ng_token *t)
{
	assert_int_equal(
			TG_NGX_REPLACE, ask("offer", call_id, "a", NULL, OFFER, t));
	daemon_binds();
	assert_int_equal(TG_NGX_REPLACE, reply("198.51.100.1", 30000, "RTP/AVP"));
}

static void each_leg_has_its_own_profile(void **state)
{
	struct tg_ng_token t = token_of_two();

	(void)state;
	offer_two("two", &t);
	assert_true(contains(seen, "a=crypto:1 AEAD_AES_128_GCM inline:"));
	assert_true(contains(seen, ":4\r\n")); /* the MKI */
	assert_false(contains(seen, "AES_CM_128"));
	assert_true(contains(seen, "a=x-trunkguard:v1/leg:both/"));
	tg_ngx_finish(&x);
	assert_int_equal(
			TG_NGX_REPLACE, ask("answer", "two", "a", "b", ANSWER, &t));
	assert_false(contains(seen, "crypto"));
	assert_int_equal(TG_NGX_REPLACE, reply("10.0.0.1", 30000, "RTP/AVP"));
	assert_true(contains(seen, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_false(contains(seen, "AEAD"));
	assert_false(contains(seen, ":4\r\n"));
	assert_true(contains(seen, "a=x-trunkguard:v1/leg:both/"));
	tg_ngx_finish(&x);
	for(int fd = 10; fd < 14; fd++)
		assert_int_equal(TG_SES_SECURED, mode(fd));
	daemon_closes();
}

static void a_leg_takes_no_keys_of_the_others_profile(void **state)
{
	struct tg_ng_token t = token_of_two();

	(void)state;
	assert_int_equal(
			TG_NGX_ANSWER, ask("offer", "crossed", "a", NULL, ANSWER, &t));
	assert_true(contains(seen, "trunkguard: media-suite: "));
	tg_ngx_finish(&x);
	offer_two("crossed", &t);
	tg_ngx_finish(&x);
	assert_int_equal(
			TG_NGX_ANSWER, ask("answer", "crossed", "a", "b", OFFER, &t));
	assert_true(contains(seen, "trunkguard: media-keying: "));
	tg_ngx_finish(&x);
	daemon_closes();
}

static void refused_answer(const struct tg_ng_token *t, const char *why)
{
	assert_int_equal(
			TG_NGX_ANSWER, ask("answer", "refused", "a", "b", ANSWER, t));
	if(!contains(seen, why))
		fail_msg("%.*s", TG_SPAN_FMT(seen));
	tg_ngx_finish(&x);
	assert_int_not_equal(TG_SES_PLAIN, mode(10));
	assert_int_equal(TG_SES_SECURED, mode(12));
}

static void an_answer_names_the_legs_of_its_offer(void **state)
{
	struct tg_ng_token t = token_of_two(), other = t;

	(void)state;
	offer_two("refused", &t);
	tg_ngx_finish(&x);
	other.legs = TG_NG_LEG_TO;
	refused_answer(&other, "trunkguard: media-downgrade: no profile");
	other.legs = TG_NG_LEG_FROM;
	refused_answer(&other, "trunkguard: media-downgrade: no profile");
	assert_int_equal(
			TG_NGX_REPLACE, ask("answer", "refused", "a", "b", ANSWER, &t));
	tg_ngx_finish(&x);
	daemon_closes();
}

static void an_answer_repeats_the_profiles_of_its_offer(void **state)
{
	struct tg_ng_token t = token_of_two(), other = t;

	(void)state;
	offer_two("refused", &t);
	tg_ngx_finish(&x);
#define CHANGED(change)                                                 \
	do {                                                                \
		other = t;                                                      \
		change;                                                         \
		refused_answer(&other, "trunkguard: media-keying: the answer"); \
	} while(0)
	CHANGED(other.from.suite[0] = TG_SUITE_AES_CM_128_HMAC_SHA1_32);
	CHANGED(other.to.suite[1] = TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	CHANGED(other.to.level = TG_LEVEL_SUPPORTED);
	CHANGED(other.from.level = TG_LEVEL_SUPPORTED);
	CHANGED(other.from.mki_octets = 4);
	CHANGED(other.to.key_exchange[0] = TG_KX_DTLS);
	CHANGED(other.to = t.from; other.from = t.to);
	daemon_closes();
}

static void an_offer_leaves_no_secured_leg_out(void **state)
{
	struct tg_ng_token t = token_of_two(), other = t;

	(void)state;
	offer_two("later", &t);
	tg_ngx_finish(&x);
	ask("answer", "later", "a", "b", ANSWER, &t);
	reply("10.0.0.1", 30000, "RTP/AVP");
	tg_ngx_finish(&x);
	other.legs = TG_NG_LEG_TO;
	assert_int_equal(
			TG_NGX_ANSWER, ask("offer", "later", "a", "b", OFFER, &other));
	assert_true(contains(seen, "trunkguard: media-downgrade: no profile"));
	/* by the callee: what was "to" is "from" */
	other = (struct tg_ng_token){.legs = TG_NG_LEG_BOTH,
			.to = t.from,
			.from = t.to,
			.expires = t.expires};
	assert_int_equal(
			TG_NGX_REPLACE, ask("offer", "later", "b", "a", ANSWER, &other));
	assert_int_equal(TG_NGX_REPLACE, reply("10.0.0.1", 30000, "RTP/AVP"));
	assert_true(contains(seen, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_false(contains(seen, "AEAD"));
	tg_ngx_finish(&x);
	daemon_closes();
}

/* Of what fell to clear there is no proof; of the other leg there is */
static void a_leg_that_fell_to_clear_takes_no_proof_from_the_other(void **state)
{
	struct tg_ng_token t = token_of_two();

	(void)state;
	t.from.level = TG_LEVEL_SUPPORTED;
	assert_int_equal(
			TG_NGX_REPLACE, ask("offer", "half", "a", NULL,
									PHONE "m=audio 9000 RTP/AVP 0\r\n", &t));
	daemon_binds();
	assert_int_equal(TG_NGX_REPLACE, reply("198.51.100.1", 30000, "RTP/AVP"));
	assert_true(contains(seen, "a=x-trunkguard:v1/leg:to/"));
	tg_ngx_finish(&x);
	assert_int_equal(
			TG_NGX_REPLACE, ask("answer", "half", "a", "b", ANSWER, &t));
	assert_int_equal(TG_NGX_REPLACE, reply("10.0.0.1", 30000, "RTP/AVP"));
	assert_true(contains(seen, "m=audio 30000 RTP/AVP 0"));
	assert_false(contains(seen, "crypto"));
	assert_true(contains(seen, "a=x-trunkguard:v1/leg:to/"));
	tg_ngx_finish(&x);
	assert_int_equal(TG_SES_PLAIN, mode(10));
	assert_int_equal(TG_SES_SECURED, mode(12));
	daemon_closes();
}

static void any_cut_of_a_request_does_no_harm(void **state)
{
	struct tg_ng_token t = token_for(TG_NG_LEG_FROM);
	struct tg_ben *dict = tg_ben_new(&arena, TG_BEN_DICT);
	struct tg_span body, token;

	(void)state;
	put(dict, "command", "offer");
	put(dict, "call-id", "cut");
	put(dict, "from-tag", "a");
	put(dict, "sdp", PHONE "m=audio 9000 RTP/SAVP 0\r\n" CRYPTO);
	assert_int_equal(TG_NG_OK,
			tg_ng_token_encode(&t, TG_SPAN("cut"), host.key, &arena, &token));
	tg_ben_set_string(dict, &arena, TG_NG_KEY, token);
	body = tg_ben_encode(dict, &arena);
	for(size_t i = 0; i < body.len; i++) {
		char *text = malloc(i + 8);
		int n = snprintf(text, i + 8, "k%03zu ", i % 1000);

		memcpy(text + n, body.ptr, i);
		assert_int_not_equal(TG_NGX_REPLACE,
				tg_ngx_request(&x, tg_span_of(text, (size_t)n + i), &seen));
		free(text);
	}
	tg_ngx_finish(&x);
	assert_int_equal(0, tg_ses_calls_count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(daemon_is_shown_a_plain_call),
			cmocka_unit_test(transport_toward_the_secured_side_is_forced),
			cmocka_unit_test(sockets_open_only_as_descriptions_name_them),
			cmocka_unit_test(
					a_packet_goes_out_protected_and_not_in_unprotected),
			cmocka_unit_test(delete_closes_everything_until_the_sockets_go),
			cmocka_unit_test(plain_requests_pass_untouched),
			cmocka_unit_test(secured_calls_refuse_requests_without_a_token),
			cmocka_unit_test(forged_and_stale_tokens_are_refused),
			cmocka_unit_test(an_answer_out_of_nowhere_is_refused),
			cmocka_unit_test(a_secured_port_without_a_socket_is_refused),
			cmocka_unit_test(an_ambiguous_port_is_refused),
			cmocka_unit_test(two_lines_on_one_socket_are_refused),
			cmocka_unit_test(each_leg_has_its_own_profile),
			cmocka_unit_test(a_leg_takes_no_keys_of_the_others_profile),
			cmocka_unit_test(an_answer_names_the_legs_of_its_offer),
			cmocka_unit_test(an_answer_repeats_the_profiles_of_its_offer),
			cmocka_unit_test(an_offer_leaves_no_secured_leg_out),
			cmocka_unit_test(
					a_leg_that_fell_to_clear_takes_no_proof_from_the_other),
			cmocka_unit_test(any_cut_of_a_request_does_no_harm),
	};

	return cmocka_run_group_tests(tests, start, end);
}
