"""Outages: opened by people and tickets, told under each agreement's clock, closed with their logs, decided on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import (
    Document,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Ticket,
    TicketState,
    reading,
    transaction,
)
from blocks.office import Office
from flows.fulfilment import send_due
from tasks.effective import Effective, decisions_on, effective, effective_outages
from tasks.notices import read_reports
from tasks.numbering import add_numbered
from tasks.outage_forms import OutageDecisionForm, OutageEnding, OutageForm, OutageReportForm
from tasks.outage_logs import logs_of, send_owed_logs
from tasks.outages import close_outage, decide_outage, file_report, open_outage
from tasks.probing import judge
from tests.outage_work import SECOND, letters, look, outages, owed, times, watch, window
from tests.work import MINUTE, NOW

HOUR = timedelta(hours=1)
WHO = "О. Петрова"


def ticket(office: Office, at: datetime, agreement: str = "OCP", service: str | None = None) -> str:
    row = Ticket(
        source="mail",
        external_id=at.isoformat(),
        agreement=agreement,
        kind="incident",
        sender="user@example.test",
        language="ru",
        service=service,
        subject="не работает",
        received_at=at,
        state=TicketState.OPEN,
    )
    with transaction(office.sessions) as session:
        add_numbered(session, row, now=at)
        return row.number


def opened(office: Office, service: str = "platform", began: datetime = NOW, at: datetime | None = None) -> str:
    form = OutageForm(service=service, operator=WHO, what="порт погас", began_at=began, by_logs=True)
    return open_outage(office, form, now=at or began + MINUTE)


def ended(office: Office, number: str, at: datetime) -> str:
    form = OutageEnding(outage=number, operator=WHO, ended_at=at, note="снова отвечает")
    return close_outage(office, form, now=at + MINUTE)


def decided(office: Office, number: str, at: datetime, **values: object) -> str:
    form = {"outage": number, "operator": WHO, "reason": "так показал разбор", **values}
    return decide_outage(office, OutageDecisionForm.model_validate(form), now=at)


def holds(office: Office) -> Effective:
    with reading(office.sessions) as session:
        return next(iter(effective_outages(session)))


def report(number: str, cause: str = "отказ блока питания") -> OutageReportForm:
    return OutageReportForm.model_validate(
        {
            "outage": number,
            "operator": WHO,
            "cause": cause,
            "measures": ["блок заменён"],
            "advice": ["держать второй блок"],
            "knowledge_base": "https://kb.example.test/42",
        }
    )


@pytest.mark.clause("OCP-P3.2.7b")
def test_ocp_p3_2_7b_the_operator_is_told_within_20_minutes_of_discovery(watching: Office) -> None:
    opened(watching, began=NOW - HOUR, at=NOW)
    clock, letter = owed(watching)["OCP-P3.2.7b"], letters(watching, "emergency_told")[0]
    assert clock.due_at == NOW + 20 * MINUTE
    assert (letter.recipient, letter.obligation_id) == ("ocp@example.test", clock.id)
    send_due(watching, now=NOW + MINUTE)
    assert owed(watching)["OCP-P3.2.7b"].state is ObligationState.FULFILLED


@pytest.mark.clause("OCP-3.2.7")
def test_ocp_3_2_7_end_users_are_told_at_once(watching: Office) -> None:
    number = opened(watching)
    told = [row.recipient for row in letters(watching, "outage_opened")]
    assert told == ["users@example.test", watching.settings.operator_email]
    assert letters(watching, "outage_opened")[0].about == number
    assert owed(watching)["OCP-3.2.7"].due_at == NOW + 21 * MINUTE
    send_due(watching, now=NOW + 2 * MINUTE)
    assert owed(watching)["OCP-3.2.7"].state is ObligationState.FULFILLED


def test_customers_of_every_agreement_of_the_service_are_told_and_nobody_else(watching: Office) -> None:
    form = OutageForm(service="dialer", operator=WHO, what="обзвон стоит", began_at=NOW)
    number = open_outage(watching, form, now=NOW)
    assert [row.recipient for row in letters(watching, "outage_opened")] == [
        "ot@example.test",
        watching.settings.operator_email,
    ]
    assert owed(watching) == {}
    ended(watching, number, NOW + HOUR)
    assert len(letters(watching, "outage_closed")) == 2
    assert letters(watching, "outage_logs") == []


@pytest.mark.clause("OCP-P3.2.7c", "OCP-P3.2.9")
def test_ocp_p3_2_7c_and_9_the_end_opens_the_report_and_sends_the_logs(watching: Office) -> None:
    number = opened(watching)
    ended(watching, number, NOW + HOUR)
    clocks = owed(watching)
    assert clocks["OCP-P3.2.7c"].due_at == NOW + 13 * HOUR
    assert clocks["OCP-P3.2.9"].due_at == NOW + 25 * HOUR
    assert [row.recipient for row in letters(watching, "outage_closed")] == [
        "users@example.test",
        "ocp@example.test",
        watching.settings.operator_email,
    ]
    assert send_owed_logs(watching, now=NOW + 2 * HOUR - SECOND) == 0  # it holds the hour after the end too
    assert send_owed_logs(watching, now=NOW + 2 * HOUR) == 1
    letter = letters(watching, "outage_logs")[0]
    assert (letter.recipient, letter.documents) == ("ocp@example.test", [f"outage-logs:{number}"])
    send_due(watching, now=NOW + 2 * HOUR)
    states = {clause: row.state for clause, row in owed(watching).items()}
    assert states["OCP-P3.2.9"] is ObligationState.FULFILLED
    assert states["OCP-P3.2.7c"] is ObligationState.OPEN


@pytest.mark.clause("OCP-P3.2.7c")
def test_ocp_p3_2_7c_the_report_fulfils_it_when_it_is_delivered(watching: Office) -> None:
    number = opened(watching)
    with pytest.raises(Refused, match="not an ended emergency"):
        file_report(watching, report(number), now=NOW + 2 * MINUTE)
    ended(watching, number, NOW + HOUR)
    for _ in range(2):  # pressed twice
        file_report(watching, report(number), now=NOW + 2 * HOUR)
    (letter,) = letters(watching, "outage_report")
    assert letter.facts["measures"][-1].endswith("https://kb.example.test/42")
    assert owed(watching)["OCP-P3.2.7c"].state is ObligationState.OPEN
    send_due(watching, now=NOW + 2 * HOUR)
    assert owed(watching)["OCP-P3.2.7c"].fulfilled_at is not None
    assert "отказ блока питания" in (letters(watching, "outage_report")[0].body or "")
    assert holds(watching).cause == "отказ блока питания"


def test_a_report_is_for_services_of_the_platform(watching: Office) -> None:
    number = opened(watching, "dialer")
    ended(watching, number, NOW + HOUR)
    with pytest.raises(Refused):
        file_report(watching, report(number), now=NOW + 2 * HOUR)


@pytest.mark.clause("OCP-P3.2.9")
def test_ocp_p3_2_9_the_log_file_holds_an_hour_before_and_after(watching: Office) -> None:
    watch(watching, NOW - 2 * HOUR, "uuu uuu", "platform")
    watch(watching, NOW, "uuu ddd ddd uuu", "platform")
    look(watching, NOW + 3 * HOUR, "uuu", "platform")
    number = outages(watching)[0].number
    lines = [json.loads(line) for line in logs_of(watching, number).splitlines()]
    seen = [(row["at"], row["until"]) for row in lines if row["what"] == "seen down" and row["vantage"] == "first"]
    assert seen == [((NOW + MINUTE).isoformat(), (NOW + 3 * MINUTE).isoformat())]
    assert [row["what"] for row in lines if "outage" in row] == ["began", "discovered", "told", "ended"]
    assert lines == sorted(lines, key=lambda row: row["at"])
    bounds = [row["at"] for row in lines if row["what"] == "seen up" and row["vantage"] == "first"]
    assert bounds == [NOW.isoformat(), (NOW + 3 * MINUTE).isoformat()]  # neither two hours before nor three after


@pytest.mark.clause("OCP-P3.2.9")
def test_ocp_p3_2_9_logs_that_a_killed_process_left_unsent_go_out_later_once(
    watching: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = opened(watching)
    with monkeypatch.context() as patched:
        patched.setattr("tasks.outages.send_owed_logs", lambda *_args, **_named: 0)
        ended(watching, number, NOW + HOUR)
    assert letters(watching, "outage_logs") == []
    assert [send_owed_logs(watching, now=NOW + 3 * HOUR) for _ in range(2)] == [1, 0]
    with reading(watching.sessions) as session:
        filed = session.scalars(select(Document).where(Document.key == f"outage-logs:{number}")).one()
    assert watching.archive.get(filed.sha256) == logs_of(watching, number)
    assert len(letters(watching, "outage_logs")) == 1


def test_the_log_file_of_a_lasting_outage_is_refused(watching: Office) -> None:
    with pytest.raises(Refused, match="goes on"):
        logs_of(watching, opened(watching))
    with pytest.raises(NotFound):
        logs_of(watching, "O-2026-999999")


@pytest.mark.clause("OCP-P3.2.10")
@pytest.mark.parametrize(
    ("reports", "confirmed", "begins"), [(2, "mass ticket", True), (2, None, False), (1, "logs", False)]
)
def test_ocp_p3_2_10_tickets_begin_it_when_more_than_one_is_confirmed(
    watching: Office, reports: int, confirmed: str | None, begins: bool
) -> None:
    tickets = [ticket(watching, NOW + number * MINUTE) for number in range(reports)]
    form = OutageForm.model_validate(
        {"service": "platform", "operator": WHO, "what": "жалобы", "tickets": tickets, "confirmed": confirmed}
    )
    if begins:
        open_outage(watching, form, now=NOW + 5 * MINUTE)
        assert [(row.began_at, row.source) for row in outages(watching)] == [(NOW, "ticket")]
    else:
        with pytest.raises(TermsViolated, match=r"OCP-P3\.2\.10"):
            open_outage(watching, form, now=NOW + 5 * MINUTE)
        assert outages(watching) == []


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_a_person_alone_begins_nothing_without_logs(watching: Office) -> None:
    with pytest.raises(TermsViolated, match=r"OCP-P3\.2\.10"):
        open_outage(watching, OutageForm(service="platform", operator=WHO, what="x", began_at=NOW), now=NOW)


def test_tickets_join_the_open_outage_of_their_service(watching: Office) -> None:
    watch(watching, NOW, "ddd", "complex")
    number = ticket(watching, NOW + MINUTE, "KS")
    form = OutageForm(service="complex", operator=WHO, what="жалоба", tickets=(number,))
    assert open_outage(watching, form, now=NOW + 2 * MINUTE) == outages(watching)[0].number
    assert times(watching) == [(NOW, None)]
    with reading(watching.sessions) as session:
        assert session.scalars(select(Ticket.outage_id)).one() == outages(watching)[0].id
    again = OutageForm(service="complex", operator=WHO, what="ещё раз", began_at=NOW)
    with pytest.raises(Refused, match="open for complex already"):
        open_outage(watching, again, now=NOW + 3 * MINUTE)


def test_what_does_not_exist_or_follow_is_refused(watching: Office) -> None:
    with pytest.raises(NotFound):
        opened(watching, "no-such")
    with pytest.raises(Refused, match="future"):
        opened(watching, began=NOW + SECOND, at=NOW)
    with pytest.raises(NotFound):
        open_outage(watching, OutageForm(service="broker", operator=WHO, what="x", tickets=("T-2026-000099",)), now=NOW)
    with pytest.raises(ValidationError):
        OutageForm(service="broker", operator=WHO, what="x")
    number = opened(watching)
    with pytest.raises(Refused, match="after it began"):
        ended(watching, number, NOW - SECOND)
    ended(watching, number, NOW)
    with pytest.raises(Refused, match="over already"):
        ended(watching, number, NOW + HOUR)


def test_what_the_probes_opened_the_probes_close(watching: Office) -> None:
    watch(watching, NOW, "ddd")
    with pytest.raises(Refused, match="probes close"):
        ended(watching, outages(watching)[0].number, NOW + 30 * SECOND)


def test_an_outage_that_the_probes_lost_sight_of_is_closed_by_hand(watching: Office) -> None:
    watch(watching, NOW, "ddd ddd u-- u-- u--")  # one point alone does not close it
    number = outages(watching)[0].number
    too_early = OutageEnding(outage=number, operator=WHO, ended_at=NOW + 2 * MINUTE - SECOND, note="снова отвечает")
    with pytest.raises(Refused, match="saw complex down until"):
        close_outage(watching, too_early, now=NOW + 4 * MINUTE)
    ended(watching, number, NOW + 4 * MINUTE)
    assert times(watching) == [(NOW, NOW + 4 * MINUTE)]
    watch(watching, NOW + 9 * MINUTE, "ddd uuu")
    assert times(watching)[1:] == [(NOW + 9 * MINUTE, NOW + 10 * MINUTE)]


def test_a_persons_outage_does_not_hide_what_probes_see_from_the_same_moment(watching: Office) -> None:
    form = OutageForm(service="complex", operator=WHO, what="жалоба", began_at=NOW)
    number = open_outage(watching, form, now=NOW + 30 * SECOND)
    look(watching, NOW, "ddd")
    ended(watching, number, NOW + 10 * SECOND)
    watch(watching, NOW + MINUTE, "ddd " * 30 + "uuu")
    found = [(row.source, row.began_at, row.ended_at) for row in outages(watching)]
    assert found == [("operator", NOW, NOW + 10 * SECOND), ("probe", NOW, NOW + 31 * MINUTE)]
    assert len(letters(watching, "outage_closed")) == 4


@pytest.mark.parametrize(
    ("agreement", "service", "match"), [("OT", None, "is not served"), ("KS", "broker", "about broker")]
)
def test_a_ticket_of_another_agreement_or_service_does_not_open_an_outage(
    watching: Office, agreement: str, service: str | None, match: str
) -> None:
    number = ticket(watching, NOW, agreement, service)
    with pytest.raises(Refused, match=match):
        open_outage(
            watching, OutageForm(service="complex", operator=WHO, what="x", tickets=(number,)), now=NOW + MINUTE
        )
    assert outages(watching) == []


@pytest.mark.clause("OT-3")
def test_ot_3_a_ticket_stays_with_the_outage_that_it_is_about(watching: Office) -> None:
    number = ticket(watching, NOW, "OT", "dialer")
    form = OutageForm(service="dialer", operator=WHO, what="x", tickets=(number,))
    first = open_outage(watching, form, now=NOW + MINUTE)
    assert open_outage(watching, form, now=NOW + 2 * MINUTE) == first  # pressed twice
    ended(watching, first, NOW + HOUR)
    later = OutageForm(service="dialer", operator=WHO, what="x", tickets=(number,), began_at=NOW + 2 * HOUR)
    with pytest.raises(Refused, match="another outage"):
        open_outage(watching, later, now=NOW + 2 * HOUR)
    assert len(outages(watching)) == 1


@pytest.mark.clause("OCP-P3.2.9")
def test_ocp_p3_2_9_an_unavailability_within_works_sends_its_log_file_too(watching: Office) -> None:
    window(watching, NOW, NOW + 2 * HOUR, services=["platform"])
    last = watch(watching, NOW, "ddd ddd uuu", "platform")
    assert letters(watching, "outage_opened") == letters(watching, "outage_closed") == []
    assert owed(watching)["OCP-P3.2.9"].due_at == last + 24 * HOUR
    assert "OCP-P3.2.7c" not in owed(watching)
    assert judge(watching, now=last + HOUR - SECOND).logs == 0
    assert judge(watching, now=last + HOUR).logs == 1
    assert letters(watching, "outage_logs")[0].recipient == "ocp@example.test"


def test_letters_and_the_report_say_the_times_that_hold(watching: Office) -> None:
    number = opened(watching)
    decided(watching, number, NOW + 2 * MINUTE, began_at=NOW - 2 * HOUR)
    ended(watching, number, NOW + HOUR)
    decided(watching, number, NOW + 2 * HOUR, ended_at=NOW + 30 * MINUTE)
    file_report(watching, report(number), now=NOW + 2 * HOUR)
    (letter,) = letters(watching, "outage_report")
    assert letter.facts["began_at"] == (NOW - 2 * HOUR).isoformat()
    assert letter.facts["ended_at"] == (NOW + 30 * MINUTE).isoformat()
    assert letters(watching, "outage_closed")[0].facts["began_at"] == (NOW - 2 * HOUR).isoformat()


def test_what_is_owed_to_end_users_names_no_address(watching: Office) -> None:
    watching.settings.end_users["OCP"] = ("anna@example.test", "ivan@example.test")
    opened(watching)
    with reading(watching.sessions) as session:
        told = session.scalars(select(Obligation.what).where(Obligation.clause == "OCP-3.2.7")).all()
    assert len(set(told)) == 2
    assert not [what for what in told if "@" in what]


@pytest.mark.clause("KS-3.9")
def test_ks_3_9_a_person_excludes_an_outage_and_the_first_decision_stays_readable(watching: Office) -> None:
    watch(watching, NOW, "ddd ddd uuu")
    number = outages(watching)[0].number
    assert holds(watching).counts_for("KS")
    decided(watching, number, NOW + HOUR, counted="no", excluded_for="closed ports")
    assert not holds(watching).counts_for("KS")
    assert (holds(watching).decided_by, holds(watching).reason) == (WHO, "closed ports: так показал разбор")
    decided(watching, number, NOW + 2 * HOUR, counted="yes", operator="И. Иванов")
    assert holds(watching).counts_for("KS")
    assert holds(watching).decided_by == "И. Иванов"
    with reading(watching.sessions) as session:
        kept = [(row.value, row.who, row.clause) for row in decisions_on(session, outages(watching)[0])]
    assert kept == [("no", WHO, "KS-3.9"), ("yes", "И. Иванов", "KS-3.9")]


@pytest.mark.clause("KS-3.9")
@pytest.mark.parametrize(
    "values",
    [
        {"counted": "no"},
        {"counted": "yes", "excluded_for": "closed ports"},
        {"counted": "no", "excluded_for": "weather"},
        {"counted": "no", "excluded_for": "applications", "reason": "   "},
        {"counted": "no", "excluded_for": "applications", "operator": " "},
        {},
    ],
)
def test_ks_3_9_a_decision_without_a_ground_a_name_or_a_reason_is_refused(
    watching: Office, values: dict[str, object]
) -> None:
    watch(watching, NOW, "ddd uuu")
    with pytest.raises(ValidationError):
        decided(watching, outages(watching)[0].number, NOW + HOUR, **values)
    assert holds(watching).counts_for("KS")


@pytest.mark.clause("KS-3.9")
def test_ks_3_9_says_nothing_of_other_agreements(watching: Office) -> None:
    number = opened(watching)
    ended(watching, number, NOW + HOUR)
    with pytest.raises(TermsViolated, match=r"KS-3\.9"):
        decided(watching, number, NOW + 2 * HOUR, counted="no", excluded_for="applications")


def test_times_are_corrected_and_the_record_stays(watching: Office) -> None:
    watch(watching, NOW, "ddd ddd uuu")
    number, recorded = outages(watching)[0].number, times(watching)
    decided(watching, number, NOW + HOUR, ended_at=NOW + MINUTE)
    decided(watching, number, NOW + HOUR, began_at=NOW + 30 * SECOND, cause="сбой питания")
    assert (holds(watching).began_at, holds(watching).ended_at) == (NOW + 30 * SECOND, NOW + MINUTE)
    assert holds(watching).cause == "сбой питания"
    assert times(watching) == recorded
    for wrong in ({"ended_at": NOW}, {"began_at": NOW + 2 * MINUTE}, {"ended_at": NOW + 9 * HOUR}):
        with pytest.raises(Refused):
            decided(watching, number, NOW + HOUR, **wrong)
    assert (holds(watching).began_at, holds(watching).ended_at) == (NOW + 30 * SECOND, NOW + MINUTE)


def test_an_end_is_corrected_only_when_there_is_one(watching: Office) -> None:
    number = opened(watching)
    with pytest.raises(Refused, match="goes on"):
        decided(watching, number, NOW + HOUR, ended_at=NOW + MINUTE)
    with pytest.raises(NotFound):
        decided(watching, "O-2026-999999", NOW, counted="yes")


def test_decisions_cannot_be_altered(watching: Office) -> None:
    watch(watching, NOW, "ddd uuu")
    decided(watching, outages(watching)[0].number, NOW + HOUR, cause="сбой")
    for change in ("UPDATE outage_decisions SET value = 'x'", "DELETE FROM outage_decisions"):
        with pytest.raises(DBAPIError, match="append-only"), transaction(watching.sessions) as session:
            session.execute(text(change))


def test_without_decisions_the_record_holds(watching: Office) -> None:
    watch(watching, NOW, "ddd")
    row = outages(watching)[0]
    found = effective(row, [])
    assert (found.began_at, found.ended_at, found.counted, found.decided_by) == (NOW, None, True, "")
    assert found.span(NOW + HOUR).length == HOUR


def test_a_corrected_outage_is_found_where_it_is_now(watching: Office) -> None:
    from blocks.terms.intervals import Span

    watch(watching, NOW, "ddd ddd uuu")
    decided(watching, outages(watching)[0].number, NOW + HOUR, began_at=NOW - 5 * HOUR, ended_at=NOW - 4 * HOUR)
    with reading(watching.sessions) as session:
        there = Span(NOW - 6 * HOUR, NOW - 3 * HOUR)
        assert len(list(effective_outages(session, there))) == 1
        assert list(effective_outages(session, Span(NOW, NOW + HOUR))) == []


def test_every_letter_of_an_outage_can_be_composed_and_sent(watching: Office) -> None:
    number = opened(watching, began=datetime(2026, 12, 31, 18, 30, tzinfo=UTC))
    ended(watching, number, datetime(2027, 1, 1, 3, tzinfo=UTC))
    file_report(watching, report(number), now=datetime(2027, 1, 1, 9, tzinfo=UTC))
    send_owed_logs(watching, now=datetime(2027, 1, 1, 9, tzinfo=UTC))
    send_due(watching, now=datetime(2027, 1, 1, 9, tzinfo=UTC))
    read_reports(watching, now=datetime(2027, 1, 1, 9, tzinfo=UTC))
    with reading(watching.sessions) as session:
        states = {(row.kind, row.state) for row in session.scalars(select(Notice))}
        bodies = {row.kind: row.body or "" for row in session.scalars(select(Notice).order_by(Notice.id.desc()))}
    assert {state for _, state in states} == {NoticeState.DELIVERED}
    assert {kind for kind, _ in states} >= {"emergency_told", "outage_logs", "outage_report"}
    assert "31.12.2026 23:31 Астана" in bodies["emergency_told"]
    assert "8 ч 30 мин" in bodies["outage_report"].replace("\N{NO-BREAK SPACE}", " ")
