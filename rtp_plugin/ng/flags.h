/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Newer Kamailio hands the script's flags on as one string, "rtpp-flags", and
 * with them our token.
 */
#ifndef TG_NG_FLAGS_H
#define TG_NG_FLAGS_H

#include "ng/exchange.h"

bool tg_ngx_flags_have_token(const struct tg_ben *dict);

/*
 * Takes our token out of the string, and with `plain` the words that would
 * make the daemon's own SRTP of the secured side. *token: untouched if there
 * is none. False: out of memory, x->error says so.
 */
bool tg_ngx_flags_take(struct tg_ngx *x, struct tg_ben *dict, bool plain,
		struct tg_span *token);

#endif
