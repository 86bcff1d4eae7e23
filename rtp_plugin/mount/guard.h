/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What would let media or control bypass the plugin: each is a reason not to
 * start. The daemon is judged by its own configuration, before it serves.
 */
#ifndef TG_MOUNT_GUARD_H
#define TG_MOUNT_GUARD_H

#include "base/diag.h"
#include "mount/conf.h"
#include "mount/daemon.h"

#define TG_MNT_NG_MAX 16

struct tg_mnt_ng {       /* an ng listener over UDP */
	struct tg_addr addr; /* family 0: every address */
	uint16_t port;
};

/* Adds one error for each reason to refuse; listeners go to ng[] */
void tg_mnt_guard(const struct tg_mnt_daemon *daemon,
		const struct tg_mnt_conf *conf, struct tg_diags *d,
		struct tg_mnt_ng ng[TG_MNT_NG_MAX], size_t *n_ng);

/* "Version: 10.5.3.5-1+deb12u1" as the daemon prints it */
bool tg_mnt_version_known(struct tg_span text);

/* A sender of ng: in the list, or a loopback address when there is none */
bool tg_mnt_ng_allowed(
		const struct tg_mnt_conf *conf, const struct tg_addr *from);

#endif
