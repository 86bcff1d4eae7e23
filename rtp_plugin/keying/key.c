/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions of keying.h that are the same for each kind of key exchange,
 * and the way to the one that is meant.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "keying/internal.h"

/* clang-format off */
static const char *const rc_names[TG_KEY_RC_COUNT] = {
	[TG_KEY_OK] = "ok",
	[TG_KEY_NONE] = "none",
	[TG_KEY_NO_SUITE] = "no-suite",
	[TG_KEY_MALFORMED] = "malformed",
	[TG_KEY_MISMATCH] = "mismatch",
	[TG_KEY_WEAK] = "weak",
	[TG_KEY_ORDER] = "order",
	[TG_KEY_ROOM] = "room",
	[TG_KEY_NO_MEMORY] = "no-memory",
	[TG_KEY_INTERNAL] = "internal",
};
/* clang-format on */

const char *tg_key_rc_name(enum tg_key_rc rc)
{
	return (unsigned)rc < TG_KEY_RC_COUNT ? rc_names[rc] : "internal";
}

enum tg_reason tg_key_rc_reason(enum tg_key_rc rc)
{
	switch(rc) {
		case TG_KEY_OK:
			return TG_REASON_NONE;
		case TG_KEY_NO_SUITE:
		case TG_KEY_WEAK:
			return TG_REASON_MEDIA_SUITE;
		case TG_KEY_NONE:
		case TG_KEY_MALFORMED:
		case TG_KEY_MISMATCH:
		case TG_KEY_ROOM:
			return TG_REASON_MEDIA_KEYING;
		default:
			return TG_REASON_INTERNAL;
	}
}

/* ---- lines -------------------------------------------------------------- */

void tg_key_lines_wipe(struct tg_key_lines *lines)
{
	size_t n = lines ? lines->n : 0;

	if(!lines)
		return;
	/* one that found no room may stand behind the last */
	for(size_t i = 0; i <= n && i < TG_KEY_LINES_MAX; i++)
		tg_wipe(&lines->line[i], sizeof(lines->line[i]));
	lines->n = 0;
}

bool tg_key_lines_add(struct tg_key_lines *lines, const char *fmt, ...)
{
	va_list ap;
	int n;

	if(lines->n >= TG_KEY_LINES_MAX)
		return false;
	va_start(ap, fmt);
	n = vsnprintf(lines->line[lines->n].text, TG_KEY_LINE_OCTETS, fmt, ap);
	va_end(ap);
	if(n < 0 || n >= TG_KEY_LINE_OCTETS)
		return false;
	lines->line[lines->n++].len = (size_t)n;
	return true;
}

/* ---- objects ------------------------------------------------------------ */

int tg_key_rank(const struct tg_key_profile *profile, enum tg_suite suite)
{
	for(int i = 0; i < TG_SUITES_MAX; i++) {
		if(profile->suite[i] == TG_SUITE_NONE)
			break;
		if(profile->suite[i] == suite)
			return i;
	}
	return -1;
}

struct tg_key *tg_key_new(enum tg_kx kx, const struct tg_key_profile *profile,
		const struct tg_key_host *host, void *user)
{
	switch(kx) {
		case TG_KX_SDES:
			return tg_sdes_new(profile);
		case TG_KX_DTLS:
			return host && host->cert && host->send
						   ? tg_dtls_new(profile, host, user)
						   : NULL;
		default:
			return NULL;
	}
}

void tg_key_free(struct tg_key *k)
{
	if(k)
		k->ops->free(k);
}

enum tg_kx tg_key_kx(const struct tg_key *k)
{
	return k->ops->kx;
}

enum tg_key_rc tg_key_can_take(enum tg_kx kx,
		const struct tg_key_profile *profile, const struct tg_sdp_media *m)
{
	switch(kx) {
		case TG_KX_SDES:
			return tg_sdes_can_take(profile, m);
		case TG_KX_DTLS:
			return tg_dtls_can_take(profile, m);
		default:
			return TG_KEY_NONE;
	}
}

static enum tg_key_rc wiped_unless_ok(
		enum tg_key_rc rc, struct tg_key_lines *lines)
{
	if(rc != TG_KEY_OK)
		tg_key_lines_wipe(lines);
	return rc;
}

enum tg_key_rc tg_key_offer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	out->n = 0;
	return wiped_unless_ok(k->ops->offer(k, fresh, out), out);
}

enum tg_key_rc tg_key_take_answer(
		struct tg_key *k, const struct tg_sdp_media *m)
{
	return k->ops->take_answer(k, m);
}

enum tg_key_rc tg_key_take_offer(struct tg_key *k, const struct tg_sdp_media *m)
{
	return k->ops->take_offer(k, m);
}

enum tg_key_rc tg_key_answer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	out->n = 0;
	return wiped_unless_ok(k->ops->answer(k, fresh, out), out);
}

struct tg_key *tg_key_fork(const struct tg_key *k, void *user)
{
	return k->ops->fork(k, user);
}

enum tg_key_state tg_key_state(
		const struct tg_key *k, enum tg_key_component component)
{
	return k->ops->state(k, component);
}

bool tg_key_material(const struct tg_key *k, enum tg_key_component component,
		enum tg_srtp_dir dir, struct tg_srtp_keys *out)
{
	return k->ops->material(k, component, dir, out);
}

uint32_t tg_key_generation(const struct tg_key *k)
{
	return k->generation;
}

enum tg_reason tg_key_reason(const struct tg_key *k)
{
	return k->reason;
}

const char *tg_key_detail(const struct tg_key *k)
{
	return k->ops->kx == TG_KX_DTLS ? tg_dtls_detail(k) : "";
}

void tg_key_facts(const struct tg_key *k, struct tg_key_facts *out)
{
	memset(out, 0, sizeof(*out));
	if(k->ops->kx == TG_KX_SDES)
		tg_sdes_facts(k, out);
	else
		tg_dtls_facts(k, out);
}

void tg_key_peer_moved(struct tg_key *k)
{
	if(k->ops->kx == TG_KX_SDES)
		tg_sdes_peer_moved(k);
	else
		tg_dtls_peer_moved(k);
}

/* ---- DTLS --------------------------------------------------------------- */

void tg_key_set_components(struct tg_key *k, bool rtcp)
{
	if(k->ops->kx == TG_KX_DTLS)
		tg_dtls_set_components(k, rtcp);
}

void tg_key_connect(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *to, uint64_t now_ms)
{
	if(k->ops->kx == TG_KX_DTLS)
		tg_dtls_connect(k, component, to, now_ms);
}

void tg_key_datagram(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms)
{
	if(k->ops->kx == TG_KX_DTLS)
		tg_dtls_datagram(k, component, from, octet, octets, now_ms);
}

int64_t tg_key_timeout_ms(const struct tg_key *k, uint64_t now_ms)
{
	return k->ops->kx == TG_KX_DTLS ? tg_dtls_timeout_ms(k, now_ms) : -1;
}

void tg_key_tick(struct tg_key *k, uint64_t now_ms)
{
	if(k->ops->kx == TG_KX_DTLS)
		tg_dtls_tick(k, now_ms);
}

bool tg_key_peer(const struct tg_key *k, enum tg_key_component component,
		struct tg_key_path *out)
{
	return k->ops->kx == TG_KX_DTLS && tg_dtls_peer(k, component, out);
}
