/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A second SRTP, written from the RFCs on OpenSSL's EVP alone, to hold the
 * packet layer against: key derivation, protection of one packet with a given
 * index. It keeps no state and does not care for speed.
 */
#ifndef TESTS_SRTP_REFERENCE_H
#define TESTS_SRTP_REFERENCE_H

#include "srtp/srtp.h"

struct ref_session {
	uint8_t key[32];
	uint8_t salt[14];
	uint8_t auth[20];
	size_t key_octets;
	size_t salt_octets;
	size_t tag_octets;
	bool aead;
};

/* RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11 */
void ref_derive(enum tg_suite suite, const uint8_t *master, bool rtcp,
		struct ref_session *out);

/* index: 48 bits. Returns the protected length; out holds in + 160 octets */
size_t ref_protect_rtp(const struct ref_session *s, uint64_t index,
		const uint8_t *mki, size_t mki_octets, const uint8_t *in, size_t octets,
		uint8_t *out);
size_t ref_protect_rtcp(const struct ref_session *s, uint32_t index,
		const uint8_t *mki, size_t mki_octets, const uint8_t *in, size_t octets,
		uint8_t *out);

/* GCM: authenticated in clear, E bit 0 (RFC 7714 section 9.3) */
size_t ref_clear_rtcp(const struct ref_session *s, uint32_t index,
		const uint8_t *in, size_t octets, uint8_t *out);

/* XORs the keystream of AES counter mode that starts at iv */
void ref_counter_mode(const uint8_t *key, size_t key_octets,
		const uint8_t iv[16], uint8_t *data, size_t octets);

/* "00 01 0a": octets into out; returns their number */
size_t ref_hex(const char *text, uint8_t *out);

#endif
