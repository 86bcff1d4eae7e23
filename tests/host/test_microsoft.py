# SPDX-License-Identifier: GPL-2.0-or-later
"""The dialects of Microsoft's servers, played by a mediation server that
writes session descriptions as Lync Server 2013 and Skype for Business do:
optional encryption, a=encryption, a=cryptoscale, keys with a lifetime and an
MKI of one octet, DTLS and ICE-lite for media that bypasses the edge. Policies
are the presets as shipped; edge and media node are real.
"""

import base64
import re
import secrets
import unittest

import lab
import sip
from sdp_ends import Call, Gateway, Mode, called, lines, offer, registered, reply, section

SUITE = "AES_CM_128_HMAC_SHA1_80"
# one field between blanks, the key alone, its lifetime, perhaps the MKI
WRITTEN = rf"a=crypto:(\d+) {SUITE} inline:([A-Za-z0-9+/]{{40}})(\|2\^31)(\|1:1)?"
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["5A"] * 32)


def key():
    return base64.b64encode(secrets.token_bytes(30)).decode()


def crypto(tag, mki=True):
    return f"a=crypto:{tag} {SUITE} inline:{key()}|2^31{'|1:1' if mki else ''}"


def cryptoscale(tag):
    return f"a=cryptoscale:{tag} client {SUITE} inline:{key()}|2^31|1:1"


def mediation_sdp(proto, *attributes, address=lab.MEDIATION1):
    """What a mediation server says of its audio toward a trunk"""
    return "\r\n".join((
        "v=0", f"o=- {secrets.randbelow(99)} 1 IN IP4 {address}", "s=session",
        f"c=IN IP4 {address}", "b=CT:10000000", "t=0 0",
        f"m=audio 51574 {proto} 97 101 13 0 8", f"c=IN IP4 {address}", "a=rtcp:51575",
        *attributes, "a=label:Audio", "a=x-bypassid:" + secrets.token_hex(16),
        "a=rtpmap:97 RED/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16",
        "a=rtpmap:13 CN/8000", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
        "a=ptime:20", "a=sendrecv", "")).encode()


class Mediation(Mode):
    """mediation1 calls alice"""

    peer, leaf = lab.MEDIATION1, "mediation1"

    def setUp(self):
        super().setUp()
        registered(self.client)
        self.server = self.LAB.connect(self.peer, self.leaf)
        self.addCleanup(self.server.close)

    def answer_to(self, body):
        answer = called(self.server, self.client, body, offer(),
                        domain="mediation1.lab.test")
        self.assertEqual(answer.status, 200)
        self.assert_secured(answer.request)  # toward alice
        return answer

    def refusal_of(self, body, reason):
        """488 with the reason, and alice hears nothing of it"""
        self.counters = self.counted()
        answer = self.server.request("INVITE", "sip:alice@lab.test", body=body,
                                     domain="mediation1.lab.test")
        self.assertEqual(answer.status, 488)
        self.assertIn(reason, answer.get("warning"))
        self.refused_because(reason)
        self.assertIsNone(self.client.receive(0.2))

    def assert_chose(self, answer, body, tag, mki=True):
        """RTP/SAVP with one line: the tag and shape of the chosen one, a key of ours"""
        self.assert_secured(answer)
        found = re.fullmatch(WRITTEN, lines(answer.body, "a=crypto")[0])
        self.assertTrue(found, answer.body)
        self.assertEqual((found[1], found[4]), (str(tag), "|1:1" if mki else None))
        self.assertNotIn(found[2].encode(), body)
        for word in (b"cryptoscale", b"a=encryption"):
            self.assertNotIn(word, answer.body)
        stream, = self.LAB.secured_streams()
        self.assertEqual((stream["peer"], stream["suite"], stream["keying"]),
                         ("mediation1", SUITE, "sdes"))


class Offers(Mediation):
    """Of a mediation server whose level is required, supported or legacy (A14, A16, B7)"""

    preset = "policy-sfb2019.cfg"

    def test_optional(self):
        """MS-SDPEXT: RTP/AVP with keys is accepted with RTP/SAVP"""
        body = mediation_sdp("RTP/AVP", crypto(1), crypto(2, mki=False))
        self.assert_chose(self.answer_to(body), body, 1)

    def test_optional_without_keys_is_clear(self):
        self.refusal_of(mediation_sdp("RTP/AVP"), "media-clear")

    def test_required(self):
        body = mediation_sdp("RTP/SAVP", crypto(2), "a=encryption:required")
        self.assert_chose(self.answer_to(body), body, 2)

    def test_the_first_line_is_chosen_with_its_shape(self):
        body = mediation_sdp("RTP/SAVP", crypto(7, mki=False), crypto(2))
        self.assert_chose(self.answer_to(body), body, 7, mki=False)

    def test_cryptoscale_is_skipped(self):
        body = mediation_sdp("RTP/AVP", cryptoscale(1), crypto(2), crypto(3, mki=False))
        self.assert_chose(self.answer_to(body), body, 2)

    def test_cryptoscale_is_skipped_where_encryption_is_required(self):
        body = mediation_sdp("RTP/SAVP", cryptoscale(1), crypto(2), crypto(3, mki=False))
        self.assert_chose(self.answer_to(body), body, 2)

    def test_cryptoscale_alone_is_no_key(self):
        self.refusal_of(mediation_sdp("RTP/AVP", cryptoscale(1)), "media-clear")
        self.refusal_of(mediation_sdp("RTP/SAVP", cryptoscale(1)), "media-keying")

    def test_encryption_rejected(self):
        self.refusal_of(mediation_sdp("RTP/AVP", crypto(1), "a=encryption:rejected"),
                        "media-clear")
        self.refusal_of(mediation_sdp("RTP/SAVP", crypto(1), "a=encryption:rejected"),
                        "media-clear")

    def test_encryption_optional(self):
        body = mediation_sdp("RTP/AVP", crypto(1), "a=encryption:optional")
        self.assert_chose(self.answer_to(body), body, 1)


class Answers(Mode):
    """What the edge offers, and what such a gateway answers (A14, B8)"""

    preset = "policy-lync2013.cfg"

    def call(self, answer):
        """answer(tag of our line) gives the attributes of gateway1's answer"""
        def made(request):
            self.ours = re.fullmatch(WRITTEN, lines(request.body, "a=crypto")[0])
            return reply(request, body=mediation_sdp(
                "RTP/SAVP", *answer(self.ours), address=lab.GATEWAY1))
        with self.gateway(made) as far:
            call = Call(self.client, offer())
            self.assert_secured(far.wait("INVITE"))
            if call.answer.status == 200:
                call.ack().bye()
        return call.answer

    def test_our_line_is_written_as_theirs(self):
        answer = self.call(lambda ours: [
            f"a=crypto:{ours[1]} {SUITE} inline:{key()}|2^31|1:1", "a=encryption:required"])
        self.assertEqual(answer.status, 200)
        self.assert_secured(answer)
        self.assertEqual((self.ours[3], self.ours[4]), ("|2^31", "|1:1"))

    def test_a_second_line_in_an_answer(self):
        answer = self.call(lambda ours: [crypto(ours[1]), crypto(2)])
        self.assertEqual(answer.status, 488)
        self.refused_because("media-keying")

    def test_cryptoscale_in_an_answer(self):
        answer = self.call(lambda ours: [cryptoscale(ours[1])])
        self.assertEqual(answer.status, 488)
        self.refused_because("media-keying")

    def test_an_answer_to_a_line_that_was_not_offered(self):
        answer = self.call(lambda ours: [crypto(9)])
        self.assertGreaterEqual(answer.status, 400)


class Clear(Mediation):
    """Lync 2013's default toward a gateway, whose media is not encrypted (A13, A16)"""

    preset = "policy-lync2013.cfg"
    peer, leaf = lab.GATEWAY2, "gateway2"

    def test_who_requires_encryption_gets_none_and_no_call(self):
        self.refusal_of(mediation_sdp("RTP/AVP", "a=encryption:required"), "media-keying")

    def test_who_leaves_it_open_gets_clear_media(self):
        answer = self.answer_to(mediation_sdp("RTP/AVP", crypto(1), "a=encryption:optional"))
        self.assert_clear(answer)


class Bypass(Mediation):
    """Media goes past the edge, which judges what the two servers agree on and
    changes nothing of it (A5, A32)"""

    @staticmethod
    def policy_edit(text):
        for peer in ("mediation1", "gateway2"):
            text = section(text, f"peer {peer}", media="bypass")
        return text + ("\n[media bypass]\nlevel = required\nkey_exchange = dtls\n"
                       "engine = native\n")

    @staticmethod
    def script_edit(text):
        return re.sub(r"(?m)^route\[MEDIA\] \{\n", "route[MEDIA] {\n\treturn;\n", text)

    ICE = ("a=ice-lite", "a=ice-ufrag:KtGq", "a=ice-pwd:" + "w" * 22,
           "a=candidate:1 1 UDP 2130706431 127.0.0.11 51574 typ host",
           "a=candidate:1 2 UDP 2130705918 127.0.0.11 51575 typ host",
           "a=candidate:2 1 TCP-PASS 174455807 198.51.100.7 443 typ relay raddr 10.0.0.1"
           " rport 443 ",
           "a=candidate:2 2 TCP-PASS 174455294 198.51.100.7 443 typ relay raddr 10.0.0.1"
           " rport 443 ", "a=rtcp-mux", "a=rtcp-rsize")

    def gateway2(self, answer):
        return Gateway(self.LAB, answer, place=(lab.GATEWAY2, 5067), leaf="gateway2")

    def call(self, body, answer_body):
        """(what gateway2 got, what the mediation server got)"""
        place = f"<sip:far@{lab.GATEWAY2}:5067;transport=tls>"
        with self.gateway2(lambda r: reply(r, body=answer_body, contact=place)) as far:
            call = Call(self.server, body, uri="sip:gw2-test@lab.test",
                        domain="mediation1.lab.test")
            if call.answer.status == 200:
                self.assertEqual(call.ack().bye().status, 200)
            return far.requests("INVITE"), call.answer

    def bypass_sdp(self, setup, address, proto="UDP/TLS/RTP/SAVP", fingerprint=FINGERPRINT):
        return mediation_sdp(proto, *self.ICE, fingerprint, f"a=setup:{setup}",
                             address=address)

    def test_descriptions_pass_byte_for_byte(self):
        body = self.bypass_sdp("actpass", lab.MEDIATION1)
        answer_body = self.bypass_sdp("active", lab.GATEWAY2)
        (request,), answer = self.call(body, answer_body)
        self.assertEqual(answer.status, 200)
        self.assertEqual((request.body, answer.body), (body, answer_body))
        self.assertEqual(self.calls_of_rtpengine(), [])

    def test_what_is_not_secured_does_not_pass(self):
        secured = self.bypass_sdp("active", lab.GATEWAY2)
        for body, reason in (
                (self.bypass_sdp("actpass", lab.MEDIATION1, "RTP/AVP"), "media-clear"),
                (mediation_sdp("RTP/SAVP", crypto(1)), "media-keying"),
                (self.bypass_sdp("actpass", lab.MEDIATION1,
                                 fingerprint="a=fingerprint:md5 " + ":".join(["5A"] * 16)),
                 "media-keying")):
            requests, answer = self.call(body, secured)
            self.assertEqual((requests, answer.status), ([], 488))
            self.assertIn(reason, answer.get("warning"))

    def test_a_clear_answer_does_not_pass(self):
        requests, answer = self.call(self.bypass_sdp("actpass", lab.MEDIATION1),
                                     mediation_sdp("RTP/AVP", address=lab.GATEWAY2))
        self.assertEqual((len(requests), answer.status), (1, 488))
        self.refused_because("media-clear")


if __name__ == "__main__":
    unittest.main()
