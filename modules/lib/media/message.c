/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "media/message.h"

#include <stdio.h>

#include "base/text.h"

/* Values of headers; of a body's part, too */
struct headers {
	struct tg_span content_type;
	struct tg_span encoding;
	struct tg_span transfer; /* encoding, of a part */
	struct tg_span length;
	struct tg_span call_id;
	struct tg_span cseq;
	struct tg_span from;
	struct tg_span to;
	bool twice; /* one that decides about the body stands twice */
};

/* ---- headers ------------------------------------------------------------- */

/* A line without its end; *at moves behind it */
static struct tg_span next_line(struct tg_span s, size_t *at)
{
	struct tg_span rest = tg_span_of(s.ptr + *at, s.len - *at);
	size_t n = tg_span_find(rest, '\n');

	*at += n < rest.len ? n + 1 : n;
	if(n && rest.ptr[n - 1] == '\r')
		n--;
	return tg_span_of(rest.ptr, n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A header with its folded lines (RFC 3261 section 7.3.1) */
static struct tg_span next_header(struct tg_span s, size_t *at)
{
	struct tg_span line = next_line(s, at);

	while(line.len && *at < s.len && is_blank(s.ptr[*at])) {
		struct tg_span more = next_line(s, at);

		line.len = (size_t)(more.ptr + more.len - line.ptr);
	}
	return line;
}

/* compact: its letter, small; 0: it has no compact form */
static bool named(struct tg_span name, struct tg_span full, char compact)
{
	if(name.len == 1)
		return compact && (name.ptr[0] | 0x20) == compact;
	return name.len == full.len && tg_span_ieq(name, full);
}

static void take(struct tg_span value, struct tg_span *slot, bool *twice)
{
	if(slot->ptr && twice)
		*twice = true;
	*slot = tg_span_trim(value);
	if(!slot->ptr)
		slot->ptr = "";
}

/* First letters of the names below, long and compact: most headers have
 * others. A line may begin with a blank, if it is the first of all */
static bool may_matter(char first)
{
	if(first <= ' ')
		return true;
	switch(first | 0x20) {
		case 'c': /* Content-..., Call-ID, CSeq */
		case 'e':
		case 'f':
		case 'i':
		case 'l':
		case 't':
			return true;
		default:
			return false;
	}
}

static void take_header(
		struct tg_span name, struct tg_span value, struct headers *h)
{
	/* by length first: one comparison, or none */
	switch(name.len) {
		case 1:
		case 12:
		case 14:
		case 16:
		case 25:
			if(named(name, TG_SPAN("Content-Type"), 'c'))
				take(value, &h->content_type, &h->twice);
			else if(named(name, TG_SPAN("Content-Encoding"), 'e'))
				take(value, &h->encoding, &h->twice);
			else if(named(name, TG_SPAN("Content-Length"), 'l'))
				take(value, &h->length, &h->twice);
			else if(named(name, TG_SPAN("Content-Transfer-Encoding"), 0))
				take(value, &h->transfer, &h->twice);
			if(name.len > 1)
				break;
			/* fall through */
		case 4:
		case 7:
			if(named(name, TG_SPAN("Call-ID"), 'i'))
				take(value, &h->call_id, NULL);
			else if(named(name, TG_SPAN("CSeq"), 0))
				take(value, &h->cseq, NULL);
			else if(named(name, TG_SPAN("From"), 'f'))
				take(value, &h->from, NULL);
			if(name.len > 1)
				break;
			/* fall through */
		case 2:
			if(named(name, TG_SPAN("To"), 't'))
				take(value, &h->to, NULL);
			break;
		default:
			break;
	}
}

/* Up to the blank line; *at then stands behind it. False: there is none */
static bool read_headers(struct tg_span s, size_t *at, struct headers *h)
{
	memset(h, 0, sizeof(*h));
	while(*at < s.len) {
		struct tg_span value = next_header(s, at);
		struct tg_span name;

		if(value.len == 0)
			return true;
		if(!may_matter(value.ptr[0]))
			continue;
		name = tg_span_trim(tg_span_cut(&value, ':'));
		take_header(name, value, h);
	}
	return false;
}

/* The value of a parameter "tag=X" that begins here; empty: another one */
static struct tg_span tag_at(struct tg_span params)
{
	struct tg_span one = tg_span_cut(&params, ';');
	struct tg_span name = tg_span_trim(tg_span_cut(&one, '='));

	return tg_span_ieq(name, TG_SPAN("tag")) ? tg_span_trim(one)
											 : tg_span_of(NULL, 0);
}

/* ";tag=" outside of angle brackets and quotes */
static struct tg_span tag_of(struct tg_span s)
{
	bool quoted = false, bracket = false;
	bool quotes = s.len && memchr(s.ptr, '"', s.len) != NULL;

	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(bracket && !quotes && c != '>') /* nothing else matters here */
			i += tg_span_find(tg_span_of(s.ptr + i, s.len - i), '>') - 1;
		else if(c == '"')
			quoted = !quoted;
		else if(c == '\\' && quoted)
			i++;
		else if(!quoted && (c == '<' || c == '>'))
			bracket = c == '<';
		else if(!quoted && !bracket && c == ';') {
			struct tg_span tag =
					tag_at(tg_span_of(s.ptr + i + 1, s.len - i - 1));

			if(tag.len)
				return tag;
		}
	}
	return tg_span_of(NULL, 0);
}

/* ---- bodies -------------------------------------------------------------- */

/* "application/sdp ; x=y" is application/sdp */
static bool is_type(struct tg_span content_type, struct tg_span want)
{
	struct tg_span media = tg_span_trim(tg_span_cut(&content_type, ';'));
	struct tg_span main_type = tg_span_trim(tg_span_cut(&media, '/'));
	struct tg_span sub = tg_span_trim(media);
	struct tg_span want_main = tg_span_cut(&want, '/');

	return tg_span_ieq(main_type, want_main)
		   && (want.len == 0 || tg_span_ieq(sub, want));
}

/* Far ends look no further than this; no other registered type begins so */
static bool begins_like_sdp(struct tg_span content_type)
{
	const struct tg_span sdp = TG_SPAN("application/sdp");

	return is_type(content_type, sdp)
		   || (content_type.len > sdp.len
				   && tg_span_ieq(tg_span_of(content_type.ptr, sdp.len), sdp));
}

/* Its octets are not the text that is read in the end */
static bool is_coded(const struct headers *h)
{
	return h->encoding.len
		   || (h->transfer.len && !tg_span_ieq(h->transfer, TG_SPAN("7bit"))
				   && !tg_span_ieq(h->transfer, TG_SPAN("8bit"))
				   && !tg_span_ieq(h->transfer, TG_SPAN("binary")));
}

/* boundary=X or "X"; empty: none, or two, of which a reader takes either */
static struct tg_span boundary_of(struct tg_span content_type)
{
	struct tg_span found = {NULL, 0};

	tg_span_cut(&content_type, ';');
	while(content_type.len) {
		struct tg_span value = tg_span_cut(&content_type, ';');
		struct tg_span name = tg_span_trim(tg_span_cut(&value, '='));

		if(!tg_span_ieq(name, TG_SPAN("boundary")))
			continue;
		value = tg_span_trim(value);
		if(value.len >= 2 && value.ptr[0] == '"'
				&& value.ptr[value.len - 1] == '"')
			value = tg_span_of(value.ptr + 1, value.len - 2);
		if(found.ptr || value.len > 70)
			return tg_span_of(NULL, 0);
		found = value;
	}
	return found;
}

static bool read_body(struct tg_media_message *m, const struct headers *h,
		struct tg_span body, unsigned depth);

static bool add_sdp(struct tg_media_message *m, struct tg_span sdp)
{
	if(m->n_sdp == TG_MEDIA_SDP_MAX)
		return false;
	m->sdp[m->n_sdp++] = sdp;
	return true;
}

/* Is this line "--boundary" or "--boundary--"? */
static bool is_delimiter(
		struct tg_span line, struct tg_span boundary, bool *last)
{
	struct tg_span rest;

	if(!tg_span_starts(line, TG_SPAN("--")))
		return false;
	rest = tg_span_of(line.ptr + 2, line.len - 2);
	if(!tg_span_starts(rest, boundary))
		return false;
	rest = tg_span_trim(
			tg_span_of(rest.ptr + boundary.len, rest.len - boundary.len));
	*last = tg_span_starts(rest, TG_SPAN("--"));
	return *last || rest.len == 0;
}

static bool read_part(
		struct tg_media_message *m, struct tg_span part, unsigned depth)
{
	struct headers h;
	size_t at = 0;

	if(!read_headers(part, &at, &h))
		return false;
	return read_body(
			m, &h, tg_span_of(part.ptr + at, part.len - at), depth + 1);
}

/* The line end before a delimiter belongs to the delimiter */
static struct tg_span part_of(struct tg_span body, size_t from, size_t to)
{
	if(to > from && body.ptr[to - 1] == '\n')
		to--;
	if(to > from && body.ptr[to - 1] == '\r')
		to--;
	return tg_span_of(body.ptr + from, to - from);
}

static bool read_multipart(struct tg_media_message *m, struct tg_span boundary,
		struct tg_span body, unsigned depth)
{
	size_t at = 0, part = 0;
	bool inside = false, last = false;

	if(boundary.len == 0 || depth >= TG_MEDIA_NESTING_MAX)
		return false;
	while(at < body.len && !last) {
		size_t start = at;
		struct tg_span line = next_line(body, &at);

		if(!is_delimiter(line, boundary, &last))
			continue;
		if(inside && !read_part(m, part_of(body, part, start), depth))
			return false;
		inside = true;
		part = at;
	}
	/* a lenient reader may take a part without its end */
	return last
		   || (inside && read_part(m, part_of(body, part, body.len), depth));
}

static bool read_body(struct tg_media_message *m, const struct headers *h,
		struct tg_span body, unsigned depth)
{
	bool sdp = begins_like_sdp(h->content_type)
			   || tg_span_starts(body, TG_SPAN("v=0"));

	if(tg_span_trim(body).len == 0)
		return true;
	if(h->twice)
		return false;
	if(is_type(h->content_type, TG_SPAN("multipart/")))
		return !is_coded(h)
			   && read_multipart(m, boundary_of(h->content_type), body, depth);
	if(!sdp)
		return true;
	return !is_coded(h) && add_sdp(m, body);
}

static bool negotiates_media(struct tg_span method)
{
	static const struct tg_span methods[] = {TG_SPAN_INIT("INVITE"),
			TG_SPAN_INIT("ACK"), TG_SPAN_INIT("PRACK"), TG_SPAN_INIT("UPDATE")};

	for(size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if(tg_span_ieq(method, methods[i]))
			return true;
	}
	return false;
}

/*
 * RFC 3261 7.4.1 wants a type. Where there is none a far end may assume a
 * description, and skip blanks before its lines
 */
static bool is_untyped(
		const struct tg_media_message *m, const struct headers *h)
{
	return h->content_type.len == 0 && m->n_sdp == 0
		   && tg_span_trim(m->body).len > 0;
}

static bool is_in_sdp(const struct tg_media_message *m, const char *at)
{
	for(size_t i = 0; i < m->n_sdp; i++) {
		if(at >= m->sdp[i].ptr && at < m->sdp[i].ptr + m->sdp[i].len)
			return true;
	}
	return false;
}

/*
 * A media line outside of what was found to be a description: behind a type
 * that we do not know, or a delimiter that we do not see, but the far end may
 */
static bool has_more_media(const struct tg_media_message *m)
{
	const char *at = m->body.ptr, *end = at + m->body.len;

	if(m->n_sdp == 1 && m->sdp[0].len == m->body.len)
		return false;
	while((at = memmem(at, (size_t)(end - at), "m=", 2))) {
		if((at == m->body.ptr || at[-1] == '\n' || at[-1] == '\r')
				&& !is_in_sdp(m, at))
			return true;
		at++;
	}
	return false;
}

bool tg_media_message_has_body(struct tg_span bytes)
{
	size_t at = 0;

	while(at < bytes.len) {
		size_t n =
				tg_span_find(tg_span_of(bytes.ptr + at, bytes.len - at), '\n');

		at += n;
		if(at >= bytes.len)
			return true; /* no end of the headers: for the reader to refuse */
		at++;
		if(at < bytes.len && bytes.ptr[at] == '\n')
			return at + 1 < bytes.len;
		if(at + 1 < bytes.len && bytes.ptr[at] == '\r'
				&& bytes.ptr[at + 1] == '\n')
			return at + 2 < bytes.len;
	}
	return true;
}

/* ---- the message --------------------------------------------------------- */

static struct tg_span next_word(struct tg_span *line)
{
	*line = tg_span_trim(*line);
	return tg_span_cut(line, ' ');
}

/* Does it say so anywhere? What Kamailio takes for SIP says so in its place */
static bool names_sip(struct tg_span line, struct tg_span version)
{
	for(; line.len; line = tg_span_of(line.ptr + 1, line.len - 1)) {
		if(tg_span_istarts(line, version))
			return true;
	}
	return false;
}

/*
 * "METHOD URI SIP/2.0" or "SIP/2.0 CODE PHRASE", with more blanks than there
 * should be if the sender likes. *method of a request
 */
static enum tg_media_rc read_first_line(
		struct tg_media_message *m, struct tg_span line, struct tg_span *method)
{
	const struct tg_span version = TG_SPAN("SIP/2.0");
	uint64_t code;

	line = tg_span_trim(line);
	if(tg_span_istarts(line, version)) {
		line = tg_span_of(line.ptr + version.len, line.len - version.len);
		if(!tg_span_u64(next_word(&line), 699, &code))
			return TG_MEDIA_UNREADABLE;
		m->status = (unsigned)code;
		return TG_MEDIA_OK;
	}
	m->request = true;
	if(line.len <= version.len
			|| !tg_span_ieq(
					tg_span_of(line.ptr + line.len - version.len, version.len),
					version))
		return names_sip(line, version) ? TG_MEDIA_UNREADABLE
										: TG_MEDIA_NOT_SIP;
	*method = next_word(&line);
	return TG_MEDIA_OK;
}

/* Kamailio passes over these in front of a first line; others may, too */
static bool begins_late(struct tg_span bytes)
{
	return bytes.len && (unsigned char)bytes.ptr[0] <= ' ';
}

static bool is_keepalive(struct tg_span bytes)
{
	for(size_t i = 0; i < bytes.len; i++) {
		if((unsigned char)bytes.ptr[i] > ' ')
			return false;
	}
	return true;
}

enum tg_media_rc tg_media_message_read(
		struct tg_span bytes, struct tg_media_message *out)
{
	struct headers h;
	enum tg_media_rc rc;
	struct tg_span cseq, method = {NULL, 0};
	uint64_t length;
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	out->bytes = bytes;
	if(begins_late(bytes))
		return is_keepalive(bytes) ? TG_MEDIA_NOT_SIP : TG_MEDIA_UNREADABLE;
	rc = read_first_line(out, next_line(bytes, &at), &method);
	if(rc != TG_MEDIA_OK)
		return rc;
	if(!read_headers(bytes, &at, &h))
		return TG_MEDIA_UNREADABLE;
	out->call_id = h.call_id;
	out->from_tag = tag_of(h.from);
	out->to_tag = tag_of(h.to);
	out->in_dialog = out->to_tag.len > 0;
	out->cseq = cseq = h.cseq;
	while(cseq.len && cseq.ptr[0] >= '0' && cseq.ptr[0] <= '9')
		cseq = tg_span_of(cseq.ptr + 1, cseq.len - 1);
	out->method = tg_span_trim(cseq);
	out->length = h.length;
	out->body = tg_span_of(bytes.ptr + at, bytes.len - at);
	/* the receiver takes Content-Length octets: so do we (RFC 3261 18.3) */
	if(h.length.len) {
		if(!tg_span_u64(h.length, out->body.len, &length))
			return TG_MEDIA_UNREADABLE;
		out->body.len = (size_t)length;
	}
	/* RFC 3261 8.1.1.5: what one reader calls OPTIONS is an INVITE to another */
	if(out->request && out->body.len && !tg_span_eq(method, out->method))
		return TG_MEDIA_UNREADABLE;
	if(!read_body(out, &h, out->body, 0))
		return TG_MEDIA_UNREADABLE;
	if(negotiates_media(out->method)
			&& (is_untyped(out, &h) || has_more_media(out)))
		return TG_MEDIA_UNREADABLE;
	return TG_MEDIA_OK;
}

struct writer {
	char *buffer; /* NULL: only count */
	size_t used;
};

static void put(struct writer *w, struct tg_span s)
{
	if(w->buffer && s.len)
		memcpy(w->buffer + w->used, s.ptr, s.len);
	w->used += s.len;
}

/* Octets from *at up to where, then *at moves behind skipped */
static void put_until(
		struct writer *w, const char **at, const char *where, size_t skipped)
{
	put(w, tg_span_of(*at, (size_t)(where - *at)));
	*at = where + skipped;
}

static void put_all(struct writer *w, const struct tg_media_message *m,
		const struct tg_span *with, struct tg_span length)
{
	const char *at = m->bytes.ptr;

	if(m->length.len) {
		put_until(w, &at, m->length.ptr, m->length.len);
		put(w, length);
	}
	for(size_t i = 0; i < m->n_sdp; i++) {
		put_until(w, &at, m->sdp[i].ptr, m->sdp[i].len);
		put(w, with[i]);
	}
	put_until(w, &at, m->bytes.ptr + m->bytes.len, 0);
}

struct tg_span tg_media_message_write(const struct tg_media_message *m,
		const struct tg_span with[TG_MEDIA_SDP_MAX], struct tg_arena *arena)
{
	size_t octets = m->body.len;
	struct writer w = {NULL, 0};
	char text[24];
	int n;

	for(size_t i = 0; i < m->n_sdp; i++)
		octets += with[i].len - m->sdp[i].len; /* wraps back where it shrinks */
	n = snprintf(text, sizeof(text), "%zu", octets);
	put_all(&w, m, with, tg_span_of(text, (size_t)n));
	w.buffer = tg_arena_get(arena, w.used + 1);
	if(!w.buffer)
		return tg_span_of(NULL, 0);
	w.used = 0;
	put_all(&w, m, with, tg_span_of(text, (size_t)n));
	return tg_span_of(w.buffer, w.used);
}

/* ---- other messages made of one -------------------------------------------- */

static bool is_about_body(struct tg_span name)
{
	return tg_span_istarts(name, TG_SPAN("Content-"))
		   || named(name, TG_SPAN("Content-Type"), 'c')
		   || named(name, TG_SPAN("Content-Encoding"), 'e')
		   || named(name, TG_SPAN("Content-Length"), 'l');
}

static bool kept_in_refusal(struct tg_span name)
{
	return !is_about_body(name) && !named(name, TG_SPAN("Contact"), 'm')
		   && !named(name, TG_SPAN("Warning"), 0)
		   && !named(name, TG_SPAN("Record-Route"), 0)
		   && !named(name, TG_SPAN("Session-Expires"), 'x')
		   && !named(name, TG_SPAN("Require"), 0)
		   && !named(name, TG_SPAN("RSeq"), 0);
}

static bool kept_without_body(struct tg_span name)
{
	return !is_about_body(name);
}

static bool kept_in_successor(struct tg_span name)
{
	return named(name, TG_SPAN("Route"), 0)
		   || named(name, TG_SPAN("Max-Forwards"), 0)
		   || named(name, TG_SPAN("From"), 'f')
		   || named(name, TG_SPAN("To"), 't')
		   || named(name, TG_SPAN("Call-ID"), 'i');
}

/* What is made: a first line, what is kept, more headers with their ends */
struct recipe {
	struct tg_span first_line[4]; /* pieces of it */
	struct tg_span more;
	bool (*kept)(struct tg_span name);
};

static void put_made(struct writer *w, const struct tg_media_message *m,
		const struct recipe *r)
{
	const struct tg_span eol = TG_SPAN("\r\n");
	size_t at = 0;

	for(size_t i = 0; i < 4; i++)
		put(w, r->first_line[i]);
	put(w, eol);
	next_line(m->bytes, &at);
	while(at < m->bytes.len) {
		struct tg_span header = next_header(m->bytes, &at);
		struct tg_span value = header;

		if(header.len == 0)
			break;
		if(!r->kept(tg_span_trim(tg_span_cut(&value, ':'))))
			continue;
		put(w, header);
		put(w, eol);
	}
	put(w, r->more);
	put(w, TG_SPAN("Content-Length: 0\r\n\r\n"));
}

static struct tg_span make(const struct tg_media_message *m,
		const struct recipe *r, struct tg_arena *arena)
{
	struct writer w = {NULL, 0};

	put_made(&w, m, r);
	w.buffer = tg_arena_get(arena, w.used + 1);
	if(!w.buffer)
		return tg_span_of(NULL, 0);
	w.used = 0;
	put_made(&w, m, r);
	return tg_span_of(w.buffer, w.used);
}

struct tg_span tg_media_message_refusal(const struct tg_media_message *m,
		unsigned code, const char *phrase, struct tg_span warning,
		struct tg_arena *arena)
{
	struct recipe r = {.kept = kept_in_refusal};
	char first[128], more[512] = "";
	struct tg_text text;

	tg_text_init(&text, more, sizeof(more));
	if(warning.len)
		tg_text_say(&text, "%.*s\r\n", TG_SPAN_FMT(warning));
	r.more = tg_text_span(&text);
	if(text.full)
		return tg_span_of(NULL, 0);
	tg_text_init(&text, first, sizeof(first));
	tg_text_say(&text, "SIP/2.0 %u %s", code, phrase);
	r.first_line[0] = tg_text_span(&text);
	return text.full ? tg_span_of(NULL, 0) : make(m, &r, arena);
}

struct tg_span tg_media_message_bodyless(
		const struct tg_media_message *m, struct tg_arena *arena)
{
	struct recipe r = {.kept = kept_without_body};
	size_t at = 0;

	r.first_line[0] = next_line(m->bytes, &at);
	return make(m, &r, arena);
}

struct tg_span tg_media_message_successor(const struct tg_media_message *m,
		const char *method, struct tg_span via, struct tg_arena *arena)
{
	struct recipe r = {.kept = kept_in_successor};
	struct tg_span line, uri, cseq = m->cseq;
	char more[512];
	struct tg_text text;
	uint64_t n;
	size_t at = 0;

	line = next_line(m->bytes, &at);
	tg_span_cut(&line, ' ');
	uri = tg_span_cut(&line, ' ');
	if(!m->request
			|| !tg_span_u64(tg_span_cut(&cseq, ' '), UINT32_MAX / 2 - 1, &n))
		return tg_span_of(NULL, 0);
	tg_text_init(&text, more, sizeof(more));
	tg_text_say(&text, "%.*s\r\nCSeq: %u %s\r\n", TG_SPAN_FMT(via),
			(unsigned)n + 1, method);
	r.more = tg_text_span(&text);
	if(text.full)
		return tg_span_of(NULL, 0);
	r.first_line[0] = tg_span_cstr(method);
	r.first_line[1] = TG_SPAN(" ");
	r.first_line[2] = uri;
	r.first_line[3] = TG_SPAN(" SIP/2.0");
	return make(m, &r, arena);
}
