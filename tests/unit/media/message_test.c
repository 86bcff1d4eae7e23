/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the session descriptions of a SIP message are, and putting others in
 * their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "media/message.h"

#define VIA "Via: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx\r\n"
#define HEAD                                                              \
	"INVITE sip:b@example.com SIP/2.0\r\n" VIA                            \
	"From: <sip:a@example.com>;tag=1\r\nTo: \"x;tag=\" <sip:b;tag=y>\r\n" \
	"Call-ID: abc\r\nCSeq: 1 INVITE\r\n"
#define SDP "v=0\r\ns=-\r\n"

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

static enum tg_media_rc read_text(const char *text, struct tg_media_message *m)
{
	return tg_media_message_read(tg_span_cstr(text), m);
}

static struct tg_media_message good(const char *text, size_t n_sdp)
{
	struct tg_media_message m;

	assert_int_equal(read_text(text, &m), TG_MEDIA_OK);
	assert_int_equal(m.n_sdp, n_sdp);
	return m;
}

static void is(struct tg_span s, const char *text)
{
	if(!tg_span_eq(s, tg_span_cstr(text)))
		fail_msg("'%.*s'", TG_SPAN_FMT(s));
}

static void reads_a_request_with_a_description(void **state)
{
	struct tg_media_message m = good(HEAD "Content-Type: application/sdp\r\n"
										  "Content-Length: 10\r\n\r\n" SDP,
			1);

	(void)state;
	assert_true(m.request);
	assert_false(m.in_dialog);
	is(m.from_tag, "1");
	assert_int_equal(m.to_tag.len, 0);
	is(m.method, "INVITE");
	is(m.call_id, "abc");
	is(m.length, "10");
	is(m.sdp[0], SDP);
}

static void reads_a_reply_with_compact_and_folded_headers(void **state)
{
	struct tg_media_message m = good("SIP/2.0 200 OK\r\n" VIA
									 "t: <sip:b>;x=1\r\n ;tag=2\r\ni: abc\r\n"
									 "CSeq: 7 UPDATE\r\nc: application\r\n"
									 " /SDP;charset=x\r\nl:10\r\n\r\n" SDP,
			1);

	(void)state;
	assert_false(m.request);
	assert_int_equal(m.status, 200);
	assert_true(m.in_dialog);
	is(m.to_tag, "2");
	is(m.method, "UPDATE");
	is(m.sdp[0], SDP);
}

static void knows_a_description_without_its_type(void **state)
{
	(void)state;
	good(HEAD "\r\n" SDP, 1);
	good(HEAD "Content-Type: text/plain\r\n\r\n" SDP, 1);
	good(HEAD "Content-Type: text/plain\r\n\r\nhello", 0);
	good(HEAD "c: Application/SDPx\r\n\r\n v=0\r\n m=audio 9 X 0\r\n", 1);
	good(HEAD "Content-Length: 0\r\n\r\n", 0);
}

static void takes_what_the_length_says(void **state)
{
	struct tg_media_message m =
			good(HEAD "Content-Type: application/sdp\r\n"
					  "Content-Length: 5\r\n\r\nv=0\r\nm=audio",
					1);

	(void)state;
	is(m.sdp[0], "v=0\r\n");
	assert_int_equal(read_text(HEAD "Content-Length: 11\r\n\r\n" SDP, &m),
			TG_MEDIA_UNREADABLE);
	assert_int_equal(read_text(HEAD "Content-Length: x\r\n\r\n" SDP, &m),
			TG_MEDIA_UNREADABLE);
}

#define MIXED "Content-Type: multipart/mixed; a=b; boundary=\"x y\"\r\n"
#define PART "--x y\r\nContent-Type: application/sdp\r\n\r\n"

static void finds_the_parts_of_a_multipart_body(void **state)
{
	struct tg_media_message m = good(HEAD MIXED
			"\r\npreamble\r\n" PART SDP
			"\r\n--x y\r\nContent-Type: text/plain\r\n\r\nhello\r\n" PART
			"v=0\r\n\r\n--x y--\r\nepilogue " PART SDP,
			2);

	(void)state;
	is(m.sdp[0], SDP);
	is(m.sdp[1], "v=0\r\n");
	m = good(HEAD MIXED "\r\n" PART SDP, 1); /* no end */
	is(m.sdp[0], "v=0\r\ns=-");
	m = good(HEAD MIXED "\r\n--x y\r\nContent-Type: multipart/alternative;"
						"boundary=in\r\n\r\n--in\r\n\r\n" SDP
						"\r\n--in--\r\n--x y--\r\n",
			1);
	is(m.sdp[0], SDP);
}

static void refuses_what_it_cannot_take_apart(void **state)
{
	static const char *const row[] = {HEAD
			"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nv=0",
			HEAD MIXED "\r\nno parts",
			HEAD MIXED "\r\n--x y\r\nContent-Type: application/sdp",
			HEAD "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n"
				 "\r\nxxx",
			HEAD MIXED "Content-Encoding: gzip\r\n\r\n" PART SDP,
			HEAD "Content-Type: text/plain\r\nc: application/sdp\r\n\r\n" SDP,
			HEAD "Content-Type: application/sdp",
			HEAD "Content-Type: multipart/mixed;boundary=x;boundary=y\r\n\r\n"
				 "--x\r\n\r\nv=0\r\n--x--\r\n",
			HEAD MIXED "\r\n--x y\r\nContent-Type: application/sdp\r\n"
					   "Content-Transfer-Encoding: base64\r\n\r\n" SDP,
			/* media lines where nobody says that there are any */
			HEAD "\r\n v=0\r\n m=audio 9 X 0\r\n",
			HEAD "Content-Type: application/sdp,x\r\n"
				 "Content-Encoding: gzip\r\n\r\nxxx",
			HEAD MIXED "\r\n--x y\r\nContent-Type: Application/SDPx\r\n"
					   "Content-Transfer-Encoding: base64\r\n\r\ndj0w\r\n"
					   "--x y--\r\n",
			HEAD "\r\nm=audio 9 X 0", HEAD "\r\nx\rm=audio 9 X 0",
			HEAD MIXED "\r\n" PART SDP "\r\n--x y\r\n\r\na\r\nm=audio 9 X 0",
			HEAD MIXED "\r\nm=audio 9 X 0\r\n" PART SDP "\r\n--x y--\r\n",
			/* what is it? */
			"SIP/2.0 x\r\n\r\n", "SIP/2.0\r\n\r\n",
			"INVITE sip:b SIP/2.0;x\r\nCSeq: 1 INVITE\r\n\r\n" SDP,
			"INVITE sip:b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n" SDP,
			/* where does it begin? */
			"\r\n" HEAD "\r\n" SDP, " \r\n" HEAD "\r\n" SDP,
			"\t" HEAD "\r\n" SDP};
	static const char nul[] = "\0\r\n" HEAD "\r\n" SDP;
	struct tg_media_message m;

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		if(read_text(row[i], &m) != TG_MEDIA_UNREADABLE)
			fail_msg("%s", row[i]);
	}
	assert_int_equal(
			tg_media_message_read(tg_span_of(nul, sizeof(nul) - 1), &m),
			TG_MEDIA_UNREADABLE);
}

static void reads_what_only_looks_like_it(void **state)
{
	static const char *const row[] = {
			"MESSAGE sip:b SIP/2.0\r\nCSeq: 1 MESSAGE\r\n"
			"Content-Type: text/plain\r\n\r\nhello\r\nm=c2\r\n",
			HEAD "Content-Type: text/plain\r\n\r\nam=c2\r\n m=c2\r\n",
			"INVITE sip:b SIP/2.0\r\nCSeq: 1\tINVITE\r\n"
			"Content-Transfer-Encoding: 8BIT\r\n\r\n" SDP "m=audio 9 X 0\r\n",
			"BYE sip:b SIP/2.0\r\nCSeq: 1 INFO\r\n\r\n",
			"INVITE  sip:b sip/2.0 \t\r\nCSeq: 1 INVITE\r\n\r\n" SDP,
			"SIP/2.0  200 \r\nCSeq: 1 INVITE\r\n\r\n" SDP};
	struct tg_media_message m;

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		if(read_text(row[i], &m) != TG_MEDIA_OK)
			fail_msg("%s", row[i]);
	}
}

static void leaves_others_alone(void **state)
{
	static const char *const row[] = {"", "\r\n\r\n", " ",
			"HTTP/1.1 200 OK\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"};
	struct tg_media_message m;

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		assert_int_equal(read_text(row[i], &m), TG_MEDIA_NOT_SIP);
}

static void keeps_its_limits(void **state)
{
	static const char part[] = PART SDP "\r\n";
	char text[8192] = HEAD MIXED "\r\n";
	struct tg_media_message m;

	(void)state;
	for(size_t i = 0; i < TG_MEDIA_SDP_MAX; i++)
		memcpy(text + strlen(text), part, sizeof(part));
	assert_int_equal(read_text(text, &m), TG_MEDIA_OK);
	memcpy(text + strlen(text), part, sizeof(part));
	assert_int_equal(read_text(text, &m), TG_MEDIA_UNREADABLE);
}

static void writes_other_descriptions_and_their_length(void **state)
{
	struct tg_media_message m =
			good(HEAD MIXED "Content-Length:  111 \r\n\r\n" PART SDP
							"\r\n" PART SDP "\r\n--x y--",
					2);
	struct tg_span with[TG_MEDIA_SDP_MAX] = {m.sdp[0], TG_SPAN("v=0\r\n")};

	(void)state;
	is(tg_media_message_write(&m, with, &arena),
			HEAD MIXED "Content-Length:  106 \r\n\r\n" PART SDP "\r\n" PART
					   "v=0\r\n\r\n--x y--");
	with[1] = m.sdp[1];
	is(tg_media_message_write(&m, with, &arena),
			HEAD MIXED "Content-Length:  111 \r\n\r\n" PART SDP "\r\n" PART SDP
					   "\r\n--x y--");
}

static void makes_a_refusal_of_an_answer(void **state)
{
	struct tg_media_message m =
			good("SIP/2.0 200 OK\r\n" VIA "From: <sip:a>;tag=1\r\n"
				 "To: <sip:b>\r\n ;tag=2\r\nCall-ID: abc\r\n"
				 "CSeq: 1 INVITE\r\nContact: <sip:c>\r\n"
				 "Record-Route: <sip:r>\r\n"
				 "c: application/sdp\r\nl: 10\r\n\r\n" SDP,
					1);

	(void)state;
	is(tg_media_message_refusal(&m, 488, "Not Acceptable Here",
			   TG_SPAN("Warning: 399 x \"y\""), &arena),
			"SIP/2.0 488 Not Acceptable Here\r\n" VIA "From: <sip:a>;tag=1\r\n"
			"To: <sip:b>\r\n ;tag=2\r\nCall-ID: abc\r\nCSeq: 1 INVITE\r\n"
			"Warning: 399 x \"y\"\r\nContent-Length: 0\r\n\r\n");
}

#define ACK                                                             \
	"ACK sip:c SIP/2.0\r\n" VIA "Route: <sip:r;lr>,\r\n <sip:q;lr>\r\n" \
	"Max-Forwards: 7\r\nf: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n"      \
	"Call-ID: abc\r\nCSeq: 41 ACK\r\nProxy-Authorization: x\r\n"

static void takes_the_body_out_of_a_request(void **state)
{
	struct tg_media_message m =
			good(ACK "c: application/sdp\r\nContent-Disposition: session\r\n"
					 "Content-Length: 10\r\n\r\n" SDP,
					1);

	(void)state;
	is(tg_media_message_bodyless(&m, &arena), ACK "Content-Length: 0\r\n\r\n");
}

static void makes_the_next_request_of_a_dialog(void **state)
{
	struct tg_media_message m =
			good(ACK "c: application/sdp\r\nl: 10\r\n\r\n" SDP, 1);

	(void)state;
	is(tg_media_message_successor(
			   &m, "BYE", TG_SPAN("Via: SIP/2.0/TLS us;branch=1"), &arena),
			"BYE sip:c SIP/2.0\r\nRoute: <sip:r;lr>,\r\n <sip:q;lr>\r\n"
			"Max-Forwards: 7\r\nf: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n"
			"Call-ID: abc\r\nVia: SIP/2.0/TLS us;branch=1\r\nCSeq: 42 BYE\r\n"
			"Content-Length: 0\r\n\r\n");
}

static void makes_no_next_request_without_a_number(void **state)
{
	static const char *const bad[] = {
			"CSeq: ACK", "CSeq: 2147483647 ACK", "CSeq: -1 ACK", "X: 1"};

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[256];
		struct tg_media_message m;

		snprintf(text, sizeof(text), "ACK sip:c SIP/2.0\r\n%s\r\n\r\n", bad[i]);
		assert_int_equal(read_text(text, &m), TG_MEDIA_OK);
		assert_null(
				tg_media_message_successor(&m, "BYE", TG_SPAN("Via: x"), &arena)
						.ptr);
	}
}

static void sees_at_a_glance_that_there_is_no_body(void **state)
{
	static const char *const bare[] = {"A sip:a SIP/2.0\r\nX: 1\r\n\r\n",
			"A sip:a SIP/2.0\nX: 1\n\n", "A sip:a SIP/2.0\r\nX: 1\n\r\n"};
	static const char *const maybe[] = {"", "A", "A sip:a SIP/2.0\r\n",
			"A\r\n\r\nv", "A\n\nv=0", "A\r\nX: 1\n\r\n\r\n"};

	(void)state;
	for(size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++)
		assert_false(tg_media_message_has_body(tg_span_cstr(bare[i])));
	for(size_t i = 0; i < sizeof(maybe) / sizeof(*maybe); i++)
		assert_true(tg_media_message_has_body(tg_span_cstr(maybe[i])));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(reads_a_request_with_a_description),
			T(reads_a_reply_with_compact_and_folded_headers),
			T(knows_a_description_without_its_type),
			T(takes_what_the_length_says),
			T(finds_the_parts_of_a_multipart_body),
			T(refuses_what_it_cannot_take_apart),
			T(reads_what_only_looks_like_it), T(leaves_others_alone),
			T(keeps_its_limits), T(writes_other_descriptions_and_their_length),
			T(makes_a_refusal_of_an_answer), T(takes_the_body_out_of_a_request),
			T(makes_the_next_request_of_a_dialog),
			T(makes_no_next_request_without_a_number),
			T(sees_at_a_glance_that_there_is_no_body)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
