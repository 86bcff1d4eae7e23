# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's certificates, made with the openssl command: three CAs, each with
an empty CRL, and one leaf for each party. ECDSA P-256; both EKUs.
"""

import fcntl
import os
import shutil
import subprocess

CAS = ("enterprise-ca", "partner-ca", "rogue-ca")
LEAVES = {
    # file: (name, CA)
    "edge": ("edge.lab.test", "enterprise-ca"),
    "mediation1": ("mediation1.lab.test", "enterprise-ca"),
    "gateway1": ("gw1.lab.test", "enterprise-ca"),
    "gateway2": ("gw2.lab.test", "enterprise-ca"),
    "gateway3": ("gw3.lab.test", "enterprise-ca"),
    "partner1": ("sip.partner.test", "partner-ca"),
    # right names, wrong CA
    "rogue-mediation1": ("mediation1.lab.test", "rogue-ca"),
    "rogue-gateway1": ("gw1.lab.test", "rogue-ca"),
}

CONFIG = """\
[req]
distinguished_name = dn
prompt = no
x509_extensions = ca
[dn]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:{name}
authorityKeyIdentifier = keyid
[crl]
database = index.txt
default_md = sha256
default_crl_days = 30
"""


def _openssl(folder, *words):
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"openssl {words[0]}: {done.stderr.strip()}")


def _key(folder, path):
    _openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-out", path)
    os.chmod(os.path.join(folder, path), 0o600)


def _config(folder, name):
    path = os.path.join(folder, "openssl.cnf")
    with open(path, "w", encoding="ascii") as f:
        f.write(CONFIG.format(name=name))
    return path


def _make_ca(folder, name):
    home = os.path.join(folder, name)
    os.makedirs(home)
    config = _config(home, name)
    _key(home, "ca.key")
    _openssl(home, "req", "-new", "-x509", "-config", config, "-key", "ca.key",
             "-days", "90", "-out", "ca.pem")
    with open(os.path.join(home, "index.txt"), "w", encoding="ascii"):
        pass
    make_crl(folder, name)


def make_crl(folder, ca):
    """crl.pem anew, with what revoke() has marked."""
    _openssl(os.path.join(folder, ca), "ca", "-gencrl", "-config", "openssl.cnf",
             "-name", "crl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "crl.pem")


def revoke(folder, leaf, ca):
    """Marks a leaf as revoked in its CA's next CRL, and writes that."""
    _openssl(os.path.join(folder, ca), "ca", "-config", "openssl.cnf", "-name", "crl",
             "-keyfile", "ca.key", "-cert", "ca.pem",
             "-revoke", os.path.join(folder, f"{leaf}.pem"))
    make_crl(folder, ca)


def make_leaf(folder, file, name, ca):
    """FILE.pem and FILE.key for a name, signed by a CA of the folder."""
    config = _config(folder, name)
    _key(folder, f"{file}.key")
    request = f"{file}.csr"
    _openssl(folder, "req", "-new", "-config", config, "-key", f"{file}.key",
             "-out", request)
    _openssl(folder, "x509", "-req", "-in", request, "-CA", f"{ca}/ca.pem",
             "-CAkey", f"{ca}/ca.key", "-CAcreateserial", "-days", "60",
             "-extfile", config, "-extensions", "leaf", "-out", f"{file}.pem")
    os.unlink(os.path.join(folder, request))
    os.unlink(config)


def _usable(folder):
    """It is there, and good for another day."""
    leaf = os.path.join(folder, "edge.pem")
    return os.path.exists(leaf) and subprocess.run(
        ["openssl", "x509", "-checkend", "86400", "-noout", "-in", leaf],
        capture_output=True, check=False).returncode == 0


def make(folder):
    """Everything, once; what is there already is kept. All or nothing."""
    if _usable(folder):
        return
    new = f"{folder}.new"
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _usable(folder):
            return
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        for ca in CAS:
            _make_ca(new, ca)
        for file, (name, ca) in LEAVES.items():
            make_leaf(new, file, name, ca)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(new, folder)
