/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Just enough of JSON (RFC 8259) to see which call and side an ng request is
 * about, and whether the daemon did it: some strings of the top level of one
 * object, and whether our key or a warning is there. Escapes are resolved in keys and values. Anything
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
	struct tg_span from_tag;
	struct tg_span to_tag;
	struct tg_span branch; /* "via-branch" */
	struct tg_span result; /* of a reply */
	bool has_warning;
	bool has_token;
};

#define TG_NGX_JSON_DEPTH_MAX 32

/* Spans in the arena. False: not strict JSON, or out of memory */
bool tg_ngx_json_read(
		struct tg_span text, struct tg_arena *arena, struct tg_ngx_json *out);

#endif
