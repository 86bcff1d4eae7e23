# SPDX-License-Identifier: GPL-2.0-or-later
"""tls_policy beside others in one Kamailio: users of OpenSSL that are not
tls.so keep their own verification, WebSocket and HTTP go through the same
gates, a script in Python has the functions, the routes of timers run.
"""

import base64
import os
import secrets
import ssl
import unittest

import kamailio
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
HTTPS = ("127.0.0.1", 8443)


class Https(unittest.TestCase):
    """http_client (libcurl) in the same process."""

    LOAD = kamailio.WITH_POLICY + f"""
loadmodule "http_client.so"
modparam("http_client", "cacert", "{KEYS.ca()}")
modparam("http_client", "verify_peer", 1)
modparam("http_client", "verify_host", 0)
"""
    ROUTE = """
	if($rU == "fetch") {
		$var(status) = http_client_query("https://127.0.0.1:8443/", "$var(body)");
		append_to_reply("X-Fetched: $var(status)\\r\\n");
		sl_send_reply("200", "OK");
		exit;
	}
""" + tls_edge.ROUTE

    @classmethod
    def setUpClass(cls):
        cls.edges = {
            "with": tls_edge.edge("https", KEYS, route=cls.ROUTE, load=cls.LOAD).start()}

    @classmethod
    def tearDownClass(cls):
        for edge in cls.edges.values():
            edge.stop()

    def fetch(self, leaf):
        """(status that the script saw, octets that the server could read)"""
        with tls_edge.HttpsServer(KEYS, leaf, HTTPS) as server:
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                answer = c.request("OPTIONS", "sip:fetch@edge.lab.test", timeout=8)
        self.assertEqual(answer.status, 200)
        return answer.get("x-fetched"), server.octets

    def test_a_server_of_the_right_ca_is_fetched_from(self):
        status, octets = self.fetch("edge")
        self.assertEqual(status, "200")
        self.assertGreater(octets, 0)

    def test_a_server_of_another_ca_is_refused(self):
        for leaf in ("impostor-rogue", "partner1", "gw1-selfsigned", "gw1-expired"):
            with self.subTest(leaf):
                status, octets = self.fetch(leaf)
                self.assertNotEqual(status, "200")
                self.assertEqual(octets, 0)


class WebSockets(unittest.TestCase):
    """(A7, A8)"""

    PORTS = ("tcp:127.0.0.1:5080", "tls:127.0.0.1:5443")
    LOAD = kamailio.WITH_POLICY + """
loadmodule "xhttp.so"
loadmodule "websocket.so"
"""
    ROUTES = """
event_route[xhttp:request] {
	if($hdr(Upgrade) =~ "websocket") {
		ws_handle_handshake();
		exit;
	}
	xhttp_reply("200", "OK", "text/plain", "content");
}
"""

    @classmethod
    def setUpClass(cls):
        cls.edge = tls_edge.edge("ws", KEYS, load=cls.LOAD, routes=cls.ROUTES,
                                 listen=cls.PORTS, params="tcp_accept_no_cl=yes").start()

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    def open(self, secured, source=tls_edge.CLIENT, leaf=None):
        if secured:
            return tls_edge.connect(KEYS, source, leaf, target=("127.0.0.1", 5443))
        return sip.Connection("tcp", ("127.0.0.1", 5080), source)

    @staticmethod
    def http(c, head):
        c.socket.settimeout(2)
        c.send(head.encode())
        try:
            return c.socket.recv(65536).decode()
        except (TimeoutError, OSError):
            return ""

    def get(self, *args):
        with self.open(*args) as c:
            return self.http(c, "GET / HTTP/1.1\r\nHost: edge\r\n"
                             "Via: SIP/2.0/TCP 127.0.0.65;branch=z9hG4bKx\r\n"
                             "Content-Length: 0\r\n\r\n")

    def upgrade(self, c):
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        return self.http(c, "GET / HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\n"
                         "Content-Length: 0\r\n\r\n")

    def test_content_over_https_only(self):
        self.assertIn("200 OK", self.get(True))
        self.assertNotIn("200 OK", self.get(False))

    def test_websocket_over_tls_only(self):
        with self.open(True) as c:
            self.assertIn("101 ", self.upgrade(c))
        with self.open(False) as c:
            self.assertNotIn("101 ", self.upgrade(c))

    def test_sip_in_websocket(self):
        with self.open(True) as c:
            self.assertIn("101 ", self.upgrade(c))
            c.transport = "wss"
            octets = sip.build("OPTIONS", "sip:edge.lab.test", c)
            mask = secrets.token_bytes(4)
            body = bytes(b ^ mask[i % 4] for i, b in enumerate(octets))
            c.send(b"\x81\xfe" + len(octets).to_bytes(2, "big") + mask + body)
            answer = c.socket.recv(65536)
        self.assertIn(b"SIP/2.0 200 OK", answer)

    def test_websocket_of_a_stranger_is_refused(self):
        with self.assertRaisesRegex(ssl.SSLError, "ALERT"):
            with self.open(True, tls_edge.UNDECLARED) as c:
                c.socket.settimeout(2)
                c.socket.recv(1)


class Timers(unittest.TestCase):
    """Routes that nobody sent a message for: Kamailio hands them one of its own."""

    LOAD = kamailio.WITH_POLICY + """
loadmodule "rtimer.so"
modparam("rtimer", "timer", "name=tick;interval=1;mode=1;")
modparam("rtimer", "exec", "timer=tick;route=TICK")
"""
    ROUTES = """
route[TICK] {
	if(tls_policy_check("default")) xlog("L_ERR", "TICK admitted\n");
	else xlog("L_ERR", "TICK $tlsp(reason)\n");
}
"""

    def test_run_and_prove_nothing(self):
        with tls_edge.edge("timers", KEYS, load=self.LOAD, routes=self.ROUTES) as edge:
            proc.wait_until(lambda: "TICK undeclared" in edge.log(), "the route runs", 5)
            self.assertEqual(edge.decisions(gate="in"), [])
            self.assertNotIn("TICK admitted", edge.log())


class Python(unittest.TestCase):
    SCRIPT = """
import KSR

def mod_init():
    return kamailio()

class kamailio:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.tls_policy.check(KSR.pv.get("$rU")) < 0:
            KSR.tls_policy.reply()
            return 1
        KSR.sl.send_reply(200, KSR.pv.get("$tlsp(role)"))
        return 1
"""

    def test_has_the_functions(self):
        folder = tls_edge.folder("python")
        with open(os.path.join(folder, "edge.py"), "w", encoding="ascii") as f:
            f.write(self.SCRIPT)
        policy = tls_edge.POLICY + "\n[route trunks]\nroles = gateway\n"
        load = kamailio.WITH_POLICY + """
loadmodule "app_python3.so"
modparam("app_python3", "load", "@DIR@/edge.py")
cfgengine "python"
"""
        edge = tls_edge.edge("python", KEYS, policy, route=None, load=load)
        with edge:
            with tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as c:
                answer = c.request("OPTIONS", "sip:trunks@edge.lab.test")
                self.assertEqual((answer.status, answer.reason), (200, "gateway"))
            with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                answer = c.request("OPTIONS", "sip:trunks@edge.lab.test")
                self.assertEqual(answer.status, 403)


if __name__ == "__main__":
    unittest.main()
