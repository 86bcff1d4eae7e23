/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What holds for every input of a fuzz target; the fuzzer keeps one for which
 * it does not.
 */
#ifndef TG_FUZZ_MUST_H
#define TG_FUZZ_MUST_H

#include <stdbool.h>
#include <stdlib.h>

static inline void must(bool ok)
{
	if(!ok)
		abort();
}

#endif
