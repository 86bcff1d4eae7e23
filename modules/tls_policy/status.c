/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of the status of certificates that are fetched (ocsp = fetch,
 * RFC 6960), in shared memory: handshakes read it, the process of fetch.c
 * writes it, and nobody waits for anybody.
 *
 *   asked for the first time   a place, UNKNOWN, due at once
 *   answered                   GOOD until its next update, or REVOKED; due
 *                              again at half of that time or ocsp_refresh
 *   not answered               what was said holds while its time lasts; due
 *                              again after 1, 2, 4 ... 60 s
 *   asked by nobody for a day  rests, and gives its place to the next; after two
 *                              minutes when it is not good
 *
 * A place is of one certificate, its issuer, and how its trust has them asked
 * about: another responder in the policy makes another place. Its version
 * moves when what it says does, so a connection knows that its verdict is old.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "tls_policy/tlsp.h"

#define BUCKETS 1024
#define KEY_OCTETS 32
#define HOLDS_MAX_SEC 86400 /* whatever next update says */
#define RESTS_SEC 86400
#define RESTS_BAD_SEC \
	120 /* more than a connection's touch is apart (fetch.c) */
#define BACKOFF_MAX_SEC 60

struct place {
	unsigned char key[KEY_OCTETS];
	uint32_t next; /* of its bucket; number + 1, 0 ends */
	bool flying;   /* the fetching process asks about it right now */
	bool allow_sha1;
	struct tg_x509_status said;
	char error[128]; /* why the last try brought nothing; empty: it did */
	time_t asked;    /* by a handshake, or a connection that is up */
	time_t taken;    /* when what was said came; 0: never */
	time_t due;
	unsigned failures;
	bool ours;      /* staple.c shows what was answered */
	char *response; /* DER, while it is good; NULL: there is none */
	size_t response_octets;
	size_t leaf, issuer, trust; /* octets of block, in this order */
	char block[];
};

struct table {
	gen_lock_t lock;
	unsigned due; /* something may be: a hint to the fetching process */
	uint32_t bucket[BUCKETS];
	uint32_t version[TLSP_STATUS_MAX]; /* never goes back */
	struct place *place[TLSP_STATUS_MAX];
};

static struct table *table;

int tlsp_status_init(void)
{
	table = shm_malloc(sizeof(*table));
	if(!table) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(table, 0, sizeof(*table));
	if(!lock_init(&table->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	return 0;
}

bool tlsp_status_moved(const struct tlsp_status_ref *ref)
{
	return ref->place
		   && __atomic_load_n(&table->version[ref->place - 1], __ATOMIC_ACQUIRE)
					  != ref->version;
}

/* With the lock held */
static void move(uint32_t i)
{
	__atomic_store_n(
			&table->version[i], table->version[i] + 1, __ATOMIC_RELEASE);
}

/* ---- places ---------------------------------------------------------------- */

static uint32_t *bucket_of(const unsigned char *key)
{
	return &table->bucket[(key[0] << 8 | key[1]) % BUCKETS];
}

/* The rest with the lock held. TLSP_STATUS_MAX: there is none */
static uint32_t find(const unsigned char *key)
{
	uint32_t at = *bucket_of(key);

	while(at && memcmp(table->place[at - 1]->key, key, KEY_OCTETS) != 0)
		at = table->place[at - 1]->next;
	return at ? at - 1 : TLSP_STATUS_MAX;
}

static void leave(uint32_t i)
{
	uint32_t *at = bucket_of(table->place[i]->key);

	while(*at != i + 1)
		at = &table->place[*at - 1]->next;
	*at = table->place[i]->next;
	if(table->place[i]->response)
		shm_free(table->place[i]->response);
	shm_free(table->place[i]);
	table->place[i] = NULL;
	move(i);
}

/* One that is good is kept so for who comes back; nobody waits for another */
static bool rests(const struct place *p, time_t now)
{
	return now - p->asked
		   > (p->said.state == TG_X509_STATE_GOOD ? RESTS_SEC : RESTS_BAD_SEC);
}

/* A free one; else the one that rests for the longest time is freed */
static uint32_t free_place(time_t now)
{
	uint32_t oldest = TLSP_STATUS_MAX;

	for(uint32_t i = 0; i < TLSP_STATUS_MAX; i++) {
		struct place *p = table->place[i];

		if(!p)
			return i;
		if(!p->flying && rests(p, now)
				&& (oldest == TLSP_STATUS_MAX
						|| p->asked < table->place[oldest]->asked))
			oldest = i;
	}
	if(oldest < TLSP_STATUS_MAX)
		leave(oldest);
	return oldest;
}

static uint32_t enter(struct place *p, time_t now)
{
	uint32_t i = free_place(now);

	if(i == TLSP_STATUS_MAX)
		return i;
	p->next = *bucket_of(p->key);
	*bucket_of(p->key) = i + 1;
	table->place[i] = p;
	return i;
}

/* ---- handshakes ------------------------------------------------------------- */

struct certificates {
	unsigned char *leaf, *issuer;
	int leaf_octets, issuer_octets;
};

static bool encode(X509 *leaf, X509 *issuer, struct certificates *out)
{
	out->leaf = out->issuer = NULL;
	out->leaf_octets = i2d_X509(leaf, &out->leaf);
	out->issuer_octets = i2d_X509(issuer, &out->issuer);
	return out->leaf_octets > 0 && out->issuer_octets > 0;
}

static bool mix(EVP_MD_CTX *ctx, const void *octets, size_t n)
{
	uint64_t length = n;

	return EVP_DigestUpdate(ctx, &length, sizeof(length)) == 1
		   && EVP_DigestUpdate(ctx, octets, n) == 1;
}

static bool make_key(const struct tg_pol_trust *trust,
		const struct certificates *c, bool allow_sha1,
		unsigned char key[KEY_OCTETS])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char how[2] = {(unsigned char)trust->ocsp.nonce, allow_sha1};
	unsigned n = 0;
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
			  && mix(ctx, c->leaf, (size_t)c->leaf_octets)
			  && mix(ctx, c->issuer, (size_t)c->issuer_octets)
			  && mix(ctx, trust->name.ptr, trust->name.len)
			  && mix(ctx, trust->ocsp.responder.ptr, trust->ocsp.responder.len)
			  && mix(ctx, how, sizeof(how))
			  && EVP_DigestFinal_ex(ctx, key, &n) == 1 && n == KEY_OCTETS;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static struct place *place_new(const struct tg_pol_trust *trust,
		const struct certificates *c, const unsigned char *key, bool allow_sha1)
{
	size_t leaf = (size_t)c->leaf_octets, issuer = (size_t)c->issuer_octets;
	struct place *p =
			shm_malloc(sizeof(*p) + leaf + issuer + trust->name.len + 1);

	if(!p) {
		SHM_MEM_ERROR;
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	memcpy(p->key, key, KEY_OCTETS);
	p->allow_sha1 = allow_sha1;
	p->leaf = leaf;
	p->issuer = issuer;
	p->trust = trust->name.len;
	memcpy(p->block, c->leaf, leaf);
	memcpy(p->block + leaf, c->issuer, issuer);
	memcpy(p->block + leaf + issuer, trust->name.ptr, trust->name.len);
	p->block[leaf + issuer + trust->name.len] = 0;
	return p;
}

/* With the lock held */
static void wake(void)
{
	if(!__atomic_exchange_n(&table->due, 1, __ATOMIC_ACQ_REL))
		tlsp_fetch_wake();
}

static void read_place(
		uint32_t i, struct tg_x509_status *out, struct tlsp_status_ref *ref)
{
	struct place *p = table->place[i];

	p->asked = time(NULL);
	*out = p->said;
	/* for what was good and is over the cause is why nothing came since */
	if(p->said.state != TG_X509_STATE_REVOKED && p->error[0])
		memcpy(out->detail, p->error, sizeof(out->detail));
	ref->place = i + 1;
	ref->version = table->version[i];
	if(!p->flying && p->due <= p->asked)
		wake();
}

static bool look_up(const unsigned char *key, struct tg_x509_status *out,
		struct tlsp_status_ref *ref)
{
	uint32_t i;

	lock_get(&table->lock);
	i = find(key);
	if(i < TLSP_STATUS_MAX)
		read_place(i, out, ref);
	lock_release(&table->lock);
	return i < TLSP_STATUS_MAX;
}

/* Another process may have made it in between: then ours goes */
static void add(struct place *p, struct tg_x509_status *out,
		struct tlsp_status_ref *ref)
{
	uint32_t i;

	lock_get(&table->lock);
	i = find(p->key);
	if(i == TLSP_STATUS_MAX) {
		i = enter(p, time(NULL));
		p = i < TLSP_STATUS_MAX ? NULL : p;
	}
	if(i < TLSP_STATUS_MAX)
		read_place(i, out, ref);
	else
		snprintf(out->detail, sizeof(out->detail),
				"more certificates are asked about than there is room for");
	lock_release(&table->lock);
	if(p)
		shm_free(p);
}

void tlsp_status_ask(const struct tg_pol_trust *trust, X509 *leaf, X509 *issuer,
		bool allow_sha1, struct tg_x509_status *out,
		struct tlsp_status_ref *ref)
{
	unsigned char key[KEY_OCTETS];
	struct certificates c;
	struct place *p = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	ref->place = 0;
	ok = encode(leaf, issuer, &c) && make_key(trust, &c, allow_sha1, key);
	if(ok && !look_up(key, out, ref)) {
		p = place_new(trust, &c, key, allow_sha1);
		ok = p != NULL;
		if(p)
			add(p, out, ref);
	}
	if(!ok)
		snprintf(out->detail, sizeof(out->detail), "out of memory");
	OPENSSL_free(c.leaf);
	OPENSSL_free(c.issuer);
}

/* With the lock held. False: there is none, or not any more */
static bool copy_response(
		const struct place *p, unsigned char **der, size_t *octets)
{
	if(!p->response || p->said.state != TG_X509_STATE_GOOD
			|| p->said.until <= time(NULL))
		return false;
	*der = OPENSSL_memdup(p->response, p->response_octets);
	*octets = p->response_octets;
	return *der;
}

bool tlsp_status_response(const struct tg_pol_trust *trust, X509 *leaf,
		X509 *issuer, unsigned char **der, size_t *octets)
{
	struct tg_x509_status said;
	struct tlsp_status_ref ref;
	struct place *p;
	bool found = false;

	tlsp_status_ask(trust, leaf, issuer, false, &said, &ref);
	if(!ref.place)
		return false;
	lock_get(&table->lock);
	p = table->place[ref.place - 1];
	if(p && table->version[ref.place - 1] == ref.version) {
		if(!p->ours && !p->flying) { /* a peer's it was: ask once more */
			p->due = 0;
			wake();
		}
		p->ours = true;
		found = copy_response(p, der, octets);
	}
	lock_release(&table->lock);
	return found;
}

/* ---- the fetching process ----------------------------------------------------- */

static bool is_due(const struct place *p, time_t now)
{
	return p && !p->flying && p->due <= now && !rests(p, now);
}

static bool copy_errand(uint32_t i, struct tlsp_errand *out)
{
	struct place *p = table->place[i];
	size_t octets = p->leaf + p->issuer + p->trust + 1;

	out->block = malloc(octets);
	if(!out->block)
		return false;
	memcpy(out->block, p->block, octets);
	out->place = i;
	out->leaf = tg_span_of(out->block, p->leaf);
	out->issuer = tg_span_of(out->block + p->leaf, p->issuer);
	out->trust = tg_span_of(out->block + p->leaf + p->issuer, p->trust);
	out->allow_sha1 = p->allow_sha1;
	p->flying = true;
	return true;
}

bool tlsp_status_next(bool look, struct tlsp_errand *out)
{
	uint32_t first = TLSP_STATUS_MAX;
	time_t now = time(NULL);
	bool found = false;

	if(!__atomic_load_n(&table->due, __ATOMIC_ACQUIRE) && !look)
		return false;
	lock_get(&table->lock);
	for(uint32_t i = 0; i < TLSP_STATUS_MAX; i++) {
		if(is_due(table->place[i], now)
				&& (first == TLSP_STATUS_MAX
						|| table->place[i]->due < table->place[first]->due))
			first = i;
	}
	if(first < TLSP_STATUS_MAX)
		found = copy_errand(first, out);
	else
		__atomic_store_n(&table->due, 0, __ATOMIC_RELEASE);
	lock_release(&table->lock);
	return found;
}

/* Who asked and how often it failed decide when to try again */
static void fail(struct place *p, const char *why, time_t now)
{
	unsigned wait = p->failures < 6 ? 1u << p->failures : BACKOFF_MAX_SEC;

	p->failures++;
	p->due = now + (wait < BACKOFF_MAX_SEC ? wait : BACKOFF_MAX_SEC);
	snprintf(p->error, sizeof(p->error), "%s", why);
}

static void keep_response(struct place *p, struct tg_span response)
{
	if(p->response)
		shm_free(p->response);
	p->response = NULL;
	if(!p->ours || p->said.state != TG_X509_STATE_GOOD || !response.len)
		return;
	p->response = shm_malloc(response.len);
	if(!p->response) {
		SHM_MEM_ERROR;
		return;
	}
	memcpy(p->response, response.ptr, response.len);
	p->response_octets = response.len;
}

static void take(struct place *p, const struct tg_x509_status *said,
		struct tg_span response, uint32_t refresh_sec, time_t now)
{
	time_t wait = refresh_sec;

	p->said = *said;
	p->taken = now;
	p->failures = 0;
	p->error[0] = 0;
	if(said->state == TG_X509_STATE_GOOD) {
		if(p->said.until > now + HOLDS_MAX_SEC)
			p->said.until = now + HOLDS_MAX_SEC;
		if(wait > (p->said.until - now) / 2)
			wait = (p->said.until - now) / 2;
	}
	p->due = now + (wait > 1 ? wait : 1);
	keep_response(p, response);
}

/* Does a connection that was judged by was have to be judged again? */
static bool differs(const struct tg_x509_status *was,
		const struct tg_x509_status *is, time_t now)
{
	return was->state != is->state
		   || (was->state == TG_X509_STATE_GOOD && was->until < now);
}

bool tlsp_status_done(const struct tlsp_errand *errand,
		const struct tg_x509_status *said, struct tg_span response,
		uint32_t refresh_sec)
{
	struct place *p;
	time_t now = time(NULL);
	bool changed = false;

	lock_get(&table->lock);
	p = table->place[errand->place];
	p->flying = false;
	if(said->state == TG_X509_STATE_UNKNOWN && !said->answered) {
		fail(p, said->detail, now);
	} else if(said->from < p->said.from) {
		/* what was said once is not taken back by playing older words */
		fail(p, "the response is older than the one at hand", now);
	} else {
		changed = differs(&p->said, said, now);
		take(p, said, response, refresh_sec, now);
	}
	if(changed)
		move(errand->place);
	lock_release(&table->lock);
	return changed;
}

void tlsp_status_later(const struct tlsp_errand *errand)
{
	lock_get(&table->lock);
	table->place[errand->place]->flying = false;
	table->place[errand->place]->due = time(NULL) + 1;
	lock_release(&table->lock);
}

void tlsp_status_touch(const struct tlsp_status_ref *ref)
{
	if(!ref->place)
		return;
	lock_get(&table->lock);
	if(table->place[ref->place - 1]
			&& table->version[ref->place - 1] == ref->version)
		table->place[ref->place - 1]->asked = time(NULL);
	lock_release(&table->lock);
}

/* ---- for who looks ------------------------------------------------------------- */

static bool view(uint32_t i, struct tlsp_status_view *out)
{
	const struct place *p;
	const unsigned char *at;
	X509 *leaf = NULL;

	memset(out, 0, sizeof(*out));
	lock_get(&table->lock);
	p = table->place[i];
	if(p) {
		at = (const unsigned char *)p->block;
		leaf = d2i_X509(NULL, &at, (long)p->leaf);
		out->said = p->said;
		out->flying = p->flying;
		out->taken = p->taken;
		out->due = p->due;
		out->failures = p->failures;
		memcpy(out->error, p->error, sizeof(out->error));
		snprintf(out->trust, sizeof(out->trust), "%s",
				p->block + p->leaf + p->issuer);
	}
	lock_release(&table->lock);
	if(!leaf)
		return false;
	tg_x509_describe(leaf, out->certificate, sizeof(out->certificate));
	X509_free(leaf);
	return true;
}

void tlsp_status_each(tlsp_status_fn fn, void *ctx)
{
	struct tlsp_status_view v;

	for(uint32_t i = 0; i < TLSP_STATUS_MAX; i++) {
		if(__atomic_load_n(&table->place[i], __ATOMIC_RELAXED) && view(i, &v)
				&& !fn(ctx, &v))
			return;
	}
}
