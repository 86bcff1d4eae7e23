# SPDX-License-Identifier: GPL-2.0-or-later
"""Re-negotiation, dialects, MKI and lifetime, forks, generated media, and a
restart, on secured legs. See tests/support/rtpcall.py for the picture."""
import re
import struct
import time
import unittest

from ngclient import proof
from rtp import Endpoint, describe, media_of, packet, payload_of
from rtpcall import N, PATTERN, Bench, Call, payloads
from rtpengine import SECRET

SUITE = "AES_CM_128_HMAC_SHA1_80"
TWO_SIDES = {"direction": ["in", "out"]}


def keys_of(sdp):
    return re.findall(r"inline:([^|\s]+)", sdp)


class Renegotiation(Bench):
    """(A15, B8, B10)"""

    def again(self, call, sdp=None, **keys):
        """A re-INVITE by the phone"""
        to_tag = {"to_tag": "b"}
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", call.profile, from_tag="a",
            sdp=sdp or call.local(call.phones), **to_tag, **keys))
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP", **to_tag))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", call.profile, from_tag="a",
            to_tag="b", sdp=call.wire_answer))

    def test_same_keys_and_running_counters(self):
        call = self.call()
        self.assert_secured(call)
        ours, theirs = keys_of(call.wire_offer), keys_of(call.wire_answer)
        for _ in range(3):
            self.again(call)
            self.assertEqual(ours, keys_of(call.wire_offer))
            self.assert_secured(call)
        self.assertEqual(theirs, keys_of(call.wire_answer))

    def test_the_answer_comes_twice(self):
        """183 and 200 of one far end, from both sides of the call"""
        for caller, leg in (("phone", "to"), ("telephone", "from")):
            with self.subTest(caller):
                call = Call(self.edge, self.far, f"twice-{leg}",
                            caller=caller).open()
                self.addCleanup(call.close)
                self.assert_secured(call, n=10)
                sdp = (call.wire_answer if caller == "phone"
                       else call.local(call.phones))
                again = call.good(call.edge_ng.secured(
                    "answer", call.call_id, leg, from_tag="a", to_tag="b",
                    sdp=sdp))
                if caller == "telephone":
                    self.assertEqual(keys_of(call.wire_answer),
                                     keys_of(again))
                self.assert_secured(call, n=10)

    def test_the_200_has_another_key_than_the_183(self):
        call = self.call()
        self.assert_secured(call, n=10)
        theirs = keys_of(call.wire_answer)
        call.far_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP"))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        self.assertNotEqual(theirs, keys_of(call.wire_answer))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.wire_answer))
        self.assert_secured(call)

    def test_roll_over_counter_survives(self):
        call = self.call()
        call.sequence = 65500
        self.assert_secured(call, n=80)
        self.again(call)
        self.assert_secured(call, n=20)

    def test_the_gateway_side_invites_again(self):
        """The far end turns the call round: its leg becomes "from\""""
        call = self.call()
        self.assert_secured(call)
        offer = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="b", to_tag="a",
            sdp=call.local(call.telephones), transport_protocol="RTP/SAVP"))
        to_phone = call.good(call.edge_ng.secured(
            "offer", call.call_id, "from", from_tag="b", to_tag="a",
            sdp=offer))
        self.assertNotIn("a=crypto", to_phone)
        answer = call.good(call.edge_ng.secured(
            "answer", call.call_id, "from", from_tag="b", to_tag="a",
            sdp=call.local(call.phones)))
        self.assertEqual("from", proof(SECRET, call.call_id, answer))
        self.assertEqual(1, answer.count("a=crypto:"))
        call.good(call.far_ng.ask("answer", call.call_id, from_tag="b",
                                  to_tag="a", sdp=answer))
        self.assert_secured(call)

    def test_a_new_address_brings_a_new_key(self):
        """The far end moves: our key must be another one (RFC 4568 7.1.4)"""
        call = self.call()
        self.assert_secured(call)
        before = keys_of(call.wire_offer)
        other = Call(self.edge, self.far, "moved@test")
        self.addCleanup(other.close)
        # another far leg answers the same call from another port
        self.again(call)
        moved = call.wire_answer.replace(
            f"m=audio {call.trunk()[1][1]} ", "m=audio 41998 ")
        call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.local(call.phones)))
        call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=moved))
        again = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.local(call.phones)))
        self.assertNotEqual(before, keys_of(again))

    def test_the_far_end_takes_a_new_key(self):
        call = self.call()
        self.assert_secured(call)
        theirs = keys_of(call.wire_answer)
        # its daemon forgets the call and answers afresh, on other ports
        call.far_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        self.again(call)
        self.assertNotEqual(theirs, keys_of(call.wire_answer))
        self.assert_secured(call)

    def test_hold_and_resume(self):
        call = self.call()
        self.assert_secured(call)
        held = call.local(call.phones) + "a=sendonly\r\n"
        self.again(call, sdp=held)
        self.again(call)
        self.assert_secured(call)

    def test_line_is_rejected_and_comes_back(self):
        call = self.call(media=("audio", "video"))
        self.assert_secured(call, 1)
        without = re.sub(r"m=video \d+", "m=video 0", call.local(call.phones))
        offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=without))
        self.assertIn("m=video 0", offer)

    def test_a_secured_line_never_falls_to_clear(self):
        call = self.call(profile={"level": "supported"}, far_keys={})
        self.assert_secured(call)
        call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", call.profile, from_tag="a",
            to_tag="b", sdp=call.local(call.phones)))
        reply = call.edge_ng.secured(
            "answer", call.call_id, "to", call.profile, from_tag="a",
            to_tag="b", sdp=describe("127.0.0.3", [
                ("audio", call.trunk()[1][1], "RTP/AVP", "0", [])]))
        self.assert_refused(reply, "media-downgrade")


class Supported(Bench):
    """Optional SRTP in both dialects (A16, A17, B7)"""

    def one_sided(self, profile, sdp, leg="from", call_id=None):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        call_id = call_id or self.id()
        offer = ng.secured("offer", call_id, leg, profile, from_tag="a",
                           sdp=sdp)
        self.assertEqual("ok", offer["result"], offer)
        return ng, call_id, offer["sdp"]

    def test_our_offer_is_rtp_avp_with_keys(self):
        for dialect in ("rfc8643", "ms-sdpext"):
            with self.subTest(dialect):
                profile = {"level": "supported", "dialect": dialect}
                ng, call_id, offer = self.one_sided(
                    profile, describe("127.0.0.64", [
                        ("audio", 9000, "RTP/AVP", "0", [])]), "to", dialect)
                self.assertRegex(offer, r"m=audio \d+ RTP/AVP 0\r")
                self.assertIn("a=crypto:1 ", offer)

    def test_answer_to_an_optional_offer(self):
        offer = describe("127.0.0.21", [("audio", 9000, "RTP/AVP", "0", [
            f"crypto:1 {SUITE} inline:" + "A" * 40])])
        for dialect, proto in (("rfc8643", "RTP/AVP"),
                               ("ms-sdpext", "RTP/SAVP")):
            with self.subTest(dialect):
                profile = {"level": "supported", "dialect": dialect}
                ng, call_id, _ = self.one_sided(profile, offer,
                                                call_id=dialect + "-in")
                answer = ng.secured(
                    "answer", call_id, "from", profile, from_tag="a",
                    to_tag="b", sdp=describe("127.0.0.64", [
                        ("audio", 9002, "RTP/AVP", "0", [])]))["sdp"]
                self.assertRegex(answer, rf"m=audio \d+ {proto} 0\r")
                self.assertEqual(1, answer.count("a=crypto:1 "))
                self.assertEqual("from", proof(SECRET, call_id, answer))

    def test_falls_to_clear_and_is_counted(self):
        def count():
            return int(re.search(r"clear_lines_total (\d+)",
                                 self.edge.say("metrics"))[1])
        before = count()
        profile = {"level": "supported"}
        phone, gateway = (Endpoint(a, 21000) for a in
                          ("127.0.0.64", "127.0.0.21"))
        self.addCleanup(phone.close)
        self.addCleanup(gateway.close)
        sdp = [describe(e.address, [("audio", e.port, "RTP/AVP", "0", [])])
               for e in (phone, gateway)]
        ng, call_id, offer = self.one_sided(profile, sdp[0], "to")
        answer = ng.secured("answer", call_id, "to", profile, from_tag="a",
                            to_tag="b", sdp=sdp[1])
        self.assertEqual("ok", answer["result"], answer)
        self.assertIsNone(proof(SECRET, call_id, answer["sdp"]))
        self.assertEqual(before + 1, count())
        data = packet(1, PATTERN)
        phone.send(data, media_of(answer["sdp"])[0][:2])
        self.assertEqual([PATTERN], [payload_of(p)
                                     for p in gateway.receive(1)])

    def test_clear_offer_gets_a_clear_answer(self):
        profile = {"level": "supported"}
        ng, call_id, offer = self.one_sided(profile, describe(
            "127.0.0.21", [("audio", 9000, "RTP/AVP", "0", [])]))
        answer = ng.secured("answer", call_id, "from", profile, from_tag="a",
                            to_tag="b", sdp=describe("127.0.0.64", [
                                ("audio", 9002, "RTP/AVP", "0", [])]))["sdp"]
        self.assertNotIn("a=crypto", answer)
        self.assertIsNone(proof(SECRET, call_id, answer))

    def test_secured_when_the_far_end_can(self):
        call = self.call(profile={"level": "supported"},
                         far_keys={"OSRTP": ["accept"]})
        if "a=crypto" not in call.wire_answer:
            self.fail("the far daemon took no optional SRTP")
        self.assert_secured(call)


class Parameters(Bench):
    """(B8)"""

    def test_mki_and_lifetime_in_our_offer(self):
        call = self.call(profile={"mki": "4", "lifetime": "31"})
        self.assertRegex(call.wire_offer,
                         r"inline:\S{40}\|2\^31\|\d+:4\r")

    def test_far_ends_mki_is_kept_in_the_answer(self):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        offer = describe("127.0.0.21", [("audio", 9000, "RTP/SAVP", "0", [
            f"crypto:7 {SUITE} inline:" + "A" * 40 + "|2^31|1:1"])])
        self.assertEqual("ok", ng.secured(
            "offer", "mki@test", "from", from_tag="a", sdp=offer)["result"])
        answer = ng.secured("answer", "mki@test", "from", from_tag="a",
                            to_tag="b", sdp=describe("127.0.0.64", [
                                ("audio", 9002, "RTP/AVP", "0", [])]))["sdp"]
        self.assertRegex(answer, rf"a=crypto:7 {SUITE} "
                         r"inline:\S{40}\|2\^31\|1:1\r")

    def test_floor_of_the_node(self):
        edge = type(self.edge)("floor", ng="127.0.0.1:2423",
                               ports=(36000, 36999), conf={
                                   "floor_level": "required",
                                   "floor_suites": "AEAD_AES_256_GCM"})
        edge.start()
        self.addCleanup(edge.stop)
        ng = edge.ng()
        self.addCleanup(ng.close)
        sdp = describe("127.0.0.64", [("audio", 9000, "RTP/AVP", "0", [])])
        self.assert_refused(ng.secured("offer", "f1", "to", from_tag="a",
                                       sdp=sdp), "media-suite")
        self.assert_refused(ng.secured(
            "offer", "f2", "to", {"level": "supported",
                                  "suites": "AEAD_AES_256_GCM"},
            from_tag="a", sdp=sdp), "media-clear")
        reply = ng.secured("offer", "f3", "to", {
            "suites": f"{SUITE},AEAD_AES_256_GCM"}, from_tag="a", sdp=sdp)
        self.assertIn("AEAD_AES_256_GCM", reply["sdp"])
        self.assertNotIn(SUITE, reply["sdp"])


class Forks(Bench):
    """(B10)"""

    def test_a_second_far_end_takes_over(self):
        """Two answers to one offer: 183 of one phone, 200 of another"""
        call = Call(self.edge, self.far, "fork@test")
        self.addCleanup(call.close)
        second = Endpoint("127.0.0.22", 23000)
        self.addCleanup(second.close)
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a",
            sdp=call.local(call.phones)))
        for tag, far_id, sdp in (
                ("b1", "fork-1", call.local(call.telephones)),
                ("b2", "fork-2", call.local([second]))):
            call.to_telephone = call.good(call.far_ng.ask(
                "offer", far_id, from_tag="a", sdp=call.wire_offer,
                transport_protocol="RTP/AVP"))
            call.wire_answer = call.good(call.far_ng.ask(
                "answer", far_id, from_tag="a", to_tag=tag, sdp=sdp))
            call.to_phone = call.good(call.edge_ng.secured(
                "answer", call.call_id, "to", from_tag="a", to_tag=tag,
                sdp=call.wire_answer))
            self.assertEqual("to", proof(SECRET, call.call_id,
                                         call.to_phone))
        call.telephones[0].close()
        call.telephones[0] = second
        self.forget()
        down, at_telephone, up, at_phone = call.talk()
        self.assertEqual(down, [payload_of(p) for p in at_telephone])
        self.assertEqual(up, [payload_of(p) for p in at_phone])
        # the daemon sends from a port that no description showed
        trunk = self.wire.on_ports(call.trunk()[1][1])
        self.assertEqual(2 * N, len(trunk))
        for p in trunk:
            self.assertNotIn(PATTERN[:16], p[4])


    def test_branches_have_keys_of_their_own(self):
        """Kamailio forks: an offer a branch, one far end answers"""
        offers, ids = {}, ("branch-1", "branch-2")
        call = Call(self.edge, self.far, "branches@test")
        self.addCleanup(call.close)
        for b in ids:
            offers[b] = call.good(call.edge_ng.secured(
                "offer", call.call_id, "to", from_tag="a", via_branch=b,
                sdp=call.local(call.phones)))
        self.assertEqual(2, len({keys_of(o)[0] for o in offers.values()}))
        call.wire_offer = offers["branch-2"]
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", "far-of-branch", from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP"))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", "far-of-branch", from_tag="a", to_tag="b2",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b2",
            via_branch="branch-2", sdp=call.wire_answer))
        self.assert_secured(call)
        # the other branch ends; this one goes on
        call.edge_ng.ask("delete", call.call_id, from_tag="a",
                         via_branch="branch-1")
        self.assert_secured(call)


class Generated(Bench):
    """Packets that the daemon makes itself leave protected too (A32)"""

    def test_media_player(self):
        call = self.call(edge_keys={})
        call.talk(n=5)
        self.forget()
        samples = b"".join(struct.pack("<h", (i % 64) * 400)
                           for i in range(8000))
        wav = (b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " +
               struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) +
               b"data" + struct.pack("<I", len(samples)) + samples)
        reply = call.edge_ng.ask("play media", call.call_id, from_tag="b",
                                 blob=wav)
        self.assertEqual("ok", reply["result"], reply)
        got = call.telephones[0].receive(20, 2)
        self.assertEqual(20, len(got))
        self.assertEqual({160}, {len(payload_of(p)) for p in got})
        edge, far = call.trunk()
        sent = [p[4] for p in self.wire.collect() if p[0:2] == edge
                and p[2:4] == far]
        self.assertGreaterEqual(len(sent), 20)
        clear = {payload_of(p) for p in got}
        for data in sent:
            self.assertFalse(any(c in data for c in clear))


class Ice(Bench):
    """Candidates on the trunk: STUN passes, the rest is SRTP"""

    def test_ice_on_the_trunk(self):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                self.forget()
                ice = {"ICE": "force"}
                edge = ice if caller == "phone" else {"ICE": "remove"}
                call = Call(self.edge, self.far, f"ice-{caller}",
                            caller=caller, edge_keys=edge)
                call.far_keys = ice if caller == "telephone" else {}
                self.addCleanup(call.close)
                call.open()
                self.assertIn("a=candidate:", call.wire_offer)
                self.assertIn("a=candidate:", call.wire_answer)
                time.sleep(1)
                stun = [d for d in self.wire.between(*call.trunk())
                        if d[0] < 4]
                self.assertGreater(len(stun), 1)
                self.forget()
                down, at_telephone, up, at_phone = call.talk(n=20)
                self.assertEqual(down, [payload_of(p) for p in at_telephone])
                self.assertEqual(up, [payload_of(p) for p in at_phone])
                trunk = self.wire.between(*call.trunk())
                self.assertGreaterEqual(len(trunk), 40)
                for data in trunk:
                    self.assertNotIn(PATTERN[:16], data)


class Restart(Bench):
    """(A32)"""

    def test_secured_calls_do_not_survive_as_clear_ones(self):
        call = self.call()
        self.assert_secured(call)
        self.edge.stop()
        type(self).edge = self.edge.start()
        reply = call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.wire_answer)
        self.assert_refused(reply, "media-keying")
        self.forget()
        for data in payloads(b"x", 5):
            call.phones[0].send(packet(1, data), call.plain_port()[:2])
        self.assertEqual([], call.telephones[0].receive(1, 0.3))


class Advertised(Bench):
    """The description shows another address than the one that is bound"""

    edge_options = {"interfaces": ("in/127.0.0.1",
                                   "out/127.0.0.2!198.51.100.9")}

    def test_sockets_are_found(self):
        call = Call(self.edge, self.far, "advertised@test",
                    edge_keys=TWO_SIDES)
        self.addCleanup(call.close)
        shown = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a",
            sdp=call.local(call.phones), **TWO_SIDES))
        self.assertEqual("198.51.100.9", media_of(shown)[0][0])
        call.wire_offer = shown.replace("198.51.100.9", "127.0.0.2")
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP"))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.wire_answer))
        self.assert_secured(call)


if __name__ == "__main__":
    unittest.main()
