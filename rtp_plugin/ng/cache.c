/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/cache.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define ENTRIES 4096
#define BUCKETS 1024
#define LIFE_SEC 60

struct entry {
	struct entry *next;          /* in its bucket */
	struct entry *older, *newer; /* by age */
	time_t made;
	uint64_t digest[2];
	char *cookie;
	size_t cookie_len;
	char *reply; /* NULL: still at work */
	size_t reply_len;
};

static struct entry *bucket[BUCKETS];
static struct entry *oldest, *newest;
static size_t n_entries;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* FNV-1a; senders are trusted and the buckets are few, so no key is needed */
static struct entry **bucket_of(struct tg_span cookie)
{
	uint32_t h = 2166136261u;

	for(size_t i = 0; i < cookie.len; i++)
		h = (h ^ (uint8_t)cookie.ptr[i]) * 16777619u;
	return &bucket[h % BUCKETS];
}

static struct entry *find(struct tg_span cookie)
{
	struct entry *e = *bucket_of(cookie);

	while(e != NULL
			&& !tg_span_eq(cookie, tg_span_of(e->cookie, e->cookie_len)))
		e = e->next;
	return e;
}

static void remove_entry(struct entry *e)
{
	struct entry **p = bucket_of(tg_span_of(e->cookie, e->cookie_len));

	while(*p != e)
		p = &(*p)->next;
	*p = e->next;
	*(e->older ? &e->older->newer : &oldest) = e->newer;
	*(e->newer ? &e->newer->older : &newest) = e->older;
	n_entries--;
	if(e->reply != NULL)
		OPENSSL_cleanse(e->reply, e->reply_len);
	free(e->reply);
	free(e->cookie);
	free(e);
}

static struct entry *add(struct tg_span cookie, const uint64_t digest[2])
{
	struct entry *e = calloc(1, sizeof(*e));
	struct entry **head = bucket_of(cookie);

	if(e == NULL)
		return NULL;
	e->cookie = malloc(cookie.len + 1);
	if(e->cookie == NULL) {
		free(e);
		return NULL;
	}
	memcpy(e->cookie, cookie.ptr, cookie.len);
	e->cookie_len = cookie.len;
	memcpy(e->digest, digest, sizeof(e->digest));
	e->made = now();
	e->next = *head;
	*head = e;
	e->older = newest;
	*(newest ? &newest->newer : &oldest) = e;
	newest = e;
	n_entries++;
	return e;
}

static void drop_old(void)
{
	while(oldest != NULL && oldest->made + LIFE_SEC < now())
		remove_entry(oldest);
}

/* What is still at work stays: a repetition would run a second time */
static void make_room(void)
{
	struct entry *e;

	if(n_entries < ENTRIES)
		return;
	for(e = oldest; e != NULL && e->reply == NULL; e = e->newer)
		;
	if(e != NULL)
		remove_entry(e);
}

enum tg_ngx_seen tg_ngx_cache_look(struct tg_span cookie,
		const uint64_t digest[2], struct tg_arena *arena, struct tg_span *reply)
{
	enum tg_ngx_seen seen;
	struct entry *e;

	pthread_mutex_lock(&lock);
	drop_old();
	e = find(cookie);
	if(e == NULL) {
		make_room();
		seen = n_entries < ENTRIES && add(cookie, digest) != NULL ? TG_NGX_NEW
																  : TG_NGX_FULL;
	} else if(CRYPTO_memcmp(e->digest, digest, sizeof(e->digest)) != 0) {
		seen = TG_NGX_CLASH;
	} else if(e->reply == NULL) {
		seen = TG_NGX_RUNNING;
	} else {
		*reply = tg_arena_dup(arena, tg_span_of(e->reply, e->reply_len));
		seen = reply->ptr != NULL ? TG_NGX_REPEATED : TG_NGX_RUNNING;
	}
	pthread_mutex_unlock(&lock);
	return seen;
}

void tg_ngx_cache_put(
		struct tg_span cookie, const uint64_t digest[2], struct tg_span reply)
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = find(cookie);
	if(e != NULL && e->reply == NULL
			&& memcmp(e->digest, digest, sizeof(e->digest)) == 0) {
		e->reply = malloc(reply.len != 0 ? reply.len : 1);
		if(e->reply == NULL) {
			remove_entry(e);
		} else {
			memcpy(e->reply, reply.ptr, reply.len);
			e->reply_len = reply.len;
		}
	}
	pthread_mutex_unlock(&lock);
}

void tg_ngx_cache_drop(struct tg_span cookie, const uint64_t digest[2])
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = find(cookie);
	if(e != NULL && e->reply == NULL
			&& memcmp(e->digest, digest, sizeof(e->digest)) == 0)
		remove_entry(e);
	pthread_mutex_unlock(&lock);
}
