/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The token of a media profile and the proof that comes back: what was said
 * is read, anything touched is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "ng/profile.h"

#define SECRET TG_SPAN_INIT("0123456789abcdef0123456789abcdef")
static struct tg_ng_key key = TG_NG_KEY_INIT(SECRET);
static struct tg_ng_key other =
		TG_NG_KEY_INIT(TG_SPAN_INIT("0123456789abcdef0123456789abcdeX"));
static const struct tg_span call_id = TG_SPAN_INIT("call@edge.lab.test");

static struct tg_arena arena;

static int setup(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	return 0;
}

static struct tg_ng_token full(void)
{
	return (struct tg_ng_token){.legs = TG_NG_LEG_BOTH,
			.to = {.level = TG_LEVEL_SUPPORTED,
					.key_exchange = {TG_KX_DTLS, TG_KX_SDES},
					.suite = {TG_SUITE_AEAD_AES_256_GCM,
							TG_SUITE_AES_CM_128_HMAC_SHA1_80},
					.dialect = TG_DIALECT_MS_SDPEXT,
					.mki_octets = 4,
					.lifetime_log2 = 31,
					.replay_window = 128,
					.dtls_verify_ca = true,
					.peer = TG_SPAN("gateway1"),
					.identity = TG_SPAN("gw1.lab.test")},
			.from = {.level = TG_LEVEL_REQUIRED,
					.key_exchange = {TG_KX_SDES},
					.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_32},
					.replay_window = 64},
			.expires = 2000};
}

static struct tg_span token_of(const struct tg_ng_token *t)
{
	struct tg_span token;

	assert_int_equal(
			tg_ng_token_encode(t, call_id, &key, &arena, &token), TG_NG_OK);
	assert_int_equal(token.ptr[token.len], 0);
	return token;
}

static enum tg_ng_rc decode(struct tg_span token, struct tg_ng_token *out)
{
	const char *why;
	enum tg_ng_rc rc =
			tg_ng_token_decode(token, call_id, &key, 1000, out, &why);

	assert_true((rc == TG_NG_OK) == (why == NULL));
	return rc;
}

/* A token of our own making, rightly authenticated */
static struct tg_span sign(const char *purpose, const char *body)
{
	unsigned char mac[32];
	unsigned n = sizeof(mac);
	char text[2048], *out = tg_arena_get(&arena, 2048);
	int len = snprintf(text, sizeof(text), "%s\n%.*s\n%s", purpose,
			TG_SPAN_FMT(call_id), body);
	int used = sprintf(out, "%s/mac:", body);

	assert_non_null(HMAC(EVP_sha256(), key.secret.ptr, (int)key.secret.len,
			(unsigned char *)text, (size_t)len, mac, &n));
	for(unsigned i = 0; i < n; i++)
		used += sprintf(out + used, "%02x", mac[i]);
	return tg_span_of(out, (size_t)used);
}

static void same_profile(
		const struct tg_ng_profile *a, const struct tg_ng_profile *b)
{
	assert_int_equal(a->level, b->level);
	assert_memory_equal(
			a->key_exchange, b->key_exchange, sizeof(a->key_exchange));
	assert_memory_equal(a->suite, b->suite, sizeof(a->suite));
	assert_int_equal(a->dialect, b->dialect);
	assert_int_equal(a->mki_octets, b->mki_octets);
	assert_int_equal(a->lifetime_log2, b->lifetime_log2);
	assert_int_equal(a->replay_window, b->replay_window);
	assert_int_equal(a->dtls_verify_ca, b->dtls_verify_ca);
	assert_true(tg_span_eq(a->peer, b->peer));
	assert_true(tg_span_eq(a->identity, b->identity));
}

static void same(const struct tg_ng_token *a, const struct tg_ng_token *b)
{
	assert_int_equal(a->legs, b->legs);
	assert_true(a->expires == b->expires);
	same_profile(&a->to, &b->to);
	same_profile(&a->from, &b->from);
}

/* With two legs, each keeps its own profile */
static void reads_what_was_written(void **state)
{
	static const struct tg_ng_profile none;
	struct tg_ng_token t = full(), back;

	(void)state;
	assert_int_equal(decode(token_of(&t), &back), TG_NG_OK);
	same(&t, &back);
	t.legs = TG_NG_LEG_TO;
	assert_int_equal(decode(token_of(&t), &back), TG_NG_OK);
	same_profile(&t.to, &back.to);
	same_profile(&none, &back.from);
	t = full();
	t.legs = TG_NG_LEG_FROM;
	t.expires = UINT64_MAX;
	assert_int_equal(decode(token_of(&t), &back), TG_NG_OK);
	same_profile(&t.from, &back.from);
	same_profile(&none, &back.to);
	assert_true(back.expires == UINT64_MAX);
}

/* Names as long as they may be, on both legs */
static void has_room_for_two_long_profiles(void **state)
{
	struct tg_ng_token t = full(), back;
	char name[255];

	(void)state;
	memset(name, 'n', sizeof(name));
	for(int i = 0; i < TG_SUITES_MAX; i++)
		t.to.suite[i] = t.from.suite[i] = (enum tg_suite)(i + 1);
	t.to.peer = t.from.peer = tg_span_of(name, 63);
	t.to.identity = t.from.identity = tg_span_of(name, sizeof(name));
	t.from.dtls_verify_ca = true;
	assert_int_equal(decode(token_of(&t), &back), TG_NG_OK);
	same(&t, &back);
}

static void holds_nothing_that_ends_a_flag(void **state)
{
	struct tg_ng_token t = full();
	struct tg_span token = token_of(&t);

	(void)state;
	for(size_t i = 0; i < token.len; i++)
		assert_true(token.ptr[i] > ' ' && token.ptr[i] < 0x7f
					&& token.ptr[i] != '=');
}

static void every_touched_octet_is_refused(void **state)
{
	struct tg_ng_token t = full(), back;
	struct tg_span token = token_of(&t);
	char *text = tg_arena_get(&arena, token.len);

	(void)state;
	for(size_t i = 0; i < token.len; i++) {
		memcpy(text, token.ptr, token.len);
		text[i] ^= 1;
		assert_int_not_equal(
				decode(tg_span_of(text, token.len), &back), TG_NG_OK);
		assert_int_not_equal(decode(tg_span_of(token.ptr, i), &back), TG_NG_OK);
		assert_int_equal(back.legs, TG_NG_LEG_NONE);
	}
}

static void is_bound_to_call_secret_and_time(void **state)
{
	static struct tg_ng_key none;
	struct tg_ng_token t = full(), out;
	struct tg_span token = token_of(&t);
	const char *why;

	(void)state;
	assert_int_equal(
			tg_ng_token_decode(token, TG_SPAN("other"), &key, 1000, &out, &why),
			TG_NG_UNAUTHENTIC);
	assert_int_equal(
			tg_ng_token_decode(token, call_id, &other, 1000, &out, &why),
			TG_NG_UNAUTHENTIC);
	assert_int_equal(tg_ng_token_decode(token, call_id, &key, 2000, &out, &why),
			TG_NG_EXPIRED);
	assert_int_equal(tg_ng_token_decode(token, call_id, &none, 1, &out, &why),
			TG_NG_UNAUTHENTIC);
}

#define ONE "/level:required/kx:sdes/suites:AEAD_AES_128_GCM/window:64"
#define BASE "v1/leg:to/level:required/kx:sdes/suites:AEAD_AES_128_GCM"
#define END "/window:64/exp:2000"

static void refuses_fields_that_make_no_sense(void **state)
{
	static const char *const row[] = {"v1", BASE, BASE "/exp:2000",
			BASE "/window:63/exp:2000", BASE "/window:064/exp:2000",
			BASE "/window:32768/exp:2000", BASE END "/window:64",
			BASE END "/new:1", BASE END "/mki:0", BASE END "/mki:129",
			BASE END "/lifetime:49", BASE END "/verify:ca",
			BASE END "/verify:no", BASE END "/peer:", BASE END "/dialect:x",
			"v1/leg:none/level:required/kx:sdes/suites:AEAD_AES_128_GCM" END,
			"v1/leg:to/level:none/kx:sdes/suites:AEAD_AES_128_GCM" END,
			"v1/leg:to/level:required/kx:sdes,sdes/suites:AEAD_AES_128_GCM" END,
			"v1/leg:to/level:required/kx:mikey/suites:AEAD_AES_128_GCM" END,
			"v1/leg:to/level:required/kx:/suites:AEAD_AES_128_GCM" END,
			"v1/leg:to/level:required/kx:sdes/suites:F8_128_HMAC_SHA1_80" END,
			BASE ",AEAD_AES_128_GCM" END, BASE ",NULL_HMAC_SHA1_80" END,
			"v1" ONE "/leg:to/exp:2000", "v1/leg:both" ONE "/exp:2000",
			"v1/exp:2000", "v1/exp:2000/leg:to" ONE, "v1/leg:to" ONE,
			"v1/leg:to/exp:2000" ONE, BASE END "/exp:2000"};
	struct tg_ng_token out;

	(void)state;
	assert_int_equal(decode(sign("tg-ng-v1", BASE END), &out), TG_NG_OK);
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if(decode(sign("tg-ng-v1", row[i]), &out) != TG_NG_MALFORMED)
			fail_msg("%s", row[i]);
	}
	assert_int_equal(decode(sign("tg-ng-v1", "v2" END), &out), TG_NG_VERSION);
	assert_int_equal(
			decode(sign("tg-proof-v1", BASE END), &out), TG_NG_UNAUTHENTIC);
}

/* Neither leg borrows from the other */
static void refuses_legs_that_are_not_whole(void **state)
{
	static const char *const row[] = {"v1/leg:to" ONE "/leg:to" ONE "/exp:2000",
			"v1/leg:from" ONE "/leg:to" ONE "/exp:2000",
			"v1/leg:to" ONE "/leg:from/exp:2000",
			"v1/leg:to/leg:from" ONE "/exp:2000",
			"v1/leg:to" ONE "/leg:both" ONE "/exp:2000",
			"v1/leg:to" ONE "/leg:none" ONE "/exp:2000",
			"v1/leg:to" ONE "/leg:from" ONE "/window:64/exp:2000",
			"v1/leg:to" ONE "/leg:from" ONE "/verify:ca/exp:2000",
			"v1/leg:to" ONE "/identity:x/leg:from" ONE "/verify:ca/exp:2000",
			"v1/leg:to" ONE "/leg:from/level:required/kx:sdes/window:64/"
			"exp:2000",
			"v1/leg:to" ONE "/exp:2000/leg:from" ONE,
			"v1/leg:to" ONE "/leg:from" ONE "/exp:2000/exp:2000",
			"v1/leg:to" ONE "/leg:from" ONE};
	struct tg_ng_token out;

	(void)state;
	assert_int_equal(decode(sign("tg-ng-v1", "v1/leg:to" ONE "/leg:from" ONE
											 "/exp:2000"),
							 &out),
			TG_NG_OK);
	assert_int_equal(out.legs, TG_NG_LEG_BOTH);
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if(decode(sign("tg-ng-v1", row[i]), &out) != TG_NG_MALFORMED)
			fail_msg("%s", row[i]);
	}
}

static void refuses_to_write_what_it_would_not_read(void **state)
{
	struct tg_ng_token t;
	struct tg_span out;

	(void)state;
#define REFUSED(change)                                              \
	do {                                                             \
		t = full();                                                  \
		change;                                                      \
		assert_int_not_equal(                                        \
				tg_ng_token_encode(&t, call_id, &key, &arena, &out), \
				TG_NG_OK);                                           \
		assert_null(out.ptr);                                        \
	} while(0)
	REFUSED(t.legs = TG_NG_LEG_NONE);
	REFUSED(t.to.level = TG_LEVEL_NONE);
	REFUSED(t.from.level = TG_LEVEL_NONE);
	REFUSED(t.to.suite[0] = TG_SUITE_NONE);
	REFUSED(t.from.suite[0] = TG_SUITE_NONE);
	REFUSED(t.to.key_exchange[0] = TG_KX_NONE);
	REFUSED(t.from.replay_window = 63);
	REFUSED(t.to.lifetime_log2 = 49);
	REFUSED(t.to.mki_octets = 129);
	REFUSED(t.to.identity = TG_SPAN(""));
	REFUSED(t.from.dtls_verify_ca = true);
	REFUSED(t.to.peer = TG_SPAN("a b"));
	REFUSED(t.from.peer = TG_SPAN("a/leg:to"));
}

static enum tg_ng_rc check(struct tg_span proof, enum tg_ng_leg *leg)
{
	return tg_ng_proof_check(proof, call_id, &key, 1000, leg);
}

static void a_proof_is_read_and_bound(void **state)
{
	struct tg_span proof;
	enum tg_ng_leg leg;

	(void)state;
	for(unsigned i = TG_NG_LEG_TO; i <= TG_NG_LEG_BOTH; i++) {
		assert_int_equal(tg_ng_proof_encode((enum tg_ng_leg)i, call_id, 2000,
								 &key, &arena, &proof),
				TG_NG_OK);
		assert_int_equal(check(proof, &leg), TG_NG_OK);
		assert_int_equal(leg, i);
	}
	assert_int_equal(
			tg_ng_proof_check(proof, TG_SPAN("other"), &key, 1000, &leg),
			TG_NG_UNAUTHENTIC);
	assert_int_equal(
			tg_ng_proof_check(proof, call_id, &key, 2000, &leg), TG_NG_EXPIRED);
	assert_int_equal(leg, TG_NG_LEG_NONE);
	assert_int_not_equal(tg_ng_proof_encode(TG_NG_LEG_NONE, call_id, 2000, &key,
								 &arena, &proof),
			TG_NG_OK);
}

static void a_proof_is_no_token_and_holds_nothing_else(void **state)
{
	struct tg_ng_token t = full();
	enum tg_ng_leg leg;

	(void)state;
	assert_int_equal(check(token_of(&t), &leg), TG_NG_UNAUTHENTIC);
	assert_int_equal(
			check(sign("tg-proof-v1", "v1/leg:to"), &leg), TG_NG_MALFORMED);
	assert_int_equal(
			check(sign("tg-proof-v1", "v1/exp:2000"), &leg), TG_NG_MALFORMED);
	assert_int_equal(
			check(sign("tg-proof-v1", "v1/leg:to/exp:2000/peer:x"), &leg),
			TG_NG_MALFORMED);
	assert_int_equal(check(sign("tg-proof-v1", "v2/leg:to/exp:2000"), &leg),
			TG_NG_VERSION);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(reads_what_was_written),
			T(has_room_for_two_long_profiles),
			T(holds_nothing_that_ends_a_flag),
			T(every_touched_octet_is_refused),
			T(is_bound_to_call_secret_and_time),
			T(refuses_fields_that_make_no_sense),
			T(refuses_legs_that_are_not_whole),
			T(refuses_to_write_what_it_would_not_read),
			T(a_proof_is_read_and_bound),
			T(a_proof_is_no_token_and_holds_nothing_else)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
