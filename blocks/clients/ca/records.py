"""Records that prove a domain to a CA which is not asked by ACME: put into the zones that take our updates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import dns.exception
import dns.name
from pydantic import SecretStr

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.ca.zones import Zones
from blocks.clients.comms.name_server import NameServer, entry
from blocks.errors import Refused
from blocks.terms.ks_zone import Record

_TTL = 300
_MEANING = frozenset({"_acme-challenge", "_dmarc", "_domainkey", "_mta-sts", "_tcp", "_udp"})
"""Labels that give a record a meaning of its own."""


class Proof(NamedTuple):
    """A record that a CA wants to see: its full name without the last dot, `CNAME` or `TXT`, its value."""

    name: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} {self.kind} {self.value}"

    @property
    def harmless(self) -> bool:
        """Whether it proves and does nothing else: others name it, and it is not to delegate, to allow or to sign."""
        first = self.name.partition(".")[0]
        if self.kind == "CNAME":
            return first.startswith("_") and first not in _MEANING
        return first not in _MEANING and not self.value.lower().startswith("v=")


class Records(Protocol):
    """Where proofs are put. Raises Refused `dns` and `tsig`, Transient where the name server is away."""

    def ours(self, name: str) -> bool:
        """Whether a name lies in a zone that takes our updates."""

    def publish(self, proof: Proof) -> None:
        """Put it there; what is there already stays."""

    def withdraw(self, proof: Proof) -> None:
        """Take it away; what is not there is no error."""


class ZoneRecords:
    """See `Records`: zones that take updates (RFC 2136), each signed with the key of its name."""

    def __init__(self, zones: Iterable[ZoneAt], keys: Mapping[str, SecretStr]) -> None:
        self._zones = Zones(zones, keys)

    def ours(self, name: str) -> bool:
        """See Records.ours."""
        return self._zones.of(name) is not None

    def publish(self, proof: Proof) -> None:
        """See Records.publish."""
        zone, server = self._server(proof.name)
        server.change(zone, add=[_record(proof)])

    def withdraw(self, proof: Proof) -> None:
        """See Records.withdraw."""
        zone, server = self._server(proof.name)
        server.change(zone, drop=[_record(proof)])

    def _server(self, name: str) -> tuple[str, NameServer]:
        zone = self._zones.of(name)
        if zone is None:
            raise Refused("dns", f"{name} is in no zone that takes our updates")
        return zone.name, self._zones.primary(zone)


def _record(proof: Proof) -> Record:
    """A proof as zone files write it. Raises Refused `dns` where it cannot be written: others made it."""
    text = proof.value.replace("\\", "\\\\").replace('"', '\\"')
    record = Record(proof.name, _TTL, proof.kind, f"{proof.value}." if proof.kind == "CNAME" else f'"{text}"')
    try:
        entry(record)
    except (dns.exception.DNSException, ValueError):
        raise Refused("dns", f"the CA wants a record that cannot be written: {proof}") from None
    return record
