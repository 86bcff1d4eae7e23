/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "fips/fips.h"
#include "mount/mount.h"
#include "mount/real.h"
#include "mount/restored.h"
#include "mount/trust.h"
#include "session/ice.h"
#include "session/packet.h"
#include "stats/status.h"

#define DAEMON_NAME "rtpengine"
#define DAEMON_CONF "/etc/rtpengine/rtpengine.conf"
#define DAEMON_SECTION "rtpengine"
#define FILE_OCTETS_MAX (1024 * 1024)
#define FDS_MAX (4 * 1024 * 1024)
#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits.h */

struct tg_mnt *tg_mnt;

static struct tg_mnt mount;
static struct tg_arena keep; /* what lives as long as the process */
static struct tg_sta_host status_host;

void tg_mnt_log(int priority, const char *text)
{
	if(priority > mount.conf.log_level)
		return;
	if(mount.log_stderr)
		fprintf(stderr, "trunkguard: %s\n", text);
	else
		syslog(LOG_DAEMON | priority, "trunkguard: %s", text);
}

/* ---- refusing to start -------------------------------------------------- */

static void say(const char *text)
{
	fprintf(stderr, "rtpengine_srtp: %s\n", text);
	syslog(LOG_DAEMON | LOG_ERR, "trunkguard: %s", text);
}

static _Noreturn void refuse(const char *text)
{
	say(text);
	say("rtpengine is not started");
	_exit(EXIT_CONFIG);
}

static _Noreturn void refuse_all(const struct tg_diags *d)
{
	char text[1024];

	for(const struct tg_diag *i = d->first; i != NULL; i = i->next) {
		tg_diag_format(i, text, sizeof(text));
		say(text);
	}
	refuse("refused for the reasons above");
}

/* ---- reading files ------------------------------------------------------ */

/* NUL behind it; ptr NULL: errno says why */
static struct tg_span read_all(const char *path, mode_t *mode)
{
	struct tg_span out = {NULL, 0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n = 0;
	char *p;

	if(fd < 0)
		return out;
	p = tg_arena_get(&keep, FILE_OCTETS_MAX + 1);
	if(p != NULL && fstat(fd, &st) == 0) {
		ssize_t got;

		while(n < FILE_OCTETS_MAX
				&& (got = read(fd, p + n, FILE_OCTETS_MAX - n)) > 0)
			n += (size_t)got;
		if(mode != NULL)
			*mode = st.st_mode;
		if(n < FILE_OCTETS_MAX)
			out = tg_span_of(p, n);
	}
	tg_mnt_real()->close(fd);
	return out;
}

/* A path of the configuration as a C string */
static const char *path_of(struct tg_span s)
{
	struct tg_span copy = tg_arena_dup(&keep, s);

	if(copy.ptr == NULL)
		refuse("out of memory");
	return copy.ptr;
}

static struct tg_span read_needed(const char *what, const char *path)
{
	struct tg_span text = read_all(path, NULL);
	char line[1024];

	if(text.ptr != NULL)
		return text;
	snprintf(line, sizeof(line), "%s %s cannot be read: %s", what, path,
			strerror(errno));
	refuse(line);
}

/* ---- is this the daemon, and what was it told? -------------------------- */

static bool is_daemon(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *name;

	if(n <= 0)
		return false;
	path[n] = '\0';
	name = strrchr(path, '/');
	return strcmp(name != NULL ? name + 1 : path, DAEMON_NAME) == 0;
}

static void read_daemon(void)
{
	const struct tg_mnt_option *file, *section;
	struct tg_span text, name = TG_SPAN(DAEMON_SECTION);
	const char *path = DAEMON_CONF;

	file = tg_mnt_daemon_last(&mount.daemon, "config-file");
	section = tg_mnt_daemon_last(&mount.daemon, "config-section");
	if(section != NULL)
		name = section->value;
	if(file != NULL && tg_span_eq(file->value, TG_SPAN("none")))
		return;
	if(file != NULL)
		path = path_of(file->value);
	text = read_all(path, NULL);
	if(text.ptr == NULL) {
		if(file == NULL && errno == ENOENT)
			return;
		text = read_needed("the daemon's configuration", path);
	}
	if(!tg_mnt_daemon_file(&mount.daemon, text, name))
		refuse(mount.daemon.error);
}

/* The environment without LD_PRELOAD */
static char **clean_env(void)
{
	size_t n = 0, kept = 0;
	char **env;

	while(environ[n] != NULL)
		n++;
	env = tg_arena_array(&keep, n + 1, sizeof(*env));
	if(env == NULL)
		refuse("out of memory");
	for(size_t i = 0; i < n; i++) {
		if(strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
			env[kept++] = environ[i];
	}
	return env;
}

/* The daemon says its version itself, without us in front of it */
static void read_version(void)
{
	/* 26.0 reads its configuration even for this */
	char name[] = DAEMON_NAME, none[] = "--config-file=none";
	char option[] = "--version";
	char *const argv[] = {name, none, option, NULL};
	posix_spawn_file_actions_t actions;
	struct tg_span text;
	char out[256];
	size_t n = 0;
	ssize_t got;
	int pipe_fd[2], rc;
	pid_t pid;

	if(pipe2(pipe_fd, O_CLOEXEC) != 0)
		refuse("no pipe for the daemon's version");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDERR_FILENO);
	rc = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, clean_env());
	posix_spawn_file_actions_destroy(&actions);
	tg_mnt_real()->close(pipe_fd[1]);
	while(rc == 0 && n < sizeof(out) - 1
			&& (got = read(pipe_fd[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	tg_mnt_real()->close(pipe_fd[0]);
	if(rc == 0)
		waitpid(pid, NULL, 0);
	text = tg_span_trim(tg_span_of(out, n));
	text = tg_span_trim(tg_span_cut(&text, '\n'));
	snprintf(mount.version, sizeof(mount.version), "%.*s", TG_SPAN_FMT(text));
	if(!tg_mnt_version_known(tg_span_cstr(mount.version))
			&& !(mount.conf.allow & TG_MNT_ALLOW_VERSION)) {
		char line[256];

		snprintf(line, sizeof(line),
				"this rtpengine was not tested with the plugin (%s); "
				"allow = unknown-version overrides",
				mount.version);
		refuse(line);
	}
	if(tg_span_starts(tg_span_cstr(mount.version), TG_SPAN("Version: ")))
		memmove(mount.version, mount.version + 9,
				strlen(mount.version + 9) + 1);
}

static void read_conf(struct tg_diags *d)
{
	const char *path = getenv(TG_MNT_CONF_ENV);
	struct tg_span text;

	if(path == NULL || path[0] == '\0')
		path = TG_MNT_CONF_PATH;
	text = read_needed("the plugin's configuration", path);
	if(!tg_mnt_conf_parse(&mount.conf, text, tg_span_cstr(path), d))
		refuse_all(d);
}

static void read_secret(void)
{
	const char *path = path_of(mount.conf.secret_file);
	mode_t mode = 0;
	struct tg_span text = read_all(path, &mode);

	if(text.ptr == NULL)
		text = read_needed("secret_file", path);
	if(mode & S_IRWXO)
		refuse("secret_file is open to everybody; chmod o= it");
	text = tg_span_trim(text);
	if(text.len < TG_NG_SECRET_OCTETS_MIN || text.len > TG_NG_SECRET_OCTETS_MAX)
		refuse("secret_file needs 32 to 4096 octets");
	tg_ng_key_init(&mount.key, text);
	mount.host.key = &mount.key;
}

/* ---- mounting ----------------------------------------------------------- */

/* IP!ADVERTISED of --interface=[NAME/]IP[!ADVERTISED] */
bool tg_mnt_advertised(
		void *ctx, const struct tg_addr *shown, struct tg_addr *bound)
{
	const struct tg_mnt_option *o =
			tg_mnt_daemon_get(&mount.daemon, "interface");

	(void)ctx;
	for(; o != NULL; o = tg_mnt_daemon_next(o)) {
		struct tg_span rest = o->value, ip;
		struct tg_addr addr;

		if(tg_span_find(rest, '/') < rest.len)
			tg_span_cut(&rest, '/');
		ip = tg_span_cut(&rest, '!');
		if(tg_addr_parse(rest, &addr) && tg_addr_eq(&addr, shown))
			return tg_addr_parse(ip, bound);
	}
	return false;
}

/*
 * Under a name of its own at first: a daemon that a mistake starts beside the
 * one that serves, and that finds its ports in use, leaves that one's alone.
 */
static void open_status(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct tg_span path = mount.conf.status_socket;
	mode_t mask;

	mount.status_fd = -1;
	if(path.len == 0)
		return;
	if(snprintf(sa.sun_path, sizeof(sa.sun_path), "%.*s.new", TG_SPAN_FMT(path))
			>= (int)sizeof(sa.sun_path))
		refuse("status_socket: the path is too long");
	memcpy(mount.status_new, sa.sun_path, sizeof(mount.status_new));
	unlink(sa.sun_path);
	mount.status_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mask = umask(0117);
	if(mount.status_fd < 0
			|| tg_mnt_real()->bind(
					   mount.status_fd, (struct sockaddr *)&sa, sizeof(sa))
					   != 0
			|| listen(mount.status_fd, 8) != 0)
		refuse("status_socket cannot be opened");
	umask(mask);
}

static size_t max_fds(void)
{
	struct rlimit lim;

	if(getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_max > FDS_MAX)
		return FDS_MAX;
	return (size_t)lim.rlim_max;
}

/* Helpers that the daemon starts need not carry us along */
static void leave_environment(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if(preload != NULL && strchr(preload, ' ') == NULL
			&& strchr(preload, ':') == NULL)
		unsetenv("LD_PRELOAD");
}

static unsigned long long strangers(void)
{
	return atomic_load(&mount.ng_strangers);
}

static void restored(uint64_t out[TG_STA_RESTORED_COUNT])
{
	out[TG_STA_RESTORED_SECURED] = atomic_load(&tg_mnt_restored.secured);
	out[TG_STA_RESTORED_DELETED] = atomic_load(&tg_mnt_restored.deleted);
	out[TG_STA_RESTORED_PLAIN] = atomic_load(&tg_mnt_restored.plain);
	out[TG_STA_RESTORED_UNKNOWN] = atomic_load(&tg_mnt_restored.unknown);
}

static uint16_t port_of(const char *name, uint16_t otherwise)
{
	const struct tg_mnt_option *o = tg_mnt_daemon_last(&mount.daemon, name);
	uint64_t v;

	return o != NULL && tg_span_u64(o->value, UINT16_MAX, &v) ? (uint16_t)v
															  : otherwise;
}

/* [PASSWORD@]ADDRESS:PORT/N of "redis-write", else of "redis" */
static long redis_db(void)
{
	const struct tg_mnt_option *o =
			tg_mnt_daemon_last(&mount.daemon, "redis-write");
	struct tg_span value;
	uint64_t n;

	if(o == NULL)
		o = tg_mnt_daemon_last(&mount.daemon, "redis");
	if(o == NULL)
		return -2;
	value = o->value;
	for(size_t i = 0; i < o->value.len; i++) {
		if(o->value.ptr[i] == '/')
			value = tg_span_of(o->value.ptr + i + 1, o->value.len - i - 1);
	}
	return tg_span_u64(value, 1000000, &n) ? (long)n : -2;
}

static void read_ports(void)
{
	mount.port_min = port_of("port-min", 30000);
	mount.port_max = port_of("port-max", 40000);
	mount.hold_unknown = tg_mnt_daemon_get(&mount.daemon, "redis") != NULL
						 || tg_mnt_daemon_get(&mount.daemon, "redis-write")
						 || tg_mnt_daemon_get(&mount.daemon, "redis-subscribe");
	mount.host.mark = mount.hold_unknown;
	mount.redis_db = redis_db();
}

__attribute__((constructor)) static void mount_plugin(void)
{
	struct tg_diags d;
	struct tg_arena args;

	if(!is_daemon())
		return;
	tg_mnt_real();
	tg_arena_init(&keep, &tg_alloc_libc, 2 * FILE_OCTETS_MAX);
	tg_arena_init(&args, &tg_alloc_libc, 0);
	if(!tg_mnt_daemon_args(&mount.daemon, &keep,
			   read_needed("the command line", "/proc/self/cmdline")))
		refuse(mount.daemon.error);
	if(mount.daemon.only_prints)
		return;
	tg_diags_init(&d, &tg_alloc_libc);
	read_conf(&d);
	read_daemon();
	tg_mnt_guard(&mount.daemon, &mount.conf, &d, mount.ng, &mount.n_ng);
	if(d.errors != 0)
		refuse_all(&d);
	tg_diags_deinit(&d);
	read_version();
	read_secret();
	read_ports();
	/* how 26.0 reads a call back is not known: its mark was not found */
	if(mount.hold_unknown && strncmp(mount.version, "26.", 3) == 0)
		refuse("redis: calls that rtpengine 26 restores cannot be told "
			   "apart; take redis out of its configuration");
	mount.log_stderr = tg_mnt_daemon_on(&mount.daemon, "log-stderr");
	mount.host.floor_required = mount.conf.floor_required;
	mount.host.floor_window = mount.conf.floor_window;
	memcpy(mount.host.floor_suite, mount.conf.floor_suite,
			sizeof(mount.host.floor_suite));
	mount.host.advertised = tg_mnt_advertised;
	mount.host.log = tg_mnt_log;
	if(!tg_ses_sockets_init(max_fds()) || !tg_ses_calls_init())
		refuse("out of memory or of random numbers");
	open_status();
	/* keys stay out of core files; the daemon raises RLIMIT_CORE itself */
	prctl(PR_SET_DUMPABLE, 0);
	leave_environment();
	tg_mnt = &mount;
}

/* ---- after the daemon has forked ---------------------------------------- */

static pthread_once_t late_once = PTHREAD_ONCE_INIT;
static atomic_bool late_done;

/* A description has no scope (RFC 4007): that of the socket is meant */
static uint32_t scope_of(int fd)
{
	struct sockaddr_in6 sa = {0};
	socklen_t n = sizeof(sa);

	if(getsockname(fd, (struct sockaddr *)&sa, &n) != 0
			|| sa.sin6_family != AF_INET6)
		return 0;
	return sa.sin6_scope_id;
}

/* For DTLS: out of the socket that the stream's component has, with ICE by the
 * pair that it validated */
static void send_datagram(void *user, enum tg_key_component component,
		const struct tg_key_path *to, const uint8_t *octet, size_t octets)
{
	struct tg_ses_stream *st = user;
	struct tg_ses_socket *s = tg_ses_ice_way(st, component, &to);
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sa4 = {.sin_family = AF_INET};
	bool v4 = to->addr.family == 4; /* of what *to has become */
	struct sockaddr *sa =
			v4 ? (struct sockaddr *)&sa4 : (struct sockaddr *)&sa6;

	if(s == NULL || to->addr.family == 0 || to->port == 0)
		return;
	if(!v4 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)to->addr.octet))
		sa6.sin6_scope_id = scope_of(atomic_load(&s->fd));
	memcpy(&sa4.sin_addr, to->addr.octet, 4);
	memcpy(&sa6.sin6_addr, to->addr.octet, 16);
	sa4.sin_port = sa6.sin6_port = htons(to->port);
	(void)!tg_mnt_real()->sendto(atomic_load(&s->fd), octet, octets,
			MSG_NOSIGNAL | MSG_DONTWAIT, sa, v4 ? sizeof(sa4) : sizeof(sa6));
}

static void load_certificate(void)
{
	const char *why = "";

	if(mount.conf.certificate.len != 0)
		mount.keying.cert = tg_key_cert_new(
				read_needed("certificate", path_of(mount.conf.certificate)),
				read_needed("private_key", path_of(mount.conf.private_key)),
				&why);
	else
		mount.keying.cert = tg_key_cert_new_self_signed(&why);
	if(mount.keying.cert == NULL)
		refuse(why);
	if(RAND_bytes(
			   mount.keying.cookie_secret, sizeof(mount.keying.cookie_secret))
			!= 1)
		refuse("no random numbers");
	mount.keying.send = send_datagram;
	mount.host.keying = &mount.keying;
}

static void load_trust(void)
{
	struct tg_diags d;

	if(mount.conf.trust_dir.len == 0)
		return;
	tg_diags_init(&d, &tg_alloc_libc);
	if(!tg_mnt_trust_load(path_of(mount.conf.trust_dir), &d))
		refuse_all(&d);
	tg_diags_deinit(&d);
	mount.host.trust = tg_mnt_trust_get;
}

/* In the thread of the status socket */
static void reload(FILE *answer)
{
	struct tg_diags d;
	char text[1024];
	size_t peers = 0;

	tg_diags_init(&d, &tg_alloc_libc);
	if(tg_mnt_trust_reload(&d, &peers))
		snprintf(text, sizeof(text), "trust_dir read again: %zu peers", peers);
	else
		snprintf(text, sizeof(text), "trust_dir stays as it was");
	for(const struct tg_diag *i = d.first; i != NULL; i = i->next) {
		char line[1024];

		tg_diag_format(i, line, sizeof(line));
		fprintf(answer, "%s\n", line);
		tg_mnt_log(i->severity == TG_SEV_ERROR ? LOG_ERR : LOG_WARNING, line);
	}
	fprintf(answer, "%s%s\n", d.errors ? "error: " : "ok: ", text);
	tg_mnt_log(d.errors ? LOG_ERR : LOG_NOTICE, text);
	tg_diags_deinit(&d);
}

/* A37: what the provider lacks OpenSSL does not offer; see also srtp/compact.h */
static void check_fips(void)
{
	bool active = tg_fips_active();
	const char *beside = active ? tg_fips_bypass() : NULL;
	char text[128];

	if(mount.conf.fips_required && !active)
		refuse("fips = required, and no FIPS provider is active in this "
			   "process");
	if(beside != NULL) {
		snprintf(text, sizeof(text),
				"a FIPS provider is active, and %s works past it", beside);
		refuse(text);
	}
}

/*
 * The daemon's XMLRPC child closes whatever it inherited. It shares the
 * sockets with the daemon, so nothing may be shut down there, and the locks
 * may be held by threads that it does not have.
 */
static void in_child(void)
{
	tg_mnt = NULL;
}

/* Now that the daemon works on ng requests */
static void show_status(void)
{
	struct tg_span path = mount.conf.status_socket;

	if(path.len != 0 && rename(mount.status_new, path_of(path)) != 0)
		refuse("status_socket cannot be put in its place");
}

static void late(void)
{
	char text[256];

	if(pthread_atfork(NULL, NULL, in_child) != 0)
		refuse("out of memory");
	check_fips();
	if(tg_srtp_global_init(mount.conf.engine) != TG_SRTP_OK)
		refuse("the SRTP library cannot be initialised");
	load_certificate();
	load_trust();
	show_status();
	status_host.fd = mount.status_fd;
	status_host.metrics = mount.conf.metrics_file.len != 0
								  ? path_of(mount.conf.metrics_file)
								  : NULL;
	status_host.daemon_version = mount.version;
	status_host.strangers = strangers;
	status_host.reload = reload;
	status_host.restored = mount.hold_unknown ? restored : NULL;
	if(!tg_sta_start(&status_host))
		refuse("no thread for timers and status");
	if(mount.hold_unknown && !tg_mnt_restored_start())
		refuse("no thread for restored calls");
	snprintf(text, sizeof(text),
			"plugin %s mounted in rtpengine %s, engine %s, fips %s",
			TG_NGX_VERSION, mount.version,
			tg_srtp_engine() == TG_SRTP_ENGINE_COMPACT ? "compact" : "evp",
			tg_fips_active() ? "active" : "inactive");
	tg_mnt_log(LOG_NOTICE, text);
	atomic_store_explicit(&late_done, true, memory_order_release);
}

void tg_mnt_late(void)
{
	if(!atomic_load_explicit(&late_done, memory_order_acquire))
		pthread_once(&late_once, late);
}
