/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bencode as rtpengine's ng protocol uses it: strict, bounded, order kept.
 * Integers without leading zeros or "-0"; string lengths without leading
 * zeros; dictionary keys are strings, in the order of the input (ng does not
 * sort), each once; no octet may follow the value.
 */
#ifndef TG_NG_BENCODE_H
#define TG_NG_BENCODE_H

#include "base/arena.h"
#include "base/span.h"

#define TG_BEN_OCTETS_MAX 65535
#define TG_BEN_DEPTH_MAX 32
#define TG_BEN_ITEMS_MAX 8192

enum tg_ben_type {
	TG_BEN_NONE = 0,
	TG_BEN_STRING,
	TG_BEN_INTEGER,
	TG_BEN_LIST,
	TG_BEN_DICT,
	TG_BEN_WHOLE /* what was passed over, see tg_ben_decode_top() */
};

struct tg_ben {
	enum tg_ben_type type;
	struct tg_span key;    /* in a dictionary */
	struct tg_span string; /* TG_BEN_STRING; of TG_BEN_WHOLE all octets */
	int64_t integer;       /* TG_BEN_INTEGER */
	struct tg_ben *child;  /* first of a list or dictionary */
	struct tg_ben *next;   /* sibling */
};

enum tg_ben_rc {
	TG_BEN_OK = 0,
	TG_BEN_MALFORMED,
	TG_BEN_TOO_LARGE,
	TG_BEN_NO_MEMORY
};

enum tg_ben_rc tg_ben_decode(struct tg_span text, struct tg_arena *arena,
		struct tg_ben **out) __attribute__((warn_unused_result));
/*
 * The same for who wants the entries of the outermost dictionary alone: lists
 * without dictionaries in it are checked and kept as they stand.
 */
enum tg_ben_rc tg_ben_decode_top(struct tg_span text, struct tg_arena *arena,
		struct tg_ben **out) __attribute__((warn_unused_result));
/* Dictionaries in it, too, and whether their keys differ is not looked at: for
 * what the daemon itself wrote */
enum tg_ben_rc tg_ben_decode_glance(struct tg_span text, struct tg_arena *arena,
		struct tg_ben **out) __attribute__((warn_unused_result));
/* Into the arena; ptr NULL: out of memory */
struct tg_span tg_ben_encode(const struct tg_ben *root, struct tg_arena *arena);
/* As ng sends it: behind a cookie and a blank */
struct tg_span tg_ben_encode_message(struct tg_span cookie,
		const struct tg_ben *root, struct tg_arena *arena);

/* NULL when absent or dict is no dictionary */
struct tg_ben *tg_ben_get(const struct tg_ben *dict, const char *key);
/* Empty span when absent or no string */
struct tg_span tg_ben_get_string(const struct tg_ben *dict, const char *key);
/* Takes the entry out; false when absent */
bool tg_ben_remove(struct tg_ben *dict, const char *key);
/* Sets or appends; value is borrowed until encoding. False: out of memory */
bool tg_ben_set_string(struct tg_ben *dict, struct tg_arena *arena,
		const char *key, struct tg_span value);

/* A new value in the arena, NULL when memory is out */
struct tg_ben *tg_ben_new(struct tg_arena *arena, enum tg_ben_type type);
bool tg_ben_append(struct tg_ben *list, struct tg_ben *item);

#endif
