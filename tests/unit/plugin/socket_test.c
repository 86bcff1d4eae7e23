/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of sockets, alone and under threads.
 */
#include "cm.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>

#include "session/ice.h"
#include "session/packet.h"
#include "session/session.h"

#define FDS 64
#define ROUNDS 20000

static struct tg_addr addr;

static bool bound(int fd, struct tg_ses_call *call, enum tg_ses_mode mode)
{
	return tg_ses_socket_bound(fd, &addr, (uint16_t)(30000 + fd), call,
			call ? call->hash : 0, mode);
}

static void lookup_gives_what_was_bound(void **state)
{
	struct tg_ses_socket *s, *again;

	(void)state;
	assert_null(tg_ses_socket_get(3));
	assert_null(tg_ses_socket_get(-1));
	assert_null(tg_ses_socket_get(1 << 30));
	assert_true(bound(3, NULL, TG_SES_PLAIN));
	s = tg_ses_socket_get(3);
	assert_non_null(s);
	assert_int_equal(30003, s->port);
	tg_ses_socket_closed(3);
	assert_null(tg_ses_socket_get(3));
	/* the number is used again while a thread still holds the first one */
	assert_true(bound(3, NULL, TG_SES_PLAIN));
	again = tg_ses_socket_get(3);
	assert_ptr_not_equal(s, again);
	tg_ses_socket_put(s);
	tg_ses_socket_put(again);
	tg_ses_socket_closed(3);
}

static void a_table_that_is_full_fails_secured_binds(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("full"), true);

	(void)state;
	assert_false(bound(FDS, c, TG_SES_HELD));
	assert_true(bound(FDS, NULL, TG_SES_PLAIN));
	assert_false(bound(FDS, NULL, TG_SES_HELD));
	tg_ses_call_end(c);
	tg_ses_call_put(c);
}

static void a_call_ends_with_its_last_socket(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("last"), true);

	(void)state;
	assert_true(bound(4, c, TG_SES_HELD));
	assert_true(bound(5, c, TG_SES_HELD));
	tg_ses_socket_closed(4);
	assert_false(c->dead);
	tg_ses_socket_closed(5);
	assert_true(c->dead);
	assert_int_equal(0, tg_ses_calls_count());
	tg_ses_call_put(c);
}

static void an_exchange_in_flight_keeps_the_call(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("busy"), true);

	(void)state;
	assert_true(tg_ses_call_begin(c));
	assert_true(bound(4, c, TG_SES_HELD));
	tg_ses_socket_closed(4);
	assert_false(c->dead);
	tg_ses_call_done(c);
	assert_true(c->dead);
	assert_false(tg_ses_call_begin(c));
	tg_ses_call_put(c);
}

static void held_sockets_drop_everything(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("held"), true);
	uint8_t rtp[300] = {0x80}, stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct tg_key_path from = {.port = 1};
	struct tg_ses_socket *s;
	size_t n = 172;

	(void)state;
	assert_true(bound(6, c, TG_SES_HELD));
	s = tg_ses_socket_get(6);
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, rtp, &n));
	assert_int_equal(
			TG_SES_DROP, tg_ses_packet_out(s, NULL, rtp, &n, sizeof(rtp)));
	n = sizeof(stun);
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, stun, &n));
	tg_ses_socket_put(s);
	tg_ses_socket_closed(6);
	tg_ses_call_put(c);
}

/* A Binding request that is for the owner of the password */
static void sign(uint8_t stun[44], const char *password)
{
	stun[3] = 24;
	memcpy(stun + 20, (const uint8_t[]){0, 8, 0, 20}, 4);
	assert_non_null(HMAC(EVP_sha1(), password, (int)strlen(password), stun, 20,
			stun + 24, NULL));
}

static void a_secured_socket_without_keys_passes_stun_of_ice_alone(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("nokey"), true);
	uint8_t rtp[300] = {0x80}, stun[44] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct tg_ng_profile profile = {.level = TG_LEVEL_REQUIRED};
	struct tg_key_path from = {.port = 1};
	struct tg_ses_socket *s;
	struct tg_ses_stream *st;
	struct tg_ses_leg *leg;
	size_t n = 172;

	(void)state;
	sign(stun, "ours");
	pthread_mutex_lock(&c->lock);
	leg = tg_ses_leg_new(c, TG_SPAN("t"), TG_SPAN(""), &profile);
	st = tg_ses_stream_get(leg, 0, true);
	pthread_mutex_unlock(&c->lock);
	assert_true(bound(6, c, TG_SES_HELD));
	s = tg_ses_socket_get(6);
	assert_true(tg_ses_stream_attach(st, s, TG_KEY_RTP));
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, rtp, &n));
	assert_int_equal(
			TG_SES_DROP, tg_ses_packet_out(s, NULL, rtp, &n, sizeof(rtp)));
	n = sizeof(stun);
	st->far.ice = true; /* one agent is none */
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, stun, &n));
	assert_int_equal(
			TG_SES_DROP, tg_ses_packet_out(s, NULL, stun, &n, sizeof(stun)));
	assert_true(tg_ses_ice_ours(st, true, false, TG_SPAN("ours")));
	assert_int_equal(TG_SES_PASS, tg_ses_packet_in(s, &from, stun, &n));
	sign(stun, "another's");
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, stun, &n));
	sign(stun, "ours");
	stun[4] = 0; /* first octet of STUN, but no STUN */
	assert_int_equal(TG_SES_DROP, tg_ses_packet_in(s, &from, stun, &n));
	assert_int_equal(
			TG_SES_DROP, tg_ses_packet_out(s, NULL, stun, &n, sizeof(stun)));
	assert_int_equal(1, st->drop[0][TG_SES_DROP_NO_KEY]);
	assert_int_equal(1, st->drop[1][TG_SES_DROP_NO_KEY]);
	tg_ses_socket_put(s);
	tg_ses_socket_closed(6);
	tg_ses_call_put(c);
}

static void a_later_secured_call_adopts_its_plain_sockets(void **state)
{
	struct tg_ses_call *c;
	struct tg_ses_socket *s;

	(void)state;
	assert_true(tg_ses_socket_bound(
			7, &addr, 40000, NULL, tg_ses_hash(TG_SPAN("up")), TG_SES_PLAIN));
	assert_true(tg_ses_socket_bound(
			8, &addr, 40000, NULL, tg_ses_hash(TG_SPAN("no")), TG_SES_PLAIN));
	c = tg_ses_call_get(TG_SPAN("up"), true);
	pthread_mutex_lock(&c->lock);
	s = tg_ses_call_socket(c, &addr, 40000);
	assert_non_null(s);
	assert_int_equal(7, atomic_load(&s->fd));
	pthread_mutex_unlock(&c->lock);
	tg_ses_socket_closed(7);
	tg_ses_socket_closed(8);
	tg_ses_call_put(c);
}

static void a_port_alone_must_be_unambiguous(void **state)
{
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("two"), true);
	struct tg_addr other;

	(void)state;
	tg_addr_parse(TG_SPAN("192.0.2.2"), &other);
	assert_true(tg_ses_socket_bound(7, &addr, 40000, c, c->hash, TG_SES_HELD));
	assert_true(tg_ses_socket_bound(8, &other, 40000, c, c->hash, TG_SES_HELD));
	pthread_mutex_lock(&c->lock);
	assert_null(tg_ses_call_socket_by_port(c, 40000));
	assert_int_equal(8, atomic_load(&tg_ses_call_socket(c, &other, 40000)->fd));
	pthread_mutex_unlock(&c->lock);
	tg_ses_socket_closed(7);
	tg_ses_socket_closed(8);
	tg_ses_call_put(c);
}

/* ---- threads ------------------------------------------------------------ */

static atomic_bool stop;

static void *reader(void *arg)
{
	uint8_t rtp[300] = {0x80};
	struct tg_key_path from = {.port = 1};
	uint64_t *passed = arg;

	while(!atomic_load(&stop)) {
		for(int fd = 10; fd < 20; fd++) {
			struct tg_ses_socket *s = tg_ses_socket_get(fd);
			size_t n = 172;

			if(s == NULL)
				continue;
			if(tg_ses_packet_in(s, &from, rtp, &n) == TG_SES_PASS)
				(*passed)++;
			tg_ses_socket_put(s);
		}
	}
	return NULL;
}

static void *churner(void *arg)
{
	int fd = *(int *)arg;
	struct tg_ng_profile profile = {.level = TG_LEVEL_REQUIRED};
	char name[16] = {(char)('a' + fd), '\0'};

	for(int i = 0; i < ROUNDS; i++) {
		struct tg_ses_call *c = tg_ses_call_get(tg_span_cstr(name), true);
		struct tg_ses_leg *leg;

		if(!bound(fd, c, TG_SES_HELD))
			abort();
		pthread_mutex_lock(&c->lock);
		leg = tg_ses_leg_find(c, TG_SPAN("t"), TG_SPAN(""), false);
		if(leg == NULL)
			leg = tg_ses_leg_new(c, TG_SPAN("t"), TG_SPAN(""), &profile);
		tg_ses_stream_attach(tg_ses_stream_get(leg, 0, true),
				tg_ses_call_socket(c, &addr, (uint16_t)(30000 + fd)),
				TG_KEY_RTP);
		pthread_mutex_unlock(&c->lock);
		if(i % 3 == 0)
			tg_ses_call_end(c);
		tg_ses_socket_closed(fd);
		tg_ses_call_put(c);
	}
	return NULL;
}

static void close_under_readers_leaks_and_breaks_nothing(void **state)
{
	pthread_t readers[2], churners[2];
	uint64_t passed[2] = {0};
	int fds[2] = {10, 11};

	(void)state;
	atomic_store(&stop, false);
	for(int i = 0; i < 2; i++) {
		assert_int_equal(
				0, pthread_create(&readers[i], NULL, reader, &passed[i]));
		assert_int_equal(
				0, pthread_create(&churners[i], NULL, churner, &fds[i]));
	}
	for(int i = 0; i < 2; i++)
		pthread_join(churners[i], NULL);
	atomic_store(&stop, true);
	for(int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(0, passed[0] + passed[1]);
	assert_int_equal(0, tg_ses_calls_count());
}

static int start(void **state)
{
	(void)state;
	tg_addr_parse(TG_SPAN("192.0.2.1"), &addr);
	return tg_ses_sockets_init(FDS) && tg_ses_calls_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(lookup_gives_what_was_bound),
			cmocka_unit_test(a_table_that_is_full_fails_secured_binds),
			cmocka_unit_test(a_call_ends_with_its_last_socket),
			cmocka_unit_test(an_exchange_in_flight_keeps_the_call),
			cmocka_unit_test(held_sockets_drop_everything),
			cmocka_unit_test(
					a_secured_socket_without_keys_passes_stun_of_ice_alone),
			cmocka_unit_test(a_later_secured_call_adopts_its_plain_sockets),
			cmocka_unit_test(a_port_alone_must_be_unambiguous),
			cmocka_unit_test(close_under_readers_leaks_and_breaks_nothing),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
