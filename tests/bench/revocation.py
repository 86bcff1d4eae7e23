# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU of a handshake over mutual TLS where the peer's CA has revoked a hundred
thousand certificates, against one where it has revoked none."""

import os

import measure
import signalling

from signalling import pki

REVOKED = 100_000
PAIRS, HANDSHAKES = 7, 150
SHARED_MB = 128


def crl(folder, count):
    """The enterprise's list with so many others' certificates in it."""
    ca = pki.Authority("Enterprise CA")
    with open(os.path.join(folder, "enterprise-ca", "ca.key"), "rb") as f:
        ca.key.pem = f.read()
    ca.key.public = pki.openssl("pkey", "-pubout", "-outform", "DER", data=ca.key.pem)
    since = pki.now() - pki.DAY
    return ca.crl(revoked={(1 << 100) + 7 * i: since for i in range(count)})


def edge(build, name, port, count):
    folder = signalling.prepare(build, name)
    pki.write(os.path.join(folder, "list.pem"), crl(os.path.join(folder, "pki"), count))
    path = os.path.join(folder, "policy.cfg")
    with open(path, encoding="ascii") as f:
        text = f.read()
    pki.write(path, text.replace("ca_file =", f"crl_file = {folder}/list.pem\nca_file =", 1))
    return signalling.Edge(name, port, folder, build, signalling.OURS, shared_mb=SHARED_MB)


def run(build):
    none, many = edges = [edge(build, "crl-none", 5075, 0), edge(build, "crl-many", 5077, REVOKED)]
    try:
        for one in edges:
            one.daemon.start()
            one.daemon.wait_ready()
            one.load(build, "handshakes", 50)  # each process reads the list once

        def cost(one):
            return one.load(build, "handshakes", HANDSHAKES)[0] / HANDSHAKES / 1e3

        empty, full = measure.alternate(PAIRS, lambda: cost(none), lambda: cost(many))
        return measure.report(f"handshake CPU, {REVOKED} revoked / none", full, empty,
                              ("<=", 1.1), "us")
    finally:
        for one in edges:
            one.daemon.stop()
