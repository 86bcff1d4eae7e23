/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cipher types for libsrtp2 that are one small block each, in place of those
 * on OpenSSL's EVP: a packet then touches a dozen lines of memory instead of
 * some hundred. AES counter mode (RFC 3711 section 4.1.1, RFC 6188), AES-GCM
 * (RFC 7714), HMAC-SHA1 (RFC 2104).
 *
 * Only on processors with AES and carry-less multiplication, and never where
 * a FIPS provider is in force (requirement A37): there EVP stays.
 */
#ifndef TG_SRTP_COMPACT_H
#define TG_SRTP_COMPACT_H

#include <srtp2/auth.h>
#include <srtp2/cipher.h>

#include "srtp/srtp.h"

extern const srtp_cipher_type_t tg_compact_icm_128;
extern const srtp_cipher_type_t tg_compact_icm_256;
extern const srtp_cipher_type_t tg_compact_gcm_128;
extern const srtp_cipher_type_t tg_compact_gcm_256;
extern const srtp_auth_type_t tg_compact_hmac;
extern const srtp_auth_type_t tg_compact_null; /* beside GCM */

/* May the types be used here? Else *why says what is against it */
bool tg_compact_available(const char **why);

/*
 * Replaces libsrtp2's types; after srtp_init, before the first srtp_create.
 * libsrtp2 runs its own test cases on each. False: *why says which one failed;
 * the types that were replaced before stay, they passed.
 */
bool tg_compact_install(const char **why);

/* Thread-local, found without a call: the plugin is loaded at start */
#define TG_COMPACT_THREAD \
	static __thread __attribute__((tls_model("initial-exec")))

/* ---- memory ------------------------------------------------------------- */

/*
 * Zeroed, aligned to 16 octets, in the room of the context in work as far as
 * it goes (room.c); NULL: out of memory. For the types
 */
void *tg_compact_alloc(size_t octets);
/* Not NULL */
void tg_compact_free(void *p);

/*
 * Asked once by each cipher that is made. libsrtp2 makes that of SRTP first;
 * what follows for a context is for SRTCP and for deriving keys: seldom used, so
 * it keeps its key and expands it for each packet.
 */
bool tg_compact_is_rare(void);
/* The same for what authenticates beside the cipher made last */
bool tg_compact_is_rare_auth(void);

#endif
