/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our own certificates, as tls.so holds them: what a peer will find wrong with
 * them is said here first. End of validity, names (RFC 5922 section 7.1),
 * extended key usage (RFC 5280 section 4.2.1.12), and whether each certificate
 * that goes along did issue the one before it (RFC 8446 section 4.4.2).
 *
 * Looked at when tls.so has loaded certificates, and hourly. Nothing is
 * refused for it: a peer does that. Which context serves a listener and which
 * calls next hops cannot be asked of OpenSSL, so a purpose is missed only when
 * no certificate of ours has it.
 */
#include <stdio.h>
#include <time.h>

#include "core/dprint.h"
#include "core/mem/shm.h"

#include "tls_policy/tlsp.h"
#include "x509/openssl_compat.h"
#include "x509/x509.h"

#define OWN_MAX 64
#define DAY_SEC 86400
#define WARN_DAYS 30
#define ALARM_DAYS 7
#define REST_SEC 2    /* since the last context was made */
#define LOOK_SEC 3600 /* between looks */

struct own {
	X509 *cert;
	STACK_OF(X509) *chain; /* what is sent behind it; may be NULL */
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned batch; /* the newest that has it */
	time_t not_after;
	uint32_t usage; /* XKU_*; UINT32_MAX: it names none */
	bool names_read;
	struct tg_x509_names names;
};

struct own_list {
	struct own item[OWN_MAX];
	size_t n;
	bool more; /* than OWN_MAX */
};

/* End of validity of the first that ends; 0: there is no certificate */
static int64_t *first_end;

/* ---- which there are ------------------------------------------------------- */

static void own_deinit(struct own *o)
{
	X509_free(o->cert);
	sk_X509_pop_free(o->chain, X509_free);
	memset(o, 0, sizeof(*o));
}

static void list_free(struct own_list *list)
{
	if(!list)
		return;
	for(size_t i = 0; i < list->n; i++)
		own_deinit(&list->item[i]);
	free(list);
}

/* Copies: another process may free what it is taken from, once unlocked */
static bool take_copy(struct own *o, SSL_CTX *ctx, X509 *cert)
{
	STACK_OF(X509) *chain = NULL;

	SSL_CTX_get0_chain_certs(ctx, &chain);
	o->cert = X509_dup(cert);
	if(chain)
		o->chain = sk_X509_deep_copy(
				chain, (X509 * (*)(const X509 *)) X509_dup, X509_free);
	if(o->cert && (!chain || o->chain))
		return true;
	own_deinit(o);
	return false;
}

/* Every process has a context of its own for each section of tls.cfg */
static void on_context(void *arg, SSL_CTX *ctx, unsigned batch)
{
	struct own_list *list = arg;
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	struct own *o;

	/* tls.so loads the key last: without one it is not done with this */
	if(!cert || !SSL_CTX_get0_privatekey(ctx)
			|| X509_digest(cert, EVP_sha256(), digest, NULL) != 1)
		return;
	for(size_t i = 0; i < list->n; i++) {
		o = &list->item[i];
		if(memcmp(o->digest, digest, sizeof(digest)) != 0)
			continue;
		if(batch > o->batch)
			o->batch = batch;
		return;
	}
	list->more |= list->n == OWN_MAX;
	if(list->more || !take_copy(&list->item[list->n], ctx, cert))
		return;
	o = &list->item[list->n++];
	memcpy(o->digest, digest, sizeof(digest));
	o->batch = batch;
}

static time_t end_of(const X509 *cert)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? timegm(&tm)
															   : 0;
}

static void read_one(struct own *o)
{
	o->not_after = end_of(o->cert);
	for(int i = 0; i < sk_X509_num(o->chain); i++) {
		time_t end = end_of(sk_X509_value(o->chain, i));

		if(end < o->not_after)
			o->not_after = end;
	}
	o->usage = X509_get_extended_key_usage(o->cert);
	o->names_read = tg_x509_names(o->cert, TG_X509_NAMES_MAX, &o->names);
}

static bool same_names(const struct own *a, const struct own *b)
{
	if(a->names.n == 0 || a->names.n != b->names.n)
		return false;
	for(size_t i = 0; i < a->names.n; i++) {
		if(strcmp(a->names.item[i].text, b->names.item[i].text) != 0)
			return false;
	}
	return EVP_PKEY_get_base_id(X509_get0_pubkey(a->cert))
		   == EVP_PKEY_get_base_id(X509_get0_pubkey(b->cert));
}

/*
 * After tls.reload tls.so keeps what connections still use. A certificate
 * that was loaded later, for the same names and with the same kind of key,
 * has taken the place of the old one.
 */
static bool is_replaced(const struct own_list *list, const struct own *o)
{
	for(size_t i = 0; i < list->n; i++) {
		const struct own *other = &list->item[i];

		if(other->batch > o->batch && same_names(other, o))
			return true;
	}
	return false;
}

static void drop_replaced(struct own_list *list)
{
	bool drop[OWN_MAX] = {false};
	size_t kept = 0;

	for(size_t i = 0; i < list->n; i++)
		drop[i] = is_replaced(list, &list->item[i]);
	for(size_t i = 0; i < list->n; i++) {
		if(drop[i])
			own_deinit(&list->item[i]);
		else if(kept++ != i)
			list->item[kept - 1] = list->item[i];
	}
	list->n = kept;
}

/* NULL when memory is out */
static struct own_list *list_new(void)
{
	struct own_list *list = calloc(1, sizeof(*list));

	if(!list)
		return NULL;
	ERR_set_mark();
	tlsp_contexts_each(on_context, list);
	for(size_t i = 0; i < list->n; i++)
		read_one(&list->item[i]);
	ERR_pop_to_mark();
	drop_replaced(list);
	return list;
}

/* ---- what is wrong with them ------------------------------------------------- */

static void put(struct tlsp_own *out, const char *text)
{
	size_t at = strlen(out->warnings);

	snprintf(out->warnings + at, sizeof(out->warnings) - at, "%s%s",
			at ? "; " : "", text);
	if(out->level < TLSP_OWN_WARN)
		out->level = TLSP_OWN_WARN;
}

/* Whole days, rounded down; 0 when it is over */
static int days_until(time_t end, time_t now)
{
	return end > now ? (int)((end - now) / DAY_SEC) : 0;
}

static void judge_validity(
		const struct own *o, time_t now, struct tlsp_own *out)
{
	const char *which = end_of(o->cert) == o->not_after
								? ""
								: "a certificate of its chain ";
	char text[128];

	if(o->not_after <= now)
		snprintf(text, sizeof(text), "%shas expired", which);
	else if(out->days >= WARN_DAYS)
		return;
	else
		snprintf(text, sizeof(text), "%sexpires in %d days", which, out->days);
	put(out, text);
	if(o->not_after <= now || out->days < ALARM_DAYS)
		out->level = TLSP_OWN_ALARM;
}

static void judge_names(const struct own *o, struct tlsp_own *out)
{
	if(!o->names_read)
		put(out, "its names cannot be read");
	else if(o->names.n == 0)
		put(out, "no name that SIP knows (a DNS name, or sip:domain)");
	else if(o->names.item[0].kind == TG_X509_NAME_CN)
		put(out, "no subjectAltName: peers that look at that alone refuse it");
}

static bool has(const struct own *o, uint32_t purpose)
{
	return o->usage == UINT32_MAX || o->usage & purpose;
}

static bool any_has(const struct own_list *list, uint32_t purpose)
{
	for(size_t i = 0; i < list->n; i++) {
		if(has(&list->item[i], purpose))
			return true;
	}
	return false;
}

/* The first peer that we connect to, or NULL */
static const struct tg_pol_peer *first_called(const struct tg_pol *p)
{
	for(size_t i = 0; i < tg_pol_peer_count(p); i++) {
		const struct tg_pol_peer *peer = tg_pol_peer_at(p, i);

		if(peer->next_hop.n && peer->trust)
			return peer;
	}
	return NULL;
}

static void judge_usage(const struct own_list *list, const struct own *o,
		const struct tg_pol *p, struct tlsp_own *out)
{
	const struct tg_pol_peer *called = first_called(p);
	char text[192];

	if(!has(o, XKU_SSL_CLIENT) && !has(o, XKU_SSL_SERVER)) {
		put(out, "extended key usage has neither serverAuth nor clientAuth");
		return;
	}
	if(!any_has(list, XKU_SSL_SERVER))
		put(out, "extended key usage lacks serverAuth: who connects may "
				 "refuse it");
	if(called && !any_has(list, XKU_SSL_CLIENT)) {
		snprintf(text, sizeof(text),
				"extended key usage lacks clientAuth: next hops, such as peer "
				"%.*s, may refuse it",
				TG_SPAN_FMT(called->name));
		put(out, text);
	}
}

static bool issued(X509 *issuer, X509 *subject)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return X509_check_issued(issuer, subject) == X509_V_OK && key
		   && X509_verify(subject, key) == 1;
}

static void judge_chain(const struct own *o, struct tlsp_own *out)
{
	X509 *below = o->cert;
	char text[96];

	for(int i = 0; i < sk_X509_num(o->chain); i++) {
		X509 *above = sk_X509_value(o->chain, i);

		if(!issued(above, below)) {
			snprintf(text, sizeof(text),
					"certificate %d of the file did not issue number %d", i + 2,
					i + 1);
			put(out, text);
			return;
		}
		below = above;
	}
}

/* ---- as text -------------------------------------------------------------------- */

static void describe_names(const struct own *o, struct tlsp_own *out)
{
	size_t at = 0;

	for(size_t i = 0; i < o->names.n && at < sizeof(out->names); i++)
		at += (size_t)snprintf(out->names + at, sizeof(out->names) - at, "%s%s",
				at ? " " : "", o->names.item[i].text);
}

static void describe_issuer(const struct own *o, struct tlsp_own *out)
{
	BIO *text = BIO_new(BIO_s_mem());
	int n = 0;

	if(text
			&& X509_NAME_print_ex(
					   text, X509_get_issuer_name(o->cert), 0, XN_FLAG_RFC2253)
					   >= 0)
		n = BIO_read(text, out->issuer, sizeof(out->issuer) - 1);
	out->issuer[n > 0 ? n : 0] = 0;
	BIO_free(text);
}

static void describe_serial(const struct own *o, struct tlsp_own *out)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(o->cert), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;

	snprintf(out->serial, sizeof(out->serial), "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(number);
}

static void describe(const struct own_list *list, const struct own *o,
		const struct tg_pol *p, time_t now, struct tlsp_own *out)
{
	struct tm tm;

	*out = (struct tlsp_own){.days = days_until(o->not_after, now)};
	if(gmtime_r(&o->not_after, &tm))
		strftime(out->not_after, sizeof(out->not_after), "%Y-%m-%dT%TZ", &tm);
	out->key = OBJ_nid2sn(EVP_PKEY_get_base_id(X509_get0_pubkey(o->cert)));
	describe_names(o, out);
	describe_issuer(o, out);
	describe_serial(o, out);
	judge_validity(o, now, out);
	judge_names(o, out);
	judge_usage(list, o, p, out);
	judge_chain(o, out);
}

void tlsp_own_each(tlsp_own_fn fn, void *arg)
{
	const struct tlsp_snap *snap;
	struct own_list *list = list_new();
	time_t now = time(NULL);
	struct tlsp_own out;

	if(!list)
		return;
	snap = tlsp_snap_ref();
	ERR_set_mark();
	for(size_t i = 0; i < list->n; i++) {
		describe(list, &list->item[i], snap->policy, now, &out);
		fn(arg, &out, list->item[i].not_after);
	}
	ERR_pop_to_mark();
	tlsp_snap_unref(snap);
	if(list->more)
		LM_WARN("more than %d certificates of our own: the rest is not looked "
				"at\n",
				OWN_MAX);
	list_free(list);
}

/* ---- again and again -------------------------------------------------------------- */

struct look {
	uint32_t hash; /* of what is wrong, and of the day */
	bool write;
	int64_t first;
};

static void report_one(const struct tlsp_own *o)
{
	if(o->level == TLSP_OWN_ALARM)
		LM_ERR("ALARM: our certificate %s (%s, serial %s, until %s): %s\n",
				o->names, o->key, o->serial, o->not_after, o->warnings);
	else if(o->level == TLSP_OWN_WARN)
		LM_WARN("our certificate %s (%s, serial %s, until %s): %s\n", o->names,
				o->key, o->serial, o->not_after, o->warnings);
}

static void look_at(void *arg, const struct tlsp_own *o, time_t not_after)
{
	struct look *look = arg;

	if(not_after < look->first)
		look->first = not_after;
	for(const char *c = o->warnings; *c; c++)
		look->hash = (look->hash ^ (unsigned char)*c) * 16777619u;
	for(const char *c = o->serial; *o->warnings && *c; c++)
		look->hash = (look->hash ^ (unsigned char)*c) * 16777619u;
	if(look->write)
		report_one(o);
}

/* True once for each load of certificates, when it is over */
static bool is_loaded(time_t now)
{
	static unsigned seen, looked;
	static time_t since;
	unsigned made = tlsp_contexts_made();

	if(made != seen) {
		seen = made;
		since = now;
	}
	if(made == looked || now - since < REST_SEC)
		return false;
	looked = made;
	return true;
}

static void prepare_staples(void)
{
	struct own_list *list = list_new();

	for(size_t i = 0; list && i < list->n; i++)
		tlsp_staple_prepare(list->item[i].cert, list->item[i].chain);
	if(list)
		list_free(list);
}

/* Writes what was not written yet; all of it once a day */
void tlsp_own_tick(void)
{
	static time_t last;
	static uint32_t written;
	time_t now = time(NULL);
	struct look look = {.hash = (uint32_t)(now / DAY_SEC), .first = INT64_MAX};

	if(!is_loaded(now) && now - last < LOOK_SEC && now >= last)
		return;
	last = now;
	prepare_staples();
	tlsp_own_each(look_at, &look);
	if(look.hash != written) {
		written = look.hash;
		look.write = true;
		tlsp_own_each(look_at, &look);
	}
	__atomic_store_n(first_end, look.first < INT64_MAX ? look.first : 0,
			__ATOMIC_RELAXED);
}

unsigned long tlsp_own_days(void)
{
	int64_t end = __atomic_load_n(first_end, __ATOMIC_RELAXED);

	return (unsigned long)days_until((time_t)end, time(NULL));
}

int tlsp_own_init(void)
{
	first_end = shm_malloc(sizeof(*first_end));
	if(!first_end) {
		SHM_MEM_ERROR;
		return -1;
	}
	*first_end = 0;
	return 0;
}
