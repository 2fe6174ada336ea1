"""How long logs live: bounds in seconds, month ends, leap days, zones, two classes at once, terms that change."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.terms.base import Verdict
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.retention import (
    TERMS,
    HandledFacts,
    LogClass,
    ResidencyFacts,
    Term,
    begins_at,
    day_of,
    in_order,
    life,
    longest_days,
    metadata_logs,
    payload_logs,
    platform_logs,
    residency,
    term_on,
    zone_of,
)
from blocks.terms.tariffs import Timeline

PAYLOAD, METADATA, PLATFORM, AUDIT = LogClass
MOSCOW, ASTANA = ZoneInfo("Europe/Moscow"), ZoneInfo("Asia/Almaty")
DAYS = st.dates(date(2019, 1, 1), date(2060, 12, 31))


def kept(log_class: LogClass, day: date) -> datetime:
    return life([log_class], day, today=day).kept_until


@pytest.mark.clause("QS-3.5.3a")
@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 5, 22), date(2026, 11, 22)),
        (date(2026, 8, 31), date(2027, 2, 28)),
        (date(2026, 8, 29), date(2027, 2, 28)),
        (date(2027, 8, 31), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 8, 29)),
        (date(2026, 12, 31), date(2027, 6, 30)),
    ],
)
def test_qs_3_5_3a_payload_lives_to_the_end_of_the_same_day_six_months_later(day: date, last: date) -> None:
    end = kept(PAYLOAD, day)
    assert (end - timedelta(microseconds=1)).astimezone(MOSCOW).date() == last
    assert end.astimezone(MOSCOW).time() == datetime.min.time()
    assert end.astimezone(MOSCOW).date() == last + timedelta(days=1)


@pytest.mark.clause("QS-3.5.3b")
@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 11, 22), date(2029, 11, 22)),
        (date(2028, 2, 29), date(2031, 2, 28)),
        (date(2025, 2, 28), date(2028, 2, 28)),
    ],
)
def test_qs_3_5_3b_metadata_lives_three_calendar_years(day: date, last: date) -> None:
    end = kept(METADATA, day).astimezone(MOSCOW)
    assert end == datetime(last.year, last.month, last.day, tzinfo=MOSCOW) + timedelta(days=1)


@pytest.mark.clause("OCP-P2.8b")
def test_ocp_p2_8b_interaction_logs_live_twelve_months_of_astana_days() -> None:
    end = kept(PLATFORM, date(2026, 11, 22))
    assert end == datetime(2027, 11, 23, tzinfo=ASTANA)
    assert end != datetime(2027, 11, 23, tzinfo=MOSCOW)


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_the_day_is_moscows_to_the_microsecond() -> None:
    midnight = datetime(2026, 5, 22, tzinfo=MOSCOW)
    before = payload_logs(HandledFacts(ended_at=midnight - timedelta(microseconds=1)))
    at, after = (payload_logs(HandledFacts(ended_at=midnight + timedelta(microseconds=n))) for n in (0, 1))
    assert before.values["kept_until"] == datetime(2026, 11, 22, tzinfo=MOSCOW).astimezone(UTC).isoformat()
    assert at == after
    assert at.values["kept_until"] == datetime(2026, 11, 23, tzinfo=MOSCOW).astimezone(UTC).isoformat()
    assert at.deadline is not None
    assert at.deadline.due == datetime(2026, 11, 24, tzinfo=MOSCOW)


@pytest.mark.clause("OCP-P2.8b")
def test_ocp_p2_8b_the_same_instant_is_another_day_in_astana() -> None:
    evening = datetime(2026, 5, 22, 23, tzinfo=MOSCOW)
    assert day_of([PAYLOAD], evening) == date(2026, 5, 22)
    assert day_of([PLATFORM], evening) == date(2026, 5, 23)
    assert platform_logs(HandledFacts(ended_at=evening)).values["kept_until"] == (
        datetime(2027, 5, 24, tzinfo=ASTANA).astimezone(UTC).isoformat()
    )


@pytest.mark.clause("QS-3.5.3b")
def test_qs_3_5_3b_the_rule_answers_as_the_life_of_its_day() -> None:
    moment = datetime(2026, 5, 22, 12, tzinfo=MOSCOW)
    decision = metadata_logs(HandledFacts(ended_at=moment))
    lives = life([METADATA], date(2026, 5, 22), today=date(2026, 5, 22))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == lives.gone_by == lives.kept_until + timedelta(hours=24)


@given(st.sampled_from([PAYLOAD, METADATA, PLATFORM]), DAYS)
def test_a_life_is_the_brute_force_count_of_months(log_class: LogClass, day: date) -> None:
    months = {PAYLOAD: 6, METADATA: 36, PLATFORM: 12}[log_class]
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    last = date(year, month, min(day.day, monthrange(year, month)[1]))
    zone = ZoneInfo(zone_of([log_class]))
    after = last + timedelta(days=1)
    assert kept(log_class, day) == datetime(after.year, after.month, after.day, tzinfo=zone)


@given(DAYS)
def test_a_later_day_never_dies_before_an_earlier_one(day: date) -> None:
    for log_class in LogClass:
        assert kept(log_class, day) <= kept(log_class, day + timedelta(days=1))


@given(st.sets(st.sampled_from(list(LogClass)), min_size=1), DAYS)
def test_several_classes_are_kept_as_long_as_each_of_them(classes: set[LogClass], day: date) -> None:
    both = life(list(classes), day, today=day)
    zone = zone_of(list(classes))
    noon = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=ZoneInfo(zone))
    assert both.kept_until == max(kept(one, day_of([one], noon)) for one in classes)
    assert both.gone_by >= both.kept_until + timedelta(hours=24)
    assert both.zone == zone


def test_payload_under_a_longer_minimum_is_kept_and_told_of() -> None:
    both = life([PLATFORM, PAYLOAD], date(2026, 5, 22), today=date(2026, 5, 22))
    assert both.contradiction == "QS-3.5.3a ends before OCP-P2.8b does"
    assert both.kept_until == datetime(2027, 5, 24, tzinfo=ASTANA)
    assert both.clauses == ("QS-3.5.3a", "OCP-P2.8b")


def test_metadata_that_is_also_the_platforms_has_no_contradiction() -> None:
    both = life([METADATA, PLATFORM], date(2026, 5, 22), today=date(2026, 5, 22))
    assert not both.contradiction
    assert both.kept_until == datetime(2029, 5, 23, tzinfo=MOSCOW)


def test_our_audit_names_no_clause_and_lives_as_our_policy_says() -> None:
    found = life([AUDIT], date(2026, 5, 22), today=date(2026, 5, 22))
    assert found.clauses == ()
    assert found.kept_until == datetime(2029, 5, 23, tzinfo=MOSCOW)
    assert RETENTION_POLICY.on(date(2026, 5, 22)).audit_months == 36


def changed(keep: int, *, by_law: bool) -> dict[LogClass, Timeline[Term]]:
    first = TERMS[PAYLOAD].entries[0][1]
    later = first.model_copy(update={"keep": keep, "gone": keep, "by_law": by_law})
    return {**TERMS, PAYLOAD: Timeline("changed", [(date(2018, 1, 1), first), (date(2026, 7, 1), later)])}


@pytest.mark.clause("QS-3.5.3a")
@pytest.mark.parametrize("keep", [3, 12])
def test_qs_3_5_3a_new_terms_reach_new_records_alone(keep: int) -> None:
    terms = changed(keep, by_law=False)
    old, new = date(2026, 6, 30), date(2026, 7, 1)
    assert term_on(PAYLOAD, old, today=date(2026, 9, 1), terms=terms).keep == 6
    assert term_on(PAYLOAD, new, today=date(2026, 9, 1), terms=terms).keep == keep


@pytest.mark.clause("QS-3.5.3a")
@pytest.mark.parametrize("keep", [3, 12])
def test_qs_3_5_3a_a_term_by_law_reaches_old_records_from_its_first_day(keep: int) -> None:
    terms, old = changed(keep, by_law=True), date(2026, 6, 30)
    assert term_on(PAYLOAD, old, today=date(2026, 6, 30), terms=terms).keep == 6
    assert term_on(PAYLOAD, old, today=date(2026, 7, 1), terms=terms).keep == keep
    assert life([PAYLOAD], old, today=date(2026, 7, 1), terms=terms).kept_until == kept_for(old, keep)


def kept_for(day: date, months: int) -> datetime:
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(days=1)
    return datetime(last.year, last.month, last.day, tzinfo=MOSCOW)


def test_a_maximum_after_the_minimum_gives_time_and_no_contradiction() -> None:
    loose = TERMS[PAYLOAD].entries[0][1].model_copy(update={"gone": 9})
    terms = {**TERMS, PAYLOAD: Timeline("loose", [(date(2018, 1, 1), loose)])}
    found = life([PAYLOAD], date(2026, 1, 15), today=date(2026, 1, 15), terms=terms)
    assert found.kept_until == datetime(2026, 7, 16, tzinfo=MOSCOW)
    assert found.gone_by == datetime(2026, 10, 17, tzinfo=MOSCOW)
    assert not found.contradiction


@given(st.sampled_from(list(LogClass)), DAYS)
def test_nothing_outlives_the_longest_days_of_its_class(log_class: LogClass, day: date) -> None:
    lives = life([log_class], day, today=day)
    lived = (lives.gone_by - begins_at([log_class], day)).days
    assert lived <= longest_days(log_class) <= lived + 36 * 3


def test_classes_are_written_in_their_own_order_once_and_there_is_one() -> None:
    assert in_order([AUDIT, PAYLOAD, AUDIT]) == (PAYLOAD, AUDIT)
    with pytest.raises(ValueError, match="has a class"):
        in_order([])


def test_a_day_begins_where_the_one_before_ends() -> None:
    for one, following in pairwise(date(2026, 3, 28) + timedelta(days=n) for n in range(4)):
        assert begins_at([PLATFORM], following) - begins_at([PLATFORM], one) == timedelta(days=1)
        assert day_of([PLATFORM], begins_at([PLATFORM], following)) == following
        assert day_of([PLATFORM], begins_at([PLATFORM], following) - timedelta(microseconds=1)) == one


@pytest.mark.clause("QS-3.8.3")
@pytest.mark.parametrize(
    ("russian", "country", "allowed"),
    [(True, "RU", True), (True, "KZ", False), (True, "", False), (False, "KZ", True), (False, "", True)],
)
def test_qs_3_8_3_russian_citizens_data_stay_in_a_declared_russia(russian: bool, country: str, allowed: bool) -> None:
    assert residency(ResidencyFacts(russian_citizens=russian, country=country)).allowed is allowed
