/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fetches the status of certificates (RFC 6960), in a process of its own, "TLS
 * POLICY OCSP": none that handles SIP waits for a responder or its name.
 *
 *   due (status.c) -> name -> address that may be asked -> connect -> HTTP
 *                  -> read and checked by x509/ -> what is known changes
 *
 * A flight never blocks, so one responder that is dead or slow delays nobody
 * else's; it ends after ocsp_timeout, whatever it waits for. The responder's
 * name is looked up here, once, and that address is the one connected to; one
 * that is not public has to be listed (responder_allow). HTTP is OpenSSL's,
 * which follows no redirect of a POST; it does not bound header lines, so all
 * that is read is counted. No proxy, no https: a response proves itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/httperr.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/sr_module.h"

#include "base/url.h"
#include "tls_policy/bell.h"
#include "tls_policy/tlsp.h"

#define TICK_MS 10 /* while a flight is under way */
#define FLIGHTS_MAX 64
#define FLIGHTS_OF_TRUST 32 /* so that no trust takes all of them */
#define ADDRESSES_MAX 8
#define HEADER_OCTETS 8192 /* of a response, all lines together */
#define LOOK_MS 1000
#define TOUCH_MS 60000

/* Outlives its flight when the resolver does */
struct lookup {
	struct lookup *next;
	struct gaicb request;
	struct addrinfo hints;
	char host[256];
	char port[8];
};

struct flight {
	bool used;
	struct tlsp_errand errand;
	struct tg_x509_inquiry *inquiry;
	struct tg_pol_ocsp how; /* numbers; what it points to is the policy's */
	char url[TG_URL_OCTETS_MAX + 1];
	struct tg_url at;
	uint64_t deadline_ms;
	struct lookup *lookup; /* while the name is looked up */
	struct sockaddr_storage address[ADDRESSES_MAX];
	unsigned n_addresses, next_address;
	int fd; /* -1: none */
	bool connected;
	BIO *bio;
	OSSL_HTTP_REQ_CTX *http;
};

/* Of the process that fetches */
static struct flight flights[FLIGHTS_MAX];
static int bell;
static struct lookup *left; /* lookups that nobody waits for any more */

/* ---- the end of a flight ------------------------------------------------------ */

static void reap_lookups(void)
{
	struct lookup **at = &left, *l;

	while((l = *at)) {
		if(gai_error(&l->request) == EAI_INPROGRESS) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		if(l->request.ar_result)
			freeaddrinfo(l->request.ar_result);
		free(l);
	}
}

static void hang_up(struct flight *f)
{
	OSSL_HTTP_REQ_CTX_free(f->http);
	f->http = NULL;
	BIO_free(f->bio);
	f->bio = NULL;
	if(f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->connected = false;
}

static void log_outcome(
		const struct flight *f, const struct tg_x509_status *said, bool changed)
{
	const unsigned char *at = (const unsigned char *)f->errand.leaf.ptr;
	X509 *leaf = d2i_X509(NULL, &at, (long)f->errand.leaf.len);
	char who[256] = "a certificate";

	if(leaf)
		tg_x509_describe(leaf, who, sizeof(who));
	X509_free(leaf);
	if(said->state == TG_X509_STATE_UNKNOWN)
		LM_WARN("OCSP: no status of %s, trust %.*s, responder %s: %s\n", who,
				TG_SPAN_FMT(f->errand.trust), f->url[0] ? f->url : "-",
				said->detail);
	else if(changed && said->state == TG_X509_STATE_REVOKED)
		LM_WARN("OCSP: %s, trust %.*s: %s\n", who, TG_SPAN_FMT(f->errand.trust),
				said->detail);
	else if(changed)
		LM_NOTICE("OCSP: %s, trust %.*s: good\n", who,
				TG_SPAN_FMT(f->errand.trust));
}

static void land(struct flight *f, const struct tg_x509_status *said,
		struct tg_span response)
{
	bool changed =
			tlsp_status_done(&f->errand, said, response, f->how.refresh_sec);

	tlsp_stats_count_ocsp(said->state == TG_X509_STATE_UNKNOWN
								  ? TLSP_OCSP_FAILED
								  : TLSP_OCSP_TAKEN);
	log_outcome(f, said, changed);
	if(changed)
		tlsp_sweep_status(f->errand.place + 1);
	hang_up(f);
	if(f->lookup) {
		gai_cancel(&f->lookup->request);
		f->lookup->next = left;
		left = f->lookup;
		f->lookup = NULL;
	}
	tg_x509_inquiry_free(f->inquiry);
	f->inquiry = NULL;
	free(f->errand.block);
	f->used = false;
}

static void give_up(struct flight *f, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));

static void give_up(struct flight *f, const char *fmt, ...)
{
	struct tg_x509_status said = {.state = TG_X509_STATE_UNKNOWN};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said.detail, sizeof(said.detail), fmt, ap);
	va_end(ap);
	land(f, &said, tg_span_of(NULL, 0));
}

/* ---- HTTP ------------------------------------------------------------------------ */

/* OpenSSL reads on while there is something to read: here is the end of it */
static long count_read(BIO *bio, int oper, const char *argp, size_t len,
		int argi, long argl, int ret, size_t *processed)
{
	const struct flight *f = (const void *)BIO_get_callback_arg(bio);

	(void)argp;
	(void)len;
	(void)argi;
	(void)argl;
	(void)processed;
	if(oper == BIO_CB_READ
			&& BIO_number_read(bio) > f->how.max_octets + HEADER_OCTETS)
		return 0;
	return ret;
}

static bool begin_http(struct flight *f)
{
	char path[TG_URL_OCTETS_MAX + 2], host[TG_URL_OCTETS_MAX + 1];

	snprintf(path, sizeof(path), "%.*s",
			f->at.path.len ? (int)f->at.path.len : 1,
			f->at.path.len ? f->at.path.ptr : "/");
	snprintf(host, sizeof(host), "%.*s", TG_SPAN_FMT(f->at.host_as_written));
	f->bio = BIO_new_socket(f->fd, BIO_NOCLOSE);
	if(!f->bio)
		return false;
	BIO_set_callback_arg(f->bio, (char *)f);
	BIO_set_callback_ex(f->bio, count_read);
	f->http = OSSL_HTTP_REQ_CTX_new(f->bio, f->bio, 0);
	if(!f->http)
		return false;
	OSSL_HTTP_REQ_CTX_set_max_response_length(f->http, f->how.max_octets);
	return OSSL_HTTP_REQ_CTX_set_request_line(f->http, 1, NULL, NULL, path) == 1
		   && OSSL_HTTP_REQ_CTX_add1_header(f->http, "Host", host) == 1
		   && OSSL_HTTP_REQ_CTX_set_expected(
					  f->http, "application/ocsp-response", 1, 0, 0)
					  == 1
		   && OSSL_HTTP_REQ_CTX_set1_req(f->http, "application/ocsp-request",
					  ASN1_ITEM_rptr(OCSP_REQUEST),
					  (const ASN1_VALUE *)tg_x509_inquiry_request(f->inquiry))
					  == 1;
}

static void read_response(struct flight *f)
{
	BIO *mem = OSSL_HTTP_REQ_CTX_get0_mem_bio(f->http);
	size_t octets = OSSL_HTTP_REQ_CTX_get_resp_len(f->http);
	struct tg_x509_status said;
	struct tg_span response;
	char *der = NULL;
	long n = mem ? BIO_get_mem_data(mem, &der) : 0;

	if(n < 0 || octets > (size_t)n)
		octets = 0;
	response = tg_span_of(der, octets);
	tg_x509_inquiry_read(f->inquiry, response, (enum tg_x509_nonce)f->how.nonce,
			time(NULL), f->errand.allow_sha1, &said);
	land(f, &said, response);
}

/* Of OpenSSL's own bounds */
static bool is_excess(unsigned long error)
{
	if(ERR_GET_LIB(error) != ERR_LIB_HTTP)
		return false;
#ifdef HTTP_R_RESPONSE_TOO_MANY_HDRLINES /* since 3.3 */
	if(ERR_GET_REASON(error) == HTTP_R_RESPONSE_TOO_MANY_HDRLINES)
		return true;
#endif
	return ERR_GET_REASON(error) == HTTP_R_MAX_RESP_LEN_EXCEEDED;
}

static void refuse_http(struct flight *f)
{
	unsigned long error = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(error);

	if(BIO_number_read(f->bio) > f->how.max_octets + HEADER_OCTETS
			|| is_excess(error))
		give_up(f, "the response of the responder is too large");
	else
		give_up(f, "the responder answers with no OCSP response: %s",
				why ? why : "the connection is closed");
}

static void talk(struct flight *f)
{
	int result;

	ERR_clear_error();
	if(!f->http && !begin_http(f)) {
		give_up(f, "out of memory");
		return;
	}
	result = OSSL_HTTP_REQ_CTX_nbio(f->http);
	if(result == 1)
		read_response(f);
	else if(result == 0)
		refuse_http(f);
	ERR_clear_error();
}

/* ---- connecting -------------------------------------------------------------------- */

static bool start_connect(struct flight *f, const struct sockaddr_storage *to)
{
	socklen_t octets = to->ss_family == AF_INET ? sizeof(struct sockaddr_in)
												: sizeof(struct sockaddr_in6);

	f->fd = socket(
			to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return f->fd >= 0
		   && (connect(f->fd, (const struct sockaddr *)to, octets) == 0
				   || errno == EINPROGRESS);
}

/* The next address, or none is left and error is why the last one failed */
static void try_next(struct flight *f, int error)
{
	while(f->next_address < f->n_addresses) {
		hang_up(f);
		if(start_connect(f, &f->address[f->next_address++]))
			return;
		error = errno;
	}
	give_up(f, "the responder is not reached: %s", strerror(error));
}

static void await_connect(struct flight *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLOUT};
	socklen_t octets = sizeof(int);
	int error = 0;

	if(poll(&p, 1, 0) != 1)
		return;
	if(getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &octets) != 0)
		error = errno;
	f->connected = error == 0;
	if(!f->connected)
		try_next(f, error);
}

/* ---- where the responder is ------------------------------------------------------------ */

static const struct tg_pol_trust *trust_of(
		const struct tlsp_snap *snap, struct tg_span name)
{
	for(size_t i = 0; i < tg_pol_trust_count(snap->policy); i++) {
		const struct tg_pol_trust *t = tg_pol_trust_at(snap->policy, i);

		if(tg_span_eq(t->name, name))
			return t->ocsp_fetch ? t : NULL;
	}
	return NULL;
}

static bool may_ask(
		const struct tg_pol_trust *trust, const struct tg_addr *addr)
{
	if(tg_addr_is_public(addr))
		return true;
	for(uint32_t i = 0; trust && i < trust->ocsp.allow.n; i++) {
		if(tg_cidr_contains(&trust->ocsp.allow.item[i], addr))
			return true;
	}
	return false;
}

/* Keeps what may be asked; the first that may not is named where none may */
static void take_addresses(struct flight *f, const struct addrinfo *list)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	const struct tg_pol_trust *trust = trust_of(snap, f->errand.trust);
	char text[TG_ADDR_TEXT_OCTETS] = "";

	for(; list && f->n_addresses < ADDRESSES_MAX; list = list->ai_next) {
		struct tg_addr addr;

		if(list->ai_addrlen > sizeof(f->address[0])
				|| !tg_addr_from_sockaddr(list->ai_addr, &addr, NULL))
			continue;
		if(may_ask(trust, &addr))
			memcpy(&f->address[f->n_addresses++], list->ai_addr,
					list->ai_addrlen);
		else if(!text[0])
			tg_addr_format(&addr, text);
	}
	tlsp_snap_unref(snap);
	if(f->n_addresses)
		try_next(f, 0);
	else if(text[0])
		give_up(f,
				"the responder is at %s, which is neither public nor in "
				"responder_allow",
				text);
	else
		give_up(f, "the responder's name has no address");
}

static void await_name(struct flight *f)
{
	struct lookup *l = f->lookup;
	int result = gai_error(&l->request);

	if(result == EAI_INPROGRESS)
		return;
	f->lookup = NULL;
	if(result == 0)
		take_addresses(f, l->request.ar_result);
	else
		give_up(f, "the responder's name is not known: %s",
				gai_strerror(result));
	if(l->request.ar_result)
		freeaddrinfo(l->request.ar_result);
	free(l);
}

/* An address as it stands needs nobody */
static void take_literal(struct flight *f)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
			.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
	struct addrinfo *list = NULL;
	char host[TG_ADDR_TEXT_OCTETS], port[8];

	snprintf(host, sizeof(host), "%.*s", TG_SPAN_FMT(f->at.host));
	snprintf(port, sizeof(port), "%u", f->at.port);
	if(getaddrinfo(host, port, &hints, &list) != 0)
		list = NULL;
	take_addresses(f, list);
	if(list)
		freeaddrinfo(list);
}

static bool start_lookup(struct flight *f)
{
	struct lookup *l = calloc(1, sizeof(*l));
	struct gaicb *list[1];

	if(!l || f->at.host.len >= sizeof(l->host)) {
		free(l);
		return false;
	}
	memcpy(l->host, f->at.host.ptr, f->at.host.len);
	snprintf(l->port, sizeof(l->port), "%u", f->at.port);
	l->hints.ai_socktype = SOCK_STREAM;
	l->hints.ai_flags = AI_NUMERICSERV;
	l->request.ar_name = l->host;
	l->request.ar_service = l->port;
	l->request.ar_request = &l->hints;
	list[0] = &l->request;
	if(getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
		free(l);
		return false;
	}
	f->lookup = l;
	return true;
}

/* ---- the flight ------------------------------------------------------------------------------ */

static bool find_responder(
		struct flight *f, const struct tg_pol_trust *trust, const char **why)
{
	*why = "the certificate names no responder";
	if(trust->ocsp.responder.len)
		snprintf(f->url, sizeof(f->url), "%.*s",
				TG_SPAN_FMT(trust->ocsp.responder));
	else if(!trust->ocsp.from_certificate
			|| !tg_x509_responder_of(f->inquiry, f->url, sizeof(f->url)))
		return false;
	return tg_url_split(tg_span_cstr(f->url), &f->at, why);
}

static void take_off(struct flight *f)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	const struct tg_pol_trust *trust = trust_of(snap, f->errand.trust);
	const char *why = "no trust asks for it any more";
	struct tg_addr literal;
	bool ready = false;

	f->url[0] = 0;
	if(trust) {
		f->how = trust->ocsp;
		f->inquiry = tg_x509_inquiry_new(f->errand.leaf, f->errand.issuer,
				trust->ocsp.nonce != TG_POL_NONCE_OFF);
		why = "out of memory";
		ready = f->inquiry && find_responder(f, trust, &why);
	}
	f->deadline_ms = tlsp_now_ms() + f->how.timeout_ms;
	tlsp_snap_unref(snap);
	if(!ready)
		give_up(f, "%s", why);
	else if(tg_addr_parse(f->at.host, &literal))
		take_literal(f);
	else if(!start_lookup(f))
		give_up(f, "the responder's name cannot be looked up");
}

static void step(struct flight *f)
{
	if(tlsp_now_ms() > f->deadline_ms)
		give_up(f, "the responder does not answer within %u ms: %s",
				f->how.timeout_ms,
				f->lookup       ? "its name is not known yet"
				: !f->connected ? "it takes no connection"
								: "its response is not complete");
	else if(f->lookup)
		await_name(f);
	else if(!f->connected)
		await_connect(f);
	else
		talk(f);
}

static unsigned flights_of(struct tg_span trust)
{
	unsigned n = 0;

	for(unsigned i = 0; i < FLIGHTS_MAX; i++)
		n += flights[i].used && tg_span_eq(flights[i].errand.trust, trust);
	return n;
}

static struct flight *free_flight(void)
{
	for(unsigned i = 0; i < FLIGHTS_MAX; i++) {
		if(!flights[i].used)
			return &flights[i];
	}
	return NULL;
}

static void take_errands(bool look)
{
	struct flight *f;

	while((f = free_flight())) {
		memset(f, 0, sizeof(*f));
		f->fd = -1;
		if(!tlsp_status_next(look, &f->errand))
			return;
		f->used = true;
		if(flights_of(f->errand.trust) <= FLIGHTS_OF_TRUST) {
			take_off(f);
			continue;
		}
		tlsp_status_later(&f->errand);
		free(f->errand.block);
		f->used = false;
	}
}

/* ---- the process ---------------------------------------------------------------------------------- */

static bool touch(void *ctx, const struct tlsp_facts *facts)
{
	(void)ctx;
	tlsp_status_touch(&facts->status);
	return true;
}

static bool look_around(void)
{
	static uint64_t look_ms, touch_ms;
	uint64_t now = tlsp_now_ms();
	bool look = now >= look_ms;

	if(look)
		look_ms = now + LOOK_MS;
	if(now >= touch_ms) {
		touch_ms = now + TOUCH_MS;
		tlsp_conn_each(touch, NULL);
	}
	return look;
}

static int work(void)
{
	bool under_way = false;

	take_errands(look_around());
	for(unsigned i = 0; i < FLIGHTS_MAX; i++) {
		if(flights[i].used)
			step(&flights[i]);
		under_way = under_way || flights[i].used;
	}
	reap_lookups();
	return under_way || left ? TICK_MS : LOOK_MS;
}

void tlsp_fetch_wake(void)
{
	tlsp_bell_ring(bell);
}

int tlsp_fetch_init(void)
{
	bell = tlsp_bell_new();
	return bell < 0 ? -1 : tlsp_status_init();
}

int tlsp_fetch_fork(void)
{
	return tlsp_bell_fork(bell, "TLS POLICY OCSP", work);
}
