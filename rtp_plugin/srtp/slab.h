/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory for contexts: aligned blocks of one size, kept out of core dumps.
 * A block is no multiple of many cache lines, so that the same line of all
 * contexts does not fall into few sets of the cache.
 */
#ifndef TG_SRTP_SLAB_H
#define TG_SRTP_SLAB_H

#include <stddef.h>

#define TG_SRTP_LINE_OCTETS 64
#define TG_SRTP_BLOCK_LINES 18
#define TG_SRTP_BLOCK_OCTETS (TG_SRTP_BLOCK_LINES * TG_SRTP_LINE_OCTETS)

/* Zeroed, aligned to a line; NULL: out of memory. Thread safe */
void *tg_srtp_slab_get(void);
/* Wipes it. Not NULL */
void tg_srtp_slab_put(void *block);

#endif
