/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/conf.h"

#include <syslog.h>

struct reader {
	struct tg_mnt_conf *out;
	struct tg_diags *diags;
	struct tg_where where;
};

static void wrong(struct reader *r, const char *what, struct tg_span value)
{
	tg_diags_add(r->diags, TG_SEV_ERROR, &r->where, "%s: \"%.*s\"", what,
			TG_SPAN_FMT(value));
}

static void secret_file(struct reader *r, struct tg_span v)
{
	r->out->secret_file = v;
}

static void ng_allow(struct reader *r, struct tg_span v)
{
	while(v.len != 0) {
		struct tg_span one = tg_span_trim(tg_span_cut(&v, ','));

		if(r->out->n_ng_allow == TG_MNT_ALLOW_MAX
				|| !tg_cidr_parse(one, &r->out->ng_allow[r->out->n_ng_allow])) {
			wrong(r, "not a network, or one too many", one);
			return;
		}
		r->out->n_ng_allow++;
	}
}

static void status_socket(struct reader *r, struct tg_span v)
{
	r->out->status_socket = v;
}

static void metrics_file(struct reader *r, struct tg_span v)
{
	r->out->metrics_file = v;
}

static void certificate(struct reader *r, struct tg_span v)
{
	r->out->certificate = v;
}

static void private_key(struct reader *r, struct tg_span v)
{
	r->out->private_key = v;
}

static void trust_dir(struct reader *r, struct tg_span v)
{
	r->out->trust_dir = v;
}

static void log_level(struct reader *r, struct tg_span v)
{
	static const struct {
		const char *name;
		int level;
	} level[] = {{"error", LOG_ERR}, {"warning", LOG_WARNING},
			{"notice", LOG_NOTICE}, {"info", LOG_INFO}};

	for(size_t i = 0; i < sizeof(level) / sizeof(level[0]); i++) {
		if(tg_span_eq(v, tg_span_cstr(level[i].name))) {
			r->out->log_level = level[i].level;
			return;
		}
	}
	wrong(r, "expected error, warning, notice or info", v);
}

static void floor_level(struct reader *r, struct tg_span v)
{
	if(tg_span_eq(v, TG_SPAN("required")))
		r->out->floor_required = true;
	else if(!tg_span_eq(v, TG_SPAN("supported")))
		wrong(r, "expected required or supported", v);
}

static void floor_replay_window(struct reader *r, struct tg_span v)
{
	uint64_t n;

	if(tg_span_u64(v, TG_SRTP_WINDOW_MAX, &n) && n >= TG_SRTP_WINDOW_MIN)
		r->out->floor_window = (uint16_t)n;
	else
		wrong(r, "expected packets, 64 to 32767", v);
}

static void floor_suites(struct reader *r, struct tg_span v)
{
	size_t n = 0;

	while(v.len != 0) {
		struct tg_span one = tg_span_trim(tg_span_cut(&v, ','));
		enum tg_suite suite = tg_suite_by_name(one);

		if(suite == TG_SUITE_NONE || n == TG_SUITES_MAX) {
			wrong(r, "not an SRTP suite, or one too many", one);
			return;
		}
		r->out->floor_suite[n++] = suite;
	}
	if(n == 0)
		wrong(r, "expected SRTP suites", v);
}

static void engine(struct reader *r, struct tg_span v)
{
	if(tg_span_eq(v, TG_SPAN("compact")))
		r->out->engine = TG_SRTP_ENGINE_COMPACT;
	else if(tg_span_eq(v, TG_SPAN("evp")))
		r->out->engine = TG_SRTP_ENGINE_EVP;
	else
		wrong(r, "expected compact or evp", v);
}

static void fips(struct reader *r, struct tg_span v)
{
	r->out->fips_required = tg_span_eq(v, TG_SPAN("required"));
	if(!r->out->fips_required && !tg_span_eq(v, TG_SPAN("follow")))
		wrong(r, "expected follow or required", v);
}

static void allow(struct reader *r, struct tg_span v)
{
	while(v.len != 0) {
		struct tg_span one = tg_span_trim(tg_span_cut(&v, ','));

		if(tg_span_eq(one, TG_SPAN("debug-logging")))
			r->out->allow |= TG_MNT_ALLOW_DEBUG;
		else if(tg_span_eq(one, TG_SPAN("unknown-version")))
			r->out->allow |= TG_MNT_ALLOW_VERSION;
		else
			wrong(r, "expected debug-logging or unknown-version", one);
	}
}

static const struct {
	const char *name;
	void (*read)(struct reader *r, struct tg_span value);
} keys[] = {
		{"secret_file", secret_file},
		{"ng_allow", ng_allow},
		{"status_socket", status_socket},
		{"metrics_file", metrics_file},
		{"certificate", certificate},
		{"private_key", private_key},
		{"trust_dir", trust_dir},
		{"log_level", log_level},
		{"floor_level", floor_level},
		{"floor_replay_window", floor_replay_window},
		{"floor_suites", floor_suites},
		{"engine", engine},
		{"fips", fips},
		{"allow", allow},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static void read_line(struct reader *r, struct tg_span line, bool seen[N_KEYS])
{
	struct tg_span value = line;
	struct tg_span name = tg_span_trim(tg_span_cut(&value, '='));
	size_t i = 0;

	value = tg_span_trim(value);
	while(i < N_KEYS && !tg_span_eq(name, tg_span_cstr(keys[i].name)))
		i++;
	if(i == N_KEYS)
		wrong(r, "unknown key", name);
	else if(seen[i])
		wrong(r, "repeated key", name);
	else if(value.len == 0)
		wrong(r, "key without a value", name);
	else
		keys[i].read(r, value);
	if(i < N_KEYS)
		seen[i] = true;
}

bool tg_mnt_conf_parse(struct tg_mnt_conf *out, struct tg_span text,
		struct tg_span file, struct tg_diags *d)
{
	struct reader r = {.out = out, .diags = d, .where = {.file = file}};
	bool seen[N_KEYS] = {false};

	memset(out, 0, sizeof(*out));
	out->log_level = LOG_INFO;
	out->engine = TG_SRTP_ENGINE_COMPACT;
	while(text.len != 0) {
		struct tg_span line = tg_span_trim(tg_span_cut(&text, '\n'));

		r.where.line++;
		if(line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
			continue;
		if(line.ptr[0] != '[')
			read_line(&r, line, seen);
		else if(!tg_span_eq(line, TG_SPAN("[plugin]")))
			wrong(&r, "unknown section", line);
	}
	if(out->secret_file.len == 0)
		tg_diags_add(d, TG_SEV_ERROR, &r.where, "secret_file is missing");
	if((out->certificate.len == 0) != (out->private_key.len == 0))
		tg_diags_add(d, TG_SEV_ERROR, &r.where,
				"certificate and private_key need each other");
	return d->errors == 0;
}
