/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DNS name constraints held against sip: URIs. RFC 5280 section 4.2.1.10
 * applies a constraint to names of its own form only, so that a CA limited
 * to partner.test as DNS names could still issue sip:example.com, which is
 * an identity to RFC 5922. Here the host of such a URI is a DNS name, too.
 *
 * DEVIATES: RFC 5280, stricter, for the reason above. All other constraints
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

static bool check_ca(const struct tg_x509_path *path, int depth,
		const struct tg_x509_names *names)
{
	X509 *ca = sk_X509_value(path->chain, depth);
	NAME_CONSTRAINTS *nc;
	bool fits = true;
	int found = -1;

	nc = X509_get_ext_d2i(ca, NID_name_constraints, &found, NULL);
	if(!nc && found != -1)
		return tg_x509_refuse(path->answer, TG_REASON_CERT_CONSTRAINT, depth,
				"name constraints cannot be read");
	for(size_t i = 0; nc && i < names->n && fits; i++) {
		struct tg_span host =
				tg_span_of(names->item[i].text, names->item[i].len);

		if(names->item[i].kind == TG_X509_NAME_URI && !admits(nc, host))
			fits = tg_x509_refuse(path->answer, TG_REASON_CERT_CONSTRAINT, 0,
					"sip:%s is outside the name constraints of certificate "
					"%d",
					names->item[i].text, depth);
	}
	NAME_CONSTRAINTS_free(nc);
	return fits;
}

bool tg_x509_check_uri_hosts(
		const struct tg_x509_path *path, const struct tg_x509_names *names)
{
	if(names->n == 0 || names->item[0].kind != TG_X509_NAME_URI)
		return true;
	for(int i = 1; i < sk_X509_num(path->chain); i++) {
		if(!check_ca(path, i, names))
			return false;
	}
	return true;
}
