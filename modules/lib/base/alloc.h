/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The allocator a host hands to the core: malloc in tgctl and in the media
 * plugin, shared memory in Kamailio.
 */
#ifndef TG_BASE_ALLOC_H
#define TG_BASE_ALLOC_H

#include <stddef.h>

struct tg_alloc {
	/* NULL when memory is out; the block is aligned to 8 octets at least */
	void *(*alloc)(void *ctx, size_t octets);
	/* never called with NULL */
	void (*free)(void *ctx, void *block);
	void *ctx;
};

/* malloc and free */
extern const struct tg_alloc tg_alloc_libc;

/* Overwrites a secret in a way the compiler keeps. p may be NULL when n is 0 */
void tg_wipe(void *p, size_t n);

#endif
