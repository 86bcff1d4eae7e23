/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message is looked at in several places on its way: before the script, by
 * the script for its flags, as a reply that tm is about to pass on, as octets
 * that leave. What was read last is kept for the next of them, and counts for
 * the very same octets alone: they are compared, all of them, each time.
 */
#include "srtp_policy/srtpp.h"

#define MESSAGE_OCTETS_MAX 8192 /* a longer one is read each time */
#define DESCRIPTION_OCTETS_MAX ((size_t)24 * 1024)

static struct {
	char octets[MESSAGE_OCTETS_MAX];
	enum tg_media_rc rc;
	struct tg_media_message m; /* no bytes: nothing was read yet */
} message;

static struct {
	struct tg_arena arena;
	struct tg_span text; /* in the arena; empty: nothing was read yet */
	struct tg_sdp sdp;
	_Alignas(max_align_t) char memory[DESCRIPTION_OCTETS_MAX];
} description;

enum tg_media_rc srtpp_read(
		const struct sip_msg *msg, struct tg_media_message *out)
{
	struct tg_span bytes = srtpp_bytes(msg);
	bool fits = bytes.len <= sizeof(message.octets);

	/* spans point into the message: one elsewhere is another one */
	if(fits && bytes.len && message.m.bytes.ptr == bytes.ptr
			&& message.m.bytes.len == bytes.len
			&& memcmp(message.octets, bytes.ptr, bytes.len) == 0) {
		*out = message.m;
		return message.rc;
	}
	if(!fits)
		return tg_media_message_read(bytes, out);
	message.rc = tg_media_message_read(bytes, &message.m);
	memcpy(message.octets, bytes.ptr, bytes.len);
	*out = message.m;
	return message.rc;
}

static enum tg_sdp_rc parse_anew(struct tg_span text)
{
	enum tg_sdp_rc rc;

	if(description.arena.lent)
		tg_arena_deinit(&description.arena);
	else
		tg_arena_init(&description.arena, &tg_alloc_libc, 0);
	if(!description.arena.lent)
		tg_arena_lend(&description.arena, description.memory,
				sizeof(description.memory));
	memset(&description.sdp, 0, sizeof(description.sdp));
	description.text = tg_arena_dup(&description.arena, text);
	if(!description.text.ptr)
		return TG_SDP_NO_MEMORY;
	rc = tg_sdp_parse(description.text, &description.arena, &description.sdp);
	if(rc != TG_SDP_OK)
		description.text = tg_span_of(NULL, 0);
	return rc;
}

enum tg_sdp_rc srtpp_parse(const struct tg_media_message *m, size_t i,
		struct tg_arena *arena, struct tg_sdp *out)
{
	struct tg_span text = m->sdp[i];
	enum tg_sdp_rc rc = TG_SDP_OK;

	if(m->n_sdp != 1) /* all of them are held at a time */
		return tg_sdp_parse(text, arena, out);
	if(!description.text.len || !tg_span_eq(description.text, text))
		rc = parse_anew(text);
	*out = description.sdp;
	return rc;
}
