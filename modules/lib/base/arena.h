/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An arena: many small blocks that live and die together, as the objects of
 * a policy snapshot or of one parsed message do. Not for secrets that must
 * die earlier. Not thread safe while it is being filled.
 */
#ifndef TG_BASE_ARENA_H
#define TG_BASE_ARENA_H

#include "base/alloc.h"
#include "base/span.h"

struct tg_arena_chunk;

struct tg_arena {
	struct tg_alloc alloc;
	struct tg_arena_chunk *chunks; /* newest first */
	size_t chunk_octets;
	size_t used_octets; /* asked of the allocator so far, for budgets */
	struct tg_arena_chunk *lent; /* NULL: none */
};

/* chunk_octets: what is asked of the host at a time; 0 takes 16 KiB */
void tg_arena_init(
		struct tg_arena *a, const struct tg_alloc *alloc, size_t chunk_octets);

/*
 * Memory of the caller's, aligned for anything, to be used first: until deinit
 * and again after it, for as long as the arena lives. On an arena that is new.
 */
void tg_arena_lend(struct tg_arena *a, void *memory, size_t octets);

/* Frees everything; the arena may be used again */
void tg_arena_deinit(struct tg_arena *a);

/* The same, and nothing that was in it can be read afterwards */
void tg_arena_wipe(struct tg_arena *a);

/* Zeroed, aligned as the allocator's blocks are, 16 at most; NULL when memory is out or octets is 0 */
void *tg_arena_get(struct tg_arena *a, size_t octets);

/* n * size with an overflow check */
void *tg_arena_array(struct tg_arena *a, size_t n, size_t size);

/* The same from the start of a cache line on, for what is looked up at random */
#define TG_ARENA_LINE_OCTETS 64
void *tg_arena_lines(struct tg_arena *a, size_t n, size_t size);

/* A copy with a NUL behind it that len does not count; ptr NULL on failure */
struct tg_span tg_arena_dup(struct tg_arena *a, struct tg_span s);

#endif
