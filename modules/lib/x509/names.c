/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The identities that a certificate claims, and how they compare: RFC 5922
 * section 7. A sip: URI without user part is one; where such a URI exists
 * DNS names are not; the common name counts only without subjectAltName.
 * E-mail addresses, IP addresses and other forms are never identities.
 *
 * Names are host names in ASCII (RFC 1123, with "_"). International names
 * come as A-labels; anything else matches nothing.
 */
#include "x509/parts.h"

#define LABEL_OCTETS 63
#define HOST_OCTETS 253

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label(struct tg_span s)
{
	if(s.len == 0 || s.len > LABEL_OCTETS)
		return false;
	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(!(is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
				   || c == '-' || c == '_'))
			return false;
	}
	return s.ptr[0] != '-' && s.ptr[s.len - 1] != '-';
}

/* Labels of a host name; 0 when it is none. 192.0.2.1 is none */
static size_t count_labels(struct tg_span host)
{
	struct tg_span rest = host, label = {0};
	size_t n = 0, digits = 0;

	if(host.len == 0 || host.len > HOST_OCTETS || host.ptr[host.len - 1] == '.')
		return 0;
	while(rest.len) {
		label = tg_span_cut(&rest, '.');
		if(!is_label(label))
			return 0;
		n++;
	}
	while(digits < label.len && is_digit(label.ptr[digits]))
		digits++;
	return digits == label.len ? 0 : n;
}

static struct tg_span without_last_dot(struct tg_span s)
{
	if(s.len && s.ptr[s.len - 1] == '.')
		s.len--;
	return s;
}

/* What follows "*."; ptr NULL when s is no wildcard */
static struct tg_span behind_wildcard(struct tg_span s)
{
	if(!tg_span_starts(s, TG_SPAN("*.")))
		return (struct tg_span){0};
	return tg_span_of(s.ptr + 2, s.len - 2);
}

bool tg_x509_name_matches(
		struct tg_span name, struct tg_span identity, bool wildcard)
{
	struct tg_span parent;

	name = without_last_dot(name);
	identity = without_last_dot(identity);
	if(!count_labels(identity))
		return false;
	parent = behind_wildcard(name);
	if(!parent.ptr)
		return tg_span_ieq(name, identity);
	/* "*.test" would stand for every name under a top-level domain */
	if(!wildcard || count_labels(parent) < 2)
		return false;
	tg_span_cut(&identity, '.');
	return tg_span_ieq(parent, identity);
}

/* ---- reading them ------------------------------------------------------- */

static void add_name(struct tg_x509_names *out, enum tg_x509_name_kind kind,
		struct tg_span s)
{
	struct tg_span host, parent;

	s = without_last_dot(s);
	host = s;
	parent = behind_wildcard(s);
	/* RFC 5922 section 7.2: no wildcards in URIs */
	if(parent.ptr && kind != TG_X509_NAME_URI) {
		if(count_labels(parent) < 2)
			return;
		host = parent;
	}
	if(!count_labels(host) || s.len > TG_X509_NAME_OCTETS)
		return;
	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		out->item[out->n].text[i] =
				(char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	out->item[out->n].text[s.len] = '\0';
	out->item[out->n].len = (uint8_t)s.len;
	out->item[out->n].kind = kind;
	out->n++;
}

/*
 * The host of "sip:" host [":" port] [";" params]. Any "@" means a user part
 * (RFC 5922 section 7.1), and that is no domain's identity; sips: and other
 * schemes are none either.
 */
static struct tg_span host_of_sip_uri(struct tg_span uri)
{
	static const struct tg_span none = {0};
	struct tg_span host;
	uint64_t port;
	size_t colon;

	if(!tg_span_istarts(uri, TG_SPAN("sip:"))
			|| tg_span_find(uri, '@') != uri.len)
		return none;
	host = tg_span_of(uri.ptr + 4, uri.len - 4);
	host.len = tg_span_find(host, '?');
	host.len = tg_span_find(host, ';');
	colon = tg_span_find(host, ':');
	if(colon < host.len
			&& !tg_span_u64(
					tg_span_of(host.ptr + colon + 1, host.len - colon - 1),
					65535, &port))
		return none;
	host.len = colon;
	return host;
}

static struct tg_span span_of_string(const ASN1_STRING *s)
{
	int len = ASN1_STRING_length(s);

	return tg_span_of(
			(const char *)ASN1_STRING_get0_data(s), len > 0 ? (size_t)len : 0);
}

static void add_alt_names(
		const GENERAL_NAMES *alt, int type, size_t n, struct tg_x509_names *out)
{
	for(size_t i = 0; i < n; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, (int)i);

		if(g->type != type)
			continue;
		if(type == GEN_URI)
			add_name(out, TG_X509_NAME_URI,
					host_of_sip_uri(
							span_of_string(g->d.uniformResourceIdentifier)));
		else
			add_name(out, TG_X509_NAME_DNS, span_of_string(g->d.dNSName));
	}
}

/* One common name; a subject with several of them has none to go by */
static void add_common_name(X509 *cert, struct tg_x509_names *out)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;
	int len;

	if(at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return;
	len = ASN1_STRING_to_UTF8(
			&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if(len > 0)
		add_name(out, TG_X509_NAME_CN,
				tg_span_of((const char *)utf8, (size_t)len));
	OPENSSL_free(utf8);
}

bool tg_x509_names(X509 *cert, size_t max, struct tg_x509_names *out)
{
	GENERAL_NAMES *alt;
	int found = -1;
	size_t n;

	out->n = 0;
	out->truncated = false;
	if(max > TG_X509_NAMES_MAX)
		max = TG_X509_NAMES_MAX;
	ERR_set_mark();
	alt = X509_get_ext_d2i(cert, NID_subject_alt_name, &found, NULL);
	if(alt) {
		n = (size_t)sk_GENERAL_NAME_num(alt);
		if(n > max) {
			out->truncated = true;
			n = max;
		}
		add_alt_names(alt, GEN_URI, n, out);
		if(out->n == 0)
			add_alt_names(alt, GEN_DNS, n, out);
		sk_GENERAL_NAME_pop_free(alt, GENERAL_NAME_free);
	} else if(found == -1) {
		add_common_name(cert, out);
	}
	ERR_pop_to_mark();
	/* found: -1 there is none, -2 more than one, else it cannot be read */
	return alt || found == -1;
}
