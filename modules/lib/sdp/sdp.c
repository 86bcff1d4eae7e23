/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The index of a session description. Three passes: lines, number of media
 * sections, their contents. Strict where two readers could disagree about
 * what is said (a second v= or c= line, a lone CR, NUL, a broken m= line);
 * lines it does not know are only counted.
 */
#include "sdp/internal.h"

/* ---- lines --------------------------------------------------------------- */

static enum tg_sdp_rc bad(struct tg_sdp *sdp, size_t index, const char *what)
{
	sdp->bad_line = (uint32_t)index + 1;
	sdp->bad = what;
	return TG_SDP_MALFORMED;
}

static size_t count_lines(struct tg_span text)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	size_t n = text.ptr[text.len - 1] == '\n' ? 0 : 1;

	while((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		n++;
		if(++at == end)
			break;
	}
	return n;
}

static void split(struct tg_sdp *sdp)
{
	struct tg_span rest = sdp->text;

	for(size_t i = 0; i < sdp->n_lines; i++) {
		struct tg_sdp_line *line = &sdp->line[i];
		size_t end = tg_span_find(rest, '\n');
		size_t whole = end < rest.len ? end + 1 : end;

		line->text = tg_span_of(rest.ptr, end);
		if(end < rest.len && end && rest.ptr[end - 1] == '\r')
			line->text.len--;
		line->end_octets = whole - line->text.len;
		rest = tg_span_of(rest.ptr + whole, rest.len - whole);
	}
}

/* nul: there is one in the text */
static bool has_control(struct tg_span s, bool nul)
{
	return memchr(s.ptr, '\r', s.len) != NULL
		   || (nul && memchr(s.ptr, 0, s.len) != NULL);
}

/* Blank lines are let through at the end alone */
static enum tg_sdp_rc check_lines(struct tg_sdp *sdp)
{
	bool blank = false;
	bool nul = memchr(sdp->text.ptr, 0, sdp->text.len) != NULL;

	for(size_t i = 0; i < sdp->n_lines; i++) {
		struct tg_sdp_line *line = &sdp->line[i];
		struct tg_span s = line->text;

		if(s.len == 0) {
			blank = true;
			continue;
		}
		if(blank)
			return bad(sdp, i, "text after a blank line");
		if(s.len < 2 || s.ptr[1] != '=' || s.ptr[0] < 'a' || s.ptr[0] > 'z')
			return bad(sdp, i, "not of the form x=...");
		if(has_control(s, nul))
			return bad(sdp, i, "CR or NUL inside a line");
		if((s.ptr[0] == 'v') != (i == 0))
			return bad(sdp, i, i ? "a second v= line" : "v= must come first");
		line->type = s.ptr[0];
	}
	return TG_SDP_OK;
}

struct tg_sdp_attribute tg_sdp_attribute_of(const struct tg_sdp_line *line)
{
	struct tg_sdp_attribute a = {{0}, {0}};

	if(line->type == 'a' && line->text.len > 2) {
		a.value = tg_span_of(line->text.ptr + 2, line->text.len - 2);
		a.name = tg_span_cut(&a.value, ':');
	}
	return a;
}

/* ---- values -------------------------------------------------------------- */

static struct tg_span value_of(const struct tg_sdp_line *line)
{
	return tg_span_of(line->text.ptr + 2, line->text.len - 2);
}

static bool is_token(struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		if(s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
			return false;
	}
	return s.len > 0;
}

static enum tg_sdp_proto_kind kind_of(struct tg_span proto, bool *feedback)
{
	static const struct {
		struct tg_span name;
		enum tg_sdp_proto_kind kind;
		bool feedback;
	} known[] = {
			{TG_SPAN_INIT("RTP/AVP"), TG_SDP_PROTO_AVP, false},
			{TG_SPAN_INIT("RTP/AVPF"), TG_SDP_PROTO_AVP, true},
			{TG_SPAN_INIT("RTP/SAVP"), TG_SDP_PROTO_SAVP, false},
			{TG_SPAN_INIT("RTP/SAVPF"), TG_SDP_PROTO_SAVP, true},
			{TG_SPAN_INIT("UDP/TLS/RTP/SAVP"), TG_SDP_PROTO_DTLS, false},
			{TG_SPAN_INIT("UDP/TLS/RTP/SAVPF"), TG_SDP_PROTO_DTLS, true},
	};

	for(size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if(tg_span_ieq(proto, known[i].name)) {
			*feedback = known[i].feedback;
			return known[i].kind;
		}
	}
	return TG_SDP_PROTO_OTHER;
}

/* "audio 49170/2 RTP/AVP 0 8"; one blank between fields (RFC 8866 5.14) */
static bool read_media_line(struct tg_span v, struct tg_sdp_media *m)
{
	struct tg_span ports;
	uint64_t n;

	m->type = tg_span_cut(&v, ' ');
	ports = tg_span_cut(&v, ' ');
	m->proto = tg_span_cut(&v, ' ');
	if(!is_token(m->type) || !is_token(m->proto) || v.len == 0
			|| v.ptr[0] == ' ')
		return false;
	m->n_ports = 1;
	if(tg_span_find(ports, '/') < ports.len) {
		struct tg_span port = tg_span_cut(&ports, '/');

		if(!tg_span_u64(ports, UINT16_MAX, &n) || n == 0)
			return false;
		m->n_ports = (uint16_t)n;
		ports = port;
	}
	if(!tg_span_u64(ports, UINT16_MAX, &n))
		return false;
	m->port = (uint16_t)n;
	m->kind = kind_of(m->proto, &m->feedback);
	return true;
}

/* "IN IP4 192.0.2.1/127" */
static bool read_connection(struct tg_span v, struct tg_span *address)
{
	struct tg_span net = tg_span_cut(&v, ' ');
	struct tg_span type = tg_span_cut(&v, ' ');

	if(!is_token(net) || !is_token(type) || !is_token(v))
		return false;
	*address = tg_span_cut(&v, '/');
	return address->len > 0;
}

static enum tg_sdp_setup setup_of(struct tg_span v)
{
	static const struct tg_span names[] = {
			[TG_SDP_SETUP_ACTIVE] = TG_SPAN_INIT("active"),
			[TG_SDP_SETUP_PASSIVE] = TG_SPAN_INIT("passive"),
			[TG_SDP_SETUP_ACTPASS] = TG_SPAN_INIT("actpass"),
			[TG_SDP_SETUP_HOLDCONN] = TG_SPAN_INIT("holdconn"),
	};

	v = tg_span_trim(v);
	for(unsigned i = TG_SDP_SETUP_ACTIVE; i <= TG_SDP_SETUP_HOLDCONN; i++) {
		if(tg_span_ieq(v, names[i]))
			return (enum tg_sdp_setup)i;
	}
	return TG_SDP_SETUP_NONE;
}

static enum tg_sdp_encryption encryption_of(struct tg_span v)
{
	v = tg_span_trim(v);
	if(tg_span_ieq(v, TG_SPAN("optional")))
		return TG_SDP_ENC_OPTIONAL;
	if(tg_span_ieq(v, TG_SPAN("rejected")))
		return TG_SDP_ENC_REJECTED;
	return TG_SDP_ENC_REQUIRED; /* what we cannot read is the strict one */
}

/* Attributes that stand at either level */
static bool read_security(
		const struct tg_sdp_attribute *a, struct tg_sdp_security *s)
{
	if(tg_span_eq(a->name, TG_SPAN("fingerprint"))) {
		struct tg_span v = tg_span_trim(a->value);
		struct tg_span hash = tg_span_cut(&v, ' ');

		if(s->n_fingerprints++ == 0) {
			s->fingerprint_hash = hash;
			s->fingerprint = tg_span_trim(v);
		}
	} else if(tg_span_eq(a->name, TG_SPAN("setup"))) {
		s->setup = setup_of(a->value);
	} else if(tg_span_eq(a->name, TG_SPAN("tls-id"))) {
		s->tls_id = tg_span_trim(a->value);
	} else if(tg_span_eq(a->name, TG_SPAN("encryption"))) {
		s->encryption = encryption_of(a->value);
	} else if(tg_span_eq(a->name, TG_SPAN("key-mgmt"))) {
		s->key_mgmt = true;
	} else if(tg_span_eq(a->name, TG_SPAN("cryptoscale"))) {
		s->crypto_scale = true;
	} else {
		return false;
	}
	return true;
}

static void inherit(
		struct tg_sdp_security *m, const struct tg_sdp_security *session)
{
	if(m->n_fingerprints == 0) {
		m->fingerprint_hash = session->fingerprint_hash;
		m->fingerprint = session->fingerprint;
		m->n_fingerprints = session->n_fingerprints;
	}
	if(m->setup == TG_SDP_SETUP_NONE)
		m->setup = session->setup;
	if(m->tls_id.len == 0)
		m->tls_id = session->tls_id;
	if(m->encryption == TG_SDP_ENC_ABSENT)
		m->encryption = session->encryption;
	m->key_mgmt |= session->key_mgmt;
	m->crypto_scale |= session->crypto_scale;
}

/* ---- sections ------------------------------------------------------------ */

static bool read_rtcp(struct tg_span v, uint16_t *port)
{
	uint64_t n;

	v = tg_span_trim(v);
	if(!tg_span_u64(tg_span_cut(&v, ' '), UINT16_MAX, &n))
		return false;
	*port = (uint16_t)n;
	return true;
}

/* Attributes of a media section; NULL, or what is wrong */
static const char *read_media_attribute(
		const struct tg_sdp_attribute *a, uint32_t line, struct tg_sdp_media *m)
{
	if(tg_span_eq(a->name, TG_SPAN("crypto"))) {
		tg_sdp_crypto_read(a->value, &m->crypto[m->n_crypto]);
		m->crypto[m->n_crypto++].line = line;
	} else if(tg_span_eq(a->name, TG_SPAN("rtcp"))) {
		if(!read_rtcp(a->value, &m->rtcp_port))
			return "a=rtcp without a port";
	} else if(tg_span_eq(a->name, TG_SPAN("rtcp-mux"))) {
		m->rtcp_mux = true;
	} else if(tg_span_eq(a->name, TG_SPAN("bundle-only"))) {
		m->bundle_only = true;
	} else if(tg_span_eq(a->name, TG_SPAN("mid"))) {
		m->mid = tg_span_trim(a->value);
	} else {
		read_security(a, &m->security);
	}
	return NULL;
}

static size_t count_crypto(
		const struct tg_sdp *sdp, const struct tg_sdp_media *m)
{
	size_t n = 0;

	for(uint32_t i = 1; i < m->n_lines; i++) {
		struct tg_sdp_attribute a =
				tg_sdp_attribute_of(&sdp->line[m->first_line + i]);

		n += tg_span_eq(a.name, TG_SPAN("crypto"));
	}
	return n;
}

static enum tg_sdp_rc read_session(struct tg_sdp *sdp, size_t n_lines)
{
	for(size_t i = 1; i < n_lines; i++) {
		struct tg_sdp_attribute a = tg_sdp_attribute_of(&sdp->line[i]);

		if(sdp->line[i].type == 'a')
			read_security(&a, &sdp->security);
		if(sdp->line[i].type != 'c')
			continue;
		if(sdp->session_address.len)
			return bad(sdp, i, "a second c= line");
		if(!read_connection(value_of(&sdp->line[i]), &sdp->session_address))
			return bad(sdp, i, "c= line");
	}
	return TG_SDP_OK;
}

static enum tg_sdp_rc read_media(
		struct tg_sdp *sdp, struct tg_sdp_media *m, struct tg_arena *arena)
{
	size_t n_crypto = count_crypto(sdp, m);

	if(!read_media_line(value_of(&sdp->line[m->first_line]), m))
		return bad(sdp, m->first_line, "m= line");
	if(n_crypto > TG_SDP_CRYPTO_MAX)
		return TG_SDP_TOO_LARGE;
	if(n_crypto) {
		m->crypto = tg_arena_array(arena, n_crypto, sizeof(*m->crypto));
		if(!m->crypto)
			return TG_SDP_NO_MEMORY;
	}
	for(uint32_t i = m->first_line + 1; i < m->first_line + m->n_lines; i++) {
		struct tg_sdp_attribute a = tg_sdp_attribute_of(&sdp->line[i]);
		const char *what = read_media_attribute(&a, i, m);

		if(what)
			return bad(sdp, i, what);
		if(sdp->line[i].type != 'c')
			continue;
		if(m->address.len)
			return bad(sdp, i, "a second c= line");
		if(!read_connection(value_of(&sdp->line[i]), &m->address))
			return bad(sdp, i, "c= line");
	}
	if(m->address.len == 0)
		m->address = sdp->session_address;
	inherit(&m->security, &sdp->security);
	return TG_SDP_OK;
}

/* Finds the m= lines; *session_lines: how many stand before the first */
static enum tg_sdp_rc find_media(
		struct tg_sdp *sdp, struct tg_arena *arena, size_t *session_lines)
{
	size_t n = 0;

	*session_lines = sdp->n_lines;
	for(size_t i = 0; i < sdp->n_lines; i++) {
		if(sdp->line[i].type == 'm' && n++ == 0)
			*session_lines = i;
	}
	if(n > TG_SDP_MEDIA_MAX)
		return TG_SDP_TOO_LARGE;
	if(n == 0)
		return TG_SDP_OK;
	sdp->media = tg_arena_array(arena, n, sizeof(*sdp->media));
	if(!sdp->media)
		return TG_SDP_NO_MEMORY;
	for(size_t i = *session_lines; i < sdp->n_lines; i++) {
		if(sdp->line[i].type == 'm')
			sdp->media[sdp->n_media++].first_line = (uint32_t)i;
		if(sdp->line[i].type) /* not the blank lines at the end */
			sdp->media[sdp->n_media - 1].n_lines++;
	}
	return TG_SDP_OK;
}

static enum tg_sdp_rc read_all(struct tg_sdp *sdp, struct tg_arena *arena)
{
	size_t session_lines;
	enum tg_sdp_rc rc = check_lines(sdp);

	if(rc == TG_SDP_OK)
		rc = find_media(sdp, arena, &session_lines);
	if(rc == TG_SDP_OK)
		rc = read_session(sdp, session_lines);
	for(size_t i = 0; rc == TG_SDP_OK && i < sdp->n_media; i++)
		rc = read_media(sdp, &sdp->media[i], arena);
	return rc;
}

enum tg_sdp_rc tg_sdp_parse(
		struct tg_span text, struct tg_arena *arena, struct tg_sdp *out)
{
	size_t n;

	memset(out, 0, sizeof(*out));
	out->text = text;
	if(text.len == 0)
		return TG_SDP_EMPTY;
	if(text.len > TG_SDP_OCTETS_MAX)
		return TG_SDP_TOO_LARGE;
	n = count_lines(text);
	if(n > TG_SDP_LINES_MAX)
		return TG_SDP_TOO_LARGE;
	out->line = tg_arena_array(arena, n, sizeof(*out->line));
	if(!out->line)
		return TG_SDP_NO_MEMORY;
	out->n_lines = n;
	split(out);
	return read_all(out, arena);
}

/*
 * An attribute, case-insensitive, blanks ignored: a lenient reader may take it
 * so. first: what it then begins with, for most others begin otherwise.
 */
static bool is_named(const struct tg_sdp_line *line, struct tg_span first,
		const struct tg_span *names, size_t n)
{
	struct tg_span name;

	if(line->type != 'a' || line->text.len < 3
			|| tg_span_find(first, line->text.ptr[2]) == first.len)
		return false;
	name = tg_span_trim(tg_sdp_attribute_of(line).name);
	for(size_t i = 0; i < n; i++) {
		if(tg_span_ieq(name, names[i]))
			return true;
	}
	return false;
}

bool tg_sdp_is_security_line(const struct tg_sdp_line *line)
{
	static const struct tg_span names[] = {
			TG_SPAN_INIT("crypto"),
			TG_SPAN_INIT("cryptoscale"),
			TG_SPAN_INIT("fingerprint"),
			TG_SPAN_INIT("setup"),
			TG_SPAN_INIT("tls-id"),
			TG_SPAN_INIT("key-mgmt"),
			TG_SPAN_INIT("encryption"),
			TG_SPAN_INIT("connection"),
			TG_SPAN_INIT("acap"),
	};

	return is_named(line, TG_SPAN("aAcCfFsStTkKeE \t"), names,
			sizeof(names) / sizeof(names[0]));
}

/* RFC 5939 3.4.2: "a=acap:1 crypto:1 SUITE inline:KEY" */
static bool is_capability_with_key(const struct tg_sdp_line *line)
{
	static const struct tg_span name[] = {TG_SPAN_INIT("acap")};
	struct tg_span rest = line->text;

	if(!is_named(line, TG_SPAN("aA \t"), name, 1))
		return false;
	for(; rest.len; rest = tg_span_of(rest.ptr + 1, rest.len - 1)) {
		if(tg_span_istarts(rest, TG_SPAN("crypto"))
				|| tg_span_istarts(rest, TG_SPAN("key-mgmt")))
			return true;
	}
	return false;
}

bool tg_sdp_carries_key(const struct tg_sdp_line *line)
{
	static const struct tg_span names[] = {
			TG_SPAN_INIT("crypto"),
			TG_SPAN_INIT("cryptoscale"),
			TG_SPAN_INIT("key-mgmt"),
	};

	return line->type == 'k' || is_capability_with_key(line)
		   || is_named(line, TG_SPAN("cCkK \t"), names,
				   sizeof(names) / sizeof(names[0]));
}
