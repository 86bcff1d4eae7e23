# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab with every declared peer: what is no row of its table."""

import os
import unittest

import lab
import lab_rows

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
LAB = lab.Lab(ROOT, peers=tuple(lab.PEERS))


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class Peers(unittest.TestCase):
    """(A29)"""

    def test_gateway3_over_tls_is_not_what_was_declared(self):
        ok, seen = lab_rows.refused_in_handshake(LAB, lab.GATEWAY3, "gateway3")
        self.assertTrue(ok, seen)


if __name__ == "__main__":
    unittest.main()
