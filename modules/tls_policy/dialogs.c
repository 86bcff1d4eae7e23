/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who belongs to a call. A request with a To tag must come from a party of
 * its dialog; parties are who sent the request that began it, and everybody
 * it was sent to since, forks and the way through another server included
 * (RFC 3261 12, RFC 6665). A party is a [peer] or a [clients] section: what
 * gate 1 proved, not an address or port, so that a party may reconnect.
 *
 *   Call-ID -> the sections that took part           in shared memory
 *
 * Nothing is learned from what a sender claims: a second request that begins
 * a dialog under a known Call-ID makes nobody a party, neither who sent it nor
 * whom it is sent to, unless a party sent it. Not known, so judged by
 * its sender alone: a dialog from before a restart, one that made room for
 * newer ones, and one whose destination the certificate had still to pick.
 */
#include <openssl/rand.h>
#include <time.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"
#include "core/parser/msg_parser.h"

#include "tls_policy/tlsp.h"

#define WAYS 8 /* dialogs that may share a hash; the oldest makes room */
#define STRIPES 128
#define PARTIES 6

struct dialog {
	uint64_t key; /* 0: free */
	time_t used;
	uint32_t party[PARTIES]; /* 0 ends */
	bool open;               /* somebody is a party who is not known */
	bool contested;          /* an outsider began it again */
};

struct dialogs {
	gen_lock_t lock[STRIPES];
	uint64_t seed;
	size_t n_sets;
	struct dialog dialog[];
};

static struct dialogs *dialogs; /* NULL: not asked for */

static uint64_t mix(uint64_t hash, struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdu;
	return hash ^ hash >> 33;
}

static uint64_t key_of(struct tg_span call_id)
{
	uint64_t key = mix(dialogs->seed, call_id);

	return key ? key : 1;
}

/* Of its name: a reload numbers peers anew. 0: nobody */
static uint32_t party_of(const struct tg_pol_verdict *v)
{
	uint32_t id = 0;

	if(v->peer)
		id = (uint32_t)mix(dialogs->seed, v->peer->name) | 1;
	else if(v->clients)
		id = ((uint32_t)mix(dialogs->seed, v->clients->name) | 1) + 1;
	return id;
}

static struct dialog *set_of(uint64_t key)
{
	return &dialogs->dialog[key % dialogs->n_sets * WAYS];
}

static gen_lock_t *lock_of(uint64_t key)
{
	return &dialogs->lock[key % dialogs->n_sets % STRIPES];
}

/* With the lock held; NULL: not known */
static struct dialog *find(uint64_t key)
{
	struct dialog *d = set_of(key);

	for(size_t i = 0; i < WAYS; i++) {
		if(d[i].key == key)
			return &d[i];
	}
	return NULL;
}

static struct dialog *make(uint64_t key)
{
	struct dialog *d = set_of(key), *oldest = d;

	for(size_t i = 1; i < WAYS; i++) {
		if(oldest->key && (!d[i].key || d[i].used < oldest->used))
			oldest = &d[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->key = key;
	return oldest;
}

static void add(struct dialog *d, uint32_t party)
{
	for(size_t i = 0; party && i < PARTIES; i++) {
		if(d->party[i] == party)
			return;
		if(!d->party[i]) {
			d->party[i] = party;
			return;
		}
	}
	d->open = true;
}

static bool has(const struct dialog *d, uint32_t party)
{
	for(size_t i = 0; party && i < PARTIES; i++) {
		if(d->party[i] == party)
			return true;
	}
	return d->open;
}

bool tlsp_dialog_begins(struct tg_span method)
{
	return tg_span_eq(method, TG_SPAN("INVITE"))
		   || tg_span_eq(method, TG_SPAN("SUBSCRIBE"))
		   || tg_span_eq(method, TG_SPAN("REFER"));
}

bool tlsp_dialog_matters(const struct tlsp_asked *asked)
{
	return dialogs && (asked->in_dialog || tlsp_dialog_begins(asked->method));
}

/* ---- in ------------------------------------------------------------------- */

/* Begins one, unless it is known; is the sender a party of it? */
static bool look(uint64_t key, uint32_t party, bool in_dialog)
{
	bool fits = true;
	struct dialog *d;

	lock_get(lock_of(key));
	d = find(key);
	if(d) {
		fits = has(d, party);
		d->contested |= !fits && !in_dialog;
	} else if(!in_dialog) {
		d = make(key);
		add(d, party);
	}
	if(d && fits)
		d->used = time(NULL);
	lock_release(lock_of(key));
	return fits;
}

void tlsp_dialog_in(const struct tlsp_snap *snap, struct sip_msg *msg,
		const struct tlsp_asked *asked, struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_ALLOW || !tlsp_dialog_matters(asked))
		return;
	v->reason = TG_REASON_INTERNAL;
	if(parse_headers(msg, HDR_CALLID_F, 0) == 0 && msg->callid) {
		str id = msg->callid->body;

		v->reason = TG_REASON_NOT_A_PARTY;
		tlsp_at_hand.outsider = !look(key_of(tg_span_of(id.s, (size_t)id.len)),
				party_of(v), asked->in_dialog);
		if(!tlsp_at_hand.outsider || !asked->in_dialog) {
			v->reason = TG_REASON_NONE;
			return;
		}
	}
	v->decision = TG_POL_DENY;
	v->audited = false;
	tg_pol_apply_audit(snap->policy, v);
}

/* ---- out ------------------------------------------------------------------- */

/* RFC 3261 20.39: a parameter behind the address */
static bool has_tag(struct tg_span to)
{
	size_t end = tg_span_find(to, '>');
	struct tg_span rest = to;

	if(end < to.len)
		rest = tg_span_of(to.ptr + end, to.len - end);
	tg_span_cut(&rest, ';');
	while(rest.len) {
		struct tg_span one = tg_span_cut(&rest, ';');

		if(tg_span_ieq(tg_span_trim(tg_span_cut(&one, '=')), TG_SPAN("tag")))
			return true;
	}
	return false;
}

void tlsp_dialog_out(
		const struct tlsp_head *head, const struct tg_pol_verdict *v)
{
	struct dialog *d;
	uint64_t key;

	if(!dialogs || !tlsp_dialog_begins(head->method) || has_tag(head->to))
		return;
	key = key_of(head->call_id);
	lock_get(lock_of(key));
	d = find(key);
	if(!d)
		d = make(key); /* a request of the edge itself */
	/* without a request at hand it may be another branch of the outsider's */
	if(!tlsp_at_hand.outsider && (tlsp_at_hand.request || !d->contested)) {
		add(d, party_of(v));
		d->used = time(NULL);
	}
	lock_release(lock_of(key));
}

int tlsp_dialogs_init(void)
{
	size_t n_sets = (size_t)tlsp_params.dialogs / WAYS;
	size_t octets = sizeof(*dialogs) + n_sets * WAYS * sizeof(struct dialog);

	if(tlsp_params.dialogs <= 0)
		return 0;
	if(n_sets == 0) {
		LM_ERR("dialogs: at least %d\n", WAYS);
		return -1;
	}
	dialogs = shm_malloc(octets);
	if(!dialogs) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(dialogs, 0, octets);
	dialogs->n_sets = n_sets;
	for(size_t i = 0; i < STRIPES; i++) {
		if(!lock_init(&dialogs->lock[i])) {
			LM_ERR("cannot make locks\n");
			return -1;
		}
	}
	if(RAND_bytes((unsigned char *)&dialogs->seed, sizeof(dialogs->seed))
			!= 1) {
		LM_ERR("no random octets\n");
		return -1;
	}
	return 0;
}
