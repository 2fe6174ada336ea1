"""The certificate reseller: the act of a month."""

from __future__ import annotations

from datetime import datetime

import pytest

from blocks.terms.base import Verdict, ask
from blocks.terms.ssl_acts import act_due

at = datetime.fromisoformat


@pytest.mark.clause("SSL-7.6")
@pytest.mark.parametrize(
    ("month", "dated", "until"),
    [
        ("2026-10", "2026-10-31", "2026-11-01T00:00+03:00"),  # a Saturday
        ("2026-11", "2026-11-30", "2026-12-01T00:00+03:00"),
        ("2026-12", "2026-12-31", "2027-01-01T00:00+03:00"),
        ("2027-02", "2027-02-28", "2027-03-01T00:00+03:00"),
        ("2028-02", "2028-02-29", "2028-03-01T00:00+03:00"),
        ("2027-01", "2027-01-31", "2027-02-01T00:00+03:00"),  # a Sunday
        ("2026-04", "2026-04-30", "2026-05-01T00:00+03:00"),  # the next day is a holiday
        ("2099-12", "2099-12-31", "2100-01-01T00:00+03:00"),
    ],
)
def test_ssl_7_6_the_act_bears_and_is_sent_on_the_last_day_of_the_month(month: str, dated: str, until: str) -> None:
    decision = ask("SSL-7.6", {"month": month}).decision
    assert decision.verdict is Verdict.DUE
    assert decision.values == {"dated": dated}
    assert decision.deadline == act_due(month)
    assert decision.deadline is not None
    assert decision.deadline.zone == "Europe/Minsk"
    assert decision.deadline.due == at(until)


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_the_last_day_ends_in_minsk() -> None:
    assert act_due("2026-10").local == at("2026-11-01T00:00+03:00")
    assert act_due("2026-10").due == at("2026-10-31T21:00Z")
