/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount/daemon.h"

#include <string.h>

/* Short options of all versions that are admitted, with their long names */
static const struct {
	char letter;
	bool has_value;
	const char *name;
} short_option[] = {
		{'v', false, "version"},
		{'h', false, "help"},
		{'L', true, "log-level"},
		{'E', false, "log-stderr"},
		{'p', true, "pidfile"},
		{'f', false, "foreground"},
		{'t', true, "table"},
		{'F', false, "no-fallback"},
		{'i', true, "interface"},
		{'S', false, "save-interface-ports"},
		{'k', true, "subscribe-keyspace"},
		{'l', true, "listen-tcp"},
		{'u', true, "listen-udp"},
		{'n', true, "listen-ng"},
		{'N', true, "listen-tcp-ng"},
		{'c', true, "listen-cli"},
		{'g', true, "graphite"},
		{'G', true, "graphite-interval"},
		{'T', true, "tos"},
		{'o', true, "timeout"},
		{'s', true, "silent-timeout"},
		{'a', true, "final-timeout"},
		{'m', true, "port-min"},
		{'M', true, "port-max"},
		{'r', true, "redis"},
		{'w', true, "redis-write"},
		{'q', false, "no-redis-required"},
		{'y', false, "redis-delete-async"},
		{'b', true, "b2b-url"},
		{'x', true, "xmlrpc-format"},
		{'d', true, "delete-delay"},
};

/* Long options without a value; all others take one */
static const char *const switches[] = {"version", "help", "log-stderr",
		"split-logs", "no-log-timestamps", "foreground", "no-fallback",
		"save-interface-ports", "no-redis-required", "redis-delete-async",
		"active-switchover", "sip-source", "dtls-passive", "log-srtp-keys",
		"jb-clock-drift", "jb-adaptive", "debug-srtp", "reject-invalid-sdp",
		"poller-per-thread", "codecs", "dtmf-log-ng-tcp", "dtmf-no-suppress",
		"dtmf-no-log-injects", "record-egress", "player-cache",
		"homer-disable-rtcp-stats", "homer-enable-ng",
		"redis-resolve-on-reconnect", "io-uring", "help-all",
		"no-redis-subscribe", "measure-rtp", "skip-stats"};

static bool is_switch(struct tg_span name)
{
	for(size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if(tg_span_eq(name, tg_span_cstr(switches[i])))
			return true;
	}
	return false;
}

static bool add(struct tg_mnt_daemon *d, struct tg_span name,
		struct tg_span value, bool from_file)
{
	struct tg_mnt_option **p = &d->first;
	struct tg_mnt_option *o = tg_arena_get(d->arena, sizeof(*o));

	if(o == NULL) {
		d->error = "out of memory";
		return false;
	}
	o->name = name;
	o->value = value;
	o->from_file = from_file;
	while(*p != NULL)
		p = &(*p)->next;
	*p = o;
	if(!from_file
			&& (tg_span_eq(name, TG_SPAN("version"))
					|| tg_span_starts(name, TG_SPAN("help"))
					|| tg_span_eq(name, TG_SPAN("codecs"))))
		d->only_prints = true;
	return true;
}

static bool next_arg(struct tg_span *rest, struct tg_span *out)
{
	if(rest->len == 0)
		return false;
	*out = tg_span_cut(rest, '\0');
	return true;
}

static bool take_short(
		struct tg_mnt_daemon *d, struct tg_span arg, struct tg_span *rest)
{
	for(size_t i = 1; i < arg.len; i++) {
		struct tg_span value = {NULL, 0};
		size_t k = 0, n = sizeof(short_option) / sizeof(short_option[0]);

		while(k < n && short_option[k].letter != arg.ptr[i])
			k++;
		if(k == n) {
			d->error = "a short option that this plugin does not know";
			return false;
		}
		if(short_option[k].has_value) {
			if(i + 1 < arg.len)
				value = tg_span_of(arg.ptr + i + 1, arg.len - i - 1);
			else if(!next_arg(rest, &value))
				return true; /* the daemon refuses it */
			i = arg.len;
		}
		if(!add(d, tg_span_cstr(short_option[k].name), value, false))
			return false;
	}
	return true;
}

/*
 * An option that this list does not know might be a switch: then what follows
 * is an option of its own and must not be swallowed as a value. "-1" is one.
 */
static bool looks_like_option(struct tg_span rest)
{
	struct tg_span next = tg_span_cut(&rest, '\0');

	return next.len > 1 && next.ptr[0] == '-'
		   && (next.ptr[1] < '0' || next.ptr[1] > '9');
}

bool tg_mnt_daemon_args(
		struct tg_mnt_daemon *d, struct tg_arena *arena, struct tg_span argv)
{
	struct tg_span arg, value;

	memset(d, 0, sizeof(*d));
	d->arena = arena;
	next_arg(&argv, &arg); /* the program */
	while(next_arg(&argv, &arg)) {
		if(arg.len < 2 || arg.ptr[0] != '-')
			continue;
		if(arg.ptr[1] != '-') {
			if(!take_short(d, arg, &argv))
				return false;
			continue;
		}
		value = tg_span_of(arg.ptr + 2, arg.len - 2);
		arg = tg_span_cut(&value, '=');
		if(arg.len == 0)
			break; /* "--" */
		if(value.len == 0 && !is_switch(arg) && !looks_like_option(argv))
			next_arg(&argv, &value);
		if(!add(d, arg, value, false))
			return false;
	}
	return true;
}

bool tg_mnt_daemon_file(
		struct tg_mnt_daemon *d, struct tg_span text, struct tg_span section)
{
	bool mine = false;

	while(text.len != 0) {
		struct tg_span line = tg_span_trim(tg_span_cut(&text, '\n'));
		struct tg_span name;

		if(line.len == 0 || line.ptr[0] == '#')
			continue;
		if(line.ptr[0] == '[') {
			mine = line.len > 2 && line.ptr[line.len - 1] == ']'
				   && tg_span_eq(
						   section, tg_span_of(line.ptr + 1, line.len - 2));
			continue;
		}
		if(!mine)
			continue;
		name = tg_span_trim(tg_span_cut(&line, '='));
		line = tg_span_trim(line);
		/* a list in a key file is split by semicolons */
		do {
			struct tg_span value = tg_span_trim(tg_span_cut(&line, ';'));

			if(!add(d, name, value, true))
				return false;
		} while(line.len != 0);
	}
	return true;
}

static const struct tg_mnt_option *search(
		const struct tg_mnt_option *o, struct tg_span name, bool from_file)
{
	while(o != NULL
			&& !(o->from_file == from_file && tg_span_eq(o->name, name)))
		o = o->next;
	return o;
}

const struct tg_mnt_option *tg_mnt_daemon_get(
		const struct tg_mnt_daemon *d, const char *name)
{
	struct tg_span n = tg_span_cstr(name);
	const struct tg_mnt_option *o = search(d->first, n, false);

	return o != NULL ? o : search(d->first, n, true);
}

const struct tg_mnt_option *tg_mnt_daemon_next(const struct tg_mnt_option *o)
{
	return search(o->next, o->name, o->from_file);
}

const struct tg_mnt_option *tg_mnt_daemon_last(
		const struct tg_mnt_daemon *d, const char *name)
{
	const struct tg_mnt_option *o = tg_mnt_daemon_get(d, name), *last = NULL;

	for(; o != NULL; o = tg_mnt_daemon_next(o))
		last = o;
	return last;
}

bool tg_mnt_daemon_on(const struct tg_mnt_daemon *d, const char *name)
{
	const struct tg_mnt_option *o = tg_mnt_daemon_get(d, name);

	for(; o != NULL; o = tg_mnt_daemon_next(o)) {
		if(!tg_span_ieq(o->value, TG_SPAN("false"))
				&& !tg_span_ieq(o->value, TG_SPAN("no"))
				&& !tg_span_eq(o->value, TG_SPAN("0")))
			return true;
	}
	return false;
}

bool tg_mnt_listener(struct tg_span s, struct tg_addr *addr, uint16_t *port)
{
	struct tg_span host;
	uint64_t v;
	size_t colon = s.len;

	for(size_t i = 0; i < s.len; i++) {
		if(s.ptr[i] == ':')
			colon = i;
	}
	memset(addr, 0, sizeof(*addr));
	host = colon < s.len ? tg_span_of(s.ptr, colon) : tg_span_of(NULL, 0);
	if(colon < s.len)
		s = tg_span_of(s.ptr + colon + 1, s.len - colon - 1);
	if(!tg_span_u64(s, UINT16_MAX, &v) || v == 0)
		return false;
	*port = (uint16_t)v;
	if(host.len == 0)
		return true;
	if(tg_span_ieq(host, TG_SPAN("localhost")))
		host = TG_SPAN("127.0.0.1");
	return tg_addr_parse(host, addr);
}
