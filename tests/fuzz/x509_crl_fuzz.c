/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One CRL, DER, of any shape: what is taken holds the entries that OpenSSL
 * sees in it, and finds each of them.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "x509/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool says_removed(
		STACK_OF(X509_REVOKED) *all, const ASN1_INTEGER *number)
{
	for(int i = 0; i < sk_X509_REVOKED_num(all); i++) {
		const X509_REVOKED *r = sk_X509_REVOKED_value(all, i);

		if(ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(r), number) == 0
				&& tg_x509_is_removed(r))
			return true;
	}
	return false;
}

static bool is_listed(const struct tg_x509_crl *c, const ASN1_INTEGER *number)
{
	X509_REVOKED *entry;
	bool found = tg_x509_crl_list_find(&c->list, number, &entry);

	if(entry
			&& (!found
					|| ASN1_INTEGER_cmp(
							X509_REVOKED_get0_serialNumber(entry), number)))
		abort();
	X509_REVOKED_free(entry);
	return found;
}

static void agree(const struct tg_x509_crl *c, X509_CRL *whole)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(whole);
	int n = sk_X509_REVOKED_num(all);

	if(c->list.n != (size_t)(n < 0 ? 0 : n))
		abort();
	for(int i = 0; i < n; i++) {
		const ASN1_INTEGER *number =
				X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(all, i));

		if(!is_listed(c, number) && !says_removed(all, number))
			abort();
	}
	if(X509_NAME_cmp(X509_CRL_get_issuer(c->head), X509_CRL_get_issuer(whole)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	X509_CRL *whole = d2i_X509_CRL(NULL, &at, (long)size);
	ASN1_INTEGER *other = ASN1_INTEGER_new();
	struct tg_x509_crl c;

	if(tg_x509_crl_init(&c, data, size) == NULL) {
		if(whole && at == data + size)
			agree(&c, whole);
		if(other && ASN1_INTEGER_set_uint64(other, 0x5a5a5a5a5a5a5a5a)
				&& !c.list.n && is_listed(&c, other))
			abort();
		tg_x509_crl_deinit(&c);
	}
	ASN1_INTEGER_free(other);
	X509_CRL_free(whole);
	ERR_clear_error();
	return 0;
}
