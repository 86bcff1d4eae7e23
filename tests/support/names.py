# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server for tests: says what a test tells it to, true or false, over
UDP. A and SRV only (RFC 1035, RFC 2782); no such name for all else.

    with names.Server() as dns:           # needs a mount namespace of its own
        dns.a["gw1.lab.test"] = ["127.0.0.21"]
        dns.srv["_sips._tcp.lab.test"] = [(1, 5067, "gw1.lab.test")]
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import tempfile
import threading

CLONE_NEWNS = 0x00020000
A, SRV, IN = 1, 33, 1


def _labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Server:
    """Is the only one in /etc/resolv.conf of this process and what it starts;
    /etc/hosts is empty there."""

    def __init__(self, address="127.0.0.53", ttl=1):
        self.a, self.srv, self.asked = {}, {}, []
        self._ttl, self._address = ttl, address
        self._folder = tempfile.TemporaryDirectory()
        self._mounted = []

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self._mount("resolv.conf", f"nameserver {self._address}\noptions attempts:1\n")
        self._mount("hosts", "127.0.0.1 localhost\n")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self._address, 53))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for path in self._mounted:
            subprocess.run(["umount", path], check=True)
        self._folder.cleanup()
        self._socket.close()

    def _mount(self, name, text):
        path = os.path.join(self._folder.name, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        subprocess.run(["mount", "--bind", path, f"/etc/{name}"], check=True)
        self._mounted.append(f"/etc/{name}")

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                query, source = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(query), source)

    def _answer(self, query):
        at, parts = 12, []
        while query[at]:
            parts.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, question = ".".join(parts).lower(), query[12:at + 5]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        records = []
        if kind == A:
            records = [socket.inet_aton(a) for a in self.a.get(name, ())]
        elif kind == SRV:
            records = [struct.pack(">HHH", priority, 1, port) + _labels(target)
                       for priority, port, target in self.srv.get(name, ())]
        known = name in self.a or name in self.srv
        head = query[:2] + struct.pack(">HHHHH", 0x8580 if known else 0x8583, 1,
                                       len(records), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, IN, self._ttl, len(r)) + r
            for r in records)
