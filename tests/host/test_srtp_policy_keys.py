# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP keys and signalling in clear: none leaves over it, and what came over
it is not used (A12, A16, B5).

gateway3 is declared over TCP, media none. Kamailio and rtpengine are real.
"""

import unittest

import lab
import sip
from sdp_ends import GOOD, Call, Mode, called, lines, offer, registered, reply, section

PLACE = (lab.GATEWAY3, 5060)
CONTACT = "<sip:far@%s:%d;transport=tcp>" % PLACE


def keyed(proto=b"RTP/AVP"):
    """A description with keys, and the keys"""
    body = sip.sdp(lab.GATEWAY3, 40000).replace(b"RTP/SAVP", proto)
    return body, lines(body, "a=crypto")[0].split("inline:")[1].encode()


class KeysOverTcp(Mode):
    clear_client = False

    def tcp_gateway(self, body):
        return self.gateway(lambda r: reply(r, body=body, contact=CONTACT),
                            place=PLACE, leaf=None)

    def call(self):
        return Call(self.client, offer(), uri="sip:gw3-test@lab.test")

    def test_none_leaves_and_none_is_taken_from_an_answer(self):
        body, key = keyed()
        with self.tcp_gateway(body) as far:
            call = self.call()
            self.assertEqual(call.answer.status, 200)
            self.assert_clear(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertNotIn(key, call.answer.raw)
            call.ack().bye()

    def test_an_answer_that_insists_is_refused(self):
        with self.tcp_gateway(keyed(b"RTP/SAVP")[0]) as far:
            call = self.call()
            self.assertEqual(call.answer.status, 488)
            self.assertIn("media-keys-exposed", call.answer.get("warning"))
            far.wait("BYE")
            self.assert_gone(call)
        self.refused_because("media-keys-exposed")

    def test_an_offer_that_insists_is_refused(self):
        registered(self.client)
        with self.LAB.connect(lab.GATEWAY3, transport="tcp") as gateway:
            answer = gateway.request("INVITE", "sip:alice@lab.test", domain="gw3.lab.test",
                                     body=keyed(b"RTP/SAVP")[0])
            self.assertEqual(answer.status, 488)
            self.assertIn("media-keys-exposed", answer.get("warning"))

    def test_none_is_taken_from_an_offer(self):
        registered(self.client)
        body, key = keyed()
        with self.LAB.connect(lab.GATEWAY3, transport="tcp") as gateway:
            answer = called(gateway, self.client, body, offer(), domain="gw3.lab.test")
            self.assertEqual(answer.status, 200)
            self.assert_secured(answer.request)
            self.assertNotIn(key, answer.request.raw)
            self.assert_clear(answer)


    def test_none_leaves_as_a_capability(self):
        """RFC 5939: what could be chosen instead (A12)"""
        body = offer(secured=False) if self.clear_client else offer()
        key = lines(offer(), "a=crypto")[0].split("inline:")[1].encode()
        body += b"a=tcap:1 RTP/SAVP\r\na=acap:1 Crypto:1 %s inline:%s\r\na=pcfg:1 t=1 a=1\r\n" % (
            GOOD.encode(), key)
        with self.tcp_gateway(sip.sdp(lab.GATEWAY3, 40000, secured=False)) as far:
            call = Call(self.client, body, uri="sip:gw3-test@lab.test")
            self.assertEqual(call.answer.status, 200)
            self.assert_clear(far.wait("INVITE"))
            self.assertNotIn(key, far.wait("INVITE").raw)
            call.ack().bye()


class WithoutAMediaNode(KeysOverTcp):
    """Both sides may be clear and the script has no media node between them:
    a key that crossed the network in clear secures nothing at the client"""

    clear_client = True

    @staticmethod
    def policy_edit(text):
        return section(text, "media client", level="none")

    @staticmethod
    def script_edit(text):
        start = text.index("\trtpengine_manage(\"$srtpp(flags)")
        end = text.index(";\n", start) + 2
        return text[:start] + '\txdbg("no media node\\n");\n' + text[end:]

    def test_none_is_taken_from_an_offer(self):
        registered(self.client)
        body, key = keyed()
        clear = offer(secured=False)
        with self.LAB.connect(lab.GATEWAY3, transport="tcp") as gateway:
            answer = called(gateway, self.client, body, clear, domain="gw3.lab.test")
            self.assertEqual(answer.status, 200)
            self.assert_clear(answer.request)
            self.assertEqual(answer.body, clear)

    def test_none_leaves_and_none_is_taken_from_an_answer(self):
        body, key = keyed()
        with self.tcp_gateway(body) as far:
            call = Call(self.client, offer(secured=False), uri="sip:gw3-test@lab.test")
            self.assertEqual(call.answer.status, 200)
            self.assert_clear(far.wait("INVITE"))
            self.assert_clear(call.answer)
            call.ack().bye()

    def test_an_answer_that_insists_is_refused(self):
        with self.tcp_gateway(keyed(b"RTP/SAVP")[0]) as far:
            call = Call(self.client, offer(secured=False), uri="sip:gw3-test@lab.test")
            self.assertEqual(call.answer.status, 488)
            self.assertIn("media-keys-exposed", call.answer.get("warning"))
            far.wait("BYE")

    def test_a_key_of_the_client_does_not_leave(self):
        with self.tcp_gateway(keyed()[0]) as far:
            call = Call(self.client, offer(), uri="sip:gw3-test@lab.test")
            self.assertGreaterEqual(call.answer.status, 400)
            self.assertEqual(far.got, [])
        self.refused_because("media-keys-exposed")

    def test_a_key_of_an_offer_that_leaves_it_open_is_taken_out(self):
        with self.tcp_gateway(sip.sdp(lab.GATEWAY3, 40000, secured=False)) as far:
            body = offer().replace(b"RTP/SAVP", b"RTP/AVP")
            call = Call(self.client, body, uri="sip:gw3-test@lab.test")
            self.assertEqual(call.answer.status, 200)
            self.assert_clear(far.wait("INVITE"))
            self.assert_clear(call.answer)
            call.ack().bye()


if __name__ == "__main__":
    unittest.main()
