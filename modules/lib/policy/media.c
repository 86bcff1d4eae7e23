/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The media profile of a party under a route, and whether SRTP keys may
 * travel over a piece of signalling (A12, B5).
 */
#include "policy/snapshot.h"

static void common_suites(const struct tg_pol_media *media,
		const struct tg_pol_media *route, struct tg_pol_media *out)
{
	size_t n = 0;

	memset(out->suite, 0, sizeof(out->suite));
	for(size_t i = 0; i < TG_SUITES_MAX && route->suite[i]; i++) {
		for(size_t k = 0; k < TG_SUITES_MAX; k++) {
			if(media->suite[k] == route->suite[i])
				out->suite[n++] = route->suite[i];
		}
	}
}

static void common_key_exchange(const struct tg_pol_media *media,
		const struct tg_pol_media *route, struct tg_pol_media *out)
{
	size_t n = 0;

	memset(out->key_exchange, 0, sizeof(out->key_exchange));
	for(size_t i = 0; i < TG_KX_MAX && route->key_exchange[i]; i++) {
		for(size_t k = 0; k < TG_KX_MAX; k++) {
			if(media->key_exchange[k] == route->key_exchange[i])
				out->key_exchange[n++] = route->key_exchange[i];
		}
	}
}

static unsigned max_of(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned lower_lifetime(unsigned a, unsigned b)
{
	if(!a || !b)
		return a + b;
	return a < b ? a : b;
}

/*
 * Whatever is asked by only one of both counts. With level none on one side
 * the lists of the other are taken: they become meaningful by its level.
 */
void tg_pol_media_tighten(const struct tg_pol_media *media,
		const struct tg_pol_media *route, struct tg_pol_media *out)
{
	*out = route->level <= media->level ? *route : *media;
	out->level = route->level < media->level ? route->level : media->level;
	if(media->level == TG_LEVEL_NONE || route->level == TG_LEVEL_NONE) {
		const struct tg_pol_media *listed =
				media->level == TG_LEVEL_NONE ? route : media;

		memcpy(out->suite, listed->suite, sizeof(out->suite));
		memcpy(out->key_exchange, listed->key_exchange,
				sizeof(out->key_exchange));
	} else {
		common_suites(media, route, out);
		common_key_exchange(media, route, out);
	}
	/* how the party speaks is not a question of strength */
	out->dialect = media->dialect;
	out->mki_octets = media->mki_octets;
	out->engine = media->engine == TG_POL_ENGINE_PLUGIN
								  || route->engine == TG_POL_ENGINE_PLUGIN
						  ? TG_POL_ENGINE_PLUGIN
						  : TG_POL_ENGINE_NATIVE;
	out->t38 =
			media->t38 == TG_POL_T38_REFUSE || route->t38 == TG_POL_T38_REFUSE
					? TG_POL_T38_REFUSE
					: TG_POL_T38_CLEAR;
	out->lifetime_log2 =
			(uint8_t)lower_lifetime(media->lifetime_log2, route->lifetime_log2);
	out->replay_window =
			(uint16_t)max_of(media->replay_window, route->replay_window);
	out->dtls_verify_ca = media->dtls_verify_ca || route->dtls_verify_ca;
	out->set = media->set | route->set;
}

static bool build_route(struct tg_pol *p, size_t r)
{
	const struct tg_pol_media *first = p->route[r].media;
	const struct tg_pol_media *second =
			p->default_route ? p->default_route->media : NULL;
	struct tg_pol_media step;

	if(!first || first == second) {
		first = second;
		second = NULL;
	}
	if(!first)
		return true;
	p->tight[r] = tg_arena_array(&p->arena, p->n_media, sizeof(**p->tight));
	if(!p->tight[r])
		return false;
	for(size_t i = 0; i < p->n_media; i++) {
		tg_pol_media_tighten(&p->media[i], first, &p->tight[r][i]);
		if(!second)
			continue;
		step = p->tight[r][i];
		tg_pol_media_tighten(&step, second, &p->tight[r][i]);
	}
	return true;
}

bool tg_pol_media_build(struct tg_pol *p)
{
	if(!p->n_route)
		return true;
	p->tight = tg_arena_array(
			&p->arena, p->n_route, sizeof(struct tg_pol_media *));
	for(size_t r = 0; p->tight && r < p->n_route; r++) {
		if(!build_route(p, r))
			return false;
	}
	return p->tight != NULL;
}

const struct tg_pol_media *tg_pol_media_for(const struct tg_pol *p,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients,
		const struct tg_pol_route *route)
{
	const struct tg_pol_media *media = NULL;

	if(peer)
		media = peer->media;
	else if(clients)
		media = clients->media;
	if(!route)
		route = p->default_route;
	if(!media || !route || !p->tight[route - p->route])
		return media;
	return &p->tight[route - p->route][media - p->media];
}

bool tg_pol_keys_allowed(const struct tg_pol_msg *msg)
{
	return TG_POL_TR_IS_TLS(msg->conn.transport) && msg->judged && !msg->audited
		   && ((msg->peer && msg->peer->trust) || (!msg->peer && msg->clients));
}

bool tg_pol_keys_allowed_out(const struct tg_pol_egress *egress)
{
	return TG_POL_TR_IS_TLS(egress->conn.transport) && egress->existing
		   && egress->judged && !egress->audited
		   && ((egress->peer && egress->peer->trust)
				   || (!egress->peer && egress->clients));
}
