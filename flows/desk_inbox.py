"""An operator's way into the inbox, from a form or a terminal, and the wait for what becomes of it."""

from __future__ import annotations

import time

from blocks.errors import Refused
from blocks.ledger import InboxState, transaction
from blocks.office import Office
from flows import runtime
from tasks.inbox import outcome_of, put_event
from tasks.order_forms import EventKind, Form

WAIT_SECONDS = 60.0


def put_and_wait(
    office: Office, event_id: str, kind: EventKind, form: Form, *, wait_seconds: float = WAIT_SECONDS
) -> str:
    """Put an operator's form into the inbox, once by the event's id, and wait for what becomes of it.

    Raises Refused when it was refused or parked; an event not taken up in time stays in the inbox.
    """
    payload = form.model_dump(mode="json")
    with transaction(office.sessions) as session:
        put_event(session, source="operator", event_id=event_id, kind=kind, payload=payload, now=runtime.now())
    until = time.monotonic() + wait_seconds
    while time.monotonic() < until:
        found = outcome_of(office.sessions, source="operator", event_id=event_id)
        if found is not None and found[0] in (InboxState.DONE, InboxState.PARKED):
            if found[0] is InboxState.PARKED or found[1].startswith("refused"):
                raise Refused("decision", found[1])
            return found[1]
        time.sleep(0.2)
    return "stored; the dispatcher has not taken it up yet"
