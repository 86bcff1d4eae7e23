/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Spans: borrowed runs of octets, pointer and length. No NUL is assumed and
 * none is added. A span owns nothing: it is valid while its source is.
 */
#ifndef TG_BASE_SPAN_H
#define TG_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tg_span {
	const char *ptr; /* may be NULL only when len is 0 */
	size_t len;      /* octets */
};

#define TG_SPAN(lit) ((struct tg_span){(lit), sizeof(lit) - 1})
/* clang-format off */
#define TG_SPAN_INIT(lit) {(lit), sizeof(lit) - 1}
/* clang-format on */
/* for "%.*s" */
#define TG_SPAN_FMT(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

static inline struct tg_span tg_span_of(const char *ptr, size_t len)
{
	return (struct tg_span){ptr, len};
}

/* NULL gives the empty span */
static inline struct tg_span tg_span_cstr(const char *s)
{
	return (struct tg_span){s, s ? strlen(s) : 0};
}

static inline bool tg_span_eq(struct tg_span a, struct tg_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII only, as SIP and DNS names need; octets >= 0x80 compare exactly */
bool tg_span_ieq(struct tg_span a, struct tg_span b);

static inline bool tg_span_starts(struct tg_span s, struct tg_span prefix)
{
	return s.len >= prefix.len
		   && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
bool tg_span_istarts(struct tg_span s, struct tg_span prefix);

/* Offset of the first c in s, or s.len */
static inline size_t tg_span_find(struct tg_span s, char c)
{
	const char *at = s.len ? (const char *)memchr(s.ptr, c, s.len) : NULL;

	return at ? (size_t)(at - s.ptr) : s.len;
}

/* Without leading and trailing spaces, tabs, CR, LF */
struct tg_span tg_span_trim(struct tg_span s);

/* Is there a CR that no LF follows? Some readers end a line there */
bool tg_span_has_lone_cr(struct tg_span s);

/*
 * Takes the part before the next `sep` off the front of *rest and returns it;
 * *rest becomes what follows the separator, or empty. An empty *rest gives an
 * empty part.
 */
static inline struct tg_span tg_span_cut(struct tg_span *rest, char sep)
{
	size_t at = tg_span_find(*rest, sep);
	struct tg_span part = tg_span_of(rest->ptr, at);
	size_t used = at < rest->len ? at + 1 : at;

	if(used) {
		rest->ptr += used;
		rest->len -= used;
	}
	return part;
}

/*
 * Decimal digits only, the whole span, at least one; false on anything else
 * or when the value exceeds max. *out is untouched on false.
 */
bool tg_span_u64(struct tg_span s, uint64_t max, uint64_t *out);

#endif
