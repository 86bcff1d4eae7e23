/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The value of one a=crypto line:
 *
 *	1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31|1:1;inline:KEY|2:1 WSH=64
 *	| |                       |      |   |    |
 *	| suite          key method  base64 lifetime MKI and its octets
 *	tag
 *
 * Grammar only (RFC 4568 section 9.1): whether the suite is known and the key
 * has its length is for the one who chooses. Fields may be apart by several
 * blanks, as the grammar has it.
 */
#include "sdp/internal.h"

#define TAG_MAX 999999999u
#define MKI_OCTETS_MAX 128
#define LIFETIME_LOG2_MAX 48 /* RFC 3711 section 9.2 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the first field and the blanks around it off *rest */
static struct tg_span cut_field(struct tg_span *rest)
{
	struct tg_span field;
	size_t n = 0;

	while(rest->len && is_blank(rest->ptr[0]))
		*rest = tg_span_of(rest->ptr + 1, rest->len - 1);
	while(n < rest->len && !is_blank(rest->ptr[n]))
		n++;
	field = tg_span_of(rest->ptr, n);
	*rest = tg_span_of(rest->ptr + n, rest->len - n);
	while(rest->len && is_blank(rest->ptr[0]))
		*rest = tg_span_of(rest->ptr + 1, rest->len - 1);
	return field;
}

static bool is_base64(struct tg_span s)
{
	size_t n = s.len;

	while(n && s.len - n < 2 && s.ptr[n - 1] == '=')
		n--;
	for(size_t i = 0; i < n; i++) {
		char c = s.ptr[i];

		if(!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
				   || (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return n > 0;
}

/* "2^31" or a number of packets, not 0 */
static bool read_lifetime(struct tg_span s, struct tg_sdp_crypto *out)
{
	const struct tg_span power = TG_SPAN("2^");
	uint64_t n;

	if(!tg_span_starts(s, power)) {
		if(!tg_span_u64(s, UINT64_MAX, &n) || n == 0)
			return false;
		out->lifetime = n;
		return true;
	}
	s = tg_span_of(s.ptr + power.len, s.len - power.len);
	if(!tg_span_u64(s, LIFETIME_LOG2_MAX, &n) || n == 0)
		return false;
	out->lifetime_log2 = (uint8_t)n;
	out->lifetime = (uint64_t)1 << n;
	return true;
}

/* "1:4": the value 1 in four octets */
static bool read_mki(struct tg_span s, struct tg_sdp_crypto *out)
{
	struct tg_span digits = tg_span_cut(&s, ':');
	uint64_t octets, value;

	if(!tg_span_u64(s, MKI_OCTETS_MAX, &octets) || octets == 0
			|| !tg_span_u64(digits, UINT64_MAX, &value)
			|| (octets < sizeof(value) && value >> (8 * octets)))
		return false;
	out->mki = value;
	out->mki_octets = (uint8_t)octets;
	return true;
}

/* One key parameter: "inline:KEY", "|lifetime" and "|MKI" may follow */
static bool read_key(struct tg_span s, struct tg_sdp_crypto *out)
{
	const struct tg_span method = TG_SPAN("inline:");
	bool with_lifetime = false;

	if(!tg_span_istarts(s, method))
		return false;
	s = tg_span_of(s.ptr + method.len, s.len - method.len);
	if(s.len && s.ptr[s.len - 1] == '|')
		return false;
	out->key = tg_span_cut(&s, '|');
	if(!is_base64(out->key))
		return false;
	while(s.len) {
		struct tg_span part = tg_span_cut(&s, '|');
		bool is_mki = tg_span_find(part, ':') < part.len;

		/* the lifetime stands before the MKI, each once */
		if(out->mki_octets || (with_lifetime && !is_mki))
			return false;
		if(!(is_mki ? read_mki(part, out) : read_lifetime(part, out)))
			return false;
		with_lifetime = true;
	}
	return true;
}

/*
 * All key parameters; the first one's values go to *out. Several keys need an
 * MKI each, of one length (RFC 4568 section 6.1).
 */
static bool read_keys(struct tg_span s, struct tg_sdp_crypto *out)
{
	bool several = tg_span_find(s, ';') < s.len;

	if(s.len == 0 || s.ptr[s.len - 1] == ';')
		return false;
	while(s.len) {
		struct tg_sdp_crypto one = {0};

		if(!read_key(tg_span_cut(&s, ';'), &one)
				|| (several && one.mki_octets == 0))
			return false;
		if(out->n_keys++ == 0) {
			out->key = one.key;
			out->lifetime_log2 = one.lifetime_log2;
			out->lifetime = one.lifetime;
			out->mki = one.mki;
			out->mki_octets = one.mki_octets;
		} else if(one.mki_octets != out->mki_octets) {
			return false;
		}
	}
	return true;
}

void tg_sdp_crypto_read(struct tg_span value, struct tg_sdp_crypto *out)
{
	struct tg_span rest = value;
	struct tg_span tag = cut_field(&rest);
	uint64_t n = 0;

	memset(out, 0, sizeof(*out));
	out->suite = cut_field(&rest);
	out->params = rest;
	out->valid = tg_span_u64(tag, TAG_MAX, &n) && n > 0 && out->suite.len
				 && read_keys(cut_field(&rest), out);
	out->tag = (uint32_t)n;
	out->session_params = tg_span_trim(rest);
}
