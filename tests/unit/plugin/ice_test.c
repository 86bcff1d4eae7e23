/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which pairs count as validated. The answer to a check is the IPv4 response
 * of RFC 5769 section 2.2, which was made elsewhere.
 */
#include "cm.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "session/fork.h"
#include "session/ice.h"
#include "session/packet.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define OURS "a password of our own"

static const uint8_t response[] = {0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4,
		0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
		0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65,
		0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1,
		0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5,
		0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9, 0x2a, 0xf9, 0xba,
		0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c,
		0x96};

static struct tg_key_host host;
static struct tg_ses_call *call;
static struct tg_ses_stream *st;
static struct tg_ses_socket *s, *other;
static struct tg_key_path far, elsewhere;
static unsigned calls;
static unsigned datagrams;

static void count(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	(void)octet;
	(void)octets;
	assert_true(tg_ses_ice_way(user, component, &to) == NULL
				|| to->port != tg_ses_ice_path.port);
	datagrams++;
}

static struct tg_key_path path(const char *address, uint16_t port)
{
	struct tg_key_path p = {.port = port};

	assert_true(tg_addr_parse(tg_span_cstr(address), &p.addr));
	return p;
}

static struct tg_ses_socket *socket_of(int fd)
{
	struct tg_key_path p = path("198.51.100.1", (uint16_t)(30000 + fd));
	struct tg_ses_socket *made;

	assert_true(tg_ses_socket_bound(
			fd, &p.addr, p.port, call, call->hash, TG_SES_HELD));
	made = tg_ses_socket_get(fd);
	assert_true(tg_ses_stream_attach(st, made, TG_KEY_RTP));
	return made;
}

/* Both sides have ICE, and a call by DTLS */
static int setup(void **state)
{
	struct tg_ng_profile profile = {.level = TG_LEVEL_REQUIRED};
	struct tg_key_profile keys = {.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80}};
	char id[16];

	(void)state;
	snprintf(id, sizeof(id), "ice%u", ++calls);
	call = tg_ses_call_get(tg_span_cstr(id), true);
	pthread_mutex_lock(&call->lock);
	st = tg_ses_stream_get(
			tg_ses_leg_new(call, TG_SPAN("t"), TG_SPAN(""), &profile), 0, true);
	pthread_mutex_unlock(&call->lock);
	st->far.key = tg_key_new(TG_KX_DTLS, &keys, &host, st);
	assert_non_null(st->far.key);
	s = socket_of(6);
	other = socket_of(7);
	far = path("192.0.2.1", 32853);
	elsewhere = path("192.0.2.1", 32854);
	datagrams = 0;
	assert_true(tg_ses_ice_ours(st, true, false, TG_SPAN(OURS)));
	assert_true(tg_ses_ice_theirs(st, true, TG_SPAN(PASSWORD)));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_ses_call_end(call);
	tg_ses_socket_put(s);
	tg_ses_socket_put(other);
	tg_ses_socket_closed(6);
	tg_ses_socket_closed(7);
	tg_ses_call_put(call);
	return 0;
}

/* A Binding request with attributes and a MAC; octets of it */
static size_t request(uint8_t *out, bool nominates, const char *password)
{
	size_t n = 20;
	unsigned mac_octets;

	memcpy(out, response, 20);
	out[0] = 0;
	if(nominates) {
		memcpy(out + n, "\0\x25\0\0", 4);
		n += 4;
	}
	out[2] = 0;
	out[3] = (uint8_t)(n + 4);
	assert_non_null(HMAC(EVP_sha1(), password, (int)strlen(password), out, n,
			out + n + 4, &mac_octets));
	memcpy(out + n, "\0\x08\0\x14", 4);
	return n + 24;
}

static void check_leaves(
		struct tg_ses_socket *by, const struct tg_key_path *to, bool nominates)
{
	uint8_t octet[64];
	size_t n = request(octet, nominates, PASSWORD);

	tg_ses_ice_sent(st, by, to, octet, n);
}

static void answer_comes(
		struct tg_ses_socket *by, const struct tg_key_path *from)
{
	tg_ses_ice_received(st, by, from, response, sizeof(response));
}

/* The socket of the way, with its address in *to */
static struct tg_ses_socket *way(const struct tg_key_path **to)
{
	*to = &tg_ses_ice_path;
	return tg_ses_ice_way(st, TG_KEY_RTP, to);
}

static void assert_no_way(void)
{
	const struct tg_key_path *to;
	struct tg_ses_fork *f;

	assert_null(way(&to));
	assert_false(tg_ses_ice_enter(st, s, &far, &f));
	assert_false(tg_ses_ice_enter(st, other, &far, &f));
	assert_false(tg_ses_ice_enter(st, s, &elsewhere, &f));
}

static void assert_way(struct tg_ses_socket *by, const struct tg_key_path *path)
{
	const struct tg_key_path *to;

	assert_ptr_equal(way(&to), by);
	assert_int_equal(to->port, path->port);
	assert_true(tg_addr_eq(&to->addr, &path->addr));
}

static void an_answered_check_validates_its_pair(void **state)
{
	struct tg_ses_fork *f;

	(void)state;
	assert_no_way();
	check_leaves(s, &far, false);
	assert_no_way();
	answer_comes(s, &far);
	assert_way(s, &far);
	assert_true(tg_ses_ice_enter(st, s, &far, &f));
	assert_null(f);
	assert_false(tg_ses_ice_enter(st, other, &far, &f));
	assert_false(tg_ses_ice_enter(st, s, &elsewhere, &f));
}

static void an_answer_to_nothing_validates_nothing(void **state)
{
	(void)state;
	answer_comes(s, &far);
	assert_no_way();
}

static void an_answer_by_another_pair_validates_nothing(void **state)
{
	(void)state;
	check_leaves(s, &far, false);
	answer_comes(s, &elsewhere);
	assert_no_way();
	answer_comes(other, &far);
	assert_no_way();
	answer_comes(s, &far);
	assert_way(s, &far);
}

/* Up to the MAC; what follows it (FINGERPRINT) is not protected */
static void every_touched_octet_is_refused(void **state)
{
	uint8_t octet[sizeof(response)];

	(void)state;
	check_leaves(s, &far, false);
	for(size_t i = 0; i < 72; i++) {
		if(i == 2 || i == 3)
			continue; /* the length; packet.c has judged it */
		memcpy(octet, response, sizeof(octet));
		octet[i] ^= 1;
		tg_ses_ice_received(st, s, &far, octet, sizeof(octet));
		assert_no_way();
		tg_ses_ice_received(st, s, &far, response, i);
		assert_no_way();
	}
	answer_comes(s, &far);
	assert_way(s, &far);
}

static void another_password_validates_nothing(void **state)
{
	(void)state;
	assert_true(tg_ses_ice_theirs(st, true, TG_SPAN("VOkJxbRl1RmTxUk/WvJxBT")));
	check_leaves(s, &far, false);
	answer_comes(s, &far);
	assert_no_way();
	assert_true(tg_ses_ice_theirs(st, true, TG_SPAN("")));
	check_leaves(s, &far, false);
	answer_comes(s, &far);
	assert_no_way();
}

static void validated(void)
{
	check_leaves(s, &far, false);
	answer_comes(s, &far);
	assert_way(s, &far);
}

static void a_restart_forgets_the_pairs(void **state)
{
	(void)state;
	validated();
	assert_true(tg_ses_ice_theirs(st, true, TG_SPAN(PASSWORD)));
	assert_way(s, &far); /* the same description again */
	assert_true(tg_ses_ice_theirs(st, true, TG_SPAN("another one")));
	assert_no_way();
}

static void a_socket_that_closes_takes_its_pairs(void **state)
{
	(void)state;
	validated();
	tg_ses_socket_closed(6);
	assert_no_way();
}

static void a_nomination_chooses_among_the_validated(void **state)
{
	uint8_t octet[64];
	size_t n = request(octet, true, OURS);

	(void)state;
	validated();
	tg_ses_ice_received(st, s, &elsewhere, octet, n);
	assert_way(s, &far); /* not validated yet */
	check_leaves(s, &elsewhere, false);
	answer_comes(s, &elsewhere);
	assert_way(s, &elsewhere);
	n = request(octet, true, PASSWORD);
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_way(s, &elsewhere); /* the MAC was not under ours */
	n = request(octet, true, OURS);
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_way(s, &far);
	check_leaves(other, &far, true); /* our own agent's */
	answer_comes(other, &far);
	assert_way(other, &far);
}

static void a_request_validates_for_an_agent_that_is_lite(void **state)
{
	uint8_t octet[64];
	size_t n = request(octet, true, OURS);

	(void)state;
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_no_way();
	assert_true(tg_ses_ice_ours(st, true, true, TG_SPAN(OURS)));
	n = request(octet, false, OURS);
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_no_way();
	n = request(octet, true, PASSWORD);
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_no_way();
	n = request(octet, true, OURS);
	tg_ses_ice_received(st, s, &far, octet, n);
	assert_way(s, &far);
}

static void many_pairs_and_checks_stay_within_their_room(void **state)
{
	struct tg_key_path p = far;

	(void)state;
	for(uint16_t i = 0; i < 100; i++) {
		p.port = (uint16_t)(1000 + i);
		check_leaves(s, &p, true);
		answer_comes(s, &p);
		assert_way(s, &p);
	}
	for(uint16_t i = 0; i < 100; i++) {
		uint8_t octet[64];
		size_t n = request(octet, false, PASSWORD);

		octet[8] = (uint8_t)i;
		tg_ses_ice_sent(st, s, &p, octet, n);
	}
}

/* One side without: the descriptions' addresses are what there is */
static void without_ice_the_path_stays(void **state)
{
	const struct tg_key_path *to = &far;

	(void)state;
	assert_true(tg_ses_ice_theirs(st, false, TG_SPAN("")));
	assert_false(tg_ses_ice_on(st));
	assert_ptr_equal(tg_ses_ice_way(st, TG_KEY_RTP, &to), other);
	assert_ptr_equal(to, &far);
	/* of an exchange that began with ICE: nowhere */
	to = &tg_ses_ice_path;
	assert_null(tg_ses_ice_way(st, TG_KEY_RTP, &to));
}

static void an_offer_with_ice_waits_for_its_answer(void **state)
{
	(void)state;
	assert_true(tg_ses_ice_theirs(st, false, TG_SPAN("")));
	st->ice_asked = true;
	assert_true(tg_ses_ice_on(st));
	assert_no_way();
}

static int start(void **state)
{
	const char *why;

	(void)state;
	host.send = count;
	host.cert = tg_key_cert_new_self_signed(&why);
	return host.cert && tg_srtp_global_init(TG_SRTP_ENGINE_EVP) == TG_SRTP_OK
						   && tg_ses_sockets_init(64) && tg_ses_calls_init()
				   ? 0
				   : -1;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(an_answered_check_validates_its_pair),
			T(an_answer_to_nothing_validates_nothing),
			T(an_answer_by_another_pair_validates_nothing),
			T(every_touched_octet_is_refused),
			T(another_password_validates_nothing),
			T(a_restart_forgets_the_pairs),
			T(a_socket_that_closes_takes_its_pairs),
			T(a_nomination_chooses_among_the_validated),
			T(a_request_validates_for_an_agent_that_is_lite),
			T(many_pairs_and_checks_stay_within_their_room),
			T(without_ice_the_path_stays),
			T(an_offer_with_ice_waits_for_its_answer)};

	return cmocka_run_group_tests(tests, start, NULL);
}
