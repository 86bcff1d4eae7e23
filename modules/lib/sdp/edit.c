/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edits of a session description: collected per line, applied in one pass.
 * Octets that no edit names come out as they went in.
 */
#include "sdp/sdp.h"

enum op { OP_DROP, OP_REPLACE, OP_ADD };

struct edit {
	struct edit *next;
	enum op op;
	uint32_t line;
	struct tg_span part; /* OP_REPLACE: what goes */
	struct tg_span with; /* OP_REPLACE, OP_ADD: what comes */
};

struct tg_sdp_edit {
	const struct tg_sdp *sdp;
	struct tg_arena *arena;
	struct edit *first;
	struct edit **last;
};

struct tg_sdp_edit *tg_sdp_edit_new(
		const struct tg_sdp *sdp, struct tg_arena *arena)
{
	struct tg_sdp_edit *e = tg_arena_get(arena, sizeof(*e));

	if(!e)
		return NULL;
	e->sdp = sdp;
	e->arena = arena;
	e->last = &e->first;
	return e;
}

/* Replacements of a line are kept in the order of their places */
static bool remember(struct tg_sdp_edit *e, const struct edit *what)
{
	struct edit **at = &e->first;
	struct edit *item;

	if(what->line >= e->sdp->n_lines)
		return false;
	item = tg_arena_get(e->arena, sizeof(*item));
	if(!item)
		return false;
	*item = *what;
	if(what->op != OP_REPLACE) {
		*e->last = item;
		e->last = &item->next;
		return true;
	}
	while(*at
			&& !((*at)->op == OP_REPLACE && (*at)->part.ptr > what->part.ptr))
		at = &(*at)->next;
	item->next = *at;
	*at = item;
	if(!item->next)
		e->last = &item->next;
	return true;
}

bool tg_sdp_edit_drop(struct tg_sdp_edit *e, uint32_t line)
{
	return remember(e, &(struct edit){.op = OP_DROP, .line = line});
}

static bool overlaps(const struct tg_sdp_edit *e, struct tg_span part)
{
	for(const struct edit *i = e->first; i; i = i->next) {
		if(i->op == OP_REPLACE && part.ptr < i->part.ptr + i->part.len
				&& i->part.ptr < part.ptr + part.len)
			return true;
	}
	return false;
}

bool tg_sdp_edit_replace(
		struct tg_sdp_edit *e, struct tg_span part, struct tg_span with)
{
	for(uint32_t i = 0; i < e->sdp->n_lines; i++) {
		struct tg_span line = e->sdp->line[i].text;

		if(part.ptr >= line.ptr && part.ptr + part.len <= line.ptr + line.len)
			return !overlaps(e, part)
				   && remember(e, &(struct edit){.op = OP_REPLACE,
											.line = i,
											.part = part,
											.with = with});
	}
	return false;
}

bool tg_sdp_edit_add_after(
		struct tg_sdp_edit *e, uint32_t line, struct tg_span text)
{
	return remember(
			e, &(struct edit){.op = OP_ADD, .line = line, .with = text});
}

/* ---- applying ------------------------------------------------------------ */

static size_t put(char *at, struct tg_span s)
{
	if(at && s.len)
		memcpy(at, s.ptr, s.len);
	return s.len;
}

static bool dropped(const struct tg_sdp_edit *e, uint32_t line)
{
	for(const struct edit *i = e->first; i; i = i->next) {
		if(i->op == OP_DROP && i->line == line)
			return true;
	}
	return false;
}

static size_t put_line(
		const struct tg_sdp_edit *e, uint32_t line, char *at, size_t used)
{
	struct tg_span rest = e->sdp->line[line].text;

	for(const struct edit *i = e->first; i; i = i->next) {
		size_t before;

		if(i->op != OP_REPLACE || i->line != line)
			continue;
		before = (size_t)(i->part.ptr - rest.ptr);
		used += put(at ? at + used : NULL, tg_span_of(rest.ptr, before));
		used += put(at ? at + used : NULL, i->with);
		rest.ptr += before + i->part.len;
		rest.len -= before + i->part.len;
	}
	return used + put(at ? at + used : NULL, rest);
}

static struct tg_span line_end(const struct tg_sdp_line *line)
{
	static const char crlf[] = "\r\n";

	return line->end_octets == 1 ? tg_span_of(crlf + 1, 1)
								 : tg_span_of(crlf, line->end_octets);
}

/* Added lines end as the line before them does; CRLF where it has no end */
static size_t put_added(
		const struct tg_sdp_edit *e, uint32_t line, char *at, size_t used)
{
	const struct tg_sdp_line *before = &e->sdp->line[line];
	struct tg_span end =
			before->end_octets ? line_end(before) : TG_SPAN("\r\n");
	bool open = before->end_octets == 0 && !dropped(e, line);

	for(const struct edit *i = e->first; i; i = i->next) {
		if(i->op != OP_ADD || i->line != line)
			continue;
		if(open)
			used += put(at ? at + used : NULL, end);
		open = false;
		used += put(at ? at + used : NULL, i->with);
		used += put(at ? at + used : NULL, end);
	}
	return used;
}

static size_t put_all(const struct tg_sdp_edit *e, char *at)
{
	size_t used = 0;

	for(uint32_t i = 0; i < e->sdp->n_lines; i++) {
		if(!dropped(e, i)) {
			used = put_line(e, i, at, used);
			used += put(at ? at + used : NULL, line_end(&e->sdp->line[i]));
		}
		used = put_added(e, i, at, used);
	}
	return used;
}

struct tg_span tg_sdp_edit_apply(struct tg_sdp_edit *e)
{
	size_t octets = put_all(e, NULL);
	char *out = tg_arena_get(e->arena, octets + 1);

	if(!out)
		return tg_span_of(NULL, 0);
	put_all(e, out);
	return tg_span_of(out, octets);
}
