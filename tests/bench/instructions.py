# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per warm request over mutual TLS, with and without tls_policy,
as callgrind counts them in the process that reads, answers and writes. The
same for a request that is relayed to the peer's server, and its answer back:
what an edge is for.

Unlike CPU time this hardly depends on what else the machine does. The daemon
runs twice, with few and with many requests: start and handshakes are the same
in both, so what differs is requests.

    instructions per warm request, with / without      <= 1.02
    instructions per relayed request                   told
"""

import glob
import os
import re
import subprocess

import signalling

FEW = 640
MANY = int(os.environ.get("BENCH_INSTRUCTIONS", "3200")) + FEW
CONNS = 32
PEER_PORT = 5081
RELAY = f"""rewriteuri("sip:{signalling.SOURCE}:{PEER_PORT};transport=tls");
    t_relay();"""


def _totals(pattern):
    """Instructions of each process, in the order in which they were forked."""
    found = {}
    for path in glob.glob(pattern):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        total = re.findall(r"(?m)^(?:totals|summary): (\d+)", text)
        found[int(path.rpartition(".")[2])] = int(total[-1]) if total else 0
    return [found[pid] for pid in sorted(found)]


def _run(name, port, folder, build, module, requests, route):
    out = os.path.join(folder, f"callgrind-{name}-{requests}")
    for old in glob.glob(f"{out}.*"):
        os.unlink(old)
    edge = signalling.Edge(name, port, folder, build, module, under=[
        "valgrind", "--tool=callgrind", "--log-file=/dev/null",
        f"--callgrind-out-file={out}.%p"], route=route)
    edge.daemon.start()
    edge.daemon.wait_ready(120)
    try:
        signalling.requests([edge], build, requests, CONNS, 1)
    finally:
        edge.daemon.stop(60)
    return _totals(f"{out}.*")


def per_request(name, port, folder, build, module, route):
    few, many = (_run(name, port, folder, build, module, requests, route)
                 for requests in (FEW, MANY))
    if not few or len(few) != len(many):
        raise RuntimeError(f"{name}: processes differ: {few} {many}")
    return max(b - a for a, b in zip(few, many)) / (MANY - FEW)


def of_each(folder, build, route):
    """Instructions per request: stock, with tls_policy, with the hook alone."""
    return [per_request(name, port, folder, build, module, route)
            for name, port, module in (("stock", 5075, None),
                                       ("policy", 5077, signalling.OURS),
                                       ("hook", 5079, signalling.HOOK_ALONE))]


def tell(what, stock, ours, hook, verdict=""):
    print(f"instructions per {what} request, with / without tls_policy: "
          f"{ours:.0f} / {stock:.0f}, ratio {ours / stock:.3f}{verdict}\n"
          f"  of which the core's copy of what leaves: "
          f"{hook - stock:.0f} of {ours - stock:.0f}", flush=True)


def run(build):
    folder = signalling.prepare(build, "instructions")
    subprocess.run(["valgrind", "--version"], check=True, capture_output=True)
    counts = of_each(folder, build, signalling.ANSWER)
    met = counts[1] / counts[0] <= 1.02
    tell("warm", *counts, f"; budget <= 1.02: {'met' if met else 'MISSED'}")
    with signalling.Edge("peer", PEER_PORT, folder, build, identity="mediation1"):
        tell("relayed", *of_each(folder, build, RELAY))
    return met
