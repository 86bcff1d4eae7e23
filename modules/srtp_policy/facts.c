/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who is at both ends of a message. Kamailio's structures as facts, and the
 * policy's word on them; nothing about media is decided here.
 */
#include "core/dprint.h"
#include "modules/tm/ut.h"

#include "srtp_policy/srtpp.h"

struct tg_span srtpp_bytes(const struct sip_msg *msg)
{
	return tg_span_of(msg->buf, msg->len);
}

/* The profile under every route that the call is on */
static void apply_routes(const struct tg_pol *p, struct tg_span names,
		const struct tg_pol_media *media, struct srtpp_party *out)
{
	while(names.len && media) {
		const struct tg_pol_route *route =
				tg_pol_route_by_name(p, tg_span_cut(&names, '\n'));
		struct tg_pol_media step = *media;

		if(!route || !route->media)
			continue;
		tg_pol_media_tighten(&step, route->media, &out->tightened);
		media = &out->tightened;
	}
	out->media = media;
}

static bool fill(const struct tg_pol *p, const struct tg_pol_verdict *v,
		struct tg_span route, const struct tg_media_message *m,
		struct srtpp_party *out)
{
	char routes[SRTPP_ROUTES_OCTETS];
	const struct tg_pol_media *media = tg_pol_media_for(p, v->peer, v->clients,
			route.len ? tg_pol_route_by_name(p, route) : NULL);

	out->peer = v->peer;
	out->clients = v->clients;
	srtpp_calls_routes(m, routes);
	apply_routes(p, tg_span_cstr(routes), media, out);
	return media != NULL;
}

bool srtpp_party_of_source(const struct tg_pol *p, struct sip_msg *msg,
		const struct tg_media_message *m, struct srtpp_party *out)
{
	struct tg_pol_verdict v;
	struct tg_pol_msg facts;

	memset(out, 0, sizeof(*out));
	if(srtpp_tlsp.source(p, msg, &facts) < 0)
		return false;
	tg_pol_judge_message(p, &facts, NULL, &v);
	if(v.decision != TG_POL_ALLOW)
		return false; /* gate 2 refuses it */
	out->keys_allowed = tg_pol_keys_allowed(&facts);
	return fill(p, &v, srtpp_tlsp.route(msg), m, out);
}

/*
 * On a connection that is about to be made nothing leaves before gate 1 saw
 * the certificate of the wanted peer.
 */
static bool keys_will_be_allowed(
		const struct tg_pol_egress *egress, const struct tg_pol_peer *peer)
{
	return tg_pol_keys_allowed_out(egress)
		   || (!egress->existing && TG_POL_TR_IS_TLS(egress->conn.transport)
				   && peer && peer->trust);
}

static bool party_there(const struct tg_pol *p,
		const struct tg_pol_egress *egress, const struct tg_pol_verdict *v,
		const struct tg_media_message *m, struct srtpp_party *out)
{
	memset(out, 0, sizeof(*out));
	out->keys_allowed = keys_will_be_allowed(egress, v->peer);
	return fill(p, v, tg_span_of(NULL, 0), m, out);
}

bool srtpp_party_of_egress(const struct tg_pol *p,
		const struct tlsp_leaving *what, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, const struct tg_media_message *m,
		struct srtpp_party *out)
{
	struct tg_pol_verdict v = {.peer = peer, .clients = clients};

	return party_there(p, what->egress, &v, m, out);
}

static bool party_of_dst(const struct tg_pol *p, const struct dest_info *dst,
		bool is_reply, const struct tg_media_message *m,
		struct srtpp_party *out)
{
	struct tg_pol_egress egress;
	struct tg_pol_verdict v;

	if(srtpp_tlsp.destination(p, dst, &egress) < 0)
		return false;
	egress.is_reply = is_reply;
	tg_pol_judge_egress(p, &egress, NULL, &v);
	return v.decision == TG_POL_ALLOW && party_there(p, &egress, &v, m, out);
}

bool srtpp_party_of_connection(const struct tg_pol *p,
		const struct receive_info *rcv, const struct tg_media_message *m,
		struct srtpp_party *out)
{
	struct receive_info copy = *rcv;
	struct dest_info dst;

	memset(out, 0, sizeof(*out));
	init_dest_info(&dst);
	init_dst_from_rcv(&dst, &copy);
	return party_of_dst(p, &dst, true, m, out);
}

struct cell *srtpp_transaction(void)
{
	struct cell *t = srtpp_tm.t_gett ? srtpp_tm.t_gett() : NULL;

	return t == T_UNDEFINED ? NULL : t;
}

void srtpp_transaction_find(struct sip_msg *reply)
{
	int branch = T_BR_UNDEFINED;

	if(srtpp_tm.t_check)
		srtpp_tm.t_check(reply, &branch);
}

void srtpp_transaction_forget(struct sip_msg *reply)
{
	if(srtpp_transaction() && srtpp_tm.t_unref)
		srtpp_tm.t_unref(reply);
}

static bool next_hop(struct sip_msg *msg, struct dest_info *dst)
{
	str uri = *GET_NEXT_HOP(msg);

#ifdef USE_DNS_FAILOVER
	return uri2dst(NULL, dst, msg, &uri, PROTO_NONE) != NULL;
#else
	return uri2dst(dst, msg, &uri, PROTO_NONE) != NULL;
#endif
}

bool srtpp_party_of_target(const struct tg_pol *p, struct sip_msg *msg,
		const struct tg_media_message *m, struct srtpp_party *out)
{
	struct cell *t = srtpp_transaction();
	struct dest_info dst;

	memset(out, 0, sizeof(*out));
	if(msg->first_line.type == SIP_REQUEST)
		return next_hop(msg, &dst) && party_of_dst(p, &dst, false, m, out);
	return t && party_of_dst(p, &t->uas.response.dst, true, m, out);
}

static bool has_sdp(struct tg_span request)
{
	struct tg_media_message m;

	if(!tg_media_message_has_body(request))
		return false;
	return tg_media_message_read(request, &m) != TG_MEDIA_OK || m.n_sdp > 0;
}

/*
 * One answer is asked about half a dozen times on its way. A transaction is
 * told by its place, its label (one in 2^32 of that place) and the octets'
 * address, and its request does not change
 */
static bool request_has_sdp(void)
{
	static struct {
		const struct cell *t;
		unsigned hash, label;
		struct tg_span request;
		bool has_sdp;
	} last;
	struct cell *t = srtpp_transaction();
	struct tg_span request;

	/* without a transaction: as the media module, an answer */
	if(!t || !t->uas.request || !t->uas.request->buf)
		return true;
	request = srtpp_bytes(t->uas.request);
	if(last.t != t || last.hash != t->hash_index || last.label != t->label
			|| last.request.ptr != request.ptr
			|| last.request.len != request.len) {
		last.has_sdp = has_sdp(request);
		last.t = t;
		last.hash = t->hash_index;
		last.label = t->label;
		last.request = request;
	}
	return last.has_sdp;
}

bool srtpp_is_offer(const struct tg_media_message *m)
{
	if(m->request)
		return tg_span_eq(m->method, TG_SPAN("INVITE"))
			   || tg_span_eq(m->method, TG_SPAN("UPDATE"));
	return tg_span_eq(m->method, TG_SPAN("INVITE")) && !request_has_sdp();
}
