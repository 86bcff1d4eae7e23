/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RFC 5922 section 7: which names of a certificate are identities, and what
 * they match (A22, A30).
 */
#include "x509/testpki.h"

#define HAS_NUL "gw1.lab.test\0.evil.test"

static struct pki_ca root;
static struct tg_x509_names names;

static int setup(void **state)
{
	(void)state;
	root = pki_root("Root");
	return 0;
}

static void names_of(struct pki_spec spec)
{
	assert_true(
			tg_x509_names(pki_leaf(&root, spec), TG_X509_NAMES_MAX, &names));
}

static void assert_names(enum tg_x509_name_kind kind, size_t n, ...)
{
	va_list ap;

	assert_int_equal(names.n, n);
	va_start(ap, n);
	for(size_t i = 0; i < n; i++) {
		assert_int_equal(names.item[i].kind, kind);
		assert_string_equal(names.item[i].text, va_arg(ap, const char *));
		assert_int_equal(names.item[i].len, strlen(names.item[i].text));
	}
	va_end(ap);
}

static bool matches(const char *name, const char *identity, bool wildcard)
{
	return tg_x509_name_matches(
			tg_span_cstr(name), tg_span_cstr(identity), wildcard);
}

/* ---- reading ------------------------------------------------------------- */

static void dns_names_are_read_in_order_and_lower_case(void **state)
{
	(void)state;
	names_of((struct pki_spec){
			.cn = "x.lab.test", .san = "DNS:GW1.Lab.Test,DNS:b.lab.test."});
	assert_names(TG_X509_NAME_DNS, 2, "gw1.lab.test", "b.lab.test");
}

static void a_sip_uri_goes_before_dns_names(void **state)
{
	(void)state;
	names_of((struct pki_spec){
			.san = "DNS:a.lab.test,URI:SIP:GW1.lab.test,URI:sip:b.lab.test"});
	assert_names(TG_X509_NAME_URI, 2, "gw1.lab.test", "b.lab.test");
}

static void the_host_of_a_uri_counts_without_port_and_parameters(void **state)
{
	(void)state;
	names_of((struct pki_spec){.san = "URI:sip:a.lab.test:5061,"
									  "URI:sip:b.lab.test;transport=tls,"
									  "URI:sip:c.lab.test?x=y"});
	assert_names(TG_X509_NAME_URI, 3, "a.lab.test", "b.lab.test", "c.lab.test");
}

static void a_uri_with_a_user_part_or_another_scheme_is_no_identity(
		void **state)
{
	(void)state;
	names_of((struct pki_spec){.cn = "gw1.lab.test",
			.san = "URI:sip:alice@gw1.lab.test,URI:sips:gw1.lab.test,"
				   "URI:http://gw1.lab.test,URI:sip:gw1.lab.test:x,"
				   "URI:sip:gw1.lab.test:,URI:sip:,URI:sip:gw1.lab.test/x,"
				   "URI:sip:gw1.lab.test%41,URI:sip:gw1.lab.test;a=b@c,"
				   "URI:sip:*.lab.test,URI:xsip:gw1.lab.test,URI:gw1.lab."
				   "test"});
	assert_names(TG_X509_NAME_NONE, 0);
}

static void dns_names_count_beside_a_uri_that_is_no_identity(void **state)
{
	(void)state;
	names_of((struct pki_spec){
			.san = "URI:sip:alice@gw1.lab.test,DNS:gw1.lab.test"});
	assert_names(TG_X509_NAME_DNS, 1, "gw1.lab.test");
}

static void the_common_name_is_read_only_without_any_san(void **state)
{
	(void)state;
	names_of((struct pki_spec){.cn = "GW1.lab.test"});
	assert_names(TG_X509_NAME_CN, 1, "gw1.lab.test");
	names_of((struct pki_spec){
			.cn = "gw1.lab.test", .san = "email:sip@gw1.lab.test"});
	assert_names(TG_X509_NAME_NONE, 0);
	names_of((struct pki_spec){.cn = "gw1.lab.test", .san = "IP:127.0.0.21"});
	assert_names(TG_X509_NAME_NONE, 0);
	names_of((struct pki_spec){.cn = "gw1.lab.test", .san = "DNS:a.lab.test"});
	assert_names(TG_X509_NAME_DNS, 1, "a.lab.test");
}

static void names_that_no_host_can_have_are_left_out(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
	} odd[] = {
			{HAS_NUL, sizeof(HAS_NUL) - 1},
			{"gw1.lab.test\0", 13},
			{"\0gw1.lab.test", 13},
			{"gw1.lab.test\n", 13},
			{"gw1.lab.test ", 13},
			{" gw1.lab.test", 13},
			{"", 0},
			{".", 1},
			{".lab.test", 9},
			{"gw1..lab.test", 13},
			{"gw1.lab.test..", 14},
			{"-gw1.lab.test", 13},
			{"gw1-.lab.test", 13},
			{"gw1.lab.test:5061", 17},
			{"sip:gw1.lab.test", 16},
			{"g\xfc"
			 "1.lab.test",
					12},
			{"gw1\xe3\x80\x82lab.test", 14},
			{"127.0.0.21", 10},
			{"*", 1},
			{"*.test", 6},
			{"gw*.lab.test", 12},
			{"*gw.lab.test", 12},
			{"gw1.*.test", 10},
			{"*.*.test", 8},
			{"**.lab.test", 11},
			{"*..lab.test", 11},
	};

	(void)state;
	for(size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		names_of((struct pki_spec){.cn = "gw1.lab.test",
				.raw_dns = odd[i].octets,
				.raw_dns_octets = odd[i].n});
		if(names.n)
			print_error("item %zu: %s\n", i, names.item[0].text);
		assert_int_equal(names.n, 0);
		/* the others of the same certificate count */
		names_of((struct pki_spec){.san = "DNS:good.lab.test",
				.raw_dns = odd[i].octets,
				.raw_dns_octets = odd[i].n});
		assert_names(TG_X509_NAME_DNS, 1, "good.lab.test");
	}
}

static void labels_and_names_have_their_longest_form(void **state)
{
	static const char tail[] = {'.', 'l', 'a', 'b', '.', 't', 'e', 's', 't'};
	char dns[300];

	(void)state;
	memset(dns, 'a', sizeof(dns));
	memcpy(dns + 63, tail, sizeof(tail));
	names_of((struct pki_spec){.raw_dns = dns, .raw_dns_octets = 72});
	assert_int_equal(names.n, 1);
	memset(dns, 'a', sizeof(dns));
	memcpy(dns + 64, tail, sizeof(tail));
	names_of((struct pki_spec){.raw_dns = dns, .raw_dns_octets = 73});
	assert_int_equal(names.n, 0);
	memset(dns, 'a', sizeof(dns));
	for(size_t i = 1; i < sizeof(dns); i += 2)
		dns[i] = '.';
	dns[252] = 'b';
	names_of((struct pki_spec){.raw_dns = dns, .raw_dns_octets = 253});
	assert_int_equal(names.n, 1);
	names_of((struct pki_spec){.raw_dns = dns, .raw_dns_octets = 255});
	assert_int_equal(names.n, 0);
}

static void more_names_than_the_limit_are_said_to_be_too_many(void **state)
{
	X509 *cert = pki_leaf(&root, (struct pki_spec){.dns_names = 64});

	(void)state;
	assert_true(tg_x509_names(cert, 64, &names));
	assert_false(names.truncated);
	assert_int_equal(names.n, 64);
	assert_true(tg_x509_names(cert, 63, &names));
	assert_true(names.truncated);
	assert_int_equal(names.n, 63);
	cert = pki_leaf(&root, (struct pki_spec){.dns_names = 65});
	assert_true(tg_x509_names(cert, 1000, &names));
	assert_true(names.truncated);
}

static void an_alternative_name_that_cannot_be_read_is_said(void **state)
{
	X509 *cert = pki_leaf(&root, (struct pki_spec){.cn = "gw1.lab.test",
										 .other = "2.5.29.17=DER:30:05:82:99"});

	(void)state;
	assert_false(tg_x509_names(cert, 64, &names));
	/* twice is not readable either */
	cert = pki_leaf(&root, (struct pki_spec){.san = "DNS:a.lab.test",
								   .other = "2.5.29.17=DER:30:03:82:01:62"});
	assert_false(tg_x509_names(cert, 64, &names));
	assert_int_equal(ERR_peek_error(), 0);
}

/* ---- matching ------------------------------------------------------------ */

static void names_match_whatever_their_case(void **state)
{
	(void)state;
	assert_true(matches("gw1.lab.test", "gw1.lab.test", false));
	assert_true(matches("GW1.lab.TEST", "gw1.LAB.test", false));
	assert_true(matches("gw1.lab.test.", "gw1.lab.test", false));
	assert_true(matches("gw1.lab.test", "gw1.lab.test.", false));
}

static void near_misses_do_not_match(void **state)
{
	static const char *const near[] = {"gw1.lab.test.evil.test",
			"evilgw1.lab.test", "lab.test", "x.gw1.lab.test", "gw1.lab.tes",
			"w1.lab.test", "gw1.lab.testx", "gw1", "", ".", "gw1.lab.test..",
			"gw1_lab.test", "gw1.lab.test:5061", "*.gw1.lab.test"};

	(void)state;
	for(size_t i = 0; i < sizeof(near) / sizeof(*near); i++) {
		assert_false(matches(near[i], "gw1.lab.test", false));
		assert_false(matches(near[i], "gw1.lab.test", true));
		assert_false(matches("gw1.lab.test", near[i], true));
	}
	assert_false(matches("", "", true));
	assert_false(matches(".", ".", true));
	assert_false(tg_x509_name_matches(tg_span_of(HAS_NUL, sizeof(HAS_NUL) - 1),
			TG_SPAN("gw1.lab.test"), true));
	assert_false(tg_x509_name_matches(
			TG_SPAN("gw1.lab.test"), tg_span_of("gw1.lab.test\0", 13), true));
}

static void a_wildcard_is_one_label_and_only_by_consent(void **state)
{
	(void)state;
	assert_true(matches("*.lab.test", "gw1.lab.test", true));
	assert_true(matches("*.LAB.test", "GW1.lab.test", true));
	assert_false(matches("*.lab.test", "gw1.lab.test", false));
	assert_false(matches("*.lab.test", "a.gw1.lab.test", true));
	assert_false(matches("*.lab.test", "lab.test", true));
	assert_false(matches("*.lab.test", ".lab.test", true));
	assert_false(matches("*.test", "lab.test", true));
	assert_false(matches("*", "test", true));
	assert_false(matches("g*.lab.test", "gw1.lab.test", true));
	assert_false(matches("*1.lab.test", "gw1.lab.test", true));
	assert_false(matches("gw1.*.test", "gw1.lab.test", true));
	assert_false(matches("*.*.test", "gw1.lab.test", true));
}

static void an_identity_is_never_a_pattern(void **state)
{
	(void)state;
	assert_false(matches("gw1.lab.test", "*.lab.test", true));
	assert_false(matches("*.lab.test", "*.lab.test", true));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pki_cleanup)
	const struct CMUnitTest tests[] = {
			T(dns_names_are_read_in_order_and_lower_case),
			T(a_sip_uri_goes_before_dns_names),
			T(the_host_of_a_uri_counts_without_port_and_parameters),
			T(a_uri_with_a_user_part_or_another_scheme_is_no_identity),
			T(dns_names_count_beside_a_uri_that_is_no_identity),
			T(the_common_name_is_read_only_without_any_san),
			T(names_that_no_host_can_have_are_left_out),
			T(labels_and_names_have_their_longest_form),
			T(more_names_than_the_limit_are_said_to_be_too_many),
			T(an_alternative_name_that_cannot_be_read_is_said),
			T(names_match_whatever_their_case),
			T(near_misses_do_not_match),
			T(a_wildcard_is_one_label_and_only_by_consent),
			T(an_identity_is_never_a_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
