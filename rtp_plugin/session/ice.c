/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/ice.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "session/fork.h"
#include "session/packet.h"

/* STUN, RFC 8489 sections 5 and 14 */
#define HEADER_OCTETS 20
#define ID_AT 8
#define ID_OCTETS 12
#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101
#define BINDING_ERROR 0x0111
#define MESSAGE_INTEGRITY 0x0008
#define MAC_OCTETS 20
#define FINGERPRINT 0x8028
#define FINGERPRINT_OCTETS 8 /* with its head */
#define USE_CANDIDATE 0x0025 /* RFC 8445 section 16.1 */
#define MESSAGE_OCTETS_MAX 1500

const struct tg_key_path tg_ses_ice_path = {.addr = {.family = 4}, .port = 9};

struct check {
	struct tg_ses_socket *socket; /* NULL: vacant */
	struct tg_key_path to;
	uint8_t id[ID_OCTETS];
	bool nominates;
};

struct pair {
	struct tg_ses_socket *socket;
	struct tg_key_path remote;
};

struct tg_ses_ice {
	struct check check[TG_SES_ICE_CHECKS];
	unsigned next_check;
	struct pair pair[TG_SES_ICE_PAIRS];
	unsigned n_pairs, next_pair;
	/* by component; socket NULL: none */
	struct pair way[TG_KEY_COMPONENTS];
	struct pair wanted[TG_KEY_COMPONENTS]; /* nominated before it was valid */
	uint8_t asked[ID_OCTETS];              /* id of its latest request, if */
	bool has_asked;                        /* there was one */
	size_t password_octets;
	char password[TG_SES_ICE_PASSWORD_MAX];
};

/* ---- STUN --------------------------------------------------------------- */

struct message {
	unsigned type;
	const uint8_t *id;
	bool nominates;
	size_t mac_at; /* of the attribute's value; 0: none */
	size_t end;    /* of what was read: up to the MAC, or all of it */
	const uint8_t *octet;
};

static unsigned two(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Attributes up to MESSAGE-INTEGRITY: what follows it is not protected */
static bool read_message(
		const uint8_t *octet, size_t octets, struct message *out)
{
	size_t at = HEADER_OCTETS;

	if(octets < HEADER_OCTETS || octets > MESSAGE_OCTETS_MAX)
		return false;
	*out = (struct message){
			.type = two(octet), .id = octet + ID_AT, .octet = octet};
	while(at + 4 <= octets && out->mac_at == 0) {
		unsigned type = two(octet + at), n = two(octet + at + 2);

		at += 4;
		if(n > octets - at)
			return false;
		if(type == USE_CANDIDATE)
			out->nominates = true;
		if(type == MESSAGE_INTEGRITY && n == MAC_OCTETS)
			out->mac_at = at;
		at += (n + 3u) & ~3u;
	}
	out->end = at;
	return true;
}

/* CRC-32 as in ISO 3309, RFC 8489 section 14.7 */
static uint32_t crc32(const uint8_t *octet, size_t octets)
{
	uint32_t crc = UINT32_MAX;

	for(size_t i = 0; i < octets; i++) {
		crc ^= octet[i];
		for(int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc ^ 0x5354554eu;
}

/* Behind what a MAC covers stands a right FINGERPRINT, or nothing */
static bool is_whole(const struct message *m, size_t octets)
{
	const uint8_t *p = m->octet + m->end;

	if(m->mac_at == 0 || m->end == octets)
		return m->end == octets;
	return m->end + FINGERPRINT_OCTETS == octets && two(p) == FINGERPRINT
		   && two(p + 2) == FINGERPRINT_OCTETS - 4
		   && ((uint32_t)two(p + 4) << 16 | two(p + 6))
					  == crc32(m->octet, m->end);
}

/* RFC 8489 section 14.5: HMAC-SHA1 over all before it, with a length that
 * ends behind it; the key of a short-term credential is the password */
static bool is_from(
		const struct message *m, const char *password, size_t octets)
{
	uint8_t text[MESSAGE_OCTETS_MAX], mac[EVP_MAX_MD_SIZE];
	size_t n = m->mac_at - 4, length = m->mac_at + MAC_OCTETS - HEADER_OCTETS;
	unsigned mac_octets = 0;

	if(m->mac_at == 0 || octets == 0)
		return false;
	memcpy(text, m->octet, n);
	text[2] = (uint8_t)(length >> 8);
	text[3] = (uint8_t)length;
	return HMAC(EVP_sha1(), password, (int)octets, text, n, mac, &mac_octets)
		   && mac_octets == MAC_OCTETS
		   && CRYPTO_memcmp(mac, m->octet + m->mac_at, MAC_OCTETS) == 0;
}

/* ---- pairs -------------------------------------------------------------- */

static bool same_path(const struct tg_key_path *a, const struct tg_key_path *b)
{
	return a->port == b->port && tg_addr_eq(&a->addr, &b->addr);
}

static struct pair *find(struct tg_ses_ice *ice, const struct tg_ses_socket *s,
		const struct tg_key_path *remote)
{
	for(unsigned i = 0; i < ice->n_pairs; i++) {
		if(ice->pair[i].socket == s && same_path(&ice->pair[i].remote, remote))
			return &ice->pair[i];
	}
	return NULL;
}

static enum tg_key_component component_of(struct tg_ses_socket *s)
{
	return (enum tg_key_component)atomic_load(&s->component);
}

static void start(struct tg_ses_stream *st, enum tg_key_component c)
{
	if(st->far.key == NULL || tg_key_kx(st->far.key) != TG_KX_DTLS)
		return;
	tg_key_connect(st->far.key, c, &tg_ses_ice_path, tg_ses_now_ms());
	tg_ses_timers_on();
}

static void use(struct tg_ses_stream *st, const struct pair *p)
{
	enum tg_key_component c = component_of(p->socket);

	st->far.agent->way[c] = *p;
	start(st, c);
}

/* nominated: the pair that media goes by from now on */
static void validate(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *remote, bool nominated)
{
	struct tg_ses_ice *ice = st->far.agent;
	struct pair *p = find(ice, s, remote);
	const struct pair *wanted = &ice->wanted[component_of(s)];

	if(p == NULL) {
		p = ice->n_pairs < TG_SES_ICE_PAIRS
					? &ice->pair[ice->n_pairs++]
					: &ice->pair[ice->next_pair++ % TG_SES_ICE_PAIRS];
		*p = (struct pair){.socket = s, .remote = *remote};
	}
	if(wanted->socket == s && same_path(&wanted->remote, remote))
		nominated = true;
	if(nominated || ice->way[component_of(s)].socket == NULL)
		use(st, p);
}

/* ---- messages ----------------------------------------------------------- */

static struct check *find_check(struct tg_ses_ice *ice, const uint8_t *id)
{
	for(unsigned i = 0; i < TG_SES_ICE_CHECKS; i++) {
		if(ice->check[i].socket != NULL
				&& CRYPTO_memcmp(ice->check[i].id, id, ID_OCTETS) == 0)
			return &ice->check[i];
	}
	return NULL;
}

/* True: it was the answer to a check, from where and whom it should be */
static bool take_success(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, const struct message *m)
{
	struct tg_ses_ice *ice = st->far.agent;
	struct check *c = ice != NULL ? find_check(ice, m->id) : NULL;

	if(c == NULL || c->socket != s || !same_path(&c->to, from)
			|| !is_from(m, ice->password, ice->password_octets))
		return false;
	c->socket = NULL;
	validate(st, s, from, c->nominates);
	return true;
}

/* The far end controls and has chosen. Where our agent is lite, that is all
 * there is. True: taken */
static bool take_nomination(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, const struct message *m)
{
	struct tg_ses_ice *ice = st->far.agent;
	struct pair *p = ice != NULL ? find(ice, s, from) : NULL;

	if(ice == NULL || !m->nominates || st->ice_password == NULL
			|| !is_from(m, st->ice_password, strlen(st->ice_password)))
		return false;
	if(p != NULL)
		use(st, p);
	else if(st->ice_lite)
		validate(st, s, from, true);
	else
		ice->wanted[component_of(s)] =
				(struct pair){.socket = s, .remote = *from};
	return true;
}

void tg_ses_ice_received(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets)
{
	bool (*take)(struct tg_ses_stream *, struct tg_ses_socket *,
			const struct tg_key_path *, const struct message *);
	struct message m;

	if(!read_message(octet, octets, &m)
			|| (m.type != BINDING_SUCCESS && m.type != BINDING_REQUEST))
		return;
	take = m.type == BINDING_SUCCESS ? take_success : take_nomination;
	if(take(st, s, from, &m))
		return;
	for(struct tg_ses_fork *f = st->fork; f != NULL; f = f->next) {
		bool taken;

		tg_ses_fork_swap(st, f);
		taken = take(st, s, from, &m);
		tg_ses_fork_swap(st, f);
		if(taken)
			return;
	}
}

void tg_ses_ice_sent(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	struct tg_ses_ice *ice = st->far.agent;
	struct message m;
	struct check *c;

	if(ice == NULL || !read_message(octet, octets, &m)
			|| m.type != BINDING_REQUEST)
		return;
	c = find_check(ice, m.id);
	if(c == NULL)
		c = &ice->check[ice->next_check++ % TG_SES_ICE_CHECKS];
	*c = (struct check){.socket = s, .to = *to, .nominates = m.nominates};
	memcpy(c->id, m.id, ID_OCTETS);
}

/* ---- whose message it is ------------------------------------------------ */

/* Under the far end's password; an error response also without a MAC, to a
 * request that went there */
static bool is_theirs(struct tg_ses_ice *ice, const struct tg_ses_socket *s,
		const struct tg_key_path *from, const struct message *m)
{
	const struct check *c;

	if(ice == NULL || m->mac_at != 0)
		return ice != NULL && is_from(m, ice->password, ice->password_octets);
	if(m->type != BINDING_ERROR)
		return false;
	c = find_check(ice, m->id);
	return c != NULL && c->socket == s && same_path(&c->to, from);
}

static bool is_of_a_far_end(struct tg_ses_stream *st,
		const struct tg_ses_socket *s, const struct tg_key_path *from,
		const struct message *m)
{
	bool theirs = is_theirs(st->far.agent, s, from, m);

	for(struct tg_ses_fork *f = st->fork; f != NULL && !theirs; f = f->next)
		theirs = is_theirs(f->far.agent, s, from, m);
	return theirs;
}

/* Under our agent's; an error response also without one, to the latest request
 * that came */
static bool is_of_ours(const struct tg_ses_stream *st, const struct message *m)
{
	if(m->mac_at == 0)
		return m->type == BINDING_ERROR && st->far.agent != NULL
			   && st->far.agent->has_asked
			   && memcmp(st->far.agent->asked, m->id, ID_OCTETS) == 0;
	return st->ice_password != NULL
		   && is_from(m, st->ice_password, strlen(st->ice_password));
}

bool tg_ses_ice_may_pass(struct tg_ses_stream *st, bool in,
		const struct tg_ses_socket *s, const struct tg_key_path *path,
		const uint8_t *octet, size_t octets)
{
	struct message m;
	bool ours, theirs;

	if(!read_message(octet, octets, &m) || !is_whole(&m, octets)
			|| (m.type != BINDING_REQUEST && m.type != BINDING_SUCCESS
					&& m.type != BINDING_ERROR))
		return false;
	/* who asks uses the other's password, who answers its own; but errors
	 * of rtpengine's have the one of whoever asked */
	ours = m.type == BINDING_ERROR || in == (m.type == BINDING_REQUEST);
	theirs = m.type == BINDING_ERROR || !ours;
	if(!(ours && is_of_ours(st, &m))
			&& !(theirs && is_of_a_far_end(st, s, path, &m)))
		return false;
	if(in && m.type == BINDING_REQUEST && st->far.agent != NULL) {
		memcpy(st->far.agent->asked, m.id, ID_OCTETS);
		st->far.agent->has_asked = true;
	}
	return true;
}

/* ---- what descriptions said --------------------------------------------- */

bool tg_ses_ice_on(const struct tg_ses_stream *st)
{
	return st->ice && (st->far.ice || st->ice_asked);
}

bool tg_ses_ice_ours(
		struct tg_ses_stream *st, bool ice, bool lite, struct tg_span password)
{
	char *copy = NULL;

	if(ice) {
		copy = malloc(password.len + 1);
		if(copy == NULL)
			return false;
		if(password.len != 0)
			memcpy(copy, password.ptr, password.len);
		copy[password.len] = '\0';
	}
	free(st->ice_password);
	st->ice_password = copy;
	st->ice = ice;
	st->ice_lite = lite;
	return true;
}

static void free_agent(struct tg_ses_ice *ice)
{
	if(ice != NULL)
		tg_wipe(ice, sizeof(*ice));
	free(ice);
}

void tg_ses_ice_free(struct tg_ses_far *far)
{
	free_agent(far->agent);
	far->agent = NULL;
}

bool tg_ses_ice_theirs(
		struct tg_ses_stream *st, bool ice, struct tg_span password)
{
	struct tg_ses_ice *a = st->far.agent;

	st->far.ice = ice;
	st->ice_asked = false;
	if(!ice) {
		tg_ses_ice_free(&st->far);
		return true;
	}
	if(password.len > TG_SES_ICE_PASSWORD_MAX)
		return false;
	if(a != NULL
			&& tg_span_eq(
					password, tg_span_of(a->password, a->password_octets)))
		return true;
	tg_ses_ice_free(&st->far);
	a = calloc(1, sizeof(*a));
	if(a == NULL)
		return false;
	if(password.len != 0)
		memcpy(a->password, password.ptr, password.len);
	a->password_octets = password.len;
	st->far.agent = a;
	return true;
}

/* ---- ways --------------------------------------------------------------- */

static bool is_ours(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from)
{
	struct tg_ses_ice *ice = st->far.agent;
	struct pair *p =
			ice != NULL && tg_ses_ice_on(st) ? find(ice, s, from) : NULL;

	if(p != NULL)
		ice->way[component_of(s)] = *p;
	return p != NULL;
}

bool tg_ses_ice_enter(struct tg_ses_stream *st, struct tg_ses_socket *s,
		const struct tg_key_path *from, struct tg_ses_fork **f)
{
	*f = NULL;
	if(is_ours(st, s, from))
		return true;
	for(*f = st->fork; *f != NULL; *f = (*f)->next) {
		tg_ses_fork_swap(st, *f);
		if(is_ours(st, s, from))
			return true;
		tg_ses_fork_swap(st, *f);
	}
	return false;
}

void tg_ses_ice_connect(struct tg_ses_stream *st)
{
	if(st->far.agent == NULL)
		return;
	for(int c = 0; c < TG_KEY_COMPONENTS; c++) {
		if(st->far.agent->way[c].socket != NULL)
			start(st, (enum tg_key_component)c);
	}
}

struct tg_ses_socket *tg_ses_ice_way(const struct tg_ses_stream *st,
		enum tg_key_component component, const struct tg_key_path **to)
{
	const struct pair *p;

	if(!tg_ses_ice_on(st)) /* of an exchange that began with ICE: nowhere */
		return same_path(*to, &tg_ses_ice_path) ? NULL : st->socket[component];
	if(st->far.agent == NULL)
		return NULL;
	p = &st->far.agent->way[component];
	*to = &p->remote;
	return p->socket;
}

static void forget(struct tg_ses_ice *ice, const struct tg_ses_socket *s)
{
	unsigned kept = 0;

	for(unsigned i = 0; i < TG_SES_ICE_CHECKS; i++) {
		if(ice->check[i].socket == s)
			ice->check[i].socket = NULL;
	}
	for(unsigned i = 0; i < ice->n_pairs; i++) {
		if(ice->pair[i].socket != s)
			ice->pair[kept++] = ice->pair[i];
	}
	ice->n_pairs = kept;
	for(int c = 0; c < TG_KEY_COMPONENTS; c++) {
		if(ice->way[c].socket == s)
			ice->way[c].socket = NULL;
		if(ice->wanted[c].socket == s)
			ice->wanted[c].socket = NULL;
	}
}

void tg_ses_ice_forget(struct tg_ses_stream *st, const struct tg_ses_socket *s)
{
	if(st->far.agent != NULL)
		forget(st->far.agent, s);
	for(struct tg_ses_fork *f = st->fork; f != NULL; f = f->next) {
		if(f->far.agent != NULL)
			forget(f->far.agent, s);
	}
}
