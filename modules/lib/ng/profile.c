/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tokens and proofs on the ng protocol; grammar and meaning in profile.h.
 * The mac is looked at before any field is.
 */
#include "ng/profile.h"

#include <openssl/crypto.h>

#include "base/text.h"

#define VALUE_OCTETS_MAX 256

static const struct tg_span version = TG_SPAN_INIT("v1");
static const struct tg_span mac_mark = TG_SPAN_INIT("/mac:");

/* ---- authentication ------------------------------------------------------ */

static bool mac_hex(const char *purpose, struct tg_span call_id,
		struct tg_span body, struct tg_ng_key *key,
		char out[TG_NG_MAC_HEX_OCTETS])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char text[TG_NG_CALL_ID_OCTETS_MAX + TG_NG_TOKEN_OCTETS_MAX + 64];
	unsigned char mac[TG_NG_MAC_OCTETS];
	size_t n = strlen(purpose);

	if(call_id.len > TG_NG_CALL_ID_OCTETS_MAX
			|| body.len > TG_NG_TOKEN_OCTETS_MAX)
		return false;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): octets, no string */
	memcpy(text, purpose, n);
	text[n++] = '\n';
	memcpy(text + n, call_id.ptr, call_id.len);
	n += call_id.len;
	text[n++] = '\n';
	memcpy(text + n, body.ptr, body.len);
	n += body.len;
	if(!tg_ng_key_mac(key, text, n, mac))
		return false;
	for(size_t i = 0; i < sizeof(mac); i++) {
		out[2 * i] = hex[mac[i] >> 4];
		out[2 * i + 1] = hex[mac[i] & 15];
	}
	return true;
}

/* Splits "BODY/mac:HEX" and checks it; *body is set on TG_NG_OK only */
static enum tg_ng_rc check_mac(const char *purpose, struct tg_span token,
		struct tg_span call_id, struct tg_ng_key *key, struct tg_span *body)
{
	size_t tail = mac_mark.len + TG_NG_MAC_HEX_OCTETS;
	char want[TG_NG_MAC_HEX_OCTETS];
	struct tg_span head;

	if(token.len > TG_NG_TOKEN_OCTETS_MAX || token.len < tail)
		return TG_NG_MALFORMED;
	head = tg_span_of(token.ptr, token.len - tail);
	if(!tg_span_eq(tg_span_of(token.ptr + head.len, mac_mark.len), mac_mark))
		return TG_NG_MALFORMED;
	if(!mac_hex(purpose, call_id, head, key, want)
			|| CRYPTO_memcmp(
					   want, token.ptr + head.len + mac_mark.len, sizeof(want))
					   != 0)
		return TG_NG_UNAUTHENTIC;
	*body = head;
	return TG_NG_OK;
}

/* ---- writing ------------------------------------------------------------- */

static const char *leg_name(enum tg_ng_leg leg)
{
	static const char *const names[] = {"none", "to", "from", "both"};

	return (unsigned)leg < 4 ? names[leg] : "none";
}

/* What a value may hold: nothing that separates, nothing a log trips over */
static bool plain_value(struct tg_span s)
{
	for(size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if(c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == ','
				|| c == '=')
			return false;
	}
	return s.len <= VALUE_OCTETS_MAX;
}

static void say(struct tg_text *w, const char *name, const char *value)
{
	tg_text_add(w, tg_span_cstr(name));
	tg_text_add(w, tg_span_cstr(value));
}

static void say_number(struct tg_text *w, const char *name, uint64_t n)
{
	tg_text_add(w, tg_span_cstr(name));
	tg_text_add_number(w, n);
}

static void say_if(struct tg_text *w, const char *name, struct tg_span value)
{
	if(!value.len)
		return;
	tg_text_add(w, tg_span_cstr(name));
	tg_text_add(w, value);
}

static void say_lists(struct tg_text *w, const struct tg_ng_profile *p)
{
	for(size_t i = 0; i < TG_KX_MAX && p->key_exchange[i]; i++)
		say(w, i ? "," : "/kx:", tg_kx_name(p->key_exchange[i]));
	for(size_t i = 0; i < TG_SUITES_MAX && p->suite[i]; i++)
		say(w, i ? "," : "/suites:", tg_suite_name(p->suite[i]));
}

static enum tg_ng_rc finish(struct tg_text *w, const char *purpose,
		struct tg_span call_id, struct tg_ng_key *key, struct tg_arena *arena,
		struct tg_span *out)
{
	char mac[TG_NG_MAC_HEX_OCTETS];

	if(w->full)
		return TG_NG_MALFORMED;
	if(!mac_hex(purpose, call_id, tg_text_span(w), key, mac))
		return TG_NG_UNAUTHENTIC;
	tg_text_add(w, mac_mark);
	tg_text_add(w, tg_span_of(mac, sizeof(mac)));
	if(w->full)
		return TG_NG_MALFORMED;
	*out = tg_arena_dup(arena, tg_text_span(w));
	return out->ptr ? TG_NG_OK : TG_NG_NO_MEMORY;
}

static bool makes_sense(const struct tg_ng_profile *p)
{
	return p->level <= TG_LEVEL_SUPPORTED && p->key_exchange[0] != TG_KX_NONE
		   && p->suite[0] != TG_SUITE_NONE && p->dialect <= TG_DIALECT_MS_SDPEXT
		   && p->replay_window >= 64 && p->mki_octets <= 128
		   && p->lifetime_log2 <= 48
		   && !(p->dtls_verify_ca && p->identity.len == 0);
}

bool tg_ng_profile_same_keying(
		const struct tg_ng_profile *a, const struct tg_ng_profile *b)
{
	return tg_span_eq(a->identity, b->identity)
		   && memcmp(a->key_exchange, b->key_exchange, sizeof(a->key_exchange))
					  == 0
		   && memcmp(a->suite, b->suite, sizeof(a->suite)) == 0
		   && a->dialect == b->dialect && a->mki_octets == b->mki_octets
		   && a->lifetime_log2 == b->lifetime_log2
		   && a->replay_window == b->replay_window
		   && a->dtls_verify_ca == b->dtls_verify_ca;
}

static bool say_leg(
		struct tg_text *w, enum tg_ng_leg leg, const struct tg_ng_profile *p)
{
	if(!makes_sense(p) || !plain_value(p->peer) || !plain_value(p->identity))
		return false;
	say(w, "/leg:", leg_name(leg));
	say(w, "/level:", tg_level_name(p->level));
	say_lists(w, p);
	say(w, "/dialect:", tg_dialect_name(p->dialect));
	if(p->mki_octets)
		say_number(w, "/mki:", p->mki_octets);
	if(p->lifetime_log2)
		say_number(w, "/lifetime:", p->lifetime_log2);
	say_number(w, "/window:", p->replay_window);
	if(p->dtls_verify_ca)
		say(w, "/verify:", "ca");
	say_if(w, "/peer:", p->peer);
	say_if(w, "/identity:", p->identity);
	return true;
}

enum tg_ng_rc tg_ng_token_encode(const struct tg_ng_token *t,
		struct tg_span call_id, struct tg_ng_key *key, struct tg_arena *arena,
		struct tg_span *out)
{
	char buffer[TG_NG_TOKEN_OCTETS_MAX + 1];
	struct tg_text w;

	*out = tg_span_of(NULL, 0);
	tg_text_init(&w, buffer, sizeof(buffer));
	tg_text_add(&w, version);
	if(t->legs <= TG_NG_LEG_NONE || t->legs > TG_NG_LEG_BOTH
			|| ((t->legs & TG_NG_LEG_TO) && !say_leg(&w, TG_NG_LEG_TO, &t->to))
			|| ((t->legs & TG_NG_LEG_FROM)
					&& !say_leg(&w, TG_NG_LEG_FROM, &t->from)))
		return TG_NG_MALFORMED;
	say_number(&w, "/exp:", t->expires);
	return finish(&w, "tg-ng-v1", call_id, key, arena, out);
}

/* ---- reading ------------------------------------------------------------- */

static bool read_small(struct tg_span v, uint64_t max, uint64_t *out)
{
	return !(v.len > 1 && v.ptr[0] == '0') && tg_span_u64(v, max, out);
}

/* NONE: no such leg */
static enum tg_ng_leg leg_by_name(struct tg_span v)
{
	for(unsigned i = TG_NG_LEG_TO; i <= TG_NG_LEG_BOTH; i++) {
		if(tg_span_eq(v, tg_span_cstr(leg_name((enum tg_ng_leg)i))))
			return (enum tg_ng_leg)i;
	}
	return TG_NG_LEG_NONE;
}

static bool take_level(struct tg_span v, struct tg_ng_profile *p)
{
	p->level = tg_span_eq(v, TG_SPAN("supported")) ? TG_LEVEL_SUPPORTED
												   : TG_LEVEL_REQUIRED;
	return tg_span_eq(v, tg_span_cstr(tg_level_name(p->level)));
}

static bool take_kx(struct tg_span v, struct tg_ng_profile *p)
{
	size_t n = 0;

	while(v.len) {
		struct tg_span name = tg_span_cut(&v, ',');
		enum tg_kx kx = tg_span_eq(name, TG_SPAN("sdes"))   ? TG_KX_SDES
						: tg_span_eq(name, TG_SPAN("dtls")) ? TG_KX_DTLS
															: TG_KX_NONE;

		if(kx == TG_KX_NONE || n == TG_KX_MAX
				|| (n && p->key_exchange[0] == kx))
			return false;
		p->key_exchange[n++] = kx;
	}
	return n > 0;
}

static bool take_suites(struct tg_span v, struct tg_ng_profile *p)
{
	size_t n = 0;

	while(v.len) {
		enum tg_suite suite = tg_suite_by_name(tg_span_cut(&v, ','));

		if(suite == TG_SUITE_NONE || n == TG_SUITES_MAX)
			return false;
		for(size_t i = 0; i < n; i++) {
			if(p->suite[i] == suite)
				return false;
		}
		p->suite[n++] = suite;
	}
	return n > 0;
}

static bool take_dialect(struct tg_span v, struct tg_ng_profile *p)
{
	p->dialect = tg_span_eq(v, TG_SPAN("ms-sdpext")) ? TG_DIALECT_MS_SDPEXT
													 : TG_DIALECT_RFC8643;
	return tg_span_eq(v, tg_span_cstr(tg_dialect_name(p->dialect)));
}

static bool take_mki(struct tg_span v, struct tg_ng_profile *p)
{
	uint64_t n;

	if(!read_small(v, 128, &n) || n == 0)
		return false;
	p->mki_octets = (uint8_t)n;
	return true;
}

static bool take_lifetime(struct tg_span v, struct tg_ng_profile *p)
{
	uint64_t n;

	if(!read_small(v, 48, &n) || n == 0)
		return false;
	p->lifetime_log2 = (uint8_t)n;
	return true;
}

static bool take_window(struct tg_span v, struct tg_ng_profile *p)
{
	uint64_t n;

	if(!read_small(v, 32767, &n) || n < 64)
		return false;
	p->replay_window = (uint16_t)n;
	return true;
}

static bool take_verify(struct tg_span v, struct tg_ng_profile *p)
{
	p->dtls_verify_ca = tg_span_eq(v, TG_SPAN("ca"));
	return p->dtls_verify_ca;
}

static bool take_peer(struct tg_span v, struct tg_ng_profile *p)
{
	p->peer = v;
	return v.len && plain_value(v);
}

static bool take_identity(struct tg_span v, struct tg_ng_profile *p)
{
	p->identity = v;
	return v.len && plain_value(v);
}

/* Of one leg */
static const struct field {
	const char *name;
	bool (*take)(struct tg_span v, struct tg_ng_profile *p);
	bool needed;
} fields[] = {
		{"level", take_level, true},
		{"kx", take_kx, true},
		{"suites", take_suites, true},
		{"dialect", take_dialect, false},
		{"mki", take_mki, false},
		{"lifetime", take_lifetime, false},
		{"window", take_window, true},
		{"verify", take_verify, false},
		{"peer", take_peer, false},
		{"identity", take_identity, false},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static const char *take_field(struct tg_span name, struct tg_span value,
		unsigned *seen, struct tg_ng_profile *out)
{
	for(unsigned i = 0; i < N_FIELDS; i++) {
		if(!tg_span_eq(name, tg_span_cstr(fields[i].name)))
			continue;
		if(*seen & (1u << i))
			return "a field stands twice";
		*seen |= 1u << i;
		return fields[i].take(value, out) ? NULL : fields[i].name;
	}
	return "unknown field";
}

/* What a leg was given, once all of it is read; NULL: it will do */
static const char *judge_leg(unsigned seen, const struct tg_ng_profile *p)
{
	for(unsigned i = 0; i < N_FIELDS; i++) {
		if(fields[i].needed && !(seen & (1u << i)))
			return fields[i].name;
	}
	return makes_sense(p) ? NULL : "fields contradict each other";
}

/* The profile that "leg:" begins; NULL: out of order, twice, or no leg */
static struct tg_ng_profile *begin_leg(
		struct tg_span value, struct tg_ng_token *out)
{
	enum tg_ng_leg leg = leg_by_name(value);

	if((leg != TG_NG_LEG_TO && leg != TG_NG_LEG_FROM) || out->legs >= leg)
		return NULL;
	out->legs = (enum tg_ng_leg)(out->legs | leg);
	return leg == TG_NG_LEG_TO ? &out->to : &out->from;
}

struct reading {
	struct tg_ng_token *out;
	struct tg_ng_profile *leg; /* at hand; NULL before the first */
	unsigned seen;             /* of its fields */
	bool ended;
};

static const char *take_part(
		struct reading *r, struct tg_span name, struct tg_span value)
{
	bool begins = tg_span_eq(name, TG_SPAN("leg"));
	bool ends = tg_span_eq(name, TG_SPAN("exp"));
	const char *why = NULL;

	if(r->ended)
		return "a field behind the end";
	if(!begins && !ends)
		return r->leg ? take_field(name, value, &r->seen, r->leg) : "leg";
	if(r->leg)
		why = judge_leg(r->seen, r->leg);
	if(why)
		return why;
	if(begins) {
		r->seen = 0;
		r->leg = begin_leg(value, r->out);
		return r->leg ? NULL : "leg";
	}
	r->ended = r->leg && read_small(value, UINT64_MAX, &r->out->expires);
	return r->ended ? NULL : "exp";
}

static enum tg_ng_rc read_token(
		struct tg_span body, struct tg_ng_token *out, const char **why)
{
	struct reading r = {.out = out};

	if(!tg_span_eq(tg_span_cut(&body, '/'), version)) {
		*why = "version";
		return TG_NG_VERSION;
	}
	*why = NULL;
	while(!*why && body.len) {
		struct tg_span value = tg_span_cut(&body, '/');
		struct tg_span name = tg_span_cut(&value, ':');

		*why = take_part(&r, name, value);
	}
	if(!*why && !r.ended)
		*why = "exp";
	return *why ? TG_NG_MALFORMED : TG_NG_OK;
}

enum tg_ng_rc tg_ng_token_decode(struct tg_span token, struct tg_span call_id,
		struct tg_ng_key *key, uint64_t now, struct tg_ng_token *out,
		const char **why)
{
	struct tg_span body;
	enum tg_ng_rc rc = check_mac("tg-ng-v1", token, call_id, key, &body);

	memset(out, 0, sizeof(*out));
	*why = "mac";
	if(rc == TG_NG_OK)
		rc = read_token(body, out, why);
	if(rc == TG_NG_OK && out->expires <= now) {
		*why = "expired";
		rc = TG_NG_EXPIRED;
	}
	if(rc != TG_NG_OK)
		memset(out, 0, sizeof(*out));
	else
		*why = NULL;
	return rc;
}

/* ---- proof --------------------------------------------------------------- */

enum tg_ng_rc tg_ng_proof_encode(enum tg_ng_leg leg, struct tg_span call_id,
		uint64_t expires, struct tg_ng_key *key, struct tg_arena *arena,
		struct tg_span *out)
{
	char buffer[TG_NG_TOKEN_OCTETS_MAX + 1];
	struct tg_text w;

	*out = tg_span_of(NULL, 0);
	tg_text_init(&w, buffer, sizeof(buffer));
	if(leg <= TG_NG_LEG_NONE || leg > TG_NG_LEG_BOTH)
		return TG_NG_MALFORMED;
	tg_text_add(&w, version);
	say(&w, "/leg:", leg_name(leg));
	say_number(&w, "/exp:", expires);
	return finish(&w, "tg-proof-v1", call_id, key, arena, out);
}

/* "leg:to/exp:T", nothing else; NONE: it is not that */
static enum tg_ng_leg read_proof(struct tg_span body, uint64_t *expires)
{
	struct tg_span leg = tg_span_cut(&body, '/');
	struct tg_span end = tg_span_cut(&body, '/');

	if(!tg_span_eq(tg_span_cut(&leg, ':'), TG_SPAN("leg"))
			|| !tg_span_eq(tg_span_cut(&end, ':'), TG_SPAN("exp"))
			|| !read_small(end, UINT64_MAX, expires) || body.len != 0)
		return TG_NG_LEG_NONE;
	return leg_by_name(leg);
}

enum tg_ng_rc tg_ng_proof_check(struct tg_span value, struct tg_span call_id,
		struct tg_ng_key *key, uint64_t now, enum tg_ng_leg *leg)
{
	uint64_t expires = 0;
	enum tg_ng_leg proven;
	struct tg_span body;
	enum tg_ng_rc rc = check_mac("tg-proof-v1", value, call_id, key, &body);

	*leg = TG_NG_LEG_NONE;
	if(rc != TG_NG_OK)
		return rc;
	if(!tg_span_eq(tg_span_cut(&body, '/'), version))
		return TG_NG_VERSION;
	proven = read_proof(body, &expires);
	if(proven == TG_NG_LEG_NONE)
		return TG_NG_MALFORMED;
	if(expires <= now)
		return TG_NG_EXPIRED;
	*leg = proven;
	return TG_NG_OK;
}
