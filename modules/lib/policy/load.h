/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads a policy file into a snapshot: INI, [kind name] sections. Every
 * error of the file is reported in one go, with file:line:column.
 */
#ifndef TG_POLICY_LOAD_H
#define TG_POLICY_LOAD_H

#include "policy/policy.h"

struct tg_pol_host {
	struct tg_alloc alloc; /* holds the snapshot: shared memory in Kamailio */
	/*
	 * Reads a whole file into a block of scratch->get; false when it cannot
	 * (*error then says why, static or in scratch). max: octets to take.
	 */
	bool (*read_file)(void *ctx, const char *path, size_t max,
			struct tg_arena *scratch, struct tg_span *out, const char **error);
	void *ctx;
};

/* read_file over stdio, for every host that may read the disk */
bool tg_pol_read_file(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error);

#define TG_POL_FILE_OCTETS_MAX ((size_t)64 * 1024 * 1024)

/*
 * Loads path. Returns NULL when diags->errors grew; warnings alone do not
 * fail a load. Relative file names in the policy are taken from the policy
 * file's folder. The caller owns the result: tg_pol_free.
 * Whether the PEM inside a trust can be used is checked by judge/trust.h.
 */
struct tg_pol *tg_pol_load(const struct tg_pol_host *host, const char *path,
		struct tg_diags *diags);

/* As tg_pol_load from octets in memory; name is used in diagnostics */
struct tg_pol *tg_pol_load_text(const struct tg_pol_host *host,
		struct tg_span text, const char *name, struct tg_diags *diags);

void tg_pol_free(struct tg_pol *p); /* NULL is fine */

#endif
