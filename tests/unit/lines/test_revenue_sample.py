"""The sample lists: what is planted is found, prices and rounding are those of the terms, and the bytes repeat."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from blocks.lines.comparing import reconcile
from blocks.lines.totals import data_lines
from blocks.terms.ocp_tariffs import VAT_BP, sandbox_tariffs
from blocks.terms.revenue import Cause, LineState, month_of
from flows.cli.revenue_sample import Form, write_sample


def test_every_planted_difference_is_found_under_its_cause_and_no_other(tmp_path: Path) -> None:
    planted = {cause: 20 + place for place, cause in enumerate(Cause)}
    sample = write_sample(tmp_path, 3000, month="2026-10", form="canonical", differences=planted)
    assert sample.planted == planted
    result = reconcile(sample.ours, sample.theirs, month="2026-10", key="k", scratch=tmp_path)
    assert {each.cause: each.lines for each in result.by_cause} == planted
    assert result.ours_lines == 3000
    assert (
        result.theirs_lines
        == 3000 + planted[Cause.DUPLICATE] + planted[Cause.MISSING_AT_US] - planted[Cause.MISSING_AT_THEM]
    )
    several = [each for each in result.differences if len(each.causes) > 1]
    assert several
    assert all(each.causes == (Cause.AMOUNT, Cause.CUSTOMER) for each in several)


@pytest.mark.parametrize("month", ["2024-01", "2025-12", "2026-10"])
def test_lines_keep_to_the_tariffs_the_rates_and_the_rounding(tmp_path: Path, month: str) -> None:
    sample = write_sample(tmp_path, 2000, month=month, form="canonical")
    tariffs, states = sandbox_tariffs(), set()
    for one in data_lines(sample.ours, scratch=tmp_path):
        price = tariffs.row(one.tariff).between(one.begins_on, one.ends_on)[0][2].price
        assert price is None or one.price_minor == price * 100
        exact = Decimal(one.quantity_milli) * one.price_minor / 1000
        assert one.net_minor == exact.quantize(Decimal(1), ROUND_HALF_UP)
        assert one.vat_bp in (0, VAT_BP.on(one.begins_on))
        assert one.vat_minor == (Decimal(one.net_minor) * one.vat_bp / 10_000).quantize(Decimal(1), ROUND_HALF_UP)
        assert one.quantity_milli > 0 or one.state == "correction"
        assert month_of(one.begins_on) == month_of(one.ends_on)
        assert month_of(one.begins_on) == month or one.corrects
        assert month_of(one.begins_on) <= month
        assert not one.corrects or one.state in ("refunded", "correction")
        assert one.corrects or one.state != "correction"
        states.add((one.state, bool(one.corrects)))
    assert {state for state, _ in states} == set(LineState)
    assert {("refunded", True), ("refunded", False)} <= states


@pytest.mark.parametrize("form", ["parquet", "csv", "canonical"])
def test_the_same_arguments_write_the_same_bytes_and_another_seed_others(tmp_path: Path, form: Form) -> None:
    folders = [tmp_path / name for name in ("one", "two", "other")]
    samples = []
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        folder.mkdir()
        samples.append(write_sample(folder, 300, month="2026-10", seed=seed, form=form))
    for side in ("ours", "theirs"):
        one, two, other = (getattr(sample, side).read_bytes() for sample in samples)
        assert one == two != other


def test_csv_and_parquet_hold_the_same_lines(tmp_path: Path) -> None:
    parquet = write_sample(tmp_path, 300, month="2026-10", form="parquet")
    text = write_sample(tmp_path, 300, month="2026-10", form="csv")
    table = pq.read_table(parquet.theirs)
    options = pa_csv.ConvertOptions(column_types=table.schema, strings_can_be_null=False)
    assert pa_csv.read_csv(text.theirs, convert_options=options).equals(table)


def test_more_differences_than_a_third_of_the_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a third"):
        write_sample(tmp_path, 30, month="2026-10", differences={Cause.TARIFF: 11})
