# SPDX-License-Identifier: GPL-2.0-or-later
"""What cfg/ ships, under the stock daemons: each preset as the policy of the
shipped kamailio.cfg, its optional parts, the command lines of the systemd
drop-ins. What `tgctl matrix` says of a preset is in tests/golden; here it is
seen on the wire.
"""

import contextlib
import os
import re
import shlex
import ssl
import unittest

import lab
import proc
import sip
import tls_edge
from sdp_ends import Call, Gateway, PresetLab, called, lines, offer, registered, reply

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
PHONE_INSIDE = "127.0.0.129"
GATEWAY2 = (lab.GATEWAY2, 5067)
FAR_CLEAR = sip.sdp(lab.GATEWAY2, 40000, secured=False)


class Preset(unittest.TestCase):
    policy = "policy.cfg"
    site_extra = ""

    @classmethod
    def setUpClass(cls):
        cls.LAB = PresetLab(ROOT, cls.policy, site_extra=cls.site_extra)
        cls.LAB.up()
        cls.addClassCleanup(cls.LAB.down)

    def knock(self, version, source=lab.CLIENT, leaf=None):
        """OPTIONS over one TLS version"""
        keys = type("Keys", (), {"leaf": staticmethod(self.LAB.leaf),
                                 "ca": staticmethod(self.LAB.ca)})
        return tls_edge.knock(keys, source, leaf, lowest=version, highest=version,
                              ciphers="DEFAULT:@SECLEVEL=0")

    def assert_versions(self, served, refused):
        """... and mutual TLS with the mediation server"""
        for version in served:
            for source, leaf in ((lab.CLIENT, None), (lab.MEDIATION1, "mediation1")):
                self.assertEqual(self.knock(version, source, leaf), ("served", 200))
        for version in refused:
            self.assertEqual(self.knock(version)[0], "alert", version)

    def message(self, source, transport):
        with self.LAB.client(source, transport) as c:
            return c.request("MESSAGE", "sip:nobody@lab.test", body=b"hello",
                             content_type="text/plain").status

    def gateway2(self, body):
        return Gateway(self.LAB, lambda r: reply(
            r, body=body, contact="<sip:far@%s:%d;transport=tls>" % GATEWAY2),
            place=GATEWAY2, leaf="gateway2")

    def call_gateway2(self, far_body):
        """(offer that gateway2 got, answer that the caller got)"""
        with self.LAB.client() as client, self.gateway2(far_body) as far:
            call = Call(client, offer(), uri="sip:gw2-test@lab.test")
            got = far.wait("INVITE")
            self.assertEqual(call.answer.status, 200)
            self.assertEqual(call.ack().bye().status, 200)
        return got, call.answer

    def assert_ours_is_secured(self, answer):
        self.assertIn(" RTP/SAVP ", lines(answer.body, "m=audio")[0])
        self.assertEqual(len(lines(answer.body, "a=crypto")), 1)


class Sfb2019(Preset):
    """(A9, A13, A16, A17, A20)"""

    policy = "policy-sfb2019.cfg"

    def test_versions(self):
        self.assert_versions((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
                             (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1))

    def test_media_to_a_gateway_is_optional_and_counted(self):
        before = self.LAB.statistics("srtp_policy")["clear_under_supported"]
        got, answer = self.call_gateway2(FAR_CLEAR)
        self.assertIn(" RTP/AVP ", lines(got.body, "m=audio")[0])
        self.assertEqual(len(lines(got.body, "a=crypto")), 1)  # it could have taken it
        self.assert_ours_is_secured(answer)
        self.assertGreater(self.LAB.statistics("srtp_policy")["clear_under_supported"],
                           before)

    def test_a_gateway_that_can_must(self):
        with self.LAB.client() as client, Gateway(self.LAB, lambda r: reply(
                r, body=sip.sdp(lab.GATEWAY1, 40000, secured=False))) as far:
            call = Call(client, offer())
            self.assertGreaterEqual(call.answer.status, 400)
            self.assertIn(b" RTP/SAVP ", far.wait("INVITE").body)

    def test_messages_want_tls(self):
        self.assertEqual(self.message(lab.CLIENT, "tls"), 404)
        self.assertEqual(self.message(lab.CLIENT, "tcp"), 403)


class Sfb2015(Preset):
    """(A13, A19)"""

    policy = "policy-sfb2015.cfg"

    def test_versions(self):
        self.assert_versions(
            (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2),
            (ssl.TLSVersion.TLSv1_3,))

    def test_media_to_a_gateway_is_optional(self):
        got, answer = self.call_gateway2(FAR_CLEAR)
        self.assertEqual(len(lines(got.body, "a=crypto")), 1)
        self.assert_ours_is_secured(answer)


class Lync2013(Preset):
    """(A3, A4, A13)"""

    policy = "policy-lync2013.cfg"

    def test_media_to_a_gateway_is_in_clear_by_default(self):
        got, answer = self.call_gateway2(FAR_CLEAR)
        self.assertIn(" RTP/AVP ", lines(got.body, "m=audio")[0])
        self.assertNotIn(b"crypto", got.body)
        self.assert_ours_is_secured(answer)

    def test_messages_over_tcp_where_a_net_is_named(self):
        self.assertEqual(self.message(PHONE_INSIDE, "tcp"), 404)  # read, routed
        self.assertEqual(self.message(lab.CLIENT, "tcp"), 403)
        self.assertEqual(self.message(lab.CLIENT, "tls"), 404)


class Teams(Preset):
    """(A20)"""

    policy = "policy-teams.cfg"

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.knock(version), ("served", 200))
        self.assertEqual(self.knock(ssl.TLSVersion.TLSv1_1)[0], "alert")

    def test_who_is_known(self):
        peers = self.LAB.rpc("tls_policy.peers")
        self.assertIn("teams", peers)
        self.assertEqual(self.knock(ssl.TLSVersion.TLSv1_2, lab.PARTNER1, "partner1")[0],
                         "alert")  # the CA that teams has, another name


class Script(Preset):
    """kamailio.cfg with its optional parts: a group of gateways that are asked
    whether they live, rtpengines with and without the plugin (B12)"""

    NATIVE = (lab.UNDECLARED, 2223)
    site_extra = f"""
#!define WITH_DISPATCHER
#!define DISPATCHER_PING 1
#!substdef "!RTPENGINE_NATIVE!udp:{NATIVE[0]}:{NATIVE[1]}!g"
"""

    @classmethod
    def setUpClass(cls):
        cls.LAB = PresetLab(ROOT, "policy.cfg", site_extra=cls.site_extra)
        cls.LAB.prepare()
        cls.LAB.write("dispatcher.list", cls.LAB.shipped("dispatcher.list"))
        cls.native = cls.LAB._rtpengine("native", cls.NATIVE[0], (42000, 42999))
        cls.native.start()
        cls.addClassCleanup(cls.native.stop)
        cls.native.wait_ready()
        cls.LAB.up()
        cls.addClassCleanup(cls.LAB.down)

    def states(self):
        """{address: flags} of the group of gateways"""
        listed = self.LAB.rpc("dispatcher.list")
        return dict(re.findall(r"URI: sip:([0-9.]+):.*?FLAGS: (\w+)", listed, re.S))

    def wait_states(self, **wanted):
        def as_wanted():
            states = self.states()
            return all(states.get(getattr(lab, k), "")[:1] == v for k, v in wanted.items())
        proc.wait_until(as_wanted, f"the gateways are {wanted}", 30, 0.2)

    def test_a_gateway_that_does_not_answer_is_passed_over(self):
        self.wait_states(GATEWAY1="I", GATEWAY2="I")
        with self.LAB.client() as client:
            dead = client.request("INVITE", "sip:+491234@lab.test", body=offer())
            self.assertEqual((dead.status, dead.reason), (503, "No Gateway Answers"))
        sdp = sip.sdp(lab.GATEWAY1, 40000)
        with Gateway(self.LAB, lambda r: reply(r, body=sdp)) as one:
            self.wait_states(GATEWAY1="A", GATEWAY2="I")
            self.assertEqual(one.wait("OPTIONS").get("from").split(";")[0],
                             "<sip:edge.lab.test>")
            with self.LAB.client() as client:
                call = Call(client, offer(), uri="sip:+491234@lab.test")
                self.assertEqual(call.answer.status, 200)
                self.assertIn(b" RTP/SAVP ", one.wait("INVITE").body)
                self.assertEqual(call.ack().bye().status, 200)
        self.wait_states(GATEWAY1="I")

    def test_a_gateway_that_nobody_missed_yet(self):
        """The call itself finds out, and goes on"""
        with self.gateway2(b"") as two, self.LAB.client() as client:
            two.answer = lambda r: reply(r, "486 Busy Here")
            self.wait_states(GATEWAY1="I", GATEWAY2="A")
            self.LAB.rpc("dispatcher.set_state", "a", "1",
                         f"sip:{lab.GATEWAY1}:5067;transport=tls")
            call = Call(client, offer(), uri="sip:+491234@lab.test")
            self.assertEqual(call.answer.status, 486)
            self.assertIn(b"a=fingerprint", two.wait("INVITE").body)

    def test_a_gateway_that_is_full_passes_the_call_on(self):
        with Gateway(self.LAB, lambda r: reply(r, "503 Full")) as one, \
                self.gateway2(b"") as two:
            two.answer = lambda r: reply(r, "486 Busy Here")
            self.wait_states(GATEWAY1="A", GATEWAY2="A")
            with self.LAB.client() as client:
                call = Call(client, offer(), uri="sip:+491234@lab.test")
            self.assertEqual(call.answer.status, 486)
            self.assertIn(b"a=crypto", one.wait("INVITE").body)
            offered = two.wait("INVITE").body
            self.assertIn(b"a=fingerprint", offered)
            self.assertNotIn(b"a=crypto", offered)

    def test_clients_calls_go_to_the_native_node(self):
        """and those of trunks to the one with the plugin"""
        with self.LAB.client(lab.BOB) as alice, self.LAB.client() as bob:
            registered(alice)
            answer = called(bob, alice, offer(), sip.sdp(lab.BOB, 20940),
                            domain="lab.test")
            self.assertEqual(answer.status, 200)
            for body in (answer.body, answer.request.body):
                self.assertIn(f"c=IN IP4 {self.NATIVE[0]}".encode(), body)
                self.assertIn(b" RTP/SAVP ", body)
        with self.LAB.client() as client, Gateway(self.LAB, lambda r: reply(
                r, body=sip.sdp(lab.GATEWAY1, 40000))) as far:
            call = Call(client, offer())
            self.assertIn(f"c=IN IP4 {lab.EDGE}".encode(), far.wait("INVITE").body)
            self.assertEqual(call.ack().bye().status, 200)


class Identity(Preset):
    """Who the caller is: a server's word counts, a client's does not"""

    HEADERS = ("P-Asserted-Identity: <sip:boss@lab.test>",
               "Remote-Party-ID: <sip:boss@lab.test>")

    def test_of_a_client_it_goes_no_further(self):
        with self.LAB.client() as client, Gateway(self.LAB, lambda r: reply(
                r, body=sip.sdp(lab.GATEWAY1, 40000))) as far:
            call = Call(client, offer(), headers=self.HEADERS)
            self.assertEqual(call.answer.status, 200)
            self.assertEqual(call.ack().bye().status, 200)
            for name in ("p-asserted-identity", "remote-party-id"):
                self.assertEqual(far.wait("INVITE").all(name), [])

    def test_of_a_server_it_stays(self):
        with self.LAB.client() as alice, \
                self.LAB.connect(lab.MEDIATION1, "mediation1") as server:
            registered(alice)
            server.send(sip.build("INVITE", "sip:alice@lab.test", server,
                                  headers=self.HEADERS, body=sip.sdp(lab.MEDIATION1, 41000)))
            request = alice.receive(3)
            self.assertEqual(request.get("p-asserted-identity"), "<sip:boss@lab.test>")
            alice.send(reply(request, "486 Busy Here"))
            self.assertEqual(server.final().status, 486)

    def test_nobody_listens(self):
        """The caller is told by a transaction, which takes up repetitions"""
        def transactions():
            told = self.LAB.rpc("tm.stats")
            return int(re.search(r"created: (\d+)", told).group(1))

        before = transactions()
        with self.LAB.client() as client:
            request = sip.build("INVITE", "sip:gw1-test@lab.test", client, body=offer())
            for _ in range(2):
                client.send(request)
                answer = client.final()
                self.assertEqual((answer.status, answer.reason),
                                 (500, "Next Hop Not Reachable"))
        self.assertEqual(transactions(), before + 1)
        self.assertNotIn("release transaction", self.LAB.daemons["kamailio"].log())


class Services(unittest.TestCase):
    """The command lines of the drop-ins start the stock daemons"""

    @staticmethod
    def drop_in(name):
        """{key: last value} of a drop-in, and its environment"""
        path = os.path.join(os.environ["TG_SOURCE"], "cfg", name)
        keys, environment = {}, {}
        with open(path, encoding="utf-8") as f:
            for line in f:
                key, found, value = line.strip().partition("=")
                if found and not line.startswith("#"):
                    if key == "Environment":
                        environment.update([value.split("=", 1)])
                    keys[key] = value
        return keys, environment

    def test_kamailio(self):
        keys, environment = self.drop_in("kamailio.service.d-trunkguard.conf")
        self.assertEqual((keys["Restart"], keys["RestartSec"]), ("always", "1"))
        environment["CFGFILE"] = "kamailio.cfg"

        class Started(PresetLab):
            def _kamailio(self, name, config, ready):
                line = keys["ExecStart"].replace("/run/kamailio/", f"{self.run}/own-")
                argv = shlex.split(line)
                for i, word in enumerate(argv):
                    if word.startswith("$"):
                        argv[i] = environment[word[1:]]
                argv[argv.index("kamailio.cfg")] = os.path.join(self.etc, config)
                argv += ["-DD", "-E", "-Y", self.run, "-w", self.run]
                return proc.Daemon(name, argv, self.run, self.log, ready=ready)

        with Started(ROOT, "policy.cfg", peers=()) as a_lab:
            self.assertEqual(a_lab.daemons["kamailio"].argv[0], "/usr/sbin/kamailio")
            memory = a_lab.rpc("core.shmmem")
            total = int(re.search(r"total: (\d+)", memory).group(1))
            self.assertEqual(total, int(environment["SHM_MEMORY"]) << 20)

    def test_rtpengine(self):
        keys, environment = self.drop_in("rtpengine-daemon.service.d-trunkguard.conf")
        a_lab = PresetLab(ROOT, "policy.cfg", peers=())
        a_lab.prepare()
        config = a_lab.shipped("rtpengine.conf").replace(
            "interface = 192.0.2.1\n", f"interface = {lab.EDGE}\n")
        self.assertIn(f"interface = {lab.EDGE}\n", config)
        argv = shlex.split(keys["ExecStart"])
        self.assertEqual(argv[0], "/usr/bin/rtpengine-trunkguard")
        argv[0] = os.path.join(os.environ["TG_SOURCE"], "rtp_plugin", "rtpengine-trunkguard")
        argv = [w.replace("/run/rtpengine", a_lab.run).replace(
            "/etc/rtpengine/rtpengine.conf", a_lab.write("shipped.conf", config))
            for w in argv]
        daemon = proc.Daemon(
            "shipped", argv, a_lab.run, a_lab.log,
            env={"TRUNKGUARD_RTP_CONF": environment["TRUNKGUARD_RTP_CONF"].replace(
                "/etc/trunkguard", a_lab.etc),
                "TRUNKGUARD_RTP_PLUGIN": os.path.join(
                    os.environ["TG_BUILD"], "rtp_plugin", "rtpengine_srtp.so")},
            ready=[("udp", "127.0.0.1", 2223), ("tcp", "127.0.0.1", 2224)])
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.wait_ready()

        def plugin_answers():
            with contextlib.suppress(OSError):
                return a_lab.secured_streams() == []
        proc.wait_until(plugin_answers, "the plugin answers", 5)


if __name__ == "__main__":
    unittest.main()
