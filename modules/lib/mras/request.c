/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads a request. A body with a DTD is not even given to the parser: what
 * entities can do (RFC 3470 section 4.16 and beyond) cannot be asked for. Its
 * octets are UTF-8, whatever it declares: nothing is a DTD to the parser alone.
 * Elements that are not known are passed over, as new versions may add some;
 * what is known and wrong is an error.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "mras/message.h"

#define NAMESPACE "http://schemas.microsoft.com/2006/09/sip/mrasp"
#define DURATION_MAX_MIN (7 * 24 * 60)

struct reader {
	struct tg_arena *arena;
	enum tg_mras_status status;
	const char *why;
};

static void wrong(struct reader *r, enum tg_mras_status status, const char *why)
{
	if(r->status == TG_MRAS_OK) {
		r->status = status;
		r->why = why;
	}
}

static struct tg_span keep(struct reader *r, const xmlChar *text)
{
	struct tg_span s = tg_span_trim(tg_span_cstr((const char *)text));
	struct tg_span kept;

	if(s.len == 0 || s.len > TG_MRAS_TEXT_MAX) {
		wrong(r, TG_MRAS_MALFORMED, "a value is empty or too long");
		return tg_span_of(NULL, 0);
	}
	for(size_t i = 0; i < s.len; i++)
		if((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
			wrong(r, TG_MRAS_MALFORMED, "a value holds control characters");
			return tg_span_of(NULL, 0);
		}
	kept = tg_arena_dup(r->arena, s);
	if(!kept.ptr)
		wrong(r, TG_MRAS_INTERNAL, "out of memory");
	return kept;
}

static struct tg_span attribute(
		struct reader *r, const xmlNode *node, const char *name)
{
	xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
	struct tg_span s = {NULL, 0};

	if(value)
		s = keep(r, value);
	else
		wrong(r, TG_MRAS_MALFORMED, "an attribute is missing");
	xmlFree(value);
	return s;
}

static bool is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && node->ns
		   && xmlStrEqual(node->ns->href, (const xmlChar *)NAMESPACE)
		   && xmlStrEqual(node->name, (const xmlChar *)name);
}

static struct tg_span content(struct reader *r, const xmlNode *node)
{
	xmlChar *value;
	struct tg_span s = {NULL, 0};

	for(const xmlNode *c = node->children; c; c = c->next)
		if(c->type == XML_ELEMENT_NODE)
			wrong(r, TG_MRAS_MALFORMED, "an element where text belongs");
	value = xmlNodeGetContent(node);
	if(value)
		s = keep(r, value);
	else
		wrong(r, TG_MRAS_INTERNAL, "out of memory");
	xmlFree(value);
	return s;
}

static void read_location(
		struct reader *r, const xmlNode *node, struct tg_mras_ask *ask)
{
	struct tg_span s = content(r, node);

	if(tg_span_eq(s, TG_SPAN("intranet")))
		ask->location = TG_MRAS_INTRANET;
	else if(tg_span_eq(s, TG_SPAN("internet")))
		ask->location = TG_MRAS_INTERNET;
	else
		wrong(r, TG_MRAS_MALFORMED,
				"location is neither intranet nor internet");
}

static void read_duration(
		struct reader *r, const xmlNode *node, struct tg_mras_ask *ask)
{
	uint64_t n = 0;

	if(!tg_span_u64(content(r, node), DURATION_MAX_MIN, &n) || n == 0)
		wrong(r, TG_MRAS_MALFORMED, "duration is no number of minutes");
	ask->duration_min = (uint32_t)n;
}

static void read_ask(
		struct reader *r, const xmlNode *node, struct tg_mras_ask *ask)
{
	struct tg_span user, domain;

	ask->id = attribute(r, node, "credentialsRequestID");
	for(const xmlNode *c = node->children; c; c = c->next) {
		if(is(c, "identity") && !ask->identity.len)
			ask->identity = content(r, c);
		else if(is(c, "location") && !ask->location)
			read_location(r, c, ask);
		else if(is(c, "duration") && !ask->duration_min)
			read_duration(r, c, ask);
		else if(is(c, "identity") || is(c, "location") || is(c, "duration"))
			wrong(r, TG_MRAS_MALFORMED, "an element stands there twice");
	}
	if(!tg_mras_identity_split(ask->identity, &user, &domain))
		wrong(r, TG_MRAS_MALFORMED, "identity is no sip:user@domain");
}

static void read_root(
		struct reader *r, const xmlNode *root, struct tg_mras_request *out)
{
	struct tg_span version;

	if(!root || !is(root, "request")) {
		wrong(r, TG_MRAS_MALFORMED, "no request of this protocol");
		return;
	}
	out->id = attribute(r, root, "requestID");
	out->from = attribute(r, root, "from");
	out->to = attribute(r, root, "to");
	version = attribute(r, root, "version");
	if(r->status == TG_MRAS_OK && !tg_span_eq(version, TG_SPAN("1.0")))
		wrong(r, TG_MRAS_UNSUPPORTED, "another version than 1.0");
	for(const xmlNode *c = root->children; c; c = c->next) {
		if(!is(c, "credentialsRequest"))
			continue;
		if(out->n == TG_MRAS_ASKS_MAX) {
			wrong(r, TG_MRAS_TOO_LARGE, "too many credentialsRequest elements");
			return;
		}
		read_ask(r, c, &out->ask[out->n++]);
	}
	if(out->n == 0)
		wrong(r, TG_MRAS_MALFORMED, "no credentialsRequest");
}

/* "<!" other than a comment: a DTD or CDATA, neither has a place here */
static bool declares(struct tg_span body)
{
	for(size_t i = 0; i + 3 < body.len; i++)
		if(body.ptr[i] == '<' && body.ptr[i + 1] == '!'
				&& (body.ptr[i + 2] != '-' || body.ptr[i + 3] != '-'))
			return true;
	return false;
}

enum tg_mras_status tg_mras_request_read(struct tg_span body,
		struct tg_arena *arena, struct tg_mras_request *out, const char **why)
{
	struct reader r = {.arena = arena, .why = ""};
	xmlDoc *doc = NULL;

	memset(out, 0, sizeof(*out));
	if(body.len > TG_MRAS_BODY_MAX)
		wrong(&r, TG_MRAS_TOO_LARGE, "the body is too large");
	else if(body.len == 0 || memchr(body.ptr, 0, body.len) || declares(body))
		wrong(&r, TG_MRAS_MALFORMED, "empty, not text, or with a declaration");
	else
		/* whatever it says: in UTF-7 and others "<!" looks different */
		doc = xmlReadMemory(body.ptr, (int)body.len, NULL, "UTF-8",
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
						| XML_PARSE_IGNORE_ENC);
	if(doc)
		read_root(&r, xmlDocGetRootElement(doc), out);
	else
		wrong(&r, TG_MRAS_MALFORMED, "not well-formed XML");
	xmlFreeDoc(doc);
	*why = r.why;
	return r.status;
}

/* ---- identities ----------------------------------------------------------- */

static bool user_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		   || (c >= '0' && c <= '9') || (c && strchr("-_.!~*'()&=+$,;?/%", c));
}

static bool domain_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
		   || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool tg_mras_identity_split(
		struct tg_span identity, struct tg_span *user, struct tg_span *domain)
{
	struct tg_span rest = identity;
	struct tg_span scheme = tg_span_cut(&rest, ':');

	*user = tg_span_cut(&rest, '@');
	*domain = rest;
	if((!tg_span_ieq(scheme, TG_SPAN("sip"))
			   && !tg_span_ieq(scheme, TG_SPAN("sips")))
			|| !user->len || !domain->len)
		return false;
	for(size_t i = 0; i < user->len; i++)
		if(!user_octet(user->ptr[i]))
			return false;
	for(size_t i = 0; i < domain->len; i++)
		if(!domain_octet(domain->ptr[i]))
			return false;
	return true;
}

/* -1: none */
static int hex_digit(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%61" is 'a'; 0: no escape, or one of an octet that needs it */
static char unescaped(struct tg_span s)
{
	int high = s.len < 3 || s.ptr[0] != '%' ? -1 : hex_digit(s.ptr[1]);
	int low = high < 0 ? -1 : hex_digit(s.ptr[2]);
	int c = low < 0 ? 0 : high << 4 | low;

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
						   || (c >= '0' && c <= '9')
						   || (c && strchr("-_.!~*'()", c))
				   ? (char)c
				   : 0;
}

bool tg_mras_address_fold(
		struct tg_span address, char out[TG_MRAS_TEXT_MAX + 1])
{
	size_t n = 0;

	out[0] = 0;
	for(size_t i = 0; i < address.len; i++) {
		char c = unescaped(tg_span_of(address.ptr + i, address.len - i));

		if(n == TG_MRAS_TEXT_MAX)
			return false;
		if(c)
			i += 2;
		else
			c = address.ptr[i];
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	out[n] = 0;
	return true;
}
