/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an OCSP response says about a certificate, RFC 6960: one that a server
 * stapled (RFC 6066 section 8), or one that answers an inquiry of ours. Nothing
 * is fetched here: see status.h.
 *
 *   successful -> for this certificate and issuer -> signed by the issuer, or
 *   by one that the issuer itself made for it (section 4.2.2.2) -> in its time
 *   -> good, revoked, unknown
 *
 * OpenSSL's OCSP_basic_verify() is used for the signature alone: it would take
 * a responder of any CA that it can chain. RFC 7633: a certificate that
 * promises a staple has to come with one. Nonces (RFC 8954) are for who asks
 * the responder; a staple has none.
 */
#include "x509/parts.h"

#define SKEW_SEC 300
#define NO_NEXT_SEC 3600 /* how long a response without next update holds */

/* ---- reading ------------------------------------------------------------- */

static OCSP_BASICRESP *read_response(struct tg_span der, const char **why)
{
	const unsigned char *at = (const unsigned char *)der.ptr;
	OCSP_BASICRESP *basic = NULL;
	OCSP_RESPONSE *r = NULL;

	if(der.len == 0 || der.len > TG_X509_OCSP_OCTETS_MAX)
		*why = der.len ? "the response is too large" : "there is no response";
	else if(!(r = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len))
			|| at != (const unsigned char *)der.ptr + der.len)
		*why = "the response cannot be read";
	else if(OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		*why = "the responder has no answer";
	else if(!(basic = OCSP_response_get1_basic(r)))
		*why = "the response is of no known kind";
	OCSP_RESPONSE_free(r);
	return basic;
}

static bool names_it(OCSP_SINGLERESP *one, X509 *leaf, X509 *issuer)
{
	OCSP_CERTID *theirs = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(one);
	ASN1_OBJECT *algorithm;
	const EVP_MD *digest;
	OCSP_CERTID *ours;
	bool same;

	if(OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, theirs) != 1)
		return false;
	digest = EVP_get_digestbyobj(algorithm);
	ours = digest ? OCSP_cert_to_id(digest, leaf, issuer) : NULL;
	same = ours && OCSP_id_cmp(ours, theirs) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

static OCSP_SINGLERESP *find_single(
		OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	for(int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);

		if(names_it(one, leaf, issuer))
			return one;
	}
	return NULL;
}

static bool has_critical(OCSP_BASICRESP *basic, OCSP_SINGLERESP *one)
{
	return OCSP_BASICRESP_get_ext_by_critical(basic, 1, -1) >= 0
		   || OCSP_SINGLERESP_get_ext_by_critical(one, 1, -1) >= 0;
}

/* ---- who signed it ------------------------------------------------------- */

static bool is_in_time(const X509 *cert, time_t at)
{
	time_t from, to;

	return tg_x509_time(X509_get0_notBefore(cert), &from)
		   && tg_x509_time(X509_get0_notAfter(cert), &to) && from <= at
		   && at <= to;
}

static bool digest_fits(int signature, bool allow_sha1)
{
	int digest, key;

	return OBJ_find_sigid_algs(signature, &digest, &key)
		   && tg_x509_digest_is_fit(digest, allow_sha1);
}

static bool may_sign(const struct tg_x509_about *about, X509 *signer)
{
	EVP_PKEY *key = X509_get0_pubkey(about->issuer);

	if(X509_cmp(signer, about->issuer) == 0)
		return true;
	return (X509_get_extension_flags(signer) & EXFLAG_XKUSAGE)
		   && !(X509_get_extension_flags(signer)
				   & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		   && (X509_get_extended_key_usage(signer) & XKU_OCSP_SIGN)
		   && (X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE)
		   && X509_check_issued(about->issuer, signer) == X509_V_OK && key
		   && X509_verify(signer, key) == 1
		   && digest_fits(X509_get_signature_nid(signer), about->allow_sha1)
		   && is_in_time(signer, about->at);
}

static const char *check_signer(
		const struct tg_x509_about *about, OCSP_BASICRESP *basic)
{
	STACK_OF(X509) *issuer = sk_X509_new_null();
	const X509_ALGOR *algorithm = OCSP_resp_get0_tbs_sigalg(basic);
	const ASN1_OBJECT *object;
	const char *why = NULL;
	X509 *signer = NULL;

	if(!issuer || !sk_X509_push(issuer, about->issuer)) {
		sk_X509_free(issuer);
		return "out of memory";
	}
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	if(!digest_fits(OBJ_obj2nid(object), about->allow_sha1))
		why = "the response is signed in a way that is not fit";
	else if(OCSP_resp_get0_signer(basic, &signer, issuer) != 1 || !signer
			|| !may_sign(about, signer))
		why = "the response is signed by one that may not";
	else if(OCSP_basic_verify(basic, issuer, NULL, OCSP_NOVERIFY) != 1)
		why = "the signature of the response is wrong";
	sk_X509_free(issuer);
	return why;
}

/* ---- what it says -------------------------------------------------------- */

static void put_revoked(const ASN1_TIME *when, struct tg_x509_status *out)
{
	struct tg_x509_text t;

	out->state = TG_X509_STATE_REVOKED;
	tg_x509_text_init(&t, out->detail, sizeof(out->detail));
	tg_x509_put(&t, "revoked ");
	tg_x509_put_time(&t, when);
}

static const char *read_single(const struct tg_x509_about *about,
		OCSP_SINGLERESP *one, struct tg_x509_status *out)
{
	ASN1_GENERALIZEDTIME *revoked = NULL, *this_update, *next_update;
	int status, reason;

	status = OCSP_single_get0_status(
			one, &reason, &revoked, &this_update, &next_update);
	if(!tg_x509_time(this_update, &out->from)
			|| (next_update && !tg_x509_time(next_update, &out->until)))
		out->from = out->until = 0;
	/* old or not: what is revoked stays so */
	if(status == V_OCSP_CERTSTATUS_REVOKED) {
		put_revoked(revoked, out);
		return NULL;
	}
	if(!out->from)
		return "the response has no time";
	if(!next_update)
		out->until = out->from + NO_NEXT_SEC;
	if(out->from > about->at + SKEW_SEC)
		return "the response is not valid yet";
	if(about->at > out->until)
		return "the response is past its next update";
	out->answered = true;
	if(status != V_OCSP_CERTSTATUS_GOOD)
		return "the responder does not know the certificate";
	out->state = TG_X509_STATE_GOOD;
	return NULL;
}

void tg_x509_read_status(const struct tg_x509_about *about, struct tg_span der,
		tg_x509_basic_fn also, const void *ctx, struct tg_x509_status *out)
{
	const char *why = NULL;
	OCSP_BASICRESP *basic;
	OCSP_SINGLERESP *one;

	memset(out, 0, sizeof(*out));
	basic = read_response(der, &why);
	one = basic ? find_single(basic, about->leaf, about->issuer) : NULL;
	if(basic && !one)
		why = "the response is about another certificate";
	else if(basic && has_critical(basic, one))
		why = "the response has a critical extension that is not known";
	else if(basic)
		why = check_signer(about, basic);
	if(!why && also)
		why = also(ctx, basic);
	if(!why)
		why = read_single(about, one, out);
	if(why)
		snprintf(out->detail, sizeof(out->detail), "%s", why);
	OCSP_BASICRESP_free(basic);
}

/* ---- a path --------------------------------------------------------------- */

/* RFC 7633: status_request is feature 5 */
static bool promises_staple(X509 *leaf)
{
	TLS_FEATURE *all = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);
	bool found = false;

	for(int i = 0; i < sk_ASN1_INTEGER_num(all) && !found; i++)
		found = ASN1_INTEGER_get(sk_ASN1_INTEGER_value(all, i)) == 5;
	sk_ASN1_INTEGER_pop_free(all, ASN1_INTEGER_free);
	return found;
}

static bool refuse(
		const struct tg_x509_path *path, const struct tg_x509_status *s)
{
	return tg_x509_refuse(path->answer,
			s->state == TG_X509_STATE_REVOKED ? TG_REASON_CERT_REVOKED
											  : TG_REASON_OCSP_UNKNOWN,
			0, "OCSP: %s", s->detail);
}

bool tg_x509_check_ocsp(const struct tg_x509_path *path)
{
	const struct tg_x509_ask *ask = path->ask;
	struct tg_x509_about about = {path->leaf, sk_X509_value(path->chain, 1),
			ask->at, ask->allow_sha1};
	struct tg_x509_status s;

	if(!ask->ocsp_asked || ask->revocation == TG_X509_REVOCATION_OFF)
		return true;
	tg_x509_read_status(&about, ask->ocsp, NULL, NULL, &s);
	if(s.state == TG_X509_STATE_GOOD) {
		path->answer->ocsp_until = s.until;
		return true;
	}
	if(s.state != TG_X509_STATE_REVOKED && !promises_staple(path->leaf)
			&& (ask->status || ask->revocation == TG_X509_REVOCATION_SOFT))
		return true;
	return refuse(path, &s);
}

bool tg_x509_check_status(const struct tg_x509_path *path)
{
	const struct tg_x509_ask *ask = path->ask;
	struct tg_x509_status s = {0};

	if(!ask->status || ask->revocation == TG_X509_REVOCATION_OFF
			|| path->answer->ocsp_until)
		return true;
	ask->status(ask->status_ctx, path->leaf, sk_X509_value(path->chain, 1),
			ask->allow_sha1, &s);
	if(s.state == TG_X509_STATE_REVOKED)
		return refuse(path, &s);
	if(s.state == TG_X509_STATE_GOOD
			&& ask->at <= s.until + ask->stale_grace_sec) {
		path->answer->ocsp_until = s.until;
		return true;
	}
	path->answer->status_open = true;
	snprintf(path->answer->detail, sizeof(path->answer->detail), "OCSP: %s",
			s.detail[0] ? s.detail : "the status is asked for");
	return true;
}
