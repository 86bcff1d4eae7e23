/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SDES (RFC 4568): each side tells the other, in the signalling, the key it
 * will send with. There is one local key a suite; it lives until the session
 * asks for a fresh one. The far end's key belongs to the line that was agreed.
 *
 *	     offer()            take_answer()
 *	IDLE -------> OFFERED ----------------> READY
 *	IDLE -----------------> (pending) ----> READY
 *	     take_offer()            answer()
 *
 * Not done: KDR, FEC, unencrypted or unauthenticated streams; the lines are
 * passed over. Neither F8 nor NULL suites exist here.
 */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "keying/internal.h"
#include "keying/sdes_line.h"

struct sdes {
	struct tg_key key;
	struct tg_srtp_master local[TG_SUITE_COUNT]; /* octets 0: none yet */
	enum tg_suite offered[TG_SUITES_MAX];        /* by tag - 1 */
	size_t n_offered;
	bool has_offer;               /* one was taken */
	uint32_t offer_tag;           /* of the line chosen from it */
	struct tg_sdes_line *pending; /* that line, until it is agreed: then rx */
	bool ready;
	bool moved; /* the far end has another address since its last key */
	uint32_t remote_kept;
	struct tg_srtp_keys rx;
	struct tg_srtp_keys tx;
};

static struct sdes *sdes_of(struct tg_key *k)
{
	return (struct sdes *)k;
}

static const struct sdes *sdes_of_const(const struct tg_key *k)
{
	return (const struct sdes *)k;
}

/* ---- local keys --------------------------------------------------------- */

static enum tg_key_rc make_local(struct sdes *s, enum tg_suite suite)
{
	struct tg_srtp_master *m = &s->local[suite];
	struct tg_srtp_shape shape;

	if(m->octets > 0)
		return TG_KEY_OK;
	if(!tg_srtp_shape(suite, &shape))
		return TG_KEY_INTERNAL;
	m->octets = (uint8_t)(shape.key_octets + shape.salt_octets);
	if(RAND_priv_bytes(m->octet, m->octets) != 1) {
		tg_wipe(m, sizeof(*m));
		return TG_KEY_INTERNAL;
	}
	if(s->key.profile.lifetime_log2)
		m->lifetime = (uint64_t)1 << s->key.profile.lifetime_log2;
	m->mki_octets = s->key.profile.mki_octets;
	m->mki = m->mki_octets ? 1 : 0;
	return TG_KEY_OK;
}

static void forget_local(struct sdes *s)
{
	tg_wipe(s->local, sizeof(s->local));
}

static void drop_pending(struct sdes *s)
{
	if(s->pending)
		tg_wipe(s->pending, sizeof(*s->pending));
	free(s->pending);
	s->pending = NULL;
}

/* ---- what is agreed ----------------------------------------------------- */

static bool same_octets(
		const struct tg_srtp_keys *a, const struct tg_srtp_keys *b)
{
	return a->n > 0 && a->n == b->n
		   && a->master[0].octets == b->master[0].octets
		   && CRYPTO_memcmp(a->master[0].octet, b->master[0].octet,
					  a->master[0].octets)
					  == 0;
}

/*
 * A far end that gives our own key back would have our packets return as its
 * own, and keystream used by both sides.
 */
static bool is_ours(const struct sdes *s, const struct tg_srtp_keys *remote)
{
	for(size_t i = 0; i < remote->n; i++)
		for(size_t suite = 0; suite < TG_SUITE_COUNT; suite++) {
			const struct tg_srtp_master *m = &s->local[suite];

			if(m->octets > 0 && m->octets == remote->master[i].octets
					&& CRYPTO_memcmp(
							   m->octet, remote->master[i].octet, m->octets)
							   == 0)
				return true;
		}
	return false;
}

static void agree(struct sdes *s, const struct tg_srtp_keys *remote)
{
	struct tg_srtp_keys tx = {.suite = remote->suite, .n = 1};

	tx.master[0] = s->local[remote->suite];
	/* a suite that comes back gets another key: tx refuses one that it had */
	if(s->ready && s->tx.suite != remote->suite)
		tg_wipe(&s->local[s->tx.suite], sizeof(s->local[0]));
	if(s->moved && same_octets(&s->rx, remote))
		s->remote_kept++;
	s->moved = false;
	if(!s->ready || !tg_srtp_keys_eq(&s->rx, remote)
			|| !tg_srtp_keys_eq(&s->tx, &tx)) {
		s->rx = *remote;
		s->tx = tx;
		s->key.generation++;
	}
	s->ready = true;
	tg_srtp_keys_wipe(&tx);
}

/* ---- we offer ----------------------------------------------------------- */

static enum tg_key_rc offer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct sdes *s = sdes_of(k);
	char value[TG_SDES_VALUE_OCTETS];
	enum tg_key_rc rc = TG_KEY_OK;
	size_t n = 0;

	if(fresh)
		forget_local(s);
	for(; n < TG_SUITES_MAX && k->profile.suite[n] && rc == TG_KEY_OK; n++) {
		enum tg_suite suite = k->profile.suite[n];

		rc = make_local(s, suite);
		s->offered[n] = suite;
		if(rc == TG_KEY_OK
				&& (!tg_sdes_line_write(
							(uint32_t)n + 1, suite, &s->local[suite], value)
						|| !tg_key_lines_add(out, "a=crypto:%s", value)))
			rc = TG_KEY_ROOM;
	}
	tg_wipe(value, sizeof(value));
	s->n_offered = rc == TG_KEY_OK ? n : 0;
	if(rc == TG_KEY_OK && n == 0)
		rc = TG_KEY_NO_SUITE;
	return rc;
}

static enum tg_key_rc take_answer(
		struct tg_key *k, const struct tg_sdp_media *m)
{
	struct sdes *s = sdes_of(k);
	struct tg_sdes_line line;
	enum tg_key_rc rc;

	if(s->n_offered == 0)
		return TG_KEY_ORDER;
	if(m->n_crypto == 0)
		return TG_KEY_NONE;
	if(m->n_crypto != 1) /* RFC 4568 section 5.1.3 */
		return TG_KEY_MISMATCH;
	rc = tg_sdes_line_read(&m->crypto[0], &line);
	if(rc == TG_KEY_NONE)
		return TG_KEY_MISMATCH;
	if(rc != TG_KEY_OK)
		return rc;
	if(line.tag == 0 || line.tag > s->n_offered
			|| s->offered[line.tag - 1] != line.keys.suite
			|| is_ours(s, &line.keys))
		rc = TG_KEY_MISMATCH;
	else
		agree(s, &line.keys);
	tg_wipe(&line, sizeof(line));
	return rc;
}

/* ---- they offer --------------------------------------------------------- */

/* The worst of what was seen tells most when nothing can be taken */
static enum tg_key_rc worse(enum tg_key_rc a, enum tg_key_rc b)
{
	static const uint8_t weight[TG_KEY_RC_COUNT] = {[TG_KEY_NO_SUITE] = 1,
			[TG_KEY_MALFORMED] = 2,
			[TG_KEY_ROOM] = 3,
			[TG_KEY_WEAK] = 4};

	return weight[b] > weight[a] ? b : a;
}

static enum tg_key_rc choose(const struct tg_key_profile *profile,
		const struct tg_sdp_media *m, struct tg_sdes_line *out)
{
	enum tg_key_rc result = TG_KEY_NONE;
	int best = -1;
	struct tg_sdes_line line;

	memset(out, 0, sizeof(*out));
	for(size_t i = 0; i < m->n_crypto; i++) {
		enum tg_key_rc rc = tg_sdes_line_read(&m->crypto[i], &line);
		int rank = -1;

		if(rc == TG_KEY_NONE)
			rc = TG_KEY_NO_SUITE;
		if(rc == TG_KEY_OK) {
			rank = tg_key_rank(profile, line.keys.suite);
			rc = TG_KEY_NO_SUITE;
		}
		if(rank >= 0 && (best < 0 || rank < best)) {
			best = rank;
			*out = line;
		}
		result = worse(result, rc);
		tg_wipe(&line, sizeof(line));
	}
	return best >= 0 ? TG_KEY_OK : result;
}

enum tg_key_rc tg_sdes_can_take(
		const struct tg_key_profile *profile, const struct tg_sdp_media *m)
{
	struct tg_sdes_line line;
	enum tg_key_rc rc = choose(profile, m, &line);

	tg_wipe(&line, sizeof(line));
	return rc;
}

static enum tg_key_rc take_offer(struct tg_key *k, const struct tg_sdp_media *m)
{
	struct sdes *s = sdes_of(k);
	struct tg_sdes_line line;
	enum tg_key_rc rc = choose(&k->profile, m, &line);

	if(rc == TG_KEY_OK && is_ours(s, &line.keys))
		rc = TG_KEY_MISMATCH;
	if(rc == TG_KEY_OK && !s->pending) {
		s->pending = malloc(sizeof(*s->pending));
		if(!s->pending)
			rc = TG_KEY_NO_MEMORY;
	}
	if(rc == TG_KEY_OK) {
		*s->pending = line;
		s->offer_tag = line.tag;
		s->has_offer = true;
	}
	tg_wipe(&line, sizeof(line));
	return rc;
}

static enum tg_key_rc answer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct sdes *s = sdes_of(k);
	const struct tg_srtp_keys *remote = s->pending ? &s->pending->keys : &s->rx;
	struct tg_srtp_master *local;
	char value[TG_SDES_VALUE_OCTETS];
	enum tg_key_rc rc;

	if(!s->has_offer)
		return TG_KEY_ORDER;
	if(fresh)
		forget_local(s);
	local = &s->local[remote->suite];
	rc = make_local(s, remote->suite);
	if(rc != TG_KEY_OK)
		return rc;
	/* as in the chosen line: the far end does what it wrote itself */
	local->lifetime = remote->master[0].lifetime;
	local->mki_octets = remote->master[0].mki_octets;
	local->mki = remote->master[0].mki;
	if(!tg_sdes_line_write(s->offer_tag, remote->suite, local, value)
			|| !tg_key_lines_add(out, "a=crypto:%s", value))
		rc = TG_KEY_ROOM;
	else
		agree(s, remote);
	if(rc == TG_KEY_OK)
		drop_pending(s);
	tg_wipe(value, sizeof(value));
	return rc;
}

/* ---- the object --------------------------------------------------------- */

struct tg_key *tg_sdes_new(const struct tg_key_profile *profile, void *user)
{
	return tg_key_alloc(sizeof(struct sdes), &tg_sdes_ops, profile, NULL, user);
}

static struct tg_key *fork_key(const struct tg_key *k, void *user)
{
	const struct sdes *s = sdes_of_const(k);
	struct sdes *f;

	if(s->n_offered == 0)
		return NULL;
	f = (struct sdes *)tg_sdes_new(&k->profile, user);
	if(!f)
		return NULL;
	memcpy(f->local, s->local, sizeof(f->local));
	memcpy(f->offered, s->offered, sizeof(f->offered));
	f->n_offered = s->n_offered;
	return &f->key;
}

static enum tg_key_state state(
		const struct tg_key *k, enum tg_key_component component)
{
	const struct sdes *s = sdes_of_const(k);

	(void)component;
	return s->ready       ? TG_KEY_READY
		   : s->n_offered ? TG_KEY_OFFERED
						  : TG_KEY_IDLE;
}

static const struct tg_srtp_keys *material(const struct tg_key *k,
		enum tg_key_component component, enum tg_srtp_dir dir)
{
	const struct sdes *s = sdes_of_const(k);

	(void)component;
	if(!s->ready)
		return NULL;
	return dir == TG_SRTP_RX ? &s->rx : &s->tx;
}

static void free_key(struct tg_key *k)
{
	drop_pending(sdes_of(k));
	tg_wipe(k, sizeof(struct sdes));
	free(k);
}

void tg_sdes_facts(const struct tg_key *k, struct tg_key_facts *out)
{
	const struct sdes *s = sdes_of_const(k);

	out->suite = s->ready ? s->rx.suite : TG_SUITE_NONE;
	out->remote_kept = s->remote_kept;
}

void tg_sdes_peer_moved(struct tg_key *k)
{
	struct sdes *s = sdes_of(k);

	s->moved = s->ready;
}

const struct tg_key_ops tg_sdes_ops = {
		.kx = TG_KX_SDES,
		.offer = offer,
		.take_answer = take_answer,
		.take_offer = take_offer,
		.answer = answer,
		.fork = fork_key,
		.state = state,
		.material = material,
		.free = free_key,
};
