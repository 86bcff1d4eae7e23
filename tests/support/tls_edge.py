# SPDX-License-Identifier: GPL-2.0-or-later
"""The edge that tests of tls_policy knock at: a policy, a script, and what a
knock can end with.

A refusal counts only when the edge says so (a TLS alert, or a SIP answer) and
a control beside it was served; what cannot be reached is neither.
"""

import contextlib
import os
import socket
import ssl
import threading

import kamailio
import pki
import sip

EDGE = ("127.0.0.1", 5061)
MEDIATION1, GATEWAY1, GATEWAY3 = "127.0.0.11", "127.0.0.21", "127.0.0.23"
CLIENT, UNDECLARED = "127.0.0.65", "127.0.0.200"

POLICY = """
[policy]
profile = sfb2019

[trust enterprise]
ca_file = @PKI@/enterprise-ca/ca.pem
crl_file = @PKI@/enterprise-ca/crl.pem

[trust partner]
ca_file = @PKI@/partner-ca/ca.pem
crl_file = @PKI@/partner-ca/crl.pem

[media clear]
level = none

[peer mediation1]
role = mediation
address = 127.0.0.11
identity = mediation1.lab.test
trust = enterprise

[peer gateway1]
role = gateway
address = 127.0.0.21
identity = gw1.lab.test
trust = enterprise
next_hop = 127.0.0.21:5067

[peer gateway2]
role = gateway
address = 127.0.0.22
identity = gw2.lab.test
trust = enterprise
next_hop = 127.0.0.22:5067

[peer gateway3]
role = gateway
address = 127.0.0.23
transport = tcp
media = clear

[peer partner1]
role = federation
address = 127.0.0.31
identity = sip.partner.test
trust = partner

[clients staff]
address = 127.0.0.64/26
"""

# never calls the module: what it serves, the gates let through
ROUTE = """
	if(is_method("OPTIONS") && uri == myself) {
		sl_send_reply("200", "OK");
		exit;
	}
	sl_send_reply("404", "Not Found");
"""


def folder(*names):
    path = os.path.join(os.environ["TG_LOG_DIR"], *names)
    os.makedirs(path, exist_ok=True)
    return path


class Pki:
    """The certificates of pki.py in a folder of this test file."""

    def __init__(self):
        self.path = folder("pki")
        pki.make(self.path)

    def leaf(self, name):
        return (os.path.join(self.path, f"{name}.pem"),
                os.path.join(self.path, f"{name}.key"))

    def ca(self, name="enterprise-ca"):
        return os.path.join(self.path, name, "ca.pem")


def context(keys, leaf=None, lowest=ssl.TLSVersion.TLSv1_2, highest=None,
            ciphers=None):
    made = sip.tls_context(keys.ca(), *(keys.leaf(leaf) if leaf else ()), lowest=lowest)
    if highest:
        made.maximum_version = highest
    if ciphers:
        made.set_ciphers(ciphers)
    return made


def connect(keys, source, leaf=None, server_name="edge.lab.test", target=EDGE, **more):
    return sip.Connection("tls", target, source, context(keys, leaf, **more),
                          server_name=server_name)


def knock(keys, source, leaf=None, **more):
    """('served', status), ('alert', its name) or ('dead', what happened)."""
    try:
        with connect(keys, source, leaf, **more) as c:
            answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=3)
            return ("served", answer.status) if answer else ("dead", "no answer")
    except ssl.SSLError as e:
        reason = e.reason or str(e)
        return ("alert" if "ALERT" in reason else "dead"), reason
    except OSError as e:
        return "dead", repr(e)


def edge(name, keys, policy=POLICY, route=ROUTE, **more):
    return kamailio.edge(folder(name), keys.path, policy, route, **more)


class Server:
    """A next hop: a TLS server that counts the application octets it could
    decrypt and how each handshake ended, and answers every request with 200.

        with Server(keys, "gateway1", ("127.0.0.21", 5067)) as s: ...
    """

    def __init__(self, keys, leaf, address, highest=None, shares_port=False):
        self.connections = 0
        self.octets = 0
        self.requests = []
        self.alerts = []
        self.clients = []  # names of the certificates that it was shown
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*keys.leaf(leaf))
        self._context.load_verify_locations(keys.ca())
        self._context.verify_mode = ssl.CERT_OPTIONAL
        if highest:
            self._context.maximum_version = highest
        self._listener = socket.create_server(address, reuse_port=shares_port)
        self._open = []
        self._threads = []

    def _start(self, target, *args):
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        # shutdown wakes each thread, which closes what it has: a number that
        # was closed here could be another socket's before its thread knows
        for s in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self.connections += 1
                self._start(self._talk, raw)

    def _talk(self, raw):
        raw.settimeout(20)
        self._open.append(raw)
        try:
            with self._context.wrap_socket(raw, server_side=True) as tls:
                self._open.append(tls)
                shown = tls.getpeercert() or {}
                self.clients.append([v for k, v in shown.get("subjectAltName", ())
                                     if k == "DNS"])
                self._serve(tls)
        except ssl.SSLError as e:
            self.alerts.append(e.reason or str(e))
        except OSError as e:
            self.alerts.append(f"no alert: {e}")

    def _serve(self, tls):
        buffer = b""
        while more := tls.recv(65536):
            self.octets += len(more)
            buffer += more
            while b"\r\n\r\n" in buffer:
                head, end, buffer = buffer.partition(b"\r\n\r\n")
                request = sip.Message(head + end)
                self.requests.append(request)
                if request.method and request.method != "ACK":
                    tls.sendall(self.answer(request))

    def answer(self, request):
        return answer(request)


def answer(request, status="200 OK", tag="server"):
    lines = [f"SIP/2.0 {status}", *(f"Via: {v}" for v in request.all("via")),
             *(f"Record-Route: {v}" for v in request.all("record-route")),
             f"From: {request.get('from')}", f"To: {request.get('to')};tag={tag}",
             f"Call-ID: {request.get('call-id')}", f"CSeq: {request.get('cseq')}",
             "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class HttpsServer(Server):
    """The same over HTTP: any request gets 200 and a word."""

    def _serve(self, tls):
        self.octets += len(tls.recv(65536))
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
                    b"Connection: close\r\n\r\nword")
