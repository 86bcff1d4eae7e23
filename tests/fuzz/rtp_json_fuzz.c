/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A JSON request of the ng protocol. What is taken must be one object from
 * its first brace to its last, must read the same when its strings are
 * written again, and must cost memory by its length, not by its square.
 */
#include <stdio.h>

#include "ng/json.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REWRITTEN_OCTETS (8 * 65536)

/* Every octet that JSON lets one write in another way is */
static size_t write_string(char *to, struct tg_span s)
{
	char *p = to;

	*p++ = '"';
	for(size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if(c >= 0x80)
			*p++ = (char)c;
		else
			p += sprintf(p, "\\u%04x", c);
	}
	*p++ = '"';
	return (size_t)(p - to);
}

static void reads_the_same(const struct tg_ngx_json *was)
{
	static char text[REWRITTEN_OCTETS];
	const struct {
		const char *key;
		struct tg_span value;
	} field[] = {{"command", was->command}, {"call-id", was->call_id},
			{"to-call-id", was->to_call_id}, {"rtpp-flags", was->flags},
			{"from-tag", was->from_tag}, {"to-tag", was->to_tag},
			{"via-branch", was->branch}, {"result", was->result}};
	struct tg_ngx_json now;
	struct tg_arena arena;
	size_t n = 0;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	for(size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++) {
		n += (size_t)sprintf(
				text + n, "%c\"%s\":", i == 0 ? '{' : ',', field[i].key);
		n += write_string(text + n, field[i].value);
	}
	text[n++] = '}';
	must(tg_ngx_json_read(tg_span_of(text, n), &arena, &now));
	must(tg_span_eq(now.command, was->command));
	must(tg_span_eq(now.call_id, was->call_id));
	must(tg_span_eq(now.to_call_id, was->to_call_id));
	must(tg_span_eq(now.flags, was->flags));
	must(tg_span_eq(now.from_tag, was->from_tag));
	must(tg_span_eq(now.to_tag, was->to_tag));
	must(tg_span_eq(now.branch, was->branch));
	must(tg_span_eq(now.result, was->result));
	tg_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_span text = tg_span_of((const char *)data, len);
	struct tg_ngx_json json, half;
	struct tg_arena arena;

	if(len > 65535)
		return 0;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_ngx_json_read(text, &arena, &json)) {
		must(arena.used_octets <= 32 * len + 65536);
		reads_the_same(&json);
		text = tg_span_trim(text);
		must(text.ptr[0] == '{' && text.ptr[text.len - 1] == '}');
		for(size_t cut = 1; cut < text.len && cut <= 16; cut++)
			must(!tg_ngx_json_read(
					tg_span_of(text.ptr, text.len - cut), &arena, &half));
	}
	tg_arena_deinit(&arena);
	return 0;
}
