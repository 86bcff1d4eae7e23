/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameters of one a=crypto line (RFC 4568 sections 6 and 9):
 *
 *	a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31|1:1;inline:... WSH=64
 *	           `------- suite -------' `---- key parameters ----' session
 *
 * Values only: nothing is chosen here.
 */
#ifndef TG_KEYING_SDES_LINE_H
#define TG_KEYING_SDES_LINE_H

#include "keying/keying.h"

/* A line that can be used */
struct tg_sdes_line {
	uint32_t tag;
	struct tg_srtp_keys keys; /* secret: tg_srtp_keys_wipe */
	uint8_t lifetime_log2;    /* of the first key, when written as 2^n */
};

/*
 * NONE: not a suite we know (that is how F8 and NULL are refused); WEAK:
 * session parameters that weaken the protection or that are not done here;
 * MALFORMED: grammar, key length, MKIs that do not fit each other; ROOM: more
 * keys than TG_SRTP_MASTERS_MAX or an MKI above 64 bits. *out is wiped on
 * every result but OK.
 */
enum tg_key_rc tg_sdes_line_read(const struct tg_sdp_crypto *crypto,
		struct tg_sdes_line *out) __attribute__((warn_unused_result));

#define TG_SDES_VALUE_OCTETS 160
/*
 * Text behind "a=crypto:" with one key: "1 SUITE inline:KEY|2^31|1:1", NUL
 * behind it. A lifetime that is a power of two is written as one; 0 leaves it
 * out. False when it does not fit.
 */
bool tg_sdes_line_write(uint32_t tag, enum tg_suite suite,
		const struct tg_srtp_master *master, char out[TG_SDES_VALUE_OCTETS]);

/*
 * RFC 4648 base64. Padding may be missing (RFC 4568 section 6.1 discards it),
 * unused bits must be zero, nothing else may stand in it. False also when the
 * result is not exactly `octets` long.
 */
bool tg_sdes_base64_read(struct tg_span text, uint8_t *out, size_t octets);

#endif
