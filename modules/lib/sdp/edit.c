/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edits of a session description. They hang on the line they concern and are
 * played in one pass; what no edit touches is copied as it stands, line ends
 * included. Text that would open a line of its own is refused.
 */
#include "sdp/internal.h"

struct replacement {
	struct replacement *next; /* by place in the line */
	struct tg_span part;      /* in the input */
	struct tg_span with;
};

struct addition {
	struct addition *next;
	struct tg_span text;
};

struct line_edit {
	bool drop;
	struct replacement *replace;
	struct addition *add;
};

struct tg_sdp_edit {
	const struct tg_sdp *sdp;
	struct tg_arena *arena;
	struct line_edit *line; /* one for each line */
	struct tg_span eol;     /* for lines that are added */
};

struct tg_sdp_edit *tg_sdp_edit_new(
		const struct tg_sdp *sdp, struct tg_arena *arena)
{
	struct tg_sdp_edit *e = tg_arena_get(arena, sizeof(*e));

	if(!e)
		return NULL;
	e->sdp = sdp;
	e->arena = arena;
	e->eol = TG_SPAN("\r\n");
	if(sdp->n_lines && sdp->line[0].end_octets == 1)
		e->eol = TG_SPAN("\n");
	if(sdp->n_lines) {
		e->line = tg_arena_array(arena, sdp->n_lines, sizeof(*e->line));
		if(!e->line)
			return NULL;
	}
	return e;
}

static bool one_line(struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		if(s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == 0)
			return false;
	}
	return true;
}

bool tg_sdp_edit_drop(struct tg_sdp_edit *e, uint32_t line)
{
	if(line >= e->sdp->n_lines)
		return false;
	e->line[line].drop = true;
	return true;
}

static size_t offset(const struct tg_sdp *sdp, const char *at)
{
	return (size_t)(at - sdp->text.ptr);
}

/* The line that part lies in, n_lines when there is none */
static size_t line_of(const struct tg_sdp *sdp, struct tg_span part)
{
	uintptr_t at = (uintptr_t)part.ptr;
	uintptr_t from = (uintptr_t)sdp->text.ptr;

	if(!part.ptr || at < from || at - from > sdp->text.len
			|| part.len > sdp->text.len - (at - from))
		return sdp->n_lines;
	for(size_t i = 0; i < sdp->n_lines; i++) {
		size_t start = offset(sdp, sdp->line[i].text.ptr);
		size_t end = start + sdp->line[i].text.len;

		if(at - from >= start && at - from + part.len <= end)
			return i;
	}
	return sdp->n_lines;
}

/* Insertions go before a replacement at their place, in their own order */
static bool goes_before(struct tg_span a, struct tg_span b)
{
	return a.ptr < b.ptr || (a.ptr == b.ptr && a.len == 0 && b.len > 0);
}

static bool overlap(struct tg_span a, struct tg_span b)
{
	return a.ptr < b.ptr + b.len && b.ptr < a.ptr + a.len;
}

bool tg_sdp_edit_replace(
		struct tg_sdp_edit *e, struct tg_span part, struct tg_span with)
{
	size_t line = line_of(e->sdp, part);
	struct replacement **at, *r;

	if(line == e->sdp->n_lines || !one_line(with))
		return false;
	for(at = &e->line[line].replace; *at; at = &(*at)->next) {
		if(overlap((*at)->part, part))
			return false;
	}
	for(at = &e->line[line].replace; *at && !goes_before(part, (*at)->part);)
		at = &(*at)->next;
	r = tg_arena_get(e->arena, sizeof(*r));
	if(!r)
		return false;
	r->part = part;
	r->with = tg_arena_dup(e->arena, with);
	r->next = *at;
	if(!r->with.ptr)
		return false;
	*at = r;
	return true;
}

bool tg_sdp_edit_add_after(
		struct tg_sdp_edit *e, uint32_t line, struct tg_span text)
{
	struct addition **last, *a;

	if(line >= e->sdp->n_lines || text.len == 0 || !one_line(text))
		return false;
	for(last = &e->line[line].add; *last; last = &(*last)->next)
		;
	a = tg_arena_get(e->arena, sizeof(*a));
	if(!a)
		return false;
	a->text = tg_arena_dup(e->arena, text);
	if(!a->text.ptr)
		return false;
	*last = a;
	return true;
}

/* ---- playing them: one pass counts (buffer NULL), the next writes --------- */

struct writer {
	char *buffer;
	size_t used;
};

static void put(struct writer *w, struct tg_span s)
{
	if(w->buffer && s.len)
		memcpy(w->buffer + w->used, s.ptr, s.len);
	w->used += s.len;
}

static void put_text(
		struct writer *w, struct tg_span text, const struct replacement *r)
{
	const char *at = text.ptr;

	for(; r; r = r->next) {
		put(w, tg_span_of(at, (size_t)(r->part.ptr - at)));
		put(w, r->with);
		at = r->part.ptr + r->part.len;
	}
	put(w, tg_span_of(at, (size_t)(text.ptr + text.len - at)));
}

static void put_line(struct writer *w, const struct tg_sdp_edit *e,
		const struct tg_sdp_line *line, const struct line_edit *edit)
{
	bool first = edit->drop;

	if(!edit->drop)
		put_text(w, line->text, edit->replace);
	for(const struct addition *a = edit->add; a; a = a->next) {
		if(!first)
			put(w, e->eol);
		first = false;
		put(w, a->text);
	}
	if(!edit->drop || edit->add)
		put(w, tg_span_of(line->text.ptr + line->text.len, line->end_octets));
}

/* Lines that follow each other and have no edit are copied in one piece */
static void put_all(struct writer *w, const struct tg_sdp_edit *e)
{
	const struct tg_sdp *sdp = e->sdp;
	const char *at = sdp->text.ptr;

	for(size_t i = 0; i < sdp->n_lines; i++) {
		const struct tg_sdp_line *line = &sdp->line[i];
		const struct line_edit *edit = &e->line[i];

		if(!edit->drop && !edit->replace && !edit->add)
			continue;
		put(w, tg_span_of(at, (size_t)(line->text.ptr - at)));
		put_line(w, e, line, edit);
		at = line->text.ptr + line->text.len + line->end_octets;
	}
	put(w, tg_span_of(at, sdp->text.len - offset(sdp, at)));
}

struct tg_span tg_sdp_edit_apply(struct tg_sdp_edit *e)
{
	struct writer w = {NULL, 0};
	size_t octets;

	put_all(&w, e);
	octets = w.used;
	w = (struct writer){tg_arena_get(e->arena, octets + 1), 0};
	if(!w.buffer)
		return tg_span_of(NULL, 0);
	put_all(&w, e);
	return tg_span_of(w.buffer, octets);
}
