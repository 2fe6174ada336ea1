"""The local CA for real servers in tests: what it issues is valid today, whatever the clock of the orders says."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.clients.ca.local import LocalCa
from blocks.clients.ca.protocol import Placed, Request
from blocks.office import Office, open_office
from blocks.settings import Settings


class CaOfToday(LocalCa):
    """It dates its certificates by today, as servers and customers look at them, whatever the orders' clock."""

    def advance(self, url: str, request: Request, *, now: datetime) -> Placed:
        del now
        return super().advance(url, request, now=datetime.now(UTC))


def opened(settings: Settings) -> Office:
    """An office whose certificates real servers can show."""
    office = open_office(settings)
    vars(office)["_authorities"] = {"local": CaOfToday("local", office.authority, office.authority.root, 90)}
    return office
