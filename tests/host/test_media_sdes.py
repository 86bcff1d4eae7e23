# SPDX-License-Identifier: GPL-2.0-or-later
"""SDES calls through a stock rtpengine with the plugin, against a stock
rtpengine's native SRTP: see tests/support/rtpcall.py for the picture."""
import json
import re
import time
import unittest

from ngclient import COUNT, encode, mac, proof, token
from rtp import (Endpoint, describe, media_of, packet, payload_of,
                 receiver_report)
from rtpcall import N, PATTERN, Bench, Call, payloads
from rtpengine import SECRET, Rtpengine

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32",
          "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
          "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")
TWO_SIDES = {"direction": ["in", "out"]}

class SdesCalls(Bench):
    """(A5, A14, A15)"""

    def test_gateway_is_called(self):
        call = self.call()
        self.assertRegex(call.wire_offer, r"m=audio \d+ RTP/SAVP 0\r")
        self.assertEqual(
            1, call.wire_offer.count("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "))
        self.assertNotIn("a=crypto", call.to_phone)
        self.assertRegex(call.to_phone, r"m=audio \d+ RTP/AVP 0\r")
        self.assert_secured(call)

    def test_gateway_calls(self):
        call = self.call(caller="telephone")
        self.assertRegex(call.wire_answer, r"m=audio \d+ RTP/SAVP 0\r")
        self.assertEqual(1, call.wire_answer.count("a=crypto:"))
        self.assertNotIn("a=crypto", call.to_phone)
        self.assert_secured(call)

    def test_every_description_carries_the_proof(self):
        for caller, leg in (("phone", "to"), ("telephone", "from")):
            with self.subTest(caller):
                call = Call(self.edge, self.far, f"proof-{leg}@test",
                            caller=caller).open()
                self.addCleanup(call.close)
                mine = (call.wire_offer if leg == "to" else call.wire_answer,
                        call.to_phone)
                for sdp in mine:
                    self.assertEqual(leg, proof(SECRET, call.call_id, sdp))
                    self.assertLess(sdp.index("x-trunkguard"),
                                    sdp.index("m="))

    def test_every_suite_both_ways_of_calling(self):
        for suite in SUITES:
            for caller in ("phone", "telephone"):
                with self.subTest(f"{suite} {caller}"):
                    call = Call(self.edge, self.far, f"{suite}-{caller}",
                                caller=caller, far_suite=suite,
                                profile={"suites": suite}).open()
                    tag = 16 if "GCM" in suite else 10 if "_80" in suite else 4
                    self.assertIn(suite, call.wire_answer)
                    self.assert_secured(call, tag=tag, n=10)
                    call.close()

    def test_suites_in_the_profile_order(self):
        call = self.call(profile={"suites": ",".join(SUITES[::-1])})
        offered = re.findall(r"a=crypto:(\d) (\S+)", call.wire_offer)
        self.assertEqual([(str(i + 1), s) for i, s in enumerate(SUITES[::-1])],
                         offered)
        self.assertEqual(1, call.wire_answer.count("a=crypto:"))
        self.assert_secured(call, tag=16)

    def test_audio_and_video(self):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                call = Call(self.edge, self.far, f"video-{caller}",
                            caller=caller, media=("audio", "video")).open()
                self.addCleanup(call.close)
                self.assert_secured(call, index=0)
                self.assert_secured(call, index=1)
                self.assertEqual(2, len(set(re.findall(
                    r"inline:(\S+)", call.wire_answer))))

    def rtcp(self, call, mux=False):
        call.talk(n=5)
        self.forget()
        phone, telephone = call.phones[0], call.telephones[0]
        down = receiver_report(0xAAAA0000, b"a phone's known canonical name")
        up = receiver_report(0xBBBB0000, b"a gateway's known canonical name")
        a, p, rtcp, _, _ = call.plain_port()
        phone.send(down, (a, rtcp), rtcp=True)
        a, p, rtcp, _, _ = call.far_plain_port()
        telephone.send(up, (a, rtcp), rtcp=True)
        self.assertEqual([down], telephone.receive(1, 2, rtcp=True))
        self.assertEqual([up], phone.receive(1, 2, rtcp=True))
        ends = call.trunk(rtcp=not mux)
        trunk = self.wire.between(*ends)
        self.assertGreaterEqual(len(trunk), 2)
        for p in self.wire.on_ports(ends[0][1]):
            self.assertNotIn(b"known canonical name", p[4])

    def test_rtcp_on_its_own_port(self):
        for caller in ("phone", "telephone"):
            with self.subTest(caller):
                call = Call(self.edge, self.far, f"rtcp-{caller}",
                            caller=caller).open()
                self.addCleanup(call.close)
                self.assertNotIn("rtcp-mux", call.wire_answer)
                self.rtcp(call)

    def test_rtcp_multiplexed(self):
        call = self.call(edge_keys={"rtcp-mux": ["offer"]},
                         far_keys={"rtcp-mux": ["accept", "demux"]})
        self.assertIn("a=rtcp-mux", call.wire_offer)
        self.assertIn("a=rtcp-mux", call.wire_answer)
        self.rtcp(call, mux=True)
        self.assert_secured(call)

    def test_feedback_profile(self):
        call = self.call(edge_keys={"transport-protocol": "RTP/SAVPF"})
        self.assertRegex(call.wire_offer, r"m=audio \d+ RTP/SAVPF 0\r")
        self.assert_secured(call)

    def test_an_ended_call_stays_in_the_counters(self):
        call = self.call()
        call.talk(n=7)
        call.phones[0].send(b"neither RTP nor RTCP", call.plain_port()[:2])
        call.telephones[0].send(b"no packet of SRTP", call.trunk()[0])

        def counters():
            return {k: int(v) for k, v in re.findall(
                r"^(trunkguard_rtp_(?:rtp|dropped)_packets_total\S+) "
                r"(\d+)", self.edge.say("metrics"), re.M)}
        kind = ('trunkguard_rtp_dropped_packets_total'
                '{direction="in",reason="kind"}')
        end = time.monotonic() + 5
        while counters()[kind] == 0:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        before = counters()
        self.assertGreaterEqual(min(v for k, v in before.items()
                                    if "dropped" not in k), 7)
        call.edge_ng.ask("delete", call.call_id, from_tag="a", delete_delay=0)
        self.assertNotIn(call.call_id, self.edge.say("status"))
        end = time.monotonic() + 5
        while call.call_id in call.edge_ng.ask("list", limit=1000)["calls"]:
            self.assertLess(time.monotonic(), end)
        for name, value in before.items():
            self.assertGreaterEqual(counters()[name], value, name)

    def test_status_lists_the_leg_without_keys(self):
        call = self.call(profile={"peer": "gw-of-status"})
        call.talk(n=7)
        legs = [s for s in self.edge.status() if s["peer"] == "gw-of-status"]
        self.assertEqual(1, len(legs))
        leg = legs[0]
        self.assertEqual(("ready", "sdes", SUITES[0], "7", "7"),
                         tuple(leg[k] for k in ("state", "keying", "suite",
                                                "rx", "tx")))
        keys = re.findall(r"inline:([^|\s]+)", call.wire_offer +
                          call.wire_answer)
        for text in (self.edge.say("status"), self.edge.say("metrics"),
                     self.edge.log()):
            for key in keys:
                self.assertNotIn(key, text)
        self.assertIn('trunkguard_rtp_streams{state="ready"}',
                      self.edge.say("metrics"))

    def test_hundreds_of_calls_under_media(self):
        calls = []
        for i in range(150):
            call = Call(self.edge, self.far, f"many-{i}",
                        caller="phone" if i % 2 else "telephone",
                        edge_keys=TWO_SIDES if i % 2 else None).open()
            calls.append(call)
            call.talk(n=1)
            if i >= 20:
                old = calls[i - 20]
                old.edge_ng.ask("delete", old.call_id, from_tag="a")
                old.far_ng.ask("delete", old.call_id, from_tag="a")
                old.close()
        down, at_telephone, up, at_phone = calls[-1].talk(n=20)
        self.assertEqual(down, [payload_of(p) for p in at_telephone])
        self.assertEqual(up, [payload_of(p) for p in at_phone])
        for call in calls[-20:]:
            call.edge_ng.ask("delete", call.call_id, from_tag="a")
            call.far_ng.ask("delete", call.call_id, from_tag="a")
            call.close()


class OnePortTwoInterfaces(Bench):
    """Each interface has room for one pair of ports, so both legs of a call
    get the same numbers: a port alone says nothing (A32)"""

    edge_options = {"ports": (30000, 30001)}

    def open_once_ports_are_free(self, call, seconds=5):
        """The daemon gives those of an ended call back a little later"""
        end = time.monotonic() + seconds
        while True:
            try:
                return call.open()
            except AssertionError as error:
                if "Ran out of ports" not in str(error) \
                        or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def test_the_same_port_on_two_interfaces(self):
        for caller, direction in (("phone", ["in", "out"]),
                                  ("telephone", ["out", "in"])):
            with self.subTest(caller):
                call = Call(self.edge, self.far, f"two-{caller}",
                            caller=caller, edge_keys={"direction": direction})
                self.addCleanup(call.close)
                self.open_once_ports_are_free(call)
                outer = call.trunk()[0 if caller == "phone" else 1]
                self.assertEqual(("127.0.0.2", 30000), outer)
                self.assertEqual(("127.0.0.1", 30000), call.plain_port()[:2])
                self.assert_secured(call)
                call.edge_ng.ask("delete", call.call_id, from_tag="a",
                                 delete_delay=0)


class Ipv6(Bench):
    edge_options = {"interfaces": ("in/127.0.0.1", "out/::1")}
    far_options = {"interfaces": ("::1", "127.0.0.3")}

    def test_trunk_over_ipv6(self):
        keys = {"edge_keys": {**TWO_SIDES, "address-family": "IP6"},
                "far_keys": {"address-family": "IP4"}}
        call = Call(self.edge, self.far, "six@test", telephone="127.0.0.21")
        call.edge_keys = keys["edge_keys"]
        call.far_keys = keys["far_keys"]
        self.addCleanup(call.close)
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a",
            sdp=call.local(call.phones), **call.edge_keys))
        call.to_telephone = call.good(call.far_ng.ask(
            "offer", call.call_id, from_tag="a", sdp=call.wire_offer,
            transport_protocol="RTP/AVP", **call.far_keys))
        call.wire_answer = call.good(call.far_ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.local(call.telephones)))
        call.to_phone = call.good(call.edge_ng.secured(
            "answer", call.call_id, "to", from_tag="a", to_tag="b",
            sdp=call.wire_answer))
        self.assertEqual("::1", call.trunk()[0][0])
        self.assertEqual("::1", call.trunk()[1][0])
        self.assert_secured(call)


class FailClosed(Bench):
    """(A15, A32, B8)"""

    def clear(self, n=10):
        return [packet(5000 + i, p, 0xCCCC0000)
                for i, p in enumerate(payloads(b"clear", n))]

    def test_nothing_passes_before_the_answer(self):
        call = Call(self.edge, self.far, "early@test")
        self.addCleanup(call.close)
        offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a",
            sdp=call.local(call.phones), **TWO_SIDES))
        address, port = media_of(offer)[0][:2]
        self.forget()
        for data in self.clear():
            call.telephones[0].send(data, (address, port))
            call.phones[0].send(data, ("127.0.0.1", port))
        self.assertEqual([], call.phones[0].receive(1, 0.3))
        self.assertEqual([], call.telephones[0].receive(1, 0.1))
        for p in self.wire.collect():
            self.assertNotEqual(address, p[0])

    def test_clear_packets_are_dropped(self):
        call = self.call()
        call.talk(n=5)
        trunk = call.trunk()[0]
        for data in self.clear():
            call.telephones[0].send(data, trunk)
        self.assertEqual([], call.phones[0].receive(1, 0.3))
        self.assert_secured(call)

    def test_clear_rtcp_is_dropped(self):
        call = self.call()
        call.talk(n=5)
        trunk = call.trunk(rtcp=True)[0]
        call.telephones[0].send(receiver_report(0xBBBB0000), trunk, rtcp=True)
        self.assertEqual([], call.phones[0].receive(1, 0.3, rtcp=True))

    def test_replayed_packets_are_dropped(self):
        call = self.call()
        self.forget()
        call.talk(n=20)
        edge, far = call.trunk()
        recorded = [p[4] for p in self.wire.collect()
                    if p[0:2] == far and p[2:4] == edge]
        self.assertEqual(20, len(recorded))
        injector = Endpoint("127.0.0.3", 41500)
        self.addCleanup(injector.close)
        for data in recorded * 2:
            injector.send(data, edge)
        self.assertEqual([], call.phones[0].receive(1, 0.3))
        leg = self.edge.status()[-1]
        refused = sum(int(s["replay"]) for s in self.edge.status())
        self.assertGreaterEqual(refused, 40, leg)
        self.assert_secured(call)

    def test_tampered_packets_are_dropped(self):
        call = self.call()
        self.forget()
        call.talk(n=5)
        edge, far = call.trunk()
        recorded = [p[4] for p in self.wire.collect()
                    if p[0:2] == far and p[2:4] == edge]
        injector = Endpoint("127.0.0.3", 41500)
        self.addCleanup(injector.close)
        for data in recorded:
            for i in (2, 3, 11, 30, len(data) - 1):
                bad = bytearray(data)
                bad[i] ^= 1
                injector.send(bytes(bad), edge)
        self.assertEqual([], call.phones[0].receive(1, 0.3))

    def test_nothing_passes_after_delete(self):
        call = self.call()
        call.talk(n=5)
        recorded = self.wire.collect()[-1]
        reply = call.edge_ng.ask("delete", call.call_id, from_tag="a",
                                 delete_delay=20)
        self.assertEqual("ok", reply["result"])
        self.forget()
        for data in self.clear(5):
            call.phones[0].send(data, call.plain_port()[:2])
            call.telephones[0].send(data, call.trunk()[0])
            call.telephones[0].send(recorded[4], call.trunk()[0])
        self.assertEqual([], call.phones[0].receive(1, 0.3))
        edge = call.trunk()[0]
        self.assertEqual([], [p for p in self.wire.collect()
                              if p[0:2] == edge])

    def test_ports_are_reused_without_leaks(self):
        """Few ports, many calls: plain and secured ones take turns"""
        for i in range(40):
            if i % 2:
                call = Call(self.edge, self.far, f"reuse-{i}").open()
                down, at_telephone, up, at_phone = call.talk(n=2)
                self.assertEqual(down, [payload_of(p) for p in at_telephone])
                self.assertEqual(up, [payload_of(p) for p in at_phone])
                call.far_ng.ask("delete", call.call_id, from_tag="a",
                                delete_delay=0)
                call.edge_ng.ask("delete", call.call_id, from_tag="a",
                                 delete_delay=0)
                call.close()
            else:
                PlainCalls.plain_call(self, self.edge, f"plain-{i}")

    edge_options = {"ports": (30000, 30039)}


class Requests(Bench):
    """What the ng side refuses, and that the daemon never sees it
    (A12, B14)"""

    def offer(self, call_id="bad@test", ng=None, sdp=None, **keys):
        sdp = sdp or describe("127.0.0.64",
                              [("audio", 9000, "RTP/AVP", "0", [])])
        return (ng or self.ng).ask("offer", call_id, from_tag="a", sdp=sdp,
                                   **keys)

    def setUp(self):
        self.ng = self.edge.ng()
        self.addCleanup(self.ng.close)

    def unseen(self, call_id):
        listed = self.ng.ask("list", limit=1000)["calls"]
        self.assertNotIn(call_id, listed)

    def test_tokens_that_are_not_authentic(self):
        good = token(SECRET, "bad@test")
        bad = {
            "another secret": token(b"x" * 32, "bad@test"),
            "another call": token(SECRET, "other@test"),
            "another level": good.replace("required", "supported"),
            "cut": good[:-1],
            "no mac": good.split("/mac:")[0],
            "expired": token(SECRET, "bad@test", expires=-5),
            "empty": "",
        }
        for name, text in bad.items():
            with self.subTest(name):
                self.assert_refused(self.offer(trunkguard=text),
                                    "media-unproven")
                self.unseen("bad@test")

    def signed(self, text):
        text = text + f"/exp:{int(time.time()) + 60}"
        return text + "/mac:" + mac(SECRET, b"tg-ng-v1", "bad@test", text)

    def test_authentic_tokens_that_make_no_sense(self):
        base = ("v1/leg:to/level:required/kx:sdes"
                "/suites:AES_CM_128_HMAC_SHA1_80/window:128")
        for text in (base.replace("leg:to", "leg:left"),
                     base.replace("sdes", "mikey"),
                     base.replace("AES_CM", "NULL"),
                     base.replace("AES_CM_128_HMAC_SHA1_80",
                                  "F8_128_HMAC_SHA1_80"),
                     base.replace("required", "none"),
                     base.replace("v1/", "v2/"),
                     base + "/unknown:1", base + "/leg:from",
                     base.replace("/window:128", "/window:8")):
            with self.subTest(text):
                reply = self.offer(trunkguard=self.signed(text))
                self.assertEqual("error", reply["result"])
                self.unseen("bad@test")
        self.assertEqual("ok", self.offer(
            trunkguard=self.signed(base))["result"])
        self.ng.ask("delete", "bad@test", from_tag="a", delete_delay=0)

    def test_token_that_is_no_string(self):
        for value in (1, ["v1"], {"a": "b"}):
            self.assert_refused(self.offer(trunkguard=value),
                                "media-unproven")

    def test_secured_call_needs_the_token_each_time(self):
        call = self.call()
        sdp = call.local(call.phones)
        self.assert_refused(self.offer(call.call_id, sdp=sdp),
                            "media-downgrade")
        self.assert_refused(self.ng.ask(
            "answer", call.call_id, from_tag="a", to_tag="b",
            sdp=call.wire_answer), "media-downgrade")
        self.assert_secured(call)

    def test_commands_that_would_branch_media_off(self):
        call = self.call()
        for command in ("subscribe request", "publish", "connect",
                        "some new command"):
            self.assert_refused(self.ng.ask(command, call.call_id,
                                            from_tag="a"), "media-downgrade")
        self.assertEqual("ok", self.ng.ask("query", call.call_id)["result"])
        self.assert_secured(call)

    def test_answer_in_clear(self):
        call = Call(self.edge, self.far, "clear-answer@test")
        self.addCleanup(call.close)
        call.good(call.edge_ng.secured("offer", call.call_id, "to",
                                       from_tag="a",
                                       sdp=call.local(call.phones)))
        for proto in ("RTP/AVP", "RTP/SAVP"):
            sdp = describe("127.0.0.21", [("audio", 9000, proto, "0", [])])
            self.assert_refused(call.edge_ng.secured(
                "answer", call.call_id, "to", from_tag="a", to_tag="b",
                sdp=sdp), "media-clear")

    def test_answers_whose_keys_do_not_fit(self):
        key = "inline:" + "A" * 40
        for name, lines in {
                "two lines": [f"crypto:1 {SUITES[0]} {key}",
                              f"crypto:1 {SUITES[0]} inline:" + "B" * 40],
                "another tag": [f"crypto:2 {SUITES[0]} {key}"],
                "another suite": [f"crypto:1 {SUITES[1]} {key}"],
                "null cipher": [f"crypto:1 NULL_HMAC_SHA1_80 {key}"],
                "unencrypted": [f"crypto:1 {SUITES[0]} {key} "
                                "UNENCRYPTED_SRTP"],
                "short key": [f"crypto:1 {SUITES[0]} inline:AAAA"]}.items():
            with self.subTest(name):
                call = Call(self.edge, self.far, f"unfit {name}")
                self.addCleanup(call.close)
                call.good(call.edge_ng.secured(
                    "offer", call.call_id, "to", from_tag="a",
                    sdp=call.local(call.phones)))
                reply = call.edge_ng.secured(
                    "answer", call.call_id, "to", from_tag="a", to_tag="b",
                    sdp=describe("127.0.0.21", [
                        ("audio", 9000, "RTP/SAVP", "0", lines)]))
                self.assertEqual("error", reply["result"], reply)
                self.assertNotIn("ready", str(
                    [s for s in self.edge.status() if s["port"] == str(
                        media_of(call.local(call.phones))[0][1])]))

    def test_offer_in_clear(self):
        sdp = describe("127.0.0.21", [("audio", 9000, "RTP/AVP", "0", [])])
        self.assert_refused(self.ng.secured(
            "offer", "clear-offer@test", "from", from_tag="a", sdp=sdp),
            "media-clear")
        self.unseen("clear-offer@test")

    def test_media_that_srtp_cannot_protect(self):
        sdp = describe("127.0.0.64", [
            ("audio", 9000, "RTP/AVP", "0", []),
            ("image", 9010, "udptl", "t38", [])])
        self.assert_refused(self.ng.secured(
            "offer", "fax@test", "to", from_tag="a", sdp=sdp), "media-type")
        self.unseen("fax@test")
        call = self.call()
        self.assert_refused(self.ng.secured(
            "offer", call.call_id, "to", from_tag="a", to_tag="b", sdp=sdp),
            "media-type")
        self.assert_secured(call)

    def test_retransmission_gets_the_same_octets(self):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        request = b"same-cookie " + encode({
            "command": "offer", "call-id": "again@test", "from-tag": "a",
            "sdp": describe("127.0.0.64",
                            [("audio", 9000, "RTP/AVP", "0", [])]),
            "trunkguard": token(SECRET, "again@test")})
        first = ng.raw(request)
        self.assertIn(b"a=crypto:1 ", first)
        self.assertEqual([first] * 3, [ng.raw(request) for _ in range(3)])
        self.assertIn(b"5:error", ng.raw(request.replace(b"9000", b"9002")))

    def test_no_keys_reach_the_daemon(self):
        call = self.call(caller="telephone")
        query = str(self.ng.ask("query", call.call_id))
        self.assertIn("RTP/AVP", query)
        self.assertNotIn("SAVP", query)
        self.assertNotIn("inline", query)

    def json(self, **message):
        reply = self.ng.raw(b"json-%d " % next(COUNT) +
                            json.dumps(message).encode())
        return json.loads(reply.split(b" ", 1)[1])

    def test_json_cannot_touch_a_secured_call(self):
        call = self.call()
        sdp = call.local(call.phones)
        escaped = "".join(f"\\u{ord(c):04x}" for c in call.call_id)
        self.assert_refused(self.json(**{
            "command": "offer", "call-id": call.call_id, "from-tag": "a",
            "sdp": sdp}), "media-downgrade")
        reply = self.ng.raw((
            'json-x {"command":"offer","call-id":"%s","from-tag":"a",'
            '"sdp":%s}' % (escaped, json.dumps(sdp))).encode())
        self.assertIn(b"media-downgrade", reply)
        self.assert_refused(self.json(**{
            "command": "offer", "call-id": "j@test", "from-tag": "a",
            "sdp": sdp, "trunkguard": token(SECRET, "j@test")}),
            "media-unproven")
        self.assertIn(b"error", self.ng.raw(b'json-y {"command":"ping",}'))
        self.assert_secured(call)

    def test_flags_as_one_string(self):
        """rtpp-flags of newer Kamailio; 10.5 does not know the key, so what
        matters here is that the token works and goes no further"""
        call_id = "flags@test"
        reply = self.ng.ask("offer", call_id, from_tag="a", sdp=describe(
            "127.0.0.64", [("audio", 9000, "RTP/AVP", "0", [])]), **{
                "rtpp-flags": "RTP/SAVPF trunkguard=" +
                token(SECRET, call_id) + " replace-origin"})
        self.assertEqual("to", proof(SECRET, call_id, reply["sdp"]))
        self.assertIn("a=crypto:1 ", reply["sdp"])
        self.assert_refused(self.ng.ask(
            "offer", "other@test", from_tag="a", sdp=reply["sdp"], **{
                "rtpp-flags": "trunkguard=" + token(b"x" * 32, "other@test")
            }), "media-unproven")

    def test_foreign_proof_lines_do_not_pass(self):
        false = "x-trunkguard:v1/leg:to/exp:9999999999/mac:" + "0" * 64
        sdp = describe("127.0.0.64", [("audio", 9000, "RTP/AVP", "0", [])],
                       ["a=" + false])
        reply = self.ng.secured("offer", "forged@test", "to", from_tag="a",
                                sdp=sdp)
        self.assertEqual("to", proof(SECRET, "forged@test", reply["sdp"]))


class PlainCalls(Bench):
    """Without the token nothing changes; without the plugin nothing is
    promised (B14)"""

    def plain_call(self, daemon, call_id, **keys):
        ng = daemon.ng()
        self.addCleanup(ng.close)
        n = next(Call.numbers)
        a = Endpoint("127.0.0.64", 20000 + 4 * n)
        b = Endpoint("127.0.0.65", 20000 + 4 * n)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        sdp = [describe(e.address, [("audio", e.port, "RTP/AVP", "0", [])])
               for e in (a, b)]
        offer = ng.ask("offer", call_id, from_tag="a", sdp=sdp[0], **keys)
        answer = ng.ask("answer", call_id, from_tag="a", to_tag="b",
                        sdp=sdp[1])
        self.assertEqual(("ok", "ok"), (offer["result"], answer["result"]))
        to_b, to_a = media_of(offer["sdp"])[0], media_of(answer["sdp"])[0]
        for i, data in enumerate(payloads(b"plain", 5)):
            a.send(packet(i, data), to_a[:2])
            b.send(packet(i, data), to_b[:2])
            self.assertEqual([data], [payload_of(p) for p in b.receive(1)])
            self.assertEqual([data], [payload_of(p) for p in a.receive(1)])
        ng.ask("delete", call_id, from_tag="a", delete_delay=0)
        return offer["sdp"], answer["sdp"]

    def test_plain_calls_are_as_in_a_stock_daemon(self):
        def normal(sdp):
            return re.sub(r"\b[34]0\d\d\d\b", "PORT",
                          re.sub(r"127\.0\.0\.[13]", "HOST", sdp))
        ours = self.plain_call(self.edge, "plain@test")
        stock = self.plain_call(self.far, "plain@test")
        self.assertEqual(list(map(normal, stock)), list(map(normal, ours)))

    def test_native_srtp_still_works(self):
        keys = {"transport-protocol": "RTP/SAVP", "DTLS": "off"}
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        reply = ng.ask("offer", "native@test", from_tag="a", sdp=describe(
            "127.0.0.64", [("audio", 9000, "RTP/AVP", "0", [])]), **keys)
        self.assertIn("RTP/SAVP", reply["sdp"])
        self.assertIn("a=crypto:1", reply["sdp"])

    def test_stock_daemon_gives_no_proof(self):
        ng = self.far.ng()
        self.addCleanup(ng.close)
        ng.secret = SECRET
        reply = ng.secured("offer", "stock@test", "to", from_tag="a",
                           sdp=describe("127.0.0.64", [
                               ("audio", 9000, "RTP/AVP", "0", [])]))
        self.assertEqual("ok", reply["result"])
        self.assertIn("RTP/AVP", reply["sdp"])
        self.assertIsNone(proof(SECRET, "stock@test", reply["sdp"]))
        self.assertNotIn("trunkguard", ng.ask("ping", trunkguard="v1/query"))

    def test_plain_call_becomes_secured(self):
        """A re-INVITE with the token: sockets bound before are taken over"""
        call = Call(self.edge, self.far, "upgrade@test", edge_keys=TWO_SIDES)
        self.addCleanup(call.close)
        sdp = call.local(call.phones)
        first = call.edge_ng.ask("offer", call.call_id, from_tag="a",
                                 sdp=sdp, **TWO_SIDES)["sdp"]
        call.edge_ng.ask("answer", call.call_id, from_tag="a", to_tag="b",
                         sdp=describe("127.0.0.21", [
                             ("audio", 9000, "RTP/AVP", "0", [])]))
        call.edge_keys = {**TWO_SIDES, "to-tag": "b"}
        call.wire_offer = call.good(call.edge_ng.secured(
            "offer", call.call_id, "to", from_tag="a", sdp=sdp,
            **call.edge_keys))
        self.assertEqual(media_of(first)[0][1],
                         media_of(call.wire_offer)[0][1])
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
