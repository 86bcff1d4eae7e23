/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/names.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct tg_span deciding[] = {TG_SPAN_INIT("call-id"),
		TG_SPAN_INIT("sdp"), TG_SPAN_INIT("from-tag"), TG_SPAN_INIT("to-tag"),
		TG_SPAN_INIT("via-branch"), TG_SPAN_INIT("command"),
		TG_SPAN_INIT("transport-protocol"), TG_SPAN_INIT("OSRTP"),
		TG_SPAN_INIT("rtpp-flags"), TG_SPAN_INIT("to-call-id")};

static char plain(char c)
{
	if(c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == ' ' || c == '_' ? '-' : c;
}

static bool alike(struct tg_span a, struct tg_span b)
{
	if(a.len != b.len)
		return false;
	for(size_t i = 0; i < a.len; i++) {
		if(plain(a.ptr[i]) != plain(b.ptr[i]))
			return false;
	}
	return true;
}

bool tg_ngx_names_take(struct tg_ngx_names *n, struct tg_span key)
{
	for(size_t i = 0; i < LEN(deciding); i++) {
		if(key.len != deciding[i].len)
			continue;
		if(!tg_span_eq(key, deciding[i])) {
			if(alike(key, deciding[i]))
				return false;
			continue;
		}
		if(n->met & 1u << i)
			return false;
		n->met |= 1u << i;
	}
	return true;
}

static bool of_a_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		   || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool names_a_call(struct tg_span word)
{
	return alike(word, TG_SPAN("call-id"))
		   || alike(word, TG_SPAN("to-call-id"));
}

static bool decides(struct tg_span word)
{
	static const char *const list[] = {
			"sdp", "from-tag", "to-tag", "via-branch", "template"};

	for(size_t i = 0; i < LEN(list); i++) {
		if(alike(word, tg_span_cstr(list[i])))
			return true;
	}
	return names_a_call(word);
}

static bool is_label(struct tg_span word)
{
	return alike(word, TG_SPAN("label")) || alike(word, TG_SPAN("set-label"))
		   || alike(word, TG_SPAN("from-label"));
}

/* Wherever a word begins that "=" or ":" follows: what separates words is
 * the daemon's affair, and not the same in all its versions */
static bool in_flags(struct tg_span flags, bool (*wanted)(struct tg_span))
{
	size_t i = 0;

	while(i < flags.len) {
		size_t start = i;
		struct tg_span word;

		while(i < flags.len && of_a_word(flags.ptr[i]))
			i++;
		word = tg_span_of(flags.ptr + start, i - start);
		if(word.len != 0 && i < flags.len
				&& (flags.ptr[i] == '=' || flags.ptr[i] == ':') && wanted(word))
			return true;
		if(word.len == 0)
			i++;
	}
	return false;
}

bool tg_ngx_names_in_flags(struct tg_span flags, bool any)
{
	return in_flags(flags, any ? decides : names_a_call);
}

bool tg_ngx_labels_in_flags(struct tg_span flags)
{
	return in_flags(flags, is_label);
}

bool tg_ngx_names_no_call(struct tg_span command)
{
	return tg_span_eq(command, TG_SPAN("ping"))
		   || tg_span_eq(command, TG_SPAN("list"))
		   || tg_span_eq(command, TG_SPAN("statistics"));
}
