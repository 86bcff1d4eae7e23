/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/build.h"

#include <stdarg.h>
#include <stdio.h>

#define POOL_CHUNK_OCTETS ((size_t)4096)

void *tg_build_get(struct tg_build *b, size_t octets, size_t align)
{
	size_t pad = (size_t)(-(uintptr_t)b->pool.at) & (align - 1);
	char *p;

	if(!b->pool.at || b->pool.left < pad || b->pool.left - pad < octets) {
		size_t chunk =
				octets > POOL_CHUNK_OCTETS / 4 ? octets : POOL_CHUNK_OCTETS;

		p = tg_arena_get(b->pool.arena, chunk);
		if(!p || chunk == octets) {
			b->no_memory |= !p;
			return p;
		}
		b->pool.at = p;
		b->pool.left = chunk;
		pad = 0;
	}
	p = b->pool.at + pad;
	b->pool.at = p + octets;
	b->pool.left -= pad + octets;
	return p;
}

static bool grow_strings(struct tg_build *b)
{
	struct tg_intern *t = &b->strings;
	size_t size = t->size ? t->size * 2 : 256;
	struct tg_span *slot = tg_arena_array(&b->scratch, size, sizeof(*slot));

	if(!slot)
		return false;
	for(size_t i = 0; i < t->size; i++) {
		size_t at;

		if(!t->slot[i].ptr)
			continue;
		at = tg_pol_hash(t->slot[i]) & (size - 1);
		while(slot[at].ptr)
			at = (at + 1) & (size - 1);
		slot[at] = t->slot[i];
	}
	t->slot = slot;
	t->size = size;
	return true;
}

struct tg_span tg_build_string(struct tg_build *b, struct tg_span s)
{
	struct tg_intern *t = &b->strings;
	size_t at;
	char *p;

	if(t->n * 4 >= t->size * 3 && !grow_strings(b)) {
		b->no_memory = true;
		return tg_span_of(NULL, 0);
	}
	at = tg_pol_hash(s) & (t->size - 1);
	for(; t->slot[at].ptr; at = (at + 1) & (t->size - 1)) {
		if(tg_span_eq(t->slot[at], s))
			return t->slot[at];
	}
	p = tg_build_get(b, s.len + 1, 1);
	if(!p)
		return tg_span_of(NULL, 0);
	if(s.len)
		memcpy(p, s.ptr, s.len);
	t->slot[at] = tg_span_of(p, s.len);
	t->n++;
	return t->slot[at];
}

static void report(struct tg_build *b, enum tg_severity severity,
		const char *at, const char *fmt, va_list ap)
		__attribute__((format(printf, 4, 0)));
static void report(struct tg_build *b, enum tg_severity severity,
		const char *at, const char *fmt, va_list ap)
{
	struct tg_where where = tg_ini_where(&b->ini, at);
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	tg_diags_add(b->diags, severity, &where, "%s", text);
}

void tg_build_error(struct tg_build *b, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(b, TG_SEV_ERROR, at, fmt, ap);
	va_end(ap);
}

void tg_build_warning(struct tg_build *b, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(b, TG_SEV_WARNING, at, fmt, ap);
	va_end(ap);
}

static const struct tg_ini_entry *made_entry(
		const struct tg_made *m, const char *key)
{
	const struct tg_ini_entry *e = m->section->first;

	while(e && !tg_span_eq(e->key, tg_span_cstr(key)))
		e = e->next;
	return e;
}

const char *tg_made_key_at(const struct tg_made *m, const char *key)
{
	const struct tg_ini_entry *e = made_entry(m, key);

	return e ? e->key.ptr : m->section->kind.ptr;
}

const char *tg_made_value_at(const struct tg_made *m, const char *key)
{
	const struct tg_ini_entry *e = made_entry(m, key);

	return e ? e->value.ptr : m->section->kind.ptr;
}

/*
 * FNV-1a over length and octets: names a snapshot, proves nothing. Whoever
 * can write the file decides the policy anyway.
 */
static void mix(uint64_t *h, struct tg_span s)
{
	*h = (*h ^ s.len) * 0x100000001b3u;
	for(size_t i = 0; i < s.len; i++)
		*h = (*h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
}

void tg_build_digest(struct tg_build *b, struct tg_span s, bool lasting)
{
	mix(&b->digest, s);
	if(lasting)
		mix(&b->session_digest, s);
}

void tg_build_digest_end(struct tg_build *b)
{
	uint64_t h = b->digest;

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	snprintf(b->pol->digest, sizeof(b->pol->digest), "%016llx",
			(unsigned long long)h);
	b->pol->session_digest = b->session_digest;
}
