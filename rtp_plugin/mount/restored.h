/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls that the daemon restores from Redis, at its start or as a standby
 * node that hears of them by keyspace notifications. Keys are never in Redis,
 * so a call with a secured leg cannot go on: its sockets carry nothing from
 * the moment they are bound, and the call is deleted, with a reason. One of
 * another node's database is closed here and left to that node: a delete
 * would take it out of Redis there.
 *
 *	GET call-id ---> [tg_mnt_restored_read] ---> what this thread restores
 *	bind, bind ... -> [tg_mnt_restored_bound] --> marked: HELD, and deleted
 *	                                              not marked: PLAIN
 *	                                              not read: HELD
 *
 * A secured call is known by its mark: the daemon is given TG_NGX_MARK as the
 * label of each side of it, and keeps labels in Redis with the ports.
 *
 * What it does not do: bring media of a secured call back.
 */
#ifndef TG_MOUNT_RESTORED_H
#define TG_MOUNT_RESTORED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/span.h"

struct tg_mnt_restored_counters {
	atomic_uint_fast64_t secured; /* restored, and had a secured leg */
	atomic_uint_fast64_t deleted; /* of these: the daemon has let go */
	atomic_uint_fast64_t plain;   /* restored, and pass as in a stock daemon */
	atomic_uint_fast64_t unknown; /* sockets of nobody knows what: closed */
};
extern struct tg_mnt_restored_counters tg_mnt_restored;

/* The calling thread has read what Redis keeps of this call */
void tg_mnt_restored_read(struct tg_span call_id, struct tg_span text);
/* ... or something that cannot be told: what it binds next stays closed */
void tg_mnt_restored_forget(void);

/* A media socket that no ng request asked for. False: the bind must fail */
bool tg_mnt_restored_bound(int fd, const struct tg_addr *addr, uint16_t port);

/* Starts the thread that deletes them. Once the daemon has forked */
bool tg_mnt_restored_start(void);

/* Is this the sender of our own delete requests? */
bool tg_mnt_restored_is_me(const struct tg_addr *from, uint16_t port);

#endif
