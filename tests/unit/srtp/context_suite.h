/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SRTP_CONTEXT_SUITE_H
#define TESTS_SRTP_CONTEXT_SUITE_H

/* After tg_srtp_global_init. The number of tests that failed */
int context_suite(void);

#endif
