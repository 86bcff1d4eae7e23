/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads the outer form of a policy file: sections, keys, values, comments.
 * It knows no key by name; policy/schema.h does.
 *
 *   # comment                       ; comment
 *   [kind name]                     [kind]
 *   key = value, "quoted, value"    # comment after a blank
 */
#ifndef TG_POLICY_INI_H
#define TG_POLICY_INI_H

#include "base/diag.h"

struct tg_ini_entry {
	struct tg_ini_entry *next;
	struct tg_span key;
	struct tg_span value; /* trimmed, without comment, quotes kept; may be empty
		after an error */
};

struct tg_ini_section {
	struct tg_ini_section *next;
	struct tg_span kind;
	struct tg_span name; /* may be empty */
	struct tg_ini_entry *first;
	struct tg_ini_entry **last;
};

/* Spans point into text; the rest lives in the arena given to tg_ini_read */
struct tg_ini {
	struct tg_span file;
	struct tg_span text;
	const char **line; /* where each line starts */
	size_t n_lines;
	struct tg_ini_section *first;
};

/* Every error of form goes to diags. False only when memory is out */
bool tg_ini_read(struct tg_span text, struct tg_span file,
		struct tg_arena *arena, struct tg_diags *diags, struct tg_ini *out)
		__attribute__((warn_unused_result));

/* Line and column of a place in text; unknown for a pointer outside of it */
struct tg_where tg_ini_where(const struct tg_ini *ini, const char *at);

#define TG_INI_NAME_OCTETS_MAX 64

#endif
