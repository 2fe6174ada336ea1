"""The journal, an agreement's figures for a period, and the status page, from what the ledger holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from blocks.errors import NotFound
from blocks.ledger import Ticket, TicketState, WindowEvent, reading, transaction
from blocks.office import Office
from blocks.terms.availability import period
from blocks.terms.intervals import Span
from blocks.terms.service_views import ServiceAvailability
from tasks.availability import availability_view, journal
from tasks.numbering import add_numbered
from tasks.outage_forms import OutageDecisionForm, OutageEnding
from tasks.outage_reports import suspect, suspected
from tasks.outages import close_outage, decide_outage, record_outage
from tasks.probing import judge
from tasks.status import status_view
from tests.outage_work import SECOND, close_window, letters, look, outages, watch, window
from tests.work import DAY, MINUTE, NOW

HOUR = timedelta(hours=1)
LATER = NOW + 5 * DAY
YEAR = period("year", 2026, 1, "Europe/Moscow")


def outage(office: Office, service: str, began: datetime, length: timedelta | None) -> str:
    ended = None if length is None else began + length
    with transaction(office.sessions) as session:
        return record_outage(
            office, session, service=service, source="operator", began_at=began, what="x", now=began, ended_at=ended
        ).number


def ticket(
    office: Office, number: str | None, at: datetime, agreement: str = "OT", sender: str = "user@example.test"
) -> str:
    row = Ticket(
        source="mail",
        external_id=f"{at.isoformat()} {agreement} {sender}",
        agreement=agreement,
        service="dialer",
        kind="incident",
        sender=sender,
        language="ru",
        subject="не звонит",
        received_at=at,
        state=TicketState.OPEN,
        outage_id=next((found.id for found in outages(office) if found.number == number), None),
    )
    with transaction(office.sessions) as session:
        add_numbered(session, row, now=at)
        return row.number


def of_year(office: Office, agreement: str, as_of: datetime = LATER) -> ServiceAvailability:
    return availability_view(office, agreement, "year", 2026, 1, as_of=as_of).services[0]


def test_ks_3_1_downtime_is_exact_and_works_are_left_out(watching: Office) -> None:
    outage(watching, "complex", NOW, 10 * MINUTE)
    outage(watching, "complex", NOW + 5 * MINUTE, 10 * MINUTE)  # overlaps
    number = window(watching, NOW + HOUR, NOW + 2 * HOUR)
    close_window(watching, number, NOW + 3 * HOUR)
    outage(watching, "complex", NOW + HOUR + 30 * MINUTE, HOUR)  # half an hour beyond the plan
    found = of_year(watching, "KS")
    assert found.down_seconds == Decimal(15 * 60 + 30 * 60)
    assert found.planned_seconds == Decimal(3600)
    assert found.count == 2
    assert found.longest_seconds == Decimal(30 * 60)
    assert Decimal(found.percent_with_planned) < Decimal(found.percent_counted)
    elapsed = LATER - YEAR.start
    assert Decimal(found.percent_counted) == pytest.approx(
        Decimal(100 * (1 - 45 * MINUTE / elapsed)), abs=Decimal("0.00001")
    )
    assert found.budget_seconds == Decimal("315.36")
    assert found.burn[-1][1] == Decimal("315.36") - found.down_seconds


def test_ks_3_1_the_target_is_broken_by_a_moment_more_than_is_allowed(watching: Office) -> None:
    outage(watching, "complex", NOW, timedelta(seconds=315, milliseconds=360))
    (line,) = availability_view(watching, "KS", "year", 2026, 1, as_of=YEAR.end).targets
    assert (line.clause, line.kept, line.left_seconds) == ("KS-3.1", True, Decimal(0))
    outage(watching, "complex", NOW + DAY, timedelta(milliseconds=1))
    (line,) = availability_view(watching, "KS", "year", 2026, 1, as_of=YEAR.end).targets
    assert (line.kept, line.left_seconds) == (False, Decimal("-0.001"))


def test_an_outage_over_midnight_and_new_year_is_cut_at_each(watching: Office) -> None:
    outage(watching, "complex", YEAR.end - DAY - MINUTE, DAY + 3 * MINUTE)
    as_of = YEAR.end + 10 * DAY
    found = of_year(watching, "KS", as_of)
    assert [cell.down_seconds for cell in found.days[-2:]] == [60, 86400]
    assert found.down_seconds == Decimal(86460)
    after = availability_view(watching, "KS", "year", 2027, 1, as_of=as_of).services[0]
    assert after.down_seconds == Decimal(120)
    assert len(after.days) == 10


@pytest.mark.clause("KS-3.9")
def test_ks_3_9_what_is_not_counted_stays_in_the_journal(watching: Office) -> None:
    number = outage(watching, "complex", NOW, HOUR)
    form = OutageDecisionForm(
        outage=number, operator="О. Петрова", reason="порты", counted="no", excluded_for="closed ports"
    )
    decide_outage(watching, form, now=LATER)
    assert of_year(watching, "KS").down_seconds == 0
    (line,) = journal(watching, "KS", YEAR, now=LATER)
    assert (line.number, line.counted, line.seconds, line.decided_by) == (number, False, Decimal(3600), "О. Петрова")


def test_only_time_since_the_first_probe_can_be_unknown(watching: Office) -> None:
    last = watch(watching, NOW, "uuu uuu")
    watch(watching, NOW + HOUR, "uuu u-- u--")
    end = NOW + HOUR + 3 * MINUTE
    found = of_year(watching, "KS", end)
    unknown = (NOW + HOUR - (last + MINUTE)) + 2 * MINUTE  # the gap, and what one point alone saw
    assert found.unknown_seconds == Decimal(unknown // SECOND)
    assert sum(cell.unknown_seconds for cell in found.days) == unknown // SECOND
    assert (found.percent_counted, found.down_seconds) == ("100.00000", Decimal(0))
    assert Decimal(found.percent_worst) < 100
    assert of_year(watching, "QS", end).unknown_seconds == 0


def test_unknown_time_within_an_outage_is_downtime(watching: Office) -> None:
    watch(watching, NOW, "ddd ddd")
    look(watching, NOW + HOUR, "uuu")
    found = of_year(watching, "KS", NOW + HOUR)
    assert (found.down_seconds, found.unknown_seconds) == (Decimal(3600), Decimal(0))


@pytest.mark.clause("OT-3")
def test_ot_3_downtime_counts_from_the_first_ticket(watching: Office) -> None:
    number = outage(watching, "dialer", NOW, HOUR)
    window(watching, NOW, NOW + HOUR, services=["dialer"], closed_at=NOW + HOUR)
    assert of_year(watching, "OT").down_seconds == 0
    ticket(watching, number, NOW + 40 * MINUTE)
    ticket(watching, number, NOW + 20 * MINUTE)
    assert of_year(watching, "OT").down_seconds == Decimal(40 * 60)
    (line,) = availability_view(watching, "OT", "year", 2026, 1, as_of=LATER).targets
    assert (line.clause, line.kept) == ("OT-1", False)  # longer than 30 minutes


@pytest.mark.clause("OT-3")
def test_ot_3_a_ticket_of_another_agreement_does_not_begin_downtime(watching: Office) -> None:
    number = outage(watching, "dialer", NOW, HOUR)
    ticket(watching, number, NOW, "KS")
    assert of_year(watching, "OT").down_seconds == 0
    ticket(watching, number, NOW + 50 * MINUTE)
    assert of_year(watching, "OT").down_seconds == Decimal(600)


@pytest.mark.clause("OT-3")
def test_ot_3_a_ticket_of_the_old_year_about_an_outage_of_the_new_one_counts_in_both(watching: Office) -> None:
    midnight = datetime(2026, 12, 31, 22, tzinfo=UTC)  # Kyiv's
    number = outage(watching, "dialer", midnight + 5 * MINUTE, 55 * MINUTE)
    ticket(watching, number, midnight - 30 * MINUTE)
    years = [availability_view(watching, "OT", "year", year, 1, as_of=midnight + DAY) for year in (2026, 2027)]
    assert [view.services[0].down_seconds for view in years] == [Decimal(1800), Decimal(3600)]


@pytest.mark.clause("OT-3")
def test_ot_3_tickets_that_came_during_an_outage_join_it(watching: Office) -> None:
    began = outage(watching, "dialer", NOW, None)
    ticket(watching, None, NOW - SECOND)
    ticket(watching, None, NOW + 20 * MINUTE)
    ticket(watching, None, NOW + 10 * MINUTE, "KS")
    for _ in range(2):
        judge(watching, now=NOW + 30 * MINUTE)
    with reading(watching.sessions) as session:
        linked = session.scalars(select(Ticket.received_at).where(Ticket.outage_id.is_not(None))).all()
    assert linked == [NOW + 20 * MINUTE]
    close_outage(watching, OutageEnding(outage=began, operator="x", ended_at=NOW + HOUR, note="x"), now=NOW + HOUR)
    assert of_year(watching, "OT").down_seconds == Decimal(40 * 60)


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_two_users_of_one_problem_are_a_suspicion_told_once(watching: Office) -> None:
    ticket(watching, None, NOW)
    ticket(watching, None, NOW + SECOND)  # the same user
    assert suspect(watching, now=NOW + MINUTE) == 0
    second = ticket(watching, None, NOW + 5 * MINUTE, sender="other@example.test")
    assert suspect(watching, now=NOW + HOUR + 2 * SECOND) == 0  # not within an hour of each other
    assert [suspect(watching, now=NOW + 6 * MINUTE) for _ in range(2)] == [1, 0]
    (letter,) = letters(watching, "outage_suspected")
    assert (letter.recipient, letter.facts["tickets"][1]) == (watching.settings.operator_email, second)
    outage(watching, "dialer", NOW, None)
    ticket(watching, None, NOW + 7 * MINUTE, sender="third@example.test")
    assert suspected(watching, now=NOW + 8 * MINUTE) == []


def test_ocp_p3_3_a_quarter_of_the_platform_has_its_target_and_a_month_none(watching: Office) -> None:
    outage(watching, "platform", NOW, HOUR)
    quarter = availability_view(watching, "OCP", "quarter", 2026, 4, as_of=LATER)
    assert [(line.clause, line.spent_seconds) for line in quarter.targets] == [("OCP-P3.3", Decimal(3600))]
    assert (quarter.zone, quarter.starts_at) == ("Asia/Almaty", datetime(2026, 9, 30, 19, tzinfo=UTC))
    month = availability_view(watching, "OCP", "month", 2026, 11, as_of=LATER)
    assert (month.targets, month.services[0].budget_seconds, month.services[0].burn) == ((), None, ())
    with pytest.raises(NotFound):
        availability_view(watching, "SSL", "year", 2026, 1, as_of=LATER)
    with pytest.raises(ValueError, match="no quarter 5"):
        availability_view(watching, "OCP", "quarter", 2026, 5, as_of=LATER)


def test_the_journal_is_of_an_agreement_or_of_all(watching: Office) -> None:
    outage(watching, "platform", NOW + HOUR, None)
    outage(watching, "complex", NOW, HOUR)
    outage(watching, "complex", NOW - 2 * DAY, HOUR)
    lines = journal(watching, None, Span(NOW, LATER), now=LATER)
    assert [(line.service, line.ended_at is None, line.seconds) for line in lines] == [
        ("Комплекс связи", False, Decimal(3600)),
        ("Платформа", True, None),
    ]
    assert [line.service for line in journal(watching, "OCP", YEAR, now=LATER)] == ["Платформа"]


def states(office: Office, at: datetime) -> dict[str, tuple[str, datetime | None]]:
    return {service.name: (service.state, service.since) for service in status_view(office, now=at).services}


def test_the_status_page_shows_what_is_known(watching: Office) -> None:
    assert states(watching, NOW)["complex"] == ("unknown", None)
    look(watching, NOW, "u--")
    assert states(watching, NOW)["complex"] == ("unknown", None)
    look(watching, NOW + MINUTE, "uu-")
    assert states(watching, NOW + MINUTE)["complex"] == ("up", NOW + MINUTE)
    assert states(watching, NOW + 3 * MINUTE)["complex"] == ("unknown", None)
    look(watching, NOW + 2 * MINUTE, "ddd")
    assert states(watching, NOW + 2 * MINUTE)["complex"] == ("down", NOW + 2 * MINUTE)
    assert states(watching, NOW)["dialer"] == ("unknown", None)


def test_works_show_as_works_until_an_outage_outlasts_them(watching: Office) -> None:
    number = window(watching, NOW, NOW + HOUR)
    watch(watching, NOW, "uuu ddd")
    assert states(watching, NOW + MINUTE)["complex"] == ("works", NOW)
    assert status_view(watching, now=NOW + MINUTE).journal == ()
    close_window(watching, number, NOW + 90 * SECOND)
    watch(watching, NOW + 2 * MINUTE, "ddd ddd")
    page = status_view(watching, now=NOW + 3 * MINUTE)
    assert page.services[0].state == "down"
    assert [(line.cause, line.decided_by, line.reason) for line in page.journal] == [("", "", "")]
    assert [(row.number, row.state, row.revision) for row in page.windows] == [(number, "closed", 0)]


def test_works_that_overrun_their_plan_hide_nothing_on_the_status_page(watching: Office) -> None:
    window(watching, NOW, NOW + 2 * MINUTE)
    watch(watching, NOW, "uuu uuu uuu uuu")
    assert states(watching, NOW + 3 * MINUTE)["complex"] == ("works", NOW)
    look(watching, NOW + 4 * MINUTE, "uuu")
    assert states(watching, NOW + 4 * MINUTE)["complex"] == ("up", NOW)


def test_the_status_page_shows_the_cause_that_a_person_released(watching: Office) -> None:
    watch(watching, NOW, "ddd uuu")
    number = outages(watching)[0].number
    for values in ({"cause": "инженер выдернул кабель"}, {"public_cause": "сбой питания"}):
        form = {"outage": number, "operator": "О. Петрова", "reason": "разбор", **values}
        decide_outage(watching, OutageDecisionForm.model_validate(form), now=LATER)
        (line,) = status_view(watching, now=LATER).journal
        assert line.cause == values.get("public_cause", "")
    assert journal(watching, "KS", YEAR, now=LATER)[0].cause == "инженер выдернул кабель"


def test_a_changed_window_has_a_higher_revision(watching: Office) -> None:
    window(watching, NOW, NOW + HOUR)
    with transaction(watching.sessions) as session:
        session.add(WindowEvent(window_id=1, at=NOW + MINUTE, kind="opened", who="dogovor", why="время пришло"))
    (line,) = status_view(watching, now=NOW + 2 * MINUTE).windows
    assert (line.revision, line.changed_at, line.services) == (1, NOW + MINUTE, ("Комплекс связи",))
