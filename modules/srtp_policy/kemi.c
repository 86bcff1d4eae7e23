/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions for scripts in Lua, Python and others:
 *
 *   KSR.srtp_policy.check()            as srtp_policy_check()
 *   KSR.srtp_policy.flags("$var(x)")   as srtp_policy_flags("$var(x)");
 *                                      KSR.pv.get("$srtpp(flags)") gives the
 *                                      same
 */
#include "core/kemi.h"

#include "srtp_policy/srtpp.h"

static int ki_check(sip_msg_t *msg)
{
	return srtpp_check(msg);
}

static int ki_flags(sip_msg_t *msg, str *name)
{
	pv_spec_t *pv = pv_cache_get(name);

	return pv ? srtpp_flags_into(msg, pv) : -1;
}

/* clang-format off */
static sr_kemi_t functions[] = {
	{ str_init("srtp_policy"), str_init("check"),
		SR_KEMIP_INT, ki_check,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init("srtp_policy"), str_init("flags"),
		SR_KEMIP_INT, ki_flags,
		{ SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ {0, 0}, {0, 0}, 0, NULL, { 0, 0, 0, 0, 0, 0 } }
};
/* clang-format on */

int srtpp_kemi_init(void)
{
	return sr_kemi_modules_add(functions);
}
