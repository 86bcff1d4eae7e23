/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gates 2 and 3: who may say what over which transport, and how a route
 * tightens it.
 */
#include "help.h"

static struct tg_pol_verdict plain(const struct tg_pol *p,
		enum tg_pol_transport transport, const char *from, const char *method)
{
	struct tg_pol_msg m = {
			.conn = conn_in(transport, from), .method = tg_span_cstr(method)};

	return judged(p, &m);
}

static struct tg_pol_verdict routed(
		const struct tg_pol *p, const char *route, const struct tg_pol_msg *msg)
{
	struct tg_pol_verdict v;
	const struct tg_pol_route *r = tg_pol_route_by_name(p, tg_span_cstr(route));

	assert_non_null(r);
	tg_pol_judge_route(p, r, msg, NULL, &v);
	return v;
}

static void plaintext_from_a_certificate_peer_is_refused(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY);
	struct tg_pol_verdict v = plain(p, TG_POL_TR_UDP, "192.0.2.1", "INVITE");

	(void)state;
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	assert_ptr_equal(v.peer, peer(p, "gw"));
	v = plain(p, TG_POL_TR_TCP, "192.0.2.1", "");
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	v = plain(p, TG_POL_TR_WS, "192.0.2.1", "INVITE");
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	v = plain(p, TG_POL_TR_UNKNOWN, "192.0.2.1", "INVITE");
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	tg_pol_free(p);
}

static void plaintext_from_clients_is_told_to_use_tls(void **state)
{
	struct tg_pol *p = load_ok(PHONES);
	struct tg_pol_verdict v =
			plain(p, TG_POL_TR_UDP, "198.51.100.1", "REGISTER");

	(void)state;
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	assert_ptr_equal(v.clients, clients(p, "phones"));
	assert_null(v.peer);
	v = plain(p, TG_POL_TR_WS, "198.51.100.1", "REGISTER");
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
}

static void strangers_are_undeclared(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES LEGACY
			"[peer roam]\nrole = server\naddress = any\ntrust = ours\n"
			"identity = roam.example\n");
	struct tg_pol_verdict v = plain(p, TG_POL_TR_UDP, "10.0.0.1", "INVITE");

	(void)state;
	/* who may be anywhere is known by its certificate, not by this */
	assert_denied(&v, TG_REASON_UNDECLARED);
	assert_null(v.peer);
	v = plain(p, TG_POL_TR_TCP, "2001:db8::1", "INVITE");
	assert_denied(&v, TG_REASON_UNDECLARED);
	tg_pol_free(p);
}

static void a_legacy_gateway_is_known_by_its_address(void **state)
{
	struct tg_pol *p = load_ok(LEGACY);
	struct tg_pol_verdict v = plain(p, TG_POL_TR_TCP, "192.0.2.9", "INVITE");

	(void)state;
	assert_allowed(&v);
	assert_ptr_equal(v.peer, peer(p, "old"));
	assert_int_equal(v.rule.line, 4);
	v = plain(p, TG_POL_TR_UDP, "192.0.2.9", "INVITE");
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	v = plain(p, TG_POL_TR_TCP, "192.0.2.10", "INVITE");
	assert_denied(&v, TG_REASON_UNDECLARED);
	tg_pol_free(p);
}

static void tls_without_a_verdict_is_refused(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES);
	struct tg_pol_msg m = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_verdict v;

	(void)state;
	m.judged = false;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_NO_VERDICT);
	m = from_clients(p, "phones", "198.51.100.1");
	m.judged = false;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_NO_VERDICT);
	m.judged = true;
	m.clients = NULL;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_UNDECLARED);
	tg_pol_free(p);
}

static void a_verdict_counts_only_where_it_was_made(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES);
	struct tg_pol_msg m = from_peer(p, "gw", "192.0.2.2");
	struct tg_pol_verdict v = judged(p, &m);

	(void)state;
	assert_denied(&v, TG_REASON_STALE_VERDICT);
	m = from_clients(p, "phones", "10.0.0.1");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_STALE_VERDICT);
	m = from_peer(p, "gw", "192.0.2.1");
	m.conn.transport = TG_POL_TR_WSS;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_WRONG_TRANSPORT);
	/* an audited verdict is worth nothing once audit mode has ended */
	m = from_peer(p, "gw", "192.0.2.1");
	m.audited = true;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_STALE_VERDICT);
	m.audited = false;
	v = judged(p, &m);
	assert_allowed(&v);
	/* its certificate's status is asked for */
	m.held = true;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_OCSP_UNKNOWN);
	tg_pol_free(p);
}

static void the_negotiated_version_must_be_in_the_partys_own_profile(void **s)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES "tls = sfb2015\n");
	struct tg_pol_msg m = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_verdict v;

	(void)s;
	m.tls_version = 0x0301;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_TLS_VERSION);
	m = from_clients(p, "phones", "198.51.100.1");
	m.tls_version = 0x0301;
	v = judged(p, &m);
	assert_allowed(&v);
	m.tls_version = 0x0304;
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_TLS_VERSION);
	tg_pol_free(p);
}

static void clients_have_their_classes(void **state)
{
	struct tg_pol *p = load_ok(PHONES "classes = register, call\n");
	struct tg_pol_msg m = from_clients(p, "phones", "198.51.100.1");
	struct tg_pol_verdict v = judged(p, &m);

	(void)state;
	assert_allowed(&v);
	m.method = TG_SPAN("MESSAGE");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_CLASS_DENIED);
	assert_int_equal(v.rule.line, 3);
	m.method = TG_SPAN("FOO");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_CLASS_DENIED);
	m.method = TG_SPAN("");
	v = judged(p, &m);
	assert_allowed(&v);
	tg_pol_free(p);
}

static void methods_fall_into_classes(void **state)
{
	static const struct {
		const char *method;
		unsigned class;
	} row[] = {{"INVITE", TG_POL_CLASS_CALL}, {"BYE", TG_POL_CLASS_CALL},
			{"REGISTER", TG_POL_CLASS_REGISTER}, {"MESSAGE", TG_POL_CLASS_IM},
			{"NOTIFY", TG_POL_CLASS_PRESENCE},
			{"SERVICE", TG_POL_CLASS_SERVICE},
			{"OPTIONS", TG_POL_CLASS_OPTIONS}, {"GET", TG_POL_CLASS_HTTP},
			{"invite", TG_POL_CLASS_OTHER}, {"", TG_POL_CLASS_OTHER}};

	(void)state;
	for(size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(tg_pol_class_of_method(tg_span_cstr(row[i].method)),
				row[i].class);
}

static void messages_and_presence_need_tls_even_where_calls_do_not(void **s)
{
	static const char net[] = "[clients in]\naddress = 10.0.0.0/8\n"
							  "transport = tls, tcp\nmedia = none\n";
	char text[256];
	struct tg_pol *p = load_ok(net);
	struct tg_pol_verdict v = plain(p, TG_POL_TR_TCP, "10.0.0.1", "INVITE");

	(void)s;
	assert_allowed(&v);
	v = plain(p, TG_POL_TR_TCP, "10.0.0.1", "MESSAGE");
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	v = plain(p, TG_POL_TR_TCP, "10.0.0.1", "PUBLISH");
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	v = plain(p, TG_POL_TR_UDP, "10.0.0.1", "INVITE");
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
	/* A3: the 2013 profile leaves it to the rule */
	snprintf(text, sizeof(text), "[policy]\nprofile = lync2013\n%s", net);
	p = load_ok(text);
	v = plain(p, TG_POL_TR_TCP, "10.0.0.1", "MESSAGE");
	assert_allowed(&v);
	tg_pol_free(p);
}

static void a_partner_speaks_for_its_domains_only(void **state)
{
	struct tg_pol *p =
			load_ok(TRUST "[peer f]\nrole = federation\naddress = any\n"
						  "identity = sip.example.com\ntrust = ours\n"
						  "domains = example.com, example.net\n");
	struct tg_pol_msg m = from_peer(p, "f", "10.0.0.1");
	struct tg_pol_verdict v = judged(p, &m);

	(void)state;
	assert_allowed(&v);
	m.from_domain = TG_SPAN("Example.NET.");
	v = judged(p, &m);
	assert_allowed(&v);
	m.from_domain = TG_SPAN("victim.org");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_DOMAIN_DENIED);
	assert_int_equal(v.rule.line, 8);
	m.from_domain = TG_SPAN("sub.example.com");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_DOMAIN_DENIED);
	m.from_domain = TG_SPAN("");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_DOMAIN_DENIED);
	/* what belongs to a dialog or only probes is not asked */
	m.in_dialog = true;
	v = judged(p, &m);
	assert_allowed(&v);
	m.in_dialog = false;
	m.method = TG_SPAN("OPTIONS");
	v = judged(p, &m);
	assert_allowed(&v);
	tg_pol_free(p);
}

static void an_asserted_identity_is_held_against_the_domains(void **state)
{
	struct tg_pol *p =
			load_ok(TRUST "[peer f]\nrole = federation\naddress = any\n"
						  "identity = example.com\ntrust = ours\n");
	struct tg_pol_msg m = from_peer(p, "f", "10.0.0.1");
	struct tg_pol_verdict v;

	(void)state;
	m.pai_domain[0] = TG_SPAN("example.com");
	m.pai_domain[1] = TG_SPAN("victim.org");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_DOMAIN_DENIED);
	m.pai_domain[1] = TG_SPAN("");
	v = judged(p, &m);
	assert_allowed(&v);
	/* RFC 3323: an anonymous From, when somebody is asserted */
	m.from_domain = TG_SPAN("anonymous.invalid");
	v = judged(p, &m);
	assert_allowed(&v);
	m.pai_domain[0] = TG_SPAN("");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_DOMAIN_DENIED);
	tg_pol_free(p);
}

#define ROUTES                                                      \
	GATEWAY LEGACY PHONES                                           \
			"[route trunk]\npeers = gw\n"                           \
			"[route gateways]\nroles = gateway, mediation\n"        \
			"[route users]\nclients = phones\nclasses = call\n"     \
			"[route tls13]\ntls = t13\n[tls t13]\nversions = 1.3\n" \
			"[route open]\n"

static void a_route_admits_whom_it_names(void **state)
{
	struct tg_pol *p = load_ok(ROUTES);
	struct tg_pol_msg gw = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_msg phone = from_clients(p, "phones", "198.51.100.1");
	struct tg_pol_verdict v = routed(p, "trunk", &gw);

	(void)state;
	assert_allowed(&v);
	v = routed(p, "gateways", &gw);
	assert_allowed(&v);
	v = routed(p, "open", &gw);
	assert_allowed(&v);
	v = routed(p, "users", &gw);
	assert_denied(&v, TG_REASON_ROUTE_DENIED);
	v = routed(p, "trunk", &phone);
	assert_denied(&v, TG_REASON_ROUTE_DENIED);
	v = routed(p, "users", &phone);
	assert_allowed(&v);
	phone.method = TG_SPAN("REGISTER");
	v = routed(p, "users", &phone);
	assert_denied(&v, TG_REASON_CLASS_DENIED);
	tg_pol_free(p);
}

static void a_route_asks_for_a_tls_version(void **state)
{
	struct tg_pol *p = load_ok(ROUTES);
	struct tg_pol_msg gw = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_msg old = {.conn = conn_in(TG_POL_TR_TCP, "192.0.2.9"),
			.method = TG_SPAN_INIT("INVITE")};
	struct tg_pol_verdict v = routed(p, "tls13", &gw);

	(void)state;
	assert_denied(&v, TG_REASON_TLS_VERSION);
	gw.tls_version = 0;
	v = routed(p, "tls13", &gw);
	assert_denied(&v, TG_REASON_TLS_VERSION);
	gw.tls_version = 0x0304;
	v = routed(p, "tls13", &gw);
	assert_allowed(&v);
	v = routed(p, "tls13", &old);
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
}

static void a_route_never_allows_what_gate_2_refused(void **state)
{
	struct tg_pol *p = load_ok(ROUTES);
	struct tg_pol_msg m = {.conn = conn_in(TG_POL_TR_UDP, "192.0.2.1"),
			.method = TG_SPAN_INIT("INVITE")};
	struct tg_pol_verdict v = routed(p, "open", &m);

	(void)state;
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	tg_pol_judge_route(p, NULL, &m, NULL, &v);
	assert_denied(&v, TG_REASON_MTLS_REQUIRED);
	tg_pol_free(p);
}

static void the_default_route_holds_for_every_message(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY PHONES
			"[route default]\nclasses = call\nroles = gateway\n");
	struct tg_pol_msg m = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_verdict v = judged(p, &m);

	(void)state;
	assert_allowed(&v);
	m.method = TG_SPAN("MESSAGE");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_CLASS_DENIED);
	m = from_clients(p, "phones", "198.51.100.1");
	v = judged(p, &m);
	assert_denied(&v, TG_REASON_ROUTE_DENIED);
	tg_pol_free(p);
}

static void audit_keeps_the_reason_and_lets_pass(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY "mode = audit\n" PHONES);
	struct tg_pol_verdict v = plain(p, TG_POL_TR_UDP, "192.0.2.1", "INVITE");

	(void)state;
	assert_int_equal(v.decision, TG_POL_ALLOW);
	assert_true(v.audited);
	assert_int_equal(v.reason, TG_REASON_MTLS_REQUIRED);
	/* of this peer only */
	v = plain(p, TG_POL_TR_UDP, "198.51.100.1", "INVITE");
	assert_denied(&v, TG_REASON_TLS_REQUIRED);
	tg_pol_free(p);
}

static void audit_never_waives_keys_in_clear_or_our_own_failures(void **state)
{
	struct tg_pol *p = load_ok("[policy]\nmode = audit\n");
	struct tg_pol_verdict v = {.reason = TG_REASON_MEDIA_KEYS_EXPOSED};

	(void)state;
	tg_pol_apply_audit(p, &v);
	assert_int_equal(v.decision, TG_POL_DENY);
	v.reason = TG_REASON_INTERNAL;
	tg_pol_apply_audit(p, &v);
	assert_int_equal(v.decision, TG_POL_DENY);
	v.reason = TG_REASON_NONE; /* a verdict that nobody filled in */
	tg_pol_apply_audit(p, &v);
	assert_int_equal(v.decision, TG_POL_DENY);
	v.reason = TG_REASON_CERT_EXPIRED;
	tg_pol_apply_audit(p, &v);
	assert_int_equal(v.decision, TG_POL_ALLOW);
	tg_pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(plaintext_from_a_certificate_peer_is_refused),
			cmocka_unit_test(plaintext_from_clients_is_told_to_use_tls),
			cmocka_unit_test(strangers_are_undeclared),
			cmocka_unit_test(a_legacy_gateway_is_known_by_its_address),
			cmocka_unit_test(tls_without_a_verdict_is_refused),
			cmocka_unit_test(a_verdict_counts_only_where_it_was_made),
			cmocka_unit_test(
					the_negotiated_version_must_be_in_the_partys_own_profile),
			cmocka_unit_test(clients_have_their_classes),
			cmocka_unit_test(methods_fall_into_classes),
			cmocka_unit_test(
					messages_and_presence_need_tls_even_where_calls_do_not),
			cmocka_unit_test(a_partner_speaks_for_its_domains_only),
			cmocka_unit_test(an_asserted_identity_is_held_against_the_domains),
			cmocka_unit_test(a_route_admits_whom_it_names),
			cmocka_unit_test(a_route_asks_for_a_tls_version),
			cmocka_unit_test(a_route_never_allows_what_gate_2_refused),
			cmocka_unit_test(the_default_route_holds_for_every_message),
			cmocka_unit_test(audit_keeps_the_reason_and_lets_pass),
			cmocka_unit_test(
					audit_never_waives_keys_in_clear_or_our_own_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
