# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS versions of the profiles, asked for and offered by openssl and GnuTLS;
SSL 3.0; sessions carried from one server name to another.
"""

import os
import socket
import ssl
import subprocess
import time
import unittest

import kamailio
import s_server
import tls_edge

KEYS = tls_edge.Pki()
NEW, OLD, LAX, BOTH = (("127.0.0.%d" % n, 5061) for n in (1, 2, 3, 4))
VERSIONS = {"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2", "1.3": "-tls1_3"}
PYTHON = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
          "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# 127.0.0.1: gnutls-cli has no choice of its source
POLICY = tls_edge.POLICY + """
[clients here]
address = 127.0.0.1

[clients named]
address = 127.0.0.44
sni = edge.lab.test

[peer named]
role = gateway
address = 127.0.0.44
sni = trunk.lab.test
identity = gw1.lab.test
trust = enterprise
"""
NAMED = "127.0.0.44"
SHARED = """
[peer old]
role = gateway
address = 127.0.0.21
identity = gw2.lab.test
trust = enterprise
tls = sfb2015
"""

ROUTE = """
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
		if(!t_relay()) sl_reply_error();
		exit;
	}
""" + tls_edge.ROUTE

# a name that asks for a certificate and one that does not, as far as tls.so goes
TWO_NAMES = kamailio.TLS + """
[server:any]
server_name = trunk.lab.test
method = TLSv1.2+
certificate = @PKI@/edge.pem
private_key = @PKI@/edge.key
ca_list = @PKI@/enterprise-ca/ca.pem
verify_certificate = yes
require_certificate = yes
"""

ONE = "tcp_children=1\n"  # the keys of tickets are a process's own

EDGES = {
    "sfb2019": tls_edge.edge("sfb2019", KEYS, POLICY, ROUTE, tls=TWO_NAMES,
                             listen=("tls:127.0.0.1:5061",), params=ONE),
    "sfb2015": tls_edge.edge("sfb2015", KEYS, POLICY.replace(
        "profile = sfb2019", "profile = sfb2015"), ROUTE,
        listen=("tls:127.0.0.2:5061",)),
    # tls.cfg asks OpenSSL for nothing; so does that of a name
    "lax": tls_edge.edge("lax", KEYS, POLICY, ROUTE, tls=TWO_NAMES.replace(
        "method = TLSv1.2+", "method = TLSv1.2+\ncipher_list = DEFAULT:@SECLEVEL=0"),
        listen=("tls:127.0.0.3:5061",)),
    # two peers of one address, what is offered is the union
    "both": tls_edge.edge("both", KEYS, POLICY + SHARED, ROUTE,
                          listen=("tls:127.0.0.4:5061",)),
}


def setUpModule():
    for edge in EDGES.values():
        edge.start()


def tearDownModule():
    for edge in EDGES.values():
        edge.stop()


def options(source):
    return (f"OPTIONS sip:edge.lab.test SIP/2.0\r\n"
            f"Via: SIP/2.0/TLS {source}:9;branch=z9hG4bK{time.monotonic_ns()};rport\r\n"
            "From: <sip:a@lab.test>;tag=1\r\nTo: <sip:edge.lab.test>\r\n"
            f"Call-ID: {time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n").encode()


def talk(argv, octets, until=b"SIP/2.0 200 OK", seconds=5):
    """What a program printed when it had been given octets, until it printed
    a certain text or ended."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as program:
        os.set_blocking(program.stdout.fileno(), False)
        seen, sent, end = b"", False, time.monotonic() + seconds
        try:
            while until not in seen and time.monotonic() < end:
                if not sent:
                    program.stdin.write(octets)
                    program.stdin.flush()
                    sent = True
                seen += program.stdout.read() or b""
                if program.poll() is not None:
                    seen += program.stdout.read() or b""
                    break
                time.sleep(0.02)
            time.sleep(0.05)  # a ticket that comes behind the answer
            program.stdin.write(b"Q\n")
            program.stdin.close()
            program.wait(1)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        finally:
            program.kill()
            program.stdin = None
            seen += program.stdout.read() or b""
        return seen.decode("utf-8", "replace")


def s_client(target, source, *words, leaf=None):
    identity = ()
    if leaf:
        cert, key = KEYS.leaf(leaf)
        identity = ("-cert", cert, "-key", key)
    return talk(["openssl", "s_client", "-connect", f"{target[0]}:{target[1]}",
                 "-bind", f"{source}:0", *identity, *words], options(source))


def gnutls(target, version):
    return talk(["gnutls-cli", "--insecure", "--disable-sni", "--priority",
                 f"NORMAL:-VERS-ALL:+VERS-TLS{version}:%COMPAT:+SHA1:+SIGN-RSA-SHA1"
                 ":+SIGN-ECDSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1",
                 "-p", str(target[1]), target[0]], options("127.0.0.1"))


class Asked(unittest.TestCase):
    """What comes in, from clients that speak one version only (A19, A20)."""

    def openssl(self, edge, version, source=tls_edge.CLIENT, leaf=None):
        return s_client(edge, source, VERSIONS[version], "-cipher", "ALL:@SECLEVEL=0",
                        leaf=leaf)

    def served(self, seen):
        self.assertIn("SIP/2.0 200 OK", seen)

    def refused(self, seen):
        self.assertNotIn("SIP/2.0", seen)
        self.assertRegex(seen, r"(?i)alert protocol version|Protocol version")

    def test_sfb2019_serves_1_2_and_1_3_and_refuses_less(self):
        for source, leaf in ((tls_edge.CLIENT, None), (tls_edge.GATEWAY1, "gateway1")):
            for version in VERSIONS:
                with self.subTest(f"{version} {leaf}"):
                    seen = self.openssl(NEW, version, source, leaf)
                    if version in ("1.2", "1.3"):
                        self.served(seen)
                    else:
                        self.refused(seen)

    def test_sfb2015_serves_1_0_1_1_1_2_and_not_1_3(self):
        for source, leaf in ((tls_edge.CLIENT, None), (tls_edge.GATEWAY1, "gateway1")):
            for version in VERSIONS:
                with self.subTest(f"{version} {leaf}"):
                    seen = self.openssl(OLD, version, source, leaf)
                    if version == "1.3":
                        self.refused(seen)
                    else:
                        self.served(seen)

    def test_an_old_version_needs_the_certificate_too(self):
        for version in ("1.0", "1.1", "1.2"):
            for leaf in (None, "mediation1", "impostor-rogue"):
                with self.subTest(f"{version} {leaf}"):
                    self.served(self.openssl(OLD, version, tls_edge.GATEWAY1, "gateway1"))
                    seen = self.openssl(OLD, version, tls_edge.GATEWAY1, leaf)
                    self.assertNotIn("SIP/2.0", seen)
                    self.assertRegex(seen, "(?i)alert")

    def test_gnutls(self):
        for edge, good in ((NEW, ("1.2", "1.3")), (OLD, ("1.0", "1.1", "1.2"))):
            for version in VERSIONS:
                with self.subTest(f"{edge[0]} {version}"):
                    seen = gnutls(edge, version)
                    if version in good:
                        self.served(seen)
                    else:
                        self.assertNotIn("SIP/2.0", seen)
                        self.assertRegex(seen, r"Received alert \[70\]")


class SignedWithSha1(unittest.TestCase):
    """The far end proves its key, in TLS 1.2, with a signature over SHA-1: no
    profile without TLS 1.0 takes it, whatever tls.cfg says (A18, A21)."""

    def knock(self, edge, algorithm, name="edge.lab.test", leaf="gateway1"):
        return s_client(edge, tls_edge.GATEWAY1, "-tls1_2", "-servername", name,
                        "-sigalgs", algorithm, "-cipher", "ALL:@SECLEVEL=0", leaf=leaf)

    def test_by_the_caller(self):
        for name in ("edge.lab.test", "trunk.lab.test"):
            for edge, algorithm, served in (
                    (LAX, "ECDSA+SHA1", False), (LAX, "ECDSA+SHA256", True),
                    (NEW, "ECDSA+SHA1", False), (OLD, "ECDSA+SHA1", True)):
                with self.subTest(f"{name} {edge[0]} {algorithm}"):
                    seen = self.knock(edge, algorithm, name)
                    if served:
                        self.assertIn("SIP/2.0 200 OK", seen)
                    else:
                        self.assertNotIn("SIP/2.0", seen)
                        self.assertRegex(seen, "(?i)alert handshake failure")

    def test_by_one_of_two_at_an_address(self):
        for leaf, algorithm, served in (
                ("gateway1", "ECDSA+SHA1", False), ("gateway1", "ECDSA+SHA256", True),
                ("gateway2", "ECDSA+SHA1", True)):
            with self.subTest(f"{leaf} {algorithm}"):
                seen = self.knock(BOTH, algorithm, leaf=leaf)
                if served:
                    self.assertIn("SIP/2.0 200 OK", seen)
                else:
                    self.assertNotIn("SIP/2.0", seen)
                    self.assertRegex(seen, "(?i)alert")

    def test_by_the_called(self):
        for port, (edge, algorithm, served) in enumerate((
                (LAX, "ECDSA+SHA1", False), (LAX, "ECDSA+SHA256", True),
                (OLD, "ECDSA+SHA1", True)), 5080):
            with self.subTest(f"{edge[0]} {algorithm}"), s_server.Server(
                    KEYS.leaf("gateway1"), ("127.0.0.21", port), "-tls1_2", "-sigalgs",
                    algorithm, "-cipher", "ALL:@SECLEVEL=0") as s:
                with tls_edge.connect(KEYS, tls_edge.CLIENT, target=edge) as c:
                    answer = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                        f"X-Next: sip:127.0.0.21:{port};transport=tls"])
                self.assertEqual(len(s.requests), int(served))
                if served:
                    self.assertEqual(answer.status, 200)
                else:
                    self.assertGreaterEqual(answer.status, 400)


class Ssl3(unittest.TestCase):
    """No tool has it any more: a ClientHello by hand (RFC 6101) (A18)."""

    SUITES = bytes.fromhex("c009c00ac013c014002f0035000a0005")

    def hello(self, target, version):
        body = (version + os.urandom(32) + b"\0"
                + len(self.SUITES).to_bytes(2, "big") + self.SUITES + b"\1\0"
                + bytes.fromhex("0008 000a 0004 0002 0017"))  # secp256r1
        message = b"\1" + len(body).to_bytes(3, "big") + body
        with socket.socket() as s:
            s.settimeout(3)
            s.bind((tls_edge.CLIENT, 0))
            s.connect(target)
            s.sendall(b"\x16\x03\x00" + len(message).to_bytes(2, "big") + message)
            return s.recv(4096)

    def test_is_refused_by_every_profile(self):
        for target in (NEW, OLD):
            with self.subTest(target[0]):
                answer = self.hello(target, b"\3\0")
                # alert, fatal, protocol_version or handshake_failure
                self.assertEqual(answer[0], 21, answer.hex())
                self.assertEqual(answer[5], 2)
                self.assertIn(answer[6], (70, 40))

    def test_control(self):
        """The same octets that say 1.0 get a ServerHello under sfb2015."""
        answer = self.hello(OLD, b"\3\1")
        self.assertEqual((answer[0], answer[5]), (22, 2), answer.hex())


class OldServer(tls_edge.Server):
    """Speaks one version only."""

    def __init__(self, leaf, address, version):
        super().__init__(KEYS, leaf, address)
        self.versions = []
        self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.minimum_version = PYTHON["1.0"]
        self._context.maximum_version = PYTHON[version]
        self._context.minimum_version = PYTHON[version]

    def _serve(self, tls):
        self.versions.append(tls.version())
        super()._serve(tls)


class Offered(unittest.TestCase):
    """What goes out. Each version has a port of its own: no connection and no
    failure of another round counts (A19, A20)."""

    def call(self, edge, leaf, version):
        port = 5070 + int(version[-1])
        with OldServer(leaf, ("127.0.0.21", port), version) as s:
            with tls_edge.connect(KEYS, tls_edge.CLIENT, target=edge) as c:
                answer = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                    f"X-Next: sip:127.0.0.21:{port};transport=tls"])
            return answer.status, s

    def test_sfb2019_calls_with_1_2_and_1_3_only(self):
        for version in VERSIONS:
            with self.subTest(version):
                status, s = self.call(NEW, "gateway1", version)
                if version in ("1.2", "1.3"):
                    self.assertEqual((status, s.versions), (200, [f"TLSv{version}"]))
                else:
                    self.assertGreaterEqual(status, 400)
                    self.assertEqual((s.connections, s.octets), (1, 0))

    def test_sfb2015_calls_with_1_0_1_1_and_1_2_only(self):
        for version in VERSIONS:
            with self.subTest(version):
                status, s = self.call(OLD, "gateway1", version)
                if version != "1.3":
                    self.assertEqual(status, 200)
                    self.assertEqual(s.versions, [
                        "TLSv1" if version == "1.0" else f"TLSv{version}"])
                else:
                    self.assertGreaterEqual(status, 400)
                    self.assertEqual((s.connections, s.octets), (1, 0))


class Sessions(unittest.TestCase):
    """A session taken without a certificate under one name, shown under the
    name of a peer, by openssl s_client (A23, B2)."""

    def carry(self, version, *words):
        """What s_client says when it comes back as trunk.lab.test, and whether
        it had a session to show."""
        kept = os.path.join(tls_edge.folder("sessions"), f"{time.monotonic_ns()}.pem")
        first = s_client(NEW, NAMED, version, "-servername", "edge.lab.test",
                         "-sess_out", kept, *words)
        self.assertIn("SIP/2.0 200 OK", first)
        has = os.path.exists(kept) and os.path.getsize(kept) > 0
        shown = ("-sess_in", kept) if has else ()
        return has, s_client(NEW, NAMED, version, "-servername", "trunk.lab.test",
                             *shown, *words)

    def test_is_refused(self):
        for version in ("-tls1_2", "-tls1_3"):
            for words in ((), ("-no_ticket",)):
                with self.subTest(f"{version} {words}"):
                    _, seen = self.carry(version, *words)
                    self.assertNotIn("SIP/2.0", seen)
                    self.assertNotIn("Reused,", seen)
                    self.assertRegex(seen, "(?i)alert")
        served = s_client(NEW, NAMED, "-tls1_3", "-servername", "trunk.lab.test",
                          leaf="gateway1")
        self.assertIn("SIP/2.0 200 OK", served)

    def test_no_ticket_is_given(self):
        for version in ("-tls1_2", "-tls1_3"):
            seen = s_client(NEW, NAMED, version, "-servername", "edge.lab.test")
            self.assertIn("SIP/2.0 200 OK", seen)
            self.assertNotIn("TLS session ticket:", seen)

    def test_a_stock_edge_would_take_it(self):
        """That the attack is one: tls.so alone serves it."""
        EDGES["sfb2019"].stop()
        try:
            with tls_edge.edge("stock", KEYS, None, ROUTE, load=kamailio.WITH_TLS,
                               tls=TWO_NAMES, listen=("tls:127.0.0.1:5061",), params=ONE):
                has, seen = self.carry("-tls1_3")
                self.assertTrue(has)
                self.assertIn("SIP/2.0 200 OK", seen)
        finally:
            EDGES["sfb2019"].start()


if __name__ == "__main__":
    unittest.main()
