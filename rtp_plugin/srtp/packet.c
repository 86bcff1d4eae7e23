/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The packet path. What libsrtp2 leaves to its user is done here: the MKI by
 * value, lifetimes (RFC 3711 section 9.2), the cap on SSRCs, sequences that
 * start again, rtpengine's NAT packet, replay across a change of keys.
 *
 *	 rx: shape -> MKI -> lifetime -> SSRC -> floor -> libsrtp2 -> note
 *	 tx: shape -> lifetime -> NAT -> SSRC -> shift -> floor -> libsrtp2 -> note
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "srtp/internal.h"

#define BOUNCE_OCTETS 4096
#define STRANGER_OCTETS 2048
/* of a block: the head of libsrtp2's list, but for its end */
#define COLD_LINES 0x20u
#define NAT_SEQUENCE 65535
#define RUN_BEHIND_WINDOW 2 /* RFC 3550 A.1 */
#define RUN_INSIDE_WINDOW 8

/* One packet on its way through */
struct packet {
	enum tg_srtp_kind kind;
	uint8_t *octet;
	size_t octets;
	uint32_t ssrc;
	uint16_t seq;  /* RTP, as it came */
	uint8_t own;   /* OWN_*: libsrtp2 got a stream for its SSRC alone */
	size_t master; /* index into keys */
};

enum tg_srtp_kind tg_srtp_kind(const uint8_t *packet, size_t octets)
{
	if(octets == 0)
		return TG_SRTP_KIND_OTHER;
	if(packet[0] <= 3)
		return TG_SRTP_KIND_STUN;
	if(packet[0] >= 20 && packet[0] <= 63)
		return TG_SRTP_KIND_DTLS;
	if(packet[0] >= 64 && packet[0] <= 79)
		return TG_SRTP_KIND_TURN;
	if(packet[0] < 128 || packet[0] > 191 || octets < 2)
		return TG_SRTP_KIND_OTHER;
	/* RFC 5761 section 4: payload types 64..95 with the marker bit */
	return packet[1] >= 192 && packet[1] <= 223 ? TG_SRTP_KIND_RTCP
												: TG_SRTP_KIND_RTP;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The length of header, CSRCs and extension must fit in room octets */
static bool rtp_fits(const uint8_t *p, size_t room)
{
	size_t need = RTP_HEADER_OCTETS;

	if(room < need || p[0] >> 6 != 2)
		return false;
	need += 4 * (size_t)(p[0] & 0x0f);
	if(p[0] & 0x10) {
		if(room < need + 4)
			return false;
		need += 4 + 4 * (size_t)get16(p + need + 2);
	}
	return room >= need;
}

static bool open_packet(struct packet *k, size_t trailer)
{
	size_t room;

	if(k->octets > PACKET_OCTETS_MAX || k->octets < trailer)
		return false;
	room = k->octets - trailer;
	if(k->kind == TG_SRTP_KIND_RTP) {
		if(!rtp_fits(k->octet, room))
			return false;
		k->seq = get16(k->octet + 2);
		k->ssrc = get32(k->octet + 8);
		return true;
	}
	if(k->kind != TG_SRTP_KIND_RTCP || room < RTCP_HEADER_OCTETS
			|| k->octet[0] >> 6 != 2)
		return false;
	k->ssrc = get32(k->octet + 4);
	return true;
}

/* Octets behind the payload of a protected packet */
static size_t trailer_of(const struct tg_srtp *ctx, enum tg_srtp_kind kind)
{
	if(kind == TG_SRTP_KIND_RTP)
		return (size_t)ctx->rtp_tag_octets + ctx->mki_octets;
	return (size_t)ctx->rtcp_tag_octets + SRTCP_INDEX_OCTETS + ctx->mki_octets;
}

/* ---- streams ------------------------------------------------------------ */

static struct stream *find_stream(struct tg_srtp *ctx, uint32_t ssrc)
{
	if(ctx->last < ctx->n_streams && ctx->stream[ctx->last].ssrc == ssrc)
		return &ctx->stream[ctx->last];
	for(uint32_t i = 0; i < ctx->n_streams; i++)
		if(ctx->stream[i].ssrc == ssrc) {
			ctx->last = i;
			return &ctx->stream[i];
		}
	return NULL;
}

/* Room for one more, so that noting an authentic packet cannot fail */
static enum tg_srtp_rc reserve_stream(struct tg_srtp *ctx)
{
	uint32_t more = ctx->n_streams + ctx->n_streams / 2u + 1;
	struct stream *grown;

	if(ctx->n_streams >= ctx->ssrc_max)
		return TG_SRTP_LIMIT;
	if(ctx->n_streams < ctx->max_streams)
		return TG_SRTP_OK;
	grown = realloc(ctx->stream == &ctx->first ? NULL : ctx->stream,
			more * sizeof(*grown));
	if(!grown)
		return TG_SRTP_NO_MEMORY;
	if(ctx->stream == &ctx->first)
		*grown = ctx->first;
	ctx->stream = grown;
	ctx->max_streams = (uint16_t)more;
	return TG_SRTP_OK;
}

static struct stream *add_stream(struct tg_srtp *ctx, uint32_t ssrc)
{
	struct stream *s = &ctx->stream[ctx->n_streams];

	*s = (struct stream){.ssrc = ssrc};
	ctx->last = ctx->n_streams++;
	ctx->counters.ssrcs = ctx->n_streams;
	return s;
}

/*
 * The index that libsrtp2 will take for a number: nearest to the highest one
 * (RFC 3711 appendix A), but never of a negative roll-over counter.
 */
static uint64_t rx_index(const struct stream *s, uint16_t seq)
{
	int32_t last, ahead;

	if(!s || !s->has_rtp || s->high <= 0x8000)
		return seq;
	last = (uint16_t)s->high;
	ahead = seq - last;
	if(last < 0x8000 && ahead > 0x8000)
		ahead -= 0x10000;
	else if(last >= 0x8000 && ahead < -0x8000)
		ahead += 0x10000;
	return s->high + (uint64_t)(int64_t)ahead;
}

/* ---- lifetime ----------------------------------------------------------- */

static uint64_t lifetime(const struct master *m, enum tg_srtp_kind kind)
{
	uint64_t max =
			kind == TG_SRTP_KIND_RTP ? RTP_LIFETIME_MAX : RTCP_LIFETIME_MAX;

	return m->key.lifetime && m->key.lifetime < max ? m->key.lifetime : max;
}

static bool used_up(const struct tg_srtp *ctx, const struct packet *k)
{
	const struct master *m = tg_srtp_master_const(ctx, k->master);

	return (k->kind == TG_SRTP_KIND_RTP ? m->rtp : m->rtcp)
		   >= lifetime(m, k->kind);
}

static void note_packet(
		struct tg_srtp *ctx, const struct packet *k, size_t octets)
{
	struct master *m = tg_srtp_master(ctx, k->master);
	uint64_t used = k->kind == TG_SRTP_KIND_RTP ? ++m->rtp : ++m->rtcp;
	uint64_t max = lifetime(m, k->kind);

	if(!m->warned && used >= max - max / 8) {
		m->warned = true;
		ctx->counters.lifetime_warnings++;
	}
	if(k->kind == TG_SRTP_KIND_RTP)
		ctx->counters.rtp_packets++;
	else
		ctx->counters.rtcp_packets++;
	ctx->counters.octets += octets;
}

/* ---- receive ------------------------------------------------------------ */

static bool find_master(const struct tg_srtp *ctx, struct packet *k)
{
	uint8_t mki[TG_SRTP_MKI_OCTETS_MAX];
	size_t tag = ctx->aead                     ? 0
				 : k->kind == TG_SRTP_KIND_RTP ? ctx->rtp_tag_octets
											   : ctx->rtcp_tag_octets;
	const uint8_t *at = k->octet + k->octets - tag - ctx->mki_octets;

	if(ctx->mki_octets == 0)
		return true;
	for(size_t i = 0; i < ctx->n_masters; i++) {
		tg_srtp_put_mki(&tg_srtp_master_const(ctx, i)->key, mki);
		if(memcmp(at, mki, ctx->mki_octets) == 0) {
			k->master = i;
			return true;
		}
	}
	return false;
}

/* RFC 7714 lets SRTCP go unencrypted; nothing here ever negotiates that */
static bool is_encrypted(const struct tg_srtp *ctx, const struct packet *k)
{
	size_t behind = SRTCP_INDEX_OCTETS + ctx->mki_octets;

	return k->kind == TG_SRTP_KIND_RTP || !ctx->aead
		   || k->octet[k->octets - behind] & 0x80;
}

static srtp_err_status_t lib_open(struct tg_srtp *ctx, struct packet *k)
{
	int octets = (int)k->octets;
	unsigned use_mki = ctx->mki_octets > 0;
	srtp_t session = tg_srtp_session(ctx, k->kind)->lib;
	srtp_err_status_t status =
			k->kind == TG_SRTP_KIND_RTP
					? srtp_unprotect_mki(session, k->octet, &octets, use_mki)
					: srtp_unprotect_rtcp_mki(
							session, k->octet, &octets, use_mki);

	if(status == srtp_err_status_ok)
		k->octets = (size_t)octets;
	/* GCM's way to say it */
	return status == srtp_err_status_cipher_fail ? srtp_err_status_auth_fail
												 : status;
}

static enum tg_srtp_rc lib_unprotect(struct tg_srtp *ctx, struct packet *k)
{
	enum tg_srtp_rc rc = tg_srtp_sessions_ready(ctx, k->kind, k->ssrc, &k->own);

	if(rc != TG_SRTP_OK)
		return rc;
	rc = tg_srtp_from_lib(lib_open(ctx, k));
	if(rc != TG_SRTP_OK && k->own) {
		tg_srtp_sessions_drop(ctx, k->kind, k->ssrc);
		tg_srtp_session(ctx, k->kind)->doubted = true;
		k->own = 0;
	}
	return rc;
}

/*
 * A known SSRC under keys that are new: its counter is the one it had (RFC
 * 3711 section 3.3.1), or zero.
 */
static enum tg_srtp_rc open_unsettled(struct tg_srtp *ctx, struct packet *k,
		struct stream *s, uint64_t *index)
{
	enum tg_srtp_rc rc;

	if(*index >> 16 != 0) {
		rc = tg_srtp_resync(ctx, k->ssrc, (uint32_t)(*index >> 16), k->octet,
				&k->octets, &k->own);
		if(rc != TG_SRTP_AUTH)
			return rc;
	}
	*index = k->seq;
	if(*index < s->floor && tg_srtp_master(ctx, k->master)->kept)
		return TG_SRTP_REPLAY;
	rc = lib_unprotect(ctx, k);
	if(rc == TG_SRTP_OK)
		s->floor = 0;
	return rc;
}

/*
 * An unknown SSRC: its counter is zero, or one when the wrap went by unseen.
 * That is tried with each fourth packet that does not verify.
 */
static enum tg_srtp_rc open_stranger(
		struct tg_srtp *ctx, struct packet *k, uint64_t *index)
{
	uint8_t copy[STRANGER_OCTETS];
	size_t octets = k->octets;
	bool again =
			k->seq < 0x8000 && octets <= sizeof(copy) && ctx->strange % 4 == 3;
	enum tg_srtp_rc rc;

	if(again)
		memcpy(copy, k->octet, octets);
	rc = lib_unprotect(ctx, k);
	if(rc != TG_SRTP_AUTH)
		return rc;
	ctx->strange++;
	if(!again)
		return rc;
	memcpy(k->octet, copy, octets);
	rc = tg_srtp_resync(ctx, k->ssrc, 1, k->octet, &k->octets, &k->own);
	*index = (1u << 16) + k->seq;
	return rc;
}

static enum tg_srtp_rc receive_rtp(
		struct tg_srtp *ctx, struct packet *k, struct stream *s)
{
	uint64_t index = rx_index(s, k->seq);
	enum tg_srtp_rc rc;

	if(s && index < s->floor && tg_srtp_master(ctx, k->master)->kept)
		return TG_SRTP_REPLAY;
	if(!s)
		rc = open_stranger(ctx, k, &index);
	else if(s->fresh)
		rc = open_unsettled(ctx, k, s, &index);
	else
		rc = lib_unprotect(ctx, k);
	if(rc != TG_SRTP_OK)
		return rc;
	if(!s)
		s = add_stream(ctx, k->ssrc);
	s->own |= k->own;
	if(!s->has_rtp || s->fresh || index > s->high)
		s->high = index;
	s->has_rtp = true;
	s->fresh = false;
	return TG_SRTP_OK;
}

static enum tg_srtp_rc receive_rtcp(
		struct tg_srtp *ctx, struct packet *k, struct stream *s)
{
	enum tg_srtp_rc rc = lib_unprotect(ctx, k);

	if(rc != TG_SRTP_OK)
		return rc;
	if(!s)
		s = add_stream(ctx, k->ssrc);
	s->own |= k->own;
	return TG_SRTP_OK;
}

static enum tg_srtp_rc receive(struct tg_srtp *ctx, struct packet *k)
{
	size_t octets = k->octets;
	struct stream *s;
	enum tg_srtp_rc rc;

	if(!open_packet(k, trailer_of(ctx, k->kind)))
		return TG_SRTP_MALFORMED;
	if(!find_master(ctx, k))
		return TG_SRTP_MKI;
	if(!is_encrypted(ctx, k))
		return TG_SRTP_MALFORMED;
	if(used_up(ctx, k))
		return TG_SRTP_LIFETIME;
	s = find_stream(ctx, k->ssrc);
	if(!s) {
		rc = reserve_stream(ctx);
		if(rc != TG_SRTP_OK)
			return rc;
	}
	rc = k->kind == TG_SRTP_KIND_RTP ? receive_rtp(ctx, k, s)
									 : receive_rtcp(ctx, k, s);
	if(rc == TG_SRTP_OK)
		note_packet(ctx, k, octets);
	return rc;
}

/* ---- send --------------------------------------------------------------- */

static srtp_err_status_t lib_seal(struct tg_srtp *ctx, struct packet *k)
{
	int octets = (int)k->octets;
	unsigned use_mki = ctx->mki_octets > 0;
	srtp_t session = tg_srtp_session(ctx, k->kind)->lib;
	srtp_err_status_t status =
			k->kind == TG_SRTP_KIND_RTP
					? srtp_protect_mki(session, k->octet, &octets, use_mki, 0)
					: srtp_protect_rtcp_mki(
							session, k->octet, &octets, use_mki, 0);

	if(status == srtp_err_status_ok)
		k->octets = (size_t)octets;
	return status;
}

static enum tg_srtp_rc lib_protect(struct tg_srtp *ctx, struct packet *k)
{
	enum tg_srtp_rc rc = tg_srtp_sessions_ready(ctx, k->kind, k->ssrc, &k->own);

	if(rc != TG_SRTP_OK)
		return rc;
	rc = tg_srtp_from_lib(lib_seal(ctx, k));
	if(rc != TG_SRTP_OK && k->own) {
		tg_srtp_sessions_drop(ctx, k->kind, k->ssrc);
		k->own = 0;
	}
	return rc;
}

/*
 * A packet that would use an index again. Sequential ones in a row mean that
 * the sender has started its sequence again (RFC 3550 A.1): then the stream
 * goes on with the number behind the highest one.
 */
static bool restarted(
		struct tg_srtp *ctx, struct stream *s, uint16_t seq, bool behind)
{
	s->run = s->run && seq == s->next ? s->run + 1 : 1;
	s->next = seq + 1;
	if(s->run < (behind ? RUN_BEHIND_WINDOW : RUN_INSIDE_WINDOW))
		return false;
	s->run = 0;
	s->shift = (uint16_t)(s->high + 1) - seq;
	ctx->counters.restarts++;
	return true;
}

static void put_sequence(struct packet *k, uint16_t seq)
{
	k->octet[2] = (uint8_t)(seq >> 8);
	k->octet[3] = (uint8_t)seq;
}

/* Is the shifted number one that was never sent? False sets *behind */
static bool tx_is_new(const struct tg_srtp *ctx, const struct stream *s,
		uint16_t seq, uint64_t *index, bool *behind)
{
	int16_t ahead = (int16_t)(seq - (uint16_t)s->high);

	if(!s->has_rtp) {
		*index = seq;
		return true;
	}
	*behind =
			ahead <= 0
			&& ((uint64_t)-ahead >= ctx->window || (uint64_t)-ahead > s->high);
	*index = s->high + (uint64_t)(int64_t)ahead;
	return !*behind && *index >= s->floor;
}

static enum tg_srtp_rc send_rtp(struct tg_srtp *ctx, struct packet *k)
{
	struct stream *s = find_stream(ctx, k->ssrc);
	struct stream unknown = {.ssrc = k->ssrc};
	bool behind = false, known = s != NULL;
	uint64_t index;
	enum tg_srtp_rc rc = TG_SRTP_REPLAY;

	if(!known) {
		rc = reserve_stream(ctx);
		if(rc != TG_SRTP_OK)
			return rc;
		s = &unknown;
		rc = TG_SRTP_REPLAY;
	}
	for(int attempt = 0; attempt < 2 && rc == TG_SRTP_REPLAY; attempt++) {
		uint16_t seq = (uint16_t)(k->seq + s->shift);

		if(tx_is_new(ctx, s, seq, &index, &behind)) {
			if(k->ssrc == 0 && index == NAT_SEQUENCE && ctx->nat)
				return TG_SRTP_REPLAY; /* the NAT packet had that index */
			put_sequence(k, seq);
			rc = lib_protect(ctx, k);
		}
		if(rc == TG_SRTP_REPLAY && !restarted(ctx, s, k->seq, behind))
			return rc;
	}
	if(rc != TG_SRTP_OK)
		return rc;
	if(!known)
		s = add_stream(ctx, k->ssrc);
	s->own |= k->own;
	s->run = 0;
	if(!s->has_rtp || index > s->high)
		s->high = index;
	s->has_rtp = true;
	return rc;
}

static enum tg_srtp_rc send_rtcp(struct tg_srtp *ctx, struct packet *k)
{
	struct stream *s = find_stream(ctx, k->ssrc);
	enum tg_srtp_rc rc = s ? TG_SRTP_OK : reserve_stream(ctx);

	if(rc == TG_SRTP_OK)
		rc = lib_protect(ctx, k);
	if(rc != TG_SRTP_OK)
		return rc;
	if(!s)
		s = add_stream(ctx, k->ssrc);
	s->own |= k->own;
	return TG_SRTP_OK;
}

/* ---- rtpengine's NAT packet --------------------------------------------- */

static bool is_nat_packet(const struct packet *k)
{
	return k->kind == TG_SRTP_KIND_RTP && k->octets == RTP_HEADER_OCTETS
		   && k->ssrc == 0 && k->seq == NAT_SEQUENCE;
}

/*
 * It is sent again and again, and it says nothing: it is sealed once and the
 * copy is sent. libsrtp2's stream for SSRC 0 is dropped at once, so that the
 * sequence of a sender that has SSRC 0 by chance does not begin at its end;
 * send_rtp keeps such a sender off the one index that was spent.
 */
static enum tg_srtp_rc send_nat(struct tg_srtp *ctx, struct packet *k)
{
	struct nat_copy *nat = ctx->nat;
	enum tg_srtp_rc rc;

	if(nat && nat->octets) {
		if(memcmp(nat->plain, k->octet, sizeof(nat->plain)) != 0)
			return TG_SRTP_REPLAY;
		memcpy(k->octet, nat->sealed, nat->octets);
		k->octets = nat->octets;
		ctx->counters.nat_packets++;
		return TG_SRTP_OK;
	}
	if(find_stream(ctx, 0))
		return TG_SRTP_REPLAY; /* media flows from SSRC 0: NAT is open */
	if(!nat)
		nat = calloc(1, sizeof(*nat));
	if(!nat)
		return TG_SRTP_NO_MEMORY;
	ctx->nat = nat;
	memcpy(nat->plain, k->octet, sizeof(nat->plain));
	rc = lib_protect(ctx, k);
	if(!tg_srtp_sessions_drop(ctx, k->kind, 0) && rc == TG_SRTP_OK)
		rc = TG_SRTP_INTERNAL;
	if(rc != TG_SRTP_OK)
		return rc;
	memcpy(nat->sealed, k->octet, k->octets);
	nat->octets = (uint16_t)k->octets;
	return TG_SRTP_OK;
}

static enum tg_srtp_rc transmit(
		struct tg_srtp *ctx, struct packet *k, size_t capacity)
{
	enum tg_srtp_rc rc;

	if(!open_packet(k, 0))
		return TG_SRTP_MALFORMED;
	if(capacity < k->octets || capacity - k->octets < trailer_of(ctx, k->kind))
		return TG_SRTP_ROOM;
	if(used_up(ctx, k))
		return TG_SRTP_LIFETIME;
	if(is_nat_packet(k))
		rc = send_nat(ctx, k);
	else if(k->kind == TG_SRTP_KIND_RTP)
		rc = send_rtp(ctx, k);
	else
		rc = send_rtcp(ctx, k);
	if(rc == TG_SRTP_OK)
		note_packet(ctx, k, k->octets);
	return rc;
}

/* ---- entry -------------------------------------------------------------- */

static enum tg_srtp_rc run(struct tg_srtp *ctx, enum tg_srtp_dir dir,
		struct packet *k, size_t capacity)
{
	if(!ctx->rtp.lib || ctx->dir != dir)
		return TG_SRTP_NO_KEY;
	return dir == TG_SRTP_RX ? receive(ctx, k) : transmit(ctx, k, capacity);
}

/* libsrtp2 reads 32-bit words: a packet that is not aligned goes by a copy */
static enum tg_srtp_rc run_unaligned(struct tg_srtp *ctx, enum tg_srtp_dir dir,
		struct packet *k, size_t capacity)
{
	uint8_t bounce[BOUNCE_OCTETS] __attribute__((aligned(16)));
	uint8_t *octet = k->octet;
	enum tg_srtp_rc rc;

	if(k->octets > sizeof(bounce))
		return TG_SRTP_MALFORMED;
	memcpy(bounce, octet, k->octets);
	k->octet = bounce;
	rc = run(
			ctx, dir, k, capacity < sizeof(bounce) ? capacity : sizeof(bounce));
	k->octet = octet;
	if(rc == TG_SRTP_OK)
		memcpy(octet, bounce, k->octets);
	return rc;
}

static enum tg_srtp_rc enter(struct tg_srtp *ctx, enum tg_srtp_dir dir,
		enum tg_srtp_kind kind, uint8_t *packet, size_t *octets,
		size_t capacity)
{
	struct packet k = {.kind = kind, .octet = packet, .octets = *octets};
	struct tg_srtp *before;
	enum tg_srtp_rc rc;

	if(!ctx)
		return TG_SRTP_NO_KEY;
	before = tg_srtp_room_enter(ctx); /* a new SSRC is a new stream */
	if((uintptr_t)packet % 4 == 0)
		rc = run(ctx, dir, &k, capacity);
	else
		rc = run_unaligned(ctx, dir, &k, capacity);
	tg_srtp_room_leave(before);
	if(rc == TG_SRTP_OK)
		*octets = k.octets;
	else
		ctx->counters.refused[rc]++;
	return rc;
}

enum tg_srtp_rc tg_srtp_protect(struct tg_srtp *ctx, enum tg_srtp_kind kind,
		uint8_t *packet, size_t *octets, size_t capacity)
{
	return enter(ctx, TG_SRTP_TX, kind, packet, octets, capacity);
}

enum tg_srtp_rc tg_srtp_unprotect(struct tg_srtp *ctx, enum tg_srtp_kind kind,
		uint8_t *packet, size_t *octets)
{
	return enter(ctx, TG_SRTP_RX, kind, packet, octets, *octets);
}

void tg_srtp_prefetch(const struct tg_srtp *ctx)
{
	if(!ctx)
		return;
	for(size_t line = 0; line < TG_SRTP_BLOCK_LINES; line++)
		if(!(COLD_LINES >> line & 1))
			__builtin_prefetch(
					(const uint8_t *)ctx + line * TG_SRTP_LINE_OCTETS);
}
