/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A certificate, a chain, a trust and CRLs of any shape: names, the verdict
 * and its text. Input: objects one after the other,
 *
 *   kind (1 octet)  octets (2, network order)  DER
 *
 * with kind modulo 5: 0 leaf, 1 untrusted, 2 CA, 3 CRL, 4 OCSP response; CA and
 * CRL also as PEM. The first octet of all picks what is asked.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "x509/openssl_compat.h"
#include "x509/x509.h"

#define OBJECTS_MAX 16

struct input {
	X509 *leaf;
	STACK_OF(X509) *untrusted;
	struct tg_x509_blob ca[OBJECTS_MAX], crl[OBJECTS_MAX];
	size_t n_ca, n_crl;
	struct tg_span ocsp;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct input *in, unsigned kind, const uint8_t *der, size_t n)
{
	struct tg_x509_blob blob = {TG_SPAN("x"), tg_span_of((const char *)der, n)};
	const uint8_t *at = der;
	X509 *cert;

	if(kind == 2 && in->n_ca < OBJECTS_MAX)
		in->ca[in->n_ca++] = blob;
	if(kind == 3 && in->n_crl < OBJECTS_MAX)
		in->crl[in->n_crl++] = blob;
	if(kind == 4)
		in->ocsp = blob.data;
	if(kind > 1)
		return;
	cert = d2i_X509(NULL, &at, (long)n);
	if(cert && kind == 0 && !in->leaf)
		in->leaf = cert;
	else if(!cert || !sk_X509_push(in->untrusted, cert))
		X509_free(cert);
}

static void must_be_host(const char *text, size_t len)
{
	if(strlen(text) != len || len > TG_X509_NAME_OCTETS)
		abort();
	for(size_t i = 0; i < len; i++) {
		if(!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.*", text[i]))
			abort();
	}
}

static void look_at_names(X509 *cert)
{
	static struct tg_x509_names names;
	static const struct tg_span wanted = TG_SPAN_INIT("gw1.lab.test");

	if(!tg_x509_names(cert, TG_X509_NAMES_MAX, &names))
		return;
	for(size_t i = 0; i < names.n; i++) {
		struct tg_span name = tg_span_of(names.item[i].text, names.item[i].len);

		must_be_host(name.ptr, name.len);
		/* what matches without consent is the name itself */
		if(tg_x509_name_matches(name, wanted, false)
				&& !tg_span_eq(name, wanted))
			abort();
	}
}

/* The same response as the answer to a question of ours */
static void look_at_status(const struct input *in, X509 *leaf)
{
	struct tg_x509_inquiry *q;
	struct tg_x509_status s;
	unsigned char *der = NULL;
	char url[64];
	int n = i2d_X509(leaf, &der);
	struct tg_span text = tg_span_of((const char *)der, n > 0 ? (size_t)n : 0);

	q = in->n_ca ? tg_x509_inquiry_new(text, in->ca[0].data, true) : NULL;
	if(q) {
		tg_x509_inquiry_read(
				q, in->ocsp, TG_X509_NONCE_REQUIRED, 1893456000, true, &s);
		/* the nonce was made a moment ago */
		if(s.state != TG_X509_STATE_UNKNOWN)
			abort();
		tg_x509_inquiry_read(
				q, in->ocsp, TG_X509_NONCE_OPTIONAL, 1893456000, true, &s);
		if(s.state == TG_X509_STATE_GOOD && s.until < 1893456000)
			abort();
		if(tg_x509_responder_of(q, url, sizeof(url))
				&& strlen(url) >= sizeof(url))
			abort();
	}
	tg_x509_inquiry_free(q);
	OPENSSL_free(der);
}

static void judge(struct input *in, uint8_t choice)
{
	static const struct tg_span wanted = TG_SPAN_INIT("gw1.lab.test");
	struct tg_x509_ask ask = {.identity = &wanted,
			.n_identity = 1,
			.wildcard = choice & 1,
			.common_name = choice & 2,
			.peer_is_client = choice & 4,
			.eku = (enum tg_x509_eku)((choice >> 3) % 6),
			.allow_sha1 = choice & 64,
			.revocation = choice & 128 ? TG_X509_REVOCATION_SOFT
									   : TG_X509_REVOCATION_HARD,
			.ocsp_asked = in->ocsp.len,
			.ocsp = in->ocsp,
			.at = 1893456000};
	struct tg_x509_answer answer;
	struct tg_x509_store *store;
	struct tg_diags diags;

	tg_diags_init(&diags, &tg_alloc_libc);
	store = tg_x509_store_new(in->ca, in->n_ca, in->crl, in->n_crl, &diags);
	if((store == NULL) != (diags.errors > 0))
		abort();
	tg_x509_verify(store, in->leaf, in->untrusted, &ask, &answer);
	if(answer.reason == TG_REASON_NONE && (!store || !in->leaf))
		abort();
	if((answer.reason == TG_REASON_NONE) != (answer.openssl_error == X509_V_OK))
		abort();
	for(const char *c = answer.detail; *c; c++) {
		if(*c < 0x20 || *c > 0x7e)
			abort();
	}
	must_be_host(answer.name, strlen(answer.name));
	tg_x509_store_free(store);
	tg_diags_deinit(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.untrusted = sk_X509_new_null()};
	uint8_t choice = size ? *data : 0;

	if(!in.untrusted)
		return 0;
	for(size_t at = 1; at + 3 <= size;) {
		size_t n = (size_t)data[at + 1] << 8 | data[at + 2];

		if(n > size - at - 3)
			n = size - at - 3;
		take(&in, data[at] % 5, data + at + 3, n);
		at += 3 + n;
	}
	if(in.leaf)
		look_at_names(in.leaf);
	if(in.leaf)
		look_at_status(&in, in.leaf);
	judge(&in, choice);
	X509_free(in.leaf);
	sk_X509_pop_free(in.untrusted, X509_free);
	ERR_clear_error();
	return 0;
}
