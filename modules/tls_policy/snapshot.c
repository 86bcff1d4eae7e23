/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy in force, in shared memory, counted by reference. A reload reads
 * a new one beside it and swaps; the old one goes with its last user. What
 * OpenSSL makes of it (stores of trust) is private to a process.
 */
#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "policy/load.h"
#include "tls_policy/tlsp.h"

struct snaps {
	gen_lock_t lock;   /* list and references */
	gen_lock_t reload; /* one reload at a time */
	struct tlsp_snap *current;
	struct tlsp_snap *retired;
	uint64_t generation; /* of current; written under lock, read without */
};

static struct snaps *snaps;
static struct tg_judge *judge; /* of this process */

static void *shm_get(void *ctx, size_t octets)
{
	(void)ctx;
	return shm_malloc(octets);
}

static void shm_put(void *ctx, void *block)
{
	(void)ctx;
	shm_free(block);
}

static const struct tg_pol_host host = {
		.alloc = {shm_get, shm_put, NULL},
		.read_file = tg_pol_read_file,
};

/* A snapshot that nobody uses yet; NULL with the reason in diags */
static struct tlsp_snap *snap_new(struct tg_diags *diags)
{
	struct tg_pol *policy = tg_pol_load(&host, tlsp_params.policy, diags);
	struct tlsp_snap *snap = NULL;

	if(!policy)
		return NULL;
	if(!tg_judge_check_trust(policy, diags))
		goto fail;
	snap = shm_malloc(sizeof(*snap));
	if(!snap) {
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "out of shared memory");
		goto fail;
	}
	*snap = (struct tlsp_snap){.policy = policy, .refs = 1};
	return snap;
fail:
	tg_pol_free(policy);
	return NULL;
}

static void snap_free(struct tlsp_snap *snap)
{
	tg_pol_free((struct tg_pol *)snap->policy);
	shm_free(snap);
}

/* With the lock held: what is to be freed after it, or NULL */
static struct tlsp_snap *drop_ref(struct tlsp_snap *snap)
{
	struct tlsp_snap **at;

	if(--snap->refs)
		return NULL;
	for(at = &snaps->retired; *at && *at != snap; at = &(*at)->next)
		;
	if(*at)
		*at = snap->next;
	return snap;
}

static void put_in_force(struct tlsp_snap *snap)
{
	struct tlsp_snap *gone = NULL;

	lock_get(&snaps->lock);
	snap->generation = snaps->generation + 1;
	if(snaps->current) {
		snaps->current->next = snaps->retired;
		snaps->retired = snaps->current;
		gone = drop_ref(snaps->current);
	}
	snaps->current = snap;
	__atomic_store_n(&snaps->generation, snap->generation, __ATOMIC_RELEASE);
	lock_release(&snaps->lock);
	if(gone)
		snap_free(gone);
}

int tlsp_snap_init(void)
{
	struct tg_diags diags;
	struct tlsp_snap *snap;

	snaps = shm_malloc(sizeof(*snaps));
	if(!snaps) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(snaps, 0, sizeof(*snaps));
	if(!lock_init(&snaps->lock) || !lock_init(&snaps->reload)) {
		LM_ERR("cannot make locks\n");
		return -1;
	}
	tg_diags_init(&diags, &tg_alloc_libc);
	snap = snap_new(&diags);
	tlsp_log_diags(&diags);
	if(snap) {
		put_in_force(snap);
		LM_NOTICE("policy %s in force: digest=%s mode=%s, %zu peers\n",
				tlsp_params.policy, tg_pol_digest(snap->policy),
				tg_pol_mode_name(tg_pol_global_mode(snap->policy)),
				tg_pol_peer_count(snap->policy));
	} else {
		LM_ERR("policy %s is refused: %zu errors\n", tlsp_params.policy,
				diags.errors);
	}
	tg_diags_deinit(&diags);
	return snap ? 0 : -1;
}

void tlsp_snap_destroy(void)
{
	tg_judge_free(judge);
	judge = NULL;
}

const struct tlsp_snap *tlsp_snap_ref(void)
{
	struct tlsp_snap *snap;

	lock_get(&snaps->lock);
	snap = snaps->current;
	snap->refs++;
	lock_release(&snaps->lock);
	return snap;
}

void tlsp_snap_unref(const struct tlsp_snap *snap)
{
	struct tlsp_snap *gone;

	if(!snap)
		return;
	lock_get(&snaps->lock);
	gone = drop_ref((struct tlsp_snap *)snap);
	lock_release(&snaps->lock);
	if(gone)
		snap_free(gone);
}

const struct tlsp_snap *tlsp_snap_of(const struct tg_pol *policy)
{
	struct tlsp_snap *snap;

	lock_get(&snaps->lock);
	snap = snaps->current;
	if(snap->policy != policy)
		for(snap = snaps->retired; snap && snap->policy != policy;
				snap = snap->next)
			;
	lock_release(&snaps->lock);
	return snap;
}

uint64_t tlsp_snap_generation(void)
{
	return __atomic_load_n(&snaps->generation, __ATOMIC_ACQUIRE);
}

bool tlsp_snap_reload(struct tg_diags *diags)
{
	struct tlsp_snap *snap;

	if(lock_try(&snaps->reload) != 0) {
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "another reload is running");
		return false;
	}
	snap = snap_new(diags);
	if(snap)
		put_in_force(snap);
	lock_release(&snaps->reload);
	return snap != NULL;
}

struct tg_judge *tlsp_judge(void)
{
	if(!judge)
		judge = tg_judge_new();
	return judge;
}
