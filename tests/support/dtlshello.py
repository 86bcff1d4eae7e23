# SPDX-License-Identifier: GPL-2.0-or-later
"""ClientHello and HelloVerifyRequest of DTLS 1.2 (RFC 6347 section 4.2), as
far as cookies go. Each is one record with one whole handshake message:

    type version epoch sequence length | type length message offset length |
"""
import struct

HANDSHAKE, CLIENT_HELLO, VERIFY_REQUEST = 22, 1, 3
RECORD, HEAD = 13, 12


def is_hello(data):
    return data[0] == HANDSHAKE and data[RECORD] == CLIENT_HELLO


def cookie_of(data):
    """Of a HelloVerifyRequest; None for anything else"""
    if data[0] != HANDSHAKE or data[RECORD] != VERIFY_REQUEST:
        return None
    body = data[RECORD + HEAD:]
    return body[3:3 + body[2]]


def with_cookie(hello, cookie):
    """The second ClientHello of the client that sent this first one"""
    body = hello[RECORD + HEAD:]
    at = 2 + 32 + 1 + body[34]
    if body[at] != 0:
        raise ValueError("it has a cookie")
    body = body[:at] + bytes([len(cookie)]) + cookie + body[at + 1:]
    length = struct.pack("!I", len(body))[1:]
    head = bytes([CLIENT_HELLO]) + length + b"\0\1" + b"\0\0\0" + length
    return (hello[:5] + struct.pack("!Q", 1)[2:]
            + struct.pack("!H", HEAD + len(body)) + head + body)
