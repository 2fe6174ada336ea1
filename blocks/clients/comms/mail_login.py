"""Logins to mail servers as a contact, without its password: IMAP and submission, by STARTTLS and SCRAM-SHA-256."""

from __future__ import annotations

import imaplib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

from blocks.clients.comms.scram import MECHANISM, ScramClient
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.terms.base import Verdict
from blocks.terms.ks_complex import SecurityFacts, connection_is_secure

TIMEOUT_S = 30.0
HEADER = "X-Dogovor-Verification"
"""Letters of verification carry it, with the domain, so that those of a run that died are found and removed."""

Facts = dict[str, str]


@dataclass(frozen=True)
class Doors:
    """Where a contact comes in: servers at `address` that show a certificate of `host`, which `context` trusts."""

    address: str
    host: str
    imap_port: int
    submission_port: int
    context: ssl.SSLContext


class Mailbox:
    """An INBOX that is open."""

    def __init__(self, session: imaplib.IMAP4) -> None:
        self._session = session

    def find(self, header: str, value: str) -> list[str]:
        """The UIDs of messages that carry `value` in a header, new ones among them."""
        self._ask("NOOP")
        found = self._ask("UID", "SEARCH", "HEADER", header, f'"{value}"')
        return b" ".join(part for part in found if part).decode().split()

    def remove(self, uids: list[str]) -> None:
        """Delete these messages and no others."""
        if uids:
            self._ask("UID", "STORE", ",".join(uids), "+FLAGS.SILENT", r"(\Deleted)")
            self._ask("UID", "EXPUNGE", ",".join(uids))

    def _ask(self, command: str, *arguments: str) -> list[bytes]:
        kind, answer = self._session.uid(*arguments) if command == "UID" else self._session.noop()
        if kind != "OK":
            raise Transient(f"IMAP {command}: {kind}")
        return list(answer)


@contextmanager
def mailbox(doors: Doors, account: AccountHashes) -> Iterator[tuple[Mailbox, Facts]]:
    """Log in by IMAP and open INBOX; yields it and what the connection was agreed on.

    Raises Refused where the login fails or TLS is not good enough, Transient where the server does not answer.
    """
    with _typed("IMAP"), _imap(doors) as session:
        session.starttls(doors.context)
        facts = _agreed(session.socket())
        login = _Login(account)
        session.authenticate(MECHANISM, lambda challenge: login.answer(challenge.decode()).encode())
        login.ensure_complete()
        session.select("INBOX")
        yield Mailbox(session), facts


def submit(doors: Doors, account: AccountHashes, letter: EmailMessage) -> Facts:
    """Log in to submission and hand a letter in; what the connection was agreed on. Raises as `mailbox`."""
    with _typed("submission"), _Smtp(doors) as session:
        session.starttls(context=doors.context)
        session.ehlo_or_helo_if_needed()
        facts = _agreed(session.sock)
        login = _Login(account)
        session.auth(MECHANISM, login.answer)
        login.ensure_complete()
        session.send_message(letter, from_addr=account.address)
        return facts


class _Login:
    """One SCRAM exchange, step by step, in either library's form of asking."""

    def __init__(self, account: AccountHashes) -> None:
        client = ScramClient(account.address, account.scram_client, account.scram_server)
        self._steps: list[Callable[[str], str]] = [lambda _: client.first(), client.final, self._checked(client)]

    def answer(self, challenge: str | bytes | None = None) -> str:
        """The answer to a challenge; "" to the last."""
        if not self._steps:
            raise Refused("scram", "the server goes on after its last word")
        text = challenge.decode() if isinstance(challenge, bytes) else challenge or ""
        return self._steps.pop(0)(text)

    def ensure_complete(self) -> None:
        """Raise Refused where the server let us in without proving that it knows the account."""
        if self._steps:
            raise Refused("server", "the server did not prove that it knows the account")

    @staticmethod
    def _checked(client: ScramClient) -> Callable[[str], str]:
        def check(server_final: str) -> str:
            client.check(server_final)
            return ""

        return check


class _Imap(imaplib.IMAP4):
    """Connects to an address, and expects the certificate of a name."""

    def __init__(self, doors: Doors) -> None:
        self._address = doors.address
        super().__init__(doors.host, doors.imap_port, TIMEOUT_S)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return socket.create_connection((self._address, self.port), timeout)


@contextmanager
def _imap(doors: Doors) -> Iterator[_Imap]:
    session = _Imap(doors)
    try:
        yield session
    finally:
        with suppress(OSError, imaplib.IMAP4.error):
            session.logout()
        with suppress(OSError):
            session.shutdown()


class _Smtp(smtplib.SMTP):
    """Connects to an address, and expects the certificate of a name."""

    def __init__(self, doors: Doors) -> None:
        self._address = doors.address
        super().__init__(doors.host, doors.submission_port, local_hostname="verification.invalid", timeout=TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - smtplib's own shape
        return socket.create_connection((self._address, port), timeout)


def _agreed(sock: object) -> Facts:
    cipher = sock.cipher() if isinstance(sock, ssl.SSLSocket) else None
    if cipher is None:
        raise Refused("tls", "the connection is not enciphered")
    name, _, bits = cipher
    version = sock.version() if isinstance(sock, ssl.SSLSocket) else None
    decision = connection_is_secure(SecurityFacts(version=version or "", bits=bits))
    if decision.verdict is not Verdict.ALLOWED:
        raise Refused("tls", f"{decision.clause}: {decision.what}")
    return {"version": version or "", "cipher": name, "bits": str(bits), "mechanism": MECHANISM}


@contextmanager
def _typed(what: str) -> Iterator[None]:
    """Errors of both libraries as ours. Servers' words are not repeated, but for their codes."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise _smtp_error(what, error.smtp_code) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _smtp_error(what, max(code for code, _ in error.recipients.values())) from None
    except imaplib.IMAP4.abort:
        raise Transient(f"{what}: the server closed the connection") from None
    except imaplib.IMAP4.error as error:
        code = re.search(r"\[([A-Z-]+)\]", str(error))
        said = f"{what}: refused" + (f" ({code[1]})" if code else "")
        if code and code[1] in ("UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT"):
            raise Transient(said) from None
        raise Refused("login", said) from None
    except ssl.SSLError as error:
        raise Refused("tls", f"{what}: {error.reason or type(error).__name__}") from None
    except OSError as error:
        raise Transient(f"{what}: {type(error).__name__}") from None


def _smtp_error(what: str, code: int) -> Transient | Refused:
    if code >= 500:
        return Refused("login", f"{what}: refused ({code})")
    return Transient(f"{what}: the server answers {code}")


def server_software(address: str, imap_port: int, context: ssl.SSLContext, host: str) -> tuple[str, str]:
    """Name and version of the IMAP server, as it states them to managers by ID (RFC 2971). Raises as `mailbox`."""
    with _typed("IMAP"), _imap(Doors(address, host, imap_port, 0, context)) as session:
        session.starttls(context)
        session.xatom("ID", "NIL")
        _, said = session.response("ID")
    words = re.findall(rb'"((?:[^"\\]|\\.)*)"', said[0] or b"") if said else []
    stated = dict(zip(words[::2], words[1::2], strict=False))
    return stated.get(b"name", b"").decode(), stated.get(b"version", b"").decode()


def banner(address: str, port: int) -> str:
    """The first line of an SMTP server, without its code. Raises Transient, Refused where it wants nothing of us."""
    with _typed("SMTP"), socket.create_connection((address, port), TIMEOUT_S) as sock, sock.makefile("rb") as lines:
        line = lines.readline(1000).decode("ascii", "replace").strip()
        with suppress(OSError):
            sock.sendall(b"QUIT\r\n")
    if not line.startswith("220 "):
        raise Refused("banner", "the server's management port does not take us")
    return line.removeprefix("220 ")
