"""The scan of a complex: every port that clients reach, what TLS it agrees on, and where it would take a password."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.tls_hello import (
    STRONG,
    TLS_1_1,
    TLS_1_2,
    TLS_1_3,
    WEAK,
    WEAK_1_3,
    Answer,
    client_hello,
    server_answer,
)
from blocks.clients.comms.tls_prelude import Fault, Line, Speech, login_offered, start_tls
from blocks.errors import Transient
from blocks.terms.base import Frozen, Verdict
from blocks.terms.ks_complex import LoginFacts, Proof, ProofKind, SecurityFacts, connection_is_secure, login_is_secure

FEWEST_DAYS = 7
_SECONDS, _DETAIL = 15.0, 300
_AT_ONCE = 12
_ELSEWHERE = "127.0.0.2"
_WANTED = ((ssl.TLSVersion.TLSv1_3, "TLS 1.3"), (ssl.TLSVersion.TLSv1_2, "TLS 1.2 with 256 bits"))
_UNWANTED = ((TLS_1_3, WEAK_1_3), (TLS_1_2, WEAK), (TLS_1_1, (*WEAK, *STRONG)))
_GOOD_1_2 = "AES256:CHACHA20:!aNULL:!eNULL:!PSK:!SRP"


class Endpoint(NamedTuple):
    """A port of a complex: what is spoken on it, whether TLS comes first, the name its certificate must bear."""

    title: str
    address: str
    port: int
    speech: Speech
    tls_first: bool
    certified: str
    takes_logins: bool = True


class PortScan(Frozen):
    """What a port offers: the connections it agreed on, when its certificate ends, and what must not be so."""

    title: str
    address: str
    port: int
    answers: bool
    agreed: tuple[str, ...] = ()
    certificate_ends: datetime | None = None
    faults: tuple[str, ...] = ()


class TlsScan:
    """The scan of one complex. `clock` gives the moment by which certificates must last."""

    def __init__(self, at: ComplexAt, clock: Callable[[], datetime]) -> None:
        self._at = at
        self._clock = clock

    def __call__(self, domain: str) -> Proof:
        """The proof that everything offered may be (KS-2.6, KS-2.7). Raises Transient where not one port answers."""
        ports = self.ports(domain)
        if not any(port.answers for port in ports):
            raise Transient(f"no port of {self._at.name} answers")
        faults = [f"{port.title} {port.port}: {fault}" for port in ports for fault in port.faults]
        detail = "; ".join(faults) or f"{len(ports)} ports: TLS 1.2 and 1.3 with 256 bits alone, no login in clear"
        facts = {f"{port.title} {port.address}:{port.port}": ", ".join(port.agreed) for port in ports}
        return Proof(contact="", kind=ProofKind.TLS, ok=not faults, detail=detail[:_DETAIL], facts=facts)

    def ports(self, domain: str) -> list[PortScan]:
        """Every port at every address of the complex, as a client of that domain meets it."""
        found = [each for address in self._at.addresses for each in endpoints(self._at, address, domain)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(partial(scan_port, ca_file=self._at.ca_file, now=self._clock()), found))


def endpoints(at: ComplexAt, address: str, domain: str) -> list[Endpoint]:
    """The ports of a complex at one address, and by which names a client of `domain` knows them."""
    xmpp, mail, sip = at.xmpp, at.mail, at.sip
    return [
        Endpoint("xmpp", address, xmpp.port, Speech.XMPP, tls_first=False, certified=domain),
        Endpoint("xmpps", address, xmpp.tls_port, Speech.XMPP, tls_first=True, certified=domain),
        Endpoint("upload", address, xmpp.upload_port, Speech.NONE, tls_first=True, certified=f"upload.{domain}"),
        Endpoint("imap", address, mail.imap_port, Speech.IMAP, tls_first=False, certified=at.host),
        Endpoint("imaps", address, mail.imaps_port, Speech.IMAP, tls_first=True, certified=at.host),
        Endpoint("submission", address, mail.submission_port, Speech.SMTP, tls_first=False, certified=at.host),
        Endpoint("submissions", address, mail.submissions_port, Speech.SMTP, tls_first=True, certified=at.host),
        Endpoint("smtp", address, mail.smtp_port, Speech.SMTP, False, at.host, takes_logins=False),
        Endpoint("sips", address, sip.tls_port, Speech.NONE, tls_first=True, certified=domain),
    ]


def scan_port(endpoint: Endpoint, *, ca_file: os.PathLike[str] | None, now: datetime) -> PortScan:
    """Offer a port what it must take, then what it must decline. A port that does not answer is at fault."""
    seen = _Seen(endpoint, now)
    for version, title in _WANTED:
        with seen.looking(f"no {title}: "):
            seen.connect(_context(version, ca_file))
        if not seen.answers:
            break
    else:
        for offered, suites in _UNWANTED:
            with seen.looking(""):
                seen.offer(offered, suites)
    return PortScan(
        title=endpoint.title,
        address=endpoint.address,
        port=endpoint.port,
        answers=seen.answers,
        agreed=tuple(seen.agreed),
        certificate_ends=seen.ends,
        faults=tuple(dict.fromkeys(seen.faults)),
    )


class _Seen:
    """What was seen of one port so far."""

    def __init__(self, endpoint: Endpoint, now: datetime) -> None:
        self.endpoint, self.now = endpoint, now
        self.answers = False
        self.agreed: list[str] = []
        self.faults: list[str] = []
        self.ends: datetime | None = None

    @contextmanager
    def looking(self, what: str) -> Iterator[None]:
        """Turn what goes wrong into a fault."""
        try:
            yield
        except Fault as fault:
            self.faults.append(f"{what}{fault}")
        except ssl.SSLCertVerificationError as error:
            self.faults.append(f"{what}certificate: {error.verify_message}")
        except TimeoutError:
            self.faults.append(f"{what}no answer in {_SECONDS:g} s")
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
            self.faults.append(f"{what}{reason}")

    def connect(self, context: ssl.SSLContext) -> None:
        """Connect as a good client does."""
        with self._line() as (line, in_clear), line.secured(context, self.endpoint.certified) as secure:
            cipher, version, bits = secure.cipher() or ("", "", 0)
            self._judge(Answer(version, cipher, bits))
            self._certificate(secure.getpeercert() or {})
            if self.endpoint.speech is not Speech.NONE:
                self._logins(Line(secure, line.end), in_clear)

    def offer(self, version: int, suites: tuple[int, ...]) -> None:
        """Offer what must be declined."""
        with self._line() as (line, _):
            line.say(client_hello(version, suites, self.endpoint.certified))
            answer = server_answer(line.read)
            if answer is not None:
                self._judge(answer)

    @contextmanager
    def _line(self) -> Iterator[tuple[Line, bool]]:
        """A connection on which TLS comes next, and whether a login was offered on it in clear."""
        with _connected(self.endpoint.address, self.endpoint.port) as connected:
            self.answers = True
            line = Line(connected, time.monotonic() + _SECONDS)
            in_clear = not self.endpoint.tls_first and start_tls(line, self.endpoint.speech, self.endpoint.certified)
            yield line, in_clear

    def _judge(self, answer: Answer) -> None:
        agreed = f"{answer.version} {answer.cipher}"
        self.agreed.append(agreed)
        if connection_is_secure(SecurityFacts(version=answer.version, bits=answer.bits)).verdict is not Verdict.ALLOWED:
            self.faults.append(f"agrees on {agreed}, {answer.bits} bits")

    def _certificate(self, shown: Mapping[str, object]) -> None:
        self.ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
        if self.ends - self.now < timedelta(days=FEWEST_DAYS):
            self.faults.append(f"its certificate ends {self.ends:%Y-%m-%d}")

    def _logins(self, secure: Line, in_clear: bool) -> None:
        speech, first = self.endpoint.speech, self.endpoint.tls_first
        under_tls = login_offered(secure, speech, self.endpoint.certified, greeted=not first)
        facts = LoginFacts(offered_in_clear=in_clear, offered_under_tls=under_tls or not self.endpoint.takes_logins)
        decision = login_is_secure(facts)
        if decision.verdict is not Verdict.ALLOWED:
            self.faults.append(decision.what)


def _connected(address: str, port: int) -> socket.socket:
    """A connection as a customer makes it, from elsewhere.

    Servers trust one that comes from their own address, and would take a password on it in clear (Dovecot): where the
    complex stands on this very machine we come from another address of it.
    """
    connected = socket.create_connection((address, port), timeout=_SECONDS)
    if connected.family != socket.AF_INET or connected.getsockname()[0] != connected.getpeername()[0]:
        return connected
    connected.close()
    return socket.create_connection((address, port), timeout=_SECONDS, source_address=(_ELSEWHERE, 0))


def _context(version: ssl.TLSVersion, ca_file: os.PathLike[str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = context.maximum_version = version
    if version is ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(_GOOD_1_2)
    return context
