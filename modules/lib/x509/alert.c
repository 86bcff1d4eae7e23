/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a reason to the alert of RFC 8446 section 6.2. OpenSSL picks the alert
 * by its own verification error, so one is named that leads there.
 */
#include "x509/parts.h"

int tg_x509_alert_error(enum tg_reason reason)
{
	switch(reason) {
		case TG_REASON_NONE:
			return X509_V_OK;
		case TG_REASON_CERT_EXPIRED: /* certificate_expired */
			return X509_V_ERR_CERT_HAS_EXPIRED;
		case TG_REASON_CERT_REVOKED: /* certificate_revoked */
			return X509_V_ERR_CERT_REVOKED;
		case TG_REASON_CERT_UNTRUSTED: /* unknown_ca */
			return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
		case TG_REASON_CERT_SELF_SIGNED:
			return X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
		case TG_REASON_CERT_SIGNATURE: /* decrypt_error */
			return X509_V_ERR_CERT_SIGNATURE_FAILURE;
		case TG_REASON_CERT_EKU: /* unsupported_certificate */
			return X509_V_ERR_INVALID_PURPOSE;
		case TG_REASON_CERT_NOT_YET: /* bad_certificate */
			return X509_V_ERR_CERT_NOT_YET_VALID;
		case TG_REASON_CERT_MALFORMED:
			return X509_V_ERR_CERT_REJECTED;
		case TG_REASON_CERT_NAME:
			return X509_V_ERR_HOSTNAME_MISMATCH;
		case TG_REASON_CERT_WEAK:
			return X509_V_ERR_EE_KEY_TOO_SMALL;
		case TG_REASON_CERT_CONSTRAINT:
			return X509_V_ERR_INVALID_CA;
		case TG_REASON_CERT_CHAIN_LIMIT:
			return X509_V_ERR_CERT_CHAIN_TOO_LONG;
		case TG_REASON_CRL_MISSING: /* certificate_unknown */
		case TG_REASON_CRL_EXPIRED:
		case TG_REASON_OCSP_UNKNOWN:
			return X509_V_ERR_OCSP_VERIFY_FAILED;
		case TG_REASON_INTERNAL: /* internal_error */
			return X509_V_ERR_UNSPECIFIED;
		default: /* handshake_failure */
			return X509_V_ERR_APPLICATION_VERIFICATION;
	}
}
