# SPDX-License-Identifier: GPL-2.0-or-later
"""What tls_policy does when it goes on and on: reloads by the hundred under
traffic, floods of handshakes beside a peer that wants in, workers that die,
numbers of connections that are used again.

The flood's measures are printed, both sides, with the limits and without;
tests/bench/soak does the same for minutes.
"""

import concurrent.futures
import contextlib
import os
import signal
import socket
import ssl
import statistics
import subprocess
import threading
import time
import unittest

import kamailio
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
TLSLOAD = os.path.join(kamailio.BUILD, "tools", "tlsload")
RELOADS = 400

# one address for a gateway and for softphones behind the same NAT
SHARED = "127.0.0.41"
POLICY = tls_edge.POLICY.partition("[clients staff]")[0] + f"""
[peer branch]
role = gateway
address = {SHARED}
identity = gw2.lab.test
trust = enterprise

[clients staff]
address = 127.0.0.64/26, {SHARED}
@LIMITS@
"""
OPEN = POLICY.replace("@LIMITS@", "handshakes_per_sec = 0\nmax_pending = 0")

ROUTE = """
	if(is_present_hf("X-Next")) {
		$du = $hdr(X-Next);
		if(!t_relay()) sl_reply_error();
		exit;
	}
	append_to_reply("X-Seen: $tlsp(peer) $tlsp(clients)\\r\\n");
""" + tls_edge.ROUTE


def edge(name, policy=OPEN, **more):
    return tls_edge.edge(name, KEYS, policy, ROUTE, **more)


def options(connection, *headers):
    return connection.request("OPTIONS", "sip:edge.lab.test", headers=headers, timeout=10)


class Traffic:
    """Requests on connections that stay up, until it is told to stop."""

    def __init__(self):
        self.answers = []
        self.lost = []
        self._over = threading.Event()
        self._crew = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._crew:
            thread.join(30)

    def start(self, source, leaf, *headers):
        self._crew.append(threading.Thread(target=self._run,
                                           args=(source, leaf, headers)))
        self._crew[-1].start()

    def _run(self, source, leaf, headers):
        try:
            with tls_edge.connect(KEYS, source, leaf) as c:
                while not self._over.is_set():
                    answer = options(c, *headers)
                    status = answer.status if answer else None
                    (self.answers if status == 200 else self.lost).append(status)
        except OSError as e:
            self.lost.append(repr(e))

    def knock(self, source, leaf):
        """Connections that come and go."""
        self._crew.append(threading.Thread(target=self._knock, args=(source, leaf)))
        self._crew[-1].start()

    def _knock(self, source, leaf):
        while not self._over.is_set():
            what = tls_edge.knock(KEYS, source, leaf)
            (self.answers if what == ("served", 200) else self.lost).append(what)


class Reloads(unittest.TestCase):
    """Hundreds of reloads under traffic in, traffic out and handshakes: no
    crash, no transaction lost, shared memory as before; who reads the state
    meanwhile reads it whole (B3, B5)."""

    def used(self, running):
        """Octets of shared memory once nothing changes any more: longer than
        tm keeps a transaction that is over."""
        seen = []

        def at_rest():
            seen.append(running.statistics("shmem")["used_size"])
            last = seen[-14:]
            return len(last) == 14 and max(last) - min(last) < 4096
        proc.wait_until(at_rest, "shared memory is at rest", 60, 0.5)
        return seen[-1]

    def load(self, running, policies, reloads):
        next_hop = f"X-Next: sip:{tls_edge.GATEWAY1}:5067;transport=tls"
        with Traffic() as traffic:
            traffic.start(tls_edge.MEDIATION1, "mediation1")
            traffic.start(tls_edge.CLIENT, None)
            traffic.start(tls_edge.MEDIATION1, "mediation1", next_hop)
            traffic.knock(SHARED, "gateway2")
            for i in range(reloads):
                if i % 8 == 0:
                    running.write("policy.cfg", policies[i // 8 % 2])
                running.rpc("tls_policy.reload")
                if i % 8 == 4:
                    self.read_state(running)
        self.assertEqual(traffic.lost, [])
        return len(traffic.answers)

    def read_state(self, running):
        known = {"mediation1", "gateway1", "branch"}
        for line in running.rpc("tls_policy.connections").splitlines():
            name, _, value = (x.strip() for x in line.partition(":"))
            if name == "peer":
                self.assertIn(value, known)
            elif name == "identity" and value:
                self.assertIn(value, {"mediation1.lab.test", "gw1.lab.test", "gw2.lab.test"})
            elif name == "state":
                self.assertIn(value, {"allowed", "handshake"})

    def test_by_the_hundred_under_traffic(self):
        more = OPEN.replace("@PKI@", KEYS.path)
        more += "".join(f"""
[peer extra{i}]
role = gateway
address = 10.1.0.{i}
identity = extra{i}.lab.test
trust = enterprise
""" for i in range(1, 100))
        # traffic ends first: a next hop that is gone answers nobody
        with tls_edge.Server(KEYS, "gateway1", (tls_edge.GATEWAY1, 5067)) as hop, \
                edge("reloads", params="tcp_connection_lifetime=4") as running:
            policies = (more, OPEN.replace("@PKI@", KEYS.path))
            self.load(running, policies, 16)
            before = self.used(running)
            answered = self.load(running, policies, RELOADS)
            after = self.used(running)
            self.assertGreater(len(hop.requests), 50)
            self.assertTrue(running.running())
        print(f"{RELOADS} reloads, {answered} answers, shared memory at rest "
              f"{before} -> {after}")
        self.assertGreater(answered, RELOADS)
        self.assertLess(after - before, 65536)


class Flood(unittest.TestCase):
    """Handshakes of one source as fast as it can, beside a declared peer that
    connects again and again (B9, B13)."""

    COUNT = 400
    CREW = 3

    def flood(self, running, source):
        """-> served and refused handshakes of the flood, seconds of each of
        the peer's connects meanwhile"""
        arguments = [TLSLOAD, "flood", *map(str, tls_edge.EDGE), source,
                     *KEYS.leaf("gateway1"), KEYS.ca(), str(self.COUNT)]
        crew = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
                for _ in range(self.CREW)]
        took = []
        try:
            while any(p.poll() is None for p in crew):
                began = time.monotonic()
                self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                                 ("served", 200))
                took.append(time.monotonic() - began)
        finally:
            ends = [p.communicate(timeout=60)[0].split() for p in crew]
        self.assertEqual([p.returncode for p in crew], [0] * self.CREW)
        self.assertTrue(running.running())
        return sum(int(e[2]) for e in ends), sum(int(e[3]) for e in ends), took

    def measure(self, name, limits):
        with edge(name, POLICY.replace("@LIMITS@", limits)) as running:
            began = time.monotonic()
            served, refused, took = self.flood(running, tls_edge.CLIENT)
            lasted = time.monotonic() - began
            counted = running.statistics("tls_policy")
            lines = running.decisions(gate="accept")
        print(f"{name}: flood {served} served, {refused} refused in {lasted:.1f} s; "
              f"peer {len(took)} of {len(took)} connects served, median "
              f"{statistics.median(took) * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms; "
              f"{len(lines)} lines for {counted['refused_limit']} refusals")
        return served, refused, counted["refused_limit"], lines, lasted

    def test_is_refused_before_it_costs_and_a_peer_is_served(self):
        total = self.COUNT * self.CREW
        served, refused, counted, lines, lasted = self.measure(
            "with-limits", "handshakes_per_sec = 20\nmax_pending = 8")
        # a full bucket and what flows into it
        self.assertLessEqual(served, 20 * (lasted + 2))
        self.assertEqual(served + refused, total)
        self.assertEqual(counted, refused)
        self.assertGreater(refused, total // 2)
        # equal refusals are one line in 10 seconds
        self.assertLessEqual(len(lines), 2 + lasted / 10)
        self.assertGreater(len(lines), 0)

        served, refused, counted, lines, _ = self.measure(
            "without-limits", "handshakes_per_sec = 0\nmax_pending = 0")
        self.assertEqual((served, refused, counted, lines), (total, 0, 0, []))

    def hold(self, stack, count):
        """Connections of many strangers that say nothing. -> those that the
        edge keeps"""
        held = []
        for i in range(count):
            s = stack.enter_context(socket.socket())
            s.bind((f"127.0.0.{66 + i % 50}", 0))
            s.connect(tls_edge.EDGE)
            s.setblocking(False)
            held.append(s)
        time.sleep(0.3)

        def is_open(s):
            try:
                return s.recv(1) != b""
            except BlockingIOError:
                return True
            except OSError:
                return False
        return [s for s in held if is_open(s)]

    PLACES = """
tcp_max_connections=40
tls_max_connections=40
"""

    def test_of_silent_strangers_leaves_half_of_the_places(self):
        with contextlib.ExitStack() as stack, edge("places", params=self.PLACES):
            kept = self.hold(stack, 50)
            self.assertLessEqual(len(kept), 20)
            for _ in range(10):
                self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                                 ("served", 200))

    def test_control_without_the_module_takes_all_places(self):
        with contextlib.ExitStack() as stack, \
                tls_edge.edge("places-stock", KEYS, None, tls_edge.ROUTE,
                              load=kamailio.WITH_TLS, params=self.PLACES):
            self.assertGreaterEqual(len(self.hold(stack, 50)), 38)
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1")[0], "dead")


class Ends(unittest.TestCase):
    """No verdict outlives its connection: not by its address and port, not by
    its number, not by a worker that died (A23, B1, B3)."""

    def seen(self, connection):
        answer = options(connection)
        return answer.status, answer.get("x-seen").split()

    def connect_from(self, port, leaf):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # the port is free for the next one at once
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.settimeout(5)
        raw.bind((SHARED, port))
        raw.connect(tls_edge.EDGE)
        c = sip.Connection.__new__(sip.Connection)
        c.transport, c.target, c._buffer = "tls", tls_edge.EDGE, b""
        c.socket = tls_edge.context(KEYS, leaf).wrap_socket(
            raw, server_hostname="edge.lab.test")
        c.local = c.socket.getsockname()
        return c

    def test_the_next_connection_of_the_same_port_has_proven_nothing(self):
        """Gateway and softphones share an address: a softphone that gets the
        gateway's port, and its place in every table, is a softphone."""
        with edge("ends", params="tcp_children=1") as running:
            for turn in range(40):
                port = 20000 + turn % 2
                with self.connect_from(port, "gateway2") as gateway:
                    self.assertEqual(self.seen(gateway), (200, ["branch", "<null>"]))
                self.gone(running, port)
                with self.connect_from(port, None) as softphone:
                    self.assertEqual(self.seen(softphone), (200, ["<null>", "staff"]))
                    self.assertEqual(self.seen(softphone), (200, ["<null>", "staff"]))
                self.gone(running, port)
            with self.assertRaises((ssl.SSLError, ConnectionError)), \
                    self.connect_from(20000, "rogue-gateway1") as rogue:
                options(rogue)

    def gone(self, running, port):
        def no_record():
            return f"port: {port}" not in running.rpc("tls_policy.connections")
        proc.wait_until(no_record, "the record is gone", 10)

    def test_places_in_the_tables_are_taken_in_turn(self):
        """More connections than a process remembers, peers and strangers in
        turn, some of them refused: what each is told is about itself."""
        def one(i):
            leaf = ("gateway2", None, "rogue-gateway1", "gateway2")[i % 4]
            return leaf, tls_edge.knock(KEYS, SHARED, leaf)
        with edge("places-in-turn") as running:
            with concurrent.futures.ThreadPoolExecutor(3) as crew:
                results = list(crew.map(one, range(600)))
            for leaf, what in results:
                if leaf == "rogue-gateway1":
                    self.assertEqual(what[0], "alert")
                else:
                    self.assertEqual(what, ("served", 200), leaf)
            proc.wait_until(lambda: "state" not in running.rpc("tls_policy.connections"),
                            "no record is left", 10)

    def workers(self, running):
        lines = running.rpc("core.psx").splitlines() + [""]
        pids = []
        for pid, what in zip(lines, lines[1:] + [""]):
            if "PID:" in pid:
                at = lines.index(pid)
                text = "\n".join(lines[at:at + 4])
                if "tcp receiver" in text:
                    pids.append(int(pid.split()[-1]))
        return pids

    def test_a_worker_that_is_killed(self):
        """Stock Kamailio ends with any of its processes. Nothing is served
        after that; started again it knows nobody."""
        running = edge("killed")
        with running:
            with tls_edge.connect(KEYS, tls_edge.GATEWAY1, "gateway1") as c:
                self.assertEqual(options(c).status, 200)
                victims = self.workers(running)
                self.assertTrue(victims)
                os.kill(victims[0], signal.SIGKILL)
                proc.wait_until(lambda: not running.running(), "it ends", 20)
                with self.assertRaises((OSError, AssertionError)):
                    self.assertIsNotNone(options(c))
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1")[0], "dead")
        with running:
            self.assertNotIn("state", running.rpc("tls_policy.connections"))
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1)[0], "alert")
            self.assertEqual(tls_edge.knock(KEYS, tls_edge.GATEWAY1, "gateway1"),
                             ("served", 200))


if __name__ == "__main__":
    unittest.main()
