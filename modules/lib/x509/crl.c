/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Certificate revocation lists, RFC 5280 sections 5 and 6.3, for complete
 * CRLs signed by the CA that issued the certificate. Delta CRLs, indirect
 * CRLs and CRLs for some reasons only are refused at load, so that none is
 * taken for more than it says.
 *
 * OpenSSL's own check is not used: it verifies the signature of a CRL anew
 * for each certificate of each chain, and cannot tell an operator when a
 * certificate was revoked or how stale a list is.
 */
#include "x509/parts.h"

#include <openssl/rsa.h>

/* ---- reading one ---------------------------------------------------------- */

static const char *read_scope(struct tg_x509_crl *slot)
{
	ISSUING_DIST_POINT *idp;
	const char *why = NULL;
	int found = -1;

	idp = X509_CRL_get_ext_d2i(
			slot->head, NID_issuing_distribution_point, &found, NULL);
	if(!idp)
		return found == -1 ? NULL : "its scope cannot be read";
	if(idp->indirectCRL > 0)
		why = "indirect CRLs are not supported";
	else if(idp->onlyattr > 0)
		why = "it is for attribute certificates";
	else if(idp->onlysomereasons)
		why = "CRLs for some reasons only are not supported";
	else if(idp->onlyuser > 0 && idp->onlyCA > 0)
		why = "its scope is empty";
	else if(idp->onlyuser > 0)
		slot->scope = TG_X509_CRL_USERS;
	else if(idp->onlyCA > 0)
		slot->scope = TG_X509_CRL_CAS;
	if(!why && idp->distpoint) {
		if(idp->distpoint->type == 0) {
			slot->points = idp->distpoint->name.fullname;
			idp->distpoint->name.fullname = NULL;
		} else {
			why = "relative names of distribution points are not supported";
		}
	}
	ISSUING_DIST_POINT_free(idp);
	return why;
}

static const char *check_critical(const X509_CRL *crl)
{
	for(int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *e = X509_CRL_get_ext(crl, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));

		if(nid == NID_delta_crl)
			return "delta CRLs are not supported";
		if(X509_EXTENSION_get_critical(e)
				&& nid != NID_issuing_distribution_point
				&& nid != NID_authority_key_identifier)
			return "it has a critical extension that is not known";
	}
	return NULL;
}

/* RSA-PSS names its digest in the parameters; SHA-1 where it names none */
static int digest_of_pss(const X509_CRL *crl)
{
	const X509_ALGOR *algorithm;
	RSA_PSS_PARAMS *pss = NULL;
	int digest = NID_sha1;

	X509_CRL_get0_signature(crl, NULL, &algorithm);
	if(algorithm->parameter)
		pss = ASN1_TYPE_unpack_sequence(
				ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	if(pss && pss->hashAlgorithm)
		digest = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
	RSA_PSS_PARAMS_free(pss);
	return digest;
}

static bool read_digest(struct tg_x509_crl *slot)
{
	int nid = X509_CRL_get_signature_nid(slot->head), key;

	if(nid == NID_rsassaPss) {
		slot->digest = digest_of_pss(slot->head);
		return slot->digest != NID_undef;
	}
	return OBJ_find_sigid_algs(nid, &slot->digest, &key);
}

static const char *read_head(struct tg_x509_crl *slot)
{
	const char *why;

	if(!tg_x509_time(X509_CRL_get0_lastUpdate(slot->head), &slot->this_update))
		return "its issue date cannot be read";
	if(!tg_x509_time(X509_CRL_get0_nextUpdate(slot->head), &slot->next_update))
		return "it has no next update (RFC 5280 section 5.1.2.5)";
	if(!read_digest(slot))
		return "its signature algorithm is not known";
	why = check_critical(slot->head);
	return why ? why : read_scope(slot);
}

const char *tg_x509_crl_init(
		struct tg_x509_crl *slot, const unsigned char *der, size_t octets)
{
	const char *why;

	memset(slot, 0, sizeof(*slot));
	why = tg_x509_crl_list_read(&slot->list, der, octets, &slot->head);
	if(!why)
		why = read_head(slot);
	if(why)
		tg_x509_crl_deinit(slot);
	return why;
}

void tg_x509_crl_deinit(struct tg_x509_crl *slot)
{
	sk_GENERAL_NAME_pop_free(slot->points, GENERAL_NAME_free);
	X509_CRL_free(slot->head);
	tg_x509_crl_list_drop(&slot->list);
	memset(slot, 0, sizeof(*slot));
}

bool tg_x509_crl_verify(const struct tg_x509_crl *c, EVP_PKEY *key)
{
	return tg_x509_crl_list_verify(&c->list, c->head, key);
}

/* ---- asking it -------------------------------------------------------------- */

static bool share_a_name(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
	for(int i = 0; i < sk_GENERAL_NAME_num(a); i++) {
		for(int k = 0; k < sk_GENERAL_NAME_num(b); k++) {
			if(GENERAL_NAME_cmp(
					   sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, k))
					== 0)
				return true;
		}
	}
	return false;
}

/* A CRL that names distribution points is for certificates that name one */
static bool is_for_points_of(const GENERAL_NAMES *points, const X509 *cert)
{
	CRL_DIST_POINTS *all =
			X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
	bool yes = false;

	for(int i = 0; i < sk_DIST_POINT_num(all) && !yes; i++) {
		const DIST_POINT *p = sk_DIST_POINT_value(all, i);

		yes = p->distpoint && p->distpoint->type == 0 && !p->CRLissuer
			  && !p->reasons
			  && share_a_name(p->distpoint->name.fullname, points);
	}
	CRL_DIST_POINTS_free(all);
	return yes;
}

static bool covers(const struct tg_x509_crl *c, X509 *cert)
{
	bool is_ca = X509_get_extension_flags(cert) & EXFLAG_CA;

	if(X509_NAME_cmp(X509_CRL_get_issuer(c->head), X509_get_issuer_name(cert)))
		return false;
	if((c->scope == TG_X509_CRL_USERS && is_ca)
			|| (c->scope == TG_X509_CRL_CAS && !is_ca))
		return false;
	return !c->points || is_for_points_of(c->points, cert);
}

static bool is_signed_by(const struct tg_x509_crl *c, X509 *issuer)
{
	EVP_PKEY *key;

	/* no keyUsage extension gives all bits */
	if(!(X509_get_key_usage(issuer) & KU_CRL_SIGN))
		return false;
	if(c->signer && (c->signer == issuer || X509_cmp(c->signer, issuer) == 0))
		return true;
	key = X509_get0_pubkey(issuer);
	return key && tg_x509_crl_verify(c, key);
}

/* CRLReason, RFC 5280 section 5.3.1; -1: none is given */
static long reason_of(const X509_REVOKED *entry)
{
	ASN1_ENUMERATED *code =
			X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
	long n = code ? ASN1_ENUMERATED_get(code) : -1;

	ASN1_ENUMERATED_free(code);
	return n;
}

bool tg_x509_is_removed(const X509_REVOKED *entry)
{
	return reason_of(entry) == 8;
}

static bool refuse_revoked(
		const struct tg_x509_path *path, int depth, const X509_REVOKED *entry)
{
	static const char *const names[] = {"unspecified", "keyCompromise",
			"cACompromise", "affiliationChanged", "superseded",
			"cessationOfOperation", "certificateHold", "", "",
			"privilegeWithdrawn", "aACompromise"};
	struct tg_x509_text t;
	char detail[96];
	long n = entry ? reason_of(entry) : -1;

	tg_x509_text_init(&t, detail, sizeof(detail));
	tg_x509_put(&t, "revoked ");
	tg_x509_put_time(
			&t, entry ? X509_REVOKED_get0_revocationDate(entry) : NULL);
	if(n >= 0 && n < (long)(sizeof(names) / sizeof(*names)) && *names[n])
		tg_x509_put(&t, ", %s", names[n]);
	tg_x509_refuse(path->answer, TG_REASON_CERT_REVOKED, depth, "%s", detail);
	tg_x509_say_which(path->answer, sk_X509_value(path->chain, depth));
	return false;
}

/* The best that the CRLs at hand say about one certificate */
struct finding {
	const struct tg_x509_crl *fresh; /* the one that says so the longest */
	const struct tg_x509_crl *stale; /* the youngest one past its time */
	const char *unfit; /* why one of the right name was not used */
	bool revoked;
	X509_REVOKED *entry; /* that says so; may be NULL */
};

static void ask_crl(const struct tg_x509_path *path,
		const struct tg_x509_crl *c, X509 *cert, X509 *issuer,
		struct finding *f)
{
	const struct tg_x509_ask *ask = path->ask;

	if(!is_signed_by(c, issuer)) {
		f->unfit = "is not signed by the issuer";
		return;
	}
	if(!tg_x509_digest_is_fit(c->digest, ask->allow_sha1)) {
		f->unfit = "is signed with a weak digest";
		return;
	}
	f->revoked = tg_x509_crl_list_find(
			&c->list, X509_get0_serialNumber(cert), &f->entry);
	if(c->this_update > ask->at)
		f->unfit = "is not valid yet";
	else if(ask->at <= c->next_update
			|| ask->at - c->next_update <= ask->stale_grace_sec)
		f->fresh = f->fresh && f->fresh->next_update > c->next_update ? f->fresh
																	  : c;
	else if(!f->stale || f->stale->next_update < c->next_update)
		f->stale = c;
}

static void note_until(struct tg_x509_answer *answer, time_t until)
{
	if(!answer->crl_until || until < answer->crl_until)
		answer->crl_until = until;
}

static bool check_one(const struct tg_x509_path *path, int depth)
{
	X509 *cert = sk_X509_value(path->chain, depth);
	X509 *issuer = sk_X509_value(path->chain, depth + 1);
	bool soft = path->ask->revocation == TG_X509_REVOCATION_SOFT;
	struct finding f = {0};
	struct tg_x509_text t;
	char detail[160];

	for(size_t i = 0; i < path->store->n_crl && !f.revoked; i++) {
		if(covers(&path->store->crl[i], cert))
			ask_crl(path, &path->store->crl[i], cert, issuer, &f);
	}
	if(f.revoked) {
		refuse_revoked(path, depth, f.entry);
		X509_REVOKED_free(f.entry);
		return false;
	}
	if(f.fresh || soft) {
		/* who does not insist on a fresh one does not wait for its end */
		if(!soft)
			note_until(path->answer, f.fresh->next_update);
		return true;
	}
	tg_x509_text_init(&t, detail, sizeof(detail));
	if(f.stale) {
		tg_x509_put(&t, "CRL of ");
		tg_x509_put_dn(&t, X509_get_subject_name(issuer));
		tg_x509_put(&t, " expired ");
		tg_x509_put_time(&t, X509_CRL_get0_nextUpdate(f.stale->head));
		return tg_x509_refuse(
				path->answer, TG_REASON_CRL_EXPIRED, depth, "%s", detail);
	}
	tg_x509_put(&t, f.unfit ? "CRL of " : "no CRL of ");
	tg_x509_put_dn(&t, X509_get_subject_name(issuer));
	if(f.unfit)
		tg_x509_put(&t, " %s", f.unfit);
	return tg_x509_refuse(
			path->answer, TG_REASON_CRL_MISSING, depth, "%s", detail);
}

bool tg_x509_check_revocation(const struct tg_x509_path *path)
{
	int n = sk_X509_num(path->chain);

	if(path->store->n_crl == 0
			|| path->ask->revocation == TG_X509_REVOCATION_OFF)
		return true;
	/* from the anchor down: a revoked CA says more than its leaf */
	for(int i = n - 2; i >= 0; i--) {
		if(!check_one(path, i))
			return false;
	}
	return true;
}
