/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of the SDP index; only sdp/ includes this.
 */
#ifndef TG_SDP_INTERNAL_H
#define TG_SDP_INTERNAL_H

#include "sdp/sdp.h"

/* "a=NAME:VALUE" or "a=NAME"; name is empty for other lines */
struct tg_sdp_attribute {
	struct tg_span name;
	struct tg_span value;
};

struct tg_sdp_attribute tg_sdp_attribute_of(const struct tg_sdp_line *line);

/* Value of an a=crypto line. Sets everything but line; valid says the rest */
void tg_sdp_crypto_read(struct tg_span value, struct tg_sdp_crypto *out);

#endif
