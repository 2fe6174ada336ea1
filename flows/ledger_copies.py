"""The daily copy of the ledger, and the end of old ones."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from blocks.errors import Refused
from flows import runtime
from flows.fulfilment import send_due
from reports.ledger_copies import copies_markdown
from tasks.ledger_copies import back_up
from tasks.ledger_expiry import copies, expire


@flow(name="backup-ledger", persist_result=False, timeout_seconds=6 * 3600)
def backup_ledger(who: str = "dogovor", as_of: datetime | None = None) -> str:
    """Take a copy of the ledger and prove it by a restore, then destroy the copies whose time is over (OT-10).

    Old copies end whether or not the new one was made. `as_of` empty: now.
    """
    office, now = runtime.office(), runtime.at(as_of)
    try:
        done = back_up(office, who=who, now=now)
    finally:
        expired = expire(office, now=now)
        table = copies_markdown(copies(office))
        create_markdown_artifact(key="ledger-copies", markdown=table, description="Copies of the ledger")
        send_due(office, now=now)
    get_run_logger().info("copy %s; %s copies ended", done.name, len(expired.gone))
    if expired.left:
        raise Refused("copies_stay", f"copies are still in the store: {', '.join(sorted(expired.left))}")
    return done.name
