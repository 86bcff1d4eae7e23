/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A user name and password for a TURN server that shares a secret with us:
 * the name is "EXPIRY:ID", the password base64(HMAC-SHA1(secret, name)), as
 * coturn takes them with use-auth-secret. The server reads the end of their
 * life from the name. SHA-1 is what that convention says; as a MAC it holds.
 * Who may have one, and for how long, is not judged here.
 */
#ifndef TG_MRAS_CREDENTIAL_H
#define TG_MRAS_CREDENTIAL_H

#include "base/span.h"

#define TG_MRAS_ID_MAX 128
#define TG_MRAS_SECRET_MIN 16
#define TG_MRAS_SECRET_MAX 256
/* 20 digits, the colon, the id, the NUL */
#define TG_MRAS_USERNAME_OCTETS (20 + 1 + TG_MRAS_ID_MAX + 1)
/* 20 octets in base64, the NUL */
#define TG_MRAS_PASSWORD_OCTETS 29

struct tg_mras_credential {
	char username[TG_MRAS_USERNAME_OCTETS];
	char password[TG_MRAS_PASSWORD_OCTETS];
};

/*
 * expiry: seconds since 1970. id: letters, digits, and "-._@+" only, so that
 * it means the same in a TURN message, in XML, in JSON and in a log. False,
 * with *out zeroed, when an argument is out of bounds or OpenSSL fails.
 */
bool tg_mras_credential_make(struct tg_span secret, uint64_t expiry,
		struct tg_span id, struct tg_mras_credential *out);

/* Overwrites what must not stay in memory */
void tg_mras_credential_wipe(struct tg_mras_credential *c);

#endif
