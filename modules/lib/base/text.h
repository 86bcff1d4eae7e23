/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text written piece by piece into a buffer of the caller, always with a NUL
 * behind it. What does not fit is left out as a whole and remembered.
 */
#ifndef TG_BASE_TEXT_H
#define TG_BASE_TEXT_H

#include "base/span.h"

struct tg_text {
	char *buffer;
	size_t octets; /* of the buffer, with the NUL */
	size_t len;    /* written so far */
	bool full;     /* a piece did not fit: do not use the text */
};

/* octets > 0 */
void tg_text_init(struct tg_text *t, char *buffer, size_t octets);
void tg_text_say(struct tg_text *t, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/* The same without a format, at a fraction of its price */
void tg_text_add(struct tg_text *t, struct tg_span s);
void tg_text_add_number(struct tg_text *t, uint64_t n);
struct tg_span tg_text_span(const struct tg_text *t);

#endif
