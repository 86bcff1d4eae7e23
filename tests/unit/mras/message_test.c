/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests and answers of the media relay authentication service: what is
 * read, what is refused, and that nothing of a request leaves unescaped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "mras/message.h"

#define HEAD                                                     \
	"<request xmlns=\"http://schemas.microsoft.com/2006/09/sip/" \
	"mrasp\" requestID=\"1\" from=\"sip:a@x\" to=\"sip:m@x\" "
#define ASK(more)                                               \
	"<credentialsRequest credentialsRequestID=\"c\"><identity>" \
	"sip:alice@lab.test</identity>" more "</credentialsRequest>"
#define GOOD(more) HEAD "version=\"1.0\">" ASK(more) "</request>"

static struct tg_arena arena;
static struct tg_mras_request request;
static const char *why;

static enum tg_mras_status reads(const char *body)
{
	tg_arena_deinit(&arena);
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	return tg_mras_request_read(tg_span_cstr(body), &arena, &request, &why);
}

static int done(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	return 0;
}

static void what_a_request_says_is_read(void **state)
{
	(void)state;
	assert_int_equal(reads(GOOD("<location> internet </location><duration>480"
								"</duration>")),
			TG_MRAS_OK);
	assert_true(tg_span_eq(request.id, TG_SPAN("1")));
	assert_true(tg_span_eq(request.from, TG_SPAN("sip:a@x")));
	assert_int_equal(request.n, 1);
	assert_true(
			tg_span_eq(request.ask[0].identity, TG_SPAN("sip:alice@lab.test")));
	assert_int_equal(request.ask[0].location, TG_MRAS_INTERNET);
	assert_int_equal(request.ask[0].duration_min, 480);
	assert_int_equal(reads(GOOD("")), TG_MRAS_OK);
	assert_int_equal(request.ask[0].location, TG_MRAS_ANYWHERE);
	assert_int_equal(request.ask[0].duration_min, 0);
	/* a prefix, a comment and what newer versions may add */
	assert_int_equal(
			reads("<?xml version=\"1.0\"?><!-- x --><m:request "
				  "xmlns:m=\"http://"
				  "schemas.microsoft.com/2006/09/sip/mrasp\" requestID=\"1\" "
				  "from=\"f\" to=\"t\" version=\"1.0\" new=\"1\"><m:other/>"
				  "<m:credentialsRequest credentialsRequestID=\"c\">"
				  "<m:identity>sip:a@b</m:identity></m:credentialsRequest>"
				  "</m:request>"),
			TG_MRAS_OK);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {"", "x", "<request/>",
			HEAD "version=\"1.0\"></request>",
			HEAD "version=\"1.0\">" ASK("") ASK(""),
			GOOD("<location>moon</location>"), GOOD("<duration>0</duration>"),
			GOOD("<duration>1e3</duration>"),
			GOOD("<duration>99999999</duration>"),
			GOOD("<duration><b/>1</duration>"),
			GOOD("<identity>sip:bob@lab.test</identity>"),
			"<!DOCTYPE request>" GOOD(""), "<![CDATA[x]]>",
			GOOD("<location>&amp;internet</location>"),
			/* a DTD that is none before it is decoded */
			"<?xml version=\"1.0\" encoding=\"UTF-7\"?>+ADwAIQ-DOCTYPE request "
			"+AFsAPAAh-ENTITY x \"a\"+AD4AXQA+-" GOOD("")};

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(reads(bad[i]), TG_MRAS_MALFORMED);
		assert_true(*why);
	}
	assert_int_equal(reads(HEAD "version=\"2.0\">" ASK("") "</request>"),
			TG_MRAS_UNSUPPORTED);
	assert_int_equal(
			tg_mras_request_read(tg_span_of("a\0b", 3), &arena, &request, &why),
			TG_MRAS_MALFORMED);
}

static void identities_are_sip_uris_without_parameters(void **state)
{
	static const char *const bad[] = {"alice", "sip:alice", "sip:@x", "sip:a@",
			"tel:+1", "sip:a b@x", "sip:a@x;y=z", "sip:a@x\r\nX: y",
			"sip:a@x:5060", "sip:a@b@c"};
	struct tg_span user, domain;

	(void)state;
	assert_true(tg_mras_identity_split(
			TG_SPAN("sip:alice@lab.test"), &user, &domain));
	assert_true(tg_span_eq(user, TG_SPAN("alice")));
	assert_true(tg_span_eq(domain, TG_SPAN("lab.test")));
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(
				tg_mras_identity_split(tg_span_cstr(bad[i]), &user, &domain));
}

static void all_spellings_of_an_address_are_one(void **state)
{
	static const char *const row[][2] = {{"alice@lab.test", "alice@lab.test"},
			{"ALICE@Lab.Test", "alice@lab.test"},
			{"%61l%49ce@lab.test", "alice@lab.test"}, {"a%2eb@x", "a.b@x"},
			{"", ""},
			/* these are others */
			{"a%40b@x", "a%40b@x"}, {"a%2Fb@x", "a%2fb@x"}, {"a%0@x", "a%0@x"},
			{"a%00@x", "a%00@x"}, {"a%", "a%"}, {"a%6", "a%6"},
			{"a%e1", "a%e1"}, {"%2561@x", "%2561@x"}};
	char out[TG_MRAS_TEXT_MAX + 1], text[TG_MRAS_TEXT_MAX + 1];

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		assert_true(tg_mras_address_fold(tg_span_cstr(row[i][0]), out));
		assert_string_equal(out, row[i][1]);
	}
	memset(text, 'A', sizeof(text));
	assert_true(tg_mras_address_fold(tg_span_of(text, TG_MRAS_TEXT_MAX), out));
	assert_int_equal(strlen(out), TG_MRAS_TEXT_MAX);
	assert_false(tg_mras_address_fold(tg_span_of(text, sizeof(text)), out));
}

static const struct tg_mras_relay relays[] = {
		{TG_MRAS_INTRANET, TG_SPAN_INIT("192.0.2.1"), true, 3478, 443, 0},
		{TG_MRAS_INTERNET, TG_SPAN_INIT("turn.x.test"), false, 3478, 0, 5349},
		{TG_MRAS_INTERNET, TG_SPAN_INIT("2001:db8::1"), true, 3478, 0, 0}};

static void an_answer_has_the_relays_of_the_place(void **state)
{
	struct tg_mras_grant grant = {.duration_min = 30};
	char buffer[4096];
	struct tg_text text;

	(void)state;
	assert_int_equal(reads(GOOD("<location>internet</location>")), TG_MRAS_OK);
	request.from = TG_SPAN("\"<&>");
	grant.ask = &request.ask[0];
	snprintf(grant.credential.username, sizeof(grant.credential.username),
			"1:u");
	snprintf(
			grant.credential.password, sizeof(grant.credential.password), "pw");
	tg_text_init(&text, buffer, sizeof(buffer));
	tg_mras_response_write(&text, &request, TG_MRAS_OK, &grant, 1,
			TG_SPAN("x.test"), relays, 3);
	assert_false(text.full);
	assert_non_null(strstr(buffer, "from=\"&quot;&lt;&amp;&gt;\""));
	assert_non_null(strstr(buffer, "<username>1:u</username>"));
	assert_non_null(strstr(buffer, "<hostName>turn.x.test</hostName>"));
	assert_non_null(
			strstr(buffer, "<directIPAddress>2001:db8::1</directIPAddress>"));
	assert_null(strstr(buffer, "192.0.2.1"));
	tg_text_init(&text, buffer, sizeof(buffer));
	tg_mras_response_write(&text, &request, TG_MRAS_FORBIDDEN, &grant, 1,
			TG_SPAN("x.test"), relays, 3);
	assert_non_null(strstr(buffer, "reasonPhrase=\"Forbidden\"/>"));
	assert_null(strstr(buffer, "pw"));
}

static void json_has_uris(void **state)
{
	struct tg_mras_credential c = {"1:u", "pw"};
	char buffer[1024];
	struct tg_text text;

	(void)state;
	tg_text_init(&text, buffer, sizeof(buffer));
	tg_mras_json_write(&text, &c, 60, relays, 3);
	assert_string_equal(buffer,
			"{\"username\":\"1:u\",\"password\":\"pw\",\"ttl\":60,\"uris\":["
			"\"turn:192.0.2.1:3478?transport=udp\","
			"\"turn:192.0.2.1:443?transport=tcp\","
			"\"turn:turn.x.test:3478?transport=udp\","
			"\"turns:turn.x.test:5349?transport=tcp\","
			"\"turn:[2001:db8::1]:3478?transport=udp\"]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(what_a_request_says_is_read),
			cmocka_unit_test(what_makes_no_sense_is_refused),
			cmocka_unit_test(identities_are_sip_uris_without_parameters),
			cmocka_unit_test(all_spellings_of_an_address_are_one),
			cmocka_unit_test(an_answer_has_the_relays_of_the_place),
			cmocka_unit_test(json_has_uris),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
