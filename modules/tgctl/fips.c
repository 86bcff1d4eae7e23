/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl fips: what a daemon started with this environment would find. With it
 * `check` judges a policy as such a daemon does.
 */
#include "tgctl.h"

#include "fips/fips.h"

int tg_ctl_fips(int argc, char **argv)
{
	bool active = tg_fips_active();
	char provider[96];

	(void)argv;
	if(argc != 1)
		return tg_ctl_usage("fips");
	tg_fips_describe(provider, sizeof(provider));
	printf("fips: %s\n", active ? "active" : "inactive");
	printf("provider: %s\n", *provider ? provider : "none");
	return active ? TG_CTL_OK : TG_CTL_REFUSED;
}
