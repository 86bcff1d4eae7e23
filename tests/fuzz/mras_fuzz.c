/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any octets as a request of the media relay authentication service; what is
 * taken is answered, and the answer must be whole and without raw markup.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mras/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t octets);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t octets)
{
	static char buffer[64 * 1024];
	struct tg_mras_grant grant[TG_MRAS_ASKS_MAX] = {0};
	struct tg_mras_request request;
	enum tg_mras_status status;
	struct tg_arena arena;
	struct tg_text text;
	const char *why;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	status = tg_mras_request_read(
			tg_span_of((const char *)data, octets), &arena, &request, &why);
	if(request.n > TG_MRAS_ASKS_MAX || (status != TG_MRAS_OK && !*why))
		abort();
	for(size_t i = 0; i < request.n; i++)
		grant[i].ask = &request.ask[i];
	tg_text_init(&text, buffer, sizeof(buffer));
	tg_mras_response_write(&text, &request, status, grant, request.n,
			TG_SPAN("realm"), NULL, 0);
	if(text.full)
		abort();
	tg_arena_deinit(&arena);
	return 0;
}
