/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void tg_text_init(struct tg_text *t, char *buffer, size_t octets)
{
	*t = (struct tg_text){.buffer = buffer, .octets = octets};
	buffer[0] = 0;
}

void tg_text_say(struct tg_text *t, const char *fmt, ...)
{
	size_t room = t->octets - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buffer + t->len, room, fmt, ap);
	va_end(ap);
	if(n < 0 || (size_t)n >= room) {
		t->full = true;
		t->buffer[t->len] = 0;
	} else {
		t->len += (size_t)n;
	}
}

void tg_text_add(struct tg_text *t, struct tg_span s)
{
	if(s.len >= t->octets - t->len) {
		t->full = true;
		return;
	}
	if(s.len)
		memcpy(t->buffer + t->len, s.ptr, s.len);
	t->len += s.len;
	t->buffer[t->len] = 0;
}

void tg_text_add_number(struct tg_text *t, uint64_t n)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while(n);
	tg_text_add(t, tg_span_of(digits + at, sizeof(digits) - at));
}

struct tg_span tg_text_span(const struct tg_text *t)
{
	return tg_span_of(t->buffer, t->len);
}
