/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes that sleep until somebody rings.
 */
#ifndef TLSP_BELL_H
#define TLSP_BELL_H

/* In mod_init, for a process that tlsp_bell_fork() will start. -1: logged */
int tlsp_bell_new(void);
/* From any process, at any time; rings that follow at once may count as one */
void tlsp_bell_ring(int bell);

/* -> milliseconds until it is to be called again though nobody rang; -1: never */
typedef int (*tlsp_work_fn)(void);
/* In child_init of PROC_MAIN. work is called at once. 0, or -1: logged */
int tlsp_bell_fork(int bell, const char *name, tlsp_work_fn work);

#endif
