/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The language: form, words, numbers, lists, names; what a file says is what
 * the snapshot holds, and what it says wrongly is named by line and column.
 */
#include "help.h"

#include <stdlib.h>

static void an_empty_file_loads_and_declares_nothing(void **state)
{
	struct tg_pol *p = load_ok("");
	char *warnings = warnings_of("");

	(void)state;
	assert_int_equal(tg_pol_peer_count(p), 0);
	assert_int_equal(tg_pol_clients_count(p), 0);
	assert_int_equal(tg_pol_global_mode(p), TG_POL_ENFORCE);
	assert_int_equal(tg_pol_global_profile(p), TG_POL_PROFILE_SFB2019);
	assert_non_null(strstr(warnings, "everything is refused"));
	free(warnings);
	tg_pol_free(p);
}

static void comments_blanks_crlf_and_a_byte_order_mark_do_not_count(void **s)
{
	struct tg_pol *p = load_ok("\xef\xbb\xbf# one\r\n\r\n;two\r\n"
							   "  [policy]  # three\r\n"
							   "\tmode = enforce\t# four\r\n"
							   "[clients a]\naddress=any");

	(void)s;
	assert_int_equal(tg_pol_clients_count(p), 1);
	tg_pol_free(p);
}

static void quotes_keep_commas_and_hashes(void **state)
{
	struct tg_pol *p =
			load_ok("[trust t]\nca_file = \"a, b #c.pem\", plain.pem # d\n");
	const struct tg_pol_trust *t = tg_pol_trust_at(p, 0);

	(void)state;
	assert_int_equal(t->n_ca, 2);
	assert_string_equal(t->ca[0].path.ptr, "a, b #c.pem");
	assert_string_equal(t->ca[1].path.ptr, "plain.pem");
	assert_string_equal(t->ca[1].data.ptr, "file plain.pem");
	tg_pol_free(p);
}

static void errors_of_form_are_named_at_their_column(void **state)
{
	(void)state;
	refuses("[policy\n", "1:1", "no ']'");
	refuses("[]\n", "1:1", "needs a kind");
	refuses("[policy] x\n", "1:10", "text after");
	refuses("[policy]\n  mode\n", "2:3", "expected 'key = value'");
	refuses("[policy]\nmode =\n", "2:6", "no value");
	refuses("[policy]\n= x\n", "2:1", "no key");
	refuses("mode = audit\n", "1:1", "before the first section");
	refuses("[policy]\nmode = a\x01\n", "2:9", "control character");
	refuses("[clients -a]\naddress = any\n", "1:10", "a name has");
	refuses("[clients]\naddress = any\n", "1:2", "needs a name");
	refuses("[policy x]\n", "1:9", "takes no name");
	refuses("[trust t]\nca_file = \"a\n", "2:11", "quotes go around");
	refuses("[clients c]\naddress = 10.0.0.1,,10.0.0.2\n", "2:20",
			"an item is missing");
	refuses("[clients c]\naddress = 10.0.0.1,\n", "2:20", "an item is missing");
}

static void a_nul_octet_is_not_the_end_of_the_file(void **state)
{
	static const char text[] = "[policy]\0\nmode = nonsense\n";
	struct tg_pol_host h = help_host();
	struct tg_diags d;

	(void)state;
	tg_diags_init(&d, &tg_alloc_libc);
	assert_null(
			tg_pol_load_text(&h, tg_span_of(text, sizeof(text) - 1), "t", &d));
	assert_int_equal(d.errors, 2);
	tg_diags_deinit(&d);
}

static void unknown_words_are_errors_with_the_known_ones(void **state)
{
	(void)state;
	refuses("[nothing x]\n", "1:2", "known: policy, trust");
	refuses("[policy]\nlevel = 3\n", "2:1", "unknown key 'level' in [policy]");
	refuses("[policy]\nmode = off\n", "2:8", "known: enforce, audit");
	refuses("[policy]\nprofile = sfb\n", "2:11",
			"known: sfb2019, sfb2015, lync2013");
	refuses("[policy]\nMode = audit\n", "2:1", "unknown key 'Mode'");
	refuses("[policy]\nmode = Audit\n", "2:8", "unknown value 'Audit'");
	refuses("[policy]\nmode = audit, enforce\n", "2:8", "not a list");
	refuses("[media m]\nsuites = NULL_HMAC_SHA1_80\n", "2:10", "unknown value");
	refuses("[media m]\nsuites = F8_128_HMAC_SHA1_80\n", "2:10",
			"unknown value");
	refuses("[tls t]\nversions = 3.0\n", "2:12", "known: 1.0, 1.1, 1.2, 1.3");
}

static void duplicates_are_errors(void **state)
{
	(void)state;
	refuses("[policy]\nmode = audit\nmode = enforce\n", "3:1", "second time");
	refuses("[policy]\n[policy]\n", "2:2", "already");
	refuses(PHONES PHONES, "3:10", "stands in line 1 already");
	refuses("[tls sfb2019]\nversions = 1.3\n", "1:6", "built in");
	refuses("[media none]\nlevel = none\n", "1:8", "built in");
	refuses("[clients c]\naddress = 10.0.0.1, 10.0.0.1\n", "2:21",
			"overlaps another");
	refuses("[clients c]\naddress = any\ntransport = tls, tls\n", "3:18",
			"named twice");
	refuses("[media m]\nkey_exchange = sdes, sdes\n", "2:22", "named twice");
	refuses("[trust t]\nca_file = a, a\n", "2:14", "named twice");
	refuses("[tls t]\ngroups = P-256:X25519:P-256\n", "2:23",
			"group 'P-256' is named twice");
	refuses("[tls t]\ngroups = secp384r1:P-384\n", "2:20",
			"group 'P-384' is named twice");
	refuses("[tls t]\ngroups = prime256v1:SECP256R1\n", "2:21",
			"group 'SECP256R1' is named twice");
	refuses("[tls t]\ngroups = X25519::P-384\n", "2:17", "missing");
}

static void dangling_names_are_errors(void **state)
{
	(void)state;
	refuses("[clients c]\naddress = any\ntls = nine\n", "3:7",
			"there is no [tls nine]");
	refuses("[clients c]\naddress = any\nmedia = nine\n", "3:9",
			"there is no [media nine]");
	refuses("[peer p]\nrole = server\naddress = any\nidentity = a.example\n"
			"trust = nine\n",
			"5:9", "there is no [trust nine]");
	refuses("[route r]\npeers = nine\n", "2:9", "there is no [peer nine]");
	refuses("[route r]\nclients = nine\n", "2:11",
			"there is no [clients nine]");
}

static void required_keys_are_asked_for(void **state)
{
	(void)state;
	refuses("[clients c]\n", "1:2", "'address' is missing");
	refuses("[trust t]\n", "1:2", "'ca_file' is missing");
	refuses("[peer p]\naddress = 10.0.0.1\n", "1:2", "'role' is missing");
	refuses("[peer p]\nrole = gateway\ntransport = tcp\nmedia = none\n", "1:2",
			"'address' is missing");
}

static void every_error_is_reported_in_the_order_of_the_file(void **state)
{
	char *errors = errors_of("[policy]\nmode = x\n[clients c]\n[nine]\n"
							 "[tls t]\nversions = 9\nfoo\n");

	(void)state;
	assert_string_equal(errors,
			"2:8: error: unknown value 'x' of 'mode', known: enforce, audit\n"
			"3:2: error: 'address' is missing\n"
			"4:2: error: unknown section [nine], known: policy, trust, tls, "
			"media, peer, clients, route, relay, mras\n"
			"6:12: error: unknown value '9' of 'versions', known: 1.0, 1.1, "
			"1.2, 1.3\n"
			"7:1: error: expected 'key = value' or '[kind name]'\n");
	free(errors);
}

static void addresses_must_be_whole_prefixes(void **state)
{
	struct tg_pol *p =
			load_ok("[clients c]\naddress = 10.0.0.0/8, 2001:db8::/32, "
					"::ffff:192.0.2.1, [2001:db9::1]\n");
	const struct tg_pol_clients *c = clients(p, "c");

	(void)state;
	assert_int_equal(c->address.n, 4);
	assert_int_equal(c->address.item[2].addr.family, 4);
	tg_pol_free(p);
	refuses("[clients c]\naddress = 10.0.0.1/8\n", "2:11", "not a prefix");
	refuses("[clients c]\naddress = 10.0.0.0/33\n", "2:11", "not a prefix");
	refuses("[clients c]\naddress = example.com\n", "2:11",
			"not an IP address");
	refuses("[clients c]\naddress = 10.0.0.1, any\n", "2:21", "stands alone");
}

static void names_are_dns_names_in_lower_case(void **state)
{
	struct tg_pol *p = load_ok(
			TRUST "[peer p]\nrole = server\naddress = any\ntrust = ours\n"
				  "identity = GW.Example.COM., b_c.example\n");
	const struct tg_pol_spans *id = &peer(p, "p")->identity;

	(void)state;
	assert_int_equal(id->n, 2);
	assert_string_equal(id->item[0].ptr, "gw.example.com");
	tg_pol_free(p);
#define ID \
	TRUST "[peer p]\nrole = server\naddress = any\ntrust = ours\nidentity = "
	refuses(ID "*.example.com\n", "7:12", "wildcard = yes");
	refuses(ID "192.0.2.1\n", "7:12", "not a DNS name");
	refuses(ID "a..b\n", "7:12", "not a DNS name");
	refuses(ID "-a.example\n", "7:12", "not a DNS name");
	refuses(ID "a-.example\n", "7:12", "not a DNS name");
	refuses(ID "sip:example.com\n", "7:12", "not a DNS name");
	refuses(ID "a.example, A.EXAMPLE\n", "7:23", "named twice");
#undef ID
}

static void numbers_and_times_have_bounds(void **state)
{
	struct tg_pol *p = load_ok(
			"[policy]\nhandshakes_per_sec = 0\nhandshake_time = 2s\n"
			"[clients c]\naddress = any\nhandshake_time = 500ms\n"
			"max_pending = 7\n"
			"[media m]\nreplay_window = 32767\nlifetime = 2^31\nmki = 1\n");

	(void)state;
	assert_int_equal(tg_pol_default_limits(p)->handshakes_per_sec, 0);
	assert_int_equal(tg_pol_default_limits(p)->handshake_time_ms, 2000);
	assert_int_equal(clients(p, "c")->limits.handshake_time_ms, 500);
	assert_int_equal(clients(p, "c")->limits.pending, 7);
	assert_int_equal(clients(p, "c")->limits.handshakes_per_sec, 0);
	tg_pol_free(p);
	refuses("[media m]\nreplay_window = 63\n", "2:17", "from 64 to 32767");
	refuses("[media m]\nreplay_window = 99999999999999999999\n", "2:17",
			"from 64 to 32767");
	refuses("[media m]\nreplay_window = -1\n", "2:17", "not a number");
	refuses("[media m]\nlifetime = 31\n", "2:12", "2^10 to 2^48");
	refuses("[media m]\nlifetime = 2^49\n", "2:12", "2^10 to 2^48");
	refuses("[policy]\nhandshake_time = 5\n", "2:18",
			"from 100ms to 10m with a unit");
	refuses("[trust t]\nca_file = ca.pem\nstale_grace = 0\n", "3:15",
			"from 0s to 30d");
	refuses("[policy]\nhandshake_time = 99999d\n", "2:18", "is not a time");
}

static void tls_versions_form_a_range(void **state)
{
	struct tg_pol *p = load_ok("[tls t]\nversions = 1.3, 1.2\n"
							   "min_rsa_bits = 3072\n"
							   "[tls old]\nversions = 1.0,1.1,1.2\n");
	const struct tg_pol_tls *t = tg_pol_tls_at(p, tg_pol_tls_count(p) - 2);
	char *warnings = warnings_of("[tls old]\nversions = 1.1, 1.2\n");

	(void)state;
	assert_int_equal(t->min_version, 0x0303);
	assert_int_equal(t->max_version, 0x0304);
	assert_int_equal(t->min_rsa_bits, 3072);
	assert_false(t->legacy);
	assert_true(t->ciphers.len > 0);
	assert_int_equal(t->ciphers.ptr[t->ciphers.len], 0);
	assert_true(t[1].legacy);
	assert_int_equal(t[1].min_version, 0x0301);
	assert_non_null(strstr(warnings, "TLS 1.0 and 1.1"));
	free(warnings);
	tg_pol_free(p);
	refuses("[tls t]\nversions = 1.1, 1.3\n", "2:12", "without a gap");
	refuses("[tls t]\nciphers = A B\n", "2:12", "not part of an OpenSSL list");
}

static void a_fetched_status_says_whom_to_ask(void **state)
{
	const struct tg_pol_trust *t;
	struct tg_pol *p;

	(void)state;
#define T "[trust t]\nca_file = a\n"
	tg_pol_free(load_ok(T "ocsp = staple\n"));
	tg_pol_free(load_ok(T "ocsp = off\nrevocation = soft\n"));
	p = load_ok(T "ocsp = staple, fetch\nresponder = aia\n");
	t = tg_pol_trust_at(p, 0);
	assert_true(t->ocsp_staple && t->ocsp_fetch && t->ocsp.from_certificate);
	assert_int_equal(t->ocsp.responder.len, 0);
	assert_int_equal(t->ocsp.nonce, TG_POL_NONCE_OPTIONAL);
	assert_int_equal(t->ocsp.timeout_ms, 3000);
	assert_int_equal(t->ocsp.max_octets, 16384);
	assert_int_equal(t->ocsp.refresh_sec, 3600);
	assert_int_equal(t->ocsp.max_pending_sec, 30);
	tg_pol_free(p);
	p = load_ok(T "ocsp = fetch\nresponder = http://10.0.0.1:81/x\n"
				  "responder_allow = 10.0.0.0/24\nocsp_nonce = required\n"
				  "ocsp_timeout = 500ms\nocsp_max_octets = 1024\n"
				  "ocsp_refresh = 10m\nmax_pending_time = 1m\n");
	t = tg_pol_trust_at(p, 0);
	assert_false(t->ocsp.from_certificate);
	assert_true(tg_span_eq(t->ocsp.responder, TG_SPAN("http://10.0.0.1:81/x")));
	assert_int_equal(t->ocsp.nonce, TG_POL_NONCE_REQUIRED);
	assert_int_equal(t->ocsp.timeout_ms, 500);
	assert_int_equal(t->ocsp.max_pending_sec, 60);
	tg_pol_free(p);
	refuses(T "ocsp = fetch\n", "3:1", "needs a responder");
	refuses(T "responder = aia\n", "3:1", "needs ocsp = fetch");
	refuses(T "ocsp = staple\nocsp_refresh = 1h\n", "4:1",
			"needs ocsp = fetch");
	refuses(T "ocsp = fetch\nresponder = https://a.example/\n", "4:13",
			"does not begin with http://");
	refuses(T "ocsp = fetch\nresponder = http://127.0.0.1/\n", "4:13",
			"responder_allow has to list it");
	refuses(T "ocsp = fetch\nresponder = aia\nresponder_allow = any\n", "5:19",
			"could send us anywhere");
	refuses(T "ocsp = fetch\nresponder = aia\nmax_pending_time = 1h\n", "5:20",
			"is not a time");
#undef T
}

static void files_are_read_into_the_snapshot_once(void **state)
{
	struct tg_pol *p =
			load_ok("[trust a]\nca_file = /x/ca.pem, y.pem\ncrl_file = c1, c2\n"
					"[trust b]\nca_file = y.pem\nrevocation = off\n");
	const struct tg_pol_trust *a = tg_pol_trust_at(p, 0);
	const struct tg_pol_trust *b = tg_pol_trust_at(p, 1);

	(void)state;
	assert_int_equal(a->n_ca, 2);
	assert_int_equal(a->n_crl, 2);
	assert_string_equal(a->ca[0].data.ptr, "file /x/ca.pem");
	assert_ptr_equal(a->ca[1].data.ptr, b->ca[0].data.ptr);
	tg_pol_free(p);
	refuses("[trust a]\nca_file = a.pem, missing.pem\n", "2:18",
			"cannot read 'missing.pem': no such file");
	refuses("[trust a]\nca_file = empty.pem\n", "2:11", "is empty");
}

static void relative_files_lie_beside_the_policy(void **state)
{
	static const char text[] = "[trust a]\nca_file = ca.pem, /abs.pem\n";
	struct tg_pol_host h = help_host();
	struct tg_diags d;
	struct tg_pol *p;

	(void)state;
	tg_diags_init(&d, &tg_alloc_libc);
	p = tg_pol_load_text(&h, tg_span_cstr(text), "/etc/edge/policy.cfg", &d);
	assert_non_null(p);
	assert_string_equal(
			tg_pol_trust_at(p, 0)->ca[0].path.ptr, "/etc/edge/ca.pem");
	assert_string_equal(tg_pol_trust_at(p, 0)->ca[1].path.ptr, "/abs.pem");
	tg_pol_free(p);
	tg_diags_deinit(&d);
}

static void the_digest_follows_the_policy_and_its_files(void **state)
{
	struct tg_pol *a = load_ok("[trust a]\nca_file = a\n");
	struct tg_pol *same = load_ok("[trust a]\nca_file = a\n");
	struct tg_pol *other = load_ok("[trust a]\nca_file = b\n");

	(void)state;
	assert_int_equal(strlen(tg_pol_digest(a)), 16);
	assert_string_equal(tg_pol_digest(a), tg_pol_digest(same));
	assert_string_not_equal(tg_pol_digest(a), tg_pol_digest(other));
	tg_pol_free(a);
	tg_pol_free(same);
	tg_pol_free(other);
}

static void rules_keep_the_lines_of_their_keys(void **state)
{
	struct tg_pol *p = load_ok("\n" GATEWAY);
	struct tg_where w = tg_pol_peer_where(peer(p, "gw"), TG_POL_PEER_KEY_TRUST);

	(void)state;
	assert_int_equal(w.line, 8);
	w = tg_pol_peer_where(peer(p, "gw"), TG_POL_PEER_KEY_MEDIA);
	assert_int_equal(w.line, 4);
	assert_string_equal(w.file.ptr, "t");
	tg_pol_free(p);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	struct tg_pol_host h = {tg_alloc_libc, tg_pol_read_file, NULL};
	struct tg_diags d;

	(void)state;
	tg_diags_init(&d, &tg_alloc_libc);
	assert_null(tg_pol_load(&h, "/nonexistent/policy.cfg", &d));
	assert_int_equal(d.errors, 1);
	assert_null(tg_pol_load(&h, "/", &d));
	assert_int_equal(d.errors, 2);
	tg_diags_deinit(&d);
}

/* Memory that gives out after so many blocks */
struct scarce {
	size_t left;
	size_t live;
};

static void *scarce_alloc(void *ctx, size_t octets)
{
	struct scarce *s = ctx;
	void *p = s->left ? malloc(octets) : NULL;

	s->left -= s->left > 0;
	s->live += p != NULL;
	return p;
}

static void scarce_free(void *ctx, void *block)
{
	struct scarce *s = ctx;

	s->live--;
	free(block);
}

/* A policy of several chunks: free() */
static char *long_text(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(GATEWAY LEGACY PHONES
			"[media m]\nlevel = supported\n[route r]\nmedia = m\n",
			f);
	for(unsigned i = 0; i < 300; i++)
		fprintf(f,
				"[peer p%u]\nrole = server\naddress = 10.0.%u.%u\n"
				"identity = host%u.example.com\ntrust = ours\n"
				"sni = s%u.example.com\n",
				i, i / 256, i % 256, i, i);
	fclose(f);
	return text;
}

static void running_out_of_memory_refuses_and_leaks_nothing(void **state)
{
	char *text = long_text();
	struct tg_pol *p = NULL;
	size_t blocks = 0;

	(void)state;
	for(; !p && blocks < 1000; blocks++) {
		struct scarce s = {blocks, 0};
		struct tg_pol_host h = help_host();
		struct tg_diags d;

		h.alloc = (struct tg_alloc){scarce_alloc, scarce_free, &s};
		tg_diags_init(&d, &tg_alloc_libc);
		p = tg_pol_load_text(&h, tg_span_cstr(text), "t", &d);
		assert_true(p ? d.errors == 0 : d.errors > 0);
		tg_diags_deinit(&d);
		if(p) {
			tg_pol_free(p);
			assert_int_equal(s.live, 0);
			break;
		}
		assert_int_equal(s.live, 0);
	}
	assert_in_range(blocks, 5, 999);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(an_empty_file_loads_and_declares_nothing),
			cmocka_unit_test(
					comments_blanks_crlf_and_a_byte_order_mark_do_not_count),
			cmocka_unit_test(quotes_keep_commas_and_hashes),
			cmocka_unit_test(errors_of_form_are_named_at_their_column),
			cmocka_unit_test(a_nul_octet_is_not_the_end_of_the_file),
			cmocka_unit_test(unknown_words_are_errors_with_the_known_ones),
			cmocka_unit_test(duplicates_are_errors),
			cmocka_unit_test(dangling_names_are_errors),
			cmocka_unit_test(required_keys_are_asked_for),
			cmocka_unit_test(every_error_is_reported_in_the_order_of_the_file),
			cmocka_unit_test(addresses_must_be_whole_prefixes),
			cmocka_unit_test(names_are_dns_names_in_lower_case),
			cmocka_unit_test(numbers_and_times_have_bounds),
			cmocka_unit_test(tls_versions_form_a_range),
			cmocka_unit_test(a_fetched_status_says_whom_to_ask),
			cmocka_unit_test(files_are_read_into_the_snapshot_once),
			cmocka_unit_test(relative_files_lie_beside_the_policy),
			cmocka_unit_test(the_digest_follows_the_policy_and_its_files),
			cmocka_unit_test(rules_keep_the_lines_of_their_keys),
			cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
			cmocka_unit_test(running_out_of_memory_refuses_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
