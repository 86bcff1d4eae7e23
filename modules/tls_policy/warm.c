/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A busy connection carries thousands of messages that differ in nothing a
 * gate looks at. Each process keeps what it read about its connections, in
 * the form in which the gates need it, and which facts led to ALLOW. A verdict
 * is taken from here only when every fact is what it was then:
 *
 *   the record    unchanged, by its stamp (conn.c): an id that is used again,
 *                 a verdict that was taken back, a new handshake all move it
 *   the policy    the same generation
 *   the time      the certificate still valid
 *   the message   of that method, in a dialog or not, where the connection
 *                 says all else; and where it leaves, of that kind
 *
 * Denials, audit mode and all else go the long way, each time. A message whose
 * facts are more than its connection's, its method and its dialog is never
 * remembered: a fact that is added to tg_pol_msg or tg_pol_egress one day and
 * is filled keeps its messages on the long way until this file knows it.
 */
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "tls_policy/tlsp.h"

#define ENTRIES 128 /* connections; an entry's place is the id's */
#define KINDS 8     /* of messages, per connection */
#define METHOD_OCTETS 14
#define OUT_KINDS 4 /* is it a reply, is it sips: */
#define RCV_OCTETS offsetof(struct receive_info, proto_reserved2)

struct kind {
	bool in_dialog;
	unsigned char octets; /* of the method */
	char method[METHOD_OCTETS];
	const struct tg_pol_route *route;
	struct tg_pol_verdict verdict;
};

/*
 * What most messages need comes first and is two cache lines: each line that
 * is not in the processor's caches costs more than all that is done with it.
 */
struct entry {
	_Alignas(64) int id;   /* 0: free */
	char proto;            /* becomes WSS on a connection that was TLS */
	unsigned char out;     /* bit: an out_kind that is known */
	unsigned char n_kinds; /* of messages in */
	unsigned char next;    /* of them to give up */
	uint64_t stamp;
	uint64_t generation;
	time_t not_after;                    /* 0: never ends */
	const struct socket_info *send_sock; /* of what leaves */

	/* in: what the connection says of each message that comes over it */
	unsigned char rcv[RCV_OCTETS]; /* addresses, ports, id */
	struct kind kind[KINDS];
	struct tg_pol_msg source;

	/* out: the same for what leaves on it, by its id */
	struct tlsp_warm_out known[OUT_KINDS];
};

_Static_assert(offsetof(struct entry, kind) + offsetof(struct kind, verdict)
							   + offsetof(struct tg_pol_verdict, reason)
					   < 128,
		"two lines");

static struct entry cache[ENTRIES];

/* Padding counts: at worst equal facts look different and go the long way */
static bool same_octets(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

/* ---- entries ------------------------------------------------------------- */

static bool holds(const struct entry *e, int id, uint64_t generation)
{
	return e->id == id && e->stamp == tlsp_conn_stamp(id)
		   && e->generation == generation
		   && (!e->not_after || time(NULL) <= e->not_after);
}

static struct entry *place_of(int id)
{
	return &cache[(unsigned)id % ENTRIES];
}

void tlsp_warm_expect(int id)
{
	const struct entry *e = place_of(id);

	__builtin_prefetch(e);
	__builtin_prefetch(e->kind);
	__builtin_prefetch(&tlsp_conn_stamps[(unsigned)id % TLSP_CONN_SLOTS]);
}

bool tlsp_warm_holds(int id)
{
	return id && holds(place_of(id), id, tlsp_snap_generation());
}

static struct entry *fill(const struct tlsp_snap *snap, int id)
{
	struct entry *e = place_of(id);
	uint64_t stamp = tlsp_conn_stamp(id); /* before the copy is taken */
	struct tlsp_facts f;

	e->id = 0;
	if(!tlsp_conn_current_head(snap, id, &f) || !f.established || !f.allowed
			|| f.audited || f.held || f.generation != snap->generation
			|| (f.not_after && time(NULL) > f.not_after))
		return NULL;
	memset(e, 0, sizeof(*e));
	e->id = id;
	e->stamp = stamp;
	e->generation = snap->generation;
	e->not_after = f.not_after;
	e->source.judged = true;
	e->source.peer = tlsp_facts_peer(snap, &f);
	e->source.clients = tlsp_facts_clients(snap, &f);
	e->source.tls_version = f.tls_version;
	return e;
}

/* NULL: not a good connection, or not of this policy */
static struct entry *entry_of(const struct tlsp_snap *snap, int id)
{
	struct entry *e = place_of(id);

	if(!id)
		return NULL;
	return holds(e, id, snap->generation) ? e : fill(snap, id);
}

/* ---- in ------------------------------------------------------------------ */

/* The entry of its connection, as it is now, if the message came just so */
static struct entry *source_entry(
		uint64_t generation, const struct sip_msg *msg)
{
	const struct receive_info *rcv = &msg->rcv;
	struct entry *e = place_of(rcv->proto_reserved1);

	return rcv->proto_reserved1 && holds(e, rcv->proto_reserved1, generation)
						   && e->proto == rcv->proto
						   && memcmp(e->rcv, rcv, RCV_OCTETS) == 0
				   ? e
				   : NULL;
}

bool tlsp_warm_source(const struct tlsp_snap *snap, const struct sip_msg *msg,
		struct tg_pol_msg *out)
{
	const struct receive_info *rcv = &msg->rcv;
	struct entry *e;

	if(!TG_POL_TR_IS_TLS(tlsp_transport(rcv->proto)))
		return false;
	e = source_entry(snap->generation, msg);
	if(!e) {
		e = entry_of(snap, rcv->proto_reserved1);
		if(!e)
			return false;
		e->proto = rcv->proto;
		memcpy(e->rcv, rcv, RCV_OCTETS);
		tlsp_conn_of_rcv(rcv, &e->source.conn);
		e->n_kinds = e->next = 0;
	}
	*out = e->source;
	return true;
}

static bool is_of_kind(const struct kind *k, const struct tlsp_asked *asked,
		const struct tg_pol_route *route)
{
	return k->route == route && k->in_dialog == asked->in_dialog
		   && k->octets == asked->method.len
		   && memcmp(k->method, asked->method.ptr, k->octets) == 0;
}

/*
 * Does it say nothing but what its connection says, method and dialog apart?
 * All other octets are compared, those that no fact uses yet among them.
 */
static bool is_plain(const struct entry *e, const struct tg_pol_msg *facts)
{
	const size_t method = offsetof(struct tg_pol_msg, method);
	const size_t rest = offsetof(struct tg_pol_msg, in_dialog) + sizeof(bool);

	_Static_assert(offsetof(struct tg_pol_msg, in_dialog)
						   == offsetof(struct tg_pol_msg, method)
									  + sizeof(struct tg_span),
			"no fact between those two");
	return same_octets(facts, &e->source, method)
		   && same_octets((const char *)facts + rest,
				   (const char *)&e->source + rest, sizeof(*facts) - rest);
}

const struct tg_pol_verdict *tlsp_warm_in(uint64_t generation,
		const struct sip_msg *msg, const struct tlsp_asked *asked,
		const struct tg_pol_route *route)
{
	const struct entry *e = source_entry(generation, msg);

	if(!e)
		return NULL;
	for(unsigned i = 0; i < e->n_kinds; i++) {
		if(is_of_kind(&e->kind[i], asked, route))
			return &e->kind[i].verdict;
	}
	return NULL;
}

void tlsp_warm_in_judged(const struct tlsp_snap *snap,
		const struct sip_msg *msg, const struct tg_pol_msg *facts,
		const struct tg_pol_route *route, const struct tg_pol_verdict *v)
{
	struct entry *e;
	struct kind *k;

	if(v->decision != TG_POL_ALLOW || v->audited
			|| !TG_POL_TR_IS_TLS(facts->conn.transport)
			|| tlsp_reads_more(facts) || facts->method.len > METHOD_OCTETS
			|| !(e = source_entry(snap->generation, msg))
			|| !is_plain(e, facts))
		return;
	k = &e->kind[e->next];
	e->next = (e->next + 1) % KINDS;
	if(e->n_kinds < KINDS)
		e->n_kinds++;
	k->in_dialog = facts->in_dialog;
	k->octets = (unsigned char)facts->method.len;
	if(k->octets)
		memcpy(k->method, facts->method.ptr, k->octets);
	k->route = route;
	k->verdict = *v;
}

/* ---- out ----------------------------------------------------------------- */

static unsigned out_kind(bool is_reply, bool sips)
{
	return (unsigned)is_reply << 1 | (unsigned)sips;
}

const struct tlsp_warm_out *tlsp_warm_out(uint64_t generation,
		const struct dest_info *dst, bool is_reply, bool sips, uint64_t *stamp)
{
	const struct entry *e = place_of(dst->id);
	unsigned kind = out_kind(is_reply, sips);

	if(dst->proto != PROTO_TLS || !dst->id || !dst->send_sock
			|| e->send_sock != dst->send_sock || !holds(e, dst->id, generation)
			|| !(e->out & 1U << kind))
		return NULL;
	*stamp = e->stamp;
	return &e->known[kind];
}

void tlsp_warm_out_judged(const struct tlsp_snap *snap,
		const struct dest_info *dst, const struct tg_pol_egress *facts,
		const struct tg_pol_verdict *v)
{
	unsigned kind = out_kind(facts->is_reply, facts->sips);
	struct entry *e;

	if(v->decision != TG_POL_ALLOW || v->audited || !facts->existing
			|| !facts->judged || facts->refusal || !dst->send_sock
			|| facts->next_hop.len /* a borrowed name */
			|| dst->proto != PROTO_TLS || !(e = entry_of(snap, dst->id)))
		return;
	if(e->send_sock != dst->send_sock)
		e->out = 0;
	e->send_sock = dst->send_sock;
	e->known[kind] = (struct tlsp_warm_out){*facts, *v};
	e->out |= 1U << kind;
}
