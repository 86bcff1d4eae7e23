# SPDX-License-Identifier: GPL-2.0-or-later
"""Which certificate of ours a peer is shown: the one that the policy names for
that peer, without a word in the script (A25).
"""

import unittest

import kamailio
import tls_edge

KEYS = tls_edge.Pki()
TLS = kamailio.TLS + """
[client:any]
server_name = second.lab.test
server_id = second
certificate = @PKI@/mediation1.pem
private_key = @PKI@/mediation1.key
"""
POLICY = tls_edge.POLICY.replace(
    "next_hop = 127.0.0.22:5067", "next_hop = 127.0.0.22:5067\nclient_profile = second")
ROUTE = """
	$du = $hdr(X-Next);
	if(!t_relay()) sl_reply_error();
"""


class Profiles(unittest.TestCase):
    def shown(self, edge_, leaf, address):
        with tls_edge.Server(KEYS, leaf, (address, 5067)) as s, \
                tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            status = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                f"X-Next: sip:{address}:5067;transport=tls"], timeout=4).status
            self.assertEqual(status, 200, edge_.log()[-2000:])
            return s.clients

    def test_each_peer_is_shown_its_own(self):
        with tls_edge.edge("edge", KEYS, POLICY, ROUTE, tls=TLS) as edge:
            for _ in range(2):  # a choice does not stay for the next connection
                self.assertEqual(self.shown(edge, "gateway2", "127.0.0.22"),
                                 [["mediation1.lab.test"]])
                self.assertEqual(self.shown(edge, "gateway1", "127.0.0.21"),
                                 [["edge.lab.test"]])

    def test_one_that_is_not_there_refuses_start(self):
        log = tls_edge.edge("missing", KEYS, POLICY, ROUTE).refuses_to_start()
        self.assertRegex(log, r"policy.cfg:\d+:\d*:? ?.*"
                              "client_profile of peer gateway2: .*server_id = second")

    def test_one_that_is_not_there_refuses_a_reload(self):
        with tls_edge.edge("reload", KEYS, POLICY, ROUTE, tls=TLS) as edge:
            before = edge.rpc("tls_policy.status")
            edge.write("policy.cfg", POLICY.replace("@PKI@", KEYS.path).replace(
                "client_profile = second", "client_profile = third"))
            with self.assertRaisesRegex(kamailio.KamailioError, "the old policy stays: .*"
                                        "client_profile of peer gateway2: .*= third"):
                edge.rpc("tls_policy.reload")
            self.assertEqual(edge.rpc("tls_policy.status"), before)
            self.assertEqual(self.shown(edge, "gateway2", "127.0.0.22"),
                             [["mediation1.lab.test"]])


if __name__ == "__main__":
    unittest.main()
