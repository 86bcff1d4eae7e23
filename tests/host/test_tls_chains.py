# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that a client of OpenSSL's usual strength would not even show:
weak keys and signatures, an issuer that is no CA, chains that are too large;
and which of several names count.
"""

import contextlib
import os
import ssl
import unittest

import pki
import sip
import tls_edge

KEYS = tls_edge.Pki()
EDGE = tls_edge.edge("edge", KEYS, tls_edge.POLICY.replace(
    "profile = sfb2019", "profile = sfb2019\nmax_rsa_bits = 3072"),
    listen=("tls:127.0.0.1:5061",))
MADE = tls_edge.folder("made")


class _Enterprise:
    """Issues in the name of the CA that the edge trusts for gateway1."""

    def __init__(self):
        folder = os.path.join(KEYS.path, "enterprise-ca")
        self.authority = pki.Authority("Enterprise CA")
        key = self.authority.key
        with open(os.path.join(folder, "ca.key"), "rb") as f:
            key.pem = f.read()
        key.public = pki.openssl("pkey", "-pubout", "-outform", "DER", data=key.pem)

    def issue(self, label, chain=(), **more):
        more.setdefault("serial", int.from_bytes(os.urandom(8), "big") | 1 << 64)
        return self.authority.issue(**more).write(MADE, label, chain)


CA = _Enterprise()
GW1, OTHER = "gw1.lab.test", "other.lab.test"


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


def context(files, version):
    made = sip.tls_context(KEYS.ca())
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.load_cert_chain(*files)
    made.maximum_version = version
    return made


def knock(files, version):
    try:
        with sip.Connection("tls", tls_edge.EDGE, tls_edge.GATEWAY1,
                            context(files, version)) as c:
            answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=3)
            return ("served", answer.status) if answer else ("dead", "no answer")
    except ssl.SSLError as e:
        reason = e.reason or str(e)
        return ("alert" if "ALERT" in reason else "dead"), reason
    except OSError as e:
        return "dead", repr(e)


def knock_and_read(files, version):
    """The same for a refusal that does not wait for all that the client has to
    say: what the edge sent is read although writing to it failed."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(files, version).wrap_bio(incoming, outgoing)

    def step(raw, action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                with contextlib.suppress(ConnectionError):
                    raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
            finally:
                with contextlib.suppress(ConnectionError):
                    raw.sendall(outgoing.read())

    with sip.Connection("tcp", tls_edge.EDGE, tls_edge.GATEWAY1) as c:
        try:
            step(c.socket, tls.do_handshake)
            c.transport = "tls"
            step(c.socket, lambda: tls.write(sip.build("OPTIONS", "sip:edge.lab.test", c)))
            return "served", sip.Message(step(c.socket, lambda: tls.read(4096))).status
        except ssl.SSLError as e:
            return ("alert" if "ALERT" in (e.reason or "") else "dead"), e.reason
        except OSError as e:
            return "dead", repr(e)


class Case(unittest.TestCase):
    VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

    def served(self, files):
        for version in self.VERSIONS:
            self.assertEqual(knock(files, version), ("served", 200), version.name)

    def refused(self, files, reason, versions=VERSIONS, by=knock):
        """An alert, nothing parsed, one counter, the control served."""
        for version in versions:
            self.assertEqual(by(KEYS.leaf("gateway1"), version), ("served", 200))
            taken, counted = EDGE.messages_taken(), EDGE.statistics("tls_policy")
            how, what = by(files, version)
            self.assertEqual(how, "alert", what)
            now = EDGE.statistics("tls_policy")
            grown = {k: v - counted[k] for k, v in now.items()
                     if v != counted[k] and k.startswith("refused_")}
            self.assertEqual(grown, {f"refused_{reason}": 1}, version.name)
            self.assertEqual(EDGE.messages_taken(), taken)


class Strength(Case):
    """(A22)"""

    def test_a_key_below_the_profile(self):
        self.refused(KEYS.leaf("gw1-weak"), "cert_weak")

    def test_a_curve_below_the_profile(self):
        # TLS 1.3 has no signature for it
        self.refused(CA.issue("p224", dns=[GW1], key="ec:secp224r1"), "cert_weak",
                     versions=[ssl.TLSVersion.TLSv1_2])

    def test_a_signature_by_sha1(self):
        self.refused(KEYS.leaf("gw1-sha1"), "cert_weak")

    def test_a_weak_key_above_the_leaf(self):
        weak = pki.Authority("Weak CA", key="rsa:1024", issuer=CA.authority)
        files = weak.issue(dns=[GW1]).write(MADE, "underweak", [weak])
        self.refused(files, "cert_weak")

    def test_controls(self):
        self.served(KEYS.leaf("gw1-rsa"))
        self.served(CA.issue("p384", dns=[GW1], key="ec:secp384r1"))


class Issuers(Case):
    """(A22)"""

    def test_a_leaf_is_no_ca(self):
        self.refused(KEYS.leaf("gw1-leafissued"), "cert_constraint")

    def test_an_intermediate_is(self):
        self.served(KEYS.leaf("gateway1-chain"))


class Size(Case):
    """(B13)"""

    def padded(self, octets):
        """Certificates behind the leaf that only weigh."""
        filler = CA.authority.issue(cn="filler", serial=7, extra=[
            pki.extension("1.3.6.1.4.1.55555.1", pki.der(4, bytes(8000)))])
        return [filler] * (octets // len(filler.der))

    def test_a_chain_above_the_limit(self):
        self.refused(CA.issue("large", self.padded(90_000), dns=[GW1]), "cert_chain_limit",
                     by=knock_and_read)

    def test_a_key_above_the_limit(self):
        self.refused(CA.issue("rsa4096", dns=[GW1], key="rsa:4096"), "cert_chain_limit")

    def test_names_above_the_limit(self):
        self.refused(CA.issue("names", dns=[GW1] + [f"n{i}.lab.test" for i in range(80)]),
                     "cert_chain_limit")

    def test_controls(self):
        self.served(CA.issue("smaller", self.padded(20_000), dns=[GW1]))
        self.served(CA.issue("fewer", dns=[f"n{i}.lab.test" for i in range(40)] + [GW1]))


class Names(Case):
    """(A22, A30)"""

    def test_a_common_name_is_no_name(self):
        self.refused(KEYS.leaf("gw1-cnonly"), "cert_name")

    def test_sip_uris_come_before_dns(self):
        """RFC 5922 7.1: with a SIP URI there, DNS names do not count."""
        self.refused(CA.issue("uri-other", uri=[f"sip:{OTHER}"], dns=[GW1]), "cert_name")
        self.served(CA.issue("uri-first", uri=[f"sip:{GW1}"], dns=[OTHER]))
        self.served(CA.issue("uri-foreign", uri=[f"https://{OTHER}/"], dns=[GW1]))

    def test_any_of_several_counts(self):
        self.served(CA.issue("uris", uri=[f"sip:{OTHER}", f"sip:{GW1}"], dns=[OTHER]))

    def test_a_uri_is_read_whole(self):
        for n, uri in enumerate((f"sip:{GW1}.evil.test", f"sip:evil.test/{GW1}",
                                 f"sips:{OTHER}", f"sip:evil@{GW1}", f"sip:{GW1}@evil.test")):
            with self.subTest(uri):
                self.refused(CA.issue(f"uri{n}", uri=[uri], cn=GW1), "cert_name")

    def test_letters_of_a_uri_may_be_large(self):
        self.served(CA.issue("upper", uri=["SIP:GW1.LAB.Test"], cn=None))


if __name__ == "__main__":
    unittest.main()
