# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` puts below DESTDIR works from there, and `make uninstall`
takes all of it away. The packages are made of the same (tests/packages).
"""

import glob
import os
import stat
import subprocess
import tempfile
import unittest

SOURCE = os.environ["TG_SOURCE"]
BUILD = os.path.relpath(os.environ["TG_BUILD"], SOURCE)


def make(*words):
    done = subprocess.run(["make", "-s", "--no-print-directory", f"B={BUILD}", *words],
                          cwd=SOURCE, capture_output=True, text=True, timeout=300,
                          check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


def run(*argv, **env):
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False,
                          env={**os.environ, **env}, stdin=subprocess.DEVNULL)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        cls.addClassCleanup(cls._folder.cleanup)
        cls.root = os.path.join(cls._folder.name, "root")
        make("install", f"DESTDIR={cls.root}", "PREFIX=/opt/tg")
        cls.prefix = os.path.join(cls.root, "opt/tg")

    def one(self, pattern):
        found = glob.glob(os.path.join(self.prefix, pattern))
        self.assertEqual(len(found), 1, pattern)
        return found[0]

    def mode(self, pattern):
        return stat.S_IMODE(os.stat(self.one(pattern)).st_mode)

    def test_programs_can_be_run_and_nothing_else(self):
        for name in ("tgctl", "rtpengine-trunkguard"):
            self.assertEqual(self.mode(f"bin/{name}"), 0o755, name)
            self.assertEqual(self.mode(f"share/man/man1/{name}.1"), 0o644, name)
        self.assertEqual(self.mode("lib/*/rtpengine-trunkguard/rtpengine_srtp.so"), 0o644)

    def test_kamailio_loads_the_installed_modules(self):
        ours = os.path.dirname(self.one("lib/*/kamailio/modules/tls_policy.so"))
        stock = glob.glob("/usr/lib/*/kamailio/modules")[0]
        config = os.path.join(self.root, "kamailio.cfg")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'mpath="{stock}:{ours}"\n' + "".join(
                f'loadmodule "{name}.so"\n' for name in (
                    "tm", "sl", "rr", "pv", "tls", "tls_policy", "srtp_policy"))
                    + "request_route { exit; }\n")
        done = run("kamailio", "-c", "-f", config)
        os.unlink(config)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_wrapper_finds_the_installed_plugin(self):
        done = run(self.one("bin/rtpengine-trunkguard"), "--foreground", "--log-stderr",
                   "--table=-1", "--interface=127.0.0.1", "--listen-ng=127.0.0.1:2223",
                   TRUNKGUARD_RTP_CONF="/nowhere/rtp_plugin.conf")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("/nowhere/rtp_plugin.conf", done.stderr)  # the plugin's own words

    def test_tgctl_reads_the_example(self):
        done = run(self.one("bin/tgctl"), "matrix",
                   self.one("share/doc/trunkguard/examples/policy.cfg"))
        self.assertIn("warning: signalling to this gateway is in clear", done.stderr)

    def test_uninstall_leaves_nothing(self):
        other = os.path.join(self.root, "again")
        make("install", f"DESTDIR={other}")
        self.assertTrue(glob.glob(f"{other}/usr/bin/tgctl"))
        make("uninstall", f"DESTDIR={other}")
        left = [os.path.join(folder, f) for folder, _, files in os.walk(other) for f in files]
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
