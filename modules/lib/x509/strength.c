/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys and digests of a path against what the profile asks for. Every key of
 * the path counts, the anchor's too: who breaks one signs what he likes. The
 * anchor's own signature proves nothing and is not looked at.
 *
 * RSA, RSA-PSS, EC on a named curve, Ed25519 and Ed448 are known; a key of
 * any other kind is refused.
 */
#include "x509/parts.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define EC_BITS_MIN 256

bool tg_x509_digest_is_fit(int digest, bool allow_sha1)
{
	switch(digest) {
		case NID_md2:
		case NID_md4:
		case NID_md5:
		case NID_mdc2:
		case NID_ripemd160:
			return false;
		case NID_sha1:
			return allow_sha1;
		default:
			return true;
	}
}

bool tg_x509_check_burden(const struct tg_x509_ask *ask, X509 *cert, int depth,
		struct tg_x509_answer *answer)
{
	uint32_t max = ask->max_rsa_bits ? ask->max_rsa_bits : RSA_BITS_MAX;
	EVP_PKEY *key = X509_get0_pubkey(cert);

	if(!key)
		return tg_x509_refuse(answer, TG_REASON_CERT_MALFORMED, depth,
				"the public key cannot be read");
	if(EVP_PKEY_get_bits(key) > 0 && (uint32_t)EVP_PKEY_get_bits(key) <= max)
		return true;
	return tg_x509_refuse(answer, TG_REASON_CERT_CHAIN_LIMIT, depth,
			"key of %d bits, at most %u", EVP_PKEY_get_bits(key),
			(unsigned)max);
}

/* Curves written out as numbers may be anything (CVE-2020-0601) */
static bool is_named_curve(const EVP_PKEY *key)
{
	int is_explicit = 0;

	return !EVP_PKEY_get_int_param(key,
				   OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
				   &is_explicit)
		   || !is_explicit;
}

static bool check_key(const struct tg_x509_path *path, X509 *cert, int depth)
{
	const struct tg_x509_ask *ask = path->ask;
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int bits = key ? EVP_PKEY_get_bits(key) : 0;
	const char *kind = NULL;
	int min = ask->min_ec_bits ? ask->min_ec_bits : EC_BITS_MIN;

	if(!key)
		return tg_x509_refuse(path->answer, TG_REASON_CERT_MALFORMED, depth,
				"the public key cannot be read");
	if(EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		kind = "RSA";
		min = ask->min_rsa_bits ? ask->min_rsa_bits : RSA_BITS_MIN;
	} else if(EVP_PKEY_is_a(key, "EC")) {
		if(!is_named_curve(key))
			return tg_x509_refuse(path->answer, TG_REASON_CERT_WEAK, depth,
					"EC key on a curve without a name");
		kind = "EC";
	} else if(EVP_PKEY_is_a(key, "ED25519")) {
		kind = "Ed25519";
		bits = 256; /* OpenSSL says 253 */
	} else if(EVP_PKEY_is_a(key, "ED448")) {
		kind = "Ed448";
	}
	if(!kind)
		return tg_x509_refuse(path->answer, TG_REASON_CERT_WEAK, depth,
				"key of a kind that no profile admits");
	if(bits < min)
		return tg_x509_refuse(path->answer, TG_REASON_CERT_WEAK, depth,
				"%s key of %d bits, at least %d", kind, bits, min);
	return true;
}

static bool check_signature(
		const struct tg_x509_path *path, X509 *cert, int depth)
{
	int digest, key, security;
	uint32_t flags;

	if(!X509_get_signature_info(cert, &digest, &key, &security, &flags))
		return tg_x509_refuse(path->answer, TG_REASON_CERT_WEAK, depth,
				"signature algorithm is not known");
	if(tg_x509_digest_is_fit(digest, path->ask->allow_sha1))
		return true;
	return tg_x509_refuse(path->answer, TG_REASON_CERT_WEAK, depth,
			"signed with %s", OBJ_nid2sn(digest));
}

bool tg_x509_check_strength(const struct tg_x509_path *path)
{
	int n = sk_X509_num(path->chain);

	for(int i = 0; i < n; i++) {
		X509 *cert = sk_X509_value(path->chain, i);

		if(!check_key(path, cert, i)
				|| (i < n - 1 && !check_signature(path, cert, i))) {
			tg_x509_say_which(path->answer, cert);
			return false;
		}
	}
	return true;
}
