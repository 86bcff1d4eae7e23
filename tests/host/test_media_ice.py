# SPDX-License-Identifier: GPL-2.0-or-later
"""DTLS-SRTP with ICE: keys are exchanged by pairs of addresses that STUN has
validated, and by no other. Against a stock rtpengine's ICE and DTLS, and
against a far end whose STUN a test plays. See tests/support/rtpcall.py for
the picture.
"""
import re
import socket
import time
import unittest

import stun
from dtlscall import DTLS, DtlsBench
from rtp import describe, media_of
from rtpengine import version

ICE = {"ICE": "force"}
FAR, STRANGER = "127.0.0.21", "127.0.0.98"
PASSWORD = "the-password-of-the-far-end"
HELLO_WAIT_SEC = 3
RESTART_WAIT_SEC = 10
# Later ones say "ICE restart detected, but reset not allowed at this point" of
# one in an answer, and mix the pairs of both agents
RESTARTS_BY_ANSWER = version().startswith("10.")


def is_dtls(data):
    return 20 <= data[0] <= 63


def ice_of(sdp):
    """(ufrag, password) of a description"""
    return [re.search(rf"^a=ice-{k}:(\S+)", sdp, re.M)[1]
            for k in ("ufrag", "pwd")]


class IceBench(DtlsBench):
    def assert_keys_by_validated_pairs(self, call):
        """Each DTLS datagram that leaves the edge has a success before it,
        which came by the same pair"""
        sdp = call.wire_offer if call.caller == "phone" else call.wire_answer
        edge = {(a, int(p)) for a, p in re.findall(
            r"^a=candidate:\S+ \d UDP \d+ (\S+) (\d+)", sdp, re.M)}
        validated, n = set(), 0
        for p in self.wire.collect():
            here, there, data = p[0:2], p[2:4], p[4]
            if there in edge and stun.is_stun(data) \
                    and stun.kind(data) == stun.SUCCESS:
                validated.add((there, here))
            elif here in edge and is_dtls(data):
                self.assertIn((here, there), validated)
                n += 1
        self.assertGreaterEqual(n, 2)

    def served(self, name, **options):
        self.forget()
        call = self.dtls(name, **options)
        for sdp in (call.wire_offer, call.wire_answer):
            self.assertIn("a=candidate:", sdp)
            self.assertIn("a=fingerprint:", sdp)
        self.ready(call)
        self.assert_keys_by_validated_pairs(call)
        return call

    def both_callers(self, role):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                call = self.served(
                    caller, caller=caller,
                    edge_keys=ICE if caller == "phone" else {},
                    far_keys=ICE if caller == "telephone" else {})
                if caller == "phone":
                    self.assertIn(f"a=setup:{role}", call.wire_answer)
                self.assert_media(call)


class IceCalls(IceBench):
    """A stock rtpengine's agent and DTLS, active (A5, A15)"""

    def test_far_end_is_active(self):
        self.both_callers("active")

    def test_rtcp_multiplexed(self):
        call = self.served("mux", edge_keys={**ICE, "rtcp-mux": ["offer"]},
                           far_keys={"rtcp-mux": ["accept", "demux"]})
        self.assertIn("a=rtcp-mux", call.wire_answer)
        self.assert_media(call)


class IceCallsPassive(IceBench):
    """... and passive (A5)"""

    far_options = {"options": ("--dtls-passive",)}

    def test_far_end_is_passive(self):
        self.both_callers("passive")


class SeveralAddresses(IceBench):
    """Two local candidates of each component: keys leave by the socket whose
    pair was validated (A5)"""

    edge_options = {"interfaces": ("in/127.0.0.1", "out/127.0.0.2",
                                   "out/127.0.0.20")}

    def test_calls(self):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                self.forget()
                call = self.dtls(
                    caller, caller=caller,
                    edge_keys={"direction": ["in", "out"], **ICE}
                    if caller == "phone" else {"direction": ["out", "in"]},
                    far_keys=ICE if caller == "telephone" else {})
                ours = call.wire_offer if caller == "phone" \
                    else call.wire_answer
                self.assertEqual({"127.0.0.2", "127.0.0.20"}, set(re.findall(
                    r"^a=candidate:\S+ 1 UDP \d+ (\S+)", ours, re.M)))
                self.ready(call)
                self.assert_keys_by_validated_pairs(call)


class Restarted(IceBench):
    """The far end's agent begins anew by re-INVITE: other credentials, another
    address. Media goes on by pairs that are validated again (A5, A15)"""

    def test_dtls(self):
        call = self.served("restart", edge_keys=ICE)
        self.assert_media(call)
        before, trunk = ice_of(call.wire_answer), call.trunk()
        call.far_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        self.forget()
        self.again(call)
        for old, new in zip(before, ice_of(call.wire_answer)):
            self.assertNotEqual(old, new)
        self.assertNotEqual(trunk, call.trunk())
        self.ready(call)
        self.assert_renewed(call)
        self.assert_keys_by_validated_pairs(call)
        for _ in range(2):
            self.assert_media(call)
        self.assert_clear_nowhere(call)


if not RESTARTS_BY_ANSWER:
    del Restarted


class Played(DtlsBench):
    """The far end is a socket, or some, and the STUN that a test answers"""

    def setUp(self):
        self.ng = self.edge.ng()
        self.addCleanup(self.ng.close)
        self.call_id = self.id() + "@test"
        self.addCleanup(lambda: self.ng.ask("delete", self.call_id,
                                            from_tag="a", delete_delay=0))
        self.far = self.socket(FAR)
        self.stranger = self.socket(STRANGER)

    def socket(self, address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 0))
        self.addCleanup(s.close)
        return s

    def open(self, setup, sockets, edge_keys=ICE, **options):
        """The edge's call to a far end; the second time a re-INVITE"""
        self.offer = self.ng.secured(
            "offer", self.call_id, "to", DTLS, from_tag="a", **edge_keys,
            to_tag=self.answered,
            sdp=describe("127.0.0.64", [("audio", 9000, "RTP/AVP", "0",
                                         [])]))["sdp"]
        self.edge_at = media_of(self.offer)[0][:2]
        self.answer(setup, sockets, **options)

    def answer(self, setup, sockets, ice=True, default=None, ufrag="farend",
               password=PASSWORD, tag="b", lite=False):
        """By a far end with these candidates; another tag: by a fork.
        default: what its m= and c= lines say"""
        address, port = (default or sockets[0]).getsockname()
        attributes = [f"setup:{setup}", "rtcp-mux", "fingerprint:sha-256 "
                      + ":".join(["AA"] * 32)]
        if ice:
            attributes += ["ice-ufrag:" + ufrag, "ice-pwd:" + password] + [
                "candidate:%d 1 UDP %d %s %d typ host" % (
                    n, 2130706431 - n, *s.getsockname())
                for n, s in enumerate(sockets)]
        reply = self.ng.secured(
            "answer", self.call_id, "to", DTLS, from_tag="a", to_tag=tag,
            sdp=describe(address, [("audio", port, "UDP/TLS/RTP/SAVP", "0",
                                    attributes)], ["a=ice-lite"] * lite))
        self.assertEqual("ok", reply["result"], reply)
        self.answered, self.to_phone = tag, reply["sdp"]

    def play(self, sockets, seconds, answer=None, until=lambda data: False):
        """Reads until a datagram is what is waited for. answer: octets to a
        check, and the socket that sends them. [(socket, data)] of all that is
        not STUN"""
        seen, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            for s in sockets:
                s.settimeout(0.02)
                try:
                    data, source = s.recvfrom(4096)
                except TimeoutError:
                    continue
                if stun.is_stun(data):
                    self.checks += 1
                    if answer and stun.kind(data) == stun.REQUEST:
                        made = answer(s, data, source)
                        if made:
                            made[0].sendto(made[1], source)
                else:
                    seen.append((s, data))
                    if until(data):
                        return seen
        return seen

    checks = 0
    answered = None

    @staticmethod
    def right(s, data, source):
        return s, stun.success(data, source, PASSWORD)

    def hello(self):
        """A ClientHello of OpenSSL's, as a stock daemon would send it"""
        self.open("passive", [self.far])
        seen = self.play([self.far], HELLO_WAIT_SEC, self.right, is_dtls)
        self.assertTrue(seen, "no ClientHello")
        self.ng.ask("delete", self.call_id, from_tag="a", delete_delay=0)
        self.call_id += "'"
        self.answered = None
        return seen[0][1]


class WeAreActive(Played):
    """Where our ClientHello goes (A5, A15)"""

    def test_nowhere_before_an_answer_then_there(self):
        self.open("passive", [self.far])
        self.assertEqual([], self.play([self.far], 1))
        self.assertGreater(self.checks, 0)
        seen = self.play([self.far], HELLO_WAIT_SEC, self.right, is_dtls)
        self.assertTrue(seen and is_dtls(seen[0][1]))

    def test_not_for_an_answer_of_another_password(self):
        self.open("passive", [self.far])
        self.assertEqual([], self.play([self.far], 1, lambda s, data, source: (
            s, stun.success(data, source, "not-" + PASSWORD))))
        self.assertGreater(self.checks, 0)
        self.assertTrue(self.play([self.far], HELLO_WAIT_SEC, self.right,
                                  is_dtls))

    def test_not_for_an_answer_without_integrity(self):
        self.open("passive", [self.far])

        def bare(s, data, source):
            made = stun.success(data, source, PASSWORD)[:32]
            return s, made[:2] + b"\0\x0c" + made[4:]
        self.assertEqual([], self.play([self.far], 1, bare))
        self.assertGreater(self.checks, 0)

    def test_not_for_an_answer_of_another_transaction(self):
        self.open("passive", [self.far])
        self.assertEqual([], self.play([self.far], 1, lambda s, data, source: (
            s, stun.success(data[:8] + b"x" * 12 + data[20:], source,
                            PASSWORD))))
        self.assertGreater(self.checks, 0)

    def test_not_for_an_answer_from_elsewhere(self):
        """... though it is right: neither to the one nor to the other"""
        self.open("passive", [self.far])
        self.assertEqual([], self.play(
            [self.far, self.stranger], 1, lambda s, data, source: (
                self.stranger, stun.success(data, source, PASSWORD))))
        self.assertGreater(self.checks, 0)

    def test_to_the_candidate_that_answered(self):
        """Not to the other one, nor to what the m= line says"""
        other, default = self.socket(FAR), self.socket(FAR)
        self.open("passive", [self.far, other], default=default)
        seen = self.play(
            [self.far, other, default], HELLO_WAIT_SEC,
            lambda s, data, source: self.right(s, data, source)
            if s is other else None, is_dtls)
        self.assertTrue(seen)
        seen += self.play([self.far, other, default], 0.5)
        self.assertEqual({other}, {s for s, _ in seen})

    def test_to_a_far_end_that_is_lite(self):
        """It answers checks and sends none"""
        self.open("passive", [self.far, self.stranger], lite=True)
        self.assertEqual([], self.play([self.far, self.stranger], 1))
        self.assertGreater(self.checks, 0)
        seen = self.play([self.far, self.stranger], HELLO_WAIT_SEC,
                         lambda s, data, source: self.right(s, data, source)
                         if s is self.far else None, is_dtls)
        self.assertTrue(seen)
        self.assertEqual({self.far}, {s for s, _ in seen})

    def test_after_a_restart_to_a_pair_validated_anew(self):
        """New ufrag and password by re-INVITE: the old answer is none now"""
        old, new = self.far, self.socket(FAR)
        self.open("passive", [old])
        self.assertTrue(self.play([old], HELLO_WAIT_SEC, self.right, is_dtls))
        self.open("passive", [new], ufrag="again", password=PASSWORD + "-2")
        n = self.checks
        self.assertEqual([], [s for s, _ in self.play(
            [new], 1, self.right)])
        self.assertGreater(self.checks, n)
        seen = self.play([new], HELLO_WAIT_SEC, lambda s, data, source: (
            s, stun.success(data, source, PASSWORD + "-2")), is_dtls)
        self.assertTrue(seen and is_dtls(seen[0][1]))

    def test_of_a_fork_by_its_own_password(self):
        """Another far end answers the same offer"""
        one, other = self.far, self.socket(FAR)
        self.open("passive", [one])
        self.assertTrue(self.play([one], HELLO_WAIT_SEC, self.right, is_dtls))
        self.answer("passive", [other], ufrag="fork",
                    password=PASSWORD + "-2", tag="c")
        self.assertEqual([], self.play([other], 1, self.right))
        seen = self.play([other], HELLO_WAIT_SEC, lambda s, data, source: (
            s, stun.success(data, source, PASSWORD + "-2")), is_dtls)
        self.assertTrue(seen and is_dtls(seen[0][1]))

    def test_without_ice_to_the_m_line(self):
        """The control of these tests"""
        self.open("passive", [self.far], ice=False)
        self.assertTrue(self.play([self.far], HELLO_WAIT_SEC, until=is_dtls))


class WeArePassive(Played):
    """Whose ClientHello is answered (A5, A15)"""

    def answers_to(self, s, hello, seconds=0.5, answer=None):
        """What comes back for it, but STUN; it is said again every half second"""
        seen = []
        while not seen and seconds > 0:
            s.sendto(hello, self.edge_at)
            seen = self.play([s], 0.5, answer, until=is_dtls)
            seconds -= 0.5
        return seen

    def dropped(self):
        found = re.search(r'dropped_packets_total\{direction="in",'
                          r'reason="pair"\} (\d+)', self.edge.say("metrics"))
        return int(found[1])

    def test_nobodys_but_the_validated(self):
        hello = self.hello()
        self.open("active", [self.far])
        before = self.dropped()
        for s in (self.far, self.stranger):
            self.assertEqual([], self.answers_to(s, hello))
        self.assertEqual(before + 2, self.dropped())
        self.validate()
        self.assertTrue(self.answers_to(self.far, hello))
        self.assertEqual([], self.answers_to(self.stranger, hello))
        self.assertTrue(self.answers_to(self.far, hello))

    def validate(self):
        """Answers one check, and no more: an agent that has all its answers
        asks nothing after a restart that it did not begin"""
        n, end = self.checks, time.monotonic() + HELLO_WAIT_SEC
        while self.checks == n and time.monotonic() < end:
            self.play([self.far], 0.1, lambda *check: self.right(*check)
                      if self.checks == n + 1 else None)
        self.assertGreater(self.checks, n)

    def test_nobodys_after_a_restart_but_the_validated(self):
        """The pair of before must be validated again"""
        hello = self.hello()
        self.open("active", [self.far])
        self.validate()
        self.assertTrue(self.answers_to(self.far, hello))
        self.open("active", [self.far], ufrag="again",
                  password=PASSWORD + "-2")
        self.assertEqual([], self.answers_to(self.far, hello))
        self.assertTrue(self.answers_to(
            self.far, hello, RESTART_WAIT_SEC, lambda s, data, source: (
                s, stun.success(data, source, PASSWORD + "-2"))))

    def test_nobodys_before_the_answer(self):
        hello = self.hello()
        self.ng.secured(
            "offer", self.call_id, "to", DTLS, from_tag="a", **ICE,
            sdp=describe("127.0.0.64", [("audio", 9000, "RTP/AVP", "0",
                                         [])]))
        self.offer = self.ng.secured(
            "offer", self.call_id, "to", DTLS, from_tag="a", **ICE,
            sdp=describe("127.0.0.64", [("audio", 9000, "RTP/AVP", "0",
                                         [])]))["sdp"]
        self.edge_at = media_of(self.offer)[0][:2]
        self.assertEqual([], self.answers_to(self.far, hello))

    def test_a_strangers_without_ice(self):
        """The control of these tests: it gets the cookie exchange"""
        hello = self.hello()
        self.open("active", [self.far], ice=False, edge_keys={})
        for s in (self.far, self.stranger):
            self.assertTrue(self.answers_to(s, hello))

    def test_a_request_alone_validates_nothing(self):
        """With the right password: it may be another's, sent again"""
        hello = self.hello()
        self.open("active", [self.far])
        ufrag, password = ice_of(self.offer)
        for nominate in (False, True):
            self.stranger.sendto(stun.check(f"{ufrag}:farend", password,
                                            nominate), self.edge_at)
            self.play([self.stranger], 0.2)
            self.assertEqual([], self.answers_to(self.stranger, hello))


if __name__ == "__main__":
    unittest.main()
