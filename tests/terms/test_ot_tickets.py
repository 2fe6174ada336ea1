"""Oki-Toki: terms of tickets, escalation, duplicates, claims, levels and languages of support."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pytest
from pydantic import ValidationError

from blocks.terms.base import Decision, Verdict
from blocks.terms.ot_tickets import (
    ClaimFacts,
    EscalationFacts,
    GlobalFailureFacts,
    RepeatFacts,
    SuggestionFacts,
    SupportLevelFacts,
    TermFacts,
    answer_suggestion,
    claim_needs_ticket,
    consider_consultation,
    escalate,
    react_to_technical,
    repeated_ticket,
    support_level,
    work_on_global_failure,
)
from blocks.terms.ticket_timers import TicketKind

at = datetime.fromisoformat


def due(decision: Decision) -> datetime:
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.zone == "Europe/Kyiv"
    return decision.deadline.due


@pytest.mark.clause("OT-4")
@pytest.mark.parametrize(
    ("received", "react_by"),
    [
        ("2025-06-02T08:59:59.999999+03:00", "2025-06-02T09:20+03:00"),
        ("2025-06-02T09:00+03:00", "2025-06-02T09:20+03:00"),
        ("2025-06-02T09:00:00.000001+03:00", "2025-06-02T09:20:00.000001+03:00"),
        ("2025-06-02T17:40+03:00", "2025-06-02T18:00+03:00"),
        ("2025-06-02T17:40:00.000001+03:00", "2025-06-03T09:00:00.000001+03:00"),
        ("2025-06-02T17:59:59+03:00", "2025-06-03T09:19:59+03:00"),
        ("2025-06-02T18:00+03:00", "2025-06-03T09:20+03:00"),
        ("2025-06-06T17:50+03:00", "2025-06-09T09:10+03:00"),
        ("2025-06-07T12:00+03:00", "2025-06-09T09:20+03:00"),
        ("2025-03-28T17:50+02:00", "2025-03-31T09:10+03:00"),
        ("2025-10-24T17:50+03:00", "2025-10-27T09:10+02:00"),
        ("2025-03-31T06:30Z", "2025-03-31T06:50Z"),
        ("2024-02-28T17:50+02:00", "2024-02-29T09:10+02:00"),
        ("2024-02-29T17:50+02:00", "2024-03-01T09:10+02:00"),
        ("2025-08-24T12:00+03:00", "2025-08-25T09:20+03:00"),
        ("2025-08-25T12:00+03:00", "2025-08-25T12:20+03:00"),
    ],
)
def test_ot_4_a_technical_ticket_has_20_minutes_of_working_time(received: str, react_by: str) -> None:
    decision = react_to_technical(TermFacts(counted_from=at(received)))
    assert due(decision) == at(react_by)
    assert decision.deadline is not None
    assert not decision.deadline.provisional


@pytest.mark.clause("OT-4")
def test_ot_4_a_saturday_made_a_working_day_counts_and_a_calendar_without_a_decree_is_told() -> None:
    decision = react_to_technical(TermFacts(counted_from=at("2021-01-15T17:50+02:00")))
    assert due(decision) == at("2021-01-16T09:10+02:00")
    assert decision.deadline is not None
    assert decision.deadline.provisional


URGENT = [
    ("2025-06-06T17:50+03:00", "2025-06-06T17:49+03:00", "2025-06-06T18:10+03:00"),
    ("2025-06-06T17:50+03:00", "2025-06-06T17:55+03:00", "2025-06-06T18:10+03:00"),
    ("2025-06-06T17:50+03:00", "2025-06-06T18:00+03:00", "2025-06-06T18:10+03:00"),
    ("2025-06-06T17:50+03:00", "2025-06-07T03:00+03:00", "2025-06-07T03:10+03:00"),
    ("2025-06-06T17:50+03:00", "2025-06-09T09:05+03:00", "2025-06-09T09:10+03:00"),
    ("2025-06-06T17:50+03:00", "2025-06-09T12:00+03:00", "2025-06-09T09:10+03:00"),
    ("2025-03-30T02:50+02:00", "2025-03-30T02:50+02:00", "2025-03-30T04:10+03:00"),
    ("2025-10-26T00:50Z", "2025-10-26T00:50Z", "2025-10-26T01:10Z"),
]


@pytest.mark.clause("OT-4")
@pytest.mark.clause("OT-12")
@pytest.mark.parametrize(("received", "urgent", "react_by"), URGENT)
def test_ot_4_from_an_escalation_or_a_global_failure_on_the_minutes_run_by_the_clock(
    received: str, urgent: str, react_by: str
) -> None:
    assert due(react_to_technical(TermFacts(counted_from=at(received), urgent_from=at(urgent)))) == at(react_by)


@pytest.mark.clause("OT-5")
@pytest.mark.parametrize(
    ("received", "considered_by"),
    [
        ("2025-06-02T09:00+03:00", "2025-06-02T10:00+03:00"),
        ("2025-06-02T17:00+03:00", "2025-06-02T18:00+03:00"),
        ("2025-06-02T17:00:00.000001+03:00", "2025-06-03T09:00:00.000001+03:00"),
        ("2025-06-06T17:30+03:00", "2025-06-09T09:30+03:00"),
        ("2025-03-28T17:30+02:00", "2025-03-31T09:30+03:00"),
        ("2025-10-24T17:30+03:00", "2025-10-27T09:30+02:00"),
        ("2024-02-28T18:00+02:00", "2024-02-29T10:00+02:00"),
    ],
)
def test_ot_5_a_consultation_is_considered_within_an_hour_of_working_time(received: str, considered_by: str) -> None:
    assert due(consider_consultation(TermFacts(counted_from=at(received)))) == at(considered_by)


@pytest.mark.clause("OT-5")
def test_ot_5_an_escalated_consultation_runs_by_the_clock() -> None:
    facts = TermFacts(counted_from=at("2025-06-06T17:30+03:00"), urgent_from=at("2025-06-07T12:00+03:00"))
    assert due(consider_consultation(facts)) == at("2025-06-07T12:30+03:00")


@pytest.mark.clause("OT-6")
@pytest.mark.parametrize(
    ("received", "answered_by"),
    [
        ("2025-06-02T12:34:56+03:00", "2025-07-02T12:34:56+03:00"),
        ("2024-01-29T10:00+02:00", "2024-02-29T10:00+02:00"),
        ("2024-01-31T10:00+02:00", "2024-02-29T10:00+02:00"),
        ("2025-01-31T10:00+02:00", "2025-02-28T10:00+02:00"),
        ("2024-02-29T10:00+02:00", "2024-03-29T10:00+02:00"),
        ("2025-03-15T12:00+02:00", "2025-04-15T12:00+03:00"),
        ("2025-10-15T12:00+03:00", "2025-11-15T12:00+02:00"),
        ("2025-03-31T22:00Z", "2025-04-30T22:00Z"),
        ("2025-03-31T20:59Z", "2025-04-30T20:59Z"),
    ],
)
def test_ot_6_a_suggestion_is_answered_within_a_calendar_month_of_kyiv(received: str, answered_by: str) -> None:
    assert due(answer_suggestion(SuggestionFacts(received_at=at(received)))) == at(answered_by)


@pytest.mark.clause("OT-7")
@pytest.mark.parametrize("escalated", ["2025-06-02T12:00+03:00", "2025-06-07T03:00+03:00", "2025-06-02T23:55+03:00"])
def test_ot_7_an_escalation_with_a_reason_is_looked_at_by_the_clock_at_any_hour(escalated: str) -> None:
    decision = escalate(EscalationFacts(escalated_at=at(escalated), reason="не работает приём звонков"))
    assert (due(decision) - at(escalated)).total_seconds() == 20 * 60


@pytest.mark.clause("OT-7")
@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_ot_7_an_escalation_without_a_reason_is_refused(reason: str) -> None:
    decision = escalate(EscalationFacts(escalated_at=at("2025-06-02T12:00+03:00"), reason=reason))
    assert decision.verdict is Verdict.REFUSED
    assert decision.deadline is None


@pytest.mark.clause("OT-8")
def test_ot_8_a_repeated_ticket_joins_the_first_that_is_open() -> None:
    repeat = repeated_ticket(RepeatFacts(first_open="T-17"))
    assert repeat.verdict is Verdict.ACTION
    assert repeat.what == "join to the first"
    assert repeat.values == {"first_open": "T-17"}
    assert repeated_ticket(RepeatFacts(first_open=None)).verdict is Verdict.ALLOWED


@pytest.mark.clause("OT-9")
def test_ot_9_without_a_ticket_there_is_no_claim() -> None:
    assert claim_needs_ticket(ClaimFacts(had_ticket=False)).verdict is Verdict.REFUSED
    assert claim_needs_ticket(ClaimFacts(had_ticket=True)).verdict is Verdict.ALLOWED


Kind = Literal[TicketKind.TECHNICAL, TicketKind.CONSULTATION]


@pytest.mark.clause("OT-11")
@pytest.mark.parametrize(
    ("kind", "level", "verdict"),
    [
        (TicketKind.TECHNICAL, 0, Verdict.REFUSED),
        (TicketKind.TECHNICAL, 1, Verdict.ALLOWED),
        (TicketKind.TECHNICAL, 4, Verdict.ALLOWED),
        (TicketKind.TECHNICAL, 5, Verdict.REFUSED),
        (TicketKind.CONSULTATION, 0, Verdict.REFUSED),
        (TicketKind.CONSULTATION, 1, Verdict.ALLOWED),
        (TicketKind.CONSULTATION, 2, Verdict.ALLOWED),
        (TicketKind.CONSULTATION, 3, Verdict.REFUSED),
    ],
)
def test_ot_11_technical_support_has_four_levels_and_consulting_two(kind: Kind, level: int, verdict: Verdict) -> None:
    assert support_level(SupportLevelFacts(kind=kind, level=level, language="uk")).verdict is verdict


@pytest.mark.clause("OT-11")
@pytest.mark.parametrize(
    ("language", "verdict"),
    [
        ("ru", Verdict.ALLOWED),
        ("uk", Verdict.ALLOWED),
        ("en", Verdict.ALLOWED),
        ("kk", Verdict.REFUSED),
        ("ua", Verdict.REFUSED),
        ("", Verdict.REFUSED),
    ],
)
def test_ot_11_support_speaks_russian_ukrainian_and_english(language: str, verdict: Verdict) -> None:
    assert support_level(SupportLevelFacts(kind=TicketKind.TECHNICAL, level=1, language=language)).verdict is verdict


@pytest.mark.clause("OT-11")
def test_ot_11_suggestions_have_no_levels() -> None:
    with pytest.raises(ValidationError):
        SupportLevelFacts.model_validate({"kind": "suggestion", "level": 1, "language": "ru"})


@pytest.mark.clause("OT-12")
@pytest.mark.parametrize("declared", ["2025-06-02T12:00+03:00", "2025-06-07T03:00+03:00", "2026-01-01T00:00+02:00"])
def test_ot_12_a_global_failure_is_worked_on_at_any_hour(declared: str) -> None:
    decision = work_on_global_failure(GlobalFailureFacts(declared_at=at(declared)))
    assert (due(decision) - at(declared)).total_seconds() == 20 * 60
