/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bencode as the ng protocol uses it; see bencode.h for what is refused.
 * Values are nodes of an arena, strings point into the input.
 */
#include "ng/bencode.h"

struct reader {
	struct tg_span rest;
	struct tg_arena *arena;
	unsigned items;
	enum tg_ben_rc rc;
	enum {
		NODES_OF_ALL = 0,
		NODES_OF_DICTS, /* and of what holds them */
		NODES_AT_THE_TOP
	} nodes;
};

struct tg_ben *tg_ben_new(struct tg_arena *arena, enum tg_ben_type type)
{
	struct tg_ben *item = tg_arena_get(arena, sizeof(*item));

	if(item)
		item->type = type;
	return item;
}

static struct tg_ben *fail(struct reader *r, enum tg_ben_rc rc)
{
	if(r->rc == TG_BEN_OK)
		r->rc = rc;
	return NULL;
}

static char peek(const struct reader *r)
{
	return r->rest.len ? r->rest.ptr[0] : 0;
}

static void skip(struct reader *r, size_t n)
{
	r->rest.ptr += n;
	r->rest.len -= n;
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* "LENGTH:OCTETS", LENGTH without a leading zero. Behind it; NULL: malformed */
static inline const char *string_at(
		const char *at, const char *end, struct tg_span *out)
{
	const char *first = at;
	size_t len = 0;

	for(; at < end && is_digit(*at); at++) {
		len = len * 10 + (size_t)(*at - '0');
		if(len > TG_BEN_OCTETS_MAX)
			return NULL;
	}
	if(at == first || at == end || *at != ':'
			|| (*first == '0' && at - first > 1)
			|| len > (size_t)(end - at - 1))
		return NULL;
	*out = tg_span_of(at + 1, len);
	return at + 1 + len;
}

/* "iNUMBERe", NUMBER without a leading zero, and no "-0" */
static inline const char *integer_at(
		const char *at, const char *end, int64_t *out)
{
	bool negative = end - at > 1 && at[1] == '-';
	const char *first = at + (negative ? 2 : 1);
	int64_t value = 0;

	for(at = first; at < end && is_digit(*at); at++) {
		int digit = *at - '0';

		if(value > INT64_MAX / 10 || value * 10 > INT64_MAX - digit)
			return NULL;
		value = value * 10 + digit;
	}
	if(at == first || at == end || *at != 'e'
			|| (*first == '0' && at - first > 1) || (negative && value == 0))
		return NULL;
	*out = negative ? -value : value;
	return at + 1;
}

static bool moved_to(struct reader *r, const char *at)
{
	if(at)
		skip(r, (size_t)(at - r->rest.ptr));
	return at != NULL;
}

static bool read_string(struct reader *r, struct tg_span *out)
{
	return moved_to(r, string_at(r->rest.ptr, r->rest.ptr + r->rest.len, out));
}

static bool read_integer(struct reader *r, int64_t *out)
{
	return moved_to(r, integer_at(r->rest.ptr, r->rest.ptr + r->rest.len, out));
}

static struct tg_ben *read_item(struct reader *r, unsigned depth);

static bool has_key(const struct tg_ben *dict, struct tg_span key)
{
	for(const struct tg_ben *c = dict->child; c; c = c->next) {
		if(tg_span_eq(c->key, key))
			return true;
	}
	return false;
}

/* The rest of a list or dictionary, up to and with its "e" */
static struct tg_ben *read_children(
		struct reader *r, struct tg_ben *item, unsigned depth)
{
	struct tg_ben **last = &item->child;

	skip(r, 1);
	while(peek(r) != 'e') {
		struct tg_span key = {0};
		struct tg_ben *child;

		if(item->type == TG_BEN_DICT
				&& (!read_string(r, &key) || has_key(item, key)))
			return fail(r, TG_BEN_MALFORMED);
		child = read_item(r, depth + 1);
		if(!child)
			return NULL;
		child->key = key;
		*last = child;
		last = &child->next;
	}
	skip(r, 1);
	return item;
}

/* Behind one value, without a node for it. NULL: malformed, too large, or a
 * dictionary, which may not be passed over */
static const char *pass_over(
		struct reader *r, const char *at, const char *end, unsigned depth)
{
	char c = at < end ? *at : 0;
	struct tg_span s;
	int64_t n;

	if(depth >= TG_BEN_DEPTH_MAX || ++r->items > TG_BEN_ITEMS_MAX)
		return NULL;
	if(c == 'i')
		return integer_at(at, end, &n);
	if(c != 'l' && c != 'd')
		return string_at(at, end, &s);
	if(c == 'd' && r->nodes != NODES_AT_THE_TOP)
		return NULL;
	at++;
	while(at && (at == end || *at != 'e')) {
		if(c == 'd')
			at = string_at(at, end, &s);
		if(at)
			at = pass_over(r, at, end, depth + 1);
	}
	return at ? at + 1 : NULL;
}

/* False, and nothing is read: it needs nodes, if only to say what is wrong */
static bool read_over(struct reader *r, struct tg_ben *item, unsigned depth)
{
	const char *from = r->rest.ptr, *behind;
	unsigned items = r->items;

	if(r->nodes == NODES_OF_ALL || depth == 0)
		return false;
	r->items--; /* it was counted */
	behind = pass_over(r, from, from + r->rest.len, depth);
	if(!behind) {
		r->items = items;
		return false;
	}
	item->type = TG_BEN_WHOLE;
	item->string = tg_span_of(from, (size_t)(behind - from));
	return moved_to(r, behind);
}

static struct tg_ben *read_item(struct reader *r, unsigned depth)
{
	struct tg_ben *item;
	char c = peek(r);

	if(depth >= TG_BEN_DEPTH_MAX || ++r->items > TG_BEN_ITEMS_MAX)
		return fail(r, TG_BEN_TOO_LARGE);
	if(r->rest.len == 0)
		return fail(r, TG_BEN_MALFORMED);
	item = tg_ben_new(r->arena, TG_BEN_NONE);
	if(!item)
		return fail(r, TG_BEN_NO_MEMORY);
	switch(c) {
		case 'd':
		case 'l':
			if(read_over(r, item, depth))
				return item;
			item->type = c == 'd' ? TG_BEN_DICT : TG_BEN_LIST;
			return read_children(r, item, depth);
		case 'i':
			item->type = TG_BEN_INTEGER;
			return read_integer(r, &item->integer) ? item
												   : fail(r, TG_BEN_MALFORMED);
		default:
			item->type = TG_BEN_STRING;
			return read_string(r, &item->string) ? item
												 : fail(r, TG_BEN_MALFORMED);
	}
}

static enum tg_ben_rc decode(struct tg_span text, struct tg_arena *arena,
		int nodes, struct tg_ben **out)
{
	struct reader r = {text, arena, 0, TG_BEN_OK, nodes};
	struct tg_ben *root;

	*out = NULL;
	if(text.len > TG_BEN_OCTETS_MAX)
		return TG_BEN_TOO_LARGE;
	root = read_item(&r, 0);
	if(root && r.rest.len)
		fail(&r, TG_BEN_MALFORMED);
	if(r.rc == TG_BEN_OK)
		*out = root;
	return r.rc;
}

enum tg_ben_rc tg_ben_decode(
		struct tg_span text, struct tg_arena *arena, struct tg_ben **out)
{
	return decode(text, arena, NODES_OF_ALL, out);
}

enum tg_ben_rc tg_ben_decode_top(
		struct tg_span text, struct tg_arena *arena, struct tg_ben **out)
{
	return decode(text, arena, NODES_OF_DICTS, out);
}

enum tg_ben_rc tg_ben_decode_glance(
		struct tg_span text, struct tg_arena *arena, struct tg_ben **out)
{
	return decode(text, arena, NODES_AT_THE_TOP, out);
}

/* One pass counts (at NULL), the next writes */
static size_t put(char *at, const char *octets, size_t n)
{
	if(at && n)
		memcpy(at, octets, n);
	return n;
}

static size_t put_digits(char *at, uint64_t n)
{
	size_t digits = 1;

	for(uint64_t rest = n; rest >= 10; rest /= 10)
		digits++;
	for(size_t i = digits; at && i-- > 0; n /= 10)
		at[i] = (char)('0' + n % 10);
	return digits;
}

static size_t put_string(char *at, struct tg_span s)
{
	size_t used = put_digits(at, s.len);

	used += put(at ? at + used : NULL, ":", 1);
	return used + put(at ? at + used : NULL, s.ptr, s.len);
}

static size_t put_integer(char *at, int64_t v)
{
	size_t used = put(at, "i-", v < 0 ? 2 : 1);

	used += put_digits(
			at ? at + used : NULL, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
	return used + put(at ? at + used : NULL, "e", 1);
}

static size_t put_item(char *at, const struct tg_ben *item)
{
	size_t used;

	if(item->type == TG_BEN_STRING)
		return put_string(at, item->string);
	if(item->type == TG_BEN_INTEGER)
		return put_integer(at, item->integer);
	if(item->type == TG_BEN_WHOLE)
		return put(at, item->string.ptr, item->string.len);
	used = put(at, item->type == TG_BEN_DICT ? "d" : "l", 1);
	for(const struct tg_ben *c = item->child; c; c = c->next) {
		if(item->type == TG_BEN_DICT)
			used += put_string(at ? at + used : NULL, c->key);
		used += put_item(at ? at + used : NULL, c);
	}
	return used + put(at ? at + used : NULL, "e", 1);
}

struct tg_span tg_ben_encode(const struct tg_ben *root, struct tg_arena *arena)
{
	size_t octets = put_item(NULL, root);
	char *out = tg_arena_get(arena, octets + 1);

	if(!out)
		return tg_span_of(NULL, 0);
	put_item(out, root);
	return tg_span_of(out, octets);
}

struct tg_span tg_ben_encode_message(struct tg_span cookie,
		const struct tg_ben *root, struct tg_arena *arena)
{
	size_t octets = cookie.len + 1 + put_item(NULL, root), head;
	char *out = tg_arena_get(arena, octets);

	if(!out)
		return tg_span_of(NULL, 0);
	head = put(out, cookie.ptr, cookie.len);
	head += put(out + head, " ", 1);
	put_item(out + head, root);
	return tg_span_of(out, octets);
}

struct tg_ben *tg_ben_get(const struct tg_ben *dict, const char *key)
{
	struct tg_span want = tg_span_cstr(key);

	if(!dict || dict->type != TG_BEN_DICT)
		return NULL;
	for(struct tg_ben *c = dict->child; c; c = c->next) {
		if(tg_span_eq(c->key, want))
			return c;
	}
	return NULL;
}

struct tg_span tg_ben_get_string(const struct tg_ben *dict, const char *key)
{
	const struct tg_ben *item = tg_ben_get(dict, key);

	return item && item->type == TG_BEN_STRING ? item->string
											   : tg_span_of(NULL, 0);
}

bool tg_ben_remove(struct tg_ben *dict, const char *key)
{
	struct tg_ben *item = tg_ben_get(dict, key);

	if(!item)
		return false;
	for(struct tg_ben **at = &dict->child; *at; at = &(*at)->next) {
		if(*at == item) {
			*at = item->next;
			break;
		}
	}
	item->next = NULL;
	return true;
}

bool tg_ben_append(struct tg_ben *list, struct tg_ben *item)
{
	struct tg_ben **last = &list->child;

	if(!item)
		return false;
	while(*last)
		last = &(*last)->next;
	*last = item;
	return true;
}

bool tg_ben_set_string(struct tg_ben *dict, struct tg_arena *arena,
		const char *key, struct tg_span value)
{
	struct tg_ben *item = tg_ben_get(dict, key);

	if(!item) {
		item = tg_ben_new(arena, TG_BEN_STRING);
		if(!tg_ben_append(dict, item))
			return false;
		item->key = tg_span_cstr(key);
	}
	item->type = TG_BEN_STRING;
	item->string = value;
	item->child = NULL;
	return true;
}
