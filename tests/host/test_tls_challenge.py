# SPDX-License-Identifier: GPL-2.0-or-later
"""Digest credentials and mutual TLS: the edge challenges clients, never a peer
on its verified connection; a challenge of somebody behind the edge passes.
"""

import unittest

import tls_edge

KEYS = tls_edge.Pki()

ROUTE = """
	if($rU == "stateless") {
		append_to_reply("WWW-Authenticate: Digest realm=\\"edge\\", nonce=\\"n1\\"\\r\\n");
		sl_send_reply("401", "Unauthorized");
		exit;
	}
	if($rU == "stateful") {
		t_newtran();
		append_to_reply("Proxy-Authenticate: Digest realm=\\"edge\\", nonce=\\"n2\\"\\r\\n");
		t_reply("407", "Proxy Authentication Required");
		exit;
	}
	if($rU == "late") {
		$du = "sip:127.0.0.22:5067;transport=tls";
		t_set_fr(1000, 1000);
		t_on_failure("ASK");
		t_relay();
		exit;
	}
	if($rU =~ "^(relayed|forked)$") {
		$du = "sip:127.0.0.21:5067;transport=tls";
		if($rU == "forked") {
			append_branch();
			$du = "sip:127.0.0.22:5067;transport=tls";
		}
		t_set_fr(1000, 1000);
		t_relay();
		exit;
	}
""" + tls_edge.ROUTE
ROUTES = """
failure_route[ASK] {
	append_to_reply("WWW-Authenticate: Digest realm=\\"edge\\", nonce=\\"n4\\"\\r\\n");
	t_reply("401", "Unauthorized");
}
"""
EDGE = tls_edge.edge("edge", KEYS, route=ROUTE, routes=ROUTES)


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Challenger(tls_edge.Server):
    """Asks for credentials itself."""

    def answer(self, request):
        return tls_edge.answer(request, "407 Proxy Authentication Required").replace(
            b"Content-Length: 0", b'Proxy-Authenticate: Digest realm="behind", '
            b'nonce="n3"\r\nContent-Length: 0')


class Silent(tls_edge.Server):
    """Takes a request and says nothing."""

    def answer(self, request):
        return b""


class Challenges(unittest.TestCase):
    """(A24)"""

    def ask(self, user, source=tls_edge.MEDIATION1, leaf="mediation1"):
        with tls_edge.connect(KEYS, source, leaf) as c:
            asked = c.request("MESSAGE", f"sip:{user}@edge.lab.test", timeout=5)
            after = c.request("OPTIONS", "sip:edge.lab.test", timeout=3)
        self.assertEqual(after.status, 200)
        return asked

    def ask_client(self, user):
        return self.ask(user, tls_edge.CLIENT, None)

    def test_of_the_edge_reach_clients(self):
        for user, status, header in (("stateless", 401, "www-authenticate"),
                                     ("stateful", 407, "proxy-authenticate")):
            answer = self.ask_client(user)
            self.assertEqual(answer.status, status)
            self.assertIn("Digest", answer.get(header))

    def test_of_the_edge_reach_no_peer(self):
        for user in ("stateless", "stateful"):
            before = len(EDGE.decisions(reason="challenge", verdict="deny"))
            answer = self.ask(user)
            self.assertEqual((answer.status, answer.reason),
                             (500, "No Challenge Inside Mutual TLS"))
            self.assertFalse(answer.get("www-authenticate")
                             + answer.get("proxy-authenticate"))
            self.assertGreaterEqual(
                len(EDGE.decisions(reason="challenge", verdict="deny")), before)
        self.assertTrue(EDGE.decisions(reason="challenge", peer="mediation1"))

    def test_of_the_edge_reach_no_peer_when_a_timer_decides(self):
        with Silent(KEYS, "gateway2", ("127.0.0.22", 5067)) as quiet:
            answer = self.ask("late")
        self.assertEqual(len(quiet.requests), 1)
        self.assertEqual((answer.status, answer.reason),
                         (500, "No Challenge Inside Mutual TLS"))
        self.assertFalse(answer.get("www-authenticate"))

    def test_of_others_pass(self):
        with Challenger(KEYS, "gateway1", ("127.0.0.21", 5067)) as s:
            answer = self.ask("relayed")
        self.assertEqual(len(s.requests), 1)
        self.assertEqual(answer.status, 407)
        self.assertIn("behind", answer.get("proxy-authenticate"))

    def test_of_others_pass_when_a_timer_decides(self):
        with Challenger(KEYS, "gateway1", ("127.0.0.21", 5067)) as s, \
                Silent(KEYS, "gateway2", ("127.0.0.22", 5067)) as quiet:
            answer = self.ask("forked")
        self.assertEqual((len(s.requests), len(quiet.requests)), (1, 1))
        self.assertEqual(answer.status, 407)
        self.assertIn("behind", answer.get("proxy-authenticate"))
