/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/restored.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <syslog.h>
#include <unistd.h>

#include "mount/mount.h"
#include "mount/real.h"

#define CALL_ID_OCTETS_MAX 512
#define TRIES_MAX 60 /* of a second each: the daemon may still be restoring */

struct tg_mnt_restored_counters tg_mnt_restored;

/* What this thread restores; id_len 0: nobody knows */
static _Thread_local struct {
	char id[CALL_ID_OCTETS_MAX];
	size_t id_len;
	bool secured;
	bool own;     /* of this node's database, not of one it looks into */
	bool counted; /* its first socket was bound */
} reading;

/* Calls to delete, the oldest first */
struct doomed {
	struct doomed *next;
	size_t len;
	char id[];
};
static struct doomed *queue, **queue_end = &queue;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_more = PTHREAD_COND_INITIALIZER;

static pthread_mutex_t me_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tg_addr me;
static uint16_t me_port;

void tg_mnt_restored_forget(void)
{
	reading.id_len = 0;
}

/* Where it begins; text.len: nowhere */
static size_t find(struct tg_span text, struct tg_span word)
{
	const char *p = memmem(text.ptr, text.len, word.ptr, word.len);

	return p != NULL ? (size_t)(p - text.ptr) : text.len;
}

/* "redis_hosted_db":"N" or 15:redis_hosted_db1:N; -1: neither */
static long hosted_db(struct tg_span text)
{
	static const struct tg_span name = TG_SPAN_INIT("redis_hosted_db");
	size_t i = find(text, name);
	const char *p, *end = text.ptr + text.len;
	long db = 0;

	if(i == text.len)
		return -1;
	p = text.ptr + i + name.len;
	if(end - p > 3 && memcmp(p, "\":\"", 3) == 0)
		p += 3;
	else if(end - p > 2 && p[1] == ':')
		p += 2;
	if(p == end || *p < '0' || *p > '9')
		return -1;
	for(; p != end && *p >= '0' && *p <= '9' && db < 1000000; p++)
		db = db * 10 + (*p - '0');
	return db;
}

void tg_mnt_restored_read(struct tg_span call_id, struct tg_span text)
{
	tg_mnt_restored_forget();
	if(call_id.len == 0 || call_id.len > sizeof(reading.id) || text.len == 0)
		return;
	memcpy(reading.id, call_id.ptr, call_id.len);
	reading.id_len = call_id.len;
	reading.secured = find(text, TG_SPAN(TG_NGX_MARK)) != text.len;
	reading.own = hosted_db(text) == tg_mnt->redis_db;
	reading.counted = false;
}

/* ---- sockets ------------------------------------------------------------- */

static bool doom(struct tg_span id)
{
	struct doomed *d = malloc(sizeof(*d) + id.len);

	if(d == NULL)
		return false;
	d->next = NULL;
	d->len = id.len;
	memcpy(d->id, id.ptr, id.len);
	pthread_mutex_lock(&queue_lock);
	*queue_end = d;
	queue_end = &d->next;
	pthread_cond_signal(&queue_more);
	pthread_mutex_unlock(&queue_lock);
	return true;
}

/* Held in a call of the table, so that no request without a profile of this
 * call-id passes, and none with one brings it to life either */
static bool bound_secured(
		int fd, const struct tg_addr *addr, uint16_t port, struct tg_span id)
{
	struct tg_ses_call *c = tg_ses_call_get(id, true);
	bool ok;

	if(c == NULL)
		return false;
	pthread_mutex_lock(&c->lock);
	if(c->leg == NULL)
		c->restored = true;
	pthread_mutex_unlock(&c->lock);
	ok = tg_ses_socket_bound(fd, addr, port, c, c->hash, TG_SES_HELD);
	if(ok && !reading.counted) {
		atomic_fetch_add(&tg_mnt_restored.secured, 1);
		ok = !reading.own || doom(id);
	}
	tg_ses_call_put(c);
	return ok;
}

bool tg_mnt_restored_bound(int fd, const struct tg_addr *addr, uint16_t port)
{
	struct tg_span id = tg_span_of(reading.id, reading.id_len);
	bool ok;

	if(id.len == 0) {
		atomic_fetch_add(&tg_mnt_restored.unknown, 1);
		return tg_ses_socket_bound(fd, addr, port, NULL, 0, TG_SES_HELD);
	}
	if(reading.secured) {
		ok = bound_secured(fd, addr, port, id);
	} else {
		ok = tg_ses_socket_bound(
				fd, addr, port, NULL, tg_ses_hash(id), TG_SES_PLAIN);
		if(!reading.counted)
			atomic_fetch_add(&tg_mnt_restored.plain, 1);
	}
	reading.counted = true;
	return ok;
}

/* ---- deletes ------------------------------------------------------------- */

bool tg_mnt_restored_is_me(const struct tg_addr *from, uint16_t port)
{
	bool yes;

	pthread_mutex_lock(&me_lock);
	yes = port != 0 && port == me_port && tg_addr_eq(from, &me);
	pthread_mutex_unlock(&me_lock);
	return yes;
}

/* A socket of our own toward the daemon's first ng listener */
static int open_client(void)
{
	const struct tg_mnt_ng *ng = &tg_mnt->ng[0];
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6,
			.sin6_port = htons(ng->port),
			.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in sa4 = {.sin_family = AF_INET,
			.sin_port = htons(ng->port),
			.sin_addr = {htonl(INADDR_LOOPBACK)}};
	static const struct tg_addr any4 = {.family = 4}, any6 = {.family = 6};
	struct timeval second = {.tv_sec = 1};
	struct sockaddr_storage mine;
	socklen_t n = sizeof(mine);
	bool v6 = ng->addr.family == 6;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if(fd < 0)
		return -1;
	if(v6 && !tg_addr_eq(&ng->addr, &any6))
		memcpy(&sa6.sin6_addr, ng->addr.octet, 16);
	if(ng->addr.family == 4 && !tg_addr_eq(&ng->addr, &any4))
		memcpy(&sa4.sin_addr, ng->addr.octet, 4);
	if(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) != 0
			|| connect(fd, v6 ? (void *)&sa6 : (void *)&sa4,
					   v6 ? sizeof(sa6) : sizeof(sa4))
					   != 0
			|| getsockname(fd, (struct sockaddr *)&mine, &n) != 0) {
		tg_mnt_real()->close(fd);
		return -1;
	}
	pthread_mutex_lock(&me_lock);
	if(!tg_addr_from_sockaddr((struct sockaddr *)&mine, &me, &me_port))
		me_port = 0;
	pthread_mutex_unlock(&me_lock);
	return fd;
}

/* True: the daemon has answered, whatever it said: the call is not there */
static bool ask(int fd, const struct doomed *d, unsigned long serial)
{
	char text[CALL_ID_OCTETS_MAX + 160], reply[2048], cookie[48];
	int head = snprintf(cookie, sizeof(cookie), "tg%lx-%lx ",
			(unsigned long)getpid(), serial);
	int n = snprintf(text, sizeof(text),
			"%sd7:call-id%zu:%.*s7:command6:delete12:delete-delayi0e"
			"8:from-tag0:e",
			cookie, d->len, (int)d->len, d->id);
	ssize_t got;

	if(n <= 0 || n >= (int)sizeof(text)
			|| tg_mnt_real()->send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		return false;
	got = tg_mnt_real()->recv(fd, reply, sizeof(reply), 0);
	return got >= head && memcmp(reply, cookie, (size_t)head) == 0;
}

static void log_delete(const struct doomed *d, bool deleted)
{
	char id[128], text[320];
	size_t n = 0;

	for(; n < d->len && n < sizeof(id) - 1; n++)
		id[n] = d->id[n] > 0x20 && d->id[n] < 0x7f && d->id[n] != '"' ? d->id[n]
																	  : '?';
	id[n] = '\0';
	snprintf(text, sizeof(text),
			"call %s: reason=restored call-id=\"%s\": it had a secured leg, "
			"and keys are not in Redis",
			deleted ? "torn down" : "stays closed, the daemon does not answer",
			id);
	tg_mnt_log(LOG_WARNING, text);
}

static void delete_one(const struct doomed *d)
{
	static unsigned long serial;
	bool deleted = false;

	for(int i = 0; i < TRIES_MAX && !deleted; i++) {
		int fd = open_client();

		deleted = fd >= 0 && ask(fd, d, ++serial);
		if(fd >= 0)
			tg_mnt_real()->close(fd);
		if(!deleted)
			usleep(200000);
	}
	if(deleted)
		atomic_fetch_add(&tg_mnt_restored.deleted, 1);
	log_delete(d, deleted);
}

static void *run(void *unused)
{
	(void)unused;
	for(;;) {
		struct doomed *d;

		pthread_mutex_lock(&queue_lock);
		while(queue == NULL)
			pthread_cond_wait(&queue_more, &queue_lock);
		d = queue;
		queue = d->next;
		if(queue == NULL)
			queue_end = &queue;
		pthread_mutex_unlock(&queue_lock);
		delete_one(d);
		free(d);
	}
	return NULL;
}

bool tg_mnt_restored_start(void)
{
	sigset_t all, before;
	pthread_t thread;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&thread, NULL, run, NULL) == 0;
	if(ok) {
		pthread_setname_np(thread, "trunkguard-gone");
		pthread_detach(thread);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}
