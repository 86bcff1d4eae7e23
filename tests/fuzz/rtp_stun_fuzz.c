/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * STUN from anyone, while checks of our agent wait for their answers. The
 * input is one message, which is read as received and as sent, by an agent
 * that is full and by one that is lite. Without the passwords no input may
 * validate a pair.
 */
#include <stdint.h>
#include <stdlib.h>

#include "session/ice.h"
#include "session/packet.h"
#include "must.h"

/* Of the messages in the corpus, so that theirs are answers to checks */
static const uint8_t ids[][12] = {{0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6,
										  0x86, 0xfa, 0x87, 0xdf, 0xae},
		{0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct tg_key_host host;
static struct tg_ses_stream *st;
static struct tg_ses_socket *s;

static void note(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	(void)user;
	(void)component;
	(void)to;
	(void)octet;
	(void)octets;
	abort(); /* a ClientHello, without a validated pair */
}

static void begin(void)
{
	struct tg_ng_profile profile = {.level = TG_LEVEL_REQUIRED};
	struct tg_key_profile keys = {.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80}};
	struct tg_addr addr = {.family = 4};
	struct tg_ses_call *c;
	const char *why;

	host.send = note;
	host.cert = tg_key_cert_new_self_signed(&why);
	must(host.cert != NULL
			&& tg_srtp_global_init(TG_SRTP_ENGINE_EVP) == TG_SRTP_OK
			&& tg_ses_sockets_init(8) && tg_ses_calls_init());
	c = tg_ses_call_get(TG_SPAN("c"), true);
	must(c != NULL);
	pthread_mutex_lock(&c->lock);
	st = tg_ses_stream_get(
			tg_ses_leg_new(c, TG_SPAN("t"), TG_SPAN(""), &profile), 0, true);
	pthread_mutex_unlock(&c->lock);
	must(st != NULL);
	st->far.key = tg_key_new(TG_KX_DTLS, &keys, &host, st);
	must(st->far.key != NULL
			&& tg_ses_socket_bound(3, &addr, 30000, c, c->hash, TG_SES_HELD));
	s = tg_ses_socket_get(3);
	must(tg_ses_stream_attach(st, s, TG_KEY_RTP));
}

static void judge(const uint8_t *data, size_t len, bool lite)
{
	struct tg_key_path from = {.addr = {.family = 4}, .port = 4000};
	const struct tg_key_path *to = &tg_ses_ice_path;
	struct tg_ses_fork *f;

	/* a restart: nothing of the input before */
	must(tg_ses_ice_ours(st, true, lite, TG_SPAN("a password of ours"))
			&& tg_ses_ice_theirs(st, true, TG_SPAN("none"))
			&& tg_ses_ice_theirs(st, true, TG_SPAN("a password of theirs")));
	for(size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		uint8_t check[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};

		memcpy(check + 8, ids[i], sizeof(ids[i]));
		tg_ses_ice_sent(st, s, &from, check, sizeof(check));
	}
	tg_ses_ice_received(st, s, &from, data, len);
	tg_ses_ice_sent(st, s, &from, data, len);
	tg_ses_ice_received(st, s, &from, data, len);
	must(!tg_ses_ice_enter(st, s, &from, &f));
	must(tg_ses_ice_way(st, TG_KEY_RTP, &to) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1); /* its exact size, for sanitizers */

	if(st == NULL)
		begin();
	must(copy != NULL);
	if(len != 0)
		memcpy(copy, data, len);
	judge(copy, len, false);
	judge(copy, len, true);
	free(copy);
	return 0;
}
