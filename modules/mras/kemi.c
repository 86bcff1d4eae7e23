/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions for scripts in Lua, Python and others: KSR.mras.handle(),
 * KSR.mras.credentials(identity, location).
 */
#include "core/kemi.h"

#include "mras/mras.h"

static int ki_handle(sip_msg_t *msg)
{
	return mras_handle(msg);
}

static int ki_credentials(sip_msg_t *msg, str *identity, str *location)
{
	return mras_credentials(msg, tg_span_of(identity->s, (size_t)identity->len),
			tg_span_of(location->s, (size_t)location->len));
}

/* clang-format off */
static sr_kemi_t functions[] = {
	{ str_init("mras"), str_init("handle"),
		SR_KEMIP_INT, ki_handle,
		{ SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ str_init("mras"), str_init("credentials"),
		SR_KEMIP_INT, ki_credentials,
		{ SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_NONE,
			SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE }
	},
	{ {0, 0}, {0, 0}, 0, NULL, { 0, 0, 0, 0, 0, 0 } }
};
/* clang-format on */

int mras_kemi_init(void)
{
	return sr_kemi_modules_add(functions);
}
