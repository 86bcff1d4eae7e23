/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A policy before the FIPS provider of its process (requirement A37): what a
 * [tls] section names must be there, and nothing older than TLS 1.2 may be
 * offered (NIST SP 800-52r2 section 3.1). A built-in profile that offers more
 * than is approved needs nothing of it: OpenSSL leaves the rest out.
 */
#include "fips/fips.h"
#include "judge/judge.h"

#define TLS12 0x0303
#define RSA_BITS_MIN 2048

struct list {
	const char *key;
	struct tg_span value;
	bool (*there)(struct tg_span name);
};

static void check_list(const struct tg_pol_tls *tls, const struct list *l,
		struct tg_diags *diags)
{
	struct tg_span rest = l->value;

	while(rest.len) {
		struct tg_span one = tg_span_trim(tg_span_cut(&rest, ':'));

		if(one.len && !l->there(one))
			tg_diags_add(diags, TG_SEV_ERROR, &tls->where,
					"[tls %.*s] names '%.*s' in '%s', which the FIPS provider "
					"does not have (A37)",
					TG_SPAN_FMT(tls->name), TG_SPAN_FMT(one), l->key);
	}
}

/* where: of the profile, or of the rule that uses a built-in one */
static void check_tls(const struct tg_pol_tls *tls,
		const struct tg_where *where, struct tg_diags *diags)
{
	const struct list lists[] = {
			{"ciphers", tls->ciphers, tg_fips_has_cipher},
			{"ciphersuites", tls->ciphersuites, tg_fips_has_ciphersuite},
			{"groups", tls->groups, tg_fips_has_group},
	};

	if(tls->min_version < TLS12)
		tg_diags_add(diags, TG_SEV_ERROR, where,
				"TLS profile %.*s offers TLS 1.0 or 1.1, which FIPS 140 does "
				"not approve; a FIPS provider is active (A37)",
				TG_SPAN_FMT(tls->name));
	if(tls->min_rsa_bits < RSA_BITS_MIN)
		tg_diags_add(diags, TG_SEV_ERROR, where,
				"TLS profile %.*s takes RSA keys below %d bits, which FIPS "
				"140 does not approve; a FIPS provider is active (A37)",
				TG_SPAN_FMT(tls->name), RSA_BITS_MIN);
	for(size_t i = 0; tls->where.file.len && i < 3; i++)
		check_list(tls, &lists[i], diags);
}

/* The rule that uses the profile first; its own place when it has one */
static bool used_at(const struct tg_pol *p, const struct tg_pol_tls *tls,
		struct tg_where *where)
{
	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		const struct tg_pol_peer *peer = tg_pol_peer_at(p, i);

		if(peer->tls == tls) {
			*where = tg_pol_peer_where(peer, TG_POL_PEER_KEY_TLS);
			return true;
		}
	}
	for(size_t i = 0; i < tg_pol_clients_count(p); i++) {
		const struct tg_pol_clients *clients = tg_pol_clients_at(p, i);

		if(clients->tls == tls) {
			*where = tg_pol_clients_where(clients, TG_POL_CLIENTS_KEY_TLS);
			return true;
		}
	}
	return false;
}

bool tg_judge_check_fips(const struct tg_pol *p, struct tg_diags *diags)
{
	bool active = tg_fips_active();
	size_t errors = diags->errors;
	struct tg_where where;

	if(tg_pol_fips_required(p) && !active)
		tg_diags_add(diags, TG_SEV_ERROR, tg_pol_where(p),
				"fips = required, and no FIPS provider is active in this "
				"process (A37)");
	for(size_t i = 0; i < tg_pol_tls_count(p); i++) {
		const struct tg_pol_tls *tls = tg_pol_tls_at(p, i);

		if(!used_at(p, tls, &where))
			continue;
		if(active)
			check_tls(tls, tls->where.file.len ? &tls->where : &where, diags);
		else if(tls->fips)
			tg_diags_add(diags, TG_SEV_WARNING, &where,
					"the fips profile offers approved algorithms only; no "
					"FIPS provider is active, so their code is not a "
					"validated one (A37)");
	}
	return diags->errors == errors;
}
