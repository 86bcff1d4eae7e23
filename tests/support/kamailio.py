# SPDX-License-Identifier: GPL-2.0-or-later
"""One real Kamailio with a given configuration: started, waited for, asked over
its control socket, stopped by process id.

    k = Kamailio(folder, CONFIG, files={"policy.cfg": POLICY}, ready=[...])
    with k: k.rpc("tls_policy.peers")

In CONFIG and files, @DIR@ is the folder, @MODULES@ the stock modules, @OURS@
build/modules; a control socket is added.

edge() makes the configuration that most tests of tls_policy start from.
"""

import glob
import os
import re
import shutil
import subprocess

import kamcmd
import proc

SOURCE = os.environ.get("TG_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("TG_BUILD") or os.path.join(SOURCE, "build"))


class KamailioError(Exception):
    """It did not start, or refused a command; the text says why."""


def module_folder():
    found = glob.glob("/usr/lib/*/kamailio/modules") + glob.glob(
        "/usr/lib/kamailio/modules")
    if not found:
        raise KamailioError("Kamailio's modules are not installed: run make deps")
    return found[0]


def version():
    """As numbers: (6, 0, 1)."""
    said = subprocess.run(["kamailio", "-v"], check=True, capture_output=True, text=True)
    return tuple(map(int, re.search(r"kamailio (\d+)\.(\d+)\.(\d+)", said.stdout).groups()))


class Kamailio(kamcmd.Counters):
    """name: of its files. ready: what proc.Daemon waits for. memory: the
    memory managers' options; they matter on 5.6.3 (kamailio#3791)."""

    def __init__(self, folder, config, files=None, ready=(), name="kamailio",
                 shared_mb=64, arguments=(), env=None,
                 memory=("-x", "fm", "-X", "fm")):
        self.folder, self.name = os.path.abspath(folder), name
        os.makedirs(self.folder, exist_ok=True)
        self.socket = os.path.join(self.folder, f"{name}_ctl")
        for path, text in (files or {}).items():
            self.write(path, text)
        self.write(f"{name}.cfg", config)
        argv = ["kamailio", "-DD", "-E", "-f", os.path.join(self.folder, f"{name}.cfg"),
                *memory, "-m", str(shared_mb), "-M", "8",
                "-Y", self.folder, "-w", self.folder, *arguments]
        self.daemon = proc.Daemon(name, argv, self.folder, self.folder, env=env,
                                  ready=ready)

    def fill(self, text):
        return (text.replace("@DIR@", self.folder)
                .replace("@MODULES@", module_folder())
                .replace("@OURS@", os.path.join(BUILD, "modules"))
                .replace("@CONTROL@", f"unix:{self.socket}"))

    def write(self, path, text):
        full = os.path.join(self.folder, path)
        with open(full, "w", encoding="utf-8") as f:
            f.write(self.fill(text))
        return full

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if not shutil.which("kamailio"):
            raise KamailioError("kamailio is not installed: run make deps")
        self.daemon.start()
        self.daemon.wait_ready()
        proc.wait_until(self._answers_rpc, "the control socket answers")
        return self

    def stop(self):
        # 5.6.3, stock, at times ignores a SIGTERM that comes as it starts
        self.daemon.stop(2)

    def running(self):
        return self.daemon.running()

    def _answers_rpc(self):
        try:
            return bool(self.rpc("core.info"))
        except KamailioError:
            return False

    def refuses_to_start(self, seconds=15):
        """Its log when it ends by itself; KamailioError when it keeps running."""
        self.daemon.start()
        try:
            proc.wait_until(lambda: not self.daemon.running(), "it ends", seconds)
        except proc.ProcError as e:
            raise KamailioError(f"it runs:\n{self.log()[-2000:]}") from e
        finally:
            self.daemon.stop()
        return self.log()

    def log(self):
        return self.daemon.log()

    def rpc(self, *words, timeout=15):
        """kamcmd's output; KamailioError with its text when it fails."""
        try:
            return kamcmd.ask(self.socket, *words, timeout=timeout)
        except kamcmd.KamcmdError as e:
            raise KamailioError(str(e)) from e

    def decisions(self, **wanted):
        """Log lines of tls_policy as dicts, those that have what is wanted."""
        found = []
        for line in self.log().splitlines():
            if "gate=" not in line or "policy=" not in line:
                continue
            fields = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line[line.index("gate="):]))
            if all(fields.get(k) == v for k, v in wanted.items()):
                found.append(fields)
        return found


EDGE = """#!KAMAILIO
children=2
tcp_children=2
auto_aliases=no
alias="edge.lab.test"
enable_tls=yes
log_stderror=yes
debug=2
tcp_accept_no_cl=yes
tcp_connection_lifetime=600
dns_try_ipv6=no
server_signature=no
@LISTEN@
mpath="@MODULES@/"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "ctl.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "siputils.so"
@LOAD@
modparam("ctl", "binrpc", "@CONTROL@")
modparam("tm", "failure_reply_mode", 3)
modparam("tm", "fr_timer", 20000)
@PARAMS@
@ROUTE@
@ROUTES@
"""

TLS = """[server:default]
method = TLSv1.2+
certificate = @PKI@/edge.pem
private_key = @PKI@/edge.key
verify_certificate = no
require_certificate = no

[client:default]
method = TLSv1.2+
certificate = @PKI@/edge.pem
private_key = @PKI@/edge.key
verify_certificate = no
require_certificate = no
"""

WITH_TLS = """loadmodule "tls.so"
modparam("tls", "config", "@DIR@/tls.cfg")
"""
WITH_POLICY = WITH_TLS + """loadmodule "@OURS@/tls_policy.so"
modparam("tls_policy", "policy", "@DIR@/policy.cfg")
"""


def edge(folder, pki, policy, route, routes="", params="", load=WITH_POLICY,
         listen=("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:127.0.0.1:5061"),
         tls=TLS, **more):
    """A Kamailio in front of the policy given; PKI names the folder of pki.py."""
    config = EDGE
    route = "" if route is None else f"request_route {{\n{route}\n}}"
    for key, value in (("LISTEN", "\n".join(f"listen={x}" for x in listen)),
                       ("LOAD", load), ("PARAMS", params), ("ROUTE", route),
                       ("ROUTES", routes)):
        config = config.replace(f"@{key}@", value)
    ready = []
    for socket in listen:
        proto, _, rest = socket.partition(":")
        host, _, port = rest.rpartition(":")
        if host.startswith("["):
            continue  # proc looks at IPv4 sockets only
        ready.append(("udp" if proto == "udp" else "tcp", host, int(port)))
    files = {"tls.cfg": tls.replace("@PKI@", pki)}
    if policy is not None:
        files["policy.cfg"] = policy.replace("@PKI@", pki)
    return Kamailio(folder, config, files, ready=ready, **more)
