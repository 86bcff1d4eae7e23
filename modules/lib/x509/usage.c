/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a certificate may be used for: extended key usage (RFC 5280 section
 * 4.2.1.12, RFC 5924) and key usage (section 4.2.1.3).
 *
 *              leaf without EKU   anyExtendedKeyUsage alone   intermediate
 *   role       accepted           refused                     constrains
 *   both       accepted           refused                     constrains
 *   client     accepted           refused                     constrains
 *   server     accepted           refused                     constrains
 *   sip        refused            refused                     constrains
 *   any        accepted           accepted                    not looked at
 *
 * No EKU means no restriction (RFC 5280). anyExtendedKeyUsage in a leaf does
 * not count where a purpose is asked for, as RFC 5280 leaves open and OpenSSL
 * does. An intermediate with an EKU passes on only the purposes it has, or
 * all with anyExtendedKeyUsage. The anchor is trusted for what the policy
 * trusts it for.
 */
#include "x509/parts.h"

enum purpose { CLIENT = 1, SERVER = 2, SIP = 4, EVERY = 8 };

/* Bodies of the object identifiers; id-kp-sipDomain has no NID everywhere */
static const struct {
	enum purpose purpose;
	const char *name;
	uint8_t len;
	uint8_t oid[8];
} purposes[] = {
		{CLIENT, "clientAuth", 8, {0x2b, 6, 1, 5, 5, 7, 3, 2}},
		{SERVER, "serverAuth", 8, {0x2b, 6, 1, 5, 5, 7, 3, 1}},
		{SIP, "sipDomain", 8, {0x2b, 6, 1, 5, 5, 7, 3, 20}},
		{EVERY, "anyExtendedKeyUsage", 4, {0x55, 0x1d, 0x25, 0}},
};
#define N_PURPOSES (sizeof(purposes) / sizeof(*purposes))

struct usage {
	bool present;
	unsigned mask; /* of enum purpose */
	bool others;
};

static unsigned purpose_of(const ASN1_OBJECT *o)
{
	for(size_t i = 0; i < N_PURPOSES; i++) {
		if(OBJ_length(o) == purposes[i].len
				&& memcmp(OBJ_get0_data(o), purposes[i].oid, purposes[i].len)
						   == 0)
			return purposes[i].purpose;
	}
	return 0;
}

static bool read_usage(const X509 *cert, struct usage *out)
{
	EXTENDED_KEY_USAGE *eku;
	int found = -1;

	memset(out, 0, sizeof(*out));
	eku = X509_get_ext_d2i(cert, NID_ext_key_usage, &found, NULL);
	if(!eku)
		return found == -1;
	out->present = true;
	for(int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		unsigned p = purpose_of(sk_ASN1_OBJECT_value(eku, i));

		out->mask |= p;
		out->others |= p == 0;
	}
	EXTENDED_KEY_USAGE_free(eku);
	return true;
}

static unsigned wanted_purposes(const struct tg_x509_ask *ask)
{
	switch(ask->eku) {
		case TG_X509_EKU_ROLE:
			return ask->peer_is_client ? CLIENT : SERVER;
		case TG_X509_EKU_BOTH:
			return CLIENT | SERVER;
		case TG_X509_EKU_CLIENT:
			return CLIENT;
		case TG_X509_EKU_SERVER:
			return SERVER;
		case TG_X509_EKU_SIP:
			return SIP;
		case TG_X509_EKU_ANY:
			return 0;
	}
	return CLIENT | SERVER | SIP;
}

static void put_purposes(struct tg_x509_text *t, unsigned mask, bool others)
{
	const char *comma = "";

	for(size_t i = 0; i < N_PURPOSES; i++) {
		if(!(mask & purposes[i].purpose))
			continue;
		tg_x509_put(t, "%s%s", comma, purposes[i].name);
		comma = ", ";
	}
	if(others)
		tg_x509_put(t, "%sothers", comma);
	else if(!mask)
		tg_x509_put(t, "none");
}

static bool check_extended(const struct tg_x509_path *path, int depth)
{
	unsigned wanted = wanted_purposes(path->ask);
	struct tg_x509_text t;
	struct usage has;
	char detail[160];
	bool fits;

	if(!read_usage(sk_X509_value(path->chain, depth), &has))
		return tg_x509_refuse(path->answer, TG_REASON_CERT_MALFORMED, depth,
				"extended key usage cannot be read");
	if(!has.present)
		fits = depth > 0 || wanted != SIP;
	else if(depth > 0 && (has.mask & EVERY))
		fits = true;
	else
		fits = (has.mask & wanted) == wanted;
	if(fits)
		return true;
	tg_x509_text_init(&t, detail, sizeof(detail));
	tg_x509_put(&t, "extended key usage: ");
	put_purposes(&t, has.mask, has.others);
	tg_x509_put(&t, "; wanted: ");
	put_purposes(&t, wanted, false);
	return tg_x509_refuse(
			path->answer, TG_REASON_CERT_EKU, depth, "%s", detail);
}

/* What TLS does with the key: sign, or have a secret sent or agreed to it */
static bool check_key_usage(const struct tg_x509_path *path)
{
	uint32_t fit = KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT;

	if(!path->ask->peer_is_client)
		fit |= KU_KEY_ENCIPHERMENT;
	if(X509_get_key_usage(path->leaf) & fit)
		return true;
	return tg_x509_refuse(path->answer, TG_REASON_CERT_EKU, 0,
			"key usage without digitalSignature");
}

bool tg_x509_check_usage(const struct tg_x509_path *path)
{
	int n = sk_X509_num(path->chain);

	if(!check_key_usage(path))
		return false;
	if(wanted_purposes(path->ask) == 0)
		return true;
	for(int i = 0; i < n - 1; i++) {
		if(!check_extended(path, i)) {
			tg_x509_say_which(path->answer, sk_X509_value(path->chain, i));
			return false;
		}
	}
	return true;
}
