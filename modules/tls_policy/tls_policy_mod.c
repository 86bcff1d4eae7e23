/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tls_policy: the policy on signalling in Kamailio. Tables, parameters and
 * start; the files beside this one do the work.
 */
#include "core/dprint.h"
#include "core/mod_fix.h"
#include "core/sr_module.h"

#include "tls_policy/challenge.h"
#include "tls_policy/resume.h"

MODULE_VERSION

struct tlsp_params tlsp_params = {
		.retry_ms = 1000,
		.log_repeat_sec = 10,
		.crl_check_ms = 2000,
		.dialogs = 32768,
		.ticket_life = 7200,
};

static int w_check(struct sip_msg *msg, char *route, char *unused)
{
	str name;

	(void)unused;
	if(fixup_get_svalue(msg, (gparam_t *)route, &name) != 0)
		return -1;
	return tlsp_check_route(msg, tg_span_of(name.s, (size_t)name.len));
}

static int w_reply(struct sip_msg *msg, char *a, char *b)
{
	(void)a;
	(void)b;
	return tlsp_reply(msg);
}

/* ---- for the other modules --------------------------------------------------- */

static const struct tg_pol *api_ref(void)
{
	return tlsp_snap_ref()->policy;
}

static void api_unref(const struct tg_pol *p)
{
	tlsp_snap_unref(tlsp_snap_of(p));
}

static int api_source(
		const struct tg_pol *p, struct sip_msg *msg, struct tg_pol_msg *out)
{
	return tlsp_source(tlsp_snap_of(p), msg, NULL, out);
}

static int api_destination(const struct tg_pol *p, const struct dest_info *dst,
		struct tg_pol_egress *out)
{
	struct tlsp_facts facts;

	return tlsp_destination(tlsp_snap_of(p), dst, &facts, out);
}

static struct tg_span api_route(struct sip_msg *msg)
{
	const struct tlsp_seen *last = tlsp_seen(msg);

	return tg_span_cstr(last ? last->route : NULL);
}

static void api_report(const struct tg_pol *p, const char *gate,
		const struct tg_pol_verdict *verdict, const char *detail)
{
	struct tlsp_report report = {.gate = gate, .detail = detail};

	tlsp_report(p, verdict, &report);
}

static bool started;

/* Whose module starts first has its callbacks called first */
static int api_bind(struct tlsp_api *api)
{
	if(!api || !started)
		return -1;
	*api = (struct tlsp_api){
			.version = TLSP_API_VERSION,
			.ref = api_ref,
			.unref = api_unref,
			.source = api_source,
			.destination = api_destination,
			.route = api_route,
			.on_leaving = tlsp_on_leaving,
			.on_route = tlsp_on_route,
			.report = api_report,
	};
	return 0;
}

/* ---- tables ------------------------------------------------------------------------ */

/* clang-format off */
static cmd_export_t cmds[] = {
	{"tls_policy_check", (cmd_function)w_check, 1, fixup_spve_null,
		fixup_free_spve_null, ANY_ROUTE},
	{"tls_policy_reply", (cmd_function)w_reply, 0, 0, 0, ANY_ROUTE},
	{"tls_policy_bind", (cmd_function)(void (*)(void))api_bind, 0, 0, 0, 0},
	{0, 0, 0, 0, 0, 0}
};

static param_export_t params[] = {
	{"policy", PARAM_STRING, &tlsp_params.policy},
	{"retry_ms", PARAM_INT, &tlsp_params.retry_ms},
	{"crl_check_ms", PARAM_INT, &tlsp_params.crl_check_ms},
	{"dialogs", PARAM_INT, &tlsp_params.dialogs},
	{"ticket_life", PARAM_INT, &tlsp_params.ticket_life},
	{"log_repeat_sec", PARAM_INT, &tlsp_params.log_repeat_sec},
	{"allow_untested_version", PARAM_INT, &tlsp_params.any_host},
	{"allow_haproxy", PARAM_INT, &tlsp_params.haproxy},
	{0, 0, 0}
};
/* clang-format on */

static int mod_init(void)
{
	if(tlsp_startup_check() < 0 || tlsp_stats_init() < 0
			|| tlsp_startup_atfork() < 0 || tlsp_snap_init() < 0
			|| tlsp_tickets_init() < 0 || tlsp_conns_init() < 0
			|| tlsp_limits_init() < 0 || tlsp_waiting_init() < 0
			|| tlsp_gate_in_init() < 0 || tlsp_gate_out_init() < 0
			|| tlsp_dialogs_init() < 0 || tlsp_crls_init() < 0
			|| tlsp_fetch_init() < 0 || tlsp_own_init() < 0
			|| tlsp_hook_init() < 0)
		return -1;
	tlsp_tls_cfg_warn();
	started = true;
	return 0;
}

static int child_init(int rank)
{
	if(rank == PROC_INIT)
		return tlsp_next_hop_start();
	if(rank != PROC_MAIN)
		return 0;
	return tlsp_waiting_fork() < 0 || tlsp_crls_fork() < 0
						   || tlsp_fetch_fork() < 0
				   ? -1
				   : 0;
}

static void destroy(void)
{
	tlsp_snap_destroy();
}

struct module_exports exports = {
		"tls_policy",
		DEFAULT_DLFLAGS,
		cmds,
		params,
		tlsp_rpcs,
		tlsp_pvs,
		0,
		mod_init,
		child_init,
		destroy,
};

int mod_register(char *path, int *dlflags, void *p1, void *p2);

int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path;
	(void)dlflags;
	(void)p1;
	(void)p2;
	return tlsp_kemi_init();
}
