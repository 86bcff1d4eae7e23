/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line per decision, at the boundary of the module. Control characters
 * are escaped; nothing secret is in the facts. Equal refusals of one source
 * are written once and then summed up, so that nobody fills a disk with them.
 */
#include <stdio.h>
#include <time.h>

#include "core/dprint.h"

#include "tls_policy/tlsp.h"

#define REPEAT_SLOTS 512
#define LINE_OCTETS 1024

/* The last refusal that hashed here, in this process */
struct repeat {
	uint32_t hash;
	time_t since;
	unsigned more;
};
static struct repeat repeats[REPEAT_SLOTS];

static uint32_t mix(uint32_t hash, const void *p, size_t n)
{
	const unsigned char *c = p;

	while(n--)
		hash = (hash ^ *c++) * 16777619u;
	return hash;
}

/* True when it is to be written; *more: how many were not, since the last */
static bool is_due(const struct tg_pol_verdict *v, const struct tlsp_report *r,
		unsigned *more)
{
	uint32_t hash = mix(2166136261u, r->gate, strlen(r->gate));
	struct repeat *slot;
	time_t now = time(NULL);

	*more = 0;
	hash = mix(hash, &v->reason, sizeof(v->reason));
	if(r->conn)
		hash = mix(hash, r->conn->remote.octet, sizeof(r->conn->remote.octet));
	slot = &repeats[hash % REPEAT_SLOTS];
	if(slot->hash == hash && now - slot->since < tlsp_params.log_repeat_sec) {
		slot->more++;
		return false;
	}
	if(slot->hash == hash)
		*more = slot->more;
	*slot = (struct repeat){.hash = hash, .since = now};
	return true;
}

/* Printable ASCII only; out has room for n */
static const char *escape(const char *text, char *out, size_t n)
{
	size_t at = 0;

	for(; *text && at + 5 < n; text++) {
		unsigned char c = (unsigned char)*text;

		if(c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			out[at++] = (char)c;
		else
			at += (size_t)snprintf(out + at, n - at, "\\x%02x", c);
	}
	out[at] = 0;
	return out;
}

static const char *address(
		const struct tg_addr *a, uint16_t port, char *out, size_t n)
{
	char text[TG_ADDR_TEXT_OCTETS];

	if(!a->family)
		return "-";
	tg_addr_format(a, text);
	snprintf(out, n, a->family == 6 ? "[%s]:%u" : "%s:%u", text, port);
	return out;
}

static const char *verdict_name(const struct tg_pol_verdict *v)
{
	if(v->decision != TG_POL_ALLOW)
		return "deny";
	return v->audited ? "audit" : "allow";
}

static struct tg_span party(const struct tg_pol_verdict *v)
{
	if(v->peer)
		return v->peer->name;
	if(v->clients)
		return v->clients->name;
	return TG_SPAN("-");
}

static const char *file_name(struct tg_span path, int *n)
{
	size_t at = path.len;

	while(at && path.ptr[at - 1] != '/')
		at--;
	*n = (int)(path.len - at);
	return path.len ? path.ptr + at : "";
}

static void format(const struct tg_pol *p, const struct tg_pol_verdict *v,
		const struct tlsp_report *r, unsigned more, char *out)
{
	char where[80], detail[400], repeated[40] = "", rest[512] = "";
	struct tg_span who = party(v);
	int rule_len;
	const char *rule = file_name(v->rule.file, &rule_len);

	if(more)
		snprintf(repeated, sizeof(repeated), " repeated=%u", more);
	if(r->detail && *r->detail)
		snprintf(rest, sizeof(rest), " detail=\"%s\"",
				escape(r->detail, detail, sizeof(detail)));
	snprintf(out, LINE_OCTETS,
			"gate=%s %s=%s transport=%s %s=%.*s route=%.*s class=%s "
			"verdict=%s reason=%s rule=%.*s:%u policy=%s%s%s",
			r->gate,
			r->conn && r->conn->direction == TG_POL_OUT ? "to" : "from",
			r->conn ? address(&r->conn->remote, r->conn->remote_port, where,
					sizeof(where))
					: "-",
			r->conn ? tg_pol_transport_name(r->conn->transport) : "-",
			v->clients ? "clients" : "peer", TG_SPAN_FMT(who),
			r->route.len ? (int)r->route.len : 1,
			r->route.len ? r->route.ptr : "-",
			r->class ? tg_pol_class_name((enum tg_pol_class)r->class) : "-",
			verdict_name(v), tg_reason_get(v->reason)->id, rule_len, rule,
			v->rule.line, tg_pol_digest(p), repeated, rest);
}

void tlsp_report(const struct tg_pol *p, const struct tg_pol_verdict *v,
		const struct tlsp_report *r)
{
	char line[LINE_OCTETS];
	unsigned more = 0;

	tlsp_stats_count(v);
	if((v->decision != TG_POL_ALLOW || v->audited) && !is_due(v, r, &more))
		return;
	format(p, v, r, more, line);
	if(v->decision == TG_POL_ALLOW && !v->audited)
		LM_INFO("%s\n", line);
	else
		LM_WARN("%s\n", line);
}

void tlsp_log_diags(const struct tg_diags *diags)
{
	char line[LINE_OCTETS];

	for(const struct tg_diag *d = diags->first; d; d = d->next) {
		tg_diag_format(d, line, sizeof(line));
		if(d->severity == TG_SEV_ERROR)
			LM_ERR("%s\n", line);
		else if(d->severity == TG_SEV_WARNING)
			LM_WARN("%s\n", line);
		else
			LM_NOTICE("%s\n", line);
	}
	if(diags->dropped)
		LM_ERR("and %zu more\n", diags->dropped);
}
