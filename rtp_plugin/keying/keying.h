/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Key exchange for one secured media line: SDES (RFC 4568) and DTLS-SRTP
 * (RFC 5763, 5764, 8122, 8842) behind one vtable. It reads the security
 * attributes that modules/lib/sdp found, writes the lines that go into our
 * own description, and gives master keys to srtp/. It opens no socket, edits
 * no SDP and never logs.
 *
 *	     we offer                          they offer
 *	  tg_key_offer() -> lines          tg_key_take_offer(m)
 *	  tg_key_take_answer(m)            tg_key_answer() -> lines
 *	        \                              /
 *	         tg_key_material(), when tg_key_state() is READY;
 *	         SDES at once, DTLS after its handshake
 *
 * A later offer or answer on the same object is a re-negotiation. `fresh` in
 * tg_key_offer and tg_key_answer asks for new local keys: the session sets it
 * when our address or port, or the far end's, has changed (RFC 4568 section
 * 7.1.4, RFC 8842 section 3.1). Without it local keys stay as they are.
 *
 * Thread rule: an object is not locked; the caller holds the leg's lock. The
 * configuration and the certificate are read only and shared.
 * All times are milliseconds of one monotonic clock of the caller.
 */
#ifndef TG_KEYING_KEYING_H
#define TG_KEYING_KEYING_H

#include "base/addr.h"
#include "base/media.h"
#include "base/reason.h"
#include "sdp/sdp.h"
#include "srtp/srtp.h"

struct tg_key_trust; /* keying/trust.h */

/* ---- results ------------------------------------------------------------ */

enum tg_key_rc {
	TG_KEY_OK = 0,
	TG_KEY_NONE,      /* the media line offers nothing of this kind */
	TG_KEY_NO_SUITE,  /* nothing there that the profile admits */
	TG_KEY_MALFORMED, /* a line breaks the grammar, lengths do not fit */
	TG_KEY_MISMATCH,  /* the answer is not to what was offered: tag, suite,
					   * number of lines, setup role; or the far end's
					   * key is our own */
	TG_KEY_WEAK,      /* UNENCRYPTED_SRTP and its like, KDR, weak hash */
	TG_KEY_ORDER,     /* call out of order; nothing changed */
	TG_KEY_ROOM,      /* a limit below */
	TG_KEY_NO_MEMORY,
	TG_KEY_INTERNAL, /* OpenSSL refused for another cause */
	TG_KEY_RC_COUNT
};
/* One word, never NULL */
const char *tg_key_rc_name(enum tg_key_rc rc);
/* The reason the call is refused with: MEDIA_KEYING, MEDIA_SUITE, INTERNAL */
enum tg_reason tg_key_rc_reason(enum tg_key_rc rc);

/* ---- what a leg asks for ------------------------------------------------ */

/* RTP, and RTCP when it is not multiplexed (RFC 5764 section 4.2) */
enum tg_key_component { TG_KEY_RTP = 0, TG_KEY_RTCP };
#define TG_KEY_COMPONENTS 2

#define TG_KEY_IDENTITIES_MAX 4

/* Copied by tg_key_new, but for the trust */
struct tg_key_profile {
	enum tg_suite suite[TG_SUITES_MAX]; /* in order; NONE ends */
	enum tg_dialect dialect;
	uint8_t mki_octets;    /* of our offer; 0: none. SDES only */
	uint8_t lifetime_log2; /* of our offer; 0: none, 20..48. SDES only */
	/* DTLS: NULL trusts the signalled fingerprint alone; else the certificate
	 * must chain to this too and prove one of the identities */
	struct tg_key_trust *trust;
	/* names; empty ends. None: names unchecked */
	struct tg_span identity[TG_KEY_IDENTITIES_MAX];
};

/* A far end's transport address */
struct tg_key_path {
	struct tg_addr addr;
	uint16_t port;
};

struct tg_key; /* one media line of one leg, toward one far end (one tag) */

/* What DTLS needs from its process. Outlives every object made with it */
struct tg_key_host {
	const struct tg_key_cert *cert;
	/*
	 * Sends one datagram. user is the pointer given to tg_key_new. Called
	 * only from within tg_key_datagram, tg_key_tick, tg_key_connect and
	 * tg_key_free (close_notify), with the leg's lock held. A failed send
	 * is a lost datagram.
	 */
	void (*send)(void *user, enum tg_key_component component,
			const struct tg_key_path *to, const uint8_t *octet, size_t octets);
	uint8_t cookie_secret[32]; /* random, one a process */
	uint16_t mtu;              /* octets of a UDP payload; 0: 1200 */
	/* wall clock for certificate validity, UNIX seconds; NULL: time() */
	int64_t (*now_sec)(void);
};

/* ---- own certificate (DTLS) --------------------------------------------- */

struct tg_key_cert;

/* PEM: certificate with its chain, private key. NULL: see *why, static text.
 * tg_key_cert_free */
struct tg_key_cert *tg_key_cert_new(
		struct tg_span cert_pem, struct tg_span key_pem, const char **why);
/* Self-signed ECDSA P-256, random name, valid for 30 days from a day ago */
struct tg_key_cert *tg_key_cert_new_self_signed(const char **why);
void tg_key_cert_free(struct tg_key_cert *cert);
#define TG_KEY_FINGERPRINT_OCTETS 104
/* "sha-256 AB:CD:...", NUL-terminated, borrowed */
const char *tg_key_cert_fingerprint(const struct tg_key_cert *cert);

/* ---- lines for our SDP -------------------------------------------------- */

#define TG_KEY_LINES_MAX (TG_SUITES_MAX + 1)
#define TG_KEY_LINE_OCTETS 512

/* Whole lines without line end: "a=crypto:1 AES_CM_...", "a=setup:active".
 * Those of SDES are secret: wipe when the SDP is made */
struct tg_key_lines {
	size_t n;
	struct {
		size_t len;
		char text[TG_KEY_LINE_OCTETS];
	} line[TG_KEY_LINES_MAX];
};
void tg_key_lines_wipe(struct tg_key_lines *lines);

/* ---- objects ------------------------------------------------------------ */

enum tg_key_state {
	TG_KEY_IDLE = 0, /* nothing agreed, or failed: no media passes */
	TG_KEY_OFFERED,  /* our offer is out */
	TG_KEY_AGREED, /* DTLS: description agreed, handshake to come or running */
	TG_KEY_READY,  /* master keys of every component that is in use */
	TG_KEY_FAILED  /* DTLS: see tg_key_reason(); no media passes */
};

/*
 * The vtable behind the functions below; a session calls the functions.
 * Every entry has the contract of the function of its name.
 */
struct tg_key_ops {
	enum tg_kx kx;
	enum tg_key_rc (*offer)(
			struct tg_key *k, bool fresh, struct tg_key_lines *out);
	enum tg_key_rc (*take_answer)(
			struct tg_key *k, const struct tg_sdp_media *m);
	enum tg_key_rc (*take_offer)(
			struct tg_key *k, const struct tg_sdp_media *m);
	enum tg_key_rc (*answer)(
			struct tg_key *k, bool fresh, struct tg_key_lines *out);
	struct tg_key *(*fork)(const struct tg_key *k, void *user);
	enum tg_key_state (*state)(
			const struct tg_key *k, enum tg_key_component component);
	bool (*material)(const struct tg_key *k, enum tg_key_component component,
			enum tg_srtp_dir dir, struct tg_srtp_keys *out);
	void (*free)(struct tg_key *k);
};

/*
 * kx: SDES or DTLS. profile is copied with its identities; its trust is
 * borrowed for the life of the object. host may be NULL for
 * SDES. user goes to host->send. NULL: out of memory or DTLS without a host.
 */
struct tg_key *tg_key_new(enum tg_kx kx, const struct tg_key_profile *profile,
		const struct tg_key_host *host, void *user);
/* Wipes and frees; NULL is fine */
void tg_key_free(struct tg_key *k);
enum tg_kx tg_key_kx(const struct tg_key *k);

/*
 * Could this kind of key exchange take that offer? The session asks it in the
 * order of its profile before it makes an object: TG_KEY_OK, NONE, NO_SUITE,
 * WEAK or MALFORMED.
 */
enum tg_key_rc tg_key_can_take(enum tg_kx kx,
		const struct tg_key_profile *profile, const struct tg_sdp_media *m);

/*
 * Our lines for an offer. SDES: one a=crypto a suite, in the profile's order,
 * tags from 1, each with a key of its own; a suite that was agreed before
 * keeps its key with its MKI and lifetime. DTLS: fingerprint, setup
 * (actpass; in a later offer too), tls-id. The same bytes again when nothing
 * is fresh and nothing has been answered since.
 */
enum tg_key_rc tg_key_offer(struct tg_key *k, bool fresh,
		struct tg_key_lines *out) __attribute__((warn_unused_result));

/*
 * The far end's answer to our offer. SDES: exactly one valid crypto line whose
 * tag and suite are of one we offered (RFC 4568 section 5.1.3). MKI and
 * lifetime belong to the key of their line, so each direction has those of its
 * sender; an answer without an MKI to an offer with one is taken. On an error
 * keys that were agreed before stay in force: the session decides whether to
 * end the call.
 */
enum tg_key_rc tg_key_take_answer(struct tg_key *k,
		const struct tg_sdp_media *m) __attribute__((warn_unused_result));

/*
 * The far end's offer: chooses a line, the profile's order first, then the
 * offer's (RFC 4568 section 5.1.2 lets the answerer choose). Lines with
 * session parameters that weaken or that we do not do (UNENCRYPTED_*,
 * UNAUTHENTICATED_*, KDR, FEC_*, unknown ones) are passed over; WSH is a hint
 * and taken; unknown ones with "-" are ignored (RFC 4568 section 6.3.7).
 * Keys in force stay until tg_key_answer succeeds.
 */
enum tg_key_rc tg_key_take_offer(struct tg_key *k, const struct tg_sdp_media *m)
		__attribute__((warn_unused_result));

/*
 * Our lines for the answer to the offer taken last. SDES: one line, tag, suite,
 * MKI length and lifetime as in the chosen line. DTLS: fingerprint, setup
 * (active for actpass and passive, passive for active), tls-id when the offer
 * had one. Repeated calls without `fresh` give the same bytes.
 */
enum tg_key_rc tg_key_answer(struct tg_key *k, bool fresh,
		struct tg_key_lines *out) __attribute__((warn_unused_result));

/*
 * A forked answer: an object with the same offered local keys and no far end
 * yet. SDES: the local (tx) keys are the same ones, so all forks of a leg must
 * send through ONE tx context, or keystream is used twice; rx contexts are
 * one a fork. NULL: out of memory, or nothing was offered.
 */
struct tg_key *tg_key_fork(const struct tg_key *k, void *user);

enum tg_key_state tg_key_state(
		const struct tg_key *k, enum tg_key_component component);

/*
 * Master keys of a component and direction: RX those the far end sends with,
 * TX ours; the caller wipes them. False before READY. SDES gives the same for
 * both components.
 */
bool tg_key_material(const struct tg_key *k, enum tg_key_component component,
		enum tg_srtp_dir dir, struct tg_srtp_keys *out)
		__attribute__((warn_unused_result));

/* Counts up each time material changes: hand it to srtp when it moved */
uint32_t tg_key_generation(const struct tg_key *k);

/* TG_KEY_FAILED: why; else TG_REASON_NONE */
enum tg_reason tg_key_reason(const struct tg_key *k);
/* Text for the log, escaped, without secrets; never NULL */
const char *tg_key_detail(const struct tg_key *k);

/* For status and counters */
struct tg_key_facts {
	enum tg_suite suite;  /* agreed; NONE before */
	uint32_t remote_kept; /* SDES: times the far end kept its key though it
						   * moved (RFC 4568 section 7.1.4) */
};
void tg_key_facts(const struct tg_key *k, struct tg_key_facts *out);

/* ---- what the session alone can know ------------------------------------ */

/*
 * The far end's address or port changed. SDES: a key that it keeps is counted.
 * DTLS: without a tls-id that means a new association (RFC 8842 section 3.1).
 */
void tg_key_peer_moved(struct tg_key *k);

/* ---- DTLS: datagrams and time; no-ops for SDES -------------------------- */

/*
 * Which components will run: both when RTCP is not multiplexed. Default: RTP
 * only. Before the first handshake.
 */
void tg_key_set_components(struct tg_key *k, bool rtcp);

/*
 * Where an active handshake goes: the address of the SDP, or the pair that ICE
 * validated. With our role active it starts the handshake when the state is
 * AGREED; passive: only remembered as the address replies may go to unasked.
 */
void tg_key_connect(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *to, uint64_t now_ms);

/*
 * One datagram whose first octet is 20..63. Replies leave through host->send.
 * As passive side a source that has not shown a valid cookie gets at most
 * three times its octets and costs no memory; at most TG_KEY_CANDIDATES
 * sources with a valid cookie are kept, also before the answer came; the
 * first whose certificate fits the fingerprint wins and the others are
 * dropped.
 */
#define TG_KEY_CANDIDATES 4
void tg_key_datagram(struct tg_key *k, enum tg_key_component component,
		const struct tg_key_path *from, const uint8_t *octet, size_t octets,
		uint64_t now_ms);

/* Milliseconds until tg_key_tick is due; 0 now; -1 nothing pending */
int64_t tg_key_timeout_ms(const struct tg_key *k, uint64_t now_ms);
/* Retransmits what is due; gives up after 30 s without progress */
void tg_key_tick(struct tg_key *k, uint64_t now_ms);

/* ---- the far end -------------------------------------------------------- */

/* The source whose handshake won; false before. Media from another source is
 * judged by the session */
bool tg_key_peer(const struct tg_key *k, enum tg_key_component component,
		struct tg_key_path *out);

#endif
