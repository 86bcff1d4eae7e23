/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counters for Kamailio's statistics, group mras: what was issued, and what
 * was refused by its reasonPhrase.
 */
#include "core/counters.h"
#include "core/dprint.h"

#include "mras/mras.h"

static struct {
	char *name;
	stat_var *var;
} counters[] = {
		[TG_MRAS_OK] = {"issued", NULL},
		[TG_MRAS_MALFORMED] = {"refused_malformed", NULL},
		[TG_MRAS_TOO_LARGE] = {"refused_too_large", NULL},
		[TG_MRAS_UNSUPPORTED] = {"refused_unsupported", NULL},
		[TG_MRAS_FORBIDDEN] = {"refused_forbidden", NULL},
		[TG_MRAS_BUSY] = {"refused_busy", NULL},
		[TG_MRAS_INTERNAL] = {"refused_internal", NULL},
};

int mras_stats_init(void)
{
	for(size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		if(register_stat("mras", counters[i].name, &counters[i].var, 0) != 0) {
			LM_ERR("cannot register the counter %s\n", counters[i].name);
			return -1;
		}
	return 0;
}

void mras_count(enum tg_mras_status s)
{
	update_stat(counters[s].var, 1);
}

unsigned long mras_counted(enum tg_mras_status s)
{
	return get_stat_val(counters[s].var);
}
