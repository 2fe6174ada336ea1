"""The zones that take our updates (RFC 2136): which one a name lies in, and its primary with the key of our updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import dns.name
from pydantic import SecretStr

from blocks.clients.ca.addresses import ZoneAt
from blocks.clients.comms.name_server import NameServer
from blocks.clients.comms.names_outside import resolver
from blocks.errors import Refused


class Zones:
    """Zones and the TSIG secrets of their keys by name. `home` knows further zones than are listed."""

    def __init__(
        self,
        zones: Iterable[ZoneAt],
        keys: Mapping[str, SecretStr],
        home: Callable[[str], ZoneAt | None] = lambda _: None,
    ) -> None:
        self._zones = sorted(zones, key=lambda zone: -zone.name.count("."))
        self._keys = keys
        self._home = home

    def of(self, name: str) -> ZoneAt | None:
        """The zone that holds a name, of several the nearest to it; None where none of ours does."""
        lower = name.lower()
        listed = next((zone for zone in self._zones if f".{lower}".endswith(f".{zone.name}")), None)
        return listed or self._home(lower)

    def primary(self, zone: ZoneAt) -> NameServer:
        """Where a zone takes updates. Raises Refused `tsig` where its key is not known."""
        if zone.tsig_name not in self._keys:
            raise Refused("tsig", f"DOGOVOR_TSIG_KEYS has no key {zone.tsig_name}")
        at = resolver(zone.primary)
        secret = self._keys[zone.tsig_name].get_secret_value()
        return NameServer(at.address, at.port, zone.tsig_name, secret, dns.name.from_text(zone.tsig_algorithm))
