/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/guard.h"

#include <stdlib.h>
#include <syslog.h>

static void refuse(struct tg_diags *d, const char *what, const char *why)
{
	tg_diags_add(d, TG_SEV_ERROR, NULL, "%s: %s", what, why);
}

/* Options that must not be there at all, and why */
static const struct {
	const char *name;
	const char *why;
} forbidden[] = {
		{"io-uring", "packets would bypass the plugin in clear"},
		{"kernel-slots", "packets would bypass the plugin in clear"},
		{"listen-tcp-ng", "ng over TCP cannot be judged; use listen-ng"},
		{"listen-tcp", "the legacy TCP control protocol bypasses the policy"},
		{"listen-udp", "the legacy UDP control protocol bypasses the policy"},
		{"listen-http", "ng over HTTP and WebSocket cannot be seen"},
		{"listen-https", "ng over HTTPS and WebSocket cannot be seen"},
		{"homer-enable-ng", "copies of ng hold the keys of engine = native"},
};

/* ... unless the operator allows it by name */
static const struct {
	const char *name;
	enum tg_mnt_allow allow;
	const char *why;
} restricted[] = {
		{"debug-srtp", TG_MNT_ALLOW_DEBUG, "it logs SRTP key material"},
		{"log-srtp-keys", TG_MNT_ALLOW_DEBUG, "it logs SRTP keys"},
};

static void check_options(const struct tg_mnt_daemon *daemon,
		const struct tg_mnt_conf *conf, struct tg_diags *d)
{
	for(size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if(tg_mnt_daemon_on(daemon, forbidden[i].name))
			refuse(d, forbidden[i].name, forbidden[i].why);
	}
	for(size_t i = 0; i < sizeof(restricted) / sizeof(restricted[0]); i++) {
		if(tg_mnt_daemon_on(daemon, restricted[i].name)
				&& !(conf->allow & restricted[i].allow))
			refuse(d, restricted[i].name, restricted[i].why);
	}
}

/* "none" and negative numbers are userspace forwarding; the default is that */
static void check_table(const struct tg_mnt_daemon *daemon, struct tg_diags *d)
{
	const struct tg_mnt_option *o = tg_mnt_daemon_get(daemon, "table");

	for(; o != NULL; o = tg_mnt_daemon_next(o)) {
		if(tg_span_starts(o->value, TG_SPAN("-"))
				|| tg_span_ieq(o->value, TG_SPAN("none")))
			continue;
		refuse(d, "table",
				"forwarding in the kernel bypasses the plugin; set table = -1");
		return;
	}
}

/* Debug lines of the daemon carry whole descriptions with native keys */
static void check_log_levels(const struct tg_mnt_daemon *daemon,
		const struct tg_mnt_conf *conf, struct tg_diags *d)
{
	if(conf->allow & TG_MNT_ALLOW_DEBUG)
		return;
	for(const struct tg_mnt_option *o = daemon->first; o != NULL; o = o->next) {
		uint64_t level;

		if(!tg_span_starts(o->name, TG_SPAN("log-level"))
				|| (tg_span_u64(o->value, 1000, &level) && level < LOG_DEBUG)
				|| tg_span_starts(o->value, TG_SPAN("-")))
			continue;
		tg_diags_add(d, TG_SEV_ERROR, NULL,
				"%.*s: debug lines contain SRTP keys of other legs",
				TG_SPAN_FMT(o->name));
	}
}

static void check_ng(const struct tg_mnt_daemon *daemon,
		const struct tg_mnt_conf *conf, struct tg_diags *d,
		struct tg_mnt_ng ng[TG_MNT_NG_MAX], size_t *n_ng)
{
	const struct tg_mnt_option *o = tg_mnt_daemon_get(daemon, "listen-ng");

	*n_ng = 0;
	if(o == NULL)
		refuse(d, "listen-ng", "no ng listener over UDP: nothing to guard");
	for(; o != NULL; o = tg_mnt_daemon_next(o)) {
		struct tg_mnt_ng *one = &ng[*n_ng];

		if(*n_ng == TG_MNT_NG_MAX
				|| !tg_mnt_listener(o->value, &one->addr, &one->port)) {
			refuse(d, "listen-ng",
					"a listener that cannot be read; write ADDRESS:PORT");
			return;
		}
		if(!tg_addr_is_loopback(&one->addr) && conf->n_ng_allow == 0)
			refuse(d, "listen-ng",
					"beyond loopback it needs ng_allow, the senders' networks");
		(*n_ng)++;
	}
}

void tg_mnt_guard(const struct tg_mnt_daemon *daemon,
		const struct tg_mnt_conf *conf, struct tg_diags *d,
		struct tg_mnt_ng ng[TG_MNT_NG_MAX], size_t *n_ng)
{
	check_options(daemon, conf, d);
	check_table(daemon, d);
	check_log_levels(daemon, conf, d);
	check_ng(daemon, conf, d, ng, n_ng);
}

bool tg_mnt_version_known(struct tg_span text)
{
	static const char *const known[] = {"10.5.", "12.5.", "26.0."};
	static const struct tg_span head = TG_SPAN_INIT("Version:");

	if(!tg_span_starts(text, head))
		return false;
	text = tg_span_trim(tg_span_of(text.ptr + head.len, text.len - head.len));
	if(tg_span_starts(text, TG_SPAN("mr")))
		text = tg_span_of(text.ptr + 2, text.len - 2);
	for(size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if(tg_span_starts(text, tg_span_cstr(known[i])))
			return true;
	}
	return false;
}

bool tg_mnt_ng_allowed(
		const struct tg_mnt_conf *conf, const struct tg_addr *from)
{
	for(size_t i = 0; i < conf->n_ng_allow; i++) {
		if(tg_cidr_contains(&conf->ng_allow[i], from))
			return true;
	}
	return conf->n_ng_allow == 0 && tg_addr_is_loopback(from);
}
