# SPDX-License-Identifier: GPL-2.0-or-later
"""tls.reload, Kamailio's own command, in the middle of handshakes: contexts
that came into force after the module had looked at all of them, made so by
tests/support/latessl.c, and reloads without a pause under traffic.
"""

import os
import unittest

import kamailio
import proc
import tls_edge
from test_tls_endurance import Traffic
from test_tls_own_certificate import TLS

KEYS = tls_edge.Pki()
POLICY = tls_edge.POLICY.replace(
    "next_hop = 127.0.0.22:5067", "next_hop = 127.0.0.22:5067\nclient_profile = second").replace(
    "profile = sfb2019", "profile = sfb2019\nhandshakes_per_sec = 0\nmax_pending = 0")
HOP = ("127.0.0.21", 5067)
ROUTE = """
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
		if(!t_relay()) sl_reply_error();
		exit;
	}
""" + tls_edge.ROUTE
LATESSL = os.path.join(kamailio.BUILD, "tools", "latessl.so")
MANY = 20  # tls.reload keeps what it replaces


class Late(unittest.TestCase):
    """The module is in each handshake all the same: served, shown the right
    certificate, and refused with an alert (B1, B12)."""

    @classmethod
    def setUpClass(cls):
        cls.file = os.path.join(tls_edge.folder("late"), "left")
        cls.late(0)
        cls.edge = tls_edge.edge("late", KEYS, POLICY, ROUTE, tls=TLS, env=dict(
            os.environ, LD_PRELOAD=LATESSL, LATESSL=cls.file)).start()

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    @classmethod
    def late(cls, count):
        with open(cls.file, "wb") as f:
            f.write(b"x" * count)

    def knock(self, *who):
        self.late(1)
        done = tls_edge.knock(KEYS, *who)
        self.assertEqual(os.path.getsize(self.file), 0)
        return done

    def test_who_comes(self):
        self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))
        self.assertEqual(self.knock(tls_edge.CLIENT), ("served", 200))
        self.assertEqual(self.knock(tls_edge.GATEWAY1, "gw1-expired")[0], "alert")
        self.assertEqual(self.knock(tls_edge.GATEWAY1)[0], "alert")
        self.assertTrue(self.edge.decisions(gate="handshake-in", reason="cert-missing"))

    def called(self, leaf, address, late):
        """-> status, and the server that was there"""
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c, \
                tls_edge.Server(KEYS, leaf, (address, 5067)) as hop:
            c.request("OPTIONS", "sip:edge.lab.test")
            self.late(late)
            status = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                f"X-Next: sip:{address}:5067;transport=tls"], timeout=6).status
            left = os.path.getsize(self.file)
            self.late(0)
            return status, hop, left

    def test_who_is_called(self):
        for late in 1, 2, 3:
            with self.subTest(late):
                status, hop, left = self.called("gateway2", "127.0.0.22", late)
                self.assertEqual((status, left, len(hop.requests)), (200, 0, 1))
                self.assertEqual(hop.clients, [["mediation1.lab.test"]])

    def test_an_impostor_that_is_called(self):
        status, hop, left = self.called("impostor-partner", "127.0.0.21", 1)
        self.assertGreaterEqual(status, 400)
        self.assertEqual((left, hop.octets, hop.requests), (0, 0, []))
        self.assertTrue(hop.alerts)
        # the pause after a failure ends, and the right one is served
        proc.wait_until(lambda: self.called("gateway1", "127.0.0.21", 1)[0] == 200,
                        "the right one is served", 10)

    def test_one_that_is_late_each_time(self):
        """Not judged, so nothing leaves; the caller learns it at once."""
        status, hop, _ = self.called("gateway2", "127.0.0.22", 20)
        self.assertGreaterEqual(status, 400)
        self.assertEqual((hop.octets, hop.requests), (0, []))
        proc.wait_until(lambda: self.called("gateway2", "127.0.0.22", 0)[0] == 200,
                        "it is served after the pause that follows a failure", 10)


class Reloads(unittest.TestCase):
    """One after the other, beside connections that come, stay and go: nothing
    is lost (A25, B12)."""

    def test_without_a_pause(self):
        hop = f"X-Next: sip:{HOP[0]}:{HOP[1]};transport=tls"

        class Closing(tls_edge.Server):
            """Each request of it needs a connection of its own."""

            def answer(self, request):
                return super().answer(request).replace(
                    b"Content-Length", b"Connection: close\r\nContent-Length")

        with Closing(KEYS, "gateway1", HOP) as server, \
                tls_edge.edge("reloads", KEYS, POLICY, ROUTE, tls=TLS, shared_mb=256,
                              params="tcp_children=4\ntcp_connection_lifetime=1\n") as edge, \
                Traffic() as traffic:
            traffic.start(tls_edge.CLIENT, None, hop)
            for _ in range(2):
                traffic.knock(tls_edge.MEDIATION1, "mediation1")
            for _ in range(MANY):
                edge.rpc("tls.reload")
        self.assertTrue(server.requests)
        self.assertEqual(traffic.lost, [])
        print(f"{MANY} times tls.reload, {len(traffic.answers)} answers")


if __name__ == "__main__":
    unittest.main()
