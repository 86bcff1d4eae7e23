/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's own configuration as the mount reads and judges it.
 */
#include "cm.h"

#include "mount/guard.h"

static struct tg_arena arena;
static struct tg_diags diags;
static struct tg_mnt_daemon daemon;
static struct tg_mnt_ng ng[TG_MNT_NG_MAX];
static size_t n_ng;

static int start(void **state)
{
	(void)state;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	tg_diags_init(&diags, &tg_alloc_libc);
	return 0;
}

static int end(void **state)
{
	(void)state;
	tg_arena_deinit(&arena);
	tg_diags_deinit(&diags);
	return 0;
}

/* args: separated by spaces, the program left out; conf may be NULL */
static size_t judge(const char *args, const char *file, const char *conf_text)
{
	struct tg_mnt_conf conf;
	struct tg_diags conf_diags;
	char text[1024] = "rtpengine";
	size_t n = sizeof("rtpengine");

	for(const char *p = args; *p != '\0'; p++)
		text[n++] = *p == ' ' ? '\0' : *p;
	text[n++] = '\0';
	tg_diags_init(&conf_diags, &tg_alloc_libc);
	assert_true(tg_mnt_conf_parse(&conf,
			conf_text != NULL ? tg_span_cstr(conf_text)
							  : TG_SPAN("secret_file = /x\n"),
			TG_SPAN("conf"), &conf_diags));
	tg_diags_deinit(&conf_diags);
	assert_true(tg_mnt_daemon_args(&daemon, &arena, tg_span_of(text, n)));
	if(file != NULL)
		assert_true(tg_mnt_daemon_file(
				&daemon, tg_span_cstr(file), TG_SPAN("rtpengine")));
	tg_diags_deinit(&diags);
	tg_diags_init(&diags, &tg_alloc_libc);
	tg_mnt_guard(&daemon, &conf, &diags, ng, &n_ng);
	return diags.errors;
}

#define NG "--listen-ng=127.0.0.1:2223"

static void accepts_the_defaults_with_ng_on_loopback(void **state)
{
	(void)state;
	assert_int_equal(0, judge(NG, NULL, NULL));
	assert_int_equal(1, n_ng);
	assert_int_equal(2223, ng[0].port);
	assert_int_equal(0, judge("-n 127.0.0.1:22 -t -1 -f -E", NULL, NULL));
	assert_int_equal(0, judge("--listen-ng=localhost:2223", NULL, NULL));
	assert_int_equal(0, judge("--listen-ng=[::1]:2223", NULL, NULL));
	assert_int_equal(0, judge(NG " --table=none", NULL, NULL));
}

static void refuses_a_kernel_table_wherever_it_stands(void **state)
{
	(void)state;
	assert_int_equal(1, judge(NG " --table=0", NULL, NULL));
	assert_int_equal(1, judge(NG " --table 0", NULL, NULL));
	assert_int_equal(1, judge(NG " -t0", NULL, NULL));
	assert_int_equal(1, judge(NG " -fEt 42", NULL, NULL));
	assert_int_equal(1, judge(NG, "[rtpengine]\ntable=0\n", NULL));
	assert_int_equal(1, judge(NG " --table=0 --table=-1", NULL, NULL));
	assert_int_equal(1, judge(NG " --unknown -t 0", NULL, NULL));
	assert_int_equal(1, judge(NG " --table=", NULL, NULL));
}

static void command_line_hides_the_file(void **state)
{
	(void)state;
	assert_int_equal(0, judge(NG " -t -1", "[rtpengine]\ntable = 0\n", NULL));
	assert_int_equal(
			0, judge(NG, "[other]\ntable = 0\n[rtpengine]\ntable=-1", NULL));
}

static void refuses_what_bypasses_it(void **state)
{
	static const char *const line[] = {NG " --io-uring", NG " --kernel-slots=1",
			NG " --listen-http=1", NG " --listen-https=1", NG " -N 1",
			NG " -l 1", NG " -u 1", NG " --debug-srtp", NG " --homer-enable-ng",
			NG " --log-srtp-keys", NG " -L 7", NG " --log-level-crypto=7",
			NG " --log-level=debug"};

	(void)state;
	for(size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++)
		assert_int_equal(1, judge(line[i], NULL, NULL));
	assert_int_equal(1, judge(NG, "[rtpengine]\nio-uring=true", NULL));
	assert_int_equal(0, judge(NG, "[rtpengine]\nio-uring=false", NULL));
}

static void starts_with_redis(void **state)
{
	(void)state;
	assert_int_equal(0, judge(NG " -r 127.0.0.1:6379/1", NULL, NULL));
	assert_int_equal(0, judge(NG, "[rtpengine]\nredis=127.0.0.1/1", NULL));
}

static void lifts_by_name_only_what_may_be_lifted(void **state)
{
	static const char conf[] =
			"secret_file = /x\nallow = debug-logging, unknown-version\n";

	(void)state;
	assert_int_equal(0, judge(NG " --debug-srtp -L7 -rx", NULL, conf));
	assert_int_equal(1, judge(NG " -t 0", NULL, conf));
}

static void wants_senders_for_ng_beyond_loopback(void **state)
{
	(void)state;
	assert_int_equal(1, judge("-n 2223", NULL, NULL));
	assert_int_equal(1, judge("-n 0.0.0.0:2223", NULL, NULL));
	assert_int_equal(1, judge("-n [::]:2223", NULL, NULL));
	assert_int_equal(1, judge("-n host.example:2223", NULL, NULL));
	assert_int_equal(1, judge("", NULL, NULL));
	assert_int_equal(
			0, judge("-n 2223", NULL, "secret_file=/x\nng_allow=10.0.0.0/8\n"));
	assert_int_equal(
			2, judge("", "[rtpengine]\nlisten-ng=1.2.3.4:5;9:9:9", NULL));
}

static void knows_the_tested_versions(void **state)
{
	(void)state;
	assert_true(tg_mnt_version_known(TG_SPAN("Version: 10.5.3.5-1+deb12u1")));
	assert_true(tg_mnt_version_known(TG_SPAN("Version: 12.5.1.31")));
	assert_true(tg_mnt_version_known(TG_SPAN("Version: mr26.0.1.26")));
	assert_false(tg_mnt_version_known(TG_SPAN("Version: 10.50.1")));
	assert_false(tg_mnt_version_known(TG_SPAN("Version: 11.5.1")));
	assert_false(tg_mnt_version_known(TG_SPAN("")));
}

static void configuration_errors_are_all_told(void **state)
{
	static const char text[] = "secret_file = /x\n"
							   "nonsense = 1\n"
							   "floor_suites = NULL_HMAC_SHA1_80\n"
							   "floor_replay_window = 63\n"
							   "ng_allow = 10.0.0.1/8\n"
							   "log_level = debug\n"
							   "log_level = info\n"
							   "allow = everything\n"
							   "certificate = /c\n"
							   "[other]\n";
	struct tg_mnt_conf conf;

	(void)state;
	assert_false(
			tg_mnt_conf_parse(&conf, TG_SPAN(text), TG_SPAN("f.conf"), &diags));
	assert_int_equal(9, diags.errors);
	assert_int_equal(2, diags.first->where.line);
}

static void senders_are_matched_against_the_list(void **state)
{
	struct tg_mnt_conf conf;
	struct tg_addr in, out, loop;

	(void)state;
	assert_true(tg_mnt_conf_parse(&conf,
			TG_SPAN("secret_file=/x\nng_allow=10.0.0.0/8, 2001:db8::/32"),
			TG_SPAN("f"), &diags));
	tg_addr_parse(TG_SPAN("::ffff:10.1.2.3"), &in);
	tg_addr_parse(TG_SPAN("11.0.0.1"), &out);
	tg_addr_parse(TG_SPAN("127.0.0.1"), &loop);
	assert_true(tg_mnt_ng_allowed(&conf, &in));
	assert_false(tg_mnt_ng_allowed(&conf, &out));
	assert_false(tg_mnt_ng_allowed(&conf, &loop));
	conf.n_ng_allow = 0;
	assert_true(tg_mnt_ng_allowed(&conf, &loop));
	assert_false(tg_mnt_ng_allowed(&conf, &in));
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
			T(accepts_the_defaults_with_ng_on_loopback),
			T(refuses_a_kernel_table_wherever_it_stands),
			T(command_line_hides_the_file),
			T(refuses_what_bypasses_it),
			T(starts_with_redis),
			T(lifts_by_name_only_what_may_be_lifted),
			T(wants_senders_for_ng_beyond_loopback),
			T(knows_the_tested_versions),
			T(configuration_errors_are_all_told),
			T(senders_are_matched_against_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
