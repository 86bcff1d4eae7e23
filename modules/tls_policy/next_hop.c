/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a request's next hop was called before DNS made an address of it, so
 * that gate 4 can hold the peer at that address to the name (A31). What is
 * handed to the network has the address only, so the name is taken
 *
 *   from tm         where it prepares a branch (its callback on forwarded
 *                   requests, after branch_route), failover by DNS included
 *   from the script the request at hand, for what is forwarded stateless
 *   from the bytes  Route or request URI, for what Kamailio sends by itself
 *
 * The last two may not be where the address came from (forward() with an
 * argument, an outbound proxy), so there a name counts if it is a peer's or
 * stands for the address. An ACK or CANCEL that tm makes goes where its
 * INVITE went. A host that is an argument of a script function is resolved by
 * Kamailio at start and counts as an address.
 */
#include <netdb.h>

#include "core/dprint.h"
#include "core/dns_cache.h"
#include "core/dset.h"
#include "core/parser/parse_uri.h"
#include "core/resolve.h"
#include "core/sr_module.h"
#include "core/ut.h"
#include "modules/tm/tm_load.h"

#include "tls_policy/tlsp.h"

#define BRANCHES 32
#define HOST_OCTETS 256
#define HOP_OCTETS 192 /* of a URI whose host is known */
#define HOPS 32

/* Branches that tm prepared last in this process, all of one transaction */
static struct {
	unsigned hash;
	unsigned label;
	unsigned known; /* 1 << branch */
	struct prepared {
		union sockaddr_union proxy; /* given by address if it goes there */
		size_t octets;
		char host[HOST_OCTETS];
	} branch[BRANCHES];
} last;

static struct tm_binds tm;

static struct tg_span span_of(str s)
{
	return tg_span_of(s.s, s.s && s.len > 0 ? (size_t)s.len : 0);
}

/* The host that the core would look up; empty for an address */
static struct tg_span host_in(const struct sip_uri *uri)
{
	struct tg_span host = span_of(uri->host);
	struct tg_addr addr;

#ifdef HONOR_MADDR
	if(uri->maddr_val.len > 0)
		host = span_of(uri->maddr_val);
#endif
	return tg_addr_parse(host, &addr) ? tg_span_of(NULL, 0) : host;
}

static struct tg_span host_of(str uri, struct sip_uri *parsed)
{
	if(!uri.s || uri.len <= 0 || parse_uri(uri.s, uri.len, parsed) < 0)
		return tg_span_of(NULL, 0);
	return host_in(parsed);
}

/* The same: most go where another went. Valid until the next call */
static struct tg_span host_of_hop(str uri)
{
	static struct {
		int octets;
		char uri[HOST_OCTETS];
		struct tg_span host; /* in uri */
	} known[HOPS], *hop;
	struct sip_uri parsed;
	str copy;

	if(!uri.s || uri.len <= 0 || uri.len > HOST_OCTETS)
		return host_of(uri, &parsed);
	hop = &known[((unsigned)uri.len + (unsigned char)uri.s[uri.len / 2])
				 % HOPS];
	if(hop->octets == uri.len && memcmp(hop->uri, uri.s, (size_t)uri.len) == 0)
		return hop->host;
	memcpy(hop->uri, uri.s, (size_t)uri.len);
	hop->octets = uri.len;
	copy = (str){hop->uri, uri.len};
	hop->host = host_of(copy, &parsed);
	return hop->host;
}

/* ---- tm ------------------------------------------------------------------- */

/* "_sips._tcp.NAME" of a SRV record is about NAME */
static struct tg_span name_of_entry(const struct dns_srv_handle *h)
{
	const struct dns_hash_entry *e = h->srv ? h->srv : h->a;
	struct tg_span name = tg_span_of(e->name, e->name_len);

	while(tg_span_starts(name, TG_SPAN("_")))
		tg_span_cut(&name, '.');
	return name;
}

static void keep(struct prepared *b, struct tg_span host)
{
	b->octets = host.len < HOST_OCTETS ? host.len : HOST_OCTETS;
	memcpy(b->host, host.ptr ? host.ptr : "", b->octets);
}

static void on_forwarded(struct cell *t, int type, struct tmcb_params *ps)
{
	unsigned no = (unsigned)t->nr_of_outgoings;
	struct sip_msg *msg = ps->req;
	struct prepared *b;

	(void)type;
	if(last.hash != t->hash_index || last.label != t->label)
		last.known = 0;
	last.hash = t->hash_index;
	last.label = t->label;
	if(!msg || no >= BRANCHES)
		return;
	b = &last.branch[no];
	last.known |= 1u << no;
	/* a proxy, or where the INVITE of a CANCEL went */
	b->proxy = t->uac[no].request.dst.to;
#ifdef USE_DNS_FAILOVER
	if(t->uac[no].dns_h.a) {
		memset(&b->proxy, 0, sizeof(b->proxy));
		keep(b, name_of_entry(&t->uac[no].dns_h));
		return;
	}
#endif
	keep(b, host_of_hop(*GET_NEXT_HOP(msg)));
}

static void on_transaction(struct cell *t, int type, struct tmcb_params *ps)
{
	(void)type;
	if(tm.register_tmcb(
			   ps->req, t, TMCB_REQUEST_FWDED, on_forwarded, NULL, NULL)
			<= 0)
		LM_ERR("tm takes no callback: names of next hops are not known\n");
}

/* Of the transaction and its branch in our Via, the topmost: RFC 3261 8.1.1.7 */
static bool read_branch(struct tg_span bytes, unsigned *hash, unsigned *no)
{
	const struct tg_span cookie = TG_SPAN("branch=z9hG4bK");
	struct tg_span via, first, tail;

	tg_span_cut(&bytes, '\n');
	via = tg_span_cut(&bytes, '\n');
	do {
		tg_span_cut(&via, ';');
		if(!via.len)
			return false;
	} while(!tg_span_starts(via, cookie));
	via = tg_span_of(via.ptr + cookie.len, via.len - cookie.len);
	tail = tg_span_trim(tg_span_cut(&via, ';'));
	first = tg_span_cut(&tail, '.');
	while(tg_span_find(tail, '.') < tail.len)
		tg_span_cut(&tail, '.');
	return first.len && first.len <= 8 && tail.len && tail.len <= 8
		   && reverse_hex2int((char *)first.ptr, (int)first.len, hash) == 1
		   && reverse_hex2int((char *)tail.ptr, (int)tail.len, no) == 1;
}

/* False when tm did not prepare it here a moment ago */
static bool of_tm(
		const struct dest_info *dst, struct tg_span bytes, struct tg_span *name)
{
	const struct prepared *b;
	unsigned hash, no;

	if(!last.known || !read_branch(bytes, &hash, &no) || hash != last.hash
			|| no >= BRANCHES || !(last.known >> no & 1))
		return false;
	b = &last.branch[no];
	if(b->octets && (!b->proxy.s.sa_family || su_cmp(&b->proxy, &dst->to) != 1))
		*name = tg_span_of(b->host, b->octets);
	return true;
}

/* ---- without tm ------------------------------------------------------------ */

static struct tg_span uri_of(const struct tlsp_head *head)
{
	return head->route.len ? head->route : head->uri;
}

static bool is_of(struct sip_msg *at_hand, const struct tlsp_head *head)
{
	return at_hand && parse_headers(at_hand, HDR_CALLID_F, 0) == 0
		   && at_hand->callid
		   && tg_span_eq(span_of(at_hand->callid->body), head->call_id);
}

/* As the core has just done, or its cache still knows */
static bool stands_for(const struct sip_uri *uri, struct tg_span host,
		const struct dest_info *dst)
{
	str name = {(char *)host.ptr, (int)host.len};
	unsigned short port = uri->port_no;
	char proto = dst->proto;
	struct hostent *he = sip_resolvehost(&name, &port, &proto);
	struct ip_addr ip, there;

	su2ip_addr(&there, (union sockaddr_union *)&dst->to);
	for(int i = 0; he && he->h_addr_list[i]; i++) {
		hostent2ip_addr(&ip, he, i);
		if(ip_addr_cmp(&ip, &there))
			return true;
	}
	return false;
}

struct tg_span tlsp_next_hop(const struct tlsp_snap *snap,
		const struct dest_info *dst, struct tg_span bytes,
		const struct tlsp_head *head)
{
	struct sip_msg *at_hand = tlsp_at_hand.request;
	const struct tg_span nothing = {NULL, 0};
	static char copy[HOST_OCTETS];
	struct tg_span name = nothing, uri;
	struct sip_uri parsed;
	bool mine;

	if(of_tm(dst, bytes, &name))
		return name;
	mine = is_of(at_hand, head);
	if(tg_span_eq(head->method, TG_SPAN("CANCEL"))
			|| (!mine && tg_span_eq(head->method, TG_SPAN("ACK"))))
		return nothing;
	uri = mine ? span_of(*GET_NEXT_HOP(at_hand)) : uri_of(head);
	name = host_of((str){(char *)uri.ptr, (int)uri.len}, &parsed);
	if(!name.len || name.len > sizeof(copy)
			|| (!tg_pol_is_identity(snap->policy, name)
					&& !stands_for(&parsed, name, dst)))
		return nothing;
	memcpy(copy, name.ptr, name.len);
	return tg_span_of(copy, name.len);
}

/* ---- start ------------------------------------------------------------------ */

int tlsp_next_hop_start(void)
{
	if(!find_module_by_name("tm"))
		return 0;
	if(load_tm_api(&tm) < 0
			|| tm.register_tmcb(
					   0, 0, TMCB_REQUEST_IN, on_transaction, NULL, NULL)
					   <= 0) {
		LM_ERR("tm takes no callbacks\n");
		return -1;
	}
	return 0;
}
