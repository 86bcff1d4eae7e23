/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See handshake.h. OpenSSL sees a BIO that gives one datagram and then "try
 * again", and that hands each datagram it writes to the host. RFC 6347 (DTLS
 * 1.2: cookies, retransmission), RFC 5764 (use_srtp, exporter).
 *
 *	octet 0 of master keys from the exporter, RFC 5764 section 4.2:
 *	client key | server key | client salt | server salt
 */
#include "keying/handshake.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "keying/cert.h"
#include "keying/trust.h"

#define FIRST_TIMER_US 250000
#define LAST_TIMER_US 4000000
#define MTU_DEFAULT 1200
#define COOKIE_OCTETS 32
#define EXPORTER_LABEL "EXTRACTOR-dtls_srtp"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ex_index = -1;
static BIO_METHOD *datagram_method;

/* ---- profiles ----------------------------------------------------------- */

static const struct {
	enum tg_suite suite;
	const char *name;
	unsigned long id;
} profiles[] = {
		{TG_SUITE_AES_CM_128_HMAC_SHA1_80, "SRTP_AES128_CM_SHA1_80",
				SRTP_AES128_CM_SHA1_80},
		{TG_SUITE_AES_CM_128_HMAC_SHA1_32, "SRTP_AES128_CM_SHA1_32",
				SRTP_AES128_CM_SHA1_32},
		{TG_SUITE_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM",
				SRTP_AEAD_AES_128_GCM},
		{TG_SUITE_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM",
				SRTP_AEAD_AES_256_GCM},
};
#define N_PROFILES (sizeof(profiles) / sizeof(*profiles))

static const char *profile_name(enum tg_suite suite)
{
	for(size_t i = 0; i < N_PROFILES; i++)
		if(profiles[i].suite == suite)
			return profiles[i].name;
	return NULL;
}

bool tg_handshake_has_profile(enum tg_suite suite)
{
	return profile_name(suite) != NULL;
}

/* "A:B:C" in the order of the leg's suites; false when none has a profile */
static bool offer_profiles(SSL *ssl, const struct tg_key_profile *p)
{
	char list[128];
	int at = 0;

	for(size_t i = 0; i < TG_SUITES_MAX && p->suite[i]; i++) {
		const char *name = profile_name(p->suite[i]);

		if(name)
			at += snprintf(list + at, sizeof(list) - (size_t)at, "%s%s",
					at ? ":" : "", name);
	}
	/* this one function of OpenSSL gives 0 for success */
	return at > 0 && SSL_set_tlsext_use_srtp(ssl, list) == 0;
}

/* ---- the BIO ------------------------------------------------------------ */

static int bio_write(BIO *bio, const char *octet, int octets)
{
	struct tg_handshake *h = BIO_get_data(bio);
	const struct tg_handshake_owner *o = h->owner;

	BIO_clear_retry_flags(bio);
	if(octets > 0)
		o->host->send(o->user, h->component, &h->path, (const uint8_t *)octet,
				(size_t)octets);
	return octets;
}

static int bio_read(BIO *bio, char *octet, int room)
{
	struct tg_handshake *h = BIO_get_data(bio);
	size_t n = h->in_octets;

	BIO_clear_retry_flags(bio);
	if(!h->in || room <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if(n > (size_t)room)
		n = (size_t)room; /* as recv() does: the rest is lost */
	memcpy(octet, h->in, n);
	h->in = NULL;
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	switch(command) {
		case BIO_CTRL_FLUSH:
		case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
			return 1;
		case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
			return 28;
		default:
			return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

/* ---- cookies ------------------------------------------------------------ */

/* HMAC over the source address and port: no state before the second hello */
static bool make_cookie(SSL *ssl, uint8_t out[COOKIE_OCTETS])
{
	const struct tg_handshake *h = SSL_get_ex_data(ssl, ex_index);
	const struct tg_key_path *p = &h->path;
	uint8_t text[20] = {0};
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	text[0] = p->addr.family;
	memcpy(text + 1, p->addr.octet, 16);
	text[17] = (uint8_t)(p->port >> 8);
	text[18] = (uint8_t)p->port;
	text[19] = (uint8_t)h->component;
	if(!HMAC(EVP_sha256(), h->owner->host->cookie_secret, 32, text,
			   sizeof(text), mac, &n)
			|| n < COOKIE_OCTETS)
		return false;
	memcpy(out, mac, COOKIE_OCTETS);
	return true;
}

static int generate_cookie(SSL *ssl, unsigned char *out, unsigned *octets)
{
	if(!make_cookie(ssl, out))
		return 0;
	*octets = COOKIE_OCTETS;
	return 1;
}

static int verify_cookie(SSL *ssl, const unsigned char *got, unsigned octets)
{
	uint8_t want[COOKIE_OCTETS];

	return octets == COOKIE_OCTETS && make_cookie(ssl, want)
		   && CRYPTO_memcmp(got, want, COOKIE_OCTETS) == 0;
}

/* ---- verdict on the peer's certificate ---------------------------------- */

static void set_failure(
		struct tg_handshake *h, enum tg_reason reason, const char *detail)
{
	h->owner->key->reason = reason;
	snprintf(h->owner->detail, sizeof(h->owner->detail), "%s", detail);
}

static bool digest_fits(const struct tg_fingerprint *f, X509 *cert)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	return X509_digest(cert, f->md, digest, &n) == 1
		   && n == (unsigned)EVP_MD_size(f->md)
		   && CRYPTO_memcmp(digest, f->digest, n) == 0;
}

static bool chain_fits(struct tg_handshake *h, X509 *leaf,
		STACK_OF(X509) *untrusted, int *error)
{
	const struct tg_handshake_owner *o = h->owner;
	struct tg_x509_ask ask = {.identity = o->profile.identity,
			.eku = TG_X509_EKU_ROLE,
			.peer_is_client = !h->client};
	struct tg_x509_answer answer = {0};

	while(ask.n_identity < TG_KEY_IDENTITIES_MAX
			&& o->profile.identity[ask.n_identity].len > 0)
		ask.n_identity++;
	ask.at = o->host->now_sec ? (time_t)o->host->now_sec() : time(NULL);
	tg_key_trust_verify(o->profile.trust, leaf, untrusted, &ask, &answer);
	if(answer.reason == TG_REASON_NONE)
		return true;
	*error = tg_x509_alert_error(answer.reason);
	set_failure(h, answer.reason, answer.detail);
	return false;
}

/*
 * Takes the place of OpenSSL's own check of the chain: the fingerprint from
 * the signalling always binds (RFC 5763 section 5), the chain where the leg
 * asks for it. Before the answer the fingerprint is not known: the handshake
 * may end, but its keys are held back until tg_handshake_fits.
 */
static int judge(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
			store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tg_handshake *h = ssl ? SSL_get_ex_data(ssl, ex_index) : NULL;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	int error = X509_V_ERR_UNSPECIFIED;
	bool fits = false;

	(void)unused;
	if(h && leaf) {
		if(h->owner->remote.md && !digest_fits(&h->owner->remote, leaf)) {
			set_failure(h, TG_REASON_MEDIA_KEYING,
					"the certificate's fingerprint is not the signalled one");
			error = X509_V_ERR_CERT_REJECTED;
		} else {
			fits = !h->owner->profile.trust
				   || chain_fits(h, leaf, X509_STORE_CTX_get0_untrusted(store),
						   &error);
		}
		h->fatal = !fits;
	}
	X509_STORE_CTX_set_error(store, fits ? X509_V_OK : error);
	return fits;
}

bool tg_handshake_fits(const struct tg_handshake *h)
{
	X509 *cert;
	bool fits;

	if(h->state != TG_HS_DONE || !h->ssl || !h->owner->remote.md)
		return false;
	cert = SSL_get1_peer_certificate(h->ssl);
	fits = cert && digest_fits(&h->owner->remote, cert);
	X509_free(cert);
	return fits;
}

/* ---- set-up ------------------------------------------------------------- */

static unsigned timer(SSL *ssl, unsigned last_us)
{
	(void)ssl;
	if(last_us == 0)
		return FIRST_TIMER_US;
	return last_us >= LAST_TIMER_US / 2 ? LAST_TIMER_US : 2 * last_us;
}

static void make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(
			BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tg datagram");

	if(m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read)
			&& BIO_meth_set_ctrl(m, bio_ctrl)
			&& BIO_meth_set_create(m, bio_create))
		datagram_method = m;
	else
		BIO_meth_free(m);
	ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void tg_handshake_prepare(SSL_CTX *ctx)
{
	pthread_once(&once, make_method);
	SSL_CTX_set_verify(
			ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, judge, NULL);
	SSL_CTX_set_cookie_generate_cb(ctx, generate_cookie);
	SSL_CTX_set_cookie_verify_cb(ctx, verify_cookie);
}

bool tg_handshake_open(struct tg_handshake *h, struct tg_handshake_owner *owner,
		enum tg_key_component component, bool client,
		const struct tg_key_path *path, uint64_t now_ms)
{
	BIO *bio = NULL;
	SSL *ssl = NULL;

	memset(h, 0, sizeof(*h));
	h->owner = owner;
	h->component = component;
	h->client = client;
	h->path = *path;
	h->born_ms = now_ms;
	h->state = TG_HS_FAILED;
	if(datagram_method && ex_index >= 0) {
		ssl = SSL_new(tg_key_cert_ctx(owner->host->cert));
		bio = BIO_new(datagram_method);
	}
	if(!ssl || !bio || !SSL_set_ex_data(ssl, ex_index, h)
			|| !offer_profiles(ssl, &owner->profile)) {
		BIO_free(bio);
		SSL_free(ssl);
		return false;
	}
	BIO_set_data(bio, h);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_mtu(ssl, owner->host->mtu ? owner->host->mtu : MTU_DEFAULT);
	DTLS_set_timer_cb(ssl, timer);
	if(client)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	h->ssl = ssl;
	h->state = TG_HS_RUNNING;
	return true;
}

/* OpenSSL keeps a pointer to h: it must be told when h has been moved */
static void attach(struct tg_handshake *h)
{
	SSL_set_ex_data(h->ssl, ex_index, h);
	BIO_set_data(SSL_get_rbio(h->ssl), h);
}

void tg_handshake_close(struct tg_handshake *h, bool notify)
{
	if(h->ssl) {
		ERR_clear_error();
		attach(h);
		h->in = NULL;
		if(notify && h->state == TG_HS_DONE)
			SSL_shutdown(h->ssl);
		SSL_free(h->ssl);
		ERR_clear_error();
	}
	memset(h, 0, sizeof(*h));
}

/* ---- running ------------------------------------------------------------ */

static void fail(struct tg_handshake *h)
{
	char text[120];

	if(!h->fatal) {
		unsigned long e = ERR_peek_error();
		const char *why = e ? ERR_reason_error_string(e) : NULL;

		snprintf(text, sizeof(text), "DTLS handshake failed: %s",
				why ? why : "unknown cause");
		set_failure(h, TG_REASON_MEDIA_KEYING, text);
	}
	SSL_free(h->ssl);
	h->ssl = NULL;
	h->state = TG_HS_FAILED;
}

static void step(struct tg_handshake *h)
{
	int rc = SSL_do_handshake(h->ssl);

	if(rc == 1)
		h->state = TG_HS_DONE;
	else if(SSL_get_error(h->ssl, rc) != SSL_ERROR_WANT_READ)
		fail(h);
}

/* After the end: answers a retransmitted flight, swallows anything else */
static void drain(struct tg_handshake *h)
{
	uint8_t scratch[256];

	for(int i = 0; i < 64; i++)
		if(SSL_read(h->ssl, scratch, sizeof(scratch)) <= 0)
			break;
	tg_wipe(scratch, sizeof(scratch));
}

bool tg_handshake_listen(
		struct tg_handshake *h, const uint8_t *octet, size_t octets)
{
	BIO_ADDR *from = BIO_ADDR_new();
	int rc = -1;

	ERR_clear_error();
	attach(h);
	h->in = octet;
	h->in_octets = octets;
	if(from)
		rc = DTLSv1_listen(h->ssl, from);
	BIO_ADDR_free(from);
	h->in = NULL;
	ERR_clear_error();
	return rc == 1;
}

void tg_handshake_feed(
		struct tg_handshake *h, const uint8_t *octet, size_t octets)
{
	if(!h->ssl)
		return;
	ERR_clear_error();
	attach(h);
	h->in = octet;
	h->in_octets = octets;
	if(h->state == TG_HS_RUNNING)
		step(h);
	if(h->state == TG_HS_DONE)
		drain(h);
	h->in = NULL;
	ERR_clear_error();
}

int64_t tg_handshake_timeout_ms(const struct tg_handshake *h)
{
	struct timeval left;

	if(!h->ssl || h->state != TG_HS_RUNNING
			|| DTLSv1_get_timeout(h->ssl, &left) != 1)
		return -1;
	return (int64_t)left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
}

void tg_handshake_retransmit(struct tg_handshake *h)
{
	if(!h->ssl || h->state != TG_HS_RUNNING)
		return;
	ERR_clear_error();
	attach(h);
	if(DTLSv1_handle_timeout(h->ssl) < 0)
		fail(h);
	ERR_clear_error();
}

/* ---- keys --------------------------------------------------------------- */

static enum tg_suite agreed_suite(const SSL *ssl)
{
	SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile((SSL *)ssl);

	for(size_t i = 0; p && i < N_PROFILES; i++)
		if(profiles[i].id == p->id)
			return profiles[i].suite;
	return TG_SUITE_NONE;
}

static void fill_keys(struct tg_srtp_keys *keys, enum tg_suite suite,
		const struct tg_srtp_shape *shape, const uint8_t *key,
		const uint8_t *salt)
{
	memset(keys, 0, sizeof(*keys));
	keys->suite = suite;
	keys->n = 1;
	keys->master[0].octets = (uint8_t)(shape->key_octets + shape->salt_octets);
	memcpy(keys->master[0].octet, key, shape->key_octets);
	memcpy(keys->master[0].octet + shape->key_octets, salt, shape->salt_octets);
}

bool tg_handshake_export(const struct tg_handshake *h, struct tg_srtp_keys *rx,
		struct tg_srtp_keys *tx)
{
	uint8_t block[2 * TG_SRTP_MASTER_OCTETS_MAX];
	struct tg_srtp_shape shape;
	enum tg_suite suite = agreed_suite(h->ssl);
	const uint8_t *salt;
	bool ok;

	if(!tg_srtp_shape(suite, &shape)
			|| tg_key_rank(&h->owner->profile, suite) < 0)
		return false;
	salt = block + 2 * shape.key_octets;
	ok = SSL_export_keying_material(h->ssl, block,
				 2 * ((size_t)shape.key_octets + shape.salt_octets),
				 EXPORTER_LABEL, sizeof(EXPORTER_LABEL) - 1, NULL, 0, 0)
		 == 1;
	if(ok) {
		/* the client's come first */
		fill_keys(h->client ? tx : rx, suite, &shape, block, salt);
		fill_keys(h->client ? rx : tx, suite, &shape, block + shape.key_octets,
				salt + shape.salt_octets);
	}
	tg_wipe(block, sizeof(block));
	return ok;
}
