/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses and prefixes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/addr.h"

static struct tg_addr addr(const char *text)
{
	struct tg_addr a = {0};

	assert_true(tg_addr_parse(tg_span_cstr(text), &a));
	return a;
}

static struct tg_cidr cidr(const char *text)
{
	struct tg_cidr c = {{0}, 0};

	assert_true(tg_cidr_parse(tg_span_cstr(text), &c));
	return c;
}

static void addresses_are_read_and_written(void **state)
{
	static const char *const same[] = {
			"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::1"};
	char text[TG_ADDR_TEXT_OCTETS];
	struct tg_addr a, none = {0};

	(void)state;
	for(size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = addr(same[i]);
		assert_string_equal(tg_addr_format(&a, text), same[i]);
	}
	a = addr("[2001:DB8::1]");
	assert_string_equal(tg_addr_format(&a, text), "2001:db8::1");
	assert_string_equal(tg_addr_format(&none, text), "-");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1",
			"01.2.3.4x", "example.com", "2001:db8::1::", "[::1", "::1]",
			"fe80::1%lo", "1.2.3.4 ",
			"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"};
	struct tg_addr a;

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(tg_addr_parse(tg_span_cstr(bad[i]), &a));
	assert_false(tg_addr_parse(TG_SPAN("1.2.3.4\0"), &a));
}

static void v4_mapped_is_v4_everywhere(void **state)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
	struct tg_addr a = addr("::ffff:192.0.2.1"), b = addr("192.0.2.1"), c;
	struct tg_cidr net = cidr("192.0.2.0/24");
	uint16_t port;

	(void)state;
	assert_int_equal(a.family, 4);
	assert_true(tg_addr_eq(&a, &b));
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &sa.sin6_addr);
	assert_true(tg_addr_from_sockaddr((struct sockaddr *)&sa, &c, &port));
	assert_true(tg_addr_eq(&c, &b));
	assert_int_equal(port, 5);
	assert_true(tg_cidr_contains(&net, &c));
}

static void no_address_matches_nothing(void **state)
{
	struct tg_addr none = {0}, other = {0};
	struct tg_cidr all4 = cidr("0.0.0.0/0"), all6 = cidr("::/0");
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	assert_false(tg_addr_eq(&none, &other));
	assert_false(tg_cidr_contains(&all4, &none));
	assert_false(tg_cidr_contains(&all6, &none));
	assert_false(tg_addr_is_loopback(&none));
	assert_false(tg_addr_from_sockaddr((struct sockaddr *)&un, &none, NULL));
	assert_int_equal(tg_addr_of("abc", 3).family, 0);
}

static void prefixes_hold_what_they_cover(void **state)
{
	static const struct {
		const char *net, *in, *out;
	} row[] = {{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
			{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
			{"192.0.2.1", "192.0.2.1", "192.0.2.2"},
			{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
			{"2001:db8::1", "2001:db8::1", "2001:db8::2"},
			{"0.0.0.0/0", "255.255.255.255", "::1"},
			{"::/0", "2001:db8::1", "1.2.3.4"}};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tg_cidr c = cidr(row[i].net);
		struct tg_addr in = addr(row[i].in), out = addr(row[i].out);

		assert_true(tg_cidr_contains(&c, &in));
		assert_false(tg_cidr_contains(&c, &out));
	}
}

static void prefixes_overlap_when_one_lies_in_the_other(void **state)
{
	struct tg_cidr wide = cidr("10.0.0.0/8"), in = cidr("10.1.0.0/16"),
				   beside = cidr("11.0.0.0/8"), six = cidr("::/0");

	(void)state;
	assert_true(tg_cidr_overlaps(&wide, &in));
	assert_true(tg_cidr_overlaps(&in, &wide));
	assert_false(tg_cidr_overlaps(&wide, &beside));
	assert_false(tg_cidr_overlaps(&wide, &six));
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const bad[] = {"10.0.0.1/8", "10.0.0.0/33",
			"2001:db8::/129", "2001:db8::1/64", "10.0.0.0/", "10.0.0.0/-1",
			"10.0.0.0/8/8", "/8", "any"};
	struct tg_cidr c;

	(void)state;
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(tg_cidr_parse(tg_span_cstr(bad[i]), &c));
}

static void loopback_is_known(void **state)
{
	struct tg_addr a = addr("127.9.9.9"), b = addr("::1"), c = addr("::2"),
				   d = addr("128.0.0.1");

	(void)state;
	assert_true(tg_addr_is_loopback(&a));
	assert_true(tg_addr_is_loopback(&b));
	assert_false(tg_addr_is_loopback(&c));
	assert_false(tg_addr_is_loopback(&d));
}

static void only_what_the_internet_routes_is_public(void **state)
{
	static const char *const public[] = {"192.0.2.1", "9.255.255.255",
			"11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
			"223.255.255.255", "2001:db8::1", "2a00::1"};
	static const char *const inside[] = {"127.0.0.1", "127.255.255.255",
			"0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255",
			"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1",
			"198.19.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1",
			"::", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
			"::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
			"2002:7f00:1::1", "2001::1"};
	struct tg_addr a, none = {0};

	(void)state;
	for(size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
		a = addr(public[i]);
		assert_true(tg_addr_is_public(&a));
	}
	for(size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		a = addr(inside[i]);
		assert_false(tg_addr_is_public(&a));
	}
	assert_false(tg_addr_is_public(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(addresses_are_read_and_written),
			cmocka_unit_test(what_is_no_address_is_refused),
			cmocka_unit_test(v4_mapped_is_v4_everywhere),
			cmocka_unit_test(no_address_matches_nothing),
			cmocka_unit_test(prefixes_hold_what_they_cover),
			cmocka_unit_test(prefixes_overlap_when_one_lies_in_the_other),
			cmocka_unit_test(what_is_no_prefix_is_refused),
			cmocka_unit_test(loopback_is_known),
			cmocka_unit_test(only_what_the_internet_routes_is_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
