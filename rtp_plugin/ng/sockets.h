/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sockets find their streams: by the addresses and ports of a description that
 * goes out, on either side, candidates of ICE among them (RFC 8839).
 *
 * All functions: call locked; false: refused, x->error and x->reason say why.
 */
#ifndef TG_NG_SOCKETS_H
#define TG_NG_SOCKETS_H

#include "ng/exchange.h"
#include "sdp/sdp.h"

/* RFC 3605, RFC 5761; 0: there is no place for one */
uint16_t tg_ngx_rtcp_port(const struct tg_sdp_media *m);

/* The sockets of line m are st's from now on */
bool tg_ngx_attach_all(struct tg_ngx *x, struct tg_ses_stream *st,
		const struct tg_sdp *sdp, const struct tg_sdp_media *m);

/*
 * For a second far end the daemon opens sockets that no description ever
 * shows. What it bound during the exchange and is still held is secured.
 */
bool tg_ngx_attach_fork(struct tg_ngx *x, struct tg_ses_leg *leg);

/* The sockets that it shows may pass, those of streams excepted */
void tg_ngx_pass_plain(struct tg_ngx *x, const struct tg_sdp *sdp);

#endif
