/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl: the policy's decisions on the command line, without a daemon. Each
 * subcommand has a file of its own and returns the exit status.
 */
#ifndef TG_TGCTL_TGCTL_H
#define TG_TGCTL_TGCTL_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "policy/decide.h"

#define TG_CTL_OK 0      /* allowed, accepted, without errors */
#define TG_CTL_REFUSED 1 /* refused, or errors in the file */
#define TG_CTL_USAGE 2   /* the command line makes no sense */

/* argv[0] is the name of the subcommand */
int tg_ctl_check(int argc, char **argv);
int tg_ctl_matrix(int argc, char **argv);
int tg_ctl_explain(int argc, char **argv);
int tg_ctl_cert(int argc, char **argv);
int tg_ctl_fips(int argc, char **argv);

/*
 * Loads a policy and the trust stores it names; prints errors and warnings
 * to out. NULL when it would not load in a daemon either. tg_pol_free().
 */
struct tg_pol *tg_ctl_load(const char *path, FILE *out);

/* What a subcommand takes, on stderr; gives TG_CTL_USAGE */
int tg_ctl_usage(const char *text);

/* "2024-05-01T00:00:00Z", with an offset instead of Z; no fractions kept */
bool tg_ctl_parse_time(const char *text, time_t *out);

/* "required sdes,dtls AES_CM_128_HMAC_SHA1_80,... plugin" */
void tg_ctl_print_media(FILE *out, const struct tg_pol_media *media);
/* "TLS 1.2-1.3 (sfb2019)" */
void tg_ctl_print_tls(FILE *out, const struct tg_pol_tls *tls);

#endif
