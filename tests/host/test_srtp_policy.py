# SPDX-License-Identifier: GPL-2.0-or-later
"""srtp_policy at the edge: what may come in, what may leave, and what becomes
of a call whose answer may not pass.

Both ends are programs of this test: the gateway is a TLS server with its own
certificate that answers what the test tells it. rtpengine and the plugin are
real.
"""

import os
import unittest

import lab
import sip
from sdp_ends import GATEWAY, GOOD, SOON_SEC, Call, ScriptLab, answer_with, offer, reply
import sdp_ends

LAB = ScriptLab(os.path.join(os.environ["TG_LOG_DIR"], "lab"))


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class Case(sdp_ends.Case):
    LAB = LAB


# ---- what comes in ----------------------------------------------------------


class OffersOfAClient(Case):
    """(A5, B9)"""

    def refused(self, body, reason, names, **more):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, body, **more)
            self.assertEqual(call.answer.status, 488)
            self.assertIn(reason, call.answer.get("warning"))
            self.assertIn(names, call.answer.get("warning"))
            self.assertLess(call.took, SOON_SEC)
            # the control: the same client with SRTP is served
            good = Call(self.client, offer())
            self.assertEqual(good.answer.status, 200)
            good.ack().bye()
            self.assertEqual(len(far.requests("INVITE")), 1)
        self.refused_because(reason)

    def test_clear_audio(self):
        self.refused(offer(secured=False), "media-clear", "m=audio")

    def test_clear_video_beside_secured_audio(self):
        self.refused(offer(b"m=video 20902 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"),
                     "media-clear", "m=video")

    def test_desktop_sharing_in_clear(self):
        self.refused(offer(b"m=applicationsharing 20902 RTP/AVP 127\r\n"),
                     "media-clear", "m=applicationsharing")

    def test_fax(self):
        self.refused(offer(b"m=image 20902 udptl t38\r\n"), "media-type", "m=image")

    def test_suites_that_encrypt_nothing(self):
        self.refused(offer(suites=("NULL_HMAC_SHA1_80",)), "media-suite", "m=audio")

    def test_f8(self):
        self.refused(offer(suites=("F8_128_HMAC_SHA1_80",)), "media-suite", "m=audio")

    def test_session_parameters_that_undo_the_suite(self):
        body = offer().replace(b"\r\na=crypto", b"\r\na=x\r\na=crypto").rstrip()
        self.refused(body + b" UNENCRYPTED_SRTP\r\n", "media-suite", "m=audio")

    def test_what_cannot_be_read(self):
        self.refused(offer(b"v=0\r\n"), "sdp-malformed", "line")

    def test_clear_audio_in_a_multipart_body(self):
        body = (b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\n"
                b"Content-Type: application/sdp\r\n\r\n" + offer(secured=False)
                + b"--x--\r\n")
        self.refused(body, "media-clear", "m=audio",
                     content_type="multipart/mixed;boundary=x")

    def test_rejected_lines_may_be_clear(self):
        with self.gateway(answer_with()):
            call = Call(self.client, offer(b"m=video 0 RTP/AVP 96\r\n"))
            self.assertEqual(call.answer.status, 200)
            call.ack().bye()


# ---- what leaves --------------------------------------------------------------


class WhatTheGatewayGets(Case):
    """(A5, A15, B10)"""

    def test_offer_and_answer_are_secured_and_hold_no_proof(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer(suites=(
                "AES_256_CM_HMAC_SHA1_80", GOOD, "AES_CM_128_HMAC_SHA1_32")))
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertEqual(len(LAB.secured_streams()), 1)
            self.assertEqual(call.ack().bye().status, 200)
        self.assert_no_media()

    def test_multipart_offer(self):
        body = (b"--x\r\nContent-Type: application/sdp\r\n\r\n" + offer()
                + b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n")
        with self.gateway(answer_with()) as far:
            call = Call(self.client, body, content_type="multipart/mixed;boundary=x")
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assertIn(b"\r\nhello\r\n--x--", far.wait("INVITE").body)
            call.ack().bye()

    def test_an_offer_in_the_answer(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            call.ack(offer())
            self.assert_secured(far.wait("ACK"))
            self.assertEqual(call.bye().status, 200)
        self.assert_no_media()

    def test_an_offer_in_the_answer_with_several_suites(self):
        with self.gateway(answer_with(suites=("AES_256_CM_HMAC_SHA1_80", GOOD))) as far:
            call = Call(self.client)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            call.ack(offer())
            self.assert_secured(far.wait("ACK"))
            call.bye()

    def test_what_an_answer_to_options_can_do_is_no_media(self):
        """RFC 3264 section 9: abilities, in clear, with nothing set up"""
        abilities = sip.sdp(lab.GATEWAY1, 0, secured=False).replace(b"m=audio 0", b"m=audio 9")
        with self.gateway(answer_with()) as far:
            far.answer_to["OPTIONS"] = lambda r: reply(r, body=abilities)
            answer = self.client.request("OPTIONS", "sip:gw1-test@lab.test",
                                         body=offer(secured=False))
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, abilities)
            self.assertIn(b"RTP/AVP", far.wait("OPTIONS").body)
            # the control: in a call the same is refused
            self.assertEqual(Call(self.client, offer(secured=False)).answer.status, 488)

    def test_reinvite(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            answer = call.again(offer())
            self.assertEqual(answer.status, 200)
            self.assert_secured(far.wait("INVITE", 2))
            self.assert_secured(answer)
            self.assertEqual(call.bye().status, 200)

    def test_a_clear_reinvite_is_refused_and_the_call_stays(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            answer = call.again(offer(secured=False))
            self.assertEqual(answer.status, 488)
            self.assertEqual(len(far.requests("INVITE")), 1)
            self.assertEqual(len(LAB.secured_streams()), 1)
            self.assertEqual(call.bye().status, 200)


# ---- answers that may not pass --------------------------------------------------


class AnswersThatMayNotPass(Case):
    """(A5, B9, B10)"""

    def refused(self, answer, reason, body=None):
        with self.gateway(answer) as far:
            call = Call(self.client, offer() if body is None else body)
            self.assertEqual(call.answer.status, 488)
            self.assertIn(reason, call.answer.get("warning"))
            self.assertEqual(call.answer.body, b"")
            self.assertLess(call.took, SOON_SEC)
            invite = far.wait("INVITE")
            ack, bye = far.wait("ACK"), far.wait("BYE")
            for request in (ack, bye):
                self.assertEqual(request.get("call-id"), invite.get("call-id"))
                self.assertIn("tag=far", request.get("to"))
                self.assertEqual(request.first.split()[1],
                                 "sip:far@%s:%d;transport=tls" % GATEWAY)
            self.assertEqual(bye.get("cseq"), "2 BYE")
            far.answer = answer_with()
            good = Call(self.client, offer())
            self.assertEqual(good.answer.status, 200)
            good.ack().bye()
        self.refused_because(reason)
        self.assert_no_media()

    def test_in_clear(self):
        self.refused(answer_with(secured=False), "media-clear")

    def test_with_two_keys(self):
        self.refused(answer_with(suites=(GOOD, GOOD)), "media-keying")

    def test_with_another_suite(self):
        self.refused(answer_with(suites=("NULL_HMAC_SHA1_80",)), "media-suite")

    def test_without_keys(self):
        self.refused(
            lambda r: reply(r, body=b"\r\n".join(
                line for line in sip.sdp(lab.GATEWAY1, 40000).split(b"\r\n")
                if not line.startswith(b"a=crypto"))), "media-keying")

    def test_a_clear_offer_in_the_answer(self):
        self.refused(answer_with(secured=False), "media-clear", body=b"")

    def test_a_clear_early_answer_is_dropped(self):
        clear = sip.sdp(lab.GATEWAY1, 40000, secured=False)
        with self.gateway(lambda r: [reply(r, "183 Session Progress", clear),
                                answer_with()(r)]):
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            call.ack().bye()
        self.refused_because("media-clear")

    def test_a_clear_answer_to_a_reinvite_ends_the_call(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            far.wait("ACK")
            far.answer = answer_with(secured=False)
            answer = call.again(offer())
            self.assertEqual(answer.status, 481)
            far.wait("BYE")


if __name__ == "__main__":
    unittest.main()
