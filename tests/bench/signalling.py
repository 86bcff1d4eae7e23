# SPDX-License-Identifier: GPL-2.0-or-later
"""What tls_policy costs: a stock Kamailio that asks for client certificates
against the same one with tls_policy, both over mutual TLS.

    warm requests/s, with / without      >= 0.98
    handshake CPU, with / without        <= 1.05

Each request is a TLS record of its own, as user agents write them. They come
one at a time on each of many connections, as on an edge; and as fast as
Kamailio can take them, in bursts on a few.
"""

import functools
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import measure  # noqa: E402
import pki      # noqa: E402
import proc     # noqa: E402

HOST, SOURCE = "127.0.0.1", "127.0.0.11"
PAIRS = int(os.environ.get("BENCH_PAIRS", "9"))
# Two daemons of one configuration differ by up to a tenth, for as long as they
# live, by where their memory lies: each pair of runs is one of new daemons.
STARTS = int(os.environ.get("BENCH_STARTS", "31"))
LOADS = (("one at a time on 32 connections", 32, 1),
         ("32 at a time on 4 connections", 4, 32))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "16000"))
HANDSHAKES = int(os.environ.get("BENCH_HANDSHAKES", "400"))

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
    sl_send_reply("200", "OK");
}}
"""

TLS = """
[server:default]
method = TLSv1.2+
private_key = {pki}/edge.key
certificate = {pki}/edge.pem
ca_list = {pki}/enterprise-ca/ca.pem
verify_certificate = yes
require_certificate = yes
[client:default]
method = TLSv1.2+
private_key = {pki}/edge.key
certificate = {pki}/edge.pem
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
    """One Kamailio under measurement. under: a program that runs it."""

    def __init__(self, name, port, folder, build, secured, under=(), shared_mb=128):
        self.port = port
        self.folder = folder
        ours = ""
        if secured:
            ours = (f'loadmodule "{build}/modules/tls_policy.so"\n'
                    f'modparam("tls_policy", "policy", "{folder}/policy.cfg")')
        config = os.path.join(folder, f"kamailio-{name}.cfg")
        with open(config, "w", encoding="ascii") as f:
            f.write(KAMAILIO.format(host=HOST, port=port, ours=ours,
                                    tls_cfg=f"{folder}/tls.cfg"))
        self.daemon = proc.Daemon(
            f"bench-{name}", [*measure.on_cpu(0), *under, "kamailio", "-DD", "-E", "-f", config, "-m", str(shared_mb),
                              "-M", "16", "-x", "fm", "-X", "fm"],
            folder, folder, ready=[("tcp", HOST, port)])

    def __enter__(self):
        self.daemon.start()
        self.daemon.wait_ready()
        return self

    def __exit__(self, *what):
        self.daemon.stop()

    def load(self, build, mode, count, *how):
        """CPU nanoseconds and wall seconds for count requests or handshakes."""
        pki_dir = os.path.join(self.folder, "pki")
        group = self.daemon.pid()
        before = measure.cpu_ns(group)
        out = subprocess.run(
            [*measure.on_cpu(1), f"{build}/tools/tlsload", mode, HOST, str(self.port), SOURCE,
             f"{pki_dir}/mediation1.pem", f"{pki_dir}/mediation1.key",
             f"{pki_dir}/enterprise-ca/ca.pem", str(count), *map(str, how)],
            check=True, capture_output=True, text=True).stdout
        return measure.cpu_ns(group) - before, float(out.split()[1])


def compare(stock, policy, what, cost, bound, unit):
    without, with_ours = measure.alternate(
        PAIRS, lambda: cost(stock), lambda: cost(policy))
    return measure.report(what, with_ours, without, bound, unit)


def compare_requests(edges, build, name, *how):
    """Time and CPU of the same runs."""
    def run(edge):
        with edge:
            edge.load(build, "requests", REQUESTS, *how)
            return min((edge.load(build, "requests", REQUESTS, *how)
                        for _ in range(2)), key=lambda cost: cost[0])

    without, with_ours = measure.alternate(
        STARTS, *(functools.partial(run, edge) for edge in edges))
    print(f"warm requests over MTLS, {name}:", flush=True)
    for what, cost, bound, unit in (
            ("requests/s, with / without tls_policy",
             lambda run: REQUESTS / run[1], (">=", 0.98), "requests/s"),
            ("CPU per request, with / without",
             lambda run: run[0] / REQUESTS / 1e3, ("<=", 1.02), "us")):
        yield measure.report(what, [cost(run) for run in with_ours],
                             [cost(run) for run in without], bound, unit)


def prepare(build, name="signalling"):
    """Keys and configuration that both have. -> their folder"""
    folder = os.path.join(build, "bench", name)
    os.makedirs(folder, exist_ok=True)
    pki_dir = os.path.join(folder, "pki")
    pki.make(pki_dir)
    for name, text in (("tls.cfg", TLS), ("policy.cfg", POLICY)):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(text.format(pki=pki_dir, source=SOURCE))
    return folder


def run(build):
    folder = prepare(build)
    edges = [Edge("stock", 5071, folder, build, False),
             Edge("policy", 5073, folder, build, True)]
    met = [one for load in LOADS
           for one in compare_requests(edges, build, *load)]
    with edges[0] as stock, edges[1] as policy:
        met.append(compare(
            stock, policy, "handshake CPU, with / without",
            lambda edge: edge.load(build, "handshakes", HANDSHAKES)[0]
            / HANDSHAKES / 1e3, ("<=", 1.05), "us"))
    return all(met)
