/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/span.h"

static char lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
}

bool tg_span_ieq(struct tg_span a, struct tg_span b)
{
	if(a.len != b.len)
		return false;
	/* most often the very same letters */
	if(a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0)
		return true;
	for(size_t i = 0; i < a.len; i++) {
		if(lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	}
	return true;
}

bool tg_span_istarts(struct tg_span s, struct tg_span prefix)
{
	return s.len >= prefix.len
		   && tg_span_ieq(tg_span_of(s.ptr, prefix.len), prefix);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct tg_span tg_span_trim(struct tg_span s)
{
	while(s.len && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while(s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Looked at in each message: 16 octets in a register, two of them at a time */
typedef unsigned char lanes __attribute__((vector_size(16)));

static lanes lanes_at(const char *p)
{
	lanes v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Of 32 octets, with the one behind them */
static lanes lone_crs_at(const char *p)
{
	const lanes cr = (lanes){0} + '\r', lf = (lanes){0} + '\n';

	return (lanes)(((lanes_at(p) == cr) & (lanes_at(p + 1) != lf))
				   | ((lanes_at(p + 16) == cr) & (lanes_at(p + 17) != lf)));
}

bool tg_span_has_lone_cr(struct tg_span s)
{
	lanes found = {0};
	uint64_t any[2];
	size_t i = 0;

	for(; i + 32 < s.len; i += 32)
		found |= lone_crs_at(s.ptr + i);
	if(s.len > 32) { /* the rest, and some of them again */
		found |= lone_crs_at(s.ptr + s.len - 33);
		i = s.len - 1;
	}
	memcpy(any, &found, sizeof(any));
	if(any[0] | any[1])
		return true;
	for(; i < s.len; i++) {
		if(s.ptr[i] == '\r' && (i + 1 == s.len || s.ptr[i + 1] != '\n'))
			return true;
	}
	return false;
}

bool tg_span_u64(struct tg_span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0, tenth = max / 10;

	if(s.len == 0)
		return false;
	for(size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';

		if(digit > 9 || v > tenth || digit > max - v * 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}
