/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Attributes that matter for media security; inner part of sdp/.
 */
#ifndef TG_SDP_ATTRIBUTE_H
#define TG_SDP_ATTRIBUTE_H

#include "sdp/sdp.h"

enum tg_sdp_proto_kind tg_sdp_proto_kind(struct tg_span proto, bool *feedback);

bool tg_sdp_is_crypto(const struct tg_sdp_line *line);

/* value: what stands behind "a=" */
void tg_sdp_security_attribute(
		struct tg_sdp_security *s, struct tg_span value);

/* m->crypto has room for every crypto line of the section */
void tg_sdp_media_attribute(
		struct tg_sdp_media *m, uint32_t line, struct tg_span value);

/* What the media level lacks is taken from the session level */
void tg_sdp_inherit(
		struct tg_sdp_security *media, const struct tg_sdp_security *session);

/* RFC 4568 section 9.1; value: what stands behind "a=crypto:" */
void tg_sdp_parse_crypto(struct tg_span value, struct tg_sdp_crypto *out);

#endif
