/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions for scripts in Lua, Python and others:
 *
 *   KSR.tls_policy.check("route")   as tls_policy_check()
 *   KSR.tls_policy.reply()          as tls_policy_reply()
 */
#include "core/kemi.h"

#include "tls_policy/tlsp.h"

static int ki_check(sip_msg_t *msg, str *route)
{
	return tlsp_check_route(msg, tg_span_of(route->s, (size_t)route->len));
}

static int ki_reply(sip_msg_t *msg)
{
	return tlsp_reply(msg);
}

/* clang-format off */
static sr_kemi_t functions[] = {
	{ str_init("tls_policy"), str_init("check"),
		SR_KEMIP_INT, ki_check,
		{ SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init("tls_policy"), str_init("reply"),
		SR_KEMIP_INT, ki_reply,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ {0, 0}, {0, 0}, 0, NULL, { 0, 0, 0, 0, 0, 0 } }
};
/* clang-format on */

int tlsp_kemi_init(void)
{
	return sr_kemi_modules_add(functions);
}
