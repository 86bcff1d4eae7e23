# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests inside a dialog are taken from its parties only, also when an
outsider knows Call-ID and tags; parties may reconnect, both sides may send,
forks and a way through another server count (B10).
"""

import contextlib
import threading
import time
import unittest

import sip
import tls_edge

KEYS = tls_edge.Pki()

# everything is answered here but what names a next hop
ROUTE = """
	if(is_present_hf("X-Fork")) {
		$du = $hdr(X-Fork);
		append_branch();
	}
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
		if(!t_relay()) sl_reply_error();
		exit;
	}
	if(!is_method("ACK")) sl_send_reply("200", "OK");
"""
POLICY = tls_edge.POLICY + """
[clients other]
address = 127.0.0.128/26
"""
EDGE = tls_edge.edge("edge", KEYS, POLICY, ROUTE)

_ports = iter(range(6000, 7000))


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Case(unittest.TestCase):
    def setUp(self):
        self.port = next(_ports)
        self.call = {"call_id": f"{time.monotonic_ns()}@test", "from_tag": "caller"}

    def uri(self, host):
        return f"sip:{host}:{self.port};transport=tls"

    def begin(self, *more, method="INVITE", source=tls_edge.CLIENT, leaf=None,
              to="127.0.0.21", server="gateway1"):
        with contextlib.ExitStack() as stack:
            stack.enter_context(tls_edge.Server(KEYS, server, (to, self.port)))
            c = stack.enter_context(tls_edge.connect(KEYS, source, leaf))
            answer = c.request(method, "sip:bob@edge.lab.test", timeout=4,
                               headers=[f"X-Next: {self.uri(to)}", *more], **self.call)
            self.assertEqual(answer.status, 200)

    def send(self, source, leaf=None, method="BYE", callee=False, **call):
        """The status of a request in the dialog from there."""
        known = {**self.call, **call}
        if callee:
            known["from_tag"] = "server"
        with tls_edge.connect(KEYS, source, leaf) as c:
            octets = sip.build(method, "sip:edge.lab.test", c, cseq=2, **known,
                               to="sip:bob@edge.lab.test>;tag=server;x=<y")
            c.send(octets.replace(b";x=<y>", b""))
            return c.final(4).status

    def gateway(self, **more):
        return self.send(tls_edge.GATEWAY1, "gateway1", callee=True, **more)

    def outsider(self, **more):
        return self.send(tls_edge.MEDIATION1, "mediation1", **more)


class Parties(Case):
    def test_both_may_send_and_reconnect(self):
        self.begin()
        for method in ("UPDATE", "INFO", "INVITE", "BYE"):
            with self.subTest(method):
                # each from a connection of its own
                self.assertEqual(self.send(tls_edge.CLIENT, method=method), 200)
                self.assertEqual(self.gateway(method=method), 200)

    def test_an_outsider_may_not(self):
        self.begin()
        for method in ("UPDATE", "INFO", "INVITE", "REFER", "BYE"):
            for callee in (False, True):
                with self.subTest(method, callee=callee):
                    self.assertEqual(self.outsider(method=method, callee=callee), 481)
        self.assertTrue(EDGE.decisions(gate="in", reason="not-a-party"))
        self.assertEqual(self.gateway(), 200)

    def test_other_clients_may_not(self):
        self.begin()
        self.assertEqual(self.send("127.0.0.130"), 481)
        self.assertEqual(self.send("127.0.0.66"), 200)  # of the caller's section

    def test_to_begin_it_again_makes_nobody_a_party(self):
        self.begin()
        with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as c:
            self.assertEqual(c.request(
                "INVITE", "sip:edge.lab.test", timeout=4, **self.call).status, 200)
        self.assertEqual(self.outsider(), 481)

    def again(self, to="127.0.0.11", server="mediation1", fold=b"", **call):
        """The outsider begins it again, toward there."""
        port = next(_ports)
        with tls_edge.Server(KEYS, server, (to, port)) as s, \
                tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as c:
            octets = sip.build("INVITE", "sip:edge.lab.test", c, **{**self.call, **call},
                               headers=[f"X-Next: sip:{to}:{port};transport=tls"])
            c.send(octets.replace(b"Max-Forwards", fold + b"Max-Forwards"))
            self.assertEqual(c.final(4).status, 200)
            self.assertTrue(s.requests)

    def test_to_begin_it_again_toward_itself_makes_nobody_a_party(self):
        self.begin()
        self.again()
        self.again("127.0.0.22", "gateway2")
        self.assertEqual(self.outsider(), 481)
        self.assertEqual(self.send("127.0.0.22", "gateway2"), 481)
        self.assertEqual(self.gateway(), 200)

    def test_a_call_id_behind_a_fold_is_none(self):
        self.begin()
        victim = self.call["call_id"]
        self.again(fold=f"Subject: x\r\n Call-ID: {victim}\r\n".encode(),
                   call_id=f"another-{victim}")
        self.assertEqual(self.outsider(), 481)
        self.assertEqual(self.outsider(call_id=f"another-{victim}"), 200)
        self.assertEqual(self.gateway(), 200)

    def test_a_subscription(self):
        self.begin(method="SUBSCRIBE")
        self.assertEqual(self.outsider(method="NOTIFY"), 481)
        self.assertEqual(self.gateway(method="NOTIFY"), 200)


class Ways(Case):
    def test_each_fork_is_a_party(self):
        with tls_edge.Server(KEYS, "gateway2", ("127.0.0.22", self.port)) as s:
            self.begin(f"X-Fork: {self.uri('127.0.0.22')}")
            self.assertTrue(s.requests)
        self.assertEqual(self.send("127.0.0.22", "gateway2", callee=True), 200)
        self.assertEqual(self.gateway(), 200)
        self.assertEqual(self.outsider(), 481)

    def test_through_another_server(self):
        """A proxy behind the edge sends the request on through the edge."""
        self.begin(to="127.0.0.11", server="mediation1")
        self.begin(source=tls_edge.MEDIATION1, leaf="mediation1")
        self.assertEqual(self.outsider(), 200)
        self.assertEqual(self.gateway(), 200)
        self.assertEqual(self.send(tls_edge.CLIENT), 200)
        self.assertEqual(self.send("127.0.0.22", "gateway2"), 481)


class Unknown(Case):
    def test_is_judged_by_its_sender(self):
        self.assertEqual(self.outsider(), 200)
        self.begin()
        EDGE.stop()
        EDGE.start()
        self.assertEqual(self.gateway(), 200)
        self.assertEqual(self.outsider(), 200)

    def test_many_calls_at_once(self):
        """More than the table's ways under one hash, from several processes."""
        done = []

        def caller(n):
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                for i in range(200):
                    done.append(c.request("INVITE", "sip:edge.lab.test", timeout=10,
                                          call_id=f"{n}-{i}@many", cseq=1,
                                          from_tag="caller").status)

        threads = [threading.Thread(target=caller, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(set(done), {200})
        self.assertEqual(len(done), 800)
        self.assertEqual(self.outsider(call_id="3-199@many"), 481)


if __name__ == "__main__":
    unittest.main()
