/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where we hang on an unchanged tls.so.
 *
 *   A  OpenSSL tells us about each SSL_CTX that is made in the process (the
 *      application data of a context has a constructor); the callbacks that
 *      are set then stay through what tls.so does with the context later. Its
 *      info callback is put in front of tls.so's own when a connection opens.
 *   B  Kamailio's TLS hooks are wrapped. While the original runs, the current
 *      connection is known, and only then do the callbacks of A act: contexts
 *      of other users of OpenSSL have them, too.
 *
 * OpenSSL's memory is shared between the processes of Kamailio (tls.so sees to
 * that), so the list of contexts is shared, and so is its lock.
 */
#include <openssl/ssl.h>
#include <time.h>
#include <unistd.h>

#include "core/dprint.h"
#include "core/globals.h"
#include "core/locking.h"
#include "core/mem/shm.h"
#include "core/tls_hooks.h"

#include "tls_policy/tlsp.h"

#define BATCH_GAP_SEC 2
#define ENCODE_TRIES 3

typedef void (*info_fn)(const SSL *ssl, int where, int ret);

struct context {
	struct context *next;
	struct context *prev;
	SSL_CTX *ctx;
	unsigned batch; /* see tlsp_contexts_each */
	info_fn before; /* tls.so's, or NULL */
};

struct contexts {
	gen_lock_t lock;
	struct context *first;
	unsigned made;  /* how many, ever */
	unsigned batch; /* of the last one, with when and where it was made */
	time_t batch_time;
	pid_t batch_pid;
};

static struct contexts *contexts;
static int context_index = -1;
static struct tls_hooks original;
/* In the module's static block: looked up per record otherwise */
static _Thread_local struct tcp_connection *current
		__attribute__((tls_model("initial-exec")));

struct tcp_connection *tlsp_current(void)
{
	return current;
}

/* ---- A: contexts --------------------------------------------------------------- */

static void on_info(const SSL *const_ssl, int where, int ret)
{
	SSL *ssl = (SSL *)const_ssl;
	struct context *mine =
			SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);

	if(mine && mine->before)
		mine->before(ssl, where, ret);
	if(!current)
		return;
	if(where & SSL_CB_HANDSHAKE_START)
		tlsp_on_handshake_start(ssl);
	if(where & SSL_CB_HANDSHAKE_DONE)
		tlsp_on_handshake_done(ssl);
	if((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
		tlsp_on_alert_written(ssl, ret);
}

/*
 * A load makes its contexts one after the other in one process. Two loads that
 * follow at once are taken for one: then what the first brought counts, too.
 */
static unsigned next_batch(void)
{
	time_t now = time(NULL);

	if(contexts->batch_pid != getpid()
			|| now - contexts->batch_time > BATCH_GAP_SEC)
		contexts->batch++;
	contexts->batch_pid = getpid();
	contexts->batch_time = now;
	__atomic_add_fetch(&contexts->made, 1, __ATOMIC_RELAXED);
	return contexts->batch;
}

static void on_context_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad,
		int index, long argl, void *argp)
{
	struct context *mine = shm_malloc(sizeof(*mine));

	(void)ptr;
	(void)argl;
	(void)argp;
	/* these alone refuse every handshake that has no record to go with */
	SSL_CTX_set_cert_verify_callback(parent, tlsp_on_verify, NULL);
	SSL_CTX_set_client_hello_cb(parent, tlsp_on_client_hello, NULL);
	SSL_CTX_set_tlsext_status_cb(parent, tlsp_on_status);
	SSL_CTX_set_cert_cb(parent, tlsp_on_certificate_needed, NULL);
	if(!mine) {
		SHM_MEM_ERROR;
		return;
	}
	*mine = (struct context){.ctx = parent};
	CRYPTO_set_ex_data(ad, index, mine);
	lock_get(&contexts->lock);
	mine->batch = next_batch();
	mine->next = contexts->first;
	if(mine->next)
		mine->next->prev = mine;
	contexts->first = mine;
	lock_release(&contexts->lock);
}

static void on_context_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad,
		int index, long argl, void *argp)
{
	struct context *mine = ptr;

	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	if(!mine)
		return;
	lock_get(&contexts->lock);
	if(mine->next)
		mine->next->prev = mine->prev;
	if(mine->prev)
		mine->prev->next = mine->next;
	else
		contexts->first = mine->next;
	lock_release(&contexts->lock);
	shm_free(mine);
}

void tlsp_contexts_each(tlsp_context_fn fn, void *arg)
{
	lock_get(&contexts->lock);
	for(struct context *c = contexts->first; c; c = c->next)
		fn(arg, c->ctx, c->batch);
	lock_release(&contexts->lock);
}

unsigned tlsp_contexts_made(void)
{
	return __atomic_load_n(&contexts->made, __ATOMIC_RELAXED);
}

/* tls.so sets its info callback after on_context_new, so this comes later */
static void take_info_callbacks(void)
{
	struct context *c;

	lock_get(&contexts->lock);
	for(c = contexts->first; c; c = c->next) {
		info_fn now = SSL_CTX_get_info_callback(c->ctx);

		if(now == on_info)
			continue;
		c->before = now;
		SSL_CTX_set_info_callback(c->ctx, on_info);
	}
	lock_release(&contexts->lock);
}

/*
 * tls.so puts new contexts into force when tls.reload has made them, which may
 * be after our look at the list and before it takes one: such an SSL does not
 * call us. Asked by the first callback of a context, which needs no look.
 */
void tlsp_hook_watch(SSL *ssl)
{
	if(SSL_get_info_callback(ssl) == on_info)
		return;
	take_info_callbacks();
	SSL_set_info_callback(ssl, on_info);
}

/* ---- B: reading ------------------------------------------------------------------ */

static int refuse_read(struct tcp_connection *c, char *pos)
{
	/* what was decrypted is forgotten before anything can parse it */
	c->req.pos = pos;
	c->req.error = TCP_READ_ERROR;
	return -1;
}

/* An outbound handshake ended without success */
static void give_up(const struct tlsp_facts *f)
{
	tlsp_failed_note(&f->remote, f->remote_port);
	tlsp_waiting_fail(tlsp_conn_take_waiting(f->id));
}

static bool still_allowed(int id)
{
	const struct tlsp_snap *snap = tlsp_snap_ref();
	struct tlsp_facts f;
	bool allowed = tlsp_conn_current(snap, id, &f) && f.judged && f.allowed
				   && f.established;

	tlsp_snap_unref(snap);
	return allowed;
}

static int after_read(
		struct tcp_connection *c, rd_conn_flags_t *flags, int n, char *pos)
{
	struct tlsp_facts f;
	bool open = false; /* in its handshake, and nothing decrypted yet */

	if(tlsp_warm_holds(c->id))
		return n;
	switch(tlsp_conn_state(c->id, tlsp_snap_generation(), time(NULL))) {
		case TLSP_CONN_GOOD:
			return n;
		case TLSP_CONN_STALE:
			return still_allowed(c->id) ? n : refuse_read(c, pos);
		case TLSP_CONN_OPEN:
			open = n >= 0 && c->req.pos == pos;
			break;
		case TLSP_CONN_DENIED:
		case TLSP_CONN_UNKNOWN:
		default:
			break;
	}
	if((!open || *flags & RD_CONN_EOF) && tlsp_conn_get(c->id, &f)
			&& f.direction == TG_POL_OUT && !f.established)
		give_up(&f);
	return open ? n : refuse_read(c, pos);
}

static int on_read(struct tcp_connection *c, rd_conn_flags_t *flags)
{
	struct tcp_connection *before = current;
	char *pos = c->req.pos;
	int n;

	if(!c->extra_data)
		take_info_callbacks();
	current = c;
	tlsp_gate_out_at_rest();
	tlsp_warm_expect(c->id);
	n = original.read(c, flags);
	current = before;
	return after_read(c, flags, n, pos);
}

/* ---- B: writing -------------------------------------------------------------------- */

/* What Kamailio hands to encode and gets back from it */
struct output {
	const char **buf;
	unsigned int *octets;
	const char **rest;
	unsigned int *rest_octets;
	snd_flags_t *flags;
};

static int encode(struct tcp_connection *c, const struct output *o)
{
	struct tcp_connection *before = current;
	int n;

	current = c;
	n = original.encode(
			c, o->buf, o->octets, o->rest, o->rest_octets, o->flags);
	current = before;
	return n;
}

/* Its SSL is one that does not call us: see tlsp_hook_watch */
static bool is_unwatched(struct tcp_connection *c, struct tlsp_facts *f)
{
	return c->extra_data && tlsp_conn_get(c->id, f)
		   && f->direction == TG_POL_OUT && !f->prepared && !f->judged;
}

/* The first octets of a connection. None has left: begin again if need be */
static int encode_first(struct tcp_connection *c, const struct output *o)
{
	const struct output was = *o;
	const char *buf = *o->buf;
	unsigned int octets = *o->octets;
	snd_flags_t flags = *o->flags;
	const struct tlsp_snap *snap;
	struct tlsp_facts f;
	int n = encode(c, o);

	for(int tries = 0; is_unwatched(c, &f); tries++) {
		original.tcpconn_clean(c);
		if(tries == ENCODE_TRIES)
			return -1;
		*was.buf = buf;
		*was.octets = octets;
		*was.rest = NULL;
		*was.rest_octets = 0;
		*was.flags = flags;
		take_info_callbacks();
		snap = tlsp_snap_ref();
		tlsp_tls_cfg_choose(tlsp_facts_wanted(snap, &f));
		tlsp_snap_unref(snap);
		n = encode(c, o);
	}
	return n;
}

static int encode_judged(struct tcp_connection *c, const struct output *o)
{
	struct tg_span octets = tg_span_of(*o->buf, *o->octets);
	bool first = !c->extra_data;
	struct tlsp_facts f;
	int n;

	if(first)
		take_info_callbacks();
	if(!tlsp_gate_out_encode(c))
		return -1;
	n = first ? encode_first(c, o) : encode(c, o);
	if(tlsp_conn_state(c->id, tlsp_snap_generation(), 0) == TLSP_CONN_GOOD
			|| !tlsp_conn_get(c->id, &f) || f.direction != TG_POL_OUT
			|| f.established)
		return n;
	if(n < 0 || (f.judged && !f.allowed))
		give_up(&f);
	else
		tlsp_waiting_add(c, octets);
	return n;
}

static int on_encode(struct tcp_connection *c, const char **pbuf,
		unsigned int *plen, const char **rest_buf, unsigned int *rest_len,
		snd_flags_t *send_flags)
{
	const struct output o = {pbuf, plen, rest_buf, rest_len, send_flags};

	*rest_buf = NULL;
	*rest_len = 0;
	return c->extra_data && tlsp_gate_out_cleared(c) ? encode(c, &o)
													 : encode_judged(c, &o);
}

/* ---- B: the two ends of a connection -------------------------------------------------- */

static int on_open(struct tcp_connection *c, int sock)
{
	const struct tlsp_snap *snap;
	struct tlsp_facts f;
	int n = original.on_tcpconn_init(c, sock);

	/* an outbound one is judged at the first encode */
	if(n < 0 || c->state != S_CONN_ACCEPT)
		return n;
	tlsp_facts_of_tcp(c, &f);
	f.direction = TG_POL_IN; /* its flag is set after this */
	snap = tlsp_snap_ref();
	if(!tlsp_limits_accept(snap, &f))
		n = -1;
	tlsp_snap_unref(snap);
	if(n >= 0 && !tlsp_conn_add(&f)) {
		tlsp_limits_settle(&f, false);
		n = -1;
	}
	return n;
}

static void on_clean(struct tcp_connection *c)
{
	struct tlsp_facts was;
	struct tlsp_waiting *list = tlsp_conn_drop(c->id, &was);

	if(was.pending)
		tlsp_limits_settle(&was, false);
	if(was.direction == TG_POL_OUT && !was.established)
		tlsp_waiting_fail(list);
	else
		tlsp_waiting_free(list);
	original.tcpconn_clean(c);
}

/* ---- start ----------------------------------------------------------------------------- */

int tlsp_hook_init(void)
{
	struct tls_hooks ours;

	contexts = shm_malloc(sizeof(*contexts));
	if(!contexts) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(contexts, 0, sizeof(*contexts));
	if(!lock_init(&contexts->lock)) {
		LM_ERR("cannot make a lock\n");
		return -1;
	}
	context_index = SSL_CTX_get_ex_new_index(
			0, NULL, on_context_new, NULL, on_context_free);
	if(context_index < 0) {
		LM_ERR("OpenSSL gives no index for contexts\n");
		return -1;
	}
	original = tls_hook;
	ours = tls_hook;
	ours.read = on_read;
	ours.encode = on_encode;
	ours.on_tcpconn_init = on_open;
	ours.tcpconn_clean = on_clean;
	if(register_tls_hooks(&ours) < 0) {
		LM_ERR("Kamailio takes no TLS hooks: set enable_tls=yes\n");
		return -1;
	}
	return 0;
}
