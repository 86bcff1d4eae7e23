# SPDX-License-Identifier: GPL-2.0-or-later
"""Every message of a dialog that can hold a description, in both directions:
early media, PRACK, UPDATE, forks, refreshes, hold, fax, lines that are not
RTP, rejected lines, bundles. Beside each refusal what is served (A5, A6, B9,
B10).

Ends as in test_srtp_policy; Kamailio, rtpengine and the plugin are real.
"""

import os
import re
import unittest

import lab
import sip
from sdp_ends import Call, Mode, answer_with, lines, offer, reply, section

RELIABLE = ("Require: 100rel", "RSeq: 1")


class Case(Mode):
    def begun(self, body=None):
        """A call that is up"""
        call = Call(self.client, offer() if body is None else body)
        self.assertEqual(call.answer.status, 200)
        call.ack()
        return call

    def provisional(self, status):
        message = self.client.receive(3)
        while message is not None and message.status != status:
            self.assertLess(message.status, 200, message)
            message = self.client.receive(3)
        self.assertIsNotNone(message, f"no {status}")
        return message


def far_sdp(**more):
    return sip.sdp(lab.GATEWAY1, 40000, **more)


def with_headers(octets, *headers):
    head, _, rest = octets.partition(b"\r\n")
    return b"\r\n".join((head, *(h.encode() for h in headers), rest))


def audio_port(body):
    return int(lines(body, "m=audio")[0].split()[1])


# ---- before the call is up -----------------------------------------------------


class BeforeTheCallIsUp(Case):
    def invite(self, body=b""):
        """Sends an INVITE; the call without its final answer"""
        call = Call.__new__(Call)
        call.connection, call.call_id, call.tag, call.cseq = self.client, "e" + os.urandom(
            8).hex(), os.urandom(4).hex(), 1
        self.client.send(sip.build("INVITE", "sip:gw1-test@lab.test", self.client,
                                   body=body, call_id=call.call_id, from_tag=call.tag,
                                   headers=("Supported: 100rel",)))
        return call

    def test_early_media(self):
        early = far_sdp()
        with self.gateway(lambda r: [reply(r, "183 Session Progress", early),
                                     reply(r, body=early)]):
            call = self.invite(offer())
            progress = self.provisional(183)
            self.assert_secured(progress)
            call.answer = self.client.final()
            self.assert_secured(call.answer)
            self.assertEqual(lines(progress.body, "a=crypto"),
                             lines(call.answer.body, "a=crypto"))
            self.assertEqual(call.ack().bye().status, 200)
            self.assert_gone(call)

    def test_clear_early_media(self):
        """The far end is heard of, not heard, and can be told to stop"""
        with self.gateway(lambda r: reply(
                r, "183 Session Progress", far_sdp(secured=False))) as far:
            branch, call_id = "z9hG4bK" + os.urandom(8).hex(), os.urandom(8).hex()

            def send(method, body=b""):
                self.client.send(sip.build(
                    method, "sip:gw1-test@lab.test", self.client, call_id=call_id,
                    from_tag="near", branch=branch, body=body))
            send("INVITE", offer())
            self.assertEqual(self.provisional(183).body, b"")
            far.answer_to["CANCEL"] = lambda r: [
                reply(r), reply(far.requests("INVITE")[0], "487 Request Terminated")]
            send("CANCEL")
            far.wait("CANCEL")
            self.assertEqual({self.client.final().status for _ in range(2)}, {200, 487})
        self.refused_because("media-clear")

    def test_a_clear_answer_in_a_reliable_provisional(self):
        with self.gateway(lambda r: [
                with_headers(reply(r, "183 Session Progress", far_sdp(secured=False)), *RELIABLE),
                reply(r, "480 Temporarily Unavailable")]):
            self.invite(offer())
            statuses = [self.client.receive(3).status for _ in range(2)]
            self.assertEqual(statuses, [100, 480])
        self.refused_because("media-clear")

    def delayed(self, far):
        """An offer in a reliable 183: the call, with the 183 as its answer"""
        call = self.invite()
        call.answer = self.provisional(183)
        self.assert_secured(call.answer)
        far.wait("INVITE")
        return call

    def test_an_answer_in_prack(self):
        with self.gateway(lambda r: with_headers(
                reply(r, "183 Session Progress", far_sdp()), *RELIABLE)) as far:
            call = self.delayed(far)
            answer = call.ask("PRACK", offer(), headers=("RAck: 1 1 INVITE",))
            self.assertEqual(answer.status, 200)
            self.assert_secured(far.wait("PRACK"))
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            self.assertEqual(call.bye().status, 200)
            self.assert_gone(call)
            self.assert_no_media()

    def test_a_clear_answer_in_prack(self):
        with self.gateway(lambda r: with_headers(
                reply(r, "183 Session Progress", far_sdp()), *RELIABLE)) as far:
            call = self.delayed(far)
            answer = call.ask("PRACK", offer(secured=False), headers=("RAck: 1 1 INVITE",))
            self.assertEqual(answer.status, 488)
            self.assertIn("media-clear", answer.get("warning"))
            self.assertEqual(far.requests("PRACK"), [])
            self.assertEqual(call.bye().status, 200)
            self.assert_gone(call)
            self.assert_no_media()

    def test_early_update(self):
        early = far_sdp()
        with self.gateway(lambda r: with_headers(
                reply(r, "183 Session Progress", early), *RELIABLE)) as far:
            call = self.invite(offer())
            call.answer = self.provisional(183)
            far.answer_to["UPDATE"] = lambda r: reply(r, body=early)
            refused = call.ask("UPDATE", offer(secured=False))
            self.assertEqual(refused.status, 488)
            good = call.ask("UPDATE", offer())
            self.assertEqual(good.status, 200)
            self.assert_secured(good)
            self.assert_secured(far.wait("UPDATE"))
            self.assertEqual(len(far.requests("UPDATE")), 1)
            self.assertEqual(call.bye().status, 200)
            self.assert_no_media()

    def test_several_early_dialogs(self):
        """Forked beyond the gateway: each answer is judged, one wins"""
        def answer(r):
            return [reply(r, "183 Session Progress", far_sdp(), tag="one"),
                    reply(r, "183 Session Progress", far_sdp(secured=False), tag="two"),
                    reply(r, "183 Session Progress", far_sdp(), tag="three"),
                    reply(r, body=far_sdp(), tag="three")]

        with self.gateway(answer) as far:
            call = self.invite(offer())
            progress = {tag: self.provisional(183) for tag in ("one", "two", "three")}
            for tag, message in progress.items():
                self.assertIn(f"tag={tag}", message.get("to"))
            self.assertEqual(progress.pop("two").body, b"")
            for message in progress.values():
                self.assert_secured(message)
            call.answer = self.client.final()
            self.assert_secured(call.answer)
            self.assertEqual(call.ack().bye().status, 200)
            far.wait("BYE")
            self.assert_gone(call)
        self.refused_because("media-clear")

    def test_several_answers(self):
        """A second 200 in clear does not reach the caller, and its sender is told"""
        with self.gateway(lambda r: [reply(r, body=far_sdp(), tag="one"),
                                     reply(r, body=far_sdp(secured=False), tag="two")]) as far:
            call = self.invite(offer())
            call.answer = self.client.final()
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            self.assertIn("tag=two", far.wait("ACK").get("to"))
            self.assertIn("tag=two", far.wait("BYE").get("to"))
            late = self.client.receive(1)
            self.assertTrue(late is None or late.status >= 300, late)
            call.ack()
            self.assertEqual(call.bye().status, 200)
        self.refused_because("media-clear")


# ---- while it is up ---------------------------------------------------------------


class WhileItIsUp(Case):
    def test_update_of_the_caller(self):
        with self.gateway(answer_with()) as far:
            far.answer_to["UPDATE"] = lambda r: reply(r, body=far_sdp())
            call = self.begun()
            answer = call.ask("UPDATE", offer(secured=False))
            self.assertEqual(answer.status, 488)
            answer = call.ask("UPDATE", offer())
            self.assertEqual(answer.status, 200)
            self.assert_secured(answer)
            self.assert_secured(far.wait("UPDATE"))
            self.assertEqual(call.bye().status, 200)

    def test_a_clear_answer_to_update_ends_the_call(self):
        with self.gateway(answer_with()) as far:
            far.answer_to["UPDATE"] = lambda r: reply(r, body=far_sdp(secured=False))
            call = self.begun()
            self.assertEqual(call.ask("UPDATE", offer()).status, 481)
            self.assertEqual(far.wait("BYE").get("cseq"), "3 BYE")
            self.assertEqual(far.requests("ACK")[1:], [])
            self.assert_gone(call)
        self.refused_because("media-clear")

    def test_what_fails_inside_of_a_call_leaves_it(self):
        """Re-INVITE and UPDATE that cross others, and one that is cancelled"""
        with self.gateway(answer_with()) as far:
            call = self.begun()
            far.answer = far.answer_to["UPDATE"] = lambda r: reply(r, "491 Request Pending")
            self.assertEqual(call.again(offer()).status, 491)
            self.assertEqual(call.ask("UPDATE", offer()).status, 491)
            far.answer = lambda r: reply(r, "180 Ringing")
            far.answer_to["CANCEL"] = lambda r: [
                reply(r), reply(far.requests("INVITE")[-1], "487 Request Terminated")]
            call.cseq += 1
            reinvite = call.made("INVITE", offer())
            self.client.send(reinvite)
            far.wait("INVITE", 3)
            head = reinvite.partition(b"\r\nContent-Type")[0].replace(b"INVITE", b"CANCEL")
            self.client.send(head + b"\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual({self.client.final().status for _ in range(2)}, {200, 487})
            self.assertIn(call.call_id, self.calls_of_rtpengine())
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            self.assertEqual(call.bye().status, 200)
            self.assert_gone(call)

    def test_offers_of_the_callee(self):
        """Re-INVITE and UPDATE the other way: clear ones stop here"""
        with self.gateway(answer_with()) as far:
            call = self.begun()
            invite = far.wait("INVITE")
            far.wait("ACK")
            for number, method in enumerate(("INVITE", "UPDATE"), 1):
                far.send(method, invite, far_sdp(secured=False), cseq=number)
                self.assertEqual(far.response(method).status, 488)
                far.got = [m for m in far.got if m.method]
            far.send("UPDATE", invite, far_sdp(), cseq=3)
            update = self.client.receive(3)
            self.assertEqual(update.method, "UPDATE")
            self.assert_secured(update)
            self.client.send(reply(update, body=offer(), contact=self.contact()))
            answer = far.response("UPDATE")
            self.assertEqual(answer.status, 200)
            self.assert_secured(answer)
            self.assertEqual(call.bye().status, 200)

    def contact(self):
        return "<sip:alice@%s:%d;transport=tls>" % self.client.local

    def test_a_clear_answer_of_the_caller_ends_the_call(self):
        """... to a re-INVITE of the callee"""
        with self.gateway(answer_with()) as far:
            call = self.begun()
            invite = far.wait("INVITE")
            far.wait("ACK")
            far.send("INVITE", invite, far_sdp())
            again = self.client.receive(3)
            self.assertEqual(again.method, "INVITE")
            self.assert_secured(again)
            self.client.send(reply(again, body=offer(secured=False), contact=self.contact()))
            self.assertEqual(far.response("INVITE").status, 481)
            self.assertEqual(self.client.receive(2).method, "ACK")
            self.assertEqual(self.client.receive(2).method, "BYE")
            self.assert_gone(call)

    def test_a_refresh_changes_nothing(self):
        """RFC 4028: the same offer again, the same answer; the keys stay"""
        ours, far_end = offer(), far_sdp()
        with self.gateway(lambda r: reply(r, body=far_end)) as far:
            call = Call(self.client, ours)
            first = call.answer
            call.ack()
            streams = [s["leg"] for s in self.LAB.secured_streams() if "leg" in s]
            for number in (2, 3):
                answer = call.again(ours)
                self.assertEqual(answer.status, 200)
                for one, two in ((first, answer), (far.wait("INVITE"),
                                                   far.wait("INVITE", number))):
                    self.assertEqual(lines(one.body, "a=crypto"), lines(two.body, "a=crypto"))
                    self.assertEqual(audio_port(one.body), audio_port(two.body))
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            self.assertEqual(streams, [s["leg"] for s in self.LAB.secured_streams()
                                       if "leg" in s])
            self.assertEqual(call.bye().status, 200)

    def test_hold_and_resume(self):
        with self.gateway(answer_with()) as far:
            call = self.begun()
            for number, (ours, theirs) in enumerate(
                    ((b"sendonly", b"recvonly"), (b"inactive", b"inactive"),
                     (b"sendrecv", b"sendrecv")), 2):
                far.answer = lambda r, way=theirs: reply(
                    r, body=far_sdp().replace(b"sendrecv", way))
                answer = call.again(offer().replace(b"sendrecv", ours))
                self.assertEqual(answer.status, 200)
                self.assertIn(b"a=" + theirs, answer.body)
                self.assertIn(b"a=" + ours, far.wait("INVITE", number).body)
                self.assert_secured(answer)
                self.assert_secured(far.wait("INVITE", number))
            # a line on hold is live: it may not be clear either
            held = offer(secured=False).replace(b"sendrecv", b"inactive")
            self.assertEqual(call.again(held).status, 488)
            self.assertEqual(call.bye().status, 200)

    def test_hold_as_of_old(self):
        """c=0.0.0.0 (RFC 2543)"""
        with self.gateway(answer_with()) as far:
            call = self.begun()
            answer = call.again(offer().replace(b"c=IN IP4 " + lab.CLIENT.encode(),
                                                b"c=IN IP4 0.0.0.0"))
            self.assertEqual(answer.status, 200)
            self.assert_secured(far.wait("INVITE", 2))
            self.assertEqual(call.bye().status, 200)

    def test_fax_is_refused_and_the_call_stays(self):
        fax = offer().split(b"m=audio")[0] + b"m=image 20902 udptl t38\r\n"
        with self.gateway(answer_with()) as far:
            call = self.begun()
            answer = call.again(fax)
            self.assertEqual(answer.status, 488)
            self.assertIn("m=image", answer.get("warning"))
            invite = far.wait("INVITE")
            far.wait("ACK")
            far.send("INVITE", invite, fax)
            self.assertEqual(far.response("INVITE").status, 488)
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            self.assertEqual(call.bye().status, 200)
        self.refused_because("media-type", 2)

    def test_a_refusal_ends_between_the_caller_and_the_edge(self):
        """Repeated, it is answered the same; its ACK goes no further"""
        branch = "branch=z9hG4bK" + os.urandom(8).hex()

        def on_one_branch(octets):
            return re.sub(rb"branch=[^;]*", branch.encode(), octets, count=1)
        with self.gateway(answer_with()) as far:
            call = self.begun()
            call.cseq += 1
            reinvite = on_one_branch(call.made("INVITE", offer(secured=False)))
            answers = []
            for _ in range(2):
                self.client.send(reinvite)
                answers.append(self.client.final())
            self.assertEqual([a.status for a in answers], [488, 488])
            self.assertEqual(answers[0].raw, answers[1].raw)
            self.client.send(on_one_branch(call.made("ACK")))
            self.assertEqual(call.ask("INFO").status, 200)
            self.assertEqual([m.method for m in far.got if m.method],
                             ["INVITE", "ACK", "INFO"])
            self.assertEqual(call.bye().status, 200)


# ---- lines of other kinds ------------------------------------------------------------


class LinesOfOtherKinds(Case):
    OTHERS = (b"m=message 20902 TCP/MSRP *\r\na=path:msrp://127.0.0.65:1/x;tcp\r\n",
              b"m=message 20902 TCP/TLS/MSRP *\r\na=path:msrps://127.0.0.65:1/x;tcp\r\n",
              b"m=application 20902 TCP/BFCP *\r\n",
              b"m=application 20902 UDP/BFCP *\r\n",
              b"m=applicationsharing 20902 TCP/RTP/AVP 127\r\n",
              b"m=application 20902 UDP/DTLS/SCTP webrtc-datachannel\r\n",
              b"m=image 20902 udptl t38\r\n")

    def test_each_is_refused_beside_secured_audio(self):
        with self.gateway(answer_with()) as far:
            for line in self.OTHERS:
                with self.subTest(line):
                    call = Call(self.client, offer(line))
                    self.assertEqual(call.answer.status, 488)
                    self.assertIn("media-type", call.answer.get("warning"))
                    self.assertIn(line.split()[0].decode(), call.answer.get("warning"))
            self.assertEqual(far.requests("INVITE"), [])

    def test_each_passes_when_it_is_rejected(self):
        with self.gateway(answer_with()) as far:
            for number, line in enumerate(self.OTHERS, 1):
                with self.subTest(line):
                    call = Call(self.client, offer(line.replace(b" 20902 ", b" 0 ", 1)))
                    self.assertEqual(call.answer.status, 200)
                    self.assert_secured(far.wait("INVITE", number))
                    call.ack().bye()

    def test_secured_desktop_sharing(self):
        line = offer().split(b"a=crypto")[1]
        sharing = (b"m=applicationsharing 20902 RTP/SAVP 127\r\n"
                   b"a=rtpmap:127 x-data/90000\r\na=crypto" + line)
        with self.gateway(lambda r: reply(r, body=far_sdp() + (
                b"m=applicationsharing 40002 RTP/SAVP 127\r\na=rtpmap:127 x-data/90000\r\n"
                b"a=crypto" + far_sdp().split(b"a=crypto")[1]))) as far:
            call = Call(self.client, offer(sharing))
            self.assertEqual(call.answer.status, 200)
            for message in (far.wait("INVITE"), call.answer):
                self.assert_secured(message, n_crypto=2)
                self.assertIn(" RTP/SAVP ", lines(message.body, "m=applicationsharing")[0])
            self.assertEqual(len(self.LAB.secured_streams()), 2)
            call.ack().bye()

    def test_an_answer_that_rejects_a_line(self):
        video = (b"m=video 20902 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=crypto"
                 + offer().split(b"a=crypto")[1])
        with self.gateway(lambda r: reply(
                r, body=far_sdp() + b"m=video 0 RTP/SAVP 96\r\n")) as far:
            call = Call(self.client, offer(video))
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"), n_crypto=2)
            self.assertEqual(lines(call.answer.body, "m=video")[0].split()[1], "0")
            self.assertEqual(len(lines(call.answer.body, "a=crypto")), 1)
            call.ack().bye()

    def test_an_answer_with_one_clear_line(self):
        video = (b"m=video 20902 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=crypto"
                 + offer().split(b"a=crypto")[1])
        with self.gateway(lambda r: reply(
                r, body=far_sdp() + b"m=video 40002 RTP/AVP 96\r\n")) as far:
            call = Call(self.client, offer(video))
            self.assertEqual(call.answer.status, 488)
            self.assertIn("m=video", call.answer.get("warning"))
            far.wait("BYE")
            self.assert_gone(call)

    def test_a_bundled_line_is_live_without_a_port(self):
        """RFC 8843 section 6: bundle-only"""
        group = offer().replace(b"t=0 0\r\n", b"t=0 0\r\na=group:BUNDLE a v\r\n")
        group += b"a=mid:a\r\n"
        clear = b"m=video 0 RTP/AVP 96\r\na=mid:v\r\na=bundle-only\r\n"
        with self.gateway(answer_with()) as far:
            call = Call(self.client, group + clear)
            self.assertEqual(call.answer.status, 488)
            self.assertIn("m=video", call.answer.get("warning"))
            call = Call(self.client, group + clear.replace(b"a=bundle-only\r\n", b""))
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            call.ack().bye()


class FaxInClear(Mode):
    """t38 = clear: fax and nothing else"""

    @staticmethod
    def policy_edit(text):
        return section(section(text, "media trunk", t38="clear"),
                       "media client", t38="clear")

    FAX = b"m=image 20902 udptl t38\r\na=T38FaxVersion:0\r\n"

    def test_a_call_becomes_a_fax_and_again_a_call(self):
        head = offer().split(b"m=audio")[0]
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            call.ack()
            far.answer = lambda r: reply(r, body=far_sdp().split(b"m=audio")[0]
                                         + self.FAX.replace(b"20902", b"40002"))
            answer = call.again(head + self.FAX)
            self.assertEqual(answer.status, 200)
            for message in (far.wait("INVITE", 2), answer):
                self.assertEqual(len(lines(message.body, "m=image")), 1)
                self.assertNotIn(b"x-trunkguard", message.raw)
            far.answer = answer_with()
            answer = call.again(offer())
            self.assertEqual(answer.status, 200)
            self.assert_secured(answer)
            self.assert_secured(far.wait("INVITE", 3))
            self.assertEqual(call.bye().status, 200)
            self.assert_gone(call)

    def test_other_lines_stay_refused(self):
        with self.gateway(answer_with()) as far:
            for line in LinesOfOtherKinds.OTHERS[:-1] + (
                    b"m=audio 20902 udptl t38\r\n", b"m=image 20902 RTP/AVP 96\r\n"):
                with self.subTest(line):
                    self.assertEqual(Call(self.client, offer(line)).answer.status, 488)
            self.assertEqual(far.requests("INVITE"), [])


if __name__ == "__main__":
    unittest.main()
