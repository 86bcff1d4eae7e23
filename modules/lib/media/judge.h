/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One session description before the media profile of the party that sent it
 * or is to get it: each m= line is secured as the profile asks, or the whole
 * is refused. RFC 4568 (a=crypto), RFC 5763 (DTLS-SRTP), RFC 8643 and
 * MS-SDPEXT (optional encryption). Keys are looked at, never used.
 */
#ifndef TG_MEDIA_JUDGE_H
#define TG_MEDIA_JUDGE_H

#include "ng/profile.h"
#include "policy/decide.h"
#include "sdp/sdp.h"

struct tg_media_ask {
	const struct tg_pol_media *media; /* the party's profile; not NULL */
	enum tg_pol_direction direction;  /* IN: the party sent it */
	bool offer;                       /* an offer; false: an answer */
	bool keys_allowed; /* over signalling that may carry keys (A12) */
	/* bit i: what was agreed before secures the i-th m= line (B10) */
	uint32_t agreed;
	/* it describes abilities and sets nothing up (OPTIONS, RFC 3261 11.2):
	 * only keys that would leave are looked at */
	bool capabilities;
};

struct tg_media_finding {
	enum tg_reason reason;  /* TG_REASON_NONE: may pass */
	uint32_t line;          /* that decided, from 1; 0: none in particular */
	struct tg_span type;    /* of its m= line: "audio"; in the SDP's text */
	uint32_t secured_lines; /* bit i: the i-th m= line has a key exchange */
	size_t secured;         /* live RTP lines that are or may be SRTP */
	size_t clear;           /* live RTP lines without any key exchange */
};

void tg_media_judge(const struct tg_sdp *sdp, const struct tg_media_ask *ask,
		struct tg_media_finding *out);

/*
 * Takes out of an offer what must not be chosen, so that a media node cannot:
 * crypto lines with suites that the profile does not admit, and lines with
 * keys of a kind that is not done here (a=cryptoscale, a=key-mgmt, k=); with
 * level none whatever an RTP/AVP line says of encryption. Only for an offer
 * that tg_media_judge lets pass. *n: how many lines. False: out of memory
 */
bool tg_media_strip_offer(const struct tg_sdp *sdp,
		const struct tg_pol_media *media, struct tg_sdp_edit *edit, size_t *n);

/*
 * Takes out every line that holds a key, for signalling that may not carry
 * any: what came that way is known to others. As above
 */
bool tg_media_strip_keys(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit, size_t *n);

/* RTP that is not rejected; a bundle-only line has port 0 and lives */
bool tg_media_is_live(const struct tg_sdp_media *m);

/* Does the profile name it? NONE: false */
bool tg_media_has_kx(const struct tg_pol_media *media, enum tg_kx kx);
bool tg_media_has_suite(const struct tg_pol_media *media, enum tg_suite suite);

/* ---- the plugin's proof -------------------------------------------------- */

struct tg_media_proof_ask {
	enum tg_ng_leg needed; /* sides that must be proven; NONE: only look */
	struct tg_span call_id;
	struct tg_ng_key *key;
	uint64_t now; /* UNIX seconds */
};

/*
 * NONE: what is needed is proven. MEDIA_UNPROVEN: no line, several, one at
 * media level, or one that is wrong. *proven may be NULL.
 */
enum tg_reason tg_media_check_proof(const struct tg_sdp *sdp,
		const struct tg_media_proof_ask *ask, enum tg_ng_leg *proven);

/* Takes every proof line out. *n: how many. False: out of memory */
bool tg_media_strip_proof(
		const struct tg_sdp *sdp, struct tg_sdp_edit *edit, size_t *n);

#endif
