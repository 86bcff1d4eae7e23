# SPDX-License-Identifier: GPL-2.0-or-later
"""The status of certificates that the edge fetches itself, `ocsp = fetch`.

The responder is `openssl ocsp`, or one of the test's that lies, sleeps or
talks without end. Whatever it does changes the verdict on its own certificate
only: a partner under another trust is served meanwhile, at once.
"""

import concurrent.futures
import glob
import os
import re
import ssl
import subprocess
import time
import unittest

import ocsp
import pki
import proc
import tls_edge

KEYS = tls_edge.Pki()
CA = ocsp.Issuer(KEYS)
RESPONDER = ("127.0.0.1", 8801)
PARTNER1 = "127.0.0.31"
HOP, CONTROL = ("127.0.0.21", 5067), ("127.0.0.31", 5068)
ROUTE = """
	if(is_method("OPTIONS") && uri == myself && !is_present_hf("X-Next")) {
		sl_send_reply("200", "OK");
		exit;
	}
	$du = $hdr(X-Next);
	t_on_failure("OTHER");
	if(!t_relay()) sl_reply_error();
	exit;
}
failure_route[OTHER] {
	t_reply("503", "failure_route ran");
"""
POLICY = tls_edge.POLICY.replace("crl_file = @PKI@/enterprise-ca/crl.pem", """ocsp = fetch
responder = @RESPONDER@
responder_allow = 127.0.0.1
ocsp_timeout = 2s
ocsp_max_octets = 4096
@MORE@""").replace("trust = partner", "trust = partner\nnext_hop = 127.0.0.31:5068")


class Case(unittest.TestCase):
    """One edge; each test has certificates of its own, unknown before it."""

    MORE = "max_pending_time = 4s"
    URL = "http://127.0.0.1:8801/ask"

    @classmethod
    def setUpClass(cls):
        cls.folder = tls_edge.folder(cls.__name__)
        cls.clock = os.path.join(cls.folder, "clock")
        pki.write(cls.clock, "+0\n")
        env = dict(os.environ, FAKETIME_TIMESTAMP_FILE=cls.clock, FAKETIME_NO_CACHE="1",
                   LD_PRELOAD=glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0],
                   FAKETIME_DONT_FAKE_MONOTONIC="1")
        policy = POLICY.replace("@MORE@", cls.MORE).replace("@RESPONDER@", cls.URL)
        cls.edge = tls_edge.edge(
            cls.__name__, KEYS, policy, ROUTE, env=env,
            params='modparam("tls_policy", "retry_ms", 1)\n'
                   'modparam("tls_policy", "log_repeat_sec", 0)').start()

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    def leaf(self, name="mediation1.lab.test", **more):
        """(serial, its name for tls_edge); written beside the lab's."""
        made = CA.issue([name], **more)
        label = f"fetch-{made.serial:x}"
        made.write(KEYS.path, label)
        return made.serial, label

    def connect(self, label, source=tls_edge.MEDIATION1):
        c = tls_edge.connect(KEYS, source, label)
        self.addCleanup(c.close)
        return c

    @staticmethod
    def ask(c, timeout=5):
        """An answer; None when the connection is silent."""
        # in a thread: with Python 3.13 what fails here shows up once more at
        # the next connection of the same thread
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(c.request, "OPTIONS", "sip:edge.lab.test",
                               timeout=timeout).result()

    def known(self, serial):
        """What tls_policy.ocsp says of it."""
        for one in self.edge.rpc("tls_policy.ocsp").split("}"):
            if f"{serial:x}" in one:
                return dict(re.findall(r"^\s*(\w+): (.*)$", one, re.M))
        return {}

    def served(self, c):
        """As soon as its status is known."""
        proc.wait_until(lambda: self.ask(c).status == 200, "it is served")

    def closed(self, c):
        def gone():
            try:
                return self.ask(c, 1) and False
            except (OSError, ssl.SSLError):
                return True
        proc.wait_until(gone, "the connection is closed")

    def others_are_served(self):
        begun = time.monotonic()
        with tls_edge.connect(KEYS, PARTNER1, "partner1") as c:
            self.assertEqual(self.ask(c).status, 200)
        return time.monotonic() - begun

    def count(self, name):
        return self.edge.statistics("tls_policy")[name]


class Honest(Case):
    """(A26, B3)"""

    MORE = "max_pending_time = 20s\nocsp_refresh = 1s"

    def responder(self, known):
        r = ocsp.Openssl(CA, known, RESPONDER[1], self.folder)
        r.__enter__()  # pylint: disable=unnecessary-dunder-call
        self.addCleanup(r.__exit__)
        return r

    def test_the_edge_staples_the_status_of_its_own_certificate(self):
        edge = os.path.join(KEYS.path, "edge.pem")
        own = int(pki.openssl("x509", "-in", edge, "-noout", "-serial").split(b"=")[1], 16)
        responder = self.responder({own: "V"})
        proc.wait_until(lambda: "Cert Status: good" in self.stapled(), "it is stapled")
        shown = re.search(r"OCSP Response Data:.*?Serial Number: (\w+)", self.stapled(), re.S)
        self.assertEqual(int(shown.group(1), 16), own)
        self.assertEqual(self.known(own)["state"], "good")
        # a status that is not good is not shown, and nobody is refused for it
        responder.tell({own: "R"})
        proc.wait_until(lambda: re.search("no responses? sent", self.stapled()), "it is stapled no more")
        self.others_are_served()

    def stapled(self):
        """What openssl s_client, which asks for it, is shown."""
        files = [os.path.join(KEYS.path, f"partner1.{x}") for x in ("pem", "key")]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", "{}:{}".format(*tls_edge.EDGE), "-status",
             "-bind", PARTNER1, "-cert", files[0], "-key", files[1]],
            input=b"", capture_output=True, timeout=30, check=False)
        return done.stdout.decode("latin-1")

    def test_good_is_served_and_asked_for_once(self):
        serial, label = self.leaf()
        self.responder({serial: "V"})
        before = self.count("ocsp_held")
        self.served(self.connect(label))
        self.assertEqual(self.known(serial)["state"], "good")
        self.assertEqual(self.count("ocsp_held"), before + 1)
        # the next one finds it
        self.assertEqual(self.ask(self.connect(label)).status, 200)
        self.assertEqual(self.count("ocsp_held"), before + 1)

    def test_revoked_gets_an_alert_and_its_connection_ends(self):
        serial, label = self.leaf()
        self.responder({serial: "R"})
        self.closed(self.connect(label))
        self.assertEqual(self.known(serial)["error"], "revoked 2024-01-02T03:04:05Z")
        kind, what = tls_edge.knock(KEYS, tls_edge.MEDIATION1, label)
        self.assertEqual((kind, what), ("alert", "SSLV3_ALERT_CERTIFICATE_REVOKED"))
        self.assertTrue(self.edge.decisions(
            gate="handshake-in", reason="cert-revoked",
            detail='"OCSP: revoked 2024-01-02T03:04:05Z"'))

    def test_a_connection_that_is_up_ends_when_revoked(self):
        serial, label = self.leaf()
        other, stays = self.leaf("gw1.lab.test")
        responder = self.responder({serial: "V", other: "V"})
        c, control = self.connect(label), self.connect(stays, tls_edge.GATEWAY1)
        self.served(c)
        self.served(control)
        responder.tell({serial: "R", other: "V"})
        self.closed(c)
        self.assertTrue(self.edge.decisions(gate="again", reason="cert-revoked",
                                            peer="mediation1"))
        self.assertEqual(self.ask(control).status, 200)


def request_about(label, *arguments):
    """The request that openssl makes."""
    path = os.path.join(KEYS.path, f"{label}.request")
    pki.openssl("ocsp", "-issuer", CA.files[0], "-cert", KEYS.leaf(label)[0],
                "-reqout", path, *arguments)
    with open(path, "rb") as f:
        return f.read()


def drip(_, connection):
    for octet in ocsp.http(b"0" * 4000):
        connection.sendall(bytes([octet]))
        time.sleep(0.05)


def talk_without_end(_, connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: of it\r\n" * 1000)


def redirect(_, connection):
    connection.sendall(ocsp.http(b"", "302 Found", headers=["Location: http://127.0.0.1:8809/"]))


class Lying(Case):
    """Responders of one test that all lie at once: (A26, B3, B13)"""

    MORE = "max_pending_time = 8s"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.responder = ocsp.Responder(RESPONDER).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.responder.__exit__()
        super().tearDownClass()

    def all_wait(self, lies):
        """lies: {name: (answer, why it will not do)}. The requests of each get
        503 with Retry-After, then it is closed; the others do not notice."""
        waiting = {}
        before = self.count("refused_ocsp_unknown")
        for name, (answer, _) in lies.items():
            serial, label = self.leaf()
            self.responder.answers[serial] = answer(serial, label)
            waiting[name] = (serial, label)
        for name, (serial, label) in waiting.items():
            c = self.connect(label)
            waiting[name] = (serial, c)
            with self.subTest(name):
                refusal = self.ask(c)
                self.assertEqual((refusal.status, refusal.get("retry-after")), (503, "5"))
        self.assertLess(self.others_are_served(), 1)
        self.assertIn("pending", self.edge.rpc("tls_policy.connections"))
        for name, (serial, _) in waiting.items():
            with self.subTest(name):
                proc.wait_until(lambda: re.search(  # pylint: disable-next=cell-var-from-loop
                    lies[name][1], self.known(serial).get("error", "")), lies[name][1])
        for name, (_, c) in waiting.items():
            with self.subTest(name):
                self.closed(c)
        self.assertGreaterEqual(self.count("refused_ocsp_unknown"), before + len(lies))
        ends = [e["detail"] for e in self.edge.decisions(gate="again", reason="ocsp-unknown")]
        for name, (_, why) in lies.items():
            with self.subTest(name):
                self.assertTrue([d for d in ends if re.match(f'"OCSP: {why}', d)], ends)
        self.assertLess(self.others_are_served(), 1)

    @staticmethod
    def signed(**how):
        """openssl's response about no certificate that it knows."""
        return lambda *_: lambda request, _: ocsp.sign(CA, request, {}, **how)

    @staticmethod
    def plain(answer):
        return lambda *_: answer

    def test_over_http(self):
        no_response = "the responder answers with no OCSP response"
        with ocsp.Responder(("127.0.0.1", 8809)) as elsewhere:
            self.all_wait({
                "silent": (self.plain(lambda *_: time.sleep(8)),
                           "the responder does not answer within 2000 ms"),
                "drip": (self.plain(drip), "the responder does not answer within 2000 ms: its resp"),
                "huge": (self.plain(lambda *_: b"\x30\x83\x0f\xff\xff" + b"0" * 200000),
                         "the response.*too large"),
                "endless": (self.plain(talk_without_end), "the response of the responder is too"),
                "no HTTP": (self.plain(lambda _, c: c.sendall(b"\0\1\2\r\n\r\n")), no_response),
                "closes": (self.plain(lambda *_: None), no_response),
                "redirects": (self.plain(redirect), no_response),
                "no DER": (self.plain(lambda *_: b"<html></html>"), no_response),
                "no OCSP": (self.plain(lambda *_: b"\x30\x03\x02\x01\x07"), "the response"),
                "try later": (self.plain(lambda *_: b"\x30\x03\x0a\x01\x03"),
                              "the responder has no answer")})
            self.assertEqual(elsewhere.heads, [])

    def test_in_what_it_signs(self):
        rogue = pki.Authority("Enterprise CA").certificate.write(self.folder, "rogue")
        leaf = CA.issue(cn="leaf").write(self.folder, "plain")
        _, other = self.leaf()
        self.all_wait({
            "unknown": (self.signed(), "the responder does not know the certificate"),
            "namesake": (self.signed(signer=rogue), "the signature of the response is wrong"),
            "unauthorised": (self.signed(signer=leaf), "the response is signed by one that may"),
            "the very leaf": (lambda _, label: lambda request, _: ocsp.sign(
                CA, request, {}, signer=KEYS.leaf(label)),
                "the response is signed by one that may"),
            "old": (self.signed(clock="-3d"), "the response is past its next update"),
            "of tomorrow": (self.signed(clock="+1d", valid=("-ndays", "3")), "the response is not valid yet"),
            "another certificate": (
                self.plain(lambda *_: ocsp.sign(CA, request_about(other), {})),
                "the response is about another certificate"),
            "another question": (lambda serial, label: lambda *_: ocsp.sign(
                CA, request_about(label, "-nonce"), {serial: "V"}),
                "the response is to another question: its nonce differs")})

    def test_a_delegate_of_the_ca_is_heard(self):
        """What the lies differ from."""
        serial, label = self.leaf()
        delegate = CA.issue(cn="responder", eku=["ocsp"]).write(self.folder, "delegate")
        self.responder.answers[serial] = lambda request, _: ocsp.sign(
            CA, request, {serial: "V"}, signer=delegate)
        self.served(self.connect(label))
        self.assertTrue(self.responder.heads[-1].startswith("POST /ask HTTP/1."))
        self.assertIn("Host: 127.0.0.1:8801", self.responder.heads[-1])

    def test_a_good_response_without_a_nonce_will_do_and_an_older_one_will_not(self):
        serial, label = self.leaf()
        self.responder.answers[serial] = lambda *_: ocsp.sign(
            CA, request_about(label, "-no_nonce"), {serial: "R"})
        self.closed(self.connect(label))
        self.assertEqual(self.known(serial)["state"], "revoked")
        # somebody on the way plays what was true an hour ago
        self.responder.answers[serial] = lambda *_: ocsp.sign(
            CA, request_about(label, "-no_nonce"), {serial: "V"}, clock="-1h")
        asked = len(self.responder.heads)
        self.edge.rpc("tls_policy.reload")
        pki.write(self.clock, "+2h\n")
        self.addCleanup(pki.write, self.clock, "+0\n")
        tls_edge.knock(KEYS, tls_edge.MEDIATION1, label)
        proc.wait_until(lambda: len(self.responder.heads) > asked, "it is asked about again")
        proc.wait_until(lambda: "older than the one" in self.known(serial)["error"], "it is seen")
        self.assertEqual(self.known(serial)["state"], "revoked")
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.MEDIATION1, label)[0], "alert")


class Where(Case):
    """Whom the edge asks at all: (A26, B13)"""

    URL = "aia"

    def ends_with(self, why, extra=()):
        serial, label = self.leaf(extra=extra)
        c = self.connect(label)
        self.assertEqual(self.ask(c).status, 503)
        proc.wait_until(lambda: why in self.known(serial).get("error", ""), why)
        self.closed(c)
        self.assertLess(self.others_are_served(), 1)

    @staticmethod
    def aia(url):
        """RFC 5280 4.2.2.1"""
        return [pki.extension("1.3.6.1.5.5.7.1.1", pki.sequence(pki.sequence(
            pki.oid("1.3.6.1.5.5.7.48.1"), pki.der(0x86, url.encode()))))]

    def test_the_responder_that_the_certificate_names(self):
        serial, label = self.leaf(extra=self.aia("http://127.0.0.1:8801/aia?x"))
        with ocsp.Responder(RESPONDER) as responder:
            responder.answers[serial] = lambda request, _: ocsp.sign(CA, request, {serial: "V"})
            self.served(self.connect(label))
            self.assertTrue(responder.heads[0].startswith("POST /aia?x HTTP/1."))

    def test_none_that_is_not_listed(self):
        with ocsp.Responder(("127.0.0.9", 8801)) as inside:
            self.ends_with("the responder is at 127.0.0.9, which is neither public nor in",
                           self.aia("http://127.0.0.9:8801/"))
            self.assertEqual(inside.heads, [])

    def test_none_that_is_named(self):
        self.ends_with("the certificate names no responder")

    def test_none_over_https(self):
        self.ends_with("the certificate names no responder",
                       self.aia("https://127.0.0.1:8801/"))

    def test_a_name_that_nobody_knows(self):
        self.ends_with("the responder", self.aia("http://nowhere.invalid/"))

    def test_nobody_there(self):
        self.ends_with("the responder is not reached: Connection refused",
                       self.aia("http://127.0.0.1:8802/"))


class Named(Case):
    """A name that leads inside counts as the address it leads to. (B13)"""

    URL = "http://localhost:8801/"

    def test_its_address_has_to_be_listed(self):
        serial, label = self.leaf()
        with ocsp.Responder(RESPONDER) as responder:
            responder.answers[serial] = lambda request, _: ocsp.sign(CA, request, {serial: "V"})
            self.served(self.connect(label))
        policy = os.path.join(self.folder, "policy.cfg")
        with open(policy, encoding="utf-8") as f:
            text = f.read()
        pki.write(policy, text.replace("responder_allow = 127.0.0.1", "responder_allow = 127.0.0.9"))
        self.edge.rpc("tls_policy.reload")
        serial, label = self.leaf()
        with ocsp.Responder(RESPONDER) as responder:
            c = self.connect(label)
            self.assertEqual(self.ask(c).status, 503)
            proc.wait_until(lambda: "neither public nor" in self.known(serial).get("error", ""),
                            "the address is refused")
            self.closed(c)
            self.assertEqual(responder.heads, [])


class Soft(Case):
    """(A26, B3)"""

    MORE = "revocation = soft\nocsp_refresh = 1s"

    def test_served_until_revoked(self):
        serial, label = self.leaf()
        before = self.count("ocsp_unproven")
        c = self.connect(label)
        self.assertEqual(self.ask(c).status, 200)
        self.assertEqual(self.count("ocsp_unproven"), before + 1)
        proc.wait_until(lambda: "not reached" in self.known(serial).get("error", ""), "it tried")
        with ocsp.Responder(RESPONDER) as responder:
            responder.answers[serial] = lambda request, _: ocsp.sign(CA, request, {serial: "R"})
            self.closed(c)
        self.assertEqual(tls_edge.knock(KEYS, tls_edge.MEDIATION1, label)[0], "alert")


class Outbound(Case):
    """What leaves, over a new connection and over one that waits. (A26, B3)"""

    MORE = "max_pending_time = 20s"

    @staticmethod
    def call(address=HOP):
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            begun = time.monotonic()
            answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=10, headers=[
                "X-Next: sip:%s:%d;transport=tls" % address])
            return answer.status, answer.reason, time.monotonic() - begun

    def test_no_request_leaves_on_one_that_waits(self):
        serial, label = self.leaf()
        c = self.connect(label)
        self.assertEqual(self.ask(c).status, 503)
        self.assertGreaterEqual(self.call(c.socket.getsockname())[0], 400)
        self.assertTrue(self.edge.decisions(gate="out", reason="ocsp-unknown"))
        self.assertIsNone(c.receive(0.5))
        with ocsp.Responder(RESPONDER) as responder:
            responder.answers[serial] = lambda request, _: ocsp.sign(CA, request, {serial: "V"})
            self.served(c)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            call = pool.submit(self.call, c.socket.getsockname())
            request = c.receive()
            self.assertEqual(request.method, "OPTIONS")
            c.send(tls_edge.answer(request))
            self.assertEqual(call.result()[0], 200)

    def test_fails_over_at_once_and_is_served_when_good(self):
        serial, label = self.leaf("gw1.lab.test")
        with tls_edge.Server(KEYS, label, HOP) as hop, \
                tls_edge.Server(KEYS, "partner1", CONTROL) as control:
            status, reason, seconds = self.call()
            self.assertEqual((status, reason), (503, "failure_route ran"))
            self.assertLess(seconds, 1)
            self.assertEqual((hop.octets, hop.requests), (0, []))
            self.assertEqual(self.call(CONTROL)[0], 200)
            self.assertTrue(self.edge.decisions(gate="handshake-out", reason="ocsp-unknown"))
            with ocsp.Responder(RESPONDER) as responder:
                responder.answers[serial] = lambda request, _: ocsp.sign(
                    CA, request, {serial: "V"})
                proc.wait_until(lambda: self.call()[0] == 200, "it is served")
            self.assertEqual(len(hop.requests), 1)
            self.assertEqual(len(control.requests), 1)

    def test_revoked_gets_an_alert_and_no_octet(self):
        serial, label = self.leaf("gw1.lab.test")
        with tls_edge.Server(KEYS, label, HOP) as hop, ocsp.Responder(RESPONDER) as responder:
            responder.answers[serial] = lambda request, _: ocsp.sign(CA, request, {serial: "R"})
            self.assertEqual(self.call()[0], 503)
            proc.wait_until(lambda: self.known(serial)["state"] == "revoked", "it is known")
            self.assertEqual(self.call()[0], 503)
            self.assertEqual(hop.octets, 0)
            self.assertIn("TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE", hop.alerts)
            self.assertTrue(self.edge.decisions(gate="handshake-out", reason="cert-revoked"))


class Time(Case):
    """(B3)"""

    MORE = "stale_grace = 2h\nmax_pending_time = 6s\nocsp_refresh = 12h"

    def test_a_status_is_asked_for_again_and_outlives_a_dead_responder_for_the_grace(self):
        serial, label = self.leaf()
        other, stays = self.leaf("gw1.lab.test")
        with ocsp.Responder(RESPONDER) as responder:
            for number, valid in ((serial, ("-nmin", "60")), (other, ("-ndays", "7"))):
                responder.answers[number] = (
                    lambda request, _, number=number, valid=valid: ocsp.sign(
                        CA, request, {number: "V"}, valid=valid))
            c, control = self.connect(label), self.connect(stays, tls_edge.GATEWAY1)
            self.served(c)
            self.served(control)
            asked = len(responder.heads)
            # after half of its hour it is asked for again: that fails
            responder.answers.pop(serial)
            pki.write(self.clock, "+40m\n")
            proc.wait_until(lambda: len(responder.heads) > asked, "it is asked about again")
            self.assertEqual(self.ask(c).status, 200)
            pki.write(self.clock, "+2h\n")
            self.assertEqual(self.ask(c).status, 200)
            pki.write(self.clock, "+200m\n")
            self.assertEqual(self.ask(c).status, 503)
            self.closed(c)
            self.assertTrue(self.edge.decisions(gate="again", reason="ocsp-unknown"))
            self.served(control)


if __name__ == "__main__":
    unittest.main()
