"""An order's state: which changes are allowed, the append-only story of them, and the lease of whoever advances it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import Customer, Order, OrderEvent, OrderState, Sessions, Step, transaction
from tasks.notices import queue_notice, queue_operator_notice
from tasks.numbering import by_number

_S = OrderState
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.ACKNOWLEDGED: frozenset({_S.PENDING, _S.IN_PROGRESS, _S.HELD, _S.REJECTED, _S.CANCELLED}),
    _S.PENDING: frozenset({_S.IN_PROGRESS, _S.HELD, _S.CANCELLED}),
    _S.HELD: frozenset({_S.ACKNOWLEDGED, _S.PENDING, _S.IN_PROGRESS, _S.COMPLETED, _S.CANCELLED, _S.REJECTED}),
    _S.IN_PROGRESS: frozenset({_S.COMPLETED, _S.HELD, _S.REJECTED}),
    _S.COMPLETED: frozenset({_S.HELD}),
    _S.CANCELLED: frozenset({_S.HELD}),
    _S.REJECTED: frozenset({_S.HELD}),
}
"""TM Forum's states as they follow one another here. Work ends as rejected
where a CA refuses. Money that comes for a dead order revives it only as `held`."""

LEASE = timedelta(minutes=20)
"""Longer than any run may take, so that a slow worker is not taken for a dead one."""

WISH = "wish"
HOLDS_TOLD_TO_CUSTOMER = frozenset(
    {"underpaid", "payment_after_cancellation", "payment_canceled", "unknown_product", WISH}
)


def find_order(session: Session, number: str, *, lock: bool = False) -> Order:
    """The order of that number. Raises NotFound."""
    return by_number(session, Order, number, lock=lock)


def note(
    session: Session,
    order: Order,
    *,
    kind: str,
    why: str,
    now: datetime,
    who: str = "dogovor",
    clause: str | None = None,
) -> None:
    """Add a line to the order's story."""
    session.add(OrderEvent(order_id=order.id, at=now, kind=kind, who=who, why=why[:2000], clause=clause))


def transition(
    session: Session,
    order: Order,
    to: OrderState,
    *,
    why: str,
    now: datetime,
    who: str = "dogovor",
    clause: str | None = None,
) -> None:
    """Change an order's state and add the change to its story. Raises Refused when the states do not follow."""
    if to not in TRANSITIONS[order.state]:
        raise Refused("state", f"{order.number} cannot go from {order.state.value} to {to.value}")
    session.add(
        OrderEvent(
            order_id=order.id,
            at=now,
            kind="state",
            from_state=order.state.value,
            to_state=to.value,
            who=who,
            why=why[:2000],
            clause=clause,
        )
    )
    order.state = to
    if to is not OrderState.HELD:
        order.hold_reason = None


def hold(
    session: Session, order: Order, *, reason: str, why: str, now: datetime, operator: str, clause: str | None = None
) -> None:
    """Stop an order for a person; the operator is told, and the customer where it concerns it.

    An order held already gets the new reason beside the old ones, and everybody is told of it too.
    """
    if order.state is OrderState.HELD:
        reasons = (order.hold_reason or "").split("+")
        if reason in reasons:
            return
        note(session, order, kind=f"hold.{reason}", why=why, now=now, clause=clause)
        order.hold_reason = "+".join([*reasons, reason])[:200]
    else:
        transition(session, order, OrderState.HELD, why=f"{reason}: {why}", now=now, clause=clause)
        order.hold_reason = reason
    about = f"{reason}:{now.isoformat(timespec='seconds')}"
    facts = {"reason": reason, "why": why, "number": order.number}
    queue_operator_notice(
        session, kind="order_held", key=f"{order.number}:order_held:{about}", operator=operator, facts=facts, now=now
    )
    if reason in HOLDS_TOLD_TO_CUSTOMER:
        customer = session.get_one(Customer, order.customer_id)
        queue_notice(
            session, order, kind=f"held_{reason}", recipient=customer.email, facts={"why": why}, now=now, about=about
        )


def take_leases(sessions: Sessions, numbers: Collection[str], *, owner: str, now: datetime) -> set[str]:
    """Become the one who advances these orders; the answer leaves out those that another is at."""
    with transaction(sessions) as session:
        taken = session.execute(
            update(Order)
            .where(
                Order.number.in_(numbers),
                or_(Order.lease_until.is_(None), Order.lease_until < now, Order.lease_owner == owner),
            )
            .values(lease_owner=owner, lease_until=now + LEASE)
            .returning(Order.number)
        )
        return set(taken.scalars())


def drop_leases(sessions: Sessions, numbers: Collection[str], *, owner: str) -> None:
    """Let others advance the orders."""
    with transaction(sessions) as session:
        session.execute(
            update(Order)
            .where(Order.number.in_(numbers), Order.lease_owner == owner)
            .values(lease_owner=None, lease_until=None)
        )


def leave_leases(sessions: Sessions, numbers: Collection[str], *, owner: str) -> None:
    """Keep everybody away from the orders until the leases end, ourselves too: a run of ours may go on unseen."""
    with transaction(sessions) as session:
        session.execute(
            update(Order)
            .where(Order.number.in_(numbers), Order.lease_owner == owner)
            .values(lease_owner="nobody: a run was given up")
        )


def is_done(session: Session, order: Order, key: str) -> bool:
    """Whether a step of an order has been done."""
    return session.get(Step, (order.id, key)) is not None


def mark_done(session: Session, order: Order, key: str, *, result: str, now: datetime) -> None:
    """Record a step in the transaction of its effect. A second record of it is an integrity error by intent."""
    session.add(Step(order_id=order.id, key=key, done_at=now, result=result))
