/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/reason.h"

static const struct tg_reason_info table[TG_REASON_COUNT] = {
		[TG_REASON_NONE] = {"none", 0, "", "", "allowed"},
#define R(symbol, id, code, phrase, source, text) \
	[TG_REASON_##symbol] = {id, code, phrase, source, text},
#include "base/reason.def"
#undef R
};

const struct tg_reason_info *tg_reason_get(enum tg_reason reason)
{
	if((unsigned)reason >= TG_REASON_COUNT)
		reason = TG_REASON_INTERNAL;
	return &table[reason];
}
