"""The month's end of certificate customers that is killed: in a child of multiprocessing's fork server."""

from __future__ import annotations

from datetime import datetime

from blocks.office import open_office
from blocks.settings import Settings
from flows.customer_acts import make_acts
from flows.fulfilment import send_due
from tests.kill_job import arm


def job(settings: Settings, at: datetime, kill_at: int | None, moment: str) -> None:
    """Make out and send the acts that are due; without `kill_at` it is a restart, and sends what was left in doubt."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    make_acts(office, now=at)
    if kill_at is None:
        send_due(office, now=at)
