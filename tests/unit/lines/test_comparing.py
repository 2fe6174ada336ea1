"""Two lists are compared as a person would compare them, and added up without a loss."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import Refused
from blocks.lines import comparing, totals
from blocks.lines.comparing import reconcile
from blocks.lines.rows import write_rows
from blocks.terms.revenue import LineState
from blocks.terms.revenue_split import counts
from blocks.terms.revenue_views import DataLine
from tests.unit.lines import canonical
from tests.unit.lines.canonical import compared, income
from tests.unit.lines.lists import TARIFFS

BEGINS, ENDS = date(2026, 10, 1), date(2026, 10, 31)


def line(name: str = "L-1", *, net: int = 10_000, vat: int = 1_600, **changes: Any) -> DataLine:
    sums = {"net_minor": net, "vat_minor": vat, "price_minor": abs(net)}
    return canonical.line(name, **{"customer": "c", "tariff": "TV", **sums, **changes})


@st.composite
def some_lines(draw: st.DrawFn) -> DataLine:
    state = draw(st.sampled_from(list(LineState)))
    corrects = state is LineState.CORRECTION or (state is LineState.REFUNDED and draw(st.booleans()))
    net = draw(st.sampled_from([0, 1, 10_000, 10_001, 99_999_999_999_999_999]))
    return line(
        draw(st.sampled_from(["L-1", "L-2", "l-1", "Л-1", "L-1 "])),
        net=-net if state is LineState.CORRECTION and draw(st.booleans()) else net,
        vat=draw(st.sampled_from([0, 16])),
        customer=draw(st.sampled_from(["c", "d"])),
        tariff=draw(st.sampled_from(["TV", "SETUP"])),
        ends_on=draw(st.sampled_from([ENDS, BEGINS])),
        state=state.value,
        corrects="L-0" if corrects else "",
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(some_lines(), max_size=6, unique_by=lambda one: one.line), st.lists(some_lines(), max_size=6))
def test_lists_differ_where_a_person_would_say_so(ours: list[DataLine], theirs: list[DataLine]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(ours, folder / "ours")
        write_rows(theirs, folder / "theirs")
        found = reconcile(folder / "ours", folder / "theirs", month="2026-10", key="k", scratch=folder)
        write_rows(random.Random(0).sample(theirs, len(theirs)), folder / "theirs")  # noqa: S311 - the order alone
        again = reconcile(folder / "ours", folder / "theirs", month="2026-10", key="k", scratch=folder)

    expected = compared(ours, theirs)
    assert {one.line: one.causes for one in found.differences} == {name: one[0] for name, one in expected.items()}
    for one in found.differences:
        for held, figures in zip((one.ours, one.theirs), expected[one.line][1:], strict=True):
            assert sorted(held, key=repr) == figures
    assert (found.ours_lines, found.ours_minor) == (len(ours), sum(map(income, ours)))
    assert (found.theirs_lines, found.theirs_minor) == (len(theirs), sum(map(income, theirs)))
    assert found.matched_lines == len({one.line for one in (*ours, *theirs)} - expected.keys())
    assert found.matched_minor + sum(one.theirs_minor for one in found.by_cause) == found.theirs_minor
    assert again == found


@pytest.mark.parametrize("twice_at_both", [False, True])
def test_a_line_repeated_without_end_is_refused_before_it_is_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twice_at_both: bool
) -> None:
    monkeypatch.setattr(comparing, "MOST", 100)
    write_rows([line()] * (2 if twice_at_both else 1), tmp_path / "ours")
    write_rows([line()] * 100, tmp_path / "theirs")
    (one,) = reconcile(tmp_path / "ours", tmp_path / "theirs", month="2026-10", key="k", scratch=tmp_path).differences
    assert len(one.theirs) == 100

    write_rows([line()] * 101, tmp_path / "theirs")
    with pytest.raises(Refused, match="do not belong together"):
        reconcile(tmp_path / "ours", tmp_path / "theirs", month="2026-10", key="k", scratch=tmp_path)


@settings(deadline=None, max_examples=50)
@given(st.lists(some_lines(), max_size=8))
def test_totals_and_sums_count_each_line_by_its_state(lines: list[DataLine]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(lines, folder / "lines")
        found = totals.totals(folder / "lines", scratch=folder)
        sums = totals.sums(folder / "lines", TARIFFS, scratch=folder)
    signs = [counts(LineState(one.state), corrects=bool(one.corrects)) for one in lines]
    assert sum(one.income_minor for one in found) == sum(map(income, lines))
    assert sum(one.vat_minor for one in found) == sum(
        sign * one.vat_minor for sign, one in zip(signs, lines, strict=True)
    )
    assert sum(one.lines for one in found) == sum(sign != 0 for sign in signs)
    assert sum(one.net_minor for one in sums) == sum(one.net_minor for one in lines)
    assert sum(one.income_minor for one in sums) == sum(map(income, lines))
    assert sum(one.lines for one in sums) == len(lines)


def test_a_list_with_a_service_of_its_own_in_every_line_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "MOST_SUMS", 3)
    lines = [line(f"L-{number}", service=f"TV {number}") for number in range(4)]
    write_rows(lines[:3], tmp_path / "few")
    write_rows(lines, tmp_path / "many")
    assert len(totals.sums(tmp_path / "few", TARIFFS, scratch=tmp_path)) == 3
    with pytest.raises(Refused, match="more than 3 services"):
        totals.sums(tmp_path / "many", TARIFFS, scratch=tmp_path)


def test_a_line_stands_once_in_lists_put_together(tmp_path: Path) -> None:
    write_rows([line("L-1"), line("L-2")], tmp_path / "a")
    write_rows([line("L-3"), line("L-2")], tmp_path / "b")
    with pytest.raises(Refused, match="1 lines stand more than once: L-2"):
        totals.merge_lists([tmp_path / "a", tmp_path / "b"], tmp_path / "c", scratch=tmp_path)
    assert not (tmp_path / "c").exists()
    write_rows([line("L-3")], tmp_path / "b")
    assert totals.merge_lists([tmp_path / "a", tmp_path / "b"], tmp_path / "c", scratch=tmp_path) == 3
    assert [one.line for one in totals.data_lines(tmp_path / "c", scratch=tmp_path)] == ["L-1", "L-2", "L-3"]
