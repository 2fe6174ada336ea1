"""KS-3.8: until when a planned replacement of a certificate can be announced, and why one may come without a notice."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from blocks.terms.base import Deadline
from blocks.terms.deadlines import in_calendar_months
from blocks.terms.zones import MOSCOW


class Emergency(StrEnum):
    """Why a certificate is replaced at once: a recorded exception from KS-3.8, told of by a notice of its own."""

    KEY_COMPROMISE = "key_compromise"
    REVOKED_BY_CA = "revoked_by_ca"
    CA_ADVICE = "ca_advice"


def latest_announcement(swap_at: datetime, zone: str = MOSCOW) -> Deadline:
    """The last moment to tell of a swap: one calendar month before its window begins, at the same wall-clock time.

    A month without that day gives its last one: a swap on 31 March is told by 28 (29) February. A swap that is moved
    has a latest moment of its own.
    """
    return in_calendar_months(swap_at, -1, zone)
