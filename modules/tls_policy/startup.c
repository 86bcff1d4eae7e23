/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What must hold before the module may run, and the mitigation of a fault of
 * Kamailio 5.6 (kamailio#3791, #3695): values that OpenSSL keeps per thread
 * are inherited over fork, and since its memory is shared, two processes then
 * work on one random generator or one error queue. Those values, and no
 * others, are forgotten in each child.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/mem/shm.h"
#include "core/sr_module.h"
#include "core/tls_hooks.h"

#include "fips/fips.h"
#include "tls_policy/compat.h"
#include "tls_policy/tlsp.h"

#define KEYS_MAX 64

bool tlsp_fips;

static uintptr_t shared_start, shared_end;

/* A variable of the core that not every version has */
static int core_int(const char *name)
{
	int *value = dlsym(RTLD_DEFAULT, name);

	return value ? *value : 0;
}

/*
 * Callbacks on what leaves run in the reverse order of their modules. One that
 * has other Call-IDs written before our gates look leaves them no call to know
 * (topoh; topos with its help).
 */
static const char *find_mask(void)
{
	static const char *const names[] = {"topoh", "topos"};
	struct sr_module *m;
	modparam_t type;
	const int *set;

	for(size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		m = find_module_by_name((char *)names[i]);
		set = m ? find_param_export(m, "mask_callid", PARAM_INT, &type) : NULL;
		while(set && *set && (m = m->next)) {
			/* the one that was loaded before */
			if(strcmp(m->exports.name, "tls_policy") == 0)
				return names[i];
		}
	}
	return NULL;
}

/* A37: the check of the policy is tg_judge_check_fips */
static bool fips_holds(void)
{
	const char *beside = tg_fips_active() ? tg_fips_bypass() : NULL;
	char provider[96];

	tg_fips_describe(provider, sizeof(provider));
	tlsp_fips = tg_fips_active();
	if(tlsp_fips)
		LM_NOTICE("FIPS provider active: %s\n", provider);
	if(beside)
		LM_ERR("a FIPS provider is active, and %s works past it\n", beside);
	return !beside;
}

int tlsp_startup_check(void)
{
	const char *mask = find_mask();

	if(!find_module_by_name("tls") || !tls_hook.read || !tls_hook.encode
			|| !tls_hook.tcpconn_clean || !tls_hook.on_tcpconn_init) {
		LM_ERR("tls_policy.so needs tls.so, with enable_tls=yes\n");
		return -1;
	}
	if(core_int("ksr_tcp_main_threads") != 0) {
		LM_ERR("tcp_main_threads is not supported: TLS would run outside "
			   "of the processes that know the connection\n");
		return -1;
	}
	if(core_int("ksr_tcp_accept_haproxy") > 0 && !tlsp_params.haproxy) {
		LM_ERR("tcp_accept_haproxy lets any TCP client choose its source "
			   "address. Where only proxies can connect, set "
			   "modparam(\"tls_policy\", \"allow_haproxy\", 1)\n");
		return -1;
	}
	if(mask) {
		LM_ERR("%s.so masks Call-IDs: load it before tls_policy.so, which "
			   "has to see those of the calls that it knows\n",
				mask);
		return -1;
	}
	if(!TLSP_HOST_TRIED && !tlsp_params.any_host) {
		LM_ERR("this version of Kamailio was not tried. To run on it, set "
			   "modparam(\"tls_policy\", \"allow_untested_version\", 1)\n");
		return -1;
	}
	if(!tlsp_params.policy || !*tlsp_params.policy) {
		LM_ERR("set modparam(\"tls_policy\", \"policy\", \"/path\")\n");
		return -1;
	}
	return fips_holds() ? 0 : -1;
}

/* ---- fork --------------------------------------------------------------------------- */

static void forget_shared_values(void)
{
	for(pthread_key_t key = 0; key < KEYS_MAX; key++) {
		uintptr_t value = (uintptr_t)pthread_getspecific(key);

		if(value >= shared_start && value < shared_end)
			pthread_setspecific(key, NULL);
	}
}

/* The mapping that shared memory comes from */
static bool find_shared(void)
{
	void *probe = shm_malloc(16);
	uintptr_t start, end;
	char line[512], *rest;
	FILE *maps;

	if(!probe)
		return false;
	maps = fopen("/proc/self/maps", "re");
	while(maps && fgets(line, sizeof(line), maps)) {
		start = strtoul(line, &rest, 16);
		end = *rest == '-' ? strtoul(rest + 1, NULL, 16) : 0;
		if((uintptr_t)probe >= start && (uintptr_t)probe < end) {
			shared_start = start;
			shared_end = end;
		}
	}
	if(maps)
		fclose(maps);
	shm_free(probe);
	return shared_end > shared_start;
}

int tlsp_startup_atfork(void)
{
	if(!find_shared()) {
		LM_ERR("cannot find where shared memory is\n");
		return -1;
	}
	if(pthread_atfork(NULL, NULL, forget_shared_values) != 0) {
		LM_ERR("cannot register a fork handler\n");
		return -1;
	}
	return 0;
}
