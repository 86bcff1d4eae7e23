/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Just enough of JSON (RFC 8259) to see which call an ng request is about:
 * the strings "command", "call-id", "to-call-id", "rtpp-flags" and whether our
 * key is there, all at the top level of one object. Escapes are resolved in keys and values. Anything
 * that is not strict JSON, and any key that names.h refuses, is refused:
 * the daemon's reader may take it otherwise.
 */
#ifndef TG_NG_JSON_H
#define TG_NG_JSON_H

#include "base/arena.h"
#include "base/span.h"

struct tg_ngx_json {
	struct tg_span command; /* empty: absent */
	struct tg_span call_id;
	struct tg_span to_call_id;
	struct tg_span flags; /* "rtpp-flags" */
	bool has_token;
};

#define TG_NGX_JSON_DEPTH_MAX 32

/* Spans in the arena. False: not strict JSON, or out of memory */
bool tg_ngx_json_read(
		struct tg_span text, struct tg_arena *arena, struct tg_ngx_json *out);

#endif
