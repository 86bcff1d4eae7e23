/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How many requests each requester made in the minute at hand. A fixed table:
 * requesters whose names fall on one place share its count, which makes the
 * limit stricter for them, never looser.
 */
#include <time.h>

#include "core/dprint.h"
#include "core/hashes.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "mras/mras.h"

#define PLACES 4096

struct place {
	uint32_t minute;
	uint32_t taken;
};

static struct shared {
	gen_lock_t lock;
	struct place place[PLACES];
} * shared;

int mras_rate_init(void)
{
	shared = shm_malloc(sizeof(*shared));
	if(!shared) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(shared, 0, sizeof(*shared));
	if(!lock_init(&shared->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	return 0;
}

void mras_rate_destroy(void)
{
	if(shared)
		shm_free(shared);
	shared = NULL;
}

bool mras_rate_take(struct tg_span requester, uint32_t per_min)
{
	str name = {(char *)requester.ptr, (int)requester.len};
	uint32_t minute = (uint32_t)(time(NULL) / 60);
	struct place *p = &shared->place[core_hash(&name, NULL, PLACES)];
	bool allowed;

	if(!per_min)
		return true;
	lock_get(&shared->lock);
	if(p->minute != minute) {
		p->minute = minute;
		p->taken = 0;
	}
	allowed = p->taken < per_min;
	p->taken += allowed;
	lock_release(&shared->lock);
	return allowed;
}
