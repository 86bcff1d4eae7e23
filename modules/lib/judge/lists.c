/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The lists of [tls] sections before OpenSSL: names that it does not know. A
 * list of groups is refused as a whole for one of them; of ciphers and suites
 * it takes what it knows, so there only the whole list can be wrong.
 *
 * With a FIPS provider in force approve.c asks for each name.
 */
#include "fips/fips.h"
#include "judge/judge.h"

static void wrong(const struct tg_pol_tls *tls, const char *key,
		struct tg_span what, struct tg_diags *diags)
{
	tg_diags_add(diags, TG_SEV_ERROR, &tls->where,
			"[tls %.*s]: OpenSSL takes no '%.*s' in '%s'",
			TG_SPAN_FMT(tls->name), TG_SPAN_FMT(what), key);
}

static bool takes(const struct tg_pol_tls *tls, enum tg_fips_list kind,
		struct tg_span list)
{
	return !list.len || tg_fips_takes_list(kind, list, tls->legacy);
}

static void check_groups(const struct tg_pol_tls *tls, struct tg_diags *diags)
{
	struct tg_span rest = tls->groups;
	size_t errors = diags->errors;

	if(takes(tls, TG_FIPS_GROUPS, tls->groups))
		return;
	while(rest.len) {
		struct tg_span one = tg_span_cut(&rest, ':');

		if(!takes(tls, TG_FIPS_GROUPS, one))
			wrong(tls, "groups", one, diags);
	}
	if(diags->errors == errors)
		wrong(tls, "groups", tls->groups, diags);
}

bool tg_judge_check_lists(const struct tg_pol *p, struct tg_diags *diags)
{
	size_t errors = diags->errors;

	if(tg_fips_active())
		return true;
	for(size_t i = 0; i < tg_pol_tls_count(p); i++) {
		const struct tg_pol_tls *tls = tg_pol_tls_at(p, i);

		if(!tls->where.file.len)
			continue;
		check_groups(tls, diags);
		if(!takes(tls, TG_FIPS_CIPHERS, tls->ciphers))
			wrong(tls, "ciphers", tls->ciphers, diags);
		if(!takes(tls, TG_FIPS_CIPHERSUITES, tls->ciphersuites))
			wrong(tls, "ciphersuites", tls->ciphersuites, diags);
	}
	return diags->errors == errors;
}
