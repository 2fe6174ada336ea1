"""Lines, totals, rows and tariff tables of the revenue split, written short. Amounts are tiyn; days are of a month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import LineState, SplitRow, Total
from blocks.terms.revenue_split import counts


class Line(NamedTuple):
    """An invoice line, as far as the split looks at it."""

    state: LineState
    tariff: str
    begins_on: date
    ends_on: date
    net_minor: int
    vat_minor: int
    corrects: bool


def line(state: str, tariff: str, days: str, net: int, vat: int, *, corrects: bool = False) -> Line:
    """`days` as `2026-10-01..31`."""
    begins, ends = span(days)
    return Line(LineState(state), tariff, begins, ends, net, vat, corrects)


def span(days: str) -> tuple[date, date]:
    begins, _, last = days.partition("..")
    first = date.fromisoformat(begins)
    return first, first.replace(day=int(last)) if last else first


def total(tariff: str, days: str, lines: int, income: int, vat: int = 0) -> Total:
    begins, ends = span(days)
    return Total(tariff=tariff, begins_on=begins, ends_on=ends, lines=lines, income_minor=income, vat_minor=vat)


def totals(lines: Sequence[Line]) -> list[Total]:
    """A total for each line that counts, with its sums signed as they count."""
    return [
        Total(
            tariff=one.tariff,
            begins_on=one.begins_on,
            ends_on=one.ends_on,
            lines=1,
            income_minor=sign * one.net_minor,
            vat_minor=sign * one.vat_minor,
        )
        for one in lines
        if (sign := counts(one.state, one.corrects))
    ]


def row(
    tariff: str,
    days: str,
    fee_bp: int,
    lines: int,
    income: int,
    fee: int,
    reward: int,
    vat: int = 0,
    rounding: int = 0,
) -> SplitRow:
    since, until = span(days)
    return SplitRow(
        month_of=days[:7],
        tariff=tariff,
        since=since,
        until=until,
        fee_bp=fee_bp,
        lines=lines,
        income_minor=income,
        fee_minor=fee,
        reward_minor=reward,
        vat_minor=vat,
        rounding_minor=rounding,
    )


def table(**rows: dict[str, int]) -> TariffTable:
    """Rows by code, each with the fee from each of its days on: `table(TV={"2024-01-01": 2000})`."""
    return TariffTable.model_validate(
        {
            "tariff": [
                {
                    "code": code,
                    "title": code,
                    "version": [{"since": since, "fee_bp": fee_bp} for since, fee_bp in versions.items()],
                }
                for code, versions in rows.items()
            ]
        }
    )
