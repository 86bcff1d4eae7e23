/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A responder's address, as a certificate that is not yet trusted names it,
 * and the same octets as an address and as a net. What is taken must be fit to
 * stand in a request as it is, and an address must be read again as it is
 * written.
 */
#include <stdlib.h>

#include "base/url.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must_be_within(struct tg_span part, struct tg_span whole)
{
	must(part.len == 0
			|| (part.ptr >= whole.ptr
					&& part.ptr + part.len <= whole.ptr + whole.len));
	for(size_t i = 0; i < part.len; i++)
		must(part.ptr[i] > ' ' && part.ptr[i] < 0x7f && part.ptr[i] != '@');
}

static void check_url(struct tg_span text)
{
	struct tg_url url;
	const char *why;

	if(!tg_url_split(text, &url, &why)) {
		must(why != NULL);
		return;
	}
	must(why == NULL && url.port != 0 && url.host.len != 0);
	must_be_within(url.host, text);
	must_be_within(url.host_as_written, text);
	must_be_within(url.path, text);
	must(url.path.len == 0 || url.path.ptr[0] == '/');
	must(tg_span_find(url.host, '/') == url.host.len);
}

static void check_address(struct tg_span text)
{
	char written[TG_ADDR_TEXT_OCTETS];
	struct tg_addr addr, again;
	struct tg_cidr net;

	if(tg_addr_parse(text, &addr)) {
		tg_addr_format(&addr, written);
		must(strlen(written) < sizeof(written));
		must(tg_addr_parse(tg_span_cstr(written), &again));
		must(tg_addr_eq(&addr, &again));
	}
	if(tg_cidr_parse(text, &net)) {
		must(tg_cidr_contains(&net, &net.addr));
		must(tg_cidr_overlaps(&net, &net));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len ? len : 1); /* its exact size, for sanitizers */
	struct tg_span text = tg_span_of(copy, len);

	must(copy != NULL);
	if(len != 0)
		memcpy(copy, data, len);
	check_url(text);
	check_address(text);
	free(copy);
	return 0;
}
