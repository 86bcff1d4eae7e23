/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The status of our own certificates, stapled for who asks (RFC 6066 section
 * 8, RFC 8446 section 4.4.2.1): the response that the fetching process got
 * where a [trust] with ocsp = fetch vouches for the certificate. Nobody waits:
 * what is not at hand, not good or past its time is not shown.
 */
#include "tls_policy/tlsp.h"

static bool response_of(
		X509 *cert, STACK_OF(X509) *chain, unsigned char **der, size_t *octets)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tg_judge *judge = tlsp_judge();
	const struct tg_pol_trust *trust = NULL;
	X509 *issuer;
	bool found = false;

	if(cert && judge)
		trust = tg_judge_responder_of(
				judge, snap->policy, snap->generation, cert, chain, &issuer);
	if(trust)
		found = tlsp_status_response(trust, cert, issuer, der, octets);
	tlsp_snap_unref(snap);
	return found;
}

int tlsp_staple(SSL *ssl)
{
	STACK_OF(X509) *chain = NULL;
	unsigned char *der;
	size_t octets;

	SSL_get0_chain_certs(ssl, &chain);
	if(!response_of(SSL_get_certificate(ssl), chain, &der, &octets))
		return SSL_TLSEXT_ERR_NOACK;
	/* takes der */
	SSL_set_tlsext_status_ocsp_resp(ssl, der, (long)octets);
	return SSL_TLSEXT_ERR_OK;
}

void tlsp_staple_prepare(X509 *cert, STACK_OF(X509) *chain)
{
	unsigned char *der;
	size_t octets;

	if(response_of(cert, chain, &der, &octets))
		OPENSSL_free(der);
}
