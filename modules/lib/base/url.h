/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The http URLs by which something is fetched, RFC 3986 and RFC 9110 4.2.1:
 * http://HOST[:PORT][/PATH]. Nothing else is taken: no https, no user, no
 * fragment.
 */
#ifndef TG_BASE_URL_H
#define TG_BASE_URL_H

#include "base/addr.h"

#define TG_URL_OCTETS_MAX 1024

/* Parts borrow from the text that was split */
struct tg_url {
	struct tg_span host;            /* name or address, without brackets */
	struct tg_span host_as_written; /* with the port, for the Host header */
	uint16_t port;
	struct tg_span path; /* with the query; empty stands for "/" */
};

/* A DNS name that is no address: the last label is not a number */
bool tg_is_host_name(struct tg_span s);

/* False: *why says why, static text */
bool tg_url_split(struct tg_span text, struct tg_url *out, const char **why);

#endif
