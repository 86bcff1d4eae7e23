# SPDX-License-Identifier: GPL-2.0-or-later
"""What a secured relayed packet costs: plain relay, rtpengine's own SRTP and
the plugin, three daemons side by side under the same load in turn.

    CPU per packet, plugin / stock native SRTP      <= 0.90
    memory per secured leg                          <= 4 KiB

Userspace relay, one stream each way a call; half of the packets are encrypted
by the daemon, the other half decrypted, replay protection on in the plugin.

Each daemon is held to one CPU and the load to another.

Memory is what the daemon's resident set grows by for each of as many calls
again, beyond what it grows by in the daemon that relays plain RTP: contexts,
keys, what is known of call, leg and sockets, the stream of one SSRC each way,
all with malloc's overhead. They are set up more than a minute after the first
ones and remember replies where the first ones did, so neither those (LIFE_SEC
in ng/cache.c, bounded) nor what the plugin has once, tables, caches and
buffers, is counted. Were they fewer, they would fit into what the first ones'
replies left, and look smaller than they are.
"""

import base64
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import measure                               # noqa: E402
from rtpengine import Rtpengine      # noqa: E402

PAIRS = int(os.environ.get("BENCH_PAIRS", "15"))
CALLS = int(os.environ.get("BENCH_CALLS", "200"))
FRAMES = int(os.environ.get("BENCH_FRAMES", "250"))  # of 20 ms
SUITES = {"cm": ("AES_CM_128_HMAC_SHA1_80", 30), "gcm": ("AEAD_AES_128_GCM", 28)}
LEG_OCTETS = 4096
RUNS_LOST_MAX = 4  # in a row
REPLIES_SEC = 61  # for which the plugin remembers replies


def sdp(port, proto="RTP/AVP", lines=()):
    return "\r\n".join(
        ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
         f"m=audio {port} {proto} 0", "a=rtcp-mux", *lines, ""])


def media_port(text):
    return int(re.search(r"^m=audio (\d+) ", text, re.M).group(1))


class Relay:
    """One rtpengine with its calls and the load that belongs to them."""

    def __init__(self, kind, number, suite):
        self.kind = kind
        self.suite = suite
        self.calls = []
        self.next_seq = 1
        base = 30000 + number * 6000
        self.first_port = 10000 + number * 4 * CALLS
        self.daemon = Rtpengine(
            f"bench-{kind}", ng=f"127.0.0.1:{2223 + 2 * number}",
            ports=(base, base + 5999), plugin=kind == "plugin",
            options=("--log-level=3", "--timeout=600", "--silent-timeout=600"))
        self.daemon.command[:0] = measure.on_cpu(1)

    def start(self):
        self.daemon.start()
        self.add(CALLS)
        self.ready = time.monotonic()

    def add(self, n):
        ng = self.daemon.ng()
        try:
            for _ in range(n):
                self.calls.append(self._set_up(ng, len(self.calls)))
        finally:
            ng.close()

    def octets_of_later_calls(self, build):
        """What the resident set grows by for each"""
        time.sleep(max(0, self.ready + REPLIES_SEC - time.monotonic()))
        before = measure.rss_octets(self.daemon.process.pid)
        self.add(CALLS)
        self.load(build)
        after = measure.rss_octets(self.daemon.process.pid)
        return (after - before) / CALLS

    def _ask(self, ng, command, call_id, text, to_tag, transport):
        keys = {"from_tag": "a", "to_tag": to_tag, "sdp": text,
                "ICE": "remove"}
        if self.kind == "plugin":
            reply = ng.secured(command, call_id, **keys,
                               profile={"suites": SUITES[self.suite][0]})
        else:
            if self.kind == "native":
                keys["transport_protocol"] = transport
                keys["SDES"] = ["no-" + s for s in (
                    "AEAD_AES_256_GCM", "AES_256_CM_HMAC_SHA1_80",
                    "AES_256_CM_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80",
                    "AES_192_CM_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80",
                    "F8_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80",
                    "NULL_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_32")]
                keys["SDES"] += ["no-" + SUITES[other][0]
                                 for other in SUITES if other != self.suite]
            reply = ng.ask(command, call_id, **keys)
        if reply.get("result") != "ok":
            raise RuntimeError(f"{self.kind}: {reply}")
        return reply["sdp"]

    def _set_up(self, ng, i):
        a, b = self.first_port + 2 * i, self.first_port + 2 * i + 1
        call_id = f"bench-{self.kind}-{self.suite}-{i}"
        offer = self._ask(ng, "offer", call_id, sdp(a), None, "RTP/SAVP")
        lines, proto, key = [], "RTP/AVP", b"\0"
        if self.kind != "plain":
            name, octets = SUITES[self.suite]
            tag = re.search(rf"^a=crypto:(\d+) {name} ", offer, re.M).group(1)
            key = os.urandom(octets)
            lines = [f"a=crypto:{tag} {name} "
                     f"inline:{base64.b64encode(key).decode()}"]
            proto = "RTP/SAVP"
        answer = self._ask(ng, "answer", call_id, sdp(b, proto, lines), "b",
                           "RTP/AVP")
        suite = "-" if self.kind == "plain" else self.suite
        return (f"{a} {media_port(answer)} {b} {media_port(offer)} "
                f"{suite} {key.hex()}\n")

    def load(self, build):
        """Microseconds of the daemon's CPU per relayed packet. Where packets
        were lost, something else had the CPUs: that run does not count."""
        for _ in range(RUNS_LOST_MAX + 1):
            used, sent, received = self._run(build)
            if received >= 0.98 * sent:
                return used / sent / 1e3
        raise RuntimeError(f"{self.kind}: {sent} sent, {received} came back")

    def _run(self, build):
        pid = self.daemon.process.pid
        before = measure.cpu_ns(pid=pid)
        out = subprocess.run(
            [*measure.on_cpu(0), f"{build}/tools/rtpload", str(FRAMES),
             str(self.next_seq)],
            input="".join(self.calls), check=True, capture_output=True,
            text=True).stdout.split()
        used = measure.cpu_ns(pid=pid) - before
        self.next_seq += FRAMES
        return used, int(out[1]), int(out[3])


def run_suite(build, suite):
    relays = [Relay(kind, n, suite)
              for n, kind in enumerate(("plain", "native", "plugin"))]
    plain, native, plugin = relays
    try:
        for r in relays:
            r.start()
        for r in relays:
            r.load(build)  # warm
        print(f"{SUITES[suite][0]}, {CALLS} calls, {2 * CALLS * FRAMES} packets "
              "a run", flush=True)
        pair = measure.alternate(PAIRS, lambda: plugin.load(build),
                                 lambda: native.load(build))
        met = measure.report("CPU per packet, plugin / stock native SRTP", *pair,
                             ("<=", 0.90), "us")
        pair = measure.alternate(max(3, PAIRS // 3), lambda: plain.load(build),
                                 lambda: native.load(build))
        measure.report("CPU per packet, plain / stock native SRTP (for scale)",
                       *pair, ("<=", 1.0), "us")
        octets = {r.kind: r.octets_of_later_calls(build)
                  for r in (plain, plugin)}
        extra = octets["plugin"] - octets["plain"]
        print(f"memory per secured leg: {octets['plugin']:.0f} - "
              f"{octets['plain']:.0f} = {extra:.0f} octets, of the last "
              f"{CALLS} of {2 * CALLS} calls; budget <= {LEG_OCTETS}: "
              f"{'met' if extra <= LEG_OCTETS else 'MISSED'}", flush=True)
        return met and extra <= LEG_OCTETS
    finally:
        for r in relays:
            r.daemon.stop()


def run(build):
    return all([run_suite(build, suite) for suite in SUITES])
