# SPDX-License-Identifier: GPL-2.0-or-later
"""srtp_policy at the edge: what may come in, what may leave, and what becomes
of a call whose answer may not pass (A5, A12, A15, B9, B10, B12, B14).

Both ends are programs of this test: the gateway is a TLS server with its own
certificate that answers what the test tells it. rtpengine and the plugin are
real.
"""

import contextlib
import os
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time
import unittest

import lab
import proc
import sip

LAB = lab.Lab(os.path.join(os.environ["TG_LOG_DIR"], "lab"), peers=("mediation1",))
GATEWAY = (lab.GATEWAY1, 5067)
GOOD = "AES_CM_128_HMAC_SHA1_80"
SOON_SEC = 1.0


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


# ---- the far end ------------------------------------------------------------


class Gateway:
    """gateway1: takes calls over TLS and answers with answer(request), which
    gives octets, or a list of them. Remembers all requests and answers."""

    def __init__(self, answer):
        self.answer = answer
        self.got = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*LAB.leaf("gateway1"))
        self._context.load_verify_locations(LAB.ca())
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._open = []
        self.connection = None

    def __enter__(self):
        self._listener = socket.create_server(GATEWAY)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for s in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        proc.wait_until(lambda: lab.GATEWAY1 not in LAB.rpc("core.tcp_list"),
                        "the edge lets go of gateway1", 5)
        # its dispatcher of failures forgets, too
        time.sleep(1.1)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(raw,), daemon=True).start()

    def _talk(self, raw):
        with contextlib.suppress(OSError):
            tls = self._context.wrap_socket(raw, server_side=True)
            self._open.append(tls)
            connection = sip.Connection.__new__(sip.Connection)
            connection.transport, connection.socket = "tls", tls
            connection._buffer, connection.local = b"", GATEWAY
            self.connection = connection
            while True:
                message = connection.receive(30)
                if message is None:
                    return
                self.got.append(message)
                for octets in self._answers(message):
                    connection.send(octets)

    def _answers(self, message):
        if not message.method or message.method == "ACK":
            return ()
        if message.method == "INVITE":
            made = self.answer(message)
            return made if isinstance(made, list) else [made]
        return [reply(message)]

    def requests(self, method):
        return [m for m in self.got if m.method == method]

    def wait(self, method, n=1, timeout=3.0):
        proc.wait_until(lambda: len(self.requests(method)) >= n,
                        f"gateway1 gets {n} {method}", timeout, 0.02)
        return self.requests(method)[n - 1]


def reply(request, status="200 OK", body=b"", contact=None, tag="far"):
    to = request.get("to")
    lines = [f"SIP/2.0 {status}", *(f"Via: {v}" for v in request.all("via")),
             *(f"Record-Route: {v}" for v in request.all("record-route")),
             f"From: {request.get('from')}",
             f"To: {to if 'tag=' in to else f'{to};tag={tag}'}",
             f"Call-ID: {request.get('call-id')}", f"CSeq: {request.get('cseq')}",
             f"Contact: {contact or '<sip:far@%s:%d;transport=tls>' % GATEWAY}"]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer_with(**more):
    """200 with an SDP made by sip.sdp"""
    return lambda request: reply(request, body=sip.sdp(lab.GATEWAY1, 40000, **more))


def counters():
    """kamcmd's answer is a datagram, and now and then it is lost"""
    for _ in range(5):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return LAB.statistics("srtp_policy")
    raise AssertionError("the edge does not tell its counters")


def lines(body, start):
    return [line for line in body.decode().split("\r\n") if line.startswith(start)]


def offer(extra=b"", **more):
    return sip.sdp(lab.CLIENT, 20900, **more) + extra


# ---- the near end -----------------------------------------------------------


class Call:
    """A call of a client to gateway1"""

    def __init__(self, connection, body=b"", **more):
        self.connection = connection
        self.call_id = secrets.token_hex(8)
        self.tag = secrets.token_hex(4)
        self.began = time.monotonic()
        self.answer = connection.request(
            "INVITE", "sip:gw1-test@lab.test", body=body, call_id=self.call_id,
            from_tag=self.tag, **more)
        self.took = time.monotonic() - self.began
        self.cseq = 1

    def send(self, method, body=b"", cseq=None):
        """A request inside of the dialog"""
        target = re.search("<([^>]*)>", self.answer.get("contact"))
        octets = sip.build(
            method, target.group(1), self.connection, call_id=self.call_id,
            from_tag=self.tag, cseq=cseq or self.cseq, body=body,
            headers=[f"Route: {r}" for r in reversed(self.answer.all("record-route"))])
        to = f"To: {self.answer.get('to')}".encode()
        self.connection.send(b"\r\n".join(
            to if line.lower().startswith(b"to:") else line
            for line in octets.split(b"\r\n\r\n")[0].split(b"\r\n"))
            + b"\r\n\r\n" + body)

    def ack(self, body=b""):
        self.send("ACK", body)
        return self

    def again(self, body):
        """A re-INVITE: its final answer, acknowledged when it is a 2xx"""
        self.cseq += 1
        self.send("INVITE", body)
        answer = self.connection.final()
        if answer is not None and answer.status < 300:
            self.send("ACK")
        return answer

    def bye(self):
        self.cseq += 1
        self.send("BYE")
        return self.connection.final()


class Case(unittest.TestCase):
    def setUp(self):
        self.client = LAB.client()
        self.addCleanup(self.client.close)
        self.counters = counters()

    def refused_because(self, reason, n=1):
        name = "refused_" + reason.replace("-", "_")
        now = counters()
        self.assertGreaterEqual(now[name] - self.counters[name], n, now)

    def assert_no_media(self):
        proc.wait_until(lambda: not LAB.secured_streams(), "no secured leg is left", 3)


# ---- what comes in ----------------------------------------------------------


class OffersOfAClient(Case):
    def refused(self, body, reason, names, **more):
        with Gateway(answer_with()) as far:
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
        with Gateway(answer_with()):
            call = Call(self.client, offer(b"m=video 0 RTP/AVP 96\r\n"))
            self.assertEqual(call.answer.status, 200)
            call.ack().bye()


# ---- what leaves --------------------------------------------------------------


class WhatTheGatewayGets(Case):
    def assert_secured(self, message, n_crypto=1):
        self.assertEqual(len(message.body), int(message.get("content-length")))
        self.assertEqual(len(lines(message.body, "m=audio")), 1)
        self.assertIn(" RTP/SAVP ", lines(message.body, "m=audio")[0])
        crypto = lines(message.body, "a=crypto:")
        self.assertEqual(len(crypto), n_crypto, crypto)
        for line in crypto:
            self.assertEqual(line.split()[1], GOOD)
        self.assertNotIn(b"x-trunkguard", message.raw)

    def test_offer_and_answer_are_secured_and_hold_no_proof(self):
        with Gateway(answer_with()) as far:
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
        with Gateway(answer_with()) as far:
            call = Call(self.client, body, content_type="multipart/mixed;boundary=x")
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assertIn(b"\r\nhello\r\n--x--", far.wait("INVITE").body)
            call.ack().bye()

    def test_an_offer_in_the_answer(self):
        with Gateway(answer_with()) as far:
            call = Call(self.client)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            call.ack(offer())
            self.assert_secured(far.wait("ACK"))
            self.assertEqual(call.bye().status, 200)
        self.assert_no_media()

    def test_an_offer_in_the_answer_with_several_suites(self):
        with Gateway(answer_with(suites=("AES_256_CM_HMAC_SHA1_80", GOOD))) as far:
            call = Call(self.client)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            call.ack(offer())
            self.assert_secured(far.wait("ACK"))
            call.bye()

    def test_reinvite(self):
        with Gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            answer = call.again(offer())
            self.assertEqual(answer.status, 200)
            self.assert_secured(far.wait("INVITE", 2))
            self.assert_secured(answer)
            self.assertEqual(call.bye().status, 200)

    def test_a_clear_reinvite_is_refused_and_the_call_stays(self):
        with Gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            answer = call.again(offer(secured=False))
            self.assertEqual(answer.status, 488)
            self.assertEqual(len(far.requests("INVITE")), 1)
            self.assertEqual(len(LAB.secured_streams()), 1)
            self.assertEqual(call.bye().status, 200)


# ---- answers that may not pass --------------------------------------------------


class AnswersThatMayNotPass(Case):
    def refused(self, answer, reason, body=None):
        with Gateway(answer) as far:
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
        with Gateway(lambda r: [reply(r, "183 Session Progress", clear),
                                answer_with()(r)]):
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            call.ack().bye()
        self.refused_because("media-clear")

    def test_a_clear_answer_to_a_reinvite_ends_the_call(self):
        with Gateway(answer_with()) as far:
            call = Call(self.client, offer()).ack()
            far.wait("ACK")
            far.answer = answer_with(secured=False)
            answer = call.again(offer())
            self.assertEqual(answer.status, 481)
            far.wait("BYE")


if __name__ == "__main__":
    unittest.main()
