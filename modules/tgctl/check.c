/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl check FILE: would a daemon take this policy? Also what the other
 * subcommands share: loading and printing.
 */
#include "tgctl.h"

#include "judge/judge.h"
#include "policy/load.h"

static void print_diags(const struct tg_diags *diags, FILE *out)
{
	char line[1024];

	for(const struct tg_diag *d = diags->first; d; d = d->next) {
		tg_diag_format(d, line, sizeof(line));
		fprintf(out, "%s\n", line);
	}
	if(diags->dropped)
		fprintf(out, "%zu more\n", diags->dropped);
}

struct tg_pol *tg_ctl_load(const char *path, FILE *out)
{
	const struct tg_pol_host host = {tg_alloc_libc, tg_pol_read_file, NULL};
	struct tg_diags diags;
	struct tg_pol *pol;
	bool fits = false;

	tg_diags_init(&diags, &tg_alloc_libc);
	pol = tg_pol_load(&host, path, &diags);
	if(pol) {
		fits = tg_judge_check_trust(pol, &diags);
		fits = tg_judge_check_fips(pol, &diags) && fits;
		fits = tg_judge_check_lists(pol, &diags) && fits;
	}
	if(pol && !fits) {
		tg_pol_free(pol);
		pol = NULL;
	}
	print_diags(&diags, out);
	tg_diags_deinit(&diags);
	return pol;
}

static const char *version_text(uint16_t version)
{
	static const char *const names[] = {"1.0", "1.1", "1.2", "1.3"};

	return version >= 0x0301 && version <= 0x0304 ? names[version - 0x0301]
												  : "?";
}

void tg_ctl_print_tls(FILE *out, const struct tg_pol_tls *tls)
{
	fprintf(out, "TLS %s", version_text(tls->min_version));
	if(tls->max_version != tls->min_version)
		fprintf(out, "-%s", version_text(tls->max_version));
	fprintf(out, " (%.*s)", TG_SPAN_FMT(tls->name));
}

void tg_ctl_print_media(FILE *out, const struct tg_pol_media *m)
{
	fprintf(out, "%s", tg_level_name(m->level));
	if(m->level == TG_LEVEL_NONE)
		return;
	fputc(' ', out);
	for(size_t i = 0; i < TG_KX_MAX && m->key_exchange[i]; i++)
		fprintf(out, "%s%s", i ? "," : "", tg_kx_name(m->key_exchange[i]));
	fputc(' ', out);
	for(size_t i = 0; i < TG_SUITES_MAX && m->suite[i]; i++)
		fprintf(out, "%s%s", i ? "," : "", tg_suite_name(m->suite[i]));
	fprintf(out, " %s", tg_pol_engine_name(m->engine));
	if(m->engine == TG_POL_ENGINE_PLUGIN)
		fprintf(out, " window %u", m->replay_window);
	if(m->mki_octets)
		fprintf(out, " mki %u", m->mki_octets);
	if(m->lifetime_log2)
		fprintf(out, " lifetime 2^%u", m->lifetime_log2);
	if(m->dtls_verify_ca)
		fputs(" dtls by ca", out);
	if(m->level == TG_LEVEL_SUPPORTED)
		fprintf(out, " %s", tg_dialect_name(m->dialect));
}

int tg_ctl_check(int argc, char **argv)
{
	struct tg_pol *pol;

	if(argc != 2 || *argv[1] == '-')
		return tg_ctl_usage("check FILE");
	pol = tg_ctl_load(argv[1], stdout);
	if(!pol) {
		printf("%s: refused\n", argv[1]);
		return TG_CTL_REFUSED;
	}
	printf("%s: ok: %zu peers, %zu clients, %zu routes, profile %s, mode %s\n",
			argv[1], tg_pol_peer_count(pol), tg_pol_clients_count(pol),
			tg_pol_route_count(pol),
			tg_pol_profile_name(tg_pol_global_profile(pol)),
			tg_pol_mode_name(tg_pol_global_mode(pol)));
	printf("digest %s\n", tg_pol_digest(pol));
	tg_pol_free(pol);
	return TG_CTL_OK;
}
