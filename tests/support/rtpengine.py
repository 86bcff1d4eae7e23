# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts real rtpengine daemons for tests, with the plugin or stock."""
import os
import pathlib
import socket
import subprocess
import tempfile

from ngclient import Ng

BUILD = pathlib.Path(os.environ.get("TG_BUILD", "build")).resolve()
PLUGIN = pathlib.Path(os.environ.get(
    "TG_PLUGIN", BUILD / "rtp_plugin" / "rtpengine_srtp.so")).resolve()
LOGS = pathlib.Path(os.environ.get("TG_LOG_DIR", tempfile.gettempdir()))
DAEMON = os.environ.get("TG_RTPENGINE", "/usr/bin/rtpengine")
START_SEC = 30  # slow: a sanitizer's, on a machine that does other work
SECRET = b"test-secret-of-thirty-two-octets"


def version():
    """10.5.3.5-1+deb12u1 and the like. Without a file, which later ones read first"""
    said = subprocess.run(["rtpengine", "--config-file=none", "--version"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return said.stdout.partition("Version: ")[2].strip()


class Rtpengine:
    """One daemon. interfaces: values of --interface; plugin: preload it"""

    def __init__(self, name, ng="127.0.0.1:2223",
                 interfaces=("127.0.0.1",), ports=(30000, 30999),
                 plugin=True, conf=None, options=(), env=None):
        self.name = name
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"rtpe-{name}-"))
        self.log_path = LOGS / f"rtpengine-{name}.log"
        host, _, port = ng.rpartition(":")
        self.ng_address = (host.strip("[]"), int(port))
        self.status_path = self.dir / "status.sock"
        self.env = dict(os.environ)
        self.env.pop("LD_PRELOAD", None)
        if plugin:
            self.write_conf(conf)
            first = os.environ.get("TG_PRELOAD_FIRST")  # a sanitizer's
            self.env["LD_PRELOAD"] = ":".join(filter(None, (first,
                                                            str(PLUGIN))))
            self.env["TRUNKGUARD_RTP_CONF"] = str(self.dir / "plugin.conf")
        self.env.update(env or {})
        self.command = [
            DAEMON, "--foreground", "--log-stderr", "--config-file=none",
            "--table=-1", f"--listen-ng={ng}", f"--port-min={ports[0]}",
            f"--port-max={ports[1]}", "--num-threads=2", "--delete-delay=1",
            *(f"--interface={i}" for i in interfaces), *options]
        self.process = None

    def write_conf(self, extra):
        secret = self.dir / "secret"
        secret.write_bytes(SECRET + b"\n")
        secret.chmod(0o600)
        lines = {"secret_file": secret, "status_socket": self.status_path}
        lines.update(extra or {})
        (self.dir / "plugin.conf").write_text("[plugin]\n" + "".join(
            f"{k} = {v}\n" for k, v in lines.items() if v is not None))

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        ng = self.ng()
        try:
            ng.wait(START_SEC)
            self.check_first()
        except BaseException:
            self.stop()  # else it would answer for the next one
            raise
        finally:
            ng.close()
        return self

    def check_first(self):
        """A sanitizer that is asked for is there, with its plugin"""
        for path in self.env.get("LD_PRELOAD", "").split(":")[:-1]:
            maps = pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()
            for wanted in (path, str(PLUGIN)):
                if wanted not in maps:
                    raise AssertionError(f"{wanted} is not in the daemon")

    def refusal(self, seconds=10):
        """Starts it, expects it to end at once: (exit code, stderr)"""
        done = subprocess.run(self.command, env=self.env, timeout=seconds,
                              stdin=subprocess.DEVNULL, capture_output=True)
        return done.returncode, done.stderr.decode(errors="replace")

    def ng(self, source=None):
        return Ng(self.ng_address, source, SECRET)

    def say(self, word):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.status_path))
            s.sendall(word.encode() + b"\n")
            data = b""
            while part := s.recv(65536):
                data += part
        return data.decode()

    def status(self):
        """One dict for each stream"""
        streams, leg = [], {}
        for line in self.say("status").splitlines():
            words = line.split()
            fields = dict(w.split("=", 1) for w in words if "=" in w)
            if words[0] == "leg":
                leg = fields
            elif words[0].startswith("stream="):
                streams.append({**leg, **fields})
        return streams

    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.process and self.alive():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
