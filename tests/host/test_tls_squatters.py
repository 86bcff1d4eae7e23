# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that stand in the way of another: Kamailio sends on any that it
finds by the address and port of the destination, whatever protocol it speaks
and whoever opened it. Who shares a peer's address may open one from the port
where that peer listens, and must not get what is meant for the peer.
"""

import contextlib
import threading
import unittest

import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
NAT, SHARED = "127.0.0.43", "127.0.0.52"
GATEWAY1, PARTNER = ("127.0.0.21", 5067), (NAT, 5067)

POLICY = tls_edge.POLICY + f"""
[peer behind-nat]
role = federation
address = {NAT}
identity = sip.partner.test
trust = partner
next_hop = {NAT}:5067

[peer one]
role = gateway
address = {SHARED}
identity = gw3.lab.test
trust = enterprise
next_hop = {SHARED}:5067

[peer two]
role = gateway
address = {SHARED}
identity = mediation1.lab.test
trust = enterprise
next_hop = {SHARED}:5068

[clients behind-nat]
address = {NAT}
transport = tls, tcp
media = clear
"""

EDGE = tls_edge.edge("edge", KEYS, POLICY, route="""
	if(is_method("OPTIONS") && uri == myself) {
		sl_send_reply("200", "OK");
		exit;
	}
	$du = $hdr(X-Next);
	if(!t_relay()) sl_reply_error();
""")


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Case(unittest.TestCase):
    def ask(self, peer):
        """The status of a request to the peer there."""
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            answer = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                "X-Next: sip:%s:%d;transport=tls" % peer], body=b"secret",
                content_type="text/plain")
            return answer.status if answer else 0

    def gets_nothing(self, squatter, leaf, peer, reason, at_once=True):
        """Its connection ends, and the peer is served beside it."""
        with tls_edge.Server(KEYS, leaf, peer) as s:
            status = self.ask(peer)
            with self.assertRaises(ConnectionError):
                squatter.receive(3)
            self.assertEqual(status == 200, at_once)
            self.assertEqual(self.ask(peer), 200)
            self.assertEqual(len(s.requests), 1 + at_once)
        self.assertTrue(EDGE.decisions(gate="out", reason=reason))


class InClear(Case):
    """A plain TCP connection from the port of the peer (A12, A32)."""

    def squat(self, peer):
        return sip.Connection("tcp", ("127.0.0.1", 5060), source=peer)

    def test_gets_nothing_of_a_peers(self):
        with self.squat(GATEWAY1) as squatter:
            self.gets_nothing(squatter, "gateway1", GATEWAY1, "mtls-required")

    def test_of_a_client_that_may_use_tcp_gets_nothing_of_a_peers(self):
        with self.squat(PARTNER) as squatter:
            answer = squatter.request("OPTIONS", "sip:edge.lab.test")
            self.assertEqual(answer.status, 200)
            self.gets_nothing(squatter, "partner1", PARTNER, "tls-required", False)

    def test_that_comes_and_goes_gets_nothing(self):
        """Between a look of ours and one of Kamailio's, if it can."""
        over, got, times = threading.Event(), [], []

        def come_and_go():
            while not over.is_set():
                with contextlib.suppress(OSError), self.squat(GATEWAY1) as c:
                    times.append(1)
                    c.socket.settimeout(0.002)
                    got.append(c.socket.recv(65536))

        with tls_edge.Server(KEYS, "gateway1", GATEWAY1, shares_port=True) as s:
            squatter = threading.Thread(target=come_and_go)
            squatter.start()
            served = [self.ask(GATEWAY1) for _ in range(100)].count(200)
            over.set()
            squatter.join(5)
            self.assertEqual(len(s.requests), served)
            self.assertGreater(served, 50)
        self.assertGreater(len(times), 10)
        self.assertEqual(b"".join(got), b"")

    def test_where_nobody_listens(self):
        with self.squat(GATEWAY1) as squatter:
            self.assertGreaterEqual(self.ask(GATEWAY1), 400)
            with self.assertRaises(ConnectionError):
                squatter.receive(3)


class OverTls(Case):
    """A softphone that comes from the port of a gateway behind its NAT (A30)."""

    def test_gets_nothing_of_the_gateways(self):
        with tls_edge.connect(KEYS, PARTNER) as squatter:
            answer = squatter.request("OPTIONS", "sip:edge.lab.test")
            self.assertEqual(answer.status, 200)
            self.gets_nothing(squatter, "partner1", PARTNER, "wrong-peer")

    def test_without_a_handshake_is_no_hindrance(self):
        with sip.Connection("tcp", tls_edge.EDGE, source=PARTNER) as squatter:
            self.gets_nothing(squatter, "partner1", PARTNER, "no-verdict")

    def test_is_called_on_a_port_of_its_own(self):
        with tls_edge.connect(KEYS, NAT) as phone, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            self.assertEqual(phone.request("OPTIONS", "sip:edge.lab.test").status, 200)
            c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                "X-Next: sip:%s:%d;transport=tls" % phone.local]))
            self.assertEqual(phone.receive(3).method, "MESSAGE")

    def test_the_gateway_itself_may_come_from_there(self):
        with tls_edge.connect(KEYS, PARTNER, "partner1") as gateway, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            self.assertEqual(gateway.request("OPTIONS", "sip:edge.lab.test").status, 200)
            c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                "X-Next: sip:%s:%d;transport=tls" % PARTNER]))
            request = gateway.receive(3)
            self.assertEqual(request.method, "MESSAGE")
            gateway.send(tls_edge.answer(request))
            self.assertEqual(c.final(3).status, 200)


class OneAddress(Case):
    """Two peers that share an address listen on ports of their own (A30)."""

    def test_neither_is_met_where_the_other_listens(self):
        one, two = (SHARED, 5067), (SHARED, 5068)
        for leaf, peer in (("mediation1", one), ("gateway3", two), ("gateway2", one)):
            with self.subTest(leaf), tls_edge.Server(KEYS, leaf, peer) as s:
                self.assertGreaterEqual(self.ask(peer), 400)
                self.assertEqual(s.octets, 0)
        for leaf, peer in (("gateway3", one), ("mediation1", two)):
            with tls_edge.Server(KEYS, leaf, peer):
                proc.wait_until(lambda: self.ask(peer) == 200, "it is served", 5)


if __name__ == "__main__":
    unittest.main()
