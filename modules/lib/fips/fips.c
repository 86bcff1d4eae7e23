/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See fips.h.
 */
#include "fips/fips.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#define NAME_OCTETS 96

bool tg_fips_active(void)
{
	if(EVP_default_properties_is_fips_enabled(NULL))
		return true;
	return OSSL_PROVIDER_available(NULL, "fips")
		   && !OSSL_PROVIDER_available(NULL, "default");
}

/* ---- the provider ------------------------------------------------------- */

struct found {
	char *out;
	size_t octets;
};

static int look_at(OSSL_PROVIDER *provider, void *arg)
{
	struct found *f = arg;
	const char *name = "", *version = "";
	OSSL_PARAM ask[] = {
			OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, (char **)&name, 0),
			OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, (char **)&version, 0),
			OSSL_PARAM_END};

	if(strcmp(OSSL_PROVIDER_get0_name(provider), "fips") != 0)
		return 1;
	if(OSSL_PROVIDER_get_params(provider, ask) == 1)
		snprintf(f->out, f->octets, "%s %s", name, version);
	return 1;
}

void tg_fips_describe(char *out, size_t octets)
{
	struct found f = {out, octets};

	*out = 0;
	(void)OSSL_PROVIDER_do_all(NULL, look_at, &f);
}

/* ---- libraries beside OpenSSL ------------------------------------------- */

/* Debian's libsrtp2 works with NSS; ours is linked in, and with OpenSSL */
static const char *const beside[] = {"libsrtp2.so", "libwolfssl.so"};

static int look_at_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char **found = arg;

	(void)size;
	for(size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++)
		if(info->dlpi_name && strstr(info->dlpi_name, beside[i]))
			*found = beside[i];
	return *found != NULL;
}

const char *tg_fips_bypass(void)
{
	const char *found = NULL;

	dl_iterate_phdr(look_at_library, &found);
	return found;
}

/* ---- names of algorithms ------------------------------------------------ */

static bool is_a_name(struct tg_span s)
{
	return s.len > 0 && s.len < NAME_OCTETS && !strchr("!-+@", *s.ptr);
}

static bool has(struct tg_span name, bool (*ask)(SSL_CTX *, const char *))
{
	char text[NAME_OCTETS];
	SSL_CTX *ctx;
	bool there;

	if(!is_a_name(name))
		return true;
	memcpy(text, name.ptr, name.len);
	text[name.len] = 0;
	ctx = SSL_CTX_new(TLS_method());
	there = ctx && ask(ctx, text);
	SSL_CTX_free(ctx);
	return there;
}

static bool takes_cipher(SSL_CTX *ctx, const char *name)
{
	return SSL_CTX_set_cipher_list(ctx, name) == 1;
}

/* Names that are not there are passed over, so look at what is left */
static bool takes_ciphersuite(SSL_CTX *ctx, const char *name)
{
	STACK_OF(SSL_CIPHER) *left;

	if(SSL_CTX_set_ciphersuites(ctx, name) != 1)
		return false;
	left = SSL_CTX_get_ciphers(ctx);
	for(int i = 0; i < sk_SSL_CIPHER_num(left); i++)
		if(strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(left, i)), name) == 0)
			return true;
	return false;
}

static bool takes_group(SSL_CTX *ctx, const char *name)
{
	return SSL_CTX_set1_groups_list(ctx, name) == 1;
}

bool tg_fips_has_cipher(struct tg_span name)
{
	return has(name, takes_cipher);
}

bool tg_fips_has_ciphersuite(struct tg_span name)
{
	return has(name, takes_ciphersuite);
}

static bool set_list(SSL_CTX *ctx, enum tg_fips_list kind, const char *text)
{
	switch(kind) {
		case TG_FIPS_CIPHERS:
			return SSL_CTX_set_cipher_list(ctx, text) == 1;
		case TG_FIPS_CIPHERSUITES:
			return SSL_CTX_set_ciphersuites(ctx, text) == 1;
		case TG_FIPS_GROUPS:
			return SSL_CTX_set1_groups_list(ctx, text) == 1;
	}
	return false;
}

bool tg_fips_takes_list(
		enum tg_fips_list kind, struct tg_span list, bool legacy)
{
	char *text = strndup(list.ptr ? list.ptr : "", list.len);
	SSL_CTX *ctx;
	bool taken;

	ERR_set_mark();
	ctx = SSL_CTX_new(TLS_method());
	if(ctx && legacy)
		SSL_CTX_set_security_level(ctx, 0);
	taken = ctx && text && set_list(ctx, kind, text);
	SSL_CTX_free(ctx);
	ERR_pop_to_mark();
	free(text);
	return taken;
}

bool tg_fips_approves_group(struct tg_span name)
{
	return !tg_span_ieq(name, TG_SPAN("X25519"))
		   && !tg_span_ieq(name, TG_SPAN("X448"));
}

bool tg_fips_has_group(struct tg_span name)
{
	return tg_fips_approves_group(name) && has(name, takes_group);
}
