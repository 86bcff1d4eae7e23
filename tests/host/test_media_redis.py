# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that a daemon restores from Redis. Keys are never there: what was
secured carries nothing from the first packet on and is torn down, while both
ends go on sending; a call beside it that never was goes on."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from rtp import Endpoint, Wire, describe, media_of, packet, payload_of
from rtpcall import PATTERN, Call, payloads
from rtpengine import Rtpengine, version

REDIS = ("127.0.0.1", 6379)
EDGE = {"interfaces": ("in/127.0.0.1", "out/127.0.0.2")}
# How that one reads calls back is not known: the plugin does not let it
RESTORES = not version().startswith("26.")
NUMBER = {"restored_secured": 1, "restored_torn_down": 1, "restored_plain": 1,
          "restored_unknown": 0}


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError("it did not come about")
        time.sleep(0.02)
    return found


class Redis:
    """A real redis-server that keeps nothing on disk"""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="redis-")
        self.process = subprocess.Popen(
            ["redis-server", "--bind", REDIS[0], "--port", str(REDIS[1]),
             "--save", "", "--dir", self.dir,
             "--notify-keyspace-events", "AKE"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(self.answers)

    def answers(self):
        try:
            return self.ask("PING") == b"PONG"
        except OSError:
            return False

    def ask(self, *words, db=1):
        """The answer to one command; a bulk string as its octets"""
        with socket.create_connection(REDIS, 5) as s:
            f = s.makefile("rwb")
            for command in (("SELECT", str(db)), words):
                f.write(b"*%d\r\n" % len(command) + b"".join(
                    b"$%d\r\n%s\r\n" % (len(w), w.encode())
                    for w in command))
                f.flush()
                head = f.readline().strip()
                text = head[1:]
                if head[:1] == b"$":
                    n = int(text)
                    text = None if n < 0 else f.read(n + 2)[:-2]
            return text

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Talkers:
    """Both ends of calls go on sending, whatever happens in the middle"""

    def __init__(self, *ways):
        self.ways = ways  # (endpoint, address and port, payload, ssrc)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        sequence = 20000
        while not self.ending.wait(0.005):
            for endpoint, to, payload, ssrc in self.ways:
                endpoint.send(packet(sequence, payload, ssrc), to)
            sequence += 1

    def stop(self):
        self.ending.set()
        self.thread.join()


class PlainCall:
    """No profile: the plugin lets it pass as it is"""

    def __init__(self, edge, call_id):
        self.call_id = call_id
        self.ends = Endpoint("127.0.0.64", 16000), Endpoint("127.0.0.21",
                                                            16004)
        ng = edge.ng()
        a, b = (describe(e.address, [("audio", e.port, "RTP/AVP", "0", [])])
                for e in self.ends)
        there = ng.ask("offer", call_id, from_tag="a", sdp=a,
                       direction=["in", "out"])
        back = ng.ask("answer", call_id, from_tag="a", to_tag="b", sdp=b)
        ng.close()
        self.to = [media_of(back["sdp"])[0][:2], media_of(there["sdp"])[0][:2]]

    def close(self):
        for e in self.ends:
            e.close()

    def flows(self, seconds=10):
        """Both ends hear each other: what the talkers send"""
        for e in self.ends:
            e.drain()
        return all(e.receive(20, seconds) for e in self.ends)


class Bench(unittest.TestCase):
    def setUp(self):
        self.redis = Redis()
        self.addCleanup(self.redis.stop)
        self.wire = Wire()
        self.addCleanup(self.wire.close)
        self.far = Rtpengine(self.id().rsplit(".")[-1] + "-far",
                             ng="127.0.0.1:2323", interfaces=("127.0.0.3",),
                             ports=(40000, 40999), plugin=False).start()
        self.addCleanup(self.far.stop)

    def node(self, name, db=1, options=(), **arguments):
        daemon = Rtpengine(
            f"{self.id().rsplit('.')[-1]}-{name}",
            options=(f"--redis={REDIS[0]}:{REDIS[1]}/{db}", *options),
            **{**EDGE, **arguments})
        self.addCleanup(daemon.stop)
        return daemon.start()

    def calls_up(self, edge):
        """One secured, one plain, with media, and both kept in Redis"""
        secured = Call(edge, self.far, "secured@redis",
                       edge_keys={"direction": ["in", "out"]}).open()
        self.addCleanup(secured.close)
        down, there, up, back = secured.talk(n=20)
        self.assertEqual(down, [payload_of(p) for p in there])
        self.assertEqual(up, [payload_of(p) for p in back])
        plain = PlainCall(edge, "plain@redis")
        self.addCleanup(plain.close)
        for call_id, marked in (("secured@redis", True),
                                ("plain@redis", False)):
            kept = until(lambda i=call_id: self.redis.ask("GET", i))
            self.assertEqual(marked, b"trunkguardSecured" in kept, kept)
            for key in re.findall(r"inline:([A-Za-z0-9+/]+)",
                                  secured.wire_offer + secured.wire_answer):
                self.assertNotIn(key.encode(), kept)
        return secured, plain

    def talk_on(self, secured, plain):
        hello = payloads(b"on", 1)[0]
        talkers = Talkers(
            (secured.phones[0], secured.plain_port()[:2], hello, 1),
            (secured.telephones[0], secured.far_plain_port()[:2], hello, 2),
            (plain.ends[0], plain.to[0], hello, 3),
            (plain.ends[1], plain.to[1], hello, 4))
        self.addCleanup(talkers.stop)
        return talkers

    def sent_by(self, secured):
        """What left the edge's ports of the secured call"""
        ports = {secured.trunk()[0], secured.plain_port()[:2]}
        return [p for p in self.wire.collect() if p[0:2] in ports]

    def kill(self, daemon):
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait(10)
        self.wire.collect()
        self.wire.seen.clear()

    def counted(self, daemon):
        head = daemon.say("status").splitlines()[0]
        return {k: int(v) for k, v in re.findall(r"(restored_\w+)=(\d+)",
                                                 head)}

    def assert_serves_secured(self, edge, call_id):
        call = Call(edge, self.far, call_id,
                    edge_keys={"direction": ["in", "out"]}).open()
        self.addCleanup(call.close)
        self.wire.collect()
        self.wire.seen.clear()
        down, there, up, back = call.talk(n=20)
        self.assertEqual(down, [payload_of(p) for p in there])
        self.assertEqual(up, [payload_of(p) for p in back])
        trunk = self.wire.between(*call.trunk())
        self.assertGreaterEqual(len(trunk), 40)
        for data in trunk:
            self.assertNotIn(PATTERN[:16], data)


class Restart(Bench):
    """(A32, B7, B14)"""

    def test_secured_call_is_closed_and_torn_down(self):
        edge = self.node("edge")
        secured, plain = self.calls_up(edge)
        self.talk_on(secured, plain)
        self.assertTrue(plain.flows())
        self.kill(edge)
        edge = self.node("again")
        self.assertTrue(plain.flows())
        until(lambda: self.counted(edge)["restored_torn_down"] == 1)
        self.assertEqual(NUMBER, self.counted(edge))
        ng = edge.ng()
        self.addCleanup(ng.close)
        self.assertEqual("error",
                         ng.ask("query", "secured@redis")["result"])
        self.assertEqual("ok", ng.ask("query", "plain@redis")["result"])
        self.assertTrue(plain.flows())
        self.assertRegex(edge.log(),
                         'torn down: reason=restored call-id="secured@redis"')
        self.assertIn('trunkguard_rtp_restored_total{what="torn_down"} 1',
                      edge.say("metrics"))
        # both ends have talked all the time; what the plain call's passed
        # is the proof that packets were there to be seen
        arrived = [p for p in self.wire.collect() if p[2:4] in (
            secured.trunk()[0], secured.plain_port()[:2])]
        self.assertGreater(len(arrived), 100)
        self.assertEqual([], self.sent_by(secured))
        self.assertIsNone(self.redis.ask("GET", "secured@redis"))
        self.assert_serves_secured(edge, "later@redis")

    def test_stock_daemon_would_have_sent_it_in_clear(self):
        """What the test above looks for is there without the plugin"""
        edge = self.node("edge")
        secured, plain = self.calls_up(edge)
        self.talk_on(secured, plain)
        self.kill(edge)
        self.node("stock", plugin=False)
        self.assertTrue(plain.flows())
        until(lambda: [p for p in self.sent_by(secured)
                       if PATTERN[:16] in p[4]])

    def test_label_of_the_scripts_own_is_refused(self):
        edge = self.node("edge")
        call = Call(edge, self.far, "label@redis",
                    edge_keys={"label": "agent"})
        self.addCleanup(call.close)
        with self.assertRaisesRegex(AssertionError, "label"):
            call.open()
        self.assert_serves_secured(edge, "nolabel@redis")


class Standby(Bench):
    """A node that hears of another's calls by keyspace notifications
    (A32, B7, B14)"""

    def test_secured_call_stays_closed(self):
        edge = self.node("edge")
        standby = self.node(
            "standby", db=2, ng="127.0.0.1:2423",
            interfaces=("in/127.0.0.5", "out/127.0.0.6"),
            options=("--subscribe-keyspace=1",))
        secured, plain = self.calls_up(edge)
        until(lambda: self.counted(standby)["restored_plain"] >= 1)
        until(lambda: self.counted(standby)["restored_secured"] >= 1)
        self.assertIn("reason=restored", standby.say("status"))
        moved = {"127.0.0.1": "127.0.0.5", "127.0.0.2": "127.0.0.6"}
        here, there, plain_in, plain_out = [
            (moved[a], port) for a, port in (
                secured.plain_port()[:2], secured.trunk()[0], *plain.to)]
        self.wire.collect()
        self.wire.seen.clear()
        hello = payloads(b"standby", 1)[0]
        talkers = Talkers((secured.phones[0], here, hello, 1),
                          (secured.telephones[0], there, hello, 2),
                          (plain.ends[0], plain_in, hello, 3))
        self.addCleanup(talkers.stop)
        until(lambda: [p for p in self.wire.collect()
                       if p[0:2] == plain_out])
        talkers.stop()
        arrived = [p for p in self.wire.collect() if p[2:4] in (here, there)]
        self.assertGreater(len(arrived), 1)
        self.assertEqual([], [p for p in self.wire.collect()
                              if p[0:2] in (here, there)])
        # closed here, but not deleted: that would end it over there
        self.assertEqual(0, self.counted(standby)["restored_torn_down"])
        self.assertIsNotNone(self.redis.ask("GET", "secured@redis"))
        down, at_telephone, _, _ = secured.talk(n=20)
        self.assertEqual(down, [payload_of(p) for p in at_telephone])


class Refused(unittest.TestCase):
    """With a release of rtpengine whose restoring is not known"""

    def test_start_with_redis(self):
        daemon = Rtpengine("refused",
                           options=(f"--redis={REDIS[0]}:{REDIS[1]}/1",))
        code, text = daemon.refusal()
        self.assertEqual(78, code, text)
        self.assertIn("redis", text)
        daemon = Rtpengine("without-redis").start()
        self.addCleanup(daemon.stop)
        self.assertEqual("pong", daemon.ng().ask("ping")["result"])


if RESTORES:
    del Refused
else:
    del Restart, Standby


if __name__ == "__main__":
    unittest.main()
