/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "help.h"

#include <stdlib.h>

static bool read_named(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *out, const char **error)
{
	char text[256];

	(void)ctx;
	if(strstr(path, "missing")) {
		*error = "no such file";
		return false;
	}
	snprintf(text, sizeof(text), "file %s", path);
	if(strstr(path, "empty"))
		text[0] = 0;
	assert_true(strlen(text) <= max);
	*out = tg_arena_dup(scratch, tg_span_cstr(text));
	return true;
}

struct tg_pol_host help_host(void)
{
	return (struct tg_pol_host){tg_alloc_libc, read_named, NULL};
}

/* Diagnostics of one severity, without the file's name */
static char *list(const struct tg_diags *d, enum tg_severity severity)
{
	char *out = NULL, line[700];
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	for(const struct tg_diag *i = d->first; i; i = i->next) {
		if(i->severity != severity)
			continue;
		tg_diag_format(i, line, sizeof(line));
		fprintf(f, "%s\n", strncmp(line, "t:", 2) ? line : line + 2);
	}
	fclose(f);
	return out;
}

static struct tg_pol *load(const char *text, struct tg_diags *d)
{
	struct tg_pol_host h = help_host();

	tg_diags_init(d, &tg_alloc_libc);
	return tg_pol_load_text(&h, tg_span_cstr(text), "t", d);
}

struct tg_pol *load_ok(const char *text)
{
	struct tg_diags d;
	struct tg_pol *p = load(text, &d);

	if(!p) {
		char *errors = list(&d, TG_SEV_ERROR);

		print_error("%s\n%s", text, errors);
		free(errors);
	}
	tg_diags_deinit(&d);
	assert_non_null(p);
	return p;
}

char *warnings_of(const char *text)
{
	struct tg_diags d;
	struct tg_pol *p = load(text, &d);
	char *warnings = list(&d, TG_SEV_WARNING);

	assert_non_null(p);
	tg_pol_free(p);
	tg_diags_deinit(&d);
	return warnings;
}

char *errors_of(const char *text)
{
	struct tg_diags d;
	struct tg_pol *p = load(text, &d);
	char *errors = list(&d, TG_SEV_ERROR);

	assert_null(p);
	assert_true(d.errors > 0);
	tg_diags_deinit(&d);
	return errors;
}

static bool has_line(const char *lines, const char *where, const char *part)
{
	size_t n = strlen(where);

	for(const char *at = lines; at && *at;) {
		const char *end = strchr(at, '\n');
		const char *hit = strstr(at, part);

		if(strncmp(at, where, n) == 0 && at[n] == ':' && hit && hit < end)
			return true;
		at = end ? end + 1 : NULL;
	}
	return false;
}

void refuses_also(const char *text, const char *where, const char *part)
{
	char *errors = errors_of(text);
	bool found = has_line(errors, where, part);

	if(!found)
		print_error("expected %s ... %s in:\n%s", where, part, errors);
	free(errors);
	assert_true(found);
}

void refuses(const char *text, const char *where, const char *part)
{
	char *errors = errors_of(text);
	bool single = strchr(errors, '\n') == errors + strlen(errors) - 1;

	if(!single)
		print_error("more than one error:\n%s", errors);
	free(errors);
	assert_true(single);
	refuses_also(text, where, part);
}

static struct tg_pol_conn conn(enum tg_pol_direction direction,
		enum tg_pol_transport transport, const char *address)
{
	struct tg_pol_conn c = {.direction = direction,
			.transport = transport,
			.remote_port = 5061,
			.local_port = 5061};

	assert_true(tg_addr_parse(tg_span_cstr(address), &c.remote));
	assert_true(tg_addr_parse(TG_SPAN("203.0.113.1"), &c.local));
	return c;
}

struct tg_pol_conn conn_in(enum tg_pol_transport transport, const char *from)
{
	return conn(TG_POL_IN, transport, from);
}

struct tg_pol_conn conn_out(enum tg_pol_transport transport, const char *to)
{
	return conn(TG_POL_OUT, transport, to);
}

const struct tg_pol_peer *peer(const struct tg_pol *p, const char *name)
{
	const struct tg_pol_peer *found =
			tg_pol_peer_by_name(p, tg_span_cstr(name));

	assert_non_null(found);
	return found;
}

const struct tg_pol_clients *clients(const struct tg_pol *p, const char *name)
{
	const struct tg_pol_clients *found =
			tg_pol_clients_by_name(p, tg_span_cstr(name));

	assert_non_null(found);
	return found;
}

struct tg_pol_msg from_peer(
		const struct tg_pol *p, const char *name, const char *from)
{
	return (struct tg_pol_msg){.conn = conn_in(TG_POL_TR_TLS, from),
			.judged = true,
			.peer = peer(p, name),
			.tls_version = 0x0303,
			.method = TG_SPAN_INIT("INVITE"),
			.from_domain = TG_SPAN_INIT("example.com")};
}

struct tg_pol_msg from_clients(
		const struct tg_pol *p, const char *name, const char *from)
{
	return (struct tg_pol_msg){.conn = conn_in(TG_POL_TR_TLS, from),
			.judged = true,
			.clients = clients(p, name),
			.tls_version = 0x0303,
			.method = TG_SPAN_INIT("INVITE"),
			.from_domain = TG_SPAN_INIT("example.com")};
}

void assert_allowed(const struct tg_pol_verdict *v)
{
	assert_string_equal(tg_reason_get(v->reason)->id, "none");
	assert_int_equal(v->decision, TG_POL_ALLOW);
	assert_false(v->audited);
}

void assert_denied(const struct tg_pol_verdict *v, enum tg_reason reason)
{
	assert_string_equal(
			tg_reason_get(v->reason)->id, tg_reason_get(reason)->id);
	assert_int_equal(v->decision, TG_POL_DENY);
	assert_true(v->rule.file.len > 0);
}

struct tg_pol_verdict judged(
		const struct tg_pol *p, const struct tg_pol_msg *msg)
{
	struct tg_pol_verdict v;

	tg_pol_judge_message(p, msg, NULL, &v);
	return v;
}

struct tg_pol_verdict leaving(
		const struct tg_pol *p, const struct tg_pol_egress *egress)
{
	struct tg_pol_verdict v;

	tg_pol_judge_egress(p, egress, NULL, &v);
	return v;
}
