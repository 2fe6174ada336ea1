"""The correcting lines of our list held against the lists that earlier and later acts were made out of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import select

from blocks.ledger import Act, LineFile, reading
from blocks.lines.corrections import doubts, earliest
from blocks.office import Office
from tasks.revenue_lists import WHOLE

SHOWN = 5
WholeLists = Callable[[str], Mapping[str, Path]]
"""The whole lists of other months from a month on."""


def whole_lists(office: Office, act: Act, scratch: Path, since: str) -> dict[str, Path]:
    """The lists that the latest acts of other months were made out of, from `since` on, in `scratch`."""
    made = select(Act.month, LineFile.parquet_sha256).join(LineFile).where(LineFile.side == WHOLE)
    made = made.where(Act.month >= since, Act.month != act.month).order_by(Act.month, Act.edition)
    with reading(office.sessions) as session:
        latest = {month: sha256 for month, sha256 in session.execute(made)}  # noqa: C416 - rows are not pairs to mypy
    found = {month: scratch / f"whole-{month}.parquet" for month in latest}
    for month, path in found.items():
        office.archive.fetch(latest[month], path)
    return found


def in_doubt(ours: Path, month: str, others: WholeLists, scratch: Path) -> tuple[str, ...]:
    """What stands against the correcting lines of a list: counted elsewhere, of no known line, or taking back too much.

    One text a kind, which names the first few lines.
    """
    since = earliest(ours, scratch=scratch)
    if since is None:
        return ()
    found = doubts(ours, month, others(since), scratch=scratch)
    texts = []
    for why, told in _TOLD.items():
        named = [f"{one.line} ({one.month})" for one in found if one.why == why]
        if named:
            more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            texts.append(f"{told}: {', '.join(named[:SHOWN])}{more}")
    return tuple(texts)


_TOLD = {
    "counted": "corrections that another month counts already",
    "unknown": "corrections of lines that their month does not have",
    "overdrawn": "corrections that take back more than their lines brought",
}
