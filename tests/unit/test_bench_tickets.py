"""The bench of deadlines: its peers' rules, and what its rows say."""

from __future__ import annotations

from datetime import datetime

import pytest

from flows.cli.bench_tickets import BizSchedule, Country, bench_tickets

at = datetime.fromisoformat


@pytest.mark.parametrize(
    ("country", "moment", "due"),
    [
        ("RU", "2024-04-24T17:00+03:00", "2024-04-25T12:00+03:00"),
        ("RU", "2024-04-24T14:00+03:00", "2024-04-24T18:00+03:00"),
        ("RU", "2024-04-24T18:00+03:00", "2024-04-25T13:00+03:00"),
        ("RU", "2024-04-26T17:00+03:00", "2024-05-02T12:00+03:00"),
        ("KZ", "2024-05-03T17:00+05:00", "2024-05-06T12:00+05:00"),
        ("KZ", "2024-02-29T17:00+06:00", "2024-03-01T12:00+05:00"),
        ("UA", "2025-03-28T17:00+02:00", "2025-03-31T12:00+03:00"),
    ],
)
def test_the_ported_rule_knows_days_off_but_no_worked_weekend(country: Country, moment: str, due: str) -> None:
    assert BizSchedule.of(country).after(at(moment)) == at(due)


def test_the_bench_names_rates_and_counts_deadlines_that_miss_worked_weekends() -> None:
    rows = dict(bench_tickets(3000))
    assert all(rate > 0 for name, rate in rows.items() if name.endswith("a second"))
    wrong = [rows[f"Zammad's rule, ported: wrong deadlines in {country} of 1000"] for country in ("RU", "KZ", "UA")]
    assert wrong[0] > 0
    assert wrong[1] > 0
    assert wrong[2] == 0
