# SPDX-License-Identifier: GPL-2.0-or-later
"""When a socket of a secured leg may pass what is not SRTP: never after the
leg was secured again, and STUN only where both sides have an ICE agent.
"""

import base64
import os
import re
import struct
import unittest

from ngclient import proof
from rtp import Endpoint, packet
from rtpcall import Bench, describe, media_of
from rtpengine import SECRET

PHONE, GATEWAY, STRANGER = "127.0.0.64", "127.0.0.21", "127.0.0.99"
SUITE = "AES_CM_128_HMAC_SHA1_80"
CLEAR = b"clear! " * 22


class Modes(Bench):
    """(A32, B10)"""

    def setUp(self):
        self.phone = self.endpoint(PHONE, 10000)
        self.gateway = self.endpoint(GATEWAY, 12000)
        self.call_id = self.id()
        self.ng = self.edge.ng()
        self.addCleanup(self.ng.close)

    def endpoint(self, address, port):
        made = Endpoint(address, port)
        self.addCleanup(made.close)
        return made

    def ask(self, command, sdp, level="required", **more):
        reply = self.ng.secured(command, self.call_id, "to", {"level": level},
                                from_tag="a", sdp=sdp, **more)
        self.assertEqual("ok", reply["result"], reply)
        return reply["sdp"]

    def call(self, secured, level="required", **more):
        """-> where the phone sends to, where the gateway sends to"""
        out = self.ask("offer", describe(PHONE, [
            ("audio", 10000, "RTP/AVP", "0", [])]), level,
                       direction=["in", "out"], **more)
        lines, proto = [], "RTP/AVP"
        if secured:
            tag = re.search(rf"a=crypto:(\d+) {SUITE} ", out)[1]
            key = base64.b64encode(os.urandom(30)).decode()
            lines, proto = [f"crypto:{tag} {SUITE} inline:{key}"], "RTP/SAVP"
        back = self.ask("answer", describe(GATEWAY, [
            ("audio", 12000, proto, "0", lines)]), level, to_tag="b")
        self.assertEqual("to" if secured else None,
                         proof(SECRET, self.call_id, back))
        return media_of(back)[0][:2], media_of(out)[0][:2]

    def heard_by_gateway(self, to_phone_side):
        for i in range(5):
            self.phone.send(packet(100 + i, CLEAR), to_phone_side)
        return self.gateway.receive(5, 2)

    def assert_sealed(self, plain, trunk):
        heard = self.heard_by_gateway(plain)
        self.assertEqual(5, len(heard))
        for data in heard:
            self.assertNotIn(b"clear!", data)
        for i in range(5):
            self.gateway.send(packet(200 + i, CLEAR), trunk)
        self.assertEqual([], self.phone.receive(1, 0.5))

    def test_a_leg_that_was_clear_is_sealed_once_it_has_keys(self):
        for level in ("supported", "required"):
            with self.subTest(level):
                self.call_id = f"{self.id()}-{level}"
                plain, _ = self.call(False, "supported")
                self.assertIn(CLEAR, b"".join(self.heard_by_gateway(plain)))
                self.assert_sealed(*self.call(True, level, to_tag="b"))
                self.ng.ask("delete", self.call_id, from_tag="a")

    def test_a_line_that_was_off_does_not_come_back_in_clear(self):
        """Nor one whose far end tells us at once"""
        plain, trunk = self.call(True, "supported")
        self.assert_sealed(plain, trunk)
        for off in (False, True):
            offer = describe(PHONE, [("audio", 10000, "RTP/AVP", "0", [])])
            self.ask("offer", offer, "supported", to_tag="b",
                     direction=["in", "out"])
            if off:
                reply = self.ng.secured(
                    "answer", self.call_id, "to", {"level": "supported"},
                    from_tag="a", to_tag="b", sdp=describe(GATEWAY, [
                        ("audio", 0, "RTP/AVP", "0", [])]))
                # stock rtpengine 12.5 cannot write a description whose only
                # line is off
                self.assertIn(reply.get("error-reason"), (None, "Error rewriting SDP"))
                self.ask("offer", offer, "supported", to_tag="b",
                         direction=["in", "out"])
            self.assert_refused(self.ng.secured(
                "answer", self.call_id, "to", {"level": "supported"},
                from_tag="a", to_tag="b", sdp=describe(GATEWAY, [
                    ("audio", 12000, "RTP/AVP", "0", [])])),
                "media-downgrade")
            for data in self.heard_by_gateway(plain):
                self.assertNotIn(b"clear!", data)
        self.ng.ask("delete", self.call_id, from_tag="a")

    def test_the_next_peer_gets_keys_of_its_own(self):
        keys = []
        for peer, suite in (("gateway1", SUITE), ("gateway1", SUITE),
                            ("gateway2", SUITE), ("gateway2", "AEAD_AES_256_GCM")):
            reply = self.ng.secured(
                "offer", self.call_id, "to", {"peer": peer, "suites": suite},
                from_tag="a", direction=["in", "out"], sdp=describe(
                    PHONE, [("audio", 10000, "RTP/AVP", "0", [])]))
            keys += re.findall(rf"a=crypto:\d+ {suite} inline:(\S+)", reply["sdp"])
        self.assertEqual(4, len(keys))
        self.assertEqual(keys[0], keys[1])  # the same offer again
        self.assertEqual(3, len(set(keys)))
        self.ng.ask("delete", self.call_id, from_tag="a")

    def test_stun_without_ice_goes_nowhere(self):
        plain, trunk = self.call(True)
        stranger = self.endpoint(STRANGER, 15000)
        stun = (struct.pack("!HHI", 0x11, len(CLEAR), 0x2112A442) + b"x" * 12
                + CLEAR)
        for sender in (stranger, self.gateway):
            for _ in range(3):
                sender.send(stun, trunk)
        self.assertEqual([], self.phone.receive(1, 0.5))
        self.assert_sealed(plain, trunk)
        self.assertEqual([], stranger.receive(1, 0.2))
        self.ng.ask("delete", self.call_id, from_tag="a")


if __name__ == "__main__":
    unittest.main()
