"""A complex of real servers: its services, certificates and names taken together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from blocks.clients.certificates import Bundle, Certificates
from blocks.clients.comms.protocol import Service, Software
from blocks.clients.directory import Directory, Kind
from blocks.clients.password_hashes import AccountHashes
from blocks.terms.ks_complex import Proof, ProofKind, Want


class Names(Protocol):
    """The names of customers' domains in the DNS."""

    def publish(self, domain: str) -> None:
        """Make the records of a domain exactly what they should be, in a zone of its own where it is one."""

    def withdraw(self, domain: str) -> None:
        """Take the records of a domain, and its own zone, away."""

    def verify(self, domain: str) -> Proof:
        """Ask from outside for everything that is published."""

    def software(self) -> list[Software]:
        """The name servers."""


class Scan(Protocol):
    """The scan of everything that the servers of a complex offer (KS-2.6, KS-2.7)."""

    def __call__(self, domain: str) -> Proof:
        """What was offered on every port, and whether all of it may be."""


class RealComplex:
    """See `Complex`. Services are provisioned in their order and deleted in the opposite one."""

    def __init__(
        self,
        name: str,
        host: str,
        services: Mapping[Kind, Service],
        *,
        directory: Directory,
        certificates: Certificates,
        names: Names,
        scan: Scan,
    ) -> None:
        self.name = name
        self.host = host
        self._services = services
        self._directory = directory
        self._certificates = certificates
        self._names = names
        self._scan = scan

    def publish_names(self, domain: str) -> None:
        """See Complex.publish_names."""
        self._names.publish(domain)

    def prepare(self, domain: str) -> None:
        """See Complex.prepare. The servers show a key before its TLSA records stand alone."""
        self.install_certificate(domain, self._certificates.of(domain))
        self._names.publish(domain)

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """See Complex.install_certificate."""
        for service in self._services.values():
            service.install_certificate(domain, bundle)

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """See Complex.provision."""
        for service in self._services.values():
            service.provision(domain, accounts)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """See Complex.verify. The services are asked at once, each in a thread of its own."""
        asked: list[Callable[[], list[Proof]]] = [
            partial(service.verify, domain, accounts, wants) for service in self._services.values()
        ]
        whole: Mapping[ProofKind, Callable[[str], Proof]] = {
            ProofKind.TLS: self._scan,
            ProofKind.DNS: self._names.verify,
        }
        asked += [partial(_listed, look, domain) for kind, look in whole.items() if Want("", kind) in wants]
        with ThreadPoolExecutor(len(asked)) as threads:
            return [proof for proofs in threads.map(lambda look: look(), asked) for proof in proofs]

    def suspend(self, domain: str) -> None:
        """See Complex.suspend."""
        for service in self._services.values():
            service.suspend(domain)

    def resume(self, domain: str) -> None:
        """See Complex.resume."""
        for service in self._services.values():
            service.resume(domain)

    def delete(self, domain: str) -> None:
        """See Complex.delete."""
        for service in reversed(list(self._services.values())):
            service.delete(domain)
        self._names.withdraw(domain)
        for service in self._services.values():
            service.remove_certificate(domain)

    def software(self) -> list[Software]:
        """See Complex.software."""
        parts = [part for service in self._services.values() for part in service.software()]
        return [*parts, directory_software(self._directory), *self._names.software()]

    def check(self) -> str:
        """See Complex.check."""
        return "; ".join(f"{kind}: {service.check()}" for kind, service in self._services.items())


def directory_software(directory: Directory) -> Software:
    """The database that the servers read their accounts from. Raises Transient."""
    name, version, *_ = directory.version().split()
    return Software(role="directory", name=name, version=version, learnt="asked by SQL")


def _listed(look: Callable[[str], Proof], domain: str) -> list[Proof]:
    return [look(domain)]
