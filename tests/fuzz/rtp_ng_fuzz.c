/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A dialogue on the ng socket: what Kamailio, or whoever else may send, asks,
 * and what the daemon replies. The input is a row of records, apart by lines
 * of "%%". The first character of a record says what it is, the second one
 * the profile of its token (PROFILE_ below), the rest is its text:
 *
 *	O F B  offer, the side it goes to, comes from, or both secured; an SDP
 *	A      answer to the last of these; an SDP
 *	R      the daemon's reply: it has bound sockets, and wrote this SDP
 *	I      offer for the same call without a token; an SDP
 *	X      delete; text: to-tag
 *	Q      dictionary or JSON, behind a fresh cookie
 *	W      datagram as it is
 *	D      the daemon's reply behind the right cookie, otherwise as it is
 *	S      the last request once more
 *
 * Whatever they say: the daemon never sees a key, a proof or our token; what
 * leaves toward a secured side has SRTP on each line, and a proof that holds;
 * nothing passes a socket in clear that is not known to be plain; a repeated
 * request gets the same octets; and no call outlives its sockets.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ng/exchange.h"
#include "sdp/sdp.h"
#include "session/packet.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define PROFILE_SUPPORTED 1
#define PROFILE_DTLS 2
#define PROFILE_MS 4
#define PROFILE_IN_FLAGS 8 /* the token comes in "rtpp-flags" */
#define PROFILE_MKI 16
#define OTHER_TAG 32 /* an offer inside of the call; an answer by a fork */

#define FDS 32
#define RECORDS_MAX 16
#define CALL "fuzzed"

static struct {
	struct tg_ng_key key;
	struct tg_ngx_host host;
	struct tg_key_host keying;
	struct tg_ngx x;
	struct tg_addr side[2];
	struct tg_arena arena; /* of one input */
	unsigned cookie;       /* never twice: the cache outlives an input */
	int n_fds;
	enum tg_ng_leg leg;
	bool supported; /* a token of this input let lines fall to clear */
	struct tg_span asked, answered;
	struct tg_span out;
} w;

static uint64_t now_sec(void)
{
	return 1000000;
}

static void no_send(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	(void)user;
	(void)component;
	(void)to;
	(void)octet;
	(void)octets;
}

static void begin_once(void)
{
	static bool done;
	const char *why;

	if(done)
		return;
	done = true;
	tg_ng_key_init(
			&w.key, TG_SPAN("a secret for the fuzzer, 32 octets or more"));
	w.host.key = &w.key;
	w.host.now_sec = now_sec;
	must(tg_srtp_global_init(TG_SRTP_ENGINE_EVP) == TG_SRTP_OK);
	must(tg_ses_sockets_init(FDS) && tg_ses_calls_init());
	w.keying.cert = tg_key_cert_new_self_signed(&why);
	w.keying.send = no_send;
	must(w.keying.cert != NULL);
	w.host.keying = &w.keying;
	tg_addr_parse(TG_SPAN("10.0.0.1"), &w.side[0]);
	tg_addr_parse(TG_SPAN("198.51.100.1"), &w.side[1]);
	tg_ngx_init(&w.x, &w.host);
}

/* ---- what must hold ----------------------------------------------------- */

static bool is_proof(const struct tg_sdp_line *line)
{
	return tg_span_starts(line->text, TG_SPAN("a=" TG_NG_PROOF_ATTRIBUTE ":"));
}

/* The description that the daemon is given of a secured side */
static void must_be_without_keys(struct tg_span text)
{
	struct tg_sdp sdp;

	must(tg_sdp_parse(text, &w.arena, &sdp) == TG_SDP_OK);
	for(size_t i = 0; i < sdp.n_lines; i++)
		must(!tg_sdp_is_security_line(&sdp.line[i]) && !is_proof(&sdp.line[i]));
	for(size_t i = 0; i < sdp.n_media; i++)
		must(sdp.media[i].port == 0 || sdp.media[i].kind == TG_SDP_PROTO_AVP);
}

static void check_request(struct tg_span given)
{
	bool offer = w.x.command == TG_NGX_OFFER;
	struct tg_span body = w.out, sdp;
	struct tg_ben *dict;

	tg_span_cut(&body, ' ');
	must(tg_ben_decode(body, &w.arena, &dict) == TG_BEN_OK);
	must(tg_ben_get(dict, TG_NG_KEY) == NULL);
	sdp = tg_ben_get_string(dict, "rtpp-flags");
	must(sdp.len == 0
			|| memmem(sdp.ptr, sdp.len, TG_NG_KEY "=v1", sizeof(TG_NG_KEY) + 2)
					   == NULL);
	sdp = tg_ben_get_string(dict, "sdp");
	if(w.leg & (offer ? TG_NG_LEG_FROM : TG_NG_LEG_TO))
		must_be_without_keys(sdp);
	else
		must(tg_span_eq(sdp, given));
	if(offer && (w.leg & TG_NG_LEG_TO))
		must(tg_span_starts(tg_ben_get_string(dict, "transport-protocol"),
				TG_SPAN("RTP/AVP")));
}

/* An answer repeats the protocol of its offer (RFC 3264 section 6), which may
 * be RTP/AVP with keys */
static void must_be_secured(const struct tg_sdp *sdp, bool offer)
{
	for(size_t i = 0; i < sdp->n_media; i++) {
		const struct tg_sdp_media *m = &sdp->media[i];

		must(m->port == 0 || !offer || m->kind == TG_SDP_PROTO_SAVP
				|| m->kind == TG_SDP_PROTO_DTLS);
		must(m->port == 0 || m->n_crypto != 0
				|| m->security.n_fingerprints != 0);
	}
}

static void must_be_proven(const struct tg_sdp *sdp)
{
	enum tg_ng_leg leg;
	unsigned n = 0;

	for(size_t i = 0; i < sdp->n_lines; i++) {
		struct tg_span value = sdp->line[i].text;

		if(!is_proof(&sdp->line[i]))
			continue;
		tg_span_cut(&value, ':');
		must(tg_ng_proof_check(
					 value, TG_SPAN(CALL), w.host.key, now_sec(), &leg)
				== TG_NG_OK);
		must(leg == w.leg);
		n++;
	}
	must(n == 1);
}

static void check_reply(void)
{
	bool offer = w.x.command == TG_NGX_OFFER;
	struct tg_span body = w.out;
	struct tg_ben *dict;
	struct tg_sdp sdp;

	tg_span_cut(&body, ' ');
	must(tg_ben_decode(body, &w.arena, &dict) == TG_BEN_OK);
	if(!tg_span_eq(tg_ben_get_string(dict, "result"), TG_SPAN("ok"))
			|| w.supported)
		return;
	must(tg_sdp_parse(tg_ben_get_string(dict, "sdp"), &w.arena, &sdp)
			== TG_SDP_OK);
	if(w.leg & (offer ? TG_NG_LEG_TO : TG_NG_LEG_FROM))
		must_be_secured(&sdp, offer);
	must_be_proven(&sdp);
}

static void check_socket(struct tg_ses_socket *s)
{
	static const uint8_t rtp[12] = {0x80, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9};
	struct tg_key_path from = {.addr = w.side[1], .port = 9002};
	struct tg_ses_stream *st = atomic_load(&s->stream);
	uint8_t packet[172 + TG_SRTP_TRAILER_OCTETS_MAX], was[172] = {0};
	size_t n = sizeof(was);

	if(atomic_load(&s->mode) == TG_SES_PLAIN) {
		must(st == NULL || w.supported);
		return;
	}
	memcpy(was, rtp, sizeof(rtp));
	memcpy(packet, was, sizeof(was));
	must(tg_ses_packet_in(s, &from, packet, &n) == TG_SES_DROP);
	n = sizeof(was);
	memcpy(packet, was, sizeof(was));
	switch(tg_ses_packet_out(s, NULL, packet, &n, sizeof(packet))) {
		case TG_SES_DROP:
			break;
		case TG_SES_PASS:
			must(n > sizeof(was)
					&& memcmp(packet + sizeof(rtp), was + sizeof(rtp),
							   sizeof(was) - sizeof(rtp))
							   != 0);
			break;
		default:
			abort();
	}
}

static void check_sockets(void)
{
	for(int fd = 0; fd < w.n_fds; fd++) {
		struct tg_ses_socket *s = tg_ses_socket_get(fd);

		must(s != NULL);
		check_socket(s);
		tg_ses_socket_put(s);
	}
}

/* ---- requests and replies ----------------------------------------------- */

static struct tg_span token(unsigned how)
{
	struct tg_ng_profile p = {.level = how & PROFILE_SUPPORTED
											   ? TG_LEVEL_SUPPORTED
											   : TG_LEVEL_REQUIRED,
			.key_exchange = {how & PROFILE_DTLS ? TG_KX_DTLS : TG_KX_SDES,
					how & PROFILE_DTLS ? TG_KX_SDES : TG_KX_DTLS},
			.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80,
					TG_SUITE_AEAD_AES_128_GCM},
			.dialect = how & PROFILE_MS ? TG_DIALECT_MS_SDPEXT
										: TG_DIALECT_RFC8643,
			.mki_octets = how & PROFILE_MKI ? 1 : 0,
			.replay_window = 128,
			.peer = TG_SPAN("gw")};
	struct tg_ng_token t = {
			.legs = w.leg, .to = p, .from = p, .expires = 1000060};
	struct tg_span text = {NULL, 0};

	t.from.mki_octets = 0;
	(void)!tg_ng_token_encode(&t, TG_SPAN(CALL), w.host.key, &w.arena, &text);
	return text;
}

static struct tg_span datagram(struct tg_span cookie, struct tg_span body)
{
	size_t n = cookie.len + 1 + body.len;
	char *p = tg_arena_get(&w.arena, n);

	if(p == NULL)
		abort();
	snprintf(p, n, "%.*s ", TG_SPAN_FMT(cookie));
	p[cookie.len] = ' ';
	if(body.len != 0)
		memcpy(p + cookie.len + 1, body.ptr, body.len);
	return tg_span_of(p, n);
}

static struct tg_span fresh(struct tg_span body)
{
	char cookie[16];

	snprintf(cookie, sizeof(cookie), "f%u", ++w.cookie);
	return datagram(tg_span_cstr(cookie), body);
}

static enum tg_ngx_action ask(struct tg_span text)
{
	w.asked = text;
	w.answered = tg_span_of(NULL, 0);
	return tg_ngx_request(&w.x, text, &w.out);
}

static void put(struct tg_ben *dict, const char *key, struct tg_span value)
{
	must(tg_ben_set_string(dict, &w.arena, key, value));
}

static void put_token(struct tg_ben *dict, unsigned how)
{
	struct tg_span t = token(how);
	char *flags;

	if(t.ptr == NULL) /* a combination that no token has */
		return;
	if(!(how & PROFILE_IN_FLAGS)) {
		put(dict, TG_NG_KEY, t);
		return;
	}
	flags = tg_arena_get(&w.arena, t.len + 64);
	must(flags != NULL);
	snprintf(flags, t.len + 64, "RTP/SAVP replace-origin trunkguard=%.*s",
			TG_SPAN_FMT(t));
	put(dict, "rtpp-flags", tg_span_cstr(flags));
}

static void request(char verb, unsigned how, struct tg_span text)
{
	struct tg_ben *dict = tg_ben_new(&w.arena, TG_BEN_DICT);
	enum tg_ngx_action a;
	bool known;

	tg_ngx_finish(&w.x); /* a call without a socket ends with its request */
	known = tg_ses_calls_count() != 0;
	put(dict, "call-id", TG_SPAN(CALL));
	put(dict, "from-tag", TG_SPAN("a"));
	if(verb == 'X') {
		put(dict, "command", TG_SPAN("delete"));
		if(text.len != 0)
			put(dict, "to-tag", text);
	} else {
		put(dict, "command",
				verb == 'A' ? TG_SPAN("answer") : TG_SPAN("offer"));
		put(dict, "sdp", text);
	}
	if(verb == 'A')
		put(dict, "to-tag", how & OTHER_TAG ? TG_SPAN("c") : TG_SPAN("b"));
	else if(verb != 'X' && (how & OTHER_TAG))
		put(dict, "to-tag", TG_SPAN("b"));
	if(strchr("OFBA", verb) != NULL) {
		w.supported = w.supported || (how & PROFILE_SUPPORTED);
		put_token(dict, how);
	}
	a = ask(fresh(tg_ben_encode(dict, &w.arena)));
	if(verb == 'I')
		must(a == (known ? TG_NGX_ANSWER : TG_NGX_PASS));
	else if(verb != 'X' && a == TG_NGX_REPLACE && w.x.secured)
		check_request(text);
}

/* RTP and RTCP toward either side, on the ports of the corpus */
static void daemon_binds(void)
{
	static const uint16_t first = 30000;
	int port = w.n_fds / 4 * 2;

	for(int i = 0; i < 4 && w.n_fds < FDS; i++)
		must(tg_ngx_bound(&w.x, w.n_fds++, &w.side[i / 2],
				(uint16_t)(first + port + i % 2)));
}

static void reply(struct tg_span body)
{
	struct tg_span text = datagram(w.x.cookie, body);

	if(w.x.cookie.ptr == NULL)
		return; /* nothing is under way that the daemon knows of */
	if(tg_ngx_reply(&w.x, text, &w.out) == TG_NGX_REPLACE && w.x.secured) {
		check_reply();
		if(!w.x.cached) /* errors are not remembered */
			w.answered = tg_arena_dup(&w.arena, w.out);
	}
	tg_ngx_finish(&w.x); /* one request, one reply */
}

static void daemon_replies(struct tg_span sdp)
{
	struct tg_ben *dict = tg_ben_new(&w.arena, TG_BEN_DICT);

	if(w.x.active || w.x.call_id.len != 0)
		daemon_binds();
	put(dict, "sdp", sdp);
	put(dict, "result", TG_SPAN("ok"));
	reply(tg_ben_encode(dict, &w.arena));
}

static void repeat(void)
{
	struct tg_span was = w.answered;

	if(was.len == 0)
		return;
	must(ask(w.asked) == TG_NGX_ANSWER);
	must(tg_span_eq(w.out, was));
}

/* ---- one input ---------------------------------------------------------- */

static void record(struct tg_span r)
{
	char verb = r.ptr[0];
	unsigned how = r.len > 1 ? (unsigned)(unsigned char)r.ptr[1] - '0' : 0;
	struct tg_span text =
			r.len > 2 ? tg_span_of(r.ptr + 2, r.len - 2) : tg_span_of("", 0);

	if(verb == 'O' || verb == 'F' || verb == 'B')
		w.leg = verb == 'O'   ? TG_NG_LEG_TO
				: verb == 'F' ? TG_NG_LEG_FROM
							  : TG_NG_LEG_BOTH;
	switch(verb) {
		case 'A':
			if(w.leg == TG_NG_LEG_NONE)
				w.leg = TG_NG_LEG_TO;
			/* fall through */
		case 'O':
		case 'F':
		case 'B':
		case 'I':
		case 'X':
			request(verb, how, text);
			break;
		case 'R':
			daemon_replies(text);
			break;
		case 'D':
			reply(text);
			break;
		case 'Q':
			(void)!ask(fresh(text));
			break;
		case 'W':
			(void)!ask(text);
			break;
		case 'S':
			repeat();
			break;
		default:
			break;
	}
	check_sockets();
}

static struct tg_span cut_record(struct tg_span *rest)
{
	static const char mark[] = "\n%%\n";
	const char *at = memmem(rest->ptr, rest->len, mark, sizeof(mark) - 1);
	struct tg_span r = *rest;

	if(at == NULL) {
		*rest = tg_span_of(NULL, 0);
		return r;
	}
	r.len = (size_t)(at - r.ptr);
	*rest = tg_span_of(
			at + sizeof(mark) - 1, rest->len - r.len - (sizeof(mark) - 1));
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_span rest = tg_span_of((const char *)data, len);

	begin_once();
	tg_arena_init(&w.arena, &tg_alloc_libc, 0);
	w.n_fds = 0;
	w.leg = TG_NG_LEG_NONE;
	w.supported = false;
	w.asked = tg_span_of(NULL, 0);
	w.answered = tg_span_of(NULL, 0);
	for(int i = 0; i < RECORDS_MAX && rest.len != 0; i++) {
		struct tg_span r = cut_record(&rest);

		if(r.len != 0)
			record(r);
	}
	tg_ngx_finish(&w.x);
	for(int fd = 0; fd < w.n_fds; fd++)
		tg_ses_socket_closed(fd);
	must(tg_ses_calls_count() == 0);
	tg_arena_deinit(&w.arena);
	return 0;
}
