/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tls.cfg says and the policy overrules: versions, verify_certificate,
 * require_certificate. The policy wins in every handshake; who reads tls.cfg
 * is told so, once, at start. Only keys that stand in the file are looked at.
 *
 * What the policy takes from there: the section whose certificate is ours
 * toward a peer, named by its server_id.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/dprint.h"
#include "core/sr_module.h"
#include "core/ut.h"

#include "tls_policy/tlsp.h"

#define LINE_OCTETS 1024
#define TLS10 0x0301
#define TLS12 0x0303
#define TLS13 0x0304

/* What the policy does, over all of its sections */
struct sums {
	unsigned lowest, highest; /* versions it offers; 0: it has no TLS */
	bool certificates;        /* some peer proves itself by one */
	bool anonymous;           /* some clients need none */
};

static void sum_tls(struct sums *s, const struct tg_pol_tls *tls)
{
	if(!tls)
		return;
	if(!s->lowest || tls->min_version < s->lowest)
		s->lowest = tls->min_version;
	if(tls->max_version > s->highest)
		s->highest = tls->max_version;
}

static struct sums sum_up(const struct tg_pol *p)
{
	struct sums s = {0};

	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		sum_tls(&s, tg_pol_peer_at(p, i)->tls);
		s.certificates |= tg_pol_peer_at(p, i)->trust != NULL;
	}
	for(size_t i = 0; i < tg_pol_clients_count(p); i++) {
		sum_tls(&s, tg_pol_clients_at(p, i)->tls);
		s.anonymous = true;
	}
	return s;
}

/* tls.so's words: "TLSv1.2", "TLSv1.2+"; any other means whatever it can */
static void versions_of(struct tg_span method, unsigned *low, unsigned *high)
{
	static const struct {
		struct tg_span word;
		unsigned low, high;
	} words[] = {
			{TG_SPAN_INIT("TLSv1"), TLS10, TLS10},
			{TG_SPAN_INIT("TLSv1+"), TLS10, TLS13},
			{TG_SPAN_INIT("TLSv1.1"), TLS10 + 1, TLS10 + 1},
			{TG_SPAN_INIT("TLSv1.1+"), TLS10 + 1, TLS13},
			{TG_SPAN_INIT("TLSv1.2"), TLS12, TLS12},
			{TG_SPAN_INIT("TLSv1.2+"), TLS12, TLS13},
			{TG_SPAN_INIT("TLSv1.3"), TLS13, TLS13},
			{TG_SPAN_INIT("TLSv1.3+"), TLS13, TLS13},
	};

	*low = TLS10;
	*high = TLS13;
	for(size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if(tg_span_ieq(method, words[i].word)) {
			*low = words[i].low;
			*high = words[i].high;
		}
	}
}

static bool is_yes(struct tg_span v)
{
	return tg_span_ieq(v, TG_SPAN("yes")) || tg_span_ieq(v, TG_SPAN("true"))
		   || tg_span_ieq(v, TG_SPAN("on")) || tg_span_ieq(v, TG_SPAN("1"));
}

/* Why the key has no effect; NULL: it says what the policy does */
static const char *contradicts(const struct sums *s, bool client,
		struct tg_span key, struct tg_span value, char text[LINE_OCTETS])
{
	bool verify = tg_span_ieq(key, TG_SPAN("verify_certificate"));
	unsigned low, high;

	if(tg_span_ieq(key, TG_SPAN("method"))
			|| tg_span_ieq(key, TG_SPAN("tls_method"))) {
		versions_of(value, &low, &high);
		if(!s->lowest || (low == s->lowest && high == s->highest))
			return NULL;
		snprintf(text, LINE_OCTETS, "the policy offers TLS 1.%u to 1.%u",
				s->lowest - TLS10, s->highest - TLS10);
		return text;
	}
	if(!verify && !tg_span_ieq(key, TG_SPAN("require_certificate")))
		return NULL;
	if(client)
		return is_yes(value) ? NULL : "every next hop has to prove who it is";
	if(!is_yes(value) && s->certificates)
		return "peers have to prove who they are";
	if(is_yes(value) && !verify && s->anonymous)
		return "[clients] of the policy need no certificate";
	return NULL;
}

static void look_at(const struct sums *s, const char *path, unsigned line,
		struct tg_span section, struct tg_span text)
{
	struct tg_span key = tg_span_trim(tg_span_cut(&text, '='));
	struct tg_span value = tg_span_cut(&text, '#');
	bool client = tg_span_istarts(section, TG_SPAN("client"));
	char buffer[LINE_OCTETS];
	const char *why;

	value = tg_span_trim(tg_span_cut(&value, ';'));
	why = contradicts(s, client, key, value, buffer);
	if(why)
		LM_WARN("%s:%u: [%.*s] %.*s = %.*s has no effect: %s\n", path, line,
				TG_SPAN_FMT(section), TG_SPAN_FMT(key), TG_SPAN_FMT(value),
				why);
}

static void read_all(const struct sums *s, const char *path, FILE *file)
{
	char text[LINE_OCTETS], section[LINE_OCTETS] = "";
	unsigned line = 0;

	while(fgets(text, sizeof(text), file)) {
		struct tg_span rest = tg_span_trim(tg_span_cstr(text));

		line++;
		if(!rest.len || rest.ptr[0] == '#' || rest.ptr[0] == ';')
			continue;
		if(rest.ptr[0] == '[') {
			rest = tg_span_of(rest.ptr + 1, rest.len - 1);
			rest = tg_span_cut(&rest, ']');
			snprintf(section, sizeof(section), "%.*s", TG_SPAN_FMT(rest));
		} else {
			look_at(s, path, line, tg_span_cstr(section), rest);
		}
	}
}

/* ---- our certificate toward a peer ------------------------------------------ */

/* tls.so's own choice for the connection that it makes next */
static int (*choose)(str *server_id);

void tlsp_tls_cfg_choose(const struct tg_pol_peer *peer)
{
	str id = {NULL, 0};

	if(!choose)
		return;
	if(peer && peer->client_profile.n) {
		id.s = (char *)peer->client_profile.item[0].ptr;
		id.len = (int)peer->client_profile.item[0].len;
	}
	/* an empty one clears what was chosen for a connection that failed */
	choose(&id);
}

static bool names_profile(FILE *file, struct tg_span profile)
{
	char text[LINE_OCTETS];
	bool found = false;

	rewind(file);
	while(!found && fgets(text, sizeof(text), file)) {
		struct tg_span value = tg_span_cstr(text);
		struct tg_span key = tg_span_trim(tg_span_cut(&value, '='));

		value = tg_span_cut(&value, '#');
		found = tg_span_ieq(key, TG_SPAN("server_id"))
				&& tg_span_ieq(tg_span_trim(value), profile);
	}
	return found;
}

static const struct sr_module *tls_module(void)
{
	return find_module_by_name("tls");
}

/* To be freed by pkg_free; NULL: tls.so has no file */
static char *path_of_cfg(void)
{
	modparam_t type;
	str *name = find_param_export(
			(struct sr_module *)tls_module(), "config", PARAM_STR, &type);

	return name && name->s && name->len > 0 ? get_abs_pathname(NULL, name)
											: NULL;
}

static void check_profile(const struct tg_pol_peer *peer, const char *path,
		FILE *file, struct tg_diags *diags)
{
	struct tg_where where =
			tg_pol_peer_where(peer, TG_POL_PEER_KEY_CLIENT_PROFILE);

	if(!choose)
		tg_diags_add(diags, TG_SEV_ERROR, &where,
				"this tls.so takes no client_profile");
	else if(!file || !names_profile(file, peer->client_profile.item[0]))
		tg_diags_add(diags, TG_SEV_ERROR, &where,
				"client_profile of peer %.*s: %s has no section with "
				"server_id = %.*s",
				TG_SPAN_FMT(peer->name), path ? path : "tls.cfg",
				TG_SPAN_FMT(peer->client_profile.item[0]));
}

/* At start and at each reload; the file may be newer than what tls.so has */
bool tlsp_tls_cfg_fits(const struct tg_pol *p, struct tg_diags *diags)
{
	size_t errors = diags->errors;
	char *path = path_of_cfg();
	/* one that cannot be read: tls.so says so, and does not start */
	FILE *file = path ? fopen(path, "re") : NULL;

	*(void **)&choose =
			dlsym(tls_module()->handle, "ksr_tls_set_connect_server_id");
	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		if(tg_pol_peer_at(p, i)->client_profile.n)
			check_profile(tg_pol_peer_at(p, i), path, file, diags);
	}
	if(file)
		fclose(file);
	if(path)
		pkg_free(path);
	return diags->errors == errors;
}

/* ---- start ------------------------------------------------------------------- */

void tlsp_tls_cfg_warn(void)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct sums s = sum_up(snap->policy);
	char *path = path_of_cfg();
	FILE *file = path ? fopen(path, "re") : NULL;

	if(file) {
		read_all(&s, path, file);
		fclose(file);
	}
	if(path)
		pkg_free(path);
	tlsp_snap_unref(snap);
}
