/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Test vectors: RFC 3711 appendix B, RFC 6188 section 7, RFC 7714 sections 16
 * and 17. Those of RFC 7714 and B.2 give session keys, which no SRTP interface
 * takes: they prove the reference, and the packet layer is then held against
 * the reference with derived keys (A15).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reference.h"

#define HEX(name, text) \
	uint8_t name[256];  \
	size_t name##_n = ref_hex(text, name)

static void reference_makes_the_keystream_of_rfc3711_b2(void **state)
{
	HEX(key, "2B7E151628AED2A6ABF7158809CF4F3C");
	HEX(iv, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000");
	HEX(want,
			"E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"
			"41E95B3BB0A2E8DD477901E4FCA894C0");
	uint8_t got[48] = {0};

	(void)state;
	ref_counter_mode(key, key_n, iv, got, sizeof(got));
	assert_int_equal(iv_n, 16);
	assert_int_equal(want_n, sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
}

static void reference_derives_the_keys_of_rfc3711_b3(void **state)
{
	HEX(master,
			"E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
	HEX(key, "C61E7A93744F39EE10734AFE3FF7A087");
	HEX(salt, "30CBBC08863D8C85D49DB34A9AE1");
	HEX(auth, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
	struct ref_session s;

	(void)state;
	assert_int_equal(master_n, 30);
	ref_derive(TG_SUITE_AES_CM_128_HMAC_SHA1_80, master, false, &s);
	assert_memory_equal(s.key, key, key_n);
	assert_memory_equal(s.salt, salt, salt_n);
	assert_memory_equal(s.auth, auth, auth_n);
}

static void reference_derives_the_keys_of_rfc6188_7_2(void **state)
{
	HEX(master,
			"F0F04914B513F2763A1B1FA130F10E29 98F6F6E43E4309D1E622A0E332B9F1B6"
			"3B04803DE51EE7C96423AB5B78D2");
	HEX(key, "5BA1064E30EC51613CAD926C5A28EF73 "
			 "1EC7FB397F70A960653CAF06554CD8C4");
	HEX(salt, "FA31791685CA444A9E07C6C64E93");
	HEX(auth, "FD9C32D39ED5FBB5A9DC96B30818454D1313DC05");
	struct ref_session s;

	(void)state;
	assert_int_equal(master_n, 46);
	ref_derive(TG_SUITE_AES_256_CM_HMAC_SHA1_80, master, false, &s);
	assert_memory_equal(s.key, key, key_n);
	assert_memory_equal(s.salt, salt, salt_n);
	assert_memory_equal(s.auth, auth, auth_n);
}

static struct ref_session gcm_session(size_t key_octets)
{
	struct ref_session s = {.key_octets = key_octets,
			.salt_octets = 12,
			.tag_octets = 16,
			.aead = true};

	for(size_t i = 0; i < key_octets; i++)
		s.key[i] = (uint8_t)i;
	ref_hex("51756964 2070726f 2071756f", s.salt);
	return s;
}

#define GCM_RTP                                                       \
	"8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 " \
	"20646976 69736120 696e2070 61727465 73207472 6573"
#define GCM_RTCP                                                      \
	"81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 " \
	"4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef"

static void reference_seals_the_packets_of_rfc7714_16_and_17(void **state)
{
	HEX(rtp, GCM_RTP);
	HEX(rtp128,
			"8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca "
			"be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833 899d7f27 "
			"beb16a91"
			"52cf765e e4390cce");
	HEX(rtp256,
			"8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa "
			"b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b 7aa3db36 "
			"dfffd6b0"
			"f9bb7878 d7a76c13");
	HEX(rtcp, GCM_RTCP);
	HEX(rtcp128,
			"81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 "
			"6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 "
			"96cf4d2f c5abf872 45d9eade 800005d4");
	HEX(rtcp256,
			"81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d "
			"bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c "
			"4446839f 57ff6f6c b26ac3be 800005d4");
	struct ref_session k128 = gcm_session(16), k256 = gcm_session(32);
	uint8_t out[256];

	(void)state;
	assert_int_equal(
			ref_protect_rtp(&k128, 0xf17b, NULL, 0, rtp, rtp_n, out), rtp128_n);
	assert_memory_equal(out, rtp128, rtp128_n);
	assert_int_equal(
			ref_protect_rtp(&k256, 0xf17b, NULL, 0, rtp, rtp_n, out), rtp256_n);
	assert_memory_equal(out, rtp256, rtp256_n);
	assert_int_equal(ref_protect_rtcp(&k128, 0x5d4, NULL, 0, rtcp, rtcp_n, out),
			rtcp128_n);
	assert_memory_equal(out, rtcp128, rtcp128_n);
	assert_int_equal(ref_protect_rtcp(&k256, 0x5d4, NULL, 0, rtcp, rtcp_n, out),
			rtcp256_n);
	assert_memory_equal(out, rtcp256, rtcp256_n);
}

/* The packet layer, both ways, with the master keys of the RFCs */
static void round_trip(enum tg_suite suite, const uint8_t *master,
		enum tg_srtp_kind kind, const uint8_t *plain, size_t plain_n)
{
	struct tg_srtp_keys keys = {.suite = suite, .n = 1};
	struct tg_srtp_config tx = {.dir = TG_SRTP_TX}, rx = {.dir = TG_SRTP_RX};
	struct tg_srtp *out = NULL, *in = NULL;
	struct tg_srtp_shape shape;
	struct ref_session s;
	uint8_t want[512], got[512];
	size_t want_n, n = plain_n;

	assert_true(tg_srtp_shape(suite, &shape));
	keys.master[0].octets = shape.key_octets + shape.salt_octets;
	memcpy(keys.master[0].octet, master, keys.master[0].octets);
	ref_derive(suite, master, kind == TG_SRTP_KIND_RTCP, &s);
	want_n = kind == TG_SRTP_KIND_RTP
					 ? ref_protect_rtp(&s, plain[2] << 8 | plain[3], NULL, 0,
							 plain, plain_n, want)
					 : ref_protect_rtcp(&s, 1, NULL, 0, plain, plain_n, want);
	assert_int_equal(tg_srtp_new(&tx, &keys, &out), TG_SRTP_OK);
	assert_int_equal(tg_srtp_new(&rx, &keys, &in), TG_SRTP_OK);
	memcpy(got, plain, plain_n);
	assert_int_equal(
			tg_srtp_protect(out, kind, got, &n, sizeof(got)), TG_SRTP_OK);
	assert_int_equal(n, want_n);
	assert_memory_equal(got, want, want_n);
	assert_int_equal(tg_srtp_unprotect(in, kind, got, &n), TG_SRTP_OK);
	assert_int_equal(n, plain_n);
	assert_memory_equal(got, plain, plain_n);
	tg_srtp_free(out);
	tg_srtp_free(in);
}

static void layer_agrees_with_the_reference_for_each_suite(void **state)
{
	HEX(master,
			"F0F04914B513F2763A1B1FA130F10E29 98F6F6E43E4309D1E622A0E332B9F1B6"
			"3B04803DE51EE7C96423AB5B78D2");
	HEX(rtp, GCM_RTP);
	HEX(rtcp, GCM_RTCP);

	(void)state;
	assert_int_equal(master_n, 46);
	for(int suite = 1; suite < TG_SUITE_COUNT; suite++) {
		round_trip((enum tg_suite)suite, master, TG_SRTP_KIND_RTP, rtp, rtp_n);
		round_trip(
				(enum tg_suite)suite, master, TG_SRTP_KIND_RTCP, rtcp, rtcp_n);
	}
}

static void layer_uses_the_session_keys_of_rfc3711_b3(void **state)
{
	HEX(master,
			"E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
	HEX(plain, "800f1234decafbadcafebabeabababababababababababababababab");

	(void)state;
	assert_int_equal(master_n, 30);
	round_trip(TG_SUITE_AES_CM_128_HMAC_SHA1_80, master, TG_SRTP_KIND_RTP,
			plain, plain_n);
}

static int init(void **state)
{
	(void)state;
	return tg_srtp_global_init(TG_SRTP_ENGINE_COMPACT) != TG_SRTP_OK;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(reference_makes_the_keystream_of_rfc3711_b2),
			cmocka_unit_test(reference_derives_the_keys_of_rfc3711_b3),
			cmocka_unit_test(reference_derives_the_keys_of_rfc6188_7_2),
			cmocka_unit_test(reference_seals_the_packets_of_rfc7714_16_and_17),
			cmocka_unit_test(layer_agrees_with_the_reference_for_each_suite),
			cmocka_unit_test(layer_uses_the_session_keys_of_rfc3711_b3),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
