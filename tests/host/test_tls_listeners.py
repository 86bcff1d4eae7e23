# SPDX-License-Identifier: GPL-2.0-or-later
"""One edge, several listeners and names; IPv6 and IPv4-mapped addresses; peers
that open the connection and peers that are called.
"""

import contextlib
import socket
import ssl
import time
import unittest

import kamailio
import sip
import tls_edge

KEYS = tls_edge.Pki()
FIRST, SECOND, SIX = ("127.0.0.1", 5061), ("127.0.0.2", 5061), ("::1", 5061)
BOTH = ("127.0.0.1", 5062)  # a socket of IPv6 that takes IPv4
PLACE, MAPPED = "127.0.0.51", "127.0.0.52"

POLICY = """
[policy]
profile = sfb2019

[trust enterprise]
ca_file = @PKI@/enterprise-ca/ca.pem

[trust partner]
ca_file = @PKI@/partner-ca/ca.pem

[peer trunk]
role = gateway
address = 127.0.0.51
listener = 127.0.0.1
identity = gw1.lab.test
trust = enterprise

[peer partner]
role = federation
address = 127.0.0.51
listener = 127.0.0.2
sni = partners.lab.test
domains = any
identity = sip.partner.test
trust = partner

[clients phones]
address = 127.0.0.51
listener = 127.0.0.2
sni = phones.lab.test

[peer six]
role = gateway
address = ::1
identity = gw2.lab.test
trust = enterprise

[peer mapped]
role = gateway
address = ::ffff:127.0.0.52
identity = gw3.lab.test
trust = enterprise

[clients callers]
address = 127.0.0.64/26
"""

ROUTE = """
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
		if(!t_relay()) sl_reply_error();
		exit;
	}
	if(is_method("OPTIONS") && uri == myself) {
		append_to_reply("X-Who: $tlsp(peer) $tlsp(clients)\\r\\n");
		sl_send_reply("200", "OK");
	}
"""

EDGE = tls_edge.edge("edge", KEYS, POLICY, ROUTE, tls=kamailio.TLS,
                     params="dns_try_ipv6=yes\n", listen=(
                         "tls:127.0.0.1:5061", "tls:127.0.0.2:5061", "tls:[::1]:5061",
                         "tls:[::]:5062"))


def setUpModule():
    EDGE.start()


def tearDownModule():
    EDGE.stop()


@contextlib.contextmanager
def over_six(leaf=None):
    """A connection from ::1 that sip.build takes for one."""
    with contextlib.closing(socket.create_connection(SIX, 3)) as raw:
        with tls_edge.context(KEYS, leaf).wrap_socket(raw) as s:
            c = sip.Connection.__new__(sip.Connection)
            c.transport, c.socket, c._buffer = "tls", s, b""  # pylint: disable=protected-access
            c.local = ("[::1]", s.getsockname()[1])
            yield c


class Case(unittest.TestCase):
    def who(self, c):
        answer = c.request("OPTIONS", "sip:edge.lab.test", timeout=3)
        self.assertEqual(answer.status, 200)
        return answer.get("x-who")

    def served_as(self, who, target, source, leaf=None, name="edge.lab.test"):
        with tls_edge.connect(KEYS, source, leaf, name, target) as c:
            self.assertEqual(self.who(c), who)

    def refused(self, target, source, leaf=None, name="edge.lab.test"):
        how, what = tls_edge.knock(KEYS, source, leaf, server_name=name, target=target)
        self.assertEqual(how, "alert", what)


class Listeners(Case):
    """(B6)"""

    def test_each_has_its_own_parties(self):
        self.served_as("trunk <null>", FIRST, PLACE, "gateway1")
        self.served_as("partner <null>", SECOND, PLACE, "partner1", "partners.lab.test")
        self.served_as("<null> phones", SECOND, PLACE, None, "phones.lab.test")

    def test_none_takes_anothers(self):
        for target, leaf, name in (
                (FIRST, "partner1", "partners.lab.test"), (FIRST, None, "phones.lab.test"),
                (SECOND, "gateway1", "partners.lab.test"),
                (SECOND, None, "partners.lab.test"), (SECOND, None, "else.lab.test")):
            with self.subTest(f"{target[0]} {leaf} {name}"):
                self.refused(target, PLACE, leaf, name)

    def test_who_asks_for_the_phones_name_is_a_phone(self):
        """Nobody asks it for the certificate that it has."""
        for leaf in ("gateway1", "partner1"):
            self.served_as("<null> phones", SECOND, PLACE, leaf, "phones.lab.test")

    def test_names_have_no_case(self):
        self.served_as("<null> phones", SECOND, PLACE, None, "PHONES.Lab.Test")

    def test_without_a_name_only_who_asks_for_none(self):
        self.served_as("trunk <null>", FIRST, PLACE, "gateway1", None)
        self.refused(SECOND, PLACE, "partner1", None)


class Addresses(Case):
    """(A29)"""

    def test_a_peer_over_ipv6(self):
        with over_six("gateway2") as c:
            self.assertEqual(self.who(c), "six <null>")
        for leaf in (None, "gateway1", "impostor-rogue"):
            with self.subTest(leaf), self.assertRaisesRegex(ssl.SSLError, "ALERT"):
                with over_six(leaf) as c:
                    self.who(c)

    def test_a_peer_declared_by_a_mapped_address(self):
        self.served_as("mapped <null>", FIRST, MAPPED, "gateway3")
        self.refused(FIRST, MAPPED, "gateway1")
        self.refused(FIRST, MAPPED)

    def test_a_mapped_address_is_the_ipv4_address(self):
        """The edge sees ::ffff:127.0.0.65 here."""
        self.served_as("<null> callers", BOTH, tls_edge.CLIENT)
        self.served_as("mapped <null>", BOTH, MAPPED, "gateway3")
        self.refused(BOTH, MAPPED)
        self.refused(BOTH, MAPPED, "gateway1")
        self.refused(BOTH, tls_edge.UNDECLARED, "gateway1")
        self.assertIn("::ffff:127.0.0", EDGE.log())

    def test_a_peer_called_over_ipv6(self):
        for leaf, served in (("gateway2", True), ("gateway1", False)):
            with self.subTest(leaf), Six(leaf) as s, \
                    tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
                answer = c.request("MESSAGE", "sip:bob@edge.lab.test", timeout=3,
                                   headers=["X-Next: sip:[::1]:5067;transport=tls"])
                if served:
                    self.assertEqual(answer.status, 200)
                else:
                    self.assertGreaterEqual(answer.status, 400)
            self.assertEqual(bool(s.octets), served)
            if not served:
                self.assertIn("ALERT", s.alerts[0])
            time.sleep(0.3)


class Six(tls_edge.Server):
    """On ::1."""

    def __init__(self, leaf):
        super().__init__(KEYS, leaf, ("127.0.0.1", 0))
        self._listener.close()
        self._listener = socket.create_server(("::1", 5067), family=socket.AF_INET6)


class BothWays(Case):
    """(A1, A25)"""

    def call(self, address, port):
        with tls_edge.connect(KEYS, tls_edge.CLIENT) as c:
            c.send(sip.build("MESSAGE", "sip:bob@edge.lab.test", c, headers=[
                f"X-Next: sip:{address}:{port};transport=tls"]))
            yield c
            yield c.final(3).status

    def test_a_peer_is_called_on_the_connection_it_opened(self):
        with tls_edge.connect(KEYS, PLACE, "gateway1") as gateway:
            self.assertEqual(self.who(gateway), "trunk <null>")
            steps = self.call(*gateway.local)
            next(steps)
            request = gateway.receive(3)
            self.assertEqual(request.method, "MESSAGE")
            gateway.send(tls_edge.answer(request))
            self.assertEqual(next(steps), 200)

    def test_a_peer_that_opened_one_is_called_on_another(self):
        with tls_edge.connect(KEYS, MAPPED, "gateway3") as gateway, \
                tls_edge.Server(KEYS, "gateway3", (MAPPED, 5067)) as s:
            self.assertEqual(self.who(gateway), "mapped <null>")
            steps = self.call(MAPPED, 5067)
            next(steps)
            self.assertEqual(next(steps), 200)
            self.assertEqual(self.who(gateway), "mapped <null>")
        self.assertEqual((s.connections, len(s.requests)), (1, 1))

    def test_the_one_it_opened_says_nothing_for_another(self):
        """An impostor beside a gateway that is connected."""
        with tls_edge.connect(KEYS, MAPPED, "gateway3") as gateway, \
                tls_edge.Server(KEYS, "gateway1", (MAPPED, 5068)) as s:
            self.assertEqual(self.who(gateway), "mapped <null>")
            steps = self.call(MAPPED, 5068)
            next(steps)
            self.assertGreaterEqual(next(steps), 400)
        self.assertEqual((s.connections, s.octets), (1, 0))


if __name__ == "__main__":
    unittest.main()
