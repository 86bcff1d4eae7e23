# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session costs that is taken up, against a full handshake, and what it
costs to judge a connection again, against the handshake that made it:

    handshake CPU of a peer, resumed / full       <= 0.8
    handshake CPU of a client, resumed / full     <= 0.8
    CPU per connection of a sweep / handshake     <= 0.25

A peer's certificates are judged when it resumes, too. The sweep is one that
fresh CRLs call for: tls_policy.sweep judges each connection that is up.
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import time

import measure
import revocation
import signalling

from signalling import pki

import kamcmd  # noqa: E402

CLIENT = "127.0.0.65"
PAIRS, COUNT = 9, 200
SWEEPS, CONNECTIONS = 9, 400

POLICY = signalling.POLICY.replace(
    "[policy]\n", "[policy]\nhandshakes_per_sec = 0\nmax_pending = 0\n").replace(
    "ca_file =", "crl_file = {folder}/list.pem\nca_file =") + """resumption = yes
[clients staff]
address = 127.0.0.64/26
resumption = yes
"""
CONTROL = """loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:{control}")
modparam("tls_policy", "crl_check_ms", 600000)
request_route"""


class Edge(signalling.Edge):
    """Asked over its control socket; lists are looked at when that asks."""

    def __init__(self, port, build):
        folder = signalling.prepare(build, "sessions")
        self.pki = os.path.join(folder, "pki")
        super().__init__("sessions", port, folder, build, True)
        self.control = os.path.join(folder, "ctl")
        self.tlsload = os.path.join(build, "tools", "tlsload")
        self.fresh_lists()
        pki.write(os.path.join(folder, "policy.cfg"), POLICY.format(
            pki=self.pki, folder=folder, source=signalling.SOURCE))
        path = os.path.join(folder, "kamailio-sessions.cfg")
        with open(path, encoding="ascii") as f:
            text = f.read()
        pki.write(path, text.replace("request_route", CONTROL.format(control=self.control)))

    def fresh_lists(self):
        pki.write(os.path.join(self.folder, "list.pem"), revocation.crl(self.pki, 0))

    def cost(self, mode, peer):
        """CPU microseconds of one handshake."""
        leaf = os.path.join(self.pki, "mediation1")
        before = measure.cpu_ns(self.daemon.pid())
        subprocess.run(
            [*measure.on_cpu(1), self.tlsload, mode, signalling.HOST, str(self.port),
             signalling.SOURCE if peer else CLIENT, f"{leaf}.pem" if peer else "-",
             f"{leaf}.key", f"{self.pki}/enterprise-ca/ca.pem", str(COUNT)],
            check=True, capture_output=True)
        return (measure.cpu_ns(self.daemon.pid()) - before) / COUNT / 1e3

    def connect(self, stack):
        """-> CPU microseconds of each of the handshakes"""
        context = ssl.create_default_context(cafile=f"{self.pki}/enterprise-ca/ca.pem")
        context.load_cert_chain(f"{self.pki}/mediation1.pem", f"{self.pki}/mediation1.key")
        before = measure.cpu_ns(self.daemon.pid())
        for _ in range(CONNECTIONS):
            raw = stack.enter_context(socket.create_connection(
                (signalling.HOST, self.port), 5, (signalling.SOURCE, 0)))
            stack.enter_context(context.wrap_socket(raw, server_hostname="edge.lab.test"))
        time.sleep(0.5)  # the last ones are done on the other side, too
        return (measure.cpu_ns(self.daemon.pid()) - before) / CONNECTIONS / 1e3

    def sweep(self):
        """-> CPU microseconds and judgements per second"""
        self.fresh_lists()
        before, began = measure.cpu_ns(self.daemon.pid()), time.monotonic()
        said = kamcmd.ask(self.control, "tls_policy.sweep")
        lasted = time.monotonic() - began
        cpu = measure.cpu_ns(self.daemon.pid()) - before
        seen = {k: v for k, v in re.findall(r"(\w+): (\w+)", said)}
        if (seen["crls"], seen["closed"]) != ("changed", "0") or int(
                seen["judged"]) < CONNECTIONS / 2:
            raise RuntimeError(said)
        return cpu / int(seen["judged"]) / 1e3, int(seen["judged"]) / lasted


def compare_resumption(edge, peer):
    full, resumed = measure.alternate(
        PAIRS, lambda: edge.cost("handshakes", peer), lambda: edge.cost("resumed", peer))
    return measure.report(
        f"handshake CPU of a {'peer' if peer else 'client'}, resumed / full", resumed, full,
        ("<=", 0.8), "us")


def compare_sweep(edge):
    handshakes, sweeps, rates = [], [], []
    for _ in range(SWEEPS):
        with contextlib.ExitStack() as stack:
            handshakes.append(edge.connect(stack))
            cpu, rate = edge.sweep()
            sweeps.append(cpu)
            rates.append(rate)
    print(f"a sweep judges {measure.interval(rates)[0]:.0f} connections per second")
    return measure.report("CPU per connection of a sweep / handshake", sweeps, handshakes,
                          ("<=", 0.25), "us")


def run(build):
    with Edge(5079, build) as edge:
        return all([compare_resumption(edge, True), compare_resumption(edge, False),
                    compare_sweep(edge)])
