/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The messages of the media relay authentication service ([MS-AVEDGEA]
 * section 2.2): XML in the body of a SIP SERVICE request and of its answer,
 * version 1.0. Reading is libxml2's; no DTD, no entity, no network, bounded.
 */
#ifndef TG_MRAS_MESSAGE_H
#define TG_MRAS_MESSAGE_H

#include "base/arena.h"
#include "base/text.h"
#include "mras/credential.h"

#define TG_MRAS_CONTENT_TYPE "application/msrtc-media-relay-auth+xml"
#define TG_MRAS_BODY_MAX 8192
#define TG_MRAS_ASKS_MAX 8
#define TG_MRAS_TEXT_MAX 255 /* of any value */

enum tg_mras_location {
	TG_MRAS_ANYWHERE = 0,
	TG_MRAS_INTRANET,
	TG_MRAS_INTERNET
};

/* One credentialsRequest */
struct tg_mras_ask {
	struct tg_span id;
	struct tg_span identity; /* sip:user@domain of the participant */
	enum tg_mras_location location;
	uint32_t duration_min; /* 0: not said */
};

struct tg_mras_request {
	struct tg_span id;
	struct tg_span from;
	struct tg_span to;
	size_t n;
	struct tg_mras_ask ask[TG_MRAS_ASKS_MAX];
};

/* reasonPhrase of an answer */
enum tg_mras_status {
	TG_MRAS_OK = 0,
	TG_MRAS_MALFORMED,   /* no XML, not this schema, a value out of bounds */
	TG_MRAS_TOO_LARGE,   /* the body, or more requests than TG_MRAS_ASKS_MAX */
	TG_MRAS_UNSUPPORTED, /* another version of the protocol */
	TG_MRAS_FORBIDDEN,   /* not for this requester or participant */
	TG_MRAS_BUSY,        /* too many requests */
	TG_MRAS_INTERNAL
};
const char *tg_mras_phrase(enum tg_mras_status s);
/* The SIP answer that carries it */
unsigned tg_mras_sip_code(enum tg_mras_status s);

/*
 * Spans of *out lie in the arena. On failure *out has what could be read of
 * id, from and to, for the answer; *why is static text for the log.
 */
enum tg_mras_status tg_mras_request_read(struct tg_span body,
		struct tg_arena *arena, struct tg_mras_request *out, const char **why);

/* user@domain of "sip:user@domain", in *user and *domain; false: no such URI */
bool tg_mras_identity_split(
		struct tg_span identity, struct tg_span *user, struct tg_span *domain);

/*
 * "user@domain" as all its spellings have it: small letters, and no escape of
 * an octet that needs none (RFC 3261 19.1.4). NUL behind it; false: too long
 */
bool tg_mras_address_fold(
		struct tg_span address, char out[TG_MRAS_TEXT_MAX + 1]);

/* ---- answers ------------------------------------------------------------ */

struct tg_mras_relay {
	enum tg_mras_location location;
	struct tg_span host;
	bool is_address;
	uint16_t udp_port; /* 0: none */
	uint16_t tcp_port;
	uint16_t tls_port; /* not in XML: [MS-AVEDGEA] has no place for it */
};

struct tg_mras_grant {
	const struct tg_mras_ask *ask;
	struct tg_mras_credential credential;
	uint32_t duration_min;
};

/* Header and, when status is OK, grants and relays */
void tg_mras_response_write(struct tg_text *out,
		const struct tg_mras_request *request, enum tg_mras_status status,
		const struct tg_mras_grant *grant, size_t n_grants,
		struct tg_span realm, const struct tg_mras_relay *relay,
		size_t n_relays);

/*
 * The same as JSON: username, password, ttl in seconds, uris (the convention
 * of draft-uberti-behave-turn-rest; URIs of RFC 7065)
 */
void tg_mras_json_write(struct tg_text *out,
		const struct tg_mras_credential *credential, uint32_t ttl_sec,
		const struct tg_mras_relay *relay, size_t n_relays);

#endif
