# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS sessions taken up again, by openssl s_client: whose may be, whose may
not, and what ends them. Whoever may not take its session up is asked for a
full handshake and gets there what is due to it: 200, or an alert.
"""

import base64
import contextlib
import functools
import os
import re
import socket
import ssl
import time
import unittest

import pki
import proc
import tls_edge
from test_tls_revocation import DAY, ENTERPRISE, KEYS, Case, crl
from test_tls_versions import options, talk

EDGE, BESIDE = "127.0.0.1:5061", "127.0.0.1:5062"
VERSIONS = ("-tls1_2", "-tls1_3")
QUIET, OTHERS, NAMED, SHARED = "127.0.0.45", "127.0.0.46", "127.0.0.44", "127.0.0.41"

POLICY = tls_edge.POLICY.replace(
    "next_hop = 127.0.0.21:5067\n", "next_hop = 127.0.0.21:5067\nresumption = yes\n") + f"""
resumption = yes

[clients quiet]
address = {QUIET}

[clients others]
address = {OTHERS}
resumption = yes

[clients named]
address = {NAMED}
sni = edge.lab.test
resumption = yes

[peer named]
role = gateway
address = {NAMED}
sni = trunk.lab.test
identity = gw1.lab.test
trust = enterprise
resumption = yes

[peer branch]
role = gateway
address = {SHARED}
identity = gw2.lab.test
trust = enterprise
resumption = yes

[clients behind]
address = {SHARED}
"""

ROUTE = ('\tappend_to_reply("X-Seen: $(tlsp(peer){s.rm,<null>})/$(tlsp(clients){s.rm,<null>})\\r\\nX-Worker: $pp\\r\\n");\n'
         + tls_edge.ROUTE)


def each_version(test):
    @functools.wraps(test)
    def run(self):
        for version in VERSIONS:
            with self.subTest(version):
                test(self, version)
    return run


class Sessions:
    """Knocks with and without a session, and what came of it."""

    def kept(self):
        return os.path.join(tls_edge.folder("sessions"), f"{time.monotonic_ns()}.pem")

    def knock(self, version, source, *words, leaf=None, keep=None, show=None,
              target=EDGE, sni="edge.lab.test"):
        identity = ()
        if leaf:
            cert, key = KEYS.leaf(leaf)
            identity = ("-cert", cert, "-key", key, "-cert_chain", cert)
        return talk(["openssl", "s_client", "-connect", target, "-bind", f"{source}:0",
                     version, "-servername", sni, *identity,
                     *(("-sess_out", keep) if keep else ()),
                     *(("-sess_in", show) if show else ()), *words], options(source))

    def first(self, version, source, *words, **more):
        """A session won in a full handshake that was served."""
        kept = self.kept()
        seen = self.knock(version, source, *words, keep=kept, **more)
        self.assertIn("SIP/2.0 200 OK", seen)
        self.assertIn("New, TLS", seen)
        self.assertTrue(os.path.exists(kept) and os.path.getsize(kept))
        self.assertIn("TLS session ticket:", pki.openssl(
            "sess_id", "-in", kept, "-noout", "-text").decode())
        return kept

    def resumes(self, seen, who):
        self.assertIn("Reused, TLS", seen)
        self.assertIn("SIP/2.0 200 OK", seen)
        self.assertIn(f"X-Seen: {who}\r\n", seen)

    def starts_anew(self, seen, who):
        self.assertIn("New, TLS", seen)
        self.assertNotIn("Reused, TLS", seen)
        self.assertIn("SIP/2.0 200 OK", seen)
        self.assertIn(f"X-Seen: {who}\r\n", seen)

    def is_refused(self, seen):
        self.assertRegex(seen, "(?i)alert")
        self.assertNotIn("Reused, TLS", seen)
        self.assertNotIn("SIP/2.0", seen)


class Visits:
    """One client that comes again and again, each time with its last session:
    s_client keeps none that came with a resumption in TLS 1.2."""

    def __init__(self, version, source=tls_edge.CLIENT, leaf=None):
        self.session, self.source = None, source
        self.context = tls_edge.context(KEYS, leaf, lowest=version, highest=version)

    @contextlib.contextmanager
    def stay(self, reused):
        with socket.create_connection(tls_edge.EDGE, 5, (self.source, 0)) as raw:
            with self.context.wrap_socket(raw, server_hostname="edge.lab.test",
                                          session=self.session) as tls:
                self.ask(tls)
                if tls.session_reused != reused:
                    raise AssertionError(f"reused: {tls.session_reused}")
                self.session = tls.session
                if not self.session.has_ticket:
                    raise AssertionError("no ticket came")
                yield tls

    def ask(self, tls):
        tls.sendall(options(self.source))
        answer = tls.recv(65536)
        if not answer.startswith(b"SIP/2.0 200 OK"):
            raise AssertionError(answer[:40])

    def pay(self, reused):
        """The id of the session that it goes away with."""
        with self.stay(reused):
            return self.session.id


class Alike(Sessions, unittest.TestCase):
    """One edge with four processes for TCP, which all open each other's
    tickets; what makes a session another one's (B2, A23)."""

    @classmethod
    def setUpClass(cls):
        cls.edge = tls_edge.edge(
            "alike", KEYS, POLICY, ROUTE, listen=(f"tls:{EDGE}", f"tls:{BESIDE}"),
            params='tcp_children=4\nmodparam("tls", "session_cache", 1)\n').start()

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()

    @each_version
    def test_a_client_takes_up_its_session(self, version):
        before = self.edge.statistics("tls_policy")["resumed"]
        session = self.first(version, tls_edge.CLIENT)
        self.resumes(self.knock(version, tls_edge.CLIENT, show=session), "/staff")
        self.assertEqual(self.edge.statistics("tls_policy")["resumed"], before + 1)
        name = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[version]
        self.assertTrue(self.edge.decisions(gate="handshake-in", verdict="allow",
                                            detail=f'"{name} resumed"'))

    @each_version
    def test_with_every_worker(self, version):
        session = self.first(version, tls_edge.CLIENT)
        workers = set()
        held = []

        def again():
            # those that are busy with a connection leave the next to others
            held.append(tls_edge.connect(KEYS, tls_edge.CLIENT))
            seen = self.knock(version, tls_edge.CLIENT, show=session)
            self.resumes(seen, "/staff")
            workers.add(re.search(r"X-Worker: (\d+)", seen)[1])
            return len(workers) >= 3

        try:
            proc.wait_until(again, "three workers took the session up", 30)
        finally:
            for c in held:
                c.close()

    def test_a_new_ticket_comes_with_each(self):
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with self.subTest(version):
                visits = Visits(version)
                tickets = {visits.pay(reused=i > 0) for i in range(4)}
                self.assertEqual(len(tickets), 4)

    @each_version
    def test_a_rule_that_does_not_say_so_gives_none(self, version):
        kept = self.kept()
        seen = self.knock(version, QUIET, keep=kept)
        self.starts_anew(seen, "/quiet")
        self.assertNotIn("TLS session ticket:", seen)
        session = self.first(version, tls_edge.CLIENT)
        self.starts_anew(self.knock(version, QUIET, show=session), "/quiet")

    def test_not_by_number_alone(self):
        """Even where tls.so is told to cache sessions."""
        kept = self.kept()
        seen = self.knock("-tls1_2", tls_edge.CLIENT, "-no_ticket", keep=kept)
        self.starts_anew(seen, "/staff")
        if os.path.exists(kept):
            seen = self.knock("-tls1_2", tls_edge.CLIENT, "-no_ticket", show=kept)
            self.starts_anew(seen, "/staff")

    @each_version
    def test_not_under_another_name(self, version):
        session = self.first(version, tls_edge.CLIENT)
        self.starts_anew(self.knock(version, tls_edge.CLIENT, show=session,
                                    sni="other.lab.test"), "/staff")
        session = self.first(version, NAMED)
        self.is_refused(self.knock(version, NAMED, show=session, sni="trunk.lab.test"))
        self.starts_anew(self.knock(version, NAMED, show=session, sni="trunk.lab.test",
                                    leaf="gateway1"), "named/")

    @each_version
    def test_not_at_another_listener(self, version):
        session = self.first(version, tls_edge.CLIENT)
        self.starts_anew(self.knock(version, tls_edge.CLIENT, show=session,
                                    target=BESIDE), "/staff")

    @each_version
    def test_not_under_another_rule(self, version):
        session = self.first(version, tls_edge.CLIENT)
        self.starts_anew(self.knock(version, OTHERS, show=session), "/others")

    @each_version
    def test_a_peer_that_may(self, version):
        """With its certificate at hand or not: the one in the ticket counts,
        its chain with it."""
        for leaf in ("gateway1", "gateway1-chain"):
            session = self.first(version, tls_edge.GATEWAY1, leaf=leaf)
            self.resumes(self.knock(version, tls_edge.GATEWAY1, leaf=leaf, show=session),
                         "gateway1/")
            self.resumes(self.knock(version, tls_edge.GATEWAY1, show=session), "gateway1/")

    @each_version
    def test_a_peer_that_may_not(self, version):
        kept = self.kept()
        seen = self.knock(version, tls_edge.MEDIATION1, leaf="mediation1", keep=kept)
        self.starts_anew(seen, "mediation1/")
        self.assertNotIn("TLS session ticket:", seen)
        shown = kept if os.path.exists(kept) and os.path.getsize(kept) else None
        self.starts_anew(self.knock(version, tls_edge.MEDIATION1, leaf="mediation1",
                                    show=shown), "mediation1/")

    @each_version
    def test_a_peer_from_where_it_may_not_be(self, version):
        session = self.first(version, tls_edge.GATEWAY1, leaf="gateway1")
        self.is_refused(self.knock(version, tls_edge.MEDIATION1, show=session))
        self.is_refused(self.knock(version, tls_edge.MEDIATION1, leaf="gateway1",
                                   show=session))

    @each_version
    def test_a_ticket_that_is_not_taken_proves_nothing(self, version):
        """The peer's ticket is good, but for another server name: what is left
        is who comes without a certificate, a client."""
        session = self.first(version, SHARED, leaf="gateway2")
        self.resumes(self.knock(version, SHARED, show=session), "branch/")
        self.starts_anew(self.knock(version, SHARED, show=session, sni="other.lab.test"),
                         "/behind")

    @each_version
    def test_a_stolen_ticket(self, version):
        """Who has the ticket and not the secret that belongs to it."""
        session = self.first(version, tls_edge.GATEWAY1, leaf="gateway1")
        stolen = self.kept()
        text = pki.openssl("sess_id", "-in", session, "-noout", "-text").decode()
        secret = bytes.fromhex(re.search(r"(?:Master-Key|Resumption PSK): (\w+)", text)[1])
        with open(session, encoding="ascii") as f:
            head, *body, end = f.read().split("\n")[:-1]
        octets = base64.b64decode("".join(body))
        self.assertEqual(octets.count(secret), 1)
        octets = octets.replace(secret, bytes(x ^ 1 for x in secret))
        pki.write(stolen, "\n".join((head, base64.encodebytes(octets).decode().strip(), end,
                                     "")))
        seen = self.knock(version, tls_edge.GATEWAY1, show=stolen)
        self.assertRegex(seen, "(?i)alert|decryption failed|digest check failed")
        self.assertNotIn("SIP/2.0", seen)
        self.resumes(self.knock(version, tls_edge.GATEWAY1, show=session), "gateway1/")


class Policies(Sessions, unittest.TestCase):
    """A policy that is another one ends the sessions of the one before (B2)."""

    def test_a_reload(self):
        edge = tls_edge.edge("reload", KEYS, POLICY, ROUTE, listen=(f"tls:{EDGE}",))
        text = POLICY.replace("@PKI@", KEYS.path)
        with edge:
            sessions = [(v, s, self.first(v, s, leaf=leaf), leaf, who) for v in VERSIONS
                        for s, leaf, who in ((tls_edge.CLIENT, None, "/staff"),
                                             (tls_edge.GATEWAY1, "gateway1", "gateway1/"))]
            edge.rpc("tls_policy.reload")
            for version, source, session, leaf, who in sessions:
                self.resumes(self.knock(version, source, show=session, leaf=leaf), who)
            edge.write("policy.cfg", text + "\n[clients more]\naddress = 127.0.0.47\n")
            edge.rpc("tls_policy.reload")
            for version, source, session, leaf, who in sessions:
                self.starts_anew(self.knock(version, source, show=session, leaf=leaf), who)
            edge.write("policy.cfg", text.replace("resumption = yes", "resumption = no"))
            edge.rpc("tls_policy.reload")
            for version, source, session, leaf, who in sessions:
                seen = self.knock(version, source, show=session, leaf=leaf)
                self.starts_anew(seen, who)
                self.assertNotIn("TLS session ticket:", seen)

    def test_a_connection_that_took_one_up_is_held_to_the_next(self):
        """Its chain is kept, as after a full handshake; so it is judged again."""
        edge = tls_edge.edge("held", KEYS, POLICY, ROUTE, listen=(f"tls:{EDGE}",))
        text = POLICY.replace("@PKI@", KEYS.path)
        visits = Visits(ssl.TLSVersion.TLSv1_2, tls_edge.GATEWAY1, "gateway1-chain")
        with edge:
            visits.pay(reused=False)
            with visits.stay(reused=True) as tls:
                self.assertRegex(edge.rpc("tls_policy.connections"), "resumed: yes")
                edge.rpc("tls_policy.reload")
                visits.ask(tls)
                self.assertFalse(edge.decisions(gate="again"))
                edge.write("policy.cfg", text.replace("identity = gw1.", "identity = gw7."))
                edge.rpc("tls_policy.reload")
                self.assertEqual(tls.recv(1), b"")
                self.assertTrue(edge.decisions(gate="again", reason="cert-name"))

    def test_a_restart(self):
        """The keys of tickets end with the daemon."""
        edge = tls_edge.edge("restart", KEYS, POLICY, ROUTE, listen=(f"tls:{EDGE}",))
        with edge:
            session = self.first("-tls1_3", tls_edge.CLIENT)
            edge.stop()
            edge.start()
            self.starts_anew(self.knock("-tls1_3", tls_edge.CLIENT, show=session), "/staff")

    def test_a_life_that_is_none(self):
        for life in (0, 7 * 86400 + 1):
            edge = tls_edge.edge("life", KEYS, POLICY, ROUTE,
                                 params=f'modparam("tls_policy", "ticket_life", {life})\n')
            self.assertIn("ticket_life is 1 to 604800 seconds", edge.refuses_to_start())


class Times(Sessions, Case):
    """What a session is worth as time goes on and lists change: tickets end,
    certificates end, certificates are revoked (A22, A26, B2, B3)."""

    POLICY, ROUTE = POLICY, ROUTE

    def test_tickets_of_tickets_end(self):
        """They are as old as the first of them."""
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with self.subTest(version):
                visits = Visits(version)
                for at, reused in ((0, False), (3000, True), (5000, True), (7100, True),
                                   (7300, False), (14000, True), (14600, False)):
                    self.move(f"+{at}")
                    visits.pay(reused)

    @each_version
    def test_a_ticket_ends(self, version):
        self.move("+0")
        session = self.first(version, tls_edge.CLIENT)
        self.move("+7000")
        self.resumes(self.knock(version, tls_edge.CLIENT, show=session), "/staff")
        self.move("+7300")
        self.starts_anew(self.knock(version, tls_edge.CLIENT, show=session), "/staff")
        session = self.first(version, tls_edge.CLIENT)
        self.resumes(self.knock(version, tls_edge.CLIENT, show=session), "/staff")

    def test_a_clock_that_is_set_back(self):
        self.move("+50000")
        session = self.first("-tls1_3", tls_edge.CLIENT)
        self.move("+0")
        self.starts_anew(self.knock("-tls1_3", tls_edge.CLIENT, show=session), "/staff")

    @each_version
    def test_a_certificate_ends(self, version):
        ENTERPRISE.issue(["gw1.lab.test"], not_after=pki.now() + DAY / 24).write(
            KEYS.path, "gw1-soon")
        self.move("+0")
        session = self.first(version, tls_edge.GATEWAY1, leaf="gw1-soon")
        self.move("+1800")
        self.resumes(self.knock(version, tls_edge.GATEWAY1, show=session), "gateway1/")
        self.move("+3700")
        self.is_refused(self.knock(version, tls_edge.GATEWAY1, show=session))
        self.is_refused(self.knock(version, tls_edge.GATEWAY1, leaf="gw1-soon",
                                   show=session))
        self.assertTrue(self.edge.decisions(gate="handshake-in", reason="cert-expired"))

    @each_version
    def test_a_certificate_is_revoked(self, version):
        """New lists alone end no session: each one is put before them."""
        session = self.first(version, tls_edge.GATEWAY1, leaf="gateway1")
        client = self.first(version, tls_edge.CLIENT)
        self.put(crl("gateway1"))
        proc.wait_until(lambda: self.crls()["revoked"] == "1", "the list is in force")
        for leaf in (None, "gateway1"):
            self.is_refused(self.knock(version, tls_edge.GATEWAY1, leaf=leaf, show=session))
        self.assertTrue(self.edge.decisions(gate="handshake-in", reason="cert-revoked"))
        self.resumes(self.knock(version, tls_edge.CLIENT, show=client), "/staff")
        self.put(crl())
        proc.wait_until(lambda: self.crls()["revoked"] == "0", "the list is in force")
        self.resumes(self.knock(version, tls_edge.GATEWAY1, show=session), "gateway1/")


if __name__ == "__main__":
    unittest.main()
