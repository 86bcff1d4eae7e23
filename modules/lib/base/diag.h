/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Diagnostics: what is wrong with an input and where, all of it at once.
 */
#ifndef TG_BASE_DIAG_H
#define TG_BASE_DIAG_H

#include "base/arena.h"

enum tg_severity { TG_SEV_ERROR = 0, TG_SEV_WARNING, TG_SEV_NOTE };

/* A place in an input; line and column count from 1, 0 is unknown */
struct tg_where {
	struct tg_span file;
	unsigned line;
	unsigned column;
};

struct tg_diag {
	struct tg_diag *next; /* in the order they were added */
	enum tg_severity severity;
	struct tg_where where;
	struct tg_span text; /* NUL behind it */
};

struct tg_diags {
	struct tg_arena arena; /* owns texts and file names */
	struct tg_diag *first;
	struct tg_diag **last;
	size_t errors;
	size_t warnings;
	size_t dropped; /* not kept: over the limit or out of memory */
};

#define TG_DIAGS_MAX 1000

void tg_diags_init(struct tg_diags *d, const struct tg_alloc *alloc);
void tg_diags_deinit(struct tg_diags *d);

/*
 * Adds one; where may be NULL. Control characters in the text are escaped.
 * An error is counted even when its text cannot be kept.
 */
void tg_diags_add(struct tg_diags *d, enum tg_severity severity,
		const struct tg_where *where, const char *fmt, ...)
		__attribute__((format(printf, 4, 5)));

/*
 * By line and column, what *from points at and all behind it (&d->first or an
 * earlier d->last): steps look at a file one after the other, a reader goes
 * line by line. Those of one place stay as they are.
 */
void tg_diags_sort(struct tg_diags *d, struct tg_diag **from);

/* "file:line:column: error: text" into out; the length snprintf would give */
size_t tg_diag_format(const struct tg_diag *d, char *out, size_t octets);

#endif
