/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 4: a message leaves for a declared peer over a transport of its own,
 * or over the connection on which its client was judged; never otherwise.
 */
#include "help.h"

#define RULES GATEWAY LEGACY PHONES

static struct tg_pol_egress to(
		enum tg_pol_transport transport, const char *addr)
{
	return (struct tg_pol_egress){.conn = conn_out(transport, addr)};
}

static void a_new_connection_to_a_peer_names_whom_it_must_prove(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_allowed(&v);
	assert_ptr_equal(v.peer, peer(p, "gw"));
	/* the direction is not a matter of the caller's care */
	e.conn.direction = TG_POL_IN;
	v = leaving(p, &e);
	assert_allowed(&v);
	tg_pol_free(p);
}

static void a_next_hop_outside_of_its_peers_addresses_is_refused(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.2");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	e = to(TG_POL_TR_UDP, "192.0.2.2");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	tg_pol_free(p);
}

static void a_peer_is_not_reached_over_another_transport(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TCP, "192.0.2.1");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	e = to(TG_POL_TR_WSS, "192.0.2.1");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	e = to(TG_POL_TR_UDP, "192.0.2.9");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	e = to(TG_POL_TR_TCP, "192.0.2.9");
	v = leaving(p, &e);
	assert_allowed(&v);
	assert_ptr_equal(v.peer, peer(p, "old"));
	tg_pol_free(p);
}

static void an_existing_connection_needs_its_verdict(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_verdict v;

	(void)state;
	e.existing = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_NO_VERDICT);
	e.judged = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	e.peer = peer(p, "gw");
	v = leaving(p, &e);
	assert_allowed(&v);
	e.held = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_OCSP_UNKNOWN);
	e.refusal = true;
	v = leaving(p, &e);
	assert_allowed(&v);
	e.held = e.refusal = false;
	e.audited = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_STALE_VERDICT);
	e = to(TG_POL_TR_TLS, "192.0.2.2");
	e.existing = e.judged = true;
	e.peer = peer(p, "gw");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_WRONG_PEER);
	tg_pol_free(p);
}

static void a_client_is_reached_only_where_it_connected(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "198.51.100.1");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_denied(&v, TG_REASON_EGRESS_NEW_CLIENT);
	assert_ptr_equal(v.clients, clients(p, "phones"));
	e.existing = e.judged = true;
	e.clients = clients(p, "phones");
	v = leaving(p, &e);
	assert_allowed(&v);
	assert_ptr_equal(v.clients, clients(p, "phones"));
	e = to(TG_POL_TR_TLS, "10.0.0.1");
	e.existing = e.judged = true;
	e.clients = clients(p, "phones");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_STALE_VERDICT);
	/* a Contact with transport=udp or tcp */
	e = to(TG_POL_TR_UDP, "198.51.100.1");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	e = to(TG_POL_TR_TCP, "198.51.100.1");
	e.existing = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
}

static void clients_in_clear_keep_their_connection(void **state)
{
	struct tg_pol *p = load_ok("[clients in]\naddress = 10.0.0.0/8\n"
							   "transport = tcp, udp\nmedia = none\n");
	struct tg_pol_egress e = to(TG_POL_TR_TCP, "10.0.0.1");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_denied(&v, TG_REASON_EGRESS_NEW_CLIENT);
	e.existing = true;
	v = leaving(p, &e);
	assert_allowed(&v);
	e = to(TG_POL_TR_UDP, "10.0.0.1");
	v = leaving(p, &e);
	assert_allowed(&v);
	e = to(TG_POL_TR_UDP, "11.0.0.1");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	tg_pol_free(p);
}

static void sips_never_leaves_without_tls(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_TCP, "192.0.2.9");
	struct tg_pol_verdict v;

	(void)state;
	e.sips = true;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_SIPS_DOWNGRADE);
	e = to(TG_POL_TR_TLS, "192.0.2.1");
	e.sips = true;
	v = leaving(p, &e);
	assert_allowed(&v);
	tg_pol_free(p);
}

static void a_refusal_reaches_declared_sources_only(void **state)
{
	struct tg_pol *p = load_ok(RULES);
	struct tg_pol_egress e = to(TG_POL_TR_UDP, "198.51.100.1");
	struct tg_pol_verdict v;

	(void)state;
	e.refusal = e.is_reply = true;
	v = leaving(p, &e);
	assert_allowed(&v);
	e.conn = conn_out(TG_POL_TR_UDP, "192.0.2.1");
	v = leaving(p, &e);
	assert_allowed(&v);
	e.conn = conn_out(TG_POL_TR_UDP, "10.0.0.1");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	e.conn = conn_out(TG_POL_TR_TCP, "10.0.0.1");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	e.existing = true;
	v = leaving(p, &e);
	assert_allowed(&v);
	/* no way around the handshake */
	e.conn = conn_out(TG_POL_TR_TLS, "10.0.0.1");
	e.existing = false;
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_UNDECLARED);
	tg_pol_free(p);
}

static void several_peers_behind_one_address_leave_it_to_the_certificate(
		void **state)
{
	struct tg_pol *p = load_ok(
			GATEWAY "[peer two]\nrole = server\naddress = 192.0.2.0/24\n"
					"identity = two.example\ntrust = ours\n");
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_verdict v = leaving(p, &e);

	(void)state;
	assert_allowed(&v);
	assert_null(v.peer);
	e.conn.sni = TG_SPAN("two.example");
	v = leaving(p, &e);
	assert_ptr_equal(v.peer, peer(p, "two"));
	tg_pol_free(p);
}

static void of_several_behind_one_address_the_next_hop_tells(void **state)
{
	struct tg_pol *p =
			load_ok("[trust ours]\nca_file = ca.pem\n"
					"[peer one]\nrole = server\naddress = 192.0.2.7\n"
					"identity = one.example\ntrust = ours\n"
					"next_hop = 192.0.2.7:5067\n"
					"[peer two]\nrole = server\naddress = 192.0.2.7\n"
					"identity = two.example\ntrust = ours\n"
					"next_hop = two.example:5068\n"
					"[peer three]\nrole = server\naddress = 192.0.2.7\n"
					"identity = three.example\ntrust = ours\n"
					"domains = users.example\n");
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.7");
	struct tg_pol_verdict v;

	(void)state;
	e.conn.remote_port = 5067;
	v = leaving(p, &e);
	assert_allowed(&v);
	assert_ptr_equal(v.peer, peer(p, "one"));
	e.conn.remote_port = 5068;
	v = leaving(p, &e);
	assert_ptr_equal(v.peer, peer(p, "two"));
	/* a name says more than a port */
	e.next_hop = TG_SPAN("three.example");
	v = leaving(p, &e);
	assert_ptr_equal(v.peer, peer(p, "three"));
	e.next_hop = TG_SPAN("users.example");
	v = leaving(p, &e);
	assert_ptr_equal(v.peer, peer(p, "three"));
	e.next_hop = tg_span_of(NULL, 0);
	/* a port of nobody's, as in a Contact */
	e.conn.remote_port = 5069;
	v = leaving(p, &e);
	assert_allowed(&v);
	assert_null(v.peer);
	tg_pol_free(p);
}

static void a_name_means_its_peer_and_no_other(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY LEGACY PHONES
			"[peer two]\nrole = server\naddress = 192.0.2.0/24\n"
			"identity = two.example\ntrust = ours\ndomains = lab.example\n"
			"next_hop = trunk.example:5061\n");
	static const char *const names[] = {
			"two.example", "TWO.example.", "lab.example", "trunk.example"};
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "192.0.2.1");
	struct tg_pol_verdict v;

	(void)state;
	for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		e.next_hop = tg_span_cstr(names[i]);
		v = leaving(p, &e);
		assert_allowed(&v);
		assert_ptr_equal(v.peer, peer(p, "two"));
	}
	e.next_hop = TG_SPAN("nobody.example");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_NAME);
	/* on a connection that has proven another one */
	e.next_hop = TG_SPAN("two.example");
	e.existing = e.judged = true;
	e.peer = peer(p, "gw");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_NAME);
	e.peer = peer(p, "two");
	v = leaving(p, &e);
	assert_allowed(&v);
	/* in clear a name that means nobody is its address */
	e = to(TG_POL_TR_TCP, "192.0.2.9");
	e.next_hop = TG_SPAN("two.example");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_NAME);
	e.next_hop = TG_SPAN("nobody.example");
	v = leaving(p, &e);
	assert_allowed(&v);
	tg_pol_free(p);
}

/* A31: whoever holds the name service is one of the clients, say */
static void a_name_of_a_peer_leads_to_nobody_without_a_certificate(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY LEGACY
			"[media clear]\nlevel = none\n"
			"[clients phones]\naddress = 198.51.100.0/24\n"
			"transport = tls, udp\nmedia = clear\n"
			"[peer two]\nrole = server\naddress = 192.0.2.0/24\n"
			"identity = sip.two.example\ntrust = ours\nwildcard = yes\n"
			"domains = lab.example\nnext_hop = trunk.example:5061\n");
	static const char *const names[] = {"sip.two.example", "LAB.example.",
			"trunk.example", "eu.two.example"};
	const struct tg_pol_clients *phones = tg_pol_clients_at(p, 0);
	struct tg_pol_egress clear = to(TG_POL_TR_UDP, "198.51.100.7");
	struct tg_pol_egress legacy = to(TG_POL_TR_TCP, "192.0.2.9");
	struct tg_pol_egress theirs = to(TG_POL_TR_TLS, "198.51.100.7");
	struct tg_pol_egress *all[] = {&clear, &legacy, &theirs};
	struct tg_pol_verdict v;

	(void)state;
	theirs.existing = theirs.judged = true;
	theirs.clients = phones;
	for(size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			all[k]->next_hop = tg_span_cstr(names[i]);
			v = leaving(p, all[k]);
			assert_denied(&v, TG_REASON_EGRESS_NAME);
		}
		all[k]->next_hop = TG_SPAN("nobody.example");
		v = leaving(p, all[k]);
		assert_allowed(&v);
	}
	tg_pol_free(p);
}

static void a_wildcard_peer_has_any_first_label_but_those_of_others(
		void **state)
{
	struct tg_pol *p = load_ok(
			"[trust ours]\nca_file = ca.pem\n"
			"[peer wide]\nrole = federation\naddress = any\n"
			"identity = sip.hub.example\ntrust = ours\nwildcard = yes\n"
			"[peer narrow]\nrole = federation\naddress = any\n"
			"identity = own.hub.example, sip.flat.example\ntrust = ours\n");
	struct tg_pol_egress e = to(TG_POL_TR_TLS, "198.51.100.7");
	struct tg_pol_verdict v;
	static const struct {
		const char *name, *peer;
	} rows[] = {{"eu.hub.example", "wide"}, {"EU.hub.example.", "wide"},
			{"own.hub.example", "narrow"}, {"eu.flat.example", NULL},
			{"a.eu.hub.example", NULL}, {"hub.example", NULL},
			{"example", NULL}};

	(void)state;
	for(size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e.next_hop = tg_span_cstr(rows[i].name);
		v = leaving(p, &e);
		if(rows[i].peer) {
			assert_allowed(&v);
			assert_ptr_equal(v.peer, peer(p, rows[i].peer));
		} else {
			assert_denied(&v, TG_REASON_EGRESS_NAME);
		}
	}
	e.existing = e.judged = true;
	e.peer = peer(p, "wide");
	e.next_hop = TG_SPAN("own.hub.example");
	v = leaving(p, &e);
	assert_denied(&v, TG_REASON_EGRESS_NAME);
	e.next_hop = TG_SPAN("eu.hub.example");
	v = leaving(p, &e);
	assert_allowed(&v);
	tg_pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(
					a_new_connection_to_a_peer_names_whom_it_must_prove),
			cmocka_unit_test(
					a_next_hop_outside_of_its_peers_addresses_is_refused),
			cmocka_unit_test(of_several_behind_one_address_the_next_hop_tells),
			cmocka_unit_test(a_name_means_its_peer_and_no_other),
			cmocka_unit_test(
					a_name_of_a_peer_leads_to_nobody_without_a_certificate),
			cmocka_unit_test(
					a_wildcard_peer_has_any_first_label_but_those_of_others),
			cmocka_unit_test(a_peer_is_not_reached_over_another_transport),
			cmocka_unit_test(an_existing_connection_needs_its_verdict),
			cmocka_unit_test(a_client_is_reached_only_where_it_connected),
			cmocka_unit_test(clients_in_clear_keep_their_connection),
			cmocka_unit_test(sips_never_leaves_without_tls),
			cmocka_unit_test(a_refusal_reaches_declared_sources_only),
			cmocka_unit_test(
					several_peers_behind_one_address_leave_it_to_the_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
