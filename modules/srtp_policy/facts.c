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

static bool fill(const struct tg_pol *p, const struct tg_pol_verdict *v,
		struct tg_span route, bool keys_allowed, struct srtpp_party *out)
{
	out->peer = v->peer;
	out->clients = v->clients;
	out->media = tg_pol_media_for(p, v->peer, v->clients,
			route.len ? tg_pol_route_by_name(p, route) : NULL);
	out->keys_allowed = keys_allowed;
	return out->media != NULL;
}

bool srtpp_party_of_source(
		const struct tg_pol *p, struct sip_msg *msg, struct srtpp_party *out)
{
	struct tg_pol_verdict v;
	struct tg_pol_msg facts;

	memset(out, 0, sizeof(*out));
	if(srtpp_tlsp.source(p, msg, &facts) < 0)
		return false;
	tg_pol_judge_message(p, &facts, NULL, &v);
	if(v.decision != TG_POL_ALLOW)
		return false; /* gate 2 refuses it */
	return fill(p, &v, srtpp_tlsp.route(msg), tg_pol_keys_allowed(&facts), out);
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

bool srtpp_party_of_egress(const struct tg_pol *p,
		const struct tg_pol_egress *egress, const struct tg_pol_peer *peer,
		const struct tg_pol_clients *clients, struct srtpp_party *out)
{
	struct tg_pol_verdict v = {.peer = peer, .clients = clients};

	memset(out, 0, sizeof(*out));
	return fill(p, &v, tg_span_of(NULL, 0), keys_will_be_allowed(egress, peer),
			out);
}

static bool party_of_dst(const struct tg_pol *p, const struct dest_info *dst,
		bool is_reply, struct srtpp_party *out)
{
	struct tg_pol_egress egress;
	struct tg_pol_verdict v;

	if(srtpp_tlsp.destination(p, dst, &egress) < 0)
		return false;
	egress.is_reply = is_reply;
	tg_pol_judge_egress(p, &egress, NULL, &v);
	if(v.decision != TG_POL_ALLOW)
		return false;
	return srtpp_party_of_egress(p, &egress, v.peer, v.clients, out);
}

bool srtpp_party_of_connection(const struct tg_pol *p,
		const struct receive_info *rcv, struct srtpp_party *out)
{
	struct receive_info copy = *rcv;
	struct dest_info dst;

	memset(out, 0, sizeof(*out));
	init_dest_info(&dst);
	init_dst_from_rcv(&dst, &copy);
	return party_of_dst(p, &dst, true, out);
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

bool srtpp_party_of_target(
		const struct tg_pol *p, struct sip_msg *msg, struct srtpp_party *out)
{
	struct cell *t = srtpp_transaction();
	struct dest_info dst;

	memset(out, 0, sizeof(*out));
	if(msg->first_line.type == SIP_REQUEST)
		return next_hop(msg, &dst) && party_of_dst(p, &dst, false, out);
	return t && party_of_dst(p, &t->uas.response.dst, true, out);
}

static bool request_has_sdp(void)
{
	struct cell *t = srtpp_transaction();
	struct tg_media_message m;

	/* without a transaction: as the media module, an answer */
	return !t || !t->uas.request || !t->uas.request->buf
		   || tg_media_message_read(srtpp_bytes(t->uas.request), &m)
					  != TG_MEDIA_OK
		   || m.n_sdp > 0;
}

bool srtpp_is_offer(const struct tg_media_message *m)
{
	if(m->request)
		return tg_span_eq(m->method, TG_SPAN("INVITE"))
			   || tg_span_eq(m->method, TG_SPAN("UPDATE"));
	return tg_span_eq(m->method, TG_SPAN("INVITE")) && !request_has_sdp();
}
