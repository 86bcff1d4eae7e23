/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of media sockets, by fd. See session.h for the life of a socket.
 *
 * Lookup without a lock: a slot is one pointer; the object behind it is never
 * freed, only reused. A reader takes a reference unless the count is 0, then
 * looks at the slot again: if it changed, the object is another socket's by
 * now, and the reference goes back. A closed fd's object cannot be reused
 * while a reader holds it, so a packet read before the close is never judged
 * by the keys of the socket that got the number after it.
 */
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "session/ice.h"

#define OBJECTS_AT_ONCE 39 /* a page, less what malloc needs */

static _Atomic(struct tg_ses_socket *) *slots;
static size_t n_slots;

static atomic_uint_fast64_t bound_ever;
static atomic_int highest_fd; /* that was ever bound */

static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tg_ses_socket *free_list;

/* Taken last: between emptying a slot and giving a plain call's socket away */
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;

const char *const tg_ses_drop_name[TG_SES_DROP_COUNT] = {
		[TG_SES_DROP_HELD] = "held",
		[TG_SES_DROP_NO_KEY] = "no_key",
		[TG_SES_DROP_KIND] = "kind",
		[TG_SES_DROP_SRTP] = "srtp",
		[TG_SES_DROP_SIZE] = "size",
		[TG_SES_DROP_PAIR] = "pair",
};

bool tg_ses_sockets_init(size_t n)
{
	void *p;

	if(n == 0 || n > SIZE_MAX / sizeof(*slots))
		return false;
	/* pages come when they are touched; the table costs what is in use */
	p = mmap(NULL, n * sizeof(*slots), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if(p == MAP_FAILED)
		return false;
	slots = p;
	n_slots = n;
	return true;
}

/* More of them at once: none is ever given back to the system. Locked */
static void make_objects(void)
{
	struct tg_ses_socket *s = calloc(OBJECTS_AT_ONCE, sizeof(*s));

	for(size_t i = 0; s != NULL && i < OBJECTS_AT_ONCE; i++) {
		s[i].next = free_list;
		free_list = &s[i];
	}
}

static struct tg_ses_socket *take_object(void)
{
	struct tg_ses_socket *s;

	pthread_mutex_lock(&free_lock);
	if(free_list == NULL)
		make_objects();
	s = free_list;
	if(s != NULL)
		free_list = s->next;
	pthread_mutex_unlock(&free_lock);
	return s;
}

static void give_object(struct tg_ses_socket *s)
{
	pthread_mutex_lock(&free_lock);
	s->next = free_list;
	free_list = s;
	pthread_mutex_unlock(&free_lock);
}

struct tg_ses_socket *tg_ses_socket_get(int fd)
{
	struct tg_ses_socket *s;
	unsigned n;

	if(fd < 0 || (size_t)fd >= n_slots)
		return NULL;
	for(;;) {
		s = atomic_load_explicit(&slots[fd], memory_order_acquire);
		if(s == NULL)
			return NULL;
		n = atomic_load_explicit(&s->refs, memory_order_relaxed);
		while(n != 0
				&& !atomic_compare_exchange_weak_explicit(&s->refs, &n, n + 1,
						memory_order_acq_rel, memory_order_relaxed))
			;
		if(n == 0)
			continue; /* just closed; the slot is about to say so */
		if(atomic_load_explicit(&slots[fd], memory_order_acquire) == s)
			return s;
		tg_ses_socket_put(s);
	}
}

void tg_ses_socket_put(struct tg_ses_socket *s)
{
	struct tg_ses_call *call;

	if(s == NULL
			|| atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel)
					   != 1)
		return;
	call = s->call;
	s->call = NULL;
	atomic_store(&s->stream, NULL);
	atomic_store(&s->mode, TG_SES_HELD);
	give_object(s);
	tg_ses_call_put(call);
}

bool tg_ses_socket_bound(int fd, const struct tg_addr *addr, uint16_t port,
		struct tg_ses_call *call, uint64_t call_hash, enum tg_ses_mode mode)
{
	struct tg_ses_socket *s;

	if(fd < 0 || (size_t)fd >= n_slots)
		return mode == TG_SES_PLAIN;
	tg_ses_socket_closed(fd); /* a close that we did not see */
	s = take_object();
	if(s == NULL)
		return false;
	s->addr = *addr;
	s->port = port;
	s->order = atomic_fetch_add(&bound_ever, 1) + 1;
	s->call_hash = call_hash;
	s->call = NULL;
	s->next = NULL;
	atomic_store(&s->fd, fd);
	atomic_store(&s->stream, NULL);
	atomic_store(&s->ahead[0], NULL);
	atomic_store(&s->ahead[1], NULL);
	atomic_store(&s->latest[0], NULL);
	atomic_store(&s->latest[1], NULL);
	atomic_store(&s->component, TG_KEY_RTP);
	atomic_store(&s->mode, (int)mode);
	if(call != NULL) {
		tg_ses_call_ref(call);
		s->call = call;
		pthread_mutex_lock(&call->lock);
		s->next = call->socket;
		call->socket = s;
		call->n_sockets++;
		pthread_mutex_unlock(&call->lock);
	}
	for(int top = atomic_load(&highest_fd); top < fd;) {
		if(atomic_compare_exchange_weak(&highest_fd, &top, fd))
			break;
	}
	atomic_store_explicit(&s->refs, 1, memory_order_release);
	atomic_store_explicit(&slots[fd], s, memory_order_release);
	return true;
}

/* Out of its call's list, and out of the stream that sends through it */
static void unlink_socket(struct tg_ses_socket *s)
{
	struct tg_ses_call *c = s->call;
	struct tg_ses_stream *st;
	struct tg_ses_socket **p;

	pthread_mutex_lock(&c->lock);
	for(p = &c->socket; *p != NULL && *p != s; p = &(*p)->next)
		;
	if(*p == s) {
		*p = s->next;
		c->n_sockets--;
	}
	st = atomic_load(&s->stream);
	if(st != NULL) {
		pthread_mutex_lock(&st->lock);
		for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
			if(st->socket[i] == s)
				st->socket[i] = NULL;
		}
		tg_ses_ice_forget(st, s);
		pthread_mutex_unlock(&st->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

void tg_ses_socket_closed(int fd)
{
	struct tg_ses_socket *s;

	if(fd < 0 || (size_t)fd >= n_slots)
		return;
	if(atomic_load_explicit(&slots[fd], memory_order_acquire) == NULL)
		return;
	pthread_mutex_lock(&slot_lock);
	s = atomic_exchange_explicit(&slots[fd], NULL, memory_order_acq_rel);
	pthread_mutex_unlock(&slot_lock);
	if(s == NULL)
		return;
	if(s->call != NULL) {
		unlink_socket(s);
		tg_ses_call_end_if_idle(s->call);
	}
	tg_ses_socket_put(s);
}

static struct tg_ses_socket *find(struct tg_ses_call *c,
		const struct tg_addr *addr, uint16_t port, unsigned *n)
{
	static const struct tg_addr any4 = {.family = 4}, any6 = {.family = 6};
	struct tg_ses_socket *found = NULL;

	*n = 0;
	for(struct tg_ses_socket *s = c->socket; s != NULL; s = s->next) {
		if(s->port != port)
			continue;
		if(addr != NULL && !tg_addr_eq(&s->addr, addr)
				&& !tg_addr_eq(&s->addr, &any4) && !tg_addr_eq(&s->addr, &any6))
			continue;
		found = s;
		(*n)++;
	}
	return found;
}

/* Sockets bound for this call-id while the call had no secured leg */
static void adopt(struct tg_ses_call *c, uint16_t port)
{
	int end = atomic_load(&highest_fd);

	pthread_mutex_lock(&slot_lock);
	for(int fd = 0; fd <= end; fd++) {
		struct tg_ses_socket *s =
				atomic_load_explicit(&slots[fd], memory_order_acquire);

		if(s == NULL || s->call != NULL || s->port != port
				|| s->call_hash != c->hash)
			continue;
		tg_ses_call_ref(c);
		s->call = c;
		s->next = c->socket;
		c->socket = s;
		c->n_sockets++;
	}
	pthread_mutex_unlock(&slot_lock);
}

struct tg_ses_socket *tg_ses_call_socket(
		struct tg_ses_call *c, const struct tg_addr *addr, uint16_t port)
{
	struct tg_ses_socket *s;
	unsigned n;

	s = find(c, addr, port, &n);
	if(n == 0) {
		adopt(c, port);
		s = find(c, addr, port, &n);
	}
	return n == 1 ? s : NULL;
}

struct tg_ses_socket *tg_ses_call_socket_by_port(
		struct tg_ses_call *c, uint16_t port)
{
	return tg_ses_call_socket(c, NULL, port);
}

struct tg_ses_socket *tg_ses_call_next_held(
		struct tg_ses_call *c, uint64_t order)
{
	struct tg_ses_socket *next = NULL;

	for(struct tg_ses_socket *s = c->socket; s != NULL; s = s->next) {
		if(s->order > order && atomic_load(&s->mode) == TG_SES_HELD
				&& atomic_load(&s->stream) == NULL
				&& (next == NULL || s->order < next->order))
			next = s;
	}
	return next;
}

uint64_t tg_ses_sockets_bound(void)
{
	return atomic_load(&bound_ever);
}
