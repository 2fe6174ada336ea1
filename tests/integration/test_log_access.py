"""Access to logs: requests, decisions, and reading under a grant (QS-3.5.4), on both databases."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import LogGrantState, Notice, reading, transaction
from blocks.office import Office
from blocks.terms.retention import LogClass
from flows.fulfilment import send_due
from tasks.log_access import ask_access, decide_access, grant_line, journal_view, revoke_access, undecided
from tasks.log_access_forms import AccessDecision, AccessForm, RevokeForm
from tasks.log_reading import Wanted, read
from tests.log_access_work import (
    ASK,
    DAY,
    HOUR,
    LINES,
    SECRET,
    destroy_period,
    given,
    grant_row,
    granted,
    journal,
    seal_lines,
)
from tests.work import NOW

INSTANT = timedelta(microseconds=1)
OTHER_DAY = DAY + timedelta(days=1)


def decision(grant: str, *, operator: str = "О. Петрова", approve: bool = True) -> AccessDecision:
    return AccessDecision(grant=grant, operator=operator, approve=approve, reason="нужно для ответа")


def revocation(grant: str) -> RevokeForm:
    return RevokeForm(grant=grant, operator="Б. Третий", reason="больше не нужно")


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_every_step_of_a_grant_is_a_line_of_the_journal(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    assert number == "LG-2026-000001"
    assert undecided(office) == [number]
    assert "Анна Примерова (account anna) asks to read qs-payload of shop" in grant_line(office, number)
    told = decide_access(office, decision(number), now=NOW + HOUR)
    assert told == f"{number} is granted until 2026-11-20T18:00:00+00:00"
    revoke_access(office, revocation(number), now=NOW + 2 * HOUR)
    lines = [(line.kind, line.about, line.who, line.at) for line in journal(office)]
    assert lines == [
        ("asked", number, "Анна Примерова", NOW),
        ("granted", number, "О. Петрова", NOW + HOUR),
        ("revoked", number, "Б. Третий", NOW + 2 * HOUR),
    ]
    facts = journal(office, "granted")[0].facts
    assert facts["need"] == "Разобрать жалобу клиента"
    assert (facts["classes"], facts["project"], facts["days"]) == ("qs-payload", "shop", [str(DAY), str(DAY)])
    assert (facts["from"], facts["until"]) == ((NOW + HOUR).isoformat(), (NOW + 9 * HOUR).isoformat())


def test_our_operator_hears_of_a_request_and_of_nothing_secret(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    send_due(office, now=NOW)
    with reading(office.sessions) as session:
        notice = session.scalars(select(Notice).where(Notice.kind == "log_access_asked")).one()
    assert notice.recipient == office.settings.operator_email
    assert notice.state.value == "delivered"
    assert number in (notice.subject or "")


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("operator", ["Анна Примерова", "АННА  примерова", "А\u0301нна Примерова", "anna"])
def test_qs_3_5_4_whoever_asks_does_not_decide(office: Office, operator: str) -> None:
    number = ask_access(office, ASK, now=NOW)
    with pytest.raises(TermsViolated, match=r"QS-3\.5\.4: another person"):
        decide_access(office, decision(number, operator=operator), now=NOW)
    assert undecided(office) == [number]
    assert [line.kind for line in journal(office)] == ["asked"]


def test_a_decision_that_names_nobody_decides_nothing(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    with pytest.raises(ValidationError):
        decision(number, operator="  ")
    with pytest.raises(TermsViolated, match="another person decides"):
        decide_access(office, decision(number, operator="."), now=NOW)
    assert undecided(office) == [number]


def test_without_a_word_of_approval_it_is_declined_for_good(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    form = AccessDecision(grant=number, operator="О. Петрова", reason="не видно зачем")
    assert decide_access(office, form, now=NOW) == f"{number} is declined"
    row = grant_row(office, number)
    assert (row.state, row.valid_until) == (LogGrantState.DECLINED, None)
    for again in (decision(number), decision(number, approve=False)):
        with pytest.raises(Refused, match="is declined already"):
            decide_access(office, again, now=NOW)
    with pytest.raises(Refused, match="is declined already"):
        revoke_access(office, revocation(number), now=NOW)


def test_a_grant_only_goes_forward(office: Office) -> None:
    number = granted(office)
    with pytest.raises(Refused, match="is granted already"):
        decide_access(office, decision(number, approve=False), now=NOW)
    revoke_access(office, revocation(number), now=NOW)
    with pytest.raises(Refused, match="is revoked already"):
        decide_access(office, decision(number), now=NOW)
    with pytest.raises(Refused, match="is revoked already"):
        revoke_access(office, revocation(number), now=NOW)
    assert len(journal(office)) == 3


def test_a_request_may_be_taken_back_before_anybody_decides(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    revoke_access(office, revocation(number), now=NOW)
    with pytest.raises(Refused, match="is revoked already"):
        decide_access(office, decision(number), now=NOW)
    assert grant_row(office, number).valid_until is None


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("changes", [{"need": "нужно"}, {"hours": 73}, {"person": "."}])
def test_qs_3_5_4_what_nobody_could_grant_is_not_even_asked(office: Office, changes: dict[str, object]) -> None:
    with pytest.raises(TermsViolated):
        ask_access(office, ASK.model_copy(update=changes), now=NOW)
    assert journal(office) == []
    assert undecided(office) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ()},
        {"classes": ("everything",)},
        {"project": ""},
        {"project": "*"},
        {"login": ""},
        {"login": "-rf"},
        {"day_to": "2026-11-09"},
        {"hours": 0},
        {"need": "одна\nстрока"},
        {"person": ""},
    ],
)
def test_a_form_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AccessForm.model_validate(ASK.model_dump(mode="json") | changes)


def test_the_database_wants_a_second_person(office: Office) -> None:
    number = ask_access(office, ASK, now=NOW)
    with pytest.raises(DBAPIError, match="ck_log_grants_second_person"), transaction(office.sessions) as session:
        session.execute(text("UPDATE log_grants SET decided_by = person WHERE number = :number"), {"number": number})


def test_the_journal_is_shown_newest_first_with_the_grants_in_force(office: Office) -> None:
    first = granted(office)
    ask_access(office, ASK, now=NOW)
    for at, count in ((NOW - INSTANT, 0), (NOW, 1), (NOW + 8 * HOUR, 1), (NOW + 8 * HOUR + INSTANT, 0)):
        assert journal_view(office, last=100, now=at).in_force == count
    view = journal_view(office, last=2, now=NOW)
    assert [line.kind for line in view.lines] == ["asked", "granted"]
    assert view.waiting == 1
    revoke_access(office, revocation(first), now=NOW)
    assert journal_view(office, last=2, now=NOW).in_force == 0


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_records_come_back_under_a_grant_each_segment_with_its_line(office: Office) -> None:
    names = [seal_lines(office, "p-0001"), seal_lines(office, "p-0002", lines=[b'{"n":3}\n'])]
    grant = granted(office)
    assert given(office, grant) == [*LINES, b'{"n":3}\n']
    lines = journal(office, "read")
    assert [(line.about, line.who, line.facts["segment"]) for line in lines] == [(grant, "anna", one) for one in names]
    assert [line.facts["records"] for line in lines] == [2, 1]
    assert {line.facts["person"] for line in lines} == {"Анна Примерова"}
    assert SECRET.decode() not in str([line.facts for line in journal(office)])


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_the_line_is_there_before_the_first_byte(office: Office) -> None:
    seal_lines(office, "p-0001")
    seal_lines(office, "p-0002")
    lines = read(office, Wanted(grant=granted(office), login="anna", days=(DAY,)), clock=lambda: NOW)
    assert journal(office, "read") == []
    next(lines)
    assert len(journal(office, "read")) == 1
    next(lines)
    next(lines)
    assert len(journal(office, "read")) == 2


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_grant_reads_at_its_bounds_and_not_beside_them(office: Office) -> None:
    seal_lines(office)
    grant = granted(office)
    for at in (NOW, NOW + 8 * HOUR):
        assert given(office, grant, at) == list(LINES)
    for at in (NOW - INSTANT, NOW + 8 * HOUR + INSTANT):
        with pytest.raises(TermsViolated, match="its time is not now"):
            given(office, grant, at)
    assert [line.kind for line in journal(office)][2:] == ["read", "read", "refused", "refused"]


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_grant_opens_no_other_project_class_day_or_account(office: Office) -> None:
    seal_lines(office)
    seal_lines(office, "other", project="bank")
    seal_lines(office, "meta", classes="qs-metadata")
    seal_lines(office, "later", day=OTHER_DAY)
    grant = granted(office)
    for beyond in (
        {"project": "bank"},
        {"classes": (LogClass.METADATA,)},
        {"classes": (LogClass.PAYLOAD, LogClass.METADATA)},
        {"days": (OTHER_DAY,)},
        {"days": (DAY, OTHER_DAY)},
        {"login": "boris"},
    ):
        with pytest.raises(TermsViolated, match=rf"^QS-3\.5\.4: {grant}: it"):
            given(office, grant, **beyond)
    assert journal(office, "read") == []
    refused = journal(office, "refused")
    assert len(refused) == 6
    assert refused[-1].who == "boris"
    assert given(office, grant) == list(LINES)


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_records_with_a_further_class_stay_closed_and_that_is_told(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    seal_lines(office)
    seal_lines(office, "both", classes="qs-payload+ocp", lines=[b'{"both":1}\n'])
    with caplog.at_level(logging.WARNING, "dogovor.logs"):
        assert given(office, granted(office)) == list(LINES)
    assert "qs-payload+ocp" in caplog.text
    both = granted(office, classes=(LogClass.PAYLOAD, LogClass.PLATFORM))
    assert sorted(given(office, both)) == sorted([*LINES, b'{"both":1}\n'])


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_grant_taken_back_or_over_ends_a_reading_before_its_next_segment(office: Office) -> None:
    seal_lines(office, "p-0001", lines=[b"1\n"])
    seal_lines(office, "p-0002", lines=[b"2\n"])
    grant, moments = granted(office), iter([NOW, NOW, NOW + 9 * HOUR])
    lines = read(office, Wanted(grant=grant, login="anna", days=(DAY,)), clock=lambda: next(moments))
    assert next(lines) == b"1\n"
    with pytest.raises(TermsViolated, match="its time is not now"):
        next(lines)
    lines = read(office, Wanted(grant=grant, login="anna", days=(DAY,)), clock=lambda: NOW)
    assert next(lines) == b"1\n"
    revoke_access(office, revocation(grant), now=NOW)
    with pytest.raises(TermsViolated, match="it is revoked"):
        next(lines)
    assert len(journal(office, "read")) == 2


def test_a_grant_that_nobody_gave_opens_nothing(office: Office) -> None:
    seal_lines(office)
    with pytest.raises(NotFound, match="LG-2026-000009"):
        given(office, "LG-2026-000009")
    number = ask_access(office, ASK, now=NOW)
    with pytest.raises(TermsViolated, match="it is asked"):
        given(office, number)


def test_days_without_records_are_told_as_such(office: Office) -> None:
    with pytest.raises(NotFound, match=r"of qs-payload, shop, 2026-11-10"):
        given(office, granted(office))


def test_of_destroyed_days_the_rest_is_read_and_the_destruction_named(office: Office) -> None:
    seal_lines(office)
    seal_lines(office, "later", day=OTHER_DAY, lines=[b"later\n"])
    purge = destroy_period(office)
    grant = granted(office, day_to=OTHER_DAY)
    with pytest.raises(NotFound, match=f"qs-payload/2026-11-10: destroyed by {purge}"):
        given(office, grant)
    read_now = read(office, Wanted(grant=grant, login="anna", days=(DAY, OTHER_DAY)), clock=lambda: NOW)
    assert next(read_now) == b"later\n"
    with pytest.raises(NotFound, match=purge):
        next(read_now)
    assert journal(office, "incident") == []
    assert len(journal(office, "read")) == 1


def test_a_held_project_of_a_destroyed_day_is_still_read_and_no_other(office: Office) -> None:
    seal_lines(office)
    seal_lines(office, "other", project="bank")
    purge = destroy_period(office, held="shop")
    assert given(office, granted(office)) == list(LINES)
    with pytest.raises(NotFound, match=f"destroyed by {purge}"):
        given(office, granted(office, project="bank"))


def test_a_lost_key_is_an_incident_and_no_destruction(office: Office) -> None:
    seal_lines(office)
    office.settings.key_store.unlink()
    with pytest.raises(NotFound, match="no key period/qs-payload/2026-11-10"):
        given(office, granted(office))
    assert [line.facts["what"] for line in journal(office, "incident")] == ["no key period/qs-payload/2026-11-10"]


def test_an_altered_segment_gives_nothing_and_is_an_incident(office: Office) -> None:
    name = seal_lines(office)
    path = office.settings.home / "objects" / name
    sealed = bytearray(path.read_bytes())
    sealed[-1] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(Refused, match="was altered"):
        given(office, granted(office))
    assert [line.facts["segment"] for line in journal(office, "incident")] == [name]
    path.unlink()
    with pytest.raises(NotFound):
        given(office, granted(office))
    assert len(journal(office, "incident")) == 2
