/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who gets credentials, for whom and how long. A server that proved itself by
 * its certificate asks for any participant of the domains; a client whose rule
 * is named asks for itself alone. Over TLS, or not at all (A36); and not over
 * a connection that stands for the sake of mode = audit.
 */
#include <inttypes.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/dprint.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_uri.h"

#include "base/alloc.h"
#include "mras/mras.h"

#define ID_OCTETS 16

/* ---- the requester ---------------------------------------------------------- */

/* "alice@lab.test" of From; static, for one message at a time */
static struct tg_span user_of(struct sip_msg *msg)
{
	static char kept[TG_MRAS_TEXT_MAX + 1];
	sip_uri_t *uri;
	int n;

	if(parse_from_header(msg) < 0 || !(uri = parse_from_uri(msg)))
		return tg_span_of(NULL, 0);
	n = snprintf(kept, sizeof(kept), "%.*s@%.*s", uri->user.len, uri->user.s,
			uri->host.len, uri->host.s);
	return n > 0 && (size_t)n < sizeof(kept) ? tg_span_of(kept, (size_t)n)
											 : tg_span_of(NULL, 0);
}

static bool names_clients(
		const struct tg_pol_mras *rule, const struct tg_pol_clients *clients)
{
	for(size_t i = 0; clients && i < rule->clients.n; i++)
		if(tg_span_eq(rule->clients.item[i], clients->name))
			return true;
	return false;
}

static enum tg_mras_status judge(const struct tg_pol_msg *facts,
		struct mras_requester *r, const char **why)
{
	*why = "";
	if(!r->rule) {
		*why = "the policy has no [mras]";
		return TG_MRAS_FORBIDDEN;
	}
	if(!TG_POL_TR_IS_TLS(facts->conn.transport) || !facts->judged) {
		*why = "not over TLS";
		return TG_MRAS_FORBIDDEN;
	}
	if(facts->audited) { /* nobody has proven anything */
		*why = "its connection is one that only mode = audit lets pass";
		return TG_MRAS_FORBIDDEN;
	}
	if(facts->peer && r->rule->roles >> facts->peer->role & 1) {
		r->peer = facts->peer;
		return TG_MRAS_OK;
	}
	if(!facts->peer && names_clients(r->rule, facts->clients) && r->user.len) {
		r->clients = facts->clients;
		return TG_MRAS_OK;
	}
	*why = "neither a server of the roles nor a client of the rules";
	return TG_MRAS_FORBIDDEN;
}

enum tg_mras_status mras_requester_of(
		struct sip_msg *msg, struct mras_requester *out, const char **why)
{
	struct tg_pol_msg facts;

	memset(out, 0, sizeof(*out));
	out->policy = mras_tlsp.ref();
	out->rule = tg_pol_mras(out->policy);
	*why = "the message cannot be read";
	if(mras_tlsp.source(out->policy, msg, &facts) < 0)
		return TG_MRAS_INTERNAL;
	if(!facts.peer)
		out->user = user_of(msg);
	return judge(&facts, out, why);
}

void mras_requester_done(struct mras_requester *r)
{
	if(r->policy)
		mras_tlsp.unref(r->policy);
	r->policy = NULL;
}

/* ---- one grant ---------------------------------------------------------------- */

static struct tg_span name_of(const struct mras_requester *r)
{
	return r->peer ? r->peer->name : r->user;
}

/* However it spells its name */
static bool within_limit(const struct mras_requester *r)
{
	char address[TG_MRAS_TEXT_MAX + 1];

	return tg_mras_address_fold(name_of(r), address)
		   && mras_rate_take(tg_span_cstr(address), r->rule->requests_per_min);
}

static bool in_domains(const struct tg_pol_mras *rule, struct tg_span domain)
{
	for(size_t i = 0; i < rule->domain.n; i++)
		if(tg_span_ieq(rule->domain.item[i], domain))
			return true;
	return false;
}

static bool is_own(struct tg_span own, struct tg_span identity)
{
	struct tg_span rest = identity;

	tg_span_cut(&rest, ':');
	return tg_span_ieq(rest, own);
}

/*
 * One participant has one name at the relays, so that their quotas hold,
 * however a request spells it; and it says nothing about who that is.
 */
static bool pseudonym(struct tg_span secret, struct tg_span identity,
		char out[2 * ID_OCTETS + 1])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char address[TG_MRAS_TEXT_MAX + 1];
	unsigned n = 0;

	tg_span_cut(&identity, ':');
	if(!tg_mras_address_fold(identity, address)
			|| !HMAC(EVP_sha256(), secret.ptr, (int)secret.len,
					(const unsigned char *)address, strlen(address), mac, &n))
		return false;
	for(size_t i = 0; i < ID_OCTETS; i++)
		snprintf(out + 2 * i, 3, "%02x", mac[i]);
	return true;
}

static bool make(const struct tg_mras_ask *ask, struct tg_mras_grant *grant)
{
	char secret[TG_MRAS_SECRET_MAX], id[2 * ID_OCTETS + 1];
	struct tg_span key;
	size_t octets;
	bool made = false;

	if(mras_secret_get(secret, &octets)) {
		key = tg_span_of(secret, octets);
		made = pseudonym(key, ask->identity, id)
			   && tg_mras_credential_make(key,
					   (uint64_t)time(NULL) + 60ull * grant->duration_min,
					   tg_span_cstr(id), &grant->credential);
	}
	tg_wipe(secret, sizeof(secret));
	return made;
}

static void write_log(const struct mras_requester *r,
		const struct tg_mras_ask *ask, const struct tg_mras_grant *grant,
		enum tg_mras_status status, const char *why)
{
	if(status == TG_MRAS_OK)
		LM_NOTICE("mras requester=%.*s participant=%.*s verdict=issued "
				  "username=%s duration=%um policy=%s\n",
				TG_SPAN_FMT(name_of(r)), TG_SPAN_FMT(ask->identity),
				grant->credential.username, grant->duration_min,
				tg_pol_digest(r->policy));
	else
		LM_WARN("mras requester=%.*s participant=%.*s verdict=refused "
				"status=\"%s\" detail=\"%s\" policy=%s\n",
				TG_SPAN_FMT(name_of(r)), TG_SPAN_FMT(ask->identity),
				tg_mras_phrase(status), why, tg_pol_digest(r->policy));
}

static enum tg_mras_status judge_ask(const struct mras_requester *r,
		const struct tg_mras_ask *ask, const char **why)
{
	struct tg_span name, domain;

	*why = "identity is no sip:user@domain";
	if(!tg_mras_identity_split(ask->identity, &name, &domain))
		return TG_MRAS_MALFORMED;
	*why = "the participant is of another domain";
	if(!in_domains(r->rule, domain))
		return TG_MRAS_FORBIDDEN;
	*why = "a client asks for itself alone";
	if(!r->peer && !is_own(r->user, ask->identity))
		return TG_MRAS_FORBIDDEN;
	*why = "too many requests in this minute";
	if(!within_limit(r))
		return TG_MRAS_BUSY;
	*why = "";
	return TG_MRAS_OK;
}

enum tg_mras_status mras_issue(const struct mras_requester *r,
		const struct tg_mras_ask *ask, struct tg_mras_grant *grant,
		const char **why)
{
	uint32_t longest = r->rule->max_duration_sec / 60;
	enum tg_mras_status status = judge_ask(r, ask, why);

	memset(grant, 0, sizeof(*grant));
	grant->ask = ask;
	grant->duration_min = ask->duration_min && ask->duration_min < longest
								  ? ask->duration_min
								  : longest;
	if(status == TG_MRAS_OK && !make(ask, grant)) {
		*why = "no credentials can be made";
		status = TG_MRAS_INTERNAL;
	}
	write_log(r, ask, grant, status, *why);
	mras_count(status);
	return status;
}

/* ---- relays --------------------------------------------------------------------- */

size_t mras_relays(const struct tg_pol *p, enum tg_mras_location location,
		struct tg_mras_relay out[MRAS_RELAYS_MAX])
{
	struct tg_addr addr;
	size_t n = 0;

	for(size_t i = 0; i < tg_pol_relay_count(p) && n < MRAS_RELAYS_MAX; i++) {
		const struct tg_pol_relay *r = tg_pol_relay_at(p, i);
		enum tg_mras_location at = r->location == TG_POL_INTRANET
										   ? TG_MRAS_INTRANET
										   : TG_MRAS_INTERNET;

		if(location != TG_MRAS_ANYWHERE && location != at)
			continue;
		out[n++] = (struct tg_mras_relay){.location = at,
				.host = r->host,
				.is_address = tg_addr_parse(r->host, &addr),
				.udp_port = r->udp_port,
				.tcp_port = r->tcp_port,
				.tls_port = r->tls_port};
	}
	return n;
}
