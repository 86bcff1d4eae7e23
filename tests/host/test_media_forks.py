# SPDX-License-Identifier: GPL-2.0-or-later
"""Several far ends behind one offer, and what ends or refuses one of them
leaves the others alone: keys apart, early media of all of them, a refused
answer, a delete that was not carried out. See tests/support/rtpcall.py for
the picture. (A14, A15, B8)
"""
import re
import unittest

from rtp import Endpoint, describe, media_of, packet, payload_of
from rtpcall import PATTERN, Bench, Call, payloads

SUITE = "AES_CM_128_HMAC_SHA1_80"
OTHER_SUITE = "AEAD_AES_128_GCM"


class Fork:
    """One of the telephones that an offer reaches, with its far leg"""

    def __init__(self, call, tag, offer, number):
        self.tag = tag
        self.telephone = Endpoint(f"127.0.0.{30 + number}", 23000)
        far_id = f"{call.call_id}-{tag}"
        self.plain = media_of(call.good(call.far_ng.ask(
            "offer", far_id, from_tag="a", sdp=offer,
            transport_protocol="RTP/AVP")))[0][:2]
        self.answer = call.good(call.far_ng.ask(
            "answer", far_id, from_tag="a", to_tag=tag,
            sdp=call.local([self.telephone])))


class Forking(Bench):
    profile = {}

    def setUp(self):
        self.main = Call(self.edge, self.far, self.id(), profile=self.profile)
        self.addCleanup(self.main.close)
        self.main.wire_offer = self.main.good(self.main.edge_ng.secured(
            "offer", self.main.call_id, "to", self.profile, from_tag="a",
            sdp=self.main.local(self.main.phones)))
        self.sequence, self.made = 1000, 0
        self.forget()

    def fork(self, tag, offer=None):
        self.made += 1
        f = Fork(self.main, tag, offer or self.main.wire_offer, self.made)
        self.addCleanup(f.telephone.close)
        self.answer(f)
        return f

    def answer(self, fork, sdp=None, tag=None):
        """183 or 200: the daemon's side is the same"""
        reply = self.main.edge_ng.secured(
            "answer", self.main.call_id, "to", self.profile, from_tag="a",
            to_tag=tag or fork.tag, sdp=sdp or fork.answer)
        if sdp is None:
            self.main.to_phone = self.main.good(reply)
        return reply

    def assert_heard(self, fork, n=10):
        """By the phone, all that this telephone says"""
        sent, got = payloads(fork.tag.encode(), n), []
        for data in sent:
            fork.telephone.send(packet(self.sequence, data,
                                       0xB0000000 + ord(fork.tag[-1])),
                                fork.plain)
            self.sequence += 1
            got += [payload_of(p)
                    for p in self.main.phones[0].receive(1, 2)]
        self.assertEqual(sent, got)

    def assert_hears(self, fork, n=10):
        sent, got = payloads(b"to " + fork.tag.encode(), n), []
        for data in sent:
            self.main.phones[0].send(packet(self.sequence, data, 0xAAAA0000),
                                     self.main.plain_port()[:2])
            self.sequence += 1
            got += [payload_of(p) for p in fork.telephone.receive(1, 2)]
        self.assertEqual(sent, got)

    def assert_nothing_in_clear(self, *forks):
        """On the ports of the trunk: many packets, and none was readable"""
        ports = {media_of(self.main.wire_offer)[0][1]}
        ports |= {media_of(f.answer)[0][1] for f in forks}
        trunk = self.wire.on_ports(*ports)
        self.assertGreater(len(trunk), 20)
        for p in trunk:
            self.assertNotIn(PATTERN[:16], p[4])


class EarlyMedia(Forking):
    def test_of_both_reaches_the_phone(self):
        one, two = self.fork("b1"), self.fork("b2")
        for _ in range(3):
            self.assert_heard(one)
            self.assert_heard(two)
        self.assert_nothing_in_clear(one, two)

    def test_the_first_one_takes_the_call(self):
        """183 of one, 183 of the other, 200 of the first"""
        one = self.fork("b1")
        self.assert_heard(one)
        self.assert_hears(one)
        two = self.fork("b2")
        self.assert_heard(two)
        self.answer(one)
        self.assert_heard(one)
        self.assert_nothing_in_clear(one, two)

    def test_a_packet_of_the_first_one_passes_once(self):
        """Its answer comes again between those of the other: the window of
        its packets is the one it had"""
        one = self.fork("b1")
        self.assert_heard(one)
        ours, theirs = (media_of(s)[0][:2] for s in (self.main.wire_offer,
                                                     one.answer))
        caught = [p for p in self.wire.collect()
                  if p[0:2] == theirs and p[2:4] == ours]
        self.assertGreaterEqual(len(caught), 10)
        two = self.fork("b2")
        self.assert_heard(two)
        self.answer(one)
        self.main.phones[0].drain()
        again = Endpoint("127.0.0.98", 15000)
        self.addCleanup(again.close)
        for p in caught:
            again.send(p[4], ours)
        self.assertEqual([], self.main.phones[0].receive(1, 0.3))
        self.assert_heard(one)

    def test_eighth_and_ninth(self):
        """A stream knows eight far ends of one offer; a ninth is refused"""
        forks = [self.fork(f"b{i}") for i in range(8)]
        reply = self.answer(forks[0], forks[0].answer, tag="b9")
        self.assert_refused(reply, "media-keying")
        for f in forks[:2] + forks[-1:]:
            self.assert_heard(f)


class OtherSuites(Forking):
    profile = {"suites": f"{SUITE},{OTHER_SUITE}"}

    def only(self, suite):
        return re.sub(rf"a=crypto:\d+ (?!{suite} ).*\r\n", "",
                      self.main.wire_offer)

    def test_each_far_end_chooses_its_own(self):
        one = self.fork("b1", self.only(SUITE))
        self.assert_hears(one)
        two = self.fork("b2", self.only(OTHER_SUITE))
        self.assertIn(OTHER_SUITE, two.answer)
        self.assert_heard(two)
        self.assert_heard(one)
        self.answer(one)
        self.assert_heard(one)
        self.answer(two)
        self.assert_heard(two)
        self.assert_nothing_in_clear(one, two)


class Refused(Forking):
    def test_an_answer_leaves_the_first_one_in_force(self):
        one = self.fork("b1")
        self.assert_heard(one)
        self.assert_hears(one)
        bad = re.sub(r"inline:\S+", "inline:too-short", one.answer)
        wrong = re.sub(r"a=crypto:\d+ ", "a=crypto:9 ", one.answer)
        for n, sdp in enumerate((bad, wrong)):
            self.assert_refused(self.answer(one, sdp, tag=f"c{n}"),
                                "media-keying")
            self.assert_heard(one)
            self.assert_hears(one)
        self.assertEqual(["ready"], [s["state"] for s in self.edge.status()])


class Deletes(Bench):
    def states(self):
        return [s["state"] for s in self.edge.status()]

    def test_what_the_daemon_did_not_do_is_not_done(self):
        for n, keys in enumerate(({"to_tag": "nobody"}, {"from_tag": "nobody"},
                                  {"to_tag": "nobody", "via_branch": "none"})):
            with self.subTest(**keys):
                call = Call(self.edge, self.far, f"{self.id()}-{n}").open()
                self.addCleanup(call.close)
                self.assert_secured(call, n=10)
                call.edge_ng.ask("delete", call.call_id, **{"from_tag": "a", **keys})
                # rtpengine 12 takes a tag that it does not know for none
                if call.call_id in call.edge_ng.ask("list", limit=1000)["calls"]:
                    self.assert_secured(call, n=10)
                    call.edge_ng.ask("delete", call.call_id, from_tag="a", to_tag="b")
                self.assertEqual([], self.states())

    def test_json_is_judged_by_its_reply_as_well(self):
        call = self.call()
        for tag, states in (("nobody", ["ready"]), ("b", [])):
            cookie = call.edge_ng.cookie()
            reply = call.edge_ng.raw(
                cookie + b' {"command":"delete","call-id":"%s","from-tag":'
                b'"a","to-tag":"%s"}' % (call.call_id.encode(), tag.encode()))
            self.assertTrue(reply.startswith(cookie + b" {"), reply)
            self.assertEqual(states, self.states())

    def test_a_bye_of_either_side_ends_the_call(self):
        for n, keys in enumerate(({"from_tag": "a", "to_tag": "b"},
                                  {"from_tag": "b", "to_tag": "a"},
                                  {"from_tag": "a"})):
            with self.subTest(**keys):
                call = Call(self.edge, self.far, f"bye-{n}").open()
                self.addCleanup(call.close)
                self.assertEqual(["ready"], self.states())
                reply = call.edge_ng.ask("delete", call.call_id, **keys)
                self.assertNotIn("warning", reply)
                self.assertEqual([], self.states())

    def test_many_branches_one_after_the_other(self):
        """Each ends before the next one is tried; the last one answers"""
        call = Call(self.edge, self.far, self.id())
        self.addCleanup(call.close)
        call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", via_branch="waits",
            sdp=call.local(call.phones)))
        for i in range(20):
            call.wire_offer = call.good(call.edge_ng.secured(
                "offer", call.call_id, "to", from_tag="a",
                via_branch=f"z{i}", sdp=call.local(call.phones)))
            if i < 19:
                call.edge_ng.ask("delete", call.call_id, from_tag="a",
                                 via_branch=f"z{i}", delete_delay=0)
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP"))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            via_branch="z19", sdp=call.wire_answer))
        self.assert_secured(call)
        call.edge_ng.ask("delete", call.call_id, from_tag="a")
        self.assertEqual([], self.states())


class ManySources(Bench):
    def test_strangers_on_the_plain_side_do_not_use_the_leg_up(self):
        """SSRCs of a flood; a new one of the phone must still find room"""
        call = self.call()
        self.assert_secured(call, n=10)
        phone, telephone = call.phones[0], call.telephones[0]
        to = call.plain_port()[:2]
        for n in range(100):
            phone.send(packet(1, b"x" * 160, 0x50000000 + n), to)
            self.assertEqual(1, len(telephone.receive(1, 2)), n)
        data = payloads(b"a new SSRC", 5)
        for n, d in enumerate(data):
            phone.send(packet(900 + n, d, 0x77777777), to)
            self.assertEqual([d], [payload_of(p)
                                   for p in telephone.receive(1, 2)])


class ForeignCandidates(Bench):
    """ICE lines that a far end wrote are not ours, whatever their ports"""

    def test_our_ports_on_another_address(self):
        call = self.call(edge_keys={"ICE": "optional"})
        ours = media_of(call.wire_offer)[0][1]
        plain = call.plain_port()[1]
        sdp = call.local(call.phones) + "".join(
            f"a=candidate:{n} {c} UDP 2130706431 203.0.113.9 {port} typ host"
            "\r\n" for n, (port, c) in enumerate((
                (ours, 1), (ours + 1, 2), (plain, 1), (plain + 1, 2)), 1))
        call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", to_tag="b", sdp=sdp,
            ICE="optional"))
        call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.wire_answer))
        self.forget()
        down, at_telephone, up, at_phone = call.talk()
        self.assertEqual(down, [payload_of(p) for p in at_telephone])
        self.assertEqual(up, [payload_of(p) for p in at_phone])
        self.assert_clear_nowhere(call)


if __name__ == "__main__":
    unittest.main()
