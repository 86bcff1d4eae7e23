# SPDX-License-Identifier: GPL-2.0-or-later
"""A small SIP client for tests: builds requests, reads answers, over UDP, TCP
or TLS, from a chosen source address. It does what a test tells it, right or
wrong; it is no user agent.
"""

import base64
import contextlib
import re
import secrets
import socket
import ssl
import struct
import time


class Message:
    """One parsed SIP message."""

    def __init__(self, octets):
        head, _, self.body = octets.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        self.first, self.raw = lines[0], octets
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.append((name.strip().lower(), value.strip()))

    @property
    def status(self):
        """The code of an answer, 0 for a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def reason(self):
        return self.first.split(" ", 2)[2] if self.status else ""

    @property
    def method(self):
        return "" if self.status else self.first.split(" ", 1)[0]

    def get(self, name, default=""):
        return next((v for n, v in self.headers if n == name.lower()), default)

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    def __repr__(self):
        return f"<{self.first}>"


def tls_context(ca=None, cert=None, key=None, lowest=ssl.TLSVersion.TLSv1_2):
    """A client's context. Names are left unchecked: it is the edge under test
    that has to check; ca None accepts any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = lowest
    if ca:
        context.load_verify_locations(ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Connection:
    """with Connection('tls', ('127.0.0.1', 5061), source='127.0.0.65', ...)"""

    def __init__(self, transport, target, source=None, context=None,
                 server_name=None, timeout=5.0):
        self.transport, self.target = transport, target
        self._buffer = b""
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        try:
            self.socket.settimeout(timeout)
            if isinstance(source, tuple):  # a port that is somebody's
                for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                    self.socket.setsockopt(socket.SOL_SOCKET, option, 1)
                # ends at once, so that the next one may have the port
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
                self.socket.bind(source)
            elif source:
                self.socket.bind((source, 0))
            self.socket.connect(target)
            if transport == "tls":
                self.socket = (context or tls_context()).wrap_socket(
                    self.socket, server_hostname=server_name)
        except BaseException:
            self.socket.close()
            raise
        self.local = self.socket.getsockname()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def _take_message(self):
        head, found, rest = self._buffer.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not found:
            return None
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        octets = int(length.group(1)) if length else 0
        if len(rest) < octets:
            return None
        self._buffer = rest[octets:]
        return Message(head + found + rest[:octets])

    def receive(self, timeout=5.0):
        """The next message; None when none came in time. A closed connection
        raises ConnectionError, a TLS alert ssl.SSLError."""
        end = time.monotonic() + timeout
        while True:
            if self.transport != "udp" or self._buffer:
                message = self._take_message()
                if message:
                    return message
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                octets = self.socket.recv(65536)
            except TimeoutError:
                return None
            if self.transport == "udp":
                self._buffer = b""
                return Message(octets)
            if not octets:
                raise ConnectionError("closed by the other side")
            self._buffer += octets

    def final(self, timeout=5.0):
        """The next answer that is not provisional."""
        end = time.monotonic() + timeout
        while True:
            message = self.receive(max(0.0, end - time.monotonic()))
            if message is None or message.status >= 200:
                return message

    def request(self, method, uri, **more):
        """Builds, sends, gives the final answer and the request's Call-ID."""
        timeout = more.pop("timeout", 5.0)
        octets = build(method, uri, self, **more)
        self.send(octets)
        return self.final(timeout)


def build(method, uri, connection, user="alice", domain="lab.test", to=None,
          headers=(), body=b"", content_type="application/sdp", call_id=None,
          branch=None, cseq=1, from_tag=None, contact=None):
    """A request as octets, with the mandatory headers and what is given."""
    host, port = connection.local[:2]
    transport = connection.transport
    sender = f"sip:{user}@{domain}" if user else f"sip:{domain}"
    contact = contact or f"<sip:{user or 'lab'}@{host}:{port};transport={transport}>"
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {host}:{port}"
        f";branch={branch or 'z9hG4bK' + secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <{sender}>;tag={from_tag or secrets.token_hex(4)}",
        f"To: <{to or uri.split(';')[0]}>",
        f"Call-ID: {call_id or secrets.token_hex(8) + '@' + host}",
        f"CSeq: {cseq} {method}",
        f"Contact: {contact}",
        *headers,
    ]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def response(request, status, tag, host, body=b""):
    """An answer to a request, as octets: 200 OK, with a Contact at host."""
    to = request.get("to")
    lines = [f"SIP/2.0 {status}", *(f"Via: {v}" for v in request.all("via")),
             *(f"Record-Route: {v}" for v in request.all("record-route")),
             f"From: {request.get('from')}", f"To: {to if 'tag=' in to else f'{to};tag={tag}'}",
             f"Call-ID: {request.get('call-id')}", f"CSeq: {request.get('cseq')}",
             f"Contact: <sip:{tag}@{host};transport=tls>"]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sdp(address, port, secured=True, suites=("AES_CM_128_HMAC_SHA1_80",)):
    """An audio offer: RTP/SAVP with SDES keys made now, or plain RTP/AVP."""
    lines = ["v=0", f"o=- {secrets.randbelow(1 << 31)} 1 IN IP4 {address}", "s=-",
             f"c=IN IP4 {address}", "t=0 0",
             f"m=audio {port} RTP/{'SAVP' if secured else 'AVP'} 0", "a=sendrecv",
             "a=rtpmap:0 PCMU/8000"]
    if secured:
        for tag, suite in enumerate(suites, 1):
            lines.append(f"a=crypto:{tag} {suite} inline:{_key(suite)}")
    return ("\r\n".join(lines) + "\r\n").encode()


def _key(suite):
    octets = {"AES_256_CM_HMAC_SHA1_80": 46, "AES_256_CM_HMAC_SHA1_32": 46,
              "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}.get(suite, 30)
    return base64.b64encode(secrets.token_bytes(octets)).decode()
