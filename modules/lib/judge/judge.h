/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 1's second half: a certificate seen in a handshake, put before the
 * policy. Joins policy/ (who may it be) and x509/ (is it that one), so that
 * the Kamailio module and tgctl judge with the same code.
 */
#ifndef TG_JUDGE_JUDGE_H
#define TG_JUDGE_JUDGE_H

#include "policy/decide.h"
#include "x509/x509.h"

/*
 * The stores of one snapshot in one process, built on first use.
 * Not thread safe; one a process.
 */
struct tg_judge;

struct tg_judge *tg_judge_new(void); /* NULL: out of memory */
void tg_judge_free(struct tg_judge *j);

/*
 * Builds every store of the policy once and reports what cannot be read:
 * call at load, before the snapshot is put into force.
 */
bool tg_judge_check_trust(const struct tg_pol *p, struct tg_diags *diags);

/*
 * Would these CRLs do in place of the ones that the policy has from path? A
 * CRL that is not signed by the CA whose name it has would not.
 */
bool tg_judge_check_crl(const struct tg_pol *p, struct tg_span path,
		struct tg_span data, struct tg_diags *diags);

/*
 * With a FIPS provider in force: does the policy need what it lacks? Without:
 * does the policy insist on one? Call it at the same moment.
 */
bool tg_judge_check_fips(const struct tg_pol *p, struct tg_diags *diags);

/*
 * Does OpenSSL, as this process has it, take the lists of each [tls] section?
 * What it does not take would end each handshake. Call it at the same moment.
 */
bool tg_judge_check_lists(const struct tg_pol *p, struct tg_diags *diags);

/*
 * Whom to ask for the status of a certificate of our own: a trust with ocsp =
 * fetch that its path ends in. NULL: there is none. *issuer is borrowed from
 * others or until the generation changes.
 */
const struct tg_pol_trust *tg_judge_responder_of(struct tg_judge *j,
		const struct tg_pol *p, uint64_t generation, X509 *leaf,
		STACK_OF(X509) *others, X509 **issuer);

/* As tg_x509_status_fn, of a certificate that trust vouches for */
typedef void (*tg_judge_status_fn)(void *ctx, const struct tg_pol_trust *trust,
		X509 *leaf, X509 *issuer, bool allow_sha1, struct tg_x509_status *out);

struct tg_judge_in {
	const struct tg_pol *policy;
	uint64_t generation; /* of the snapshot: a new one drops cached stores */
	struct tg_pol_conn conn;
	/* outbound: the peer that is wanted; NULL: any of tg_pol_wanted_peers */
	const struct tg_pol_peer *wanted;
	X509 *leaf; /* NULL: none was presented */
	STACK_OF(X509) *untrusted;
	time_t at;
	/* judged before and up since then: a stale CRL answers for stale_grace */
	bool established;
	/* outbound, where the trust asks for a staple: it is on its way, or the one
	 * that came */
	bool staple_follows;
	struct tg_span staple;
	/* what is known of a status that is fetched (ocsp = fetch); NULL: nothing */
	tg_judge_status_fn status;
	void *status_ctx;
	time_t status_until;  /* established: how long the status then held */
	time_t pending_until; /* established, and waits for it: how long; else 0 */
	/* any number of that connection's own: with it connections that rest on one
	 * CRL do not end at one moment */
	uint32_t spread;
};

struct tg_judge_out {
	struct tg_pol_verdict verdict; /* peer on success, clients for "no
		certificate" where a client rule fits; on DENY, peer is the one it
		came closest to, for the log */
	struct tg_x509_answer x509;    /* not_after: when to judge it again */
	/* allowed, but nothing may pass before its status is known: judge it again
	 * then, and after that time at the latest. x509.detail says what is amiss */
	bool pending;
	time_t pending_until;
};

void tg_judge_certificate(struct tg_judge *j, const struct tg_judge_in *in,
		const struct tg_pol_trace *trace, struct tg_judge_out *out);

#endif
