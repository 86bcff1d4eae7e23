/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The descriptions of a secured call, seen from its sides. "In" is what a
 * secured side sent: its keys are taken and its lines are made those of a
 * plain call for the daemon. "Out" is what the daemon made for a secured
 * side: it becomes SRTP again, with our keys.
 *
 * All functions: call locked; false: refused, x->error and x->reason say why.
 * Texts are in x's arena.
 */
#ifndef TG_NG_NEGOTIATE_H
#define TG_NG_NEGOTIATE_H

#include "ng/exchange.h"
#include "sdp/sdp.h"

/* Before the daemon makes anything of it: every line is one for SRTP */
bool tg_ngx_can_secure(struct tg_ngx *x, struct tg_span sdp);

/* A description from the secured side of leg; *out: for the daemon */
bool tg_ngx_secured_in(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		struct tg_span sdp, struct tg_span *out);

/*
 * One toward the secured side of leg, from the daemon; *out: for the wire, with
 * the proof of the legs without a line that fell to clear, if there are any
 */
bool tg_ngx_secured_out(struct tg_ngx *x, struct tg_ses_leg *leg, bool offer,
		struct tg_span sdp, struct tg_span *out);

/* One toward a side that is not ours: its sockets may pass. The proof too */
bool tg_ngx_plain_out(
		struct tg_ngx *x, struct tg_span sdp, struct tg_span *out);

/* Feedback profile (AVPF) in the first RTP line that is not rejected? */
bool tg_ngx_wants_feedback(struct tg_ngx *x, struct tg_span sdp);

bool tg_ngx_refuse(struct tg_ngx *x, enum tg_reason reason, const char *text);

/* A string of a request or reply, instead of the one that is there */
bool tg_ngx_set(struct tg_ngx *x, struct tg_ben *dict, const char *key,
		struct tg_span value);

#endif
