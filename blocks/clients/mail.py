"""Mail out: an SMTP server with delivery status requested (RFC 3461), or a directory of .eml files."""

from __future__ import annotations

import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from blocks.errors import OutcomeUnknown, Refused, Transient

Security = Literal["starttls", "tls", "none"]


class Receipt(StrEnum):
    """What is known when a letter has left: accepted by the next server, or proven to have arrived."""

    SENT = "sent"
    DELIVERED = "delivered"


@dataclass(frozen=True)
class Letter:
    """A message and its envelope. `envelope_id` is unguessable printable ASCII: delivery reports quote it."""

    envelope_id: str
    recipient: str
    message: EmailMessage


class MailTransport(Protocol):
    """Where letters go."""

    def send(self, letter: Letter) -> Receipt:
        """Hand a letter over.

        Raises Refused when it is rejected for good, OutcomeUnknown when the answer was lost, Transient otherwise.
        """
        ...

    def check(self) -> str:
        """One line about the connection, for the doctor. Raises Transient or Refused."""
        ...


class EmlDirectory:
    """The embedded default: each letter is a file named by its envelope id, so a repeated send leaves one letter."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, letter: Letter) -> Receipt:
        """Write the letter to disk; the file is the proof of delivery."""
        self._path.mkdir(parents=True, exist_ok=True)
        final = self._path / f"{letter.envelope_id}.eml"
        draft = final.with_suffix(f".{os.getpid()}.tmp")
        with draft.open("wb") as file:
            file.write(letter.message.as_bytes(policy=SMTP_POLICY))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
        return Receipt.DELIVERED

    def check(self) -> str:
        """Whether the directory can be written."""
        self._path.mkdir(parents=True, exist_ok=True)
        if not os.access(self._path, os.W_OK):
            raise Refused("outbox", f"{self._path} cannot be written")
        return f"letters are written to {self._path}"


class SmtpServer:
    """A submission server. `bounce_address` is the envelope sender, to which delivery reports return."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security,
        bounce_address: str,
        user: str = "",
        password: str = "",
        timeout_s: float = 60,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._bounce_address = bounce_address
        self._user, self._password, self._timeout_s = user, password, timeout_s

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        try:
            server.ehlo()
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def send(self, letter: Letter) -> Receipt:
        """Submit with RET=HDRS, ENVID and NOTIFY where the server knows DSN; proof of delivery comes by report."""
        try:
            server = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            raise Transient(f"the mail server did not take the letter: {type(error).__name__}") from None
        try:
            with server:
                dsn = server.has_extn("dsn")
                server.send_message(
                    letter.message,
                    self._bounce_address,
                    [letter.recipient],
                    mail_options=["RET=HDRS", f"ENVID={letter.envelope_id}"] if dsn else [],
                    rcpt_options=[f"ORCPT=rfc822;{letter.recipient}", "NOTIFY=SUCCESS,FAILURE,DELAY"] if dsn else [],
                )
        except smtplib.SMTPRecipientsRefused as error:
            code, text = error.recipients[letter.recipient]
            raise self._refused(code, text) from None
        except smtplib.SMTPDataError as error:
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(f"the mail server did not say whether it took it: {type(error).__name__}") from None
        return Receipt.SENT

    @staticmethod
    def _refused(code: int, text: bytes | str) -> Refused | Transient:
        told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        detail = f"{code} {told}"[:500]
        return Refused("recipient", detail) if code >= 500 else Transient(detail)

    def check(self) -> str:
        """Connect, log in, and say whether delivery reports can be had."""
        try:
            with self._connect() as server:
                dsn = server.has_extn("dsn")
        except (smtplib.SMTPException, OSError) as error:
            raise Transient(f"{self._host}:{self._port}: {type(error).__name__}") from None
        return f"{self._host}:{self._port}, {'with' if dsn else 'WITHOUT'} delivery reports (DSN)"


def open_transport(
    host: str, port: int, *, security: Security, bounce_address: str, user: str, password: str, outbox: Path
) -> MailTransport:
    """A submission server, or a directory of .eml files when there is no host."""
    if not host:
        return EmlDirectory(outbox)
    return SmtpServer(host, port, security=security, bounce_address=bounce_address, user=user, password=password)
