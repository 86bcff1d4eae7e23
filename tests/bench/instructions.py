# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per warm request over mutual TLS, with and without tls_policy,
as callgrind counts them in the process that reads, answers and writes.

Unlike CPU time this hardly depends on what else the machine does. The daemon
runs twice, with few and with many requests: start and handshakes are the same
in both, so what differs is requests.

    instructions per warm request, with / without      <= 1.02
"""

import glob
import os
import re
import subprocess

import signalling

FEW = 1280
MANY = int(os.environ.get("BENCH_INSTRUCTIONS", "5120")) + FEW


def _totals(pattern):
    """Instructions of each process, in the order in which they were forked."""
    found = {}
    for path in glob.glob(pattern):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        total = re.findall(r"(?m)^(?:totals|summary): (\d+)", text)
        found[int(path.rpartition(".")[2])] = int(total[-1]) if total else 0
    return [found[pid] for pid in sorted(found)]


def _run(name, port, folder, build, module, requests):
    out = os.path.join(folder, f"callgrind-{name}-{requests}")
    for old in glob.glob(f"{out}.*"):
        os.unlink(old)
    edge = signalling.Edge(name, port, folder, build, module, under=[
        "valgrind", "--tool=callgrind", "--log-file=/dev/null",
        f"--callgrind-out-file={out}.%p"])
    edge.daemon.start()
    edge.daemon.wait_ready(120)
    try:
        signalling.requests([edge], build, requests)
    finally:
        edge.daemon.stop(60)
    return _totals(f"{out}.*")


def per_request(name, port, folder, build, module=None):
    few = _run(name, port, folder, build, module, FEW)
    many = _run(name, port, folder, build, module, MANY)
    if not few or len(few) != len(many):
        raise RuntimeError(f"{name}: processes differ: {few} {many}")
    return max(b - a for a, b in zip(few, many)) / (MANY - FEW)


def run(build):
    folder = signalling.prepare(build)
    subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    stock = per_request("stock", 5075, folder, build)
    ours = per_request("policy", 5077, folder, build, signalling.OURS)
    hook = per_request("hook", 5079, folder, build, signalling.HOOK_ALONE)
    ratio = ours / stock
    met = ratio <= 1.02
    print(f"instructions per warm request, with / without tls_policy: "
          f"{ours:.0f} / {stock:.0f}, ratio {ratio:.3f}; budget <= 1.02: "
          f"{'met' if met else 'MISSED'}\n  of which the core's copy of "
          f"what leaves: {hook - stock:.0f} of {ours - stock:.0f}", flush=True)
    return met
