/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy: what a policy file says, as an immutable snapshot. This header
 * gives the shapes; policy/load.h reads a file into a snapshot,
 * policy/decide.h asks it. Grammar and meaning: doc/policy.md.
 *
 * A snapshot lives in one arena and holds only plain data, so a host may
 * place it in shared memory. No pointer in it leads out of it, and nothing
 * in it changes after loading. Zero is the strict value of every enum.
 */
#ifndef TG_POLICY_POLICY_H
#define TG_POLICY_POLICY_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/media.h"
#include "base/reason.h"

enum tg_pol_mode { TG_POL_ENFORCE = 0, TG_POL_AUDIT };

/* Sets of defaults, named by what they follow; see doc/policy.md */
enum tg_pol_profile {
	TG_POL_PROFILE_SFB2019 = 0,
	TG_POL_PROFILE_SFB2015,
	TG_POL_PROFILE_LYNC2013
};

enum tg_pol_role {
	TG_POL_ROLE_NONE = 0, /* not declared: a load error */
	TG_POL_ROLE_SERVER,
	TG_POL_ROLE_MEDIATION,
	TG_POL_ROLE_GATEWAY,
	TG_POL_ROLE_FEDERATION
};

enum tg_pol_transport {
	TG_POL_TR_UNKNOWN = 0,
	TG_POL_TR_UDP,
	TG_POL_TR_TCP,
	TG_POL_TR_TLS,
	TG_POL_TR_WS,
	TG_POL_TR_WSS
};
#define TG_POL_TR_BIT(t) (1u << (t))
#define TG_POL_TR_IS_TLS(t) ((t) == TG_POL_TR_TLS || (t) == TG_POL_TR_WSS)

/* Bits of a class mask */
enum tg_pol_class {
	TG_POL_CLASS_REGISTER = 1 << 0,
	TG_POL_CLASS_CALL = 1 << 1,     /* INVITE and what belongs to it */
	TG_POL_CLASS_IM = 1 << 2,       /* MESSAGE */
	TG_POL_CLASS_PRESENCE = 1 << 3, /* PUBLISH, SUBSCRIBE, NOTIFY */
	TG_POL_CLASS_SERVICE = 1 << 4,  /* SERVICE: MRAS */
	TG_POL_CLASS_OPTIONS = 1 << 5,
	TG_POL_CLASS_HTTP = 1 << 6,
	TG_POL_CLASS_OTHER = 1 << 7,
	TG_POL_CLASS_ALL = (1 << 8) - 1
};

/* What extended key usage a peer's certificate must have. RFC 5924, B4 */
enum tg_pol_eku {
	TG_POL_EKU_ROLE =
			0, /* clientAuth when it connects, serverAuth when called */
	TG_POL_EKU_BOTH,
	TG_POL_EKU_CLIENT,
	TG_POL_EKU_SERVER,
	TG_POL_EKU_SIP, /* id-kp-sipDomain */
	TG_POL_EKU_ANY
};

enum tg_pol_revocation {
	TG_POL_REV_HARD = 0, /* applies where a CRL or OCSP is configured */
	TG_POL_REV_SOFT,
	TG_POL_REV_OFF
};

/* FIPS 140 as the system has it, or a refusal where it has none. A37 */
enum tg_pol_fips { TG_POL_FIPS_FOLLOW = 0, TG_POL_FIPS_REQUIRED };

enum tg_pol_engine { TG_POL_ENGINE_PLUGIN = 0, TG_POL_ENGINE_NATIVE };
enum tg_pol_t38 { TG_POL_T38_REFUSE = 0, TG_POL_T38_CLEAR };

struct tg_pol_spans {
	const struct tg_span *item;
	size_t n;
};

struct tg_pol_cidrs {
	const struct tg_cidr *item;
	uint32_t n;
	bool any; /* address = any; then n is 0 */
};

/* One file named by the policy, read whole at load: no disk access later */
struct tg_pol_blob {
	struct tg_span path;
	struct tg_span data;
};

/* Does a response have to repeat what only this request held? RFC 8954 */
enum tg_pol_nonce {
	TG_POL_NONCE_REQUIRED = 0,
	TG_POL_NONCE_OPTIONAL, /* a wrong one is refused, none is not */
	TG_POL_NONCE_OFF
};

/* How the status of a certificate is asked for, RFC 6960 */
struct tg_pol_ocsp {
	struct tg_span responder;  /* URL; empty: the one the certificate names */
	bool from_certificate;     /* ... which is allowed */
	struct tg_pol_cidrs allow; /* responders beyond public addresses */
	enum tg_pol_nonce nonce;
	uint32_t timeout_ms;
	uint32_t max_octets;      /* of a response */
	uint32_t refresh_sec;     /* asked for again, at the latest */
	uint32_t max_pending_sec; /* that a connection waits for its status */
};

/* [trust NAME] */
struct tg_pol_trust {
	struct tg_span name;
	struct tg_where where;
	uint32_t id;                  /* index in the snapshot */
	const struct tg_pol_blob *ca; /* PEM */
	size_t n_ca;
	const struct tg_pol_blob *crl; /* PEM or DER */
	size_t n_crl;
	bool ocsp_staple;
	bool ocsp_fetch;
	enum tg_pol_revocation revocation;
	uint32_t stale_grace_sec; /* for connections that are up */
	struct tg_pol_ocsp ocsp;  /* of ocsp = fetch */
};
#define TG_POL_STALE_GRACE_SEC 3600 /* unless the file says otherwise */

/* [tls NAME] and the built-in profiles */
struct tg_pol_tls {
	struct tg_span name;
	struct tg_where where; /* file is empty for a built-in profile */
	uint16_t min_version;  /* 0x0301 TLS 1.0 .. 0x0304 TLS 1.3 */
	uint16_t max_version;
	struct tg_span ciphers;      /* OpenSSL's list for <= 1.2; NUL behind it */
	struct tg_span ciphersuites; /* for 1.3; NUL behind it */
	struct tg_span groups;       /* NUL behind it; empty takes OpenSSL's */
	uint16_t min_rsa_bits;
	uint16_t min_ec_bits;
	bool legacy; /* TLS 1.0/1.1 offered: needs @SECLEVEL=0 on OpenSSL 3 */
	bool fips;
};

/* [media NAME] */
struct tg_pol_media {
	struct tg_span name;
	struct tg_where where;
	enum tg_level level;
	enum tg_kx key_exchange[TG_KX_MAX]; /* in order, NONE ends */
	enum tg_suite suite[TG_SUITES_MAX]; /* in order, NONE ends */
	enum tg_dialect dialect;
	enum tg_pol_engine engine;
	enum tg_pol_t38 t38;
	uint8_t mki_octets;     /* 0: no MKI is offered */
	uint8_t lifetime_log2;  /* packets a key may protect; 0: no limit named */
	uint16_t replay_window; /* packets, 64..32767 */
	bool dtls_verify_ca; /* certificate chain and identity, not only fingerprint */
	uint32_t set;        /* TG_POL_MEDIA_SET bits: keys that the file names */
};
#define TG_POL_MEDIA_SET(key) (1u << TG_POL_MEDIA_KEY_##key)
enum tg_pol_media_key {
	TG_POL_MEDIA_KEY_LEVEL = 0,
	TG_POL_MEDIA_KEY_KEY_EXCHANGE,
	TG_POL_MEDIA_KEY_SUITES,
	TG_POL_MEDIA_KEY_DIALECT,
	TG_POL_MEDIA_KEY_MKI,
	TG_POL_MEDIA_KEY_LIFETIME,
	TG_POL_MEDIA_KEY_REPLAY_WINDOW,
	TG_POL_MEDIA_KEY_DTLS_VERIFY,
	TG_POL_MEDIA_KEY_T38,
	TG_POL_MEDIA_KEY_ENGINE,
	TG_POL_MEDIA_KEYS
};

/* Limits for one source address, before it has proven anything */
struct tg_pol_limits {
	uint32_t handshakes_per_sec; /* per source; 0 no limit */
	uint32_t pending;            /* unauthenticated connections per source */
	uint32_t handshake_time_ms;
	uint32_t chain_octets;
	uint32_t rsa_bits_max;
	uint32_t names_max; /* SANs looked at */
};

/* Keys of a peer whose line is kept, to name the rule that decided */
enum tg_pol_peer_key {
	TG_POL_PEER_KEY_ROLE = 0,
	TG_POL_PEER_KEY_MODE,
	TG_POL_PEER_KEY_ADDRESS,
	TG_POL_PEER_KEY_LISTENER,
	TG_POL_PEER_KEY_SNI,
	TG_POL_PEER_KEY_IDENTITY,
	TG_POL_PEER_KEY_WILDCARD,
	TG_POL_PEER_KEY_DOMAINS,
	TG_POL_PEER_KEY_TRUST,
	TG_POL_PEER_KEY_TLS,
	TG_POL_PEER_KEY_EKU,
	TG_POL_PEER_KEY_MEDIA,
	TG_POL_PEER_KEY_TRANSPORT,
	TG_POL_PEER_KEY_NEXT_HOP,
	TG_POL_PEER_KEY_CLIENT_PROFILE,
	TG_POL_PEER_KEY_RESUMPTION,
	TG_POL_PEER_KEYS
};

/*
 * [peer NAME]. There may be many, and any of them may be next: what finding
 * one looks at fills the first two cache lines.
 */
struct tg_pol_peer {
	struct tg_span name;
	struct tg_where where;
	uint32_t id; /* index in the snapshot */
	enum tg_pol_mode mode;
	unsigned transports; /* TG_POL_TR_BIT mask */
	bool wildcard;       /* its certificate may have one left-most "*" label */
	bool resumption;     /* it may resume TLS sessions, judged each time */
	const struct tg_pol_trust *trust; /* NULL: reached without certificates */

	struct tg_pol_cidrs address;
	struct tg_pol_cidrs listener; /* local addresses; n 0 and !any: every one */
	struct tg_pol_spans sni;      /* names it asks for; n 0: any */
	struct tg_pol_spans identity; /* lower case, without trailing dot */

	struct tg_pol_spans domain;   /* From and P-Asserted-Identity; n 0: any */
	const struct tg_pol_tls *tls; /* NULL only when trust is */
	const struct tg_pol_media *media;
	enum tg_pol_role role;
	enum tg_pol_eku eku;
	struct tg_pol_spans next_hop; /* "host:port" as configured */
	/* one at most: server_id of the host's own certificate toward it */
	struct tg_pol_spans client_profile;
	/* lines below where.line at which a key stands; 0: not named */
	uint16_t line[TG_POL_PEER_KEYS];
} __attribute__((aligned(64)));

/* Where the file says it; the section's head when the key is not named */
struct tg_where tg_pol_peer_where(
		const struct tg_pol_peer *peer, enum tg_pol_peer_key key);

enum tg_pol_clients_key {
	TG_POL_CLIENTS_KEY_ADDRESS = 0,
	TG_POL_CLIENTS_KEY_LISTENER,
	TG_POL_CLIENTS_KEY_SNI,
	TG_POL_CLIENTS_KEY_TLS,
	TG_POL_CLIENTS_KEY_MEDIA,
	TG_POL_CLIENTS_KEY_TRANSPORT,
	TG_POL_CLIENTS_KEY_CLASSES,
	TG_POL_CLIENTS_KEY_MODE,
	TG_POL_CLIENTS_KEY_RESUMPTION,
	TG_POL_CLIENTS_KEYS
};

/* [clients NAME] */
struct tg_pol_clients {
	struct tg_span name;
	struct tg_where where;
	uint32_t id;
	enum tg_pol_mode mode;
	struct tg_pol_cidrs address;
	struct tg_pol_cidrs listener; /* as a peer's */
	struct tg_pol_spans sni;      /* as a peer's */
	const struct tg_pol_tls *tls;
	const struct tg_pol_media *media;
	unsigned
			transports; /* TLS and WSS unless an explicit rule says more (A4) */
	unsigned classes;
	bool resumption; /* they may resume TLS sessions */
	struct tg_pol_limits limits;
	uint16_t line[TG_POL_CLIENTS_KEYS]; /* as a peer's */
};

struct tg_where tg_pol_clients_where(
		const struct tg_pol_clients *clients, enum tg_pol_clients_key key);

/* [route NAME] */
struct tg_pol_route {
	struct tg_span name;
	struct tg_where where;
	struct tg_pol_spans peers; /* empty with roles and clients empty: all */
	unsigned roles;            /* 1u << role */
	struct tg_pol_spans clients;
	unsigned classes;
	const struct tg_pol_tls *tls;     /* its versions are asked for, or NULL */
	const struct tg_pol_media *media; /* stricter, or NULL */
};

enum tg_pol_location { TG_POL_INTRANET = 1, TG_POL_INTERNET };

/* [relay NAME]: a TURN server that participants are sent to */
struct tg_pol_relay {
	struct tg_span name;
	struct tg_where where;
	enum tg_pol_location location;
	struct tg_span host; /* name or address */
	uint16_t udp_port;   /* 0: not served */
	uint16_t tcp_port;
	uint16_t tls_port;
};

/* [mras]: who gets credentials for the relays. MS-AVEDGEA, A33-A36 */
struct tg_pol_mras {
	struct tg_where where;
	struct tg_span
			secret_file;  /* path; shared with the relays, not read here */
	struct tg_span realm; /* of the relays; may be empty */
	struct tg_pol_spans domain;  /* of participants */
	unsigned roles;              /* 1u << role: may ask for any participant */
	struct tg_pol_spans clients; /* their users may ask for themselves */
	uint32_t max_duration_sec;
	uint32_t requests_per_min; /* of one requester; 0: no limit */
};

#define TG_POL_DIGEST_OCTETS 8

struct tg_pol; /* the snapshot */

/* Listing, for RPC and tgctl. i < count, else NULL */
size_t tg_pol_peer_count(const struct tg_pol *p);
const struct tg_pol_peer *tg_pol_peer_at(const struct tg_pol *p, size_t i);
const struct tg_pol_peer *tg_pol_peer_by_name(
		const struct tg_pol *p, struct tg_span name);
size_t tg_pol_clients_count(const struct tg_pol *p);
const struct tg_pol_clients *tg_pol_clients_at(
		const struct tg_pol *p, size_t i);
const struct tg_pol_clients *tg_pol_clients_by_name(
		const struct tg_pol *p, struct tg_span name);
size_t tg_pol_trust_count(const struct tg_pol *p);
const struct tg_pol_trust *tg_pol_trust_at(const struct tg_pol *p, size_t i);
size_t tg_pol_route_count(const struct tg_pol *p);
const struct tg_pol_route *tg_pol_route_at(const struct tg_pol *p, size_t i);
const struct tg_pol_route *tg_pol_route_by_name(
		const struct tg_pol *p, struct tg_span name);

/* NULL: the policy has no [mras] */
const struct tg_pol_mras *tg_pol_mras(const struct tg_pol *p);
size_t tg_pol_relay_count(const struct tg_pol *p);
const struct tg_pol_relay *tg_pol_relay_at(const struct tg_pol *p, size_t i);

/* Built-in profiles come first */
size_t tg_pol_tls_count(const struct tg_pol *p);
const struct tg_pol_tls *tg_pol_tls_at(const struct tg_pol *p, size_t i);
size_t tg_pol_media_count(const struct tg_pol *p);
const struct tg_pol_media *tg_pol_media_at(const struct tg_pol *p, size_t i);

/* 16 hex digits over the files that made the snapshot, NUL-terminated */
const char *tg_pol_digest(const struct tg_pol *p);
/*
 * The same without CRLs: what TLS sessions are bound to. Fresh CRLs do not end
 * all of them, for each one that is resumed is put before those CRLs.
 */
uint64_t tg_pol_session_digest(const struct tg_pol *p);
enum tg_pol_mode tg_pol_global_mode(const struct tg_pol *p);
enum tg_pol_profile tg_pol_global_profile(const struct tg_pol *p);
bool tg_pol_fips_required(const struct tg_pol *p);
/* Of [policy], or only the file; borrowed */
const struct tg_where *tg_pol_where(const struct tg_pol *p);
/* What holds where no [clients] section says otherwise */
const struct tg_pol_limits *tg_pol_default_limits(const struct tg_pol *p);
size_t tg_pol_octets(const struct tg_pol *p); /* memory held */

/* Names of enum values as the file writes them, for logs; never NULL */
const char *tg_pol_role_name(enum tg_pol_role v);
const char *tg_pol_transport_name(enum tg_pol_transport v);
const char *tg_pol_eku_name(enum tg_pol_eku v);
const char *tg_pol_mode_name(enum tg_pol_mode v);
const char *tg_pol_profile_name(enum tg_pol_profile v);
const char *tg_pol_revocation_name(enum tg_pol_revocation v);
const char *tg_pol_nonce_name(enum tg_pol_nonce v);
const char *tg_pol_engine_name(enum tg_pol_engine v);
const char *tg_pol_location_name(enum tg_pol_location v);
const char *tg_pol_class_name(enum tg_pol_class v);

#endif
