/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/media.h"

static const char *const suite_names[TG_SUITE_COUNT] = {
		[TG_SUITE_AES_CM_128_HMAC_SHA1_80] = "AES_CM_128_HMAC_SHA1_80",
		[TG_SUITE_AES_CM_128_HMAC_SHA1_32] = "AES_CM_128_HMAC_SHA1_32",
		[TG_SUITE_AES_256_CM_HMAC_SHA1_80] = "AES_256_CM_HMAC_SHA1_80",
		[TG_SUITE_AES_256_CM_HMAC_SHA1_32] = "AES_256_CM_HMAC_SHA1_32",
		[TG_SUITE_AEAD_AES_128_GCM] = "AEAD_AES_128_GCM",
		[TG_SUITE_AEAD_AES_256_GCM] = "AEAD_AES_256_GCM",
};

const char *tg_suite_name(enum tg_suite suite)
{
	return (unsigned)suite < TG_SUITE_COUNT ? suite_names[suite] : NULL;
}

enum tg_suite tg_suite_by_name(struct tg_span name)
{
	for(unsigned i = 1; i < TG_SUITE_COUNT; i++) {
		if(tg_span_eq(name, tg_span_cstr(suite_names[i])))
			return (enum tg_suite)i;
	}
	return TG_SUITE_NONE;
}

const char *tg_level_name(enum tg_level v)
{
	static const char *const names[] = {"required", "supported", "none"};

	return (unsigned)v < 3 ? names[v] : "?";
}

const char *tg_kx_name(enum tg_kx v)
{
	static const char *const names[] = {"none", "sdes", "dtls"};

	return (unsigned)v < 3 ? names[v] : "?";
}

const char *tg_dialect_name(enum tg_dialect v)
{
	static const char *const names[] = {"rfc8643", "ms-sdpext"};

	return (unsigned)v < 2 ? names[v] : "?";
}
