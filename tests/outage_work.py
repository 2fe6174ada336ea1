"""Watching in tests: a catalogue, rounds of probes as they might be seen, and the ledger looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from blocks.ledger import Notice, Obligation, Outage, ProbeSpan, Window, WindowState, reading, transaction
from blocks.office import Office
from tasks.numbering import add_numbered
from tasks.probing import Judged, judge, record_round

SERVICES = """
interval_seconds = 60
needed = 2

[[vantage]]
name = "first"
[[vantage]]
name = "second"
[[vantage]]
name = "third"

[[service]]
name = "complex"
title = "Комплекс связи"
agreements = ["KS"]
probe = [{kind = "tcp", host = "127.0.0.1", port = 5222}]

[[service]]
name = "platform"
title = "Платформа"
agreements = ["OCP"]
indicator = "ip"
probe = [{kind = "tcp", host = "127.0.0.1", port = 443}]

[[service]]
name = "broker"
title = "Брокер"
agreements = ["QS"]

[[service]]
name = "dialer"
title = "Автодозвон"
agreements = ["OT"]
group = "Автодозвон"
"""

INTERVAL = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
POINTS = ("first", "second", "third")


def look(office: Office, at: datetime, word: str, service: str = "complex") -> Judged:
    """One round of a service and its judgement. `word` has a letter for each vantage point: u, d, or - for nothing."""
    seen = {
        (service, point): (letter == "u", "answers" if letter == "u" else "connection refused")
        for point, letter in zip(POINTS, word, strict=True)
        if letter != "-"
    }
    record_round(office, seen, at=at, interval=INTERVAL)
    return judge(office, now=at)


def watch(office: Office, begin: datetime, words: str, service: str = "complex") -> datetime:
    """Rounds a minute apart, in order; the moment of the last one."""
    at = begin
    for number, word in enumerate(words.split()):
        at = begin + number * INTERVAL
        look(office, at, word, service)
    return at


def spans(office: Office, vantage: str = "first") -> list[tuple[str, datetime, datetime]]:
    with reading(office.sessions) as session:
        rows = session.scalars(
            select(ProbeSpan).where(ProbeSpan.vantage == vantage).order_by(ProbeSpan.service, ProbeSpan.began_at)
        )
        return [(row.state.value, row.began_at, row.until_at) for row in rows]


def outages(office: Office) -> list[Outage]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Outage).order_by(Outage.id)))


def times(office: Office) -> list[tuple[datetime, datetime | None]]:
    return [(row.began_at, row.ended_at) for row in outages(office)]


def letters(office: Office, kind: str) -> list[Notice]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))


def owed(office: Office) -> Mapping[str, Obligation]:
    """The obligations by their clause."""
    with reading(office.sessions) as session:
        return {row.clause: row for row in session.scalars(select(Obligation).order_by(Obligation.id))}


def window(office: Office, starts: datetime, ends: datetime, **changes: Any) -> str:
    """A planned window that was opened at its start; `closed_at` closes it."""
    row = Window(
        key=f"w:{starts.isoformat()}:{changes.get('services')}",
        kind=changes.get("kind", "planned"),
        starts_at=starts,
        ends_at=ends,
        services=changes.get("services", ["complex"]),
        agreements=["KS"],
        what="замена дисков",
        state=WindowState.CLOSED if "closed_at" in changes else WindowState.OPEN,
        needs_agreement=False,
        planned_by="О. Петрова",
        planned_at=starts,
        opened_at=changes.get("opened_at", starts),
        closed_at=changes.get("closed_at"),
    )
    with transaction(office.sessions) as session:
        add_numbered(session, row, now=starts)
        return row.number


def close_window(office: Office, number: str, at: datetime) -> None:
    with transaction(office.sessions) as session:
        row = session.scalars(select(Window).where(Window.number == number)).one()
        row.state, row.closed_at = WindowState.CLOSED, at
