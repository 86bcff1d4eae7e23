# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: PKI, edge, far ends, phones, all on the loopback and below one
folder. Addresses, names and folders are the contract of doc/lab.md.

    with lab.Lab() as l: ...        or: l.up(); ...; l.down()

Variants, for tests that show what a part is good for:
    tls_policy=False    the edge without our modules
    srtp_policy=False   the edge with tls_policy alone
    plugin=False        a stock rtpengine at the edge
    policy_edit=f       f(text) gives the policy.cfg to run with
    site_extra=TEXT     more lines for site.cfg
    turn=True           coturn beside the edge
    trunk_media=WORDS   flags for rtpengine when srtp_policy is out (RTP/AVP
                        makes the trunk run in clear)
"""

import contextlib
import glob
import os
import secrets
import shutil
import socket
import subprocess

import coturn
import kamailio
import kamcmd
import lab_phone
import pki
import proc
import sip

SOURCE = os.environ.get("TG_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("TG_BUILD") or os.path.join(SOURCE, "build"))


def _address(name, on_loopback):
    """docker/lab plays the same rows between containers."""
    return os.environ.get(f"TG_LAB_{name}", on_loopback)


EDGE = _address("EDGE", "127.0.0.1")
EDGE_TLS = (EDGE, 5061)
EDGE_NAME = "edge.lab.test"
MEDIATION1 = _address("MEDIATION1", "127.0.0.11")
GATEWAY1 = _address("GATEWAY1", "127.0.0.21")
GATEWAY2 = _address("GATEWAY2", "127.0.0.22")
GATEWAY3 = _address("GATEWAY3", "127.0.0.23")
PARTNER1 = _address("PARTNER1", "127.0.0.31")
CLIENTS = _address("CLIENTS", "127.0.0.64/26")
CLIENT = _address("CLIENT", "127.0.0.65")
BOB = _address("BOB", "127.0.0.66")
UNDECLARED = _address("UNDECLARED", "127.0.0.200")
INSIDE = _address("INSIDE", "127.0.0.128/26")
TURN = _address("TURN", coturn.ADDRESS)
NG_PORT, CLI_PORT = 2223, 2224
MEDIA_PORTS = (30000, 39999)
CLIENT_HZ, GATEWAY_HZ = 440, 1000

# What the shipped configuration says, and what the lab says instead.
IN_THE_LAB = (
    ("192.0.2.1!", f"{EDGE}!"),
    ("192.0.2.11", MEDIATION1), ("192.0.2.21", GATEWAY1), ("192.0.2.22", GATEWAY2),
    ("192.0.2.23", GATEWAY3), ("198.51.100.31", PARTNER1),
    ("192.0.2.64/26", CLIENTS), ("192.0.2.128/26", INSIDE),
    ("sip.partner.example.net", "sip.partner.test"),
    ("partner.example.net", "partner.test"), ("example.com", "lab.test"),
)

# rtpengine 10.5 offers all it has, NULL and F8 too, and knows no "only"
ONE_SUITE = " ".join(f"SDES-no-{suite}" for suite in (
    "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_32",
    "NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32"))

PEERS = {
    # name: address, name in its certificate, listener, and for a gateway with
    # an endpoint behind it what its rtpengine offers toward the edge
    "mediation1": (MEDIATION1, "mediation1.lab.test", "tls:{}:5061", None),
    "gateway1": (GATEWAY1, "gw1.lab.test", "tls:{}:5067",
                 f"RTP/SAVP DTLS=off {ONE_SUITE}"),
    "gateway2": (GATEWAY2, "gw2.lab.test", "tls:{}:5067", "UDP/TLS/RTP/SAVP SDES=off"),
    "gateway3": (GATEWAY3, "gw3.lab.test", "tcp:{}:5060", "RTP/AVP"),
    "partner1": (PARTNER1, "sip.partner.test", "tls:{}:5061", None),
}
STARTED_BY_DEFAULT = ("mediation1", "gateway1")  # lab-up: others may bring their own


MRAS = f"""
[mras]
secret_file = turn.secret
realm = lab.test
domains = lab.test

[relay turn]
location = internet
host = {TURN}
"""

# coturn's, for the relay of the policy; the secret is the edge's
TURN_CONF = """listening-ip={address}
relay-ip={address}
realm=lab.test
use-auth-secret
static-auth-secret={secret}
allow-loopback-peers
no-tls
no-dtls
no-cli
log-file=stdout
userdb={run}/turn.db
pidfile={run}/turnserver
"""


class LabError(Exception):
    """The lab cannot be brought up; the text says why."""


class Lab(kamcmd.Counters):
    """One lab below root (build/lab)."""

    def __init__(self, root=None, tls_policy=True, srtp_policy=True, plugin=True,
                 peers=STARTED_BY_DEFAULT, policy_edit=None, trunk_media=None,
                 site_extra="", turn=False):
        self.root = os.path.abspath(root or os.path.join(BUILD, "lab"))
        self.pki, self.run, self.log, self.etc = (
            os.path.join(self.root, name) for name in ("pki", "run", "log", "etc"))
        self.tls_policy = tls_policy
        self.srtp_policy = srtp_policy and tls_policy
        self.plugin = plugin
        self.peers = tuple(peers)
        self.policy_edit = policy_edit
        self.trunk_media = trunk_media
        self.site_extra = site_extra
        self.turn = turn
        self.phones = {}
        self.daemons = {}

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    # ---- files -----------------------------------------------------------

    def leaf(self, name):
        """(certificate, key) of a leaf of the PKI."""
        return (os.path.join(self.pki, f"{name}.pem"),
                os.path.join(self.pki, f"{name}.key"))

    def ca(self, name="enterprise-ca"):
        return os.path.join(self.pki, name, "ca.pem")

    def control_socket(self, name="kamailio"):
        return os.path.join(self.run, f"{name}_ctl")

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.etc, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    @staticmethod
    def template(*path):
        with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
            return f.read()

    def shipped(self, name):
        """A file of cfg/ with the lab's addresses and paths."""
        text = self.template("cfg", name)
        for old, new in IN_THE_LAB:
            text = text.replace(old, new)
        return (text.replace("/etc/trunkguard/pki", self.pki)
                .replace("/etc/trunkguard", self.etc)
                .replace("/usr/lib/x86_64-linux-gnu/kamailio/modules",
                         f"{kamailio.module_folder()}:{BUILD}/modules")
                .replace("/run/kamailio", self.run).replace("/run/rtpengine", self.run))

    def bindsrc(self):
        """The helper that gives a peer its source address, built when needed."""
        source = os.path.join(SOURCE, "tests", "support", "bindsrc.c")
        target = os.path.join(BUILD, "tools", "bindsrc.so")
        if (not os.path.exists(target)
                or os.path.getmtime(target) < os.path.getmtime(source)):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            new = f"{target}.{os.getpid()}"
            subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared",
                            "-Wall", "-Werror", "-o", new, source, "-ldl"], check=True)
            os.replace(new, target)
        return target

    def prepare(self):
        """Folders, keys and every configuration file."""
        for folder in (self.run, self.log, self.etc):
            os.makedirs(folder, exist_ok=True)
        pki.make(self.pki)
        self._write_edge()
        for name in self.peers:
            self._write_peer(name)

    def _write_edge(self):
        site = self.shipped("site.cfg").replace("_WORKERS 4", "_WORKERS 2").replace(
            "##!define WITH_PRESENCE", "#!define WITH_PRESENCE") + self.site_extra
        if self.tls_policy:
            site = site.replace("##!define WITH_MRAS", "#!define WITH_MRAS")
        if not self.tls_policy:
            site += "#!define WITHOUT_TLS_POLICY\n"
        if not self.srtp_policy:
            flags = self.trunk_media or f"RTP/SAVP DTLS=off {ONE_SUITE}"
            site += ("#!define WITHOUT_SRTP_POLICY\n"
                     f'#!substdef "#MEDIA_FLAGS_WITHOUT_POLICY#{flags} ICE=remove#g"\n')
        if not self.tls_policy:
            site += '#!define CLIENTS_BY_ADDRESS "^127[.]0[.]0[.](6[4-9]|[7-9]|1[01]|12[0-7])"\n'
        self.write("site.cfg", site)
        # all daemons of the lab are of one user: one copy of the secret does
        self.write("kamailio.cfg", self.template("cfg", "kamailio.cfg").replace(
            "kamailio.secret", "ng.secret"))
        self.write("tls.cfg", self.shipped("tls.cfg"))
        policy = self.shipped("policy.cfg") + MRAS
        self._secret("turn.secret")
        self.write("policy.cfg", self.policy_edit(policy) if self.policy_edit else policy)
        self._secret("ng.secret")
        if self.plugin:
            self.write("rtp_plugin.conf", self.shipped("rtpengine-plugin.conf"), 0o600)

    def _secret(self, name):
        """Made once; gives it."""
        path = os.path.join(self.etc, name)
        if not os.path.exists(path):
            self.write(name, secrets.token_hex(32) + "\n", 0o600)
        with open(path, encoding="ascii") as f:
            return f.read().strip()

    def _write_peer(self, name):
        address, dns, listen, media = PEERS[name]
        values = {
            "ADDRESS": address, "NAME": dns, "LISTEN": listen.format(address),
            "KAMAILIO_MODULES": kamailio.module_folder(), "RUN": self.run, "ETC": self.etc,
            "PEER": name, "LEAF": name, "PKI": self.pki, "EDGE_CA": "enterprise-ca",
            "EDGE": f"sip:{EDGE}:5061;transport=tls" if listen.startswith("tls")
                    else f"sip:{EDGE}:5060;transport=tcp",
            "MEDIA": media or "RTP/SAVP",
        }
        for template, target in (("peer.cfg", f"{name}.cfg"),
                                 ("peer_tls.cfg", f"{name}_tls.cfg")):
            text = self.template("tests", "lab", template)
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            self.write(target, text)

    # ---- daemons -----------------------------------------------------------

    def _kamailio(self, name, config, ready):
        argv = ["kamailio", "-DD", "-E", "-f", os.path.join(self.etc, config),
                "-x", "fm", "-X", "fm", "-m", "64", "-M", "8",
                "-Y", self.run, "-w", self.run]
        return proc.Daemon(name, argv, self.run, self.log, ready=ready)

    def _rtpengine(self, name, address, ports, env=None):
        config = self.write(f"{name}.conf", "\n".join((
            "[rtpengine]", "table = -1", f"interface = {address}",
            f"listen-ng = {address}:{NG_PORT}", f"listen-cli = {address}:{CLI_PORT}",
            f"port-min = {ports[0]}", f"port-max = {ports[1]}", "num-threads = 2",
            "log-level = 6", "delete-delay = 0", "")))
        argv = ["rtpengine", "--foreground", "--log-stderr", f"--config-file={config}"]
        return proc.Daemon(name, argv, self.run, self.log, env=env,
                           ready=[("udp", address, NG_PORT), ("tcp", address, CLI_PORT)])

    def edge_daemon(self):
        ready = [("udp", EDGE, 5060)] + [
            ("tcp", EDGE, port) for port in (5060, 5061, 5080, 5443)]
        return self._kamailio("kamailio", "kamailio.cfg", ready)

    def edge_rtpengine(self):
        env = None
        if self.plugin:
            plugin = os.path.join(BUILD, "rtp_plugin", "rtpengine_srtp.so")
            if not os.path.exists(plugin):
                raise LabError(f"{plugin} is not built: run make plugin")
            env = {"LD_PRELOAD": plugin,
                   "TRUNKGUARD_RTP_CONF": os.path.join(self.etc, "rtp_plugin.conf")}
        return self._rtpengine("rtpengine", EDGE, MEDIA_PORTS, env)

    def turn_daemon(self):
        path = self.write("turn.conf", TURN_CONF.format(
            address=TURN, secret=self._secret("turn.secret"), run=self.run), 0o600)
        return proc.Daemon("turn", ["turnserver", "-c", path], self.run, self.log,
                           ready=[("udp", TURN, 3478), ("tcp", TURN, 3478)])

    def peer_daemons(self, name):
        address, _, listen, media = PEERS[name]
        proto, _, port = listen.split(":")
        wanted = []
        if media:
            wanted.append(self._rtpengine(f"{name}-rtpengine", address, (40000, 40999)))
        wanted.append(self._kamailio(name, f"{name}.cfg", [
            ("udp", address, 5060),
            ("tcp" if proto == "tls" else proto, address, int(port))]))
        return wanted

    def endpoint(self, name):
        """The phone behind a gateway, in clear: answers and plays its tone."""
        address = PEERS[name][0]
        return lab_phone.Phone(
            f"{name}-phone", address, 5070,
            f"<sip:endpoint@{address}:5070;transport=udp>;regint=0;answermode=auto"
            f';audio_codecs=PCMU;outbound="sip:{address}:5060"', self, GATEWAY_HZ, media="", rtp_ports="45000-45998")

    def client_phone(self, name="alice", address=CLIENT, mediaenc="srtp-mand",
                     transport="tls", hz=CLIENT_HZ, answermode="auto"):
        """A phone that registers at the edge; not part of up()."""
        port = 5061 if transport == "tls" else 5060
        account = (f"<sip:{name}@lab.test;transport={transport}>;regint=3600"
                   f';outbound="sip:{EDGE}:{port};transport={transport}"'
                   f";audio_codecs=PCMU;auth_pass=none;answermode={answermode}")
        if mediaenc:
            account += f";mediaenc={mediaenc}"
        phone = lab_phone.Phone(
            f"client-{name}", address, 5070, account, self, hz,
            media={"": "", "dtls_srtp": "dtls_srtp"}.get(mediaenc, "srtp"), ca=self.ca())
        return phone

    def up(self):
        """Starts what is missing and returns when all of it answers."""
        for program in ("kamailio", "rtpengine", "baresip"):
            if not shutil.which(program):
                raise LabError(f"{program} is not installed: run make deps")
        self.prepare()
        engines, proxies = [self.edge_rtpengine()], [self.edge_daemon()]
        if self.turn:
            engines.append(self.turn_daemon())
        for name in self.peers:
            for daemon in self.peer_daemons(name):
                (engines if "rtpengine" in daemon.name else proxies).append(daemon)
            if PEERS[name][3]:
                self.phones[name] = self.endpoint(name)
                engines.append(self.phones[name].daemon)
        self.daemons = {d.name: d for d in engines + proxies}
        missing = [d for d in engines + proxies if not d.running()]
        ports = [p for d in missing for p in d.ports()]
        with contextlib.suppress(proc.ProcError):  # a daemon that ends takes its time
            proc.wait_until(lambda: all(proc.free(*p[:3]) for p in ports), "free ports", 2)
        proc.require_free(ports)
        try:
            for wave in (engines, proxies):  # Kamailio pings rtpengine as it starts
                for daemon in wave:
                    daemon.start()
                for daemon in wave:
                    daemon.wait_ready()
            proc.wait_until(self.edge_answers, "the edge answers OPTIONS over TLS",
                            15, 0.1)
        except BaseException:
            for daemon in missing:  # what ran before stays
                daemon.stop()
            raise
        return self

    def edge_answers(self):
        try:
            with self.client() as c:
                answer = c.request("OPTIONS", f"sip:{EDGE_NAME}", timeout=1)
                return answer is not None and answer.status == 200
        except OSError:
            return False

    def down(self):
        """Stops everything that has a pid file in run/, ours by start time."""
        for phone in self.phones.values():
            phone.close()
        stopped = []
        for path in sorted(glob.glob(os.path.join(self.run, "*.pid"))):
            name = os.path.basename(path)[:-4]
            daemon = self.daemons.get(name) or proc.Daemon(name, [], self.run, self.log)
            if daemon.stop():
                stopped.append(name)
        return stopped

    def restart(self, name, **changes):
        """Stops one daemon, changes attributes of the lab, starts it again."""
        self.daemons[name].stop()
        for key, value in changes.items():
            setattr(self, key, value)
        self._write_edge()
        if name in ("kamailio", "rtpengine"):
            make = self.edge_daemon if name == "kamailio" else self.edge_rtpengine
            self.daemons[name] = make()
        self.daemons[name].start()
        self.daemons[name].wait_ready()
        proc.wait_until(self.edge_answers, "the edge answers OPTIONS over TLS", 15, 0.1)

    # ---- asking the edge -----------------------------------------------------

    def rpc(self, *words, name="kamailio", timeout=15):
        """kamcmd's output. Raises LabError when the command fails."""
        try:
            return kamcmd.ask(self.control_socket(name), *words, timeout=timeout)
        except kamcmd.KamcmdError as e:
            raise LabError(str(e)) from e

    def secured_streams(self):
        """What the plugin secures now: one dict a stream, with its leg's peer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(os.path.join(self.run, "trunkguard.sock"))
            s.sendall(b"status\n")
            text = b""
            while octets := s.recv(65536):
                text += octets
        streams, leg = [], {}
        for line in text.decode().splitlines():
            words = line.split()
            fields = dict(w.split("=", 1) for w in words if "=" in w)
            if words and words[0] == "leg":
                leg = fields
            elif words and words[0].startswith("stream="):
                streams.append({**leg, **fields})
        return streams

    def relays(self, username, password, address, port):
        """Do messages come back through the relay, for a client of it?"""
        return coturn.relays(username, password, "-L", CLIENT, "-p", port, address)[0]

    # ---- peers made of Python --------------------------------------------------

    def connect(self, source, leaf=None, transport="tls", port=None, ca="enterprise-ca",
                timeout=5.0):
        """A SIP connection to the edge from an address, with a certificate or not."""
        context = None
        if transport == "tls":
            context = sip.tls_context(self.ca(ca), *(self.leaf(leaf) if leaf else ()))
        if port is None:
            port = 5061 if transport == "tls" else 5060
        return sip.Connection(transport, (EDGE, port), source, context, EDGE_NAME, timeout)

    def client(self, source=CLIENT, transport="tls"):
        return self.connect(source, None, transport)
