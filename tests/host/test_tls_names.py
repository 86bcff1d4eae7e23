# SPDX-License-Identifier: GPL-2.0-or-later
"""Next hops by name over a name service that lies: an answer that points at
another declared peer, at a peer of any address, or at a peer behind the same
address, is not followed, whoever proves to be there. The true answer is the
control (A30, A31).
"""

import time
import unittest

import names
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
DNS = names.Server()
SHARED, ANYWHERE = "127.0.0.41", "127.0.0.42"

POLICY = tls_edge.POLICY.replace("address = 127.0.0.31", "address = any") + f"""
[peer left]
role = gateway
address = {SHARED}
identity = x.lab.test
trust = enterprise

[peer right]
role = gateway
address = {SHARED}
identity = gw3.lab.test
trust = enterprise
"""

ROUTE = """
	if(is_present_hf("X-Uri")) $ru = $hdr(X-Uri);
	if(is_present_hf("X-Own")) {
		$uac_req(method) = "OPTIONS";
		$uac_req(ruri) = $hdr(X-Own);
		$uac_req(furi) = "sip:edge.lab.test";
		$uac_req(turi) = "sip:edge.lab.test";
		uac_req_send();
		sl_send_reply("200", "OK");
		exit;
	}
	if(is_present_hf("X-Fork")) {
		$du = $hdr(X-Fork);
		append_branch();
	}
	if(is_present_hf("X-Next")) $du = $hdr(X-Next);
	if(is_present_hf("X-Stateless")) {
		forward();
		exit;
	}
	if(is_present_hf("X-Then")) t_on_failure("THEN");
	if(is_present_hf("X-In-Branch")) t_on_branch("BRANCH");
	if(!t_relay()) sl_reply_error();
	exit; # Kamailio 6 closes the connection of a script that ends with an error
"""
ROUTES = """
branch_route[BRANCH] {
	$du = $hdr(X-In-Branch);
}
failure_route[THEN] {
	if($du != $hdr(X-Then)) {
		$du = $hdr(X-Then);
		t_relay();
	}
}
"""
PARAMS = """
loadmodule "uac.so"
modparam("uac", "restore_mode", "none")
modparam("tls_policy", "retry_ms", 100)
"""
EDGE = tls_edge.edge("edge", KEYS, POLICY, ROUTE, routes=ROUTES, params=PARAMS)

RETRY_SEC = 0.12  # retry_ms, and a little

_ports = iter(range(6000, 7000))


def setUpModule():
    unittest.enterModuleContext(DNS)
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Case(unittest.TestCase):
    def setUp(self):
        # each test has names and ports of its own in the cache of Kamailio
        self.port = next(_ports)
        EDGE.rpc("dns.delete_all_force")
        DNS.a.clear()
        DNS.srv.clear()

    def uri(self, host, port=True):
        return f"sip:{host}{f':{self.port}' if port else ''};transport=tls"

    def server(self, leaf, address):
        return tls_edge.Server(KEYS, leaf, (address, self.port))

    def ask(self, *headers, method="MESSAGE"):
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            return c.request(method, "sip:bob@edge.lab.test", headers=headers,
                             timeout=4).status

    def refused(self, server, *headers):
        """No octet, and not for want of an answer of the name service."""
        asked, octets = len(DNS.asked), server.octets
        self.assertGreaterEqual(self.ask(*headers), 400)
        self.assertEqual((server.octets, server.requests), (octets, []))
        self.assertGreater(len(DNS.asked), asked)

    def served(self, server, *headers):
        self.assertEqual(self.ask(*headers), 200)
        self.assertEqual(len(server.requests), 1)


class Lies(Case):
    """DNS says that a peer is where another one is (A31, B12)"""

    def check(self, name, leaf, address, true_name):
        """name is said to be at address, where true_name's owner is."""
        DNS.a[name] = DNS.a[true_name] = [address]
        for header in ("X-Next", "X-Uri", "X-In-Branch"):
            with self.subTest(header), self.server(leaf, address) as s:
                self.refused(s, f"{header}: {self.uri(name)}")
                time.sleep(RETRY_SEC)
                self.served(s, f"{header}: {self.uri(true_name)}")
            self.setUp()
            DNS.a[name] = DNS.a[true_name] = [address]

    def test_another_peer(self):
        self.check("gw1.lab.test", "gateway2", "127.0.0.22", "gw2.lab.test")

    def test_a_peer_of_any_address(self):
        self.check("gw1.lab.test", "partner1", ANYWHERE, "sip.partner.test")

    def test_a_peer_behind_the_same_address(self):
        self.check("x.lab.test", "gateway3", SHARED, "gw3.lab.test")

    def test_a_name_that_no_peer_has(self):
        self.check("nobody.lab.test", "partner1", ANYWHERE, "sip.partner.test")


class Ways(Case):
    """Each way on which a request reaches the network (A31)."""

    def setUp(self):
        super().setUp()
        DNS.a["gw1.lab.test"] = DNS.a["gw2.lab.test"] = ["127.0.0.22"]
        self.lie, self.truth = self.uri("gw1.lab.test"), self.uri("gw2.lab.test")

    def stateless(self, call_id):
        """call_id: how the header is spelled"""
        with self.server("gateway2", "127.0.0.22") as s:
            before = EDGE.statistics("tls_policy")["refused_egress_name"]
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                for uri in (self.lie, self.truth):
                    c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                        "X-Stateless: 1", f"X-Next: {uri}"]).replace(
                            b"Call-ID: ", call_id))
                self.assertEqual(c.final(4).status, 200)
            self.assertEqual(len(s.requests), 1)
        self.assertEqual(
            EDGE.statistics("tls_policy")["refused_egress_name"], before + 1)

    def test_stateless(self):
        for call_id in (b"Call-ID: ", b"i:", b"CALL-ID :\r\n "):
            with self.subTest(call_id):
                self.stateless(call_id)
            time.sleep(RETRY_SEC)
            self.setUp()

    def test_failure_route(self):
        first = f"X-Next: {self.uri('127.0.0.21')}"
        for uri, served in ((self.lie, False), (self.truth, True)):
            with self.server("gateway2", "127.0.0.22") as s, \
                    self.server("impostor-rogue", "127.0.0.21") as impostor:
                status = self.ask(first, f"X-Then: {uri}")
                self.assertEqual((status == 200, len(s.requests)), (served, served))
                self.assertTrue(impostor.alerts)
            time.sleep(RETRY_SEC)

    def test_parallel_branches(self):
        with self.server("gateway2", "127.0.0.22") as s, \
                self.server("gateway1", "127.0.0.21") as right:
            self.assertEqual(self.ask(f"X-Next: {self.uri('127.0.0.21')}",
                                      f"X-Fork: {self.lie}"), 200)
            self.assertEqual((len(right.requests), s.octets), (1, 0))
            self.assertEqual(self.ask(f"X-Next: {self.lie}",
                                      f"X-Fork: {self.truth}"), 200)
            self.assertEqual(len(s.requests), 1)

    def test_requests_of_kamailio_itself(self):
        with self.server("gateway2", "127.0.0.22") as s:
            for uri in (self.lie, self.truth):
                self.assertEqual(self.ask(f"X-Own: {uri}"), 200)
            proc.wait_until(lambda: s.requests, "the true one arrives", 4)
            self.assertEqual([m.first.split()[1] for m in s.requests], [self.truth])

    def test_srv(self):
        """The name that is asked for counts, not the one it leads to."""
        for name, target in (("gw1.lab.test", "gw2.lab.test"),
                             ("gw2.lab.test", "gw1.lab.test")):
            DNS.srv[f"_sips._tcp.{name}"] = [(1, self.port, target)]
        with self.server("gateway2", "127.0.0.22") as s:
            self.refused(s, f"X-Next: {self.uri('gw1.lab.test', False)}")
            self.served(s, f"X-Next: {self.uri('gw2.lab.test', False)}")

    def test_by_address_as_before(self):
        with self.server("gateway2", "127.0.0.22") as s:
            self.assertEqual(
                self.ask(f"X-Next: {self.uri('127.0.0.22')}",
                         "X-Uri: sip:bob@gw1.lab.test"), 200)
            self.assertEqual(len(s.requests), 1)


class SharedHandshake(Case):
    """A connection that is being made for one of two peers behind an address
    takes no request for the other one."""

    def test_takes_no_other_request(self):
        DNS.a["x.lab.test"] = DNS.a["gw3.lab.test"] = [SHARED]
        with self.server("gateway3", SHARED) as s, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            for name in ("gw3.lab.test", "x.lab.test"):
                c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, call_id=name,
                                 headers=[f"X-Next: {self.uri(name)}"]))
            answers = {}
            while len(answers) < 2:
                answer = c.final(4)
                answers[answer.get("call-id")] = answer.status
            self.assertEqual(answers, {"gw3.lab.test": 200, "x.lab.test": 477})
            self.assertEqual(len(s.requests), 1)


if __name__ == "__main__":
    unittest.main()
