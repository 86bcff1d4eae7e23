# SPDX-License-Identifier: GPL-2.0-or-later
"""srtp_policy under other scripts and other policies: a script that forgets
or contradicts it, engines, levels, dialects, audit mode, routes.
"""

import os
import re
import subprocess
import unittest

import lab
import proc
import sip
from sdp_ends import (GOOD, ROOT, SOON_SEC, Call, Mode, ScriptLab, answer_with, called,
                      lines, offer, registered, reply, section)


# ---- scripts -------------------------------------------------------------------


def media_route(text, request, reply_route):
    """The script with other calls of rtpengine"""
    start = text.index("\trtpengine_manage(\"$srtpp(flags)")
    end = text.index(";\n", start) + 2
    return (text[:start] + "\tif(is_request()) {\n" + request + "\n\t} else {\n"
            + reply_route + "\n\t}\n" + text[end:])


FULL = 'rtpengine_manage("$srtpp(flags) replace-origin replace-session-connection");'


class AScriptThatForgetsRtpengine(Mode):
    """(A5, A32)"""

    @staticmethod
    def script_edit(text):
        return media_route(text, "xlog(\"no media\\n\");", "xlog(\"no media\\n\");")

    def test_nothing_leaves(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertGreaterEqual(call.answer.status, 400)
            self.assertLess(call.took, SOON_SEC)
            self.assertEqual(far.got, [])
        self.refused_because("media-unproven")


class AScriptThatForgetsTheFlags(AScriptThatForgetsRtpengine):
    @staticmethod
    def script_edit(text):
        plain = 'rtpengine_manage("RTP/AVP replace-origin");'
        return media_route(text, plain, plain)


class AScriptThatSecuresByItself(AScriptThatForgetsRtpengine):
    """SRTP, but not the plugin's: no replay window, no proof"""

    @staticmethod
    def script_edit(text):
        native = 'rtpengine_manage("RTP/SAVP DTLS=off replace-origin");'
        return media_route(text, native, native)


class AScriptInPython(Mode):
    """The KEMI functions beside the native script: check() and flags()"""

    PYTHON = """
import KSR

def mod_init():
    return Media()

class Media:
    def child_init(self, rank):
        return 0

    def judge(self, msg, unused=None):
        return KSR.srtp_policy.check()

    def media(self, msg, unused=None):
        if KSR.srtp_policy.flags("$var(flags)") < 0:
            return -1
        if KSR.pv.get("$var(flags)") != KSR.pv.get("$srtpp(flags)"):
            return -1
        return KSR.rtpengine.rtpengine_manage(
            KSR.pv.get("$var(flags)") + " replace-origin replace-session-connection")
"""

    @classmethod
    def script_edit(cls, text):
        path = ROOT + "-media.py"
        with open(path, "w", encoding="ascii") as f:
            f.write(cls.PYTHON)
        text = media_route(text, 'python_exec("media");', 'python_exec("media");')
        return text.replace("\troute(NEXT_HOP);\n", """\
	if(is_method("INVITE") && !python_exec("judge")) {
		exit;
	}
	route(NEXT_HOP);
""").replace('loadmodule "srtp_policy.so"\n', 'loadmodule "srtp_policy.so"\n'
             'loadmodule "app_python3.so"\n'
             f'modparam("app_python3", "load", "{path}")\n')

    def test_calls_are_secured(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            self.assertEqual(call.ack().bye().status, 200)
        self.assert_no_media()


class AScriptThatForgetsTheAnswer(Mode):
    """(A5)"""

    @staticmethod
    def script_edit(text):
        return media_route(text, FULL, "xlog(\"no media\\n\");")

    def test_the_call_fails_and_the_gateway_is_told(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertGreaterEqual(call.answer.status, 400)
            self.assertLess(call.took, SOON_SEC)
            self.assertEqual(call.answer.body, b"")
            far.wait("ACK")
            far.wait("BYE")
        self.refused_because("media-unproven")
        self.grew("calls_ended")
        self.assert_no_media()


class AStockMediaNode(AScriptThatForgetsRtpengine):
    """(B14)"""

    script_edit = None
    plugin = False


# ---- policies --------------------------------------------------------------------


class NativeTrunk(Mode):
    """(A5)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "media trunk", engine="native")

    def test_calls_are_secured_by_rtpengine_itself(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer(suites=("AES_CM_128_HMAC_SHA1_32", GOOD)))
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertEqual(self.LAB.secured_streams(), [])
            call.ack().bye()

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 488)
            far.wait("BYE")
        self.refused_because("media-clear")


class SupportedTrunk(Mode):
    """Optional SRTP toward the gateway, RFC 8643 (A13, A16, A17, B7, B10)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "media trunk", level="supported")

    def test_a_gateway_that_can(self):
        def answer(request):
            body = sip.sdp(lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP")
            return reply(request, body=body)

        with self.gateway(answer) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            offered = far.wait("INVITE").body
            self.assertIn(" RTP/AVP ", lines(offered, "m=audio")[0])
            self.assertEqual(len(lines(offered, "a=crypto")), 1)
            self.assert_secured(call.answer)
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            call.ack().bye()
        self.grew("lines_secured", 2)

    def test_a_gateway_that_cannot_is_counted(self):
        with self.gateway(answer_with(secured=False)):
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(call.answer)
            call.ack().bye()
        self.grew("clear_under_supported")


    def test_what_was_agreed_is_not_taken_back(self):
        """A re-INVITE whose answer falls to clear: 481 ends the call"""
        def secured(request):
            body = sip.sdp(lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP")
            return reply(request, body=body)

        with self.gateway(secured) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            call.ack()
            self.assertEqual(call.again(offer()).status, 200)
            far.answer = answer_with(secured=False)
            self.assertEqual(call.again(offer()).status, 481)
            far.wait("BYE")
        self.refused_because("media-downgrade")

    def test_a_call_is_forgotten_with_its_bye(self):
        def remembered():
            return int(re.search(r"sides_remembered: (\d+)",
                                 self.LAB.rpc("srtp_policy.status")).group(1))

        before = remembered()
        with self.gateway(lambda r: reply(r, body=sip.sdp(
                lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP"))):
            call = Call(self.client, offer())
            self.assertEqual(remembered(), before + 1)
            with self.LAB.connect(lab.MEDIATION1, "mediation1") as stranger:
                bye = call.ack().made("BYE", cseq=7)
                stranger.send(bye.replace(lab.CLIENT.encode(), lab.MEDIATION1.encode()))
                self.assertEqual(stranger.final().status, 481)
            self.assertEqual(remembered(), before + 1)
            self.assertEqual(call.bye().status, 200)
        self.assertEqual(remembered(), before)


class SupportedNativeTrunk(SupportedTrunk):
    @staticmethod
    def policy_edit(text):
        return section(text, "media trunk", level="supported", engine="native")

    def test_a_gateway_that_can(self):
        def answer(request):
            body = sip.sdp(lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP")
            return reply(request, body=body)

        with self.gateway(answer) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            offered = far.wait("INVITE").body
            self.assertIn(" RTP/AVP ", lines(offered, "m=audio")[0])
            self.assertEqual(len(lines(offered, "a=crypto")), 1)
            self.assert_secured(call.answer)
            call.ack().bye()


class ClearTrunk(Mode):
    """media none over TLS: keys stay on the client's side (A12, A16)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "peer gateway1", media="clear")

    def test_the_clients_leg_is_secured_the_other_is_not(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            self.assert_clear(far.wait("INVITE"))
            self.assert_secured(call.answer)
            call.ack().bye()


class Audit(Mode):
    """(B11)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "policy", mode="audit")

    def test_clear_offers_pass_and_are_counted(self):
        with self.gateway(answer_with()):
            call = Call(self.client, offer(secured=False))
            self.assertEqual(call.answer.status, 200)
            call.ack().bye()
        self.grew("audited")


class DtlsClients(Mode):
    """Clients with DTLS-SRTP by rtpengine itself (A5)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "media client", key_exchange="dtls")

    def test_an_offer_with_a_fingerprint_is_answered_with_one(self):
        print_ = ":".join(["AB"] * 32).encode()
        body = (sip.sdp(lab.CLIENT, 20900, secured=False)
                .replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVP")
                + b"a=setup:actpass\r\na=fingerprint:sha-256 " + print_ + b"\r\n")
        with self.gateway(answer_with()) as far:
            call = Call(self.client, body)
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assertIn(" UDP/TLS/RTP/SAVP ", lines(call.answer.body, "m=audio")[0])
            self.assertEqual(lines(call.answer.body, "a=crypto"), [])
            self.assertEqual(len(lines(call.answer.body, "a=fingerprint")), 1)
            call.ack().bye()

    def test_keys_in_the_description_are_refused(self):
        with self.gateway(answer_with()):
            self.assertEqual(Call(self.client, offer()).answer.status, 488)
        self.refused_because("media-keying")


class TwoTrunks(Mode):
    """mediation1 calls gateway1: both legs are the plugin's (A14)"""

    def setUp(self):
        super().setUp()
        self.peer = self.LAB.connect(lab.MEDIATION1, "mediation1")
        self.addCleanup(self.peer.close)

    def test_both_legs_are_secured(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.peer, sip.sdp(lab.MEDIATION1, 20900))
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assert_secured(call.answer)
            self.assertEqual(len(self.LAB.secured_streams()), 2)
            call.ack().bye()
        self.assert_no_media()

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.peer, sip.sdp(lab.MEDIATION1, 20900))
            self.assertEqual(call.answer.status, 488)
            far.wait("BYE")
        self.assert_no_media()


class TwoTrunksThatDiffer(TwoTrunks):
    """DTLS-SRTP toward the one, SDES toward the other (A14)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "peer mediation1", media="trunk-dtls")

    def dtls_offer(self):
        print_ = ":".join(["AB"] * 32).encode()
        return (sip.sdp(lab.MEDIATION1, 20900, secured=False)
                .replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVP")
                + b"a=setup:actpass\r\na=fingerprint:sha-256 " + print_ + b"\r\n")

    def test_both_legs_are_secured(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.peer, self.dtls_offer())
            self.assertEqual(call.answer.status, 200)
            self.assert_secured(far.wait("INVITE"))
            self.assertEqual(lines(far.wait("INVITE").body, "a=fingerprint"), [])
            self.assertEqual(len(lines(call.answer.body, "a=fingerprint")), 1)
            self.assertEqual(lines(call.answer.body, "a=crypto"), [])
            self.assertEqual(lines(call.answer.body, "a=x-trunkguard"), [])
            self.assertEqual({(s["peer"], s["keying"]) for s in self.LAB.secured_streams()},
                             {("mediation1", "dtls"), ("gateway1", "sdes")})
            call.ack().bye()
        self.assert_no_media()

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.peer, self.dtls_offer())
            self.assertEqual(call.answer.status, 488)
            far.wait("BYE")
        self.assert_no_media()

    def test_sdes_of_the_dtls_side_is_refused(self):
        """... though it is what the other leg has"""
        with self.gateway(answer_with()) as far:
            call = Call(self.peer, sip.sdp(lab.MEDIATION1, 20900))
            self.assertEqual(call.answer.status, 488)
            self.assertEqual(far.requests("INVITE"), [])
        self.refused_because("media-keying")


class ATrunkThatMaySpeakClear(TwoTrunks):
    """SDES under level = supported on the one leg, DTLS required on the
    other: that one leg is in clear takes nothing from the other (A14, A17)"""

    @staticmethod
    def policy_edit(text):
        text = section(text, "media trunk", level="supported")
        return section(text, "peer gateway1", media="trunk-dtls")

    @staticmethod
    def dtls_answer(request):
        print_ = ":".join(["AB"] * 32).encode()
        body = (sip.sdp(lab.GATEWAY1, 40000, secured=False)
                .replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVP")
                + b"a=setup:passive\r\na=fingerprint:sha-256 " + print_ + b"\r\n")
        return reply(request, body=body)

    def through(self, body):
        """The answer to mediation1, after gateway1 took a DTLS offer"""
        with self.gateway(self.dtls_answer) as far:
            call = Call(self.peer, body)
            self.assertEqual(call.answer.status, 200)
            offered = far.wait("INVITE").body
            self.assertIn(" UDP/TLS/RTP/SAVP ", lines(offered, "m=audio")[0])
            self.assertEqual(len(lines(offered, "a=fingerprint")), 1)
            self.assertNotIn(b"crypto", offered)
            streams = {(s["peer"], s["keying"], s["state"] == "clear")
                       for s in self.LAB.secured_streams()}
            call.ack().bye()
        self.assert_no_media()
        return call.answer, streams

    def test_both_legs_are_secured(self):
        body = sip.sdp(lab.MEDIATION1, 20900).replace(b"RTP/SAVP", b"RTP/AVP")
        answer, streams = self.through(body)
        self.assertEqual(len(lines(answer.body, "a=crypto:")), 1)
        self.assertEqual(lines(answer.body, "a=fingerprint"), [])
        self.assertEqual(streams, {("mediation1", "sdes", False),
                                   ("gateway1", "dtls", False)})

    def test_one_leg_in_clear(self):
        answer, streams = self.through(
            sip.sdp(lab.MEDIATION1, 20900, secured=False))
        self.assert_clear(answer)
        self.assertIn(("gateway1", "dtls", False), streams)
        self.grew("clear_under_supported")

    def test_a_clear_answer_is_refused(self):
        with self.gateway(answer_with(secured=False)) as far:
            call = Call(self.peer, sip.sdp(lab.MEDIATION1, 20900, secured=False))
            self.assertEqual(call.answer.status, 488)
            far.wait("BYE")
        self.assert_no_media()


class MicrosoftTrunk(Mode):
    """Optional SRTP as MS-SDPEXT has it: an accepting answer is RTP/SAVP
    (B7)"""

    @staticmethod
    def policy_edit(text):
        return section(text, "media trunk", level="supported", dialect="ms-sdpext")

    def test_a_gateway_that_accepts(self):
        with self.gateway(answer_with()) as far:
            call = Call(self.client, offer())
            self.assertEqual(call.answer.status, 200)
            offered = far.wait("INVITE").body
            self.assertIn(" RTP/AVP ", lines(offered, "m=audio")[0])
            self.assertEqual(len(lines(offered, "a=crypto")), 1)
            self.assert_secured(call.answer)
            self.assertEqual(len(self.LAB.secured_streams()), 1)
            call.ack().bye()

    def test_a_gateway_that_offers(self):
        """... and gets RTP/SAVP"""
        with self.LAB.connect(lab.GATEWAY1, "gateway1") as gateway:
            registered(self.client)
            body = sip.sdp(lab.GATEWAY1, 40000).replace(b"RTP/SAVP", b"RTP/AVP")
            call = called(gateway, self.client, body, offer())
            self.assertEqual(call.status, 200)
            self.assert_secured(call)


class CallsToAClient(Mode):
    """(A5)"""

    def setUp(self):
        super().setUp()
        registered(self.client)
        self.peer = self.LAB.connect(lab.GATEWAY1, "gateway1")
        self.addCleanup(self.peer.close)

    def test_the_client_gets_its_suites_and_no_proof(self):
        answer = called(self.peer, self.client,
                        sip.sdp(lab.GATEWAY1, 40000, suites=("AES_256_CM_HMAC_SHA1_80",
                                                             GOOD)), offer())
        self.assertEqual(answer.status, 200)
        self.assert_secured(answer)
        self.assert_secured(answer.request)
        self.assertEqual(len(self.LAB.secured_streams()), 1)

    def test_a_clear_answer_of_the_client_is_refused(self):
        answer = called(self.peer, self.client, sip.sdp(lab.GATEWAY1, 40000),
                        offer(secured=False))
        self.assertEqual(answer.status, 488)
        self.assertEqual(self.client.receive(2).method, "ACK")
        self.assertEqual(self.client.receive(2).method, "BYE")
        self.assert_no_media()

    def test_a_clear_offer_of_the_gateway_is_refused(self):
        answer = self.peer.request("INVITE", "sip:alice@lab.test", domain="gw1.lab.test",
                                   body=sip.sdp(lab.GATEWAY1, 40000, secured=False))
        self.assertEqual(answer.status, 488)
        self.assertIn("media-clear", answer.get("warning"))


class Kept(Mode):
    """Nothing is left behind by what is refused"""

    def test_transactions_end(self):
        with self.gateway(answer_with(secured=False)):
            for _ in range(20):
                self.assertEqual(Call(self.client, offer()).answer.status, 488)
        with self.gateway(answer_with()):
            call = Call(self.client, offer()).ack()
            for _ in range(20):
                self.assertEqual(call.again(offer(secured=False)).status, 488)
            self.assertEqual(call.bye().status, 200)

        def current():
            return int(re.search(r"current: (\d+)", self.LAB.rpc("tm.stats")).group(1))
        proc.wait_until(lambda: current() == 0, "tm holds no transaction", 40, 0.5)


# ---- start -------------------------------------------------------------------------


class Start(unittest.TestCase):
    """Does the edge refuse to run, and say why?"""

    def prepared(self, script_edit=None):
        a_lab = ScriptLab(ROOT + "-start", script_edit=script_edit)
        a_lab.prepare()
        return a_lab

    def refuses(self, a_lab, why):
        done = subprocess.run(
            ["kamailio", "-DD", "-E", "-x", "fm", "-Y", a_lab.run, "-w", a_lab.run,
             "-f", os.path.join(a_lab.etc, "kamailio.cfg")],
            capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(why, done.stdout + done.stderr)

    def test_a_secret_that_others_can_read(self):
        a_lab = self.prepared()
        path = os.path.join(a_lab.etc, "ng.secret")
        os.chmod(path, 0o644)
        self.addCleanup(os.chmod, path, 0o600)
        self.refuses(a_lab, "readable by its owner and group alone")

    def test_a_short_secret(self):
        a_lab = self.prepared()
        path = os.path.join(a_lab.etc, "ng.secret")
        os.unlink(path)
        a_lab.write("ng.secret", "short\n", 0o600)
        self.addCleanup(os.unlink, path)
        self.refuses(a_lab, "less than 32 octets")

    def test_no_secret(self):
        self.refuses(self.prepared(lambda text: re.sub(
            r'modparam\("srtp_policy", "secret_file".*\n', "", text)),
            "secret_file is missing")

    def test_an_unknown_value(self):
        self.refuses(self.prepared(lambda text: text.replace(
            "$srtpp(flags)", "$srtpp(flag)")), "$srtpp(flag) does not exist")


if __name__ == "__main__":
    unittest.main()
