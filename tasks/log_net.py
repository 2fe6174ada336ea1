"""The bucket's own rules as a second net: what our purge should have destroyed and did not, goes by age."""

from __future__ import annotations

from datetime import datetime

from blocks.ledger import reading
from blocks.office import Office, bucket
from blocks.terms.retention import LogClass, longest_days
from tasks.log_holds import standing

_SPARE_DAYS = 31


def spread_net(office: Office, *, now: datetime) -> None:
    """Have the bucket expire what is a month over its longest term, but for classes of which anything is held.

    Under a hold an expired object would be hidden, though not destroyed. Nothing happens where there is no bucket.
    Raises Transient, Refused.
    """
    if not office.settings.s3_bucket:
        return
    with reading(office.sessions) as session:
        holds = standing(session, now=now)
    held = {one for hold in holds for one in hold.classes or tuple(LogClass)}
    days = {f"logs/{one}/": longest_days(one) + _SPARE_DAYS for one in LogClass if one not in held}
    bucket(office.settings, "").ensure_second_net(days)
