/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trust anchors for the DTLS certificates of peers: one file PEER.pem for
 * each peer in trust_dir, CAs in PEM. Read once at start; a peer without a
 * file has no store, and a call that wants its certificate checked against a
 * CA is refused.
 */
#ifndef TG_MOUNT_TRUST_H
#define TG_MOUNT_TRUST_H

#include "base/diag.h"
#include "x509/x509.h"

/* False: d says which file is wrong. dir is a path, NUL behind it */
bool tg_mnt_trust_load(const char *dir, struct tg_diags *d);
/* ctx is not used. NULL: none */
const struct tg_x509_store *tg_mnt_trust_get(void *ctx, struct tg_span peer);

#endif
