# SPDX-License-Identifier: GPL-2.0-or-later
"""What mras does not start with, and why it says so."""

import unittest

import mras_edge
import tls_edge

POLICY = mras_edge.POLICY


class Start(unittest.TestCase):
    """(A33)"""

    def refused(self, pattern, **more):
        log = mras_edge.make(self.id().rpartition(".")[2], **more).refuses_to_start()
        self.assertRegex(log, pattern)

    def test_with_a_secret_that_others_can_read(self):
        self.refused("chmod 0640", mode=0o644)

    def test_with_a_short_secret(self):
        self.refused("must hold 16 to 256 octets", secret="short")

    def test_with_a_policy_that_has_none(self):
        self.refused(r"the policy has no \[mras\]", policy=tls_edge.POLICY)

    def test_with_rules_that_do_not_fit(self):
        self.refused(r"policy\.cfg:\d+:\d+: error: there is no \[clients nobody\]",
                     policy=POLICY.replace("clients = staff", "clients = nobody"))
        relays = POLICY[POLICY.index("[relay inside]"):]
        self.refused(r"\[mras\] needs a \[relay\]", policy=POLICY.replace(relays, ""))


if __name__ == "__main__":
    unittest.main()
