"""What may be destroyed: at its bounds, and over random histories beside a plain second opinion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.terms.purging import Hold, fate
from blocks.terms.retention import TERMS, LogClass, Term, Terms
from blocks.terms.tariffs import Timeline
from blocks.terms.zones import ASTANA, MOSCOW

INSTANT = timedelta(microseconds=1)
PLACED = datetime(2020, 1, 1, tzinfo=UTC)


def midnight(year: int, month: int, day: int, zone: str = MOSCOW) -> datetime:
    return datetime(year, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def hold(**changes: object) -> Hold:
    scope = {"number": "LH-1", "day_from": date(2018, 1, 1), "day_to": date(2030, 1, 1), "placed_at": PLACED}
    return Hold.model_validate(scope | changes)


@pytest.mark.parametrize(
    ("classes", "day", "from_then"),
    [
        ((LogClass.PAYLOAD,), date(2026, 5, 21), midnight(2026, 11, 22)),
        ((LogClass.PAYLOAD,), date(2026, 8, 31), midnight(2027, 3, 1)),
        ((LogClass.PAYLOAD,), date(2027, 8, 31), midnight(2028, 3, 1)),
        ((LogClass.METADATA,), date(2024, 2, 29), midnight(2027, 3, 1)),
        ((LogClass.PLATFORM,), date(2025, 11, 21), midnight(2026, 11, 22, ASTANA)),
        ((LogClass.PAYLOAD, LogClass.METADATA), date(2026, 5, 21), midnight(2029, 5, 22)),
    ],
)
@pytest.mark.clause("QS-3.5.3a", "QS-3.5.3b", "OCP-P2.8b")
def test_qs_3_5_3a_a_day_is_whole_at_its_last_lawful_instant_and_doomed_at_the_next(
    classes: tuple[LogClass, ...], day: date, from_then: datetime
) -> None:
    before = fate(classes, day, ["shop"], [], destroyed=False, now=from_then - INSTANT)
    assert not before.due
    assert not before.key_dies
    assert before.doomed == set()
    at = fate(classes, day, ["shop"], [], destroyed=False, now=from_then)
    assert at.key_dies
    assert at.doomed == {"shop"}


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"until": date(2026, 12, 1)}, midnight(2026, 12, 2)),
        ({"released_at": datetime(2026, 12, 1, 9, tzinfo=UTC)}, datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ({"until": date(2026, 12, 1), "released_at": datetime(2026, 12, 1, 9, tzinfo=UTC)}, None),
        ({"until": date(2026, 12, 1), "released_at": datetime(2026, 12, 9, tzinfo=UTC)}, midnight(2026, 12, 2)),
    ],
)
def test_a_hold_stands_to_its_release_or_to_the_end_of_its_last_day(
    changes: dict[str, object], ends: datetime | None
) -> None:
    one = hold(**changes)
    end = ends or datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert one.ends_at() == end
    assert one.stands(end - INSTANT)
    assert not one.stands(end)
    assert one.stands(PLACED)
    assert not one.stands(PLACED - INSTANT)


def test_a_hold_on_one_project_keeps_that_one_and_the_key_dies_for_the_others() -> None:
    now = midnight(2026, 11, 22)
    found = fate([LogClass.PAYLOAD], date(2026, 5, 21), ["a", "b"], [hold(project="a")], destroyed=False, now=now)
    assert found.doomed == {"b"}
    assert found.held == {"a": ("LH-1",)}
    assert found.key_dies


def test_where_everything_is_held_the_key_stays() -> None:
    now, day = midnight(2026, 11, 22), date(2026, 5, 21)
    for holds in ([hold()], [hold(project="a"), hold(number="LH-2", project="b")]):
        found = fate([LogClass.PAYLOAD], day, ["a", "b"], holds, destroyed=False, now=now)
        assert found.doomed == set()
        assert not found.key_dies


def test_a_key_without_records_dies_unless_a_hold_reaches_every_project() -> None:
    now, day = midnight(2026, 11, 22), date(2026, 5, 21)
    assert fate([LogClass.PAYLOAD], day, [], [hold(project="a")], destroyed=False, now=now).key_dies
    assert not fate([LogClass.PAYLOAD], day, [], [hold()], destroyed=False, now=now).key_dies
    assert not fate([LogClass.PAYLOAD], day, [], [], destroyed=True, now=now).key_dies


def test_a_hold_on_one_class_keeps_records_that_have_another_as_well() -> None:
    both = (LogClass.PAYLOAD, LogClass.PLATFORM)
    assert hold(classes=(LogClass.PLATFORM,)).covers(both, date(2026, 5, 21), "a")
    assert not hold(classes=(LogClass.METADATA,)).covers(both, date(2026, 5, 21), "a")


@pytest.mark.parametrize(("day", "covered"), [(9, False), (10, True), (12, True), (13, False)])
def test_the_days_of_a_hold_are_both_inclusive(day: int, covered: bool) -> None:
    one = hold(day_from=date(2026, 5, 10), day_to=date(2026, 5, 12))
    assert one.covers([LogClass.PAYLOAD], date(2026, 5, day), "a") is covered


def test_a_hold_of_days_that_fall_is_refused() -> None:
    with pytest.raises(ValueError, match="not after its last"):
        hold(day_from=date(2026, 5, 2), day_to=date(2026, 5, 1))


def _changed(months: int, *, by_law: bool) -> Terms:
    old = TERMS[LogClass.PAYLOAD].entries[0]
    new = Term(clause="QS-3.5.3a", zone=MOSCOW, keep=months, gone=months, by_law=by_law)
    return {**TERMS, LogClass.PAYLOAD: Timeline("payload", [old, (date(2026, 9, 1), new)])}


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_shorter_term_reaches_old_records_only_by_law_and_only_from_its_first_day() -> None:
    day, first = date(2026, 5, 21), midnight(2026, 9, 1)
    for by_law, now, due in (
        (True, first - INSTANT, False),
        (True, first, True),
        (False, first, False),
        (False, midnight(2026, 11, 22), True),
    ):
        terms = _changed(3, by_law=by_law)
        assert fate([LogClass.PAYLOAD], day, ["a"], [], destroyed=False, now=now, terms=terms).due is due


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_longer_term_by_law_keeps_what_is_still_there() -> None:
    terms, day, now = _changed(12, by_law=True), date(2026, 5, 21), midnight(2026, 11, 22)
    for destroyed in (False, True):
        assert not fate([LogClass.PAYLOAD], day, ["a"], [], destroyed=destroyed, now=now, terms=terms).doomed
    assert fate([LogClass.PAYLOAD], day, ["a"], [], destroyed=False, now=midnight(2027, 5, 22), terms=terms).doomed


# A second opinion, written the slow way: walk the days of the calendar, look at each record by itself.

MONTHS = {LogClass.PAYLOAD: 6, LogClass.METADATA: 36, LogClass.PLATFORM: 12, LogClass.AUDIT: 36}
ZONES = {one: ASTANA if one is LogClass.PLATFORM else MOSCOW for one in LogClass}


def _last_day(day: date, months: int) -> date:
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    for number in range(day.day, 27, -1):
        try:
            return date(year, month, number)
        except ValueError:
            continue
    return date(year, month, day.day)


def _must_stay(classes: set[LogClass], day: date, project: str, holds: list[Hold], now: datetime) -> bool:
    first = next(one for one in LogClass if one in classes)
    end = datetime.combine(day, datetime.max.time(), ZoneInfo(ZONES[first]))
    for one in classes:
        last = _last_day(end.astimezone(ZoneInfo(ZONES[one])).date(), MONTHS[one])
        if now.astimezone(ZoneInfo(ZONES[one])).date() <= last:
            return True
    for one_hold in holds:
        over = one_hold.until is not None and now.astimezone(ZoneInfo(MOSCOW)).date() > one_hold.until
        released = one_hold.released_at is not None and one_hold.released_at <= now
        in_scope = (
            one_hold.day_from <= day <= one_hold.day_to
            and (not one_hold.classes or any(one in one_hold.classes for one in classes))
            and one_hold.project in {"", project}
        )
        if in_scope and one_hold.placed_at <= now and not over and not released:
            return True
    return False


DAYS = st.dates(date(2023, 12, 1), date(2024, 4, 1)) | st.sampled_from(
    [date(2024, 2, 29), date(2024, 8, 31), date(2023, 8, 31), date(2024, 12, 31)]
)
NOWS = st.datetimes(datetime(2024, 5, 1), datetime(2028, 1, 1), timezones=st.just(UTC)) | st.builds(  # noqa: DTZ001
    lambda day, zone, shift: datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC) + shift,
    st.dates(date(2024, 5, 1), date(2028, 1, 1)),
    st.sampled_from([MOSCOW, ASTANA]),
    st.sampled_from([-INSTANT, timedelta(0), INSTANT]),
)
CLASSES = st.sets(st.sampled_from(list(LogClass)), min_size=1, max_size=3)
PROJECTS = st.sampled_from(["a", "b", "c"])


@st.composite
def _holds(draw: st.DrawFn) -> Hold:
    days = sorted([draw(DAYS), draw(DAYS)])
    return hold(
        number=f"LH-{draw(st.integers(1, 9))}",
        classes=tuple(draw(st.sets(st.sampled_from(list(LogClass)), max_size=2))),
        project=draw(PROJECTS | st.just("")),
        day_from=days[0],
        day_to=days[1],
        until=draw(st.none() | st.dates(date(2024, 5, 1), date(2028, 1, 1))),
        placed_at=draw(NOWS),
        released_at=draw(st.none() | NOWS),
    )


@given(CLASSES, DAYS, st.sets(PROJECTS), st.lists(_holds(), max_size=4), NOWS, st.booleans())
@pytest.mark.clause("QS-3.5.3a", "QS-3.5.3b", "OCP-P2.8b")
def test_qs_3_5_3a_nothing_under_its_minimum_or_a_hold_is_ever_doomed_and_all_else_is(
    classes: set[LogClass], day: date, projects: set[str], holds: list[Hold], now: datetime, destroyed: bool
) -> None:
    ordered = tuple(one for one in LogClass if one in classes)
    found = fate(ordered, day, projects, holds, destroyed=destroyed, now=now)
    expected = {project for project in projects if not _must_stay(classes, day, project, holds, now)}
    assert found.doomed == expected
    if expected and not destroyed:
        assert found.key_dies
    if found.key_dies:
        assert not destroyed
        assert expected or not (projects or _must_stay(classes, day, "", holds, now))
        assert all(found.held.get(project) for project in projects - expected)
