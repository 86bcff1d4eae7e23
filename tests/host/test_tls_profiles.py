# SPDX-License-Identifier: GPL-2.0-or-later
"""Two peers behind one address with TLS profiles of their own: the handshake
offers what either may use, and each is held to its own.
"""

import ssl
import unittest

import kamailio
import tls_edge

KEYS = tls_edge.Pki()
STRONG, COMMON = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
SHARED = "127.0.0.41"

POLICY = f"""
[policy]
profile = sfb2019

[trust enterprise]
ca_file = @PKI@/enterprise-ca/ca.pem

[tls strong]
versions = 1.2
ciphers = {STRONG}

[tls common]
versions = 1.2, 1.3
ciphers = {STRONG}:{COMMON}

[peer strict]
role = gateway
address = {SHARED}
identity = gw1.lab.test
trust = enterprise
tls = strong

[peer easy]
role = gateway
address = {SHARED}
identity = gw2.lab.test
trust = enterprise
tls = common
"""

EDGE = tls_edge.edge("edge", KEYS, POLICY)


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class OwnProfile(unittest.TestCase):
    """(A20, B6)"""

    def knock(self, leaf, cipher, highest=ssl.TLSVersion.TLSv1_2):
        return tls_edge.knock(KEYS, SHARED, leaf, ciphers=cipher, highest=highest)

    def test_the_cipher_is_the_peers_own(self):
        self.assertEqual(self.knock("gateway1", STRONG)[0], "served")
        self.assertEqual(self.knock("gateway2", COMMON)[0], "served")
        how, what = self.knock("gateway1", COMMON)
        self.assertEqual(how, "alert", what)
        self.assertTrue(EDGE.decisions(reason="tls-cipher", peer="strict"))

    def test_the_version_is_the_peers_own(self):
        newest = ssl.TLSVersion.TLSv1_3
        self.assertEqual(self.knock("gateway2", STRONG, newest)[0], "served")
        how, what = self.knock("gateway1", STRONG, newest)
        self.assertEqual(how, "alert", what)
        self.assertTrue(EDGE.decisions(reason="tls-version", peer="strict"))


if __name__ == "__main__":
    unittest.main()
