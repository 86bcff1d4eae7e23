/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One question to a responder: RFC 6960 section 4.1, with a nonce where it is
 * wanted (RFC 8954). The certificate is named by SHA-1 hashes of its issuer,
 * which is what every responder knows (RFC 5019 section 2.1.1); they protect
 * nothing. The response is checked as any other (ocsp.c), and against what
 * only this question held.
 */
#include "x509/parts.h"

#include <stdlib.h>

struct tg_x509_inquiry {
	X509 *leaf, *issuer;
	OCSP_REQUEST *request;
};

static X509 *read_certificate(struct tg_span der)
{
	const unsigned char *at = (const unsigned char *)der.ptr;

	return d2i_X509(NULL, &at, (long)der.len);
}

static OCSP_REQUEST *make_request(
		const struct tg_x509_inquiry *q, bool with_nonce)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), q->leaf, q->issuer);

	if(request && id && OCSP_request_add0_id(request, id)) {
		id = NULL; /* it is the request's now */
		if(!with_nonce || OCSP_request_add1_nonce(request, NULL, 32) == 1)
			return request;
	}
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(request);
	return NULL;
}

struct tg_x509_inquiry *tg_x509_inquiry_new(
		struct tg_span leaf_der, struct tg_span issuer_der, bool nonce)
{
	struct tg_x509_inquiry *q = calloc(1, sizeof(*q));

	if(!q)
		return NULL;
	ERR_set_mark();
	q->leaf = read_certificate(leaf_der);
	q->issuer = read_certificate(issuer_der);
	if(q->leaf && q->issuer)
		q->request = make_request(q, nonce);
	ERR_pop_to_mark();
	if(q->request)
		return q;
	tg_x509_inquiry_free(q);
	return NULL;
}

void tg_x509_inquiry_free(struct tg_x509_inquiry *q)
{
	if(!q)
		return;
	X509_free(q->leaf);
	X509_free(q->issuer);
	OCSP_REQUEST_free(q->request);
	free(q);
}

const OCSP_REQUEST *tg_x509_inquiry_request(const struct tg_x509_inquiry *q)
{
	return q->request;
}

/* ---- the response ---------------------------------------------------------- */

struct nonce_check {
	OCSP_REQUEST *request;
	enum tg_x509_nonce policy;
};

static const char *check_nonce(const void *ctx, OCSP_BASICRESP *basic)
{
	const struct nonce_check *c = ctx;
	/* 1 equal, 0 different, -1 not in the response, 2 and 3 not asked for */
	int found = OCSP_check_nonce(c->request, basic);

	if(found == 0)
		return "the response is to another question: its nonce differs";
	if(found != 1 && c->policy == TG_X509_NONCE_REQUIRED)
		return "the response has no nonce";
	return NULL;
}

void tg_x509_inquiry_read(const struct tg_x509_inquiry *q, struct tg_span der,
		enum tg_x509_nonce nonce, time_t at, bool allow_sha1,
		struct tg_x509_status *out)
{
	struct tg_x509_about about = {q->leaf, q->issuer, at, allow_sha1};
	struct nonce_check check = {q->request, nonce};

	ERR_set_mark();
	tg_x509_read_status(&about, der, check_nonce, &check, out);
	ERR_pop_to_mark();
}

/* ---- whom to ask ------------------------------------------------------------- */

bool tg_x509_responder_of(
		const struct tg_x509_inquiry *q, char *out, size_t octets)
{
	STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(q->leaf);
	bool found = false;

	for(int i = 0; i < sk_OPENSSL_STRING_num(all) && !found; i++) {
		struct tg_span url = tg_span_cstr(sk_OPENSSL_STRING_value(all, i));

		if(!tg_span_istarts(url, TG_SPAN("http://")) || url.len >= octets)
			continue;
		memcpy(out, url.ptr, url.len);
		out[url.len] = 0;
		found = true;
	}
	X509_email_free(all);
	return found;
}
