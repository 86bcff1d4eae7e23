/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A second opinion. Random certificates, chains and questions: whatever is
 * accepted here, OpenSSL's own verification with its purpose, host name and
 * CRL checks accepts, too; and what it refuses is refused here (A22).
 */
#include "x509/testpki.h"

#include <stdlib.h>

#define ROUNDS 500

static const struct tg_span gw1[] = {TG_SPAN_INIT("gw1.lab.test")};
static unsigned seed = 20300101;

static unsigned roll(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static const char *one_of(const char *const *words, size_t n)
{
	/* half of the time the first, so that faults come singly, too */
	return roll(2) ? words[0] : words[roll((unsigned)n)];
}
#define ONE_OF(...)                            \
	one_of((const char *const[]){__VA_ARGS__}, \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static struct pki_spec random_leaf(void)
{
	struct pki_spec s = {
			.cn = ONE_OF("gw1.lab.test", "other", NULL),
			.san = ONE_OF("DNS:gw1.lab.test", "DNS:GW1.lab.TEST",
					"DNS:*.lab.test", "DNS:other.lab.test",
					"DNS:a.lab.test,DNS:gw1.lab.test", "DNS:evilgw1.lab.test",
					"email:x@gw1.lab.test,DNS:lab.test"),
			.eku = ONE_OF(NULL, "", "clientAuth", "serverAuth", "codeSigning",
					"anyExtendedKeyUsage"),
			.usage = ONE_OF(NULL, "", "critical,digitalSignature",
					"keyEncipherment", "keyCertSign"),
			.key = roll(8) ? PKI_P256 : PKI_RSA2048,
			.spoilt = roll(30) == 0,
			.self_signed = roll(30) == 0,
			.without_ids = roll(4) == 0,
	};

	if(roll(6) == 0)
		s.not_after = PKI_NOW - 1;
	if(roll(12) == 0)
		s.not_before = PKI_NOW + 1;
	return s;
}

static struct pki_spec random_ca(void)
{
	return (struct pki_spec){
			.basic = ONE_OF(NULL, "CA:TRUE", "critical,CA:TRUE,pathlen:0",
					"CA:FALSE", ""),
			.usage = ONE_OF(NULL, "", "critical,keyCertSign",
					"critical,digitalSignature"),
			.eku = ONE_OF("", "clientAuth", "serverAuth"),
			.constraints = ONE_OF(NULL, "critical,permitted;DNS:lab.test",
					"critical,permitted;DNS:evil.test",
					"critical,excluded;DNS:gw1.lab.test"),
			.not_after = roll(12) ? 0 : PKI_NOW - 1,
	};
}

/* What OpenSSL says by itself */
static bool openssl_accepts(X509 *root, X509_CRL *const *crls, X509 *leaf,
		STACK_OF(X509) *untrusted, bool client)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	bool good;

	X509_STORE_add_cert(store, root);
	for(; crls && *crls; crls++) {
		X509_STORE_add_crl(store, *crls);
		X509_STORE_set_flags(
				store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	X509_STORE_CTX_init(ctx, store, leaf, untrusted);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, PKI_NOW);
	X509_STORE_CTX_set_default(ctx, client ? "ssl_client" : "ssl_server");
	X509_VERIFY_PARAM_set1_host(param, "gw1.lab.test", 0);
	X509_VERIFY_PARAM_set_hostflags(param,
			X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	good = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return good;
}

static void openssl_agrees_with_each_verdict(void **state)
{
	unsigned accepted = 0, refused = 0;

	(void)state;
	for(int round = 0; round < ROUNDS; round++) {
		struct pki_ca root = pki_root("Root");
		struct pki_ca mid = pki_ca_make(&root, "Mid", random_ca());
		struct pki_ca low = pki_ca_make(&mid, "Low", random_ca());
		const struct pki_ca *const issuers[] = {&root, &mid, &low};
		X509 *leaf = pki_leaf(issuers[roll(3)], random_leaf());
		X509 *revoked = roll(6) ? mid.cert : leaf;
		X509_CRL *const crls[] = {
				pki_crl(&root,
						(struct pki_crl){
								.revoked =
										roll(3) ? NULL : PKI_CERTS(revoked)}),
				pki_crl(&mid,
						(struct pki_crl){
								.revoked = roll(4) ? NULL : PKI_CERTS(leaf)}),
				pki_crl(&low,
						(struct pki_crl){.next_update = PKI_NOW + 1000
														- (time_t)roll(1100)}),
				NULL};
		X509_CRL *const *asked = roll(2) ? crls : NULL;
		STACK_OF(X509) *untrusted =
				roll(10) ? pki_stack(PKI_CERTS(mid.cert, low.cert))
						 : pki_stack(PKI_CERTS(low.cert));
		struct tg_x509_ask ask = {.identity = gw1,
				.n_identity = 1,
				.peer_is_client = roll(2),
				.at = PKI_NOW};
		struct tg_x509_answer answer;
		bool theirs;

		tg_x509_verify(pki_store(PKI_CERTS(root.cert), asked), leaf, untrusted,
				&ask, &answer);
		theirs = openssl_accepts(
				root.cert, asked, leaf, untrusted, ask.peer_is_client);
		if((answer.reason == TG_REASON_NONE) != theirs) {
			print_error("round %d: %s: %s\n", round,
					tg_reason_get(answer.reason)->id, answer.detail);
			assert_true(theirs == (answer.reason == TG_REASON_NONE));
		}
		if(theirs)
			accepted++;
		else
			refused++;
		pki_cleanup(NULL);
	}
	print_message("%u accepted, %u refused\n", accepted, refused);
	assert_true(accepted > ROUNDS / 50 && refused > ROUNDS / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(openssl_agrees_with_each_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
