/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IP addresses and prefixes. An IPv4-mapped IPv6 address (RFC 4291 section
 * 2.5.5.2) is the IPv4 address: both forms compare equal everywhere.
 */
#ifndef TG_BASE_ADDR_H
#define TG_BASE_ADDR_H

#include "base/span.h"

struct sockaddr;

/* family 0 is "no address" and matches nothing */
struct tg_addr {
	uint8_t family;    /* 0, 4 or 6 */
	uint8_t octet[16]; /* network order; IPv4 in the first four, rest zero */
};

struct tg_cidr {
	struct tg_addr addr; /* host bits zero */
	uint8_t bits;        /* 0..32 or 0..128 */
};

#define TG_ADDR_TEXT_OCTETS 48

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1" */
bool tg_addr_parse(struct tg_span s, struct tg_addr *out);

/* octets: 4 or 16, network order; any other length gives family 0 */
struct tg_addr tg_addr_of(const void *octet, size_t octets);

/* AF_INET and AF_INET6; another family gives false. *port may be NULL */
bool tg_addr_from_sockaddr(
		const struct sockaddr *sa, struct tg_addr *out, uint16_t *port);

bool tg_addr_eq(const struct tg_addr *a, const struct tg_addr *b);
bool tg_addr_is_loopback(const struct tg_addr *a);
/*
 * Is it one that the internet routes to a host? Loopback, private, link-local,
 * shared (RFC 6598), multicast and reserved ones are not, nor those that carry
 * an IPv4 address in them (RFC 6052, RFC 3056, RFC 4380). RFC 6890.
 */
bool tg_addr_is_public(const struct tg_addr *a);

/* NUL-terminated, IPv6 without brackets; returns out */
const char *tg_addr_format(
		const struct tg_addr *a, char out[TG_ADDR_TEXT_OCTETS]);

/* "ADDR" or "ADDR/BITS". False on bad text or when host bits are set */
bool tg_cidr_parse(struct tg_span s, struct tg_cidr *out);
bool tg_cidr_contains(const struct tg_cidr *c, const struct tg_addr *a);
bool tg_cidr_overlaps(const struct tg_cidr *a, const struct tg_cidr *b);

#endif
