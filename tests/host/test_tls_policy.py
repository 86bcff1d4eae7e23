# SPDX-License-Identifier: GPL-2.0-or-later
"""What surrounds the gates of tls_policy: start and its refusals, reload and
what it does to live connections, functions, variables, commands, limits.
"""

import contextlib
import functools
import glob
import os
import re
import ssl
import subprocess
import time
import unittest
import unittest.mock

import kamailio
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()

ROUTE = """
	if($rU == "pv") {
		append_to_reply("X-Seen: $tlsp(peer) $tlsp(clients) $tlsp(role)"
			" $tlsp(identity) $tlsp(verdict) $tlsp(reason) $tlsp(version)"
			" $tlsp(cipher) $tlsp(class) $tlsp(media)\\r\\n");
		sl_send_reply("200", "OK");
		exit;
	}
	if($rU == "two") {
		$var(both) = $tlsp(role) + $tlsp(class);
		if($tlsp(role) == "" + $tlsp(class)) $var(both) = "the same";
		append_to_reply("X-Seen: $var(both)\\r\\n");
		sl_send_reply("200", "OK");
		exit;
	}
	if($rU == "answer") {
		if(!tls_policy_reply()) sl_send_reply("200", "Nothing Refused");
		exit;
	}
	if($rU == "next") {
		$du = "sip:127.0.0.21:5067;transport=tls";
		t_on_failure("NEXT");
		t_relay();
		exit;
	}
	if($rU == "route") {
		if(!tls_policy_check("$hdr(X-Route)")) {
			append_to_reply("X-Reason: $tlsp(reason)\\r\\n");
			tls_policy_reply();
			exit;
		}
		sl_send_reply("200", "OK");
		exit;
	}
""" + tls_edge.ROUTE

# the first next hop is busy, the second one is nobody's
ROUTES = """
failure_route[NEXT] {
	$du = "sip:127.0.0.200:5067;transport=tls";
	t_set_disable_internal_reply(1);
	if(!t_relay()) {
		append_to_reply("X-Reason: $tlsp(verdict) $tlsp(reason)\\r\\n");
		if(!tls_policy_reply()) t_reply("500", "Nothing Refused");
	}
}
"""

POLICY = tls_edge.POLICY + """
[route trunks]
roles = gateway
classes = options, call

[route im]
clients = staff
classes = im
"""


def with_policy(name, policy=POLICY, **more):
    return tls_edge.edge(name, KEYS, policy, ROUTE, routes=ROUTES, **more)


class Start(unittest.TestCase):
    """(A9, A10, A21, B5)"""

    def refuses(self, pattern, **more):
        log = tls_edge.edge(self.id().rpartition(".")[2], KEYS, **more).refuses_to_start()
        self.assertRegex(log, pattern)
        return log

    def test_with_every_error_of_the_policy(self):
        bad = tls_edge.POLICY.replace("role = mediation", "role = wizard").replace(
            "address = 127.0.0.31", "adress = 127.0.0.31")
        log = self.refuses(r"policy\.cfg:\d+:\d+: error", policy=bad)
        self.assertRegex(log, "wizard")
        self.assertRegex(log, "adress")

    def test_with_a_trust_that_cannot_be_read(self):
        self.refuses("error", policy=tls_edge.POLICY.replace(
            "@PKI@/partner-ca/ca.pem", "@PKI@/edge.key"))

    def test_without_the_policy_file(self):
        self.refuses("policy.cfg", policy=None)

    def test_without_the_parameter(self):
        self.refuses(r'modparam\("tls_policy", "policy"', load=kamailio.WITH_TLS
                     + 'loadmodule "@OURS@/tls_policy.so"')

    def test_without_tls(self):
        self.refuses("tls_policy.so needs tls.so", load="""
loadmodule "@OURS@/tls_policy.so"
modparam("tls_policy", "policy", "@DIR@/policy.cfg")
""")

    def test_with_tls_behind_it_enforces_all_the_same(self):
        with tls_edge.edge("order", KEYS, load="""
loadmodule "@OURS@/tls_policy.so"
modparam("tls_policy", "policy", "@DIR@/policy.cfg")
""" + kamailio.WITH_TLS):
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                             ("served", 200))
            for source, leaf in ((tls_edge.GATEWAY1, None), (tls_edge.GATEWAY1, "mediation1"),
                                 (tls_edge.UNDECLARED, None)):
                self.assertEqual(tls_edge.knock(KEYS, source, leaf)[0], "alert")

    def test_warns_of_what_tls_cfg_says_in_vain(self):
        tls = kamailio.TLS.replace("method = TLSv1.2+", "method = TLSv1+", 1) + (
            "[server:127.0.0.1:5061]\nmethod = TLSv1.2+\nserver_name = edge.lab.test\n"
            "certificate = @PKI@/edge.pem\nprivate_key = @PKI@/edge.key\n"
            "verify_certificate = yes\nrequire_certificate = yes\n")
        with tls_edge.edge("tlscfg", KEYS, tls=tls) as edge:
            said = re.findall(r"tls\.cfg:(\d+): (\[.*) has no effect", edge.log())
            self.assertEqual(said, [
                ("2", "[server:default] method = TLSv1+"),
                ("5", "[server:default] verify_certificate = no"),
                ("6", "[server:default] require_certificate = no"),
                ("12", "[client:default] verify_certificate = no"),
                ("13", "[client:default] require_certificate = no"),
                ("20", "[server:127.0.0.1:5061] require_certificate = yes")])
            # and it is so
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.CLIENT), ("served", 200))
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1)[0], "alert")

    def test_with_threads_in_the_tcp_process(self):
        """A setting of Kamailio 6.1; elsewhere its variable is put into the daemon."""
        folder = tls_edge.folder("threads")
        if kamailio.version() >= (6, 1):
            self.refuses("tcp_main_threads is not", params="tcp_main_threads=2")
            return
        library = os.path.join(folder, "threads.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library],
                       input=b"int ksr_tcp_main_threads = 2;", check=True)
        with unittest.mock.patch.dict(os.environ, LD_PRELOAD=library):
            self.refuses("tcp_main_threads is not")

    def test_with_call_ids_masked_before_it_looks(self):
        topoh = ('loadmodule "topoh.so"\nmodparam("topoh", "mask_key", "of the tests")\n'
                 'modparam("topoh", "mask_callid", %d)\n')
        self.refuses("topoh.so masks Call-IDs", load=kamailio.WITH_POLICY + topoh % 1)
        for load in (kamailio.WITH_POLICY + topoh % 0, topoh % 1 + kamailio.WITH_POLICY):
            with tls_edge.edge("topoh", KEYS, load=load):
                self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                                 ("served", 200))

    def test_behind_what_builds_on_it(self):
        """The gates of tls_policy come first"""
        for name in ("srtp_policy", "mras"):
            with self.subTest(name):
                tls, ours, policy = kamailio.WITH_POLICY.partition('loadmodule "@OURS')
                load = f'loadmodule "xhttp.so"\nloadmodule "@OURS@/{name}.so"\n'
                self.refuses("tls_policy.so must be loaded before this module",
                             load=tls + load + ours + policy,
                             routes="event_route[xhttp:request] { exit; }")

    def test_on_a_version_that_nobody_tried(self):
        """The module as it is built for a Kamailio that compat.h does not know."""
        build, source = os.environ["TG_BUILD"], os.environ["TG_SOURCE"]
        folder = tls_edge.folder("untried")
        startup = os.path.join(folder, "startup.o")
        subprocess.run([
            "cc", "-std=gnu11", "-fPIC", "-DTLSP_HOST_TRIED=0", "-DMOD_NAME=\"tls_policy\"",
            f"@{build}/deps/kamailio.flags", f"-I{source}/modules", f"-I{source}/modules/lib",
            "-isystem", f"{build}/deps/kamailio/src", "-c", "-o", startup,
            f"{source}/modules/tls_policy/startup.c"], check=True)
        objects = [o for o in glob.glob(f"{build}/obj/modules/tls_policy/*.o")
                   if not o.endswith("/startup.o")]
        subprocess.run([
            "cc", "-shared", f"-Wl,--version-script={source}/modules/kamailio.map", "-o",
            f"{folder}/tls_policy.so", startup, *objects, f"{build}/lib/libtrunkguard.a",
            "-lssl", "-lcrypto"], check=True)
        load = kamailio.WITH_POLICY.replace("@OURS@", folder)
        self.refuses("allow_untested_version", load=load)
        with tls_edge.edge("override", KEYS, load=load + (
                'modparam("tls_policy", "allow_untested_version", 1)\n')):
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                             ("served", 200))
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1)[0], "alert")

    def test_with_haproxy(self):
        self.refuses("tcp_accept_haproxy", params="tcp_accept_haproxy=yes")

    def test_with_haproxy_allowed(self):
        with tls_edge.edge("haproxy", KEYS, params="""tcp_accept_haproxy=yes
modparam("tls_policy", "allow_haproxy", 1)"""):
            pass

    def test_with_a_variable_that_does_not_exist(self):
        self.refuses(r"\$tlsp\(colour\)", route='xlog("$tlsp(colour)");')


class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.edge = with_policy("edge").start()
        cls.policy = cls.edge.fill(POLICY.replace("@PKI@", KEYS.path))

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    def tearDown(self):
        self.edge.write("policy.cfg", self.policy)
        self.edge.rpc("tls_policy.reload")

    def reload(self, policy):
        self.edge.write("policy.cfg", policy)
        return self.edge.rpc("tls_policy.reload")


class Values(Running):
    """(B6)"""

    def seen(self, source, leaf=None, transport="tls", user="pv"):
        with contextlib.ExitStack() as stack:
            if transport == "tls":
                c = tls_edge.connect(KEYS, source, leaf)
            else:
                c = sip.Connection(transport, ("127.0.0.1", 5060), source)
            stack.enter_context(c)
            return c.request("OPTIONS", f"sip:{user}@edge.lab.test").get("x-seen")

    def test_of_a_peer(self):
        self.assertEqual(
            self.seen(tls_edge.GATEWAY1, "gateway1"),
            "gateway1 <null> gateway gw1.lab.test allow none TLSv1.3 "
            "TLS_AES_256_GCM_SHA384 options gateway-default")

    def test_of_a_client(self):
        self.assertRegex(self.seen(tls_edge.CLIENT),
                         "^<null> staff clients <null> allow none TLSv1.3 ")

    def test_of_a_peer_in_clear(self):
        self.assertEqual(self.seen(tls_edge.GATEWAY3, transport="tcp"),
                         "gateway3 <null> gateway <null> allow none <null> <null> "
                         "options clear")

    def test_are_two_in_one_expression(self):
        self.assertEqual(self.seen(tls_edge.CLIENT, user="two"), "clientsoptions")


class Busy(tls_edge.Server):
    def answer(self, request):
        return tls_edge.answer(request, "503 Service Unavailable")


class Routes(Running):
    """(B9)"""

    def ask(self, source, leaf, route, method="OPTIONS"):
        with tls_edge.connect(KEYS, source, leaf) as c:
            return c.request(method, "sip:route@edge.lab.test",
                             headers=[f"X-Route: {route}"])

    def test_admits(self):
        self.assertEqual(self.ask(tls_edge.GATEWAY1, "gateway1", "trunks").status, 200)
        self.assertEqual(self.ask(tls_edge.CLIENT, None, "im", "MESSAGE").status, 200)
        self.assertEqual(self.ask(tls_edge.CLIENT, None, "default").status, 200)

    def test_refuses_the_party(self):
        answer = self.ask(tls_edge.CLIENT, None, "trunks")
        self.assertEqual((answer.status, answer.get("x-reason")), (403, "route-denied"))

    def test_refuses_the_class(self):
        answer = self.ask(tls_edge.GATEWAY1, "gateway1", "trunks", "MESSAGE")
        self.assertEqual((answer.status, answer.get("x-reason")), (403, "class-denied"))

    def test_behind_a_failure_are_told_what_was_refused(self):
        with Busy(KEYS, "gateway1", (tls_edge.GATEWAY1, 5067)) as busy, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            for n in range(1, 5):  # in either worker
                answer = c.request("MESSAGE", "sip:next@edge.lab.test", timeout=5)
                self.assertEqual(len(busy.requests), n)
                self.assertEqual(answer.get("x-reason"), "deny egress-undeclared")
                self.assertEqual((answer.status, answer.reason), (403, "Forbidden"))

    def test_that_does_not_exist_is_refused(self):
        self.assertEqual(self.ask(tls_edge.GATEWAY1, "gateway1", "nowhere").status, 403)


class Commands(Running):
    """(B15)"""

    def test_peers(self):
        self.assertRegex(self.edge.rpc("tls_policy.peers"),
                         r"(?s)peer: gateway1.*role: gateway.*identity: gw1\.lab\.test")

    def test_connections(self):
        with tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as c:
            c.request("OPTIONS", "sip:edge.lab.test")
            text = self.edge.rpc("tls_policy.connections")
        self.assertRegex(text, r"(?s)remote: 127\.0\.0\.21.*state: allowed.*peer: gateway1")
        proc.wait_until(lambda: "127.0.0.21" not in self.edge.rpc("tls_policy.connections"),
                        "its record is gone", 8)

    def test_explain_says_what_the_gate_does(self):
        for source, word in ((tls_edge.MEDIATION1, "mtls-required"),
                             (tls_edge.CLIENT, "tls-required"),
                             (tls_edge.UNDECLARED, "undeclared")):
            text = self.edge.rpc("tls_policy.explain", source, "udp", "OPTIONS")
            self.assertIn(f"verdict=deny reason={word}", text)
        self.assertIn("verdict=allow", self.edge.rpc(
            "tls_policy.explain", tls_edge.GATEWAY3, "tcp", "OPTIONS"))

    def test_explain_says_what_decides_over_tls(self):
        explain = functools.partial(self.edge.rpc, "tls_policy.explain")
        self.assertIn("verdict=deny reason=undeclared", explain(tls_edge.UNDECLARED, "tls"))
        self.assertIn("its certificate decides", explain(tls_edge.GATEWAY1, "tls"))
        self.assertIn("verdict=allow", explain(tls_edge.CLIENT, "tls"))

    def test_explain_takes_an_invite_for_granted(self):
        self.reload(self.policy.replace("address = 127.0.0.64/26", """address = 127.0.0.64/26
classes = call"""))
        explain = functools.partial(self.edge.rpc, "tls_policy.explain", tls_edge.CLIENT, "tls")
        self.assertIn("verdict=allow", explain())
        self.assertIn("reason=class-denied", explain("REGISTER"))

    def test_explain_looks_at_the_listener(self):
        self.reload(self.policy.replace("address = 127.0.0.64/26", """address = 127.0.0.64/26
listener = 127.0.0.1"""))
        for listener, word in (("127.0.0.1", "allow"), ("127.0.0.2", "deny")):
            text = self.edge.rpc("tls_policy.explain", tls_edge.CLIENT, "tls", "INVITE", listener)
            self.assertIn(f"verdict={word}", text)

    def test_explain_refuses_nonsense(self):
        for words in (("x", "udp"), ("127.0.0.1", "pigeon"), (),
                      ("127.0.0.1", "udp", "INVITE", "here")):
            with self.assertRaises(kamailio.KamailioError):
                self.edge.rpc("tls_policy.explain", *words)


class Reload(Running):
    """(B3, B5)"""

    def options(self, connection):
        return connection.request("OPTIONS", "sip:edge.lab.test", timeout=3)

    def test_of_the_same_keeps_connections(self):
        with tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as c, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as client:
            for _ in range(5):
                self.reload(self.policy)
                self.assertEqual(self.options(c).status, 200)
                self.assertEqual(self.options(client).status, 200)

    def test_of_a_bad_file_changes_nothing_and_says_why(self):
        before = self.edge.rpc("tls_policy.peers")
        with self.assertRaisesRegex(kamailio.KamailioError,
                                    r"old policy stays.*policy\.cfg:\d+"):
            self.reload(self.policy.replace("role = mediation", "role = wizard"))
        self.assertEqual(self.edge.rpc("tls_policy.peers"), before)
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.MEDIATION1, "mediation1"),
                         ("served", 200))

    def test_without_a_peer_ends_its_connection(self):
        """With traffic at once, without it by the sweep; others stay."""
        without = self.policy.replace("identity = gw1.lab.test", "identity = gone.lab.test")
        with tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as busy, \
                tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as silent, \
                tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as other:
            for c in (busy, silent, other):
                self.assertEqual(self.options(c).status, 200)
            before = self.edge.messages_taken()
            self.reload(without)
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                self.options(busy)
            self.assertEqual(self.edge.messages_taken(), before)
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                silent.receive(8)
            self.assertEqual(self.options(other).status, 200)
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1")[0], "alert")


class Audit(Running):
    """(B11)"""

    def test_lets_pass_and_says_so(self):
        self.reload(self.policy.replace("profile = sfb2019", "profile = sfb2019\nmode = audit"))
        for source, leaf in ((tls_edge.MEDIATION1, "gateway1"), (tls_edge.MEDIATION1, None),
                             (tls_edge.UNDECLARED, None)):
            self.assertEqual(tls_edge.knock(KEYS, source, leaf), ("served", 200), (source, leaf))
        with sip.Connection("udp", ("127.0.0.1", 5060), tls_edge.MEDIATION1) as c:
            self.assertEqual(c.request("OPTIONS", "sip:edge.lab.test").status, 200)
        self.assertTrue(self.edge.decisions(verdict="audit", reason="cert-name"))
        self.assertTrue(self.edge.decisions(verdict="audit", reason="mtls-required"))
        self.assertNotIn("mode: enforce", self.edge.rpc("tls_policy.peers"))
        self.assertGreater(self.edge.statistics("tls_policy")["audited"], 0)

    def test_has_nothing_to_answer_for(self):
        self.reload(self.policy.replace("profile = sfb2019", "profile = sfb2019\nmode = audit"))
        with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "gateway1") as c:
            answer = c.request("OPTIONS", "sip:answer@edge.lab.test")
        self.assertEqual((answer.status, answer.reason), (200, "Nothing Refused"))
        with sip.Connection("udp", ("127.0.0.1", 5060), tls_edge.MEDIATION1) as c:
            answer = c.request("OPTIONS", "sip:answer@edge.lab.test")
        self.assertEqual((answer.status, answer.reason), (200, "Nothing Refused"))

    def test_its_end_ends_what_it_let_in(self):
        self.reload(self.policy.replace("profile = sfb2019", "profile = sfb2019\nmode = audit"))
        with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "gateway1") as c:
            self.assertEqual(c.request("OPTIONS", "sip:edge.lab.test").status, 200)
            self.reload(self.policy)
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                c.request("OPTIONS", "sip:edge.lab.test", timeout=3)


class Limits(unittest.TestCase):
    """(B13)"""

    POLICY = POLICY.replace("address = 127.0.0.64/26", """address = 127.0.0.64/26
handshakes_per_sec = 5
max_pending = 3
handshake_time = 1000ms""")

    def setUp(self):
        self.edge = with_policy("limits", self.POLICY).start()
        self.addCleanup(self.edge.stop)

    def test_a_flood_from_one_source_leaves_room_for_a_peer(self):
        results = [tls_edge.knock(KEYS, tls_edge.CLIENT)[0] for _ in range(20)]
        self.assertIn("served", results)
        self.assertGreaterEqual(results.count("dead"), 10)
        for _ in range(20):
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                             ("served", 200))
        self.assertEqual(tls_edge.knock(KEYS, "127.0.0.70"), ("served", 200))
        counted = self.edge.statistics("tls_policy")["refused_limit"]
        self.assertEqual(counted, results.count("dead"))
        self.assertLessEqual(len(self.edge.decisions(gate="accept")), 2)
        time.sleep(1.1)
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.CLIENT), ("served", 200))

    def test_silent_connections_are_few_and_short(self):
        with contextlib.ExitStack() as stack:
            raw = []
            for _ in range(3):
                s = stack.enter_context(sip.socket.socket())
                s.bind((tls_edge.CLIENT, 0))
                s.connect(tls_edge.EDGE)
                s.settimeout(8)
                raw.append(s)
            time.sleep(0.2)
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.CLIENT)[0], "dead")
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                             ("served", 200))
            began = time.monotonic()
            for s in raw:
                self.assertEqual(s.recv(1), b"")
            self.assertLess(time.monotonic() - began, 7)
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.CLIENT), ("served", 200))


if __name__ == "__main__":
    unittest.main()
