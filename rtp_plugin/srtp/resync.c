/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The roll-over counter is not in the packet. RFC 3711 section 3.3.1 keeps it
 * over a change of keys, some implementations begin again with zero; and a
 * stream whose first packets, before its number wrapped, came while there
 * were no keys yet has counted one that we did not see. Here a counter is put
 * to the test: the packet's tag decides.
 */
#include "base/alloc.h"
#include "srtp/internal.h"

#define COPY_OCTETS 2048

static enum tg_srtp_rc attempt(struct tg_srtp *ctx, uint32_t ssrc, uint32_t roc,
		uint8_t *packet, size_t *octets)
{
	int n = (int)*octets;
	enum tg_srtp_rc rc =
			tg_srtp_from_lib(srtp_set_stream_roc(ctx->rtp.lib, ssrc, roc));

	if(rc == TG_SRTP_OK)
		rc = tg_srtp_from_lib(srtp_unprotect_mki(
				ctx->rtp.lib, packet, &n, ctx->mki_octets > 0));
	if(rc == TG_SRTP_OK)
		*octets = (size_t)n;
	return rc;
}

enum tg_srtp_rc tg_srtp_resync(struct tg_srtp *ctx, uint32_t ssrc, uint32_t roc,
		uint8_t *packet, size_t *octets, uint8_t *own)
{
	uint8_t copy[COPY_OCTETS];
	uint32_t unused;
	enum tg_srtp_rc rc;

	*own = 0;
	if(*octets > sizeof(copy))
		return TG_SRTP_AUTH;
	/* one is there when SRTCP came first */
	if(srtp_get_stream_roc(ctx->rtp.lib, ssrc, &unused) != srtp_err_status_ok) {
		rc = tg_srtp_sessions_add(ctx, TG_SRTP_KIND_RTP, ssrc);
		if(rc != TG_SRTP_OK)
			return rc;
		*own = OWN_RTP;
	}
	memcpy(copy, packet, *octets); /* EVP's GCM writes before it judges */
	rc = attempt(ctx, ssrc, roc, packet, octets);
	if(rc != TG_SRTP_OK) {
		if(*own)
			tg_srtp_sessions_drop(ctx, TG_SRTP_KIND_RTP, ssrc);
		else
			srtp_set_stream_roc(ctx->rtp.lib, ssrc, 0);
		*own = 0;
		memcpy(packet, copy, *octets);
	}
	tg_wipe(copy, sizeof(copy));
	return rc;
}
