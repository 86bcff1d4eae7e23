/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Limits for one source, applied when a TLS connection is accepted: before
 * any octet of it is read and long before asymmetric work. Per source (IPv4
 * address, IPv6 /64): handshakes per second, and connections that have proven
 * nothing yet. A handshake that ends with a peer's certificate is given back,
 * so the trunks of a busy peer are not counted. Over all of them: strangers
 * may hold half of the TLS connections while they prove themselves, the rest
 * stays for declared peers.
 */
#include <time.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "tls_policy/tlsp.h"

#define SOURCES 8192
#define PROBES 8
#define TOKEN 1000 /* one handshake, in thousandths: refilled per millisecond */

struct source {
	struct tg_addr addr; /* family 0: free */
	uint32_t pending;
	uint32_t tokens;
	uint64_t at_ms; /* when tokens was right */
};

struct limits {
	gen_lock_t lock;
	uint32_t pending; /* of all sources that no peer names */
	struct source source[SOURCES];
};

static struct limits *limits;

static struct tg_addr key_of(const struct tg_addr *addr)
{
	struct tg_addr key = *addr;

	if(key.family == 6)
		memset(key.octet + 8, 0, 8);
	return key;
}

/* With the lock held. NULL: not there, and no room where one is wanted */
static struct source *find(const struct tg_addr *key, bool make, uint64_t now)
{
	uint32_t hash = 2166136261u;
	struct source *room = NULL;

	for(size_t i = 0; i < sizeof(key->octet); i++)
		hash = (hash ^ key->octet[i]) * 16777619u;
	for(uint32_t i = 0; i < PROBES; i++) {
		struct source *s = &limits->source[(hash + i) % SOURCES];

		if(s->addr.family && tg_addr_eq(&s->addr, key))
			return s;
		/* after a second of silence nothing is known any more */
		if(!room && (!s->addr.family || (!s->pending && now - s->at_ms > 1000)))
			room = s;
	}
	if(!make || !room)
		return NULL;
	*room = (struct source){.addr = *key, .tokens = UINT32_MAX, .at_ms = now};
	return room;
}

static bool take_token(struct source *s, uint32_t per_sec, uint64_t now)
{
	uint64_t full = (uint64_t)per_sec * TOKEN;
	uint64_t tokens;

	if(per_sec == 0)
		return true;
	tokens = s->tokens + (now - s->at_ms) * per_sec;
	if(tokens > full)
		tokens = full;
	s->at_ms = now;
	s->tokens = (uint32_t)(tokens >= TOKEN ? tokens - TOKEN : tokens);
	return tokens >= TOKEN;
}

static bool take(
		const struct tg_addr *key, const struct tg_pol_limits *l, bool declared)
{
	uint64_t now = tlsp_now_ms();
	uint32_t most = (uint32_t)tls_max_connections / 2;
	struct source *s;
	bool ok;

	lock_get(&limits->lock);
	s = find(key, true, now);
	ok = s && take_token(s, l->handshakes_per_sec, now)
		 && (!l->pending || s->pending < l->pending)
		 && (declared || !most || limits->pending < most);
	if(ok) {
		s->pending++;
		limits->pending += !declared;
	}
	lock_release(&limits->lock);
	return ok;
}

/* Does a peer name this address? The rest are strangers until they prove it */
static bool is_declared(
		const struct tlsp_snap *snap, const struct tg_pol_conn *conn)
{
	const struct tg_pol_peer *peer = tg_pol_peer_by_conn(snap->policy, conn);

	return peer && !peer->address.any;
}

bool tlsp_limits_accept(const struct tlsp_snap *snap, struct tlsp_facts *f)
{
	struct tg_addr key = key_of(&f->remote);
	struct tlsp_report report = {.gate = "accept"};
	struct tg_pol_verdict v = {.reason = TG_REASON_LIMIT};
	struct tg_pol_admission a;
	struct tg_pol_conn conn;

	tlsp_facts_conn(f, &conn);
	tg_pol_admit(snap->policy, &conn, NULL, &a);
	f->declared = is_declared(snap, &conn);
	f->deadline =
			f->since + (time_t)((a.limits.handshake_time_ms + 999) / 1000);
	f->pending = take(&key, &a.limits, f->declared);
	if(f->pending)
		return true;
	v.clients = a.clients;
	report.conn = &conn;
	tg_pol_apply_audit(snap->policy, &v);
	tlsp_report(snap->policy, &v, &report);
	return v.decision == TG_POL_ALLOW;
}

void tlsp_limits_settle(const struct tlsp_facts *f, bool proven)
{
	struct tg_addr key = key_of(&f->remote);
	struct source *s;

	lock_get(&limits->lock);
	s = find(&key, false, 0);
	if(s && s->pending)
		s->pending--;
	if(s && proven && s->tokens <= UINT32_MAX - TOKEN)
		s->tokens += TOKEN;
	if(!f->declared && limits->pending)
		limits->pending--;
	lock_release(&limits->lock);
}

int tlsp_limits_init(void)
{
	limits = shm_malloc(sizeof(*limits));
	if(!limits) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(limits, 0, sizeof(*limits));
	if(!lock_init(&limits->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	return 0;
}
