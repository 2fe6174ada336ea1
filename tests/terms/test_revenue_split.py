"""The split of revenue: parts and wholes, order, corrections over several acts, and settled differences."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from blocks.errors import NotFound, TermsViolated
from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import (
    Cause,
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
)
from blocks.terms.revenue_split import Settled, act_rows, counts, merge_totals, settle, split_month
from tests.terms.revenue_lines import row, span, table, total

MONTHS = ["2026-08", "2026-09", "2026-10"]
TWENTIES = table(A={"2024-01-01": 2000}, B={"2024-01-01": 2000})

AMOUNTS = st.one_of(st.integers(-50, 50), st.integers(-(10**17), 10**17))
FEES = st.one_of(st.sampled_from([0, 1, 1500, 2000, 2250, 3333, 10_000]), st.integers(0, 10_000))
CHANGES = st.dates(date(2026, 7, 28), date(2026, 11, 3))


@st.composite
def tables(draw: st.DrawFn) -> TariffTable:
    rows = {}
    for code in draw(st.sampled_from(["A", "AB", "ABC"])):
        days = [date(2024, 1, 1), *sorted(draw(st.sets(CHANGES, max_size=3)))]
        rows[code] = {day.isoformat(): draw(FEES) for day in days}
    return table(**rows)


@st.composite
def totals_of(draw: st.DrawFn, tariffs: TariffTable, months: Sequence[str]) -> Total:
    month = draw(st.sampled_from(months))
    days = st.integers(0, (last_day(month) - first_day(month)).days)
    first, last = sorted((draw(days), draw(days)))
    return Total(
        tariff=draw(st.sampled_from(tariffs.tariff)).code,
        begins_on=first_day(month) + timedelta(days=first),
        ends_on=first_day(month) + timedelta(days=last),
        lines=draw(st.integers(-3, 5)),
        income_minor=draw(AMOUNTS),
        vat_minor=draw(AMOUNTS),
    )


@st.composite
def months_of_totals(draw: st.DrawFn) -> tuple[TariffTable, list[Total]]:
    tariffs = draw(tables())
    return tariffs, draw(st.lists(totals_of(tariffs, ["2026-10"]), max_size=12))


def half_up(ten_thousandths: int) -> int:
    """By the decimal library, and not by the rule under test."""
    with localcontext() as context:
        context.prec = 60
        return int(Decimal(ten_thousandths).scaleb(-4).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def by_day(totals: Sequence[Total], tariffs: TariffTable) -> dict[tuple[str, date], list[Fraction]]:
    """The exact income and VAT of every tariff and version, gathered day by day, and the lines of its first days."""
    found: dict[tuple[str, date], list[Fraction]] = defaultdict(lambda: [Fraction(), Fraction(), Fraction()])
    for one in totals:
        days = (one.ends_on - one.begins_on).days + 1
        for day in (one.begins_on + timedelta(days=n) for n in range(days)):
            held = max(version.since for version in tariffs.row(one.tariff).version if version.since <= day)
            sums = found[one.tariff, max(held, first_day(month_of(day)))]
            sums[0] += one.lines if day == one.begins_on else 0
            sums[1] += Fraction(one.income_minor, days)
            sums[2] += Fraction(one.vat_minor, days)
    return found


@given(months_of_totals())
def test_the_rows_of_a_month_sum_to_its_totals_tariff_by_tariff(month: tuple[TariffTable, list[Total]]) -> None:
    tariffs, totals = month
    rows = split_month("2026-10", totals, tariffs)
    for code in {tariff.code for tariff in tariffs.tariff}:
        of_totals = [one for one in totals if one.tariff == code]
        of_rows = [one for one in rows if one.tariff == code]
        for name in ("lines", "income_minor", "vat_minor"):
            assert sum(getattr(one, name) for one in of_rows) == sum(getattr(one, name) for one in of_totals)


@given(months_of_totals())
def test_a_version_has_its_share_by_days_within_a_tiyn(month: tuple[TariffTable, list[Total]]) -> None:
    tariffs, totals = month
    rows = {(one.tariff, one.since): one for one in split_month("2026-10", totals, tariffs)}
    shares = by_day(totals, tariffs)
    assert set(rows) <= set(shares)
    for key, (lines, income, vat) in shares.items():
        held = rows.get(key)
        assert lines == (held.lines if held else 0)
        assert abs(income - (held.income_minor if held else 0)) < 1
        assert abs(vat - (held.vat_minor if held else 0)) < 1


@given(months_of_totals())
def test_fee_and_reward_are_the_income_and_the_fee_is_rounded_once(month: tuple[TariffTable, list[Total]]) -> None:
    tariffs, totals = month
    rows = split_month("2026-10", totals, tariffs)
    event(f"rounded rows: {sum(one.rounding_minor != 0 for one in rows)}")
    assert sum(one.fee_minor for one in rows) == half_up(sum(one.income_minor * one.fee_bp for one in rows))
    for one in rows:
        assert one.fee_minor + one.reward_minor == one.income_minor
        assert abs(10_000 * one.fee_minor - one.income_minor * one.fee_bp) < 10_000
        assert one.rounding_minor == one.fee_minor - half_up(one.income_minor * one.fee_bp)
        assert one.rounding_minor in {-1, 0, 1}


@given(months_of_totals())
def test_the_tiyn_left_over_goes_to_the_largest_remainders_and_of_equal_ones_to_the_first(
    month: tuple[TariffTable, list[Total]],
) -> None:
    tariffs, totals = month
    rows = split_month("2026-10", totals, tariffs)
    order = sorted(
        range(len(rows)), key=lambda index: (-(rows[index].income_minor * rows[index].fee_bp % 10_000), index)
    )
    raised = [rows[index].fee_minor - rows[index].income_minor * rows[index].fee_bp // 10_000 for index in order]
    assert raised == sorted(raised, reverse=True)
    assert set(raised) <= {0, 1}


@given(months_of_totals())
def test_rows_stand_in_order_each_once_with_the_days_and_the_fee_of_its_version(
    month: tuple[TariffTable, list[Total]],
) -> None:
    tariffs, totals = month
    rows = split_month("2026-10", totals, tariffs)
    assert all((a.tariff, a.since) < (b.tariff, b.since) for a, b in pairwise(rows))
    for one in rows:
        version = max((v for v in tariffs.row(one.tariff).version if v.since <= one.since), key=lambda v: v.since)
        later = [v.since for v in tariffs.row(one.tariff).version if v.since > one.since]
        assert one.fee_bp == version.fee_bp
        assert one.since == max(version.since, date(2026, 10, 1))
        assert one.until == min([date(2026, 10, 31), *(day - timedelta(days=1) for day in later)])
        assert one.month_of == "2026-10"
        assert one.lines or one.income_minor or one.vat_minor


@given(months_of_totals(), st.randoms(use_true_random=False))
def test_the_order_of_totals_never_matters_nor_in_how_many_pieces_they_come(
    month: tuple[TariffTable, list[Total]], chance: random.Random
) -> None:
    tariffs, totals = month
    pieces = [piece for one in totals for piece in in_two(one, chance)]
    chance.shuffle(pieces)
    assert merge_totals(pieces) == merge_totals(totals)
    assert split_month("2026-10", iter(pieces), tariffs) == split_month("2026-10", totals, tariffs)
    assert act_rows("2026-10", pieces, {}, {}, tariffs) == act_rows("2026-10", totals, {}, {}, tariffs)


def in_two(one: Total, chance: random.Random) -> tuple[Total, Total]:
    part = {"lines": chance.randint(-5, 5), "income_minor": chance.randint(-(10**9), 10**9), "vat_minor": 7}
    rest = {name: getattr(one, name) - value for name, value in part.items()}
    return one.model_copy(update=part), one.model_copy(update=rest)


@given(months_of_totals())
def test_merged_totals_are_sorted_each_once_and_never_nothing(month: tuple[TariffTable, list[Total]]) -> None:
    _, totals = month
    merged = merge_totals(totals)
    keys = [(one.tariff, one.begins_on, one.ends_on) for one in merged]
    assert keys == sorted(set(keys))
    assert all(one.lines or one.income_minor or one.vat_minor for one in merged)
    assert sum(one.income_minor for one in merged) == sum(one.income_minor for one in totals)
    assert merge_totals(merged) == merged


def test_a_total_with_anything_in_it_stays() -> None:
    left = [total("A", "2026-10-01", 1, 0), total("B", "2026-10-01", 0, -1), total("C", "2026-10-01", 0, 0, 1)]
    assert merge_totals([*left, total("D", "2026-10-01", 0, 0)]) == tuple(left)


def test_sums_of_many_digits_stay_exact() -> None:
    most = 10**17 - 1  # 10^15 tenge, less a tiyn
    totals = [total("A", f"2026-10-{day:02d}..31", 1, most, most) for day in range(1, 32)]
    (only,) = split_month("2026-10", totals, TWENTIES)
    assert (only.income_minor, only.vat_minor) == (31 * most, 31 * most)
    assert only.fee_minor == 619_999_999_999_999_994  # 3099999999999999969 x 20 % = 619999999999999993.8
    assert only.reward_minor == 2_479_999_999_999_999_975


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("2026-09-30", "2026-10-01"),
        ("2026-10-31", "2026-11-01"),
        ("2026-09-30", "2026-09-30"),
        ("2026-11-01", "2026-11-01"),
        ("2026-10-02", "2026-10-01"),
        ("2025-10-01", "2025-10-31"),
    ],
)
@pytest.mark.parametrize("income", [1, 0])
def test_a_total_that_is_not_inside_the_month_is_refused(begins: str, ends: str, income: int) -> None:
    outside = Total(
        tariff="A",
        begins_on=date.fromisoformat(begins),
        ends_on=date.fromisoformat(ends),
        lines=0,
        income_minor=income,
        vat_minor=0,
    )
    with pytest.raises(ValueError, match="not inside 2026-10"):
        split_month("2026-10", [outside], TWENTIES)


def test_an_unknown_tariff_and_one_that_does_not_hold_yet_are_not_found() -> None:
    starting = table(A={"2026-10-10": 2000})
    with pytest.raises(NotFound, match="no ОЦП tariff B"):
        split_month("2026-10", [total("B", "2026-10-10..31", 1, 1)], starting)
    with pytest.raises(NotFound, match="A 2026-10-09"):
        split_month("2026-10", [total("A", "2026-10-09..31", 1, 1)], starting)
    with pytest.raises(NotFound, match="A 2026-09-01"):
        split_month("2026-09", [total("A", "2026-09-01..30", 1, 1)], starting)
    (only,) = split_month("2026-10", [total("A", "2026-10-20..31", 1, 1)], starting)
    assert (only.since, only.until) == (date(2026, 10, 10), date(2026, 10, 31))


@st.composite
def several_acts(draw: st.DrawFn) -> tuple[TariffTable, list[tuple[str, list[Total]]]]:
    """A table, and acts one after another: each of a month, with totals of it and of earlier ones."""
    tariffs = draw(tables())
    acts = []
    for _ in range(draw(st.integers(1, 4))):
        month = draw(st.sampled_from(MONTHS))
        upto = MONTHS[: MONTHS.index(month) + 1]
        acts.append((month, draw(st.lists(totals_of(tariffs, upto), max_size=5))))
    return tariffs, acts


Sums = Counter[tuple[str, date, date, int, str]]


def sums_of(rows: Sequence[SplitRow]) -> dict[tuple[str, date, date, int, str], int]:
    found: Sums = Counter()
    for one in rows:
        for name in ("lines", "income_minor", "fee_minor", "reward_minor", "vat_minor"):
            found[one.tariff, one.since, one.until, one.fee_bp, name] += getattr(one, name)
    return {key: value for key, value in found.items() if value}


@given(several_acts())
def test_the_acts_of_a_month_always_add_up_to_the_month_as_it_stands(
    story: tuple[TariffTable, list[tuple[str, list[Total]]]],
) -> None:
    tariffs, acts = story
    stated: dict[str, list[Total]] = defaultdict(list)
    acted: dict[str, list[SplitRow]] = defaultdict(list)
    for month, fresh in acts:
        rows = act_rows(month, fresh, stated, acted, tariffs)
        for added in fresh:
            stated[month_of(added.begins_on)].append(added)
        for made in rows:
            acted[made.month_of].append(made)
        for of in MONTHS:
            assert sums_of(acted[of]) == sums_of(split_month(of, stated[of], tariffs))


@given(several_acts())
def test_a_row_of_an_act_changes_something_and_stands_in_its_place(
    story: tuple[TariffTable, list[tuple[str, list[Total]]]],
) -> None:
    tariffs, acts = story
    stated: dict[str, list[Total]] = defaultdict(list)
    acted: dict[str, list[SplitRow]] = defaultdict(list)
    for month, fresh in acts:
        rows = act_rows(month, fresh, stated, acted, tariffs)
        places = [(one.month_of != month, one.month_of, one.tariff, one.since) for one in rows]
        assert places == sorted(set(places))
        assert all(sums_of([one]) for one in rows)
        for one in rows:
            assert one.fee_minor == half_up(one.income_minor * one.fee_bp) + one.rounding_minor
        assert {one.month_of for one in rows} <= {month_of(one.begins_on) for one in fresh}
        for added in fresh:
            stated[month_of(added.begins_on)].append(added)
        for made in rows:
            acted[made.month_of].append(made)


@given(months_of_totals(), st.data())
def test_a_split_and_its_corrections_are_the_corrected_split(
    month: tuple[TariffTable, list[Total]], data: st.DataObject
) -> None:
    tariffs, totals = month
    kept = data.draw(st.lists(st.sampled_from(totals), unique=True) if totals else st.just([]))
    added = data.draw(st.lists(totals_of(tariffs, ["2026-10"]), max_size=4))
    away = [
        one.model_copy(update={"lines": -one.lines, "income_minor": -one.income_minor, "vat_minor": -one.vat_minor})
        for one in totals
        if one not in kept
    ]
    first = split_month("2026-10", totals, tariffs)
    corrections = act_rows("2026-11", [*away, *added], {"2026-10": totals}, {"2026-10": first}, tariffs)
    corrected = split_month("2026-10", [one for one in totals if one in kept] + added, tariffs)
    assert sums_of([*first, *corrections]) == sums_of(corrected)


def test_an_act_adds_nothing_to_a_later_month() -> None:
    with pytest.raises(ValueError, match="2026-09 adds nothing to 2026-10"):
        act_rows("2026-09", [total("A", "2026-10-01..31", 1, 1)], {}, {}, TWENTIES)


def test_a_total_over_two_months_is_refused() -> None:
    crossing = Total(
        tariff="A",
        begins_on=date(2026, 9, 30),
        ends_on=date(2026, 10, 1),
        lines=1,
        income_minor=1,
        vat_minor=0,
    )
    with pytest.raises(ValueError, match="not inside 2026-09"):
        act_rows("2026-10", [crossing], {}, {}, TWENTIES)


def test_months_that_an_act_does_not_touch_are_left_alone() -> None:
    before = {"2026-09": [total("A", "2026-09-01..30", 1, 100)]}
    rows = act_rows("2026-10", [total("A", "2026-10-01..31", 1, 100)], before, {}, TWENTIES)
    assert [one.month_of for one in rows] == ["2026-10"]


def test_a_month_that_was_made_up_and_taken_back_leaves_no_row() -> None:
    before = [total("A", "2026-09-01..30", 1, 100)]
    acted = split_month("2026-09", before, TWENTIES)
    fresh = [total("A", "2026-09-01..30", -1, -100), total("A", "2026-09-02..30", 1, 100)]
    assert act_rows("2026-10", fresh, {"2026-09": before}, {"2026-09": acted}, TWENTIES) == ()


def test_what_was_acted_and_is_no_more_is_taken_off_whole() -> None:
    before = [total("A", "2026-09-01..30", 2, 1003, 160)]
    acted = [row("A", "2026-09-01..30", 2000, 2, 1003, 200, 803, 160, rounding=-1)]
    fresh = [total("A", "2026-09-01..30", -2, -1003, -160)]
    (gone,) = act_rows("2026-10", fresh, {"2026-09": before}, {"2026-09": acted}, TWENTIES)
    assert gone == row("A", "2026-09-01..30", 2000, -2, -1003, -200, -803, -160, rounding=1)


def test_a_row_that_is_no_more_stands_in_its_place_among_the_others() -> None:
    before = [total("A", "2026-09-01..30", 1, 100), total("B", "2026-09-01..30", 1, 100)]
    acted = {"2026-09": split_month("2026-09", before, TWENTIES)}
    fresh = [total("A", "2026-09-01..30", -1, -100), total("B", "2026-09-01..30", 1, 100)]
    rows = act_rows("2026-10", fresh, {"2026-09": before}, acted, TWENTIES)
    assert [(one.tariff, one.income_minor) for one in rows] == [("A", -100), ("B", 100)]


def test_the_rounding_of_a_correction_is_of_what_it_changes_and_not_stated_again() -> None:
    before = [total("A", "2026-09-01..30", 1, 102), total("B", "2026-09-01..30", 1, 108)]
    acted = split_month("2026-09", before, TWENTIES)  # 20.4 + 21.6 = 42: floors 41, the tiyn to B
    assert [(one.fee_minor, one.rounding_minor) for one in acted] == [(20, 0), (22, 0)]
    fresh = [total("B", "2026-09-01..30", 1, -1)]  # 21.4: a tie at 41.8 -> 42, the tiyn to A, which alone is 20
    first = act_rows("2026-10", fresh, {"2026-09": before}, {"2026-09": acted}, TWENTIES)
    assert [(one.tariff, one.fee_minor, one.rounding_minor) for one in first] == [("A", 1, 1), ("B", -1, -1)]
    again = act_rows(
        "2026-10",
        [total("A", "2026-09-01..30", 0, 0, 1)],
        {"2026-09": [*before, *fresh]},
        {"2026-09": [*acted, *first]},
        TWENTIES,
    )
    assert again == (row("A", "2026-09-01..30", 2000, 0, 0, 0, 0, 1),)


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("versions", "untouched"),
    [
        ({"2024-01-01": 2000, "2026-09-16": 1800}, True),
        ({"2024-01-01": 2000, "2026-09-16": 1800, "2026-10-01": 1000}, True),
        ({"2023-01-01": 1000, "2024-01-01": 2000, "2026-09-16": 1800}, True),
        ({"2024-01-01": 2001, "2026-09-16": 1800}, False),
        ({"2024-01-01": 2000, "2026-09-16": 1801}, False),
        ({"2024-01-01": 2000, "2026-09-15": 1800}, False),
        ({"2024-01-01": 2000, "2026-09-17": 1800}, False),
        ({"2024-01-01": 2000, "2026-09-16": 1800, "2026-09-30": 1800}, False),
        ({"2024-01-01": 2000}, False),
        ({"2026-09-16": 1800}, False),
        ({"2026-10-01": 1800}, False),
    ],
)
def test_ocp_p4_old_values_are_never_overwritten(versions: dict[str, int], untouched: bool) -> None:
    published = table(A={"2024-01-01": 2000, "2026-09-16": 1800}, B={"2024-01-01": 2000})
    before = [total("A", "2026-09-10..20", 1, 1100), total("B", "2026-09-01..30", 1, 100)]
    acted = {"2026-09": split_month("2026-09", before, published)}
    fresh = [total("B", "2026-09-01..30", 1, 100)]
    now = table(A=versions, B={"2024-01-01": 2000})
    if untouched:
        (only,) = act_rows("2026-10", fresh, {"2026-09": before}, acted, now)
        assert only.tariff == "B"
        return
    with pytest.raises(TermsViolated, match=r"OCP-P4: A 2026-09-\d\d - 2026-09-\d\d") as refused:
        act_rows("2026-10", fresh, {"2026-09": before}, acted, now)
    assert refused.value.clause == "OCP-P4"


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_a_row_that_was_acted_is_never_deleted() -> None:
    acted = {"2026-09": split_month("2026-09", [total("A", "2026-09-01..30", 1, 100)], TWENTIES)}
    with pytest.raises(TermsViolated, match="A 2026-09-01 - 2026-09-30"):
        act_rows("2026-10", [total("B", "2026-09-01..30", 1, 1)], {}, acted, table(B={"2024-01-01": 2000}))


@pytest.mark.clause("OCP-P5.1")
@pytest.mark.parametrize(
    ("state", "alone", "correcting"),
    [
        (LineState.ISSUED, 1, 1),
        (LineState.PAID, 1, 1),
        (LineState.CANCELLED, 0, 0),
        (LineState.REFUNDED, 0, -1),
        (LineState.CORRECTION, 1, 1),
    ],
)
def test_ocp_p5_1_what_a_line_counts_for(state: LineState, alone: int, correcting: int) -> None:
    assert counts(state, corrects=False) == alone
    assert counts(state, corrects=True) == correcting


def figures(income: int, vat: int = 0, *, state: LineState = LineState.ISSUED, **changes: str) -> Figures:
    begins, ends = span(changes.get("days", "2026-10-01..31"))
    return Figures(
        invoice="1",
        customer="c1",
        service="TV",
        tariff=changes.get("tariff", "A"),
        begins_on=begins,
        ends_on=ends,
        state=state,
        income_minor=income,
        vat_minor=vat,
    )


def difference(line: str, cause: Cause, ours: Sequence[Figures], theirs: Sequence[Figures]) -> Difference:
    return Difference(line=line, causes=(cause,), ours=tuple(ours), theirs=tuple(theirs))


LESS = difference("1", Cause.AMOUNT, [figures(100, 16)], [figures(90, 14)])
MORE = difference("2", Cause.AMOUNT, [figures(100, 16)], [figures(105, 17)])
MISSING = difference("3", Cause.MISSING_AT_THEM, [figures(70, 11)], [])
STRANGE = difference("4", Cause.MISSING_AT_US, [], [figures(50, 8, tariff="B")])
RESULT = Reconciliation(
    month="2026-10",
    key="k" * 64,
    ours_lines=3,
    ours_minor=270,
    theirs_lines=3,
    theirs_minor=245,
    matched_lines=0,
    matched_minor=0,
    by_cause=(),
    differences=(MISSING, STRANGE, LESS, MORE),
)


def word(
    way: Way, cause: Cause = Cause.AMOUNT, line: str | None = None, delta: int | None = None, key: str = "k" * 64
) -> Settlement:
    return Settlement(
        cause=cause, line=line, delta_minor=delta, key=key, way=way, who="a@example.net", reason="as agreed"
    )


def lines_open(*words: Settlement) -> list[str]:
    return [one.line for one in settle(RESULT, words).open]


def test_without_a_word_every_difference_is_open_in_its_order() -> None:
    assert settle(RESULT, []) == Settled(open=RESULT.differences, adjustments=())


def test_an_explained_difference_leaves_our_figures() -> None:
    settled = settle(RESULT, [word(Way.EXPLAINED)])
    assert [one.line for one in settled.open] == ["3", "4"]
    assert settled.adjustments == ()


def test_an_accepted_difference_puts_the_operators_figures_for_ours() -> None:
    settled = settle(RESULT, [word(Way.ACCEPTED, line="1", delta=-10)])
    assert [one.line for one in settled.open] == ["3", "4", "2"]
    assert settled.adjustments == (total("A", "2026-10-01..31", 0, -10, -2),)


def test_accepted_differences_are_added_up_and_lines_come_and_go() -> None:
    words = [word(Way.ACCEPTED, cause) for cause in (Cause.AMOUNT, Cause.MISSING_AT_THEM, Cause.MISSING_AT_US)]
    settled = settle(RESULT, words)
    assert settled.open == ()
    # A: 90 + 105 - 100 - 100 - 70 = -75; VAT 14 + 17 - 16 - 16 - 11 = -12; three lines go, two come.
    assert settled.adjustments == (
        total("A", "2026-10-01..31", -1, -75, -12),
        total("B", "2026-10-01..31", 1, 50, 8),
    )
    assert RESULT.ours_minor + sum(one.income_minor for one in settled.adjustments) == RESULT.theirs_minor


def test_an_accepted_tariff_or_period_moves_the_sum() -> None:
    moved = difference("5", Cause.TARIFF, [figures(10, 1)], [figures(10, 1, tariff="B")])
    later = difference("6", Cause.PERIOD, [figures(10, 1)], [figures(10, 1, days="2026-10-02..31")])
    result = RESULT.model_copy(update={"differences": (moved, later)})
    assert settle(result, [word(Way.ACCEPTED, Cause.TARIFF), word(Way.ACCEPTED, Cause.PERIOD)]).adjustments == (
        total("A", "2026-10-01..31", -2, -20, -2),
        total("A", "2026-10-02..31", 1, 10, 1),
        total("B", "2026-10-01..31", 1, 10, 1),
    )


def test_an_accepted_customer_changes_no_sum() -> None:
    other = difference("5", Cause.CUSTOMER, [figures(10, 1)], [figures(10, 1)])
    settled = settle(RESULT.model_copy(update={"differences": (other,)}), [word(Way.ACCEPTED, Cause.CUSTOMER)])
    assert settled == Settled(open=(), adjustments=())


def test_an_accepted_duplicate_counts_as_often_as_the_operator_lists_it() -> None:
    twice = difference("5", Cause.DUPLICATE, [figures(10, 1)], [figures(10, 1), figures(12, 2)])
    settled = settle(RESULT.model_copy(update={"differences": (twice,)}), [word(Way.ACCEPTED, Cause.DUPLICATE)])
    assert settled.adjustments == (total("A", "2026-10-01..31", 1, 12, 2),)


@pytest.mark.parametrize(
    ("state", "income", "vat", "lines", "counted_vat"),
    [
        (LineState.ISSUED, 0, 0, 1, 0),
        (LineState.PAID, 100, 16, 1, 16),
        (LineState.CORRECTION, -100, -16, 1, -16),
        (LineState.REFUNDED, -100, 16, 1, -16),
        (LineState.REFUNDED, 0, 16, 0, 0),
        (LineState.CANCELLED, 0, 16, 0, 0),
    ],
)
def test_an_accepted_line_and_its_vat_count_where_the_line_counts(
    state: LineState, income: int, vat: int, lines: int, counted_vat: int
) -> None:
    one = difference("5", Cause.MISSING_AT_US, [], [figures(income, vat, state=state)])
    settled = settle(RESULT.model_copy(update={"differences": (one,)}), [word(Way.ACCEPTED, Cause.MISSING_AT_US)])
    assert sum(adjusted.lines for adjusted in settled.adjustments) == lines
    assert sum(adjusted.income_minor for adjusted in settled.adjustments) == income
    assert sum(adjusted.vat_minor for adjusted in settled.adjustments) == counted_vat


def test_the_last_word_on_a_line_or_a_cause_holds() -> None:
    explained, accepted = (word(way, line="1", delta=-10) for way in (Way.EXPLAINED, Way.ACCEPTED))
    assert settle(RESULT, [explained, accepted]).adjustments != ()
    assert settle(RESULT, [accepted, explained]).adjustments == ()
    assert settle(RESULT, [word(Way.EXPLAINED), word(Way.ACCEPTED)]).adjustments != ()
    assert settle(RESULT, [word(Way.ACCEPTED), word(Way.EXPLAINED)]).adjustments == ()


def test_a_word_on_a_line_goes_before_one_on_its_cause_whichever_was_said_first() -> None:
    on_line, on_cause = word(Way.ACCEPTED, line="1", delta=-10), word(Way.EXPLAINED)
    for words in ([on_line, on_cause], [on_cause, on_line]):
        settled = settle(RESULT, words)
        assert [one.line for one in settled.open] == ["3", "4"]
        assert settled.adjustments == (total("A", "2026-10-01..31", 0, -10, -2),)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (word(Way.EXPLAINED, line="1", delta=-10), ["3", "4", "2"]),
        (word(Way.EXPLAINED, line="1", delta=-10, key=LESS.key), ["3", "4", "2"]),
        (word(Way.EXPLAINED, line="1", delta=-10, key="other"), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED, line="1", delta=-9), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED, line="1"), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED, line="2", delta=-10), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED, Cause.TARIFF, line="1", delta=-10), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED), ["3", "4"]),
        (word(Way.EXPLAINED, key="other"), ["3", "4", "1", "2"]),
        (word(Way.EXPLAINED, Cause.MISSING_AT_US), ["3", "1", "2"]),
    ],
)
def test_a_word_on_a_line_outlives_the_lists_and_one_on_a_cause_does_not(said: Settlement, left: list[str]) -> None:
    assert lines_open(said) == left


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    "now",
    [
        difference("4", Cause.MISSING_AT_US, [], [figures(50, 8, tariff="C")]),
        difference("4", Cause.MISSING_AT_US, [], [figures(50, 0, tariff="B")]),
        difference("4", Cause.MISSING_AT_US, [], [figures(50, 8, tariff="B"), figures(0, 0, tariff="B")]),
        difference("4", Cause.MISSING_AT_US, [figures(10)], [figures(60, 8, tariff="B")]),
    ],
)
def test_ocp_p4_a_word_does_not_hold_for_other_figures_that_differ_by_the_same_amount(now: Difference) -> None:
    accepted = word(Way.ACCEPTED, Cause.MISSING_AT_US, line="4", delta=50, key=STRANGE.key)
    new_lists = RESULT.model_copy(update={"key": "n" * 64})
    assert STRANGE not in settle(new_lists, [accepted]).open
    assert settle(new_lists.model_copy(update={"differences": (now,)}), [accepted]).open == (now,)


def test_the_last_word_on_a_line_holds_be_it_of_these_lists_or_of_the_figures() -> None:
    of_lists = word(Way.EXPLAINED, line="1", delta=-10)
    of_figures = word(Way.ACCEPTED, line="1", delta=-10, key=LESS.key)
    assert settle(RESULT, [of_lists, of_figures]).adjustments != ()
    assert settle(RESULT, [of_figures, of_lists]).adjustments == ()


def test_a_line_with_several_causes_is_settled_under_the_first() -> None:
    both = Difference(
        line="5", causes=(Cause.AMOUNT, Cause.TARIFF), ours=(figures(10),), theirs=(figures(12, tariff="B"),)
    )
    result = RESULT.model_copy(update={"differences": (both,)})
    assert settle(result, [word(Way.EXPLAINED, Cause.TARIFF)]).open == (both,)
    assert settle(result, [word(Way.EXPLAINED, Cause.AMOUNT)]).open == ()
