/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DTLS-SRTP. Refuses everything until the handshake lands: no object is made,
 * no offer is taken.
 */
#include "keying/internal.h"

struct tg_key *tg_dtls_new(const struct tg_key_profile *profile,
		const struct tg_key_host *host, void *user)
{
	(void)profile;
	(void)host;
	(void)user;
	return NULL;
}

enum tg_key_rc tg_dtls_can_take(
		const struct tg_key_profile *profile, const struct tg_sdp_media *m)
{
	(void)profile;
	(void)m;
	return TG_KEY_NONE;
}

void tg_dtls_set_components(struct tg_key *k, bool r)
{
	(void)k;
	(void)r;
}
void tg_dtls_connect(struct tg_key *k, enum tg_key_component c,
		const struct tg_key_path *t, uint64_t n)
{
	(void)k;
	(void)c;
	(void)t;
	(void)n;
}
void tg_dtls_datagram(struct tg_key *k, enum tg_key_component c,
		const struct tg_key_path *f, const uint8_t *o, size_t l, uint64_t n)
{
	(void)k;
	(void)c;
	(void)f;
	(void)o;
	(void)l;
	(void)n;
}
int64_t tg_dtls_timeout_ms(const struct tg_key *k, uint64_t n)
{
	(void)k;
	(void)n;
	return -1;
}
void tg_dtls_tick(struct tg_key *k, uint64_t n)
{
	(void)k;
	(void)n;
}
bool tg_dtls_peer(
		const struct tg_key *k, enum tg_key_component c, struct tg_key_path *o)
{
	(void)k;
	(void)c;
	(void)o;
	return false;
}
void tg_dtls_facts(const struct tg_key *k, struct tg_key_facts *out)
{
	(void)k;
	(void)out;
}
