"""A port of a client protocol that offers whatever TLS a test wants, to be scanned."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from OpenSSL import SSL

from blocks.clients.comms.tls_prelude import Speech

GOOD_CIPHERS = "ECDHE+AESGCM+AES256"
GOOD_SUITES = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
STREAM = b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>"
MECHANISMS = b"<mechanisms><mechanism>SCRAM-SHA-256</mechanism></mechanisms>"


@dataclass
class Manners:
    """How the port behaves: which TLS, what it offers before it and under it, and what it says at once after."""

    speech: Speech = Speech.NONE
    tls_first: bool = True
    ciphers: str = GOOD_CIPHERS
    suites: str = GOOD_SUITES
    lowest: int = SSL.TLS1_2_VERSION
    highest: int = SSL.TLS1_3_VERSION
    login_in_clear: bool = False
    login_under_tls: bool = True
    offers_tls: bool = True
    after_start: bytes = b""
    seen: list[bytes] = field(default_factory=list)


@contextmanager
def tls_port(manners: Manners, certificate: Path) -> Iterator[int]:
    """Run the port on 127.0.0.1, with `fullchain.pem` and `privkey.pem` in that directory; yields its number."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(manners.ciphers.encode())
    context.use_certificate_chain_file(str(certificate / "fullchain.pem"))
    context.use_privatekey_file(str(certificate / "privkey.pem"))
    context.set_min_proto_version(manners.lowest)
    context.set_max_proto_version(manners.highest)
    context.set_tls13_ciphersuites(manners.suites.encode())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accepting, args=(listening, manners, context), daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _accepting(listening: socket.socket, manners: Manners, context: SSL.Context) -> None:
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connected, manners, context), daemon=True).start()


def _serve(connected: socket.socket, manners: Manners, context: SSL.Context) -> None:
    with suppress(OSError, SSL.Error), connected:
        if not manners.tls_first and not _in_clear(connected, manners):
            return
        secure = SSL.Connection(context, connected)
        secure.set_accept_state()
        secure.do_handshake()
        if manners.tls_first:
            secure.sendall(_greeting(manners.speech) or b" ")
        while asked := secure.recv(4096):
            secure.sendall(_told(manners, asked, manners.login_under_tls, tls=False))


def _in_clear(connected: socket.socket, manners: Manners) -> bool:
    connected.sendall(_greeting(manners.speech))
    while asked := connected.recv(4096):
        if b"starttls" in asked.lower():
            connected.sendall(_STARTED[manners.speech] + manners.after_start)
            return True
        connected.sendall(_told(manners, asked, manners.login_in_clear, tls=manners.offers_tls))
    return False


_STARTED = {
    Speech.XMPP: b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    Speech.XMPP_SERVER: b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    Speech.IMAP: b"b OK begin\r\n",
    Speech.SMTP: b"220 2.0.0 Ready\r\n",
}


def _greeting(speech: Speech) -> bytes:
    return {Speech.IMAP: b"* OK ready\r\n", Speech.SMTP: b"220 host.test ESMTP\r\n"}.get(speech, b"")


def _told(manners: Manners, asked: bytes, login: bool, *, tls: bool) -> bytes:
    manners.seen.append(asked)
    if manners.speech in (Speech.XMPP, Speech.XMPP_SERVER):
        features = (b"<starttls xmlns='x'/>" if tls else b"") + (MECHANISMS if login else b"")
        return STREAM + b"<stream:features>" + features + b"</stream:features>"
    if manners.speech is Speech.IMAP:
        words = (b" STARTTLS" if tls else b"") + (b" AUTH=SCRAM-SHA-256" if login else b" LOGINDISABLED")
        return b"* CAPABILITY IMAP4rev1" + words + b"\r\na OK done\r\n"
    lines = ([b"STARTTLS"] if tls else []) + ([b"AUTH SCRAM-SHA-256"] if login else []) + [b"8BITMIME"]
    return b"250-host.test\r\n" + b"".join(b"250-%s\r\n" % line for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
