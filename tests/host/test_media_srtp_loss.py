# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP on a network that loses, doubles, reorders and damages packets while
the sequence wraps. The sender is a stock rtpengine's native SRTP; a relay of
the test keeps each packet until the test says what becomes of it, so what
must arrive and what the counters must say is known exactly.
"""
import random
import time
import unittest

from relay import Relay
from rtp import packet, payload_of
from rtpcall import Bench, Call, payloads

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


class SrtpLoss(Bench):
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

    def lossy(self, suite):
        relay = Holding("127.0.0.77")
        self.addCleanup(relay.close)
        call = RelayedCall(
            self.edge, self.far, f"{suite}@loss", far_suite=suite,
            profile={"suites": suite, "window": str(WINDOW), "peer": suite},
            edge_keys={"rtcp-mux": ["offer"]},
            far_keys={"rtcp-mux": ["accept", "demux"]})
        call.relay = relay
        self.addCleanup(call.close)
        call.open()
        self.assertIn(suite, call.wire_answer)
        sent, to_far = payloads(b"loss", N), call.far_plain_port()[:2]
        for i in range(N):
            call.telephones[0].send(packet(FIRST + i, sent[i], SSRC), to_far)
            self.wait(f"packet {i}", lambda: len(relay.held) > i)
        for i, data in enumerate(relay.held):
            self.assertEqual((FIRST + i) & 0xFFFF,
                             int.from_bytes(data[2:4], "big"))
            self.assertNotIn(sent[i][12:28], data)
        plan, arrive = schedule()
        got, due = [], set(arrive)
        for i, damaged in plan:
            data = bytearray(relay.held[i])
            data[40] ^= damaged
            relay.release(bytes(data))
            if not damaged and i in due:  # a burst, the daemon would drop
                due.remove(i)
                got += call.phones[0].receive(1, 5)
        self.assertEqual([sent[i] for i in arrive],
                         [payload_of(p) for p in got])
        self.assertEqual([], call.phones[0].receive(1, 0.2))
        self.assertEqual({
            "rx": len(arrive), "auth": len(DAMAGED),
            "replay": len(plan) - len(arrive) - len(DAMAGED),
        }, self.counters(suite))

    def test_aes_cm_128_hmac_sha1_80(self):
        self.lossy("AES_CM_128_HMAC_SHA1_80")

    def test_aead_aes_128_gcm(self):
        self.lossy("AEAD_AES_128_GCM")


if __name__ == "__main__":
    unittest.main()
