/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which connection Kamailio takes for a destination, seen as tcp_send() sees
 * it: by the id of the destination, else by its address and port. What it
 * finds there may speak another protocol than was asked for, and octets then
 * leave as that connection has them: who can connect from the address and
 * port of a peer could have the peer's requests in clear. So what counts is
 * the connection, not the transport that the destination names.
 *
 * With tcp_connection_match=strict Kamailio 6.0 compares protocols, too. No
 * decision is taken here.
 */
#include "core/cfg/cfg.h"
#include "core/globals.h"
#include "core/tcp_options.h"

#include "tls_policy/compat.h"
#include "tls_policy/tlsp.h"

static bool is_websocket(int proto)
{
	return proto == PROTO_WS || proto == PROTO_WSS;
}

static bool is_strict(void)
{
	return tcp_connection_match == TCPCONN_MATCH_STRICT;
}

/* With the core's lock held; first by the port of the listener if need be */
static struct tcp_connection *find_near(
		const struct dest_info *dst, struct ip_addr *ip, int port, int proto)
{
	struct tcp_connection *c = NULL;
	int local_port = 0;
	struct ip_addr local;

	ip_addr_mk_any(ip->af, &local);
	if(dst->send_sock && dst->send_flags.f & SND_F_FORCE_SOCKET) {
		su2ip_addr(&local, &dst->send_sock->su);
		if(cfg_get(tcp, tcp_cfg, reuse_port))
			local_port = dst->send_sock->port_no;
	}
	if(is_strict() && dst->send_sock && !local_port)
		c = tlsp_tcpconn_find(
				0, ip, port, &local, dst->send_sock->port_no, proto);
	return c ? c : tlsp_tcpconn_find(0, ip, port, &local, local_port, proto);
}

static struct tcp_connection *find_there(const struct dest_info *dst)
{
	union sockaddr_union *to = (union sockaddr_union *)&dst->to;
	struct tcp_connection *c;
	int port = su_getport(to);
	struct ip_addr ip;

	if(!port)
		return NULL;
	su2ip_addr(&ip, to);
	if(!is_strict())
		return find_near(dst, &ip, port, PROTO_NONE);
	if(!is_websocket(dst->proto))
		return find_near(dst, &ip, port, dst->proto);
	/* a URI says transport=ws for both (RFC 7118 section 5.2.4) */
	c = find_near(dst, &ip, port, PROTO_WSS);
	return c || dst->proto == PROTO_WSS ? c
										: find_near(dst, &ip, port, PROTO_WS);
}

int tlsp_taken(const struct dest_info *dst, int *proto)
{
	struct tcp_connection *c = NULL;
	int id = 0;

	lock_get(tcpconn_lock);
	if(dst->id)
		c = tlsp_tcpconn_find(dst->id, NULL, 0, NULL, 0, PROTO_NONE);
	if(!c)
		c = find_there(dst);
	if(c && !tcpconn_close_after_send(c)) {
		id = c->id;
		*proto = c->type;
	}
	lock_release(tcpconn_lock);
	return id;
}
