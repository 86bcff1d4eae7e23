# SPDX-License-Identifier: GPL-2.0-or-later
"""DTLS flights on a network that loses, doubles and reorders, and what an
unverified source can make us send. The far end is a stock rtpengine behind a
relay of the test. See tests/support/rtpcall.py for the picture.
"""
import socket
import time
import unittest

from dtlscall import DTLS, DtlsBench, DtlsCall
from dtlshello import cookie_of, is_hello, with_cookie
from relay import Relay, Swap, double, lose
from rtp import describe, media_of, packet
from rtpcall import PATTERN

MUX = {"rtcp-mux": ["offer"]}


class RelayedCall(DtlsCall):
    relay = None

    def carry(self, sdp, to):
        return self.relay.carry(sdp, to)


class PluginCall(RelayedCall):
    """The far end's DTLS is the plugin's, too"""

    def open_from_phone(self):
        ours = {"leg": "to", "profile": self.profile, "from_tag": "a"}
        theirs = {"leg": "from", "profile": self.profile, "from_tag": "a"}
        self.wire_offer = self.good(self.edge_ng.secured(
            "offer", self.call_id, sdp=self.local(self.phones), **ours,
            **self.edge_keys))
        self.to_telephone = self.good(self.far_ng.secured(
            "offer", self.call_id, sdp=self.carry(self.wire_offer, "far"),
            **theirs, **self.far_keys))
        self.wire_answer = self.good(self.far_ng.secured(
            "answer", self.call_id, to_tag="b",
            sdp=self.local(self.telephones), **theirs, **self.far_keys))
        self.to_phone = self.good(self.edge_ng.secured(
            "answer", self.call_id, to_tag="b",
            sdp=self.carry(self.wire_answer, "edge"), **ours))


class Lossy:
    """Handshakes end, media passes bit by bit, and nothing is in clear"""

    kind = RelayedCall
    role = "active"
    # of each end's first datagrams, how many may be lost
    may_be_lost = {"from_edge": 3, "from_far": 3}

    def handshake(self, name, **fates):
        relay = Relay("127.0.0.77", **fates)
        self.addCleanup(relay.close)
        call = self.kind(self.edge, self.far, f"{self.id()}-{name}",
                         edge_keys=MUX, far_keys={"rtcp-mux": [
                             "accept", "demux"]})
        call.relay = relay
        self.addCleanup(call.close)
        call.open()
        self.assertIn(f"a=setup:{self.role}", call.wire_answer)
        self.ready(call, 15)
        call.trunk = lambda: (relay.ends["edge"], relay.near.getsockname())
        self.warm(call)
        self.assert_media(call)
        return relay

    def warm(self, call):
        """Its end of the handshake may come later than ours"""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            call.phones[0].send(packet(call.sequence, PATTERN, 0xAAAA0000),
                                call.plain_port()[:2])
            call.telephones[0].send(packet(call.sequence, PATTERN, 0xBBBB0000),
                                    call.far_plain_port()[:2])
            call.sequence += 1
            if call.phones[0].receive(1, 0.1) \
                    and call.telephones[0].receive(1, 0.1):
                for e in (call.phones[0], call.telephones[0]):
                    e.drain()
                return
        self.fail(f"no media\n{self.edge.say('status')}")

    def test_each_datagram_is_lost_once(self):
        for end, some in self.may_be_lost.items():
            for n in range(some):
                with self.subTest(end=end, n=n):
                    relay = self.handshake(f"{end}-{n}", **{end: lose(n)})
                    seen = relay.seen[end.removeprefix("from_")]
                    self.assertEqual(int(n < seen), relay.gone)

    def test_the_first_ones_of_both_are_lost(self):
        relay = self.handshake("both", from_edge=lose(0, 1), from_far=lose(0))
        self.assertEqual(3, relay.gone)

    def test_they_overtake_each_other(self):
        relay = self.handshake("swap", from_edge=Swap(), from_far=Swap())
        self.assertGreaterEqual(min(relay.seen.values()), 2)

    def test_they_come_twice(self):
        relay = self.handshake("twice", from_edge=double, from_far=double)
        self.assertGreaterEqual(min(relay.seen.values()), 2)


class ActiveStock(Lossy, DtlsBench):
    """The far end, a stock rtpengine, begins (A5, A15)"""


class PassiveStock(Lossy, DtlsBench):
    """We begin. A stock rtpengine (10.5) that has finished never says its last
    flight again, so that one is not lost here (A5, A15)"""

    far_options = {"options": ("--dtls-passive",)}
    role = "passive"
    may_be_lost = {"from_edge": 3, "from_far": 1}


class Plugins(Lossy, DtlsBench):
    """The plugin at both ends (A5, A15)"""

    kind = PluginCall
    far_options = {"plugin": True}


class Amplification(DtlsBench):
    """A source that did not return its cookie gets no more than three times
    the octets that it sent, counted on the wire for longer than the first
    timers (RFC 9147 section 5.1 has the same bound) (A15)"""

    def setUp(self):
        self.ng = self.edge.ng()
        self.addCleanup(self.ng.close)
        self.hello = self.capture()
        self.open("active")

    def ask(self, name, sdp):
        reply = self.ng.secured(name, self.call_id, "to", DTLS, from_tag="a",
                                to_tag="b" if name == "answer" else None,
                                sdp=sdp)
        self.assertEqual("ok", reply["result"], reply)
        return reply["sdp"]

    def open(self, setup):
        """The edge's call to a far end that is a socket"""
        self.call_id = f"{self.id()}-{setup}"
        self.far_end = self.socket("127.0.0.21")
        port = self.far_end.getsockname()[1]
        offer = self.ask("offer", describe("127.0.0.64", [
            ("audio", 9000, "RTP/AVP", "0", [])]))
        self.edge_at = media_of(offer)[0][:2]
        self.ask("answer", describe("127.0.0.21", [(
            "audio", port, "UDP/TLS/RTP/SAVP", "0", [
                f"setup:{setup}", "rtcp-mux", "fingerprint:sha-256 "
                + ":".join(["AA"] * 32)])]))
        self.addCleanup(self.delete)

    def delete(self):
        self.ng.ask("delete", self.call_id, from_tag="a", delete_delay=0)

    def socket(self, address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 0))
        s.settimeout(5)
        self.addCleanup(s.close)
        return s

    def capture(self):
        """The plugin's own ClientHello to a passive far end"""
        self.open("passive")
        hello = self.far_end.recv(4096)
        self.assertTrue(is_hello(hello))
        self.delete()
        return hello

    def octets(self, s, seconds=0.0):
        """(received by the edge, sent by it), for this source"""
        time.sleep(seconds)
        here, there = s.getsockname(), self.edge_at
        seen = self.wire.collect()
        return (sum(len(p[4]) for p in seen
                    if (p[0:2], p[2:4]) == (here, there)),
                sum(len(p[4]) for p in seen
                    if (p[0:2], p[2:4]) == (there, here)))

    def cookie(self, s, hello=None):
        s.sendto(hello or self.hello, self.edge_at)
        cookie = cookie_of(s.recv(4096))
        self.assertTrue(cookie)
        return cookie

    def assert_bounded(self, s):
        sent, got = self.octets(s, 1.5)
        self.assertGreater(sent, 0)
        self.assertLessEqual(got, 3 * sent)

    def test_hellos_without_a_cookie(self):
        s = self.socket("127.0.0.98")
        for _ in range(20):
            self.cookie(s)
        self.assert_bounded(s)

    def test_hellos_with_another_ones_cookie(self):
        """What a source that forges its address could send"""
        mine, victim = self.socket("127.0.0.97"), self.socket("127.0.0.98")
        stolen = with_cookie(self.hello, self.cookie(mine))
        for _ in range(20):
            victim.sendto(stolen, self.edge_at)
        self.assertTrue(cookie_of(victim.recv(4096)), "it was taken")
        self.assert_bounded(victim)

    def test_anything_else(self):
        s = self.socket("127.0.0.98")
        for data in (self.hello[:40], self.hello[:13] + b"\2" + self.hello[14:],
                     b"\x16\xfe\xfd" + bytes(10), bytes([63]) * 100,
                     b"\x15" + self.hello[1:], self.hello[:-1],
                     self.hello * 4):
            s.sendto(data, self.edge_at)
            self.assert_bounded(s)
        self.cookie(s)  # it is alive

    def test_a_verified_source_gets_the_whole_flight(self):
        """The control: who returns its own cookie gets more than that"""
        s = self.socket("127.0.0.98")
        s.sendto(with_cookie(self.hello, self.cookie(s)), self.edge_at)
        s.recv(4096)
        sent, got = self.octets(s, 1.5)
        self.assertGreater(got, 3 * sent)


if __name__ == "__main__":
    unittest.main()
