# SPDX-License-Identifier: GPL-2.0-or-later
"""Both legs of a call secured by the plugin, each by a profile of its own.
Both far ends' SRTP is a stock rtpengine's, which terminates it natively:

    phone --RTP-- stock ==SRTP (from)== edge ==SRTP (to)== stock --RTP-- telephone
"""
import base64
import re
import time
import unittest

from ngclient import proof
from rtp import Endpoint, describe, media_of, packet, payload_of
from rtpcall import PATTERN, Bench, payloads
from rtpengine import SECRET

CM = {"kx": "sdes", "suites": "AES_CM_128_HMAC_SHA1_80", "peer": "caller"}
MKI = {**CM, "mki": "4", "lifetime": "31"}
GCM = {"kx": "sdes", "suites": "AEAD_AES_128_GCM", "peer": "callee"}
DTLS = {"kx": "dtls", "suites": "AEAD_AES_128_GCM,AES_CM_128_HMAC_SHA1_80",
        "peer": "trunk"}
TRANSPORT = {"sdes": "RTP/SAVP", "dtls": "UDP/TLS/RTP/SAVP"}


def key_lines(sdp):
    return re.findall(r"^a=(crypto|fingerprint):.*\r$", sdp, re.M)


def crypto(profile):
    octets = 28 if "GCM" in profile["suites"] else 30
    key = base64.b64encode(bytes(range(octets))).decode()
    return f"crypto:1 {profile['suites']} inline:{key}"


class Side:
    """A far end: an endpoint that speaks RTP behind the stock daemon"""

    numbers = iter(range(1, 1000))

    def __init__(self, far, call_id, tag, profile, address):
        self.ng, self.tag, self.profile = far.ng(), tag, profile
        self.call_id = f"{call_id}-{tag}"
        self.end = Endpoint(address, 14000 + 4 * next(self.numbers))
        self.inner = self.wire = None  # its own descriptions
        self.other = None  # tag of the edge's side, once it answered
        self.ssrc = 0x51000000 + self.end.port

    def local(self):
        return describe(self.end.address,
                        [("audio", self.end.port, "RTP/AVP", "0", [])])

    def ask(self, command, sdp, tags, **keys):
        reply = self.ng.ask(command, self.call_id, from_tag=tags[0],
                            to_tag=tags[1], sdp=sdp, **keys)
        if reply.get("result") != "ok":
            raise AssertionError(reply)
        return reply["sdp"]

    def offer(self):
        """What it offers on the wire"""
        keys = {"transport_protocol": TRANSPORT[self.profile["kx"]]}
        if self.profile["kx"] == "sdes":
            keys.update(SDES=["only-" + self.profile["suites"]], DTLS="off")
        self.wire = self.ask("offer", self.local(), ("in", self.other),
                             **keys)
        return self.wire

    def answered(self, sdp):
        self.other = "out"
        self.inner = self.ask("answer", sdp, ("in", "out"))

    def take_offer(self, sdp):
        """Its answer to an offer from the wire"""
        self.other = "out"
        self.inner = self.ask("offer", sdp, ("out", "in"),
                              transport_protocol="RTP/AVP")
        self.wire = self.ask("answer", self.local(), ("out", "in"))
        return self.wire

    def restart(self):
        """As another instance: new ports, new keys, no memory"""
        self.ng.ask("delete", self.call_id, from_tag="in", delete_delay=0)
        self.call_id += "'"
        self.other = None

    def send(self, sequence, data):
        self.end.send(packet(sequence, data, self.ssrc),
                      media_of(self.inner)[0][:2])

    def close(self):
        self.end.close()
        self.ng.close()


class TwoLegs:
    def __init__(self, edge, far, call_id, caller, callee):
        self.call_id, self.ng = call_id, edge.ng()
        self.caller = Side(far, call_id, "a", caller, "127.0.0.64")
        self.callee = Side(far, call_id, "b", callee, "127.0.0.21")
        self.sequence = 2000
        self.paths = []

    def ask(self, command, sdp, source, target, tags, legs=None, **keys):
        return self.ng.secured(
            command, self.call_id,
            legs or {"to": target.profile, "from": source.profile}, sdp=sdp,
            from_tag=tags[0], to_tag=tags[1], **keys)

    def good(self, *arguments, **options):
        reply = self.ask(*arguments, **options)
        if reply.get("result") != "ok":
            raise AssertionError(reply)
        return reply["sdp"]

    def exchange(self, source, target, known=True):
        """Offer and answer, by either side. known: the target has a tag"""
        tags = (source.tag, target.tag)
        self.offered = self.good("offer", source.offer(), source, target,
                                 tags if known else (source.tag, None))
        answer = target.take_offer(self.offered)
        self.answered = self.good("answer", answer, source, target, tags)
        source.answered(self.answered)
        self.paths = [self.path(source.wire, self.answered),
                      self.path(answer, self.offered)]
        return self

    @staticmethod
    def path(one, other):
        return [media_of(sdp)[0][:2] for sdp in (one, other)]

    def open(self):
        return self.exchange(self.caller, self.callee, known=False)

    def close(self):
        self.ng.ask("delete", self.call_id, from_tag="a", delete_delay=0)
        for side in (self.caller, self.callee):
            side.close()
        self.ng.close()


class TwoLegsBench(Bench):
    far_options = {"interfaces": ("127.0.0.3",), "options": ("--dtls-passive",)}

    def pair(self, caller, callee, name=""):
        call = TwoLegs(self.edge, self.far, f"{self.id()}{name}@test", caller,
                       callee)
        self.addCleanup(call.close)
        return call

    def warm(self, call):
        """Until media passes both ways: handshakes are over, and the daemons
        have seen where it comes from"""
        sides, end = (call.caller, call.callee), time.monotonic() + 8
        heard = set()
        while len(heard) < 2 and time.monotonic() < end:
            for one, other in (sides, sides[::-1]):
                one.send(call.sequence, b"warm " + PATTERN * 3)
                if other.end.receive(1, 0.1):
                    heard.add(other.tag)
            call.sequence += 1
        self.assertEqual(2, len(heard),
                         f"no media\n{self.edge.say('status')}")
        for side in sides:
            side.end.drain()

    def assert_media(self, call, n=30):
        """Bit by bit at both far ends, and nothing readable on any path"""
        self.warm(call)
        self.forget()
        sides = (call.caller, call.callee)
        sent = {s: payloads(b"from " + s.tag.encode(), n) for s in sides}
        got = {s: [] for s in sides}
        for i in range(n):
            for one, other in (sides, sides[::-1]):
                one.send(call.sequence, sent[one][i])
                got[other] += map(payload_of, other.end.receive(1, 3))
            call.sequence += 1
        for one, other in (sides, sides[::-1]):
            self.assertEqual(sent[one], got[other])
        self.assert_dark(call, 2 * n)

    def assert_dark(self, call, n):
        """Between edge and far ends: n packets at least, none in clear. What
        is in clear on loopback is the far ends' own inner side"""
        inner = {(s.end.address, s.end.port)
                 for s in (call.caller, call.callee)}
        seen = self.wire.collect()
        for far, _ in call.paths:
            self.assertGreaterEqual(sum(far in (p[0:2], p[2:4])
                                        for p in seen), n)
        for p in seen:
            if p[0:2] not in inner and p[2:4] not in inner:
                self.assertNotIn(PATTERN[:16], p[4])

    def on_the_wire(self, call, index, ours):
        """Lengths of RTP packets of one path: 0 the caller's, 1 the callee's;
        ours: what the edge sent"""
        far, edge = call.paths[index]
        return {len(p[4]) for p in self.wire.collect()
                if 128 <= p[4][0] <= 191
                and (p[0:2], p[2:4]) == ((edge, far) if ours else (far, edge))
                and p[4][1] & 127 < 64}

    def keying(self, call):
        return {s["peer"]: (s["keying"], s["suite"])
                for s in self.edge.status()
                if s["port"] in {str(p[1][1]) for p in call.paths}}


class Different(TwoLegsBench):
    """Each pair with the one and the other as the caller (A5, A14, A15, B8)"""

    def both_ways(self, one, other, check=lambda call: None):
        for caller, callee in ((one, other), (other, one)):
            with self.subTest(caller=caller["kx"] + caller["suites"]):
                call = self.pair(caller, callee, caller["peer"]).open()
                for sdp in (call.offered, call.answered):
                    self.assertEqual("both", proof(SECRET, call.call_id, sdp))
                for sdp, profile in ((call.offered, callee),
                                     (call.answered, caller)):
                    self.assertEqual({"sdes": {"crypto"},
                                      "dtls": {"fingerprint"}}[profile["kx"]],
                                     set(key_lines(sdp)))
                    self.assertIn(f" {TRANSPORT[profile['kx']]} ", sdp)
                self.assert_media(call)
                check(call)

    def test_sdes_and_dtls(self):
        def check(call):
            keying = self.keying(call)
            self.assertEqual(("sdes", CM["suites"]), keying["caller"])
            self.assertEqual("dtls", keying["trunk"][0])
        self.both_ways(CM, DTLS, check)

    def test_two_suites(self):
        def check(call):
            self.assertEqual({"caller": ("sdes", CM["suites"]),
                              "callee": ("sdes", GCM["suites"])},
                             self.keying(call))
            tags = [10, 16] if call.caller.profile is CM else [16, 10]
            for i, tag in enumerate(tags):
                for ours in (False, True):
                    self.assertEqual({172 + tag},
                                     self.on_the_wire(call, i, ours))
        self.both_ways(CM, GCM, check)

    def test_an_mki_on_one_side(self):
        def check(call):
            caller = call.caller.profile is MKI
            # in our offer there is one; an offer without gets none back
            octets = 172 + 10 + (0 if caller else 4)
            self.assertEqual({octets},
                             self.on_the_wire(call, 0 if caller else 1, True))
            self.assertEqual({172 + 16},
                             self.on_the_wire(call, 1 if caller else 0, True))
            offered = re.findall(r"\|2\^31\|\d+:4\r", call.offered)
            self.assertEqual(0 if caller else 1, len(offered))
            self.assertNotRegex(call.answered, r"\|\d+:4\r")
        self.both_ways(MKI, GCM, check)

    def test_suites_are_not_lent(self):
        """What only the other leg's profile admits is refused"""
        for profile, other in ((CM, GCM), (GCM, CM)):
            call = self.pair(profile, other, profile["peer"])
            for mine in (False, True):
                reply = call.ask("offer", describe("127.0.0.3", [(
                    "audio", 9000, "RTP/SAVP", "0", [crypto(
                        profile if mine else other)])]),
                    call.caller, call.callee, ("a", None))
                if mine:
                    self.assertEqual("ok", reply["result"], reply)
                else:
                    self.assert_refused(reply, "media-suite")


class Renegotiation(TwoLegsBench):
    """(A14, B10)"""

    def test_re_invite_from_either_side(self):
        call = self.pair(CM, DTLS).open()
        self.assert_media(call)
        before = re.findall("inline:.*$", call.answered, re.M)
        call.exchange(call.callee, call.caller)
        self.assertIn(" RTP/SAVP ", call.offered)
        self.assertIn(" UDP/TLS/RTP/SAVP ", call.answered)
        self.assertEqual(before, re.findall("inline:.*$", call.offered, re.M))
        self.assert_media(call)
        call.exchange(call.caller, call.callee)
        self.assertIn(" UDP/TLS/RTP/SAVP ", call.offered)
        self.assert_media(call)
        self.assertEqual({"caller", "trunk"}, set(self.keying(call)))

    def test_an_offer_that_comes_late(self):
        """INVITE without a description: the callee offers in its 200, the
        caller answers in its ACK. Kamailio names the sides by the offer"""
        call = self.pair(DTLS, CM)
        source, target = call.callee, call.caller
        call.exchange(source, target)
        self.assertIn(" UDP/TLS/RTP/SAVP ", call.offered)
        self.assert_media(call)

    def test_a_side_that_begins_anew(self):
        """Another instance takes the call over: other ports, other keys, a
        new association"""
        for caller, callee in ((CM, DTLS), (DTLS, GCM)):
            with self.subTest(caller["kx"]):
                call = self.pair(caller, callee, caller["kx"]).open()
                self.assert_media(call)
                call.callee.restart()
                call.exchange(call.caller, call.callee)
                self.assert_media(call)
                call.caller.restart()
                call.exchange(call.caller, call.callee)
                self.assert_media(call)

    def test_a_side_whose_profile_becomes_another(self):
        """The next peer of a serial fork, say: no key of the one before"""
        call = self.pair(CM, GCM)
        call.good("offer", call.caller.offer(), call.caller, call.callee,
                  ("a", None))
        call.callee.profile = DTLS
        call.open()
        self.assertNotIn("a=crypto", call.offered)
        self.assert_media(call)


class Forked(TwoLegsBench):
    """Two far ends answer one offer, behind a caller that is secured, too
    (A15, B10)"""

    def test_early_media_of_both(self):
        for caller, callee in ((DTLS, CM), (CM, DTLS)):
            with self.subTest(caller["kx"]):
                self.forked(caller, callee)

    def forked(self, caller, callee):
        call = self.pair(caller, callee, caller["kx"])
        offered = call.good("offer", call.caller.offer(), call.caller,
                            call.callee, ("a", None))
        first = call.callee
        second = Side(self.far, call.call_id, "c", callee, "127.0.0.22")
        self.addCleanup(second.close)
        for one in (first, second, first):
            answer = one.wire or one.take_offer(offered)
            call.callee = one
            call.answered = call.good("answer", answer, call.caller, one,
                                      ("a", one.tag))
            call.caller.answered(call.answered)
            call.paths = [call.path(call.caller.wire, call.answered),
                          call.path(answer, offered)]
            self.assert_media(call)


class Refused(TwoLegsBench):
    """A token that does not fit its call; the same call with the right one is
    served (A14, B10)"""

    def setUp(self):
        self.call_ = self.pair(CM, GCM)
        call = self.call_
        self.offer = call.caller.offer()
        self.offered = call.good("offer", self.offer, call.caller,
                                 call.callee, ("a", None))
        self.answer = call.callee.take_offer(self.offered)

    def answer_with(self, legs):
        call = self.call_
        return call.ask("answer", self.answer, call.caller, call.callee,
                        ("a", "b"), legs=legs)

    def served(self):
        call = self.call_
        call.answered = call.good("answer", self.answer, call.caller,
                                  call.callee, ("a", "b"))
        call.caller.answered(call.answered)
        call.paths = [call.path(self.offer, call.answered),
                      call.path(self.answer, self.offered)]
        self.assert_media(call)

    def test_a_leg_that_is_missing(self):
        for leg in ({"to": GCM}, {"from": CM}):
            self.assert_refused(self.answer_with(leg), "media-downgrade")
        self.served()
        for leg in ({"to": GCM}, {"from": CM}):
            self.assert_refused(self.call_.ask(
                "offer", self.offer, self.call_.caller, self.call_.callee,
                ("a", "b"), legs=leg), "media-downgrade")
        self.assert_media(self.call_)

    def test_a_leg_that_contradicts_its_offer(self):
        for legs in ({"to": CM, "from": GCM}, {"to": GCM, "from": MKI},
                     {"to": {**GCM, "level": "supported"}, "from": CM},
                     {"to": GCM, "from": {**CM, "kx": "dtls,sdes"}}):
            self.assert_refused(self.answer_with(legs), "media-keying")
        self.served()

    def test_a_leg_that_is_not_whole(self):
        for legs in ({"to": GCM, "from": {**CM, "suites": None}},
                     {"to": {**GCM, "window": None}, "from": CM},
                     {"to": GCM, "from": {**CM, "verify": "ca"}},
                     {"from": CM, "to": GCM}, {"both": CM},
                     {"to": GCM, "from": {**CM, "leg": "to"}}):
            self.assert_refused(self.answer_with(legs), "media-unproven")
        self.served()


if __name__ == "__main__":
    unittest.main()
