# SPDX-License-Identifier: GPL-2.0-or-later
"""The edge of the tests of mras: SERVICE and HTTPS, two relays, a secret."""

import os
import secrets

import kamailio
import tls_edge

KEYS = tls_edge.Pki()
FIRST, SECOND = "first-" + secrets.token_hex(16), "second-" + secrets.token_hex(16)

POLICY = tls_edge.POLICY + """
[mras]
secret_file = turn.secret
realm = lab.test
domains = lab.test
clients = staff
max_duration = 2h
requests_per_min = @RATE@

[relay inside]
location = intranet
host = 127.0.0.50
tls_port = 5349

[relay outside]
location = internet
host = turn.lab.test
udp_port = 3479
tcp_port = 0
"""
PER_MIN = 100  # of one requester: more than the tests of another thing need
POLICY = POLICY.replace("@RATE@", str(PER_MIN))
ROUTE = """
	if(is_method("SERVICE")) {
		mras_handle();
		exit;
	}
""" + tls_edge.ROUTE
LOAD = kamailio.WITH_POLICY + """
loadmodule "xhttp.so"
loadmodule "@OURS@/mras.so"
"""
ROUTES = """
event_route[xhttp:request] {
	# who it is a script must find out by itself; here the path says it
	if(!mras_credentials("sip:$(hu{s.select,-1,/})@lab.test", "intranet")) {
		xhttp_reply("403", "Forbidden", "text/plain", "no");
		exit;
	}
	xhttp_reply("200", "OK", "application/json", "$mras(json)");
}
"""


def make(name="edge", policy=POLICY, secret=FIRST, mode=0o600, **more):
    made = tls_edge.edge(name, KEYS, policy, ROUTE, routes=ROUTES, load=LOAD, listen=(
        "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:127.0.0.1:5061",
        "tcp:127.0.0.1:5080", "tls:127.0.0.1:5443"), params="tcp_accept_no_cl=yes", **more)
    os.chmod(made.write("turn.secret", secret + "\n"), mode)
    return made
