/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ng/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "ng/cache.h"
#include "ng/flags.h"
#include "ng/json.h"
#include "ng/legs.h"
#include "ng/names.h"
#include "ng/negotiate.h"
#include "ng/sockets.h"

#define COOKIE_OCTETS_MAX 1024

struct tg_ngx_counters tg_ngx_counters;

void tg_ngx_init(struct tg_ngx *x, const struct tg_ngx_host *host)
{
	memset(x, 0, offsetof(struct tg_ngx, memory));
	x->host = host;
	tg_arena_init(&x->arena, &tg_alloc_libc, 0);
	tg_arena_lend(&x->arena, x->memory, sizeof(x->memory));
}

void tg_ngx_finish(struct tg_ngx *x)
{
	const struct tg_ngx_host *host = x->host;

	if(x->cached)
		tg_ngx_cache_drop(x->cookie, x->digest);
	if(x->call != NULL) {
		if(x->active)
			tg_ses_call_done(x->call);
		tg_ses_call_put(x->call);
	}
	tg_arena_wipe(&x->arena);
	tg_ngx_init(x, host);
}

/* ---- refusals ----------------------------------------------------------- */

static void log_refusal(const struct tg_ngx *x)
{
	char text[512];
	const struct tg_ng_token *t = &x->token;
	char id[128];
	size_t n = 0;

	if(x->host->log == NULL)
		return;
	for(size_t i = 0; i < x->call_id.len && n < sizeof(id) - 1; i++) {
		unsigned char c = (unsigned char)x->call_id.ptr[i];

		id[n++] = c > 0x20 && c < 0x7f && c != '"' ? (char)c : '?';
	}
	id[n] = '\0';
	snprintf(text, sizeof(text),
			"ng refused: reason=%s call-id=\"%s\" peer=%.*s%s%.*s: %s",
			tg_reason_get(x->reason)->id, id, TG_SPAN_FMT(t->to.peer),
			t->to.peer.len && t->from.peer.len ? "," : "",
			TG_SPAN_FMT(t->from.peer), x->error);
	x->host->log(LOG_WARNING, text);
}

/* "COOKIE d6:result5:error12:error-reasonN:...e" */
static struct tg_span error_reply(struct tg_ngx *x)
{
	const char *id = tg_reason_get(x->reason)->id;
	size_t n = strlen("trunkguard: : ") + strlen(id) + strlen(x->error);
	size_t octets = x->cookie.len + n + 80;
	char *p = tg_arena_get(&x->arena, octets);
	int len;

	if(p == NULL)
		return tg_span_of(NULL, 0);
	if(x->json)
		len = snprintf(p, octets,
				"%.*s {\"result\":\"error\",\"error-reason\":"
				"\"trunkguard: %s: %s\"}",
				TG_SPAN_FMT(x->cookie), id, x->error);
	else
		len = snprintf(p, octets,
				"%.*s d6:result5:error12:error-reason%zu:trunkguard: %s: %se",
				TG_SPAN_FMT(x->cookie), n, id, x->error);
	return tg_span_of(p, (size_t)len);
}

static enum tg_ngx_action refuse_datagram(struct tg_ngx *x, struct tg_span *out)
{
	atomic_fetch_add(&tg_ngx_counters.refused, 1);
	log_refusal(x);
	*out = error_reply(x);
	return TG_NGX_ANSWER; /* empty when memory is out: sent nowhere */
}

/* ---- reading a request -------------------------------------------------- */

static enum tg_ngx_command command_of(struct tg_span name)
{
	if(tg_span_eq(name, TG_SPAN("offer")))
		return TG_NGX_OFFER;
	if(tg_span_eq(name, TG_SPAN("answer")))
		return TG_NGX_ANSWERED;
	if(tg_span_eq(name, TG_SPAN("delete")))
		return TG_NGX_DELETE;
	if(tg_span_eq(name, TG_SPAN("ping")))
		return TG_NGX_PING;
	return TG_NGX_OTHER;
}

/* Commands that cannot move media of a call elsewhere or change its sides */
static bool harmless(struct tg_span name)
{
	static const char *const list[] = {"ping", "delete", "query", "list",
			"statistics", "start recording", "stop recording",
			"pause recording", "start forwarding", "stop forwarding",
			"block DTMF", "unblock DTMF", "block media", "unblock media",
			"silence media", "unsilence media", "play media", "stop media",
			"play DTMF"};

	for(size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if(tg_span_eq(name, tg_span_cstr(list[i])))
			return true;
	}
	return false;
}

static struct tg_span kept(struct tg_ngx *x, struct tg_span s)
{
	return s.len != 0 ? tg_arena_dup(&x->arena, s) : s;
}

static uint64_t now_sec(const struct tg_ngx *x)
{
	return x->host->now_sec != NULL ? x->host->now_sec() : (uint64_t)time(NULL);
}

static bool in_floor(const struct tg_ngx_host *h, enum tg_suite suite)
{
	if(h->floor_suite[0] == TG_SUITE_NONE)
		return true;
	for(int i = 0; i < TG_SUITES_MAX && h->floor_suite[i] != TG_SUITE_NONE;
			i++) {
		if(h->floor_suite[i] == suite)
			return true;
	}
	return false;
}

/* What this node's own configuration admits; suites below it are left out */
static bool apply_floor(struct tg_ngx *x, struct tg_ng_profile *p)
{
	int n = 0;

	if(p->level == TG_LEVEL_NONE
			|| (p->level == TG_LEVEL_SUPPORTED && x->host->floor_required))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_CLEAR,
				"the level is below the floor of this node");
	for(int i = 0; i < TG_SUITES_MAX && p->suite[i] != TG_SUITE_NONE; i++) {
		if(in_floor(x->host, p->suite[i]))
			p->suite[n++] = p->suite[i];
	}
	if(n == 0)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_SUITE,
				"every suite is below the floor of this node");
	while(n < TG_SUITES_MAX)
		p->suite[n++] = TG_SUITE_NONE;
	if(p->replay_window < x->host->floor_window)
		p->replay_window = x->host->floor_window;
	return true;
}

static bool take_token(struct tg_ngx *x, struct tg_span token)
{
	struct tg_ng_token *t = &x->token;
	const char *why = "";

	switch(tg_ng_token_decode(
			token, x->call_id, x->host->key, now_sec(x), t, &why)) {
		case TG_NG_OK:
			x->secured = true;
			return (!(t->legs & TG_NG_LEG_TO) || apply_floor(x, &t->to))
				   && (!(t->legs & TG_NG_LEG_FROM) || apply_floor(x, &t->from));
		case TG_NG_UNAUTHENTIC:
			atomic_fetch_add(&tg_ngx_counters.unauthentic, 1);
			return tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN,
					"the profile is not authentic");
		case TG_NG_EXPIRED:
			atomic_fetch_add(&tg_ngx_counters.unauthentic, 1);
			return tg_ngx_refuse(
					x, TG_REASON_MEDIA_UNPROVEN, "the profile has expired");
		case TG_NG_VERSION:
			return tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN,
					"a profile of another version");
		case TG_NG_NO_MEMORY:
			return tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
		default:
			return tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN,
					"the profile is malformed or contradicts itself");
	}
}

/* ---- rewriting a request ------------------------------------------------ */

/*
 * Toward a secured side the daemon must make a plain description, whatever
 * the script asked for; toward the other side the script's wish stands.
 */
static bool force_plain(
		struct tg_ngx *x, struct tg_ben *dict, struct tg_span sdp)
{
	struct tg_span wanted = tg_ben_get_string(dict, "transport-protocol");
	struct tg_span none = {NULL, 0};
	bool feedback;

	if(x->out == NULL)
		return true;
	tg_ben_remove(dict, "OSRTP");
	if(!tg_ngx_flags_take(x, dict, true, &none))
		return false;
	if(x->command == TG_NGX_ANSWERED) {
		struct tg_ses_stream *st = tg_ses_stream_get(x->out, 0, false);

		if(wanted.len == 0)
			return true; /* as in the offer, which we made plain */
		feedback = st != NULL
				   && tg_span_find(tg_span_cstr(st->proto), 'F')
							  != strlen(st->proto);
	} else {
		feedback = wanted.len != 0 ? wanted.ptr[wanted.len - 1] == 'F'
								   : tg_ngx_wants_feedback(x, sdp);
	}
	return tg_ngx_set(x, dict, "transport-protocol",
			feedback ? TG_SPAN("RTP/AVPF") : TG_SPAN("RTP/AVP"));
}

static struct tg_span with_cookie(struct tg_ngx *x, const struct tg_ben *dict)
{
	struct tg_span text = tg_ben_encode_message(x->cookie, dict, &x->arena);

	if(text.ptr == NULL || text.len > TG_NGX_TEXT_OCTETS_MAX) {
		tg_ngx_refuse(x, TG_REASON_INTERNAL, "too long, or out of memory");
		return tg_span_of(NULL, 0);
	}
	return text;
}

/* The script's wish, as a key or, last, as a word of the flags */
static void find_media_address(struct tg_ngx *x, const struct tg_ben *dict)
{
	static const char word[] = "media-address=";
	struct tg_span flags = tg_ben_get_string(dict, "rtpp-flags");
	struct tg_span found = tg_ben_get_string(dict, "media-address");

	while(flags.len != 0) {
		struct tg_span w = tg_span_cut(&flags, ' ');

		if(tg_span_starts(w, TG_SPAN("media-address=")))
			found = tg_span_of(
					w.ptr + sizeof(word) - 1, w.len - (sizeof(word) - 1));
	}
	x->media_address = kept(x, found);
}

/*
 * The daemon keeps the label of a side in Redis, with its ports: a restored
 * call is known by it. A label of the script's own has no place beside it.
 */
static bool mark_call(struct tg_ngx *x, struct tg_ben *dict)
{
	if(!x->host->mark)
		return true;
	if(tg_ben_get(dict, "label") != NULL
			|| tg_ben_get(dict, "set-label") != NULL
			|| tg_ben_get(dict, "from-label") != NULL
			|| tg_ngx_labels_in_flags(tg_ben_get_string(dict, "rtpp-flags")))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"with Redis a secured call cannot have a label");
	return tg_ngx_set(x, dict, "label", TG_SPAN(TG_NGX_MARK));
}

/* Offer and answer with a valid token. The call is begun and referenced */
static bool secure_request(struct tg_ngx *x, struct tg_ben *dict)
{
	bool offer = x->command == TG_NGX_OFFER;
	struct tg_span sdp = tg_ben_get_string(dict, "sdp");
	bool ok;

	if((x->token.legs & (offer ? TG_NG_LEG_TO : TG_NG_LEG_FROM))
			&& !tg_ngx_can_secure(x, sdp))
		return false;
	find_media_address(x, dict);
	pthread_mutex_lock(&x->call->lock);
	ok = tg_ngx_find_legs(x)
		 && (x->in == NULL || tg_ngx_secured_in(x, x->in, offer, sdp, &sdp))
		 && tg_ngx_set_tags(x);
	pthread_mutex_unlock(&x->call->lock);
	return ok && tg_ngx_set(x, dict, "sdp", sdp) && force_plain(x, dict, sdp)
		   && mark_call(x, dict);
}

static bool open_call(struct tg_ngx *x)
{
	if(x->call == NULL)
		x->call = tg_ses_call_get(x->call_id, x->command == TG_NGX_OFFER);
	if(x->call == NULL)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING,
				"an answer to a call without a secured leg");
	if(!tg_ses_call_begin(x->call))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING, "the call has ended");
	x->active = true;
	x->bound_before = tg_ses_sockets_bound();
	return true;
}

static bool judge_request(
		struct tg_ngx *x, struct tg_ben *dict, struct tg_span name)
{
	struct tg_span token = tg_ben_get_string(dict, TG_NG_KEY);
	bool has_token = tg_ben_get(dict, TG_NG_KEY) != NULL;

	tg_ben_remove(dict, TG_NG_KEY);
	if(tg_ngx_flags_have_token(dict)) {
		if(has_token)
			return tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN, "two profiles");
		has_token = true;
		if(!tg_ngx_flags_take(x, dict, false, &token))
			return false;
	}
	if(has_token && x->command == TG_NGX_PING) {
		x->query = tg_span_eq(token, TG_SPAN("v1/query"));
		return x->query
			   || tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN,
					   "a ping may ask v1/query and nothing else");
	}
	if(has_token && !take_token(x, token))
		return false;
	if(x->command == TG_NGX_OFFER || x->command == TG_NGX_ANSWERED) {
		if(x->secured)
			return open_call(x) && secure_request(x, dict);
		return x->call == NULL
			   || tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
					   "no profile for a call with a secured leg");
	}
	return x->call == NULL || harmless(name)
		   || tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				   "not allowed for a call with a secured leg");
}

/* ---- which call a request is about -------------------------------------- */

static bool is_secured(struct tg_span call_id)
{
	struct tg_ses_call *c =
			call_id.len != 0 ? tg_ses_call_get(call_id, false) : NULL;

	if(c != NULL)
		tg_ses_call_put(c);
	return c != NULL;
}

/*
 * No way around the judgement by naming a call, or a description, otherwise
 * than we read it. secured: the call is, or a token came along.
 */
static bool one_call(struct tg_ngx *x, struct tg_span command,
		struct tg_span to_call_id, struct tg_span flags, bool secured)
{
	if(x->call_id.len == 0 && !tg_ngx_names_no_call(command))
		return tg_ngx_refuse(
				x, TG_REASON_MEDIA_DOWNGRADE, "a request without a call-id");
	if(is_secured(to_call_id))
		return tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				"to-call-id names a call with a secured leg");
	return !tg_ngx_names_in_flags(flags, secured)
		   || tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				   "rtpp-flags carries what must be a key of its own");
}

static bool names_are_plain(struct tg_ngx *x, const struct tg_ben *dict)
{
	struct tg_ngx_names names = {0};

	for(const struct tg_ben *b = dict->child; b != NULL; b = b->next) {
		if(!tg_ngx_names_take(&names, b->key))
			return tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
					"a key twice or in another spelling");
	}
	return true;
}

/* The daemon also reads JSON: only for calls without a secured leg */
static bool judge_json(struct tg_ngx *x, struct tg_span body)
{
	struct tg_ngx_json json;

	if(!tg_ngx_json_read(body, &x->arena, &json))
		return tg_ngx_refuse(
				x, TG_REASON_INTERNAL, "the request cannot be read");
	if(json.has_token)
		return tg_ngx_refuse(x, TG_REASON_MEDIA_UNPROVEN,
				"a profile in JSON is not taken; use bencode");
	x->call_id = json.call_id;
	x->from_tag = json.from_tag;
	x->to_tag = json.to_tag;
	x->branch = json.branch;
	x->command = command_of(json.command);
	x->hash = tg_ses_hash(x->call_id);
	x->call = tg_ses_call_get(x->call_id, false);
	if(!one_call(x, json.command, json.to_call_id, json.flags, x->call != NULL))
		return false;
	return x->call == NULL || harmless(json.command)
		   || tg_ngx_refuse(x, TG_REASON_MEDIA_DOWNGRADE,
				   "JSON for a call with a secured leg");
}

static bool split_cookie(
		struct tg_ngx *x, struct tg_span datagram, struct tg_span *body)
{
	size_t n = tg_span_find(datagram, ' ');

	if(n == 0 || n >= datagram.len || n > COOKIE_OCTETS_MAX)
		return false;
	x->cookie = tg_arena_dup(&x->arena, tg_span_of(datagram.ptr, n));
	*body = tg_span_of(datagram.ptr + n + 1, datagram.len - n - 1);
	return x->cookie.ptr != NULL;
}

static enum tg_ngx_action repeated(
		struct tg_ngx *x, enum tg_ngx_seen seen, struct tg_span *out)
{
	atomic_fetch_add(&tg_ngx_counters.repeated, 1);
	switch(seen) {
		case TG_NGX_REPEATED:
			return TG_NGX_ANSWER;
		case TG_NGX_RUNNING:
			*out = tg_span_of(NULL, 0); /* silence; it will be repeated */
			return TG_NGX_ANSWER;
		case TG_NGX_CLASH:
			tg_ngx_refuse(x, TG_REASON_INTERNAL,
					"the cookie was used with other content");
			return refuse_datagram(x, out);
		default:
			tg_ngx_refuse(x, TG_REASON_INTERNAL, "out of memory");
			return refuse_datagram(x, out);
	}
}

/* A refusal is remembered like a reply: the repetition gets the same one */
static enum tg_ngx_action refuse_request(struct tg_ngx *x, struct tg_span *out)
{
	if(x->cached) {
		tg_ngx_cache_put(x->cookie, x->digest, error_reply(x));
		x->cached = false;
	}
	if(x->active && x->call != NULL) {
		tg_ses_call_done(x->call);
		x->active = false;
	}
	return refuse_datagram(x, out);
}

static enum tg_ngx_action request_dict(struct tg_ngx *x, struct tg_span body,
		struct tg_ben *dict, struct tg_span *out)
{
	struct tg_span name = tg_ben_get_string(dict, "command");
	enum tg_ngx_seen seen;
	bool secured;

	x->command = command_of(name);
	x->call_id = kept(x, tg_ben_get_string(dict, "call-id"));
	x->from_tag = kept(x, tg_ben_get_string(dict, "from-tag"));
	x->to_tag = kept(x, tg_ben_get_string(dict, "to-tag"));
	x->branch = kept(x, tg_ben_get_string(dict, "via-branch"));
	x->hash = tg_ses_hash(x->call_id);
	x->call = tg_ses_call_get(x->call_id, false);
	secured = x->call != NULL || tg_ben_get(dict, TG_NG_KEY) != NULL
			  || tg_ngx_flags_have_token(dict);
	if(!names_are_plain(x, dict)
			|| !one_call(x, name, tg_ben_get_string(dict, "to-call-id"),
					tg_ben_get_string(dict, "rtpp-flags"), secured))
		return refuse_request(x, out);
	if(!secured)
		return TG_NGX_PASS;
	if(x->command == TG_NGX_OFFER || x->command == TG_NGX_ANSWERED) {
		tg_ses_hash_wide(body, x->digest);
		seen = tg_ngx_cache_look(x->cookie, x->digest, &x->arena, out);
		if(seen != TG_NGX_NEW)
			return repeated(x, seen, out);
		x->cached = true;
	}
	if(!judge_request(x, dict, name))
		return refuse_request(x, out);
	if(x->secured && x->active)
		atomic_fetch_add(&tg_ngx_counters.secured, 1);
	*out = with_cookie(x, dict);
	return out->ptr != NULL ? TG_NGX_REPLACE : refuse_request(x, out);
}

enum tg_ngx_action tg_ngx_request(
		struct tg_ngx *x, struct tg_span datagram, struct tg_span *out)
{
	struct tg_span body;
	struct tg_ben *dict;

	tg_ngx_finish(x);
	atomic_fetch_add(&tg_ngx_counters.requests, 1);
	if(!split_cookie(x, datagram, &body)) {
		/* unread, so not for the daemon; there is nothing to answer to */
		atomic_fetch_add(&tg_ngx_counters.refused, 1);
		*out = tg_span_of(NULL, 0);
		return TG_NGX_ANSWER;
	}
	if(body.len != 0 && body.ptr[0] == '{') {
		x->json = true;
		if(!judge_json(x, body))
			return refuse_datagram(x, out);
		return TG_NGX_PASS;
	}
	switch(tg_ben_decode_top(body, &x->arena, &dict)) {
		case TG_BEN_OK:
			if(dict->type == TG_BEN_DICT)
				return request_dict(x, body, dict, out);
			break;
		default:
			break;
	}
	tg_ngx_refuse(x, TG_REASON_INTERNAL, "the request cannot be read");
	return refuse_datagram(x, out);
}

bool tg_ngx_bound(
		struct tg_ngx *x, int fd, const struct tg_addr *addr, uint16_t port)
{
	bool known = x->call == NULL && x->call_id.len != 0;

	return tg_ses_socket_bound(fd, addr, port, x->call, x->hash,
			known ? TG_SES_PLAIN : TG_SES_HELD);
}

/* ---- the reply ---------------------------------------------------------- */

/* "delete" without a match is a success with a warning */
static bool carried_out(struct tg_ngx *x, struct tg_span body)
{
	struct tg_ngx_json json;
	struct tg_ben *dict;

	if(x->json)
		return !tg_ngx_json_read(body, &x->arena, &json)
			   || (tg_span_eq(json.result, TG_SPAN("ok")) && !json.has_warning);
	return tg_ben_decode_glance(body, &x->arena, &dict) != TG_BEN_OK
		   || (tg_span_eq(tg_ben_get_string(dict, "result"), TG_SPAN("ok"))
				   && tg_ben_get(dict, "warning") == NULL);
}

static unsigned open_legs(const struct tg_ses_call *c)
{
	unsigned n = 0;

	for(const struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next)
		n += leg->closed ? 0 : 1;
	return n;
}

/*
 * A delete ends what the daemon ended: the leg whose tag or branch it names;
 * the call, if it names none or only the side that spoke. A branch that is
 * none of ours takes nothing with it: should the daemon have ended the call
 * all the same, the keys go with its sockets.
 */
static void delete_call(struct tg_ngx *x, struct tg_span body)
{
	struct tg_ses_call *c = x->call;
	bool one = x->to_tag.len != 0 || x->branch.len != 0, end = !one;
	struct tg_ses_leg *leg = NULL;

	if(c == NULL || !carried_out(x, body))
		return;
	pthread_mutex_lock(&c->lock);
	if(one)
		leg = tg_ses_leg_find(c, x->to_tag, x->branch, x->branch.len != 0);
	if(leg == NULL && x->to_tag.len == 0 && x->branch.len != 0)
		leg = tg_ses_leg_of_branch(c, x->branch);
	if(leg != NULL) {
		tg_ses_leg_close(leg);
		end = open_legs(c) == 0;
	} else if(x->to_tag.len != 0) {
		/* a BYE by a secured side names it as the one that spoke */
		end = tg_ses_leg_find(c, x->from_tag, x->branch, false) != NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if(end)
		tg_ses_call_end(c);
}

static bool secure_reply(struct tg_ngx *x, struct tg_ben *dict)
{
	bool offer = x->command == TG_NGX_OFFER;
	struct tg_span sdp = tg_ben_get_string(dict, "sdp");
	bool ok;

	if(!tg_span_eq(tg_ben_get_string(dict, "result"), TG_SPAN("ok")))
		return true; /* the daemon's own error goes back as it is */
	if(sdp.len == 0)
		return tg_ngx_refuse(x, TG_REASON_INTERNAL,
				"the daemon's reply carries no session description");
	pthread_mutex_lock(&x->call->lock);
	if(x->call->dead)
		ok = tg_ngx_refuse(x, TG_REASON_MEDIA_KEYING, "the call has ended");
	else if(x->out != NULL)
		ok = tg_ngx_secured_out(x, x->out, offer, sdp, &sdp);
	else
		ok = tg_ngx_plain_out(x, sdp, &sdp);
	ok = ok && (!x->forked || tg_ngx_attach_fork(x, x->in));
	pthread_mutex_unlock(&x->call->lock);
	return ok && tg_ngx_set(x, dict, "sdp", sdp);
}

static bool answer_query(struct tg_ngx *x, struct tg_ben *dict)
{
	char text[128];
	struct tg_span value;

	snprintf(text, sizeof(text), "v1/version:%s/engine:%s/calls:%zu",
			TG_NGX_VERSION,
			tg_srtp_engine() == TG_SRTP_ENGINE_COMPACT ? "compact" : "evp",
			tg_ses_calls_count());
	value = tg_arena_dup(&x->arena, tg_span_cstr(text));
	return value.ptr != NULL && tg_ngx_set(x, dict, TG_NG_KEY, value);
}

static bool rewrite_reply(
		struct tg_ngx *x, struct tg_span body, struct tg_span *out)
{
	struct tg_ben *dict;

	if(tg_ben_decode_top(body, &x->arena, &dict) != TG_BEN_OK
			|| dict->type != TG_BEN_DICT)
		return tg_ngx_refuse(
				x, TG_REASON_INTERNAL, "the daemon's reply cannot be read");
	if(x->query ? !answer_query(x, dict) : !secure_reply(x, dict))
		return false;
	*out = with_cookie(x, dict);
	return out->ptr != NULL;
}

enum tg_ngx_action tg_ngx_reply(
		struct tg_ngx *x, struct tg_span datagram, struct tg_span *out)
{
	size_t n = tg_span_find(datagram, ' ');
	struct tg_span body;

	if(x->cookie.ptr == NULL || n >= datagram.len
			|| !tg_span_eq(x->cookie, tg_span_of(datagram.ptr, n)))
		return TG_NGX_PASS; /* not the reply to what this thread read last */
	body = tg_span_of(datagram.ptr + n + 1, datagram.len - n - 1);
	if(x->command == TG_NGX_DELETE)
		delete_call(x, body);
	if(!x->active && !x->query)
		return TG_NGX_PASS;
	if(!rewrite_reply(x, body, out)) {
		if(x->call != NULL)
			tg_ses_call_end(x->call); /* nothing half secured stays open */
		refuse_request(x, out);
		return TG_NGX_REPLACE;
	}
	if(x->cached) {
		tg_ngx_cache_put(x->cookie, x->digest, *out);
		x->cached = false;
	}
	return TG_NGX_REPLACE;
}
