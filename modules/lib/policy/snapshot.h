/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of a snapshot; only policy/ includes this.
 */
#ifndef TG_POLICY_SNAPSHOT_H
#define TG_POLICY_SNAPSHOT_H

#include "policy/index.h"

struct tg_pol {
	struct tg_arena arena; /* owns everything here, this struct included */
	char digest[2 * TG_POL_DIGEST_OCTETS + 1];
	uint64_t session_digest; /* see tg_pol_session_digest */
	enum tg_pol_mode mode;
	enum tg_pol_profile profile;
	enum tg_pol_fips fips;
	struct tg_where where; /* of [policy], or only the file */
	struct tg_pol_limits limits;

	struct tg_pol_trust *trust;
	size_t n_trust;
	struct tg_pol_tls *tls; /* built-in ones first */
	size_t n_tls;
	struct tg_pol_media *media; /* built-in ones first */
	size_t n_media;
	struct tg_pol_peer *peer;
	size_t n_peer;
	struct tg_pol_clients *clients;
	size_t n_clients;
	struct tg_pol_route *route;
	size_t n_route;
	struct tg_pol_relay *relay;
	size_t n_relay;
	struct tg_pol_mras *mras;
	size_t n_mras;                            /* 0 or 1 */
	const struct tg_pol_route *default_route; /* NULL: there is none */

	/* tight[r][i]: media[i] under route[r] and the default route; tight[r] is
	 * NULL where neither names media. NULL without routes; see media.c */
	struct tg_pol_media **tight;

	struct tg_pol_labels peer_label;
	struct tg_pol_labels clients_label;
	struct tg_pol_labels route_label;
	struct tg_pol_names names;
	struct tg_pol_places peers_in; /* with listener and SNI */
	struct tg_pol_places peers_at; /* by address alone; may be the same */
	struct tg_pol_places clients_in;
	struct tg_pol_places clients_at;
};

#define TG_POL_MEDIA_MAX 256 /* profiles in one policy */

/* Transports that are not TLS */
#define TG_POL_TR_CLEAR                                          \
	(TG_POL_TR_BIT(TG_POL_TR_UDP) | TG_POL_TR_BIT(TG_POL_TR_TCP) \
			| TG_POL_TR_BIT(TG_POL_TR_WS))
#define TG_POL_TR_SECURE \
	(TG_POL_TR_BIT(TG_POL_TR_TLS) | TG_POL_TR_BIT(TG_POL_TR_WSS))

static inline unsigned tg_pol_tls_id(
		const struct tg_pol *p, const struct tg_pol_tls *tls)
{
	return tls ? (unsigned)(tls - p->tls) : TG_POL_TLS_NONE;
}

/* Its bit in a mask of profiles; 0 without one */
static inline uint64_t tg_pol_tls_bit(
		const struct tg_pol *p, const struct tg_pol_tls *tls)
{
	unsigned id = tg_pol_tls_id(p, tls);

	return id < TG_POL_TLS_MAX ? (uint64_t)1 << id : 0;
}

/* Fills tight. False only when memory is out */
bool tg_pol_media_build(struct tg_pol *p) __attribute__((warn_unused_result));

/* Gate 3: does the route name this party, or nobody at all? */
bool tg_pol_route_admits(const struct tg_pol_route *r,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients);

#endif
