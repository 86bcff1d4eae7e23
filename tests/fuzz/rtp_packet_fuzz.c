/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Datagrams from anyone at the sockets of three legs: one with keys by SDES,
 * one that waits for a DTLS handshake, one that waits for it with ICE. The
 * input is a row of records:
 *
 *   what (1 octet)  octets (2, network order)  datagram
 *
 * of what: bits 0-1 the leg, bit 2 sent by the daemon (else received), bit 3
 * the address of the other side, bit 4 a right MESSAGE-INTEGRITY is put
 * behind the datagram, which becomes STUN.
 *
 * Without the keys nothing received passes, but STUN that one of the two
 * agents signed or an error to a request of theirs; nothing leaves as it was.
 */
#include <openssl/hmac.h>
#include <stdlib.h>

#include "session/ice.h"
#include "session/packet.h"
#include "must.h"

#define LEGS 3
#define ROOM 2048 /* of a datagram */
#define OURS "a password of ours, 22"
#define THEIRS "a password of theirs, 22"

enum { SENT = 4, OTHER_ADDRESS = 8, SIGNED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct tg_key_host host;
static struct {
	struct tg_ses_stream *stream;
	struct tg_ses_socket *socket;
} leg[LEGS];

static void no_send(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	(void)user;
	(void)component;
	(void)to;
	(void)octet;
	(void)octets;
}

/* The far end's offer */
static void agree(struct tg_key *key, const char *text)
{
	struct tg_key_lines lines;
	struct tg_arena arena;
	struct tg_sdp sdp;

	tg_arena_init(&arena, &tg_alloc_libc, 0);
	must(tg_sdp_parse(tg_span_cstr(text), &arena, &sdp) == TG_SDP_OK);
	must(tg_key_take_offer(key, &sdp.media[0]) == TG_KEY_OK);
	must(tg_key_answer(key, false, &lines) == TG_KEY_OK);
	tg_arena_deinit(&arena);
}

static void open_leg(int i, struct tg_ses_call *c)
{
	static const char sdes[] =
			"v=0\r\nm=audio 9 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
			"inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
	static const char dtls[] =
			"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVP 0\r\na=setup:active\r\n"
			"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"
			"EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
	struct tg_ng_profile profile = {.level = TG_LEVEL_REQUIRED};
	struct tg_key_profile keys = {.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80}};
	struct tg_ses_stream *st = tg_ses_stream_get(
			tg_ses_leg_new(c, TG_SPAN("t"), TG_SPAN(""), &profile), 0, true);

	must(st != NULL);
	st->far.key = tg_key_new(i ? TG_KX_DTLS : TG_KX_SDES, &keys, &host, st);
	must(st->far.key != NULL);
	agree(st->far.key, i ? dtls : sdes);
	must(tg_ses_stream_rekey(st) == TG_SRTP_OK);
	leg[i].stream = st;
	must(tg_ses_stream_attach(st, leg[i].socket, TG_KEY_RTP));
	atomic_store(&leg[i].socket->mode, TG_SES_SECURED);
}

static void begin_once(void)
{
	const char *why;

	if(host.cert != NULL)
		return;
	host.send = no_send;
	host.cert = tg_key_cert_new_self_signed(&why);
	must(host.cert != NULL
			&& tg_srtp_global_init(TG_SRTP_ENGINE_EVP) == TG_SRTP_OK
			&& tg_ses_sockets_init(LEGS) && tg_ses_calls_init());
}

static struct tg_ses_call *open_call(void)
{
	struct tg_addr addr = {.family = 4};
	struct tg_ses_call *c = tg_ses_call_get(TG_SPAN("c"), true);

	must(c != NULL);
	for(int i = 0; i < LEGS; i++) {
		must(tg_ses_socket_bound(
				i, &addr, (uint16_t)(30000 + i), c, c->hash, TG_SES_HELD));
		leg[i].socket = tg_ses_socket_get(i);
	}
	pthread_mutex_lock(&c->lock);
	for(int i = 0; i < LEGS; i++)
		open_leg(i, c);
	pthread_mutex_unlock(&c->lock);
	must(leg[0].stream->far.rx[0] != NULL);
	must(tg_ses_ice_ours(leg[2].stream, true, false, TG_SPAN(OURS))
			&& tg_ses_ice_theirs(leg[2].stream, true, TG_SPAN(THEIRS)));
	return c;
}

static void close_call(struct tg_ses_call *c)
{
	tg_ses_call_end(c);
	for(int i = 0; i < LEGS; i++) {
		tg_ses_socket_put(leg[i].socket);
		tg_ses_socket_closed(i);
	}
	tg_ses_call_put(c);
	must(tg_ses_calls_count() == 0);
}

/* RFC 8489 14.5: requests by the password of whom they are for */
static size_t sign(uint8_t *p, size_t n, bool sent)
{
	bool request = (p[0] & 1) == 0 && (p[1] & 16) == 0;
	const char *password = request == sent ? THEIRS : OURS;
	unsigned octets = 0;

	n &= ~(size_t)3;
	p[0] &= 63;
	p[2] = (uint8_t)((n + 4) >> 8);
	p[3] = (uint8_t)(n + 4);
	p[4] = 0x21, p[5] = 0x12, p[6] = 0xa4, p[7] = 0x42;
	p[n] = 0, p[n + 1] = 8, p[n + 2] = 0, p[n + 3] = 20;
	must(HMAC(EVP_sha1(), password, (int)strlen(password), p, n, p + n + 4,
				 &octets)
			!= NULL);
	return n + 24;
}

static bool is_error(const uint8_t *p)
{
	return p[0] == 1 && p[1] == 0x11;
}

static void one(int i, uint8_t what, const uint8_t *data, size_t n)
{
	struct tg_key_path path = {.addr = {.family = 4}, .port = 4000};
	bool sent = what & SENT, as_signed = what & SIGNED && n >= 20;
	uint8_t was[ROOM], *packet = malloc(ROOM);
	enum tg_ses_verdict v;
	size_t before;

	must(packet != NULL);
	path.addr.octet[3] = what & OTHER_ADDRESS ? 2 : 1;
	memcpy(packet, data, n);
	if(as_signed)
		n = sign(packet, n, sent);
	before = n;
	memcpy(was, packet, n);
	v = sent ? tg_ses_packet_out(leg[i].socket, &path, packet, &n, ROOM)
			 : tg_ses_packet_in(leg[i].socket, &path, packet, &n);
	must(v != TG_SES_AS_IS);
	if(v == TG_SES_PASS && n == before && memcmp(was, packet, n) == 0)
		must(i == 2 && n >= 20 && (as_signed || is_error(packet)));
	else if(v == TG_SES_PASS)
		must(i == 0 && sent && n > before);
	must(leg[i].stream->far.rx[0] == NULL || i == 0);
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tg_ses_call *c;

	begin_once();
	c = open_call();
	while(len >= 3) {
		size_t n = (size_t)data[1] << 8 | data[2];
		uint8_t what = data[0];

		data += 3;
		len -= 3;
		if(n > len)
			n = len;
		if(n < ROOM - 64)
			one((what & 3) % LEGS, what, data, n);
		data += n;
		len -= n;
	}
	close_call(c);
	return 0;
}
