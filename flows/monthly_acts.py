"""Acts of certificate customers on the last day of a month (SSL-7.6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from blocks.terms.money import Money
from blocks.terms.revenue import Month
from flows import runtime
from flows.customer_acts import acts_to_make, make_acts


@flow(name="monthly-acts", persist_result=False, timeout_seconds=3600)
def monthly_acts(month: Month | None = None, dry_run: bool = True, as_of: datetime | None = None) -> list[str]:
    """Make out and send the acts of a month, or of every month whose last day has come and that lacks some.

    A dry run shows what would be made, and changes nothing.
    """
    office, now = runtime.office(), runtime.at(as_of)
    due = acts_to_make(office, now=now, month=month)
    rows: list[dict[str, Any]] = [
        {
            "month": act.of.month,
            "customer": act.customer,
            "edition": act.edition,
            "lines": act.lines,
            "total": str(Money.from_minor(act.total_minor, act.of.currency)),
        }
        for act in due
    ]
    what = "due (a dry run: none is made)" if dry_run else "due"
    create_table_artifact(rows, key="monthly-acts", description=f"Acts that are {what}")
    get_run_logger().info("%s acts are %s", len(due), what)
    return [] if dry_run else make_acts(office, now=now, month=month)
