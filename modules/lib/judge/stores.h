/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The trust stores of one snapshot, built on first use. Only judge/ includes
 * this.
 */
#ifndef TG_JUDGE_STORES_H
#define TG_JUDGE_STORES_H

#include "judge/judge.h"

struct tg_judge_store {
	struct tg_x509_store *built; /* NULL: not yet */
};

struct tg_judge_stores {
	uint64_t generation;
	const struct tg_pol *policy;  /* compared, never followed */
	struct tg_judge_store *store; /* by tg_pol_trust.id */
	size_t n;
};

/* Of this policy from now on: those of another generation are dropped */
void tg_judge_stores_turn(
		struct tg_judge_stores *s, const struct tg_pol *p, uint64_t generation);
void tg_judge_stores_drop(struct tg_judge_stores *s);

/* Borrowed until the next turn; NULL when memory is out or a file is bad */
const struct tg_x509_store *tg_judge_stores_get(
		struct tg_judge_stores *s, const struct tg_pol_trust *trust);

#endif
