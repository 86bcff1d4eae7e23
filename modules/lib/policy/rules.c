/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/rules.h"

#include "policy/builtin.h"
#include "policy/schema.h"

/* ---- media ------------------------------------------------------------- */

static bool uses(const struct tg_pol_media *m, enum tg_kx kx)
{
	for(size_t i = 0; i < TG_KX_MAX; i++) {
		if(m->key_exchange[i] == kx)
			return true;
	}
	return false;
}

/* rtpengine's own SRTP cannot keep these promises (B8) */
static void check_native(struct tg_build *b, const struct tg_made *made)
{
	static const struct {
		enum tg_pol_media_key key;
		const char *name;
	} beyond[] = {{TG_POL_MEDIA_KEY_REPLAY_WINDOW, "replay_window"},
			{TG_POL_MEDIA_KEY_MKI, "mki"},
			{TG_POL_MEDIA_KEY_LIFETIME, "lifetime"},
			{TG_POL_MEDIA_KEY_DTLS_VERIFY, "dtls_verify"}};

	for(size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		if(tg_made_has(made, beyond[i].key))
			tg_build_error(b, tg_made_key_at(made, beyond[i].name),
					"'%s' needs engine = plugin: rtpengine's own SRTP does "
					"not enforce it (B8)",
					beyond[i].name);
	}
}

static void check_media(
		struct tg_build *b, const struct tg_made *made, struct tg_pol_media *m)
{
	if(m->engine == TG_POL_ENGINE_NATIVE)
		check_native(b, made);
	if(m->dtls_verify_ca && !uses(m, TG_KX_DTLS))
		tg_build_error(b, tg_made_key_at(made, "dtls_verify"),
				"dtls_verify = ca needs dtls in key_exchange");
	if(m->level != TG_LEVEL_NONE)
		return;
	if(tg_made_has(made, TG_POL_MEDIA_KEY_KEY_EXCHANGE)
			|| tg_made_has(made, TG_POL_MEDIA_KEY_SUITES))
		tg_build_warning(b, tg_made_key_at(made, "level"),
				"level = none leaves key_exchange and suites without use");
	memset(m->key_exchange, 0, sizeof(m->key_exchange));
	memset(m->suite, 0, sizeof(m->suite));
}

/* ---- trust ------------------------------------------------------------- */

static bool asks_for_status(const struct tg_pol_trust *t)
{
	return t->ocsp_staple || t->ocsp_fetch;
}

static void check_fetch(
		struct tg_build *b, const struct tg_made *made, struct tg_pol_trust *t)
{
	static const struct {
		enum tg_trust_key key;
		const char *name;
	} needs[] = {{TG_TRUST_KEY_RESPONDER, "responder"},
			{TG_TRUST_KEY_ALLOW, "responder_allow"},
			{TG_TRUST_KEY_NONCE, "ocsp_nonce"},
			{TG_TRUST_KEY_TIMEOUT, "ocsp_timeout"},
			{TG_TRUST_KEY_MAX_OCTETS, "ocsp_max_octets"},
			{TG_TRUST_KEY_REFRESH, "ocsp_refresh"},
			{TG_TRUST_KEY_MAX_PENDING, "max_pending_time"}};
	struct tg_url url;
	struct tg_addr addr;
	const char *why;

	for(size_t i = 0; !t->ocsp_fetch && i < sizeof(needs) / sizeof(needs[0]);
			i++) {
		if(tg_made_has(made, needs[i].key))
			tg_build_error(b, tg_made_key_at(made, needs[i].name),
					"'%s' needs ocsp = fetch", needs[i].name);
	}
	if(!t->ocsp_fetch)
		return;
	if(!tg_made_has(made, TG_TRUST_KEY_RESPONDER))
		tg_build_error(b, tg_made_key_at(made, "ocsp"),
				"ocsp = fetch needs a responder: its URL, or aia for the one "
				"that a certificate names");
	if(t->ocsp.allow.any)
		tg_build_error(b, tg_made_value_at(made, "responder_allow"),
				"responder_allow lists addresses: a certificate could send "
				"us anywhere");
	if(tg_url_split(t->ocsp.responder, &url, &why)
			&& tg_addr_parse(url.host, &addr) && !tg_addr_is_public(&addr)
			&& !tg_pol_cidrs_hold(&t->ocsp.allow, &addr))
		tg_build_error(b, tg_made_value_at(made, "responder"),
				"this responder is not at a public address: responder_allow "
				"has to list it");
}

static void check_trust(struct tg_build *b, const struct tg_made *made,
		struct tg_pol_trust *t, bool used)
{
	if(!used)
		tg_build_warning(b, made->section->kind.ptr, "no peer uses this trust");
	check_fetch(b, made, t);
	if(t->revocation == TG_POL_REV_OFF && t->n_crl)
		tg_build_warning(b, tg_made_key_at(made, "revocation"),
				"revocation = off: the CRLs named here are not looked at");
	if(t->ocsp_staple && !t->ocsp_fetch && t->revocation != TG_POL_REV_OFF
			&& !t->n_crl)
		tg_build_warning(b, tg_made_key_at(made, "ocsp"),
				"who connects cannot staple: without crl_file no status of a "
				"peer that connects is asked for");
	if(asks_for_status(t) && t->revocation == TG_POL_REV_OFF)
		tg_build_warning(b, tg_made_key_at(made, "revocation"),
				"revocation = off: no status is asked for");
}

static void check_trusts(struct tg_build *b)
{
	struct tg_pol *p = b->pol;
	bool *used;

	if(!p->n_trust)
		return;
	used = tg_arena_array(&b->scratch, p->n_trust, sizeof(*used));
	if(!used) {
		b->no_memory = true;
		return;
	}
	for(size_t i = 0; i < p->n_peer; i++) {
		if(p->peer[i].trust)
			used[p->peer[i].trust->id] = true;
	}
	for(size_t i = 0; i < p->n_trust; i++)
		check_trust(b, &b->made[TG_KIND_TRUST][i], &p->trust[i], used[i]);
}

/* ---- peers ------------------------------------------------------------- */

static void peer_defaults(struct tg_build *b, const struct tg_made *made,
		struct tg_pol_peer *peer)
{
	struct tg_pol *p = b->pol;

	if(!tg_made_has(made, TG_POL_PEER_KEY_TRANSPORT))
		peer->transports = TG_POL_TR_BIT(TG_POL_TR_TLS);
	if(!tg_made_has(made, TG_POL_PEER_KEY_TLS)
			&& tg_made_has(made, TG_POL_PEER_KEY_TRUST))
		peer->tls = &p->tls[tg_builtin_tls_default(p->profile)];
	if(!tg_made_has(made, TG_POL_PEER_KEY_MEDIA))
		peer->media = &p->media[peer->role == TG_POL_ROLE_GATEWAY
										? TG_BUILTIN_MEDIA_GATEWAY
										: TG_BUILTIN_MEDIA_SERVER];
	/* A27: a partner speaks for what its certificate names, unless told */
	if(!tg_made_has(made, TG_POL_PEER_KEY_DOMAINS)
			&& peer->role == TG_POL_ROLE_FEDERATION)
		peer->domain = peer->identity;
}

/* A peer that proves itself with a certificate */
static void check_certified(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	if(!tg_made_has(made, TG_POL_PEER_KEY_IDENTITY))
		tg_build_error(b, made->section->kind.ptr,
				"'identity' is missing: the names its certificate must prove "
				"(A22)");
	if(!(peer->transports & TG_POL_TR_SECURE))
		tg_build_error(b, tg_made_key_at(made, "trust"),
				"'trust' without tls in 'transport' is never used");
	if(!peer->wildcard)
		return;
	for(size_t i = 0; i < peer->identity.n; i++) {
		struct tg_span parent = tg_pol_parent_name(peer->identity.item[i]);

		if(tg_span_find(parent, '.') == parent.len)
			tg_build_error(b, tg_made_key_at(made, "wildcard"),
					"wildcard = yes would take '*.%.*s' for '%.*s': too wide",
					TG_SPAN_FMT(parent), TG_SPAN_FMT(peer->identity.item[i]));
	}
}

/* A peer known by its address only: a gateway in clear, nothing else */
static void check_bare(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	static const struct {
		enum tg_pol_peer_key key;
		const char *name;
	} useless[] = {{TG_POL_PEER_KEY_IDENTITY, "identity"},
			{TG_POL_PEER_KEY_WILDCARD, "wildcard"},
			{TG_POL_PEER_KEY_TLS, "tls"}, {TG_POL_PEER_KEY_EKU, "eku"},
			{TG_POL_PEER_KEY_SNI, "sni"},
			{TG_POL_PEER_KEY_RESUMPTION, "resumption"}};

	if(peer->role == TG_POL_ROLE_NONE)
		return; /* said already */
	if(peer->role != TG_POL_ROLE_GATEWAY) {
		tg_build_error(b, made->section->kind.ptr,
				"'trust' is missing: a %s peer is reached over mutual TLS "
				"only (A1)",
				tg_pol_role_name(peer->role));
		return;
	}
	if(peer->transports & TG_POL_TR_SECURE)
		tg_build_error(b, tg_made_key_at(made, "transport"),
				"'trust' is missing: TLS to a gateway is mutual TLS (A10)");
	if(tg_made_has(made, TG_POL_PEER_KEY_MEDIA) && peer->media
			&& peer->media->level != TG_LEVEL_NONE
			&& (peer->transports & TG_POL_TR_SECURE))
		tg_build_error(b, tg_made_key_at(made, "media"),
				"SRTP to a gateway needs mutual TLS: 'trust' is missing "
				"(A12)");
	for(size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		if(tg_made_has(made, useless[i].key))
			tg_build_error(b, tg_made_key_at(made, useless[i].name),
					"'%s' without 'trust' has no meaning", useless[i].name);
	}
}

static void check_peer_in_clear(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	const char *at = tg_made_value_at(made, "transport");

	if(peer->transports & TG_POL_TR_BIT(TG_POL_TR_WS))
		tg_build_error(b, at, "ws is never allowed: use wss (A7)");
	if(peer->role != TG_POL_ROLE_GATEWAY) {
		if(peer->role != TG_POL_ROLE_NONE)
			tg_build_error(b, at,
					"a %s peer is reached over mutual TLS only (A1)",
					tg_pol_role_name(peer->role));
		return;
	}
	if(peer->media && peer->media->level != TG_LEVEL_NONE)
		tg_build_error(b,
				tg_made_has(made, TG_POL_PEER_KEY_MEDIA)
						? tg_made_value_at(made, "media")
						: at,
				"a trunk without TLS has no SRTP: say media = none, or drop "
				"udp and tcp (A16, A12)");
	if(peer->address.any)
		tg_build_error(b, tg_made_value_at(made, "address"),
				"a peer reached without certificates needs addresses of its "
				"own");
	tg_build_warning(b, at,
			"signalling to this gateway is in clear; TLS is strongly "
			"recommended (A9)");
}

static void check_next_hops(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	for(size_t i = 0; i < peer->next_hop.n; i++) {
		struct tg_span host;
		struct tg_addr addr;
		uint16_t port;

		if(tg_next_hop_split(peer->next_hop.item[i], &host, &port)
				&& tg_addr_parse(host, &addr)
				&& !tg_pol_cidrs_hold(&peer->address, &addr))
			tg_build_error(b, tg_made_value_at(made, "next_hop"),
					"next hop %.*s is outside 'address': nothing could be "
					"sent there (B12)",
					TG_SPAN_FMT(peer->next_hop.item[i]));
	}
}

static void check_client_profile(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	if(peer->client_profile.n > 1)
		tg_build_error(b, tg_made_value_at(made, "client_profile"),
				"one certificate of ours at most is shown to a peer");
	if(peer->client_profile.n && !peer->trust)
		tg_build_error(b, tg_made_value_at(made, "client_profile"),
				"a peer without 'trust' is shown no certificate");
}

static void check_peer(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_peer *peer)
{
	if(!tg_made_has(made, TG_POL_PEER_KEY_ROLE))
		return; /* reported; what holds depends on it */
	if(tg_made_has(made, TG_POL_PEER_KEY_TRUST))
		check_certified(b, made, peer);
	else
		check_bare(b, made, peer);
	if(peer->transports & TG_POL_TR_CLEAR)
		check_peer_in_clear(b, made, peer);
	if(tg_made_has(made, TG_POL_PEER_KEY_ADDRESS))
		check_next_hops(b, made, peer);
	check_client_profile(b, made, peer);
}

/* ---- clients ----------------------------------------------------------- */

static void clients_defaults(struct tg_build *b, const struct tg_made *made,
		struct tg_pol_clients *c)
{
	struct tg_pol *p = b->pol;

	if(!tg_made_has(made, TG_POL_CLIENTS_KEY_TRANSPORT))
		c->transports = TG_POL_TR_SECURE;
	if(!tg_made_has(made, TG_POL_CLIENTS_KEY_CLASSES))
		c->classes = TG_POL_CLASS_ALL;
	if(!tg_made_has(made, TG_POL_CLIENTS_KEY_TLS))
		c->tls = &p->tls[tg_builtin_tls_default(p->profile)];
	if(!tg_made_has(made, TG_POL_CLIENTS_KEY_MEDIA))
		c->media = &p->media[TG_BUILTIN_MEDIA_CLIENT];
}

static void check_clients(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_clients *c)
{
	const char *at = tg_made_value_at(made, "transport");

	if(c->resumption && !(c->transports & TG_POL_TR_SECURE))
		tg_build_error(b, tg_made_key_at(made, "resumption"),
				"'resumption' without tls or wss in 'transport' has no "
				"meaning");
	if(!(c->transports & TG_POL_TR_CLEAR))
		return;
	if(c->transports & TG_POL_TR_BIT(TG_POL_TR_WS))
		tg_build_error(b, at, "ws is never allowed: use wss (A7)");
	for(size_t i = 0; i < c->address.n; i++) {
		if(c->address.item[i].bits == 0)
			tg_build_error(b, tg_made_value_at(made, "address"),
					"clients in clear need nets that are named: not the "
					"whole of IPv%u (A4)",
					c->address.item[i].addr.family);
	}
	if(c->address.any)
		tg_build_error(b, tg_made_value_at(made, "address"),
				"clients in clear need nets that are named: not any (A4)");
	if(c->media && c->media->level != TG_LEVEL_NONE
			&& uses(c->media, TG_KX_SDES))
		tg_build_error(b,
				tg_made_has(made, TG_POL_CLIENTS_KEY_MEDIA)
						? tg_made_value_at(made, "media")
						: at,
				"SDES keys travel over TLS only: say another media for these "
				"clients, or drop udp and tcp (B5)");
	tg_build_warning(b, at, "these clients may signal in clear (A4)");
}

/* ---- routes ------------------------------------------------------------ */

static void check_labels(struct tg_build *b, const struct tg_made *made,
		const char *key, const struct tg_pol_spans *names, enum tg_kind kind,
		const void *objects)
{
	for(size_t i = 0; i < names->n; i++) {
		if(tg_pol_labels_find(&b->label[kind], objects,
				   tg_kind_info[kind].object_octets, names->item[i])
				== SIZE_MAX)
			tg_build_error(b, tg_made_value_at(made, key),
					"there is no [%s %.*s]", tg_kind_info[kind].name,
					TG_SPAN_FMT(names->item[i]));
	}
}

/* Gate 3 knows a connection's version, not its cipher */
static void check_route_tls(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_tls *tls)
{
	static const char *const keys[] = {"ciphers", "ciphersuites", "groups"};
	size_t at = tls ? (size_t)(tls - b->pol->tls) : 0;
	const struct tg_made *profile;

	if(tls && at < TG_BUILTIN_TLS_COUNT)
		tg_build_error(b, tg_made_value_at(made, "tls"),
				"%.*s has ciphers of its own: a route enforces only versions "
				"yet; name a [tls] that has no others",
				TG_SPAN_FMT(tls->name));
	if(at < TG_BUILTIN_TLS_COUNT)
		return;
	profile = &b->made[TG_KIND_TLS][at - TG_BUILTIN_TLS_COUNT];
	for(size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		/* a key that is absent stands where its section does */
		if(tg_made_key_at(profile, keys[i]) != profile->section->kind.ptr)
			tg_build_error(b, tg_made_value_at(made, "tls"),
					"[tls %.*s] names %s: a route enforces only versions yet",
					TG_SPAN_FMT(tls->name), keys[i]);
	}
}

static void check_route(
		struct tg_build *b, const struct tg_made *made, struct tg_pol_route *r)
{
	check_route_tls(b, made, r->tls);
	check_labels(b, made, "peers", &r->peers, TG_KIND_PEER, b->pol->peer);
	check_labels(
			b, made, "clients", &r->clients, TG_KIND_CLIENTS, b->pol->clients);
}

static void check_left(struct tg_build *b, const struct tg_made *made,
		const struct tg_pol_media *left, const char *kind, struct tg_span name)
{
	const char *what = NULL;

	if(left->level == TG_LEVEL_NONE)
		return;
	if(!left->suite[0])
		what = "suite";
	else if(!left->key_exchange[0])
		what = "key exchange";
	if(what)
		tg_build_error(b, tg_made_value_at(made, "media"),
				"this leaves no %s for %s '%.*s', whose media allows others",
				what, kind, TG_SPAN_FMT(name));
}

/* What a route leaves over must be enough to talk to those it admits */
static void check_route_media(struct tg_build *b, size_t r)
{
	const struct tg_pol *p = b->pol;
	const struct tg_made *made = &b->made[TG_KIND_ROUTE][r];
	const struct tg_pol_media *tight = p->tight[r];
	bool seen[TG_POL_MEDIA_MAX] = {0};

	for(size_t i = 0; tight && i < p->n_peer; i++) {
		const struct tg_pol_peer *peer = &p->peer[i];

		if(!peer->media || seen[peer->media - p->media]
				|| !tg_pol_route_admits(&p->route[r], peer, NULL))
			continue;
		seen[peer->media - p->media] = true;
		check_left(b, made, &tight[peer->media - p->media], "peer", peer->name);
	}
	for(size_t i = 0; tight && i < p->n_clients; i++) {
		const struct tg_pol_clients *c = &p->clients[i];

		if(!c->media || seen[c->media - p->media]
				|| !tg_pol_route_admits(&p->route[r], NULL, c))
			continue;
		seen[c->media - p->media] = true;
		check_left(b, made, &tight[c->media - p->media], "clients", c->name);
	}
}

/* ---- the whole --------------------------------------------------------- */

static void check_policy(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	if(p->mode == TG_POL_AUDIT)
		tg_build_warning(b, tg_made_key_at(&b->made[TG_KIND_POLICY][0], "mode"),
				"mode = audit: what would be refused is logged and let pass "
				"(B11)");
	if(!p->n_peer && !p->n_clients)
		tg_diags_add(b->diags, TG_SEV_WARNING, &p->where,
				"no [peer] and no [clients]: everything is refused");
}

/* ---- media relays -------------------------------------------------------- */

static void check_relays(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_relay; i++) {
		const struct tg_made *made = &b->made[TG_KIND_RELAY][i];
		const struct tg_pol_relay *r = &p->relay[i];

		if(!r->udp_port && !r->tcp_port && !r->tls_port)
			tg_build_error(b, made->section->kind.ptr,
					"a relay needs a port: udp_port, tcp_port or tls_port");
		if(!p->n_mras)
			tg_build_warning(b, made->section->kind.ptr,
					"without [mras] nobody gets credentials for this relay");
	}
	if(!p->n_mras)
		return;
	if(!p->n_relay)
		tg_build_error(b, b->made[TG_KIND_MRAS][0].section->kind.ptr,
				"[mras] needs a [relay] to give credentials for");
	for(size_t i = 0; i < p->mras->clients.n; i++)
		if(!tg_pol_clients_by_name(p, p->mras->clients.item[i]))
			tg_build_error(b,
					tg_made_value_at(&b->made[TG_KIND_MRAS][0], "clients"),
					"there is no [clients %.*s]",
					TG_SPAN_FMT(p->mras->clients.item[i]));
}

bool tg_rules_apply(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	check_policy(b);
	for(size_t i = TG_BUILTIN_MEDIA_COUNT; i < p->n_media; i++)
		check_media(b, &b->made[TG_KIND_MEDIA][i - TG_BUILTIN_MEDIA_COUNT],
				&p->media[i]);
	for(size_t i = 0; i < p->n_peer; i++) {
		peer_defaults(b, &b->made[TG_KIND_PEER][i], &p->peer[i]);
		check_peer(b, &b->made[TG_KIND_PEER][i], &p->peer[i]);
	}
	check_trusts(b);
	for(size_t i = 0; i < p->n_clients; i++) {
		clients_defaults(b, &b->made[TG_KIND_CLIENTS][i], &p->clients[i]);
		check_clients(b, &b->made[TG_KIND_CLIENTS][i], &p->clients[i]);
	}
	for(size_t i = 0; i < p->n_route; i++) {
		if(!tg_made_has(&b->made[TG_KIND_ROUTE][i], TG_ROUTE_KEY_CLASSES))
			p->route[i].classes = TG_POL_CLASS_ALL;
		check_route(b, &b->made[TG_KIND_ROUTE][i], &p->route[i]);
	}
	check_relays(b);
	if(!tg_pol_media_build(p))
		return false;
	for(size_t i = 0; i < p->n_route; i++)
		check_route_media(b, i);
	return tg_overlap_check(b) && !b->no_memory;
}
