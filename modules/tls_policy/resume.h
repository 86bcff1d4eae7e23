/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may take up a TLS session again, and what that session is worth today.
 * resume.c decides, tickets.c has the keys; handshake.c asks.
 */
#ifndef TLSP_RESUME_H
#define TLSP_RESUME_H

#include "tls_policy/tlsp.h"

/* ---- resume.c ------------------------------------------------------------- */

/*
 * At the ClientHello: what a session that is taken up must be bound to, and
 * whether there may be any. Writes f->tickets. False: it cannot be set.
 */
bool tlsp_resume_admit(SSL *ssl, const struct tlsp_snap *snap,
		struct tlsp_facts *f, const struct tg_pol_admission *a);

/*
 * OpenSSL has decided whether it takes a session up. Where it does not, what
 * the ticket said of its peer is forgotten. True: f was changed.
 */
bool tlsp_resume_settle(SSL *ssl, struct tlsp_facts *f);

/* A certificate was allowed: does the peer that it proves get tickets? */
void tlsp_resume_proven(SSL *ssl, const struct tlsp_snap *snap,
		struct tlsp_facts *f, X509 *leaf, STACK_OF(X509) *chain);

/*
 * At the end: was the session that this connection took up judged for it? Then
 * f says whose it is. *leaf and what goes with it, a list as in struct
 * tlsp_chain, are the session's; without a certificate *leaf is NULL.
 */
bool tlsp_resume_taken(SSL *ssl, const struct tlsp_snap *snap,
		const struct tlsp_facts *f, X509 **leaf, const unsigned char **certs,
		size_t *octets);

/* Is a ticket due on this connection? */
bool tlsp_resume_gives(SSL *ssl);

/* ---- tickets.c ------------------------------------------------------------ */

#define TLSP_TICKET_NAME_OCTETS 16

struct tlsp_ticket_key {
	time_t made; /* 0: none */
	unsigned char name[TLSP_TICKET_NAME_OCTETS];
	unsigned char cipher[32]; /* AES-256-CBC */
	unsigned char mac[32];    /* HMAC-SHA-256 */
};

int tlsp_tickets_init(void);
/* Keys that open nothing any more are wiped; from the process "TLS POLICY" */
void tlsp_tickets_tick(void);
/* The caller wipes *out. False: OpenSSL gave no random octets */
bool tlsp_tickets_seal(struct tlsp_ticket_key *out, time_t now);
/* False: no key of that name is known, or not any more */
bool tlsp_tickets_open(const unsigned char name[TLSP_TICKET_NAME_OCTETS],
		struct tlsp_ticket_key *out, time_t now);
int tlsp_tickets_on_key(SSL *ssl, unsigned char *name, unsigned char *iv,
		EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal);

#endif
