/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short messages.
 * Who does not know the key can choose no two messages with one hash, so that
 * tables may be keyed by what comes from outside. Not for signatures: it is no
 * hash in the sense of SHA-2.
 */
#ifndef TG_BASE_HASH_H
#define TG_BASE_HASH_H

#include "base/span.h"

#define TG_HASH_KEY_OCTETS 16

/* key: secret and random; the same for hashes that are to be compared */
uint64_t tg_hash(const uint8_t key[TG_HASH_KEY_OCTETS], struct tg_span s);

/* 128 bits, for what must not be taken for another one by accident either */
void tg_hash_wide(const uint8_t key[TG_HASH_KEY_OCTETS], struct tg_span s,
		uint64_t out[2]);

#endif
