/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy in force, in shared memory. A reload reads a new one beside it and
 * swaps; the old one goes when no process uses it any more. New CRLs make a new
 * one, too, of the same text and CAs: what no reload asked for stays as it was. What OpenSSL makes
 * of it (stores of trust) is private to a process.
 *
 * Every message asks for the policy, so nothing is counted and no lock taken:
 * each process has a place where it writes down what it uses. It writes, then
 * looks whether that is still the one in force; who retires a snapshot changes
 * what is in force, then reads all those places (hazard pointers). Both sides
 * do so in one order for all (SEQ_CST), so one of them sees the other.
 */
#include <pthread.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "policy/load.h"
#include "tls_policy/tlsp.h"

/* Of one process; they are never freed, as processes end with the daemon */
struct reader {
	struct reader *next;
	const struct tlsp_snap *uses; /* or NULL */
} __attribute__((aligned(64)));   /* no other process writes to this line */

struct snaps {
	gen_lock_t lock;   /* lists */
	gen_lock_t reload; /* one reload at a time */
	struct tlsp_snap *current;
	struct tlsp_snap *retired;
	struct reader *readers;
	unsigned unlisted; /* uses by processes that found no memory for a place */
	uint64_t generation; /* of current; written under lock, read without */
};

static struct snaps *snaps;
const uint64_t *tlsp_snap_generation_at;

/* Of this process */
static struct tg_judge *judge;
static struct reader *mine;
static const struct tlsp_snap *held; /* while depth is not 0 */
static unsigned depth;

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

static const struct tg_alloc shared = {shm_get, shm_put, NULL};

/* The policy that text makes, with what must hold beside it, or NULL */
static struct tg_pol *policy_of(const struct tg_pol_host *host,
		struct tg_span text, struct tg_diags *diags)
{
	struct tg_pol *policy =
			tg_pol_load_text(host, text, tlsp_params.policy, diags);
	bool fits;

	if(!policy)
		return NULL;
	fits = tg_judge_check_trust(policy, diags);
	fits = tg_judge_check_fips(policy, diags) && fits;
	fits = tg_judge_check_lists(policy, diags) && fits;
	if(fits)
		return policy;
	tg_pol_free(policy);
	return NULL;
}

/* A snapshot that nobody uses yet; NULL with the reason in diags */
static struct tlsp_snap *snap_of(const struct tg_pol_host *host,
		struct tg_span text, struct tg_diags *diags)
{
	struct tg_pol *policy = policy_of(host, text, diags);
	struct tlsp_snap *snap;

	if(!policy)
		return NULL;
	snap = shm_malloc(sizeof(*snap) + text.len + 1);
	if(!snap) {
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "out of shared memory");
		tg_pol_free(policy);
		return NULL;
	}
	*snap = (struct tlsp_snap){.policy = policy};
	memcpy(snap + 1, text.ptr, text.len);
	snap->text = tg_span_of((const char *)(snap + 1), text.len);
	return snap;
}

static void snap_free(struct tlsp_snap *snap)
{
	tg_pol_free((struct tg_pol *)snap->policy);
	shm_free(snap);
}

static struct tlsp_snap *snap_new(struct tg_diags *diags)
{
	static const struct tg_pol_host host = {
			.alloc = {shm_get, shm_put, NULL},
			.read_file = tg_pol_read_file,
	};
	struct tg_where where = {.file = tg_span_cstr(tlsp_params.policy)};
	struct tlsp_snap *snap = NULL;
	const char *error = NULL;
	struct tg_arena file;
	struct tg_span text;

	tg_arena_init(&file, &tg_alloc_libc, 0);
	if(tg_pol_read_file(NULL, tlsp_params.policy, TG_POL_FILE_OCTETS_MAX, &file,
			   &text, &error))
		snap = snap_of(&host, text, diags);
	else
		tg_diags_add(diags, TG_SEV_ERROR, &where, "cannot read it: %s",
				error ? error : "unknown error");
	tg_arena_deinit(&file);
	if(snap && !tlsp_tls_cfg_fits(snap->policy, diags)) {
		snap_free(snap);
		return NULL;
	}
	return snap;
}

/* ---- who uses what ------------------------------------------------------- */

/* A child of fork has a place of its own, and uses nothing yet */
static void forget_mine(void)
{
	mine = NULL;
	held = NULL;
	depth = 0;
}

static struct reader *reader_new(void)
{
	struct reader *r = shm_malloc(sizeof(*r));

	if(!r)
		return NULL;
	r->uses = NULL;
	lock_get(&snaps->lock);
	r->next = snaps->readers;
	snaps->readers = r;
	lock_release(&snaps->lock);
	return r;
}

/* While there are unlisted uses nothing is freed */
static void hold_unlisted(void)
{
	lock_get(&snaps->lock);
	snaps->unlisted++;
	held = snaps->current;
	lock_release(&snaps->lock);
}

static void hold(void)
{
	if(!mine)
		mine = reader_new();
	if(!mine) {
		hold_unlisted();
		return;
	}
	do {
		held = __atomic_load_n(&snaps->current, __ATOMIC_ACQUIRE);
		__atomic_store_n(&mine->uses, held, __ATOMIC_SEQ_CST);
	} while(held != __atomic_load_n(&snaps->current, __ATOMIC_SEQ_CST));
}

const struct tlsp_snap *tlsp_snap_ref(void)
{
	if(depth++ == 0)
		hold();
	return held;
}

void tlsp_snap_unref(const struct tlsp_snap *snap)
{
	if(!snap || --depth)
		return;
	held = NULL;
	if(mine) {
		__atomic_store_n(&mine->uses, NULL, __ATOMIC_RELEASE);
		return;
	}
	lock_get(&snaps->lock);
	snaps->unlisted--;
	lock_release(&snaps->lock);
}

const struct tlsp_snap *tlsp_snap_of(const struct tg_pol *policy)
{
	return held && held->policy == policy ? held : NULL;
}

/* With the lock held */
static bool is_used(const struct tlsp_snap *snap)
{
	const struct reader *r = snaps->readers;

	while(r && __atomic_load_n(&r->uses, __ATOMIC_SEQ_CST) != snap)
		r = r->next;
	return r != NULL;
}

void tlsp_snap_reclaim(void)
{
	struct tlsp_snap *gone = NULL, *snap, **at;

	if(!__atomic_load_n(&snaps->retired, __ATOMIC_RELAXED))
		return;
	lock_get(&snaps->lock);
	at = &snaps->retired;
	while((snap = *at) && !snaps->unlisted) {
		if(is_used(snap)) {
			at = &snap->next;
			continue;
		}
		*at = snap->next;
		snap->next = gone;
		gone = snap;
	}
	lock_release(&snaps->lock);
	while((snap = gone)) {
		gone = snap->next;
		snap_free(snap);
	}
}

/* ---- in force ------------------------------------------------------------ */

static void put_in_force(struct tlsp_snap *snap)
{
	struct tlsp_snap *old;

	lock_get(&snaps->lock);
	snap->generation = snaps->generation + 1;
	old = snaps->current;
	__atomic_store_n(&snaps->current, snap, __ATOMIC_SEQ_CST);
	__atomic_store_n(&snaps->generation, snap->generation, __ATOMIC_RELEASE);
	if(old) {
		old->next = snaps->retired;
		snaps->retired = old;
	}
	lock_release(&snaps->lock);
	tlsp_snap_reclaim();
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
	tlsp_snap_generation_at = &snaps->generation;
	if(!lock_init(&snaps->lock) || !lock_init(&snaps->reload)) {
		LM_ERR("cannot make locks\n");
		return -1;
	}
	if(pthread_atfork(NULL, NULL, forget_mine) != 0) {
		LM_ERR("cannot register a fork handler\n");
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

/* ---- the same policy with other CRLs ------------------------------------- */

struct fresh {
	const struct tg_pol *policy;
	tlsp_crl_fn crl;
	void *ctx;
};

static struct tg_span data_of(
		const struct tg_pol_blob *blob, size_t n, struct tg_span path)
{
	for(size_t i = 0; i < n; i++) {
		if(tg_span_eq(blob[i].path, path))
			return blob[i].data;
	}
	return tg_span_of(NULL, 0);
}

/* Octets that are there already, so nothing of them needs memory of scratch */
static bool read_again(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error)
{
	const struct fresh *f = ctx;
	struct tg_span name = tg_span_cstr(path);

	(void)max;
	(void)scratch;
	*out = f->crl(f->ctx, name);
	for(size_t i = 0; !out->len && i < tg_pol_trust_count(f->policy); i++) {
		const struct tg_pol_trust *t = tg_pol_trust_at(f->policy, i);

		*out = data_of(t->ca, t->n_ca, name);
		if(!out->len)
			*out = data_of(t->crl, t->n_crl, name);
	}
	*error = out->len ? NULL : "it is not part of the policy in force";
	return out->len;
}

bool tlsp_snap_refresh(const struct tlsp_snap *base, tlsp_crl_fn crl, void *ctx,
		struct tg_diags *diags)
{
	struct fresh fresh = {base->policy, crl, ctx};
	const struct tg_pol_host host = {shared, read_again, &fresh};
	struct tlsp_snap *snap = NULL;

	if(lock_try(&snaps->reload) != 0) {
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "a reload is running");
		return false;
	}
	if(base == __atomic_load_n(&snaps->current, __ATOMIC_ACQUIRE))
		snap = snap_of(&host, base->text, diags);
	else
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "the policy was replaced");
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
