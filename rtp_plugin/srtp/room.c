/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where libsrtp2's memory lies: in the room of the context that it is working
 * for, so that one packet touches few lines and all of them can be prefetched;
 * what finds no room goes to the heap. libsrtp2 is a static archive, whose
 * allocator is the object file that these three symbols replace.
 *
 * The room is taken by pieces, the first gap that is wide enough; two maps of
 * bits say which are taken and where each taking ends.
 */
#include <stdlib.h>
#include <string.h>

#include "srtp/internal.h"

#define PIECE_OCTETS 16 /* all are multiples of it, and aligned to it */
#define PIECES (ROOM_OCTETS / PIECE_OCTETS)

_Static_assert(PIECES <= 64 && ROOM_OCTETS % PIECE_OCTETS == 0,
		"a bit for each piece");

TG_COMPACT_THREAD struct tg_srtp *inside;
TG_COMPACT_THREAD unsigned n_ciphers;

struct tg_srtp *tg_srtp_room_enter(struct tg_srtp *ctx)
{
	struct tg_srtp *before = inside;

	inside = ctx;
	return before;
}

void tg_srtp_room_leave(struct tg_srtp *before)
{
	inside = before;
}

void tg_srtp_room_first_cipher(void)
{
	n_ciphers = 0;
}

bool tg_compact_is_rare(void)
{
	return inside && n_ciphers++ > 0;
}

bool tg_compact_is_rare_auth(void)
{
	return inside && n_ciphers > 1;
}

/* Bits of n pieces from that one */
static uint64_t run_of(size_t at, size_t n)
{
	return (n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX) << at;
}

/* The first of n that are free in sequence; PIECES: there are none */
static size_t gap(const struct tg_srtp *ctx, size_t n)
{
	uint64_t starts = ~ctx->room_taken & run_of(0, PIECES);

	for(size_t have = 1, step; have < n && starts; have += step) {
		step = have < n - have ? have : n - have;
		starts &= starts >> step;
	}
	return starts ? (size_t)__builtin_ctzll(starts) : PIECES;
}

static void *take(struct tg_srtp *ctx, size_t n)
{
	size_t at = n > 0 && n <= PIECES ? gap(ctx, n) : PIECES;

	if(at == PIECES)
		return NULL;
	ctx->room_taken |= run_of(at, n);
	ctx->room_ends |= run_of(at + n - 1, 1);
	return ctx->room + at * PIECE_OCTETS;
}

void *tg_compact_alloc(size_t octets)
{
	size_t n = octets / PIECE_OCTETS + (octets % PIECE_OCTETS != 0);
	void *p = inside ? take(inside, n) : NULL;

	if(!p)
		p = aligned_alloc(PIECE_OCTETS, n * PIECE_OCTETS);
	if(p)
		memset(p, 0, n * PIECE_OCTETS);
	return p;
}

void tg_compact_free(void *p)
{
	size_t at, end;

	if(!inside || (uint8_t *)p < inside->room
			|| (uint8_t *)p >= inside->room + sizeof(inside->room)) {
		free(p);
		return;
	}
	at = (size_t)((uint8_t *)p - inside->room) / PIECE_OCTETS;
	end = (size_t)__builtin_ctzll(inside->room_ends >> at << at);
	inside->room_taken &= ~run_of(at, end - at + 1);
	inside->room_ends &= ~run_of(end, 1);
}

/* ---- in place of libsrtp2's crypto/kernel/alloc.c ------------------------ */

struct debug_module {
	int on;
	const char *name;
};

extern struct debug_module srtp_mod_alloc;
void *srtp_crypto_alloc(size_t octets);
void srtp_crypto_free(void *p);

struct debug_module srtp_mod_alloc = {0, "alloc"};

void *srtp_crypto_alloc(size_t octets)
{
	return octets ? tg_compact_alloc(octets) : NULL;
}

void srtp_crypto_free(void *p)
{
	if(p)
		tg_compact_free(p);
}
