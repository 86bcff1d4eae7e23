/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load rules of the security model: what a policy must not say, and what it
 * may only say with a warning. Rows are those of doc/policy.md
 * (A9, A10, A12, A16, A21, B5).
 */
#include "help.h"

#include <stdlib.h>

#define PEER(role, name, address) \
	"[peer " name "]\nrole = " role "\naddress = " address "\n"

static void tls_to_a_gateway_needs_trust(void **state)
{
	(void)state;
	refuses(PEER("gateway", "g", "192.0.2.1"), "1:2",
			"TLS to a gateway is mutual TLS (A10)");
	refuses(PEER("gateway", "g", "192.0.2.1") "transport = tls, tcp\n"
											  "media = none\n",
			"4:1", "(A10)");
}

static void servers_partners_and_mediation_need_trust(void **state)
{
	(void)state;
	refuses(PEER("server", "s", "192.0.2.1"), "1:2", "(A1)");
	refuses(PEER("mediation", "s", "192.0.2.1"), "1:2", "(A1)");
	refuses(PEER("federation", "s", "192.0.2.1"), "1:2", "(A1)");
	refuses(TRUST PEER(
					"server", "s", "192.0.2.1") "identity = a.example\ntrust = "
												"ours\ntransport = tls, tcp\n",
			"8:13", "a server peer is reached over mutual TLS only (A1)");
}

static void a_peer_with_trust_needs_an_identity(void **state)
{
	(void)state;
	refuses(TRUST PEER("server", "s", "any") "trust = ours\n", "3:2",
			"'identity' is missing");
	refuses(PEER("gateway", "g", "192.0.2.1") "transport = tcp\n"
											  "media = none\n"
											  "identity = a.example\n",
			"6:1", "'identity' without 'trust'");
	refuses(TRUST PEER(
					"gateway", "g", "192.0.2.1") "transport = tcp\nmedia = "
												 "none\nidentity = a.example\n"
												 "trust = ours\n",
			"9:1", "'trust' without tls in 'transport'");
}

static void a_trunk_in_clear_must_say_that_its_media_is_in_clear(void **state)
{
	char *warnings = warnings_of(LEGACY);

	(void)state;
	assert_non_null(strstr(warnings, "4:13: warning: "));
	assert_non_null(strstr(warnings, "(A9)"));
	free(warnings);
	refuses(PEER("gateway", "g", "192.0.2.1") "transport = tcp\n", "4:13",
			"say media = none");
	refuses(PEER("gateway", "g", "192.0.2.1") "transport = udp\n"
											  "media = gateway-default\n",
			"5:9", "say media = none");
	/* the Lync 2013 default is none already (A13) */
	tg_pol_free(load_ok("[policy]\nprofile = lync2013\n" PEER(
			"gateway", "g", "192.0.2.1") "transport = tcp\n"));
}

static void srtp_needs_mutual_tls_on_the_signalling(void **state)
{
	(void)state;
	refuses_also("[media m]\nlevel = required\n" PEER("gateway", "g",
						 "192.0.2.1") "transport = tls\nmedia = m\n",
			"7:1", "SRTP to a gateway needs mutual TLS");
}

static void sdes_of_clients_needs_tls(void **state)
{
	(void)state;
	refuses(PHONES "transport = tls, tcp\n", "3:13", "SDES keys travel");
	refuses(PHONES "transport = tcp\nmedia = client-default\n", "4:9",
			"SDES keys travel");
	tg_pol_free(load_ok(PHONES "transport = tcp\nmedia = none\n"));
	tg_pol_free(load_ok("[media d]\nkey_exchange = dtls\n" PHONES
						"transport = tls, tcp\nmedia = d\n"));
}

static void clients_in_clear_need_named_nets(void **state)
{
	char *warnings = warnings_of(PHONES "transport = udp\nmedia = none\n");

	(void)state;
	assert_non_null(strstr(warnings, "(A4)"));
	free(warnings);
	refuses("[clients c]\naddress = any\ntransport = tcp\nmedia = none\n",
			"2:11", "not any (A4)");
	refuses("[clients c]\naddress = 0.0.0.0/0\ntransport = tcp\n"
			"media = none\n",
			"2:11", "whole of IPv4 (A4)");
	refuses("[clients c]\naddress = 10.0.0.0/8, ::/0\ntransport = tcp\n"
			"media = none\n",
			"2:11", "whole of IPv6 (A4)");
	refuses(PHONES "transport = ws\nmedia = none\n", "3:13", "(A7)");
}

static void native_srtp_cannot_promise_what_it_does_not_do(void **state)
{
	(void)state;
#define M "[media m]\nengine = native\n"
	refuses(M "replay_window = 128\n", "3:1", "engine = plugin");
	refuses(M "mki = 1\n", "3:1", "engine = plugin");
	refuses(M "lifetime = 2^31\n", "3:1", "engine = plugin");
	refuses(M "dtls_verify = ca\n", "3:1", "engine = plugin");
	tg_pol_free(load_ok(M));
#undef M
	refuses("[media m]\nkey_exchange = sdes\ndtls_verify = ca\n", "3:1",
			"needs dtls");
}

static void a_peer_without_certificates_needs_its_own_addresses(void **state)
{
	(void)state;
	refuses(PEER("gateway", "g", "any") "transport = tcp\nmedia = none\n",
			"3:11", "addresses of its own");
	refuses(LEGACY PEER("gateway", "g", "192.0.2.8/30") "transport = udp\n"
														"media = none\n",
			"8:11", "peers 'g' and 'old' (line 1) are both reached without");
	refuses(LEGACY "[clients c]\naddress = 192.0.2.0/24\ntransport = tcp\n"
				   "media = none\n",
			"3:11", "shares addresses and transport with clients 'c'");
	/* clients over TLS from the same address are told apart by it */
	tg_pol_free(load_ok(LEGACY "[clients c]\naddress = any\n"));
	/* and so are gateways that connect to different listeners */
	tg_pol_free(load_ok(LEGACY "listener = 203.0.113.1\n" PEER(
			"gateway", "g", "192.0.2.9") "transport = tcp\nmedia = none\n"
										 "listener = 203.0.113.2\n"));
}

#define SERVER(name, address, id, more) \
	PEER("server", name, address)       \
	"identity = " id "\ntrust = ours\n" more

static void peers_that_one_certificate_fits_are_refused(void **state)
{
	(void)state;
	refuses(TRUST SERVER("a", "any", "x.example", "")
					SERVER("b", "10.0.0.1", "y.example, x.example", ""),
			"11:12", "peers 'b' and 'a' (line 3) take the same certificate");
	refuses(TRUST SERVER("a", "10.0.0.0/8", "a.x.example", "wildcard = yes\n")
					SERVER("b", "any", "b.x.example", "wildcard = yes\n"),
			"12:12", "take the same certificate");
	/* a copy of the same CA under another name tells nobody apart */
	refuses("[trust again]\nca_file = x, ours.pem\n" TRUST SERVER("a", "any",
					"x.example", "") "[peer b]\nrole = server\n"
									 "address = any\nidentity = x.example\n"
									 "trust = again\n",
			"13:12", "take the same certificate");
}

static void peers_that_can_be_told_apart_load(void **state)
{
	(void)state;
	/* by identity, behind one address */
	tg_pol_free(load_ok(TRUST SERVER("a", "any", "x.example", "")
					SERVER("b", "any", "y.example", "")));
	/* by address */
	tg_pol_free(load_ok(TRUST SERVER("a", "10.0.0.1", "x.example", "")
					SERVER("b", "10.0.0.2", "x.example", "")));
	/* by listener */
	tg_pol_free(load_ok(TRUST SERVER(
			"a", "any", "x.example", "listener = 203.0.113.1\n") SERVER("b",
			"any", "x.example", "listener = 203.0.113.2\n")));
	/* by SNI */
	tg_pol_free(load_ok(
			TRUST SERVER("a", "any", "x.example", "sni = a.edge.example\n")
					SERVER("b", "any", "x.example", "sni = b.edge.example\n")));
	/* by trust */
	tg_pol_free(load_ok("[trust other]\nca_file = other.pem\n" TRUST SERVER(
			"a", "any", "x.example", "") "[peer b]\nrole = federation\n"
										 "address = any\n"
										 "identity = x.example\n"
										 "trust = other\n"));
	/* a wildcard fits one of them only */
	tg_pol_free(load_ok(TRUST SERVER("a", "any", "a.x.example",
			"wildcard = yes\n") SERVER("b", "any", "b.x.example", "")));
}

static void client_rules_may_nest_but_not_coincide(void **state)
{
	(void)state;
	tg_pol_free(load_ok("[clients all]\naddress = any\n" PHONES));
	tg_pol_free(load_ok(PHONES "transport = tls\n[clients b]\n"
							   "address = 198.51.100.0/24\n"
							   "transport = wss\n"));
	refuses(PHONES "[clients b]\naddress = 10.0.0.0/8, 198.51.100.0/24\n",
			"4:11", "nothing tells them apart");
	refuses("[clients a]\naddress = any\n[clients b]\naddress = any\n", "4:11",
			"nothing tells them apart");
}

static void a_wildcard_below_a_top_level_domain_is_refused(void **state)
{
	(void)state;
	refuses(TRUST SERVER("a", "any", "x.example", "wildcard = yes\n"), "8:1",
			"too wide");
	refuses(TRUST SERVER("a", "any", "x", "wildcard = yes\n"), "8:1",
			"too wide");
}

static void a_next_hop_outside_of_the_addresses_is_refused(void **state)
{
	(void)state;
	refuses(GATEWAY "next_hop = 192.0.2.2:5061\n", "8:12", "is outside");
	tg_pol_free(load_ok(GATEWAY "next_hop = 192.0.2.1, gw.example.com:5061\n"));
	refuses(GATEWAY "next_hop = 192.0.2.1:0\n", "8:12", "is not HOST");
	refuses(GATEWAY "next_hop = 192.0.2.1:66000\n", "8:12", "is not HOST");
	refuses(GATEWAY "next_hop = a b\n", "8:12", "is not HOST");
}

static void defaults_are_the_strict_ones(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY SERVER("s", "any", "s.example", "")
					PHONES "[peer f]\nrole = federation\naddress = any\n"
						   "identity = sip.partner.example\ntrust = ours\n");
	const struct tg_pol_peer *gw = peer(p, "gw"), *s = peer(p, "s");
	const struct tg_pol_clients *c = clients(p, "phones");

	(void)state;
	assert_int_equal(gw->transports, TG_POL_TR_BIT(TG_POL_TR_TLS));
	assert_int_equal(gw->eku, TG_POL_EKU_ROLE);
	assert_false(gw->wildcard);
	assert_int_equal(gw->mode, TG_POL_ENFORCE);
	assert_string_equal(gw->tls->name.ptr, "sfb2019");
	assert_string_equal(gw->media->name.ptr, "gateway-default");
	assert_int_equal(gw->media->engine, TG_POL_ENGINE_PLUGIN);
	assert_int_equal(gw->trust->revocation, TG_POL_REV_HARD);
	assert_int_equal(s->media->level, TG_LEVEL_REQUIRED);
	assert_int_equal(c->transports,
			TG_POL_TR_BIT(TG_POL_TR_TLS) | TG_POL_TR_BIT(TG_POL_TR_WSS));
	assert_int_equal(c->classes, TG_POL_CLASS_ALL);
	assert_int_equal(c->media->level, TG_LEVEL_REQUIRED);
	assert_int_equal(c->media->engine, TG_POL_ENGINE_NATIVE);
	/* a partner speaks for its own names, a gateway for any */
	assert_int_equal(peer(p, "f")->domain.n, 1);
	assert_int_equal(gw->domain.n, 0);
	tg_pol_free(p);
}

static void profiles_differ_in_tls_and_gateway_media(void **state)
{
	static const struct {
		const char *text;
		const char *tls;
		enum tg_level gateway;
	} row[] = {{"[policy]\nprofile = sfb2019\n" GATEWAY, "sfb2019",
					   TG_LEVEL_SUPPORTED},
			{"[policy]\nprofile = sfb2015\n" GATEWAY, "sfb2015",
					TG_LEVEL_SUPPORTED},
			{"[policy]\nprofile = lync2013\n" GATEWAY, "sfb2015",
					TG_LEVEL_NONE}};

	(void)state;
	for(size_t i = 0; i < 3; i++) {
		struct tg_pol *p = load_ok(row[i].text);

		assert_string_equal(peer(p, "gw")->tls->name.ptr, row[i].tls);
		assert_int_equal(peer(p, "gw")->media->level, row[i].gateway);
		tg_pol_free(p);
	}
}

static void audit_and_useless_trust_are_warned_about(void **state)
{
	char *warnings =
			warnings_of("[policy]\nmode = audit\n[trust t]\nca_file = a\n");

	(void)state;
	assert_non_null(strstr(warnings, "2:1: warning: mode = audit"));
	assert_non_null(strstr(warnings, "3:2: warning: no peer uses"));
	free(warnings);
}

static void a_route_cannot_ask_for_ciphers(void **state)
{
	(void)state;
	refuses("[tls strict]\nciphers = ECDHE+AESGCM\n"
			"[route r]\ntls = strict\n",
			"4:7", "a route enforces only versions yet");
	refuses("[route r]\ntls = bcp195\n", "2:7",
			"a route enforces only versions yet");
	free(warnings_of(LEGACY "[tls new]\nversions = 1.3\n"
							"[route r]\ntls = new\n"));
}

static void our_certificate_toward_a_peer_is_one(void **state)
{
	(void)state;
	refuses("[trust t]\nca_file = a\n[peer p]\nrole = server\naddress = any\n"
			"identity = p.example\ntrust = t\nclient_profile = a, b\n",
			"8:18", "one certificate of ours");
	refuses("[peer old]\nrole = gateway\ntransport = tcp\nmedia = none\n"
			"address = 192.0.2.9\nclient_profile = a\n",
			"6:18", "is shown no certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(tls_to_a_gateway_needs_trust),
			cmocka_unit_test(our_certificate_toward_a_peer_is_one),
			cmocka_unit_test(servers_partners_and_mediation_need_trust),
			cmocka_unit_test(a_peer_with_trust_needs_an_identity),
			cmocka_unit_test(
					a_trunk_in_clear_must_say_that_its_media_is_in_clear),
			cmocka_unit_test(srtp_needs_mutual_tls_on_the_signalling),
			cmocka_unit_test(sdes_of_clients_needs_tls),
			cmocka_unit_test(clients_in_clear_need_named_nets),
			cmocka_unit_test(native_srtp_cannot_promise_what_it_does_not_do),
			cmocka_unit_test(
					a_peer_without_certificates_needs_its_own_addresses),
			cmocka_unit_test(peers_that_one_certificate_fits_are_refused),
			cmocka_unit_test(peers_that_can_be_told_apart_load),
			cmocka_unit_test(client_rules_may_nest_but_not_coincide),
			cmocka_unit_test(a_wildcard_below_a_top_level_domain_is_refused),
			cmocka_unit_test(a_next_hop_outside_of_the_addresses_is_refused),
			cmocka_unit_test(defaults_are_the_strict_ones),
			cmocka_unit_test(profiles_differ_in_tls_and_gateway_media),
			cmocka_unit_test(audit_and_useless_trust_are_warned_about),
			cmocka_unit_test(a_route_cannot_ask_for_ciphers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
