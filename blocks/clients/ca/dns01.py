"""Proofs of domains in the DNS (DNS-01): put where our name servers take updates, seen at every one, taken away."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import dns.name
import dns.rcode
import dns.rdata
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
from pydantic import SecretStr

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.ca.zones import Zones
from blocks.clients.comms.names_outside import Resolver, resolver
from blocks.errors import Refused, Transient
from blocks.terms.ks_zone import Record

MOST_VALUES = 6
"""So many values at a name fit into a datagram of 512 bytes, which is all that some CAs read."""
_TTL = 10
_MOST_ALIASES = 8
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.02, 1.0
_ANSWERED = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})
_PROOF = re.compile(rb"[A-Za-z0-9_-]{43}")

Proofs = Mapping[str, frozenset[str]]
"""By domain, without its star: the values that prove it."""


class Spot(NamedTuple):
    """Where the proof of a domain stands: a name in a zone of ours, the domain's own or one that it is delegated to."""

    zone: ZoneAt
    name: str


AtSpots = Mapping[Spot, frozenset[str]]
"""By spot: the values that stand there, or are to."""


class Dns01:
    """The zones that take our updates. Raises Transient where a name server is away, Refused `dns` and `tsig`.

    `home` knows further zones than are listed. `resolvers` are asked where a proof is delegated to, if its own zone is
    not ours.
    """

    def __init__(
        self,
        zones: Iterable[ZoneAt],
        keys: Mapping[str, SecretStr],
        resolvers: Iterable[str],
        *,
        home: Callable[[str], ZoneAt | None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._zones = Zones(zones, keys, home)
        self._resolvers = [resolver(text) for text in resolvers]
        self._pause = pause

    def publish(self, proofs: Proofs, patience_s: float) -> AtSpots:
        """Put proofs where they belong, and return where that is once every name server of their zones shows them.

        Proofs of others at the same name stay as long as all are few; beyond that they are what broken runs left.
        Raises Transient that names the server which does not show a proof after `patience_s`.
        """
        until = time.monotonic() + patience_s
        wanted = self.spots(proofs)
        for zone, at_zone in _by_zone(wanted).items():
            primary = self._zones.primary(zone)
            primary.change(zone.name, add=_records(at_zone))
            spare = self._shown(zone, at_zone, {}, until)
            if spare:
                primary.change(zone.name, drop=_records(spare))
                self._shown(zone, at_zone, spare, until)
        return wanted

    def remove(self, placed: AtSpots) -> None:
        """Take proofs away from where they were put; what is not there is no error."""
        for zone, at_zone in _by_zone(placed).items():
            self._zones.primary(zone).change(zone.name, drop=_records(at_zone))

    def spots(self, proofs: Proofs) -> AtSpots:
        """Where proofs belong, by spot, since several domains may be delegated to one name."""
        found: dict[Spot, frozenset[str]] = {}
        for domain, values in proofs.items():
            spot = self.spot(domain)
            found[spot] = found.get(spot, frozenset()) | values
        return found

    def spot(self, domain: str) -> Spot:
        """Where the proof of a domain belongs, aliases followed. Raises Refused where that is in no zone of ours."""
        name = f"_acme-challenge.{domain}"
        for _ in range(_MOST_ALIASES):
            following = self._alias(name)
            if following is None:
                break
            name = following
        else:
            raise Refused("dns", f"_acme-challenge.{domain} is an alias of an alias without end")
        zone = self._zones.of(name)
        if zone is None:
            raise Refused("dns", f"{name} is in no zone that takes our updates")
        return Spot(zone, name)

    def _alias(self, name: str) -> str | None:
        zone = self._zones.of(name)
        servers = [resolver(zone.servers[0])] if zone is not None else self._resolvers
        if not servers:
            raise Refused("dns", f"{name} is in no zone that takes our updates, and no resolver is named to ask for it")
        said = _first(servers, name, recursive=zone is None)
        for found in said:
            if isinstance(found, dns.rdtypes.ANY.CNAME.CNAME):
                target: dns.name.Name = found.target
                return target.to_text(omit_final_dot=True).lower()
        return None

    def _shown(self, zone: ZoneAt, wanted: AtSpots, gone: AtSpots, until: float) -> dict[Spot, frozenset[str]]:
        """Wait until every server shows what is wanted and nothing of what is gone; what there is too much of."""
        spare: dict[Spot, frozenset[str]] = {}
        for server in zone.servers:
            for spot, values in wanted.items():
                shown = self._seen(server, spot.name, values, gone.get(spot, frozenset()), until)
                if len(shown) > MOST_VALUES and (others := shown - values):
                    spare[spot] = spare.get(spot, frozenset()) | others
        return spare

    def _seen(
        self, server: str, name: str, values: frozenset[str], gone: frozenset[str], until: float
    ) -> frozenset[str]:
        wait, asked = _FIRST_LOOK_S, resolver(server)
        while True:
            said = asked.answer(name, "TXT", recursive=False, signed=False)
            shown = frozenset(text for found in said.answer for rdata in found if (text := _text(rdata)))
            if values <= shown and not gone & shown:
                return shown
            if time.monotonic() + wait > until:
                raise Transient(f"the name server {server} does not show the proof at {name} yet")
            self._pause(wait)
            wait = min(wait * 1.5, _LONGEST_LOOK_S)


def _by_zone(spots: AtSpots) -> dict[ZoneAt, dict[Spot, frozenset[str]]]:
    found: defaultdict[ZoneAt, dict[Spot, frozenset[str]]] = defaultdict(dict)
    for spot, values in spots.items():
        found[spot.zone][spot] = values
    return found


def _first(servers: Iterable[Resolver], name: str, *, recursive: bool) -> list[dns.rdata.Rdata]:
    """The alias by which the first server that answers knows a name."""
    away: Transient | None = None
    for server in servers:
        try:
            said = server.answer(name, "CNAME", recursive=recursive, signed=False)
        except Transient as error:
            away = error
            continue
        if said.rcode() not in _ANSWERED:
            away = Transient(f"{server.address} does not say where {name} is: {dns.rcode.to_text(said.rcode())}")
            continue
        owner = dns.name.from_text(name)
        return [rdata for found in said.answer if found.name == owner for rdata in found]
    raise away or Transient(f"nobody says where {name} is")


def _records(wanted: AtSpots) -> list[Record]:
    return [Record(spot.name, _TTL, "TXT", f'"{text}"') for spot, values in wanted.items() for text in sorted(values)]


def _text(rdata: dns.rdata.Rdata) -> str:
    """The proof that a record holds, empty where it is something else."""
    if not isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return ""
    value = b"".join(rdata.strings)
    return value.decode() if _PROOF.fullmatch(value) else ""
