/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any octets as bencode. What is taken has one spelling: it must come out of
 * the encoder as it went in.
 */
#include <stdlib.h>

#include "ng/bencode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_span text = tg_span_of((const char *)data, len);
	struct tg_arena arena;
	struct tg_ben *root;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(tg_ben_decode(text, &arena, &root) == TG_BEN_OK) {
		if(!tg_span_eq(tg_ben_encode(root, &arena), text))
			abort();
		while(root->type == TG_BEN_DICT && root->child) {
			root->child->key = TG_SPAN("x");
			if(!tg_ben_remove(root, "x"))
				abort();
		}
	} else if(root) {
		abort();
	}
	tg_arena_deinit(&arena);
	return 0;
}
