/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls, legs and streams. See session.h for who locks and who owns what.
 */
#include "session/fork.h"
#include "session/ice.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/hash.h"

#define BUCKETS 4096 /* power of two */

static struct tg_ses_call *bucket[BUCKETS];
static size_t n_calls;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t hash_key[TG_HASH_KEY_OCTETS];

/* ---- timers ------------------------------------------------------------- */

static atomic_bool timers;
static int timers_fd = -1;

int tg_ses_timers_open(void)
{
	timers_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return timers_fd;
}

void tg_ses_timers_on(void)
{
	if(!atomic_exchange(&timers, true) && timers_fd >= 0)
		(void)!eventfd_write(timers_fd, 1);
}

bool tg_ses_timers_are_on(void)
{
	return atomic_load(&timers);
}

bool tg_ses_timers_off(void)
{
	eventfd_t n;

	if(timers_fd >= 0)
		(void)!eventfd_read(timers_fd, &n);
	return atomic_exchange(&timers, false);
}

/* ---- the table ---------------------------------------------------------- */

bool tg_ses_calls_init(void)
{
	return RAND_bytes(hash_key, sizeof(hash_key)) == 1;
}

/* Keyed: nobody outside can choose call-ids that collide */
uint64_t tg_ses_hash(struct tg_span call_id)
{
	uint64_t v = tg_hash(hash_key, call_id);

	return v != 0 ? v : 1;
}

void tg_ses_hash_wide(struct tg_span text, uint64_t out[2])
{
	tg_hash_wide(hash_key, text, out);
}

/* ---- calls -------------------------------------------------------------- */

static struct tg_ses_call *call_new(struct tg_span call_id, uint64_t hash)
{
	struct tg_ses_call *c = calloc(1, sizeof(*c) + call_id.len + 1);

	if(c == NULL)
		return NULL;
	c->call_id = (char *)(c + 1);
	if(call_id.len != 0)
		memcpy(c + 1, call_id.ptr, call_id.len);
	c->call_id_len = call_id.len;
	c->hash = hash;
	c->made_sec = (uint64_t)time(NULL);
	pthread_mutex_init(&c->lock, NULL);
	atomic_init(&c->refs, 1);
	return c;
}

struct tg_ses_call *tg_ses_call_get(struct tg_span call_id, bool make)
{
	uint64_t hash = tg_ses_hash(call_id);
	struct tg_ses_call **head = &bucket[hash & (BUCKETS - 1)];
	struct tg_ses_call *c;

	pthread_mutex_lock(&table_lock);
	for(c = *head; c != NULL; c = c->next) {
		if(tg_span_eq(call_id, tg_span_of(c->call_id, c->call_id_len)))
			break;
	}
	if(c == NULL && make) {
		c = call_new(call_id, hash);
		if(c != NULL) {
			c->next = *head;
			*head = c;
			n_calls++;
		}
	}
	if(c != NULL)
		tg_ses_call_ref(c);
	pthread_mutex_unlock(&table_lock);
	return c;
}

void tg_ses_call_ref(struct tg_ses_call *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

/* ---- what was counted ---------------------------------------------------- */

static struct tg_ses_sums past;
static pthread_mutex_t past_lock = PTHREAD_MUTEX_INITIALIZER;

void tg_ses_sums_add(
		struct tg_ses_sums *s, enum tg_srtp_dir dir, const struct tg_srtp *ctx)
{
	const struct tg_srtp_counters *c = ctx ? tg_srtp_counters(ctx) : NULL;

	if(c == NULL)
		return;
	s->packets[dir] += c->rtp_packets;
	s->rtcp[dir] += c->rtcp_packets;
	s->octets[dir] += c->octets;
	for(int i = 0; i < TG_SRTP_RC_COUNT; i++)
		s->refused[dir][i] += c->refused[i];
	s->restarts += c->restarts;
	s->lifetime_warnings += c->lifetime_warnings;
	s->rekeys += c->rekeys;
}

void tg_ses_sums_past(struct tg_ses_sums *out)
{
	pthread_mutex_lock(&past_lock);
	*out = past;
	pthread_mutex_unlock(&past_lock);
}

static void sums_keep(const struct tg_ses_stream *st)
{
	pthread_mutex_lock(&past_lock);
	for(int dir = 0; dir < 2; dir++) {
		for(int i = 0; i < TG_SES_DROP_COUNT; i++)
			past.drop[dir][i] += st->drop[dir][i];
	}
	pthread_mutex_unlock(&past_lock);
}

void tg_ses_context_free(struct tg_srtp **ctx, enum tg_srtp_dir dir)
{
	if(*ctx == NULL)
		return;
	pthread_mutex_lock(&past_lock);
	tg_ses_sums_add(&past, dir, *ctx);
	pthread_mutex_unlock(&past_lock);
	tg_srtp_free(*ctx);
	*ctx = NULL;
}

/* ---- the end of a call --------------------------------------------------- */

static char nothing[1]; /* the name that takes no memory */

static void name_free(char *name)
{
	if(name != nothing)
		free(name);
}

static void stream_free(struct tg_ses_stream *st)
{
	if(st == NULL)
		return;
	tg_ses_stream_close(st);
	sums_keep(st);
	pthread_mutex_destroy(&st->lock);
	free(st->ice_password);
	name_free(st->proto);
	free(st);
}

static void leg_free(struct tg_ses_leg *leg)
{
	struct tg_ses_stream *next;

	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = next) {
		next = st->next;
		stream_free(st);
	}
	name_free(leg->tag);
	name_free(leg->branch);
	free(leg->names);
	free(leg);
}

void tg_ses_call_put(struct tg_ses_call *c)
{
	struct tg_ses_leg *leg, *next;

	if(c == NULL
			|| atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel)
					   != 1)
		return;
	for(leg = c->leg; leg != NULL; leg = next) {
		next = leg->next;
		leg_free(leg);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* True: it was in the table; the table's reference is the caller's now */
static bool take_out(struct tg_ses_call *c)
{
	struct tg_ses_call **p = &bucket[c->hash & (BUCKETS - 1)];
	bool found;

	pthread_mutex_lock(&table_lock);
	while(*p != NULL && *p != c)
		p = &(*p)->next;
	found = *p == c;
	if(found) {
		*p = c->next;
		n_calls--;
	}
	pthread_mutex_unlock(&table_lock);
	return found;
}

void tg_ses_call_end(struct tg_ses_call *c)
{
	bool listed = take_out(c);

	pthread_mutex_lock(&c->lock);
	c->dead = true;
	for(struct tg_ses_socket *s = c->socket; s != NULL; s = s->next)
		atomic_store(&s->mode, TG_SES_HELD);
	for(struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next)
		tg_ses_leg_close(leg);
	pthread_mutex_unlock(&c->lock);
	if(listed)
		tg_ses_call_put(c);
}

void tg_ses_call_end_if_idle(struct tg_ses_call *c)
{
	bool idle;

	pthread_mutex_lock(&c->lock);
	idle = c->n_sockets == 0 && c->busy == 0 && !c->dead;
	pthread_mutex_unlock(&c->lock);
	if(idle)
		tg_ses_call_end(c);
}

bool tg_ses_call_begin(struct tg_ses_call *c)
{
	bool ok;

	pthread_mutex_lock(&c->lock);
	ok = !c->dead && !c->restored;
	if(ok)
		c->busy++;
	pthread_mutex_unlock(&c->lock);
	return ok;
}

void tg_ses_call_done(struct tg_ses_call *c)
{
	pthread_mutex_lock(&c->lock);
	c->busy--;
	pthread_mutex_unlock(&c->lock);
	tg_ses_call_end_if_idle(c);
}

/* The calls of one bucket, each counted; NULL: none, or no memory */
static struct tg_ses_call **calls_of(size_t i, size_t *n)
{
	struct tg_ses_call **list = NULL;

	*n = 0;
	pthread_mutex_lock(&table_lock);
	for(struct tg_ses_call *c = bucket[i]; c != NULL; c = c->next)
		++*n;
	if(*n != 0)
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers */
		list = malloc(*n * sizeof(*list));
	*n = 0;
	for(struct tg_ses_call *c = bucket[i]; list && c != NULL; c = c->next) {
		tg_ses_call_ref(c);
		list[(*n)++] = c;
	}
	pthread_mutex_unlock(&table_lock);
	return list;
}

void tg_ses_calls_each(bool (*fn)(void *ctx, struct tg_ses_call *c), void *ctx)
{
	bool more = true;

	for(size_t i = 0; i < BUCKETS && more; i++) {
		size_t n;
		struct tg_ses_call **list = calls_of(i, &n);

		for(size_t j = 0; j < n; j++) {
			pthread_mutex_lock(&list[j]->lock);
			more = more && (list[j]->dead || fn(ctx, list[j]));
			pthread_mutex_unlock(&list[j]->lock);
			tg_ses_call_put(list[j]);
		}
		free(list);
	}
}

size_t tg_ses_calls_count(void)
{
	size_t n;

	pthread_mutex_lock(&table_lock);
	n = n_calls;
	pthread_mutex_unlock(&table_lock);
	return n;
}

/* ---- legs --------------------------------------------------------------- */

struct tg_ses_leg *tg_ses_leg_find(struct tg_ses_call *c, struct tg_span tag,
		struct tg_span branch, bool unanswered)
{
	struct tg_ses_leg *leg;

	if(tag.len != 0) {
		for(leg = c->leg; leg != NULL; leg = leg->next) {
			if(tg_span_eq(tag, tg_span_cstr(leg->tag)))
				return leg;
		}
	}
	for(leg = c->leg; leg != NULL && unanswered; leg = leg->next) {
		if(leg->tag[0] == '\0' && tg_span_eq(branch, tg_span_cstr(leg->branch)))
			break;
	}
	return unanswered ? leg : NULL;
}

struct tg_ses_leg *tg_ses_leg_of_branch(
		struct tg_ses_call *c, struct tg_span branch)
{
	struct tg_ses_leg *leg = c->leg;

	while(leg != NULL && !tg_span_eq(branch, tg_span_cstr(leg->branch)))
		leg = leg->next;
	return leg;
}

static bool copy_name(char *out, size_t octets, struct tg_span s)
{
	if(s.ptr == NULL)
		s.len = 0;
	if(s.len >= octets || (s.len != 0 && memchr(s.ptr, '\0', s.len) != NULL))
		return false;
	if(s.len != 0)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return true;
}

/* In place of what *out holds, which stays on failure */
static bool own_name(char **out, struct tg_span s)
{
	size_t octets = (s.ptr != NULL ? s.len : 0) + 1;
	char *name;

	if(octets > TG_SES_TAG_OCTETS_MAX + 1)
		return false;
	name = octets > 1 ? malloc(octets) : nothing;
	if(name == NULL || (octets > 1 && !copy_name(name, octets, s))) {
		name_free(name);
		return false;
	}
	name_free(*out);
	*out = name;
	return true;
}

bool tg_ses_leg_set_tag(struct tg_ses_leg *leg, struct tg_span tag)
{
	return own_name(&leg->tag, tag);
}

bool tg_ses_leg_set_profile(
		struct tg_ses_leg *leg, const struct tg_ng_profile *profile)
{
	struct tg_span peer = profile->peer, identity = profile->identity;
	char *names;

	if(peer.len > TG_SES_PEER_OCTETS_MAX
			|| identity.len > TG_SES_IDENTITY_OCTETS_MAX)
		return false;
	names = malloc(peer.len + identity.len + 2);
	if(names == NULL || !copy_name(names, peer.len + 1, peer)
			|| !copy_name(names + peer.len + 1, identity.len + 1, identity)) {
		free(names);
		return false;
	}
	leg->profile = *profile;
	leg->profile.peer = tg_span_cstr(names);
	leg->profile.identity = tg_span_cstr(names + peer.len + 1);
	free(leg->names); /* the profile given may have been its own */
	leg->names = names;
	leg->closed = false;
	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
		pthread_mutex_lock(&st->lock);
		st->replay_window = profile->replay_window;
		pthread_mutex_unlock(&st->lock);
	}
	return true;
}

/* Branches that ended hold nothing but their names */
static bool room_for_leg(const struct tg_ses_call *c)
{
	unsigned open = 0;

	for(const struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next)
		open += leg->closed ? 0 : 1;
	return open < TG_SES_LEGS_MAX && c->n_legs < TG_SES_LEGS_EVER_MAX;
}

struct tg_ses_leg *tg_ses_leg_new(struct tg_ses_call *c, struct tg_span tag,
		struct tg_span branch, const struct tg_ng_profile *profile)
{
	struct tg_ses_leg *leg;

	if(!room_for_leg(c))
		return NULL;
	leg = calloc(1, sizeof(*leg));
	if(leg == NULL)
		return NULL;
	if(!tg_ses_leg_set_tag(leg, tag) || !own_name(&leg->branch, branch)
			|| !tg_ses_leg_set_profile(leg, profile)) {
		leg_free(leg);
		return NULL;
	}
	leg->call = c;
	leg->next = c->leg;
	c->leg = leg;
	c->n_legs++;
	return leg;
}

/* Not only of st->socket: with ICE, and after a move, there are more */
static void set_mode(struct tg_ses_stream *st, enum tg_ses_mode mode)
{
	for(struct tg_ses_socket *s = st->leg->call->socket; s; s = s->next) {
		if(atomic_load(&s->stream) == st)
			atomic_store(&s->mode, (int)mode);
	}
}

void tg_ses_leg_close(struct tg_ses_leg *leg)
{
	leg->closed = true;
	for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
		pthread_mutex_lock(&st->lock);
		set_mode(st, TG_SES_HELD);
		tg_ses_stream_close(st);
		st->was_secured = false;
		pthread_mutex_unlock(&st->lock);
	}
}

/* ---- streams ------------------------------------------------------------ */

struct tg_ses_stream *tg_ses_stream_get(
		struct tg_ses_leg *leg, unsigned index, bool make)
{
	struct tg_ses_stream **at = &leg->stream, *st;

	if(index >= TG_SES_STREAMS_MAX)
		return NULL;
	while(*at != NULL && (*at)->index < index)
		at = &(*at)->next;
	if(*at != NULL && (*at)->index == index)
		return *at;
	st = make ? calloc(1, sizeof(*st)) : NULL;
	if(st == NULL)
		return NULL;
	pthread_mutex_init(&st->lock, NULL);
	st->leg = leg;
	st->index = (uint8_t)index;
	st->proto = nothing;
	st->replay_window = leg->profile.replay_window;
	st->next = *at;
	*at = st;
	return st;
}

bool tg_ses_stream_set_proto(struct tg_ses_stream *st, struct tg_span proto)
{
	return proto.len <= TG_SES_PROTO_OCTETS_MAX && own_name(&st->proto, proto);
}

bool tg_ses_stream_attach(struct tg_ses_stream *st, struct tg_ses_socket *s,
		enum tg_key_component component)
{
	struct tg_ses_stream *other = atomic_load(&s->stream);

	if(other != NULL && other != st)
		return false;
	pthread_mutex_lock(&st->lock);
	for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
		if(st->socket[i] == s && i != (int)component)
			st->socket[i] = NULL;
	}
	st->socket[component] = s;
	atomic_store(&s->component, (int)component);
	atomic_store(&s->stream, st);
	atomic_store(&s->mode, st->clear ? TG_SES_PLAIN : TG_SES_SECURED);
	pthread_mutex_unlock(&st->lock);
	return true;
}

/*
 * anew: the far end counts from zero under new keys (a DTLS association), so
 * the context of the old ones goes, with its roll-over counters.
 */
static enum tg_srtp_rc renew_tx(
		struct tg_ses_stream *st, const struct tg_srtp_keys *keys, int i)
{
	struct tg_srtp_config config = {
			.dir = TG_SRTP_TX, .ssrc_max = TG_SRTP_SSRC_MAX};
	bool anew = tg_key_kx(st->far.key) == TG_KX_DTLS;
	struct tg_srtp *next = NULL;
	enum tg_srtp_rc rc;

	if(st->far.tx[i] != NULL
			&& (!anew || tg_srtp_has_keys(st->far.tx[i], keys)))
		return tg_srtp_set_keys(st->far.tx[i], keys);
	next = tg_ses_fork_take_tx(st, keys);
	rc = next != NULL ? TG_SRTP_OK : tg_srtp_new(&config, keys, &next);
	if(rc != TG_SRTP_OK)
		return rc;
	tg_ses_context_free(&st->far.tx[i], TG_SRTP_TX);
	st->far.tx[i] = next;
	return TG_SRTP_OK;
}

static enum tg_srtp_rc renew_rx(
		struct tg_ses_stream *st, const struct tg_srtp_keys *keys, int i)
{
	struct tg_srtp_config config = {.dir = TG_SRTP_RX,
			.replay_window = st->replay_window,
			.ssrc_max = TG_SRTP_SSRC_MAX};

	if(st->far.rx[i] != NULL)
		return tg_srtp_set_keys(st->far.rx[i], keys);
	return tg_srtp_new(&config, keys, &st->far.rx[i]);
}

static enum tg_srtp_rc renew(struct tg_ses_stream *st, enum tg_key_component i)
{
	enum tg_srtp_rc rc = TG_SRTP_OK;
	struct tg_srtp_keys keys;

	if(tg_key_material(st->far.key, i, TG_SRTP_RX, &keys))
		rc = renew_rx(st, &keys, (int)i);
	else
		tg_ses_context_free(&st->far.rx[i], TG_SRTP_RX);
	if(!tg_key_material(st->far.key, i, TG_SRTP_TX, &keys))
		tg_ses_context_free(&st->far.tx[i], TG_SRTP_TX);
	else if(rc == TG_SRTP_OK)
		rc = renew_tx(st, &keys, (int)i);
	tg_srtp_keys_wipe(&keys);
	return rc;
}

enum tg_srtp_rc tg_ses_stream_rekey(struct tg_ses_stream *st)
{
	enum tg_srtp_rc rc;
	uint32_t generation;

	if(st->far.key == NULL)
		return TG_SRTP_NO_KEY;
	st->far.separate = tg_key_kx(st->far.key) == TG_KX_DTLS && !st->far.mux;
	if(!st->far.separate) {
		tg_ses_context_free(&st->far.rx[TG_KEY_RTCP], TG_SRTP_RX);
		tg_ses_context_free(&st->far.tx[TG_KEY_RTCP], TG_SRTP_TX);
	}
	generation = tg_key_generation(st->far.key);
	if(generation == st->far.generation)
		return TG_SRTP_OK;
	rc = renew(st, TG_KEY_RTP);
	if(rc == TG_SRTP_OK && st->far.separate)
		rc = renew(st, TG_KEY_RTCP);
	st->was_secured = st->was_secured || st->far.rx[TG_KEY_RTP] != NULL;
	if(rc == TG_SRTP_OK)
		st->far.generation = generation;
	else if(st->undo == NULL) /* else the one before takes its place again */
		tg_ses_stream_close(st);
	return rc;
}

void tg_ses_stream_mode(struct tg_ses_stream *st)
{
	set_mode(st, st->clear ? TG_SES_PLAIN : TG_SES_SECURED);
}

void tg_ses_stream_close(struct tg_ses_stream *st)
{
	for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
		tg_ses_context_free(&st->far.rx[i], TG_SRTP_RX);
		tg_ses_context_free(&st->far.tx[i], TG_SRTP_TX);
	}
	tg_ses_forks_free(st);
	tg_key_free(st->far.key);
	tg_ses_ice_free(&st->far);
	free(st->far.tag);
	st->far.key = NULL;
	st->far.tag = NULL;
	st->far.generation = 0;
	st->clear = false;
}
