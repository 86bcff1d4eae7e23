# SPDX-License-Identifier: GPL-2.0-or-later
"""What others rely on when they attach to the lab: up and down, folders, and
the tools that make the claims of the rows (captures, tones, windows).

The edge runs without our modules here: this is about the lab alone.
"""

import os
import socket
import struct
import subprocess
import sys
import unittest

import lab
import proc
import sip
import tone
import wire

ROOT = os.path.join(os.environ["TG_LOG_DIR"], "lab")
BARE = {"tls_policy": False, "plugin": False}


def pids(a_lab):
    return {name: daemon.pid() for name, daemon in a_lab.daemons.items()}


class UpAndDown(unittest.TestCase):
    def setUp(self):
        self.lab = lab.Lab(ROOT, **BARE)
        self.addCleanup(self.lab.down)

    def test_up_starts_everything_and_down_ends_it(self):
        self.lab.up()
        running = pids(self.lab)
        self.assertNotIn(None, running.values())
        for folder in ("pki", "run", "log", "etc"):
            self.assertTrue(os.listdir(os.path.join(ROOT, folder)), folder)
        self.assertTrue(os.path.exists(self.lab.control_socket()))
        self.assertEqual(sorted(self.lab.down()), sorted(running))
        for pid in running.values():
            self.assertIsNone(proc.start_time(pid))
        self.assertTrue(proc.free("tcp", lab.EDGE, 5061))

    def test_up_again_leaves_what_runs_alone(self):
        before = pids(self.lab.up())
        other = lab.Lab(ROOT, **BARE)
        self.assertEqual(pids(other.up()), before)

    def test_up_again_starts_what_is_missing(self):
        before = pids(self.lab.up())
        self.lab.daemons["rtpengine"].stop()
        after = pids(lab.Lab(ROOT, **BARE).up())
        self.assertNotEqual(after.pop("rtpengine"), before.pop("rtpengine"))
        self.assertEqual(after, before)

    def test_down_of_another_process_ends_what_up_started(self):
        self.lab.up()
        self.assertEqual(len(lab.Lab(ROOT, **BARE).down()), len(self.lab.daemons))
        self.assertEqual(lab.Lab(ROOT, **BARE).down(), [])

    def test_a_taken_port_is_named_and_nothing_stays(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((lab.EDGE, 5060))
            with self.assertRaisesRegex(proc.ProcError, r"udp 127\.0\.0\.1:5060 \(kamailio\)"):
                self.lab.up()
        self.assertEqual([d for d in self.lab.daemons.values() if d.running()], [])

    def test_a_pid_of_another_process_is_left_alone(self):
        self.lab.prepare()
        with open(os.path.join(self.lab.run, "kamailio.pid"), "w", encoding="ascii") as f:
            f.write(f"{os.getpid()}\n")
        with open(os.path.join(self.lab.run, "kamailio.start"), "w", encoding="ascii") as f:
            f.write("1\n")
        self.assertEqual(self.lab.down(), [])

    def test_edge_answers_options_over_each_transport_without_modules(self):
        self.lab.up()
        for transport in ("udp", "tcp", "tls"):
            with self.lab.client(transport=transport) as c:
                answer = c.request("OPTIONS", f"sip:{lab.EDGE_NAME}")
                self.assertEqual(answer.status, 200, transport)

    def test_clear_media_shows_in_the_capture(self):
        """The wire row of the call must see clear text where there is some."""
        import lab_rows  # pylint: disable=import-outside-toplevel
        clear = lab.Lab(ROOT, **BARE, trunk_media="RTP/AVP")
        self.addCleanup(clear.down)
        clear.up()
        ok, seen = lab_rows.by_name("call").play(clear)
        self.assertFalse(ok, seen)
        self.assertRegex(seen, r"tone for [3-9]\.\d s at the client, [3-9]")
        self.assertNotRegex(seen, r", 0 in clear; 4\d\d at the client")


class Files(unittest.TestCase):
    def bytecode_of(self, name, *argv):
        """Whether Python would have written some beside the sources."""
        folder = os.path.join(os.environ["TG_LOG_DIR"], name)
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        subprocess.run([sys.executable, *argv], check=False, stderr=subprocess.DEVNULL,
                       env={**env, "PYTHONPYCACHEPREFIX": folder})
        return os.path.exists(os.path.abspath(folder) + lab.SOURCE)

    def test_the_command_leaves_no_bytecode_beside_its_sources(self):
        command = os.path.join(lab.SOURCE, "tests", "lab", "lab")
        self.assertFalse(self.bytecode_of("command", command, "no-such-word"))
        self.assertTrue(self.bytecode_of("control", "-c", "import lab"))


class Captures(unittest.TestCase):
    def test_everything_sent_before_the_end_is_in_the_file(self):
        with wire.Capture(os.path.join(os.environ["TG_LOG_DIR"], "burst.pcap")) as c:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for i in range(500):
                    s.sendto(b"burst %d" % i, ("127.0.0.5", 1234))
        seen = [p.payload for p in c.select("udp", b="127.0.0.5", a="127.0.0.1")]
        self.assertEqual(seen, [b"burst %d" % i for i in range(500)])

    def test_a_capture_that_cannot_be_made_is_an_error(self):
        path = os.path.join(os.environ["TG_LOG_DIR"], "none.pcap")
        with self.assertRaises(wire.CaptureError):
            with wire.Capture(path, "no-such-device"):
                pass

    def test_clear_frame_inside_another_packet_is_found(self):
        def rtp(body):
            return wire.Rtp(struct.pack(">BBHII", 128, 0, 1, 2, 3) + body)
        frame = bytes((7 * i) % 251 for i in range(160))
        noise = bytes((11 * i * i) % 256 for i in range(170))
        self.assertEqual(wire.clear_matches([rtp(b"x" * 3 + frame[:90])], [rtp(frame)]), 1)
        self.assertEqual(wire.clear_matches([rtp(noise)], [rtp(frame)]), 0)


class Tones(unittest.TestCase):
    def test_a_tone_is_told_from_another_and_from_silence(self):
        path = os.path.join(os.environ["TG_LOG_DIR"], "tone.wav")
        tone.write_wav(path, 440, 1.0)
        self.assertEqual(tone.find_in_file(path, [440, 1000]), {440: 1.0, 1000: 0.0})
        tone.write_wav(path, 440, 1.0, amplitude=0.0)
        self.assertEqual(tone.find_in_file(path, [440]), {440: 0.0})


class SourceAddress(unittest.TestCase):
    def test_a_connection_comes_from_the_address_it_was_given(self):
        with socket.create_server((lab.EDGE, 5099)) as server:
            with sip.Connection("tcp", (lab.EDGE, 5099), lab.CLIENT):
                _, (address, _) = server.accept()
        self.assertEqual(address, lab.CLIENT)


if __name__ == "__main__":
    unittest.main()
