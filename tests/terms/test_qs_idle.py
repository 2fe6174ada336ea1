"""QSockets: registrations without activity, at each bound of QS-3.6.1."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from blocks.terms.base import Decision, Verdict
from blocks.terms.qs_idle import IdleFacts, idle

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)


def asked(last: str, now: datetime, **facts: object) -> Decision:
    return idle(IdleFacts.model_validate({"last_active_at": last, "now": now, **facts}))


def step(decision: Decision) -> tuple[object, object]:
    return decision.values["step"], decision.values["due"]


MONTHS = [
    ("2025-11-22T12:00:00+03:00", "2026-11-22T12:00:00+03:00"),
    ("2025-01-31T23:59:59+03:00", "2026-01-31T23:59:59+03:00"),
    ("2024-02-29T08:00:00+03:00", "2025-02-28T08:00:00+03:00"),
    ("2023-02-28T08:00:00+03:00", "2024-02-28T08:00:00+03:00"),
    ("2025-12-31T21:30:00+00:00", "2027-01-01T00:30:00+03:00"),
]


@pytest.mark.clause("QS-3.6.1")
@pytest.mark.parametrize(("last", "due"), MONTHS)
def test_qs_3_6_1_notice_is_due_twelve_calendar_months_after_the_last_activity(last: str, due: str) -> None:
    assert step(asked(last, at(due) - INSTANT)) == ("notice", False)
    assert step(asked(last, at(due))) == ("notice", True)
    assert step(asked(last, at(due) + INSTANT)) == ("notice", True)
    decision = asked(last, at(due))
    assert decision.verdict is Verdict.ACTION
    assert decision.deadline is not None
    assert decision.deadline.due == at(due)


DAYS = [
    ("noticed_at", "block", "2026-11-22T12:00:00+03:00", "2026-12-23T00:00:00+03:00"),
    ("noticed_at", "block", "2024-01-30T00:00:00+03:00", "2024-03-01T00:00:00+03:00"),
    ("noticed_at", "block", "2026-01-31T23:59:59.999999+03:00", "2026-03-03T00:00:00+03:00"),
    ("blocked_at", "delete", "2026-11-23T04:00:00+03:00", "2027-02-22T00:00:00+03:00"),
    ("blocked_at", "delete", "2023-12-01T23:30:00+03:00", "2024-03-01T00:00:00+03:00"),
    ("blocked_at", "delete", "2023-12-01T21:30:00+00:00", "2024-03-02T00:00:00+03:00"),
]


@pytest.mark.clause("QS-3.6.1")
@pytest.mark.parametrize(("since", "what", "began", "due"), DAYS)
def test_qs_3_6_1_block_after_thirty_days_and_deletion_after_ninety_end_with_their_last_day(
    since: str, what: str, began: str, due: str
) -> None:
    facts = {"noticed_at": "2022-06-01T00:00:00+03:00", since: began}
    assert step(asked("2020-01-01T00:00:00+03:00", at(due) - INSTANT, **facts)) == (what, False)
    assert step(asked("2020-01-01T00:00:00+03:00", at(due), **facts)) == (what, True)


@pytest.mark.clause("QS-3.6.1")
def test_qs_3_6_1_activity_since_the_notice_takes_all_back() -> None:
    noticed, late = "2026-01-10T12:00:00+03:00", at("2026-12-01T00:00:00+03:00")
    for blocked in ({}, {"blocked_at": "2026-02-20T04:00:00+03:00"}):
        assert step(asked(noticed, late, noticed_at=noticed, **blocked)) == ("resume", True)
        before = (at(noticed) - INSTANT).isoformat()
        assert step(asked(before, late, noticed_at=noticed, **blocked)) != ("resume", True)


@pytest.mark.clause("QS-3.6.1")
@pytest.mark.parametrize("taken", [{}, {"noticed_at": "2026-01-10T12:00:00+03:00"}])
def test_qs_3_6_1_nothing_happens_while_a_paid_period_runs(taken: dict[str, str]) -> None:
    until = at("2026-12-01T00:00:00+03:00")
    running = asked("2024-01-01T00:00:00+03:00", until - INSTANT, paid_until=until, **taken)
    assert (running.verdict, step(running)) == (Verdict.REFUSED, ("none", False))
    assert step(asked("2024-01-01T00:00:00+03:00", until, paid_until=until, **taken))[1] is True


@pytest.mark.clause("QS-3.6.1", "QS-12.4")
def test_qs_12_4_a_notice_that_bounced_leads_to_no_block_but_to_a_person() -> None:
    late = at("2027-01-01T00:00:00+03:00")
    noticed = {"noticed_at": "2026-01-10T12:00:00+03:00", "bounced": True}
    decision = asked("2024-01-01T00:00:00+03:00", late, **noticed)
    assert (decision.verdict, step(decision)) == (Verdict.PERSON, ("none", False))
    blocked = asked("2024-01-01T00:00:00+03:00", late, blocked_at="2026-02-20T04:00:00+03:00", **noticed)
    assert step(blocked) == ("delete", True)
