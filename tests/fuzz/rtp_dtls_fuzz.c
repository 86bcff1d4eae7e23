/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Datagrams from anyone to a passive and to an active side of DTLS-SRTP. The
 * input is a row of records: one octet source, two octets length, that many
 * octets of datagram. Without the private key of the announced certificate
 * no input may lead to keys; a source whose cookie is not valid gets at most
 * three times what it sent.
 */
#include <stdint.h>

#include "keying/keying.h"
#include "keying/material.h"
#include "must.h"

#define SOURCES 4

static struct {
	struct tg_key_host host;
	struct tg_key_cert *cert;
	size_t got[SOURCES];
	size_t sent[SOURCES];
} world;

static struct tg_key_path source(uint8_t i)
{
	uint8_t octet[4] = {192, 0, 2, i};

	return (struct tg_key_path){.addr = tg_addr_of(octet, 4), .port = 4000};
}

static void note(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	(void)user;
	(void)component;
	(void)octet;
	must(to->addr.octet[3] < SOURCES);
	world.sent[to->addr.octet[3]] += octets;
}

static struct tg_key *side(enum tg_sdp_setup theirs)
{
	static const char print[] =
			"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
			"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
	struct tg_key_profile p = {.suite = {TG_SUITE_AEAD_AES_128_GCM,
									   TG_SUITE_AES_CM_128_HMAC_SHA1_80}};
	struct tg_key *k = tg_key_new(TG_KX_DTLS, &p, &world.host, NULL);
	struct tg_sdp_media m = {0};
	struct tg_key_lines lines;

	must(k != NULL);
	m.security.fingerprint_hash = TG_SPAN("sha-256");
	m.security.fingerprint = TG_SPAN(print);
	m.security.n_fingerprints = 1;
	m.security.setup = theirs;
	must(tg_key_take_offer(k, &m) == TG_KEY_OK);
	must(tg_key_answer(k, false, &lines) == TG_KEY_OK);
	return k;
}

static void feed(struct tg_key *k, const uint8_t *data, size_t size, bool bound)
{
	uint64_t now = 1000;

	for(size_t i = 0; i < SOURCES; i++)
		world.got[i] = world.sent[i] = 0;
	while(size >= 3) {
		uint8_t from = data[0] % SOURCES;
		size_t n = (size_t)data[1] << 8 | data[2];
		struct tg_key_path path = source(from);

		data += 3;
		size -= 3;
		if(n > size)
			n = size;
		world.got[from] += n;
		tg_key_datagram(k, TG_KEY_RTP, &path, data, n, now);
		must(!bound || world.sent[from] <= 3 * world.got[from]);
		must(!material_of(k, TG_KEY_RTP, TG_SRTP_RX));
		data += n;
		size -= n;
		now += 10;
		if(tg_key_timeout_ms(k, now) == 0)
			tg_key_tick(k, now);
	}
}

static void set_up(void)
{
	const char *why;

	if(world.cert)
		return;
	world.cert = tg_key_cert_new_self_signed(&why);
	must(world.cert != NULL);
	world.host.cert = world.cert;
	world.host.send = note;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_key_path to = source(1);
	struct tg_key *k;

	set_up();
	/* passive; the cookies of the corpus are worth nothing, then they hold */
	world.host.cookie_secret[0] = 1;
	k = side(TG_SDP_SETUP_ACTIVE);
	feed(k, data, size, true);
	tg_key_free(k);
	world.host.cookie_secret[0] = 0;
	k = side(TG_SDP_SETUP_ACTIVE);
	feed(k, data, size, false);
	tg_key_free(k);
	k = side(TG_SDP_SETUP_PASSIVE); /* we are active */
	tg_key_connect(k, TG_KEY_RTP, &to, 1000);
	feed(k, data, size, false);
	tg_key_free(k);
	return 0;
}
