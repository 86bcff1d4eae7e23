/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keys of session tickets: all processes seal with one, it is replaced,
 * the one before it opens for as long again, and then nothing of it is left
 * (B2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#include "tls_policy/resume.h"

#define LIFE 100
#define START 1000000

struct tlsp_params tlsp_params = {.ticket_life = LIFE};

bool tlsp_resume_gives(SSL *ssl)
{
	(void)ssl;
	return true;
}

static struct tlsp_ticket_key seal(time_t at)
{
	struct tlsp_ticket_key key;

	assert_true(tlsp_tickets_seal(&key, at));
	return key;
}

static bool opens(const struct tlsp_ticket_key *key, time_t at)
{
	struct tlsp_ticket_key found;
	bool opened = tlsp_tickets_open(key->name, &found, at);

	if(opened)
		assert_memory_equal(key, &found, sizeof(found));
	return opened;
}

static void start(void)
{
	assert_int_equal(tlsp_tickets_init(), 0);
}

static void a_key_seals_for_its_life_and_opens_for_two(void **state)
{
	struct tlsp_ticket_key first, second, same;

	(void)state;
	start();
	first = seal(START);
	same = seal(START + LIFE - 1);
	assert_memory_equal(&first, &same, sizeof(first));
	second = seal(START + LIFE);
	assert_memory_not_equal(first.name, second.name, sizeof(first.name));
	assert_memory_not_equal(first.cipher, second.cipher, sizeof(first.cipher));
	assert_memory_not_equal(first.mac, second.mac, sizeof(first.mac));
	assert_true(opens(&first, START + 2 * LIFE - 1));
	assert_true(opens(&second, START + 2 * LIFE - 1));
	assert_false(opens(&first, START + 2 * LIFE));
	assert_true(opens(&second, START + 2 * LIFE));
	seal(START + 2 * LIFE);
	assert_true(opens(&second, START + 3 * LIFE - 1));
	assert_false(opens(&second, START + 3 * LIFE));
}

static void a_name_that_nobody_gave_opens_nothing(void **state)
{
	struct tlsp_ticket_key none = {.made = 0}, first;

	(void)state;
	start();
	assert_false(opens(&none, START));
	first = seal(START);
	assert_false(opens(&none, START));
	first.name[TLSP_TICKET_NAME_OCTETS - 1] ^= 1;
	assert_false(opens(&first, START));
}

static void after_a_pause_the_old_key_opens_nothing(void **state)
{
	struct tlsp_ticket_key first;

	(void)state;
	start();
	first = seal(START);
	seal(START + 50 * LIFE);
	assert_false(opens(&first, START + 50 * LIFE));
}

static void a_clock_that_is_set_back_ends_the_keys(void **state)
{
	struct tlsp_ticket_key first, second;

	(void)state;
	start();
	first = seal(START);
	assert_false(opens(&first, START - 1));
	second = seal(START - 1);
	assert_memory_not_equal(first.name, second.name, sizeof(first.name));
}

/* Whoever of them was the first to need it */
static void processes_have_one_key(void **state)
{
	enum { PROCESSES = 8, ROUNDS = 20 };
	struct tlsp_ticket_key *made = mmap(NULL, PROCESSES * sizeof(*made),
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	(void)state;
	assert_ptr_not_equal(made, MAP_FAILED);
	for(int round = 0; round < ROUNDS; round++) {
		start();
		for(int i = 0; i < PROCESSES; i++) {
			if(fork() == 0)
				_exit(!tlsp_tickets_seal(&made[i], START)
						|| !opens(&made[i], START));
		}
		for(int i = 0; i < PROCESSES; i++) {
			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
		}
		for(int i = 1; i < PROCESSES; i++)
			assert_memory_equal(&made[0], &made[i], sizeof(made[0]));
	}
	munmap(made, PROCESSES * sizeof(*made));
}

static void a_life_that_is_none_does_not_start(void **state)
{
	(void)state;
	tlsp_params.ticket_life = 0;
	assert_int_equal(tlsp_tickets_init(), -1);
	tlsp_params.ticket_life = 604801;
	assert_int_equal(tlsp_tickets_init(), -1);
	tlsp_params.ticket_life = LIFE;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_key_seals_for_its_life_and_opens_for_two),
			cmocka_unit_test(a_name_that_nobody_gave_opens_nothing),
			cmocka_unit_test(after_a_pause_the_old_key_opens_nothing),
			cmocka_unit_test(a_clock_that_is_set_back_ends_the_keys),
			cmocka_unit_test(processes_have_one_key),
			cmocka_unit_test(a_life_that_is_none_does_not_start),
	};

	host_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
