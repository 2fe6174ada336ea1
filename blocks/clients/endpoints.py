"""What is really shown at an endpoint, over TLS from the start or after STARTTLS: the chain, and what it is worth.

The chain is taken without trust, as a stranger would hand it over; then it is judged apart, at a moment that is given.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from blocks.clients.ca.addresses import EndpointAt
from blocks.clients.ca.pem import facts_of
from blocks.clients.comms.tls_hello import STRONG, TLS_1_1, WEAK, client_hello, server_answer
from blocks.clients.comms.tls_prelude import Fault, Line, Speech, start_tls
from blocks.errors import DogovorError, Refused, Transient
from blocks.terms.base import Frozen
from blocks.terms.certificates import LeafFacts

SECONDS = 10.0
_RECORD = 1 << 14
_SPEECH = {
    "xmpp-client": Speech.XMPP,
    "xmpp-server": Speech.XMPP_SERVER,
    "imap": Speech.IMAP,
    "smtp": Speech.SMTP,
}


class Shown(Frozen):
    """What an endpoint shows. `chain` is PEM as it was sent; `length` counts its certificates.

    `distrust` says why the chain leads to no authority that is trusted at that moment, in OpenSSL's words, and is empty
    where it does; that the leaf itself has ended is not said there but by its facts. `ordered` is whether each
    certificate was issued by the next. `covers` is whether the leaf is for the name that was asked for. `key` and
    `signature` are those of the leaf (`EC 256`, `sha256`), `bits` those of the connection's cipher.
    """

    chain: str
    facts: LeafFacts
    length: int
    ordered: bool
    distrust: str
    covers: bool
    key: str
    signature: str
    version: str
    cipher: str
    bits: int


class Seen(Frozen):
    """What became of a proof at one endpoint: the fingerprint shown there (empty: none), and in words what it is."""

    endpoint: str
    name: str
    ok: bool
    fingerprint: str = ""
    detail: str


def asked_name(at: EndpointAt) -> str:
    """The name that is asked for at an endpoint: its own, or the host's."""
    return at.name or at.host


def covered(name: str, names: tuple[str, ...]) -> bool:
    """Whether one of a certificate's names stands for that one; `*` stands for one label."""
    return name in names or f"*.{name.partition('.')[2]}" in names


def is_address(name: str) -> bool:
    """Whether it is an IP address, which nothing is asked by."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def look(at: EndpointAt) -> str:
    """The fingerprint (SHA-256, hex) of what is shown there now. Raises Transient, Refused as `shown`."""
    with _Handshake(at) as secure:
        return facts_of(_pem(secure.chain[:1])).fingerprint


def shown(at: EndpointAt, ca_file: Path | None, *, now: datetime) -> Shown:
    """What is shown at an endpoint, judged by the authorities of `ca_file` (None: the system's) at that moment.

    Raises Transient where nothing answers or no TLS begins, Refused where what is shown cannot be read.
    """
    with _Handshake(at) as secure:
        chain, connection = secure.chain, secure.connection
        text = _pem(chain)
        facts = facts_of(text)
        name = asked_name(at)
        leaf = chain[0]
        return Shown(
            chain=text,
            facts=facts,
            length=len(chain),
            ordered=_ordered(chain),
            distrust=_distrust(chain, ca_file, now=now),
            covers=_addressed(leaf, name) if is_address(name) else covered(name, facts.names),
            key=_key(leaf),
            signature=leaf.signature_hash_algorithm.name if leaf.signature_hash_algorithm else "",
            version=connection.get_protocol_version_name(),
            cipher=connection.get_cipher_name() or "",
            bits=connection.get_cipher_bits() or 0,
        )


def takes_old_tls(at: EndpointAt) -> str:
    """The version below TLS 1.2 and the cipher on which an endpoint agrees, or "" where it declines.

    Raises Transient where nothing answers.
    """
    with _Opened(at) as line:
        line.say(client_hello(TLS_1_1, (*WEAK, *STRONG), asked_name(at)))
        answer = server_answer(line.read)
        return f"{answer.version} {answer.cipher}" if answer is not None else ""


class _Opened:
    """A connection on which TLS comes next. What goes wrong on it is Transient: it may go well the next time."""

    def __init__(self, at: EndpointAt) -> None:
        self._at = at
        self._socket: socket.socket | None = None

    def __enter__(self) -> Line:
        try:
            self._socket = socket.create_connection((self._at.host, self._at.port), timeout=SECONDS)
            line = Line(self._socket, time.monotonic() + SECONDS)
            if (speech := _SPEECH.get(self._at.protocol)) is not None:
                start_tls(line, speech, asked_name(self._at))
        except (OSError, Fault) as error:
            self._close()
            raise Transient(f"{self._at}: {_words(error)}") from None
        return line

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._close()
        if isinstance(error, OSError | SSL.Error | Fault) and not isinstance(error, DogovorError):
            raise Transient(f"{self._at}: {_words(error)}") from None

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class _Handshake(_Opened):
    """A connection under TLS that trusts whoever answers; only what was shown is of interest."""

    class Secure(NamedTuple):
        """The connection, and the chain as it was sent."""

        connection: SSL.Connection
        chain: list[x509.Certificate]

    def __enter__(self) -> Secure:  # type: ignore[override]
        line = super().__enter__()
        try:
            return self._secured(line)
        except BaseException as error:
            self.__exit__(None, error, None)
            raise

    def _secured(self, line: Line) -> Secure:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_NONE)
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        connection = SSL.Connection(context, line.socket)
        if not is_address(name := asked_name(self._at)):
            connection.set_tlsext_host_name(name.encode())
        connection.set_connect_state()
        _handshake(connection, line)
        sent = connection.get_peer_cert_chain(as_cryptography=True) or []
        if not sent:
            raise Refused("certificate", f"{self._at}: it shows no certificate")
        return self.Secure(connection, list(sent))


def _handshake(connection: SSL.Connection, line: Line) -> None:
    line.socket.setblocking(False)
    while True:
        to_read: list[socket.socket] = []
        to_write: list[socket.socket] = []
        try:
            return connection.do_handshake()
        except SSL.WantReadError:
            to_read.append(line.socket)
        except SSL.WantWriteError:
            to_write.append(line.socket)
        if not any(select.select(to_read, to_write, [], max(line.end - time.monotonic(), 0))):
            raise TimeoutError


def _ordered(chain: list[x509.Certificate]) -> bool:
    return all(below.issuer == above.subject for below, above in pairwise(chain))


def _distrust(chain: list[x509.Certificate], ca_file: Path | None, *, now: datetime) -> str:
    """Judged while the leaf is valid where it is not now: its own end is told by its facts, not as a broken chain."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    try:
        if ca_file is None:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(str(ca_file))
    except SSL.Error:
        raise Refused("ca_file", f"{ca_file} holds no authorities to trust") from None
    store = context.get_cert_store()
    if store is None:
        raise Refused("ca_file", "there are no authorities to trust")
    leaf = chain[0]
    store.set_time(min(max(now, leaf.not_valid_before_utc), leaf.not_valid_after_utc))
    given = [crypto.X509.from_cryptography(each) for each in chain]
    try:
        crypto.X509StoreContext(store, given[0], given[1:]).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return ""


def _addressed(leaf: x509.Certificate, address: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return ip_address(address) in names.get_values_for_type(x509.IPAddress)


def _key(leaf: x509.Certificate) -> str:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return f"EC {key.key_size}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def _pem(chain: list[x509.Certificate]) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in chain)


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {SECONDS:g} s"
    if isinstance(error, SSL.Error):
        reasons: list[str] = []
        with suppress(IndexError, TypeError):
            reasons = [str(reason) for *_, reason in error.args[0]]
        return f"TLS: {', '.join(reasons) or 'the connection was ended'}"
    return str(error)
