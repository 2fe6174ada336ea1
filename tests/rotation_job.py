"""A pass of the rotation in a process that may be killed."""

from __future__ import annotations

from datetime import datetime

import email_validator

from blocks.office import open_office
from blocks.settings import Settings
from flows.rotating import rotate_all
from tests.kill_job import arm

if "test" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")


def job(settings: Settings, at: datetime, kill_at: int | None, moment: str) -> None:
    """Turn every site; killed at the N-th commit, or not at all."""
    office = open_office(settings)
    arm(office, kill_at, moment)
    rotate_all(office, worker="pass", clock=lambda: at)
