# SPDX-License-Identifier: GPL-2.0-or-later
"""What is on the wire: a recorder for the loopback and a reader of its files.

The recorder is a process of its own on a packet socket. It writes pcap files
that tshark reads too. stop() sends itself a marker datagram and waits for it,
so everything sent before is in the file; it raises when the kernel dropped
packets, because a capture with holes proves nothing.

`tshark` is asked for what needs a dissector (TLS alerts, SIP).
"""

import os
import secrets
import select
import socket
import struct
import subprocess
import sys
import time

SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
ETH_P_IP = 0x0800
LINKTYPE_ETHERNET = 1
MARKER_ADDRESS = ("127.255.0.9", 9)  # discard; nobody listens


class CaptureError(Exception):
    """The capture could not be made or has holes."""


class Packet:
    """One IPv4 packet. payload: what UDP or TCP carries."""

    __slots__ = ("time", "proto", "src", "sport", "dst", "dport", "payload", "flags")

    def __init__(self, when, proto, src, sport, dst, dport, payload, flags=0):
        self.time, self.proto, self.payload, self.flags = when, proto, payload, flags
        self.src, self.sport, self.dst, self.dport = src, sport, dst, dport

    def between(self, a, b):
        return {self.src, self.dst} == {a, b}


def _parse_ip(when, frame):
    ip = frame[14:]
    if len(ip) < 20 or ip[0] >> 4 != 4:
        return None
    header = (ip[0] & 15) * 4
    total = struct.unpack_from(">H", ip, 2)[0]
    body = ip[header:total if total else len(ip)]
    src, dst = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
    if ip[9] == 17 and len(body) >= 8:
        sport, dport = struct.unpack_from(">HH", body)
        return Packet(when, "udp", src, sport, dst, dport, body[8:])
    if ip[9] == 6 and len(body) >= 20:
        sport, dport = struct.unpack_from(">HH", body)
        return Packet(when, "tcp", src, sport, dst, dport,
                      body[(body[12] >> 4) * 4:], body[13])
    return None


def read_pcap(path):
    """Every UDP and TCP packet of a capture, in order."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != struct.pack("<I", 0xA1B2C3D4):
        raise CaptureError(f"{path} is not a capture of ours")
    packets, at = [], 24
    while at + 16 <= len(data):
        sec, usec, kept, full = struct.unpack_from("<IIII", data, at)
        if kept != full:
            raise CaptureError(f"{path}: a packet was cut")
        packet = _parse_ip(sec + usec / 1e6, data[at + 16:at + 16 + kept])
        if packet:
            packets.append(packet)
        at += 16 + kept
    return packets


class Capture:
    """with Capture(path) as c: ...; then c.packets.

    On an interface that is not the loopback, or on "any", only what comes in.
    """

    def __init__(self, path, interface="lo"):
        self.path, self.interface = os.fspath(path), interface
        self.packets = []
        self._recorder = None

    def __enter__(self):
        self._recorder = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), self.interface, self.path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self._recorder.stdout.readline() != b"recording\n":
            _, error = self._recorder.communicate()
            error = error.decode().strip()
            raise CaptureError(f"cannot capture on {self.interface}: {error}")
        return self

    def stop(self):
        if self._recorder is None:
            return
        marker = secrets.token_bytes(16)
        recorder, self._recorder = self._recorder, None
        recorder.stdin.write(marker)
        recorder.stdin.flush()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(marker, MARKER_ADDRESS)
        try:
            _, error = recorder.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            recorder.kill()
            recorder.communicate()
            raise CaptureError("the recorder does not end") from None
        if recorder.returncode != 0:
            raise CaptureError(error.decode().strip() or "the recorder failed")
        self.packets = [p for p in read_pcap(self.path)
                        if (p.dst, p.dport) != MARKER_ADDRESS]

    def __exit__(self, *_):
        self.stop()

    def select(self, proto=None, a=None, b=None, port=None, payload=True):
        """Packets that fit every condition that is given."""
        return [p for p in self.packets
                if (proto is None or p.proto == proto)
                and (a is None or a in (p.src, p.dst))
                and (b is None or p.between(a, b))
                and (port is None or port in (p.sport, p.dport))
                and (p.payload or not payload)]


# ---- RTP ---------------------------------------------------------------------

class Rtp:
    """RFC 3550 header; body is everything behind it, tag and MKI included."""

    __slots__ = ("payload_type", "sequence", "timestamp", "ssrc", "body")

    def __init__(self, octets):
        first, second, self.sequence, self.timestamp, self.ssrc = \
            struct.unpack_from(">BBHII", octets)
        self.payload_type = second & 127
        header = 12 + 4 * (first & 15)
        if first & 16:
            header += 4 + 4 * struct.unpack_from(">H", octets, header + 2)[0]
        self.body = octets[header:]


def is_rtp(octets):
    """By RFC 7983 the first octet is 128..191; RTCP types are taken out."""
    return (len(octets) > 12 and 128 <= octets[0] <= 191
            and not 192 <= octets[1] <= 223)


def rtp_of(packets):
    return [Rtp(p.payload) for p in packets if p.proto == "udp" and is_rtp(p.payload)]


def clear_matches(secured, plain, run=40):
    """How many of the secured bodies hold a run of octets of a plain body.

    Every window of each secured body is looked up among the plain ones, so
    a payload that is only moved or has a tag behind it is found too.
    """
    known = set()
    for rtp in plain:
        for at in range(0, len(rtp.body) - run + 1):
            known.add(rtp.body[at:at + run])
    return sum(1 for rtp in secured
               if any(rtp.body[at:at + run] in known
                      for at in range(0, len(rtp.body) - run + 1)))


# ---- dissected by tshark -------------------------------------------------------

def tshark_fields(path, display_filter, *fields, tls_ports=(5061, 5067)):
    """One list of strings for each packet that fits."""
    argv = ["tshark", "-n", "-r", os.fspath(path), "-Y", display_filter, "-T", "fields"]
    for port in tls_ports:
        argv += ["-d", f"tcp.port=={port},tls"]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise CaptureError(done.stderr.strip())
    return [line.split("\t") for line in done.stdout.splitlines()]


# ---- the recorder process ----------------------------------------------------------

def record(interface, path):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 * 1024 * 1024)
    except PermissionError:  # in a user namespace: what anybody may have
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024 * 1024)
    if interface != "any":
        sock.bind((interface, ETH_P_IP))
    marker = None
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144,
                              LINKTYPE_ETHERNET))
        sys.stdout.write("recording\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([sock] + ([] if marker else [0]), [], [])
            if 0 in ready:
                marker = os.read(0, 16)
                if len(marker) != 16:
                    return "the test ended without stopping the capture"
            if sock not in ready:
                continue
            frame, address = sock.recvfrom(262144)
            if address[2] == socket.PACKET_OUTGOING:
                continue  # the loopback shows every packet twice
            now = time.time()
            out.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6),
                                  len(frame), len(frame)) + frame)
            if marker and frame.endswith(marker):
                break
    _, drops = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    return f"{drops} packets were dropped while capturing" if drops else None


if __name__ == "__main__":
    try:
        PROBLEM = record(sys.argv[1], sys.argv[2])
    except OSError as e:
        PROBLEM = str(e)
    sys.exit(PROBLEM)
