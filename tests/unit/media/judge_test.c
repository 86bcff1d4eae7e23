/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session descriptions before a media profile, and the plugin's proof.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "media/judge.h"

#define HEAD                                                           \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n" \
	"t=0 0\r\n"
#define CLEAR "m=audio 4000 RTP/AVP 0\r\n"
#define SAVP "m=audio 4000 RTP/SAVP 0\r\n"
#define DTLS "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n"
#define KEY " inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define AES80 "a=crypto:1 AES_CM_128_HMAC_SHA1_80" KEY "\r\n"
#define AES32 "a=crypto:2 AES_CM_128_HMAC_SHA1_32" KEY "\r\n"
#define NULL80 "a=crypto:3 NULL_HMAC_SHA1_80" KEY "\r\n"
#define F8 "a=crypto:4 F8_128_HMAC_SHA1_80" KEY "\r\n"
#define PRINT "a=fingerprint:sha-256 AA:BB\r\n"

static struct tg_arena arena;
static struct tg_pol_media media;
static struct tg_media_ask ask;

static int setup(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	media = (struct tg_pol_media){.level = TG_LEVEL_REQUIRED,
			.key_exchange = {TG_KX_SDES},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80},
			.replay_window = 128};
	ask = (struct tg_media_ask){.media = &media,
			.direction = TG_POL_IN,
			.offer = true,
			.keys_allowed = true};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	return 0;
}

static struct tg_media_finding judge(const char *text)
{
	struct tg_media_finding found;
	struct tg_sdp sdp;

	assert_int_equal(tg_sdp_parse(tg_span_cstr(text), &arena, &sdp), TG_SDP_OK);
	tg_media_judge(&sdp, &ask, &found);
	return found;
}

static void passes(const char *text)
{
	struct tg_media_finding found = judge(text);

	if(found.reason != TG_REASON_NONE)
		fail_msg("%s in line %u", tg_reason_get(found.reason)->id, found.line);
}

static void refused(const char *text, enum tg_reason reason)
{
	struct tg_media_finding found = judge(text);

	if(found.reason != reason)
		fail_msg("%s", tg_reason_get(found.reason)->id);
}

static void denies_clear_lines_when_required(void **state)
{
	struct tg_media_finding found;

	(void)state;
	passes(HEAD SAVP AES80);
	refused(HEAD CLEAR, TG_REASON_MEDIA_CLEAR);
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_CLEAR);
	found = judge(HEAD SAVP AES80 "m=video 5000 RTP/AVP 96\r\n");
	assert_int_equal(found.reason, TG_REASON_MEDIA_CLEAR);
	assert_int_equal(found.line, 8);
	assert_true(tg_span_eq(found.type, TG_SPAN("video")));
}

static void takes_a_microsoft_offer_that_leaves_it_open(void **state)
{
	(void)state;
	media.dialect = TG_DIALECT_MS_SDPEXT;
	media.engine = TG_POL_ENGINE_PLUGIN;
	assert_int_equal(judge(HEAD CLEAR AES80).secured, 1);
	media.key_exchange[1] = TG_KX_DTLS; /* what is left must suffice */
	passes(HEAD CLEAR AES80 NULL80 PRINT);
	refused(HEAD CLEAR NULL80 PRINT, TG_REASON_MEDIA_SUITE);
	media.key_exchange[1] = TG_KX_NONE;
	refused(HEAD CLEAR, TG_REASON_MEDIA_CLEAR);
	refused(HEAD CLEAR PRINT, TG_REASON_MEDIA_CLEAR);
	refused(HEAD CLEAR AES32, TG_REASON_MEDIA_SUITE);
	ask.keys_allowed = false;
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
	ask.keys_allowed = true;
	ask.offer = false; /* an answer accepts with RTP/SAVP */
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_CLEAR);
	ask.offer = true;
	ask.direction = TG_POL_OUT; /* who requires it offers RTP/SAVP */
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_CLEAR);
	ask.direction = TG_POL_IN;
	media.engine = TG_POL_ENGINE_NATIVE; /* rtpengine does not know of it */
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_CLEAR);
}

static void weighs_what_the_sender_says_of_encryption(void **state)
{
	(void)state;
	passes(HEAD SAVP AES80 "a=encryption:required\r\n");
	passes(HEAD SAVP AES80 "a=encryption:optional\r\n");
	refused(HEAD SAVP AES80 "a=encryption:rejected\r\n", TG_REASON_MEDIA_CLEAR);
	passes(HEAD SAVP AES80 "m=image 0 udptl t38\r\na=encryption:rejected\r\n");
	media.level = TG_LEVEL_SUPPORTED;
	passes(HEAD CLEAR "a=encryption:rejected\r\n");
	passes(HEAD CLEAR AES80 "a=encryption:required\r\n");
	media.level = TG_LEVEL_NONE;
	passes(HEAD CLEAR "a=encryption:optional\r\n");
	refused(HEAD CLEAR "a=encryption:required\r\n", TG_REASON_MEDIA_KEYING);
	ask.direction = TG_POL_OUT; /* their business */
	passes(HEAD CLEAR "a=encryption:required\r\n");
}

static void lets_rejected_lines_pass(void **state)
{
	(void)state;
	passes(HEAD SAVP AES80 "m=video 0 RTP/AVP 96\r\n");
	refused(HEAD SAVP AES80 "m=video 0 RTP/AVP 96\r\na=bundle-only\r\n",
			TG_REASON_MEDIA_CLEAR);
	passes(HEAD);
}

static void wants_a_suite_of_the_profile(void **state)
{
	(void)state;
	passes(HEAD SAVP NULL80 F8 AES80);
	refused(HEAD SAVP NULL80, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP F8 AES32, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80" KEY
					  " UNENCRYPTED_SRTP\r\n",
			TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80" KEY
					  " WSH=64 UNAUTHENTICATED_SRTP\r\n",
			TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP "a=crypto:0 AES_CM_128_HMAC_SHA1_80" KEY "\r\n",
			TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP, TG_REASON_MEDIA_KEYING);
	refused(HEAD SAVP "a=key-mgmt:mikey AA==\r\n", TG_REASON_MEDIA_KEYING);
}

static void lets_nothing_else_leave(void **state)
{
	(void)state;
	ask.direction = TG_POL_OUT;
	passes(HEAD SAVP AES80);
	refused(HEAD SAVP AES80 NULL80, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP AES80 F8, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP AES80 AES32, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP AES80 PRINT, TG_REASON_MEDIA_KEYING);
}

static void wants_one_key_in_an_answer(void **state)
{
	(void)state;
	ask.offer = false;
	passes(HEAD SAVP AES80);
	refused(HEAD SAVP AES80 AES80, TG_REASON_MEDIA_KEYING);
	refused(HEAD SAVP AES80 NULL80, TG_REASON_MEDIA_KEYING);
}

static void takes_the_key_exchange_of_the_profile(void **state)
{
	(void)state;
	refused(HEAD DTLS PRINT, TG_REASON_MEDIA_KEYING);
	media.key_exchange[0] = TG_KX_DTLS;
	passes(HEAD DTLS PRINT);
	passes(HEAD PRINT DTLS);
	passes(HEAD SAVP PRINT);
	refused(HEAD DTLS, TG_REASON_MEDIA_KEYING);
	refused(HEAD SAVP AES80, TG_REASON_MEDIA_KEYING);
	refused(HEAD DTLS "a=fingerprint:md5 AA\r\n", TG_REASON_MEDIA_KEYING);
	media.key_exchange[1] = TG_KX_SDES;
	passes(HEAD SAVP AES80);
	passes(HEAD SAVP NULL80 PRINT);
	ask.direction = TG_POL_OUT;
	passes(HEAD SAVP AES80 PRINT);
	refused(HEAD SAVP NULL80 PRINT, TG_REASON_MEDIA_SUITE);
}

static void exposes_no_keys(void **state)
{
	(void)state;
	ask.keys_allowed = false;
	refused(HEAD SAVP AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
	media.level = TG_LEVEL_NONE;
	passes(HEAD CLEAR AES80);
	refused(HEAD SAVP AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
	ask.direction = TG_POL_OUT;
	passes(HEAD CLEAR);
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
	refused(HEAD "m=audio 0 RTP/AVP 0\r\n" AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
	refused(HEAD "a=CRYPTO:1 x y\r\n" CLEAR, TG_REASON_MEDIA_KEYS_EXPOSED);
	refused(HEAD CLEAR "a=cryptoscale:1 x\r\n", TG_REASON_MEDIA_KEYS_EXPOSED);
	refused(HEAD "k=clear:x\r\n" CLEAR, TG_REASON_MEDIA_KEYS_EXPOSED);
	ask.capabilities = true;
	refused(HEAD CLEAR AES80, TG_REASON_MEDIA_KEYS_EXPOSED);
}

static void counts_what_supported_lets_run_in_clear(void **state)
{
	struct tg_media_finding found;

	(void)state;
	media.level = TG_LEVEL_SUPPORTED;
	found = judge(HEAD CLEAR SAVP AES80 CLEAR AES80);
	assert_int_equal(found.reason, TG_REASON_NONE);
	assert_int_equal(found.clear, 1);
	assert_int_equal(found.secured, 2);
	refused(HEAD CLEAR NULL80, TG_REASON_MEDIA_SUITE);
	refused(HEAD SAVP, TG_REASON_MEDIA_KEYING);
}

static void what_was_agreed_stays_secured(void **state)
{
	(void)state;
	media.level = TG_LEVEL_SUPPORTED;
	assert_int_equal(judge(HEAD CLEAR SAVP AES80).secured_lines, 2);
	ask.agreed = 2;
	passes(HEAD CLEAR SAVP AES80);
	passes(HEAD CLEAR CLEAR AES80);
	passes(HEAD CLEAR "m=audio 0 RTP/AVP 0\r\n");
	refused(HEAD CLEAR CLEAR, TG_REASON_MEDIA_DOWNGRADE);
	media.level = TG_LEVEL_NONE;
	refused(HEAD CLEAR CLEAR, TG_REASON_MEDIA_DOWNGRADE);
}

static void follows_t38_for_what_is_no_rtp(void **state)
{
	(void)state;
	refused(HEAD "m=image 5000 udptl t38\r\n", TG_REASON_MEDIA_TYPE);
	refused(HEAD "m=message 5000 TCP/MSRP *\r\n", TG_REASON_MEDIA_TYPE);
	media.t38 = TG_POL_T38_CLEAR;
	passes(HEAD "m=image 5000 udptl t38\r\n");
	passes(HEAD "m=image 5000 TCP t38\r\n");
	refused(HEAD "m=message 5000 TCP/MSRP *\r\n", TG_REASON_MEDIA_TYPE);
	refused(HEAD "m=application 5000 UDP/BFCP *\r\n", TG_REASON_MEDIA_TYPE);
	refused(HEAD "m=audio 5000 udptl t38\r\n", TG_REASON_MEDIA_TYPE);
	refused(HEAD "m=audio 5000 TCP/RTP/AVP 0\r\n", TG_REASON_MEDIA_TYPE);
	refused(HEAD "m=audio 5000 RTP/FOO 0\r\n", TG_REASON_MEDIA_TYPE);
	media.t38 = TG_POL_T38_REFUSE;
	media.level = TG_LEVEL_SUPPORTED;
	passes(HEAD "m=image 5000 udptl t38\r\n");
}

static void lets_abilities_be_told(void **state)
{
	(void)state;
	ask.capabilities = true;
	passes(HEAD CLEAR);
	passes(HEAD SAVP NULL80);
}

/* A stricter profile never lets more pass: every pair of levels and lists */
static void a_stricter_profile_never_lets_more_pass(void **state)
{
	static const char *const texts[] = {HEAD CLEAR, HEAD CLEAR AES80,
			HEAD SAVP AES80, HEAD SAVP NULL80, HEAD SAVP AES32,
			HEAD SAVP AES80 AES32, HEAD DTLS PRINT, HEAD SAVP AES80 PRINT,
			HEAD "m=image 5000 udptl t38\r\n", HEAD SAVP};

	(void)state;
	for(size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		for(unsigned bits = 0; bits < 16; bits++) {
			bool strict, loose;

			ask.direction = bits & 1 ? TG_POL_OUT : TG_POL_IN;
			ask.offer = bits & 2;
			ask.keys_allowed = bits & 4;
			media.t38 = bits & 8 ? TG_POL_T38_CLEAR : TG_POL_T38_REFUSE;
			media.level = TG_LEVEL_REQUIRED;
			media.suite[1] = TG_SUITE_NONE;
			strict = judge(texts[i]).reason == TG_REASON_NONE;
			media.level = TG_LEVEL_SUPPORTED;
			loose = judge(texts[i]).reason == TG_REASON_NONE;
			assert_false(strict && !loose);
			media.level = TG_LEVEL_REQUIRED;
			media.suite[1] = TG_SUITE_AES_CM_128_HMAC_SHA1_32;
			loose = judge(texts[i]).reason == TG_REASON_NONE;
			assert_false(strict && !loose);
		}
	}
}

/* ---- offers ------------------------------------------------------------------ */

static void strips_what_must_not_be_chosen(void **state)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;
	struct tg_span out;
	size_t n;

	(void)state;
	assert_int_equal(
			tg_sdp_parse(tg_span_cstr(HEAD "k=clear:x\r\n" SAVP NULL80 AES80 F8
										   "a=cryptoscale:1 x\r\n" PRINT
										   "a=sendrecv\r\n"),
					&arena, &sdp),
			TG_SDP_OK);
	edit = tg_sdp_edit_new(&sdp, &arena);
	assert_true(tg_media_strip_offer(&sdp, &media, edit, &n));
	assert_int_equal(n, 4);
	out = tg_sdp_edit_apply(edit);
	assert_true(tg_span_eq(
			out, tg_span_cstr(HEAD SAVP AES80 PRINT "a=sendrecv\r\n")));
	media.level = TG_LEVEL_NONE;
	assert_true(tg_media_strip_offer(&sdp, &media, edit, &n));
	assert_int_equal(n, 0);
}

static void leaves_nothing_to_encrypt_by_where_nothing_is(void **state)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;
	struct tg_span out;
	size_t n;

	(void)state;
	media.level = TG_LEVEL_NONE;
	assert_int_equal(tg_sdp_parse(tg_span_cstr(HEAD CLEAR AES80
										  "a=cryptoscale:2 x\r\n"
										  "a=encryption:optional\r\n" PRINT
										  "a=sendrecv\r\n" SAVP AES80),
							 &arena, &sdp),
			TG_SDP_OK);
	edit = tg_sdp_edit_new(&sdp, &arena);
	assert_true(tg_media_strip_offer(&sdp, &media, edit, &n));
	assert_int_equal(n, 4);
	out = tg_sdp_edit_apply(edit);
	assert_true(tg_span_eq(
			out, tg_span_cstr(HEAD CLEAR "a=sendrecv\r\n" SAVP AES80)));
}

static void strips_every_key_that_came_in_clear(void **state)
{
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;
	size_t n;

	(void)state;
	assert_int_equal(
			tg_sdp_parse(tg_span_cstr(HEAD "k=clear:x\r\n" CLEAR AES80
										   "a=x:1\r\na= Crypto :1 y\r\n"
										   "a=sendrecv\r\n"),
					&arena, &sdp),
			TG_SDP_OK);
	edit = tg_sdp_edit_new(&sdp, &arena);
	assert_true(tg_media_strip_keys(&sdp, edit, &n));
	assert_int_equal(n, 3);
	assert_true(tg_span_eq(tg_sdp_edit_apply(edit),
			tg_span_cstr(HEAD CLEAR "a=x:1\r\na=sendrecv\r\n")));
}

/* ---- proof -------------------------------------------------------------------- */

#define SECRET TG_SPAN_INIT("0123456789abcdef0123456789abcdef")
static struct tg_ng_key key = TG_NG_KEY_INIT(SECRET);
static const struct tg_span call_id = TG_SPAN_INIT("call");

static const char *proof(enum tg_ng_leg leg)
{
	struct tg_span value;
	char *line = tg_arena_get(&arena, 256);

	assert_int_equal(
			tg_ng_proof_encode(leg, call_id, 2000, &key, &arena, &value),
			TG_NG_OK);
	snprintf(line, 256, "a=x-trunkguard:%.*s\r\n", TG_SPAN_FMT(value));
	return line;
}

static enum tg_reason check(const char *text, enum tg_ng_leg needed)
{
	struct tg_media_proof_ask p = {
			.needed = needed, .call_id = call_id, .key = &key, .now = 1000};
	struct tg_sdp sdp;

	assert_int_equal(tg_sdp_parse(tg_span_cstr(text), &arena, &sdp), TG_SDP_OK);
	return tg_media_check_proof(&sdp, &p, NULL);
}

static const char *join(const char *a, const char *b, const char *c)
{
	char *text = tg_arena_get(&arena, 2048);

	snprintf(text, 2048, "%s%s%s", a, b, c);
	return text;
}

static void a_proof_covers_the_sides_it_names(void **state)
{
	const char *to = join(HEAD, proof(TG_NG_LEG_TO), SAVP AES80);
	const char *both = join(HEAD, proof(TG_NG_LEG_BOTH), SAVP AES80);

	(void)state;
	assert_int_equal(check(to, TG_NG_LEG_TO), TG_REASON_NONE);
	assert_int_equal(check(to, TG_NG_LEG_NONE), TG_REASON_NONE);
	assert_int_equal(check(to, TG_NG_LEG_FROM), TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(check(to, TG_NG_LEG_BOTH), TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(check(both, TG_NG_LEG_FROM), TG_REASON_NONE);
	assert_int_equal(
			check(HEAD SAVP AES80, TG_NG_LEG_TO), TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(check(HEAD SAVP AES80, TG_NG_LEG_NONE), TG_REASON_NONE);
}

static void a_proof_stands_once_and_before_the_media(void **state)
{
	const char *line = proof(TG_NG_LEG_TO);

	(void)state;
	assert_int_equal(
			check(join(HEAD, line, join(line, SAVP, "")), TG_NG_LEG_TO),
			TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(check(join(HEAD SAVP, line, ""), TG_NG_LEG_TO),
			TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(
			check(join(HEAD, line, join(SAVP, line, "")), TG_NG_LEG_TO),
			TG_REASON_MEDIA_UNPROVEN);
	assert_int_equal(check(join(HEAD, "a=x-trunkguard:v1/leg:to\r\n", SAVP),
							 TG_NG_LEG_TO),
			TG_REASON_MEDIA_UNPROVEN);
}

static void every_proof_is_taken_out(void **state)
{
	const char *line = proof(TG_NG_LEG_TO);
	const char *text =
			join(HEAD "a=X-TrunkGuard:x\r\n", line, join(SAVP, line, AES80));
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;
	size_t n;

	(void)state;
	assert_int_equal(tg_sdp_parse(tg_span_cstr(text), &arena, &sdp), TG_SDP_OK);
	edit = tg_sdp_edit_new(&sdp, &arena);
	assert_true(tg_media_strip_proof(&sdp, edit, &n));
	assert_int_equal(n, 3);
	assert_true(
			tg_span_eq(tg_sdp_edit_apply(edit), tg_span_cstr(HEAD SAVP AES80)));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(denies_clear_lines_when_required),
			T(lets_rejected_lines_pass),
			T(takes_a_microsoft_offer_that_leaves_it_open),
			T(weighs_what_the_sender_says_of_encryption),
			T(leaves_nothing_to_encrypt_by_where_nothing_is),
			T(wants_a_suite_of_the_profile), T(lets_nothing_else_leave),
			T(wants_one_key_in_an_answer),
			T(takes_the_key_exchange_of_the_profile), T(exposes_no_keys),
			T(counts_what_supported_lets_run_in_clear),
			T(what_was_agreed_stays_secured), T(follows_t38_for_what_is_no_rtp),
			T(lets_abilities_be_told),
			T(a_stricter_profile_never_lets_more_pass),
			T(strips_what_must_not_be_chosen),
			T(strips_every_key_that_came_in_clear),
			T(a_proof_covers_the_sides_it_names),
			T(a_proof_stands_once_and_before_the_media),
			T(every_proof_is_taken_out)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
