# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sender of ng requests must not reach on a call with a secured leg.
Each attack stands beside the same request in honest form, or is followed by
talk on the call, which must still be secured."""
import time
import unittest

from ngclient import decode, encode
from rtp import Endpoint
from rtpcall import Bench


class OtherNames(Bench):
    """Requests that name the call otherwise than we read it (A32, B14)"""

    def send(self, message, cookie=None):
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        ng.socket.settimeout(1)
        reply = ng.raw((cookie or ng.cookie()) + b" " + encode(message))
        return decode(reply.partition(b" ")[2])

    def reoffer(self, call, key="call-id", **more):
        message = {"command": "offer", key: call.call_id, "from-tag": "a",
                   "to-tag": "b", "sdp": call.local(call.phones),
                   "direction": ["in", "in"]}
        message.update((k.replace("_", "-"), v) for k, v in more.items())
        return message

    def assert_denied(self, call, message):
        self.assert_refused(self.send(message), "media-downgrade")
        self.assert_secured(call)

    def test_the_call_under_its_own_name(self):
        call = self.call()
        self.assert_denied(call, self.reoffer(call))

    def test_other_spellings_of_call_id(self):
        call = self.call()
        for key in ("call id", "call_id", "call-ID", "call ID", "Call-Id"):
            with self.subTest(key):
                self.assert_denied(call, self.reoffer(call, key))

    def test_no_call_id_at_all(self):
        call = self.call()
        message = self.reoffer(call)
        del message["call-id"]
        self.assert_denied(call, message)
        self.assertEqual("pong", self.send({"command": "ping"})["result"])

    def test_a_cookie_that_is_too_long(self):
        call = self.call()
        with self.assertRaises(TimeoutError):
            self.send(self.reoffer(call), b"c" * 1025)
        self.assertEqual("pong", self.send({"command": "ping"},
                                           b"c" * 1024)["result"])
        self.assert_secured(call)

    def test_call_id_in_rtpp_flags(self):
        call = self.call()
        for flags in (f"call-id={call.call_id}", f"x call_ID={call.call_id}",
                      f"to-call-id={call.call_id}"):
            with self.subTest(flags):
                message = self.reoffer(call, rtpp_flags=flags)
                message["call-id"] = "no-such-call"
                self.assert_denied(call, message)

    def test_flags_of_a_plain_call_pass(self):
        call = self.call()
        message = self.reoffer(call, rtpp_flags="replace-origin ICE=remove")
        message["call-id"] = call.call_id + "-plain"
        self.assertEqual("ok", self.send(message)["result"])

    def test_to_call_id(self):
        call = self.call()
        self.assert_denied(call, {
            "command": "connect", "call-id": "strange", "from-tag": "p",
            "to-tag": "b", "to-call-id": call.call_id})

    def test_a_second_description(self):
        call = self.call()
        for key in ("SDP", "Sdp"):
            with self.subTest(key):
                message = self.reoffer(call)
                message[key] = message["sdp"]
                self.assert_denied(call, message)


class ForkedChild(Bench):
    """The daemon's XMLRPC child closes every descriptor that it inherited"""

    edge_options = {"options": ("--b2b-url=http://127.0.0.1:9/RPC2",
                                "--timeout=2", "--silent-timeout=600")}

    def test_the_child_leaves_the_sockets_of_a_secured_call_alone(self):
        call = self.call()
        self.assert_secured(call, n=10)
        ng = self.edge.ng()
        self.addCleanup(ng.close)
        for command, to_tag in (("offer", None), ("answer", "q")):
            self.assertEqual("ok", ng.ask(
                command, "idle", from_tag="p", to_tag=to_tag,
                sdp=call.local(call.phones))["result"])
        end = time.monotonic() + 15
        while "idle" in ng.ask("list", limit=100).get("calls", []):
            self.assertLess(time.monotonic(), end, "no timeout")
            call.talk(n=5)
            time.sleep(0.2)
        for _ in range(5):
            call.talk(n=5)
            time.sleep(0.2)
        self.assert_secured(call)


class Floods(Bench):
    """(A15, A32)"""

    def test_a_secured_leg_outlives_garbage_and_empty_datagrams(self):
        call = self.call()
        self.assert_secured(call)
        intruder = Endpoint("127.0.0.66", 14000)
        self.addCleanup(intruder.close)
        at = call.trunk()[0]
        for data in (b"", b"\x80" + b"x" * 40):
            for _ in range(5000):
                intruder.send(data, at)
        self.assert_secured(call)


if __name__ == "__main__":
    unittest.main()
