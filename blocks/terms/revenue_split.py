"""The revenue of the ОЦП shared by month (Appendix 5): totals to the rows of an act, and settled differences to totals.

Amounts are whole tiyn without VAT, signed; nothing here is rounded but where it says so, and parts always sum to their
whole. A month is shared anew from all its totals each time; an act states what that changes of the acts before it, so
that no act is ever edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import groupby
from math import floor
from typing import NamedTuple

from blocks.errors import NotFound, TermsViolated
from blocks.terms.base import Frozen
from blocks.terms.money import half_up
from blocks.terms.ocp_tariffs import TariffRow, TariffTable, TariffVersion
from blocks.terms.revenue import (
    Difference,
    Figures,
    LineState,
    Reconciliation,
    Settlement,
    SplitRow,
    Total,
    Way,
    first_day,
    last_day,
    month_of,
    words_on,
)


def counts(state: LineState, corrects: bool) -> int:
    """By what the sum of a line is multiplied in the income: 1, 0 or -1. `corrects`: whether it names another line."""
    if state is LineState.REFUNDED:
        return -1 if corrects else 0
    return 0 if state is LineState.CANCELLED else 1


def merge_totals(totals: Iterable[Total]) -> tuple[Total, ...]:
    """One total for a tariff and span, in that order; those of nothing but zeros are left out."""
    sums: dict[tuple[str, date, date], tuple[int, int, int]] = {}
    for one in totals:
        key = (one.tariff, one.begins_on, one.ends_on)
        lines, income, vat = sums.get(key, (0, 0, 0))
        sums[key] = (lines + one.lines, income + one.income_minor, vat + one.vat_minor)
    return tuple(
        Total(tariff=tariff, begins_on=begins, ends_on=ends, lines=lines, income_minor=income, vat_minor=vat)
        for (tariff, begins, ends), (lines, income, vat) in sorted(sums.items())
        if lines or income or vat
    )


def split_month(month: str, totals: Iterable[Total], tariffs: TariffTable) -> tuple[SplitRow, ...]:
    """The rows of a month, by tariff and version; those of nothing but zeros are left out.

    A total over a change of its tariff is shared by calendar days, exactly; the sums of a tariff's versions are made
    whole by largest remainder, ties to the earlier version. Its lines count in the version of its first day.

    The month's fee is the sum of the rows' exact fees, rounded half up (away from zero) once; the rows' fees are made
    whole by largest remainder, ties in the order of the rows. Raises ValueError for a total that is not inside the
    month, NotFound for a tariff that is not in the table, or not yet on a total's first day.
    """
    held = tuple(totals)
    for one in held:
        if not first_day(month) <= one.begins_on <= one.ends_on <= last_day(month):
            raise ValueError(f"{one.tariff} {one.begins_on} - {one.ends_on}: not inside {month}")
    by_tariff = groupby(merge_totals(held), key=lambda one: one.tariff)
    return _with_fees(
        month, [share for code, group in by_tariff for share in _by_version(month, tariffs.row(code), list(group))]
    )


class _Share(NamedTuple):
    tariff: str
    since: date
    until: date
    fee_bp: int
    lines: int
    income_minor: int
    vat_minor: int


def _versions(month: str, row: TariffRow) -> list[tuple[date, date, TariffVersion]]:
    """The versions of a row in a month, each with its days in it; none of a row that begins later."""
    first, last = max(first_day(month), row.version[0].since), last_day(month)
    return row.between(first, last) if first <= last else []


def _by_version(month: str, row: TariffRow, totals: Sequence[Total]) -> Iterator[_Share]:
    versions = _versions(month, row)
    place = {version.since: index for index, (_, _, version) in enumerate(versions)}
    lines, income, vat = [0] * len(versions), [Fraction()] * len(versions), [Fraction()] * len(versions)
    for one in totals:
        days = (one.ends_on - one.begins_on).days + 1
        for start, end, version in row.between(one.begins_on, one.ends_on):
            index, part = place[version.since], (end - start).days + 1
            lines[index] += one.lines if start == one.begins_on else 0
            income[index] += Fraction(one.income_minor * part, days)
            vat[index] += Fraction(one.vat_minor * part, days)
    whole = zip(lines, _whole(income, int(sum(income))), _whole(vat, int(sum(vat))), strict=True)
    for (since, until, version), (count, net, tax) in zip(versions, whole, strict=True):
        if count or net or tax:
            yield _Share(row.code, since, until, version.fee_bp, count, net, tax)


def _whole(exact: Sequence[Fraction], total: int) -> list[int]:
    """Whole parts by largest remainder, ties to the earlier; `total` is their sum or what it rounds to."""
    parts = [floor(one) for one in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _with_fees(month: str, shares: Sequence[_Share]) -> tuple[SplitRow, ...]:
    exact = [Fraction(share.income_minor * share.fee_bp, 10_000) for share in shares]
    fees = _whole(exact, half_up(sum(exact, Fraction())))
    return tuple(
        SplitRow(
            month_of=month,
            **share._asdict(),
            fee_minor=fee,
            reward_minor=share.income_minor - fee,
            rounding_minor=fee - half_up(alone),
        )
        for share, alone, fee in zip(shares, exact, fees, strict=True)
    )


def act_rows(
    month: str,
    fresh: Sequence[Total],
    before: Mapping[str, Sequence[Total]],
    acted: Mapping[str, Sequence[SplitRow]],
    tariffs: TariffTable,
) -> tuple[SplitRow, ...]:
    """The rows of an act: of its own month first, then what it changes of earlier months, by month, tariff and version.

    `fresh` are the totals that it adds to any months up to its own; `before` and `acted` the totals and the rows of
    earlier acts by month. Each month of `fresh` is shared anew, and what was acted is taken off: a row is what is to be
    added to the rows acted to make the month right. Rows that change nothing are left out.

    Raises ValueError for a month later than the act's, TermsViolated (OCP-P4) where the table no longer has the
    versions that a month was acted by, and what `split_month` raises.
    """
    added = {
        of: tuple(group)
        for of, group in groupby(sorted(fresh, key=lambda one: one.begins_on), key=lambda one: month_of(one.begins_on))
    }
    if later := [of for of in added if of > month]:
        raise ValueError(f"an act of {month} adds nothing to {', '.join(later)}")
    rows: list[SplitRow] = []
    for of in sorted(added, key=lambda of: (of != month, of)):
        acted_rows = acted.get(of, ())
        _as_published(of, acted_rows, tariffs)
        rows += _changes(split_month(of, [*before.get(of, ()), *added[of]], tariffs), acted_rows)
    return tuple(rows)


def _as_published(month: str, acted: Sequence[SplitRow], tariffs: TariffTable) -> None:
    for code in {row.tariff for row in acted}:
        try:
            versions = _versions(month, tariffs.row(code))
        except NotFound:
            versions = []
        published = {(since, until, version.fee_bp) for since, until, version in versions}
        if rewritten := [row for row in acted if row.tariff == code and _version(row) not in published]:
            since, until, fee_bp = min(_version(row) for row in rewritten)
            raise TermsViolated(
                "OCP-P4",
                f"{code} {since} - {until} was acted with the fee of {fee_bp} basis points, and the tariffs say "
                "otherwise now: old values are never overwritten",
            )


def _version(row: SplitRow) -> tuple[date, date, int]:
    return row.since, row.until, row.fee_bp


_SUMS = ("lines", "income_minor", "fee_minor", "reward_minor", "vat_minor")


def _changes(rows: Sequence[SplitRow], acted: Sequence[SplitRow]) -> Iterator[SplitRow]:
    found = {(row.tariff, row.since): row for row in rows}
    for row in acted:
        held = found.get((row.tariff, row.since)) or row.model_copy(update=dict.fromkeys(_SUMS, 0))
        left = {name: getattr(held, name) - getattr(row, name) for name in _SUMS}
        alone = half_up(Fraction(left["income_minor"] * row.fee_bp, 10_000))
        found[row.tariff, row.since] = held.model_copy(update={**left, "rounding_minor": left["fee_minor"] - alone})
    return (row for _, row in sorted(found.items()) if any(getattr(row, name) for name in _SUMS))


class Settled(Frozen):
    """What is left of a reconciliation: differences without a word, and what the accepted ones add to our totals."""

    open: tuple[Difference, ...]
    adjustments: tuple[Total, ...]


def settle(result: Reconciliation, settlements: Sequence[Settlement]) -> Settled:
    """Put people's words, in the order in which they were said, to the differences of a reconciliation (`words_on`).

    Explained: our figures stand. Accepted: the Operator's replace ours.
    """
    still_open: list[Difference] = []
    adjustments: list[Total] = []
    for one, word in zip(result.differences, words_on(result, settlements), strict=True):
        if word is None:
            still_open.append(one)
        elif word.way is Way.ACCEPTED:
            adjustments += [_total(figures, -1) for figures in one.ours]
            adjustments += [_total(figures, 1) for figures in one.theirs]
    return Settled(open=tuple(still_open), adjustments=merge_totals(adjustments))


def _total(figures: Figures, sign: int) -> Total:
    counted = counts(figures.state, corrects=figures.income_minor != 0)
    return Total(
        tariff=figures.tariff,
        begins_on=figures.begins_on,
        ends_on=figures.ends_on,
        lines=sign * abs(counted),
        income_minor=sign * figures.income_minor,
        vat_minor=sign * counted * figures.vat_minor,
    )
