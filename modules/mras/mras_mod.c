/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mras: media relay authentication in Kamailio. Tables and start; the files
 * beside this one do the work, lib/mras reads and writes.
 */
#include "core/dprint.h"
#include "core/mod_fix.h"
#include "core/sr_module.h"

#include "mras/mras.h"

MODULE_VERSION

struct tlsp_api mras_tlsp;

static int w_handle(struct sip_msg *msg, char *a, char *b)
{
	(void)a;
	(void)b;
	return mras_handle(msg);
}

static int w_credentials(struct sip_msg *msg, char *identity, char *location)
{
	str i, l;

	if(fixup_get_svalue(msg, (gparam_t *)identity, &i) != 0
			|| fixup_get_svalue(msg, (gparam_t *)location, &l) != 0)
		return -1;
	return mras_credentials(msg, tg_span_of(i.s, (size_t)i.len),
			tg_span_of(l.s, (size_t)l.len));
}

/* clang-format off */
static cmd_export_t cmds[] = {
	{"mras_handle", (cmd_function)w_handle, 0, 0, 0, REQUEST_ROUTE},
	{"mras_credentials", (cmd_function)w_credentials, 2, fixup_spve_spve,
		fixup_free_spve_spve, ANY_ROUTE},
	{0, 0, 0, 0, 0, 0}
};
/* clang-format on */

static int mod_init(void)
{
	if(tlsp_api_load(&mras_tlsp) < 0 || mras_stats_init() < 0
			|| mras_rate_init() < 0 || mras_secret_init() < 0
			|| mras_service_init() < 0)
		return -1;
	return 0;
}

static void destroy(void)
{
	mras_secret_destroy();
	mras_rate_destroy();
}

struct module_exports exports = {
		"mras",
		DEFAULT_DLFLAGS,
		cmds,
		NULL,
		mras_rpcs,
		mras_pvs,
		0,
		mod_init,
		0,
		destroy,
};

int mod_register(char *path, int *dlflags, void *p1, void *p2);

int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path;
	(void)dlflags;
	(void)p1;
	(void)p2;
	return mras_kemi_init();
}
