/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Values of keys: words, numbers, durations, names, prefixes, lists. Each
 * parser reports what it cannot take, at its column, and goes on.
 */
#ifndef TG_POLICY_VALUE_H
#define TG_POLICY_VALUE_H

#include "base/url.h"
#include "policy/build.h"

#define TG_LIST_MAX 1024

struct tg_word {
	const char *text;
	unsigned value;
};

/* One key of a kind of section */
struct tg_key {
	const char *name;
	/* Stores into the member at offset of the object */
	void (*take)(struct tg_build *b, const struct tg_key *k,
			const struct tg_ini_entry *e, void *object);
	size_t offset;
	const struct tg_word *words; /* of word, bits; ends with NULL */
	uint64_t min, max;           /* of numbers and durations */
	bool required;
};

/* enum in an unsigned; a word of the list */
void tg_take_word(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* unsigned; values of all words of a list, or-ed */
void tg_take_bits(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* bool; yes or no */
void tg_take_bool(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* uint8_t, uint16_t, uint32_t; decimal within min and max */
void tg_take_u8(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
void tg_take_u16(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
void tg_take_u32(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* uint8_t n of "2^n", n within min and max */
void tg_take_power(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* uint32_t; "10s", "500ms", "5m", "2h", "7d" */
void tg_take_seconds(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
void tg_take_milliseconds(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_span; letters, digits and what OpenSSL's lists are made of */
void tg_take_cipher_list(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* The same, and each group once, by the name that it mostly has */
void tg_take_groups(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_pol_cidrs; "any" alone, or prefixes */
void tg_take_cidrs(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_pol_spans; DNS names, stored in lower case without a last dot */
void tg_take_host_names(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* the same; "any" alone gives the empty list */
void tg_take_domains(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_pol_spans; HOST, HOST:PORT, [IPv6]:PORT */
void tg_take_next_hops(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_span; an http URL */
void tg_take_url(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);
/* struct tg_pol_spans; names of sections, not looked up here */
void tg_take_labels(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, void *object);

/*
 * The next item of a list: trimmed, without quotes. False at the end. A
 * missing item or quote is reported, and its item is empty.
 */
bool tg_list_next(
		struct tg_build *b, struct tg_span *rest, struct tg_span *item);
size_t tg_list_count(struct tg_span list);

/* Looks a word up; SIZE_MAX and an error that lists the words when unknown */
size_t tg_word_find(
		struct tg_build *b, const struct tg_key *k, struct tg_span item);

/* Host part of a next hop, and its port or 0. False on bad form */
bool tg_next_hop_split(
		struct tg_span item, struct tg_span *host, uint16_t *port);

#endif
