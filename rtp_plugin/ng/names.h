/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Other spellings of what decides about a request. The daemon takes "call id"
 * or "SDP" for "call-id" and "sdp", and later versions read the words of
 * "rtpp-flags" by the same table, so a request could name another call, or
 * carry another description, than the one that was judged. Kamailio writes
 * one spelling only; everything else is refused here.
 */
#ifndef TG_NG_NAMES_H
#define TG_NG_NAMES_H

#include "base/span.h"

/* The names met at the top level of one request; zeroed at first */
struct tg_ngx_names {
	unsigned met;
};

/* False: a deciding key in another spelling, or for the second time */
bool tg_ngx_names_take(struct tg_ngx_names *n, struct tg_span key);

/*
 * Words of "rtpp-flags" that say what belongs into a key of its own. any:
 * every deciding one counts, else only those that name a call.
 */
bool tg_ngx_names_in_flags(struct tg_span flags, bool any);

/* A label of a side, among these words */
bool tg_ngx_labels_in_flags(struct tg_span flags);

/* Commands about no call: "ping" and the like */
bool tg_ngx_names_no_call(struct tg_span command);

#endif
