"""What a service of a complex can be asked, and what a whole complex can; every call can be repeated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from blocks.clients.certificates import Bundle
from blocks.clients.password_hashes import AccountHashes
from blocks.terms.base import Frozen
from blocks.terms.ks_complex import Proof, Want


class Software(Frozen):
    """A running program that serves customers: what it does, its name, its version, and how we learnt it."""

    role: str
    name: str
    version: str
    learnt: str


class Service(Protocol):
    """One service (XMPP, mail or SIP) of a complex.

    All raise Transient where a server or the database does not answer, Refused where it will never take what we say.
    """

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """Put the domain's certificate where the server reads it, and have it read; live sessions stay.

        A service that shows the certificate of its host alone (mail) does nothing.
        """

    def remove_certificate(self, domain: str) -> None:
        """Take it away again."""

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """Make the domain known to the server, and its accounts exactly these, all of them active."""

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """Log in as the contacts that are wanted, with the others as their peers; a proof for each want of ours.

        A login that fails is a proof that says so, no error. Leaves nothing behind that the contact would find.
        """

    def suspend(self, domain: str) -> None:
        """Close every door of the domain and its live sessions; what is stored stays."""

    def resume(self, domain: str) -> None:
        """Open the doors again, with the passwords of before."""

    def delete(self, domain: str) -> None:
        """Take the domain, its accounts, its live sessions and everything stored for them away."""

    def software(self) -> list[Software]:
        """The programs that run, as they themselves state it."""

    def check(self) -> str:
        """What was seen, for the doctor."""


class Complex(Protocol):
    """All services of one complex, its certificates and names; errors as in Service."""

    @property
    def name(self) -> str:
        """How the settings name it."""

    @property
    def host(self) -> str:
        """The name or address that clients connect to."""

    def publish_names(self, domain: str) -> None:
        """Publish the domain's names as its certificates stand; none is needed yet: a CA looks at the names first."""

    def prepare(self, domain: str) -> None:
        """Put the domain's certificate where the servers read it, and publish its names."""

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """As Service, for every service."""

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """As Service, for every service."""

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """A proof for every want."""

    def suspend(self, domain: str) -> None:
        """As Service, for every service. The names stay: the domain is the customer's (KS-3.2)."""

    def resume(self, domain: str) -> None:
        """As Service, for every service."""

    def delete(self, domain: str) -> None:
        """As Service, for every service; then names and certificate."""

    def software(self) -> list[Software]:
        """Every program that serves a customer, the directory's database and the name servers among them."""

    def check(self) -> str:
        """What was seen, for the doctor."""
