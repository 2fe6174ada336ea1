"""Months of the ОЦП shared by hand: every kind of line, the arithmetic beside what is expected. Amounts are tiyn."""

from __future__ import annotations

import pytest

from blocks.terms.revenue_split import act_rows, split_month
from tests.terms.revenue_lines import line, row, table, total, totals

TARIFFS = table(
    BASE={"2024-01-01": 2000, "2026-10-16": 1800},
    CLOUD={"2025-03-01": 2250},
    KINO={"2024-01-01": 2000},
    SEAT={"2025-01-01": 1500},
    SETUP={"2024-01-01": 1000},
)
TWENTIES = table(A={"2024-01-01": 2000}, B={"2024-01-01": 2000}, C={"2024-01-01": 2000})
MONTH = "2026-10-01..31"


@pytest.mark.clause("OCP-P4", "OCP-P5.1", "OCP-P5.4")
def test_ocp_p5_1_a_month_with_every_kind_of_line_is_shared_as_by_hand() -> None:
    lines = [
        line("issued", "KINO", MONTH, 99_000, 15_840),
        line("paid", "KINO", MONTH, 99_000, 15_840),
        line("refunded", "KINO", MONTH, 99_000, 15_840),  # its own line: adds nothing
        line("cancelled", "KINO", MONTH, 99_000, 15_840),  # adds nothing
        line("refunded", "KINO", MONTH, 33_000, 5_280, corrects=True),  # a part of the second is given back
        line("issued", "BASE", "2026-10-01..15", 149_000, 23_840),
        line("issued", "BASE", "2026-10-16..31", 169_000, 27_040),
        line("issued", "BASE", "2026-10-10..19", 50_001, 8_000),  # six days of 20 %, four of 18 %
        line("issued", "CLOUD", MONTH, 79_900, 12_784),
        line("correction", "CLOUD", MONTH, -7, -1, corrects=True),
        line("issued", "SEAT", MONTH, 333_333, 53_333),
        line("correction", "SEAT", MONTH, 1, 0, corrects=True),
        line("issued", "SETUP", MONTH, 0, 0),
    ]
    # KINO:  99000 + 99000 - 33000 = 165000; VAT 15840 + 15840 - 5280 = 26400; fee 20 % = 33000
    # BASE:  50001 x 6/10 = 30000.6 and x 4/10 = 20000.4; 179000.6 and 189000.4 sum to 368001: 179001 and 189000
    #        VAT 8000: 4800 and 3200; 28640 and 30240. The crossing line counts in the version of the 10th.
    #        fees 179001 x 20 % = 35800.2 and 189000 x 18 % = 34020
    # CLOUD: 79900 - 7 = 79893; VAT 12783; fee 22.5 % = 17975.925
    # SEAT:  333333 + 1 = 333334; fee 15 % = 50000.1
    # Fee of the month: 33000 + 35800.2 + 34020 + 17975.925 + 50000.1 + 0 = 170796.225 -> 170796.
    # Floors: 33000 + 35800 + 34020 + 17975 + 50000 + 0 = 170795; the tiyn left goes to CLOUD (0.925): 17976, as alone.
    rows = split_month("2026-10", totals(lines), TARIFFS)
    assert rows == (
        row("BASE", "2026-10-01..15", 2000, 2, 179_001, 35_800, 143_201, 28_640),
        row("BASE", "2026-10-16..31", 1800, 1, 189_000, 34_020, 154_980, 30_240),
        row("CLOUD", MONTH, 2250, 2, 79_893, 17_976, 61_917, 12_783),
        row("KINO", MONTH, 2000, 3, 165_000, 33_000, 132_000, 26_400),
        row("SEAT", MONTH, 1500, 2, 333_334, 50_000, 283_334, 53_333),
        row("SETUP", MONTH, 1000, 1, 0, 0, 0, 0),
    )
    assert sum(one.fee_minor for one in rows) == 170_796


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_a_tie_of_remainders_goes_to_the_first_row_and_is_named() -> None:
    # 102 x 20 % = 20.4, 107 x 20 % = 21.4, 102 x 20 % = 20.4: 62.2 -> 62; floors 20 + 21 + 20 = 61; all have 0.4 left.
    # A alone would be 20: its rounding is +1.
    month = [total("B", MONTH, 1, 107), total("C", MONTH, 1, 102), total("A", MONTH, 1, 102)]
    assert split_month("2026-10", month, TWENTIES) == (
        row("A", MONTH, 2000, 1, 102, 21, 81, rounding=1),
        row("B", MONTH, 2000, 1, 107, 21, 86),
        row("C", MONTH, 2000, 1, 102, 20, 82),
    )


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_a_row_that_gives_up_its_rounding_is_named() -> None:
    # 103 x 20 % = 20.6 three times: 61.8 -> 62; floors 60; two tiyn to A and B.
    # C alone would be 21: its rounding is -1.
    month = [total(code, MONTH, 1, 103) for code in "ABC"]
    assert split_month("2026-10", month, TWENTIES) == (
        row("A", MONTH, 2000, 1, 103, 21, 82),
        row("B", MONTH, 2000, 1, 103, 21, 82),
        row("C", MONTH, 2000, 1, 103, 20, 83, rounding=-1),
    )


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("income", "fee"),
    [
        (10, 2),  # 1.5
        (-10, -2),  # -1.5, away from zero
        (9, 1),  # 1.35
        (-9, -1),
        (11, 2),  # 1.65
        (-11, -2),
        (3, 0),  # 0.45
        (-3, 0),
    ],
)
def test_ocp_p4_half_a_tiyn_of_the_months_fee_goes_away_from_zero(income: int, fee: int) -> None:
    (only,) = split_month("2026-10", [total("SEAT", MONTH, 1, income)], TARIFFS)
    assert (only.fee_minor, only.reward_minor, only.rounding_minor) == (fee, income - fee, 0)


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_the_fee_is_rounded_once_for_the_month_and_not_for_each_row() -> None:
    # 12 x 20 % = 2.4 three times: 7.2 -> 7, and not 2 + 2 + 2 = 6. Floors 6; the tiyn left goes to A: 3, not 2.
    month = [total(code, MONTH, 1, 12) for code in "ABC"]
    rows = split_month("2026-10", month, TWENTIES)
    assert [one.fee_minor for one in rows] == [3, 2, 2]
    assert [one.rounding_minor for one in rows] == [1, 0, 0]


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_a_negative_month_is_shared_by_the_same_rule() -> None:
    # A -103 x 20 % = -20.6, B -102 x 20 % = -20.4: -41. Floors -21 - 21 = -42; left over are
    # 0.4 and 0.6: B gets the tiyn.
    month = [total("A", MONTH, 1, -103, -16), total("B", MONTH, 1, -102, -16)]
    assert split_month("2026-10", month, TWENTIES) == (
        row("A", MONTH, 2000, 1, -103, -21, -82, -16),
        row("B", MONTH, 2000, 1, -102, -20, -82, -16),
    )


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_signs_may_be_mixed() -> None:
    # A -103 x 20 % = -20.6, B 107 x 20 % = 21.4, C 1 x 20 % = 0.2: 1.0 -> 1. Floors -21 + 21 + 0 = 0; left
    # 0.4, 0.4, 0.2: the tiyn goes to A: -20, where alone it would be -21.
    month = [total("A", MONTH, 1, -103), total("B", MONTH, 1, 107), total("C", MONTH, 1, 1)]
    assert split_month("2026-10", month, TWENTIES) == (
        row("A", MONTH, 2000, 1, -103, -20, -83, rounding=1),
        row("B", MONTH, 2000, 1, 107, 21, 86),
        row("C", MONTH, 2000, 1, 1, 0, 1),
    )


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_half_a_tiyn_over_a_change_goes_to_the_earlier_version() -> None:
    # 15 and 16 October: half of 1001 each is 500.5, half of 161 is 80.5.
    # Fees 501 x 20 % = 100.2 and 500 x 18 % = 90: 190.2 -> 190.
    assert split_month("2026-10", [total("BASE", "2026-10-15..16", 3, 1001, 161)], TARIFFS) == (
        row("BASE", "2026-10-01..15", 2000, 3, 501, 100, 401, 81),
        row("BASE", "2026-10-16..31", 1800, 0, 500, 90, 410, 80),
    )


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_lines_over_a_change_are_added_up_exactly_before_they_are_made_whole() -> None:
    # 14-16: 2 x 2/3 = 1.33 before and 0.67 after; 13-17: 2 x 3/5 = 1.2 and 0.8; 12-18: 2 x 4/7 = 1.14 and 0.86.
    # Together 3.68 and 2.32: floors 3 and 2, the tiyn left goes to the earlier: 4 and 2.
    # Line by line it would be 3 and 3.
    month = [
        total("BASE", "2026-10-14..16", 1, 2),
        total("BASE", "2026-10-13..17", 1, 2),
        total("BASE", "2026-10-12..18", 1, 2),
    ]
    rows = split_month("2026-10", month, TARIFFS)
    assert [(one.lines, one.income_minor) for one in rows] == [(3, 4), (0, 2)]


@pytest.mark.clause("OCP-P4")
@pytest.mark.parametrize(
    ("days", "shares"),
    [
        ("2026-10-15..15", [("2026-10-15", 1000)]),
        ("2026-10-16..16", [("2026-10-31", 1000)]),
        ("2026-10-12..15", [("2026-10-15", 1000)]),
        ("2026-10-12..16", [("2026-10-15", 800), ("2026-10-31", 200)]),
        ("2026-10-15..18", [("2026-10-15", 250), ("2026-10-31", 750)]),
        ("2026-10-16..20", [("2026-10-31", 1000)]),
    ],
)
def test_ocp_p4_a_line_is_shared_by_its_days_before_and_after_the_change(
    days: str, shares: list[tuple[str, int]]
) -> None:
    rows = split_month("2026-10", [total("BASE", days, 1, 1000)], TARIFFS)
    assert [(one.until.isoformat(), one.income_minor) for one in rows] == shares


@pytest.mark.clause("OCP-P4", "OCP-P5.1")
def test_ocp_p5_1_a_refund_of_an_earlier_month_is_a_correction_row_of_that_month() -> None:
    september = [total("KINO", "2026-09-01..30", 2, 198_000, 31_680)]
    made = act_rows("2026-09", september, {}, {}, TARIFFS)
    assert made == (row("KINO", "2026-09-01..30", 2000, 2, 198_000, 39_600, 158_400, 31_680),)
    october = totals(
        [
            line("issued", "KINO", MONTH, 99_000, 15_840),
            line("refunded", "KINO", "2026-09-01..30", 99_000, 15_840, corrects=True),
        ]
    )
    # September anew: 99000, fee 19800; of the act 39600 that is -19800, and -79200 of the reward. One line more.
    assert act_rows("2026-10", october, {"2026-09": september}, {"2026-09": made}, TARIFFS) == (
        row("KINO", MONTH, 2000, 1, 99_000, 19_800, 79_200, 15_840),
        row("KINO", "2026-09-01..30", 2000, 1, -99_000, -19_800, -79_200, -15_840),
    )


@pytest.mark.clause("OCP-P4", "OCP-P5.1")
def test_ocp_p5_1_a_correction_that_moves_a_tiyn_to_another_row_says_so() -> None:
    before = [total(code, "2026-09-01..30", 1, 102) for code in "ABC"]
    acted = split_month("2026-09", before, TWENTIES)
    # 20.4 three times: 61.2 -> 61, to A 21 (rounding +1), B 20, C 20.
    assert [one.fee_minor for one in acted] == [21, 20, 20]
    # Without A's 102: 0 + 20.4 + 20.4 = 40.8 -> 41, to B 21 (rounding +1), C 20. That is -21, +1 and 0: -20 in all.
    # Alone, A's -102 would be -20: its rounding is -1.
    fresh = [total("A", "2026-09-01..30", 1, -102)]
    assert act_rows("2026-10", fresh, {"2026-09": before}, {"2026-09": acted}, TWENTIES) == (
        row("A", "2026-09-01..30", 2000, 1, -102, -21, -81, rounding=-1),
        row("B", "2026-09-01..30", 2000, 0, 0, 1, -1, rounding=1),
    )


@pytest.mark.clause("OCP-P4", "OCP-P5.1")
def test_ocp_p5_1_a_reopened_month_states_what_changes_and_nothing_else() -> None:
    before = [total("CLOUD", MONTH, 3, 239_700, 38_352), total("KINO", MONTH, 1, 99_000, 15_840)]
    acted = split_month("2026-10", before, TARIFFS)
    # 239700 x 22.5 % = 53932.5 and 99000 x 20 % = 19800: 73732.5 -> 73733; CLOUD 53933.
    assert [one.fee_minor for one in acted] == [53_933, 19_800]
    # A CLOUD line of 79900 is withdrawn: 159800 x 22.5 % = 35955; 35955 - 53933 = -17978,
    # reward -79900 + 17978 = -61922.
    fresh = [total("CLOUD", MONTH, -1, -79_900, -12_784)]
    assert act_rows("2026-10", fresh, {"2026-10": before}, {"2026-10": acted}, TARIFFS) == (
        row("CLOUD", MONTH, 2250, -1, -79_900, -17_978, -61_922, -12_784),
    )


@pytest.mark.clause("OCP-P4", "OCP-P5.1")
def test_ocp_p5_1_corrections_stand_after_the_acts_own_month_the_oldest_first() -> None:
    fresh = [
        total("KINO", "2026-09-01..30", 1, -500),
        total("BASE", "2026-09-01..30", 1, -500),
        total("KINO", "2026-08-01..31", 1, -500),
        total("SEAT", MONTH, 1, 1000),
        total("KINO", "2025-12-01..31", 1, -500),
    ]
    rows = act_rows("2026-10", fresh, {}, {}, TARIFFS)
    assert [(one.month_of, one.tariff) for one in rows] == [
        ("2026-10", "SEAT"),
        ("2025-12", "KINO"),
        ("2026-08", "KINO"),
        ("2026-09", "BASE"),
        ("2026-09", "KINO"),
    ]


@pytest.mark.clause("OCP-P4")
def test_ocp_p4_a_month_of_nothing_has_no_rows() -> None:
    assert split_month("2026-10", [], TARIFFS) == ()
    assert split_month("2026-10", [total("KINO", MONTH, 1, 5, 1), total("KINO", MONTH, -1, -5, -1)], TARIFFS) == ()
    assert act_rows("2026-10", [], {}, {}, TARIFFS) == ()
