/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tls_policy gives to srtp_policy and mras: the snapshot, who a message
 * comes from, and a place in gate 4. Bound at mod_init through
 * tls_policy_bind(); all functions run in the worker that calls them.
 */
#ifndef TG_TLS_POLICY_API_H
#define TG_TLS_POLICY_API_H

#include "core/dprint.h"
#include "core/sr_module.h"

#include "policy/decide.h"

struct sip_msg;
struct dest_info;

#define TLSP_API_VERSION 2

/* The bytes that are about to leave and for whom */
struct tlsp_leaving {
	const struct tg_pol *policy;
	const struct tg_pol_egress *egress;   /* facts of the destination */
	const struct tg_pol_verdict *verdict; /* of gate 4: allowed so far */
	const struct dest_info *dst;          /* the destination itself */
	struct tg_span bytes;                 /* one whole SIP message */
};

/*
 * Judges what leaves after gate 4 allowed the destination. Sets *verdict to
 * deny; or may set *rewritten to other bytes (pkg memory, caller frees with
 * pkg_free) that leave instead. Never sends, never blocks.
 */
typedef void (*tlsp_leaving_fn)(const struct tlsp_leaving *what,
		struct tg_pol_verdict *verdict, struct tg_span *rewritten);

/*
 * The script put a message on a route that lets it pass. False: it cannot be
 * remembered, and the route is refused.
 */
typedef bool (*tlsp_route_fn)(
		struct sip_msg *msg, const struct tg_pol_route *route);

struct tlsp_api {
	unsigned version; /* TLSP_API_VERSION */

	/* The snapshot in force; every ref needs its unref in the same process */
	const struct tg_pol *(*ref)(void);
	void (*unref)(const struct tg_pol *p);

	/*
	 * Facts about where a received message came from; pointers into p and
	 * msg. 0, or -1 when they cannot be had (then deny).
	 */
	int (*source)(const struct tg_pol *p, struct sip_msg *msg,
			struct tg_pol_msg *out);

	/* Facts about a destination, as gate 4 will see it. 0 or -1 */
	int (*destination)(const struct tg_pol *p, const struct dest_info *dst,
			struct tg_pol_egress *out);

	/* The route name of the last tls_policy_check() on this message; or empty */
	struct tg_span (*route)(struct sip_msg *msg);

	/* In mod_init only; at most one. 0 or -1 */
	int (*on_leaving)(tlsp_leaving_fn fn);
	int (*on_route)(tlsp_route_fn fn);

	/* One log line and one counter for a decision; audit mode is applied */
	void (*report)(const struct tg_pol *p, const char *gate,
			const struct tg_pol_verdict *verdict, const char *detail);
};

/* find_export("tls_policy_bind") gives this; 0, or -1 before its own mod_init */
typedef int (*tlsp_bind_fn)(struct tlsp_api *api);

/* In mod_init of a module that builds on this one; 0, or -1 and a log line */
static inline int tlsp_api_load(struct tlsp_api *api)
{
	tlsp_bind_fn bind =
			(tlsp_bind_fn)(void (*)(void))find_export("tls_policy_bind", 0, 0);

	if(!bind || bind(api) < 0) {
		LM_ERR("tls_policy.so must be loaded before this module\n");
		return -1;
	}
	if(api->version != TLSP_API_VERSION) {
		LM_ERR("tls_policy.so is of another version\n");
		return -1;
	}
	return 0;
}

#endif
