# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that hide topology rewrite headers, Call-ID among them, of all that comes
and leaves, as our gates look at it: beside topoh the same calls are secured and the
same descriptions refused, whichever module is loaded first (A10, A11, B6).
"""

import os
import re
import shutil
import tempfile
import unittest

from sdp_ends import Call, Mode, answer_with, offer, reply

TOPOH = 'loadmodule "topoh.so"\nmodparam("topoh", "mask_key", "of the tests")\n'
BEFORE, BEHIND = 'loadmodule "tls_policy.so"\n', 'loadmodule "srtp_policy.so"\n'


class Topoh(Mode):
    """Loaded last"""

    @classmethod
    def script_edit(cls, text):
        return text.replace(BEHIND, BEHIND + cls.topoh())

    @classmethod
    def topoh(cls):
        return TOPOH

    def test_calls_are_secured(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            invite = far.wait("INVITE")
            self.assert_hidden(invite)
            self.assert_secured(invite)
            self.assert_secured(call.answer)
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            call.ack()
            far.wait("ACK")
            again = call.again(offer())
            self.assertEqual(again.status, 200)
            self.assert_secured(again)
            self.assertEqual(call.bye().status, 200)
            far.wait("BYE")
        self.assert_no_media()

    def assert_hidden(self, invite):
        self.assertNotIn(b"127.0.0.65", invite.raw.partition(b"\r\n\r\n")[0])

    def test_a_clear_offer_is_refused(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer(secured=False))
            self.assertEqual(call.answer.status, 488)
            self.assertEqual(far.requests("INVITE"), [])

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.client, offer())
            self.assertGreaterEqual(call.answer.status, 400)
            self.assertEqual(call.answer.body, b"")
            far.wait("ACK")
            far.wait("BYE")
        self.assert_no_media()


class TopohFirst(Topoh):
    """Loaded before ours"""

    @classmethod
    def script_edit(cls, text):
        return text.replace(BEFORE, cls.topoh() + BEFORE)


class TopohWithCallIdFirst(TopohFirst):
    """The other way round the edge does not start: test_tls_policy"""

    @classmethod
    def topoh(cls):
        return TOPOH + 'modparam("topoh", "mask_callid", 1)\n'


class Topos(Topoh):
    """Loaded last. It keeps what it hides in a database"""

    @classmethod
    def topoh(cls):
        tables = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, tables)
        for table in ("topos_d", "topos_t", "version"):
            with open(f"/usr/share/kamailio/dbtext/kamailio/{table}", encoding="ascii") as f:
                head, _, rows = f.read().partition("\n")
            if table != "version":  # as it is, it takes no NULL, which topos writes
                head = re.sub(r"\((string|int)\)", r"(\1,null)", head)
            with open(os.path.join(tables, table), "w", encoding="ascii") as f:
                f.write(f"{head}\n{rows}")
        return f"""loadmodule "db_text.so"
loadmodule "topos.so"
modparam("topos", "db_url", "text://{tables}")
modparam("topos", "storage", "db")
"""


class ToposFirst(Topos):
    @classmethod
    def script_edit(cls, text):
        return text.replace(BEFORE, cls.topoh() + BEFORE)


if __name__ == "__main__":
    unittest.main()
