"""The tariff rows of the ОЦП: which version holds when, and what a published table may not be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.ocp_tariffs import FEE_BP, VAT_BP, TariffRow, TariffTable, read_tariffs, sandbox_tariffs


def row(code: str, *since: str) -> dict[str, Any]:
    return {"code": code, "title": code, "version": [{"since": day, "price": "1.00"} for day in since]}


TV = TariffRow.model_validate(row("TV", "2026-01-10", "2026-10-16", "2026-10-20"))


def between(begins: str, ends: str) -> list[tuple[str, str, str]]:
    parts = TV.between(date.fromisoformat(begins), date.fromisoformat(ends))
    return [(start.isoformat(), end.isoformat(), version.since.isoformat()) for start, end, version in parts]


@pytest.mark.parametrize(
    ("begins", "ends", "parts"),
    [
        ("2026-10-01", "2026-10-15", [("2026-10-01", "2026-10-15", "2026-01-10")]),
        (
            "2026-10-01",
            "2026-10-16",
            [("2026-10-01", "2026-10-15", "2026-01-10"), ("2026-10-16", "2026-10-16", "2026-10-16")],
        ),
        ("2026-10-16", "2026-10-16", [("2026-10-16", "2026-10-16", "2026-10-16")]),
        ("2026-10-16", "2026-10-19", [("2026-10-16", "2026-10-19", "2026-10-16")]),
        (
            "2026-10-15",
            "2026-10-31",
            [
                ("2026-10-15", "2026-10-15", "2026-01-10"),
                ("2026-10-16", "2026-10-19", "2026-10-16"),
                ("2026-10-20", "2026-10-31", "2026-10-20"),
            ],
        ),
        ("2026-10-20", "2026-10-31", [("2026-10-20", "2026-10-31", "2026-10-20")]),
        ("2026-01-10", "2026-01-10", [("2026-01-10", "2026-01-10", "2026-01-10")]),
    ],
)
def test_a_span_has_the_versions_that_hold_in_it_each_with_its_days(
    begins: str, ends: str, parts: list[tuple[str, str, str]]
) -> None:
    assert between(begins, ends) == parts


@pytest.mark.parametrize(("begins", "ends"), [("2026-01-09", "2026-01-09"), ("2026-01-09", "2026-10-31")])
def test_a_span_that_begins_before_the_first_version_has_none(begins: str, ends: str) -> None:
    with pytest.raises(NotFound, match="TV 2026-01-09"):
        between(begins, ends)


@pytest.mark.parametrize(
    "since",
    [(), ("2026-01-01", "2026-01-01"), ("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-03-01", "2026-02-01")],
)
def test_a_row_without_strictly_rising_days_is_refused(since: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        TariffRow.model_validate(row("TV", *since))


@pytest.mark.parametrize(("fee_bp", "accepted"), [(-1, False), (0, True), (10_000, True), (10_001, False)])
def test_a_fee_is_between_nothing_and_all(fee_bp: int, accepted: bool) -> None:
    facts = {"code": "TV", "title": "TV", "version": [{"since": "2026-01-01", "fee_bp": fee_bp}]}
    if accepted:
        assert TariffRow.model_validate(facts).version[0].fee_bp == fee_bp
        return
    with pytest.raises(ValidationError, match="fee_bp"):
        TariffRow.model_validate(facts)


def test_a_row_that_names_no_fee_has_twenty_percent() -> None:
    assert FEE_BP == 2000
    assert TV.version[0].fee_bp == FEE_BP


def test_a_code_stands_once_in_a_table() -> None:
    TariffTable.model_validate({"tariff": [row("TV", "2026-01-01"), row("TV2", "2026-01-01")]})
    with pytest.raises(ValidationError, match="stands once"):
        TariffTable.model_validate({"tariff": [row("TV", "2026-01-01"), row("TV", "2026-01-01")]})


def test_a_row_is_found_by_its_code_alone() -> None:
    table = TariffTable.model_validate({"tariff": [row("TV", "2026-01-01"), row("TV2", "2026-01-01")]})
    assert table.row("TV2").code == "TV2"
    with pytest.raises(NotFound, match="tv"):
        table.row("tv")


@pytest.mark.parametrize("price", ["1490.5.0", "NaN", "1.005", "true", "1490.00"])
def test_a_price_is_exact_or_refused(price: str) -> None:
    quoted = price if price == "true" else f'"{price}"'
    text = f'[[tariff]]\ncode = "TV"\ntitle = "TV"\n[[tariff.version]]\nsince = 2026-01-01\nprice = {quoted}\n'
    if price == "1490.00":
        assert str(read_tariffs(text).row("TV").version[0].price) == "1490.00"
        return
    with pytest.raises(ValidationError):
        read_tariffs(text)


def test_a_price_written_as_a_binary_float_is_refused() -> None:
    with pytest.raises(ValidationError, match="never as a float"):
        read_tariffs('[[tariff]]\ncode = "TV"\ntitle = "TV"\n[[tariff.version]]\nsince = 2026-01-01\nprice = 1490.5\n')


def test_the_example_is_marked_and_has_a_row_that_changes_within_a_month() -> None:
    table = sandbox_tariffs()
    assert table.sandbox
    parts = table.row("TV-BASE").between(date(2026, 10, 1), date(2026, 10, 31))
    assert [version.fee_bp for _, _, version in parts] == [2000, 1800]


@pytest.mark.parametrize(
    ("day", "bp"),
    [
        (date(2009, 1, 1), 1200),
        (date(2025, 12, 31), 1200),
        (date(2026, 1, 1), 1600),
        (date(2026, 1, 2), 1600),
    ],
)
def test_vat_of_kazakhstan_is_12_percent_until_2025_and_16_from_2026(day: date, bp: int) -> None:
    assert VAT_BP.on(day) == bp


def test_before_2009_no_vat_is_known() -> None:
    with pytest.raises(NotFound):
        VAT_BP.on(date(2008, 12, 31))
