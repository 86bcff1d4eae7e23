# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that die in the middle of a call: a worker of the edge's Kamailio,
started again as its drop-in has it, and a gateway. Nothing runs in clear,
and service returns.
"""

import os
import signal
import threading
import time
import unittest

import lab
import lab_rows
import proc
import wire

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
LAB = lab.Lab(ROOT)
BACK_SEC = 5
RESTART_SEC = 1  # of cfg/kamailio.service.d-trunkguard.conf


def setUpModule():
    LAB.up()


def tearDownModule():
    LAB.down()


class Killed(unittest.TestCase):
    """(A32)"""

    def during_a_call(self, kill):
        """What was recorded of a call in which kill() happened"""
        far = LAB.phones["gateway1"]
        with LAB.client_phone() as near, far:
            self.assertTrue(near.wait_registered())
            with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
                ok, why = near.call("sip:gw1-test@lab.test")
                self.assertTrue(ok, why)
                proc.wait_until(lambda: any(int(s.get("rx", 0)) > 20
                                            for s in LAB.secured_streams()),
                                "media runs", 10, 0.1)
                kill()
                near.hang_up()
        self.assertEqual(lab_rows.clear_sip(capture), [])
        at_gateway = wire.rtp_of([p for p in capture.packets
                                  if p.between(lab.EDGE, lab.GATEWAY1)])
        known = wire.rtp_of([p for p in capture.packets
                             if p.src == p.dst == lab.GATEWAY1])
        self.assertGreater(len(at_gateway), 20)
        self.assertGreater(len(known), 20)
        self.assertEqual(wire.clear_matches(at_gateway, known), 0)

    def assert_calls_work(self):
        ok, seen = lab_rows.call_verdict(LAB, "after.pcap", False)
        self.assertTrue(ok, seen)

    def test_a_worker_of_the_edge(self):
        edge = LAB.daemons["kamailio"]
        told = []

        def supervise():
            while edge.running():
                time.sleep(0.05)
            told.append(edge.log())
            time.sleep(RESTART_SEC)
            edge.start()

        def kill():
            with open(f"/proc/{edge.pid()}/task/{edge.pid()}/children",
                      encoding="ascii") as f:
                workers = [int(n) for n in f.read().split()]
            supervisor = threading.Thread(target=supervise)
            supervisor.start()
            os.kill(workers[-2], signal.SIGKILL)
            began = time.monotonic()
            supervisor.join(20)
            proc.wait_until(LAB.edge_answers, "the edge answers again", 10, 0.1)
            self.assertLess(time.monotonic() - began, BACK_SEC)

        self.during_a_call(kill)
        self.assertRegex(told[0], "(?i)child process .* exited by a signal 9")
        self.assert_calls_work()

    def test_a_gateway(self):
        def kill():
            gateway = LAB.daemons["gateway1"]
            os.killpg(gateway.pid(), signal.SIGKILL)
            proc.wait_until(lambda: not gateway.running(), "gateway1 is gone", 5)
            answer, _ = lab_rows._invite_gateway1(LAB)  # pylint: disable=protected-access
            self.assertGreaterEqual(answer.status, 400)
            gateway.start()
            gateway.wait_ready()

        self.during_a_call(kill)
        self.assert_calls_work()


if __name__ == "__main__":
    unittest.main()
