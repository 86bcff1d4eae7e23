/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The DTLS association of one component: the sources that try, the one that
 * wins, its keys.
 *
 *	       begin()                  first handshake that is done
 *	 idle ---------> trying ---------------------------> won (keys)
 *	                 |    ^  retries while active         |
 *	                 v    |                               | begin(): keys
 *	               failed-+  begin()                      v stay till the
 *	                                                   trying  next win
 */
#ifndef TG_KEYING_ASSOCIATION_H
#define TG_KEYING_ASSOCIATION_H

#include "keying/handshake.h"

enum tg_dtls_role {
	TG_DTLS_UNDECIDED = 0, /* our offer is out: either side may begin */
	TG_DTLS_ACTIVE,
	TG_DTLS_PASSIVE
};

struct tg_association {
	struct tg_handshake_owner *owner;
	enum tg_key_component component;
	enum tg_dtls_role role;
	bool open; /* handshakes are wanted or wait for the answer */
	bool failed;
	struct tg_handshake candidate[TG_KEY_CANDIDATES];
	struct tg_handshake listener; /* passive: for sources without a cookie */
	bool has_to;
	struct tg_key_path to;
	bool started; /* active */
	uint64_t started_ms;
	uint64_t retry_ms; /* active: when to try again; 0: not waiting */
	bool has_keys;
	bool won;        /* the keys are of the present association */
	uint64_t now_ms; /* when it was called last */
	uint64_t won_ms;
	struct tg_key_path peer; /* of the keys */
	struct tg_srtp_keys rx;
	struct tg_srtp_keys tx;
};

void tg_association_init(struct tg_association *a,
		struct tg_handshake_owner *owner, enum tg_key_component component);
/* Wipes; notify: says good-bye to the peer */
void tg_association_deinit(struct tg_association *a, bool notify);

/*
 * A new association with that role. Keys in force stay until it has its own.
 * Handshakes that came before the answer go on when the role is passive.
 */
void tg_association_begin(struct tg_association *a, enum tg_dtls_role role);

/* The owner's fingerprint became known or changed: judge what is done */
void tg_association_judge(struct tg_association *a);

void tg_association_connect(struct tg_association *a,
		const struct tg_key_path *to, uint64_t now_ms);
void tg_association_datagram(struct tg_association *a,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms);
int64_t tg_association_timeout_ms(
		const struct tg_association *a, uint64_t now_ms);
void tg_association_tick(struct tg_association *a, uint64_t now_ms);

#endif
