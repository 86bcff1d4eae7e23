# SPDX-License-Identifier: GPL-2.0-or-later
"""Daemons under supervision: started with a log of their own, waited for by
what they answer, stopped by process id and nothing else.

NAME.pid holds the pid, NAME.start when that process started, so that a number
that was given to another process since is never signalled.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time


_children = {}  # pid: Popen, of this program, so that what ended can be reaped


class ProcError(Exception):
    """A daemon that did not start, or a port that is taken."""


def _stat(pid):
    """The fields of /proc/PID/stat from the state on; None if it is gone. A
    process whose first thread has ended is there, and holds its ports, until
    its last thread has ended too."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ended = fields[0] in "ZX" and len(os.listdir(f"/proc/{pid}/task")) < 2
    except (OSError, IndexError):
        return None
    return None if ended else fields


def start_time(pid):
    """Clock ticks since boot when pid started; None if it is gone."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def wait_until(condition, what, seconds=20.0, step=0.02):
    """The first true result of condition(); ProcError when time is up."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= end:
            raise ProcError(f"{what}: not within {seconds:g} s")
        time.sleep(step)


def _bind(kind, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, port))


def free(proto, host, port):
    """True when nobody holds the port. proto: 'tcp' or 'udp'."""
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    try:
        _bind(kind, host, port)
    except OSError:
        return False
    return True


def require_free(ports):
    """ports: (proto, host, port, who wants it). Names every one that is taken."""
    taken = [f"{proto} {host}:{port} ({who})" for proto, host, port, who in ports
             if not free(proto, host, port)]
    if taken:
        raise ProcError("in use by another program: " + ", ".join(taken))


def listens(proto, host, port, pid="self"):
    """Looks the IPv4 socket up where the kernel lists it, for the network
    namespace of a process; sends nothing."""
    want = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    with open(f"/proc/{pid}/net/{proto}", encoding="ascii") as f:
        rows = (line.split() for line in f.readlines()[1:])
        return any(row[1] == want and (proto == "udp" or row[3] == "0A")
                   for row in rows)


class Daemon:
    """One supervised process in a process group of its own.

    ready: ('tcp'|'udp', host, port) triples, or callables that become true.
    """

    def __init__(self, name, argv, run_dir, log_dir, env=None, ready=(), cwd=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.pid_file = os.path.join(run_dir, f"{name}.pid")
        self.start_file = os.path.join(run_dir, f"{name}.start")
        self.log_file = os.path.join(log_dir, f"{name}.log")
        self.env = env or {}
        self.ready = tuple(ready)
        self.cwd = cwd

    def ports(self):
        return [(*r, self.name) for r in self.ready if not callable(r)]

    def pid(self):
        """The running process, or None."""
        try:
            with open(self.pid_file, encoding="ascii") as f:
                pid = int(f.read())
            with open(self.start_file, encoding="ascii") as f:
                started = int(f.read())
        except (OSError, ValueError):
            return None
        _reap(pid)
        return pid if start_time(pid) == started else None

    def running(self):
        return self.pid() is not None

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def start(self):
        """Starts it unless it runs; does not wait for it."""
        if self.running():
            return False
        require_free(self.ports())
        environment = {**os.environ, **{k: str(v) for k, v in self.env.items()}}
        with open(self.log_file, "wb") as log:
            child = subprocess.Popen(  # pylint: disable=consider-using-with
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd=self.cwd, start_new_session=True)
        _children[child.pid] = child
        with open(self.start_file, "w", encoding="ascii") as f:
            f.write(f"{start_time(child.pid) or 0}\n")
        with open(self.pid_file, "w", encoding="ascii") as f:
            f.write(f"{child.pid}\n")
        return True

    def _is_ready(self, check):
        if callable(check):
            return check()
        return listens(*check)

    def wait_ready(self, seconds=30.0):
        def all_answer():
            if not self.running():
                raise ProcError(f"{self.name} ended while starting, see "
                                f"{self.log_file}:\n{self._log_tail()}")
            return all(self._is_ready(c) for c in self.ready)
        try:
            wait_until(all_answer, f"{self.name} answers", seconds, 0.05)
        except ProcError:
            self.stop()
            raise

    def _log_tail(self, lines=15):
        return "\n".join("    " + line for line in self.log().splitlines()[-lines:])

    def stop(self, seconds=8.0):
        """Asks the process to end; what is left of its group is then killed."""
        pid = self.pid()
        if pid is not None:
            for send, sig in ((os.kill, signal.SIGTERM), (os.killpg, signal.SIGKILL)):
                with contextlib.suppress(ProcessLookupError):
                    send(pid, sig)
                with contextlib.suppress(ProcError):
                    wait_until(lambda: _group_gone(pid), self.name, seconds)
                    break
        for path in (self.pid_file, self.start_file):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return pid is not None


def _reap(pid):
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def _group_gone(pgid):
    _reap(pgid)
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    return not _group_members(pgid)


def _group_members(pgid):
    """Processes of a group that still run (zombies do not count)."""
    stats = ((int(e), _stat(e)) for e in os.listdir("/proc") if e.isdigit())
    return [pid for pid, fields in stats if fields and int(fields[2]) == pgid]
