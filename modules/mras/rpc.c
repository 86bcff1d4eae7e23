/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   mras.reload   reads the secret file that the policy names again
 *   mras.status   relays, limits, what was issued and refused; no secrets
 */
#include "core/dprint.h"

#include "mras/mras.h"

static void rpc_reload(rpc_t *rpc, void *ctx)
{
	if(mras_secret_reload())
		rpc->rpl_printf(ctx, "the secret was read");
	else
		rpc->fault(ctx, 500, "the old secret stays: see the log");
}

static void rpc_status(rpc_t *rpc, void *ctx)
{
	const struct tg_pol *p = mras_tlsp.ref();
	const struct tg_pol_mras *rule = tg_pol_mras(p);
	void *at;

	if(rpc->add(ctx, "{", &at) >= 0) {
		rpc->struct_add(at, "sddd", "policy", tg_pol_digest(p), "relays",
				(int)tg_pol_relay_count(p), "max_duration_sec",
				rule ? (int)rule->max_duration_sec : 0, "requests_per_min",
				rule ? (int)rule->requests_per_min : 0);
		for(int s = TG_MRAS_OK; s <= TG_MRAS_INTERNAL; s++)
			rpc->struct_add(at, "d", tg_mras_phrase((enum tg_mras_status)s),
					(int)mras_counted((enum tg_mras_status)s));
	}
	mras_tlsp.unref(p);
}

static const char *reload_doc[] = {"Reads the secret file again", 0};
static const char *status_doc[] = {
		"Relays, limits, and what was issued and refused", 0};

rpc_export_t mras_rpcs[] = {
		{"mras.reload", rpc_reload, reload_doc, 0},
		{"mras.status", rpc_status, status_doc, 0},
		{0, 0, 0, 0},
};
