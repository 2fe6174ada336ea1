"""KeepSecrets: how soon support answers, how soon equipment is replaced, what a request says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from blocks.terms.base import Verdict
from blocks.terms.ks_tickets import (
    EquipmentFacts,
    RequestFacts,
    SupportFacts,
    answer_support,
    replace_equipment,
    request_is_complete,
)

at = datetime.fromisoformat
FIVE, TWO_HOURS = timedelta(minutes=5), timedelta(hours=2)


@pytest.mark.clause("KS-3.4")
@pytest.mark.parametrize(
    ("received", "term"),
    [
        ("2026-11-23T09:59:59+03:00", TWO_HOURS),
        ("2026-11-23T09:59:59.999999+03:00", TWO_HOURS),
        ("2026-11-23T10:00:00+03:00", FIVE),
        ("2026-11-23T19:29:59+03:00", FIVE),
        ("2026-11-23T19:29:59.999999+03:00", FIVE),
        ("2026-11-23T19:30:00+03:00", TWO_HOURS),
        ("2026-11-23T19:35:00+03:00", TWO_HOURS),
        ("2026-11-23T19:40:00+03:00", TWO_HOURS),
        ("2026-11-23T06:59:59Z", TWO_HOURS),
        ("2026-11-23T07:00:00Z", FIVE),
        ("2026-11-23T23:30:00+03:00", TWO_HOURS),
        ("2026-11-21T12:00:00+03:00", TWO_HOURS),
        ("2026-11-22T12:00:00+03:00", TWO_HOURS),
        ("2024-04-27T12:00:00+03:00", FIVE),
        ("2024-04-29T12:00:00+03:00", TWO_HOURS),
        ("2025-11-01T12:00:00+03:00", FIVE),
        ("2025-11-03T12:00:00+03:00", TWO_HOURS),
        ("2024-02-29T12:00:00+03:00", FIVE),
        ("2024-02-23T12:00:00+03:00", TWO_HOURS),
    ],
)
def test_ks_3_4_the_moment_of_receipt_decides_between_5_minutes_and_2_hours(received: str, term: timedelta) -> None:
    decision = answer_support(SupportFacts(received_at=at(received)))
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at(received) + term
    assert decision.deadline.zone == "Europe/Moscow"
    assert decision.values == {"minutes": term // timedelta(minutes=1)}
    assert not decision.deadline.provisional


@pytest.mark.clause("KS-3.4")
def test_ks_3_4_a_year_without_a_decree_makes_the_answer_provisional() -> None:
    deadline = answer_support(SupportFacts(received_at=at("2031-01-06T12:00+03:00"))).deadline
    assert deadline is not None
    assert deadline.provisional


@pytest.mark.clause("KS-3.6")
@pytest.mark.parametrize(
    ("discovered", "requested", "due"),
    [
        ("2026-11-21T23:00+03:00", None, "2026-11-22T02:00+03:00"),
        (None, "2026-11-21T23:00+03:00", "2026-11-22T02:00+03:00"),
        ("2026-11-21T23:00+03:00", "2026-11-21T22:59:59.999999+03:00", "2026-11-22T01:59:59.999999+03:00"),
        ("2026-11-21T23:00+03:00", "2026-11-21T23:00:00.000001+03:00", "2026-11-22T02:00+03:00"),
        ("2024-02-28T22:00+03:00", "2024-02-29T09:00+03:00", "2024-02-29T01:00+03:00"),
    ],
)
def test_ks_3_6_equipment_is_replaced_3_hours_after_the_earlier_of_discovery_and_request(
    discovered: str | None, requested: str | None, due: str
) -> None:
    decision = replace_equipment(
        EquipmentFacts(
            discovered_at=at(discovered) if discovered else None, requested_at=at(requested) if requested else None
        )
    )
    assert decision.verdict is Verdict.DUE
    assert decision.deadline is not None
    assert decision.deadline.due == at(due)
    assert decision.deadline.zone == "Europe/Moscow"


@pytest.mark.clause("KS-3.6")
def test_ks_3_6_a_failure_that_nobody_knows_of_is_no_fact() -> None:
    with pytest.raises(ValidationError, match="discovered"):
        EquipmentFacts(discovered_at=None)


COMPLETE = {"substance": "звонки не проходят", "time": "сегодня около 10 утра", "actions_before": "сменили пароль"}


@pytest.mark.clause("KS-3.11")
def test_ks_3_11_an_electronic_request_that_says_everything_is_complete() -> None:
    decision = request_is_complete(RequestFacts(electronic=True, **COMPLETE))
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {}


@pytest.mark.clause("KS-3.11")
@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
@pytest.mark.parametrize(
    ("part", "ask"), [("substance", "substance"), ("time", "time"), ("actions_before", "actions before")]
)
def test_ks_3_11_the_customer_is_asked_for_exactly_the_part_that_is_missing(part: str, ask: str, blank: str) -> None:
    decision = request_is_complete(RequestFacts(electronic=True, **{**COMPLETE, part: blank}))
    assert decision.verdict is Verdict.REFUSED
    assert decision.values == {"ask": ask}


@pytest.mark.clause("KS-3.11")
def test_ks_3_11_a_request_by_voice_is_asked_for_as_an_electronic_message_first() -> None:
    spoken = request_is_complete(RequestFacts(electronic=False, **COMPLETE))
    assert (spoken.verdict, spoken.values) == (Verdict.REFUSED, {"ask": "an electronic message"})
    nothing = request_is_complete(RequestFacts(electronic=False, substance="", time="", actions_before=""))
    assert nothing.values == {"ask": "an electronic message, substance, time, actions before"}
