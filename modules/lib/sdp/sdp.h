/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session descriptions: an index of the lines that matter for media security
 * and byte-preserving edits. RFC 8866 (SDP), RFC 4568 (a=crypto), RFC 8122
 * (a=fingerprint), RFC 4145 (a=setup), RFC 8842 (a=tls-id), MS-SDPEXT
 * (a=encryption, a=cryptoscale). Everything it does not understand is kept
 * as it stands.
 */
#ifndef TG_SDP_SDP_H
#define TG_SDP_SDP_H

#include "base/arena.h"
#include "base/span.h"

#define TG_SDP_OCTETS_MAX 65535
#define TG_SDP_LINES_MAX 2048
#define TG_SDP_MEDIA_MAX 32
#define TG_SDP_CRYPTO_MAX 32

enum tg_sdp_rc {
	TG_SDP_OK = 0,
	TG_SDP_EMPTY,
	TG_SDP_TOO_LARGE, /* a limit above */
	TG_SDP_MALFORMED, /* see bad_line */
	TG_SDP_NO_MEMORY
};

struct tg_sdp_line {
	struct tg_span text; /* without its line end */
	size_t end_octets;   /* 2 CRLF, 1 LF, 0 at the end of the input */
	char type;           /* 'v', 'm', 'a' ... */
};

/* One a=crypto line, RFC 4568 section 9.1; keys point into the input */
struct tg_sdp_crypto {
	uint32_t line; /* index of its line */
	uint32_t tag;  /* 1..999999999 */
	struct tg_span suite;
	struct tg_span params;         /* everything after the suite */
	struct tg_span key;            /* base64 of the first inline key || salt */
	size_t n_keys;                 /* inline parameters on this line */
	uint8_t lifetime_log2;         /* "2^n"; 0 when a number or absent */
	uint64_t lifetime;             /* packets; 0 absent */
	uint64_t mki;                  /* value; meaningful when mki_octets > 0 */
	uint8_t mki_octets;            /* 0 absent; 1..128 */
	struct tg_span session_params; /* KDR=, UNENCRYPTED_SRTP, WSH= ... */
	bool valid; /* grammar holds; an invalid line is never chosen */
};

enum tg_sdp_setup {
	TG_SDP_SETUP_NONE = 0,
	TG_SDP_SETUP_ACTIVE,
	TG_SDP_SETUP_PASSIVE,
	TG_SDP_SETUP_ACTPASS,
	TG_SDP_SETUP_HOLDCONN
};

enum tg_sdp_proto_kind {
	TG_SDP_PROTO_OTHER = 0, /* T.38, MSRP, BFCP, TCP/... */
	TG_SDP_PROTO_AVP,       /* RTP/AVP, RTP/AVPF */
	TG_SDP_PROTO_SAVP,      /* RTP/SAVP, RTP/SAVPF */
	TG_SDP_PROTO_DTLS       /* UDP/TLS/RTP/SAVP(F) */
};

enum tg_sdp_encryption { /* legacy Microsoft a=encryption */
	TG_SDP_ENC_ABSENT = 0,
	TG_SDP_ENC_REQUIRED,
	TG_SDP_ENC_OPTIONAL,
	TG_SDP_ENC_REJECTED
};

/* Attributes of one level; session level is inherited by media that lack them */
struct tg_sdp_security {
	struct tg_span fingerprint_hash; /* "sha-256"; empty when absent */
	struct tg_span fingerprint;      /* "AB:CD:..." */
	size_t n_fingerprints;
	enum tg_sdp_setup setup;
	struct tg_span tls_id;
	enum tg_sdp_encryption encryption;
	bool key_mgmt; /* a=key-mgmt (MIKEY) */
	bool crypto_scale;
};

struct tg_sdp_media {
	uint32_t first_line; /* the m= line */
	uint32_t n_lines;    /* with it */
	struct tg_span type; /* "audio", "video", "applicationsharing", "image" */
	uint16_t port;       /* 0: rejected or held */
	uint16_t n_ports;    /* "/2": 2; else 1 */
	struct tg_span proto;
	enum tg_sdp_proto_kind kind;
	bool feedback;          /* AVPF, SAVPF */
	struct tg_span address; /* c= of the media or the session */
	uint16_t rtcp_port;     /* a=rtcp; 0 absent */
	bool rtcp_mux;
	bool bundle_only;
	struct tg_span mid;
	struct tg_sdp_crypto *crypto;
	size_t n_crypto;
	struct tg_sdp_security security; /* with session level inherited */
};

struct tg_sdp {
	struct tg_span text;
	struct tg_sdp_line *line;
	size_t n_lines;
	struct tg_sdp_media *media;
	size_t n_media;
	struct tg_span session_address;
	struct tg_sdp_security security; /* session level */
	uint32_t bad_line;               /* from 1, with TG_SDP_MALFORMED */
	const char *bad;                 /* what is wrong with it; static */
};

/* Everything in *out lives in arena or in text. out is defined on failure too */
enum tg_sdp_rc tg_sdp_parse(struct tg_span text, struct tg_arena *arena,
		struct tg_sdp *out) __attribute__((warn_unused_result));

/* Is it a line that carries or negotiates keys: crypto, cryptoscale,
 * fingerprint, setup, tls-id, key-mgmt, encryption, connection (RFC 4145),
 * or one of these to choose instead (acap, RFC 5939)? */
bool tg_sdp_is_security_line(const struct tg_sdp_line *line);

/* Does it hold a key itself: crypto, cryptoscale, key-mgmt, these as acap, k=? */
bool tg_sdp_carries_key(const struct tg_sdp_line *line);

/* ---- edits -------------------------------------------------------------- */

struct tg_sdp_edit;

/* Edits are collected, then applied in one go; the input is never touched */
struct tg_sdp_edit *tg_sdp_edit_new(
		const struct tg_sdp *sdp, struct tg_arena *arena);
/* Drops a line with its line end */
bool tg_sdp_edit_drop(struct tg_sdp_edit *e, uint32_t line);
/* Replaces octets inside one line; part must lie in it */
bool tg_sdp_edit_replace(
		struct tg_sdp_edit *e, struct tg_span part, struct tg_span with);
/* Adds a line (without line end) after a line; several keep their order */
bool tg_sdp_edit_add_after(
		struct tg_sdp_edit *e, uint32_t line, struct tg_span text);
/* The result, in the arena; NULL ptr: out of memory. No edits: same octets */
struct tg_span tg_sdp_edit_apply(struct tg_sdp_edit *e);

#endif
