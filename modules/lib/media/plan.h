/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a media node must treat the two legs of a call: the flags for
 * rtpengine, from the media profiles of both sides. A leg with engine =
 * plugin gets a signed token for rtp_plugin (ng/profile.h) and a plain
 * transport toward the daemon; one with engine = native gets flags that leave
 * nothing but the profile's suites.
 */
#ifndef TG_MEDIA_PLAN_H
#define TG_MEDIA_PLAN_H

#include "ng/profile.h"
#include "policy/policy.h"

/* A side of the call */
struct tg_media_party {
	const struct tg_pol_media *media; /* NULL: nobody we know; is refused */
	struct tg_span peer;              /* name, for logs of the media node */
	struct tg_span identity; /* its certificate must prove, with CA checks */
};

struct tg_media_plan {
	struct tg_media_party from; /* sends the offer */
	struct tg_media_party to;   /* gets the offer */
	bool offer;    /* the message is the offer; false: the answer */
	bool feedback; /* the message has lines with AVPF or SAVPF */
	struct tg_span call_id;
	struct tg_ng_key *key; /* shared with the plugin */
	uint64_t expires;      /* UNIX seconds, of the token */
};

/*
 * Flags separated by blanks, NUL behind them, in the arena. *legs: those the
 * token asks the plugin to secure. On a reason other than NONE flags is empty.
 */
enum tg_reason tg_media_plan(const struct tg_media_plan *in,
		struct tg_arena *arena, struct tg_span *flags, enum tg_ng_leg *legs);

/* Sides whose keys and packets are the plugin's by their profiles */
enum tg_ng_leg tg_media_plugin_legs(
		const struct tg_pol_media *from, const struct tg_pol_media *to);

/* Those of them that must not run in clear */
enum tg_ng_leg tg_media_required_legs(
		const struct tg_pol_media *from, const struct tg_pol_media *to);

#endif
