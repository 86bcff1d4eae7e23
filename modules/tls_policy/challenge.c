/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mutual TLS connection that was accepted is trusted: the edge itself asks
 * no peer on it for digest credentials. A 401 or 407 of others that it relays
 * passes. A script that challenges a peer all the same has its answer replaced
 * by one that says what is wrong with the script, not with the peer.
 *
 * Told apart by what this process is at: a challenge that leaves while a
 * request is worked on, or a failure_route, is our own; one that leaves while a
 * reply of that code is worked on, or from a timer, was chosen by tm from the
 * branches' replies.
 */
#include <stdio.h>

#include "core/mem/mem.h"

#include "tls_policy/challenge.h"

static unsigned code_of(struct tg_span bytes)
{
	if(bytes.len < 12 || bytes.ptr[8] != '4' || bytes.ptr[9] != '0')
		return 0; /* most are others */
	if(tg_span_starts(bytes, TG_SPAN("SIP/2.0 401 ")))
		return 401;
	if(tg_span_starts(bytes, TG_SPAN("SIP/2.0 407 ")))
		return 407;
	return 0;
}

bool tlsp_challenge_is_ours(struct tg_span bytes)
{
	unsigned code = code_of(bytes);

	return code
		   && (tlsp_at_hand.request || tlsp_at_hand.failure
				   || (tlsp_at_hand.reply && tlsp_at_hand.reply != code));
}

static bool is_challenge(struct tg_span line)
{
	return tg_span_istarts(line, TG_SPAN("WWW-Authenticate"))
		   || tg_span_istarts(line, TG_SPAN("Proxy-Authenticate"));
}

struct tg_span tlsp_challenge_replace(struct tg_span bytes)
{
	const struct tg_reason_info *info = tg_reason_get(TG_REASON_CHALLENGE);
	size_t room = bytes.len + strlen(info->sip_text) + 32, n, at_byte;
	char *out = pkg_malloc(room);
	bool in_head = true, dropped = false;

	if(!out)
		return tg_span_of(NULL, 0);
	n = (size_t)snprintf(
			out, room, "SIP/2.0 %u %s\r\n", info->sip_code, info->sip_text);
	at_byte = tg_span_find(bytes, '\n') + 1;
	while(at_byte < bytes.len) {
		struct tg_span rest =
				tg_span_of(bytes.ptr + at_byte, bytes.len - at_byte);
		size_t octets = tg_span_find(rest, '\n');

		octets += octets < rest.len;
		in_head = in_head && *rest.ptr != '\r' && *rest.ptr != '\n';
		if(*rest.ptr != ' ' && *rest.ptr != '\t') /* else it goes on */
			dropped = is_challenge(rest);
		if(!in_head || !dropped) {
			memcpy(out + n, rest.ptr, octets);
			n += octets;
		}
		at_byte += octets;
	}
	return tg_span_of(out, n);
}
