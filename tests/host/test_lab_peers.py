# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab with every declared peer: another key exchange, a gateway that the
policy lets run in clear, a partner of another CA.
"""

import os
import unittest

import lab
import lab_rows
import wire

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
LAB = lab.Lab(ROOT, peers=tuple(lab.PEERS))


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class Peers(unittest.TestCase):
    """(A5, A9, A16, A27, A28)"""

    def test_gateway2_call_is_secured_by_dtls(self):
        ok, seen = lab_rows.call_verdict(LAB, "gateway2.pcap", False, "gateway2")
        self.assertTrue(ok, seen)
        self.assertIn("plugin: dtls", seen)

    def test_gateway3_call_runs_in_clear_there_and_secured_at_the_client(self):
        capture, near, far, streams, why = lab_rows.play_call(
            LAB, os.path.join(ROOT, "gateway3.pcap"), gateway="gateway3")
        self.assertIsNone(why)
        self.assertGreater(near[lab.GATEWAY_HZ], 2)
        self.assertGreater(far[lab.CLIENT_HZ], 2)
        self.assertEqual(streams, [])

        def rtp(a, b):
            return wire.rtp_of([p for p in capture.packets if p.between(a, b)])
        known = rtp(lab.GATEWAY3, lab.GATEWAY3)
        at_gateway = rtp(lab.EDGE, lab.GATEWAY3)
        at_client = rtp(lab.EDGE, lab.CLIENT)
        self.assertGreater(len(at_gateway), 2 * lab_rows.PACKETS_AT_LEAST)
        self.assertGreater(wire.clear_matches(at_gateway, known), len(at_gateway) // 2)
        self.assertGreater(len(at_client), 2 * lab_rows.PACKETS_AT_LEAST)
        self.assertEqual(wire.clear_matches(at_client, known), 0)

    def test_partner1_is_reached_with_its_own_ca(self):
        with LAB.client() as c:
            answer = c.request("OPTIONS", "sip:anyone@partner.test")
        self.assertEqual(answer.status, 200)

    def test_partner1_is_refused_with_a_certificate_of_our_ca(self):
        ok, seen = lab_rows.refused_in_handshake(LAB, lab.PARTNER1, "gateway1")
        self.assertTrue(ok, seen)

    def test_gateway3_over_tls_is_not_what_was_declared(self):
        ok, seen = lab_rows.refused_in_handshake(LAB, lab.GATEWAY3, "gateway3")
        self.assertTrue(ok, seen)


if __name__ == "__main__":
    unittest.main()
