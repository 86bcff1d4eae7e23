/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole verdict: each refusal beside the certificate that differs from it
 * in one respect and is accepted (A11, A22, B4).
 */
#include "x509/testpki.h"

#include <stdio.h>

static const struct tg_span gw1[] = {TG_SPAN_INIT("gw1.lab.test")};
static struct pki_ca root;
static struct tg_x509_store *store;
static struct tg_x509_ask ask;
static struct tg_x509_answer answer;

static int setup(void **state)
{
	(void)state;
	root = pki_root("Root");
	store = pki_store(PKI_CERTS(root.cert), NULL);
	ask = (struct tg_x509_ask){.identity = gw1,
			.n_identity = 1,
			.peer_is_client = true,
			.at = PKI_NOW};
	return 0;
}

static enum tg_reason verify(X509 *leaf, STACK_OF(X509) *untrusted)
{
	/* whatever the caller left there is no answer */
	memset(&answer, 0, sizeof(answer));
	tg_x509_verify(store, leaf, untrusted, &ask, &answer);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(
			answer.reason == TG_REASON_NONE, answer.openssl_error == X509_V_OK);
	return answer.reason;
}

#define assert_accepted(leaf, untrusted)                                     \
	do {                                                                     \
		enum tg_reason got_ = verify(leaf, untrusted);                       \
		if(got_)                                                             \
			print_error("%s: %s\n", tg_reason_get(got_)->id, answer.detail); \
		assert_int_equal(got_, TG_REASON_NONE);                              \
	} while(0)

#define assert_refused(leaf, untrusted, why, text)                           \
	do {                                                                     \
		enum tg_reason got_ = verify(leaf, untrusted);                       \
		if(got_ != TG_REASON_##why || !strstr(answer.detail, text))          \
			print_error("%s: %s\n", tg_reason_get(got_)->id, answer.detail); \
		assert_int_equal(got_, TG_REASON_##why);                             \
		assert_non_null(strstr(answer.detail, text));                        \
	} while(0)

static X509 *leaf(struct pki_spec spec)
{
	if(!spec.san && !spec.raw_dns && !spec.cn)
		spec.san = "DNS:gw1.lab.test";
	return pki_leaf(&root, spec);
}

/* ---- trust --------------------------------------------------------------- */

static void accepts_a_sound_certificate(void **state)
{
	(void)state;
	assert_accepted(leaf((struct pki_spec){0}), NULL);
	assert_string_equal(answer.name, "gw1.lab.test");
	assert_int_equal(answer.not_after, PKI_NOW + 90 * PKI_DAY);
	assert_string_equal(answer.detail, "");
}

static void refuses_what_is_not_there(void **state)
{
	(void)state;
	assert_refused(NULL, NULL, CERT_MISSING, "");
	tg_x509_verify(NULL, leaf((struct pki_spec){0}), NULL, &ask, &answer);
	assert_int_equal(answer.reason, TG_REASON_INTERNAL);
	assert_int_not_equal(answer.openssl_error, X509_V_OK);
}

static void refuses_another_ca(void **state)
{
	struct pki_ca rogue = pki_root("Rogue \"CA\"\n");
	struct pki_ca twin = pki_root("Root");

	(void)state;
	assert_accepted(pki_named(&root, "gw1.lab.test"), NULL);
	assert_refused(
			pki_named(&rogue, "gw1.lab.test"), NULL, CERT_UNTRUSTED, "Rogue");
	/* the certificate's text does not reach a log as it is */
	assert_null(strchr(answer.detail, '\n'));
	assert_refused(pki_named(&rogue, "gw1.lab.test"),
			pki_stack(PKI_CERTS(rogue.cert)), CERT_UNTRUSTED, "not trusted");
	/* the same name, another key */
	assert_refused(
			pki_named(&twin, "gw1.lab.test"), NULL, CERT_UNTRUSTED, "Root");
	twin = pki_ca_make(NULL, "Root", (struct pki_spec){.without_ids = true});
	assert_refused(pki_leaf(&twin, (struct pki_spec){.san = "DNS:gw1.lab.test",
										   .without_ids = true}),
			NULL, CERT_SIGNATURE, "");
}

static void refuses_a_self_signed_certificate_even_a_pinned_one(void **state)
{
	X509 *own = leaf((struct pki_spec){
			.cn = "gw1", .san = "DNS:gw1.lab.test", .self_signed = true});
	struct pki_ca pinned = pki_ca_make(NULL, "gw1.lab.test",
			(struct pki_spec){.san = "DNS:gw1.lab.test",
					.eku = "clientAuth",
					.usage = "digitalSignature,keyCertSign"});

	(void)state;
	assert_accepted(leaf((struct pki_spec){0}), NULL);
	assert_refused(own, NULL, CERT_SELF_SIGNED, "gw1");
	store = pki_store(PKI_CERTS(root.cert, pinned.cert), NULL);
	assert_refused(pinned.cert, NULL, CERT_SELF_SIGNED, "");
}

static void refuses_a_broken_signature(void **state)
{
	(void)state;
	assert_accepted(leaf((struct pki_spec){0}), NULL);
	assert_refused(leaf((struct pki_spec){.spoilt = true}), NULL,
			CERT_SIGNATURE, "signature");
}

static void a_path_never_ends_before_a_root(void **state)
{
	struct pki_ca mid = pki_ca_make(&root, "Mid", (struct pki_spec){0});
	struct pki_ca other = pki_root("Other");
	X509 *cert = pki_named(&mid, "gw1.lab.test");

	(void)state;
	store = pki_store(PKI_CERTS(other.cert, mid.cert), NULL);
	assert_refused(cert, NULL, CERT_UNTRUSTED, "Root");
	/* nor does the peer bring the root itself */
	assert_refused(
			cert, pki_stack(PKI_CERTS(root.cert)), CERT_UNTRUSTED, "Root");
	store = pki_store(PKI_CERTS(root.cert, mid.cert), NULL);
	assert_accepted(cert, NULL);
}

/* ---- dates --------------------------------------------------------------- */

static void refuses_expired_and_future_certificates(void **state)
{
	time_t end = PKI_NOW - PKI_DAY;
	X509 *cert = leaf(
			(struct pki_spec){.not_before = end - PKI_DAY, .not_after = end});

	(void)state;
	assert_refused(cert, NULL, CERT_EXPIRED, "expired 2029-12-31T00:00:00Z");
	assert_int_equal(answer.depth, 0);
	ask.at = end - 10;
	assert_accepted(cert, NULL);
	ask.at = end + 1;
	assert_refused(cert, NULL, CERT_EXPIRED, "");
	ask.at = end - PKI_DAY - 1;
	assert_refused(cert, NULL, CERT_NOT_YET, "valid from 2029-12-30T00:00:00Z");
}

static void the_whole_path_must_be_in_its_validity(void **state)
{
	struct pki_ca old = pki_ca_make(
			&root, "Old", (struct pki_spec){.not_after = PKI_NOW - 1});
	struct pki_ca mid = pki_ca_make(&root, "Mid",
			(struct pki_spec){.not_after = PKI_NOW + 5 * PKI_DAY});

	(void)state;
	assert_refused(pki_named(&old, "gw1.lab.test"),
			pki_stack(PKI_CERTS(old.cert)), CERT_EXPIRED, "CN=Old");
	assert_int_equal(answer.depth, 1);
	assert_accepted(
			pki_named(&mid, "gw1.lab.test"), pki_stack(PKI_CERTS(mid.cert)));
	assert_int_equal(answer.not_after, PKI_NOW + 5 * PKI_DAY);
}

/* ---- names --------------------------------------------------------------- */

static void refuses_what_does_not_prove_the_identity(void **state)
{
	static const struct pki_spec wrong[] = {
			{.san = "DNS:gw2.lab.test"},
			{.san = "DNS:gw1.lab.test.evil.test"},
			{.san = "DNS:evilgw1.lab.test"},
			{.san = "DNS:lab.test"},
			{.san = "DNS:*.lab.test"},
			{.cn = "gw1.lab.test", .san = "DNS:other.lab.test"},
			{.cn = "gw1.lab.test", .san = "email:sip@gw1.lab.test"},
			{.cn = "gw1.lab.test", .san = "IP:192.0.2.1"},
			{.cn = "gw1.lab.test", .san = "URI:sip:alice@gw1.lab.test"},
			{.cn = "gw1.lab.test", .san = "URI:https://gw1.lab.test"},
			{.cn = "gw1.lab.test",
					.raw_dns = "gw1.lab.test\0.evil.test",
					.raw_dns_octets = 23},
			{.san = "URI:sip:other.lab.test,DNS:gw1.lab.test"},
			{.cn = "gw1.lab.test"},
			{.cn = "GW1"},
	};

	(void)state;
	for(size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_refused(leaf(wrong[i]), NULL, CERT_NAME, "wanted: gw1.lab.test");
	assert_string_equal(answer.name, "");
}

static void accepts_every_way_to_prove_it(void **state)
{
	static const struct pki_spec right[] = {
			{.san = "DNS:gw1.lab.test"},
			{.san = "DNS:GW1.LAB.Test"},
			{.san = "DNS:a.lab.test,DNS:gw1.lab.test,email:a@b.test"},
			{.san = "URI:sip:gw1.lab.test,DNS:other.lab.test"},
			{.san = "URI:sip:a.lab.test,URI:SIP:gw1.lab.test"},
			{.cn = "other", .san = "URI:sip:bob@lab.test,DNS:gw1.lab.test"},
	};

	(void)state;
	for(size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_accepted(leaf(right[i]), NULL);
}

static void any_of_several_identities_suffices(void **state)
{
	const struct tg_span several[] = {
			TG_SPAN_INIT("a.lab.test"), TG_SPAN_INIT("gw1.lab.test")};

	(void)state;
	ask.identity = several;
	ask.n_identity = 2;
	assert_accepted(leaf((struct pki_spec){0}), NULL);
	assert_refused(pki_named(&root, "b.lab.test"), NULL, CERT_NAME,
			"names: b.lab.test; wanted: a.lab.test, gw1.lab.test");
	ask.n_identity = 0;
	assert_accepted(pki_named(&root, "b.lab.test"), NULL);
}

static void wildcards_and_the_common_name_need_consent(void **state)
{
	X509 *wild = leaf((struct pki_spec){.san = "DNS:*.lab.test"});
	X509 *named = leaf((struct pki_spec){.cn = "gw1.lab.test"});

	(void)state;
	assert_refused(wild, NULL, CERT_NAME, "names: *.lab.test");
	assert_refused(named, NULL, CERT_NAME, "gw1.lab.test (common name)");
	ask.wildcard = true;
	assert_accepted(wild, NULL);
	assert_string_equal(answer.name, "*.lab.test");
	assert_refused(named, NULL, CERT_NAME, "");
	ask.wildcard = false;
	ask.common_name = true;
	assert_accepted(named, NULL);
	assert_refused(leaf((struct pki_spec){
						   .cn = "gw1.lab.test", .san = "DNS:other.lab.test"}),
			NULL, CERT_NAME, "");
}

/* ---- extended key usage -------------------------------------------------- */

static void each_eku_policy_admits_its_own(void **state)
{
	static const char *const eku[] = {"", "clientAuth", "serverAuth",
			"clientAuth,serverAuth", "1.3.6.1.5.5.7.3.20",
			"anyExtendedKeyUsage", "codeSigning"};
	static const struct {
		enum tg_x509_eku policy;
		bool client;
		const char *admits; /* one letter for each of the above */
	} rows[] = {
			{TG_X509_EKU_ROLE, true, "yy.y..."},
			{TG_X509_EKU_ROLE, false, "y.yy..."},
			{TG_X509_EKU_BOTH, true, "y..y..."},
			{TG_X509_EKU_BOTH, false, "y..y..."},
			{TG_X509_EKU_CLIENT, false, "yy.y..."},
			{TG_X509_EKU_SERVER, true, "y.yy..."},
			{TG_X509_EKU_SIP, true, "....y.."},
			{TG_X509_EKU_ANY, true, "yyyyyyy"},
	};

	(void)state;
	for(size_t i = 0; i < sizeof(eku) / sizeof(*eku); i++) {
		X509 *cert = leaf((struct pki_spec){.eku = eku[i]});

		for(size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
			ask.eku = rows[k].policy;
			ask.peer_is_client = rows[k].client;
			if(rows[k].admits[i] == 'y')
				assert_accepted(cert, NULL);
			else
				assert_refused(cert, NULL, CERT_EKU, "wanted: ");
		}
	}
}

static void the_eku_of_an_intermediate_constrains(void **state)
{
	struct pki_ca server = pki_ca_make(
			&root, "Server CA", (struct pki_spec){.eku = "serverAuth"});
	struct pki_ca any = pki_ca_make(
			&root, "Any CA", (struct pki_spec){.eku = "anyExtendedKeyUsage"});
	struct pki_ca narrow_root =
			pki_ca_make(NULL, "Narrow", (struct pki_spec){.eku = "serverAuth"});

	(void)state;
	assert_refused(pki_named(&server, "gw1.lab.test"),
			pki_stack(PKI_CERTS(server.cert)), CERT_EKU, "CN=Server CA");
	assert_int_equal(answer.depth, 1);
	assert_accepted(
			pki_named(&any, "gw1.lab.test"), pki_stack(PKI_CERTS(any.cert)));
	ask.peer_is_client = false;
	assert_accepted(pki_named(&server, "gw1.lab.test"),
			pki_stack(PKI_CERTS(server.cert)));
	/* an anchor is trusted for what the policy trusts it for */
	ask.peer_is_client = true;
	store = pki_store(PKI_CERTS(narrow_root.cert), NULL);
	assert_accepted(pki_named(&narrow_root, "gw1.lab.test"), NULL);
}

static void the_key_must_be_for_signatures(void **state)
{
	X509 *wrap = leaf(
			(struct pki_spec){.usage = "keyEncipherment", .key = PKI_RSA2048});

	(void)state;
	assert_accepted(leaf((struct pki_spec){.usage = ""}), NULL);
	assert_refused(leaf((struct pki_spec){.usage = "keyCertSign,cRLSign"}),
			NULL, CERT_EKU, "key usage");
	assert_refused(wrap, NULL, CERT_EKU, "key usage");
	ask.peer_is_client = false;
	assert_accepted(wrap, NULL);
}

/* ---- strength ------------------------------------------------------------ */

static void keys_below_the_profile_are_refused(void **state)
{
	(void)state;
	assert_refused(leaf((struct pki_spec){.key = PKI_RSA1024}), NULL, CERT_WEAK,
			"RSA key of 1024 bits, at least 2048");
	assert_accepted(leaf((struct pki_spec){.key = PKI_RSA2048}), NULL);
	assert_refused(leaf((struct pki_spec){.key = PKI_P224}), NULL, CERT_WEAK,
			"EC key of 224 bits, at least 256");
	assert_accepted(leaf((struct pki_spec){.key = PKI_P384}), NULL);
	assert_accepted(leaf((struct pki_spec){.key = PKI_ED25519}), NULL);
	assert_refused(
			leaf((struct pki_spec){.key = PKI_EXPLICIT}), NULL, CERT_WEAK, "");
	ask.min_rsa_bits = 3072;
	ask.min_ec_bits = 384;
	assert_refused(
			leaf((struct pki_spec){.key = PKI_RSA2048}), NULL, CERT_WEAK, "");
	assert_refused(leaf((struct pki_spec){0}), NULL, CERT_WEAK, "");
	ask.min_ec_bits = 256;
	assert_accepted(leaf((struct pki_spec){.key = PKI_RSA3072}), NULL);
	ask.min_rsa_bits = 1024;
	assert_accepted(leaf((struct pki_spec){.key = PKI_RSA1024}), NULL);
}

static void every_key_of_the_path_counts(void **state)
{
	struct pki_ca weak =
			pki_ca_make(&root, "Weak", (struct pki_spec){.key = PKI_RSA1024});
	struct pki_ca weak_root = pki_ca_make(
			NULL, "Weak root", (struct pki_spec){.key = PKI_RSA1024});

	(void)state;
	assert_refused(pki_named(&weak, "gw1.lab.test"),
			pki_stack(PKI_CERTS(weak.cert)), CERT_WEAK, "CN=Weak");
	assert_int_equal(answer.depth, 1);
	store = pki_store(PKI_CERTS(weak_root.cert), NULL);
	assert_refused(pki_named(&weak_root, "gw1.lab.test"), NULL, CERT_WEAK,
			"CN=Weak root");
}

static void sha1_needs_a_legacy_profile_and_md5_never_passes(void **state)
{
	X509 *sha1 = leaf((struct pki_spec){.digest = "SHA1"});
	struct pki_ca rsa =
			pki_ca_make(NULL, "RSA", (struct pki_spec){.key = PKI_RSA2048});
	struct pki_ca old =
			pki_ca_make(&root, "Old", (struct pki_spec){.digest = "SHA1"});

	(void)state;
	assert_refused(sha1, NULL, CERT_WEAK, "signed with SHA1");
	assert_refused(pki_named(&old, "gw1.lab.test"),
			pki_stack(PKI_CERTS(old.cert)), CERT_WEAK, "CN=Old");
	ask.allow_sha1 = true;
	assert_accepted(sha1, NULL);
	store = pki_store(PKI_CERTS(rsa.cert), NULL);
	assert_refused(pki_leaf(&rsa, (struct pki_spec){.san = "DNS:gw1.lab.test",
										  .digest = "MD5"}),
			NULL, CERT_WEAK, "MD5");
	assert_accepted(pki_named(&rsa, "gw1.lab.test"), NULL);
}

static void the_anchors_own_signature_does_not_count(void **state)
{
	struct pki_ca old =
			pki_ca_make(NULL, "Old root", (struct pki_spec){.digest = "SHA1"});

	(void)state;
	store = pki_store(PKI_CERTS(old.cert), NULL);
	assert_accepted(pki_named(&old, "gw1.lab.test"), NULL);
}

/* ---- constraints --------------------------------------------------------- */

static void only_a_ca_issues(void **state)
{
	X509 *server = pki_named(&root, "mediation1.lab.test");
	struct pki_ca fake = {server, pki_key(PKI_P256)};
	struct pki_ca no_basic =
			pki_ca_make(&root, "No basic", (struct pki_spec){.basic = ""});
	struct pki_ca no_sign = pki_ca_make(
			&root, "No sign", (struct pki_spec){.usage = "cRLSign"});
	struct pki_ca mid = pki_ca_make(&root, "Mid", (struct pki_spec){0});

	(void)state;
	assert_refused(pki_named(&fake, "gw1.lab.test"),
			pki_stack(PKI_CERTS(server)), CERT_CONSTRAINT, "");
	assert_refused(pki_named(&no_basic, "gw1.lab.test"),
			pki_stack(PKI_CERTS(no_basic.cert)), CERT_CONSTRAINT, "");
	assert_int_not_equal(verify(pki_named(&no_sign, "gw1.lab.test"),
								 pki_stack(PKI_CERTS(no_sign.cert))),
			TG_REASON_NONE);
	assert_accepted(
			pki_named(&mid, "gw1.lab.test"), pki_stack(PKI_CERTS(mid.cert)));
}

static void path_length_holds(void **state)
{
	struct pki_ca mid = pki_ca_make(&root, "Mid",
			(struct pki_spec){.basic = "critical,CA:TRUE,pathlen:0"});
	struct pki_ca deep = pki_ca_make(&mid, "Deep", (struct pki_spec){0});
	STACK_OF(X509) *both = pki_stack(PKI_CERTS(deep.cert, mid.cert));

	(void)state;
	assert_accepted(pki_named(&mid, "gw1.lab.test"), both);
	assert_refused(pki_named(&deep, "gw1.lab.test"), both, CERT_CONSTRAINT,
			"path length");
}

static void name_constraints_hold_for_dns_and_sip_uris(void **state)
{
	struct pki_ca in = pki_ca_make(&root, "In",
			(struct pki_spec){
					.constraints = "critical,permitted;DNS:lab.test"});
	struct pki_ca out = pki_ca_make(&root, "Out",
			(struct pki_spec){
					.constraints = "critical,permitted;DNS:partner.test"});
	struct pki_ca not = pki_ca_make(&root, "Not",
			(struct pki_spec){.constraints = "critical,excluded;DNS:lab.test"});
	struct pki_ca mail = pki_ca_make(&root, "Mail",
			(struct pki_spec){
					.constraints = "critical,permitted;email:partner.test"});
	const struct pki_spec dns = {.san = "DNS:gw1.lab.test"};
	const struct pki_spec uri = {.san = "URI:sip:gw1.lab.test"};
	STACK_OF(X509) *all =
			pki_stack(PKI_CERTS(in.cert, out.cert, not .cert, mail.cert));

	(void)state;
	assert_accepted(pki_leaf(&in, dns), all);
	assert_accepted(pki_leaf(&in, uri), all);
	assert_accepted(pki_leaf(&mail, uri), all);
	assert_refused(pki_leaf(&out, dns), all, CERT_CONSTRAINT, "permitted");
	assert_refused(pki_leaf(&not, dns), all, CERT_CONSTRAINT, "excluded");
	/* RFC 5280 alone would let these two pass */
	assert_refused(pki_leaf(&out, uri), all, CERT_CONSTRAINT, "sip:gw1");
	assert_refused(pki_leaf(&not, uri), all, CERT_CONSTRAINT, "sip:gw1");
}

/* OpenSSL compares what the certificate says, a peer is called by what we want */
static void what_is_excluded_has_no_other_spelling(void **state)
{
	struct pki_ca not = pki_ca_make(&root, "Not",
			(struct pki_spec){
					.constraints = "critical,excluded;DNS:gw1.lab.test"});
	STACK_OF(X509) *chain = pki_stack(PKI_CERTS(not .cert));

	static const struct tg_span gw2[] = {TG_SPAN_INIT("gw2.lab.test")},
								dotted[] = {TG_SPAN_INIT("gw1.lab.test.")};

	(void)state;
	ask.wildcard = true;
	assert_refused(pki_leaf(&not, (struct pki_spec){.san = "DNS:gw1.lab.test"}),
			chain, CERT_CONSTRAINT, "excluded");
	assert_refused(
			pki_leaf(&not, (struct pki_spec){.san = "DNS:gw1.lab.test."}),
			chain, CERT_CONSTRAINT, "gw1.lab.test");
	assert_refused(pki_leaf(&not, (struct pki_spec){.san = "DNS:*.lab.test"}),
			chain, CERT_CONSTRAINT, "gw1.lab.test");
	ask.identity = dotted;
	assert_refused(pki_leaf(&not, (struct pki_spec){.san = "DNS:*.lab.test"}),
			chain, CERT_CONSTRAINT, "gw1.lab.test");
	ask.identity = gw2;
	assert_accepted(
			pki_leaf(&not, (struct pki_spec){.san = "DNS:*.lab.test"}), chain);
}

static void a_constraint_ends_at_a_label(void **state)
{
	struct pki_ca in = pki_ca_make(&root, "In",
			(struct pki_spec){
					.constraints = "critical,permitted;DNS:lab.test"});
	STACK_OF(X509) *chain = pki_stack(PKI_CERTS(in.cert));

	(void)state;
	ask.n_identity = 0;
	assert_accepted(
			pki_leaf(&in, (struct pki_spec){.san = "URI:sip:lab.test"}), chain);
	assert_refused(
			pki_leaf(&in, (struct pki_spec){.san = "URI:sip:evillab.test"}),
			chain, CERT_CONSTRAINT, "");
	assert_refused(pki_leaf(&in, (struct pki_spec){.san = "URI:sip:gw1.lab."
														  "test,URI:sip:x"
														  ".test"}),
			chain, CERT_CONSTRAINT, "sip:x.test");
}

static void an_unknown_critical_extension_is_refused(void **state)
{
	(void)state;
	assert_accepted(
			leaf((struct pki_spec){.other = "1.3.6.1.4.1.99999.1=DER:05:00"}),
			NULL);
	assert_refused(leaf((struct pki_spec){
						   .other = "1.3.6.1.4.1.99999.1=critical,DER:05:00"}),
			NULL, CERT_CONSTRAINT, "critical");
}

static void cas_without_key_identifiers_work(void **state)
{
	struct pki_ca bare = pki_ca_make(NULL, "Bare",
			(struct pki_spec){
					.without_ids = true, .basic = "CA:TRUE", .usage = ""});
	struct pki_ca mid = pki_ca_make(&bare, "Bare mid",
			(struct pki_spec){.without_ids = true, .basic = "CA:TRUE"});

	(void)state;
	store = pki_store(PKI_CERTS(bare.cert), NULL);
	assert_accepted(pki_leaf(&bare, (struct pki_spec){.san = "DNS:gw1.lab.test",
											.without_ids = true}),
			NULL);
	assert_accepted(
			pki_named(&mid, "gw1.lab.test"), pki_stack(PKI_CERTS(mid.cert)));
}

/* ---- limits -------------------------------------------------------------- */

static void long_chains_are_refused(void **state)
{
	struct pki_ca ca[9] = {root};
	STACK_OF(X509) *chain = pki_stack(PKI_CERTS(root.cert));
	X509 *cert;

	(void)state;
	for(int i = 1; i < 9; i++) {
		char cn[16];

		snprintf(cn, sizeof(cn), "Mid %d", i);
		ca[i] = pki_ca_make(&ca[i - 1], cn, (struct pki_spec){0});
		sk_X509_push(chain, ca[i].cert);
		if(i == 6)
			assert_accepted(pki_named(&ca[6], "gw1.lab.test"), chain);
	}
	assert_refused(pki_named(&ca[8], "gw1.lab.test"), chain, CERT_CHAIN_LIMIT,
			"more than 6");
	/* as many of them in the store */
	store = pki_store(PKI_CERTS(root.cert, ca[1].cert, ca[2].cert, ca[3].cert,
							  ca[4].cert, ca[5].cert, ca[6].cert, ca[7].cert),
			NULL);
	assert_refused(
			pki_named(&ca[7], "gw1.lab.test"), NULL, CERT_CHAIN_LIMIT, "");
	ask.max_depth = 1;
	cert = pki_named(&ca[2], "gw1.lab.test");
	assert_refused(cert, NULL, CERT_CHAIN_LIMIT, "");
	ask.max_depth = 2;
	assert_accepted(cert, NULL);
}

static void large_chains_are_refused(void **state)
{
	X509 *cert = leaf((struct pki_spec){0});
	X509 *other = pki_named(&root, "other.lab.test");
	uint32_t octets = (uint32_t)i2d_X509(cert, NULL);

	(void)state;
	ask.max_chain_octets = octets;
	assert_accepted(cert, NULL);
	/* the leaf itself may stand among the others */
	assert_accepted(cert, pki_stack(PKI_CERTS(cert)));
	assert_refused(
			cert, pki_stack(PKI_CERTS(other)), CERT_CHAIN_LIMIT, "octets");
	ask.max_chain_octets = octets - 1;
	assert_refused(cert, NULL, CERT_CHAIN_LIMIT, "octets");
}

static void large_keys_are_refused_before_they_cost(void **state)
{
	struct pki_ca rogue = pki_root("Rogue");
	struct pki_spec spec = {.san = "DNS:gw1.lab.test", .key = PKI_RSA3072};

	(void)state;
	assert_accepted(leaf(spec), NULL);
	ask.max_rsa_bits = 2048;
	assert_refused(leaf(spec), NULL, CERT_CHAIN_LIMIT, "3072");
	assert_refused(pki_leaf(&rogue, spec), NULL, CERT_CHAIN_LIMIT, "3072");
	assert_refused(leaf((struct pki_spec){0}),
			pki_stack(PKI_CERTS(pki_leaf(&rogue, spec))), CERT_CHAIN_LIMIT,
			"3072");
	assert_int_equal(answer.depth, 1);
}

static void many_names_are_refused(void **state)
{
	X509 *cert =
			leaf((struct pki_spec){.san = "DNS:gw1.lab.test", .dns_names = 20});

	(void)state;
	assert_accepted(cert, NULL);
	ask.max_names = 20;
	assert_refused(cert, NULL, CERT_CHAIN_LIMIT, "more than 20 names");
}

static void details_are_cut_not_overrun(void **state)
{
	char dns[256], cn[64];
	struct pki_ca loud;

	(void)state;
	memset(cn, '\x01', sizeof(cn) - 1);
	cn[sizeof(cn) - 1] = '\0';
	loud = pki_ca_make(NULL, cn, (struct pki_spec){0});
	assert_int_equal(verify(pki_named(&loud, "gw1.lab.test"), NULL),
			TG_REASON_CERT_UNTRUSTED);
	for(const char *c = answer.detail; *c; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	memset(dns, 'a', sizeof(dns));
	for(size_t i = 60; i < 240; i += 60)
		dns[i] = '.';
	assert_int_equal(verify(leaf((struct pki_spec){.raw_dns = dns,
									.raw_dns_octets = 230,
									.dns_names = 60}),
							 NULL),
			TG_REASON_CERT_NAME);
	assert_non_null(strstr(answer.detail, "wanted: gw1.lab.test"));
	assert_true(strlen(answer.detail) < sizeof(answer.detail));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pki_cleanup)
	const struct CMUnitTest tests[] = {
			T(accepts_a_sound_certificate),
			T(refuses_what_is_not_there),
			T(refuses_another_ca),
			T(refuses_a_self_signed_certificate_even_a_pinned_one),
			T(refuses_a_broken_signature),
			T(a_path_never_ends_before_a_root),
			T(refuses_expired_and_future_certificates),
			T(the_whole_path_must_be_in_its_validity),
			T(refuses_what_does_not_prove_the_identity),
			T(accepts_every_way_to_prove_it),
			T(any_of_several_identities_suffices),
			T(wildcards_and_the_common_name_need_consent),
			T(each_eku_policy_admits_its_own),
			T(the_eku_of_an_intermediate_constrains),
			T(the_key_must_be_for_signatures),
			T(keys_below_the_profile_are_refused),
			T(every_key_of_the_path_counts),
			T(sha1_needs_a_legacy_profile_and_md5_never_passes),
			T(the_anchors_own_signature_does_not_count),
			T(only_a_ca_issues),
			T(path_length_holds),
			T(name_constraints_hold_for_dns_and_sip_uris),
			T(what_is_excluded_has_no_other_spelling),
			T(a_constraint_ends_at_a_label),
			T(an_unknown_critical_extension_is_refused),
			T(cas_without_key_identifiers_work),
			T(long_chains_are_refused),
			T(large_chains_are_refused),
			T(large_keys_are_refused_before_they_cost),
			T(many_names_are_refused),
			T(details_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
