/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/arena.h"

#include <stdalign.h>
#include <stddef.h>

#define DEFAULT_CHUNK_OCTETS ((size_t)16 * 1024)
#define ALIGN alignof(max_align_t)

/* Asks no more alignment of the host than Kamailio's allocator gives (8) */
struct tg_arena_chunk {
	struct tg_arena_chunk *next;
	size_t size; /* octets of data */
	size_t used;
	size_t pad; /* data is aligned as the chunk is */
	char data[];
};
_Static_assert(offsetof(struct tg_arena_chunk, data) % ALIGN == 0,
		"data is aligned as the chunk is");

void tg_arena_init(
		struct tg_arena *a, const struct tg_alloc *alloc, size_t chunk_octets)
{
	a->alloc = *alloc;
	a->chunks = NULL;
	a->chunk_octets = chunk_octets ? chunk_octets : DEFAULT_CHUNK_OCTETS;
	a->used_octets = 0;
	a->lent = NULL;
}

void tg_arena_lend(struct tg_arena *a, void *memory, size_t octets)
{
	struct tg_arena_chunk *c = memory;

	if(octets <= sizeof(*c))
		return;
	c->size = octets - sizeof(*c);
	c->used = 0;
	c->next = NULL;
	a->lent = a->chunks = c;
}

void tg_arena_deinit(struct tg_arena *a)
{
	struct tg_arena_chunk *c = a->chunks;

	while(c) {
		struct tg_arena_chunk *next = c->next;

		if(c != a->lent)
			a->alloc.free(a->alloc.ctx, c);
		c = next;
	}
	a->chunks = a->lent;
	if(a->lent)
		a->lent->used = 0;
	a->used_octets = 0;
}

void tg_arena_wipe(struct tg_arena *a)
{
	for(struct tg_arena_chunk *c = a->chunks; c; c = c->next)
		tg_wipe(c->data, c->used);
	tg_arena_deinit(a);
}

static struct tg_arena_chunk *new_chunk(struct tg_arena *a, size_t at_least)
{
	size_t size = at_least > a->chunk_octets ? at_least : a->chunk_octets;
	struct tg_arena_chunk *c;

	if(size > SIZE_MAX - sizeof(*c))
		return NULL;
	c = a->alloc.alloc(a->alloc.ctx, sizeof(*c) + size);
	if(!c)
		return NULL;
	c->size = size;
	c->used = 0;
	c->next = a->chunks;
	a->chunks = c;
	a->used_octets += sizeof(*c) + size;
	return c;
}

void *tg_arena_get(struct tg_arena *a, size_t octets)
{
	struct tg_arena_chunk *c = a->chunks;
	size_t size;
	void *p;

	if(octets == 0 || octets > SIZE_MAX - (ALIGN - 1))
		return NULL;
	size = (octets + ALIGN - 1) / ALIGN * ALIGN;
	if(!c || c->size - c->used < size) {
		c = new_chunk(a, size);
		if(!c)
			return NULL;
	}
	p = c->data + c->used;
	c->used += size;
	memset(p, 0, size);
	return p;
}

void *tg_arena_array(struct tg_arena *a, size_t n, size_t size)
{
	if(size && n > SIZE_MAX / size)
		return NULL;
	return tg_arena_get(a, n * size);
}

void *tg_arena_lines(struct tg_arena *a, size_t n, size_t size)
{
	/* a host's allocator may align less than malloc does */
	size_t more = TG_ARENA_LINE_OCTETS - 1;
	uintptr_t at;

	if(size == 0 || n == 0 || n > (SIZE_MAX - more) / size)
		return NULL;
	at = (uintptr_t)tg_arena_get(a, n * size + more);
	if(!at)
		return NULL;
	at += (TG_ARENA_LINE_OCTETS - at % TG_ARENA_LINE_OCTETS)
		  % TG_ARENA_LINE_OCTETS;
	return (void *)at;
}

struct tg_span tg_arena_dup(struct tg_arena *a, struct tg_span s)
{
	char *p = s.len < SIZE_MAX ? tg_arena_get(a, s.len + 1) : NULL;

	if(!p)
		return tg_span_of(NULL, 0);
	if(s.len)
		memcpy(p, s.ptr, s.len);
	return tg_span_of(p, s.len);
}
