/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/mem/shm.h"
#include "core/parser/msg_parser.h"
#include "core/parser/parse_uri.h"
#include "core/tcp_conn.h"

#include "tls_policy/compat.h"

/* ---- memory ---------------------------------------------------------------- */

#define POOL_OCTETS ((size_t)256 << 20)
#define CLASSES 40

struct block {
	struct block *next;
	size_t octets;
	unsigned class;
} __attribute__((aligned(64)));

static struct pool {
	pthread_spinlock_t lock;
	size_t used; /* of the mapping */
	size_t taken;
	struct block *free[CLASSES]; /* by the power of two of their size */
} * pool;

static void *take(void *unused, size_t octets, const char *file,
		const char *func, unsigned int line, const char *mod)
{
	unsigned class = 6;
	struct block *b;

	(void)unused, (void)file, (void)func, (void)line, (void)mod;
	while((size_t)1 << class < octets)
		class ++;
	pthread_spin_lock(&pool->lock);
	b = pool->free[class];
	if(b) {
		pool->free[class] = b->next;
	} else if(pool->used + sizeof(*b) + ((size_t)1 << class) <= POOL_OCTETS) {
		b = (struct block *)((char *)pool + pool->used);
		pool->used += sizeof(*b) + ((size_t)1 << class);
		b->class = class;
	}
	if(b) {
		b->octets = octets;
		pool->taken += octets;
	}
	pthread_spin_unlock(&pool->lock);
	return b ? b + 1 : NULL;
}

static void give(void *unused, void *p, const char *file, const char *func,
		unsigned int line, const char *mod)
{
	struct block *b = (struct block *)p - 1;

	(void)unused, (void)file, (void)func, (void)line, (void)mod;
	memset(p, HOST_POISON, b->octets);
	pthread_spin_lock(&pool->lock);
	pool->taken -= b->octets;
	b->next = pool->free[b->class];
	pool->free[b->class] = b;
	pthread_spin_unlock(&pool->lock);
}

sr_shm_api_t _shm_root = {.xmalloc = take, .xfree = give};

size_t host_shm_octets(void)
{
	return pool->taken;
}

void host_init(void)
{
	pool = mmap(NULL, POOL_OCTETS, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if(pool == MAP_FAILED)
		abort();
	pool->used = sizeof(*pool) + 64 - sizeof(*pool) % 64;
	pthread_spin_init(&pool->lock, PTHREAD_PROCESS_SHARED);
}

/* ---- processes --------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool host_run(unsigned n, unsigned ms, bool (*work)(unsigned i))
{
	uint64_t end = now_ms() + ms;
	bool good = true;
	int status;

	for(unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if(pid < 0)
			return false;
		if(pid == 0) {
			alarm(60);
			while(now_ms() < end) {
				if(!work(i))
					_exit(1);
			}
			_exit(0);
		}
	}
	while(wait(&status) > 0)
		good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return good;
}

/* ---- the log ------------------------------------------------------------------- */

volatile int dprint_crit;
int process_no, log_stderr, log_color;
str *log_prefix_val;
struct log_level_info log_level_info[16];
km_log_f _km_log_func;
ksr_slog_f _ksr_slog_func;

int get_debug_level(char *mname, int mnlen)
{
	(void)mname, (void)mnlen;
	return -10;
}

int get_debug_facility(char *mname, int mnlen)
{
	(void)mname, (void)mnlen;
	return 0;
}

int my_pid(void)
{
	return (int)getpid();
}

void dprint_color(int level)
{
	(void)level;
}

void dprint_color_reset(void)
{
}

/* ---- what no test of these parts may reach ----------------------------------------- */

gen_lock_t *tcpconn_lock;
int tcp_connection_match;
void *tcp_cfg;

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define NOT_HERE(type, name, ...)                     \
	type name(__VA_ARGS__);                           \
	type name(__VA_ARGS__)                            \
	{                                                 \
		fprintf(stderr, "%s was called\n", __func__); \
		abort();                                      \
	}

NOT_HERE(int, parse_from_header, struct sip_msg *msg)
NOT_HERE(int, parse_pai_header, struct sip_msg *const msg)
NOT_HERE(int, parse_uri, char *buf, int len, struct sip_uri *uri)
NOT_HERE(int, parse_headers, struct sip_msg *const msg, const hdr_flags_t flags,
		const int next)
#if VERSIONVAL >= 6000000
NOT_HERE(struct tcp_connection *, _tcpconn_find, int id, struct ip_addr *ip,
		int port, struct ip_addr *l_ip, int l_port, sip_protos_t proto)
#else
NOT_HERE(struct tcp_connection *, _tcpconn_find, int id, struct ip_addr *ip,
		int port, struct ip_addr *l_ip, int l_port)
#endif
