/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Challenges (401, 407) toward a peer on mutual TLS.
 */
#ifndef TLSP_CHALLENGE_H
#define TLSP_CHALLENGE_H

#include "tls_policy/tlsp.h"

/* Is this message a challenge that the edge itself makes, now? */
bool tlsp_challenge_is_ours(struct tg_span bytes);

/*
 * The same answer with code and phrase of TG_REASON_CHALLENGE and without the
 * challenge, in memory of pkg. ptr NULL: out of memory.
 */
struct tg_span tlsp_challenge_replace(struct tg_span bytes);

#endif
