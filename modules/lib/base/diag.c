/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_OCTETS 512

void tg_diags_init(struct tg_diags *d, const struct tg_alloc *alloc)
{
	memset(d, 0, sizeof(*d));
	tg_arena_init(&d->arena, alloc, 0);
	d->last = &d->first;
}

void tg_diags_deinit(struct tg_diags *d)
{
	struct tg_alloc alloc = d->arena.alloc;

	tg_arena_deinit(&d->arena);
	tg_diags_init(d, &alloc);
}

static void escape_controls(char *s)
{
	for(; *s; s++) {
		if((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

void tg_diags_add(struct tg_diags *d, enum tg_severity severity,
		const struct tg_where *where, const char *fmt, ...)
{
	char text[TEXT_OCTETS];
	struct tg_diag *item = NULL;
	va_list ap;

	if(severity == TG_SEV_ERROR)
		d->errors++;
	else if(severity == TG_SEV_WARNING)
		d->warnings++;
	if(d->errors + d->warnings <= TG_DIAGS_MAX)
		item = tg_arena_get(&d->arena, sizeof(*item));
	if(!item) {
		d->dropped++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape_controls(text);
	item->severity = severity;
	item->text = tg_arena_dup(&d->arena, tg_span_cstr(text));
	if(where) {
		item->where = *where;
		item->where.file = tg_arena_dup(&d->arena, where->file);
	}
	*d->last = item;
	d->last = &item->next;
}

static bool stands_after(const struct tg_diag *a, const struct tg_diag *b)
{
	if(a->where.line != b->where.line)
		return a->where.line > b->where.line;
	return a->where.column > b->where.column;
}

static struct tg_diag *merge(struct tg_diag *a, struct tg_diag *b)
{
	struct tg_diag *first = NULL, **last = &first;

	while(a && b) {
		struct tg_diag **from = stands_after(a, b) ? &b : &a;

		*last = *from;
		*from = (*from)->next;
		last = &(*last)->next;
	}
	*last = a ? a : b;
	return first;
}

/* Stable; at most TG_DIAGS_MAX items, so that the depth is bounded */
static struct tg_diag *sorted(struct tg_diag *list)
{
	struct tg_diag *half = list, *end = list, *rest;

	if(!list || !list->next)
		return list;
	while(end->next && end->next->next) {
		half = half->next;
		end = end->next->next;
	}
	rest = half->next;
	half->next = NULL;
	return merge(sorted(list), sorted(rest));
}

void tg_diags_sort(struct tg_diags *d, struct tg_diag **from)
{
	*from = sorted(*from);
	while(*from)
		from = &(*from)->next;
	d->last = from;
}

size_t tg_diag_format(const struct tg_diag *d, char *out, size_t octets)
{
	static const char *const names[] = {"error", "warning", "note"};
	const struct tg_where *w = &d->where;
	int n;

	if(w->file.len && w->line && w->column)
		n = snprintf(out, octets, "%.*s:%u:%u: %s: %.*s", TG_SPAN_FMT(w->file),
				w->line, w->column, names[d->severity], TG_SPAN_FMT(d->text));
	else if(w->file.len && w->line)
		n = snprintf(out, octets, "%.*s:%u: %s: %.*s", TG_SPAN_FMT(w->file),
				w->line, names[d->severity], TG_SPAN_FMT(d->text));
	else if(w->file.len)
		n = snprintf(out, octets, "%.*s: %s: %.*s", TG_SPAN_FMT(w->file),
				names[d->severity], TG_SPAN_FMT(d->text));
	else
		n = snprintf(out, octets, "%s: %.*s", names[d->severity],
				TG_SPAN_FMT(d->text));
	return n < 0 ? 0 : (size_t)n;
}
