"""What a process of Dogovor starts from: its settings, its office, and the clock at the very edge."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from blocks.office import Office, open_office
from blocks.settings import load_settings


@cache
def office() -> Office:
    """The office of this process, opened from the environment once."""
    return open_office(load_settings())


def now() -> datetime:
    """The current moment in UTC. Only entrances ask it; what they call gets it as an argument."""
    return datetime.now(UTC)
