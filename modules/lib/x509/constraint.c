/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DNS name constraints, where OpenSSL's own look at them is not enough.
 *
 *   sip: URIs   RFC 5280 section 4.2.1.10 applies a constraint to names of its
 *               own form only, so that a CA limited to partner.test as DNS
 *               names could still issue sip:example.com, which is an identity
 *               to RFC 5922. Here the host of such a URI is a DNS name, too.
 *   identity    a wildcard, or a dot at the end, is no excluded name as it is
 *               written, and stands for one: what it is taken for counts, too.
 *
 * DEVIATES: RFC 5280, stricter, for the reasons above. All other constraints
 * are OpenSSL's business.
 */
#include "x509/parts.h"

/* RFC 5280: zero or more labels added on the left satisfy it */
static bool is_within(struct tg_span host, struct tg_span base)
{
	struct tg_span tail;

	if(base.len && base.ptr[0] == '.')
		base = tg_span_of(base.ptr + 1, base.len - 1);
	if(base.len == 0)
		return true;
	if(host.len < base.len)
		return false;
	tail = tg_span_of(host.ptr + host.len - base.len, base.len);
	if(!tg_span_ieq(tail, base))
		return false;
	return host.len == base.len || host.ptr[host.len - base.len - 1] == '.';
}

/* 1 it is within one of them, 0 it is not, -1 none is a DNS name */
static int find_tree(
		const STACK_OF(GENERAL_SUBTREE) *trees, struct tg_span host)
{
	int found = -1;

	for(int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
		const GENERAL_NAME *g = sk_GENERAL_SUBTREE_value(trees, i)->base;

		if(g->type != GEN_DNS)
			continue;
		if(is_within(host,
				   tg_span_of((const char *)ASN1_STRING_get0_data(g->d.dNSName),
						   (size_t)ASN1_STRING_length(g->d.dNSName))))
			return 1;
		found = 0;
	}
	return found;
}

static bool admits(const NAME_CONSTRAINTS *nc, struct tg_span host)
{
	return find_tree(nc->permittedSubtrees, host) != 0
		   && find_tree(nc->excludedSubtrees, host) != 1;
}

bool tg_x509_admits_host(const struct tg_x509_path *path, struct tg_span host)
{
	bool fits = true;

	if(host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	for(int i = 1; i < sk_X509_num(path->chain) && fits; i++) {
		X509 *ca = sk_X509_value(path->chain, i);
		NAME_CONSTRAINTS *nc;
		int found = -1;

		nc = X509_get_ext_d2i(ca, NID_name_constraints, &found, NULL);
		fits = nc ? admits(nc, host) : found == -1; /* or it cannot be read */
		NAME_CONSTRAINTS_free(nc);
	}
	return fits;
}

bool tg_x509_check_uri_hosts(
		const struct tg_x509_path *path, const struct tg_x509_names *names)
{
	for(size_t i = 0; i < names->n; i++) {
		const char *host = names->item[i].text;

		if(names->item[i].kind == TG_X509_NAME_URI
				&& !tg_x509_admits_host(
						path, tg_span_of(host, names->item[i].len)))
			return tg_x509_refuse(path->answer, TG_REASON_CERT_CONSTRAINT, 0,
					"sip:%s is outside the name constraints", host);
	}
	return true;
}
