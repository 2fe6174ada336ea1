"""The next step of an order: a pure decision, looked at in every state."""

from __future__ import annotations

import itertools

import pytest

from blocks.ledger import OrderState
from tasks.access_data import CERTIFIED, GENERATED, PREPARED, PROVISIONED, VERIFIED
from tasks.activation import ACTIVATED, EXTENDED
from tasks.decisions import HANDED_OVER
from tasks.fulfilment import Next, OrderView, next_step
from tasks.order_state import TRANSITIONS

S = OrderState


def view(state: OrderState, **changes: object) -> OrderView:
    base = {
        "number": "KS-2026-000001",
        "agreement": "KS",
        "customer_id": 1,
        "state": state,
        "way": "yookassa",
        "price_minor": 100,
        "received_minor": 0,
        "delivery": "electronic",
        "renews": False,
        "done": frozenset(),
        "page_shown": False,
        "file_sent": True,
    }
    return OrderView(**{**base, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "step"),
    [
        (view(S.ACKNOWLEDGED), Next.REQUEST_PAYMENT),
        (view(S.ACKNOWLEDGED, way="invoice"), Next.ISSUE_INVOICE),
        (view(S.ACKNOWLEDGED, received_minor=99), Next.HOLD_UNDERPAID),
        (view(S.ACKNOWLEDGED, received_minor=100), Next.BEGIN),
        (view(S.ACKNOWLEDGED, price_minor=0), Next.BEGIN),
        (view(S.PENDING), None),
        (view(S.PENDING, received_minor=101), Next.BEGIN),
        (view(S.IN_PROGRESS), Next.GENERATE_ACCESS_DATA),
        (view(S.IN_PROGRESS, done={GENERATED}), Next.OBTAIN_CERTIFICATE),
        (view(S.IN_PROGRESS, done={GENERATED, CERTIFIED}), Next.PREPARE_DOMAIN),
        (view(S.IN_PROGRESS, done={GENERATED, CERTIFIED, PREPARED}), Next.PROVISION_ACCOUNTS),
        (view(S.IN_PROGRESS, done={GENERATED, CERTIFIED, PREPARED, PROVISIONED}), Next.VERIFY_ACCOUNTS),
        (view(S.IN_PROGRESS, done={GENERATED, CERTIFIED, PREPARED, PROVISIONED, VERIFIED}), Next.ACTIVATE_COMPLEX),
        (view(S.IN_PROGRESS, done={GENERATED, PROVISIONED, ACTIVATED}), None),
        (view(S.IN_PROGRESS, done={GENERATED, PROVISIONED, ACTIVATED}, page_shown=True), Next.COMPLETE),
        (view(S.IN_PROGRESS, done={GENERATED, PROVISIONED, ACTIVATED}, page_shown=True, delivery="envelope"), None),
        (
            view(S.IN_PROGRESS, done={GENERATED, PROVISIONED, ACTIVATED, HANDED_OVER}, delivery="envelope"),
            Next.COMPLETE,
        ),
        (view(S.IN_PROGRESS, done={GENERATED, PROVISIONED, ACTIVATED}, page_shown=True, file_sent=False), None),
        (view(S.IN_PROGRESS, agreement="QS"), Next.ACTIVATE_PROJECT),
        (view(S.IN_PROGRESS, agreement="QS", done={ACTIVATED}), Next.COMPLETE),
        (view(S.IN_PROGRESS, agreement="QS", renews=True), Next.EXTEND_PERIOD),
        (view(S.IN_PROGRESS, agreement="QS", renews=True, done={EXTENDED}), Next.COMPLETE),
    ],
)
def test_the_next_step(order: OrderView, step: Next | None) -> None:
    assert next_step(order) is step


@pytest.mark.parametrize("state", [S.HELD, S.CANCELLED, S.REJECTED, S.COMPLETED])
def test_an_order_that_waits_for_a_person_or_is_over_takes_no_step_whatever_is_paid(state: OrderState) -> None:
    for agreement, money, way in itertools.product(("KS", "QS"), (0, 50, 100, 200), ("invoice", "yookassa")):
        assert next_step(view(state, agreement=agreement, received_minor=money, way=way)) is None


def test_every_state_leads_on_and_the_dead_revive_only_as_held() -> None:
    assert set(TRANSITIONS) == set(S)
    assert all(TRANSITIONS[state] for state in S)
    assert TRANSITIONS[S.CANCELLED] == TRANSITIONS[S.REJECTED] == TRANSITIONS[S.COMPLETED] == {S.HELD}
