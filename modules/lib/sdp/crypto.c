/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One a=crypto line (RFC 4568 sections 6.1 and 9.1):
 *
 *   tag suite inline:key[|lifetime][|mki:octets][;inline:...] [session ...]
 *
 * A line that does not hold the grammar stays in the index with valid unset:
 * the caller neither chooses it nor trips over it.
 */
#include "sdp/attribute.h"

#define TAG_MAX 999999999u /* RFC 4568 9.1: one to nine digits */
#define MKI_OCTETS_MAX 128 /* RFC 4568 6.1 */

static bool is_base64(struct tg_span s)
{
	size_t pad = 0;

	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
					 || (c >= '0' && c <= '9') || c == '+' || c == '/';

		if(c == '=')
			pad++;
		else if(!digit || pad)
			return false;
	}
	return s.len && pad <= 2;
}

/* "2^n" or a number of packets */
static bool parse_lifetime(struct tg_span s, struct tg_sdp_crypto *out)
{
	uint64_t v;

	if(tg_span_starts(s, TG_SPAN("2^"))) {
		if(!tg_span_u64(tg_span_of(s.ptr + 2, s.len - 2), 48, &v) || v == 0)
			return false;
		out->lifetime_log2 = (uint8_t)v;
		out->lifetime = (uint64_t)1 << v;
		return true;
	}
	if(!tg_span_u64(s, (uint64_t)1 << 48, &v) || v == 0)
		return false;
	out->lifetime = v;
	return true;
}

/* "value:octets"; the value must fit the octets and 64 bits */
static bool parse_mki(struct tg_span s, struct tg_sdp_crypto *out)
{
	struct tg_span value = tg_span_cut(&s, ':');
	uint64_t v, octets;

	if(!tg_span_u64(value, UINT64_MAX, &v)
			|| !tg_span_u64(s, MKI_OCTETS_MAX, &octets) || octets == 0
			|| (octets < 8 && v >> (8 * octets)))
		return false;
	out->mki = v;
	out->mki_octets = (uint8_t)octets;
	return true;
}

/* One "inline:..."; details are kept of the first */
static bool parse_inline(struct tg_span s, struct tg_sdp_crypto *out)
{
	struct tg_sdp_crypto here = {0};
	struct tg_span key;

	if(!tg_span_istarts(s, TG_SPAN("inline:")))
		return false;
	s = tg_span_of(s.ptr + 7, s.len - 7);
	key = tg_span_cut(&s, '|');
	if(!is_base64(key))
		return false;
	while(s.len) {
		struct tg_span part = tg_span_cut(&s, '|');
		bool is_mki = tg_span_find(part, ':') < part.len;

		if(here.mki_octets || (!is_mki && here.lifetime)
				|| !(is_mki ? parse_mki(part, &here)
							: parse_lifetime(part, &here)))
			return false;
	}
	if(out->n_keys++ == 0) {
		out->key = key;
		out->lifetime = here.lifetime;
		out->lifetime_log2 = here.lifetime_log2;
		out->mki = here.mki;
		out->mki_octets = here.mki_octets;
	}
	return true;
}

static bool parse_keys(struct tg_span s, struct tg_sdp_crypto *out)
{
	if(s.len == 0 || s.ptr[s.len - 1] == ';')
		return false;
	while(s.len) {
		if(!parse_inline(tg_span_cut(&s, ';'), out))
			return false;
	}
	return true;
}

void tg_sdp_parse_crypto(struct tg_span value, struct tg_sdp_crypto *out)
{
	struct tg_span tag = tg_span_cut(&value, ' ');
	uint64_t v;

	value = tg_span_trim(value);
	out->suite = tg_span_cut(&value, ' ');
	out->params = tg_span_trim(value);
	value = out->params;
	out->valid = tg_span_u64(tag, TAG_MAX, &v) && out->suite.len;
	if(!out->valid)
		return;
	out->tag = (uint32_t)v;
	out->valid = parse_keys(tg_span_cut(&value, ' '), out);
	out->session_params = tg_span_trim(value);
}
