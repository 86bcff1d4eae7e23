/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "reference.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

void ref_counter_mode(const uint8_t *key, size_t key_octets,
		const uint8_t iv[16], uint8_t *data, size_t octets)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	assert(c);
	assert(EVP_EncryptInit_ex(c,
			key_octets == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr(), NULL, key,
			iv));
	assert(EVP_EncryptUpdate(c, data, &n, data, (int)octets));
	EVP_CIPHER_CTX_free(c);
}

/* RFC 3711 section 4.3.3: label in octet 7 of the salted counter */
static void derive(const uint8_t *key, size_t key_octets, const uint8_t *salt,
		size_t salt_octets, uint8_t label, uint8_t *out, size_t octets)
{
	uint8_t iv[16] = {0};

	memcpy(iv, salt, salt_octets);
	iv[7] ^= label;
	memset(out, 0, octets);
	ref_counter_mode(key, key_octets, iv, out, octets);
}

void ref_derive(enum tg_suite suite, const uint8_t *master, bool rtcp,
		struct ref_session *out)
{
	struct tg_srtp_shape shape;
	const uint8_t *salt;
	uint8_t label = rtcp ? 3 : 0;

	assert(tg_srtp_shape(suite, &shape));
	salt = master + shape.key_octets;
	out->key_octets = shape.key_octets;
	out->salt_octets = shape.salt_octets;
	out->tag_octets = rtcp ? shape.rtcp_tag_octets : shape.tag_octets;
	out->aead = shape.salt_octets == 12;
	derive(master, shape.key_octets, salt, shape.salt_octets, label, out->key,
			shape.key_octets);
	derive(master, shape.key_octets, salt, shape.salt_octets, label + 1,
			out->auth, 20);
	derive(master, shape.key_octets, salt, shape.salt_octets, label + 2,
			out->salt, shape.salt_octets);
}

static void put32(uint8_t *p, uint32_t v)
{
	for(int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* RFC 3711 section 4.1.1: salt * 2^16 ^ SSRC * 2^64 ^ index * 2^16 */
static void counter_iv(const struct ref_session *s, const uint8_t *ssrc,
		uint64_t index, uint8_t iv[16])
{
	memset(iv, 0, 16);
	memcpy(iv, s->salt, 14);
	for(int i = 0; i < 4; i++)
		iv[4 + i] ^= ssrc[i];
	for(int i = 0; i < 6; i++)
		iv[8 + i] ^= (uint8_t)(index >> (8 * (5 - i)));
}

static void seal(const struct ref_session *s, const uint8_t iv[12],
		const uint8_t *aad, size_t aad_octets, uint8_t *data, size_t octets)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	assert(c);
	assert(EVP_EncryptInit_ex(c,
			s->key_octets == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), NULL,
			s->key, iv));
	assert(EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_octets));
	assert(EVP_EncryptUpdate(c, data, &n, data, (int)octets));
	assert(EVP_EncryptFinal_ex(c, data + octets, &n));
	assert(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, data + octets));
	EVP_CIPHER_CTX_free(c);
}

static size_t rtp_header_octets(const uint8_t *p)
{
	size_t n = 12 + 4 * (size_t)(p[0] & 15);

	if(p[0] & 0x10)
		n += 4 + 4 * (size_t)(p[n + 2] << 8 | p[n + 3]);
	return n;
}

size_t ref_protect_rtp(const struct ref_session *s, uint64_t index,
		const uint8_t *mki, size_t mki_octets, const uint8_t *in, size_t octets,
		uint8_t *out)
{
	size_t head = rtp_header_octets(in);
	uint8_t iv[16], tag[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	memcpy(out, in, octets);
	if(s->aead) { /* RFC 7714 section 8.1 */
		memset(iv, 0, sizeof(iv));
		memcpy(iv + 2, in + 8, 4);
		put32(iv + 6, (uint32_t)(index >> 16));
		memcpy(iv + 10, in + 2, 2);
		for(int i = 0; i < 12; i++)
			iv[i] ^= s->salt[i];
		seal(s, iv, in, head, out + head, octets - head);
		if(mki_octets)
			memcpy(out + octets + 16, mki, mki_octets);
		return octets + 16 + mki_octets;
	}
	counter_iv(s, in + 8, index, iv);
	ref_counter_mode(s->key, s->key_octets, iv, out + head, octets - head);
	put32(out + octets, (uint32_t)(index >> 16));
	assert(HMAC(EVP_sha1(), s->auth, 20, out, octets + 4, tag, &n));
	if(mki_octets)
		memcpy(out + octets, mki, mki_octets);
	memcpy(out + octets + mki_octets, tag, s->tag_octets);
	return octets + mki_octets + s->tag_octets;
}

size_t ref_protect_rtcp(const struct ref_session *s, uint32_t index,
		const uint8_t *mki, size_t mki_octets, const uint8_t *in, size_t octets,
		uint8_t *out)
{
	uint8_t iv[16], aad[12], tag[EVP_MAX_MD_SIZE], *end = out + octets;
	unsigned n = 0;

	memcpy(out, in, octets);
	if(s->aead) { /* RFC 7714 sections 9.1 and 9.2 */
		memset(iv, 0, sizeof(iv));
		memcpy(iv + 2, in + 4, 4);
		put32(iv + 8, index);
		for(int i = 0; i < 12; i++)
			iv[i] ^= s->salt[i];
		memcpy(aad, in, 8);
		put32(aad + 8, index | 0x80000000u);
		seal(s, iv, aad, 12, out + 8, octets - 8);
		put32(end + 16, index | 0x80000000u);
		if(mki_octets)
			memcpy(end + 20, mki, mki_octets);
		return octets + 20 + mki_octets;
	}
	counter_iv(s, in + 4, index, iv);
	ref_counter_mode(s->key, s->key_octets, iv, out + 8, octets - 8);
	put32(end, index | 0x80000000u);
	assert(HMAC(EVP_sha1(), s->auth, 20, out, octets + 4, tag, &n));
	if(mki_octets)
		memcpy(end + 4, mki, mki_octets);
	memcpy(end + 4 + mki_octets, tag, s->tag_octets);
	return octets + 4 + mki_octets + s->tag_octets;
}

size_t ref_clear_rtcp(const struct ref_session *s, uint32_t index,
		const uint8_t *in, size_t octets, uint8_t *out)
{
	uint8_t iv[12] = {0}, aad[1024];

	memcpy(iv + 2, in + 4, 4);
	put32(iv + 8, index);
	for(int i = 0; i < 12; i++)
		iv[i] ^= s->salt[i];
	assert(octets + 4 <= sizeof(aad));
	memcpy(aad, in, octets);
	put32(aad + octets, index);
	memcpy(out, in, octets);
	seal(s, iv, aad, octets + 4, out + octets, 0);
	put32(out + octets + 16, index);
	return octets + 20;
}

size_t ref_hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for(; *text; text++) {
		char pair[3] = {0};

		if(isspace((unsigned char)*text))
			continue;
		pair[0] = *text++;
		pair[1] = *text;
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}
