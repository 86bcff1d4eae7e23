# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP on a network that loses, doubles, reorders and damages packets while
the sequence wraps. The sender is a stock rtpengine's native SRTP; a relay of
the test keeps each packet until the test says what becomes of it, so what
must arrive and what the counters must say is known exactly. The other way
the phone's network is like that: the edge seals what comes, as it comes, and
the stock rtpengine opens it.
"""
import random
import time
import unittest

from dtlscall import DTLS, DtlsBench, DtlsCall
from relay import Relay
from rtp import packet, payload_of
from rtpcall import Call, payloads

N, FIRST, WINDOW = 400, 65300, 128
WRAP = 65536 - FIRST  # the packet whose sequence number is zero
LOST = (*range(50, 60), *range(WRAP - 4, WRAP + 6), 300)
INSIDE = {100: 100 + WINDOW - 8,    # comes after that one
          WRAP - 20: WRAP + 30}     # of before the wrap, after it
OUTSIDE = {120: 120 + WINDOW + 40, WRAP - 30: WRAP - 30 + WINDOW + 20}
DAMAGED = (70, WRAP + 10, 350)
SSRC = 0xBBBB0000


class Holding(Relay):
    """Media of the far end waits in `held`"""

    def __init__(self, address):
        self.held = []
        super().__init__(address)

    def _pass(self, end, data):
        if end == "far" and 128 <= data[0] <= 191:
            self.held.append(data)
        else:
            super()._pass(end, data)

    def release(self, data):
        self._send("far", [data])


class RelayedCall(Call):
    relay = None

    def carry(self, sdp, to):
        return self.relay.carry(sdp, to)


class RelayedDtlsCall(DtlsCall):
    relay = None
    carry = RelayedCall.carry


def schedule():
    """[(packet, is damaged)] as they come, and those that must arrive"""
    chance = random.Random(3711)
    late = {**INSIDE, **OUTSIDE}
    order = [i for i in range(N) if i not in LOST and i not in late]
    for at in range(0, len(order) - 8, 8):  # neighbours overtake each other
        some = order[at:at + 8]
        chance.shuffle(some)
        order[at:at + 8] = some
    for i, after in late.items():
        order.insert(order.index(after) + 1, i)
    plan = []
    for i in order:
        if i in DAMAGED:
            plan.append((i, True))
        plan.append((i, False))
        if i % 7 == 0 and i not in OUTSIDE:
            plan.append((i, False))
    return plan, [i for i in order if i not in OUTSIDE]


class SrtpLoss(DtlsBench):
    """What is new and in the window arrives bit by bit and in the order in
    which it came, whatever else was lost; the counters are exact (A5, A15)"""

    def wait(self, what, condition):
        end = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.002)

    def counters(self, peer):
        leg = [s for s in self.edge.status() if s["peer"] == peer]
        self.assertEqual(1, len(leg))
        return {k: int(leg[0][k]) for k in ("rx", "auth", "replay")}

    def relayed(self, suite, kx):
        relay = Holding("127.0.0.77")
        self.addCleanup(relay.close)
        make = {"sdes": RelayedCall, "dtls": RelayedDtlsCall}[kx]
        call = make(
            self.edge, self.far, f"{self.id()}@loss", far_suite=suite,
            profile={"kx": kx, "suites": suite, "window": str(WINDOW),
                     "peer": self._testMethodName},
            edge_keys={"rtcp-mux": ["offer"]},
            far_keys={"rtcp-mux": ["accept", "demux"]})
        call.relay = relay
        self.addCleanup(call.close)
        call.open()
        if kx == "sdes":
            self.assertIn(suite, call.wire_answer)
        self.ready(call)
        leg = [s for s in self.edge.status()
               if s["peer"] == self._testMethodName]
        self.assertEqual([(kx, suite)], [(s["keying"], s["suite"])
                                         for s in leg])
        return call, relay

    def lossy(self, suite, kx="sdes"):
        call, relay = self.relayed(suite, kx)
        sent, to_far = payloads(b"loss", N), call.far_plain_port()[:2]
        for i in range(N):
            call.telephones[0].send(packet(FIRST + i, sent[i], SSRC), to_far)
            self.wait(f"packet {i}", lambda: len(relay.held) > i)
        for i, data in enumerate(relay.held):
            self.assertEqual((FIRST + i) & 0xFFFF,
                             int.from_bytes(data[2:4], "big"))
            self.assertNotIn(sent[i][12:28], data)
        plan, arrive = schedule()
        got, due, refused = [], set(arrive), 0
        for i, damaged in plan:
            data = bytearray(relay.held[i])
            data[40] ^= damaged
            relay.release(bytes(data))
            if damaged:  # another thread may take what comes next before it
                refused += 1
                self.wait(f"refusal of {i}", lambda: refused == self.counters(
                    self._testMethodName)["auth"])
            elif i in due:  # a burst, the daemon would drop
                due.remove(i)
                got += call.phones[0].receive(1, 5)
        self.assertEqual([sent[i] for i in arrive],
                         [payload_of(p) for p in got])
        self.assertEqual([], call.phones[0].receive(1, 0.2))
        self.assertEqual({
            "rx": len(arrive), "auth": len(DAMAGED),
            "replay": len(plan) - len(arrive) - len(DAMAGED),
        }, self.counters(self._testMethodName))

    def lossy_to_the_far_end(self, suite, kx="sdes"):
        """An index is never used twice, whatever the phone's network does"""
        call, _ = self.relayed(suite, kx)
        self.forget()
        sent, to_edge = payloads(b"loss", N), call.plain_port()[:2]
        plan, arrive = schedule()
        plan = [i for i, damaged in plan if not damaged]
        got, due = [], set(arrive)
        for i in plan:
            call.phones[0].send(packet(FIRST + i, sent[i], SSRC), to_edge)
            if i in due:
                due.remove(i)
                got += call.telephones[0].receive(1, 5)
        self.assertEqual([sent[i] for i in arrive],
                         [payload_of(p) for p in got])
        self.assertEqual([], call.telephones[0].receive(1, 0.2))
        left = [p[4] for p in self.wire.collect()
                if p[0:2] == call.trunk()[0] and 128 <= p[4][0] <= 191]
        self.assertEqual([(FIRST + i) & 0xFFFF for i in arrive],
                         [int.from_bytes(d[2:4], "big") for d in left])
        for i, data in zip(arrive, left):
            self.assertNotIn(sent[i][12:28], data)

    def test_aes_cm_128_hmac_sha1_80(self):
        self.lossy("AES_CM_128_HMAC_SHA1_80")

    def test_aead_aes_128_gcm(self):
        self.lossy("AEAD_AES_128_GCM")

    def test_by_dtls(self):
        self.lossy("AES_CM_128_HMAC_SHA1_80", "dtls")

    def test_sent_aes_cm_128_hmac_sha1_80(self):
        self.lossy_to_the_far_end("AES_CM_128_HMAC_SHA1_80")

    def test_sent_aead_aes_128_gcm(self):
        self.lossy_to_the_far_end("AEAD_AES_128_GCM")

    def test_sent_by_dtls(self):
        self.lossy_to_the_far_end("AES_CM_128_HMAC_SHA1_80", "dtls")


if __name__ == "__main__":
    unittest.main()
