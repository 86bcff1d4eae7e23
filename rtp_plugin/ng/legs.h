/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which secured legs of its call an exchange is about. The offerer's tag names
 * one side, the answerer's tag and its branch the other; a second far end that
 * answers the same offer is a fork of it. A leg keeps the profile that the
 * offer brought: an answer may not contradict it, and a peer that is tried
 * next never gets the keys of the one before.
 */
#ifndef TG_NG_LEGS_H
#define TG_NG_LEGS_H

#include "ng/exchange.h"

/* Call locked. x->in and x->out; NULL: that side is not secured and never was.
 * False: refused, see negotiate.h */
bool tg_ngx_find_legs(struct tg_ngx *x);

/* Who spoke for a leg, once what it said was taken. Call locked; as before */
bool tg_ngx_set_tags(struct tg_ngx *x);

#endif
