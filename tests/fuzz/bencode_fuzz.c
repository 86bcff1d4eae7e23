/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any octets as bencode. What is taken has one spelling: it must come out of
 * the encoder as it went in. What is taken, and why not, is the same for who
 * wants the outermost dictionary alone.
 */
#include <stdlib.h>

#include "ng/bencode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_span text = tg_span_of((const char *)data, len);
	struct tg_arena arena;
	struct tg_ben *root, *top;
	enum tg_ben_rc rc;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	rc = tg_ben_decode(text, &arena, &root);
	if(tg_ben_decode_glance(text, &arena, &top) != TG_BEN_OK && rc == TG_BEN_OK)
		abort();
	if(top && !tg_span_eq(tg_ben_encode(top, &arena), text))
		abort();
	if(tg_ben_decode_top(text, &arena, &top) != rc)
		abort();
	if(rc == TG_BEN_OK) {
		if(!tg_span_eq(tg_ben_encode(top, &arena), text))
			abort();
		if(!tg_span_eq(tg_ben_encode(root, &arena), text))
			abort();
		while(root->type == TG_BEN_DICT && root->child) {
			root->child->key = TG_SPAN("x");
			if(!tg_ben_remove(root, "x"))
				abort();
		}
	} else if(root || top) {
		abort();
	}
	tg_arena_deinit(&arena);
	return 0;
}
