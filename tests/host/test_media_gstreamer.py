# SPDX-License-Identifier: GPL-2.0-or-later
"""Secured legs against GStreamer: its srtpenc and srtpdec, which use
Debian's libsrtp2, and its DTLS-SRTP. See tests/support/farprogram.py for the
picture."""
import base64
import hashlib
import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from farprogram import FAR, FIRST, FarProgram
from proc import listens, wait_until
from rtp import describe, media_of, packet, payload_of

CIPHERS = {"AES_CM_128_HMAC_SHA1_80": ("aes-128-icm", "hmac-sha1-80"),
           "AES_256_CM_HMAC_SHA1_80": ("aes-256-icm", "hmac-sha1-80"),
           "AEAD_AES_128_GCM": ("aes-128-gcm", "null"),
           "AEAD_AES_256_GCM": ("aes-256-gcm", "null")}
PLAY = ("rawaudioparse", "use-sink-caps=false", "format=mulaw",
        "sample-rate=8000", "num-channels=1")
PACKETS = ("rtppcmupay", f"seqnum-offset={FIRST}", "min-ptime=20000000",
           "max-ptime=20000000")
SSRC = 0x11223344  # of packet()
HEARD = 80  # packets


def hexed(key):
    return base64.b64decode(key).hex()


def self_signed():
    """-> PEM of key and certificate, its fingerprint for a description"""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = f"{folder}/key", f"{folder}/cert"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-subj", "/CN=gstreamer", "-days", "2", "-keyout", key, "-out",
             cert], check=True, stderr=subprocess.DEVNULL)
        with open(key, encoding="ascii") as a, \
                open(cert, encoding="ascii") as b:
            pem, text = a.read(), b.read()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    return pem + text, ":".join(
        digest[i:i + 2].upper() for i in range(0, 64, 2))


def pipe(*elements):
    """Each element a tuple of words -> arguments of gst-launch-1.0"""
    words = []
    for element in elements:
        words += [*element, "!"]
    return words[:-1]


@unittest.skipUnless(shutil.which("gst-launch-1.0"), "no gst-launch-1.0")
class GStreamer(FarProgram):
    def status_of(self, trunk):
        """The line of the stream at that port"""
        found = [s for s in self.edge.status() if s["port"] == str(trunk[1])]
        return found[0] if found else {}

    def counted(self, trunk, name):
        return int(self.status_of(trunk).get(name, 0))

    def launch(self, *arguments):
        return self.run_program("gst-launch-1.0", "-q", *arguments)

    def file_source(self):
        return ("filesrc", f"location={self.path('in.ul')}", "blocksize=1600")

    def file_sink(self):
        return ("filesink", f"location={self.path('out.ul')}",
                "buffer-mode=unbuffered", "sync=false", "async=false")


class Sdes(GStreamer):
    """(A5, A15)"""

    def sends(self, suite, trunk, far, key):
        cipher, auth = CIPHERS[suite]
        self.launch(*pipe(
            self.file_source(), PLAY, PACKETS,
            ("srtpenc", f"key={key}", f"rtp-cipher={cipher}",
             f"rtp-auth={auth}", f"rtcp-cipher={cipher}",
             f"rtcp-auth={auth}"),
            ("udpsink", f"host={trunk[0]}", f"port={trunk[1]}",
             f"bind-address={FAR}", f"bind-port={far[0]}")))

    def receives(self, suite, far, key):
        cipher, auth = CIPHERS[suite]
        if os.path.exists(self.path("out.ul")):
            os.unlink(self.path("out.ul"))
        caps = (f"application/x-srtp,media=audio,clock-rate=8000,"
                f"encoding-name=PCMU,payload=0,ssrc=(uint){SSRC},"
                f"srtp-key=(buffer){key},srtp-cipher={cipher},"
                f"srtp-auth={auth},srtcp-cipher={cipher},srtcp-auth={auth}")
        self.launch(*pipe(
            ("udpsrc", f"address={FAR}", f"port={far[0]}", f"caps={caps}"),
            ("srtpdec",), ("rtppcmudepay",), self.file_sink()))
        wait_until(lambda: listens("udp", FAR, far[0]), "its port", 20)

    def test_gstreamer_sends(self):
        def one(suite, phone, _, trunk, far, __):
            self.sends(suite, trunk, far, hexed(far[1]))
            self.assertEqual(self.sound, self.listen(phone), self.said())
            self.assert_nothing_clear(trunk, 160)
        self.each(CIPHERS, one)

    def test_gstreamer_receives(self):
        def one(suite, phone, to_edge, trunk, far, edge_key):
            self.receives(suite, far, hexed(edge_key))
            self.assert_nothing_clear(trunk, self.talk(phone, to_edge))
            wait_until(lambda: len(self.written()) >= len(self.sound),
                       "what it heard", 10)
            self.assertEqual(self.sound, self.written(), self.said())
        self.each(CIPHERS, one)

    def test_a_wrong_key_is_refused(self):
        """Beside the two above: the same program, one octet of its key"""
        suite = "AES_CM_128_HMAC_SHA1_80"
        phone, _, trunk, far, _ = self.open(suite, True)
        key = hexed(far[1])
        self.sends(suite, trunk, far, f"{int(key[:2], 16) ^ 1:02x}{key[2:]}")
        wait_until(lambda: self.counted(trunk, "auth") >= 20,
                   "refused packets", 20)
        self.assertEqual([], phone.receive(1, 0.2), self.said())
        self.assertEqual(0, self.counted(trunk, "rx"))


class Relay:
    """The one port that a description names, for a program that sends from
    one socket and receives on another"""

    def __init__(self, port, to_program):
        self.outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outer.bind((FAR, port))
        self.inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inner.bind((FAR, 0))
        self.port = self.inner.getsockname()[1]
        self.to_program, self.to_edge = (FAR, to_program), None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def start(self, to_edge):
        self.to_edge = to_edge
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            for s in select.select([self.outer, self.inner], [], [], 0.1)[0]:
                data = s.recv(65535)
                if s is self.outer:
                    self.inner.sendto(data, self.to_program)
                else:
                    self.outer.sendto(data, self.to_edge)

    def stop(self):
        self.ended.set()
        if self.to_edge:
            self.thread.join()
        self.outer.close()
        self.inner.close()


class Dtls(GStreamer):
    """Certificate and keys are GStreamer's own affair; it is given but the
    role (A5, A15)"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pem, cls.fingerprint = self_signed()

    def setUp(self):
        """It speaks for as long as a handshake on a busy machine takes"""
        super().setUp()
        self.speech = b"".join(b"%08x clear! " % i for i in range(16000))
        with open(self.path("in.ul"), "wb") as f:
            f.write(self.speech)

    def some(self, phone):
        """HEARD packets without a gap, in order"""
        got = {}
        while len(got) < HEARD:
            data = phone.receive(1, 20)
            if not data:
                break
            number = int.from_bytes(data[0][2:4], "big")
            got[(number - FIRST) % 65536] = payload_of(data[0])
        return b"".join(got[i] for i in sorted(got))

    def open_dtls(self, role, phone_calls, fingerprint):
        """-> phone, where it sends to, trunk port, our fingerprint"""
        port = next(self.numbers)
        phone, of_phone = self.phone(port)
        relay = Relay(port, port + 5)
        self.addCleanup(relay.stop)

        def of_far(tag):
            setup = role if tag == 1 else \
                {"active": "active", "passive": "actpass"}[role]
            return describe(FAR, [("audio", port, "UDP/TLS/RTP/SAVP", "0", [
                f"fingerprint:sha-256 {fingerprint}", f"setup:{setup}",
                "rtcp-mux"])])

        to_phone, to_far = self.signal(role, of_phone,
                                       of_far, phone_calls, {"kx": "dtls"})
        self.assertIn("UDP/TLS/RTP/SAVP", to_far)
        trunk = media_of(to_far)[0]
        relay.start(trunk[:2])
        self.launch(
            *pipe(("udpsrc", f"address={FAR}", f"port={port + 5}"),
                  ("dtlssrtpdec", "name=d", "connection-id=one",
                   f'pem="{self.pem}"')),
            *pipe(("dtlssrtpenc", "name=e", "connection-id=one",
                   f"is-client={str(role == 'active').lower()}"),
                  ("udpsink", f"host={FAR}", f"port={relay.port}",
                   "async=false")),
            *pipe(self.file_source(), PLAY, PACKETS, ("e.rtp_sink_0",)),
            *pipe(("d.rtp_src",),
                  (f"application/x-rtp,media=audio,clock-rate=8000,"
                   f"encoding-name=PCMU,payload=0",),
                  ("rtppcmudepay",), self.file_sink()))
        return phone, media_of(to_phone)[0][:2], trunk

    def begin_to_talk(self, phone, to_edge):
        """Until it is heard: what comes before the far end has taken its
        keys into use is lost"""
        for i in range(100, 0, -1):
            phone.send(packet(FIRST - i, self.sound[:160]), to_edge)
            phone.receive(1, 0.1)  # pace
            if self.written():
                return

    def served(self, role, phone_calls):
        phone, to_edge, trunk = self.open_dtls(role, phone_calls,
                                               self.fingerprint)
        heard = self.some(phone)
        # what it had to say before the handshake was done is lost
        self.assertIn(heard, self.speech, self.said())
        self.assertEqual(HEARD * 160, len(heard), self.said())
        self.begin_to_talk(phone, to_edge)
        self.assert_nothing_clear(trunk, self.talk(phone, to_edge))
        wait_until(lambda: self.written().endswith(self.sound[-160:]),
                   "what it heard", 10)
        self.assertEqual(self.sound, self.written()[-len(self.sound):],
                         self.said())

    def test_both_roles_and_callers(self):
        for role in ("active", "passive"):
            for phone_calls in (True, False):
                with self.subTest(role=role, phone_calls=phone_calls):
                    self.forget()
                    self.served(role, phone_calls)
                    os.unlink(self.path("out.ul"))

    def test_another_certificate_gets_no_media(self):
        """Beside the one above: all is the same but the fingerprint"""
        for role in ("active", "passive"):
            with self.subTest(role=role):
                self.forget()
                self.unserved(role)

    def unserved(self, role):
        phone, to_edge, trunk = self.open_dtls(role, True, self_signed()[1])
        wait_until(lambda: "fingerprint" in self.status_of(trunk).get(
            "detail", ""), "the refusal of its certificate", 20)
        self.assertNotEqual("ready", self.status_of(trunk)["state"])
        n = self.talk(phone, to_edge)
        self.assertEqual([], phone.receive(1, 0.2))
        self.assertEqual(b"", self.written())
        self.assertGreaterEqual(self.counted(trunk, "no_key_tx"), n)
        self.assert_nothing_clear(trunk, 1)


if __name__ == "__main__":
    unittest.main()
