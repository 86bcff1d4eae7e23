# SPDX-License-Identifier: GPL-2.0-or-later
"""Secured legs against baresip, called by plain SIP of the test's own: its
SRTP by SDES and its DTLS-SRTP. What it hears it says again, so the phone must
get its own octets back, through both directions of both sides' keys."""
import os
import re
import select
import shutil
import socket
import unittest

from farprogram import FAR, FarProgram
from proc import wait_until
from rtp import media_of, packet, payload_of
from rtpengine import BUILD

MODULES = next((m for m in ("/usr/lib/baresip/modules",
                            "/usr/lib/x86_64-linux-gnu/baresip/modules")
                if os.path.isdir(m)), "")
CONFIG = f"""\
poll_method epoll
sip_listen {FAR}:5060
audio_source aubridge,loop
audio_player aubridge,loop
audio_alert aubridge,none
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports 20000-20998
jitter_buffer_delay 1-2
module_path {MODULES}
module g711.so
module aubridge.so
module srtp.so
module dtls_srtp.so
module_app account.so
module_app menu.so
"""
HEARD = 60


@unittest.skipUnless(shutil.which("baresip"), "no baresip")
class Baresip(FarProgram):
    """(A5, A14, A15)"""

    def start(self, media):
        for name, text in (("config", CONFIG), ("contacts", ""), (
                "accounts", f"<sip:far@{FAR}>;regint=0;answermode=auto;"
                f"mediaenc={media};audio_codecs=pcmu\n")):
            with open(self.path(name), "w", encoding="ascii") as f:
                f.write(text)
        self.run_program("env", f"BINDSRC={FAR}",
                         f"LD_PRELOAD={BUILD}/tools/bindsrc.so", "baresip",
                         "-f", self.folder, "-4")
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sip.close)
        self.sip.bind(("127.0.0.64", 0))
        self.sip.settimeout(0.3)
        wait_until(self.answers, "baresip answers")

    def send(self, method, number, sdp="", to=""):
        a, p = self.sip.getsockname()
        self.sip.sendto((
            f"{method} sip:far@{FAR} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {a}:{p};branch=z9hG4bK{method}{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:test@{a}>;tag=t\r\n"
            f"To: <sip:far@{FAR}>{to}\r\nCall-ID: {self.id()}-{number}\r\n"
            f"CSeq: {1 if method == 'ACK' else number} "
            f"{method}\r\nContact: <sip:test@{a}:{p}>\r\n"
            + ("Content-Type: application/sdp\r\n" if sdp else "")
            + f"Content-Length: {len(sdp)}\r\n\r\n{sdp}").encode(),
            (FAR, 5060))

    def answers(self):
        try:
            self.send("OPTIONS", 99)
            return self.sip.recv(65535).startswith(b"SIP/2.0 200")
        except OSError:
            return False

    def final(self):
        """Status and description of the answer to an INVITE"""
        self.sip.settimeout(10)
        while True:
            text = self.sip.recv(65535).decode()
            status = int(text.split()[1])
            if "INVITE" in re.search(r"(?im)^CSeq:.*$", text)[0] \
                    and status >= 200:
                tag = re.search(r"(?im)^To:.*?(;tag=\S+)\r", text)[1]
                self.send("ACK", 1, to=tag)
                return status, text.split("\r\n\r\n", 1)[1]

    def call(self, profile, edit=lambda sdp: sdp):
        """-> the reply to the answer, phone, trunk port of the edge"""
        phone, of_phone = self.phone(next(self.numbers))
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        offer = ng.secured("offer", self.id(), "to", profile, from_tag="a",
                           sdp=of_phone, direction=["in", "out"])
        self.assertEqual("ok", offer["result"], offer)
        self.send("INVITE", 1, offer["sdp"])
        status, sdp = self.final()
        self.assertEqual(200, status, self.said())
        reply = ng.secured("answer", self.id(), "to", profile, from_tag="a",
                           to_tag="b", sdp=edit(sdp))
        return reply, phone, media_of(offer["sdp"])[0]

    def echo(self, reply, phone, seconds=20):
        """Marks of the sound that came back, bit for bit"""
        to, heard = media_of(reply["sdp"])[0][:2], set()
        for i in range(int(seconds / 0.02)):
            at = i % (len(self.sound) // 160) * 160
            phone.send(packet(1000 + i, self.sound[at:at + 160]), to)
            if select.select([phone.rtp], [], [], 0.02)[0]:
                for data in phone.receive(1, 0.02):
                    heard |= set(re.findall(rb"[0-9a-f]{8} clear! ",
                                            payload_of(data)))
            if len(heard) >= HEARD * 8:
                break
        return heard

    def assert_served(self, reply, phone, port):
        self.assertEqual("ok", reply["result"], reply)
        self.forget()
        heard = self.echo(reply, phone)
        self.assertGreaterEqual(len(heard), HEARD * 8, self.said())
        for mark in heard:
            self.assertIn(mark, self.sound)
        self.assert_nothing_clear(port, 2 * HEARD)

    def test_sdes(self):
        self.start("srtp-mand")
        self.assert_served(*self.call({"kx": "sdes"}))

    def test_dtls(self):
        self.start("dtls_srtp")
        self.assert_served(*self.call({"kx": "dtls"}))

    def test_another_fingerprint_gets_no_media(self):
        """... than the one in its certificate; beside it test_dtls"""
        self.start("dtls_srtp")
        reply, phone, port = self.call({"kx": "dtls"}, lambda sdp: re.sub(
            r"(?im)^(a=fingerprint:sha-256 )\S\S", r"\g<1>00", re.sub(
                r"(?im)^(a=fingerprint:sha-256 )00", r"\g<1>11", sdp)))
        self.assertEqual("ok", reply["result"], reply)
        wait_until(lambda: "signalled_one" in self.edge.say("status"),
                   "the handshake is judged")
        self.assertEqual(set(), self.echo(reply, phone, 2))
        mine = next(s for s in self.edge.status()
                    if s["port"] == str(port[1]))
        self.assertNotEqual("ready", mine["state"])
        self.assertIn("fingerprint_is_not_the_signalled_one", mine["detail"])
        for data in (p[4] for p in self.wire.collect()
                     if port[:2] in (p[0:2], p[2:4])):
            self.assertNotIn(b" clear! ", data)

    def test_an_answer_in_clear_is_refused(self):
        self.start("srtp-mand")
        reply, _, _ = self.call({"kx": "sdes"}, lambda sdp: re.sub(
            r"(?m)^a=crypto:.*\r\n", "", sdp).replace("RTP/SAVP", "RTP/AVP"))
        self.assertEqual("error", reply["result"])
        self.assertIn("trunkguard: media-", reply["error-reason"])


if __name__ == "__main__":
    unittest.main()
