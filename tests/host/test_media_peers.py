# SPDX-License-Identifier: GPL-2.0-or-later
"""Secured legs against ffmpeg's SRTP; hundreds of calls that come and go
under media; a daemon that is killed. See tests/support/rtpcall.py for the
picture of the calls between two daemons."""
import os
import shutil
import tempfile
import threading
import unittest

from farprogram import FAR, FIRST, TWO_SIDES, FarProgram
from proc import listens, wait_until
from rtp import describe, packet, payload_of
from rtpcall import PATTERN, Bench, Call, payloads

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


@unittest.skipUnless(shutil.which("ffmpeg"), "no ffmpeg command")
class Ffmpeg(FarProgram):
    """The far end is ffmpeg, which knows nothing but SRTP with a given key
    (A5, A15)"""

    def run_ffmpeg(self, *arguments):
        return self.run_program("ffmpeg", "-hide_banner", "-loglevel",
                                "error", "-nostdin", *arguments)

    def test_ffmpeg_sends(self):
        self.each(SUITES, self.ffmpeg_sends)

    def ffmpeg_sends(self, suite, phone, _, trunk, far, __):
        url = (f"srtp://{trunk[0]}:{trunk[1]}?rtcpport={trunk[2]}"
               f"&localrtpport={far[0]}&pkt_size=200")
        self.run_ffmpeg("-re", "-f", "mulaw", "-ar", "8000", "-i",
                        self.path("in.ul"), "-c:a", "copy", "-seq", str(FIRST),
                        "-srtp_out_suite", suite, "-srtp_out_params", far[1],
                        "-f", "rtp", url)
        self.assertEqual(self.sound, self.listen(phone), self.said())
        self.assert_nothing_clear(trunk, 100)

    def test_ffmpeg_receives(self):
        self.each(SUITES, self.ffmpeg_receives)

    def ffmpeg_receives(self, suite, phone, to_edge, trunk, far, edge_key):
        with open(self.path("in.sdp"), "w", encoding="ascii") as f:
            f.write(describe(FAR, [("audio", far[0], "RTP/SAVP", "0", [
                f"crypto:1 {suite} inline:{edge_key}"])]))
        process = self.run_ffmpeg(
            "-y", "-analyzeduration", "0", "-probesize", "32",
            "-protocol_whitelist", "file,udp,rtp,srtp", "-i",
            self.path("in.sdp"), "-c:a", "copy", "-flush_packets", "1", "-f",
            "mulaw", self.path("out.ul"))
        wait_until(lambda: listens("udp", "0.0.0.0", far[0])
                   or listens("udp", FAR, far[0]), "ffmpeg's port", 10)
        self.assert_nothing_clear(trunk, self.talk(phone, to_edge))
        # it may play only from the first packets it has looked at
        wait_until(lambda: len(self.written()) > len(self.sound) * 3 // 4,
                   "what ffmpeg heard", 10)
        process.kill()
        process.wait()
        self.assertIn(self.written(), self.sound)


class Pump:
    """Sends both ways on all calls that are open, until it is stopped"""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []
        self.sent = 0
        self.plain = True  # the phones send too
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        data = payloads(b"pump", 1)[0]
        while not self.ended.wait(0.005):
            with self.lock:
                for call in self.calls:
                    call.sequence += 1
                    rtp = packet(call.sequence, data, 0xAAAA0000)
                    if self.plain:
                        call.phones[0].send(rtp, call.plain_port()[:2])
                    rtp = packet(call.sequence, data, 0xBBBB0000)
                    call.telephones[0].send(rtp, call.far_plain_port()[:2])
                    self.sent += 2

    def add(self, call):
        with self.lock:
            self.calls.append(call)

    def remove(self, call):
        with self.lock:
            self.calls.remove(call)

    def stop(self):
        self.ended.set()
        self.thread.join()


class Burst(Bench):
    """(A32)"""

    ROUNDS, CALLS, OPEN = 4, 100, 12
    # replies are remembered for a minute, by a sanitizer with room around
    GROWTH_OCTETS = (6 if os.environ.get("TG_PRELOAD_FIRST") else 3) << 20

    def files(self):
        return len(os.listdir(f"/proc/{self.edge.process.pid}/fd"))

    @staticmethod
    def resident(daemon):
        with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def one_round(self, number, pump):
        calls, trunks = [], set()
        for i in range(self.CALLS):
            call = Call(self.edge, self.far, f"burst-{number}-{i}",
                        caller="phone" if i % 2 else "telephone",
                        edge_keys=TWO_SIDES if i % 2
                        else {"direction": ["out", "in"]}).open()
            trunks.add(tuple(sorted(call.trunk())))
            calls.append(call)
            pump.add(call)
            if len(calls) > self.OPEN:
                self.end(calls.pop(0), pump)
        for call in calls:
            self.end(call, pump)
        return trunks

    def end(self, call, pump):
        """The edge forgets it while both ends still send; so the far one"""
        for ng in (call.edge_ng, call.far_ng):
            reply = ng.ask("delete", call.call_id, from_tag="a",
                           delete_delay=0)
            self.assertEqual("ok", reply["result"], reply)
        pump.remove(call)
        call.close()

    def assert_trunks_secured(self, trunks):
        seen = [p for p in self.wire.collect()
                if tuple(sorted((p[0:2], p[2:4]))) in trunks]
        self.assertGreater(len(seen), self.CALLS)
        for p in seen:
            self.assertNotIn(PATTERN[:16], p[4])
            self.assertEqual(12 + 160 + 10, len(p[4]))
        self.wire.seen.clear()

    def test_hundreds_of_calls_come_and_go(self):
        Call.numbers = iter(range(1, 1000))
        pump = Pump()
        files, octets, stock = [self.files()], [], []
        try:
            for number in range(self.ROUNDS):
                self.assert_trunks_secured(self.one_round(number, pump))
                wait_until(lambda: self.files() <= files[0],
                           "sockets of ended calls to close", 10)
                files.append(self.files())
                octets.append(self.resident(self.edge))
                stock.append(self.resident(self.far))
        finally:
            pump.stop()
        self.assertNotIn("call-id=", self.edge.say("status"))
        # the stock daemon at the other end grows too: little, but for 26.0
        own = max(0, stock[-1] - stock[0])
        self.assertLess(octets[-1] - octets[0],
                        self.GROWTH_OCTETS + own * 3 // 2, (octets, stock))
        self.assertGreater(pump.sent, self.ROUNDS * self.CALLS)
        call = self.call()
        self.assert_secured(call)


class Killed(Bench):
    """(A32)"""

    def test_no_clear_packet_after_a_kill(self):
        call = self.call(edge_keys=TWO_SIDES)
        self.assert_secured(call)
        trunk = call.trunk()
        pump = Pump()
        try:
            for i in range(3):
                self.forget()
                pump.add(call)
                self.edge.process.kill()
                self.edge.process.wait()
                type(self).edge = self.edge.start()
                # the plain port may be the next call's now, which takes
                # packets of anyone there, as in a stock daemon
                pump.plain = False
                fresh = Call(self.edge, self.far, f"after-kill-{i}",
                             edge_keys=TWO_SIDES).open()
                self.addCleanup(fresh.close)
                down, at_telephone, up, at_phone = fresh.talk(n=20)
                pump.remove(call)
                pump.plain = True
                self.assertEqual(down, [payload_of(p) for p in at_telephone])
                self.assertEqual(up, [payload_of(p) for p in at_phone])
                ends = {*trunk, *fresh.trunk()}
                seen = [p for p in self.wire.collect()
                        if ends & {p[0:2], p[2:4]}]
                self.assertGreaterEqual(len(seen), 40)
                for p in seen:
                    self.assertNotIn(PATTERN[:16], p[4])
        finally:
            pump.stop()
        call.telephones[0].drain()
        call.phones[0].send(packet(60000, PATTERN), call.plain_port()[:2])
        self.assertEqual([], call.telephones[0].receive(1, 0.3))


class Recording(Bench):
    """The daemon's own recording: plain RTP, though the leg is secured (A5)"""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="recordings-")
        os.mkdir(os.path.join(cls.folder, "spool"))
        cls.edge_options = {"options": (
            f"--recording-dir={cls.folder}/spool", "--recording-method=pcap")}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def recorded(self):
        found = b""
        for where, _, names in os.walk(self.folder):
            for name in names:
                if name.endswith(".pcap"):
                    with open(os.path.join(where, name), "rb") as f:
                        found += f.read()
        return found

    def test_sees_plain_rtp_both_ways(self):
        call = self.call(edge_keys=TWO_SIDES)
        call.good({"sdp": "", **call.edge_ng.ask(
            "start recording", call.call_id, from_tag="a")})
        self.assert_secured(call)
        call.edge_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        for data in payloads(b"talk down") + payloads(b"talk up"):
            wait_until(lambda want=data: want in self.recorded(),
                       "a packet in the recording", 5)


if __name__ == "__main__":
    unittest.main()
