/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What must be known about a call beyond one message, in shared memory:
 *
 *	lines   which m= lines a party's answer, or an answer to it, secured: a
 *	        later offer or answer must not take that back. Only for parties
 *	        with level = supported: others cannot fall to clear
 *	routes  whose media profile is stricter and that the script put the call
 *	        on: they hold for both halves, for all that follows, whatever
 *	        process sees it
 *	way     to the side that did not make an offer, while the offer stands in
 *	        a 2xx: who is told with BYE when its answer, in the ACK, may not
 *	        pass
 *
 * One entry for each side of a dialog, by Call-ID, own tag and the other
 * side's tag, so that forked answers do not meddle; and one for the request
 * that opens dialogs, with an empty tag, from which they take the routes. An
 * entry goes with the BYE, or after a day without a description; the one of
 * the request after ten minutes.
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
#define OPENING_SEC 600
#define SWEEP_SEC 60
#define KEY_OCTETS_MAX 1024

struct side {
	struct side *next;
	time_t used;
	uint32_t lines;
	char *routes; /* names, a line end behind each; NULL: none */
	char *way;    /* NULL: not needed */
	bool opening; /* of the request that opens dialogs */
	unsigned key_octets;
	char key[];
};

struct table {
	atomic_t count;
	atomic_t routed; /* entries with routes */
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

	if(!call_id.len || !own.len)
		return false;
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

	if(!m->from_tag.len || !m->to_tag.len)
		return false; /* not in a dialog yet */
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
	if(gone->routes) {
		shm_free(gone->routes);
		atomic_dec(&table->routed);
	}
	if(gone->way)
		shm_free(gone->way);
	shm_free(gone);
	atomic_dec(&table->count);
}

static struct side *add(const struct key *k)
{
	struct side *s = NULL;

	if(atomic_get(&table->count) < srtpp_params.calls_max)
		s = shm_malloc(sizeof(*s) + k->len);
	if(!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->key_octets = k->len;
	memcpy(s->key, k->octets, k->len);
	s->next = table->bucket[k->bucket];
	table->bucket[k->bucket] = s;
	atomic_inc(&table->count);
	return s;
}

/* The entry of this key, made where there is none; NULL: no room */
static struct side *have(const struct key *k)
{
	struct side *s = *find(k);

	if(!s)
		s = add(k);
	if(s)
		s->used = time(NULL);
	return s;
}

/* ---- lines ------------------------------------------------------------------ */

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
	s = have(&k);
	if(s)
		s->lines |= lines;
	unlock_bucket(&k);
	if(!s)
		LM_WARN("no room for another call: its encryption may be taken "
				"back later\n");
}

/* ---- routes ------------------------------------------------------------------- */

static bool names_route(const char *routes, struct tg_span name)
{
	struct tg_span rest = tg_span_cstr(routes);

	while(rest.len) {
		if(tg_span_eq(tg_span_cut(&rest, '\n'), name))
			return true;
	}
	return false;
}

/* Called with the lock. Routes are only added, never more than fit out */
static bool add_routes(struct side *s, struct tg_span names)
{
	size_t had = s->routes ? strlen(s->routes) : 0;
	char *text;

	if(had + names.len + 2 > SRTPP_ROUTES_OCTETS)
		return false;
	text = shm_malloc(had + names.len + 2);
	if(!text)
		return false;
	snprintf(text, had + names.len + 2, "%s%.*s\n", s->routes ? s->routes : "",
			TG_SPAN_FMT(names));
	if(s->routes)
		shm_free(s->routes);
	else
		atomic_inc(&table->routed);
	s->routes = text;
	return true;
}

static bool opening_key(const struct tg_media_message *m, struct key *k)
{
	return make_key(m->call_id, m->from_tag, tg_span_of(NULL, 0), k);
}

bool srtpp_calls_put_on(
		const struct tg_media_message *m, const struct tg_pol_route *route)
{
	struct side *s;
	struct key k;
	bool done;

	if(!(m->to_tag.len ? key_of(m, true, &k) : opening_key(m, &k)))
		return false;
	lock_bucket(&k);
	s = have(&k);
	if(s)
		s->opening = m->to_tag.len == 0;
	done = s
		   && ((s->routes && names_route(s->routes, route->name))
				   || add_routes(s, route->name));
	unlock_bucket(&k);
	if(!done)
		LM_ERR("no room for another call on route %.*s\n",
				TG_SPAN_FMT(route->name));
	return done;
}

static bool copy_routes(const struct key *k, char out[SRTPP_ROUTES_OCTETS])
{
	struct side *s;

	lock_bucket(k);
	s = *find(k);
	if(s && s->routes) {
		snprintf(out, SRTPP_ROUTES_OCTETS, "%s", s->routes);
		s->used = time(NULL);
	}
	unlock_bucket(k);
	return out[0] != 0;
}

/* A dialog keeps the routes of the request that opened it */
static void keep_routes(const struct key *k, const char *names)
{
	struct side *s;

	lock_bucket(k);
	s = have(k);
	if(!s || !add_routes(s, tg_span_of(names, strlen(names) - 1)))
		LM_ERR("no room for the routes of another call\n");
	unlock_bucket(k);
}

void srtpp_calls_routes(
		const struct tg_media_message *m, char out[SRTPP_ROUTES_OCTETS])
{
	struct key k, dialog;
	bool in_dialog;

	out[0] = 0;
	if(atomic_get(&table->routed) == 0)
		return;
	in_dialog = key_of(m, false, &k) && key_of(m, true, &dialog);
	if(in_dialog && (copy_routes(&k, out) || copy_routes(&dialog, out)))
		return;
	if(!(opening_key(m, &k) && copy_routes(&k, out))
			&& !(make_key(m->call_id, m->to_tag, tg_span_of(NULL, 0), &k)
					&& copy_routes(&k, out)))
		return;
	if(in_dialog)
		keep_routes(&dialog, out);
}

/* ---- the way ------------------------------------------------------------------- */

bool srtpp_calls_keep_way(const struct tg_media_message *m, struct tg_span way)
{
	struct side *s;
	struct key k;
	char *text;

	if(!key_of(m, true, &k))
		return false;
	text = shm_malloc(way.len + 1);
	if(!text)
		return false;
	memcpy(text, way.ptr, way.len);
	text[way.len] = 0;
	lock_bucket(&k);
	s = have(&k);
	if(s) {
		if(s->way)
			shm_free(s->way);
		s->way = text;
	}
	unlock_bucket(&k);
	if(!s)
		shm_free(text);
	return s != NULL;
}

struct tg_span srtpp_calls_take_way(
		const struct tg_media_message *m, struct tg_arena *arena)
{
	struct tg_span way = {NULL, 0};
	struct side *s;
	struct key k;

	if(atomic_get(&table->count) == 0 || !key_of(m, false, &k))
		return way;
	lock_bucket(&k);
	s = *find(&k);
	if(s && s->way) {
		way = tg_arena_dup(arena, tg_span_cstr(s->way));
		shm_free(s->way);
		s->way = NULL;
	}
	unlock_bucket(&k);
	return way;
}

bool srtpp_calls_offer_waits(const struct tg_media_message *m)
{
	struct side *s;
	struct key k;
	bool waits;

	if(atomic_get(&table->count) == 0 || !key_of(m, false, &k))
		return false;
	lock_bucket(&k);
	s = *find(&k);
	waits = s && s->way;
	unlock_bucket(&k);
	return waits;
}

/* ---- the end -------------------------------------------------------------------- */

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

void srtpp_calls_walk(srtpp_calls_fn fn, void *arg)
{
	time_t now = time(NULL);
	bool more = true;

	for(unsigned i = 0; i < BUCKETS && more; i++) {
		lock_set_get(locks, (int)(i % LOCKS));
		for(struct side *s = table->bucket[i]; s && more; s = s->next) {
			struct tg_span key = tg_span_of(s->key, s->key_octets);
			struct srtpp_side side = {
					.lines = s->lines,
					.routes = tg_span_cstr(s->routes),
					.waits_for_ack = s->way != NULL,
					.idle_sec = (unsigned)(now - s->used),
			};

			side.call_id = tg_span_cut(&key, '\n');
			side.own_tag = tg_span_cut(&key, '\n');
			side.other_tag = key;
			more = fn(&side, arg);
		}
		lock_set_release(locks, (int)(i % LOCKS));
	}
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
			if(now - (*at)->used > ((*at)->opening ? OPENING_SEC : IDLE_SEC))
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
