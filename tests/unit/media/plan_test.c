/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Flags for the media node, by the profiles of both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "media/plan.h"

#define SECRET TG_SPAN_INIT("0123456789abcdef0123456789abcdef")
static struct tg_ng_key key = TG_NG_KEY_INIT(SECRET);

static struct tg_arena arena;
static struct tg_pol_media plugin, native, clear;
static struct tg_media_plan plan;
static enum tg_ng_leg legs;

static int setup(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	plugin = (struct tg_pol_media){.level = TG_LEVEL_REQUIRED,
			.engine = TG_POL_ENGINE_PLUGIN,
			.key_exchange = {TG_KX_SDES},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80},
			.replay_window = 128};
	native = plugin;
	native.engine = TG_POL_ENGINE_NATIVE;
	clear = plugin;
	clear.level = TG_LEVEL_NONE;
	plan = (struct tg_media_plan){.from = {.media = &native},
			.to = {.media = &plugin,
					.peer = TG_SPAN("gw"),
					.identity = TG_SPAN("gw.example.com")},
			.offer = true,
			.call_id = TG_SPAN("call"),
			.key = &key,
			.expires = 2000};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	return 0;
}

static const char *flags(void)
{
	struct tg_span out;

	assert_int_equal(tg_media_plan(&plan, &arena, &out, &legs), TG_REASON_NONE);
	assert_int_equal(out.ptr[out.len], 0);
	return out.ptr;
}

static enum tg_reason refused(void)
{
	struct tg_span out;
	enum tg_reason reason = tg_media_plan(&plan, &arena, &out, &legs);

	assert_null(out.ptr);
	return reason;
}

/* The word that starts so, without that start; NULL: there is none */
static const char *word(const char *text, const char *start)
{
	char *copy = (char *)tg_arena_dup(&arena, tg_span_cstr(text)).ptr;

	for(char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) {
		if(strncmp(w, start, strlen(start)) == 0)
			return w + strlen(start);
	}
	return NULL;
}

static bool has(const char *text, const char *flag)
{
	const char *rest = word(text, flag);

	return rest && !*rest;
}

static struct tg_ng_token token(const char *text)
{
	const char *value = word(text, TG_NG_KEY "="), *why;
	struct tg_ng_token t;

	assert_non_null(value);
	assert_int_equal(tg_ng_token_decode(tg_span_cstr(value), TG_SPAN("call"),
							 &key, 1999, &t, &why),
			TG_NG_OK);
	return t;
}

static void the_plugins_leg_is_plain_for_the_daemon(void **state)
{
	const char *f = flags();
	struct tg_ng_token t = token(f);

	(void)state;
	assert_true(has(f, "RTP/AVP"));
	assert_null(word(f, "SDES"));
	assert_int_equal(legs, TG_NG_LEG_TO);
	assert_int_equal(t.legs, TG_NG_LEG_TO);
	assert_int_equal(t.to.suite[0], TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	assert_true(tg_span_eq(t.to.peer, TG_SPAN("gw")));
	assert_int_equal(t.to.identity.len, 0);
	plan.feedback = true;
	assert_true(has(flags(), "RTP/AVPF"));
}

static void the_token_says_the_same_in_the_answer(void **state)
{
	struct tg_ng_token offer = token(flags()), answer;
	const char *f;

	(void)state;
	plan.offer = false;
	f = flags();
	answer = token(f);
	assert_int_equal(answer.legs, offer.legs);
	assert_memory_equal(
			answer.to.suite, offer.to.suite, sizeof(offer.to.suite));
	assert_null(word(f, "RTP/"));
	assert_true(has(f, "SDES-no-NULL_HMAC_SHA1_80"));
}

static void a_gateway_that_calls_is_the_from_leg(void **state)
{
	const char *f;

	(void)state;
	plan.from.media = &plugin;
	plan.to.media = &native;
	f = flags();
	assert_int_equal(token(f).legs, TG_NG_LEG_FROM);
	assert_true(has(f, "RTP/SAVP"));
	assert_true(has(f, "DTLS=off"));
	plan.offer = false;
	f = flags();
	assert_int_equal(token(f).legs, TG_NG_LEG_FROM);
	assert_null(word(f, "SDES"));
}

static void native_legs_offer_the_profiles_suites_alone(void **state)
{
	static const char *const off[] = {"AEAD_AES_256_GCM",
			"AES_192_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32",
			"F8_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80",
			"NULL_HMAC_SHA1_32"};
	const char *f;
	char flag[64];

	(void)state;
	plan.to.media = &native;
	native.suite[1] = TG_SUITE_AES_256_CM_HMAC_SHA1_80;
	f = flags();
	assert_null(word(f, TG_NG_KEY));
	assert_int_equal(legs, TG_NG_LEG_NONE);
	for(size_t i = 0; i < sizeof(off) / sizeof(*off); i++) {
		snprintf(flag, sizeof(flag), "SDES-no-%s", off[i]);
		assert_true(has(f, flag));
	}
	assert_false(has(f, "SDES-no-AES_CM_128_HMAC_SHA1_80"));
	assert_false(has(f, "SDES-no-AES_256_CM_HMAC_SHA1_80"));
}

static void native_dtls(void **state)
{
	const char *f;

	(void)state;
	plan.to.media = &native;
	native.key_exchange[0] = TG_KX_DTLS;
	f = flags();
	assert_true(has(f, "UDP/TLS/RTP/SAVP") && has(f, "SDES-off"));
	assert_null(word(f, "DTLS=off"));
	native.key_exchange[1] = TG_KX_SDES;
	f = flags();
	assert_true(has(f, "UDP/TLS/RTP/SAVP") && !has(f, "SDES-off"));
	assert_true(has(f, "SDES-no-F8_128_HMAC_SHA1_80"));
}

static void optional_srtp_of_a_native_leg(void **state)
{
	(void)state;
	plan.to.media = &native;
	native.level = TG_LEVEL_SUPPORTED;
	assert_true(has(flags(), "RTP/AVP") && has(flags(), "OSRTP-offer"));
	assert_true(has(flags(), "OSRTP-accept"));
}

static void clear_legs_stay_clear(void **state)
{
	const char *f;

	(void)state;
	plan.to.media = &clear;
	f = flags();
	assert_true(has(f, "RTP/AVP"));
	assert_null(word(f, TG_NG_KEY));
	plan.offer = false;
	plan.from.media = &clear;
	assert_string_equal(flags(), "");
}

static void two_legs_of_the_plugin_have_a_profile_each(void **state)
{
	struct tg_pol_media other = plugin;
	struct tg_ng_token t;

	(void)state;
	plan.from.media = &other;
	plan.from.peer = TG_SPAN("trunk");
	plan.from.identity = TG_SPAN("trunk.example.com");
	other.level = TG_LEVEL_SUPPORTED;
	other.key_exchange[0] = TG_KX_DTLS;
	other.suite[0] = TG_SUITE_AEAD_AES_128_GCM;
	other.dtls_verify_ca = true;
	plugin.mki_octets = 4;
	for(int offer = 0; offer <= 1; offer++) {
		plan.offer = offer;
		t = token(flags());
		assert_int_equal(t.legs, TG_NG_LEG_BOTH);
		assert_int_equal(t.to.level, TG_LEVEL_REQUIRED);
		assert_int_equal(t.to.key_exchange[0], TG_KX_SDES);
		assert_int_equal(t.to.suite[0], TG_SUITE_AES_CM_128_HMAC_SHA1_80);
		assert_int_equal(t.to.mki_octets, 4);
		assert_true(tg_span_eq(t.to.peer, TG_SPAN("gw")));
		assert_int_equal(t.to.identity.len, 0);
		assert_int_equal(t.from.level, TG_LEVEL_SUPPORTED);
		assert_int_equal(t.from.key_exchange[0], TG_KX_DTLS);
		assert_int_equal(t.from.suite[0], TG_SUITE_AEAD_AES_128_GCM);
		assert_int_equal(t.from.mki_octets, 0);
		assert_true(tg_span_eq(t.from.peer, TG_SPAN("trunk")));
		assert_true(tg_span_eq(t.from.identity, TG_SPAN("trunk.example.com")));
	}
}

static void an_unknown_side_is_refused(void **state)
{
	(void)state;
	plan.from.media = NULL;
	assert_int_equal(refused(), TG_REASON_UNDECLARED);
	plan.from.media = &native;
	plan.to.media = NULL;
	assert_int_equal(refused(), TG_REASON_UNDECLARED);
}

static void without_a_secret_there_is_no_plugin(void **state)
{
	static struct tg_ng_key none;

	(void)state;
	plan.key = &none;
	assert_int_equal(refused(), TG_REASON_ENGINE_ABSENT);
}

static void ca_checks_name_the_identity(void **state)
{
	(void)state;
	plugin.key_exchange[0] = TG_KX_DTLS;
	plugin.dtls_verify_ca = true;
	assert_true(
			tg_span_eq(token(flags()).to.identity, TG_SPAN("gw.example.com")));
	plan.to.identity = TG_SPAN("");
	assert_int_equal(refused(), TG_REASON_ENGINE_ABSENT);
}

static void required_legs_are_those_of_the_plugin_alone(void **state)
{
	(void)state;
	assert_int_equal(tg_media_required_legs(&native, &plugin), TG_NG_LEG_TO);
	assert_int_equal(tg_media_required_legs(&plugin, &plugin), TG_NG_LEG_BOTH);
	plugin.level = TG_LEVEL_SUPPORTED;
	assert_int_equal(tg_media_required_legs(&plugin, NULL), TG_NG_LEG_NONE);
	assert_int_equal(tg_media_plugin_legs(&plugin, NULL), TG_NG_LEG_FROM);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
			T(the_plugins_leg_is_plain_for_the_daemon),
			T(the_token_says_the_same_in_the_answer),
			T(a_gateway_that_calls_is_the_from_leg),
			T(native_legs_offer_the_profiles_suites_alone), T(native_dtls),
			T(optional_srtp_of_a_native_leg), T(clear_legs_stay_clear),
			T(two_legs_of_the_plugin_have_a_profile_each),
			T(an_unknown_side_is_refused),
			T(without_a_secret_there_is_no_plugin),
			T(ca_checks_name_the_identity),
			T(required_legs_are_those_of_the_plugin_alone)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
