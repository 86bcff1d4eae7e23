# SPDX-License-Identifier: GPL-2.0-or-later
"""A TLS server in the place of a peer. It counts what it could decrypt and
what ended the handshake; should a SIP request get through, it answers 200,
so that a missing check shows as a call that works.
"""

import contextlib
import socket
import ssl
import threading

import sip


class Impostor:
    """with Impostor(address, port, cert, key, client_ca) as i: ..."""

    def __init__(self, address, port, cert, key, client_ca):
        self.connections = 0
        self.octets = 0       # application data decrypted
        self.alerts = []      # as OpenSSL names them
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._context.load_verify_locations(client_ca)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(16)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self):
        while not self._ended.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            client.settimeout(5)
            with client:
                self._talk(client)

    def _talk(self, client):
        try:
            with self._context.wrap_socket(client, server_side=True) as tls:
                tls.settimeout(0.2)
                while not self._ended.is_set():
                    try:
                        octets = tls.recv(65536)
                    except TimeoutError:
                        continue
                    if not octets:
                        return
                    self.octets += len(octets)
                    tls.sendall(_answer(octets))
        except ssl.SSLError as e:
            self.alerts.append(e.reason or str(e))
        except OSError as e:
            self.alerts.append(f"no alert: {e}")


def _answer(octets):
    request = sip.Message(octets)
    lines = ["SIP/2.0 200 OK"]
    lines += [f"Via: {v}" for v in request.all("via")]
    lines += [f"From: {request.get('from')}", f"To: {request.get('to')};tag=impostor",
              f"Call-ID: {request.get('call-id')}", f"CSeq: {request.get('cseq')}",
              "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
