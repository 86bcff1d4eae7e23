/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where libsrtp2's memory lies: in the room of the context that it is working
 * for, so that one packet touches few lines and all of them can be prefetched;
 * what finds no room goes to the heap. libsrtp2 is a static archive, whose
 * allocator is the object file that these three symbols replace.
 *
 * The room is filled from its beginning. A piece that was taken last goes back
 * at once, the others when nothing is left in it.
 */
#include <stdlib.h>
#include <string.h>

#include "srtp/internal.h"

#define PIECE_OCTETS 16 /* all are multiples of it, and aligned to it */

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

void *tg_compact_alloc(size_t octets)
{
	size_t need = (octets + PIECE_OCTETS - 1) & ~(size_t)(PIECE_OCTETS - 1);
	void *p;

	if(inside && need <= sizeof(inside->room) - inside->room_used) {
		p = inside->room + inside->room_used;
		inside->room_used += (uint16_t)need;
		inside->room_pieces++;
	} else {
		p = aligned_alloc(PIECE_OCTETS, need);
	}
	if(p)
		memset(p, 0, need);
	return p;
}

void tg_compact_free(void *p, size_t octets)
{
	size_t had = (octets + PIECE_OCTETS - 1) & ~(size_t)(PIECE_OCTETS - 1);
	uint8_t *at = p;

	if(!inside || at < inside->room
			|| at >= inside->room + sizeof(inside->room)) {
		free(p);
		return;
	}
	if(octets && at + had == inside->room + inside->room_used)
		inside->room_used -= (uint16_t)had;
	if(--inside->room_pieces == 0)
		inside->room_used = 0;
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
		tg_compact_free(p, 0);
}
