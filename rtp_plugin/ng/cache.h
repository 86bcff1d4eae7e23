/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Replies to ng requests that carried our token, by cookie. Kamailio repeats
 * a request whose reply was lost; the repetition must get the same octets and
 * must not negotiate keys a second time. The daemon has such a cache of its
 * own, but it holds the replies before they were rewritten.
 *
 * Entries live for a minute, are wiped when they go, and the number is
 * bounded. Thread safe.
 */
#ifndef TG_NG_CACHE_H
#define TG_NG_CACHE_H

#include "base/arena.h"
#include "base/span.h"

enum tg_ngx_seen {
	TG_NGX_NEW = 0,  /* an entry was made; put or drop must follow */
	TG_NGX_REPEATED, /* *reply is a copy in the arena */
	TG_NGX_RUNNING,  /* the first one is still at work */
	TG_NGX_CLASH,    /* the cookie came with other content */
	TG_NGX_FULL      /* no memory for an entry */
};

enum tg_ngx_seen tg_ngx_cache_look(struct tg_span cookie,
		const uint64_t digest[2], struct tg_arena *arena,
		struct tg_span *reply);
void tg_ngx_cache_put(
		struct tg_span cookie, const uint64_t digest[2], struct tg_span reply);
void tg_ngx_cache_drop(struct tg_span cookie, const uint64_t digest[2]);

#endif
