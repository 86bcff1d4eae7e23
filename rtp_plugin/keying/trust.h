/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The CAs and CRLs by which certificates of one peer are judged. Keys hold on
 * to it for as long as they live; its content may be replaced under them, and
 * the next handshake of each is judged by the new one. No verification sees
 * half of either. Any thread may call any of these.
 */
#ifndef TG_KEYING_TRUST_H
#define TG_KEYING_TRUST_H

#include <stdbool.h>

#include "x509/x509.h"

struct tg_key_trust;

/* Takes store over. NULL: out of memory, and store was freed */
struct tg_key_trust *tg_key_trust_new(struct tg_x509_store *store);
/* Handshakes from now on are judged by store, which is taken over; NULL:
 * none is good */
void tg_key_trust_replace(
		struct tg_key_trust *trust, struct tg_x509_store *store);
bool tg_key_trust_is_empty(struct tg_key_trust *trust);
/* As tg_x509_verify */
void tg_key_trust_verify(struct tg_key_trust *trust, X509 *leaf,
		STACK_OF(X509) *untrusted, const struct tg_x509_ask *ask,
		struct tg_x509_answer *out);
/* Nobody may use it any more. NULL is fine */
void tg_key_trust_free(struct tg_key_trust *trust);

#endif
