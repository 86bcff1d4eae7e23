# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls by DTLS-SRTP; see rtpcall.py for the picture."""
import time

from rtp import packet, payload_of
from rtpcall import PATTERN, Bench, Call

DTLS = {"kx": "dtls"}


class DtlsCall(Call):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{"profile": DTLS, **options})

    def open_from_telephone(self):
        self.wire_offer = self.good(self.far_ng.ask(
            "offer", self.call_id, from_tag="a", sdp=self.local(
                self.telephones), transport_protocol="UDP/TLS/RTP/SAVP",
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


class DtlsBench(Bench):
    def dtls(self, name, **options):
        call = DtlsCall(self.edge, self.far, f"{self.id()}-{name}", **options)
        self.addCleanup(call.close)
        call.open()
        return call

    def ready(self, call, seconds=5):
        """Waits for the handshake, as it stands in the status"""
        ports = {str(p) for _, p in call.trunk(0)}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = {s["state"] for s in self.edge.status()
                      if s["port"] in ports}
            if states == {"ready"}:
                return
            time.sleep(0.02)
        self.fail(f"no handshake: {states}\n{self.edge.say('status')}")

    def assert_dtls_on_the_wire(self, call):
        seen = [d for d in self.wire.between(*call.trunk())
                if 20 <= d[0] <= 63]
        self.assertGreaterEqual(len(seen), 4)

    def assert_media(self, call):
        """As assert_secured, whatever suite DTLS chose"""
        self.forget()
        down, at_telephone, up, at_phone = call.talk(n=20)
        self.assertEqual(down, [payload_of(p) for p in at_telephone])
        self.assertEqual(up, [payload_of(p) for p in at_phone])
        trunk = self.wire.between(*call.trunk())
        self.assertGreaterEqual(len(trunk), 40)
        for data in trunk:
            self.assertNotIn(PATTERN[:16], data)

    def assert_renewed(self, call):
        """Waits for the daemon's new keys: its packets pass again"""
        data, end = b"are the new keys there? " * 6, time.monotonic() + 5
        while time.monotonic() < end:
            call.phones[0].send(packet(call.sequence, data, 0xAAAA0000),
                                call.plain_port()[:2])
            call.sequence += 1
            if call.telephones[0].receive(1, 0.1):
                call.telephones[0].drain()
                return
        self.fail(f"no media under new keys\n{self.edge.say('status')}")

    def again(self, call):
        """A re-INVITE by the phone"""
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", call.profile, from_tag="a",
            to_tag="b", sdp=call.local(call.phones), **call.edge_keys))
        self.assertIn("a=setup:actpass", call.wire_offer)
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP", **call.far_keys))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones), **call.far_keys))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", call.profile, from_tag="a",
            to_tag="b", sdp=call.wire_answer))
