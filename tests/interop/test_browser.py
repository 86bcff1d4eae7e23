# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium with JsSIP as the client: SIP over secure WebSocket, DTLS-SRTP and
ICE, against gateways that speak SDES and DTLS-SRTP. Sound both ways, found by
its frequency; what is on the wire is no clear RTP and no clear SIP.
"""

import json
import os
import shutil
import subprocess
import threading
import time
import unittest

import coturn
import lab
import lab_rows
import lab_services as services
import tone
import wire

TIME_LIMIT_SEC = 300
NEEDS = "chromium node certutil build/interop/browser/bundle.js"
ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
HOME = os.path.join(os.environ["TG_LOG_DIR"], "home")
BROWSER = os.path.join(lab.BUILD, "interop", "browser")
SECONDS = 3
# the browser has the edge's own address: there is one loopback
POLICY = """
[media browser]
level = required
key_exchange = dtls
engine = native

[clients browser]
address = 127.0.0.1
media = browser
"""
LAB = lab.Lab(ROOT, peers=("gateway1", "gateway2"), policy_edit=lambda text: text + POLICY)


def setUpModule():
    LAB.up()
    store = f"sql:{HOME}/.pki/nssdb"
    os.makedirs(f"{HOME}/.pki/nssdb", exist_ok=True)
    subprocess.run(["certutil", "-d", store, "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", "-d", store, "-A", "-t", "C,,", "-n", "lab", "-i",
                    LAB.ca()], check=True)
    tone.write_wav(f"{HOME}/tone.wav", lab.CLIENT_HZ, 20, rate=48000)


def tearDownModule():
    LAB.down()


class Telephone:
    """One browser, from its registration to the end of its call."""

    def __init__(self, *words, ice_servers=()):
        self.error = open(os.path.join(HOME, "node.log"), "ab")  # pylint: disable=R1732
        self.process = subprocess.Popen(  # pylint: disable=R1732
            ["node", "telephone.mjs", "bundle.js", *words, str(SECONDS)], cwd=BROWSER,
            env={**os.environ, "HOME": HOME, "CHROMIUM": shutil.which("chromium"),
                 "TONE": f"{HOME}/tone.wav", "ICE_SERVERS": json.dumps(ice_servers)},
            stdout=subprocess.PIPE, stderr=self.error, text=True)
        self._timer = threading.Timer(60, self.process.kill)
        self._timer.start()

    def says(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the browser ended"}

    def close(self):
        self._timer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.error.close()


class Browser(unittest.TestCase):
    """(A2, A5, A7, A15, A33)"""

    def telephone(self, *words, **more):
        t = Telephone(*words, **more)
        self.addCleanup(t.close)
        self.assertEqual(t.says(), {"registered": True})
        return t

    def play(self, gateway, begin):
        """begin(far) gives the browser; its facts, and what the far end heard"""
        far = LAB.phones[gateway]
        name = self.id().rpartition(".")[2]
        with far, wire.Capture(os.path.join(ROOT, f"{name}.pcap")) as capture:
            far.forget()
            browser = begin(far)
            facts, streams = None, []

            def ask():
                nonlocal facts
                facts = browser.says()
            asking = threading.Thread(target=ask)
            asking.start()
            while asking.is_alive():
                streams = LAB.secured_streams() or streams
                time.sleep(0.2)
            browser.process.wait(20)
        return facts, far.heard((lab.CLIENT_HZ, lab.GATEWAY_HZ)), streams, capture

    def assert_good(self, gateway, keying, facts, heard, streams, capture,
                    client=lab.EDGE):
        self.assertNotIn("error", facts, facts)
        good = [hz for hz in facts["heard"] if abs(hz - lab.GATEWAY_HZ) < 30]
        self.assertGreater(len(good), 10 * SECONDS * 0.7, facts)
        self.assertGreater(heard[lab.CLIENT_HZ], SECONDS * 0.6)
        self.assertEqual(facts["dtls"], "connected")
        self.assertIn(keying, {s.get("keying") for s in streams
                               if s.get("peer") == gateway}, streams)
        address = lab.PEERS[gateway][0]

        def rtp(a, b):
            return wire.rtp_of([p for p in capture.packets if (p.src, p.dst) == (a, b)])
        known = rtp(address, address)  # behind the gateway, in clear
        self.assertGreater(len(known), lab_rows.PACKETS_AT_LEAST)
        for way in ((lab.EDGE, address), (address, lab.EDGE), (lab.EDGE, client)):
            packets = rtp(*way)
            self.assertGreater(len(packets), lab_rows.PACKETS_AT_LEAST, way)
            self.assertEqual(wire.clear_matches(packets, known), 0, way)
        self.assertEqual([(p.src, p.dst, p.payload[:80]) for p in lab_rows.clear_sip(capture)],
                         [])

    def test_calls_a_gateway_with_sdes(self):
        self.assert_good("gateway1", "sdes", *self.play(
            "gateway1", lambda _: self.telephone("call", "sip:gw1-test@lab.test")))

    def test_calls_through_a_relay_with_credentials_of_mras(self):
        with open(os.path.join(LAB.etc, "turn.secret"), encoding="ascii") as f:
            secret = f.read().strip()
        with LAB.connect(lab.MEDIATION1, "mediation1") as c:
            c.send(services.service(c))
            name, password = services.credentials(c.final(4))
        relay = {"urls": f"turn:{coturn.ADDRESS}:3478?transport=udp", "username": name,
                 "credential": password}
        with coturn.Coturn(os.path.join(ROOT, "coturn"), LAB.leaf("edge"), (secret,)):
            facts, *seen = self.play("gateway1", lambda _: self.telephone(
                "call", "sip:gw1-test@lab.test", ice_servers=[relay]))
        self.assert_good("gateway1", "sdes", facts, *seen, client=coturn.ADDRESS)
        self.assertEqual(facts["candidate"], "relay")

    def test_calls_a_gateway_with_dtls(self):
        self.assert_good("gateway2", "dtls", *self.play(
            "gateway2", lambda _: self.telephone("call", "sip:gw2-test@lab.test")))

    def test_is_called_by_a_gateway(self):
        def begin(far):
            browser = self.telephone("wait")
            ok, why = far.call("sip:alice@lab.test")
            self.assertTrue(ok, why)
            return browser
        self.assert_good("gateway1", "sdes", *self.play("gateway1", begin))


if __name__ == "__main__":
    unittest.main()
