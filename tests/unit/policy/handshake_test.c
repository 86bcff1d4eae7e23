/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 1: which peers a connection may be, what it is asked for, what it is
 * offered. The deployments that must work stand here by name.
 */
#include "help.h"

#define PEER(name, address, id, more)                                       \
	"[peer " name "]\nrole = server\naddress = " address "\nidentity = " id \
	"\ntrust = ours\n" more

static struct tg_pol_verdict admitted(const struct tg_pol *p,
		const struct tg_pol_conn *c, struct tg_pol_admission *a)
{
	tg_pol_admit(p, c, NULL, a);
	return a->verdict;
}

/* The names of the candidates for one certificate name, "a b c" */
static const char *candidates(
		const struct tg_pol *p, const struct tg_pol_conn *c, const char *name)
{
	static char text[256];
	const struct tg_pol_peer *found[8];
	struct tg_span names[1] = {tg_span_cstr(name)};
	size_t n = tg_pol_candidates(p, c, names, 1, found, 8);
	size_t len = 0;

	text[0] = 0;
	for(size_t i = 0; i < n && i < 8; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
				i ? " " : "", found[i]->name.ptr);
	return text;
}

static void a_peer_is_asked_for_its_certificate(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_allowed(&v);
	assert_true(a.request_certificate);
	assert_true(a.require_certificate);
	assert_null(a.clients);
	assert_string_equal(a.tls->name.ptr, "sfb2019");
	assert_string_equal(candidates(p, &c, "gw.example.com"), "gw");
	assert_string_equal(candidates(p, &c, "GW.EXAMPLE.com."), "gw");
	assert_string_equal(candidates(p, &c, "xgw.example.com"), "");
	assert_string_equal(candidates(p, &c, "gw.example.com.evil.org"), "");
	assert_string_equal(candidates(p, &c, "example.com"), "");
	assert_string_equal(candidates(p, &c, ""), "");
	assert_string_equal(candidates(p, &c, "*.example.com"), "");
	tg_pol_free(p);
}

static void a_client_is_asked_for_nothing(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES);
	struct tg_pol_conn c = conn_in(TG_POL_TR_WSS, "198.51.100.7");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_allowed(&v);
	assert_ptr_equal(a.clients, clients(p, "phones"));
	assert_false(a.request_certificate);
	assert_false(a.require_certificate);
	assert_int_equal(a.limits.names_max, 64);
	tg_pol_free(p);
}

static void a_stranger_is_refused_at_the_client_hello(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES LEGACY);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "10.9.9.9");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_denied(&v, TG_REASON_UNDECLARED);
	c.remote.family = 0;
	v = admitted(p, &c, &a);
	assert_denied(&v, TG_REASON_UNDECLARED);
	/* a legacy gateway has no business with TLS, a peer none with WSS */
	c = conn_in(TG_POL_TR_TLS, "192.0.2.9");
	v = admitted(p, &c, &a);
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	c = conn_in(TG_POL_TR_WSS, "192.0.2.1");
	v = admitted(p, &c, &a);
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	c = conn_in(TG_POL_TR_TCP, "192.0.2.1");
	v = admitted(p, &c, &a);
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
}

static void several_peers_share_one_address(void **state)
{
	struct tg_pol *p = load_ok(TRUST PEER("a", "192.0.2.1", "a.example", "")
					PEER("b", "192.0.2.1", "b.example", "")
							PEER("c", "192.0.2.0/24", "c.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	const struct tg_pol_peer *found[4];
	struct tg_span names[] = {TG_SPAN_INIT("c.example"),
			TG_SPAN_INIT("a.example"), TG_SPAN_INIT("C.EXAMPLE")};

	(void)state;
	assert_string_equal(candidates(p, &c, "a.example"), "a");
	assert_string_equal(candidates(p, &c, "b.example"), "b");
	assert_string_equal(candidates(p, &c, "c.example"), "c");
	/* in the order of the names, each once; counted beyond what is stored */
	assert_int_equal(tg_pol_candidates(p, &c, names, 3, found, 4), 2);
	assert_ptr_equal(found[0], peer(p, "c"));
	assert_ptr_equal(found[1], peer(p, "a"));
	assert_int_equal(tg_pol_candidates(p, &c, names, 3, found, 1), 2);
	c = conn_in(TG_POL_TR_TLS, "192.0.2.2");
	assert_string_equal(candidates(p, &c, "a.example"), "");
	assert_string_equal(candidates(p, &c, "c.example"), "c");
	tg_pol_free(p);
}

static void a_peer_may_come_from_anywhere(void **state)
{
	struct tg_pol *p =
			load_ok(TRUST PEER("teams", "any", "sip.teams.example", "") PHONES);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "10.1.2.3");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_allowed(&v);
	assert_true(a.require_certificate);
	assert_string_equal(candidates(p, &c, "sip.teams.example"), "teams");
	c = conn_in(TG_POL_TR_TLS, "2001:db8::1");
	assert_string_equal(candidates(p, &c, "sip.teams.example"), "teams");
	tg_pol_free(p);
}

static void softphones_and_a_gateway_share_one_nat(void **state)
{
	struct tg_pol *p =
			load_ok(TRUST PEER("gw", "198.51.100.7", "gw.example", "") PHONES);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "198.51.100.7");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_allowed(&v);
	assert_true(a.request_certificate);
	assert_false(a.require_certificate);
	assert_ptr_equal(a.clients, clients(p, "phones"));
	assert_string_equal(candidates(p, &c, "gw.example"), "gw");
	tg_pol_free(p);
}

static void one_peer_has_several_addresses_and_names(void **state)
{
	struct tg_pol *p = load_ok(
			TRUST PEER("a", "192.0.2.1, 198.51.100.0/24, 2001:db8:1::/48",
					"x.example, y.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "198.51.100.200");

	(void)state;
	assert_string_equal(candidates(p, &c, "y.example"), "a");
	c = conn_in(TG_POL_TR_TLS, "2001:db8:1:2::3");
	assert_string_equal(candidates(p, &c, "x.example"), "a");
	c = conn_in(TG_POL_TR_TLS, "2001:db8:2::3");
	assert_string_equal(candidates(p, &c, "x.example"), "");
	tg_pol_free(p);
}

static void a_v4_mapped_address_is_the_v4_address(void **state)
{
	struct tg_pol *p = load_ok(TRUST PEER("a", "192.0.2.1", "x.example", "")
					PEER("b", "::ffff:192.0.2.2", "y.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "::ffff:192.0.2.1");

	(void)state;
	assert_string_equal(candidates(p, &c, "x.example"), "a");
	c = conn_in(TG_POL_TR_TLS, "192.0.2.2");
	assert_string_equal(candidates(p, &c, "y.example"), "b");
	tg_pol_free(p);
}

static void listeners_and_sni_select(void **state)
{
	struct tg_pol *p = load_ok(
			TRUST PEER("a", "any", "x.example", "listener = 203.0.113.1\n")
					PEER("b", "any", "x.example", "listener = 203.0.113.2\n")
							PEER("c", "192.0.2.0/24", "z.example",
									"sni = c.edge.example, d.edge.example\n"));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");

	(void)state;
	assert_string_equal(candidates(p, &c, "x.example"), "a");
	assert_string_equal(candidates(p, &c, "z.example"), "");
	assert_ptr_equal(tg_pol_peer_by_conn(p, &c), peer(p, "a"));
	tg_addr_parse(TG_SPAN("203.0.113.2"), &c.local);
	assert_string_equal(candidates(p, &c, "x.example"), "b");
	c.sni = TG_SPAN("D.Edge.Example.");
	assert_string_equal(candidates(p, &c, "z.example"), "c");
	assert_ptr_equal(tg_pol_peer_by_conn(p, &c), peer(p, "c"));
	c.sni = TG_SPAN("e.edge.example");
	assert_string_equal(candidates(p, &c, "z.example"), "");
	tg_addr_parse(TG_SPAN("203.0.113.3"), &c.local);
	assert_string_equal(candidates(p, &c, "x.example"), "");
	assert_null(tg_pol_peer_by_conn(p, &c));
	tg_pol_free(p);
}

static void clients_may_be_bound_to_a_listener(void **state)
{
	struct tg_pol *p = load_ok(
			GATEWAY "[clients c]\naddress = any\nlistener = 203.0.113.2\n");
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_allowed(&v);
	assert_true(a.require_certificate);
	tg_addr_parse(TG_SPAN("203.0.113.2"), &c.local);
	v = admitted(p, &c, &a);
	assert_allowed(&v);
	assert_false(a.require_certificate);
	tg_pol_free(p);
}

static void the_longest_prefix_of_clients_wins(void **state)
{
	struct tg_pol *p = load_ok("[clients all]\naddress = any\n" PHONES
							   "[clients vip]\naddress = 198.51.100.8\n");
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "198.51.100.8");
	struct tg_pol_admission a;

	(void)state;
	admitted(p, &c, &a);
	assert_ptr_equal(a.clients, clients(p, "vip"));
	c = conn_in(TG_POL_TR_TLS, "198.51.100.9");
	admitted(p, &c, &a);
	assert_ptr_equal(a.clients, clients(p, "phones"));
	c = conn_in(TG_POL_TR_TLS, "198.51.101.9");
	admitted(p, &c, &a);
	assert_ptr_equal(a.clients, clients(p, "all"));
	tg_pol_free(p);
}

static void a_wildcard_counts_only_for_who_opted_in(void **state)
{
	struct tg_pol *p = load_ok(TRUST PEER("w", "any", "a.x.example",
			"wildcard = yes\n") PEER("n", "any", "b.x.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "10.0.0.1");

	(void)state;
	assert_string_equal(candidates(p, &c, "*.x.example"), "w");
	assert_string_equal(candidates(p, &c, "*.X.Example"), "w");
	assert_string_equal(candidates(p, &c, "*.example"), "");
	assert_string_equal(candidates(p, &c, "*.a.x.example"), "");
	assert_string_equal(candidates(p, &c, "a*.x.example"), "");
	assert_string_equal(candidates(p, &c, "*."), "");
	assert_string_equal(candidates(p, &c, "*"), "");
	assert_true(tg_pol_peer_has_name(peer(p, "w"), TG_SPAN("*.x.example")));
	assert_true(tg_pol_peer_has_name(peer(p, "n"), TG_SPAN("B.x.example.")));
	assert_false(tg_pol_peer_has_name(peer(p, "n"), TG_SPAN("*.x.example")));
	assert_false(tg_pol_peer_has_name(peer(p, "n"), TG_SPAN("")));
	tg_pol_free(p);
}

static void the_offer_is_the_union_of_the_candidates_profiles(void **state)
{
	struct tg_pol *p = load_ok(
			"[tls strong]\nversions = 1.3\nmin_rsa_bits = 3072\n"
			"ciphers = AAA\nciphersuites = BBB\n"
			"[tls weak]\nversions = 1.0, 1.1, 1.2\nciphers = CCC\n" TRUST PEER(
					"s", "192.0.2.1", "a.example", "tls = strong\n")
					PEER("w", "192.0.2.0/24", "b.example", "tls = weak\n"));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_admission a;

	(void)state;
	admitted(p, &c, &a);
	assert_int_equal(a.tls->min_version, 0x0301);
	assert_int_equal(a.tls->max_version, 0x0304);
	assert_int_equal(a.tls->min_rsa_bits, 2048);
	assert_true(a.tls->legacy);
	assert_string_equal(a.tls->ciphers.ptr, "AAA:CCC");
	assert_int_equal(a.tls->ciphers.len, 7);
	assert_non_null(strstr(a.tls->ciphersuites.ptr, "BBB:TLS_AES"));
	/* a group that both name stands once, or OpenSSL would refuse the list */
	assert_non_null(strstr(a.tls->groups.ptr, "P-256"));
	assert_null(strstr(strstr(a.tls->groups.ptr, "P-256") + 1, "P-256"));
	c = conn_in(TG_POL_TR_TLS, "192.0.2.2");
	admitted(p, &c, &a);
	assert_string_equal(a.tls->name.ptr, "weak");
	tg_pol_free(p);
}

static void audit_of_a_peer_does_not_insist_on_its_certificate(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY
			"mode = audit\n" PEER("strict", "192.0.2.0/24", "s.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_verdict v;
	struct tg_pol_admission a;

	(void)state;
	v = admitted(p, &c, &a);
	assert_allowed(&v);
	assert_true(a.request_certificate);
	assert_false(a.require_certificate);
	/* what it then lacks is charged to the closest peer */
	assert_ptr_equal(tg_pol_peer_by_conn(p, &c), peer(p, "gw"));
	c = conn_in(TG_POL_TR_TLS, "192.0.2.2");
	admitted(p, &c, &a);
	assert_true(a.require_certificate);
	tg_pol_free(p);
}

static void an_enforced_peer_is_blamed_before_an_audited_one(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY
			"mode = audit\n" PEER("strict", "192.0.2.1", "s.example", ""));
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");

	(void)state;
	assert_ptr_equal(tg_pol_peer_by_conn(p, &c), peer(p, "strict"));
	tg_pol_free(p);
}

static void audit_of_everything_lets_strangers_in(void **state)
{
	struct tg_pol *p = load_ok("[policy]\nmode = audit\n" GATEWAY);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "10.0.0.1");
	struct tg_pol_admission a;
	struct tg_pol_verdict v = admitted(p, &c, &a);

	(void)state;
	assert_int_equal(v.decision, TG_POL_ALLOW);
	assert_true(v.audited);
	assert_int_equal(v.reason, TG_REASON_UNDECLARED);
	assert_false(a.require_certificate);
	assert_non_null(a.tls);
	tg_pol_free(p);
}

static void outbound_the_peer_of_the_address_is_wanted(void **state)
{
	struct tg_pol *p = load_ok(TRUST PEER("a", "192.0.2.1", "a.example",
			"") PEER("b", "192.0.2.1", "b.example", "") PEER("c", "192.0.2.2",
			"c.example", "listener = 203.0.113.9\nsni = e.example\n")
					PEER("any", "any", "any.example", ""));
	struct tg_pol_conn c = conn_out(TG_POL_TR_TLS, "192.0.2.2");
	const struct tg_pol_peer *found[4];
	struct tg_pol_admission a;
	struct tg_pol_verdict v;

	(void)state;
	/* listener and SNI of a peer are about how it comes to us */
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 4), 1);
	assert_ptr_equal(found[0], peer(p, "c"));
	v = admitted(p, &c, &a);
	assert_allowed(&v);
	assert_ptr_equal(v.peer, peer(p, "c"));
	assert_true(a.require_certificate);
	/* two behind one address: the certificate picks, or the name asked for */
	c = conn_out(TG_POL_TR_TLS, "192.0.2.1");
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 4), 2);
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 1), 2);
	v = admitted(p, &c, &a);
	assert_allowed(&v);
	assert_null(v.peer);
	c.sni = TG_SPAN("B.example");
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 4), 1);
	assert_ptr_equal(found[0], peer(p, "b"));
	/* anywhere else only who may be anywhere */
	c = conn_out(TG_POL_TR_TLS, "10.0.0.1");
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 4), 1);
	assert_ptr_equal(found[0], peer(p, "any"));
	c = conn_out(TG_POL_TR_WSS, "10.0.0.1");
	v = admitted(p, &c, &a);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	tg_pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_peer_is_asked_for_its_certificate),
			cmocka_unit_test(a_client_is_asked_for_nothing),
			cmocka_unit_test(a_stranger_is_refused_at_the_client_hello),
			cmocka_unit_test(several_peers_share_one_address),
			cmocka_unit_test(a_peer_may_come_from_anywhere),
			cmocka_unit_test(softphones_and_a_gateway_share_one_nat),
			cmocka_unit_test(one_peer_has_several_addresses_and_names),
			cmocka_unit_test(a_v4_mapped_address_is_the_v4_address),
			cmocka_unit_test(listeners_and_sni_select),
			cmocka_unit_test(clients_may_be_bound_to_a_listener),
			cmocka_unit_test(the_longest_prefix_of_clients_wins),
			cmocka_unit_test(a_wildcard_counts_only_for_who_opted_in),
			cmocka_unit_test(the_offer_is_the_union_of_the_candidates_profiles),
			cmocka_unit_test(
					audit_of_a_peer_does_not_insist_on_its_certificate),
			cmocka_unit_test(an_enforced_peer_is_blamed_before_an_audited_one),
			cmocka_unit_test(audit_of_everything_lets_strangers_in),
			cmocka_unit_test(outbound_the_peer_of_the_address_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
