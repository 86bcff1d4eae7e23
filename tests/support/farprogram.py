# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls whose far end is a program with SRTP of its own, started by the test:

    phone (the test) --RTP--> edge (plugin) ==SRTP==> program

What the program plays and what it writes down are files of mu-law."""
import base64
import os
import re
import shutil
import subprocess
import tempfile

from rtp import Endpoint, describe, media_of, packet, payload_of
from rtpcall import Bench

FAR = "127.0.0.21"
TWO_SIDES = {"direction": ["in", "out"]}
FIRST = 65500  # sequence number, so that it wraps
KEY_OCTETS = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30,
              "AES_256_CM_HMAC_SHA1_80": 46, "AEAD_AES_128_GCM": 28,
              "AEAD_AES_256_GCM": 44}


class FarProgram(Bench):
    numbers = iter(range(20000, 21000, 10))

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="far-")
        self.addCleanup(shutil.rmtree, self.folder)
        # every 16 octets of it are there once, so their place is known
        self.sound = b"".join(b"%08x clear! " % i for i in range(1600))
        with open(self.path("in.ul"), "wb") as f:
            f.write(self.sound)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, *command):
        with open(self.path("program.log"), "ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def said(self):
        with open(self.path("program.log"), errors="replace",
                  encoding="utf-8") as f:
            return f.read()[-2000:]

    def phone(self, port):
        phone = Endpoint("127.0.0.64", port + 20000)
        self.addCleanup(phone.close)
        return phone, describe(phone.address, [
            ("audio", phone.port, "RTP/AVP", "0", [])])

    def signal(self, name, of_phone, of_far, phone_calls, profile):
        """Offer and answer; of_far(tag): its description. -> what the phone
        and what the far end were told"""
        ng = self.edge.ng()
        self.addCleanup(ng.close)

        def ask(command, leg, sdp, **more):
            reply = ng.secured(command, f"{self.id()}{name}{phone_calls}", leg,
                               profile, from_tag="a", sdp=sdp, **more)
            self.assertEqual("ok", reply["result"], reply)
            return reply["sdp"]

        if phone_calls:
            to_far = ask("offer", "to", of_phone, **TWO_SIDES)
            to_phone = ask("answer", "to", of_far(1), to_tag="b")
        else:
            to_phone = ask("offer", "from", of_far(7),
                           direction=["out", "in"])
            to_far = ask("answer", "from", of_phone, to_tag="b")
        return to_phone, to_far

    def open(self, suite, phone_calls):
        """By SDES. -> phone, where it sends to, trunk port, (far port, far
        key), key of the edge"""
        port = next(self.numbers)
        phone, of_phone = self.phone(port)
        key = base64.b64encode(os.urandom(KEY_OCTETS[suite])).decode()

        def of_far(tag):
            return describe(FAR, [("audio", port, "RTP/SAVP", "0", [
                f"crypto:{tag} {suite} inline:{key}"])])

        to_phone, to_far = self.signal(suite, of_phone, of_far, phone_calls,
                                       {"suites": suite})
        edge_key = re.search(rf"a=crypto:\d+ {suite} inline:([^|\s]+)",
                             to_far)[1]
        return (phone, media_of(to_phone)[0][:2], media_of(to_far)[0],
                (port, key), edge_key)

    def each(self, suites, body):
        for suite in suites:
            for phone_calls in (True, False):
                with self.subTest(suite=suite, phone_calls=phone_calls):
                    self.forget()
                    body(suite, *self.open(suite, phone_calls))

    def assert_nothing_clear(self, port, at_least):
        self.assertEqual("127.0.0.2", port[0])
        seen = [p[4] for p in self.wire.collect()
                if port[:2] in (p[0:2], p[2:4])]
        self.assertGreaterEqual(len(seen), at_least)
        for data in seen:
            self.assertNotIn(b" clear! ", data)

    def talk(self, phone, to_edge):
        """The phone says it all. -> packets"""
        n = len(self.sound) // 160
        for i in range(n):
            phone.send(packet(FIRST + i, self.sound[160 * i:160 * i + 160]),
                       to_edge)
            phone.receive(1, 0.005)  # pace
        return n

    def listen(self, phone, seconds=5):
        """What the phone hears until the sound ends, in order: the daemon's
        threads may change it"""
        got = {}
        while not self.is_all(got):
            data = phone.receive(1, seconds)
            if not data:
                break
            number = int.from_bytes(data[0][2:4], "big")
            got[(number - FIRST) % 65536] = payload_of(data[0])
        return b"".join(got[i] for i in sorted(got))

    def is_all(self, got):
        """The end of the sound is there, and no packet is missing before"""
        return (got and got[max(got)].endswith(self.sound[-16:])
                and len(got) == max(got) - min(got) + 1)

    def written(self, name="out.ul"):
        try:
            with open(self.path(name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""
