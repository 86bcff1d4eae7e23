/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trust for the DTLS certificates of peers: in trust_dir one file PEER.pem
 * for each, CAs in PEM, and beside it PEER.crl, if there are revocation lists,
 * in PEM or DER. A peer without a PEER.pem has none, and a call that wants
 * its certificate checked against a CA is refused.
 */
#ifndef TG_MOUNT_TRUST_H
#define TG_MOUNT_TRUST_H

#include "base/diag.h"
#include "keying/trust.h"

/*
 * Reads the folder, at start and again; dir is a path, NUL behind it, and is
 * kept. All of it or nothing: false, d says which file is wrong, and what was
 * in force stays so. One thread at a time, as the next.
 */
bool tg_mnt_trust_load(const char *dir, struct tg_diags *d);
/* The same folder again. *peers: how many have trust now */
bool tg_mnt_trust_reload(struct tg_diags *d, size_t *peers);
/* Any thread. ctx is not used. Kept for good. NULL: none */
struct tg_key_trust *tg_mnt_trust_get(void *ctx, struct tg_span peer);

#endif
