# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows that `make lab` prints, the host tests assert and `make test-teeth`
expects to fail without our modules: each says what is tried and what is
expected, and gives (ok, what was seen).
"""

import contextlib
import os
import re
import ssl
import time

import lab
import lab_impostor
import lab_services
import proc
import sip
import tone
import wire

CALL_SEC = 4.0
PACKETS_AT_LEAST = 100  # each way, of the 50 a second of PCMU
SILENCE_SEC = 1.5
HELD_SEC = 1.0
NOT_PLAYED = "cannot be played:"


class Row:
    """refusal: what must not pass, so it must fail without our modules."""

    def __init__(self, name, tried, expected, check, refusal=False):
        self.name, self.tried, self.expected = name, tried, expected
        self.refusal, self._check = refusal, check

    def play(self, a_lab):
        """(ok, seen). A row that cannot be played is not ok, and one that
        ends a daemon is not either."""
        try:
            ok, seen = self._check(a_lab)
        except (OSError, proc.ProcError, wire.CaptureError, lab.LabError) as e:
            ok, seen = False, f"{NOT_PLAYED} {type(e).__name__}: {e}"
        ended = [name for name, d in a_lab.daemons.items() if not d.running()]
        if ended:
            return False, f"{NOT_PLAYED} {seen}; ended: {', '.join(ended)}"
        return ok, seen


ROWS = []


def row(name, tried, expected, refusal=False):
    def keep(check):
        ROWS.append(Row(name, tried, expected, check, refusal))
        return check
    return keep


def by_name(name):
    return next(r for r in ROWS if r.name == name)


# ---- what must work ------------------------------------------------------------

@row("register", "a client registers over TLS", "200 OK")
def register(a_lab):
    with a_lab.client_phone() as phone:
        ok = phone.wait_registered()
        contacts = a_lab.rpc("ul.dump")
    held = f"Received: sip:{lab.CLIENT}:" in contacts
    return ok and held, (f"{'200 OK' if ok else 'not registered'}, contact "
                         f"{'held' if held else 'missing'} at the registrar")


@row("mediation-options", "mediation1 asks OPTIONS over mutual TLS", "200 OK")
def mediation_options(a_lab):
    # what its Kamailio is asked over UDP at home, it passes on
    with sip.Connection("udp", (lab.MEDIATION1, 5060), lab.MEDIATION1) as inside:
        answer = inside.request("OPTIONS", f"sip:{lab.EDGE_NAME}", user="",
                                domain="mediation1.lab.test")
    seen = f"{answer.status} {answer.reason}" if answer else "no answer"
    tls = f"src_ip: {lab.MEDIATION1}" in a_lab.rpc("core.tcp_list")
    return (answer is not None and answer.status == 200 and tls,
            f"{seen}, {'' if tls else 'not '}over a connection from {lab.MEDIATION1}")


def talk(_near):
    time.sleep(CALL_SEC)  # the call itself


def pick_up(_near, _other):
    """Phones answer by themselves."""


def play_call(a_lab, capture_file, inward=False, gateway="gateway1", meanwhile=talk,
              ring=pick_up, beside=contextlib.nullcontext, **phone):
    """A call of the client to the endpoint behind a gateway, or the other way,
    recorded; meanwhile is given the client, ring it and what is there beside
    it. (capture, what the client heard, what the endpoint heard, streams the
    plugin secured, why there was no call)
    """
    far = a_lab.phones[gateway]
    with a_lab.client_phone(**phone) as near, far:
        if not near.wait_registered():
            return None, {}, {}, [], "the client did not register"
        far.forget()
        caller, target = (far, "sip:alice@lab.test") if inward else (
            near, f"sip:gw{gateway[-1]}-test@lab.test")
        streams = []
        with beside() as other, wire.Capture(capture_file) as capture:
            caller.dial(target)
            ring(near, other)
            ok, why = caller.was_answered()
            if ok:
                meanwhile(near)
                streams = a_lab.secured_streams() if a_lab.plugin else []
                caller.hang_up()
                caller.wait_event(("CALL_CLOSED",))
        tones = (lab.CLIENT_HZ, lab.GATEWAY_HZ)
        return capture, near.heard(tones), far.heard(tones), streams, None if ok else why


def wire_verdict(capture, address, at=lab.CLIENT):
    """What the wire shows toward a gateway and a client, and whether it is right."""
    def rtp(src, dst):
        return wire.rtp_of([p for p in capture.packets if p.src == src and p.dst == dst])
    out, back = rtp(lab.EDGE, address), rtp(address, lab.EDGE)
    known = rtp(address, address)  # behind the gateway, in clear
    matches = wire.clear_matches(out, known) + wire.clear_matches(back, known)
    client = wire.rtp_of([p for p in capture.packets
                          if p.between(lab.EDGE, at)])
    client_matches = wire.clear_matches(client, known)
    ok = (min(len(out), len(back)) >= PACKETS_AT_LEAST
          and len(known) >= 2 * PACKETS_AT_LEAST
          and wire.clear_matches(known[:10], known) == 10  # the comparison works
          and len(client) >= 2 * PACKETS_AT_LEAST
          and matches == client_matches == 0)
    return ok, (f"{len(out)} and {len(back)} packets at the gateway, "
                f"{matches} in clear; {len(client)} at the client, "
                f"{client_matches} in clear")


def clear_sip(capture):
    """Packets with SIP in clear that are not within the house of one peer."""
    return [p for p in capture.packets
            if b"SIP/2.0" in p.payload and (p.src != p.dst or p.src == lab.EDGE)]


def call_verdict(a_lab, file, inward, gateway="gateway1", meanwhile=talk, also=None,
                 enough=CALL_SEC * 0.6, **more):
    """(ok, seen) of a call that must be secured on every side; also: the
    same of the capture; enough: seconds of tone."""
    capture, near, far, streams, why = play_call(
        a_lab, os.path.join(a_lab.root, file), inward, gateway, meanwhile, **more)
    if why is not None:
        return False, f"no call: {why}"
    also_ok, also_seen = also(capture) if also else (True, "")
    at_client, at_gateway = near[lab.GATEWAY_HZ], far[lab.CLIENT_HZ]
    wire_ok, wire_text = wire_verdict(capture, lab.PEERS[gateway][0])
    clear = len(clear_sip(capture))
    ours = _through_plugin(streams, gateway)
    return (at_client >= enough and at_gateway >= enough and wire_ok and clear == 0
            and also_ok and (ours != "" or not a_lab.plugin),
            f"{also_seen}tone for {at_client:.1f} s at the client, {at_gateway:.1f} s at the "
            f"gateway; {wire_text}; {clear} SIP packets in clear; "
            f"{ours or 'not secured by the plugin'}")


def _through_plugin(streams, gateway):
    """What the plugin says of the leg toward a gateway; empty when it is not its."""
    for stream in streams:
        if (stream.get("peer") == gateway
                and min(int(stream.get("rx", 0)), int(stream.get("tx", 0)))
                >= PACKETS_AT_LEAST):
            return f"plugin: {stream.get('keying')}, {stream.get('suite')}"
    return ""


@row("call", "the client calls the endpoint behind gateway1",
     "tones both ways, SRTP and TLS only")
def call(a_lab):
    return call_verdict(a_lab, "call.pcap", inward=False)


@row("call-in", "the endpoint behind gateway1 calls the client",
     "tones both ways, SRTP and TLS only")
def call_in(a_lab):
    return call_verdict(a_lab, "call-in.pcap", inward=True)


def hold_and_resume(near):
    for command in ("", "hold", "resume"):
        if command:
            near.command(command)
        time.sleep(CALL_SEC / 2)


@contextlib.contextmanager
def _another_place(a_lab):
    with a_lab.client(lab.BOB) as place:
        place.request("REGISTER", "sip:lab.test", to="sip:alice@lab.test",
                      headers=("Expires: 60",))
        yield place


def _speak_early(near, place):
    """The other place would, in clear; then the phone takes the call."""
    invite = place.receive(5)
    place.send(sip.response(invite, "183 Session Progress", "early", lab.BOB,
                            sip.sdp(lab.BOB, 20900, secured=False)))
    near.wait_event(("CALL_INCOMING",))
    near.command("accept")
    cancel = place.receive(5)
    place.send(sip.response(cancel, "200 OK", "early", lab.BOB))
    place.send(sip.response(invite, "487 Request Terminated", "early", lab.BOB))


@row("fork", "gateway1 calls the client at two places; one answers early and in clear",
     "that goes nowhere; tones both ways with the other, SRTP and TLS only")
def fork(a_lab):
    before = a_lab.statistics("srtp_policy")["refused_media_clear"]
    ok, seen = call_verdict(a_lab, "fork.pcap", inward=True, answermode="manual",
                            ring=_speak_early, beside=lambda: _another_place(a_lab))
    refused = a_lab.statistics("srtp_policy")["refused_media_clear"] - before
    return ok and refused == 1, f"{refused} answer refused; {seen}"


def held(capture):
    """Was there a silence, with speech before and behind it, each way? The
    phones record until the first re-INVITE only; behind it, what the endpoint
    gets in clear from its gateway is listened to."""
    def rtp(src, dst):
        return [p for p in capture.packets
                if (p.src, p.dst) == (src, dst) and wire.rtp_of([p])]

    def silence(packets):
        times = [p.time for p in packets]
        return max(((b - a, i) for i, (a, b) in enumerate(zip(times, times[1:]), 1)),
                   default=(0.0, 0))
    out, back = rtp(lab.EDGE, lab.GATEWAY1), rtp(lab.GATEWAY1, lab.EDGE)
    (gap, at), (gap_back, at_back) = silence(out), silence(back)
    ours = {p.payload[8:12] for p in out}
    behind = [p for p in rtp(lab.GATEWAY1, lab.GATEWAY1)
              if p.payload[8:12] in ours and p.time >= out[at].time] if out else []
    samples = tone.from_ulaw(b"".join(r.body for r in wire.rtp_of(behind)))
    heard = tone.seconds_of(samples, tone.RATE_HZ, lab.CLIENT_HZ)
    return (min(gap, gap_back) >= HELD_SEC and heard >= CALL_SEC * 0.3
            and min(at, len(out) - at, at_back, len(back) - at_back) >= PACKETS_AT_LEAST // 2,
            f"silence for {gap:.1f} and {gap_back:.1f} s, then the tone for {heard:.1f} s at "
            "the gateway; before it ")


@row("hold", "the client holds its call to gateway1, and resumes it",
     "tones, silence, tones; SRTP and TLS only")
def hold(a_lab):
    return call_verdict(a_lab, "hold.pcap", False, meanwhile=hold_and_resume, also=held,
                        enough=CALL_SEC * 0.3)


# ---- who must not get in -------------------------------------------------------------

def _knock(a_lab, source, leaf, ca="enterprise-ca"):
    """How the edge ends a TLS connection: ('alert', its name), ('closed', ''),
    or ('served', the status of an OPTIONS)."""
    try:
        with a_lab.connect(source, leaf, ca=ca) as c:
            c.socket.settimeout(1.0)
            try:
                if c.receive(1.0) is None:
                    answer = c.request("OPTIONS", f"sip:{lab.EDGE_NAME}", timeout=2)
                    return "served", str(answer.status if answer else "open, no answer")
            except TimeoutError:
                pass
        return "closed", ""
    except ssl.SSLError as e:
        return ("alert" if "ALERT" in (e.reason or "") else "closed"), e.reason or str(e)
    except ConnectionError as e:
        return "closed", str(e)


def _push(a_lab, source, leaf):
    """SIP sent together with the end of the handshake, before any alert can
    arrive. The status of an answer, or 0."""
    try:
        with a_lab.connect(source, leaf) as c:
            c.send(sip.build("OPTIONS", f"sip:{lab.EDGE_NAME}", c))
            answer = c.final(SILENCE_SEC)
            return answer.status if answer else 0
    except OSError:  # ssl.SSLError is one
        return 0


def refused_in_handshake(a_lab, source, leaf):
    """(ok, seen): an alert, and nothing taken even of what was sent too early."""
    before = a_lab.messages_taken()
    how, what = _knock(a_lab, source, leaf)
    status = _push(a_lab, source, leaf)
    taken = a_lab.messages_taken() - before
    return (how == "alert" and status == 0 and taken == 0,
            f"{how} {what}, {taken} messages taken".replace(" ,", ","))


@row("call-dtls", "the client calls the endpoint behind gateway2",
     "tones both ways, DTLS-SRTP and TLS only")
def call_dtls(a_lab):
    ok, seen = call_verdict(a_lab, "call-dtls.pcap", False, "gateway2")
    return ok and "plugin: dtls" in seen, seen


@row("call-legacy", "the client calls the endpoint behind gateway3, which knows no TLS",
     "tones both ways; in clear there alone")
def call_legacy(a_lab):
    capture, near, far, streams, why = play_call(
        a_lab, os.path.join(a_lab.root, "call-legacy.pcap"), gateway="gateway3")
    if why is not None:
        return False, f"no call: {why}"

    def rtp(a, b):
        return wire.rtp_of([p for p in capture.packets if p.between(a, b)])
    known = rtp(lab.GATEWAY3, lab.GATEWAY3)  # behind the gateway
    there, client = rtp(lab.EDGE, lab.GATEWAY3), rtp(lab.EDGE, lab.CLIENT)
    clear, secured = wire.clear_matches(there, known), wire.clear_matches(client, known)
    ok = (min(near[lab.GATEWAY_HZ], far[lab.CLIENT_HZ]) >= CALL_SEC * 0.5
          and min(len(there), len(client)) >= 2 * PACKETS_AT_LEAST
          and clear > len(there) // 2 and secured == 0 and not streams)
    return ok, (f"tone for {near[lab.GATEWAY_HZ]:.1f} s at the client, "
                f"{far[lab.CLIENT_HZ]:.1f} s at the gateway; {clear} of {len(there)} packets "
                f"in clear there, {secured} of {len(client)} at the client")


@row("partner", "the client asks partner1, which has a CA of its own", "200 OK")
def partner(a_lab):
    with a_lab.client() as c:
        answer = c.request("OPTIONS", "sip:anyone@partner.test")
    return answer is not None and answer.status == 200, f"{answer}"


@row("partner-our-ca", "partner1's address with a valid certificate of our own CA",
     "TLS alert, nothing parsed", refusal=True)
def partner_our_ca(a_lab):
    return refused_in_handshake(a_lab, lab.PARTNER1, "gateway1")


@row("legacy-tls", "gateway3's address over TLS, which is not what was declared",
     "TLS alert, nothing parsed", refusal=True)
def legacy_tls(a_lab):
    return refused_in_handshake(a_lab, lab.GATEWAY3, "gateway3")


@row("impostor-in", "mediation1's address with gateway1's valid certificate",
     "TLS alert, nothing parsed", refusal=True)
def impostor_in(a_lab):
    return refused_in_handshake(a_lab, lab.MEDIATION1, "gateway1")


@row("no-certificate", "mediation1's address without a certificate",
     "TLS alert, nothing parsed", refusal=True)
def no_certificate(a_lab):
    return refused_in_handshake(a_lab, lab.MEDIATION1, None)


@row("rogue-ca", "gateway1's address and name, certificate of another CA",
     "TLS alert, nothing parsed", refusal=True)
def rogue_ca(a_lab):
    return refused_in_handshake(a_lab, lab.GATEWAY1, "rogue-gateway1")


@row("undeclared", "an address nobody declared, TLS without a certificate",
     "TLS alert, nothing parsed", refusal=True)
def undeclared(a_lab):
    return refused_in_handshake(a_lab, lab.UNDECLARED, None)


def _over_udp(a_lab, source, method):
    with a_lab.connect(source, transport="udp") as c:
        answer = c.request(method, f"sip:{lab.EDGE_NAME}", timeout=SILENCE_SEC)
    return answer


@row("udp-peer", "mediation1's address over UDP", "403 or silence", refusal=True)
def udp_peer(a_lab):
    answer = _over_udp(a_lab, lab.MEDIATION1, "OPTIONS")
    over_tls = _push(a_lab, lab.MEDIATION1, "mediation1")
    seen = f"{answer.status} {answer.reason}" if answer else "silence"
    return ((answer is None or answer.status == 403) and over_tls == 200,
            f"{seen}; over mutual TLS {over_tls}")


@row("udp-client", "a client registers over UDP", "403 TLS Required", refusal=True)
def udp_client(a_lab):
    answer = _over_udp(a_lab, lab.CLIENT, "REGISTER")
    with a_lab.client() as c:
        over_tls = c.request("REGISTER", "sip:lab.test", to="sip:alice@lab.test",
                             headers=("Expires: 60",))
    over_tls = over_tls.status if over_tls else 0
    seen = f"{answer.status} {answer.reason}" if answer else "silence"
    return (answer is not None and answer.status == 403 and "TLS" in answer.reason
            and over_tls == 200, f"{seen}; over TLS {over_tls}")


lab_services.add_rows(row)


# ---- where nothing must leave to -------------------------------------------------------

def _invite_gateway1(a_lab, secured=True, timeout=4.0):
    """(final answer or None, milliseconds) of a call to gateway1."""
    with a_lab.client() as c:
        began = time.monotonic()
        answer = c.request("INVITE", "sip:gw1-test@lab.test", timeout=timeout,
                           body=sip.sdp(lab.CLIENT, 20900, secured))
        took = int((time.monotonic() - began) * 1000)
        if answer is not None and answer.status < 300:
            _end_call(c, answer)
        return answer, took


def _end_call(connection, answer):
    """ACK and BYE for a call that should not have come about."""
    target = answer.get("contact").partition("<")[2].partition(">")[0] or "sip:gw1-test@lab.test"
    dialog = {"call_id": answer.get("call-id"),
              "from_tag": answer.get("from").partition("tag=")[2],
              "headers": tuple(f"Route: {r}" for r in reversed(answer.all("record-route")))}
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        octets = sip.build(method, target, connection, cseq=cseq, **dialog)
        to = answer.get("to").encode()
        lines = [b"To: " + to if line.lower().startswith(b"to:") else line
                 for line in octets.split(b"\r\n")]
        connection.send(b"\r\n".join(lines))
    connection.final(1.0)


def _without_gateway1(a_lab):
    """Takes gateway1 away and waits until the edge holds no connection to it."""
    a_lab.daemons["gateway1"].stop()
    proc.wait_until(lambda: f"{lab.GATEWAY1}" not in a_lab.rpc("core.tcp_list"),
                    "the edge lets go of gateway1", 5)


def _gateway1_answers(a_lab):
    with a_lab.client() as c:
        answer = c.request("OPTIONS", "sip:gw1-test@lab.test", timeout=3)
    return answer is not None and answer.status == 200


def _gateway1_again(a_lab):
    """Brings gateway1 back; the edge may leave it alone for a while."""
    a_lab.daemons["gateway1"].start()
    a_lab.daemons["gateway1"].wait_ready()
    proc.wait_until(lambda: _gateway1_answers(a_lab), "gateway1 is reached again", 15, 0.2)


def _impostor_out(a_lab, leaf):
    _without_gateway1(a_lab)
    try:
        with lab_impostor.Impostor(lab.GATEWAY1, 5067, *a_lab.leaf(leaf),
                                   a_lab.ca()) as impostor:
            answer, took = _invite_gateway1(a_lab)
    finally:
        _gateway1_again(a_lab)
    status = answer.status if answer else 0
    alert = next((a for a in impostor.alerts if "ALERT" in a), "no alert")
    return (impostor.connections >= 1 and impostor.octets == 0 and alert != "no alert"
            and status >= 400 and took <= 1000,
            f"{impostor.octets} octets decrypted, {alert}, caller got "
            f"{status or 'nothing'} after {took} ms")


@row("clear-offer", "a client offers RTP/AVP toward gateway1",
     "488, the gateway never rings", refusal=True)
def clear_offer(a_lab):
    far = a_lab.phones["gateway1"]
    mark = len(far.daemon.log())
    answer, _ = _invite_gateway1(a_lab, secured=False)
    rang = "answering call" in far.daemon.log()[mark:]
    secured, _ = _invite_gateway1(a_lab)
    with_srtp = secured.status if secured else 0
    seen = f"{answer.status} {answer.reason}" if answer else "no answer"
    return (answer is not None and answer.status == 488 and not rang
            and with_srtp == 200,
            f"{seen}, the gateway {'rang' if rang else 'never rang'}; "
            f"with SRTP {with_srtp}")


@row("impostor-out-name", "gateway1 replaced by a server with mediation1's certificate",
     "0 octets, alert, error within 1 s", refusal=True)
def impostor_out_name(a_lab):
    return _impostor_out(a_lab, "mediation1")


@row("impostor-out-ca", "gateway1 replaced: its name, certificate of another CA",
     "0 octets, alert, error within 1 s", refusal=True)
def impostor_out_ca(a_lab):
    return _impostor_out(a_lab, "rogue-gateway1")


@row("stock-rtpengine", "a secured call while rtpengine has no plugin",
     "503 with a reason, no media", refusal=True)
def stock_rtpengine(a_lab):
    had = a_lab.plugin
    a_lab.restart("rtpengine", plugin=False)
    far = a_lab.phones["gateway1"]
    far_log, edge_log = len(far.daemon.log()), len(a_lab.daemons["kamailio"].log())
    try:
        with wire.Capture(os.path.join(a_lab.root, "stock.pcap")) as capture:
            answer, _ = _invite_gateway1(a_lab)
    finally:
        a_lab.restart("rtpengine", plugin=had)
    rang = "answering call" in far.daemon.log()[far_log:]
    media = len(wire.rtp_of(p for p in capture.packets
                            if p.between(lab.EDGE, lab.GATEWAY1)))
    seen = f"{answer.status} {answer.reason}" if answer else "no answer"
    reasons = sorted(set(re.findall(r"\breason=([a-z-]+)", a_lab.daemons["kamailio"]
                                    .log()[edge_log:])) - {"none"})
    told = bool({"media-unproven", "engine-absent"} & set(reasons))
    return (answer is not None and answer.status == 503 and not rang and media == 0
            and told,
            f"{seen}, logged {', '.join(reasons) or 'no reason'}, the gateway "
            f"{'rang' if rang else 'never rang'}, {media} RTP packets")
