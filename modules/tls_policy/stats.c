/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counters for Kamailio's statistics: what was allowed at a handshake, what
 * audit mode let pass, and one counter per reason of a refusal. Kamailio takes
 * new counters only before it forks.
 */
#include "core/counters.h"
#include "core/dprint.h"

#include "tls_policy/tlsp.h"

#define NAME_OCTETS 64

static stat_var *allowed;
static stat_var *audited;
static stat_var *closed;
static stat_var *resumed;
static stat_var *crl[3];  /* by event */
static stat_var *ocsp[4]; /* by event */
static stat_var *refused[TG_REASON_COUNT];
static char names[TG_REASON_COUNT][NAME_OCTETS];

static int add(char *name, stat_var **var)
{
	if(register_stat("tls_policy", name, var, 0) == 0)
		return 0;
	LM_ERR("cannot register the counter %s\n", name);
	return -1;
}

/* "cert-name" is counted as refused_cert_name */
static void make_name(enum tg_reason reason)
{
	char *name = names[reason];

	snprintf(name, NAME_OCTETS, "refused_%s", tg_reason_get(reason)->id);
	for(; *name; name++) {
		if(*name == '-')
			*name = '_';
	}
}

int tlsp_stats_init(void)
{
	if(add("allowed_handshakes", &allowed) < 0 || add("audited", &audited) < 0
			|| add("closed", &closed) < 0 || add("resumed", &resumed) < 0
			|| add("crl_taken", &crl[TLSP_CRL_TAKEN]) < 0
			|| add("crl_refused", &crl[TLSP_CRL_REFUSED]) < 0
			|| add("crl_stale", &crl[TLSP_CRL_STALE]) < 0
			|| add("ocsp_taken", &ocsp[TLSP_OCSP_TAKEN]) < 0
			|| add("ocsp_failed", &ocsp[TLSP_OCSP_FAILED]) < 0
			|| add("ocsp_held", &ocsp[TLSP_OCSP_HELD]) < 0
			|| add("ocsp_unproven", &ocsp[TLSP_OCSP_UNPROVEN]) < 0)
		return -1;
	if(register_stat("tls_policy", "own_certificate_days",
			   (stat_var **)tlsp_own_days, STAT_IS_FUNC)
			!= 0) {
		LM_ERR("cannot register the statistic own_certificate_days\n");
		return -1;
	}
	for(int i = TG_REASON_NONE + 1; i < TG_REASON_COUNT; i++) {
		make_name((enum tg_reason)i);
		if(add(names[i], &refused[i]) < 0)
			return -1;
	}
	return 0;
}

void tlsp_stats_count(const struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_ALLOW) {
		if(v->reason > TG_REASON_NONE && v->reason < TG_REASON_COUNT)
			update_stat(refused[v->reason], 1);
	} else if(v->audited) {
		update_stat(audited, 1);
	} else {
		update_stat(allowed, 1);
	}
}

void tlsp_stats_count_closed(void)
{
	update_stat(closed, 1);
}

void tlsp_stats_count_resumed(void)
{
	update_stat(resumed, 1);
}

void tlsp_stats_count_crl(enum tlsp_crl_event event)
{
	update_stat(crl[event], 1);
}

void tlsp_stats_count_ocsp(enum tlsp_ocsp_event event)
{
	update_stat(ocsp[event], 1);
}
