"""A whole complex in tests, as `dogovor comms up` starts it, and a customer's clients that know a password alone."""

from __future__ import annotations

import asyncio
import imaplib
import os
import signal
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import slixmpp

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.launcher import launched
from blocks.clients.comms.whole import whole_programs
from blocks.clients.directory import Kind
from blocks.terms.ks_complex import CALL_SECONDS, MAIL_MB
from flows.cli.comms_local import LocalComplex, local_complex

from .processes import server_directory
from .requirements import require, require_root
from .sip_phone import Phone

OWN_ZONE = "example.net"
_PACKAGES = {
    "ejabberdctl": "ejabberd",
    "dovecot": "dovecot-imapd",
    "opendkim": "opendkim",
    "kamailio": "kamailio",
    "named": "bind9",
    "rndc": "bind9-utils",
}


@dataclass(frozen=True)
class Whole:
    """A running complex, and the authority that its worker must share."""

    local: LocalComplex
    authority: Path
    stack: ExitStack

    @contextmanager
    def hanging(self, server: str) -> Iterator[None]:
        """All processes of a server stand still."""
        group = self.local.running[server].pid
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    @contextmanager
    def dead(self, server: str) -> Iterator[None]:
        """A server does not run."""
        self.kill(server)
        try:
            yield
        finally:
            self.start(server)

    def kill(self, server: str) -> None:
        """All processes of a server die at once."""
        process = self.local.running[server]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start(self, server: str) -> None:
        """Start a server again."""
        [program] = [each for each in whole_programs(self.local.plan) if each.name == server]
        started = self.stack.enter_context(launched(self.local.plan, (program,)))
        self.local.running.update(started)

    def settings(self, home: Path) -> dict[str, object]:
        """What an installation in `home` is told of it."""
        home.mkdir(parents=True, exist_ok=True)
        (home / "certificates").symlink_to(self.authority)
        told = {name.removeprefix("DOGOVOR_").lower(): value for name, value in self.local.environment.items()}
        return {**told, "doveadm_keys": {self.local.at.name: self.local.plan.doveadm_key}}

    def customer(self, name: str, number: str, domain: str, password: str) -> Customer:
        """One contact with its own clients."""
        return Customer(self, name, number, domain, password)


def require_complex() -> None:
    """End the test unless this machine can start a complex."""
    require_root("Postfix")
    for binary, package in _PACKAGES.items():
        require(binary, package)


@contextmanager
def whole_complex() -> Iterator[Whole]:
    """Run a complex with name servers on free ports; needs root."""
    require_complex()
    with server_directory("dg-whole-") as home:
        root = home / "authority"
        authority = LocalAuthority(root, lambda: datetime.now(UTC))
        with (
            local_complex(
                home / "complex", authority, OWN_ZONE, mail_bytes=MAIL_MB * 2**20, call_seconds=CALL_SECONDS
            ) as local,
            ExitStack() as stack,
        ):
            yield Whole(local, root, stack)


@dataclass(frozen=True)
class Customer:
    """A contact's mail program, messenger and phone; none of them shares code with ours."""

    whole: Whole
    name: str
    number: str
    domain: str
    password: str

    @property
    def address(self) -> str:
        return f"{self.name}@{self.domain}"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.whole.local.plan.ca_file)

    def doors(self) -> list[bool]:
        """Whether IMAP, submission, XMPP and SIP let it in, in this order."""
        return [self._tried(self.imap), self._tried(self.submission), self.xmpp(), self._tried(self.phone_registers)]

    def gets_in(self, kind: Kind) -> bool:
        """Whether a service lets it in."""
        if kind is Kind.XMPP:
            return self.xmpp()
        return self._tried(self.imap if kind is Kind.MAIL else self.phone_registers)

    def imap(self) -> imaplib.IMAP4_SSL:
        """A mailbox that is logged in to."""
        context = self.context
        context.check_hostname = False  # its name is known to our own name servers alone
        box = imaplib.IMAP4_SSL(self._host, self._ports.imaps, ssl_context=context, timeout=20)
        try:
            box.login(self.address, self.password)
        except imaplib.IMAP4.error:
            box.shutdown()
            raise
        return box

    def submission(self) -> smtplib.SMTP_SSL:
        """A connection on which letters can be given in."""
        context = self.context
        context.check_hostname = False
        line = smtplib.SMTP_SSL(self._host, self._ports.submissions, context=context, timeout=20)
        try:
            line.login(self.address, self.password)
        except smtplib.SMTPException:
            line.close()
            raise
        return line

    def phone(self) -> Phone:
        """A phone that is not registered yet."""
        return Phone(self._ports.sips, str(self.whole.local.plan.ca_file), self.domain, self.number, self.password)

    def phone_registers(self) -> Phone:
        """A phone that is registered. Raises ConnectionError where it is refused."""
        phone = self.phone()
        if phone.register().code != 200:
            phone.socket.close()
            raise ConnectionError("not registered")
        return phone

    def xmpp(self) -> bool:
        """Whether the messenger gets a session."""
        return asyncio.run(self._xmpp())

    async def _xmpp(self) -> bool:
        messenger = Messenger(self)
        try:
            return await messenger.arrives()
        finally:
            await messenger.leave()

    def _tried(self, opens: Callable[[], Any]) -> bool:
        try:
            opened = opens()
        except (imaplib.IMAP4.error, smtplib.SMTPException, OSError):
            return False
        close = {imaplib.IMAP4_SSL: "shutdown", smtplib.SMTP_SSL: "close"}.get(type(opened))
        getattr(opened, close)() if close else opened.socket.close()
        return True

    @property
    def _host(self) -> str:
        return self.whole.local.plan.address

    @property
    def _ports(self) -> Any:
        return self.whole.local.plan.ports


class Messenger(slixmpp.ClientXMPP):
    """An XMPP client with the password; lives in a running loop."""

    def __init__(self, customer: Customer) -> None:
        super().__init__(f"{customer.address}/phone", customer.password)
        self.ssl_context = customer.context
        self.enable_plaintext = False
        self._at = (customer.whole.local.plan.address, customer.whole.local.plan.ports.xmpp)
        self.came: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        for event, result in (("session_start", True), ("failed_all_auth", False), ("stream_error", False)):
            self.add_event_handler(event, lambda *_, result=result: self._settle(self.came, result))
        self.add_event_handler("disconnected", lambda *_: self._settle(self.gone, True))

    async def arrives(self) -> bool:
        """Whether it gets a session."""
        self.connect(*self._at)
        async with asyncio.timeout(20):
            await asyncio.wait((self.came, self.gone), return_when=asyncio.FIRST_COMPLETED)
        return self.came.done() and self.came.result()

    async def leave(self) -> None:
        """End the stream."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.disconnect(wait=1), 5)

    def _settle(self, future: asyncio.Future[bool], result: bool) -> None:
        if not future.done():
            future.set_result(result)
