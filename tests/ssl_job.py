"""A certificate's order in a process that may be killed: what its CA says is told beforehand."""

from __future__ import annotations

from datetime import datetime

from blocks.office import open_office
from blocks.settings import Settings
from tasks.inbox import take_back
from tasks.ssl_orders import follow
from tests.certificates_ordered import FRAUD, REFUSED, VALID, told, wants
from tests.kill_job import arm
from tests.work import drain

ANSWERS = {
    "ask": wants("выписку из ЕГР\nDNS: _x.shop.example.com TXT 17"),
    "issue": VALID,
    "refuse": REFUSED,
    "fraud": FRAUD,
}


def job(settings: Settings, work: str, at: datetime, kill_at: int | None, moment: str) -> None:
    """Drain the inbox, follow the order at the CA, and drain again. Without `kill_at` it is a restart."""
    office = open_office(settings)
    if kill_at is None:
        take_back(office.sessions, owner="test", now=at)
    told(office, ANSWERS[work])
    arm(office, kill_at, moment)
    drain(office, at)
    follow(office, now=at)
    drain(office, at)
