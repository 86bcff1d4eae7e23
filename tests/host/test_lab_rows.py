# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of `make lab`, on one lab: real daemons, phones and captures."""

import os
import unittest

import lab
import lab_rows

LAB = lab.Lab(os.path.join(os.environ["TG_LOG_DIR"], "lab"), peers=tuple(lab.PEERS), turn=True)


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class LabRows(unittest.TestCase):
    """One case a row; the order is that of the table
    (A1-A3, A5, A7-A9, A14, A16, A27-A30, A32, A33, A36,
    B1, B14)."""


def _case(row):
    def check(self):
        ok, seen = row.play(LAB)
        self.assertTrue(ok, f"{row.tried}: expected {row.expected}, seen {seen}")
    check.__doc__ = f"{row.tried}: {row.expected}"
    return check


for _number, _row in enumerate(lab_rows.ROWS, 1):
    setattr(LabRows, f"test_{_number:02}_{_row.name.replace('-', '_')}", _case(_row))


if __name__ == "__main__":
    unittest.main()
