/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/status.h"
#include "fips/fips.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ng/exchange.h"
#include "session/fork.h"
#include "session/packet.h"

#define TICK_MS 20
#define METRICS_EVERY_MS 10000
#define CLIENT_TIMEOUT_SEC 2

/* ---- one leg after the other -------------------------------------------- */

struct sums {
	size_t calls, legs, streams[5]; /* by enum tg_key_state */
	size_t clear;
	struct tg_ses_sums sum;
};

static void add_far(struct sums *s, const struct tg_ses_far *far)
{
	for(int i = 0; i < TG_KEY_COMPONENTS; i++) {
		tg_ses_sums_add(&s->sum, TG_SRTP_RX, far->rx[i]);
		tg_ses_sums_add(&s->sum, TG_SRTP_TX, far->tx[i]);
	}
}

static enum tg_key_state state_of(const struct tg_ses_stream *st)
{
	return st->far.key != NULL ? tg_key_state(st->far.key, TG_KEY_RTP)
							   : TG_KEY_IDLE;
}

static void add_stream(struct sums *s, struct tg_ses_stream *st)
{
	s->streams[state_of(st)]++;
	s->clear += st->clear ? 1 : 0;
	add_far(s, &st->far);
	for(const struct tg_ses_fork *f = st->fork; f != NULL; f = f->next)
		add_far(s, &f->far);
	for(int dir = 0; dir < 2; dir++) {
		for(int i = 0; i < TG_SES_DROP_COUNT; i++)
			s->sum.drop[dir][i] += st->drop[dir][i];
	}
}

static bool sum_call(void *ctx, struct tg_ses_call *c)
{
	struct sums *s = ctx;

	s->calls++;
	for(struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next) {
		s->legs++;
		for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
			pthread_mutex_lock(&st->lock);
			add_stream(s, st);
			pthread_mutex_unlock(&st->lock);
		}
	}
	return true;
}

/* ---- status ------------------------------------------------------------- */

static const char *const state_name[] = {
		"idle", "offered", "agreed", "ready", "failed"};

/* One word: printable ASCII without quotes, spaces as "_", the rest as "?" */
static void put_name(FILE *f, const char *s)
{
	for(; *s != '\0'; s++) {
		bool good = *s > 0x20 && *s < 0x7f && *s != '"';

		fputc(good ? *s : *s == ' ' ? '_' : '?', f);
	}
}

static void print_stream(FILE *f, struct tg_ses_stream *st)
{
	struct sums s = {0};
	struct tg_key_facts facts = {0};
	const char *suite;

	add_stream(&s, st);
	if(st->far.key != NULL)
		tg_key_facts(st->far.key, &facts);
	suite = tg_suite_name(facts.suite);
	fprintf(f,
			"  stream=%u state=%s keying=%s suite=%s port=%u rx=%llu tx=%llu "
			"rtcp_rx=%llu rtcp_tx=%llu auth=%llu replay=%llu mki=%llu "
			"no_key_rx=%llu no_key_tx=%llu kind_rx=%llu kind_tx=%llu",
			st->index, st->clear ? "clear" : state_name[state_of(st)],
			st->far.key != NULL ? tg_kx_name(tg_key_kx(st->far.key)) : "none",
			suite != NULL ? suite : "none", st->local.port,
			(unsigned long long)s.sum.packets[0],
			(unsigned long long)s.sum.packets[1],
			(unsigned long long)s.sum.rtcp[0],
			(unsigned long long)s.sum.rtcp[1],
			(unsigned long long)s.sum.refused[0][TG_SRTP_AUTH],
			(unsigned long long)s.sum.refused[0][TG_SRTP_REPLAY],
			(unsigned long long)s.sum.refused[0][TG_SRTP_MKI],
			(unsigned long long)s.sum.drop[0][TG_SES_DROP_NO_KEY],
			(unsigned long long)s.sum.drop[1][TG_SES_DROP_NO_KEY],
			(unsigned long long)s.sum.drop[0][TG_SES_DROP_KIND],
			(unsigned long long)s.sum.drop[1][TG_SES_DROP_KIND]);
	if(state_of(st) == TG_KEY_FAILED)
		fprintf(f, " reason=%s", tg_reason_get(tg_key_reason(st->far.key))->id);
	if(st->far.key != NULL && tg_key_detail(st->far.key)[0] != '\0') {
		fprintf(f, " detail=");
		put_name(f, tg_key_detail(st->far.key));
	}
	fputc('\n', f);
}

static bool print_call(void *ctx, struct tg_ses_call *c)
{
	FILE *f = ctx;

	fprintf(f, "call call-id=\"");
	put_name(f, c->call_id);
	fprintf(f, "\" sockets=%u%s\n", c->n_sockets,
			c->restored ? " reason=restored" : "");
	for(struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next) {
		fprintf(f, " leg peer=");
		put_name(f, leg->names);
		fprintf(f, " level=%s\n", tg_level_name(leg->profile.level));
		for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
			pthread_mutex_lock(&st->lock);
			print_stream(f, st);
			pthread_mutex_unlock(&st->lock);
		}
	}
	return true;
}

void tg_sta_write_status(FILE *f, const struct tg_sta_host *host)
{
	char provider[96];

	fprintf(f, "plugin version=%s daemon=%s engine=%s", TG_NGX_VERSION,
			host->daemon_version,
			tg_srtp_engine() == TG_SRTP_ENGINE_COMPACT ? "compact" : "evp");
	if(tg_srtp_engine_note()[0] != '\0')
		fprintf(f, " note=\"%s\"", tg_srtp_engine_note());
	tg_fips_describe(provider, sizeof(provider));
	fprintf(f, " fips=%s", tg_fips_active() ? "active" : "inactive");
	if(provider[0] != '\0')
		fprintf(f, " provider=\"%s\"", provider);
	if(host->restored != NULL) {
		uint64_t n[TG_STA_RESTORED_COUNT];

		host->restored(n);
		fprintf(f,
				" restored_secured=%llu restored_torn_down=%llu "
				"restored_plain=%llu restored_unknown=%llu",
				(unsigned long long)n[TG_STA_RESTORED_SECURED],
				(unsigned long long)n[TG_STA_RESTORED_DELETED],
				(unsigned long long)n[TG_STA_RESTORED_PLAIN],
				(unsigned long long)n[TG_STA_RESTORED_UNKNOWN]);
	}
	fputc('\n', f);
	tg_ses_calls_each(print_call, f);
}

/* ---- metrics ------------------------------------------------------------ */

static void metric(
		FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP trunkguard_rtp_%s %s\n# TYPE trunkguard_rtp_%s %s\n",
			name, help, name, type);
}

static void one(FILE *f, const char *name, const char *type, const char *help,
		uint64_t value)
{
	metric(f, name, type, help);
	fprintf(f, "trunkguard_rtp_%s %llu\n", name, (unsigned long long)value);
}

static void both(FILE *f, const char *name, const char *type, const char *help,
		const uint64_t value[2])
{
	metric(f, name, type, help);
	for(int dir = 0; dir < 2; dir++)
		fprintf(f, "trunkguard_rtp_%s{direction=\"%s\"} %llu\n", name,
				dir ? "out" : "in", (unsigned long long)value[dir]);
}

static void live_calls(FILE *f, const struct sums *s)
{
	one(f, "calls", "gauge", "calls with a secured leg", s->calls);
	one(f, "legs", "gauge", "secured legs", s->legs);
	metric(f, "streams", "gauge", "media lines of secured legs by state");
	for(int i = 0; i < 5; i++)
		fprintf(f, "trunkguard_rtp_streams{state=\"%s\"} %zu\n", state_name[i],
				s->streams[i]);
	one(f, "streams_clear", "gauge",
			"media lines of supported legs that run in clear", s->clear);
}

/* ---- totals: what lives and what has been -------------------------------- */

/*
 * A context may end between the two looks and be counted twice, so a value
 * never goes back to what the next look says.
 */
static void rise(uint64_t *shown, uint64_t a, uint64_t b)
{
	if(a + b > *shown)
		*shown = a + b;
}

static void totals(const struct tg_ses_sums *live, struct tg_ses_sums *shown)
{
	struct tg_ses_sums past;

	tg_ses_sums_past(&past);
	for(int d = 0; d < 2; d++) {
		rise(&shown->packets[d], past.packets[d], live->packets[d]);
		rise(&shown->rtcp[d], past.rtcp[d], live->rtcp[d]);
		rise(&shown->octets[d], past.octets[d], live->octets[d]);
		for(int i = 0; i < TG_SRTP_RC_COUNT; i++)
			rise(&shown->refused[d][i], past.refused[d][i],
					live->refused[d][i]);
		for(int i = 0; i < TG_SES_DROP_COUNT; i++)
			rise(&shown->drop[d][i], past.drop[d][i], live->drop[d][i]);
	}
	rise(&shown->restarts, past.restarts, live->restarts);
	rise(&shown->lifetime_warnings, past.lifetime_warnings,
			live->lifetime_warnings);
	rise(&shown->rekeys, past.rekeys, live->rekeys);
}

static void by_reason(
		FILE *f, const char *name, int dir, const char *reason, uint64_t value)
{
	fprintf(f, "trunkguard_rtp_%s{direction=\"%s\",reason=\"%s\"} %llu\n", name,
			dir ? "out" : "in", reason, (unsigned long long)value);
}

static void write_totals(FILE *f, const struct tg_ses_sums *s)
{
	both(f, "rtp_packets_total", "counter", "SRTP packets passed", s->packets);
	both(f, "rtcp_packets_total", "counter", "SRTCP packets passed", s->rtcp);
	both(f, "octets_total", "counter", "protected octets passed", s->octets);
	metric(f, "refused_packets_total", "counter", "packets that SRTP refused");
	for(int d = 0; d < 2; d++) {
		for(int i = 1; i < TG_SRTP_RC_COUNT; i++)
			by_reason(f, "refused_packets_total", d,
					tg_srtp_rc_name((enum tg_srtp_rc)i), s->refused[d][i]);
	}
	metric(f, "dropped_packets_total", "counter",
			"packets of secured streams that never reached SRTP");
	for(int d = 0; d < 2; d++) {
		for(int i = 0; i < TG_SES_DROP_COUNT; i++)
			by_reason(f, "dropped_packets_total", d, tg_ses_drop_name[i],
					s->drop[d][i]);
	}
	one(f, "sequence_restarts_total", "counter",
			"senders that began their sequence again", s->restarts);
	one(f, "lifetime_warnings_total", "counter",
			"master keys that passed 7/8 of their lifetime",
			s->lifetime_warnings);
	one(f, "rekeys_total", "counter", "changes of keys in running contexts",
			s->rekeys);
}

static void write_restored(FILE *f, const struct tg_sta_host *host)
{
	static const char *const label[TG_STA_RESTORED_COUNT] = {
			"secured", "torn_down", "plain", "unknown"};
	uint64_t n[TG_STA_RESTORED_COUNT];

	if(host->restored == NULL)
		return;
	host->restored(n);
	metric(f, "restored_total", "counter",
			"calls that came from Redis; unknown: sockets that stay closed");
	for(int i = 0; i < TG_STA_RESTORED_COUNT; i++)
		fprintf(f, "trunkguard_rtp_restored_total{what=\"%s\"} %llu\n",
				label[i], (unsigned long long)n[i]);
}

void tg_sta_write_metrics(FILE *f, const struct tg_sta_host *host)
{
	static struct tg_ses_sums shown; /* one thread writes metrics */
	struct sums s = {0};
	uint64_t held[2] = {tg_ses_held_drops(0), tg_ses_held_drops(1)};

	tg_ses_calls_each(sum_call, &s);
	live_calls(f, &s);
	totals(&s.sum, &shown);
	write_totals(f, &shown);
	both(f, "held_packets_total", "counter",
			"packets dropped on sockets without a stream", held);
	one(f, "ng_requests_total", "counter", "ng requests seen",
			atomic_load(&tg_ngx_counters.requests));
	one(f, "ng_secured_total", "counter", "ng requests with a valid profile",
			atomic_load(&tg_ngx_counters.secured));
	one(f, "ng_refused_total", "counter", "ng requests refused",
			atomic_load(&tg_ngx_counters.refused));
	one(f, "ng_unauthentic_total", "counter",
			"ng requests with a wrong or expired MAC",
			atomic_load(&tg_ngx_counters.unauthentic));
	one(f, "ng_repeated_total", "counter", "ng requests answered again",
			atomic_load(&tg_ngx_counters.repeated));
	one(f, "clear_lines_total", "counter",
			"media lines of supported legs that fell to clear",
			atomic_load(&tg_ngx_counters.clear));
	write_restored(f, host);
	one(f, "fips", "gauge", "1: a FIPS provider is active", tg_fips_active());
	if(host->strangers != NULL)
		one(f, "ng_strangers_total", "counter",
				"ng datagrams from senders that are not allowed",
				host->strangers());
}

static void write_file(const struct tg_sta_host *host)
{
	char path[4096];
	FILE *f;

	if((size_t)snprintf(path, sizeof(path), "%s.new", host->metrics)
			>= sizeof(path))
		return;
	f = fopen(path, "we");
	if(f == NULL)
		return;
	tg_sta_write_metrics(f, host);
	if(fclose(f) == 0)
		(void)!rename(path, host->metrics);
	else
		unlink(path);
}

/* ---- the thread --------------------------------------------------------- */

static bool is_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0
		   && (line[n] == '\n' || line[n] == '\r' || line[n] == '\0');
}

static void serve(int fd, const struct tg_sta_host *host)
{
	struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_SEC};
	char line[64], *text = NULL;
	size_t octets = 0;
	ssize_t n;
	FILE *f;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	n = read(fd, line, sizeof(line) - 1);
	if(n < 0)
		return;
	line[n] = '\0';
	f = open_memstream(&text, &octets);
	if(f == NULL)
		return;
	if(is_word(line, "metrics"))
		tg_sta_write_metrics(f, host);
	else if(is_word(line, "status"))
		tg_sta_write_status(f, host);
	else if(is_word(line, "reload") && host->reload != NULL)
		host->reload(f);
	else
		fprintf(f, "error: say status, metrics or reload\n");
	if(fclose(f) == 0)
		(void)!send(fd, text, octets, MSG_NOSIGNAL);
	free(text);
}

/* True: there is more to come for the present far end */
static bool tick_far(struct tg_ses_stream *st, uint64_t now)
{
	if(st->far.key == NULL)
		return false;
	if(tg_key_timeout_ms(st->far.key, now) == 0) {
		tg_key_tick(st->far.key, now);
		(void)!tg_ses_stream_rekey(st);
	}
	return st->far.key != NULL && tg_key_timeout_ms(st->far.key, now) >= 0;
}

static bool tick_stream(struct tg_ses_stream *st, uint64_t now)
{
	bool more = tick_far(st, now);
	struct tg_ses_fork *f = st->fork;

	while(f != NULL) {
		tg_ses_fork_swap(st, f);
		more = tick_far(st, now) || more;
		if(st->fork == NULL)
			return more; /* the whole stream was closed */
		tg_ses_fork_swap(st, f);
		f = f->next;
	}
	return more;
}

static bool tick_call(void *ctx, struct tg_ses_call *c)
{
	uint64_t now = *(uint64_t *)ctx;

	for(struct tg_ses_leg *leg = c->leg; leg != NULL; leg = leg->next) {
		for(struct tg_ses_stream *st = leg->stream; st != NULL; st = st->next) {
			pthread_mutex_lock(&st->lock);
			if(tick_stream(st, now))
				tg_ses_timers_on();
			pthread_mutex_unlock(&st->lock);
		}
	}
	return true;
}

/* Until something is due; without a descriptor to be woken by, in steps */
static int pause_ms(const struct tg_sta_host *host, int wake, uint64_t written)
{
	uint64_t waited = tg_ses_now_ms() - written;

	if(wake < 0 || tg_ses_timers_are_on())
		return TICK_MS;
	if(host->metrics == NULL)
		return -1;
	return waited < METRICS_EVERY_MS ? (int)(METRICS_EVERY_MS - waited) : 0;
}

static void *run(void *arg)
{
	const struct tg_sta_host *host = arg;
	struct pollfd p[] = {{.fd = host->fd, .events = POLLIN},
			{.fd = tg_ses_timers_open(), .events = POLLIN}};
	uint64_t written = 0;

	for(;;) {
		uint64_t now = tg_ses_now_ms();
		int client;

		if(host->metrics != NULL
				&& (written == 0 || now - written >= METRICS_EVERY_MS)) {
			write_file(host);
			written = now;
		}
		if(tg_ses_timers_off())
			tg_ses_calls_each(tick_call, &now);
		if(poll(p, 2, pause_ms(host, p[1].fd, written)) < 1
				|| !(p[0].revents & POLLIN))
			continue;
		client = accept(host->fd, NULL, NULL);
		if(client >= 0) {
			serve(client, host);
			close(client);
		}
	}
	return NULL;
}

bool tg_sta_start(const struct tg_sta_host *host)
{
	sigset_t all, before;
	pthread_t thread;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&thread, NULL, run, (void *)(uintptr_t)host) == 0;
	if(ok) {
		pthread_setname_np(thread, "trunkguard");
		pthread_detach(thread);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}
