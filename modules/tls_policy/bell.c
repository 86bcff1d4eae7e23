/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes of the module's own that do what no process that handles SIP may
 * wait for. Each sleeps until one of the others rings or until the time has
 * come that it named itself, so an edge at rest is at rest. Kamailio's own
 * timer processes wake at a fixed rate.
 *
 * A bell is an eventfd that is made before the first fork, so every process
 * has it.
 */
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/pt.h"
#include "core/sr_module.h"
#include "core/timer_proc.h"

#include "tls_policy/bell.h"

int tlsp_bell_new(void)
{
	int bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if(bell < 0) {
		LM_ERR("cannot make an eventfd\n");
		return -1;
	}
	register_basic_timers(1);
	return bell;
}

void tlsp_bell_ring(int bell)
{
	const uint64_t one = 1;

	/* full: it rings already */
	if(write(bell, &one, sizeof(one)) < 0)
		return;
}

static void await(int bell, int timeout_ms)
{
	struct pollfd p = {.fd = bell, .events = POLLIN};
	uint64_t rung;

	if(poll(&p, 1, timeout_ms) > 0 && read(bell, &rung, sizeof(rung)) < 0)
		return;
}

int tlsp_bell_fork(int bell, const char *name, tlsp_work_fn work)
{
	int pid = fork_process(PROC_TIMER, (char *)name, 1);

	if(pid < 0)
		LM_ERR("cannot start the process \"%s\"\n", name);
	if(pid != 0)
		return pid < 0 ? -1 : 0;
	if(cfg_child_init())
		_exit(1);
	for(;;) {
		cfg_update();
		await(bell, work());
	}
}
