"""Correcting lines held against the lines that they name."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from blocks.lines.corrections import Doubt, doubts, earliest
from blocks.terms.revenue_views import DataLine
from tests.unit.lines import canonical
from tests.unit.lines.canonical import write

OCTOBER, SEPTEMBER = (date(2026, 10, 1), date(2026, 10, 31)), (date(2026, 9, 1), date(2026, 9, 30))


def line(name: str, net: int = 1000, state: str = "issued", corrects: str = "", span: Any = OCTOBER) -> DataLine:
    begins_on, ends_on = span
    return canonical.line(name, net_minor=net, state=state, corrects=corrects, begins_on=begins_on, ends_on=ends_on)


def found(tmp_path: Path, *lines: DataLine, others: dict[str, Path] | None = None) -> list[Doubt]:
    return list(doubts(write(tmp_path / "ours", lines), "2026-10", others or {}, scratch=tmp_path))


def test_a_list_without_corrections_reaches_nowhere_back(tmp_path: Path) -> None:
    assert earliest(write(tmp_path / "a", [line("L-1")]), scratch=tmp_path) is None
    assert earliest(write(tmp_path / "b", []), scratch=tmp_path) is None
    reaching = [line("R-1", state="refunded", corrects="L-1", span=SEPTEMBER), line("R-2", 5, "correction", "L-2")]
    assert earliest(write(tmp_path / "c", reaching), scratch=tmp_path) == "2026-09"


@pytest.mark.parametrize(
    ("back", "wrong"),
    [
        ([line("R-1", 1000, "refunded", "L-1")], False),
        ([line("R-1", 1001, "refunded", "L-1")], True),
        ([line("R-1", 600, "refunded", "L-1"), line("R-2", -400, "correction", "L-1")], False),
        ([line("R-1", 600, "refunded", "L-1"), line("R-2", -401, "correction", "L-1")], True),
        ([line("R-1", 1500, "refunded", "L-1"), line("R-2", 500, "correction", "L-1")], False),
    ],
)
def test_no_more_is_taken_back_than_a_line_brought(tmp_path: Path, back: list[DataLine], wrong: bool) -> None:
    doubted = [Doubt(one.line, "overdrawn", "2026-10") for one in back]
    assert found(tmp_path, line("L-1"), *back) == (doubted if wrong else [])


@pytest.mark.parametrize("state", ["refunded", "cancelled"])
def test_what_brought_nothing_is_not_taken_back(tmp_path: Path, state: str) -> None:
    lines = [line("L-1", state=state), line("R-1", 1, "refunded", "L-1")]
    assert found(tmp_path, *lines) == [Doubt("R-1", "overdrawn", "2026-10")]


def test_a_correction_names_a_line_of_its_own_month_that_is_none_itself(tmp_path: Path) -> None:
    september = write(tmp_path / "september", [line("L-9", span=SEPTEMBER)])
    lines = [
        line("L-1"),
        line("R-1", 10, "refunded", "L-7"),
        line("R-2", 10, "refunded", "L-1"),
        line("R-3", 10, "correction", "R-2"),
        line("R-4", 10, "refunded", "L-9", span=SEPTEMBER),
        line("R-5", 10, "refunded", "L-1", span=SEPTEMBER),
    ]
    told = found(tmp_path, *lines, others={"2026-09": september})
    assert told == [
        Doubt("R-1", "unknown", "2026-10"),
        Doubt("R-3", "unknown", "2026-10"),
        Doubt("R-5", "unknown", "2026-09"),
    ]


def test_of_a_month_that_was_never_split_here_nothing_is_said(tmp_path: Path) -> None:
    assert found(tmp_path, line("R-1", 10, "refunded", "L-1", span=SEPTEMBER)) == []


def test_a_correction_counts_in_one_month_and_what_others_took_back_counts_too(tmp_path: Path) -> None:
    september = write(tmp_path / "september", [line("L-1", span=SEPTEMBER)])
    november = write(
        tmp_path / "november",
        [
            line("R-1", 300, "refunded", "L-1", span=SEPTEMBER),
            line("R-2", 600, "refunded", "L-1", span=SEPTEMBER),
        ],
    )
    others = {"2026-09": september, "2026-11": november}
    again = line("R-1", 300, "refunded", "L-1", span=SEPTEMBER)
    assert found(tmp_path, again, others={"2026-11": november}) == [Doubt("R-1", "counted", "2026-11")]
    fits, too_much = (line(name, net, "refunded", "L-1", span=SEPTEMBER) for name, net in (("R-3", 100), ("R-4", 101)))
    assert found(tmp_path, fits, others=others) == []
    assert found(tmp_path, too_much, others=others) == [Doubt("R-4", "overdrawn", "2026-09")]
