/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Decisions: facts in, verdict out. No host, no clock, no OpenSSL. Each gate
 * of doc/architecture.md has its function here; explain runs the same code
 * with a trace. A zeroed verdict denies.
 */
#ifndef TG_POLICY_DECIDE_H
#define TG_POLICY_DECIDE_H

#include "policy/policy.h"

enum tg_pol_decision { TG_POL_DENY = 0, TG_POL_ALLOW };
enum tg_pol_direction { TG_POL_IN = 0, TG_POL_OUT };

struct tg_pol_verdict {
	enum tg_pol_decision
			decision;      /* what to do; audit mode is applied already */
	enum tg_reason reason; /* why denied, or why it would be */
	bool audited;          /* allowed only because of mode = audit */
	const struct tg_pol_peer *peer;       /* who, or NULL */
	const struct tg_pol_clients *clients; /* at most one of peer and clients */
	struct tg_where rule; /* the line that decided; in the snapshot */
};

/*
 * Audit mode: turns DENY into ALLOW with audited set when the policy or the
 * verdict's peer or clients say mode = audit and the reason is one that audit
 * may waive (never keys in clear, never our own failures). The gates below
 * and judge/ do it themselves; a host calls it for denials it made itself.
 */
void tg_pol_apply_audit(const struct tg_pol *p, struct tg_pol_verdict *v);
bool tg_pol_audit_may_waive(enum tg_reason reason);

/* Trace of the rules that were looked at, for explain; NULL traces nothing */
struct tg_pol_trace {
	void (*step)(void *ctx, const struct tg_where *where, const char *text);
	void *ctx;
};

struct tg_pol_conn {
	enum tg_pol_direction direction;
	enum tg_pol_transport transport;
	struct tg_addr local; /* our listener */
	uint16_t local_port;
	struct tg_addr remote;
	uint16_t remote_port;
	struct tg_span sni; /* asked for (in) or sent (out); may be empty */
};

/* ---- gate 1: handshake ------------------------------------------------- */

#define TG_POL_UNION_OCTETS 2048

/*
 * What the handshake must ask for, before any certificate is seen.
 * tls may point into the struct itself: do not copy it by assignment.
 */
struct tg_pol_admission {
	struct tg_pol_verdict verdict; /* DENY: abort at the ClientHello */
	bool request_certificate;
	bool require_certificate;     /* no client rule fits: none means refusal */
	bool resumption;              /* some of those who may come may resume */
	const struct tg_pol_tls *tls; /* versions and ciphers to offer: the union
		of the candidates' when they differ; the certificate step checks the
		chosen peer's own profile again */
	const struct tg_pol_clients *clients; /* what "no certificate" means */
	struct tg_pol_limits limits;
	/* storage of the union, used only when candidates' profiles differ */
	struct tg_pol_tls joined;
	char joined_text[TG_POL_UNION_OCTETS];
};

void tg_pol_admit(const struct tg_pol *p, const struct tg_pol_conn *conn,
		const struct tg_pol_trace *trace, struct tg_pol_admission *out);

/*
 * Peers that fit an inbound connection and one of the names a certificate
 * holds, in the order of the names, each once. wildcard names ("*.x") fit
 * only peers with wildcard = yes. At most max are stored; returns how many
 * fit (counting stops at max + 1). The caller checks the chain against each one's own trust, takes the
 * one that passes, and refuses AMBIGUOUS when two do.
 */
size_t tg_pol_candidates(const struct tg_pol *p, const struct tg_pol_conn *conn,
		const struct tg_span *names, size_t n_names,
		const struct tg_pol_peer **out, size_t max);

/* Does one of the names prove one of the peer's identities? RFC 5922 7.2 */
bool tg_pol_peer_has_name(const struct tg_pol_peer *peer, struct tg_span name);

/*
 * Some peer that fits the connection by its selectors alone, to name in the
 * log of a refusal and to tell "wrong CA" from "wrong name"; NULL when none.
 */
const struct tg_pol_peer *tg_pol_peer_by_conn(
		const struct tg_pol *p, const struct tg_pol_conn *conn);

/* ---- gate 2: message in ------------------------------------------------ */

struct tg_pol_msg {
	struct tg_pol_conn conn;
	bool judged; /* the connection has a verdict of gate 1 made by this policy */
	const struct tg_pol_peer *peer;       /* what gate 1 proved */
	const struct tg_pol_clients *clients; /* or the client rule it fell under */
	bool audited;          /* gate 1 let it pass only because of mode = audit */
	bool held;             /* ... and waits for the status of its certificate */
	uint16_t tls_version;  /* as negotiated, 0x0303 ...; 0 not known */
	struct tg_span method; /* empty for a reply */
	bool in_dialog;        /* a To tag is present */
	struct tg_span from_domain;   /* host part; may be empty */
	struct tg_span pai_domain[4]; /* empty ends */
};

unsigned tg_pol_class_of_method(struct tg_span method);

/* Also names the party of plaintext traffic: verdict.peer or .clients */
void tg_pol_judge_message(const struct tg_pol *p, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out);

/* ---- gate 3: route ----------------------------------------------------- */

/* NULL route judges [route default] */
void tg_pol_judge_route(const struct tg_pol *p,
		const struct tg_pol_route *route, const struct tg_pol_msg *msg,
		const struct tg_pol_trace *trace, struct tg_pol_verdict *out);

/* ---- gate 4: message out ----------------------------------------------- */

struct tg_pol_egress {
	struct tg_pol_conn conn; /* direction OUT; remote is the destination */
	bool existing;           /* a connection that is open already */
	bool judged;             /* ... and has a verdict */
	const struct tg_pol_peer *peer; /* what it was judged to be */
	const struct tg_pol_clients *clients;
	bool audited;  /* gate 1 let it pass only because of mode = audit */
	bool held;     /* it waits for the status of its certificate */
	bool sips;     /* request URI or top Route is sips: */
	bool is_reply; /* replies go back on the connection of their request */
	/* the name that the address was looked up for; empty: the next hop was
	 * given by address */
	struct tg_span next_hop;
	/* our own final answer, without body, to a request a gate refused: may
	 * go back in clear to a declared source, so that it learns why */
	bool refusal;
};

/*
 * Is the peer called that: one of its identities, the host of a next_hop, or
 * one of its domains? Gate 4 takes a wildcard peer's siblings as well.
 */
bool tg_pol_peer_is_called(const struct tg_pol_peer *peer, struct tg_span name);
/*
 * May requests to the peer go there: to a port of its next_hop, or without one
 * to 5060 or 5061? A host by name may be at any address.
 */
bool tg_pol_peer_listens(const struct tg_pol_peer *peer,
		const struct tg_addr *addr, uint16_t port);
/* ... or below the parent of one of its identities, where it takes wildcards? */
bool tg_pol_peer_is_meant(const struct tg_pol_peer *peer, struct tg_span name);
/* Is it an identity of some peer? */
bool tg_pol_is_identity(const struct tg_pol *p, struct tg_span name);
/* Does it mean some peer? */
bool tg_pol_is_somebody(const struct tg_pol *p, struct tg_span name);

/*
 * For a new connection to a peer: ALLOW, and verdict.peer is the one its
 * certificate must prove, NULL only when several peers share the address and
 * the certificate is to pick (see tg_pol_wanted_peers).
 */
void tg_pol_judge_egress(const struct tg_pol *p,
		const struct tg_pol_egress *out_facts, const struct tg_pol_trace *trace,
		struct tg_pol_verdict *out);

/*
 * Peers that may be reached at conn->remote over conn->transport; stored and
 * counted as candidates. Peers that name the address go before those with
 * address = any, which count only when none names it. A conn->sni that is an
 * identity of some of them narrows to those.
 * Without it, where the address and port are a next_hop of some, those are.
 */
size_t tg_pol_wanted_peers(const struct tg_pol *p,
		const struct tg_pol_conn *conn, const struct tg_pol_peer **out,
		size_t max);

/* ---- media ------------------------------------------------------------- */

/* The media profile for a party, tightened by the route (NULL: default) */
const struct tg_pol_media *tg_pol_media_for(const struct tg_pol *p,
		const struct tg_pol_peer *peer, const struct tg_pol_clients *clients,
		const struct tg_pol_route *route);

/* *out: media as a route with that media makes it. out is neither of both */
void tg_pol_media_tighten(const struct tg_pol_media *media,
		const struct tg_pol_media *route, struct tg_pol_media *out);

/*
 * May SRTP keys travel over this signalling? Only over TLS that gate 1 judged
 * (A12): a peer with a proven certificate, or a client over TLS.
 */
bool tg_pol_keys_allowed(const struct tg_pol_msg *msg);
/* The same for what leaves, on a connection that gate 1 judged */
bool tg_pol_keys_allowed_out(const struct tg_pol_egress *egress);

#endif
