/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/ini.h"

struct reader {
	struct tg_ini *ini;
	struct tg_arena *arena;
	struct tg_diags *diags;
	struct tg_ini_section **last;
	struct tg_ini_section *section; /* being filled; NULL before the first */
	bool no_memory;
};

static size_t count_lines(struct tg_span text)
{
	size_t n = 1;

	for(size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

static bool index_lines(struct tg_ini *ini, struct tg_arena *arena)
{
	size_t n = count_lines(ini->text);
	const char *end = ini->text.ptr + ini->text.len;
	const char *at = ini->text.ptr;

	ini->line = tg_arena_array(arena, n, sizeof(*ini->line));
	if(!ini->line)
		return false;
	ini->line[ini->n_lines++] = at;
	for(; at < end; at++) {
		if(*at == '\n')
			ini->line[ini->n_lines++] = at + 1;
	}
	return true;
}

struct tg_where tg_ini_where(const struct tg_ini *ini, const char *at)
{
	struct tg_where w = {ini->file, 0, 0};
	size_t low = 0, high = ini->n_lines;

	if(!at || !ini->n_lines || at < ini->text.ptr
			|| at > ini->text.ptr + ini->text.len)
		return w;
	while(high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if(ini->line[mid] <= at)
			low = mid;
		else
			high = mid;
	}
	w.line = (unsigned)low + 1;
	w.column = (unsigned)(at - ini->line[low]) + 1;
	return w;
}

static void error_at(const struct reader *r, const char *at, const char *text)
{
	struct tg_where w = tg_ini_where(r->ini, at);

	tg_diags_add(r->diags, TG_SEV_ERROR, &w, "%s", text);
}

static bool is_name(struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
				   || (c >= '0' && c <= '9')
				   || (i && (c == '-' || c == '.' || c == '_'))))
			return false;
	}
	return s.len > 0 && s.len <= TG_INI_NAME_OCTETS_MAX;
}

/* Cuts a comment off: '#' after a blank or at the front, not within quotes */
static struct tg_span without_comment(struct tg_span s)
{
	bool quoted = false;

	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(c == '"')
			quoted = !quoted;
		else if(c == '#' && !quoted
				&& (i == 0 || s.ptr[i - 1] == ' ' || s.ptr[i - 1] == '\t'))
			return tg_span_of(s.ptr, i);
	}
	return s;
}

static void begin_section(struct reader *r, struct tg_span line)
{
	size_t close = tg_span_find(line, ']');
	struct tg_span rest, inside;
	struct tg_ini_section *s;

	/* a broken head still ends the section before it */
	s = tg_arena_get(r->arena, sizeof(*s));
	if(!s) {
		r->no_memory = true;
		return;
	}
	s->last = &s->first;
	r->section = s;
	*r->last = s;
	r->last = &s->next;
	s->kind = tg_span_of(line.ptr, 0);

	if(close == line.len) {
		error_at(r, line.ptr, "this section head has no ']'");
		return;
	}
	rest = tg_span_trim(tg_span_of(line.ptr + close + 1, line.len - close - 1));
	if(rest.len)
		error_at(r, rest.ptr, "text after the section head");
	inside = tg_span_trim(tg_span_of(line.ptr + 1, close - 1));
	if(!inside.len) {
		error_at(r, line.ptr, "a section head needs a kind: [kind name]");
		return;
	}
	for(size_t i = 0; i < inside.len; i++) {
		if(inside.ptr[i] == ' ' || inside.ptr[i] == '\t') {
			s->name = tg_span_trim(tg_span_of(inside.ptr + i, inside.len - i));
			inside.len = i;
		}
	}
	s->kind = inside;
	if(s->name.len && !is_name(s->name)) {
		error_at(r, s->name.ptr,
				"a name has up to 64 letters, digits, '-', '_', '.', and "
				"starts with a letter or digit");
		s->name.len = s->name.len > TG_INI_NAME_OCTETS_MAX
							  ? TG_INI_NAME_OCTETS_MAX
							  : s->name.len;
	}
}

static void add_entry(struct reader *r, struct tg_span line)
{
	size_t equals = tg_span_find(line, '=');
	struct tg_ini_entry *e;

	if(equals == line.len) {
		error_at(r, line.ptr, "expected 'key = value' or '[kind name]'");
		return;
	}
	if(!r->section) {
		error_at(r, line.ptr, "a key before the first section");
		return;
	}
	e = tg_arena_get(r->arena, sizeof(*e));
	if(!e) {
		r->no_memory = true;
		return;
	}
	e->key = tg_span_trim(tg_span_of(line.ptr, equals));
	e->value = tg_span_trim(
			tg_span_of(line.ptr + equals + 1, line.len - equals - 1));
	if(!e->key.len) {
		error_at(r, line.ptr, "there is no key before '='");
		return;
	}
	if(!e->value.len) {
		/* keeps a place for diagnostics */
		e->value = tg_span_of(line.ptr + equals, 0);
		error_at(r, e->value.ptr, "there is no value after '='");
	}
	*r->section->last = e;
	r->section->last = &e->next;
}

static bool has_bad_octet(const struct reader *r, struct tg_span line)
{
	for(size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if((c < 0x20 && c != '\t') || c == 0x7f) {
			error_at(r, line.ptr + i, "a control character");
			return true;
		}
	}
	return false;
}

static void read_line(struct reader *r, struct tg_span line)
{
	line = tg_span_trim(line);
	if(!line.len || line.ptr[0] == '#' || line.ptr[0] == ';')
		return;
	line = tg_span_trim(without_comment(line));
	if(has_bad_octet(r, line))
		return;
	if(line.ptr[0] == '[')
		begin_section(r, line);
	else
		add_entry(r, line);
}

bool tg_ini_read(struct tg_span text, struct tg_span file,
		struct tg_arena *arena, struct tg_diags *diags, struct tg_ini *out)
{
	struct reader r = {.ini = out, .arena = arena, .diags = diags};
	struct tg_span rest;

	memset(out, 0, sizeof(*out));
	if(tg_span_starts(text, TG_SPAN("\xef\xbb\xbf"))) {
		text.ptr += 3;
		text.len -= 3;
	}
	if(!text.ptr)
		text.ptr = "";
	out->text = text;
	out->file = file;
	r.last = &out->first;
	if(!index_lines(out, arena))
		return false;
	rest = text;
	while(rest.len && !r.no_memory)
		read_line(&r, tg_span_cut(&rest, '\n'));
	return !r.no_memory;
}
