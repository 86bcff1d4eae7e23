/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading a snapshot: lists, look-ups by name, names of values.
 */
#include "policy/snapshot.h"

#define LIST(kind, type, array, count)                                      \
	size_t tg_pol_##kind##_count(const struct tg_pol *p)                    \
	{                                                                       \
		return p->count;                                                    \
	}                                                                       \
	const struct type *tg_pol_##kind##_at(const struct tg_pol *p, size_t i) \
	{                                                                       \
		return i < p->count ? &p->array[i] : NULL;                          \
	}

LIST(peer, tg_pol_peer, peer, n_peer)
LIST(clients, tg_pol_clients, clients, n_clients)
LIST(trust, tg_pol_trust, trust, n_trust)
LIST(route, tg_pol_route, route, n_route)
LIST(tls, tg_pol_tls, tls, n_tls)
LIST(media, tg_pol_media, media, n_media)

const struct tg_pol_peer *tg_pol_peer_by_name(
		const struct tg_pol *p, struct tg_span name)
{
	return tg_pol_peer_at(p, tg_pol_labels_find(&p->peer_label, p->peer,
									 sizeof(*p->peer), name));
}

const struct tg_pol_clients *tg_pol_clients_by_name(
		const struct tg_pol *p, struct tg_span name)
{
	return tg_pol_clients_at(p, tg_pol_labels_find(&p->clients_label,
										p->clients, sizeof(*p->clients), name));
}

const struct tg_pol_route *tg_pol_route_by_name(
		const struct tg_pol *p, struct tg_span name)
{
	return tg_pol_route_at(p, tg_pol_labels_find(&p->route_label, p->route,
									  sizeof(*p->route), name));
}

static struct tg_where below(struct tg_where where, unsigned lines)
{
	if(lines) {
		where.line += lines;
		where.column = 1;
	}
	return where;
}

struct tg_where tg_pol_peer_where(
		const struct tg_pol_peer *peer, enum tg_pol_peer_key key)
{
	return below(peer->where, peer->line[key]);
}

struct tg_where tg_pol_clients_where(
		const struct tg_pol_clients *clients, enum tg_pol_clients_key key)
{
	return below(clients->where, clients->line[key]);
}

uint64_t tg_pol_session_digest(const struct tg_pol *p)
{
	return p->session_digest;
}

const char *tg_pol_digest(const struct tg_pol *p)
{
	return p->digest;
}

enum tg_pol_mode tg_pol_global_mode(const struct tg_pol *p)
{
	return p->mode;
}

enum tg_pol_profile tg_pol_global_profile(const struct tg_pol *p)
{
	return p->profile;
}

const struct tg_pol_mras *tg_pol_mras(const struct tg_pol *p)
{
	return p->n_mras ? &p->mras[0] : NULL;
}

size_t tg_pol_relay_count(const struct tg_pol *p)
{
	return p->n_relay;
}

const struct tg_pol_relay *tg_pol_relay_at(const struct tg_pol *p, size_t i)
{
	return i < p->n_relay ? &p->relay[i] : NULL;
}

bool tg_pol_fips_required(const struct tg_pol *p)
{
	return p->fips == TG_POL_FIPS_REQUIRED;
}

const struct tg_where *tg_pol_where(const struct tg_pol *p)
{
	return &p->where;
}

const struct tg_pol_limits *tg_pol_default_limits(const struct tg_pol *p)
{
	return &p->limits;
}

size_t tg_pol_octets(const struct tg_pol *p)
{
	return p->arena.used_octets;
}

#define NAME(function, type, ...)                                        \
	const char *function(type v)                                         \
	{                                                                    \
		static const char *const names[] = {__VA_ARGS__};                \
                                                                         \
		return (unsigned)v < sizeof(names) / sizeof(names[0]) ? names[v] \
															  : "?";     \
	}

NAME(tg_pol_role_name, enum tg_pol_role, "none", "server", "mediation",
		"gateway", "federation")
NAME(tg_pol_transport_name, enum tg_pol_transport, "unknown", "udp", "tcp",
		"tls", "ws", "wss")
NAME(tg_pol_eku_name, enum tg_pol_eku, "role", "both", "client", "server",
		"sip", "any")
NAME(tg_pol_mode_name, enum tg_pol_mode, "enforce", "audit")
NAME(tg_pol_profile_name, enum tg_pol_profile, "sfb2019", "sfb2015", "lync2013")
NAME(tg_pol_revocation_name, enum tg_pol_revocation, "hard", "soft", "off")
NAME(tg_pol_nonce_name, enum tg_pol_nonce, "required", "optional", "off")
NAME(tg_pol_engine_name, enum tg_pol_engine, "plugin", "native")
NAME(tg_pol_location_name, enum tg_pol_location, "", "intranet", "internet")

const char *tg_pol_class_name(enum tg_pol_class v)
{
	static const char *const names[] = {"register", "call", "im", "presence",
			"service", "options", "http", "other"};

	for(unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if((unsigned)v == 1u << i)
			return names[i];
	}
	return "?";
}
