# SPDX-License-Identifier: GPL-2.0-or-later
"""Linphone's console phone: plays a file, records what it hears, is driven by
lines on its standard input, and says on its output what comes about.

It finds the edge by name, in a hosts file of its own, and checks the name in
the edge's certificate as it always does. Of sound cards there are none.
"""

import os
import re
import shutil
import subprocess

import lab
import proc
import tone

# use_files of the config file does not exist: it is a command
CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
ipv6_migration_done=1
use_ipv6=0
default_proxy=0
register_only_when_network_is_up=0
guess_hostname=1
verify_server_certs=1
verify_server_cn=1
root_ca={ca}
media_encryption={encryption}
media_encryption_mandatory={mandatory}
[net]
dns_srv_enabled=0
firewall_policy=none
mtu=1300
[rtp]
audio_rtp_port=20200
[video]
enabled=0
capture=0
display=0
[sound]
echocancellation=0
[proxy_0]
reg_proxy=<sip:{edge}:{port};transport={transport}>
reg_route=<sip:{edge}:{port};transport={transport}>
reg_identity="{name}" <sip:{name}@lab.test>
reg_expires=600
reg_sendregister=1
publish=0
"""

PROMPT = "linphonec> "

# a mount namespace of its own, where the edge has a name
WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


class Linphone:
    """with Linphone(a_lab, 'carol') as phone: ..."""

    def __init__(self, a_lab, name, address=lab.CLIENT, transport="tls",
                 encryption="srtp", hz=lab.CLIENT_HZ, answers=False):
        """encryption: 'srtp' (keys in the description), 'dtls' or 'none'; what
        it is told to use it insists on."""
        self.name, self.address = name, address
        self.home = os.path.join(a_lab.root, f"linphone-{name}")
        shutil.rmtree(self.home, ignore_errors=True)
        # it makes its database in a folder that it does not make
        os.makedirs(os.path.join(self.home, ".local", "share", "linphone"))
        self.recording = os.path.join(self.home, "heard.wav")
        tone.write_wav(os.path.join(self.home, "tone.wav"), hz, 60)
        self._write("hosts", f"127.0.0.1 localhost\n{lab.EDGE} {lab.EDGE_NAME}\n")
        self._write("linphonerc", CONFIG.format(
            name=name, edge=lab.EDGE_NAME, transport=transport, ca=a_lab.ca(),
            port=5061 if transport == "tls" else 5060,
            encryption=encryption, mandatory=int(encryption != "none"),
            **{t: 5071 if t == transport else 0 for t in ("udp", "tcp", "tls")}))
        self._write("log", "")
        self.environment = {"HOME": self.home, "BINDSRC": address,
                            "LD_PRELOAD": a_lab.bindsrc()}
        self.words = ["-a"] if answers else []
        self.process = None

    def _path(self, name):
        return os.path.join(self.home, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def _read(self, name):
        with open(self._path(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        with open(self._path("said"), "wb") as out:
            self.process = subprocess.Popen(  # pylint: disable=R1732
                ["unshare", "-m", "sh", "-c", WITH_HOSTS, self._path("hosts"), "stdbuf", "-oL",
                 "env", *(f"{k}={v}" for k, v in self.environment.items()),
                 "linphonec", "-S", "-d", "6", "-l", self._path("log"),
                 "-c", self._path("linphonerc"), *self.words],
                stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=self.home, text=True)
        self._prompted(0)
        self.command("soundcard use files")
        self.command(f"record {self.recording}")
        self.command(f"play {self._path('tone.wav')}")
        return self

    def __exit__(self, *_):
        self._say("quit")
        self.process.stdin.close()
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _prompted(self, times):
        proc.wait_until(lambda: self._read("said").count(PROMPT) > times,
                        f"{self.name} asks for a command", 15)

    def command(self, text):
        """It drops what comes before it asks for it."""
        asked = self._read("said").count(PROMPT)
        self._say(text)
        self._prompted(asked)

    def _say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def says(self, pattern, seconds=10.0):
        """The match of what it said, once it says it; ProcError if it does not."""
        return proc.wait_until(lambda: re.search(pattern, self._read("said")),
                               f"{self.name} says {pattern!r}", seconds)

    def answers_to(self, method):
        """The status lines of the answers that it got to its requests."""
        found = re.finditer(r"^SIP/2\.0 [^\r\n]*(?:\r?\n[^\r\n]+)*", self._read("log"), re.M)
        return [m[0].splitlines()[0] for m in found
                if re.search(rf"^CSeq: \d+ {method}\b", m[0], re.M | re.I)]

    def answered(self, method, status, seconds=10.0):
        """Waits for an answer; what it got if that is another one."""
        def final():
            return [a for a in self.answers_to(method) if not a.startswith("SIP/2.0 1")]
        got = proc.wait_until(final, f"{self.name}: {method} is answered", seconds)
        return None if got[-1].startswith(f"SIP/2.0 {status} ") else got

    def recorded_sec(self):
        """Of a call that goes on: its recording gets a header when it ends."""
        try:
            return os.path.getsize(self.recording) / (2 * tone.RATE_HZ)
        except OSError:
            return 0.0

    def heard(self, hz):
        """For how many seconds, in a call that is over."""
        try:
            return tone.find_in_file(self.recording, (hz,))[hz]
        except (OSError, ValueError):
            return 0.0
