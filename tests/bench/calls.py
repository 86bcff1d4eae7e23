# SPDX-License-Identifier: GPL-2.0-or-later
"""What a call attempt costs with cfg/kamailio.cfg, with and without our
modules and the plugin: INVITE with SDES keys over TLS, rtpengine's offer and
answer, 200, ACK, BYE. Both ends are programs; the daemons are real.

    CPU per call, Kamailio and rtpengine, with / without      <= 1.05
    instructions per call in Kamailio, with / without         (for comparison)

CPU is what both daemons use, kernel included, in alternated pairs. Instructions
are counted by callgrind in all processes of Kamailio, user space alone; the
daemon runs twice there, with few and with many calls: start and handshakes are
the same in both, so what differs is calls.
"""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import measure  # noqa: E402

PAIRS = int(os.environ.get("BENCH_CALL_PAIRS", "5"))
CALLS = int(os.environ.get("BENCH_CPU_CALLS", "300"))
FEW = 20
MANY = int(os.environ.get("BENCH_CALLS", "120")) + FEW
BOUND = 1.05


def edge_under(root, build, out, ours):
    """A lab whose edge runs under callgrind"""
    import lab  # the environment says where build/ is

    class Lab(lab.Lab):
        def edge_daemon(self):
            daemon = super().edge_daemon()
            daemon.argv = ["valgrind", "--tool=callgrind", "--log-file=/dev/null",
                           f"--callgrind-out-file={out}.%p", *daemon.argv]
            return daemon

        def edge_answers(self):
            return True  # a handshake takes its time there: see warm()

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


def calls(a_lab, count):
    import sdp_ends
    warm(a_lab)
    with a_lab.connect(sdp_ends.lab.CLIENT, timeout=30) as client, sdp_ends.Gateway(a_lab, sdp_ends.answer_with()):
        for _ in range(count):
            call = sdp_ends.Call(client, sdp_ends.offer(), timeout=30.0)
            if call.answer is None or call.answer.status != 200:
                raise RuntimeError(f"a call failed: {call.answer}")
            if call.ack().bye() is None:
                raise RuntimeError("a BYE got no answer")


def instructions(name, build, ours, count):
    root = os.path.join(build, "bench", f"calls-{name}")
    os.makedirs(root, exist_ok=True)
    out = os.path.join(root, f"callgrind-{count}")
    for old in glob.glob(f"{out}.*"):
        os.unlink(old)
    a_lab = edge_under(root, build, out, ours)
    try:
        a_lab.up()
        calls(a_lab, count)
    finally:
        if "kamailio" in a_lab.daemons:
            a_lab.daemons["kamailio"].stop(90)
        a_lab.down()
    total = 0
    for path in glob.glob(f"{out}.*"):
        with open(path, encoding="utf-8", errors="replace") as f:
            found = re.findall(r"(?m)^(?:totals|summary): (\d+)", f.read())
        total += int(found[-1]) if found else 0
    return total


def per_call(name, build, ours):
    few = instructions(name, build, ours, FEW)
    many = instructions(name, build, ours, MANY)
    return (many - few) / (MANY - FEW)


def cpu_us(name, build, ours):
    """CPU microseconds of both daemons for one call"""
    import lab

    root = os.path.join(build, "bench", f"calls-{name}")
    with lab.Lab(root, tls_policy=ours, plugin=ours, peers=()) as a_lab:
        groups = [a_lab.daemons[n].pid() for n in ("kamailio", "rtpengine")]
        calls(a_lab, FEW)
        before = sum(measure.cpu_ns(g) for g in groups)
        calls(a_lab, CALLS)
        return (sum(measure.cpu_ns(g) for g in groups) - before) / CALLS / 1e3


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
    stock, ours = measure.alternate(PAIRS, lambda: patiently(cpu_us, "stock", build, False),
                                    lambda: patiently(cpu_us, "ours", build, True))
    met = measure.report("CPU per call, Kamailio and rtpengine, with / without ours",
                         ours, stock, ("<=", BOUND), "us")
    stock, ours = (patiently(per_call, "stock", build, False),
                   patiently(per_call, "ours", build, True))
    print(f"instructions per call in Kamailio, with / without our modules: "
          f"{ours / 1e3:.0f} k / {stock / 1e3:.0f} k, ratio {ours / stock:.3f}", flush=True)
    return met
