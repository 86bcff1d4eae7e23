/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Policies from text and facts from short words, for the tests of policy/.
 * Files that a policy names hold "file NAME"; those whose name holds
 * "missing" cannot be read.
 */
#ifndef TG_TEST_POLICY_HELP_H
#define TG_TEST_POLICY_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "policy/decide.h"
#include "policy/load.h"

/* Memory of libc, files as above */
struct tg_pol_host help_host(void);

/* Fails the test when the text does not load. tg_pol_free() */
struct tg_pol *load_ok(const char *text);
/* The warnings of a text that loads, one a line; free() */
char *warnings_of(const char *text);
/* The errors of a text that does not load, one a line; free() */
char *errors_of(const char *text);

/* The only error of the text is "LINE:COLUMN: part" */
void refuses(const char *text, const char *where, const char *part);
/* One of the errors is */
void refuses_also(const char *text, const char *where, const char *part);

struct tg_pol_conn conn_in(enum tg_pol_transport transport, const char *from);
struct tg_pol_conn conn_out(enum tg_pol_transport transport, const char *to);

const struct tg_pol_peer *peer(const struct tg_pol *p, const char *name);
const struct tg_pol_clients *clients(const struct tg_pol *p, const char *name);

/* Facts of a request that gate 1 let pass as that peer or those clients */
struct tg_pol_msg from_peer(
		const struct tg_pol *p, const char *name, const char *from);
struct tg_pol_msg from_clients(
		const struct tg_pol *p, const char *name, const char *from);

void assert_allowed(const struct tg_pol_verdict *v);
void assert_denied(const struct tg_pol_verdict *v, enum tg_reason reason);

struct tg_pol_verdict judged(
		const struct tg_pol *p, const struct tg_pol_msg *msg);
struct tg_pol_verdict leaving(
		const struct tg_pol *p, const struct tg_pol_egress *egress);

/* Heads that many tests begin with */
#define TRUST "[trust ours]\nca_file = ours.pem\n"
#define GATEWAY                                              \
	TRUST "[peer gw]\nrole = gateway\naddress = 192.0.2.1\n" \
		  "identity = gw.example.com\ntrust = ours\n"
#define LEGACY                                          \
	"[peer old]\nrole = gateway\naddress = 192.0.2.9\n" \
	"transport = tcp\nmedia = none\n"
#define PHONES "[clients phones]\naddress = 198.51.100.0/24\n"

#endif
