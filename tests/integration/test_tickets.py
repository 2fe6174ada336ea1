"""Tickets from end to end, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from blocks.errors import NotFound, Transient
from blocks.ledger import (
    InboxState,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Ticket,
    TicketState,
    Window,
    WindowState,
    reading,
    transaction,
)
from blocks.office import Office
from flows.dispatcher import Dispatcher
from tasks.events import apply_event
from tasks.inbox import claim
from tasks.notices import queue
from tasks.numbering import add_numbered
from tasks.obligations import watch
from tasks.order_forms import EventKind
from tasks.ticket_notices import LETTERS_AN_HOUR
from tasks.ticket_timers import follow_timers, mirror
from tasks.ticket_views import open_tickets, reports_of_same_problem, ticket_view_data
from tests.tickets import (
    USER,
    act,
    happened,
    letter,
    letters,
    obligations,
    owed,
    put_ticket,
    ticket_form,
    ticket_of,
)
from tests.work import MINUTE, NOW, PERSON, drain, inbox_states, ks, ordered, put, put_order

HOUR = timedelta(hours=1)
REACT = "OT-4 react to the ticket"
OPERATOR = "operator@example.net"
OCP_OPERATOR = "ocp-operator@example.net"


@pytest.mark.clause("KS-1.3", "KS-3.4")
def test_ks_1_3_a_request_is_confirmed_with_its_time_and_the_time_needed(office: Office) -> None:
    number = put_ticket(office, agreement="KS")
    assert letters(office, number) == ["ticket_received"]
    sent = letter(office, "ticket_received", number)
    assert sent.facts["minutes_needed"] == 5
    assert "20.11.2026 12:00 МСК" in (sent.body or "")
    assert owed(office, number) == {"KS-3.4 answer support": NOW + 5 * MINUTE}
    receipt = next(row for row in obligations(office, number) if row.what == "confirm receipt")
    assert (receipt.clause, receipt.state) == ("KS-1.3", ObligationState.FULFILLED)


@pytest.mark.clause("KS-1.3")
def test_ks_1_3_the_outcome_is_reported_and_the_time_told_for_it_is_owed(office: Office) -> None:
    number = put_ticket(office, agreement="KS")
    act(office, number, "reacted", NOW + MINUTE, minutes_needed=90)
    assert letters(office, number) == ["ticket_received", "ticket_reacted"]
    assert owed(office, number) == {"KS-1.3 report the outcome": NOW + 91 * MINUTE}
    act(office, number, "reacted", NOW + 2 * MINUTE, minutes_needed=30)
    assert owed(office, number) == {"KS-1.3 report the outcome": NOW + 32 * MINUTE}
    act(office, number, "resolved", NOW + 3 * MINUTE, text="Мост перезапущен")
    assert "Мост перезапущен" in (letter(office, "ticket_resolved", number).body or "")
    assert owed(office, number) == {}
    assert ticket_of(office, number).state is TicketState.RESOLVED


@pytest.mark.clause("KS-3.11")
@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, None),
        ({"occurred": ""}, ["time"]),
        ({"substance": " ", "actions": ""}, ["substance", "actions"]),
        ({"substance": "", "occurred": "", "actions": ""}, ["substance", "time", "actions"]),
    ],
)
def test_ks_3_11_what_a_request_lacks_is_asked_for_and_its_clock_runs_on(
    office: Office, said: dict[str, Any], missing: list[str] | None
) -> None:
    number = put_ticket(office, agreement="KS", **said)
    assert letter(office, "ticket_incomplete", number).facts == (
        missing and {"number": number, "zone": "Europe/Moscow", "missing": missing}
    )
    assert owed(office, number) == {"KS-3.4 answer support": NOW + 5 * MINUTE}


@pytest.mark.clause("KS-3.4")
def test_ks_3_4_the_watch_warns_and_reports_a_breach_of_the_five_minutes(office: Office) -> None:
    number = put_ticket(office, agreement="KS")
    operator = office.settings.operator_email
    assert watch(office.sessions, operator=operator, now=NOW + 3 * MINUTE).warned == 0
    assert watch(office.sessions, operator=operator, now=NOW + 4 * MINUTE).warned == 1
    assert watch(office.sessions, operator=operator, now=NOW + 5 * MINUTE).breached == 0
    assert watch(office.sessions, operator=operator, now=NOW + 6 * MINUTE).breached == 1
    act(office, number, "asked", NOW + 7 * MINUTE)
    row = next(row for row in obligations(office, number) if row.clause == "KS-3.4")
    assert (row.state, row.fulfilled_at) == (ObligationState.FULFILLED, NOW + 7 * MINUTE)


def test_the_same_ticket_changes_nothing_however_often_it_comes(office: Office) -> None:
    number = put_ticket(office)
    assert put_ticket(office, NOW + MINUTE, subject="Другая тема") == number
    assert put_ticket(office, NOW + MINUTE, source="operator") != number, "another source has numbers of its own"
    with reading(office.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Ticket)) == 2
    assert happened(office, number) == ["received", "joined"]
    assert letters(office, number) == ["ticket_received"]


def test_a_ticket_finds_its_customer_within_its_agreement(office: Office) -> None:
    ordered(office, "A-1", ks(2))
    number = put_ticket(office, agreement="KS", sender=PERSON["email"].upper())
    assert ticket_of(office, number).customer_id is not None
    elsewhere = put_ticket(office, ticket="H-2", agreement="OT", sender=PERSON["email"])
    assert ticket_of(office, elsewhere).customer_id is None


@pytest.mark.clause("OT-4")
def test_ot_4_after_each_answer_the_twenty_minutes_start_anew(office: Office) -> None:
    number = put_ticket(office)
    assert owed(office, number) == {REACT: NOW + 20 * MINUTE}
    act(office, number, "asked", NOW + 5 * MINUTE, text="С какого номера?")
    assert ticket_of(office, number).state is TicketState.WAITING
    assert owed(office, number) == {}
    assert "С какого номера?" in (letter(office, "ticket_question", number).body or "")
    act(office, number, "answered", NOW + HOUR, source="helpdesk", who=USER, text="С 101")
    assert ticket_of(office, number).state is TicketState.OPEN
    assert owed(office, number) == {"OT-4 react to the user's answer (round 2)": NOW + HOUR + 20 * MINUTE}
    act(office, number, "reacted", NOW + HOUR + 10 * MINUTE)
    assert owed(office, number) == {}
    met = {row.what: row.fulfilled_at for row in obligations(office, number)}
    assert met == {
        "react to the ticket": NOW + 5 * MINUTE,
        "react to the user's answer (round 2)": NOW + HOUR + 10 * MINUTE,
    }


def test_a_timer_that_waits_for_the_user_owes_nothing_until_the_answer(office: Office) -> None:
    number = put_ticket(office, kind="consultation")
    assert owed(office, number) == {"OT-5 consider the question": NOW + HOUR}
    act(office, number, "asked", NOW + 20 * MINUTE)
    assert owed(office, number) == {}
    assert [row.state for row in obligations(office, number)] == [ObligationState.LIFTED]
    act(office, number, "answered", NOW + 50 * MINUTE)
    assert owed(office, number) == {"OT-5 consider the question": NOW + HOUR + 30 * MINUTE}


def test_an_answer_that_came_before_our_question_does_not_answer_it(office: Office) -> None:
    number = put_ticket(office)
    act(office, number, "asked", NOW + 10 * MINUTE)
    act(office, number, "answered", NOW + 5 * MINUTE)
    assert happened(office, number) == ["received", "answered", "asked"]
    assert ticket_of(office, number).state is TicketState.WAITING


@pytest.mark.clause("OT-7")
def test_ot_7_an_escalation_without_a_reason_is_refused(office: Office) -> None:
    number = put_ticket(office)
    assert act(office, number, "escalated", NOW, text="  ").startswith("OT-7: no reason")
    assert happened(office, number) == ["received"]
    assert "ticket_escalated" not in letters(office, number, OPERATOR)


@pytest.mark.clause("OT-7")
def test_ot_7_an_escalation_goes_ahead_of_the_queue_at_any_hour(office: Office) -> None:
    night = NOW + timedelta(hours=12)
    first = put_ticket(office, night, ticket="H-1")
    second = put_ticket(office, night, ticket="H-2", subject="Другое")
    assert [row.number for row in open_tickets(office, night)] == [first, second]
    act(office, second, "escalated", night, source="helpdesk", who=USER, text="Стоят продажи")
    assert letters(office, second, OPERATOR) == ["ticket_needs_work", "ticket_escalated"]
    assert "Стоят продажи" in (letter(office, "ticket_escalated", second).body or "")
    assert owed(office, second) == {
        REACT: night + 20 * MINUTE,
        "OT-7 look at the escalated ticket": night + 20 * MINUTE,
    }
    rows = open_tickets(office, night + 21 * MINUTE)
    assert [(row.number, row.overdue) for row in rows] == [(second, True), (first, False)]
    act(office, second, "reacted", night + 22 * MINUTE)
    assert [row.number for row in open_tickets(office, night + 23 * MINUTE)] == [second, first]
    act(office, second, "escalated", night + 30 * MINUTE, text="Всё ещё стоят")
    assert owed(office, second) == {"OT-7 look at the escalated ticket (2)": night + 50 * MINUTE}


@pytest.mark.clause("OT-12")
def test_ot_12_a_global_failure_lets_the_clock_run_at_night(office: Office) -> None:
    night = NOW + timedelta(hours=12)
    number = put_ticket(office, night)
    monday = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
    assert owed(office, number) == {REACT: monday}
    act(office, number, "global failure", night + 5 * MINUTE, text="Площадка недоступна")
    assert owed(office, number) == {REACT: night + 25 * MINUTE}
    assert letters(office, number, OPERATOR) == ["ticket_needs_work"] * 2


@pytest.mark.clause("OT-8", "OT-9")
def test_ot_8_a_repeated_ticket_joins_the_first_and_leaves_its_clock_alone(office: Office) -> None:
    first = put_ticket(office)
    again = put_ticket(office, NOW + 5 * MINUTE, ticket="H-2", subject="RE: не идут  ЗВОНКИ", substance="Всё стоит")
    assert (ticket_of(office, again).state, happened(office, again)) == (
        TicketState.DUPLICATE,
        ["received", "duplicate"],
    )
    assert ticket_of(office, again).duplicate_of_id == ticket_of(office, first).id
    assert happened(office, first) == ["received", "joined"]
    assert "Всё стоит" in ticket_view_data(office, first, NOW + 6 * MINUTE).events[1].what
    assert (owed(office, first), owed(office, again)) == ({REACT: NOW + 20 * MINUTE}, {})
    assert letters(office, again) == ["ticket_joined"]
    assert first in (letter(office, "ticket_joined", again).body or "")


@pytest.mark.clause("OT-8")
def test_ot_8_a_repeat_answers_the_first_where_that_waits_for_its_user(office: Office) -> None:
    first = put_ticket(office)
    act(office, first, "asked", NOW + MINUTE)
    put_ticket(office, NOW + 5 * MINUTE, ticket="H-2")
    assert happened(office, first) == ["received", "asked", "answered"]
    assert ticket_of(office, first).state is TicketState.OPEN
    assert owed(office, first) == {"OT-4 react to the user's answer (round 2)": NOW + 25 * MINUTE}


@pytest.mark.clause("OT-8")
@pytest.mark.parametrize(
    "other",
    [
        {"subject": "Не идут SMS"},
        {"service": "ovv"},
        {"service": None},
        {"sender": "stranger@example.test"},
        {"agreement": "QS"},
    ],
)
def test_ot_8_another_problem_is_no_repeat(office: Office, other: dict[str, Any]) -> None:
    first = put_ticket(office)
    second = put_ticket(office, ticket="H-2", **other)
    assert ticket_of(office, second).state is TicketState.OPEN
    assert happened(office, first) == ["received"]


@pytest.mark.clause("OT-8")
def test_ot_8_after_a_resolved_ticket_the_user_may_open_another(office: Office) -> None:
    first = put_ticket(office)
    act(office, first, "resolved", NOW + MINUTE)
    assert ticket_of(office, put_ticket(office, ticket="H-2")).state is TicketState.OPEN


@pytest.mark.clause("OT-8")
def test_ot_8_a_stated_repeat_joins_but_never_a_strangers_ticket(office: Office) -> None:
    first = put_ticket(office)
    own = put_ticket(office, ticket="H-2", subject="Совсем другое", repeat_of=first)
    stranger = put_ticket(office, ticket="H-3", subject="И ещё", repeat_of=first, sender="stranger@example.test")
    assert ticket_of(office, own).state is TicketState.DUPLICATE
    assert ticket_of(office, stranger).state is TicketState.OPEN
    assert happened(office, first) == ["received", "joined"]


@pytest.mark.clause("OT-8")
def test_ot_8_a_person_joins_tickets_and_what_its_user_adds_goes_to_the_first(office: Office) -> None:
    first = put_ticket(office)
    other = put_ticket(office, ticket="H-2", sender="second@example.test", agreement="OT")
    assert "not another open ticket" in act(office, other, "join", NOW, other=other)
    act(office, other, "join", NOW + MINUTE, other=first)
    assert (ticket_of(office, other).state, owed(office, other)) == (TicketState.DUPLICATE, {})
    assert letters(office, other, "second@example.test") == ["ticket_received", "ticket_joined"]
    act(office, other, "answered", NOW + 2 * MINUTE, text="и у соседей")
    assert happened(office, first) == ["received", "joined", "joined"]
    assert "is duplicate" in act(office, other, "reacted", NOW + 3 * MINUTE)
    act(office, first, "resolved", NOW + 4 * MINUTE)
    assert letters(office, other, "second@example.test")[-1] == "ticket_resolved"


@pytest.mark.clause("OCP-P3.7.1", "OCP-P3.7.3")
def test_ocp_p3_7_1_within_the_hours_a_request_is_registered_at_once(office: Office) -> None:
    number = put_ticket(office, agreement="OCP", priority=2)
    assert happened(office, number) == ["received", "registered"]
    assert owed(office, number) == {"OCP-P3.7.3 react to priority 2": datetime(2026, 11, 20, 13, 0, tzinfo=UTC)}
    assert letters(office, number, OCP_OPERATOR) == ["ticket_registered"]
    assert number in (letter(office, "ticket_registered", number).body or "")


@pytest.mark.clause("OCP-P3.7.1", "OCP-P3.7.3")
def test_ocp_p3_7_1_outside_the_hours_it_is_registered_at_the_next_opening(office: Office) -> None:
    night = NOW + timedelta(hours=12)
    opening = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # Monday 09:00 in Astana
    number = put_ticket(office, night, agreement="OCP", priority=1, sender=OCP_OPERATOR)
    assert letters(office, number, OCP_OPERATOR) == ["ticket_received"], "the number is told at once, and once"
    assert owed(office, number) == {"OCP-P3.7.3 react to priority 1": opening + HOUR}
    view = ticket_view_data(office, number, opening)
    assert [(event.at, event.what) for event in view.events][1] == (opening, f"registered: {number}")
    assert [(timer.clause, timer.met_at) for timer in view.timers] == [("OCP-P3.7.1", opening), ("OCP-P3.7.3", None)]
    assert watch(office.sessions, operator=OPERATOR, now=opening).warned == 0


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_an_incident_takes_six_steps_and_the_first_is_our_reaction(office: Office) -> None:
    number = put_ticket(office, agreement="OCP", kind="incident", priority=None)
    due = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert owed(office, number) == {"OCP-P3.4 react to the incident request": due}
    steps = [
        "confirm the receipt",
        "confirm or deny the incident",
        "fix its time and duration",
        "confirm or deny our responsibility",
        "decide on compensation and carry it out",
        "take timely measures to restore the service",
    ]
    for step in steps[:5]:
        act(office, number, "step", NOW + MINUTE, step=step, text=f"да: {step}")
    assert owed(office, number) == {}
    assert act(office, number, "step", NOW + MINUTE, step=steps[1]).endswith("is done")
    assert "OCP-P3.4: steps are left: take timely" in act(office, number, "resolved", NOW + HOUR)
    act(office, number, "step", NOW + HOUR, step=steps[5], text="сервис восстановлен")
    assert act(office, number, "resolved", NOW + HOUR).endswith("resolved")
    told = letters(office, number)
    assert told == ["ticket_received", *["ticket_step"] * 6, "ticket_resolved"]
    assert letters(office, number, OCP_OPERATOR) == ["ticket_registered", *["ticket_step"] * 6, "ticket_resolved"]
    assert "Восстановление" in (letter(office, "ticket_step", number).body or "")


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_steps_are_of_incident_requests_alone(office: Office) -> None:
    number = put_ticket(office, agreement="OCP", priority=1)
    assert "no incident request" in act(office, number, "step", NOW, step="confirm the receipt")


def window(office: Office, starts: datetime, ends: datetime, **changes: object) -> None:
    with transaction(office.sessions) as session:
        row = Window(
            key=uuid4().hex,
            kind="planned",
            starts_at=starts,
            ends_at=ends,
            services=["dialer"],
            agreements=["OCP"],
            what="works",
            state=WindowState.PLANNED,
            needs_agreement=True,
            planned_by="x",
            planned_at=starts,
        )
        for name, value in changes.items():
            setattr(row, name, value)
        add_numbered(session, row, now=starts)


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_planned_and_urgent_works_are_left_out_of_the_business_day(office: Office) -> None:
    number = put_ticket(office, agreement="OCP", kind="incident")
    due = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    what = "OCP-P3.4 react to the incident request"
    for changes in (
        {"kind": "emergency"},
        {"agreements": ["KS"]},
        {"services": ["mail"]},
        {"state": WindowState.CANCELLED},
    ):
        window(office, NOW + HOUR, NOW + 2 * HOUR, **changes)
    follow_timers(office, now=NOW + MINUTE)
    assert owed(office, number) == {what: due}
    window(office, NOW + HOUR, NOW + 2 * HOUR)
    follow_timers(office, now=NOW + MINUTE)
    assert owed(office, number) == {what: due + HOUR}
    window(
        office,
        NOW - HOUR,
        NOW + HOUR / 2,
        kind="urgent",
        state=WindowState.CLOSED,
        needs_agreement=False,
        opened_at=NOW - HOUR,
        closed_at=NOW + HOUR / 4,
    )
    follow_timers(office, now=NOW + MINUTE)
    assert owed(office, number) == {what: due + HOUR + HOUR / 4}
    opened = [row.opened_at for row in obligations(office, number) if row.state is ObligationState.OPEN]
    follow_timers(office, now=NOW + 2 * MINUTE)
    assert [row.opened_at for row in obligations(office, number) if row.state is ObligationState.OPEN] == opened


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_reports_of_one_problem_are_those_of_several_users(office: Office) -> None:
    first = put_ticket(office)
    put_ticket(office, NOW + MINUTE, ticket="H-2", subject="И второе")
    put_ticket(office, NOW + MINUTE, ticket="H-3", kind="suggestion", sender="c@example.test")
    put_ticket(office, NOW + MINUTE, ticket="H-4", service="mail", sender="d@example.test")
    early = put_ticket(office, NOW - HOUR, ticket="H-5", sender="e@example.test")
    second = put_ticket(office, NOW + 2 * MINUTE, ticket="H-6", sender="b@example.test")
    with reading(office.sessions) as session:
        found = reports_of_same_problem(session, "dialer", NOW)
        assert [row.number for row in found] == [first, second]
        assert early in [row.number for row in reports_of_same_problem(session, "dialer", NOW - HOUR)]
    act(office, first, "resolved", NOW + 3 * MINUTE)
    act(office, second, "resolved", NOW + 3 * MINUTE)
    with reading(office.sessions) as session:
        assert [row.external_id for row in reports_of_same_problem(session, "dialer", NOW)] == ["H-2"]


def test_the_dispatcher_sends_a_tickets_letters_at_once_and_no_others(office: Office) -> None:
    put_order(office, "A-1", ks(2))
    put(office, EventKind.TICKET, ticket_form(), "t-1", "helpdesk")
    order, ticket = claim(office.sessions, owner="d", now=NOW, limit=2)
    apply_event(office, order, now=NOW)
    asyncio.run(Dispatcher(office, "d")._one(ticket))  # noqa: SLF001 - the whole loop asks Prefect
    with reading(office.sessions) as session:
        found = {row.kind: row.state for row in session.scalars(select(Notice))}
    assert found["ticket_received"] is NoticeState.DELIVERED
    assert found["ticket_needs_work"] is NoticeState.DELIVERED
    assert found["order_received"] is NoticeState.QUEUED
    assert inbox_states(office)[1] is InboxState.DONE


def test_at_the_desk_a_refused_act_is_answered_and_any_other_is_parked(office: Office) -> None:
    for source in ("operator", "helpdesk"):
        payload = {"ticket": "T-2026-999999", "act": "answered", "who": "x", "text": "x"}
        put(office, EventKind.TICKET_ACT, payload, "a-1", source)
    for event in claim(office.sessions, owner="d", now=NOW, limit=2):
        asyncio.run(Dispatcher(office, "d")._one(event))  # noqa: SLF001 - as above
    assert inbox_states(office) == [InboxState.DONE, InboxState.PARKED]


def test_an_act_counts_once_however_often_its_event_is_worked_on(office: Office) -> None:
    number = put_ticket(office)
    put(office, EventKind.TICKET_ACT, {"ticket": number, "act": "reacted", "who": "x"}, "a-1", "operator")
    [event] = claim(office.sessions, owner="d", now=NOW, limit=1)
    for _ in range(2):
        assert apply_event(office, event, now=NOW).outcome == f"{number} reacted: open"
    assert happened(office, number) == ["received", "reacted"]


def test_a_source_acts_on_its_own_tickets_alone_and_may_only_answer_and_escalate(office: Office) -> None:
    number = put_ticket(office)
    assert act(office, number, "answered", NOW, source="shop") == f"no ticket {number}"
    assert "not for users" in act(office, number, "resolved", NOW, source="helpdesk")
    assert "another sender's" in act(office, number, "answered", NOW, source="mail", who="stranger@example.test")
    assert happened(office, number) == ["received"]
    assert inbox_states(office)[1:] == [InboxState.PARKED] * 3
    assert act(office, "H-1", "answered", NOW, source="helpdesk") == f"{number} answered: open"


@pytest.mark.parametrize("name", ["asked", "answered", "resolved", "global failure"])
def test_what_needs_words_is_refused_without_them(office: Office, name: str) -> None:
    number = put_ticket(office)
    assert act(office, number, name, NOW, text="").endswith("needs a text")


def test_a_robot_that_answers_every_letter_is_left_alone_and_a_person_told(office: Office) -> None:
    for n in range(LETTERS_AN_HOUR + 3):
        number = put_ticket(office, NOW + n * MINUTE, ticket=f"H-{n}", agreement="KS", subject=f"Автоответ {n}")
    with reading(office.sessions) as session:
        sent = session.scalars(select(Notice).where(Notice.recipient == USER).order_by(Notice.id)).all()
        assert [row.state for row in sent] == [NoticeState.DELIVERED] * LETTERS_AN_HOUR + [NoticeState.QUEUED] * 3
        assert sent[-1].next_try_at == NOW + (LETTERS_AN_HOUR + 2) * MINUTE + HOUR
        assert len(session.scalars(select(Notice).where(Notice.kind == "ticket_flood")).all()) == 1
    assert "KS-1.3 confirm receipt" in owed(office, number), "the confirmation is still owed"
    drain(office, NOW + 2 * HOUR)
    assert letter(office, "ticket_received", number).state is NoticeState.DELIVERED
    assert "KS-1.3 confirm receipt" not in owed(office, number)


def test_a_robot_never_gets_more_than_its_letters_in_any_hour(office: Office) -> None:
    for n in range(LETTERS_AN_HOUR * 2 + 1):
        put_ticket(office, NOW, ticket=f"H-{n}", subject=f"Автоответ {n}")
    with reading(office.sessions) as session:
        found = session.scalars(select(Notice.next_try_at).where(Notice.recipient == USER))
        assert Counter((at - NOW) // HOUR for at in found) == {0: LETTERS_AN_HOUR, 1: LETTERS_AN_HOUR, 2: 1}


def test_what_our_people_write_goes_out_at_once_however_much_was_sent(office: Office) -> None:
    for n in range(LETTERS_AN_HOUR + 1):
        number = put_ticket(office, ticket=f"H-{n}", subject=f"Автоответ {n}", agreement="KS")
    act(office, number, "asked", NOW + MINUTE)
    act(office, number, "reacted", NOW + MINUTE, minutes_needed=5)
    act(office, number, "resolved", NOW + MINUTE)
    for kind in ("ticket_question", "ticket_reacted", "ticket_resolved"):
        assert letter(office, kind, number).state is NoticeState.DELIVERED, kind


def test_a_mass_outages_notices_do_not_hold_up_support(office: Office) -> None:
    with transaction(office.sessions) as session:
        for n in range(LETTERS_AN_HOUR + 5):
            facts = {"number": f"A-{n}"}
            queue(
                session,
                key=f"o{n}",
                kind="outage_opened",
                agreement="OT",
                recipient=USER,
                facts=facts,
                now=NOW + 2 * HOUR,
                about=f"A-2026-{n:06d}",
            )
    number = put_ticket(office)
    assert letter(office, "ticket_received", number).state is NoticeState.DELIVERED
    assert "ticket_flood" not in letters(office, number, OPERATOR)


@pytest.mark.clause("OCP-P3.7.3")
def test_ocp_p3_7_3_a_request_that_was_dealt_with_before_its_registration_owes_nothing(office: Office) -> None:
    friday = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 20:00 in Astana
    number = put_ticket(office, friday, agreement="OCP", priority=1)
    act(office, number, "reacted", friday + 10 * MINUTE)
    assert owed(office, number) == {}
    [row] = obligations(office, number)
    assert (row.state, row.fulfilled_at) == (ObligationState.FULFILLED, friday + 10 * MINUTE)
    act(office, number, "resolved", friday + 20 * MINUTE)
    follow_timers(office, now=friday + timedelta(days=4))
    assert watch(office.sessions, operator=OPERATOR, now=friday + timedelta(days=4)).breached == 0


def test_a_ticket_that_is_over_owes_nothing(office: Office) -> None:
    number = put_ticket(office)
    with transaction(office.sessions) as session:
        ticket = session.scalars(select(Ticket)).one()
        ticket.agreement = "OCP"  # never registered, so its registration is not met by the end
        mirror(session, ticket, now=NOW)
    assert list(owed(office, number)) == ["OCP-P3.7.1 register and tell the number"]
    act(office, number, "resolved", NOW + MINUTE)
    assert owed(office, number) == {}


@pytest.mark.clause("KS-1.3")
def test_ks_1_3_each_further_message_is_confirmed_with_its_time_and_the_time_needed(office: Office) -> None:
    number = put_ticket(office, agreement="KS")
    act(office, number, "reacted", NOW + MINUTE, minutes_needed=90)
    for n in (2, 3):
        act(office, number, "answered", NOW + n * MINUTE, source="helpdesk", text="Ещё вот что")
    assert letters(office, number) == ["ticket_received", "ticket_reacted", "ticket_added", "ticket_added"]
    body = letter(office, "ticket_added", number).body or ""
    assert "20.11.2026 12:03 МСК" in body
    assert "20.11.2026 13:31 МСК" in body
    confirmed = [row for row in obligations(office, number) if row.what.startswith("confirm receipt of")]
    assert [(row.clause, row.state) for row in confirmed] == [("KS-1.3", ObligationState.FULFILLED)] * 2
    other = put_ticket(office, ticket="H-2", subject="Другое")
    act(office, other, "answered", NOW + MINUTE, source="helpdesk")
    assert letters(office, other) == ["ticket_received"], "no other agreement asks for it"


@pytest.mark.clause("KS-1.3")
def test_ks_1_3_the_outcome_is_owed_from_the_reaction_though_no_time_was_told(office: Office) -> None:
    number = put_ticket(office, agreement="KS")
    act(office, number, "reacted", NOW + MINUTE)
    assert owed(office, number) == {"KS-1.3 report the outcome": NOW + MINUTE + timedelta(days=1)}
    act(office, number, "reacted", NOW + 2 * MINUTE, minutes_needed=30)
    act(office, number, "reacted", NOW + 3 * MINUTE)
    assert owed(office, number) == {"KS-1.3 report the outcome": NOW + 32 * MINUTE}, "what was told stays"


@pytest.mark.clause("KS-1.3", "OT-8")
def test_ot_8_an_answer_to_a_joined_ticket_whose_first_is_resolved_is_a_new_ticket(office: Office) -> None:
    last = put_ticket(office, agreement="KS", subject="Последнее")
    first = put_ticket(office, ticket="H-1b", agreement="KS", subject="Первое")
    joined = put_ticket(office, ticket="H-2", agreement="KS", subject="Первое")
    act(office, first, "join", NOW, other=last)
    act(office, last, "resolved", NOW + MINUTE)
    act(office, joined, "answered", NOW + 2 * MINUTE, source="helpdesk", text="Снова не работает")
    assert inbox_states(office)[-1] is InboxState.DONE
    with reading(office.sessions) as session:
        anew = session.scalars(select(Ticket).order_by(Ticket.id)).all()[-1]
    assert (anew.source, anew.agreement, anew.subject, anew.state) == ("helpdesk", "KS", "Первое", TicketState.OPEN)
    assert letters(office, anew.number) == ["ticket_received", "ticket_incomplete"]
    assert owed(office, anew.number) == {"KS-3.4 answer support": NOW + 7 * MINUTE}
    assert "Снова не работает" in ticket_view_data(office, anew.number, NOW + HOUR).events[0].what


@pytest.mark.clause("OT-8")
def test_ot_8_another_customer_learns_nothing_of_the_ticket_that_its_own_was_joined_to(office: Office) -> None:
    first = put_ticket(office, subject="Тайный проект", substance="секрет")
    other = put_ticket(office, ticket="H-2", sender="second@example.test", subject="Стоит")
    act(office, other, "join", NOW + MINUTE, other=first)
    act(office, first, "resolved", NOW + 2 * MINUTE, text="Починили тайный проект")
    with reading(office.sessions) as session:
        told = session.scalars(select(Notice).where(Notice.recipient == "second@example.test")).all()
    assert [row.kind for row in told] == ["ticket_received", "ticket_joined", "ticket_resolved"]
    for row in told:
        said = f"{row.subject} {row.body} {row.facts}".lower()
        assert other.lower() in said
        assert not any(word in said for word in (first.lower(), "тайный", "секрет", USER))
    assert [row.kind for row in told if row.about == other] == [row.kind for row in told]


def test_letters_take_no_header_from_what_a_user_wrote(office: Office) -> None:
    put(office, EventKind.TICKET, ticket_form(subject="a\r\nBcc: spy@example.test"), "t-1", "helpdesk")
    drain(office, NOW)
    assert inbox_states(office) == [InboxState.PARKED]
    text = "x\r\nBcc: spy@example.test\r\n\r\nBcc: spy@example.test"
    number = put_ticket(office, agreement="KS", substance=text, subject="=?utf-8?q?a=0D=0ABcc:_spy@example.test?=")
    act(office, number, "asked", NOW, text=text)
    act(office, number, "escalated", NOW, text=text)
    act(office, number, "resolved", NOW, text=text)
    files = list(office.settings.outbox.glob("*.eml"))
    assert len(files) >= 6
    for file in files:
        message = message_from_bytes(file.read_bytes(), policy=default_policy)
        assert message["Bcc"] is None
        assert "Bcc" not in str(message["Subject"])


def test_works_beside_the_time_of_a_reaction_and_tickets_of_other_terms_are_not_followed(office: Office) -> None:
    put_ticket(office, agreement="KS", ticket="H-ks")
    put_ticket(office, agreement="OCP", ticket="H-tech", sender="t@example.test", priority=1)
    put_ticket(office, agreement="OCP", ticket="H-mail", sender="m@example.test", kind="incident", service="mail")
    number = put_ticket(office, agreement="OCP", kind="incident")
    due = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    window(office, NOW - 2 * HOUR, NOW)
    window(office, due, due + HOUR)
    assert follow_timers(office, now=NOW) == 0
    window(office, due - MINUTE, due + HOUR)
    assert [follow_timers(office, now=NOW) for _ in range(2)] == [1, 0], "once moved, it is left alone"
    what = "OCP-P3.4 react to the incident request"
    assert owed(office, number) == {what: due + 61 * MINUTE}
    with transaction(office.sessions) as session:
        session.execute(update(Window).values(state=WindowState.CANCELLED))
    assert follow_timers(office, now=NOW) == 1
    assert owed(office, number) == {what: due}
    act(office, number, "step", NOW + MINUTE, step="confirm the receipt", text="да")
    assert follow_timers(office, now=NOW + MINUTE) == 0


def test_an_act_waits_for_its_ticket_that_has_come_and_is_not_yet_on_record(office: Office) -> None:
    told = {"ticket": "H-1", "act": "answered", "who": USER, "text": "ещё"}
    put(office, EventKind.TICKET, ticket_form(), "t-1", "helpdesk")
    put(office, EventKind.TICKET_ACT, told, "a-1", "helpdesk")
    put(office, EventKind.TICKET_ACT, told, "a-2", "shop")
    ticket, early, strange = claim(office.sessions, owner="d", now=NOW, limit=3)
    with pytest.raises(NotFound):
        apply_event(office, strange, now=NOW)
    with pytest.raises(Transient):
        apply_event(office, early, now=NOW)
    apply_event(office, ticket, now=NOW)
    assert apply_event(office, early, now=NOW).outcome.endswith("answered: open")


def test_the_view_shows_clocks_with_their_pauses_and_masks_addresses(office: Office) -> None:
    from reports.ticket import ticket_markdown

    number = put_ticket(office, kind="consultation", substance="пишите на boss@example.test")
    act(office, number, "asked", NOW + 10 * MINUTE)
    view = ticket_view_data(office, number, NOW + 30 * MINUTE)
    [timer] = view.timers
    assert [(s.end, s.running) for s in timer.segments] == [(NOW + 10 * MINUTE, True), (None, False)]
    assert (timer.due, int(timer.spent_seconds), view.zone) == (None, 600, "Europe/Kyiv")
    text = ticket_markdown(view)
    assert "boss@" not in text
    assert USER not in text
    with pytest.raises(NotFound):
        ticket_view_data(office, "T-2026-999999", NOW)


def test_a_ticket_of_an_agreement_without_terms_is_confirmed_without_a_time(office: Office) -> None:
    number = put_ticket(office, agreement="QS")
    body = letter(office, "ticket_received", number).body or ""
    assert "О результате" in body
    assert "не более" not in body
    with reading(office.sessions) as session:
        assert session.scalars(select(Obligation)).all() == []


@pytest.mark.parametrize(
    "form",
    [
        {"agreement": "KS", "priority": 1},
        {"agreement": "OT", "kind": "incident"},
        {"language": "de"},
        {"substance": "a\x00b"},
        {"subject": "две\nстроки"},
        {"unknown": 1},
    ],
)
def test_a_form_that_does_not_read_is_parked_for_a_person(office: Office, form: dict[str, Any]) -> None:
    put(office, EventKind.TICKET, ticket_form(**form), "t-1", "operator")
    drain(office, NOW)
    assert inbox_states(office) == [InboxState.PARKED]
