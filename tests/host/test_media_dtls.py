# SPDX-License-Identifier: GPL-2.0-or-later
"""DTLS-SRTP calls through a stock rtpengine with the plugin, against a stock
rtpengine's own DTLS. See tests/support/rtpcall.py for the picture."""
import pathlib
import re
import tempfile
import time
import unittest

import pki
from dtlscall import DTLS, DtlsBench, DtlsCall
from ngclient import proof
from rtp import describe, media_of, packet, receiver_report
from rtpcall import PATTERN, payloads
from rtpengine import SECRET, Rtpengine

class DtlsCalls(DtlsBench):
    """(A5, A15)"""

    def both_callers(self, role):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                self.forget()
                call = self.dtls(caller, caller=caller)
                ours = call.wire_offer if caller == "phone" \
                    else call.wire_answer
                self.assertIn("UDP/TLS/RTP/SAVP", ours)
                self.assertIn("a=fingerprint:sha-256 ", ours)
                self.assertNotIn("a=crypto", ours)
                self.assertIsNotNone(proof(SECRET, call.call_id, ours))
                self.assertNotIn("a=fingerprint", call.to_phone)
                if caller == "phone":
                    self.assertIn(f"a=setup:{role}", call.wire_answer)
                self.ready(call)
                self.assert_dtls_on_the_wire(call)
                self.assert_media(call)

    def test_far_end_is_active(self):
        self.both_callers("active")

    def test_rtcp_has_an_association_of_its_own(self):
        call = self.dtls("rtcp")
        self.ready(call)
        call.talk(n=5)
        self.forget()
        up = receiver_report(0xBBBB0000, b"a gateway's known canonical name")
        down = receiver_report(0xAAAA0000, b"a phone's known canonical name")
        address, _, rtcp, _, _ = call.far_plain_port()
        end = time.monotonic() + 5
        got = []
        while not got and time.monotonic() < end:
            call.telephones[0].send(up, (address, rtcp), rtcp=True)
            got = call.phones[0].receive(1, 0.2, rtcp=True)
        self.assertEqual([up], got)
        address, _, rtcp, _, _ = call.plain_port()
        call.phones[0].send(down, (address, rtcp), rtcp=True)
        self.assertEqual([down], call.telephones[0].receive(1, 1, rtcp=True))
        for p in self.wire.on_ports(call.trunk(rtcp=True)[0][1]):
            self.assertNotIn(b"known canonical name", p[4])

    def test_rtcp_multiplexed(self):
        call = self.dtls("mux", edge_keys={"rtcp-mux": ["offer"]},
                         far_keys={"rtcp-mux": ["accept", "demux"]})
        self.assertIn("a=rtcp-mux", call.wire_answer)
        self.ready(call)
        self.assert_media(call)

    def test_a_new_association_begins_at_zero(self):
        """The far end is replaced after its sequence wrapped: a re-INVITE
        brings another association, whose roll-over counters are zero"""
        call = self.dtls("anew")
        self.ready(call)
        call.sequence = 65500
        self.assert_media(call)
        self.forget()
        call.talk(n=60)  # over the wrap: the counter is one
        before = call.trunk()
        call.far_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        self.again(call)
        self.assertNotEqual(before, call.trunk())
        self.ready(call)
        self.assert_renewed(call)
        self.assert_media(call)

    def test_a_wrong_fingerprint_gives_no_media(self):
        call = DtlsCall(self.edge, self.far, "wrong-fingerprint@test")
        self.addCleanup(call.close)
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", DTLS, from_tag="a",
            sdp=call.local(call.phones)))
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP"))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        forged = re.sub(r"(a=fingerprint:\S+ )(..)", lambda m: m[1] + (
            "00" if m[2] != "00" else "01"), call.wire_answer)
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", DTLS, from_tag="a", to_tag="b",
            sdp=forged))
        time.sleep(0.5)
        self.forget()
        for data in payloads(b"down", 10):
            call.phones[0].send(packet(1, data), call.plain_port()[:2])
            call.telephones[0].send(packet(1, data),
                                    call.far_plain_port()[:2])
        self.assertEqual([], call.phones[0].receive(1, 0.3))
        self.assertEqual([], call.telephones[0].receive(1, 0.1))
        for p in self.wire.between(*call.trunk()):
            self.assertNotIn(PATTERN[:16], p)
        port = str(call.trunk()[0][1])
        states = [s for s in self.edge.status() if s["port"] == port]
        self.assertNotIn("ready", str(states))

    def test_nothing_passes_before_the_handshake(self):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        call = DtlsCall(self.edge, self.far, "early-dtls@test")
        self.addCleanup(call.close)
        offer = ng.secured("offer", call.call_id, "to", DTLS, from_tag="a",
                           sdp=call.local(call.phones))["sdp"]
        answer = ng.secured(
            "answer", call.call_id, "to", DTLS, from_tag="a", to_tag="b",
            sdp=describe("127.0.0.21", [(
                "audio", call.telephones[0].port, "UDP/TLS/RTP/SAVP", "0", [
                    "setup:passive", "fingerprint:sha-256 "
                    + ":".join(["AA"] * 32)])]))
        self.assertEqual("ok", answer["result"], answer)
        for data in payloads(b"down", 5):
            call.phones[0].send(packet(1, data),
                                media_of(answer["sdp"])[0][:2])
        got = call.telephones[0].receive(5, 0.5)
        self.assertTrue(got, "no ClientHello")
        for data in got:
            self.assertIn(data[0], range(20, 64))

    def test_sdes_answer_to_a_dtls_offer_is_refused(self):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        call = DtlsCall(self.edge, self.far, "mixed@test")
        self.addCleanup(call.close)
        ng.secured("offer", call.call_id, "to", DTLS, from_tag="a",
                   sdp=call.local(call.phones))
        reply = ng.secured(
            "answer", call.call_id, "to", DTLS, from_tag="a", to_tag="b",
            sdp=describe("127.0.0.21", [("audio", 9000, "RTP/SAVP", "0", [
                "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40])]))
        self.assertEqual("error", reply["result"])


class PassiveFarEnd(DtlsBench):
    """(A5)"""

    far_options = {"options": ("--dtls-passive",)}

    def test_far_end_is_passive(self):
        DtlsCalls.both_callers(self, "passive")


class CaBench(DtlsBench):
    """Two nodes with the plugin: the edge asks for a CA and for a name"""

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="media-pki-"))
        trusted, other = (pki.Authority(f"{n} media CA")
                          for n in ("right", "wrong"))
        trust = folder / "trust"
        trust.mkdir()
        for peer in ("gw1", "gw2"):
            (trust / f"{peer}.pem").write_text(trusted.pem)
        (trust / "gw3.pem").write_text(other.pem)
        cls.trust, cls.trusted, cls.other = trust, trusted, other
        mine = trusted.issue(dns=["edge.lab.test"]).write(folder, "edge")
        cls.certificate = trusted.issue(dns=["gw1.lab.test"])
        theirs = cls.certificate.write(folder, "far")
        cls.edge_options = {"conf": {
            "trust_dir": trust, "certificate": mine[0],
            "private_key": mine[1]}}
        cls.far_options = {"plugin": True, "conf": {
            "certificate": theirs[0], "private_key": theirs[1]}}
        super().setUpClass()

    def open(self, name, **profile):
        call = DtlsCall(self.edge, self.far, f"{self.id()}-{name}")
        self.addCleanup(call.close)
        self.negotiate(call, {**DTLS, "verify": "ca", **profile})
        return call

    @staticmethod
    def negotiate(call, profile, **tags):
        """profile: what the edge asks of the far end"""
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", profile, from_tag="a",
            sdp=call.local(call.phones), **tags))
        call.to_telephone = call.good(call.far_ng.secured(
            "offer", call.call_id, "from", DTLS, from_tag="a",
            sdp=call.wire_offer))
        call.wire_answer = call.good(call.far_ng.secured(
            "answer", call.call_id, "from", DTLS, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", profile, from_tag="a", to_tag="b",
            sdp=call.wire_answer))

    def serve(self, name):
        call = self.open(name, peer="gw1", identity="gw1.lab.test")
        self.ready(call)
        self.assert_media(call)
        return call

    def refused(self, why, **profile):
        call = self.open(why, **profile)
        port, end = str(call.trunk()[0][1]), time.monotonic() + 5
        while time.monotonic() < end:
            mine = [s for s in self.edge.status() if s["port"] == port][0]
            if why in mine.get("detail", ""):
                break
            time.sleep(0.02)
        self.assertIn(why, mine.get("detail", ""))
        self.assertNotEqual("ready", mine["state"])
        for data in payloads(b"down", 5):
            call.phones[0].send(packet(1, data), call.plain_port()[:2])
        self.assertEqual([], call.telephones[0].receive(1, 0.3))


class Certificates(CaBench):
    """(A11, A27)"""

    def test_chain_and_name_fit(self):
        self.serve("good")

    def test_another_name(self):
        self.refused("wanted:_gw2.lab.test", peer="gw2", identity="gw2.lab.test")

    def test_another_ca(self):
        self.refused("is_not_trusted", peer="gw3", identity="gw1.lab.test")

    def test_peer_without_a_store(self):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        reply = ng.secured("offer", "no-store", "to", {
            **DTLS, "verify": "ca", "peer": "gw4",
            "identity": "gw4.lab.test"}, from_tag="a", sdp=describe(
                "127.0.0.64", [("audio", 9000, "RTP/AVP", "0", [])]))
        self.assert_refused(reply, "media-keying")


class Anew(CaBench):
    """A far end that does not guess at roll-over counters, as a stock daemon
    does (A15)"""

    def test_a_new_association_begins_at_zero(self):
        call = DtlsCall(self.edge, self.far, self.id())
        self.addCleanup(call.close)
        self.negotiate(call, DTLS)
        self.ready(call)
        call.sequence = 65500
        self.assert_media(call)
        call.talk(n=40)  # over the wrap: the counter is one
        for _ in range(5):  # and to numbers that are not near it
            call.sequence += 8000
            call.talk(n=1)
        self.assertGreater(call.sequence % 65536, 0x8000)
        call.far_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        self.negotiate(call, DTLS, to_tag="b")
        self.ready(call)
        self.assert_renewed(call)
        self.assert_media(call)


class TrustAnew(CaBench):
    """The trust in peers' certificates changes under calls that go on
    (A11, A27)"""

    def setUp(self):
        super().setUp()
        self.restore()

    def restore(self):
        for name in ("gw1.crl", "gw9.crl"):
            (self.trust / name).unlink(missing_ok=True)
        (self.trust / "gw1.pem").write_text(self.trusted.pem)
        self.again()

    def again(self, said="ok: trust_dir read again: 3 peers"):
        self.assertIn(said, self.edge.say("reload"))

    def test_revoked(self):
        before = self.serve("before")
        (self.trust / "gw1.crl").write_text(self.trusted.crl())
        self.again()
        self.serve("listed")
        (self.trust / "gw1.crl").write_text(self.trusted.crl(
            revoked={self.certificate.serial: pki.now() - pki.DAY / 48}))
        self.serve("not read yet")
        self.again()
        self.refused("revoked", peer="gw1", identity="gw1.lab.test")
        self.assert_media(before)

    def test_a_list_that_has_ended(self):
        (self.trust / "gw1.crl").write_text(self.trusted.crl(
            this_update=pki.now() - 2 * pki.DAY, next_update=pki.now() - pki.DAY))
        self.again()
        self.refused("CRL", peer="gw1", identity="gw1.lab.test")
        (self.trust / "gw1.crl").unlink()
        self.again()
        self.serve("no list")

    def test_another_ca_takes_over(self):
        (self.trust / "gw1.pem").write_text(self.other.pem)
        self.again()
        self.refused("is_not_trusted", peer="gw1", identity="gw1.lab.test")
        (self.trust / "gw1.pem").write_text(self.other.pem + self.trusted.pem)
        self.again()
        self.serve("both")

    def test_a_peer_without_its_file(self):
        (self.trust / "gw1.pem").unlink()
        self.again("ok: trust_dir read again: 2 peers")
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        self.assert_refused(ng.secured("offer", "gone", "to", {
            **DTLS, "verify": "ca", "peer": "gw1", "identity": "gw1.lab.test"},
            from_tag="a", sdp=describe("127.0.0.64", [
                ("audio", 9000, "RTP/AVP", "0", [])])), "media-keying")

    def test_what_cannot_be_read_changes_nothing(self):
        for name, text, said in (
                ("gw1.pem", "no certificate\n", "gw1.pem"),
                ("gw1.crl", "no list\n", "gw1.crl"),
                ("gw9.crl", self.trusted.crl(), "gw9.pem: missing")):
            with self.subTest(name):
                self.restore()
                (self.trust / name).write_text(text)
                answer = self.edge.say("reload")
                self.assertIn(said, answer)
                self.assertIn("error: trust_dir stays as it was", answer)
                self.serve(f"as before {name}")


class NodeCertificates(unittest.TestCase):
    def test_files_that_cannot_be_used_are_told_at_start(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="media-bad-pki-"))
        (folder / "bad.pem").write_text("no certificate\n")
        for conf in ({"trust_dir": folder},
                     {"trust_dir": "/nonexistent"},
                     {"certificate": folder / "bad.pem",
                      "private_key": folder / "bad.pem"}):
            with self.subTest(str(conf)):
                code, text = Rtpengine("bad-pki", conf=conf).refusal()
                self.assertEqual(78, code, text)


if __name__ == "__main__":
    unittest.main()
