/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mounted plugin: what start.c found out and interpose.c uses.
 *
 * start.c's constructor runs before the daemon's main(): it decides whether
 * this process is the daemon at all, judges its configuration and refuses or
 * mounts. What needs threads or a random state of its own waits until the
 * daemon has forked into the background: the first epoll_wait.
 */
#ifndef TG_MOUNT_MOUNT_H
#define TG_MOUNT_MOUNT_H

#include <stdatomic.h>

#include "mount/conf.h"
#include "mount/guard.h"
#include "ng/exchange.h"

struct tg_mnt {
	struct tg_mnt_conf conf;
	struct tg_mnt_ng ng[TG_MNT_NG_MAX];
	size_t n_ng;
	struct tg_mnt_daemon daemon;
	struct tg_ng_key key; /* of host */
	struct tg_ngx_host host;
	struct tg_key_host keying;
	bool log_stderr;
	int status_fd;        /* listening; -1 none */
	char status_new[108]; /* its path until it serves: sun_path */
	char version[64];     /* of the daemon */
	bool hold_unknown;    /* Redis: media sockets bound without a request */
	long redis_db;        /* where the daemon keeps its own calls; -2 none */
	uint16_t port_min, port_max;       /* of media */
	atomic_uint_fast64_t ng_strangers; /* datagrams of senders not allowed */
};

/* NULL: not mounted, every function is libc's own */
extern struct tg_mnt *tg_mnt;

/* Before the daemon serves, after it has forked. Cheap when done */
void tg_mnt_late(void);

void tg_mnt_log(int priority, const char *text);

/* Advertised addresses of the daemon's interfaces (IP!ADVERTISED) */
bool tg_mnt_advertised(
		void *ctx, const struct tg_addr *shown, struct tg_addr *bound);

#endif
