# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own certificates: what a peer would find wrong with them is said in the
log, over RPC and as a statistic; a new one takes over without a connection
lost; each server name is shown its own, RSA beside ECDSA.
"""

import os
import re
import unittest

import kamailio
import pki
import proc
import sip
import tls_edge

KEYS = tls_edge.Pki()
OURS = pki.Authority("Own CA")
NAME = ["edge.lab.test"]
TLS = kamailio.TLS.replace("@PKI@/edge", "@DIR@/own")
RELAY = """
	$du = $hdr(X-Next);
	if(!t_relay()) sl_reply_error();
"""
NO_NEXT_HOP = re.sub(r"next_hop = .*\n", "", tls_edge.POLICY)


def put(name, leaf, chain=()):
    leaf.write(tls_edge.folder(name), "own", chain)
    pki.write(os.path.join(tls_edge.folder(name), "own-ca.pem"), OURS.pem)


def edge(name, leaf, chain=(), policy=tls_edge.POLICY, tls=TLS, **more):
    put(name, leaf, chain)
    return tls_edge.edge(name, KEYS, policy, tls=tls, **more)


def connect(name, **more):
    context = sip.tls_context(os.path.join(tls_edge.folder(name), "own-ca.pem"))
    return sip.Connection("tls", tls_edge.EDGE, tls_edge.CLIENT, context, **more)


def shown(connection):
    return connection.socket.getpeercert(True)


def served(connection):
    answer = connection.request("OPTIONS", "sip:edge.lab.test")
    return answer.status if answer else None


def certificates(edge_):
    """tls_policy.certificates as dicts"""
    found = []
    for line in edge_.rpc("tls_policy.certificates").splitlines():
        key, colon, value = line.strip().partition(":")
        if line.strip() == "{":
            found.append({})
        elif colon:
            found[-1][key] = value.strip()
    return found


def reports(edge_):
    return [line for line in edge_.log().splitlines() if "our certificate " in line]


def first_report(edge_):
    return proc.wait_until(lambda: reports(edge_), "the log tells")[0]


def days(edge_):
    return edge_.statistics("tls_policy")["own_certificate_days"]


def looked_at(edge_, wanted):
    proc.wait_until(lambda: days(edge_) == wanted, f"{wanted} days in the statistic")


def in_days(n):
    return pki.now() + n * pki.DAY + pki.DAY / 2


class Validity(unittest.TestCase):
    """(A25)"""

    def test_a_good_one_is_described_and_nothing_is_said(self):
        end = in_days(31)
        leaf = OURS.issue(NAME, not_after=end)
        serial = f"{leaf.serial:X}"
        with edge("good", leaf) as edge_:
            looked_at(edge_, 31)
            self.assertEqual(certificates(edge_), [{
                "names": "edge.lab.test", "key": "id-ecPublicKey",
                "serial": "0" * (len(serial) % 2) + serial,
                "issuer": "CN=Own CA,O=TrunkGuard tests",
                "not_after": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "days": "31", "warnings": ""}])
            self.assertEqual(reports(edge_), [])

    def says(self, name, leaf, level, text, chain=(), left=None):
        with edge(name, leaf, chain) as edge_:
            said = first_report(edge_)
            self.assertEqual(len(certificates(edge_)), 1)
            self.assertRegex(certificates(edge_)[0]["warnings"], text)
            self.assertRegex(said, text)
            self.assertIn(f"{level}:", said)
            self.assertEqual("ALARM:" in said, level == "ERROR")
            if left is not None:
                looked_at(edge_, left)

    def test_thirty_days_before_its_end_it_is_said(self):
        self.says("soon", OURS.issue(NAME, not_after=in_days(29)), "WARNING",
                  "^.*expires in 29 days", left=29)

    def test_a_week_before_it_is_an_alarm(self):
        self.says("sooner", OURS.issue(NAME, not_after=in_days(6)), "ERROR",
                  "expires in 6 days", left=6)

    def test_one_that_has_expired_is_an_alarm(self):
        leaf = OURS.issue(NAME, not_before=pki.now() - 9 * pki.DAY,
                          not_after=pki.now() - pki.DAY)
        self.says("over", leaf, "ERROR", "has expired", left=0)

    def test_an_intermediate_that_ends_first_counts(self):
        between = pki.Authority("Own intermediate", issuer=OURS, not_after=in_days(3))
        self.says("between", between.issue(NAME), "ERROR",
                  "a certificate of its chain expires in 3 days",
                  [between.certificate], left=3)


class Fitness(unittest.TestCase):
    """(A25, B4)"""

    def warnings(self, name, leaf, chain=(), **more):
        with edge(name, leaf, chain, **more) as edge_:
            looked_at(edge_, 89)
            # what the log says is what RPC says
            said = certificates(edge_)[0]["warnings"]
            self.assertEqual(len(reports(edge_)), 1 if said else 0)
            self.assertIn(said, (reports(edge_) or [""])[0])
            return said

    def test_purposes_that_listeners_and_next_hops_need(self):
        day = in_days(89)
        self.assertRegex(
            self.warnings("serveronly", OURS.issue(NAME, eku=["server"], not_after=day)),
            "^extended key usage lacks clientAuth: next hops, such as peer gateway1, ")
        self.assertEqual(self.warnings(
            "nohops", OURS.issue(NAME, eku=["server"], not_after=day),
            policy=NO_NEXT_HOP), "")
        self.assertRegex(
            self.warnings("clientonly", OURS.issue(NAME, eku=["client"], not_after=day)),
            "^extended key usage lacks serverAuth")
        self.assertRegex(
            self.warnings("code", OURS.issue(NAME, eku=["code"], not_after=day)),
            "neither serverAuth nor clientAuth")
        self.assertEqual(self.warnings(
            "none", OURS.issue(NAME, eku=None, not_after=day)), "")

    def test_names_that_peers_look_for(self):
        day = in_days(89)
        self.assertRegex(
            self.warnings("cn", OURS.issue(cn="edge.lab.test", not_after=day)),
            "^no subjectAltName")
        self.assertRegex(
            self.warnings("mail", OURS.issue(email=["sip@lab.test"], not_after=day)),
            "^no name that SIP knows")

    def test_a_chain_has_to_fit(self):
        day = in_days(89)
        between = pki.Authority("Own intermediate", issuer=OURS)
        # the same name with another key: only the signature tells
        double = pki.Authority("Own intermediate", issuer=OURS)
        leaf = between.issue(NAME, not_after=day, omit=["aki"])
        self.assertEqual(self.warnings("fits", leaf, [between.certificate]), "")
        self.assertEqual(self.warnings("double", leaf, [double.certificate]),
                         "certificate 2 of the file did not issue number 1")
        self.assertEqual(
            self.warnings("order", leaf, [between.certificate, double.certificate]),
            "certificate 3 of the file did not issue number 2")


class Rotation(unittest.TestCase):
    """(A25)"""

    def test_a_new_one_takes_over_and_no_connection_ends(self):
        old = OURS.issue(NAME, not_after=in_days(2))
        new = OURS.issue(NAME, not_after=in_days(80))
        with edge("rotation", old) as edge_, connect("rotation") as before:
            self.assertEqual((served(before), shown(before)), (200, old.der))
            looked_at(edge_, 2)
            put("rotation", new)
            edge_.rpc("tls.reload")
            with connect("rotation") as after:
                self.assertEqual((served(after), shown(after)), (200, new.der))
                # up with the old one, and served beside it
                self.assertEqual((served(before), shown(before)), (200, old.der))
                # tls.so keeps the old one for that; it is not ours any more
                looked_at(edge_, 80)
                self.assertEqual([c["serial"].lstrip("0") for c in certificates(edge_)],
                                 [f"{new.serial:X}"])
                self.assertEqual(served(before), 200)
            self.assertEqual(len(reports(edge_)), 1, reports(edge_))

    def test_next_hops_are_shown_the_new_one(self):
        class Both(tls_edge.Pki):
            """for next hops that trust our CA, too"""

            def ca(self, name="enterprise-ca"):
                path = os.path.join(tls_edge.folder("outbound"), "both.pem")
                with open(super().ca(name), encoding="ascii") as f:
                    pki.write(path, f.read() + OURS.pem)
                return path

        def relay(to):
            answer = c.request("MESSAGE", "sip:bob@edge.lab.test", headers=[
                f"X-Next: sip:{to}:5067;transport=tls"])
            self.assertEqual(answer and answer.status, 200, edge_.log()[-2000:])

        with edge("outbound", OURS.issue(["old.lab.test"]), route=RELAY) as edge_, \
                tls_edge.Server(Both(), "gateway1", ("127.0.0.21", 5067)) as first, \
                tls_edge.Server(Both(), "gateway2", ("127.0.0.22", 5067)) as second, \
                connect("outbound") as c:
            relay("127.0.0.21")
            put("outbound", OURS.issue(["new.lab.test"]))
            edge_.rpc("tls.reload")
            relay("127.0.0.22")
            relay("127.0.0.21")
            self.assertEqual(second.clients, [["new.lab.test"]])
            self.assertEqual(first.clients, [["old.lab.test"]])
            self.assertEqual(len(first.requests), 2)  # on one connection

    def test_one_that_does_not_load_changes_nothing(self):
        old = OURS.issue(NAME, not_after=in_days(50))
        with edge("broken", old) as edge_, connect("broken") as before:
            self.assertEqual(served(before), 200)
            pki.write(os.path.join(tls_edge.folder("broken"), "own.pem"), "no PEM\n")
            with self.assertRaises(kamailio.KamailioError):
                edge_.rpc("tls.reload")
            self.assertEqual(served(before), 200)
            with connect("broken") as after:
                self.assertEqual((served(after), shown(after)), (200, old.der))
            self.assertEqual([c["days"] for c in certificates(edge_)], ["50"])


class ServerNames(unittest.TestCase):
    """(A25)"""

    SECTION = """
[server:any]
server_name = {0}.lab.test
method = TLSv1.2+
certificate = @DIR@/{0}.pem
private_key = @DIR@/{0}.key
verify_certificate = no
require_certificate = no
"""

    def test_rsa_and_ecdsa_by_server_name(self):
        leaves = {"rsa": OURS.issue(["rsa.lab.test"], key="rsa", not_after=in_days(40)),
                  "ecdsa": OURS.issue(["ecdsa.lab.test"], not_after=in_days(60))}
        for name, leaf in leaves.items():
            leaf.write(tls_edge.folder("names"), name)
        own = OURS.issue(NAME)
        tls = TLS + "".join(self.SECTION.format(name) for name in leaves)
        with edge("names", own, tls=tls) as edge_:
            for name, leaf in (*leaves.items(), ("edge", own)):
                with connect("names", server_name=f"{name}.lab.test") as c:
                    self.assertEqual((served(c), shown(c)), (200, leaf.der), name)
            looked_at(edge_, 40)
            self.assertEqual({(c["names"], c["key"]) for c in certificates(edge_)},
                             {("rsa.lab.test", "rsaEncryption"),
                              ("ecdsa.lab.test", "id-ecPublicKey"),
                              ("edge.lab.test", "id-ecPublicKey")})


if __name__ == "__main__":
    unittest.main()
