# SPDX-License-Identifier: GPL-2.0-or-later
"""An impostor at a peer's address gets no octet, whatever the edge wants to
send: each method, retransmissions, CANCEL, dispatcher's OPTIONS, replies, what
a dialog's IP Contact asks for, a name that resolves elsewhere.

The right server at the same place, under the same steps, is the control.
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading
import time
import unittest

import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
HOSTS = os.path.join(tls_edge.folder("edge"), "hosts")
CLONE_NEWNS = 0x00020000

ROUTE = """
	if(is_method("REGISTER") && !is_present_hf("X-Next")) {
		save("location");
		exit;
	}
	if($rU == "alice" && !has_totag()) {
		if(!lookup("location")) sl_send_reply("404", "Not Found");
		else if(!t_relay()) sl_reply_error();
		exit;
	}
	if(is_method("OPTIONS") && uri == myself && !is_present_hf("X-Next")) {
		sl_send_reply("200", "OK");
		exit;
	}
	if(is_method("CANCEL") && !is_present_hf("X-Next")) {
		if(t_check_trans()) t_relay();
		exit;
	}
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
	} else if(has_totag()) {
		if(!loose_route()) exit;
	}
	if(is_method("ACK|CANCEL")) {
		forward();
		exit;
	}
	if(is_method("INVITE")) record_route();
	t_check_trans();
	if(!t_relay()) sl_reply_error();
	exit; # Kamailio 6 closes the connection of a script that ends with an error
"""

# two behind one address
POLICY = tls_edge.POLICY + """
[peer left]
role = gateway
address = 127.0.0.51
identity = gw3.lab.test
trust = enterprise

[peer right]
role = gateway
address = 127.0.0.51
identity = mediation1.lab.test
trust = enterprise
"""

EDGE = tls_edge.edge("edge", KEYS, POLICY, route=ROUTE, listen=(
    "tls:127.0.0.1:5061", "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"), params="""
use_dns_cache=no
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "@DIR@/dispatcher.list")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("tls_policy", "retry_ms", 100)
""")
EDGE.write("dispatcher.list", "1 sip:127.0.0.22:5067;transport=tls\n")

_ports = iter(range(6000, 7000))


def setUpModule():
    # a name service of our own: /etc/hosts of this process and what it starts
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    resolve()
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", HOSTS, "/etc/hosts"], check=True)
    EDGE.start()


def tearDownModule():
    EDGE.stop()
    subprocess.run(["umount", "/etc/hosts"], check=True)


def resolve(**names):
    """gw1_lab_test="127.0.0.21": what names stand for from now on."""
    with open(HOSTS, "w", encoding="ascii") as f:
        f.write("127.0.0.1 localhost\n")
        for name, address in names.items():
            f.write(f"{address} {name.replace('_', '.')}\n")


class Held(tls_edge.Server):
    """Begins its handshakes when told to."""

    def __init__(self, leaf, address):
        super().__init__(KEYS, leaf, address)
        self.go = threading.Event()

    def _talk(self, raw):
        self.go.wait(10)
        super()._talk(raw)


class Quiet(tls_edge.Server):
    """Answers when told to."""

    def __init__(self, leaf, address):
        super().__init__(KEYS, leaf, address)
        self.go = threading.Event()

    def _serve(self, tls):
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += tls.recv(65536)
        self.octets += len(buffer)
        self.requests.append(sip.Message(buffer))
        self.go.wait(10)
        tls.sendall(tls_edge.answer(self.requests[0]))
        super()._serve(tls)


class Case(unittest.TestCase):
    def setUp(self):
        self.port = next(_ports)
        self.there = ("127.0.0.21", self.port)

    def next_hop(self, host="127.0.0.21"):
        return [f"X-Next: sip:{host}:{self.port};transport=tls"]

    def build(self, c, method="INVITE", **more):
        more.setdefault("headers", self.next_hop())
        return sip.build(method, "sip:bob@edge.lab.test", c, **more)

    def client(self):
        return tls_edge.connect(KEYS, tls_edge.CLIENT)

    def got_nothing(self, server, connections=1):
        proc.wait_until(lambda: len(server.alerts) >= connections, "an alert", 3)
        self.assertEqual(server.octets, 0)
        self.assertTrue(all("ALERT" in a for a in server.alerts), server.alerts)


METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE", "UPDATE", "PRACK",
           "INFO", "REFER", "NOTIFY", "SUBSCRIBE", "PUBLISH", "REGISTER")


class Methods(Case):
    """(A30, B1)"""

    def send(self, leaf, method):
        with tls_edge.Server(KEYS, leaf, self.there) as s, self.client() as c:
            c.send(self.build(c, method))
            answer = None if method in ("ACK", "CANCEL") else c.final(3)
            proc.wait_until(lambda: s.alerts or s.requests, f"{method} ends", 3)
        return s, answer.status if answer else 0

    def check(self, method):
        s, status = self.send("mediation1", method)
        self.got_nothing(s)
        if method not in ("ACK", "CANCEL"):
            self.assertGreaterEqual(status, 400)
        self.setUp()
        s, _ = self.send("gateway1", method)
        self.assertEqual([m.method for m in s.requests], [method])


for _method in METHODS:
    setattr(Methods, f"test_{_method.lower()}",
            lambda self, method=_method: self.check(method))


class Waiting(Case):
    """Requests that pile up while a handshake takes its time (A30, B1)."""

    def repeated(self, leaf):
        with Held(leaf, self.there) as s, self.client() as c:
            octets = self.build(c)
            for _ in range(4):
                c.send(octets)
                time.sleep(0.1)
            s.go.set()
            status = c.final(3).status
            time.sleep(0.2)
        return s, status

    def test_retransmissions(self):
        s, status = self.repeated("mediation1")
        self.got_nothing(s)
        self.assertGreaterEqual(status, 400)
        self.setUp()
        s, status = self.repeated("gateway1")
        self.assertEqual(([m.method for m in s.requests], status), (["INVITE"], 200))

    def cancelled(self, leaf):
        with Held(leaf, self.there) as s, self.client() as c:
            same = {"call_id": str(time.monotonic_ns()), "branch": "z9hG4bK" + self.id(),
                    "from_tag": "1"}
            c.send(self.build(c, **same))
            time.sleep(0.2)
            c.send(self.build(c, "CANCEL", headers=(), **same))
            finals = [c.final(3)]
            s.go.set()
            finals.append(c.final(3))
        return s, {m.get("cseq").split()[1]: m.status for m in finals if m}

    def test_cancel(self):
        s, finals = self.cancelled("mediation1")
        self.got_nothing(s)
        self.assertEqual(finals.get("CANCEL"), 200)
        self.assertGreaterEqual(finals["INVITE"], 400)
        self.setUp()
        s, finals = self.cancelled("gateway1")
        self.assertEqual(s.requests[0].method, "INVITE")


class Probes(Case):
    """(A1, B1)"""

    def test_dispatchers_options(self):
        place = ("127.0.0.22", 5067)
        with tls_edge.Server(KEYS, "gateway1", place) as s:
            proc.wait_until(lambda: len(s.alerts) >= 2, "two probes", 6)
            self.got_nothing(s)
            self.assertRegex(EDGE.rpc("dispatcher.list"), r"FLAGS: [IT]P")
        with tls_edge.Server(KEYS, "gateway2", place) as s:
            proc.wait_until(lambda: s.requests, "a probe", 6)
            self.assertEqual(s.requests[0].method, "OPTIONS")
            proc.wait_until(lambda: "FLAGS: AP" in EDGE.rpc("dispatcher.list"),
                            "it is active", 6)


class Replies(Case):
    """The connection that brought the request has gone; RFC 3261 18.2.2 opens
    another one to the address in Via (A32, B1)."""

    def answered(self, leaf):
        port = next(_ports)
        with Quiet("gateway1", self.there) as hop:
            with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as c:
                octets = self.build(c, "MESSAGE").replace(b";rport", b"")
                c.send(octets.replace(f":{c.local[1]};branch".encode(),
                                      f":{port};branch".encode()))
                proc.wait_until(lambda: hop.requests, "the request arrives", 3)
            with tls_edge.Server(KEYS, leaf, (tls_edge.MEDIATION1, port)) as s:
                time.sleep(0.3)  # the edge has seen that its connection closed
                hop.go.set()
                proc.wait_until(lambda: s.alerts or s.requests, "the reply ends", 4)
        return s

    def test_do_not_reach_an_impostor(self):
        for leaf in ("gateway1", "impostor-rogue"):
            with self.subTest(leaf):
                self.got_nothing(self.answered(leaf))
        s = self.answered("mediation1")
        self.assertEqual(s.requests[0].status, 200)


class Existing(Case):
    """(A30)"""

    def test_a_connection_ends_with_its_verdict(self):
        policy = EDGE.fill(POLICY.replace("@PKI@", KEYS.path))
        self.addCleanup(EDGE.rpc, "tls_policy.reload")
        self.addCleanup(EDGE.write, "policy.cfg", policy)
        with tls_edge.Server(KEYS, "gateway1", self.there) as s, self.client() as c:
            ask = {"headers": self.next_hop(), "timeout": 3}
            for _ in range(2):
                self.assertEqual(
                    c.request("MESSAGE", "sip:bob@edge.lab.test", **ask).status, 200)
            octets = s.octets
            EDGE.write("policy.cfg", policy.replace("gw1.lab.test", "new.lab.test"))
            EDGE.rpc("tls_policy.reload")
            for _ in range(2):
                self.assertGreaterEqual(
                    c.request("MESSAGE", "sip:bob@edge.lab.test", **ask).status, 400)
        self.assertEqual(s.octets, octets)


class Names(Case):
    """The next hop by name, over a name service that an attacker may hold
    (A31, B12)."""

    def tearDown(self):
        resolve()

    @staticmethod
    def refusals():
        return EDGE.statistics("tls_policy")["refused_egress_name"]

    def ask(self, leaf, address, name="gw1.lab.test"):
        with tls_edge.Server(KEYS, leaf, (address, self.port)) as s, self.client() as c:
            answer = c.request("MESSAGE", "sip:bob@edge.lab.test",
                               headers=self.next_hop(name), timeout=3)
        return s, answer.status

    def test_within_the_peers_addresses(self):
        resolve(gw1_lab_test="127.0.0.21")
        s, status = self.ask("gateway1", "127.0.0.21")
        self.assertEqual((status, len(s.requests)), (200, 1))

    def test_outside_of_them_nobody_is_called(self):
        for leaf in ("gateway1", "mediation1"):
            resolve(gw1_lab_test="127.0.0.200")
            s, status = self.ask(leaf, "127.0.0.200")
            self.assertGreaterEqual(status, 400)
            self.assertEqual((s.connections, s.octets), (0, 0))
            self.setUp()

    def test_at_another_peers_address_nobody_is_served(self):
        """The very peer that is declared there, too, gets no octet."""
        for leaf in ("gateway2", "gateway1", "impostor-rogue"):
            resolve(gw1_lab_test="127.0.0.22")
            s, status = self.ask(leaf, "127.0.0.22")
            self.assertGreaterEqual(status, 400)
            self.assertEqual((s.connections, s.octets), (0, 0))
            self.setUp()
        self.assertTrue(EDGE.decisions(gate="out", reason="egress-name"))
        resolve(gw1_lab_test="127.0.0.22", gw2_lab_test="127.0.0.22")
        s, status = self.ask("gateway2", "127.0.0.22", "gw2.lab.test")
        self.assertEqual((status, len(s.requests)), (200, 1))

    def test_over_a_connection_that_another_peer_has(self):
        resolve(gw1_lab_test="127.0.0.22", gw2_lab_test="127.0.0.22")
        with tls_edge.Server(KEYS, "gateway2", ("127.0.0.22", self.port)) as s:
            for name, served in (("gw2.lab.test", True), ("gw1.lab.test", False),
                                 ("127.0.0.22", True)):
                with self.subTest(name), self.client() as c:
                    octets = s.octets
                    status = c.request("MESSAGE", "sip:bob@edge.lab.test", timeout=3,
                                       headers=self.next_hop(name)).status
                    self.assertEqual((status == 200, s.octets > octets), (served,) * 2)
            self.assertEqual(s.connections, 1)

    def of_two(self, leaf, reload):
        """Of two behind one address the name means the left one."""
        resolve(gw3_lab_test="127.0.0.51")
        with Held(leaf, ("127.0.0.51", self.port)) as s, self.client() as c:
            c.send(self.build(c, "MESSAGE", headers=self.next_hop("gw3.lab.test")))
            proc.wait_until(lambda: s.connections, "the edge connects", 3)
            if reload:
                EDGE.rpc("tls_policy.reload")
            s.go.set()
            status = c.final(3).status
        self.setUp()
        return status == 200, s.octets > 0

    def test_of_one_of_two_behind_an_address(self):
        self.assertEqual(self.of_two("gateway3", False), (True, True))
        self.assertEqual(self.of_two("mediation1", False), (False, False))

    def test_of_one_of_two_when_the_policy_changes_in_the_handshake(self):
        self.assertEqual(self.of_two("mediation1", True), (False, False))
        self.assertEqual(self.of_two("gateway3", False), (True, True))

    def test_a_name_that_means_no_peer(self):
        resolve(elsewhere_lab_test="127.0.0.21")
        s, status = self.ask("gateway1", "127.0.0.21", "elsewhere.lab.test")
        self.assertGreaterEqual(status, 400)
        self.assertEqual((s.connections, s.octets), (0, 0))

    def test_stateless(self):
        """An ACK is forwarded without a transaction."""
        for name, served in (("gw1.lab.test", False), ("gw2.lab.test", True)):
            resolve(**{name.replace(".", "_"): "127.0.0.22"})
            with self.subTest(name), self.client() as c, \
                    tls_edge.Server(KEYS, "gateway2", ("127.0.0.22", self.port)) as s:
                before = self.refusals()
                c.send(self.build(c, "ACK", headers=self.next_hop(name)))
                proc.wait_until(
                    lambda: s.requests or self.refusals() > before, "the ACK ends", 3)
                self.assertEqual([m.method for m in s.requests], ["ACK"] * served)
            self.setUp()


class Dialogs(Case):
    """Requests inside a dialog go to the IP address of a Contact
    (A30, B12)."""

    def call(self, c):
        """The request line and headers that the BYE of this call needs."""
        contact = f"sip:gw@127.0.0.21:{self.port};transport=tls"
        same = {"call_id": str(time.monotonic_ns()), "from_tag": "1"}
        c.send(self.build(c, **same))
        answer = c.final(3)
        self.assertEqual(answer.status, 200)
        routes = [f"Route: {r}" for r in reversed(answer.all("record-route"))]
        return sip.build("BYE", contact, c, headers=routes, cseq=2,
                         to="sip:bob@edge.lab.test>;tag=server;x=<y", **same)

    def bye(self, after):
        """After the call its connection ends; who is there then: after."""
        with self.client() as c:
            with tls_edge.Server(KEYS, "gateway1", self.there):
                octets = self.call(c)
            octets = octets.replace(b";x=<y>", b"")
            time.sleep(0.3)
            with tls_edge.Server(KEYS, after, self.there) as s:
                c.send(octets)
                answer = c.final(3)
        return s, answer.status

    def test_to_a_gateway(self):
        s, status = self.bye("gateway1")
        self.assertEqual((status, [m.method for m in s.requests]), (200, ["BYE"]))

    def test_not_to_an_impostor(self):
        s, status = self.bye("gateway2")
        self.assertGreaterEqual(status, 400)
        self.got_nothing(s)

    def to_phone(self, stays):
        """A request of the gateway to the Contact of a phone."""
        with contextlib.ExitStack() as stack:
            phone = stack.enter_context(tls_edge.connect(KEYS, "127.0.0.66"))
            self.assertEqual(phone.request("OPTIONS", "sip:edge.lab.test").status, 200)
            gateway = stack.enter_context(
                tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1"))
            host, port = phone.local
            if not stays:
                phone.socket.setsockopt(  # an end that leaves its port free
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                phone.close()
                time.sleep(0.3)
                listener = stack.enter_context(socket.create_server((host, port)))
                listener.settimeout(0.3)
            gateway.send(sip.build(
                "NOTIFY", f"sip:alice@{host}:{port};transport=tls", gateway,
                to="sip:alice@lab.test>;tag=1;x=<y",
                headers=["Route: <sip:127.0.0.1:5061;transport=tls;lr>"]).replace(
                    b";x=<y>", b""))
            if stays:
                request = phone.receive(3)
                self.assertEqual(request.method, "NOTIFY")
                phone.send(tls_edge.answer(request))
            else:
                with self.assertRaises(TimeoutError):
                    listener.accept()
            return gateway.final(3).status

    def test_to_a_phone_over_its_connection_only(self):
        self.assertEqual(self.to_phone(True), 200)
        self.assertGreaterEqual(self.to_phone(False), 400)


class Registered(Case):
    """What a phone wrote into its Contact (A32, B12)."""

    def call(self, phone, contact):
        """Registers it, then the status of a request to who registered."""
        done = phone.request("REGISTER", "sip:edge.lab.test", domain="edge.lab.test",
                             to="sip:alice@edge.lab.test", contact=f"<{contact}>",
                             cseq=next(_ports), call_id="registered")
        self.assertEqual(done.status, 200)
        with self.client() as c:
            c.send(sip.build("MESSAGE", "sip:alice@edge.lab.test", c))
            if contact.endswith("tls") and f":{phone.local[1]};" in contact:
                phone.send(tls_edge.answer(phone.receive(3)))
            return c.final(3).status

    def test_its_own_connection_is_used(self):
        with tls_edge.connect(KEYS, "127.0.0.66") as phone:
            host, port = phone.local
            self.assertEqual(
                self.call(phone, f"sip:alice@{host}:{port};transport=tls"), 200)

    def test_another_place_or_transport_is_not_tried(self):
        for kind, words in ((socket.SOCK_DGRAM, "transport=udp"),
                            (socket.SOCK_STREAM, "transport=tcp"),
                            (socket.SOCK_STREAM, "transport=tls")):
            with self.subTest(words), tls_edge.connect(KEYS, "127.0.0.66") as phone, \
                    socket.socket(socket.AF_INET, kind) as s:
                s.bind(("127.0.0.66", self.port))
                s.settimeout(0.3)
                if kind == socket.SOCK_STREAM:
                    s.listen()
                status = self.call(phone, f"sip:alice@127.0.0.66:{self.port};{words}")
                self.assertGreaterEqual(status, 400)
                with self.assertRaises(TimeoutError):
                    if kind == socket.SOCK_STREAM:
                        s.accept()
                    else:
                        s.recv(1)


if __name__ == "__main__":
    unittest.main()
