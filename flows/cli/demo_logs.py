"""The demo's logs: taken by webhook, sealed, and half a year later destroyed as far as their terms say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from blocks.ledger import Document, LogPeriod, reading
from blocks.terms.retention import LogClass, day_of, life

if TYPE_CHECKING:
    from flows.cli.demo_play import Demo


def logs_of_half_a_year(demo: Demo) -> dict[str, Any]:
    """Log records taken and sealed; half a year later, rehearsed, a day of payload dies and its metadata lives."""
    ended = datetime.now(UTC) - timedelta(minutes=5)
    common = {"project": "chat-1", "ended_at": ended.isoformat(), "residency": "RU"}
    records = [{"class": kind, **common, "n": n} for kind in ("qs-payload", "qs-metadata") for n in range(500)]
    status = demo.post_logs("evt-logs-1", records)
    sealed = demo.command("logs", "seal")
    after = life([LogClass.PAYLOAD], day_of([LogClass.PAYLOAD], ended), today=ended.date()).kept_until
    at = ("--as-of", (after + timedelta(hours=3, minutes=30)).isoformat())
    plan = demo.command("logs", "purge", "--dry-run", *at)
    told = demo.command("logs", "purge", "--yes", "--person", "О. Петрова", "--after-pause", *at)
    with reading(demo.sessions) as session:
        days = session.execute(select(LogPeriod.classes, LogPeriod.destroyed_at)).all()
        acts = session.execute(select(Document.file_name, Document.sha256).where(Document.key.like("LP-%"))).all()
    died = {classes: moment.isoformat() if moment else "lives" for classes, moment in days}
    verified = demo.command("logs", "verify", "--archive")
    demo.say(f"logs: {sealed}; half a year later, rehearsed: {told}")
    archive = demo.stack.home / "archive"
    return {
        "sealed": sealed,
        "died": died,
        "documents": {name: str(archive / sha256[:2] / sha256) for name, sha256 in acts},
        "well": status == 202
        and "qs-payload" in plan
        and died["qs-payload"] != "lives" == died["qs-metadata"]
        and len(acts) == 2
        and "nothing is wrong" in verified,
    }
