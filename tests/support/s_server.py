# SPDX-License-Identifier: GPL-2.0-or-later
"""A next hop that is `openssl s_server`: it can be told what Python's ssl cannot.

    with s_server.Server(keys.leaf("gateway1"), ("127.0.0.21", 5067), "-tls1_2") as s:
        ... s.requests

Each request it could decrypt is kept, and answered with 200.
"""

import os
import subprocess
import threading

import proc
import sip
import tls_edge


class Server:
    """leaf: (certificate, key). words: more of its options."""

    def __init__(self, leaf, address, *words):
        self.requests, self.address = [], address
        self.command = ["openssl", "s_server", "-quiet", "-accept", "%s:%d" % address,
                        "-cert", leaf[0], "-key", leaf[1], *words]

    def __enter__(self):
        proc.wait_until(lambda: proc.free("tcp", *self.address), "the port is free")
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        proc.wait_until(lambda: not proc.free("tcp", *self.address), "s_server listens")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def _serve(self):
        buffer = b""
        while more := os.read(self.process.stdout.fileno(), 65536):
            buffer += more
            while b"\r\n\r\n" in buffer:
                head, end, buffer = buffer.partition(b"\r\n\r\n")
                request = sip.Message(head + end)
                self.requests.append(request)
                os.write(self.process.stdin.fileno(), tls_edge.answer(request))
