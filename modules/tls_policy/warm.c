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
 *   the message   compared as a whole with what the connection alone says;
 *                 beyond that only the method, and whether it is in a dialog
 *
 * Denials, audit mode and all else go the long way, each time. A fact that is
 * added to tg_pol_msg or tg_pol_egress one day makes messages differ from
 * their connection, so that they go the long way until this file knows it.
 */
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "tls_policy/tlsp.h"

#define ENTRIES 128 /* connections; an entry's place is the id's */
#define KINDS 8     /* of messages, per connection */
#define KEY_OCTETS 16
#define RCV_OCTETS offsetof(struct receive_info, proto_reserved2)

/* A method, NUL padded; the last octet tells what is in a dialog */
struct kind {
	char key[KEY_OCTETS];
	const struct tg_pol_route *route;
	struct tg_pol_verdict verdict;
};

struct entry {
	int id; /* 0: free */
	uint64_t stamp;
	uint64_t generation;
	time_t not_after; /* 0: never ends */

	/* in: what the connection says of each message that comes over it */
	unsigned char rcv[RCV_OCTETS]; /* addresses, ports, id */
	struct tg_pol_msg source;
	unsigned n_kinds; /* all that were seen; the last KINDS are kept */
	struct kind kind[KINDS];

	/* out: the same for what leaves on it, by its id */
	const struct socket_info *send_sock; /* NULL: not filled yet */
	struct tg_pol_egress egress;
	bool out_known[4]; /* is it a reply, is it sips: */
	struct tg_pol_verdict out[4];
};

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
			|| f.audited || f.generation != snap->generation
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

bool tlsp_warm_source(const struct tlsp_snap *snap, const struct sip_msg *msg,
		struct tg_pol_msg *out)
{
	const struct receive_info *rcv = &msg->rcv;
	enum tg_pol_transport transport = tlsp_transport(rcv->proto);
	struct entry *e;

	if(!TG_POL_TR_IS_TLS(transport)
			|| !(e = entry_of(snap, rcv->proto_reserved1)))
		return false;
	if(memcmp(e->rcv, rcv, RCV_OCTETS) != 0
			|| e->source.conn.transport != transport) {
		memcpy(e->rcv, rcv, RCV_OCTETS);
		tlsp_conn_of_rcv(rcv, &e->source.conn);
		e->n_kinds = 0;
	}
	*out = e->source;
	return true;
}

/* False when the method is longer than those that are worth remembering */
static bool key_of(const struct tg_pol_msg *facts, char key[KEY_OCTETS])
{
	if(facts->method.len > KEY_OCTETS - 1)
		return false;
	memset(key, 0, KEY_OCTETS);
	if(facts->method.len)
		memcpy(key, facts->method.ptr, facts->method.len);
	key[KEY_OCTETS - 1] = facts->in_dialog;
	return true;
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

/* After tlsp_warm_source() on the same message, which looked at the record */
static struct entry *plain_entry(const struct tlsp_snap *snap,
		const struct sip_msg *msg, const struct tg_pol_msg *facts,
		char key[KEY_OCTETS])
{
	struct entry *e = place_of(msg->rcv.proto_reserved1);

	if(!TG_POL_TR_IS_TLS(facts->conn.transport)
			|| e->id != msg->rcv.proto_reserved1 || !e->id
			|| e->generation != snap->generation || !key_of(facts, key)
			|| !is_plain(e, facts))
		return NULL;
	return e;
}

bool tlsp_warm_in(const struct tlsp_snap *snap, const struct sip_msg *msg,
		const struct tg_pol_msg *facts, const struct tg_pol_route *route,
		struct tg_pol_verdict *v)
{
	char key[KEY_OCTETS];
	const struct entry *e = plain_entry(snap, msg, facts, key);

	for(unsigned i = 0; e && i < e->n_kinds && i < KINDS; i++) {
		if(e->kind[i].route == route
				&& memcmp(e->kind[i].key, key, KEY_OCTETS) == 0) {
			*v = e->kind[i].verdict;
			return true;
		}
	}
	return false;
}

void tlsp_warm_in_judged(const struct tlsp_snap *snap,
		const struct sip_msg *msg, const struct tg_pol_msg *facts,
		const struct tg_pol_route *route, const struct tg_pol_verdict *v)
{
	char key[KEY_OCTETS];
	struct entry *e;
	struct kind *k;

	if(v->decision != TG_POL_ALLOW || v->audited
			|| !(e = plain_entry(snap, msg, facts, key)))
		return;
	k = &e->kind[e->n_kinds++ % KINDS];
	memcpy(k->key, key, KEY_OCTETS);
	k->route = route;
	k->verdict = *v;
}

/* ---- out ----------------------------------------------------------------- */

/* What leaves on a connection that its sender names */
static struct entry *named_entry(
		const struct tlsp_snap *snap, const struct dest_info *dst)
{
	return dst->proto == PROTO_TLS ? entry_of(snap, dst->id) : NULL;
}

bool tlsp_warm_destination(const struct tlsp_snap *snap,
		const struct dest_info *dst, struct tg_pol_egress *out)
{
	const struct entry *e = named_entry(snap, dst);

	if(!e || !e->send_sock || e->send_sock != dst->send_sock)
		return false;
	*out = e->egress;
	return true;
}

/* The facts without what two messages on one connection may differ in */
static struct tg_pol_egress plain_egress(const struct tg_pol_egress *facts)
{
	struct tg_pol_egress plain;

	memcpy(&plain, facts, sizeof(plain));
	plain.is_reply = plain.sips = false;
	return plain;
}

static unsigned out_kind(const struct tg_pol_egress *facts)
{
	return (unsigned)facts->is_reply << 1 | (unsigned)facts->sips;
}

bool tlsp_warm_out(const struct tlsp_snap *snap, const struct dest_info *dst,
		const struct tg_pol_egress *facts, struct tg_pol_verdict *v)
{
	/* tlsp_warm_destination() has just looked at the record */
	const struct entry *e = place_of(dst->id);
	struct tg_pol_egress plain;

	if(!e->id || e->id != dst->id || e->generation != snap->generation
			|| !e->send_sock || !e->out_known[out_kind(facts)])
		return false;
	plain = plain_egress(facts);
	if(!same_octets(&plain, &e->egress, sizeof(plain)))
		return false;
	*v = e->out[out_kind(facts)];
	return true;
}

void tlsp_warm_out_judged(const struct tlsp_snap *snap,
		const struct dest_info *dst, const struct tg_pol_egress *facts,
		const struct tg_pol_verdict *v)
{
	struct entry *e;
	struct tg_pol_egress plain;

	if(v->decision != TG_POL_ALLOW || v->audited || !facts->existing
			|| !facts->judged || facts->refusal || !dst->send_sock
			|| facts->next_hop.len /* a borrowed name */
			|| !(e = named_entry(snap, dst)))
		return;
	plain = plain_egress(facts);
	if(e->send_sock != dst->send_sock
			|| !same_octets(&plain, &e->egress, sizeof(plain))) {
		memset(e->out_known, 0, sizeof(e->out_known));
		memcpy(&e->egress, &plain, sizeof(plain));
		e->send_sock = dst->send_sock;
	}
	e->out_known[out_kind(facts)] = true;
	e->out[out_kind(facts)] = *v;
}
