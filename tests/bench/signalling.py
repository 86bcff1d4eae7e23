# SPDX-License-Identifier: GPL-2.0-or-later
"""What tls_policy costs: a stock Kamailio that asks for client certificates
against the same one with tls_policy, both over mutual TLS.

    warm requests/s, with / without      >= 0.98
    handshake CPU, with / without        <= 1.05

Each request is a TLS record of its own, as user agents write them. They come
one at a time on each of many connections, as on an edge; and as fast as
Kamailio can take them, in bursts on a few.
"""

import contextlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import measure  # noqa: E402
import pki      # noqa: E402
import proc     # noqa: E402

HOST, SOURCE = "127.0.0.1", "127.0.0.11"
PAIRS = int(os.environ.get("BENCH_PAIRS", "9"))
# Daemons of one configuration differ, for as long as they live, by where their
# memory lies: each set is one of new daemons. They live at once and take turns
# of some 30 ms, since a shared machine changes its pace within a second.
STARTS = int(os.environ.get("BENCH_STARTS", "31"))
LOADS = (("one at a time on 32 connections", 32, 1),
         ("32 at a time on 4 connections", 4, 32))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "16000"))
HANDSHAKES = int(os.environ.get("BENCH_HANDSHAKES", "400"))

OURS = "modules/tls_policy.so"
HOOK_ALONE = "tools/net_out.so"

KAMAILIO = """
debug=-1
log_stderror=yes
children=1
tcp_children=1
enable_tls=yes
tcp_max_connections=1024
listen=tls:{host}:{port}
listen=udp:{host}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "tls.so"
modparam("tls", "config", "{tls_cfg}")
{ours}
request_route {{
    {route}
}}
"""

ANSWER = 'sl_send_reply("200", "OK");'

TLS = """
[server:default]
method = TLSv1.2+
private_key = {pki}/{name}.key
certificate = {pki}/{name}.pem
ca_list = {pki}/enterprise-ca/ca.pem
verify_certificate = yes
require_certificate = yes
[client:default]
method = TLSv1.2+
private_key = {pki}/{name}.key
certificate = {pki}/{name}.pem
ca_list = {pki}/enterprise-ca/ca.pem
verify_certificate = yes
"""

POLICY = """
[policy]
profile = sfb2019
[trust enterprise]
ca_file = {pki}/enterprise-ca/ca.pem
[peer mediation1]
role = mediation
address = {source}
identity = mediation1.lab.test
trust = enterprise
transport = tls
"""


class Edge:
    """One Kamailio under measurement. under: a program that runs it.
    identity: it has the keys of that name, and its address if it is no edge."""

    def __init__(self, name, port, folder, build, module=None, under=(), shared_mb=128,
                 route=ANSWER, identity="edge"):
        host = HOST if identity == "edge" else SOURCE
        self.port = port
        self.folder = folder
        ours = f'loadmodule "{build}/{module}"' if module else ""
        if module == OURS:
            ours += f'\nmodparam("tls_policy", "policy", "{folder}/policy.cfg")'
        config = os.path.join(folder, f"kamailio-{name}.cfg")
        with open(config, "w", encoding="ascii") as f:
            f.write(KAMAILIO.format(host=host, port=port, ours=ours, route=route,
                                    tls_cfg=f"{folder}/tls-{identity}.cfg"))
        self.daemon = proc.Daemon(
            f"bench-{name}", [*measure.on_cpu(0), *under, "kamailio", "-DD", "-E", "-f", config, "-m", str(shared_mb),
                              "-M", "16", "-x", "fm", "-X", "fm"],
            folder, folder, ready=[("tcp", host, port)])

    def __enter__(self):
        self.daemon.start()
        self.daemon.wait_ready()
        return self

    def __exit__(self, *what):
        self.daemon.stop()

    def load(self, build, mode, count):
        """CPU nanoseconds and wall seconds for count handshakes."""
        group = self.daemon.pid()
        before = measure.cpu_ns(group)
        with _tlsload(build, self.folder, mode, [self.port], count) as load:
            out, _ = load.communicate()
        if load.returncode:
            raise RuntimeError(f"{mode}: tlsload failed")
        return measure.cpu_ns(group) - before, float(out.split()[1])


def _tlsload(build, folder, mode, ports, count, *how):
    pki_dir = os.path.join(folder, "pki")
    return subprocess.Popen(
        [*measure.on_cpu(1), f"{build}/tools/tlsload", mode, HOST,
         ",".join(map(str, ports)), SOURCE, f"{pki_dir}/mediation1.pem",
         f"{pki_dir}/mediation1.key", f"{pki_dir}/enterprise-ca/ca.pem", str(count),
         *map(str, how)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def requests(edges, build, count, *how):
    """count warm requests at each of the edges, by turns.

    -> (CPU nanoseconds, wall seconds) of each, without handshakes
    """
    def used():
        return [measure.cpu_ns(edge.daemon.pid()) for edge in edges]

    with _tlsload(build, edges[0].folder, "requests", [edge.port for edge in edges],
                  count, *how) as load:
        read = [load.stdout.readline()]
        before = used()
        load.stdin.write("\n")
        load.stdin.flush()
        read.append(load.stdout.readline())
        after = used()
        out, _ = load.communicate("\n")
    if read != ["ready\n", "done\n"] or load.returncode:
        raise RuntimeError(f"requests: tlsload failed: {read}")
    return [(b - a, float(seconds))
            for a, b, seconds in zip(before, after, out.split(), strict=True)]


def compare(stock, policy, what, cost, bound, unit):
    without, with_ours = measure.alternate(
        PAIRS, lambda: cost(stock), lambda: cost(policy))
    return measure.report(what, with_ours, without, bound, unit)


def compare_requests(edges, build, name, *how):
    """Time and CPU of the same runs; edges: stock, with tls_policy, with the
    core's hook alone."""
    costs = []
    for i in range(STARTS):
        turn = [(i + k) % len(edges) for k in range(len(edges))]
        with contextlib.ExitStack() as stack:
            order = [stack.enter_context(edges[k]) for k in turn]
            cost = dict(zip(turn, requests(order, build, REQUESTS, *how)))
        costs.append([cost[k] for k in range(len(edges))])
    stock, ours, hook = zip(*costs)
    print(f"warm requests over MTLS, {name}:", flush=True)
    for what, cost, bound, unit in (
            ("requests/s", lambda run: REQUESTS / run[1], (">=", 0.98), "requests/s"),
            ("CPU per request", lambda run: run[0] / REQUESTS / 1e3, ("<=", 1.02), "us")):
        theirs = [cost(run) for run in stock]
        yield measure.report(f"{what}, with / without tls_policy",
                             [cost(run) for run in ours], theirs, bound, unit)
        measure.ratio("  of which the core's copy of what leaves",
                      [cost(run) for run in hook], theirs, unit)
        print(flush=True)


def prepare(build, name="signalling"):
    """Keys and configuration that both have. -> their folder"""
    folder = os.path.join(build, "bench", name)
    os.makedirs(folder, exist_ok=True)
    pki_dir = os.path.join(folder, "pki")
    pki.make(pki_dir)
    for file, text, identity in (("tls-edge.cfg", TLS, "edge"),
                                 ("tls-mediation1.cfg", TLS, "mediation1"),
                                 ("policy.cfg", POLICY, None)):
        with open(os.path.join(folder, file), "w", encoding="ascii") as f:
            f.write(text.format(pki=pki_dir, source=SOURCE, name=identity))
    return folder


def run(build):
    folder = prepare(build)
    edges = [Edge("stock", 5071, folder, build),
             Edge("policy", 5073, folder, build, OURS),
             Edge("hook", 5075, folder, build, HOOK_ALONE)]
    met = [one for load in LOADS
           for one in compare_requests(edges, build, *load)]
    stock, policy, _ = edges
    with stock, policy:
        met.append(compare(
            stock, policy, "handshake CPU, with / without",
            lambda edge: edge.load(build, "handshakes", HANDSHAKES)[0]
            / HANDSHAKES / 1e3, ("<=", 1.05), "us"))
    return all(met)
