/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * URLs of responders (RFC 3986): what is taken, and what never gets into a
 * request line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/url.h"

static void parts_are_found(void **state)
{
	static const struct {
		const char *text, *host, *written, *path;
		uint16_t port;
	} good[] = {
			{"http://ocsp.example.com", "ocsp.example.com", "ocsp.example.com",
					"", 80},
			{"HTTP://ocsp.example.com:8080/a/b?c=d", "ocsp.example.com",
					"ocsp.example.com:8080", "/a/b?c=d", 8080},
			{"http://192.0.2.1/", "192.0.2.1", "192.0.2.1", "/", 80},
			{"http://[2001:db8::1]:81/x", "2001:db8::1", "[2001:db8::1]:81",
					"/x", 81},
			{"http://[2001:db8::1]", "2001:db8::1", "[2001:db8::1]", "", 80},
	};
	struct tg_url url;
	const char *why;

	(void)state;
	for(size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(tg_url_split(tg_span_cstr(good[i].text), &url, &why));
		assert_null(why);
		assert_true(tg_span_eq(url.host, tg_span_cstr(good[i].host)));
		assert_true(
				tg_span_eq(url.host_as_written, tg_span_cstr(good[i].written)));
		assert_true(tg_span_eq(url.path, tg_span_cstr(good[i].path)));
		assert_int_equal(url.port, good[i].port);
	}
}

static void what_is_no_http_url_is_refused(void **state)
{
	static const char *const bad[] = {"", "http://", "http:///x",
			"https://a.example", "ftp://a.example", "//a.example",
			"http://user@a.example/", "http://a.example/ x",
			"http://a.example/\r\nX: y", "http://a.example/#f",
			"http://a.example:0/", "http://a.example:65536/",
			"http://a.example:/", "http://a.example:8o/", "http://[::1",
			"http://[::1]x/", "http://[nonsense]/", "http://a..b/",
			"http://1.2.3/", "http://256.1.1.1/", "http://a.example?x",
			"http://a.example/\x7f", "http://-a.example/"};
	char large[TG_URL_OCTETS_MAX + 2] = "http://a.example/";
	struct tg_url url;
	const char *why;

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(tg_url_split(tg_span_cstr(bad[i]), &url, &why));
		assert_non_null(why);
	}
	memset(large + 17, 'x', sizeof(large) - 18);
	assert_false(tg_url_split(tg_span_cstr(large), &url, &why));
	large[TG_URL_OCTETS_MAX] = 0;
	assert_true(tg_url_split(tg_span_cstr(large), &url, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(parts_are_found),
			cmocka_unit_test(what_is_no_http_url_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
