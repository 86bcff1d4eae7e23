/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * FIPS 140: is a FIPS provider of OpenSSL in force in this process, and what
 * does it offer? Asked of OpenSSL itself, but for what its providers have
 * without its being approved.
 */
#ifndef TG_FIPS_FIPS_H
#define TG_FIPS_FIPS_H

#include "base/span.h"

/*
 * True when whatever OpenSSL does for this process comes from a FIPS
 * provider: fips=yes is a default property, or a FIPS provider is loaded and
 * the default one is not.
 */
bool tg_fips_active(void);

/* "OpenSSL FIPS Provider 3.0.22", or "" when none is loaded */
void tg_fips_describe(char *out, size_t octets);

/*
 * A library in this process that does TLS or SRTP with code of its own, past
 * any provider: its file name; NULL: none of those that are known.
 */
const char *tg_fips_bypass(void);

/* One name of OpenSSL's lists: does this process have it? Words that are no
 * name (HIGH, !aNULL, @SECLEVEL=1) are */
bool tg_fips_has_cipher(struct tg_span name);      /* up to TLS 1.2 */
bool tg_fips_has_ciphersuite(struct tg_span name); /* TLS 1.3 */
bool tg_fips_has_group(struct tg_span name);

/* Whole lists, as OpenSSL takes them, FIPS or not; legacy: with what it holds
 * for weak, too. False for memory that is out */
enum tg_fips_list { TG_FIPS_CIPHERS, TG_FIPS_CIPHERSUITES, TG_FIPS_GROUPS };
bool tg_fips_takes_list(
		enum tg_fips_list kind, struct tg_span list, bool legacy);

/* False for X25519 and X448: the provider of OpenSSL 3.0 has them, NIST SP
 * 800-56A does not. By the name alone */
bool tg_fips_approves_group(struct tg_span name);

#endif
