/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the daemon around us was told to do: its command line over its
 * configuration file, as it reads them itself (GLib options and key file).
 * Options that do not matter here are kept by name and looked at by no one.
 */
#ifndef TG_MOUNT_DAEMON_H
#define TG_MOUNT_DAEMON_H

#include "base/arena.h"
#include "base/addr.h"

struct tg_mnt_option {
	struct tg_mnt_option *next;
	struct tg_span name;  /* long name, without dashes */
	struct tg_span value; /* empty for a switch */
	bool from_file;
};

struct tg_mnt_daemon {
	struct tg_arena *arena;
	struct tg_mnt_option *first;
	bool only_prints;  /* --version, --help, --codecs: it serves nothing */
	const char *error; /* static: cannot be read, hence not judged */
};

/* argv: NUL-separated, as /proc/self/cmdline has it */
bool tg_mnt_daemon_args(
		struct tg_mnt_daemon *d, struct tg_arena *arena, struct tg_span argv);
/* A configuration file's text; section without brackets */
bool tg_mnt_daemon_file(
		struct tg_mnt_daemon *d, struct tg_span text, struct tg_span section);

/* NULL: not given. A value of the command line hides those of the file */
const struct tg_mnt_option *tg_mnt_daemon_get(
		const struct tg_mnt_daemon *d, const char *name);
/* The next one of the same name and origin, for options that repeat */
const struct tg_mnt_option *tg_mnt_daemon_next(const struct tg_mnt_option *o);
/* What the daemon takes when a single value is repeated */
const struct tg_mnt_option *tg_mnt_daemon_last(
		const struct tg_mnt_daemon *d, const char *name);
/* A switch: given, and not always "false", "no", "0" */
bool tg_mnt_daemon_on(const struct tg_mnt_daemon *d, const char *name);

/*
 * "[IP46|HOSTNAME:]PORT". family 0 in *addr: every address. False: it cannot
 * be read; a host name is looked up only when it is "localhost".
 */
bool tg_mnt_listener(struct tg_span s, struct tg_addr *addr, uint16_t *port);

#endif
