/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As much of Kamailio as the tests of tls_policy's parts need: memory that
 * processes share, and a log that nobody reads. What is freed is overwritten,
 * so that a reader who still uses it finds out.
 */
#ifndef TEST_TLS_POLICY_HOST_H
#define TEST_TLS_POLICY_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_POISON 0xdd

/* Once, before anything of tls_policy is called */
void host_init(void);

/* Blocks that were taken and not given back, in octets */
size_t host_shm_octets(void);

/*
 * Runs work(i) in n processes at a time, for so many milliseconds: work is to
 * return true when it has done its share, and is called again until time is
 * up. True: no process ended otherwise.
 */
bool host_run(unsigned n, unsigned ms, bool (*work)(unsigned i));

#endif
