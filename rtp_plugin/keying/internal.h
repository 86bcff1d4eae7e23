/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the two kinds of key exchange share behind keying.h.
 */
#ifndef TG_KEYING_INTERNAL_H
#define TG_KEYING_INTERNAL_H

#include "keying/keying.h"

#define TG_KEY_DETAIL_OCTETS 192

/* The first member of each kind's object */
struct tg_key {
	const struct tg_key_ops *ops;
	uint32_t generation;
	enum tg_reason reason;
};

/* Place of a suite in the profile's order; -1 when it is not admitted */
int tg_key_rank(const struct tg_key_profile *profile, enum tg_suite suite);

/* Adds a line; false when it does not fit */
bool tg_key_lines_add(struct tg_key_lines *lines, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));

/* ---- SDES --------------------------------------------------------------- */

extern const struct tg_key_ops tg_sdes_ops;
struct tg_key *tg_sdes_new(const struct tg_key_profile *profile);
enum tg_key_rc tg_sdes_can_take(
		const struct tg_key_profile *profile, const struct tg_sdp_media *m);
void tg_sdes_facts(const struct tg_key *k, struct tg_key_facts *out);
void tg_sdes_peer_moved(struct tg_key *k);

/* ---- DTLS --------------------------------------------------------------- */

extern const struct tg_key_ops tg_dtls_ops;
struct tg_key *tg_dtls_new(const struct tg_key_profile *profile,
		const struct tg_key_host *host, void *user);
enum tg_key_rc tg_dtls_can_take(
		const struct tg_key_profile *profile, const struct tg_sdp_media *m);
void tg_dtls_peer_moved(struct tg_key *k);
void tg_dtls_set_components(struct tg_key *k, bool rtcp);
void tg_dtls_connect(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *to, uint64_t now_ms);
void tg_dtls_datagram(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms);
int64_t tg_dtls_timeout_ms(const struct tg_key *k, uint64_t now_ms);
void tg_dtls_tick(struct tg_key *k, uint64_t now_ms);
void tg_dtls_facts(const struct tg_key *k, struct tg_key_facts *out);
const char *tg_dtls_detail(const struct tg_key *k);
bool tg_dtls_peer(const struct tg_key *k, enum tg_key_component component,
		struct tg_key_path *out);

#endif
