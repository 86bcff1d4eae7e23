/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tgctl cert verify: one certificate before the verifier that the edge uses.
 * The first certificate of the leaf's file is the leaf; what follows it, and
 * the files of --untrusted, are intermediates on offer.
 */
#include "tgctl.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "x509/openssl_compat.h"
#include "x509/x509.h"

#define FILES_MAX 32
#define IDENTITIES_MAX 32
#define FILE_OCTETS_MAX ((size_t)64 * 1024 * 1024)

static const char usage[] =
		"cert verify --trust FILE [--untrusted FILE] [--crl FILE]\n"
		"           --identity NAME [--wildcard] [--common-name]\n"
		"           [--eku role|both|client|server|sip|any]\n"
		"           [--role client|server]       what the peer is; client\n"
		"           [--revocation hard|soft|off] [--stale-grace SECONDS]\n"
		"           [--min-rsa BITS] [--min-ec BITS] [--allow-sha1]\n"
		"           [--at RFC3339] [--json] LEAF.pem\n"
		"  --trust, --untrusted, --crl and --identity may be repeated.";

struct files {
	const char *path[FILES_MAX];
	size_t n;
};

struct options {
	struct files trust, untrusted, crl;
	struct tg_span identity[IDENTITIES_MAX];
	struct tg_x509_ask ask;
	bool json;
	const char *leaf;
};

/* ---- the command line ---------------------------------------------------- */

static bool add_file(struct files *f, const char *path)
{
	if(f->n == FILES_MAX) {
		fprintf(stderr, "tgctl: at most %d files of a kind\n", FILES_MAX);
		return false;
	}
	f->path[f->n++] = path;
	return true;
}

static bool add_identity(struct options *o, const char *name)
{
	if(o->ask.n_identity == IDENTITIES_MAX || !*name) {
		fprintf(stderr, "tgctl: 1 to %d identities\n", IDENTITIES_MAX);
		return false;
	}
	o->identity[o->ask.n_identity++] = tg_span_cstr(name);
	return true;
}

static bool take_word(
		const char *const *words, const char *option, unsigned *value)
{
	for(unsigned i = 0; words[i]; i++) {
		if(strcmp(words[i], optarg) == 0) {
			*value = i;
			return true;
		}
	}
	fprintf(stderr, "tgctl: --%s does not know \"%s\"\n", option, optarg);
	return false;
}

static bool take_number(const char *option, uint64_t max, uint64_t *value)
{
	if(tg_span_u64(tg_span_cstr(optarg), max, value))
		return true;
	fprintf(stderr, "tgctl: --%s takes a number up to %llu\n", option,
			(unsigned long long)max);
	return false;
}

static bool take_time(struct options *o)
{
	if(tg_ctl_parse_time(optarg, &o->ask.at))
		return true;
	fprintf(stderr, "tgctl: --at takes 2024-05-01T00:00:00Z, not \"%s\"\n",
			optarg);
	return false;
}

enum {
	OPT_TRUST = 1,
	OPT_UNTRUSTED,
	OPT_CRL,
	OPT_IDENTITY,
	OPT_WILDCARD,
	OPT_COMMON_NAME,
	OPT_EKU,
	OPT_ROLE,
	OPT_REVOCATION,
	OPT_GRACE,
	OPT_MIN_RSA,
	OPT_MIN_EC,
	OPT_SHA1,
	OPT_AT,
	OPT_JSON,
};

static const struct option long_options[] = {
		{"trust", required_argument, NULL, OPT_TRUST},
		{"untrusted", required_argument, NULL, OPT_UNTRUSTED},
		{"crl", required_argument, NULL, OPT_CRL},
		{"identity", required_argument, NULL, OPT_IDENTITY},
		{"wildcard", no_argument, NULL, OPT_WILDCARD},
		{"common-name", no_argument, NULL, OPT_COMMON_NAME},
		{"eku", required_argument, NULL, OPT_EKU},
		{"role", required_argument, NULL, OPT_ROLE},
		{"revocation", required_argument, NULL, OPT_REVOCATION},
		{"stale-grace", required_argument, NULL, OPT_GRACE},
		{"min-rsa", required_argument, NULL, OPT_MIN_RSA},
		{"min-ec", required_argument, NULL, OPT_MIN_EC},
		{"allow-sha1", no_argument, NULL, OPT_SHA1},
		{"at", required_argument, NULL, OPT_AT},
		{"json", no_argument, NULL, OPT_JSON},
		{0},
};

static bool take_choice(struct options *o, int option)
{
	static const char *const ekus[] = {
			"role", "both", "client", "server", "sip", "any", NULL};
	static const char *const roles[] = {"server", "client", NULL};
	static const char *const revocations[] = {"hard", "soft", "off", NULL};
	unsigned value = 0;

	switch(option) {
		case OPT_EKU:
			if(!take_word(ekus, "eku", &value))
				return false;
			o->ask.eku = (enum tg_x509_eku)value;
			return true;
		case OPT_ROLE:
			if(!take_word(roles, "role", &value))
				return false;
			o->ask.peer_is_client = value == 1;
			return true;
		default:
			if(!take_word(revocations, "revocation", &value))
				return false;
			o->ask.revocation = (enum tg_x509_revocation)value;
			return true;
	}
}

static bool take_amount(struct options *o, int option)
{
	uint64_t value = 0;

	switch(option) {
		case OPT_GRACE:
			if(!take_number("stale-grace", INT32_MAX, &value))
				return false;
			o->ask.stale_grace_sec = (time_t)value;
			return true;
		case OPT_MIN_RSA:
			if(!take_number("min-rsa", UINT16_MAX, &value))
				return false;
			o->ask.min_rsa_bits = (uint16_t)value;
			return true;
		default:
			if(!take_number("min-ec", UINT16_MAX, &value))
				return false;
			o->ask.min_ec_bits = (uint16_t)value;
			return true;
	}
}

static bool take_option(struct options *o, int option)
{
	switch(option) {
		case OPT_TRUST:
			return add_file(&o->trust, optarg);
		case OPT_UNTRUSTED:
			return add_file(&o->untrusted, optarg);
		case OPT_CRL:
			return add_file(&o->crl, optarg);
		case OPT_IDENTITY:
			return add_identity(o, optarg);
		case OPT_WILDCARD:
			return o->ask.wildcard = true;
		case OPT_COMMON_NAME:
			return o->ask.common_name = true;
		case OPT_SHA1:
			return o->ask.allow_sha1 = true;
		case OPT_JSON:
			return o->json = true;
		case OPT_AT:
			return take_time(o);
		case OPT_EKU:
		case OPT_ROLE:
		case OPT_REVOCATION:
			return take_choice(o, option);
		case OPT_GRACE:
		case OPT_MIN_RSA:
		case OPT_MIN_EC:
			return take_amount(o, option);
		default:
			return false; /* getopt has said why */
	}
}

static bool take_arguments(struct options *o, int argc, char **argv)
{
	int option;

	memset(o, 0, sizeof(*o));
	o->ask.peer_is_client = true;
	o->ask.at = time(NULL);
	optind = 1;
	while((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if(!take_option(o, option))
			return false;
	}
	o->ask.identity = o->identity;
	if(optind != argc - 1 || !o->trust.n || !o->ask.n_identity)
		return false;
	o->leaf = argv[optind];
	return true;
}

/* ---- files --------------------------------------------------------------- */

static bool read_file(const char *path, struct tg_span *out)
{
	FILE *f = fopen(path, "rb");
	size_t room = 0, len = 0;
	char *buf = NULL;

	while(f && !ferror(f) && !feof(f) && len <= FILE_OCTETS_MAX) {
		if(room - len < 4096) {
			char *grown = realloc(buf, room += 65536);

			if(!grown) {
				errno = ENOMEM;
				break;
			}
			buf = grown;
		}
		len += fread(buf + len, 1, room - len, f);
	}
	if(!f || !feof(f) || ferror(f)) {
		fprintf(stderr, "tgctl: %s: %s\n", path,
				len > FILE_OCTETS_MAX ? "file too large" : strerror(errno));
		free(buf);
		buf = NULL;
	}
	if(f)
		fclose(f);
	*out = tg_span_of(buf, len);
	return buf;
}

/* Every certificate of a file; DER holds one. False: one cannot be read */
static bool parse_certificates(struct tg_span text, STACK_OF(X509) *out)
{
	const unsigned char *der = (const unsigned char *)text.ptr;
	BIO *bio;
	X509 *cert;
	bool whole;

	if(text.len > INT_MAX)
		return false;
	if(text.len && text.ptr[0] == 0x30) {
		cert = d2i_X509(NULL, &der, (long)text.len);
		if(cert)
			sk_X509_push(out, cert);
		return cert && (const char *)der == text.ptr + text.len;
	}
	bio = BIO_new_mem_buf(text.ptr, (int)text.len);
	while(bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		sk_X509_push(out, cert);
	whole = bio && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	return whole;
}

static bool read_untrusted(const struct files *files, STACK_OF(X509) *out)
{
	for(size_t i = 0; i < files->n; i++) {
		struct tg_span text;
		bool good;

		if(!read_file(files->path[i], &text))
			return false;
		good = parse_certificates(text, out);
		free((char *)text.ptr);
		if(!good) {
			fprintf(stderr, "tgctl: %s: a certificate cannot be read\n",
					files->path[i]);
			return false;
		}
	}
	return true;
}

static bool read_blobs(const struct files *files, struct tg_x509_blob *blob)
{
	for(size_t i = 0; i < files->n; i++) {
		blob[i].path = tg_span_cstr(files->path[i]);
		if(!read_file(files->path[i], &blob[i].data))
			return false;
	}
	return true;
}

static struct tg_x509_store *read_store(const struct options *o)
{
	struct tg_x509_blob ca[FILES_MAX] = {0}, crl[FILES_MAX] = {0};
	struct tg_x509_store *store = NULL;
	struct tg_diags diags;
	char line[1024];

	tg_diags_init(&diags, &tg_alloc_libc);
	if(read_blobs(&o->trust, ca) && read_blobs(&o->crl, crl))
		store = tg_x509_store_new(ca, o->trust.n, crl, o->crl.n, &diags);
	for(const struct tg_diag *d = diags.first; d; d = d->next) {
		tg_diag_format(d, line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
	tg_diags_deinit(&diags);
	for(size_t i = 0; i < FILES_MAX; i++) {
		free((char *)ca[i].data.ptr);
		free((char *)crl[i].data.ptr);
	}
	return store;
}

/* ---- the verdict --------------------------------------------------------- */

static const char *time_text(time_t t, char out[32])
{
	struct tm tm;

	if(!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
	return out;
}

/* Details have no quotes, but backslashes where they escape something */
static void put_json(const char *key, const char *value, const char *behind)
{
	printf("\"%s\":\"", key);
	for(const char *c = value; *c; c++) {
		if(*c == '"' || *c == '\\')
			putchar('\\');
		if((unsigned char)*c < 0x20)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	printf("\"%s", behind);
}

static void print_json(const struct tg_x509_answer *a, X509 *leaf)
{
	static const char *const kinds[] = {"none", "uri", "dns", "cn"};
	const struct tg_reason_info *r = tg_reason_get(a->reason);
	struct tg_x509_names names = {0};
	char when[32];

	if(leaf)
		(void)tg_x509_names(leaf, TG_X509_NAMES_MAX, &names);
	putchar('{');
	put_json("verdict", a->reason ? "refuse" : "accept", ",");
	put_json("reason", r->id, ",");
	put_json("text", a->reason ? r->text : "", ",");
	put_json("detail", a->detail, ",");
	put_json("source", a->reason ? r->source : "", ",");
	printf("\"depth\":%d,", a->depth);
	put_json("name", a->name, ",");
	put_json("not_after", a->reason ? "" : time_text(a->not_after, when), ",");
	printf("\"names\":[");
	for(size_t i = 0; i < names.n; i++) {
		printf("%s{", i ? "," : "");
		put_json("kind", kinds[names.item[i].kind], ",");
		put_json("name", names.item[i].text, "}");
	}
	printf("]}\n");
}

static void print_text(const struct tg_x509_answer *a)
{
	const struct tg_reason_info *r = tg_reason_get(a->reason);
	char when[32];

	if(a->reason == TG_REASON_NONE)
		printf("accept: %s, valid until %s\n", a->name,
				time_text(a->not_after, when));
	else
		printf("refuse: %s: %s%s%s\n", r->id, r->text, *a->detail ? ": " : "",
				a->detail);
}

/* What cannot be read is refused as a handshake would refuse it */
static void refuse_unread(struct tg_x509_answer *a)
{
	memset(a, 0, sizeof(*a));
	a->reason = TG_REASON_CERT_MALFORMED;
	snprintf(a->detail, sizeof(a->detail), "a certificate cannot be read");
}

static int judge(const struct options *o, const struct tg_x509_store *store,
		STACK_OF(X509) *chain, STACK_OF(X509) *untrusted, bool readable)
{
	X509 *leaf = sk_X509_value(chain, 0);
	struct tg_x509_answer answer;

	for(int i = 1; i < sk_X509_num(chain); i++)
		sk_X509_push(untrusted, sk_X509_value(chain, i));
	if(readable)
		tg_x509_verify(store, leaf, untrusted, &o->ask, &answer);
	else
		refuse_unread(&answer);
	if(o->json)
		print_json(&answer, leaf);
	else
		print_text(&answer);
	return answer.reason == TG_REASON_NONE ? TG_CTL_OK : TG_CTL_REFUSED;
}

static int verify(const struct options *o)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	STACK_OF(X509) *others = sk_X509_new_null();
	STACK_OF(X509) *untrusted = sk_X509_new_null();
	struct tg_x509_store *store = read_store(o);
	struct tg_span text = {0};
	int status = TG_CTL_USAGE;

	if(chain && others && untrusted && store
			&& read_untrusted(&o->untrusted, others)
			&& read_file(o->leaf, &text)) {
		bool readable =
				parse_certificates(text, chain) && sk_X509_num(chain) > 0;

		for(int i = 0; i < sk_X509_num(others); i++)
			sk_X509_push(untrusted, sk_X509_value(others, i));
		status = judge(o, store, chain, untrusted, readable);
	}
	free((char *)text.ptr);
	tg_x509_store_free(store);
	sk_X509_free(untrusted);
	sk_X509_pop_free(others, X509_free);
	sk_X509_pop_free(chain, X509_free);
	return status;
}

int tg_ctl_cert(int argc, char **argv)
{
	struct options o;

	if(argc < 2 || strcmp(argv[1], "verify") != 0
			|| !take_arguments(&o, argc - 1, argv + 1))
		return tg_ctl_usage(usage);
	return verify(&o);
}
