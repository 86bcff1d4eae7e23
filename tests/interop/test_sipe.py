# SPDX-License-Identifier: GPL-2.0-or-later
"""pidgin-sipe as a client of the media relay authentication service: it signs
in over TLS, learns the service's address, asks for credentials with a request
of its own making and reads the answer: it looks up the relay that is named
there. A real coturn takes the credentials.

Finch hosts the plugin, on a terminal that nobody looks at. What a front end
server would say to it, the edge's script says here. The plugin's record of
what it sends and gets is switched on.
"""

import os
import re
import shutil
import subprocess
import unittest

import coturn
import lab
import names
import proc
from sdp_ends import ScriptLab

TIME_LIMIT_SEC = 200
NEEDS = "finch script /usr/lib/purple-2/libsipe.so"
ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
ELSEWHERE = "127.0.0.140"
RELAY = "relay.lab.test"

POLICY = f"""
[relay inside]
location = intranet
host = {RELAY}

[clients elsewhere]
address = {ELSEWHERE}
media = client
"""
# what it looks for in the answer to REGISTER, and its subscription's first
# notification, which comes in the answer
SIGN_IN = """
	if(is_method("REGISTER")) {
		append_to_reply("Expires: 600\\r\\nSupported: msrtc-event-categories\\r\\n"
				"Allow-Events: vnd-microsoft-provisioning-v2\\r\\n");
	}
"""
PROVISIONING = """
	if(is_method("SUBSCRIBE") && $hdr(Event) == "vnd-microsoft-provisioning-v2") {
		set_reply_body("<provisionGroupList><provisionGroup name=\\"ServerConfiguration\\">"
				"<mrasUri>sip:mras@edge.lab.test</mrasUri></provisionGroup>"
				"</provisionGroupList>",
				"application/vnd-microsoft-roaming-provisioning-v2+xml");
		append_to_reply("Event: vnd-microsoft-provisioning-v2\\r\\n"
				"ms-piggyback-cseq: 1\\r\\nSubscription-State: terminated;expires=0\\r\\n");
		sl_send_reply("200", "OK");
		exit;
	}
"""
ACCOUNT = """<?xml version="1.0" encoding="UTF-8"?>
<account version="1.0"><account>
<protocol>prpl-sipe</protocol><name>alice@lab.test,alice</name><password>none</password>
<statuses><status type="available" name="Available" active="true"/></statuses>
<settings><setting name="server" type="string">edge.lab.test:{port}</setting>
<setting name="transport" type="string">{transport}</setting>
<setting name="authentication" type="string">ntlm</setting></settings>
<settings ui="gnt-purple"><setting name="auto-login" type="bool">1</setting></settings>
</account></account>
"""


def front_end(script):
    for mark, text in (("\tif(is_method(\"REGISTER\")) {\n\t\troute(REGISTRAR)", SIGN_IN),
                       ("#!ifdef WITH_MRAS\n\tif(is_method", PROVISIONING)):
        assert mark in script
        script = script.replace(mark, text + mark, 1)
    return script.replace('modparam("tm", "failure', 'modparam("sanity", "proxy_require", '
                          '"ms-benotify")\nmodparam("tm", "failure', 1)


LAB = ScriptLab(ROOT, script_edit=front_end, peers=(), policy_edit=lambda text:
                text.replace("[mras]\n", "[mras]\nclients = staff\n") + POLICY)
DNS = names.Server()


def setUpModule():
    DNS.__enter__()
    unittest.addModuleCleanup(DNS.__exit__)
    DNS.a.update({lab.EDGE_NAME: [lab.EDGE], RELAY: [coturn.ADDRESS]})
    LAB.up()
    unittest.addModuleCleanup(LAB.down)


class Finch:
    """A messenger that signs in as it starts. Knows the edge's certificate."""

    def __init__(self, name, source, transport="tls"):
        home = os.path.join(ROOT, f"finch-{name}")
        known = os.path.join(home, "certificates", "x509", "tls_peers")
        os.makedirs(known)
        shutil.copy(LAB.leaf("edge")[0], os.path.join(known, lab.EDGE_NAME))
        with open(os.path.join(home, "accounts.xml"), "w", encoding="ascii") as f:
            f.write(ACCOUNT.format(transport=transport,
                                   port=5061 if transport == "tls" else 5060))
        self.record = os.path.join(home, "record")
        with open(self.record, "wb"):
            pass
        preload = os.path.join(lab.BUILD, "tools", "sax1.so")
        self.process = subprocess.Popen(  # pylint: disable=R1732
            ["script", "-qfec", f"env LD_PRELOAD={preload}:{LAB.bindsrc()} finch -d -c {home} "
             f"2>{self.record}", "/dev/null"], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "HOME": home, "TERM": "xterm", "BINDSRC": source,
                 "PURPLE_UNSAFE_DEBUG": "1"})

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()

    def messages(self, direction):
        """What it sent (">") or got ("<")."""
        with open(self.record, encoding="utf-8", errors="replace") as f:
            return re.findall(rf"MESSAGE START {direction}+ SIP.*\n([\s\S]*?)\nMESSAGE END",
                              f.read())

    def answer_to(self, method, seconds=20):
        def found():
            return [m for m in self.messages("<") if m.startswith("SIP/2.0 ")
                    and re.search(rf"(?m)^CSeq: \d+ {method}", m)]
        return proc.wait_until(found, f"{method} is answered", seconds, 0.1)[-1]


class Sipe(unittest.TestCase):
    """(A33, A34, A36)"""

    def finch(self, *words, **more):
        DNS.asked.clear()
        f = Finch(*words, **more)
        self.addCleanup(f.close)
        return f

    @staticmethod
    def looked_up():
        return RELAY in [name for name, _ in DNS.asked]

    def test_it_gets_credentials_that_work(self):
        f = self.finch("alice", lab.CLIENT)
        answer = f.answer_to("SERVICE")
        self.assertTrue(answer.startswith("SIP/2.0 200 "), answer)
        asked, = (m for m in f.messages(">") if m.startswith("SERVICE "))
        self.assertIn("<location>intranet</location><duration>480</duration>", asked)
        proc.wait_until(self.looked_up, "it looks up the relay of the answer", 10, 0.1)
        pair = [re.search(f"<{w}>([^<]+)</{w}>", answer)[1] for w in ("username", "password")]
        with open(os.path.join(LAB.etc, "turn.secret"), encoding="ascii") as secret:
            turn = coturn.Coturn(os.path.join(ROOT, "coturn"), LAB.leaf("edge"),
                                 (secret.read().strip(),))
        with turn:
            good, text = turn.relays(*pair)
            self.assertTrue(good, text[-1500:])
            self.assertFalse(turn.relays(pair[0], pair[1][::-1])[0])

    def test_who_is_not_to_ask_gets_none(self):
        f = self.finch("elsewhere", ELSEWHERE)
        answer = f.answer_to("SERVICE")
        self.assertTrue(answer.startswith("SIP/2.0 403 Forbidden"), answer)
        self.assertNotIn("<password>", answer)
        self.assertFalse(self.looked_up())

    def test_over_tcp_it_does_not_get_that_far(self):
        f = self.finch("tcp", lab.CLIENT, transport="tcp")
        answer = f.answer_to("REGISTER")
        self.assertTrue(answer.startswith("SIP/2.0 403 TLS Required"), answer)
        self.assertEqual([m for m in f.messages(">") if m.startswith("SERVICE ")], [])


if __name__ == "__main__":
    unittest.main()
