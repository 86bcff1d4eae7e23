# SPDX-License-Identifier: GPL-2.0-or-later
"""FIPS 140: with a real FIPS provider of OpenSSL in force, what is offered in
TLS, DTLS and SRTP is what the provider has; what asks for more does not start.
The provider is what `make deps` made or found.
"""

import os
import ssl
import subprocess
import unittest

import kamailio
import test_media_dtls as dtls
import tls_edge
from rtpcall import Bench, Call
from rtpengine import Rtpengine

CONF = os.path.join(kamailio.BUILD, "deps", "fips", "openssl.cnf")
FIPS = {"OPENSSL_CONF": CONF}
KEYS = tls_edge.Pki()
CHACHA_12, AES_12 = "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"
TGCTL = os.path.join(kamailio.BUILD, "tgctl")


def setUpModule():
    if not os.path.exists(CONF):
        raise RuntimeError(f"no FIPS provider: {CONF} is missing, see make deps")


def edge(name, policy=tls_edge.POLICY, fips=True):
    # 5.6.3 needs a single TCP worker with this provider
    return tls_edge.edge(name, KEYS, policy, params="tcp_children=1",
                         env=FIPS if fips else None)


def s_client(*words):
    """(exit status, output) of a handshake with the edge, from a client"""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:5061", "-bind",
         tls_edge.CLIENT, "-servername", "edge.lab.test", *words],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


class Offered(unittest.TestCase):
    """The same knocks at an edge with the provider, and at one without
    (A37)"""

    KNOCKS = {
        "AES of TLS 1.2": ("-tls1_2", "-cipher", AES_12),
        "ChaCha20 of TLS 1.2": ("-tls1_2", "-cipher", CHACHA_12),
        "AES of TLS 1.3": ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"),
        "ChaCha20 of TLS 1.3": ("-tls1_3", "-ciphersuites",
                                "TLS_CHACHA20_POLY1305_SHA256"),
        "P-256": ("-tls1_3", "-groups", "P-256"),
        "X25519": ("-tls1_3", "-groups", "X25519"),
    }

    def knocks(self, which):
        return {name: s_client(*words) for name, words in self.KNOCKS.items()
                if name in which}

    def test_without_the_provider_all_are_served(self):
        with edge("stock", fips=False) as e:
            for name, (status, text) in self.knocks(self.KNOCKS).items():
                self.assertEqual(status, 0, f"{name}\n{text}")
            self.assertIn("fips: inactive", e.rpc("tls_policy.status"))

    def test_with_it_what_is_approved_is(self):
        approved = [n for n in self.KNOCKS if "ChaCha" not in n and n != "X25519"]
        refused = [n for n in self.KNOCKS if n not in approved]
        with edge("fips") as e:
            self.assertIn("fips: active", e.rpc("tls_policy.status"))
            for name, (status, text) in self.knocks(approved).items():
                self.assertEqual(status, 0, f"{name}\n{text}")
            for name, (status, text) in self.knocks(refused).items():
                self.assertNotEqual(status, 0, f"{name}\n{text}")
                self.assertRegex(text, "alert handshake failure", name)
            # and the edge is as strict as ever
            self.assertEqual(
                tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"), ("served", 200))
            self.assertEqual(
                tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway2")[0], "alert")

    def test_with_it_peers_are_called(self):
        route = """
	if($rU == "gw") {
		$du = "sip:127.0.0.21:5067;transport=tls";
		t_relay();
		exit;
	}
""" + tls_edge.ROUTE
        with tls_edge.edge("out", KEYS, route=route, params="tcp_children=1", env=FIPS), \
                tls_edge.Server(KEYS, "gateway1", ("127.0.0.21", 5067)) as s, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            answer = c.request("MESSAGE", "sip:gw@edge.lab.test", timeout=5)
        self.assertEqual((answer.status, len(s.requests)), (200, 1))


class Profile(unittest.TestCase):
    """The built-in profile `fips` is narrow wherever it runs (A37)"""

    def test_without_the_provider_it_warns_and_is_narrow(self):
        policy = tls_edge.POLICY.replace("[clients staff]", "[clients staff]\ntls = fips")
        with edge("profile", policy, fips=False) as e:
            self.assertIn("no FIPS provider is active", e.log())
            self.assertEqual(s_client("-tls1_2", "-cipher", AES_12)[0], 0)
            for words in (("-tls1_2", "-cipher", CHACHA_12), ("-groups", "X25519")):
                status, text = s_client(*words)
                self.assertNotEqual(status, 0)
                self.assertRegex(text, "alert handshake failure")


class Start(unittest.TestCase):
    """(A37)"""

    def refused(self, policy, *patterns, fips=True):
        log = edge(self.id().rpartition(".")[2], policy, fips).refuses_to_start()
        for pattern in patterns:
            self.assertRegex(log, pattern)

    def test_old_versions(self):
        self.refused(tls_edge.POLICY.replace("profile = sfb2019", "profile = sfb2015"),
                     r"policy\.cfg:\d+.*sfb2015 offers TLS 1.0 or 1.1.*A37")

    def test_what_the_provider_lacks(self):
        self.refused(
            tls_edge.POLICY.replace("[clients staff]", "[clients staff]\ntls = own")
            + f"\n[tls own]\nciphers = {AES_12}:{CHACHA_12}\n"
            "ciphersuites = TLS_CHACHA20_POLY1305_SHA256\ngroups = X25519:P-256\n"
            "min_rsa_bits = 1024\n",
            f"names '{CHACHA_12}' in 'ciphers'",
            "names 'TLS_CHACHA20_POLY1305_SHA256' in 'ciphersuites'",
            "names 'X25519' in 'groups'", "RSA keys below 2048 bits")

    def test_required_and_not_there(self):
        policy = tls_edge.POLICY.replace("[policy]", "[policy]\nfips = required")
        self.refused(policy, "fips = required, and no FIPS provider", fips=False)
        with edge("required", policy):
            self.assertEqual(
                tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"), ("served", 200))

    def test_tgctl_says_what_is_there(self):
        def tgctl(*words, env=None):
            done = subprocess.run([TGCTL, *words], capture_output=True, text=True,
                                  env={**os.environ, **(env or {})}, timeout=10)
            return done.returncode, done.stdout
        self.assertEqual(tgctl("fips"), (1, "fips: inactive\nprovider: none\n"))
        status, text = tgctl("fips", env=FIPS)
        self.assertEqual(status, 0)
        self.assertRegex(text, "fips: active\nprovider: .*FIPS")


class Node(unittest.TestCase):
    """The media node's own switch (A37)"""

    def test_required_and_not_there(self):
        status, text = Rtpengine("required", conf={"fips": "required"}).refusal()
        self.assertNotEqual(status, 0)
        self.assertIn("no FIPS provider is active", text)
        node = Rtpengine("required-there", conf={"fips": "required"}, env=FIPS).start()
        try:
            self.assertIn("fips=active", node.say("status"))
            self.assertIn("engine=evp", node.say("status"))
        finally:
            node.stop()


class Sdes(Bench):
    """Every suite, against a stock daemon's own SRTP (A37)"""

    edge_options = {"env": FIPS, "conf": {"fips": "required"}}
    SUITES = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4,
              "AES_256_CM_HMAC_SHA1_80": 10, "AEAD_AES_128_GCM": 16,
              "AEAD_AES_256_GCM": 16}

    def test_every_suite(self):
        for suite, tag in self.SUITES.items():
            call = Call(self.edge, self.far, f"fips-{suite}",
                        profile={"suites": suite}).open()
            self.addCleanup(call.close)
            self.assertIn(suite, call.wire_offer)
            self.assert_secured(call, tag=tag)


class Dtls(dtls.DtlsBench):
    """(A37)"""

    edge_options = {"env": FIPS, "conf": {"fips": "required"}}

    def test_a_call(self):
        call = self.dtls("fips")
        self.ready(call)
        self.assert_secured(call)
