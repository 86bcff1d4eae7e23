/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any octets as a session description. What is taken must index every octet
 * once, come out of an edit without edits unchanged, and be taken again after
 * its security lines were dropped, without one of them.
 */
#include <stdlib.h>

#include "sdp/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(bool holds)
{
	if(!holds)
		abort();
}

static void check_index(const struct tg_sdp *sdp)
{
	size_t octets = 0;

	for(size_t i = 0; i < sdp->n_lines; i++)
		octets += sdp->line[i].text.len + sdp->line[i].end_octets;
	expect(octets == sdp->text.len);
	for(size_t i = 0; i < sdp->n_media; i++) {
		const struct tg_sdp_media *m = &sdp->media[i];

		expect(m->n_lines > 0 && m->first_line + m->n_lines <= sdp->n_lines);
		for(size_t k = 0; k < m->n_crypto; k++)
			expect(m->crypto[k].line > m->first_line
					&& m->crypto[k].line < m->first_line + m->n_lines);
	}
}

static void check_edits(const struct tg_sdp *sdp, struct tg_arena *arena)
{
	struct tg_sdp_edit *edit = tg_sdp_edit_new(sdp, arena);
	struct tg_sdp again;
	struct tg_span out;

	expect(edit != NULL);
	expect(tg_span_eq(tg_sdp_edit_apply(edit), sdp->text));
	for(uint32_t i = 0; i < sdp->n_lines; i++) {
		if(tg_sdp_is_security_line(&sdp->line[i]))
			expect(tg_sdp_edit_drop(edit, i));
	}
	for(size_t i = 0; i < sdp->n_media; i++) {
		expect(tg_sdp_edit_replace(
				edit, sdp->media[i].proto, TG_SPAN("RTP/AVP")));
		expect(tg_sdp_edit_add_after(
				edit, sdp->media[i].first_line, TG_SPAN("a=x")));
	}
	out = tg_sdp_edit_apply(edit);
	expect(out.ptr != NULL);
	if(tg_sdp_parse(out, arena, &again) == TG_SDP_TOO_LARGE)
		return; /* the added lines went over a limit */
	expect(again.bad_line == 0 && again.n_media == sdp->n_media);
	for(size_t i = 0; i < again.n_media; i++)
		expect(again.media[i].kind == TG_SDP_PROTO_AVP
				&& again.media[i].n_crypto == 0
				&& again.media[i].security.n_fingerprints == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_arena arena;
	struct tg_sdp sdp;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_sdp_parse(tg_span_of((const char *)data, len), &arena, &sdp)
			== TG_SDP_OK) {
		check_index(&sdp);
		check_edits(&sdp, &arena);
	}
	tg_arena_deinit(&arena);
	return 0;
}
