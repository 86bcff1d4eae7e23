# SPDX-License-Identifier: GPL-2.0-or-later
"""The media relay authentication service of a real Kamailio, and what its
credentials are worth at a real coturn.
"""

import json
import re
import time
import unittest
import xml.etree.ElementTree as ET

import coturn
import kamailio
import lab_services
import mras_edge
import sip
import tls_edge

KEYS, POLICY = mras_edge.KEYS, mras_edge.POLICY
FIRST, SECOND = mras_edge.FIRST, mras_edge.SECOND
TYPE = "application/msrtc-media-relay-auth+xml"
SPACE = "http://schemas.microsoft.com/2006/09/sip/mrasp"
RELAY = coturn.ADDRESS
EDGE = mras_edge.make()


TURN = coturn.Coturn(tls_edge.folder("coturn"), KEYS.leaf("edge"), (FIRST, SECOND))


def setUpModule():
    EDGE.start()
    TURN.__enter__()


def tearDownModule():
    EDGE.stop()
    TURN.__exit__()


def ask(identity="sip:alice@lab.test", more="", attributes="", version="1.0", body=None):
    return body if body is not None else f"""<?xml version="1.0"?>
<request xmlns="{SPACE}" requestID="17" version="{version}" from="sip:mediation1.lab.test"
 to="sip:mras@edge.lab.test"{attributes}><credentialsRequest credentialsRequestID="c1">
<identity>{identity}</identity>{more}</credentialsRequest></request>"""


def service(connection, content_type=TYPE, user="alice", domain="lab.test", **more):
    return connection.request("SERVICE", "sip:mras@edge.lab.test", user=user, domain=domain,
                              body=ask(**more).encode(), content_type=content_type)


def texts(answer, path):
    found = ET.fromstring(answer.body.decode()).findall(
        "/".join(f"{{{SPACE}}}{p}" for p in path.split("/")))
    return [e.text for e in found]


credentials = lab_services.credentials


def set_policy(text):
    EDGE.write("policy.cfg", EDGE.fill(text.replace("@PKI@", KEYS.path)))
    EDGE.rpc("tls_policy.reload")


class Case(unittest.TestCase):
    def server(self, leaf="mediation1", source=tls_edge.MEDIATION1):
        c = tls_edge.connect(KEYS, source, leaf)
        self.addCleanup(c.close)
        return c

    def client(self):
        c = tls_edge.connect(KEYS, tls_edge.CLIENT)
        self.addCleanup(c.close)
        return c

    def refused(self, answer, status, phrase):
        self.assertEqual((answer.status, answer.reason), (status, phrase))
        root = ET.fromstring(answer.body.decode())
        self.assertEqual(root.get("reasonPhrase"), phrase)
        self.assertNotIn("password", answer.body.decode())


class Issued(Case):
    """On the request of a server, on behalf of a participant (A33, A34)"""

    def test_answer_to_a_server(self):
        answer = service(self.server(), more="<location>internet</location>"
                         "<duration>30</duration>")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.get("content-type"), TYPE)
        root = ET.fromstring(answer.body.decode())
        self.assertEqual({k: root.get(k) for k in ("requestID", "version", "reasonPhrase",
                                                   "from", "to")},
                         {"requestID": "17", "version": "1.0", "reasonPhrase": "OK",
                          "from": "sip:mediation1.lab.test", "to": "sip:mras@edge.lab.test"})
        username, _ = credentials(answer)
        expiry = int(username.partition(":")[0])
        self.assertAlmostEqual(expiry, time.time() + 1800, delta=30)
        self.assertNotIn("alice", username)
        relay = "credentialsResponse/mediaRelayList/mediaRelay/"
        self.assertEqual(texts(answer, relay + "hostName"), ["turn.lab.test"])
        self.assertEqual(texts(answer, relay + "udpPort"), ["3479"])
        self.assertEqual(texts(answer, relay + "tcpPort"), [])
        self.assertEqual(texts(answer, "credentialsResponse/credentials/duration"), ["30"])

    def test_they_work_on_a_relay(self):
        answer = service(self.server())
        pair = credentials(answer)
        for words in ((), ("-t",), ("-t", "-S", "-p", "5349")):
            good, text = TURN.relays(*pair, *words)
            self.assertTrue(good, f"{words}\n{text[-1500:]}")
        for wrong in ((pair[0], pair[1][::-1]),
                      (str(int(pair[0].partition(":")[0]) + 60) + ":" + pair[0].partition(
                          ":")[2], pair[1])):
            self.assertFalse(TURN.relays(*wrong)[0])

    def test_a_client_asks_for_itself(self):
        c = self.client()
        answer = service(c, identity="sip:alice@lab.test")
        self.assertEqual(answer.status, 200)
        self.refused(service(c, identity="sip:bob@lab.test"), 403, "Forbidden")

    def test_a_participant_has_one_name_at_the_relays(self):
        c = self.server()
        names = {credentials(service(c, identity=i))[0].partition(":")[2]
                 for i in ("sip:alice@lab.test", "sip:alice@lab.test", "sip:bob@lab.test",
                           "sips:alice@lab.test", "SIP:Alice@LAB.test",
                           "sip:%61lice@lab.test")}
        self.assertEqual(len(names), 2)

    def test_the_log_tells_who_got_what_and_no_secret(self):
        answer = service(self.server(), identity="sip:carol@lab.test")
        username, password = credentials(answer)
        line = next(x for x in EDGE.log().splitlines() if username in x)
        for word in ("requester=mediation1", "participant=sip:carol@lab.test", "issued"):
            self.assertIn(word, line)
        for secret in (password, FIRST):
            self.assertNotIn(secret, EDGE.log())


class Granted(Case):
    """For how long, and at which relays (A33, A35)"""

    LIST = "credentialsResponse/mediaRelayList/mediaRelay"

    def relays(self, answer):
        """One dict for each relay of the list, by element"""
        found = ET.fromstring(answer.body.decode()).findall(
            "/".join(f"{{{SPACE}}}{p}" for p in self.LIST.split("/")))
        return [{e.tag.partition("}")[2]: e.text for e in relay} for relay in found]

    def test_what_was_asked_for_up_to_the_limit(self):
        c = self.server()
        for asked, minutes in (("", 120), ("<duration>1</duration>", 1),
                               ("<duration>119</duration>", 119),
                               ("<duration>120</duration>", 120),
                               ("<duration>121</duration>", 120),
                               ("<duration>480</duration>", 120)):
            with self.subTest(asked):
                answer = service(c, more=asked)
                self.assertEqual(texts(answer, "credentialsResponse/credentials/duration"),
                                 [str(minutes)])
                expiry = int(credentials(answer)[0].partition(":")[0])
                self.assertAlmostEqual(expiry, time.time() + 60 * minutes, delta=15)

    def test_each_participant_of_one_request_has_its_own(self):
        two = ask(more="<duration>5</duration>").replace("</request>", f"""
<credentialsRequest credentialsRequestID="c2"><identity>sip:bob@lab.test</identity>
<location>internet</location></credentialsRequest></request>""")
        answer = service(self.server(), body=two)
        self.assertEqual(answer.status, 200)
        self.assertEqual(texts(answer, "credentialsResponse/credentials/duration"),
                         ["5", "120"])
        self.assertEqual([e.get("credentialsRequestID") for e in
                          ET.fromstring(answer.body.decode())], ["c1", "c2"])
        names = texts(answer, "credentialsResponse/credentials/username")
        self.assertEqual(len({n.partition(":")[2] for n in names}), 2)
        self.assertEqual(len(self.relays(answer)), 3)  # both places, then one

    def test_relays_of_the_place(self):
        inside = {"location": "intranet", "directIPAddress": RELAY, "udpPort": "3478",
                  "tcpPort": "3478"}
        outside = {"location": "internet", "hostName": "turn.lab.test", "udpPort": "3479"}
        c = self.server()
        for place, wanted in (("intranet", [inside]), ("internet", [outside]),
                              (None, [inside, outside])):
            with self.subTest(place):
                answer = service(c, more=place and f"<location>{place}</location>" or "")
                self.assertEqual(self.relays(answer), wanted)

    def test_where_it_says_there_is_one(self):
        answer = service(self.server(), more="<location>intranet</location>")
        relay, = self.relays(answer)
        pair = credentials(answer)
        for words in (("-p", relay["udpPort"]), ("-t", "-p", relay["tcpPort"])):
            good, text = TURN.relays(*pair, *words)
            self.assertTrue(good, text[-1500:])

    def test_a_relay_that_is_taken_away(self):
        less = POLICY.replace("[relay inside]", "[relay other]").replace(
            "host = 127.0.0.50", "host = 127.0.0.51")
        set_policy(less)
        try:
            answer = service(self.server(), more="<location>intranet</location>")
        finally:
            set_policy(POLICY)
        self.assertEqual([r["directIPAddress"] for r in self.relays(answer)], ["127.0.0.51"])
        again = service(self.server(), more="<location>intranet</location>")
        self.assertEqual([r["directIPAddress"] for r in self.relays(again)], [RELAY])


class Expiry(unittest.TestCase):
    """(A35)"""

    def test_they_end(self):
        set_policy(POLICY.replace("max_duration = 2h", "max_duration = 1m"))
        try:
            with tls_edge.connect(KEYS, tls_edge.MEDIATION1, "mediation1") as c:
                answer = service(c, more="<duration>480</duration>")
        finally:
            set_policy(POLICY)
        pair = credentials(answer)
        self.assertEqual(texts(answer, "credentialsResponse/credentials/duration"), ["1"])
        good, text = TURN.relays(*pair)
        self.assertTrue(good, text[-1500:])
        time.sleep(max(0, int(pair[0].partition(":")[0]) - time.time()) + 2)
        for words in ((), ("-t",), ("-t", "-S", "-p", "5349")):
            self.assertFalse(TURN.relays(*pair, *words)[0], words)


class Refused(Case):
    """Over TLS only, and to declared servers (A33, A34, A36)"""

    def test_in_clear(self):
        for transport in ("udp", "tcp"):
            for source in (tls_edge.CLIENT, tls_edge.MEDIATION1, tls_edge.GATEWAY3):
                if source == tls_edge.GATEWAY3 and transport == "udp":
                    continue  # declared for TCP alone: silence
                with self.subTest(f"{transport} {source}"), sip.Connection(
                        transport, ("127.0.0.1", 5060), source) as c:
                    answer = service(c)
                    self.assertEqual(answer.status, 403)
                    self.assertNotIn(b"password", answer.body)
        self.assertEqual(service(self.server()).status, 200)

    def test_a_gateway_is_no_server(self):
        self.refused(service(self.server("gateway1", tls_edge.GATEWAY1)), 403, "Forbidden")

    def test_who_only_audit_mode_lets_in(self):
        set_policy(POLICY.replace("[policy]\n", "[policy]\nmode = audit\n", 1))
        self.addCleanup(set_policy, POLICY)
        for leaf in (None, "gateway1", "impostor-rogue"):
            with self.subTest(leaf):
                self.assertEqual(tls_edge.knock(KEYS, tls_edge.MEDIATION1, leaf)[0], "served")
                self.refused(service(self.server(leaf)), 403, "Forbidden")
        self.assertEqual(service(self.server()).status, 200)

    def test_an_undeclared_server(self):
        verdict, _ = tls_edge.knock(KEYS, tls_edge.UNDECLARED, "mediation1")
        self.assertEqual(verdict, "alert")

    def test_participants_of_other_domains(self):
        c = self.server()
        for identity in ("sip:alice@partner.test", "sip:alice@lab.test.evil.test",
                         "sip:alice@evil-lab.test"):
            self.refused(service(c, identity=identity), 403, "Forbidden")
        self.assertEqual(service(c, identity="sip:alice@LAB.test").status, 200)

    def test_what_is_no_request(self):
        c = self.server()
        good = ask()
        bad = {
            "empty": "", "no XML": "hello", "cut": good[:-12],
            "other root": good.replace("request", "response"),
            "other namespace": good.replace(SPACE, SPACE + "x"),
            "no identity": re.sub("<identity>.*</identity>", "", good),
            "no id": good.replace('requestID="17"', ""),
            "identity is no URI": ask("alice"), "two identities": good.replace(
                "</identity>", "</identity><identity>sip:bob@lab.test</identity>"),
            "place": ask(more="<location>moon</location>"),
            "time": ask(more="<duration>-1</duration>"),
            "no time": ask(more="<duration>0</duration>"),
            "much time": ask(more="<duration>999999999</duration>"),
            "entity": '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "sip:alice@lab.test">]>'
                      + ask("&a;").partition("?>")[2],
            "laughs": '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "'
                      + "&a;" * 50 + '"><!ENTITY c "' + "&b;" * 50 + '">]>'
                      + ask("&c;").partition("?>")[2],
            "a file": '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/'
                      'passwd">]>' + ask("&a;").partition("?>")[2],
            "deep": "<a>" * 900, "NUL": good.replace("alice", "a\0lice"),
        }
        for name, body in bad.items():
            with self.subTest(name):
                answer = service(c, body=body)
                if name == "empty":
                    self.assertIn(answer.status, (400, 415))
                else:
                    self.refused(answer, 400, "Request Malformed")
        self.assertEqual(service(c).status, 200)

    def test_what_is_too_much(self):
        c = self.server()
        many = ask().replace("</request>", "") + "".join(
            f'<credentialsRequest credentialsRequestID="{i}"><identity>sip:a@lab.test'
            "</identity></credentialsRequest>" for i in range(9)) + "</request>"
        self.refused(service(c, body=many), 413, "Request Too Large")
        self.refused(service(c, body=ask() + " " * 9000), 413, "Request Too Large")

    def test_another_version_and_another_type(self):
        c = self.server()
        self.refused(service(c, version="2.0"), 400, "Not Supported")
        self.assertEqual(service(c, content_type="text/xml").status, 415)


class Rate(Case):
    """(A33)"""

    def test_requests_of_one_requester(self):
        time.sleep(61 - time.time() % 60 if time.time() % 60 > 50 else 0)
        c = self.client()
        answers = [service(c, identity="sip:dave@lab.test", user="dave").status
                   for _ in range(mras_edge.PER_MIN + 2)]
        self.assertEqual(answers, [200] * mras_edge.PER_MIN + [503] * 2)
        for user, domain in (("DAVE", "lab.test"), ("dave", "LAB.test"), ("d%61ve", "lab.test")):
            self.assertEqual(service(c, identity=f"sip:{user}@{domain}", user=user,
                                     domain=domain).status, 503)
        self.assertEqual(service(self.client()).status, 200)  # another one's count


class Rotation(Case):
    """(A35)"""

    def tearDown(self):
        EDGE.write("turn.secret", FIRST + "\n")
        EDGE.rpc("mras.reload")

    def test_both_secrets_hold_for_a_while(self):
        before = credentials(service(self.server()))
        EDGE.write("turn.secret", SECOND + "\n")
        self.assertIn("was read", EDGE.rpc("mras.reload"))
        after = credentials(service(self.server()))
        self.assertNotEqual(before[1], after[1])
        for pair in (before, after):
            good, text = TURN.relays(*pair)
            self.assertTrue(good, text[-1500:])

    def test_a_bad_file_changes_nothing(self):
        EDGE.write("turn.secret", "short\n")
        with self.assertRaisesRegex(kamailio.KamailioError, "the old secret stays"):
            EDGE.rpc("mras.reload")
        good, text = TURN.relays(*credentials(service(self.server())))
        self.assertTrue(good, text[-1500:])


class Json(unittest.TestCase):
    """The same over HTTPS (A33, A36)"""

    def get(self, path, secured=True, source=tls_edge.CLIENT, leaf=None):
        if secured:
            c = tls_edge.connect(KEYS, source, leaf, target=("127.0.0.1", 5443))
        else:
            c = sip.Connection("tcp", ("127.0.0.1", 5080), source)
        with c:
            return lab_services.http(
                c, f"GET {path} HTTP/1.1", f"From: <sip:alice@lab.test>;tag=1")

    def test_over_https_alone(self):
        answer = self.get("/alice")
        self.assertIn("200 OK", answer)
        got = json.loads(answer.partition("\r\n\r\n")[2])
        self.assertEqual(sorted(got), ["password", "ttl", "uris", "username"])
        self.assertEqual(got["ttl"], 7200)
        self.assertEqual(got["uris"], [
            f"turn:{RELAY}:3478?transport=udp", f"turn:{RELAY}:3478?transport=tcp",
            f"turns:{RELAY}:5349?transport=tcp"])
        good, text = TURN.relays(got["username"], got["password"])
        self.assertTrue(good, text[-1500:])
        self.assertIn(" 403 ", self.get("/bob"))
        self.assertNotIn("password", self.get("/alice", secured=False))


if __name__ == "__main__":
    unittest.main()
