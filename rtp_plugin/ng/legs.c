/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/legs.h"

#include "ng/negotiate.h"

static const struct tg_ng_profile *profile_of(
		const struct tg_ngx *x, enum tg_ng_leg side)
{
	return side == TG_NG_LEG_TO ? &x->token.to : &x->token.from;
}

/* The offerer's tag names the "from" leg, the answerer's the "to" leg */
static struct tg_ses_leg *known_leg(
		struct tg_ngx *x, enum tg_ng_leg side, bool unanswered)
{
	bool to = side == TG_NG_LEG_TO;

	return tg_ses_leg_find(x->call, to ? x->to_tag : x->from_tag,
			to ? x->branch : tg_span_of(NULL, 0), to && unanswered);
}

/* Answered by another far end before: a fork of the same offer */
static struct tg_ses_leg *forked_leg(struct tg_ngx *x)
{
	struct tg_ses_leg *leg = x->call->leg;

	while(leg != NULL
			&& (tg_span_eq(x->from_tag, tg_span_cstr(leg->tag))
					|| !tg_span_eq(x->branch, tg_span_cstr(leg->branch))))
		leg = leg->next;
	x->forked = leg != NULL;
	return leg;
}

/* An answer brings the offer's profile again; required is always in order */
static bool contradicts(
		const struct tg_ng_profile *offer, const struct tg_ng_profile *answer)
{
	return !tg_ng_profile_same_keying(offer, answer)
		   || (offer->level == TG_LEVEL_REQUIRED
				   && answer->level != TG_LEVEL_REQUIRED);
}

static struct tg_ses_leg *leg_of_offer(struct tg_ngx *x, enum tg_ng_leg side)
{
	const struct tg_ng_profile *p = profile_of(x, side);
	struct tg_ses_leg *leg = known_leg(x, side, true);
	bool to = side == TG_NG_LEG_TO;

	/* the next peer that is tried never gets the keys of the one before */
	if(leg != NULL
			&& (!tg_ng_profile_same_keying(&leg->profile, p)
					|| !tg_span_eq(leg->profile.peer, p->peer)))
		tg_ses_leg_close(leg);
	if(leg == NULL)
		leg = tg_ses_leg_new(x->call, to ? x->to_tag : x->from_tag,
				to ? x->branch : tg_span_of(NULL, 0), p);
	else if(!tg_ses_leg_set_profile(leg, p))
		leg = NULL;
	if(leg == NULL)
		tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING, "too many secured legs");
	return leg;
}

static struct tg_ses_leg *leg_of_answer(struct tg_ngx *x, enum tg_ng_leg side)
{
	const struct tg_ng_profile *p = profile_of(x, side);
	struct tg_ses_leg *leg = known_leg(x, side, true);

	if(leg == NULL && side == TG_NG_LEG_TO)
		leg = forked_leg(x);
	if(leg == NULL) {
		tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"an answer to an offer that had no secured leg");
		return NULL;
	}
	if(contradicts(&leg->profile, p)) {
		tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"the answer's profile of a leg is not the offer's");
		return NULL;
	}
	if(!tg_ses_leg_set_profile(leg, p)) {
		tg_ngx_refuse(x, TG_REASON_INTERNAL, "a name is too long");
		return NULL;
	}
	return leg;
}

/* The leg of a side; *leg stays NULL when it is not ours and never was */
static bool find_leg(
		struct tg_ngx *x, enum tg_ng_leg side, struct tg_ses_leg **leg)
{
	bool offer = x->command == TG_NGX_OFFER;
	const struct tg_ses_leg *had;

	if(x->token.legs & side) {
		*leg = offer ? leg_of_offer(x, side) : leg_of_answer(x, side);
		return *leg != NULL;
	}
	had = known_leg(x, side, !offer);
	return had == NULL || had->closed
		   || tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				   "no profile for a leg that is secured");
}

bool tg_ngx_set_tags(struct tg_ngx *x)
{
	bool offer = x->command == TG_NGX_OFFER;
	struct tg_span in = offer ? x->from_tag : x->to_tag;
	struct tg_span out = offer ? x->to_tag : x->from_tag;

	if((x->in != NULL && in.len != 0 && !tg_ses_leg_set_tag(x->in, in))
			|| (x->out != NULL && out.len != 0
					&& !tg_ses_leg_set_tag(x->out, out)))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING, "a tag is too long");
	return true;
}

bool tg_ngx_find_legs(struct tg_ngx *x)
{
	bool offer = x->command == TG_NGX_OFFER;

	return find_leg(x, offer ? TG_NG_LEG_FROM : TG_NG_LEG_TO, &x->in)
		   && find_leg(x, offer ? TG_NG_LEG_TO : TG_NG_LEG_FROM, &x->out);
}
