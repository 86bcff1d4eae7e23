# SPDX-License-Identifier: GPL-2.0-or-later
"""Kamailio's control socket, asked through kamcmd.

The reply socket is named here: kamcmd names it after its process id below
/tmp, and process ids repeat in namespaces that share /tmp.
"""

import itertools
import os
import subprocess

_count = itertools.count()


class KamcmdError(Exception):
    """The command failed or the daemon said so; the text is its own."""


def _once(control, words, timeout):
    reply = f"{control}.{os.getpid()}.{next(_count)}"
    done = subprocess.run(
        ["kamcmd", "-s", f"unix:{control}", "-R", reply, *words],
        capture_output=True, timeout=timeout, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def ask(control, *words, timeout=15):
    """kamcmd's output. control: path of the daemon's datagram socket.

    Now and then stock kamcmd prints octets that are no text, or hangs: it is
    asked again, since every command of the tests may be.
    """
    for last in (False, False, True):
        try:
            status, text = _once(control, words, timeout if last else min(timeout, 5))
            break
        except (UnicodeDecodeError, subprocess.TimeoutExpired):
            if last:
                raise
    if status != 0 or text.startswith("error:"):
        raise KamcmdError(f"kamcmd {' '.join(words)}: {text.strip()}")
    return text


class Counters:
    """What Kamailio counts, for a class that has rpc()"""

    def statistics(self, group="core"):
        """{name: value} of one group of counters."""
        pairs = (line.partition(":") for line in
                 self.rpc("stats.fetch", f"{group}:").splitlines())
        return {name.strip().partition(".")[2]: int(value)
                for name, found, value in pairs if found}

    def messages_taken(self):
        """SIP messages that were parsed, whatever became of them."""
        core = self.statistics()
        return sum(core[name] for name in (
            "rcv_requests", "rcv_replies", "drop_requests", "drop_replies",
            "bad_msg_hdr", "bad_URIs_rcvd", "unsupported_methods"))
