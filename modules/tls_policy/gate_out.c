/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 4: message out. Two last looks, each without the other's help:
 *
 *   NET_OUT  every SIP message that tm and the core send, any transport: the
 *            destination, then the judgement of srtp_policy on the bytes
 *   encode   every octet that goes into TLS, keepalives and all: the
 *            connection, and on a new one the peer it is bound to
 *
 * RFC 3261 18, RFC 5630 (sips).
 */
#include <strings.h>
#include <time.h>

#include "core/dprint.h"
#include "core/events.h"
#include "core/mem/mem.h"

#include "tls_policy/challenge.h"

#define FOUND_PEERS_MAX 64

static tlsp_leaving_fn leaving;

/* What NET_OUT allowed a moment ago, so that encode need not ask again */
static struct {
	int id;
	uint64_t generation;
	uint64_t stamp; /* 0: its record has to be looked at */
} cleared;

/* Whom NET_OUT wants on the connection that is about to be made */
static struct {
	uint64_t generation; /* 0: nobody by name */
	struct tg_addr addr;
	uint16_t port;
	uint32_t peer;
} meant;

/*
 * On which connection NET_OUT wants octets for that address. One that claims a
 * port (RFC 5923) may come between its look and Kamailio's.
 */
static struct {
	bool set;
	int id; /* 0: on a new one */
	struct tg_addr addr;
} aim;

int tlsp_on_leaving(tlsp_leaving_fn fn)
{
	if(leaving || !fn)
		return -1;
	leaving = fn;
	return 0;
}

/* ---- what the bytes say ---------------------------------------------------------- */

static bool is_reply(struct tg_span b)
{
	return tg_span_starts(b, TG_SPAN("SIP/2.0 "))
		   || tg_span_starts(b, TG_SPAN("HTTP/"));
}

static unsigned class_of(struct tg_span b)
{
	return is_reply(b) ? 0 : tg_pol_class_of_method(tg_span_cut(&b, ' '));
}

/* ---- NET_OUT -------------------------------------------------------------------------- */

/* A destination whose handshake failed a moment ago is not tried again yet */
static void judge_failed(const struct tlsp_snap *snap,
		const struct tg_pol_egress *egress, struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_ALLOW || egress->existing
			|| !TG_POL_TR_IS_TLS(egress->conn.transport)
			|| !tlsp_failed_recently(
					&egress->conn.remote, egress->conn.remote_port))
		return;
	(void)snap;
	v->decision = TG_POL_DENY;
	v->audited = false;
	v->reason = TG_REASON_EGRESS_HANDSHAKE;
}

/* Peers that are meant by an address and port over TLS */
struct found {
	struct tg_pol_conn there;
	const struct tg_pol_peer *peer[FOUND_PEERS_MAX];
	size_t n;
};

static void find_peers(const struct tlsp_snap *snap,
		const struct tg_pol_conn *conn, const struct dest_info *dst,
		struct found *out)
{
	out->there = *conn;
	out->there.remote_port = su_getport((union sockaddr_union *)&dst->to);
	out->there.sni = tg_span_of(NULL, 0);
	out->n = tg_pol_wanted_peers(
			snap->policy, &out->there, out->peer, FOUND_PEERS_MAX);
	if(out->n > FOUND_PEERS_MAX)
		out->n = FOUND_PEERS_MAX;
}

static bool is_one_of(const struct found *found, const struct tg_pol_peer *peer)
{
	for(size_t i = 0; peer && i < found->n; i++) {
		if(found->peer[i] == peer)
			return true;
	}
	return false;
}

static bool one_listens(const struct found *found)
{
	for(size_t i = 0; i < found->n; i++) {
		if(tg_pol_peer_listens(found->peer[i], &found->there.remote,
				   found->there.remote_port))
			return true;
	}
	return false;
}

/*
 * A connection that its other side opened, and that was found by the address
 * and port of the destination: both may be of its choice (RFC 5923, the alias
 * parameter, or the port it connects from). Where a peer listens only that
 * peer, proven, may be met on it; a claimed port is no other's either. Else a
 * softphone behind the same NAT could have the gateway's calls.
 */
static void judge_found(const struct tlsp_snap *snap,
		const struct dest_info *dst, const struct tlsp_facts *conn,
		struct tg_pol_egress *egress, struct tg_pol_verdict *v)
{
	struct found found;

	if(v->decision != TG_POL_ALLOW || !egress->existing
			|| !tlsp_is_found(dst, conn))
		return;
	find_peers(snap, &egress->conn, dst, &found);
	if(is_one_of(&found, egress->peer)
			|| (found.there.remote_port == conn->remote_port
					&& !one_listens(&found)))
		return;
	v->decision = TG_POL_DENY;
	v->reason = TG_REASON_WRONG_PEER;
	tg_pol_apply_audit(snap->policy, v);
}

/*
 * TLS was asked for, and Kamailio would take a connection without: looked at
 * last, for that connection may have come while the rest was judged.
 */
static void judge_taken(const struct tlsp_snap *snap,
		const struct dest_info *dst, const struct tg_pol_egress *egress,
		struct tg_pol_verdict *v)
{
	int proto = PROTO_TLS;

	if(v->decision != TG_POL_ALLOW
			|| !(TG_POL_TR_IS_TLS(tlsp_transport(dst->proto))
					|| TG_POL_TR_IS_TLS(egress->conn.transport))
			|| !tlsp_taken(dst, &proto)
			|| TG_POL_TR_IS_TLS(tlsp_transport(proto)))
		return;
	v->decision = TG_POL_DENY;
	v->reason = TG_REASON_TLS_REQUIRED;
	tg_pol_apply_audit(snap->policy, v);
}

/* Is this connection of the peer that is meant, if one is? */
static bool is_meant(const struct tlsp_facts *conn)
{
	uint32_t whose = conn->established ? conn->peer : conn->wanted;

	return !meant.generation || meant.port != conn->remote_port
		   || !tg_addr_eq(&meant.addr, &conn->remote)
		   || (conn->generation == meant.generation && whose == meant.peer);
}

/*
 * A request whose name means one of several peers behind one address: its
 * connection must prove that one, and one that is in its handshake must have
 * been made for it.
 */
static void judge_meant(const struct tlsp_snap *snap,
		const struct tg_pol_egress *egress, const struct tlsp_facts *conn,
		struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_ALLOW || v->audited || egress->existing
			|| !egress->next_hop.len || !v->peer
			|| !TG_POL_TR_IS_TLS(egress->conn.transport))
		return;
	meant.generation = snap->generation;
	meant.addr = egress->conn.remote;
	meant.port = egress->conn.remote_port;
	meant.peer = v->peer->id;
	if(conn->id && !is_meant(conn)) {
		v->decision = TG_POL_DENY;
		v->reason = TG_REASON_WRONG_PEER;
		tg_pol_apply_audit(snap->policy, v);
	}
}

static bool rewrite(str *buffer, struct tg_span with)
{
	if(!with.ptr)
		return true;
	pkg_free(buffer->s);
	buffer->s = (char *)with.ptr;
	buffer->len = (int)with.len;
	return true;
}

static void judge_bytes(const struct tlsp_snap *snap, const dest_info_t *dst,
		const struct tg_pol_egress *egress, str *buffer,
		struct tg_pol_verdict *v)
{
	struct tg_span rewritten = {NULL, 0};
	struct tlsp_leaving what = {
			.policy = snap->policy,
			.egress = egress,
			.verdict = v,
			.dst = dst,
			.bytes = tg_span_of(buffer->s, (size_t)buffer->len),
	};
	struct tg_pol_verdict after = *v;

	leaving(&what, &after, &rewritten);
	*v = after;
	if(v->decision == TG_POL_ALLOW)
		rewrite(buffer, rewritten);
	else if(rewritten.ptr)
		pkg_free((char *)rewritten.ptr);
}

/* A24: see challenge.c */
static bool is_challenge_to_peer(
		const struct tg_pol_egress *egress, struct tg_span bytes)
{
	return egress->is_reply && egress->existing && egress->peer
		   && TG_POL_TR_IS_TLS(egress->conn.transport)
		   && tlsp_challenge_is_ours(bytes);
}

/* What leaves instead is an answer, so v stays as it is */
static void hold_challenge(const struct tlsp_snap *snap,
		const struct tg_pol_egress *egress, str *buffer,
		struct tg_pol_verdict *v)
{
	struct tg_pol_verdict said = *v;
	struct tlsp_report report = {.gate = "out", .conn = &egress->conn};
	struct tg_span bytes = tg_span_of(buffer->s, (size_t)buffer->len);
	struct tg_span instead;

	said.decision = TG_POL_DENY;
	said.reason = TG_REASON_CHALLENGE;
	tg_pol_apply_audit(snap->policy, &said);
	tlsp_report(snap->policy, &said, &report);
	if(said.decision == TG_POL_ALLOW)
		return;
	instead = tlsp_challenge_replace(bytes);
	if(instead.ptr) {
		rewrite(buffer, instead);
	} else {
		v->decision = TG_POL_DENY;
		v->reason = TG_REASON_INTERNAL;
	}
}

static void read_bytes(const struct tlsp_snap *snap, const dest_info_t *dst,
		struct tg_span bytes, const struct tlsp_head *head,
		struct tg_pol_egress *egress)
{
	egress->is_reply = !head;
	egress->sips = head && tlsp_head_is_sips(head);
	egress->refusal = tlsp_refusing;
	if(head)
		egress->next_hop = tlsp_next_hop(snap, dst, bytes, head);
}

static void clear_known(int id, uint64_t generation, uint64_t stamp)
{
	cleared.id = id;
	cleared.generation = generation;
	cleared.stamp = stamp;
}

/* NULL: go the long way */
static const struct tg_pol_egress *judge_warm(const struct tlsp_snap *snap,
		const dest_info_t *dst, struct tg_span bytes,
		const struct tlsp_head *head, struct tg_pol_verdict *v)
{
	const struct tlsp_warm_out *known;
	uint64_t stamp;

	if(tlsp_refusing
			|| !(known = tlsp_warm_out(snap->generation, dst, !head,
						 head && tlsp_head_is_sips(head), &stamp))
			|| (head && tlsp_next_hop(snap, dst, bytes, head).len))
		return NULL;
	clear_known(dst->id, snap->generation, stamp);
	*v = known->verdict;
	return &known->egress;
}

/* conn: what is known of the connection that it will take */
static void judge_destination(const struct tlsp_snap *snap,
		const dest_info_t *dst, struct tg_span bytes,
		const struct tlsp_head *head, struct tlsp_facts *conn,
		struct tg_pol_egress *egress, struct tg_pol_verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->reason = TG_REASON_INTERNAL;
	if(tlsp_destination(snap, dst, conn, egress) < 0)
		return;
	read_bytes(snap, dst, bytes, head, egress);
	tg_pol_judge_egress(snap->policy, egress, NULL, v);
	judge_found(snap, dst, conn, egress, v);
	judge_meant(snap, egress, conn, v);
	judge_failed(snap, egress, v);
	aim.set = true;
	aim.id = conn->id;
	aim.addr = egress->conn.remote;
	if(conn->id && conn->id == dst->id)
		tlsp_warm_out_judged(snap, dst, egress, v);
	if(egress->existing && egress->judged) {
		cleared.id = conn->id;
		cleared.generation = conn->generation;
	}
}

/* space: for the facts, if they are not known already. -> the facts */
static const struct tg_pol_egress *judge_leaving(const struct tlsp_snap *snap,
		dest_info_t *dst, str *buffer, struct tg_pol_egress *space,
		struct tg_pol_verdict *v)
{
	struct tg_span bytes = tg_span_of(buffer->s, (size_t)buffer->len);
	const struct tlsp_head *head = NULL; /* of a request */
	const struct tg_pol_egress *egress;
	struct tlsp_facts conn;
	struct tlsp_head read;

	if(!is_reply(bytes)) {
		tlsp_head_read(bytes, &read);
		head = &read;
	}
	egress = judge_warm(snap, dst, bytes, head, v);
	if(!egress) {
		judge_destination(snap, dst, bytes, head, &conn, space, v);
		egress = space;
	}
	if(v->decision == TG_POL_ALLOW && is_challenge_to_peer(egress, bytes))
		hold_challenge(snap, egress, buffer, v);
	if(v->decision == TG_POL_ALLOW && leaving)
		judge_bytes(snap, dst, egress, buffer, v);
	judge_taken(snap, dst, egress, v);
	if(v->decision != TG_POL_ALLOW) {
		cleared.id = 0;
	} else if(head) {
		if(buffer->s != bytes.ptr) /* rewritten; what was read has gone */
			tlsp_head_read(tg_span_of(buffer->s, (size_t)buffer->len), &read);
		tlsp_dialog_out(head, v);
	}
	return egress;
}

static void report_leaving(const struct tlsp_snap *snap, struct tg_span bytes,
		const struct tg_pol_egress *egress, const struct tg_pol_verdict *v)
{
	struct tlsp_report report = {.gate = "out", .conn = &egress->conn};

	/* tm acknowledges the answer that we made for a failed handshake */
	if(tlsp_waiting_answering() && v->reason == TG_REASON_EGRESS_HANDSHAKE
			&& tg_span_starts(bytes, TG_SPAN("ACK ")))
		return;
	report.class = class_of(bytes);
	tlsp_report(snap->policy, v, &report);
}

/* The sender sees an empty buffer and fails at once */
static void drop(str *buffer, const struct tg_pol_verdict *v)
{
	if(!is_reply(tg_span_of(buffer->s, (size_t)buffer->len)))
		tlsp_seen_refused(v->reason);
	pkg_free(buffer->s);
	buffer->s = NULL;
	buffer->len = 0;
}

/* A reply that goes back where the like of it went, and nobody else's matter */
static bool passes(const dest_info_t *dst, struct tg_span bytes)
{
	uint64_t generation = tlsp_snap_generation();
	int proto = PROTO_TLS;
	uint64_t stamp;

	if(!dst || leaving || tlsp_refusing || !is_reply(bytes)
			|| tlsp_challenge_is_ours(bytes)
			|| !tlsp_warm_out(generation, dst, true, false, &stamp)
			|| tlsp_taken(dst, &proto) != dst->id)
		return false;
	clear_known(dst->id, generation, stamp);
	return true;
}

/*
 * What was refused may be for a connection that stands where a peer listens,
 * and is not the peer's. It ends, so that the peer can be called. True: there
 * was one.
 */
static bool make_way(const struct tlsp_snap *snap, const dest_info_t *dst,
		const struct tg_pol_egress *egress)
{
	int proto = PROTO_TLS;
	struct tlsp_facts f = {0};
	struct found found;
	struct tg_pol_conn conn = egress->conn;
	int id;

	if(dst->id || dst->proto != PROTO_TLS || !(id = tlsp_taken(dst, &proto)))
		return false;
	conn.transport = TG_POL_TR_TLS;
	find_peers(snap, &conn, dst, &found);
	if(!one_listens(&found))
		return false;
	if(TG_POL_TR_IS_TLS(tlsp_transport(proto))
			&& (!tlsp_conn_get_head(id, &f) || f.direction != TG_POL_IN
					|| f.remote_port != found.there.remote_port
					|| is_one_of(&found, tlsp_facts_peer(snap, &f))))
		return false;
	tlsp_close_connection(id);
	return true;
}

static void judge(dest_info_t *dst, str *buffer)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	const struct tg_pol_egress *egress;
	struct tg_pol_egress space;
	struct tg_pol_verdict v;

	if(dst) {
		egress = judge_leaving(snap, dst, buffer, &space, &v);
		/* not again what srtp_policy has judged */
		if(v.decision != TG_POL_ALLOW && make_way(snap, dst, egress)
				&& v.reason != TG_REASON_TLS_REQUIRED) {
			report_leaving(snap, tg_span_of(buffer->s, (size_t)buffer->len),
					egress, &v);
			egress = judge_leaving(snap, dst, buffer, &space, &v);
		}
	} else {
		memset(&space, 0, sizeof(space));
		memset(&v, 0, sizeof(v));
		v.reason = TG_REASON_INTERNAL;
		egress = &space;
	}
	if(v.decision != TG_POL_ALLOW || v.audited)
		report_leaving(
				snap, tg_span_of(buffer->s, (size_t)buffer->len), egress, &v);
	if(v.decision != TG_POL_ALLOW)
		drop(buffer, &v);
	tlsp_snap_unref(snap);
}

static int on_net_out(sr_event_param_t *evp)
{
	str *buffer = evp->data;

	if(!buffer || !buffer->s || buffer->len <= 0)
		return 0;
	cleared.id = 0;
	cleared.stamp = 0;
	meant.generation = 0;
	aim.set = false;
	if(!passes(evp->dst, tg_span_of(buffer->s, (size_t)buffer->len)))
		judge(evp->dst, buffer);
	return 0;
}

/* ---- encode ------------------------------------------------------------------------------ */

/* A connection that was made a moment ago, and no octet sent on it */
static bool bind_new(const struct tlsp_snap *snap, struct tcp_connection *c)
{
	struct tlsp_report report = {.gate = "connect"};
	struct tg_pol_egress egress = {0};
	struct tg_pol_verdict v = {0};
	struct tlsp_facts f;

	tlsp_facts_of_tcp(c, &f);
	tlsp_facts_conn(&f, &egress.conn);
	report.conn = &egress.conn;
	if(f.direction != TG_POL_OUT)
		v.reason = TG_REASON_NO_VERDICT;
	else
		tg_pol_judge_egress(snap->policy, &egress, NULL, &v);
	judge_failed(snap, &egress, &v);
	if(v.decision != TG_POL_ALLOW) {
		tlsp_report(snap->policy, &v, &report);
		return false;
	}
	f.generation = snap->generation;
	f.wanted = v.peer ? v.peer->id : TLSP_NOBODY;
	if(meant.generation == snap->generation && meant.port == f.remote_port
			&& tg_addr_eq(&meant.addr, &f.remote))
		f.wanted = meant.peer;
	f.deadline =
			f.since
			+ (time_t)(tg_pol_default_limits(snap->policy)->handshake_time_ms
					   / 1000);
	tlsp_tls_cfg_choose(f.wanted == TLSP_NOBODY
								? NULL
								: tg_pol_peer_at(snap->policy, f.wanted));
	return tlsp_conn_add(&f);
}

void tlsp_gate_out_at_rest(void)
{
	aim.set = false;
}

/* Its other side opened it, and NET_OUT looked at another one or at none */
static bool is_missed(const struct tlsp_facts *f)
{
	return aim.set && f->direction == TG_POL_IN && f->id != aim.id
		   && tg_addr_eq(&f->remote, &aim.addr);
}

/* The connection has a verdict of gate 1: is it still where it may be? */
static bool recheck(const struct tlsp_snap *snap, struct tcp_connection *c)
{
	struct tlsp_report report = {.gate = "encode"};
	struct tg_pol_egress egress = {.existing = true};
	struct tg_pol_verdict v = {0};
	struct tlsp_facts f;

	v.reason = TG_REASON_NO_VERDICT;
	if(tlsp_conn_current_head(snap, c->id, &f)) {
		tlsp_facts_conn(&f, &egress.conn);
		report.conn = &egress.conn;
		egress.conn.direction = TG_POL_OUT;
		egress.judged = f.established && f.allowed;
		egress.audited = f.audited;
		egress.held = f.held;
		egress.peer = tlsp_facts_peer(snap, &f);
		egress.clients = tlsp_facts_clients(snap, &f);
		egress.refusal = tlsp_refusing;
		if(egress.judged)
			tg_pol_judge_egress(snap->policy, &egress, NULL, &v);
	}
	if(v.decision != TG_POL_ALLOW)
		tlsp_report(snap->policy, &v, &report);
	return v.decision == TG_POL_ALLOW;
}

bool tlsp_gate_out_cleared(const struct tcp_connection *c)
{
	uint64_t generation = tlsp_snap_generation();
	bool mine = cleared.id == c->id && cleared.id
				&& cleared.generation == generation;

	cleared.id = 0;
	return mine
		   && (cleared.stamp ? cleared.stamp == tlsp_conn_stamp(c->id)
							 : tlsp_conn_state(c->id, generation, time(NULL))
									   == TLSP_CONN_GOOD);
}

bool tlsp_gate_out_encode(struct tcp_connection *c)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tlsp_facts f;
	bool allowed;

	cleared.id = 0;
	if(!tlsp_conn_get_head(c->id, &f))
		allowed = !c->extra_data && bind_new(snap, c);
	else if(f.direction == TG_POL_OUT && !f.established)
		/* waits in tls.so until the certificate was judged */
		allowed = (!f.judged || f.allowed) && is_meant(&f);
	else
		allowed = is_meant(&f) && !is_missed(&f) && recheck(snap, c);
	meant.generation = 0;
	aim.set = false;
	tlsp_snap_unref(snap);
	return allowed;
}

int tlsp_gate_out_init(void)
{
	if(sr_event_register_cb(SREV_NET_DATA_OUT, on_net_out) != 0) {
		LM_ERR("no free place for a callback on what leaves\n");
		return -1;
	}
	return 0;
}
