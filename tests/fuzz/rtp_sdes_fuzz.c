/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An SDP from the far end as an offer and as an answer to ours. Whatever it
 * says: keys that come out have the shape of their suite, an answer is one
 * line that reads back to what was chosen, and can_take agrees with take_offer.
 */
#include <stdint.h>

#include "keying/keying.h"
#include "keying/sdes_line.h"
#include "keying/material.h"
#include "must.h"

static void check_keys(const struct tg_srtp_keys *k)
{
	struct tg_srtp_shape shape;

	must(k && tg_srtp_shape(k->suite, &shape));
	must(k->n >= 1 && k->n <= TG_SRTP_MASTERS_MAX);
	for(size_t i = 0; i < k->n; i++) {
		must(k->master[i].octets == shape.key_octets + shape.salt_octets);
		must(k->n == 1 || k->master[i].mki_octets > 0);
	}
}

static void check_line(const struct tg_key_lines *l, const struct tg_key *k)
{
	const struct tg_srtp_keys *tx = material_of(k, TG_KEY_RTP, TG_SRTP_TX);
	struct tg_span rest, tag;
	struct tg_sdes_line line;
	struct tg_sdp_crypto c = {.valid = true};

	must(l->n == 1 && l->line[0].len > 9);
	rest = tg_span_of(l->line[0].text + 9, l->line[0].len - 9);
	tag = tg_span_cut(&rest, ' ');
	must(tag.len > 0);
	c.suite = tg_span_cut(&rest, ' ');
	c.params = rest;
	must(tg_sdes_line_read(&c, &line) == TG_KEY_OK);
	must(tg_srtp_keys_eq(&line.keys, tx));
}

static void one_media(const struct tg_sdp_media *m)
{
	struct tg_key_profile p = {.suite = {TG_SUITE_AEAD_AES_256_GCM,
									   TG_SUITE_AES_256_CM_HMAC_SHA1_80,
									   TG_SUITE_AES_CM_128_HMAC_SHA1_80,
									   TG_SUITE_AES_CM_128_HMAC_SHA1_32}};
	struct tg_key *k = tg_key_new(TG_KX_SDES, &p, NULL, NULL);
	struct tg_key_lines lines;
	enum tg_key_rc rc;

	if(!k)
		return;
	rc = tg_key_take_offer(k, m);
	must(rc == tg_key_can_take(TG_KX_SDES, &p, m));
	if(rc == TG_KEY_OK) {
		must(tg_key_answer(k, false, &lines) == TG_KEY_OK);
		check_keys(material_of(k, TG_KEY_RTP, TG_SRTP_RX));
		check_keys(material_of(k, TG_KEY_RTP, TG_SRTP_TX));
		check_line(&lines, k);
	} else {
		must(!material_of(k, TG_KEY_RTP, TG_SRTP_RX));
	}
	must(tg_key_offer(k, true, &lines) == TG_KEY_OK);
	if(tg_key_take_answer(k, m) == TG_KEY_OK) {
		must(m->n_crypto == 1);
		check_keys(material_of(k, TG_KEY_RTP, TG_SRTP_RX));
	}
	tg_key_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_arena arena;
	struct tg_sdp sdp;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_sdp_parse(tg_span_of((const char *)data, size), &arena, &sdp)
			== TG_SDP_OK)
		for(size_t i = 0; i < sdp.n_media; i++)
			one_media(&sdp.media[i]);
	tg_arena_deinit(&arena);
	return 0;
}
