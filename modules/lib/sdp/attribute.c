/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names of attributes and transports compared, values taken apart. Attribute
 * names are compared exactly (RFC 8866 section 5.13: case-sensitive), so a
 * misspelt one is an unknown attribute and stays where it is.
 */
#include "sdp/attribute.h"

struct name {
	struct tg_span name;
	struct tg_span value;
};

static struct name split_name(struct tg_span attribute)
{
	struct name n;

	n.name = tg_span_cut(&attribute, ':');
	n.value = attribute;
	return n;
}

static bool is(struct tg_span name, const char *want)
{
	return tg_span_eq(name, tg_span_cstr(want));
}

enum tg_sdp_proto_kind tg_sdp_proto_kind(struct tg_span proto, bool *feedback)
{
	static const struct {
		struct tg_span name;
		enum tg_sdp_proto_kind kind;
		bool feedback;
	} table[] = {
			{TG_SPAN_INIT("RTP/AVP"), TG_SDP_PROTO_AVP, false},
			{TG_SPAN_INIT("RTP/AVPF"), TG_SDP_PROTO_AVP, true},
			{TG_SPAN_INIT("RTP/SAVP"), TG_SDP_PROTO_SAVP, false},
			{TG_SPAN_INIT("RTP/SAVPF"), TG_SDP_PROTO_SAVP, true},
			{TG_SPAN_INIT("UDP/TLS/RTP/SAVP"), TG_SDP_PROTO_DTLS, false},
			{TG_SPAN_INIT("UDP/TLS/RTP/SAVPF"), TG_SDP_PROTO_DTLS, true},
	};

	*feedback = false;
	for(size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if(tg_span_ieq(proto, table[i].name)) {
			*feedback = table[i].feedback;
			return table[i].kind;
		}
	}
	return TG_SDP_PROTO_OTHER;
}

static struct tg_span line_attribute(const struct tg_sdp_line *line)
{
	if(line->type != 'a')
		return tg_span_of(NULL, 0);
	return split_name(tg_span_of(line->text.ptr + 2, line->text.len - 2)).name;
}

bool tg_sdp_is_crypto(const struct tg_sdp_line *line)
{
	return is(line_attribute(line), "crypto");
}

bool tg_sdp_is_security_line(const struct tg_sdp_line *line)
{
	static const char *const names[] = {"crypto", "cryptoscale", "fingerprint",
			"setup", "tls-id", "key-mgmt", "encryption", "connection"};
	struct tg_span name = line_attribute(line);

	for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if(name.len && tg_span_ieq(name, tg_span_cstr(names[i])))
			return true;
	}
	return false;
}

static enum tg_sdp_setup parse_setup(struct tg_span v)
{
	static const char *const names[] = {
			"", "active", "passive", "actpass", "holdconn"};

	v = tg_span_trim(v);
	for(unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		if(tg_span_ieq(v, tg_span_cstr(names[i])))
			return (enum tg_sdp_setup)i;
	}
	return TG_SDP_SETUP_NONE;
}

/* An unknown word is taken as "required": the strict reading */
static enum tg_sdp_encryption parse_encryption(struct tg_span v)
{
	v = tg_span_trim(v);
	if(tg_span_ieq(v, TG_SPAN("optional")))
		return TG_SDP_ENC_OPTIONAL;
	if(tg_span_ieq(v, TG_SPAN("rejected")))
		return TG_SDP_ENC_REJECTED;
	return TG_SDP_ENC_REQUIRED;
}

static void take_fingerprint(struct tg_sdp_security *s, struct tg_span v)
{
	struct tg_span hash;

	v = tg_span_trim(v);
	hash = tg_span_cut(&v, ' ');
	v = tg_span_trim(v);
	if(hash.len == 0 || v.len == 0)
		return;
	if(s->n_fingerprints++ == 0) {
		s->fingerprint_hash = hash;
		s->fingerprint = v;
	}
}

void tg_sdp_security_attribute(struct tg_sdp_security *s, struct tg_span value)
{
	struct name n = split_name(value);

	if(is(n.name, "fingerprint"))
		take_fingerprint(s, n.value);
	else if(is(n.name, "setup"))
		s->setup = parse_setup(n.value);
	else if(is(n.name, "tls-id"))
		s->tls_id = tg_span_trim(n.value);
	else if(is(n.name, "encryption"))
		s->encryption = parse_encryption(n.value);
	else if(is(n.name, "key-mgmt"))
		s->key_mgmt = true;
	else if(is(n.name, "cryptoscale"))
		s->crypto_scale = true;
}

static void take_rtcp(struct tg_sdp_media *m, struct tg_span v)
{
	uint64_t port;

	if(tg_span_u64(tg_span_cut(&v, ' '), UINT16_MAX, &port))
		m->rtcp_port = (uint16_t)port;
}

void tg_sdp_media_attribute(
		struct tg_sdp_media *m, uint32_t line, struct tg_span value)
{
	struct name n = split_name(value);

	if(is(n.name, "crypto")) {
		struct tg_sdp_crypto *c = &m->crypto[m->n_crypto++];

		c->line = line;
		tg_sdp_parse_crypto(n.value, c);
	} else if(is(n.name, "rtcp"))
		take_rtcp(m, n.value);
	else if(is(n.name, "rtcp-mux"))
		m->rtcp_mux = true;
	else if(is(n.name, "bundle-only"))
		m->bundle_only = true;
	else if(is(n.name, "mid"))
		m->mid = tg_span_trim(n.value);
	else
		tg_sdp_security_attribute(&m->security, value);
}

void tg_sdp_inherit(
		struct tg_sdp_security *media, const struct tg_sdp_security *session)
{
	if(media->n_fingerprints == 0) {
		media->n_fingerprints = session->n_fingerprints;
		media->fingerprint_hash = session->fingerprint_hash;
		media->fingerprint = session->fingerprint;
	}
	if(media->setup == TG_SDP_SETUP_NONE)
		media->setup = session->setup;
	if(media->tls_id.len == 0)
		media->tls_id = session->tls_id;
	if(media->encryption == TG_SDP_ENC_ABSENT)
		media->encryption = session->encryption;
	media->key_mgmt = media->key_mgmt || session->key_mgmt;
	media->crypto_scale = media->crypto_scale || session->crypto_scale;
}
