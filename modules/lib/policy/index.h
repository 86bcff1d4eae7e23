/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding rules among many. Three tables, built once with the snapshot:
 *
 *   places  (prefix, SNI) -> groups of rules that ask for the same place
 *   names   identity, and what else a peer is called -> peers, a wildcard peer
 *           also under "*." and parent
 *   labels  section name -> object
 *
 * A place is looked up once for each prefix length that occurs, so the cost
 * does not grow with the number of rules.
 */
#ifndef TG_POLICY_INDEX_H
#define TG_POLICY_INDEX_H

#include "policy/decide.h"

/* What places rules of either kind (peers, clients) have in common */
struct tg_pol_place {
	const struct tg_pol_cidrs *address;
	const struct tg_pol_cidrs *listener;
	const struct tg_pol_spans *sni;
	unsigned transports;
	uint8_t tls_id; /* index of its TLS profile; TG_POL_TLS_NONE without */
	bool enforced;  /* mode = enforce: listed first in its group */
	bool resumption;
};

#define TG_POL_TLS_MAX 64 /* profiles in one policy: one bit each */
#define TG_POL_TLS_NONE 0xff

/* Rules with one prefix, one SNI and one set of listeners */
struct tg_pol_group {
	struct tg_cidr net; /* family 0: address = any */
	uint32_t next;      /* in the hash chain; index + 1 */
	uint32_t first;     /* of its rules in member[] */
	uint32_t n;
	const struct tg_span *sni;           /* NULL: any */
	const struct tg_pol_cidrs *listener; /* NULL: every one */
	uint64_t tls_mask;                   /* 1 << id of each rule's profile */
	uint32_t rule;       /* the first of its rules: mostly the only one */
	uint16_t transports; /* of all its rules together */
	bool audit;          /* not all of them enforce */
	bool resumption;     /* some of them may resume */
} __attribute__((aligned(64)));

struct tg_pol_places {
	struct tg_pol_group *group;
	size_t n_groups;
	uint32_t *member; /* ids of rules */
	uint32_t *head;   /* index + 1 */
	uint32_t mask;
	bool any;          /* some rule has address = any */
	bool sni;          /* some rule asks for an SNI */
	uint8_t n_bits[2]; /* prefix lengths in use for IPv4, IPv6, longest first */
	uint8_t bits4[33];
	uint8_t bits6[129];
};

/* What a name is to its peer */
enum tg_pol_name_kind {
	TG_POL_NAME_IDENTITY = 0,
	TG_POL_NAME_PARENT, /* of that identity; the peer takes wildcards */
	TG_POL_NAME_CALLED  /* the host of a next_hop, or a domain */
};

struct tg_pol_name_entry {
	uint32_t next;     /* of its chain; index + 1 */
	uint32_t peer;     /* index + 1; 0 in a head: an empty chain */
	uint16_t identity; /* index in the peer's list */
	uint8_t kind;      /* enum tg_pol_name_kind */
	uint8_t tag;       /* of the key's hash, so that others are passed by */
};

/* The first of each chain stands in its head */
struct tg_pol_names {
	struct tg_pol_name_entry *head;
	struct tg_pol_name_entry *entry; /* the others */
	size_t n;
	uint32_t mask;
};

/* Any array of objects that begin with their name */
struct tg_pol_labels {
	uint32_t *slot; /* index + 1; open addressing */
	uint32_t mask;
};

/* All of them: false only when memory is out. scratch may be dropped after */
bool tg_pol_places_build(struct tg_pol_places *out, struct tg_arena *arena,
		struct tg_arena *scratch, const struct tg_pol_place *place, size_t n)
		__attribute__((warn_unused_result));
/*
 * in: with listener and SNI; at: by address alone, the same tables where no
 * place asks for listener or SNI
 */
bool tg_pol_places_pair(struct tg_pol_places *in, struct tg_pol_places *at,
		struct tg_arena *arena, struct tg_arena *scratch,
		struct tg_pol_place *place, size_t n)
		__attribute__((warn_unused_result));
bool tg_pol_names_build(struct tg_pol_names *out, struct tg_arena *arena,
		struct tg_arena *scratch, const struct tg_pol_peer *peer, size_t n)
		__attribute__((warn_unused_result));
/*
 * Entries whose key may be this one, in turn, others among them; NULL ends.
 * at: NULL first, then what it gave before.
 */
const struct tg_pol_name_entry *tg_pol_names_next(
		const struct tg_pol_names *names, uint32_t hash,
		const struct tg_pol_name_entry *at);

bool tg_pol_labels_init(struct tg_pol_labels *l, struct tg_arena *arena,
		size_t n) __attribute__((warn_unused_result));
/*
 * objects: the array, size octets each, a struct tg_span name at the front of
 * each. put returns the index of an object of that name that is there
 * already, or i after adding it.
 */
size_t tg_pol_labels_put(
		struct tg_pol_labels *l, const void *objects, size_t size, size_t i);
/* SIZE_MAX: none */
size_t tg_pol_labels_find(const struct tg_pol_labels *l, const void *objects,
		size_t size, struct tg_span name);

/* Groups whose prefix, listener and SNI fit a connection, longest prefix first */
struct tg_pol_walk {
	const struct tg_pol_places *places;
	const struct tg_pol_conn *conn;
	const uint8_t *bits;
	uint8_t n_bits;
	uint8_t at;    /* next prefix length */
	uint8_t stage; /* SNI given, no SNI, address = any ... */
	uint32_t next; /* in the current chain; index + 1 */
	struct tg_cidr net;
	struct tg_span sni;
};

/* Outbound connections are not held against listener and SNI */
void tg_pol_walk_init(struct tg_pol_walk *w, const struct tg_pol_places *places,
		const struct tg_pol_conn *conn);
const struct tg_pol_group *tg_pol_walk_next(struct tg_pol_walk *w);

/* Do these lists hold it? any and an empty listener or SNI list hold all */
bool tg_pol_cidrs_hold(const struct tg_pol_cidrs *c, const struct tg_addr *a);
bool tg_pol_listener_holds(
		const struct tg_pol_cidrs *c, const struct tg_addr *a);
bool tg_pol_sni_holds(const struct tg_pol_spans *s, struct tg_span sni);

/* ASCII case does not count */
uint32_t tg_pol_hash(struct tg_span s);

/* What follows the first label; empty when there is but one */
struct tg_span tg_pol_parent_name(struct tg_span name);

#endif
