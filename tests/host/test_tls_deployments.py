# SPDX-License-Identifier: GPL-2.0-or-later
"""Deployments that must work: several peers behind one address, any address,
softphones and a gateway behind one NAT, names by SNI, IPv6, old TLS, aliases.
"""

import socket
import ssl
import unittest

import kamailio
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
SHARED, ANYWHERE, NAT, EKU, WILD, MANY, NAMED = (
    f"127.0.0.{n}" for n in (41, 42, 43, 45, 46, 47, 44))

POLICY = """
[policy]
profile = sfb2019

[trust enterprise]
ca_file = @PKI@/enterprise-ca/ca.pem
crl_file = @PKI@/enterprise-ca/crl.pem

[trust partner]
ca_file = @PKI@/partner-ca/ca.pem

[peer a]
role = gateway
address = 127.0.0.41
identity = gw1.lab.test
trust = enterprise

[peer b]
role = gateway
address = 127.0.0.41
identity = gw2.lab.test
trust = enterprise

[peer roaming]
role = gateway
address = any
identity = gw3.lab.test
trust = enterprise

[peer behind-nat]
role = federation
address = 127.0.0.43
identity = sip.partner.test
trust = partner

[clients behind-nat]
address = 127.0.0.43

[peer serverauth]
role = gateway
address = 127.0.0.45
identity = gw1.lab.test
trust = enterprise
eku = server

[peer anyeku]
role = gateway
address = 127.0.0.60
identity = gw1.lab.test
trust = enterprise
eku = any

[peer wild]
role = gateway
address = 127.0.0.46
identity = gw1.lab.test
trust = enterprise
wildcard = yes

[peer many]
role = gateway
address = 127.0.0.47, 127.0.0.48/29
identity = x.lab.test, gw1.lab.test, mediation1.lab.test
trust = enterprise

[peer named]
role = gateway
address = 127.0.0.44
sni = trunk.lab.test
identity = gw1.lab.test
trust = enterprise

[clients named]
address = 127.0.0.44
sni = edge.lab.test

[clients six]
address = ::1
"""

# the second profile gives the SNI switch of tls.so something to do
TLS = kamailio.TLS + """
[server:any]
server_name = trunk.lab.test
method = TLSv1.2+
certificate = @PKI@/gateway2.pem
private_key = @PKI@/gateway2.key
verify_certificate = no
require_certificate = no
"""

EDGE = tls_edge.edge("edge", KEYS, POLICY, route="""
	if(is_method("OPTIONS") && uri == myself && !is_present_hf("X-Next")) {
		append_to_reply("X-Who: $tlsp(peer) $tlsp(clients)\r\n");
		sl_send_reply("200", "OK");
		exit;
	}
	$du = $hdr(X-Next);
	if(!t_relay()) sl_reply_error();
""", tls=TLS, params="tcp_accept_aliases=yes\n",
    listen=("udp:127.0.0.1:5060", "tls:127.0.0.1:5061", "tls:[::1]:5061"))


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


class Case(unittest.TestCase):
    def served_as(self, who, source, leaf=None, **more):
        with tls_edge.connect(KEYS, source, leaf, **more) as c:
            answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=3)
            self.assertEqual((answer.status, answer.get("x-who")), (200, who))

    def refused(self, source, leaf=None, **more):
        how, what = tls_edge.knock(KEYS, source, leaf, **more)
        self.assertEqual(how, "alert", what)


class Identities(Case):
    """(A29, B4, B6)"""

    def test_two_peers_behind_one_address(self):
        self.served_as("a <null>", SHARED, "gateway1")
        self.served_as("b <null>", SHARED, "gateway2")
        self.refused(SHARED, "mediation1")
        self.refused(SHARED)

    def test_a_peer_of_any_address(self):
        for source in (ANYWHERE, "127.0.1.7"):
            self.served_as("roaming <null>", source, "gateway3")
            self.refused(source, "gateway1")
            self.refused(source)

    def test_softphones_and_a_gateway_behind_one_nat(self):
        self.served_as("<null> behind-nat", NAT)
        self.served_as("behind-nat <null>", NAT, "partner1")
        self.refused(NAT, "gateway1")
        self.refused(NAT, "impostor-rogue")

    def test_a_serverauth_only_certificate(self):
        self.served_as("serverauth <null>", EKU, "gw1-serverauth")
        self.refused(EKU, "gw1-clientauth")

    def test_any_key_usage_where_it_is_allowed(self):
        for leaf in ("gw1-serverauth", "gw1-codesigning", "gateway1"):
            self.served_as("anyeku <null>", "127.0.0.60", leaf)
        self.assertEqual(tls_edge.knock(KEYS, EKU, "gw1-codesigning")[0], "alert")
        self.assertEqual(tls_edge.knock(KEYS, "127.0.0.60", "impostor-rogue")[0], "alert")

    def test_a_wildcard_where_it_is_allowed(self):
        self.served_as("wild <null>", WILD, "gw1-wildcard")
        self.refused(MANY, "gw1-wildcard")

    def test_several_addresses_and_names(self):
        for source in (MANY, "127.0.0.49"):
            self.served_as("many <null>", source, "gateway1")
            self.served_as("many <null>", source, "mediation1")
            self.refused(source, "gateway2")


class Names(Case):
    """(B2, B6)"""

    def test_the_server_name_picks(self):
        self.served_as("<null> named", NAMED)
        self.served_as("named <null>", NAMED, "gateway1", server_name="trunk.lab.test")

    def test_a_peer_by_name_needs_its_certificate(self):
        """Also behind the profile of tls.so that asks for none."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.refused(NAMED, server_name="trunk.lab.test", highest=version)
            self.refused(NAMED, "mediation1", server_name="trunk.lab.test", highest=version)

    def test_a_session_of_one_name_is_not_taken_up_under_another(self):
        made = tls_edge.context(KEYS, highest=ssl.TLSVersion.TLSv1_2)
        with sip.Connection("tls", tls_edge.EDGE, NAMED, made,
                            server_name="edge.lab.test") as c:
            self.assertEqual(c.request("OPTIONS", "sip:edge.lab.test").status, 200)
            session = c.socket.session
        raw = socket.socket()
        raw.bind((NAMED, 0))
        raw.connect(tls_edge.EDGE)
        with self.assertRaisesRegex(ssl.SSLError, "ALERT"):
            with made.wrap_socket(raw, server_hostname="trunk.lab.test",
                                  session=session) as s:
                s.recv(1)


class Six(Case):
    def test_a_client_over_ipv6(self):
        raw = socket.create_connection(("::1", 5061), 3)
        with tls_edge.context(KEYS).wrap_socket(raw) as s:
            host, port = s.getsockname()[:2]
            s.sendall(f"OPTIONS sip:edge.lab.test SIP/2.0\r\n"
                      f"Via: SIP/2.0/TLS [{host}]:{port};branch=z9hG4bK6;rport\r\n"
                      "From: <sip:a@lab.test>;tag=1\r\nTo: <sip:edge.lab.test>\r\n"
                      "Call-ID: six\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode())
            self.assertIn(b"X-Who: <null> six", s.recv(4096))


class Aliases(Case):
    """A connection that claims a port of its choice (;alias) (A30)."""

    def claim(self, source, port, leaf=None):
        c = tls_edge.connect(KEYS, source, leaf)
        octets = sip.build("OPTIONS", "sip:edge.lab.test", c).replace(
            f"{source}:{c.local[1]};branch".encode(), f"{source}:{port};alias;branch".encode())
        c.send(octets)
        self.assertEqual(c.final(3).status, 200)
        return c

    def to_gateway(self, address):
        """The status of a request to the gateway there, on port 5067."""
        with tls_edge.connect(KEYS, NAT) as c:
            c.send(sip.build("MESSAGE", "sip:gw@edge.lab.test", c, headers=[
                f"X-Next: sip:{address}:5067;transport=tls"]))
            yield c
            answer = c.final(3)
            yield answer.status if answer else 0

    def test_of_a_softphone_does_not_get_the_gateways_calls(self):
        with self.claim(NAT, 5067) as phone:
            asking = self.to_gateway(NAT)
            next(asking)
            self.assertIsNone(phone.receive(1))
            self.assertGreaterEqual(next(asking), 400)
        self.assertTrue(EDGE.decisions(gate="out", reason="wrong-peer"))

    def test_of_the_gateway_is_used(self):
        with self.claim(NAT, 5067, "partner1") as gateway:
            asking = self.to_gateway(NAT)
            next(asking)
            request = gateway.receive(3)
            self.assertEqual(request.method, "MESSAGE")
            gateway.send(tls_edge.answer(request))
            self.assertEqual(next(asking), 200)


class Legacy(Case):
    """(A19)"""

    def test_sfb2015_serves_1_0_to_1_2(self):
        policy = tls_edge.POLICY.replace("sfb2019", "sfb2015")
        # two profiles of tls.so: the security level survives the SNI switch
        with tls_edge.edge("legacy", KEYS, policy, listen=("tls:127.0.0.2:5061",),
                           tls=TLS):
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1,
                            ssl.TLSVersion.TLSv1_2):
                for leaf, source in ((None, tls_edge.CLIENT), ("gateway1", tls_edge.GATEWAY1)):
                    made = tls_edge.context(KEYS, leaf, lowest=ssl.TLSVersion.TLSv1)
                    made.set_ciphers("ALL:@SECLEVEL=0")
                    made.minimum_version = made.maximum_version = version
                    for name in ("edge.lab.test", "trunk.lab.test"):
                        with self.subTest(f"{version.name} {leaf} {name}"), sip.Connection(
                                "tls", ("127.0.0.2", 5061), source, made, server_name=name) as c:
                            answer = c.request("OPTIONS", "sip:edge.lab.test")
                            self.assertEqual(answer.status, 200)
            self.assertTrue(proc.listens("tcp", "127.0.0.2", 5061))


if __name__ == "__main__":
    unittest.main()
