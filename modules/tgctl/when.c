/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A time on the command line, as RFC 3339 writes it.
 */
#include "tgctl.h"

#include <string.h>

/* "Z", "+05:30": what is to be taken off to have UTC */
static bool parse_offset(const char *text, time_t *out)
{
	uint64_t hours, minutes;
	time_t offset;

	*out = 0;
	if(strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if(strlen(text) != 6 || (*text != '+' && *text != '-') || text[3] != ':'
			|| !tg_span_u64(tg_span_of(text + 1, 2), 23, &hours)
			|| !tg_span_u64(tg_span_of(text + 4, 2), 59, &minutes))
		return false;
	offset = (time_t)(hours * 3600 + minutes * 60);
	*out = *text == '+' ? offset : -offset;
	return true;
}

bool tg_ctl_parse_time(const char *text, time_t *out)
{
	struct tm tm = {0};
	const char *rest;
	time_t offset;
	int day;

	if(strlen(text) < 20 || (text[10] != 'T' && text[10] != 't'))
		return false;
	rest = strptime(text, "%Y-%m-%d", &tm);
	if(rest != text + 10)
		return false;
	rest = strptime(text + 11, "%H:%M:%S", &tm);
	if(rest != text + 19)
		return false;
	if(*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if(!parse_offset(rest, &offset))
		return false;
	day = tm.tm_mday;
	*out = timegm(&tm) - offset;
	return day == tm.tm_mday; /* no 30th of February */
}
