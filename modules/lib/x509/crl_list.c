/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The entries of a certificate revocation list, RFC 5280 section 5.1, where
 * they stand: the octets as they came and, by serial number, where in them
 * each entry begins. OpenSSL's own form takes ten times as much, in Kamailio's
 * shared memory, and some microseconds an entry each time a process reads it.
 *
 *   CertificateList { TBSCertList { ..., revokedCertificates, ... }, ... }
 *                     ^ tbs                ^ entry[]
 *
 * All that is not an entry is left to OpenSSL: the list is handed on without
 * them, and the signature is verified over the octets of tbs.
 */
#include "x509/parts.h"

#include <stdlib.h>

/* RFC 5280 section 4.1.2.2 allows 20; with one octet of length, all the same */
#define SERIAL_OCTETS_MAX 127

/* ---- DER ------------------------------------------------------------------ */

struct tlv {
	int tag; /* -1 unless universal */
	const unsigned char *at;
	const unsigned char *in; /* its contents */
	size_t octets;           /* of them */
};

static const unsigned char *end_of(const struct tlv *t)
{
	return t->in + t->octets;
}

/* The next one before end; *at moves behind it */
static bool take(
		const unsigned char **at, const unsigned char *end, struct tlv *out)
{
	long len;
	int tag, class, result;

	out->at = *at;
	if(*at >= end)
		return false;
	result = ASN1_get_object(at, &len, &tag, &class, end - *at);
	if(result & 0x81) /* an error, or of no definite length */
		return false;
	out->tag = class == V_ASN1_UNIVERSAL ? tag : -1;
	out->in = *at;
	out->octets = (size_t)len;
	*at = end_of(out);
	return true;
}

/* The same, if it is of that kind; else *at stays */
static bool take_a(int tag, const unsigned char **at, const unsigned char *end,
		struct tlv *out)
{
	const unsigned char *next = *at;

	if(!take(&next, end, out) || out->tag != tag)
		return false;
	*at = next;
	return true;
}

static bool is_time(const struct tlv *t)
{
	return t->tag == V_ASN1_UTCTIME || t->tag == V_ASN1_GENERALIZEDTIME;
}

/* In the least number of octets, so that equal numbers are equal octets */
static bool is_minimal(const struct tlv *integer)
{
	const unsigned char *n = integer->in;

	return integer->octets == 1
		   || (integer->octets > 1
				   && !((n[0] == 0 && n[1] < 0x80)
						   || (n[0] == 0xff && n[1] >= 0x80)));
}

/* ---- entries ---------------------------------------------------------------- */

static bool has_critical(const struct tlv *extensions)
{
	const unsigned char *at = extensions->in;
	struct tlv one, part;

	while(take_a(V_ASN1_SEQUENCE, &at, end_of(extensions), &one)) {
		const unsigned char *in = one.in;
		bool named = take_a(V_ASN1_OBJECT, &in, end_of(&one), &part);

		if(named && take_a(V_ASN1_BOOLEAN, &in, end_of(&one), &part)
				&& part.octets && part.in[0])
			return true;
	}
	return at != end_of(extensions); /* what cannot be read may be one */
}

/* Behind the octets of type and length, which are those of DER */
static const unsigned char *contents(const unsigned char *at)
{
	return at + 2 + (at[1] & 0x80 ? at[1] & 0x7f : 0);
}

static const char *check_entry(const struct tlv *entry)
{
	const unsigned char *at = entry->in, *end = end_of(entry);
	struct tlv part;

	if(!take_a(V_ASN1_INTEGER, &at, end, &part) || !is_minimal(&part)
			|| part.in - part.at != 2 || part.octets > SERIAL_OCTETS_MAX
			|| contents(entry->at) != entry->in || !take(&at, end, &part)
			|| !is_time(&part))
		return "an entry cannot be read";
	if(at == end)
		return NULL;
	if(!take_a(V_ASN1_SEQUENCE, &at, end, &part) || at != end)
		return "an entry cannot be read";
	return has_critical(&part) ? "an entry has a critical extension" : NULL;
}

/* The serial number of an entry that check_entry() has seen */
static struct tg_span serial_at(const unsigned char *entry)
{
	const unsigned char *serial = contents(entry);

	return tg_span_of((const char *)serial + 2, serial[1]);
}

static int compare(struct tg_span a, struct tg_span b)
{
	if(a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static struct tg_span serial_of(const struct tg_x509_crl_list *list, size_t i)
{
	return serial_at(list->der + list->entry[i]);
}

static int compare_entries(const void *a, const void *b, void *der)
{
	return compare(serial_at((unsigned char *)der + *(const uint32_t *)a),
			serial_at((unsigned char *)der + *(const uint32_t *)b));
}

/* Most CAs write them in this order or nearly so */
static void sort(struct tg_x509_crl_list *list)
{
	for(size_t i = 1; i < list->n; i++) {
		if(compare(serial_of(list, i - 1), serial_of(list, i)) > 0) {
			qsort_r(list->entry, list->n, sizeof(*list->entry), compare_entries,
					list->der);
			return;
		}
	}
}

static const char *read_entries(
		struct tg_x509_crl_list *list, const struct tlv *all)
{
	const unsigned char *at = all->in;
	const char *why = NULL;
	struct tlv one;
	size_t n = 0;

	while(take_a(V_ASN1_SEQUENCE, &at, end_of(all), &one))
		n++;
	if(at != end_of(all))
		return "an entry cannot be read";
	list->entry = calloc(n ? n : 1, sizeof(*list->entry));
	if(!list->entry)
		return "out of memory";
	at = all->in;
	while(!why && take(&at, end_of(all), &one)) {
		list->entry[list->n++] = (uint32_t)(one.at - list->der);
		why = check_entry(&one);
	}
	if(!why)
		sort(list);
	return why;
}

/* ---- the list ----------------------------------------------------------------- */

/* CertificateList without the part that entries is */
static X509_CRL *without(const struct tg_x509_crl_list *list,
		const struct tlv *tbs, const struct tlv *entries)
{
	size_t cut = (size_t)(end_of(entries) - entries->at);
	const unsigned char *rest = end_of(tbs), *end = list->der + list->octets;
	int of_tbs = (int)(tbs->octets - cut);
	int of_list =
			ASN1_object_size(1, of_tbs, V_ASN1_SEQUENCE) + (int)(end - rest);
	int octets = ASN1_object_size(1, of_list, V_ASN1_SEQUENCE);
	unsigned char *der = octets > 0 ? malloc((size_t)octets) : NULL, *to = der;
	const unsigned char *from = der;
	X509_CRL *crl;

	if(!der)
		return NULL;
	ASN1_put_object(&to, 1, of_list, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	ASN1_put_object(&to, 1, of_tbs, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(to, tbs->in, (size_t)(entries->at - tbs->in));
	to += entries->at - tbs->in;
	memcpy(to, end_of(entries), (size_t)(rest - end_of(entries)));
	to += rest - end_of(entries);
	memcpy(to, rest, (size_t)(end - rest));
	crl = d2i_X509_CRL(NULL, &from, octets);
	free(der);
	return crl;
}

/* Where revokedCertificates stands, or would: then it is empty */
static bool find_entries(const struct tlv *tbs, struct tlv *out)
{
	const unsigned char *at = tbs->in, *end = end_of(tbs);
	const unsigned char *before;

	do {
		if(!take(&at, end, out))
			return false;
	} while(!is_time(out)); /* thisUpdate */
	do {
		before = at;
		if(at == end || !take(&at, end, out))
			break;
	} while(is_time(out)); /* nextUpdate */
	if(before == end || out->tag != V_ASN1_SEQUENCE)
		*out = (struct tlv){-1, before, before, 0};
	return true;
}

const char *tg_x509_crl_list_read(struct tg_x509_crl_list *list,
		const unsigned char *der, size_t octets, X509_CRL **head)
{
	const unsigned char *at, *end;
	struct tlv whole, tbs, entries;
	const char *why;

	*head = NULL;
	memset(list, 0, sizeof(*list));
	if(octets == 0 || octets > INT_MAX)
		return "it cannot be read";
	list->der = malloc(octets);
	if(!list->der)
		return "out of memory";
	memcpy(list->der, der, octets);
	list->octets = octets;
	at = list->der;
	end = list->der + octets;
	if(!take_a(V_ASN1_SEQUENCE, &at, end, &whole) || at != end)
		return "it cannot be read";
	at = whole.in;
	if(!take_a(V_ASN1_SEQUENCE, &at, end, &tbs)
			|| !find_entries(&tbs, &entries))
		return "it cannot be read";
	list->tbs =
			tg_span_of((const char *)tbs.at, (size_t)(end_of(&tbs) - tbs.at));
	*head = without(list, &tbs, &entries);
	if(!*head)
		return "it cannot be read";
	why = read_entries(list, &entries);
	if(why) {
		X509_CRL_free(*head);
		*head = NULL;
	}
	return why;
}

void tg_x509_crl_list_drop(struct tg_x509_crl_list *list)
{
	free(list->der);
	free(list->entry);
	memset(list, 0, sizeof(*list));
}

bool tg_x509_crl_list_verify(const struct tg_x509_crl_list *list,
		const X509_CRL *head, EVP_PKEY *key)
{
	const unsigned char *at = (const unsigned char *)list->tbs.ptr;
	ASN1_TYPE *tbs = d2i_ASN1_TYPE(NULL, &at, (long)list->tbs.len);
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *algorithm;
	bool fits;

	X509_CRL_get0_signature(head, &signature, &algorithm);
	fits = tbs
		   && ASN1_item_verify(ASN1_ITEM_rptr(ASN1_ANY),
					  (X509_ALGOR *)algorithm, (ASN1_BIT_STRING *)signature,
					  tbs, key)
					  == 1;
	ASN1_TYPE_free(tbs);
	return fits;
}

/* The first whose serial number is not smaller */
static size_t lower_bound(
		const struct tg_x509_crl_list *list, struct tg_span serial)
{
	size_t low = 0, high = list->n;

	while(low < high) {
		size_t middle = low + (high - low) / 2;

		if(compare(serial_of(list, middle), serial) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static X509_REVOKED *entry_at(const struct tg_x509_crl_list *list, size_t i)
{
	const unsigned char *at = list->der + list->entry[i];

	return d2i_X509_REVOKED(NULL, &at, (long)(list->octets - list->entry[i]));
}

bool tg_x509_crl_list_find(const struct tg_x509_crl_list *list,
		const ASN1_INTEGER *number, X509_REVOKED **out)
{
	unsigned char *der = NULL;
	int octets = i2d_ASN1_INTEGER(number, &der);
	const unsigned char *at = der;
	struct tlv serial;
	bool found = false;

	*out = NULL;
	if(octets <= 0 || !take(&at, der + octets, &serial)) {
		OPENSSL_free(der);
		return true; /* fails closed */
	}
	struct tg_span wanted = tg_span_of((const char *)serial.in, serial.octets);
	for(size_t i = lower_bound(list, wanted);
			i < list->n && !found && compare(serial_of(list, i), wanted) == 0;
			i++) {
		X509_REVOKED *entry = entry_at(list, i);

		found = !entry || !tg_x509_is_removed(entry);
		if(found)
			*out = entry;
		else
			X509_REVOKED_free(entry);
	}
	OPENSSL_free(der);
	return found;
}
