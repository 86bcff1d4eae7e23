/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See sdes_line.h.
 */
#include "keying/sdes_line.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/alloc.h"

#define LIFETIME_LOG2_MAX 48

/* ---- base64 ------------------------------------------------------------- */

static int sextet(char c)
{
	if(c >= 'A' && c <= 'Z')
		return c - 'A';
	if(c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if(c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tg_sdes_base64_read(struct tg_span text, uint8_t *out, size_t octets)
{
	size_t pad = (3 - octets % 3) % 3;
	size_t digits = octets / 3 * 4 + (octets % 3 ? octets % 3 + 1 : 0);
	uint32_t bits = 0;
	unsigned held = 0;

	if(text.len != digits && text.len != digits + pad)
		return false;
	for(size_t i = digits; i < text.len; i++)
		if(text.ptr[i] != '=')
			return false;
	for(size_t i = 0; i < digits; i++) {
		int v = sextet(text.ptr[i]);

		if(v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		held += 6;
		if(held >= 8) {
			held -= 8;
			*out++ = (uint8_t)(bits >> held);
			bits &= (1u << held) - 1;
		}
	}
	return bits == 0;
}

/* ---- reading ------------------------------------------------------------ */

static bool read_lifetime(
		struct tg_span text, struct tg_srtp_master *m, uint8_t *log2)
{
	uint64_t n;

	if(tg_span_starts(text, TG_SPAN("2^"))) {
		if(!tg_span_u64(tg_span_of(text.ptr + 2, text.len - 2),
				   LIFETIME_LOG2_MAX, &n))
			return false;
		m->lifetime = (uint64_t)1 << n;
		*log2 = (uint8_t)n;
		return true;
	}
	*log2 = 0;
	return tg_span_u64(text, (uint64_t)1 << LIFETIME_LOG2_MAX, &m->lifetime)
		   && m->lifetime > 0;
}

static enum tg_key_rc read_mki(struct tg_span text, struct tg_srtp_master *m)
{
	struct tg_span value = tg_span_cut(&text, ':');
	uint64_t octets;

	if(!tg_span_u64(text, TG_SRTP_MKI_OCTETS_MAX, &octets) || octets == 0)
		return TG_KEY_MALFORMED;
	if(!tg_span_u64(value, UINT64_MAX, &m->mki))
		return value.len > 19 ? TG_KEY_ROOM : TG_KEY_MALFORMED;
	if(octets < 8 && m->mki >> (8 * octets) != 0)
		return TG_KEY_MALFORMED;
	m->mki_octets = (uint8_t)octets;
	return TG_KEY_OK;
}

/* "inline:" key-salt ["|" lifetime] ["|" mki ":" length] */
static enum tg_key_rc read_key(struct tg_span text, size_t octets,
		struct tg_srtp_master *m, uint8_t *log2)
{
	struct tg_span key, part;

	if(!tg_span_starts(text, TG_SPAN("inline:"))
			|| text.ptr[text.len - 1] == '|')
		return TG_KEY_MALFORMED;
	text = tg_span_of(text.ptr + 7, text.len - 7);
	key = tg_span_cut(&text, '|');
	if(!tg_sdes_base64_read(key, m->octet, octets))
		return TG_KEY_MALFORMED;
	m->octets = (uint8_t)octets;
	if(text.len == 0)
		return TG_KEY_OK;
	part = tg_span_cut(&text, '|');
	if(tg_span_find(part, ':') == part.len) {
		if(!read_lifetime(part, m, log2))
			return TG_KEY_MALFORMED;
		if(text.len == 0)
			return TG_KEY_OK;
		part = tg_span_cut(&text, '|');
	}
	return text.len == 0 ? read_mki(part, m) : TG_KEY_MALFORMED;
}

/* RFC 4568 section 6.1: several keys have an MKI each, of one length */
static bool mkis_fit(const struct tg_srtp_keys *k)
{
	if(k->n > 1 && k->master[0].mki_octets == 0)
		return false;
	for(size_t i = 0; i < k->n; i++)
		for(size_t j = 0; j < i; j++)
			if(k->master[i].mki_octets != k->master[j].mki_octets
					|| k->master[i].mki == k->master[j].mki)
				return false;
	return true;
}

static enum tg_key_rc read_keys(
		struct tg_span text, size_t octets, struct tg_sdes_line *out)
{
	size_t ends = 0;

	for(size_t i = 0; i < text.len; i++)
		ends += text.ptr[i] == ';';
	/* an empty part, at the end too, is not grammar */
	if(ends + 1 > TG_SRTP_MASTERS_MAX)
		return TG_KEY_ROOM;
	for(out->keys.n = 0; out->keys.n <= ends; out->keys.n++) {
		struct tg_span part = tg_span_cut(&text, ';');
		uint8_t log2 = 0;
		enum tg_key_rc rc =
				read_key(part, octets, &out->keys.master[out->keys.n], &log2);

		if(rc != TG_KEY_OK)
			return rc;
		if(out->keys.n == 0)
			out->lifetime_log2 = log2;
	}
	return mkis_fit(&out->keys) ? TG_KEY_OK : TG_KEY_MALFORMED;
}

/*
 * RFC 4568 section 6.3. What switches protection off, and what is not done
 * here, makes the line unusable; so does a parameter nobody knows, unless its
 * name begins with "-".
 */
static enum tg_key_rc read_session(struct tg_span text)
{
	uint64_t n;

	while(text.len > 0) {
		struct tg_span part = tg_span_cut(&text, ' ');

		if(part.len == 0 || part.ptr[0] == '-')
			continue;
		if(!tg_span_starts(part, TG_SPAN("WSH=")))
			return TG_KEY_WEAK;
		if(!tg_span_u64(tg_span_of(part.ptr + 4, part.len - 4), 99999, &n)
				|| n < 64)
			return TG_KEY_MALFORMED;
	}
	return TG_KEY_OK;
}

enum tg_key_rc tg_sdes_line_read(
		const struct tg_sdp_crypto *crypto, struct tg_sdes_line *out)
{
	struct tg_span rest = crypto->params, keys;
	struct tg_srtp_shape shape;
	enum tg_key_rc rc = TG_KEY_OK;

	memset(out, 0, sizeof(*out));
	out->tag = crypto->tag;
	out->keys.suite = tg_suite_by_name(crypto->suite);
	if(!tg_srtp_shape(out->keys.suite, &shape))
		return TG_KEY_NONE;
	if(!crypto->valid)
		return TG_KEY_MALFORMED;
	keys = tg_span_cut(&rest, ' ');
	rc = read_session(rest);
	if(rc == TG_KEY_OK)
		rc = read_keys(keys, (size_t)shape.key_octets + shape.salt_octets, out);
	if(rc != TG_KEY_OK)
		tg_wipe(out, sizeof(*out));
	return rc;
}

/* ---- writing ------------------------------------------------------------ */

static int write_lifetime(uint64_t lifetime, char *out, size_t room)
{
	if(lifetime == 0)
		return snprintf(out, room, "%s", "");
	if((lifetime & (lifetime - 1)) == 0)
		return snprintf(out, room, "|2^%d", __builtin_ctzll(lifetime));
	return snprintf(out, room, "|%" PRIu64, lifetime);
}

bool tg_sdes_line_write(uint32_t tag, enum tg_suite suite,
		const struct tg_srtp_master *master, char out[TG_SDES_VALUE_OCTETS])
{
	const char *name = tg_suite_name(suite);
	char key[4 * ((TG_SRTP_MASTER_OCTETS_MAX + 2) / 3) + 1];
	char life[32], mki[32] = "";
	int n;

	if(!name || master->octets > TG_SRTP_MASTER_OCTETS_MAX)
		return false;
	EVP_EncodeBlock((unsigned char *)key, master->octet, master->octets);
	write_lifetime(master->lifetime, life, sizeof(life));
	if(master->mki_octets > 0)
		snprintf(mki, sizeof(mki), "|%" PRIu64 ":%u", master->mki,
				master->mki_octets);
	n = snprintf(out, TG_SDES_VALUE_OCTETS, "%" PRIu32 " %s inline:%s%s%s", tag,
			name, key, life, mki);
	tg_wipe(key, sizeof(key));
	return n > 0 && n < TG_SDES_VALUE_OCTETS;
}
