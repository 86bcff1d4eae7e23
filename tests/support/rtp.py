# SPDX-License-Identifier: GPL-2.0-or-later
"""RTP endpoints, descriptions and a look at the wire, for media tests."""
import re
import select
import socket
import struct
import time

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD


def packet(sequence, payload, ssrc=0x11223344, pt=0, timestamp=None,
           marker=False):
    return struct.pack("!BBHII", 0x80, pt | (0x80 if marker else 0),
                       sequence & 0xFFFF,
                       sequence * 160 & 0xFFFFFFFF
                       if timestamp is None else timestamp, ssrc) + payload


def receiver_report(ssrc, text=b"cname-of-a-test!"):
    """An empty RR and an SDES with a CNAME that a capture can look for"""
    rr = struct.pack("!BBHI", 0x80, 201, 1, ssrc)
    items = bytes([1, len(text)]) + text + b"\0"
    items += b"\0" * (-len(items) % 4)
    return rr + struct.pack("!BBHI", 0x81, 202, 1 + len(items) // 4,
                            ssrc) + items


def describe(address, media, extra=()):
    """An SDP. media: (type, port, proto, payload types, [attributes])"""
    family = "IP6" if ":" in address else "IP4"
    lines = ["v=0", f"o=- 1 1 IN {family} {address}", "s=-",
             f"c=IN {family} {address}", "t=0 0", *extra]
    for kind, port, proto, formats, attributes in media:
        lines.append(f"m={kind} {port} {proto} {formats}")
        lines += [f"a={a}" for a in attributes]
    return "\r\n".join(lines) + "\r\n"


def media_of(sdp):
    """[(address, port, rtcp port, proto, lines)] of each m= line"""
    session, *parts = re.split(r"^(?=m=)", sdp, flags=re.M)
    found = []
    for part in parts:
        words = part.split("\r\n", 1)[0].split()
        address = re.search(r"^c=IN IP[46] (\S+)", part + session, re.M)
        rtcp = re.search(r"^a=rtcp:(\d+)", part, re.M)
        port = int(words[1])
        found.append((address[1], port,
                      int(rtcp[1]) if rtcp else port + 1, words[2],
                      part.split("\r\n")))
    return found


class Endpoint:
    """An RTP socket, and the RTCP one above it"""

    def __init__(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address, self.port = address, port
        self.rtp = socket.socket(family, socket.SOCK_DGRAM)
        self.rtp.bind((address, port))
        self.rtcp = socket.socket(family, socket.SOCK_DGRAM)
        self.rtcp.bind((address, port + 1))

    def send(self, data, to, rtcp=False):
        (self.rtcp if rtcp else self.rtp).sendto(data, to)

    def receive(self, n, seconds=2.0, rtcp=False):
        """Up to n datagrams, as they come"""
        s = self.rtcp if rtcp else self.rtp
        got, end = [], time.monotonic() + seconds
        while len(got) < n:
            left = end - time.monotonic()
            if left <= 0 or not select.select([s], [], [], left)[0]:
                break
            got.append(s.recvfrom(65535)[0])
        return got

    def drain(self):
        self.receive(100000, 0.05)
        self.receive(100000, 0.05, rtcp=True)

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def payload_of(data):
    return data[12 + 4 * (data[0] & 15):]


class Wire:
    """Every UDP datagram on loopback, once, from a raw packet socket"""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                    socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # RCVBUFFORCE
        self.socket.bind(("lo", 0))
        self.seen = []

    def collect(self):
        """[(source, sport, destination, dport, data)] up to now"""
        settled = time.monotonic() + 0.5  # who goes on talking is cut short
        while select.select([self.socket], [], [],
                            0.05 if time.monotonic() < settled else 0)[0]:
            data, where = self.socket.recvfrom(65535)
            if where[2] != socket.PACKET_OUTGOING:
                continue  # loopback shows each one twice
            parsed = self.parse(data, where[1])
            if parsed:
                self.seen.append(parsed)
        return self.seen

    @staticmethod
    def parse(data, protocol):
        if protocol == ETH_P_IP and data[9] == socket.IPPROTO_UDP:
            start = (data[0] & 15) * 4
            names = (socket.inet_ntop(socket.AF_INET, data[12:16]),
                     socket.inet_ntop(socket.AF_INET, data[16:20]))
        elif protocol == ETH_P_IPV6 and data[6] == socket.IPPROTO_UDP:
            start = 40
            names = (socket.inet_ntop(socket.AF_INET6, data[8:24]),
                     socket.inet_ntop(socket.AF_INET6, data[24:40]))
        else:
            return None
        sport, dport, length = struct.unpack("!HHH", data[start:start + 6])
        return (names[0], sport, names[1], dport,
                data[start + 8:start + length])

    def between(self, a, b):
        """Data of datagrams between two (address, port), either way"""
        return [p[4] for p in self.collect()
                if {p[0:2], p[2:4]} == {tuple(a), tuple(b)}]

    def on_ports(self, *ports):
        return [p for p in self.collect() if p[1] in ports or p[3] in ports]

    def close(self):
        self.socket.close()
