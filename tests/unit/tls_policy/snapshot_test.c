/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy in force, used by many processes while it is replaced: nobody
 * finds one that is gone, and none stays that nobody uses (B5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

#include "tls_policy/tlsp.h"

struct tlsp_params tlsp_params;
static char path[] = "/tmp/tg-snapshot-XXXXXX";

void tlsp_log_diags(const struct tg_diags *diags)
{
	(void)diags;
}

bool tlsp_tls_cfg_fits(const struct tg_pol *p, struct tg_diags *diags)
{
	(void)p, (void)diags;
	return true;
}

static bool reload(void)
{
	struct tg_diags diags;
	bool good;

	tg_diags_init(&diags, &tg_alloc_libc);
	good = tlsp_snap_reload(&diags);
	tg_diags_deinit(&diags);
	return good;
}

/* Reads all that a gate would read of it */
static bool is_alive(const struct tlsp_snap *snap)
{
	const struct tg_pol_clients *c = tg_pol_clients_at(snap->policy, 0);

	return snap->generation < 1u << 30 && tg_span_eq(c->name, TG_SPAN("staff"))
		   && tg_pol_digest(snap->policy)[0] != (char)HOST_POISON;
}

static void asking_twice_gives_the_same_until_both_are_given_back(void **state)
{
	const struct tlsp_snap *one = tlsp_snap_ref(), *two;
	uint64_t was = one->generation;

	(void)state;
	assert_true(reload());
	two = tlsp_snap_ref();
	assert_ptr_equal(one, two);
	assert_ptr_equal(tlsp_snap_of(one->policy), one);
	tlsp_snap_unref(two);
	assert_true(is_alive(one));
	tlsp_snap_unref(one);
	two = tlsp_snap_ref();
	assert_int_equal(two->generation, was + 1);
	tlsp_snap_unref(two);
}

static void a_bad_file_changes_nothing(void **state)
{
	char *good = tlsp_params.policy;
	uint64_t was = tlsp_snap_generation();
	size_t before;

	(void)state;
	tlsp_snap_reclaim();
	before = host_shm_octets();
	tlsp_params.policy = (char *)"/nonexistent";
	assert_false(reload());
	tlsp_params.policy = good;
	assert_int_equal(tlsp_snap_generation(), was);
	assert_int_equal(host_shm_octets(), before);
}

static bool use_or_replace(unsigned i)
{
	const struct tlsp_snap *one, *two;
	bool good = true;

	if(i == 0) {
		tlsp_snap_reclaim();
		return reload();
	}
	for(int k = 0; good && k < 1000; k++) {
		one = tlsp_snap_ref();
		good = is_alive(one);
		two = tlsp_snap_ref();
		good = good && one == two && is_alive(two);
		tlsp_snap_unref(two);
		tlsp_snap_unref(one);
	}
	return good;
}

static void none_goes_while_it_is_used_and_all_go_after(void **state)
{
	uint64_t was = tlsp_snap_generation();
	size_t before;

	(void)state;
	tlsp_snap_reclaim();
	before = host_shm_octets();
	assert_true(host_run(5, 2000, use_or_replace));
	print_message("%llu reloads\n",
			(unsigned long long)(tlsp_snap_generation() - was));
	assert_true(tlsp_snap_generation() - was > 100);
	tlsp_snap_reclaim();
	/* each process keeps its place */
	assert_in_range(host_shm_octets(), before, before + 8 * 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(
					asking_twice_gives_the_same_until_both_are_given_back),
			cmocka_unit_test(a_bad_file_changes_nothing),
			cmocka_unit_test(none_goes_while_it_is_used_and_all_go_after),
	};
	static const char text[] = "[policy]\nprofile = sfb2019\n"
							   "[clients staff]\naddress = 192.0.2.0/24\n";
	int fd = mkstemp(path), failed;

	if(fd < 0 || write(fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		return 1;
	close(fd);
	tlsp_params.policy = path;
	host_init();
	failed = tlsp_snap_init() < 0 ? 1
								  : cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
