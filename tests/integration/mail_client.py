"""A customer of mail and its own programs: they know the password, and nothing of how the servers keep it."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import uuid4

from pydantic import HttpUrl

from blocks.clients.comms.mail import MailService
from blocks.clients.comms.mail_server import at
from blocks.clients.comms.plan import Plan
from blocks.clients.password_hashes import AccountHashes, hash_account
from tests.servers.comms_mail import MailServers
from tests.servers.processes import wait_until

DEADLINE_S = 15.0
PASSWORD = "a long password"


@dataclass(frozen=True)
class Customer:
    domain: str
    accounts: list[AccountHashes]

    @property
    def addresses(self) -> list[str]:
        return [account.address for account in self.accounts]


def a_service(servers: MailServers, **other: int | HttpUrl) -> MailService:
    plan = servers.ground.plan
    where = at(plan).model_copy(update=other)
    return MailService(
        servers.ground.directory,
        where,
        plan.host,
        address=plan.address,
        ca_file=plan.ca_file,
        doveadm_key=plan.doveadm_key,
    )


def an_account(name: str, domain: str) -> AccountHashes:
    return hash_account(name, domain, "1001", PASSWORD)


@dataclass(frozen=True)
class MailClient:
    """Programs on a machine with the address `source`."""

    plan: Plan
    source: str = "127.0.0.2"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.plan.ca_file)

    def imap(self, *, tls: bool = True) -> imaplib.IMAP4:
        plan, source = self.plan, self.source

        class Imap(imaplib.IMAP4):
            def _create_socket(self, timeout: float | None) -> socket.socket:
                return socket.create_connection((plan.address, plan.ports.imap), timeout, (source, 0))

        session = Imap(plan.host, plan.ports.imap, DEADLINE_S)
        if tls:
            session.starttls(self.context())
        return session

    def inbox(self, address: str, password: str) -> imaplib.IMAP4:
        session = self.imap()
        try:
            session.login(address, password)
        except imaplib.IMAP4.error:
            session.shutdown()
            raise
        session.select("INBOX")
        return session

    def smtp(self, port: int = 0, *, tls: bool = True) -> smtplib.SMTP:
        plan, source = self.plan, self.source

        class Smtp(smtplib.SMTP):
            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - its shape
                return socket.create_connection((plan.address, port), timeout, (source, 0))

        session = Smtp(plan.host, port or plan.ports.submission, local_hostname="client.test", timeout=DEADLINE_S)
        if tls:
            session.starttls(context=self.context())
        session.ehlo()
        return session

    def logged_in(self, address: str, password: str, mechanism: str = "PLAIN") -> smtplib.SMTP:
        session = self.smtp()
        session.user, session.password = address, password
        by = {"PLAIN": session.auth_plain, "CRAM-MD5": session.auth_cram_md5}[mechanism]
        try:
            session.auth(mechanism, by)  # type: ignore[arg-type]  # typeshed knows one shape of three
        except smtplib.SMTPException:
            session.close()
            raise
        return session


def imap_accepts(client: MailClient, address: str, password: str) -> bool:
    try:
        client.inbox(address, password).logout()
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "AUTHENTICATIONFAILED" not in str(error):
            raise
        return False
    return True


def smtp_accepts(client: MailClient, address: str, password: str) -> bool:
    try:
        client.logged_in(address, password).quit()
    except smtplib.SMTPAuthenticationError as error:
        if error.smtp_code != 535:
            raise
        return False
    return True


def a_letter(sender: str, receiver: str, text: str = "Привет\n") -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = sender, receiver, "A letter"
    letter["Message-ID"] = f"<{uuid4().hex}@client.test>"
    letter.set_content(text)
    return letter


def messages(session: imaplib.IMAP4) -> list[EmailMessage]:
    session.noop()
    uids = b",".join(session.uid("SEARCH", "ALL")[1][0].split()).decode()
    if not uids:
        return []
    answer = session.uid("FETCH", uids, "(BODY.PEEK[])")[1]
    return [message_from_bytes(part[1], policy=policy.default) for part in answer if isinstance(part, tuple)]


def arrived(session: imaplib.IMAP4, message_id: str) -> EmailMessage:
    """Wait for a letter and return it as it lies in the mailbox."""
    found: list[EmailMessage] = []

    def there() -> bool:
        found[:] = [letter for letter in messages(session) if letter["Message-ID"] == message_id]
        return bool(found)

    wait_until(there, DEADLINE_S, f"{message_id} arrives")
    return found[0]


def is_closed(session: imaplib.IMAP4) -> bool:
    try:
        session.noop()
    except (imaplib.IMAP4.abort, OSError):
        with suppress(OSError):
            session.shutdown()
        return True
    return False
