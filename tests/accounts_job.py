"""The purge of registrations that is killed, in a child of multiprocessing's fork server."""

from __future__ import annotations

from datetime import datetime

import email_validator

from blocks.office import open_office
from blocks.settings import Settings
from flows.account_ends import purge_accounts
from tests.kill_job import arm

if "test" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")


def job(settings: Settings, at: datetime, kill_at: int | None, moment: str) -> None:
    """Purge; without `kill_at` it is a restart."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    purge_accounts(office, now=at)
