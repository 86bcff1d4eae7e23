/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests that are repeated, and the timers' switch: neither may forget what
 * is still at work, nor go on for what is not.
 */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ng/cache.h"
#include "session/session.h"

#define ENTRIES 4096 /* that the cache holds */

static struct tg_arena arena;

static enum tg_ngx_seen look(unsigned cookie)
{
	static const uint64_t digest[2] = {1, 2};
	struct tg_span reply;
	char text[16];

	snprintf(text, sizeof(text), "c%u", cookie);
	return tg_ngx_cache_look(tg_span_cstr(text), digest, &arena, &reply);
}

static void reply_to(unsigned cookie)
{
	static const uint64_t digest[2] = {1, 2};
	char text[16];

	snprintf(text, sizeof(text), "c%u", cookie);
	tg_ngx_cache_put(tg_span_cstr(text), digest, TG_SPAN("reply"));
}

static void what_is_at_work_is_not_pushed_out(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	assert_int_equal(look(0), TG_NGX_NEW);
	for(unsigned i = 1; i < 2 * ENTRIES; i++) {
		assert_int_equal(look(i), TG_NGX_NEW);
		reply_to(i);
	}
	assert_int_equal(look(0), TG_NGX_RUNNING);
	assert_int_equal(look(2 * ENTRIES - 1), TG_NGX_REPEATED);
	assert_int_equal(look(1), TG_NGX_NEW); /* the oldest one that was done */
	reply_to(0);
	assert_int_equal(look(0), TG_NGX_REPEATED);
	tg_arena_wipe(&arena);
}

static void timers_that_are_off_stay_off(void **state)
{
	(void)state;
	assert_false(tg_ses_timers_are_on());
	tg_ses_timers_on();
	tg_ses_timers_on();
	assert_true(tg_ses_timers_off());
	assert_false(tg_ses_timers_are_on());
	assert_false(tg_ses_timers_off());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(what_is_at_work_is_not_pushed_out),
			cmocka_unit_test(timers_that_are_off_stay_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
