/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The media profiles that srtp_policy hands to rtp_plugin in an ng request,
 * one for each leg that the plugin secures, and the proof that comes back.
 * Both ends use this codec.
 *
 * Request: one top-level ng entry "trunkguard" whose value is one token
 * without spaces, written in the script's rtpengine flags as
 *
 *   trunkguard=v1/leg:to/level:required/kx:sdes/suites:A,B/.../exp:T/mac:HEX
 *   trunkguard=v1/leg:to/kx:dtls/.../leg:from/kx:sdes/.../exp:T/mac:HEX
 *
 * Fields are separated by "/", name and value by ":", list items by ",".
 * "leg" begins the profile of one leg, which goes on to the next one or to
 * "exp": "to" is the side the offer goes to, "from" the side it comes from.
 * They keep their meaning in offer and answer: always seen from the offer. A
 * leg stands once, "to" before "from"; one that the token does not name is
 * not the plugin's. Two legs share nothing but exp.
 *
 * mac is HMAC-SHA-256, lower-case hex, under the shared secret, over
 *   "tg-ng-v1" LF call-id LF everything in the token before "/mac:"
 * exp is the UNIX time after which the token is refused.
 *
 * Proof: in the SDP that the daemon returns the plugin adds one session
 * level line (before the first m=)
 *   a=x-trunkguard:v1/leg:to/exp:T/mac:HEX
 * for the leg that it secured ("to", "from" or "both"); mac over "tg-proof-v1" LF call-id LF everything before "/mac:". srtp_policy
 * checks it in what leaves and takes the line out.
 *
 * Presence: an ng "ping" with the entry trunkguard=v1/query answers with
 * "trunkguard" = "v1/version:X.Y/..." beside the daemon's pong.
 */
#ifndef TG_NG_PROFILE_H
#define TG_NG_PROFILE_H

#include "base/arena.h"
#include "base/media.h"
#include "ng/key.h"

#define TG_NG_KEY "trunkguard"
#define TG_NG_PROOF_ATTRIBUTE "x-trunkguard"
#define TG_NG_TOKEN_OCTETS_MAX 2048
#define TG_NG_CALL_ID_OCTETS_MAX 1024
#define TG_NG_MAC_HEX_OCTETS 64

enum tg_ng_leg {
	TG_NG_LEG_NONE = 0,
	TG_NG_LEG_TO = 1,
	TG_NG_LEG_FROM = 2,
	TG_NG_LEG_BOTH = 3
};

/* What one leg asks for */
struct tg_ng_profile {
	enum tg_level level;
	enum tg_kx key_exchange[TG_KX_MAX];
	enum tg_suite suite[TG_SUITES_MAX];
	enum tg_dialect dialect;
	uint8_t mki_octets;
	uint8_t lifetime_log2;
	uint16_t replay_window;
	bool dtls_verify_ca;
	struct tg_span peer;     /* name of the peer: log, status, trust folder */
	struct tg_span identity; /* name its DTLS certificate must prove */
};

struct tg_ng_token {
	enum tg_ng_leg legs;       /* that have a profile */
	struct tg_ng_profile to;   /* all zero when legs does not name it */
	struct tg_ng_profile from; /* the same */
	uint64_t expires;          /* UNIX seconds */
};

enum tg_ng_rc {
	TG_NG_OK = 0,
	TG_NG_MALFORMED,   /* unknown, repeated, missing or contradicting field */
	TG_NG_UNAUTHENTIC, /* mac */
	TG_NG_EXPIRED,
	TG_NG_VERSION,
	TG_NG_NO_MEMORY
};

/* The token without "trunkguard=", NUL behind it, in the arena */
enum tg_ng_rc tg_ng_token_encode(const struct tg_ng_token *t,
		struct tg_span call_id, struct tg_ng_key *key, struct tg_arena *arena,
		struct tg_span *out) __attribute__((warn_unused_result));

/* Spans of *out point into token. The mac is checked before anything else */
enum tg_ng_rc tg_ng_token_decode(struct tg_span token, struct tg_span call_id,
		struct tg_ng_key *key, uint64_t now, struct tg_ng_token *out,
		const char **why) __attribute__((warn_unused_result));

/* Would keys made for the one profile do for the other, toward one peer? */
bool tg_ng_profile_same_keying(
		const struct tg_ng_profile *a, const struct tg_ng_profile *b);

/* Value of the a=x-trunkguard line */
enum tg_ng_rc tg_ng_proof_encode(enum tg_ng_leg leg, struct tg_span call_id,
		uint64_t expires, struct tg_ng_key *key, struct tg_arena *arena,
		struct tg_span *out) __attribute__((warn_unused_result));
enum tg_ng_rc tg_ng_proof_check(struct tg_span value, struct tg_span call_id,
		struct tg_ng_key *key, uint64_t now, enum tg_ng_leg *leg)
		__attribute__((warn_unused_result));

#endif
