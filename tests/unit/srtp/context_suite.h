/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tests of a context, whatever engine it has. Each after
 * tg_srtp_global_init; the number of tests that failed.
 */
#ifndef TESTS_SRTP_CONTEXT_SUITE_H
#define TESTS_SRTP_CONTEXT_SUITE_H

int context_refusals(void);
int context_renewal(void);
int context_random(void);

static inline int context_suite(void)
{
	return context_refusals() + context_renewal() + context_random();
}

#endif
