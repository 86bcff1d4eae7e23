/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads memory that was given back: the control of tests/sanitized. Without a
 * sanitizer nothing happens.
 */
#include <stdlib.h>

static char *volatile given_back;
static volatile char seen;

__attribute__((constructor)) static void read_freed(void)
{
	given_back = malloc(1);
	free(given_back);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): this is what it is for */
	seen = *(volatile char *)given_back;
}
