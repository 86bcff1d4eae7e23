# SPDX-License-Identifier: GPL-2.0-or-later
"""A baresip phone: plays a tone, records what it hears, is driven over its
control port. libre takes whatever source address the kernel picks, so the
phone runs with bindsrc.so, which gives it one.
"""

import glob
import json
import os
import shutil
import socket
import time

import proc
import tone

CONFIG = """\
poll_method\t\tepoll
sip_listen\t\t{address}:{port}
{certificate}
call_max_calls\t\t4
audio_player\t\taubridge,none
audio_source\t\taufile,{tone}
audio_alert\t\taubridge,none
ausrc_srate\t\t8000
auplay_srate\t\t8000
ausrc_channels\t\t1
auplay_channels\t\t1
audio_buffer\t\t20-160
rtp_ports\t\t{rtp_ports}
rtcp_mux\t\tno
jitter_buffer_delay\t1-5
net_interface\t\tlo
dns_server\t\t127.255.0.53:53
module_path\t\t{modules}
module\t\t\tg711.so
module\t\t\tsndfile.so
module\t\t\taufile.so
module\t\t\taubridge.so
{media_modules}
module_tmp\t\tuuid.so
module_tmp\t\taccount.so
module_app\t\tcontact.so
module_app\t\tmenu.so
module_app\t\tctrl_tcp.so
ctrl_tcp_listen\t\t{address}:{control_port}
snd_path\t\t{recordings}
"""

MODULES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
CONTROL_PORT = 4444


class Phone:
    """account: a line of baresip's accounts file."""

    def __init__(self, name, address, port, account, lab, hz, media="srtp",
                 tls_pem=None, ca=None, rtp_ports="20000-20998", seconds=60):
        self.name, self.address, self.account, self.hz = name, address, account, hz
        self.home = os.path.join(lab.etc, name)
        self.recordings = os.path.join(lab.root, "recordings", name)
        shutil.rmtree(self.recordings, ignore_errors=True)
        os.makedirs(self.home, exist_ok=True)
        os.makedirs(self.recordings)
        self.tone_file = os.path.join(self.home, "tone.wav")
        if not os.path.exists(self.tone_file):
            tone.write_wav(self.tone_file, hz, seconds)
        certificate = "\n".join(
            line for line in (tls_pem and f"sip_certificate\t\t{tls_pem}",
                              ca and f"sip_cafile\t\t{ca}") if line)
        # srtp before account, or it falls back to plain RTP without a word
        media_modules = "\n".join(f"module\t\t\t{m}.so" for m in media.split() if m)
        self._write("config", CONFIG.format(
            address=address, port=port, certificate=certificate,
            tone=self.tone_file, rtp_ports=rtp_ports, media_modules=media_modules,
            modules=next(m for m in MODULES if os.path.isdir(m)),
            control_port=CONTROL_PORT, recordings=self.recordings))
        self._write("accounts", account + "\n")
        self._write("contacts", "")
        self.daemon = proc.Daemon(
            name, ["baresip", "-f", self.home, "-4"], lab.run, lab.log,
            env={"BINDSRC": address, "LD_PRELOAD": lab.bindsrc()},
            ready=[("tcp", address, CONTROL_PORT)])
        self._control = None
        self._buffer = b""
        self._ours = False

    def _write(self, name, text):
        with open(os.path.join(self.home, name), "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        self.daemon.start()
        self.daemon.wait_ready()

    def attach(self):
        """Opens the control connection; events are kept from here on."""
        if self._control is None:
            self._control = socket.create_connection((self.address, CONTROL_PORT), 5)
        return self

    def stop(self):
        self.close()
        self.daemon.stop()

    def close(self):
        if self._control:
            self._control.close()
            self._control, self._buffer = None, b""

    def __enter__(self):
        """Attached; started too if it did not run, and then stopped at the end."""
        self._ours = not self.daemon.running()
        if self._ours:
            self.start()
        return self.attach()

    def __exit__(self, *_):
        self.close()
        if self._ours:
            self.stop()

    def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))

    def _next(self, timeout):
        """The next event or answer, or None. Netstrings of JSON."""
        end = time.monotonic() + timeout
        while True:
            length, colon, rest = self._buffer.partition(b":")
            if colon and len(rest) > int(length):
                self._buffer = rest[int(length) + 1:]
                return json.loads(rest[:int(length)])
            self._control.settimeout(max(0.001, end - time.monotonic()))
            try:
                octets = self._control.recv(65536)
            except TimeoutError:
                return None
            if not octets:
                raise ConnectionError(f"{self.name} has ended")
            self._buffer += octets

    def wait_event(self, types, timeout=10.0):
        """The next event of one of the types; None when none came."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            event = self._next(end - time.monotonic())
            if event and event.get("event") and event.get("type") in types:
                return event
        return None

    def wait_registered(self, timeout=10.0):
        """True when the registrar said 200; the reason is in the log if not."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            log = self.daemon.log()
            if " 200 OK () [" in log:
                return True
            if ": reg: " in log or "Register: " in log:
                return False
            time.sleep(0.02)
        return False

    def call(self, uri, timeout=10.0):
        """(True, '') when it was answered, else (False, why)."""
        self.dial(uri)
        return self.was_answered(timeout)

    def dial(self, uri):
        self.command("dial", uri)

    def was_answered(self, timeout=10.0):
        """As call(), of the last dial()."""
        event = self.wait_event(("CALL_ESTABLISHED", "CALL_CLOSED"), timeout)
        if event is None:
            return False, "no answer in time"
        return event["type"] == "CALL_ESTABLISHED", event.get("param", "")

    def hang_up(self):
        self.command("hangup")

    def heard(self, candidates_hz):
        """{hz: seconds} over everything this phone received."""
        heard = dict.fromkeys(candidates_hz, 0.0)
        for path in glob.glob(os.path.join(self.recordings, "*dec.wav")):
            try:
                found = tone.find_in_file(path, candidates_hz)
            except ValueError:
                continue  # nothing was written yet
            for hz, seconds in found.items():
                heard[hz] += seconds
        return heard

    def forget(self):
        """Removes the recordings of earlier calls."""
        for path in glob.glob(os.path.join(self.recordings, "*.wav")):
            os.unlink(path)
