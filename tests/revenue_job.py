"""The month that is killed: it runs in a child of the fork server, so it imports nothing of pytest."""

from __future__ import annotations

import email_validator

from blocks.office import open_office
from blocks.settings import Settings
from tests.kill_job import arm
from tests.revenue_work import whole_month

if "test" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")


def job(settings: Settings, kill_at: int | None, moment: str) -> None:
    """Take the month as far as it goes. Without `kill_at` it is a restart."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    whole_month(office)
