/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_policy/head.h"

/* The line that starts at at, and those that fold into it; at moves behind */
static struct tg_span whole_line(struct tg_span bytes, size_t *at)
{
	size_t start = *at, end = start;

	do {
		struct tg_span rest = tg_span_of(bytes.ptr + end, bytes.len - end);
		size_t n = tg_span_find(rest, '\n');

		end += n + (n < rest.len);
	} while(end < bytes.len
			&& (bytes.ptr[end] == ' ' || bytes.ptr[end] == '\t'));
	*at = end;
	return tg_span_trim(tg_span_of(bytes.ptr + start, end - start));
}

static bool is_named(struct tg_span name, const char *whole, char compact)
{
	return tg_span_ieq(name, tg_span_cstr(whole))
		   || (name.len == 1 && compact && (name.ptr[0] | 0x20) == compact);
}

static void first_of(struct tg_span *place, struct tg_span value)
{
	if(!place->ptr)
		*place = tg_span_trim(value);
}

static void read_header(struct tg_span line, struct tlsp_head *out)
{
	struct tg_span name = tg_span_trim(tg_span_cut(&line, ':'));

	if(is_named(name, "Route", '\0'))
		first_of(&out->route, line);
	else if(is_named(name, "Call-ID", 'i'))
		first_of(&out->call_id, line);
	else if(is_named(name, "To", 't'))
		first_of(&out->to, line);
}

/* Most headers are others */
static bool may_matter(char first)
{
	first |= 0x20;
	return first == 'r' || first == 'c' || first == 'i' || first == 't';
}

static struct tg_span first_uri(struct tg_span route)
{
	size_t start = tg_span_find(route, '<');

	if(start == route.len)
		return tg_span_cut(&route, ',');
	route = tg_span_of(route.ptr + start + 1, route.len - start - 1);
	return tg_span_cut(&route, '>');
}

void tlsp_head_read(struct tg_span bytes, struct tlsp_head *out)
{
	size_t at = 0;
	struct tg_span line = whole_line(bytes, &at);

	*out = (struct tlsp_head){0};
	out->method = tg_span_cut(&line, ' ');
	out->uri = tg_span_cut(&line, ' ');
	while(at < bytes.len && bytes.ptr[at] != '\r' && bytes.ptr[at] != '\n') {
		char first = bytes.ptr[at];

		line = whole_line(bytes, &at);
		if(may_matter(first))
			read_header(line, out);
	}
	out->route = tg_span_trim(first_uri(out->route));
}

bool tlsp_head_is_sips(const struct tlsp_head *head)
{
	return tg_span_istarts(head->uri, TG_SPAN("sips:"))
		   || tg_span_istarts(head->route, TG_SPAN("sips:"));
}
