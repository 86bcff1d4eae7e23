/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The index of a session description.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdp/sdp.h"

#define SESSION "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
#define HEAD SESSION "c=IN IP4 192.0.2.1\r\n"
#define AUDIO "m=audio 4000 RTP/SAVP 0 8\r\n"
#define KEY "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"

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

static enum tg_sdp_rc parse(const char *text, struct tg_sdp *out)
{
	return tg_sdp_parse(tg_span_cstr(text), &arena, out);
}

static struct tg_sdp good(const char *text)
{
	struct tg_sdp s;

	assert_int_equal(parse(text, &s), TG_SDP_OK);
	return s;
}

static void refused(const char *text, uint32_t line)
{
	struct tg_sdp s;

	assert_int_equal(parse(text, &s), TG_SDP_MALFORMED);
	assert_int_equal(s.bad_line, line);
	assert_non_null(s.bad);
}

static void is(struct tg_span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}

static void indexes_lines_and_their_ends(void **state)
{
	struct tg_sdp s = good("v=0\r\ns=-\nt=0 0");

	(void)state;
	assert_int_equal(s.n_lines, 3);
	is(s.line[0].text, "v=0");
	assert_int_equal(s.line[0].end_octets, 2);
	assert_int_equal(s.line[1].end_octets, 1);
	assert_int_equal(s.line[2].end_octets, 0);
	assert_int_equal(s.line[2].type, 't');
	assert_int_equal(s.n_media, 0);
}

static void reads_a_media_section(void **state)
{
	struct tg_sdp s = good(HEAD "m=video 4000/2 RTP/SAVPF 96 97\r\n"
								"c=IN IP6 2001:db8::1\r\na=rtcp:4005 IN IP4 "
								"192.0.2.9\r\na=rtcp-mux\r\na=mid:v\r\n"
								"a=bundle-only\r\n");
	const struct tg_sdp_media *m = &s.media[0];

	(void)state;
	assert_int_equal(s.n_media, 1);
	is(m->type, "video");
	assert_int_equal(m->port, 4000);
	assert_int_equal(m->n_ports, 2);
	is(m->proto, "RTP/SAVPF");
	assert_int_equal(m->kind, TG_SDP_PROTO_SAVP);
	assert_true(m->feedback && m->rtcp_mux && m->bundle_only);
	is(m->address, "2001:db8::1");
	is(s.session_address, "192.0.2.1");
	assert_int_equal(m->rtcp_port, 4005);
	is(m->mid, "v");
	assert_int_equal(m->first_line, 5);
	assert_int_equal(m->n_lines, 6);
}

static void tells_protocols_apart(void **state)
{
	static const struct {
		const char *proto;
		enum tg_sdp_proto_kind kind;
		bool feedback;
	} row[] = {
			{"RTP/AVP", TG_SDP_PROTO_AVP, false},
			{"RTP/AVPF", TG_SDP_PROTO_AVP, true},
			{"rtp/avp", TG_SDP_PROTO_AVP, false},
			{"RTP/SAVP", TG_SDP_PROTO_SAVP, false},
			{"UDP/TLS/RTP/SAVP", TG_SDP_PROTO_DTLS, false},
			{"UDP/TLS/RTP/SAVPF", TG_SDP_PROTO_DTLS, true},
			{"TCP/RTP/SAVP", TG_SDP_PROTO_OTHER, false},
			{"RTP/SAVPX", TG_SDP_PROTO_OTHER, false},
			{"udptl", TG_SDP_PROTO_OTHER, false},
			{"TCP/MSRP", TG_SDP_PROTO_OTHER, false},
	};
	char text[256];

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tg_sdp s;

		snprintf(text, sizeof(text), HEAD "m=x 1 %s 0\r\n", row[i].proto);
		s = good(text);
		assert_int_equal(s.media[0].kind, row[i].kind);
		assert_int_equal(s.media[0].feedback, row[i].feedback);
	}
}

static void gives_media_what_the_session_says(void **state)
{
	struct tg_sdp s = good(HEAD "a=fingerprint:sha-256 AA:BB\r\n"
								"a=setup:actpass\r\na=tls-id:one\r\n" AUDIO
								"m=video 2 RTP/SAVP 0\r\n"
								"a=fingerprint:sha-1 CC\r\n"
								"a=fingerprint:sha-256 DD\r\n"
								"a=setup:active\r\na=tls-id:two\r\n");

	(void)state;
	is(s.media[0].address, "192.0.2.1");
	is(s.media[0].security.fingerprint, "AA:BB");
	is(s.media[0].security.fingerprint_hash, "sha-256");
	assert_int_equal(s.media[0].security.setup, TG_SDP_SETUP_ACTPASS);
	is(s.media[0].security.tls_id, "one");
	is(s.media[1].security.fingerprint, "CC");
	assert_int_equal(s.media[1].security.n_fingerprints, 2);
	assert_int_equal(s.media[1].security.setup, TG_SDP_SETUP_ACTIVE);
	is(s.media[1].security.tls_id, "two");
}

static void reads_microsofts_attributes(void **state)
{
	struct tg_sdp s = good(HEAD AUDIO
			"a=encryption:optional\r\n"
			"a=cryptoscale:2 client "
			"AES_CM_128_HMAC_SHA1_80 " KEY "\r\n" AUDIO
			"a=encryption:rejected\r\n" AUDIO "a=encryption:whatever\r\n");

	(void)state;
	assert_int_equal(s.media[0].security.encryption, TG_SDP_ENC_OPTIONAL);
	assert_true(s.media[0].security.crypto_scale);
	assert_int_equal(s.media[0].n_crypto, 0);
	assert_int_equal(s.media[1].security.encryption, TG_SDP_ENC_REJECTED);
	assert_int_equal(s.media[2].security.encryption, TG_SDP_ENC_REQUIRED);
}

static void takes_blank_lines_at_the_end_alone(void **state)
{
	struct tg_sdp s = good(HEAD AUDIO "\r\n\r\n");

	(void)state;
	assert_int_equal(s.media[0].n_lines, 1);
	refused(HEAD "\r\n" AUDIO, 7);
}

static void refuses_what_two_readers_could_take_differently(void **state)
{
	struct tg_sdp s;
	static const char nul[] = "v=0\r\ns=a\0b\r\n";

	(void)state;
	refused("s=-\r\n", 1);
	refused(HEAD "v=0\r\n" AUDIO, 6);
	refused(HEAD "c=IN IP4 192.0.2.2\r\n" AUDIO, 6);
	refused(HEAD AUDIO "c=IN IP4 192.0.2.2\r\nc=IN IP4 192.0.2.3\r\n", 8);
	refused(HEAD "s=a\rm=audio 1 RTP/AVP 0\r\n", 6);
	refused(HEAD "audio\r\n", 6);
	refused(HEAD " m=audio 1 RTP/AVP 0\r\n", 6);
	refused(HEAD "M=audio 1 RTP/AVP 0\r\n", 6);
	assert_int_equal(tg_sdp_parse(tg_span_of(nul, sizeof(nul) - 1), &arena, &s),
			TG_SDP_MALFORMED);
}

static void refuses_broken_media_lines(void **state)
{
	static const char *const row[] = {"m=audio", "m=audio 1",
			"m=audio 1 RTP/AVP", "m=audio 1 RTP/AVP ", "m=audio  1 RTP/AVP 0",
			"m=audio x RTP/AVP 0", "m=audio 65536 RTP/AVP 0",
			"m=audio -1 RTP/AVP 0", "m=audio 1/0 RTP/AVP 0",
			"m=audio 1/ RTP/AVP 0", "m= 1 RTP/AVP 0", "m=audio 1\tRTP/AVP 0",
			"m=audio 1  0"};
	char text[256];

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		snprintf(text, sizeof(text), HEAD "%s\r\n", row[i]);
		refused(text, 6);
	}
	refused(HEAD AUDIO "a=rtcp:x\r\n", 7);
	refused(HEAD AUDIO "c=IN IP4\r\n", 7);
}

static char *repeated(const char *head, const char *unit, size_t n)
{
	char *text = malloc(strlen(head) + n * strlen(unit) + 1);
	char *at = text;

	assert_non_null(text);
	at += sprintf(at, "%s", head);
	for(size_t i = 0; i < n; i++)
		at += sprintf(at, "%s", unit);
	return text;
}

static void keeps_its_limits(void **state)
{
	static const struct {
		const char *unit;
		size_t fits;
	} row[] = {{"m=audio 1 RTP/AVP 0\r\n", TG_SDP_MEDIA_MAX},
			{"a=x\r\n", TG_SDP_LINES_MAX - 6},
			{"a=crypto:1 A " KEY "\r\n", TG_SDP_CRYPTO_MAX}};
	struct tg_sdp s;

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const char *head = i ? HEAD AUDIO : HEAD;
		char *fits = repeated(head, row[i].unit, row[i].fits);
		char *over = repeated(head, row[i].unit, row[i].fits + 1);

		assert_int_equal(parse(fits, &s), TG_SDP_OK);
		assert_int_equal(parse(over, &s), TG_SDP_TOO_LARGE);
		free(fits);
		free(over);
	}
	assert_int_equal(parse("", &s), TG_SDP_EMPTY);
}

static struct tg_sdp_crypto crypto(const char *value)
{
	char *text = tg_arena_get(&arena, strlen(value) + 256);
	struct tg_sdp s;

	sprintf(text, HEAD AUDIO "a=crypto:%s\r\n", value);
	s = good(text);
	assert_int_equal(s.media[0].n_crypto, 1);
	assert_int_equal(s.media[0].crypto[0].line, 6);
	return s.media[0].crypto[0];
}

static void reads_crypto_lines(void **state)
{
	struct tg_sdp_crypto c = crypto("1 AES_CM_128_HMAC_SHA1_80 " KEY
									"|2^31|1:4 WSH=64 UNAUTHENTICATED_SRTP");

	(void)state;
	assert_true(c.valid);
	assert_int_equal(c.tag, 1);
	is(c.suite, "AES_CM_128_HMAC_SHA1_80");
	is(c.key, &KEY[strlen("inline:")]);
	assert_int_equal(c.n_keys, 1);
	assert_int_equal(c.lifetime_log2, 31);
	assert_true(c.lifetime == (uint64_t)1 << 31);
	assert_int_equal(c.mki, 1);
	assert_int_equal(c.mki_octets, 4);
	is(c.session_params, "WSH=64 UNAUTHENTICATED_SRTP");
	c = crypto("7  AEAD_AES_256_GCM\t" KEY "|1066:4 ");
	assert_true(c.valid);
	assert_int_equal(c.lifetime, 0);
	assert_int_equal(c.mki, 1066);
	is(c.session_params, "");
	c = crypto("2 X " KEY "|1000000");
	assert_true(c.valid && c.lifetime == 1000000 && c.lifetime_log2 == 0);
	c = crypto("3 X " KEY "|1:1;" KEY "|2:1");
	assert_true(c.valid && c.n_keys == 2 && c.mki == 1);
}

static void marks_broken_crypto_lines(void **state)
{
	static const char *const row[] = {"", "1", "1 X", "0 X " KEY, "x X " KEY,
			"1000000000 X " KEY, "1 X AAAA", "1 X inline:", "1 X inline:AA*A",
			"1 X inline:AAA===", "1 X " KEY "|", "1 X " KEY "|2^0",
			"1 X " KEY "|2^49", "1 X " KEY "|0", "1 X " KEY "|2^31|2^31",
			"1 X " KEY "|1:4|2^31", "1 X " KEY "|1:0", "1 X " KEY "|1:129",
			"1 X " KEY "|256:1", "1 X " KEY "||1:1", "1 X " KEY ";" KEY,
			"1 X " KEY "|1:1;" KEY "|2:2", "1 X " KEY ";", "1 X ;" KEY};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if(crypto(row[i]).valid)
			fail_msg("%s", row[i]);
	}
}

static void knows_lines_about_keys(void **state)
{
	static const char *const yes[] = {"a=crypto:1 X Y", "a=cryptoscale:1",
			"a=fingerprint:sha-256 AA", "a=setup:active", "a=tls-id:x",
			"a=key-mgmt:mikey x", "a=encryption:required", "a=connection:new",
			"a=CRYPTO:1 X Y", "a=crypto :1 X", "a= crypto:1 X", "a=crypto",
			"a=acap:1 ptime:20"};
	static const char *const no[] = {"a=cryptos:1", "m=crypto 1 RTP/AVP 0",
			"a=rtpmap:0 PCMU/8000", "a=sendrecv", "i=crypto:1", "a="};
	struct tg_sdp_line line = {.type = 'a'};

	(void)state;
	for(size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		line.text = tg_span_cstr(yes[i]);
		if(!tg_sdp_is_security_line(&line))
			fail_msg("%s", yes[i]);
	}
	for(size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		line.text = tg_span_cstr(no[i]);
		line.type = no[i][0];
		if(tg_sdp_is_security_line(&line))
			fail_msg("%s", no[i]);
	}
}

static void knows_lines_with_keys(void **state)
{
	static const char *const yes[] = {"a=crypto:1 X Y", "a=cryptoscale:1",
			"a=key-mgmt:mikey x", "k=clear:x", "a=acap:1 crypto:1 X inline:Y",
			"a=acap:2 Key-Mgmt:mikey x", "a= ACAP :3 CRYPTO:1 X"};
	static const char *const no[] = {"a=fingerprint:sha-256 AA",
			"a=acap:1 ptime:20", "a=acap", "a=pcfg:1 t=1 a=1", "s=crypto"};
	struct tg_sdp_line line;

	(void)state;
	for(size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		line = (struct tg_sdp_line){tg_span_cstr(yes[i]), 2, yes[i][0]};
		if(!tg_sdp_carries_key(&line))
			fail_msg("%s", yes[i]);
	}
	for(size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		line = (struct tg_sdp_line){tg_span_cstr(no[i]), 2, no[i][0]};
		if(tg_sdp_carries_key(&line))
			fail_msg("%s", no[i]);
	}
}

/* Fails the n-th time it is asked */
static void *failing_alloc(void *ctx, size_t octets)
{
	unsigned *left = ctx;

	return (*left)-- == 0 ? NULL : malloc(octets);
}

static void failing_free(void *ctx, void *block)
{
	(void)ctx;
	free(block);
}

static void survives_lack_of_memory(void **state)
{
	unsigned left = 0;
	const struct tg_alloc alloc = {failing_alloc, failing_free, &left};
	struct tg_span text = TG_SPAN(HEAD AUDIO "a=crypto:1 X " KEY "\r\n");
	unsigned at = 0;
	enum tg_sdp_rc rc;

	(void)state;
	do {
		struct tg_arena a;
		struct tg_sdp s;

		left = at;
		tg_arena_init(&a, &alloc, 1);
		rc = tg_sdp_parse(text, &a, &s);
		assert_true(rc == TG_SDP_OK || rc == TG_SDP_NO_MEMORY);
		tg_arena_deinit(&a);
	} while(rc != TG_SDP_OK && ++at < 100);
	assert_true(at > 2 && at < 100);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(indexes_lines_and_their_ends),
			T(reads_a_media_section), T(tells_protocols_apart),
			T(gives_media_what_the_session_says),
			T(reads_microsofts_attributes),
			T(takes_blank_lines_at_the_end_alone),
			T(refuses_what_two_readers_could_take_differently),
			T(refuses_broken_media_lines), T(keeps_its_limits),
			T(reads_crypto_lines), T(marks_broken_crypto_lines),
			T(knows_lines_about_keys), T(knows_lines_with_keys),
			T(survives_lack_of_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
