/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The language of the policy as tables: kinds of sections, their keys, and
 * the words they take.
 */
#ifndef TG_POLICY_SCHEMA_H
#define TG_POLICY_SCHEMA_H

#include "policy/value.h"

/* Places in the table of [trust] */
enum tg_trust_key {
	TG_TRUST_KEY_CA_FILE = 0,
	TG_TRUST_KEY_CRL_FILE,
	TG_TRUST_KEY_OCSP,
	TG_TRUST_KEY_REVOCATION,
	TG_TRUST_KEY_STALE_GRACE,
	TG_TRUST_KEY_RESPONDER,
	TG_TRUST_KEY_ALLOW, /* this one and those below are of ocsp = fetch */
	TG_TRUST_KEY_NONCE,
	TG_TRUST_KEY_TIMEOUT,
	TG_TRUST_KEY_MAX_OCTETS,
	TG_TRUST_KEY_REFRESH,
	TG_TRUST_KEY_MAX_PENDING,
	TG_TRUST_KEYS
};

/* Places in the table of [route]; other kinds have theirs in policy.h */
enum tg_route_key {
	TG_ROUTE_KEY_PEERS = 0,
	TG_ROUTE_KEY_ROLES,
	TG_ROUTE_KEY_CLIENTS,
	TG_ROUTE_KEY_CLASSES,
	TG_ROUTE_KEY_TLS,
	TG_ROUTE_KEY_MEDIA
};

struct tg_kind_info {
	const char *name;
	const struct tg_key *key;
	size_t n_keys;
	size_t object_octets;
	size_t line_offset; /* of a uint16_t line[n_lines] */
	size_t n_lines;     /* keys whose line is kept: the first ones */
	bool named;         /* [kind name]; else [kind], once */
};

extern const struct tg_kind_info tg_kind_info[TG_KINDS];

/* TG_KINDS: no such kind */
enum tg_kind tg_kind_by_name(struct tg_span name);

/*
 * Fills object from the entries of a section: unknown and repeated keys,
 * missing required ones and values out of place are reported.
 */
void tg_schema_fill(struct tg_build *b, enum tg_kind kind, struct tg_made *made,
		void *object);

/* Was this key of the section given? key: its place in the kind's table */
static inline bool tg_made_has(const struct tg_made *m, size_t key)
{
	return m->set >> key & 1;
}

/* struct tg_pol_blob arrays of a trust, read through the host; files.c */
void tg_take_ca_files(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
void tg_take_crl_files(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_span: the path of a file that is not read here */
void tg_take_path(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);

#endif
