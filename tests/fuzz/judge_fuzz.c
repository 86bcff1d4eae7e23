/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A session description before media profiles. The first octet of the input
 * picks the profile and what is asked, the rest is the description. A
 * stricter level lets nothing more pass; an offer that passes does so still
 * when what must not be chosen is out of it; no proof holds under a key that
 * nobody knows, and none is left where they are taken out.
 */
#include "media/judge.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void parse(struct tg_span text, struct tg_arena *arena, struct tg_sdp *s)
{
	must(tg_sdp_parse(text, arena, s) == TG_SDP_OK);
}

static enum tg_reason judge(const struct tg_sdp *sdp, struct tg_media_ask ask,
		enum tg_level level, struct tg_media_finding *found)
{
	struct tg_pol_media media = *ask.media;

	media.level = level;
	ask.media = &media;
	tg_media_judge(sdp, &ask, found);
	return found->reason;
}

static void check_levels(const struct tg_sdp *sdp, struct tg_media_ask ask)
{
	struct tg_media_finding strict, loose;

	if(judge(sdp, ask, TG_LEVEL_REQUIRED, &strict) != TG_REASON_NONE)
		return;
	must(strict.clear == 0);
	must(judge(sdp, ask, TG_LEVEL_SUPPORTED, &loose) == TG_REASON_NONE);
	ask.keys_allowed = true; /* more is allowed */
	must(judge(sdp, ask, TG_LEVEL_REQUIRED, &loose) == TG_REASON_NONE);
}

static void check_stripping(const struct tg_sdp *sdp, struct tg_media_ask ask,
		struct tg_arena *arena)
{
	struct tg_media_finding found;
	struct tg_sdp_edit *edit;
	struct tg_sdp rest;
	size_t n;

	tg_media_judge(sdp, &ask, &found);
	if(!ask.offer || ask.direction != TG_POL_IN
			|| found.reason != TG_REASON_NONE)
		return;
	edit = tg_sdp_edit_new(sdp, arena);
	must(edit && tg_media_strip_offer(sdp, ask.media, edit, &n));
	parse(tg_sdp_edit_apply(edit), arena, &rest);
	must(rest.n_media == sdp->n_media && rest.n_lines == sdp->n_lines - n);
	if(ask.media->level == TG_LEVEL_NONE)
		return; /* SRTP that a party brings along is its own affair */
	tg_media_judge(&rest, &ask, &found);
	must(found.reason == TG_REASON_NONE);
	if(ask.capabilities)
		return;
	for(size_t i = 0; i < rest.n_media; i++) {
		for(size_t k = 0; k < rest.media[i].n_crypto; k++)
			must(tg_media_has_suite(ask.media,
					tg_suite_by_name(rest.media[i].crypto[k].suite)));
	}
}

static void check_proofs(const struct tg_sdp *sdp, struct tg_arena *arena)
{
	struct tg_ng_key key;
	struct tg_media_proof_ask ask = {
			.needed = TG_NG_LEG_TO, .call_id = TG_SPAN("c"), .key = &key};
	struct tg_sdp_edit *edit = tg_sdp_edit_new(sdp, arena);
	enum tg_ng_leg proven;
	struct tg_sdp rest;
	size_t n;

	tg_ng_key_init(&key, TG_SPAN("a secret for the fuzzer, 32 octets long"));
	must(tg_media_check_proof(sdp, &ask, &proven) == TG_REASON_MEDIA_UNPROVEN);
	must(proven == TG_NG_LEG_NONE);
	must(edit && tg_media_strip_proof(sdp, edit, &n));
	parse(tg_sdp_edit_apply(edit), arena, &rest);
	edit = tg_sdp_edit_new(&rest, arena);
	must(edit && tg_media_strip_proof(&rest, edit, &n) && n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t bits = len ? data[0] : 0;
	struct tg_pol_media media = {.level = TG_LEVEL_REQUIRED,
			.key_exchange = {bits & 1 ? TG_KX_DTLS : TG_KX_SDES,
					bits & 2 ? (bits & 1 ? TG_KX_SDES : TG_KX_DTLS)
							 : TG_KX_NONE},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80,
					TG_SUITE_AEAD_AES_256_GCM},
			.dialect = bits & 4 ? TG_DIALECT_RFC8643 : TG_DIALECT_MS_SDPEXT};
	struct tg_media_ask ask = {.media = &media,
			.direction = bits & 8 ? TG_POL_OUT : TG_POL_IN,
			.offer = bits & 16,
			.keys_allowed = bits & 32,
			.agreed = bits & 64 ? 1 : 0,
			.capabilities = bits & 128};
	struct tg_arena arena;
	struct tg_sdp sdp;

	if(len == 0)
		return 0;
	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_sdp_parse(tg_span_of((const char *)data + 1, len - 1), &arena, &sdp)
			== TG_SDP_OK) {
		check_levels(&sdp, ask);
		check_stripping(&sdp, ask, &arena);
		media.level = TG_LEVEL_SUPPORTED;
		check_stripping(&sdp, ask, &arena);
		media.level = TG_LEVEL_NONE;
		check_stripping(&sdp, ask, &arena);
		check_proofs(&sdp, &arena);
	}
	tg_arena_deinit(&arena);
	return 0;
}
