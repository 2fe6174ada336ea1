"""Lists added up exactly, read back in order and put together."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import NotFound, Refused
from blocks.lines import totals as module
from blocks.lines.columns import SCHEMA
from blocks.lines.totals import data_lines, merge_lists, sums, totals
from blocks.terms.ocp_tariffs import sandbox_tariffs
from blocks.terms.revenue import Total
from blocks.terms.revenue_views import DataLine, TariffLine
from tests.unit.lines.canonical import income, line, write

LARGEST = 10**17 - 1
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
TARIFFS = sandbox_tariffs()

LINES = st.lists(
    st.builds(
        line,
        st.sampled_from(["L-1", "L-2"]),
        service=st.sampled_from(["Телевидение", "Облако"]),
        tariff=st.sampled_from(["TV-BASE", "TV-KINO"]),
        begins_on=st.sampled_from([date(2026, 9, 1), FIRST]),
        net_minor=st.integers(-LARGEST, LARGEST),
        vat_minor=st.integers(-LARGEST, LARGEST),
        state=st.sampled_from(["issued", "paid", "refunded", "cancelled", "correction"]),
        corrects=st.sampled_from(["", "L-0"]),
    ),
    max_size=20,
)
ANY_ORDER = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sign(one: DataLine) -> int:
    return income(one._replace(net_minor=1))


@given(lines=LINES, rows=st.sampled_from([1, 4, 100]))
@ANY_ORDER
def test_totals_are_those_of_lines_added_one_by_one_in_any_order(
    tmp_path: Path, lines: list[DataLine], rows: int
) -> None:
    expected: dict[tuple[str, date, date], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in lines:
        if sign(one):
            held = expected[one.tariff, one.begins_on, one.ends_on]
            for at, value in enumerate((1, sign(one) * one.net_minor, sign(one) * one.vat_minor)):
                held[at] += value
    random.Random(rows).shuffle(lines)  # noqa: S311
    found = totals(write(tmp_path / "list.parquet", lines, rows=rows), scratch=tmp_path)
    assert [
        ((each.tariff, each.begins_on, each.ends_on), [each.lines, each.income_minor, each.vat_minor]) for each in found
    ] == sorted(expected.items())


@given(lines=LINES, rows=st.sampled_from([1, 4, 100]))
@ANY_ORDER
def test_sums_count_every_line_by_service_tariff_and_state(tmp_path: Path, lines: list[DataLine], rows: int) -> None:
    expected: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in lines:
        held = expected[one.service, one.tariff, one.state]
        for at, value in enumerate((1, one.net_minor, one.vat_minor, income(one))):
            held[at] += value
    random.Random(rows).shuffle(lines)  # noqa: S311
    found = sums(write(tmp_path / "list.parquet", lines, rows=rows), TARIFFS, scratch=tmp_path)
    assert [
        ((each.service, each.tariff, each.state), [each.lines, each.net_minor, each.vat_minor, each.income_minor])
        for each in found
    ] == sorted(expected.items())
    assert all(each.title == TARIFFS.row(each.tariff).title for each in found)


@pytest.mark.clause("OCP-P5.1")
def test_ocp_p5_1_what_is_issued_counts_what_is_cancelled_does_not_and_refunds_take_back(tmp_path: Path) -> None:
    lines = [
        line("1", net_minor=1000, vat_minor=160),
        line("2", net_minor=200, vat_minor=32, state="paid"),
        line("3", net_minor=5000, vat_minor=800, state="cancelled"),
        line("4", net_minor=7000, vat_minor=1120, state="refunded"),
        line("5", net_minor=30, vat_minor=5, state="refunded", corrects="0"),
        line("6", net_minor=-4, vat_minor=-1, state="correction", corrects="0"),
    ]
    path = write(tmp_path / "list.parquet", lines)
    # 1000 + 200 - 30 - 4 = 1166; 160 + 32 - 5 - 1 = 186; lines 1, 2, 5 and 6 count.
    expected = Total(tariff="TV-BASE", begins_on=FIRST, ends_on=LAST, lines=4, income_minor=1166, vat_minor=186)
    assert totals(path, scratch=tmp_path) == (expected,)
    refunded = TariffLine(
        service="Телевидение",
        tariff="TV-BASE",
        title="Телевидение, базовый пакет",
        state="refunded",
        lines=2,
        net_minor=7030,
        vat_minor=1125,
        income_minor=-30,
    )
    assert refunded in sums(path, TARIFFS, scratch=tmp_path)


def test_an_empty_list_has_no_totals_no_sums_and_no_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", [])
    assert totals(path, scratch=tmp_path) == ()
    assert sums(path, TARIFFS, scratch=tmp_path) == ()
    assert list(data_lines(path, scratch=tmp_path)) == []


def test_sums_of_a_tariff_that_the_table_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        sums(write(tmp_path / "list.parquet", [line(tariff="OLD")]), TARIFFS, scratch=tmp_path)


@pytest.mark.parametrize("amount", ["net_minor", "vat_minor"])
@pytest.mark.parametrize("side", [1, -1])
def test_a_sum_past_64_bits_is_refused_and_never_wraps(tmp_path: Path, amount: str, side: int) -> None:
    lines = [line(str(number), **{amount: side * LARGEST}) for number in range(93)]
    fits, wraps = write(tmp_path / "fits.parquet", lines[1:]), write(tmp_path / "wraps.parquet", lines)
    [total] = totals(fits, scratch=tmp_path)
    assert side * 92 * LARGEST in (total.income_minor, total.vat_minor)
    for refused in (lambda: totals(wraps, scratch=tmp_path), lambda: sums(wraps, TARIFFS, scratch=tmp_path)):
        with pytest.raises(Refused) as raised:
            refused()
        assert raised.value.reason == "too_large"


def test_data_lines_come_whole_by_invoice_and_line_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    lines = [line(f"L-{number}", invoice=f"INV-{number % 4}", net_minor=number) for number in range(10, 99)]
    random.Random(1).shuffle(lines)  # noqa: S311
    found = data_lines(write(tmp_path / "list.parquet", lines, rows=7), scratch=tmp_path)
    assert list(found) == sorted(lines, key=lambda one: (one.invoice, one.line))


def test_data_lines_that_are_not_read_to_the_end_leave_nothing_in_scratch(tmp_path: Path) -> None:
    found = data_lines(write(tmp_path / "list.parquet", [line("1"), line("2")]), scratch=tmp_path)
    assert next(iter(found)).line == "1"
    found.close()
    assert [path.name for path in tmp_path.iterdir()] == ["list.parquet"]


def test_merged_lists_hold_every_line_in_the_order_given_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    lists = [[line("9"), line("1")], [], [line("5", customer="=1+1")]]
    paths = [write(tmp_path / f"{at}.parquet", lines, rows=1) for at, lines in enumerate(lists)]
    assert merge_lists(paths, tmp_path / "one.parquet", scratch=tmp_path) == 3
    assert pq.read_table(tmp_path / "one.parquet").schema.equals(SCHEMA)
    assert [each["line"] for each in pq.read_table(tmp_path / "one.parquet").to_pylist()] == ["9", "1", "5"]
    write(paths[0], lists[0], rows=2)
    merge_lists(paths, tmp_path / "two.parquet", scratch=tmp_path)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_no_lists_merge_into_an_empty_one(tmp_path: Path) -> None:
    assert merge_lists([], tmp_path / "merged.parquet", scratch=tmp_path) == 0
    assert pq.read_table(tmp_path / "merged.parquet").schema.equals(SCHEMA)


@pytest.mark.parametrize("lists", [[["1", "2"], ["3", "2"]], [["1", "2", "2"]]])
def test_lists_in_which_a_line_stands_twice_are_not_merged(tmp_path: Path, lists: list[list[str]]) -> None:
    paths = [write(tmp_path / f"{at}.parquet", [line(name) for name in each]) for at, each in enumerate(lists)]
    with pytest.raises(Refused, match=r"1 lines stand more than once: 2$") as raised:
        merge_lists(paths, tmp_path / "merged.parquet", scratch=tmp_path)
    assert raised.value.reason == "same_line"
    assert not (tmp_path / "merged.parquet").exists()


def test_of_many_repeated_lines_the_first_few_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", [line(f"L-{number}") for number in range(7)])
    with pytest.raises(Refused, match=r"7 lines .*: L-0, L-1, L-2, L-3, L-4, …$"):
        merge_lists([path, path], tmp_path / "merged.parquet", scratch=tmp_path)
