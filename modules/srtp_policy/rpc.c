/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   srtp_policy.status     the policy in force, what was secured and refused
 *   srtp_policy.calls [n]  what is remembered of calls, n sides at most
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

/* ---- calls --------------------------------------------------------------------- */

#define CALLS_SHOWN 100

struct listing {
	rpc_t *rpc;
	void *ctx;
	int left;
};

static void add_text(
		rpc_t *rpc, void *at, const char *name, struct tg_span text)
{
	str s = {(char *)text.ptr, (int)text.len};

	rpc->struct_add(at, "S", name, &s);
}

static bool show_side(const struct srtpp_side *side, void *arg)
{
	struct listing *l = arg;
	struct tg_span routes = side->routes;
	void *at;

	if(l->left-- <= 0 || l->rpc->add(l->ctx, "{", &at) < 0)
		return false;
	add_text(l->rpc, at, "call_id", side->call_id);
	add_text(l->rpc, at, "tag", side->own_tag);
	add_text(l->rpc, at, "other_tag", side->other_tag);
	l->rpc->struct_add(at, "ddd", "secured_lines",
			__builtin_popcount(side->lines), "waits_for_ack",
			(int)side->waits_for_ack, "idle_sec", (int)side->idle_sec);
	while(routes.len)
		add_text(l->rpc, at, "route", tg_span_cut(&routes, '\n'));
	return true;
}

static void rpc_calls(rpc_t *rpc, void *ctx)
{
	struct listing l = {rpc, ctx, CALLS_SHOWN};
	int n;

	if(rpc->scan(ctx, "*d", &n) == 1)
		l.left = n;
	srtpp_calls_walk(show_side, &l);
}

static const char *calls_doc[] = {
		"What is remembered of calls: secured lines, routes; at most 100, or n",
		0};
static const char *status_doc[] = {
		"What srtp_policy secured and refused since the start", 0};

rpc_export_t srtpp_rpcs[] = {
		{"srtp_policy.status", rpc_status, status_doc, 0},
		{"srtp_policy.calls", rpc_calls, calls_doc, RET_ARRAY},
		{0, 0, 0, 0},
};
