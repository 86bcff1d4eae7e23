# SPDX-License-Identifier: GPL-2.0-or-later
"""Gate 1 inbound and gate 2, on a real Kamailio: who is served, who gets an
alert, what is answered over UDP and TCP.
"""

import ssl
import unittest

import sip
import tls_edge

KEYS = tls_edge.Pki()
EDGE = tls_edge.edge("edge", KEYS)


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Case(unittest.TestCase):
    def served(self, *args, **more):
        self.assertEqual(tls_edge.knock(KEYS, *args, **more), ("served", 200))

    def refused(self, source, leaf, reason, alert=None, **more):
        """An alert, nothing parsed, one counter; the control is served."""
        before, counted = EDGE.messages_taken(), EDGE.statistics("tls_policy")
        how, what = tls_edge.knock(KEYS, source, leaf, **more)
        self.assertEqual(how, "alert", what)
        if alert:
            self.assertIn(alert, what)
        self.assertEqual(EDGE.messages_taken(), before)
        now = EDGE.statistics("tls_policy")
        grown = {k: v - counted[k] for k, v in now.items() if v != counted[k]}
        self.assertEqual(grown, {"refused_" + reason: 1})


class Certificates(Case):
    """(A1, A11, A22, A25, A27, A29, A30, B1, B9)"""

    def control(self):
        self.served(tls_edge.GATEWAY1, "gateway1")

    def test_control(self):
        self.control()

    def test_log_line_of_a_refusal(self):
        self.control()
        tls_edge.knock(KEYS, tls_edge.MEDIATION1, "gateway1")
        line = EDGE.decisions(gate="handshake-in", reason="cert-name",
                              peer="mediation1")[0]
        self.assertEqual((line["verdict"], line["transport"]), ("deny", "tls"))
        self.assertRegex(line["rule"], r"^policy\.cfg:[1-9]\d*$")
        self.assertRegex(line["policy"], r"^[0-9a-f]{16}$")
        self.assertNotIn("PRIVATE", EDGE.log())


GOOD = ("gateway1", "gw1-uri", "gw1-uppercase", "gw1-several", "gw1-noeku", "gw1-rsa",
        "gw1-clientauth", "gateway1-chain")

BAD = {  # leaf: (reason, alert); all of them come from gateway1's address
    "mediation1": ("cert_name", "BAD_CERTIFICATE"),
    "impostor-rogue": ("cert_untrusted", "UNKNOWN_CA"),
    "impostor-partner": ("cert_untrusted", "UNKNOWN_CA"),
    "impostor-double": ("cert_untrusted", None),
    "gw1-expired": ("cert_expired", "EXPIRED"),
    "gw1-notyet": ("cert_not_yet_valid", None),
    "gw1-revoked": ("cert_revoked", "REVOKED"),
    "gw1-serverauth": ("cert_eku", None),
    "gw1-codesigning": ("cert_eku", None),
    "gw1-cnbeside": ("cert_name", None),
    "gw1-wildcard": ("cert_name", None),
    "gw1-suffix": ("cert_name", None),
    "gw1-prefix": ("cert_name", None),
    "gw1-parent": ("cert_name", None),
    "gw1-email": ("cert_name", None),
    "gw1-ip": ("cert_name", None),
    "gw1-uriuser": ("cert_name", None),
    "gw1-nul": ("cert_name", None),
    "gw1-selfsigned": ("cert_self_signed", None),
    "gw1-badsignature": ("cert_signature", None),
    "gw1-pathlen": ("cert_constraint", None),
    "gw1-constrained": ("cert_constraint", None),
}


def _good(leaf):
    return lambda self: self.served(tls_edge.GATEWAY1, leaf)


def _bad(leaf, reason, alert, version):
    def case(self):
        self.control()
        self.refused(tls_edge.GATEWAY1, leaf, reason, alert, highest=version)
    return case


for _leaf in GOOD:
    setattr(Certificates, f"test_served_{_leaf.replace('-', '_')}", _good(_leaf))
for _leaf, (_reason, _alert) in BAD.items():
    for _version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        setattr(Certificates, f"test_refused_{_leaf.replace('-', '_')}_{_version.name}",
                _bad(_leaf, _reason, _alert, _version))


class WithoutCertificate(Case):
    """(A1, A2, A10, A25, A29)"""

    def test_a_client_is_served(self):
        self.served(tls_edge.CLIENT)

    def test_a_peer_address_is_refused(self):
        self.served(tls_edge.MEDIATION1, "mediation1")
        self.refused(tls_edge.MEDIATION1, None, "cert_missing", "CERTIFICATE_REQUIRED")

    def test_a_peer_address_is_refused_in_tls_1_2(self):
        self.served(tls_edge.MEDIATION1, "mediation1", highest=ssl.TLSVersion.TLSv1_2)
        self.refused(tls_edge.MEDIATION1, None, "cert_missing", "HANDSHAKE_FAILURE",
                     highest=ssl.TLSVersion.TLSv1_2)

    def test_an_undeclared_address_is_refused(self):
        self.served(tls_edge.CLIENT)
        self.refused(tls_edge.UNDECLARED, None, "undeclared", "ACCESS_DENIED")

    def test_an_undeclared_address_is_refused_with_a_good_certificate(self):
        self.served(tls_edge.GATEWAY1, "gateway1")
        self.refused(tls_edge.UNDECLARED, "gateway1", "undeclared", "ACCESS_DENIED")

    def test_a_peer_reached_without_certificates_gets_no_tls(self):
        self.refused(tls_edge.GATEWAY3, "gateway3", "wrong_transport", "ACCESS_DENIED")


class Versions(Case):
    """(A20, B2)"""

    def test_1_2_and_1_3_are_served(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.served(tls_edge.CLIENT, None, lowest=version, highest=version)

    def test_1_1_is_refused(self):
        self.served(tls_edge.CLIENT)
        made = tls_edge.context(KEYS, lowest=ssl.TLSVersion.TLSv1)
        made.maximum_version = ssl.TLSVersion.TLSv1_1
        made.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaisesRegex(ssl.SSLError, "ALERT_PROTOCOL_VERSION"):
            sip.Connection("tls", tls_edge.EDGE, tls_edge.CLIENT, made)

    def test_a_cipher_outside_the_profile_is_refused(self):
        self.served(tls_edge.CLIENT)
        made = tls_edge.context(KEYS, highest=ssl.TLSVersion.TLSv1_2)
        made.set_ciphers("AES128-SHA:@SECLEVEL=0")
        with self.assertRaisesRegex(ssl.SSLError, "ALERT_HANDSHAKE_FAILURE"):
            sip.Connection("tls", tls_edge.EDGE, tls_edge.CLIENT, made)

    def test_no_session_is_taken_up(self):
        """Neither a ticket nor a session id, 1.2 or 1.3 (B2)."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = tls_edge.context(KEYS, highest=version)
            with sip.Connection("tls", tls_edge.EDGE, tls_edge.CLIENT, made) as c:
                self.assertEqual(c.request("OPTIONS", "sip:edge.lab.test").status, 200)
                session = c.socket.session
            self.assertFalse(session is not None and session.has_ticket)
            if version != ssl.TLSVersion.TLSv1_2:
                continue
            raw = sip.socket.socket()
            raw.bind((tls_edge.CLIENT, 0))
            raw.connect(tls_edge.EDGE)
            with made.wrap_socket(raw, session=session) as again:
                self.assertFalse(again.session_reused)


class InClear(Case):
    """(A2, A9, A32, B9)"""

    def ask(self, transport, source, method="OPTIONS"):
        with sip.Connection(transport, ("127.0.0.1", 5060), source) as c:
            answer = c.request(method, "sip:edge.lab.test", timeout=1)
            return (answer.status, answer.reason) if answer else None

    def test_a_gateway_over_tcp_is_served(self):
        self.assertEqual(self.ask("tcp", tls_edge.GATEWAY3), (200, "OK"))

    def test_refused_with_a_reason(self):
        for transport in ("udp", "tcp"):
            with self.subTest(transport):
                self.assertEqual(self.ask(transport, tls_edge.MEDIATION1),
                                 (403, "Mutual TLS Required"))
                self.assertEqual(self.ask(transport, tls_edge.CLIENT, "REGISTER"),
                                 (403, "TLS Required"))
        self.assertEqual(self.ask("udp", tls_edge.GATEWAY3), (403, "TLS Required"))

    def test_undeclared_udp_gets_silence(self):
        self.assertIsNotNone(self.ask("udp", tls_edge.CLIENT))
        self.assertIsNone(self.ask("udp", tls_edge.UNDECLARED))

    def test_undeclared_tcp_is_refused(self):
        self.assertEqual(self.ask("tcp", tls_edge.UNDECLARED), (403, "Forbidden"))


class Pushed(Case):
    """(B1)"""

    def test_sip_behind_the_handshake_is_not_parsed(self):
        """Octets that arrive with the end of a handshake that is refused."""
        before = EDGE.messages_taken()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "gateway1") as c:
                c.send(sip.build("OPTIONS", "sip:edge.lab.test", c))
                c.final(3)
        self.assertEqual(EDGE.messages_taken(), before)
        with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as c:
            c.send(sip.build("OPTIONS", "sip:edge.lab.test", c))
            self.assertEqual(c.final(3).status, 200)


if __name__ == "__main__":
    unittest.main()
