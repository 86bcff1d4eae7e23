/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See cert.h. DTLS 1.2 and nothing older (RFC 9325), ephemeral key exchange,
 * AEAD or CBC with ETM as OpenSSL has it, no tickets, no resumption, no
 * renegotiation. The verdict on the peer is set per handshake in
 * handshake.c, for RFC 5763 judges by fingerprint and not by chain.
 */
#include "keying/cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "fips/fips.h"
#include "keying/handshake.h"

#define DAY (24 * 60 * 60)

struct tg_key_cert {
	SSL_CTX *ctx;
	char fingerprint[TG_KEY_FINGERPRINT_OCTETS];
};

/* ---- fingerprints ------------------------------------------------------- */

const EVP_MD *tg_key_hash(struct tg_span name)
{
	if(tg_span_ieq(name, TG_SPAN("sha-256")))
		return EVP_sha256();
	if(tg_span_ieq(name, TG_SPAN("sha-384")))
		return EVP_sha384();
	if(tg_span_ieq(name, TG_SPAN("sha-512")))
		return EVP_sha512();
	return NULL;
}

static int nibble(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tg_key_fingerprint_read(
		struct tg_span text, const EVP_MD *md, uint8_t *out)
{
	size_t octets = (size_t)EVP_MD_size(md);

	if(text.len != 3 * octets - 1)
		return false;
	for(size_t i = 0; i < octets; i++) {
		const char *p = text.ptr + 3 * i;
		int high = nibble(p[0]), low = nibble(p[1]);

		if(high < 0 || low < 0 || (i + 1 < octets && p[2] != ':'))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool write_fingerprint(X509 *x, char out[TG_KEY_FINGERPRINT_OCTETS])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int at = snprintf(out, TG_KEY_FINGERPRINT_OCTETS, "sha-256");

	if(X509_digest(x, EVP_sha256(), digest, &n) != 1 || n != 32)
		return false;
	for(unsigned i = 0; i < n; i++)
		at += snprintf(out + at, TG_KEY_FINGERPRINT_OCTETS - (size_t)at,
				"%c%02X", i ? ':' : ' ', digest[i]);
	return true;
}

/* ---- the context -------------------------------------------------------- */

static bool set_groups(SSL_CTX *ctx)
{
	return SSL_CTX_set1_groups_list(
				   ctx, tg_fips_active() ? "P-256:P-384" : "X25519:P-256:P-384")
		   == 1;
}

static SSL_CTX *make_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_method());

	if(!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_COOKIE_EXCHANGE
									 | SSL_OP_NO_TICKET
									 | SSL_OP_NO_RENEGOTIATION
									 | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	if(SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1
			|| !set_groups(ctx)
			|| SSL_CTX_set_cipher_list(ctx,
					   "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!SHA1")
					   != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	tg_handshake_prepare(ctx);
	return ctx;
}

static bool fill(struct tg_key_cert *cert, X509 *leaf, EVP_PKEY *key)
{
	return SSL_CTX_use_certificate(cert->ctx, leaf) == 1
		   && SSL_CTX_use_PrivateKey(cert->ctx, key) == 1
		   && SSL_CTX_check_private_key(cert->ctx) == 1
		   && write_fingerprint(leaf, cert->fingerprint);
}

static struct tg_key_cert *alloc_cert(void)
{
	struct tg_key_cert *cert = calloc(1, sizeof(*cert));

	if(!cert)
		return NULL;
	cert->ctx = make_ctx();
	if(!cert->ctx) {
		free(cert);
		return NULL;
	}
	return cert;
}

SSL_CTX *tg_key_cert_ctx(const struct tg_key_cert *cert)
{
	return cert->ctx;
}

const char *tg_key_cert_fingerprint(const struct tg_key_cert *cert)
{
	return cert->fingerprint;
}

void tg_key_cert_free(struct tg_key_cert *cert)
{
	if(!cert)
		return;
	SSL_CTX_free(cert->ctx);
	free(cert);
}

/* ---- from files --------------------------------------------------------- */

/* A key file must not make the daemon ask for a password on its terminal */
static int no_password(char *buf, int size, int rwflag, void *user)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)user;
	return -1;
}

static bool add_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *x;

	while((x = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if(SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			return false;
		}
	}
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static const char *load(struct tg_key_cert *cert, BIO *cert_bio, BIO *key_bio)
{
	const char *why = NULL;
	X509 *leaf = PEM_read_bio_X509(cert_bio, NULL, no_password, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);

	if(!leaf)
		why = "no certificate in PEM";
	else if(!key)
		why = "no private key in PEM, or one with a password";
	else if(!fill(cert, leaf, key))
		why = "certificate and private key do not belong together, or are "
			  "too weak";
	else if(!add_chain(cert->ctx, cert_bio))
		why = "the certificate's chain cannot be read";
	X509_free(leaf);
	EVP_PKEY_free(key);
	return why;
}

struct tg_key_cert *tg_key_cert_new(
		struct tg_span cert_pem, struct tg_span key_pem, const char **why)
{
	struct tg_key_cert *cert = NULL;
	BIO *cert_bio = NULL, *key_bio = NULL;

	*why = "out of memory";
	if(cert_pem.len <= INT32_MAX && key_pem.len <= INT32_MAX) {
		cert = alloc_cert();
		cert_bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
		key_bio = BIO_new_mem_buf(key_pem.ptr, (int)key_pem.len);
	}
	if(cert && cert_bio && key_bio)
		*why = load(cert, cert_bio, key_bio);
	BIO_free(cert_bio);
	BIO_free(key_bio);
	ERR_clear_error();
	if(*why) {
		tg_key_cert_free(cert);
		cert = NULL;
	}
	return cert;
}

/* ---- self-signed -------------------------------------------------------- */

static bool set_name(X509 *x)
{
	uint8_t random[8];
	char text[2 * sizeof(random) + 1];
	X509_NAME *name = X509_get_subject_name(x);

	if(RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for(size_t i = 0; i < sizeof(random); i++)
		snprintf(text + 2 * i, 3, "%02x", random[i]);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)text, -1, -1, 0)
				   == 1
		   && X509_set_issuer_name(x, name) == 1;
}

static bool set_serial(X509 *x)
{
	uint64_t serial;

	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1
		   && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1)
					  == 1;
}

static X509 *self_sign(EVP_PKEY *key)
{
	X509 *x = X509_new();

	if(x && X509_set_version(x, 2) == 1 && set_serial(x) && set_name(x)
			&& X509_gmtime_adj(X509_getm_notBefore(x), -DAY)
			&& X509_gmtime_adj(X509_getm_notAfter(x), 30L * DAY)
			&& X509_set_pubkey(x, key) == 1
			&& X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

struct tg_key_cert *tg_key_cert_new_self_signed(const char **why)
{
	struct tg_key_cert *cert = alloc_cert();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? self_sign(key) : NULL;

	*why = NULL;
	if(!cert || !x || !fill(cert, x, key)) {
		*why = "OpenSSL could not make a certificate";
		tg_key_cert_free(cert);
		cert = NULL;
	}
	X509_free(x);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return cert;
}
