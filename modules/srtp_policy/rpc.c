/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   srtp_policy.status   the policy in force, what was secured and refused
 */
#include "core/dprint.h"

#include "srtp_policy/srtpp.h"

static void rpc_status(rpc_t *rpc, void *ctx)
{
	const struct tg_pol *p = srtpp_tlsp.ref();
	void *at;

	if(rpc->add(ctx, "{", &at) < 0) {
		srtpp_tlsp.unref(p);
		return;
	}
	rpc->struct_add(at, "ssdddddddd", "policy", tg_pol_digest(p), "mode",
			tg_pol_mode_name(tg_pol_global_mode(p)), "lines_secured",
			(int)srtpp_stats_get(SRTPP_SECURED), "lines_clear",
			(int)srtpp_stats_get(SRTPP_CLEAR), "clear_under_supported",
			(int)srtpp_stats_get(SRTPP_SUPPORTED), "audited",
			(int)srtpp_stats_get(SRTPP_AUDITED), "tokens",
			(int)srtpp_stats_get(SRTPP_TOKENS), "calls_ended",
			(int)srtpp_stats_get(SRTPP_ENDED), "token_lifetime_sec",
			srtpp_params.token_lifetime_sec, "sides_remembered",
			(int)srtpp_calls_count());
	for(int i = TG_REASON_NONE + 1; i < TG_REASON_COUNT; i++) {
		enum tg_reason reason = (enum tg_reason)i;

		if(reason >= TG_REASON_MEDIA_CLEAR && reason <= TG_REASON_INTERNAL)
			rpc->struct_add(at, "d", tg_reason_get(reason)->id,
					(int)srtpp_stats_get_refused(reason));
	}
	srtpp_tlsp.unref(p);
}

static const char *status_doc[] = {
		"What srtp_policy secured and refused since the start", 0};

rpc_export_t srtpp_rpcs[] = {
		{"srtp_policy.status", rpc_status, status_doc, 0},
		{0, 0, 0, 0},
};
