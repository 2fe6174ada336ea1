"""One secret, many who press: exactly one sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select

from blocks.ledger import InboxEvent, SealedSecret, reading
from blocks.office import Office
from tasks.reveal import PageState, page_of, reveal
from tests.work import MINUTE, NOW, ordered, page_token, qs


@pytest.mark.clause("KS-1.4")
def test_ks_1_4_of_sixteen_who_press_at_once_exactly_one_sees_the_secret(office: Office) -> None:
    for attempt in range(5):
        number = ordered(office, f"R-{attempt}", qs("free", 0), {**CUSTOMER, "email": f"c{attempt}@example.test"})
        token = page_token(office, number)
        with ThreadPoolExecutor(16) as pool:
            shown = list(pool.map(partial(reveal, office, now=NOW + MINUTE), [token] * 16))
        assert sum(secret is not None for secret in shown) == 1
        assert page_of(office, token).state is PageState.SHOWN
    with reading(office.sessions) as session:
        assert {secret.sealed for secret in session.scalars(select(SealedSecret))} == {None}
        assert len(session.scalars(select(InboxEvent).where(InboxEvent.source == "page")).all()) == 5


CUSTOMER = {"kind": "person", "name": "Анна Примерова", "email": "customer@example.test"}


def test_looking_at_a_page_shows_nothing_and_changes_nothing(office: Office) -> None:
    number = ordered(office, "R-1", qs("start", 1))
    token = page_token(office, number)
    assert page_of(office, token).state is PageState.PREPARING
    assert reveal(office, token, now=NOW) is None
    assert page_of(office, token).state is PageState.PREPARING
    assert page_of(office, "x" * 43).state is PageState.UNKNOWN
    assert reveal(office, "x" * 43, now=NOW) is None
