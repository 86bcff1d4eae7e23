# SPDX-License-Identifier: GPL-2.0-or-later
"""What only looks like STUN. A daemon's ICE agent hands what it has no use for
on as if it were media, so on a secured leg nothing may reach it, or leave,
but Binding messages under the passwords of the signalling. See
tests/support/rtpcall.py for the picture.
"""
import os
import struct
import time
import unittest

import stun
from rtp import Endpoint
from test_media_ice import ICE, IceBench, Played, ice_of

MARK = b"octets that nobody has protected"
STRANGER = "127.0.0.98"


def bare(number, body=b""):
    return struct.pack("!HHI", number, len(body), stun.COOKIE) \
        + os.urandom(12) + body


def longer(message, more):
    """With octets behind its end, in its length as well"""
    octets = int.from_bytes(message[2:4], "big") + len(more)
    return message[:2] + struct.pack("!H", octets) + message[4:] + more


def nobodys():
    data = stun.attribute(0x0013, MARK)
    return {"Allocate": bare(0x0003, data),
            "Send indication": bare(0x0016, data),
            "Binding indication": bare(0x0011, data),
            "Binding request": bare(0x0001, data),
            "error": bare(0x0111, data),
            "error to the id of zeros": struct.pack(
                "!HHI", 0x0111, len(data), stun.COOKIE) + bytes(12) + data,
            "success": bare(0x0101, data),
            "unknown method": bare(0x03ee, data),
            "no attribute": bare(0x0001, MARK),
            "attribute beyond the end": bare(0x0001, b"\0\6\x7f\xff" + MARK),
            "unknown attribute": bare(0x0001, stun.attribute(0x7abc, MARK))}


def with_tails(message):
    """A message that was authentic, with what its MAC does not cover"""
    return {"wrong fingerprint": message[:-4] + MARK[:4],
            "tail": longer(message, MARK),
            "tail in place of the fingerprint": longer(
                message[:2] + struct.pack("!H", len(message) - 28)
                + message[4:-8], stun.attribute(0x0013, MARK)),
            "second fingerprint": longer(message, message[-8:-4] + MARK[:4])}


class Crossing(IceBench):
    """In neither direction, while media passes (A32)"""

    def setUp(self):
        self.served_call = self.served("stun", edge_keys=ICE)
        self.intruder = Endpoint(STRANGER, 14000)
        self.addCleanup(self.intruder.close)

    def test_inwards(self):
        call, phone = self.served_call, self.served_call.phones[0]
        self.assert_media(call)
        for name, data in nobodys().items():
            with self.subTest(name):
                # at our end alone: stock rtpengine 12.5 at the other takes
                # the stranger for its peer and sends it the next packet
                self.intruder.send(data, call.trunk()[0])
                self.assertEqual([], phone.receive(1, 0.1))
        self.assert_media(call)

    def test_outwards(self):
        call = self.served_call
        self.assert_media(call)
        self.forget()
        for data in nobodys().values():
            call.phones[0].send(data, call.plain_port()[:2])
        self.assert_media(call)
        for p in self.wire.collect():
            if p[0:2] in call.trunk():
                self.assertNotIn(MARK, p[4])


class CrossingSdes(IceBench):
    """The same where no key depends on ICE (A32)"""

    def test_inwards(self):
        call = self.call(edge_keys=ICE)
        self.assertIn("a=crypto:", call.wire_offer)
        self.assertIn("a=candidate:", call.wire_answer)
        self.assert_media(call)
        self.assertGreater(sum(stun.is_stun(d) and stun.kind(
            d) == stun.SUCCESS for d in self.wire.between(*call.trunk())), 0)
        for name, data in nobodys().items():
            with self.subTest(name):
                call.telephones[0].send(data, call.trunk()[0])
                self.assertEqual([], call.phones[0].receive(1, 0.1))
        self.assert_media(call)


class Sent(Played):
    """... by one who knows the password, or has seen its message (A32)"""

    def setUp(self):
        super().setUp()
        self.phone = Endpoint("127.0.0.64", 9000)
        self.addCleanup(self.phone.close)
        self.open("active", [self.far])
        ufrag, self.password = ice_of(self.offer)
        self.right_check = stun.check(f"{ufrag}:farend", self.password)

    def answers(self, s, data):
        """Responses to it"""
        seen, end = [], time.monotonic() + 0.4
        s.sendto(data, self.edge_at)
        s.settimeout(0.05)
        while not seen and time.monotonic() < end:
            try:
                got = s.recv(4096)
            except TimeoutError:
                continue
            if stun.is_stun(got) and stun.ident(got) == stun.ident(data):
                seen.append(stun.kind(got))
        return seen

    def test_a_right_one_is_answered_and_no_other_passes(self):
        self.assertTrue(self.answers(self.far, self.right_check))
        for name, data in with_tails(self.right_check).items():
            with self.subTest(name):
                for s in (self.far, self.stranger):
                    self.assertEqual([], self.answers(s, data))
                self.assertEqual([], self.phone.receive(1, 0.1))
        wrong = stun.check("edge:farend", "not-" + self.password)
        self.assertEqual([], self.answers(self.far, wrong))
        self.assertEqual([], self.phone.receive(1, 0.1))
        self.assertTrue(self.answers(self.far, self.right_check))


if __name__ == "__main__":
    unittest.main()
