/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The workshop in which a file becomes a snapshot: what load.c, schema.c,
 * value.c, rules.c and overlap.c share. It dies when the load ends.
 */
#ifndef TG_POLICY_BUILD_H
#define TG_POLICY_BUILD_H

#include "policy/ini.h"
#include "policy/load.h"
#include "policy/snapshot.h"

enum tg_kind {
	TG_KIND_POLICY = 0,
	TG_KIND_TRUST,
	TG_KIND_TLS,
	TG_KIND_MEDIA,
	TG_KIND_PEER,
	TG_KIND_CLIENTS,
	TG_KIND_ROUTE,
	TG_KIND_RELAY,
	TG_KIND_MRAS,
	TG_KINDS
};

/* One section beside the object that it became */
struct tg_made {
	const struct tg_ini_section *section;
	uint32_t set;  /* 1 << index of key in the kind's table */
	bool overlaps; /* reported already: once is enough */
};

/* Bump allocation without the arena's alignment: many small things stay small */
struct tg_pool {
	struct tg_arena *arena;
	char *at;
	size_t left;
};

/* Equal strings become one. Open addressing over strings in the pool */
struct tg_intern {
	struct tg_span *slot;
	size_t size; /* power of two, or 0 */
	size_t n;
};

struct tg_build {
	const struct tg_pol_host *host;
	struct tg_diags *diags;
	struct tg_ini ini;
	struct tg_span path;     /* of the policy file, as given */
	struct tg_arena scratch; /* tables that go away */
	struct tg_pool pool;     /* in the snapshot */
	struct tg_intern strings;
	struct tg_pol *pol; /* being filled */
	struct tg_made *made[TG_KINDS];
	size_t n_made[TG_KINDS];
	struct tg_pol_labels label[TG_KINDS];
	uint64_t digest;
	uint64_t session_digest; /* without CRLs */
	bool no_memory;
};

/* NULL sets no_memory */
void *tg_build_get(struct tg_build *b, size_t octets, size_t align);
/* With a NUL behind it; an empty span when memory is out */
struct tg_span tg_build_string(struct tg_build *b, struct tg_span s);

void tg_build_error(struct tg_build *b, const char *at, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
void tg_build_warning(struct tg_build *b, const char *at, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));

/* Places for diagnostics: the key's name or value; else the section's head */
const char *tg_made_key_at(const struct tg_made *m, const char *key);
const char *tg_made_value_at(const struct tg_made *m, const char *key);

/* Mixes what the snapshot is made of into its digests; lasting: both */
void tg_build_digest(struct tg_build *b, struct tg_span s, bool lasting);
/* Nothing is mixed in after it */
void tg_build_digest_end(struct tg_build *b);

#endif
