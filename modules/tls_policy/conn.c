/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One record per TLS connection, in shared memory, keyed by Kamailio's
 * connection id. It is made with the first octet in either direction and goes
 * when tcpconn_clean says that the connection is gone, so no verdict outlives
 * its connection. Readers take a copy under the lock.
 *
 *   slot[id % SLOTS] -> record -> record -> ...      one lock per STRIPE slots
 *
 * There is at most one record per TLS connection of the core, which bounds
 * their number (tls_max_connections).
 */
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "tls_policy/tlsp.h"

#define SLOTS TLSP_CONN_SLOTS
#define STRIPES 256
#define WAITING_MAX 128 /* requests per connection */

struct record {
	struct record *next;
	struct tlsp_facts facts;
	struct tlsp_chain *chain;
	struct tlsp_waiting *waiting;
	struct tlsp_waiting **waiting_end;
	unsigned n_waiting;
};

struct conns {
	gen_lock_t lock[STRIPES];
	struct record *slot[SLOTS];
	uint64_t stamp[SLOTS];
};

static struct conns *conns;
const uint64_t *tlsp_conn_stamps;

static unsigned slot_of(int id)
{
	return (unsigned)id % SLOTS;
}

static gen_lock_t *lock_of(int id)
{
	return &conns->lock[slot_of(id) % STRIPES];
}

/* With the lock held */
static struct record **find(int id)
{
	struct record **at = &conns->slot[slot_of(id)];

	while(*at && (*at)->facts.id != id)
		at = &(*at)->next;
	return at;
}

/* With the lock held, before the change: who still sees the old stamp came
 * before it */
static void will_change(int id)
{
	uint64_t *stamp = &conns->stamp[slot_of(id)];

	__atomic_store_n(stamp, *stamp + 1, __ATOMIC_SEQ_CST);
}

int tlsp_conns_init(void)
{
	conns = shm_malloc(sizeof(*conns));
	if(!conns) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(conns, 0, sizeof(*conns));
	tlsp_conn_stamps = conns->stamp;
	for(size_t i = 0; i < STRIPES; i++) {
		if(!lock_init(&conns->lock[i])) {
			LM_ERR("cannot make locks\n");
			return -1;
		}
	}
	return 0;
}

bool tlsp_conn_add(const struct tlsp_facts *facts)
{
	struct record *r = shm_malloc(sizeof(*r));
	struct record **at;
	bool added = false;

	if(!r) {
		SHM_MEM_ERROR;
		return false;
	}
	memset(r, 0, sizeof(*r));
	r->facts = *facts;
	r->waiting_end = &r->waiting;
	lock_get(lock_of(facts->id));
	at = find(facts->id);
	if(!*at) {
		will_change(facts->id);
		*at = r;
		added = true;
	}
	lock_release(lock_of(facts->id));
	if(!added)
		shm_free(r);
	return added;
}

bool tlsp_conn_get(int id, struct tlsp_facts *out)
{
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r)
		*out = r->facts;
	lock_release(lock_of(id));
	return r != NULL;
}

bool tlsp_conn_get_head(int id, struct tlsp_facts *out)
{
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r)
		memcpy(out, &r->facts, offsetof(struct tlsp_facts, cipher));
	lock_release(lock_of(id));
	out->cipher[0] = out->sni[0] = out->identity[0] = 0;
	return r != NULL;
}

bool tlsp_conn_set(const struct tlsp_facts *facts)
{
	struct record *r;

	lock_get(lock_of(facts->id));
	r = *find(facts->id);
	if(r) {
		will_change(facts->id);
		r->facts = *facts;
	}
	lock_release(lock_of(facts->id));
	return r != NULL;
}

enum tlsp_conn_state tlsp_conn_state(int id, uint64_t generation, time_t now)
{
	enum tlsp_conn_state state = TLSP_CONN_UNKNOWN;
	const struct tlsp_facts *f;
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r) {
		f = &r->facts;
		if(f->judged && !f->allowed)
			state = TLSP_CONN_DENIED;
		else if(!f->established)
			state = TLSP_CONN_OPEN;
		else if(f->generation != generation
				|| (f->not_after && now > f->not_after)
				|| tlsp_status_moved(&f->status))
			state = TLSP_CONN_STALE;
		else
			state = TLSP_CONN_GOOD;
	}
	lock_release(lock_of(id));
	return state;
}

struct tlsp_waiting *tlsp_conn_drop(int id, struct tlsp_facts *was)
{
	struct tlsp_waiting *waiting;
	struct record **at, *r;

	memset(was, 0, sizeof(*was));
	lock_get(lock_of(id));
	at = find(id);
	r = *at;
	if(r) {
		will_change(id);
		*at = r->next;
	}
	lock_release(lock_of(id));
	if(!r)
		return NULL;
	*was = r->facts;
	waiting = r->waiting;
	if(r->chain)
		shm_free(r->chain);
	shm_free(r);
	return waiting;
}

/* ---- certificates ---------------------------------------------------------- */

static size_t der_octets(X509 *cert)
{
	int n = i2d_X509(cert, NULL);

	return n > 0 ? (size_t)n + 4 : 0;
}

static bool der_put(X509 *cert, unsigned char **at)
{
	unsigned char *der = *at + 4;
	int n = i2d_X509(cert, &der);

	if(n <= 0)
		return false;
	(*at)[0] = (unsigned char)(n >> 24);
	(*at)[1] = (unsigned char)(n >> 16);
	(*at)[2] = (unsigned char)(n >> 8);
	(*at)[3] = (unsigned char)n;
	*at = der;
	return true;
}

static struct tlsp_chain *chain_get(size_t octets)
{
	struct tlsp_chain *out = octets > TLSP_CHAIN_OCTETS_MAX
									 ? NULL
									 : shm_malloc(sizeof(*out) + octets);

	if(!out && octets <= TLSP_CHAIN_OCTETS_MAX)
		SHM_MEM_ERROR;
	return out;
}

/*
 * What OpenSSL hands out begins with the leaf, and often ends with a root,
 * which is trusted or not whoever sends it. Reading one again takes OpenSSL
 * longer than to verify its signature.
 */
static bool is_between(X509 *cert, X509 *leaf)
{
	return X509_cmp(cert, leaf) != 0
		   && !(X509_get_extension_flags(cert) & EXFLAG_SS);
}

static struct tlsp_chain *chain_of(X509 *leaf, STACK_OF(X509) *chain)
{
	int n = sk_X509_num(chain); /* -1 for NULL */
	size_t octets = der_octets(leaf);
	struct tlsp_chain *out;
	unsigned char *at;
	bool ok;

	for(int i = 0; i < n; i++)
		octets += der_octets(sk_X509_value(chain, i));
	out = chain_get(octets);
	if(!out)
		return NULL;
	at = out->der;
	ok = der_put(leaf, &at);
	for(int i = 0; ok && i < n; i++) {
		if(is_between(sk_X509_value(chain, i), leaf))
			ok = der_put(sk_X509_value(chain, i), &at);
	}
	out->octets = (size_t)(at - out->der);
	if(!ok) {
		shm_free(out);
		return NULL;
	}
	return out;
}

static struct tlsp_chain *chain_with(
		X509 *leaf, const unsigned char *certs, size_t octets)
{
	struct tlsp_chain *out = chain_get(der_octets(leaf) + octets);
	unsigned char *at;

	if(!out)
		return NULL;
	at = out->der;
	if(!der_put(leaf, &at)) {
		shm_free(out);
		return NULL;
	}
	memcpy(at, certs, octets);
	out->octets = (size_t)(at - out->der) + octets;
	return out;
}

/* mine: taken over */
static bool set_chain(int id, struct tlsp_chain *mine)
{
	struct tlsp_chain *old = mine;
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r) {
		old = r->chain;
		r->chain = mine;
	}
	lock_release(lock_of(id));
	if(old)
		shm_free(old);
	return r != NULL;
}

bool tlsp_conn_set_chain(int id, X509 *leaf, STACK_OF(X509) *chain)
{
	struct tlsp_chain *mine = leaf ? chain_of(leaf, chain) : NULL;

	return (!leaf || mine) && set_chain(id, mine);
}

bool tlsp_conn_set_certs(
		int id, X509 *leaf, const unsigned char *certs, size_t octets)
{
	struct tlsp_chain *mine = chain_with(leaf, certs, octets);

	return mine && set_chain(id, mine);
}

struct tlsp_chain *tlsp_conn_get_chain(int id)
{
	struct tlsp_chain *out = NULL;
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r && r->chain) {
		out = malloc(sizeof(*out) + r->chain->octets);
		if(out)
			memcpy(out, r->chain, sizeof(*out) + r->chain->octets);
	}
	lock_release(lock_of(id));
	return out;
}

/* ---- requests that wait ------------------------------------------------------ */

bool tlsp_conn_add_waiting(int id, struct tlsp_waiting *one)
{
	struct record *r;
	bool added = false;

	one->next = NULL;
	lock_get(lock_of(id));
	r = *find(id);
	if(r && !r->facts.established && r->n_waiting < WAITING_MAX) {
		*r->waiting_end = one;
		r->waiting_end = &one->next;
		r->n_waiting++;
		added = true;
	}
	lock_release(lock_of(id));
	return added;
}

struct tlsp_waiting *tlsp_conn_take_waiting(int id)
{
	struct tlsp_waiting *list = NULL;
	struct record *r;

	lock_get(lock_of(id));
	r = *find(id);
	if(r) {
		list = r->waiting;
		r->waiting = NULL;
		r->waiting_end = &r->waiting;
		r->n_waiting = 0;
	}
	lock_release(lock_of(id));
	return list;
}

/* ---- all of them ---------------------------------------------------------------- */

/* Copies of one slot; the caller frees them */
static struct tlsp_facts *copy_slot(unsigned slot, size_t *n)
{
	struct tlsp_facts *list = NULL;
	struct record *r;

	*n = 0;
	lock_get(&conns->lock[slot % STRIPES]);
	for(r = conns->slot[slot]; r; r = r->next)
		(*n)++;
	list = *n ? malloc(*n * sizeof(*list)) : NULL;
	*n = 0;
	for(r = conns->slot[slot]; list && r; r = r->next)
		list[(*n)++] = r->facts;
	lock_release(&conns->lock[slot % STRIPES]);
	return list;
}

/* Without the lock: a record that comes now is seen in the next round */
static bool is_empty(unsigned slot)
{
	return !__atomic_load_n(&conns->slot[slot], __ATOMIC_RELAXED);
}

static bool each_of_slot(unsigned slot, tlsp_conn_fn fn, void *ctx)
{
	size_t n;
	struct tlsp_facts *list = copy_slot(slot, &n);
	bool more = true;

	for(size_t i = 0; more && i < n; i++)
		more = fn(ctx, &list[i]);
	free(list);
	return more;
}

void tlsp_conn_each(tlsp_conn_fn fn, void *ctx)
{
	for(unsigned slot = 0; slot < SLOTS; slot++) {
		if(!is_empty(slot) && !each_of_slot(slot, fn, ctx))
			return;
	}
}

void tlsp_conn_some(
		unsigned *cursor, unsigned parts, tlsp_conn_fn fn, void *ctx)
{
	for(unsigned n = SLOTS / parts; n > 0; n--) {
		if(!is_empty(*cursor) && !each_of_slot(*cursor, fn, ctx))
			return;
		*cursor = (*cursor + 1) % SLOTS;
	}
}
