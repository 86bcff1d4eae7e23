# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU of a process group, and ratios of alternated pairs.

Two variants of a daemon run side by side; the same load goes to one and then
to the other, the order turned round from pair to pair, so that what drifts on
the machine drifts for both. What is printed is the median of the ratios with
an interval around it; absolute figures of a shared machine mean little.
"""

import os
import statistics


def _pids_of(group):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii",
                      errors="replace") as f:
                if int(f.read().rsplit(")", 1)[1].split()[2]) == group:
                    yield pid
        except (OSError, ValueError, IndexError):
            continue


def cpu_ns(group=None, pid=None):
    """Nanoseconds of CPU used so far by a process group, or by one process."""
    total = 0
    for one in [pid] if pid else _pids_of(group):
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/schedstat",
                          encoding="ascii") as f:
                    total += int(f.read().split()[0])
        except (OSError, ValueError, IndexError):
            continue
    return total


def on_cpu(n):
    """Words before a command that hold it to one of the first CPUs, so that
    daemon and load do not change places between two runs."""
    cpus = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cpus[n])] if len(cpus) > n else []


def rss_octets(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alternate(pairs, first, second, progress=None):
    """Runs first() and second() in turn; both return a cost. -> two lists."""
    costs = ([], [])
    runs = (first, second)
    for i in range(pairs):
        for which in ((0, 1) if i % 2 == 0 else (1, 0)):
            costs[which].append(runs[which]())
        if progress:
            progress(i + 1, pairs)
    return costs


def interval(values):
    """Median and the order statistics that hold it with about 95 %."""
    ordered = sorted(values)
    n = len(ordered)
    drop = max(0, int((n - 1.96 * n ** 0.5) / 2))
    return statistics.median(ordered), ordered[drop], ordered[n - 1 - drop]


def ratio(what, numerator, denominator, unit):
    """Prints medians and their ratio with its interval. -> the ratio"""
    ratios = [a / b for a, b in zip(numerator, denominator)]
    middle, low, high = interval(ratios)
    print(f"{what}: {statistics.median(numerator):.4g} / "
          f"{statistics.median(denominator):.4g} {unit}, ratio {middle:.3f} "
          f"[{low:.3f}, {high:.3f}] over {len(ratios)} pairs", end="")
    return middle


def report(what, numerator, denominator, bound, unit):
    """One line of the bench: medians, ratio with interval, the budget."""
    middle = ratio(what, numerator, denominator, unit)
    sign, limit = bound
    met = middle <= limit if sign == "<=" else middle >= limit
    print(f"; budget {sign} {limit}: {'met' if met else 'MISSED'}", flush=True)
    return met
