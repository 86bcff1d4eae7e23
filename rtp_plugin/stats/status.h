/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the plugin tells about itself: a local stream socket that answers one
 * line ("status" or "metrics") with text and closes, or does what it says
 * ("reload": the trust in peers' certificates), and a file in
 * Prometheus' text format that is replaced every ten seconds. Never keys,
 * never whole descriptions. One thread does this, and the timers of key
 * exchanges besides.
 */
#ifndef TG_STATS_STATUS_H
#define TG_STATS_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum tg_sta_restored {           /* from Redis, since the start */
	TG_STA_RESTORED_SECURED = 0, /* calls that had a secured leg */
	TG_STA_RESTORED_DELETED,     /* of these, torn down */
	TG_STA_RESTORED_PLAIN,       /* calls that go on */
	TG_STA_RESTORED_UNKNOWN,     /* sockets that stay closed */
	TG_STA_RESTORED_COUNT
};

struct tg_sta_host {
	int fd;              /* listening socket; -1 none */
	const char *metrics; /* path; NULL none */
	const char *daemon_version;
	unsigned long long (*strangers)(void); /* ng datagrams dropped */
	/* Reads again what may change, and tells of it in one line or more */
	void (*reload)(FILE *answer);
	void (*restored)(uint64_t out[TG_STA_RESTORED_COUNT]); /* NULL: no Redis */
};

/* Starts the thread; host is borrowed for good. False: it cannot be had */
bool tg_sta_start(const struct tg_sta_host *host);

/* The two texts; tg_sta_start's host need not be there */
void tg_sta_write_status(FILE *f, const struct tg_sta_host *host);
void tg_sta_write_metrics(FILE *f, const struct tg_sta_host *host);

#endif
