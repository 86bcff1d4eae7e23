# SPDX-License-Identifier: GPL-2.0-or-later
"""The network between the edge and a far end, as a test wants it: loses,
doubles or reorders datagrams of DTLS; everything else passes.

    edge <---> near [relay] off <---> far
"""
import re
import select
import socket
import threading
import time

HELD_SEC = 0.05  # one that is held back goes on after that, when none follows


def lose(*numbers):
    """numbers: from 0, of DTLS datagrams of one direction"""
    return lambda n, data: [] if n in numbers else [data]


def double(n, data):
    return [data, data]


class Swap:
    """Each second datagram overtakes the one before it"""

    def __init__(self):
        self.held = None

    def __call__(self, n, data):
        if self.held is None:
            self.held = data
            return []
        late, self.held = self.held, None
        return [data, late]

    def release(self):
        late, self.held = self.held, None
        return [late] if late else []


def moved(sdp, address, port):
    """The description with another transport address, RTCP on the same port"""
    sdp = re.sub(r"^c=IN IP4 \S+", f"c=IN IP4 {address}", sdp, flags=re.M)
    sdp = re.sub(r"^(m=audio) \d+", rf"\g<1> {port}", sdp, flags=re.M)
    return re.sub(r"^a=rtcp:\d+", f"a=rtcp:{port}", sdp, flags=re.M)


class Relay:
    def __init__(self, address, from_edge=None, from_far=None):
        """from_edge, from_far: (n, data) -> datagrams that go on"""
        self.fate = {"edge": from_edge, "far": from_far}
        self.near, self.off = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                               for _ in range(2))
        for s in (self.near, self.off):
            s.bind((address, 0))
        self.ends = {}  # "edge", "far": their transport addresses
        self.seen = {"edge": 0, "far": 0}
        self.gone = 0
        self._stop, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def carry(self, sdp, to):
        """The description of the one end as it is shown to the other"""
        end = "far" if to == "edge" else "edge"
        port = int(re.search(r"^m=audio (\d+)", sdp, re.M)[1])
        self.ends[end] = (re.search(r"^c=IN IP4 (\S+)", sdp, re.M)[1], port)
        mine = self.near if to == "edge" else self.off
        return moved(sdp, *mine.getsockname())

    def _send(self, end, datagrams):
        out, to = (self.off, "far") if end == "edge" else (self.near, "edge")
        for data in datagrams:
            if to in self.ends:
                out.sendto(data, self.ends[to])

    def _pass(self, end, data):
        fate = self.fate[end]
        if fate is None or not 20 <= data[0] <= 63:
            self._send(end, [data])
            return
        kept = fate(self.seen[end], data)
        self.gone += not kept
        self.seen[end] += 1
        self._send(end, kept)

    def _release(self):
        for end, fate in self.fate.items():
            if isinstance(fate, Swap):
                self._send(end, fate.release())

    def _run(self):
        held_until = None
        while True:
            ready = select.select([self.near, self.off, self._woken], [], [],
                                  HELD_SEC)[0]
            if self._woken in ready:
                return
            for s in ready:
                self._pass("edge" if s is self.near else "far", s.recv(65535))
                held_until = time.monotonic() + HELD_SEC
            if held_until and time.monotonic() >= held_until:
                self._release()

    def close(self):
        self._stop.close()
        self._thread.join(5)
        for s in (self.near, self.off, self._woken):
            s.close()
