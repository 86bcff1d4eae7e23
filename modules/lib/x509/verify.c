/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One verdict from a chain. The steps, in this order:
 *
 *   limits    what was sent: certificates, octets, key sizes, names
 *   path      RFC 5280 section 6 by OpenSSL: signatures, dates, basic and
 *             name constraints, path length, up to a root of this store
 *   leaf      not self-signed, even where it is an anchor itself
 *   strength  keys and digests (strength.c)
 *   status    CRLs (crl.c), an OCSP response at hand (ocsp.c)
 *   usage     EKU and key usage (usage.c)
 *   name      RFC 5922 section 7.2 (names.c)
 *   status    what the host knows of it (ocsp.c): last, so that nobody is
 *             asked about a certificate that is refused anyway
 *
 * OpenSSL's purpose checks are off, for usage.c knows SIP's. So is its
 * X509_V_FLAG_X509_STRICT: CAs in the field lack the authority key identifier
 * or leave basicConstraints uncritical; neither helps an impostor. What
 * protects a path (cA true on intermediates, keyCertSign, path length, name
 * constraints, no unknown critical extension) OpenSSL checks without it.
 * A path ends in a self-signed CA of the store, never before.
 */
#include "x509/parts.h"

#define DEPTH_MAX 6
#define CHAIN_OCTETS_MAX ((uint32_t)64 * 1024)

/* ---- limits ------------------------------------------------------------------ */

static bool check_limits(X509 *leaf, STACK_OF(X509) *untrusted,
		const struct tg_x509_ask *ask, struct tg_x509_answer *answer)
{
	int depth_max = ask->max_depth ? ask->max_depth : DEPTH_MAX;
	size_t octets_max =
			ask->max_chain_octets ? ask->max_chain_octets : CHAIN_OCTETS_MAX;
	int n = untrusted ? sk_X509_num(untrusted) : 0; /* it says -1 of NULL */
	size_t octets = 0;
	int others = 0;

	for(int i = -1; i < n; i++) {
		X509 *cert = i < 0 ? leaf : sk_X509_value(untrusted, i);
		int len;

		if(i >= 0 && cert == leaf)
			continue;
		others += i >= 0;
		len = i2d_X509(cert, NULL);
		if(len <= 0)
			return tg_x509_refuse(answer, TG_REASON_CERT_MALFORMED, others,
					"the certificate cannot be encoded");
		octets += (size_t)len;
		/* the root may be sent along */
		if(others > depth_max + 1)
			return tg_x509_refuse(answer, TG_REASON_CERT_CHAIN_LIMIT, others,
					"more than %d intermediate certificates", depth_max);
		if(octets > octets_max)
			return tg_x509_refuse(answer, TG_REASON_CERT_CHAIN_LIMIT, others,
					"chain of more than %zu octets", octets_max);
		if(!tg_x509_check_burden(ask, cert, others, answer))
			return false;
	}
	return true;
}

static bool check_names_limit(const struct tg_x509_ask *ask, X509 *leaf,
		struct tg_x509_names *names, struct tg_x509_answer *answer)
{
	size_t max = ask->max_names ? ask->max_names : TG_X509_NAMES_MAX;

	if(!tg_x509_names(leaf, max, names))
		return tg_x509_refuse(answer, TG_REASON_CERT_MALFORMED, 0,
				"subjectAltName cannot be read");
	if(names->truncated)
		return tg_x509_refuse(answer, TG_REASON_CERT_CHAIN_LIMIT, 0,
				"more than %zu names", max);
	return true;
}

/* ---- path -------------------------------------------------------------------- */

static enum tg_reason reason_of(int error)
{
	switch(error) {
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		case X509_V_ERR_CERT_UNTRUSTED:
		case X509_V_ERR_RPK_UNTRUSTED:
		case X509_V_ERR_CERT_REJECTED:
		case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
		case X509_V_ERR_AKID_SKID_MISMATCH:
		case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
			return TG_REASON_CERT_UNTRUSTED;
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
			return TG_REASON_CERT_SELF_SIGNED;
		case X509_V_ERR_CERT_HAS_EXPIRED:
			return TG_REASON_CERT_EXPIRED;
		case X509_V_ERR_CERT_NOT_YET_VALID:
			return TG_REASON_CERT_NOT_YET;
		case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
			return TG_REASON_CERT_SIGNATURE;
		case X509_V_ERR_CERT_CHAIN_TOO_LONG:
			return TG_REASON_CERT_CHAIN_LIMIT;
		case X509_V_ERR_EE_KEY_TOO_SMALL:
		case X509_V_ERR_CA_KEY_TOO_SMALL:
		case X509_V_ERR_CA_MD_TOO_WEAK:
		case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
			return TG_REASON_CERT_WEAK;
		case X509_V_ERR_INVALID_CA:
		case X509_V_ERR_INVALID_NON_CA:
		case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		case X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED:
		case X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED:
		case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		case X509_V_ERR_PERMITTED_VIOLATION:
		case X509_V_ERR_EXCLUDED_VIOLATION:
		case X509_V_ERR_SUBTREE_MINMAX:
		case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
		case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
		case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
		case X509_V_ERR_INVALID_EXTENSION:
			return TG_REASON_CERT_CONSTRAINT;
		case X509_V_OK: /* it failed without saying why */
		case X509_V_ERR_OUT_OF_MEM:
		case X509_V_ERR_UNSPECIFIED:
		case X509_V_ERR_INVALID_CALL:
		case X509_V_ERR_STORE_LOOKUP:
			return TG_REASON_INTERNAL;
		default:
			return TG_REASON_CERT_MALFORMED;
	}
}

static void put_path_detail(
		struct tg_x509_text *t, enum tg_reason reason, int error, X509 *cert)
{
	switch(reason) {
		case TG_REASON_CERT_EXPIRED:
			tg_x509_put(t, "expired ");
			tg_x509_put_time(t, X509_get0_notAfter(cert));
			break;
		case TG_REASON_CERT_NOT_YET:
			tg_x509_put(t, "valid from ");
			tg_x509_put_time(t, X509_get0_notBefore(cert));
			break;
		case TG_REASON_CERT_SELF_SIGNED:
			tg_x509_put(t, "issued by itself, ");
			tg_x509_put_dn(t, X509_get_subject_name(cert));
			break;
		case TG_REASON_CERT_UNTRUSTED:
			tg_x509_put(t, "issuer ");
			tg_x509_put_dn(t, X509_get_issuer_name(cert));
			tg_x509_put(t, " is not trusted");
			break;
		default:
			tg_x509_put(t, "%s", X509_verify_cert_error_string(error));
	}
}

static void refuse_path(X509_STORE_CTX *ctx, struct tg_x509_answer *answer)
{
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	enum tg_reason reason = reason_of(error);
	char detail[sizeof(answer->detail)];
	struct tg_x509_text t;

	tg_x509_text_init(&t, detail, sizeof(detail));
	if(cert)
		put_path_detail(&t, reason, error, cert);
	else
		tg_x509_put(&t, "%s", X509_verify_cert_error_string(error));
	tg_x509_refuse(answer, reason, depth, "%s", detail);
	if(error != X509_V_OK)
		answer->openssl_error = error;
	if(reason != TG_REASON_CERT_UNTRUSTED)
		tg_x509_say_which(answer, cert);
}

/* The path, leaf first; NULL after a refusal. The caller frees it */
static STACK_OF(X509) *build_path(const struct tg_x509_store *store, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *answer)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	STACK_OF(X509) *chain = NULL;

	if(!ctx || !X509_STORE_CTX_init(ctx, store->store, leaf, untrusted)) {
		tg_x509_refuse(answer, TG_REASON_INTERNAL, 0, "out of memory");
		X509_STORE_CTX_free(ctx);
		return NULL;
	}
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, ask->at);
	X509_VERIFY_PARAM_set_depth(
			param, ask->max_depth ? ask->max_depth : DEPTH_MAX);
	/* strength.c judges keys; a level set system-wide must not hide why */
	X509_VERIFY_PARAM_set_auth_level(param, 0);
	if(X509_verify_cert(ctx) == 1
			&& X509_STORE_CTX_get_error(ctx) == X509_V_OK) {
		chain = X509_STORE_CTX_get1_chain(ctx);
		if(!chain)
			tg_x509_refuse(answer, TG_REASON_INTERNAL, 0, "out of memory");
	} else {
		refuse_path(ctx, answer);
	}
	X509_STORE_CTX_free(ctx);
	return chain;
}

/* ---- names ------------------------------------------------------------------- */

static void put_list(struct tg_x509_text *t, struct tg_span item, size_t i)
{
	/* room for what follows the list */
	if(t->len + item.len + 8 > t->octets) {
		if(!t->len || t->out[t->len - 1] != '.')
			tg_x509_put(t, i ? ", ..." : "...");
		return;
	}
	if(i)
		tg_x509_put(t, ", ");
	tg_x509_put_escaped(t, item);
}

static bool refuse_name(const struct tg_x509_ask *ask,
		const struct tg_x509_names *names, struct tg_x509_answer *answer)
{
	char has[112], wanted[64];
	struct tg_x509_text t;

	tg_x509_text_init(&t, has, sizeof(has));
	for(size_t i = 0; i < names->n; i++)
		put_list(&t, tg_span_of(names->item[i].text, names->item[i].len), i);
	if(names->n == 0)
		tg_x509_put(&t, "none");
	else if(names->item[0].kind == TG_X509_NAME_CN)
		tg_x509_put(&t, " (common name)");
	tg_x509_text_init(&t, wanted, sizeof(wanted));
	for(size_t i = 0; i < ask->n_identity; i++)
		put_list(&t, ask->identity[i], i);
	return tg_x509_refuse(answer, TG_REASON_CERT_NAME, 0,
			"names: %s; wanted: %s", has, wanted);
}

static void prove(struct tg_x509_answer *answer, struct tg_span name)
{
	memcpy(answer->name, name.ptr, name.len);
	answer->name[name.len] = '\0';
}

static bool check_name(
		const struct tg_x509_path *path, const struct tg_x509_names *names)
{
	const struct tg_x509_ask *ask = path->ask;
	struct tg_span outside = {NULL, 0};

	if(ask->n_identity == 0)
		return true;
	for(size_t i = 0; i < names->n; i++) {
		struct tg_span name =
				tg_span_of(names->item[i].text, names->item[i].len);

		if(names->item[i].kind == TG_X509_NAME_CN && !ask->common_name)
			continue;
		for(size_t k = 0; k < ask->n_identity; k++) {
			if(!tg_x509_name_matches(name, ask->identity[k], ask->wildcard))
				continue;
			if(tg_x509_admits_host(path, ask->identity[k])) {
				prove(path->answer, name);
				return true;
			}
			outside = ask->identity[k];
		}
	}
	if(outside.len)
		return tg_x509_refuse(path->answer, TG_REASON_CERT_CONSTRAINT, 0,
				"%.*s is outside the name constraints", TG_SPAN_FMT(outside));
	return refuse_name(ask, names, path->answer);
}

/* ---- the verdict ------------------------------------------------------------- */

static bool earliest_end(const struct tg_x509_path *path)
{
	for(int i = 0; i < sk_X509_num(path->chain); i++) {
		X509 *cert = sk_X509_value(path->chain, i);
		time_t end;

		if(!tg_x509_time(X509_get0_notAfter(cert), &end))
			return tg_x509_refuse(path->answer, TG_REASON_CERT_MALFORMED, i,
					"the end of validity cannot be read");
		if(i == 0 || end < path->answer->not_after)
			path->answer->not_after = end;
	}
	return true;
}

static bool judge(const struct tg_x509_store *store, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *answer)
{
	struct tg_x509_path path = {store, ask, leaf, NULL, answer};
	struct tg_x509_names names;
	bool good;

	if(!check_limits(leaf, untrusted, ask, answer)
			|| !check_names_limit(ask, leaf, &names, answer))
		return false;
	path.chain = build_path(store, leaf, untrusted, ask, answer);
	if(!path.chain)
		return false;
	if(sk_X509_num(path.chain) < 2)
		good = tg_x509_refuse(answer, TG_REASON_CERT_SELF_SIGNED, 0,
				"it is a trusted CA itself, and no peer's certificate");
	else
		good = tg_x509_check_uri_hosts(&path, &names)
			   && tg_x509_check_strength(&path)
			   && tg_x509_check_revocation(&path) && tg_x509_check_ocsp(&path)
			   && tg_x509_check_usage(&path) && check_name(&path, &names)
			   && earliest_end(&path) && tg_x509_check_status(&path);
	sk_X509_pop_free(path.chain, X509_free);
	return good;
}

void tg_x509_verify(const struct tg_x509_store *store, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *out)
{
	memset(out, 0, sizeof(*out));
	/* what stands if anything below forgets to say */
	out->reason = TG_REASON_INTERNAL;
	out->openssl_error = X509_V_ERR_UNSPECIFIED;
	if(!store || !ask)
		return;
	if(!leaf) {
		tg_x509_refuse(out, TG_REASON_CERT_MISSING, 0, "no certificate");
		return;
	}
	/* TLS goes on with this thread's error queue afterwards */
	ERR_set_mark();
	if(judge(store, leaf, untrusted, ask, out)) {
		out->reason = TG_REASON_NONE;
		out->openssl_error = X509_V_OK;
	}
	ERR_pop_to_mark();
}
