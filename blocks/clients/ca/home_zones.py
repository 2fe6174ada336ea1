"""The zones of customers' domains on our own name servers: they take proofs too, and no file lists them."""

from __future__ import annotations

from collections.abc import Callable

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.comms.addresses import DnsAt
from blocks.clients.comms.names_outside import resolver
from blocks.clients.resolving import addresses_of
from blocks.errors import Transient


class HomeZones:
    """The zone that a name lies in: our own one for customers below it, else that of a domain that `holds` is true for.

    A customer's own domain has two labels and is a zone (KS-4.3). Raises Transient where no name server is found.
    """

    def __init__(self, at: DnsAt, holds: Callable[[str], bool]) -> None:
        self._at = at
        self._holds = holds

    def __call__(self, name: str) -> ZoneAt | None:
        """The zone of a name in lower case, None where it is in none of ours."""
        if name == self._at.own_zone or name.endswith(f".{self._at.own_zone}"):
            return self._zone(self._at.own_zone)
        domain = ".".join(name.split(".")[-2:])
        return self._zone(domain) if self._holds(domain) else None

    def _zone(self, name: str) -> ZoneAt:
        primary = f"{self._at.primary}#{self._at.port}"
        servers = [address for server in self._at.servers for address in self._addresses(server)]
        return ZoneAt(name=name, primary=primary, tsig_name=self._at.tsig_name, servers=tuple(servers))

    def _addresses(self, server: str) -> list[str]:
        found = addresses_of([resolver(text) for text in self._at.resolvers], server)
        if not found:
            raise Transient(f"the name server {server} has no address")
        return [f"{address}#{self._at.port}" for address in found]
