/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/url.h"

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		   || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool tg_is_host_name(struct tg_span s)
{
	size_t label = 0;
	bool letter = false; /* in the last label: 192.0.2.1 is not a name */

	if(s.len && s.ptr[s.len - 1] == '.')
		s.len--;
	if(!s.len || s.len > 253)
		return false;
	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(c == '.') {
			if(!label || s.ptr[i - 1] == '-')
				return false;
			label = 0;
			letter = false;
		} else {
			if(!is_label_char(c) || (c == '-' && !label) || ++label > 63)
				return false;
			letter |= !(c >= '0' && c <= '9');
		}
	}
	return label && letter && s.ptr[s.len - 1] != '-';
}

/* What a request line may hold as it stands: a space or CR would end it */
static bool is_plain(struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		if(s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f || s.ptr[i] == '#'
				|| s.ptr[i] == '@' || s.ptr[i] == '"' || s.ptr[i] == '\\')
			return false;
	}
	return true;
}

/* Host and port; a host in brackets is an IPv6 address */
static bool split_authority(struct tg_span s, struct tg_url *out)
{
	size_t colon = tg_span_find(s, ':');
	struct tg_addr addr;
	uint64_t port = 80;

	if(s.len && s.ptr[0] == '[') {
		colon = tg_span_find(s, ']');
		if(colon == s.len || (++colon < s.len && s.ptr[colon] != ':'))
			return false;
		out->host = tg_span_of(s.ptr + 1, colon - 2);
	} else {
		out->host = tg_span_of(s.ptr, colon);
	}
	if(colon < s.len
			&& (!tg_span_u64(tg_span_of(s.ptr + colon + 1, s.len - colon - 1),
						65535, &port)
					|| port == 0))
		return false;
	out->host_as_written = s;
	out->port = (uint16_t)port;
	if(tg_addr_parse(out->host, &addr))
		return true;
	return !tg_span_starts(s, TG_SPAN("[")) && tg_is_host_name(out->host);
}

bool tg_url_split(struct tg_span text, struct tg_url *out, const char **why)
{
	struct tg_span rest;
	size_t end;

	*why = NULL;
	if(!tg_span_istarts(text, TG_SPAN("http://"))) {
		*why = "it does not begin with http://";
		return false;
	}
	if(text.len > TG_URL_OCTETS_MAX || !is_plain(text)) {
		*why = "it is too long, or holds what a URL cannot";
		return false;
	}
	rest = tg_span_of(text.ptr + 7, text.len - 7);
	end = tg_span_find(rest, '/');
	if(tg_span_find(rest, '?') < end)
		end = tg_span_find(rest, '?');
	out->path = tg_span_of(rest.ptr + end, rest.len - end);
	if(out->path.len && out->path.ptr[0] != '/')
		*why = "a query needs a path before it";
	else if(!split_authority(tg_span_of(rest.ptr, end), out))
		*why = "its host or port is none";
	return !*why;
}
