/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See slab.h. Chunks are never given back: a node that once had that many
 * calls will have them again.
 */
#include "srtp/slab.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

#define CHUNK_OCTETS (256 * 1024)

struct vacant {
	struct vacant *next;
};

static struct {
	pthread_mutex_t lock;
	struct vacant *vacant;
	uint8_t *fresh; /* never used yet */
	size_t n_fresh;
} slab = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *take_fresh(void)
{
	uint8_t *block;

	if(slab.n_fresh == 0) {
		void *chunk = mmap(NULL, CHUNK_OCTETS, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if(chunk == MAP_FAILED)
			return NULL;
		/* without it keys may reach a core file: better no memory */
		if(madvise(chunk, CHUNK_OCTETS, MADV_DONTDUMP) != 0) {
			munmap(chunk, CHUNK_OCTETS);
			return NULL;
		}
		slab.fresh = chunk;
		slab.n_fresh = CHUNK_OCTETS / TG_SRTP_BLOCK_OCTETS;
	}
	block = slab.fresh;
	slab.fresh += TG_SRTP_BLOCK_OCTETS;
	slab.n_fresh--;
	return block;
}

void *tg_srtp_slab_get(void)
{
	void *block;

	pthread_mutex_lock(&slab.lock);
	block = slab.vacant;
	if(block)
		slab.vacant = slab.vacant->next;
	else
		block = take_fresh();
	pthread_mutex_unlock(&slab.lock);
	if(block)
		memset(block, 0, sizeof(struct vacant)); /* the rest was wiped */
	return block;
}

void tg_srtp_slab_put(void *block)
{
	struct vacant *v = block;

	tg_wipe(block, TG_SRTP_BLOCK_OCTETS);
	pthread_mutex_lock(&slab.lock);
	v->next = slab.vacant;
	slab.vacant = v;
	pthread_mutex_unlock(&slab.lock);
}
