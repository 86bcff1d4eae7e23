# SPDX-License-Identifier: GPL-2.0-or-later
"""Finding a peer among 100,000 against finding one among 10, and what a peer
costs in memory.

    time of a look-up, the same ten peers        <= 1.5
    time of a look-up, any of them               <= 1.5
    octets of a peer, without certificates       <= 512
"""

import os
import subprocess

import measure

FEW, MANY = 10, 100_000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "25"))


def run(build):
    out = subprocess.run([f"{build}/tools/lookup", str(FEW), str(MANY), str(ROUNDS)],
                         check=True, capture_output=True, text=True, timeout=300).stdout
    rows = [line.split() for line in out.splitlines()]
    met = True
    for kind, what in (("hot", "the same ten peers"), ("random", "any of them")):
        few, many = zip(*((float(r[1]), float(r[2])) for r in rows if r[0] == kind))
        met = measure.report(
            f"look-up among {MANY} / {FEW} peers, {what}", many, few,
            ("<=", 1.5), "ns") and met
    octets = next(int(r[1]) for r in rows if r[0] == "octets")
    print(f"octets of a peer without certificates: {octets}; budget <= 512: "
          f"{'met' if octets <= 512 else 'MISSED'}", flush=True)
    return met and octets <= 512
