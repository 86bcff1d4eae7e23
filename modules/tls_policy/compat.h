/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What differs between the versions of Kamailio: 5.6, 6.0, 6.1.
 */
#ifndef TLSP_COMPAT_H
#define TLSP_COMPAT_H

#include "core/locking.h"
#include "core/tcp_conn.h"

#ifdef TLSP_HOST_TRIED
/* said by whoever builds it */
#elif VERSIONVAL >= 5006000 && VERSIONVAL < 5007000
#define TLSP_HOST_TRIED 1
#elif VERSIONVAL >= 6000000 && VERSIONVAL < 6002000
#define TLSP_HOST_TRIED 1
#else
#define TLSP_HOST_TRIED 0
#endif

/* exported by the core, in no header */
extern gen_lock_t *tcpconn_lock;
#if VERSIONVAL >= 6000000
struct tcp_connection *_tcpconn_find(int id, struct ip_addr *ip, int port,
		struct ip_addr *l_ip, int l_port, sip_protos_t proto);
#define tlsp_tcpconn_find(id, ip, port, l_ip, l_port, proto) \
	_tcpconn_find(id, ip, port, l_ip, l_port, proto)
#else
struct tcp_connection *_tcpconn_find(
		int id, struct ip_addr *ip, int port, struct ip_addr *l_ip, int l_port);
#define tlsp_tcpconn_find(id, ip, port, l_ip, l_port, proto) \
	((void)(proto), _tcpconn_find(id, ip, port, l_ip, l_port))
#endif

#endif
