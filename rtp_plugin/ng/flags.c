/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/flags.h"

#include "ng/negotiate.h"

bool tg_ngx_flags_take(struct tg_ngx *x, struct tg_ben *dict, bool plain,
		struct tg_span *token)
{
	static const char *const media[] = {"RTP/SAVP", "RTP/SAVPF", "RTP/AVP",
			"RTP/AVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "SRTP", "RTP",
			"AVP", "AVPF", "SAVP", "SAVPF"};
	struct tg_span rest = tg_ben_get_string(dict, "rtpp-flags");
	size_t n = 0;
	char *text;

	if(rest.len == 0)
		return true;
	text = tg_arena_get(&x->arena, rest.len + 1);
	if(text == NULL)
		return tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
	while(rest.len != 0) {
		struct tg_span word = tg_span_cut(&rest, ' ');
		bool drop = word.len == 0;

		if(tg_span_starts(word, TG_SPAN(TG_NG_KEY "="))) {
			*token = tg_span_of(
					word.ptr + sizeof(TG_NG_KEY), word.len - sizeof(TG_NG_KEY));
			drop = true;
		}
		if(plain
				&& (tg_span_starts(word, TG_SPAN("transport-protocol"))
						|| tg_span_starts(word, TG_SPAN("OSRTP"))))
			drop = true;
		for(size_t i = 0; plain && i < sizeof(media) / sizeof(media[0]); i++)
			drop = drop || tg_span_eq(word, tg_span_cstr(media[i]));
		if(drop)
			continue;
		if(n != 0)
			text[n++] = ' ';
		memcpy(text + n, word.ptr, word.len);
		n += word.len;
	}
	return tg_ngx_set(x, dict, "rtpp-flags", tg_span_of(text, n));
}

bool tg_ngx_flags_have_token(const struct tg_ben *dict)
{
	struct tg_span flags = tg_ben_get_string(dict, "rtpp-flags");

	while(flags.len != 0) {
		if(tg_span_starts(tg_span_cut(&flags, ' '), TG_SPAN(TG_NG_KEY "=")))
			return true;
	}
	return false;
}
