# SPDX-License-Identifier: GPL-2.0-or-later
"""The status that a next hop staples to its certificate, `ocsp = staple`.

The next hop is `openssl s_server`, its responses are made by `openssl ocsp`,
and what a lying server staples, by the same with other keys or another clock.
A response that will not do changes its own connection's verdict: beside each
refusal another next hop is served.
"""

import glob
import os
import ssl
import subprocess
import unittest

import ocsp
import pki
import proc
import s_server
import tls_edge

KEYS = tls_edge.Pki()
MADE = tls_edge.folder("made")
HOP, CONTROL = ("127.0.0.21", 5067), ("127.0.0.22", 5067)
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
MUST_STAPLE = pki.extension("1.3.6.1.5.5.7.1.24", pki.sequence(pki.integer(5)))

ROUTE = """
	$du = $hdr(X-Next);
	if(!t_relay()) sl_reply_error();
"""
POLICY = tls_edge.POLICY.replace("crl_file = @PKI@/enterprise-ca/crl.pem", "ocsp = staple\n@MORE@")


CA = ocsp.Issuer(KEYS)
LEAF = CA.issue(["gw1.lab.test"]).write(MADE, "leaf")
OTHER = CA.issue(["gw1.lab.test"]).write(MADE, "other")
DELEGATE = CA.issue(cn="responder", eku=[OCSP_SIGNING]).write(MADE, "delegate")
PLAIN = CA.issue(cn="no responder").write(MADE, "plain")
ROGUE = pki.Authority("Enterprise CA")
ROGUE_FILES = ROGUE.certificate.write(MADE, "rogue")


def serial(leaf):
    text = pki.openssl("x509", "-noout", "-serial", "-in", leaf[0])
    return text.decode().strip().partition("=")[2]


def response(name, leaf=LEAF, signer=None, status="V", days="1", clock=None, about=None):
    """A file with what `openssl ocsp` answers about leaf. status: V, R, or
    None where its index does not know it."""
    index = os.path.join(MADE, f"{name}.index")
    request, answer = (os.path.join(MADE, f"{name}.{x}") for x in ("request", "response"))
    line = {"V": f"V\t491231235959Z\t\t{serial(leaf)}\tunknown\t/CN=leaf\n",
            "R": f"R\t491231235959Z\t240102030405Z\t{serial(leaf)}\tunknown\t/CN=leaf\n",
            None: ""}[status]
    pki.write(index, line)
    key = signer or CA.files
    pki.openssl("ocsp", "-issuer", CA.files[0], "-cert", (about or leaf)[0],
                "-reqout", request, "-no_nonce")
    command = ["openssl", "ocsp", "-index", index, "-rsigner", key[0], "-rkey", key[1],
               "-CA", CA.files[0], "-reqin", request, "-respout", answer, "-ndays", days]
    subprocess.run(command, check=True, capture_output=True, timeout=30,
                   env=ocsp.environment(clock))
    return answer


class Hop(s_server.Server):
    def __init__(self, staple=None, leaf=LEAF, address=HOP, version="-tls1_3"):
        super().__init__(leaf, address, version,
                         *(("-status_file", staple) if staple else ()))


class Case(unittest.TestCase):
    MORE = ""

    @classmethod
    def setUpClass(cls):
        folder = tls_edge.folder(cls.__name__)
        cls.clock = os.path.join(folder, "clock")
        pki.write(cls.clock, "+0\n")
        env = dict(os.environ, FAKETIME_TIMESTAMP_FILE=cls.clock, FAKETIME_NO_CACHE="1",
                   LD_PRELOAD=glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0],
                   FAKETIME_DONT_FAKE_MONOTONIC="1")
        cls.edge = tls_edge.edge(
            cls.__name__, KEYS, POLICY.replace("@MORE@", cls.MORE), ROUTE, env=env,
            params='modparam("tls_policy", "retry_ms", 1)\n'
                   'modparam("tls_policy", "log_repeat_sec", 0)').start()
        cls.good = response("control", leaf=KEYS.leaf("gateway2"))

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    def call(self, address=HOP):
        """What a client gets whose request goes to that next hop."""
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=10, headers=[
                "X-Next: sip:%s:%d;transport=tls" % address])
            return answer.status if answer else 0

    def served(self, *args, **more):
        with Hop(*args, **more) as hop:
            self.assertEqual(self.call(), 200)
            self.assertEqual(len(hop.requests), 1)
        self.alone()

    def alone(self):
        proc.wait_until(lambda: "127.0.0.21" not in self.edge.rpc("core.tcp_list"),
                        "its connection is gone")

    def refused(self, reason, detail, *args, **more):
        with Hop(*args, **more) as hop:
            before = self.edge.statistics("tls_policy")[f"refused_{reason.replace('-', '_')}"]
            self.assertGreaterEqual(self.call(), 500)
            self.assertEqual(hop.requests, [])
        now = self.edge.statistics("tls_policy")[f"refused_{reason.replace('-', '_')}"]
        self.assertEqual(now, before + 1)
        self.assertRegex(self.edge.log(), f'reason={reason} .*detail="{detail}')
        with Hop(self.good, KEYS.leaf("gateway2"), CONTROL):
            self.assertEqual(self.call(CONTROL), 200)
        self.alone()


class Hard(Case):
    """(A26, B3)"""

    def test_a_good_status_by_the_ca_or_its_responder(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.served(response("ca"), version=version)
                self.served(response("delegated", signer=DELEGATE), version=version)

    def test_revoked(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.refused("cert-revoked", "OCSP: revoked 2024-01-02T03:04:05Z",
                             response("revoked", status="R"), version=version)

    def test_none(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.refused("ocsp-unknown", "OCSP: there is no response", version=version)


class Lies(Case):
    """(A26)"""

    def lie(self, detail, staple):
        self.refused("ocsp-unknown", f"OCSP: {detail}", staple)

    def test_the_responder_does_not_know(self):
        self.lie("the responder does not know", response("unknown", status=None))

    def test_about_another_certificate(self):
        # OpenSSL 3.6 does not serve such a one
        detail = ("the response is about another certificate"
                  if ssl.OPENSSL_VERSION_INFO < (3, 6) else "there is no response")
        self.lie(detail, response("another", leaf=OTHER))

    def test_signed_by_a_namesake(self):
        self.lie("the signature of the response is wrong", response("namesake", signer=ROGUE_FILES))

    def test_signed_by_a_leaf_that_is_no_responder(self):
        self.lie("the response is signed by one that may not", response("plain", signer=PLAIN))

    def test_signed_by_the_very_certificate(self):
        self.lie("the response is signed by one that may not", response("itself", signer=LEAF))

    def test_of_the_day_before_yesterday(self):
        self.lie("the response is past its next update", response("old", clock="-3d"))

    def test_of_tomorrow(self):
        self.lie("the response is not valid yet", response("new", clock="+1d", days="3"))

    def test_spoilt(self):
        path = response("spoilt")
        with open(path, "rb") as f:
            octets = bytearray(f.read())
        # the producedAt of what was signed, still a time
        at = octets.index(b"\x18\x0f20") + 16
        octets[at - 1] = ord("0") if octets[at - 1] != ord("0") else ord("1")
        pki.write(path, bytes(octets))
        self.lie("the signature of the response is wrong", path)


class Soft(Case):
    """(A26, B3)"""

    MORE = "revocation = soft"

    def test_no_status_is_fine_and_revoked_is_not(self):
        self.served()
        self.served(response("soft-unknown", status=None))
        self.refused("cert-revoked", "OCSP: revoked", response("soft-revoked", status="R"))

    def test_a_certificate_that_promises_a_staple_has_to_come_with_one(self):
        leaf = CA.issue(["gw1.lab.test"], extra=[MUST_STAPLE]).write(MADE, "must")
        self.served(response("must", leaf=leaf), leaf)
        self.refused("ocsp-unknown", "OCSP: there is no response", None, leaf)


class Time(Case):
    """(B3)"""

    MORE = "stale_grace = 2h"

    def test_a_connection_ends_with_the_status_that_it_began_with(self):
        with Hop(response("day", days="1")), Hop(
                response("week", leaf=KEYS.leaf("gateway2"), days="7"),
                KEYS.leaf("gateway2"), CONTROL):
            self.assertEqual((self.call(), self.call(CONTROL)), (200, 200))
            pki.write(self.clock, "+25h\n")
            self.edge.rpc("tls_policy.sweep")
            self.assertIn("127.0.0.21", self.edge.rpc("core.tcp_list"))
            pki.write(self.clock, "+27h\n")
            self.alone()
            self.assertTrue(self.edge.decisions(gate="again", reason="ocsp-unknown",
                                                peer="gateway1"))
            self.assertEqual(self.call(CONTROL), 200)


if __name__ == "__main__":
    unittest.main()
