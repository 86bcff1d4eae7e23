#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates, keys and CRLs for tests, good and bad (RFC 5280).

Certificates are written as DER here, octet by octet, so that a test can have
what no tool would issue: NUL octets in names, dates of any kind, broken
signatures. Keys and signatures come from the openssl command.

    python3 tests/support/pki.py DIR

makes what doc/lab.md lists; make() does the same. A test that needs another
certificate asks an Authority:

    ca = Authority("Enterprise CA")
    leaf = ca.issue(dns=["gw1.lab.test"], eku=["client"], not_after=when)
    leaf.write(folder, "name")          # name.pem, name.key
    ca.write(folder)                    # ca.pem, ca.key, crl.pem
"""
import base64
import datetime
import hashlib
import ipaddress
import os
import subprocess
import sys
import tempfile

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)

EKU = {
    "server": "1.3.6.1.5.5.7.3.1",
    "client": "1.3.6.1.5.5.7.3.2",
    "code": "1.3.6.1.5.5.7.3.3",
    "ocsp": "1.3.6.1.5.5.7.3.9",
    "sip": "1.3.6.1.5.5.7.3.20",
    "any": "2.5.29.37.0",
}
SIGNATURES = {
    ("ec", "sha1"): "1.2.840.10045.4.1",
    ("ec", "sha256"): "1.2.840.10045.4.3.2",
    ("ec", "sha384"): "1.2.840.10045.4.3.3",
    ("rsa", "md5"): "1.2.840.113549.1.1.4",
    ("rsa", "sha1"): "1.2.840.113549.1.1.5",
    ("rsa", "sha256"): "1.2.840.113549.1.1.11",
    ("rsa", "sha384"): "1.2.840.113549.1.1.12",
}
KEY_USAGE_BITS = {"digitalSignature": 0, "keyEncipherment": 2, "keyAgreement": 4,
                  "keyCertSign": 5, "cRLSign": 6}


def now():
    return datetime.datetime.now(UTC).replace(microsecond=0)


# ---- DER ------------------------------------------------------------------

def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def sequence(*parts):
    return der(0x30, *parts)


def integer(n):
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = (int(x) for x in dotted.split("."))
    out = b""
    for arc in [first * 40 + second, *rest]:
        octets = [arc & 0x7f]
        while arc := arc >> 7:
            octets.append(0x80 | arc & 0x7f)
        out += bytes(reversed(octets))
    return der(6, out)


def moment(t):
    t = t.astimezone(UTC)
    if 1950 <= t.year < 2050:
        return der(0x17, t.strftime("%y%m%d%H%M%SZ").encode())
    return der(0x18, t.strftime("%Y%m%d%H%M%SZ").encode())


def bits(octets, unused=0):
    return der(3, bytes([unused]), octets)


def octets_of(text):
    return text if isinstance(text, bytes) else text.encode()


def name(common_name, organization=None):
    """A distinguished name; common_name None gives the empty one."""
    parts = []
    for attribute, value in (("2.5.4.10", organization), ("2.5.4.3", common_name)):
        if value is not None:
            parts.append(der(0x31, sequence(oid(attribute), der(0x0c, octets_of(value)))))
    return sequence(*parts)


def pem(label, body):
    text = base64.encodebytes(body).replace(b"\n", b"")
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return (f"-----BEGIN {label}-----\n" + b"\n".join(lines).decode()
            + f"\n-----END {label}-----\n")


# ---- extensions ------------------------------------------------------------

def extension(number, body, critical=False):
    return sequence(oid(number), der(1, b"\xff") if critical else b"", der(4, body))


def general_names(dns=(), uri=(), email=(), ip=()):
    """URIs first: the order in which RFC 5922 looks at them."""
    out = [der(0x86, octets_of(x)) for x in uri]
    out += [der(0x82, octets_of(x)) for x in dns]
    out += [der(0x81, octets_of(x)) for x in email]
    out += [der(0x87, ipaddress.ip_address(x).packed) for x in ip]
    return out


def name_constraints(permitted=(), excluded=()):
    """Of DNS names; a dict as general_names takes gives other kinds."""
    def trees(names):
        kinds = names if isinstance(names, dict) else {"dns": names}
        return b"".join(sequence(x) for x in general_names(**kinds))
    parts = [der(tag, trees(x)) for tag, x in ((0xa0, permitted), (0xa1, excluded)) if x]
    return extension("2.5.29.30", sequence(*parts), True)


def key_usage(words):
    value = 0
    for word in words:
        value |= 0x80 >> KEY_USAGE_BITS[word]
    unused = (value & -value).bit_length() - 1 if value else 0
    return extension("2.5.29.15", bits(bytes([value]), unused), True)


# ---- keys ------------------------------------------------------------------

def openssl(*args, data=None):
    run = subprocess.run(["openssl", *args], input=data, capture_output=True, check=False)
    if run.returncode:
        raise RuntimeError(f"openssl {' '.join(args)}: {run.stderr.decode()}")
    return run.stdout


class Key:
    """A private key: "ec" (P-256), "ec:secp384r1", "rsa" (2048), "rsa:1024"."""

    def __init__(self, kind="ec"):
        self.kind, _, size = kind.partition(":")
        if self.kind == "rsa":
            args = ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size or 2048}")
        else:
            args = ("-algorithm", "EC", "-pkeyopt",
                    f"ec_paramgen_curve:{size or 'prime256v1'}")
        self.pem = openssl("genpkey", "-quiet", *args) if _quiet() else openssl("genpkey", *args)
        self.public = openssl("pkey", "-pubout", "-outform", "DER", data=self.pem)

    def identifier(self):
        """RFC 5280 4.2.1.2, method 1: SHA-1 over the public key's bits."""
        body = _content(self.public)
        algorithm = _element(body)
        return hashlib.sha1(_content(body[len(algorithm):])[1:]).digest()

    def algorithm(self, digest):
        null = der(5) if self.kind == "rsa" else b""
        return sequence(oid(SIGNATURES[self.kind, digest]), null)

    def sign(self, data, digest):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            write(path, self.pem, 0o600)
            return openssl("dgst", f"-{digest}", "-sign", path, data=data)


_QUIET = []


def _quiet():
    """genpkey prints dots to stderr; newer releases can be told not to."""
    if not _QUIET:
        run = subprocess.run(["openssl", "genpkey", "-help"], capture_output=True, check=False)
        _QUIET.append(b" -quiet" in run.stderr + run.stdout)
    return _QUIET[0]


def _header(data):
    n = data[1]
    if n < 128:
        return 2, n
    k = n & 0x7f
    return 2 + k, int.from_bytes(data[2:2 + k], "big")


def _content(data):
    head, n = _header(data)
    return data[head:head + n]


def _element(data):
    head, n = _header(data)
    return data[:head + n]


def write(path, data, mode=0o644):
    """At once, with its mode from the start."""
    data = octets_of(data)
    new = f"{path}.{os.getpid()}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
    os.replace(new, path)


# ---- certificates -----------------------------------------------------------

class Certificate:
    def __init__(self, der_octets, key, serial, issuer):
        self.der = der_octets
        self.key = key
        self.serial = serial
        self.issuer = issuer

    @property
    def pem(self):
        return pem("CERTIFICATE", self.der)

    def write(self, folder, label, chain=()):
        """label.pem (with the certificates of chain behind it) and label.key."""
        cert = os.path.join(folder, f"{label}.pem")
        key = os.path.join(folder, f"{label}.key")
        write(key, self.key.pem, 0o600)
        write(cert, self.pem + "".join(c.pem for c in chain))
        return cert, key


class Authority:
    """A CA. issuer None: a root, signed by itself."""

    def __init__(self, common_name, key="ec", issuer=None, not_before=None,
                 not_after=None, path_length=None, constraints=None, eku=None,
                 extra=(), digest="sha256"):
        self.subject = name(common_name, "TrunkGuard tests")
        self.key = key if isinstance(key, Key) else Key(key)
        self.issuer = issuer
        self.digest = digest
        self.serials = 0
        self.revoked = {}
        extra = list(extra)
        if constraints is not None:
            extra.append(constraints)
        self.certificate = (issuer or self).issue(
            subject=self.subject, key=self.key, ca=True, path_length=path_length,
            eku=eku, extra=extra, not_before=not_before or now() - 365 * DAY,
            not_after=not_after or now() + 3650 * DAY, digest=digest)

    @property
    def pem(self):
        return self.certificate.pem

    def _next_serial(self):
        self.serials += 1
        tag = hashlib.sha256(self.key.public).digest()[:6]
        return int.from_bytes(b"\x01" + tag + self.serials.to_bytes(4, "big"), "big")

    def issue(self, dns=(), uri=(), email=(), ip=(), cn="", eku=("client", "server"),
              not_before=None, not_after=None, key="ec", ca=False, path_length=None,
              extra=(), subject=None, serial=None, digest=None, omit=(),
              usage=None, other_names=(), spoil_signature=False, self_signed=False):
        """
        One certificate.
          dns, uri, email  subjectAltNames, text or octets; ip: addresses
          other_names      GeneralName elements, already DER
          cn               "" takes the first DNS name; None: no common name
          eku              words of EKU or dotted numbers; None: no extension
          not_before, not_after  aware datetimes; an hour ago, in 90 days
          key              a Key, or the kind of a new one
          extra            Extension elements, as extension() makes them
          omit             of "san", "basic", "usage", "ski", "aki"
          usage            words of KEY_USAGE_BITS
          self_signed      issuer and signer are the subject itself
        """
        key = key if isinstance(key, Key) else Key(key)
        if subject is None:
            subject = name(dns[0] if cn == "" and dns else cn or None, "TrunkGuard tests")
        issuer_name, signer = self.subject, self.key
        if self_signed:
            issuer_name, signer = subject, key
        digest = digest or self.digest
        serial = self._next_serial() if serial is None else serial
        if usage is None:
            usage = (("keyCertSign", "cRLSign") if ca
                     else ("digitalSignature", "keyEncipherment") if key.kind == "rsa"
                     else ("digitalSignature",))
        parts = {
            "basic": extension("2.5.29.19", sequence(
                der(1, b"\xff") if ca else b"",
                b"" if path_length is None else integer(path_length)), True),
            "usage": key_usage(usage),
            "ski": extension("2.5.29.14", der(4, key.identifier())),
            "aki": extension("2.5.29.35", sequence(der(0x80, signer.identifier()))),
        }
        if not ca and eku is not None or ca and eku not in (None, ("client", "server")):
            parts["eku"] = extension("2.5.29.37", sequence(
                *(oid(EKU.get(word, word)) for word in eku)))
        names = general_names(dns, uri, email, ip) + list(other_names)
        if names:
            parts["san"] = extension("2.5.29.17", sequence(*names))
        extensions = [body for word, body in parts.items() if word not in omit]
        algorithm = signer.algorithm(digest)
        body = sequence(
            der(0xa0, integer(2)), integer(serial), algorithm, issuer_name,
            sequence(moment(not_before or now() - DAY / 24),
                     moment(not_after or now() + 90 * DAY)),
            subject, key.public, der(0xa3, sequence(*extensions, *extra)))
        signature = signer.sign(body, digest)
        if spoil_signature:
            signature = key.sign(body, digest) if key is not signer else signature[::-1]
        return Certificate(sequence(body, algorithm, bits(signature)), key, serial, self)

    def revoke(self, certificate, when=None):
        self.revoked[certificate.serial] = when or now() - DAY / 48

    def crl(self, this_update=None, next_update=None, revoked=None, number=1):
        """PEM. revoked: {serial: datetime}; None takes what revoke() noted."""
        revoked = self.revoked if revoked is None else revoked
        entries = [sequence(integer(serial), moment(when))
                   for serial, when in sorted(revoked.items())]
        algorithm = self.key.algorithm(self.digest)
        body = sequence(
            integer(1), algorithm, self.subject,
            moment(this_update or now() - DAY / 24), moment(next_update or now() + 30 * DAY),
            sequence(*entries) if entries else b"",
            der(0xa0, sequence(
                extension("2.5.29.35", sequence(der(0x80, self.key.identifier()))),
                extension("2.5.29.20", integer(number)))))
        return pem("X509 CRL", sequence(
            body, algorithm, bits(self.key.sign(body, self.digest))))

    def write(self, folder, crls=""):
        """ca.pem, ca.key, crl.pem in folder; crls: PEM text behind our own."""
        os.makedirs(folder, exist_ok=True)
        write(os.path.join(folder, "ca.key"), self.key.pem, 0o600)
        write(os.path.join(folder, "ca.pem"), self.pem)
        write(os.path.join(folder, "crl.pem"), self.crl() + crls)


# ---- the lab's set -----------------------------------------------------------

def _gateway_variants(ca):
    """Certificates for gw1.lab.test that a strict edge refuses, by file name.

    Each differs from gateway1.pem in one respect.
    """
    gw1 = ["gw1.lab.test"]
    variants = {
        "gw1-expired": ca.issue(gw1, not_before=now() - 60 * DAY, not_after=now() - DAY),
        "gw1-notyet": ca.issue(gw1, not_before=now() + DAY, not_after=now() + 60 * DAY),
        "gw1-revoked": ca.issue(gw1),
        "gw1-serverauth": ca.issue(gw1, eku=["server"]),
        "gw1-clientauth": ca.issue(gw1, eku=["client"]),
        "gw1-sipdomain": ca.issue(gw1, eku=["sip"]),
        "gw1-codesigning": ca.issue(gw1, eku=["code"]),
        "gw1-cnonly": ca.issue(cn="gw1.lab.test"),
        "gw1-cnbeside": ca.issue(["other.lab.test"], cn="gw1.lab.test"),
        "gw1-wildcard": ca.issue(["*.lab.test"]),
        "gw1-suffix": ca.issue(["gw1.lab.test.evil.test"]),
        "gw1-prefix": ca.issue(["evilgw1.lab.test"]),
        "gw1-parent": ca.issue(["lab.test"]),
        "gw1-email": ca.issue(email=["sip@gw1.lab.test"], cn="gw1.lab.test"),
        "gw1-ip": ca.issue(ip=["127.0.0.21"], cn="gw1.lab.test"),
        "gw1-uriuser": ca.issue(uri=["sip:alice@gw1.lab.test"], cn="gw1.lab.test"),
        "gw1-nul": ca.issue([b"gw1.lab.test\0.evil.test"], cn="evil.test"),
        "gw1-weak": ca.issue(gw1, key="rsa:1024"),
        "gw1-sha1": ca.issue(gw1, digest="sha1"),
        "gw1-selfsigned": ca.issue(gw1, self_signed=True),
        "gw1-badsignature": ca.issue(gw1, spoil_signature=True),
    }
    ca.revoke(variants["gw1-revoked"])
    return variants


def _good_leaves(ca, partner):
    return {
        "edge": ca.issue(["edge.lab.test"]),
        "mediation1": ca.issue(["mediation1.lab.test"]),
        "gateway1": ca.issue(["gw1.lab.test"]),
        "gateway2": ca.issue(["gw2.lab.test"]),
        "gateway3": ca.issue(["gw3.lab.test"]),
        "partner1": partner.issue(["sip.partner.test"]),
        # other good ways to be gw1.lab.test
        "gw1-uri": ca.issue(uri=["sip:gw1.lab.test"], cn=None),
        "gw1-uppercase": ca.issue(["GW1.Lab.TEST"]),
        "gw1-several": ca.issue(["a.lab.test", "gw1.lab.test", "b.lab.test"]),
        "gw1-noeku": ca.issue(["gw1.lab.test"], eku=None),
        "gw1-rsa": ca.issue(["gw1.lab.test"], key="rsa:2048"),
    }


def _intermediates(ca):
    """{file name: (leaf, chain)} and their CRLs."""
    plain = Authority("Enterprise Issuing CA", issuer=ca, path_length=0)
    below = Authority("Enterprise Deep CA", issuer=plain)  # path length broken
    elsewhere = Authority("Enterprise Elsewhere CA", issuer=ca,
                          constraints=name_constraints(permitted=["elsewhere.test"]))
    not_a_ca = ca.issue(["mediation1.lab.test"])
    fake = Authority("Not a CA", issuer=ca)
    fake.subject, fake.key, fake.certificate = (
        name("mediation1.lab.test", "TrunkGuard tests"), not_a_ca.key, not_a_ca)
    made = {
        "gateway1-chain": (plain, [plain]),
        "gw1-pathlen": (below, [below, plain]),
        "gw1-constrained": (elsewhere, [elsewhere]),
        "gw1-leafissued": (fake, [fake]),
    }
    leaves = {label: (issuer.issue(["gw1.lab.test"]), [a.certificate for a in chain])
              for label, (issuer, chain) in made.items()}
    return leaves, plain.crl() + below.crl() + elsewhere.crl()


def _stamp():
    with open(__file__, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def make(folder, fresh=False):
    """
    The lab's PKI: enterprise-ca, partner-ca, rogue-ca with ca.pem, ca.key,
    crl.pem; NAME.pem and NAME.key. What is there and good for another week
    is kept unless fresh. enterprise-ca/crl.pem has the CRLs of the
    intermediates, too; gateway1-chain.pem its intermediate behind the leaf.
    """
    stamp = os.path.join(folder, ".made")
    try:
        with open(stamp, encoding="ascii") as f:
            kept = f.read() == _stamp() and os.path.getmtime(stamp) > (
                now() - 7 * DAY).timestamp()
        if kept and not fresh:
            return
    except OSError:
        pass
    os.makedirs(folder, exist_ok=True)
    enterprise = Authority("Enterprise CA")
    partner = Authority("Partner CA")
    rogue = Authority("Rogue CA")
    # the same name as the enterprise's, another key
    double = Authority("Enterprise CA")
    chains, crls = _intermediates(enterprise)
    leaves = _good_leaves(enterprise, partner) | _gateway_variants(enterprise)
    leaves["impostor-rogue"] = leaves["rogue-gateway1"] = rogue.issue(["gw1.lab.test"])
    leaves["impostor-partner"] = partner.issue(["gw1.lab.test"])
    leaves["impostor-double"] = double.issue(["gw1.lab.test"])
    for label, leaf in leaves.items():
        leaf.write(folder, label)
    for label, (leaf, chain) in chains.items():
        leaf.write(folder, label, chain)
    enterprise.write(os.path.join(folder, "enterprise-ca"), crls)
    partner.write(os.path.join(folder, "partner-ca"))
    rogue.write(os.path.join(folder, "rogue-ca"))
    write(stamp, _stamp())


def main(argv):
    if len(argv) != 2 or argv[1].startswith("-"):
        print("usage: pki.py DIR", file=sys.stderr)
        return 2
    make(argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
