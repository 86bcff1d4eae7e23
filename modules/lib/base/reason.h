/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reasons: why something was denied. One table (reason.def) feeds logs, PVs,
 * counters, SIP answers, tgctl and the documentation.
 */
#ifndef TG_BASE_REASON_H
#define TG_BASE_REASON_H

#include "base/span.h"

enum tg_reason {
	TG_REASON_NONE = 0, /* nothing to give a reason for */
#define R(symbol, id, code, phrase, source, text) TG_REASON_##symbol,
#include "base/reason.def"
#undef R
	TG_REASON_COUNT
};

struct tg_reason_info {
	const char *id; /* "none" for TG_REASON_NONE */
	unsigned sip_code;
	const char *sip_text;
	const char *source;
	const char *text;
};

/* Never NULL; a value outside the table gives that of TG_REASON_INTERNAL */
const struct tg_reason_info *tg_reason_get(enum tg_reason reason);

#endif
