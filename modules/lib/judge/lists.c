/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The lists of [tls] sections before OpenSSL: names that it does not know. A
 * list of groups is refused as a whole for one of them; of ciphers and suites
 * it takes what it knows, so there only the whole list can be wrong.
 *
 * With a FIPS provider in force approve.c asks for each name.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "fips/fips.h"
#include "judge/judge.h"

#define NAME_OCTETS 256

static void wrong(const struct tg_pol_tls *tls, const char *key,
		struct tg_span what, struct tg_diags *diags)
{
	tg_diags_add(diags, TG_SEV_ERROR, &tls->where,
			"[tls %.*s]: OpenSSL takes no '%.*s' in '%s'",
			TG_SPAN_FMT(tls->name), TG_SPAN_FMT(what), key);
}

static void check_groups(
		SSL_CTX *ctx, const struct tg_pol_tls *tls, struct tg_diags *diags)
{
	struct tg_span rest = tls->groups;
	size_t errors = diags->errors;
	char name[NAME_OCTETS];

	if(!rest.len || SSL_CTX_set1_groups_list(ctx, rest.ptr) == 1)
		return;
	while(rest.len) {
		struct tg_span one = tg_span_cut(&rest, ':');

		if(one.len >= sizeof(name))
			continue;
		memcpy(name, one.ptr, one.len);
		name[one.len] = 0;
		if(SSL_CTX_set1_groups_list(ctx, name) != 1)
			wrong(tls, "groups", one, diags);
	}
	if(diags->errors == errors)
		wrong(tls, "groups", tls->groups, diags);
}

static void check(
		SSL_CTX *ctx, const struct tg_pol_tls *tls, struct tg_diags *diags)
{
	if(tls->legacy)
		SSL_CTX_set_security_level(ctx, 0);
	check_groups(ctx, tls, diags);
	if(tls->ciphers.len && SSL_CTX_set_cipher_list(ctx, tls->ciphers.ptr) != 1)
		wrong(tls, "ciphers", tls->ciphers, diags);
	if(tls->ciphersuites.len
			&& SSL_CTX_set_ciphersuites(ctx, tls->ciphersuites.ptr) != 1)
		wrong(tls, "ciphersuites", tls->ciphersuites, diags);
}

bool tg_judge_check_lists(const struct tg_pol *p, struct tg_diags *diags)
{
	size_t errors = diags->errors;
	SSL_CTX *ctx;

	if(tg_fips_active())
		return true;
	ERR_set_mark();
	for(size_t i = 0; i < tg_pol_tls_count(p); i++) {
		const struct tg_pol_tls *tls = tg_pol_tls_at(p, i);

		if(!tls->where.file.len)
			continue;
		ctx = SSL_CTX_new(TLS_method());
		if(ctx)
			check(ctx, tls, diags);
		else
			tg_diags_add(diags, TG_SEV_ERROR, &tls->where,
					"[tls %.*s]: OpenSSL is out of memory",
					TG_SPAN_FMT(tls->name));
		SSL_CTX_free(ctx);
	}
	ERR_pop_to_mark();
	return diags->errors == errors;
}
