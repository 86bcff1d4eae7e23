/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests that wait for an outbound handshake. tm learns of a handshake that
 * failed only from its timer, so each request that went into one is
 * remembered, as far as an answer needs it, and answered by us when the
 * handshake fails: a process of our own hands the answer to the core as if
 * the next hop had sent it (RFC 3261 16.7: 503 from a next hop). tm then runs
 * failure_route, tries the next destination or tells the caller.
 *
 * Where connect() fails at once tm learns of it in the process that sent the
 * request, and the script goes on there with the next destination. So nothing
 * is answered before that script has ended, or there would be two of them.
 *
 * The destination is left alone for a moment after that (retry_ms).
 */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/locking.h"
#include "core/mem/shm.h"
#include "core/pt.h"
#include "core/receive.h"
#include "core/socket_info.h"
#include "core/sr_module.h"

#include "tls_policy/bell.h"
#include "tls_policy/resume.h"

#define ANSWER_OCTETS 16384
#define FAILED_MAX 1024 /* destinations remembered; the slot is the hash's */
#define PROCESSES 1024
#define SCRIPT_MS 500 /* a script that takes longer is not waited for */
#define SOON_MS 20
#define NO_SCRIPT_MS 50 /* sent by a timer, nobody says when it is done */

struct failed {
	struct tg_addr addr;
	uint16_t port;
	uint64_t until_ms;
};

struct shared {
	gen_lock_t lock;
	struct tlsp_waiting *first;
	struct tlsp_waiting **last;
	gen_lock_t failed_lock;
	struct failed failed[FAILED_MAX];
	/* its script runs, and sent what waits for a handshake */
	bool at_it[PROCESSES];
};

static struct shared *shared;
static int bell;
static bool answering;
bool tlsp_waiting_at_it;

bool tlsp_waiting_answering(void)
{
	return answering;
}

/* ---- destinations that failed --------------------------------------------------- */

static struct failed *failed_slot(const struct tg_addr *addr, uint16_t port)
{
	uint32_t hash = 2166136261u ^ port;

	for(size_t i = 0; i < sizeof(addr->octet); i++)
		hash = (hash ^ addr->octet[i]) * 16777619u;
	return &shared->failed[hash % FAILED_MAX];
}

void tlsp_failed_note(const struct tg_addr *addr, uint16_t port)
{
	struct failed *slot = failed_slot(addr, port);

	lock_get(&shared->failed_lock);
	slot->addr = *addr;
	slot->port = port;
	slot->until_ms = tlsp_now_ms() + (uint64_t)tlsp_params.retry_ms;
	lock_release(&shared->failed_lock);
}

static bool is_for(
		const struct failed *slot, const struct tg_addr *addr, uint16_t port)
{
	return slot->port == port && tg_addr_eq(&slot->addr, addr);
}

void tlsp_failed_clear(const struct tg_addr *addr, uint16_t port)
{
	struct failed *slot = failed_slot(addr, port);

	lock_get(&shared->failed_lock);
	if(is_for(slot, addr, port))
		slot->until_ms = 0;
	lock_release(&shared->failed_lock);
}

bool tlsp_failed_recently(const struct tg_addr *addr, uint16_t port)
{
	struct failed *slot = failed_slot(addr, port);
	bool recently;

	lock_get(&shared->failed_lock);
	recently = slot->until_ms && is_for(slot, addr, port)
			   && tlsp_now_ms() < slot->until_ms;
	lock_release(&shared->failed_lock);
	return recently;
}

/* ---- what an answer needs of a request ---------------------------------------------- */

/* One header with its folded lines and its end; empty where they end */
static struct tg_span next_header(struct tg_span *rest)
{
	size_t n = 0;
	struct tg_span h;

	if(rest->len < 2 || (rest->ptr[0] == '\r' && rest->ptr[1] == '\n'))
		return tg_span_of(NULL, 0);
	do {
		n += tg_span_find(tg_span_of(rest->ptr + n, rest->len - n), '\n');
		if(n == rest->len)
			return tg_span_of(NULL, 0);
		n++;
	} while(n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t'));
	h = tg_span_of(rest->ptr, n);
	*rest = tg_span_of(rest->ptr + n, rest->len - n);
	return h;
}

static bool is_named(struct tg_span h, const char *name, char compact)
{
	struct tg_span n = tg_span_trim(tg_span_cut(&h, ':'));

	return tg_span_ieq(n, tg_span_cstr(name))
		   || (n.len == 1 && (n.ptr[0] | 0x20) == compact);
}

static bool has_tag(struct tg_span to)
{
	size_t at = tg_span_find(to, '>');

	for(at = at < to.len ? at : 0; at + 4 < to.len; at++) {
		if(to.ptr[at] == ';'
				&& tg_span_istarts(tg_span_trim(tg_span_of(
										   to.ptr + at + 1, to.len - at - 1)),
						TG_SPAN("tag=")))
			return true;
	}
	return false;
}

/* Appends; false when there is no room */
static bool put(char *out, size_t *n, struct tg_span s)
{
	if(s.len > ANSWER_OCTETS - *n)
		return false;
	memcpy(out + *n, s.ptr, s.len);
	*n += s.len;
	return true;
}

static bool put_to(char *out, size_t *n, struct tg_span h, int id)
{
	char tag[32];

	if(has_tag(h))
		return put(out, n, h);
	snprintf(tag, sizeof(tag), ";tag=tlsp-%x\r\n", (unsigned)id);
	while(h.len && (h.ptr[h.len - 1] == '\n' || h.ptr[h.len - 1] == '\r'))
		h.len--;
	return put(out, n, h) && put(out, n, tg_span_cstr(tag));
}

/* Via, From, To, Call-ID, CSeq. 0 when there is nothing to answer */
static size_t read_request(struct tg_span request, int id, char *out)
{
	size_t n = 0;
	struct tg_span method = request;
	struct tg_span line = tg_span_cut(&request, '\n');
	struct tg_span h;
	bool ok = true;

	method = tg_span_cut(&method, ' ');
	if(tg_span_starts(line, TG_SPAN("SIP/2.0 "))
			|| tg_span_eq(method, TG_SPAN("ACK"))
			|| tg_span_find(line, ' ') == line.len)
		return 0;
	while(ok && (h = next_header(&request)).len) {
		if(is_named(h, "via", 'v') || is_named(h, "from", 'f')
				|| is_named(h, "call-id", 'i') || is_named(h, "cseq", 0))
			ok = put(out, &n, h);
		else if(is_named(h, "to", 't'))
			ok = put_to(out, &n, h, id);
	}
	return ok ? n : 0;
}

static void at_it(unsigned process, bool yes)
{
	__atomic_store_n(&shared->at_it[process], yes, __ATOMIC_RELEASE);
}

void tlsp_waiting_add(struct tcp_connection *c, struct tg_span octets)
{
	static char headers[ANSWER_OCTETS];
	size_t n = read_request(octets, c->id, headers);
	struct tlsp_waiting *one;

	if(n == 0)
		return;
	one = shm_malloc(sizeof(*one) + n);
	if(!one) {
		SHM_MEM_ERROR;
		return;
	}
	memset(one, 0, sizeof(*one));
	one->rcv = c->rcv;
	one->rcv.proto_reserved1 = c->id;
	one->octets = n;
	memcpy(one->headers, headers, n);
	one->process = (unsigned)process_no % PROCESSES;
	one->by_script = tlsp_at_hand.request || tlsp_at_hand.reply;
	if(one->by_script) {
		tlsp_waiting_at_it = true;
		at_it(one->process, true);
	}
	if(!tlsp_conn_add_waiting(c->id, one))
		shm_free(one);
}

void tlsp_waiting_script_ended(void)
{
	tlsp_waiting_at_it = false;
	at_it((unsigned)process_no % PROCESSES, false);
	tlsp_bell_ring(bell);
}

void tlsp_waiting_free(struct tlsp_waiting *list)
{
	while(list) {
		struct tlsp_waiting *next = list->next;

		shm_free(list);
		list = next;
	}
}

static void enqueue(struct tlsp_waiting *list, struct tlsp_waiting *end)
{
	end->next = NULL;
	lock_get(&shared->lock);
	*shared->last = list;
	shared->last = &end->next;
	lock_release(&shared->lock);
}

void tlsp_waiting_fail(struct tlsp_waiting *list)
{
	uint64_t now = tlsp_now_ms();
	struct tlsp_waiting *end;

	if(!list)
		return;
	for(end = list;; end = end->next) {
		end->failed_ms = now;
		if(!end->next)
			break;
	}
	enqueue(list, end);
	tlsp_bell_ring(bell);
}

/* ---- the process that answers ------------------------------------------------------------ */

static struct tlsp_waiting *take_all(void)
{
	struct tlsp_waiting *list;

	if(!__atomic_load_n(&shared->first, __ATOMIC_ACQUIRE))
		return NULL;
	lock_get(&shared->lock);
	list = shared->first;
	shared->first = NULL;
	shared->last = &shared->first;
	lock_release(&shared->lock);
	return list;
}

static void answer(struct tlsp_waiting *one)
{
	static char buffer[ANSWER_OCTETS + 256];
	const struct tg_reason_info *info =
			tg_reason_get(TG_REASON_EGRESS_HANDSHAKE);
	int n = snprintf(buffer, sizeof(buffer),
			"SIP/2.0 %u %s\r\n%.*sContent-Length: 0\r\n\r\n", info->sip_code,
			info->sip_text, (int)one->octets, one->headers);

	if(n <= 0 || (size_t)n >= sizeof(buffer))
		return;
	if(!one->rcv.bind_address)
		one->rcv.bind_address = tls_listen;
	answering = true;
	receive_msg(buffer, (unsigned)n, &one->rcv);
	answering = false;
}

/* Does who sent it know by now what became of that? */
static bool is_settled(const struct tlsp_waiting *one, uint64_t now)
{
	if(one->by_script
			&& !__atomic_load_n(&shared->at_it[one->process], __ATOMIC_ACQUIRE))
		return true;
	return now - one->failed_ms >= (one->by_script ? SCRIPT_MS : NO_SCRIPT_MS);
}

/* -> how many have to wait */
static unsigned answer_all(void)
{
	struct tlsp_waiting *list = take_all();
	uint64_t now = tlsp_now_ms();
	unsigned later = 0;

	while(list) {
		struct tlsp_waiting *next = list->next;

		if(is_settled(list, now)) {
			answer(list);
			shm_free(list);
		} else {
			enqueue(list, list);
			later++;
		}
		list = next;
	}
	return later;
}

static int work(void)
{
	bool soon = answer_all() > 0;
	int sweep_ms;

	tlsp_own_tick();
	tlsp_tickets_tick();
	sweep_ms = tlsp_sweep_tick();
	return soon && sweep_ms > SOON_MS ? SOON_MS : sweep_ms;
}

int tlsp_waiting_init(void)
{
	shared = shm_malloc(sizeof(*shared));
	if(!shared) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(shared, 0, sizeof(*shared));
	shared->last = &shared->first;
	if(!lock_init(&shared->lock) || !lock_init(&shared->failed_lock)) {
		LM_ERR("cannot make locks\n");
		return -1;
	}
	bell = tlsp_bell_new();
	return bell < 0 ? -1 : 0;
}

int tlsp_waiting_fork(void)
{
	return tlsp_bell_fork(bell, "TLS POLICY", work);
}
