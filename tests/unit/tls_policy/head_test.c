/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The head of a request that leaves: names long, compact and in any case,
 * values that are folded, what only looks like a header (A30, A31).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tls_policy/head.h"

static struct tlsp_head read_text(const char *text)
{
	struct tlsp_head head;

	tlsp_head_read(tg_span_of(text, strlen(text)), &head);
	return head;
}

#define assert_text(span, text) \
	assert_true(tg_span_eq((span), tg_span_cstr(text)))

static void headers_by_all_their_names(void **state)
{
	static const char *const text[] = {
			"INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TLS h\r\n"
			"Route: <sip:one;lr>, <sip:two;lr>\r\nRoute: <sip:three>\r\n"
			"To: <sip:b@x>;tag=1\r\nCall-ID: c@1\r\n\r\nTo: body\r\n",
			"INVITE sip:b@x SIP/2.0\nv: SIP/2.0/TLS h\n"
			"rOUTE :<sip:one;lr>\nt:<sip:b@x>;tag=1\nI : c@1\n\n",
			"INVITE sip:b@x SIP/2.0\r\nROUTE:\r\n "
			"<sip:one;lr>,\r\n\t<sip:two>\r\n"
			"to:\r\n <sip:b@x>;tag=1\r\ni:\r\n  c@1\r\nCall-ID: later\r\n\r\n",
	};

	(void)state;
	for(size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		struct tlsp_head head = read_text(text[i]);

		assert_text(head.method, "INVITE");
		assert_text(head.uri, "sip:b@x");
		assert_text(head.route, "sip:one;lr");
		assert_text(head.to, "<sip:b@x>;tag=1");
		assert_text(head.call_id, "c@1");
		assert_false(tlsp_head_is_sips(&head));
	}
}

static void what_is_no_header(void **state)
{
	struct tlsp_head head = read_text(
			"OPTIONS sip:b@x SIP/2.0\r\nSubject: a\r\n Route: <sips:one>\r\n"
			"Routes: <sips:one>\r\nX-Route: <sips:one>\r\nToo: x\r\n\r\n"
			"Route: <sips:one>\r\nCall-ID: c\r\n");

	(void)state;
	assert_int_equal(head.route.len, 0);
	assert_int_equal(head.to.len, 0);
	assert_int_equal(head.call_id.len, 0);
	assert_false(tlsp_head_is_sips(&head));
}

static void sips_of_uri_and_route(void **state)
{
	static const char *const text[] = {
			"BYE sips:b@x SIP/2.0\r\n\r\n",
			"BYE SIPS:b@x SIP/2.0\r\nRoute: <sip:one>\r\n\r\n",
			"BYE sip:b@x SIP/2.0\r\nRoute: \"a\" <sips:one;lr>\r\n\r\n",
			"BYE sip:b@x SIP/2.0\r\nRoute:\r\n <sips:one>\r\n\r\n",
			"BYE sip:b@x SIP/2.0\r\nRoute: sips:one;lr\r\n\r\n",
	};
	struct tlsp_head head;

	(void)state;
	for(size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		head = read_text(text[i]);
		assert_true(tlsp_head_is_sips(&head));
	}
	head = read_text("BYE sip:b@x SIP/2.0\r\nRoute: <sip:one>, <sips:two>\r\n"
					 "Route: <sips:three>\r\n\r\n");
	assert_false(tlsp_head_is_sips(&head));
}

static void octets_that_are_no_request(void **state)
{
	static const char *const text[] = {"", "\r\n\r\n", "INVITE",
			"INVITE sips:", "a b c\r\nRoute",
			"a b c\r\nRoute:", "a b c\r\nRoute: <", "\n", " \t", "a b c\r\nt",
			"a b c\r\n:\r\n:"};

	(void)state;
	for(size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		for(size_t n = 0; n <= strlen(text[i]); n++) {
			char *exact = test_malloc(n + !n);
			struct tlsp_head head;

			memcpy(exact, text[i], n);
			tlsp_head_read(tg_span_of(exact, n), &head);
			assert_int_equal(head.call_id.len, 0);
			test_free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(headers_by_all_their_names),
			cmocka_unit_test(what_is_no_header),
			cmocka_unit_test(sips_of_uri_and_route),
			cmocka_unit_test(octets_that_are_no_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
