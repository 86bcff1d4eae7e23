# SPDX-License-Identifier: GPL-2.0-or-later
"""Gate 1 outbound and gate 4: what leaves, to whom, and how fast a caller
learns that it may not.

A next hop is a TLS server of the test that counts what it can decrypt and
answers 200, so that a missing check shows as a call that works.
"""

import contextlib
import socket
import ssl
import threading
import time
import unittest

import kamailio
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()

# the next hop, and the one after it, are in headers of the request; X-Dawdle:
# microseconds that the script takes when the next hop could not be reached
ROUTE = """
	if(is_method("OPTIONS") && uri == myself && !is_present_hf("X-Next")) {
		sl_send_reply("200", "OK");
		exit;
	}
	if(is_method("CANCEL")) {
		if(t_check_trans()) t_relay();
		exit;
	}
	if(is_method("ACK") && t_check_trans()) {
		t_relay();
		exit;
	}
	if(is_present_hf("X-Uri")) $ru = $hdr(X-Uri);
	$du = $hdr(X-Next);
	t_on_failure("NEXT");
	if(is_present_hf("X-Dawdle")) route(DAWDLE);
	if(!t_relay()) sl_reply_error();
	exit; # a route that ends with a failure closes the connection on 6.0
"""
ROUTES = """
route[DAWDLE] {
	@ALONE@
	if(!t_relay()) {
		usleep("$(hdr(X-Dawdle){s.int})");
		xlog("L_NOTICE", "the script of $ci goes on\n");
		$du = $hdr(X-Then);
		if(!t_relay()) sl_reply_error();
	}
	exit;
}
failure_route[NEXT] {
	xlog("L_NOTICE", "failure_route ran for $ci with $T_reply_code\\n");
	if(is_present_hf("X-Then") && $du != $hdr(X-Then)) {
		$du = $hdr(X-Then);
		t_relay();
	}
}
"""
# else tm of 6.1 answers 477 although the script goes on, without any of ours, too
ALONE = "t_set_disable_internal_reply(1);" if kamailio.version() >= (6, 1) else ""
EDGE = tls_edge.edge("edge", KEYS, route=ROUTE, routes=ROUTES.replace(
    "$T_reply_code", "$T(reply_code)").replace("@ALONE@", ALONE), params="""
loadmodule "tmx.so"
loadmodule "cfgutils.so"
modparam("tls_policy", "retry_ms", 300)
""")

GW1, GW2 = "sip:127.0.0.21:5067;transport=tls", "sip:127.0.0.22:5067;transport=tls"
REFUSED_SEC = 1.0


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


def server(leaf, address="127.0.0.21", port=5067, **more):
    return tls_edge.Server(KEYS, leaf, (address, port), **more)


class Case(unittest.TestCase):
    def setUp(self):
        # connections and failures of the test before are forgotten
        proc.wait_until(self._no_connections, "the edge is alone", 10)
        time.sleep(0.32)  # retry_ms

    @staticmethod
    def _no_connections():
        return "src_ip" not in EDGE.rpc("core.tcp_list")

    def ask(self, next_hop, method="INVITE", then=None, uri=None, client=None,
            dawdle_us=None):
        """(status, seconds, Call-ID) of what the caller gets."""
        headers = [f"X-Next: {next_hop}"]
        if then:
            headers.append(f"X-Then: {then}")
        if uri:
            headers.append(f"X-Uri: {uri}")
        if dawdle_us:
            headers.append(f"X-Dawdle: {dawdle_us}")
        with contextlib.ExitStack() as stack:
            c = client or stack.enter_context(
                tls_edge.connect(KEYS, tls_edge.CLIENT))
            call_id = f"{time.monotonic_ns()}@test"
            began = time.monotonic()
            answer = c.request(method, "sip:bob@edge.lab.test", headers=headers,
                               call_id=call_id, timeout=5)
            return (answer.status if answer else 0, time.monotonic() - began, call_id)

    def served(self, next_hop=GW1, **more):
        self.assertEqual(self.ask(next_hop, **more)[0], 200)

    def refused(self, next_hop=GW1, **more):
        status, took, _ = self.ask(next_hop, **more)
        self.assertGreaterEqual(status, 400)
        self.assertLess(took, REFUSED_SEC)
        return status


class RightServer(Case):
    """(A1, A25)"""

    def test_is_served_with_its_name_asked_for(self):
        with server("gateway1") as s:
            self.served()
            listed = EDGE.rpc("tls_policy.connections")
        self.assertGreater(s.octets, 0)
        self.assertIn("sni: gw1.lab.test", listed)
        self.assertIn("identity: gw1.lab.test", listed)

    def test_connection_is_used_again(self):
        with server("gateway1") as s:
            self.served()
            self.served(method="MESSAGE")
        self.assertEqual(s.connections, 1)

    def test_requests_during_the_handshake_are_served(self):
        with server("gateway1") as s, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(tls_edge.connect(KEYS, tls_edge.CLIENT))
                       for _ in range(8)]
            for c in clients:
                c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c,
                                 headers=[f"X-Next: {GW1}"]))
            self.assertEqual([c.final(5).status for c in clients], [200] * 8)
        self.assertGreater(s.octets, 0)

    def test_of_serverauth_only(self):
        with server("gw1-serverauth"):
            self.served()


IMPOSTORS = {  # leaf: (reason, alert)
    "mediation1": ("cert-name", "BAD_CERTIFICATE"),
    "gateway2": ("cert-name", "BAD_CERTIFICATE"),
    "impostor-rogue": ("cert-untrusted", "UNKNOWN_CA"),
    "impostor-partner": ("cert-untrusted", "UNKNOWN_CA"),
    "gw1-expired": ("cert-expired", "CERTIFICATE_EXPIRED"),
    "gw1-revoked": ("cert-revoked", "CERTIFICATE_REVOKED"),
    "gw1-clientauth": ("cert-eku", ""),
    "gw1-wildcard": ("cert-name", ""),
    "gw1-selfsigned": ("cert-self-signed", ""),
}


class NobodyThere(Case):
    """connect() fails at once, and t_relay() in the script says so (B1)"""

    def test_the_script_alone_goes_on(self):
        for dawdle_us in (1, 200000):
            with self.subTest(dawdle_us=dawdle_us), \
                    server("gateway2", "127.0.0.22") as good, \
                    tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                status, _, call_id = self.ask(GW1, then=GW2, client=c,
                                             dawdle_us=dawdle_us)
                self.assertIn(f"the script of {call_id} goes on", EDGE.log())
                self.assertNotIn(f"failure_route ran for {call_id}", EDGE.log())
                self.assertEqual(status, 200)
                # nobody else answered, or went on with the next hop as well
                self.assertIsNone(c.final(0.5))
                self.assertEqual([m.method for m in good.requests].count("INVITE"), 1)
            self.setUp()


class Impostors(Case):
    """(A27, A30, B1)"""

    def check(self, leaf, reason, alert, method="INVITE"):
        lines = len(EDGE.decisions(gate="handshake-out", reason=reason))
        with server(leaf) as s:
            status, took, call_id = self.ask(GW1, method)
            self.assertGreaterEqual(status, 400)
            self.assertLess(took, REFUSED_SEC)
            proc.wait_until(lambda: s.alerts, "the impostor gets an alert", 3)
        self.assertEqual((s.connections, s.octets), (1, 0))
        self.assertIn("ALERT_" + alert, s.alerts[0])
        self.assertIn(f"failure_route ran for {call_id} with 503", EDGE.log())
        # equal refusals are summed up, so there may be no line of this one
        self.assertGreaterEqual(
            len(EDGE.decisions(gate="handshake-out", reason=reason)), max(lines, 1))

    def test_more_requests_are_refused_at_once(self):
        methods = ("INVITE", "MESSAGE", "OPTIONS", "BYE")
        with server("mediation1") as s, tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            self.refused()
            # all in one go: after retry_ms the next hop would be tried again
            c.send(b"".join(sip.build(m, "sip:bob@edge.lab.test", c,
                                      headers=[f"X-Next: {GW1}"]) for m in methods))
            self.assertEqual([c.final(3).status for _ in methods], [477] * 4)
        self.assertEqual((s.connections, s.octets), (1, 0))

    def test_all_that_waited_are_told(self):
        with server("mediation1") as s, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(tls_edge.connect(KEYS, tls_edge.CLIENT))
                       for _ in range(8)]
            began = time.monotonic()
            for c in clients:
                c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c,
                                 headers=[f"X-Next: {GW1}"]))
            for c in clients:
                self.assertGreaterEqual(c.final(5).status, 400)
            self.assertLess(time.monotonic() - began, REFUSED_SEC)
        self.assertEqual(s.octets, 0)

    def test_failure_route_takes_the_next_destination(self):
        with server("mediation1") as s, server("gateway2", "127.0.0.22") as good:
            status, took, _ = self.ask(GW1, then=GW2)
        self.assertEqual(status, 200)
        self.assertLess(took, REFUSED_SEC)
        self.assertEqual(s.octets, 0)
        self.assertGreater(good.octets, 0)

    def test_after_retry_ms_the_right_server_is_served(self):
        with server("mediation1"):
            self.refused()
        time.sleep(0.32)
        with server("gateway1"):
            self.served()

    def test_of_tls_1_2(self):
        with server("mediation1", highest=ssl.TLSVersion.TLSv1_2) as s:
            self.refused()
        self.assertEqual((s.connections, s.octets), (1, 0))


def _impostor(leaf, reason, alert):
    return lambda self: self.check(leaf, reason, alert)


for _leaf, (_reason, _alert) in IMPOSTORS.items():
    setattr(Impostors, f"test_{_leaf.replace('-', '_')}", _impostor(_leaf, _reason, _alert))


class Spoiler:
    """Passes TLS 1.2 on to a server behind it, with one octet of the server's
    signature changed: the certificate is right, the key is not proven."""

    def __init__(self, address, port, behind, spoil):
        self.listener = socket.create_server((address, port))
        self.behind, self.spoil, self.spoiled = behind, spoil, 0
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        self.listener.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.behind)
                threading.Thread(target=self._copy, args=(near, far), daemon=True).start()
                threading.Thread(target=self._records, args=(far, near), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)

    def _records(self, source, target):
        reader = source.makefile("rb")
        with contextlib.suppress(OSError):
            while len(head := reader.read(5)) == 5:
                body = bytearray(reader.read(int.from_bytes(head[3:], "big")))
                if self.spoil and head[0] == 22 and body[0] == 12:
                    body[-1] ^= 1  # the end of ServerKeyExchange
                    self.spoiled += 1
                target.sendall(head + body)
            target.shutdown(socket.SHUT_WR)


class NoProofOfKey(Case):
    """(A23, A30)"""

    def through(self, spoil):
        with server("gateway1", port=5068, highest=ssl.TLSVersion.TLSv1_2) as s:
            spoiler = Spoiler("127.0.0.21", 5067, ("127.0.0.21", 5068), spoil)
            try:
                status, took, _ = self.ask(GW1)
            finally:
                spoiler.close()
            return status, took, s, spoiler

    def test_is_refused(self):
        status, took, s, spoiler = self.through(True)
        self.assertEqual((spoiler.spoiled, s.octets), (1, 0))
        self.assertGreaterEqual(status, 400)
        self.assertLess(took, REFUSED_SEC)

    def test_control(self):
        self.assertEqual(self.through(False)[0], 200)


class Unreachable(Case):
    def test_closes_in_the_handshake(self):
        with socket.create_server(("127.0.0.21", 5067)) as s:
            threading.Thread(target=lambda: s.accept()[0].close(), daemon=True).start()
            self.refused()

    def test_nobody_listens(self):
        self.refused()


class Destinations(Case):
    """What the policy does not admit: nothing leaves, the caller is told
    (A32, B12)."""

    def nothing_reaches(self, kind, address, port, next_hop, **more):
        with socket.socket(socket.AF_INET, kind) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.settimeout(0.2)
            if kind == socket.SOCK_STREAM:
                s.listen()
            self.refused(next_hop, **more)
            with self.assertRaises(TimeoutError):
                if kind == socket.SOCK_STREAM:
                    s.accept()
                else:
                    s.recv(1)

    def test_undeclared_over_tls(self):
        self.nothing_reaches(socket.SOCK_STREAM, "127.0.0.200", 5061,
                             "sip:127.0.0.200:5061;transport=tls")

    def test_undeclared_over_udp(self):
        self.nothing_reaches(socket.SOCK_DGRAM, "127.0.0.200", 5060, "sip:127.0.0.200:5060")

    def test_a_peer_over_udp_and_tcp(self):
        self.nothing_reaches(socket.SOCK_DGRAM, "127.0.0.21", 5060, "sip:127.0.0.21:5060")
        self.nothing_reaches(socket.SOCK_STREAM, "127.0.0.21", 5060,
                             "sip:127.0.0.21:5060;transport=tcp")

    def test_a_new_connection_to_a_client(self):
        self.nothing_reaches(socket.SOCK_STREAM, "127.0.0.66", 5061,
                             "sip:127.0.0.66:5061;transport=tls")

    def test_a_contact_with_transport_udp(self):
        self.nothing_reaches(socket.SOCK_DGRAM, "127.0.0.66", 5060,
                             "sip:127.0.0.66:5060;transport=udp")

    def test_sips_over_tcp(self):
        """gateway3 is reached over TCP; a sips request is not."""
        self.nothing_reaches(socket.SOCK_STREAM, "127.0.0.23", 5060,
                             "sip:127.0.0.23:5060;transport=tcp",
                             uri="sips:bob@edge.lab.test")

    def test_control_of_sips(self):
        with socket.create_server(("127.0.0.23", 5060)) as s:
            s.settimeout(2)
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                    "X-Next: sip:127.0.0.23:5060;transport=tcp"]))
                near, _ = s.accept()
                near.settimeout(2)
                with near:
                    self.assertTrue(near.recv(4096).startswith(b"MESSAGE "))

    def test_a_client_over_its_own_connection(self):
        with tls_edge.connect(KEYS, "127.0.0.66") as other:
            self.assertEqual(other.request("OPTIONS", "sip:edge.lab.test").status, 200)
            host, port = other.local
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                    f"X-Next: sip:{host}:{port};transport=tls"]))
                self.assertEqual(other.receive(3).method, "MESSAGE")


if __name__ == "__main__":
    unittest.main()
