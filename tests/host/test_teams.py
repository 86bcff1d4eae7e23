# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end like Teams Direct Routing under the shipped preset: it has many
addresses and one certificate of a public CA, meant for servers only, in both
directions; it is known by names alone, its own in Contact and Record-Route,
ours in what it gets; one crypto line, keepalives every so often. Another
customer of the same CA is an impostor.
"""

import os
import re
import ssl
import unittest

import lab
import lab_impostor
import names
import pki
import proc
import sdp_ends
import sip
import tls_edge
from sdp_ends import Call, Gateway, called, lines, offer, registered, renamed, reply

HERE, ELSEWHERE = "127.0.3.11", "127.0.3.12"  # some of its addresses
HUB = "sip.pstnhub.microsoft.com"
PROXY = "sip-du-a-eu.pstnhub.microsoft.com"  # stands in its Record-Route
ROUTE = f"<sip:{PROXY}:5061;transport=tls;lr>"
CONTACT = "<sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=1;x-c=2>"
DNS = names.Server()
CRYPTO = (r"a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}")
SITE = """
#!define WITH_NAME
#!define WITH_DISPATCHER
#!define DISPATCHER_PING 1
"""
LEAVES = {
    "edge": {"dns": [lab.EDGE_NAME]},
    "teams": {"dns": [HUB, "*.pstnhub.microsoft.com"], "eku": ["server"]},
    "teams-wild": {"dns": ["*.pstnhub.microsoft.com"], "eku": ["server"]},
    "teams-client": {"dns": [HUB], "eku": ["client"]},
    "customer": {"dns": ["sbc.customer.test"], "eku": ["server"]},
    "deeper": {"dns": ["sip.pstnhub.microsoft.com.customer.test"], "eku": ["server"]},
}


def on_5061(script):
    """On the loopback Kamailio sends from its last TLS listener, else the first"""
    web = "listen=tls:EDGE_ADDRESS:5443\n"
    return script.replace(web, "").replace("#!ifdef WITH_NAME\nlisten",
                                           web + "#!ifdef WITH_NAME\nlisten", 1)


class TeamsLab(sdp_ends.PresetLab):
    """The hub and the edge have certificates of one public CA, RSA ones"""

    def __init__(self):
        super().__init__(os.path.join(os.environ["TG_LOG_DIR"], "lab"), "policy-teams.cfg",
                         peers=(), site_extra=SITE, script_edit=on_5061)

    def ca(self, name=None):
        return super().ca("public-ca")

    def prepare(self):
        pki.make(self.pki)
        public = pki.Authority("Public CA")
        for name, more in LEAVES.items():
            public.issue(key="rsa:2048", **more).write(self.pki, name)
        public.write(os.path.join(self.pki, "public-ca"))
        super().prepare()
        self.write("dispatcher.list", f"1 sip:{HUB}:5061;transport=tls 8\n")


LAB = TeamsLab()


def setUpModule():
    DNS.__enter__()
    unittest.addModuleCleanup(DNS.__exit__)
    DNS.a.update({HUB: [HERE], PROXY: [HERE], lab.EDGE_NAME: [lab.EDGE]})
    LAB.up()
    unittest.addModuleCleanup(LAB.down)


def routed(octets):
    """A message with the hub's own proxy in its route"""
    return re.sub(rb"(?m)^(?=Record-Route|From)", f"Record-Route: {ROUTE}\r\n".encode(),
                  octets, count=1)


def hub_state():
    found = re.search(r"URI: sip:sip\.pstnhub.*?FLAGS: (\w+)", LAB.rpc("dispatcher.list"),
                      re.S)
    return found[1][:1]


class Case(sdp_ends.Case):
    LAB = LAB

    def hub(self, answer=None):
        """The far end's server, once the edge knows that it lives"""
        far = Gateway(LAB, answer or (lambda r: reply(r, "486 Busy Here")),
                      place=(HERE, 5061), leaf="teams")
        far.__enter__()
        self.addCleanup(far.__exit__)
        proc.wait_until(lambda: hub_state() == "A", "the hub answers keepalives", 20, 0.1)
        return far

    def calling(self, source=ELSEWHERE, leaf="teams"):
        c = LAB.connect(source, leaf)
        self.addCleanup(c.close)
        return c

    def assert_one_crypto(self, body):
        crypto = lines(body, "a=crypto")
        self.assertEqual(len(crypto), 1, crypto)
        self.assertRegex(crypto[0], f"^{CRYPTO}$")
        self.assertIn(" RTP/SAVP ", lines(body, "m=audio")[0])

    def assert_named(self, message):
        """Where it says who we are stands our name"""
        self.assertRegex(message.all("via")[0], r"^SIP/2\.0/TLS edge\.lab\.test:5061;")
        for route in message.all("record-route"):
            self.assertNotIn(ROUTE, route)
        self.assertRegex(message.all("record-route")[0],
                         r"^<sip:edge\.lab\.test:5061;transport=tls;.*lr")

    def assert_protected(self):
        stream, = LAB.secured_streams()
        self.assertEqual((stream["peer"], stream["keying"]), ("teams", "sdes"))


class Calls(Case):
    """(A5, A27, A29, B4, B6, B12)"""

    def test_it_is_called(self):
        far = self.hub(lambda r: routed(reply(
            r, contact=CONTACT, body=sip.sdp(HERE, 40000))))
        call = Call(self.client, offer(), uri="sip:+4930123@lab.test")
        self.assertEqual(call.answer.status, 200)
        invite = far.wait("INVITE")
        self.assert_named(invite)
        self.assert_one_crypto(invite.body)
        self.assert_protected()
        call.ack()
        self.assertIn(PROXY, far.wait("ACK").get("route", ROUTE))
        self.assertEqual(call.bye().status, 200)
        far.wait("BYE")
        proc.wait_until(lambda: not LAB.secured_streams(), "the call is over", 3)

    def test_it_calls_and_is_hung_up_on(self):
        far, alice, hub = self.hub(), self.client, self.calling()
        registered(alice)
        sdp = sip.sdp(ELSEWHERE, 40000)
        hub.send(routed(sip.build("INVITE", f"sip:alice@{lab.EDGE_NAME}", hub,
                                  user="+15551234", domain=HUB, contact=CONTACT, body=sdp)))
        request = alice.receive(3)
        self.assertEqual((request.method, request.get("contact")), ("INVITE", CONTACT))
        alice.send(reply(request, body=offer(), contact="<sip:alice@%s:%d;transport=tls>"
                         % alice.local[:2]))
        answer = hub.final()
        self.assertEqual(answer.status, 200)
        self.assert_one_crypto(answer.body)
        self.assert_protected()
        # by the name of its proxy, on a connection of ours
        alice.send(renamed(sip.build(
            "BYE", CONTACT.strip("<>"), alice, call_id=request.get("call-id"),
            headers=[f"Route: {r}" for r in request.all("record-route")]),
            {b"from": f"{request.get('to')};tag=far", b"to": request.get("from")}))
        self.assertEqual(alice.final().status, 200)
        self.assertEqual(far.wait("BYE").get("call-id"), request.get("call-id"))

    def test_it_offers_two_lines_and_gets_one(self):
        alice, hub = self.client, self.calling()
        registered(alice)
        sdp = sip.sdp(ELSEWHERE, 40000, suites=("AES_CM_128_HMAC_SHA1_80",) * 2)
        answer = called(hub, alice, sdp, offer(), domain=HUB)
        self.assertEqual(answer.status, 200)
        self.assert_one_crypto(answer.body)

    def test_without_srtp_there_is_no_call(self):
        hub = self.calling()
        answer = hub.request("INVITE", f"sip:alice@{lab.EDGE_NAME}", domain=HUB,
                             body=sip.sdp(ELSEWHERE, 40000, secured=False))
        self.assertEqual(answer.status, 488)

    def test_keepalives_both_ways(self):
        far = self.hub()
        asked = far.wait("OPTIONS")
        self.assertEqual(asked.get("contact"), "<sip:edge.lab.test:5061;transport=tls>")
        self.assertIn("<sip:edge.lab.test>", asked.get("from"))
        self.assertRegex(asked.get("via"), r"^SIP/2\.0/TLS edge\.lab\.test:5061;")
        answer = self.calling().request(
            "OPTIONS", f"sip:{lab.EDGE_NAME}:5061;transport=tls", user="", domain=PROXY,
            contact=f"<sip:{PROXY}:5061;transport=tls>")
        self.assertEqual(answer.status, 200)


class Impostors(Case):
    """(A29, A30, A31, B1, B4)"""

    def knock(self, leaf, source=HERE):
        keys = type("Keys", (), {"leaf": staticmethod(LAB.leaf), "ca": staticmethod(LAB.ca)})
        return tls_edge.knock(keys, source, leaf, highest=ssl.TLSVersion.TLSv1_2)

    @staticmethod
    def requests_taken():
        """Without replies: keepalives of ours may be answered meanwhile"""
        core = LAB.statistics()
        return sum(core[name] for name in ("rcv_requests", "drop_requests", "bad_msg_hdr",
                                           "bad_URIs_rcvd", "unsupported_methods"))

    def test_who_is_let_in(self):
        for source in (HERE, ELSEWHERE, lab.UNDECLARED):
            for leaf in ("teams", "teams-wild"):
                self.assertEqual(self.knock(leaf, source), ("served", 200))
            for leaf in ("customer", "deeper", "teams-client", "gateway1"):
                before = self.requests_taken()
                self.assertEqual(self.knock(leaf, source)[0], "alert", leaf)
                self.assertEqual(self.requests_taken(), before)

    def test_in_the_place_of_the_hub(self):
        """DNS says that it is there, its certificate says another name"""
        for leaf in ("customer", "teams-client"):
            with self.subTest(leaf), lab_impostor.Impostor(
                    HERE, 5061, *LAB.leaf(leaf), LAB.ca()) as impostor:
                proc.wait_until(lambda i=impostor: any("ALERT" in a for a in i.alerts),
                                "the edge ends the handshake", 15, 0.1)
                call = Call(self.client, offer(), uri="sip:+4930123@lab.test")
                self.assertEqual(call.answer.status, 503)
                self.assertEqual(impostor.octets, 0)
        self.hub()  # and the true one at the same place is taken up again

    def test_a_route_to_somebody_elses_name(self):
        """In a dialog with the hub a Route names a host that is not the hub's"""
        self.hub(lambda r: reply(r, contact=f"<sip:{PROXY}:5061;transport=tls>",
                                 body=sip.sdp(HERE, 40000)))
        call = Call(self.client, offer(), uri="sip:+4930123@lab.test")
        self.assertEqual(call.answer.status, 200)
        call.ack()
        DNS.a["sip.other.test"] = [HERE]
        call.cseq += 1
        call.send("INFO", headers=("Route: <sip:sip.other.test:5061;transport=tls;lr>",))
        self.assertEqual(call.connection.final().status, 403)
        self.assertEqual(call.bye().status, 200)  # to its Contact, below the hub's name


if __name__ == "__main__":
    unittest.main()
