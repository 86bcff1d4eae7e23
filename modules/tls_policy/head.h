/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What gate 4 needs of a request's head, read from the octets that leave and
 * in one pass: they may be nobody's sip_msg. Header names in any case, long
 * and compact, folded values (RFC 3261 7.3).
 */
#ifndef TLSP_HEAD_H
#define TLSP_HEAD_H

#include "base/span.h"

/* All of the octets that were read; empty: there is none */
struct tlsp_head {
	struct tg_span method;
	struct tg_span uri;     /* of the request */
	struct tg_span route;   /* the first URI of the first Route */
	struct tg_span call_id; /* the first, as the next */
	struct tg_span to;      /* with its parameters */
};

void tlsp_head_read(struct tg_span bytes, struct tlsp_head *out);

/* RFC 5630: it asks for TLS on this hop */
bool tlsp_head_is_sips(const struct tlsp_head *head);

#endif
