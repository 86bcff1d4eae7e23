/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gate 1 as a whole: a policy, a connection, a certificate, one verdict.
 */
#include "x509/testpki.h"

#include "judge/judge.h"
#include "policy/load.h"

#include <stdio.h>

#define TRUSTS                           \
	"[trust ours]\nca_file = ours.pem\n" \
	"[trust theirs]\nca_file = theirs.pem\n"
#define GW1                                             \
	"[peer gw1]\nrole = gateway\naddress = 192.0.2.1\n" \
	"identity = gw1.lab.test\ntrust = ours\n"
#define GW2                                             \
	"[peer gw2]\nrole = gateway\naddress = 192.0.2.2\n" \
	"identity = gw2.lab.test\ntrust = ours\n"
#define PARTNER                                                \
	"[peer partner]\nrole = federation\naddress = 192.0.2.3\n" \
	"identity = sip.partner.test\ntrust = theirs\n"
#define PHONES "[clients phones]\naddress = 198.51.100.0/24\n"

static struct pki_ca ours, theirs, rogue;
static struct tg_span ours_pem, theirs_pem, crl_pem;
static struct tg_pol *policy;
static struct tg_judge *judge;
static struct tg_judge_in in;
static struct tg_judge_out out;
static uint64_t generation;

static bool read_pem(void *ctx, const char *path, size_t max,
		struct tg_arena *scratch, struct tg_span *text, const char **error)
{
	struct tg_span s = TG_SPAN("no PEM at all\n");

	(void)ctx;
	(void)max;
	(void)error;
	if(strstr(path, "ours.pem"))
		s = ours_pem;
	else if(strstr(path, "theirs.pem"))
		s = theirs_pem;
	else if(strstr(path, "crl.pem"))
		s = crl_pem;
	*text = tg_arena_dup(scratch, s);
	return true;
}

static void use(const char *text)
{
	const struct tg_pol_host host = {tg_alloc_libc, read_pem, NULL};
	struct tg_diags diags;

	tg_pol_free(policy);
	tg_diags_init(&diags, &tg_alloc_libc);
	policy = tg_pol_load_text(&host, tg_span_cstr(text), "t", &diags);
	for(const struct tg_diag *d = diags.first; !policy && d; d = d->next)
		print_error("%u: %.*s\n", d->where.line, TG_SPAN_FMT(d->text));
	tg_diags_deinit(&diags);
	assert_non_null(policy);
	generation++;
}

static int setup(void **state)
{
	(void)state;
	ours = pki_root("Ours");
	theirs = pki_root("Theirs");
	rogue = pki_root("Rogue");
	ours_pem = pki_pem(PKI_CERTS(ours.cert));
	theirs_pem = pki_pem(PKI_CERTS(theirs.cert));
	crl_pem = pki_crl_pem(PKI_CRLS(pki_crl(&ours, (struct pki_crl){0})));
	judge = tg_judge_new();
	assert_non_null(judge);
	return 0;
}

static int teardown(void **state)
{
	tg_judge_free(judge);
	tg_pol_free(policy);
	policy = NULL;
	return pki_cleanup(state);
}

static const struct tg_pol_verdict *ask(const char *from,
		enum tg_pol_direction direction, X509 *leaf, const char *wanted)
{
	in = (struct tg_judge_in){.policy = policy,
			.generation = generation,
			.conn = {.direction = direction,
					.transport = TG_POL_TR_TLS,
					.remote_port = 5061,
					.local_port = 5061},
			.leaf = leaf,
			.at = PKI_NOW};
	assert_true(tg_addr_parse(tg_span_cstr(from), &in.conn.remote));
	assert_true(tg_addr_parse(TG_SPAN("203.0.113.1"), &in.conn.local));
	if(wanted)
		in.wanted = tg_pol_peer_by_name(policy, tg_span_cstr(wanted));
	memset(&out, 0xff, sizeof(out));
	tg_judge_certificate(judge, &in, NULL, &out);
	assert_int_equal(ERR_peek_error(), 0);
	return &out.verdict;
}

static void assert_peer(const char *name)
{
	if(out.verdict.decision != TG_POL_ALLOW)
		print_error("%s: %s\n", tg_reason_get(out.verdict.reason)->id,
				out.x509.detail);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_int_equal(out.verdict.reason, TG_REASON_NONE);
	assert_int_equal(out.x509.openssl_error, X509_V_OK);
	assert_non_null(out.verdict.peer);
	assert_null(out.verdict.clients);
	assert_string_equal(out.verdict.peer->name.ptr, name);
	assert_int_equal(out.x509.not_after, PKI_NOW + 90 * PKI_DAY);
}

static void assert_denied(enum tg_reason reason, const char *closest)
{
	if(out.verdict.decision == TG_POL_ALLOW || out.verdict.reason != reason)
		print_error("%d %s: %s\n", (int)out.verdict.decision,
				tg_reason_get(out.verdict.reason)->id, out.x509.detail);
	assert_int_equal(out.verdict.decision, TG_POL_DENY);
	assert_int_equal(out.verdict.reason, reason);
	assert_int_equal(out.x509.reason, reason);
	assert_int_not_equal(out.x509.openssl_error, X509_V_OK);
	if(closest) {
		assert_non_null(out.verdict.peer);
		assert_string_equal(out.verdict.peer->name.ptr, closest);
		assert_true(out.verdict.rule.line > 0);
	} else {
		assert_null(out.verdict.peer);
	}
}

#define accepts_in(from, leaf, peer)      \
	do {                                  \
		ask(from, TG_POL_IN, leaf, NULL); \
		assert_peer(peer);                \
	} while(0)
#define denies_in(from, leaf, why, closest)      \
	do {                                         \
		ask(from, TG_POL_IN, leaf, NULL);        \
		assert_denied(TG_REASON_##why, closest); \
	} while(0)

/* ---- inbound ------------------------------------------------------------- */

static void a_peer_is_who_its_certificate_and_address_say(void **state)
{
	X509 *gw1 = pki_named(&ours, "gw1.lab.test");
	X509 *gw2 = pki_named(&ours, "gw2.lab.test");

	(void)state;
	use(TRUSTS GW1 GW2 PARTNER);
	accepts_in("192.0.2.1", gw1, "gw1");
	accepts_in("::ffff:192.0.2.1", gw1, "gw1");
	accepts_in("192.0.2.2", gw2, "gw2");
	/* another peer's valid certificate */
	denies_in("192.0.2.1", gw2, CERT_NAME, "gw1");
	assert_non_null(strstr(out.x509.detail, "names: gw2.lab.test"));
	denies_in("192.0.2.2", gw1, CERT_NAME, "gw2");
	denies_in("192.0.2.9", gw1, UNDECLARED, NULL);
}

static void each_peer_has_its_own_trust(void **state)
{
	(void)state;
	use(TRUSTS GW1 GW2 PARTNER);
	accepts_in("192.0.2.3", pki_named(&theirs, "sip.partner.test"), "partner");
	denies_in("192.0.2.3", pki_named(&ours, "sip.partner.test"), CERT_UNTRUSTED,
			"partner");
	denies_in("192.0.2.1", pki_named(&theirs, "gw1.lab.test"), CERT_UNTRUSTED,
			"gw1");
	denies_in("192.0.2.1", pki_named(&rogue, "gw1.lab.test"), CERT_UNTRUSTED,
			"gw1");
	/* wrong name as well: the chain says more */
	denies_in("192.0.2.1", pki_named(&rogue, "x.lab.test"), CERT_UNTRUSTED,
			"gw1");
}

static void the_reason_is_the_one_that_says_most(void **state)
{
	(void)state;
	use(TRUSTS GW1);
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.not_before = PKI_NOW - 9 * PKI_DAY,
									.not_after = PKI_NOW - PKI_DAY}),
			CERT_EXPIRED, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:other.lab.test",
									.not_before = PKI_NOW - 9 * PKI_DAY,
									.not_after = PKI_NOW - PKI_DAY}),
			CERT_EXPIRED, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.self_signed = true}),
			CERT_SELF_SIGNED, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.cn = "gw1.lab.test"}), CERT_NAME,
			"gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.cn = "gw1.lab.test",
									.san = "email:a@gw1.lab.test"}),
			CERT_NAME, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.eku = "serverAuth"}),
			CERT_EKU, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.key = PKI_RSA1024}),
			CERT_WEAK, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.dns_names = 70}),
			CERT_CHAIN_LIMIT, "gw1");
	denies_in("192.0.2.1",
			pki_leaf(&ours,
					(struct pki_spec){.other = "2.5.29.17=DER:30:05:82:99"}),
			CERT_MALFORMED, "gw1");
	denies_in("192.0.2.1", NULL, CERT_MISSING, "gw1");
}

static void the_rule_is_the_line_that_decided(void **state)
{
	(void)state;
	use(TRUSTS GW1 "eku = both\n");
	accepts_in("192.0.2.1", pki_named(&ours, "gw1.lab.test"), "gw1");
	assert_int_equal(out.verdict.rule.line, 8);
	denies_in("192.0.2.1", pki_named(&ours, "gw2.lab.test"), CERT_NAME, "gw1");
	assert_int_equal(out.verdict.rule.line, 8);
	denies_in("192.0.2.1", pki_named(&rogue, "gw1.lab.test"), CERT_UNTRUSTED,
			"gw1");
	assert_int_equal(out.verdict.rule.line, 9);
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.eku = "clientAuth"}),
			CERT_EKU, "gw1");
	assert_int_equal(out.verdict.rule.line, 10);
}

static void several_peers_share_an_address(void **state)
{
	(void)state;
	use(TRUSTS
			"[peer a]\nrole = gateway\naddress = 192.0.2.1\n"
			"identity = a.lab.test, a2.lab.test\ntrust = ours\n"
			"[peer b]\nrole = gateway\naddress = 192.0.2.0/24, 2001:db8::/32\n"
			"identity = b.lab.test\ntrust = theirs\n"
			"[peer teams]\nrole = federation\naddress = any\n"
			"identity = sip.pstn.test\ntrust = theirs\neku = any\n");
	accepts_in("192.0.2.1", pki_named(&ours, "a.lab.test"), "a");
	accepts_in("192.0.2.1", pki_named(&ours, "a2.lab.test"), "a");
	accepts_in("192.0.2.1", pki_named(&theirs, "b.lab.test"), "b");
	accepts_in("2001:db8::7", pki_named(&theirs, "b.lab.test"), "b");
	accepts_in("192.0.2.1",
			pki_leaf(&theirs, (struct pki_spec){.san = "DNS:sip.pstn.test",
									  .eku = "serverAuth"}),
			"teams");
	accepts_in("203.0.113.99", pki_named(&theirs, "sip.pstn.test"), "teams");
	/* the trust of the one is not the trust of the other */
	denies_in(
			"192.0.2.1", pki_named(&theirs, "a.lab.test"), CERT_UNTRUSTED, "a");
	denies_in("192.0.2.1", pki_named(&ours, "b.lab.test"), CERT_UNTRUSTED, "b");
	denies_in("203.0.113.99", pki_named(&theirs, "b.lab.test"), CERT_NAME,
			"teams");
}

static void a_certificate_of_two_peers_is_nobodys(void **state)
{
	(void)state;
	use(TRUSTS "[peer a]\nrole = gateway\naddress = 192.0.2.1\n"
			   "identity = a.lab.test\ntrust = ours\n"
			   "[peer b]\nrole = gateway\naddress = 192.0.2.1\n"
			   "identity = b.lab.test\ntrust = ours\n"
			   "[peer c]\nrole = gateway\naddress = 192.0.2.1\n"
			   "identity = c.lab.test\ntrust = theirs\n");
	denies_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:a.lab.test,"
													 "DNS:b.lab.test"}),
			AMBIGUOUS, "a");
	/* only one of these two trusts the chain */
	accepts_in("192.0.2.1",
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:a.lab.test,"
													 "DNS:c.lab.test"}),
			"a");
	accepts_in("192.0.2.1",
			pki_leaf(&theirs, (struct pki_spec){.san = "DNS:a.lab.test,"
													   "DNS:c.lab.test"}),
			"c");
}

static void one_identity_with_two_trusts_is_told_apart_by_its_chain(
		void **state)
{
	(void)state;
	use(TRUSTS "[peer a]\nrole = gateway\naddress = any\n"
			   "identity = same.lab.test\ntrust = ours\n"
			   "[peer b]\nrole = gateway\naddress = any\n"
			   "identity = same.lab.test\ntrust = theirs\n");
	accepts_in("192.0.2.1", pki_named(&ours, "same.lab.test"), "a");
	accepts_in("192.0.2.1", pki_named(&theirs, "same.lab.test"), "b");
	ask("192.0.2.1", TG_POL_IN, pki_named(&rogue, "same.lab.test"), NULL);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_UNTRUSTED);
	/* trusted by b alone, and expired: that is what counts */
	ask("192.0.2.1", TG_POL_IN,
			pki_leaf(&theirs, (struct pki_spec){.san = "DNS:same.lab.test",
									  .not_before = PKI_NOW - 9 * PKI_DAY,
									  .not_after = PKI_NOW - 1}),
			NULL);
	assert_denied(TG_REASON_CERT_EXPIRED, "b");
}

static void phones_and_a_gateway_behind_one_nat(void **state)
{
	(void)state;
	use(TRUSTS PHONES "[peer gw]\nrole = gateway\naddress = 198.51.100.7\n"
					  "identity = gw1.lab.test\ntrust = ours\n");
	ask("198.51.100.7", TG_POL_IN, NULL, NULL);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_null(out.verdict.peer);
	assert_string_equal(out.verdict.clients->name.ptr, "phones");
	accepts_in("198.51.100.7", pki_named(&ours, "gw1.lab.test"), "gw");
	/* a bad certificate does not make a client */
	denies_in("198.51.100.7", pki_named(&rogue, "gw1.lab.test"), CERT_UNTRUSTED,
			"gw");
	denies_in("198.51.100.7", pki_named(&ours, "phone.lab.test"), CERT_NAME,
			"gw");
	/* where no peer may be, a certificate is nobody's */
	ask("198.51.100.8", TG_POL_IN, NULL, NULL);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	denies_in("198.51.100.8", pki_named(&ours, "gw1.lab.test"), CERT_UNTRUSTED,
			NULL);
	assert_string_equal(out.verdict.clients->name.ptr, "phones");
}

static void wildcards_and_eku_follow_the_peer(void **state)
{
	X509 *wild = pki_named(&ours, "*.lab.test");
	X509 *server = pki_leaf(&ours,
			(struct pki_spec){.san = "DNS:gw2.lab.test", .eku = "serverAuth"});

	(void)state;
	use(TRUSTS GW1 "wildcard = yes\n" GW2 "eku = server\n");
	accepts_in("192.0.2.1", wild, "gw1");
	assert_string_equal(out.x509.name, "*.lab.test");
	denies_in("192.0.2.2", wild, CERT_NAME, "gw2");
	accepts_in("192.0.2.2", server, "gw2");
}

static void key_sizes_follow_the_peers_own_profile(void **state)
{
	X509 *weak = pki_leaf(&ours,
			(struct pki_spec){.san = "DNS:gw1.lab.test", .key = PKI_RSA2048});

	(void)state;
	use(TRUSTS GW1);
	accepts_in("192.0.2.1", weak, "gw1");
	use("[trust ours]\nca_file = ours.pem\n[tls hard]\nversions = 1.3\n"
		"min_rsa_bits = 3072\n" GW1 "tls = hard\n");
	denies_in("192.0.2.1", weak, CERT_WEAK, "gw1");
}

static void revocation_follows_the_trust(void **state)
{
	X509 *gw1 = pki_named(&ours, "gw1.lab.test");
	X509 *bad = pki_named(&ours, "gw1.lab.test");

	(void)state;
	crl_pem = pki_crl_pem(PKI_CRLS(
			pki_crl(&ours, (struct pki_crl){.revoked = PKI_CERTS(bad),
								   .next_update = PKI_NOW + 100 * PKI_DAY})));
	use("[trust ours]\nca_file = ours.pem\ncrl_file = crl.pem\n" GW1);
	accepts_in("192.0.2.1", gw1, "gw1");
	denies_in("192.0.2.1", bad, CERT_REVOKED, "gw1");
	crl_pem = pki_crl_pem(PKI_CRLS(
			pki_crl(&ours, (struct pki_crl){.this_update = PKI_NOW - 9000,
								   .next_update = PKI_NOW - 7200})));
	use("[trust ours]\nca_file = ours.pem\ncrl_file = crl.pem\n" GW1);
	denies_in("192.0.2.1", gw1, CRL_EXPIRED, "gw1");
}

static void audit_mode_lets_through_and_says_so(void **state)
{
	(void)state;
	use(TRUSTS GW1 "mode = audit\n" GW2);
	accepts_in("192.0.2.1", pki_named(&ours, "gw1.lab.test"), "gw1");
	assert_false(out.verdict.audited);
	ask("192.0.2.1", TG_POL_IN, pki_named(&rogue, "gw1.lab.test"), NULL);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_true(out.verdict.audited);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_UNTRUSTED);
	assert_int_equal(out.x509.reason, TG_REASON_CERT_UNTRUSTED);
	denies_in("192.0.2.2", pki_named(&rogue, "gw2.lab.test"), CERT_UNTRUSTED,
			"gw2");
	use("[policy]\nmode = audit\n" TRUSTS GW1);
	ask("192.0.2.77", TG_POL_IN, pki_named(&ours, "gw1.lab.test"), NULL);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_true(out.verdict.audited);
	assert_int_equal(out.verdict.reason, TG_REASON_UNDECLARED);
	assert_null(out.verdict.peer);
}

/* ---- outbound ------------------------------------------------------------ */

static void the_wanted_peer_must_answer(void **state)
{
	X509 *gw1 = pki_named(&ours, "gw1.lab.test");

	(void)state;
	use(TRUSTS GW1 GW2 PARTNER);
	ask("192.0.2.1", TG_POL_OUT, gw1, "gw1");
	assert_peer("gw1");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&ours, "gw2.lab.test"), "gw1");
	assert_denied(TG_REASON_CERT_NAME, "gw1");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&rogue, "gw1.lab.test"), "gw1");
	assert_denied(TG_REASON_CERT_UNTRUSTED, "gw1");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&theirs, "gw1.lab.test"), "gw1");
	assert_denied(TG_REASON_CERT_UNTRUSTED, "gw1");
	ask("192.0.2.1", TG_POL_OUT, NULL, "gw1");
	assert_denied(TG_REASON_CERT_MISSING, "gw1");
	/* it is called here: a server's certificate is due */
	ask("192.0.2.1", TG_POL_OUT,
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.eku = "clientAuth"}),
			"gw1");
	assert_denied(TG_REASON_CERT_EKU, "gw1");
	ask("192.0.2.1", TG_POL_OUT,
			pki_leaf(&ours, (struct pki_spec){.san = "DNS:gw1.lab.test",
									.eku = "serverAuth"}),
			"gw1");
	assert_peer("gw1");
}

static void where_several_may_answer_the_certificate_picks(void **state)
{
	(void)state;
	use(TRUSTS GW1 "[peer b]\nrole = gateway\naddress = 192.0.2.1\n"
				   "identity = b.lab.test\ntrust = theirs\n");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&ours, "gw1.lab.test"), NULL);
	assert_peer("gw1");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&theirs, "b.lab.test"), NULL);
	assert_peer("b");
	ask("192.0.2.1", TG_POL_OUT, pki_named(&ours, "b.lab.test"), NULL);
	assert_int_equal(out.verdict.decision, TG_POL_DENY);
	ask("192.0.2.1", TG_POL_OUT, NULL, NULL);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_MISSING);
	ask("192.0.2.99", TG_POL_OUT, pki_named(&ours, "gw1.lab.test"), NULL);
	assert_denied(TG_REASON_EGRESS_UNDECLARED, NULL);
}

static void a_peer_without_trust_has_no_certificate(void **state)
{
	(void)state;
	use(TRUSTS GW1 "[peer old]\nrole = gateway\naddress = 192.0.2.9\n"
				   "transport = tcp\nmedia = none\n");
	ask("192.0.2.9", TG_POL_OUT, pki_named(&ours, "gw1.lab.test"), "old");
	assert_denied(TG_REASON_CERT_UNTRUSTED, "old");
	ask("192.0.2.9", TG_POL_IN, pki_named(&ours, "gw1.lab.test"), NULL);
	assert_int_equal(out.verdict.decision, TG_POL_DENY);
}

/* ---- stores and trace ---------------------------------------------------- */

static void a_new_generation_brings_its_own_trust(void **state)
{
	(void)state;
	use(TRUSTS GW1);
	accepts_in("192.0.2.1", pki_named(&ours, "gw1.lab.test"), "gw1");
	ours_pem = pki_pem(PKI_CERTS(rogue.cert));
	use(TRUSTS GW1);
	denies_in("192.0.2.1", pki_named(&ours, "gw1.lab.test"), CERT_UNTRUSTED,
			"gw1");
	accepts_in("192.0.2.1", pki_named(&rogue, "gw1.lab.test"), "gw1");
}

static void trust_that_cannot_be_read_is_reported_and_denies(void **state)
{
	struct tg_diags diags;

	(void)state;
	use("[trust ours]\nca_file = nothing.pem\n" GW1);
	tg_diags_init(&diags, &tg_alloc_libc);
	assert_false(tg_judge_check_trust(policy, &diags));
	assert_int_equal(diags.errors, 1);
	assert_non_null(strstr(diags.first->where.file.ptr, "nothing.pem"));
	tg_diags_deinit(&diags);
	denies_in("192.0.2.1", pki_named(&ours, "gw1.lab.test"), INTERNAL, "gw1");
	use(TRUSTS GW1);
	tg_diags_init(&diags, &tg_alloc_libc);
	assert_true(tg_judge_check_trust(policy, &diags));
	tg_diags_deinit(&diags);
}

static void lists(const char *keys, const char *what)
{
	char text[256];
	struct tg_diags diags;

	snprintf(text, sizeof(text),
			"[tls own]\n%s[clients c]\naddress = any\ntls = own\n", keys);
	use(text);
	tg_diags_init(&diags, &tg_alloc_libc);
	assert_int_equal(tg_judge_check_lists(policy, &diags), what == NULL);
	if(what) {
		assert_int_equal(diags.errors, 1);
		assert_int_equal(diags.first->where.line, 1);
		assert_non_null(strstr(diags.first->text.ptr, what));
	}
	tg_diags_deinit(&diags);
}

static void lists_that_openssl_does_not_take_are_reported(void **state)
{
	(void)state;
	lists("groups = P-384:Curve25519\n", "'Curve25519' in 'groups'");
	lists("groups = prime256v1:X448\n", NULL);
	lists("ciphers = NOTHING-LIKE-THAT\n", "'NOTHING-LIKE-THAT' in 'ciphers'");
	lists("ciphersuites = TLS_NONE\n", "'TLS_NONE' in 'ciphersuites'");
	lists("ciphers = HIGH:!aNULL\nciphersuites = TLS_AES_256_GCM_SHA384\n",
			NULL);
	lists("versions = 1.0, 1.1, 1.2\n", NULL);
}

static void note(void *ctx, const struct tg_where *where, const char *text)
{
	(void)where;
	strncat(ctx, text, 900 - strlen(ctx));
	strncat(ctx, "\n", 2);
}

static void explains_what_it_looked_at(void **state)
{
	char text[1024] = "";
	const struct tg_pol_trace trace = {note, text};

	(void)state;
	use(TRUSTS GW1 "[peer b]\nrole = gateway\naddress = any\n"
				   "identity = gw1.lab.test\ntrust = theirs\n");
	ask("192.0.2.1", TG_POL_IN, pki_named(&theirs, "gw1.lab.test"), NULL);
	assert_peer("b");
	tg_judge_certificate(judge, &in, &trace, &out);
	assert_peer("b");
	assert_non_null(strstr(text, "peer gw1: cert-untrusted: issuer"));
	assert_non_null(strstr(text, "peer b: proven as gw1.lab.test"));
	assert_non_null(strstr(text, "it is peer b\n"));
}

#define GRACE "stale_grace = 1000s\n"

static time_t judged(time_t at, bool established, uint32_t spread, X509 *leaf)
{
	in = (struct tg_judge_in){.policy = policy,
			.generation = generation,
			.conn = {.direction = TG_POL_IN, .transport = TG_POL_TR_TLS},
			.leaf = leaf,
			.at = at,
			.established = established,
			.spread = spread};
	assert_true(tg_addr_parse(TG_SPAN("192.0.2.21"), &in.conn.remote));
	tg_judge_certificate(judge, &in, NULL, &out);
	return out.x509.reason == TG_REASON_NONE ? out.x509.not_after : 0;
}

static void connections_outlive_a_stale_crl_by_its_grace(void **state)
{
	X509 *leaf = pki_named(&ours, "gw1.lab.test");
	time_t end = PKI_NOW + 7 * PKI_DAY;

	(void)state;
	crl_pem = pki_crl_pem(
			PKI_CRLS(pki_crl(&ours, (struct pki_crl){.next_update = end})));
	use("[trust ours]\nca_file = ours.pem\ncrl_file = crl.pem\n" GRACE
		"[peer gw1]\nrole = gateway\naddress = 192.0.2.21\n"
		"identity = gw1.lab.test\ntrust = ours\n");
	assert_int_equal(judged(PKI_NOW, false, 0, leaf), end + 1000);
	assert_int_equal(judged(end + 1, false, 0, leaf), 0);
	assert_int_equal(out.verdict.reason, TG_REASON_CRL_EXPIRED);
	assert_int_equal(judged(end + 1000, true, 0, leaf), end + 1000);
	assert_int_equal(judged(end + 1001, true, 0, leaf), 0);
	/* each ends in the last tenth, and when it is said to */
	for(uint32_t spread = 0; spread < 500; spread += 7) {
		time_t until = judged(PKI_NOW, true, spread, leaf);

		assert_in_range(until, end + 900, end + 1000);
		assert_int_equal(judged(until, true, spread, leaf), until);
		assert_int_equal(judged(until + 1, true, spread, leaf), 0);
	}
}

static void a_crl_in_place_of_another_must_be_of_that_ca(void **state)
{
	struct pki_ca namesake = pki_root("Ours");
	struct tg_span path = TG_SPAN("crl.pem"), data;
	struct tg_diags diags;

	(void)state;
	use("[trust ours]\nca_file = ours.pem\ncrl_file = crl.pem\n"
		"[peer gw1]\nrole = gateway\naddress = 192.0.2.21\n"
		"identity = gw1.lab.test\ntrust = ours\n");
	tg_diags_init(&diags, &tg_alloc_libc);
	data = pki_crl_pem(PKI_CRLS(pki_crl(&ours, (struct pki_crl){0})));
	assert_true(tg_judge_check_crl(policy, path, data, &diags));
	data = pki_crl_pem(
			PKI_CRLS(pki_crl(&ours, (struct pki_crl){.signer = &namesake})));
	assert_false(tg_judge_check_crl(policy, path, data, &diags));
	assert_false(tg_judge_check_crl(policy, path, ours_pem, &diags));
	assert_false(tg_judge_check_crl(policy, path, TG_SPAN("torn off"), &diags));
	tg_diags_deinit(&diags);
}

/* ---- a status that is fetched ------------------------------------------------- */

#define FETCHED(more)                                                   \
	"[trust ours]\nca_file = ours.pem\nocsp = fetch\nresponder = aia\n" \
	"stale_grace = 0s\nmax_pending_time = 10s\n" more GW1

static struct tg_x509_status known;
static unsigned asked;

static void tell(void *ctx, const struct tg_pol_trust *trust, X509 *cert,
		X509 *issuer, bool allow_sha1, struct tg_x509_status *answer)
{
	(void)ctx;
	(void)allow_sha1;
	assert_true(tg_span_eq(trust->name, TG_SPAN("ours")));
	assert_non_null(cert);
	assert_int_equal(X509_cmp(issuer, ours.cert), 0);
	asked++;
	*answer = known;
}

static const struct tg_pol_verdict *ask_with_status(
		X509 *cert, enum tg_pol_direction direction, time_t at)
{
	ask("192.0.2.1", direction, NULL, NULL);
	in.leaf = cert;
	in.at = at;
	in.status = tell;
	memset(&out, 0xff, sizeof(out));
	tg_judge_certificate(judge, &in, NULL, &out);
	return &out.verdict;
}

static void an_open_status_keeps_who_connects_waiting(void **state)
{
	X509 *cert = pki_named(&ours, "gw1.lab.test");

	(void)state;
	use(FETCHED(""));
	memset(&known, 0, sizeof(known));
	ask_with_status(cert, TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_true(out.pending);
	assert_int_equal(out.pending_until, PKI_NOW + 10);
	/* toward a next hop nothing can wait */
	ask_with_status(cert, TG_POL_OUT, PKI_NOW);
	assert_int_equal(out.verdict.decision, TG_POL_DENY);
	assert_int_equal(out.verdict.reason, TG_REASON_OCSP_UNKNOWN);
	known = (struct tg_x509_status){
			.state = TG_X509_STATE_GOOD, .until = PKI_NOW + 60};
	ask_with_status(cert, TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_false(out.pending);
	assert_int_equal(out.x509.not_after, PKI_NOW + 60);
	/* what was good and is over is open */
	ask_with_status(cert, TG_POL_IN, PKI_NOW + 61);
	assert_true(out.pending);
	known.state = TG_X509_STATE_REVOKED;
	ask_with_status(cert, TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_REVOKED);
	assert_false(out.pending);
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	use(FETCHED(""));
	memset(&known, 0, sizeof(known));
	ask_with_status(pki_named(&ours, "gw1.lab.test"), TG_POL_IN, PKI_NOW);
	in.established = true;
	in.pending_until = PKI_NOW + 10;
	in.at = PKI_NOW + 10;
	tg_judge_certificate(judge, &in, NULL, &out);
	assert_true(out.pending);
	assert_int_equal(out.pending_until, PKI_NOW + 10);
	in.at++;
	tg_judge_certificate(judge, &in, NULL, &out);
	assert_int_equal(out.verdict.reason, TG_REASON_OCSP_UNKNOWN);
	assert_false(out.pending);
	/* up on a status that still holds, whatever is known of it now */
	in.pending_until = 0;
	in.status_until = in.at;
	tg_judge_certificate(judge, &in, NULL, &out);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_false(out.pending);
}

static void soft_serves_an_open_status_and_nobody_asks_for_the_refused(
		void **state)
{
	(void)state;
	use(FETCHED("revocation = soft\n"));
	memset(&known, 0, sizeof(known));
	ask_with_status(pki_named(&ours, "gw1.lab.test"), TG_POL_OUT, PKI_NOW);
	assert_int_equal(out.verdict.decision, TG_POL_ALLOW);
	assert_false(out.pending);
	assert_true(out.x509.status_open);
	known.state = TG_X509_STATE_REVOKED;
	ask_with_status(pki_named(&ours, "gw1.lab.test"), TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_REVOKED);
	asked = 0;
	ask_with_status(pki_named(&ours, "gw2.lab.test"), TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_NAME);
	ask_with_status(pki_named(&rogue, "gw1.lab.test"), TG_POL_IN, PKI_NOW);
	assert_int_equal(out.verdict.reason, TG_REASON_CERT_UNTRUSTED);
	assert_int_equal(asked, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
			T(a_peer_is_who_its_certificate_and_address_say),
			T(each_peer_has_its_own_trust),
			T(the_reason_is_the_one_that_says_most),
			T(the_rule_is_the_line_that_decided),
			T(several_peers_share_an_address),
			T(a_certificate_of_two_peers_is_nobodys),
			T(one_identity_with_two_trusts_is_told_apart_by_its_chain),
			T(phones_and_a_gateway_behind_one_nat),
			T(wildcards_and_eku_follow_the_peer),
			T(key_sizes_follow_the_peers_own_profile),
			T(revocation_follows_the_trust),
			T(connections_outlive_a_stale_crl_by_its_grace),
			T(a_crl_in_place_of_another_must_be_of_that_ca),
			T(audit_mode_lets_through_and_says_so),
			T(the_wanted_peer_must_answer),
			T(where_several_may_answer_the_certificate_picks),
			T(a_peer_without_trust_has_no_certificate),
			T(a_new_generation_brings_its_own_trust),
			T(trust_that_cannot_be_read_is_reported_and_denies),
			T(lists_that_openssl_does_not_take_are_reported),
			T(explains_what_it_looked_at),
			T(an_open_status_keeps_who_connects_waiting),
			T(nobody_waits_for_ever),
			T(soft_serves_an_open_status_and_nobody_asks_for_the_refused),
	};

	return cmocka_run_group_tests(tests, NULL, pki_end);
}
