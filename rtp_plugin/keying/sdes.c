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

struct local {
	enum tg_suite suite;
	struct tg_srtp_master master;
};

struct sdes {
	struct tg_key key;
	struct local *local;           /* on the heap, one a suite */
	uint8_t suites[TG_SUITES_MAX]; /* of the profile */
	uint8_t mki_octets;
	uint8_t lifetime_log2;
	uint8_t n_local;
	uint8_t n_offered;
	uint8_t offered[TG_SUITES_MAX]; /* enum tg_suite, by tag - 1 */
	bool has_offer;                 /* one was taken */
	bool ready;
	bool moved;   /* the far end has another address since its last key */
	uint8_t n_rx; /* masters */
	enum tg_suite suite; /* agreed */
	uint32_t offer_tag;  /* of the line chosen from it */
	uint32_t remote_kept;
	struct tg_sdes_line *pending; /* that line, until it is agreed: then rx */
	struct tg_srtp_master *rx;    /* on the heap */
	/* what we send with, once it is no longer among the local keys as it was
	 * agreed; on the heap, until the next agreement */
	struct tg_srtp_master *tx;
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

static struct tg_srtp_master *find_local(
		const struct sdes *s, enum tg_suite suite)
{
	for(size_t i = 0; i < s->n_local; i++)
		if(s->local[i].suite == suite)
			return &s->local[i].master;
	return NULL;
}

static void set_locals(struct sdes *s, struct local *local, size_t n)
{
	if(s->local)
		tg_wipe(s->local, s->n_local * sizeof(*s->local));
	free(s->local);
	s->local = local;
	s->n_local = (uint8_t)n;
}

static void drop_tx(struct sdes *s)
{
	if(s->tx)
		tg_wipe(s->tx, sizeof(*s->tx));
	free(s->tx);
	s->tx = NULL;
}

/* Before local keys change: what is in force stays. False: out of memory */
static bool keep_tx(struct sdes *s)
{
	const struct tg_srtp_master *m = find_local(s, s->suite);

	if(!s->ready || s->tx || !m)
		return true;
	s->tx = malloc(sizeof(*s->tx));
	if(s->tx)
		*s->tx = *m;
	return s->tx != NULL;
}

/* False: out of memory, and they stay */
static bool forget_locals(struct sdes *s)
{
	if(!keep_tx(s))
		return false;
	set_locals(s, NULL, 0);
	return true;
}

static void forget_local(struct sdes *s, enum tg_suite suite)
{
	for(size_t i = 0; i < s->n_local; i++) {
		if(s->local[i].suite != suite)
			continue;
		s->local[i] = s->local[--s->n_local];
		tg_wipe(&s->local[s->n_local], sizeof(*s->local));
		return;
	}
}

/* Room for the key of one more suite. NULL: out of memory */
static struct tg_srtp_master *add_local(struct sdes *s, enum tg_suite suite)
{
	size_t n = s->n_local;
	struct local *more = calloc(n + 1, sizeof(*more));

	if(!more)
		return NULL;
	if(n)
		memcpy(more, s->local, n * sizeof(*more));
	more[n].suite = suite;
	set_locals(s, more, n + 1);
	return &more[n].master;
}

static enum tg_key_rc make_local(struct sdes *s, enum tg_suite suite)
{
	struct tg_srtp_master *m = find_local(s, suite);
	struct tg_srtp_shape shape;

	if(m)
		return TG_KEY_OK;
	if(!tg_srtp_shape(suite, &shape))
		return TG_KEY_INTERNAL;
	m = add_local(s, suite);
	if(!m)
		return TG_KEY_NO_MEMORY;
	m->octets = (uint8_t)(shape.key_octets + shape.salt_octets);
	if(RAND_priv_bytes(m->octet, m->octets) != 1) {
		forget_local(s, suite);
		return TG_KEY_INTERNAL;
	}
	if(s->lifetime_log2)
		m->lifetime = (uint64_t)1 << s->lifetime_log2;
	m->mki_octets = s->mki_octets;
	m->mki = m->mki_octets ? 1 : 0;
	return TG_KEY_OK;
}

static void drop_pending(struct sdes *s)
{
	if(s->pending)
		tg_wipe(s->pending, sizeof(*s->pending));
	free(s->pending);
	s->pending = NULL;
}

/* ---- what is agreed ----------------------------------------------------- */

/* The keys in force, of one direction; false before they are agreed */
static bool in_force(
		const struct sdes *s, enum tg_srtp_dir dir, struct tg_srtp_keys *out)
{
	const struct tg_srtp_master *from = dir == TG_SRTP_RX ? s->rx
										: s->tx           ? s->tx
												: find_local(s, s->suite);

	memset(out, 0, sizeof(*out));
	if(!s->ready || !from)
		return false;
	out->suite = s->suite;
	out->n = dir == TG_SRTP_RX ? s->n_rx : 1;
	memcpy(out->master, from, out->n * sizeof(*out->master));
	return true;
}

static void drop_rx(struct sdes *s)
{
	if(s->rx)
		tg_wipe(s->rx, s->n_rx * sizeof(*s->rx));
	free(s->rx);
	s->rx = NULL;
	s->n_rx = 0;
}

static bool same_key(
		const struct tg_srtp_master *a, const struct tg_srtp_master *b)
{
	return a->octets == b->octets
		   && CRYPTO_memcmp(a->octet, b->octet, a->octets) == 0;
}

/*
 * A far end that gives our own key back would have our packets return as its
 * own, and keystream used by both sides.
 */
static bool is_ours(const struct sdes *s, const struct tg_srtp_keys *remote)
{
	for(size_t i = 0; i < remote->n; i++)
		for(size_t j = 0; j < s->n_local; j++)
			if(same_key(&s->local[j].master, &remote->master[i]))
				return true;
	return false;
}

static enum tg_key_rc take_over(
		struct sdes *s, const struct tg_srtp_keys *remote)
{
	struct tg_srtp_master *rx = malloc(remote->n * sizeof(*rx));

	if(!rx)
		return TG_KEY_NO_MEMORY;
	memcpy(rx, remote->master, remote->n * sizeof(*rx));
	drop_rx(s);
	s->rx = rx;
	s->n_rx = remote->n;
	s->suite = remote->suite;
	s->ready = true;
	s->key.generation++;
	return TG_KEY_OK;
}

static enum tg_key_rc agree(struct sdes *s, const struct tg_srtp_keys *remote)
{
	struct tg_srtp_keys rx, tx, ours = {.suite = remote->suite, .n = 1};
	enum tg_key_rc rc = TG_KEY_OK;
	enum tg_suite was = s->suite;
	bool moved = s->moved && s->ready && remote->n == s->n_rx
				 && same_key(&s->rx[0], &remote->master[0]);

	ours.master[0] = *find_local(s, remote->suite);
	if(!in_force(s, TG_SRTP_RX, &rx) || !in_force(s, TG_SRTP_TX, &tx)
			|| !tg_srtp_keys_eq(&rx, remote) || !tg_srtp_keys_eq(&tx, &ours))
		rc = take_over(s, remote);
	tg_srtp_keys_wipe(&rx);
	tg_srtp_keys_wipe(&tx);
	tg_srtp_keys_wipe(&ours);
	if(rc != TG_KEY_OK)
		return rc;
	drop_tx(s);
	/* a suite that comes back gets another key: tx refuses one that it had */
	if(was != TG_SUITE_NONE && was != s->suite)
		forget_local(s, was);
	s->remote_kept += moved;
	s->moved = false;
	return TG_KEY_OK;
}

/* ---- we offer ----------------------------------------------------------- */

static enum tg_key_rc offer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct sdes *s = sdes_of(k);
	char value[TG_SDES_VALUE_OCTETS];
	enum tg_key_rc rc = TG_KEY_OK;
	size_t n = 0;

	if(fresh && !forget_locals(s))
		return TG_KEY_NO_MEMORY;
	for(; n < TG_SUITES_MAX && s->suites[n] && rc == TG_KEY_OK; n++) {
		enum tg_suite suite = (enum tg_suite)s->suites[n];

		rc = make_local(s, suite);
		s->offered[n] = (uint8_t)suite;
		if(rc == TG_KEY_OK
				&& (!tg_sdes_line_write(
							(uint32_t)n + 1, suite, find_local(s, suite), value)
						|| !tg_key_lines_add(out, "a=crypto:%s", value)))
			rc = TG_KEY_ROOM;
	}
	tg_wipe(value, sizeof(value));
	s->n_offered = rc == TG_KEY_OK ? (uint8_t)n : 0;
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
			/* given up when another suite was agreed */
			|| !find_local(s, line.keys.suite) || is_ours(s, &line.keys))
		rc = TG_KEY_MISMATCH;
	else
		rc = agree(s, &line.keys);
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

/* What of it is kept */
static struct tg_key_profile profile_of(const struct sdes *s)
{
	struct tg_key_profile p = {
			.mki_octets = s->mki_octets, .lifetime_log2 = s->lifetime_log2};

	for(size_t i = 0; i < TG_SUITES_MAX; i++)
		p.suite[i] = (enum tg_suite)s->suites[i];
	return p;
}

static enum tg_key_rc take_offer(struct tg_key *k, const struct tg_sdp_media *m)
{
	struct sdes *s = sdes_of(k);
	struct tg_key_profile profile = profile_of(s);
	struct tg_sdes_line line;
	enum tg_key_rc rc = choose(&profile, m, &line);

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

static enum tg_key_rc answer_to(struct sdes *s,
		const struct tg_srtp_keys *remote, struct tg_key_lines *out)
{
	char value[TG_SDES_VALUE_OCTETS];
	struct tg_srtp_master *local;
	enum tg_key_rc rc = make_local(s, remote->suite);

	if(rc == TG_KEY_OK && !keep_tx(s))
		rc = TG_KEY_NO_MEMORY;
	if(rc != TG_KEY_OK)
		return rc;
	/* as in the chosen line: the far end does what it wrote itself */
	local = find_local(s, remote->suite);
	local->lifetime = remote->master[0].lifetime;
	local->mki_octets = remote->master[0].mki_octets;
	local->mki = remote->master[0].mki;
	if(!tg_sdes_line_write(s->offer_tag, remote->suite, local, value)
			|| !tg_key_lines_add(out, "a=crypto:%s", value))
		rc = TG_KEY_ROOM;
	else
		rc = agree(s, remote);
	tg_wipe(value, sizeof(value));
	return rc;
}

static enum tg_key_rc answer(
		struct tg_key *k, bool fresh, struct tg_key_lines *out)
{
	struct sdes *s = sdes_of(k);
	struct tg_srtp_keys remote;
	enum tg_key_rc rc;

	if(!s->has_offer)
		return TG_KEY_ORDER;
	if(fresh && !forget_locals(s))
		return TG_KEY_NO_MEMORY;
	if(s->pending)
		remote = s->pending->keys;
	else if(!in_force(s, TG_SRTP_RX, &remote))
		return TG_KEY_ORDER;
	rc = answer_to(s, &remote, out);
	if(rc == TG_KEY_OK)
		drop_pending(s);
	tg_srtp_keys_wipe(&remote);
	return rc;
}

/* ---- the object --------------------------------------------------------- */

struct tg_key *tg_sdes_new(const struct tg_key_profile *profile)
{
	struct sdes *s = calloc(1, sizeof(*s));

	if(!s)
		return NULL;
	s->key.ops = &tg_sdes_ops;
	for(size_t i = 0; i < TG_SUITES_MAX; i++)
		s->suites[i] = (uint8_t)profile->suite[i];
	s->mki_octets = profile->mki_octets;
	s->lifetime_log2 = profile->lifetime_log2;
	return &s->key;
}

static struct tg_key *fork_key(const struct tg_key *k, void *user)
{
	const struct sdes *s = sdes_of_const(k);
	struct tg_key_profile profile = profile_of(s);
	struct local *local;
	struct sdes *f;

	(void)user;
	if(s->n_offered == 0)
		return NULL;
	f = (struct sdes *)tg_sdes_new(&profile);
	local = f ? calloc(s->n_local, sizeof(*local)) : NULL;
	if(!local) {
		free(f);
		return NULL;
	}
	memcpy(local, s->local, s->n_local * sizeof(*local));
	set_locals(f, local, s->n_local);
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

static bool material(const struct tg_key *k, enum tg_key_component component,
		enum tg_srtp_dir dir, struct tg_srtp_keys *out)
{
	(void)component;
	return in_force(sdes_of_const(k), dir, out);
}

static void free_key(struct tg_key *k)
{
	struct sdes *s = sdes_of(k);

	drop_pending(s);
	set_locals(s, NULL, 0);
	drop_rx(s);
	drop_tx(s);
	tg_wipe(s, sizeof(*s));
	free(s);
}

void tg_sdes_facts(const struct tg_key *k, struct tg_key_facts *out)
{
	const struct sdes *s = sdes_of_const(k);

	out->suite = s->suite;
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
