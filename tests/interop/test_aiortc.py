# SPDX-License-Identifier: GPL-2.0-or-later
"""A leg of the plugin toward aiortc: another ICE agent, another DTLS, another
SRTP. Keys go by validated pairs, media both ways, nothing in clear.
"""
import json
import pathlib
import queue
import subprocess
import threading
import time
import unittest

import stun
from dtlscall import DTLS
from rtp import Endpoint, describe, media_of, packet, payload_of
from rtpcall import PATTERN, Bench

NEEDS = "/usr/lib/python3/dist-packages/aiortc"
PEER = pathlib.Path(__file__).with_name("webrtc_peer.py")
HERE, THERE = "192.0.2.2", "192.0.2.21"  # it leaves loopback's own out
SILENCE = b"\xff" * 160
PLENTY_SEC = 20


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=5)


class Peer:
    def __init__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(PEER), THERE], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.said = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def tell(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def wait(self, name, value=None):
        """What it says under that name, or until it is the value"""
        end = time.monotonic() + PLENTY_SEC
        while time.monotonic() < end:
            got = self.said.get(timeout=PLENTY_SEC)
            if name in got and value in (None, got[name]):
                return got[name]
        raise TimeoutError(name)

    def close(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class WebRtc(Bench):
    """(A5, A15)"""

    edge_options = {"interfaces": ("in/127.0.0.1", f"out/{HERE}")}

    @classmethod
    def setUpClass(cls):
        for address in (HERE, THERE):
            ip("addr", "add", address + "/32", "dev", "lo")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for address in (HERE, THERE):
            ip("addr", "del", address + "/32", "dev", "lo")

    def setUp(self):
        self.forget()
        self.ng = self.edge.ng()
        self.addCleanup(self.ng.close)
        self.phone = Endpoint("127.0.0.64", 10000)
        self.addCleanup(self.phone.close)
        self.peer = Peer()
        self.addCleanup(self.peer.close)

    def ask(self, command, leg, sdp, **keys):
        reply = self.ng.secured(
            command, self.id(), leg, DTLS, from_tag="a", sdp=sdp,
            to_tag="b" if command == "answer" else None, **keys)
        self.assertEqual("ok", reply["result"], reply)
        return reply["sdp"]

    def of_phone(self):
        return describe("127.0.0.64", [("audio", self.phone.port, "RTP/AVP",
                                        "0", ["rtpmap:0 PCMU/8000"])])

    def test_we_call(self):
        offer = self.ask("offer", "to", self.of_phone(), ICE="force",
                         direction=["in", "out"], flags=["generate-mid"],
                         transport_protocol="UDP/TLS/RTP/SAVPF",
                         **{"rtcp-mux": ["require"]})
        self.peer.tell(offer=offer)
        answer = self.peer.wait("answer")
        to_phone = self.ask("answer", "to", answer, ICE="remove")
        self.assert_talk(to_phone, offer)

    def test_it_calls(self):
        self.peer.tell(call=True)
        to_phone = self.ask("offer", "from", self.peer.wait("offer"),
                            direction=["out", "in"], ICE="remove",
                            transport_protocol="RTP/AVP",
                            **{"rtcp-mux": ["demux"]})
        answer = self.ask("answer", "from", self.of_phone(), ICE="force")
        self.peer.tell(answer=answer)
        self.assert_talk(to_phone, answer)

    def assert_talk(self, to_phone, ours):
        self.peer.wait("state", "connected")
        to, edge = media_of(to_phone)[0][:2], media_of(ours)[0][:2]
        heard, n, end = [], 0, time.monotonic() + PLENTY_SEC
        while n < 50 or (len(heard) < 50 and time.monotonic() < end):
            self.phone.send(packet(n, (PATTERN * 4)[:160], 0xAAAA0000), to)
            heard += [payload_of(p) for p in self.phone.receive(2, 0.02)]
            n += 1
        self.assertGreaterEqual(len(heard), 50)
        self.assertEqual({SILENCE}, set(heard))
        self.assertGreaterEqual(self.received(40), 40)
        self.peer.close()  # the wire is quiet then
        seen = [p for p in self.wire.collect() if edge in (p[0:2], p[2:4])]
        media = [p[4] for p in seen if 128 <= p[4][0] <= 191]
        self.assertGreaterEqual(len(media), 100)
        for data in media:
            self.assertNotIn(PATTERN[:16], data)
            self.assertNotIn(SILENCE[:16], data)
        self.assert_pairs(seen, edge)

    def received(self, n):
        end = time.monotonic() + PLENTY_SEC
        while True:
            self.peer.tell(report=True)
            got = self.peer.wait("received")
            if got >= n or time.monotonic() > end:
                return got
            time.sleep(0.05)

    def assert_pairs(self, seen, edge):
        """No DTLS of ours before the far end's answer to a check"""
        validated = set()
        for p in seen:
            if p[2:4] == edge and stun.is_stun(p[4]) \
                    and stun.kind(p[4]) == stun.SUCCESS:
                validated.add(p[0:2])
            elif p[0:2] == edge and 20 <= p[4][0] <= 63:
                self.assertIn(p[2:4], validated)
        self.assertTrue(validated)


if __name__ == "__main__":
    unittest.main()
