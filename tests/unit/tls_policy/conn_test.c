/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Records of connections and what processes remember of them: ids that are
 * used again, verdicts that are taken back, readers beside writers (A23, B3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"

#include "policy/load.h"
#include "tls_policy/tlsp.h"

/* ---- the rest of the module -------------------------------------------------- */

static struct tlsp_snap snap;
static uint64_t in_force;

const uint64_t *tlsp_snap_generation_at = &in_force;

/* Nothing here is judged: what is not in force any more is denied */
struct tg_judge *tlsp_judge(void)
{
	return NULL;
}

/* The status that connections rest on says something else by now */
static bool moved;

bool tlsp_status_moved(const struct tlsp_status_ref *ref)
{
	return moved && ref->place;
}

void tlsp_status_ask(const struct tg_pol_trust *trust, X509 *leaf, X509 *issuer,
		bool allow_sha1, struct tg_x509_status *out,
		struct tlsp_status_ref *ref)
{
	(void)trust;
	(void)leaf;
	(void)issuer;
	(void)allow_sha1;
	(void)out;
	(void)ref;
	fail();
}

void tlsp_stats_count_ocsp(enum tlsp_ocsp_event event)
{
	(void)event;
	fail();
}

void tlsp_report(const struct tg_pol *p, const struct tg_pol_verdict *v,
		const struct tlsp_report *r)
{
	(void)p, (void)v, (void)r;
}

/* ---- helpers ------------------------------------------------------------------- */

static const char policy[] = "[policy]\nprofile = sfb2019\n"
							 "[clients staff]\naddress = 192.0.2.0/24\n"
							 "[clients guests]\naddress = 198.51.100.0/24\n";

static void load(void)
{
	static const struct tg_pol_host host = {.alloc = {NULL, NULL, NULL}};
	struct tg_pol_host libc = host;
	struct tg_diags diags;

	libc.alloc = tg_alloc_libc;
	tg_diags_init(&diags, &tg_alloc_libc);
	snap.policy =
			tg_pol_load_text(&libc, tg_span_cstr(policy), "policy.cfg", &diags);
	assert_non_null(snap.policy);
	tg_diags_deinit(&diags);
	snap.generation = in_force = 1;
}

static struct tlsp_facts good(int id)
{
	struct tlsp_facts f = {
			.id = id,
			.transport = TG_POL_TR_TLS,
			.established = true,
			.judged = true,
			.allowed = true,
			.generation = in_force,
			.peer = TLSP_NOBODY,
			.wanted = TLSP_NOBODY,
			.clients = 0,
			.tls_version = 0x0304,
	};

	assert_true(tg_addr_parse(TG_SPAN("192.0.2.7"), &f.remote));
	return f;
}

static struct sip_msg message_on(int id)
{
	struct sip_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.rcv.proto = PROTO_TLS;
	msg.rcv.proto_reserved1 = id;
	msg.rcv.src_ip.af = AF_INET;
	msg.rcv.src_ip.len = 4;
	memcpy(msg.rcv.src_ip.u.addr, "\xc0\x00\x02\x07", 4);
	return msg;
}

/* Facts of an INVITE that came over it; as gate 2 asks for them */
static bool facts_of(int id, struct tg_pol_msg *facts)
{
	struct sip_msg msg = message_on(id);

	if(!tlsp_warm_source(&snap, &msg, facts))
		return false;
	facts->method = TG_SPAN("INVITE");
	return true;
}

static bool is_remembered(int id, const struct tg_pol_msg *facts)
{
	const struct tlsp_asked asked = {facts->method, facts->in_dialog};
	struct sip_msg msg = message_on(id);
	const struct tg_pol_verdict *v =
			tlsp_warm_in(snap.generation, &msg, &asked, NULL);

	return v && v->decision == TG_POL_ALLOW;
}

static void judged(int id, const struct tg_pol_msg *facts)
{
	struct sip_msg msg = message_on(id);
	struct tg_pol_verdict v;

	tg_pol_judge_message(snap.policy, facts, NULL, &v);
	tlsp_warm_in_judged(&snap, &msg, facts, NULL, &v);
}

static void judge(int id, struct tg_pol_msg *facts)
{
	assert_true(facts_of(id, facts));
	judged(id, facts);
}

static void drop(int id)
{
	struct tlsp_facts was;

	tlsp_waiting_free(tlsp_conn_drop(id, &was));
}

void tlsp_waiting_free(struct tlsp_waiting *list)
{
	assert_null(list);
}

static int begin(void **state)
{
	struct tlsp_facts f;

	(void)state;
	snap.generation = in_force = 1;
	for(int id = 1; id < 20; id++)
		drop(id);
	f = good(7);
	return tlsp_conn_add(&f) ? 0 : -1;
}

/* ---- what is remembered ----------------------------------------------------------- */

static void remembers_what_was_allowed(void **state)
{
	struct tg_pol_msg facts;

	(void)state;
	assert_true(facts_of(7, &facts));
	assert_true(facts.judged && facts.clients);
	assert_false(is_remembered(7, &facts));
	judge(7, &facts);
	assert_true(is_remembered(7, &facts));
	assert_true(tlsp_warm_holds(7));
}

static void tells_methods_and_dialogs_apart(void **state)
{
	struct tg_pol_msg facts, other;

	(void)state;
	judge(7, &facts);
	other = facts;
	other.method = TG_SPAN("invite");
	assert_false(is_remembered(7, &other));
	other.method = TG_SPAN("INVITEE");
	assert_false(is_remembered(7, &other));
	other = facts;
	other.in_dialog = true;
	assert_false(is_remembered(7, &other));
	assert_true(is_remembered(7, &facts));
}

static void a_fact_of_the_message_alone_is_not_remembered(void **state)
{
	struct tg_pol_msg facts, other;

	(void)state;
	assert_true(facts_of(7, &facts));
	other = facts;
	other.from_domain = TG_SPAN("evil.example");
	judged(7, &other);
	other = facts;
	other.pai_domain[0] = TG_SPAN("evil.example");
	judged(7, &other);
	assert_false(is_remembered(7, &facts));
	judged(7, &facts);
	assert_true(is_remembered(7, &facts));
}

static void a_connection_that_became_a_websocket_is_asked_again(void **state)
{
	struct sip_msg msg = message_on(7);
	const struct tlsp_asked asked = {TG_SPAN("INVITE"), false};
	struct tg_pol_msg facts;

	(void)state;
	judge(7, &facts);
	assert_non_null(tlsp_warm_in(snap.generation, &msg, &asked, NULL));
	msg.rcv.proto = PROTO_WSS;
	assert_null(tlsp_warm_in(snap.generation, &msg, &asked, NULL));
	assert_true(tlsp_warm_source(&snap, &msg, &facts));
	assert_int_equal(facts.conn.transport, TG_POL_TR_WSS);
}

static void remembers_no_denial(void **state)
{
	struct sip_msg msg = message_on(7);
	struct tg_pol_verdict v = {.reason = TG_REASON_CLASS_DENIED};
	struct tg_pol_msg facts;

	(void)state;
	assert_true(facts_of(7, &facts));
	tlsp_warm_in_judged(&snap, &msg, &facts, NULL, &v);
	assert_false(is_remembered(7, &facts));
	v = (struct tg_pol_verdict){.decision = TG_POL_ALLOW, .audited = true};
	tlsp_warm_in_judged(&snap, &msg, &facts, NULL, &v);
	assert_false(is_remembered(7, &facts));
}

static void an_id_that_is_used_again_starts_with_nothing(void **state)
{
	struct tg_pol_msg facts;
	struct tlsp_facts next = good(7);

	(void)state;
	judge(7, &facts);
	drop(7);
	assert_false(tlsp_warm_holds(7));
	assert_false(facts_of(7, &facts));
	/* the same number, from the same address, nothing proven yet */
	next.established = next.judged = next.allowed = false;
	assert_true(tlsp_conn_add(&next));
	assert_false(tlsp_warm_holds(7));
	assert_false(facts_of(7, &facts));
	assert_false(is_remembered(7, &facts));
	/* and good at last, but another party */
	next = good(7);
	next.clients = 1;
	assert_true(tlsp_conn_set(&next));
	assert_true(facts_of(7, &facts));
	assert_ptr_equal(facts.clients, tg_pol_clients_at(snap.policy, 1));
	assert_false(is_remembered(7, &facts));
}

static void a_verdict_that_is_taken_back_is_gone_at_once(void **state)
{
	struct tg_pol_msg facts;
	struct tlsp_facts f = good(7);

	(void)state;
	judge(7, &facts);
	f.allowed = false;
	assert_true(tlsp_conn_set(&f));
	assert_false(tlsp_warm_holds(7));
	assert_false(facts_of(7, &facts));
}

static void a_status_that_changed_is_asked_again(void **state)
{
	struct tlsp_facts f = good(7);

	(void)state;
	f.status.place = 1;
	assert_true(tlsp_conn_set(&f));
	assert_int_equal(tlsp_conn_state(7, in_force, 0), TLSP_CONN_GOOD);
	assert_true(tlsp_facts_current(&snap, &f));
	moved = true;
	assert_int_equal(tlsp_conn_state(7, in_force, 0), TLSP_CONN_STALE);
	assert_false(tlsp_facts_current(&snap, &f));
	moved = false;
	f.held = true;
	f.held_until = time(NULL) + 60;
	assert_true(tlsp_facts_current(&snap, &f));
	f.held_until = time(NULL) - 1;
	assert_false(tlsp_facts_current(&snap, &f));
}

static void what_waits_for_its_status_is_not_remembered(void **state)
{
	struct tlsp_facts f = good(7);
	struct tg_pol_msg facts;

	(void)state;
	f.held = true;
	f.held_until = time(NULL) + 60;
	assert_true(tlsp_conn_set(&f));
	assert_false(facts_of(7, &facts));
	assert_false(tlsp_warm_holds(7));
}

static void another_policy_is_asked_again(void **state)
{
	struct tg_pol_msg facts;

	(void)state;
	judge(7, &facts);
	snap.generation = in_force = 2;
	assert_false(tlsp_warm_holds(7));
	assert_false(is_remembered(7, &facts));
	/* judged again by what this test has for a judge: denied */
	assert_false(facts_of(7, &facts));
}

static void a_certificate_that_expired_is_asked_again(void **state)
{
	struct tg_pol_msg facts;
	struct tlsp_facts f = good(7);

	(void)state;
	f.not_after = time(NULL) - 1;
	assert_true(tlsp_conn_set(&f));
	assert_false(facts_of(7, &facts));
	assert_false(tlsp_warm_holds(7));
}

static void others_in_the_same_place_do_not_answer_for_it(void **state)
{
	struct tg_pol_msg facts;

	(void)state;
	judge(7, &facts);
	/* the places in both tables are the id's remainder */
	assert_false(tlsp_warm_holds(7 + 128));
	assert_false(facts_of(7 + 4096, &facts));
	assert_false(tlsp_warm_holds(0));
}

/* ---- readers beside writers ----------------------------------------------------------- */

#define BUSY 4 /* ids that are fought for, all in one place of the table */
#define WRITERS 2

/* Every fact of a writer's record is made of one number */
static struct tlsp_facts pattern(int id, uint16_t n)
{
	struct tlsp_facts f = good(id);

	f.remote_port = f.local_port = f.tls_version = n;
	f.since = f.not_after = (time_t)n + ((time_t)1 << 40);
	memset(f.identity, 'a' + n % 26, sizeof(f.identity) - 1);
	memset(f.sni, 'a' + n % 26, sizeof(f.sni) - 1);
	return f;
}

static bool is_whole(const struct tlsp_facts *f)
{
	struct tlsp_facts all = pattern(f->id, f->remote_port);

	return memcmp(&all.remote, &f->remote, sizeof(all.remote)) == 0
		   && all.local_port == f->local_port && all.since == f->since
		   && all.not_after == f->not_after && all.tls_version == f->tls_version
		   && memcmp(all.identity, f->identity, sizeof(all.identity)) == 0
		   && memcmp(all.sni, f->sni, sizeof(all.sni)) == 0;
}

static bool every_one_is_whole(void *ctx, const struct tlsp_facts *f)
{
	*(bool *)ctx = *(bool *)ctx && is_whole(f);
	return true;
}

static bool write_or_read(unsigned i)
{
	static uint16_t n;
	int id = 1 + 4096 * (int)(n % BUSY);
	struct tlsp_facts f = pattern(id, (uint16_t)(n * WRITERS + i));
	struct tg_pol_msg facts;
	bool whole = true;

	n++;
	if(i < WRITERS) {
		if(n % 16 == 0)
			drop(id);
		else if(!tlsp_conn_add(&f))
			tlsp_conn_set(&f);
		return true;
	}
	if(tlsp_conn_get(id, &f))
		whole = is_whole(&f);
	if(n % 64 == 0)
		tlsp_conn_each(every_one_is_whole, &whole);
	/* what a process remembers is never older than its stamp */
	if(facts_of(id, &facts))
		whole = whole && facts.judged && facts.clients;
	return whole;
}

static void no_record_is_read_half_written(void **state)
{
	size_t before;

	(void)state;
	drop(7);
	before = host_shm_octets();
	assert_true(host_run(WRITERS + 3, 1500, write_or_read));
	for(int k = 0; k < BUSY; k++)
		drop(1 + 4096 * k);
	assert_int_equal(host_shm_octets(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_setup(remembers_what_was_allowed, begin),
			cmocka_unit_test_setup(tells_methods_and_dialogs_apart, begin),
			cmocka_unit_test_setup(
					a_fact_of_the_message_alone_is_not_remembered, begin),
			cmocka_unit_test_setup(
					a_connection_that_became_a_websocket_is_asked_again, begin),
			cmocka_unit_test_setup(remembers_no_denial, begin),
			cmocka_unit_test_setup(
					an_id_that_is_used_again_starts_with_nothing, begin),
			cmocka_unit_test_setup(
					a_verdict_that_is_taken_back_is_gone_at_once, begin),
			cmocka_unit_test_setup(another_policy_is_asked_again, begin),
			cmocka_unit_test_setup(a_status_that_changed_is_asked_again, begin),
			cmocka_unit_test_setup(
					what_waits_for_its_status_is_not_remembered, begin),
			cmocka_unit_test_setup(
					a_certificate_that_expired_is_asked_again, begin),
			cmocka_unit_test_setup(
					others_in_the_same_place_do_not_answer_for_it, begin),
			cmocka_unit_test_setup(no_record_is_read_half_written, begin),
	};

	host_init();
	load();
	if(tlsp_conns_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
