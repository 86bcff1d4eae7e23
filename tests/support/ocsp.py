# SPDX-License-Identifier: GPL-2.0-or-later
"""Responders of OCSP: the one of openssl, and one that does what a test wants.

    with Openssl(issuer, {serial: "V"}, 8801, folder): ...
    with Responder(("127.0.0.1", 8802)) as r: r.answers[serial] = answer

answer(request, connection) gets the DER of a request about that certificate
and the socket; what it returns is sent as the body of a 200, None sends nothing
more. A certificate that has no answer gets a 404.
"""

import contextlib
import glob
import os
import socket
import subprocess
import tempfile
import threading

import pki
import proc


class Issuer(pki.Authority):
    """A CA of the lab, with the key that it has in the lab's folder."""

    def __init__(self, keys, name="Enterprise CA", folder="enterprise-ca"):
        super().__init__(name)
        self.files = [os.path.join(keys.path, folder, f"ca.{x}") for x in ("pem", "key")]
        with open(self.files[1], "rb") as f:
            self.key.pem = f.read()
        self.key.public = pki.openssl("pkey", "-pubout", "-outform", "DER", data=self.key.pem)

    def issue(self, *args, **more):
        more.setdefault("serial", int.from_bytes(os.urandom(8), "big") | 1 << 64)
        return super().issue(*args, **more)


def _hex(number):
    """As openssl writes a serial number: whole octets."""
    text = f"{number:X}"
    return "0" * (len(text) % 2) + text


def index(known):
    """openssl ca's table: {serial: "V" or "R"}."""
    return "".join(
        f"{word}\t491231235959Z\t{'240102030405Z' if word == 'R' else ''}\t"
        f"{_hex(number)}\tunknown\t/CN={number:X}\n" for number, word in known.items())


def environment(clock):
    """Of a program whose clock is moved ("+1d"). The command faketime fails now
    and then when several run."""
    if not clock:
        return dict(os.environ)
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0]
    return dict(os.environ, FAKETIME=clock, LD_PRELOAD=library)


def sign(issuer, request, known, signer=None, clock=None, valid=("-ndays", "1")):
    """What openssl ocsp answers to that request (DER)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {x: os.path.join(folder, x) for x in ("index", "request", "answer")}
        pki.write(paths["index"], index(known))
        pki.write(paths["request"], request)
        key = signer or issuer.files
        command = ["openssl", "ocsp", "-index", paths["index"], "-rsigner", key[0],
                   "-rkey", key[1], "-CA", issuer.files[0], "-reqin", paths["request"],
                   "-respout", paths["answer"], *valid]
        subprocess.run(command, check=True, capture_output=True, timeout=30,
                       env=environment(clock))
        with open(paths["answer"], "rb") as f:
            return f.read()


class Openssl:
    """openssl ocsp as a daemon, at that port of all addresses; known may be
    changed while it runs."""

    def __init__(self, issuer, known, port, folder, minutes="60"):
        self.port, self.path = port, os.path.join(folder, "index.txt")
        self.tell(known)
        self.command = ["openssl", "ocsp", "-index", self.path, "-port", str(port),
                        "-rsigner", issuer.files[0], "-rkey", issuer.files[1],
                        "-CA", issuer.files[0], "-nmin", minutes]
        self.log = os.path.join(folder, "openssl-ocsp.log")

    def tell(self, known):
        pki.write(self.path, index(known))

    def __enter__(self):
        proc.wait_until(lambda: proc.free("tcp", "0.0.0.0", self.port), "the port is free")
        with open(self.log, "wb") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        proc.wait_until(lambda: not proc.free("tcp", "0.0.0.0", self.port), "it listens")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class Responder:
    """A responder of the test's: honest or not is up to answer."""

    def __init__(self, address):
        self.address, self.answers = address, {}
        self.heads = []  # of each request, as text

    def __enter__(self):
        self._listener = socket.create_server(self.address)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            head, _, body = self._read(connection)
            self.heads.append(head.decode("latin-1"))
            answer = next((answer for serial, answer in self.answers.items()
                           if bytes.fromhex(_hex(serial)) in body), None)
            if not answer:
                connection.sendall(http(b"", "404 Not Found"))
            elif (der := answer(body, connection)) is not None:
                connection.sendall(http(der))

    @staticmethod
    def _read(connection):
        octets = b""
        while b"\r\n\r\n" not in octets:
            octets += more if (more := connection.recv(65536)) else _gone()
        head, end, body = octets.partition(b"\r\n\r\n")
        wanted = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(body) < wanted:
            body += more if (more := connection.recv(65536)) else _gone()
        return head, end, body


def _gone():
    raise OSError("the far end is gone")


def http(body, status="200 OK", kind="application/ocsp-response", headers=()):
    lines = [f"HTTP/1.0 {status}", f"Content-Type: {kind}",
             f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
