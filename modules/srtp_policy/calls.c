/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was agreed in a dialog: which m= lines a party's answer, or an answer
 * to it, secured. A later offer or answer must not take that back. Only
 * parties with level = supported are kept here: others cannot fall to clear.
 *
 * One entry for each side of a dialog, in shared memory, by Call-ID, own tag
 * and the other side's tag, so that forked answers do not meddle. An entry
 * goes with the BYE, or after a day without a description.
 */
#include <time.h>

#include "core/atomic_ops.h"
#include "core/dprint.h"
#include "core/hashes.h"
#include "core/locking.h"
#include "core/mem/shm_mem.h"
#include "core/timer.h"

#include "srtp_policy/srtpp.h"

#define BUCKETS 4096u /* a power of two */
#define LOCKS 64
#define IDLE_SEC (24 * 3600)
#define SWEEP_SEC 60
#define KEY_OCTETS_MAX 1024

struct side {
	struct side *next;
	time_t used;
	uint32_t lines;
	unsigned key_octets;
	char key[];
};

struct table {
	atomic_t count;
	struct side *bucket[BUCKETS];
};

static struct table *table;
static gen_lock_set_t *locks;

struct key {
	char octets[KEY_OCTETS_MAX];
	unsigned len;
	unsigned bucket;
};

static bool make_key(struct tg_span call_id, struct tg_span own,
		struct tg_span other, struct key *k)
{
	str text;
	int n;

	if(!call_id.len || !own.len || !other.len)
		return false; /* not in a dialog yet */
	n = snprintf(k->octets, sizeof(k->octets), "%.*s\n%.*s\n%.*s",
			TG_SPAN_FMT(call_id), TG_SPAN_FMT(own), TG_SPAN_FMT(other));
	if(n < 0 || (size_t)n >= sizeof(k->octets))
		return false;
	k->len = (unsigned)n;
	text = (str){k->octets, n};
	k->bucket = get_hash1_raw(text.s, text.len) & (BUCKETS - 1);
	return true;
}

static bool key_of(const struct tg_media_message *m, bool sender, struct key *k)
{
	bool own_is_from = m->request == sender;

	return make_key(m->call_id, own_is_from ? m->from_tag : m->to_tag,
			own_is_from ? m->to_tag : m->from_tag, k);
}

static void lock_bucket(const struct key *k)
{
	lock_set_get(locks, (int)(k->bucket % LOCKS));
}

static void unlock_bucket(const struct key *k)
{
	lock_set_release(locks, (int)(k->bucket % LOCKS));
}

/* Where it hangs, or would */
static struct side **find(const struct key *k)
{
	struct side **at = &table->bucket[k->bucket];

	while(*at
			&& ((*at)->key_octets != k->len
					|| memcmp((*at)->key, k->octets, k->len) != 0))
		at = &(*at)->next;
	return at;
}

static void drop(struct side **at)
{
	struct side *gone = *at;

	*at = gone->next;
	shm_free(gone);
	atomic_dec(&table->count);
}

static struct side *add(const struct key *k)
{
	struct side *s = NULL;

	if(atomic_get(&table->count) < srtpp_params.calls_max)
		s = shm_malloc(sizeof(*s) + k->len);
	if(!s) {
		LM_WARN("no room for another call: its encryption may be taken "
				"back later\n");
		return NULL;
	}
	s->lines = 0;
	s->key_octets = k->len;
	memcpy(s->key, k->octets, k->len);
	s->next = table->bucket[k->bucket];
	table->bucket[k->bucket] = s;
	atomic_inc(&table->count);
	return s;
}

uint32_t srtpp_calls_agreed(const struct tg_media_message *m, bool sender)
{
	uint32_t lines = 0;
	struct side *s;
	struct key k;

	if(!key_of(m, sender, &k))
		return 0;
	lock_bucket(&k);
	s = *find(&k);
	if(s) {
		lines = s->lines;
		s->used = time(NULL);
	}
	unlock_bucket(&k);
	return lines;
}

void srtpp_calls_agree(
		const struct tg_media_message *m, bool sender, uint32_t lines)
{
	struct side *s;
	struct key k;

	if(!lines || !key_of(m, sender, &k))
		return;
	lock_bucket(&k);
	s = *find(&k);
	if(!s)
		s = add(&k);
	if(s) {
		s->lines |= lines;
		s->used = time(NULL);
	}
	unlock_bucket(&k);
}

void srtpp_calls_end(const struct tg_media_message *m)
{
	struct side **at;
	struct key k;

	if(atomic_get(&table->count) == 0)
		return;
	for(int sender = 0; sender <= 1; sender++) {
		if(!key_of(m, sender, &k))
			continue;
		lock_bucket(&k);
		at = find(&k);
		if(*at)
			drop(at);
		unlock_bucket(&k);
	}
}

unsigned srtpp_calls_count(void)
{
	return (unsigned)atomic_get(&table->count);
}

static void sweep(unsigned int ticks, void *param)
{
	time_t now = time(NULL);

	(void)ticks;
	(void)param;
	if(atomic_get(&table->count) == 0)
		return;
	for(unsigned i = 0; i < BUCKETS; i++) {
		struct side **at = &table->bucket[i];

		lock_set_get(locks, (int)(i % LOCKS));
		while(*at) {
			if(now - (*at)->used > IDLE_SEC)
				drop(at);
			else
				at = &(*at)->next;
		}
		lock_set_release(locks, (int)(i % LOCKS));
	}
}

int srtpp_calls_init(void)
{
	table = shm_malloc(sizeof(*table));
	locks = lock_set_alloc(LOCKS);
	if(!table || !locks || !lock_set_init(locks)
			|| register_timer(sweep, NULL, SWEEP_SEC) < 0) {
		LM_ERR("out of shared memory\n");
		return -1;
	}
	memset(table, 0, sizeof(*table));
	return 0;
}

void srtpp_calls_destroy(void)
{
	for(unsigned i = 0; table && i < BUCKETS; i++) {
		while(table->bucket[i])
			drop(&table->bucket[i]);
	}
	if(table)
		shm_free(table);
	table = NULL;
}
