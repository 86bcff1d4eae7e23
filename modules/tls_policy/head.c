/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_policy/head.h"

/* Where the line that starts at at ends, with those that fold into it */
static size_t end_of_line(struct tg_span bytes, size_t at)
{
	do {
		struct tg_span rest = tg_span_of(bytes.ptr + at, bytes.len - at);
		size_t n = tg_span_find(rest, '\n');

		at += n + (n < rest.len);
	} while(at < bytes.len && (bytes.ptr[at] == ' ' || bytes.ptr[at] == '\t'));
	return at;
}

static void first_of(struct tg_span *place, struct tg_span value)
{
	if(!place->ptr)
		*place = tg_span_trim(value);
}

/* By the first two letters: most headers are others, Contact and CSeq too */
static bool may_matter(char first, char second)
{
	first |= 0x20;
	second |= 0x20; /* of a compact form: blank or colon */
	return ((first == 'r' || first == 't') && second == 'o')
		   || (first == 'c' && second == 'a')
		   || ((first == 'i' || first == 't')
				   && (second < 'a' || second > 'z'));
}

static void read_header(struct tg_span line, struct tlsp_head *out)
{
	struct tg_span name = tg_span_trim(tg_span_cut(&line, ':'));

	if(tg_span_ieq(name, TG_SPAN("Route")))
		first_of(&out->route, line);
	else if(tg_span_ieq(name, TG_SPAN("Call-ID"))
			|| tg_span_ieq(name, TG_SPAN("i")))
		first_of(&out->call_id, line);
	else if(tg_span_ieq(name, TG_SPAN("To")) || tg_span_ieq(name, TG_SPAN("t")))
		first_of(&out->to, line);
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
	size_t end = end_of_line(bytes, 0);
	struct tg_span line = tg_span_trim(tg_span_of(bytes.ptr, end));

	*out = (struct tlsp_head){0};
	out->method = tg_span_cut(&line, ' ');
	out->uri = tg_span_cut(&line, ' ');
	for(size_t at = end;
			at < bytes.len && bytes.ptr[at] != '\r' && bytes.ptr[at] != '\n';
			at = end) {
		end = end_of_line(bytes, at);
		if(end - at > 1 && may_matter(bytes.ptr[at], bytes.ptr[at + 1]))
			read_header(tg_span_of(bytes.ptr + at, end - at), out);
	}
	out->route = tg_span_trim(first_uri(out->route));
}

bool tlsp_head_is_sips(const struct tlsp_head *head)
{
	return tg_span_istarts(head->uri, TG_SPAN("sips:"))
		   || tg_span_istarts(head->route, TG_SPAN("sips:"));
}
