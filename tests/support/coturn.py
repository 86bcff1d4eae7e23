# SPDX-License-Identifier: GPL-2.0-or-later
"""A real TURN server that shares secrets with an edge, and a client of it."""

import os
import re
import subprocess

import proc

ADDRESS = "127.0.0.50"


class Coturn:
    """turnserver on UDP, TCP (3478) and TLS (5349) of ADDRESS."""

    def __init__(self, folder, leaf, secrets):
        os.makedirs(folder, exist_ok=True)
        self.daemon = proc.Daemon("coturn", [
            "turnserver", "-c", "/dev/null", "--listening-ip", ADDRESS, "--relay-ip",
            ADDRESS, "--listening-port", "3478", "--tls-listening-port", "5349", "--cert",
            leaf[0], "--pkey", leaf[1], "--realm", "lab.test", "--use-auth-secret",
            *(word for s in secrets for word in ("--static-auth-secret", s)),
            "--allow-loopback-peers", "--no-cli", "--log-file", "stdout",
            "--userdb", os.path.join(folder, "turndb"), "--pidfile",
            os.path.join(folder, "turn.pid"), "--min-port", "50000", "--max-port", "50099",
        ], folder, folder, ready=[("udp", ADDRESS, 3478), ("tcp", ADDRESS, 3478)])

    def __enter__(self):
        self.daemon.start()
        self.daemon.wait_ready()
        return self

    def __exit__(self, *_):
        self.daemon.stop()

    @staticmethod
    def relays(username, password, *words):
        """(do messages come back through the relay, what the client says)"""
        return relays(username, password, *words, ADDRESS)


def relays(username, password, *words, where=()):
    """(do messages come back through the relay, what the client says).
    words: more for the client, the server last. where: what runs a command
    somewhere else."""
    done = subprocess.run(
        [*where, "turnutils_uclient", "-y", "-n", "2", "-m", "1", "-u", username,
         "-w", password, *words], timeout=30, capture_output=True, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    sent = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", text)
    return (done.returncode == 0 and bool(sent) and sent[-1][0] == sent[-1][1] != "0",
            text)
