/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/value.h"

#include <stdio.h>

#define TAKE(name)                                        \
	void name(struct tg_build *b, const struct tg_key *k, \
			const struct tg_ini_entry *e, void *object)
#define MEMBER(type) ((type *)(void *)((char *)object + k->offset))

/* ---- lists ------------------------------------------------------------- */

static size_t item_end(struct tg_span s)
{
	bool quoted = false;

	for(size_t i = 0; i < s.len; i++) {
		if(s.ptr[i] == '"')
			quoted = !quoted;
		else if(s.ptr[i] == ',' && !quoted)
			return i;
	}
	return s.len;
}

static struct tg_span unquoted(struct tg_build *b, struct tg_span item)
{
	if(tg_span_find(item, '"') == item.len)
		return item;
	if(item.len >= 2 && item.ptr[0] == '"'
			&& tg_span_find(tg_span_of(item.ptr + 1, item.len - 1), '"')
					   == item.len - 2)
		return tg_span_of(item.ptr + 1, item.len - 2);
	tg_build_error(b, item.ptr, "quotes go around a whole item");
	return tg_span_of(item.ptr, 0);
}

bool tg_list_next(
		struct tg_build *b, struct tg_span *rest, struct tg_span *item)
{
	size_t end;
	const char *start = rest->ptr;

	if(!rest->ptr)
		return false;
	end = item_end(*rest);
	*item = tg_span_trim(tg_span_of(rest->ptr, end));
	if(end < rest->len)
		*rest = tg_span_of(rest->ptr + end + 1, rest->len - end - 1);
	else
		*rest = tg_span_of(NULL, 0);
	if(!item->len)
		tg_build_error(b, start, "an item is missing in this list");
	else
		*item = unquoted(b, *item);
	return true;
}

size_t tg_list_count(struct tg_span list)
{
	size_t n = 1, end;

	while((end = item_end(list)) < list.len) {
		list = tg_span_of(list.ptr + end + 1, list.len - end - 1);
		n++;
	}
	return n;
}

/* ---- words ------------------------------------------------------------- */

size_t tg_word_find(
		struct tg_build *b, const struct tg_key *k, struct tg_span item)
{
	char known[256] = "";
	size_t len = 0;

	for(size_t i = 0; k->words[i].text; i++) {
		if(tg_span_eq(item, tg_span_cstr(k->words[i].text)))
			return i;
	}
	for(size_t i = 0; k->words[i].text && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
				i ? ", " : "", k->words[i].text);
	if(item.len)
		tg_build_error(b, item.ptr, "unknown value '%.*s' of '%s', known: %s",
				TG_SPAN_FMT(item), k->name, known);
	return SIZE_MAX;
}

/* A value that may not be a list */
static bool one_item(
		struct tg_build *b, const struct tg_ini_entry *e, struct tg_span *item)
{
	struct tg_span rest = e->value;

	if(!e->value.len)
		return false; /* reported by the reader */
	if(tg_list_count(e->value) > 1) {
		tg_build_error(b, e->value.ptr, "'%.*s' takes one value, not a list",
				TG_SPAN_FMT(e->key));
		return false;
	}
	return tg_list_next(b, &rest, item) && item->len;
}

TAKE(tg_take_word)
{
	struct tg_span item;
	size_t i;

	if(!one_item(b, e, &item))
		return;
	i = tg_word_find(b, k, item);
	if(i != SIZE_MAX)
		*MEMBER(unsigned) = k->words[i].value;
}

TAKE(tg_take_bits)
{
	struct tg_span rest = e->value, item;
	unsigned mask = 0;

	if(!e->value.len)
		return;
	while(tg_list_next(b, &rest, &item)) {
		size_t i = tg_word_find(b, k, item);

		if(i == SIZE_MAX)
			continue;
		if((mask & k->words[i].value) == k->words[i].value)
			tg_build_error(
					b, item.ptr, "'%.*s' is named twice", TG_SPAN_FMT(item));
		mask |= k->words[i].value;
	}
	*MEMBER(unsigned) = mask;
}

TAKE(tg_take_bool)
{
	static const struct tg_word words[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};
	struct tg_key as_word = *k;
	struct tg_span item;
	size_t i;

	if(!one_item(b, e, &item))
		return;
	as_word.words = words;
	i = tg_word_find(b, &as_word, item);
	if(i != SIZE_MAX)
		*MEMBER(bool) = i == 1;
}

/* ---- numbers ----------------------------------------------------------- */

static bool number(struct tg_build *b, const struct tg_key *k,
		struct tg_span item, uint64_t *out)
{
	if(tg_span_u64(item, k->max, out) && *out >= k->min)
		return true;
	tg_build_error(b, item.ptr, "'%.*s' is not a number from %llu to %llu",
			TG_SPAN_FMT(item), (unsigned long long)k->min,
			(unsigned long long)k->max);
	return false;
}

TAKE(tg_take_u8)
{
	struct tg_span item;
	uint64_t v;

	if(one_item(b, e, &item) && number(b, k, item, &v))
		*MEMBER(uint8_t) = (uint8_t)v;
}

TAKE(tg_take_u16)
{
	struct tg_span item;
	uint64_t v;

	if(one_item(b, e, &item) && number(b, k, item, &v))
		*MEMBER(uint16_t) = (uint16_t)v;
}

TAKE(tg_take_u32)
{
	struct tg_span item;
	uint64_t v;

	if(one_item(b, e, &item) && number(b, k, item, &v))
		*MEMBER(uint32_t) = (uint32_t)v;
}

TAKE(tg_take_power)
{
	struct tg_span item;
	uint64_t v;

	if(!one_item(b, e, &item))
		return;
	if(tg_span_starts(item, TG_SPAN("2^"))
			&& tg_span_u64(tg_span_of(item.ptr + 2, item.len - 2), k->max, &v)
			&& v >= k->min)
		*MEMBER(uint8_t) = (uint8_t)v;
	else
		tg_build_error(b, item.ptr, "'%.*s' is not one of 2^%llu to 2^%llu",
				TG_SPAN_FMT(item), (unsigned long long)k->min,
				(unsigned long long)k->max);
}

static const struct {
	struct tg_span name;
	uint64_t ms;
} units[] = {{TG_SPAN_INIT("ms"), 1}, {TG_SPAN_INIT("s"), 1000},
		{TG_SPAN_INIT("m"), 60000}, {TG_SPAN_INIT("h"), 3600000},
		{TG_SPAN_INIT("d"), 86400000}};

#define N_UNITS (sizeof(units) / sizeof(units[0]))
#define TIME_OCTETS 32

/* "30d": in the largest unit that divides it */
static const char *time_text(uint64_t ms, char out[TIME_OCTETS])
{
	size_t i = ms ? N_UNITS - 1 : 1;

	while(ms % units[i].ms)
		i--;
	snprintf(out, TIME_OCTETS, "%llu%.*s",
			(unsigned long long)(ms / units[i].ms), TG_SPAN_FMT(units[i].name));
	return out;
}

static bool duration(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, uint64_t *ms)
{
	char min[TIME_OCTETS], max[TIME_OCTETS];
	struct tg_span item, unit;
	uint64_t v;
	size_t digits = 0;

	if(!one_item(b, e, &item))
		return false;
	while(digits < item.len && item.ptr[digits] >= '0'
			&& item.ptr[digits] <= '9')
		digits++;
	unit = tg_span_of(item.ptr + digits, item.len - digits);
	for(size_t i = 0; i < N_UNITS; i++) {
		if(!tg_span_eq(unit, units[i].name)
				|| !tg_span_u64(tg_span_of(item.ptr, digits), UINT32_MAX, &v))
			continue;
		*ms = v * units[i].ms;
		if(*ms >= k->min && *ms <= k->max)
			return true;
	}
	tg_build_error(b, item.ptr,
			"'%.*s' is not a time from %s to %s with a unit: ms, s, m, h, d",
			TG_SPAN_FMT(item), time_text(k->min, min), time_text(k->max, max));
	return false;
}

TAKE(tg_take_milliseconds)
{
	uint64_t ms;

	if(duration(b, k, e, &ms))
		*MEMBER(uint32_t) = (uint32_t)ms;
}

TAKE(tg_take_seconds)
{
	uint64_t ms;

	if(duration(b, k, e, &ms))
		*MEMBER(uint32_t) = (uint32_t)(ms / 1000);
}

/* ---- strings ----------------------------------------------------------- */

TAKE(tg_take_cipher_list)
{
	static const char extra[] = "-_+!@=:.";

	for(size_t i = 0; i < e->value.len; i++) {
		char c = e->value.ptr[i];

		if((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
				|| (c >= '0' && c <= '9') || strchr(extra, c))
			continue;
		tg_build_error(b, e->value.ptr + i,
				"'%c' is not part of an OpenSSL list; items are separated "
				"by ':'",
				c);
		return;
	}
	if(e->value.len > k->max)
		tg_build_error(b, e->value.ptr, "this list is longer than %llu octets",
				(unsigned long long)k->max);
	else if(e->value.len)
		*MEMBER(struct tg_span) = tg_build_string(b, e->value);
}

/* One curve has several names, and OpenSSL refuses a list that has it twice */
static struct tg_span group_of(struct tg_span name)
{
	static const struct {
		struct tg_span other, group;
	} names[] = {{TG_SPAN_INIT("secp256r1"), TG_SPAN_INIT("P-256")},
			{TG_SPAN_INIT("prime256v1"), TG_SPAN_INIT("P-256")},
			{TG_SPAN_INIT("secp384r1"), TG_SPAN_INIT("P-384")},
			{TG_SPAN_INIT("secp521r1"), TG_SPAN_INIT("P-521")}};

	for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if(tg_span_ieq(name, names[i].other))
			return names[i].group;
	}
	return name;
}

TAKE(tg_take_groups)
{
	struct tg_span *out = MEMBER(struct tg_span);
	struct tg_span rest, before;
	char text[256];
	size_t n = 0;

	tg_take_cipher_list(b, k, e, object);
	rest = out->len < sizeof(text) ? *out : tg_span_of(NULL, 0);
	while(rest.len) {
		/* as the file has it, for the place of an error */
		const char *at = e->value.ptr + (rest.ptr - out->ptr);
		struct tg_span item = tg_span_cut(&rest, ':');
		struct tg_span group = group_of(item);

		if(!item.len)
			tg_build_error(b, at, "a group is missing in this list");
		for(before = tg_span_of(text, n); item.len && before.len;) {
			if(tg_span_ieq(tg_span_cut(&before, ':'), group))
				tg_build_error(b, at, "group '%.*s' is named twice",
						TG_SPAN_FMT(item));
		}
		if(n)
			text[n++] = ':';
		memcpy(text + n, group.ptr, group.len);
		n += group.len;
	}
	if(n)
		*out = tg_build_string(b, tg_span_of(text, n));
}

/* Checked, so that looking for duplicates stays cheap */
static bool list_fits(struct tg_build *b, const struct tg_ini_entry *e)
{
	if(!e->value.len)
		return false; /* reported by the reader */
	if(tg_list_count(e->value) <= TG_LIST_MAX)
		return true;
	tg_build_error(b, e->value.ptr, "'%.*s' takes up to %d items",
			TG_SPAN_FMT(e->key), TG_LIST_MAX);
	return false;
}

/* Hands each item of a list to a parser that gives the span to store */
static void take_list(struct tg_build *b, const struct tg_ini_entry *e,
		struct tg_pol_spans *out,
		bool (*one)(struct tg_build *b, struct tg_span item, char *text,
				size_t octets, struct tg_span *span))
{
	struct tg_span rest = e->value, item;
	struct tg_span *list;
	size_t n = 0;

	if(!list_fits(b, e))
		return;
	list = tg_build_get(
			b, tg_list_count(e->value) * sizeof(*list), _Alignof(void *));
	while(list && tg_list_next(b, &rest, &item)) {
		char text[320];
		struct tg_span span;
		bool twice = false;

		if(!item.len || !one(b, item, text, sizeof(text), &span))
			continue;
		for(size_t i = 0; i < n && !twice; i++)
			twice = tg_span_eq(list[i], span);
		if(twice)
			tg_build_error(
					b, item.ptr, "'%.*s' is named twice", TG_SPAN_FMT(item));
		else
			list[n++] = tg_build_string(b, span);
	}
	out->item = list;
	out->n = (uint32_t)n;
}

static bool host_name(struct tg_build *b, struct tg_span item, char *text,
		size_t octets, struct tg_span *span)
{
	size_t len = item.len;

	if(tg_span_starts(item, TG_SPAN("*."))) {
		tg_build_error(b, item.ptr,
				"a '*' is not an identity: name the host and set "
				"wildcard = yes");
		return false;
	}
	if(!tg_is_host_name(item) || len > octets) {
		tg_build_error(
				b, item.ptr, "'%.*s' is not a DNS name", TG_SPAN_FMT(item));
		return false;
	}
	if(item.ptr[len - 1] == '.')
		len--;
	for(size_t i = 0; i < len; i++) {
		char c = item.ptr[i];

		text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	*span = tg_span_of(text, len);
	return true;
}

TAKE(tg_take_host_names)
{
	take_list(b, e, MEMBER(struct tg_pol_spans), host_name);
}

TAKE(tg_take_domains)
{
	if(tg_span_eq(e->value, TG_SPAN("any")))
		return;
	take_list(b, e, MEMBER(struct tg_pol_spans), host_name);
}

static bool label(struct tg_build *b, struct tg_span item, char *text,
		size_t octets, struct tg_span *span)
{
	(void)b;
	(void)text;
	(void)octets;
	*span = item;
	return true;
}

TAKE(tg_take_labels)
{
	take_list(b, e, MEMBER(struct tg_pol_spans), label);
}

bool tg_next_hop_split(
		struct tg_span item, struct tg_span *host, uint16_t *port)
{
	size_t colon = tg_span_find(item, ':');
	uint64_t v = 0;

	*port = 0;
	if(item.len && item.ptr[0] == '[') {
		size_t close = tg_span_find(item, ']');

		if(close == item.len)
			return false;
		colon = close + 1;
		if(colon < item.len && item.ptr[colon] != ':')
			return false;
	}
	*host = tg_span_of(item.ptr, colon);
	if(colon < item.len) {
		if(!tg_span_u64(tg_span_of(item.ptr + colon + 1, item.len - colon - 1),
				   65535, &v)
				|| v == 0)
			return false;
		*port = (uint16_t)v;
	}
	return true;
}

static bool next_hop(struct tg_build *b, struct tg_span item, char *text,
		size_t octets, struct tg_span *span)
{
	struct tg_span host;
	struct tg_addr addr;
	uint16_t port;

	(void)text;
	(void)octets;
	*span = item;
	if(tg_next_hop_split(item, &host, &port)
			&& (tg_addr_parse(host, &addr) || tg_is_host_name(host)))
		return true;
	tg_build_error(b, item.ptr, "'%.*s' is not HOST, HOST:PORT or [IPv6]:PORT",
			TG_SPAN_FMT(item));
	return false;
}

TAKE(tg_take_next_hops)
{
	take_list(b, e, MEMBER(struct tg_pol_spans), next_hop);
}

TAKE(tg_take_url)
{
	struct tg_span item;
	struct tg_url url;
	const char *why;

	if(!one_item(b, e, &item))
		return;
	if(tg_url_split(item, &url, &why))
		*MEMBER(struct tg_span) = tg_build_string(b, item);
	else
		tg_build_error(b, item.ptr, "'%.*s' is no URL of a responder: %s",
				TG_SPAN_FMT(item), why);
}

/* ---- prefixes ---------------------------------------------------------- */

static bool prefix(struct tg_build *b, struct tg_span item, struct tg_cidr *out)
{
	struct tg_addr addr;

	if(tg_cidr_parse(item, out))
		return true;
	if(tg_addr_parse(tg_span_of(item.ptr, tg_span_find(item, '/')), &addr))
		tg_build_error(b, item.ptr,
				"'%.*s' is not a prefix: its length is out of range or bits "
				"behind it are set",
				TG_SPAN_FMT(item));
	else if(tg_span_eq(item, TG_SPAN("any")))
		tg_build_error(b, item.ptr, "'any' stands alone");
	else
		tg_build_error(b, item.ptr, "'%.*s' is not an IP address or prefix",
				TG_SPAN_FMT(item));
	return false;
}

TAKE(tg_take_cidrs)
{
	struct tg_pol_cidrs *out = MEMBER(struct tg_pol_cidrs);
	struct tg_span rest = e->value, item;
	struct tg_cidr *list;
	size_t n = 0;

	if(!list_fits(b, e))
		return;
	if(tg_span_eq(e->value, TG_SPAN("any"))) {
		out->any = true;
		return;
	}
	list = tg_build_get(b, tg_list_count(e->value) * sizeof(*list),
			_Alignof(struct tg_cidr));
	while(list && tg_list_next(b, &rest, &item)) {
		bool twice = false;

		if(!item.len || !prefix(b, item, &list[n]))
			continue;
		for(size_t i = 0; i < n && !twice; i++)
			twice = tg_cidr_overlaps(&list[i], &list[n]);
		if(twice)
			tg_build_error(b, item.ptr, "'%.*s' overlaps another item",
					TG_SPAN_FMT(item));
		else
			n++;
	}
	out->item = list;
	out->n = n;
}
