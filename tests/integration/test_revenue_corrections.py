"""Lines that reach back into months that were split here: doubtful ones keep an act from being made out."""

from __future__ import annotations

import pytest

from blocks.errors import Refused
from blocks.office import Office
from tests.revenue_work import DAY, MONDAY, act_row, drafted, made, report_and_make, say, take

NOVEMBER, DECEMBER = "2026-11", "2026-12"
LATER, LAST = MONDAY + 31 * DAY, MONDAY + 62 * DAY
REFUND = "R-1,I-3,Анна,ТВ,TV-KINO,2026-10-01,2026-10-31,1,990.00,990.00,16,158.40,refunded,{}\n"


def obstacles(office: Office, lines: str) -> list[str]:
    take(office, lines, ref=NOVEMBER, now=LATER)
    return [text for text in drafted(office, NOVEMBER, LATER).obstacles if "corrections" in text]


@pytest.mark.clause("OCP-P5.1")
def test_ocp_p5_1_a_refund_names_a_line_that_its_month_has_and_takes_back_no_more(office: Office) -> None:
    made(office)
    assert obstacles(office, REFUND.format("L2")) == []
    assert obstacles(office, REFUND.format("L9")) == [
        "corrections of lines that their month does not have: R-1 (2026-10)"
    ]
    twice = REFUND.format("L2") + REFUND.format("L2").replace("R-1", "R-2")
    assert obstacles(office, twice) == [
        "corrections that take back more than their lines brought: R-1 (2026-10), R-2 (2026-10)"
    ]


@pytest.mark.clause("OCP-P5.1")
def test_ocp_p5_1_a_refund_counts_in_one_month_only(office: Office) -> None:
    made(office)
    take(office, REFUND.format("L2"), ref=NOVEMBER, now=LATER)
    say(office, "no_list", ref=NOVEMBER, now=LATER)
    report_and_make(office, NOVEMBER, LATER)
    assert act_row(office, NOVEMBER).income_minor == -99_000
    take(office, REFUND.format("L2"), ref=DECEMBER, now=LAST)
    say(office, "no_list", ref=DECEMBER, now=LAST)
    told = drafted(office, DECEMBER, LAST).obstacles
    assert "corrections that another month counts already: R-1 (2026-11)" in told
    with pytest.raises(Refused, match="counts already"):
        report_and_make(office, DECEMBER, LAST)


def test_a_person_may_say_that_doubtful_corrections_of_a_list_are_right(sqlite_office: Office) -> None:
    made(sqlite_office)
    assert obstacles(sqlite_office, REFUND.format("L9"))
    assert say(sqlite_office, "corrections", ref=NOVEMBER, now=LATER) == 1
    assert say(sqlite_office, "corrections", ref=NOVEMBER, now=LATER) == 0
    assert obstacles(sqlite_office, REFUND.format("L9")) == []
    assert obstacles(sqlite_office, REFUND.format("L8")), "a word on one list is none on another"
