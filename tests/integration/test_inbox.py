"""The inbox: once, under a lease, with a memory for what failed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from blocks.errors import Refused
from blocks.ledger import InboxState, transaction
from blocks.office import Office
from tasks.inbox import (
    LEASE,
    MAX_ATTEMPTS,
    claim,
    count_refusals,
    finish,
    outcome_of,
    postpone,
    put_back,
    ready,
    take_back,
    unpark,
    waiting,
)
from tasks.order_forms import EventKind
from tests.work import NOW, put

SECOND = timedelta(seconds=1)


def fill(office: Office, count: int) -> None:
    for n in range(count):
        put(office, EventKind.SHOWN, {"order": f"X-{n}"}, f"e{n}", "page")


def test_an_event_is_stored_once_and_another_content_under_its_id_is_refused(office: Office) -> None:
    assert put(office, EventKind.SHOWN, {"a": 1}, "e1", "page")
    assert not put(office, EventKind.SHOWN, {"a": 1}, "e1", "page")
    assert put(office, EventKind.SHOWN, {"a": 1}, "e1", "shop"), "ids are the source's own"
    with pytest.raises(Refused, match="another content"):
        put(office, EventKind.SHOWN, {"a": 2}, "e1", "page")


def test_the_same_event_posted_by_many_at_once_is_stored_once(office: Office) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: put(office, EventKind.SHOWN, {"a": 1}, "e1", "page"), range(24)))
    assert sum(stored) == 1


def test_two_dispatchers_never_claim_one_event(office: Office) -> None:
    fill(office, 60)

    def take(owner: str) -> list[int]:
        taken: list[int] = []
        while events := claim(office.sessions, owner=owner, now=NOW, limit=7):
            taken += [event.id for event in events]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, ["a", "b", "c", "d"]))
    everything = [event for part in taken for event in part]
    assert len(everything) == 60
    assert len(set(everything)) == 60


def test_a_lease_holds_to_its_bound_and_not_longer(office: Office) -> None:
    fill(office, 1)
    [event] = claim(office.sessions, owner="a", now=NOW, limit=5)
    assert claim(office.sessions, owner="b", now=NOW + LEASE, limit=5) == []
    [again] = claim(office.sessions, owner="b", now=NOW + LEASE + SECOND, limit=5)
    assert (again.id, again.attempts) == (event.id, 2)
    finish(office.sessions, event, owner="a", outcome="too late", now=NOW)
    assert waiting(office.sessions) == {InboxState.CLAIMED: 1}, "whoever lost the lease finishes nothing"
    finish(office.sessions, again, owner="b", outcome="done", now=NOW)
    assert outcome_of(office.sessions, source="page", event_id="e0") == (InboxState.DONE, "done")


def test_a_restarted_dispatcher_takes_back_only_its_own(office: Office) -> None:
    fill(office, 2)
    claim(office.sessions, owner="a", now=NOW, limit=1)
    claim(office.sessions, owner="b", now=NOW, limit=1)
    assert take_back(office.sessions, owner="a", now=NOW) == 1
    assert ready(office.sessions, now=NOW) == 1


def test_failures_wait_longer_each_time_and_are_parked_at_last(office: Office) -> None:
    fill(office, 1)
    moment, waits = NOW, []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        [event] = claim(office.sessions, owner="a", now=moment, limit=1)
        parked = put_back(office.sessions, event, owner="a", why="down", now=moment)
        assert parked == (attempt == MAX_ATTEMPTS)
        following = next(s for s in range(1, 1000) if parked or ready(office.sessions, now=moment + s * SECOND))
        waits.append(following)
        moment += following * SECOND
    assert waits[:5] == [2, 4, 8, 16, 32]
    assert waits[-2] == 900
    assert waiting(office.sessions) == {InboxState.PARKED: 1}
    assert unpark(office.sessions, now=moment) == 1
    [event] = claim(office.sessions, owner="a", now=moment, limit=1)
    assert event.attempts == 1


def test_waiting_for_prefect_counts_no_attempt(office: Office) -> None:
    fill(office, 1)
    for _ in range(MAX_ATTEMPTS + 3):
        [event] = claim(office.sessions, owner="a", now=NOW, limit=1)
        postpone(office.sessions, event, owner="a", now=NOW, wait=timedelta())
        assert event.attempts == 1


def test_refusals_are_counted_by_day_source_and_reason(office: Office) -> None:
    from blocks.ledger import Refusal

    for _ in range(2):
        count_refusals(office.sessions, {("orders", "signature"): 3, ("orders", "content"): 1}, now=NOW)
    with transaction(office.sessions) as session:
        assert {(row.reason, row.count) for row in session.query(Refusal)} == {("signature", 6), ("content", 2)}
