# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per call attempt of cfg/kamailio.cfg, with and without our
modules: INVITE with SDES keys over TLS, rtpengine's offer and answer, 200,
ACK, BYE. callgrind counts them in all processes of Kamailio; rtpengine and
both ends are real and outside of the count.

Each daemon runs twice, with few and with many calls: start and handshakes are
the same in both, so what differs is calls.

    instructions per call, with / without      <= 1.05
"""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
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


def run(build):
    os.environ["TG_BUILD"] = build
    subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    stock = per_call("stock", build, False)
    ours = per_call("ours", build, True)
    ratio = ours / stock
    met = ratio <= BOUND
    print(f"instructions per call, with / without our modules: {ours / 1e3:.0f} k / "
          f"{stock / 1e3:.0f} k, ratio {ratio:.3f}; budget <= {BOUND:.2f}: "
          f"{'met' if met else 'MISSED'}", flush=True)
    return met
