/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SERVICE requests ([MS-AVEDGEA] section 3.2): one answer with all that was
 * asked for, or a refusal of the whole. Without XML in it a refusal would not
 * be understood, so refusals have a body, too.
 */
#include "core/data_lump_rpl.h"
#include "core/dprint.h"
#include "core/parser/parse_content.h"
#include "core/sr_module.h"
#include "modules/sl/sl.h"

#include "base/alloc.h"
#include "mras/mras.h"

#define ANSWER_OCTETS 16384
#define CONTENT_TYPE_HEADER "Content-Type: " TG_MRAS_CONTENT_TYPE "\r\n"

static sl_api_t slb;

int mras_service_init(void)
{
	if(sl_load_api(&slb) < 0) {
		LM_ERR("sl.so must be loaded before this module\n");
		return -1;
	}
	return 0;
}

static bool is_ours(struct sip_msg *msg)
{
	struct tg_span type;

	if(parse_headers(msg, HDR_CONTENTTYPE_F, 0) < 0 || !msg->content_type)
		return false;
	type = tg_span_of(
			msg->content_type->body.s, (size_t)msg->content_type->body.len);
	return tg_span_ieq(tg_span_trim(tg_span_cut(&type, ';')),
			TG_SPAN(TG_MRAS_CONTENT_TYPE));
}

static struct tg_span body_of(struct sip_msg *msg)
{
	char *body = get_body(msg);

	return body ? tg_span_of(body, (size_t)(msg->buf + msg->len - body))
				: tg_span_of(NULL, 0);
}

/* The answer holds passwords: what is left of it is wiped */
static int answer(
		struct sip_msg *msg, enum tg_mras_status status, struct tg_text *text)
{
	struct tg_span body = tg_text_span(text);
	str phrase = {(char *)tg_mras_phrase(status),
			(int)strlen(tg_mras_phrase(status))};
	int sent = -1;

	if(text->full) {
		LM_ERR("the answer is too long\n");
	} else if(!add_lump_rpl(msg, CONTENT_TYPE_HEADER,
					  sizeof(CONTENT_TYPE_HEADER) - 1, LUMP_RPL_HDR)
			  || !add_lump_rpl(
					  msg, (char *)body.ptr, (int)body.len, LUMP_RPL_BODY)) {
		LM_ERR("the answer cannot be made\n");
	} else {
		sent = slb.freply(msg, (int)tg_mras_sip_code(status), &phrase);
	}
	tg_wipe(text->buffer, text->len);
	return sent < 0 ? -2 : status == TG_MRAS_OK ? 1 : -1;
}

static enum tg_mras_status grant_all(const struct mras_requester *r,
		const struct tg_mras_request *request,
		struct tg_mras_grant grant[TG_MRAS_ASKS_MAX], const char **why)
{
	for(size_t i = 0; i < request->n; i++) {
		enum tg_mras_status s = mras_issue(r, &request->ask[i], &grant[i], why);

		if(s != TG_MRAS_OK)
			return s;
	}
	return TG_MRAS_OK;
}

static int handle(struct sip_msg *msg, const struct mras_requester *r,
		enum tg_mras_status status, const char *why)
{
	static char buffer[ANSWER_OCTETS];
	struct tg_mras_relay relay[MRAS_RELAYS_MAX];
	struct tg_mras_grant grant[TG_MRAS_ASKS_MAX];
	struct tg_mras_request request = {0};
	enum tg_mras_status read;
	struct tg_arena arena;
	struct tg_text text;
	int result;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	if(status == TG_MRAS_OK) {
		read = tg_mras_request_read(body_of(msg), &arena, &request, &why);
		status =
				read == TG_MRAS_OK ? grant_all(r, &request, grant, &why) : read;
		if(read != TG_MRAS_OK)
			mras_count(read);
	} else {
		mras_count(status);
	}
	if(status != TG_MRAS_OK)
		LM_WARN("mras: \"%s\": %s\n", tg_mras_phrase(status), why);
	tg_text_init(&text, buffer, sizeof(buffer));
	tg_mras_response_write(&text, &request, status, grant, request.n,
			r->rule ? r->rule->realm : tg_span_of(NULL, 0), relay,
			mras_relays(r->policy, TG_MRAS_ANYWHERE, relay));
	tg_wipe(grant, sizeof(grant));
	result = answer(msg, status, &text);
	tg_arena_deinit(&arena);
	return result;
}

int mras_handle(struct sip_msg *msg)
{
	struct mras_requester r;
	str phrase = {"Unsupported Media Type", 22};
	enum tg_mras_status status;
	const char *why;
	int result;

	if(msg->first_line.type != SIP_REQUEST)
		return -2;
	if(!is_ours(msg))
		return slb.freply(msg, 415, &phrase) < 0 ? -2 : -1;
	status = mras_requester_of(msg, &r, &why);
	result = handle(msg, &r, status, why);
	mras_requester_done(&r);
	return result;
}
