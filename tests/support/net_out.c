/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A module for Kamailio that looks at nothing: it only asks to be shown what
 * leaves, for which the core copies each message. The bench tells by it which
 * part of the cost of tls_policy is the core's.
 */
#include "core/events.h"
#include "core/sr_module.h"

MODULE_VERSION

static int on_net_out(sr_event_param_t *evp)
{
	(void)evp;
	return 0;
}

static int mod_init(void)
{
	return sr_event_register_cb(SREV_NET_DATA_OUT, on_net_out);
}

struct module_exports exports = {
		"net_out", DEFAULT_DLFLAGS, 0, 0, 0, 0, 0, mod_init, 0, 0};
