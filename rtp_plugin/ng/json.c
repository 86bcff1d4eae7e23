/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/json.h"

#include "ng/names.h"
#include "ng/profile.h"

struct reader {
	const char *p, *end;
	struct tg_arena *arena;
	unsigned depth;
};

static void space(struct reader *r)
{
	while(r->p < r->end
			&& (*r->p == ' ' || *r->p == '\t' || *r->p == '\n'
					|| *r->p == '\r'))
		r->p++;
}

static bool take(struct reader *r, char c)
{
	space(r);
	if(r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static int hex(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	if(c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool code_unit(struct reader *r, uint32_t *out)
{
	if(r->end - r->p < 4)
		return false;
	*out = 0;
	for(int i = 0; i < 4; i++) {
		int v = hex(*r->p++);

		if(v < 0)
			return false;
		*out = *out << 4 | (uint32_t)v;
	}
	return true;
}

/* After "\u": one code point, a surrogate pair included; UTF-8 at *to */
static bool code_point(struct reader *r, char **to)
{
	uint32_t c, low;
	char *t = *to;

	if(!code_unit(r, &c) || c == 0 || (c >= 0xdc00 && c <= 0xdfff))
		return false;
	if(c >= 0xd800 && c <= 0xdbff) {
		if(r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
			return false;
		r->p += 2;
		if(!code_unit(r, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if(c < 0x80) {
		*t++ = (char)c;
	} else if(c < 0x800) {
		*t++ = (char)(0xc0 | c >> 6);
		*t++ = (char)(0x80 | (c & 0x3f));
	} else {
		if(c < 0x10000) {
			*t++ = (char)(0xe0 | c >> 12);
		} else {
			*t++ = (char)(0xf0 | c >> 18);
			*t++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*t++ = (char)(0x80 | (c >> 6 & 0x3f));
		*t++ = (char)(0x80 | (c & 0x3f));
	}
	*to = t;
	return true;
}

static bool escape(struct reader *r, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if(r->p == r->end)
		return false;
	if(*r->p == 'u') {
		r->p++;
		return code_point(r, to);
	}
	at = *r->p != '\0' ? strchr(from, *r->p) : NULL;
	if(at == NULL)
		return false;
	r->p++;
	*(*to)++ = into[at - from];
	return true;
}

/* Up to the closing quote; what the escapes stand for is never longer */
static size_t quoted_octets(const struct reader *r)
{
	const char *p = r->p;

	while(p < r->end && *p != '"')
		p += *p == '\\' && r->end - p > 1 ? 2 : 1;
	return (size_t)(p - r->p);
}

static bool string(struct reader *r, struct tg_span *out)
{
	char *text, *to;

	if(!take(r, '"'))
		return false;
	text = to = tg_arena_get(r->arena, quoted_octets(r) + 1);
	if(text == NULL)
		return false;
	while(r->p < r->end && *r->p != '"') {
		if((unsigned char)*r->p < 0x20)
			return false;
		if(*r->p != '\\')
			*to++ = *r->p++;
		else if(r->p++, !escape(r, &to))
			return false;
	}
	*out = tg_span_of(text, (size_t)(to - text));
	return take(r, '"');
}

/* Numbers and words: which ones exactly the daemon may decide */
static bool scalar(struct reader *r)
{
	const char *start = r->p;

	while(r->p < r->end
			&& ((*r->p >= '0' && *r->p <= '9') || *r->p == '-' || *r->p == '+'
					|| *r->p == '.' || (*r->p >= 'a' && *r->p <= 'z')
					|| *r->p == 'E'))
		r->p++;
	return r->p != start;
}

static bool value(struct reader *r, struct tg_span *text);

static void note(
		struct tg_ngx_json *out, struct tg_span key, struct tg_span text)
{
	const struct {
		const char *key;
		struct tg_span *to;
	} known[] = {{"command", &out->command}, {"call-id", &out->call_id},
			{"to-call-id", &out->to_call_id}, {"rtpp-flags", &out->flags},
			{"from-tag", &out->from_tag}, {"to-tag", &out->to_tag},
			{"via-branch", &out->branch}, {"result", &out->result}};

	for(size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if(tg_span_eq(key, tg_span_cstr(known[i].key)))
			*known[i].to = text;
	}
}

static bool members(struct reader *r, struct tg_ngx_json *out)
{
	struct tg_ngx_names names = {0};
	struct tg_span key, text;

	if(take(r, '}'))
		return true;
	do {
		if(!string(r, &key) || !take(r, ':'))
			return false;
		text = tg_span_of(NULL, 0);
		if(!value(r, &text))
			return false;
		if(out == NULL)
			continue;
		if(!tg_ngx_names_take(&names, key))
			return false;
		if(tg_span_eq(key, TG_SPAN(TG_NG_KEY)))
			out->has_token = true;
		if(tg_span_eq(key, TG_SPAN("warning")))
			out->has_warning = true;
		note(out, key, text);
	} while(take(r, ','));
	return take(r, '}');
}

static bool elements(struct reader *r)
{
	struct tg_span text;

	if(take(r, ']'))
		return true;
	do {
		if(!value(r, &text))
			return false;
	} while(take(r, ','));
	return take(r, ']');
}

static bool value(struct reader *r, struct tg_span *text)
{
	bool ok;

	space(r);
	if(r->p == r->end || ++r->depth > TG_NGX_JSON_DEPTH_MAX)
		return false;
	switch(*r->p) {
		case '"':
			ok = string(r, text);
			break;
		case '{':
			r->p++;
			ok = members(r, NULL);
			break;
		case '[':
			r->p++;
			ok = elements(r);
			break;
		default:
			ok = scalar(r);
	}
	r->depth--;
	return ok;
}

bool tg_ngx_json_read(
		struct tg_span text, struct tg_arena *arena, struct tg_ngx_json *out)
{
	struct reader r = {
			.p = text.ptr, .end = text.ptr + text.len, .arena = arena};

	memset(out, 0, sizeof(*out));
	if(text.len == 0 || !take(&r, '{') || !members(&r, out))
		return false;
	space(&r);
	return r.p == r.end;
}
