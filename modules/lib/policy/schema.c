/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/schema.h"

#include <stddef.h>

#define TAKE(name)                                               \
	static void name(struct tg_build *b, const struct tg_key *k, \
			const struct tg_ini_entry *e, void *object)

/* ---- words ------------------------------------------------------------- */

#define END     \
	{           \
		NULL, 0 \
	}

static const struct tg_word mode_words[] = {
		{"enforce", TG_POL_ENFORCE}, {"audit", TG_POL_AUDIT}, END};
static const struct tg_word fips_words[] = {{"follow", TG_POL_FIPS_FOLLOW},
		{"required", TG_POL_FIPS_REQUIRED}, END};
static const struct tg_word profile_words[] = {
		{"sfb2019", TG_POL_PROFILE_SFB2019},
		{"sfb2015", TG_POL_PROFILE_SFB2015},
		{"lync2013", TG_POL_PROFILE_LYNC2013}, END};
static const struct tg_word location_words[] = {
		{"intranet", TG_POL_INTRANET}, {"internet", TG_POL_INTERNET}, END};
static const struct tg_word revocation_words[] = {{"hard", TG_POL_REV_HARD},
		{"soft", TG_POL_REV_SOFT}, {"off", TG_POL_REV_OFF}, END};
static const struct tg_word role_words[] = {{"server", TG_POL_ROLE_SERVER},
		{"mediation", TG_POL_ROLE_MEDIATION}, {"gateway", TG_POL_ROLE_GATEWAY},
		{"federation", TG_POL_ROLE_FEDERATION}, END};
static const struct tg_word role_bits[] = {{"server", 1u << TG_POL_ROLE_SERVER},
		{"mediation", 1u << TG_POL_ROLE_MEDIATION},
		{"gateway", 1u << TG_POL_ROLE_GATEWAY},
		{"federation", 1u << TG_POL_ROLE_FEDERATION}, END};
static const struct tg_word eku_words[] = {{"role", TG_POL_EKU_ROLE},
		{"both", TG_POL_EKU_BOTH}, {"client", TG_POL_EKU_CLIENT},
		{"server", TG_POL_EKU_SERVER}, {"sip", TG_POL_EKU_SIP},
		{"any", TG_POL_EKU_ANY}, END};
static const struct tg_word transport_bits[] = {
		{"udp", TG_POL_TR_BIT(TG_POL_TR_UDP)},
		{"tcp", TG_POL_TR_BIT(TG_POL_TR_TCP)},
		{"tls", TG_POL_TR_BIT(TG_POL_TR_TLS)},
		{"ws", TG_POL_TR_BIT(TG_POL_TR_WS)},
		{"wss", TG_POL_TR_BIT(TG_POL_TR_WSS)}, END};
static const struct tg_word class_bits[] = {{"register", TG_POL_CLASS_REGISTER},
		{"call", TG_POL_CLASS_CALL}, {"im", TG_POL_CLASS_IM},
		{"presence", TG_POL_CLASS_PRESENCE}, {"service", TG_POL_CLASS_SERVICE},
		{"options", TG_POL_CLASS_OPTIONS}, {"http", TG_POL_CLASS_HTTP},
		{"other", TG_POL_CLASS_OTHER}, {"all", TG_POL_CLASS_ALL}, END};
static const struct tg_word level_words[] = {{"required", TG_LEVEL_REQUIRED},
		{"supported", TG_LEVEL_SUPPORTED}, {"none", TG_LEVEL_NONE}, END};
static const struct tg_word kx_words[] = {
		{"sdes", TG_KX_SDES}, {"dtls", TG_KX_DTLS}, END};
static const struct tg_word dialect_words[] = {{"rfc8643", TG_DIALECT_RFC8643},
		{"ms-sdpext", TG_DIALECT_MS_SDPEXT}, END};
static const struct tg_word engine_words[] = {{"plugin", TG_POL_ENGINE_PLUGIN},
		{"native", TG_POL_ENGINE_NATIVE}, END};
static const struct tg_word t38_words[] = {
		{"refuse", TG_POL_T38_REFUSE}, {"clear", TG_POL_T38_CLEAR}, END};
static const struct tg_word dtls_verify_words[] = {
		{"fingerprint", 0}, {"ca", 1}, END};
static const struct tg_word ocsp_words[] = {
		{"off", 0}, {"staple", 1}, {"fetch", 2}, END};
static const struct tg_word nonce_words[] = {
		{"required", TG_POL_NONCE_REQUIRED},
		{"optional", TG_POL_NONCE_OPTIONAL}, {"off", TG_POL_NONCE_OFF}, END};
static const struct tg_word version_words[] = {
		{"1.0", 1}, {"1.1", 2}, {"1.2", 4}, {"1.3", 8}, END};
static const struct tg_word suite_words[] = {
		{"AES_CM_128_HMAC_SHA1_80", TG_SUITE_AES_CM_128_HMAC_SHA1_80},
		{"AES_CM_128_HMAC_SHA1_32", TG_SUITE_AES_CM_128_HMAC_SHA1_32},
		{"AES_256_CM_HMAC_SHA1_80", TG_SUITE_AES_256_CM_HMAC_SHA1_80},
		{"AES_256_CM_HMAC_SHA1_32", TG_SUITE_AES_256_CM_HMAC_SHA1_32},
		{"AEAD_AES_128_GCM", TG_SUITE_AEAD_AES_128_GCM},
		{"AEAD_AES_256_GCM", TG_SUITE_AEAD_AES_256_GCM}, END};

/* ---- values of one kind of section ------------------------------------- */

TAKE(take_versions)
{
	struct tg_pol_tls *tls = object;
	struct tg_key bits = *k;
	unsigned mask = 0, low = 0, high = 3;

	bits.offset = 0;
	tg_take_bits(b, &bits, e, &mask);
	if(!mask)
		return;
	while(!(mask & 1u << low))
		low++;
	while(!(mask & 1u << high))
		high--;
	if(mask != (2u << high) - (1u << low))
		tg_build_error(b, e->value.ptr,
				"versions must follow each other without a gap");
	tls->min_version = (uint16_t)(0x0301 + low);
	tls->max_version = (uint16_t)(0x0301 + high);
	tls->legacy = low < 2;
}

/* Words in the order of the file into an array of enums that ends with zero */
static void take_ordered(struct tg_build *b, const struct tg_key *k,
		const struct tg_ini_entry *e, unsigned *out, size_t max)
{
	struct tg_span rest = e->value, item;
	size_t n = 0;

	if(!e->value.len)
		return;
	memset(out, 0, max * sizeof(*out));
	while(tg_list_next(b, &rest, &item)) {
		size_t i = tg_word_find(b, k, item);
		bool twice = false;

		if(i == SIZE_MAX)
			continue;
		for(size_t j = 0; j < n; j++)
			twice = twice || out[j] == k->words[i].value;
		if(twice || n == max)
			tg_build_error(
					b, item.ptr, "'%.*s' is named twice", TG_SPAN_FMT(item));
		else
			out[n++] = k->words[i].value;
	}
}

/* A name or an address, one */
TAKE(take_host)
{
	struct tg_span *out =
			(struct tg_span *)(void *)((char *)object + k->offset);
	struct tg_addr addr;

	if(!e->value.len)
		return;
	if(!tg_is_host_name(e->value) && !tg_addr_parse(e->value, &addr))
		tg_build_error(
				b, e->value.ptr, "'%.*s' is no host", TG_SPAN_FMT(e->value));
	*out = tg_build_string(b, e->value);
}

TAKE(take_key_exchange)
{
	struct tg_pol_media *media = object;
	unsigned list[TG_KX_MAX];

	take_ordered(b, k, e, list, TG_KX_MAX);
	for(size_t i = 0; e->value.len && i < TG_KX_MAX; i++)
		media->key_exchange[i] = (enum tg_kx)list[i];
}

TAKE(take_suites)
{
	struct tg_pol_media *media = object;
	unsigned list[TG_SUITES_MAX];

	take_ordered(b, k, e, list, TG_SUITES_MAX);
	for(size_t i = 0; e->value.len && i < TG_SUITES_MAX; i++)
		media->suite[i] = (enum tg_suite)list[i];
}

TAKE(take_dtls_verify)
{
	struct tg_pol_media *media = object;
	struct tg_key word = *k;
	unsigned value = media->dtls_verify_ca;

	word.offset = 0;
	tg_take_word(b, &word, e, &value);
	media->dtls_verify_ca = value == 1;
}

TAKE(take_ocsp)
{
	struct tg_pol_trust *trust = object;
	struct tg_key bits = *k;
	unsigned mask = 0;

	bits.offset = 0;
	if(tg_span_eq(e->value, TG_SPAN("off")))
		return;
	tg_take_bits(b, &bits, e, &mask);
	trust->ocsp_staple = mask & 1;
	trust->ocsp_fetch = mask & 2;
}

/* A URL, or "aia" for the one that each certificate names */
TAKE(take_responder)
{
	struct tg_pol_ocsp *ocsp = &((struct tg_pol_trust *)object)->ocsp;
	struct tg_key url = *k;

	url.offset = offsetof(struct tg_pol_trust, ocsp)
				 + offsetof(struct tg_pol_ocsp, responder);
	ocsp->from_certificate = tg_span_eq(e->value, TG_SPAN("aia"));
	if(!ocsp->from_certificate)
		tg_take_url(b, &url, e, object);
}

/* The object of another section; the reference is reported when it dangles */
static void *find_object(struct tg_build *b, enum tg_kind kind, void *objects,
		const struct tg_ini_entry *e)
{
	size_t i;

	if(!e->value.len)
		return NULL;
	i = tg_pol_labels_find(&b->label[kind], objects,
			tg_kind_info[kind].object_octets, e->value);
	if(i != SIZE_MAX)
		return (char *)objects + i * tg_kind_info[kind].object_octets;
	tg_build_error(b, e->value.ptr, "there is no [%s %.*s]",
			tg_kind_info[kind].name, TG_SPAN_FMT(e->value));
	return NULL;
}

#define REF(k) ((const void **)(void *)((char *)object + (k)->offset))

TAKE(take_trust_ref)
{
	*REF(k) = find_object(b, TG_KIND_TRUST, b->pol->trust, e);
}

TAKE(take_tls_ref)
{
	*REF(k) = find_object(b, TG_KIND_TLS, b->pol->tls, e);
}

TAKE(take_media_ref)
{
	*REF(k) = find_object(b, TG_KIND_MEDIA, b->pol->media, e);
}

/* ---- keys -------------------------------------------------------------- */

#define AT(type, member) .offset = offsetof(struct type, member)
#define RANGE(low, high) .min = (low), .max = (high)
#define N_KEYS(table) (sizeof(table) / sizeof((table)[0]))

#define LIMIT_KEYS(type)                                                     \
	{"handshakes_per_sec", tg_take_u32, AT(type, limits.handshakes_per_sec), \
			RANGE(0, 1000000)},                                              \
			{"max_pending", tg_take_u32, AT(type, limits.pending),           \
					RANGE(0, 1000000)},                                      \
			{"handshake_time", tg_take_milliseconds,                         \
					AT(type, limits.handshake_time_ms), RANGE(100, 600000)}, \
			{"max_chain_octets", tg_take_u32, AT(type, limits.chain_octets), \
					RANGE(1024, 1048576)},                                   \
			{"max_rsa_bits", tg_take_u32, AT(type, limits.rsa_bits_max),     \
					RANGE(2048, 16384)},                                     \
	{                                                                        \
		"max_names", tg_take_u32, AT(type, limits.names_max), RANGE(1, 64)   \
	}

/* clang-format off */
static const struct tg_key policy_keys[] = {
	{"profile", tg_take_word, AT(tg_pol, profile), profile_words},
	{"mode", tg_take_word, AT(tg_pol, mode), mode_words},
	{"fips", tg_take_word, AT(tg_pol, fips), fips_words},
	LIMIT_KEYS(tg_pol),
};

static const struct tg_key trust_keys[] = {
	[TG_TRUST_KEY_CA_FILE] = {"ca_file", tg_take_ca_files, AT(tg_pol_trust, ca), .required = true},
	[TG_TRUST_KEY_CRL_FILE] = {"crl_file", tg_take_crl_files, AT(tg_pol_trust, crl)},
	[TG_TRUST_KEY_OCSP] = {"ocsp", take_ocsp, .words = ocsp_words},
	[TG_TRUST_KEY_REVOCATION] = {"revocation", tg_take_word, AT(tg_pol_trust, revocation), revocation_words},
	[TG_TRUST_KEY_STALE_GRACE] = {"stale_grace", tg_take_seconds, AT(tg_pol_trust, stale_grace_sec), RANGE(0, 30ull * 86400000)},
	[TG_TRUST_KEY_RESPONDER] = {"responder", .take = take_responder},
	[TG_TRUST_KEY_ALLOW] = {"responder_allow", tg_take_cidrs, AT(tg_pol_trust, ocsp.allow)},
	[TG_TRUST_KEY_NONCE] = {"ocsp_nonce", tg_take_word, AT(tg_pol_trust, ocsp.nonce), nonce_words},
	[TG_TRUST_KEY_TIMEOUT] = {"ocsp_timeout", tg_take_milliseconds, AT(tg_pol_trust, ocsp.timeout_ms), RANGE(100, 60000)},
	[TG_TRUST_KEY_MAX_OCTETS] = {"ocsp_max_octets", tg_take_u32, AT(tg_pol_trust, ocsp.max_octets), RANGE(512, 65536)},
	[TG_TRUST_KEY_REFRESH] = {"ocsp_refresh", tg_take_seconds, AT(tg_pol_trust, ocsp.refresh_sec), RANGE(1000, 7ull * 86400000)},
	[TG_TRUST_KEY_MAX_PENDING] = {"max_pending_time", tg_take_seconds, AT(tg_pol_trust, ocsp.max_pending_sec), RANGE(1000, 600000)},
};

static const struct tg_key tls_keys[] = {
	{"versions", take_versions, .words = version_words},
	{"ciphers", tg_take_cipher_list, AT(tg_pol_tls, ciphers), RANGE(0, 1000)},
	{"ciphersuites", tg_take_cipher_list, AT(tg_pol_tls, ciphersuites), RANGE(0, 250)},
	{"groups", tg_take_groups, AT(tg_pol_tls, groups), RANGE(0, 250)},
	{"min_rsa_bits", tg_take_u16, AT(tg_pol_tls, min_rsa_bits), RANGE(1024, 16384)},
	{"min_ec_bits", tg_take_u16, AT(tg_pol_tls, min_ec_bits), RANGE(224, 521)},
};

static const struct tg_key media_keys[] = {
	[TG_POL_MEDIA_KEY_LEVEL] = {"level", tg_take_word, AT(tg_pol_media, level), level_words},
	[TG_POL_MEDIA_KEY_KEY_EXCHANGE] = {"key_exchange", take_key_exchange, .words = kx_words},
	[TG_POL_MEDIA_KEY_SUITES] = {"suites", take_suites, .words = suite_words},
	[TG_POL_MEDIA_KEY_DIALECT] = {"dialect", tg_take_word, AT(tg_pol_media, dialect), dialect_words},
	[TG_POL_MEDIA_KEY_MKI] = {"mki", tg_take_u8, AT(tg_pol_media, mki_octets), RANGE(0, 128)},
	[TG_POL_MEDIA_KEY_LIFETIME] = {"lifetime", tg_take_power, AT(tg_pol_media, lifetime_log2), RANGE(10, 48)},
	[TG_POL_MEDIA_KEY_REPLAY_WINDOW] = {"replay_window", tg_take_u16, AT(tg_pol_media, replay_window), RANGE(64, 32767)},
	[TG_POL_MEDIA_KEY_DTLS_VERIFY] = {"dtls_verify", take_dtls_verify, .words = dtls_verify_words},
	[TG_POL_MEDIA_KEY_T38] = {"t38", tg_take_word, AT(tg_pol_media, t38), t38_words},
	[TG_POL_MEDIA_KEY_ENGINE] = {"engine", tg_take_word, AT(tg_pol_media, engine), engine_words},
};

static const struct tg_key peer_keys[] = {
	[TG_POL_PEER_KEY_ROLE] = {"role", tg_take_word, AT(tg_pol_peer, role), role_words, .required = true},
	[TG_POL_PEER_KEY_MODE] = {"mode", tg_take_word, AT(tg_pol_peer, mode), mode_words},
	[TG_POL_PEER_KEY_ADDRESS] = {"address", tg_take_cidrs, AT(tg_pol_peer, address), .required = true},
	[TG_POL_PEER_KEY_LISTENER] = {"listener", tg_take_cidrs, AT(tg_pol_peer, listener)},
	[TG_POL_PEER_KEY_SNI] = {"sni", tg_take_host_names, AT(tg_pol_peer, sni)},
	[TG_POL_PEER_KEY_IDENTITY] = {"identity", tg_take_host_names, AT(tg_pol_peer, identity)},
	[TG_POL_PEER_KEY_WILDCARD] = {"wildcard", tg_take_bool, AT(tg_pol_peer, wildcard)},
	[TG_POL_PEER_KEY_DOMAINS] = {"domains", tg_take_domains, AT(tg_pol_peer, domain)},
	[TG_POL_PEER_KEY_TRUST] = {"trust", take_trust_ref, AT(tg_pol_peer, trust)},
	[TG_POL_PEER_KEY_TLS] = {"tls", take_tls_ref, AT(tg_pol_peer, tls)},
	[TG_POL_PEER_KEY_EKU] = {"eku", tg_take_word, AT(tg_pol_peer, eku), eku_words},
	[TG_POL_PEER_KEY_MEDIA] = {"media", take_media_ref, AT(tg_pol_peer, media)},
	[TG_POL_PEER_KEY_TRANSPORT] = {"transport", tg_take_bits, AT(tg_pol_peer, transports), transport_bits},
	[TG_POL_PEER_KEY_NEXT_HOP] = {"next_hop", tg_take_next_hops, AT(tg_pol_peer, next_hop)},
	[TG_POL_PEER_KEY_CLIENT_PROFILE] = {"client_profile", tg_take_labels, AT(tg_pol_peer, client_profile)},
	[TG_POL_PEER_KEY_RESUMPTION] = {"resumption", tg_take_bool, AT(tg_pol_peer, resumption)},
};

static const struct tg_key clients_keys[] = {
	[TG_POL_CLIENTS_KEY_ADDRESS] = {"address", tg_take_cidrs, AT(tg_pol_clients, address), .required = true},
	[TG_POL_CLIENTS_KEY_LISTENER] = {"listener", tg_take_cidrs, AT(tg_pol_clients, listener)},
	[TG_POL_CLIENTS_KEY_SNI] = {"sni", tg_take_host_names, AT(tg_pol_clients, sni)},
	[TG_POL_CLIENTS_KEY_TLS] = {"tls", take_tls_ref, AT(tg_pol_clients, tls)},
	[TG_POL_CLIENTS_KEY_MEDIA] = {"media", take_media_ref, AT(tg_pol_clients, media)},
	[TG_POL_CLIENTS_KEY_TRANSPORT] = {"transport", tg_take_bits, AT(tg_pol_clients, transports), transport_bits},
	[TG_POL_CLIENTS_KEY_CLASSES] = {"classes", tg_take_bits, AT(tg_pol_clients, classes), class_bits},
	[TG_POL_CLIENTS_KEY_MODE] = {"mode", tg_take_word, AT(tg_pol_clients, mode), mode_words},
	[TG_POL_CLIENTS_KEY_RESUMPTION] = {"resumption", tg_take_bool, AT(tg_pol_clients, resumption)},
	LIMIT_KEYS(tg_pol_clients),
};

static const struct tg_key route_keys[] = {
	[TG_ROUTE_KEY_PEERS] = {"peers", tg_take_labels, AT(tg_pol_route, peers)},
	[TG_ROUTE_KEY_ROLES] = {"roles", tg_take_bits, AT(tg_pol_route, roles), role_bits},
	[TG_ROUTE_KEY_CLIENTS] = {"clients", tg_take_labels, AT(tg_pol_route, clients)},
	[TG_ROUTE_KEY_CLASSES] = {"classes", tg_take_bits, AT(tg_pol_route, classes), class_bits},
	[TG_ROUTE_KEY_TLS] = {"tls", take_tls_ref, AT(tg_pol_route, tls)},
	[TG_ROUTE_KEY_MEDIA] = {"media", take_media_ref, AT(tg_pol_route, media)},
};

static const struct tg_key relay_keys[] = {
	{"location", tg_take_word, AT(tg_pol_relay, location), location_words, .required = true},
	{"host", take_host, AT(tg_pol_relay, host), .required = true},
	{"udp_port", tg_take_u16, AT(tg_pol_relay, udp_port), RANGE(0, 65535)},
	{"tcp_port", tg_take_u16, AT(tg_pol_relay, tcp_port), RANGE(0, 65535)},
	{"tls_port", tg_take_u16, AT(tg_pol_relay, tls_port), RANGE(0, 65535)},
};

static const struct tg_key mras_keys[] = {
	{"secret_file", tg_take_path, AT(tg_pol_mras, secret_file), .required = true},
	{"realm", take_host, AT(tg_pol_mras, realm)},
	{"domains", tg_take_host_names, AT(tg_pol_mras, domain), .required = true},
	{"roles", tg_take_bits, AT(tg_pol_mras, roles), role_bits},
	{"clients", tg_take_labels, AT(tg_pol_mras, clients)},
	{"max_duration", tg_take_seconds, AT(tg_pol_mras, max_duration_sec), RANGE(60000, 7ull * 86400000)},
	{"requests_per_min", tg_take_u32, AT(tg_pol_mras, requests_per_min), RANGE(0, 1000000)},
};

const struct tg_kind_info tg_kind_info[TG_KINDS] = {
	[TG_KIND_POLICY] = {"policy", policy_keys, N_KEYS(policy_keys), sizeof(struct tg_pol), 0, 0, false},
	[TG_KIND_TRUST] = {"trust", trust_keys, N_KEYS(trust_keys), sizeof(struct tg_pol_trust), 0, 0, true},
	[TG_KIND_TLS] = {"tls", tls_keys, N_KEYS(tls_keys), sizeof(struct tg_pol_tls), 0, 0, true},
	[TG_KIND_MEDIA] = {"media", media_keys, N_KEYS(media_keys), sizeof(struct tg_pol_media), 0, 0, true},
	[TG_KIND_PEER] = {"peer", peer_keys, N_KEYS(peer_keys), sizeof(struct tg_pol_peer), offsetof(struct tg_pol_peer, line), TG_POL_PEER_KEYS, true},
	[TG_KIND_CLIENTS] = {"clients", clients_keys, N_KEYS(clients_keys), sizeof(struct tg_pol_clients), offsetof(struct tg_pol_clients, line), TG_POL_CLIENTS_KEYS, true},
	[TG_KIND_RELAY] = {"relay", relay_keys, N_KEYS(relay_keys), sizeof(struct tg_pol_relay), 0, 0, true},
	[TG_KIND_MRAS] = {"mras", mras_keys, N_KEYS(mras_keys), sizeof(struct tg_pol_mras), 0, 0, false},
	[TG_KIND_ROUTE] = {"route", route_keys, N_KEYS(route_keys), sizeof(struct tg_pol_route), 0, 0, true},
};
/* clang-format on */

/* ---- sections ---------------------------------------------------------- */

enum tg_kind tg_kind_by_name(struct tg_span name)
{
	unsigned kind = 0;

	while(kind < TG_KINDS
			&& !tg_span_eq(name, tg_span_cstr(tg_kind_info[kind].name)))
		kind++;
	return (enum tg_kind)kind;
}

static void keep_line(struct tg_build *b, const struct tg_kind_info *info,
		size_t key, struct tg_span head, const struct tg_ini_entry *e,
		void *object)
{
	uint16_t *line = (uint16_t *)(void *)((char *)object + info->line_offset);
	unsigned below;

	if(key >= info->n_lines)
		return;
	below = tg_ini_where(&b->ini, e->key.ptr).line
			- tg_ini_where(&b->ini, head.ptr).line;
	line[key] = below <= UINT16_MAX ? (uint16_t)below : 0;
}

static void fill_entry(struct tg_build *b, const struct tg_kind_info *info,
		struct tg_made *made, const struct tg_ini_entry *e, void *object)
{
	size_t i = 0;

	while(i < info->n_keys
			&& !tg_span_eq(e->key, tg_span_cstr(info->key[i].name)))
		i++;
	if(i == info->n_keys) {
		tg_build_error(b, e->key.ptr, "unknown key '%.*s' in [%s]",
				TG_SPAN_FMT(e->key), info->name);
		return;
	}
	if(tg_made_has(made, i)) {
		tg_build_error(b, e->key.ptr, "'%.*s' stands here for the second time",
				TG_SPAN_FMT(e->key));
		return;
	}
	made->set |= 1u << i;
	keep_line(b, info, i, made->section->kind, e, object);
	info->key[i].take(b, &info->key[i], e, object);
}

void tg_schema_fill(struct tg_build *b, enum tg_kind kind, struct tg_made *made,
		void *object)
{
	const struct tg_kind_info *info = &tg_kind_info[kind];
	const struct tg_ini_entry *e;

	for(e = made->section->first; e; e = e->next)
		fill_entry(b, info, made, e, object);
	for(size_t i = 0; i < info->n_keys; i++) {
		if(info->key[i].required && !tg_made_has(made, i))
			tg_build_error(b, made->section->kind.ptr, "'%s' is missing",
					info->key[i].name);
	}
}
