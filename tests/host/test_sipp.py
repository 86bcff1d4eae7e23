# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios of tests/sipp through the shipped configuration: SIPp at both
ends, stunnel in front of each where it speaks TLS (SIPp of Debian has none),
with a source address and a certificate. What SIPp plays as speech is SRTP made
by ffmpeg with the key that the scenario offers; rtpengine is real, and what
is on the wire is recorded.
"""

import base64
import contextlib
import os
import re
import shutil
import subprocess
import time
import unittest

import lab
import proc
import sdp_ends
import wire

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
SCENARIOS = os.path.join(os.environ["TG_SOURCE"], "tests", "sipp")
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEYS = {"speech.pcap": base64.b64encode(bytes(range(30))).decode(),
        "speech_early.pcap": base64.b64encode(bytes(range(30, 60))).decode()}
CLEAR = {"profile": "RTP/AVP", "crypto": "a=ptime:20"}
RETRY_SEC = 1.0  # a next hop that failed is left alone so long
SPOKEN = 50  # packets of some 90 that are played
LAB = sdp_ends.ScriptLab(ROOT, peers=())


def secured(speech="speech.pcap"):
    return {"profile": "RTP/SAVP", "crypto": f"a=crypto:1 {SUITE} inline:{KEYS[speech]}"}


SECURED = secured()


def setUpModule():
    LAB.up()
    for name in os.listdir(SCENARIOS):
        shutil.copy(os.path.join(SCENARIOS, name), ROOT)
    with open(os.path.join(ROOT, "refused.xml"), encoding="utf-8") as f:
        refused = f.read()
    for code in (403, 488, 500, 503):
        with open(os.path.join(ROOT, f"refused_{code}.xml"), "w", encoding="utf-8") as f:
            f.write(refused.replace('response="488"', f'response="{code}"'))
    record_speech(KEYS["speech.pcap"], "speech.pcap", "speech_held.pcap",
                  "speech_resumed.pcap")
    record_speech(KEYS["speech_early.pcap"], "speech_early.pcap")


def tearDownModule():
    LAB.down()


def record_speech(key, *names):
    """A tone as SRTP, 1.5 s in each file, and nothing else: SIPp counts ports
    from the lowest in the file"""
    path = os.path.join(ROOT, names[0])
    with wire.Capture(f"{path}.all"):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i",
             f"sine=frequency=440:sample_rate=8000:duration={1.5 * len(names)}", "-ac", "1",
             "-c:a", "pcm_mulaw", "-f", "rtp", "-srtp_out_suite", SUITE,
             "-srtp_out_params", key, "srtp://127.0.0.9:9000?pkt_size=172"],
            check=True, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    subprocess.run(["tshark", "-r", f"{path}.all", "-Y", "udp.dstport == 9000 && !icmp",
                    "-F", "pcap", "-w", f"{path}.take"], check=True, timeout=60,
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    n = len(wire.read_pcap(f"{path}.take")) // len(names)
    for i, name in enumerate(names):
        part = os.path.join(ROOT, name)
        subprocess.run(["editcap", "-F", "pcap", "-r", f"{path}.take", part,
                        f"{i * n + 1}-{(i + 1) * n}"], check=True, timeout=60)
        packets = [p for p in wire.read_pcap(part) if p.dport == 9000 and wire.is_rtp(p.payload)]
        assert len(packets) >= SPOKEN, len(packets)


def number_of(packet):
    """Sequence and SSRC of RTP"""
    return packet.payload[2:4] + packet.payload[8:12]


class Case(unittest.TestCase):
    ports = iter(range(16000, 17000, 10))

    def start(self, name, argv, ready=()):
        daemon = proc.Daemon(name, argv, LAB.run, LAB.log, ready=ready, cwd=ROOT)
        daemon.start()
        self.addCleanup(daemon.stop)
        if ready:
            daemon.wait_ready()
        return daemon

    def stunnel(self, name, accept, target, leaf=None, client=False, source=None):
        options = [f"accept = {accept}", f"connect = {target}",
                   f"local = {source or accept.rpartition(':')[0]}",
                   f"CAfile = {LAB.ca()}", "verifyChain = yes"]
        if client:
            options += ["client = yes", f"sni = {lab.EDGE_NAME}"]
        if leaf:
            options += ["cert = %s" % LAB.leaf(leaf)[0], "key = %s" % LAB.leaf(leaf)[1]]
        path = LAB.write(f"{name}.conf", "\n".join(
            ["foreground = yes", "pid =", "debug = 5", f"[{name}]", *options, ""]))
        host, _, port = accept.rpartition(":")
        return self.start(name, ["stunnel4", path], [("tcp", host, int(port))])

    def sipp(self, name, scenario, address, port, target, keys, transport="t1", options=()):
        argv = ["sipp", "-sf", f"{ROOT}/{scenario}.xml", "-m", "1", "-t", transport,
                "-i", address, "-p", str(port), "-mi", address, "-mp", str(port + 4),
                "-nostdin", "-timeout", "25s", "-trace_err", "-error_file",
                os.path.join(LAB.log, f"{name}.err"), "-trace_msg", "-message_file",
                os.path.join(LAB.log, f"{name}.msg"), *options]
        for key, value in keys.items():
            argv += ["-s", value] if key == "service" else ["-key", key, value]
        if target:
            argv.append(target)
        ready = [] if target else [("tcp", address, port)]
        return self.start(name, argv, ready)

    def status(self, daemon):
        """How SIPp ended: 0 when the scenario went through"""
        pid = daemon.pid()
        if pid is None:
            return self.code(daemon)
        proc.wait_until(lambda: not daemon.running(), f"{daemon.name} ends", 30)
        return self.code(daemon)

    @staticmethod
    def code(daemon):
        shown = re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", daemon.log())
        return 0 if shown and shown[-1] == "1" else 1

    def far(self, scenario, peer, media=None, leaf=None):
        """A gateway or partner that plays a scenario"""
        media = media or SECURED
        address, _, listen, _ = lab.PEERS[peer]
        proto, _, port = listen.split(":")
        keys = {"contact": proto, "contact_port": port, **media}
        at = next(self.ports)
        if proto == "tcp":
            return self.sipp(f"far-{at}", scenario, address, int(port), None, keys)
        far = self.sipp(f"far-{at}", scenario, address, at, None, keys)
        self.stunnel(f"tls-{at}", f"{address}:{port}", f"{address}:{at}", leaf or peer)
        return far

    def near(self, scenario, source=lab.CLIENT, leaf=None, service="gw1-test",
             user="alice@lab.test", media=None, target="lab.test", transport="tls",
             options=()):
        at = next(self.ports)
        keys = {"service": service, "target": target, "from": user, "contact_port": str(at),
                "contact": transport, "via": transport.upper(), **(media or SECURED)}
        if transport != "tls":
            return self.sipp(f"near-{at}", scenario, source, at, f"{lab.EDGE}:5060", keys,
                             "u1" if transport == "udp" else "t1")
        self.stunnel(f"tls-{at}", f"{source}:{at + 5}", f"{lab.EDGE}:5061", leaf, True, source)
        return self.sipp(f"near-{at}", scenario, source, at, f"{source}:{at + 5}", keys,
                         options=options)

    def registered(self, scenario, source=lab.CLIENT, media=None, after_ms=0, **more):
        """alice at one more place, where the next call plays a scenario"""
        before = self.places()
        client = self.near("register", source, media=media, **more, options=(
            "-oocsf", f"{ROOT}/{scenario}.xml", "-d", str(after_ms)))
        proc.wait_until(lambda: self.places() > before, "the client is registered", 10)
        return client

    @staticmethod
    def places():
        return LAB.rpc("ul.dump").count("Address: sip:client@")

    def both(self, scenario, far, peer="gateway1", far_media=None, **more):
        callee = self.far(far, peer, far_media)
        caller = self.near(scenario, **more)
        self.assertEqual(self.status(caller), 0, self.why(caller))
        self.assertEqual(self.status(callee), 0, self.why(callee))

    def why(self, daemon):
        with contextlib.suppress(OSError), open(
                os.path.join(LAB.log, f"{daemon.name}.err"), encoding="utf-8") as f:
            return f.read()[-1500:]
        return daemon.log()[-1500:]

    def spoken(self, capture, source, target, speech="speech.pcap"):
        """Packets of this speech in one direction, and how many are as ffmpeg made them"""
        packets = wire.read_pcap(os.path.join(ROOT, speech))
        made = wire.rtp_of(packets)
        of_it = {number_of(p) for p in packets}
        seen = wire.rtp_of([p for p in capture.packets if (p.src, p.dst) == (source, target)
                            and number_of(p) in of_it])
        return len(seen), wire.clear_matches(seen, made)

    def assert_no_sip_in_clear(self, capture):
        clear = [p for p in capture.packets if b"SIP/2.0" in p.payload and p.src != p.dst]
        self.assertEqual(clear, [])


class Calls(Case):
    """(A1, A2, A5)"""

    def assert_heard(self, capture, speaker, hearer, speech="speech.pcap"):
        """What it said came to the edge, and left it under another key"""
        self.assertGreaterEqual(self.spoken(capture, speaker, lab.EDGE, speech)[1], SPOKEN)
        got, as_it_was = self.spoken(capture, lab.EDGE, hearer, speech)
        self.assertGreaterEqual(got, SPOKEN)
        self.assertEqual(as_it_was, 0)

    def talk(self, address, **more):
        """A call with speech both ways"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
            self.both("call", "answer_speech", **more)
        self.assert_heard(capture, lab.CLIENT, address)
        self.assert_heard(capture, address, lab.CLIENT)
        self.assert_no_sip_in_clear(capture)

    def is_called(self, who):
        """By gateway1; what was on the wire"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
            caller = self.near("call", source=lab.GATEWAY1, leaf="gateway1", service=who,
                               user="+49@gw1.lab.test")
            self.assertEqual(self.status(caller), 0, self.why(caller))
        self.assert_no_sip_in_clear(capture)
        return capture

    def test_gateway1_to_client(self):
        self.registered("answer_speech")
        capture = self.is_called("alice")
        self.assert_heard(capture, lab.CLIENT, lab.GATEWAY1)
        self.assert_heard(capture, lab.GATEWAY1, lab.CLIENT)

    def test_fork(self):
        """Two places answer, each under a key of its own: one early, one for good"""
        self.registered("answer_early", media=secured("speech_early.pcap"))
        self.registered("answer_speech", lab.BOB, after_ms=2500)
        capture = self.is_called("alice")
        self.assert_heard(capture, lab.CLIENT, lab.GATEWAY1, "speech_early.pcap")
        self.assert_heard(capture, lab.BOB, lab.GATEWAY1)
        self.assert_heard(capture, lab.GATEWAY1, lab.BOB)

    def test_client_to_gateway1(self):
        self.talk(lab.GATEWAY1)

    def test_client_to_partner(self):
        self.talk(lab.PARTNER1, peer="partner1", service="anyone", target="partner.test")

    def test_client_to_gateway3_over_tcp(self):
        self.both("call", "answer", peer="gateway3", far_media=CLEAR, service="gw3-test")

    def test_hold_and_resume(self):
        """Both speak; who holds plays something; both speak on. One key each, kept"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
            self.both("hold", "answer_hold")
        for speech in ("speech.pcap", "speech_held.pcap", "speech_resumed.pcap"):
            self.assert_heard(capture, lab.CLIENT, lab.GATEWAY1, speech)
        for speech in ("speech.pcap", "speech_resumed.pcap"):
            self.assert_heard(capture, lab.GATEWAY1, lab.CLIENT, speech)
        self.assertEqual((0, 0), self.spoken(capture, lab.EDGE, lab.CLIENT, "speech_held.pcap"))
        self.assert_no_sip_in_clear(capture)

    def test_cancel(self):
        self.both("cancel", "ring")

    def test_delayed_offer(self):
        self.both("delayed", "answer")

    def test_transfer(self):
        """gateway1, asked to by the client it speaks with, calls bob"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}.pcap")) as capture:
            self.both("transfer", "answer_transfer")
        self.assert_heard(capture, lab.CLIENT, lab.GATEWAY1)
        self.assert_heard(capture, lab.GATEWAY1, lab.CLIENT)
        self.registered("answer_speech", lab.BOB, user="bob@lab.test")
        capture = self.is_called("bob")
        self.assert_heard(capture, lab.GATEWAY1, lab.BOB)
        self.assert_heard(capture, lab.BOB, lab.GATEWAY1)
        self.assertEqual((0, 0), self.spoken(capture, lab.EDGE, lab.CLIENT))

    def test_fax_is_refused_and_the_call_goes_on(self):
        self.both("fax", "answer")

    def test_trunk_to_trunk(self):
        self.both("call", "answer", source=lab.MEDIATION1, leaf="mediation1",
                  user="+49@lab.test")

    def test_partner_calls(self):
        self.both("call", "answer", source=lab.PARTNER1, leaf="partner1",
                  user="boss@partner.test")


class Credentials(Case):
    """(A33, A36)"""

    def test_a_server_asks_for_some_time(self):
        server = self.near("mras", source=lab.MEDIATION1, leaf="mediation1", service="alice",
                           user="mediation1.lab.test", target=lab.EDGE_NAME)
        self.assertEqual(self.status(server), 0, self.why(server))

    def test_nobody_else_gets_any(self):
        """A client on TLS, a server in clear"""
        for more in ({"transport": "tls"},
                     {"source": lab.MEDIATION1, "transport": "tcp"}):
            client = self.near("mras", user="alice@lab.test", service="alice",
                               target=lab.EDGE_NAME, **more)
            self.assertNotEqual(self.status(client), 0)
            self.assertRegex(self.why(client), "SIP/2.0 403")


class Refused(Case):
    """Beside each, in Calls, what is served (A2, A5, A29, B1)"""

    def test_an_offer_in_clear(self):
        caller = self.near("refused_488", media=CLEAR)
        self.assertEqual(self.status(caller), 0, self.why(caller))

    def test_in_clear(self):
        for transport in ("udp", "tcp"):
            caller = self.near("refused_403", media=CLEAR, transport=transport)
            self.assertEqual(self.status(caller), 0, self.why(caller))

    def test_a_partner_of_another_domain(self):
        caller = self.near("refused_403", source=lab.PARTNER1, leaf="partner1",
                           user="boss@lab.test")
        self.assertEqual(self.status(caller), 0, self.why(caller))

    def test_bad_certificates(self):
        for leaf in ("rogue-gateway1", "impostor-partner", "mediation1", "gw1-expired",
                     "gw1-revoked"):
            with self.subTest(leaf):
                before = LAB.messages_taken()
                caller = self.near("call", source=lab.GATEWAY1, leaf=leaf)
                self.await_alert(caller.name.replace("near", "tls"))
                self.assertEqual(LAB.messages_taken(), before)
                caller.stop()

    def await_alert(self, tunnel):
        def alert():
            with open(os.path.join(LAB.log, f"{tunnel}.log"), encoding="utf-8") as f:
                return re.search("alert", f.read())
        proc.wait_until(alert, "the edge sends an alert", 10)

    def fails_before(self, far, address, code, n=0, **call):
        """The caller is told, the far end gets no call and no media"""
        with wire.Capture(os.path.join(ROOT, f"{self.id()}-{n}.pcap")) as capture:
            caller = self.near(f"refused_{code}", **call)
            self.assertEqual(self.status(caller), 0, self.why(caller))
        with open(os.path.join(LAB.log, f"{far.name}.msg"), encoding="utf-8") as f:
            self.assertNotIn("INVITE", f.read())
        self.assertEqual([p for p in capture.packets if p.proto == "udp" and p.dst == address],
                         [])

    def test_gateways_with_bad_certificates(self):
        for n, leaf in enumerate(("rogue-gateway1", "mediation1", "gw1-expired", "gw1-revoked")):
            with self.subTest(leaf):
                far = self.far("answer", "gateway1", leaf=leaf)
                self.fails_before(far, lab.GATEWAY1, 500, n)
                self.await_alert(far.name.replace("far", "tls"))
                self.doCleanups()
            time.sleep(RETRY_SEC)

    def test_a_branch_route_that_spoils_the_media(self):
        """Caught at the last gate; the same without it is served"""
        for edit in (strip_the_keys, leave_out_the_media_node):
            with self.subTest(edit.__name__):
                self.addCleanup(LAB.restart, "kamailio", script_edit=None)
                LAB.restart("kamailio", script_edit=edit)
                far = self.far("answer", "gateway1")
                self.fails_before(far, lab.GATEWAY1, 503, edit.__name__)
                self.doCleanups()
                self.both("call", "answer")
                self.doCleanups()

    def test_a_branch_route_that_strips_keys_toward_a_client(self):
        self.addCleanup(LAB.restart, "kamailio", script_edit=None)
        LAB.restart("kamailio", script_edit=strip_the_keys)
        self.fails_before(self.registered("answer"), lab.CLIENT, 488, source=lab.BOB,
                          service="alice", user="bob@lab.test")


def in_branch_route(text, instead):
    head, name, rest = text.partition("branch_route[MEDIA] {")
    assert name and "\troute(MEDIA);\n" in rest
    return head + name + rest.replace("\troute(MEDIA);\n", instead, 1)


def strip_the_keys(text):
    return in_branch_route(text, """
	sdp_remove_line_by_prefix("a=crypto");
	subst_body("/RTP.SAVP/RTP\\/AVP/");
""")


def leave_out_the_media_node(text):
    return in_branch_route(text, "")


if __name__ == "__main__":
    unittest.main()
