# SPDX-License-Identifier: GPL-2.0-or-later
"""The ng protocol from the outside: bencode over UDP, the token that
srtp_policy writes, and the proof that the plugin gives. Written against
modules/lib/ng/profile.h, not sharing code with it."""
import hashlib
import hmac
import itertools
import os
import re
import socket
import time

COUNT = itertools.count()


def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return (b"d" + b"".join(encode(k) + encode(v) for k, v in value.items())
            + b"e")


def decode(data):
    value, end = _decode(data, 0)
    if end != len(data):
        raise ValueError("octets after the value")
    return value


def _decode(data, i):
    head = data[i:i + 1]
    if head == b"i":
        end = data.index(b"e", i)
        return int(data[i + 1:end]), end + 1
    if head in (b"l", b"d"):
        items, i = [], i + 1
        while data[i:i + 1] != b"e":
            item, i = _decode(data, i)
            items.append(item)
        if head == b"l":
            return items, i + 1
        return dict(zip(items[::2], items[1::2])), i + 1
    colon = data.index(b":", i)
    end = colon + 1 + int(data[i:colon])
    if end > len(data):
        raise ValueError("string runs over the end")
    return data[colon + 1:end].decode("utf-8", "surrogateescape"), end


def mac(secret, label, call_id, text):
    return hmac.new(secret, b"%s\n%s\n%s" % (label, call_id.encode(),
                                            text.encode()),
                    hashlib.sha256).hexdigest()


def fields(leg, /, **profile):
    """One leg of a token. A value of None leaves its field out"""
    values = {"leg": leg, "level": "required", "kx": "sdes",
              "suites": "AES_CM_128_HMAC_SHA1_80", "dialect": "rfc8643",
              "window": "128", "peer": "gateway1"}
    values.update(profile)
    return "".join(f"/{k}:{v}" for k, v in values.items() if v is not None)


def token(secret, call_id, leg="to", expires=60, **profile):
    """trunkguard=... as srtp_policy gives it. expires: seconds from now.
    leg: a name, or with a profile for each {"to": {...}, "from": {...}}"""
    legs = leg if isinstance(leg, dict) else {leg: profile}
    text = "v1" + "".join(fields(k, **v) for k, v in legs.items())
    text += f"/exp:{int(time.time()) + expires}"
    return text + "/mac:" + mac(secret, b"tg-ng-v1", call_id, text)


def proof(secret, call_id, sdp):
    """The leg a proof line in sdp speaks for; None: no line or a false one"""
    lines = re.findall(r"^a=x-trunkguard:(.*?)\r?$", sdp, re.M)
    if len(lines) != 1:
        return None
    text, _, given = lines[0].rpartition("/mac:")
    if not hmac.compare_digest(mac(secret, b"tg-proof-v1", call_id, text),
                               given):
        return None
    found = dict(f.split(":", 1) for f in text.split("/")[1:])
    return found["leg"] if int(found["exp"]) > time.time() else None


class Ng:
    """A sender of ng requests"""

    def __init__(self, address=("127.0.0.1", 2223), source=None, secret=b""):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(10)
        self.address = address
        self.secret = secret
        self.given_up = set()  # cookies that had no reply in time

    def raw(self, datagram):
        self.socket.sendto(datagram, self.address)
        return self.socket.recv(65535)

    def cookie(self):
        return b"%d_%d" % (os.getpid(), next(COUNT))

    def ask(self, command, call_id=None, **keys):
        """keys: from_tag='x' becomes from-tag. Returns the reply's dict"""
        message = {"command": command}
        if call_id is not None:
            message["call-id"] = call_id
        for name, value in keys.items():
            if value is not None:
                message[name.replace("_", "-")] = value
        cookie = self.cookie()
        try:
            reply = self.raw(cookie + b" " + encode(message))
            while (head := reply.partition(b" ")[0]) in self.given_up:
                reply = self.socket.recv(65535)
        except TimeoutError:
            self.given_up.add(cookie)
            raise
        body = reply.partition(b" ")[2]
        if head != cookie:
            raise ValueError("reply with another cookie")
        return decode(body)

    def secured(self, command, call_id, leg="to", profile=None, **keys):
        keys["trunkguard"] = token(self.secret, call_id, leg,
                                   **(profile or {}))
        return self.ask(command, call_id, **keys)

    def wait(self, seconds=10):
        """Until the daemon answers a ping"""
        end = time.monotonic() + seconds
        self.socket.settimeout(0.2)
        while True:
            try:
                if self.ask("ping").get("result") == "pong":
                    self.socket.settimeout(10)
                    return
            except (TimeoutError, ConnectionError, ValueError):
                pass
            if time.monotonic() > end:
                raise TimeoutError("rtpengine does not answer")

    def close(self):
        self.socket.close()
