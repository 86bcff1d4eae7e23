# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages, presence, HTTP and WebSocket at the lab's edge: how they are asked
for, and their rows of the lab's table. Each refusal has the same thing over
TLS beside it.
"""

import base64
import secrets
import xml.etree.ElementTree as ET

import lab
import sip

BOB = lab.BOB
WEB_TLS, WEB_CLEAR = 5443, 5080

PIDF = """<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@lab.test">
<tuple id="t1"><status><basic>open</basic></status></tuple></presence>
""".encode()


# ---- messages and presence -------------------------------------------------------

def message(connection, to="bob"):
    return sip.build("MESSAGE", f"sip:{to}@lab.test", connection, body=b"hello",
                     content_type="text/plain")


def publish(connection):
    return sip.build("PUBLISH", "sip:bob@lab.test", connection, user="bob", body=PIDF,
                     content_type="application/pidf+xml",
                     headers=("Event: presence", "Expires: 60"))


def subscribe(connection, expires=60):
    return sip.build("SUBSCRIBE", "sip:bob@lab.test", connection,
                     headers=("Event: presence", f"Expires: {expires}",
                              "Accept: application/pidf+xml"))


MRAS = """<?xml version="1.0"?>
<request xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp" requestID="1" version="1.0"
 from="sip:mediation1.lab.test" to="sip:mras@edge.lab.test"><credentialsRequest
 credentialsRequestID="1"><identity>sip:alice@lab.test</identity></credentialsRequest>
</request>""".encode()


def service(connection):
    return sip.build("SERVICE", "sip:mras@edge.lab.test", connection, body=MRAS,
                     content_type="application/msrtc-media-relay-auth+xml")


def told(answer, *what):
    """Elements of an answer to service()."""
    root = ET.fromstring(answer.body.decode())
    space = "{http://schemas.microsoft.com/2006/09/sip/mrasp}"
    return tuple(next(root.iter(space + one)).text for one in what)


def credentials(answer):
    """(user name, password) of an answer to service()."""
    return told(answer, "username", "password")


def answer_of(a_lab, build, transport="tls", source=lab.CLIENT):
    """The final answer to one request on a connection of its own."""
    with a_lab.client(source, transport) as c:
        c.send(build(c))
        return c.final(4)


# ---- HTTP and WebSocket ----------------------------------------------------------

def web(a_lab, secured):
    return a_lab.connect(lab.CLIENT, None, "tls" if secured else "tcp",
                         WEB_TLS if secured else WEB_CLEAR)


def http(connection, line, *headers):
    connection.socket.settimeout(5)
    # Kamailio takes HTTP that has a Via; it would add one itself otherwise
    connection.send("\r\n".join((
        line, "Host: edge.lab.test", f"Via: SIP/2.0/TCP {lab.CLIENT};branch=z9hG4bK1",
        *headers, "Content-Length: 0", "", "")).encode())
    try:
        return connection.socket.recv(65536).decode(errors="replace")
    except OSError:
        return ""


def get(a_lab, path, secured=True, method="GET"):
    with web(a_lab, secured) as c:
        return http(c, f"{method} {path} HTTP/1.1")


def upgrade(connection):
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return http(connection, "GET / HTTP/1.1", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: sip")


def ask_in_websocket(connection, octets):
    """One masked frame with a SIP message (RFC 7118); what comes back."""
    mask = secrets.token_bytes(4)
    connection.send(b"\x81\xfe" + len(octets).to_bytes(2, "big") + mask
                    + bytes(b ^ mask[i % 4] for i, b in enumerate(octets)))
    return connection.socket.recv(65536)


# ---- rows of the table -----------------------------------------------------------

def _first_line(text):
    return text.split("\r\n")[0] if text else "closed"


def _both_ways(over_tls, in_clear, good):
    """(ok, seen) of the same thing over TLS and in clear."""
    seen = f"{over_tls}; in clear {in_clear}"
    return good in over_tls and " 403" in f" {in_clear}", seen


def add_rows(row):
    @row("message", "an instant message to a registered client",
         "200 OK over TLS", refusal=False)
    def message_row(a_lab):
        with a_lab.client(BOB) as bob, a_lab.client() as alice:
            bob.request("REGISTER", "sip:lab.test", user="bob", to="sip:bob@lab.test")
            alice.send(message(alice))
            got = bob.receive(5)
            if got is None or got.body != b"hello":
                return False, "it did not arrive"
            bob.send(b"\r\n".join((
                b"SIP/2.0 200 OK", *(f"Via: {v}".encode() for v in got.all("via")),
                *(f"{h}: {got.get(h)}".encode() for h in ("From", "To", "Call-ID", "CSeq")),
                b"Content-Length: 0", b"", b"")))
            answer = alice.final()
        return answer is not None and answer.status == 200, f"{answer}, read by bob"

    @row("message-clear", "the same over TCP", "403 TLS Required", refusal=True)
    def message_clear(a_lab):
        clear = answer_of(a_lab, message, "tcp")
        good = answer_of(a_lab, lambda c: message(c, "nobody"))
        return (clear is not None and clear.status == 403 and good is not None
                and good.status == 404, f"{clear}; over TLS, to nobody, {good}")

    @row("mras", "mediation1 asks for credentials of a media relay", "issued over "
         "mutual TLS, 403 over TCP", refusal=True)
    def mras_row(a_lab):
        with a_lab.connect(lab.MEDIATION1, "mediation1") as c:
            c.send(service(c))
            good = c.final(4)
        with a_lab.connect(lab.MEDIATION1, transport="tcp") as c:
            c.send(service(c))
            clear = c.final(4)
        return (good is not None and good.status == 200 and b"<password>" in good.body
                and clear is not None and clear.status == 403
                and b"<password>" not in clear.body, f"{good}; over TCP {clear}")

    @row("relay", "a client behind that relay, coturn, with these credentials",
         "relayed; with another password not")
    def relay_row(a_lab):
        with a_lab.connect(lab.MEDIATION1, "mediation1") as c:
            c.send(service(c))
            answer = c.final(4)
        if answer is None or answer.status != 200:
            return False, f"no credentials: {answer}"
        name, password, *relay = told(answer, "username", "password", "directIPAddress",
                                      "udpPort")
        good = a_lab.relays(name, password, *relay)
        bad = a_lab.relays(name, password[::-1], *relay)
        return good and not bad, (f"{'' if good else 'not '}relayed by {':'.join(relay)}; "
                                  f"with another password {'relayed' if bad else 'not'}")

    @row("presence-clear", "a client publishes its presence over UDP", "403 TLS Required",
         refusal=True)
    def presence_clear(a_lab):
        clear, good = answer_of(a_lab, publish, "udp", BOB), answer_of(a_lab, publish,
                                                                      source=BOB)
        return (clear is not None and clear.status == 403 and good is not None
                and good.status == 200, f"{clear}; over TLS {good}")

    @row("http-clear", "content asked for over plain HTTP", "403, 200 over HTTPS",
         refusal=True)
    def http_clear(a_lab):
        return _both_ways(_first_line(get(a_lab, "/")),
                          _first_line(get(a_lab, "/", secured=False)), " 200 ")

    @row("websocket-clear", "a WebSocket without TLS", "403, 101 over TLS", refusal=True)
    def websocket_clear(a_lab):
        seen = []
        for secured in (True, False):
            with web(a_lab, secured) as c:
                seen.append(_first_line(upgrade(c)))
        return _both_ways(*seen, " 101 ")
