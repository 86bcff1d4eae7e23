# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no call, on the shipped configuration: instant messages, presence
with Kamailio's own modules, HTTP and WebSocket. Over TLS each works; in clear
it is refused, and a policy that says otherwise says so by name of a net.
"""

import os
import unittest

import lab
import lab_services as services
import names
import sip
import tls_edge

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
WEB = ("127.0.0.40", 8443)
LAB = lab.Lab(ROOT, peers=(), site_extra=f"""
#!substdef "!WEB_UPSTREAM!https://edge.lab.test:{WEB[1]}!g"
#!substdef "!WEB_CA!../pki/enterprise-ca/ca.pem!g"
""")
DNS = names.Server()
BOB = services.BOB
INSIDE = "127.0.0.112"  # of the net that may use TCP, where a policy has one

def setUpModule():
    DNS.__enter__()
    DNS.a["edge.lab.test"] = [WEB[0]]
    LAB.up()


def tearDownModule():
    LAB.down()
    DNS.__exit__(None, None, None)


class Leaf:
    """The lab's keys for servers of tls_edge."""

    leaf, ca = staticmethod(LAB.leaf), staticmethod(LAB.ca)


class Messages(unittest.TestCase):
    """Bob registers over TLS; a message reaches him on that connection
    (A2, A3)"""

    @staticmethod
    def message(connection):
        connection.send(services.message(connection))
        return connection.final(4)

    def deliver(self, bob):
        """Answers what comes; the request that came."""
        request = bob.receive(5)
        bob.send(tls_edge.answer(request))
        return request

    def test_over_tls_they_arrive(self):
        with LAB.client(BOB) as bob, LAB.client() as alice:
            self.assertEqual(bob.request("REGISTER", "sip:lab.test", user="bob",
                                         to="sip:bob@lab.test").status, 200)
            alice.send(services.message(alice))
            got = self.deliver(bob)
            self.assertEqual((got.method, got.body), ("MESSAGE", b"hello"))
            self.assertEqual(alice.final().status, 200)
            for transport in ("udp", "tcp"):
                with LAB.client(transport=transport) as c:
                    answer = self.message(c)
                self.assertEqual((answer.status, answer.reason), (403, "TLS Required"))
            self.assertIsNone(bob.receive(0.5))

    def test_a_server_needs_its_certificate(self):
        with LAB.connect(lab.MEDIATION1, "mediation1") as c:
            self.assertEqual(self.message(c).status, 404)  # read, routed: no such user
        with LAB.client(lab.MEDIATION1, "tcp") as c:
            self.assertEqual(self.message(c).status, 403)


class Presence(unittest.TestCase):
    """PUBLISH, SUBSCRIBE and NOTIFY with presence.so (A3)"""

    @staticmethod
    def publish(connection):
        connection.send(services.publish(connection))
        return connection.final(4)

    def test_over_tls_a_watcher_is_told(self):
        with LAB.client(BOB) as bob, LAB.client() as alice:
            self.assertEqual(self.publish(bob).status, 200)
            alice.send(services.subscribe(alice))
            seen = []
            while len(seen) < 2:
                message = alice.receive(5)
                self.assertIsNotNone(message, seen)
                if message.method == "NOTIFY":
                    alice.send(tls_edge.answer(message))
                seen.append(message)
        answer = next(m for m in seen if m.status)
        notify = next(m for m in seen if m.method)
        self.assertIn(answer.status, (200, 202))
        self.assertIn(b"<basic>open</basic>", notify.body)

    def test_in_clear_it_is_refused(self):
        for transport in ("udp", "tcp"):
            with LAB.client(BOB, transport) as c:
                answer = self.publish(c)
                self.assertEqual((answer.status, answer.reason), (403, "TLS Required"))
                c.send(services.subscribe(c))
                self.assertEqual(c.final(3).status, 403)

    def test_a_watcher_who_names_a_place_in_clear_is_not_told_there(self):
        with LAB.client(BOB) as bob, LAB.client() as alice, \
                sip.Connection("udp", lab.EDGE_TLS, lab.CLIENT) as elsewhere:
            self.assertEqual(self.publish(bob).status, 200)
            port = elsewhere.local[1]
            octets = services.subscribe(alice).replace(
                f"{alice.local[1]};transport=tls>".encode(),
                f"{port};transport=udp>".encode())
            self.assertIn(f"{port};transport=udp".encode(), octets)
            alice.send(octets)
            self.assertIn(alice.final(3).status, (200, 202))
            elsewhere.socket.settimeout(1.5)
            with self.assertRaises(TimeoutError):
                elsewhere.socket.recv(4096)


def get(path, **more):
    return services.get(LAB, path, **more)


class Web(unittest.TestCase):
    """Content of a web server behind the edge (A8)"""

    PATHS = ("/meet/deck-1.pdf", "/abs/D-0001.dabs", "/groupexpansion/service.svc")

    def test_over_https_it_is_served(self):
        for path in self.PATHS:
            with tls_edge.HttpsServer(Leaf, "edge", WEB) as server:
                answer = get(path)
            self.assertRegex(answer, r"(?s)^HTTP/1.1 200 .*word$")
            self.assertGreater(server.octets, 0)

    def test_over_http_it_is_refused_and_nobody_is_asked(self):
        with tls_edge.HttpsServer(Leaf, "edge", WEB) as server:
            for path in self.PATHS:
                self.assertRegex(get(path, secured=False), r"^(HTTP/1.1|SIP/2.0) 403 ")
        self.assertEqual(server.connections, 0)

    def test_other_methods_and_paths_are_refused(self):
        with tls_edge.HttpsServer(Leaf, "edge", WEB) as server:
            for path, method, status in (
                    ("/meet/x", "POST", 405), ("/meet/x", "PUT", 405),
                    ("/meet/" + "x" * 600, "GET", 414), ("/meet/../secret", "GET", 404),
                    ("/meet/x?y=z", "GET", 404), ("/elsewhere", "GET", 404)):
                with self.subTest(path[:20] + method):
                    self.assertRegex(get(path, method=method), f"^HTTP/1.1 {status} ")
        self.assertEqual(server.connections, 0)
        self.assertRegex(get("/"), "^HTTP/1.1 200 ")

    def test_a_web_server_of_another_ca_is_not_believed(self):
        for leaf in ("impostor-rogue", "gateway1"):  # another CA, another name
            with tls_edge.HttpsServer(Leaf, leaf, WEB) as server:
                self.assertRegex(get("/meet/x"), "^HTTP/1.1 502 ")
            self.assertEqual((server.connections, server.octets), (1, 0))


class WebSocket(unittest.TestCase):
    """(A7)"""

    def test_wss_is_served_and_speaks_sip(self):
        with services.web(LAB, True) as c:
            self.assertRegex(services.upgrade(c), "^HTTP/1.1 101 ")
            c.transport = "wss"
            answer = services.ask_in_websocket(c, sip.build(
                "REGISTER", "sip:lab.test", c, to="sip:alice@lab.test"))
            self.assertIn(b"SIP/2.0 200 ", answer)

    def test_ws_is_refused(self):
        with services.web(LAB, False) as c:
            self.assertRegex(services.upgrade(c), r"^(HTTP/1.1|SIP/2.0) 403 ")


SHARING = f"""v=0
o=- 1 1 IN IP4 {lab.CLIENT}
s=-
c=IN IP4 {lab.CLIENT}
t=0 0
m=applicationsharing 20900 RTP/SAVP 127
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{"A" * 40}
a=rtpmap:127 x-data/90000
""".replace("\n", "\r\n").encode()


class Sharing(unittest.TestCase):
    """An offer of desktop sharing is read over TLS only (A6)"""

    def offer(self, transport):
        with LAB.client(transport=transport) as c:
            return c.request("INVITE", "sip:nobody@lab.test", body=SHARING, timeout=4)

    def test_in_clear_it_is_refused(self):
        for transport in ("udp", "tcp"):
            answer = self.offer(transport)
            self.assertEqual((answer.status, answer.reason), (403, "TLS Required"))
        self.assertEqual(self.offer("tls").status, 404)  # read, routed: no such user


class Inside(unittest.TestCase):
    """A net that may use TCP, by name, for what its rule lists (A3, A4)"""

    RULE = "\n[clients inside]\naddress = 127.0.0.112/28\ntransport = tls, tcp\n" \
           "media = none\nclasses = call, options, register"

    @classmethod
    def setUpClass(cls):
        cls.policy = os.path.join(LAB.etc, "policy.cfg")
        with open(cls.policy, encoding="utf-8") as f:
            cls.before = f.read()

    def tearDown(self):
        self.load(self.before)

    def load(self, text):
        with open(self.policy, "w", encoding="utf-8") as f:
            f.write(text)
        return LAB.rpc("tls_policy.reload")

    def status(self, method, source=INSIDE, transport="tcp"):
        with LAB.client(source, transport) as c:
            return c.request(method, "sip:lab.test", to="sip:alice@lab.test").status

    def test_only_that_net_and_only_those_classes(self):
        self.assertEqual(self.status("OPTIONS"), 403)
        self.load(self.before + self.RULE + "\n")
        self.assertEqual(self.status("REGISTER"), 200)
        self.assertEqual(self.status("OPTIONS"), 200)
        self.assertEqual(self.status("MESSAGE"), 403)  # IM asks for TLS still
        self.assertEqual(self.status("OPTIONS", lab.CLIENT), 403)
        self.assertEqual(self.status("OPTIONS", transport="udp"), 403)

    def test_lync2013_lets_a_rule_name_instant_messages(self):
        rule = self.RULE.replace("call,", "im, presence, call,") + "\n"
        old = self.before.replace("profile = sfb2019", "profile = lync2013")
        self.load(old + rule)
        self.assertIn(self.status("MESSAGE"), (200, 404))
        self.assertEqual(self.status("MESSAGE", lab.CLIENT), 403)
        self.load(self.before + rule)  # sfb2019: TLS whatever the rule says
        self.assertEqual(self.status("MESSAGE"), 403)
        self.assertEqual(self.status("OPTIONS"), 200)

    def test_everybody_is_no_net(self):
        with self.assertRaisesRegex(lab.LabError, "the old policy stays"):
            self.load(self.before + self.RULE.replace("127.0.0.112/28", "any") + "\n")
        with open(os.path.join(LAB.log, "kamailio.log"), encoding="utf-8") as f:
            self.assertRegex(f.read(), r"policy\.cfg:\d+:\d+: error: .*\(A4\)")


if __name__ == "__main__":
    unittest.main()
