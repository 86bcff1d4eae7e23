/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct tg_addr tg_addr_of(const void *octet, size_t octets)
{
	const uint8_t *p = octet;
	struct tg_addr a = {0};

	if(octets == 16 && memcmp(p, v4_mapped, sizeof(v4_mapped)) == 0) {
		p += sizeof(v4_mapped);
		octets = 4;
	}
	if(octets != 4 && octets != 16)
		return a;
	a.family = octets == 4 ? 4 : 6;
	memcpy(a.octet, p, octets);
	return a;
}

bool tg_addr_parse(struct tg_span s, struct tg_addr *out)
{
	char text[TG_ADDR_TEXT_OCTETS];
	uint8_t octet[16];

	if(s.len >= 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') {
		s.ptr++;
		s.len -= 2;
	}
	if(s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = 0;
	if(inet_pton(AF_INET, text, octet) == 1)
		*out = tg_addr_of(octet, 4);
	else if(inet_pton(AF_INET6, text, octet) == 1)
		*out = tg_addr_of(octet, 16);
	else
		return false;
	return true;
}

bool tg_addr_from_sockaddr(
		const struct sockaddr *sa, struct tg_addr *out, uint16_t *port)
{
	if(sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		*out = tg_addr_of(&in.sin_addr, 4);
		if(port)
			*port = ntohs(in.sin_port);
		return true;
	}
	if(sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		*out = tg_addr_of(&in6.sin6_addr, 16);
		if(port)
			*port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}

bool tg_addr_eq(const struct tg_addr *a, const struct tg_addr *b)
{
	return a->family && a->family == b->family
		   && memcmp(a->octet, b->octet, sizeof(a->octet)) == 0;
}

bool tg_addr_is_loopback(const struct tg_addr *a)
{
	static const uint8_t v6_loopback[16] = {
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

	if(a->family == 4)
		return a->octet[0] == 127;
	return a->family == 6
		   && memcmp(a->octet, v6_loopback, sizeof(v6_loopback)) == 0;
}

bool tg_addr_is_public(const struct tg_addr *a)
{
	/* of IPv6 only 2000::/3 is given out, less what tunnels to IPv4 */
	static const struct tg_cidr v6 = {{6, {0x20}}, 3};
	static const struct tg_cidr special[] = {
			{{4, {0}}, 8},
			{{4, {10}}, 8},
			{{4, {100, 64}}, 10},
			{{4, {127}}, 8},
			{{4, {169, 254}}, 16},
			{{4, {172, 16}}, 12},
			{{4, {192, 0, 0}}, 24},
			{{4, {192, 168}}, 16},
			{{4, {198, 18}}, 15},
			{{4, {224}}, 3},
			{{6, {0x20, 0x01}}, 23},
			{{6, {0x20, 0x02}}, 16},
	};

	if(a->family != 4 && !tg_cidr_contains(&v6, a))
		return false;
	for(size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if(tg_cidr_contains(&special[i], a))
			return false;
	}
	return true;
}

const char *tg_addr_format(
		const struct tg_addr *a, char out[TG_ADDR_TEXT_OCTETS])
{
	int family = a->family == 6 ? AF_INET6 : AF_INET;

	if(a->family == 0 || !inet_ntop(family, a->octet, out, TG_ADDR_TEXT_OCTETS))
		snprintf(out, TG_ADDR_TEXT_OCTETS, "-");
	return out;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8;
	unsigned mask = 0xff00u >> (bits % 8) & 0xff;

	return memcmp(a, b, whole) == 0
		   && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool host_bits_zero(const struct tg_cidr *c, unsigned width)
{
	for(unsigned bit = c->bits; bit < width; bit++) {
		if(c->addr.octet[bit / 8] & (0x80u >> (bit % 8)))
			return false;
	}
	return true;
}

bool tg_cidr_parse(struct tg_span s, struct tg_cidr *out)
{
	size_t slash = tg_span_find(s, '/');
	struct tg_cidr c = {0};
	uint64_t bits;
	unsigned width;

	if(!tg_addr_parse(tg_span_of(s.ptr, slash), &c.addr))
		return false;
	width = c.addr.family == 4 ? 32 : 128;
	bits = width;
	if(slash < s.len
			&& !tg_span_u64(tg_span_of(s.ptr + slash + 1, s.len - slash - 1),
					width, &bits))
		return false;
	c.bits = (uint8_t)bits;
	if(!host_bits_zero(&c, width))
		return false;
	*out = c;
	return true;
}

bool tg_cidr_contains(const struct tg_cidr *c, const struct tg_addr *a)
{
	return a->family && a->family == c->addr.family
		   && same_prefix(c->addr.octet, a->octet, c->bits);
}

bool tg_cidr_overlaps(const struct tg_cidr *a, const struct tg_cidr *b)
{
	unsigned bits = a->bits < b->bits ? a->bits : b->bits;

	return a->addr.family && a->addr.family == b->addr.family
		   && same_prefix(a->addr.octet, b->addr.octet, bits);
}
