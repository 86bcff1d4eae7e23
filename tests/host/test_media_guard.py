# SPDX-License-Identifier: GPL-2.0-or-later
"""When the plugin does not let the daemon start, and when it is not there."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

import proc
from ngclient import Ng
from rtp import describe
from rtpengine import PLUGIN, SECRET, Rtpengine

WRAPPER = (pathlib.Path(os.environ.get("TG_SOURCE", ".")) / "rtp_plugin" /
           "rtpengine-trunkguard")


class Refusals(unittest.TestCase):
    """(A32, B14)"""

    def assert_refuses(self, *words, options=(), **arguments):
        daemon = Rtpengine(self.id().rsplit(".")[-1], options=options,
                           **arguments)
        code, text = daemon.refusal()
        self.assertEqual(78, code, text)
        self.assertIn("rtpengine is not started", text)
        for word in words:
            self.assertIn(word, text)
        return text

    def test_kernel_table(self):
        self.assert_refuses("table", "kernel", options=("--table=0",))
        self.assert_refuses("table", options=("-t", "3"))

    def test_kernel_table_of_the_file(self):
        daemon = Rtpengine("file-table")
        path = daemon.dir / "rtpengine.conf"
        path.write_text("[rtpengine]\ntable = 0\nlisten-ng = 127.0.0.1:2223\n"
                        "interface = 127.0.0.1\n")
        daemon.command = [daemon.command[0], "-f", "-E",
                          f"--config-file={path}"]
        code, text = daemon.refusal()
        self.assertEqual(78, code, text)
        self.assertIn("table", text)

    def test_section_of_the_file(self):
        daemon = Rtpengine("file-section")
        path = daemon.dir / "rtpengine.conf"
        path.write_text("[rtpengine]\ntable = -1\nlisten-ng = 127.0.0.1:2223\n"
                        "[other]\ntable = 7\nlisten-ng = 127.0.0.1:2223\n")
        daemon.command = [daemon.command[0], "-f", "-E", "--config-file",
                          str(path), "--config-section=other"]
        self.assertEqual(78, daemon.refusal()[0])

    def test_io_uring_and_kernel_slots(self):
        self.assert_refuses("io-uring", options=("--io-uring",))
        self.assert_refuses("kernel-slots", options=("--kernel-slots=4",))

    def test_listeners_that_cannot_be_seen(self):
        for name in ("listen-http", "listen-https", "listen-tcp-ng",
                     "listen-tcp", "listen-udp"):
            with self.subTest(name):
                self.assert_refuses(name,
                                    options=(f"--{name}=127.0.0.1:2999",))
        self.assert_refuses("listen-tcp-ng", options=("-N127.0.0.1:2999",))

    def test_copies_of_ng(self):
        self.assert_refuses("homer-enable-ng", options=(
            "--homer=127.0.0.1:9060", "--homer-enable-ng"))

    def test_ng_beyond_loopback(self):
        self.assert_refuses("ng_allow", ng="0.0.0.0:2223")
        self.assert_refuses("ng_allow", ng="2223")
        self.assert_refuses("ng_allow", ng="192.0.2.1:2223")

    def test_no_ng_at_all(self):
        daemon = Rtpengine("no-ng")
        daemon.command = [w for w in daemon.command
                          if not w.startswith("--listen-ng")]
        self.assertEqual(78, daemon.refusal()[0])

    def test_options_that_log_keys(self):
        for option in ("--debug-srtp", "--log-srtp-keys", "--log-level=7",
                       "--log-level-srtp=8", "-L7"):
            with self.subTest(option):
                self.assert_refuses(options=(option,))

    def test_all_reasons_at_once(self):
        self.assert_refuses("table", "debug-srtp", "listen-http", options=(
            "--table=0", "--debug-srtp", "--listen-http=127.0.0.1:2999"))

    def test_switches_it_does_not_know_hide_nothing(self):
        self.assert_refuses("table", options=("--some-new-switch", "-t", "0"))
        self.assert_refuses("table",
                            options=("--some-new-switch", "--table=0"))

    def test_no_configuration(self):
        self.assert_refuses("cannot be read", env={
            "TRUNKGUARD_RTP_CONF": "/nonexistent/plugin.conf"})

    def test_configuration_errors_with_lines(self):
        self.assert_refuses("plugin.conf:4:", "unknown key",
                            conf={"no_such_key": "1"})
        self.assert_refuses("not a network", conf={"ng_allow": "10.0.0.1/8"})
        self.assert_refuses("secret_file is missing",
                            conf={"secret_file": None})
        self.assert_refuses("need each other", conf={"certificate": "/x"})

    def test_secret_that_everybody_reads(self):
        daemon = Rtpengine("open-secret")
        (daemon.dir / "secret").chmod(0o644)
        code, text = daemon.refusal()
        self.assertEqual(78, code)
        self.assertIn("secret_file", text)

    def test_secret_that_is_short(self):
        daemon = Rtpengine("short-secret")
        (daemon.dir / "secret").write_text("too short\n")
        self.assertEqual(78, daemon.refusal()[0])

    def test_daemon_of_another_version(self):
        daemon = Rtpengine("version")
        fake = daemon.dir / "rtpengine"
        source = daemon.dir / "fake.c"
        source.write_text('#include <stdio.h>\n#include <unistd.h>\n'
                          'int main(int n, char **v) { (void)v;'
                          ' if(n == 3) puts("Version: 99.1.0.0");'
                          ' else puts("SERVES"); return 0; }\n')
        subprocess.run(["gcc", "-o", fake, source], check=True)
        daemon.command[0] = str(fake)
        code, text = daemon.refusal()
        self.assertEqual(78, code, text)
        self.assertIn("99.1.0.0", text)
        daemon.write_conf({"allow": "unknown-version"})
        self.assertEqual(0, daemon.refusal()[0])


class NotThere(unittest.TestCase):
    def test_other_programs_are_left_alone(self):
        """No configuration, yet nothing is refused: it does nothing there"""
        done = subprocess.run(
            ["python3", "-c", "import socket; a, b = socket.socketpair();"
             "a.send(b'x'); print(b.recv(1))"],
            env={**os.environ, "LD_PRELOAD": str(PLUGIN),
                 "TRUNKGUARD_RTP_CONF": "/nonexistent"},
            capture_output=True, text=True)
        self.assertEqual("b'x'\n", done.stdout, done.stderr)
        self.assertEqual("", done.stderr)

    def test_version_and_help_are_left_alone(self):
        daemon = Rtpengine("version-option")
        for option in ("--version", "-v", "--help", "--codecs"):
            done = subprocess.run(
                [daemon.command[0], option, "--config-file=none"],
                capture_output=True,
                env={**daemon.env, "TRUNKGUARD_RTP_CONF": "/nonexistent"})
            self.assertEqual(0, done.returncode, done.stderr)

    def test_exports_nothing_but_what_it_interposes(self):
        out = subprocess.run(["nm", "-D", "--defined-only", PLUGIN],
                             capture_output=True, text=True,
                             check=True).stdout
        names = {line.split()[-1] for line in out.splitlines()}
        self.assertEqual(
            {"bind", "close", "recvmsg", "recvfrom", "recv", "recvmmsg",
             "sendmsg", "sendto", "send", "sendmmsg", "epoll_wait",
             "io_uring_queue_init_params", "redisvCommand"}, names)


class Control(unittest.TestCase):
    """The ng socket of a running daemon (B14)"""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Rtpengine("control", ng="0.0.0.0:2223", conf={
            "ng_allow": "127.0.0.1/32, 127.0.0.64/26"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.ng = Ng(("127.0.0.1", 2223), secret=SECRET)
        self.addCleanup(self.ng.close)

    def test_presence(self):
        reply = self.ng.ask("ping", trunkguard="v1/query")
        self.assertEqual("pong", reply["result"])
        self.assertRegex(reply["trunkguard"], r"^v1/version:\d+\.\d+/")

    def test_plain_ping_shows_nothing(self):
        self.assertEqual({"result": "pong"}, self.ng.ask("ping"))

    def test_senders_that_are_not_listed_get_silence(self):
        for source, heard in (("127.0.0.65", True), ("127.0.0.2", False)):
            ng = Ng(("127.0.0.1", 2223), source)
            ng.socket.settimeout(0.5)
            self.addCleanup(ng.close)
            if heard:
                self.assertEqual({"result": "pong"}, ng.ask("ping"))
            else:
                self.assertRaises(TimeoutError, ng.ask, "ping")
        self.assertRegex(self.daemon.say("metrics"),
                         r"trunkguard_rtp_ng_strangers_total [1-9]")

    def test_requests_that_cannot_be_read(self):
        for body in (b"d7:command4:ping", b"d07:command4:pinge",
                     b"d7:command4:pingextra", b"l4:pinge", b"i1e"):
            reply = self.ng.raw(b"cookie-%d " % hash(body) + body)
            self.assertIn(b"5:error", reply)

    def test_status_says_who_it_is(self):
        text = self.daemon.say("status")
        self.assertRegex(text, r"^plugin version=\S+ daemon=\d+\.\d+\.\S+ "
                         r"engine=\w+")
        self.assertIn("error", self.daemon.say("nonsense"))

    def wakings(self):
        """How often the plugin's own thread went to sleep"""
        tasks = pathlib.Path(f"/proc/{self.daemon.process.pid}/task").iterdir()
        own = [t for t in tasks if (t / "comm").read_text() == "trunkguard\n"]
        self.assertEqual(1, len(own))
        return int(re.search(r"(?m)^voluntary_ctxt_switches:\s*(\d+)",
                             (own[0] / "status").read_text()).group(1))

    def test_without_timers_the_plugin_sleeps(self):
        self.daemon.say("status")
        before = self.wakings()
        time.sleep(1)  # the time in which nothing is to happen
        idle = self.wakings()
        self.assertLess(idle - before, 5)
        self.daemon.say("status")
        proc.wait_until(lambda: self.wakings() > idle,
                        "the thread that answered sleeps again", 5, 0.02)

    def test_no_key_material_in_core_files(self):
        path = f"/proc/{self.daemon.process.pid}/coredump_filter"
        # an undumpable process belongs to root and writes no core
        self.assertEqual(0, os.stat(path).st_uid)


class Twice(unittest.TestCase):
    """A daemon that a mistake starts beside the one that serves"""

    def test_leaves_the_status_socket_of_the_first_one(self):
        cli = {"options": ("--listen-cli=127.0.0.1:9900",)}
        first = Rtpengine("first", **cli).start()
        self.addCleanup(first.stop)
        second = Rtpengine("second", ng="127.0.0.1:2224", conf={
            "status_socket": first.status_path}, **cli)
        code, _ = second.refusal()
        self.assertNotEqual(0, code)
        self.assertRegex(first.say("status"), "^plugin version=")
        ng = first.ng()
        self.addCleanup(ng.close)
        self.assertIn("trunkguard", ng.ask("ping", trunkguard="v1/query"))


class Background(unittest.TestCase):
    """The daemon forks after the plugin was mounted; started by the wrapper"""

    @staticmethod
    def end(pid):
        """Its sockets must be gone before another daemon is asked"""
        stat = pathlib.Path(f"/proc/{pid}/stat")
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        try:
            while time.monotonic() < end and stat.read_text().rsplit(
                    ")", 1)[1].split()[0] != "Z":
                time.sleep(0.02)
        except OSError:
            pass  # gone

    def test_works_in_the_background(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="metrics-"))
        daemon = Rtpengine("background", conf={
            "metrics_file": folder / "prom"})
        pidfile = daemon.dir / "pid"
        daemon.env.pop("LD_PRELOAD")
        daemon.env.update(TRUNKGUARD_RTP_PLUGIN=str(PLUGIN),
                          TRUNKGUARD_RTP_DAEMON=daemon.command[0])
        command = [WRAPPER, *(w for w in daemon.command[1:] if w not in (
            "--foreground", "--log-stderr")), f"--pidfile={pidfile}"]
        subprocess.run(command, env=daemon.env, check=True,
                       stdin=subprocess.DEVNULL)
        ng = daemon.ng()
        self.addCleanup(ng.close)
        ng.wait()
        pid = int(pidfile.read_text())
        self.addCleanup(self.end, pid)
        self.assertIn("trunkguard", ng.ask("ping", trunkguard="v1/query"))
        self.assertRegex(daemon.say("status"), "^plugin version=")
        reply = ng.secured("offer", "bg@test", "to", from_tag="a",
                           sdp=describe("127.0.0.64", [
                               ("audio", 9000, "RTP/AVP", "0", [])]))
        self.assertIn("a=crypto:1 ", reply["sdp"])
        self.assertIn("trunkguard_rtp_calls",
                      (folder / "prom").read_text())


class Wrapper(unittest.TestCase):
    """(B14)"""

    def run_wrapper(self, daemon, **env):
        return subprocess.run(
            [WRAPPER, "--version", "--config-file=none"],
            capture_output=True, text=True,
            env={**os.environ, "TRUNKGUARD_RTP_PLUGIN": str(PLUGIN),
                 "TRUNKGUARD_RTP_DAEMON": str(daemon), **env})

    def copy(self):
        daemon = Rtpengine("wrapper")
        copy = daemon.dir / "rtpengine"
        subprocess.run(["cp", daemon.command[0], copy], check=True)
        return copy

    def test_starts_the_daemon(self):
        done = self.run_wrapper("/usr/bin/rtpengine")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("Version:", done.stdout + done.stderr)

    def test_refuses_file_capabilities(self):
        copy = self.copy()
        subprocess.run(["/sbin/setcap", "cap_net_admin+ep", copy], check=True)
        done = self.run_wrapper(copy)
        self.assertEqual(78, done.returncode)
        self.assertIn("file capabilities", done.stderr)

    def test_refuses_set_uid(self):
        copy = self.copy()
        copy.chmod(0o4755)
        self.assertEqual(78, self.run_wrapper(copy).returncode)

    def test_refuses_without_the_plugin(self):
        done = self.run_wrapper("/usr/bin/rtpengine",
                                TRUNKGUARD_RTP_PLUGIN="/nonexistent.so")
        self.assertEqual(78, done.returncode)


if __name__ == "__main__":
    unittest.main()
