# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptions that two readers could see differently: what a lenient far end
would take for one is judged as one, or the message is refused.

The far end is a TLS server of this test; a message that reached it is in its
list, octet by octet. The script does nothing about media, so that only the
policy stands in the way.
"""

import base64
import re

from sdp_ends import SOON_SEC, Call, Mode, answer_with, offer, reply
import sip

CLEAR = offer(secured=False)


def hidden(body, content_type="application/sdp", change=lambda octets: octets,
           method="INVITE"):
    """A request to gateway1 that is changed before it is sent"""
    def made(connection):
        return change(sip.build(method, "sip:gw1-test@lab.test", connection,
                                body=body, content_type=content_type))
    return made


def header(line):
    """One more header"""
    return lambda octets: octets.replace(b"\r\nContent-Length:",
                                         b"\r\n" + line + b"\r\nContent-Length:")


def parts(*bodies, boundary=b"x"):
    return (b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in bodies)
            + b"--" + boundary + b"--\r\n")


TEXT = b"Content-Type: text/plain\r\n\r\n"
MIXED = "multipart/mixed;boundary=x"


class Case(Mode):
    @staticmethod
    def script_edit(text):
        """Nothing about media"""
        start = text.index("\trtpengine_manage(\"$srtpp(flags)")
        end = text.index(";\n", start) + 2
        text = text[:start] + "\txlog(\"no media\\n\");\n" + text[end:]
        return re.sub(r"sanity_check\([^)]*\)", "true", text)

    def refused(self, made):
        with self.gateway(answer_with()) as far:
            # the control: the same way without a description is served
            octets = sip.build("INVITE", "sip:gw1-test@lab.test", self.client)
            far.answer = lambda request: reply(request, "486 Busy Here")
            self.client.send(octets)
            self.assertEqual(self.client.final().status, 486)
            far.wait("INVITE")
            before = len(far.got)
            self.client.send(made(self.client))
            answer = self.client.final()
            self.assertIsNotNone(answer)
            self.assertIn(answer.status, (400, 415, 488), answer)
            self.assertEqual([m.method for m in far.got[before:] if m.method != "ACK"], [])


class WhatAMessageIs(Case):
    """(A5, B9)"""

    def test_cseq_of_another_method(self):
        def change(octets):
            return octets.replace(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS")
        self.refused(hidden(CLEAR, change=change))


    def test_a_blank_behind_the_version(self):
        for end in (b" ", b"  ", b"\t"):
            with self.subTest(end):
                self.refused(hidden(CLEAR, change=lambda octets, end=end: octets.replace(
                    b" SIP/2.0\r\n", b" SIP/2.0" + end + b"\r\n", 1)))

    def test_octets_before_the_first_line(self):
        """Kamailio passes over them, and passes them on"""
        for before in (b"\0\r\n", b"\0\n \r\n", b"\0"):
            with self.subTest(before):
                self.refused(hidden(
                    CLEAR, change=lambda octets, before=before: before + octets))
        with self.subTest("the control: empty lines between two messages"):
            with self.gateway(lambda request: reply(request, "486 Busy Here")):
                self.client.send(b"\r\n" + sip.build(
                    "INVITE", "sip:gw1-test@lab.test", self.client))
                self.assertEqual(self.client.final().status, 486)


class WhatABodyIs(Case):
    """(A5, B9)"""

    def test_a_type_that_only_begins_like_it(self):
        self.refused(hidden(b"\r\n" + CLEAR, "application/sdp, text/plain"))
        self.refused(hidden(b" " + CLEAR, "application/sdpx"))

    def test_no_type_and_blanks_before_the_lines(self):
        self.refused(hidden(b" " + CLEAR.replace(b"\r\n", b"\r\n ").rstrip(b" "), change=lambda
                            octets: octets.replace(b"Content-Type: application/sdp\r\n", b"")))

    def test_a_longer_type_and_an_encoding(self):
        body = parts(b"Content-Type: application/sdpx\r\n"
                     b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(CLEAR))
        self.refused(hidden(body, MIXED))

    def test_lines_in_another_order(self):
        body = CLEAR.replace(b"v=0\r\n", b"").replace(b"s=-\r\n", b"s=-\r\nv=0\r\n")
        self.refused(hidden(body, "text/plain"))

    def test_a_part_of_another_type(self):
        self.refused(hidden(parts(TEXT + b"\r\n" + CLEAR), MIXED))

    def test_a_second_boundary(self):
        body = parts(TEXT + parts(b"Content-Type: application/sdp\r\n\r\n" + CLEAR,
                                  boundary=b"y"))
        self.refused(hidden(body, "multipart/mixed;boundary=x;boundary=y"))

    def test_an_encoded_part(self):
        body = parts(b"Content-Type: application/sdp\r\n"
                     b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                     + offer().replace(b"SAVP 0", b"S=\r\nAVP 0"))
        self.refused(hidden(body, MIXED))
        body = parts(b"Content-Type: application/sdp\r\n"
                     b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + offer())
        self.refused(hidden(body, MIXED))


class WhereALineEnds(Case):
    """(A5, A11)"""

    def test_a_lone_cr_in_a_header(self):
        self.refused(hidden(b"", change=header(
            b"X-A: a\rContent-Type: application/sdp\r\r" + CLEAR.replace(b"\r\n", b"\r"))))

    def test_a_lone_cr_hides_the_type(self):
        self.refused(hidden(b"\r" + CLEAR, "text/plain",
                            change=header(b"X-A: a\rContent-Type: application/sdp")))


class WhatARefusalSays(Mode):
    """A description in a final refusal says what could be (RFC 3261 21.4.26):
    the refusal arrives, and nothing that may not be there with it (A5)"""

    def test_in_clear(self):
        with self.gateway(lambda request: reply(
                request, "488 Not Acceptable Here", body=CLEAR)) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 488)
            self.assertLess(call.took, SOON_SEC)
            self.assertNotIn(b"RTP/AVP", call.answer.raw)
            # the control
            far.answer = lambda request: reply(request, "488 Not Acceptable Here")
            self.assertEqual(Call(self.client, offer()).answer.status, 488)
