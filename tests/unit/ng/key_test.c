/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ng/key.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OCTETS_MAX 3000

static struct tg_ng_key key;
static unsigned char text[OCTETS_MAX];

static int setup(void **state)
{
	(void)state;
	for(size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 31 + 7);
	tg_ng_key_init(&key, TG_SPAN(SECRET));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tg_ng_key_deinit(&key);
	return 0;
}

/* As OpenSSL's one-shot function has it? */
static bool is_right(size_t octets)
{
	unsigned char have[TG_NG_MAC_OCTETS], want[EVP_MAX_MD_SIZE];

	return tg_ng_key_mac(&key, text, octets, have)
		   && HMAC(EVP_sha256(), SECRET, (int)sizeof(SECRET) - 1, text, octets,
				   want, NULL)
		   && memcmp(have, want, sizeof(have)) == 0;
}

static void every_length_again_and_again(void **state)
{
	(void)state;
	for(size_t n = 0; n <= 300; n++)
		assert_true(is_right(n));
	assert_true(is_right(OCTETS_MAX));
	assert_true(is_right(1));
	assert_non_null(key.keyed); /* or all of this was said of HMAC() */
}

/* What was asked last is remembered, up to a length */
static void the_same_twice_and_then_another(void **state)
{
	static const size_t lengths[] = {
			0, 1, 200, TG_NG_LAST_OCTETS_MAX, TG_NG_LAST_OCTETS_MAX + 1};

	(void)state;
	for(size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t n = lengths[i];

		assert_true(is_right(n));
		assert_true(is_right(n));
		if(n == 0)
			continue;
		text[n - 1] ^= 1;
		assert_true(is_right(n));
		text[0] ^= 1;
		assert_true(is_right(n));
	}
}

static void a_fork_makes_a_context_of_its_own(void **state)
{
	EVP_MAC_CTX *parents;
	int status = -1;
	pid_t child;

	(void)state;
	assert_true(is_right(100));
	parents = key.keyed;
	child = fork();
	assert_true(child >= 0);
	if(child == 0)
		_exit(is_right(200) && key.owner == getpid() && key.keyed
								&& key.keyed != parents
						? 0
						: 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(key.keyed == parents);
	assert_true(is_right(100));
}

static void *many(void *arg)
{
	for(size_t n = 0; n < 2000; n++) {
		if(!is_right(n % 400))
			return arg;
	}
	return NULL;
}

static void threads_may_use_it_at_the_same_time(void **state)
{
	pthread_t thread[4];
	void *wrong;

	(void)state;
	for(size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, many, thread), 0);
	for(size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
}

static void a_busy_context_is_done_without(void **state)
{
	(void)state;
	assert_true(is_right(100));
	atomic_flag_test_and_set(&key.busy);
	assert_true(is_right(100));
	atomic_flag_clear(&key.busy);
}

static void secrets_of_other_lengths_give_nothing(void **state)
{
	static char octets[TG_NG_SECRET_OCTETS_MAX + 1];
	static const size_t allowed[] = {
			TG_NG_SECRET_OCTETS_MIN, TG_NG_SECRET_OCTETS_MAX};
	static const size_t refused[] = {
			0, TG_NG_SECRET_OCTETS_MIN - 1, TG_NG_SECRET_OCTETS_MAX + 1};
	unsigned char mac[TG_NG_MAC_OCTETS];
	struct tg_ng_key k = {0};

	(void)state;
	assert_false(tg_ng_key_mac(&k, text, 1, mac));
	for(size_t i = 0; i < 3; i++) {
		tg_ng_key_init(&k, tg_span_of(octets, refused[i]));
		assert_false(tg_ng_key_mac(&k, text, 1, mac));
	}
	for(size_t i = 0; i < 2; i++) {
		tg_ng_key_init(&k, tg_span_of(octets, allowed[i]));
		assert_true(tg_ng_key_mac(&k, text, 1, mac));
		tg_ng_key_deinit(&k);
		assert_false(tg_ng_key_mac(&k, text, 1, mac));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
			T(every_length_again_and_again),
			T(the_same_twice_and_then_another),
			T(a_fork_makes_a_context_of_its_own),
			T(threads_may_use_it_at_the_same_time),
			T(a_busy_context_is_done_without),
			T(secrets_of_other_lengths_give_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
