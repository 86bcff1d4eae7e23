# SPDX-License-Identifier: GPL-2.0-or-later
"""Revocation and time against connections that are up: CRLs that change while
the edge runs, CRLs that do harm, clocks that go on (moved by libfaketime).

Every class has a connection of another peer beside it that stays and is served.
"""

import concurrent.futures
import contextlib
import datetime
import glob
import os
import re
import ssl
import unittest

import pki
import proc
import tls_edge

KEYS = tls_edge.Pki()
DAY = datetime.timedelta(days=1)


class Issuer(pki.Authority):
    """A CA of the lab, with the key that it has in the lab's folder."""

    def __init__(self, name, folder):
        super().__init__(name)
        with open(os.path.join(KEYS.path, folder, "ca.key"), "rb") as f:
            self.key.pem = f.read()
        self.key.public = pki.openssl("pkey", "-pubout", "-outform", "DER", data=self.key.pem)


ENTERPRISE = Issuer("Enterprise CA", "enterprise-ca")
NAMESAKE = pki.Authority("Enterprise CA")  # the same name, another key


def serial_of(leaf):
    text = pki.openssl("x509", "-noout", "-serial", "-in", KEYS.leaf(leaf)[0])
    return int(text.decode().strip().partition("=")[2], 16)


def crl(*revoked, days=300, by=ENTERPRISE, **more):
    since = pki.now() - DAY / 24
    return by.crl(next_update=pki.now() + days * DAY, **more,
                  revoked={serial_of(leaf): since for leaf in revoked})


class Case(unittest.TestCase):
    PARAMS = 'modparam("tls_policy", "crl_check_ms", 200)'
    GRACE = ""
    POLICY, ROUTE = tls_edge.POLICY, tls_edge.ROUTE

    def setUp(self):
        name = self.id().split(".", 1)[1]
        self.folder = tls_edge.folder(name)
        self.list = os.path.join(self.folder, "list.pem")
        pki.write(self.list, crl(days=self.days()))
        policy = self.POLICY.replace(
            "crl_file = @PKI@/enterprise-ca/crl.pem", f"crl_file = {self.list}\n{self.GRACE}")
        self.clock = os.path.join(self.folder, "clock")
        self.move("+0")
        library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        env = dict(os.environ, LD_PRELOAD=library[0], FAKETIME_TIMESTAMP_FILE=self.clock,
                   FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
        self.edge = tls_edge.edge(name, KEYS, policy, self.ROUTE, params=self.PARAMS,
                                  env=env).start()
        self.addCleanup(self.edge.stop)

    def days(self):
        return 300

    def move(self, by):
        pki.write(self.clock, by + "\n")

    def put(self, text):
        """At once, as a program that fetches CRLs does."""
        pki.write(self.list, text)

    def up(self, stack, source, leaf):
        c = stack.enter_context(tls_edge.connect(KEYS, source, leaf))
        self.serves(c)
        return c

    def serves(self, c):
        self.assertEqual(c.request("OPTIONS", "sip:edge.lab.test", timeout=5).status, 200)

    def ends(self, c, seconds=15):
        """It is closed, though nothing was sent on it."""
        with self.assertRaises((ConnectionError, ssl.SSLError)):
            c.receive(seconds)

    def knock(self, source, leaf):
        return tls_edge.knock(KEYS, source, leaf)

    def refused(self, reason, leaf="gateway1"):
        how, what = self.knock(tls_edge.GATEWAY1, leaf)
        self.assertEqual(how, "alert", what)
        self.assertTrue(self.edge.decisions(gate="handshake-in", reason=reason))

    def crls(self):
        text = self.edge.rpc("tls_policy.crls")
        return [dict(re.findall(r"(\w+): (.*)", one)) for one in text.split("}")
                if self.list in one][0]

    def sweep(self):
        text = self.edge.rpc("tls_policy.sweep")
        return {k: int(v) if v.isdigit() else v for k, v in re.findall(r"(\w+): (\w+)", text)}


class Live(Case):
    """(A26, B3)"""

    def test_a_peer_that_is_revoked_loses_its_connection(self):
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            other = self.up(stack, tls_edge.MEDIATION1, "mediation1")
            self.put(crl("gateway1"))
            self.ends(gateway)
            self.serves(other)
        said = self.edge.decisions(gate="again", reason="cert-revoked", peer="gateway1")
        self.assertRegex(said[0]["detail"], r"revoked 20\d\d-\d\d-\d\dT")
        self.refused("cert-revoked")
        self.assertEqual(self.knock(tls_edge.MEDIATION1, "mediation1"), ("served", 200))
        counted = self.edge.statistics("tls_policy")
        self.assertEqual((counted["closed"], counted["crl_taken"]), (1, 1))

    def test_and_has_it_back_when_the_list_says_so(self):
        self.put(crl("gateway1"))
        proc.wait_until(lambda: self.crls()["revoked"] == "1", "the list is in force")
        self.refused("cert-revoked")
        self.put(crl())
        proc.wait_until(lambda: self.crls()["revoked"] == "0", "the list is in force")
        self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))

    def test_a_list_that_is_written_in_place_counts_when_it_rests(self):
        text = crl("gateway1")
        with contextlib.ExitStack() as stack, open(self.list, "w", encoding="ascii") as f:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            f.write(text[:300])
            f.flush()
            proc.wait_until(lambda: self.crls()["not_taken"], "half of it is refused")
            self.serves(gateway)
            f.write(text[300:])
            f.flush()
            self.ends(gateway)

    def test_of_many_connections_those_of_one_peer_end(self):
        with contextlib.ExitStack() as stack:
            ended = [self.up(stack, tls_edge.GATEWAY1, "gateway1") for _ in range(40)]
            stay = [self.up(stack, tls_edge.MEDIATION1, "mediation1") for _ in range(40)]
            self.put(crl("gateway1"))
            for c in ended:
                self.ends(c)
            for c in stay:
                self.serves(c)
        proc.wait_until(lambda: self.edge.statistics("tls_policy")["closed"] == 40, "counted")

    def test_the_text_of_the_policy_waits_for_its_reload(self):
        with open(os.path.join(self.edge.folder, "policy.cfg"), "a", encoding="ascii") as f:
            f.write("[this is no policy\n")
        self.put(crl("gateway1"))
        proc.wait_until(lambda: self.crls()["revoked"] == "1", "the list is in force")
        self.refused("cert-revoked")
        self.assertEqual(self.knock(tls_edge.MEDIATION1, "mediation1"), ("served", 200))


class Now(Case):
    """tls_policy.sweep, where nothing else looks. (B3, B15)"""

    PARAMS = 'modparam("tls_policy", "crl_check_ms", 0)'

    def test_it_does_it_and_says_what(self):
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            other = self.up(stack, tls_edge.MEDIATION1, "mediation1")
            self.assertEqual(self.sweep(), {"crls": "unchanged", "established": 2,
                                            "judged": 0, "closed": 0, "pending": 0})
            self.put(crl("gateway1"))
            self.serves(gateway)
            said = self.sweep()
            self.assertEqual((said["crls"], said["established"]), ("changed", 2))
            # the sweep that runs all the time may have been faster with some
            self.assertLessEqual(said["judged"], 2)
            taken = self.edge.messages_taken()
            # in a thread: with Python 3.13 what fails here shows up once more
            # at the next connection of the same thread
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                asked = pool.submit(gateway.request, "OPTIONS", "sip:edge.lab.test",
                                    timeout=5)
                with self.assertRaises((ConnectionError, ssl.SSLError)):
                    asked.result()
            self.assertEqual(self.edge.messages_taken(), taken)
            self.serves(other)


    def test_lists_that_get_new_names_are_looked_at(self):
        """As where a name has a date in it: each reload gives up the one before."""
        with open(os.path.join(self.edge.folder, "policy.cfg"), encoding="utf-8") as f:
            policy = f.read()
        for day in range(300):
            name = os.path.join(self.folder, f"list-{day}.pem")
            os.symlink(self.list, name)
            self.edge.write("policy.cfg", policy.replace(self.list, name))
            self.edge.rpc("tls_policy.reload")
            self.sweep()
        self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))
        self.put(crl("gateway1"))
        self.assertEqual(self.sweep()["crls"], "changed")
        self.refused("cert-revoked")
        said = self.edge.rpc("tls_policy.crls")
        self.assertIn("list-299.pem", said)
        self.assertNotIn("list-298.pem", said)
        self.assertNotIn("is not watched", self.edge.log())


class Harm(Case):
    """A file that would not do changes nothing. (A26, B5)"""

    def refused_list(self, text, why):
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            if text is None:
                os.unlink(self.list)
            else:
                self.put(text)
            proc.wait_until(lambda: self.crls()["not_taken"], "it is refused")
            self.assertRegex(self.crls()["not_taken"], why)
            self.assertRegex(self.edge.log(), f"ALARM: CRL {self.list} is not taken.*{why}")
            self.serves(gateway)
            # what was in force is: one is let in, one is not
            self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))
            self.refused("cert-revoked", "gw1-rsa")
            # and the next good one counts
            self.put(crl("gateway1"))
            self.ends(gateway)

    def setUp(self):
        super().setUp()
        self.put(crl("gw1-rsa"))
        proc.wait_until(lambda: self.crls()["revoked"] == "1", "the list is in force")

    def test_broken(self):
        self.refused_list("-----BEGIN X509 CRL-----\nxyz\n", "PEM text is broken|no CRL")

    def test_empty(self):
        self.refused_list("", "empty")

    def test_of_another_kind(self):
        with open(KEYS.ca(), encoding="ascii") as f:
            self.refused_list(f.read(), "unexpected PEM object")

    def test_signed_by_a_namesake(self):
        self.refused_list(crl("gateway1", by=NAMESAKE), "not signed")

    def test_gone(self):
        self.refused_list(None, "No such file")


class Stale(Case):
    """Past its next update a list refuses new connections; those that are up
    live for stale_grace. (A26, B3)"""

    GRACE = "stale_grace = 5d"

    def days(self):
        return 30

    def test_new_ones_are_refused_and_others_end_later(self):
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            self.move("+31d")
            proc.wait_until(lambda: "is stale since" in self.edge.log(), "the alarm")
            self.assertEqual(self.crls()["state"], "stale")
            self.refused("crl-expired")
            self.serves(gateway)
            self.sweep()
            self.serves(gateway)
            # all that is left of the grace are the minutes they end over
            self.move("+36d")
            self.ends(gateway)
        said = self.edge.decisions(gate="again", reason="crl-expired", peer="gateway1")
        self.assertRegex(said[0]["detail"], r"expired 20\d\d-")
        self.assertGreater(self.edge.statistics("tls_policy")["crl_stale"], 0)

    def test_a_fresh_one_brings_all_back(self):
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gateway1")
            self.move("+31d")
            self.refused("crl-expired")
            self.put(crl(days=300))
            proc.wait_until(lambda: self.crls()["state"] == "fresh", "the list is in force")
            self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))
            self.move("+40d")
            self.sweep()
            self.serves(gateway)


class Expiry(Case):
    """(A22, B3)"""

    def test_a_certificate_that_expires_ends_its_connection(self):
        files = ENTERPRISE.issue(
            ["gw1.lab.test"], not_after=pki.now() + 10 * DAY,
            serial=int.from_bytes(os.urandom(8), "big") | 1 << 64).write(KEYS.path, "gw1-short")
        self.assertTrue(files)
        with contextlib.ExitStack() as stack:
            gateway = self.up(stack, tls_edge.GATEWAY1, "gw1-short")
            other = self.up(stack, tls_edge.MEDIATION1, "mediation1")
            self.move("+9d")
            self.sweep()
            self.serves(gateway)
            self.move("+11d")
            self.ends(gateway)
            self.serves(other)
        self.assertTrue(self.edge.decisions(gate="again", reason="cert-expired"))
        self.assertEqual(self.knock(tls_edge.GATEWAY1, "gateway1"), ("served", 200))


if __name__ == "__main__":
    unittest.main()
