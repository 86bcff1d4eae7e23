# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of a call through the edge as programs of a test: a gateway that
answers what it is told, a client that says what it is told, and the judgement
of descriptions they get. rtpengine and the edge are real.
"""

import contextlib
import os
import re
import secrets
import socket
import ssl
import threading
import time
import unittest

import lab
import ngclient
import proc
import sip

GATEWAY = (lab.GATEWAY1, 5067)
GOOD = "AES_CM_128_HMAC_SHA1_80"
SOON_SEC = 1.0
ROOT = os.path.join(os.environ.get("TG_LOG_DIR", "build/test"), "lab")


class ScriptLab(lab.Lab):
    """A lab whose kamailio.cfg is script_edit(text)"""

    def __init__(self, root, script_edit=None, **more):
        self.script_edit = script_edit
        super().__init__(root, **{"peers": ("mediation1",), **more})

    def template(self, *path):
        text = super().template(*path)
        if self.script_edit and path[-1] == "kamailio.cfg":
            text = self.script_edit(text)
        return text


class PresetLab(ScriptLab):
    """One of cfg/policy-*.cfg is policy.cfg"""

    def __init__(self, root, policy, **more):
        self.policy = policy
        super().__init__(root, **more)

    def shipped(self, name):
        if name == "policy.cfg":
            return super().shipped(self.policy).replace(
                f"{self.pki}/teams-ca.pem", self.ca("partner-ca"))
        return super().shipped(name)


class Case(unittest.TestCase):
    """A client at LAB, and what srtp_policy counted since the test began"""

    LAB = None

    def setUp(self):
        self.client = self.LAB.client()
        self.addCleanup(self.client.close)
        self.addCleanup(self.end_calls)
        self.counters = self.counted()

    def end_calls(self):
        """Those that the test left open, whoever's tags they have"""
        for call_id in self.calls_of_rtpengine():
            ng = ngclient.Ng((lab.EDGE, lab.NG_PORT))
            try:
                ng.ask("delete", call_id)
            finally:
                ng.close()

    def counted(self):
        return self.LAB.statistics("srtp_policy")

    def gateway(self, answer, **more):
        return Gateway(self.LAB, answer, **more)

    def grew(self, name, n=1):
        now = self.counted()
        self.assertGreaterEqual(now[name] - self.counters[name], n, now)

    def refused_because(self, reason, n=1):
        self.grew("refused_" + reason.replace("-", "_"), n)

    def assert_no_media(self):
        proc.wait_until(lambda: not self.LAB.secured_streams(),
                        "no secured leg is left", 3)

    def calls_of_rtpengine(self):
        ng = ngclient.Ng((lab.EDGE, lab.NG_PORT))
        try:
            return [c.decode() if isinstance(c, bytes) else c
                    for c in ng.ask("list", limit=1000)["calls"]]
        finally:
            ng.close()

    def assert_gone(self, call):
        """rtpengine holds nothing of it"""
        proc.wait_until(lambda: call.call_id not in self.calls_of_rtpengine(),
                        "rtpengine lets go of the call", 3, 0.05)

    def assert_secured(self, message, n_crypto=1):
        self.assertEqual(len(message.body), int(message.get("content-length")))
        self.assertEqual(len(lines(message.body, "m=audio")), 1)
        self.assertIn(" RTP/SAVP ", lines(message.body, "m=audio")[0])
        crypto = lines(message.body, "a=crypto:")
        self.assertEqual(len(crypto), n_crypto, crypto)
        for line in crypto:
            self.assertEqual(line.split()[1], GOOD)
        self.assertNotIn(b"x-trunkguard", message.raw)

    def assert_clear(self, message):
        self.assertIn(" RTP/AVP ", lines(message.body, "m=audio")[0])
        for secret in (b"crypto", b"fingerprint", b"x-trunkguard"):
            self.assertNotIn(secret, message.raw)


class Mode(Case):
    """One edge for each class"""

    script_edit = policy_edit = None
    plugin = True
    preset = "policy.cfg"

    @classmethod
    def setUpClass(cls):
        cls.LAB = PresetLab(
            ROOT, cls.preset, script_edit=cls.script_edit, policy_edit=cls.policy_edit,
            plugin=cls.plugin)
        cls.LAB.up()
        cls.addClassCleanup(cls.LAB.down)


def section(text, name, **changes):
    """The policy with keys of one section set"""
    head, found, rest = text.partition(f"[{name}]\n")
    assert found, name
    body, blank, tail = rest.partition("\n\n")
    for key, value in changes.items():
        body = re.sub(rf"(?m)^{key} = .*\n?", "", body).rstrip("\n")
        body += f"\n{key} = {value}"
    return head + found + body + blank + tail


# ---- the far end ------------------------------------------------------------


class Gateway:
    """gateway1: takes calls over TLS and answers with answer(request), which
    gives octets, or a list of them. Remembers all requests and answers.
    leaf None: over TCP"""

    def __init__(self, a_lab, answer, place=GATEWAY, leaf="gateway1"):
        self.lab, self.answer, self.place, self.leaf = a_lab, answer, place, leaf
        self.got = []
        self.answer_to = {}  # method: a function like answer
        if leaf:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.lab.leaf(leaf))
            self._context.load_verify_locations(self.lab.ca())
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._open, self._threads = [], []
        self.connection = None

    def __enter__(self):
        self._listener = socket.create_server(self.place)
        self._start(self._accept)
        return self

    def _start(self, target, *args):
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def __exit__(self, *_):
        # shutdown wakes each thread before its socket's number can be another's
        for s in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for s in (self._listener, *self._open):
            s.close()
        proc.wait_until(lambda: self.place[0] not in self.lab.rpc("core.tcp_list"),
                        "the edge lets go of the gateway", 5)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self._start(self._talk, raw)

    def _talk(self, raw):
        with contextlib.suppress(OSError):
            if self.leaf:
                raw = self._context.wrap_socket(raw, server_side=True)
            self._open.append(raw)
            connection = sip.Connection.__new__(sip.Connection)
            connection.transport, connection.socket = "tls" if self.leaf else "tcp", raw
            connection._buffer, connection.local = b"", self.place
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
        with_what = self.answer if message.method == "INVITE" else reply
        made = self.answer_to.get(message.method, with_what)(message)
        return made if isinstance(made, list) else [made]

    def send(self, method, invite, body=b"", cseq=1, tag="far", headers=()):
        """A request of the callee in the dialog that invite opened"""
        octets = sip.build(
            method, re.search("<([^>]*)>", invite.get("contact")).group(1),
            self.connection, call_id=invite.get("call-id"), cseq=cseq, body=body,
            contact="<sip:far@%s:%d;transport=tls>" % GATEWAY,
            headers=[*(f"Route: {r}" for r in invite.all("record-route")), *headers])
        ends = {b"from": f"{invite.get('to')};tag={tag}", b"to": invite.get("from")}
        self.connection.send(renamed(octets, ends))

    def response(self, method, timeout=3.0):
        """The final answer to a request of the callee"""
        proc.wait_until(lambda: self._finals(method), f"gateway1 gets a {method} answered",
                        timeout, 0.02)
        return self._finals(method)[-1]

    def _finals(self, method):
        return [m for m in self.got
                if m.status >= 200 and m.get("cseq").endswith(method)]

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


def renamed(octets, headers):
    """A message with other values in some of its headers"""
    head, end, body = octets.partition(b"\r\n\r\n")
    made = []
    for line in head.split(b"\r\n"):
        name = line.partition(b":")[0]
        value = headers.get(name.lower())
        made.append(name + b": " + value.encode() if value else line)
    return b"\r\n".join(made) + end + body


def answer_with(**more):
    """200 with an SDP made by sip.sdp"""
    return lambda request: reply(request, body=sip.sdp(lab.GATEWAY1, 40000, **more))


def lines(body, start):
    return [line for line in body.decode().split("\r\n") if line.startswith(start)]


def offer(extra=b"", **more):
    return sip.sdp(lab.CLIENT, 20900, **more) + extra


# ---- the near end -----------------------------------------------------------


class Call:
    """A call of a client to gateway1"""

    def __init__(self, connection, body=b"", uri="sip:gw1-test@lab.test", **more):
        self.connection = connection
        self.call_id = secrets.token_hex(8)
        self.tag = secrets.token_hex(4)
        self.began = time.monotonic()
        self.answer = connection.request(
            "INVITE", uri, body=body, call_id=self.call_id,
            from_tag=self.tag, **more)
        self.took = time.monotonic() - self.began
        self.cseq = 1

    def made(self, method, body=b"", cseq=None, headers=()):
        """A request inside of the dialog, as octets"""
        target = re.search("<([^>]*)>", self.answer.get("contact"))
        octets = sip.build(
            method, target.group(1), self.connection, call_id=self.call_id,
            from_tag=self.tag, cseq=cseq or self.cseq, body=body,
            headers=[*(f"Route: {r}" for r in reversed(self.answer.all("record-route"))),
                     *headers])
        return renamed(octets, {b"to": self.answer.get("to")})

    def send(self, *what, **more):
        self.connection.send(self.made(*what, **more))

    def ask(self, method, body=b"", **more):
        """A request inside of the dialog: its final answer"""
        self.cseq += 1
        self.send(method, body, **more)
        return self.connection.final()

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


def registered(client):
    answer = client.request("REGISTER", "sip:lab.test", to="sip:alice@lab.test",
                            headers=("Expires: 60",))
    assert answer.status == 200, answer


def called(caller, callee, body, answer_body, domain="gw1.lab.test"):
    """caller calls alice, who answers; what the caller gets"""
    caller.send(sip.build("INVITE", "sip:alice@lab.test", caller, body=body,
                          domain=domain))
    request = callee.receive(3)
    while request is not None and request.method != "INVITE":
        request = callee.receive(3)
    assert request is not None, "alice was not called"
    callee.send(reply(request, body=answer_body, contact="<sip:alice@%s:%d;transport="
                      "tls>" % callee.local[:2]))
    answer = caller.final()
    answer.request, answer.call_id = request, request.get("call-id")
    return answer
