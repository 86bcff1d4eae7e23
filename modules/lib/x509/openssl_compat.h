/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What differs between OpenSSL 3.0 and 3.6, in one place. Everything of ours
 * that calls libcrypto includes this instead of naming versions itself.
 */
#ifndef TG_X509_OPENSSL_COMPAT_H
#define TG_X509_OPENSSL_COMPAT_H

#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/opensslv.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

_Static_assert(OPENSSL_VERSION_NUMBER >= 0x30000000L, "OpenSSL 3.0 or later");

/* 3.2 can meet a raw public key (RFC 7250) where a certificate belongs */
#ifndef X509_V_ERR_RPK_UNTRUSTED
#define X509_V_ERR_RPK_UNTRUSTED 95
#endif

/* of an SSL_SESSION, as time_t; who asks includes <openssl/ssl.h> */
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
#define tg_openssl_session_time(session) SSL_SESSION_get_time_ex(session)
#else
#define tg_openssl_session_time(session) ((time_t)SSL_SESSION_get_time(session))
#endif

#endif
