/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

/* By value, so that all of it stays in registers */
static inline struct state mix(struct state s)
{
	s.a += s.b;
	s.c += s.d;
	s.b = rotate(s.b, 13) ^ s.a;
	s.d = rotate(s.d, 16) ^ s.c;
	s.a = rotate(s.a, 32);
	s.c += s.b;
	s.a += s.d;
	s.b = rotate(s.b, 17) ^ s.c;
	s.d = rotate(s.d, 21) ^ s.a;
	s.c = rotate(s.c, 32);
	return s;
}

/* Little endian, whatever the machine */
static uint64_t word_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline struct state take(struct state s, uint64_t word)
{
	s.d ^= word;
	s = mix(mix(s));
	s.a ^= word;
	return s;
}

static struct state take_all(struct state s, struct tg_span text)
{
	const uint8_t *p = (const uint8_t *)text.ptr;
	uint64_t last = (uint64_t)text.len << 56;
	size_t n = text.len;

	for(; n >= 8; n -= 8, p += 8)
		s = take(s, word_at(p));
	for(size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << 8 * i;
	return take(s, last);
}

static struct state begin(const uint8_t key[TG_HASH_KEY_OCTETS])
{
	uint64_t low = word_at(key), high = word_at(key + 8);

	return (struct state){low ^ 0x736f6d6570736575u, high ^ 0x646f72616e646f6du,
			low ^ 0x6c7967656e657261u, high ^ 0x7465646279746573u};
}

static uint64_t end(struct state *s)
{
	*s = mix(mix(mix(mix(*s))));
	return s->a ^ s->b ^ s->c ^ s->d;
}

uint64_t tg_hash(const uint8_t key[TG_HASH_KEY_OCTETS], struct tg_span s)
{
	struct state state = take_all(begin(key), s);

	state.c ^= 0xff;
	return end(&state);
}

void tg_hash_wide(const uint8_t key[TG_HASH_KEY_OCTETS], struct tg_span s,
		uint64_t out[2])
{
	struct state state = begin(key);

	state.b ^= 0xee;
	state = take_all(state, s);
	state.c ^= 0xee;
	out[0] = end(&state);
	state.b ^= 0xdd;
	out[1] = end(&state);
}
