/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SDES: RFC 4568, the dialect of Microsoft's products, and what must never be
 * taken (B8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "keying/keying.h"
#include "keying/sdes_line.h"
#include "material.h"

/* 30 octets 0, 1, 2 ... and others */
#define KEY30 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define KEY30B "HRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
#define KEY46                                                  \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygp" \
	"KissLQ"
#define KEY28 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw"

#define LINES_MAX 40

struct media {
	struct tg_sdp_media m;
	struct tg_sdp_crypto line[LINES_MAX];
};

/* "1 SUITE params" as modules/lib/sdp would index it */
static void add(struct media *d, const char *text)
{
	struct tg_sdp_crypto *c = &d->line[d->m.n_crypto++];
	struct tg_span rest = tg_span_cstr(text), tag = tg_span_cut(&rest, ' ');
	uint64_t n = 0;

	c->valid = tg_span_u64(tag, 999999999, &n) && n > 0;
	c->tag = (uint32_t)n;
	c->suite = tg_span_cut(&rest, ' ');
	c->params = rest;
	d->m.crypto = d->line;
}

static struct tg_sdp_media *media(struct media *d, const char *a, const char *b)
{
	memset(d, 0, sizeof(*d));
	if(a)
		add(d, a);
	if(b)
		add(d, b);
	return &d->m;
}

/* Our own lines as the far end's offer or answer */
static struct tg_sdp_media *from_lines(
		struct media *d, const struct tg_key_lines *l, size_t only)
{
	memset(d, 0, sizeof(*d));
	for(size_t i = 0; i < l->n; i++)
		if(only == LINES_MAX || only == i) {
			assert_memory_equal(l->line[i].text, "a=crypto:", 9);
			add(d, l->line[i].text + 9);
		}
	return &d->m;
}

static struct tg_key_profile profile(enum tg_suite a, enum tg_suite b)
{
	return (struct tg_key_profile){.suite = {a, b}};
}

static struct tg_key *sdes(enum tg_suite a, enum tg_suite b)
{
	struct tg_key_profile p = profile(a, b);
	struct tg_key *k = tg_key_new(TG_KX_SDES, &p, NULL, NULL);

	assert_non_null(k);
	return k;
}

static enum tg_key_rc read_line(const char *text, struct tg_sdes_line *out)
{
	struct media d;

	media(&d, text, NULL);
	return tg_sdes_line_read(&d.line[0], out);
}

/* ---- one line ----------------------------------------------------------- */

static void reads_the_forms_of_a_key(void **state)
{
	static const struct {
		const char *text;
		uint64_t lifetime, mki;
		uint8_t log2, mki_octets;
	} row[] = {{"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, 0, 0, 0, 0},
			{"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^31|1:1", 1ull << 31,
					1, 31, 1},
			{"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^20", 1 << 20, 0, 20,
					0},
			{"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:4", 0, 1, 0, 4},
			{"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1048577|66051:4",
					1048577, 66051, 0, 4},
			{"1 AES_CM_128_HMAC_SHA1_32 inline:" KEY30 "|2^48|7:128",
					1ull << 48, 7, 48, 128},
			{"1 AES_256_CM_HMAC_SHA1_80 inline:" KEY46 "==|2^31", 1ull << 31, 0,
					31, 0},
			{"1 AES_256_CM_HMAC_SHA1_32 inline:" KEY46, 0, 0, 0, 0},
			{"1 AEAD_AES_128_GCM inline:" KEY28 "== WSH=128 -X=1", 0, 0, 0, 0},
			{"1 AEAD_AES_128_GCM inline:" KEY28, 0, 0, 0, 0}};
	struct tg_sdes_line line = {0};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		const struct tg_srtp_master *m = &line.keys.master[0];

		assert_int_equal(read_line(row[i].text, &line), TG_KEY_OK);
		assert_int_equal(line.tag, 1);
		assert_int_equal(line.keys.n, 1);
		for(size_t j = 0; j < m->octets; j++)
			assert_int_equal(m->octet[j], j);
		assert_int_equal(m->lifetime, row[i].lifetime);
		assert_int_equal(line.lifetime_log2, row[i].log2);
		assert_int_equal(m->mki_octets, row[i].mki_octets);
		assert_int_equal(m->mki, row[i].mki);
	}
}

static void reads_several_keys_with_their_mkis(void **state)
{
	struct tg_sdes_line line = {0};

	(void)state;
	assert_int_equal(read_line("3 AES_CM_128_HMAC_SHA1_80 inline:" KEY30
							   "|2^20|1:2;inline:" KEY30B "|2^21|2:2",
							 &line),
			TG_KEY_OK);
	assert_int_equal(line.keys.n, 2);
	assert_int_equal(line.keys.master[0].mki, 1);
	assert_int_equal(line.keys.master[1].mki, 2);
	assert_int_equal(line.keys.master[1].lifetime, 1 << 21);
	assert_int_equal(line.keys.master[1].octet[0], 0x1d);
}

static void refuses_lines_that_break_the_grammar(void **state)
{
#define S "1 AES_CM_128_HMAC_SHA1_80 "
	static const struct {
		const char *text;
		enum tg_key_rc rc;
	} row[] = {{S "", TG_KEY_MALFORMED}, {S "inline:", TG_KEY_MALFORMED},
			{S KEY30, TG_KEY_MALFORMED}, {S "INLINE:" KEY30, TG_KEY_MALFORMED},
			{S "inline:" KEY30 "A", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "=", TG_KEY_MALFORMED},
			{S "inline:" KEY28, TG_KEY_MALFORMED},
			{S "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGx-_",
					TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "||", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^49", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|3^31", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|0", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|-1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|1:0", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|1:129", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|256:1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|:1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|1:1|2^31", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|2^31|1:1|1:1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|99999999999999999999:16", TG_KEY_ROOM},
			{S "inline:" KEY30 ";", TG_KEY_MALFORMED},
			{S "inline:" KEY30 ";inline:" KEY30B, TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|1:1;inline:" KEY30B "|1:1", TG_KEY_MALFORMED},
			{S "inline:" KEY30 "|1:1;inline:" KEY30B "|2:2", TG_KEY_MALFORMED},
			{S "inline:" KEY30 ";;;;", TG_KEY_ROOM},
			{S "inline:" KEY30 " WSH=63", TG_KEY_MALFORMED},
			{S "inline:" KEY30 " KDR=1", TG_KEY_WEAK},
			{S "inline:" KEY30 " UNENCRYPTED_SRTP", TG_KEY_WEAK},
			{S "inline:" KEY30 " UNENCRYPTED_SRTCP", TG_KEY_WEAK},
			{S "inline:" KEY30 " UNAUTHENTICATED_SRTP", TG_KEY_WEAK},
			{S "inline:" KEY30 " WSH=64 FEC_ORDER=FEC_SRTP", TG_KEY_WEAK},
			{S "inline:" KEY30 " SOMETHING", TG_KEY_WEAK},
			{"0 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, TG_KEY_MALFORMED},
			{"1 F8_128_HMAC_SHA1_80 inline:" KEY30, TG_KEY_NONE},
			{"1 NULL_HMAC_SHA1_80 inline:" KEY30, TG_KEY_NONE},
			{"1 NULL_HMAC_SHA1_32 inline:" KEY30, TG_KEY_NONE},
			{"1 aes_cm_128_hmac_sha1_80 inline:" KEY30, TG_KEY_NONE},
			/* bits beyond the 46th octet */
			{"1 AES_256_CM_HMAC_SHA1_80 inline:"
			 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLR==",
					TG_KEY_MALFORMED}};
	struct tg_sdes_line line = {0};
#undef S

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		enum tg_key_rc rc = read_line(row[i].text, &line);

		if(rc != row[i].rc)
			print_error("%s: %s\n", row[i].text, tg_key_rc_name(rc));
		assert_int_equal(rc, row[i].rc);
		assert_int_equal(line.keys.n, 0);
	}
}

static void writes_what_it_reads(void **state)
{
	static const char *const text[] = {"1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30
									   "|2^31|1:1",
			"999999999 AES_CM_128_HMAC_SHA1_32 inline:" KEY30,
			"2 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1048577",
			"2 AES_256_CM_HMAC_SHA1_80 inline:" KEY46
			"==|2^48|18446744073709551615:128",
			"2 AEAD_AES_128_GCM inline:" KEY28 "==|9:4"};
	char out[TG_SDES_VALUE_OCTETS];
	struct tg_sdes_line line = {0};

	(void)state;
	for(size_t i = 0; i < sizeof(text) / sizeof(*text); i++) {
		assert_int_equal(read_line(text[i], &line), TG_KEY_OK);
		assert_true(tg_sdes_line_write(
				line.tag, line.keys.suite, &line.keys.master[0], out));
		assert_string_equal(out, text[i]);
	}
}

/* ---- offer and answer --------------------------------------------------- */

static void both_sides_agree_on_crossed_keys(void **state)
{
	(void)state;
	for(int i = 1; i < TG_SUITE_COUNT; i++) {
		enum tg_suite suite = (enum tg_suite)i;
		struct tg_key *a = sdes(suite, 0), *b = sdes(suite, 0);
		struct tg_key_lines l;
		struct media d;

		assert_int_equal(tg_key_state(a, TG_KEY_RTP), TG_KEY_IDLE);
		assert_null(material_of(a, TG_KEY_RTP, TG_SRTP_TX));
		assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
		assert_int_equal(l.n, 1);
		assert_int_equal(tg_key_state(a, TG_KEY_RTP), TG_KEY_OFFERED);
		assert_int_equal(tg_key_can_take(TG_KX_SDES,
								 &(struct tg_key_profile){.suite = {suite}},
								 from_lines(&d, &l, LINES_MAX)),
				TG_KEY_OK);
		assert_int_equal(
				tg_key_take_offer(b, from_lines(&d, &l, LINES_MAX)), TG_KEY_OK);
		assert_int_equal(tg_key_answer(b, false, &l), TG_KEY_OK);
		assert_int_equal(l.n, 1);
		assert_int_equal(tg_key_take_answer(a, from_lines(&d, &l, LINES_MAX)),
				TG_KEY_OK);
		for(int c = 0; c < TG_KEY_COMPONENTS; c++) {
			enum tg_key_component comp = (enum tg_key_component)c;

			assert_int_equal(tg_key_state(a, comp), TG_KEY_READY);
			assert_int_equal(tg_key_state(b, comp), TG_KEY_READY);
			assert_true(tg_srtp_keys_eq(material_of(a, comp, TG_SRTP_TX),
					material_of(b, comp, TG_SRTP_RX)));
			assert_true(tg_srtp_keys_eq(material_of(b, comp, TG_SRTP_TX),
					material_of(a, comp, TG_SRTP_RX)));
			assert_false(tg_srtp_keys_eq(material_of(a, comp, TG_SRTP_TX),
					material_of(a, comp, TG_SRTP_RX)));
		}
		assert_int_equal(tg_key_generation(a), 1);
		tg_key_free(a);
		tg_key_free(b);
	}
}

static void offers_each_suite_in_order_with_a_key_of_its_own(void **state)
{
	struct tg_key *a =
			sdes(TG_SUITE_AEAD_AES_256_GCM, TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	struct tg_key_lines l, again;

	(void)state;
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	assert_int_equal(l.n, 2);
	assert_memory_equal(
			l.line[0].text, "a=crypto:1 AEAD_AES_256_GCM inline:", 35);
	assert_memory_equal(
			l.line[1].text, "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:", 42);
	assert_null(strchr(l.line[1].text, '|'));
	assert_int_equal(tg_key_offer(a, false, &again), TG_KEY_OK);
	assert_string_equal(l.line[0].text, again.line[0].text);
	assert_string_equal(l.line[1].text, again.line[1].text);
	assert_int_equal(tg_key_offer(a, true, &again), TG_KEY_OK);
	assert_string_not_equal(l.line[0].text, again.line[0].text);
	assert_string_not_equal(l.line[1].text, again.line[1].text);
	tg_key_free(a);
}

static void offers_the_dialect_with_lifetime_and_mki(void **state)
{
	struct tg_key_profile p = profile(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key *a;
	struct tg_key_lines l;

	(void)state;
	p.dialect = TG_DIALECT_MS_SDPEXT;
	p.lifetime_log2 = 31;
	p.mki_octets = 1;
	a = tg_key_new(TG_KX_SDES, &p, NULL, NULL);
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	assert_string_equal(strchr(l.line[0].text, '|'), "|2^31|1:1");
	tg_key_free(a);
}

static void answers_with_tag_suite_mki_and_lifetime_of_the_chosen_line(
		void **state)
{
	struct tg_key *b = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_lines l;
	struct media d;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_32 inline:" KEY30 "|2^20", NULL);
	add(&d, "4 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^31|5:2");
	add(&d, "6 AES_CM_128_HMAC_SHA1_80 inline:" KEY30B);
	assert_int_equal(tg_key_answer(b, false, &l), TG_KEY_ORDER);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_state(b, TG_KEY_RTP), TG_KEY_IDLE);
	assert_int_equal(tg_key_answer(b, false, &l), TG_KEY_OK);
	assert_int_equal(l.n, 1);
	assert_memory_equal(
			l.line[0].text, "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:", 42);
	assert_string_equal(strchr(l.line[0].text, '|'), "|2^31|5:2");
	assert_int_equal(material_of(b, TG_KEY_RTP, TG_SRTP_TX)->master[0].mki, 5);
	tg_key_free(b);
}

static void chooses_by_the_order_of_the_profile(void **state)
{
	struct tg_key *b =
			sdes(TG_SUITE_AEAD_AES_128_GCM, TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	struct tg_key_lines l;
	struct media d;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30,
			"2 AEAD_AES_128_GCM inline:" KEY28);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, false, &l), TG_KEY_OK);
	assert_memory_equal(l.line[0].text, "a=crypto:2 AEAD", 15);
	tg_key_free(b);
}

static void passes_over_lines_that_weaken(void **state)
{
	struct tg_key *b = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_lines l;
	struct media d;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " UNENCRYPTED_SRTP",
			"2 NULL_HMAC_SHA1_80 inline:" KEY30);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_WEAK);
	add(&d, "3 AES_CM_128_HMAC_SHA1_80 inline:" KEY30);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, false, &l), TG_KEY_OK);
	assert_memory_equal(l.line[0].text, "a=crypto:3 ", 11);
	assert_int_equal(tg_key_take_offer(b, media(&d, NULL, NULL)), TG_KEY_NONE);
	assert_int_equal(
			tg_key_take_offer(
					b, media(&d, "1 AEAD_AES_128_GCM inline:" KEY28, NULL)),
			TG_KEY_NO_SUITE);
	tg_key_free(b);
}

static void takes_no_answer_but_one_line_of_its_offer(void **state)
{
	struct tg_key *a = sdes(
			TG_SUITE_AES_CM_128_HMAC_SHA1_80, TG_SUITE_AES_CM_128_HMAC_SHA1_32);
	struct tg_key_lines l;
	struct media d;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_ORDER);
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	/* ours come back: never taken */
	assert_int_equal(
			tg_key_take_answer(a, from_lines(&d, &l, 0)), TG_KEY_MISMATCH);
	assert_int_equal(tg_key_take_answer(a, media(&d, NULL, NULL)), TG_KEY_NONE);
	assert_int_equal(
			tg_key_take_answer(
					a, media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30,
							   "2 AES_CM_128_HMAC_SHA1_32 inline:" KEY30B)),
			TG_KEY_MISMATCH);
	assert_int_equal(
			tg_key_take_answer(a,
					media(&d, "2 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL)),
			TG_KEY_MISMATCH);
	assert_int_equal(
			tg_key_take_answer(a,
					media(&d, "3 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL)),
			TG_KEY_MISMATCH);
	assert_int_equal(
			tg_key_take_answer(
					a, media(&d, "1 AEAD_AES_128_GCM inline:" KEY28, NULL)),
			TG_KEY_MISMATCH);
	assert_int_equal(
			tg_key_take_answer(
					a, media(&d, "1 NULL_HMAC_SHA1_80 inline:" KEY30, NULL)),
			TG_KEY_MISMATCH);
	assert_int_equal(tg_key_take_answer(a,
							 media(&d,
									 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30
									 " UNENCRYPTED_SRTP",
									 NULL)),
			TG_KEY_WEAK);
	assert_int_equal(tg_key_state(a, TG_KEY_RTP), TG_KEY_OFFERED);
	assert_int_equal(
			tg_key_take_answer(a,
					media(&d, "2 AES_CM_128_HMAC_SHA1_32 inline:" KEY30, NULL)),
			TG_KEY_OK);
	assert_int_equal(material_of(a, TG_KEY_RTP, TG_SRTP_TX)->suite,
			TG_SUITE_AES_CM_128_HMAC_SHA1_32);
	tg_key_free(a);
}

static void takes_an_answer_that_left_mki_and_lifetime_out(void **state)
{
	struct tg_key_profile p = profile(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_lines l;
	struct tg_key *a;
	struct media d;

	(void)state;
	p.mki_octets = 1;
	p.lifetime_log2 = 31;
	a = tg_key_new(TG_KX_SDES, &p, NULL, NULL);
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	assert_int_equal(
			material_of(a, TG_KEY_RTP, TG_SRTP_TX)->master[0].mki_octets, 1);
	assert_int_equal(
			material_of(a, TG_KEY_RTP, TG_SRTP_RX)->master[0].mki_octets, 0);
	tg_key_free(a);
}

/* ---- later negotiations ------------------------------------------------- */

static void keeps_or_renews_its_key_as_the_session_says(void **state)
{
	struct tg_key *b = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_lines first, next;
	struct media d;
	uint32_t generation;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, false, &first), TG_KEY_OK);
	generation = tg_key_generation(b);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, false, &next), TG_KEY_OK);
	assert_string_equal(first.line[0].text, next.line[0].text);
	assert_int_equal(tg_key_generation(b), generation);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, true, &next), TG_KEY_OK);
	assert_string_not_equal(first.line[0].text, next.line[0].text);
	assert_int_equal(tg_key_generation(b), generation + 1);
	tg_key_free(b);
}

static void an_offer_after_an_answer_keeps_the_agreed_key(void **state)
{
	struct tg_key *b =
			sdes(TG_SUITE_AEAD_AES_256_GCM, TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	struct tg_key_lines first, next;
	struct media d;

	(void)state;
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^31|1:1", NULL);
	assert_int_equal(tg_key_take_offer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_answer(b, false, &first), TG_KEY_OK);
	assert_int_equal(tg_key_offer(b, false, &next), TG_KEY_OK);
	assert_string_equal(
			strchr(first.line[0].text, ' '), strchr(next.line[1].text, ' '));
	media(&d, "2 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^31|1:1", NULL);
	assert_int_equal(tg_key_take_answer(b, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_generation(b), 1);
	tg_key_free(b);
}

static void keys_in_force_stay_when_an_answer_is_bad(void **state)
{
	struct tg_key *a = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_lines l;
	struct tg_srtp_keys was;
	struct media d;

	(void)state;
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	was = *material_of(a, TG_KEY_RTP, TG_SRTP_TX);
	assert_int_equal(tg_key_offer(a, true, &l), TG_KEY_OK);
	assert_true(tg_srtp_keys_eq(&was, material_of(a, TG_KEY_RTP, TG_SRTP_TX)));
	media(&d, "7 AES_CM_128_HMAC_SHA1_80 inline:" KEY30B, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_MISMATCH);
	assert_true(tg_srtp_keys_eq(&was, material_of(a, TG_KEY_RTP, TG_SRTP_TX)));
	assert_int_equal(tg_key_offer(a, true, &l), TG_KEY_OK);
	assert_true(tg_srtp_keys_eq(&was, material_of(a, TG_KEY_RTP, TG_SRTP_TX)));
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30B, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	assert_false(tg_srtp_keys_eq(&was, material_of(a, TG_KEY_RTP, TG_SRTP_TX)));
	tg_key_free(a);
}

static void counts_a_far_end_that_keeps_its_key_though_it_moved(void **state)
{
	struct tg_key *a = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0);
	struct tg_key_facts f;
	struct tg_key_lines l;
	struct media d;

	(void)state;
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	tg_key_facts(a, &f);
	assert_int_equal(f.remote_kept, 0);
	tg_key_peer_moved(a);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	tg_key_facts(a, &f);
	assert_int_equal(f.remote_kept, 1);
	tg_key_peer_moved(a);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30B, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	tg_key_facts(a, &f);
	assert_int_equal(f.remote_kept, 1);
	assert_int_equal(f.suite, TG_SUITE_AES_CM_128_HMAC_SHA1_80);
	tg_key_free(a);
}

static void forks_share_the_local_key_and_nothing_else(void **state)
{
	struct tg_key *a = sdes(TG_SUITE_AES_CM_128_HMAC_SHA1_80, 0), *b;
	struct tg_key_lines l;
	struct media d;

	(void)state;
	assert_null(tg_key_fork(a, NULL));
	assert_int_equal(tg_key_offer(a, false, &l), TG_KEY_OK);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, NULL);
	assert_int_equal(tg_key_take_answer(a, &d.m), TG_KEY_OK);
	b = tg_key_fork(a, NULL);
	assert_non_null(b);
	assert_int_equal(tg_key_state(b, TG_KEY_RTP), TG_KEY_OFFERED);
	media(&d, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30B, NULL);
	assert_int_equal(tg_key_take_answer(b, &d.m), TG_KEY_OK);
	assert_true(tg_srtp_keys_eq(material_of(a, TG_KEY_RTP, TG_SRTP_TX),
			material_of(b, TG_KEY_RTP, TG_SRTP_TX)));
	assert_false(tg_srtp_keys_eq(material_of(a, TG_KEY_RTP, TG_SRTP_RX),
			material_of(b, TG_KEY_RTP, TG_SRTP_RX)));
	tg_key_free(a);
	tg_key_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(reads_the_forms_of_a_key),
			cmocka_unit_test(reads_several_keys_with_their_mkis),
			cmocka_unit_test(refuses_lines_that_break_the_grammar),
			cmocka_unit_test(writes_what_it_reads),
			cmocka_unit_test(both_sides_agree_on_crossed_keys),
			cmocka_unit_test(offers_each_suite_in_order_with_a_key_of_its_own),
			cmocka_unit_test(offers_the_dialect_with_lifetime_and_mki),
			cmocka_unit_test(
					answers_with_tag_suite_mki_and_lifetime_of_the_chosen_line),
			cmocka_unit_test(chooses_by_the_order_of_the_profile),
			cmocka_unit_test(passes_over_lines_that_weaken),
			cmocka_unit_test(takes_no_answer_but_one_line_of_its_offer),
			cmocka_unit_test(takes_an_answer_that_left_mki_and_lifetime_out),
			cmocka_unit_test(keeps_or_renews_its_key_as_the_session_says),
			cmocka_unit_test(an_offer_after_an_answer_keeps_the_agreed_key),
			cmocka_unit_test(keys_in_force_stay_when_an_answer_is_bad),
			cmocka_unit_test(
					counts_a_far_end_that_keeps_its_key_though_it_moved),
			cmocka_unit_test(forks_share_the_local_key_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
