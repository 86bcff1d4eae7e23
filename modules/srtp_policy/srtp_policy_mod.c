/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * srtp_policy: the policy on media in Kamailio. Tables, parameters and start;
 * the files beside this one do the work, lib/media decides.
 */
#include "core/dprint.h"
#include "core/mod_fix.h"
#include "core/sr_module.h"

#include "srtp_policy/srtpp.h"

MODULE_VERSION

struct srtpp_params srtpp_params = {
		.token_lifetime_sec = 60,
		.calls_max = 100000,
};
struct tlsp_api srtpp_tlsp;
struct tm_binds srtpp_tm;

static int w_check(struct sip_msg *msg, char *a, char *b)
{
	(void)a;
	(void)b;
	return srtpp_check(msg);
}

static int w_flags(struct sip_msg *msg, char *pv, char *unused)
{
	(void)unused;
	return srtpp_flags_into(msg, (pv_spec_t *)(void *)pv);
}

/* clang-format off */
static cmd_export_t cmds[] = {
	{"srtp_policy_check", (cmd_function)w_check, 0, 0, 0, ANY_ROUTE},
	{"srtp_policy_flags", (cmd_function)w_flags, 1, fixup_pvar_null,
		fixup_free_pvar_null, ANY_ROUTE},
	{0, 0, 0, 0, 0, 0}
};

static param_export_t params[] = {
	{"secret_file", PARAM_STRING, &srtpp_params.secret_file},
	{"token_lifetime", PARAM_INT, &srtpp_params.token_lifetime_sec},
	{"calls_max", PARAM_INT, &srtpp_params.calls_max},
	{0, 0, 0}
};
/* clang-format on */

static int bind_tm(void)
{
	if(find_export("load_tm", NO_SCRIPT, 0) && load_tm_api(&srtpp_tm) < 0)
		return -1;
	if(!srtpp_tm.t_gett)
		LM_WARN("tm.so is not loaded: the far side of a reply is not known\n");
	return 0;
}

static int mod_init(void)
{
	if(srtpp_params.token_lifetime_sec < 1
			|| srtpp_params.token_lifetime_sec > 3600) {
		LM_ERR("token_lifetime must be 1 to 3600 seconds\n");
		return -1;
	}
	if(tlsp_api_load(&srtpp_tlsp) < 0 || bind_tm() < 0
			|| srtpp_secret_init() < 0 || srtpp_stats_init() < 0
			|| srtpp_calls_init() < 0 || srtpp_ack_init() < 0
			|| srtpp_gate_in_init() < 0 || srtpp_gate_out_init() < 0)
		return -1;
	return 0;
}

struct module_exports exports = {
		"srtp_policy",
		DEFAULT_DLFLAGS,
		cmds,
		params,
		srtpp_rpcs,
		srtpp_pvs,
		0,
		mod_init,
		0,
		srtpp_calls_destroy,
};

int mod_register(char *path, int *dlflags, void *p1, void *p2);

int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path;
	(void)dlflags;
	(void)p1;
	(void)p2;
	return srtpp_kemi_init();
}
