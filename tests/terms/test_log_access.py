"""Access to logs (QS-3.5.4): who is let in, and what a grant opens, at each bound."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.terms.base import Verdict
from blocks.terms.log_access import AccessFacts, Grant, log_access, may_read
from blocks.terms.people import same_person
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.retention import LogClass

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
INSTANT, HOUR = timedelta(microseconds=1), timedelta(hours=1)
DAY = date(2026, 5, 22)
ASKED = AccessFacts(
    asked_by="Анна Примерова", decided_by="О. Петрова", need="Разобрать жалобу клиента", hours=8, at=NOW, login="anna"
)
GRANT = Grant(
    state="granted",
    login="anna",
    classes=(LogClass.PAYLOAD,),
    project="shop",
    day_from=DAY,
    day_to=DAY + timedelta(days=2),
    valid_from=NOW,
    valid_until=NOW + 8 * HOUR,
)


def decided(**changes: object) -> Verdict:
    return log_access(ASKED.model_copy(update=changes)).verdict


def opens(
    at: datetime = NOW,
    classes: tuple[LogClass, ...] = (LogClass.PAYLOAD,),
    project: str = "shop",
    days: tuple[date, ...] = (DAY,),
    login: str = "anna",
    **changes: object,
) -> bool:
    grant = GRANT.model_copy(update=changes)
    return may_read(grant, at=at, classes=classes, project=project, days=days, login=login).allowed


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_second_person_grants_a_documented_need_for_its_hours() -> None:
    decision = log_access(ASKED)
    assert decision.verdict is Verdict.ALLOWED
    assert decision.deadline is not None
    assert decision.deadline.due == NOW + 8 * HOUR
    assert decision.values["until"] == (NOW + 8 * HOUR).isoformat()


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize(
    "name",
    [
        "Анна Примерова",
        "анна ПРИМЕРОВА",
        "  Анна   Примерова ",
        "Анна\u00a0Примерова",
        "АннаПримерова",
        "Анна-Примерова.",
        "Анна\u200bПримерова",
        "anna",
        "ANNA",
    ],
)
def test_qs_3_5_4_the_person_who_asks_does_not_decide_however_the_name_is_written(name: str) -> None:
    assert decided(decided_by=name) is Verdict.REFUSED


@pytest.mark.parametrize(("one", "other"), [("Пётр Йод", "Петр Йод"), ("Straße", "STRASSE"), ("Й", "И\u0306")])
def test_a_name_with_other_letters_for_the_same_sound_is_the_same_person(one: str, other: str) -> None:
    assert same_person(one, other)


@pytest.mark.parametrize(("one", "other"), [("Анна", "Анни"), ("Анна", ""), ("О. Петрова", "А. Петрова")])
def test_other_names_are_other_people(one: str, other: str) -> None:
    assert not same_person(one, other)


@given(st.text(max_size=30))
def test_nobody_is_another_person_than_themselves(name: str) -> None:
    for written in (name, name.upper(), name.lower(), f" {name}\t", name.replace(" ", "  ")):
        assert decided(decided_by=written, asked_by=name) is not Verdict.ALLOWED


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("name", ["", "  ", ".", "\u200b"])
def test_qs_3_5_4_nobody_decides_nothing(name: str) -> None:
    assert decided(decided_by=name) is Verdict.PERSON
    assert decided(asked_by=name) is Verdict.REFUSED


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize(
    ("need", "verdict"),
    [
        ("", Verdict.REFUSED),
        (" " * 40, Verdict.REFUSED),
        ("..... .....", Verdict.REFUSED),
        ("Жалоба-Х-1", Verdict.REFUSED),
        ("Жалоба Х1", Verdict.REFUSED),
        ("Жалоба     Х1", Verdict.REFUSED),
        ("Жалоба Х-1", Verdict.ALLOWED),
    ],
)
def test_qs_3_5_4_a_need_is_a_sentence_of_ten_characters(need: str, verdict: Verdict) -> None:
    assert decided(need=need) is verdict


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_hours_end_at_the_bound_of_our_policy() -> None:
    most = RETENTION_POLICY.on(NOW.date()).grant_hours
    hours = (-1, 0, 1, most, most + 1)
    assert [decided(hours=one) is Verdict.ALLOWED for one in hours] == [False, False, True, True, False]


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_grant_opens_from_its_first_instant_to_its_last() -> None:
    until = NOW + 8 * HOUR
    moments = (NOW - INSTANT, NOW, until - INSTANT, until, until + INSTANT)
    assert [opens(at=moment) for moment in moments] == [False, True, True, True, False]


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("state", ["asked", "declined", "revoked"])
def test_qs_3_5_4_only_what_is_granted_opens_anything(state: str) -> None:
    assert not opens(state=state)
    assert not opens(state=state, valid_from=None, valid_until=None)
    assert not opens(valid_until=None)


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_grant_opens_its_days_and_no_other() -> None:
    shifts = range(-1, 4)
    assert [opens(days=(DAY + timedelta(days=shift),)) for shift in shifts] == [False, True, True, True, False]
    assert not opens(days=(DAY, DAY + timedelta(days=3)))
    assert not opens(days=())


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("project", ["", "Shop", "shop ", "shop2", "sho"])
def test_qs_3_5_4_a_grant_opens_its_project_and_no_other(project: str) -> None:
    assert not opens(project=project)


@pytest.mark.clause("QS-3.5.4")
@pytest.mark.parametrize("login", ["", "Anna", "ann", "root"])
def test_qs_3_5_4_a_grant_is_of_one_account(login: str) -> None:
    assert not opens(login=login)


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_what_has_a_further_class_is_not_opened_by_a_grant_of_one() -> None:
    both = (LogClass.PAYLOAD, LogClass.PLATFORM)
    assert not opens(classes=both)
    assert may_read(
        GRANT.model_copy(update={"classes": both}),
        at=NOW,
        classes=both,
        project="shop",
        days=[DAY],
        login="anna",
    ).allowed
    assert not opens(classes=(LogClass.METADATA,))
    assert not opens(classes=())
