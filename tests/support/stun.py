# SPDX-License-Identifier: GPL-2.0-or-later
"""STUN as ICE has it (RFC 8489, RFC 8445): read, answered and made."""
import hashlib
import hmac
import os
import socket
import struct
import zlib

REQUEST, SUCCESS = 0x0001, 0x0101
COOKIE = 0x2112A442
USERNAME, INTEGRITY, XOR_MAPPED, PRIORITY = 0x0006, 0x0008, 0x0020, 0x0024
USE_CANDIDATE, FINGERPRINT, CONTROLLING = 0x0025, 0x8028, 0x802A


def is_stun(data):
    return len(data) >= 20 and data[0] < 4 and \
        struct.unpack("!I", data[4:8])[0] == COOKIE


def kind(data):
    return struct.unpack("!H", data[:2])[0]


def ident(data):
    return data[8:20]


def attribute(number, value):
    return struct.pack("!HH", number, len(value)) + value + b"\0" * (
        -len(value) % 4)


def message(number, transaction, attributes, password):
    """With MESSAGE-INTEGRITY under password, and FINGERPRINT"""
    body = b"".join(attribute(*a) for a in attributes)

    def head(more):
        return struct.pack("!HHI", number, len(body) + more,
                           COOKIE) + transaction
    mac = hmac.new(password.encode(), head(24) + body, hashlib.sha1).digest()
    body += attribute(INTEGRITY, mac)
    crc = zlib.crc32(head(8) + body) ^ 0x5354554E
    body += attribute(FINGERPRINT, struct.pack("!I", crc))
    return head(0) + body


def success(request, source, password):
    """The answer to a request that came from source (address, port)"""
    family, octets = 1, socket.inet_pton(socket.AF_INET, source[0])
    address = bytes(a ^ b for a, b in zip(octets, struct.pack("!I", COOKIE)))
    value = struct.pack("!BBH", 0, family,
                        source[1] ^ COOKIE >> 16) + address
    return message(SUCCESS, ident(request), [(XOR_MAPPED, value)], password)


def check(username, password, nominate=False):
    """A Binding request of a controlling agent"""
    attributes = [(USERNAME, username.encode()),
                  (PRIORITY, struct.pack("!I", 0x6E0001FF)),
                  (CONTROLLING, b"\1" * 8)]
    if nominate:
        attributes.append((USE_CANDIDATE, b""))
    return message(REQUEST, os.urandom(12), attributes, password)
