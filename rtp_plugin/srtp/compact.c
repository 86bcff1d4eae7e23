/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See compact.h: when the types may be used.
 */
#include "srtp/compact.h"

#include <openssl/evp.h>
#include <openssl/provider.h>

#if defined(__x86_64__)

bool tg_compact_available(const char **why)
{
	if(EVP_default_properties_is_fips_enabled(NULL)
			|| OSSL_PROVIDER_available(NULL, "fips")) {
		*why = "a FIPS provider is active";
		return false;
	}
	if(!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul")
			|| !__builtin_cpu_supports("sse4.1")
			|| !__builtin_cpu_supports("ssse3")) {
		*why = "the processor lacks AES or PCLMULQDQ";
		return false;
	}
	return true;
}

bool tg_compact_install(const char **why)
{
	static const struct {
		const srtp_cipher_type_t *type;
		const char *why;
	} ciphers[] = {
			{&tg_compact_icm_128, "compact AES-128 failed its self-test"},
			{&tg_compact_icm_256, "compact AES-256 failed its self-test"},
			{&tg_compact_gcm_128, "compact AES-128-GCM failed its self-test"},
			{&tg_compact_gcm_256, "compact AES-256-GCM failed its self-test"}};

	if(!tg_compact_available(why))
		return false;
	if(srtp_replace_auth_type(&tg_compact_hmac, tg_compact_hmac.id)
					!= srtp_err_status_ok
			|| srtp_replace_auth_type(&tg_compact_null, tg_compact_null.id)
					   != srtp_err_status_ok) {
		*why = "compact HMAC-SHA1 failed its self-test";
		return false;
	}
	for(size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++)
		if(srtp_replace_cipher_type(ciphers[i].type, ciphers[i].type->id)
				!= srtp_err_status_ok) {
			*why = ciphers[i].why;
			return false;
		}
	return true;
}

#else

bool tg_compact_available(const char **why)
{
	*why = "no compact types for this processor";
	return false;
}

bool tg_compact_install(const char **why)
{
	return tg_compact_available(why);
}

#endif
