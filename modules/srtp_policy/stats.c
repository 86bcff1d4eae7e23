/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counters for Kamailio's statistics, group srtp_policy: lines by how they
 * left, and one counter per reason of a refusal.
 */
#include "core/dprint.h"

#include "srtp_policy/srtpp.h"

#define NAME_OCTETS 64

static const char *const count_names[SRTPP_COUNTS] = {
		[SRTPP_SECURED] = "lines_secured",
		[SRTPP_CLEAR] = "lines_clear",
		[SRTPP_SUPPORTED] = "clear_under_supported",
		[SRTPP_AUDITED] = "audited",
		[SRTPP_TOKENS] = "tokens",
		[SRTPP_ENDED] = "calls_ended",
};
/* What this module refuses for */
static const enum tg_reason reasons[] = {TG_REASON_MEDIA_CLEAR,
		TG_REASON_MEDIA_KEYING, TG_REASON_MEDIA_SUITE,
		TG_REASON_MEDIA_KEYS_EXPOSED, TG_REASON_MEDIA_DOWNGRADE,
		TG_REASON_MEDIA_UNPROVEN, TG_REASON_MEDIA_TYPE, TG_REASON_SDP_MALFORMED,
		TG_REASON_ENGINE_ABSENT, TG_REASON_INTERNAL};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

static stat_var *counts[SRTPP_COUNTS];
static stat_var *refused[N_REASONS];
static char names[N_REASONS][NAME_OCTETS];

static int add(const char *name, stat_var **var)
{
	if(register_stat("srtp_policy", (char *)name, var, 0) == 0)
		return 0;
	LM_ERR("cannot register the counter %s\n", name);
	return -1;
}

int srtpp_stats_init(void)
{
	for(size_t i = 0; i < SRTPP_COUNTS; i++) {
		if(add(count_names[i], &counts[i]) < 0)
			return -1;
	}
	for(size_t i = 0; i < N_REASONS; i++) {
		snprintf(names[i], NAME_OCTETS, "refused_%s",
				tg_reason_get(reasons[i])->id);
		for(char *c = names[i]; *c; c++) {
			if(*c == '-')
				*c = '_';
		}
		if(add(names[i], &refused[i]) < 0)
			return -1;
	}
	return 0;
}

static stat_var *refused_by(enum tg_reason reason)
{
	for(size_t i = 0; i < N_REASONS; i++) {
		if(reasons[i] == reason)
			return refused[i];
	}
	return refused[N_REASONS - 1];
}

void srtpp_stats_add(enum srtpp_count what, int n)
{
	update_stat(counts[what], n);
}

void srtpp_stats_refused(enum tg_reason reason)
{
	update_stat(refused_by(reason), 1);
}

unsigned long srtpp_stats_get(enum srtpp_count what)
{
	return get_stat_val(counts[what]);
}

unsigned long srtpp_stats_get_refused(enum tg_reason reason)
{
	return get_stat_val(refused_by(reason));
}
