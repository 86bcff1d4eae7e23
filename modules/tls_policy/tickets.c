/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): one seals,
 * the one before it still opens. They lie in shared memory, so that a ticket
 * that one process gave is good in every other, and nowhere else: not on disk,
 * and after a restart old tickets are worth nothing.
 *
 *   made            ticket_life           2 * ticket_life
 *     | seals and opens | opens what it sealed | wiped
 *
 * Who may have a ticket, and what one is worth, is decided in resume.c.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <time.h>

#include "core/dprint.h"
#include "core/locking.h"
#include "core/mem/shm.h"

#include "tls_policy/resume.h"

struct keys {
	gen_lock_t lock;
	struct tlsp_ticket_key now;
	struct tlsp_ticket_key before;
};

static struct keys *keys;

int tlsp_tickets_init(void)
{
	if(tlsp_params.ticket_life < 1 || tlsp_params.ticket_life > 7 * 86400) {
		LM_ERR("ticket_life is 1 to 604800 seconds (RFC 8446 section 4.6.1)\n");
		return -1;
	}
	keys = shm_malloc(sizeof(*keys));
	if(!keys) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(keys, 0, sizeof(*keys));
	if(!lock_init(&keys->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	return 0;
}

/* A key whose time lies ahead was made before the clock was set back */
static bool is_younger(
		const struct tlsp_ticket_key *key, time_t now, time_t age_sec)
{
	return key->made && now >= key->made && now - key->made < age_sec;
}

/* With the lock held */
static void wipe_old(time_t now)
{
	if(keys->before.made
			&& !is_younger(
					&keys->before, now, 2 * (time_t)tlsp_params.ticket_life))
		OPENSSL_cleanse(&keys->before, sizeof(keys->before));
	if(keys->now.made
			&& !is_younger(
					&keys->now, now, 2 * (time_t)tlsp_params.ticket_life))
		OPENSSL_cleanse(&keys->now, sizeof(keys->now));
}

void tlsp_tickets_tick(void)
{
	/* nobody resumes here: a look without the lock is all it costs */
	if(!__atomic_load_n(&keys->now.made, __ATOMIC_RELAXED)
			&& !__atomic_load_n(&keys->before.made, __ATOMIC_RELAXED))
		return;
	lock_get(&keys->lock);
	wipe_old(time(NULL));
	lock_release(&keys->lock);
}

static bool fresh_key(struct tlsp_ticket_key *key, time_t now)
{
	key->made = now;
	return RAND_bytes(key->name, sizeof(key->name)) == 1
		   && RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1
		   && RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1;
}

static bool current_key(struct tlsp_ticket_key *out, time_t now)
{
	bool found;

	lock_get(&keys->lock);
	found = is_younger(&keys->now, now, tlsp_params.ticket_life);
	if(found)
		*out = keys->now;
	lock_release(&keys->lock);
	return found;
}

bool tlsp_tickets_seal(struct tlsp_ticket_key *out, time_t now)
{
	struct tlsp_ticket_key made;

	if(current_key(out, now))
		return true;
	/* OpenSSL works without our lock; of two processes the first one wins */
	if(!fresh_key(&made, now))
		return false;
	lock_get(&keys->lock);
	if(!is_younger(&keys->now, now, tlsp_params.ticket_life)) {
		keys->before = keys->now;
		keys->now = made;
		wipe_old(now);
	}
	*out = keys->now;
	lock_release(&keys->lock);
	OPENSSL_cleanse(&made, sizeof(made));
	return true;
}

bool tlsp_tickets_open(const unsigned char name[TLSP_TICKET_NAME_OCTETS],
		struct tlsp_ticket_key *out, time_t now)
{
	const struct tlsp_ticket_key *both[] = {&keys->now, &keys->before};
	bool found = false;

	lock_get(&keys->lock);
	for(size_t i = 0; i < 2 && !found; i++) {
		found = is_younger(both[i], now, 2 * (time_t)tlsp_params.ticket_life)
				&& CRYPTO_memcmp(both[i]->name, name, sizeof(both[i]->name))
						   == 0;
		if(found)
			*out = *both[i];
	}
	lock_release(&keys->lock);
	return found;
}

/* ---- as OpenSSL asks for them ---------------------------------------------- */

static bool set_mac(EVP_MAC_CTX *mac, struct tlsp_ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
			OSSL_PARAM_octet_string(
					OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
			OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
			OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 done, 0 no ticket, -1 failed */
int tlsp_tickets_on_key(SSL *ssl, unsigned char *name, unsigned char *iv,
		EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct tlsp_ticket_key key;
	bool ok;

	if(seal && !tlsp_resume_gives(ssl))
		return 0;
	if(seal) {
		if(!tlsp_tickets_seal(&key, time(NULL)))
			return -1;
		memcpy(name, key.name, sizeof(key.name));
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1;
	} else if(tlsp_tickets_open(name, &key, time(NULL))) {
		ok = true;
	} else {
		return 0;
	}
	ok = ok && set_mac(mac, &key)
		 && EVP_CipherInit_ex(
					cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, seal)
					== 1;
	OPENSSL_cleanse(&key, sizeof(key));
	return ok ? 1 : -1;
}
