# SPDX-License-Identifier: GPL-2.0-or-later
"""Media nodes that fail: a set of which one node has no plugin, a node that is
killed while a call is up. What must be secured is, or is refused (A5, B14).

Kamailio, both rtpengines and the plugin are real.
"""

import os
import signal
import unittest

import lab
import ngclient
import proc
from sdp_ends import SOON_SEC, Call, Mode, answer_with, offer

STOCK = "127.0.0.2"
CALLS = 16


def two_nodes(text):
    return text.replace('"rtpengine_sock", "RTPENGINE_SOCKET"',
                        f'"rtpengine_sock", "udp:127.0.0.1:2223 udp:{STOCK}:2223"')


class OneNodeIsStock(Mode):
    script_edit = staticmethod(two_nodes)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stock = cls.LAB._rtpengine("stock-rtpengine", STOCK, (46000, 46999))
        stock.start()
        cls.addClassCleanup(stock.stop)
        stock.wait_ready()
        proc.wait_until(lambda: "disabled: 0" in cls.node() or cls.enable(),
                        "the edge uses the stock node", 10)

    @classmethod
    def node(cls):
        return cls.LAB.rpc("rtpengine.show", f"udp:{STOCK}:2223")

    @classmethod
    def enable(cls):
        cls.LAB.rpc("rtpengine.enable", f"udp:{STOCK}:2223", "1")

    def calls_of(self, address):
        ng = ngclient.Ng((address, lab.NG_PORT))
        try:
            return ng.ask("list", limit=1000)["calls"]
        finally:
            ng.close()

    def attempts(self, far):
        """CALLS calls: how many were served. Each secured, or refused at once"""
        served = 0
        for _ in range(CALLS):
            before = len(far.got)
            call = Call(self.client, offer())
            if call.answer.status == 200:
                served += 1
                self.assert_secured(call.answer)
                self.assert_secured(far.requests("INVITE")[-1])
                self.assertEqual(len(self.LAB.secured_streams()), 1)
                self.assertEqual(call.ack().bye().status, 200)
                self.assert_no_media()
            else:
                self.assertEqual(call.answer.status, 503)
                self.assertLess(call.took, SOON_SEC)
                self.assertEqual(len(far.got), before)
        return served

    def test_calls_are_secured_or_refused(self):
        with self.gateway(answer_with()) as far:
            served = self.attempts(far)
        self.assertGreater(served, 0)
        self.assertLess(served, CALLS, "no call met the stock node")
        self.refused_because("media-unproven", CALLS - served)
        proc.wait_until(lambda: not self.calls_of(STOCK),
                        "the stock node holds no refused call", 3, 0.05)


class OneNodeIsStockAndTheScriptKnows(OneNodeIsStock):
    """As doc/rtp_plugin.md has it: a node without proof gets no more calls"""

    @staticmethod
    def script_edit(text):
        return two_nodes(text).replace(
            'loadmodule "rtpengine.so"\n', 'loadmodule "jsonrpcs.so"\n'
            'loadmodule "rtpengine.so"\n').replace(
            'modparam("rtpengine", "rtpengine_retr", 2)\n',
            'modparam("rtpengine", "rtpengine_retr", 2)\n'
            'modparam("rtpengine", "rtp_inst_pvar", "$avp(media_node)")\n'
            'modparam("jsonrpcs", "transport", 0)\n').replace(
            "route[NOT_SENT] {\n", """route[NOT_SENT] {
	if($tlsp(reason) == "media-unproven" && $avp(media_node) != $null) {
		xlog("L_ERR", "media node $avp(media_node) is without the plugin\\n");
		jsonrpc_exec('{"jsonrpc":"2.0","id":1,"method":"rtpengine.enable","params":["$avp(media_node)",0]}');
	}
""")

    def test_calls_are_secured_or_refused(self):
        with self.gateway(answer_with()) as far:
            served = self.attempts(far)
            self.assertEqual(served, CALLS - 1)
            self.assertIn("disabled", self.node())
            self.assertEqual(self.attempts(far), CALLS)


class AKilledNode(Mode):
    def test_nothing_in_clear_and_service_returns(self):
        engine = self.LAB.daemons["rtpengine"]
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            call.ack()
            far.wait("ACK")
            os.kill(engine.pid(), signal.SIGKILL)
            proc.wait_until(lambda: not engine.running(), "rtpengine is gone", 5)
            for attempt in (lambda: call.again(offer()),
                            lambda: Call(self.client, offer(), timeout=15).answer):
                answer = attempt()
                self.assertGreaterEqual(answer.status, 500)
                self.assertEqual(len(far.requests("INVITE")), 1)
            self.assertEqual(call.bye().status, 200)
            self.refused_because("media-unproven", 2)
            engine.start()
            engine.wait_ready()

            def served():
                again = Call(self.client, offer(), timeout=15)
                if again.answer.status != 200:
                    return False
                self.assert_secured(again.answer)
                self.assert_secured(far.requests("INVITE")[-1])
                return again.ack().bye().status == 200
            proc.wait_until(served, "calls are served again", 40, 0.5)
        self.assert_no_media()
        self.assertIn("no valid proof of the media node's plugin",
                      self.LAB.daemons["kamailio"].log())


if __name__ == "__main__":
    unittest.main()
