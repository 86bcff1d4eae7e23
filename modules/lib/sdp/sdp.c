/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The index of a session description: lines first, then one pass that hands
 * each line to the section it stands in. Octets are never copied.
 */
#include "sdp/sdp.h"

#include "sdp/attribute.h"

struct parser {
	struct tg_sdp *sdp;
	struct tg_arena *arena;
};

static enum tg_sdp_rc malformed(
		struct tg_sdp *sdp, size_t line, const char *what)
{
	sdp->bad_line = (uint32_t)line + 1;
	sdp->bad = what;
	return TG_SDP_MALFORMED;
}

/* ---- lines --------------------------------------------------------------- */

static size_t count_lines(struct tg_span text)
{
	size_t n = 0;

	while(text.len) {
		tg_span_cut(&text, '\n');
		n++;
	}
	return n;
}

static bool take_line(struct tg_span *rest, struct tg_sdp_line *line)
{
	size_t at = tg_span_find(*rest, '\n');
	bool ended = at < rest->len;
	struct tg_span text = tg_span_cut(rest, '\n');

	line->end_octets = ended ? 1 : 0;
	if(ended && text.len && text.ptr[text.len - 1] == '\r') {
		text.len--;
		line->end_octets = 2;
	}
	line->text = text;
	line->type = text.len ? text.ptr[0] : 0;
	return text.len >= 2 && text.ptr[1] == '=' && text.ptr[0] >= 'a'
		   && text.ptr[0] <= 'z' && !memchr(text.ptr, 0, text.len)
		   && !memchr(text.ptr, '\r', text.len);
}

static enum tg_sdp_rc split(struct parser *p)
{
	struct tg_sdp *sdp = p->sdp;
	struct tg_span rest = sdp->text;
	size_t n = count_lines(rest);

	if(n > TG_SDP_LINES_MAX)
		return TG_SDP_TOO_LARGE;
	sdp->line = tg_arena_array(p->arena, n, sizeof(*sdp->line));
	if(!sdp->line)
		return TG_SDP_NO_MEMORY;
	for(size_t i = 0; i < n; i++) {
		if(!take_line(&rest, &sdp->line[i]))
			return malformed(sdp, i, "not of the form letter=value");
		sdp->n_lines = i + 1;
	}
	return TG_SDP_OK;
}

/* ---- sections ------------------------------------------------------------ */

static struct tg_span value_of(const struct tg_sdp_line *line)
{
	return tg_span_of(line->text.ptr + 2, line->text.len - 2);
}

static enum tg_sdp_rc make_media(struct parser *p)
{
	struct tg_sdp *sdp = p->sdp;
	size_t n = 0;

	for(size_t i = 0; i < sdp->n_lines; i++)
		n += sdp->line[i].type == 'm';
	if(n > TG_SDP_MEDIA_MAX)
		return TG_SDP_TOO_LARGE;
	if(n == 0)
		return TG_SDP_OK;
	sdp->media = tg_arena_array(p->arena, n, sizeof(*sdp->media));
	return sdp->media ? TG_SDP_OK : TG_SDP_NO_MEMORY;
}

static bool parse_ports(struct tg_span s, struct tg_sdp_media *m)
{
	struct tg_span port = tg_span_cut(&s, '/');
	uint64_t v, n = 1;

	if(!tg_span_u64(port, UINT16_MAX, &v)
			|| (s.len && !tg_span_u64(s, UINT16_MAX, &n)) || n == 0)
		return false;
	m->port = (uint16_t)v;
	m->n_ports = (uint16_t)n;
	return true;
}

static bool parse_media(struct tg_span v, struct tg_sdp_media *m)
{
	m->type = tg_span_cut(&v, ' ');
	if(!parse_ports(tg_span_cut(&v, ' '), m))
		return false;
	m->proto = tg_span_cut(&v, ' ');
	m->kind = tg_sdp_proto_kind(m->proto, &m->feedback);
	return m->type.len && m->proto.len;
}

/* c=<nettype> <addrtype> <address>[/ttl[/n]] */
static struct tg_span connection_address(struct tg_span v)
{
	tg_span_cut(&v, ' ');
	tg_span_cut(&v, ' ');
	v = tg_span_trim(v);
	return tg_span_cut(&v, '/');
}

static enum tg_sdp_rc media_lines(struct parser *p, struct tg_sdp_media *m)
{
	struct tg_sdp *sdp = p->sdp;
	size_t end = m->first_line + m->n_lines;
	size_t n_crypto = 0;

	for(size_t i = m->first_line; i < end; i++)
		n_crypto += tg_sdp_is_crypto(&sdp->line[i]);
	if(n_crypto > TG_SDP_CRYPTO_MAX)
		return TG_SDP_TOO_LARGE;
	if(n_crypto) {
		m->crypto = tg_arena_array(p->arena, n_crypto, sizeof(*m->crypto));
		if(!m->crypto)
			return TG_SDP_NO_MEMORY;
	}
	m->address = sdp->session_address;
	for(size_t i = m->first_line + 1; i < end; i++) {
		const struct tg_sdp_line *line = &sdp->line[i];

		if(line->type == 'c')
			m->address = connection_address(value_of(line));
		else if(line->type == 'a')
			tg_sdp_media_attribute(m, (uint32_t)i, value_of(line));
	}
	tg_sdp_inherit(&m->security, &sdp->security);
	return TG_SDP_OK;
}

static enum tg_sdp_rc session_lines(struct parser *p, size_t end)
{
	struct tg_sdp *sdp = p->sdp;

	for(size_t i = 0; i < end; i++) {
		const struct tg_sdp_line *line = &sdp->line[i];

		if(line->type == 'c')
			sdp->session_address = connection_address(value_of(line));
		else if(line->type == 'a')
			tg_sdp_security_attribute(&sdp->security, value_of(line));
	}
	return TG_SDP_OK;
}

static size_t next_media(const struct tg_sdp *sdp, size_t i)
{
	while(i < sdp->n_lines && sdp->line[i].type != 'm')
		i++;
	return i;
}

static enum tg_sdp_rc sections(struct parser *p)
{
	struct tg_sdp *sdp = p->sdp;
	size_t at = next_media(sdp, 0);
	enum tg_sdp_rc rc = make_media(p);

	if(rc == TG_SDP_OK)
		rc = session_lines(p, at);
	while(rc == TG_SDP_OK && at < sdp->n_lines) {
		struct tg_sdp_media *m = &sdp->media[sdp->n_media];
		size_t end = next_media(sdp, at + 1);

		m->first_line = (uint32_t)at;
		m->n_lines = (uint32_t)(end - at);
		if(!parse_media(value_of(&sdp->line[at]), m))
			return malformed(sdp, at, "m= needs media, port, protocol");
		rc = media_lines(p, m);
		sdp->n_media++;
		at = end;
	}
	return rc;
}

enum tg_sdp_rc tg_sdp_parse(
		struct tg_span text, struct tg_arena *arena, struct tg_sdp *out)
{
	struct parser p = {out, arena};
	enum tg_sdp_rc rc;

	memset(out, 0, sizeof(*out));
	out->text = text;
	if(text.len == 0)
		return TG_SDP_EMPTY;
	if(text.len > TG_SDP_OCTETS_MAX)
		return TG_SDP_TOO_LARGE;
	rc = split(&p);
	if(rc == TG_SDP_OK && !tg_span_eq(out->line[0].text, TG_SPAN("v=0")))
		rc = malformed(out, 0, "does not begin with v=0");
	if(rc == TG_SDP_OK)
		rc = sections(&p);
	return rc;
}
