/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which media profile holds, and where keys may travel (A12, A13, A16).
 */
#include "help.h"

static const struct tg_pol_media *under(
		const struct tg_pol *p, const char *peer_name, const char *route)
{
	return tg_pol_media_for(p, peer(p, peer_name), NULL,
			route ? tg_pol_route_by_name(p, tg_span_cstr(route)) : NULL);
}

static void the_party_brings_its_profile(void **state)
{
	struct tg_pol *p =
			load_ok("[media m]\nlevel = required\nmki = 1\n"
					"lifetime = 2^31\nreplay_window = 256\n"
					"suites = AEAD_AES_256_GCM\n" GATEWAY "media = m\n" PHONES);
	const struct tg_pol_media *m = under(p, "gw", NULL);

	(void)state;
	assert_string_equal(m->name.ptr, "m");
	assert_int_equal(m->mki_octets, 1);
	assert_int_equal(m->lifetime_log2, 31);
	assert_int_equal(m->replay_window, 256);
	assert_int_equal(m->suite[0], TG_SUITE_AEAD_AES_256_GCM);
	assert_int_equal(m->suite[1], TG_SUITE_NONE);
	assert_int_equal(m->set, TG_POL_MEDIA_SET(LEVEL) | TG_POL_MEDIA_SET(MKI)
									 | TG_POL_MEDIA_SET(LIFETIME)
									 | TG_POL_MEDIA_SET(REPLAY_WINDOW)
									 | TG_POL_MEDIA_SET(SUITES));
	assert_string_equal(
			tg_pol_media_for(p, NULL, clients(p, "phones"), NULL)->name.ptr,
			"client-default");
	assert_null(tg_pol_media_for(p, NULL, NULL, NULL));
	tg_pol_free(p);
}

static void the_order_of_the_file_is_the_order_of_preference(void **state)
{
	struct tg_pol *p =
			load_ok("[media m]\nkey_exchange = dtls, sdes\n"
					"suites = AEAD_AES_128_GCM, "
					"AES_CM_128_HMAC_SHA1_32\n" GATEWAY "media = m\n");
	const struct tg_pol_media *m = under(p, "gw", NULL);

	(void)state;
	assert_int_equal(m->key_exchange[0], TG_KX_DTLS);
	assert_int_equal(m->key_exchange[1], TG_KX_SDES);
	assert_int_equal(m->suite[0], TG_SUITE_AEAD_AES_128_GCM);
	assert_int_equal(m->suite[1], TG_SUITE_AES_CM_128_HMAC_SHA1_32);
	assert_int_equal(m->suite[2], TG_SUITE_NONE);
	tg_pol_free(p);
}

static void a_route_only_tightens(void **state)
{
	struct tg_pol *p = load_ok(
			"[media soft]\nlevel = supported\nkey_exchange = sdes\n"
			"suites = AES_CM_128_HMAC_SHA1_80, AEAD_AES_128_GCM\n"
			"engine = native\nt38 = clear\n"
			"[media hard]\nlevel = required\nkey_exchange = dtls, sdes\n"
			"suites = AEAD_AES_256_GCM, AEAD_AES_128_GCM\n"
			"replay_window = 512\nlifetime = 2^40\n" GATEWAY "media = soft\n"
			"[peer s]\nrole = server\naddress = 192.0.2.2\n"
			"identity = s.example\ntrust = ours\nmedia = hard\n"
			"[route up]\nmedia = hard\n[route down]\nmedia = soft\n"
			"[route bare]\nmedia = none\n");
	const struct tg_pol_media *m = under(p, "gw", "up");

	(void)state;
	assert_int_equal(m->level, TG_LEVEL_REQUIRED);
	assert_int_equal(m->engine, TG_POL_ENGINE_PLUGIN);
	assert_int_equal(m->t38, TG_POL_T38_REFUSE);
	assert_int_equal(m->suite[0], TG_SUITE_AEAD_AES_128_GCM);
	assert_int_equal(m->suite[1], TG_SUITE_NONE);
	assert_int_equal(m->key_exchange[0], TG_KX_SDES);
	assert_int_equal(m->key_exchange[1], TG_KX_NONE);
	assert_int_equal(m->replay_window, 512);
	assert_int_equal(m->lifetime_log2, 40);
	/* a weaker route changes nothing for the worse */
	m = under(p, "s", "down");
	assert_int_equal(m->level, TG_LEVEL_REQUIRED);
	assert_int_equal(m->suite[0], TG_SUITE_AEAD_AES_128_GCM);
	m = under(p, "s", "bare");
	assert_int_equal(m->level, TG_LEVEL_REQUIRED);
	assert_int_equal(m->suite[0], TG_SUITE_AEAD_AES_256_GCM);
	assert_int_equal(m->key_exchange[0], TG_KX_DTLS);
	tg_pol_free(p);
}

static void the_default_route_tightens_without_being_called(void **state)
{
	struct tg_pol *p = load_ok("[media hard]\nlevel = required\n" GATEWAY
							   "[route default]\nmedia = hard\n");

	(void)state;
	assert_int_equal(under(p, "gw", NULL)->level, TG_LEVEL_REQUIRED);
	tg_pol_free(p);
}

static void a_route_that_leaves_no_suite_is_refused_at_load(void **state)
{
	(void)state;
	refuses("[media a]\nsuites = AEAD_AES_128_GCM\n"
			"[media b]\nsuites = AES_CM_128_HMAC_SHA1_80\n" GATEWAY
			"media = a\n[route r]\nmedia = b\n",
			"14:9", "leaves no suite for peer 'gw'");
	refuses("[media a]\nkey_exchange = sdes\n"
			"[media b]\nkey_exchange = dtls\n" PHONES
			"media = a\n[route r]\nmedia = b\nclients = phones\n",
			"9:9", "leaves no key exchange for clients 'phones'");
	/* who may not use the route is not concerned */
	tg_pol_free(load_ok(
			"[media a]\nsuites = AEAD_AES_128_GCM\n"
			"[media b]\nsuites = AES_CM_128_HMAC_SHA1_80\n" GATEWAY
			"media = a\n" PHONES "[route r]\nmedia = b\nclients = phones\n"));
}

static void keys_travel_only_over_judged_tls(void **state)
{
	struct tg_pol *p = load_ok(GATEWAY LEGACY PHONES);
	struct tg_pol_msg m = from_peer(p, "gw", "192.0.2.1");
	struct tg_pol_egress e = {.conn = conn_out(TG_POL_TR_TLS, "192.0.2.1"),
			.existing = true,
			.judged = true,
			.peer = peer(p, "gw")};

	(void)state;
	assert_true(tg_pol_keys_allowed(&m));
	m.audited = true;
	assert_false(tg_pol_keys_allowed(&m));
	m.audited = false;
	m.judged = false;
	assert_false(tg_pol_keys_allowed(&m));
	m = from_clients(p, "phones", "198.51.100.1");
	assert_true(tg_pol_keys_allowed(&m));
	m.conn.transport = TG_POL_TR_TCP;
	assert_false(tg_pol_keys_allowed(&m));
	m = from_peer(p, "old", "192.0.2.9");
	assert_false(tg_pol_keys_allowed(&m));
	assert_true(tg_pol_keys_allowed_out(&e));
	e.existing = false;
	assert_false(tg_pol_keys_allowed_out(&e));
	e.existing = true;
	e.peer = peer(p, "old");
	assert_false(tg_pol_keys_allowed_out(&e));
	e.peer = NULL;
	assert_false(tg_pol_keys_allowed_out(&e));
	tg_pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(the_party_brings_its_profile),
			cmocka_unit_test(the_order_of_the_file_is_the_order_of_preference),
			cmocka_unit_test(a_route_only_tightens),
			cmocka_unit_test(the_default_route_tightens_without_being_called),
			cmocka_unit_test(a_route_that_leaves_no_suite_is_refused_at_load),
			cmocka_unit_test(keys_travel_only_over_judged_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
