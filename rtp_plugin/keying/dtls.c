/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DTLS-SRTP as the session sees it: what goes into and comes out of the
 * descriptions (RFC 5763, RFC 8122, RFC 8842). Handshakes are in
 * association.c. A later offer or answer keeps the association unless the
 * far end's fingerprint, tls-id or role is another, or the session asks for a
 * fresh one.
 *
 * Not done: several fingerprints for one line beyond the first, holdconn.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "keying/association.h"
#include "keying/cert.h"

#define TLS_ID_OCTETS 32
#define REMOTE_TLS_ID_MAX 255 /* RFC 8842 section 4 */

/* What a description says of its sender */
struct remote {
	struct tg_fingerprint fingerprint;
	enum tg_sdp_setup setup;
	size_t tls_id_octets; /* 0: none */
	char tls_id[REMOTE_TLS_ID_MAX];
};

struct dtls {
	struct tg_key key;
	struct tg_handshake_owner owner;
	struct tg_association part[TG_KEY_COMPONENTS];
	bool has_rtcp; /* a component of its own */
	bool offered;
	bool fresh_offer; /* it asked for a new association */
	bool agreed;
	bool moved; /* the far end has another address since */
	bool has_pending;
	enum tg_dtls_role role;
	struct remote remote;  /* of what is agreed */
	struct remote pending; /* of the offer taken last */
	char tls_id[TLS_ID_OCTETS + 1];
};

static struct dtls *dtls_of(struct tg_key *k)
{
	return (struct dtls *)k;
}

static const struct dtls *dtls_of_const(const struct tg_key *k)
{
	return (const struct dtls *)k;
}

static size_t parts(const struct dtls *d)
{
	return d->has_rtcp ? 2 : 1;
}

/* ---- reading ------------------------------------------------------------ */

static bool has_suite(const struct tg_key_profile *profile)
{
	for(size_t i = 0; i < TG_SUITES_MAX && profile->suite[i]; i++)
		if(tg_handshake_has_profile(profile->suite[i]))
			return true;
	return false;
}

static enum tg_key_rc read_remote(const struct tg_key_profile *profile,
		const struct tg_sdp_media *m, struct remote *out)
{
	const struct tg_sdp_security *s = &m->security;

	memset(out, 0, sizeof(*out));
	if(s->n_fingerprints == 0)
		return TG_KEY_NONE;
	if(!has_suite(profile))
		return TG_KEY_NO_SUITE;
	out->fingerprint.md = tg_key_hash(s->fingerprint_hash);
	if(!out->fingerprint.md)
		return TG_KEY_WEAK;
	if(!tg_key_fingerprint_read(
			   s->fingerprint, out->fingerprint.md, out->fingerprint.digest)
			|| s->tls_id.len > sizeof(out->tls_id))
		return TG_KEY_MALFORMED;
	out->setup = s->setup;
	out->tls_id_octets = s->tls_id.len;
	if(s->tls_id.len > 0)
		memcpy(out->tls_id, s->tls_id.ptr, s->tls_id.len);
	return TG_KEY_OK;
}

static bool same_remote(const struct remote *a, const struct remote *b)
{
	return a->fingerprint.md == b->fingerprint.md
		   && memcmp(a->fingerprint.digest, b->fingerprint.digest,
					  sizeof(a->fingerprint.digest))
					  == 0
		   && a->tls_id_octets == b->tls_id_octets
		   && memcmp(a->tls_id, b->tls_id, a->tls_id_octets) == 0;
}

/* Our role from the far end's attribute; RFC 5763 section 5, RFC 8842 5 */
static enum tg_dtls_role role_in_offer(enum tg_sdp_setup theirs)
{
	switch(theirs) {
		case TG_SDP_SETUP_ACTPASS:
		case TG_SDP_SETUP_PASSIVE:
			return TG_DTLS_ACTIVE;
		case TG_SDP_SETUP_ACTIVE:
			return TG_DTLS_PASSIVE;
		default:
			return TG_DTLS_UNDECIDED;
	}
}

static enum tg_dtls_role role_in_answer(enum tg_sdp_setup theirs)
{
	switch(theirs) {
		case TG_SDP_SETUP_PASSIVE:
			return TG_DTLS_ACTIVE;
		case TG_SDP_SETUP_ACTIVE:
			return TG_DTLS_PASSIVE;
		default:
			return TG_DTLS_UNDECIDED;
	}
}

enum tg_key_rc tg_dtls_can_take(
		const struct tg_key_profile *profile, const struct tg_sdp_media *m)
{
	struct remote r;
	enum tg_key_rc rc = read_remote(profile, m, &r);

	if(rc == TG_KEY_OK && role_in_offer(r.setup) == TG_DTLS_UNDECIDED)
		rc = TG_KEY_MALFORMED;
	return rc;
}

/* ---- writing ------------------------------------------------------------ */

static bool new_tls_id(struct dtls *d)
{
	uint8_t random[TLS_ID_OCTETS / 2];

	if(RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for(size_t i = 0; i < sizeof(random); i++)
		snprintf(d->tls_id + 2 * i, 3, "%02x", random[i]);
	return true;
}

static enum tg_key_rc write_lines(const struct dtls *d, const char *setup,
		bool tls_id, struct tg_key_lines *out)
{
	if(!tg_key_lines_add(out, "a=fingerprint:%s",
			   tg_key_cert_fingerprint(d->owner.host->cert))
			|| !tg_key_lines_add(out, "a=setup:%s", setup)
			|| (tls_id && !tg_key_lines_add(out, "a=tls-id:%s", d->tls_id)))
		return TG_KEY_ROOM;
	return TG_KEY_OK;
}

/* ---- agreement ---------------------------------------------------------- */

static void agree(struct dtls *d, const struct remote *r,
		enum tg_dtls_role role, bool anew)
{
	/* who has no tls-id says so by another address (RFC 8842 section 3.1) */
	bool begin = anew || !d->agreed || role != d->role
				 || !same_remote(r, &d->remote)
				 || (d->moved && r->tls_id_octets == 0);

	d->moved = false;
	d->agreed = true;
	d->role = role;
	d->remote = *r;
	d->owner.remote = r->fingerprint;
	if(!begin)
		return;
	d->key.reason = TG_REASON_NONE;
	d->owner.detail[0] = '\0';
	for(size_t i = 0; i < parts(d); i++) {
		tg_association_begin(&d->part[i], role);
		tg_association_judge(&d->part[i]);
	}
}

static enum tg_key_rc offer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct dtls *d = dtls_of(k);

	if(!has_suite(&d->owner.profile))
		return TG_KEY_NO_SUITE;
	if(fresh || d->tls_id[0] == '\0') {
		if(!new_tls_id(d))
			return TG_KEY_INTERNAL;
		d->fresh_offer = true;
	}
	for(size_t i = 0; i < parts(d) && !d->agreed; i++)
		if(!d->part[i].open)
			tg_association_begin(&d->part[i], TG_DTLS_UNDECIDED);
	d->offered = true;
	return write_lines(d, "actpass", true, out);
}

static enum tg_key_rc take_answer(
		struct tg_key *k, const struct tg_sdp_media *m)
{
	struct dtls *d = dtls_of(k);
	struct remote r;
	enum tg_dtls_role role;
	enum tg_key_rc rc;

	if(!d->offered)
		return TG_KEY_ORDER;
	rc = read_remote(&d->owner.profile, m, &r);
	if(rc != TG_KEY_OK)
		return rc;
	role = role_in_answer(r.setup);
	if(role == TG_DTLS_UNDECIDED)
		return TG_KEY_MISMATCH;
	agree(d, &r, role, d->fresh_offer && d->agreed);
	d->fresh_offer = false;
	return TG_KEY_OK;
}

static enum tg_key_rc take_offer(struct tg_key *k, const struct tg_sdp_media *m)
{
	struct dtls *d = dtls_of(k);
	struct remote r;
	enum tg_key_rc rc = read_remote(&d->owner.profile, m, &r);

	if(rc == TG_KEY_OK && role_in_offer(r.setup) == TG_DTLS_UNDECIDED)
		rc = TG_KEY_MALFORMED;
	if(rc == TG_KEY_OK) {
		d->pending = r;
		d->has_pending = true;
	}
	return rc;
}

/* RFC 8842 section 5.3: who keeps the association keeps the roles */
static enum tg_dtls_role role_of_answer(const struct dtls *d, bool fresh)
{
	enum tg_dtls_role role = role_in_offer(d->pending.setup);

	if(d->agreed && !fresh && d->pending.setup == TG_SDP_SETUP_ACTPASS
			&& same_remote(&d->pending, &d->remote))
		role = d->role;
	return role;
}

static enum tg_key_rc answer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct dtls *d = dtls_of(k);
	enum tg_dtls_role role;
	enum tg_key_rc rc;

	if(!d->has_pending)
		return TG_KEY_ORDER;
	role = role_of_answer(d, fresh);
	if((fresh || !d->agreed || d->tls_id[0] == '\0' || role != d->role
			   || !same_remote(&d->pending, &d->remote))
			&& !new_tls_id(d))
		return TG_KEY_INTERNAL;
	rc = write_lines(d, role == TG_DTLS_ACTIVE ? "active" : "passive",
			d->pending.tls_id_octets > 0, out);
	if(rc == TG_KEY_OK)
		agree(d, &d->pending, role, fresh);
	return rc;
}

/* ---- the object --------------------------------------------------------- */

/* With copies of the profile's names behind it */
static struct dtls *alloc(const struct tg_key_profile *profile)
{
	size_t names = 0;
	struct dtls *d;
	char *name;

	for(size_t i = 0; i < TG_KEY_IDENTITIES_MAX; i++)
		names += profile->identity[i].len;
	d = calloc(1, sizeof(*d) + names);
	if(!d)
		return NULL;
	d->owner.profile = *profile;
	name = (char *)(d + 1);
	for(size_t i = 0; i < TG_KEY_IDENTITIES_MAX; i++) {
		struct tg_span *s = &d->owner.profile.identity[i];

		if(s->len == 0)
			continue;
		memcpy(name, s->ptr, s->len);
		s->ptr = name;
		name += s->len;
	}
	return d;
}

struct tg_key *tg_dtls_new(const struct tg_key_profile *profile,
		const struct tg_key_host *host, void *user)
{
	struct dtls *d = alloc(profile);

	if(!d)
		return NULL;
	d->key.ops = &tg_dtls_ops;
	d->owner.key = &d->key;
	d->owner.host = host;
	d->owner.user = user;
	for(int c = 0; c < TG_KEY_COMPONENTS; c++)
		tg_association_init(&d->part[c], &d->owner, (enum tg_key_component)c);
	return &d->key;
}

static struct tg_key *fork_key(const struct tg_key *k, void *user)
{
	const struct dtls *d = dtls_of_const(k);
	struct dtls *f;

	if(!d->offered)
		return NULL;
	f = (struct dtls *)tg_dtls_new(&d->owner.profile, d->owner.host, user);
	if(!f)
		return NULL;
	f->has_rtcp = d->has_rtcp;
	f->offered = true;
	memcpy(f->tls_id, d->tls_id, sizeof(f->tls_id));
	for(size_t i = 0; i < parts(f); i++)
		tg_association_begin(&f->part[i], TG_DTLS_UNDECIDED);
	return &f->key;
}

const char *tg_dtls_detail(const struct tg_key *k)
{
	return dtls_of_const(k)->owner.detail;
}

static void free_key(struct tg_key *k)
{
	struct dtls *d = dtls_of(k);

	for(int c = 0; c < TG_KEY_COMPONENTS; c++)
		tg_association_deinit(&d->part[c], true);
	tg_wipe(d, sizeof(*d));
	free(d);
}

/* A multiplexed RTCP has what RTP has */
static const struct tg_association *part_of(
		const struct dtls *d, enum tg_key_component component)
{
	return &d->part[d->has_rtcp && component == TG_KEY_RTCP];
}

static enum tg_key_state state(
		const struct tg_key *k, enum tg_key_component component)
{
	const struct dtls *d = dtls_of_const(k);
	const struct tg_association *a = part_of(d, component);

	if(a->has_keys)
		return TG_KEY_READY;
	if(a->failed)
		return TG_KEY_FAILED;
	if(d->agreed)
		return TG_KEY_AGREED;
	return d->offered ? TG_KEY_OFFERED : TG_KEY_IDLE;
}

static bool material(const struct tg_key *k, enum tg_key_component component,
		enum tg_srtp_dir dir, struct tg_srtp_keys *out)
{
	const struct tg_association *a = part_of(dtls_of_const(k), component);

	if(a->has_keys)
		*out = dir == TG_SRTP_RX ? a->rx : a->tx;
	return a->has_keys;
}

void tg_dtls_peer_moved(struct tg_key *k)
{
	struct dtls *d = dtls_of(k);

	d->moved = d->agreed;
}

void tg_dtls_facts(const struct tg_key *k, struct tg_key_facts *out)
{
	const struct tg_association *a = &dtls_of_const(k)->part[0];

	out->suite = a->has_keys ? a->rx.suite : TG_SUITE_NONE;
}

bool tg_dtls_peer(const struct tg_key *k, enum tg_key_component component,
		struct tg_key_path *out)
{
	const struct tg_association *a = part_of(dtls_of_const(k), component);

	if(a->has_keys)
		*out = a->peer;
	return a->has_keys;
}

/* ---- datagrams and time ------------------------------------------------- */

void tg_dtls_set_components(struct tg_key *k, bool rtcp)
{
	struct dtls *d = dtls_of(k);
	struct tg_association *a = &d->part[TG_KEY_RTCP];

	if(rtcp == d->has_rtcp)
		return;
	d->has_rtcp = rtcp;
	if(!rtcp) {
		tg_association_deinit(a, true);
		tg_association_init(a, &d->owner, TG_KEY_RTCP);
	} else if(d->agreed || d->offered) {
		tg_association_begin(a, d->role);
	}
}

static struct tg_association *input_part(
		struct tg_key *k, enum tg_key_component component)
{
	struct dtls *d = dtls_of(k);

	if(component == TG_KEY_RTCP && !d->has_rtcp)
		return NULL; /* DTLS on a port that will not be used */
	return &d->part[component];
}

void tg_dtls_connect(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *to, uint64_t now_ms)
{
	struct tg_association *a = input_part(k, component);

	if(a)
		tg_association_connect(a, to, now_ms);
}

void tg_dtls_datagram(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms)
{
	struct tg_association *a = input_part(k, component);

	if(a)
		tg_association_datagram(a, from, octet, octets, now_ms);
}

int64_t tg_dtls_timeout_ms(const struct tg_key *k, uint64_t now_ms)
{
	const struct dtls *d = dtls_of_const(k);
	int64_t best = tg_association_timeout_ms(&d->part[0], now_ms);
	int64_t other =
			d->has_rtcp ? tg_association_timeout_ms(&d->part[1], now_ms) : -1;

	return best < 0 || (other >= 0 && other < best) ? other : best;
}

void tg_dtls_tick(struct tg_key *k, uint64_t now_ms)
{
	struct dtls *d = dtls_of(k);

	for(size_t i = 0; i < parts(d); i++)
		tg_association_tick(&d->part[i], now_ms);
}

const struct tg_key_ops tg_dtls_ops = {
		.kx = TG_KX_DTLS,
		.offer = offer,
		.take_answer = take_answer,
		.take_offer = take_offer,
		.answer = answer,
		.fork = fork_key,
		.state = state,
		.material = material,
		.free = free_key,
};
