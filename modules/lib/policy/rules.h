/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a policy must not say: the load rules of the security model. Rows
 * (A1, A10 ...) are those of doc/policy.md.
 */
#ifndef TG_POLICY_RULES_H
#define TG_POLICY_RULES_H

#include "policy/build.h"

/* Fills in defaults, then holds every object against the rules */
bool tg_rules_apply(struct tg_build *b) __attribute__((warn_unused_result));

/*
 * Errors for rules that a connection could not tell apart: certificate-less
 * ones that share addresses, peers with one identity and trust in one place.
 */
bool tg_overlap_check(struct tg_build *b) __attribute__((warn_unused_result));

#endif
