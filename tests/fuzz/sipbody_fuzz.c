/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any octets as a SIP message. What is taken must come out as it went in when
 * its descriptions are put back, but for a Content-Length that is set right;
 * with others in their place it must be read again, with those in it. Each
 * description is put before a media profile.
 */
#include <stdlib.h>

#include "media/judge.h"
#include "media/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(bool holds)
{
	if(!holds)
		abort();
}

static void check_places(const struct tg_media_message *m)
{
	const char *at = m->bytes.ptr;

	for(size_t i = 0; i < m->n_sdp; i++) {
		expect(m->sdp[i].ptr >= at);
		at = m->sdp[i].ptr + m->sdp[i].len;
	}
	expect(at <= m->bytes.ptr + m->bytes.len);
}

static void check_writing(
		const struct tg_media_message *m, struct tg_arena *arena)
{
	struct tg_span with[TG_MEDIA_SDP_MAX];
	struct tg_media_message again;
	struct tg_span out;

	for(size_t i = 0; i < m->n_sdp; i++)
		with[i] = m->sdp[i];
	out = tg_media_message_write(m, with, arena);
	expect(out.ptr != NULL);
	if(m->length.len == 0)
		expect(tg_span_eq(out, m->bytes));
	for(size_t i = 0; i < m->n_sdp; i++)
		with[i] = TG_SPAN("v=0\r\ns=x");
	out = tg_media_message_write(m, with, arena);
	expect(out.ptr != NULL);
	if(tg_media_message_read(out, &again) != TG_MEDIA_OK)
		return; /* a boundary may have stood in what was replaced */
	expect(again.n_sdp == m->n_sdp);
}

/* What is made of a request has no body, and is of the same dialog */
static void check_made(const struct tg_media_message *m, struct tg_arena *arena)
{
	struct tg_span bare = tg_media_message_bodyless(m, arena);
	struct tg_span next = tg_media_message_successor(
			m, "BYE", TG_SPAN("Via: SIP/2.0/UDP a"), arena);
	struct tg_media_message again;

	expect(bare.ptr != NULL);
	if(tg_media_message_read(bare, &again) == TG_MEDIA_OK)
		expect(again.n_sdp == 0 && tg_span_eq(again.length, TG_SPAN("0")));
	if(!next.ptr)
		return;
	expect(m->request);
	expect(tg_media_message_read(next, &again) == TG_MEDIA_OK);
	expect(again.request && again.n_sdp == 0
			&& tg_span_eq(again.method, TG_SPAN("BYE")));
	expect(tg_span_eq(again.call_id, m->call_id)
			&& tg_span_eq(again.to_tag, m->to_tag)
			&& tg_span_eq(again.from_tag, m->from_tag));
}

static bool holds_key(struct tg_span text, struct tg_arena *arena)
{
	struct tg_sdp sdp;

	if(tg_sdp_parse(text, arena, &sdp) != TG_SDP_OK)
		return false;
	for(size_t i = 0; i < sdp.n_lines; i++) {
		if(tg_sdp_carries_key(&sdp.line[i]))
			return true;
	}
	return false;
}

/*
 * A description without its keys holds none; what leaves with keys does so
 * only where they are allowed; a stricter level lets nothing more pass.
 */
static void check_judgement(struct tg_span text, struct tg_arena *arena)
{
	struct tg_pol_media media = {.key_exchange = {TG_KX_SDES},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80}};
	struct tg_media_ask ask = {.media = &media, .direction = TG_POL_OUT};
	struct tg_media_finding strict, loose;
	struct tg_sdp_edit *edit;
	struct tg_sdp sdp;
	size_t n;

	if(tg_sdp_parse(text, arena, &sdp) != TG_SDP_OK)
		return;
	edit = tg_sdp_edit_new(&sdp, arena);
	expect(edit && tg_media_strip_keys(&sdp, edit, &n));
	expect(!holds_key(tg_sdp_edit_apply(edit), arena));
	tg_media_judge(&sdp, &ask, &strict);
	expect(strict.reason != TG_REASON_NONE || !holds_key(text, arena));
	for(int bits = 0; bits < 8; bits++) {
		ask.direction = bits & 1 ? TG_POL_IN : TG_POL_OUT;
		ask.offer = bits & 2;
		ask.keys_allowed = bits & 4;
		media.level = TG_LEVEL_REQUIRED;
		tg_media_judge(&sdp, &ask, &strict);
		media.level = TG_LEVEL_SUPPORTED;
		tg_media_judge(&sdp, &ask, &loose);
		expect(strict.reason != TG_REASON_NONE
				|| loose.reason == TG_REASON_NONE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_media_message m;
	struct tg_arena arena;

	if(tg_media_message_read(tg_span_of((const char *)data, len), &m)
			!= TG_MEDIA_OK)
		return 0;
	expect(m.n_sdp == 0 || tg_media_message_has_body(m.bytes));
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	check_places(&m);
	for(size_t i = 0; i < m.n_sdp; i++)
		check_judgement(m.sdp[i], &arena);
	check_writing(&m, &arena);
	expect(tg_media_message_refusal(&m, 488, "Not Acceptable Here",
				   TG_SPAN("Warning: x"), &arena)
					.ptr
			!= NULL);
	check_made(&m, &arena);
	tg_arena_deinit(&arena);
	return 0;
}
