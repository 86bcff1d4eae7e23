/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A whole SIP message as octets: where its session descriptions are, and the
 * same message with others in their place. RFC 3261 (headers), RFC 2046
 * (multipart), RFC 5621 (bodies in SIP). Not a SIP parser: it reads the few
 * headers that decide about bodies.
 */
#ifndef TG_MEDIA_MESSAGE_H
#define TG_MEDIA_MESSAGE_H

#include "base/arena.h"
#include "base/span.h"

#define TG_MEDIA_SDP_MAX 8     /* descriptions in one message */
#define TG_MEDIA_NESTING_MAX 4 /* multipart inside of multipart */

enum tg_media_rc {
	TG_MEDIA_OK = 0,
	TG_MEDIA_NOT_SIP,    /* HTTP, a keepalive: nothing for us */
	TG_MEDIA_UNREADABLE, /* SIP, but its body cannot be told apart */
	TG_MEDIA_NO_MEMORY
};

/* All spans point into bytes */
struct tg_media_message {
	struct tg_span bytes;
	bool request;
	unsigned status;       /* of a reply */
	struct tg_span method; /* of the CSeq: a reply's is its request's */
	struct tg_span cseq;   /* whole */
	struct tg_span call_id;
	struct tg_span from_tag;
	struct tg_span to_tag;
	bool in_dialog;        /* To has a tag */
	struct tg_span length; /* digits of Content-Length; empty when absent */
	struct tg_span body;
	struct tg_span sdp[TG_MEDIA_SDP_MAX];
	size_t n_sdp;
};

/*
 * A quick look: false when nothing stands behind the blank line, so that the
 * message has no description. True promises nothing.
 */
bool tg_media_message_has_body(struct tg_span bytes);

enum tg_media_rc tg_media_message_read(struct tg_span bytes,
		struct tg_media_message *out) __attribute__((warn_unused_result));

/* The message with with[i] for sdp[i]; in the arena, ptr NULL: no memory */
struct tg_span tg_media_message_write(const struct tg_media_message *m,
		const struct tg_span with[TG_MEDIA_SDP_MAX], struct tg_arena *arena);

/*
 * A reply turned into a final refusal: its status line and body replaced,
 * headers about the body and the dialog left out. warning: a whole header
 * without its line end; may be empty.
 */
struct tg_span tg_media_message_refusal(const struct tg_media_message *m,
		unsigned code, const char *phrase, struct tg_span warning,
		struct tg_arena *arena);

/* A message without its body and the headers about it. As above */
struct tg_span tg_media_message_bodyless(
		const struct tg_media_message *m, struct tg_arena *arena);

/*
 * The next request of the same sender in the same dialog, to the same target
 * over the same route (RFC 3261 12.2.1.1): method with a CSeq one higher, and
 * no body. via: a whole Via header without its line end.
 */
struct tg_span tg_media_message_successor(const struct tg_media_message *m,
		const char *method, struct tg_span via, struct tg_arena *arena);

#endif
