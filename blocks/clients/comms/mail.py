"""Mail of customers: Postfix and Dovecot, by the directory that they read and Dovecot's API of management."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from blocks.clients.certificates import Bundle
from blocks.clients.comms.addresses import MailAt
from blocks.clients.comms.doveadm import Doveadm
from blocks.clients.comms.mail_login import Doors, banner, server_software
from blocks.clients.comms.mail_proofs import prove
from blocks.clients.comms.protocol import Software
from blocks.clients.directory import Directory, Kind
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Refused, Transient
from blocks.terms.ks_complex import Proof, Want

KICK_S, POLL_S = 10.0, 0.05


class MailService:
    """See `Service`. Servers at `address` show the certificate of `host`; `ca_file` as in ComplexAt."""

    def __init__(
        self, directory: Directory, at: MailAt, host: str, *, address: str, ca_file: Path | None, doveadm_key: str
    ) -> None:
        self._directory = directory
        self._doveadm = Doveadm(str(at.doveadm_url), doveadm_key)
        self._management = (at.doveadm_url.host or "", at.management_port)
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._doors = Doors(address, host, at.imap_port, at.submission_port, context)

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """Nothing: contacts reach mail by the name of its host."""

    def remove_certificate(self, domain: str) -> None:
        """Nothing, as above."""

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """See Service.provision. Sessions of an account that is gone, or whose password is new, end."""
        before = self._directory.verifiers(Kind.MAIL, domain)
        self._directory.provision(Kind.MAIL, domain, accounts)
        now = {account.name: account.mail_verifier(account.scram_stored) for account in accounts}
        for name in sorted(self._doveadm.sessions(domain)):
            if name not in now or before.get(name) not in (None, now[name]):
                self._doveadm.kick(domain, name)
        for name in sorted(self._doveadm.stored(domain) - now.keys()):
            self._doveadm.purge(domain, name)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """See Service.verify."""
        return prove(self._doors, domain, accounts, wants)

    def suspend(self, domain: str) -> None:
        """See Service.suspend. Mail to the domain is refused as if nobody were there."""
        self._directory.suspend(Kind.MAIL, domain)
        self._close_sessions(domain)

    def resume(self, domain: str) -> None:
        """See Service.resume."""
        self._directory.resume(Kind.MAIL, domain)

    def delete(self, domain: str) -> None:
        """See Service.delete. What was under way when the doors closed is taken after the accounts are gone."""
        self._directory.suspend(Kind.MAIL, domain)
        self._close_sessions(domain)
        self._doveadm.purge(domain)
        self._directory.remove(Kind.MAIL, domain)
        self._doveadm.purge(domain)

    def reload(self) -> None:
        """Have Dovecot read its configuration and the host's certificate again; live sessions stay.

        Postfix needs no word from us: its processes are short-lived, and each reads the certificate when it starts.
        """
        self._doveadm.reload()

    def software(self) -> list[Software]:
        """Postfix by its banner for managers, Dovecot by IMAP's ID. OpenDKIM states its version to nobody."""
        doors = self._doors
        _, _, stated = banner(*self._management).partition(" ESMTP ")
        postfix, _, version = stated.partition(" ")
        dovecot, its_version = server_software(doors.address, doors.imap_port, doors.context, doors.host)
        if not version or not its_version:
            raise Refused("software", "the mail servers do not tell us their versions: are we among the managers?")
        return [
            Software(role="SMTP", name=postfix, version=version, learnt="banner of the management port"),
            Software(role="IMAP", name=dovecot, version=its_version, learnt="IMAP ID"),
        ]

    def check(self) -> str:
        """See Service.check."""
        programs = ", ".join(f"{part.name} {part.version}" for part in self.software())
        return f"{programs}, {len(self._directory.domains(Kind.MAIL))} domains"

    def _close_sessions(self, domain: str) -> None:
        end = time.monotonic() + KICK_S
        self._doveadm.kick(domain)
        while self._doveadm.sessions(domain):
            if time.monotonic() > end:
                raise Transient(f"sessions of {domain} do not end")
            time.sleep(POLL_S)
            self._doveadm.kick(domain)
