/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kamailio's structures as plain facts. No decision is taken here.
 */
#include <stddef.h>
#include <time.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_ppi_pai.h"
#include "core/parser/parse_to.h"
#include "core/parser/parse_uri.h"

#include "tls_policy/tlsp.h"

enum tg_pol_transport tlsp_transport(int proto)
{
	switch(proto) {
		case PROTO_UDP:
			return TG_POL_TR_UDP;
		case PROTO_TCP:
			return TG_POL_TR_TCP;
		case PROTO_TLS:
			return TG_POL_TR_TLS;
		case PROTO_WS:
			return TG_POL_TR_WS;
		case PROTO_WSS:
			return TG_POL_TR_WSS;
		default:
			return TG_POL_TR_UNKNOWN;
	}
}

struct tg_addr tlsp_addr(const struct ip_addr *ip)
{
	return tg_addr_of(ip->u.addr, ip->len);
}

/* Runs per message: strings are emptied, not overwritten */
static void clear(struct tlsp_facts *f)
{
	memset(f, 0, offsetof(struct tlsp_facts, cipher));
	f->cipher[0] = f->sni[0] = f->identity[0] = 0;
	f->peer = f->clients = f->wanted = TLSP_NOBODY;
}

/* ---- connections ------------------------------------------------------------ */

void tlsp_facts_of_tcp(struct tcp_connection *c, struct tlsp_facts *out)
{
	memset(out, 0, sizeof(*out));
	out->id = c->id;
	out->direction = c->flags & F_CONN_PASSIVE ? TG_POL_IN : TG_POL_OUT;
	out->transport = tlsp_transport(c->type);
	out->local = tlsp_addr(&c->rcv.dst_ip);
	out->local_port = c->rcv.dst_port;
	/* src is the other side in both directions */
	out->remote = tlsp_addr(&c->rcv.src_ip);
	out->remote_port = c->rcv.src_port;
	out->peer = out->clients = out->wanted = TLSP_NOBODY;
	out->since = time(NULL);
}

void tlsp_conn_of_rcv(const struct receive_info *rcv, struct tg_pol_conn *out)
{
	memset(out, 0, sizeof(*out));
	out->direction = TG_POL_IN;
	out->transport = tlsp_transport(rcv->proto);
	out->local = tlsp_addr(&rcv->dst_ip);
	out->local_port = rcv->dst_port;
	out->remote = tlsp_addr(&rcv->src_ip);
	out->remote_port = rcv->src_port;
}

/* ---- messages ---------------------------------------------------------------- */

static struct tg_span span_of(str s)
{
	return tg_span_of(s.s, s.s && s.len > 0 ? (size_t)s.len : 0);
}

static struct tg_span host_of(str uri)
{
	struct sip_uri parsed;

	if(uri.s == NULL || uri.len <= 0 || parse_uri(uri.s, uri.len, &parsed) < 0)
		return tg_span_of(NULL, 0);
	return span_of(parsed.host);
}

static int read_identities(struct sip_msg *msg, struct tg_pol_msg *out)
{
	size_t n = 0, max = sizeof(out->pai_domain) / sizeof(out->pai_domain[0]);
	p_id_body_t *body;

	if(parse_headers(msg, HDR_PAI_F, 0) < 0)
		return -1;
	if(!msg->pai)
		return 0;
	if(parse_pai_header(msg) != 0 || !get_pai(msg))
		return -1;
	for(body = get_pai(msg); body; body = body->next) {
		for(int i = 0; i < body->num_ids; i++) {
			struct tg_span host = host_of(body->id[i].uri);

			/* a tel: URI has no host, and claims no domain */
			if(!host.len)
				continue;
			if(n == max)
				return -1;
			out->pai_domain[n++] = host;
		}
	}
	return 0;
}

int tlsp_read_asked(struct sip_msg *msg, struct tlsp_asked *out)
{
	struct to_body *to;

	memset(out, 0, sizeof(*out));
	if(msg->first_line.type != SIP_REQUEST)
		return 0;
	out->method = span_of(msg->first_line.u.request.method);
	if(!IS_SIP(msg)) /* HTTP has none of the headers that are asked for */
		return 0;
	if((!msg->to && parse_headers(msg, HDR_TO_F, 0) < 0) || !msg->to)
		return -1;
	to = get_to(msg);
	out->in_dialog = to && to->tag_value.len > 0;
	return 0;
}

/* Headers far down are looked for only where a peer is held to its domains */
bool tlsp_reads_more(const struct tg_pol_msg *m)
{
	return !m->judged || (m->peer && m->peer->domain.n);
}

static int read_message(struct sip_msg *msg, struct tg_pol_msg *out)
{
	struct tlsp_asked asked;

	if(tlsp_read_asked(msg, &asked) < 0)
		return -1;
	out->method = asked.method;
	out->in_dialog = asked.in_dialog;
	if(!out->method.len || !IS_SIP(msg) || !tlsp_reads_more(out))
		return 0;
	if(parse_from_header(msg) == 0 && get_from(msg))
		out->from_domain = host_of(get_from(msg)->uri);
	return read_identities(msg, out);
}

static void read_source(const struct tlsp_snap *snap, const struct sip_msg *msg,
		struct tlsp_facts *facts, struct tg_pol_msg *out)
{
	memset(out, 0, sizeof(*out));
	clear(facts);
	tlsp_conn_of_rcv(&msg->rcv, &out->conn);
	if(TG_POL_TR_IS_TLS(out->conn.transport)
			&& tlsp_conn_current_head(snap, msg->rcv.proto_reserved1, facts)) {
		out->judged = facts->established && facts->allowed;
		out->peer = tlsp_facts_peer(snap, facts);
		out->clients = tlsp_facts_clients(snap, facts);
		out->audited = facts->audited;
		out->held = facts->held;
		out->tls_version = facts->tls_version;
	}
}

int tlsp_source(const struct tlsp_snap *snap, struct sip_msg *msg,
		struct tlsp_facts *facts, struct tg_pol_msg *out)
{
	struct tlsp_facts unused;

	if(facts || !tlsp_warm_source(snap, msg, out))
		read_source(snap, msg, facts ? facts : &unused, out);
	return read_message(msg, out);
}

/* ---- destinations ---------------------------------------------------------------- */

static void read_connection(const struct tlsp_snap *snap, int id,
		struct tlsp_facts *facts, struct tg_pol_egress *out)
{
	out->existing = true;
	if(!TG_POL_TR_IS_TLS(out->conn.transport))
		return;
	if(!tlsp_conn_current_head(snap, id, facts)) {
		/* made a moment ago by another process, its first octet not sent:
		 * as a new one. Encode looks again */
		out->existing = false;
		return;
	}
	/* in the middle of its outbound handshake: as a new one */
	if(facts->direction == TG_POL_OUT && !facts->established)
		out->existing = false;
	out->judged = facts->established && facts->allowed;
	out->peer = tlsp_facts_peer(snap, facts);
	out->clients = tlsp_facts_clients(snap, facts);
	out->audited = facts->audited;
	out->held = facts->held;
	out->conn.remote = facts->remote;
	out->conn.remote_port = facts->remote_port;
}

int tlsp_destination(const struct tlsp_snap *snap, const struct dest_info *dst,
		struct tlsp_facts *facts, struct tg_pol_egress *out)
{
	int id = 0, proto = (unsigned char)dst->proto;

	memset(out, 0, sizeof(*out));
	clear(facts);
	out->conn.direction = TG_POL_OUT;
	out->conn.transport = tlsp_transport(dst->proto);
	if(dst->send_sock) {
		out->conn.local = tlsp_addr(&dst->send_sock->address);
		out->conn.local_port = dst->send_sock->port_no;
	}
	if(out->conn.transport == TG_POL_TR_UNKNOWN)
		return -1;
	if(!tg_addr_from_sockaddr(
			   &dst->to.s, &out->conn.remote, &out->conn.remote_port)
			&& !dst->id)
		return -1;
	if(out->conn.transport != TG_POL_TR_UDP)
		id = tlsp_taken(dst, &proto);
	out->conn.transport = tlsp_transport(proto);
	if(id)
		read_connection(snap, id, facts, out);
	return 0;
}

bool tlsp_is_found(const struct dest_info *dst, const struct tlsp_facts *facts)
{
	return facts->id && facts->id != dst->id && facts->direction == TG_POL_IN;
}
