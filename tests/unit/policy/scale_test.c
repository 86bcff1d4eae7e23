/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Many peers: what one costs in memory, and that each of them is found. How
 * long a look-up takes is measured by the bench, not here.
 */
#include "help.h"

#include <stdlib.h>

#define MANY 100000
#define PEER_OCTETS_MAX 512

/* i -> a /32 of 10.0.0.0/8, or a /64 for each eighth */
static void address_of(unsigned i, char out[64])
{
	if(i % 8 == 7)
		snprintf(out, 64, "2001:db8:%x:%x::/64", i >> 16, i & 0xffff);
	else
		snprintf(out, 64, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
}

/* free() */
static char *text_of(unsigned n)
{
	char *text = NULL, address[64];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(TRUST, f);
	for(unsigned i = 0; i < n; i++) {
		address_of(i, address);
		fprintf(f,
				"[peer branch-office-%u]\nrole = gateway\naddress = %s\n"
				"identity = sbc%u.branches.example.com\ntrust = ours\n"
				"transport = tls\nnext_hop = sbc%u.branches.example.com:5061\n",
				i, address, i, i);
	}
	fclose(f);
	return text;
}

static void a_peer_costs_no_more_than_512_octets(void **state)
{
	char *none = text_of(0), *text = text_of(MANY);
	struct tg_pol *empty = load_ok(none), *p = load_ok(text);
	size_t each = (tg_pol_octets(p) - tg_pol_octets(empty)) / MANY;

	(void)state;
	print_message("%zu octets a peer\n", each);
	assert_in_range(each, 1, PEER_OCTETS_MAX);
	tg_pol_free(p);
	tg_pol_free(empty);
	free(text);
	free(none);
}

static void each_of_many_peers_is_found_and_nobody_else(void **state)
{
	char *text = text_of(MANY);
	struct tg_pol *p = load_ok(text);

	(void)state;
	for(unsigned i = 0; i < MANY; i += 17) {
		const struct tg_pol_peer *found[2];
		struct tg_pol_conn c = {.transport = TG_POL_TR_TLS};
		char address[64], name[64];
		struct tg_span names[1];

		address_of(i, address);
		*(strchr(address, '/') ? strchr(address, '/') : address + 63) = 0;
		assert_true(tg_addr_parse(tg_span_cstr(address), &c.remote));
		snprintf(name, sizeof(name), "sbc%u.branches.example.com", i);
		names[0] = tg_span_cstr(name);
		assert_int_equal(tg_pol_candidates(p, &c, names, 1, found, 2), 1);
		assert_int_equal(found[0]->id, i);
		assert_ptr_equal(tg_pol_peer_by_conn(p, &c), found[0]);
		snprintf(name, sizeof(name), "sbc%u.branches.example.com", i + 1);
		names[0] = tg_span_cstr(name);
		assert_int_equal(tg_pol_candidates(p, &c, names, 1, found, 2), 0);
		snprintf(name, sizeof(name), "branch-office-%u", i);
		assert_ptr_equal(peer(p, name), tg_pol_peer_at(p, i));
	}
	tg_pol_free(p);
	free(text);
}

static void many_peers_may_share_one_name_or_one_place(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct tg_pol_conn c = conn_in(TG_POL_TR_TLS, "192.0.2.1");
	const struct tg_pol_peer *found[2];
	struct tg_span name = TG_SPAN("host4711.example.com");
	struct tg_pol *p;

	(void)state;
	assert_non_null(f);
	fputs(TRUST, f);
	for(unsigned i = 0; i < 20000; i++)
		fprintf(f,
				"[peer p%u]\nrole = server\naddress = any\n"
				"identity = host%u.example.com\ntrust = ours\n",
				i, i);
	for(unsigned i = 0; i < 20000; i++)
		fprintf(f,
				"[peer q%u]\nrole = server\naddress = 10.0.%u.%u\n"
				"identity = cluster.example.com\ntrust = ours\n",
				i, i >> 8, i & 255);
	fclose(f);
	p = load_ok(text);
	assert_int_equal(tg_pol_candidates(p, &c, &name, 1, found, 2), 1);
	assert_string_equal(found[0]->name.ptr, "p4711");
	/* outbound nobody counts them all */
	c.direction = TG_POL_OUT;
	assert_int_equal(tg_pol_wanted_peers(p, &c, found, 2), 3);
	tg_pol_free(p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_peer_costs_no_more_than_512_octets),
			cmocka_unit_test(each_of_many_peers_is_found_and_nobody_else),
			cmocka_unit_test(many_peers_may_share_one_name_or_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
