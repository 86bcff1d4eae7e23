/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a file to a snapshot:
 *
 *   octets -> sections (ini.c) -> objects (schema.c, value.c, files.c)
 *          -> defaults and rules (rules.c) -> told apart? (overlap.c)
 *          -> tables (index.c) -> snapshot
 *
 * Each step runs even when an earlier one found errors, so that all of them
 * are reported; only a policy without errors is handed out.
 */
#include "policy/load.h"

#include "base/text.h"
#include "policy/builtin.h"
#include "policy/rules.h"
#include "policy/schema.h"

/* ---- sections to objects ----------------------------------------------- */

static void unknown_section(struct tg_build *b, const struct tg_ini_section *s)
{
	char known[256] = "";
	struct tg_text text;

	tg_text_init(&text, known, sizeof(known));
	for(size_t i = 0; i < TG_KINDS; i++)
		tg_text_say(&text, "%s%s", i ? ", " : "", tg_kind_info[i].name);
	tg_build_error(b, s->kind.ptr, "unknown section [%.*s], known: %s",
			TG_SPAN_FMT(s->kind), known);
}

static bool check_head(struct tg_build *b, const struct tg_ini_section *s)
{
	enum tg_kind kind = tg_kind_by_name(s->kind);

	if(!s->kind.len)
		return false; /* reported by the reader */
	if(kind == TG_KINDS) {
		unknown_section(b, s);
		return false;
	}
	if(tg_kind_info[kind].named && !s->name.len)
		tg_build_error(b, s->kind.ptr, "this section needs a name: [%.*s NAME]",
				TG_SPAN_FMT(s->kind));
	if(!tg_kind_info[kind].named && s->name.len)
		tg_build_error(
				b, s->name.ptr, "[%.*s] takes no name", TG_SPAN_FMT(s->kind));
	return true;
}

static void count_sections(struct tg_build *b)
{
	for(const struct tg_ini_section *s = b->ini.first; s; s = s->next) {
		enum tg_kind kind = tg_kind_by_name(s->kind);

		if(check_head(b, s))
			b->n_made[kind]++;
	}
}

static bool list_sections(struct tg_build *b)
{
	size_t at[TG_KINDS] = {0};

	for(unsigned k = 0; k < TG_KINDS; k++) {
		if(!b->n_made[k])
			continue;
		b->made[k] =
				tg_arena_array(&b->scratch, b->n_made[k], sizeof(**b->made));
		if(!b->made[k])
			return false;
	}
	for(const struct tg_ini_section *s = b->ini.first; s; s = s->next) {
		enum tg_kind kind = tg_kind_by_name(s->kind);

		if(kind != TG_KINDS)
			b->made[kind][at[kind]++].section = s;
	}
	return true;
}

/* Objects of a kind that are there before the file's own */
static size_t builtin_count(enum tg_kind kind)
{
	if(kind == TG_KIND_TLS)
		return TG_BUILTIN_TLS_COUNT;
	return kind == TG_KIND_MEDIA ? TG_BUILTIN_MEDIA_COUNT : 0;
}

struct kind_store {
	enum tg_kind kind;
	void **objects;
	size_t *n;
	struct tg_pol_labels *label; /* NULL: the workshop's */
};

static bool make_arrays(struct tg_build *b)
{
	struct tg_pol *p = b->pol;
	const struct kind_store stores[] = {
			{TG_KIND_TRUST, (void **)&p->trust, &p->n_trust, NULL},
			{TG_KIND_TLS, (void **)&p->tls, &p->n_tls, NULL},
			{TG_KIND_MEDIA, (void **)&p->media, &p->n_media, NULL},
			{TG_KIND_PEER, (void **)&p->peer, &p->n_peer, &p->peer_label},
			{TG_KIND_CLIENTS, (void **)&p->clients, &p->n_clients,
					&p->clients_label},
			{TG_KIND_ROUTE, (void **)&p->route, &p->n_route, &p->route_label},
			{TG_KIND_RELAY, (void **)&p->relay, &p->n_relay, NULL},
			{TG_KIND_MRAS, (void **)&p->mras, &p->n_mras, NULL},
	};

	for(size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		const struct kind_store *s = &stores[i];
		size_t n = b->n_made[s->kind] + builtin_count(s->kind);

		if(!tg_pol_labels_init(
				   &b->label[s->kind], s->label ? &p->arena : &b->scratch, n))
			return false;
		if(s->label)
			*s->label = b->label[s->kind];
		*s->n = n;
		if(n == 0)
			continue;
		*s->objects = tg_arena_lines(
				&p->arena, n, tg_kind_info[s->kind].object_octets);
		if(!*s->objects)
			return false;
	}
	return true;
}

static void put_label(struct tg_build *b, enum tg_kind kind, void *objects,
		size_t i, const struct tg_ini_section *s)
{
	size_t size = tg_kind_info[kind].object_octets;
	size_t same = tg_pol_labels_put(&b->label[kind], objects, size, i);
	size_t builtins = builtin_count(kind);
	struct tg_where where;

	if(same == i || !s || !s->name.len)
		return;
	if(same < builtins) {
		tg_build_error(b, s->name.ptr, "[%.*s %.*s] is built in",
				TG_SPAN_FMT(s->kind), TG_SPAN_FMT(s->name));
		return;
	}
	where = tg_ini_where(
			&b->ini, b->made[kind][same - builtins].section->kind.ptr);
	tg_build_error(b, s->name.ptr, "[%.*s %.*s] stands in line %u already",
			TG_SPAN_FMT(s->kind), TG_SPAN_FMT(s->name), where.line);
}

static struct tg_where section_where(
		const struct tg_build *b, const struct tg_ini_section *s)
{
	struct tg_where w = tg_ini_where(&b->ini, s->kind.ptr);

	/* the file name must live as long as the snapshot */
	w.file = b->pol->where.file;
	return w;
}

static void fill_policy(struct tg_build *b)
{
	b->pol->limits = tg_builtin_limits;
	for(size_t i = 0; i < b->n_made[TG_KIND_POLICY]; i++) {
		struct tg_made *made = &b->made[TG_KIND_POLICY][i];

		if(i > 0) {
			tg_build_error(b, made->section->kind.ptr,
					"there is a [policy] section already");
			continue;
		}
		b->pol->where = section_where(b, made->section);
		tg_schema_fill(b, TG_KIND_POLICY, made, b->pol);
	}
}

static void fill_trusts(struct tg_build *b)
{
	static const struct tg_pol_ocsp ocsp_defaults = {
			.nonce = TG_POL_NONCE_OPTIONAL,
			.timeout_ms = 3000,
			.max_octets = 16384,
			.refresh_sec = 3600,
			.max_pending_sec = 30,
	};
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_trust; i++) {
		struct tg_made *made = &b->made[TG_KIND_TRUST][i];

		p->trust[i].name = tg_build_string(b, made->section->name);
		p->trust[i].where = section_where(b, made->section);
		p->trust[i].id = (uint32_t)i;
		p->trust[i].stale_grace_sec = TG_POL_STALE_GRACE_SEC;
		p->trust[i].ocsp = ocsp_defaults;
		put_label(b, TG_KIND_TRUST, p->trust, i, made->section);
		tg_schema_fill(b, TG_KIND_TRUST, made, &p->trust[i]);
	}
}

/* Lists that the file leaves out follow the versions */
static void tls_defaults(
		struct tg_build *b, const struct tg_made *made, struct tg_pol_tls *tls)
{
	const struct tg_pol_tls *base =
			&b->pol->tls[tls->legacy ? TG_BUILTIN_TLS_SFB2015
									 : TG_BUILTIN_TLS_SFB2019];

	if(!tls->ciphers.len)
		tls->ciphers = base->ciphers;
	if(!tls->ciphersuites.len)
		tls->ciphersuites = base->ciphersuites;
	if(!tls->groups.len)
		tls->groups = base->groups;
	if(tls->legacy)
		tg_build_warning(b, tg_made_key_at(made, "versions"),
				"TLS 1.0 and 1.1 are offered here (A19)");
}

static void fill_tls(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < TG_BUILTIN_TLS_COUNT; i++) {
		p->tls[i] = tg_builtin_tls[i];
		p->tls[i].name = tg_build_string(b, p->tls[i].name);
		p->tls[i].ciphers = tg_build_string(b, p->tls[i].ciphers);
		p->tls[i].ciphersuites = tg_build_string(b, p->tls[i].ciphersuites);
		p->tls[i].groups = tg_build_string(b, p->tls[i].groups);
		put_label(b, TG_KIND_TLS, p->tls, i, NULL);
	}
	for(size_t i = TG_BUILTIN_TLS_COUNT; i < p->n_tls; i++) {
		struct tg_made *made = &b->made[TG_KIND_TLS][i - TG_BUILTIN_TLS_COUNT];
		struct tg_pol_tls *tls = &p->tls[i];

		/* versions and key sizes of the policy's profile, unless named */
		*tls = p->tls[tg_builtin_tls_default(p->profile)];
		tls->ciphers.len = tls->ciphersuites.len = tls->groups.len = 0;
		tls->name = tg_build_string(b, made->section->name);
		tls->where = section_where(b, made->section);
		put_label(b, TG_KIND_TLS, p->tls, i, made->section);
		tg_schema_fill(b, TG_KIND_TLS, made, tls);
		tls_defaults(b, made, tls);
	}
	if(p->n_tls > TG_POL_TLS_MAX)
		tg_build_error(b, b->made[TG_KIND_TLS][0].section->kind.ptr,
				"a policy may have %u [tls] sections",
				TG_POL_TLS_MAX - TG_BUILTIN_TLS_COUNT);
}

static void fill_media(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(unsigned i = 0; i < TG_BUILTIN_MEDIA_COUNT; i++) {
		tg_builtin_media_get(
				(enum tg_builtin_media)i, p->profile, &p->media[i]);
		p->media[i].name = tg_build_string(b, p->media[i].name);
		put_label(b, TG_KIND_MEDIA, p->media, i, NULL);
	}
	for(size_t i = TG_BUILTIN_MEDIA_COUNT; i < p->n_media; i++) {
		struct tg_made *made =
				&b->made[TG_KIND_MEDIA][i - TG_BUILTIN_MEDIA_COUNT];
		struct tg_pol_media *media = &p->media[i];

		*media = p->media[TG_BUILTIN_MEDIA_SERVER];
		media->name = tg_build_string(b, made->section->name);
		media->where = section_where(b, made->section);
		put_label(b, TG_KIND_MEDIA, p->media, i, made->section);
		tg_schema_fill(b, TG_KIND_MEDIA, made, media);
		media->set = made->set;
	}
}

static void fill_peers(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_peer; i++) {
		struct tg_made *made = &b->made[TG_KIND_PEER][i];

		p->peer[i].name = tg_build_string(b, made->section->name);
		p->peer[i].where = section_where(b, made->section);
		p->peer[i].id = (uint32_t)i;
		put_label(b, TG_KIND_PEER, p->peer, i, made->section);
		tg_schema_fill(b, TG_KIND_PEER, made, &p->peer[i]);
	}
}

static void fill_clients(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_clients; i++) {
		struct tg_made *made = &b->made[TG_KIND_CLIENTS][i];
		struct tg_pol_clients *c = &p->clients[i];

		c->name = tg_build_string(b, made->section->name);
		c->where = section_where(b, made->section);
		c->id = (uint32_t)i;
		c->limits = p->limits;
		put_label(b, TG_KIND_CLIENTS, p->clients, i, made->section);
		tg_schema_fill(b, TG_KIND_CLIENTS, made, c);
	}
}

static void fill_routes(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_route; i++) {
		struct tg_made *made = &b->made[TG_KIND_ROUTE][i];

		p->route[i].name = tg_build_string(b, made->section->name);
		p->route[i].where = section_where(b, made->section);
		put_label(b, TG_KIND_ROUTE, p->route, i, made->section);
		tg_schema_fill(b, TG_KIND_ROUTE, made, &p->route[i]);
		if(tg_span_eq(p->route[i].name, TG_SPAN("default")))
			p->default_route = &p->route[i];
	}
}

static void fill_relays(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_relay; i++) {
		struct tg_made *made = &b->made[TG_KIND_RELAY][i];

		p->relay[i].name = tg_build_string(b, made->section->name);
		p->relay[i].where = section_where(b, made->section);
		p->relay[i].udp_port = p->relay[i].tcp_port = 3478; /* RFC 8656 */
		put_label(b, TG_KIND_RELAY, p->relay, i, made->section);
		tg_schema_fill(b, TG_KIND_RELAY, made, &p->relay[i]);
	}
}

static void fill_mras(struct tg_build *b)
{
	struct tg_pol *p = b->pol;

	for(size_t i = 0; i < p->n_mras; i++) {
		struct tg_made *made = &b->made[TG_KIND_MRAS][i];

		p->mras[i].where = section_where(b, made->section);
		p->mras[i].roles =
				1u << TG_POL_ROLE_SERVER | 1u << TG_POL_ROLE_MEDIATION;
		p->mras[i].max_duration_sec = 8 * 3600;
		p->mras[i].requests_per_min = 600;
		if(i > 0)
			tg_build_error(b, made->section->kind.ptr,
					"there is an [mras] section already");
		tg_schema_fill(b, TG_KIND_MRAS, made, &p->mras[i]);
	}
}

/* ---- tables ------------------------------------------------------------ */

static bool index_rules(struct tg_build *b)
{
	struct tg_pol *p = b->pol;
	size_t n = p->n_peer + p->n_clients + 1;
	struct tg_pol_place *place = tg_arena_array(&b->scratch, n, sizeof(*place));

	if(!place
			|| !tg_pol_names_build(
					&p->names, &p->arena, &b->scratch, p->peer, p->n_peer))
		return false;
	for(size_t i = 0; i < p->n_peer; i++)
		place[i] = (struct tg_pol_place){&p->peer[i].address,
				&p->peer[i].listener, &p->peer[i].sni, p->peer[i].transports,
				(uint8_t)tg_pol_tls_id(p, p->peer[i].tls),
				p->peer[i].mode == TG_POL_ENFORCE, p->peer[i].resumption};
	if(!tg_pol_places_pair(&p->peers_in, &p->peers_at, &p->arena, &b->scratch,
			   place, p->n_peer))
		return false;
	for(size_t i = 0; i < p->n_clients; i++)
		place[i] = (struct tg_pol_place){&p->clients[i].address,
				&p->clients[i].listener, &p->clients[i].sni,
				p->clients[i].transports,
				(uint8_t)tg_pol_tls_id(p, p->clients[i].tls),
				p->clients[i].mode == TG_POL_ENFORCE, p->clients[i].resumption};
	return tg_pol_places_pair(&p->clients_in, &p->clients_at, &p->arena,
			&b->scratch, place, p->n_clients);
}

/* ---- the whole --------------------------------------------------------- */

static bool build_init(struct tg_build *b, const struct tg_pol_host *host,
		struct tg_span text, const char *name, struct tg_diags *diags)
{
	struct tg_arena arena;
	struct tg_span file;

	memset(b, 0, sizeof(*b));
	b->host = host;
	b->diags = diags;
	b->path = tg_span_cstr(name);
	b->digest = b->session_digest = 0xcbf29ce484222325u;
	tg_arena_init(&b->scratch, &tg_alloc_libc, 64 * 1024);
	tg_arena_init(&arena, &host->alloc, 0);
	b->pol = tg_arena_get(&arena, sizeof(*b->pol));
	if(!b->pol)
		return false;
	b->pol->arena = arena;
	b->pool.arena = &b->pol->arena;
	file = tg_build_string(b, b->path);
	b->pol->where.file = file;
	tg_build_digest(b, text, true);
	return !b->no_memory
		   && tg_ini_read(text, b->path, &b->scratch, diags, &b->ini);
}

static bool build_all(struct tg_build *b)
{
	count_sections(b);
	if(!list_sections(b))
		return false;
	if(!make_arrays(b))
		return false;
	fill_policy(b);
	fill_trusts(b);
	fill_tls(b);
	if(b->pol->n_tls > TG_POL_TLS_MAX || b->pol->n_media > TG_POL_MEDIA_MAX) {
		tg_build_error(b, NULL, "too many [tls] or [media] sections");
		return true;
	}
	fill_media(b);
	fill_peers(b);
	fill_clients(b);
	fill_routes(b);
	fill_relays(b);
	fill_mras(b);
	if(b->no_memory || !tg_rules_apply(b))
		return false;
	tg_build_digest_end(b);
	return index_rules(b) && !b->no_memory;
}

struct tg_pol *tg_pol_load_text(const struct tg_pol_host *host,
		struct tg_span text, const char *name, struct tg_diags *diags)
{
	size_t errors = diags->errors;
	struct tg_diag **first = diags->last;
	struct tg_pol *pol;
	struct tg_build b;

	if(!build_init(&b, host, text, name, diags) || !build_all(&b))
		tg_diags_add(diags, TG_SEV_ERROR, NULL,
				"out of memory while reading %s", name);
	pol = b.pol;
	tg_arena_deinit(&b.scratch);
	tg_diags_sort(diags, first);
	if(diags->errors != errors) {
		tg_pol_free(pol);
		return NULL;
	}
	return pol;
}

struct tg_pol *tg_pol_load(const struct tg_pol_host *host, const char *path,
		struct tg_diags *diags)
{
	struct tg_where where = {tg_span_cstr(path), 0, 0};
	const char *error = NULL;
	struct tg_pol *pol = NULL;
	struct tg_arena file;
	struct tg_span text;

	tg_arena_init(&file, &tg_alloc_libc, 0);
	if(host->read_file(
			   host->ctx, path, TG_POL_FILE_OCTETS_MAX, &file, &text, &error))
		pol = tg_pol_load_text(host, text, path, diags);
	else
		tg_diags_add(diags, TG_SEV_ERROR, &where, "cannot read it: %s",
				error ? error : "unknown error");
	tg_arena_deinit(&file);
	return pol;
}

void tg_pol_free(struct tg_pol *p)
{
	struct tg_arena arena;

	if(!p)
		return;
	arena = p->arena; /* p lies in it */
	tg_arena_deinit(&arena);
}
