# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls with a leg that the plugin secures. The far end's SRTP is a second,
stock rtpengine that terminates it natively:

    phone --RTP--> edge (plugin) ==SRTP==> far (stock) --RTP--> telephone
"""
import re
import unittest

from rtp import Endpoint, Wire, describe, media_of, packet, payload_of
from rtpengine import SECRET, Rtpengine

N = 60
PATTERN = b"this payload is known and must not be seen in clear "


def payloads(mark, n=N):
    return [(b"%s %04d " % (mark, i) + PATTERN * 4)[:160] for i in range(n)]


class Call:
    """One call through edge and far. caller: which side makes the offer;
    edge_keys: ng keys of the edge's offer, far_keys of the far's both"""

    numbers = iter(range(1, 1000))

    def __init__(self, edge, far, call_id, phone="127.0.0.64",
                 telephone="127.0.0.21", caller="phone", profile=None,
                 media=("audio",), edge_keys=None, far_keys=None,
                 attributes=(), far_suite="AES_CM_128_HMAC_SHA1_80"):
        n = next(self.numbers)
        self.call_id = call_id
        self.edge, self.far = edge, far
        self.edge_ng, self.far_ng = edge.ng(), far.ng()
        self.edge_keys, self.far_keys = edge_keys or {}, far_keys or {}
        self.profile = profile or {}
        self.media = media
        self.attributes = list(attributes)
        self.phones = [Endpoint(phone, 10000 + 40 * n + 4 * i)
                       for i in range(len(media))]
        self.telephones = [Endpoint(telephone, 12000 + 40 * n + 4 * i)
                           for i in range(len(media))]
        self.caller = caller
        self.far_suite = far_suite
        self.sequence = 1000

    def local(self, endpoints):
        formats = {"audio": "0", "video": "96"}
        extra = {"audio": [], "video": ["rtpmap:96 H264/90000"]}
        return describe(endpoints[0].address, [
            (m, e.port, "RTP/AVP", formats[m], extra[m] + self.attributes)
            for m, e in zip(self.media, endpoints)])

    def open(self):
        if self.caller == "phone":
            self.open_from_phone()
        else:
            self.open_from_telephone()
        return self

    def carry(self, sdp, to):
        """What "edge" or "far" gets to see of the other's description"""
        return sdp

    def good(self, reply):
        if reply.get("result") != "ok":
            raise AssertionError(reply)
        return reply["sdp"]

    def open_from_phone(self):
        self.wire_offer = self.good(self.edge_ng.secured(
            "offer", self.call_id, "to", self.profile, from_tag="a",
            sdp=self.local(self.phones), **self.edge_keys))
        to_telephone = self.good(self.far_ng.ask(
            "offer", self.call_id, from_tag="a",
            sdp=self.carry(self.wire_offer, "far"),
            transport_protocol="RTP/AVP", **self.far_keys))
        self.wire_answer = self.good(self.far_ng.ask(
            "answer", self.call_id, from_tag="a", to_tag="b",
            sdp=self.local(self.telephones), **self.far_keys))
        to_phone = self.good(self.edge_ng.secured(
            "answer", self.call_id, "to", self.profile, from_tag="a",
            to_tag="b", sdp=self.carry(self.wire_answer, "edge")))
        self.to_phone, self.to_telephone = to_phone, to_telephone

    def open_from_telephone(self):
        self.wire_offer = self.good(self.far_ng.ask(
            "offer", self.call_id, from_tag="a", sdp=self.local(
                self.telephones), transport_protocol="RTP/SAVP",
            SDES=[f"only-{self.far_suite}"], DTLS="off",
            **self.far_keys))
        self.to_phone = self.good(self.edge_ng.secured(
            "offer", self.call_id, "from", self.profile, from_tag="a",
            sdp=self.carry(self.wire_offer, "edge"), **self.edge_keys))
        self.wire_answer = self.good(self.edge_ng.secured(
            "answer", self.call_id, "from", self.profile, from_tag="a",
            to_tag="b", sdp=self.local(self.phones)))
        self.to_telephone = self.good(self.far_ng.ask(
            "answer", self.call_id, from_tag="a", to_tag="b",
            sdp=self.carry(self.wire_answer, "far"), **self.far_keys))

    def plain_port(self, index=0):
        """Where the phone sends to"""
        return media_of(self.to_phone)[index]

    def far_plain_port(self, index=0):
        return media_of(self.to_telephone)[index]

    def trunk(self, index=0, rtcp=False):
        """The two ends of the secured path"""
        ends = []
        for sdp in (self.wire_offer, self.wire_answer):
            address, port, rtcp_port, _, _ = media_of(sdp)[index]
            ends.append((address, rtcp_port if rtcp else port))
        return ends

    def talk(self, mark=b"talk", n=N, index=0, pt=None):
        """Both ways; returns (sent, got at the telephone, got at the phone).
        The daemons learn addresses from the first packets"""
        pt = {"audio": 0, "video": 96}[self.media[index]] if pt is None else pt
        phone, telephone = self.phones[index], self.telephones[index]
        to_edge = self.plain_port(index)[:2]
        to_far = self.far_plain_port(index)[:2]
        down, up = payloads(mark + b" down", n), payloads(mark + b" up", n)
        at_telephone, at_phone = [], []
        for i in range(n):
            phone.send(packet(self.sequence, down[i], 0xAAAA0000 + index, pt),
                       to_edge)
            telephone.send(
                packet(self.sequence, up[i], 0xBBBB0000 + index, pt), to_far)
            self.sequence += 1
            at_telephone += telephone.receive(1, 3)
            at_phone += phone.receive(1, 3)
        return down, at_telephone, up, at_phone

    def close(self):
        for e in self.phones + self.telephones:
            e.close()
        self.edge_ng.close()
        self.far_ng.close()


class Bench(unittest.TestCase):
    """Two daemons for all tests of a class"""

    edge_options = {}
    far_options = {}

    @classmethod
    def setUpClass(cls):
        cls.wire = Wire()
        cls.edge = Rtpengine(cls.__name__ + "-edge", **{
            "ng": "127.0.0.1:2223",
            "interfaces": ("in/127.0.0.1", "out/127.0.0.2"),
            **cls.edge_options}).start()
        cls.far = Rtpengine(cls.__name__ + "-far", **{
            "ng": "127.0.0.1:2323", "interfaces": ("127.0.0.3",),
            "ports": (40000, 40999), "plugin": False,
            **cls.far_options}).start()

    @classmethod
    def tearDownClass(cls):
        alive = cls.edge.alive() and cls.far.alive()
        cls.edge.stop()
        cls.far.stop()
        cls.wire.close()
        assert alive, "a daemon died"

    def call(self, **options):
        call = Call(self.edge, self.far, self.id() + "@test", **options)
        self.addCleanup(call.close)
        return call.open()

    def forget(self):
        """What was on the wire up to now"""
        self.wire.collect()
        self.wire.seen.clear()

    def assert_secured(self, call, index=0, tag=10, n=N):
        """Both ways bit by bit, and nothing in clear on the trunk. tag:
        octets that the suite adds"""
        self.forget()
        down, at_telephone, up, at_phone = call.talk(index=index, n=n)
        self.assertEqual(down, [payload_of(p) for p in at_telephone])
        self.assertEqual(up, [payload_of(p) for p in at_phone])
        a, b = call.trunk(index)
        trunk = self.wire.between(a, b)
        self.assertEqual(2 * n, len(trunk))
        for data in trunk:
            self.assertNotIn(PATTERN[:16], data)
            self.assertEqual(12 + 160 + tag, len(data))

    def assert_clear_nowhere(self, call, index=0):
        for p in self.wire.collect():
            for end in call.trunk(index):
                if end in (p[0:2], p[2:4]):
                    self.assertNotIn(PATTERN[:16], p[4])

    def assert_refused(self, reply, reason):
        self.assertEqual("error", reply["result"], reply)
        self.assertIn(f"trunkguard: {reason}:", reply["error-reason"])
