"""The one-time page: its state, and the one showing of what it holds (KS-1.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update

from blocks.ledger import Order, SealedSecret, reading, transaction
from blocks.office import Office
from blocks.sealing import token_hash
from tasks.inbox import put_event
from tasks.order_forms import EventKind
from tasks.order_state import note


class PageState(StrEnum):
    """What the page has to say."""

    UNKNOWN = "unknown"
    PREPARING = "preparing"
    READY = "ready"
    SHOWN = "shown"


@dataclass(frozen=True)
class Page:
    """A one-time page without its secret."""

    state: PageState
    order: str = ""
    agreement: str = ""
    order_state: str = ""
    for_envelope: bool = False
    shown_at: datetime | None = None


def page_of(office: Office, token: str) -> Page:
    """The page of a token; asking shows nothing and changes nothing."""
    with reading(office.sessions) as session:
        found = session.execute(
            select(SealedSecret, Order)
            .join(Order, Order.id == SealedSecret.order_id)
            .where(SealedSecret.token_hash == token_hash(token))
        ).first()
        if found is None:
            return Page(PageState.UNKNOWN)
        secret, order = found
        state = PageState.SHOWN if secret.revealed_at else PageState.READY if secret.ready_at else PageState.PREPARING
        return Page(
            state,
            order.number,
            order.agreement,
            order.state.value,
            order.delivery == "envelope",
            secret.revealed_at,
        )


def reveal(office: Office, token: str, *, now: datetime) -> Mapping[str, str] | None:
    """Show the secret: exactly one of any number of callers gets it, all others None. It is destroyed with the showing.

    The showing and the event that lets the order go on are one transaction.
    """
    with transaction(office.sessions) as session:
        won = session.execute(
            update(SealedSecret)
            .where(
                SealedSecret.token_hash == token_hash(token),
                SealedSecret.ready_at.is_not(None),
                SealedSecret.revealed_at.is_(None),
            )
            .values(revealed_at=now)
            .returning(SealedSecret.id)
        ).scalar_one_or_none()
        if won is None:
            return None
        secret = session.get_one(SealedSecret, won)
        if secret.sealed is None:
            return None
        shown: dict[str, str] = json.loads(office.sealer.open(secret.sealed, secret.purpose))
        secret.sealed = None
        order = session.get_one(Order, secret.order_id)
        note(session, order, kind="secret.shown", why="the one-time page was opened", now=now, clause="KS-1.4")
        put_event(
            session,
            source="page",
            event_id=f"shown:{order.number}",
            kind=EventKind.SHOWN,
            payload={"order": order.number},
            now=now,
        )
        return shown
