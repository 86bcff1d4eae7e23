/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a policy has without saying so: TLS profiles, media profiles, limits.
 * doc/policy.md lists them; tests/golden keeps what tgctl prints of them.
 */
#ifndef TG_POLICY_BUILTIN_H
#define TG_POLICY_BUILTIN_H

#include "policy/policy.h"

enum tg_builtin_tls {
	TG_BUILTIN_TLS_SFB2019 = 0,
	TG_BUILTIN_TLS_SFB2015,
	TG_BUILTIN_TLS_BCP195,
	TG_BUILTIN_TLS_TEAMS,
	TG_BUILTIN_TLS_FIPS,
	TG_BUILTIN_TLS_COUNT
};

enum tg_builtin_media {
	TG_BUILTIN_MEDIA_NONE = 0,
	TG_BUILTIN_MEDIA_CLIENT,
	TG_BUILTIN_MEDIA_SERVER,
	TG_BUILTIN_MEDIA_GATEWAY,
	TG_BUILTIN_MEDIA_COUNT
};

extern const struct tg_pol_tls tg_builtin_tls[TG_BUILTIN_TLS_COUNT];
extern const struct tg_pol_limits tg_builtin_limits;

/* Media profiles depend on the policy's profile (A13) */
void tg_builtin_media_get(enum tg_builtin_media which,
		enum tg_pol_profile profile, struct tg_pol_media *out);

/* The TLS profile of peers and clients that name none */
enum tg_builtin_tls tg_builtin_tls_default(enum tg_pol_profile profile);

#endif
