# SPDX-License-Identifier: GPL-2.0-or-later
"""tgctl cert verify: exit status, reason and detail for each certificate."""

import datetime
import json
import os
import subprocess
import unittest

import pki

TGCTL = os.path.join(os.environ["TG_BUILD"], "tgctl")
FOLDER = os.path.join(os.environ["TG_LOG_DIR"], "pki")


def run(*args):
    return subprocess.run([TGCTL, "cert", *args], capture_output=True, text=True,
                          timeout=20, check=False)


class Verify(unittest.TestCase):
    """(A22, B4)"""

    @classmethod
    def setUpClass(cls):
        pki.make(FOLDER)

    def verify(self, leaf, *more, ca="enterprise-ca", name="gw1.lab.test", crl=True):
        ca_folder = os.path.join(FOLDER, ca)
        args = ["--trust", os.path.join(ca_folder, "ca.pem"), "--identity", name, *more]
        if crl:
            args += ["--crl", os.path.join(ca_folder, "crl.pem")]
        return run("verify", *args, os.path.join(FOLDER, f"{leaf}.pem"))

    def accepts(self, leaf, *more, **kw):
        done = self.verify(leaf, *more, **kw)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertTrue(done.stdout.startswith("accept: "), done.stdout)

    def refuses(self, leaf, reason, *more, detail="", **kw):
        done = self.verify(leaf, *more, **kw)
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        self.assertTrue(done.stdout.startswith(f"refuse: {reason}: "), done.stdout)
        self.assertIn(detail, done.stdout)

    def test_accepts_every_sound_certificate(self):
        for leaf in ("gateway1", "gateway1-chain", "gw1-uri", "gw1-uppercase",
                     "gw1-several", "gw1-noeku", "gw1-rsa", "gw1-clientauth"):
            with self.subTest(leaf):
                self.accepts(leaf)
        self.accepts("partner1", ca="partner-ca", name="sip.partner.test")

    def test_refuses_every_other_with_its_reason(self):
        for leaf, reason in {
                "gw1-expired": "cert-expired", "gw1-notyet": "cert-not-yet-valid",
                "gw1-revoked": "cert-revoked", "gw1-serverauth": "cert-eku",
                "gw1-codesigning": "cert-eku", "gw1-sipdomain": "cert-eku",
                "gw1-cnonly": "cert-name", "gw1-cnbeside": "cert-name",
                "gw1-wildcard": "cert-name", "gw1-suffix": "cert-name",
                "gw1-prefix": "cert-name", "gw1-parent": "cert-name",
                "gw1-email": "cert-name", "gw1-ip": "cert-name",
                "gw1-uriuser": "cert-name", "gw1-nul": "cert-name",
                "gateway2": "cert-name", "gw1-weak": "cert-weak",
                "gw1-sha1": "cert-weak", "gw1-selfsigned": "cert-self-signed",
                "gw1-badsignature": "cert-signature",
                "gw1-pathlen": "cert-constraint", "gw1-constrained": "cert-constraint",
                "gw1-leafissued": "cert-constraint",
                "impostor-rogue": "cert-untrusted",
                "impostor-partner": "cert-untrusted",
                "impostor-double": "cert-untrusted"}.items():
            with self.subTest(leaf):
                self.refuses(leaf, reason)

    def test_options_change_what_is_asked(self):
        self.accepts("gw1-wildcard", "--wildcard")
        self.accepts("gw1-cnonly", "--common-name")
        self.refuses("gw1-cnbeside", "cert-name", "--common-name")
        self.accepts("gw1-serverauth", "--role", "server")
        self.accepts("gw1-serverauth", "--eku", "server")
        self.accepts("gw1-sipdomain", "--eku", "sip")
        self.accepts("gw1-codesigning", "--eku", "any")
        self.refuses("gw1-clientauth", "cert-eku", "--eku", "both")
        self.refuses("gateway1", "cert-eku", "--eku", "sip")
        self.accepts("gw1-sha1", "--allow-sha1")
        self.accepts("gw1-weak", "--min-rsa", "1024")
        self.refuses("gw1-rsa", "cert-weak", "--min-rsa", "3072")
        self.accepts("gw1-revoked", "--revocation", "off")
        self.accepts("gw1-revoked", crl=False)
        self.accepts("gateway2", "--identity", "GW2.lab.test")

    def test_judges_at_the_time_that_is_asked_for(self):
        now = pki.now()
        ago, ahead = now - 30 * pki.DAY, now + 30 * pki.DAY
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        self.accepts("gw1-expired", "--at", ago.strftime("%Y-%m-%dT%H:%M:%SZ"), crl=False)
        self.accepts("gw1-expired", "--at", ago.astimezone(zone).isoformat(), crl=False)
        self.accepts("gw1-notyet", "--at", ahead.strftime("%Y-%m-%dT%H:%M:%S.5Z"),
                     crl=False)
        at = (now + 31 * pki.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.refuses("gateway1", "crl-expired", "--at", at)
        self.accepts("gateway1", "--at", at, "--stale-grace", str(2 * 86400))
        self.accepts("gateway1", "--at", at, "--revocation", "soft")

    def test_the_offset_of_a_time_counts(self):
        edge = pki.Authority("Hour CA")
        end = pki.now() + pki.DAY
        edge.issue(["gw1.lab.test"], not_after=end).write(FOLDER, "hour")
        edge.write(os.path.join(FOLDER, "hour-ca"))
        text = (end + datetime.timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")
        self.refuses("hour", "cert-expired", "--at", text + "Z", ca="hour-ca", crl=False)
        self.accepts("hour", "--at", text + "+01:00", ca="hour-ca", crl=False)
        self.refuses("hour", "cert-expired", "--at", text + "-01:00", ca="hour-ca",
                     crl=False)

    def test_intermediates_come_with_the_leaf_or_beside_it(self):
        chain = os.path.join(FOLDER, "gateway1-chain.pem")
        with open(chain, encoding="ascii") as f:
            first = f.read().split("-----END CERTIFICATE-----\n")[0]
        pki.write(os.path.join(FOLDER, "alone.pem"),
                  first + "-----END CERTIFICATE-----\n")
        self.refuses("alone", "cert-untrusted", detail="Enterprise Issuing CA")
        self.accepts("alone", "--untrusted", chain)

    def test_json_says_the_same(self):
        good = json.loads(self.verify("gw1-several", "--json").stdout)
        self.assertEqual((good["verdict"], good["reason"], good["name"]),
                         ("accept", "none", "gw1.lab.test"))
        self.assertEqual([n["name"] for n in good["names"]],
                         ["a.lab.test", "gw1.lab.test", "b.lab.test"])
        bad = self.verify("impostor-rogue", "--json")
        self.assertEqual(bad.returncode, 1)
        bad = json.loads(bad.stdout)
        self.assertEqual((bad["verdict"], bad["reason"]), ("refuse", "cert-untrusted"))
        self.assertIn('"CN=Rogue CA', bad["detail"])

    def test_what_makes_no_sense_is_usage(self):
        ca = os.path.join(FOLDER, "enterprise-ca", "ca.pem")
        leaf = os.path.join(FOLDER, "gateway1.pem")
        good = ["verify", "--trust", ca, "--identity", "gw1.lab.test"]
        self.assertEqual(run(*good, leaf).returncode, 0)
        for args in ([], ["verify"], good, [*good, leaf, leaf], ["frobnicate", leaf],
                     ["verify", "--trust", ca, leaf],
                     ["verify", "--identity", "gw1.lab.test", leaf],
                     [*good, "--eku", "x", leaf], [*good, "--role", "peer", leaf],
                     [*good, "--at", "yesterday", leaf],
                     [*good, "--at", "2030-01-01T00:00:00", leaf],
                     [*good, "--min-rsa", "70000", leaf], [*good, "--what", leaf],
                     [*good, "--identity", "", leaf], [*good, leaf + ".none"],
                     [*good, "--trust", leaf, leaf], [*good, "--crl", ca, leaf],
                     [*good, "--untrusted", ca + ".none", leaf]):
            with self.subTest(args):
                done = run(*args)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertEqual(done.stdout, "")
                self.assertNotEqual(done.stderr, "")

    def test_a_leaf_that_cannot_be_read_is_refused(self):
        path = os.path.join(FOLDER, "junk.pem")
        for text in ("", "junk\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                     "-----END CERTIFICATE-----\n"):
            pki.write(path, text)
            self.refuses("junk", "cert-malformed")

    def test_an_attackers_text_reaches_no_terminal(self):
        loud = pki.Authority('Loud \x1b[31m"\n\\ CA')
        loud.issue(["gw1.lab.test"]).write(FOLDER, "loud")
        for more in ((), ("--json",)):
            done = self.verify("loud", *more)
            self.assertEqual(done.returncode, 1)
            self.assertNotIn("\x1b", done.stdout)
            self.assertEqual(done.stdout.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
