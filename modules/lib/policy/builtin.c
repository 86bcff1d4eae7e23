/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/builtin.h"

#define TLS10 0x0301
#define TLS12 0x0303
#define TLS13 0x0304

/* RFC 9325 section 4.2: forward secrecy and authenticated encryption only */
#define AEAD                                                     \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
#define CHACHA ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* CBC with SHA-2: SfB Server 2019 and Teams Direct Routing still offer it */
#define CBC_SHA2                                          \
	":ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:" \
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
/* all that TLS 1.0 and 1.1 know and that is not broken outright */
#define CBC_SHA1                                         \
	":ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"      \
	"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"       \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:" \
	"AES128-SHA256:AES256-SHA:AES128-SHA"

#define SUITES13 "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
#define SUITES13_CHACHA SUITES13 ":TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS_NIST "P-256:P-384:P-521"
#define GROUPS "X25519:" GROUPS_NIST

const struct tg_pol_tls tg_builtin_tls[TG_BUILTIN_TLS_COUNT] = {
		[TG_BUILTIN_TLS_SFB2019] = {.name = TG_SPAN_INIT("sfb2019"),
				.min_version = TLS12,
				.max_version = TLS13,
				.ciphers = TG_SPAN_INIT(AEAD CHACHA CBC_SHA2),
				.ciphersuites = TG_SPAN_INIT(SUITES13_CHACHA),
				.groups = TG_SPAN_INIT(GROUPS),
				.min_rsa_bits = 2048,
				.min_ec_bits = 256},
		[TG_BUILTIN_TLS_SFB2015] = {.name = TG_SPAN_INIT("sfb2015"),
				.min_version = TLS10,
				.max_version = TLS12,
				.ciphers = TG_SPAN_INIT(AEAD CBC_SHA2 CBC_SHA1),
				.ciphersuites = TG_SPAN_INIT(SUITES13),
				.groups = TG_SPAN_INIT(GROUPS),
				.min_rsa_bits = 2048,
				.min_ec_bits = 256,
				.legacy = true},
		[TG_BUILTIN_TLS_BCP195] = {.name = TG_SPAN_INIT("bcp195"),
				.min_version = TLS12,
				.max_version = TLS13,
				.ciphers = TG_SPAN_INIT(AEAD),
				.ciphersuites = TG_SPAN_INIT(SUITES13_CHACHA),
				.groups = TG_SPAN_INIT(GROUPS),
				.min_rsa_bits = 2048,
				.min_ec_bits = 256},
		[TG_BUILTIN_TLS_TEAMS] = {.name = TG_SPAN_INIT("teams"),
				.min_version = TLS12,
				.max_version = TLS13,
				.ciphers = TG_SPAN_INIT("ECDHE-RSA-AES256-GCM-SHA384:"
										"ECDHE-RSA-AES128-GCM-SHA256:"
										"ECDHE-RSA-AES256-SHA384:"
										"ECDHE-RSA-AES128-SHA256"),
				.ciphersuites = TG_SPAN_INIT(SUITES13),
				.groups = TG_SPAN_INIT(GROUPS),
				.min_rsa_bits = 2048,
				.min_ec_bits = 256},
		[TG_BUILTIN_TLS_FIPS] = {.name = TG_SPAN_INIT("fips"),
				.min_version = TLS12,
				.max_version = TLS13,
				.ciphers = TG_SPAN_INIT(AEAD),
				.ciphersuites = TG_SPAN_INIT(SUITES13),
				.groups = TG_SPAN_INIT(GROUPS_NIST),
				.min_rsa_bits = 2048,
				.min_ec_bits = 256,
				.fips = true},
};

const struct tg_pol_limits tg_builtin_limits = {
		.handshakes_per_sec = 50,
		.pending = 50,
		.handshake_time_ms = 10000,
		.chain_octets = 65536,
		.rsa_bits_max = 8192,
		.names_max = 64,
};

/* NULL and F8 have no value in enum tg_suite: they cannot be had at all */
static const struct tg_pol_media secured = {
		.level = TG_LEVEL_REQUIRED,
		.key_exchange = {TG_KX_SDES, TG_KX_DTLS},
		.suite = {TG_SUITE_AES_CM_128_HMAC_SHA1_80, TG_SUITE_AEAD_AES_128_GCM,
				TG_SUITE_AES_256_CM_HMAC_SHA1_80, TG_SUITE_AEAD_AES_256_GCM},
		.dialect = TG_DIALECT_RFC8643,
		.engine = TG_POL_ENGINE_PLUGIN,
		.t38 = TG_POL_T38_REFUSE,
		.replay_window = 128,
};

void tg_builtin_media_get(enum tg_builtin_media which,
		enum tg_pol_profile profile, struct tg_pol_media *out)
{
	static const struct tg_span names[TG_BUILTIN_MEDIA_COUNT] = {
			TG_SPAN_INIT("none"), TG_SPAN_INIT("client-default"),
			TG_SPAN_INIT("server-default"), TG_SPAN_INIT("gateway-default")};

	*out = secured;
	out->name = names[which];
	switch(which) {
		case TG_BUILTIN_MEDIA_NONE:
			out->level = TG_LEVEL_NONE;
			out->t38 = TG_POL_T38_CLEAR;
			break;
		case TG_BUILTIN_MEDIA_CLIENT:
			out->engine = TG_POL_ENGINE_NATIVE;
			break;
		case TG_BUILTIN_MEDIA_GATEWAY:
			/* A13: optional and recommended, or not encrypted by default */
			out->level = profile == TG_POL_PROFILE_LYNC2013
								 ? TG_LEVEL_NONE
								 : TG_LEVEL_SUPPORTED;
			break;
		case TG_BUILTIN_MEDIA_SERVER:
		case TG_BUILTIN_MEDIA_COUNT:
			break;
	}
	if(out->level == TG_LEVEL_NONE) {
		memset(out->key_exchange, 0, sizeof(out->key_exchange));
		memset(out->suite, 0, sizeof(out->suite));
	}
}

enum tg_builtin_tls tg_builtin_tls_default(enum tg_pol_profile profile)
{
	return profile == TG_POL_PROFILE_SFB2019 ? TG_BUILTIN_TLS_SFB2019
											 : TG_BUILTIN_TLS_SFB2015;
}
