"""OCP: the Operator's requests, their registration and reaction, incidents, technical information."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pytest

from blocks.terms.base import Decision, Verdict
from blocks.terms.intervals import Interval
from blocks.terms.ocp_tickets import (
    IncidentFacts,
    IncidentStep,
    InformationFacts,
    OperatorRequestFacts,
    PriorityFacts,
    next_steps,
    react_by_priority,
    react_to_incident,
    register_request,
    technical_information,
)

at = datetime.fromisoformat
Priority = Literal[1, 2, 3]


def due(decision: Decision) -> datetime:
    assert decision.deadline is not None
    assert decision.deadline.zone == "Asia/Almaty"
    return decision.deadline.due


def works(*spans: tuple[str, str]) -> tuple[Interval, ...]:
    return tuple(Interval(start=at(start), end=at(end)) for start, end in spans)


@pytest.mark.clause("OCP-P3.7.1")
@pytest.mark.parametrize(
    ("received", "registered_by", "taken_now"),
    [
        ("2026-11-23T08:59:59.999999+05:00", "2026-11-23T09:30+05:00", False),
        ("2026-11-23T09:00+05:00", "2026-11-23T09:30+05:00", True),
        ("2026-11-23T09:00:00.000001+05:00", "2026-11-23T09:30:00.000001+05:00", True),
        ("2026-11-23T17:30+05:00", "2026-11-23T18:00+05:00", True),
        ("2026-11-23T17:59:59+05:00", "2026-11-24T09:29:59+05:00", True),
        ("2026-11-23T18:00+05:00", "2026-11-24T09:30+05:00", False),
        ("2026-11-21T12:00+05:00", "2026-11-23T09:30+05:00", False),
        ("2024-05-04T12:00+05:00", "2024-05-04T12:30+05:00", True),
        ("2024-05-08T12:00+05:00", "2024-05-10T09:30+05:00", False),
        ("2025-01-05T12:00+05:00", "2025-01-05T12:30+05:00", True),
        ("2024-02-28T23:00+06:00", "2024-02-29T09:30+06:00", False),
        ("2024-02-29T17:45+06:00", "2024-03-01T09:15+05:00", True),
        ("2024-02-29T12:00Z", "2024-03-01T04:30Z", False),
        ("2024-03-01T03:59Z", "2024-03-01T04:30Z", False),
    ],
)
def test_ocp_p3_7_1_a_request_is_registered_in_30_minutes_of_the_hours_in_which_they_are_taken(
    received: str, registered_by: str, taken_now: bool
) -> None:
    decision = register_request(OperatorRequestFacts(received_at=at(received)))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(registered_by)
    assert decision.values == {"taken_now": taken_now}


@pytest.mark.clause("OCP-P3.7.3")
@pytest.mark.parametrize(
    ("registered", "priority", "react_by"),
    [
        ("2026-11-23T09:00+05:00", 1, "2026-11-23T10:00+05:00"),
        ("2026-11-23T09:00+05:00", 2, "2026-11-23T13:00+05:00"),
        ("2026-11-23T09:00+05:00", 3, "2026-11-23T17:00+05:00"),
        ("2026-11-23T17:00+05:00", 1, "2026-11-23T18:00+05:00"),
        ("2026-11-23T17:00:00.000001+05:00", 1, "2026-11-24T09:00:00.000001+05:00"),
        ("2026-11-23T10:00+05:00", 3, "2026-11-23T18:00+05:00"),
        ("2026-11-23T10:01+05:00", 3, "2026-11-24T09:01+05:00"),
        ("2026-11-20T17:00+05:00", 2, "2026-11-23T12:00+05:00"),
        ("2024-05-03T17:00+05:00", 2, "2024-05-04T12:00+05:00"),
        ("2024-05-04T17:00+05:00", 2, "2024-05-06T12:00+05:00"),
        ("2025-01-02T12:00+05:00", 1, "2025-01-05T10:00+05:00"),
        ("2024-02-29T17:00+06:00", 2, "2024-03-01T12:00+05:00"),
        ("2024-02-29T18:00+06:00", 3, "2024-03-01T17:00+05:00"),
    ],
)
def test_ocp_p3_7_3_the_hours_of_a_priority_are_hours_of_the_support(
    registered: str, priority: Priority, react_by: str
) -> None:
    decision = react_by_priority(PriorityFacts(registered_at=at(registered), priority=priority))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(react_by)
    assert decision.values == {"hours": {1: 1, 2: 4, 3: 8}[priority]}


@pytest.mark.clause("OCP-P3.7.3")
def test_ocp_p3_7_3_without_a_priority_a_person_decides_and_the_shortest_term_is_shown() -> None:
    decision = react_by_priority(PriorityFacts(registered_at=at("2026-11-23T09:00+05:00"), priority=None))
    assert decision.verdict is Verdict.PERSON
    assert due(decision) == at("2026-11-23T10:00+05:00")


@pytest.mark.clause("OCP-P3.4")
@pytest.mark.parametrize(
    ("received", "react_by"),
    [
        ("2026-11-23T09:00+05:00", "2026-11-23T18:00+05:00"),
        ("2026-11-23T08:00+05:00", "2026-11-23T18:00+05:00"),
        ("2026-11-23T09:00:00.000001+05:00", "2026-11-24T09:00:00.000001+05:00"),
        ("2026-11-23T15:00+05:00", "2026-11-24T15:00+05:00"),
        ("2026-11-23T18:00+05:00", "2026-11-24T18:00+05:00"),
        ("2026-11-21T12:00+05:00", "2026-11-23T18:00+05:00"),
        ("2024-05-03T12:00+05:00", "2024-05-04T12:00+05:00"),
        ("2024-05-06T12:00+05:00", "2024-05-10T12:00+05:00"),
        ("2024-02-29T12:00+06:00", "2024-03-01T12:00+05:00"),
    ],
)
def test_ocp_p3_4_a_business_day_is_nine_hours_of_the_support(received: str, react_by: str) -> None:
    decision = react_to_incident(IncidentFacts(received_at=at(received)))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(react_by)


@pytest.mark.clause("OCP-P3.4")
@pytest.mark.parametrize(
    ("out", "react_by"),
    [
        ([("2026-11-23T10:00", "2026-11-23T12:00")], "2026-11-24T11:00"),
        ([("2026-11-23T06:00", "2026-11-23T10:00")], "2026-11-24T10:00"),
        ([("2026-11-23T06:00", "2026-11-23T09:00")], "2026-11-23T18:00"),
        ([("2026-11-23T17:00", "2026-11-24T10:00")], "2026-11-24T11:00"),
        ([("2026-11-23T18:00", "2026-11-24T10:00")], "2026-11-23T18:00"),
        ([("2026-11-23T10:00", "2026-11-23T12:00"), ("2026-11-23T11:00", "2026-11-23T13:00")], "2026-11-24T12:00"),
        ([("2026-11-24T09:30", "2026-11-24T10:30"), ("2026-11-23T10:00", "2026-11-23T11:00")], "2026-11-24T11:00"),
        ([("2026-11-22T09:00", "2026-11-22T18:00")], "2026-11-23T18:00"),
        ([("2026-11-23T09:00", "2026-11-23T18:00")], "2026-11-24T18:00"),
    ],
)
def test_ocp_p3_4_works_within_the_hours_of_support_are_left_out(out: list[tuple[str, str]], react_by: str) -> None:
    left_out = works(*((f"{start}+05:00", f"{end}+05:00") for start, end in out))
    decision = react_to_incident(IncidentFacts(received_at=at("2026-11-23T09:00+05:00"), works=left_out))
    assert due(decision) == at(f"{react_by}+05:00")


@pytest.mark.clause("OCP-P3.4")
@pytest.mark.parametrize(
    ("until", "react_by"),
    [
        ("2026-11-23T11:59", "2026-11-24T12:00"),
        ("2026-11-23T12:00", "2026-11-24T12:00"),
        ("2026-11-23T12:01", "2026-11-24T12:01"),
    ],
)
def test_ocp_p3_4_of_works_under_way_at_the_receipt_the_rest_is_left_out(until: str, react_by: str) -> None:
    left_out = works(("2026-11-23T10:00+05:00", f"{until}+05:00"))
    decision = react_to_incident(IncidentFacts(received_at=at("2026-11-23T12:00+05:00"), works=left_out))
    assert due(decision) == at(f"{react_by}+05:00")


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_the_six_steps_are_taken_in_order() -> None:
    steps = list(IncidentStep)
    assert len(steps) == 6
    assert next_steps(()) == tuple(steps)
    for done in range(6):
        assert next_steps(steps[:done]) == tuple(steps[done:])
    assert next_steps(steps) == ()


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_restoring_the_service_waits_for_no_paper() -> None:
    assert next_steps({IncidentStep.RESTORE})[-1] is IncidentStep.COMPENSATE
    assert len(next_steps({IncidentStep.RESTORE})) == 5


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_the_reaction_is_due_until_the_receipt_is_confirmed() -> None:
    received, steps = at("2026-11-23T09:00+05:00"), tuple(IncidentStep)
    silent = react_to_incident(IncidentFacts(received_at=received, done=(IncidentStep.RESTORE,)))
    assert silent.verdict is Verdict.DUE
    assert silent.what == "next: confirm the receipt"
    begun = react_to_incident(IncidentFacts(received_at=received, done=steps[:1]))
    assert (begun.verdict, begun.deadline) == (Verdict.ACTION, None)
    assert begun.what == "next: confirm or deny the incident"
    assert begun.values == {"steps_left": "; ".join(steps[1:])}
    done = react_to_incident(IncidentFacts(received_at=received, done=steps))
    assert (done.verdict, done.deadline, done.values) == (Verdict.ALLOWED, None, {})


@pytest.mark.clause("OCP-3.2.3")
@pytest.mark.parametrize(
    ("asked", "given_by"),
    [
        ("2026-11-23T00:00+05:00", "2026-12-01T00:00+05:00"),
        ("2026-11-22T23:59:59.999999+05:00", "2026-11-28T00:00+05:00"),
        ("2026-11-23T23:59:59+05:00", "2026-12-01T00:00+05:00"),
        ("2024-04-30T12:00+05:00", "2024-05-11T00:00+05:00"),
        ("2024-02-23T12:00+06:00", "2024-03-02T00:00+05:00"),
        ("2024-02-29T18:30Z", "2024-03-08T00:00+05:00"),
    ],
)
def test_ocp_3_2_3_technical_information_is_given_by_the_end_of_the_fifth_business_day(
    asked: str, given_by: str
) -> None:
    decision = technical_information(InformationFacts(received_at=at(asked)))
    assert decision.verdict is Verdict.DUE
    assert due(decision) == at(given_by)
