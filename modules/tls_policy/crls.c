/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The CRLs of the policy, watched: a file that changes comes into force
 * without a reload, with the policy as it is (snapshot.c), so that every
 * connection is judged again. A process of its own does it, "TLS POLICY CRL":
 * none that handles SIP waits for a disk.
 *
 *   replaced (rename)     read at once
 *   written in place      read when it has rested for one interval
 *   gone, broken, signed  the octets in force stay; alarm. The next change is
 *   by another CA         looked at again
 *
 * RFC 5280 section 6.3. Nothing is downloaded: crl_file is written by a
 * program of the operator's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"
#include "core/sr_module.h"

#include "policy/load.h"
#include "tls_policy/bell.h"
#include "tls_policy/tlsp.h"

#define ALARM_AGAIN_SEC 3600

struct shared {
	gen_lock_t lock;
	unsigned n;
	struct tlsp_crl item[TLSP_CRLS_MAX];
	/* a command asks, the process of this file does */
	unsigned asked, done;
	struct tlsp_swept swept;
	bool taken;
};

/* What tells one state of a file from another */
struct mark {
	dev_t dev;
	ino_t ino;
	off_t octets;
	struct timespec written, changed;
};

struct watched {
	char path[256];
	struct mark last;    /* as it was at the last look */
	struct mark settled; /* as it was when it was taken or refused */
	struct tg_arena file;
	struct tg_span fresh; /* in file: octets to be taken; else empty */
	time_t alarmed;
	bool used;        /* by the policy in force */
	uint64_t learned; /* generation of the facts that commands see */
};

static struct shared *shared;
static int bell;

/* Of the process that watches */
static struct watched watched[TLSP_CRLS_MAX];
static unsigned n_watched;
static uint64_t known; /* generation whose CRLs are in the table */

/* ---- the table that commands read ---------------------------------------- */

static void publish(unsigned i, const struct tlsp_crl *crl)
{
	lock_get(&shared->lock);
	shared->item[i] = *crl;
	if(i >= shared->n)
		shared->n = i + 1;
	lock_release(&shared->lock);
}

static void peek(unsigned i, struct tlsp_crl *out)
{
	lock_get(&shared->lock);
	*out = shared->item[i];
	lock_release(&shared->lock);
}

void tlsp_crls_each(tlsp_crl_seen_fn fn, void *ctx)
{
	struct tlsp_crl crl;

	for(unsigned i = 0; i < shared->n; i++) {
		peek(i, &crl);
		if(crl.path[0] && !fn(ctx, &crl))
			return;
	}
}

/* ---- alarms ------------------------------------------------------------------ */

static void refuse(unsigned i, const char *why)
{
	struct tlsp_crl crl;

	peek(i, &crl);
	if(strcmp(crl.error, why) == 0)
		return;
	snprintf(crl.error, sizeof(crl.error), "%s", why);
	publish(i, &crl);
	tlsp_stats_count_crl(TLSP_CRL_REFUSED);
	LM_ERR("ALARM: CRL %s is not taken, the one in force stays: %s\n",
			watched[i].path, why);
}

static void settle(unsigned i, const struct mark *mark)
{
	struct tlsp_crl crl;

	watched[i].settled = *mark;
	peek(i, &crl);
	crl.error[0] = 0;
	publish(i, &crl);
}

static void look_at_age(unsigned i, time_t now)
{
	struct watched *w = &watched[i];
	struct tlsp_crl crl;
	struct tm utc;
	char text[32];

	peek(i, &crl);
	if(!crl.next_update || now <= crl.next_update) {
		w->alarmed = 0;
		return;
	}
	if(w->alarmed && now - w->alarmed < ALARM_AGAIN_SEC)
		return;
	w->alarmed = now;
	tlsp_stats_count_crl(TLSP_CRL_STALE);
	gmtime_r(&crl.next_update, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	LM_ERR("ALARM: a CRL of %s is stale since %s: under revocation = hard new "
		   "connections are refused, those that are up end with stale_grace\n",
			w->path, text);
}

/* ---- what to watch --------------------------------------------------------------- */

/* TLSP_CRLS_MAX: it is not there */
static unsigned index_of(struct tg_span path)
{
	unsigned i = 0;

	while(i < n_watched && !tg_span_eq(path, tg_span_cstr(watched[i].path)))
		i++;
	return i < n_watched ? i : TLSP_CRLS_MAX;
}

/* The one that it has, a new one, or one of a file that the policy gave up */
static unsigned place_for(struct tg_span path)
{
	static const struct tlsp_crl none;
	unsigned i = index_of(path);

	if(i < TLSP_CRLS_MAX || path.len >= sizeof(watched[i].path))
		return i;
	for(i = 0; i < n_watched && watched[i].used;)
		i++;
	if(i == TLSP_CRLS_MAX)
		return i;
	if(i == n_watched)
		n_watched++;
	tg_arena_deinit(&watched[i].file);
	memset(&watched[i], 0, sizeof(watched[i]));
	memcpy(watched[i].path, path.ptr, path.len);
	watched[i].used = true;
	publish(i, &none);
	return i;
}

static void keep_one(const struct tg_pol_blob *blob)
{
	unsigned i = index_of(blob->path);

	if(i < TLSP_CRLS_MAX)
		watched[i].used = true;
}

static void learn_one(const struct tg_pol_blob *blob)
{
	unsigned i = place_for(blob->path);
	struct tg_x509_blob data = {blob->path, blob->data};
	struct tg_x509_crl_facts facts;
	struct tlsp_crl crl;

	if(i == TLSP_CRLS_MAX) {
		LM_ERR("ALARM: CRL %.*s is not watched: too many, or too long a path\n",
				TG_SPAN_FMT(blob->path));
		return;
	}
	if(watched[i].learned == known)
		return;
	watched[i].learned = known;
	peek(i, &crl);
	tg_x509_crl_facts(&data, &facts);
	snprintf(crl.path, sizeof(crl.path), "%s", watched[i].path);
	crl.next_update = facts.next_update;
	crl.n_revoked = facts.n_revoked;
	if(!crl.taken)
		crl.taken = time(NULL);
	publish(i, &crl);
}

static void each_crl(
		const struct tlsp_snap *snap, void (*fn)(const struct tg_pol_blob *))
{
	for(size_t t = 0; t < tg_pol_trust_count(snap->policy); t++) {
		const struct tg_pol_trust *trust = tg_pol_trust_at(snap->policy, t);

		for(size_t i = 0; i < trust->n_crl; i++)
			fn(&trust->crl[i]);
	}
}

/*
 * Those that the policy does not name any more keep their place, unlooked at,
 * until another one needs it
 */
static void learn(const struct tlsp_snap *snap)
{
	static const struct tlsp_crl none;

	if(known == snap->generation)
		return;
	known = snap->generation;
	for(unsigned i = 0; i < n_watched; i++)
		watched[i].used = false;
	each_crl(snap, keep_one);
	each_crl(snap, learn_one);
	for(unsigned i = 0; i < n_watched; i++) {
		if(!watched[i].used)
			publish(i, &none);
	}
}

static struct tg_span in_force(
		const struct tlsp_snap *snap, struct tg_span path)
{
	for(size_t t = 0; t < tg_pol_trust_count(snap->policy); t++) {
		const struct tg_pol_trust *trust = tg_pol_trust_at(snap->policy, t);

		for(size_t i = 0; i < trust->n_crl; i++) {
			if(tg_span_eq(trust->crl[i].path, path))
				return trust->crl[i].data;
		}
	}
	return tg_span_of(NULL, 0);
}

/* ---- one file ------------------------------------------------------------------------ */

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->octets == b->octets
		   && same_time(a->written, b->written)
		   && same_time(a->changed, b->changed);
}

static bool take_mark(const char *path, struct mark *out)
{
	struct stat st;

	if(stat(path, &st) != 0)
		return false;
	*out = (struct mark){
			st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
	return true;
}

/* One that is written in place is half a file at any moment but the last */
static bool has_rested(const struct watched *w, const struct mark *now)
{
	return same_mark(&w->last, now) || w->last.dev != now->dev
		   || w->last.ino != now->ino;
}

static const char *first_text(const struct tg_diags *diags)
{
	return diags->first ? diags->first->text.ptr : "it cannot be used";
}

/* Fills fresh when there is something new that would do */
static void read_one(
		const struct tlsp_snap *snap, unsigned i, const struct mark *mark)
{
	struct watched *w = &watched[i];
	struct tg_span path = tg_span_cstr(w->path), data;
	struct tg_diags diags;
	const char *error;

	if(!tg_pol_read_file(NULL, w->path, TG_POL_FILE_OCTETS_MAX, &w->file, &data,
			   &error)) {
		refuse(i, error);
		w->settled = *mark;
		return;
	}
	if(tg_span_eq(data, in_force(snap, path))) {
		settle(i, mark);
		return;
	}
	tg_diags_init(&diags, &tg_alloc_libc);
	if(!data.len) {
		refuse(i, "it is empty");
		w->settled = *mark;
	} else if(tg_judge_check_crl(snap->policy, path, data, &diags)) {
		w->fresh = data;
	} else {
		refuse(i, first_text(&diags));
		w->settled = *mark;
	}
	tg_diags_deinit(&diags);
}

static bool look_at_one(const struct tlsp_snap *snap, unsigned i, bool now)
{
	struct watched *w = &watched[i];
	struct mark mark;
	bool ready;

	if(!take_mark(w->path, &mark)) {
		refuse(i, strerror(errno));
		memset(&w->settled, 0, sizeof(w->settled));
		return false;
	}
	ready = now || has_rested(w, &mark);
	w->last = mark;
	if(ready && !same_mark(&w->settled, &mark))
		read_one(snap, i, &mark);
	return w->fresh.len;
}

/* ---- all of them ----------------------------------------------------------------------- */

static struct tg_span fresh_of(void *ctx, struct tg_span path)
{
	unsigned i = index_of(path);

	(void)ctx;
	return i < TLSP_CRLS_MAX ? watched[i].fresh : tg_span_of(NULL, 0);
}

static void took(unsigned i)
{
	struct tlsp_crl crl;

	settle(i, &watched[i].last);
	peek(i, &crl);
	crl.taken = time(NULL);
	publish(i, &crl);
	tlsp_stats_count_crl(TLSP_CRL_TAKEN);
	LM_NOTICE("CRL %s is in force: %zu revoked\n", crl.path, crl.n_revoked);
}

/* What is not put into force now is read again at the next look */
static bool put_in_force(const struct tlsp_snap *snap)
{
	struct tg_diags diags;
	bool good;

	tg_diags_init(&diags, &tg_alloc_libc);
	good = tlsp_snap_refresh(snap, fresh_of, NULL, &diags);
	if(!good)
		LM_ERR("CRLs that changed wait: %s\n", first_text(&diags));
	tg_diags_deinit(&diags);
	return good;
}

/* By the policy that has them */
static void note_taken(void)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();

	learn(snap);
	tlsp_snap_unref(snap);
	for(unsigned i = 0; i < n_watched; i++) {
		if(watched[i].fresh.len)
			took(i);
	}
}

static bool look(bool now)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	bool any = false, taken = false;

	learn(snap);
	for(unsigned i = 0; i < n_watched; i++) {
		watched[i].fresh = tg_span_of(NULL, 0);
		tg_arena_init(&watched[i].file, &tg_alloc_libc, 0);
		if(watched[i].used)
			any = look_at_one(snap, i, now) || any;
	}
	if(any)
		taken = put_in_force(snap);
	tlsp_snap_unref(snap);
	if(taken)
		note_taken();
	for(unsigned i = 0; i < n_watched; i++) {
		watched[i].fresh = tg_span_of(NULL, 0);
		tg_arena_deinit(&watched[i].file);
		if(watched[i].used)
			look_at_age(i, time(NULL));
	}
	return taken;
}

/* ---- the process ----------------------------------------------------------------------------- */

static void answer(void)
{
	unsigned asked = __atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE);

	if(asked == shared->done)
		return;
	shared->taken = look(true);
	tlsp_sweep_all(&shared->swept);
	__atomic_store_n(&shared->done, asked, __ATOMIC_RELEASE);
}

static int work(void)
{
	static uint64_t next_ms;
	int every_ms = tlsp_params.crl_check_ms;
	uint64_t now = tlsp_now_ms();

	answer();
	if(!every_ms)
		return -1;
	if(!next_ms) /* they were read at start */
		next_ms = now + (uint64_t)every_ms;
	if(now >= next_ms) {
		look(false);
		next_ms = now + (uint64_t)every_ms;
	}
	return (int)(next_ms - now);
}

bool tlsp_crls_look_now(unsigned wait_ms, struct tlsp_swept *swept, bool *taken)
{
	unsigned mine = __atomic_add_fetch(&shared->asked, 1, __ATOMIC_ACQ_REL);
	unsigned done;

	tlsp_bell_ring(bell);
	do {
		done = __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE);
		if((int)(done - mine) >= 0) {
			*swept = shared->swept;
			*taken = shared->taken;
			return true;
		}
		usleep(5000);
		wait_ms -= wait_ms < 5 ? wait_ms : 5;
	} while(wait_ms);
	return false;
}

int tlsp_crls_init(void)
{
	const struct tlsp_snap *snap;

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
	snap = tlsp_snap_ref();
	learn(snap);
	tlsp_snap_unref(snap);
	bell = tlsp_bell_new();
	return bell < 0 ? -1 : 0;
}

int tlsp_crls_fork(void)
{
	return tlsp_bell_fork(bell, "TLS POLICY CRL", work);
}
