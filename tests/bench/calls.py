# SPDX-License-Identifier: GPL-2.0-or-later
"""What a call attempt costs with cfg/kamailio.cfg, with and without our
modules and the plugin: INVITE with SDES keys over TLS, rtpengine's offer and
answer, 200, ACK, BYE. Both ends are programs; the daemons are real.

    CPU per call, Kamailio and rtpengine, with / without      <= 1.05
    instructions per call in either daemon, with / without    (for comparison)

What is compared. Both sides run the same kamailio.cfg on the same tls.cfg:
routing, record-routing, variables, one offer, answer and delete at rtpengine
with the same words for browsers and branches, and both encrypt both legs by
SDES with one suite, which is looked up in the descriptions of every run. Without us
rtpengine's own SRTP does so, told by flags that say nothing more than that
(lab.ONE_SUITE); stock tls verifies the gateway's certificate. What a user
without us would have to write himself is not added to that side: who may send
here (the script's tls_policy_check is left out), what may leave, whether what
leaves is encrypted. So the difference is all of our checks, and it is not made
smaller by invented work.

How it is counted. Calls come one at a time, with caches gone cold between
them, and many at once. CPU is what both daemons use, kernel included, in alternated
pairs, less what they use in the same time without calls, which has a line of
its own. Instructions are those of user space by callgrind, in the processes of
Kamailio that read messages and in rtpengine. Each variant runs twice, with few
and with many calls: start and handshakes are the same in both, so what differs
is calls. Timers of Kamailio are left out there, for callgrind makes a second
as long as fifty. It has no SHA instructions: a SHA-256 that is ours costs
there about ten times of what it does (two tokens and two proofs a call).
"""

import contextlib
import glob
import os
import re
import secrets
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import measure  # noqa: E402
import sip  # noqa: E402

PAIRS = int(os.environ.get("BENCH_CALL_PAIRS", "5"))
CALLS = int(os.environ.get("BENCH_CPU_CALLS", "300"))
FEW = 20
MANY = int(os.environ.get("BENCH_CALLS", "120")) + FEW
IDLE_SEC = 3
LOADS = (("one at a time", 1), ("30 in flight", 30))
BOUND = 1.05
DAEMONS = ("kamailio", "rtpengine")


def lab_under(root, out, ours):
    """A lab whose edge and media node run under callgrind"""
    import lab  # the environment says where build/ is

    def under(daemon):
        daemon.argv = ["valgrind", "--tool=callgrind", "--log-file=/dev/null",
                       f"--callgrind-out-file={out}.{daemon.name}.%p", *daemon.argv]
        return daemon

    class Lab(lab.Lab):
        def edge_daemon(self):
            return under(super().edge_daemon())

        def edge_rtpengine(self):
            return under(super().edge_rtpengine())

        def edge_answers(self):
            return True  # a handshake takes its time there: see warm()

        def write(self, name, text, mode=0o644):
            if name == "rtp_plugin.conf":  # the program is valgrind's there
                text += "\nallow = unknown-version\n"
            return super().write(name, text, mode)

    return Lab(root, tls_policy=ours, plugin=ours, peers=())


def warm(a_lab):
    """Until the edge answers"""
    import proc

    def answered():
        try:
            with a_lab.connect("127.0.0.65", timeout=30) as c:
                return c.request("OPTIONS", "sip:edge.lab.test", timeout=30).status == 200
        except (OSError, AttributeError):
            return False
    proc.wait_until(answered, "the edge under callgrind answers", 120, 0.5)


def must_be_encrypted(what, body):
    text = body.decode()
    if " RTP/SAVP " not in text or text.count("a=crypto:") != 1:
        raise ValueError(f"{what} is not encrypted with one key:\n{text}")


def calls(a_lab, count, at_once=1):
    import sdp_ends
    warm(a_lab)
    with a_lab.connect(sdp_ends.lab.CLIENT, timeout=30) as client, \
            sdp_ends.Gateway(a_lab, sdp_ends.answer_with()) as gateway:
        for first in range(0, count, at_once):
            answer = some_calls(client, min(at_once, count - first))
        must_be_encrypted("the gateway's leg", gateway.requests("INVITE")[-1].body)
        must_be_encrypted("the client's leg", answer.body)


def some_calls(client, count):
    """All INVITEs, then all ACKs and BYEs; one of the answers"""
    import sdp_ends

    class Begun(sdp_ends.Call):
        def __init__(self):  # without waiting for its answer
            self.connection, self.cseq = client, 1
            self.call_id, self.tag = secrets.token_hex(8), secrets.token_hex(4)
            client.send(sip.build("INVITE", "sip:gw1-test@lab.test", client,
                                  body=sdp_ends.offer(), call_id=self.call_id,
                                  from_tag=self.tag))

    made = {call.call_id: call for call in (Begun() for _ in range(count))}
    for answer in finals(client, count):
        made[answer.get("call-id")].answer = answer
    for call in made.values():
        call.ack()
        call.cseq += 1
        call.send("BYE")
    finals(client, count)
    return answer


def finals(client, count):
    got = []
    while len(got) < count:
        got.append(client.final(30.0))
        if got[-1] is None or got[-1].status != 200:
            raise RuntimeError(f"a call failed: {got[-1]}")
    return got


# ---- instructions -----------------------------------------------------------


def readers(a_lab):
    """Processes of Kamailio that read messages; the others are timers, RPC"""
    found = re.findall(r"PID: (\d+)\s+DSC: (.*)", a_lab.rpc("core.psx", timeout=60))
    return {pid for pid, name in found if "receiver" in name or "tcp main" in name}


def total_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        found = re.findall(r"(?m)^(?:totals|summary): (\d+)", f.read())
    return int(found[-1]) if found else 0


def instructions(name, build, ours, count):
    """By daemon"""
    root = os.path.join(build, "bench", f"calls-{name}")
    os.makedirs(root, exist_ok=True)
    out = os.path.join(root, f"callgrind-{count}")
    for old in glob.glob(f"{out}.*"):
        os.unlink(old)
    a_lab = lab_under(root, out, ours)
    counted = set()
    try:
        a_lab.up()
        calls(a_lab, count)
        counted = readers(a_lab)
    finally:
        for daemon in DAEMONS:
            if daemon in a_lab.daemons:
                a_lab.daemons[daemon].stop(90)
        a_lab.down()
    for path in glob.glob(f"{out}.kamailio.*"):
        if path.rpartition(".")[2] not in counted:
            os.unlink(path)
    return [sum(map(total_of, glob.glob(f"{out}.{daemon}.*"))) for daemon in DAEMONS]


def per_call(name, build, ours):
    few = instructions(name, build, ours, FEW)
    many = instructions(name, build, ours, MANY)
    return [(b - a) / (MANY - FEW) for a, b in zip(few, many)]


# ---- CPU --------------------------------------------------------------------


def cpu_us(name, build, ours, at_once, idle):
    """CPU microseconds of both daemons for one call; what they use a second
    without calls goes to idle[name]"""
    import lab

    root = os.path.join(build, "bench", f"calls-{name}")
    with contextlib.ExitStack() as stack:
        a_lab = stack.enter_context(lab.Lab(root, tls_policy=ours, plugin=ours, peers=()))
        groups = [a_lab.daemons[n].pid() for n in DAEMONS]

        def used():
            return sum(map(measure.cpu_ns, groups)), time.monotonic()

        calls(a_lab, FEW, at_once)
        before, since = used()
        time.sleep(IDLE_SEC)
        after, at = used()
        a_second = (after - before) / (at - since)
        idle.setdefault(name, []).append(a_second / 1e3)
        before, since = used()
        calls(a_lab, CALLS, at_once)
        after, at = used()
        return (after - before - a_second * (at - since)) / CALLS / 1e3


def patiently(cost, *args):
    """Stock 5.6.3 loses a TLS connection now and then (kamailio#3791): again"""
    for _ in range(2):
        try:
            return cost(*args)
        except (RuntimeError, OSError) as e:
            print(f"again: {e}", file=sys.stderr, flush=True)
    return cost(*args)


def run(build):
    os.environ["TG_BUILD"] = build
    subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    idle, met = {}, True
    for how, at_once in LOADS:
        stock, ours = measure.alternate(
            PAIRS, lambda n=at_once: patiently(cpu_us, "stock", build, False, n, idle),
            lambda n=at_once: patiently(cpu_us, "ours", build, True, n, idle))
        met = measure.report(f"CPU per call, {how}, Kamailio and rtpengine, with / without ours",
                             ours, stock, ("<=", BOUND), "us") and met
    print("CPU of both a second without calls, with / without ours: "
          + " / ".join(f"{measure.interval(idle[n])[0]:.0f}" for n in ("ours", "stock"))
          + " us", flush=True)
    stock, ours = (patiently(per_call, "stock", build, False),
                   patiently(per_call, "ours", build, True))
    for daemon, a, b in zip(DAEMONS, ours, stock):
        print(f"instructions per call in {daemon}, with / without ours: "
              f"{a / 1e3:.0f} k / {b / 1e3:.0f} k, ratio {a / b:.3f}", flush=True)
    return met
