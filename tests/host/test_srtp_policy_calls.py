# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls whose answer comes in the ACK, and calls on a route of their own: what
ends them, and what holds for both halves until they end (A5, A16, B9, B10).

Ends as in test_srtp_policy; Kamailio, rtpengine and the plugin are real.
"""

import os
import unittest

import lab
import proc
import sip
import wire
from sdp_ends import GATEWAY, ROOT, SOON_SEC, Call, Mode, answer_with, lines, offer, reply, section


# ---- the answer in the ACK ---------------------------------------------------


class AnswerInTheAck(Mode):
    def ended(self, far, call):
        """Both sides were told, in their dialog, and rtpengine too"""
        invite = far.wait("INVITE")
        ack, bye = far.wait("ACK"), far.wait("BYE")
        for request in (ack, bye):
            self.assertEqual(request.body, b"")
            self.assertEqual(request.get("call-id"), call.call_id)
            self.assertIn("tag=far", request.get("to"))
            self.assertEqual(request.get("from"), invite.get("from"))
            self.assertEqual(request.first.split()[1],
                             "sip:far@%s:%d;transport=tls" % GATEWAY)
        self.assertEqual((ack.get("cseq"), bye.get("cseq")), ("1 ACK", "2 BYE"))
        bye = self.client.receive(2)
        self.assertEqual(bye.method, "BYE")
        self.assertEqual(bye.first.split()[1],
                         "sip:alice@%s:%d;transport=tls" % self.client.local)
        self.assertEqual(bye.get("from"), call.answer.get("to"))
        self.assertIn(f"tag={call.tag}", bye.get("to"))
        self.assertEqual(bye.get("call-id"), call.call_id)
        self.grew("calls_ended")
        self.assert_gone(call)
        self.assert_no_media()

    def begin(self):
        call = Call(self.client)
        self.assertEqual(call.answer.status, 200)
        self.assert_secured(call.answer)
        self.assertIn(call.call_id, self.calls_of_rtpengine())
        return call

    def test_in_clear(self):
        with self.gateway(answer_with()) as far:
            call = self.begin()
            call.ack(offer(secured=False))
            self.ended(far, call)
        self.refused_because("media-clear")

    def test_with_two_keys(self):
        with self.gateway(answer_with()) as far:
            call = self.begin()
            call.ack(offer(suites=("AES_CM_128_HMAC_SHA1_80",) * 2))
            self.ended(far, call)
        self.refused_because("media-keying")

    def test_the_control_a_good_one_stays(self):
        with self.gateway(answer_with()) as far:
            call = self.begin()
            call.ack(offer())
            self.assert_secured(far.wait("ACK"))
            self.assertIn(call.call_id, self.calls_of_rtpengine())
            self.assertEqual(call.bye().status, 200)
            self.assertEqual(len(far.requests("BYE")), 1)
            self.assert_gone(call)

    def test_in_a_reinvite_without_an_offer(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            far.wait("ACK")
            call.cseq += 1
            call.send("INVITE")
            again = self.client.final()
            self.assertEqual(again.status, 200)
            call.ack(offer(secured=False))
            self.assertEqual(far.wait("ACK", 2).body, b"")
            self.assertEqual(far.wait("BYE").get("cseq"), "3 BYE")
            self.assertEqual(self.client.receive(2).method, "BYE")
            self.assert_gone(call)


class OfferWithoutAnswer(Mode):
    """The media node knows such a call by the callee's tag alone"""

    def deletes(self, work):
        """Who the edge said it was, for each delete on the ng protocol"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
            work()
        return [p.payload.partition(b"8:from-tag")[2][:5] for p in capture.packets
                if p.dport == lab.NG_PORT and b"7:command6:delete" in p.payload]

    def test_bye(self):
        def work():
            with self.gateway(answer_with()) as far:
                call = Call(self.client)
                self.assertIn(call.call_id, self.calls_of_rtpengine())
                call.ack()
                self.assertEqual(call.bye().status, 200)
                far.wait("BYE")
                self.assert_gone(call)
        self.assertEqual(self.deletes(work), [b"3:far"])

    def test_bye_of_the_callee(self):
        def work():
            with self.gateway(answer_with()) as far:
                call = Call(self.client).ack()
                far.send("BYE", far.wait("INVITE"))
                bye = self.client.receive(2)
                self.client.send(reply(bye))
                self.assertEqual(far.response("BYE").status, 200)
                self.assert_gone(call)
        self.assertEqual(self.deletes(work), [b"3:far"])

    def test_a_bad_answer(self):
        def work():
            with self.gateway(answer_with()) as far:
                call = Call(self.client).ack(offer(secured=False))
                far.wait("BYE")
                self.assert_gone(call)
        self.assertEqual(self.deletes(work), [b"3:far"])

    def early(self, request):
        return reply(request, "183 Session Progress", body=sip.sdp(lab.GATEWAY1, 40000))

    def test_early_and_then_busy(self):
        def work():
            with self.gateway(lambda r: [self.early(r), reply(r, "486 Busy Here")]):
                call = Call(self.client)
                self.assertEqual(call.answer.status, 486)
                self.assert_gone(call)
        self.assertEqual([d[:2] for d in self.deletes(work)], [b"0:"])

    def test_early_and_then_cancel(self):
        def work():
            with self.gateway(self.early) as far:
                far.answer_to["CANCEL"] = lambda r: [
                    reply(r), reply(far.requests("INVITE")[0], "487 Request Terminated")]
                branch, call_id = "z9hG4bK" + os.urandom(8).hex(), os.urandom(8).hex()
                for method in ("INVITE", "CANCEL"):
                    self.client.send(sip.build(
                        method, "sip:gw1-test@lab.test", self.client, call_id=call_id,
                        from_tag="near", branch=branch))
                    if method == "INVITE":
                        proc.wait_until(lambda: call_id in self.calls_of_rtpengine(),
                                        "rtpengine has the call", 3, 0.02)
                finals = {self.client.final().status for _ in range(2)}
                self.assertEqual(finals, {200, 487})
                proc.wait_until(lambda: call_id not in self.calls_of_rtpengine(),
                                "rtpengine lets go of the call", 3, 0.05)
        self.assertEqual([d[:2] for d in self.deletes(work)], [b"0:"])

    def test_the_control_an_answered_one_is_known_by_both(self):
        def work():
            with self.gateway(answer_with()) as far:
                call = Call(self.client, offer()).ack()
                far.wait("ACK")
                self.assertEqual(call.bye().status, 200)
                self.assert_gone(call)
        self.assertEqual([d[:2] for d in self.deletes(work)], [b"8:"])


class AScriptThatForgetsTheAck(AnswerInTheAck):
    """What may come in may still not leave: no proof of the plugin"""

    @staticmethod
    def script_edit(text):
        return text.replace("route(MEDIA); # branch routes", "xdbg(\"no media\"); # routes")

    test_in_clear = test_with_two_keys = test_the_control_a_good_one_stays = None
    test_in_a_reinvite_without_an_offer = None

    def test_the_call_is_ended(self):
        with self.gateway(answer_with()) as far:
            call = self.begin()
            call.ack(offer())
            self.ended(far, call)
        self.refused_because("media-unproven")


# ---- a route that is stricter -------------------------------------------------


def optional(request):
    """An answer of a gateway that does OSRTP"""
    return reply(request, body=sip.sdp(lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP"))


class StricterRoute(Mode):
    """The trunk may fall to clear, but not for calls on this route"""

    engine = "plugin"

    @classmethod
    def policy_edit(cls, text):
        text = section(text, "media trunk", level="supported", engine=cls.engine)
        return text + """
[media strict]
level = required
key_exchange = sdes
suites = AES_CM_128_HMAC_SHA1_80

[route secret]
clients = staff
media = strict
"""

    @staticmethod
    def script_edit(text):
        return text.replace("	route(NEXT_HOP);\n", """\
	if($rU =~ "secret" && !tls_policy_check("secret")) {
		tls_policy_reply();
		exit;
	}
	route(NEXT_HOP);
""")

    def call(self, secret, body=None):
        uri = "sip:gw1-%s@lab.test" % ("secret" if secret else "test")
        return Call(self.client, offer() if body is None else body, uri=uri)

    def test_the_control_without_the_route_it_may_be_clear(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = self.call(secret=False)
            self.assertEqual(call.answer.status, 200)
            self.assertIn(" RTP/AVP ", lines(far.wait("INVITE").body, "m=audio")[0])
            call.ack().bye()
        self.grew("clear_under_supported")

    def test_the_other_half_is_offered_srtp_alone(self):
        with self.gateway(answer_with()) as far:
            call = self.call(secret=True)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertEqual(call.ack().bye().status, 200)

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = self.call(secret=True)
            self.assertEqual(call.answer.status, 488)
            self.assertIn("media-clear", call.answer.get("warning"))
            self.assertLess(call.took, SOON_SEC)
            far.wait("BYE")
        self.assert_gone(call)

    def test_it_holds_until_the_call_ends(self):
        """In-dialog requests do not name the route; a re-INVITE of each side"""
        with self.gateway(answer_with()) as far:
            call = self.call(secret=True)
            self.assertEqual(call.answer.status, 200)
            call.ack()
            invite = far.wait("INVITE")
            far.wait("ACK")
            far.send("INVITE", invite, sip.sdp(lab.GATEWAY1, 40000, secured=False))
            self.assertEqual(far.response("INVITE").status, 488)
            far.answer = answer_with(secured=False)
            self.assertEqual(call.again(offer()).status, 481)
        self.refused_because("media-clear", 2)

    def test_the_call_is_listed_until_its_bye(self):
        with self.gateway(answer_with()):
            call = self.call(secret=True).ack()
            listed = self.LAB.rpc("srtp_policy.calls")
            self.assertIn(f"call_id: {call.call_id}", listed)
            self.assertIn("route: secret", listed)
            self.assertEqual(call.bye().status, 200)
            dialogs = [s for s in self.LAB.rpc("srtp_policy.calls").split("call_id: ")
                       if s.startswith(call.call_id) and "other_tag: far" in s]
            self.assertEqual(dialogs, [])

    def test_another_call_at_the_same_time_is_not_held_to_it(self):
        with self.gateway(answer_with()) as far:
            strict = self.call(secret=True).ack()
            far.answer = answer_with(secured=False)
            loose = self.call(secret=False)
            self.assertEqual(loose.answer.status, 200)
            loose.ack().bye()
            strict.bye()


class StricterRouteNative(StricterRoute):
    engine = "native"


if __name__ == "__main__":
    unittest.main()
