"""What a process of Dogovor starts from: its settings, its office, and the clock at the very edge."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from blocks.errors import Refused
from blocks.office import Office, open_office
from blocks.settings import load_settings


@cache
def office() -> Office:
    """The office of this process, opened from the environment once."""
    return open_office(load_settings())


def now() -> datetime:
    """The current moment in UTC. Only entrances ask it; what they call gets it as an argument."""
    return datetime.now(UTC)


def at(as_of: datetime | None) -> datetime:
    """`as_of`, or now. Raises Refused for a forced clock in production: that is for rehearsals."""
    if as_of is not None and office().settings.environment == "production":
        raise Refused("clock", "the clock is not forced in production")
    return as_of or now()


def clock(as_of: datetime | None) -> Callable[[], datetime]:
    """A clock that goes on from `as_of`, or the real one: work that takes its time is dated as it goes."""
    if as_of is None:
        return now
    start, began = at(as_of), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - began)
