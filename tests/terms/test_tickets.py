"""Ticket timers: a history replayed into what is owed, what was spent and why time stood."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms.calendars import calendar
from blocks.terms.intervals import Interval
from blocks.terms.tickets import Happened, TicketFacts, Timer, What, timers

at = datetime.fromisoformat
MINUTE = timedelta(minutes=1)
OFFICE, OUTSIDE, DAY_OFF = "office hours", "outside office hours", "day off (calendar)"
WAITS, WORKS, BY_CLOCK = "waits for the user's answer", "planned or urgent works", "by the clock"


def facts(agreement: str, kind: str, as_of: str, *events: str, **more: Any) -> TicketFacts:
    """Events are `moment what`, in any order."""
    happened = [dict(zip(("at", "what"), event.split(" ", 1), strict=True)) for event in events]
    return TicketFacts.model_validate(
        {"agreement": agreement, "kind": kind, "as_of": as_of, "events": happened, **more}
    )


def ot(as_of: str, *events: str, kind: str = "technical") -> tuple[Timer, ...]:
    """A ticket of June 2025 in Kyiv: `02T09:10 received`; the 2nd is a Monday."""
    return timers(facts("OT", kind, june(as_of), *(f"{june(event[:8])}{event[8:]}" for event in events)))


def june(text: str) -> str:
    return f"2025-06-{text}+03:00"


def kz(text: str) -> str:
    return f"2026-11-{text}+05:00"


def due(timer: Timer) -> datetime:
    assert timer.due is not None
    return timer.due.due


def told(timer: Timer) -> list[tuple[bool, str, int]]:
    """Segments as (running, why, whole minutes)."""
    return [(one.running, one.why, (one.end - one.start) // MINUTE) for one in timer.segments]


@pytest.mark.clause("OT-4")
@pytest.mark.parametrize("reaction", ["reacted", "asked", "resolved"])
@pytest.mark.parametrize(("when", "breached"), [("02T09:29", False), ("02T09:30", False), ("02T09:31", True)])
def test_ot_4_work_a_question_or_a_solution_within_20_minutes_meets_the_term(
    reaction: str, when: str, breached: bool
) -> None:
    (timer,) = ot("02T12:00", "02T09:10 received", f"{when} {reaction}")
    assert (timer.clause, timer.name) == ("OT-4", "react to the ticket")
    assert due(timer) == at(june("02T09:30"))
    assert timer.met_at == at(june(when))
    assert timer.breached is breached
    assert (timer.spent_seconds, timer.allowed_seconds) == (60 * (int(when[-2:]) - 10), 1200)
    assert told(timer) == [(True, OFFICE, int(when[-2:]) - 10)]


@pytest.mark.clause("OT-4")
@pytest.mark.parametrize(("as_of", "breached"), [("02T09:29", False), ("02T09:30", False), ("02T09:31", True)])
def test_ot_4_an_unmet_term_is_broken_once_its_due_moment_has_passed(as_of: str, breached: bool) -> None:
    (timer,) = ot(as_of, "02T09:10 received")
    assert timer.met_at is None
    assert timer.breached is breached
    assert due(timer) == at(june("02T09:30"))


@pytest.mark.clause("OT-4")
def test_ot_4_an_instant_after_the_term_is_too_late_though_its_whole_seconds_are_not() -> None:
    late = at(june("02T09:30")) + timedelta(microseconds=1)
    received = Happened(at=at(june("02T09:10")), what=What.RECEIVED)
    reacted = Happened(at=late, what=What.REACTED)
    (timer,) = timers(
        TicketFacts.model_validate(
            {
                "agreement": "OT",
                "kind": "technical",
                "as_of": late,
                "events": [received, reacted],
            }
        )
    )
    assert timer.breached
    assert timer.spent_seconds == timer.allowed_seconds == 1200


@pytest.mark.clause("OT-4")
def test_ot_4_a_term_that_ended_with_the_day_is_broken_in_the_night() -> None:
    (timer,) = ot("02T23:00", "02T17:40 received")
    assert due(timer) == at(june("02T18:00"))
    assert timer.breached
    assert timer.spent_seconds == 1200


@pytest.mark.clause("OT-4")
def test_ot_4_the_clock_stands_over_a_weekend_and_says_why() -> None:
    (timer,) = ot("09T09:05", "06T17:50 received")
    assert told(timer) == [
        (True, OFFICE, 10),
        (False, OUTSIDE, 6 * 60),
        (False, DAY_OFF, 48 * 60),
        (False, OUTSIDE, 9 * 60),
        (True, OFFICE, 5),
    ]
    assert timer.spent_seconds == 15 * 60
    assert not timer.breached


@pytest.mark.clause("OT-4")
def test_ot_4_after_each_answer_a_new_round_begins() -> None:
    first, second, third = ot(
        "02T17:00",
        "02T09:10 received",
        "02T09:15 asked",
        "02T11:00 answered",
        "02T11:10 asked",
        "02T12:00 answered",
    )
    assert [one.name for one in (second, third)] == [
        "react to the user's answer (round 2)",
        "react to the user's answer (round 3)",
    ]
    assert [one.spent_seconds for one in (first, second, third)] == [300, 600, 5 * 3600]
    assert [due(one) for one in (first, second, third)] == [
        at(june(f"02T{at_}")) for at_ in ("09:30", "11:20", "12:20")
    ]
    assert [one.breached for one in (first, second, third)] == [False, False, True]


@pytest.mark.clause("OT-4")
def test_ot_4_a_second_answer_begins_its_own_round_and_does_not_put_off_the_first() -> None:
    _, second, third = ot(
        "02T11:40", "02T09:10 received", "02T09:15 asked", "02T11:00 answered", "02T11:15 answered", "02T11:30 reacted"
    )
    assert (due(second), second.breached) == (at(june("02T11:20")), True)
    assert (due(third), third.breached) == (at(june("02T11:35")), False)
    assert second.met_at == third.met_at == at(june("02T11:30"))


@pytest.mark.clause("OT-4")
@pytest.mark.clause("OT-7")
def test_ot_7_an_escalation_at_night_makes_the_term_run_by_the_clock_and_has_a_term_of_its_own() -> None:
    reaction, escalation = ot("07T04:00", "06T17:50 received", "07T03:00 escalated")
    assert due(reaction) == at(june("07T03:10"))
    assert told(reaction) == [(True, OFFICE, 10), (False, OUTSIDE, 360), (False, DAY_OFF, 180), (True, BY_CLOCK, 60)]
    assert (escalation.clause, due(escalation)) == ("OT-7", at(june("07T03:20")))
    assert told(escalation) == [(True, BY_CLOCK, 60)]
    assert (escalation.spent_seconds, escalation.allowed_seconds, escalation.breached) == (3600, 1200, True)


@pytest.mark.clause("OT-7")
@pytest.mark.parametrize("reaction", ["reacted", "asked", "resolved"])
def test_ot_7_a_reaction_after_the_escalation_meets_it_and_an_earlier_one_does_not(reaction: str) -> None:
    events = ("06T17:30 received", "06T17:35 reacted", "07T03:00 escalated")
    assert ot("07T03:15", *events)[1].met_at is None
    assert ot("07T03:15", *events, f"07T03:10 {reaction}")[1].met_at == at(june("07T03:10"))


@pytest.mark.clause("OT-4")
@pytest.mark.clause("OT-12")
def test_ot_12_a_global_failure_makes_the_terms_of_later_rounds_run_by_the_clock_too() -> None:
    first, second = ot(
        "07T23:00", "07T10:00 received", "07T10:05 global failure", "07T10:20 asked", "07T22:00 answered"
    )
    assert (due(first), first.breached) == (at(june("07T10:25")), False)
    assert told(first) == [(False, DAY_OFF, 5), (True, BY_CLOCK, 15)]
    assert (due(second), second.breached) == (at(june("07T22:20")), True)


@pytest.mark.clause("OT-4")
def test_ot_4_an_escalation_after_the_reaction_changes_nothing_about_it() -> None:
    reaction, _ = ot("09T12:00", "06T17:55 received", "09T09:01 reacted", "09T09:02 escalated")
    assert due(reaction) == at(june("09T09:15"))
    assert reaction.spent_seconds == 360


@pytest.mark.clause("OT-5")
def test_ot_5_a_question_stops_the_hour_until_its_answer() -> None:
    events = ("02T17:30 received", "02T17:40 asked", "03T10:00 answered")
    (waiting,) = ot("02T19:00", *events, kind="consultation")
    assert waiting.due is None
    assert (waiting.breached, waiting.spent_seconds) == (False, 600)
    assert told(waiting) == [(True, OFFICE, 10), (False, WAITS, 80)]
    (goes_on,) = ot("03T10:20", *events, kind="consultation")
    assert due(goes_on) == at(june("03T10:50"))
    assert told(goes_on) == [(True, OFFICE, 10), (False, WAITS, 980), (True, OFFICE, 20)]


@pytest.mark.clause("OT-5")
@pytest.mark.parametrize(("asked", "breached"), [("02T09:59", False), ("02T10:00", True), ("02T10:01", True)])
def test_ot_5_an_hour_that_ran_out_before_the_question_is_owed_all_the_same(asked: str, breached: bool) -> None:
    (timer,) = ot("02T12:00", "02T09:00 received", f"{asked} asked", kind="consultation")
    assert (timer.due is not None, timer.breached) == (breached, breached)


@pytest.mark.clause("OT-5")
@pytest.mark.parametrize(("what", "met"), [("reacted", True), ("resolved", True), ("registered", False)])
@pytest.mark.parametrize(("when", "breached"), [("02T10:00", False), ("02T10:01", True)])
def test_ot_5_a_first_answer_or_a_solution_meets_the_hour(what: str, met: bool, when: str, breached: bool) -> None:
    (timer,) = ot(when, "02T09:00 received", f"{when} {what}", kind="consultation")
    assert timer.met_at == (at(june(when)) if met else None)
    assert timer.breached is breached


@pytest.mark.clause("OT-5")
def test_ot_5_an_escalation_runs_the_hour_by_the_clock_but_not_while_we_wait() -> None:
    (timer, _) = ot(
        "07T14:00",
        "06T17:30 received",
        "07T12:00 escalated",
        "07T12:10 asked",
        "07T13:50 answered",
        kind="consultation",
    )
    assert due(timer) == at(june("07T14:10"))
    assert told(timer)[-3:] == [(True, BY_CLOCK, 10), (False, WAITS, 100), (True, BY_CLOCK, 10)]


@pytest.mark.clause("OT-6")
def test_ot_6_only_the_answer_meets_a_suggestion_and_nothing_pauses_it() -> None:
    events = ("2024-01-30T10:00+02:00 received", "2024-02-01T10:00+02:00 asked", "2024-02-05T10:00+02:00 reacted")
    (open_,) = timers(facts("OT", "suggestion", "2024-02-29T10:00+02:00", *events))
    assert due(open_) == at("2024-02-29T10:00+02:00")
    assert (open_.met_at, open_.breached) == (None, False)
    assert told(open_) == [(True, BY_CLOCK, 30 * 24 * 60)]
    assert open_.spent_seconds == open_.allowed_seconds == 30 * 24 * 3600
    (late,) = timers(facts("OT", "suggestion", "2024-02-29T10:01+02:00", *events))
    assert late.breached
    (answered,) = timers(
        facts("OT", "suggestion", "2024-03-29T10:01+02:00", *events, "2024-02-29T10:00+02:00 resolved")
    )
    assert (answered.met_at, answered.breached) == (at("2024-02-29T10:00+02:00"), False)


@pytest.mark.clause("OT-8")
@pytest.mark.parametrize("end", ["duplicate", "closed"])
@pytest.mark.parametrize(("when", "breached"), [("02T09:30", False), ("02T09:31", True)])
def test_ot_8_a_ticket_that_ended_in_time_owes_nothing_more(end: str, when: str, breached: bool) -> None:
    (timer,) = ot("02T12:00", "02T09:10 received", f"{when} {end}", "02T10:00 answered", "02T10:01 escalated")
    assert timer.met_at is None
    assert timer.breached is breached
    assert (timer.due is None) is not breached
    assert timer.segments[-1].end == at(june(when))


@pytest.mark.clause("KS-3.4")
@pytest.mark.parametrize("kind", ["technical", "consultation", "suggestion"])
@pytest.mark.parametrize(
    ("received", "answered", "breached"),
    [
        ("23T19:29:59", "23T19:34:59", False),
        ("23T19:29:59", "23T19:35:00", True),
        ("23T19:30:00", "23T21:30:00", False),
        ("23T19:30:00", "23T21:30:01", True),
        ("23T09:59:59", "23T11:59:59", False),
        ("23T09:59:59", "23T12:00:00", True),
    ],
)
def test_ks_3_4_a_request_runs_by_the_clock_from_its_receipt(
    kind: str, received: str, answered: str, breached: bool
) -> None:
    times = [f"2026-11-{moment}+03:00" for moment in (received, answered)]
    (timer,) = timers(facts("KS", kind, times[1], f"{times[0]} received", f"{times[1]} reacted"))
    assert timer.clause == "KS-3.4"
    assert timer.breached is breached
    assert timer.met_at == at(times[1])
    assert {one.why for one in timer.segments} == {BY_CLOCK}
    assert timer.spent_seconds == (at(times[1]) - at(times[0])).total_seconds()


@pytest.mark.clause("KS-3.4")
@pytest.mark.parametrize(
    ("what", "met"), [("reacted", True), ("asked", True), ("resolved", True), ("registered", False)]
)
def test_ks_3_4_a_registration_is_no_answer(what: str, met: bool) -> None:
    received, then = "2026-11-23T12:00+03:00", "2026-11-23T12:01+03:00"
    (timer,) = timers(facts("KS", "technical", then, f"{received} received", f"{then} {what}"))
    assert (timer.met_at is not None) is met


def ocp(as_of: str, *events: str, kind: str = "technical", **more: Any) -> tuple[Timer, ...]:
    """A request of November 2026 in Astana: `23T09:10 received`; the 23rd is a Monday."""
    return timers(facts("OCP", kind, kz(as_of), *(f"{kz(event[:8])}{event[8:]}" for event in events), **more))


@pytest.mark.clause("OCP-P3.7.1")
@pytest.mark.clause("OCP-P3.7.3")
@pytest.mark.parametrize(
    ("priority", "react_by"), [(1, "24T09:10"), (2, "24T12:10"), (3, "24T16:10"), (None, "24T09:10")]
)
def test_ocp_p3_7_3_the_reaction_counts_from_the_registration(priority: int | None, react_by: str) -> None:
    registration, reaction = ocp("23T17:30", "23T17:00 received", "23T17:10 registered", priority=priority)
    assert (registration.clause, due(registration)) == ("OCP-P3.7.1", at(kz("23T17:30")))
    assert (registration.met_at, registration.spent_seconds) == (at(kz("23T17:10")), 600)
    assert (reaction.clause, due(reaction)) == ("OCP-P3.7.3", at(kz(react_by)))
    assert ("no priority" in reaction.name) is (priority is None)


@pytest.mark.clause("OCP-P3.7.3")
@pytest.mark.parametrize(("what", "met"), [("reacted", True), ("asked", True), ("resolved", True), ("answered", False)])
def test_ocp_p3_7_3_work_a_question_or_a_solution_is_a_reaction(what: str, met: bool) -> None:
    _, reaction = ocp("23T11:00", "23T09:00 received", "23T09:10 registered", f"23T10:10 {what}", priority=1)
    assert reaction.met_at == (at(kz("23T10:10")) if met else None)
    assert reaction.breached is not met


@pytest.mark.clause("OCP-P3.7.1")
@pytest.mark.clause("OCP-P3.7.3")
def test_ocp_p3_7_1_only_the_first_registration_counts_and_work_does_not_replace_it() -> None:
    (unregistered,) = ocp("23T10:00", "23T09:00 received", "23T09:05 reacted", priority=1)
    assert (unregistered.met_at, unregistered.breached) == (None, True)
    _, reaction = ocp("23T11:30", "23T09:00 received", "23T09:10 registered", "23T11:00 registered", priority=1)
    assert due(reaction) == at(kz("23T10:10"))


@pytest.mark.clause("OCP-P3.7.3")
@pytest.mark.parametrize(("what", "met"), [("reacted", True), ("asked", True), ("resolved", True), ("answered", False)])
def test_ocp_p3_7_3_a_reaction_before_the_registration_meets_the_term_of_the_priority(what: str, met: bool) -> None:
    _, reaction = ocp("23T10:01", "22T20:00 received", f"22T20:10 {what}", "23T09:00 registered", priority=1)
    assert (reaction.met_at, reaction.breached) == ((at(kz("22T20:10")), False) if met else (None, True))
    assert due(reaction) == at(kz("23T10:00"))
    assert reaction.spent_seconds == (0 if met else 3660)


@pytest.mark.clause("OCP-P3.4")
def test_ocp_p3_4_an_incident_request_stands_while_there_are_works() -> None:
    works = (Interval(start=at(kz("23T17:00")), end=at(kz("24T10:00"))),)
    _, incident = ocp("24T11:00", "23T16:00 received", "23T16:30 asked", kind="incident", works=works)
    assert (incident.clause, incident.allowed_seconds) == ("OCP-P3.4", 9 * 3600)
    assert due(incident) == at(kz("24T18:00"))
    assert told(incident) == [(True, OFFICE, 60), (False, WORKS, 17 * 60), (True, OFFICE, 60)]
    assert incident.met_at is None


@pytest.mark.clause("OCP-P3.4")
@pytest.mark.parametrize("what", ["reacted", "resolved"])
def test_ocp_p3_4_works_touch_the_incident_alone_and_a_priority_adds_its_term(what: str) -> None:
    works = (Interval(start=at(kz("23T09:00")), end=at(kz("23T18:00"))),)
    events = ("23T09:00 received", "23T09:10 registered", f"23T10:00 {what}")
    registration, incident, reaction = ocp("23T12:00", *events, kind="incident", works=works, priority=1)
    assert (registration.spent_seconds, incident.spent_seconds, reaction.spent_seconds) == (600, 0, 3000)
    assert incident.met_at == reaction.met_at == at(kz("23T10:00"))
    assert len(ocp("23T12:00", *events, kind="incident", works=works)) == 2


@pytest.mark.parametrize("agreement", ["QS", "SSL"])
def test_agreements_that_promise_no_time_for_support_have_no_timers(agreement: str) -> None:
    assert timers(facts(agreement, "technical", june("02T12:00"), f"{june('02T09:00')} received")) == ()


@pytest.mark.parametrize("agreement", ["KS", "OCP", "OT"])
def test_before_its_receipt_a_ticket_has_no_timers_and_at_it_they_have_run_no_time(agreement: str) -> None:
    received = f"{june('02T09:00')} received"
    assert timers(facts(agreement, "technical", june("02T08:59"), received)) == ()
    (timer,) = timers(facts(agreement, "technical", june("02T09:00"), received))
    assert (timer.segments, timer.spent_seconds, timer.breached) == ((), 0, False)


def test_a_ticket_is_received_once_and_first() -> None:
    received, later, earlier = (
        f"{june(when)} {what}"
        for when, what in (
            ("02T09:00", "received"),
            ("02T10:00", "received"),
            ("02T08:59", "reacted"),
        )
    )
    for events in ((), (received, later), (received, earlier), (earlier,)):
        with pytest.raises(ValidationError, match="received once"):
            facts("OT", "technical", june("02T12:00"), *events)


@pytest.mark.parametrize("agreement", ["KS", "QS", "OT", "SSL"])
def test_an_incident_request_is_the_operators(agreement: str) -> None:
    with pytest.raises(ValidationError, match="Operator"):
        facts(agreement, "incident", june("02T12:00"), f"{june('02T09:00')} received")


def test_events_at_one_instant_keep_their_order_but_the_receipt_comes_first() -> None:
    noon = "02T12:00"
    one = ot("02T12:10", f"{noon} asked", f"{noon} received", f"{noon} answered")
    assert [timer.met_at for timer in one] == [at(june(noon)), None]
    other = ot("02T12:10", f"{noon} answered", f"{noon} asked", f"{noon} received")
    assert [timer.met_at for timer in other] == [at(june(noon)), at(june(noon))]


def test_a_day_without_a_support_policy_is_not_found() -> None:
    with pytest.raises(NotFound, match="support policy"):
        timers(facts("OCP", "technical", "2018-01-09T12:00Z", "2018-01-09T11:00Z received"))


@pytest.mark.clause("OT-7")
def test_ot_7_only_a_term_that_the_calendar_counts_is_provisional() -> None:
    """Ukraine's 2027 is not decreed; what runs by the clock alone does not ask it."""
    reaction, escalation = timers(
        facts("OT", "technical", "2027-06-02T12:00Z", "2027-06-02T09:00Z received", "2027-06-02T09:01Z escalated")
    )
    (suggestion,) = timers(facts("OT", "suggestion", "2027-06-02T12:00Z", "2027-06-02T09:00Z received"))
    told = [timer.due is not None and timer.due.provisional for timer in (reaction, escalation, suggestion)]
    assert told == [True, False, False]


KYIV = ZoneInfo("Europe/Kyiv")
BASES = [at(text) for text in ("2025-03-28T08:00Z", "2025-10-24T08:00Z", "2024-02-28T12:00Z", "2025-06-02T05:00Z")]
HAPPENS = [What.REACTED, What.ASKED, What.ANSWERED, What.ESCALATED, What.RESOLVED, What.CLOSED, What.GLOBAL_FAILURE]
STORIES = st.dictionaries(st.integers(1, 4 * 24 * 60), st.sampled_from(HAPPENS), max_size=7)


def story(base: datetime, kind: str, happens: dict[int, What], as_of: int) -> TicketFacts:
    events = [Happened(at=base + minute * MINUTE, what=what) for minute, what in happens.items()]
    return TicketFacts.model_validate(
        {
            "agreement": "OT",
            "kind": kind,
            "events": (*events, Happened(at=base, what=What.RECEIVED)),
            "as_of": base + as_of * MINUTE,
        }
    )


def counted(base: datetime, happens: dict[int, What], start: int, end: int) -> int:
    """Seconds that ran from one minute of a ticket to another, a minute at a time."""
    minutes, waits = 0, False
    urgent = any(what in {What.ESCALATED, What.GLOBAL_FAILURE} for minute, what in happens.items() if minute <= start)
    for minute in range(start, end):
        what = happens.get(minute) if minute > start else None
        waits = what is What.ASKED or (waits and what is not What.ANSWERED)
        urgent = urgent or what in {What.ESCALATED, What.GLOBAL_FAILURE}
        wall = (base + minute * MINUTE).astimezone(KYIV)
        office = time(9) <= wall.time() < time(18) and calendar("UA").is_working_day(wall.date())
        minutes += not waits and (urgent or office)
    return minutes * 60


@settings(deadline=None, max_examples=80)
@given(
    base=st.sampled_from(BASES),
    kind=st.sampled_from(["technical", "consultation"]),
    happens=STORIES,
    as_of=st.integers(0, 5 * 24 * 60),
)
@example(base=BASES[0], kind="consultation", happens={300: What.ASKED, 4000: What.ANSWERED}, as_of=5000)
@example(
    base=BASES[1], kind="technical", happens={5: What.ASKED, 3000: What.ESCALATED, 3500: What.ANSWERED}, as_of=6000
)
def test_segments_cover_a_timer_and_its_running_time_is_that_of_a_walk_minute_by_minute(
    base: datetime, kind: str, happens: dict[int, What], as_of: int
) -> None:
    ticket = story(base, kind, happens, as_of)
    for timer in timers(ticket):
        if not timer.segments:
            assert timer.spent_seconds == 0
            continue
        start, end = timer.segments[0].start, timer.segments[-1].end
        assert end == (timer.met_at or end) <= ticket.as_of
        for one, other in pairwise(timer.segments):
            assert one.end == other.start
            assert (one.running, one.why) != (other.running, other.why)
        running = sum((one.end - one.start for one in timer.segments if one.running), timedelta())
        assert running.total_seconds() == timer.spent_seconds
        if timer.clause in {"OT-4", "OT-5"}:
            ran = counted(base, happens, (start - base) // MINUTE, (end - base) // MINUTE)
            assert timer.spent_seconds == ran
        assert timer.breached is (timer.due is not None and timer.due.due < end)
        if timer.spent_seconds > timer.allowed_seconds:
            assert timer.breached


@settings(deadline=None, max_examples=80)
@given(
    base=st.sampled_from(BASES),
    kind=st.sampled_from(["technical", "consultation", "suggestion"]),
    happens=STORIES,
    looks=st.tuples(st.integers(0, 5 * 24 * 60), st.integers(0, 5 * 24 * 60)).map(sorted),
    shuffled=st.randoms(use_true_random=False),
)
def test_a_replay_is_the_same_every_time_and_a_later_look_only_adds(
    base: datetime, kind: str, happens: dict[int, What], looks: list[int], shuffled: Any
) -> None:
    early, late = (timers(story(base, kind, happens, look)) for look in looks)
    minutes = list(happens)
    shuffled.shuffle(minutes)
    assert timers(story(base, kind, {minute: happens[minute] for minute in minutes}, looks[0])) == early
    assert len(early) <= len(late)
    for before, after in zip(early, late, strict=False):
        assert (before.clause, before.name, before.allowed_seconds) == (after.clause, after.name, after.allowed_seconds)
        if before.met_at:
            assert before == after
        assert before.segments[:-1] == after.segments[: len(before.segments)][:-1]
        for one, other in zip(before.segments[-1:], after.segments[len(before.segments) - 1 :], strict=False):
            assert (one.start, one.running, one.why) == (other.start, other.running, other.why)
            assert one.end <= other.end
        assert before.spent_seconds <= after.spent_seconds
        assert after.breached or not before.breached


def test_a_timer_survives_json() -> None:
    for timer in ot("07T04:00", "06T17:50 received", "07T03:00 escalated"):
        assert Timer.model_validate_json(timer.model_dump_json()) == timer


def test_moments_inside_are_utc() -> None:
    (timer,) = ot("02T09:20", "02T09:10 received")
    assert timer.segments[0].start == datetime(2025, 6, 2, 6, 10, tzinfo=UTC)
    assert timer.segments[0].start.utcoffset() == timedelta()
