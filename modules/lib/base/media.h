/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words of media security that policy, SDP, ng and the media plugin
 * share. Zero is the strict or the empty value.
 */
#ifndef TG_BASE_MEDIA_H
#define TG_BASE_MEDIA_H

#include "base/span.h"

enum tg_level { TG_LEVEL_REQUIRED = 0, TG_LEVEL_SUPPORTED, TG_LEVEL_NONE };
enum tg_dialect { TG_DIALECT_RFC8643 = 0, TG_DIALECT_MS_SDPEXT };

enum tg_kx { TG_KX_NONE = 0, TG_KX_SDES, TG_KX_DTLS };
#define TG_KX_MAX 2

enum tg_suite {
	TG_SUITE_NONE = 0,
	TG_SUITE_AES_CM_128_HMAC_SHA1_80, /* RFC 4568 6.2 */
	TG_SUITE_AES_CM_128_HMAC_SHA1_32,
	TG_SUITE_AES_256_CM_HMAC_SHA1_80, /* RFC 6188 */
	TG_SUITE_AES_256_CM_HMAC_SHA1_32,
	TG_SUITE_AEAD_AES_128_GCM, /* RFC 7714 */
	TG_SUITE_AEAD_AES_256_GCM,
	TG_SUITE_COUNT
};
#define TG_SUITES_MAX (TG_SUITE_COUNT - 1)

/* The name in a=crypto; NULL for NONE and for values outside the enum */
const char *tg_suite_name(enum tg_suite suite);
/* Exact case, as RFC 4568 9.2 has it; NONE for an unknown name */
enum tg_suite tg_suite_by_name(struct tg_span name);

/* As the policy file writes them; never NULL */
const char *tg_level_name(enum tg_level v);
const char *tg_kx_name(enum tg_kx v);
const char *tg_dialect_name(enum tg_dialect v);

#endif
