# SPDX-License-Identifier: GPL-2.0-or-later
"""Linphone as the desktop client: SIP over TLS, where it checks the edge's name
itself, SRTP with keys from the description or from DTLS, against gateways that
speak SDES and DTLS-SRTP. Sound both ways, found by its frequency; on the wire
is no clear RTP and no clear SIP. The same phone over TCP or UDP, or without
SRTP, is refused with an answer.
"""

import os
import unittest

import lab
import lab_rows
import linphone
import proc
import wire

TIME_LIMIT_SEC = 300
NEEDS = "linphonec stdbuf"
ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
SECONDS = 3  # of sound, at each end
DTLS_CLIENT = "127.0.0.140"
POLICY = f"""
[media desktop]
level = required
key_exchange = dtls
engine = native

[clients desktop]
address = {DTLS_CLIENT}
media = desktop
"""
LAB = lab.Lab(ROOT, peers=("gateway1", "gateway2"), policy_edit=lambda text: text + POLICY)


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class Case(unittest.TestCase):
    def phone(self, *words, **more):
        p = linphone.Linphone(LAB, *words, **more)
        p.__enter__()
        self.addCleanup(p.__exit__)
        return p

    def registered(self, *words, **more):
        p = self.phone(*words, **more)
        self.assertIsNone(p.answered("REGISTER", 200))
        return p


class Linphone(Case):
    """(A2, A5, A14, A15, A32)"""

    def play(self, near, gateway, keying, begin):
        """A call, from what begins it until both ends have heard each other."""
        far = LAB.phones[gateway]
        pcap = os.path.join(ROOT, self.id().rpartition(".")[2] + ".pcap")
        with far, wire.Capture(pcap) as capture:
            far.forget()
            begin(far)
            near.says("Media streams established")
            proc.wait_until(
                lambda: near.recorded_sec() > SECONDS + 1
                and far.heard((lab.CLIENT_HZ,))[lab.CLIENT_HZ] >= SECONDS,
                "sound at the gateway, something at the phone", 25, 0.5)
            streams = LAB.secured_streams()
            near.command("terminate")
            near.says(r"ended \(No error\)")
            proc.wait_until(lambda: near.heard(lab.GATEWAY_HZ) >= SECONDS,
                            "it was sound at the phone", 5, 0.5)
            proc.wait_until(lambda: not LAB.secured_streams(), "the call is over")
        self.assertEqual([s["keying"] for s in streams if s.get("peer") == gateway],
                         [keying], streams)
        ok, seen = lab_rows.wire_verdict(capture, lab.PEERS[gateway][0], near.address)
        self.assertTrue(ok, seen)
        self.assertEqual(lab_rows.clear_sip(capture), [])
        handshakes = [p for p in capture.packets if p.proto == "udp"
                      and p.between(lab.EDGE, near.address) and p.payload[:1] == b"\x16"]
        self.assertEqual(bool(handshakes), near.address == DTLS_CLIENT)

    def test_calls_a_gateway_with_sdes(self):
        near = self.registered("carol")
        self.play(near, "gateway1", "sdes",
                  lambda _: near.command("call sip:gw1-test@lab.test"))

    def test_calls_a_gateway_with_dtls(self):
        near = self.registered("carol")
        self.play(near, "gateway2", "dtls",
                  lambda _: near.command("call sip:gw2-test@lab.test"))

    def test_is_called_by_a_gateway(self):
        near = self.registered("carol", answers=True)

        def begin(far):
            ok, why = far.call("sip:carol@lab.test")
            self.assertTrue(ok, why)
        self.play(near, "gateway1", "sdes", begin)

    def test_calls_with_dtls_of_its_own(self):
        near = self.registered("dora", address=DTLS_CLIENT, encryption="dtls")
        self.play(near, "gateway1", "sdes",
                  lambda _: near.command("call sip:gw1-test@lab.test"))


class Refused(Case):
    """(A2, A5, B9)"""

    def test_in_clear_it_does_not_register(self):
        for transport in ("tcp", "udp"):
            with self.subTest(transport):
                p = self.phone("eve", transport=transport)
                self.assertIsNone(p.answered("REGISTER", 403))
                self.assertIn("TLS Required", p.answers_to("REGISTER")[-1])
        self.assertNotIn("sip:eve@", LAB.rpc("ul.dump"))
        self.registered("eve")

    def test_without_srtp_it_does_not_call(self):
        far = LAB.phones["gateway1"]
        with far:
            before = len(far.daemon.log())
            p = self.registered("mallory", encryption="none")
            p.command("call sip:gw1-test@lab.test")
            self.assertIsNone(p.answered("INVITE", 488))
            p.says("Call 1 with .* error")
            self.assertNotIn("answering call", far.daemon.log()[before:])
            self.assertEqual(LAB.secured_streams(), [])
            p = self.registered("carol", address=lab.BOB)
            p.command("call sip:gw1-test@lab.test")
            p.says("Media streams established")
            self.assertIn("answering call", far.daemon.log()[before:])


if __name__ == "__main__":
    unittest.main()
