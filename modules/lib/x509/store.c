/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A trust as it stands in memory: anchors and CRLs, parsed once. Read only
 * after that, so any number of verifications may share it.
 */
#include "x509/parts.h"

#include <stdlib.h>

/* One PEM or DER object at a time out of a blob */
struct reader {
	const struct tg_x509_blob *blob;
	const char *want[3]; /* PEM labels, NULL ends */
	struct tg_diags *diags;
	BIO *bio; /* NULL: DER, or nothing left */
	bool der;
	unsigned n; /* objects so far */
};

static void report(const struct reader *r, enum tg_severity severity,
		const char *what, const char *why)
{
	struct tg_where where = {.file = r->blob->path};

	tg_diags_add(
			r->diags, severity, &where, "object %u: %s%s", r->n, what, why);
}

static bool start(struct reader *r, const struct tg_x509_blob *blob,
		struct tg_diags *diags)
{
	r->blob = blob;
	r->diags = diags;
	r->n = 0;
	r->bio = NULL;
	/* DER begins with a SEQUENCE; "0" starts no PEM label */
	r->der = blob->data.len && blob->data.ptr[0] == 0x30;
	if(r->der || blob->data.len == 0 || blob->data.len > INT_MAX)
		return true;
	r->bio = BIO_new_mem_buf(blob->data.ptr, (int)blob->data.len);
	return r->bio;
}

/* False at the end. *der is NULL when an object was there but of no use */
static bool next(struct reader *r, unsigned char **der, long *octets)
{
	char *label = NULL, *header = NULL;
	bool wanted = false;

	*der = NULL;
	if(r->der && r->n == 0 && r->blob->data.len <= INT_MAX) {
		r->n = 1;
		*octets = (long)r->blob->data.len;
		*der = OPENSSL_memdup(r->blob->data.ptr, r->blob->data.len);
		return true;
	}
	if(!r->bio)
		return false;
	r->n++;
	if(!PEM_read_bio(r->bio, &label, &header, der, octets)) {
		bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

		*der = NULL;
		BIO_free(r->bio);
		r->bio = NULL;
		if(end)
			return false;
		report(r, TG_SEV_ERROR, "the PEM text is broken", "");
		return true;
	}
	for(size_t i = 0; r->want[i]; i++)
		wanted |= strcmp(label, r->want[i]) == 0;
	if(!wanted) {
		report(r, TG_SEV_ERROR, "unexpected PEM object: ", label);
		OPENSSL_free(*der);
		*der = NULL;
	}
	OPENSSL_free(label);
	OPENSSL_free(header);
	return true;
}

/* ---- certificates ---------------------------------------------------------- */

static void add_anchor(struct tg_x509_store *s, struct reader *r,
		const unsigned char *der, long octets)
{
	const unsigned char *at = der;
	X509 *cert = d2i_X509(NULL, &at, octets);

	if(!cert || at != der + octets) {
		report(r, TG_SEV_ERROR, "the certificate cannot be read", "");
	} else if(X509_check_ca(cert) == 0) {
		/* pinning a peer's own certificate is not trusting a CA */
		report(r, TG_SEV_ERROR, "the certificate is not a CA's", "");
	} else if(!X509_STORE_add_cert(s->store, cert)
			  || !sk_X509_push(s->anchors, cert)) {
		report(r, TG_SEV_ERROR, "out of memory", "");
	} else {
		cert = NULL; /* anchors owns it */
	}
	X509_free(cert);
}

static void take_anchors(struct tg_x509_store *s,
		const struct tg_x509_blob *blob, struct tg_diags *diags)
{
	struct reader r = {.want = {PEM_STRING_X509, PEM_STRING_X509_OLD}};
	unsigned char *der;
	long octets;

	if(!start(&r, blob, diags))
		report(&r, TG_SEV_ERROR, "out of memory", "");
	while(next(&r, &der, &octets)) {
		if(der)
			add_anchor(s, &r, der, octets);
		OPENSSL_free(der);
	}
}

static void want_a_root(const struct tg_x509_store *s,
		const struct tg_x509_blob *ca, size_t n_ca, struct tg_diags *diags)
{
	struct tg_where where = {.file = n_ca ? ca[0].path : TG_SPAN("")};

	for(int i = 0; i < sk_X509_num(s->anchors); i++) {
		if(X509_self_signed(sk_X509_value(s->anchors, i), 0) == 1)
			return;
	}
	tg_diags_add(diags, TG_SEV_ERROR, &where,
			sk_X509_num(s->anchors)
					? "no root CA: a chain must end in a self-signed one"
					: "no certificate");
}

/* ---- CRLs -------------------------------------------------------------------- */

/* The anchor whose key fits is noted, so that no handshake checks it again */
static void find_signer(
		struct tg_x509_store *s, struct tg_x509_crl *c, const struct reader *r)
{
	bool named = false;

	for(int i = 0; i < sk_X509_num(s->anchors) && !c->signer; i++) {
		X509 *ca = sk_X509_value(s->anchors, i);
		EVP_PKEY *key = X509_get0_pubkey(ca);

		if(X509_NAME_cmp(
				   X509_get_subject_name(ca), X509_CRL_get_issuer(c->head)))
			continue;
		named = true;
		if(key && tg_x509_crl_verify(c, key))
			c->signer = ca;
	}
	if(named && !c->signer)
		report(r, TG_SEV_WARNING,
				"the CRL is not signed by the CA of that name", "");
}

static void add_crl(struct tg_x509_store *s, const struct reader *r,
		const unsigned char *der, long octets)
{
	struct tg_x509_crl *grown =
			realloc(s->crl, (s->n_crl + 1) * sizeof(*grown));
	const char *why;

	if(!grown) {
		report(r, TG_SEV_ERROR, "out of memory", "");
		return;
	}
	s->crl = grown;
	why = tg_x509_crl_init(&grown[s->n_crl], der, (size_t)octets);
	if(why) {
		report(r, TG_SEV_ERROR, "CRL: ", why);
		return;
	}
	find_signer(s, &grown[s->n_crl], r);
	s->n_crl++;
}

static void take_crls(struct tg_x509_store *s, const struct tg_x509_blob *blob,
		struct tg_diags *diags)
{
	struct reader r = {.want = {PEM_STRING_X509_CRL}};
	size_t before = s->n_crl, errors = diags->errors;
	unsigned char *der;
	long octets;

	if(!start(&r, blob, diags))
		report(&r, TG_SEV_ERROR, "out of memory", "");
	while(next(&r, &der, &octets)) {
		if(der)
			add_crl(s, &r, der, octets);
		OPENSSL_free(der);
	}
	if(s->n_crl == before && diags->errors == errors) {
		struct tg_where where = {.file = blob->path};

		/* with none at all, nothing would be checked */
		tg_diags_add(diags, TG_SEV_ERROR, &where, "no CRL");
	}
}

static void add_facts(
		struct tg_x509_crl_facts *out, const unsigned char *der, long octets)
{
	struct tg_x509_crl crl;

	if(tg_x509_crl_init(&crl, der, (size_t)octets) != NULL)
		return;
	if(!out->n_crl++ || crl.next_update < out->next_update)
		out->next_update = crl.next_update;
	out->n_revoked += crl.list.n;
	tg_x509_crl_deinit(&crl);
}

bool tg_x509_crl_facts(
		const struct tg_x509_blob *blob, struct tg_x509_crl_facts *out)
{
	struct reader r = {.want = {PEM_STRING_X509_CRL}};
	struct tg_diags unread;
	unsigned char *der;
	long octets;

	memset(out, 0, sizeof(*out));
	tg_diags_init(&unread, &tg_alloc_libc);
	ERR_set_mark();
	if(start(&r, blob, &unread)) {
		while(next(&r, &der, &octets)) {
			if(der)
				add_facts(out, der, octets);
			OPENSSL_free(der);
		}
	}
	ERR_pop_to_mark();
	tg_diags_deinit(&unread);
	return out->n_crl != 0;
}

/* ---- the store ----------------------------------------------------------------- */

struct tg_x509_store *tg_x509_store_new(const struct tg_x509_blob *ca,
		size_t n_ca, const struct tg_x509_blob *crl, size_t n_crl,
		struct tg_diags *diags)
{
	struct tg_x509_store *s = calloc(1, sizeof(*s));
	size_t errors = diags->errors;

	ERR_set_mark();
	if(s) {
		s->store = X509_STORE_new();
		s->anchors = sk_X509_new_null();
	}
	if(!s || !s->store || !s->anchors) {
		tg_diags_add(diags, TG_SEV_ERROR, NULL, "out of memory");
	} else {
		for(size_t i = 0; i < n_ca; i++)
			take_anchors(s, &ca[i], diags);
		if(diags->errors == errors)
			want_a_root(s, ca, n_ca, diags);
		for(size_t i = 0; i < n_crl; i++)
			take_crls(s, &crl[i], diags);
	}
	ERR_pop_to_mark();
	if(diags->errors == errors)
		return s;
	tg_x509_store_free(s);
	return NULL;
}

void tg_x509_store_free(struct tg_x509_store *s)
{
	if(!s)
		return;
	for(size_t i = 0; i < s->n_crl; i++)
		tg_x509_crl_deinit(&s->crl[i]);
	free(s->crl);
	sk_X509_pop_free(s->anchors, X509_free);
	X509_STORE_free(s->store);
	free(s);
}

static X509 *issuer_in(const STACK_OF(X509) *all, X509 *cert)
{
	for(int i = 0; i < sk_X509_num(all); i++) {
		X509 *one = sk_X509_value(all, i);

		if(one != cert && X509_check_issued(one, cert) == X509_V_OK)
			return one;
	}
	return NULL;
}

X509 *tg_x509_store_issuer(
		const struct tg_x509_store *store, X509 *leaf, STACK_OF(X509) *others)
{
	X509 *first = NULL, *above = leaf;

	/* no path is longer than what it is made of */
	for(int i = 0; above && i <= sk_X509_num(others) + 1; i++) {
		X509 *anchor = issuer_in(store->anchors, above);

		if(anchor)
			return first ? first : anchor;
		above = issuer_in(others, above);
		first = first ? first : above;
	}
	return NULL;
}
