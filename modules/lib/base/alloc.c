/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ctx, size_t octets)
{
	(void)ctx;
	return malloc(octets);
}

static void libc_free(void *ctx, void *block)
{
	(void)ctx;
	free(block);
}

const struct tg_alloc tg_alloc_libc = {libc_alloc, libc_free, NULL};

void tg_wipe(void *p, size_t n)
{
	if(n == 0)
		return;
	memset(p, 0, n);
	/* the memory clobber tells the compiler that somebody reads p */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}
